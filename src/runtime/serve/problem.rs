//! From failures to answers: the one table, and the RFC 9457 body.
//!
//! Nothing of an address, a file, an expression or a backend's own text stands in a problem; the log has all of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tonic::Code;

use super::Response;
use super::details;
use super::trace::Trace;
use crate::auth::signature::ACCEPT_SIGNATURE;
use crate::codec::BindError;
use crate::codec::json::{write_member, write_string};
use crate::plan::{ErrorMatch, ErrorRule, Errors};
use crate::runtime::auth::Denied;
use crate::runtime::backend::{Failure, FailureKind, Pushback, code};
use crate::runtime::execute::Failed;

/// Why a request gets no response of its endpoint's own.
#[derive(Debug)]
pub enum Refusal {
    /// A body that is not in the coding that it says: 400.
    BadCoding(&'static str),
    /// A head that may be read in several ways: 400, and the end of the connection.
    BadHead(&'static str),
    /// Malformed params or body: 400 with every one of them.
    BadInputs(Vec<BindError>),
    /// A malformed path: 400.
    BadPath,
    /// The client sent its body too slowly or not to the end: 408.
    BodyIncomplete,
    /// 413.
    BodyTooLarge(usize),
    /// Something of ours broke: 500.
    Bug,
    /// This client may not ask, for this reason: 403.
    Denied(&'static str),
    /// A head did not come to its end in time: 408, and the end of the connection.
    HeadIncomplete,
    /// A head of more than so many bytes: 431.
    HeadTooLarge(usize),
    /// It is not known who the client is, or they may not ask: 401, 403, or 503 where that cannot be found out.
    Unwelcome(Box<Denied>),
    /// The endpoint failed.
    Failed(Box<Failed>),
    /// It asks too often: 429.
    Limited {
        /// The policy that it is told of.
        limit: Arc<str>,
        /// It has used up what it has for a day or a month.
        is_quota: bool,
        /// When it may ask again, seconds.
        retry_after: u64,
    },
    /// 405 with `Allow`.
    MethodNotAllowed(Vec<Method>),
    /// 404.
    NotFound,
    /// Too many requests at once: 503.
    Overloaded,
    /// More headers than so many: 431.
    TooManyHeaders(usize),
    /// A coding that we do not know: 415.
    UnknownCoding,
    /// 415.
    UnsupportedMediaType,
    /// A path and query longer than so many bytes: 414.
    UriTooLong(usize),
    /// A backend has not yet said what it serves: 503.
    Waiting,
}

/// A problem, before it is bytes.
#[derive(Debug)]
pub struct Problem {
    /// Its status.
    pub status: StatusCode,
    kind: &'static str,
    title: String,
    detail: Option<String>,
    headers: HeaderMap,
    extensions: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// The one table from what went wrong to what is said. `errors` are those of the endpoint, as far as one was found.
    pub fn problem(&self, errors: &Errors) -> Problem {
        match self {
            Self::BadCoding(name) => Problem::new(StatusCode::BAD_REQUEST, "bad-coding", "The body is malformed")
                .saying(format!("It is not in the coding that Content-Encoding names, {name}.")),
            Self::BadHead(why) => Problem::new(StatusCode::BAD_REQUEST, "bad-head", "The request is malformed")
                .saying(format!("{why}."))
                .with(header::CONNECTION, "close"),
            Self::BadInputs(inputs) => {
                let mut problem = Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request is not valid");
                problem.detail = Some(sentence(inputs));
                problem.list_inputs(inputs);
                problem
            }
            Self::BadPath => Problem::new(StatusCode::BAD_REQUEST, "bad-path", "The path is malformed"),
            Self::BodyIncomplete => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-incomplete",
                "The body did not arrive in time",
            ),
            Self::BodyTooLarge(max) => {
                let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large");
                problem.saying(format!("At most {max} bytes are accepted."))
            }
            Self::Bug => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Denied(_) => Problem::new(StatusCode::FORBIDDEN, "access-denied", "Access is denied"),
            Self::HeadIncomplete => {
                let (status, title) = (StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time");
                Problem::new(status, "head-incomplete", title)
            }
            Self::HeadTooLarge(max) => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                let problem = Problem::new(status, "head-too-large", "The head of the request is too large");
                problem.saying(format!("At most {max} bytes are accepted."))
            }
            Self::Unwelcome(denied) => of_denied(denied),
            Self::Failed(failed) => of_failure(failed, errors),
            Self::Limited {
                limit,
                is_quota,
                retry_after,
            } => {
                let (kind, title) = if *is_quota {
                    ("quota-exceeded", "The quota is used up")
                } else {
                    ("rate-limited", "Too many requests")
                };
                let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, kind, title);
                problem.headers.insert(header::RETRY_AFTER, (*retry_after).into());
                let violated = json!([**limit]);
                problem.extensions.push(("violated-policies", violated));
                problem
            }
            Self::MethodNotAllowed(methods) => {
                let mut problem = Problem::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method-not-allowed",
                    "The method is not allowed",
                );
                problem.headers.insert(header::ALLOW, allow(methods));
                problem
            }
            Self::NotFound => Problem::new(StatusCode::NOT_FOUND, "not-found", "Nothing is served at this path"),
            Self::Overloaded => {
                let (status, title) = (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once");
                Problem::new(status, "overloaded", title).with(header::RETRY_AFTER, "1")
            }
            Self::TooManyHeaders(max) => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                let problem = Problem::new(status, "head-too-large", "There are too many headers");
                problem.saying(format!("At most {max} are accepted."))
            }
            Self::UnknownCoding => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                let problem = Problem::new(status, "unknown-coding", "The coding of the body is not known");
                problem.with(header::ACCEPT_ENCODING, "zstd, br, gzip, identity")
            }
            Self::UriTooLong(max) => Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "The path is too long")
                .saying(format!("At most {max} bytes are accepted, the query included.")),
            Self::UnsupportedMediaType => {
                let mut problem = Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported-media-type",
                    "The body must be JSON",
                );
                problem.detail = Some("Send it as application/json, in UTF-8.".to_owned());
                problem
            }
            Self::Waiting => {
                let title = "A backend has not said yet what it serves";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "waiting", title).with(header::RETRY_AFTER, "5")
            }
        }
    }

    /// The kind of failure, for metrics and the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadCoding(_) => "bad_coding",
            Self::BadHead(_) => "bad_head",
            Self::BadInputs(_) => "bad_input",
            Self::BadPath => "bad_path",
            Self::BodyIncomplete => "body_incomplete",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::Bug => "bug",
            Self::Denied(reason) => reason,
            Self::HeadIncomplete => "head_incomplete",
            Self::HeadTooLarge(_) => "head_too_large",
            Self::Unwelcome(denied) => match denied.reason.status() {
                StatusCode::FORBIDDEN => "forbidden",
                StatusCode::SERVICE_UNAVAILABLE => "unverified",
                _ => "unauthenticated",
            },
            Self::Failed(failed) => failure_kind(failed.failure.kind),
            Self::Limited { is_quota: true, .. } => "quota_exceeded",
            Self::Limited { .. } => "rate_limited",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NotFound => "not_found",
            Self::Overloaded => "overloaded",
            Self::TooManyHeaders(_) => "too_many_headers",
            Self::UnknownCoding => "unknown_coding",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UriTooLong(_) => "uri_too_long",
            Self::Waiting => "waiting",
        }
    }
}

/// `Allow`'s value: what the endpoints take, HEAD where GET is, and OPTIONS.
pub fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    if !names.contains(&"OPTIONS") {
        names.push("OPTIONS");
    }
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
}

/// How a failure of a call is called in metrics and logs.
pub fn failure_kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::BadHeader => "bad_header",
        FailureKind::BadInput => "bad_input",
        FailureKind::BadPath => "bad_path",
        FailureKind::BadReply => "bad_reply",
        FailureKind::Bug => "bug",
        FailureKind::Connect => "connect",
        FailureKind::Connection => "connection",
        FailureKind::Crowded => "crowded",
        FailureKind::Deadline => "deadline",
        FailureKind::Expression => "expression",
        FailureKind::HttpStatus => "http_status",
        FailureKind::Limit => "limit",
        FailureKind::NoToken => "no_token",
        FailureKind::NotBegun => "not_begun",
        FailureKind::Open => "breaker_open",
        FailureKind::Redirect => "redirect",
        FailureKind::Refused => "refused",
        FailureKind::ReplyTooLarge => "reply_too_large",
        FailureKind::Require => "require",
        FailureKind::ResponseTooLarge => "response_too_large",
        FailureKind::Status => "status",
    }
}

/// 401 and 403 say what would be accepted; the reason in detail is for those who run the gateway.
fn of_denied(denied: &Denied) -> Problem {
    let status = denied.reason.status();
    let (kind, title) = match status {
        StatusCode::FORBIDDEN => ("forbidden", "You may not do this"),
        StatusCode::SERVICE_UNAVAILABLE => ("unverified", "It cannot be checked who you are"),
        StatusCode::BAD_REQUEST => ("bad-credentials", "The request is not valid"),
        _ => ("unauthenticated", "It is not known who you are"),
    };
    let mut problem = Problem::new(status, kind, title);
    problem.detail = Some(denied.reason.sentence().to_owned());
    for challenge in &denied.challenges {
        problem.headers.append(header::WWW_AUTHENTICATE, challenge.clone());
    }
    for wanted in &denied.signatures {
        problem.headers.append(ACCEPT_SIGNATURE, wanted.clone());
    }
    if !denied.scopes.is_empty() {
        problem.extensions.push((
            "scopes",
            json!(denied.scopes.iter().map(|it| &**it).collect::<Vec<_>>()),
        ));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        problem
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    problem
}

/// Status, type and title of each kind of failure (language page "When something fails", semantics.md 3.5 and 3.6).
fn of_failure(failed: &Failed, errors: &Errors) -> Problem {
    let failure = &failed.failure;
    let (status, kind, title) = match failure.kind {
        FailureKind::BadInput | FailureKind::BadPath => {
            (StatusCode::BAD_REQUEST, "bad-request", "The request is not valid")
        }
        FailureKind::BadHeader => (failure.usual_status(), "bad-header", "A header value cannot be sent"),
        FailureKind::BadReply | FailureKind::ReplyTooLarge | FailureKind::Redirect => {
            (StatusCode::BAD_GATEWAY, "bad-reply", "A backend's reply cannot be used")
        }
        FailureKind::Bug | FailureKind::Expression | FailureKind::Limit | FailureKind::ResponseTooLarge => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
        }
        FailureKind::Connect
        | FailureKind::Connection
        | FailureKind::Crowded
        | FailureKind::NoToken
        | FailureKind::Open
        | FailureKind::Refused => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "A backend is unavailable",
        ),
        FailureKind::Deadline | FailureKind::NotBegun => (
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "A backend did not answer in time",
        ),
        FailureKind::HttpStatus => (http_backend_status(failed), "backend", "A backend refused the request"),
        FailureKind::Require => (failure.usual_status(), "require", title_of(failure.code)),
        FailureKind::Status => (grpc_backend_status(failed), "backend", title_of(failure.code)),
    };
    let mut problem = Problem::new(status, kind, title);
    problem.detail.clone_from(&failure.detail);
    if let Some(seconds) = retry_after(failure) {
        problem.headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(call) = &failed.call {
        problem.extensions.push(("call", json!(**call)));
    }
    problem.extensions.push(("code", json!(code::name(failure.code))));
    if !failure.inputs.is_empty() {
        problem.detail = Some(sentence(&failure.inputs));
        problem.list_inputs(&failure.inputs);
    }
    if errors.expose_details {
        let shown = details::as_json(&failure.details);
        if !shown.is_empty() {
            problem.extensions.push(("details", Value::Array(shown)));
        }
    }
    let rule = failed
        .rule
        .as_ref()
        .or_else(|| errors.map.iter().find(|it| is_about(it, failure)));
    if let Some(rule) = rule {
        problem.status = rule.status.unwrap_or(problem.status);
        if let Some(title) = &rule.title {
            problem.title = title.to_string();
        }
    }
    problem
}

/// When the client may try again, seconds; `None` where nobody knows.
fn retry_after(failure: &Failure) -> Option<u64> {
    match (failure.kind, failure.pushback) {
        (FailureKind::Crowded, _) => Some(1),
        (_, Some(Pushback::After(left))) => Some(u64::try_from(left.as_millis().div_ceil(1_000)).ok()?.max(1)),
        _ => None,
    }
}

fn is_about(rule: &ErrorRule, failure: &Failure) -> bool {
    match rule.on {
        ErrorMatch::Code(code) => failure.code == code,
        ErrorMatch::Status(status) => failure.http_status == Some(status),
    }
}

/// semantics.md 3.6: a client must not be told to log in again because the gateway's own credential is refused.
fn grpc_backend_status(failed: &Failed) -> StatusCode {
    if failed.failure.code == Code::Unauthenticated && !failed.forwards_credential {
        return StatusCode::BAD_GATEWAY;
    }
    failed.failure.usual_status()
}

fn http_backend_status(failed: &Failed) -> StatusCode {
    let status = failed.failure.usual_status();
    match status.as_u16() {
        400 | 404 | 409 | 412 | 422 | 429 => status,
        401 | 403 if failed.forwards_credential => status,
        _ => StatusCode::BAD_GATEWAY,
    }
}

fn title_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Cancelled",
        Code::Unknown => "Unknown error",
        Code::InvalidArgument => "The request is not valid",
        Code::DeadlineExceeded => "A backend did not answer in time",
        Code::NotFound => "Not found",
        Code::AlreadyExists => "It exists already",
        Code::PermissionDenied => "Permission denied",
        Code::ResourceExhausted => "Too many requests",
        Code::FailedPrecondition => "A precondition failed",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "Out of range",
        Code::Unimplemented => "Not implemented",
        Code::Internal => "Internal error",
        Code::Unavailable => "A backend is unavailable",
        Code::DataLoss => "Data loss",
        Code::Unauthenticated => "Not authenticated",
    }
}

fn sentence(inputs: &[BindError]) -> String {
    let parts: Vec<String> = inputs
        .iter()
        .map(|it| {
            if it.name.is_empty() {
                format!("body: {}", it.reason)
            } else {
                format!("{}: {}", it.name, it.reason)
            }
        })
        .collect();
    parts.join("; ")
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &str) -> Self {
        Self {
            status,
            kind,
            title: title.to_owned(),
            detail: None,
            headers: HeaderMap::new(),
            extensions: Vec::new(),
        }
    }

    fn saying(self, detail: String) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// JSON pointers are `pointer`s, params are `parameter`s.
    fn list_inputs(&mut self, inputs: &[BindError]) {
        let listed = inputs.iter().map(|it| {
            let key = if it.name.is_empty() || it.name.starts_with('/') {
                "pointer"
            } else {
                "parameter"
            };
            json!({ key: it.name, "detail": it.reason })
        });
        self.extensions.push(("errors", listed.collect()));
    }

    /// The response. `instance` is the path of the request.
    pub fn into_response(self, instance: &str, trace: &Trace) -> Response {
        // Written at once: where many are refused there is the least time for it.
        let mut body = Vec::with_capacity(256);
        body.extend_from_slice(b"{\"type\":\"urn:weft:problem:");
        body.extend_from_slice(self.kind.as_bytes());
        body.extend_from_slice(b"\",\"title\":");
        write_string(&self.title, &mut body);
        body.extend_from_slice(b",\"status\":");
        body.extend_from_slice(self.status.as_str().as_bytes());
        if let Some(detail) = &self.detail {
            write_member("detail", detail, &mut body);
        }
        write_member("instance", instance, &mut body);
        for (name, value) in &self.extensions {
            match value {
                Value::String(text) => write_member(name, text, &mut body),
                value => body.extend_from_slice(format!(",\"{name}\":{value}").as_bytes()),
            }
        }
        write_member("trace_id", &trace.trace_id, &mut body);
        body.push(b'}');
        let mut response = Response::new(Bytes::from(body).into());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
