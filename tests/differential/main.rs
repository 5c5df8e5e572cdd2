//! The codec against prost-reflect, on random messages of the protobuf conformance suite's types.
//!
//! prost-reflect is the oracle where it is right; what it is known to get wrong is left out, each time with the reason.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod wire_to_json;
