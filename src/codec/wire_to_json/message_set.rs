//! The old message set encoding of proto2, as ordinary fields.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::DecodeError;
use crate::codec::wire::{self, Reader, Tag, WireType};

/// Rewrites the items of a message set, groups of a type number and a message, as the fields that they stand for.
pub(super) fn fields(wire: &[u8]) -> Result<Vec<u8>, DecodeError> {
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
