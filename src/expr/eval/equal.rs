//! Equality (semantics.md 2.8): compiled from a type, so that messages are compared field by field.
//!
//! Invariant: null equals null only, NaN nothing, and numbers of every kind by worth.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::program::{Alike, Equality, KeyKind};
use super::super::types::{Type, TypeKind};
use super::super::value::{FieldReader, MapValue, Value};
use super::{json, number};
use crate::schema::MessageRef;

impl Equality {
    /// How values of `ty` are compared, also with values of types that [`Alike::Plain`] covers.
    pub(in crate::expr) fn of(ty: &Type) -> Self {
        let mut messages = Messages::default();
        let root = messages.alike(ty);
        Self {
            root,
            messages: messages.fields.into_iter().map(Vec::into_boxed_slice).collect(),
        }
    }

    /// Whether the two are equal.
    pub(in crate::expr) fn holds(&self, left: &Value, right: &Value) -> bool {
        self.alike(&self.root, left, right)
    }

    fn alike(&self, alike: &Alike, left: &Value, right: &Value) -> bool {
        if left.is_null() || right.is_null() {
            return left.is_null() && right.is_null();
        }
        match (alike, left, right) {
            (Alike::Blob, Value::Message(a), Value::Message(b)) => a == b,
            (Alike::List(each), Value::List(a), Value::List(b)) => {
                let (mut a, mut b) = (a.iter(), b.iter());
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => return true,
                        (Some(a), Some(b)) if self.alike(each, &a, &b) => {}
                        _ => return false,
                    }
                }
            }
            (Alike::Map(each), Value::Map(a), Value::Map(b)) => self.maps(each, a, b),
            (Alike::Message(at), Value::Message(a), Value::Message(b)) => {
                let fields = self.messages.get(*at).map_or(&[][..], |it| it);
                fields
                    .iter()
                    .all(|(reader, each)| self.alike(each, &reader.read(a), &reader.read(b)))
            }
            (Alike::Selected(fields), Value::Message(a), Value::Message(b)) => fields
                .iter()
                .all(|(reader, each)| self.alike(each, &reader.read(a), &reader.read(b))),
            (Alike::Object(members), a, b) => {
                members
                    .iter()
                    .all(|(name, each)| match (a.member(name), b.member(name)) {
                        (Some(a), Some(b)) => self.alike(each, a, b),
                        (None, None) => true,
                        _ => false,
                    })
            }
            (_, a, b) => plain(a, b),
        }
    }

    fn maps(&self, each: &Alike, a: &MapValue, b: &MapValue) -> bool {
        let (a, b) = (a.entries(), b.entries());
        a.len() == b.len()
            && a.iter()
                .zip(b.iter())
                .all(|(a, b)| a.0.compare_keys(&b.0).is_eq() && self.alike(each, &a.1, &b.1))
    }
}

/// Whether scalars are equal, JSON of unknown shape among them.
pub(super) fn plain(left: &Value, right: &Value) -> bool {
    if let (Value::Json(a), Value::Json(b)) = (left, right) {
        let canonical = |fragment: &[u8]| {
            let mut out = Vec::with_capacity(fragment.len());
            json::canonical(fragment, &mut out);
            out
        };
        return a == b || canonical(a) == canonical(b);
    }
    match (json::untyped(left.clone()), json::untyped(right.clone())) {
        // A list or an object equals no scalar.
        (Value::Json(_), _) | (_, Value::Json(_)) => false,
        (left, right) => matches!(number::order(&left, &right), Ok(Some(order)) if order.is_eq()),
    }
}

#[derive(Default)]
struct Messages {
    known: HashMap<Arc<str>, usize>,
    fields: Vec<Vec<(FieldReader, Alike)>>,
}

impl Messages {
    fn alike(&mut self, ty: &Type) -> Alike {
        match &ty.kind {
            TypeKind::List(element) => Alike::List(Box::new(self.alike(element))),
            TypeKind::Map(entry) => Alike::Map(Box::new(self.alike(&entry.1))),
            TypeKind::Message(message) => Alike::Message(self.message(message)),
            TypeKind::Object(members) => {
                Alike::Object(members.iter().map(|it| (it.name.clone(), self.alike(&it.ty))).collect())
            }
            TypeKind::ProtoAny(_) => Alike::Blob,
            TypeKind::Selected(message, members) => {
                let fields = members.iter().filter_map(|it| {
                    let reader = FieldReader::compile(message, message.field(&it.name)?);
                    Some((reader, self.alike(&it.ty)))
                });
                Alike::Selected(fields.collect())
            }
            TypeKind::Any
            | TypeKind::Bool
            | TypeKind::Bytes
            | TypeKind::Double { .. }
            | TypeKind::Duration
            | TypeKind::Enum(_)
            | TypeKind::Int(_)
            | TypeKind::Json(_)
            | TypeKind::Null
            | TypeKind::String
            | TypeKind::Timestamp
            | TypeKind::Unknown => Alike::Plain,
        }
    }

    /// Messages may hold themselves, so each is given its number before its fields are looked at.
    fn message(&mut self, message: &MessageRef) -> usize {
        if let Some(&known) = self.known.get(&message.full_name) {
            return known;
        }
        let at = self.fields.len();
        self.known.insert(message.full_name.clone(), at);
        self.fields.push(Vec::new());
        let fields = message
            .fields
            .iter()
            .map(|it| {
                (
                    FieldReader::compile(message, it),
                    self.alike(&Type::of_field(message, it)),
                )
            })
            .collect();
        self.fields[at] = fields;
        at
    }
}

impl KeyKind {
    /// How elements of `ty` are told apart.
    pub(in crate::expr) fn of(ty: &Type) -> Self {
        if ty.is_scalar() || ty.is_any() || matches!(ty.kind, TypeKind::Bytes | TypeKind::Json(_) | TypeKind::Unknown) {
            Self::Plain
        } else {
            Self::Json(super::super::render::Renderer::compile(
                ty,
                crate::codec::JsonOptions::default(),
            ))
        }
    }

    /// Bytes that are equal for equal values.
    pub(super) fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), super::Reason> {
        match (self, value) {
            (Self::Json(renderer), value) => {
                renderer.render(value, out).map_err(|fault| fault.reason)?;
            }
            (Self::Plain, Value::Json(fragment)) => json::canonical(fragment, out),
            (Self::Plain, value) => value.write_key(out),
        }
        Ok(())
    }
}
