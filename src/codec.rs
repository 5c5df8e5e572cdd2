//! Protobuf wire ⇄ canonical JSON, prepared per message type and selection.
//!
//! Owns everything that reads or writes bytes of either format; nothing outside knows a wire type or a JSON escape.
//! Programs are compiled once, when a plan is made, hold no descriptors, and are shared by `Arc`.
//! Invariant: no tree between wire and wire; each program makes one pass over its input in the usual case.

pub mod base64;
pub mod escape;
pub mod field_mask;
pub mod fields;
pub mod hexadecimal;
pub mod http_binding;
pub mod json;
pub mod json_to_wire;
pub mod number;
pub mod query;
pub mod time_text;
pub mod wire;
pub mod wire_to_json;

pub use fields::{Descent, Fields};
pub use hexadecimal::hexadecimal;
pub use http_binding::describe::{BoundBody, BoundParam};
pub use http_binding::{BindError, HttpBinding};
pub use json_to_wire::{FromJson, JsonError, UnknownMembers};
pub use wire_to_json::{Selection, ToJson};

/// How protobuf values are written as JSON. The default is proto3 canonical JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct JsonOptions {
    /// Member names.
    pub names: Names,
    /// 64-bit integers.
    pub int64: Int64,
    /// Enum values.
    pub enums: Enums,
    /// Fields that hold their default.
    pub defaults: Defaults,
    /// The common prefix of an enum's value names.
    pub enum_prefix: EnumPrefix,
}

/// Member names of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Names {
    /// lowerCamelCase, or `json_name`.
    #[default]
    Json,
    /// As in the .proto file.
    Proto,
}

/// 64-bit integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Int64 {
    /// Digits without quotes.
    Number,
    /// Quoted, as canonical JSON says.
    #[default]
    String,
}

/// Enum values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Enums {
    /// The value's name; the number where it has none.
    #[default]
    Name,
    /// Always the number.
    Number,
}

/// Fields that hold their default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Defaults {
    /// Written: implicit-presence scalars, empty lists and maps (never unset messages or explicit-presence scalars).
    Emit,
    /// Left out.
    #[default]
    Omit,
}

/// The common prefix of an enum's value names (`PRODUCT_STATUS_` of `PRODUCT_STATUS_ACTIVE` in `ProductStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EnumPrefix {
    /// Written.
    #[default]
    Keep,
    /// Taken off.
    Strip,
}

/// Bytes that are not a message of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nested deeper than 100.
    #[error("nested too deeply")]
    Depth,
    /// Not protobuf, or cut short.
    #[error("malformed protobuf")]
    Malformed,
    /// A value that canonical JSON cannot express: a timestamp after year 9999, NaN in a Value, an unknown Any type.
    #[error("a value has no JSON form")]
    Range,
    /// The output would be larger than allowed.
    #[error("too large")]
    TooLarge,
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
}
