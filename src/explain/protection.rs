//! What keeps calls and backends from trouble: attempts, breakers, limits, who is asked instead.

use serde_json::{Value, json};

use super::{Node, shown};
use crate::plan::{Backend, BackendIndex, Balance, Codes, HedgeAfter, Plan, Policy, Portion, Protocol, code};

/// Whom the calls of an endpoint ask, each once, in the order of the calls.
pub(super) fn asked<'p>(plan: &'p Plan, nodes: &[Node]) -> Vec<&'p Backend> {
    fn visit<'p>(plan: &'p Plan, nodes: &[Node], found: &mut Vec<&'p Backend>) {
        for node in nodes {
            let backend = plan.backends.iter().find(|it| Some(&it.name) == node.backend.as_ref());
            if let Some(backend) = backend
                && !found.iter().any(|it| it.name == backend.name)
            {
                found.push(backend);
                let parts = backend.split.iter().flat_map(|it| &it.portions);
                found.extend(parts.filter_map(|it| plan.backends.get(it.to.0)));
            }
            visit(plan, &node.inner, found);
        }
    }
    let mut found = Vec::new();
    visit(plan, nodes, &mut found);
    found
}

/// The attempts of a call in words; nothing where there is one.
pub(super) fn attempts(policy: &Policy) -> Vec<String> {
    let retry = policy.retry.map(|it| {
        let codes = names(it.codes).join(", ");
        format!("up to {} attempts ({codes})", it.attempts)
    });
    let hedge = policy.hedge.map(|it| match it.after {
        HedgeAfter::Percentile(percent) => format!("hedged after its p{percent}"),
        HedgeAfter::Time(time) => format!("hedged after {}", shown(time)),
    });
    retry.into_iter().chain(hedge).collect()
}

/// How a backend is asked and protected, in words.
pub(super) fn facts(plan: &Plan, backend: &Backend) -> Vec<String> {
    let name = |it: BackendIndex| plan.backends.get(it.0).map_or("", |it| &*it.name);
    if let Some(split) = &backend.split {
        let portion = |it: &Portion| {
            let when = if it.when.is_some() {
                ", and where its condition holds"
            } else {
                ""
            };
            format!("{} (weight {}{when})", name(it.to), it.weight)
        };
        let portions = split.portions.iter().map(portion).collect::<Vec<_>>().join(", ");
        return vec![protocol(backend).to_owned(), format!("split between {portions}")];
    }
    let protection = &backend.protection;
    let mut facts = vec![
        protocol(backend).to_owned(),
        format!("balance {}", balance(backend.balance)),
    ];
    if let Some(it) = &protection.breaker {
        let slow = it
            .slow
            .map(|it| format!(" or {}% take over {}", it.calls, shown(it.over)));
        facts.push(format!(
            "breaker opens for {} when {}% fail{} of at least {} calls in {}",
            shown(it.open_for),
            it.failures,
            slow.unwrap_or_default(),
            it.min_calls,
            shown(it.window)
        ));
    }
    if let Some(it) = &protection.limit {
        let fewer = if it.adaptive { ", fewer while it is slow" } else { "" };
        facts.push(format!(
            "{} calls at once{fewer}, {} more wait",
            it.concurrency, it.queue
        ));
    }
    if let Some(auth) = &backend.auth {
        facts.push(format!("carries a token of {}", auth.at.target.authority));
    }
    if let Some(other) = backend.failover {
        facts.push(format!("failover to {}", name(other)));
    }
    if let Some(mirror) = &backend.mirror {
        facts.push(format!("{}% copied to {}", mirror.share, name(mirror.to)));
    }
    facts
}

/// As [`attempts`], for programs.
pub(super) fn attempts_json(policy: &Policy) -> (Value, Value) {
    let retry = policy.retry.map_or(
        Value::Null,
        |it| json!({ "attempts": it.attempts, "codes": names(it.codes), "backoff_ms": millis(it.backoff) }),
    );
    let hedge = policy.hedge.map_or(Value::Null, |it| match it.after {
        HedgeAfter::Percentile(percent) => json!({ "after_percentile": percent }),
        HedgeAfter::Time(time) => json!({ "after_ms": millis(time) }),
    });
    (retry, hedge)
}

/// As [`facts`], for programs.
pub(super) fn json(plan: &Plan, backend: &Backend) -> Value {
    let protection = &backend.protection;
    let name = |it: BackendIndex| plan.backends.get(it.0).map(|it| &*it.name);
    json!({
        "name": &*backend.name,
        "protocol": protocol(backend),
        "balance": balance(backend.balance),
        "breaker": protection.breaker.map(|it| json!({
            "failures_percent": it.failures,
            "slow": it.slow.map(|it| json!({ "calls_percent": it.calls, "over_ms": millis(it.over) })),
            "window_ms": millis(it.window),
            "min_calls": it.min_calls,
            "open_for_ms": millis(it.open_for),
            "probes": it.probes,
        })),
        "limit": protection.limit.map(|it| {
            json!({ "concurrency": it.concurrency, "queue": it.queue, "adaptive": it.adaptive })
        }),
        "retry_budget_percent": protection.budget.percent,
        "token_of": backend.auth.as_ref().map(|it| &*it.at.target.authority),
        "failover": backend.failover.and_then(name),
        "split": backend.split.as_ref().map(|it| it.portions.iter().map(|it| {
            json!({ "to": name(it.to), "weight": it.weight, "conditional": it.when.is_some() })
        }).collect::<Vec<_>>()),
        "mirror": backend.mirror.as_ref().map(|it| json!({ "to": name(it.to), "share_percent": it.share })),
    })
}

fn names(codes: Codes) -> Vec<&'static str> {
    let all = (0..17).map(tonic::Code::from);
    all.filter(|it| codes.contains(*it)).map(code::name).collect()
}

fn protocol(backend: &Backend) -> &'static str {
    match backend.protocol {
        Protocol::Grpc => "grpc",
        Protocol::Http => "http",
    }
}

fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::Ewma => "ewma",
        Balance::Hash => "hash",
        Balance::LeastRequest => "least_request",
        Balance::RoundRobin => "round_robin",
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
