//! One request that is handed over: its way to a target, and all that is held until its answer was read to the end.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, FutureExt, LocalBoxFuture, select};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::super::passing::{Handed, Over, Patience, Stream};
use super::super::{Attempt, Failure, Readiness, Reply, Retry};
use super::{Guarded, Tried, Using, count};
use crate::plan::Policy;
use crate::time::{Deadline, Instant};

/// What a request holds that was handed over: its place at the backend and its share of a target's load. Dropped without
/// [`Lease::end`], nobody wanted the rest of the answer.
pub struct Lease {
    going: LocalBoxFuture<'static, ()>,
    end: Option<oneshot::Sender<Ended>>,
}

/// How an answer that was handed over ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It broke off.
    Broken,
    /// All of it came.
    Whole,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The client did not send its request to the end.
    Client,
    /// The backend's failure, or ours.
    Failed(Failure),
}

/// What one attempt gave: an answer and what stays held, or the failure with what may be sent again.
type Tell = oneshot::Sender<Result<Response<Stream>, Unanswered>>;

/// Long enough for whatever is handed over: its own limits are [`Patience`]'s.
const NO_END: Duration = Duration::from_hours(24 * 365);

impl Guarded {
    /// Hands a request over, at the backend that stands in where no target is fit, and a copy to its mirror. What did not
    /// arrive moves on to the next target; what may be made twice, and has no body, is tried again as the policy says.
    ///
    /// Cancel safety: dropping the future, or the lease and the answer's body, cancels the request; the copy goes on.
    pub async fn pass(
        self: Rc<Self>,
        mut request: Handed,
        hash: Option<u64>,
        policy: Policy,
        patience: Rc<Patience>,
    ) -> Result<(Response<Stream>, Lease), Unanswered> {
        let mirror = self.others.mirror.as_ref();
        let copy = mirror.and_then(|it| it.begin_passed(&self, &mut request, hash, policy));
        let (response, lease) = self.hand(request, hash, policy, patience).await?;
        Ok(match copy {
            Some(copy) => (copy.watch(response), lease),
            None => (response, lease),
        })
    }

    async fn hand(
        self: Rc<Self>,
        request: Handed,
        hash: Option<u64>,
        policy: Policy,
        patience: Rc<Patience>,
    ) -> Result<(Response<Stream>, Lease), Unanswered> {
        if let Some(failover) = &self.others.failover
            && self.guard.balancer.is_lost(Instant::now())
        {
            count(&self.guard.counts.failovers);
            let policy = self.policy_at(failover, policy);
            return failover
                .clone()
                .pass(request, hash, policy, patience)
                .boxed_local()
                .await;
        }
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let attempt = Attempt::new(Deadline::after(NO_END)).hashed(hash);
        let going = async move {
            self.attempts(request, attempt, policy, &patience, (tell, ended)).await;
        };
        match select(going.boxed_local(), told).await {
            Either::Left(((), told)) => match told.await {
                Ok(Err(why)) => Err(why),
                _ => Err(Unanswered::Failed(Failure::bug("an attempt that ended without a word"))),
            },
            Either::Right((told, going)) => {
                let answer = told.map_err(|_| Unanswered::Failed(Failure::bug("an attempt that forgot its answer")))?;
                answer.map(|response| (response, Lease { going, end: Some(end) }))
            }
        }
    }

    async fn attempts(
        &self,
        mut request: Handed,
        attempt: Attempt,
        policy: Policy,
        patience: &Patience,
        (tell, ended): (Tell, oneshot::Receiver<Ended>),
    ) {
        if policy.retry.is_some() {
            self.guard.budget.deposit(Instant::now());
        }
        let again = repeatable(&request);
        let tried = Tried::default();
        let mut n_made = 1;
        let failed = loop {
            let authorization = match self.token(attempt.deadline).await {
                Ok(authorization) => authorization,
                Err(failure) => break Unanswered::Failed(failure),
            };
            // Whatever the client shows is not for this backend.
            if let Some(token) = &authorization {
                request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(token));
            }
            let held = async {
                let place = self.guard.enter(false).await?;
                let going = self.guard.admit(policy.method, attempt.deadline, Instant::now())?;
                Ok::<_, Failure>((place, going))
            };
            let (_place, going) = match held.await {
                Ok(held) => held,
                Err(failure) => break Unanswered::Failed(failure),
            };
            let ways = self.ways();
            let mut chosen = self.choose(&ways, &tried, attempt.hash);
            while ways.all.len() > 1 && chosen.is_some_and(|it| ways.readiness(it) == Readiness::Connecting) {
                ways.connected().await;
                chosen = self.choose(&ways, &tried, attempt.hash);
            }
            let Some((at, way)) = chosen.and_then(|at| Some((at, ways.all.get(at)?))) else {
                break Unanswered::Failed(Failure::no_target());
            };
            let n_tried = tried.count();
            tried.note(at);
            let using = Using::begin(&ways.members, at, attempt.deadline, Instant::now());
            let (failure, unsent) = match patience.wait(way.pass(request, attempt.sent.clone())).await {
                Ok(Ok(response)) => {
                    let status = response.status();
                    let result = if status.is_server_error() {
                        Err(Failure::http_status(status, String::new()))
                    } else {
                        Ok(Reply::default())
                    };
                    if status == StatusCode::UNAUTHORIZED {
                        self.refused(authorization.as_deref(), &tried);
                    }
                    if let Some(again) = again.as_ref().filter(|_| tried.take_renewal()) {
                        using.end(Instant::now(), &result);
                        going.end(Instant::now(), &result);
                        request = again.clone().map(|()| None);
                        continue;
                    }
                    // How soon it answered counts; that it is busy counts until the end.
                    let busy = Using::begin(&ways.members, at, attempt.deadline, Instant::now());
                    using.end(Instant::now(), &result);
                    going.end(Instant::now(), &result);
                    // Where nobody hears it, nobody wants it.
                    if tell.send(Ok(response)).is_ok() && ended.await == Ok(Ended::Broken) {
                        busy.end(
                            Instant::now(),
                            &Err(Failure::connection(std::io::Error::from(
                                std::io::ErrorKind::UnexpectedEof,
                            ))),
                        );
                    }
                    return;
                }
                // That says nothing about the backend.
                Err(Over::Client) => break Unanswered::Client,
                Ok(Err(_)) if patience.client_has_gone() => break Unanswered::Client,
                Ok(Err(unpassed)) => (unpassed.failure, unpassed.request),
                Err(Over::Backend) => (Failure::deadline(), None),
            };
            let result = Err(failure.clone());
            using.end(Instant::now(), &result);
            going.end(Instant::now(), &result);
            if failure.retry == Retry::Always
                && let Some(unsent) = unsent
                && tried.count() > n_tried
                && tried.count() < ways.all.len()
            {
                count(&self.guard.counts.moves);
                request = *unsent;
                continue;
            }
            let pause = self.pause(&failure, policy, n_made, &attempt);
            let (Some(pause), Some(again)) = (pause, &again) else {
                break Unanswered::Failed(failure);
            };
            count(&self.guard.counts.retries);
            tokio::time::sleep(pause).await;
            patience.progress();
            n_made += 1;
            request = again.clone().map(|()| None);
        };
        // Nobody may be left to hear it.
        let _heard = tell.send(Err(failed)).is_ok();
    }
}

/// The request once more, where it may be made twice and has no body.
fn repeatable(request: &Handed) -> Option<Request<()>> {
    if !request.method().is_idempotent() || request.body().is_some() {
        return None;
    }
    let mut again = Request::new(());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

// === impl Lease ===

impl Lease {
    /// The answer has ended.
    pub fn end(mut self, how: Ended) {
        if let Some(end) = self.end.take()
            && end.send(how).is_ok()
        {
            // It waits for nothing else.
            let _done = (&mut self.going).now_or_never();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
