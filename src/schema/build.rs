//! Descriptor sets → [`Schema`]: resolves names, features (proto2, proto3, editions 2023 and 2024) and options to facts.
//!
//! Three passes over all files: declare every name, define every type, add the extensions to what they extend. Names are
//! looked up among all files, imported or not, because sets from servers often leave imports out.
//! Invariant: the result does not depend on the order of the files.

mod comparable;
mod define;
mod feature;
mod field;
mod names;
mod shape;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use self::comparable::mean_the_same;
use self::names::{File, Names, shown_name};
use super::descriptor::{FileDescriptorProto, FileDescriptorSet};
use super::types::{EnumIndex, MessageIndex, Schema};
use super::well_known;

/// Why descriptors could not become a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
///
/// Imports of google/protobuf, google/api, google/rpc, google/type, google/longrunning and grpc/reflection need not be
/// among them.
pub fn build(set: &FileDescriptorSet) -> Result<Arc<Schema>, SchemaError> {
    let files = gather(set)?;
    let files = files.into_values().map(File::new).collect::<Result<Vec<_>, _>>()?;
    let mut names = Names::default();
    for file in &files {
        names.declare_file(file)?;
    }
    let mut schema = Schema {
        fingerprint: fingerprint(&files),
        ..Schema::default()
    };
    schema.messages = names
        .messages
        .iter()
        .map(|it| names.message(it))
        .collect::<Result<_, _>>()?;
    schema.enums = names.enums.iter().map(define::enumeration).collect::<Result<_, _>>()?;
    names.extend(&mut schema.messages)?;
    for (message, declared) in schema.messages.iter_mut().zip(&names.messages) {
        define::index_fields(message, declared.file)?;
    }
    schema.services = names
        .services
        .iter()
        .map(|it| names.service(it))
        .collect::<Result<_, _>>()?;
    schema.services.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    schema.message_by_name = (0..)
        .map(MessageIndex)
        .zip(&schema.messages)
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    schema.enum_by_name = (0..)
        .map(EnumIndex)
        .zip(&schema.enums)
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    schema.service_by_name = schema
        .services
        .iter()
        .enumerate()
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    Ok(Arc::new(schema))
}

/// Every file once, by name, with the well-known ones that are imported but not there.
fn gather(set: &FileDescriptorSet) -> Result<BTreeMap<&str, &FileDescriptorProto>, SchemaError> {
    let mut files: BTreeMap<&str, &FileDescriptorProto> = BTreeMap::new();
    for file in &set.file {
        let Some(earlier) = files.get_mut(file.name()) else {
            files.insert(file.name(), file);
            continue;
        };
        // Everybody's copy of a well-known file is as good as another, whatever its comments and its age.
        if !well_known::is_well_known(file.name()) && !mean_the_same(earlier, file) {
            let reason = "is given twice with different contents".to_owned();
            return Err(SchemaError::Invalid {
                file: shown_name(file).to_owned(),
                reason,
            });
        }
        let knows = |it: &FileDescriptorProto| (it.path.is_some(), it.source_code_info.is_some());
        if knows(file) > knows(earlier) {
            *earlier = file;
        }
    }
    let mut imports: Vec<&str> = files
        .values()
        .flat_map(|it| &it.dependency)
        .map(String::as_str)
        .collect();
    while let Some(import) = imports.pop() {
        if let Some(file) = well_known::find(import).filter(|_| !files.contains_key(import)) {
            files.insert(import, file);
            imports.extend(file.dependency.iter().map(String::as_str));
        }
    }
    Ok(files)
}

/// Digest over the files, which come sorted by name.
fn fingerprint(files: &[File<'_>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for file in files {
        // Where the files lie does not change what they say.
        let bytes = FileDescriptorProto {
            path: None,
            ..file.proto.clone()
        }
        .encode_to_vec();
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
