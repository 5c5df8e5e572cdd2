//! Runs the calls of one request: references are the schedule (semantics.md 4).
//!
//! [`run`] takes values for the recipe's inputs and gives an [`Outcome`]: the response, or the failure that ended the
//! endpoint, and beside either what degraded and what each call took. In reading order: `scope` holds the values of one
//! graph, `graph` is the schedule, `call` is one call from its needs to its result, `each` a `for`, `compose` a
//! fragment, `build` makes the
//! request, `exchange` brings it to the backend, `detach` lets unsafe calls outlive their request, `render` turns templates
//! into bytes or values, `respond` says it.
//! Invariant: order of arrival never shows in a success; values are stored by slot and read by slot.

mod build;
mod call;
mod compose;
pub mod detach;
mod each;
mod exchange;
mod graph;
mod render;
mod respond;
mod scope;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

pub(super) use self::build::handed_path;
pub use self::detach::Detached;
use self::scope::{Place, Scope};
use super::backend::{Backends, Directives, Failure, Sent};
use super::cache::{Cache, Tag};
use super::select::Selected;
use super::snapshot::Running;
use super::watch::Watch;
use crate::expr::Value;
use crate::plan::{BackendIndex, CallIndex, CallKind, EndpointIndex, ErrorRule, GrpcRequest, Plan, Recipe, Start};
use crate::time::{Deadline, Instant};

/// What a worker lends to the requests that it serves.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is served, by whom, and what is kept.
    pub running: &'a Rc<Running>,
    /// For whom.
    pub endpoint: EndpointIndex,
    /// Whether its client is still there, where its request may go on without it.
    pub presence: Option<&'a Presence>,
    /// What targets are chosen by, by [`crate::plan::BackendIndex`]; empty where no backend goes by that.
    pub hashes: &'a [Option<u64>],
    /// Whom backends that are split stand for.
    pub chosen: &'a Chosen,
    /// Sent with every call: `traceparent` and `tracestate` of this request.
    pub trace: &'a [(HeaderName, HeaderValue)],
    /// Takes note of what happens, where somebody wants to see it.
    pub watch: Option<&'a Watch>,
}

/// Whom backends that are split stand for in one request, which is the same for all of its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen(Vec<(BackendIndex, BackendIndex)>);

/// Whether the client of a request is still there, and whether anything was sent that may change something.
#[derive(Debug, Default)]
pub struct Presence {
    left: Cell<bool>,
    writes: RefCell<Vec<Sent>>,
}

/// The parts of the HTTP request that [`crate::codec::HttpBinding`] reads; empty for recipes without a bound call.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// Path variables in template order, decoded.
    pub captures: Vec<String>,
    /// The raw query string.
    pub query: Option<String>,
    /// The raw body.
    pub body: Bytes,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// What the client chose of its response, where that is not everything.
    pub selected: Option<&'a Selected>,
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// What to say, or why not.
    pub answer: Result<Answer, Failed>,
    /// Calls that the answer had to do without, in file order, each once.
    pub degraded: Vec<Degraded>,
    /// Calls that were made or taken from the cache, in order of their end.
    pub calls: Vec<CallReport>,
    /// What HTTP backends say about keeping the answer (semantics.md 5.8).
    pub directives: Directives,
    /// Tags of the answer, and of what it drops; a failure where they cannot be known, which is not the client's concern.
    pub tags: Result<Tags, Failure>,
}

/// What says which answers are dropped with which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Under which the answer is dropped.
    pub own: Vec<Tag>,
    /// Under which others are, where the answer is a 2xx.
    pub dropped: Vec<Tag>,
}

/// A response, ready but for what `serve` adds: date, tracing, caching and degradation headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The recipe's headers and cookies, and `content-type` where there is a body.
    pub headers: HeaderMap,
    /// The body; empty for 204.
    pub body: Bytes,
}

/// The failure that ended an endpoint.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What went wrong.
    pub failure: Failure,
    /// The call that failed; `None` for `require` and the response itself.
    pub call: Option<Arc<str>>,
    /// The rule of the call's own `errors:` that fits.
    pub rule: Option<ErrorRule>,
    /// The call forwards the client's own credential, so that its 401 and 403 are the client's (semantics.md 3.6).
    pub forwards_credential: bool,
}

/// A call that the answer does without.
#[derive(Clone, Debug)]
pub struct Degraded {
    /// Its name; within a fragment behind the name of the call that composes it: `offer.price`.
    pub call: Arc<str>,
    /// Why.
    pub failure: Failure,
    /// How old the reply is that stands in its place, with `fallback: $stale`.
    pub stale: Option<Duration>,
}

/// One call, for logs and metrics.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// Its name, as in [`Degraded::call`].
    pub call: Arc<str>,
    /// Whom.
    pub backend: BackendIndex,
    /// When it started.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub code: tonic::Code,
    /// Where the reply came from.
    pub source: ReplySource,
    /// How long the reply is, bytes.
    pub bytes: usize,
}

/// Where a reply came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplySource {
    /// The backend.
    Backend,
    /// The call cache.
    Cache,
    /// The call cache, though it is not fresh any more.
    Stale,
    /// An equal call that was under way.
    Shared,
}

/// Answers a request. `inputs` are the values of the recipe's input slots, by slot.
///
/// The caller provides a `tokio::task::LocalSet` or a local runtime: backends and detached calls spawn local tasks.
/// Cancel safety: dropping the future cancels safe calls and those not yet sent; an unsafe call that was sent goes on
/// detached, to its own timeout, counted by `Context::detached`.
pub async fn run(
    context: Context<'_>,
    Wanted { recipe, selected }: Wanted<'_>,
    inputs: Vec<Value>,
    incoming: &Incoming,
    deadline: Deadline,
) -> Outcome {
    let run = Run::new(context, incoming, &recipe.required);
    let mut tags = Ok(Tags::default());
    let answer = {
        let scope = Scope::selecting(selected, &run, &recipe.graph, inputs, Place::TOP, deadline);
        let ran = match may_begin(&scope, recipe) {
            Ok(()) => graph::run(&scope).await,
            Err(failed) => Err(failed),
        };
        match ran {
            Ok(()) => scope
                .noted_end()
                .frame(|frame| {
                    let answer = respond::answer(&recipe.response, selected.map(|it| &it.body), frame)?;
                    tags = respond::tags(&recipe.response, frame);
                    Ok(answer)
                })
                .map_err(|failure| call::malformed(&scope).unwrap_or_else(|| Failed::of_endpoint(failure))),
            Err(failed) => Err(failed),
        }
        // What is under way ends with the scope, so that the reports below are complete.
    };
    Outcome {
        answer: answer.map_err(|it| *it),
        degraded: degraded(run.degraded.into_inner()),
        calls: run.calls.into_inner(),
        directives: run.directives.get(),
        tags,
    }
}

/// Fails with [`super::backend::FailureKind::Crowded`] where a backend that is required has no room: a page that is given up
/// half-made costs as much as one that is answered, so that those which begin find all the room they need.
fn may_begin(scope: &Scope<'_>, recipe: &Recipe) -> Result<(), Box<Failed>> {
    let context = scope.run.context;
    let is_full = |backend| {
        let guarded = context.backends().get(context.chosen.of(backend));
        guarded.is_some_and(|it| it.guard().is_full())
    };
    for (index, backend) in &recipe.required {
        if scope.start(*index) == Some(Start::Eager)
            && is_full(*backend)
            && let Some(call) = scope.call(*index)
        {
            return Err(scope.failed(call, Failure::crowded()));
        }
    }
    Ok(())
}

/// The request bytes of the recipe's bound calls, one behind the other: they belong to the key of a stored response.
/// Fails with [`super::backend::FailureKind::BadInput`].
pub fn bound_requests(recipe: &Recipe, incoming: &Incoming) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for call in &recipe.graph.calls {
        if let CallKind::Grpc(grpc) = &call.kind
            && let GrpcRequest::Bound(binding) = &grpc.request
        {
            // Each behind its own length, so that two requests are never taken for two others.
            let request = build::bound(binding, incoming)?;
            bytes.extend_from_slice(&(request.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&request);
        }
    }
    Ok(bytes)
}

/// One request while it runs.
#[derive(Debug)]
struct Run<'r> {
    context: Context<'r>,
    /// [`Recipe::required`].
    required: &'r [(CallIndex, BackendIndex)],
    incoming: &'r Incoming,
    /// Sent so far, at most [`exchange::MAX_CALLS`].
    n_calls: Cell<usize>,
    degraded: RefCell<Vec<(Vec<usize>, Degraded)>>,
    calls: RefCell<Vec<CallReport>>,
    directives: Cell<Directives>,
}

impl<'r> Run<'r> {
    fn new(context: Context<'r>, incoming: &'r Incoming, required: &'r [(CallIndex, BackendIndex)]) -> Self {
        Self {
            context,
            required,
            incoming,
            n_calls: Cell::new(0),
            degraded: RefCell::default(),
            calls: RefCell::default(),
            directives: Cell::default(),
        }
    }
}

/// In file order and, within a `for`, in input order; of one call only the first.
fn degraded(mut all: Vec<(Vec<usize>, Degraded)>) -> Vec<Degraded> {
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut names: Vec<Arc<str>> = Vec::new();
    all.into_iter()
        .map(|(_, it)| it)
        .filter(|it| {
            let first = !names.contains(&it.call);
            if first {
                names.push(it.call.clone());
            }
            first
        })
        .collect()
}

// === impl Chosen ===

impl Chosen {
    /// Has `to` stand for `from`.
    pub fn add(&mut self, from: BackendIndex, to: BackendIndex) {
        self.0.push((from, to));
    }

    /// Whom a call of a backend goes to.
    pub fn of(&self, backend: BackendIndex) -> BackendIndex {
        self.0.iter().find(|it| it.0 == backend).map_or(backend, |it| it.1)
    }

    /// Whom the backends stand for, in the order of the plan.
    pub fn iter(&self) -> impl Iterator<Item = BackendIndex> {
        self.0.iter().map(|it| it.1)
    }
}

// === impl Presence ===

impl Presence {
    /// Its client has left: nothing is sent any more that may change something.
    pub fn leave(&self) {
        self.left.set(true);
    }

    /// Whether anything was sent that may have changed something.
    pub fn has_written(&self) -> bool {
        self.writes.borrow().iter().any(Sent::is_marked)
    }
}

// === impl Context ===

impl<'a> Context<'a> {
    fn plan(&self) -> &'a Plan {
        &self.running.snapshot.plan
    }

    fn backends(&self) -> &'a Backends {
        &self.running.backends
    }

    fn cache(&self) -> &'a Cache {
        &self.running.hall.cache
    }

    fn detached(&self) -> &'a Detached {
        &self.running.hall.detached
    }
}

// === impl Failed ===

impl Failed {
    /// What is no call's failure.
    #[expect(clippy::unnecessary_box_returns, reason = "failures travel boxed")]
    pub(in crate::runtime) fn of_endpoint(failure: Failure) -> Box<Self> {
        Box::new(Self {
            failure,
            call: None,
            rule: None,
            forwards_credential: false,
        })
    }
}

#[cfg(test)]
mod tests;
