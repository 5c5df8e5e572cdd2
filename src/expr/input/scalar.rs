//! Scalars that are written as text in JSON: timestamps, durations, bytes, and the numbers that JSON has no digits for.

use std::borrow::Cow;

use crate::codec::{number, time_text};
use crate::expr::types::{IntRange, TypeKind};
use crate::expr::value::Value;

/// What canonical JSON says a text means as a timestamp, duration, double or bytes. `None` for all other types.
pub(super) fn from_str(text: &str, kind: &TypeKind) -> Option<Value> {
    match kind {
        TypeKind::Bytes => base64(text.as_bytes()).map(|it| Value::Bytes(it.into())),
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
        TypeKind::Map(_)
        | TypeKind::Message(_)
        | TypeKind::Object(_)
        | TypeKind::ProtoAny(_)
        | TypeKind::Selected(..) => "expected an object",
        TypeKind::Null => "expected null",
        TypeKind::String => "expected a string",
        TypeKind::Timestamp => "expected a timestamp such as 2006-01-02T15:04:05Z",
    })
}

/// Base64 as JSON parsers accept it: standard or URL-safe, padded or not. Bits beyond the last whole byte do not matter.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = match text {
        [start @ .., b'=', b'='] | [start @ .., b'='] if text.len().is_multiple_of(4) => start,
        _ => text,
    };
    let standard = digits.iter().any(|it| matches!(it, b'+' | b'/'));
    let url_safe = digits.iter().any(|it| matches!(it, b'-' | b'_'));
    if digits.len() % 4 == 1 || (standard && url_safe) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut n_bits) = (0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits).to_le_bytes()[0]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_in_every_dress() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("YQ==", Some(b"a")),
            ("YQ", Some(b"a")),
            ("YR", Some(b"a")),
            ("YWI=", Some(b"ab")),
            ("YWJj", Some(b"abc")),
            ("-_-_", Some(b"\xfb\xff\xbf")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("+_+_", None),
            ("Y", None),
            ("YQ=", None),
            ("YQ===", None),
            ("Y Q=", None),
            ("====", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), bytes, "{text}");
        }
    }
}
