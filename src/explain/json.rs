//! An explanation for programs.

use serde_json::{Value, json};

use super::{Explanation, Input, Node, OnFailure, Reason, Sight, Source, Wait, access, limits, protection};
use crate::plan::Origin;

/// One object with everything that the text says; times in milliseconds.
pub fn write(explained: &Explanation<'_>) -> Value {
    let recipe = explained.recipe;
    json!({
        "endpoint": &*explained.endpoint.name,
        "summary": explained.endpoint.summary.as_deref(),
        "origin": origin(&explained.endpoint.origin),
        "timeout_ms": millis(recipe.timeout),
        "access": access::json(explained.plan, &explained.endpoint.access),
        "inputs": explained.inputs.iter().map(input).collect::<Vec<_>>(),
        "calls": nodes(&explained.calls),
        "limits": explained.limits.iter().map(|it| limits::json(it)).collect::<Vec<_>>(),
        "backends": explained.backends.iter().map(|it| protection::json(explained.plan, it)).collect::<Vec<_>>(),
        "require": explained.require.iter().map(|(it, on)| json!({ "that": reason(it), "waits": waits(on) })).collect::<Vec<_>>(),
        "response": { "waits": waits(&explained.response) },
        "critical_path": explained.critical.iter().map(|it| &**it).collect::<Vec<_>>(),
        "latest_ms": millis(explained.latest),
        "may_use_up_the_time": explained.hogs.iter().map(|(call, dispensable)| {
            json!({ "call": &**call, "then": if *dispensable { "degraded" } else { "504" } })
        }).collect::<Vec<_>>(),
        "cache": recipe.cache.as_ref().map(|it| json!({
            "ttl_ms": millis(it.keep.ttl),
            "stale_while_revalidate_ms": millis(it.keep.stale_while_revalidate),
            "stale_if_error_ms": millis(it.keep.stale_if_error),
            "in": if explained.plan.settings.redis.is_some() { &["memory", "redis"][..] } else { &["memory"][..] },
            "key": &explained.cache_key,
        })),
        "identity": recipe.identity,
        "vary": recipe.vary.iter().map(http::HeaderName::as_str).collect::<Vec<_>>(),
        "sees": explained.sights.iter().map(sight).collect::<Vec<_>>(),
        "builds": explained.builds.iter().map(reason).collect::<Vec<_>>(),
    })
}

fn nodes(nodes: &[Node]) -> Vec<Value> {
    let node = |it: &Node| {
        let (retry, hedge) = protection::attempts_json(&it.policy);
        json!({
            "name": &*it.name,
            "does": it.does,
            "backend": it.backend.as_deref(),
            "stage": it.stage,
            "waits": waits(&it.waits),
            "after_requires": it.after_requires,
            "only_for_fallback": it.only_for_fallback,
            "timeout_ms": it.timeout.map(millis),
            "starts_by_ms": millis(it.starts_by),
            "ends_by_ms": millis(it.ends_by),
            "on_failure": match it.failure {
                OnFailure::Fallback => "fallback",
                OnFailure::Stale => "stale",
                OnFailure::Optional => "optional",
                OnFailure::Required => "required",
            },
            "when": it.when,
            "retry": retry,
            "hedge": hedge,
            "cache_ms": it.cache.map(millis),
            "unsafe": it.is_unsafe,
            "at_once": it.at_once,
            "calls": self::nodes(&it.inner),
            "origin": origin(&it.origin),
        })
    };
    nodes.iter().map(node).collect()
}

fn waits(waits: &[Wait]) -> Vec<Value> {
    let wait = |it: &Wait| {
        json!({
            "on": &*it.on,
            "in_fallback": it.in_fallback,
            "reasons": it.reasons.iter().map(reason).collect::<Vec<_>>(),
        })
    };
    waits.iter().map(wait).collect()
}

fn reason(reason: &Reason) -> Value {
    json!({ "key": &*reason.key, "expression": reason.written(), "origin": origin(&reason.origin) })
}

fn input(input: &Input) -> Value {
    json!({
        "name": input.name,
        "from": input.from,
        "type": input.ty,
        "absent": input.absent,
        "constraints": input.constraints,
    })
}

fn sight(sight: &Sight) -> Value {
    let named = |wanted_input: bool| {
        let of = sight.sees.iter().filter_map(move |it| match it {
            Source::Input(name) => wanted_input.then_some(&**name),
            Source::Reply(name) => (!wanted_input).then_some(&**name),
        });
        of.collect::<Vec<_>>()
    };
    json!({ "backend": &*sight.backend, "call": &*sight.call, "inputs": named(true), "replies": named(false) })
}

fn origin(origin: &Origin) -> Value {
    json!({ "file": &*origin.file, "line": origin.line, "column": origin.column })
}

fn millis(time: std::time::Duration) -> Value {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
}
