//! Finding the value of one field in a message, in place.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use super::{RawValue, Reader, Tag, WireType, int32};
use crate::codec::DecodeError;
use crate::schema::{Cardinality, Field, Kind, MessageRef};

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

#[cfg(test)]
mod tests {
    use super::*;

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
