//! Calls as written: which of the five kinds one is, and how it is made.

use std::sync::Arc;

use super::keys::{self, Availability, Place};
use super::reader::{Fields, Member, Reader, Zero};
use super::template::Held;
use super::{Accept, Call, CallKind, ForBody, Name, TextPart, TextTemplate};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned, Text};
use crate::schema::suggest::{did_you_mean, question};

/// Methods of an HTTP call.
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

/// The keys that say what a call is, and the place that each opens.
const KINDS: [(&str, Place); 5] = [
    ("compose", Place::CallCompose),
    ("for", Place::CallFor),
    ("grpc", Place::CallGrpc),
    ("http", Place::CallHttp),
    ("value", Place::CallValue),
];

impl Call {
    /// A call without keys.
    pub(in crate::language) fn empty(name: Name, span: Span) -> Self {
        Self {
            name,
            kind: None,
            headers: Vec::new(),
            when: None,
            after: Vec::new(),
            timeout: None,
            retry: None,
            hedge: None,
            optional: None,
            fallback: None,
            stale: None,
            cache: None,
            index_by: None,
            effect: None,
            safe: None,
            errors: Vec::new(),
            json: super::Json::default(),
            span,
        }
    }
}

/// `$stale`, the last good reply: no expression, and the whole of a `fallback`.
fn is_stale(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Text(text) if matches!(text.value.trim(), "$stale" | "${stale}"))
}

impl Reader<'_> {
    /// `calls:`, in written order. A call whose name cannot be used is read for its mistakes and left out.
    pub(super) fn calls(&mut self, node: &Node) -> Vec<Call> {
        let members = self.map("calls", node).unwrap_or_default();
        let mut calls = Vec::new();
        for (key, value) in members {
            let name = self.name(&key.value, key.span);
            let call = self.call(key, value);
            calls.extend(call.filter(|_| name.is_some()));
        }
        calls
    }

    fn call(&mut self, name: &Name, node: &Node) -> Option<Call> {
        let members = self.map(&name.value, node)?;
        let members: Vec<Member<'_>> = members.iter().map(|(key, value)| (key, value)).collect();
        let span = Span {
            start: name.span.start,
            ..node.span
        };
        let has = |wanted: &str| members.iter().any(|(key, _)| &*key.value == wanted);
        if has("for") && !has("calls") && !has("response") {
            return Some(self.short_loop(name, span, &members));
        }
        let place = self.kind(name, &members);
        let fields = self.call_fields(node.span, &members, place);
        Some(self.call_of(name, span, fields, place))
    }

    /// The one kind of a call.
    fn kind(&mut self, name: &Name, members: &[Member<'_>]) -> Option<Place> {
        let found: Vec<(&Spanned<Arc<str>>, Place)> = members
            .iter()
            .filter_map(|(key, _)| {
                KINDS
                    .iter()
                    .find(|(kind, _)| *kind == &*key.value)
                    .map(|(_, place)| (*key, *place))
            })
            .collect();
        match found.as_slice() {
            [(_, place)] => Some(*place),
            [] => {
                let unknown = members
                    .iter()
                    .find(|(key, _)| Place::CALLS.iter().all(|it| keys::find(&key.value, *it).is_none()));
                let label = unknown.map_or_else(String::new, |(key, _)| {
                    match keys::of_habit(&key.value).filter(|it| KINDS.iter().any(|(kind, _)| kind == it)) {
                        Some(kind) => question(Some(kind)),
                        None => did_you_mean(&key.value, KINDS.map(|(kind, _)| kind)),
                    }
                });
                let place = unknown
                    .filter(|_| !label.is_empty())
                    .map_or(name.span, |(key, _)| key.span);
                let title = format!("nothing says what the call `{}` is", name.value);
                let diagnostic = Diagnostic::new("call-kind", place, title);
                self.push(
                    diagnostic
                        .label(label)
                        .note("a call has one of `grpc`, `http`, `compose`, `for` and `value`"),
                );
                None
            }
            [(first, _), (second, _), ..] => {
                let title = format!("the call `{}` is two things at once", name.value);
                let diagnostic = Diagnostic::new("call-kind", second.span, title)
                    .label(format!("it is `{}` here", second.value))
                    .other(first.span, format!("and `{}` here", first.value));
                self.push(diagnostic);
                None
            }
        }
    }

    /// The keys of a call. Where it is not known what it is, those of every kind may stand.
    fn call_fields<'n>(&mut self, span: Span, members: &[Member<'n>], place: Option<Place>) -> Fields<'n> {
        let Some(place) = place else {
            for (key, _) in members {
                let at = Place::CALLS.iter().find_map(|place| keys::find(&key.value, *place));
                if at.is_some_and(|it| it.availability == Availability::Later) {
                    self.not_yet(key);
                }
            }
            return self.fields_of(span, std::iter::empty(), Place::CallValue);
        };
        self.fields_of(span, members.iter().copied(), place)
    }

    /// `for:` beside one call's keys: the inner call has the name of the outer one and every key but the loop's.
    fn short_loop(&mut self, name: &Name, span: Span, members: &[Member<'_>]) -> Call {
        let is_outer = |key: &str| matches!(key, "for" | "max_concurrency");
        let outer: Vec<Member<'_>> = members
            .iter()
            .filter(|(key, _)| is_outer(&key.value))
            .copied()
            .collect();
        let inner: Vec<Member<'_>> = members
            .iter()
            .filter(|(key, _)| !is_outer(&key.value))
            .copied()
            .collect();
        let place = self.kind(name, &inner);
        let fields = self.call_fields(span, &inner, place);
        let inner = self.call_of(name, span, fields, place);
        let mut fields = self.fields_of(span, outer.into_iter(), Place::CallFor);
        let kind = self.for_kind(&mut fields, ForBody::Single(Box::new(inner)));
        fields.finish();
        Call {
            kind,
            ..Call::empty(name.clone(), span)
        }
    }

    fn for_kind(&mut self, fields: &mut Fields<'_>, each: ForBody) -> Option<CallKind> {
        let max_concurrency = fields.take("max_concurrency").and_then(|(_, node)| {
            let read = self.integer("max_concurrency", node, 1..=1000)?;
            Some(Spanned::new(u32::try_from(read.value).ok()?, read.span))
        });
        let (_, node) = fields.take("for")?;
        let (variable, list) = self.binding("for", node)?;
        Some(CallKind::For {
            variable,
            list,
            max_concurrency,
            each,
        })
    }

    fn call_of(&mut self, name: &Name, span: Span, mut fields: Fields<'_>, place: Option<Place>) -> Call {
        let mut call = Call::empty(name.clone(), span);
        let Some(place) = place else { return call };
        call.kind = self.kind_of(&mut fields, place);
        if let Some(node) = fields.take_if_any("headers") {
            call.headers = self.header_templates(node);
        }
        call.when = fields.take_if_any("when").and_then(|node| self.condition("when", node));
        call.after = fields
            .take_if_any("after")
            .map(|node| self.texts("after", node))
            .unwrap_or_default();
        call.timeout = fields
            .take_if_any("timeout")
            .and_then(|node| self.duration("timeout", node, Zero::Refuse));
        call.retry = fields
            .take_if_any("retry")
            .and_then(|node| self.retry(node, Place::CallRetry));
        call.hedge = fields.take_if_any("hedge").and_then(|node| self.hedge(node));
        call.optional = fields
            .take_if_any("optional")
            .and_then(|node| self.bool("optional", node));
        match fields.take_if_any("fallback") {
            Some(node) if is_stale(node) => call.stale = Some(node.span),
            Some(node) => call.fallback = Some(self.template(node, Held::ByNothing)),
            None => {}
        }
        call.cache = fields
            .take_if_any("cache")
            .and_then(|node| self.cache(node, Place::CallCache));
        call.index_by = fields.take_if_any("index_by").and_then(|node| self.index_by(node));
        call.effect = fields.take_if_any("effect").and_then(|node| self.bool("effect", node));
        call.safe = fields.take_if_any("safe").and_then(|node| self.bool("safe", node));
        call.errors = fields
            .take_if_any("errors")
            .map(|node| self.error_rules("errors", node))
            .unwrap_or_default();
        if let Some(node) = fields.take_if_any("json") {
            call.json = self.json(node);
        }
        fields.finish();
        call
    }

    fn kind_of(&mut self, fields: &mut Fields<'_>, place: Place) -> Option<CallKind> {
        match place {
            Place::CallCompose => {
                let with = fields
                    .take("with")
                    .map(|(_, node)| self.templates("with", node))
                    .unwrap_or_default();
                let (_, node) = fields.take("compose")?;
                let fragment = self.text("compose", node)?;
                Some(CallKind::Compose {
                    fragment: self.label(&fragment)?,
                    with,
                })
            }
            Place::CallFor => {
                let calls = fields
                    .take("calls")
                    .map(|(_, node)| self.calls(node))
                    .unwrap_or_default();
                let response = fields
                    .take("response")
                    .map(|(_, node)| self.template(node, Held::ByNothing));
                self.for_kind(fields, ForBody::Calls { calls, response })
            }
            Place::CallGrpc => {
                let backend = self.backend(fields);
                let request = fields
                    .take("request")
                    .map(|(_, node)| self.template(node, Held::ByNothing));
                let (_, node) = fields.take("grpc")?;
                Some(CallKind::Grpc {
                    method: self.method("grpc", node)?,
                    backend,
                    request,
                })
            }
            Place::CallHttp => {
                let query = fields
                    .take("query")
                    .map(|(_, node)| self.templates("query", node))
                    .unwrap_or_default();
                let body = fields
                    .take("body")
                    .map(|(_, node)| self.template(node, Held::ByNothing));
                let accept = fields.take("accept").and_then(|(_, node)| {
                    let choices = [
                        ("json", Accept::Json),
                        ("xml", Accept::Xml),
                        ("text", Accept::Text),
                        ("bytes", Accept::Bytes),
                    ];
                    self.choice("accept", node, &choices)
                });
                let schema = fields.take("schema").and_then(|(_, node)| self.text("schema", node));
                let (_, node) = fields.take("http")?;
                let (method, backend, path) = self.http(node)?;
                Some(CallKind::Http {
                    method,
                    backend,
                    path,
                    query,
                    body,
                    accept,
                    schema,
                })
            }
            _ => {
                let (_, node) = fields.take("value")?;
                Some(CallKind::Value(self.template(node, Held::ByNothing)))
            }
        }
    }

    /// `backend:`.
    pub(super) fn backend(&mut self, fields: &mut Fields<'_>) -> Option<Name> {
        let (_, node) = fields.take("backend")?;
        let name = self.text("backend", node)?;
        self.label(&name)
    }

    /// `METHOD backend:/path`, with holes in the path only.
    fn http(&mut self, node: &Node) -> Option<(Name, Name, TextTemplate)> {
        let NodeKind::Text(text) = &node.kind else {
            self.wrong("http", node, "a call, `METHOD backend:/path`");
            return None;
        };
        let value = &*text.value;
        let malformed = |reader: &mut Self, start: usize, end: usize, label: &str| {
            let head = value.get(start..end).unwrap_or_default();
            let head = head.split('/').next().unwrap_or_default();
            let span = reader.part(text, start, end);
            if head.contains('$') {
                let diagnostic = Diagnostic::new(
                    "no-expression-here",
                    span,
                    "method and backend of `http` take no expression",
                );
                reader.push(diagnostic.label("expressions stand in the path"));
            } else {
                let diagnostic = Diagnostic::new("wrong-value", span, "`http` is `METHOD backend:/path`");
                let mut diagnostic = diagnostic.label(label);
                let is_all_but_method = start == 0 && end == value.len() && head.ends_with(':');
                diagnostic.help = is_all_but_method.then(|| format!("GET {value}"));
                reader.push(diagnostic);
            }
        };
        let Some(space) = value.find(' ') else {
            malformed(self, 0, value.len(), "no method stands here");
            return None;
        };
        let method = value.get(..space)?;
        if !METHODS.contains(&method) {
            let label = did_you_mean(method, METHODS);
            let label = if label.is_empty() {
                "not a method of HTTP calls"
            } else {
                label.as_str()
            };
            malformed(self, 0, space, label);
            return None;
        }
        let start = value.len() - value.get(space..)?.trim_start().len();
        let Some(colon) = value.get(start..)?.find(':').map(|at| start + at) else {
            malformed(self, start, value.len(), "no backend stands here");
            return None;
        };
        let backend = value.get(start..colon)?;
        if backend.contains(['$', ' ', '/']) || backend.is_empty() {
            malformed(self, start, colon, "the name of a backend, then `:/path`");
            return None;
        }
        let backend = Spanned::new(Arc::from(backend), self.part(text, start, colon));
        let backend = self.label(&backend);
        let path = self.path(text, colon + 1, value.trim_end().len());
        let method = Spanned::new(Arc::from(method), self.part(text, 0, space));
        Some((method, backend?, path?))
    }

    /// The path behind `backend:`; of one that cannot be the parts as they are, so that the rest of the call is looked at.
    pub(super) fn path(&mut self, text: &Text, start: usize, end: usize) -> Option<TextTemplate> {
        let span = self.part(text, start, end);
        let parts = self.parts(text, start, end)?;
        let starts_well = matches!(parts.first(), Some(TextPart::Literal(first, _)) if first.starts_with('/'));
        if !starts_well {
            self.error("bad-path", span, "the path of a call begins with `/`");
            return Some(TextTemplate { parts, span });
        }
        // A hole is a stand-in of one letter: it can be empty or `..` only at run time.
        let mut shape = String::new();
        for part in &parts {
            let TextPart::Literal(literal, span) = part else {
                shape.push('x');
                continue;
            };
            shape.push_str(literal);
            if literal.contains(['?', '#']) {
                let diagnostic =
                    Diagnostic::new("bad-path", *span, "a path has no `?` and no `#`").label("use `query:`");
                let query = literal
                    .split_once('?')
                    .and_then(|(_, query)| query.split_once('='))
                    .filter(|(_, value)| !value.contains('&'));
                let help = match query {
                    Some((name, "")) => format!("query: {{ {name}: … }}"),
                    Some((name, value)) => format!("query: {{ {name}: {value} }}"),
                    None => "query: { name: … }".to_owned(),
                };
                self.push(diagnostic.help(help));
            } else if let Some(open) = literal.find(['{', '}']) {
                let rest = literal.get(open..).unwrap_or_default();
                let close = rest.find('/').unwrap_or(rest.len());
                let segment = rest.get(..close).unwrap_or_default();
                // As far as the text stands in the file as it is.
                let at = |byte: usize| span.start + u32::try_from(byte).unwrap_or_default();
                let place = if (span.end - span.start) as usize == literal.len() {
                    Span {
                        start: at(open),
                        end: at(open + close),
                        ..*span
                    }
                } else {
                    *span
                };
                let name = segment.trim_matches(['{', '}', ' ']);
                let diagnostic = Diagnostic::new("bad-path", place, "a path has no braces of its own")
                    .label("a value is written `${…}`");
                self.push(diagnostic.help(format!("${{{}}}", if name.is_empty() { "name" } else { name })));
            } else if literal.bytes().any(|it| !it.is_ascii_graphic()) {
                self.error("bad-path", *span, "a path has no blanks and no letters beyond ASCII");
            }
        }
        if shape
            .split('/')
            .any(|it| matches!(it.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
        {
            self.error("bad-path", span, "a path has no `.` or `..` segment");
        }
        Some(TextTemplate { parts, span })
    }

    fn index_by(&mut self, node: &Node) -> Option<Name> {
        let name = self.text("index_by", node)?;
        if name.value.contains('.') && super::scalar::is_dotted(&name.value) {
            return Some(name);
        }
        let diagnostic = Diagnostic::new("wrong-value", node.span, "`index_by` is `list_field.key_field`");
        self.push(diagnostic.help("users.id"));
        None
    }

    /// Headers that are sent, by name.
    pub(super) fn header_templates(&mut self, node: &Node) -> Vec<(Name, super::Template)> {
        let members = self.map("headers", node).unwrap_or_default();
        let mut headers = Vec::new();
        for (key, value) in members {
            let name = self.header_name(key);
            let template = self.template(value, Held::ByCollection);
            headers.extend(name.map(|name| (name, template)));
        }
        headers
    }
}
