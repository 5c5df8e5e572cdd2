//! What went wrong for one request: whose fault it is, and whether trying again is allowed.
//!
//! Constructors set every fact at once, so that code, status and fault cannot disagree. Nobody compares texts or downcasts:
//! the source is only for the log. What a client is told is decided in `serve::problem`.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tonic::Code;

use super::code;
use crate::codec::BindError;
use crate::expr;
use crate::plan::{Origin, Otherwise};

/// Something that went wrong for one request. Cheap to clone: those who share a call share its failure.
#[derive(Clone)]
pub struct Failure(Arc<Facts>);

/// All that is known of a [`Failure`].
#[derive(Clone, Debug)]
pub struct Facts {
    /// In which way.
    pub kind: FailureKind,
    /// Whose fault.
    pub fault: Fault,
    /// Whether the request may be sent again.
    pub retry: Retry,
    /// As gRPC says it; for HTTP backends by google.rpc.Code's table.
    pub code: Code,
    /// The status of an HTTP backend, or of a `require`.
    pub http_status: Option<StatusCode>,
    /// The backend's own text; never for a body unless its author asks with `error(call).message`.
    pub message: String,
    /// `detail:` of a `require`: written by the author, for the client.
    pub detail: Option<String>,
    /// An encoded google.rpc.Status from `grpc-status-details-bin`; empty where there is none.
    pub details: Bytes,
    /// The bad inputs of [`FailureKind::BadInput`].
    pub inputs: Vec<BindError>,
    /// What the backend says of trying again.
    pub pushback: Option<Pushback>,
    /// Where in the composition; only for the log.
    pub origin: Option<Origin>,
    /// Only for the log.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Every way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A header value that may not be sent: CR, LF, NUL or non-visible bytes.
    BadHeader,
    /// The client's input does not make the request message.
    BadInput,
    /// A path segment that is empty, `.` or `..`.
    BadPath,
    /// A reply that is not what was promised: malformed, of the wrong content type, compressed, no gRPC.
    BadReply,
    /// An invariant of ours that does not hold.
    Bug,
    /// No connection; nothing was sent.
    Connect,
    /// The connection was lost before the reply was complete.
    Connection,
    /// As many calls as may be are under way at the backend, and as many wait; nothing was sent.
    Crowded,
    /// Out of time.
    Deadline,
    /// An expression failed.
    Expression,
    /// An HTTP backend answered 4xx or 5xx.
    HttpStatus,
    /// More calls, or more elements of a `for`, than a request may have.
    Limit,
    /// The token that its calls carry could not be had; nothing was sent.
    NoToken,
    /// Its usual time does not fit into what is left; nothing was sent.
    NotBegun,
    /// The breaker is open; nothing was sent.
    Open,
    /// A redirect, which is never followed.
    Redirect,
    /// The backend refused the request without looking at it.
    Refused,
    /// A reply larger than `max_message`.
    ReplyTooLarge,
    /// A `require` that does not hold.
    Require,
    /// A response larger than allowed.
    ResponseTooLarge,
    /// A gRPC backend answered with a code other than OK.
    Status,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whom we call.
    Backend,
    /// Who calls us.
    Client,
    /// Ours, or the composition's.
    Gateway,
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Whatever it is: it was provably not sent.
    Always,
    /// Only an idempotent one.
    IfIdempotent,
    /// No.
    Never,
}

/// What a backend says of trying again: `grpc-retry-pushback-ms`, google.rpc.RetryInfo, `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// Not before this long.
    After(Duration),
    /// Not at all.
    Never,
}

impl Failure {
    /// The backend may not serve any more what it said that it does: it does not know the method, or replies with something
    /// else.
    pub fn is_doubtful(&self) -> bool {
        let unknown = self.kind == FailureKind::Status && self.code == Code::Unimplemented;
        unknown || self.kind == FailureKind::BadReply
    }

    fn facts(kind: FailureKind, fault: Fault, retry: Retry, code: Code) -> Facts {
        Facts {
            kind,
            fault,
            retry,
            code,
            http_status: None,
            message: String::new(),
            detail: None,
            details: Bytes::new(),
            inputs: Vec::new(),
            pushback: None,
            origin: None,
            source: None,
        }
    }

    /// A header value that may not be sent to a backend.
    pub fn bad_header(origin: Option<Origin>) -> Self {
        Facts {
            origin,
            ..Self::facts(
                FailureKind::BadHeader,
                Fault::Client,
                Retry::Never,
                Code::InvalidArgument,
            )
        }
        .into()
    }

    /// A header, cookie or status of the response that may not be sent to the client.
    pub fn bad_response(origin: Option<Origin>) -> Self {
        Facts {
            origin,
            ..Self::facts(FailureKind::BadHeader, Fault::Gateway, Retry::Never, Code::Internal)
        }
        .into()
    }

    /// Inputs that do not make the request message.
    pub fn bad_input(inputs: Vec<BindError>) -> Self {
        Facts {
            inputs,
            ..Self::facts(
                FailureKind::BadInput,
                Fault::Client,
                Retry::Never,
                Code::InvalidArgument,
            )
        }
        .into()
    }

    /// A path segment that is not sent.
    pub fn bad_path(origin: Option<Origin>) -> Self {
        Facts {
            origin,
            ..Self::facts(FailureKind::BadPath, Fault::Client, Retry::Never, Code::InvalidArgument)
        }
        .into()
    }

    /// A reply that is not what was promised. `what` is one sentence without values.
    pub fn bad_reply(what: &'static str) -> Self {
        Self::bad_reply_from(Note(what))
    }

    /// A reply that is not what was promised.
    pub fn bad_reply_from(source: impl Error + Send + Sync + 'static) -> Self {
        Facts {
            source: Some(Arc::new(source)),
            ..Self::facts(FailureKind::BadReply, Fault::Backend, Retry::Never, Code::Internal)
        }
        .into()
    }

    /// A reply whose HTTP status says that it is no gRPC.
    pub fn foreign_reply(status: StatusCode) -> Self {
        Facts {
            source: Some(Arc::new(Note("the reply is no gRPC"))),
            ..Self::facts(
                FailureKind::BadReply,
                Fault::Backend,
                Retry::Never,
                code::of_foreign_status(status),
            )
        }
        .into()
    }

    /// An invariant of ours that does not hold.
    pub fn bug(what: &'static str) -> Self {
        Facts {
            source: Some(Arc::new(Note(what))),
            ..Self::facts(FailureKind::Bug, Fault::Gateway, Retry::Never, Code::Internal)
        }
        .into()
    }

    /// No connection could be made, or the one that was there had gone before anything was sent.
    pub fn connect(source: impl Error + Send + Sync + 'static) -> Self {
        Facts {
            source: Some(Arc::new(source)),
            ..Self::facts(FailureKind::Connect, Fault::Backend, Retry::Always, Code::Unavailable)
        }
        .into()
    }

    /// The connection was lost, and the request may have arrived.
    pub fn connection(source: impl Error + Send + Sync + 'static) -> Self {
        Facts {
            source: Some(Arc::new(source)),
            ..Self::facts(
                FailureKind::Connection,
                Fault::Backend,
                Retry::IfIdempotent,
                Code::Unavailable,
            )
        }
        .into()
    }

    /// The backend has as many calls as it may have, and as many wait.
    pub fn crowded() -> Self {
        Self::facts(FailureKind::Crowded, Fault::Backend, Retry::Never, Code::Unavailable).into()
    }

    /// Out of time.
    pub fn deadline() -> Self {
        Self::facts(
            FailureKind::Deadline,
            Fault::Backend,
            Retry::Never,
            Code::DeadlineExceeded,
        )
        .into()
    }

    /// An expression that failed (semantics.md 3.5).
    pub fn expression(fault: expr::Fault, origin: Option<Origin>) -> Self {
        if fault.is_of_reply() {
            // What a backend promised and did not keep is its failure, found where it was read (semantics.md 3.5).
            return Facts {
                origin,
                source: Some(Arc::new(fault)),
                ..Self::facts(FailureKind::BadReply, Fault::Backend, Retry::Never, Code::Internal)
            }
            .into();
        }
        Facts {
            origin,
            source: Some(Arc::new(fault)),
            ..Self::facts(FailureKind::Expression, Fault::Gateway, Retry::Never, Code::Internal)
        }
        .into()
    }

    /// An HTTP backend's 4xx or 5xx, and its own text.
    pub fn http_status(status: StatusCode, message: String) -> Self {
        let retry = if status == StatusCode::SERVICE_UNAVAILABLE {
            Retry::IfIdempotent
        } else {
            Retry::Never
        };
        Facts {
            http_status: Some(status),
            message,
            ..Self::facts(
                FailureKind::HttpStatus,
                Fault::Backend,
                retry,
                code::of_http_status(status),
            )
        }
        .into()
    }

    /// More calls or elements than a request may have.
    pub fn limit(what: &'static str) -> Self {
        Facts {
            source: Some(Arc::new(Note(what))),
            ..Self::facts(FailureKind::Limit, Fault::Gateway, Retry::Never, Code::Internal)
        }
        .into()
    }

    /// The backend has no targets at the moment.
    pub fn no_target() -> Self {
        Self::connect(Note("the backend has no targets"))
    }

    /// The token that the backend's calls carry could not be had, and nobody asks for it again for this long. `why` is one
    /// sentence without values.
    pub fn no_token(why: &'static str, pause: Option<Duration>) -> Self {
        Facts {
            source: Some(Arc::new(Note(why))),
            pushback: pause.map(Pushback::After),
            ..Self::facts(FailureKind::NoToken, Fault::Backend, Retry::Never, Code::Unavailable)
        }
        .into()
    }

    /// The call usually takes longer than what is left.
    pub fn not_begun() -> Self {
        Self::facts(
            FailureKind::NotBegun,
            Fault::Backend,
            Retry::Never,
            Code::DeadlineExceeded,
        )
        .into()
    }

    /// The breaker is open, for this long at least.
    pub fn open(left: Duration) -> Self {
        Facts {
            pushback: Some(Pushback::After(left)),
            ..Self::facts(FailureKind::Open, Fault::Backend, Retry::Never, Code::Unavailable)
        }
        .into()
    }

    /// A redirect, or another status that is neither success nor error.
    pub fn redirect(status: StatusCode) -> Self {
        Facts {
            http_status: Some(status),
            ..Self::facts(FailureKind::Redirect, Fault::Backend, Retry::Never, Code::Unknown)
        }
        .into()
    }

    /// The backend refused the request unseen: `REFUSED_STREAM`, or a GOAWAY that does not cover it.
    pub fn refused(source: impl Error + Send + Sync + 'static) -> Self {
        Facts {
            source: Some(Arc::new(source)),
            ..Self::facts(FailureKind::Refused, Fault::Backend, Retry::Always, Code::Unavailable)
        }
        .into()
    }

    /// A reply larger than `max_message`.
    pub fn reply_too_large() -> Self {
        Self::facts(FailureKind::ReplyTooLarge, Fault::Backend, Retry::Never, Code::Internal).into()
    }

    /// A `require` that does not hold.
    pub fn require(otherwise: Otherwise, detail: Option<String>, origin: Origin) -> Self {
        let (code, http_status) = match otherwise {
            Otherwise::Code(code) => (code, None),
            Otherwise::Status(status) => (code::of_http_status(status), Some(status)),
        };
        Facts {
            http_status,
            detail,
            origin: Some(origin),
            ..Self::facts(FailureKind::Require, Fault::Client, Retry::Never, code)
        }
        .into()
    }

    /// A response larger than allowed.
    pub fn response_too_large() -> Self {
        Self::facts(
            FailureKind::ResponseTooLarge,
            Fault::Gateway,
            Retry::Never,
            Code::Internal,
        )
        .into()
    }

    /// A gRPC backend's code other than OK, its text and its `grpc-status-details-bin`.
    pub fn status(code: Code, message: String, details: Bytes) -> Self {
        let retry = if code == Code::Unavailable {
            Retry::IfIdempotent
        } else {
            Retry::Never
        };
        Facts {
            message,
            details,
            ..Self::facts(FailureKind::Status, Fault::Backend, retry, code)
        }
        .into()
    }

    /// The same failure with its place in the composition, where it has none yet.
    #[must_use]
    pub fn at(self, origin: &Origin) -> Self {
        if self.origin.is_some() {
            return self;
        }
        let mut facts = Arc::unwrap_or_clone(self.0);
        facts.origin = Some(origin.clone());
        facts.into()
    }

    /// The same failure with what the backend says of trying again.
    #[must_use]
    pub fn pushed_back(self, pushback: Option<Pushback>) -> Self {
        if pushback.is_none() {
            return self;
        }
        let mut facts = Arc::unwrap_or_clone(self.0);
        facts.pushback = pushback;
        facts.into()
    }

    /// Whether it says that the backend is in trouble, and not only that it did not like the request.
    pub fn is_trouble(&self) -> bool {
        match self.kind {
            FailureKind::BadReply | FailureKind::Connect | FailureKind::Connection | FailureKind::Deadline => true,
            FailureKind::HttpStatus => self.http_status.is_some_and(|it| it.is_server_error()),
            FailureKind::Status => matches!(
                self.code,
                Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable | Code::DataLoss
            ),
            _ => false,
        }
    }

    /// Whether it says nothing of what was asked for, so that an earlier reply may still be true (RFC 5861 §4; and 429).
    pub fn is_no_answer(&self) -> bool {
        let status = self.usual_status();
        status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Why the gateway did not even ask, in a word; `None` where it did.
    pub fn kept_back(&self) -> Option<&'static str> {
        match self.kind {
            FailureKind::Crowded => Some("crowded"),
            FailureKind::NoToken => Some("no_token"),
            FailureKind::NotBegun => Some("not_begun"),
            FailureKind::Open => Some("breaker_open"),
            _ => None,
        }
    }

    /// Whether the backend wants to be shown another credential: 401, UNAUTHENTICATED.
    pub fn is_unauthenticated(&self) -> bool {
        match self.kind {
            FailureKind::HttpStatus => self.http_status == Some(StatusCode::UNAUTHORIZED),
            FailureKind::Status => self.code == Code::Unauthenticated,
            _ => false,
        }
    }

    /// Whether the gateway kept it back itself.
    pub fn is_ours(&self) -> bool {
        self.kept_back().is_some()
    }

    /// Whether the backend, asked once more, may answer: it failed itself, and is not kept from us by our own limits.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Connect
                | FailureKind::Connection
                | FailureKind::HttpStatus
                | FailureKind::Refused
                | FailureKind::Status
        )
    }

    /// Whether the backend never looked at the request.
    pub fn is_unseen(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Crowded | FailureKind::Open | FailureKind::Refused
        )
    }

    /// The status that stands for this failure before anybody rewords it: an HTTP backend's own, else the code's.
    pub fn usual_status(&self) -> StatusCode {
        self.http_status.unwrap_or_else(|| code::http_status(self.code))
    }
}

impl Deref for Failure {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl From<Facts> for Failure {
    fn from(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A source that is only a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Note(&'static str);
