//! Map fields: entries are read first, then written by ascending key, the last of equal keys.
//!
//! Keys are compared as numbers, or as the bytes of their text, never as JSON. Values are not looked at before their turn.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::program::{Form, MapOp, Op, Scalar};
use super::run::{Frame, Writer, Written, next_tag};
use crate::codec::wire::{self, Reader};
use crate::codec::{DecodeError, escape};

/// A map entry whose key was read.
pub(super) struct Entry<'a> {
    key: MapKey<'a>,
    value: EntryValue<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MapKey<'a> {
    Bool(bool),
    Signed(i64),
    Text(&'a [u8]),
    Unsigned(u64),
}

enum EntryValue<'a> {
    Absent,
    /// The content of a message that came in parts.
    Merged(Vec<u8>),
    /// The reader stands behind the value's tag.
    Wire(Reader<'a>),
}

/// The entries of one map: a few, as most maps have, without an allocation.
#[derive(Default)]
pub(super) struct Entries<'a> {
    few: [Option<Entry<'a>>; N_FEW],
    n_few: usize,
    /// All of them, once they are more.
    many: Vec<Option<Entry<'a>>>,
}

const N_FEW: usize = 8;

#[expect(clippy::ref_option, reason = "entries are taken out of their places one by one")]
fn key<'a>(entry: &Option<Entry<'a>>) -> Option<MapKey<'a>> {
    entry.as_ref().map(|it| it.key)
}

impl<'a> Entries<'a> {
    #[inline]
    pub(super) fn push(&mut self, entry: Entry<'a>) {
        if let Some(place) = self.few.get_mut(self.n_few) {
            *place = Some(entry);
            self.n_few = self.n_few.saturating_add(1);
            return;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter_mut().map(Option::take));
        }
        self.many.push(Some(entry));
    }

    fn as_mut_slice(&mut self) -> &mut [Option<Entry<'a>>] {
        if self.many.is_empty() {
            self.few.get_mut(..self.n_few).unwrap_or_default()
        } else {
            &mut self.many
        }
    }
}

impl Writer<'_> {
    /// Takes a map entry apart. `None` where its value is a number that its closed enum does not have: then the whole entry
    /// is an unknown field.
    #[inline]
    pub(super) fn entry<'a>(&self, map: &MapOp, wire: &'a [u8]) -> Result<Option<Entry<'a>>, DecodeError> {
        let mut entry = Entry {
            key: default_key(map.key),
            value: EntryValue::Absent,
        };
        let mut reader = Reader::new(wire);
        while !reader.is_empty() {
            let tag = reader.tag()?;
            if tag == map.key_tag {
                entry.key = read_key(map.key, &mut reader)?;
            } else if tag == map.value_tag {
                let here = reader;
                let value = reader.value(tag)?;
                entry.value = match entry.value {
                    EntryValue::Absent => EntryValue::Wire(here),
                    _ if !map.value.is_message() => EntryValue::Wire(here),
                    EntryValue::Wire(mut first) => {
                        EntryValue::Merged([first.value(tag)?.bytes(), value.bytes()].concat())
                    }
                    EntryValue::Merged(mut merged) => {
                        merged.extend_from_slice(value.bytes());
                        EntryValue::Merged(merged)
                    }
                };
            } else {
                reader.skip(tag)?;
            }
        }
        if let (Form::Enum(at), &EntryValue::Wire(mut value)) = (map.value, &entry.value)
            && self.program.enumeration(at).refuses(wire::int32(value.varint()?))
        {
            return Ok(None);
        }
        Ok(Some(entry))
    }

    /// Writes a map of which the first tag was read, with all entries that follow immediately.
    pub(super) fn map(
        &mut self,
        frame: Frame<'_>,
        op: &Op,
        map: &MapOp,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let before = self.out.len();
        self.key(frame.plan, op);
        let start = self.out.len();
        if !self.sorted_entries(op, map, reader, frame.depth)? {
            self.out.truncate(start);
            let mut entries = Entries::default();
            loop {
                if let Some(entry) = self.entry(map, reader.bytes()?)? {
                    entries.push(entry);
                }
                if next_tag(op, reader)?.is_none() {
                    break;
                }
            }
            self.write_entries(map, entries, frame.depth)?;
        }
        self.end_list(before, start, *b"{}");
        Ok(())
    }

    /// Writes the entries as they come, if they are plain: key, then value, and nothing else, by ascending key. False, the
    /// reader where it was and something written in vain, where they are not.
    #[inline]
    fn sorted_entries(
        &mut self,
        op: &Op,
        map: &MapOp,
        reader: &mut Reader<'_>,
        depth: u32,
    ) -> Result<bool, DecodeError> {
        if !self.may_try() {
            return Ok(false);
        }
        let mut ahead = *reader;
        let mut last = None;
        loop {
            let mut entry = Reader::new(ahead.bytes()?);
            if !entry.accept_small_tag(map.key_tag) {
                break;
            }
            let key = match map.key {
                Scalar::String => MapKey::Text(entry.bytes()?),
                other => read_key(other, &mut entry)?,
            };
            if last.is_some_and(|it| it >= key) || !entry.accept_small_tag(map.value_tag) {
                break;
            }
            last = Some(key);
            self.out.push(b',');
            self.map_key(map, key)?;
            let mut value = entry;
            if self.value(map.value, map.value_tag, &mut value, depth)? == Written::Unknown || !value.is_empty() {
                break;
            }
            let mut behind = ahead;
            let more = next_tag(op, &mut behind)?.is_some();
            ahead = behind;
            if !more {
                *reader = ahead;
                return Ok(true);
            }
        }
        self.tried(reader.rest().len().saturating_sub(ahead.rest().len()));
        Ok(false)
    }

    /// Writes the entries by ascending key; of several with one key the last.
    pub(super) fn write_entries(
        &mut self,
        map: &MapOp,
        mut entries: Entries<'_>,
        depth: u32,
    ) -> Result<(), DecodeError> {
        let entries = entries.as_mut_slice();
        if !entries.is_sorted_by_key(key) {
            // The sort is stable, so that of equal keys the last on the wire stays last.
            entries.sort_by(|one, other| key(one).cmp(&key(other)));
        }
        let mut rest = entries;
        while let Some((entry, behind)) = rest.split_first_mut() {
            let replaced = behind.first().is_some_and(|it| key(it) == key(entry));
            rest = behind;
            if let Some(entry) = entry.take().filter(|_| !replaced) {
                self.out.push(b',');
                self.write_entry(map, entry, depth)?;
            }
        }
        Ok(())
    }

    /// Writes a key in quotes, and the colon.
    #[inline]
    fn map_key(&mut self, map: &MapOp, key: MapKey<'_>) -> Result<(), DecodeError> {
        match key {
            MapKey::Text(text) if map.key == Scalar::String => {
                self.out.push(b'"');
                escape::end_utf8(text, text.len(), &mut self.out)?;
            }
            MapKey::Text(text) => escape::write_lossy(text, &mut self.out),
            MapKey::Bool(true) => self.out.extend_from_slice(b"\"true\""),
            MapKey::Bool(false) => self.out.extend_from_slice(b"\"false\""),
            MapKey::Signed(key) => {
                self.signed(key, true);
            }
            MapKey::Unsigned(key) => {
                self.unsigned(key, true);
            }
        }
        self.out.push(b':');
        Ok(())
    }

    fn write_entry(&mut self, map: &MapOp, entry: Entry<'_>, depth: u32) -> Result<(), DecodeError> {
        self.map_key(map, entry.key)?;
        match (entry.value, map.value) {
            (EntryValue::Wire(mut reader), form) => self.value(form, map.value_tag, &mut reader, depth).map(drop),
            (EntryValue::Merged(body), form) => self.body(form, &body, depth),
            (EntryValue::Absent, Form::Scalar(scalar)) => self.default_scalar(scalar),
            (EntryValue::Absent, Form::Enum(at)) => {
                let names = self.program.enumeration(at);
                names.write(names.default, &mut self.out);
                Ok(())
            }
            (EntryValue::Absent, form) => self.body(form, &[], depth),
        }
    }
}

fn default_key(key: Scalar) -> MapKey<'static> {
    match key {
        Scalar::Bool => MapKey::Bool(false),
        Scalar::Fixed32 | Scalar::Fixed64 | Scalar::Uint32 | Scalar::Uint64 => MapKey::Unsigned(0),
        Scalar::Bytes | Scalar::LossyString | Scalar::String => MapKey::Text(&[]),
        _ => MapKey::Signed(0),
    }
}

fn read_key<'a>(key: Scalar, reader: &mut Reader<'a>) -> Result<MapKey<'a>, DecodeError> {
    Ok(match key {
        Scalar::Bool => MapKey::Bool(reader.varint()? != 0),
        Scalar::Fixed32 => MapKey::Unsigned(u64::from(reader.fixed32()?)),
        Scalar::Fixed64 => MapKey::Unsigned(reader.fixed64()?),
        Scalar::Int32 => MapKey::Signed(i64::from(wire::int32(reader.varint()?))),
        Scalar::Int64 => MapKey::Signed(wire::int64(reader.varint()?)),
        Scalar::Sfixed32 => MapKey::Signed(i64::from(reader.fixed32()?.cast_signed())),
        Scalar::Sfixed64 => MapKey::Signed(reader.fixed64()?.cast_signed()),
        Scalar::Sint32 => MapKey::Signed(i64::from(wire::sint32(reader.varint()?))),
        Scalar::Sint64 => MapKey::Signed(wire::sint64(reader.varint()?)),
        Scalar::Uint32 => MapKey::Unsigned(u64::from(wire::uint32(reader.varint()?))),
        Scalar::Uint64 => MapKey::Unsigned(reader.varint()?),
        Scalar::Bytes | Scalar::LossyString | Scalar::String => MapKey::Text(reader.bytes()?),
        // No schema has such a key.
        Scalar::Double | Scalar::Float => return Err(DecodeError::Malformed),
    })
}
