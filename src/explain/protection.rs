//! What keeps calls and backends from trouble: attempts, breakers, limits, who is asked instead.

use serde_json::{Value, json};

use super::{Node, shown};
use crate::plan::{Backend, Balance, Codes, HedgeAfter, Plan, Policy, Protocol, code};

/// Whom the calls of an endpoint ask, each once, in the order of the calls.
pub(super) fn asked<'p>(plan: &'p Plan, nodes: &[Node]) -> Vec<&'p Backend> {
    fn visit<'p>(plan: &'p Plan, nodes: &[Node], found: &mut Vec<&'p Backend>) {
        for node in nodes {
            let backend = plan.backends.iter().find(|it| Some(&it.name) == node.backend.as_ref());
            if let Some(backend) = backend
                && !found.iter().any(|it| it.name == backend.name)
            {
                found.push(backend);
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
    if let Some(name) = failover(plan, backend) {
        facts.push(format!("failover to {name}"));
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
        "failover": failover(plan, backend),
    })
}

fn failover<'p>(plan: &'p Plan, backend: &Backend) -> Option<&'p str> {
    let other = plan.backends.get(backend.failover?.0)?;
    Some(&other.name)
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
