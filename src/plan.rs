//! As checked: names resolved to indexes, types known, every default filled in, expressions compiled, codecs chosen.
//!
//! The bridge between the wings: only `language::check` makes a [`Plan`], the runtime only reads it. Plain immutable data, no I/O.
//! Invariant: a plan is correct by construction; nothing in it has to be checked again.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use regex::Regex;

use crate::codec::{HttpBinding, ToJson};
use crate::expr::{Encoder, JsonReader, Program, Renderer, ReplyReader, Slot, Type, Value};
use crate::schema::path_template::{PathTemplate, RouteTable};
use crate::schema::{MessageRef, Schema};

/// Everything that is served.
#[derive(Debug)]
pub struct Plan {
    /// How the gateway itself is set up.
    pub settings: Settings,
    /// Whom we call, by [`BackendIndex`].
    pub backends: Vec<Backend>,
    /// What we serve, by [`EndpointIndex`].
    pub endpoints: Vec<Endpoint>,
    /// Which endpoint answers: the routes' values are endpoint indexes.
    pub routes: RouteTable<EndpointIndex>,
    /// Fragments, by [`FragmentIndex`]; one comes before those that compose it.
    pub fragments: Vec<Fragment>,
}

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub usize);
    )*};
}
index!(
    /// Names a backend of a [`Plan`].
    BackendIndex,
    /// Names an endpoint of a [`Plan`].
    EndpointIndex,
    /// Names a fragment of a [`Plan`].
    FragmentIndex,
    /// Names a call of one [`Graph`].
    CallIndex
);

/// Where something was written, for logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file as the user gave it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

/// How the gateway itself is set up; every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the gateway file's keys")]
pub struct Settings {
    pub listen: Vec<String>,
    /// Threads that serve; `None` is one for each core.
    pub workers: Option<usize>,
    pub admin_listen: String,
    pub max_headers: usize,
    pub max_body: usize,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub max_in_flight: usize,
    pub max_for_elements: usize,
    pub cache_memory: u64,
    pub log_json: bool,
    pub log_level: String,
    pub access_log: AccessLog,
    pub drain: Duration,
}

/// Which requests get a line in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Every request.
    All,
    /// Only those that failed or were degraded.
    Errors,
    /// None.
    None,
}

/// Whom we call.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name.
    pub name: Arc<str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is.
    pub targets: Vec<Target>,
    /// Sent with each call.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one call, where the call does not say.
    pub timeout: Duration,
    /// Largest reply, bytes.
    pub max_message: usize,
    /// Its types; `None` for HTTP backends, and where descriptors are still missing.
    pub schema: Option<Arc<Schema>>,
}

/// What a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// HTTP/1.1.
    Http,
}

/// One address of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `host:port`, as sent in `:authority`.
    pub authority: Arc<str>,
    /// Host or address.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

/// Method and path that we serve.
#[derive(Debug)]
pub struct Endpoint {
    /// `GET /pages/products/{id}`: in logs and metrics.
    pub name: Arc<str>,
    /// `None` takes every method.
    pub method: Option<Method>,
    /// The path.
    pub template: PathTemplate,
    /// `summary:`.
    pub summary: Option<Arc<str>>,
    /// Where it was written.
    pub origin: Origin,
    /// How it is answered.
    pub recipe: Result<Recipe, Waiting>,
}

/// An endpoint that cannot be checked until a backend has said what it serves: 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The backend whose descriptors are missing.
    pub backend: Arc<str>,
}

/// How an endpoint is answered.
#[derive(Debug)]
pub struct Recipe {
    /// For the whole request.
    pub timeout: Duration,
    /// What is read from the request; their slots are the first of the frame.
    pub inputs: Inputs,
    /// The calls. Its base is slot 0, inputs included.
    pub graph: Graph,
    /// What is said.
    pub response: Response,
    /// `cache:`.
    pub cache: Option<EndpointCache>,
    /// Mentions claims, cookies, `remote_ip` or credentials (semantics.md 5.5).
    pub identity: bool,
    /// Names for `Vary`, lower case, sorted (5.6).
    pub vary: Vec<HeaderName>,
    /// How failures are shown.
    pub errors: Errors,
    /// `deprecated:`, ready to send.
    pub deprecated: Vec<(HeaderName, HeaderValue)>,
}

/// What is read from a request.
#[derive(Debug, Default)]
pub struct Inputs {
    /// How many slots the inputs take.
    pub n_slots: u32,
    /// Params, in declared order, then undeclared path variables.
    pub params: Vec<Param>,
    /// The body.
    pub body: Body,
    /// Parts of the request that expressions mention.
    pub request: Vec<(RequestPart, Slot)>,
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
    Bound,
    /// JSON, of which these members are mentioned; any other is a 400.
    Members(Vec<BodyMember>),
    /// Not read.
    #[default]
    None,
    /// JSON as a whole.
    Whole {
        /// Where it goes.
        slot: Slot,
        /// Reads it as a message, or as `any`.
        reader: JsonReader,
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
    /// ttl of `cache:`.
    pub cache: Option<Duration>,
    /// Changes nothing: may be cancelled, merged, cached (semantics.md 4.6).
    pub safe: bool,
    /// Made although nobody reads it, after every `require` that does not mention it.
    pub effect: bool,
    /// `index_by:`, in place of the reply, which it reads in the call's own slot.
    pub index_by: Option<Program>,
    /// Failures in other words.
    pub errors: Vec<ErrorRule>,
    /// Forwards the client's own credential, so that its 401 and 403 are the client's (semantics.md 3.6).
    pub forwards_credential: bool,
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
}

/// What a failing `require` makes of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// A gRPC code, with its HTTP status.
    Code(tonic::Code),
    /// An HTTP status.
    Status(StatusCode),
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
    /// The list; null is empty.
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
    /// gRPC metadata; null leaves one out.
    pub headers: Vec<Header>,
    /// The type of the reply as it is sent; [`Call::slot`]'s type is `index_by`'s where there is one.
    pub reply: MessageRef,
    /// Reply bytes → value; refuses what does not decode.
    pub reader: ReplyReader,
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
}

/// Literal JSON, expressions and text, nested.
#[derive(Debug)]
pub enum Template {
    /// A value that is known.
    Constant {
        /// As JSON.
        json: Box<[u8]>,
        /// As a value.
        value: Value,
    },
    /// A template whose value is wanted in another form than its own. Rendered, it is the inner template.
    Convert {
        /// Gives the value.
        template: Box<Template>,
        /// The form.
        into: Conversion,
        /// Where it was written.
        origin: Origin,
    },
    /// One expression.
    Expression {
        /// Gives the value.
        program: Program,
        /// Writes it as JSON.
        renderer: Renderer,
        /// Where it was written.
        origin: Origin,
    },
    /// `$for`.
    For {
        /// The list; null is empty.
        list: Program,
        /// Where the element goes.
        slot: Slot,
        /// `$if`.
        condition: Option<Program>,
        /// What each gives.
        each: Box<Template>,
        /// Where it was written.
        origin: Origin,
    },
    /// `[…]`.
    List(Vec<Item>),
    /// `{…}`, in written order; of two with one name only the later is here, as far as names are known.
    Object(Vec<Member>),
    /// Text with expressions in it.
    Text {
        /// Its parts, each a string.
        parts: Vec<TextPart>,
        /// Where it was written.
        origin: Origin,
    },
}

/// The form that a [`Template::Convert`] gives a value.
#[derive(Debug)]
pub enum Conversion {
    /// [`Value::Json`], the inner template rendered: for places of type `any`. A null stays null.
    Json,
    /// [`Value::Message`], for places of a message type. A null stays null.
    Message(Encoder),
}

/// An element of a list template.
#[derive(Debug)]
pub struct Item {
    /// `$if`.
    pub condition: Option<Program>,
    /// The element.
    pub template: Template,
}

/// A member of an object template.
#[derive(Debug)]
pub enum Member {
    /// `name: …`.
    Field {
        /// Its name.
        name: Arc<str>,
        /// `"name":`, escaped.
        key: Box<[u8]>,
        /// `$if`.
        condition: Option<Program>,
        /// Its value.
        template: Template,
    },
    /// `...: $x`; null is nothing.
    Spread {
        /// Gives an object, a message or JSON.
        program: Program,
        /// How its members are written.
        members: Spread,
        /// Names that a later member of the same object writes again.
        except: Vec<Arc<str>>,
        /// Where it was written.
        origin: Origin,
    },
}

/// How spread members are written.
#[derive(Debug)]
pub enum Spread {
    /// JSON: an object, checked when it runs.
    Json,
    /// A message; what a later member writes again is not in the program. Only where the template is rendered: where its
    /// value is wanted, the fields are members of their own.
    Message(Arc<ToJson>),
    /// An object: a renderer for each member.
    Object(Vec<(Arc<str>, Renderer)>),
}

/// A part of a text.
#[derive(Debug)]
pub enum TextPart {
    /// Gives a string.
    Hole(Program),
    /// Text between.
    Literal(Arc<str>),
}

/// What is said.
#[derive(Debug)]
pub struct Response {
    /// The body.
    pub body: ResponseBody,
    /// The status.
    pub status: Status,
    /// Headers; null leaves one out.
    pub headers: Vec<Header>,
    /// Cookies.
    pub cookies: Vec<Cookie>,
    /// What the body, status, headers and cookies mention.
    pub needs: Vec<Dependency>,
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
    /// [`GrpcRequest::Bound`], the bytes of its request belong to the key too.
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
