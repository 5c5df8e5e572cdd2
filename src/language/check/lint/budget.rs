//! Time-outs that cannot be used up, because the endpoint ends before (semantics.md 4.9).

use std::time::Duration;

use super::super::graph::before;
use super::super::outline::{CallId, Outline};
use super::super::unit::{Target, Unit};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;

/// The calls that were given time, one behind the other, up to a call, and how long they may take together.
#[derive(Clone, Debug, Default)]
struct Chain {
    total: Duration,
    calls: Vec<CallId>,
}

/// Compares the time-outs that stand in the file with what the endpoint has. An unsafe call goes on behind the endpoint's end,
/// so that a longer one means something there.
pub(super) fn check(unit: &mut Unit<'_, '_>, endpoint: Duration, place: Option<Span>) {
    let outline = unit.outline;
    let timeout = |id: CallId| {
        let given = outline.call(id).spec.timeout.as_ref()?;
        (unit.safety[id.0].safe && !matches!(unit.targets[id.0], Target::Wrong)).then_some(given)
    };
    let mut found = Vec::new();
    let mut chains: Vec<Option<Chain>> = vec![None; outline.calls.len()];
    for at in 0..outline.calls.len() {
        let id = CallId(at);
        let chain = longest(outline, id, &|id| timeout(id).map(|it| it.value), &mut chains);
        let Some(own) = timeout(id) else { continue };
        let of_earlier = chain.total.saturating_sub(own.value);
        let name = &outline.call(id).spec.name.value;
        let mut wrong = if own.value > endpoint {
            Diagnostic::warning(
                "timeout-too-long",
                own.span,
                format!(
                    "`{name}` may take {:?}, and the endpoint ends after {endpoint:?}",
                    own.value
                ),
            )
            .label("never used up")
        } else if chain.total > endpoint && of_earlier <= endpoint {
            let names: Vec<&str> = chain
                .calls
                .iter()
                .map(|it| &*outline.call(*it).spec.name.value)
                .collect();
            let title = format!(
                "{} may take {:?} one behind the other, and the endpoint ends after {endpoint:?}",
                names.join(" → "),
                chain.total,
            );
            let mut wrong = Diagnostic::warning("timeout-too-long", own.span, title)
                .label(format!("what is left may be {:?}", endpoint.saturating_sub(of_earlier)));
            for earlier in &chain.calls[..chain.calls.len() - 1] {
                if let Some(before) = timeout(*earlier) {
                    wrong = wrong.other(before.span, "these pass before");
                }
            }
            wrong
        } else {
            continue;
        };
        if let Some(place) = place {
            wrong = wrong.other(place, "the endpoint's own");
        } else {
            wrong = wrong.note("an endpoint without `timeout:` has that of weft.yaml, or 2s");
        }
        found.push(wrong.help(format!("timeout: {:?}", chain.total)));
    }
    for it in found {
        unit.push(it);
    }
}

/// Of all that a call waits for, what may take longest.
fn longest(
    outline: &Outline<'_>,
    id: CallId,
    timeout: &dyn Fn(CallId) -> Option<Duration>,
    chains: &mut Vec<Option<Chain>>,
) -> Chain {
    if let Some(known) = &chains[id.0] {
        return known.clone();
    }
    // Calls do not wait for themselves: cycles were refused. What is inside a `for` waits for what the `for` waits for.
    let mut earlier: Vec<CallId> = before(outline, id);
    if let Some(around) = outline.graph(outline.call(id).graph).parent {
        earlier.extend(
            before(outline, around)
                .into_iter()
                .filter(|it| !outline.with_inner(around).contains(it)),
        );
    }
    let mut chain = Chain::default();
    for it in earlier {
        let other = longest(outline, it, timeout, chains);
        if other.total > chain.total {
            chain = other;
        }
    }
    if let Some(own) = timeout(id) {
        chain.total += own;
        chain.calls.push(id);
    }
    chains[id.0] = Some(chain.clone());
    chain
}
