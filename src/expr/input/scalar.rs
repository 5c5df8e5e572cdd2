//! Scalars that are written as text in JSON: timestamps, durations, bytes, and the numbers that JSON has no digits for.

use std::borrow::Cow;

use crate::codec::{base64, number, time_text};
use crate::expr::types::{IntRange, TypeKind};
use crate::expr::value::Value;

/// What canonical JSON says a text means as a timestamp, duration, double or bytes. `None` for all other types.
pub(super) fn from_str(text: &str, kind: &TypeKind) -> Option<Value> {
    match kind {
        TypeKind::Bytes => base64::decode(text.as_bytes()).map(|it| Value::Bytes(it.into())),
        TypeKind::Double { single } => double(text, *single).map(Value::Double),
        TypeKind::Duration => {
            let (seconds, nanos) = time_text::parse_duration(text)?;
            Some(Value::Duration(seconds, nanos))
        }
        TypeKind::Timestamp => {
            let (seconds, nanos) = time_text::parse_timestamp(text)?;
            Some(Value::Timestamp(seconds, nanos))
        }
        _ => None,
    }
}

/// A double, or the double of a float.
pub(super) fn double(text: &str, single: bool) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if single => number::parse_float(text).map(f64::from),
        _ => number::parse_double(text),
    }
}

/// What text of a type has to be, as the end of a sentence and without the value.
pub(super) fn expected(kind: &TypeKind) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        TypeKind::Any | TypeKind::Unknown => "expected a value",
        TypeKind::Bool => "expected true or false",
        TypeKind::Bytes => "expected base64",
        TypeKind::Double { single: false } => "expected a number",
        TypeKind::Double { single: true } => "expected a number within the range of a float",
        TypeKind::Duration => "expected a duration such as 1.5s",
        TypeKind::Enum(_) => "expected the name or number of an enum value",
        TypeKind::Int(range) if range.includes(IntRange::INT64) => "expected an integer",
        TypeKind::Int(range) => {
            return Cow::Owned(format!("expected an integer between {} and {}", range.min, range.max));
        }
        TypeKind::List(_) => "expected a list",
        TypeKind::Json(_)
        | TypeKind::Map(_)
        | TypeKind::Message(_)
        | TypeKind::Object(_)
        | TypeKind::ProtoAny(_)
        | TypeKind::Selected(..) => "expected an object",
        TypeKind::Null => "expected null",
        TypeKind::String => "expected a string",
        TypeKind::Timestamp => "expected a timestamp such as 2006-01-02T15:04:05Z",
    })
}
