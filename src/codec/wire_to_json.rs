//! Wire bytes → JSON bytes: a flat op table per message type, selection and options.

use std::sync::Arc;

use super::{DecodeError, JsonOptions};
use crate::schema::MessageRef;

/// Which fields of a message are rendered; a tree of .proto field names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Every field.
    #[default]
    All,
    /// Only these; each with a selection of its own. Lists and maps of messages select within each element.
    Only(Vec<(Arc<str>, Selection)>),
    /// All but these. `All` behind a name drops the field; anything else drops within it.
    Except(Vec<(Arc<str>, Selection)>),
}

/// A compiled transcoder from the wire bytes of one message type to JSON.
#[derive(Debug)]
pub struct ToJson {}

impl ToJson {
    /// Compiles the program. Names in `selection` that the message does not have are ignored (the checker has refused them).
    pub fn compile(message: &MessageRef, selection: &Selection, options: JsonOptions) -> Arc<Self> {
        let _ = (message, selection, options);
        todo!()
    }

    /// Appends the JSON of one message to `out`. On failure `out` is as it was.
    pub fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let _ = (wire, out);
        todo!()
    }

    /// Appends the members of the message's object without braces, separated by commas, none behind the last and none
    /// before the first; returns whether anything was written. Only for messages whose JSON is an object.
    pub fn write_members(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<bool, DecodeError> {
        let _ = (wire, out);
        todo!()
    }
}
