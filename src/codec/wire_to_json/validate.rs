//! Checks that bytes are a message of a type, without writing anything.
//!
//! Looks at every field of the type, selected or not, so that bytes which passed can be read in place, stored and passed on.
//! Wrong wire types and unknown fields are skipped, as when reading.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;

use super::message_set;
use crate::codec::DecodeError;
use crate::codec::wire::{DEPTH_LIMIT, Reader, Tag, WireType};
use crate::schema::{Cardinality, Kind, MessageIndex, MessageRef};

/// What is to be checked in a message type and all types that it can hold.
pub(super) struct Validator {
    /// The first is the root's.
    types: Box<[Type]>,
}

struct Type {
    /// By ascending field number; only fields whose content can be wrong.
    fields: Box<[(u32, Check)]>,
    message_set: bool,
}

#[derive(Clone, Copy)]
enum Check {
    /// A message, or a map entry: the tag with which it is written, and its place in the list of types.
    Message(Tag, usize),
    /// A packed list of these.
    Packed(WireType),
    Utf8,
}

impl Validator {
    pub(super) fn new(root: &MessageRef) -> Self {
        let schema = root.schema();
        let mut order = vec![root.index()];
        let mut at = HashMap::from([(root.index(), 0)]);
        let mut types = Vec::new();
        // The list grows while it is read.
        while let Some(&message) = order.get(types.len()) {
            let message = schema.message(message);
            let mut place = |index: MessageIndex| {
                *at.entry(index).or_insert_with(|| {
                    order.push(index);
                    order.len().saturating_sub(1)
                })
            };
            let fields = message.fields.iter().filter_map(|field| {
                let wire_type = WireType::of(
                    field.kind,
                    field.delimited && !matches!(field.cardinality, Cardinality::Map(_)),
                );
                let check = match field.kind {
                    Kind::Message(index) => Check::Message(Tag::new(field.number, wire_type), place(index)),
                    Kind::String if field.utf8 => Check::Utf8,
                    _ if field.cardinality == Cardinality::Repeated && wire_type.packable() => Check::Packed(wire_type),
                    _ => return None,
                };
                Some((field.number, check))
            });
            types.push(Type {
                fields: fields.collect(),
                message_set: message.message_set,
            });
        }
        Self { types: types.into() }
    }

    pub(super) fn run(&self, wire: &[u8]) -> Result<(), DecodeError> {
        self.message(0, wire, DEPTH_LIMIT)
    }

    fn message(&self, at: usize, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let Some(of) = self.types.get(at) else { return Ok(()) };
        if of.message_set {
            self.fields(of, &message_set::fields(wire)?, depth)
        } else {
            self.fields(of, wire, depth)
        }
    }

    fn fields(&self, of: &Type, wire: &[u8], depth: u32) -> Result<(), DecodeError> {
        let mut reader = Reader::new(wire);
        while let Some((tag, value)) = reader.field()? {
            let Ok(found) = of.fields.binary_search_by_key(&tag.number(), |it| it.0) else {
                continue;
            };
            let Some(&(_, check)) = of.fields.get(found) else {
                continue;
            };
            match check {
                Check::Message(expected, inner) if tag == expected => {
                    let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
                    self.message(inner, value.bytes(), depth)?;
                }
                Check::Utf8 if tag.wire_type() == WireType::Len => {
                    simdutf8::basic::from_utf8(value.bytes()).map_err(|_| DecodeError::Utf8)?;
                }
                Check::Packed(wire_type) if tag.wire_type() == WireType::Len => {
                    let mut run = Reader::new(value.bytes());
                    while !run.is_empty() {
                        run.skip(Tag::new(1, wire_type))?;
                    }
                }
                Check::Message(..) | Check::Packed(_) | Check::Utf8 => {}
            }
        }
        Ok(())
    }
}
