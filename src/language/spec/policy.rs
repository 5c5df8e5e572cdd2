//! What is said about a response and its failures: status, cookies, conditions, caching, errors, JSON options.

use super::keys::Place;
use super::reader::{Reader, Zero};
use super::template::Held;
use super::{
    Cache, Condition, Cookie, Deprecated, ErrorRule, Errors, Json, Literal, Name, Require, Template, TemplateKind,
    scalar,
};
use crate::codec;
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Spanned};
use crate::schema::suggest::did_you_mean;

/// google.rpc.Code, without OK.
pub(super) const CODES: [&str; 16] = [
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

    pub(super) fn status(&mut self, node: &Node) -> Option<Template> {
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

    pub(super) fn require(&mut self, node: &Node) -> Vec<Require> {
        let items = self.list("require", node).unwrap_or_default();
        items.iter().filter_map(|it| self.requirement(it)).collect()
    }

    fn requirement(&mut self, node: &Node) -> Option<Require> {
        let mut fields = self.fields("require", node, Place::Require)?;
        let that = self
            .required(&mut fields, "that", node.span)
            .and_then(|node| self.condition("that", node));
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
            self.integer("else", node, 400..=599)?;
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

    pub(super) fn cookies(&mut self, node: &Node) -> Vec<Cookie> {
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
        let value = self
            .required(&mut fields, "value", name.span)
            .map(|node| self.template(node, Held::ByNothing));
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
                stale_while_revalidate: None,
                stale_if_error: None,
                tags: Vec::new(),
                ignores_backend: false,
                span,
            });
        }
        let mut fields = self.fields("cache", node, place)?;
        let scope = fields
            .take_if_any("scope")
            .and_then(|node| self.choice("scope", node, &[("user", ())]));
        let ttl = self
            .required(&mut fields, "ttl", span)
            .and_then(|node| self.duration("ttl", node, Zero::Refuse));
        let mut stale = |key| {
            let node = fields.take(key)?.1;
            self.duration(key, node, Zero::Refuse)
        };
        let (stale_while_revalidate, stale_if_error) = (stale("stale_while_revalidate"), stale("stale_if_error"));
        let tags = fields
            .take("tags")
            .map(|(_, node)| self.tags("tags", node))
            .unwrap_or_default();
        let backend = fields
            .take_if_any("backend")
            .and_then(|node| self.choice("backend", node, &[("ignore", ())]));
        fields.finish();
        Some(Cache {
            ttl,
            scope_user: scope.map(|it| it.span),
            stale_while_revalidate,
            stale_if_error,
            tags,
            ignores_backend: backend.is_some(),
            span,
        })
    }

    /// Names of what is kept: text, or expressions that give text, a list of it, or null.
    pub(super) fn tags(&mut self, key: &str, node: &Node) -> Vec<Template> {
        let items = self.list(key, node).unwrap_or_default();
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            let title = format!("`{key}` names nothing");
            self.push(Diagnostic::new("bad-cache", node.span, title).label("name a tag, or leave the key out"));
        }
        items.iter().map(|it| self.template(it, Held::ByNothing)).collect()
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
                .and_then(|(_, node)| self.integer("status", node, 400..=599));
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

    pub(super) fn deprecated(&mut self, node: &Node) -> Option<Deprecated> {
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
