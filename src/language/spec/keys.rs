//! The vocabulary: every key of both kinds of file, where it may stand, what it holds, one line about it.
//!
//! The parser, the nearest-name help and the JSON Schema read this list; a key that is not in it does not exist.
//! A key that is promised for a later version is in it with [`Availability::Later`], and is refused by name.

mod list;

pub use self::list::{ALGORITHMS, KEYS, SIGNATURES};
use Place::{
    Access, Admin, AllOf, ApiKey, Backend, BackendAuth, BackendTls, Balance, Basic, Body, Breaker, Budget, CallCache,
    CallCompose, CallFor, CallGrpc, CallHttp, CallRetry, CallValue, Certificate, ClientCertificate, ClientCredentials,
    Compression, Consul, Cookie, Cors, Defaults, Deprecated, Descriptors, Discovery, Dns, Eject, Endpoint,
    EndpointCache, ErrorRule, Errors, Expose, Forward, Fragment, Gateway, Health, Hedge, Introspection, Json, Jwt,
    Keepalive, Kubernetes, Limit, Limits, Log, Mirror, Param, Provider, ProxyProtocol, RateLimit, Redis, Require,
    Retry, Shutdown, Signature, Signer, Slow, Split, Storage, Target, Telemetry, Tier, Tls,
};

/// A map with keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `access:` of weft.yaml.
    Access,
    /// `admin:` of weft.yaml.
    Admin,
    /// `auth: { all: […] }` of an endpoint.
    AllOf,
    /// `api_key:` of a provider.
    ApiKey,
    /// An entry of `backends:`.
    Backend,
    /// `auth:` of a backend.
    BackendAuth,
    /// `tls:` of a backend.
    BackendTls,
    /// `balance: {…}` of a backend.
    Balance,
    /// `basic:` of a provider.
    Basic,
    /// `body: {…}` of an endpoint.
    Body,
    /// `breaker:` of a backend.
    Breaker,
    /// `budget:` of `retry:`.
    Budget,
    /// `cache: {…}` of a call.
    CallCache,
    /// A call with `compose:`.
    CallCompose,
    /// A call with `for:` whose `calls:` and `response:` are nested.
    CallFor,
    /// A call with `grpc:`.
    CallGrpc,
    /// A call with `http:`.
    CallHttp,
    /// `retry:` of a call.
    CallRetry,
    /// A call with `value:`.
    CallValue,
    /// An entry of `certificates:`.
    Certificate,
    /// `consul:` of `discovery:`.
    Consul,
    /// `client_certificate:` of a provider.
    ClientCertificate,
    /// `client_credentials:` of a backend's `auth:`.
    ClientCredentials,
    /// `compression:` of weft.yaml.
    Compression,
    /// An entry of `cookies:`.
    Cookie,
    /// `cors:` of weft.yaml.
    Cors,
    /// `defaults:` of weft.yaml.
    Defaults,
    /// `deprecated:`.
    Deprecated,
    /// `descriptors: {…}` of a backend.
    Descriptors,
    /// `discovery:` of weft.yaml.
    Discovery,
    /// `dns:` of `discovery:`.
    Dns,
    /// `eject:` of `health:`.
    Eject,
    /// The root of a file with `endpoint:`.
    Endpoint,
    /// `cache: {…}` of an endpoint.
    EndpointCache,
    /// What a failure is said in.
    ErrorRule,
    /// `errors:` of an endpoint or of weft.yaml.
    Errors,
    /// `expose: {…}`.
    Expose,
    /// `forward:` of a `proxy`.
    Forward,
    /// The root of a file with `fragment:`.
    Fragment,
    /// The root of weft.yaml.
    Gateway,
    /// `health:` of a backend.
    Health,
    /// `hedge:`.
    Hedge,
    /// `introspection:` of a provider.
    Introspection,
    /// `json:`.
    Json,
    /// `keepalive:` of a backend.
    Keepalive,
    /// `kubernetes:` of `discovery:`.
    Kubernetes,
    /// `jwt:` of a provider.
    Jwt,
    /// `limit:` of a backend.
    Limit,
    /// `limits:` of weft.yaml.
    Limits,
    /// `telemetry: { log: {…} }`.
    Log,
    /// `mirror:` of a backend.
    Mirror,
    /// An entry of `params:`.
    Param,
    /// `proxy_protocol:` of weft.yaml.
    ProxyProtocol,
    /// An entry of `rate_limits:`, or one of `rate_limit:`.
    RateLimit,
    /// `redis:` of `cache:`.
    Redis,
    /// An entry of `auth:` of weft.yaml.
    Provider,
    /// An entry of `require:`.
    Require,
    /// `retry:` of a backend.
    Retry,
    /// `shutdown:` of weft.yaml.
    Shutdown,
    /// `signature:` of a provider.
    Signature,
    /// An entry of the file of keys of `signature:`.
    Signer,
    /// `slow:` of a breaker.
    Slow,
    /// An entry of `split:`.
    Split,
    /// `cache:` of weft.yaml.
    Storage,
    /// An entry of `grpc:` or `http:` of a backend.
    Target,
    /// `telemetry:` of weft.yaml.
    Telemetry,
    /// `tls:` of weft.yaml.
    Tls,
    /// An entry of `tiers:`, or `default:` beside it.
    Tier,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// `true` or `false`.
    Bool,
    /// An expression that gives a bool.
    Condition,
    /// `250ms`.
    Duration,
    /// One of these.
    Either(&'static [Self]),
    /// An expression.
    Expression,
    /// A whole number, in these bounds.
    Integer(u64, u64),
    /// A list of these.
    List(&'static Self),
    /// A scalar or a list of scalars, never an expression.
    Literal,
    /// `NAME in $LIST`.
    Loop,
    /// Names of the user's own, each with one of these.
    Map(&'static Self),
    /// `package.Service/Method`.
    Method,
    /// A name of section 10.
    Name,
    /// `null`.
    Null,
    /// The keys of a place.
    Object(Place),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `20%`.
    Percent,
    /// `10000/day`.
    Quota,
    /// `10/s`.
    Rate,
    /// A scalar that is not null.
    Scalar,
    /// `64KiB`.
    Size,
    /// JSON with expressions in it.
    Template,
    /// Text without expressions.
    Text,
    /// The version of the language.
    Version,
}

/// Whether this version carries a key out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// In a later version: refused by name.
    Later,
    /// In this one.
    Now,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// Where it may stand.
    pub places: &'static [Place],
    /// What it holds.
    pub form: Form,
    /// One line about it.
    pub doc: &'static str,
    /// Whether it is carried out.
    pub availability: Availability,
}

/// The key of a name at a place.
pub fn find(name: &str, place: Place) -> Option<&'static Key> {
    KEYS.iter().find(|it| it.name == name && it.places.contains(&place))
}

/// The keys that may stand at a place and are carried out.
pub fn names(place: Place) -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter(move |it| it.availability == Availability::Now && it.places.contains(&place))
        .map(|it| it.name)
}

// === impl Place ===

impl Place {
    /// In a sentence: "a `grpc:` call".
    pub fn words(self) -> &'static str {
        match self {
            Access => "`access`",
            Admin => "`admin`",
            AllOf => "`auth`",
            ApiKey => "`api_key`",
            Backend => "a backend",
            BackendAuth => "the `auth` of a backend",
            BackendTls => "the `tls` of a backend, an issuer or Redis",
            Balance => "`balance`",
            Basic => "`basic`",
            Body => "`body`",
            Breaker => "`breaker`",
            Budget => "`budget`",
            CallCache => "the `cache` of a call",
            CallCompose => "a `compose:` call",
            CallFor => "a `for:` call with nested `calls:`",
            CallGrpc => "a `grpc:` call",
            CallHttp => "an `http:` call",
            CallRetry => "the `retry` of a call",
            CallValue => "a `value:` call",
            Certificate => "an entry of `certificates`",
            Consul => "`consul`",
            ClientCertificate => "`client_certificate`",
            ClientCredentials => "`client_credentials`",
            Compression => "`compression`",
            Cookie => "a cookie",
            Cors => "`cors`",
            Defaults => "`defaults`",
            Deprecated => "`deprecated`",
            Descriptors => "the `descriptors` of a backend",
            Discovery => "`discovery`",
            Dns => "`dns`",
            Eject => "`eject`",
            Endpoint => "an endpoint",
            EndpointCache => "the `cache` of an endpoint",
            ErrorRule => "an entry of `errors`",
            Errors => "`errors`",
            Expose => "`expose`",
            Forward => "`forward`",
            Fragment => "a fragment",
            Gateway => "the gateway file",
            Health => "`health`",
            Hedge => "`hedge`",
            Introspection => "`introspection`",
            Json => "`json`",
            Keepalive => "`keepalive`",
            Kubernetes => "`kubernetes`",
            Jwt => "`jwt`",
            Limit => "`limit`",
            Limits => "`limits`",
            Log => "`log`",
            Mirror => "`mirror`",
            Param => "a param",
            ProxyProtocol => "`proxy_protocol`",
            RateLimit => "a rate limit",
            Redis => "`redis`",
            Provider => "a provider of identity",
            Require => "an entry of `require`",
            Retry => "the `retry` of a backend",
            Shutdown => "`shutdown`",
            Signature => "`signature`",
            Signer => "a key for signatures",
            Slow => "`slow`",
            Split => "an entry of `split`",
            Storage => "`cache`",
            Target => "a target",
            Telemetry => "`telemetry`",
            Tls => "`tls`",
            Tier => "a tier",
        }
    }

    /// The kinds of calls.
    pub const CALLS: [Self; 5] = [CallCompose, CallFor, CallGrpc, CallHttp, CallValue];
}

/// Words of other tools for a key, so that who writes them is told the one that is meant.
#[rustfmt::skip]
const HABITS: &[(&str, &str)] = &[
    ("address", "listen"), ("bind", "listen"), ("catch", "fallback"), ("condition", "when"), ("depends_on", "after"), ("each", "for"), ("foreach", "for"),
    ("if", "when"), ("input", "request"), ("message", "title"), ("method", "grpc"), ("needs", "after"),
    ("on_error", "fallback"), ("output", "response"), ("parameters", "params"), ("params", "query"), ("payload", "body"),
    ("port", "listen"), ("result", "response"), ("route", "endpoint"), ("rpc", "grpc"), ("service", "grpc"),
    ("services", "backends"), ("steps", "calls"), ("upstreams", "backends"), ("uri", "http"), ("url", "http"),
];

/// The key that a word of other tools stands for.
pub fn of_habit(word: &str) -> Option<&'static str> {
    HABITS.iter().find(|it| it.0 == word).map(|it| it.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_once_at_each_place() {
        for (at, one) in KEYS.iter().enumerate() {
            for other in &KEYS[at + 1..] {
                let both = one.places.iter().find(|it| other.places.contains(it));
                assert!(
                    one.name != other.name || both.is_none(),
                    "`{}` stands twice in {both:?}",
                    one.name
                );
            }
            assert!(one.doc.ends_with('.') && one.doc.len() < 120, "{}", one.name);
        }
    }
}
