//! JSON of unknown shape (semantics.md 2.5): members and elements in place, scalars as they are computed with.
//!
//! Invariant: digits are kept as long as nobody computes with them; JSON null is [`Value::Null`] and never a fragment.

use bytes::Bytes;

use super::super::input::JsonReader;
use super::super::program::{JsonMember, Reason};
use super::super::value::{Str, Value};
use super::{ILL_SHAPED, MISMATCH, UNTYPED};
use crate::codec::json::{self, Kind};
use crate::codec::number;

/// A fragment of a document as a value.
pub(in crate::expr) fn value(document: &Bytes, fragment: &[u8]) -> Value {
    match json::kind(fragment) {
        Kind::Null => Value::Null,
        _ => Value::Json(document.slice_ref(fragment)),
    }
}

/// A member of an object; null where it is missing or the value is no object.
pub(super) fn member(of: &Value, name: &str) -> Result<Value, Reason> {
    match of {
        Value::Null => Ok(Value::Null),
        Value::Json(document) => {
            Ok(json::member(document, name).map_or(Value::Null, |fragment| value(document, fragment)))
        }
        _ => Err(MISMATCH),
    }
}

/// A member of an object that a JSON Schema describes, or null where there is no object.
pub(super) fn read(of: &Value, name: &str, reader: &JsonReader) -> Result<Value, Reason> {
    match of {
        Value::Json(object) => reader.member(object, name).ok_or(ILL_SHAPED),
        Value::Null => Ok(Value::Null),
        _ => Err(MISMATCH),
    }
}

/// The same; none where it may be left out, and is.
pub(super) fn field(object: &Bytes, member: &JsonMember) -> Result<Option<Value>, Reason> {
    if member.optional && json::member(object, &member.name).is_none() {
        return Ok(None);
    }
    member.reader.member(object, &member.name).map(Some).ok_or(ILL_SHAPED)
}

/// The members of such an object that are there.
pub(in crate::expr) fn fields(object: &Bytes, wanted: &[JsonMember]) -> Result<Value, Reason> {
    let mut members = Vec::with_capacity(wanted.len());
    for member in wanted {
        if let Some(value) = field(object, member)? {
            members.push((member.name.clone(), value));
        }
    }
    Ok(Value::object(members))
}

/// A member by a key, or an element by an index.
pub(super) fn entry(of: &Value, key: &Value) -> Result<Value, Reason> {
    match (of, untyped(key.clone())) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (of, Value::String(name)) => member(of, &name),
        (Value::Json(document), index) => {
            let at = match index {
                Value::Double(it) if it.fract() == 0.0 => super::number::truncated(it),
                index => index.as_integer(),
            };
            let at = usize::try_from(at.ok_or(UNTYPED)?).ok();
            let fragment = at.and_then(|it| json::elements(document).nth(it));
            Ok(fragment.map_or(Value::Null, |fragment| value(document, fragment)))
        }
        _ => Err(UNTYPED),
    }
}

/// JSON scalars as what they are computed with: a number without point and exponent that fits is an integer, else a
/// double. Lists and objects, and values that have a type, stay as they are.
pub(in crate::expr) fn untyped(of: Value) -> Value {
    let Value::Json(fragment) = &of else { return of };
    match json::kind(fragment) {
        Kind::Bool => Value::Bool(json::trim(fragment) == b"true"),
        Kind::Null => Value::Null,
        Kind::Number => std::str::from_utf8(json::trim(fragment))
            .ok()
            .and_then(untyped_number)
            .unwrap_or(of),
        Kind::String => match json::string(fragment) {
            Some(text) => Value::String(Str::from(&*text)),
            None => of,
        },
        Kind::Array | Kind::Object => of,
    }
}

fn untyped_number(digits: &str) -> Option<Value> {
    match number::parse_integer::<i128>(digits).and_then(Value::integer) {
        // −0 is a double, as no integer says it.
        Some(Value::Int(0)) if digits.starts_with('-') => Some(Value::Double(-0.0)),
        Some(value) => Some(value),
        // Too large for a double is infinite, which what is computed with it tells.
        None => digits.parse().ok().map(Value::Double),
    }
}

/// A scalar as JSON of unknown shape.
pub(super) fn from_scalar(of: &Value) -> Result<Value, Reason> {
    let mut out = Vec::new();
    match of {
        Value::Null => return Ok(Value::Null),
        Value::Bool(it) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
        Value::Double(it) => number::write_double(*it, &mut out),
        Value::Int(it) => number::write_i64(*it, &mut out),
        Value::Json(_) => return Ok(of.clone()),
        Value::String(it) => json::write_string(it, &mut out),
        Value::Uint(it) => number::write_u64(*it, &mut out),
        _ => return Err(MISMATCH),
    }
    Ok(Value::Json(out.into()))
}

/// Writes JSON so that fragments that mean the same are the same bytes: members sorted, of equal ones the last, numbers by
/// worth. Fragments are nested at most [`json::MAX_DEPTH`] deep.
pub(super) fn canonical(fragment: &[u8], out: &mut Vec<u8>) {
    match json::kind(fragment) {
        Kind::Bool | Kind::Null => out.extend_from_slice(json::trim(fragment)),
        Kind::Number => {
            let text = std::str::from_utf8(json::trim(fragment)).unwrap_or_default();
            match untyped_number(text) {
                Some(Value::Double(it)) => match super::number::truncated(it) {
                    Some(whole) if it.fract() == 0.0 => out.extend_from_slice(whole.to_string().as_bytes()),
                    _ => number::write_double(it, out),
                },
                Some(it) => out.extend_from_slice(it.as_integer().unwrap_or(0).to_string().as_bytes()),
                None => out.extend_from_slice(text.as_bytes()),
            }
        }
        Kind::String => json::write_string(&json::string(fragment).unwrap_or_default(), out),
        Kind::Array => {
            out.push(b'[');
            for element in json::elements(fragment) {
                canonical(element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Kind::Object => {
            let mut members: Vec<_> = json::members(fragment)
                .enumerate()
                .map(|(at, (key, value))| (json::string(key).unwrap_or_default(), at, value))
                .collect();
            members.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            members.dedup_by(|later, kept| later.0 == kept.0);
            out.push(b'{');
            for (key, _, value) in members {
                json::write_string(&key, out);
                out.push(b':');
                canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_that_mean_the_same_are_written_alike() {
        let canonical = |text: &str| {
            let mut out = Vec::new();
            canonical(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        for (a, b) in [
            ("{\"a\":1,\"b\":[2]}", "{ \"b\": [2.0], \"\\u0061\": 1 }"),
            ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
            ("1e2", "100"),
            ("\"\\u00e9\"", "\"é\""),
        ] {
            assert_eq!(canonical(a), canonical(b));
        }
        for (a, b) in [
            ("1", "\"1\""),
            ("[1,2]", "[2,1]"),
            ("1.5", "1"),
            ("9007199254740993", "9007199254740992"),
        ] {
            assert_ne!(canonical(a), canonical(b));
        }
    }
}
