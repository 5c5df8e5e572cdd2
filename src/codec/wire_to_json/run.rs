//! Runs a program over the bytes of one message.
//!
//! [`Writer::members`] first tries the ordered path, which expects fields in ascending order. Where a message is not like
//! that, its output is taken back and it is written by way of an index of its fields, in the same order and with the same
//! result. Both share the code that writes one field.
//! Every member and element is written with a comma before it; the first of them gives way to the opening bracket.
//! Invariant: the work is linear in the input for each level of nesting. What the ordered path wrote in vain is counted, and
//! once it exceeds the input, everything is indexed at once; so no input can make every level start twice.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::OUTPUT_LIMIT;
use super::compile::AnyTypes;
use super::message_set;
use super::program::{Count, Form, Op, Plain, Plan, Program, RARE, SKIPPED_BYTES, SKIPPED_VARINT};
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
    /// How many levels may be opened within the object.
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
        let Form::Message(plan) = self.program.root else {
            return Ok(());
        };
        let frame = Frame {
            plan: self.program.plan(plan),
            depth: DEPTH_LIMIT,
        };
        // What stands before the members makes room for the first comma, and then takes its place again.
        let before = self.out.pop();
        let start = self.out.len();
        let result = self.members(frame, wire);
        match (before, self.out.get_mut(start)) {
            (Some(before), Some(comma)) => *comma = before,
            (Some(before), None) => self.out.push(before),
            (None, Some(_)) => drop(self.out.remove(start)),
            (None, None) => {}
        }
        result?;
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
                let start = self.out.len();
                let frame = Frame {
                    plan: self.program.plan(plan),
                    depth,
                };
                self.members(frame, wire)?;
                self.close(start, *b"{}");
                Ok(())
            }
            _ => self.well_known(form, wire, depth),
        }
    }

    /// Puts brackets around what was written from `start` on, the first where the first comma stands.
    #[inline]
    pub(super) fn close(&mut self, start: usize, brackets: [u8; 2]) {
        match self.out.get_mut(start) {
            Some(comma) => {
                *comma = brackets[0];
                self.out.push(brackets[1]);
            }
            None => self.out.extend_from_slice(&brackets),
        }
    }

    /// True as long as there is something to be gained from trying the short way first.
    #[inline]
    pub(super) fn may_try(&self) -> bool {
        self.wasted <= self.allowance
    }

    /// Notes that the short way led nowhere.
    #[cold]
    pub(super) fn tried(&mut self, n_bytes: usize) {
        self.wasted = self.wasted.saturating_add(n_bytes);
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
        if self.may_try() {
            let before = self.out.len();
            match self.ordered(frame, wire) {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(DecodeError::TooLarge)) => return Err(DecodeError::TooLarge),
                // What failed may be overridden or completed by what comes later (an Any, a Timestamp in two parts):
                // only the index can tell.
                Err(Stop::Disorder | Stop::Failed(_)) => {
                    self.tried(wire.len());
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
        // Only copies of it are lent to functions, so that it stays in registers.
        let mut reader = Reader::new(wire);
        let mut next = 0;
        let mut oneofs = 0;
        while let Some(byte) = reader.peek() {
            let (at, op, tag) = match plan.by_tag.get(usize::from(byte)).copied().unwrap_or(RARE) {
                // What projections do most.
                SKIPPED_BYTES => {
                    reader.skip_small_bytes()?;
                    continue;
                }
                SKIPPED_VARINT => {
                    reader.skip_small_varint()?;
                    continue;
                }
                RARE => {
                    let (found, behind) = rare(plan, reader, next)?;
                    reader = behind;
                    match found {
                        Some(found) => found,
                        None => continue,
                    }
                }
                at => {
                    let at = usize::from(at);
                    let Some(op) = plan.ops.get(at) else { break };
                    reader.advance(1);
                    (
                        at,
                        op,
                        if u32::from(byte) == op.tag.bits() {
                            op.tag
                        } else {
                            op.packed_tag
                        },
                    )
                }
            };
            if at < next {
                return Err(Stop::Disorder);
            }
            match op.plain {
                Plain::String => {
                    let (text, length) = reader.bytes_first()?;
                    if length != 0 || !op.skip_default {
                        self.text_field(plan, op, text, length)?;
                    }
                }
                Plain::Int32 => {
                    let value = wire::int32(reader.varint()?);
                    if value != 0 || !op.skip_default {
                        self.key(plan, op);
                        number::write_i64(i64::from(value), &mut self.out);
                    }
                }
                Plain::No => {
                    if op.oneof_bit & oneofs != 0 {
                        return Err(Stop::Disorder);
                    }
                    let before = self.out.len();
                    if emit {
                        self.defaults(plan, next..at);
                    }
                    let mut behind = reader;
                    let written = self.occurrence(frame, op, tag, &mut behind)?;
                    reader = behind;
                    if written == Written::Unknown {
                        self.out.truncate(before);
                        continue;
                    }
                    oneofs |= op.oneof_bit;
                }
            }
            next = at.wrapping_add(1);
        }
        if emit {
            self.defaults(plan, next..plan.ops.len());
        }
        Ok(())
    }

    /// Writes a singular string: what most fields are.
    #[inline]
    fn text_field(&mut self, plan: &Plan, op: &Op, text: &[u8], length: usize) -> Result<(), DecodeError> {
        if !op.key.put(&mut self.out, 1) {
            self.long_key(plan, op);
            self.out.push(b'"');
        }
        escape::end_utf8(text, length, &mut self.out)
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
                self.key(frame.plan, op);
                let written = self.value(op.form, tag, reader, frame.depth)?;
                if written == Written::Default && op.skip_default {
                    self.out.truncate(before);
                }
                Ok(written)
            }
            Count::Many => {
                self.key(frame.plan, op);
                let start = self.out.len();
                let mut tag = tag;
                loop {
                    self.elements(op, tag, reader, frame.depth)?;
                    match next_tag(op, reader)? {
                        Some(next) => tag = next,
                        None => break,
                    }
                }
                self.end_list(before, start, *b"[]");
                Ok(Written::Value)
            }
            Count::Map(map) => {
                self.map(frame, op, self.program.map(map), reader)?;
                Ok(Written::Value)
            }
        }
    }

    // === One field ===

    /// Writes `,"name":`.
    #[inline]
    pub(super) fn key(&mut self, plan: &Plan, op: &Op) {
        if !op.key.put(&mut self.out, 0) {
            self.long_key(plan, op);
        }
    }

    #[cold]
    fn long_key(&mut self, plan: &Plan, op: &Op) {
        self.out.extend_from_slice(plan.key(op));
    }

    pub(super) fn defaults(&mut self, plan: &Plan, ops: std::ops::Range<usize>) {
        self.out.extend_from_slice(plan.defaults(ops.start, ops.end));
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
        depth: u32,
    ) -> Result<(), DecodeError> {
        if tag == op.tag {
            return self.element(op, reader, depth);
        }
        let mut run = Reader::new(reader.bytes()?);
        while !run.is_empty() {
            self.element(op, &mut run, depth)?;
        }
        Ok(())
    }

    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    fn element(&mut self, op: &Op, reader: &mut Reader<'_>, depth: u32) -> Result<(), DecodeError> {
        let before = self.out.len();
        self.out.push(b',');
        if self.value(op.form, op.tag, reader, depth)? == Written::Unknown {
            self.out.truncate(before);
        }
        Ok(())
    }

    /// Puts brackets around a list or map that began, with its key, at `before` and has its content from `start` on. An
    /// empty one is taken back, unless defaults are written.
    #[inline]
    pub(super) fn end_list(&mut self, before: usize, start: usize, brackets: [u8; 2]) {
        if self.out.len() == start && !self.program.emit {
            self.out.truncate(before);
        } else {
            self.close(start, brackets);
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
}

/// Reads a tag that is not of one byte, and finds its op; where it has none, the whole field is skipped. The reader is
/// handed on, not lent, for the sake of the loop that calls.
fn rare<'p, 'a>(plan: &'p Plan, mut reader: Reader<'a>, next: usize) -> Result<RareField<'p, 'a>, DecodeError> {
    let tag = reader.tag()?;
    let found = plan.op(tag, next).map(|(at, op)| (at, op, tag));
    if found.is_none() {
        reader.skip(tag)?;
    }
    Ok((found, reader))
}

type RareField<'p, 'a> = (Option<(usize, &'p Op, Tag)>, Reader<'a>);

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
