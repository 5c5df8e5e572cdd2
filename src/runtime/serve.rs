//! Answers one request. The phases in `phases` are the only order there is.
//!
//! Owns everything between a parsed HTTP request and its response but the calls themselves (`execute`). Each phase takes
//! values and gives a value; there is no mutable context. A failure becomes a response in one place.
//! Invariant: [`handle`] always answers; a panic is a 500 and a counter.

pub mod body;
mod client;
mod compress;
mod cookie;
mod cors;
pub mod details;
pub mod fresh;
mod gate;
pub mod input;
pub mod log;
mod pass;
pub mod peer;
pub mod problem;
pub mod respond;
pub mod shape;
mod signed;
mod split;
pub mod trace;
mod validate;
mod write;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Body;
use http_body_util::BodyExt;

use self::log::Line;
pub use self::peer::Peer;
use self::problem::Refusal;
use self::signed::{Signed, settled};
use self::trace::Trace;
use super::auth::{self, Audited, Denied, Identity, audit};
use super::backend::passing::BoxError;
use super::execute::{Chosen, Incoming, Outcome, Presence};
use super::rate::Said;
use super::select::Selected;
use super::snapshot::Running;
use super::watch::Event;
use crate::codec::BindError;
use crate::expr::Value;
use crate::plan::{self, Endpoint, EndpointIndex, Errors, Recipe, Who};
use crate::schema::path_template::Match;
use crate::time::Deadline;

/// What goes back to the client.
pub type Response = http::Response<body::Body>;

/// How long anything may take where nothing is known of an endpoint yet.
const USUAL: Duration = Duration::from_secs(2);

/// Answers one request of whoever is connected from `peer`. Runs on a worker's local runtime.
///
/// Cancel safety: dropping the future cancels its safe calls; an unsafe call that was sent and the making of a response
/// that others wait for go on.
pub async fn handle<B>(running: Rc<Running>, request: http::Request<B>, peer: Rc<Peer>) -> Response
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    cookie::make_whole(&mut parts.headers);
    let trace = Rc::new(Trace::of(&parts.headers));
    let remote_ip = client::address(&running.snapshot.plan.access, &parts.headers, peer.address);
    let mut line = Line::begin(&running, &parts, &trace, remote_ip);
    let mut said = None;
    let answered = {
        // Pinned where it stands: as an argument it would be copied.
        let answering = pin!(phases(&running, (&parts, &peer), body, &trace, &mut line, &mut said));
        AssertUnwindSafe(answering).catch_unwind().await
    };
    let result = answered.unwrap_or_else(|_| {
        running.hall.metrics.panics.inc();
        Err(Refusal::Bug)
    });
    say(&running, (result, said), &parts, &trace, line)
}

/// Answers a request that is not to be looked at any further.
pub fn refuse(running: &Rc<Running>, parts: &Parts, peer: &Peer, refusal: Refusal) -> Response {
    let trace = Rc::new(Trace::of(&parts.headers));
    let remote_ip = client::address(&running.snapshot.plan.access, &parts.headers, peer.address);
    let line = Line::begin(running, parts, &trace, remote_ip);
    say(running, (Err(refusal), None), parts, &trace, line)
}

/// What goes back: the response, or what is said of a failure, in the form in which the client wants it.
fn say(
    running: &Running,
    (result, said): (Result<Response, Refusal>, Option<Box<Said>>),
    parts: &Parts,
    trace: &Trace,
    mut line: Line,
) -> Response {
    let mut response = match result {
        Ok(response) => response,
        // The only place where a failure becomes a response.
        Err(refusal) => {
            line.refused(&refusal);
            if let Some(watch) = &running.watch {
                watch.note(running, 0, Event::Refused(log::reason(&refusal)));
            }
            let none = Errors::default();
            let errors = line.recipe(running).map_or(&none, |it| &it.errors);
            refusal.problem(errors).into_response(parts.uri.path(), trace)
        }
    };
    if let Some(said) = said {
        said.write(response.headers_mut());
    }
    // What a backend behind `proxy:` says nothing of is not for those who were not asked who they are.
    if line.recipe(running).is_some_and(|it| it.private) {
        let entry = response.headers_mut().entry(header::CACHE_CONTROL);
        entry.or_insert(HeaderValue::from_static("private"));
    }
    let settings = &running.snapshot.plan.settings;
    if let Some(compression) = settings.compression {
        compress::compress(compression, line.recipe(running), &parts.headers, &mut response);
    }
    if let Some(cors) = &settings.cors {
        cors::add(cors, &parts.headers, &mut response);
    }
    respond::finish(&mut response, &parts.method, trace, &settings.headers);
    line.end(response.status());
    response
}

async fn phases<B>(
    running: &Rc<Running>,
    (parts, peer): (&Parts, &Peer),
    body: B,
    trace: &Rc<Trace>,
    line: &mut Line,
    said: &mut Option<Box<Said>>,
) -> Result<Response, Refusal>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    // May this client ask at all, and does it not ask too often?
    let plan = &running.snapshot.plan;
    let remote_ip = line.remote_ip();
    gate::access(running, parts, known(trace, remote_ip))?;
    if let Some(answer) = cors::preflight(plan, parts) {
        return Ok(answer);
    }
    let asking = gate::Asking::new(parts, known(trace, remote_ip), None);
    gate::limited(running, &plan.limits, asking, said).await.transpose()?;

    // Which endpoint?
    let (index, endpoint, captures) = match route(plan, parts)? {
        Routed::Endpoint(index, endpoint, captures) => (index, endpoint, captures),
        Routed::Options(methods) => return Ok(respond::options(&methods)),
    };
    line.endpoint(index);
    let deadline = Deadline::after(endpoint.recipe.as_ref().map_or(USUAL, |it| it.timeout));
    let limits = endpoint.recipe.as_ref().map_or(&[][..], |it| &it.limits);
    let asking = gate::Asking::new(parts, known(trace, remote_ip), Some(endpoint));
    gate::limited(running, limits, asking, said).await.transpose()?;

    // Is there room?
    let changes = endpoint.recipe.as_ref().is_ok_and(|it| it.changes);
    let entered = running.hall.enter(plan.settings.max_in_flight, changes);
    let in_flight = entered.ok_or(Refusal::Overloaded)?;

    // Who asks?
    let identity = if endpoint.access.who == Who::Anyone {
        None
    } else {
        let shown = (parts, peer, !body.is_end_stream());
        let about = audited(endpoint, line, trace);
        Box::pin(who(running, endpoint, shown, (about, deadline))).await?
    };
    let recipe = endpoint.recipe.as_ref().map_err(|_| Refusal::Waiting)?;

    // With what?
    let head = input::Around {
        captures: &captures,
        claims: identity.as_ref().map(|it| &it.claims),
        ..known(trace, remote_ip)
    };
    let asking = gate::Asking::new(parts, head, Some(endpoint)).by(identity.as_ref());
    gate::limited(running, &recipe.limits_by_claim, asking, said)
        .await
        .transpose()?;
    let reading = input::Reading::head(&recipe.inputs, parts, head);
    let about = audited(endpoint, line, trace);
    allowed(running, (endpoint, recipe), (&reading, identity.as_ref()), about)?;
    let signed = identity.as_ref().and_then(|it| Signed::of(it, plan, endpoint));
    let whose = (about, identity.as_ref());
    if let Some(proxy) = &recipe.proxy {
        let asked = pass::Asked {
            running,
            recipe: (index, recipe),
            proxy,
            parts,
            around: head,
            inputs: Vec::new(),
            signed,
            trace,
            in_flight,
        };
        return Box::pin(pass::hand(asked, reading, (body, whose), deadline, line)).await;
    }
    let _in_flight = in_flight;
    let body = match &recipe.inputs.body {
        plan::Body::None if signed.is_none() => Bytes::new(),
        wanted => {
            let sent = whole((body, signed), plan.settings.max_body, deadline);
            let sent = Box::pin(settled(running, whose, sent)).await?;
            understood(wanted, &parts.headers, sent, plan.settings.max_body)?
        }
    };
    let around = input::Around { body: &body, ..head };
    let (inputs, selected) = selected(running, (index, recipe), parts, reading.body(&recipe.inputs, &body))?;
    let hashes = input::hashes(&running.snapshot.plan.backends, parts, around);
    let chosen = split::choose(running, recipe, parts, around);
    drop(identity);
    let query = parts.uri.query().map(str::to_owned);
    let mut asked = Asked {
        running: running.clone(),
        index,
        inputs,
        selected,
        hashes,
        chosen,
        incoming: Incoming { captures, query, body },
        deadline,
        trace: trace.clone(),
        presence: None,
    };

    // Is it known already? If not, ask the backends, and say it.
    if recipe.cache.is_some() {
        return Box::pin(fresh::answer(asked, &parts.headers, line)).await;
    }
    if !recipe.response.invalidates.is_empty() {
        return Box::pin(write::answer(asked, line)).await;
    }
    let inputs = std::mem::take(&mut asked.inputs);
    let outcome = asked.run(recipe, inputs).await;
    line.outcome(&outcome);
    respond::response(outcome, recipe).map_err(Refusal::Failed)
}

/// What the client chose of the response, where it may, beside the values of the inputs.
fn selected(
    running: &Running,
    (index, recipe): (EndpointIndex, &Recipe),
    parts: &Parts,
    inputs: Result<Vec<Value>, Vec<BindError>>,
) -> Result<(Vec<Value>, Option<Rc<Selected>>), Refusal> {
    if !recipe.select {
        return Ok((inputs.map_err(Refusal::BadInputs)?, None));
    }
    let selected = running.selections.of_query((index, recipe), parts.uri.query());
    input::both(inputs, selected).map_err(Refusal::BadInputs)
}

/// Who asks, with a word about those who may not.
async fn who(
    running: &Rc<Running>,
    endpoint: &Endpoint,
    asking: (&Parts, &Peer, bool),
    (about, deadline): (Audited<'_>, Deadline),
) -> Result<Option<Identity>, Refusal> {
    let found = auth::identify(running, &endpoint.access, asking, deadline).await;
    found.map_err(|denied| {
        audit(running, about, Err(&denied));
        Refusal::Unwelcome(Box::new(denied))
    })
}

/// Whether `allow:` lets them in, with a word about either.
fn allowed(
    running: &Running,
    (endpoint, recipe): (&Endpoint, &Recipe),
    (reading, identity): (&input::Reading, Option<&Identity>),
    about: Audited<'_>,
) -> Result<(), Refusal> {
    if let Some(allow) = &recipe.allow
        && !reading.allows(allow)?
    {
        let denied = Denied::unless_allowed(&running.snapshot.plan, &endpoint.access, identity);
        audit(running, about, Err(&denied));
        return Err(Refusal::Unwelcome(Box::new(denied)));
    }
    // Where the body is signed as well, that is settled once it is there.
    if endpoint.access.who != Who::Anyone && identity.is_none_or(|it| it.digests.is_none()) {
        audit(running, about, Ok(identity));
    }
    Ok(())
}

fn audited<'a>(endpoint: &'a Endpoint, line: &Line, trace: &'a Trace) -> Audited<'a> {
    Audited {
        request_id: trace.request_id(),
        endpoint: &endpoint.name,
        remote_ip: line.remote_ip(),
    }
}

/// A request whose inputs have been read.
#[derive(Debug)]
pub struct Asked {
    /// Who serves it.
    pub running: Rc<Running>,
    /// Which endpoint.
    pub index: EndpointIndex,
    /// The values of its inputs, by slot.
    pub inputs: Vec<Value>,
    /// What the client chose of the response, where that is not everything.
    pub selected: Option<Rc<Selected>>,
    /// What bound calls read.
    pub incoming: Incoming,
    /// When its time is up.
    pub deadline: Deadline,
    /// What targets are chosen by.
    pub hashes: Vec<Option<u64>>,
    /// Whom backends that are split stand for.
    pub chosen: Chosen,
    /// Passed on to the backends.
    pub trace: Rc<Trace>,
    /// Whether somebody still waits for the answer, where it is made all the same.
    pub presence: Option<Rc<Presence>>,
}

impl Asked {
    /// The recipe of its endpoint; `None` only where the index belongs to another plan.
    pub fn recipe(&self) -> Option<&Recipe> {
        self.running.snapshot.plan.recipe(self.index)
    }

    /// The name of its endpoint.
    pub fn name(&self) -> Arc<str> {
        let endpoint = self.running.snapshot.plan.endpoints.get(self.index.0);
        endpoint.map(|it| it.name.clone()).unwrap_or_default()
    }

    /// Asks the backends, with the values of its inputs.
    pub async fn run(&self, recipe: &Recipe, inputs: Vec<Value>) -> Outcome {
        let context = super::execute::Context {
            running: &self.running,
            endpoint: self.index,
            presence: self.presence.as_deref(),
            hashes: &self.hashes,
            chosen: &self.chosen,
            trace: &self.trace.headers,
            watch: self.running.watch.as_deref(),
        };
        let wanted = super::execute::Wanted {
            recipe,
            selected: self.selected.as_deref(),
        };
        super::execute::run(context, wanted, inputs, &self.incoming, self.deadline).await
    }
}

/// What is known of a request before it is known what it asks for, and who asks.
fn known(trace: &Trace, remote_ip: IpAddr) -> input::Around<'_> {
    static NO_BODY: Bytes = Bytes::new();
    input::Around {
        captures: &[],
        body: &NO_BODY,
        id: trace.request_id(),
        remote_ip,
        claims: None,
    }
}

enum Routed<'p> {
    Endpoint(EndpointIndex, &'p Endpoint, Vec<String>),
    /// OPTIONS of a path whose endpoints take these.
    Options(Vec<Method>),
}

fn route<'p>(plan: &'p plan::Plan, parts: &Parts) -> Result<Routed<'p>, Refusal> {
    match plan.routes.find(&parts.method, parts.uri.path()) {
        Match::BadPath if parts.uri.path() == "*" && parts.method == Method::OPTIONS => {
            Ok(Routed::Options(pass::METHODS.to_vec()))
        }
        Match::BadPath => Err(Refusal::BadPath),
        Match::NotFound => Err(Refusal::NotFound),
        Match::OtherMethods(methods) if parts.method == Method::OPTIONS => Ok(Routed::Options(methods)),
        Match::OtherMethods(methods) => Err(Refusal::MethodNotAllowed(methods)),
        Match::Route(index, captures) => {
            let endpoint = plan.endpoints.get(index.0).ok_or(Refusal::Bug)?;
            Ok(Routed::Endpoint(*index, endpoint, captures))
        }
    }
}

/// All of a body, which has at most `max` bytes, until the deadline. It is what was signed, if it was.
async fn whole<B>(
    (mut body, signed): (B, Option<Box<Signed>>),
    max: usize,
    deadline: Deadline,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > max as u64 {
        return Err(Refusal::BodyTooLarge(max));
    }
    let read = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(Refusal::BodyIncomplete);
            };
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > max {
                    return Err(Refusal::BodyTooLarge(max));
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    };
    let read = tokio::time::timeout_at(deadline.instant(), read).await;
    let read = read.unwrap_or(Err(Refusal::BodyIncomplete))?;
    if let Some(signed) = signed {
        signed.check(&read)?;
    }
    Ok(read)
}

/// A body as what is wanted of it, without its coding.
fn understood(wanted: &plan::Body, headers: &HeaderMap, sent: Bytes, max: usize) -> Result<Bytes, Refusal> {
    if matches!(wanted, plan::Body::None) {
        return Ok(sent);
    }
    let read = compress::decoded(headers, sent, max)?;
    let must_be_json = match wanted {
        plan::Body::None | plan::Body::Bytes(_) | plan::Body::Bound { raw: true } => false,
        plan::Body::Bound { raw: false } => !read.is_empty(),
        plan::Body::Members(_) | plan::Body::Whole { .. } => true,
    };
    if must_be_json && !input::is_json(headers) {
        return Err(Refusal::UnsupportedMediaType);
    }
    if matches!(wanted, plan::Body::Bound { raw: true }) {
        return Ok(input::http_body(headers, &read));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is copied when a request comes in, so that what is rare is boxed.
    #[test]
    fn the_future_of_a_request_is_small() {
        use http_body_util::Full;
        type Asking = http::Request<Full<Bytes>>;
        fn size<F>(_: fn(Rc<Running>, Asking, Rc<Peer>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(handle) <= 5_648, "{} bytes", size(handle));
    }
}
