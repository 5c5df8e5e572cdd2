//! One run over one document: reads JSON, writes wire.
//!
//! Members are written in the order in which they arrive. Only a message whose members did not arrive ascending is put in
//! order, once, at its end; maps likewise. What says which fields were met lies on stacks that all messages of a run share.
//! Recursion is as deep as messages may be nested, [`wire::DEPTH_LIMIT`].

mod lists;
mod map;
mod scalar;
mod well_known;

use std::borrow::Cow;
use std::mem;

use self::lists::{Lists, Span};
use self::map::MapType;
use super::UnknownMembers;
use super::failure::Failure;
use super::program::{FieldPlan, Framing, Plan, Program, Registry, Scalar, Shape, ValueType};
use super::scalar::{Reason, is_zero};
use super::well_known::{write_duration, write_field_mask, write_timestamp};
use crate::codec::json::reader::{RawString, Reader};
use crate::codec::json::{self, text};
use crate::codec::wire::{self, WireType};
use crate::schema::suggest::nearest;

pub(super) type Outcome = Result<(), Failure>;

const NOT_NULL: Reason = "expected a value other than null";
const NOT_OBJECT: Reason = "expected an object";
const DUPLICATE: Reason = "duplicate member";

pub(super) struct Writer<'r> {
    pub(super) reader: Reader<'r>,
    registry: &'r Registry,
    unknown: UnknownMembers,
    out: &'r mut Vec<u8>,
    /// The value that was just read is to be left out: an enum value of an unknown name that is ignored.
    dropped: bool,
    lists: Lists,
    /// Bytes read in search of `@type`.
    n_rescanned: usize,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.lists.keep();
    }
}

/// Whether `@type` may stand among the members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Any,
    Message,
}

impl<'r> Writer<'r> {
    pub(super) fn new(
        registry: &'r Registry,
        unknown: UnknownMembers,
        reader: Reader<'r>,
        out: &'r mut Vec<u8>,
    ) -> Self {
        Self {
            reader,
            registry,
            unknown,
            out,
            dropped: false,
            lists: Lists::take(),
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
    fn fail<T>(&self, reason: impl Into<Cow<'static, str>>) -> Result<T, Failure> {
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
    fn has_next(&mut self, close: u8) -> Result<bool, Failure> {
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
    fn enter(&mut self, open: u8, close: u8, reason: Reason) -> Result<bool, Failure> {
        if !self.reader.accept(open) {
            return self.mismatch(reason);
        }
        self.reader.skip_blanks();
        Ok(!self.reader.accept(close))
    }

    /// Fails because the next value is of another type, or because it is none.
    #[cold]
    fn mismatch<T>(&self, reason: Reason) -> Result<T, Failure> {
        let mut reader = self.reader;
        reader.skip_value(json::MAX_DEPTH)?;
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
        let length = self.out.len().saturating_sub(start);
        match (u8::try_from(length), self.out.get_mut(start.saturating_sub(1))) {
            (Ok(short @ 0..=0x7f), Some(prefix)) => {
                *prefix = short;
                0
            }
            _ => self.close_long(start, length),
        }
    }

    fn close_long(&mut self, start: usize, length: usize) -> usize {
        let end = self.out.len();
        let n_moved = wire::varint_length(length as u64).saturating_sub(1);
        self.out.resize(end.saturating_add(n_moved), 0);
        self.out.copy_within(start..end, start.saturating_add(n_moved));
        self.lists.spare.clear();
        wire::put_varint(&mut self.lists.spare, length as u64);
        for (to, from) in self.out.iter_mut().skip(start.saturating_sub(1)).zip(&self.lists.spare) {
            *to = *from;
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
            ValueType::Duration => self.text(write_duration),
            ValueType::Empty(at) | ValueType::Message(at) => {
                if self.enter(b'{', b'}', NOT_OBJECT)?
                    && let Some(plan) = program.plans.get(at)
                {
                    self.members(program, plan, depth, Within::Message)?;
                }
                Ok(())
            }
            ValueType::FieldMask => self.text(write_field_mask),
            ValueType::ListValue => self.list_value(program, depth),
            ValueType::Scalar(scalar) => self.scalar(program, scalar),
            ValueType::Struct => self.struct_value(program, depth),
            ValueType::Timestamp => self.text(write_timestamp),
            ValueType::Value => self.any_json(program, depth),
            ValueType::Wrapper(scalar) => {
                let start = self.out.len();
                self.out.push(1 << 3 | scalar.wire_type() as u8);
                self.scalar(program, scalar)?;
                if is_zero(scalar, self.out.get(start.saturating_add(1)..).unwrap_or_default()) {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    /// Reads members, the first of which is next, up to and with the closing brace.
    fn members(&mut self, program: &Program, plan: &Plan, depth: u32, within: Within) -> Outcome {
        let seen_base = self.lists.seen.len();
        let spans_base = self.lists.spans.len();
        let n_fields = plan.fields.len();
        let n_words = n_fields.saturating_add(plan.oneofs.len()).div_ceil(64);
        self.lists.seen.resize(seen_base.saturating_add(n_words), 0);
        let mut ascending = true;
        let mut highest = 0;
        let mut has_type = false;
        // Members mostly stand in the order of the declaration.
        let mut expected = 0;
        loop {
            let offset = self.reader.offset();
            let found = if let Some((at, field)) = self.likely_field(plan, expected) {
                self.reader.advance(field.quoted.len());
                Some((at, field))
            } else {
                let key = self.reader.string()?;
                self.find_field(plan, key)
            };
            self.reader.colon()?;
            if let Some((at, field)) = found {
                expected = at.saturating_add(1);
                if self.mark(seen_base, at) {
                    return Err(Failure::new(offset, DUPLICATE).in_member(self.key_at(offset)));
                }
                if !self.is_absent(program, field) {
                    if let Some(oneof) = field.oneof
                        && self.mark(seen_base, n_fields.saturating_add(oneof))
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
                    self.lists.spans.push(Span {
                        number: field.number,
                        start,
                        end,
                    });
                }
            } else {
                let key = self.key_at(offset);
                if within == Within::Any && key == "@type" {
                    if mem::replace(&mut has_type, true) {
                        return Err(Failure::new(offset, DUPLICATE).in_member(key));
                    }
                } else if self.unknown == UnknownMembers::Refuse {
                    return Err(unknown_member(offset, key, plan));
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
        self.lists.seen.truncate(seen_base);
        self.lists.spans.truncate(spans_base);
        Ok(())
    }

    /// The field whose key is next, if it is the expected one or one of the few behind it: members that hold their default
    /// are mostly left out.
    #[inline]
    fn likely_field<'p>(&self, plan: &'p Plan, expected: usize) -> Option<(usize, &'p FieldPlan)> {
        let rest = self.reader.rest();
        let mut likely = plan.fields.iter().enumerate().skip(expected).take(4);
        likely.find(|it| it.1.is_next(rest))
    }

    #[inline]
    fn find_field<'p>(&mut self, plan: &'p Plan, key: RawString<'_>) -> Option<(usize, &'p FieldPlan)> {
        let key = if key.escaped {
            self.lists.spare.clear();
            text::unescape_into(key.raw, &mut self.lists.spare);
            &self.lists.spare
        } else {
            key.raw
        };
        let at = *plan.by_name.get(key)?;
        Some((at, plan.fields.get(at)?))
    }

    /// Sets a bit of the innermost message; true where it was set.
    #[inline]
    fn mark(&mut self, base: usize, bit: usize) -> bool {
        let Some(word) = self.lists.seen.get_mut(base.saturating_add(bit / 64)) else {
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
        let Some(spans) = self.lists.spans.get_mut(base..) else {
            return;
        };
        let Some(start) = spans.first().map(|it| it.start) else {
            return;
        };
        spans.sort_by_key(|it| it.number);
        self.lists.spare.clear();
        for span in spans.iter() {
            self.lists
                .spare
                .extend_from_slice(self.out.get(span.start..span.end).unwrap_or_default());
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&self.lists.spare);
    }

    fn field(&mut self, program: &Program, field: &FieldPlan, depth: u32) -> Outcome {
        match field.shape {
            Shape::List => self.list(program, field, depth),
            Shape::Map(key) => {
                let tag = field.tag.as_bytes();
                self.map(
                    program,
                    MapType {
                        tag,
                        key,
                        value: field.value,
                    },
                    depth,
                )
            }
            Shape::PackedList => {
                let start = self.out.len();
                self.out.extend_from_slice(field.tag.as_bytes());
                let content = self.open();
                self.elements(program, field.value, |writer| {
                    writer.value(program, field.value, depth)?;
                    writer.take_dropped();
                    Ok(())
                })?;
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
                if self.take_dropped() || (field.implicit && self.is_default(field, start)) {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    /// True where what was written of a field from `start` on is its zero.
    #[inline]
    fn is_default(&self, field: &FieldPlan, start: usize) -> bool {
        let ValueType::Scalar(scalar) = field.value else {
            return false;
        };
        let content = self
            .out
            .get(start..)
            .and_then(|it| it.get(field.tag.as_bytes().len()..));
        content.is_some_and(|it| is_zero(scalar, it))
    }

    fn list(&mut self, program: &Program, field: &FieldPlan, depth: u32) -> Outcome {
        self.elements(program, field.value, |writer| {
            let start = writer.out.len();
            writer.framed(program, field, depth)?;
            if writer.take_dropped() {
                writer.out.truncate(start);
            }
            Ok(())
        })
    }

    /// True where the value that was just read must be left out, with all that stands before it.
    #[inline]
    fn take_dropped(&mut self) -> bool {
        mem::take(&mut self.dropped)
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
                return self.fail(NOT_NULL).map_err(|it: Failure| it.in_element(index));
            }
            write(self).map_err(|it| it.in_element(index))?;
            if !self.has_next(b']')? {
                break;
            }
        }
        Ok(())
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

#[cold]
fn unknown_member(offset: usize, key: String, plan: &Plan) -> Failure {
    let names = plan.fields.iter().map(|it| &*it.json_name);
    let reason = match nearest(&key, names) {
        Some(name) => Cow::Owned(format!("unknown member; did you mean `{name}`?")),
        None => Cow::Borrowed("unknown member"),
    };
    Failure::new(offset, reason).in_member(key)
}
