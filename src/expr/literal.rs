//! Literals of composition files, read as canonical JSON of the place they stand in (G2).
//!
//! Owns the sentences that a diagnostic shows. Leaves the reading to `input`, so that a literal and an input mean the same.
//! Invariant: what is read here is a value of the type that was asked for.

use bytes::Bytes;

use super::input::{Mistake, compile};
use super::types::Type;
use super::value::Value;
use crate::codec::json;

/// Reads JSON text as a value of `ty`: `"PAID"` of an enum, `"1.5s"` of a duration, an object as a message. JSON null is
/// [`Value::Null`] whatever the type: whether it fits is the place's business.
/// The error is one line for a diagnostic.
///
/// ```
/// use weft::expr::{Type, literal};
///
/// assert!(literal::read(b"\"5\"", &Type::int()).is_ok());
/// assert_eq!(literal::read(b"5.5", &Type::int()).unwrap_err().title, "expected an integer, found `5.5`");
/// ```
pub fn read(json: &[u8], ty: &Type) -> Result<Value, LiteralError> {
    if let Err(error) = json::validate(json) {
        return Err(LiteralError {
            code: "wrong-type",
            pointer: String::new(),
            title: format!("this is not JSON: {}", error.reason),
            label: String::new(),
        });
    }
    let document = Bytes::copy_from_slice(json);
    compile(ty)
        .read(&document)
        .map_err(|mistake| describe(mistake, &document))
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

fn describe(mistake: Mistake, document: &[u8]) -> LiteralError {
    let found = snippet(document.get(mistake.offset..).unwrap_or_default());
    let title = match mistake.code {
        "unknown-enum-value" if mistake.owner.is_empty() => format!("`{found}` is not a value of the field's enum"),
        "unknown-enum-value" => format!("`{found}` is not a value of `{}`", mistake.owner),
        "unknown-field" => {
            let name = mistake.pointer.rsplit('/').next().unwrap_or_default();
            format!("there is no field `{}`", name.replace("~1", "/").replace("~0", "~"))
        }
        "wrong-type" if mistake.reason.starts_with("expected ") && !found.is_empty() => {
            format!("{}, found `{found}`", mistake.reason)
        }
        _ => mistake.reason,
    };
    LiteralError {
        code: mistake.code,
        pointer: mistake.pointer,
        title,
        label: mistake.hint,
    }
}

/// The value that text begins with, without quotes, on one line and not too long.
fn snippet(text: &[u8]) -> String {
    let text = json::trim(text);
    let value = match json::kind(text) {
        json::Kind::String => string_at(text),
        json::Kind::Array => return "[…]".into(),
        json::Kind::Object => return "{…}".into(),
        _ => {
            let length = text
                .iter()
                .position(|it| !matches!(it, b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E'));
            String::from_utf8_lossy(text.get(..length.unwrap_or(text.len())).unwrap_or_default()).into_owned()
        }
    };
    let mut shown: String = value
        .chars()
        .take(SHOWN)
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

/// How many characters of a value a message shows.
const SHOWN: usize = 40;

/// The string that text begins with.
fn string_at(text: &[u8]) -> String {
    let mut end = 1;
    while let Some(byte) = text.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    json::string(text.get(..=end).unwrap_or(text))
        .unwrap_or_default()
        .into_owned()
}

#[cfg(test)]
mod tests;
