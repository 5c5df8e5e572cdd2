//! Runs a program over the bytes of one message.
//!
//! [`Writer::members`] first tries the ordered path, which expects fields in ascending order. Where a message is not like
//! that, its output is taken back and it is written by way of an index of its fields, in the same order and with the same
//! result. Both share the code that writes one field.
//! Invariant: the work is linear in the input for each level of nesting. What the ordered path wrote in vain is counted, and
//! once it exceeds the input, everything is indexed at once; so no input can make every level start twice.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::OUTPUT_LIMIT;
use super::compile::AnyTypes;
use super::message_set;
use super::program::{Count, Form, KEY_WIDTH, LONG_KEY, Op, Plan, Program, Scalar};
use crate::codec::wire::{self, DEPTH_LIMIT, RawValue, Reader, Tag, WireType};
use crate::codec::{DecodeError, escape, number};

/// The state of one run.
pub(super) struct Writer<'p> {
    /// The program of the message that is being written: the root's, or that of a type found in an Any.
    pub(super) program: &'p Program,
    pub(super) any: Option<&'p AnyTypes>,
    pub(super) out: Vec<u8>,
    /// The length that `out` must not exceed.
    limit: usize,
    /// Bytes of messages that the ordered path gave up …
    wasted: usize,
    /// … and how many it may.
    allowance: usize,
}

/// The object whose members are being written.
#[derive(Clone, Copy)]
pub(super) struct Frame<'p> {
    pub(super) plan: &'p Plan,
    /// The length of `out` at which a member is the first, so that no comma stands before it.
    pub(super) start: usize,
    /// How many levels may be opened within the object.
    pub(super) depth: u32,
}

/// The list whose elements are being written.
#[derive(Clone, Copy)]
pub(super) struct List {
    /// The length of `out` at which an element is the first.
    pub(super) start: usize,
    /// How many levels may be opened within the list.
    pub(super) depth: u32,
}

/// Why the ordered path ended.
enum Stop {
    /// The fields are not in ascending order, or something must be merged.
    Disorder,
    Failed(DecodeError),
}

/// What became of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Written, and the default of its type.
    Default,
    /// A number that its closed enum does not have: nothing was written, the field is unknown.
    Unknown,
    /// Written.
    Value,
}

impl<'p> Writer<'p> {
    pub(super) fn new(program: &'p Program, any: Option<&'p AnyTypes>, wire: &[u8], mut out: Vec<u8>) -> Self {
        // JSON is about twice as long as the wire; a small message is mostly names.
        out.reserve(wire.len().saturating_mul(2).saturating_add(64).min(OUTPUT_LIMIT));
        let limit = out.len().saturating_add(OUTPUT_LIMIT);
        Self {
            program,
            any,
            out,
            limit,
            wasted: 0,
            allowance: wire.len(),
        }
    }

    pub(super) fn into_output(self) -> Vec<u8> {
        self.out
    }

    /// Writes the root message.
    pub(super) fn root(&mut self, wire: &[u8]) -> Result<(), DecodeError> {
        self.body(self.program.root, wire, DEPTH_LIMIT.saturating_add(1))?;
        self.check_limit()
    }

    /// Writes the members of the root message, without braces.
    pub(super) fn root_members(&mut self, wire: &[u8]) -> Result<(), DecodeError> {
        if let Form::Message(plan) = self.program.root {
            let start = self.out.len();
            let frame = Frame {
                plan: self.program.plan(plan),
                start,
                depth: DEPTH_LIMIT,
            };
            self.members(frame, wire)?;
        }
        self.check_limit()
    }

    fn check_limit(&self) -> Result<(), DecodeError> {
        if self.out.len() > self.limit {
            Err(DecodeError::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Writes a message from its content. `depth` is how many levels may be opened, this one included.
    pub(super) fn body(&mut self, form: Form, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
        match form {
            Form::Message(plan) => {
                self.out.push(b'{');
                let start = self.out.len();
                let frame = Frame {
                    plan: self.program.plan(plan),
                    start,
                    depth,
                };
                self.members(frame, wire)?;
                self.out.push(b'}');
                Ok(())
            }
            _ => self.well_known(form, wire, depth),
        }
    }

    /// Writes the members of a message.
    #[inline]
    pub(super) fn members(&mut self, frame: Frame<'p>, wire: &[u8]) -> Result<(), DecodeError> {
        self.check_limit()?;
        if frame.plan.message_set {
            return self.message_set(frame, wire);
        }
        self.fields(frame, wire)
    }

    #[cold]
    fn message_set(&mut self, frame: Frame<'p>, wire: &[u8]) -> Result<(), DecodeError> {
        self.fields(frame, &message_set::fields(wire)?)
    }

    #[inline]
    fn fields(&mut self, frame: Frame<'p>, wire: &[u8]) -> Result<(), DecodeError> {
        if self.wasted <= self.allowance {
            let before = self.out.len();
            match self.ordered(frame, wire) {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(DecodeError::TooLarge)) => return Err(DecodeError::TooLarge),
                // What failed may be overridden or completed by what comes later (an Any, a Timestamp in two parts):
                // only the index can tell.
                Err(Stop::Disorder | Stop::Failed(_)) => {
                    self.wasted = self.wasted.saturating_add(wire.len());
                    self.out.truncate(before);
                }
            }
        }
        self.indexed(frame, wire)
    }

    // === The ordered path ===

    fn ordered(&mut self, frame: Frame<'p>, wire: &[u8]) -> Result<(), Stop> {
        let plan = frame.plan;
        let emit = self.program.emit;
        let mut reader = Reader::new(wire);
        let mut next = 0;
        let mut oneofs = 0;
        while !reader.is_empty() {
            let (at, op, tag) = match plan.ops.get(next) {
                // Nearly always the field that is expected, with a tag of one byte.
                Some(op) if reader.accept_small_tag(op.tag) => (next, op, op.tag),
                _ => {
                    let tag = reader.tag()?;
                    match plan.op(tag, next) {
                        Some((at, _)) if at < next => return Err(Stop::Disorder),
                        Some((at, op)) => (at, op, tag),
                        None => {
                            // What projections do most is skipping texts and messages.
                            if tag.wire_type() == WireType::Len {
                                reader.bytes()?;
                            } else {
                                reader.skip(tag)?;
                            }
                            continue;
                        }
                    }
                }
            };
            if op.oneof_bit & oneofs != 0 {
                return Err(Stop::Disorder);
            }
            let before = self.out.len();
            if emit {
                self.defaults(frame, next..at);
            }
            if op.plain_text {
                self.text_field(frame, op, &mut reader)?;
            } else if self.occurrence(frame, op, tag, &mut reader)? == Written::Unknown {
                self.out.truncate(before);
                continue;
            }
            oneofs |= op.oneof_bit;
            next = at.saturating_add(1);
        }
        if emit {
            self.defaults(frame, next..plan.ops.len());
        }
        Ok(())
    }

    /// Writes a singular string of which the tag was read: what most fields are.
    #[inline]
    fn text_field(&mut self, frame: Frame<'p>, op: &Op, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (text, length) = reader.bytes_first()?;
        if length == 0 && op.skip_default {
            return Ok(());
        }
        self.key(frame, op);
        escape::write_utf8_first(text, length, &mut self.out)
    }

    /// Writes a field of which the first tag was read, with all occurrences that follow immediately where it can have many.
    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    pub(super) fn occurrence(
        &mut self,
        frame: Frame<'p>,
        op: &Op,
        tag: Tag,
        reader: &mut Reader<'_>,
    ) -> Result<Written, DecodeError> {
        if op.hidden {
            let value = reader.value(tag)?;
            return Ok(if self.is_unknown(op, value) {
                Written::Unknown
            } else {
                Written::Value
            });
        }
        let before = self.out.len();
        match op.count {
            Count::One => {
                self.key(frame, op);
                let written = self.value(op.form, tag, reader, frame.depth)?;
                if written == Written::Default && op.skip_default {
                    self.out.truncate(before);
                }
                Ok(written)
            }
            Count::Many => {
                self.key(frame, op);
                self.out.push(b'[');
                let list = List {
                    start: self.out.len(),
                    depth: frame.depth,
                };
                self.elements(op, tag, reader, list)?;
                while let Some(tag) = next_tag(op, reader)? {
                    self.elements(op, tag, reader, list)?;
                }
                self.end_list(before, list.start, b']');
                Ok(Written::Value)
            }
            Count::Map(map) => {
                self.map(frame, op, self.program.map(map), reader)?;
                Ok(Written::Value)
            }
        }
    }

    // === One field ===

    #[inline]
    pub(super) fn key(&mut self, frame: Frame<'_>, op: &Op) {
        let is_first = self.out.len() == frame.start;
        if op.key_length == LONG_KEY {
            self.long_key(frame, op, is_first);
            return;
        }
        // One copy of a fixed length, the end of which is taken back, costs less than a copy of the right length.
        let key = if is_first { &op.first_key } else { &op.key };
        self.out.extend_from_slice(key);
        let length = usize::from(op.key_length).saturating_sub(usize::from(is_first));
        self.out
            .truncate(self.out.len().saturating_sub(KEY_WIDTH.saturating_sub(length)));
    }

    #[cold]
    fn long_key(&mut self, frame: Frame<'_>, op: &Op, is_first: bool) {
        let key = frame.plan.key(op);
        self.out
            .extend_from_slice(key.get(usize::from(is_first)..).unwrap_or_default());
    }

    pub(super) fn defaults(&mut self, frame: Frame<'_>, ops: std::ops::Range<usize>) {
        let text = frame.plan.defaults(ops.start, ops.end);
        let without_comma = text.get(1..).unwrap_or_default();
        self.out.extend_from_slice(if self.out.len() == frame.start {
            without_comma
        } else {
            text
        });
    }

    /// True where a value is a number that the field's closed enum does not have.
    pub(super) fn is_unknown(&self, op: &Op, value: RawValue<'_>) -> bool {
        match (op.form, value) {
            (Form::Enum(at), RawValue::Varint(bits)) => self.program.enumeration(at).refuses(wire::int32(bits)),
            _ => false,
        }
    }

    /// Writes the elements of one occurrence of a repeated field: one, or a packed run of them.
    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    pub(super) fn elements(
        &mut self,
        op: &Op,
        tag: Tag,
        reader: &mut Reader<'_>,
        list: List,
    ) -> Result<(), DecodeError> {
        if tag == op.tag {
            return self.element(op, reader, list);
        }
        let mut run = Reader::new(reader.bytes()?);
        while !run.is_empty() {
            self.element(op, &mut run, list)?;
        }
        Ok(())
    }

    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    fn element(&mut self, op: &Op, reader: &mut Reader<'_>, list: List) -> Result<(), DecodeError> {
        let before = self.out.len();
        if before != list.start {
            self.out.push(b',');
        }
        if self.value(op.form, op.tag, reader, list.depth)? == Written::Unknown {
            self.out.truncate(before);
        }
        Ok(())
    }

    /// Closes a list or map that began, with its key, at `before` and has its content from `first` on. An empty one is
    /// taken back, unless defaults are written.
    #[inline]
    pub(super) fn end_list(&mut self, before: usize, first: usize, bracket: u8) {
        if self.out.len() == first && !self.program.emit {
            self.out.truncate(before);
        } else {
            self.out.push(bracket);
        }
    }

    /// Writes one value, of which the tag was read.
    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    pub(super) fn value(
        &mut self,
        form: Form,
        tag: Tag,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<Written, DecodeError> {
        match form {
            Form::Scalar(scalar) => self.scalar(scalar, reader),
            Form::Enum(at) => {
                let number = wire::int32(reader.varint()?);
                Ok(match self.program.enumeration(at).write(number, &mut self.out) {
                    false => Written::Unknown,
                    true if number == 0 => Written::Default,
                    true => Written::Value,
                })
            }
            _ => {
                let body = if tag.wire_type() == WireType::StartGroup {
                    reader.group(tag)?
                } else {
                    reader.bytes()?
                };
                self.body(form, body, depth)?;
                Ok(Written::Value)
            }
        }
    }

    /// Writes one scalar.
    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    pub(super) fn scalar(&mut self, scalar: Scalar, reader: &mut Reader<'_>) -> Result<Written, DecodeError> {
        let default = match scalar {
            Scalar::String => {
                let (text, length) = reader.bytes_first()?;
                escape::write_utf8_first(text, length, &mut self.out)?;
                length == 0
            }
            Scalar::LossyString => {
                let text = reader.bytes()?;
                escape::write_lossy(text, &mut self.out);
                text.is_empty()
            }
            Scalar::Bytes => {
                let bytes = reader.bytes()?;
                escape::write_base64(bytes, &mut self.out);
                bytes.is_empty()
            }
            Scalar::Bool => {
                let value = reader.varint()? != 0;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
                !value
            }
            Scalar::Double => {
                let value = f64::from_bits(reader.fixed64()?);
                number::write_double(value, &mut self.out);
                // Minus zero is not the default.
                value.to_bits() == 0
            }
            Scalar::Float => {
                let value = f32::from_bits(reader.fixed32()?);
                number::write_float(value, &mut self.out);
                value.to_bits() == 0
            }
            Scalar::Fixed32 => self.unsigned(u64::from(reader.fixed32()?), false),
            Scalar::Uint32 => self.unsigned(u64::from(wire::uint32(reader.varint()?)), false),
            Scalar::Int32 => self.signed(i64::from(wire::int32(reader.varint()?)), false),
            Scalar::Sfixed32 => self.signed(i64::from(reader.fixed32()?.cast_signed()), false),
            Scalar::Sint32 => self.signed(i64::from(wire::sint32(reader.varint()?)), false),
            Scalar::Fixed64 => self.unsigned(reader.fixed64()?, self.program.quote_64),
            Scalar::Uint64 => self.unsigned(reader.varint()?, self.program.quote_64),
            Scalar::Int64 => self.signed(wire::int64(reader.varint()?), self.program.quote_64),
            Scalar::Sfixed64 => self.signed(reader.fixed64()?.cast_signed(), self.program.quote_64),
            Scalar::Sint64 => self.signed(wire::sint64(reader.varint()?), self.program.quote_64),
        };
        Ok(if default { Written::Default } else { Written::Value })
    }

    #[inline]
    pub(super) fn signed(&mut self, value: i64, quoted: bool) -> bool {
        if quoted {
            self.out.push(b'"');
        }
        number::write_i64(value, &mut self.out);
        if quoted {
            self.out.push(b'"');
        }
        value == 0
    }

    #[inline]
    pub(super) fn unsigned(&mut self, value: u64, quoted: bool) -> bool {
        if quoted {
            self.out.push(b'"');
        }
        number::write_u64(value, &mut self.out);
        if quoted {
            self.out.push(b'"');
        }
        value == 0
    }

    /// Writes the default of a scalar: what zero bytes mean as any of them.
    pub(super) fn default_scalar(&mut self, scalar: Scalar) -> Result<(), DecodeError> {
        self.scalar(scalar, &mut Reader::new(&[0; 8])).map(drop)
    }
}

/// Reads the next tag if it continues the list or map.
#[inline]
pub(super) fn next_tag(op: &Op, reader: &mut Reader<'_>) -> Result<Option<Tag>, DecodeError> {
    if reader.accept_small_tag(op.tag) {
        return Ok(Some(op.tag));
    }
    if reader.is_empty() {
        return Ok(None);
    }
    let mut ahead = *reader;
    let tag = ahead.tag()?;
    if !op.fits(tag) {
        return Ok(None);
    }
    *reader = ahead;
    Ok(Some(tag))
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Failed(error)
    }
}
