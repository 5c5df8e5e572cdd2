//! The messages of google.protobuf that have a JSON form of their own.
//!
//! Each is written from its content by reading the few fields that its .proto file gives it; the last of a field wins, and
//! what is not one of them is skipped. Values that canonical JSON cannot express are [`DecodeError::Range`].
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::program::{Form, Scalar};
use super::run::{Frame, Writer};
use crate::codec::wire::{self, RawValue, Reader, Tag, WireType};
use crate::codec::{DecodeError, escape, number, time_text};

const LIST_VALUES: Tag = Tag::new(1, WireType::Len);
const STRUCT_FIELDS: Tag = Tag::new(1, WireType::Len);

impl Writer<'_> {
    /// Writes a message with a form of its own. `depth` is how many levels may be opened within it.
    pub(super) fn well_known(&mut self, form: Form, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        match form {
            Form::Any => self.any(wire, depth),
            Form::Duration => self.quoted(wire, time_text::write_duration),
            Form::FieldMask => self.field_mask(wire),
            Form::ListValue => self.list_value(wire, depth),
            Form::Struct => self.structure(wire, depth),
            Form::Timestamp => self.quoted(wire, time_text::write_timestamp),
            Form::Value => self.json_value(wire, depth),
            Form::Wrapper(scalar) => self.wrapper(scalar, wire),
            // These are not read from the content of a message, or by `body` itself.
            Form::Enum(_) | Form::Message(_) | Form::Scalar(_) => Ok(()),
        }
    }

    /// Timestamp and Duration: seconds and nanoseconds.
    #[inline]
    fn quoted(
        &mut self,
        wire: &[u8],
        write: impl Fn(i64, i32, &mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        const SECONDS: Tag = Tag::new(1, WireType::Varint);
        const NANOS: Tag = Tag::new(2, WireType::Varint);
        let (mut seconds, mut nanos) = (0, 0);
        let mut reader = Reader::new(wire);
        // Nearly always these two, in this order.
        if reader.accept_small_tag(SECONDS) {
            seconds = wire::int64(reader.varint()?);
        }
        if reader.accept_small_tag(NANOS) {
            nanos = wire::int32(reader.varint()?);
        }
        while !reader.is_empty() {
            match reader.tag()? {
                SECONDS => seconds = wire::int64(reader.varint()?),
                NANOS => nanos = wire::int32(reader.varint()?),
                other => reader.skip(other)?,
            }
        }
        self.out.push(b'"');
        write(seconds, nanos, &mut self.out)?;
        self.out.push(b'"');
        Ok(())
    }

    fn wrapper(&mut self, scalar: Scalar, wire: &[u8]) -> Result<(), DecodeError> {
        let value_tag = Tag::new(1, scalar.wire_type());
        let mut value = None;
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let tag = reader.tag()?;
            if tag == value_tag {
                value = Some(reader);
            }
            reader.skip(tag)?;
        }
        match value {
            Some(mut value) => self.scalar(scalar, &mut value).map(drop),
            None => self.default_scalar(scalar),
        }
    }

    fn field_mask(&mut self, wire: &[u8]) -> Result<(), DecodeError> {
        let mut paths = String::new();
        let mut reader = Reader::new(wire);
        let mut first = true;
        while let Some((tag, value)) = reader.field()? {
            let (1, RawValue::Bytes(path)) = (tag.number(), value) else {
                continue;
            };
            let path = simdutf8::basic::from_utf8(path).map_err(|_| DecodeError::Utf8)?;
            if !first {
                paths.push(',');
            }
            first = false;
            push_camel_case(path, &mut paths)?;
        }
        escape::write_string(&paths, &mut self.out);
        Ok(())
    }

    // === Struct, ListValue, Value ===

    fn structure(&mut self, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let mut members: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
        let mut reader = Reader::new(wire);
        while let Some((tag, value)) = reader.field()? {
            if tag == STRUCT_FIELDS {
                members.push(struct_member(value.bytes())?);
            }
        }
        // Stable, and reversed before, so that the last of equal names stays.
        members.reverse();
        members.sort_by_key(|it| it.0);
        members.dedup_by_key(|it| it.0);
        self.out.push(b'{');
        let start = self.out.len();
        for (name, parts) in members {
            if self.out.len() > start {
                self.out.push(b',');
            }
            escape::write_utf8(name, &mut self.out)?;
            self.out.push(b':');
            match *parts {
                [whole] => self.body(Form::Value, whole, depth)?,
                _ => self.body(Form::Value, &parts.concat(), depth)?,
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn list_value(&mut self, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        self.out.push(b'[');
        let start = self.out.len();
        let mut reader = Reader::new(wire);
        while let Some((tag, value)) = reader.field()? {
            if tag == LIST_VALUES {
                if self.out.len() > start {
                    self.out.push(b',');
                }
                self.body(Form::Value, value.bytes(), depth)?;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// A Value: its fields are one oneof, so the last that is set counts, merged with those of the same field just before.
    /// A Value in which nothing is set is null.
    fn json_value(&mut self, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let mut last: Option<(u32, RawValue<'_>)> = None;
        let mut merged: Vec<u8> = Vec::new();
        let mut reader = Reader::new(wire);
        while let Some((tag, value)) = reader.field()? {
            match (tag.number(), value) {
                (5 | 6, RawValue::Bytes(part)) => {
                    match last {
                        Some((number, RawValue::Bytes(before))) if number == tag.number() => {
                            if merged.is_empty() {
                                merged.extend_from_slice(before);
                            }
                            merged.extend_from_slice(part);
                        }
                        _ => merged.clear(),
                    }
                    last = Some((tag.number(), value));
                }
                (1 | 4, RawValue::Varint(_)) | (2, RawValue::Fixed64(_)) | (3, RawValue::Bytes(_)) => {
                    merged.clear();
                    last = Some((tag.number(), value));
                }
                _ => {}
            }
        }
        let Some((number, value)) = last else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        let body = if merged.is_empty() { value.bytes() } else { &merged };
        match number {
            2 => {
                let double = f64::from_bits(value.bits());
                if !double.is_finite() {
                    return Err(DecodeError::Range);
                }
                number::write_double(double, &mut self.out);
                Ok(())
            }
            3 => escape::write_utf8(value.bytes(), &mut self.out),
            4 => {
                self.out
                    .extend_from_slice(if value.bits() == 0 { b"false" } else { b"true" });
                Ok(())
            }
            5 => self.body(Form::Struct, body, depth),
            6 => self.body(Form::ListValue, body, depth),
            _ => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    // === Any ===

    /// An Any whose type the schema has is written as that type; any other as its type URL and its bytes in base64.
    fn any(&mut self, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let (mut url, mut content): (&[u8], &[u8]) = (&[], &[]);
        let mut reader = Reader::new(wire);
        while let Some((tag, value)) = reader.field()? {
            match (tag.number(), value) {
                (1, RawValue::Bytes(bytes)) => url = bytes,
                (2, RawValue::Bytes(bytes)) => content = bytes,
                _ => {}
            }
        }
        if url.is_empty() && content.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.out.extend_from_slice(b"{\"@type\":");
        escape::write_utf8(url, &mut self.out)?;
        let url = std::str::from_utf8(url).map_err(|_| DecodeError::Utf8)?;
        let program = url.rsplit_once('/').and_then(|(_, name)| self.any?.find(name));
        if let Some(program) = program {
            let outer = std::mem::replace(&mut self.program, program);
            let result = self.any_content(content, depth);
            self.program = outer;
            result?;
        } else {
            self.out.extend_from_slice(b",\"value\":");
            escape::write_base64(content, &mut self.out);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn any_content(&mut self, content: &[u8], depth: u32) -> Result<(), DecodeError> {
        match self.program.root {
            Form::Message(plan) if !self.program.special => {
                let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
                // `@type` stands before the members, each of which has a comma before it.
                let frame = Frame {
                    plan: self.program.plan(plan),
                    depth,
                };
                self.members(frame, content)
            }
            form => {
                self.out.extend_from_slice(b",\"value\":");
                self.body(form, content, depth)
            }
        }
    }
}

/// Name and value of a Struct's member; the value may have come in parts.
fn struct_member(wire: &[u8]) -> Result<(&[u8], Vec<&[u8]>), DecodeError> {
    let mut name: &[u8] = &[];
    let mut parts = Vec::new();
    let mut reader = Reader::new(wire);
    while let Some((tag, value)) = reader.field()? {
        match (tag.number(), value) {
            (1, RawValue::Bytes(bytes)) => name = bytes,
            (2, RawValue::Bytes(bytes)) => parts.push(bytes),
            _ => {}
        }
    }
    Ok((name, parts))
}

/// Appends a path of a `FieldMask` in lowerCamelCase. Refuses what would not become the same path again.
fn push_camel_case(path: &str, out: &mut String) -> Result<(), DecodeError> {
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '_' => match characters.next() {
                Some(next @ 'a'..='z') => out.push(next.to_ascii_uppercase()),
                _ => return Err(DecodeError::Range),
            },
            'A'..='Z' | ',' => return Err(DecodeError::Range),
            _ => out.push(character),
        }
    }
    Ok(())
}
