//! The path for messages whose fields are out of order, split or overridden.
//!
//! Where each field stands is noted first, with what the format says of those that come again: the last scalar wins,
//! messages are merged, setting a member of a oneof clears the others. Then the fields are written in the order of the ops.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::map::Entries;
use super::program::{Count, Op, Plan};
use super::run::{Frame, Writer};
use crate::codec::DecodeError;
use crate::codec::wire::Reader;

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
    #[cold]
    pub(super) fn indexed(&mut self, frame: Frame<'p>, wire: &[u8]) -> Result<(), DecodeError> {
        let (mut slots, winners) = self.index(frame.plan, wire)?;
        slots.sort_unstable_by_key(|it| (it.op, it.at));
        let mut rest = &*slots;
        for (at, op) in frame.plan.ops.iter().enumerate() {
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
                    self.defaults(frame.plan, at..at.saturating_add(1));
                }
            } else {
                self.indexed_field(frame, op, wire, slots)?;
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

    fn indexed_field(&mut self, frame: Frame<'p>, op: &Op, wire: &[u8], slots: &[Slot]) -> Result<(), DecodeError> {
        let mut readers = slots
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
                self.key(frame.plan, op);
                self.body(op.form, &merged, frame.depth)
            }
            Count::One => {
                let Some(mut reader) = readers.next_back() else {
                    return Ok(());
                };
                let tag = reader.tag()?;
                self.occurrence(frame, op, tag, &mut reader).map(drop)
            }
            Count::Many => {
                self.key(frame.plan, op);
                let start = self.out.len();
                for mut reader in readers {
                    let tag = reader.tag()?;
                    self.elements(op, tag, &mut reader, frame.depth)?;
                }
                self.end_list(before, start, *b"[]");
                Ok(())
            }
            Count::Map(map) => {
                let map = self.program.map(map);
                let mut entries = Entries::default();
                for mut reader in readers {
                    let tag = reader.tag()?;
                    if let Some(entry) = self.entry(map, reader.value(tag)?.bytes())? {
                        entries.push(entry);
                    }
                }
                self.key(frame.plan, op);
                let start = self.out.len();
                self.write_entries(map, entries, frame.depth)?;
                self.end_list(before, start, *b"{}");
                Ok(())
            }
        }
    }
}

/// How far a reader has come. The caller has checked that positions fit into 32 bits.
fn position(wire: &[u8], reader: &Reader<'_>) -> u32 {
    u32::try_from(wire.len().saturating_sub(reader.rest().len())).unwrap_or(u32::MAX)
}
