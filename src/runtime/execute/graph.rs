//! The schedule of one graph: everything starts at once and waits for what it mentions.
//!
//! There is no plan of stages: each call and each `require` is a future that first waits for its needs; the driver polls
//! those that were woken. The first failure ends the graph and drops what is under way.

use std::future::poll_fn;
use std::task::Poll;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Failed;
use super::call;
use super::render;
use super::scope::Scope;
use crate::expr::Value;
use crate::plan::{Call, CallIndex, CallKind, Dependency, Graph, Require, Start};
use crate::runtime::backend::Failure;
use crate::runtime::watch::Event;

/// One thing that a graph does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call(CallIndex),
    Require(usize),
}

/// Runs a graph until all its calls are settled and every `require` has held.
///
/// The failure is the first to happen; of those that happen at the same time, the first in the file (semantics.md 4.8).
/// Cancel safety: as [`super::run`].
pub(super) async fn run(scope: &Scope<'_>) -> Result<(), Box<Failed>> {
    let graph = scope.graph;
    if let ([_], []) = (graph.calls.as_slice(), graph.require.as_slice())
        && scope.start(CallIndex(0)) == Some(Start::Eager)
    {
        // A schedule of one.
        return call::run(scope, CallIndex(0)).await;
    }
    let eager = (0..graph.calls.len())
        .map(CallIndex)
        .filter(|it| scope.start(*it) == Some(Start::Eager));
    let steps = eager.map(Step::Call).chain((0..graph.require.len()).map(Step::Require));
    let mut under_way: FuturesUnordered<_> = steps.map(|it| step(scope, it)).collect();
    let mut first: Option<(usize, Box<Failed>)> = None;
    poll_fn(|cx| {
        loop {
            for index in scope.take_asked_for(cx.waker()) {
                under_way.push(step(scope, Step::Call(index)));
            }
            match under_way.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err((order, failed)))) => {
                    // What failed at the same time is still heard; what would only start is not sent.
                    scope.end();
                    if first.as_ref().is_none_or(|(it, _)| order < *it) {
                        first = Some((order, failed));
                    }
                }
                Poll::Pending if first.is_none() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => {
                    return Poll::Ready(first.take().map_or(Ok(()), |(_, failed)| Err(failed)));
                }
            }
        }
    })
    .await
}

/// A failure comes with its place in the file.
async fn step(scope: &Scope<'_>, step: Step) -> Result<(), (usize, Box<Failed>)> {
    match step {
        Step::Call(index) => call::run(scope, index).await.map_err(|failed| (index.0, failed)),
        Step::Require(at) => {
            let Some(require) = scope.graph.require.get(at) else {
                return Ok(());
            };
            let held = hold(scope, require).await;
            held.map_err(|failed| (scope.graph.calls.len() + at, failed))?;
            scope.hold(at);
            Ok(())
        }
    }
}

/// Fails where a `require` is false, null or a failing expression, as soon as what it mentions is settled.
async fn hold(scope: &Scope<'_>, require: &Require) -> Result<(), Box<Failed>> {
    for need in &require.needs {
        scope.settled(*need).await?;
    }
    let that = scope.eval(&require.that.program, &require.that.origin);
    let held = matches!(that, Ok(Value::Bool(true)));
    if let Some(watch) = scope.run.context.watch {
        watch.note(require, scope.place.element, Event::Required(held));
    }
    if held {
        return Ok(());
    }
    // A detail that fails is left out: what matters is that the condition does not hold.
    let detail = require
        .detail
        .as_ref()
        .and_then(|it| scope.frame(|frame| render::text(it, frame)).ok().flatten());
    let failure = Failure::require(require.otherwise, detail, require.that.origin.clone());
    Err(Failed::of_endpoint(failure))
}

/// Waits until every `require`, here and around, that does not depend on this call has held (semantics.md 0).
pub(super) async fn held_before(scope: &Scope<'_>, index: CallIndex) {
    let (mut scope, mut index) = (scope, index);
    loop {
        for (at, require) in scope.graph.require.iter().enumerate() {
            if !require.needs.iter().any(|it| reaches(scope.graph, *it, index)) {
                scope.held(at).await;
            }
        }
        match scope.place.outer {
            Some(outer) => (scope, index) = outer,
            None => return,
        }
    }
}

/// True where what is mentioned is `wanted`, or mentions it in turn.
fn reaches(graph: &Graph, mention: Dependency, wanted: CallIndex) -> bool {
    let mut seen = vec![false; graph.calls.len()];
    let mut todo = Vec::new();
    if mention.level == 0 {
        todo.push(mention.call);
    }
    while let Some(index) = todo.pop() {
        if index == wanted {
            return true;
        }
        let Some(seen) = seen.get_mut(index.0).filter(|it| !**it) else {
            continue;
        };
        *seen = true;
        if let Some(call) = graph.calls.get(index.0) {
            mentions(call, 0, &mut todo);
        }
    }
    false
}

/// What a call mentions of the graph that is `depth` levels around its own.
fn mentions(call: &Call, depth: usize, found: &mut Vec<CallIndex>) {
    let fallback = call.fallback.iter().flat_map(|it| &it.needs);
    found.extend(
        call.needs
            .iter()
            .chain(fallback)
            .filter(|it| it.level == depth)
            .map(|it| it.call),
    );
    if let CallKind::For(each) = &call.kind {
        found.extend(each.needs.iter().filter(|it| it.level == depth + 1).map(|it| it.call));
        for inner in &each.graph.calls {
            mentions(inner, depth + 1, found);
        }
    }
}
