//! google.protobuf.Timestamp and Duration as text (RFC 3339, `1.5s`), both ways, with the ranges of their .proto files.
