//! Values at run time: small, cheap to clone, slices of the replies they came from.

use std::sync::Arc;

use bytes::Bytes;

use crate::schema::MapTypes;

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
    Object(Arc<[(Arc<str>, Value)]>),
    /// `string`.
    String(Str),
    /// google.protobuf.Timestamp: seconds since 1970 and nanoseconds forward.
    Timestamp(i64, i32),
    /// An integer above `i64::MAX`.
    Uint(u64),
}

/// UTF-8 text that may be a slice of a reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Bytes); // Invariant: UTF-8.

/// A list.
#[derive(Clone, Debug)]
pub enum ListValue {
    /// Built by an expression or template.
    Values(Arc<[Value]>),
    /// A repeated field, read in place: the wire bytes of the message that holds it, and which field.
    Wire(Bytes, WireField),
}

/// A map.
#[derive(Clone, Debug)]
pub enum MapValue {
    /// Built by an expression; keys ascending.
    Values(Arc<[(Value, Value)]>),
    /// A map field, read in place.
    Wire(Bytes, WireField),
}

/// How to read one field from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireField {
    /// Field number.
    pub number: u32,
    /// Type of one element; for a map the entry message.
    pub kind: crate::schema::Kind,
    /// For maps.
    pub map: Option<MapTypes>,
    /// Written as a group.
    pub delimited: bool,
    /// Strings are checked to be UTF-8.
    pub utf8: bool,
    /// Elements are wrappers, timestamps and so on: what to make of them.
    pub well_known: Option<crate::schema::WellKnown>,
}

impl Value {
    /// Appends bytes that are equal for equal values and differ for all others, absent and empty told apart: for cache keys (semantics.md 5.3).
    pub fn write_key(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
