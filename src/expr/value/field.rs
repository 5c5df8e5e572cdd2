//! One step of a path: a field of a message, read from its wire bytes.
//!
//! Owns what a field's value is when it is absent, written twice, split, or cleared by another member of its oneof. Leaves
//! the elements of lists and maps to `list`. Invariant: a reader gives values of [`super::super::Type::of_field`]'s type,
//! whatever the bytes are.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::list::{ListValue, MapValue, WireField};
use super::{Str, Value};
use crate::codec::wire::FieldLookup;
use crate::expr::types::ObjectMember;
use crate::schema::{Cardinality, Field, Kind, MessageRef, Presence};

/// Reads one field of messages of one type. Compiled when a plan is made.
#[derive(Clone, Debug)]
pub struct FieldReader {
    field: WireField,
    lookup: FieldLookup,
    shape: Shape,
    /// What an absent field reads as.
    absent: Value,
    /// It can be told apart whether the field is set.
    presence: bool,
    comment: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    List,
    Map,
    Message,
    Scalar,
}

/// Reads some fields of messages of one type, as an object of them.
#[derive(Clone, Debug)]
pub struct ObjectReader {
    fields: Box<[(Arc<str>, FieldReader)]>,
}

/// The value of a field of the message whose wire bytes these are. See [`FieldReader::read`].
pub fn read_field(message: &Bytes, field: &FieldReader) -> Value {
    field.read(message)
}

// === impl ObjectReader ===

impl ObjectReader {
    /// Compiles a reader of the fields that these members are, by their .proto names.
    pub fn compile(message: &MessageRef, members: &[ObjectMember]) -> Self {
        let fields = members.iter().filter_map(|it| {
            let field = message.field(&it.name)?;
            Some((it.name.clone(), FieldReader::compile(message, field)))
        });
        Self {
            fields: fields.collect(),
        }
    }

    /// The object: every member is there, null where its field is unset.
    pub fn read(&self, message: &Bytes) -> Value {
        let members = self.fields.iter();
        Value::object(
            members
                .map(|(name, reader)| (name.clone(), reader.read(message)))
                .collect(),
        )
    }
}

// === impl FieldReader ===

impl FieldReader {
    /// Compiles a reader of `field`, which is a field of `message`.
    pub fn compile(message: &MessageRef, field: &Field) -> Self {
        let wire = WireField::of(message, field);
        let is_message = matches!(field.kind, Kind::Message(_));
        let absent = match (field.presence, is_message) {
            (Presence::Required, true) => wire.message_value(Bytes::new()),
            (Presence::Explicit, _) | (_, true) => Value::Null,
            (Presence::Implicit | Presence::Required, false) => default_of(message, field),
        };
        Self {
            field: wire,
            lookup: FieldLookup::new(message, field),
            shape: match field.cardinality {
                Cardinality::Map(_) => Shape::Map,
                Cardinality::Repeated => Shape::List,
                Cardinality::Singular if is_message => Shape::Message,
                Cardinality::Singular => Shape::Scalar,
            },
            absent,
            presence: is_message || field.presence != Presence::Implicit,
            comment: field.comment.clone(),
        }
    }

    /// The number of the field.
    pub fn number(&self) -> u32 {
        self.field.number
    }

    /// The comment before the field's declaration.
    pub fn comment(&self) -> Option<&Arc<str>> {
        self.comment.as_ref()
    }

    /// The value of the field: null where it is unset and that can be told apart, else its default. Lists and maps are read
    /// in place later. Of what is malformed, which a reader of replies has refused, the default is read.
    pub fn read(&self, message: &Bytes) -> Value {
        match self.shape {
            Shape::List => Value::List(ListValue::Wire(message.clone(), self.field)),
            Shape::Map => Value::Map(MapValue::Wire(message.clone(), self.field)),
            Shape::Message | Shape::Scalar => self.find(message).unwrap_or_else(|| self.absent.clone()),
        }
    }

    /// Whether the field is set, as `has(x.f)` asks (semantics.md 2.7): a list or map has elements, a field without presence
    /// is not its default.
    pub fn is_set(&self, message: &Bytes) -> bool {
        match self.shape {
            Shape::List => !ListValue::Wire(message.clone(), self.field).is_empty(),
            Shape::Map => !MapValue::Wire(message.clone(), self.field).is_empty(),
            // A google.protobuf.Value that holds null is set.
            Shape::Message => self.lookup.message(message).is_ok_and(|it| it.is_some()),
            Shape::Scalar => match self.find(message) {
                None => false,
                Some(_) if self.presence => true,
                Some(value) => !is_zero(&value),
            },
        }
    }

    fn find(&self, message: &Bytes) -> Option<Value> {
        if let Shape::Message = self.shape {
            let body = match self.lookup.message(message).ok()?? {
                Cow::Borrowed(part) => message.slice_ref(part),
                Cow::Owned(joined) => joined.into(),
            };
            return Some(self.field.message_value(body));
        }
        let raw = self.lookup.scalar(message).ok()??;
        self.field.value(message, raw)
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Bytes(bytes) => bytes.is_empty(),
        // −0 is written, so it is not the default.
        Value::Double(value) => value.to_bits() == 0,
        Value::Int(value) => *value == 0,
        Value::String(text) => text.as_bytes().is_empty(),
        _ => false,
    }
}

/// What a scalar is that is not there but cannot be null: the declared default, or the zero of its kind.
fn default_of(message: &MessageRef, field: &Field) -> Value {
    let text = field.default.as_deref();
    let integer = || {
        text.and_then(|it| it.parse::<i128>().ok())
            .and_then(Value::integer)
            .unwrap_or(Value::Int(0))
    };
    match field.kind {
        Kind::Bool => Value::Bool(text == Some("true")),
        Kind::Bytes => Value::Bytes(text.map(unescape).unwrap_or_default().into()),
        Kind::Double | Kind::Float => Value::Double(match text {
            None => 0.0,
            Some("inf") => f64::INFINITY,
            Some("-inf") => f64::NEG_INFINITY,
            Some("nan" | "-nan") => f64::NAN,
            Some(it) if field.kind == Kind::Float => it.parse::<f32>().map(f64::from).unwrap_or_default(),
            Some(it) => it.parse().unwrap_or_default(),
        }),
        Kind::Enum(index) => {
            let declared = message.schema().enumeration(index);
            let named = text.and_then(|it| declared.number(it));
            Value::Int(
                named
                    .or_else(|| declared.values.first().map(|it| it.number))
                    .unwrap_or(0)
                    .into(),
            )
        }
        Kind::String => Value::String(Str::from(text.unwrap_or_default())),
        Kind::Fixed32
        | Kind::Fixed64
        | Kind::Int32
        | Kind::Int64
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Uint32
        | Kind::Uint64 => integer(),
        Kind::Message(_) => Value::Null,
    }
}

/// Bytes as descriptors write them: with C escapes.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|it| matches!(it, b'0'..=b'7')) else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                }
                out.push(value.to_le_bytes()[0]);
            }
            Some(b'x' | b'X') => {
                let mut value = 0;
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(u8::is_ascii_hexdigit) else {
                        break;
                    };
                    value = value * 16 + char::from(digit).to_digit(16).unwrap_or(0);
                }
                out.push(value.to_le_bytes()[0]);
            }
            Some(b'a') => out.push(7),
            Some(b'b') => out.push(8),
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'v') => out.push(11),
            Some(b'f') => out.push(12),
            Some(b'r') => out.push(b'\r'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests;
