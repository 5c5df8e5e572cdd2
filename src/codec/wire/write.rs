//! Appending varints, tags and fields.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{RawValue, Tag, WireType};

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

#[inline]
const fn low_bits(value: u64) -> u8 {
    (value & 0x7f) as u8
}

/// The number of bytes that [`put_varint`] appends.
#[inline]
pub const fn varint_length(value: u64) -> usize {
    // Each byte carries seven bits; zero needs one byte too.
    ((value | 1).ilog2() / 7).saturating_add(1) as usize
}

/// Appends a tag.
#[inline]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(Tag::new(number, wire_type).bits()));
}

/// Appends tag, length and content of a string, bytes, message or packed list.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_tag(out, number, WireType::Len);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends tag, content and end tag of a group.
pub fn put_group(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_tag(out, number, WireType::StartGroup);
    out.extend_from_slice(content);
    put_tag(out, number, WireType::EndGroup);
}

/// Appends a tag and a raw value, so that a value of one message can be copied into another.
pub fn put_value(out: &mut Vec<u8>, number: u32, value: RawValue<'_>) {
    match value {
        RawValue::Bytes(content) => put_bytes(out, number, content),
        RawValue::Fixed32(bits) => {
            put_tag(out, number, WireType::Fixed32);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        RawValue::Fixed64(bits) => {
            put_tag(out, number, WireType::Fixed64);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        RawValue::Group(content) => put_group(out, number, content),
        RawValue::Varint(bits) => {
            put_tag(out, number, WireType::Varint);
            put_varint(out, bits);
        }
    }
}
