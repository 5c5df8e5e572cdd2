//! Text → [`PathTemplate`], with the place of the first mistake.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::{PathTemplate, PathTemplateError, Segment, Variable};

struct Parser<'t> {
    text: &'t str,
    at: usize,
    segments: Vec<Segment>,
    /// Where `**` stands, once there is one.
    rest: Option<Range<usize>>,
    variables: Vec<Variable>,
    captures: Vec<Range<usize>>,
}

type Parsed<T> = Result<T, PathTemplateError>;

fn mistake<T>(range: Range<usize>, reason: impl Into<String>) -> Parsed<T> {
    Err(PathTemplateError {
        range,
        reason: reason.into(),
    })
}

pub(super) fn parse(text: &str) -> Parsed<PathTemplate> {
    let mut parser = Parser {
        text,
        at: 0,
        segments: Vec::new(),
        rest: None,
        variables: Vec::new(),
        captures: Vec::new(),
    };
    if !text.starts_with('/') {
        let end = text.chars().next().map_or(0, char::len_utf8);
        return mistake(0..end, "a path template begins with `/`");
    }
    let mut verb = None;
    if text.len() > 1 {
        while parser.next() == Some('/') {
            parser.at += 1;
            parser.segment()?;
        }
        if parser.next() == Some(':') {
            parser.at += 1;
            verb = Some(parser.verb()?);
        }
        if let Some(char) = parser.next() {
            let range = parser.here();
            return mistake(range, format!("`{char}` cannot stand here: a segment ends before it"));
        }
    }
    let Parser {
        segments,
        variables,
        captures,
        ..
    } = parser;
    Ok(PathTemplate {
        text: text.into(),
        segments: segments.into(),
        verb,
        variables: variables.into(),
        captures: captures.into(),
    })
}

impl Parser<'_> {
    fn next(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// The range of the next character; empty at the end.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.next().map_or(0, char::len_utf8)
    }

    /// Takes characters as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> Range<usize> {
        let rest = &self.text[self.at..];
        let start = self.at;
        self.at += rest.find(|it| !fits(it)).unwrap_or(rest.len());
        start..self.at
    }

    /// A segment or a variable with its segments.
    fn segment(&mut self) -> Parsed<()> {
        if self.next() == Some('{') {
            self.variable()
        } else {
            self.plain_segment()
        }
    }

    fn variable(&mut self) -> Parsed<()> {
        let open = self.here();
        self.at = open.end;
        let name = self.name()?;
        let start = self.segments.len();
        match self.next() {
            Some('=') => {
                loop {
                    // Behind `=` at first, behind a `/` from then on.
                    self.at += 1;
                    if self.next() == Some('{') {
                        return mistake(self.here(), "a variable cannot stand inside another one");
                    }
                    self.plain_segment()?;
                    if self.next() != Some('/') {
                        break;
                    }
                }
                if self.next() == Some(':') {
                    return mistake(self.here(), "a verb stands behind the last segment, outside of braces");
                }
            }
            // `{name}` is `{name=*}`.
            _ => self.push(Segment::One, open.clone())?,
        }
        match self.next() {
            Some('}') => self.at += 1,
            None => return mistake(open, "this `{` is never closed"),
            Some(char) => {
                return mistake(self.here(), format!("`{char}` cannot stand in a variable here"));
            }
        }
        self.variables.push(name);
        self.captures.push(start..self.segments.len());
        Ok(())
    }

    /// The name of a variable, dotted for a field path.
    fn name(&mut self) -> Parsed<Variable> {
        let start = self.at;
        loop {
            let part = self.take_while(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-'));
            let first = self.text[part.clone()].chars().next();
            match first {
                Some(char) if char.is_ascii_alphabetic() || char == '_' => {}
                Some(_) => {
                    return mistake(part, "the name of a variable begins with a letter or `_`");
                }
                None => return mistake(self.here(), "the name of a variable is missing"),
            }
            if self.next() != Some('.') {
                break;
            }
            self.at += 1;
        }
        let range = start..self.at;
        let name = &self.text[range.clone()];
        if self.variables.iter().any(|it| it.name == name) {
            return mistake(range, format!("variable `{name}` is already there"));
        }
        Ok(Variable {
            name: name.to_owned(),
            range,
        })
    }

    /// `*`, `**` or a literal.
    fn plain_segment(&mut self) -> Parsed<()> {
        let range = self.take_while(|it| !matches!(it, '/' | ':' | '{' | '}'));
        match &self.text[range.clone()] {
            "" => match self.next() {
                Some('{') => mistake(self.here(), "a variable fills a whole segment"),
                Some('}') => mistake(self.here(), "a segment is missing before this `}`"),
                _ => mistake(range.start.saturating_sub(1)..range.end, "a segment is missing here"),
            },
            "*" => self.push(Segment::One, range),
            "**" => self.push(Segment::Rest, range),
            _ => {
                let literal = self.literal(range.clone())?;
                if matches!(&*literal, "." | "..") {
                    return mistake(range, "no request has such a segment: `.` and `..` are refused");
                }
                self.push(Segment::Literal(literal), range)
            }
        }
    }

    fn push(&mut self, segment: Segment, range: Range<usize>) -> Parsed<()> {
        if let Some(rest) = &self.rest {
            return mistake(rest.clone(), "`**` may stand in the last place only");
        }
        if segment == Segment::Rest {
            self.rest = Some(range);
        }
        self.segments.push(segment);
        Ok(())
    }

    fn verb(&mut self) -> Parsed<Box<str>> {
        let range = self.take_while(|it| !matches!(it, '/' | ':' | '{' | '}'));
        if range.is_empty() {
            return mistake(range.start - 1..range.end, "a verb is missing behind this `:`");
        }
        match self.next() {
            Some('/') => mistake(
                range.start - 1..range.start,
                "`:` begins a verb, which stands behind the last segment only",
            ),
            Some(':') => mistake(self.here(), "a verb cannot contain `:`"),
            _ => self.literal(range),
        }
    }

    /// Text of a segment or a verb, decoded.
    fn literal(&self, range: Range<usize>) -> Parsed<Box<str>> {
        let text = &self.text[range.clone()];
        for (at, char) in text.char_indices() {
            let at = range.start + at;
            let here = at..at + char.len_utf8();
            match char {
                '*' => return mistake(here, "`*` and `**` fill a whole segment"),
                '%' => {
                    let hex = self.text.get(at + 1..range.end.min(at + 3)).unwrap_or_default();
                    if hex.len() != 2 || !hex.bytes().all(|it| it.is_ascii_hexdigit()) {
                        return mistake(here, "`%` needs two hexadecimal digits behind it");
                    }
                }
                '?' | '#' => return mistake(here, format!("`{char}` is no part of a path")),
                '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '+' | ',' | ';' | '=' | '@' => {}
                _ if char.is_alphanumeric() => {}
                _ => return mistake(here, format!("{char:?} cannot stand in a path")),
            }
        }
        match percent_decode_str(text).decode_utf8() {
            Ok(decoded) if decoded.contains('\0') => mistake(range, "no request has such a segment: `%00` is refused"),
            Ok(decoded) => Ok(decoded.into()),
            Err(_) => mistake(range, "no request has such a segment: it is not UTF-8 when decoded"),
        }
    }
}
