//! Backends as written in weft.yaml.

use std::sync::Arc;

use super::keys::Place;
use super::reader::{Reader, Zero};
use super::{Backend, BackendDescriptors, Expression, Name};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned};
use crate::plan::Balance;

impl Reader<'_> {
    pub(super) fn backends(&mut self, node: &Node) -> Vec<Backend> {
        let members = self.map("backends", node).unwrap_or_default();
        let mut backends = Vec::new();
        for (key, value) in members {
            let name = self.label(key);
            let backend = self.backend_of(key, value);
            backends.extend(backend.filter(|_| name.is_some()));
        }
        backends
    }

    fn backend_of(&mut self, name: &Name, node: &Node) -> Option<Backend> {
        let mut fields = self.fields(&name.value, node, Place::Backend)?;
        let is_split = self.is_split(&fields);
        match (fields.key("grpc"), fields.key("http")) {
            _ if is_split => {}
            (Some(grpc), Some(http)) => {
                let title = format!("the backend `{}` speaks two protocols", name.value);
                let diagnostic = Diagnostic::new("conflicting-keys", http.span, title);
                self.push(
                    diagnostic
                        .label("make it a backend of its own")
                        .other(grpc.span, "gRPC here"),
                );
            }
            (None, None) => {
                let title = format!("the backend `{}` has no targets", name.value);
                let diagnostic = Diagnostic::new("missing-key", name.span, title);
                self.push(diagnostic.label("`grpc: [\"http://host:port\"]`, or `http:`"));
            }
            _ => {}
        }
        let grpc_only = if fields.has("grpc") || is_split {
            &[][..]
        } else {
            &["descriptors", "services", "safe", "max_message", "keepalive"][..]
        };
        if let Some(key) = fields.key("schema").filter(|_| fields.has("grpc")) {
            let title = "`schema` belongs to HTTP backends; a gRPC backend has `descriptors`";
            self.error("misplaced-key", key.span, title);
        }
        for key in grpc_only.iter().filter_map(|it| fields.key(it)) {
            if fields.has("http") && &*key.value != "max_message" {
                let title = format!("`{}` belongs to gRPC backends", key.value);
                self.error("misplaced-key", key.span, title);
            }
        }
        let (balance, hash) = fields
            .take("balance")
            .map(|(_, node)| self.balance(node))
            .unwrap_or_default();
        let mut secure = None;
        let backend = Backend {
            name: name.clone(),
            grpc: fields
                .take("grpc")
                .map(|(_, node)| self.secured("grpc", node, &mut secure))
                .unwrap_or_default(),
            http: fields
                .take("http")
                .map(|(_, node)| self.secured("http", node, &mut secure))
                .unwrap_or_default(),
            secure,
            tls: fields
                .take("tls")
                .and_then(|(key, node)| self.backend_tls(key, node, secure)),
            descriptors: fields
                .take("descriptors")
                .and_then(|(_, node)| self.backend_descriptors(node)),
            services: fields
                .take("services")
                .map(|(_, node)| self.patterns("services", node))
                .unwrap_or_default(),
            safe: fields.take("safe").map(|(_, node)| self.patterns("safe", node)),
            timeout: fields
                .take("timeout")
                .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse)),
            retry: fields
                .take("retry")
                .and_then(|(_, node)| self.retry(node, Place::Retry)),
            hedge: fields.take("hedge").and_then(|(_, node)| self.hedge(node)),
            breaker: fields.take("breaker").and_then(|(_, node)| self.breaker(node)),
            limit: fields.take("limit").and_then(|(_, node)| self.limit(node)),
            balance,
            hash,
            health: fields.take("health").and_then(|(_, node)| self.health(node)),
            keepalive: fields.take("keepalive").and_then(|(_, node)| self.keepalive(node)),
            failover: fields
                .take("failover")
                .and_then(|(_, node)| self.text("failover", node)),
            split: self.split(&mut fields),
            sticky: fields
                .take("sticky")
                .and_then(|(_, node)| self.expression_only("sticky", node, "an expression")),
            mirror: fields.take("mirror").and_then(|(_, node)| self.mirror(node)),
            headers: fields
                .take("headers")
                .map(|(_, node)| self.backend_headers(node))
                .unwrap_or_default(),
            auth: fields.take("auth").and_then(|(key, node)| self.backend_auth(key, node)),
            schema: fields.take("schema").and_then(|(_, node)| self.text("schema", node)),
            max_message: fields
                .take("max_message")
                .and_then(|(_, node)| self.size("max_message", node)),
            span: Span {
                start: name.span.start,
                ..node.span
            },
        };
        fields.finish();
        Some(backend)
    }

    fn balance(&mut self, node: &Node) -> (Option<Spanned<Balance>>, Option<Expression>) {
        if let NodeKind::Map(_) = node.kind {
            let Some(mut fields) = self.fields("balance", node, Place::Balance) else {
                return (None, None);
            };
            let hash = self
                .required(&mut fields, "hash", node.span)
                .and_then(|node| self.expression_only("hash", node, "an expression"));
            fields.finish();
            return (Some(Spanned::new(Balance::Hash, node.span)), hash);
        }
        let choices = [
            ("ewma", Balance::Ewma),
            ("least_request", Balance::LeastRequest),
            ("round_robin", Balance::RoundRobin),
        ];
        (self.choice("balance", node, &choices), None)
    }

    fn backend_descriptors(&mut self, node: &Node) -> Option<BackendDescriptors> {
        if let NodeKind::List(_) = node.kind {
            return Some(BackendDescriptors::Paths(self.texts("descriptors", node)));
        }
        let NodeKind::Map(_) = node.kind else {
            let choices = [("reflection", false), ("registered", true)];
            let is_registered = self.choice("descriptors", node, &choices)?;
            return Some(if is_registered.value {
                BackendDescriptors::Registered(node.span)
            } else {
                BackendDescriptors::Reflection(None)
            });
        };
        let mut fields = self.fields("descriptors", node, Place::Descriptors)?;
        let from = self.required(&mut fields, "from", node.span);
        let from = from.and_then(|node| self.choice("from", node, &[("reflection", ())]));
        let refresh = fields.take("refresh").and_then(|(_, node)| {
            self.or_off(node, |reader, node| {
                Some(reader.duration("refresh", node, Zero::Refuse)?.value)
            })
        });
        fields.finish();
        from.map(|_| BackendDescriptors::Reflection(refresh))
    }

    /// Names with `*` in them.
    fn patterns(&mut self, key: &str, node: &Node) -> Vec<Name> {
        let mut patterns = self.texts(key, node);
        patterns.retain(|it| {
            let is_sound = !it.value.is_empty()
                && it
                    .value
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"._*".contains(&it));
            if !is_sound {
                let title = format!("`{}` is not a pattern of names", self.written(it.span));
                self.error("wrong-value", it.span, title);
            }
            is_sound
        });
        patterns
    }

    fn backend_headers(&mut self, node: &Node) -> Vec<(Name, Spanned<Arc<str>>)> {
        let members = self.map("headers", node).unwrap_or_default();
        let mut headers = Vec::new();
        for (key, value) in members {
            let name = self.header_name(key);
            let text = self.text(&key.value, value);
            let (Some(name), Some(text)) = (name, text) else {
                continue;
            };
            if http::HeaderValue::from_str(&text.value).is_err() {
                let title = format!(
                    "the value of the header `{}` holds bytes that no header may hold",
                    name.value
                );
                self.error("bad-header", text.span, title);
                continue;
            }
            headers.push((name, text));
        }
        headers
    }
}
