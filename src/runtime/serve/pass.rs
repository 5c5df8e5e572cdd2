//! `proxy:`: the request is handed over, and the answer handed back, both as they come.
//!
//! What is said of the connection stays here (RFC 9110 §7.6.1), and of the rest only what the composition lets through goes
//! on. A WebSocket becomes two streams of bytes (RFC 9110 §7.8, RFC 6455). Invariant: nothing here holds a whole body; one that has to be checked
//! was read before.

mod checked;
mod heads;
mod tunnel;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::Sleep;

use super::body::Body;
use super::log::{Line, Report};
use super::problem::Refusal;
use super::signed::{Signed, Whose, settled};
use super::trace::Trace;
use super::{Response, input, respond, split, understood, whole};
use crate::expr::Value;
use crate::plan::{self, CallKind, EndpointIndex, Proxy, Recipe};
use crate::runtime::backend::passing::{BoxError, Upload};
use crate::runtime::backend::{Ended, Failure, Lease, Patience, Stream, Unanswered};
use crate::runtime::execute::{Chosen, Failed, Incoming, handed_path};
use crate::runtime::snapshot::{InFlight, Running};
use crate::time::{Deadline, Instant};

/// A request that is to be handed over.
pub(super) struct Asked<'r> {
    pub(super) running: &'r Rc<Running>,
    pub(super) recipe: (EndpointIndex, &'r Recipe),
    pub(super) proxy: &'r Proxy,
    pub(super) parts: &'r Parts,
    pub(super) around: input::Around<'r>,
    pub(super) inputs: Vec<Value>,
    /// What the body has to be, where that was signed.
    pub(super) signed: Option<Box<Signed>>,
    pub(super) trace: &'r Rc<Trace>,
    pub(super) in_flight: InFlight,
}

/// Hands the request over, and says who asked once that is settled. A body that has to be checked is read before anything of it
/// goes on.
pub(super) async fn hand<B>(
    mut asked: Asked<'_>,
    reading: input::Reading,
    (body, whose): (B, Whose<'_>),
    deadline: Deadline,
    line: &mut Line,
) -> Result<Response, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let running = asked.running;
    let (wanted, max_body) = (&asked.recipe.1.inputs, running.snapshot.plan.settings.max_body);
    if matches!(wanted.body, plan::Body::None) {
        asked.inputs = reading.body(wanted, &Bytes::new()).map_err(Refusal::BadInputs)?;
        return settled(running, whose, answer(asked, body, deadline, line)).await;
    }
    let sent = whole((body, asked.signed.take()), max_body, deadline);
    let sent = settled(running, whose, sent).await?;
    let read = understood(&wanted.body, &asked.parts.headers, sent.clone(), max_body)?;
    let asked = Asked {
        inputs: reading.body(wanted, &read).map_err(Refusal::BadInputs)?,
        around: input::Around {
            body: &read,
            ..asked.around
        },
        ..asked
    };
    answer(asked, Full::new(sent), deadline, line).await
}

/// Hands the request over, once every `require` holds, and gives the answer.
async fn answer<B>(mut asked: Asked<'_>, body: B, deadline: Deadline, line: &mut Line) -> Result<Response, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (running, parts) = (asked.running, asked.parts);
    let (_, recipe) = asked.recipe;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::MethodNotAllowed(METHODS.to_vec()));
    }
    let inputs = std::mem::take(&mut asked.inputs);
    let hashes = input::hashes(&running.snapshot.plan.backends, parts, asked.around);
    let chosen = split::choose(running, recipe, parts, asked.around);
    let failed = |failure: Failure| Refusal::Failed(Failed::of_endpoint(failure));
    let call = recipe.graph.calls.get(asked.proxy.call.0);
    let Some((call, CallKind::Http(http))) = call.map(|it| (it, &it.kind)) else {
        return Err(Refusal::Bug);
    };
    let mut target = handed_path(http, &inputs, &call.origin, parts.uri.path()).map_err(failed)?;
    if let Some(query) = parts.uri.query() {
        target.extend(["?", query]);
    }
    if !recipe.graph.require.is_empty() {
        require(&asked, inputs, deadline).await?;
    }

    let upgrade = heads::upgrade(parts);
    let patience = Patience::new(recipe.timeout, running.snapshot.plan.settings.idle_timeout);
    let (digests, otherwise) = asked.signed.take().map(|it| (it.digests, it.otherwise)).unzip();
    let differs = Rc::new(Cell::new(false));
    let body = (!body.is_end_stream() && upgrade.is_none()).then(|| -> Stream {
        let body = checked::Checked::new(body, digests, differs.clone());
        Box::pin(heads::Trailed::new(
            Upload::new(body, patience.clone()),
            asked.proxy.request.clone(),
        ))
    });
    let mut request = http::Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = Uri::try_from(target).map_err(|_| failed(Failure::bad_path(Some(call.origin.clone()))))?;
    let from = heads::From {
        parts,
        remote_ip: asked.around.remote_ip,
        secure: running.snapshot.plan.settings.tls.is_some(),
        upgrades: upgrade.is_some(),
    };
    *request.headers_mut() = heads::of_request(&from, &asked.proxy.request, &asked.trace.headers);

    let to = chosen.of(http.backend);
    let asked_for = running.backends.get(http.backend).ok_or(Refusal::Bug)?;
    let backend = running.backends.get(to).ok_or(Refusal::Bug)?.clone();
    let policy = asked_for.policy_at(&backend, call.policy);
    let hash = hashes.get(to.0).copied().flatten();
    let (started, name) = (Instant::now(), backend.guard().name.clone());
    let passed = backend.pass(request, hash, policy, patience.clone()).await;
    let code = match &passed {
        Ok(_) => tonic::Code::Ok,
        Err(Unanswered::Failed(failure)) => failure.code,
        Err(Unanswered::Client) => tonic::Code::Cancelled,
    };
    line.outcome_report(Report::passed(name, code, started.elapsed()));
    let (mut response, lease) = passed.map_err(|why| match why {
        Unanswered::Client => match otherwise {
            Some(denied) if differs.get() => Refusal::Unwelcome(denied),
            _ => Refusal::BodyIncomplete,
        },
        Unanswered::Failed(failure) => failed(failure),
    })?;

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(client) = upgrade else {
            return Err(failed(Failure::bad_reply(
                "a change of protocols that nobody asked for",
            )));
        };
        let backend = hyper::upgrade::on(&mut response);
        let in_flight = asked.in_flight;
        running.hall.detached.adopt(async move {
            tunnel::run(client, backend, &patience).await;
            lease.end(Ended::Whole);
            drop(in_flight);
        });
        let headers = heads::of_answer(response.headers(), &asked.proxy.response, true);
        return Ok(said(response.status(), headers, Body::default()));
    }
    let (head, body) = response.into_parts();
    let answering = Answering {
        body,
        lease: Some(lease),
        patience,
        sleep: None,
        _in_flight: asked.in_flight,
    };
    let body = heads::Trailed::new(answering, asked.proxy.response.clone());
    let body = Body::Pieces(Box::pin(body));
    let mut headers = heads::of_answer(&head.headers, &asked.proxy.response, false);
    headers.extend(recipe.deprecated.iter().cloned());
    respond::add_vary(&mut headers, recipe);
    Ok(said(head.status, headers, body))
}

/// Whether every `require` holds.
async fn require(asked: &Asked<'_>, inputs: Vec<Value>, deadline: Deadline) -> Result<(), Refusal> {
    let requires = super::Asked {
        running: asked.running.clone(),
        index: asked.recipe.0,
        inputs: Vec::new(),
        selected: None,
        hashes: Vec::new(),
        chosen: Chosen::default(),
        incoming: Incoming::default(),
        deadline,
        trace: asked.trace.clone(),
        presence: None,
    };
    let outcome = requires.run(asked.recipe.1, inputs).await;
    outcome.answer.map(drop).map_err(|it| Refusal::Failed(Box::new(it)))
}

fn said(status: StatusCode, headers: http::HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What may be handed over: CONNECT is about this connection, and TRACE would show what the gateway adds.
pub(super) const METHODS: [Method; 7] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];

/// The body of an answer on its way to the client: it holds the backend's place until its end, and breaks off where the
/// backend is silent for too long.
struct Answering {
    body: Stream,
    lease: Option<Lease>,
    patience: Rc<Patience>,
    sleep: Option<Pin<Box<Sleep>>>,
    _in_flight: InFlight,
}

impl Answering {
    fn end(&mut self, how: Ended) {
        if let Some(lease) = self.lease.take() {
            lease.end(how);
        }
    }

    /// Ready where the backend has been silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let until = self.patience.idle_until();
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if until <= Instant::now() => return Poll::Ready(()),
                // Something came since it was set.
                Poll::Ready(()) => sleep.as_mut().reset(until),
            }
        }
    }
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.body.as_mut().poll_frame(cx);
        match &polled {
            Poll::Pending if self.poll_silence(cx).is_ready() => {
                self.end(Ended::Broken);
                return Poll::Ready(Some(Err("the backend is silent".into())));
            }
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => self.patience.progress(),
            Poll::Ready(Some(Err(_))) => self.end(Ended::Broken),
            Poll::Ready(None) => self.end(Ended::Whole),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Who sees that it is at its end need not ask again.
        if self.body.is_end_stream() {
            self.end(Ended::Whole);
        }
    }
}
