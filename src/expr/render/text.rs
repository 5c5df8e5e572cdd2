//! Scalars as text without quotes (semantics.md 2.3): interpolation, `string(x)`, headers, queries, path segments.

use crate::codec::{json, number, time_text};
use crate::expr::program::Fault;
use crate::expr::types::{Type, TypeKind};
use crate::expr::value::{Value, fault};

/// Appends a scalar as JSON would write it, without quotes: digits, shortest double, `true`, an enum's name (its number if
/// it has none), RFC 3339, `1.5s`. What `any` holds is written by the same rule, numbers with the digits they came with.
/// The text is UTF-8. Null, bytes, lists, maps, objects and messages are a fault: the checker refuses them.
///
/// ```
/// use weft::expr::render::as_text;
/// use weft::expr::{Type, Value};
///
/// let mut out = Vec::new();
/// as_text(&Value::Double(1.0), &Type::double(), &mut out).unwrap();
/// assert_eq!(out, b"1");
/// ```
pub fn as_text(value: &Value, ty: &Type, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (value, &ty.kind) {
        (Value::Bool(value), _) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        (Value::Double(value), _) if !value.is_finite() => out.extend_from_slice(match *value {
            it if it.is_nan() => b"NaN",
            it if it > 0.0 => b"Infinity",
            _ => b"-Infinity",
        }),
        (Value::Double(value), TypeKind::Double { single: true }) => number::write_float(super::narrowed(*value), out),
        (Value::Double(value), _) => number::write_double(*value, out),
        (Value::Duration(seconds, nanos), _) => {
            time_text::write_duration(*seconds, *nanos, out).map_err(super::decode_fault)?;
        }
        (Value::Int(value), TypeKind::Enum(declared)) => {
            match i32::try_from(*value).ok().and_then(|it| declared.name(it)) {
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => number::write_i64(*value, out),
            }
        }
        (Value::Int(value), _) => number::write_i64(*value, out),
        (Value::Json(fragment), _) => write_json(fragment, out)?,
        (Value::String(text), _) => out.extend_from_slice(text.as_str().as_bytes()),
        (Value::Timestamp(seconds, nanos), _) => {
            time_text::write_timestamp(*seconds, *nanos, out).map_err(super::decode_fault)?;
        }
        (Value::Uint(value), _) => number::write_u64(*value, out),
        (Value::Null, _) => return Err(fault("null has no text")),
        (Value::Bytes(_), _) => return Err(fault("bytes have no text")),
        (Value::List(_) | Value::Map(_) | Value::Message(_) | Value::Object(_), _) => return Err(no_text()),
    }
    Ok(())
}

fn write_json(fragment: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    match json::kind(fragment) {
        json::Kind::Bool | json::Kind::Number => out.extend_from_slice(json::trim(fragment)),
        json::Kind::String => {
            let text = json::string(fragment).ok_or_else(|| fault("text is malformed"))?;
            out.extend_from_slice(text.as_bytes());
        }
        json::Kind::Null => return Err(fault("null has no text")),
        json::Kind::Array | json::Kind::Object => return Err(no_text()),
    }
    Ok(())
}

fn no_text() -> Fault {
    fault("a list, map, object or message has no text")
}
