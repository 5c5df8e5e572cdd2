//! Inputs of a request → values: text of paths, queries, headers and cookies, and members of JSON bodies (semantics.md 6.4).
//!
//! Owns what text and JSON mean as each type. Leaves the inside of messages to `codec::FromJson`, and what absence means to
//! its callers. Invariant: no error holds the value that was given, only what was expected.

mod reader;
mod scalar;
pub(super) mod shape;

use std::sync::Arc;

use bytes::Bytes;

use super::types::{Type, TypeKind};
use super::value::{Str, Value};
use crate::codec::{JsonError, escape, json, number};

use reader::Reader;
pub(super) use reader::{Mistake, compile};

/// Reads text as a scalar of `ty` (for a list type: as one element). The error says what was expected: `an integer`.
///
/// Whole numbers are JSON integers without an exponent: `05`, `+5`, ` 5` and `1e3` are none (semantics.md 6.4).
///
/// ```
/// use weft::expr::Type;
/// use weft::expr::input::from_text;
///
/// assert!(from_text("5", &Type::int()).is_ok());
/// assert_eq!(from_text("1e3", &Type::int()).unwrap_err(), "an integer");
/// ```
pub fn from_text(text: &str, ty: &Type) -> Result<Value, String> {
    match &ty.kind {
        TypeKind::List(element) => return from_text(text, element),
        TypeKind::Any | TypeKind::Unknown => {
            let mut json = Vec::new();
            escape::write_string(text, &mut json);
            return Ok(Value::Json(json.into()));
        }
        TypeKind::Bool => match text {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            _ => {}
        },
        TypeKind::Enum(declared) => {
            let value = declared.number(text).or_else(|| number::parse_integer(text));
            if let Some(value) = value {
                return Ok(Value::Int(value.into()));
            }
        }
        TypeKind::Int(range) => {
            let value = number::parse_integer::<i128>(text).filter(|it| range.contains(*it));
            if let Some(value) = value.and_then(Value::integer) {
                return Ok(value);
            }
        }
        TypeKind::String => return Ok(Value::String(Str::from(text))),
        kind => {
            if let Some(value) = scalar::from_str(text, kind) {
                return Ok(match value {
                    // −0 is 0, for keys and for what is sent alike (semantics.md 5.3); adding 0 loses the sign.
                    Value::Double(number) => Value::Double(number + 0.0),
                    other => other,
                });
            }
        }
    }
    let expected = scalar::expected(&ty.kind);
    Err(expected.strip_prefix("expected ").unwrap_or(&expected).to_owned())
}

/// Reads JSON as values of one type. Compiled when a plan is made.
#[derive(Clone, Debug)]
pub struct JsonReader {
    reader: Arc<Reader>,
    ty: Type,
}

// === impl JsonReader ===

impl JsonReader {
    /// Compiles a reader for values of `ty`.
    pub fn compile(ty: &Type) -> Self {
        Self {
            reader: Arc::new(compile(ty)),
            ty: ty.clone(),
        }
    }

    /// As [`Self::compile`], but of objects that a JSON Schema describes only that they are objects is looked at: their members
    /// are when they are read.
    pub fn lazy(ty: &Type) -> Self {
        Self {
            reader: Arc::new(reader::compile_lazy(ty)),
            ty: ty.clone(),
        }
    }

    /// Reads a member of an object, where null is a value only if the type has one. `None` where it is not of the type.
    pub(super) fn member(&self, object: &Bytes, name: &str) -> Option<Value> {
        match json::member(object, name) {
            Some(fragment) => self.reader.part(object, fragment).ok(),
            None => self.reader.null(),
        }
    }

    /// The type of the values.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// True where JSON of any shape is read, null too.
    pub fn is_any(&self) -> bool {
        self.reader.is_any()
    }

    /// Reads one JSON value, which is a fragment of validated JSON. JSON null is [`Value::Null`] whatever the type: what it
    /// means is the caller's business.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "values are slices that share it, so it is handed over"
    )]
    pub fn read(&self, json: Bytes) -> Result<Value, JsonError> {
        self.reader.read(&json).map_err(|mistake| JsonError {
            pointer: mistake.pointer,
            reason: mistake.reason,
            offset: mistake.offset,
        })
    }
}

#[cfg(test)]
mod tests;
