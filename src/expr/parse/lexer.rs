//! Text → tokens: names, numbers, strings and signs of CEL, each with its span.
//!
//! Owns escapes and the limits of literals; what tokens mean together is the parser's. Never allocates but for the
//! content of strings, and always moves forward, also over what it refuses.

use super::super::{ExprError, Span};
use super::mistake::syntax;

/// What a token is. Its text is the span's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bytes,
    Double,
    End,
    Int,
    Name,
    /// A field name between backticks, which this language refuses.
    Quoted,
    /// One of [`SIGNS`].
    Sign(&'static str),
    String,
    Uint,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// Longest first, as they are tried in this order.
const SIGNS: [&str; 28] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "!", "-", "+", "*",
    "/", "%", "=", "&", "|", "$",
];

/// Reads tokens one by one.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    /// The next token; [`Kind::End`] for ever at the end.
    pub(super) fn next(&mut self) -> Result<Token, ExprError> {
        self.skip_blanks();
        let bytes = self.text.as_bytes();
        let start = self.at;
        let Some(&first) = bytes.get(start) else {
            return Ok(Token {
                kind: Kind::End,
                span: span(start, start),
            });
        };
        let kind = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let is_bytes = matches!(first, b'b' | b'B');
                let mut quote = start + usize::from(is_bytes);
                if matches!(bytes.get(quote), Some(b'r' | b'R')) {
                    quote += 1;
                }
                if matches!(bytes.get(quote), Some(b'"' | b'\'')) {
                    self.quoted(start, quote)?;
                    if is_bytes { Kind::Bytes } else { Kind::String }
                } else {
                    self.skip_while(|it| it.is_ascii_alphanumeric() || it == b'_');
                    Kind::Name
                }
            }
            b'"' | b'\'' => {
                self.quoted(start, start)?;
                Kind::String
            }
            b'`' => {
                self.at += 1;
                self.skip_while(|it| it != b'`' && it != b'\n');
                if bytes.get(self.at) != Some(&b'`') {
                    return Err(syntax(span(start, self.at), "this name has no closing backtick"));
                }
                self.at += 1;
                Kind::Quoted
            }
            b'0'..=b'9' => self.number(),
            b'.' if matches!(bytes.get(start + 1), Some(b'0'..=b'9')) => self.number(),
            _ => {
                if let Some(sign) = SIGNS.iter().find(|it| bytes[start..].starts_with(it.as_bytes())) {
                    self.at += sign.len();
                    Kind::Sign(sign)
                } else {
                    let unexpected = self.text[start..].chars().next().unwrap_or(' ');
                    self.at += unexpected.len_utf8();
                    let shown = if unexpected.is_control() {
                        unexpected.escape_default().to_string()
                    } else {
                        unexpected.to_string()
                    };
                    return Err(syntax(span(start, self.at), format!("unexpected character `{shown}`")));
                }
            }
        };
        Ok(Token {
            kind,
            span: span(start, self.at),
        })
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.text.as_bytes().get(self.at).is_some_and(|&it| wanted(it)) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.skip_while(|it| matches!(it, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
            if !self.text.as_bytes()[self.at..].starts_with(b"//") {
                return;
            }
            self.skip_while(|it| it != b'\n');
        }
    }

    fn number(&mut self) -> Kind {
        let bytes = self.text.as_bytes();
        let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let hex_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let mut kind = Kind::Int;
        if bytes[self.at] == b'0' && matches!(bytes.get(self.at + 1), Some(b'x' | b'X')) && hex_at(self.at + 2) {
            self.at += 2;
            self.skip_while(|it| it.is_ascii_hexdigit());
        } else {
            self.skip_while(|it| it.is_ascii_digit());
            if bytes.get(self.at) == Some(&b'.') && digit_at(self.at + 1) {
                kind = Kind::Double;
                self.at += 1;
                self.skip_while(|it| it.is_ascii_digit());
            }
            if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
                if digit_at(self.at + 1 + sign) {
                    kind = Kind::Double;
                    self.at += 1 + sign;
                    self.skip_while(|it| it.is_ascii_digit());
                }
            }
        }
        if kind == Kind::Int && matches!(bytes.get(self.at), Some(b'u' | b'U')) {
            self.at += 1;
            kind = Kind::Uint;
        }
        kind
    }

    /// Moves behind a string whose quote stands at `quote`.
    fn quoted(&mut self, start: usize, quote: usize) -> Result<(), ExprError> {
        let bytes = self.text.as_bytes();
        let mark = bytes[quote];
        let raw = quote > start && matches!(bytes[quote - 1], b'r' | b'R');
        let triple = bytes[quote..].starts_with(&[mark; 3]);
        let width = if triple { 3 } else { 1 };
        self.at = quote + width;
        loop {
            match bytes.get(self.at) {
                None => {
                    return Err(syntax(span(start, bytes.len()), "this text has no closing quote"));
                }
                Some(b'\n' | b'\r') if !triple => {
                    return Err(syntax(
                        span(start, self.at),
                        "this text has no closing quote on its line",
                    ));
                }
                Some(b'\\') if !raw => self.at = (self.at + 2).min(bytes.len()),
                Some(&it) if it == mark && (!triple || bytes[self.at..].starts_with(&[mark; 3])) => {
                    self.at += width;
                    return Ok(());
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

/// The content of a string or bytes literal whose form the lexer has accepted.
pub(super) fn content(token: Token, text: &str) -> Result<Vec<u8>, ExprError> {
    let is_bytes = token.kind == Kind::Bytes;
    let literal = &text[token.span.start as usize..token.span.end as usize];
    let quote = literal.find(['"', '\'']).unwrap_or(0);
    let raw = literal[..quote].contains(['r', 'R']);
    let quoted = &literal[quote..];
    let triple = quoted.len() >= 6 && (quoted.starts_with("\"\"\"") || quoted.starts_with("'''"));
    let width = if triple { 3 } else { 1 };
    let body = &quoted[width..quoted.len() - width];
    let base = token.span.start as usize + quote + width;

    let mut out = Vec::with_capacity(body.len());
    let mut chars = body.char_indices().peekable();
    while let Some((at, it)) = chars.next() {
        if it == '\r' {
            // Line ends inside triple quotes count as one `\n` however the file ends its lines.
            if matches!(chars.peek(), Some((_, '\n'))) {
                chars.next();
            }
            out.push(b'\n');
            continue;
        }
        if it != '\\' || raw {
            push_char(&mut out, it);
            continue;
        }
        let Some((_, escape)) = chars.next() else {
            return Err(syntax(span(base + at, base + at + 1), "incomplete escape"));
        };
        let (radix, digits, first) = match escape {
            '\\' | '?' | '"' | '\'' | '`' => {
                push_char(&mut out, escape);
                continue;
            }
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' => {
                out.push(match escape {
                    'a' => 0x07,
                    'b' => 0x08,
                    'f' => 0x0c,
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    _ => 0x0b,
                });
                continue;
            }
            'x' | 'X' => (16, 2, 0),
            'u' if !is_bytes => (16, 4, 0),
            'U' if !is_bytes => (16, 8, 0),
            '0'..='3' => (8, 2, u32::from(escape as u8 - b'0')),
            _ => {
                let end = base + at + 1 + escape.len_utf8();
                return Err(syntax(span(base + at, end), format!("unknown escape `\\{escape}`")));
            }
        };
        let mut code = first;
        let mut end = base + at + 2;
        for _ in 0..digits {
            let Some(digit) = chars.peek().and_then(|(_, it)| it.to_digit(radix)) else {
                return Err(syntax(
                    span(base + at, end),
                    format!("`\\{escape}` needs {digits} digits behind it"),
                ));
            };
            code = code.wrapping_mul(radix).wrapping_add(digit);
            end += 1;
            chars.next();
        }
        match (is_bytes, u8::try_from(code), char::from_u32(code)) {
            (true, Ok(byte), _) => out.push(byte),
            (false, _, Some(it)) => push_char(&mut out, it),
            _ => {
                return Err(syntax(span(base + at, end), "this escape is not a character"));
            }
        }
    }
    Ok(out)
}

fn push_char(out: &mut Vec<u8>, it: char) {
    out.extend_from_slice(it.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Texts are at most 4 KiB where spans matter; longer ones were refused before.
pub(super) fn span(start: usize, end: usize) -> Span {
    let narrow = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Span {
        start: narrow(start),
        end: narrow(end),
    }
}
