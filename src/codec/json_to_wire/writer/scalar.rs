//! Scalars: JSON strings, numbers and bools into fields that are not messages.

use super::{Failure, Outcome, UnknownMembers, Writer};
use crate::codec::json::text;
use crate::codec::json_to_wire::program::{Program, Scalar};
use crate::codec::json_to_wire::scalar::{self, Integers};
use crate::codec::{escape, wire};

impl Writer<'_> {
    /// Reads a scalar and writes it without its tag.
    #[inline]
    pub(super) fn scalar(&mut self, program: &Program, kind: Scalar) -> Outcome {
        let offset = self.reader.offset();
        match kind {
            Scalar::Bool => {
                if self.reader.accept_literal(b"true") {
                    self.out.push(1);
                } else if self.reader.accept_literal(b"false") {
                    self.out.push(0);
                } else {
                    return self.mismatch(scalar::expectation(kind));
                }
                Ok(())
            }
            Scalar::String => {
                if self.reader.peek() != Some(b'"') {
                    return self.mismatch(scalar::expectation(kind));
                }
                let string = self.reader.string()?;
                if string.escaped {
                    self.lists.spare.clear();
                    text::unescape_into(string.raw, &mut self.lists.spare);
                    scalar::write_text(&self.lists.spare, self.out);
                } else {
                    self.plain_text(string.raw);
                }
                Ok(())
            }
            Scalar::Bytes => {
                if self.reader.peek() != Some(b'"') {
                    return self.mismatch(scalar::expectation(kind));
                }
                let string = self.reader.string()?;
                let text = text::unescape(string.raw);
                scalar::write_base64(text.as_bytes(), self.out).map_err(|it| Failure::new(offset, it))
            }
            Scalar::Enum(at) => self.enumeration(program, at),
            _ => {
                let raw = match self.reader.peek() {
                    Some(b'"') => self.reader.string()?.raw,
                    Some(b'-' | b'0'..=b'9') => self.reader.number()?,
                    _ => return self.mismatch(scalar::expectation(kind)),
                };
                if scalar::write_short_integer(kind, raw, self.out) {
                    return Ok(());
                }
                let text = text::unescape(raw);
                scalar::write_number(kind, &text, Integers::Integral, self.out).map_err(|it| Failure::new(offset, it))
            }
        }
    }

    /// Appends the string that was just read, in which nothing is escaped, with its length before it. A short one is copied
    /// by a whole register.
    #[inline]
    pub(super) fn plain_text(&mut self, raw: &[u8]) {
        // Behind the string stands its quote.
        let start = self.reader.offset().saturating_sub(1).saturating_sub(raw.len());
        let from = self.reader.bytes().get(start..).unwrap_or_default();
        match (u8::try_from(raw.len()), from.first_chunk::<{ escape::WIDTH }>()) {
            (Ok(length), Some(chunk)) if raw.len() <= escape::WIDTH => {
                self.out.push(length);
                escape::put_first(self.out, chunk, raw.len());
            }
            _ => scalar::write_text(raw, self.out),
        }
    }

    fn enumeration(&mut self, program: &Program, at: usize) -> Outcome {
        let offset = self.reader.offset();
        let Some(table) = program.enums.get(at) else {
            return self.fail("there is no such enum");
        };
        let number = match self.reader.peek() {
            Some(b'"') => {
                let raw = self.reader.string()?.raw;
                match table
                    .number(raw)
                    .or_else(|| table.number(text::unescape(raw).as_bytes()))
                {
                    Some(number) => number,
                    None if self.unknown == UnknownMembers::Ignore => {
                        self.dropped = true;
                        return Ok(());
                    }
                    None => return Err(Failure::new(offset, table.unknown(&text::unescape(raw)))),
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                let digits = text::unescape(self.reader.number()?);
                scalar::integer(&digits, Integers::Integral)
                    .filter(|it| table.accepts(*it))
                    .ok_or_else(|| Failure::new(offset, "expected the number of an enum value"))?
            }
            Some(b'n') if table.null_value && self.reader.accept_literal(b"null") => 0,
            _ => return self.mismatch(scalar::expectation(Scalar::Enum(at))),
        };
        wire::put_varint(self.out, wire::extend32(number));
        Ok(())
    }
}
