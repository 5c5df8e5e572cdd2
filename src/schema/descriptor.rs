//! google/protobuf/descriptor.proto as prost messages, reduced to what a gateway reads, with the extensions of
//! google.api and the editions features as ordinary fields, so that no option is lost while decoding.

/// A set of files, as `buf build` and `protoc -o` write it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileDescriptorSet {}
