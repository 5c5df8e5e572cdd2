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
use super::map::Entry;
use super::program::{Count, Form, Op, Plan, Program, Scalar};
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

/// Where an occurrence of a field begins, its tag included.
struct Slot {
    op: u32,
    at: u32,
}

/// The member of a oneof that was seen last, and since where it was the only one.
#[derive(Clone, Copy)]
struct Winner {
    op: u32,
    since: u32,
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
            self.members(self.program.plan(plan), wire, start, DEPTH_LIMIT)?;
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
                self.members(self.program.plan(plan), wire, start, depth)?;
                self.out.push(b'}');
                Ok(())
            }
            _ => self.well_known(form, wire, depth),
        }
    }

    /// Writes the members of a message. The first has no comma before it if `out` is `start` bytes long.
    pub(super) fn members(&mut self, plan: &'p Plan, wire: &[u8], start: usize, depth: u32) -> Result<(), DecodeError> {
        self.check_limit()?;
        if plan.message_set {
            let fields = message_set_fields(wire)?;
            return self.fields(plan, &fields, start, depth);
        }
        self.fields(plan, wire, start, depth)
    }

    fn fields(&mut self, plan: &'p Plan, wire: &[u8], start: usize, depth: u32) -> Result<(), DecodeError> {
        if self.wasted <= self.allowance {
            let before = self.out.len();
            match self.ordered(plan, wire, start, depth) {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Disorder) => {
                    self.wasted = self.wasted.saturating_add(wire.len());
                    self.out.truncate(before);
                }
            }
        }
        self.indexed(plan, wire, start, depth)
    }

    // === The ordered path ===

    fn ordered(&mut self, plan: &'p Plan, wire: &[u8], start: usize, depth: u32) -> Result<(), Stop> {
        let emit = self.program.emit;
        let mut reader = Reader::new(wire);
        let mut next = 0;
        let mut oneofs = 0;
        while !reader.is_empty() {
            let tag = reader.tag()?;
            let Some((at, op)) = plan.op(tag, next) else {
                reader.skip(tag)?;
                continue;
            };
            if at < next || op.oneof_bit & oneofs != 0 {
                return Err(Stop::Disorder);
            }
            let before = self.out.len();
            if emit {
                self.defaults(plan, next..at, start);
            }
            if self.occurrence(plan, op, tag, &mut reader, start, depth)? == Written::Unknown {
                self.out.truncate(before);
                continue;
            }
            oneofs |= op.oneof_bit;
            next = at.saturating_add(1);
        }
        if emit {
            self.defaults(plan, next..plan.ops.len(), start);
        }
        Ok(())
    }

    /// Writes a field of which the first tag was read, with all occurrences that follow immediately where it can have many.
    #[inline]
    fn occurrence(
        &mut self,
        plan: &'p Plan,
        op: &'p Op,
        tag: Tag,
        reader: &mut Reader<'_>,
        start: usize,
        depth: u32,
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
        self.key(plan, op, start);
        match op.count {
            Count::One => {
                let written = self.value(op.form, tag, reader, depth)?;
                if written == Written::Default && op.skip_default {
                    self.out.truncate(before);
                }
                Ok(written)
            }
            Count::Many => {
                self.out.push(b'[');
                let first = self.out.len();
                self.elements(op, tag, reader, first, depth)?;
                while let Some(tag) = next_tag(op, reader)? {
                    self.elements(op, tag, reader, first, depth)?;
                }
                self.end_list(before, first, b']');
                Ok(Written::Value)
            }
            Count::Map(map) => {
                let map = self.program.map(map);
                self.out.push(b'{');
                let first = self.out.len();
                let entry = self.entry(map, reader.bytes()?)?;
                match next_tag(op, reader)? {
                    None => {
                        if let Some(entry) = entry {
                            self.write_entry(map, entry, depth)?;
                        }
                    }
                    Some(_) => {
                        let mut entries: Vec<Entry<'_>> = entry.into_iter().collect();
                        entries.extend(self.entry(map, reader.bytes()?)?);
                        while next_tag(op, reader)?.is_some() {
                            entries.extend(self.entry(map, reader.bytes()?)?);
                        }
                        self.write_entries(map, entries, depth)?;
                    }
                }
                self.end_list(before, first, b'}');
                Ok(Written::Value)
            }
        }
    }

    // === The indexed path ===

    #[cold]
    fn indexed(&mut self, plan: &'p Plan, wire: &[u8], start: usize, depth: u32) -> Result<(), DecodeError> {
        let (mut slots, winners) = self.index(plan, wire)?;
        slots.sort_unstable_by_key(|it| (it.op, it.at));
        let mut rest = &*slots;
        for (at, op) in plan.ops.iter().enumerate() {
            let n_slots = rest.iter().take_while(|it| it.op as usize == at).count();
            let Some((mut slots, others)) = rest.split_at_checked(n_slots) else {
                break;
            };
            rest = others;
            if let Some(winner) = op.oneof.and_then(|it| winners.get(usize::from(it))) {
                let n_lost = slots.partition_point(|it| winner.op != it.op || it.at < winner.since);
                slots = slots.get(n_lost..).unwrap_or_default();
            }
            if slots.is_empty() {
                if self.program.emit {
                    self.defaults(plan, at..at.saturating_add(1), start);
                }
            } else {
                self.indexed_field(plan, op, wire, slots, start, depth)?;
            }
        }
        Ok(())
    }

    /// Notes where each field that is written stands, and which member of each oneof was last.
    fn index(&self, plan: &'p Plan, wire: &[u8]) -> Result<(Vec<Slot>, Vec<Winner>), DecodeError> {
        // Positions have 32 bits; nothing of that size is ever received.
        if u32::try_from(wire.len()).is_err() {
            return Err(DecodeError::TooLarge);
        }
        let mut slots = Vec::new();
        let mut winners = vec![Winner { op: u32::MAX, since: 0 }; plan.n_oneofs];
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let at = position(wire, &reader);
            let tag = reader.tag()?;
            let Some((op_at, op)) = plan.op(tag, 0) else {
                reader.skip(tag)?;
                continue;
            };
            let value = reader.value(tag)?;
            if matches!(op.count, Count::One) && self.is_unknown(op, value) {
                continue;
            }
            let op_at = u32::try_from(op_at).unwrap_or(u32::MAX);
            if let Some(winner) = op.oneof.and_then(|it| winners.get_mut(usize::from(it)))
                && winner.op != op_at
            {
                *winner = Winner { op: op_at, since: at };
            }
            if !op.hidden {
                slots.push(Slot { op: op_at, at });
            }
        }
        Ok((slots, winners))
    }

    fn indexed_field(
        &mut self,
        plan: &'p Plan,
        op: &'p Op,
        wire: &[u8],
        slots: &[Slot],
        start: usize,
        depth: u32,
    ) -> Result<(), DecodeError> {
        let readers = slots
            .iter()
            .map(|it| Reader::new(wire.get(it.at as usize..).unwrap_or_default()));
        let before = self.out.len();
        match op.count {
            Count::One if op.form.is_message() && slots.len() > 1 => {
                // The format defines merging so that the parts, one behind the other, are the merged message.
                let mut merged = Vec::new();
                for mut reader in readers {
                    let tag = reader.tag()?;
                    merged.extend_from_slice(reader.value(tag)?.bytes());
                }
                self.key(plan, op, start);
                self.body(op.form, &merged, depth)
            }
            Count::One => {
                let Some(mut reader) = readers.last() else {
                    return Ok(());
                };
                let tag = reader.tag()?;
                self.occurrence(plan, op, tag, &mut reader, start, depth).map(drop)
            }
            Count::Many => {
                self.key(plan, op, start);
                self.out.push(b'[');
                let first = self.out.len();
                for mut reader in readers {
                    let tag = reader.tag()?;
                    self.elements(op, tag, &mut reader, first, depth)?;
                }
                self.end_list(before, first, b']');
                Ok(())
            }
            Count::Map(map) => {
                let map = self.program.map(map);
                let mut entries = Vec::new();
                for mut reader in readers {
                    let tag = reader.tag()?;
                    entries.extend(self.entry(map, reader.value(tag)?.bytes())?);
                }
                self.key(plan, op, start);
                self.out.push(b'{');
                let first = self.out.len();
                self.write_entries(map, entries, depth)?;
                self.end_list(before, first, b'}');
                Ok(())
            }
        }
    }

    // === One field ===

    #[inline]
    fn key(&mut self, plan: &Plan, op: &Op, start: usize) {
        let key = plan.key(op);
        let without_comma = key.get(1..).unwrap_or_default();
        self.out
            .extend_from_slice(if self.out.len() == start { without_comma } else { key });
    }

    fn defaults(&mut self, plan: &Plan, ops: std::ops::Range<usize>, start: usize) {
        let text = plan.defaults(ops.start, ops.end);
        let without_comma = text.get(1..).unwrap_or_default();
        self.out
            .extend_from_slice(if self.out.len() == start { without_comma } else { text });
    }

    /// True where a value is a number that the field's closed enum does not have.
    fn is_unknown(&self, op: &Op, value: RawValue<'_>) -> bool {
        match (op.form, value) {
            (Form::Enum(at), RawValue::Varint(bits)) => self.program.enumeration(at).refuses(wire::int32(bits)),
            _ => false,
        }
    }

    /// Writes the elements of one occurrence of a repeated field: one, or a packed run of them.
    #[inline]
    fn elements(
        &mut self,
        op: &Op,
        tag: Tag,
        reader: &mut Reader<'_>,
        first: usize,
        depth: u32,
    ) -> Result<(), DecodeError> {
        if tag == op.tag {
            return self.element(op, reader, first, depth);
        }
        let mut run = Reader::new(reader.bytes()?);
        while !run.is_empty() {
            self.element(op, &mut run, first, depth)?;
        }
        Ok(())
    }

    #[inline]
    fn element(&mut self, op: &Op, reader: &mut Reader<'_>, first: usize, depth: u32) -> Result<(), DecodeError> {
        let before = self.out.len();
        if before != first {
            self.out.push(b',');
        }
        if self.value(op.form, op.tag, reader, depth)? == Written::Unknown {
            self.out.truncate(before);
        }
        Ok(())
    }

    /// Closes a list or map that began, with its key, at `before` and has its content from `first` on. An empty one is
    /// taken back, unless defaults are written.
    #[inline]
    fn end_list(&mut self, before: usize, first: usize, bracket: u8) {
        if self.out.len() == first && !self.program.emit {
            self.out.truncate(before);
        } else {
            self.out.push(bracket);
        }
    }

    /// Writes one value, of which the tag was read.
    #[inline]
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
    #[inline]
    pub(super) fn scalar(&mut self, scalar: Scalar, reader: &mut Reader<'_>) -> Result<Written, DecodeError> {
        let default = match scalar {
            Scalar::String => {
                let text = reader.bytes()?;
                escape::write_utf8(text, &mut self.out)?;
                text.is_empty()
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
fn next_tag(op: &Op, reader: &mut Reader<'_>) -> Result<Option<Tag>, DecodeError> {
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

/// How far a reader has come. The caller has checked that positions fit into 32 bits.
fn position(wire: &[u8], reader: &Reader<'_>) -> u32 {
    u32::try_from(wire.len().saturating_sub(reader.rest().len())).unwrap_or(u32::MAX)
}

/// Rewrites the items of a message set, groups of a type number and a message, as the fields that they stand for.
pub(super) fn message_set_fields(wire: &[u8]) -> Result<Vec<u8>, DecodeError> {
    const ITEM: Tag = Tag::new(1, WireType::StartGroup);
    const TYPE: Tag = Tag::new(2, WireType::Varint);
    const MESSAGE: Tag = Tag::new(3, WireType::Len);
    let mut fields = Vec::with_capacity(wire.len());
    let mut reader = Reader::new(wire);
    while let Some((tag, value)) = reader.field()? {
        if tag != ITEM {
            wire::put_value(&mut fields, tag.number(), value);
            continue;
        }
        let mut item = Reader::new(value.bytes());
        let (mut number, mut message) = (None, None);
        while let Some((tag, value)) = item.field()? {
            match tag {
                TYPE => number = Some(wire::uint32(value.bits())),
                MESSAGE => message = Some(value.bytes()),
                _ => {}
            }
        }
        if let (Some(number @ 1..=wire::MAX_NUMBER), Some(message)) = (number, message) {
            wire::put_bytes(&mut fields, number, message);
        }
    }
    Ok(fields)
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Failed(error)
    }
}
