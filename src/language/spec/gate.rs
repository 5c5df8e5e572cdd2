//! Who may ask, and how often, as written: `access`, `rate_limits`, `rate_limit`.

use std::time::Duration;

use ipnet::IpNet;

use super::keys::Place;
use super::reader::{Fields, Reader, Zero};
use super::tls::BackendTls;
use super::{Condition, Expression, Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned};
use crate::plan::{ClientHeader, Period};

/// `access:`.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `allow:`; `None` is everybody.
    pub allow: Option<Vec<Spanned<IpNet>>>,
    /// `deny:`.
    pub deny: Vec<Spanned<IpNet>>,
    /// `trusted_proxies:`.
    pub trusted_proxies: Vec<Spanned<IpNet>>,
    /// `client_header:`.
    pub client_header: Option<Spanned<ClientHeader>>,
    /// `refuse:`.
    pub refuse: Vec<Condition>,
}

/// One entry of `rate_limit:`.
#[derive(Clone, Debug)]
pub enum LimitEntry {
    /// A limit of `rate_limits:`.
    Named(Name),
    /// One of its own.
    Inline(Box<RateLimit>),
}

/// A limit.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// `key:`.
    pub key: Option<Expression>,
    /// `rate:`, `burst:` and `quota:` beside it, or `default:`.
    pub rule: Rule,
    /// `by:`.
    pub by: Option<Expression>,
    /// `tiers:`.
    pub tiers: Vec<(Name, Rule)>,
    /// All of it.
    pub span: Span,
}

/// How often.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `rate:`: how many, and in which time.
    pub rate: Option<Spanned<(u64, Duration)>>,
    /// `burst:`.
    pub burst: Option<Spanned<u64>>,
    /// `quota:`.
    pub quota: Option<Spanned<(u64, Period)>>,
    /// All of it.
    pub span: Span,
}

/// `cache: { redis }`.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `url:`.
    pub url: Name,
    /// `tls:`.
    pub tls: Option<BackendTls>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `lookup:`.
    pub lookup: Option<Spanned<Duration>>,
    /// `prefix:`.
    pub prefix: Option<Name>,
}

impl Reader<'_> {
    /// `access:`.
    pub(super) fn access(&mut self, node: &Node) -> Option<Access> {
        let mut fields = self.fields("access", node, Place::Access)?;
        let allow = fields.take("allow").map(|(_, node)| {
            if matches!(&node.kind, NodeKind::List(items) if items.is_empty()) {
                let diagnostic = Diagnostic::new("wrong-value", node.span, "`allow` names no network");
                self.push(diagnostic.label("nobody might ask; without the key everybody may"));
            }
            self.networks("allow", node)
        });
        let mut networks = |key| {
            fields
                .take(key)
                .map(|(_, node)| self.networks(key, node))
                .unwrap_or_default()
        };
        let (deny, trusted_proxies) = (networks("deny"), networks("trusted_proxies"));
        let client_header = fields.take("client_header").and_then(|(_, node)| {
            let choices = [
                ("forwarded", ClientHeader::Forwarded),
                ("x-forwarded-for", ClientHeader::XForwardedFor),
            ];
            self.choice("client_header", node, &choices)
        });
        let refuse = fields.take("refuse").map(|(_, node)| {
            let items = self.list("refuse", node).unwrap_or_default();
            items.iter().filter_map(|it| self.condition("refuse", it)).collect()
        });
        fields.finish();
        Some(Access {
            allow,
            deny,
            trusted_proxies,
            client_header,
            refuse: refuse.unwrap_or_default(),
        })
    }

    /// Networks, or single addresses.
    pub(super) fn networks(&mut self, key: &str, node: &Node) -> Vec<Spanned<IpNet>> {
        let texts = self.texts(key, node);
        texts.iter().filter_map(|it| self.network(it)).collect()
    }

    fn network(&mut self, text: &Name) -> Option<Spanned<IpNet>> {
        match scalar::network(&text.value) {
            Ok(network) => Some(Spanned::new(network, text.span)),
            Err((reason, meant)) => {
                let title = format!(
                    "`{}` is not a network",
                    self.written(text.span).trim_matches(['"', '\''])
                );
                let mut diagnostic = Diagnostic::new("bad-network", text.span, title).label(reason);
                diagnostic.help = meant;
                self.push(diagnostic);
                None
            }
        }
    }

    /// `rate_limits:`; one that could not be read is `None`.
    pub(super) fn rate_limits(&mut self, node: &Node) -> Vec<(Name, Option<RateLimit>)> {
        let members = self.map("rate_limits", node).unwrap_or_default();
        let mut limits = Vec::new();
        for (key, value) in members {
            let name = self.label(key);
            let limit = self.limit_of_rates(&key.value, value);
            limits.extend(name.map(|it| (it, limit)));
        }
        limits
    }

    /// `rate_limit:`: a rate, a name, a map, or a list of those.
    pub(super) fn rate_limit(&mut self, node: &Node) -> Vec<LimitEntry> {
        match &node.kind {
            NodeKind::List(items) => {
                if items.is_empty() {
                    self.error("wrong-value", node.span, "`rate_limit` names no limit");
                }
                items.iter().filter_map(|it| self.limit_entry(it)).collect()
            }
            _ => self.limit_entry(node).into_iter().collect(),
        }
    }

    fn limit_entry(&mut self, node: &Node) -> Option<LimitEntry> {
        if let NodeKind::Text(text) = &node.kind
            && scalar::is_label(&text.value)
        {
            return self.text("rate_limit", node).map(LimitEntry::Named);
        }
        self.limit_of_rates("rate_limit", node)
            .map(|it| LimitEntry::Inline(Box::new(it)))
    }

    /// A rate, or a map with the keys of a limit.
    fn limit_of_rates(&mut self, key: &str, node: &Node) -> Option<RateLimit> {
        let span = node.span;
        if !matches!(node.kind, NodeKind::Map(_)) {
            let rule = self.rule(key, node, Place::RateLimit)?;
            return Some(RateLimit {
                key: None,
                rule,
                by: None,
                tiers: Vec::new(),
                span,
            });
        }
        let mut fields = self.fields(key, node, Place::RateLimit)?;
        let by_whom = fields
            .take("key")
            .and_then(|(_, node)| self.expression_only("key", node, "an expression"));
        let is_tiered = fields.has("tiers") || fields.has("by");
        let rule = if is_tiered {
            for name in ["rate", "burst", "quota"] {
                if let Some((key, _)) = fields.take(name) {
                    let title = format!("`{name}` and `tiers` cannot stand together");
                    let diagnostic = Diagnostic::new("conflicting-keys", key.span, title);
                    self.push(diagnostic.label("each tier says how often; `default` does for those of no tier"));
                }
            }
            let default = self.required(&mut fields, "default", span);
            default.and_then(|node| self.rule("default", node, Place::Tier))
        } else {
            if let Some((key, _)) = fields.take("default") {
                let diagnostic = Diagnostic::new("misplaced-key", key.span, "`default` belongs to `tiers`");
                self.push(diagnostic.label("without tiers there are `rate`, `burst` and `quota`"));
            }
            self.rule_of(&mut fields, span)
        };
        let (mut by, mut tiers) = (None, Vec::new());
        if is_tiered {
            by = self
                .required(&mut fields, "by", span)
                .and_then(|node| self.expression_only("by", node, "an expression"));
            let members = self
                .required(&mut fields, "tiers", span)
                .and_then(|node| self.map("tiers", node));
            for (name, node) in members.unwrap_or_default() {
                tiers.extend(self.rule(&name.value, node, Place::Tier).map(|it| (name.clone(), it)));
            }
        }
        fields.finish();
        Some(RateLimit {
            key: by_whom,
            rule: rule?,
            by,
            tiers,
            span,
        })
    }

    /// A rate, or a map with `rate`, `burst` and `quota`.
    fn rule(&mut self, key: &str, node: &Node, place: Place) -> Option<Rule> {
        if matches!(node.kind, NodeKind::Map(_)) {
            let mut fields = self.fields(key, node, place)?;
            let rule = self.rule_of(&mut fields, node.span);
            fields.finish();
            return rule;
        }
        Some(Rule {
            rate: Some(self.rate(key, node)?),
            burst: None,
            quota: None,
            span: node.span,
        })
    }

    fn rule_of(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Rule> {
        if !fields.has("rate") && !fields.has("quota") {
            let diagnostic = Diagnostic::new("missing-key", span, "nothing says how often");
            self.push(diagnostic.label("`rate: 100/s`, `quota: 10000/day`, or both"));
            if let Some((_, node)) = fields.take("burst") {
                self.integer("burst", node, 1..=1_000_000_000);
            }
            return None;
        }
        let is_rated = fields.has("rate");
        let rate = fields.take("rate").map(|(_, node)| self.rate("rate", node));
        let burst = fields.take("burst").and_then(|(key, node)| {
            if !is_rated {
                let diagnostic = Diagnostic::new("misplaced-key", key.span, "`burst` belongs to a `rate`");
                self.push(diagnostic.label("a quota may be used up at once"));
            }
            self.integer("burst", node, 1..=1_000_000_000)
        });
        let quota = fields.take("quota").map(|(_, node)| self.quota(node));
        Some(Rule {
            rate: rate.map_or(Some(None), |it| it.map(Some))?,
            burst,
            quota: quota.map_or(Some(None), |it| it.map(Some))?,
            span,
        })
    }

    fn rate(&mut self, key: &str, node: &Node) -> Option<Spanned<(u64, Duration)>> {
        let text = self.short_text(key, node, "a rate, as `100/s`")?;
        match scalar::rate(&text.value) {
            Ok(rate) => Some(Spanned::new(rate, node.span)),
            Err((reason, help)) => {
                let title = format!("`{key}` is not a rate");
                let mut diagnostic = Diagnostic::new("bad-rate", node.span, title).label(reason);
                diagnostic.help = help;
                self.push(diagnostic);
                None
            }
        }
    }

    fn quota(&mut self, node: &Node) -> Option<Spanned<(u64, Period)>> {
        let text = self.short_text("quota", node, "a quota, as `10000/day`")?;
        match scalar::quota(&text.value) {
            Ok(quota) => Some(Spanned::new(quota, node.span)),
            Err((reason, help)) => {
                let mut diagnostic = Diagnostic::new("bad-rate", node.span, "`quota` is not a quota").label(reason);
                diagnostic.help = help;
                self.push(diagnostic);
                None
            }
        }
    }

    /// `redis:`, a URL, or a map.
    pub(super) fn redis(&mut self, node: &Node) -> Option<Redis> {
        if !matches!(node.kind, NodeKind::Map(_)) {
            let url = self.redis_url("redis", node)?;
            return Some(Redis {
                url,
                tls: None,
                timeout: None,
                lookup: None,
                prefix: None,
            });
        }
        let mut fields = self.fields("redis", node, Place::Redis)?;
        let url = self.required(&mut fields, "url", node.span);
        let url = url.and_then(|node| self.redis_url("url", node));
        let secure = url.as_ref().filter(|it| is_secure(it)).map(|it| it.span);
        let tls = fields.take("tls").and_then(|(key, node)| {
            let tls = self.client_tls(node)?;
            if url.is_some() && secure.is_none() {
                let title = "`tls` has nothing to do: Redis is not reached over TLS";
                let label = "an address of TLS begins with `rediss://`";
                self.push(Diagnostic::new("contradiction", key.span, title).label(label));
            }
            Some(tls)
        });
        let mut time = |key: &str| {
            let taken = fields.take(key);
            taken.and_then(|(_, node)| self.duration(key, node, Zero::Refuse))
        };
        let (timeout, lookup) = (time("timeout"), time("lookup"));
        let prefix = fields.take("prefix").and_then(|(_, node)| self.text("prefix", node));
        fields.finish();
        Some(Redis {
            url: url?,
            tls,
            timeout,
            lookup,
            prefix,
        })
    }

    /// The value may hold a password, so that no message shows it.
    fn redis_url(&mut self, key: &str, node: &Node) -> Option<Name> {
        let url = self.text(key, node)?;
        if scalar::is_redis_url(&url.value) {
            return Some(url);
        }
        let diagnostic = Diagnostic::new("bad-target", url.span, "this is not the address of a Redis");
        self.push(diagnostic.label("`redis://[user:password@]host[:port][/database]`, over TLS `rediss://…`"));
        None
    }
}

impl Redis {
    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        is_secure(&self.url)
    }
}

fn is_secure(url: &Name) -> bool {
    url.value.starts_with("rediss://")
}
