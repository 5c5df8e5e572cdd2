//! Fields from text, as paths and queries hold it: stricter than JSON, since nobody writes these by accident (semantics.md 6.4).

use crate::codec::json_to_wire::program::Scalar;
use crate::codec::json_to_wire::scalar::{self, Integers};
use crate::codec::json_to_wire::well_known;
use crate::codec::{number, wire};
use crate::schema::suggest::nearest;
use crate::schema::{Cardinality, EnumIndex, Field, Kind, Schema, WellKnown};

/// True where text can be the field, or one element of it.
pub(super) fn is_text(schema: &Schema, field: &Field) -> bool {
    match (field.cardinality, field.kind) {
        (Cardinality::Map(_), _) => false,
        (_, Kind::Message(index)) => schema.message(index).well_known.is_some_and(|it| {
            it.is_wrapper() || matches!(it, WellKnown::Duration | WellKnown::FieldMask | WellKnown::Timestamp)
        }),
        _ => true,
    }
}

/// Appends one value without its tag, with its length where it has one.
pub(super) fn write(schema: &Schema, kind: Kind, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::Enum(index) => write_enum(schema, index, text, out),
        Kind::Message(index) => {
            let mut content = Vec::new();
            write_message(schema.message(index).well_known, text, &mut content)?;
            scalar::write_text(&content, out);
            Ok(())
        }
        _ => match Scalar::of(kind) {
            Some(scalar) => write_scalar(scalar, text, out),
            None => Err("this field cannot be given as text".to_owned()),
        },
    }
}

fn write_scalar(scalar: Scalar, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    if text.is_empty() && scalar != Scalar::String {
        return Err("expected a value".to_owned());
    }
    match (scalar, text) {
        (Scalar::Bool, "false") => out.push(0),
        (Scalar::Bool, "true") => out.push(1),
        (Scalar::Bool, _) => return Err("expected true or false".to_owned()),
        (Scalar::Bytes, _) => scalar::write_base64(text.as_bytes(), out)?,
        (Scalar::String, _) => scalar::write_text(text.as_bytes(), out),
        _ => scalar::write_number(scalar, text, Integers::Plain, out)?,
    }
    Ok(())
}

fn write_enum(schema: &Schema, index: EnumIndex, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    if text.is_empty() {
        return Err("expected a value".to_owned());
    }
    let enumeration = schema.enumeration(index);
    let number = match (enumeration.number(text), number::parse_integer(text)) {
        (Some(number), _) => number,
        (None, Some(number)) if !enumeration.closed || enumeration.name(number).is_some() => number,
        (None, Some(_)) => return Err("expected the number of an enum value".to_owned()),
        (None, None) => {
            return Err(match nearest(text, enumeration.values.iter().map(|it| &*it.name)) {
                Some(near) => format!("unknown enum value; did you mean `{near}`?"),
                None => "unknown enum value".to_owned(),
            });
        }
    };
    wire::put_varint(out, wire::extend32(number));
    Ok(())
}

fn write_message(well_known: Option<WellKnown>, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    match well_known {
        Some(WellKnown::Duration) => well_known::write_duration(text, out)?,
        Some(WellKnown::FieldMask) if text.is_empty() => return Err("expected a value".to_owned()),
        Some(WellKnown::FieldMask) => well_known::write_field_mask(text, out)?,
        Some(WellKnown::Timestamp) => well_known::write_timestamp(text, out)?,
        other => {
            let Some(scalar) = other.and_then(Scalar::of_wrapper) else {
                return Err("this field cannot be given as text".to_owned());
            };
            wire::put_tag(out, 1, scalar.wire_type());
            let start = out.len();
            write_scalar(scalar, text, out)?;
            if scalar::is_zero(scalar, out.get(start..).unwrap_or_default()) {
                out.clear();
            }
        }
    }
    Ok(())
}
