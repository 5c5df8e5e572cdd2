//! Whom we call: connections, requests and replies, and what went wrong.
//!
//! Owns the [`Backend`] trait and its two real implementors; `trial` has the scripted one. Leaves to `execute` when a call
//! is made, how long it may take and what its failure means for the page.
//! Invariant: a backend never retries what may have arrived, and dropping a call's future ends the call.

pub mod attempt;
pub mod balance;
pub mod failure;
pub mod feed;
pub mod grpc;
pub mod guard;
mod health;
pub mod http;
pub mod mirror;
pub mod passing;
mod pushback;
mod quiet;
pub mod target;
pub mod token;
pub mod xml;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderValue, Method};
use bytes::Bytes;
use futures::future::LocalBoxFuture;

pub use self::attempt::{Dice, Ended, Guarded, Lease, Maker, Others, Unanswered};
pub use self::balance::Readiness;
pub use self::failure::{Facts, Failure, FailureKind, Fault, Pushback, Retry};
pub use self::guard::{Guard, Guards};
pub use self::passing::{Handed, Patience, Stream, Unpassed};
pub use crate::plan::code;
use crate::plan::{self, Accept, BackendIndex, Protocol, Target};
use crate::time::Deadline;

/// What is sent to a backend.
#[derive(Clone, Debug)]
pub enum Request {
    /// A unary gRPC call.
    Grpc {
        /// `/shop.v1.Catalog/GetProduct`.
        path: Arc<str>,
        /// The wire bytes of the request message.
        message: Bytes,
        /// What the composition sends beside it; `-bin` values are base64 already.
        metadata: HeaderMap,
    },
    /// An HTTP request.
    Http {
        /// The method.
        method: Method,
        /// Encoded, beginning with `/`.
        path_and_query: String,
        /// What the composition sends beside it, `content-type` of the body included.
        headers: HeaderMap,
        /// The body; `None` where there is none.
        body: Option<Bytes>,
        /// What is asked for, and so how the reply is checked.
        accept: Accept,
    },
}

/// What a backend answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The message's wire bytes; validated JSON (of XML too, and the text `null` where nothing was sent); UTF-8 text; bytes.
    pub body: Bytes,
    /// How long it may be kept, as far as the backend says.
    pub directives: Directives,
}

/// What an HTTP backend says about keeping its reply (semantics.md 5.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `no-store`, `private` or `Vary: *`: neither the reply nor what is made of it is stored.
    pub no_store: bool,
    /// `must-revalidate` and its like: once it is stale it is not used.
    pub no_stale: bool,
    /// How much longer it is fresh.
    pub fresh_for: Option<Duration>,
}

/// One try of a call.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When the caller gives up: told to the backend. The caller keeps it, by dropping the future.
    pub deadline: Deadline,
    /// What [`crate::plan::Balance::Hash`] goes by; `None` goes by chance.
    pub hash: Option<u64>,
    /// To be marked before the first byte of the request may leave.
    pub sent: Sent,
    /// It waits in the line of its backend however long that is: its page was let in, and would be lost.
    pub patient: bool,
    /// The backend's token, in place of whatever else would be sent as `authorization`.
    pub authorization: Option<Arc<HeaderValue>>,
}

/// Whether a request may have left this process. Clones share the mark.
#[derive(Clone, Debug, Default)]
pub struct Sent(Rc<Cell<bool>>);

/// One worker's way to one target.
pub trait Backend: fmt::Debug {
    /// Makes one request. Marks [`Attempt::sent`] before anything leaves.
    ///
    /// Cancel safety: dropping the future cancels the request, and the target is told where the protocol can.
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>>;

    /// Hands a request over and gives the head of the answer as soon as it is there; both bodies come in pieces. Marks
    /// `sent` before anything leaves.
    ///
    /// Cancel safety: dropping the future, or the body of the answer, cancels the request.
    fn pass(&self, _request: Handed, _sent: Sent) -> LocalBoxFuture<'_, Result<::http::Response<Stream>, Unpassed>> {
        let failure = Failure::bug("a backend that takes no requests of others");
        Box::pin(std::future::ready(Err(Unpassed::from(failure))))
    }

    /// Asks a gRPC method that answers with a stream: hears each message until the stream ends, and gives why it did.
    ///
    /// Cancel safety: dropping the future cancels the request.
    fn listen<'c>(
        &'c self,
        _path: &'c Arc<str>,
        _authorization: Option<Arc<HeaderValue>>,
        _hear: &'c dyn Fn(Bytes),
    ) -> LocalBoxFuture<'c, Failure> {
        let why = "no streams of messages come from here".to_owned();
        let ended = Failure::status(tonic::Code::Unimplemented, why, Bytes::new());
        Box::pin(std::future::ready(ended))
    }

    /// Whether it has a connection.
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    /// Begins to connect where nobody has tried.
    fn warm(&self) {}

    /// Waits while it is [`Readiness::Connecting`].
    fn connected(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One worker's backends, by [`BackendIndex`].
#[derive(Clone, Debug, Default)]
pub struct Backends {
    pools: Vec<Pool>,
}

/// A backend and what it was built from.
#[derive(Clone, Debug)]
struct Pool {
    built_from: plan::Backend,
    backend: Rc<Guarded>,
}

/// What every request carries and what a call sends beside it; of a name that both have, the call's values stand. A token
/// stands in place of whatever either would show.
fn merged(always: &HeaderMap, of_call: &HeaderMap, authorization: Option<&HeaderValue>) -> HeaderMap {
    // A copy takes the hashes of the names along.
    let mut headers = always.clone();
    for name in of_call.keys() {
        headers.remove(name);
    }
    for (name, value) in of_call {
        headers.append(name, value.clone());
    }
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}

// === impl Sent ===

impl Sent {
    /// Says that from here on the request may arrive.
    pub fn mark(&self) {
        self.0.set(true);
    }

    /// Says that it did not leave after all.
    pub fn clear(&self) {
        self.0.set(false);
    }

    /// True once the request may have left.
    pub fn is_marked(&self) -> bool {
        self.0.get()
    }
}

// === impl Attempt ===

impl Attempt {
    /// A fresh attempt.
    pub fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            hash: None,
            sent: Sent::default(),
            patient: false,
            authorization: None,
        }
    }

    /// The same, with a backend's token.
    #[must_use]
    pub fn carrying(self, authorization: Option<Arc<HeaderValue>>) -> Self {
        Self { authorization, ..self }
    }

    /// The same, for the target that a hash stands for.
    #[must_use]
    pub fn hashed(self, hash: Option<u64>) -> Self {
        Self { hash, ..self }
    }
}

// === impl Directives ===

impl Directives {
    /// What holds for something that was made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            no_store: self.no_store || other.no_store,
            no_stale: self.no_stale || other.no_stale,
            fresh_for: match (self.fresh_for, other.fresh_for) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

// === impl Backends ===

impl Backends {
    /// Ways to the backends of a plan that somebody else makes, all with the same chance.
    pub fn new(
        backends: &[plan::Backend],
        guards: &Guards,
        dice: &Dice,
        make: impl Fn(&plan::Backend) -> Maker,
    ) -> Self {
        Self::assemble(backends, guards, |backend, guard, others| {
            Rc::new(Guarded::new(guard, make(backend), dice.clone(), others))
        })
    }

    /// One worker's ways to the backends of a plan. Connects nothing yet. Takes over from `previous` the connections of each
    /// whose settings are the same.
    pub fn build(backends: &[plan::Backend], guards: &Guards, previous: Option<&Self>) -> Self {
        Self::assemble(backends, guards, |wanted, guard, others| {
            let known = previous.and_then(|it| it.pools.iter().find(|it| it.serves(wanted)));
            if let Some(known) = known {
                return Rc::new(known.backend.renewed(guard, others));
            }
            let maker = maker(wanted.clone(), guard.counts.doubts.clone());
            Rc::new(Guarded::new(guard, maker, Dice::random(), others))
        })
    }

    fn assemble(
        backends: &[plan::Backend],
        guards: &Guards,
        make: impl Fn(&plan::Backend, Arc<Guard>, Others) -> Rc<Guarded>,
    ) -> Self {
        let mut made: Vec<Option<Rc<Guarded>>> = vec![None; backends.len()];
        let is_made = |made: &[Option<Rc<Guarded>>], it: BackendIndex| made.get(it.0).is_some_and(Option::is_some);
        // Who is asked for others is made before those; the checker lets no circle through.
        while let Some(at) = (0..backends.len()).find(|at| {
            let backend = backends.get(*at);
            let issuer = backend.and_then(|it| it.auth.as_ref()).map(|it| it.backend);
            let mut others = backend.into_iter().flat_map(plan::Backend::others).chain(issuer);
            !is_made(&made, BackendIndex(*at)) && others.all(|it| is_made(&made, it))
        }) {
            let (Some(backend), Some(guard)) = (backends.get(at), guards.get(BackendIndex(at))) else {
                break;
            };
            let known = |it: BackendIndex| made.get(it.0)?.clone();
            let mirror = |it: &Arc<plan::Mirror>| Some(Rc::new(mirror::Mirror::new(it.clone(), known(it.to)?)));
            let others = Others {
                failover: backend.failover.and_then(known),
                mirror: backend.mirror.as_ref().and_then(mirror),
                issuer: backend.auth.as_ref().and_then(|it| {
                    let tokens = guard.tokens.clone()?;
                    Some(token::Issuer::new(tokens, guard.name.clone(), known(it.backend)?))
                }),
            };
            let one = make(backend, guard.clone(), others);
            health::watch(&one, backend.protocol);
            if let Some(place) = made.get_mut(at) {
                *place = Some(one);
            }
        }
        let pool = |(built_from, backend): (&plan::Backend, Option<Rc<Guarded>>)| {
            Some(Pool {
                built_from: built_from.clone(),
                backend: backend?,
            })
        };
        Self {
            pools: backends.iter().zip(made).filter_map(pool).collect(),
        }
    }

    /// The backend behind an index; `None` where these backends belong to another plan.
    pub fn get(&self, index: BackendIndex) -> Option<&Rc<Guarded>> {
        self.pools.get(index.0).map(|it| &it.backend)
    }
}

/// Makes ways to the targets of a backend over the network. A connection that is made again puts in doubt what it serves.
fn maker(backend: plan::Backend, doubts: Arc<AtomicU64>) -> Maker {
    Rc::new(move |target: &Target| match backend.protocol {
        Protocol::Grpc => Rc::new(grpc::GrpcBackend::new(&backend, target, &doubts)),
        Protocol::Http => Rc::new(http::HttpBackend::new(&backend, target)),
    })
}

impl Pool {
    fn serves(&self, wanted: &plan::Backend) -> bool {
        let it = &self.built_from;
        it.name == wanted.name
            && it.protocol == wanted.protocol
            && it.headers == wanted.headers
            && it.tls == wanted.tls
            && it.max_message == wanted.max_message
            && it.keepalive == wanted.keepalive
    }
}
