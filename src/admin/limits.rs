//! What limits there are and how much of their quotas is used up: `/limits`, and `/limits/usage?limit=NAME[&key=TEXT]`.
//!
//! Keys are shown as their digests, since they tell who somebody is; whoever knows a key can ask for it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::Pages;
use crate::codec::query;
use crate::gateway::listen::Shared;
use crate::plan::{Period, Quota, RateLimit, Rule};
use crate::runtime::rate::store::Hashed;
use crate::runtime::rate::{self, period};
use crate::time;

/// How many keys are listed, those first that have used the most.
const MOST: usize = 1_000;

/// `/limits`.
pub(super) async fn limits(State(pages): State<Pages>) -> Response {
    let snapshot = pages.shared.snapshot.load();
    let hall = &pages.shared.hall;
    let redis = match &hall.redis {
        None => "none",
        Some(it) if it.is_gone() => "gone",
        Some(_) => "there",
    };
    let limits: Vec<Value> = snapshot.plan.rate_limits.iter().map(describe).collect();
    of_json(&json!({ "redis": redis, "keys_here": hall.counts.len(), "limits": limits }))
}

fn describe(limit: &RateLimit) -> Value {
    json!({
        "limit": &*limit.id,
        "key": limit.key.as_ref().map(|it| &*it.source),
        "default": rule(&limit.rule),
        "by": limit.tiers.as_ref().map(|it| &*it.by.source),
        "tiers": limit.tiers.as_ref().map(|it| {
            it.rules.iter().map(|(name, it)| (name.to_string(), rule(it))).collect::<serde_json::Map<_, _>>()
        }),
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "rate": rule.rate.map(|it| json!({ "requests": it.requests, "seconds": it.per.as_secs(), "burst": it.burst })),
        "quota": rule.quota.map(|it| json!({ "requests": it.requests, "period": name(it.period) })),
    })
}

fn name(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
    }
}

/// `/limits/usage`: 404 where there is no such limit, or it has no quota.
pub(super) async fn usage(State(pages): State<Pages>, RawQuery(query): RawQuery) -> Response {
    let asked = query::all_pairs(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let find = |wanted: &str| asked.iter().find(|it| it.0 == wanted).map(|it| it.1.to_string());
    let Some(wanted) = find("limit") else {
        return (StatusCode::BAD_REQUEST, "expected ?limit=NAME, and perhaps &key=TEXT\n").into_response();
    };
    let found = {
        let snapshot = pages.shared.snapshot.load();
        let limit = snapshot.plan.rate_limits.iter().find(|it| *it.id == wanted);
        limit
            .map(|it| (it.id.clone(), quotas(it)))
            .filter(|it| !it.1.is_empty())
    };
    let Some((limit, quotas)) = found else {
        return (StatusCode::NOT_FOUND, "there is no limit of this name with a quota\n").into_response();
    };
    let now = time::since_epoch().as_secs();
    let key = find("key").map(|it| Hashed::of(it.as_bytes()).hex());
    let mut periods: Vec<Value> = Vec::new();
    for length in [Period::Day, Period::Month] {
        let Some(quota) = quotas.iter().find(|it| it.period == length) else {
            continue;
        };
        let (starts, ends) = period::around(length, now);
        let (mut keys, source) = used(pages.clone(), limit.clone(), (starts, ends)).await;
        keys.retain(|it| key.as_ref().is_none_or(|wanted| it.0 == *wanted));
        keys.truncate(MOST);
        let keys: Vec<Value> = keys
            .iter()
            .map(|(key, used)| json!({ "key": key, "used": used }))
            .collect();
        periods.push(json!({
            "period": name(length),
            "starts": starts,
            "ends": ends,
            "default_quota": quota.requests,
            "counted": source,
            "keys": keys,
        }));
    }
    of_json(&json!({ "limit": &*limit, "periods": periods }))
}

/// The quotas of a limit, that of its default first.
fn quotas(limit: &RateLimit) -> Vec<Quota> {
    let of_tiers = limit.tiers.iter().flat_map(|it| it.rules.iter().map(|it| &it.1));
    std::iter::once(&limit.rule)
        .chain(of_tiers)
        .filter_map(|it| it.quota)
        .collect()
}

/// What each key has used, most first, and where that was counted.
async fn used(pages: Pages, limit: Arc<str>, (starts, ends): (u64, u64)) -> (Vec<(String, u64)>, &'static str) {
    let Shared { hall, .. } = &*pages.shared;
    if let Some(shared) = &hall.redis {
        let limit = Hashed::of(limit.as_bytes());
        let asked = rate::shared::usages(shared, &pages.link, &hall.metrics, limit, starts).await;
        if let Some(mut all) = asked {
            all.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
            return (all, "by all gateways");
        }
    }
    let here = rate::usages(&hall.counts, &limit).into_iter();
    let of_period = here.filter(|it| it.1.ends == ends);
    (of_period.map(|it| (it.0.hex(), it.1.used)).collect(), "by this gateway")
}

fn of_json(value: &Value) -> Response {
    let text = format!("{value:#}\n");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
