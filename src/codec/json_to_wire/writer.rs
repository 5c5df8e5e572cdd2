//! One run over one document: reads JSON, writes wire.
//!
//! Members are written in the order in which they arrive. Only a message whose members did not arrive ascending is put in
//! order, once, at its end; maps likewise. What says which fields were met lies on stacks that all messages of a run share.
//! Recursion is as deep as messages may be nested, [`wire::DEPTH_LIMIT`].

use std::borrow::Cow;

use super::failure::Failure;
use super::nearest::nearest;
use super::program::{FieldPlan, Framing, Plan, Program, Registry, Scalar, Shape, ValueType};
use super::scalar::{self, Integers, Reason};
use super::well_known;
use crate::codec::json::reader::{RawString, Reader};
use crate::codec::json::{self, text};
use crate::codec::wire::{self, Tag, WireType};

pub(super) type Outcome = Result<(), Box<Failure>>;

/// How many times over a document may be read again in search of `@type`s that do not stand first.
const RESCAN_FACTOR: usize = 8;

const NOT_NULL: Reason = "expected a value other than null";
const NOT_OBJECT: Reason = "expected an object";
const DUPLICATE: Reason = "duplicate member";

pub(super) struct Writer<'r> {
    pub(super) reader: Reader<'r>,
    registry: &'r Registry,
    out: &'r mut Vec<u8>,
    /// A bit for each field and each oneof of every message that is open.
    seen: Vec<u64>,
    spans: Vec<Span>,
    entries: Vec<Entry>,
    spare: Vec<u8>,
    /// Bytes read in search of `@type`.
    n_rescanned: usize,
}

/// What was written of one field.
#[derive(Clone, Copy)]
struct Span {
    number: u32,
    start: usize,
    end: usize,
}

/// What was written of one map entry.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    /// Where the key stands in the document.
    offset: usize,
    key: Key,
}

/// What entries are ordered by. Those of one map are all of one variant.
#[derive(Clone, Copy)]
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

/// Whether `@type` may stand among the members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Any,
    Message,
}

impl<'r> Writer<'r> {
    pub(super) fn new(registry: &'r Registry, reader: Reader<'r>, out: &'r mut Vec<u8>) -> Self {
        Self {
            reader,
            registry,
            out,
            seen: Vec::new(),
            spans: Vec::new(),
            entries: Vec::new(),
            spare: Vec::new(),
            n_rescanned: 0,
        }
    }

    /// Reads the whole document as the program's message.
    pub(super) fn root(&mut self, program: &Program) -> Outcome {
        self.reader.skip_blanks();
        self.body(program, program.root, wire::DEPTH_LIMIT)
    }

    /// Reads the whole document as the value of one field.
    pub(super) fn root_field(&mut self, program: &Program, name: &str) -> Outcome {
        self.reader.skip_blanks();
        let plan = match program.root {
            ValueType::Empty(at) | ValueType::Message(at) => program.plans.get(at),
            _ => None,
        };
        match plan.and_then(|it| it.fields.iter().find(|it| &*it.name == name)) {
            Some(field) if self.is_absent(program, field) => Ok(()),
            Some(field) => self.field(program, field, wire::DEPTH_LIMIT - 1),
            None => self.fail("there is no such field"),
        }
    }

    #[cold]
    fn fail<T>(&self, reason: impl Into<Cow<'static, str>>) -> Result<T, Box<Failure>> {
        Err(Failure::new(self.reader.offset(), reason))
    }

    /// The key that stands at an offset, for pointers.
    #[cold]
    fn key_at(&self, offset: usize) -> String {
        let key = Reader::starting_at(self.reader.bytes(), offset).string();
        key.map_or_else(|_| String::new(), |it| text::unescape(it.raw).into_owned())
    }

    /// Moves behind `,` to the next member or element, or behind the closing bracket.
    #[inline]
    fn has_next(&mut self, close: u8) -> Result<bool, Box<Failure>> {
        self.reader.skip_blanks();
        if self.reader.accept(b',') {
            self.reader.skip_blanks();
            Ok(true)
        } else if self.reader.accept(close) {
            Ok(false)
        } else {
            Ok(self.reader.fail(if close == b'}' {
                "expected `,` or `}`"
            } else {
                "expected `,` or `]`"
            })?)
        }
    }

    /// Moves behind the opening bracket; false where the closing one follows, and behind it.
    #[inline]
    fn enter(&mut self, open: u8, close: u8, reason: Reason) -> Result<bool, Box<Failure>> {
        if !self.reader.accept(open) {
            return self.mismatch(reason);
        }
        self.reader.skip_blanks();
        Ok(!self.reader.accept(close))
    }

    /// Fails because the next value is of another type, or because it is none.
    #[cold]
    fn mismatch<T>(&self, reason: Reason) -> Result<T, Box<Failure>> {
        self.reader.clone().skip_value(json::MAX_DEPTH)?;
        self.fail(reason)
    }

    // === Lengths ===

    /// Leaves room for a length.
    #[inline]
    fn open(&mut self) -> usize {
        self.out.push(0);
        self.out.len()
    }

    /// Writes the length of all that stands behind `start`; returns by how many bytes that had to move.
    #[inline]
    fn close(&mut self, start: usize) -> usize {
        let length = self.out.len() - start;
        match (u8::try_from(length), self.out.get_mut(start - 1)) {
            (Ok(short @ 0..=0x7f), Some(prefix)) => {
                *prefix = short;
                0
            }
            _ => self.close_long(start, length),
        }
    }

    fn close_long(&mut self, start: usize, length: usize) -> usize {
        let end = self.out.len();
        let n_moved = wire::varint_length(length as u64) - 1;
        self.out.resize(end + n_moved, 0);
        self.out.copy_within(start..end, start + n_moved);
        let mut rest = length;
        for byte in self.out.iter_mut().skip(start - 1).take(n_moved) {
            *byte = (rest & 0x7f) as u8 | 0x80;
            rest >>= 7;
        }
        if let Some(last) = self.out.get_mut(start - 1 + n_moved) {
            *last = (rest & 0x7f) as u8;
        }
        n_moved
    }

    // === Messages ===

    /// Reads one value as `value` and writes it with its length, where it has one.
    #[inline]
    fn value(&mut self, program: &Program, value: ValueType, depth: u32) -> Outcome {
        if let ValueType::Scalar(scalar) = value {
            return self.scalar(program, scalar);
        }
        let start = self.open();
        self.body(program, value, depth)?;
        self.close(start);
        Ok(())
    }

    /// Reads one value as `value` and writes the bytes of the message alone.
    fn body(&mut self, program: &Program, value: ValueType, depth: u32) -> Outcome {
        let Some(depth) = depth.checked_sub(1) else {
            return self.fail("nested too deeply");
        };
        match value {
            ValueType::Any => self.any(depth),
            ValueType::Duration => self.text(well_known::write_duration),
            ValueType::Empty(at) | ValueType::Message(at) => {
                if self.enter(b'{', b'}', NOT_OBJECT)?
                    && let Some(plan) = program.plans.get(at)
                {
                    self.members(program, plan, depth, Within::Message)?;
                }
                Ok(())
            }
            ValueType::FieldMask => self.text(well_known::write_field_mask),
            ValueType::ListValue => self.list_value(program, depth),
            ValueType::Scalar(scalar) => self.scalar(program, scalar),
            ValueType::Struct => self.struct_value(program, depth),
            ValueType::Timestamp => self.text(well_known::write_timestamp),
            ValueType::Value => self.any_json(program, depth),
            ValueType::Wrapper(scalar) => {
                let start = self.out.len();
                self.out.push(1 << 3 | scalar.wire_type() as u8);
                self.scalar(program, scalar)?;
                if scalar::is_zero(scalar, self.out.get(start + 1..).unwrap_or_default()) {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    /// Reads members, the first of which is next, up to and with the closing brace.
    fn members(&mut self, program: &Program, plan: &Plan, depth: u32, within: Within) -> Outcome {
        let seen_base = self.seen.len();
        let spans_base = self.spans.len();
        let n_fields = plan.fields.len();
        self.seen
            .resize(seen_base + (n_fields + plan.oneofs.len()).div_ceil(64), 0);
        let mut ascending = true;
        let mut highest = 0;
        let mut has_type = false;
        // Members mostly stand in the order of the declaration.
        let mut expected = 0;
        loop {
            let offset = self.reader.offset();
            let found = match plan.fields.get(expected) {
                Some(field) if self.reader.rest().starts_with(&field.quoted) => {
                    self.reader.advance(field.quoted.len());
                    Some((expected, field))
                }
                _ => {
                    let key = self.reader.string()?;
                    self.find_field(plan, key)
                }
            };
            self.reader.colon()?;
            if let Some((at, field)) = found {
                expected = at + 1;
                if self.mark(seen_base, at) {
                    return Err(Failure::new(offset, DUPLICATE).in_member(self.key_at(offset)));
                }
                if !self.is_absent(program, field) {
                    if let Some(oneof) = field.oneof
                        && self.mark(seen_base, n_fields + oneof)
                    {
                        let name = plan.oneofs.get(oneof).map_or("", |it| it);
                        let reason = format!("another member of the oneof `{name}` is set too");
                        return Err(Failure::new(offset, reason).in_member(self.key_at(offset)));
                    }
                    let start = self.out.len();
                    if let Err(failure) = self.field(program, field, depth) {
                        return Err(failure.in_member(self.key_at(offset)));
                    }
                    let end = self.out.len();
                    ascending &= field.number >= highest;
                    highest = highest.max(field.number);
                    self.spans.push(Span {
                        number: field.number,
                        start,
                        end,
                    });
                }
            } else {
                let key = self.key_at(offset);
                if within == Within::Message || key != "@type" {
                    return Err(unknown_member(offset, key, plan));
                }
                if std::mem::replace(&mut has_type, true) {
                    return Err(Failure::new(offset, DUPLICATE).in_member(key));
                }
                self.reader.skip_value(json::MAX_DEPTH)?;
            }
            if !self.has_next(b'}')? {
                break;
            }
        }
        if !ascending {
            self.sort_fields(spans_base);
        }
        self.seen.truncate(seen_base);
        self.spans.truncate(spans_base);
        Ok(())
    }

    #[inline]
    fn find_field<'p>(&mut self, plan: &'p Plan, key: RawString<'_>) -> Option<(usize, &'p FieldPlan)> {
        let key = if key.escaped {
            self.spare.clear();
            text::unescape_into(key.raw, &mut self.spare);
            &self.spare
        } else {
            key.raw
        };
        let at = *plan.by_name.get(key)?;
        Some((at, plan.fields.get(at)?))
    }

    /// Sets a bit of the innermost message; true where it was set.
    #[inline]
    fn mark(&mut self, base: usize, bit: usize) -> bool {
        let Some(word) = self.seen.get_mut(base + bit / 64) else {
            return false;
        };
        let mask = 1 << (bit % 64);
        let was_set = *word & mask != 0;
        *word |= mask;
        was_set
    }

    /// Moves over a null that leaves the field unset.
    #[inline]
    fn is_absent(&mut self, program: &Program, field: &FieldPlan) -> bool {
        self.reader.peek() == Some(b'n')
            && !(field.shape == Shape::Singular && takes_null(program, field.value))
            && self.reader.accept_literal(b"null")
    }

    /// Puts the fields of the innermost message in order of their numbers.
    #[cold]
    fn sort_fields(&mut self, base: usize) {
        let Some(spans) = self.spans.get_mut(base..) else {
            return;
        };
        let Some(start) = spans.first().map(|it| it.start) else {
            return;
        };
        spans.sort_by_key(|it| it.number);
        self.spare.clear();
        for span in spans.iter() {
            self.spare
                .extend_from_slice(self.out.get(span.start..span.end).unwrap_or_default());
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&self.spare);
    }

    fn field(&mut self, program: &Program, field: &FieldPlan, depth: u32) -> Outcome {
        match field.shape {
            Shape::List => self.list(program, field, depth),
            Shape::Map(key) => self.map(program, field.tag.as_bytes(), key, field.value, depth),
            Shape::PackedList => {
                let start = self.out.len();
                self.out.extend_from_slice(field.tag.as_bytes());
                let content = self.open();
                self.elements(program, field.value, |writer| writer.value(program, field.value, depth))?;
                if self.out.len() == content {
                    self.out.truncate(start);
                } else {
                    self.close(content);
                }
                Ok(())
            }
            Shape::Singular => {
                let start = self.out.len();
                self.framed(program, field, depth)?;
                if field.implicit
                    && let ValueType::Scalar(scalar) = field.value
                    && let content = self.out.get(start + field.tag.as_bytes().len()..).unwrap_or_default()
                    && scalar::is_zero(scalar, content)
                {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    fn list(&mut self, program: &Program, field: &FieldPlan, depth: u32) -> Outcome {
        self.elements(program, field.value, |writer| writer.framed(program, field, depth))
    }

    /// Reads one value and writes it with all that stands around it.
    #[inline]
    fn framed(&mut self, program: &Program, field: &FieldPlan, depth: u32) -> Outcome {
        match field.framing {
            Framing::Length => {
                self.out.extend_from_slice(field.tag.as_bytes());
                self.value(program, field.value, depth)
            }
            Framing::Group => {
                self.out.extend_from_slice(field.tag.as_bytes());
                self.body(program, field.value, depth)?;
                wire::put_tag(self.out, field.number, WireType::EndGroup);
                Ok(())
            }
            Framing::MessageSetItem => {
                wire::put_tag(self.out, 1, WireType::StartGroup);
                wire::put_tag(self.out, 2, WireType::Varint);
                wire::put_varint(self.out, u64::from(field.number));
                wire::put_tag(self.out, 3, WireType::Len);
                self.value(program, field.value, depth)?;
                wire::put_tag(self.out, 1, WireType::EndGroup);
                Ok(())
            }
        }
    }

    /// Reads a list, each element of which `write` reads.
    fn elements(&mut self, program: &Program, value: ValueType, write: impl Fn(&mut Self) -> Outcome) -> Outcome {
        if !self.enter(b'[', b']', "expected a list")? {
            return Ok(());
        }
        let takes_null = takes_null(program, value);
        for index in 0.. {
            if !takes_null && self.reader.rest().starts_with(b"null") {
                return self.fail(NOT_NULL).map_err(|it: Box<Failure>| it.in_element(index));
            }
            write(self).map_err(|it| it.in_element(index))?;
            if !self.has_next(b']')? {
                break;
            }
        }
        Ok(())
    }

    // === Maps ===

    /// Reads an object as the entries of a map, each behind `tag`, ascending by key.
    fn map(&mut self, program: &Program, tag: &[u8], key: Scalar, value: ValueType, depth: u32) -> Outcome {
        if !self.enter(b'{', b'}', NOT_OBJECT)? {
            return Ok(());
        }
        let base = self.entries.len();
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
            let n_moved = self.close(content);
            if let Key::Text { start, .. } = &mut written {
                *start += n_moved;
            }
            let entry = Entry {
                start,
                end: self.out.len(),
                offset,
                key: written,
            };
            if let Some(before) = self.entries.get(base..).and_then(<[Entry]>::last) {
                ascending &= compare(self.out, before.key, entry.key).is_lt();
            }
            self.entries.push(entry);
            if !self.has_next(b'}')? {
                break;
            }
        }
        if !ascending {
            self.sort_entries(base)?;
        }
        self.entries.truncate(base);
        Ok(())
    }

    /// Puts the entries of the innermost map in order; two of one key are a failure.
    #[cold]
    fn sort_entries(&mut self, base: usize) -> Outcome {
        let out = &*self.out;
        let Some(entries) = self.entries.get_mut(base..) else {
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
        self.spare.clear();
        for entry in entries.iter() {
            self.spare
                .extend_from_slice(out.get(entry.start..entry.end).unwrap_or_default());
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&self.spare);
        Ok(())
    }

    fn map_key(&mut self, kind: Scalar, raw: RawString<'_>) -> Result<Key, Reason> {
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
                    start: self.out.len() - key.len(),
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

    // === Scalars ===

    #[inline]
    fn scalar(&mut self, program: &Program, kind: Scalar) -> Outcome {
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
                    self.spare.clear();
                    text::unescape_into(string.raw, &mut self.spare);
                    scalar::write_text(&self.spare, self.out);
                } else {
                    scalar::write_text(string.raw, self.out);
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
                let text = match self.reader.peek() {
                    Some(b'"') => text::unescape(self.reader.string()?.raw),
                    Some(b'-' | b'0'..=b'9') => text::unescape(self.reader.number()?),
                    _ => return self.mismatch(scalar::expectation(kind)),
                };
                scalar::write_number(kind, &text, Integers::Integral, self.out).map_err(|it| Failure::new(offset, it))
            }
        }
    }

    fn enumeration(&mut self, program: &Program, at: usize) -> Outcome {
        let offset = self.reader.offset();
        let Some(table) = program.enums.get(at) else {
            return self.fail(NOT_NULL);
        };
        let number = match self.reader.peek() {
            Some(b'"') => {
                let name = text::unescape(self.reader.string()?.raw);
                table
                    .number(&name)
                    .ok_or_else(|| Failure::new(offset, table.unknown(&name)))?
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

    // === Well-known types ===

    /// Reads a string that `write` makes a message of.
    fn text(&mut self, write: impl FnOnce(&str, &mut Vec<u8>) -> Result<(), Reason>) -> Outcome {
        if self.reader.peek() != Some(b'"') {
            return self.mismatch("expected a string");
        }
        let offset = self.reader.offset();
        let text = text::unescape(self.reader.string()?.raw);
        write(&text, self.out).map_err(|it| Failure::new(offset, it))
    }

    /// google.protobuf.Value.
    fn any_json(&mut self, program: &Program, depth: u32) -> Outcome {
        let offset = self.reader.offset();
        match self.reader.peek() {
            Some(b'n') if self.reader.accept_literal(b"null") => {
                wire::put_tag(self.out, 1, WireType::Varint);
                self.out.push(0);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                wire::put_tag(self.out, 2, WireType::Fixed64);
                let digits = text::unescape(self.reader.number()?);
                let value = scalar::double(&digits).map_err(|it| Failure::new(offset, it))?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            Some(b'"') => {
                wire::put_tag(self.out, 3, WireType::Len);
                self.scalar(program, Scalar::String)
            }
            Some(b't' | b'f') => {
                wire::put_tag(self.out, 4, WireType::Varint);
                self.scalar(program, Scalar::Bool)
            }
            Some(open @ (b'{' | b'[')) => {
                let is_object = open == b'{';
                wire::put_tag(self.out, if is_object { 5 } else { 6 }, WireType::Len);
                let start = self.open();
                if is_object {
                    self.struct_value(program, depth)?;
                } else {
                    self.list_value(program, depth)?;
                }
                self.close(start);
                Ok(())
            }
            _ => self.mismatch("expected a value"),
        }
    }

    fn struct_value(&mut self, program: &Program, depth: u32) -> Outcome {
        let tag = Tag::new(1, WireType::Len).bits().to_le_bytes();
        self.map(
            program,
            tag.get(..1).unwrap_or_default(),
            Scalar::String,
            ValueType::Value,
            depth,
        )
    }

    fn list_value(&mut self, program: &Program, depth: u32) -> Outcome {
        self.elements(program, ValueType::Value, |writer| {
            wire::put_tag(writer.out, 1, WireType::Len);
            writer.value(program, ValueType::Value, depth)
        })
    }

    fn any(&mut self, depth: u32) -> Outcome {
        if !self.enter(b'{', b'}', NOT_OBJECT)? {
            return Ok(());
        }
        let (url, offset) = self.find_type()?;
        let fail = |reason: Reason| Err(Failure::new(offset, reason).in_member("@type"));
        let Some((_, name)) = url.rsplit_once('/') else {
            return fail("expected a type URL such as type.googleapis.com/google.protobuf.Duration");
        };
        let registry = self.registry;
        let Some(program) = registry.program(name) else {
            return fail("unknown type");
        };
        wire::put_bytes(self.out, 1, url.as_bytes());
        let start = self.out.len();
        wire::put_tag(self.out, 2, WireType::Len);
        let content = self.open();
        match program.root {
            ValueType::Message(at) => {
                if let Some(plan) = program.plans.get(at) {
                    self.members(program, plan, depth, Within::Any)?;
                }
            }
            root => self.wrapped_in_any(program, root, depth)?,
        }
        if self.out.len() == content {
            self.out.truncate(start);
        } else {
            self.close(content);
        }
        Ok(())
    }

    /// Finds the `@type` of the object whose first member is next, which stays next.
    fn find_type(&mut self) -> Result<(Cow<'r, str>, usize), Box<Failure>> {
        let start = self.reader.offset();
        let mut reader = self.reader.clone();
        loop {
            let key = reader.string()?;
            reader.colon()?;
            if text::unescape(key.raw) == "@type" {
                let offset = reader.offset();
                if reader.peek() != Some(b'"') {
                    return Err(Failure::new(offset, "expected a string").in_member("@type"));
                }
                return Ok((text::unescape(reader.string()?.raw), offset));
            }
            let before = reader.offset();
            reader.skip_value(json::MAX_DEPTH)?;
            self.n_rescanned += reader.offset() - before;
            if self.n_rescanned > RESCAN_FACTOR * reader.bytes().len() {
                return Err(Failure::new(start, "expected `@type` to be the first member"));
            }
            reader.skip_blanks();
            if reader.accept(b'}') {
                return Err(Failure::new(start, "expected a member `@type`"));
            }
            if !reader.accept(b',') {
                reader.fail("expected `,` or `}`")?;
            }
            reader.skip_blanks();
        }
    }

    /// Reads the rest of an Any that holds a type with a JSON form of its own: that stands in `value`.
    fn wrapped_in_any(&mut self, program: &Program, root: ValueType, depth: u32) -> Outcome {
        let start = self.reader.offset();
        let mut has_type = false;
        let mut has_value = false;
        loop {
            let offset = self.reader.offset();
            let key = text::unescape(self.reader.string()?.raw);
            self.reader.colon()?;
            let seen = match &*key {
                "@type" => &mut has_type,
                "value" => &mut has_value,
                _ => return Err(Failure::new(offset, "unknown member; did you mean `value`?").in_member(key)),
            };
            if std::mem::replace(seen, true) {
                return Err(Failure::new(offset, DUPLICATE).in_member(key));
            }
            if key == "value" {
                self.body(program, root, depth).map_err(|it| it.in_member(key))?;
            } else {
                self.reader.skip_value(json::MAX_DEPTH)?;
            }
            if !self.has_next(b'}')? {
                break;
            }
        }
        if has_value || matches!(root, ValueType::Empty(_)) {
            Ok(())
        } else {
            Err(Failure::new(start, "expected a member `value`"))
        }
    }
}

/// True where null is a value and not the lack of one.
#[inline]
fn takes_null(program: &Program, value: ValueType) -> bool {
    match value {
        ValueType::Value => true,
        ValueType::Scalar(Scalar::Enum(at)) => program.enums.get(at).is_some_and(|it| it.null_value),
        _ => false,
    }
}

fn compare(out: &[u8], a: Key, b: Key) -> std::cmp::Ordering {
    let text = |start: usize, length: usize| out.get(start..).and_then(|it| it.get(..length)).unwrap_or_default();
    match (a, b) {
        (Key::Signed(a), Key::Signed(b)) => a.cmp(&b),
        (Key::Unsigned(a), Key::Unsigned(b)) => a.cmp(&b),
        (Key::Text { start: a, length: n_a }, Key::Text { start: b, length: n_b }) => text(a, n_a).cmp(text(b, n_b)),
        // An unsigned number too large for a signed one.
        (Key::Unsigned(_), _) => std::cmp::Ordering::Greater,
        (_, Key::Unsigned(_)) => std::cmp::Ordering::Less,
        (Key::Text { .. }, Key::Signed(_)) => std::cmp::Ordering::Greater,
        (Key::Signed(_), Key::Text { .. }) => std::cmp::Ordering::Less,
    }
}

#[cold]
fn unknown_member(offset: usize, key: String, plan: &Plan) -> Box<Failure> {
    let names = plan.fields.iter().map(|it| &*it.json_name);
    let reason = match nearest(&key, names) {
        Some(name) => Cow::Owned(format!("unknown member; did you mean `{name}`?")),
        None => Cow::Borrowed("unknown member"),
    };
    Failure::new(offset, reason).in_member(key)
}
