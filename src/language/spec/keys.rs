//! The vocabulary: every key of both kinds of file, where it may stand, what it holds, one line about it.
//!
//! The parser, the nearest-name help and the JSON Schema read this list; a key that is not in it does not exist.
//! A key that is promised for a later version is in it with [`Availability::Later`], and is refused by name.

use Availability::{Later, Now};
use Form::{
    Bool, Condition, Duration, Either, Expression, Integer, List, Literal, Loop, Map, Method, Name, Null, Object,
    OneOf, Percent, Quota, Rate, Scalar, Size, Template, Text, Version,
};
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
        .filter(move |it| it.availability == Now && it.places.contains(&place))
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
            BackendTls => "the `tls` of a backend or of Redis",
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

const fn key(name: &'static str, places: &'static [Place], form: Form, doc: &'static str) -> Key {
    Key {
        name,
        places,
        form,
        doc,
        availability: Now,
    }
}

const fn later(name: &'static str, places: &'static [Place], form: Form, doc: &'static str) -> Key {
    Key {
        name,
        places,
        form,
        doc,
        availability: Later,
    }
}

/// Where a backend is.
const TARGETS: Form = Either(&[Text, List(&Either(&[Text, Object(Target)]))]);

/// How often: a rate, or all of a limit.
const LIMIT: Form = Either(&[Rate, Object(RateLimit)]);

/// A limit by name, or one of its own.
const LIMIT_ENTRY: Form = Either(&[Rate, Name, Object(RateLimit)]);

/// What a token may be signed with.
pub const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512",
];

/// What a request may be signed with (RFC 9421 §6.2.2).
pub const SIGNATURES: &[&str] = &[
    "ecdsa-p256-sha256",
    "ecdsa-p384-sha384",
    "ed25519",
    "hmac-sha256",
    "rsa-pss-sha512",
    "rsa-v1_5-sha256",
];

/// Every key, by place and in the order of the pages that describe them.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    // Compositions: what they are.
    key("endpoint", &[Endpoint], Text, "Method and path that are served: `GET /pages/{id}`."),
    key("fragment", &[Fragment], Name, "Makes the file a part that others compose, by this name."),
    key("summary", &[Endpoint], Text, "One line for people."),
    key("timeout", &[Endpoint], Duration, "For the whole page; calls inherit what is left of it."),
    key("params", &[Endpoint, Fragment], Map(&Object(Param)), "Inputs, where path, type or default have to be said."),
    key("body", &[Endpoint], Either(&[OneOf(&["bytes", "*"]), Text, Object(Body)]), "How the request's body is read; for `call:` the field that it fills."),
    key("json", &[Endpoint, CallGrpc], Object(Json), "How protobuf values are written as JSON."),
    key("call", &[Endpoint, Fragment], Method, "The one call whose reply is the response."),
    key("backend", &[Endpoint, Fragment, CallGrpc], Name, "The backend of a gRPC call, where several serve its service."),
    key("request", &[Endpoint, Fragment, CallGrpc], Template, "The message that is sent."),
    key("calls", &[Endpoint, Fragment, CallFor], Map(&Either(&[Object(CallGrpc), Object(CallHttp), Object(CallCompose), Object(CallFor), Object(CallValue)])), "The calls, by name; those that mention another wait for it."),
    key("require", &[Endpoint, Fragment], List(&Object(Require)), "Conditions without which the endpoint fails."),
    key("response", &[Endpoint, Fragment, CallFor], Template, "What is answered; without it one member for each call."),
    key("status", &[Endpoint], Either(&[Integer(200, 399), Expression]), "The status of the response; 200, or 204 where it is null."),
    key("headers", &[Endpoint, CallGrpc, CallHttp], Map(&Template), "Headers (for gRPC: metadata) by name; null leaves one out."),
    key("cookies", &[Endpoint], Map(&Object(Cookie)), "Cookies of the response, by name."),
    key("cache", &[Endpoint], Either(&[Duration, Object(EndpointCache)]), "How long the response is kept."),
    key("errors", &[Endpoint, Gateway], Object(Errors), "How failures are said."),
    key("deprecated", &[Endpoint], Object(Deprecated), "Sends the headers of RFC 9745 and RFC 8594."),
    key("select", &[Endpoint], Bool, "Lets a client choose fields with `?fields=`."),
    later("stream", &[Endpoint], Expression, "Sends a server-streaming call's replies as events."),
    key("proxy", &[Endpoint], Text, "Hands the request to an HTTP backend, and its answer back: `backend:/path`."),
    key("forward", &[Endpoint], Object(Forward), "Headers that `proxy` hands over beside the usual ones."),
    key("request", &[Forward], List(&Text), "Of the request: names, or `x-*`."),
    key("response", &[Forward], List(&Text), "Of the answer: names, or `x-*`."),
    key("rate_limit", &[Endpoint, Limits], Either(&[LIMIT_ENTRY, List(&LIMIT_ENTRY)]), "How often one may ask: a rate, the name of a limit, a limit, or a list of these."),
    key("auth", &[Endpoint, Expose], Either(&[Name, List(&Name), Object(AllOf)]), "Who may ask: a provider of weft.yaml, any of several, `{ all: […] }`; `none` lets visitors in."),
    key("roles", &[Endpoint, Expose], Either(&[Text, List(&Text)]), "Roles of which the client must have one; 403 where it has none."),
    key("scopes", &[Endpoint, Expose], Either(&[Text, List(&Text)]), "Scopes that the client must have, all of them; 403 where one is missing."),
    key("allow", &[Endpoint], Condition, "A condition over `auth`, `request` and params; 403 where it is not true."),
    key("all", &[AllOf], List(&Name), "Providers that all have to know the client; `auth` is what the first says."),
    key("invalidate", &[Endpoint], List(&Template), "Tags of kept responses and replies that its 2xx drops."),

    // Calls: what they are.
    key("grpc", &[CallGrpc], Method, "A unary call: `package.Service/Method`."),
    key("http", &[CallHttp], Text, "An HTTP call: `METHOD backend:/path`."),
    key("compose", &[CallCompose], Name, "A fragment, in the same process."),
    key("for", &[CallFor], Loop, "The same composition for each element of a list."),
    key("value", &[CallValue, Cookie], Template, "A named expression or template; the value of a cookie."),
    key("with", &[CallCompose], Map(&Template), "What the fragment sees, by name."),
    key("query", &[CallHttp], Map(&Template), "Query parameters; null leaves one out."),
    key("body", &[CallHttp], Template, "The JSON that is sent."),
    key("accept", &[CallHttp], OneOf(&["json", "xml", "text", "bytes"]), "What the reply is read as."),
    key("max_concurrency", &[CallFor], Integer(1, 1000), "Calls in flight under this loop at once; 16."),
    // Calls: how they are made.
    key("when", &Place::CALLS, Condition, "Where this is false the call is not made and is null."),
    key("after", &Place::CALLS, List(&Name), "Calls to wait for where no data flows."),
    key("timeout", &[CallCompose, CallFor, CallGrpc, CallHttp], Duration, "For this call, attempts included."),
    key("optional", &Place::CALLS, Bool, "A failure makes it null, and the response degraded."),
    key("fallback", &Place::CALLS, Template, "Stands in place of a failure; `$stale` is the last good reply."),
    key("cache", &[CallCompose, CallGrpc, CallHttp], Either(&[Duration, Object(CallCache)]), "How long the reply is kept; only for safe calls."),
    key("index_by", &[CallCompose, CallGrpc, CallHttp], Text, "`list_field.key_field`: the result is that list as a map by that key."),
    key("effect", &[CallCompose, CallGrpc, CallHttp], Bool, "This call changes something: it is made although nobody reads it."),
    key("safe", &[CallGrpc, CallHttp], Bool, "This call changes nothing, or does, whatever its name says."),
    key("errors", &[CallGrpc, CallHttp], Map(&Object(ErrorRule)), "A failure of this call in other words."),
    key("schema", &[CallHttp, Body], Text, "A JSON Schema file, or `openapi.yaml#operationId`, that types it."),
    key("retry", &[CallGrpc, CallHttp], Either(&[OneOf(&["false"]), Object(CallRetry)]), "Attempts after a failure; the backend's, unless said."),
    key("hedge", &[CallGrpc, CallHttp, Backend], Either(&[OneOf(&["false"]), Object(Hedge)]), "A second attempt where the first is slow; `false` turns it off."),
    later("defer", &[CallCompose, CallGrpc, CallHttp, CallFor, CallValue], Bool, "Comes after the rest, as an event."),
    later("stream", &[CallGrpc], Bool, "Reads a server-streaming method."),

    // Params.
    key("in", &[Param], OneOf(&["path", "query", "header", "cookie"]), "Where it comes from."),
    key("name", &[Param], Text, "Its name on the wire, where it is another."),
    key("type", &[Param], Either(&[Text, List(&Text)]), "`string int double bool timestamp duration bytes any`, a message or enum, or a list: `[int]`."),
    key("default", &[Param], Literal, "Its value where it is absent."),
    key("optional", &[Param], Bool, "It may be absent."),
    key("pattern", &[Param], Text, "A regular expression (RE2) that it matches."),
    key("minimum", &[Param], Scalar, "Its least value."),
    key("maximum", &[Param], Scalar, "Its greatest value."),
    key("min_length", &[Param], Integer(0, 1_048_576), "Its least length, in characters."),
    key("max_length", &[Param], Integer(0, 1_048_576), "Its greatest length, in characters."),
    key("enum", &[Param], List(&Scalar), "The values that it may have."),

    // Parts of compositions.
    key("names", &[Json], OneOf(&["json", "proto"]), "Member names: lowerCamelCase, or as in the .proto file."),
    key("int64", &[Json], OneOf(&["string", "number"]), "64-bit integers."),
    key("enums", &[Json], OneOf(&["name", "number"]), "Enum values."),
    key("defaults", &[Json], OneOf(&["omit", "emit"]), "Fields that hold their default."),
    key("enum_prefix", &[Json], OneOf(&["keep", "strip"]), "The common prefix of an enum's value names."),
    key("that", &[Require], Condition, "What has to hold."),
    key("else", &[Require], Either(&[Text, Integer(400, 599)]), "The gRPC code or HTTP status where it does not; FAILED_PRECONDITION."),
    key("detail", &[Require], Template, "One sentence for the client."),
    key("max_age", &[Cookie], Duration, "How long the client keeps it."),
    key("path", &[Cookie], Text, "The paths that it is sent to."),
    key("domain", &[Cookie], Text, "The domain that it is sent to."),
    key("same_site", &[Cookie], OneOf(&["Lax", "Strict", "None"]), "Whether other sites send it along."),
    key("secure", &[Cookie], Bool, "Only over TLS; true unless said."),
    key("http_only", &[Cookie], Bool, "Not for scripts; true unless said."),
    key("ttl", &[EndpointCache, CallCache], Duration, "How long it is fresh."),
    key("scope", &[EndpointCache], OneOf(&["user"]), "Each user has entries of their own."),
    key("stale_while_revalidate", &[EndpointCache, CallCache], Duration, "How long an old entry is given while a fresh one is fetched."),
    key("stale_if_error", &[EndpointCache, CallCache], Duration, "How long an old entry stands in for a failure."),
    key("tags", &[EndpointCache, CallCache], List(&Template), "Names by which entries are dropped."),
    key("backend", &[CallCache], OneOf(&["ignore"]), "Whether the backend's own cache headers count."),
    key("details", &[Errors], OneOf(&["hide", "expose"]), "Whether google.rpc details reach the client."),
    key("in_body", &[Errors], Either(&[Text, Null]), "The member of the response that says what is degraded."),
    key("map", &[Errors], Map(&Object(ErrorRule)), "Failures in other words, by gRPC code or HTTP status."),
    key("status", &[ErrorRule], Integer(400, 599), "The status of the problem."),
    key("title", &[ErrorRule], Text, "The title of the problem."),
    key("since", &[Deprecated], Text, "A date: since when."),
    key("sunset", &[Deprecated], Text, "A date: when it goes."),
    key("link", &[Deprecated], Text, "Where to read on."),

    // weft.yaml.
    key("language", &[Gateway], Version, "The version of the language; 1."),
    key("listen", &[Gateway], Either(&[Text, List(&Text)]), "Addresses; 127.0.0.1:8080."),
    key("workers", &[Gateway], Either(&[OneOf(&["auto"]), Integer(1, 1024)]), "Threads that serve; one for each core."),
    key("admin", &[Gateway], Object(Admin), "Health and metrics; never on the public listener."),
    key("compositions", &[Gateway], List(&Text), "Files or directories, recursive, *.yaml."),
    key("descriptors", &[Gateway], List(&Text), ".proto trees and descriptor sets."),
    key("expose", &[Gateway], Either(&[List(&Text), Object(Expose)]), "Services whose google.api.http annotations become endpoints."),
    key("backends", &[Gateway], Map(&Object(Backend)), "Whom we call, by name."),
    key("defaults", &[Gateway], Object(Defaults), "What holds where nothing else is said."),
    key("vars", &[Gateway], Map(&Literal), "Constants, in expressions as `vars.name`."),
    key("limits", &[Gateway], Object(Limits), "What a client may use up."),
    key("cache", &[Gateway], Object(Storage), "Where cached responses and replies are kept."),
    key("telemetry", &[Gateway], Object(Telemetry), "What is logged."),
    key("state", &[Gateway], Either(&[OneOf(&["false"]), Text]), "The folder for what outlives a restart; .weft."),
    key("shutdown", &[Gateway], Object(Shutdown), "How the gateway ends."),
    key("auth", &[Gateway], Map(&Object(Provider)), "Those who say who a client is, by name. With it, endpoints are closed."),
    key("access", &[Gateway], Object(Access), "Which networks may ask, and how a client's address is known."),
    key("rate_limits", &[Gateway], Map(&LIMIT), "Limits by name; one counts for all endpoints that name it."),
    key("cors", &[Gateway], Object(Cors), "Which pages of other origins may ask, and read answers."),
    key("origins", &[Cors], List(&Text), "Their origins: `https://shop.example`, `https://*.shop.example`, or `*` for all."),
    key("methods", &[Cors], List(&Text), "Of a path's methods those that they may use; all."),
    key("headers", &[Cors], List(&Text), "Headers that they may send; [content-type]."),
    key("expose_headers", &[Cors], List(&Text), "Headers of answers that they may read."),
    key("credentials", &[Cors], Bool, "Whether they may ask with cookies and client certificates; false."),
    key("private_network", &[Cors], Bool, "Whether pages of public networks may ask where this one is private; false."),
    key("max_age", &[Cors], Duration, "How long they may remember what they may do; 10m."),
    key("compression", &[Gateway], Object(Compression), "Responses are sent in zstd, br or gzip, where clients take that."),
    key("min", &[Compression], Size, "Shorter bodies are sent as they are; 1KiB."),
    key("private", &[Compression], Bool, "Also what is for one client alone, whose length may betray a secret; false."),
    key("headers", &[Gateway], Map(&Either(&[Text, Null])), "Headers of every response that has none of that name; null takes one out."),
    key("tls", &[Gateway, Admin], Object(Tls), "Certificates of the listener; without it connections are not secured."),
    key("certificates", &[Tls], List(&Object(Certificate)), "Certificates, chosen by the name that a client asks for; the first is for all others."),
    key("cert", &[Certificate, BackendTls], Text, "A PEM file: the certificate, then those that lead to its root."),
    key("key", &[Certificate, BackendTls], Text, "A PEM file: the private key of the certificate."),
    key("client_ca", &[Tls], Text, "A PEM file: who may have signed the certificates of clients."),
    key("client_auth", &[Tls], OneOf(&["required", "optional"]), "Whether clients must show a certificate; required, where there is `client_ca`."),
    key("min_version", &[Tls, BackendTls], Scalar, "The least version of TLS: 1.2 or 1.3; 1.2."),
    key("tls", &[Backend], Object(BackendTls), "How connections to `https` targets are secured."),
    key("tls", &[Redis], Object(BackendTls), "How connections to a `rediss://` address are secured."),
    key("ca", &[BackendTls], Text, "A PEM file: who may have signed the targets' certificates; whom the system trusts."),
    key("server_name", &[BackendTls], Text, "The name that the targets' certificates have; each target's host."),
    key("proxy_protocol", &[Gateway], Object(ProxyProtocol), "Connections begin with a header that names the client's address."),
    key("trusted", &[ProxyProtocol], List(&Text), "Networks of the proxies: `10.0.0.0/8`. Others are refused."),
    key("jwt", &[Provider], Object(Jwt), "Signed tokens: `authorization: Bearer …`."),
    key("introspection", &[Provider], Object(Introspection), "Tokens that their issuer is asked about (RFC 7662)."),
    key("api_key", &[Provider], Object(ApiKey), "Keys in a header."),
    key("basic", &[Provider], Object(Basic), "Names and passwords."),
    key("client_certificate", &[Provider], Object(ClientCertificate), "Certificates of clients, verified with `tls: { client_ca }`."),
    key("signature", &[Provider], Object(Signature), "Signatures of requests (RFC 9421, HTTP Message Signatures)."),
    key("claims", &[Provider], Map(&Template), "Types of claims, as in `{ plan: string, roles: [string], org: string? }`; with `?` one may be missing."),
    key("roles", &[Provider], Text, "The claim that holds the roles, as `realm_access.roles`; roles."),
    key("scopes", &[Provider], Text, "The claim that holds the scopes; `scope`, or `scp`."),
    key("revoked", &[Provider], Text, "A file of those that are no longer accepted: lines `jti ID` and `sub NAME`."),
    key("issuer", &[Jwt], Text, "Who must have issued it; without keys it is asked for them (OpenID Connect Discovery)."),
    key("audience", &[Jwt, Introspection], Either(&[Text, List(&Text)]), "Whom it must be for, one of these; `any` for whomever."),
    key("algorithms", &[Jwt], List(&OneOf(ALGORITHMS)), "What it may be signed with: `[RS256, ES256]`."),
    key("jwks", &[Jwt], Text, "Where its issuer publishes the keys: `https://…/jwks.json`."),
    key("keys", &[Jwt], Text, "A file with the keys: PEM, or a JWK set."),
    key("secret", &[Jwt], Text, "A shared secret for HS256 and its like: `${env.JWT_SECRET}`."),
    key("leeway", &[Jwt], Duration, "How much clocks may differ; 30s."),
    key("type", &[Jwt], Text, "What `typ` in its head must be, as `at+jwt`; `JWT`, `at+jwt` or nothing."),
    key("url", &[Introspection], Text, "Where the issuer is asked."),
    key("client_id", &[Introspection], Text, "Who asks."),
    key("client_secret", &[Introspection], Text, "Its password: `${env.CLIENT_SECRET}`."),
    key("cache", &[Introspection], Duration, "How long an answer is believed at most; 1m, and never beyond the token's end."),
    key("timeout", &[Introspection], Duration, "How long the issuer may take; 2s."),
    key("header", &[ApiKey], Text, "The header that the key stands in; x-api-key."),
    key("keys", &[ApiKey], Text, "A file of keys, hashed: `weft key` makes its lines."),
    key("keys", &[Signature], Text, "A file of keys, by `keyid`."),
    key("components", &[Signature], List(&Text), "What has to be signed; [\"@method\", \"@authority\", \"@path\", \"@query\", content-digest]."),
    key("max_age", &[Signature], Duration, "How long after `created` a signature is accepted; 5m."),
    key("leeway", &[Signature], Duration, "How much clocks may differ; 30s."),
    key("tag", &[Signature], Text, "What `tag` has to be; signatures with another one are passed over."),
    key("nonce", &[Signature], OneOf(&["optional", "required"]), "Whether a signature has to have a `nonce`; optional. None is accepted twice."),
    key("origin", &[Signature], Text, "Scheme and host as clients know them, where a proxy changes these: `https://api.example.com`."),
    key("algorithm", &[Signer], OneOf(SIGNATURES), "What its owner signs with."),
    key("secret", &[Signer], Text, "For hmac-sha256: at least 32 bytes in base64, or `${env.PARTNER_SECRET}` with these."),
    key("key", &[Signer], Either(&[Text, Map(&Literal)]), "For the others: the public key in PEM, a JWK, or `${file.partner.pem}` with one of these."),
    key("claims", &[Signer], Map(&Literal), "What is known of its owner; `sub` is the `keyid` unless it is said."),
    key("expires", &[Signer], Text, "From when on it is not accepted: `2027-01-31T00:00:00Z`."),
    key("users", &[Basic], Text, "An htpasswd file with bcrypt or Argon2."),
    key("listen", &[Admin], Text, "The address of the admin listener."),
    key("services", &[Expose, Backend], List(&Text), "Services by full name; for a backend `*` stands for any rest."),
    key("headers", &[Expose], List(&Text), "Headers of the request that are forwarded."),
    key("grpc", &[Backend], TARGETS, "Where a gRPC backend is: `http://host:port`, or who says so: `dns+http://host:port`."),
    key("http", &[Backend], TARGETS, "Where an HTTP backend is: `http://host:port`, or who says so: `dns+http://host:port`."),
    key("url", &[Target], Text, "Where it is, or who says so."),
    key("weight", &[Target], Integer(1, 1_000), "Its share of the calls, in proportion to the others'; 1."),
    key("zone", &[Target, Gateway], Text, "Where it stands: who is in the gateway's zone is asked first."),
    key("discovery", &[Gateway], Object(Discovery), "Who is asked where backends are."),
    key("dns", &[Discovery], Object(Dns), "For `dns+` and `srv+` targets."),
    key("consul", &[Discovery], Object(Consul), "For `consul+` targets."),
    key("kubernetes", &[Discovery], Object(Kubernetes), "For `kubernetes+` targets."),
    key("address", &[Consul, Kubernetes], Text, "The API: http://127.0.0.1:8500 for Consul, https://kubernetes.default.svc for Kubernetes."),
    key("token", &[Consul], Text, "Who the gateway is there: `${file.secrets/consul.token}`."),
    key("datacenter", &[Consul], Text, "The datacenter that is asked for; Consul's own."),
    key("token_file", &[Kubernetes], Text, "Who the gateway is there; the token of the pod's service account."),
    key("ca_file", &[Kubernetes], Text, "Whose certificates are trusted there; ca.crt beside that token."),
    key("ca_file", &[Consul], Text, "Whose certificates are trusted there; those that the system trusts."),
    key("servers", &[Dns], List(&Text), "`address:port` of those that are asked; whom the system asks."),
    key("min_ttl", &[Dns], Duration, "An answer counts at least so long; 1s."),
    key("max_ttl", &[Dns], Duration, "An answer counts at most so long; 5m."),
    key("descriptors", &[Backend], Either(&[OneOf(&["reflection", "registered"]), List(&Text), Object(Descriptors)]), "Where its types come from."),
    key("from", &[Descriptors], OneOf(&["reflection"]), "The server itself says what it serves."),
    key("refresh", &[Descriptors], Either(&[OneOf(&["false"]), Duration]), "How often it is asked again, whatever happens; 5m."),
    key("safe", &[Backend], List(&Text), "Methods that change nothing: `Get* List* BatchGet*`."),
    key("timeout", &[Backend, Defaults], Duration, "For one call, attempts included."),
    key("headers", &[Backend], Map(&Text), "Sent with each call."),
    key("max_message", &[Backend], Size, "The largest reply; 4MiB."),
    key("balance", &[Backend], Either(&[OneOf(&["least_request", "ewma", "round_robin"]), Object(Balance)]), "How targets are chosen; least_request."),
    key("hash", &[Balance], Expression, "Requests for which this is the same go to the same target; parts of `request`, as `$request.remote_ip`."),
    key("failover", &[Backend], Name, "The backend that is asked where none of the targets is fit."),
    key("retry", &[Backend], Either(&[OneOf(&["false"]), Object(Retry)]), "Attempts after a failure of an idempotent call; `false` turns them off."),
    key("breaker", &[Backend], Either(&[OneOf(&["false"]), Object(Breaker)]), "When to stop asking, for each method; `false` turns it off."),
    key("limit", &[Backend], Either(&[OneOf(&["false"]), Object(Limit)]), "How many calls at once; `false` turns it off."),
    key("attempts", &[Retry, CallRetry], Integer(2, 10), "At most, the first included; 2."),
    key("codes", &[Retry, CallRetry], List(&Text), "gRPC codes worth another attempt; [UNAVAILABLE]."),
    key("backoff", &[Retry, CallRetry], Duration, "The longest pause before the second attempt, doubled before each further one; 25ms."),
    key("budget", &[Retry], Either(&[Percent, Object(Budget)]), "How many calls may be made twice, hedges included; 20%."),
    key("unsafe", &[CallRetry], Bool, "Retries although it is not known that twice does no harm."),
    key("share", &[Budget], Percent, "This part of the calls; 20%."),
    key("min", &[Budget], Rate, "And so many a second, whatever is called; 10/s."),
    key("ttl", &[Budget], Duration, "How long a call pays for a retry; 10s."),
    key("after", &[Hedge], Either(&[Duration, Text]), "When the second attempt begins: `30ms`, or `p95` of the method's last replies."),
    key("failures", &[Breaker], Percent, "It opens where this part of the calls failed; 50%."),
    key("slow", &[Breaker], Object(Slow), "It opens where many calls are slow, too."),
    key("window", &[Breaker], Duration, "The calls of so long ago at most count; 10s."),
    key("min_calls", &[Breaker], Integer(1, 1_000_000), "Fewer calls say nothing; 20."),
    key("open_for", &[Breaker], Duration, "How long nothing is asked; 5s."),
    key("probes", &[Breaker], Integer(1, 1_000), "Calls that are made then; 3. It closes when all went well."),
    key("calls", &[Slow], Percent, "This part of the calls; 50%."),
    key("over", &[Slow], Duration, "A slow call takes longer."),
    key("concurrency", &[Limit], Integer(1, 1_000_000), "Calls at once, over all workers; 512."),
    key("queue", &[Limit], Integer(0, 1_000_000), "Calls that wait for a place; 128."),
    key("adaptive", &[Limit], Bool, "Fewer at once where replies become slower; `concurrency` is the most."),
    key("auth", &[Backend], Object(BackendAuth), "What the gateway shows there to say who it is."),
    key("client_credentials", &[BackendAuth], Object(ClientCredentials), "A token of OAuth 2.0, sent as `authorization: Bearer …`."),
    key("token_url", &[ClientCredentials], Text, "Where the token is had: `https://id.example/oauth/token`."),
    key("client_id", &[ClientCredentials], Text, "Who asks for it."),
    key("client_secret", &[ClientCredentials], Text, "Its password: `${env.CLIENT_SECRET}`."),
    key("client_auth", &[ClientCredentials], OneOf(&["client_secret_basic", "client_secret_post"]), "Whether the two go into a header or into the body; client_secret_basic."),
    key("scopes", &[ClientCredentials], List(&Text), "What the token is to be good for."),
    key("audience", &[ClientCredentials], Text, "Whom it is to be for, where its issuer wants to know."),
    key("params", &[ClientCredentials], Map(&Text), "Further parameters of the request for a token."),
    key("timeout", &[ClientCredentials], Duration, "How long its issuer may take; 5s."),
    key("health", &[Backend], Either(&[OneOf(&["false"]), Object(Health)]), "How targets are watched; `false` turns it off."),
    key("interval", &[Health], Duration, "Targets are asked how they are: grpc.health.v1, or GET of `path`."),
    key("timeout", &[Health], Duration, "How long that may take; 1s, and at most the interval."),
    key("path", &[Health], Text, "What an HTTP target is asked for; /."),
    key("watch", &[Health], Bool, "gRPC targets say themselves when it changes; they are asked in the interval where they cannot."),
    key("keepalive", &[Backend], Object(Keepalive), "Pings on every connection to gRPC targets; only where there is a doubt."),
    key("interval", &[Keepalive], Duration, "From one ping to the next, whether there are calls or not."),
    key("timeout", &[Keepalive], Duration, "How long the answer may take before the connection is given up; 5s."),
    key("eject", &[Health], Either(&[OneOf(&["false"]), Object(Eject)]), "When a target is out of service for a while; `false` is never."),
    key("failures", &[Eject], Integer(1, 1_000), "So many calls in a row failed; 5."),
    key("for", &[Eject], Duration, "How long it is out the first time; 10s. Each time soon after it is longer by as much."),
    key("split", &[Backend], List(&Object(Split)), "In place of targets: other backends, one of them for each request."),
    key("sticky", &[Backend], Expression, "Requests of which it gives the same go to the same part of the `split`."),
    key("to", &[Split, Mirror], Name, "Another backend."),
    key("weight", &[Split], Integer(0, 1_000_000), "Its share of the requests for which no `when` holds."),
    key("when", &[Split], Condition, "It gets the requests for which this holds; the first such part does."),
    key("mirror", &[Backend], Object(Mirror), "Another backend that is asked the same, to compare its answers."),
    key("share", &[Mirror], Percent, "This part of the calls; 100%."),
    key("concurrency", &[Mirror], Integer(1, 10_000), "Copies at once, over all workers; 16. Others are left out."),
    key("ignore", &[Mirror], List(&Text), "Paths that may differ: `product.updated_at`, `items[].score`."),
    key("unsafe", &[Mirror], Bool, "Calls that may change something are copied, too."),
    key("schema", &[Backend], Text, "An OpenAPI file that types the results of its calls."),
    key("json", &[Defaults], Object(Json), "How protobuf values are written as JSON."),
    key("headers", &[Limits], Size, "The largest head of a request; 32KiB."),
    key("header_count", &[Limits], Integer(1, 10_000), "Headers of a request; 100."),
    key("uri", &[Limits], Size, "The longest path with its query; 8KiB."),
    key("body", &[Limits], Size, "The largest body of a request; 1MiB."),
    key("connections", &[Limits], Integer(1, 10_000_000), "Connections of clients at once; 10000."),
    key("connections_per_address", &[Limits], Integer(1, 10_000_000), "Connections of one address, or of one /64 of IPv6, at once; as many as of all."),
    key("header_timeout", &[Limits], Duration, "How long a head may take; 10s."),
    key("idle_timeout", &[Limits], Duration, "How long a connection may be idle; 75s."),
    key("in_flight", &[Limits], Integer(1, 10_000_000), "Requests at once; 4096. The last tenth is for those that may change something."),
    key("for_elements", &[Limits], Integer(1, 1_000_000), "Elements of one `for` call; 1000."),
    key("allow", &[Access], List(&Text), "Networks that may ask: `10.0.0.0/8`; everybody, unless said."),
    key("deny", &[Access], List(&Text), "Networks that may not, whatever `allow` says."),
    key("trusted_proxies", &[Access], List(&Text), "Networks of proxies that are believed about a client's address."),
    key("client_header", &[Access], OneOf(&["x-forwarded-for", "forwarded"]), "The header in which they say it; x-forwarded-for. The other one is never read."),
    key("refuse", &[Access], List(&Condition), "Conditions over `request`; 403 where one holds."),
    key("key", &[RateLimit], Expression, "Requests for which this is the same are counted together; all, unless said."),
    key("rate", &[RateLimit, Tier], Rate, "So many in a second, a minute or an hour, evenly: `100/s`, `1000/m`, `5000/h`."),
    key("burst", &[RateLimit, Tier], Integer(1, 1_000_000_000), "So many at once after a pause; the number of `rate`."),
    key("quota", &[RateLimit, Tier], Quota, "So many in a day or month of UTC: `10000/day`, `300000/month`."),
    key("by", &[RateLimit], Expression, "Gives the name of a tier."),
    key("tiers", &[RateLimit], Map(&Either(&[Rate, Object(Tier)])), "How often, by tier."),
    key("default", &[RateLimit], Either(&[Rate, Object(Tier)]), "How often, for those of no tier."),
    key("memory", &[Storage], Size, "Memory for cached entries; 256MiB."),
    key("redis", &[Storage], Either(&[Text, Object(Redis)]), "What all gateways share: `redis://host:port`, over TLS `rediss://host:port`."),
    key("url", &[Redis], Text, "Where it is: `redis://[user:password@]host[:port][/database]`, over TLS `rediss://…`."),
    key("timeout", &[Redis], Duration, "How long counting for a limit may take before this gateway goes on by itself; 50ms."),
    key("lookup", &[Redis], Duration, "How long looking for something that is kept may take before it is made; 20ms."),
    key("prefix", &[Redis], Text, "What all keys begin with; `weft:`."),
    key("log", &[Telemetry], Object(Log), "What is logged, and how."),
    later("otlp", &[Telemetry], Text, "Where traces are sent."),
    later("sample", &[Telemetry], Text, "Which part of the requests is traced."),
    key("format", &[Log], OneOf(&["json", "text"]), "One JSON object a line, or for people."),
    key("level", &[Log], OneOf(&["error", "warn", "info", "debug", "trace"]), "The least level that is logged."),
    key("access", &[Log], OneOf(&["all", "errors", "none"]), "Which requests get a line."),
    key("audit", &[Log], OneOf(&["all", "refused", "none"]), "Which decisions about who may ask are logged, under `audit`; all."),
    key("drain", &[Shutdown], Duration, "How long requests in flight may still take; 20s."),
];

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
