//! How often one may ask: what a request counts for, whether it is let in, and what its client is told of that.
//!
//! Owns keys, tiers, and that a request counts for all of its limits or for none; how a rate is counted is `gcra`'s, where
//! it is kept `store`'s. Invariant: what a key is made of is never kept, logged or shown, only its digest.

mod fields;
pub mod gcra;
pub mod period;
pub mod shared;
pub mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::request::Parts;

pub use self::fields::Said;
use self::gcra::{Gcra, Verdict};
use self::store::{Counted, Hashed, Store};
use super::serve::input::{self, Around};
use super::serve::problem::Refusal;
use super::snapshot::Running;
use crate::expr::render::as_text;
use crate::plan::{LimitIndex, OfRequest, Period, RateLimit, Rule};
use crate::telemetry::LimitLabels;
use crate::time;

const SECOND: u64 = 1_000_000_000;

/// One thing that a request counts for.
#[derive(Clone, Copy, Debug)]
struct Demand<'p> {
    limit: &'p RateLimit,
    counted: Counted,
    what: What,
}

/// How it is counted.
#[derive(Clone, Copy, Debug)]
enum What {
    Rate(Gcra),
    Quota {
        requests: u64,
        period: Period,
        /// Seconds since 1970.
        starts: u64,
        ends: u64,
    },
}

/// Lets a request in, or refuses it; notes in `said` what its client is told either way.
pub async fn admit(
    running: &Running,
    limits: &[LimitIndex],
    parts: &Parts,
    around: Around<'_>,
    said: &mut Option<Box<Said>>,
) -> Result<(), Refusal> {
    let demands = demands(running, limits, parts, around);
    let (verdicts, store) = match shared::ask(running, &demands).await {
        Some(verdicts) => (verdicts, "redis"),
        None => (ask_here(&running.hall.counts, &demands), "local"),
    };
    let said = said.get_or_insert_default();
    let mut refused: Option<(&Demand<'_>, u64)> = None;
    for (demand, verdict) in demands.iter().zip(&verdicts) {
        said.add(demand, verdict);
        if let Some(wait) = verdict.retry_after
            && refused.is_none_or(|it| it.1 < wait)
        {
            refused = Some((demand, wait));
        }
    }
    let result = if refused.is_some() { "refused" } else { "admitted" };
    for index in limits {
        if let Some(limit) = running.snapshot.plan.rate_limits.get(index.0) {
            let limit = limit.id.clone();
            running.hall.metrics.rate_limited(&LimitLabels { limit, result, store });
        }
    }
    match refused {
        None => Ok(()),
        Some((demand, wait)) => Err(Refusal::Limited {
            limit: fields::name(demand),
            is_quota: matches!(demand.what, What::Quota { .. }),
            retry_after: wait.div_ceil(SECOND),
        }),
    }
}

fn demands<'p>(running: &'p Running, limits: &[LimitIndex], parts: &Parts, around: Around<'_>) -> Vec<Demand<'p>> {
    let now = time::since_epoch().as_secs();
    let mut demands = Vec::new();
    for index in limits {
        let Some((limit, hashed)) = running
            .snapshot
            .plan
            .rate_limits
            .get(index.0)
            .zip(running.limits.get(index.0))
        else {
            continue;
        };
        let key = limit.key.as_ref().map(|it| text_of(it, parts, around));
        let key = match &key {
            None => Hashed::of(b""),
            Some(Some(text)) => Hashed::of(text),
            Some(None) => no_key(),
        };
        let rule = rule(limit, parts, around);
        let mut demand = |what| {
            let counted = (*hashed, key);
            demands.push(Demand { limit, counted, what });
        };
        if let Some(rate) = &rule.rate {
            demand(What::Rate(Gcra::new(rate)));
        }
        if let Some(quota) = &rule.quota {
            let (starts, ends) = period::around(quota.period, now);
            demand(What::Quota {
                requests: quota.requests,
                period: quota.period,
                starts,
                ends,
            });
        }
    }
    demands
}

/// The digest of a key that is null, or cannot be computed: that of no text, so that all of those share a counter.
fn no_key() -> Hashed {
    Hashed::of(&[0xFF])
}

/// The rule of the tier that a request belongs to, or that of none.
fn rule<'p>(limit: &'p RateLimit, parts: &Parts, around: Around<'_>) -> &'p Rule {
    let Some(tiers) = &limit.tiers else { return &limit.rule };
    let Some(text) = text_of(&tiers.by, parts, around) else {
        return &limit.rule;
    };
    let tier = tiers.rules.iter().find(|it| it.0.as_bytes() == text);
    tier.map_or(&limit.rule, |it| &it.1)
}

/// What an expression gives, as text; `None` for null, and where it cannot be computed.
fn text_of(of: &OfRequest, parts: &Parts, around: Around<'_>) -> Option<Vec<u8>> {
    let value = input::value_of(of, parts, around)?;
    let mut text = Vec::new();
    as_text(&value, &of.ty, &mut text).ok()?;
    Some(text)
}

/// Counts in this gateway alone. Where one is refused, those before it are given back, and those behind it not asked.
fn ask_here(store: &Store, demands: &[Demand<'_>]) -> Vec<Verdict> {
    let now = time::since_epoch();
    let mut verdicts = Vec::new();
    for demand in demands {
        let verdict = demand.ask(store, now);
        let is_refused = verdict.retry_after.is_some();
        verdicts.push(verdict);
        if is_refused {
            break;
        }
    }
    if verdicts.last().is_some_and(|it| it.retry_after.is_some()) {
        for demand in demands.iter().take(verdicts.len() - 1) {
            demand.give_back(store, now.as_secs());
        }
        verdicts.iter_mut().rev().skip(1).for_each(|it| it.remaining += 1);
    }
    verdicts
}

impl Demand<'_> {
    fn ask(&self, store: &Store, now: std::time::Duration) -> Verdict {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        match &self.what {
            What::Rate(gcra) => store.ask_rate(self.counted, gcra, nanos),
            What::Quota { requests, ends, .. } => store.with_usage(self.counted, now.as_secs(), *ends, |usage| {
                let is_let_in = usage.used < *requests;
                if is_let_in {
                    usage.used += 1;
                    usage.unsent += 1;
                }
                let left = ends.saturating_mul(SECOND).saturating_sub(nanos);
                Verdict {
                    remaining: requests.saturating_sub(usage.used),
                    full_after: left,
                    retry_after: (!is_let_in).then_some(left),
                }
            }),
        }
    }

    fn give_back(&self, store: &Store, now: u64) {
        match &self.what {
            What::Rate(gcra) => store.give_rate_back(self.counted, gcra),
            What::Quota { ends, .. } => store.with_usage(self.counted, now, *ends, |usage| {
                usage.used = usage.used.saturating_sub(1);
                usage.unsent = usage.unsent.saturating_sub(1);
            }),
        }
    }
}

/// The digests of the limits of a plan, by [`LimitIndex`].
pub fn hashed(limits: &[RateLimit]) -> Vec<Hashed> {
    limits.iter().map(|it| Hashed::of(it.id.as_bytes())).collect()
}

/// How much of its quotas each key of a limit has used up here, most first.
pub fn usages(store: &Store, limit: &Arc<str>) -> Vec<(Hashed, store::Usage)> {
    store.usages(Hashed::of(limit.as_bytes()), time::since_epoch().as_secs())
}
