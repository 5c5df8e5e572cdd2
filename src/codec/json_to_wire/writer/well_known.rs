//! The messages of google.protobuf that have a JSON form of their own.

use std::borrow::Cow;

use super::map::MapType;
use super::{DUPLICATE, Failure, NOT_OBJECT, Outcome, UnknownMembers, Within, Writer};
use crate::codec::json::{self, text};
use crate::codec::json_to_wire::program::{Program, Scalar, ValueType};
use crate::codec::json_to_wire::scalar::{self, Reason};
use crate::codec::wire::{self, WireType};

/// How many times over a document may be read again in search of `@type`s that do not stand first.
const RESCAN_FACTOR: usize = 8;

/// The one field of google.protobuf.Struct.
const FIELDS: MapType<'static> = MapType {
    tag: &[1 << 3 | WireType::Len as u8],
    key: Scalar::String,
    value: ValueType::Value,
};

impl<'r> Writer<'r> {
    /// Reads a string that `write` makes a message of.
    pub(super) fn text(&mut self, write: impl FnOnce(&str, &mut Vec<u8>) -> Result<(), Reason>) -> Outcome {
        if self.reader.peek() != Some(b'"') {
            return self.mismatch("expected a string");
        }
        let offset = self.reader.offset();
        let text = text::unescape(self.reader.string()?.raw);
        write(&text, self.out).map_err(|it| Failure::new(offset, it))
    }

    /// google.protobuf.Value.
    pub(super) fn any_json(&mut self, program: &Program, depth: u32) -> Outcome {
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

    /// google.protobuf.Struct.
    pub(super) fn struct_value(&mut self, program: &Program, depth: u32) -> Outcome {
        self.map(program, FIELDS, depth)
    }

    /// google.protobuf.ListValue.
    pub(super) fn list_value(&mut self, program: &Program, depth: u32) -> Outcome {
        self.elements(program, ValueType::Value, |writer| {
            wire::put_tag(writer.out, 1, WireType::Len);
            writer.value(program, ValueType::Value, depth)
        })
    }

    /// google.protobuf.Any.
    pub(super) fn any(&mut self, depth: u32) -> Outcome {
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
    fn find_type(&mut self) -> Result<(Cow<'r, str>, usize), Failure> {
        let start = self.reader.offset();
        let mut reader = self.reader;
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
            self.n_rescanned = self.n_rescanned.saturating_add(reader.offset().saturating_sub(before));
            if self.n_rescanned > reader.bytes().len().saturating_mul(RESCAN_FACTOR) {
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
            let mut ignored = false;
            let seen = match &*key {
                "@type" => &mut has_type,
                "value" => &mut has_value,
                _ if self.unknown == UnknownMembers::Ignore => &mut ignored,
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
