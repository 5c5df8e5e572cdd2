//! Calls with a ttl: what is kept of their replies, and how it is fetched for all who wait for it.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout_at;

use super::{Answer, Wanted, attempt, count, own_deadline, permit, plain, policy_of, traced};
use crate::plan::CallCache;
use crate::runtime::backend::{Directives, Failure, Guarded, Reply};
use crate::runtime::cache::{Elsewhere, Fetched, Kept, Key, Landing, Leader, Lookup, Moment, Remote, Use, lifetime};
use crate::runtime::execute::scope::Scope;
use crate::runtime::execute::{CallReport, ReplySource, render};
use crate::time::Instant;

/// A safe call whose reply is kept: from the cache, from somebody who is fetching it, or from the backend.
///
/// Cancel safety: a fetch goes on without those who wanted it, to the call's own timeout, and stores what it gets.
pub(super) async fn cached(
    scope: &Scope<'_>,
    backend: &Rc<Guarded>,
    wanted: Wanted<'_>,
    key: Key,
    kept: &CallCache,
) -> Answer {
    let cache = scope.run.context.cache();
    let running = scope.run.context.running;
    let stale = |reply| Ok((reply, ReplySource::Stale));
    let mut elsewhere = Elsewhere::Unasked;
    loop {
        let (leader, mut stand_in) = match cache.reply(key, kept.keep) {
            Lookup::Fresh(reply) => return Ok((reply, ReplySource::Cache)),
            Lookup::Stale(reply, None) => return stale(reply),
            Lookup::Stale(reply, Some(leader)) => {
                // Nobody waits for it, so that it takes no place of a `for` and may not fail the call.
                if count(scope.run).is_ok() {
                    let again = fetch(scope, backend, wanted, (leader, kept), Heard::ByNobody(elsewhere));
                    drop(again);
                }
                return stale(reply);
            }
            Lookup::Miss(leader, stand_in) => (leader, stand_in),
            Lookup::Wait(waiting, stand_in) => match timeout_at(wanted.deadline.instant(), waiting.landed()).await {
                Ok(Landing::Shared(fetched)) => {
                    return fetched.map(|it| {
                        let source = if it.stale {
                            ReplySource::Stale
                        } else {
                            ReplySource::Shared
                        };
                        (it.reply, source)
                    });
                }
                Ok(Landing::Alone) => return plain(scope, backend, wanted).await.map(|it| heeding(it, kept)),
                Ok(Landing::Vanished) => continue,
                Err(_) => return stand_in.map_or_else(|| Err(Failure::deadline()), stale),
            },
        };
        let permit = permit(scope).await?;
        if matches!(elsewhere, Elsewhere::Unasked) {
            let found = Remote::find::<Reply>(running, key).await;
            if let Some(reply) = &found.kept {
                cache.take_over(key, reply);
            }
            if let Some(kept) = found.fresh() {
                let reply = kept.reply();
                leader.share(Ok(Fetched {
                    reply: reply.clone(),
                    stale: false,
                }));
                return Ok((reply, ReplySource::Cache));
            }
            elsewhere = Elsewhere::Asked(found.moment);
            if let Some(kept) = found.kept {
                if kept.good_for() == Use::WhileRevalidating {
                    continue;
                }
                stand_in = stand_in.or_else(|| Some(kept.reply()));
            }
        }
        count(scope.run)?;
        let deadline = wanted.deadline;
        let heard = Heard::By(permit, stand_in.clone(), elsewhere.moment());
        let fetched = fetch(scope, backend, wanted, (leader, kept), heard)?;
        return match (timeout_at(deadline.instant(), fetched).await, stand_in) {
            (Ok(Ok(fetched)), _) => fetched.map(|it| {
                let source = if it.stale {
                    ReplySource::Stale
                } else {
                    ReplySource::Backend
                };
                (it.reply, source)
            }),
            (Ok(Err(_)), _) => Err(Failure::bug("a fetch that ended without a word")),
            (Err(_), Some(reply)) => stale(reply),
            (Err(_), None) => Err(Failure::deadline()),
        };
    }
}

/// Who hears what is fetched.
enum Heard {
    /// Who asked for it, with a place among the calls in flight, what stands in where it fails, and as of when it may be kept
    /// for all gateways.
    By(Option<OwnedSemaphorePermit>, Option<Reply>, Option<Moment>),
    /// Nobody: it is kept, and counted where it is made. Other gateways may have it, where they were not asked yet.
    ByNobody(Elsewhere),
}

/// Fetches a reply for all who wait for it, by itself, and keeps it. Where that fails, `stand_in` is what they get.
fn fetch(
    scope: &Scope<'_>,
    backend: &Rc<Guarded>,
    wanted: Wanted<'_>,
    (leader, kept): (Leader<Result<Fetched, Failure>>, &CallCache),
    heard: Heard,
) -> Result<oneshot::Receiver<Result<Fetched, Failure>>, Failure> {
    let tags = scope.frame(|frame| render::tags(&kept.tags, frame))?;
    let own = own_deadline(&wanted);
    let attempt = attempt(scope, &wanted, own);
    let request = traced(wanted.request, scope.run.context.trace);
    let (backend, cache) = (backend.clone(), scope.run.context.cache().clone());
    let (policy, keep, ignores_backend) = (policy_of(wanted.call, wanted.method), kept.keep, kept.ignores_backend);
    let (sender, receiver) = oneshot::channel();
    let running = scope.run.context.running.clone();
    let (permit, stand_in, elsewhere, unheard) = match heard {
        Heard::By(permit, stand_in, moment) => (permit, stand_in, Elsewhere::Asked(moment), None),
        Heard::ByNobody(elsewhere) => {
            let unheard = (scope.run.context.endpoint, scope.name(wanted.call));
            (None, None, elsewhere, Some(unheard))
        }
    };
    let to = wanted.backend;
    scope.run.context.detached().adopt(async move {
        let moment = match Remote::fresh::<Reply>(&running, leader.key(), elsewhere).await {
            Err(moment) => moment,
            Ok(kept) => {
                let (reply, stale) = (kept.reply(), false);
                return leader.share(Ok(Fetched { reply, stale }));
            }
        };
        let started = Instant::now();
        let exchange = backend.call(&request, attempt, policy);
        let fetched = timeout_at(own.instant(), exchange)
            .await
            .unwrap_or_else(|_| Err(Failure::deadline()));
        if let Some((endpoint, call)) = unheard {
            let (code, bytes) = match &fetched {
                Ok(reply) => (tonic::Code::Ok, reply.body.len()),
                Err(failure) => (failure.code, 0),
            };
            let report = CallReport {
                call,
                backend: to,
                started,
                took: started.elapsed(),
                code,
                source: ReplySource::Backend,
                bytes,
            };
            running.count_calls(endpoint, &[report]);
        }
        let fetched = match (fetched, stand_in) {
            (Ok(mut reply), _) => {
                if ignores_backend {
                    reply.directives = Directives::default();
                }
                if let Some(keep) = lifetime(reply.directives, keep) {
                    let kept = Arc::new(Kept::new(reply.clone(), keep, tags, leader.since()));
                    if cache.store(leader.key(), &kept) {
                        Remote::keep(&running, leader.key(), &kept, moment.as_ref());
                    }
                }
                Ok(Fetched { reply, stale: false })
            }
            (Err(failure), Some(reply)) if failure.usual_status().is_server_error() => {
                Ok(Fetched { reply, stale: true })
            }
            (Err(failure), _) => Err(failure),
        };
        match &fetched {
            // What its backend wants nobody else to see is not handed on either.
            Ok(it) if it.reply.directives.no_store => leader.alone(),
            _ => leader.share(fetched.clone()),
        }
        drop(permit);
        // Nobody may be left to hear it.
        let _heard = sender.send(fetched).is_ok();
    });
    Ok(receiver)
}

/// A reply whose backend's own directives count only where they are not ignored.
fn heeding((mut reply, source): (Reply, ReplySource), kept: &CallCache) -> (Reply, ReplySource) {
    if kept.ignores_backend {
        reply.directives = Directives::default();
    }
    (reply, source)
}
