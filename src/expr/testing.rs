//! The schema that the tests of expressions speak of, and messages of it.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::codec::FromJson;
use crate::schema::{MessageRef, Schema, load};

/// The schema of `fixtures/expr`.
pub(super) fn schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/expr");
        load::schema(&[root]).unwrap()
    });
    SCHEMA.clone()
}

/// A message of it: `shop.Product`.
pub(super) fn message(full_name: &str) -> MessageRef {
    let schema = schema();
    let index = schema.find_message(full_name).unwrap();
    MessageRef::new(schema, index)
}

/// The wire bytes of a message that is written as JSON.
pub(super) fn wire(full_name: &str, json: &str) -> Bytes {
    let mut wire = Vec::new();
    FromJson::compile(&message(full_name))
        .write(json.as_bytes(), &mut wire)
        .unwrap();
    wire.into()
}
