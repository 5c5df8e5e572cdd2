//! Descriptor sets → [`Schema`]: resolves names, features (proto2, proto3, editions 2023 and 2024) and options to facts.

use std::sync::Arc;

use super::descriptor::FileDescriptorSet;
use super::types::Schema;

/// Why descriptors could not become a schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A name that a file uses is declared nowhere.
    #[error("`{name}`, used in {file}, is declared nowhere")]
    UnknownType {
        /// The missing full name.
        name: String,
        /// The file that uses it.
        file: String,
    },
    /// Anything else that makes the set unusable.
    #[error("{file}: {reason}")]
    Invalid {
        /// The file at fault.
        file: String,
        /// One sentence.
        reason: String,
    },
}

/// Builds the schema of one backend from all its files, in any order; files given twice count once.
pub fn build(set: &FileDescriptorSet) -> Result<Arc<Schema>, SchemaError> {
    let _ = set;
    todo!()
}
