//! The protobuf wire format: reading and writing tags, varints and lengths, and finding one field in a message.
//!
//! Owns every fact about encoding that does not depend on JSON. [`Reader`] walks a message without copying;
//! [`FieldLookup`] answers "what is this field's value" in place, with the merging rules of the format: the last scalar
//! wins, split messages are concatenated, the last member of a oneof wins, a wrong wire type is an unknown field.
//! Invariant: nothing here panics or reads out of bounds, whatever the bytes are.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use super::DecodeError;
use crate::schema::{Cardinality, Field, Kind, MessageRef};

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

    /// Reads a varint of at most 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    /// Of several bytes.
    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        const STOPS: u64 = 0x8080_8080_8080_8080;
        if let &[low, high, ref rest @ ..] = self.rest
            && high < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(high) << 7);
        }
        // Up to eight bytes at once.
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let stops = !word & STOPS;
            if stops != 0 {
                // All bits up to that of the byte without a continuation bit; then sevens are pushed together.
                let value = word & (stops ^ stops.wrapping_sub(1)) & !STOPS;
                let value = value & 0x007f_007f_007f_007f | (value & 0x7f00_7f00_7f00_7f00) >> 1;
                let value = value & 0x0000_3fff_0000_3fff | (value & 0x3fff_0000_3fff_0000) >> 2;
                let value = value & 0x0fff_ffff | (value & 0x0fff_ffff_0000_0000) >> 4;
                let length = (stops.trailing_zeros() / 8).saturating_add(1) as usize;
                self.rest = self.rest.get(length..).unwrap_or_default();
                return Ok(value);
            }
        }
        self.longest_varint()
    }

    #[cold]
    fn longest_varint(&mut self) -> Result<u64, DecodeError> {
        let mut rest = self.rest;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, after) = rest.split_first().ok_or(DecodeError::Malformed)?;
            rest = after;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                if shift == 63 && byte > 1 {
                    return Err(DecodeError::Malformed);
                }
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed)
    }

    /// Reads a tag. An end tag is returned like any other.
    #[expect(clippy::inline_always, reason = "a call costs as much as the reading")]
    #[inline(always)]
    pub fn tag(&mut self) -> Result<Tag, DecodeError> {
        Tag::parse(self.varint()?)
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
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Malformed)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a length and that many bytes, and returns what follows them too: all that begins with the bytes, and how many
    /// of it they are.
    #[expect(clippy::inline_always, reason = "read with the text of nearly every field")]
    #[inline(always)]
    pub(super) fn bytes_first(&mut self) -> Result<(&'a [u8], usize), DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Malformed)?;
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

// === Reading one field in place ===

/// Recognises the occurrences of one field.
#[derive(Clone, Debug)]
struct Occurrence {
    number: u32,
    wire_type: WireType,
    /// A list of numbers, which may stand packed or not, however it was declared.
    packable: bool,
    /// The numbers of a closed enum, sorted: any other is an unknown field.
    closed: Option<Box<[i32]>>,
}

impl Occurrence {
    fn new(message: &MessageRef, field: &Field) -> Self {
        let wire_type = WireType::of(field.kind, field.delimited);
        let closed = match field.kind {
            Kind::Enum(index) if message.schema().enumeration(index).closed => {
                let mut numbers: Vec<i32> = message
                    .schema()
                    .enumeration(index)
                    .values
                    .iter()
                    .map(|it| it.number)
                    .collect();
                numbers.sort_unstable();
                Some(numbers.into_boxed_slice())
            }
            _ => None,
        };
        let packable = field.cardinality == Cardinality::Repeated && wire_type.packable();
        Self {
            number: field.number,
            wire_type,
            packable,
            closed,
        }
    }

    /// True where the tag is this field's and the value is one that the field can hold.
    fn holds(&self, tag: Tag, value: RawValue<'_>) -> bool {
        tag.number() == self.number && tag.wire_type() == self.wire_type && self.knows(value)
    }

    fn knows(&self, value: RawValue<'_>) -> bool {
        self.closed
            .as_ref()
            .is_none_or(|numbers| numbers.binary_search(&int32(value.bits())).is_ok())
    }
}

/// Reads one field of a message in place, again and again, without decoding the rest.
#[derive(Clone, Debug)]
pub struct FieldLookup {
    field: Occurrence,
    /// The other members of the field's oneof.
    siblings: Box<[Occurrence]>,
}

impl FieldLookup {
    /// Prepares the reading of `field`, which is a field of `message`.
    pub fn new(message: &MessageRef, field: &Field) -> Self {
        let siblings = message
            .fields
            .iter()
            .filter(|it| field.oneof.is_some() && it.oneof == field.oneof && it.number != field.number)
            .map(|it| Occurrence::new(message, it))
            .collect();
        Self {
            field: Occurrence::new(message, field),
            siblings,
        }
    }

    /// The value of a singular scalar, string, bytes or enum field: the last one. `None` where the field is unset.
    pub fn scalar<'a>(&self, wire: &'a [u8]) -> Result<Option<RawValue<'a>>, DecodeError> {
        let mut reader = Reader::new(wire);
        let mut found = None;
        while let Some((tag, value)) = reader.field()? {
            if self.field.holds(tag, value) {
                found = Some(value);
            } else if self.replaced_by(tag, value) {
                found = None;
            }
        }
        Ok(found)
    }

    /// The content of a singular message field; where the message was split, its parts one behind the other, which
    /// means the same. `None` where the field is unset.
    pub fn message<'a>(&self, wire: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        let mut reader = Reader::new(wire);
        let mut found: Option<Cow<'a, [u8]>> = None;
        while let Some((tag, value)) = reader.field()? {
            if self.field.holds(tag, value) {
                found = Some(match found {
                    None => Cow::Borrowed(value.bytes()),
                    Some(mut parts) => {
                        parts.to_mut().extend_from_slice(value.bytes());
                        parts
                    }
                });
            } else if self.replaced_by(tag, value) {
                found = None;
            }
        }
        Ok(found)
    }

    /// The elements of a repeated field, or the entries of a map, in wire order; packed and unpacked ones alike.
    /// Elements of a closed enum that have no name are left out, as they are unknown fields.
    pub fn elements<'a, 'l>(&'l self, wire: &'a [u8]) -> Elements<'a, 'l> {
        Elements {
            field: &self.field,
            reader: Reader::new(wire),
            packed: Reader::new(&[]),
        }
    }

    fn replaced_by(&self, tag: Tag, value: RawValue<'_>) -> bool {
        self.siblings.iter().any(|it| it.holds(tag, value))
    }
}

/// Iterates over the elements of a repeated field. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Elements<'a, 'l> {
    field: &'l Occurrence,
    reader: Reader<'a>,
    /// What is left of the packed run that was met last.
    packed: Reader<'a>,
}

impl<'a> Elements<'a, '_> {
    fn advance(&mut self) -> Result<Option<RawValue<'a>>, DecodeError> {
        loop {
            while !self.packed.is_empty() {
                let value = self.packed.element(self.field.wire_type)?;
                if self.field.knows(value) {
                    return Ok(Some(value));
                }
            }
            let Some((tag, value)) = self.reader.field()? else {
                return Ok(None);
            };
            if self.field.holds(tag, value) {
                return Ok(Some(value));
            }
            if self.field.packable && tag == Tag::new(self.field.number, WireType::Len) {
                self.packed = Reader::new(value.bytes());
            }
        }
    }
}

impl<'a> Iterator for Elements<'a, '_> {
    type Item = Result<RawValue<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.reader = Reader::new(&[]);
            self.packed = Reader::new(&[]);
        }
        next.transpose()
    }
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

// === Writing ===

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_as_they_were_put() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX >> 1,
            u64::MAX,
        ] {
            let mut wire = Vec::new();
            put_varint(&mut wire, value);
            assert_eq!(wire.len(), varint_length(value), "{value}");
            let mut reader = Reader::new(&wire);
            assert_eq!(reader.varint(), Ok(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn bad_varints_are_malformed() {
        let eleven = [0x80; 11];
        let too_big = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for wire in [&[][..], &[0x80], &[0xff, 0xff], &eleven, &too_big] {
            assert_eq!(Reader::new(wire).varint(), Err(DecodeError::Malformed), "{wire:x?}");
        }
        // Longer than need be is legal.
        assert_eq!(Reader::new(&[0x81, 0x80, 0x00]).varint(), Ok(1));
    }

    #[test]
    fn zigzag_keeps_every_sign() {
        for value in [0, 1, -1, 2, i32::MAX, i32::MIN] {
            assert_eq!(sint32(zigzag32(value)), value);
            assert_eq!(sint64(zigzag64(i64::from(value))), i64::from(value));
            assert_eq!(int32(extend32(value)), value);
        }
        assert_eq!(sint64(zigzag64(i64::MIN)), i64::MIN);
        assert_eq!(zigzag32(-1), 1);
    }

    #[test]
    fn tags_out_of_range_are_malformed() {
        // Number 0, wire types 6 and 7, more than 32 bits.
        for bits in [0_u64, 7, 8 | 6, 8 | 7, 1 << 32] {
            let mut wire = Vec::new();
            put_varint(&mut wire, bits);
            assert_eq!(Reader::new(&wire).tag(), Err(DecodeError::Malformed), "{bits}");
        }
    }

    #[test]
    fn groups_are_skipped_with_all_that_they_hold() {
        let mut inner = Vec::new();
        put_bytes(&mut inner, 3, b"abc");
        put_group(&mut inner, 2, &[0x08, 0x01]);
        let mut wire = Vec::new();
        put_group(&mut wire, 7, &inner);
        wire.extend_from_slice(&[0x08, 0x05]);
        let mut reader = Reader::new(&wire);
        assert_eq!(
            reader.field(),
            Ok(Some((Tag::new(7, WireType::StartGroup), RawValue::Group(&inner))))
        );
        assert_eq!(
            reader.field(),
            Ok(Some((Tag::new(1, WireType::Varint), RawValue::Varint(5))))
        );
        assert_eq!(reader.field(), Ok(None));
    }

    #[test]
    fn groups_that_do_not_close_are_malformed_and_deep_ones_are_refused() {
        for wire in [&[0x0b][..], &[0x0b, 0x14], &[0x0b, 0x13, 0x0c, 0x14], &[0x0c]] {
            assert_eq!(Reader::new(wire).field(), Err(DecodeError::Malformed), "{wire:x?}");
        }
        let deep = vec![0x0b; 1000];
        assert_eq!(Reader::new(&deep).field(), Err(DecodeError::Depth));
    }

    #[test]
    fn lengths_beyond_the_end_are_malformed() {
        for wire in [&[0x0a, 0x02, 0x00][..], &[0x0a], &[0x09, 0, 0, 0], &[0x0d, 0]] {
            assert_eq!(Reader::new(wire).field(), Err(DecodeError::Malformed), "{wire:x?}");
        }
        let mut huge = vec![0x0a];
        put_varint(&mut huge, u64::MAX);
        assert_eq!(Reader::new(&huge).field(), Err(DecodeError::Malformed));
    }

    fn lookup(number: u32, wire_type: WireType, packable: bool, siblings: &[u32]) -> FieldLookup {
        let occurrence = |number| Occurrence {
            number,
            wire_type,
            packable,
            closed: None,
        };
        FieldLookup {
            field: occurrence(number),
            siblings: siblings.iter().map(|&it| occurrence(it)).collect(),
        }
    }

    #[test]
    fn the_last_scalar_wins_and_a_wrong_wire_type_is_unknown() {
        let wire = [0x08, 1, 0x08, 2, 0x0a, 1, b'x'];
        assert_eq!(
            lookup(1, WireType::Varint, false, &[]).scalar(&wire),
            Ok(Some(RawValue::Varint(2)))
        );
        assert_eq!(lookup(3, WireType::Varint, false, &[]).scalar(&wire), Ok(None));
    }

    #[test]
    fn the_last_member_of_a_oneof_wins() {
        let wire = [0x08, 1, 0x10, 2];
        assert_eq!(lookup(1, WireType::Varint, false, &[2]).scalar(&wire), Ok(None));
        assert_eq!(
            lookup(2, WireType::Varint, false, &[1]).scalar(&wire),
            Ok(Some(RawValue::Varint(2)))
        );
    }

    #[test]
    fn split_messages_are_joined() {
        let wire = [0x0a, 2, 0x08, 1, 0x10, 9, 0x0a, 2, 0x10, 2];
        let found = lookup(1, WireType::Len, false, &[]).message(&wire).unwrap();
        assert_eq!(found.as_deref(), Some(&[0x08, 1, 0x10, 2][..]));
    }

    #[test]
    fn packed_and_unpacked_elements_are_one_list() {
        let wire = [0x08, 1, 0x0a, 2, 2, 3, 0x10, 9, 0x08, 4];
        let field = lookup(1, WireType::Varint, true, &[]);
        let values: Vec<u64> = field.elements(&wire).map(|it| it.unwrap().bits()).collect();
        assert_eq!(values, [1, 2, 3, 4]);
        let broken = [0x08, 1, 0x0a, 2, 2, 0x80, 0x08, 4];
        assert_eq!(field.elements(&broken).filter(Result::is_err).count(), 1);
    }
}
