//! The codec against prost-reflect, on random messages of the protobuf conformance suite's types, and against buffa, on
//! random messages of random types.
//!
//! Where an oracle is known to be wrong or to have chosen otherwise, that is left out, and `fixtures/codec/known_differences.txt`
//! says why.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod random_types;
mod second;
mod wire_to_json;
