//! JSON bytes → wire bytes, with every leniency that proto3 JSON asks of a parser and every refusal too.
//!
//! Owns reading a message, or one of its fields, from canonical JSON. Leaves text that is no JSON (paths, queries) to
//! [`super::http_binding`], which shares `scalar` and `well_known`.
//! The program is a table of fields per message type; a recursive reader goes through the JSON once and writes the wire
//! as it goes, a length once its content is there. A `required` field of proto2 that is missing is no mistake.
//! Invariant: equal messages make equal bytes (fields ascending by number, map entries by key); on failure the output is
//! as it was.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod failure;
pub(super) mod program;
pub(super) mod scalar;
pub(super) mod well_known;
mod writer;

use std::sync::Arc;

use super::json::reader::Reader;
use super::json::text;
use crate::schema::MessageRef;
use failure::Failure;
use program::{Program, Registry};
use writer::Writer;

/// A compiled transcoder from JSON to the wire bytes of one message type.
#[derive(Debug)]
pub struct FromJson {
    program: Program,
    /// The types that an Any may hold.
    registry: Registry,
    unknown: UnknownMembers,
}

/// What becomes of members that the message does not have, and of enum values by names that the enum does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownMembers {
    /// Skipped, as if they were not there; they must be JSON all the same.
    Ignore,
    /// A mistake.
    #[default]
    Refuse,
}

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
    /// Compiles the program, which refuses what the message does not have.
    pub fn compile(message: &MessageRef) -> Arc<Self> {
        Self::compile_with(message, UnknownMembers::Refuse)
    }

    /// Compiles the program.
    ///
    /// ```
    /// use weft::codec::{FromJson, UnknownMembers};
    /// use weft::schema::{MessageRef, load};
    ///
    /// let schema = load::schema(&["descriptors/hipstershop".into()]).unwrap();
    /// let money = MessageRef::new(schema.clone(), schema.find_message("hipstershop.Money").unwrap());
    ///
    /// let mut out = Vec::new();
    /// let program = FromJson::compile_with(&money, UnknownMembers::Ignore);
    /// program.write(br#"{"unit": {"of": "old"}, "units": 7}"#, &mut out).unwrap();
    /// assert_eq!(out, b"\x10\x07");
    /// ```
    pub fn compile_with(message: &MessageRef, unknown: UnknownMembers) -> Arc<Self> {
        let program = Program::compile(message.schema(), message.index());
        let registry = Registry::new(message.schema().clone(), &program);
        Arc::new(Self {
            program,
            registry,
            unknown,
        })
    }

    /// Appends the wire bytes of the message to `out`, fields in number order. On failure `out` is as it was.
    ///
    /// ```
    /// use weft::codec::FromJson;
    /// use weft::schema::{MessageRef, load};
    ///
    /// let schema = load::schema(&["descriptors/hipstershop".into()]).unwrap();
    /// let money = MessageRef::new(schema.clone(), schema.find_message("hipstershop.Money").unwrap());
    /// let program = FromJson::compile(&money);
    ///
    /// let mut out = Vec::new();
    /// program.write(br#"{"units": "7", "currency_code": "EUR"}"#, &mut out).unwrap();
    /// assert_eq!(out, b"\x0a\x03EUR\x10\x07");
    ///
    /// let error = program.write(br#"{"unit": 7}"#, &mut out).unwrap_err();
    /// assert_eq!(error.to_string(), "/unit: unknown member; did you mean `units`?");
    /// ```
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.run(json, out, |writer| writer.root(&self.program))
    }

    /// Appends one field of the message, found by its .proto name, from the JSON of its value alone; null leaves it out.
    /// On failure `out` is as it was.
    ///
    /// ```
    /// # use weft::codec::FromJson;
    /// # use weft::schema::{MessageRef, load};
    /// # let schema = load::schema(&["descriptors/hipstershop".into()]).unwrap();
    /// # let money = MessageRef::new(schema.clone(), schema.find_message("hipstershop.Money").unwrap());
    /// let mut out = Vec::new();
    /// FromJson::compile(&money).write_field("units", b"7", &mut out).unwrap();
    /// assert_eq!(out, b"\x10\x07");
    /// ```
    pub fn write_field(&self, name: &str, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.run(json, out, |writer| writer.root_field(&self.program, name))
    }

    fn run(
        &self,
        json: &[u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), Failure>,
    ) -> Result<(), JsonError> {
        let start = out.len();
        let result = text::check_utf8(json).map_err(Failure::from).and_then(|()| {
            out.reserve(json.len());
            let mut writer = Writer::new(&self.registry, self.unknown, Reader::new(json), out);
            write(&mut writer)?;
            Ok(writer.reader.finish()?)
        });
        result.map_err(|failure: Failure| {
            out.truncate(start);
            failure.into_error()
        })
    }
}

#[cfg(test)]
mod tests;
