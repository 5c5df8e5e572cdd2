//! Map fields: entries are read first, then written by ascending key, the last of equal keys.
//!
//! Keys are compared as numbers, or as the bytes of their text, never as JSON. Values are not looked at before their turn.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cmp::Ordering;

use super::program::{Form, MapOp, Scalar};
use super::run::Writer;
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

    /// Writes the entries by ascending key; of several with one key the last.
    pub(super) fn write_entries(
        &mut self,
        map: &MapOp,
        mut entries: Vec<Entry<'_>>,
        depth: u32,
    ) -> Result<(), DecodeError> {
        let ascending = |pair: &[Entry<'_>]| match pair {
            [first, second] => first.key.cmp(&second.key) == Ordering::Less,
            _ => true,
        };
        if !entries.windows(2).all(ascending) {
            // The sort is stable: reversed before and behind, the last of equal keys is the one that stays.
            entries.reverse();
            entries.sort_by_key(|it| it.key);
            entries.dedup_by_key(|it| it.key);
        }
        let mut first = true;
        for entry in entries {
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.write_entry(map, entry, depth)?;
        }
        Ok(())
    }

    pub(super) fn write_entry(&mut self, map: &MapOp, entry: Entry<'_>, depth: u32) -> Result<(), DecodeError> {
        match entry.key {
            MapKey::Text(text) if map.key == Scalar::String => escape::write_utf8(text, &mut self.out)?,
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
