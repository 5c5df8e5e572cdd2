//! Values at run time: small, cheap to clone, slices of the replies they came from.
//!
//! Owns what a value is and how fields, lists and maps are read from wire bytes when they are asked for. Leaves to
//! `render`, `encode` and `input` how values become text and bytes, and come from them. Invariant: text is UTF-8, a
//! [`Value::Uint`] is above `i64::MAX`, and a map built by an expression has ascending keys without duplicates.

mod field;
mod list;
mod raw;
mod structure;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::Span;
use super::program::Fault;

pub use field::{FieldReader, ObjectReader, read_field};
pub use list::{ClosedEnum, ListIter, ListValue, MapValue, WireField};
pub(super) use raw::message_value;

/// A value. Meaningless without its [`super::Type`], which says what an `Int` or a `Message` is.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Null, for every type.
    #[default]
    Null,
    /// `bool`.
    Bool(bool),
    /// `bytes`.
    Bytes(Bytes),
    /// `double`, and `float` widened.
    Double(f64),
    /// google.protobuf.Duration: seconds and nanoseconds of one sign.
    Duration(i64, i32),
    /// Every integer that fits, and enums by number.
    Int(i64),
    /// A validated fragment of JSON text: all that is typed `any`. Never the text `null`.
    Json(Bytes),
    /// A list.
    List(ListValue),
    /// A map.
    Map(MapValue),
    /// The wire bytes of a message (also Any).
    Message(Bytes),
    /// What a template made: written members in order. A member left out by `$if` is absent.
    Object(Arc<[(Arc<str>, Self)]>),
    /// `string`.
    String(Str),
    /// google.protobuf.Timestamp: seconds since 1970 and nanoseconds forward.
    Timestamp(i64, i32),
    /// An integer above `i64::MAX`.
    Uint(u64),
}

/// UTF-8 text that may be a slice of a reply.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Bytes); // Invariant: UTF-8.

// === impl Value ===

impl Value {
    /// A string.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// An unsigned integer, as `Int` where it fits.
    pub fn uint(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Uint(value), Self::Int)
    }

    /// An integer of any size; `None` where 64 bits do not hold it.
    pub fn integer(value: i128) -> Option<Self> {
        match i64::try_from(value) {
            Ok(value) => Some(Self::Int(value)),
            Err(_) => u64::try_from(value).ok().map(Self::Uint),
        }
    }

    /// A list built by an expression or template.
    pub fn list(elements: Vec<Self>) -> Self {
        Self::List(ListValue::Values(elements.into()))
    }

    /// A map built by an expression; see [`MapValue::from_entries`].
    pub fn map(entries: Vec<(Self, Self)>) -> Self {
        Self::Map(MapValue::from_entries(entries))
    }

    /// An object: written members in order.
    pub fn object(members: Vec<(Arc<str>, Self)>) -> Self {
        Self::Object(members.into())
    }

    /// True for null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An integer, exactly.
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The member of an object with this name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(it, _)| &**it == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The order of map keys: numbers by value, text by its UTF-8 bytes, false before true (semantics.md 8). Values of
    /// kinds that are no keys are all alike.
    pub fn compare_keys(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (a, b) => a.as_integer().cmp(&b.as_integer()),
        }
    }

    /// Appends bytes that are equal for equal values and differ for all others, absent and empty told apart: for cache keys (semantics.md 5.3).
    pub fn write_key(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Bool(value) => out.extend_from_slice(&[1, u8::from(*value)]),
            Self::Bytes(bytes) => write_blob(2, bytes, out),
            Self::Double(value) => {
                // −0 is 0, and there is one NaN.
                let value = match *value {
                    0.0 => 0.0,
                    it if it.is_nan() => f64::NAN,
                    it => it,
                };
                out.push(3);
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Self::Duration(seconds, nanos) => write_instant(4, *seconds, *nanos, out),
            Self::Int(value) => {
                out.push(5);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Json(json) => write_blob(6, json, out),
            Self::List(list) => {
                out.push(7);
                write_length(list.len(), out);
                for element in list {
                    element.write_key(out);
                }
            }
            Self::Map(map) => {
                let entries = map.entries();
                out.push(8);
                write_length(entries.len(), out);
                for (key, value) in entries.iter() {
                    key.write_key(out);
                    value.write_key(out);
                }
            }
            Self::Message(wire) => write_blob(9, wire, out),
            Self::Object(members) => {
                out.push(10);
                write_length(members.len(), out);
                for (name, value) in members.iter() {
                    write_length(name.len(), out);
                    out.extend_from_slice(name.as_bytes());
                    value.write_key(out);
                }
            }
            Self::String(text) => write_blob(11, text.as_bytes(), out),
            Self::Timestamp(seconds, nanos) => write_instant(12, *seconds, *nanos, out),
            Self::Uint(value) => {
                out.push(13);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
}

/// A failure without a place within the expression.
pub(super) fn fault(reason: &'static str) -> Fault {
    Fault {
        reason,
        span: Span::default(),
    }
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

fn write_blob(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_instant(tag: u8, seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&nanos.to_le_bytes());
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

// === impl Str ===

impl Str {
    /// Text that lives as long as the process.
    pub fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Bytes that are UTF-8; `None` where they are not.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        simdutf8::basic::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// Bytes as text, with U+FFFD in place of what is not UTF-8.
    pub fn from_utf8_lossy(bytes: Bytes) -> Self {
        match String::from_utf8_lossy(&bytes) {
            std::borrow::Cow::Borrowed(_) => Self(bytes),
            std::borrow::Cow::Owned(text) => text.into(),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // The invariant makes the default unreachable; asking again is what safe code costs.
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes it is a slice of.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// A part of the text as a slice of the same bytes; `None` where the range is not one of whole characters.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Option<Self> {
        self.as_str().get(range.clone())?;
        Some(Self(self.0.slice(range)))
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.write_key(&mut out);
        out
    }

    #[test]
    fn keys_are_equal_for_equal_values_only() {
        let list = |it: &[&str]| Value::list(it.iter().map(|&it| it.into()).collect());
        let distinct = [
            Value::Null,
            "".into(),
            Value::Bytes(Bytes::new()),
            Value::Json(Bytes::from_static(b"\"\"")),
            Value::Message(Bytes::new()),
            list(&[]),
            list(&["x", "yz"]),
            list(&["xy", "z"]),
            Value::list(vec![list(&["x"]), list(&["yz"])]),
            Value::map(vec![]),
            Value::map(vec![("x".into(), "yz".into())]),
            Value::object(vec![]),
            Value::object(vec![("x".into(), "yz".into())]),
            Value::Bool(false),
            Value::Int(0),
            Value::Int(-1),
            Value::Uint(u64::MAX),
            Value::Double(0.0),
            Value::Double(f64::NAN),
            Value::Duration(0, 0),
            Value::Timestamp(0, 0),
        ];
        for (at, a) in distinct.iter().enumerate() {
            for (other, b) in distinct.iter().enumerate() {
                assert_eq!(key(a) == key(b), at == other, "{a:?} {b:?}");
            }
        }
        assert_eq!(key(&Value::Double(-0.0)), key(&Value::Double(0.0)));
        assert_eq!(key(&Value::Double(-f64::NAN)), key(&Value::Double(f64::NAN)));
        let (a, b) = (("a".into(), Value::Int(1)), ("b".into(), Value::Int(2)));
        assert_eq!(
            key(&Value::map(vec![a.clone(), b.clone()])),
            key(&Value::map(vec![b, a]))
        );
    }

    #[test]
    fn text_is_utf8() {
        assert_eq!(Str::from_utf8(Bytes::from_static(b"\xff")), None);
        assert_eq!(Str::from_utf8_lossy(Bytes::from_static(b"a\xff")), "a\u{fffd}");
        assert_eq!(Str::from("Zürich").slice(0..3).unwrap(), "Zü");
        assert_eq!(Str::from("Zürich").slice(0..2), None);
    }
}
