//! The services, methods and types that this gateway knows.
//!
//! Owns the model that everything else reads types from: built once from descriptors (`.proto` trees, descriptor sets,
//! server reflection), with every feature of proto2, proto3 and editions resolved to plain facts on each field.
//! Also the nearest name ([`suggest`]), as all modules name parts of it.
//! One [`Schema`] for each backend: two backends may declare different versions of one message.
//! Invariant: a `Schema` is immutable; an index that it handed out is valid for as long as it lives.

pub mod build;
pub mod descriptor;
pub mod http_rule;
pub mod json_schema;
pub mod load;
pub mod path_template;
pub mod reflection;
pub mod suggest;
pub mod types;
pub mod well_known;

pub use types::{
    Behavior, Cardinality, Enum, EnumIndex, EnumRef, EnumValue, Field, Kind, MapTypes, Message, MessageIndex,
    MessageRef, Method, Place, Presence, Schema, Service, Streaming, WellKnown,
};
