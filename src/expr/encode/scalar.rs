//! One scalar value as the bytes of a field of one kind.

use crate::codec::number;
use crate::codec::wire::{self, WireType};
use crate::expr::enum_table::EnumTable;
use crate::expr::program::Fault;
use crate::expr::render::narrowed;
use crate::expr::types::{IntRange, Type, TypeKind};
use crate::expr::value::{Value, fault};
use crate::schema::{Kind, MessageRef};

/// Writes scalars as values of one kind.
#[derive(Debug)]
pub(super) struct ScalarWriter {
    kind: Kind,
    /// Where names of an enum come in as strings, or go out as such.
    names: Option<EnumTable>,
}

/// A scalar in the form in which it is written.
pub(super) enum Scalar<'v> {
    Bytes(&'v [u8]),
    Fixed32(u32),
    Fixed64(u64),
    Varint(u64),
}

impl ScalarWriter {
    pub(super) fn compile(from: &Type, message: &MessageRef, kind: Kind) -> Self {
        let names = match (&from.kind, kind) {
            (TypeKind::String, Kind::Enum(index)) => Some(EnumTable::new(message.schema().enumeration(index))),
            (TypeKind::Enum(declared), Kind::String) => Some(EnumTable::new(declared)),
            _ => None,
        };
        Self { kind, names }
    }

    pub(super) fn wire_type(&self) -> WireType {
        WireType::of(self.kind, false)
    }

    /// The value in the form in which it is written. `scratch` holds text that has to be made.
    pub(super) fn read<'v>(&'v self, value: &'v Value, scratch: &'v mut Vec<u8>) -> Result<Scalar<'v>, Fault> {
        Ok(match (self.kind, value) {
            (Kind::Bool, Value::Bool(value)) => Scalar::Varint(u64::from(*value)),
            (Kind::Bytes, Value::Bytes(bytes)) => Scalar::Bytes(bytes),
            (Kind::String, Value::String(text)) => Scalar::Bytes(text.as_str().as_bytes()),
            (Kind::String, Value::Int(number)) => {
                let name = self.names.as_ref().and_then(|it| it.name(*number));
                Scalar::Bytes(name.map_or_else(
                    || {
                        number::write_i64(*number, scratch);
                        &**scratch
                    },
                    str::as_bytes,
                ))
            }
            (Kind::Enum(_), Value::String(name)) => Scalar::Varint(wire::extend32(self.number_of(name.as_str())?)),
            (Kind::Double, value) => Scalar::Fixed64(double(value)?.to_bits()),
            (Kind::Float, value) => {
                let value = double(value)?;
                let float = narrowed(value);
                if value.is_finite() && float.is_infinite() {
                    return Err(fault("a number is too large for a float"));
                }
                Scalar::Fixed32(float.to_bits())
            }
            (kind, value) => {
                let value = value.as_integer().ok_or_else(mistyped)?;
                let range = range(kind).ok_or_else(mistyped)?;
                if !range.contains(value) {
                    return Err(fault("an integer is out of its field's range"));
                }
                integer(kind, value)
            }
        })
    }

    /// Appends the value without a tag.
    pub(super) fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut scratch = Vec::new();
        self.read(value, &mut scratch)?.put(out);
        Ok(())
    }

    fn number_of(&self, name: &str) -> Result<i32, Fault> {
        let number = self.names.as_ref().and_then(|it| it.number(name));
        number.ok_or_else(|| fault("text is not the name of a value of its field's enum"))
    }
}

impl Scalar<'_> {
    /// True for the value that a field without presence leaves out.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            // −0 has a bit set and is written.
            Self::Fixed32(bits) => *bits == 0,
            Self::Fixed64(bits) | Self::Varint(bits) => *bits == 0,
        }
    }

    /// Appends the value without a tag.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => {
                wire::put_varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Fixed32(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            Self::Fixed64(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            Self::Varint(bits) => wire::put_varint(out, *bits),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the table of fit says that an integer fits a double"
)]
fn double(value: &Value) -> Result<f64, Fault> {
    match value {
        Value::Double(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Uint(value) => Ok(*value as f64),
        _ => Err(mistyped()),
    }
}

fn range(kind: Kind) -> Option<IntRange> {
    match kind {
        Kind::Enum(_) | Kind::Int32 | Kind::Sfixed32 | Kind::Sint32 => Some(IntRange::INT32),
        Kind::Fixed32 | Kind::Uint32 => Some(IntRange::UINT32),
        Kind::Int64 | Kind::Sfixed64 | Kind::Sint64 => Some(IntRange::INT64),
        Kind::Fixed64 | Kind::Uint64 => Some(IntRange::UINT64),
        Kind::Bool | Kind::Bytes | Kind::Double | Kind::Float | Kind::Message(_) | Kind::String => None,
    }
}

/// An integer that is in the kind's range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was checked"
)]
fn integer<'v>(kind: Kind, value: i128) -> Scalar<'v> {
    match kind {
        Kind::Sint32 => Scalar::Varint(wire::zigzag32(value as i32)),
        Kind::Sint64 => Scalar::Varint(wire::zigzag64(value as i64)),
        Kind::Fixed32 | Kind::Sfixed32 => Scalar::Fixed32(value as u32),
        Kind::Fixed64 | Kind::Sfixed64 => Scalar::Fixed64(value as u64),
        // Negative numbers of 32 bits are extended to 64.
        _ => Scalar::Varint(value as u64),
    }
}

pub(super) fn mistyped() -> Fault {
    fault("a value is not of its type")
}
