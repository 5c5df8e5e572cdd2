//! What path and query set, as a tree of messages, and how it is laid over what the body set.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{BindError, Type, text};
use crate::codec::json;
use crate::codec::json_to_wire::program::Scalar;
use crate::codec::json_to_wire::scalar;
use crate::codec::wire::{self, WireType};
use crate::schema::{Cardinality, Field, Kind, Message, Presence};

/// Fields that were set in one message.
#[derive(Debug, Default)]
pub(super) struct Node {
    slots: BTreeMap<u32, Slot>,
    /// Which field holds each oneof.
    oneofs: BTreeMap<usize, u32>,
}

#[derive(Debug)]
enum Slot {
    Message(Node),
    /// Tags and values; of a packed list the values alone.
    Values(Vec<u8>),
}

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Sets the field at the end of `path`, which begins in `of`, or adds to it where it is a list.
    pub(super) fn insert(&mut self, of: Type<'_>, path: &[&Field], value: &str) -> Result<(), String> {
        let Some((field, rest)) = path.split_first() else {
            return Ok(());
        };
        if let Some(oneof) = field.oneof
            && *self.oneofs.entry(oneof).or_insert(field.number) != field.number
        {
            return Err(oneof_twice(of.message, oneof));
        }
        if !rest.is_empty() {
            let Kind::Message(index) = field.kind else {
                return Ok(());
            };
            let slot = self
                .slots
                .entry(field.number)
                .or_insert_with(|| Slot::Message(Self::default()));
            let Slot::Message(node) = slot else { return Ok(()) };
            return node.insert(of.child(index), rest, value);
        }
        let is_list = field.cardinality == Cardinality::Repeated;
        let is_new = !self.slots.contains_key(&field.number);
        let slot = self
            .slots
            .entry(field.number)
            .or_insert_with(|| Slot::Values(Vec::new()));
        let Slot::Values(values) = slot else { return Ok(()) };
        if !is_list && !is_new {
            return Err("expected one value".to_owned());
        }
        let wire_type = WireType::of(field.kind, false);
        let start = values.len();
        if field.delimited && matches!(field.kind, Kind::Message(_)) {
            let mut content = Vec::new();
            text::write(of.schema, field.kind, value, &mut content)?;
            let content = wire::Reader::new(&content).bytes().unwrap_or_default();
            wire::put_group(values, field.number, content);
            return Ok(());
        }
        if !is_packed(field) {
            wire::put_tag(values, field.number, wire_type);
        }
        let content = values.len();
        text::write(of.schema, field.kind, value, values)?;
        if !is_list
            && field.presence == Presence::Implicit
            && let Some(scalar) = zero_of(field.kind)
            && scalar::is_zero(scalar, values.get(content..).unwrap_or_default())
        {
            values.truncate(start);
        }
        Ok(())
    }

    /// Appends the message: what `body` holds, without the fields that are set here, and these, in number order.
    /// `pointer` is where the message stands in the body. Returns what is wrong.
    pub(super) fn merge(&self, of: Type<'_>, body: &[u8], pointer: &str, out: &mut Vec<u8>) -> Vec<BindError> {
        let mut errors = Vec::new();
        let mut pieces: Vec<(u32, Cow<'_, [u8]>)> = Vec::new();
        let mut inner: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut reader = wire::Reader::new(body);
        loop {
            let rest = reader.rest();
            // The body's bytes are our own, so that there is nothing to fail.
            let Ok(Some((tag, value))) = reader.field() else { break };
            let raw = rest
                .get(..rest.len().saturating_sub(reader.rest().len()))
                .unwrap_or_default();
            match self.slots.get(&tag.number()) {
                Some(Slot::Message(_)) => inner.entry(tag.number()).or_default().extend_from_slice(value.bytes()),
                Some(Slot::Values(_)) => {}
                None => {
                    let field = of.message.field_by_number(tag.number());
                    if let Some((field, oneof)) = field.and_then(|it| Some((it, it.oneof?)))
                        && self.oneofs.contains_key(&oneof)
                    {
                        let name = json::pointer_below(pointer, &field.json_name);
                        errors.push(BindError {
                            name,
                            reason: oneof_twice(of.message, oneof),
                        });
                    }
                    pieces.push((tag.number(), Cow::Borrowed(raw)));
                }
            }
        }
        for (&number, slot) in &self.slots {
            let Some(field) = of.message.field_by_number(number) else {
                continue;
            };
            let mut piece = Vec::new();
            match (slot, field.kind) {
                (Slot::Values(values), _) if is_packed(field) => wire::put_bytes(&mut piece, number, values),
                (Slot::Values(values), _) => piece.clone_from(values),
                (Slot::Message(node), Kind::Message(index)) => {
                    let body = inner.remove(&number).unwrap_or_default();
                    let pointer = format!("{pointer}/{}", field.json_name);
                    let mut content = Vec::new();
                    errors.extend(node.merge(of.child(index), &body, &pointer, &mut content));
                    if field.delimited {
                        wire::put_group(&mut piece, number, &content);
                    } else {
                        wire::put_bytes(&mut piece, number, &content);
                    }
                }
                (Slot::Message(_), _) => {}
            }
            pieces.push((number, Cow::Owned(piece)));
        }
        pieces.sort_by_key(|(number, _)| *number);
        for (_, piece) in &pieces {
            out.extend_from_slice(piece);
        }
        errors
    }
}

fn is_packed(field: &Field) -> bool {
    field.cardinality == Cardinality::Repeated && field.packed && WireType::of(field.kind, false).packable()
}

/// The scalar whose zero a field without presence does not write; none for messages.
fn zero_of(kind: Kind) -> Option<Scalar> {
    match kind {
        // The zero of an enum is a varint's.
        Kind::Enum(_) => Some(Scalar::Int32),
        _ => Scalar::of(kind),
    }
}

fn oneof_twice(message: &Message, oneof: usize) -> String {
    let name = message.oneofs.get(oneof).map_or("", |it| it);
    format!("another member of the oneof `{name}` is set too")
}
