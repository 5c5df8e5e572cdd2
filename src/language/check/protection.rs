//! `retry`, `hedge`, `breaker`, `limit` → the plan's settings, defaults filled in; and what contradicts itself in them.

use std::sync::Arc;
use std::time::Duration;

use super::backend;
use super::error_rule;
use super::safety::Safety;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{Span, Spanned};
use crate::language::spec;
use crate::language::spec::protection::{Hedge, HedgeAfter, Retry, Switch};
use crate::plan::{self, Call, CallKind, Graph, MethodIndex, PathPart, Plan};

const RETRY: plan::Retry = plan::Retry {
    attempts: 2,
    codes: plan::Codes::UNAVAILABLE,
    backoff: Duration::from_millis(25),
};

/// What all calls of a backend share.
pub(super) fn of_backend(written: &spec::Backend, diagnostics: &mut Diagnostics) -> plan::Protection {
    let timeout = backend::timeout(written);
    if let Some(Switch::On(retry)) = &written.retry {
        check_retry(retry, timeout, diagnostics);
    }
    if let Some(Switch::On(hedge)) = &written.hedge {
        check_hedge(hedge, timeout, diagnostics);
    }
    plan::Protection {
        breaker: breaker(written, timeout, diagnostics),
        limit: limit(written),
        budget: budget(written, diagnostics),
    }
}

fn number(written: Option<&Spanned<u64>>, otherwise: u32) -> u32 {
    written.map_or(otherwise, |it| u32::try_from(it.value).unwrap_or(u32::MAX))
}

fn length(written: Option<&Spanned<Duration>>, otherwise: Duration) -> Duration {
    written.map_or(otherwise, |it| it.value)
}

fn contradiction(span: Span, title: String, label: String) -> Diagnostic {
    Diagnostic::new("contradiction", span, title).label(label)
}

fn breaker(written: &spec::Backend, timeout: Duration, diagnostics: &mut Diagnostics) -> Option<plan::Breaker> {
    let mut breaker = plan::Breaker {
        failures: 50,
        slow: None,
        window: Duration::from_secs(10),
        min_calls: 20,
        open_for: Duration::from_secs(5),
        probes: 3,
    };
    let written = match &written.breaker {
        None => return Some(breaker),
        Some(Switch::Off) => return None,
        Some(Switch::On(written)) => written,
    };
    breaker.failures = number(written.failures.as_ref(), breaker.failures);
    breaker.window = length(written.window.as_ref(), breaker.window);
    breaker.min_calls = number(written.min_calls.as_ref(), breaker.min_calls);
    breaker.open_for = length(written.open_for.as_ref(), breaker.open_for);
    breaker.probes = number(written.probes.as_ref(), breaker.probes);
    if let Some(slow) = &written.slow {
        if slow.over.value >= timeout {
            let title = "no call can be that slow: it is out of time before".to_owned();
            let label = format!("less than the timeout, {timeout:?}");
            diagnostics.push(contradiction(slow.over.span, title, label));
        }
        breaker.slow = Some(plan::Slow {
            calls: number(slow.calls.as_ref(), 50),
            over: slow.over.value,
        });
    }
    let slow = written.slow.as_ref().and_then(|it| it.calls.as_ref());
    let parts = written.failures.iter().chain(slow);
    for percent in parts.filter(|it| it.value == 0) {
        let title = "a breaker that opens at `0%` opens whatever happens".to_owned();
        diagnostics.push(contradiction(percent.span, title, "at least `1%`".to_owned()));
    }
    if breaker.probes > breaker.min_calls {
        let title = format!(
            "`probes` ({}) is more than `min_calls` ({})",
            breaker.probes, breaker.min_calls
        );
        let label = "it would take more calls to close than to open";
        let span = written.probes.as_ref().map_or(written.span, |it| it.span);
        let mut wrong = contradiction(span, title, label.to_owned());
        if let Some(min_calls) = written.min_calls.as_ref().filter(|it| it.span != span) {
            wrong = wrong.other(min_calls.span, "calls that say something");
        }
        diagnostics.push(wrong);
    }
    Some(breaker)
}

fn limit(written: &spec::Backend) -> Option<plan::Limit> {
    let written = match &written.limit {
        None => None,
        Some(Switch::Off) => return None,
        Some(Switch::On(written)) => Some(written),
    };
    Some(plan::Limit {
        concurrency: number(written.and_then(|it| it.concurrency.as_ref()), 512),
        queue: number(written.and_then(|it| it.queue.as_ref()), 128),
        adaptive: written.and_then(|it| it.adaptive.as_ref()).is_some_and(|it| it.value),
    })
}

fn budget(written: &spec::Backend, diagnostics: &mut Diagnostics) -> plan::Budget {
    let otherwise = plan::Budget::default();
    let Some(Switch::On(Retry {
        budget: Some(written), ..
    })) = &written.retry
    else {
        return otherwise;
    };
    let budget = plan::Budget {
        percent: number(written.percent.as_ref(), otherwise.percent),
        min_per_second: number(written.min_per_second.as_ref(), otherwise.min_per_second),
        ttl: length(written.ttl.as_ref(), otherwise.ttl),
    };
    if budget.percent == 0 && budget.min_per_second == 0 {
        let title = "a budget of nothing allows no retry".to_owned();
        let wrong = contradiction(written.span, title, "say `retry: false`, or allow some".to_owned());
        diagnostics.push(wrong);
    }
    budget
}

/// How a call is made: what it says itself, or else what its backend says of calls that may be made twice.
pub(super) fn policy(
    call: &spec::Call,
    backend: &spec::Backend,
    safety: Safety,
    diagnostics: &mut Diagnostics,
) -> plan::Policy {
    let timeout = call
        .timeout
        .as_ref()
        .map_or_else(|| backend::timeout(backend), |it| it.value);
    let inherited = match &backend.retry {
        None => Some(RETRY),
        Some(Switch::Off) => None,
        Some(Switch::On(retry)) => Some(retry_of(retry, RETRY)),
    };
    let retry = match &call.retry {
        None => {
            let retry = inherited.filter(|_| safety.idempotent);
            // The backend's own settings were compared with its own timeout.
            if let (Some(retry), Some(own), Some(Switch::On(_))) = (&retry, &call.timeout, &backend.retry)
                && own.value < backend::timeout(backend)
                && let Some(longest) = too_long(retry, own.value)
            {
                diagnostics.push(inherited_too_long(longest, own, backend));
            }
            retry
        }
        Some(Switch::Off) => None,
        Some(Switch::On(retry)) => {
            check_retry(retry, timeout, diagnostics);
            let is_unsafe = retry.is_unsafe.as_ref().is_some_and(|it| it.value);
            if !safety.idempotent && !is_unsafe {
                let title = format!("`{}` may change something twice if it is retried", call.name.value);
                let help = "retry: { unsafe: true }";
                diagnostics.push(not_idempotent(retry.span, title).help(help));
            }
            Some(retry_of(retry, inherited.unwrap_or(RETRY)))
        }
    };
    let hedge = match (&call.hedge, &backend.hedge) {
        (Some(Switch::On(hedge)), _) => {
            check_hedge(hedge, timeout, diagnostics);
            if !safety.idempotent {
                let title = format!("`{}` may change something twice if it is hedged", call.name.value);
                diagnostics.push(not_idempotent(hedge.span, title));
            }
            Some(hedge)
        }
        (None, Some(Switch::On(hedge))) if safety.idempotent => Some(hedge),
        _ => None,
    };
    plan::Policy {
        method: MethodIndex(0),
        retry,
        hedge: hedge.map(hedge_of),
        safe: safety.safe,
    }
}

fn not_idempotent(span: Span, title: String) -> Diagnostic {
    Diagnostic::new("not-idempotent", span, title).label("it is not known to be idempotent")
}

fn retry_of(written: &Retry, otherwise: plan::Retry) -> plan::Retry {
    let codes = written.codes.as_ref().map(|codes| {
        let codes = codes.iter().filter_map(|it| error_rule::code(&it.value));
        codes.fold(plan::Codes::default(), plan::Codes::with)
    });
    plan::Retry {
        attempts: number(written.attempts.as_ref(), otherwise.attempts),
        codes: codes.unwrap_or(otherwise.codes),
        backoff: length(written.backoff.as_ref(), otherwise.backoff),
    }
}

fn hedge_of(written: &Hedge) -> plan::Hedge {
    let after = match written.after.value {
        HedgeAfter::Percentile(percent) => plan::HedgeAfter::Percentile(percent),
        HedgeAfter::Time(time) => plan::HedgeAfter::Time(time),
    };
    plan::Hedge { after }
}

/// All pauses together, where they leave no time for the attempts.
fn too_long(retry: &plan::Retry, timeout: Duration) -> Option<Duration> {
    let pauses = (1..retry.attempts).map(|n| retry.pause(n));
    let longest = pauses.fold(Duration::ZERO, Duration::saturating_add);
    (longest >= timeout).then_some(longest)
}

/// A call that has less time than the attempts of its backend take.
fn inherited_too_long(longest: Duration, timeout: &Spanned<Duration>, backend: &spec::Backend) -> Diagnostic {
    let title = format!(
        "the pauses between the attempts of `{}` (up to {longest:?}) are longer than this timeout ({:?})",
        backend.name.value, timeout.value
    );
    let label = "more time, or a `retry` of its own".to_owned();
    // Each is right for other calls, and some of the attempts may still be made.
    let wrong = Diagnostic::warning("contradiction", timeout.span, title)
        .label(label)
        .help("retry: false");
    match &backend.retry {
        Some(Switch::On(retry)) => wrong.other(retry.span, "the attempts"),
        _ => wrong,
    }
}

/// The pauses alone must leave time for the attempts.
fn check_retry(retry: &Retry, timeout: Duration, diagnostics: &mut Diagnostics) {
    if let Some(longest) = too_long(&retry_of(retry, RETRY), timeout) {
        let title =
            format!("the pauses between attempts (up to {longest:?}) are longer than the timeout ({timeout:?})");
        let span = retry.backoff.as_ref().map_or(retry.span, |it| it.span);
        let label = "fewer attempts, or a shorter backoff".to_owned();
        diagnostics.push(contradiction(span, title, label));
    }
}

fn check_hedge(hedge: &Hedge, timeout: Duration, diagnostics: &mut Diagnostics) {
    if let HedgeAfter::Time(after) = hedge.after.value
        && after >= timeout
    {
        let title = format!("the second attempt would begin when the call is out of time ({timeout:?})");
        let label = "less than the timeout".to_owned();
        diagnostics.push(contradiction(hedge.after.span, title, label));
    }
}

// === methods ===

/// Numbers what is called at each backend, so that the runtime looks nothing up by name.
pub(super) fn number_methods(plan: &mut Plan) {
    number_calls(plan);
    // Who gets calls of another is asked the same. Once for each backend, since they may be handed on from there.
    for _ in 0..plan.backends.len() {
        for at in 0..plan.backends.len() {
            let Some(backend) = plan.backends.get(at) else { continue };
            let (methods, others) = (backend.methods.clone(), backend.others().collect::<Vec<_>>());
            for other in others {
                let Some(other) = plan.backends.get_mut(other.0) else {
                    continue;
                };
                for method in &methods {
                    if !other.methods.contains(method) {
                        other.methods.push(method.clone());
                    }
                }
            }
        }
    }
}

fn number_calls(plan: &mut Plan) {
    let graphs = plan
        .endpoints
        .iter_mut()
        .filter_map(|it| Some(&mut it.recipe.as_mut().ok()?.graph));
    for graph in graphs.chain(plan.fragments.iter_mut().map(|it| &mut it.graph)) {
        number_graph(graph, &mut plan.backends);
    }
}

fn number_graph(graph: &mut Graph, backends: &mut [plan::Backend]) {
    for call in &mut graph.calls {
        if let CallKind::For(each) = &mut call.kind {
            number_graph(&mut each.graph, backends);
        }
        let Some((backend, name)) = name_of(call) else { continue };
        let Some(backend) = backends.get_mut(backend) else {
            continue;
        };
        let known = backend.methods.iter().position(|it| *it == name);
        let index = known.unwrap_or_else(|| {
            backend.methods.push(name);
            backend.methods.len() - 1
        });
        call.policy.method = MethodIndex(index);
    }
}

/// The backend of a call, and its method; for HTTP with the path as written, `{}` in place of what is computed.
fn name_of(call: &Call) -> Option<(usize, Arc<str>)> {
    match &call.kind {
        CallKind::Grpc(grpc) => Some((grpc.backend.0, grpc.method.clone())),
        CallKind::Http(http) => {
            let mut name = format!("{} ", http.method);
            for part in &http.path {
                match part {
                    PathPart::Literal(text) => name.push_str(text),
                    PathPart::Segment(_) | PathPart::Segments(_) | PathPart::Own(..) => name.push_str("{}"),
                }
            }
            Some((http.backend.0, name.into()))
        }
        CallKind::Compose { .. } | CallKind::For(_) | CallKind::Value(_) => None,
    }
}
