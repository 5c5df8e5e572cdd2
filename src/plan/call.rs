//! Calls, the graphs that they stand in, and what they wait for.
//!
//! Owns what is sent and how replies are read; when a call runs follows from its needs alone.
//! Invariant: the needs of a graph's calls have no cycle.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};

use super::{BackendIndex, CallCache, CallIndex, ErrorRule, FragmentIndex, Mention, Origin, Policy, Template};
use crate::codec::{HttpBinding, Selection};
use crate::expr::{Encoder, JsonReader, Program, ReplyReader, Slot, Type};
use crate::schema::MessageRef;

/// A fragment: a function of its `with` values.
#[derive(Debug)]
pub struct Fragment {
    /// Its name.
    pub name: Arc<str>,
    /// Its inputs take the first slots, in this order.
    pub params: Vec<Arc<str>>,
    /// The calls. Its base is slot 0, inputs included.
    pub graph: Graph,
    /// What it gives.
    pub result: Template,
    /// The type of that.
    pub ty: Type,
    /// What `result` mentions, and where.
    pub mentions: Vec<Mention>,
    /// Changes with everything that its results can depend on besides its inputs.
    pub fingerprint: [u8; 32],
}

/// Calls of one scope, and what they wait for.
#[derive(Debug, Default)]
pub struct Graph {
    /// The first slot of the scope: its inputs or its loop variable, then its calls.
    pub base: Slot,
    /// How many slots the scope has.
    pub n_slots: u32,
    /// The calls, in written order.
    pub calls: Vec<Call>,
    /// `require:`, in written order.
    pub require: Vec<Require>,
    /// `$used_fields()` of its calls.
    pub masks: Vec<Mask>,
}

/// Where the request of a call names the fields of the reply that are used.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The call.
    pub call: CallIndex,
    /// Where the google.protobuf.FieldMask goes.
    pub slot: Slot,
    /// The mask, as its wire bytes.
    pub wire: Bytes,
}

/// What something waits for: a call of this graph (level 0) or of one around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dependency {
    /// How many graphs up.
    pub level: usize,
    /// The call there.
    pub call: CallIndex,
}

/// One named request to a backend, or a named value.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the language page, or follows from one"
)]
pub struct Call {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: CallKind,
    /// Where its result goes; null where it was not made, or failed and is optional.
    pub slot: Slot,
    /// Where `error(call)` goes, if anybody asks.
    pub error_slot: Option<Slot>,
    /// When it starts.
    pub start: Start,
    /// What it waits for: what its keys mention, and `after`.
    pub needs: Vec<Dependency>,
    /// `when:`.
    pub when: Option<Condition>,
    /// Its own time, capped by the deadline; `None` for values and `compose`/`for` without one.
    pub timeout: Option<Duration>,
    /// Failure makes it null.
    pub optional: bool,
    /// Used in place of a failure.
    pub fallback: Option<Fallback>,
    /// The last good reply is used in place of a failure that is no answer; means something only where something is sent.
    pub stale: bool,
    /// `cache:`.
    pub cache: Option<CallCache>,
    /// Changes nothing: may be cancelled, merged, cached (semantics.md 4.6).
    pub safe: bool,
    /// How it is sent; means something only where something is.
    pub policy: Policy,
    /// Made although nobody reads it, after every `require` that does not mention it.
    pub effect: bool,
    /// `index_by:`, in place of the reply, which it reads in the call's own slot.
    pub index_by: Option<Program>,
    /// Failures in other words.
    pub errors: Vec<ErrorRule>,
    /// Forwards the client's own credential, so that its 401 and 403 are the client's (semantics.md 3.6).
    pub forwards_credential: bool,
    /// What its keys mention, `fallback` and `after` included, and where.
    pub mentions: Vec<Mention>,
    /// Where it was written.
    pub origin: Origin,
}

/// When a call starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As soon as what it needs is settled.
    Eager,
    /// When a fallback that mentions it is evaluated.
    OnFallback,
}

/// A condition and where it was written.
#[derive(Clone, Debug)]
pub struct Condition {
    /// A bool.
    pub program: Program,
    /// Where it was written.
    pub origin: Origin,
}

/// `fallback:`.
#[derive(Debug)]
pub struct Fallback {
    /// Gives a value of the call's type, or null.
    pub template: Template,
    /// What it mentions; a call among them that starts on fallback is made then.
    pub needs: Vec<Dependency>,
}

/// `require:`.
#[derive(Debug)]
pub struct Require {
    /// Must hold; null and failure count as false.
    pub that: Condition,
    /// What it waits for.
    pub needs: Vec<Dependency>,
    /// What the endpoint fails with.
    pub otherwise: Otherwise,
    /// `detail:`, text.
    pub detail: Option<Template>,
    /// What it mentions, and where.
    pub mentions: Vec<Mention>,
}

/// What a failing `require` makes of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// A gRPC code, with its HTTP status.
    Code(tonic::Code),
    /// An HTTP status.
    Status(StatusCode),
}

impl Otherwise {
    /// The status of the problem.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Code(code) => super::code::http_status(code),
            Self::Status(status) => status,
        }
    }
}

/// What a call is.
#[derive(Debug)]
pub enum CallKind {
    /// A fragment, with the values of its inputs in order.
    Compose {
        /// Which.
        fragment: FragmentIndex,
        /// Its inputs.
        with: Vec<Template>,
    },
    /// The same graph for every element.
    For(Box<For>),
    /// A unary gRPC call.
    Grpc(Box<GrpcCall>),
    /// An HTTP call.
    Http(Box<HttpCall>),
    /// A named value.
    Value(Template),
}

/// A `for` call.
#[derive(Debug)]
pub struct For {
    /// The list, or JSON that must be one; null is empty.
    pub list: Program,
    /// Where the element goes: the first slot of `graph`.
    pub slot: Slot,
    /// Calls in flight at once under this call.
    pub max_concurrency: usize,
    /// What is done for each.
    pub graph: Graph,
    /// What each gives.
    pub result: Template,
    /// What `result` mentions: calls of `graph` (level 0), and calls around it (level 1 and up).
    pub needs: Vec<Dependency>,
    /// What `result` mentions, and where.
    pub mentions: Vec<Mention>,
}

/// A unary gRPC call.
#[derive(Debug)]
pub struct GrpcCall {
    /// The backend.
    pub backend: BackendIndex,
    /// `/shop.v1.Catalog/GetProduct`.
    pub path: Arc<str>,
    /// `shop.v1.Catalog/GetProduct`, for logs.
    pub method: Arc<str>,
    /// What is sent.
    pub request: GrpcRequest,
    /// The type of what is sent.
    pub input: MessageRef,
    /// gRPC metadata; null leaves one out.
    pub headers: Vec<Header>,
    /// The type of the reply as it is sent; [`Call::slot`]'s type is `index_by`'s where there is one.
    pub reply: MessageRef,
    /// Reply bytes → value; refuses what does not decode.
    pub reader: ReplyReader,
    /// When a reply that does not decode is refused.
    pub check: ReplyCheck,
}

/// When a reply that does not decode is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyCheck {
    /// Before anything reads it.
    OnArrival,
    /// While the response renders it whole, which nothing else does.
    WhenRendered,
}

/// What a gRPC call sends.
#[derive(Debug)]
pub enum GrpcRequest {
    /// Bound from the HTTP request, as google.api.http says.
    Bound(Arc<HttpBinding>),
    /// A template, evaluated and encoded.
    Template {
        /// Gives the value.
        template: Template,
        /// Writes it.
        encoder: Encoder,
    },
}

/// A header that is sent.
#[derive(Debug)]
pub struct Header {
    /// Its name, lower case.
    pub name: HeaderName,
    /// Text, or bytes for `-bin`; null leaves it out.
    pub value: Template,
}

/// An HTTP call.
#[derive(Debug)]
pub struct HttpCall {
    /// The backend.
    pub backend: BackendIndex,
    /// The method.
    pub method: Method,
    /// The path, in parts.
    pub path: Vec<PathPart>,
    /// Query parameters in order; a list is one for each element, null leaves it out.
    pub query: Vec<(Arc<str>, Template)>,
    /// Headers; null leaves one out.
    pub headers: Vec<Header>,
    /// The body, sent as JSON; bytes as they are.
    pub body: Option<Template>,
    /// What is asked for and how it is read.
    pub accept: Accept,
    /// What a schema says of the reply; none where nothing is known.
    pub reply: Option<JsonReply>,
}

/// What a schema says of the reply of an HTTP call.
#[derive(Debug)]
pub struct JsonReply {
    /// Its type.
    pub ty: Type,
    /// Reads it; objects are looked at when their members are read.
    pub reader: JsonReader,
}

/// How the reply of an HTTP call is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Bytes.
    Bytes,
    /// JSON: `any`.
    Json,
    /// Text: `string`.
    Text,
    /// XML read as JSON: `any`.
    Xml,
}

/// A part of the path of an HTTP call (semantics.md 11.3).
#[derive(Debug)]
pub enum PathPart {
    /// Text as written, already encoded.
    Literal(Arc<str>),
    /// One segment, or text within one: percent-encoded.
    Segment(Program),
    /// A list that fills several segments.
    Segments(Program),
    /// Segments of the request's own path, from the first to before the second, as they came; only for `proxy:`.
    Own(usize, Option<usize>),
}

impl Call {
    /// Its failure is not that of what it is for.
    pub fn is_spared(&self) -> bool {
        self.optional || self.fallback.is_some() || self.stale
    }

    /// Every expression of its keys but `index_by`, and of what is in it; see [`Template::programs`].
    pub fn programs<'t>(&'t self, each: &mut dyn FnMut(&'t Program, Option<&'t Selection>)) {
        self.when.iter().for_each(|it| each(&it.program, None));
        self.fallback.iter().for_each(|it| it.template.programs(each));
        let tags = self.cache.iter().flat_map(|it| &it.tags);
        tags.for_each(|it| it.programs(each));
        match &self.kind {
            CallKind::Compose { with, .. } => with.iter().for_each(|it| it.programs(each)),
            CallKind::For(inner) => {
                each(&inner.list, None);
                inner.graph.calls.iter().for_each(|it| it.programs(each));
                inner.result.programs(each);
            }
            CallKind::Grpc(call) => {
                if let GrpcRequest::Template { template, .. } = &call.request {
                    template.programs(each);
                }
                call.headers.iter().for_each(|it| it.value.programs(each));
            }
            CallKind::Http(call) => {
                for part in &call.path {
                    if let PathPart::Segment(program) | PathPart::Segments(program) = part {
                        each(program, None);
                    }
                }
                call.query.iter().for_each(|(_, it)| it.programs(each));
                call.headers.iter().for_each(|it| it.value.programs(each));
                call.body.iter().for_each(|it| it.programs(each));
            }
            CallKind::Value(template) => template.programs(each),
        }
    }
}
