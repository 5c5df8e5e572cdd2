//! The way of one request to its backend: limits, deadline, equal requests made once, stored replies, cancellation.
//!
//! Four ways, chosen by what the plan says of the call: `plain` for a safe one, `shared` for a safe one within a `for`,
//! `cached` for one with a ttl, `unsafely` for one that may change something.
//! Invariant: a safe call ends with the future that wants it, unless others want the same; an unsafe call that was sent
//! ends by itself or at its own timeout.

mod kept;

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use ::http::{HeaderName, HeaderValue};
use futures::future::{FutureExt, LocalBoxFuture};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use self::kept::cached;
use super::detach::Detached;
use super::each::Sharing;
use super::scope::Scope;
use super::{CallReport, ReplySource, Run};
use crate::plan::{BackendIndex, Call, MethodIndex, Policy};
use crate::runtime::backend::{Attempt, Failure, Guarded, Reply, Request, Sent, code};
use crate::runtime::cache::{Key, KeyWriter};
use crate::runtime::watch::Event;
use crate::time::{Deadline, Instant};

/// Requests that one request of a client may cause (semantics.md 9).
pub(super) const MAX_CALLS: usize = 2_000;

/// What is to be sent for a call.
#[derive(Debug)]
pub(super) struct Wanted<'c> {
    pub(super) call: &'c Call,
    pub(super) backend: BackendIndex,
    /// That of the call, as the backend numbers it.
    pub(super) method: MethodIndex,
    pub(super) request: Request,
    pub(super) deadline: Deadline,
}

type Answer = Result<(Reply, ReplySource), Failure>;

/// Brings a request to its backend and its reply back.
pub(super) async fn run(scope: &Scope<'_>, mut wanted: Wanted<'_>) -> Result<(Reply, ReplySource), Failure> {
    if scope.is_over() {
        // The scope is about to be dropped, and this future with it.
        std::future::pending::<()>().await;
    }
    let now = Instant::now();
    if now >= wanted.deadline.instant() {
        return Err(Failure::deadline());
    }
    let backends = scope.run.context.backends();
    let missing = || Failure::bug("a backend that does not exist");
    let asked = backends.get(wanted.backend).ok_or_else(missing)?;
    let to = scope.run.context.chosen.of(wanted.backend);
    let mut backend = asked;
    if to != wanted.backend {
        backend = backends.get(to).ok_or_else(missing)?;
        wanted.method = asked.policy_at(backend, wanted.call.policy).method;
        wanted.backend = to;
    }
    let deadline = wanted.deadline;
    let report = Report::begin(scope, &wanted, now);
    // The usual way is the short one: the others are boxed, and all are pinned where they stand, so that little is copied.
    let way = pin!(async {
        let Wanted { call, request, .. } = &wanted;
        match (call.safe, &call.cache, scope.place.sharing) {
            (false, _, _) => Box::pin(unsafely(scope, backend, wanted)).await,
            (true, Some(kept), _) => {
                let key = key("call", scope, wanted.backend, request);
                Box::pin(cached(scope, backend, wanted, key, kept)).await
            }
            (true, None, Some(sharing)) => {
                let key = key("call", scope, wanted.backend, request);
                Box::pin(shared(scope, backend, wanted, key, sharing)).await
            }
            (true, None, None) => plain(scope, backend, wanted).await,
        }
    });
    let answer = timeout_at(deadline.instant(), way)
        .await
        .unwrap_or_else(|_| Err(Failure::deadline()));
    report.end(&answer);
    let (reply, source) = answer?;
    scope.heed(reply.directives, reply.body.len());
    Ok((reply, source))
}

/// A safe call: dropped with whoever wants it.
async fn plain(scope: &Scope<'_>, backend: &Rc<Guarded>, wanted: Wanted<'_>) -> Answer {
    let _permit = permit(scope).await?;
    fits(scope, backend, &wanted)?;
    count(scope.run)?;
    let attempt = attempt(scope, &wanted, wanted.deadline);
    let request = traced(wanted.request, scope.run.context.trace);
    let reply = backend
        .call(&request, attempt, policy_of(wanted.call, wanted.method))
        .await?;
    Ok((reply, ReplySource::Backend))
}

/// A safe call within a `for`: of equal ones under way or done, one is made (semantics.md 4.5).
async fn shared(scope: &Scope<'_>, backend: &Rc<Guarded>, wanted: Wanted<'_>, key: Key, sharing: &Sharing) -> Answer {
    let identity = (std::ptr::from_ref(wanted.call).addr(), key);
    let known = sharing.equal.borrow().get(&identity).cloned();
    if let Some(known) = known {
        return Ok((known.await?, ReplySource::Shared));
    }
    fits(scope, backend, &wanted)?;
    count(scope.run)?;
    let (backend, in_flight, deadline) = (backend.clone(), sharing.in_flight.clone(), wanted.deadline);
    let policy = policy_of(wanted.call, wanted.method);
    let attempt = attempt(scope, &wanted, deadline);
    let request = traced(wanted.request, scope.run.context.trace);
    // It keeps its own time, since the first who wants it may be dropped while others wait.
    let made = async move {
        let exchange = async {
            let _permit = in_flight
                .acquire_owned()
                .await
                .map_err(|_| Failure::bug("a closed semaphore"))?;
            backend.call(&request, attempt, policy).await
        };
        timeout_at(deadline.instant(), exchange)
            .await
            .unwrap_or_else(|_| Err(Failure::deadline()))
    };
    let made = made.boxed_local().shared();
    sharing.equal.borrow_mut().insert(identity, made.clone());
    Ok((made.await?, ReplySource::Backend))
}

/// A call that may change something: once sent it goes on without whoever wanted it.
async fn unsafely(scope: &Scope<'_>, backend: &Rc<Guarded>, wanted: Wanted<'_>) -> Answer {
    let _permit = permit(scope).await?;
    if scope.is_over() {
        std::future::pending::<()>().await;
    }
    let presence = scope.run.context.presence;
    if presence.is_some_and(|it| it.left.get()) {
        return Err(Failure::deadline());
    }
    count(scope.run)?;
    // A backend that were told the endpoint's deadline might stop half-way.
    let own = own_deadline(&wanted);
    let attempt = attempt(scope, &wanted, own);
    let sent = attempt.sent.clone();
    if let Some(presence) = presence {
        presence.writes.borrow_mut().push(sent.clone());
    }
    let request = traced(wanted.request, scope.run.context.trace);
    let (backend, policy) = (backend.clone(), policy_of(wanted.call, wanted.method));
    let going = Going {
        call: Some(async move { backend.call(&request, attempt, policy).await }.boxed_local()),
        name: wanted.call.name.clone(),
        sent,
        own,
        detached: scope.run.context.detached().clone(),
    };
    Ok((going.await?, ReplySource::Backend))
}

/// How a call is made at the backend that it goes to, which has a number of its own for the method.
fn policy_of(call: &Call, method: MethodIndex) -> Policy {
    Policy { method, ..call.policy }
}

/// Fails with `NotBegun` where the page can do without the call, and half of its replies come later than the page has time.
fn fits(scope: &Scope<'_>, backend: &Guarded, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let call = wanted.call;
    if !call.optional && call.fallback.is_none() {
        return Ok(());
    }
    let left = scope.deadline.left();
    let spared = call.timeout.is_none_or(|it| left < it);
    if spared && backend.guard().is_usually_longer(wanted.method, left) {
        return Err(Failure::not_begun());
    }
    Ok(())
}

/// An attempt until a deadline, for the target that its backend goes by.
fn attempt(scope: &Scope<'_>, wanted: &Wanted<'_>, deadline: Deadline) -> Attempt {
    let run = scope.run;
    let is_required = run
        .required
        .iter()
        .any(|it| run.context.chosen.of(it.1) == wanted.backend);
    Attempt {
        hash: run.context.hashes.get(wanted.backend.0).copied().flatten(),
        patient: is_required && !wanted.call.is_spared(),
        ..Attempt::new(deadline)
    }
}

/// The time that a call has whatever becomes of its request.
fn own_deadline(wanted: &Wanted<'_>) -> Deadline {
    wanted.call.timeout.map_or(wanted.deadline, Deadline::after)
}

/// Waits for a place among the calls in flight under one `for`.
async fn permit(scope: &Scope<'_>) -> Result<Option<OwnedSemaphorePermit>, Failure> {
    let Some(sharing) = scope.place.sharing else {
        return Ok(None);
    };
    let permit = sharing.in_flight.clone().acquire_owned().await;
    permit.map(Some).map_err(|_| Failure::bug("a closed semaphore"))
}

fn count(run: &Run<'_>) -> Result<(), Failure> {
    if run.n_calls.get() >= MAX_CALLS {
        return Err(Failure::limit("more calls than a request may have"));
    }
    run.n_calls.set(run.n_calls.get() + 1);
    Ok(())
}

/// Trace headers belong to this request alone, so that they are in no key.
fn traced(mut request: Request, trace: &[(HeaderName, HeaderValue)]) -> Request {
    let headers = match &mut request {
        Request::Grpc { metadata, .. } => metadata,
        Request::Http { headers, .. } => headers,
    };
    for (name, value) in trace {
        headers.insert(name.clone(), value.clone());
    }
    request
}

/// What the last good reply to a request is kept under.
pub(super) fn last_key(scope: &Scope<'_>, backend: BackendIndex, request: &Request) -> Key {
    key("last", scope, scope.run.context.chosen.of(backend), request)
}

/// All that is sent, and to whom: equal keys are equal requests (semantics.md 5.1).
fn key(kind: &str, scope: &Scope<'_>, backend: BackendIndex, request: &Request) -> Key {
    let mut writer = KeyWriter::new(kind);
    if let Some(backend) = scope.run.context.plan().backends.get(backend.0) {
        writer.part(backend.name.as_bytes());
        writer.part(
            backend
                .schema
                .as_ref()
                .map_or(&[][..], |it| it.fingerprint().as_slice()),
        );
    }
    let headers = match request {
        Request::Grpc {
            path,
            message,
            metadata,
        } => {
            writer.part(b"grpc");
            writer.part(path.as_bytes());
            writer.part(message);
            metadata
        }
        Request::Http {
            method,
            path_and_query,
            headers,
            body,
            accept,
        } => {
            writer.part(method.as_str().as_bytes());
            writer.part(path_and_query.as_bytes());
            writer.part(&[*accept as u8, u8::from(body.is_some())]);
            writer.part(body.as_deref().unwrap_or_default());
            headers
        }
    };
    for (name, value) in headers {
        writer.part(name.as_str().as_bytes());
        writer.part(value.as_bytes());
    }
    writer.finish()
}

/// An unsafe call under way.
struct Going {
    call: Option<LocalBoxFuture<'static, Result<Reply, Failure>>>,
    name: Arc<str>,
    sent: Sent,
    own: Deadline,
    detached: Detached,
}

impl Future for Going {
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(Err(Failure::bug("a call that was polled again")));
        };
        let result = call.poll_unpin(cx);
        if result.is_ready() {
            self.call = None;
        }
        result
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let Some(call) = self
            .call
            .take()
            .filter(|_| self.sent.is_marked() && !self.own.left().is_zero())
        else {
            return;
        };
        let (name, own) = (self.name.clone(), self.own);
        self.detached.adopt(async move {
            let ended = timeout_at(own.instant(), call)
                .await
                .unwrap_or_else(|_| Err(Failure::deadline()));
            let code = ended.map_or_else(|failure| failure.code, |_| tonic::Code::Ok);
            tracing::info!(
                call = &*name,
                code = code::name(code),
                "an unsafe call outlived its request"
            );
        });
    }
}

/// Notes what a call took, also where it is dropped.
struct Report<'r> {
    scope: &'r Scope<'r>,
    call: &'r Call,
    backend: BackendIndex,
    started: Instant,
    ended: bool,
}

impl<'r> Report<'r> {
    fn begin(scope: &'r Scope<'_>, wanted: &Wanted<'r>, now: Instant) -> Self {
        Self {
            scope,
            call: wanted.call,
            backend: wanted.backend,
            started: now,
            ended: false,
        }
    }

    fn end(mut self, answer: &Answer) {
        let (code, source, bytes) = match answer {
            Ok((reply, source)) => (tonic::Code::Ok, *source, reply.body.len()),
            Err(failure) => (failure.code, ReplySource::Backend, 0),
        };
        self.note(code, source, bytes);
    }

    fn note(&mut self, code: tonic::Code, source: ReplySource, bytes: usize) {
        self.ended = true;
        let report = CallReport {
            call: self.scope.name(self.call),
            backend: self.backend,
            started: self.started,
            took: self.started.elapsed(),
            code,
            source,
            bytes,
        };
        if self.scope.run.context.watch.is_some() {
            self.scope.note(self.call, Event::Exchanged(report.clone()));
        }
        self.scope.run.calls.borrow_mut().push(report);
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.note(tonic::Code::Cancelled, ReplySource::Backend, 0);
        }
    }
}
