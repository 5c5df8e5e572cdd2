//! Reply bytes → values: refuses what is not the message that was promised.
//!
//! Owns the one look at a whole reply, so that whatever reads it later cannot fail on its form. Leaves fields to
//! [`super::value::FieldReader`]. Invariant: a value that comes out is of [`super::Type::of_message`]'s type.

use std::sync::Arc;

use bytes::Bytes;

use super::value::{Value, message_value};
use crate::codec::{DecodeError, JsonOptions, Selection, ToJson};
use crate::schema::{MessageRef, WellKnown};

/// Reads the replies of one message type.
#[derive(Clone, Debug)]
pub struct ReplyReader {
    program: Arc<ToJson>,
    well_known: Option<WellKnown>,
}

impl ReplyReader {
    /// Compiles a reader.
    pub fn compile(message: &MessageRef) -> Self {
        Self {
            program: ToJson::compile(message, &Selection::All, JsonOptions::default()),
            well_known: message.well_known,
        }
    }

    /// The value of a reply: of [`super::Type::of_message`]'s type. The whole message is validated, so that whatever reads it later cannot fail on its form.
    pub fn read(&self, wire: Bytes) -> Result<Value, DecodeError> {
        self.program.validate(&wire)?;
        Ok(message_value(self.well_known, wire))
    }
}

impl ReplyReader {
    /// As [`Self::read`], for a reply that is only rendered: rendering refuses what does not decode.
    pub fn read_unchecked(&self, wire: Bytes) -> Value {
        message_value(self.well_known, wire)
    }

    /// Says why a reply does not decode.
    pub fn check(&self, wire: &[u8]) -> Result<(), DecodeError> {
        self.program.validate(wire)
    }
}

#[cfg(test)]
mod tests;
