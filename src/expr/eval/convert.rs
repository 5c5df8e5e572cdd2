//! Conversions: between scalars, from JSON of unknown shape, and to text (semantics.md 2.3, 2.5).
//!
//! Invariant: a conversion that would lose something fails; only `int(double)` drops what is behind the point, as CEL says.

use std::sync::Arc;

use bytes::Bytes;

use super::super::program::{Conversion, JsonKind, Reason, TextKind};
use super::super::value::{ListValue, Str, Value};
use super::{LIST_TOO_LONG, MAX_LIST, MAX_TEXT, MISMATCH, TEXT_TOO_LONG, blame, json, number};
use crate::codec::json as text_json;
use crate::codec::wire::{RawValue, Reader};
use crate::codec::{base64, number as digits, time_text};

/// Changes the form of a value that is not null.
pub(super) fn convert(conversion: &Conversion, value: Value) -> Result<Value, Reason> {
    let mismatch = blame(&[&value], MISMATCH);
    converted(conversion, value).map_err(|reason| if reason == MISMATCH { mismatch } else { reason })
}

fn converted(conversion: &Conversion, value: Value) -> Result<Value, Reason> {
    match conversion {
        Conversion::FromJson(kind) => from_json(*kind, value),
        Conversion::JsonToObject(members) => match value {
            Value::Json(object) => json::fields(&object, members),
            _ => Err(MISMATCH),
        },
        Conversion::ToBool => to_bool(&json::untyped(value)),
        Conversion::ToBytes => match json::untyped(value) {
            Value::Bytes(it) => Ok(Value::Bytes(it)),
            Value::String(it) => Ok(Value::Bytes(it.into_bytes())),
            _ => Err(MISMATCH),
        },
        Conversion::ToDouble => to_double(&json::untyped(value)),
        Conversion::ToDuration => match json::untyped(value) {
            it @ Value::Duration(..) => Ok(it),
            Value::String(it) => parse_duration(&it).ok_or("this text is no duration")?,
            _ => Err(MISMATCH),
        },
        Conversion::ToInt => to_int(&json::untyped(value)),
        Conversion::ToJson(renderer) => {
            let mut out = Vec::new();
            renderer.render(&value, &mut out).map_err(|fault| fault.reason)?;
            Ok(if out == b"null" {
                Value::Null
            } else {
                Value::Json(out.into())
            })
        }
        Conversion::ToMap => match value {
            Value::Object(members) => Ok(Value::map(
                members
                    .iter()
                    .map(|(name, it)| (Value::from(&**name), it.clone()))
                    .collect(),
            )),
            _ => Err(MISMATCH),
        },
        Conversion::ToMessage(encoder) => {
            let mut wire = Vec::new();
            encoder.encode(&value, &mut wire).map_err(|fault| fault.reason)?;
            Ok(Value::Message(wire.into()))
        }
        Conversion::ToObject(reader) => match value {
            Value::Message(wire) => Ok(reader.read(&wire)),
            _ => Err(MISMATCH),
        },
        Conversion::ToText(kind) => to_text(kind, value),
        Conversion::ToTimestamp => match json::untyped(value) {
            it @ Value::Timestamp(..) => Ok(it),
            Value::String(it) => {
                let (seconds, nanos) = time_text::parse_timestamp(&it).ok_or("this text is no timestamp")?;
                Ok(Value::Timestamp(seconds, nanos))
            }
            it => number::timestamp(it.as_integer().ok_or(MISMATCH)?.saturating_mul(1_000_000_000)),
        },
        Conversion::ToUint => {
            let whole = to_int_of_any_size(&json::untyped(value))?;
            u64::try_from(whole)
                .map(Value::uint)
                .map_err(|_| "a number is negative or does not fit an unsigned integer")
        }
    }
}

fn to_bool(value: &Value) -> Result<Value, Reason> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(it) => match it.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err("this text is no bool"),
        },
        _ => Err(MISMATCH),
    }
}

fn to_double(value: &Value) -> Result<Value, Reason> {
    match value {
        Value::String(it) => parse_double(it).map(Value::Double).ok_or("this text is no number"),
        _ => number::as_double(value).map(Value::Double).ok_or(MISMATCH),
    }
}

/// Doubles as people and JSON write them.
fn parse_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" | "+Infinity" | "inf" | "+inf" | "Inf" | "+Inf" => return Some(f64::INFINITY),
        "-Infinity" | "-inf" | "-Inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let plain = text
        .bytes()
        .all(|it| it.is_ascii_digit() || matches!(it, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|_| plain).filter(|it: &f64| it.is_finite())
}

fn to_int(value: &Value) -> Result<Value, Reason> {
    let whole = to_int_of_any_size(value)?;
    i64::try_from(whole)
        .map(Value::Int)
        .map_err(|_| "a number does not fit an integer")
}

fn to_int_of_any_size(value: &Value) -> Result<i128, Reason> {
    match value {
        Value::Double(it) => number::truncated(*it).ok_or("a number does not fit an integer"),
        Value::String(it) => {
            let unsigned = it.strip_prefix(['-', '+']).unwrap_or(it);
            let plain = !unsigned.is_empty() && unsigned.bytes().all(|it| it.is_ascii_digit());
            it.parse().ok().filter(|_| plain).ok_or("this text is no integer")
        }
        Value::Timestamp(seconds, _) | Value::Duration(seconds, _) => Ok(i128::from(*seconds)),
        _ => value.as_integer().ok_or(MISMATCH),
    }
}

/// JSON of unknown shape that has to be something. Values that have a type already pass.
fn from_json(kind: JsonKind, value: Value) -> Result<Value, Reason> {
    let Value::Json(document) = &value else {
        return Ok(value);
    };
    match kind {
        JsonKind::Items | JsonKind::List if text_json::kind(document) == text_json::Kind::Array => {
            let elements: Vec<Value> = text_json::elements(document)
                .take(MAX_LIST + 1)
                .map(|fragment| json::value(document, fragment))
                .collect();
            if elements.len() > MAX_LIST {
                Err(LIST_TOO_LONG)
            } else {
                Ok(Value::List(ListValue::from(elements)))
            }
        }
        JsonKind::List => Err("a JSON value is not a list"),
        JsonKind::Items if text_json::kind(document) == text_json::Kind::Object => {
            let mut keys: Vec<_> = text_json::members(document)
                .take(MAX_LIST + 1)
                .map(|(key, _)| (text_json::string(key).unwrap_or_default(), key))
                .collect();
            if keys.len() > MAX_LIST {
                return Err(LIST_TOO_LONG);
            }
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            keys.dedup_by(|a, b| a.0 == b.0);
            Ok(Value::list(
                keys.into_iter().map(|(_, key)| json::value(document, key)).collect(),
            ))
        }
        JsonKind::Items => Err("a JSON value is neither a list nor an object"),
        JsonKind::Bool | JsonKind::Bytes | JsonKind::Double | JsonKind::Int | JsonKind::Text => {
            scalar_from_json(kind, json::untyped(value))
        }
    }
}

fn scalar_from_json(kind: JsonKind, value: Value) -> Result<Value, Reason> {
    match (kind, &value) {
        (JsonKind::Bool, Value::Bool(_))
        | (JsonKind::Text, Value::String(_))
        | (JsonKind::Int, Value::Int(_) | Value::Uint(_)) => Ok(value),
        // JSON does not tell 5 from 5.0.
        (JsonKind::Int, Value::Double(it)) if it.fract() == 0.0 => to_int(&value),
        (JsonKind::Double, Value::Int(_) | Value::Uint(_) | Value::Double(_)) => to_double(&value),
        (JsonKind::Bytes, Value::String(text)) => base64::decode(text.as_bytes())
            .map(|it| Value::Bytes(it.into()))
            .ok_or("this text is not base64"),
        (JsonKind::Bool, _) => Err("a JSON value is not true or false"),
        (JsonKind::Text | JsonKind::Bytes, _) => Err("a JSON value is not text"),
        (JsonKind::Int, _) => Err("a JSON value is not an integer"),
        _ => Err("a JSON value is not a number"),
    }
}

/// A scalar as JSON would write it, without quotes.
fn to_text(kind: &TextKind, value: Value) -> Result<Value, Reason> {
    let mut out = Vec::new();
    match (kind, &value) {
        (_, Value::String(_)) => return Ok(value),
        (TextKind::Enum(names), Value::Int(number)) => {
            let found = names.binary_search_by_key(number, |(number, _)| i64::from(*number));
            match found.ok().and_then(|at| names.get(at)) {
                Some((_, name)) => out.extend_from_slice(name.as_bytes()),
                None => digits::write_i64(*number, &mut out),
            }
        }
        (TextKind::Single, Value::Double(it)) => write_single(*it, &mut out),
        (_, Value::Bool(it)) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
        (_, Value::Double(it)) => digits::write_double(*it, &mut out),
        (_, Value::Duration(seconds, nanos)) => {
            time_text::write_duration(*seconds, *nanos, &mut out).map_err(|_| "a duration is out of range")?;
        }
        (_, Value::Int(it)) => digits::write_i64(*it, &mut out),
        (_, Value::Timestamp(seconds, nanos)) => {
            time_text::write_timestamp(*seconds, *nanos, &mut out).map_err(|_| "a timestamp is out of range")?;
        }
        (_, Value::Uint(it)) => digits::write_u64(*it, &mut out),
        (_, Value::Json(fragment)) => match text_json::kind(fragment) {
            text_json::Kind::Bool | text_json::Kind::Number => out.extend_from_slice(text_json::trim(fragment)),
            text_json::Kind::String => return Ok(json::untyped(value)),
            _ => return Err("a JSON value is a list or an object, which is no text"),
        },
        _ => return Err(MISMATCH),
    }
    // The names of infinities are quoted in JSON.
    let unquoted = match out.as_slice() {
        [b'"', inner @ .., b'"'] => Bytes::copy_from_slice(inner),
        _ => out.into(),
    };
    if unquoted.len() > MAX_TEXT {
        return Err(TEXT_TOO_LONG);
    }
    Str::from_utf8(unquoted).map(Value::String).ok_or(MISMATCH)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the value was a float before it was widened"
)]
fn write_single(value: f64, out: &mut Vec<u8>) {
    digits::write_float(value as f32, out);
}

/// The names of an enum's values, ascending by number; of aliases the first.
pub(in crate::expr) fn enum_names(of: &crate::schema::Enum) -> Arc<[(i32, Arc<str>)]> {
    let mut names: Vec<(i32, Arc<str>)> = of.values.iter().map(|it| (it.number, it.name.clone())).collect();
    names.sort_by_key(|it| it.0);
    names.dedup_by_key(|it| it.0);
    names.into()
}

/// A duration as CEL writes it: a sign, then numbers with units (`1h30m`, `1.5s`, `-20ms`), or `0`.
pub(in crate::expr) fn parse_duration(text: &str) -> Option<Result<Value, Reason>> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(Ok(Value::Duration(0, 0)));
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|it: char| !it.is_ascii_digit() && it != '.')
            .unwrap_or(rest.len());
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind
            .find(|it: char| it.is_ascii_digit() || it == '.')
            .unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || whole.len() > 18 || fraction.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos += whole * scale;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            nanos += i128::from(digit - b'0') * place;
        }
        rest = next;
    }
    Some(number::duration(if negative { -nanos } else { nanos }))
}

/// The type URL of an Any.
pub(super) fn type_url(wire: &Bytes) -> Value {
    let mut found = Str::default();
    let mut reader = Reader::new(wire);
    while let Ok(Some((tag, raw))) = reader.field() {
        if let (1, RawValue::Bytes(bytes)) = (tag.number(), raw) {
            found = Str::from_utf8_lossy(wire.slice_ref(bytes));
        }
    }
    Value::String(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_cel_writes_them() {
        for (text, wanted) in [
            ("0", Some((0, 0))),
            ("1.5s", Some((1, 500_000_000))),
            ("-1.5s", Some((-1, -500_000_000))),
            ("1h30m", Some((5400, 0))),
            ("20ms", Some((0, 20_000_000))),
            ("1m0.000000001s", Some((60, 1))),
            (".5s", Some((0, 500_000_000))),
            ("3us7ns", Some((0, 3_007))),
            ("", None),
            ("s", None),
            ("5", None),
            ("1.2.3s", None),
            ("1d", None),
            ("1 s", None),
            ("99999999999999999999s", None),
        ] {
            let read = parse_duration(text).and_then(Result::ok).map(|it| match it {
                Value::Duration(seconds, nanos) => (seconds, nanos),
                other => panic!("{other:?}"),
            });
            assert_eq!(read, wanted, "{text}");
        }
        assert_eq!(parse_duration("320000000000s").map(|it| it.is_err()), Some(true));
    }
}
