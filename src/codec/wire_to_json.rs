//! Wire bytes → JSON bytes: a flat op table per message type, selection and options.
//!
//! Compiled once ([`ToJson::compile`]), then run over the bytes of any number of messages. Fields that arrive in ascending
//! order, as every common encoder writes them, are transcoded in one pass without any allocation but the output's; a message
//! whose fields are out of order, split or overridden is indexed first and written in field order all the same.
//! Invariant: equal messages give equal JSON, however their fields and map entries were ordered on the wire.

mod compile;
mod enum_names;
mod indexed;
mod map;
mod message_set;
mod narrow;
mod program;
mod run;
mod scalar;
mod validate;
mod well_known;

use std::fmt;
use std::sync::{Arc, OnceLock};

use self::compile::AnyTypes;
use self::program::Program;
use self::run::Writer;
use self::validate::Validator;
use super::{DecodeError, Fields, JsonOptions};
use crate::schema::MessageRef;

pub use self::enum_names::enum_value_names;

/// What one message may become at most, in bytes. A page is refused above this size, so no part of it can be larger.
pub const OUTPUT_LIMIT: usize = 16 << 20;

/// Which fields of a message are rendered; a tree of .proto field names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Every field.
    #[default]
    All,
    /// Only these; each with a selection of its own. Lists and maps of messages select within each element.
    Only(Vec<(Arc<str>, Self)>),
    /// All but these. `All` behind a name drops the field; anything else drops within it.
    Except(Vec<(Arc<str>, Self)>),
}

impl Selection {
    /// What it says of a field: nothing where that is left out.
    pub fn of(&self, name: &str) -> Option<&Self> {
        compile::choose(self, name)
    }
}

/// A compiled transcoder from the wire bytes of one message type to JSON.
pub struct ToJson {
    message: MessageRef,
    program: Program,
    /// The types that an Any may hold; only where the message can hold an Any.
    any: Option<AnyTypes>,
    validator: OnceLock<Validator>,
    /// What it was compiled of.
    selection: Selection,
    options: JsonOptions,
    /// What a client chose within values of unknown shape, which no program tells apart.
    chosen: Option<Fields>,
}

impl ToJson {
    /// Compiles the program. Names in `selection` that the message does not have are ignored (the checker has refused them).
    pub fn compile(message: &MessageRef, selection: &Selection, options: JsonOptions) -> Arc<Self> {
        Arc::new(Self::build(message, selection, options))
    }

    fn build(message: &MessageRef, selection: &Selection, options: JsonOptions) -> Self {
        let program = compile::compile(message.schema(), message.index(), selection, options);
        let any = program.holds_any().then(|| AnyTypes::new(message.schema(), options));
        Self {
            message: message.clone(),
            program,
            any,
            validator: OnceLock::new(),
            selection: selection.clone(),
            options,
            chosen: None,
        }
    }

    /// Appends the JSON of one message to `out`. On failure `out` is as it was.
    pub fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match &self.chosen {
            None => self.run(wire, out, Writer::root),
            Some(fields) => {
                let mut whole = Vec::new();
                self.run(wire, &mut whole, Writer::root)?;
                fields.project(&whole, out);
                Ok(())
            }
        }
    }

    /// Appends the members of the message's object without braces, separated by commas, none behind the last and none
    /// before the first; returns whether anything was written. Only for messages whose JSON is an object; for a message
    /// that has a form of its own (a Timestamp, a wrapper, …) nothing is written.
    pub fn write_members(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<bool, DecodeError> {
        let start = out.len();
        if self.chosen.is_none() {
            self.run(wire, out, Writer::root_members)?;
        } else {
            let mut object = Vec::new();
            self.write(wire, &mut object)?;
            let members = object.strip_prefix(b"{").and_then(|it| it.strip_suffix(b"}"));
            out.extend_from_slice(members.unwrap_or_default());
        }
        Ok(out.len() > start)
    }

    /// Checks the form of the whole message, whatever the selection is: lengths, tags, nesting, and that strings are UTF-8.
    /// What an Any holds is not looked into.
    pub fn validate(&self, wire: &[u8]) -> Result<(), DecodeError> {
        self.validator.get_or_init(|| Validator::new(&self.message)).run(wire)
    }

    /// The message type that is read.
    pub fn message(&self) -> &MessageRef {
        &self.message
    }

    fn run<'p>(
        &'p self,
        wire: &[u8],
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Writer<'p>, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let start = out.len();
        let mut writer = Writer::new(&self.program, self.any.as_ref(), wire, std::mem::take(out));
        let result = write(&mut writer, wire);
        *out = writer.into_output();
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

impl fmt::Debug for ToJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToJson")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
