//! One fragment: a function of its `with` values, in a frame of its own. They are the key of what is kept of it
//! (semantics.md 5.1).
//!
//! Of those who want the same kept fragment at once, one makes it within its own request; where that one's client leaves,
//! another takes over. A stale one is made again by a task of its own. Invariant: only what is complete is kept or shared.

use std::sync::Arc;

use futures::future::{FutureExt, LocalBoxFuture};
use tokio::time::timeout_at;

use super::scope::{Place, Scope};
use super::{Context, Failed, Incoming, Run, graph, render};
use crate::expr::Value;
use crate::plan::{Call, CallCache, CallIndex, Fragment, FragmentIndex, Keep, Template};
use crate::runtime::backend::{Directives, Failure};
use crate::runtime::cache::{Cache, Kept, Key, Landing, Leader, Lookup, ResultOf, Tag, lifetime};
use crate::time::Deadline;

/// Runs a fragment, or takes what is kept of it.
pub(super) fn run<'f>(
    scope: &'f Scope<'f>,
    (index, call): (CallIndex, &'f Call),
    fragment: FragmentIndex,
    with: &'f [Template],
    deadline: Deadline,
) -> LocalBoxFuture<'f, Result<Value, Box<Failed>>> {
    async move {
        let own = |failure| scope.failed(call, failure);
        let Some(made_of) = scope.run.context.plan().fragments.get(fragment.0) else {
            return Err(own(Failure::bug("a fragment that does not exist")));
        };
        let inputs: Result<Vec<Value>, Failure> =
            scope.frame(|frame| with.iter().map(|it| render::value(it, frame)).collect());
        let inputs = inputs.map_err(own)?;
        let making = Making {
            scope,
            call: (index, call),
            fragment: made_of,
            deadline,
        };
        match call.cache.as_ref().filter(|_| call.safe) {
            Some(kept) => making.kept(fragment, inputs, kept).await,
            None => making.make(inputs).await.map(|it| it.result.value),
        }
    }
    .boxed_local()
}

/// A fragment that is wanted.
struct Making<'f> {
    scope: &'f Scope<'f>,
    call: (CallIndex, &'f Call),
    fragment: &'f Fragment,
    deadline: Deadline,
}

/// What came of it.
struct Made {
    result: ResultOf,
    degraded: bool,
}

impl Making<'_> {
    /// From the cache, from somebody who is making it, or made.
    async fn kept(&self, fragment: FragmentIndex, inputs: Vec<Value>, kept: &CallCache) -> Result<Value, Box<Failed>> {
        let cache = self.scope.run.context.cache();
        let backends = &self.scope.run.context.plan().backends;
        let parts = self.scope.run.context.chosen.iter();
        let parts = parts.filter_map(|it| Some(&*backends.get(it.0)?.name));
        let key = Key::of_result(&self.fragment.fingerprint, &inputs).among(parts);
        loop {
            let (leader, stand_in) = match cache.result(key, kept.keep) {
                Lookup::Fresh(result) => return Ok(self.heed(result)),
                Lookup::Stale(result, leader) => {
                    if let Some(leader) = leader {
                        self.make_again(fragment, inputs, leader, kept)?;
                    }
                    return Ok(self.heed(result));
                }
                Lookup::Miss(leader, stand_in) => (leader, stand_in),
                Lookup::Wait(waiting, stand_in) => match timeout_at(self.deadline.instant(), waiting.landed()).await {
                    Ok(Landing::Shared(result)) => return Ok(self.heed(result)),
                    Ok(Landing::Alone) => return self.make(inputs).await.map(|it| it.result.value),
                    Ok(Landing::Vanished) => continue,
                    Err(_) => {
                        let late = || self.scope.failed(self.call.1, Failure::deadline());
                        return stand_in.map(|it| self.heed(it)).ok_or_else(late);
                    }
                },
            };
            let tags = self.tags(kept)?;
            // What it is made of may take until the deadline: something older stands in at that very moment.
            let made = timeout_at(self.deadline.instant(), self.make(inputs)).await;
            let made = made.unwrap_or_else(|_| Err(self.scope.failed(self.call.1, Failure::deadline())));
            return match (made, stand_in) {
                (Ok(made), _) => {
                    let value = made.result.value.clone();
                    land(cache, leader, made, kept.keep, tags);
                    Ok(value)
                }
                (Err(failed), Some(old)) if failed.failure.usual_status().is_server_error() => {
                    leader.share(old.clone());
                    Ok(self.heed(old))
                }
                (Err(failed), _) => {
                    leader.alone();
                    Err(failed)
                }
            };
        }
    }

    /// Makes it within this request.
    async fn make(&self, inputs: Vec<Value>) -> Result<Made, Box<Failed>> {
        let (index, call) = self.call;
        let place = Place {
            outer: Some((self.scope, index)),
            element: 0,
            fragment: true,
            sharing: self.scope.place.sharing,
        };
        let inner = Scope::new(self.scope.run, &self.fragment.graph, inputs, place, self.deadline);
        let made = make(&inner, self.fragment, |failure| self.scope.failed(call, failure)).await?;
        Ok(match &call.cache {
            Some(kept) => made.heeding(kept.ignores_backend),
            None => made,
        })
    }

    /// Makes it beside this request, which does not wait for it.
    fn make_again(
        &self,
        fragment: FragmentIndex,
        inputs: Vec<Value>,
        leader: Leader<ResultOf>,
        kept: &CallCache,
    ) -> Result<(), Box<Failed>> {
        let tags = self.tags(kept)?;
        let context = self.scope.run.context;
        let endpoint = context.endpoint;
        let (running, trace, deadline) = (context.running.clone(), context.trace.to_vec(), self.deadline);
        let (hashes, chosen) = (context.hashes.to_vec(), context.chosen.clone());
        let (keep, ignores_backend) = (kept.keep, kept.ignores_backend);
        context.detached().adopt(async move {
            let context = Context {
                running: &running,
                endpoint,
                presence: None,
                hashes: &hashes,
                chosen: &chosen,
                trace: &trace,
                watch: None,
            };
            let Some(fragment) = context.plan().fragments.get(fragment.0) else {
                return;
            };
            let incoming = Incoming::default();
            let run = Run::new(context, &incoming, &[]);
            let scope = Scope::new(&run, &fragment.graph, inputs, Place::TOP, deadline);
            match timeout_at(deadline.instant(), make(&scope, fragment, Failed::of_endpoint)).await {
                Ok(Ok(made)) => land(context.cache(), leader, made.heeding(ignores_backend), keep, tags),
                // The older one is good for as long as it is; the next who asks tries again.
                Ok(Err(_)) | Err(_) => leader.alone(),
            }
            drop(scope);
            running.count_calls(endpoint, &run.calls.into_inner());
        });
        Ok(())
    }

    fn tags(&self, kept: &CallCache) -> Result<Vec<Tag>, Box<Failed>> {
        let tags = self.scope.frame(|frame| render::tags(&kept.tags, frame));
        tags.map_err(|it| self.scope.failed(self.call.1, it))
    }

    /// The value of something that was made before, or by somebody else.
    fn heed(&self, result: ResultOf) -> Value {
        self.scope.heed(result.directives, result.weight);
        result.value
    }
}

impl Made {
    fn heeding(mut self, ignores_backend: bool) -> Self {
        if ignores_backend {
            self.result.directives = Directives::default();
        }
        self
    }
}

/// Makes a fragment in its scope.
async fn make(
    scope: &Scope<'_>,
    fragment: &Fragment,
    own: impl Fn(Failure) -> Box<Failed>,
) -> Result<Made, Box<Failed>> {
    graph::run(scope).await?;
    let value = scope
        .noted_end()
        .frame(|frame| render::value(&fragment.result, frame))
        .map_err(own)?;
    let made_of = scope.made_of();
    Ok(Made {
        result: ResultOf {
            value,
            directives: made_of.directives,
            weight: made_of.bytes,
        },
        degraded: made_of.degraded,
    })
}

/// Keeps and shares what was made, where that may be.
fn land(cache: &Cache, leader: Leader<ResultOf>, made: Made, keep: Keep, tags: Vec<Tag>) {
    let result = made.result;
    if made.degraded || result.directives.no_store {
        leader.alone();
        return;
    }
    if let Some(keep) = lifetime(result.directives, keep) {
        let mut key = Vec::new();
        result.value.write_key(&mut key);
        let stored = ResultOf {
            weight: result.weight + key.len(),
            ..result.clone()
        };
        cache.store(leader.key(), &Arc::new(Kept::new(stored, keep, tags, leader.since())));
    }
    leader.share(result);
}
