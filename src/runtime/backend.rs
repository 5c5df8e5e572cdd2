//! Whom we call: connections, requests and replies, and what went wrong.
//!
//! Owns the [`Backend`] trait and its two real implementors; `trial` has the scripted one. Leaves to `execute` when a call
//! is made, how long it may take and what its failure means for the page.
//! Invariant: a backend never retries what may have arrived, and dropping a call's future ends the call.

pub mod attempt;
pub mod failure;
pub mod grpc;
pub mod guard;
pub mod http;
mod pushback;
pub mod target;
pub mod xml;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use futures::future::LocalBoxFuture;

pub use self::attempt::{Dice, Guarded};
pub use self::failure::{Facts, Failure, FailureKind, Fault, Pushback, Retry};
pub use self::guard::{Guard, Guards};
pub use crate::plan::code;
use crate::plan::{self, Accept, BackendIndex, Protocol};
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
    /// How much longer it is fresh.
    pub fresh_for: Option<Duration>,
}

/// One try of a call.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When the caller gives up: told to the backend. The caller keeps it, by dropping the future.
    pub deadline: Deadline,
    /// To be marked before the first byte of the request may leave.
    pub sent: Sent,
}

/// Whether a request may have left this process. Clones share the mark.
#[derive(Clone, Debug, Default)]
pub struct Sent(Rc<Cell<bool>>);

/// Somebody whom we call. One instance belongs to one worker.
pub trait Backend: fmt::Debug {
    /// Makes one call. Marks [`Attempt::sent`] before anything leaves.
    ///
    /// Cancel safety: dropping the future cancels the call, and the backend is told where the protocol can.
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>>;
}

/// One worker's backends, by [`BackendIndex`].
#[derive(Clone, Debug, Default)]
pub struct Backends {
    pools: Vec<Pool>,
}

/// A backend and what it was built from.
#[derive(Clone, Debug)]
struct Pool {
    built_from: Option<plan::Backend>,
    backend: Rc<Guarded>,
}

/// What every request carries and what a call sends beside it, with room for `more`; of a name that both have, the call's
/// values stand.
fn merged(always: &HeaderMap, of_call: &HeaderMap, more: usize) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(always.len() + of_call.len() + more);
    let kept = always.iter().filter(|(name, _)| !of_call.contains_key(*name));
    for (name, value) in kept.chain(of_call) {
        headers.append(name, value.clone());
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
            sent: Sent::default(),
        }
    }
}

// === impl Directives ===

impl Directives {
    /// What holds for something that was made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            no_store: self.no_store || other.no_store,
            fresh_for: match (self.fresh_for, other.fresh_for) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

// === impl Backends ===

impl Backends {
    /// Backends that somebody else made, in the order of [`BackendIndex`].
    pub fn new(backends: Vec<Rc<dyn Backend>>, guards: &Guards, dice: &Dice) -> Self {
        let pool = |(backend, guard): (Rc<dyn Backend>, &Arc<Guard>)| Pool {
            built_from: None,
            backend: Rc::new(Guarded::new(backend, guard.clone(), dice.clone())),
        };
        Self {
            pools: backends.into_iter().zip(guards.iter()).map(pool).collect(),
        }
    }

    /// One worker's connections to the backends of a plan. Connects nothing yet. Takes over from `previous` each pool whose
    /// targets and settings are the same.
    pub fn build(backends: &[plan::Backend], guards: &Guards, previous: Option<&Self>) -> Self {
        let pools = backends
            .iter()
            .zip(guards.iter())
            .map(|(wanted, guard)| {
                let known = previous
                    .into_iter()
                    .flat_map(|it| &it.pools)
                    .find(|it| it.serves(wanted));
                let backend: Rc<dyn Backend> = match (known, wanted.protocol) {
                    (Some(known), _) => known.backend.backend().clone(),
                    (None, Protocol::Grpc) => Rc::new(grpc::GrpcBackend::new(wanted)),
                    (None, Protocol::Http) => Rc::new(http::HttpBackend::new(wanted)),
                };
                Pool {
                    built_from: Some(wanted.clone()),
                    backend: Rc::new(Guarded::new(backend, guard.clone(), Dice::random())),
                }
            })
            .collect();
        Self { pools }
    }

    /// The backend behind an index; `None` where these backends belong to another plan.
    pub fn get(&self, index: BackendIndex) -> Option<&Rc<Guarded>> {
        self.pools.get(index.0).map(|it| &it.backend)
    }
}

impl Pool {
    fn serves(&self, wanted: &plan::Backend) -> bool {
        self.built_from.as_ref().is_some_and(|it| {
            it.protocol == wanted.protocol
                && it.targets == wanted.targets
                && it.headers == wanted.headers
                && it.max_message == wanted.max_message
        })
    }
}
