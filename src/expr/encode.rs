//! Fit (semantics.md 1.4): whether values of a type may go to a place, and how they are written there.

use super::program::Fault;
use super::types::Type;
use super::value::Value;
use crate::schema::{Field, MessageRef};

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
    /// A conversion to write around the expression, with `…` where it stands: `int(…)`, `default(…, "")`.
    pub conversion: Option<String>,
}

/// Writes values of one type to the wire as one field or message. Compiled when a plan is made.
#[derive(Clone, Debug)]
pub struct Encoder {}

impl PlaceType {
    /// The place that a field of a request is.
    pub fn of_field(message: &MessageRef, field: &Field) -> Self {
        let _ = (message, field);
        todo!()
    }
}

/// Whether values of type `from` fit `to` (semantics.md 1.4).
pub fn fit(from: &Type, to: &PlaceType) -> Result<(), FitError> {
    let _ = (from, to);
    todo!()
}

impl Encoder {
    /// Compiles an encoder for values of `from` into the fields of `message`: an object member by member, a message by copy.
    pub fn message(from: &Type, message: &MessageRef) -> Result<Self, FitError> {
        let _ = (from, message);
        todo!()
    }

    /// Appends the wire bytes of the message (no tag, no length) to `out`, fields in number order.
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        let _ = (value, out);
        todo!()
    }
}
