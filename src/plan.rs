//! As checked: names resolved to indexes, types known, every default filled in, expressions compiled, codecs chosen.
//!
//! The bridge between the wings: only `language::check` makes a [`Plan`], the runtime only reads it. Plain immutable data, no I/O.
//! Invariant: a plan is correct by construction; nothing in it has to be checked again.

mod auth;
mod backend;
mod call;
pub mod code;
mod credentials;
mod edge;
mod gate;
mod input;
mod mask;
mod mention;
mod proxy;
mod response;
mod template;
mod traffic;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;

use crate::schema::path_template::{PathTemplate, RouteTable};
use crate::tls;

pub use auth::{
    Access, Address, CREDENTIALS, Claim, ClaimRule, Fetch, Introspection, Keys, Provider, ProviderIndex, ProviderKind,
    Who, conform,
};
pub use backend::{
    Backend, Balance, Breaker, Budget, Codes, Consul, Dns, Ejection, Health, HealthCheck, Hedge, HedgeAfter, Keepalive,
    Kubernetes, KubernetesService, Limit, Policy, Protection, Protocol, Retry, Secret, Slow, Source, SourceKind,
    Target,
};
pub use call::{
    Accept, Call, CallKind, Condition, Dependency, Fallback, For, Fragment, Graph, GrpcCall, GrpcRequest, Header,
    HttpCall, JsonReply, Mask, Otherwise, PathPart, ReplyCheck, Require, Start,
};
pub use credentials::ClientCredentials;
pub use edge::{Compression, Cors, Origins, Site, Standing};
pub use gate::{ClientHeader, NetworkAccess, Networks, OfRequest, Period, Quota, Rate, RateLimit, Redis, Rule, Tiers};
pub use input::{Absent, Body, BodyMember, Constraint, GivenFields, Inputs, Location, Param, RequestPart};
pub use mask::Used;
pub use mention::{Mention, Mentioned};
pub use proxy::{Forward, Proxy};
pub use response::{
    CallCache, Cookie, EndpointCache, ErrorMatch, ErrorRule, Errors, Keep, Response, ResponseBody, Status,
};
pub use template::{Conversion, Item, Member, Spread, Template, TextPart};
pub use traffic::{Copied, Mirror, Portion, Split};
pub use walk::Listed;

/// Everything that is served.
#[derive(Debug)]
pub struct Plan {
    /// How the gateway itself is set up.
    pub settings: Settings,
    /// Whom we call, by [`BackendIndex`].
    pub backends: Vec<Backend>,
    /// Who says who clients are, by [`ProviderIndex`].
    pub auth: Vec<Provider>,
    /// What we serve, by [`EndpointIndex`].
    pub endpoints: Vec<Endpoint>,
    /// Which endpoint answers: the routes' values are endpoint indexes.
    pub routes: RouteTable<EndpointIndex>,
    /// Fragments, by [`FragmentIndex`]; one comes before those that compose it.
    pub fragments: Vec<Fragment>,
    /// Who may ask.
    pub access: NetworkAccess,
    /// How often one may ask, by [`LimitIndex`].
    pub rate_limits: Vec<RateLimit>,
    /// Those that count every request, whether an endpoint answers it or not.
    pub limits: Vec<LimitIndex>,
}

impl Plan {
    /// How an endpoint is answered; `None` where it waits for a backend, or the index belongs to another plan.
    pub fn recipe(&self, index: EndpointIndex) -> Option<&Recipe> {
        self.endpoints.get(index.0)?.recipe.as_ref().ok()
    }
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
    /// Names a rate limit of a [`Plan`].
    LimitIndex,
    /// Names a call of one [`Graph`].
    CallIndex,
    /// Names a method of one [`Backend`].
    MethodIndex
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
    /// `None` where connections are not secured.
    pub admin_tls: Option<tls::Server>,
    /// `None` where connections are not secured.
    pub tls: Option<tls::Server>,
    /// The networks whose connections begin with a header of the PROXY protocol, which all do then.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// `None` where pages of other origins get nothing.
    pub cors: Option<Cors>,
    /// `None` where responses are sent as they are.
    pub compression: Option<Compression>,
    /// Headers that every response has, unless it has one of that name.
    pub headers: Vec<Standing>,
    pub max_headers: usize,
    pub max_header_count: usize,
    pub max_uri: usize,
    pub max_body: usize,
    pub max_connections: usize,
    /// Of one address; `None` is as many as there may be of all.
    pub max_connections_per_address: Option<usize>,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub max_in_flight: usize,
    pub max_for_elements: usize,
    pub cache_memory: u64,
    /// What all gateways share; `None` where each is alone.
    pub redis: Option<Redis>,
    pub log_json: bool,
    pub log_level: String,
    pub access_log: AccessLog,
    pub audit_log: AuditLog,
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

/// Which decisions about who may ask are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditLog {
    /// Each.
    #[default]
    All,
    /// None.
    None,
    /// Refusals.
    Refused,
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
    /// Who may ask.
    pub access: Access,
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
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Recipe {
    /// For the whole request.
    pub timeout: Duration,
    /// How often it may be asked for: counted before anybody is asked who they are.
    pub limits: Vec<LimitIndex>,
    /// The same, by who asks: counted once that is known.
    pub limits_by_claim: Vec<LimitIndex>,
    /// What is read from the request; their slots are the first of the frame.
    pub inputs: Inputs,
    /// `allow:`, over those inputs that do not come from the body: 403 where it is not true.
    pub allow: Option<Condition>,
    /// The calls. Its base is slot 0, inputs included.
    pub graph: Graph,
    /// What is said.
    pub response: Response,
    /// `select:`: a client may choose members of the response, which is JSON then, with `?fields=`.
    pub select: bool,
    /// A call of it may change something.
    pub changes: bool,
    /// `cache:`.
    pub cache: Option<EndpointCache>,
    /// Mentions claims, cookies, `remote_ip` or credentials (semantics.md 5.5).
    pub identity: bool,
    /// What is kept of it is for one client: it mentions identity, or not everybody may ask.
    pub private: bool,
    /// Names for `Vary`, lower case, sorted (5.6).
    pub vary: Vec<HeaderName>,
    /// How failures are shown.
    pub errors: Errors,
    /// `deprecated:`, ready to send.
    pub deprecated: Vec<(HeaderName, HeaderValue)>,
    /// `proxy:`: the request is handed over in place of a response of its own, once every `require` held.
    pub proxy: Option<Proxy>,
    /// The backends without which there is no answer, each with the call of its graph that asks for it first.
    pub required: Vec<(CallIndex, BackendIndex)>,
    /// The backends with `split:` that it calls: what it answers depends on whom they stand for.
    pub splits: Vec<BackendIndex>,
}
