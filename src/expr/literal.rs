//! Literals of composition files, read as canonical JSON of the place they stand in (G2).

use super::types::Type;
use super::value::Value;

/// Reads JSON text as a value of `ty`: `PAID` of an enum, `1.5s` of a duration, an object as a message.
/// The error is one line for a diagnostic.
pub fn read(json: &[u8], ty: &Type) -> Result<Value, LiteralError> {
    let _ = (json, ty);
    todo!()
}

/// Why a literal is not a value of its place's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiteralError {
    /// `wrong-type`, `unknown-enum-value`, `unknown-field`, …
    pub code: &'static str,
    /// RFC 6901 pointer within the literal.
    pub pointer: String,
    /// One line, as in [`super::ExprError::title`].
    pub title: String,
    /// "did you mean `PAID`?".
    pub label: String,
}
