//! Compositions and fragments as written.

use std::sync::Arc;

use super::keys::Place;
use super::reader::{Fields, Reader, Zero};
use super::template::Held;
use super::{Body, Composition, Head, Literal, Location, Name, Param, ParamType, Shorthand, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Document, Node, NodeKind, Span, Spanned};
use crate::schema::suggest::did_you_mean;

/// Keys of an endpoint that say what is answered in another way than `proxy` does.
const BESIDE_NO_PROXY: [&str; 12] = [
    "backend",
    "cache",
    "call",
    "calls",
    "cookies",
    "headers",
    "invalidate",
    "json",
    "request",
    "response",
    "select",
    "status",
];

/// Methods of an endpoint.
const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

impl Reader<'_> {
    pub(super) fn composition(&mut self, document: &Document) -> Option<Composition> {
        let root = &document.root;
        let NodeKind::Map(members) = &root.kind else {
            self.wrong("composition", root, "a map");
            return None;
        };
        let is_fragment = members.iter().any(|(key, _)| &*key.value == "fragment");
        let is_endpoint = members.iter().any(|(key, _)| &*key.value == "endpoint");
        let place = if is_fragment && !is_endpoint {
            Place::Fragment
        } else {
            Place::Endpoint
        };
        let known = members.iter().filter(|(key, _)| !key.value.starts_with("x-"));
        if is_fragment && is_endpoint {
            let at = |wanted: &str| {
                members
                    .iter()
                    .find(|(key, _)| &*key.value == wanted)
                    .map_or(root.span, |it| it.0.span)
            };
            let diagnostic = Diagnostic::new(
                "conflicting-keys",
                at("fragment"),
                "a file is an endpoint or a fragment, not both",
            );
            self.push(diagnostic.other(at("endpoint"), "it is an endpoint here"));
        }
        let known = known.filter(|(key, _)| !(is_endpoint && &*key.value == "fragment"));
        let mut fields = self.fields_of(root.span, known.map(|(key, value)| (key, value)), place);
        let head = self.head(&mut fields);
        let composition = self.body_of(&mut fields, document, head);
        fields.finish();
        composition
    }

    fn head(&mut self, fields: &mut Fields<'_>) -> Option<Head> {
        if fields.place == Place::Fragment {
            let (_, node) = fields.take("fragment")?;
            let name = self.text("fragment", node)?;
            return Some(Head::Fragment {
                name: self.label(&name)?,
            });
        }
        let Some((_, node)) = fields.take("endpoint") else {
            let start = Span {
                end: fields.span.start,
                ..fields.span
            };
            let diagnostic = Diagnostic::new("missing-key", start, "nothing says what this file is");
            self.push(diagnostic.label("`endpoint: GET /path`, or `fragment: name`"));
            return None;
        };
        let text = self.plain_text("endpoint", node, "a method and a path")?;
        let value = &*text.value;
        let mistake = |reader: &mut Self, span: Span, label: &str, help: Option<String>| {
            let mut diagnostic =
                Diagnostic::new("bad-endpoint", span, "`endpoint` is a method and a path").label(label);
            diagnostic.help = help;
            reader.push(diagnostic);
            None
        };
        let Some((method, path)) = value.split_once(' ') else {
            let help = value.starts_with('/').then(|| format!("endpoint: GET {value}"));
            return mistake(
                self,
                node.span,
                "a method, a blank, and a path that begins with `/`",
                help,
            );
        };
        let method_span = self.part(text, 0, method.len());
        if !METHODS.contains(&method) {
            let label = did_you_mean(method, METHODS);
            let label = if label.is_empty() {
                format!("one of {}", METHODS.join(", "))
            } else {
                label
            };
            return mistake(self, method_span, &label, None);
        }
        let start = value.len() - path.trim_start().len();
        let path = path.trim();
        let path_span = self.part(text, start, start + path.len());
        if !path.starts_with('/') {
            return mistake(
                self,
                path_span,
                "a path begins with `/`",
                Some(format!("endpoint: {method} /{path}")),
            );
        }
        Some(Head::Endpoint {
            method: Spanned::new(Arc::from(method), method_span),
            path: Spanned::new(Arc::from(path), path_span),
        })
    }

    fn body_of(&mut self, fields: &mut Fields<'_>, document: &Document, head: Option<Head>) -> Option<Composition> {
        if let Some((key, node)) = fields.member("call")
            && matches!(node.kind, NodeKind::Map(_))
            && !fields.has("calls")
        {
            let title = "`call` is a gRPC method, not a map";
            self.push(Diagnostic::new("wrong-type", key.span, title).label("did you mean `calls`?"));
            fields.rename("call", "calls");
        }
        self.what_answers(fields);
        let composition = Composition {
            file: document.file,
            span: document.root.span,
            // A file without a head is read for its mistakes all the same.
            head: head.clone().unwrap_or(Head::Fragment {
                name: Spanned::new("".into(), document.root.span),
            }),
            summary: fields
                .take_if_any("summary")
                .and_then(|node| self.text("summary", node)),
            timeout: fields
                .take_if_any("timeout")
                .and_then(|node| self.duration("timeout", node, Zero::Refuse)),
            params: fields
                .take_if_any("params")
                .map(|node| self.params(node))
                .unwrap_or_default(),
            body: fields.take_if_any("body").and_then(|node| self.body(node)),
            json: fields
                .take_if_any("json")
                .map(|node| self.json(node))
                .unwrap_or_default(),
            shorthand: self.shorthand(fields),
            calls: fields
                .take_if_any("calls")
                .map(|node| self.calls(node))
                .unwrap_or_default(),
            require: fields
                .take_if_any("require")
                .map(|node| self.require(node))
                .unwrap_or_default(),
            response: fields
                .take_if_any("response")
                .map(|node| self.template(node, Held::ByNothing)),
            status: fields.take_if_any("status").and_then(|node| self.status(node)),
            headers: fields
                .take_if_any("headers")
                .map(|node| self.header_templates(node))
                .unwrap_or_default(),
            cookies: fields
                .take_if_any("cookies")
                .map(|node| self.cookies(node))
                .unwrap_or_default(),
            cache: fields
                .take_if_any("cache")
                .and_then(|node| self.cache(node, Place::EndpointCache)),
            auth: fields.take_if_any("auth").and_then(|node| self.auth(node)),
            roles: fields.take_if_any("roles").map(|node| self.demanded("roles", node)),
            scopes: fields.take_if_any("scopes").map(|node| self.demanded("scopes", node)),
            allow: fields
                .take_if_any("allow")
                .and_then(|node| self.condition("allow", node)),
            invalidate: fields
                .take_if_any("invalidate")
                .map(|node| Spanned::new(self.tags("invalidate", node), node.span)),
            rate_limit: fields
                .take_if_any("rate_limit")
                .map(|node| self.rate_limit(node))
                .unwrap_or_default(),
            errors: fields
                .take_if_any("errors")
                .map(|node| self.errors(node))
                .unwrap_or_default(),
            deprecated: fields.take_if_any("deprecated").and_then(|node| self.deprecated(node)),
            select: fields.take_if_any("select").and_then(|node| self.bool("select", node)),
            proxy: self.proxy(fields),
        };
        head.map(|_| composition)
    }

    /// A file answers with one `call`, or with `calls` and `response`.
    fn what_answers(&mut self, fields: &Fields<'_>) {
        if let Some(proxy) = fields.key("proxy") {
            for name in BESIDE_NO_PROXY {
                if let Some(key) = fields.key(name) {
                    let title = format!("`proxy` and `{name}` cannot stand together");
                    let diagnostic = Diagnostic::new("conflicting-keys", key.span, title)
                        .label("what is passed through is neither made nor kept here")
                        .other(proxy.span, "the request is handed over here");
                    self.push(diagnostic);
                }
            }
            return;
        }
        if let Some(key) = fields.key("forward") {
            let diagnostic = Diagnostic::new("misplaced-key", key.span, "`forward` belongs to `proxy`");
            self.push(diagnostic.label("calls send the headers that their `headers:` name"));
        }
        if let Some(call) = fields.key("call") {
            for name in ["calls", "response"] {
                if let Some(key) = fields.key(name) {
                    let title = format!("`call` and `{name}` cannot stand together");
                    let diagnostic = Diagnostic::new("conflicting-keys", key.span, title)
                        .label("with `call` the reply is the response")
                        .other(call.span, "the short form begins here");
                    self.push(diagnostic.help(format!("calls: {{ {}: {{ grpc: … }} }}", "name")));
                }
            }
            return;
        }
        for name in ["backend", "request"] {
            if let Some(key) = fields.key(name) {
                let diagnostic = Diagnostic::new("misplaced-key", key.span, format!("`{name}` belongs to a call"));
                self.push(diagnostic.label("at the root of a file it stands beside `call` only"));
            }
        }
        if !fields.has("calls") && !fields.has("response") {
            let start = Span {
                end: fields.span.start,
                ..fields.span
            };
            let diagnostic = Diagnostic::new("missing-key", start, "nothing says what is answered");
            self.push(diagnostic.label("`call`, or `calls` and `response`"));
        }
    }

    fn shorthand(&mut self, fields: &mut Fields<'_>) -> Option<Shorthand> {
        let backend = self.backend(fields);
        let request = fields
            .take("request")
            .map(|(_, node)| self.template(node, Held::ByNothing));
        let (_, node) = fields.take("call")?;
        Some(Shorthand {
            method: self.method("call", node)?,
            backend,
            request,
        })
    }

    // === inputs ===

    fn params(&mut self, node: &Node) -> Vec<Param> {
        let members = self.map("params", node).unwrap_or_default();
        let mut params = Vec::new();
        for (key, value) in members {
            let name = self.name(&key.value, key.span);
            let param = self.param(key, value);
            if let (Some(name), Some(param)) = (name, param) {
                params.push(Param { name, ..param });
            }
        }
        params
    }

    fn param(&mut self, name: &Name, node: &Node) -> Option<Param> {
        if let NodeKind::Text(_) = &node.kind {
            let title = format!("the param `{}` is a map, not text", name.value);
            let ty = match self.written(node.span) {
                ty @ ("bool" | "bytes" | "double" | "duration" | "int" | "timestamp") => ty,
                _ => "string",
            };
            let help = format!("{}: {{ in: query, type: {ty} }}", name.value);
            self.push(Diagnostic::new("wrong-type", node.span, title).help(help));
            // That there is such a param is known.
            return Some(Param {
                name: name.clone(),
                location: None,
                lost: true,
                wire_name: None,
                ty: None,
                default: None,
                optional: None,
                pattern: None,
                minimum: None,
                maximum: None,
                min_length: None,
                max_length: None,
                one_of: Vec::new(),
            });
        }
        let mut fields = self.fields(&name.value, node, Place::Param)?;
        let written = fields.take("in");
        let is_written = written.is_some();
        let location = written.and_then(|(_, node)| {
            let choices = [
                ("path", Location::Path),
                ("query", Location::Query),
                ("header", Location::Header),
                ("cookie", Location::Cookie),
            ];
            self.choice("in", node, &choices)
        });
        let bound = |reader: &mut Self, fields: &mut Fields<'_>, key: &str| {
            let (_, node) = fields.take(key)?;
            let literal = reader.literal(key, node)?;
            if matches!(literal.value, Literal::Number(_) | Literal::Text(_)) {
                return Some(literal);
            }
            reader.wrong(key, node, "a number or text");
            None
        };
        let length = |reader: &mut Self, fields: &mut Fields<'_>, key: &str| {
            let (_, node) = fields.take(key)?;
            reader.integer(key, node, 0..=1_048_576)
        };
        let param = Param {
            name: name.clone(),
            lost: is_written && location.is_none(),
            location,
            wire_name: fields.take("name").and_then(|(_, node)| self.text("name", node)),
            ty: fields.take("type").and_then(|(_, node)| self.param_type(node)),
            default: fields
                .take("default")
                .and_then(|(_, node)| self.literal("default", node)),
            optional: fields
                .take("optional")
                .and_then(|(_, node)| self.bool("optional", node)),
            pattern: fields.take("pattern").and_then(|(_, node)| self.text("pattern", node)),
            minimum: bound(self, &mut fields, "minimum"),
            maximum: bound(self, &mut fields, "maximum"),
            min_length: length(self, &mut fields, "min_length"),
            max_length: length(self, &mut fields, "max_length"),
            one_of: fields
                .take("enum")
                .map(|(_, node)| self.one_of(node))
                .unwrap_or_default(),
        };
        fields.finish();
        Some(param)
    }

    fn one_of(&mut self, node: &Node) -> Vec<Spanned<Literal>> {
        let items = self.list("enum", node).unwrap_or_default();
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.error("wrong-value", node.span, "`enum` names at least one value");
        }
        let mut values = Vec::new();
        for item in items {
            match self.literal("enum", item) {
                Some(Spanned {
                    value: Literal::List(_) | Literal::Null,
                    ..
                }) => self.wrong("enum", item, "a list of scalars"),
                read => values.extend(read),
            }
        }
        values
    }

    fn param_type(&mut self, node: &Node) -> Option<Spanned<ParamType>> {
        if let NodeKind::List(items) = &node.kind {
            let [item] = items.as_slice() else {
                let diagnostic = Diagnostic::new("wrong-value", node.span, "the type of a list names one type");
                self.push(diagnostic.help("type: [string]"));
                return None;
            };
            let element = self.param_type(item)?;
            return Some(Spanned::new(ParamType::List(Box::new(element.value)), node.span));
        }
        let name = self.text("type", node)?;
        if scalar::is_dotted(&name.value) {
            return Some(Spanned::new(ParamType::Named(name.value), node.span));
        }
        let help = name
            .value
            .strip_suffix("[]")
            .or_else(|| name.value.strip_prefix("repeated "));
        let mut diagnostic = Diagnostic::new("unknown-type", node.span, format!("`{}` is not a type", name.value));
        diagnostic.help = help.map(|it| format!("type: [{it}]"));
        self.push(diagnostic);
        None
    }

    fn body(&mut self, node: &Node) -> Option<Spanned<Body>> {
        if matches!(node.kind, NodeKind::Map(_)) {
            let mut fields = self.fields("body", node, Place::Body)?;
            let schema = fields.take("schema").and_then(|(_, node)| self.text("schema", node));
            if schema.is_none() && !fields.has("schema") {
                let diagnostic = Diagnostic::new("missing-key", node.span, "`body` says nothing");
                self.push(diagnostic.help("body: { schema: order.schema.json }"));
            }
            fields.finish();
            return schema.map(|it| Spanned::new(Body::Schema(it.value), it.span));
        }
        let text = self.text("body", node)?;
        let body = match &*text.value {
            "bytes" => Body::Bytes,
            "*" => Body::Field(text.value),
            field if scalar::is_dotted(field) && !field.contains('.') => Body::Field(text.value),
            _ => {
                let diagnostic = Diagnostic::new(
                    "wrong-value",
                    node.span,
                    "`body` is `bytes`, `\"*\"` or the name of a field",
                );
                self.push(diagnostic);
                return None;
            }
        };
        Some(Spanned::new(body, node.span))
    }
}
