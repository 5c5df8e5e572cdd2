//! What is read from a request: params, body, and parts of its head, each with its slot and its type.
//!
//! Owns what absence means and what is demanded of a value; reading them is the runtime's.

use std::sync::Arc;

use http::HeaderName;
use regex::Regex;

use super::{Claim, Origin};
use crate::expr::{JsonReader, Slot, Type, Value};
use crate::schema::MessageRef;
use crate::schema::json_schema::Validator;

/// What is read from a request.
#[derive(Debug, Default)]
pub struct Inputs {
    /// How many slots the inputs take.
    pub n_slots: u32,
    /// Params, in declared order, then undeclared path variables.
    pub params: Vec<Param>,
    /// The body.
    pub body: Body,
    /// `$given_fields(body)`.
    pub given: Option<GivenFields>,
    /// Parts of the request that expressions mention.
    pub request: Vec<(RequestPart, Slot)>,
    /// Claims that expressions mention.
    pub claims: Vec<Claim>,
}

/// Which fields of the body were given, as a google.protobuf.FieldMask.
#[derive(Debug)]
pub struct GivenFields {
    /// Where the mask goes.
    pub slot: Slot,
    /// What the body is read as.
    pub message: MessageRef,
}

/// One declared input.
#[derive(Debug)]
pub struct Param {
    /// The name in expressions.
    pub name: Arc<str>,
    /// The name on the wire.
    pub wire_name: Arc<str>,
    /// Where it comes from.
    pub location: Location,
    /// Its type: a scalar, or a list of scalars; nullable where absence is null.
    pub ty: Type,
    /// Where its value goes.
    pub slot: Slot,
    /// What absence means.
    pub absent: Absent,
    /// That is what the file says, and no zero.
    pub has_default: bool,
    /// Constraints, in the order of the language page.
    pub constraints: Vec<Constraint>,
    /// Where it was written.
    pub origin: Origin,
}

/// What it means that an input is absent.
#[derive(Clone, Debug)]
pub enum Absent {
    /// 400.
    Refuse,
    /// This value: the default, null, or the zero of the type (semantics.md 1.6).
    Value(Value),
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A cookie.
    Cookie,
    /// A header.
    Header(HeaderName),
    /// The n-th variable of the path template.
    Path(usize),
    /// The query string.
    Query,
}

/// A constraint of an input; breaking one is a 400 with its sentence.
#[derive(Clone, Debug)]
pub enum Constraint {
    /// `enum:`.
    OneOf(Vec<Value>),
    /// `max_length:`, in characters.
    MaxLength(u64),
    /// `maximum:`.
    Maximum(Value),
    /// `min_length:`, in characters.
    MinLength(u64),
    /// `minimum:`.
    Minimum(Value),
    /// `pattern:`.
    Pattern(Regex),
}

/// The body of a request.
#[derive(Debug, Default)]
pub enum Body {
    /// Bytes, as they are.
    Bytes(Slot),
    /// The shorthand and `expose:`: read by the binding of the call.
    Bound {
        /// Bytes with their content type, as a google.api.HttpBody.
        raw: bool,
    },
    /// JSON, of which these members are mentioned; any other is a 400.
    Members(Vec<BodyMember>),
    /// Not read.
    #[default]
    None,
    /// JSON as a whole.
    Whole {
        /// Where it goes.
        slot: Slot,
        /// Reads it as a message, as what a schema describes, or as `any`.
        reader: JsonReader,
        /// Checks it before, where `body: { schema }` says so.
        validator: Option<Arc<Validator>>,
    },
}

/// A member of the body that is mentioned.
#[derive(Debug)]
pub struct BodyMember {
    /// Its path: `["order", "items"]`.
    pub path: Vec<Arc<str>>,
    /// Where it goes.
    pub slot: Slot,
    /// Reads it as the type of the place that it fills.
    pub reader: JsonReader,
    /// What absence (or JSON null) means.
    pub absent: Absent,
}

/// A part of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestPart {
    /// `request.headers["…"]`.
    Header(HeaderName),
    /// `request.id`.
    Id,
    /// `request.method`.
    Method,
    /// `request.path`.
    Path,
    /// `request.remote_ip`.
    RemoteIp,
}
