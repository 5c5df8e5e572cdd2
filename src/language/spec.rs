//! As written: one struct per table of the language page. No defaults filled in, no name resolved, no type known.
//!
//! A part that could not be read is `None` or left out, and a diagnostic says why.

pub mod auth;
mod backend;
pub mod call;
pub mod composition;
mod credentials;
mod discovery;
mod edge;
mod expose;
mod fill;
pub mod gate;
pub mod gateway;
pub mod json_schema;
pub mod keys;
mod name;
mod policy;
pub mod protection;
mod proxy;
mod reader;
pub mod scalar;
pub mod signature;
pub mod template;
pub mod tls;
mod traffic;
mod value;

use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostics;
use super::source::{Document, FileIndex, SourceMap, Span, Spanned, yaml};
use crate::codec;

pub use credentials::ClientCredentials;
pub use discovery::{Consul, Discovery, Dns, Kubernetes, Scheme, Target};
pub use expose::Expose;
pub use gateway::{Admin, Backend, BackendDescriptors, Gateway, Limits, LogAccess, LogFormat};
pub use reader::Outside;
pub use traffic::{Mirror, SplitPart};
pub use value::{Condition, Expression, Literal, Member, Template, TemplateKind, TextPart, TextTemplate};

/// Reads a file as YAML; its mistakes go into `diagnostics`. `None` where it cannot be read at all.
pub fn document(sources: &SourceMap, file: FileIndex, diagnostics: &mut Diagnostics) -> Option<Document> {
    let (document, mistakes) = yaml::parse(sources, file);
    for mistake in mistakes {
        diagnostics.push(mistake);
    }
    document
}

/// Reads a composition or a fragment as written. Says everything that is wrong, and gives what could be read; `None` where
/// not even the head could.
pub fn composition(document: &Document, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Composition> {
    let mut reader = reader::Reader {
        sources,
        file: document.file,
        diagnostics,
        outside: None,
        depth: 0,
    };
    reader.composition(document)
}

/// Reads weft.yaml as written, with what comes from outside filled in.
pub fn gateway(
    document: &Document,
    sources: &SourceMap,
    outside: Outside<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Gateway> {
    let mut reader = reader::Reader {
        sources,
        file: document.file,
        diagnostics,
        outside: Some(outside),
        depth: 0,
    };
    reader.gateway(document)
}

/// Reads a file with a list of targets, as `grpc:` of a backend holds one; and whether they are reached over TLS.
pub fn targets(document: &Document, sources: &SourceMap, diagnostics: &mut Diagnostics) -> (Vec<Target>, bool) {
    let mut reader = reader::Reader {
        sources,
        file: document.file,
        diagnostics,
        outside: None,
        depth: 0,
    };
    let mut secure = None;
    let targets = reader.secured("targets", &document.root, &mut secure);
    (targets, secure.is_some())
}

/// Reads the file of keys of a `signature:` provider, with what comes from outside filled in.
pub fn signers(
    document: &Document,
    sources: &SourceMap,
    outside: Outside<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<signature::Signer> {
    let mut reader = reader::Reader {
        sources,
        file: document.file,
        diagnostics,
        outside: Some(outside),
        depth: 0,
    };
    reader.signers(&document.root)
}

/// A name, and where it was written.
pub type Name = Spanned<Arc<str>>;

/// A file with `endpoint:` or `fragment:`.
#[derive(Clone, Debug)]
pub struct Composition {
    /// The file.
    pub file: FileIndex,
    /// All of it.
    pub span: Span,
    /// Which of the two, and its head.
    pub head: Head,
    /// `summary:`.
    pub summary: Option<Name>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `params:`, in written order.
    pub params: Vec<Param>,
    /// `body:`.
    pub body: Option<Spanned<Body>>,
    /// `json:`.
    pub json: Json,
    /// The shorthand `call: pkg.Service/Method`.
    pub shorthand: Option<Shorthand>,
    /// `calls:`, in written order.
    pub calls: Vec<Call>,
    /// `require:`.
    pub require: Vec<Require>,
    /// `response:`.
    pub response: Option<Template>,
    /// `status:`, a number or an expression.
    pub status: Option<Template>,
    /// `headers:` of the response.
    pub headers: Vec<(Name, Template)>,
    /// `cookies:` of the response.
    pub cookies: Vec<Cookie>,
    /// `cache:`.
    pub cache: Option<Cache>,
    /// `rate_limit:`.
    pub rate_limit: Vec<gate::LimitEntry>,
    /// `auth:`.
    pub auth: Option<auth::Auth>,
    /// `roles:`, and where it stands.
    pub roles: Option<Spanned<Vec<Name>>>,
    /// `scopes:`, and where it stands.
    pub scopes: Option<Spanned<Vec<Name>>>,
    /// `allow:`.
    pub allow: Option<Condition>,
    /// `invalidate:`.
    pub invalidate: Option<Spanned<Vec<Template>>>,
    /// `errors:`.
    pub errors: Errors,
    /// `deprecated:`.
    pub deprecated: Option<Deprecated>,
    /// `select:`.
    pub select: Option<Spanned<bool>>,
    /// `proxy:`, with `forward:`.
    pub proxy: Option<Proxy>,
}

impl Composition {
    /// Nothing but its head.
    pub fn new(span: Span, head: Head) -> Self {
        Self {
            file: span.file,
            span,
            head,
            summary: None,
            timeout: None,
            params: Vec::new(),
            body: None,
            json: Json::default(),
            shorthand: None,
            calls: Vec::new(),
            require: Vec::new(),
            response: None,
            status: None,
            headers: Vec::new(),
            cookies: Vec::new(),
            cache: None,
            rate_limit: Vec::new(),
            auth: None,
            roles: None,
            scopes: None,
            allow: None,
            invalidate: None,
            errors: Errors::default(),
            deprecated: None,
            select: None,
            proxy: None,
        }
    }
}

/// `proxy: backend:/path` and the headers that it hands over.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The key's value.
    pub span: Span,
    /// The backend.
    pub backend: Name,
    /// Its path there.
    pub path: TextTemplate,
    /// `forward: { request }`: names of headers, or beginnings of them before a `*`.
    pub request: Vec<Name>,
    /// `forward: { response }`.
    pub response: Vec<Name>,
}

/// `endpoint: GET /pages/{id}` or `fragment: name`.
#[derive(Clone, Debug)]
pub enum Head {
    /// An endpoint.
    Endpoint {
        /// `GET`, …, `ANY`, in capitals as written.
        method: Name,
        /// The path template as written; the span is that of the path alone.
        path: Name,
    },
    /// A fragment.
    Fragment {
        /// Its name.
        name: Name,
    },
}

/// A declared input.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name in expressions.
    pub name: Name,
    /// `in:`.
    pub location: Option<Spanned<Location>>,
    /// `in:` was written, and could not be read.
    pub lost: bool,
    /// `name:`, the name on the wire.
    pub wire_name: Option<Name>,
    /// `type:`: `string int double bool timestamp duration bytes any`, a full message or enum name, `[T]`.
    pub ty: Option<Spanned<ParamType>>,
    /// `default:`.
    pub default: Option<Spanned<Literal>>,
    /// `optional: true`.
    pub optional: Option<Spanned<bool>>,
    /// `pattern:`.
    pub pattern: Option<Name>,
    /// `minimum:`, as written.
    pub minimum: Option<Spanned<Literal>>,
    /// `maximum:`, as written.
    pub maximum: Option<Spanned<Literal>>,
    /// `min_length:`, in characters.
    pub min_length: Option<Spanned<u64>>,
    /// `max_length:`, in characters.
    pub max_length: Option<Spanned<u64>>,
    /// `enum:`, the values allowed.
    pub one_of: Vec<Spanned<Literal>>,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// A cookie.
    Cookie,
    /// A header.
    Header,
    /// A variable of the path template.
    Path,
    /// The query string.
    Query,
}

/// A declared type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// `[T]`.
    List(Box<Self>),
    /// A keyword or a full name.
    Named(Arc<str>),
}

/// `body:` of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `bytes`.
    Bytes,
    /// `"*"` or a field's name, for the shorthand (google.api.http's meaning).
    Field(Arc<str>),
    /// `{ schema: order.schema.json }`.
    Schema(Arc<str>),
}

/// `json:` as far as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json {
    /// `names:`.
    pub names: Option<codec::Names>,
    /// `int64:`.
    pub int64: Option<codec::Int64>,
    /// `enums:`.
    pub enums: Option<codec::Enums>,
    /// `defaults:`.
    pub defaults: Option<codec::Defaults>,
    /// `enum_prefix:`.
    pub enum_prefix: Option<codec::EnumPrefix>,
}

/// `call: pkg.Service/Method` at the root of a file.
#[derive(Clone, Debug)]
pub struct Shorthand {
    /// The method.
    pub method: Name,
    /// `backend:`.
    pub backend: Option<Name>,
    /// `request:`; without it fields bind as google.api.http binds them.
    pub request: Option<Template>,
}

/// One entry of `calls:`.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub name: Name,
    /// What it is; `None` where that could not be read.
    pub kind: Option<CallKind>,
    /// `headers:`.
    pub headers: Vec<(Name, Template)>,
    /// `when:`.
    pub when: Option<Condition>,
    /// `after:`.
    pub after: Vec<Name>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `retry:`.
    pub retry: Option<protection::Switch<protection::Retry>>,
    /// `hedge:`.
    pub hedge: Option<protection::Switch<protection::Hedge>>,
    /// `optional:`.
    pub optional: Option<Spanned<bool>>,
    /// `fallback:`.
    pub fallback: Option<Template>,
    /// `fallback: $stale`, in place of a template.
    pub stale: Option<Span>,
    /// `cache:`.
    pub cache: Option<Cache>,
    /// `index_by:`, as written.
    pub index_by: Option<Name>,
    /// `effect:`.
    pub effect: Option<Spanned<bool>>,
    /// `safe:`.
    pub safe: Option<Spanned<bool>>,
    /// `errors:`.
    pub errors: Vec<ErrorRule>,
    /// `json:`.
    pub json: Json,
    /// The whole entry.
    pub span: Span,
}

/// What a call is.
#[derive(Clone, Debug)]
pub enum CallKind {
    /// `compose:`.
    Compose {
        /// The fragment.
        fragment: Name,
        /// `with:`.
        with: Vec<(Name, Template)>,
    },
    /// `for:`.
    For {
        /// The loop variable.
        variable: Name,
        /// The list.
        list: Expression,
        /// `max_concurrency:`.
        max_concurrency: Option<Spanned<u32>>,
        /// What is made of each element.
        each: ForBody,
    },
    /// `grpc:`.
    Grpc {
        /// `pkg.Service/Method`.
        method: Name,
        /// `backend:`.
        backend: Option<Name>,
        /// `request:`.
        request: Option<Template>,
    },
    /// `http:`.
    Http {
        /// `GET`, ….
        method: Name,
        /// The backend before the colon.
        backend: Name,
        /// The path, with its holes.
        path: TextTemplate,
        /// `query:`.
        query: Vec<(Name, Template)>,
        /// `body:`.
        body: Option<Template>,
        /// `accept:`.
        accept: Option<Spanned<Accept>>,
        /// `schema:`.
        schema: Option<Name>,
    },
    /// `value:`.
    Value(Template),
}

/// The two forms of a `for` call.
#[derive(Clone, Debug)]
pub enum ForBody {
    /// `calls:` and `response:` nested.
    Calls {
        /// The inner calls.
        calls: Vec<Call>,
        /// What each element gives.
        response: Option<Template>,
    },
    /// One call's keys: sugar for `calls: {it: …}, response: $it`. The inner call has the name of the outer one.
    Single(Box<Call>),
}

/// `accept:` of an HTTP call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// The body is bytes.
    Bytes,
    /// JSON.
    #[default]
    Json,
    /// The body is text.
    Text,
    /// XML, read as JSON.
    Xml,
}

/// `require:`'s entries.
#[derive(Clone, Debug)]
pub struct Require {
    /// `that:`.
    pub that: Condition,
    /// `else:`, a gRPC code or an HTTP status, as written.
    pub otherwise: Option<Name>,
    /// `detail:`.
    pub detail: Option<Template>,
    /// The whole entry.
    pub span: Span,
}

/// One entry of `cookies:`.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Its name.
    pub name: Name,
    /// `value:`; null deletes.
    pub value: Template,
    /// `max_age:`.
    pub max_age: Option<Spanned<Duration>>,
    /// `path:`.
    pub path: Option<Name>,
    /// `domain:`.
    pub domain: Option<Name>,
    /// `same_site:`, `Lax`, `Strict` or `None`.
    pub same_site: Option<Name>,
    /// `secure:`.
    pub secure: Option<Spanned<bool>>,
    /// `http_only:`.
    pub http_only: Option<Spanned<bool>>,
}

/// `cache:` of an endpoint or a call: a duration or a map.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `ttl:`.
    pub ttl: Option<Spanned<Duration>>,
    /// `scope: user`.
    pub scope_user: Option<Span>,
    /// `stale_while_revalidate:`.
    pub stale_while_revalidate: Option<Spanned<Duration>>,
    /// `stale_if_error:`.
    pub stale_if_error: Option<Spanned<Duration>>,
    /// `tags:`.
    pub tags: Vec<Template>,
    /// `backend: ignore`.
    pub ignores_backend: bool,
    /// The whole value.
    pub span: Span,
}

/// `errors:` of an endpoint or of the gateway file.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// `details: expose`.
    pub expose_details: Option<Spanned<bool>>,
    /// `in_body:`, the member's name; `Some(None)` is an explicit null.
    pub in_body: Option<Option<Name>>,
    /// `map:`.
    pub map: Vec<ErrorRule>,
}

/// A failure in other words.
#[derive(Clone, Debug)]
pub struct ErrorRule {
    /// A gRPC code's name or an HTTP status, as written.
    pub on: Name,
    /// `status:`.
    pub status: Option<Spanned<u16>>,
    /// `title:`.
    pub title: Option<Name>,
}

/// `deprecated:`.
#[derive(Clone, Debug)]
pub struct Deprecated {
    /// `since:`, a date or timestamp as written.
    pub since: Option<Name>,
    /// `sunset:`, a date or timestamp as written.
    pub sunset: Option<Name>,
    /// `link:`.
    pub link: Option<Name>,
}

#[cfg(test)]
mod tests;
