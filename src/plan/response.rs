//! What is said to the client: the response, how long it is kept, and how failures are put.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::{Condition, Dependency, Header, Mention, Template};
use crate::codec::Selection;
use crate::expr::{Program, Slot};

/// What is said.
#[derive(Debug)]
pub struct Response {
    /// The body.
    pub body: ResponseBody,
    /// The body may be null.
    pub nullable: bool,
    /// The status.
    pub status: Status,
    /// Headers; null leaves one out.
    pub headers: Vec<Header>,
    /// Cookies.
    pub cookies: Vec<Cookie>,
    /// What the body, status, headers and cookies mention.
    pub needs: Vec<Dependency>,
    /// The same, and where.
    pub mentions: Vec<Mention>,
}

/// The body of a response.
#[derive(Debug)]
pub enum ResponseBody {
    /// Raw bytes.
    Bytes(Program),
    /// A google.api.HttpBody: its `data`, with its `content_type`.
    HttpBody(Program),
    /// JSON.
    Json(Template),
}

/// The status of a response.
#[derive(Debug)]
pub enum Status {
    /// 200, or 204 where the body is null.
    Default,
    /// An expression: 200–399.
    Expression(Condition),
    /// As written.
    Fixed(StatusCode),
}

/// A cookie that is set; a null value deletes it.
#[derive(Debug)]
pub struct Cookie {
    /// Its name.
    pub name: Arc<str>,
    /// Text or null.
    pub value: Template,
    /// The attributes behind the value, ready to send, `Max-Age` included: `; Path=/; Secure; HttpOnly; SameSite=Lax`.
    pub attributes: Arc<str>,
    /// The attributes of its deletion.
    pub deletion: Arc<str>,
}

/// `cache:` of an endpoint.
#[derive(Debug)]
pub struct EndpointCache {
    /// How long an answer is fresh.
    pub ttl: Duration,
    /// Digest of the composition, its fragments, descriptors and JSON options: changes with any of them.
    pub fingerprint: [u8; 32],
    /// Every input that the composition mentions, in plan order: the key (semantics.md 5.2). Where a call is
    /// [`super::GrpcRequest::Bound`], the bytes of its request belong to the key too.
    pub key: Vec<Slot>,
}

/// How failures are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// google.rpc.Status details are shown.
    pub expose_details: bool,
    /// The member of a degraded body that lists what is missing.
    pub in_body: Option<Arc<str>>,
    /// `errors: { map }` of the endpoint, then of the gateway file.
    pub map: Vec<ErrorRule>,
}

/// A failure in other words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// Which failures.
    pub on: ErrorMatch,
    /// The status in place of the usual one.
    pub status: Option<StatusCode>,
    /// The title in place of the usual one.
    pub title: Option<Arc<str>>,
}

/// Which failures a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMatch {
    /// A gRPC code.
    Code(tonic::Code),
    /// An HTTP backend's status.
    Status(StatusCode),
}

impl Response {
    /// Every expression beside the body; see [`Template::programs`].
    pub fn programs_beside<'t>(&'t self, each: &mut dyn FnMut(&'t Program, Option<&'t Selection>)) {
        if let Status::Expression(condition) = &self.status {
            each(&condition.program, None);
        }
        self.headers.iter().for_each(|it| it.value.programs(each));
        self.cookies.iter().for_each(|it| it.value.programs(each));
    }
}

impl ResponseBody {
    /// Every expression in it; see [`Template::programs`].
    pub fn programs<'t>(&'t self, each: &mut dyn FnMut(&'t Program, Option<&'t Selection>)) {
        match self {
            Self::Bytes(program) | Self::HttpBody(program) => each(program, None),
            Self::Json(template) => template.programs(each),
        }
    }
}
