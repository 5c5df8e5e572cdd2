//! JSON bytes → wire bytes, with every leniency that proto3 JSON asks of a parser and every refusal too.

use std::sync::Arc;

use crate::schema::MessageRef;

/// A compiled transcoder from JSON to the wire bytes of one message type.
#[derive(Debug)]
pub struct FromJson {}

/// Why JSON is not the message that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct JsonError {
    /// RFC 6901 pointer to the value at fault; empty for the whole document.
    pub pointer: String,
    /// One sentence without the value: `expected an integer`, `unknown member; did you mean `name`?`.
    pub reason: String,
    /// Byte offset in the document.
    pub offset: usize,
}

impl FromJson {
    /// Compiles the program.
    pub fn compile(message: &MessageRef) -> Arc<Self> {
        let _ = message;
        todo!()
    }

    /// Appends the wire bytes of the message to `out`, fields in number order where the input allows. On failure `out` is as it was.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
        let _ = (json, out);
        todo!()
    }
}
