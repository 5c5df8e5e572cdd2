//! As written: one struct per table of the language page. No defaults filled in, no name resolved, no type known.
//!
//! A part that could not be read is `None` or left out, and a diagnostic says why.

pub mod call;
pub mod composition;
pub mod gateway;
pub mod keys;
mod reader;
pub mod scalar;
pub mod template;

use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{Document, FileIndex, SourceMap, Span, Spanned, Text, yaml};
use crate::codec;
use crate::expr::{Ast, ExprError};

pub use gateway::{Admin, Backend, BackendDescriptors, Expose, Gateway, Limits, LogAccess, LogFormat};
pub use reader::Outside;

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

/// A name, and where it was written.
pub type Name = Spanned<Arc<str>>;

/// A file with `endpoint:` or `fragment:`.
#[derive(Clone, Debug)]
pub struct Composition {
    /// The file.
    pub file: FileIndex,
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
    /// `errors:`.
    pub errors: Errors,
    /// `deprecated:`.
    pub deprecated: Option<Deprecated>,
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
    List(Box<ParamType>),
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
    /// `optional:`.
    pub optional: Option<Spanned<bool>>,
    /// `fallback:`.
    pub fallback: Option<Template>,
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

/// A template: literal JSON, expressions and text, nested.
#[derive(Clone, Debug)]
pub struct Template {
    /// What it is.
    pub kind: TemplateKind,
    /// Its place.
    pub span: Span,
}

/// What a template is.
#[derive(Clone, Debug)]
pub enum TemplateKind {
    /// One expression.
    Expression(Expression),
    /// `$for`.
    For {
        /// The loop variable.
        variable: Name,
        /// The list.
        list: Expression,
        /// `$if` beside it.
        condition: Option<Box<Condition>>,
        /// The rest of the map, or `$value`.
        each: Box<Template>,
    },
    /// `$if` with `$value`, or `$if` in a map: leaves out the member or element that it is.
    If {
        /// The condition.
        condition: Box<Condition>,
        /// The rest of the map, or `$value`.
        then: Box<Template>,
    },
    /// `[…]`.
    List(Vec<Template>),
    /// null, a bool, a number, or text without expressions (`$$` undone).
    Literal(Literal),
    /// `{…}`.
    Object(Vec<Member>),
    /// Text with expressions in it.
    Text(TextTemplate),
    /// Could not be read; a diagnostic said so.
    Unknown,
}

/// A member of a template's object.
#[derive(Clone, Debug)]
pub enum Member {
    /// `name: …` (`$$ref` is `$ref`).
    Field(Name, Template),
    /// `...: $x`, or one of `...: [$a, $b]`.
    Spread(Template),
}

/// Text with expressions in it.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    /// Its parts, in order.
    pub parts: Vec<TextPart>,
    /// Its place.
    pub span: Span,
}

/// A part of text.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// `${…}`.
    Hole(Expression),
    /// Text between, `$$` undone.
    Literal(Arc<str>, Span),
}

/// A scalar that is not text with expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `true`, `false`.
    Bool(bool),
    /// A list, where a literal may be one (defaults).
    List(Vec<Literal>),
    /// A JSON number, digits as written.
    Number(Arc<str>),
    /// null.
    Null,
    /// Text.
    Text(Arc<str>),
}

/// Where a condition stands: an expression, or what was written in place of one (`expression-needs-dollar`, `true`).
#[derive(Clone, Debug)]
pub enum Condition {
    /// `$…`.
    Expression(Expression),
    /// A literal bool.
    Literal(Spanned<bool>),
}

/// A parsed expression, with the way back to the file.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The syntax tree.
    pub ast: Arc<Ast>,
    /// The scalar that it stands in.
    pub text: Text,
    /// Where in the scalar's decoded text the expression begins (behind `$` or `${`).
    pub offset: u32,
    /// Where in the scalar's decoded text it ends.
    pub end: u32,
    /// The file.
    pub file: FileIndex,
}

impl Expression {
    /// The place in the file of a part of the expression.
    pub fn span(&self, part: crate::expr::Span) -> Span {
        self.text
            .span(self.file, self.offset + part.start, self.offset + part.end)
    }

    /// The place of the whole expression, without its `$`.
    pub fn whole(&self) -> Span {
        self.text.span(self.file, self.offset, self.end)
    }

    /// The diagnostic of a mistake in the expression, at its place in the file.
    pub fn diagnostic(&self, error: ExprError) -> Diagnostic {
        let span = self.span(error.span);
        template::from_error(error, span)
    }

    /// The expression as written, without its `$`.
    pub fn source(&self) -> &str {
        self.text
            .value
            .get(self.offset as usize..self.end as usize)
            .unwrap_or_default()
    }
}
