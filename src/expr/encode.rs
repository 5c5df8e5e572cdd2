//! Fit (semantics.md 1.4): whether values of a type may go to a place, and how they are written there.
//!
//! Owns the table of what fits what, and the writing of values as the wire bytes of requests. Leaves the reading of JSON of
//! unknown shape to `codec::FromJson`, and literals to `literal`. Invariant: an encoder that was compiled writes fields in
//! number order and maps by ascending key, so that equal values make equal bytes.

mod fit;
mod scalar;
mod writer;

use std::sync::Arc;

use super::program::Fault;
use super::types::Type;
use super::value::Value;
use crate::schema::{Cardinality, Field, Kind, MessageRef, Presence};

pub use fit::fit;
use writer::MessageWriter;

/// The type of a place, and whether "unset" can be told apart there (G4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceType {
    /// What belongs there.
    pub ty: Type,
    /// Null may go there: unset message, explicit presence, wrapper, list or map (= empty), query, header, JSON.
    pub takes_null: bool,
}

/// Why a type does not fit a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitError {
    /// `wrong-type`, `null-does-not-fit`, `unknown-field`, `oneof-twice`, …
    pub code: &'static str,
    /// One line, as in [`super::ExprError::title`].
    pub title: String,
    /// What is at that place: "did you mean `units`?". May be empty.
    pub label: String,
    /// A conversion to write around the expression, with `…` where it stands: `int(…)`, `default(…, "")`.
    pub conversion: Option<String>,
    /// Which member of the object is at fault, from the outside in; empty for the value as a whole.
    pub path: Vec<Arc<str>>,
}

/// Writes values of one type to the wire as one message. Compiled when a plan is made.
#[derive(Clone, Debug)]
pub struct Encoder {
    writer: Arc<MessageWriter>,
}

// === impl PlaceType ===

impl PlaceType {
    /// The place that a field of a request is. Its type is that of a value which is there; a field marked REQUIRED takes no null.
    pub fn of_field(message: &MessageRef, field: &Field) -> Self {
        let ty = Type::of_field(message, field);
        let ty = if ty.is_any() { ty } else { ty.not_null() };
        let required = field.behavior.required || field.presence == Presence::Required;
        let can_be_unset = match field.cardinality {
            Cardinality::Map(_) | Cardinality::Repeated => true,
            Cardinality::Singular => field.presence == Presence::Explicit || matches!(field.kind, Kind::Message(_)),
        };
        Self {
            ty,
            takes_null: can_be_unset && !required,
        }
    }

    /// The place that an element of a list, a map's value or a member of an object is.
    pub(in crate::expr) fn within(ty: &Type) -> Self {
        Self {
            ty: ty.clone(),
            takes_null: ty.nullable,
        }
    }
}

// === impl FitError ===

impl FitError {
    fn new(code: &'static str, title: String) -> Self {
        Self {
            code,
            title,
            label: String::new(),
            conversion: None,
            path: Vec::new(),
        }
    }

    fn within(mut self, member: &Arc<str>) -> Self {
        self.path.insert(0, member.clone());
        // What is to be written around the member cannot be written around the whole.
        self
    }
}

// === impl Encoder ===

impl Encoder {
    /// Compiles an encoder for values of `from` into the fields of `message`: an object member by member, a message by copy.
    pub fn message(from: &Type, message: &MessageRef) -> Result<Self, FitError> {
        fit::fit_message(from, message)?;
        Ok(Self {
            writer: Arc::new(MessageWriter::compile(from, message)),
        })
    }

    /// Appends the wire bytes of the message (no tag, no length) to `out`, fields in number order. On failure, null
    /// included, `out` is as it was.
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        let written = self.writer.write(value, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

#[cfg(test)]
mod tests;
