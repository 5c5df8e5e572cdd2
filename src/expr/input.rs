//! Inputs of a request → values: text of paths, queries, headers and cookies, and members of JSON bodies (semantics.md 6.4).

use bytes::Bytes;

use super::types::Type;
use super::value::Value;
use crate::codec::JsonError;

/// Reads text as a scalar of `ty` (for a list type: as one element). The error says what was expected: `an integer`.
pub fn from_text(text: &str, ty: &Type) -> Result<Value, String> {
    let _ = (text, ty);
    todo!()
}

/// Reads JSON as values of one type. Compiled when a plan is made.
#[derive(Clone, Debug)]
pub struct JsonReader {}

impl JsonReader {
    /// Compiles a reader for values of `ty`.
    pub fn compile(ty: &Type) -> Self {
        let _ = ty;
        todo!()
    }

    /// Reads one JSON value. JSON null is [`Value::Null`] whatever the type: what it means is the caller's business.
    pub fn read(&self, json: Bytes) -> Result<Value, JsonError> {
        let _ = json;
        todo!()
    }
}
