//! Maps: entries are written as they arrive, and put in order at the end where they did not arrive ascending.

use std::cmp::Ordering;

use super::{DUPLICATE, Failure, NOT_NULL, NOT_OBJECT, Outcome, Writer, takes_null};
use crate::codec::json::reader::RawString;
use crate::codec::json::text;
use crate::codec::json_to_wire::program::{Program, Scalar, ValueType};
use crate::codec::json_to_wire::scalar::{self, Integers, Reason};

/// A map field.
#[derive(Clone, Copy)]
pub(super) struct MapType<'t> {
    /// What stands before each entry.
    pub(super) tag: &'t [u8],
    pub(super) key: Scalar,
    pub(super) value: ValueType,
}

/// What was written of one map entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    start: usize,
    end: usize,
    /// Where the key stands in the document.
    offset: usize,
    key: Key,
}

/// What entries are ordered by. Those of one map are all of one variant.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// Signed numbers and bools.
    Signed(i64),
    /// Text, by its place in the output.
    Text {
        start: usize,
        length: usize,
    },
    Unsigned(u64),
}

impl Writer<'_> {
    /// Reads an object as the entries of a map, ascending by key.
    pub(super) fn map(&mut self, program: &Program, map: MapType<'_>, depth: u32) -> Outcome {
        let MapType { tag, key, value } = map;
        if !self.enter(b'{', b'}', NOT_OBJECT)? {
            return Ok(());
        }
        let base = self.lists.entries.len();
        let mut ascending = true;
        loop {
            let offset = self.reader.offset();
            let start = self.out.len();
            self.out.extend_from_slice(tag);
            let content = self.open();
            self.out.push(1 << 3 | key.wire_type() as u8);
            let raw = self.reader.string()?;
            let mut written = match self.map_key(key, raw) {
                Ok(written) => written,
                Err(reason) => return Err(Failure::new(offset, reason).in_member(self.key_at(offset))),
            };
            self.reader.colon()?;
            self.out.push(2 << 3 | value.wire_type() as u8);
            let result = if self.reader.rest().starts_with(b"null") && !takes_null(program, value) {
                self.fail(NOT_NULL)
            } else {
                self.value(program, value, depth)
            };
            if let Err(failure) = result {
                return Err(failure.in_member(self.key_at(offset)));
            }
            if self.take_dropped() {
                self.out.truncate(start);
                if self.has_next(b'}')? {
                    continue;
                }
                break;
            }
            let n_moved = self.close(content);
            if let Key::Text { start, .. } = &mut written {
                *start = start.saturating_add(n_moved);
            }
            let entry = Entry {
                start,
                end: self.out.len(),
                offset,
                key: written,
            };
            if let Some(before) = self.lists.entries.get(base..).and_then(<[Entry]>::last) {
                ascending &= compare(self.out, before.key, entry.key).is_lt();
            }
            self.lists.entries.push(entry);
            if !self.has_next(b'}')? {
                break;
            }
        }
        if !ascending {
            self.sort_entries(base)?;
        }
        self.lists.entries.truncate(base);
        Ok(())
    }

    /// Puts the entries of the innermost map in order; two of one key are a failure.
    #[cold]
    fn sort_entries(&mut self, base: usize) -> Outcome {
        let out = &*self.out;
        let Some(entries) = self.lists.entries.get_mut(base..) else {
            return Ok(());
        };
        let Some(start) = entries.first().map(|it| it.start) else {
            return Ok(());
        };
        entries.sort_by(|a, b| compare(out, a.key, b.key));
        for (a, b) in entries.iter().zip(entries.iter().skip(1)) {
            if compare(out, a.key, b.key).is_eq() {
                let offset = a.offset.max(b.offset);
                return Err(Failure::new(offset, DUPLICATE).in_member(self.key_at(offset)));
            }
        }
        self.lists.spare.clear();
        for entry in entries.iter() {
            self.lists
                .spare
                .extend_from_slice(out.get(entry.start..entry.end).unwrap_or_default());
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&self.lists.spare);
        Ok(())
    }

    fn map_key(&mut self, kind: Scalar, raw: RawString<'_>) -> Result<Key, Reason> {
        if kind == Scalar::String && !raw.escaped {
            self.plain_text(raw.raw);
            return Ok(Key::Text {
                start: self.out.len().saturating_sub(raw.raw.len()),
                length: raw.raw.len(),
            });
        }
        let unescaped = text::unescape(raw.raw);
        let key = &*unescaped;
        match kind {
            Scalar::Bool => {
                let value = match key {
                    "false" => 0,
                    "true" => 1,
                    _ => return Err(scalar::expectation(kind)),
                };
                self.out.push(value);
                return Ok(Key::Signed(i64::from(value)));
            }
            Scalar::Bytes | Scalar::Double | Scalar::Enum(_) | Scalar::Float | Scalar::String => {
                scalar::write_text(key.as_bytes(), self.out);
                return Ok(Key::Text {
                    start: self.out.len().saturating_sub(key.len()),
                    length: key.len(),
                });
            }
            _ => {}
        }
        scalar::write_number(kind, key, Integers::Integral, self.out)?;
        Ok(match scalar::integer::<i64>(key, Integers::Integral) {
            Some(signed) => Key::Signed(signed),
            // Only the upper half of the unsigned 64-bit numbers gets here.
            None => Key::Unsigned(scalar::integer(key, Integers::Integral).ok_or(scalar::expectation(kind))?),
        })
    }
}

fn compare(out: &[u8], a: Key, b: Key) -> Ordering {
    let text = |start: usize, length: usize| out.get(start..).and_then(|it| it.get(..length)).unwrap_or_default();
    match (a, b) {
        (Key::Signed(a), Key::Signed(b)) => a.cmp(&b),
        (Key::Unsigned(a), Key::Unsigned(b)) => a.cmp(&b),
        (Key::Text { start: a, length: n_a }, Key::Text { start: b, length: n_b }) => text(a, n_a).cmp(text(b, n_b)),
        // What is unsigned was too large for a signed number.
        (a, b) => matches!(a, Key::Unsigned(_)).cmp(&matches!(b, Key::Unsigned(_))),
    }
}
