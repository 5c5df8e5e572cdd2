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
    /// Under which names a kept one is dropped: each gives text, a list of it, or null.
    pub tags: Vec<Template>,
    /// Names of what is dropped after a 2xx.
    pub invalidates: Vec<Template>,
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

/// How long something is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// How long it is fresh.
    pub ttl: Duration,
    /// How long after that it is given while a fresh one is fetched (RFC 5861 §3); zero where it is not.
    pub stale_while_revalidate: Duration,
    /// How long after that it stands in for a failure (RFC 5861 §4); zero where it does not.
    pub stale_if_error: Duration,
    /// It has tags, so that it may be dropped before its time.
    pub tagged: bool,
}

/// `cache:` of an endpoint.
#[derive(Debug)]
pub struct EndpointCache {
    /// How long an answer is kept.
    pub keep: Keep,
    /// Digest of the composition, its fragments, descriptors and JSON options: changes with any of them.
    pub fingerprint: [u8; 32],
    /// Every input that the composition mentions, in plan order: the key (semantics.md 5.2). Where a call is
    /// [`super::GrpcRequest::Bound`], the bytes of its request belong to the key too.
    pub key: Vec<Slot>,
}

/// `cache:` of a call.
#[derive(Debug)]
pub struct CallCache {
    /// How long a reply is kept.
    pub keep: Keep,
    /// Under which names it is dropped, as [`Response::tags`]; they mention nothing that the call does not wait for.
    pub tags: Vec<Template>,
    /// `backend: ignore`: what backends say about keeping it does not count (semantics.md 5.8).
    pub ignores_backend: bool,
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

impl Keep {
    /// For this long, and not a moment longer.
    pub fn only(ttl: Duration) -> Self {
        Self {
            ttl,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            tagged: false,
        }
    }
}

impl Response {
    /// Every expression beside the body; see [`Template::programs`].
    pub fn programs_beside<'t>(&'t self, each: &mut dyn FnMut(&'t Program, Option<&'t Selection>)) {
        if let Status::Expression(condition) = &self.status {
            each(&condition.program, None);
        }
        self.headers.iter().for_each(|it| it.value.programs(each));
        self.cookies.iter().for_each(|it| it.value.programs(each));
        self.tags.iter().for_each(|it| it.programs(each));
        self.invalidates.iter().for_each(|it| it.programs(each));
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
