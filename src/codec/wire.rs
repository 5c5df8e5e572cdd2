//! The protobuf wire format: reading and writing tags, varints and lengths, and finding one field in a message.
//!
//! Owns every fact about encoding that does not depend on JSON. [`Reader`] walks a message without copying;
//! [`FieldLookup`] answers "what is this field's value" in place, with the merging rules of the format: the last scalar
//! wins, split messages are concatenated, the last member of a oneof wins, a wrong wire type is an unknown field.
//! Invariant: nothing here panics or reads out of bounds, whatever the bytes are.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod lookup;
mod varint;
mod write;

use super::DecodeError;
use crate::schema::Kind;

pub use self::lookup::{Elements, FieldLookup};
pub use self::write::{put_bytes, put_group, put_tag, put_value, put_varint, varint_length};

/// Messages and groups nested deeper than this are refused.
pub const DEPTH_LIMIT: u32 = 100;

/// The largest field number.
pub const MAX_NUMBER: u32 = (1 << 29) - 1;

/// How a value is delimited on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WireType {
    /// Base-128 integer.
    Varint = 0,
    /// Eight bytes, little endian.
    Fixed64 = 1,
    /// A length, then that many bytes.
    Len = 2,
    /// A group, up to its end tag.
    StartGroup = 3,
    /// The end of a group.
    EndGroup = 4,
    /// Four bytes, little endian.
    Fixed32 = 5,
}

impl WireType {
    /// The wire type of one value of a kind outside a packed list; `delimited` messages are groups.
    pub const fn of(kind: Kind, delimited: bool) -> Self {
        match kind {
            Kind::Bool
            | Kind::Enum(_)
            | Kind::Int32
            | Kind::Int64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Uint32
            | Kind::Uint64 => Self::Varint,
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Self::Fixed64,
            Kind::Fixed32 | Kind::Float | Kind::Sfixed32 => Self::Fixed32,
            Kind::Message(_) if delimited => Self::StartGroup,
            Kind::Bytes | Kind::Message(_) | Kind::String => Self::Len,
        }
    }

    /// True for the values that a packed list may hold.
    pub const fn packable(self) -> bool {
        matches!(self, Self::Fixed32 | Self::Fixed64 | Self::Varint)
    }
}

/// Field number and wire type as they stand on the wire: `number << 3 | wire type`. Always valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u32);

impl Tag {
    /// Combines a field number, of which the low 29 bits count, and a wire type.
    pub const fn new(number: u32, wire_type: WireType) -> Self {
        Self((number & MAX_NUMBER) << 3 | wire_type as u32)
    }

    /// The integer that is written, as a varint, before the value.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The field number.
    pub const fn number(self) -> u32 {
        self.0 >> 3
    }

    /// The wire type.
    pub const fn wire_type(self) -> WireType {
        match self.0 & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Len,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            _ => WireType::Fixed32,
        }
    }

    /// Accepts what was read from the wire if the number is in range and the wire type exists.
    #[inline]
    fn parse(bits: u64) -> Result<Self, DecodeError> {
        match u32::try_from(bits) {
            Ok(bits) if bits >= 8 && bits & 7 < 6 => Ok(Self(bits)),
            _ => Err(DecodeError::Malformed),
        }
    }
}

/// One value as it stands on the wire, not yet interpreted by a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawValue<'a> {
    /// A string, bytes, a message or a packed list.
    Bytes(&'a [u8]),
    /// fixed32, sfixed32, float.
    Fixed32(u32),
    /// fixed64, sfixed64, double.
    Fixed64(u64),
    /// A group's content, without its end tag.
    Group(&'a [u8]),
    /// Every other number, bools and enums.
    Varint(u64),
}

impl<'a> RawValue<'a> {
    /// The content of a string, bytes, message, packed list or group; empty for numbers.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(it) | Self::Group(it) => it,
            Self::Fixed32(_) | Self::Fixed64(_) | Self::Varint(_) => &[],
        }
    }

    /// The bits of a number, as they were on the wire; 0 for the others.
    pub fn bits(self) -> u64 {
        match self {
            Self::Varint(it) | Self::Fixed64(it) => it,
            Self::Fixed32(it) => u64::from(it),
            Self::Bytes(_) | Self::Group(_) => 0,
        }
    }
}

/// Walks over wire bytes. A copy remembers a position.
///
/// ```
/// use weft::codec::wire::{Reader, WireType};
/// let mut reader = Reader::new(&[0x08, 0x96, 0x01]);
/// let tag = reader.tag().unwrap();
/// assert_eq!((tag.number(), tag.wire_type()), (1, WireType::Varint));
/// assert_eq!(reader.varint().unwrap(), 150);
/// assert!(reader.is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub const fn new(wire: &'a [u8]) -> Self {
        Self { rest: wire }
    }

    /// True behind the last byte.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a tag. An end tag is returned like any other.
    #[expect(clippy::inline_always, reason = "a call costs as much as the reading")]
    #[inline(always)]
    pub fn tag(&mut self) -> Result<Tag, DecodeError> {
        Tag::parse(self.varint()?)
    }

    /// The next byte, which stays.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Moves over bytes that the caller has seen.
    #[inline]
    pub(super) fn advance(&mut self, n_bytes: usize) {
        self.rest = self.rest.get(n_bytes..).unwrap_or_default();
    }

    /// Skips a field whose tag has one byte, behind which a length stands.
    #[expect(clippy::inline_always, reason = "what projections do most")]
    #[inline(always)]
    pub(super) fn skip_small_bytes(&mut self) -> Result<(), DecodeError> {
        match *self.rest {
            [_, length, ref rest @ ..] if length < 0x80 => {
                self.rest = rest.get(usize::from(length)..).ok_or(DecodeError::Malformed)?;
            }
            [_, low, high, ref rest @ ..] if high < 0x80 => {
                let length = usize::from(low & 0x7f) | usize::from(high) << 7;
                self.rest = rest.get(length..).ok_or(DecodeError::Malformed)?;
            }
            _ => *self = self.behind_field()?,
        }
        Ok(())
    }

    /// Skips a field whose tag has one byte, behind which a varint stands.
    #[expect(clippy::inline_always, reason = "what projections do most")]
    #[inline(always)]
    pub(super) fn skip_small_varint(&mut self) -> Result<(), DecodeError> {
        match *self.rest {
            [_, value, ref rest @ ..] if value < 0x80 => self.rest = rest,
            _ => *self = self.behind_field()?,
        }
        Ok(())
    }

    /// The reader behind the next field. Not lent, so that the callers' readers stay in registers.
    #[inline(never)]
    fn behind_field(mut self) -> Result<Self, DecodeError> {
        let tag = self.tag()?;
        self.skip(tag)?;
        Ok(self)
    }

    /// Moves over a tag of one byte if it is next.
    #[inline]
    pub(super) fn accept_small_tag(&mut self, tag: Tag) -> bool {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 && u32::from(byte) == tag.bits() => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a length and that many bytes, and returns what follows them too: all that begins with the bytes, and how many
    /// of it they are.
    #[expect(clippy::inline_always, reason = "read with the text of nearly every field")]
    #[inline(always)]
    pub(super) fn bytes_first(&mut self) -> Result<(&'a [u8], usize), DecodeError> {
        let length = self.length()?;
        let from = self.rest;
        self.rest = from.get(length..).ok_or(DecodeError::Malformed)?;
        Ok((from, length))
    }

    /// Reads four bytes.
    #[inline]
    pub fn fixed32(&mut self) -> Result<u32, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Reads eight bytes.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Reads the content of a group whose start tag was read, and its end tag, which is not part of the content.
    pub fn group(&mut self, start: Tag) -> Result<&'a [u8], DecodeError> {
        let whole = self.rest;
        // The numbers of the groups that are open; the outermost is apart, so that the usual group needs no allocation.
        let mut open: Vec<u32> = Vec::new();
        loop {
            let content = whole.len().saturating_sub(self.rest.len());
            let tag = self.tag()?;
            match tag.wire_type() {
                WireType::StartGroup if open.len() >= DEPTH_LIMIT as usize => {
                    return Err(DecodeError::Depth);
                }
                WireType::StartGroup => open.push(tag.number()),
                WireType::EndGroup => {
                    let expected = open.pop();
                    if tag.number() != expected.unwrap_or(start.number()) {
                        return Err(DecodeError::Malformed);
                    }
                    if expected.is_none() {
                        return whole.get(..content).ok_or(DecodeError::Malformed);
                    }
                }
                _ => self.skip(tag)?,
            }
        }
    }

    /// Skips the value behind a tag, whole groups included.
    #[inline]
    pub fn skip(&mut self, tag: Tag) -> Result<(), DecodeError> {
        match tag.wire_type() {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Len => self.bytes().map(drop),
            WireType::StartGroup => self.group(tag).map(drop),
            WireType::EndGroup => Err(DecodeError::Malformed),
            WireType::Fixed32 => self.fixed32().map(drop),
        }
    }

    /// Reads the value behind a tag.
    #[inline]
    pub fn value(&mut self, tag: Tag) -> Result<RawValue<'a>, DecodeError> {
        match tag.wire_type() {
            WireType::Varint => self.varint().map(RawValue::Varint),
            WireType::Fixed64 => self.fixed64().map(RawValue::Fixed64),
            WireType::Len => self.bytes().map(RawValue::Bytes),
            WireType::StartGroup => self.group(tag).map(RawValue::Group),
            WireType::EndGroup => Err(DecodeError::Malformed),
            WireType::Fixed32 => self.fixed32().map(RawValue::Fixed32),
        }
    }

    /// Reads a tag and its value; `None` behind the last byte.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(Tag, RawValue<'a>)>, DecodeError> {
        if self.is_empty() {
            return Ok(None);
        }
        let tag = self.tag()?;
        Ok(Some((tag, self.value(tag)?)))
    }

    /// Reads one packed element of a packable wire type.
    #[inline]
    fn element(&mut self, wire_type: WireType) -> Result<RawValue<'a>, DecodeError> {
        match wire_type {
            WireType::Varint => self.varint().map(RawValue::Varint),
            WireType::Fixed32 => self.fixed32().map(RawValue::Fixed32),
            WireType::Fixed64 => self.fixed64().map(RawValue::Fixed64),
            WireType::EndGroup | WireType::Len | WireType::StartGroup => Err(DecodeError::Malformed),
        }
    }
}

/// Fewer than eight bytes as a word, filled up with zeros. Read as two words that overlap, not one by one.
#[inline]
pub(super) fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The last four bytes begin within the first four.
        let n_twice = 8_usize.saturating_sub(bytes.len());
        let last = u32::from_le_bytes(*last).unbounded_shr(bits_of(n_twice));
        return u64::from(u32::from_le_bytes(*first)) | u64::from(last) << 32;
    }
    u64::from(match *bytes {
        [one, two, three] => u32::from_le_bytes([one, two, three, 0]),
        [one, two] => u32::from_le_bytes([one, two, 0, 0]),
        [one] => u32::from(one),
        _ => 0,
    })
}

/// How many bits a few bytes have.
#[inline]
pub(super) fn bits_of(n_bytes: usize) -> u32 {
    u32::try_from(n_bytes).unwrap_or(u32::MAX).saturating_mul(8)
}

// === Numbers ===

/// The value of an int32, sint32 (before zigzag) or enum varint: the low 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the format says that the upper bits are dropped"
)]
#[inline]
pub const fn int32(bits: u64) -> i32 {
    (bits as u32).cast_signed()
}

/// The value of a uint32 varint: the low 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the format says that the upper bits are dropped"
)]
#[inline]
pub const fn uint32(bits: u64) -> u32 {
    bits as u32
}

/// The value of an int64 varint.
#[inline]
pub const fn int64(bits: u64) -> i64 {
    bits.cast_signed()
}

/// The value of a sint32 varint.
#[inline]
pub const fn sint32(bits: u64) -> i32 {
    let bits = uint32(bits);
    (bits >> 1).cast_signed() ^ (bits & 1).cast_signed().wrapping_neg()
}

/// The value of a sint64 varint.
#[inline]
pub const fn sint64(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ (bits & 1).cast_signed().wrapping_neg()
}

/// The varint of a sint32.
#[inline]
pub const fn zigzag32(value: i32) -> u64 {
    ((value << 1) ^ (value >> 31)).cast_unsigned() as u64
}

/// The varint of a sint64.
#[inline]
pub const fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The varint of an int32 or enum, which is sign-extended to 64 bits.
#[inline]
pub const fn extend32(value: i32) -> u64 {
    (value as i64).cast_unsigned()
}

#[cfg(test)]
mod tests;
