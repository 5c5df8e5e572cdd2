//! Raw values of the wire → values.
//!
//! Owns what bits and bytes mean as each kind, and what the well-known messages become. Leaves which of several is meant to
//! `field` and `list`. Invariant: nothing here fails; a value of another wire type than its kind's is none.

use std::sync::Arc;

use bytes::Bytes;

use super::structure::json_value;
use super::{Str, Value};
use crate::codec::wire::{self, RawValue, Reader, Tag, WireType};
use crate::schema::{Kind, WellKnown};

/// What a raw scalar means. `None` where it is of another wire type than its kind.
pub(super) fn scalar(message: &Bytes, kind: Kind, utf8: bool, raw: RawValue<'_>) -> Option<Value> {
    Some(match (kind, raw) {
        (Kind::Bool, RawValue::Varint(bits)) => Value::Bool(bits != 0),
        (Kind::Int32 | Kind::Enum(_), RawValue::Varint(bits)) => Value::Int(wire::int32(bits).into()),
        (Kind::Int64, RawValue::Varint(bits)) => Value::Int(wire::int64(bits)),
        (Kind::Uint32, RawValue::Varint(bits)) => Value::Int(wire::uint32(bits).into()),
        (Kind::Uint64, RawValue::Varint(bits)) | (Kind::Fixed64, RawValue::Fixed64(bits)) => Value::uint(bits),
        (Kind::Sint32, RawValue::Varint(bits)) => Value::Int(wire::sint32(bits).into()),
        (Kind::Sint64, RawValue::Varint(bits)) => Value::Int(wire::sint64(bits)),
        (Kind::Fixed32, RawValue::Fixed32(bits)) => Value::Int(bits.into()),
        (Kind::Sfixed32, RawValue::Fixed32(bits)) => Value::Int(bits.cast_signed().into()),
        (Kind::Sfixed64, RawValue::Fixed64(bits)) => Value::Int(bits.cast_signed()),
        (Kind::Float, RawValue::Fixed32(bits)) => Value::Double(f32::from_bits(bits).into()),
        (Kind::Double, RawValue::Fixed64(bits)) => Value::Double(f64::from_bits(bits)),
        (Kind::Bytes, RawValue::Bytes(bytes)) => Value::Bytes(message.slice_ref(bytes)),
        (Kind::String, RawValue::Bytes(bytes)) => Value::String(text(message.slice_ref(bytes), utf8)),
        _ => return None,
    })
}

fn text(bytes: Bytes, utf8: bool) -> Str {
    if utf8 {
        // It was checked when the reply came, and is checked again whenever it is read as text.
        return Str(bytes);
    }
    Str::from_utf8_lossy(bytes)
}

/// The default of a kind.
pub(super) fn zero(kind: Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Bytes => Value::Bytes(Bytes::new()),
        Kind::Double | Kind::Float => Value::Double(0.0),
        Kind::String => Value::String(Str::default()),
        Kind::Message(_) => Value::Message(Bytes::new()),
        Kind::Enum(_)
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Int32
        | Kind::Int64
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Uint32
        | Kind::Uint64 => Value::Int(0),
    }
}

/// What the wire bytes of a message mean: the well-known ones become values of their own.
pub(in crate::expr) fn message_value(well_known: Option<WellKnown>, body: Bytes) -> Value {
    let inner = |kind| last_of(&body, kind, 1).unwrap_or_else(|| zero(kind));
    match well_known {
        None | Some(WellKnown::Any | WellKnown::FieldMask) => Value::Message(body),
        Some(WellKnown::BoolValue) => inner(Kind::Bool),
        Some(WellKnown::BytesValue) => inner(Kind::Bytes),
        Some(WellKnown::DoubleValue) => inner(Kind::Double),
        Some(WellKnown::Empty) => Value::Object(Arc::default()),
        Some(WellKnown::FloatValue) => inner(Kind::Float),
        Some(WellKnown::Int32Value) => inner(Kind::Int32),
        Some(WellKnown::Int64Value) => inner(Kind::Int64),
        Some(WellKnown::StringValue) => inner(Kind::String),
        Some(WellKnown::Uint32Value) => inner(Kind::Uint32),
        Some(WellKnown::Uint64Value) => inner(Kind::Uint64),
        Some(WellKnown::Timestamp) => {
            let (seconds, nanos) = instant(&body);
            Value::Timestamp(seconds, nanos)
        }
        Some(WellKnown::Duration) => {
            let (seconds, nanos) = instant(&body);
            Value::Duration(seconds, nanos)
        }
        Some(it @ (WellKnown::ListValue | WellKnown::Struct | WellKnown::Value)) => json_value(it, &body),
    }
}

fn last_of(body: &Bytes, kind: Kind, number: u32) -> Option<Value> {
    let wanted = Tag::new(number, WireType::of(kind, false));
    let mut found = None;
    let mut reader = Reader::new(body);
    while let Ok(Some((tag, raw))) = reader.field() {
        if tag == wanted {
            found = Some(raw);
        }
    }
    scalar(body, kind, true, found?)
}

/// Field 1 and 2 of Timestamp and Duration.
fn instant(body: &[u8]) -> (i64, i32) {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(body);
    while let Ok(Some((tag, raw))) = reader.field() {
        match (tag.number(), raw) {
            (1, RawValue::Varint(bits)) => seconds = wire::int64(bits),
            (2, RawValue::Varint(bits)) => nanos = wire::int32(bits),
            _ => {}
        }
    }
    (seconds, nanos)
}
