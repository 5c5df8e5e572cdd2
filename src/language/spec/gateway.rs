//! `weft.yaml` as written.

use std::sync::Arc;
use std::time::Duration;

use super::{Errors, Json, Literal, Name};
use crate::language::source::{FileIndex, Span, Spanned};

/// The gateway file.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// The file.
    pub file: FileIndex,
    /// `listen:`, addresses as written, `${env.X}` expanded.
    pub listen: Vec<Name>,
    /// `workers:`; `None` is `auto`.
    pub workers: Option<Spanned<u32>>,
    /// `admin:`.
    pub admin: Option<Admin>,
    /// `compositions:`, paths as written.
    pub compositions: Vec<Name>,
    /// `descriptors:`, paths as written.
    pub descriptors: Vec<Name>,
    /// `expose:`.
    pub expose: Option<Expose>,
    /// `backends:`, in written order.
    pub backends: Vec<Backend>,
    /// `defaults: { timeout }`.
    pub timeout: Option<Spanned<Duration>>,
    /// `defaults: { json }`.
    pub json: Json,
    /// `vars:`.
    pub vars: Vec<(Name, Spanned<Literal>)>,
    /// `limits:`.
    pub limits: Limits,
    /// `cache: { memory }`, bytes.
    pub cache_memory: Option<Spanned<u64>>,
    /// `errors:`.
    pub errors: Errors,
    /// `telemetry: { log: { format } }`.
    pub log_format: Option<LogFormat>,
    /// `telemetry: { log: { level } }`.
    pub log_level: Option<Name>,
    /// `telemetry: { log: { access } }`.
    pub log_access: Option<LogAccess>,
    /// `shutdown: { drain }`.
    pub drain: Option<Spanned<Duration>>,
}

/// `admin:`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `listen:`.
    pub listen: Name,
}

/// `expose:`.
#[derive(Clone, Debug, Default)]
pub struct Expose {
    /// Services.
    pub services: Vec<Name>,
    /// Headers of the request that are forwarded.
    pub headers: Vec<Name>,
}

/// One entry of `backends:`.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name.
    pub name: Name,
    /// `grpc:`, targets as written.
    pub grpc: Vec<Name>,
    /// `http:`, targets as written.
    pub http: Vec<Name>,
    /// `descriptors:`.
    pub descriptors: Option<BackendDescriptors>,
    /// `services:`, patterns.
    pub services: Vec<Name>,
    /// `safe:`, patterns; `None` is the default.
    pub safe: Option<Vec<Name>>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `headers:`, name and value (expanded).
    pub headers: Vec<(Name, Spanned<Arc<str>>)>,
    /// `max_message:`, bytes.
    pub max_message: Option<Spanned<u64>>,
    /// The whole entry.
    pub span: Span,
}

/// `descriptors:` of a backend.
#[derive(Clone, Debug)]
pub enum BackendDescriptors {
    /// Paths as written.
    Paths(Vec<Name>),
    /// `reflection`.
    Reflection(Span),
}

/// `limits:`.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// `headers:`, bytes.
    pub headers: Option<Spanned<u64>>,
    /// `body:`, bytes.
    pub body: Option<Spanned<u64>>,
    /// `connections:`.
    pub connections: Option<Spanned<u64>>,
    /// `header_timeout:`.
    pub header_timeout: Option<Spanned<Duration>>,
    /// `idle_timeout:`.
    pub idle_timeout: Option<Spanned<Duration>>,
    /// `in_flight:`.
    pub in_flight: Option<Spanned<u64>>,
    /// `for_elements:`.
    pub for_elements: Option<Spanned<u64>>,
}

/// `telemetry: { log: { format } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `telemetry: { log: { access } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogAccess {
    /// Every request.
    #[default]
    All,
    /// Only those that failed.
    Errors,
    /// Nothing.
    None,
}
