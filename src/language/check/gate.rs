//! `access`, `rate_limits` and `rate_limit` → who may ask, and how often.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::claims::Asked;
use super::of_request::of_request;
use super::world::World;
use crate::expr::TypeKind;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{Span, Spanned};
use crate::language::spec::gate::{LimitEntry, RateLimit, Rule};
use crate::language::spec::{Condition, Expression, Name};
use crate::plan::{self, LimitIndex, NetworkAccess, Networks, OfRequest, Origin, ProviderIndex, Who};
use crate::schema::suggest::did_you_mean;

/// Limits while they are put together: those of `rate_limits:` first, then those written where they count.
#[derive(Debug, Default)]
pub(super) struct Limits {
    all: Vec<plan::RateLimit>,
    /// Those of every request that has somebody who asks.
    of_all: Vec<LimitIndex>,
    /// By name; `None` where something is wrong with it.
    named: Vec<(Name, Option<LimitIndex>)>,
    used: BTreeSet<usize>,
}

// === access ===

pub(super) fn access(world: &World<'_>, diagnostics: &mut Diagnostics) -> NetworkAccess {
    let written = &world.gateway.access;
    for network in &written.trusted_proxies {
        if network.value.prefix_len() == 0 {
            let title = "every client is believed about its own address";
            diagnostics.push(
                Diagnostic::warning("spoofable-address", network.span, title)
                    .label("the networks of your own proxies, and nobody else's"),
            );
        }
    }
    if let (Some(header), true) = (&written.client_header, written.trusted_proxies.is_empty()) {
        diagnostics.push(
            Diagnostic::new("contradiction", header.span, "this header is never read")
                .label("nobody is believed about a client's address")
                .help("trusted_proxies: [10.0.0.0/8]"),
        );
    }
    NetworkAccess {
        allow: written.allow.as_deref().map(networks),
        deny: networks(&written.deny),
        trusted_proxies: networks(&written.trusted_proxies),
        client_header: written.client_header.as_ref().map(|it| it.value).unwrap_or_default(),
        refuse: written
            .refuse
            .iter()
            .filter_map(|it| refusal(world, it, diagnostics))
            .collect(),
    }
}

fn networks(written: &[Spanned<ipnet::IpNet>]) -> Networks {
    Networks::new(written.iter().map(|it| it.value))
}

fn refusal(world: &World<'_>, written: &Condition, diagnostics: &mut Diagnostics) -> Option<(OfRequest, Origin)> {
    let expression = match written {
        Condition::Expression(it) => it,
        Condition::Literal(it) => {
            let title = format!("`{}` says nothing about a request", it.value);
            let diagnostic = Diagnostic::new("wrong-value", it.span, title);
            diagnostics.push(diagnostic.label("a condition, as `$request.method == \"TRACE\"`"));
            return None;
        }
    };
    is_known(expression, "who may ask is decided", &["request", "vars"], diagnostics)?;
    let condition = of_request(world, expression, None, diagnostics, |unit, scope| {
        unit.condition(written, scope)
    })?;
    Some((condition, world.origin(expression.whole())))
}

/// Only what is known before anything is done for a request may be mentioned.
fn is_known(written: &Expression, when: &str, known: &[&str], diagnostics: &mut Diagnostics) -> Option<()> {
    let mentions = written.ast.mentions();
    let stranger = mentions.iter().find(|it| !known.contains(&&*it.root));
    if let Some(stranger) = stranger {
        let title = format!("`{}` is not known yet when {when}", stranger.root);
        let known: Vec<String> = known.iter().map(|it| format!("`{it}`")).collect();
        let label = format!("in scope are {}", known.join(" and "));
        diagnostics.push(Diagnostic::new("not-known-yet", written.span(stranger.span), title).label(label));
        return None;
    }
    Some(())
}

// === limits ===

/// Checks `rate_limits:`.
pub(super) fn named_limits(world: &World<'_>, diagnostics: &mut Diagnostics) {
    for (name, written) in &world.gateway.rate_limits {
        let limit = written.as_ref();
        let limit = limit.and_then(|it| limit_of(world, it, (&name.value, &name.value), diagnostics));
        let mut limits = world.limits.borrow_mut();
        let index = limit.map(|it| limits.add(it));
        limits.named.push((name.clone(), index));
    }
}

/// The limits of `rate_limit:`. `place` tells their counters from those of other places.
fn limits_of(
    world: &World<'_>,
    written: &[LimitEntry],
    place: (&str, &str),
    diagnostics: &mut Diagnostics,
) -> Vec<LimitIndex> {
    let (shown, place) = place;
    let mut indexes: Vec<LimitIndex> = Vec::new();
    for (at, entry) in written.iter().enumerate() {
        let index = match entry {
            LimitEntry::Named(name) => {
                let index = world.limits.borrow_mut().find(name, diagnostics);
                if index.is_some_and(|it| indexes.contains(&it)) {
                    let title = format!("`{}` stands twice", name.value);
                    let diagnostic = Diagnostic::new("wrong-value", name.span, title);
                    diagnostics.push(diagnostic.label("each request would count for two"));
                }
                index
            }
            LimitEntry::Inline(written) => {
                let (name, id) = match at {
                    0 => (shown.to_owned(), place.to_owned()),
                    _ => (format!("{shown}-{}", at + 1), format!("{place} #{}", at + 1)),
                };
                let limit = limit_of(world, written, (&name, &id), diagnostics);
                limit.map(|it| world.limits.borrow_mut().add(it))
            }
        };
        indexes.extend(index);
    }
    indexes
}

/// The limits of every request: those that are counted before it is known who asks. The others are each endpoint's.
pub(super) fn limits_of_all(world: &World<'_>, diagnostics: &mut Diagnostics) -> Vec<LimitIndex> {
    let all = limits_of(
        world,
        &world.gateway.limits.rate_limit,
        ("gateway", "gateway"),
        diagnostics,
    );
    let mut limits = world.limits.borrow_mut();
    let (by_claim, before) = all.into_iter().partition(|it| limits.is_by_claim(*it));
    limits.of_all = by_claim;
    before
}

/// The limits of an endpoint: those that are counted before it is known who asks, and the others.
pub(super) fn limits_of_endpoint(
    world: &World<'_>,
    written: &[LimitEntry],
    (place, who): (&str, &Who),
    diagnostics: &mut Diagnostics,
) -> (Vec<LimitIndex>, Vec<LimitIndex>) {
    let own = limits_of(world, written, ("endpoint", place), diagnostics);
    let limits = world.limits.borrow();
    let (mut by_claim, before): (Vec<_>, Vec<_>) = own.into_iter().partition(|it| limits.is_by_claim(*it));
    if *who != Who::Anyone {
        by_claim.splice(0..0, limits.of_all.iter().copied());
    } else if let (Some(index), Some(first)) = (by_claim.first(), written.first()) {
        let span = match first {
            LimitEntry::Named(name) => name.span,
            LimitEntry::Inline(it) => it.span,
        };
        let name = limits.all.get(index.0).map(|it| it.name.clone()).unwrap_or_default();
        let title = format!("`{name}` counts by who asks, and this endpoint asks nobody who they are");
        let label = "all would be counted together: a limit by `request.remote_ip`, or `auth:`";
        diagnostics.push(Diagnostic::new("no-auth", span, title).label(label));
    }
    (before, by_claim)
}

impl Limits {
    fn is_by_claim(&self, index: LimitIndex) -> bool {
        self.all.get(index.0).is_some_and(plan::RateLimit::is_by_claim)
    }

    fn add(&mut self, limit: plan::RateLimit) -> LimitIndex {
        // A composition that is checked against other types is the same place.
        if let Some(at) = self.all.iter().position(|it| it.id == limit.id) {
            self.all[at] = limit;
            return LimitIndex(at);
        }
        self.all.push(limit);
        LimitIndex(self.all.len() - 1)
    }

    fn find(&mut self, name: &Name, diagnostics: &mut Diagnostics) -> Option<LimitIndex> {
        let at = self.named.iter().position(|it| it.0.value == name.value);
        if let Some(at) = at {
            self.used.insert(at);
            return self.named[at].1;
        }
        let title = format!("there is no limit `{}`", name.value);
        let mut label = did_you_mean(&name.value, self.named.iter().map(|it| &*it.0.value));
        if label.is_empty() {
            "limits are the entries of `rate_limits:` in weft.yaml".clone_into(&mut label);
        }
        diagnostics.push(Diagnostic::new("unknown-limit", name.span, title).label(label));
        None
    }

    /// As the plan has them; says which count nothing.
    pub(super) fn finish(self, diagnostics: &mut Diagnostics) -> Vec<plan::RateLimit> {
        for (at, (name, _)) in self.named.iter().enumerate() {
            if !self.used.contains(&at) {
                let title = format!("nothing is counted by `{}`", name.value);
                diagnostics.push(
                    Diagnostic::warning("unused-limit", name.span, title)
                        .label("no endpoint names it, and `limits: { rate_limit }` neither"),
                );
            }
        }
        self.all
    }
}

fn limit_of(
    world: &World<'_>,
    written: &RateLimit,
    (name, id): (&str, &str),
    diagnostics: &mut Diagnostics,
) -> Option<plan::RateLimit> {
    let key = match &written.key {
        Some(key) => Some(key_of(world, key, diagnostics)?),
        None => None,
    };
    let rule = rule(&written.rule, diagnostics);
    let tiers = match &written.by {
        Some(by) => {
            if key.is_none() {
                let diagnostic = Diagnostic::new("missing-key", written.span, "a limit with tiers needs `key`");
                diagnostics.push(
                    diagnostic
                        .label("who is counted apart from whom?")
                        .help("key: $request.remote_ip"),
                );
            }
            Some(plan::Tiers {
                by: text_of(world, by, "a tier", diagnostics)?,
                rules: tiers(&written.tiers, diagnostics),
            })
        }
        None => None,
    };
    Some(plan::RateLimit {
        name: name.into(),
        id: id.into(),
        key,
        rule,
        tiers,
        origin: world.origin(written.span),
    })
}

fn tiers(written: &[(Name, Rule)], diagnostics: &mut Diagnostics) -> Vec<(Arc<str>, plan::Rule)> {
    let tier = |(name, written): &(Name, Rule)| (name.value.clone(), rule(written, diagnostics));
    written.iter().map(tier).collect()
}

fn key_of(world: &World<'_>, written: &Expression, diagnostics: &mut Diagnostics) -> Option<OfRequest> {
    let mentions = written.ast.mentions();
    let of_clients = |it: &&crate::expr::ast::Mention| it.root != "vars";
    if !mentions.iter().any(|it| of_clients(&it)) {
        let title = "this key is the same for every request";
        let diagnostic = Diagnostic::new("bad-limit-key", written.whole(), title);
        diagnostics.push(diagnostic.label("leave `key` out where all are meant to be counted together"));
        return None;
    }
    let is_id = |it: &&crate::expr::ast::Mention| it.root == "request" && it.path.first().is_some_and(|it| it == "id");
    if let Some(id) = mentions.iter().find(is_id) {
        let title = "`request.id` is different in each request";
        let diagnostic = Diagnostic::new("bad-limit-key", written.span(id.span), title);
        diagnostics.push(diagnostic.label("each would be counted alone, and none ever refused"));
        return None;
    }
    text_of(world, written, "a key", diagnostics)
}

/// Something that has one form as text.
fn text_of(world: &World<'_>, written: &Expression, what: &str, diagnostics: &mut Diagnostics) -> Option<OfRequest> {
    is_known(
        written,
        "requests are counted",
        &["auth", "request", "vars"],
        diagnostics,
    )?;
    // Whoever may ask, and nobody in particular.
    let anybody = Who::AnyOf {
        providers: (0..world.auth.len()).map(ProviderIndex).collect(),
        visitors: true,
    };
    let asked = Asked::of(&anybody, &world.auth).filter(|_| !world.auth.is_empty());
    of_request(world, written, asked, diagnostics, |unit, scope| {
        let checked = unit.expression(written, scope)?;
        let scalar = matches!(
            checked.ty.kind,
            TypeKind::Any | TypeKind::Bool | TypeKind::Int(_) | TypeKind::String | TypeKind::Unknown
        );
        if !scalar {
            let title = format!("{what} is a string, an integer or a bool, not `{}`", checked.ty);
            unit.push(Diagnostic::new("wrong-type", written.whole(), title));
        }
        scalar.then_some(checked)
    })
}

fn rule(written: &Rule, diagnostics: &mut Diagnostics) -> plan::Rule {
    let rate = written.rate.as_ref().map(|rate| {
        let (requests, per) = rate.value;
        let burst = written.burst.as_ref().map_or(requests, |it| it.value);
        plan::Rate { requests, per, burst }
    });
    if let (Some(rate), Some(burst)) = (rate, &written.burst) {
        check_burst(rate, burst.span, diagnostics);
    }
    let quota = written.quota.as_ref().map(|it| plan::Quota {
        requests: it.value.0,
        period: it.value.1,
    });
    if let (Some(rate), Some(quota), Some(span)) = (rate, quota, written.quota.as_ref().map(|it| it.span)) {
        let longest = match quota.period {
            plan::Period::Day => Duration::from_hours(24),
            plan::Period::Month => Duration::from_hours(31 * 24),
        };
        let most = rate.burst.saturating_add(
            rate.requests
                .saturating_mul(longest.as_secs() / rate.per.as_secs().max(1)),
        );
        if quota.requests >= most {
            let title = "this quota can never be used up";
            let label = format!("at this rate there are at most {most} requests in that time");
            diagnostics.push(Diagnostic::new("contradiction", span, title).label(label));
        }
    }
    plan::Rule { rate, quota }
}

/// What is saved up is saved up in a day at most: a longer memory is a quota's.
fn check_burst(rate: plan::Rate, span: Span, diagnostics: &mut Diagnostics) {
    const LONGEST: u128 = 86_400;
    let seconds = u128::from(rate.burst) * u128::from(rate.per.as_secs()) / u128::from(rate.requests);
    if seconds > LONGEST {
        let title = "it would take more than a day without a request until so many may come at once";
        let label = "fewer, or a higher rate; what is allowed in a day or a month is a `quota`";
        diagnostics.push(Diagnostic::new("contradiction", span, title).label(label));
    }
}
