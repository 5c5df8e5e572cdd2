//! What guards know, for metrics and the admin pages.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{Breaker, Guard, Guards, Method, State};
use crate::runtime::backend::mirror::Mirrored;
use crate::runtime::backend::token::Tokens;
use crate::telemetry::{
    BackendLabels, DifferenceLabels, HedgeLabels, MethodLabels, Metrics, MirrorLabels, PlaceLabels, RefusedLabels,
    SourceLabels, TargetLabels, TokenLabels, WhichSourceLabels,
};
use crate::time::Instant;

/// Writes what is known into the metrics. The guards count for themselves; here their numbers are copied.
pub fn publish(guards: &Guards, metrics: &Metrics) {
    // What a reload took away is not shown any more.
    metrics.places.clear();
    metrics.breaker_state.clear();
    metrics.target_fit.clear();
    metrics.target_active.clear();
    metrics.source_failing.clear();
    metrics.token_expiry.clear();
    for guard in guards.iter() {
        publish_one(guard, metrics);
    }
}

fn publish_one(guard: &Guard, metrics: &Metrics) {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let store = |counter: &AtomicU64, value: u64| counter.store(value, Ordering::Relaxed);
    let counts = &guard.counts;
    let backend = BackendLabels {
        backend: guard.name.clone(),
    };
    store(metrics.retries.get_or_create(&backend).inner(), of(&counts.retries));
    store(
        metrics.over_budget.get_or_create(&backend).inner(),
        of(&counts.over_budget),
    );
    for (result, counter) in [("made", &counts.hedges), ("won", &counts.hedges_won)] {
        let labels = HedgeLabels {
            backend: guard.name.clone(),
            result,
        };
        store(metrics.hedges.get_or_create(&labels).inner(), of(counter));
    }
    for (reason, counter) in [
        ("breaker_open", &counts.refused_open),
        ("crowded", &counts.refused_full),
        ("not_begun", &counts.not_begun),
        ("no_token", &counts.no_token),
    ] {
        let labels = RefusedLabels {
            backend: guard.name.clone(),
            reason,
        };
        store(metrics.refused.get_or_create(&labels).inner(), of(counter));
    }
    for (metric, counter) in [(&metrics.moves, &counts.moves), (&metrics.failovers, &counts.failovers)] {
        store(metric.get_or_create(&backend).inner(), of(counter));
    }
    let now = Instant::now();
    for member in guard.balancer.members().iter() {
        let labels = TargetLabels {
            backend: guard.name.clone(),
            target: member.address.clone(),
        };
        let fit = i64::from(member.is_fit(now));
        metrics.target_fit.get_or_create(&labels).set(fit);
        let active = i64::from(member.n_active());
        metrics.target_active.get_or_create(&labels).set(active);
    }
    for feed in &guard.feeds {
        let (backend, source) = (guard.name.clone(), feed.source.written.clone());
        let [answers, failures] = feed.counts();
        for (result, n) in [("ok", answers), ("failed", failures)] {
            let labels = SourceLabels {
                backend: backend.clone(),
                source: source.clone(),
                result,
            };
            metrics
                .resolutions
                .get_or_create(&labels)
                .inner()
                .store(n, Ordering::Relaxed);
        }
        let failing = i64::from(feed.heard().trouble.is_some());
        let labels = WhichSourceLabels { backend, source };
        metrics.source_failing.get_or_create(&labels).set(failing);
    }
    if let Some(limiter) = &guard.limiter {
        for (state, n) in [
            ("all", limiter.n_places()),
            ("taken", limiter.n_taken()),
            ("waiting", limiter.n_waiting()),
        ] {
            let labels = PlaceLabels {
                backend: guard.name.clone(),
                state,
            };
            metrics.places.get_or_create(&labels).set(i64::from(n));
        }
    }
    if let Some(tokens) = &guard.tokens {
        publish_tokens(&backend, tokens, metrics);
    }
    if let Some(mirrored) = &guard.mirrored {
        publish_mirrored(guard, mirrored, metrics);
    }
    for (method, breaker) in breakers(guard) {
        let labels = MethodLabels {
            backend: guard.name.clone(),
            method: method.name.clone(),
        };
        let state = match breaker.state() {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        };
        metrics.breaker_state.get_or_create(&labels).set(state);
        store(
            metrics.breaker_opened.get_or_create(&labels).inner(),
            breaker.n_opened(),
        );
    }
}

/// What is known, as JSON for people and scripts.
pub fn describe(guards: &Guards) -> Value {
    let now = Instant::now();
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let backend = |guard: &Guard| {
        let methods = guard.methods.iter().map(|method| {
            let breaker = method.breaker.as_ref();
            let word = breaker.map_or("off", |it| match it.state() {
                State::Closed => "closed",
                State::HalfOpen => "half_open",
                State::Open => "open",
            });
            let opened = breaker.map_or(0, Breaker::n_opened);
            json!({ "name": *method.name, "breaker": word, "opened": opened })
        });
        let places = guard
            .limiter
            .as_ref()
            .map(|it| json!({ "all": it.n_places(), "taken": it.n_taken(), "waiting": it.n_waiting() }));
        let counts = &guard.counts;
        let members = guard.balancer.members();
        let targets = members.iter().map(|it| {
            let state = match (it.is_out(now), it.is_sick()) {
                (true, _) => "out",
                (_, true) => "sick",
                _ => "fit",
            };
            json!({
                "target": *it.address,
                "from": guard.origin(&it.target),
                "state": state,
                "active": it.n_active(),
                "weight": it.weight(),
                "zone": it.target.zone.as_deref(),
                "priority": it.target.priority,
            })
        });
        let sources = guard.feeds.iter().map(|it| {
            let heard = it.heard();
            let [answers, failures] = it.counts();
            json!({
                "source": *it.source.written,
                "targets": heard.targets.len(),
                "trouble": heard.trouble.as_deref(),
                "answers": answers,
                "failures": failures,
            })
        });
        json!({
            "name": *guard.name,
            "mirror": guard.mirrored.as_deref().map(mirror),
            "targets": targets.collect::<Vec<_>>(),
            "sources": sources.collect::<Vec<_>>(),
            "moves": of(&counts.moves),
            "failovers": of(&counts.failovers),
            "methods": methods.collect::<Vec<_>>(),
            "places": places,
            "retries": of(&counts.retries),
            "over_budget": of(&counts.over_budget),
            "hedges": { "made": of(&counts.hedges), "won": of(&counts.hedges_won) },
            "refused": {
                "breaker_open": of(&counts.refused_open),
                "crowded": of(&counts.refused_full),
                "not_begun": of(&counts.not_begun),
                "no_token": of(&counts.no_token),
            },
            "token": guard.tokens.as_ref().map(|it| json!({
                "fetched": of(&it.fetched),
                "not_fetched": of(&it.failed),
                "refused": of(&it.refused),
                "ends": it.ends_at().map(|it| it.as_secs()),
            })),
        })
    };
    Value::Array(guards.iter().map(|it| backend(it)).collect())
}

fn breakers(guard: &Guard) -> impl Iterator<Item = (&Method, &Breaker)> {
    guard
        .methods
        .iter()
        .filter_map(|it| Some((&**it, it.breaker.as_ref()?)))
}

fn publish_tokens(labels: &BackendLabels, tokens: &Tokens, metrics: &Metrics) {
    for (result, counter) in [
        ("fetched", &tokens.fetched),
        ("not_fetched", &tokens.failed),
        ("refused", &tokens.refused),
    ] {
        let labels = TokenLabels {
            backend: labels.backend.clone(),
            result,
        };
        let n = counter.load(Ordering::Relaxed);
        metrics
            .tokens
            .get_or_create(&labels)
            .inner()
            .store(n, Ordering::Relaxed);
    }
    if let Some(ends) = tokens.ends_at() {
        let ends = i64::try_from(ends.as_secs()).unwrap_or(i64::MAX);
        metrics.token_expiry.get_or_create(labels).set(ends);
    }
}

fn publish_mirrored(guard: &Guard, mirrored: &Mirrored, metrics: &Metrics) {
    for (result, n) in [
        ("same", &mirrored.same),
        ("different", &mirrored.different),
        ("failed", &mirrored.failed),
        ("left_out", &mirrored.left_out),
        ("unread", &mirrored.unread),
    ] {
        let labels = MirrorLabels {
            backend: guard.name.clone(),
            result,
        };
        let n = n.load(Ordering::Relaxed);
        metrics
            .mirrored
            .get_or_create(&labels)
            .inner()
            .store(n, Ordering::Relaxed);
    }
    for (method, path, n) in mirrored.differences() {
        let labels = DifferenceLabels {
            backend: guard.name.clone(),
            method,
            path,
        };
        metrics
            .differences
            .get_or_create(&labels)
            .inner()
            .store(n, Ordering::Relaxed);
    }
}

fn mirror(mirrored: &Mirrored) -> Value {
    let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
    let differences = mirrored.differences();
    let differences = differences
        .iter()
        .map(|(method, path, n)| json!({ "method": **method, "path": **path, "calls": n }));
    json!({
        "same": of(&mirrored.same),
        "different": of(&mirrored.different),
        "failed": of(&mirrored.failed),
        "left_out": of(&mirrored.left_out),
        "unread": of(&mirrored.unread),
        "differences": differences.collect::<Vec<_>>(),
    })
}
