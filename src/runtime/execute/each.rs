//! A `for` call: the same graph for every element, all at once, results in input order (semantics.md 4.5).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{FutureExt, LocalBoxFuture, Shared};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use super::scope::{Place, Scope};
use super::{Failed, graph, render};
use crate::expr::Value;
use crate::plan::{Call, CallIndex, For};
use crate::runtime::backend::{Failure, Reply};
use crate::runtime::cache::Key;
use crate::time::Deadline;

/// A call that several elements wait for; made as long as one of them does.
pub(super) type Fetch = Shared<LocalBoxFuture<'static, Result<Reply, Failure>>>;

/// What the elements of an outermost `for` share: how many calls are in flight, and safe calls that are equal.
#[derive(Debug)]
pub(super) struct Sharing {
    /// One permit for each call in flight; nothing is held while waiting, so that nested `for`s cannot block each other.
    pub(super) in_flight: Arc<Semaphore>,
    /// By call and request; the address of a plan's call is its identity.
    pub(super) equal: RefCell<HashMap<(usize, Key), Fetch>>,
}

/// Runs a `for` call. What no inner key handles fails it as a whole.
pub(super) fn run<'f>(
    scope: &'f Scope<'f>,
    index: CallIndex,
    call: &'f Call,
    each: &'f For,
    deadline: Deadline,
) -> LocalBoxFuture<'f, Result<Value, Box<Failed>>> {
    async move {
        let own = |failure| scope.failed(call, failure);
        let list = scope.eval(&each.list, &call.origin).map_err(own)?;
        let elements = render::elements(list, Some(&call.origin)).map_err(own)?;
        if elements.len() > scope.run.context.plan().settings.max_for_elements {
            return Err(own(Failure::limit(
                "a `for` over more elements than limits.for_elements",
            )));
        }
        let sharing = Sharing {
            in_flight: Arc::new(Semaphore::new(each.max_concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            equal: RefCell::default(),
        };
        let sharing = scope.place.sharing.unwrap_or(&sharing);
        let mut results = vec![Value::Null; elements.len()];
        let mut under_way: FuturesUnordered<_> = elements
            .into_iter()
            .enumerate()
            .map(|(at, value)| {
                let place = Place {
                    outer: Some((scope, index)),
                    element: at,
                    fragment: false,
                    sharing: Some(sharing),
                };
                element(scope, call, each, place, (value, deadline)).map(move |it| (at, it))
            })
            .collect();
        while let Some((at, result)) = under_way.next().await {
            let result = result?;
            if let Some(place) = results.get_mut(at) {
                *place = result;
            }
        }
        Ok(Value::list(results))
    }
    .boxed_local()
}

async fn element<'f>(
    scope: &'f Scope<'f>,
    call: &'f Call,
    each: &'f For,
    place: Place<'f>,
    (value, deadline): (Value, Deadline),
) -> Result<Value, Box<Failed>> {
    let inner = Scope::new(scope.run, &each.graph, vec![value], place, deadline);
    graph::run(&inner).await?;
    for need in &each.needs {
        inner.settled(*need).await?;
    }
    inner
        .noted_end()
        .frame(|frame| render::value(&each.result, frame))
        .map_err(|it| scope.failed(call, it))
}
