//! A strict reader of JSON tokens, for text that nobody has validated.
//!
//! Owns the grammar of RFC 8259; that the whole text is UTF-8 is checked beforehand ([`super::text::check_utf8`]).
//! Invariant: no function recurses, and the position never moves back.

use super::text;

/// Why bytes are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What was expected, without the text that was found: `expected a value`.
    pub reason: &'static str,
}

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawString<'j> {
    /// Everything between the quotes; its escapes are sound.
    pub(crate) raw: &'j [u8],
    /// True where there is an escape in it.
    pub(crate) escaped: bool,
}

/// A position in JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'j> {
    bytes: &'j [u8],
    at: usize,
}

impl<'j> Reader<'j> {
    /// Begins at the start of `bytes`.
    pub(crate) fn new(bytes: &'j [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Begins at `at`.
    pub(crate) fn starting_at(bytes: &'j [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The whole text.
    pub(crate) fn bytes(&self) -> &'j [u8] {
        self.bytes
    }

    /// Bytes read so far.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next byte, which stays.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// What is not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'j [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Moves over bytes that the caller has seen.
    #[inline]
    pub(crate) fn advance(&mut self, n_bytes: usize) {
        // Never beyond the end by more than an escape that is cut short.
        self.at = self.at.wrapping_add(n_bytes);
    }

    /// Moves over `byte` if it is next.
    #[inline]
    pub(crate) fn accept(&mut self, byte: u8) -> bool {
        // A jump, not a sum: so the processor reads on before it knows.
        if self.peek() != Some(byte) {
            return false;
        }
        self.advance(1);
        true
    }

    /// Moves over `literal` if it is next.
    #[inline]
    pub(crate) fn accept_literal(&mut self, literal: &[u8]) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.advance(literal.len());
        }
        found
    }

    /// Moves over blanks.
    #[inline]
    pub(crate) fn skip_blanks(&mut self) {
        // Mostly there are none.
        if self.peek().is_some_and(|it| it > b' ') {
            return;
        }
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.advance(1);
        }
    }

    /// Fails at the current position.
    #[cold]
    pub(crate) fn fail<T>(self, reason: &'static str) -> Result<T, SyntaxError> {
        let reason = if self.at >= self.bytes.len() {
            "unexpected end of the document"
        } else {
            reason
        };
        Err(SyntaxError {
            offset: self.at.min(self.bytes.len()),
            reason,
        })
    }

    /// Moves over blanks up to the end of the text; anything else there is an error.
    pub(crate) fn finish(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            self.fail("expected the end of the document")
        }
    }

    /// Reads a string, from its opening quote to behind its closing one.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawString<'j>, SyntaxError> {
        if !self.accept(b'"') {
            return self.fail("expected a string");
        }
        let start = self.at;
        self.advance(text::plain_length(self.rest()));
        let escaped = self.peek() != Some(b'"');
        if escaped {
            // A copy is lent, so that the reader itself stays in registers.
            let mut behind = *self;
            behind.rest_of_string()?;
            *self = behind;
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        self.advance(1);
        Ok(RawString { raw, escaped })
    }

    /// Moves up to the closing quote of a string in which something other than plain text was found.
    fn rest_of_string(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.peek() {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return self.fail("control characters in strings must be escaped"),
            }
            self.advance(text::plain_length(self.rest()));
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.advance(1);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.advance(1);
                Ok(())
            }
            Some(b'u') => match text::unicode_escape(self.rest()) {
                Some((_, length)) => {
                    self.advance(length);
                    Ok(())
                }
                None => self.fail("expected four hexadecimal digits that are, alone or in a pair, a character"),
            },
            _ => self.fail("expected an escape"),
        }
    }

    /// Reads a number.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'j [u8], SyntaxError> {
        let start = self.at;
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            let mut behind = *self;
            behind.rest_of_number()?;
            *self = behind;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// Moves over fraction and exponent.
    fn rest_of_number(&mut self) -> Result<(), SyntaxError> {
        if self.accept(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), SyntaxError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail("expected a digit");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.advance(1);
        }
        Ok(())
    }

    /// Reads the colon behind a key, and the blanks on both sides.
    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if !self.accept(b':') {
            return self.fail("expected `:`");
        }
        self.skip_blanks();
        Ok(())
    }

    /// Moves over one value that may be nested `depth` levels deep, at most [`super::MAX_DEPTH`].
    pub(crate) fn skip_value(&mut self, depth: u32) -> Result<(), SyntaxError> {
        *self = self.behind_value(depth)?;
        Ok(())
    }

    fn behind_value(mut self, depth: u32) -> Result<Self, SyntaxError> {
        let depth = depth.min(super::MAX_DEPTH);
        // One bit for each open container, the innermost lowest: 1 for an object.
        let mut objects = 0_u128;
        let mut level = 0_u32;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(open @ (b'{' | b'[')) => {
                    if level == depth {
                        return self.fail("nested too deeply");
                    }
                    self.advance(1);
                    self.skip_blanks();
                    let is_object = open == b'{';
                    if !self.accept(if is_object { b'}' } else { b']' }) {
                        level = level.saturating_add(1);
                        objects = objects << 1 | u128::from(is_object);
                        if is_object {
                            self.string()?;
                            self.colon()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
                _ => {
                    if !(self.accept_literal(b"true") || self.accept_literal(b"false") || self.accept_literal(b"null"))
                    {
                        return self.fail("expected a value");
                    }
                }
            }
            loop {
                if level == 0 {
                    return Ok(self);
                }
                self.skip_blanks();
                let is_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.advance(1);
                        self.skip_blanks();
                        if is_object {
                            self.string()?;
                            self.colon()?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => self.advance(1),
                    Some(b']') if !is_object => self.advance(1),
                    _ => {
                        return self.fail(if is_object {
                            "expected `,` or `}`"
                        } else {
                            "expected `,` or `]`"
                        });
                    }
                }
                level = level.saturating_sub(1);
                objects >>= 1;
            }
        }
    }
}
