//! Backends: where they are, and how much is asked of them when they are in trouble.
//!
//! Owns settings only; what is done with them is `runtime::backend`'s.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tonic::Code;

use super::{BackendIndex, ClientCredentials, MethodIndex, Mirror, OfRequest, Split};
use crate::schema::Schema;
use crate::tls;

/// Whom we call.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name.
    pub name: Arc<str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is, as far as the gateway file says so itself.
    pub targets: Vec<Target>,
    /// Who says where it is besides.
    pub sources: Vec<Source>,
    /// The gateway's own zone.
    pub zone: Option<Arc<str>>,
    /// How connections are secured; `None` where they are not. All targets are the same in this.
    pub tls: Option<tls::Client>,
    /// Sent with each call.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The token that each call carries.
    pub auth: Option<ClientCredentials>,
    /// For one call, where the call does not say.
    pub timeout: Duration,
    /// Largest reply, bytes.
    pub max_message: usize,
    /// How targets are chosen.
    pub balance: Balance,
    /// What [`Balance::Hash`] goes by.
    pub hash: Option<Arc<OfRequest>>,
    /// How targets are watched.
    pub health: Health,
    /// When connections to gRPC targets are asked whether they live; `None` is only where there is a doubt.
    pub keepalive: Option<Keepalive>,
    /// Who is asked in its place where none of its targets is fit.
    pub failover: Option<BackendIndex>,
    /// `split:`: it has no targets, and each request goes to one of others.
    pub split: Option<Arc<Split>>,
    /// `mirror:`.
    pub mirror: Option<Arc<Mirror>>,
    /// How it is kept from trouble, and trouble from us.
    pub protection: Protection,
    /// What is called there, by [`MethodIndex`]: `shop.v1.Catalog/GetProduct`, `GET /v2/products/{}`.
    pub methods: Vec<Arc<str>>,
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
    /// Its share of the calls, in proportion to the others' weights; at least 1.
    pub weight: u32,
    /// The failure zone that it stands in.
    pub zone: Option<Arc<str>>,
    /// Only asked where those with a lower number do not serve (RFC 2782).
    pub priority: u16,
}

/// Somebody who says where a backend is, and says it again where that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As written: `dns+http://shop:50051`.
    pub written: Arc<str>,
    /// Who.
    pub kind: SourceKind,
    /// The weights of its targets are times this.
    pub weight: u32,
    /// The zone of those targets of which it says none.
    pub zone: Option<Arc<str>>,
}

/// Who says where a backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A and AAAA records: each address is a target.
    Dns {
        /// The name that is looked up, and stands in `:authority`.
        host: Arc<str>,
        /// The port of all of them.
        port: u16,
        /// Who is asked, and how often.
        dns: Dns,
    },
    /// SRV records (RFC 2782), and the addresses of the hosts that they name.
    Srv {
        /// `_grpc._tcp.shop`.
        name: Arc<str>,
        /// Who is asked, and how often.
        dns: Dns,
    },
    /// A file with a list of targets.
    File {
        /// Where it is.
        path: std::path::PathBuf,
        /// Its targets may be written `https://`: all of the backend are reached over TLS.
        secure: bool,
    },
    /// A service of Consul.
    Consul {
        /// Its name.
        service: Arc<str>,
        /// Who is asked.
        consul: Consul,
    },
    /// A service of Kubernetes.
    Kubernetes(KubernetesService),
}

/// A service of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesService {
    /// Its name.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The name of its port, or the port's number at the endpoints.
    pub port: Arc<str>,
    /// Who is asked.
    pub kubernetes: Kubernetes,
}

/// `discovery: { consul }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consul {
    /// `http://127.0.0.1:8500`.
    pub address: Arc<str>,
    /// Who we are there.
    pub token: Option<Secret>,
    /// Whose certificates are trusted there; `None` is whom the system trusts.
    pub ca_file: Option<std::path::PathBuf>,
    /// The datacenter; Consul's own where it is `None`.
    pub datacenter: Option<Arc<str>>,
}

/// `discovery: { kubernetes }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// `https://kubernetes.default.svc`.
    pub address: Arc<str>,
    /// Who we are there.
    pub token_file: std::path::PathBuf,
    /// Whose certificates are trusted there.
    pub ca_file: std::path::PathBuf,
}

/// Text that nobody is to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// `discovery: { dns }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Who is asked; empty is who the system asks.
    pub servers: Vec<std::net::SocketAddr>,
    /// An answer counts at least so long.
    pub min_ttl: Duration,
    /// And at most so long.
    pub max_ttl: Duration,
}

/// `balance:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Of two at random the one that would answer sooner.
    Ewma,
    /// The same for requests of which [`Backend::hash`] gives the same.
    Hash,
    /// Of two at random the one with fewer calls under way.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
}

/// `health:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When a target is out of service for a while; `None` is never.
    pub ejection: Option<Ejection>,
    /// How targets are asked how they are; `None` where they are not.
    pub check: Option<HealthCheck>,
}

/// `eject:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// So many calls in a row failed.
    pub failures: u32,
    /// The first time; each further time soon after is longer by as much.
    pub length: Duration,
}

/// How targets are asked how they are: grpc.health.v1 `Check` or `Watch`, or GET of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// For HTTP.
    pub path: Arc<str>,
    /// For gRPC: by `Watch`, so that they say themselves when it changes; by `Check` where they do not know that.
    pub watch: bool,
}

/// `keepalive:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// From one ping to the next.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// What is shared by all calls of one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Protection {
    /// When it is not asked any more, for each method; `None` where it is always asked.
    pub breaker: Option<Breaker>,
    /// How many calls at once; `None` is any number.
    pub limit: Option<Limit>,
    /// How many calls may be made twice.
    pub budget: Budget,
}

/// `breaker:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// It opens where this part of the calls failed, percent.
    pub failures: u32,
    /// Where calls that are slow count too.
    pub slow: Option<Slow>,
    /// The calls that count: those that ended so long ago at most.
    pub window: Duration,
    /// Fewer calls say nothing.
    pub min_calls: u32,
    /// How long nothing is asked.
    pub open_for: Duration,
    /// Calls that are made then; it closes when all of them went well.
    pub probes: u32,
}

/// `slow:` of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// It opens where this part of the calls was slow, percent.
    pub calls: u32,
    /// A slow call takes longer.
    pub over: Duration,
}

/// `limit:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls at once, over all workers.
    pub concurrency: u32,
    /// Calls that wait for a place.
    pub queue: u32,
    /// `concurrency` is the most; how many there are follows from how long they take.
    pub adaptive: bool,
}

/// `budget:` of retries and hedges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// This part of the calls may be made twice, percent.
    pub percent: u32,
    /// And so many a second, whatever is called.
    pub min_per_second: u32,
    /// How long a call pays for a retry.
    pub ttl: Duration,
}

/// How one call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its method, for breaker and usual time.
    pub method: MethodIndex,
    /// `None` where the call may change something twice, or nobody wants it repeated.
    pub retry: Option<Retry>,
    /// `None` where the call may change something twice, or nobody wants it hedged.
    pub hedge: Option<Hedge>,
    /// It changes nothing.
    pub safe: bool,
}

/// `retry:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// At most, the first included.
    pub attempts: u32,
    /// What is worth another attempt.
    pub codes: Codes,
    /// The longest pause before the second attempt; before each further one it is twice as long.
    pub backoff: Duration,
}

/// A set of gRPC codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes(u32);

/// `hedge:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// When the second attempt begins.
    pub after: HedgeAfter,
}

/// When a hedge begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// After the time within which this part of the method's replies came lately, percent.
    Percentile(u32),
    /// After this long.
    Time(Duration),
}

impl Backend {
    /// One that nothing is said of but where it is: plain HTTP/1.1 or HTTP/2, nothing kept from it, a second for each call,
    /// replies of up to 1 MiB.
    pub fn new(name: &str, protocol: Protocol, targets: Vec<Target>) -> Self {
        Self {
            name: name.into(),
            protocol,
            targets,
            sources: Vec::new(),
            zone: None,
            tls: None,
            headers: Vec::new(),
            timeout: Duration::from_secs(1),
            max_message: 1 << 20,
            balance: Balance::default(),
            hash: None,
            health: Health::default(),
            keepalive: None,
            failover: None,
            split: None,
            mirror: None,
            auth: None,
            protection: Protection::default(),
            methods: Vec::new(),
            schema: None,
        }
    }

    /// Who else gets its calls: in its place, in part, or as well.
    pub fn others(&self) -> impl Iterator<Item = BackendIndex> + '_ {
        let parts = self.split.iter().flat_map(|it| &it.portions).map(|it| it.to);
        let mirror = self.mirror.iter().map(|it| it.to);
        self.failover.into_iter().chain(parts).chain(mirror)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            percent: 20,
            min_per_second: 10,
            ttl: Duration::from_secs(10),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            method: MethodIndex(0),
            retry: None,
            hedge: None,
            safe: false,
        }
    }
}

// === impl Secret ===

impl Secret {
    /// Hides it.
    pub fn new(text: Arc<str>) -> Self {
        Self(text)
    }

    /// To be sent to whom it is for, and nobody else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

// === impl Target ===

impl Target {
    /// A place like any other: weight 1, no zone, priority 0.
    pub fn new(authority: impl Into<Arc<str>>, host: impl Into<Arc<str>>, port: u16) -> Self {
        Self {
            authority: authority.into(),
            host: host.into(),
            port,
            weight: 1,
            zone: None,
            priority: 0,
        }
    }

    /// Whether both are the same place, whatever their weights are.
    pub fn is_same(&self, other: &Self) -> bool {
        self.port == other.port
            && self.host == other.host
            && self.authority == other.authority
            && self.zone == other.zone
            && self.priority == other.priority
    }

    /// Where it is reached: `10.0.0.1:50051`, `[::1]:50051`.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

// === impl Retry ===

impl Retry {
    /// The longest pause behind the attempt of this number, from 1.
    pub fn pause(&self, attempt: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(doubled)
    }
}

// === impl Codes ===

impl Codes {
    /// Only UNAVAILABLE.
    pub const UNAVAILABLE: Self = Self(1 << Code::Unavailable as u32);

    /// With one more code.
    #[must_use]
    pub fn with(self, code: Code) -> Self {
        Self(self.0 | 1 << code as u32)
    }

    /// Whether it has the code.
    pub fn contains(self, code: Code) -> bool {
        self.0 & 1 << code as u32 != 0
    }
}
