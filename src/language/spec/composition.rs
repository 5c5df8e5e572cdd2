//! Compositions and fragments as written.

use std::sync::Arc;

use super::keys::Place;
use super::reader::{Fields, Reader, Zero};
use super::template::Held;
use super::{
    Body, Cache, Composition, Condition, Cookie, Deprecated, ErrorRule, Errors, Head, Json, Literal, Location, Name,
    Param, ParamType, Require, Shorthand, Template, TemplateKind, scalar,
};
use crate::codec;
use crate::language::diagnostic::Diagnostic;
use crate::language::diagnostic::suggest::did_you_mean;
use crate::language::source::{Document, Node, NodeKind, Span, Spanned};

/// Methods of an endpoint.
const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// google.rpc.Code, without OK.
pub const CODES: [&str; 16] = [
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "DATA_LOSS",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "UNKNOWN",
];

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
        self.what_answers(fields);
        let composition = Composition {
            file: document.file,
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
            errors: fields
                .take_if_any("errors")
                .map(|node| self.errors(node))
                .unwrap_or_default(),
            deprecated: fields.take_if_any("deprecated").and_then(|node| self.deprecated(node)),
        };
        head.map(|_| composition)
    }

    /// A file answers with one `call`, or with `calls` and `response`.
    fn what_answers(&mut self, fields: &Fields<'_>) {
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
        let mut fields = self.fields(&name.value, node, Place::Param)?;
        let location = fields.take("in").and_then(|(_, node)| {
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
            reader.integer(key, node, 0, 1_048_576)
        };
        let param = Param {
            name: name.clone(),
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
            // The one key that it will have is of a later version.
            let fields = self.fields("body", node, Place::Body)?;
            fields.finish();
            return None;
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

    pub(super) fn json(&mut self, node: &Node) -> Json {
        let Some(mut fields) = self.fields("json", node, Place::Json) else {
            return Json::default();
        };
        let mut json = Json::default();
        if let Some((_, node)) = fields.take("names") {
            let read = self.choice(
                "names",
                node,
                &[("json", codec::Names::Json), ("proto", codec::Names::Proto)],
            );
            json.names = read.map(|it| it.value);
        }
        if let Some((_, node)) = fields.take("int64") {
            let read = self.choice(
                "int64",
                node,
                &[("string", codec::Int64::String), ("number", codec::Int64::Number)],
            );
            json.int64 = read.map(|it| it.value);
        }
        if let Some((_, node)) = fields.take("enums") {
            let read = self.choice(
                "enums",
                node,
                &[("name", codec::Enums::Name), ("number", codec::Enums::Number)],
            );
            json.enums = read.map(|it| it.value);
        }
        if let Some((_, node)) = fields.take("defaults") {
            let read = self.choice(
                "defaults",
                node,
                &[("omit", codec::Defaults::Omit), ("emit", codec::Defaults::Emit)],
            );
            json.defaults = read.map(|it| it.value);
        }
        if let Some((_, node)) = fields.take("enum_prefix") {
            let choices = [("keep", codec::EnumPrefix::Keep), ("strip", codec::EnumPrefix::Strip)];
            json.enum_prefix = self.choice("enum_prefix", node, &choices).map(|it| it.value);
        }
        fields.finish();
        json
    }

    // === what is answered ===

    fn status(&mut self, node: &Node) -> Option<Template> {
        let template = self.template(node, Held::ByNothing);
        let is_sound = match &template.kind {
            TemplateKind::Expression(_) => true,
            TemplateKind::Literal(Literal::Number(digits)) => {
                digits.parse::<u16>().is_ok_and(|it| (200..=399).contains(&it))
            }
            TemplateKind::Unknown => return None,
            _ => false,
        };
        if !is_sound {
            let diagnostic = Diagnostic::new(
                "bad-status",
                node.span,
                "a status is an integer from 200 to 399, or an expression",
            );
            self.push(diagnostic.note("failures have the status of their code: see `require` and `errors`"));
        }
        is_sound.then_some(template)
    }

    fn require(&mut self, node: &Node) -> Vec<Require> {
        let items = self.list("require", node).unwrap_or_default();
        items.iter().filter_map(|it| self.requirement(it)).collect()
    }

    fn requirement(&mut self, node: &Node) -> Option<Require> {
        let mut fields = self.fields("require", node, Place::Require)?;
        let that = match fields.take("that") {
            Some((_, node)) => self.condition("that", node),
            None => {
                self.missing("that", node.span, Place::Require);
                None
            }
        };
        let otherwise = fields.take("else").and_then(|(_, node)| self.code_or_status(node));
        let detail = fields
            .take("detail")
            .map(|(_, node)| self.template(node, Held::ByNothing));
        fields.finish();
        let that: Condition = that?;
        Some(Require {
            that,
            otherwise,
            detail,
            span: node.span,
        })
    }

    /// A gRPC code by name, or an HTTP status of a failure.
    fn code_or_status(&mut self, node: &Node) -> Option<Name> {
        if let NodeKind::Number(digits) = &node.kind {
            self.integer("else", node, 400, 599)?;
            return Some(Spanned::new(digits.clone(), node.span));
        }
        let code = self.text("else", node)?;
        self.check_code(&code)?;
        Some(code)
    }

    fn check_code(&mut self, code: &Name) -> Option<()> {
        let is_status = code.value.len() == 3 && code.value.parse::<u16>().is_ok_and(|it| (400..=599).contains(&it));
        if is_status || CODES.contains(&&*code.value) {
            return Some(());
        }
        let title = format!("`{}` is neither a gRPC code nor the status of a failure", code.value);
        self.push(Diagnostic::new("bad-code", code.span, title).label(did_you_mean(&code.value, CODES)));
        None
    }

    fn cookies(&mut self, node: &Node) -> Vec<Cookie> {
        let members = self.map("cookies", node).unwrap_or_default();
        members
            .iter()
            .filter_map(|(key, value)| self.cookie(key, value))
            .collect()
    }

    fn cookie(&mut self, name: &Name, node: &Node) -> Option<Cookie> {
        if !scalar::is_header_name(&name.value.to_ascii_lowercase()) {
            let title = format!("`{}` is not the name of a cookie", name.value);
            self.error("bad-name", name.span, title);
            return None;
        }
        let mut fields = self.fields(&name.value, node, Place::Cookie)?;
        let value = match fields.take("value") {
            Some((_, node)) => Some(self.template(node, Held::ByNothing)),
            None => {
                self.missing("value", name.span, Place::Cookie);
                None
            }
        };
        let same_site = fields.take("same_site").and_then(|(_, node)| {
            self.choice("same_site", node, &[("Lax", ()), ("Strict", ()), ("None", ())])?;
            self.text("same_site", node)
        });
        let max_age = fields
            .take("max_age")
            .and_then(|(_, node)| self.duration("max_age", node, Zero::Allow));
        let path = fields.take("path").and_then(|(_, node)| self.text("path", node));
        let domain = fields.take("domain").and_then(|(_, node)| self.text("domain", node));
        let secure = fields.take("secure").and_then(|(_, node)| self.bool("secure", node));
        let http_only = fields
            .take("http_only")
            .and_then(|(_, node)| self.bool("http_only", node));
        fields.finish();
        Some(Cookie {
            name: name.clone(),
            value: value?,
            max_age,
            path,
            domain,
            same_site,
            secure,
            http_only,
        })
    }

    /// `cache:` of an endpoint or a call: a duration, or a map.
    pub(super) fn cache(&mut self, node: &Node, place: Place) -> Option<Cache> {
        let span = node.span;
        if !matches!(node.kind, NodeKind::Map(_)) {
            let ttl = self.duration("cache", node, Zero::Refuse)?;
            return Some(Cache {
                ttl: Some(ttl),
                scope_user: None,
                span,
            });
        }
        let mut fields = self.fields("cache", node, place)?;
        let scope = fields
            .take_if_any("scope")
            .and_then(|node| self.choice("scope", node, &[("user", ())]));
        let ttl = match fields.take("ttl") {
            Some((_, node)) => self.duration("ttl", node, Zero::Refuse),
            None => {
                self.missing("ttl", span, place);
                None
            }
        };
        fields.finish();
        Some(Cache {
            ttl,
            scope_user: scope.map(|it| it.span),
            span,
        })
    }

    // === failures ===

    pub(super) fn errors(&mut self, node: &Node) -> Errors {
        let Some(mut fields) = self.fields("errors", node, Place::Errors) else {
            return Errors::default();
        };
        let expose_details = fields
            .take("details")
            .and_then(|(_, node)| self.choice("details", node, &[("hide", false), ("expose", true)]));
        let in_body = fields.take("in_body").and_then(|(_, node)| match node.kind {
            NodeKind::Null => Some(None),
            _ => self.text("in_body", node).map(Some),
        });
        let map = fields
            .take("map")
            .map(|(_, node)| self.error_rules("map", node))
            .unwrap_or_default();
        fields.finish();
        Errors {
            expose_details,
            in_body,
            map,
        }
    }

    /// Failures in other words, by gRPC code or HTTP status.
    pub(super) fn error_rules(&mut self, key: &str, node: &Node) -> Vec<ErrorRule> {
        let members = self.map(key, node).unwrap_or_default();
        let mut rules = Vec::new();
        for (on, value) in members {
            let is_code = self.check_code(on).is_some();
            let Some(mut fields) = self.fields(&on.value, value, Place::ErrorRule) else {
                continue;
            };
            let status = fields
                .take("status")
                .and_then(|(_, node)| self.integer("status", node, 400, 599));
            let status = status.and_then(|it| Some(Spanned::new(u16::try_from(it.value).ok()?, it.span)));
            let title = fields.take("title").and_then(|(_, node)| self.text("title", node));
            fields.finish();
            if is_code {
                rules.push(ErrorRule {
                    on: on.clone(),
                    status,
                    title,
                });
            }
        }
        rules
    }

    fn deprecated(&mut self, node: &Node) -> Option<Deprecated> {
        let mut fields = self.fields("deprecated", node, Place::Deprecated)?;
        let deprecated = Deprecated {
            since: fields.take("since").and_then(|(_, node)| self.text("since", node)),
            sunset: fields.take("sunset").and_then(|(_, node)| self.text("sunset", node)),
            link: fields.take("link").and_then(|(_, node)| self.text("link", node)),
        };
        fields.finish();
        Some(deprecated)
    }
}
