//! Reply bytes → values: refuses what is not the message that was promised.

use bytes::Bytes;

use super::value::Value;
use crate::codec::DecodeError;
use crate::schema::MessageRef;

/// Reads the replies of one message type.
#[derive(Clone, Debug)]
pub struct ReplyReader {}

impl ReplyReader {
    /// Compiles a reader.
    pub fn compile(message: &MessageRef) -> Self {
        let _ = message;
        todo!()
    }

    /// The value of a reply: of [`super::Type::of_message`]'s type. The whole message is validated, so that whatever reads it later cannot fail on its form.
    pub fn read(&self, wire: Bytes) -> Result<Value, DecodeError> {
        let _ = wire;
        todo!()
    }
}
