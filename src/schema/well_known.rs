//! The files that .proto trees and descriptor sets may import without bringing them: google/protobuf, google/api,
//! google/rpc, google/type, google/longrunning and grpc/reflection.
//!
//! google/protobuf comes with protox, the others are embedded. A user's own copy of an embedded file goes before the one
//! here; that is decided by whoever asks (`schema::load`, `schema::build`).

use std::collections::HashMap;
use std::sync::OnceLock;

use prost::Message as _;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::descriptor::{FileDescriptorProto, FileDescriptorSet};

/// The embedded files, by the name under which they are imported.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("well_known/", $name)))),*]
    };
}

const EMBEDDED: &[(&str, &str)] = embedded![
    "google/api/annotations.proto",
    "google/api/client.proto",
    "google/api/field_behavior.proto",
    "google/api/field_info.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/api/launch_stage.proto",
    "google/api/resource.proto",
    "google/api/routing.proto",
    "google/api/visibility.proto",
    "google/longrunning/operations.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "google/type/calendar_period.proto",
    "google/type/color.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/decimal.proto",
    "google/type/expr.proto",
    "google/type/fraction.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/localized_text.proto",
    "google/type/money.proto",
    "google/type/month.proto",
    "google/type/phone_number.proto",
    "google/type/postal_address.proto",
    "google/type/quaternion.proto",
    "google/type/timeofday.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
];

const PROTOBUF: &[&str] = &[
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

/// Gives the embedded files to protox; knows nothing of google/protobuf.
#[derive(Debug)]
pub(crate) struct EmbeddedResolver;

impl FileResolver for EmbeddedResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match EMBEDDED.binary_search_by_key(&name, |(it, _)| it) {
            Ok(at) => File::from_source(name, EMBEDDED[at].1),
            Err(_) => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The descriptor of a file that needs not be brought, if this is one.
pub(crate) fn find(name: &str) -> Option<&'static FileDescriptorProto> {
    static FILES: OnceLock<HashMap<String, FileDescriptorProto>> = OnceLock::new();
    if !is_well_known(name) {
        return None;
    }
    FILES
        .get_or_init(|| set().file.into_iter().map(|it| (it.name().to_owned(), it)).collect())
        .get(name)
}

/// Whether a file with this name needs not be brought.
pub(crate) fn is_well_known(name: &str) -> bool {
    EMBEDDED.binary_search_by_key(&name, |(it, _)| it).is_ok() || is_of_protobuf(name)
}

/// Whether this is a file of google/protobuf that protox brings.
///
/// Its copy is the only one that protox compiles with: later ones of descriptor.proto use syntax that it does not read.
pub(crate) fn is_of_protobuf(name: &str) -> bool {
    PROTOBUF.contains(&name)
}

/// All of these files, as a set.
///
/// A file that does not compile is left out, and a test demands that none is: they are part of this crate.
pub fn set() -> FileDescriptorSet {
    let mut resolver = ChainFileResolver::new();
    resolver.add(EmbeddedResolver);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    let n_missing = EMBEDDED
        .iter()
        .map(|(name, _)| *name)
        .chain(PROTOBUF.iter().copied())
        .filter(|it| compiler.open_file(it).is_err())
        .count();
    debug_assert_eq!(n_missing, 0, "embedded files compile");
    FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_well_known_file_compiles_and_is_found() {
        assert!(EMBEDDED.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(set().file.len(), EMBEDDED.len() + PROTOBUF.len());
        for name in EMBEDDED.iter().map(|(name, _)| *name).chain(PROTOBUF.iter().copied()) {
            assert_eq!(find(name).unwrap_or_else(|| panic!("{name}")).name(), name);
        }
        assert!(find("google/ads/ads.proto").is_none());
    }
}
