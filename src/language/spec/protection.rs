//! What is asked of backends in trouble, as written: `retry`, `hedge`, `breaker`, `limit`, `health`, `keepalive`.

use std::sync::Arc;
use std::time::Duration;

use super::keys::Place;
use super::policy::CODES;
use super::reader::{Reader, Zero};
use super::{Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned};
use crate::schema::suggest::did_you_mean;

/// A setting that `false` turns off.
#[derive(Clone, Debug)]
pub enum Switch<T> {
    /// `false`.
    Off,
    /// A map.
    On(T),
}

/// `retry:`.
#[derive(Clone, Debug)]
pub struct Retry {
    /// `attempts:`, the first included.
    pub attempts: Option<Spanned<u64>>,
    /// `codes:`, names of gRPC codes.
    pub codes: Option<Vec<Name>>,
    /// `backoff:`.
    pub backoff: Option<Spanned<Duration>>,
    /// `budget:` of a backend.
    pub budget: Option<Budget>,
    /// `unsafe:` of a call.
    pub is_unsafe: Option<Spanned<bool>>,
    /// All of it.
    pub span: Span,
}

/// `budget:`; `20%` is a map with only a share.
#[derive(Clone, Debug)]
pub struct Budget {
    /// `share:`, percent.
    pub percent: Option<Spanned<u64>>,
    /// `min:`, a second.
    pub min_per_second: Option<Spanned<u64>>,
    /// `ttl:`.
    pub ttl: Option<Spanned<Duration>>,
    /// All of it.
    pub span: Span,
}

/// `hedge:`.
#[derive(Clone, Debug)]
pub struct Hedge {
    /// `after:`.
    pub after: Spanned<HedgeAfter>,
    /// All of it.
    pub span: Span,
}

/// `after:` of a hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// `p95`.
    Percentile(u32),
    /// `30ms`.
    Time(Duration),
}

/// `breaker:`.
#[derive(Clone, Debug)]
pub struct Breaker {
    /// `failures:`, percent.
    pub failures: Option<Spanned<u64>>,
    /// `slow:`.
    pub slow: Option<Slow>,
    /// `window:`.
    pub window: Option<Spanned<Duration>>,
    /// `min_calls:`.
    pub min_calls: Option<Spanned<u64>>,
    /// `open_for:`.
    pub open_for: Option<Spanned<Duration>>,
    /// `probes:`.
    pub probes: Option<Spanned<u64>>,
    /// All of it.
    pub span: Span,
}

/// `slow:` of a breaker.
#[derive(Clone, Debug)]
pub struct Slow {
    /// `calls:`, percent.
    pub calls: Option<Spanned<u64>>,
    /// `over:`.
    pub over: Spanned<Duration>,
}

/// `limit:`.
#[derive(Clone, Debug)]
pub struct Limit {
    /// `concurrency:`.
    pub concurrency: Option<Spanned<u64>>,
    /// `queue:`.
    pub queue: Option<Spanned<u64>>,
    /// `adaptive:`.
    pub adaptive: Option<Spanned<bool>>,
}

/// `health:`.
#[derive(Clone, Debug)]
pub struct Health {
    /// `interval:`.
    pub interval: Option<Spanned<Duration>>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `path:`.
    pub path: Option<Name>,
    /// `watch:`.
    pub watch: Option<Spanned<bool>>,
    /// `eject:`.
    pub eject: Option<Switch<Eject>>,
    /// All of it.
    pub span: Span,
}

/// `keepalive:`.
#[derive(Clone, Debug)]
pub struct Keepalive {
    /// `interval:`.
    pub interval: Spanned<Duration>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
}

/// `eject:`.
#[derive(Clone, Debug)]
pub struct Eject {
    /// `failures:`, in a row.
    pub failures: Option<Spanned<u64>>,
    /// `for:`.
    pub length: Option<Spanned<Duration>>,
}

impl Reader<'_> {
    /// `health:`.
    pub(super) fn health(&mut self, node: &Node) -> Option<Switch<Health>> {
        self.switch("health", node, |reader, node| {
            let mut fields = reader.fields("health", node, Place::Health)?;
            let health = Health {
                interval: fields
                    .take("interval")
                    .and_then(|(_, node)| reader.duration("interval", node, Zero::Refuse)),
                timeout: fields
                    .take("timeout")
                    .and_then(|(_, node)| reader.duration("timeout", node, Zero::Refuse)),
                path: fields.take("path").and_then(|(_, node)| reader.health_path(node)),
                watch: fields.take("watch").and_then(|(_, node)| reader.bool("watch", node)),
                eject: fields.take("eject").and_then(|(_, node)| reader.eject(node)),
                span: node.span,
            };
            fields.finish();
            Some(health)
        })
    }

    fn health_path(&mut self, node: &Node) -> Option<Name> {
        let path = self.text("path", node)?;
        if path.value.starts_with('/') && path.value.parse::<http::uri::PathAndQuery>().is_ok() {
            return Some(path);
        }
        let diagnostic = Diagnostic::new("bad-path", path.span, "this is not a path of an HTTP backend");
        self.push(diagnostic.label("it begins with `/`"));
        None
    }

    fn eject(&mut self, node: &Node) -> Option<Switch<Eject>> {
        self.switch("eject", node, |reader, node| {
            let mut fields = reader.fields("eject", node, Place::Eject)?;
            let eject = Eject {
                failures: fields
                    .take("failures")
                    .and_then(|(_, node)| reader.integer("failures", node, 1..=1_000)),
                length: fields
                    .take("for")
                    .and_then(|(_, node)| reader.duration("for", node, Zero::Refuse)),
            };
            fields.finish();
            Some(eject)
        })
    }

    /// `keepalive:`.
    pub(super) fn keepalive(&mut self, node: &Node) -> Option<Keepalive> {
        let mut fields = self.fields("keepalive", node, Place::Keepalive)?;
        let interval = self
            .required(&mut fields, "interval", node.span)
            .and_then(|node| self.duration("interval", node, Zero::Refuse));
        let timeout = fields
            .take("timeout")
            .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse));
        fields.finish();
        Some(Keepalive {
            interval: interval?,
            timeout,
        })
    }

    /// `false`, or a map.
    fn switch<T>(
        &mut self,
        key: &str,
        node: &Node,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Switch<T>> {
        match node.kind {
            NodeKind::Map(_) => read(self, node).map(Switch::On),
            NodeKind::Bool(false) => Some(Switch::Off),
            _ => {
                self.wrong(key, node, "a map, or `false`");
                None
            }
        }
    }

    /// A value, or `false`.
    pub(super) fn or_off<T>(
        &mut self,
        node: &Node,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Switch<T>> {
        match node.kind {
            NodeKind::Bool(false) => Some(Switch::Off),
            _ => read(self, node).map(Switch::On),
        }
    }

    /// `retry:` of a backend or a call.
    pub(super) fn retry(&mut self, node: &Node, place: Place) -> Option<Switch<Retry>> {
        self.switch("retry", node, |reader, node| {
            let mut fields = reader.fields("retry", node, place)?;
            let retry = Retry {
                attempts: fields
                    .take("attempts")
                    .and_then(|(_, node)| reader.integer("attempts", node, 2..=10)),
                codes: fields.take("codes").map(|(_, node)| reader.codes(node)),
                backoff: fields
                    .take("backoff")
                    .and_then(|(_, node)| reader.duration("backoff", node, Zero::Refuse)),
                budget: fields.take_if_any("budget").and_then(|node| reader.budget(node)),
                is_unsafe: fields
                    .take_if_any("unsafe")
                    .and_then(|node| reader.bool("unsafe", node)),
                span: node.span,
            };
            fields.finish();
            Some(retry)
        })
    }

    /// Names of gRPC codes.
    fn codes(&mut self, node: &Node) -> Vec<Name> {
        if matches!(&node.kind, NodeKind::List(items) if items.is_empty()) {
            let diagnostic = Diagnostic::new("wrong-value", node.span, "`codes` names at least one code");
            self.push(diagnostic.label("a retry after none is `retry: false`"));
        }
        let mut codes = self.texts("codes", node);
        codes.retain(|it| {
            let is_code = CODES.contains(&&*it.value);
            if !is_code {
                let title = format!("`{}` is not a gRPC code", it.value);
                let label = did_you_mean(&it.value, CODES);
                self.push(Diagnostic::new("bad-code", it.span, title).label(label));
            }
            is_code
        });
        codes
    }

    fn budget(&mut self, node: &Node) -> Option<Budget> {
        let span = node.span;
        if !matches!(node.kind, NodeKind::Map(_)) {
            return Some(Budget {
                percent: Some(self.percent("budget", node)?),
                min_per_second: None,
                ttl: None,
                span,
            });
        }
        let mut fields = self.fields("budget", node, Place::Budget)?;
        let budget = Budget {
            percent: fields.take("share").and_then(|(_, node)| self.percent("share", node)),
            min_per_second: fields.take("min").and_then(|(_, node)| self.per_second("min", node)),
            ttl: fields
                .take("ttl")
                .and_then(|(_, node)| self.duration("ttl", node, Zero::Refuse)),
            span,
        };
        fields.finish();
        Some(budget)
    }

    /// `hedge:` of a backend or a call.
    pub(super) fn hedge(&mut self, node: &Node) -> Option<Switch<Hedge>> {
        self.switch("hedge", node, |reader, node| {
            let mut fields = reader.fields("hedge", node, Place::Hedge)?;
            let after = reader
                .required(&mut fields, "after", node.span)
                .and_then(|node| reader.hedge_after(node));
            fields.finish();
            Some(Hedge {
                after: after?,
                span: node.span,
            })
        })
    }

    fn hedge_after(&mut self, node: &Node) -> Option<Spanned<HedgeAfter>> {
        if let NodeKind::Text(text) = &node.kind
            && let Some(digits) = text.value.strip_prefix('p')
            && let Ok(percent @ 1..=99) = digits.parse()
        {
            return Some(Spanned::new(HedgeAfter::Percentile(percent), node.span));
        }
        let read = self.duration("after", node, Zero::Refuse)?;
        Some(Spanned::new(HedgeAfter::Time(read.value), read.span))
    }

    /// `breaker:`.
    pub(super) fn breaker(&mut self, node: &Node) -> Option<Switch<Breaker>> {
        self.switch("breaker", node, |reader, node| {
            let mut fields = reader.fields("breaker", node, Place::Breaker)?;
            let breaker = Breaker {
                failures: fields
                    .take("failures")
                    .and_then(|(_, node)| reader.percent("failures", node)),
                slow: fields.take("slow").and_then(|(_, node)| reader.slow(node)),
                window: fields
                    .take("window")
                    .and_then(|(_, node)| reader.duration("window", node, Zero::Refuse)),
                min_calls: fields
                    .take("min_calls")
                    .and_then(|(_, node)| reader.integer("min_calls", node, 1..=1_000_000)),
                open_for: fields
                    .take("open_for")
                    .and_then(|(_, node)| reader.duration("open_for", node, Zero::Refuse)),
                probes: fields
                    .take("probes")
                    .and_then(|(_, node)| reader.integer("probes", node, 1..=1_000)),
                span: node.span,
            };
            fields.finish();
            Some(breaker)
        })
    }

    fn slow(&mut self, node: &Node) -> Option<Slow> {
        let mut fields = self.fields("slow", node, Place::Slow)?;
        let calls = fields.take("calls").and_then(|(_, node)| self.percent("calls", node));
        let over = self
            .required(&mut fields, "over", node.span)
            .and_then(|node| self.duration("over", node, Zero::Refuse));
        fields.finish();
        Some(Slow { calls, over: over? })
    }

    /// `limit:`.
    pub(super) fn limit(&mut self, node: &Node) -> Option<Switch<Limit>> {
        self.switch("limit", node, |reader, node| {
            let mut fields = reader.fields("limit", node, Place::Limit)?;
            let limit = Limit {
                concurrency: fields
                    .take("concurrency")
                    .and_then(|(_, node)| reader.integer("concurrency", node, 1..=1_000_000)),
                queue: fields
                    .take("queue")
                    .and_then(|(_, node)| reader.integer("queue", node, 0..=1_000_000)),
                adaptive: fields
                    .take("adaptive")
                    .and_then(|(_, node)| reader.bool("adaptive", node)),
            };
            fields.finish();
            Some(limit)
        })
    }

    /// A part of all, in percent.
    pub(super) fn percent(&mut self, key: &str, node: &Node) -> Option<Spanned<u64>> {
        let read = self.short_text(key, node, "a part, as `20%`")?;
        self.unit(
            &read,
            scalar::percent(&read.value),
            key,
            "a whole percentage from `0%` to `100%`",
        )
    }

    /// So many a second.
    fn per_second(&mut self, key: &str, node: &Node) -> Option<Spanned<u64>> {
        let read = self.short_text(key, node, "a rate, as `10/s`")?;
        self.unit(
            &read,
            scalar::per_second(&read.value),
            key,
            "a rate: a whole number and `/s`",
        )
    }

    fn unit(&mut self, read: &Name, value: Option<u64>, key: &str, wanted: &str) -> Option<Spanned<u64>> {
        if value.is_none() {
            self.error("wrong-value", read.span, format!("`{key}` is {wanted}"));
        }
        value.map(|it| Spanned::new(it, read.span))
    }

    /// Text, or a number that lacks its unit.
    pub(super) fn short_text(&mut self, key: &str, node: &Node, wanted: &str) -> Option<Spanned<Arc<str>>> {
        if let NodeKind::Number(digits) = &node.kind {
            return Some(Spanned::new(digits.clone(), node.span));
        }
        self.text_as(key, node, wanted)
    }
}
