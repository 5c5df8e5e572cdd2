//! Stored replies and responses: freshness of our own, moka for size, single flight.
//!
//! One [`Cache`] is shared by all workers and outlives reloads: keys are digests of everything that a byte of the answer can
//! depend on, so that an entry of an older plan is never found by a newer one that would answer otherwise.
//! Invariant: moka decides only what is evicted; whether something may be used is decided by [`Kept::good_for`], on tokio's
//! clock, and by its tags. Neither values nor keys are ever logged.

pub mod flight;
pub mod kept;
pub mod remote;
pub mod tag;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

pub use self::flight::{Flights, Joined, Landing, Leader, Waiting};
pub use self::kept::{Kept, Use, lifetime};
pub use self::remote::{Elsewhere, Moment, Remote};
use self::tag::Drops;
pub use self::tag::{Since, Tag};
use super::backend::{Directives, Failure, Reply};
use super::coding::Forms;
use crate::expr::Value;
use crate::plan::Keep;

/// What memory a stored entry takes besides its bytes: key, bookkeeping, allocations.
const OVERHEAD: usize = 256;

/// A digest that stands for everything an answer depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// Collects what goes into a [`Key`]. Parts are told apart by their lengths.
#[derive(Clone, Debug)]
pub struct KeyWriter(Sha256);

/// Stored replies and responses, and who is fetching what. Clones share everything.
#[derive(Clone, Debug)]
pub struct Cache {
    memory: moka::sync::Cache<Key, Stored>,
    drops: Arc<Drops>,
    replies: Flights<Result<Fetched, Failure>>,
    responses: Flights<Arc<Kept<Entry>>>,
    results: Flights<ResultOf>,
}

/// A stored or shared response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The status.
    pub status: StatusCode,
    /// The headers as they were made, without those of the moment (`age`, `date`).
    pub headers: HeaderMap,
    /// The body, identity-coded.
    pub body: Bytes,
    /// The body in other codings, where it may be sent in them.
    pub forms: Option<Box<Forms>>,
}

/// A reply for all who want it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The reply.
    pub reply: Reply,
    /// It is an older one, which stands in for a failure.
    pub stale: bool,
}

/// What a fragment gave.
#[derive(Clone, Debug)]
pub struct ResultOf {
    /// The value.
    pub value: Value,
    /// What the backends of its calls say about keeping it.
    pub directives: Directives,
    /// How many bytes of replies it may hold on to.
    pub weight: usize,
}

/// What is known of a thing, and what whoever asks has to do. `F` is how it is handed on to those who wait.
#[derive(Debug)]
pub enum Lookup<T, F> {
    /// It is here and fresh.
    Fresh(T),
    /// An older one is here and to be used; whoever gets the lead makes a fresh one beside that.
    Stale(T, Option<Leader<F>>),
    /// It is not here, and nobody is making it: the caller does, and says how that ended. An older one may stand in where
    /// that fails.
    Miss(Leader<F>, Option<T>),
    /// Somebody is making it. An older one may stand in where that takes too long.
    Wait(Waiting<F>, Option<T>),
}

/// What can be kept.
pub trait Keepable: Sized {
    /// Where it is of this kind.
    fn of(stored: Stored) -> Option<Arc<Kept<Self>>>;
    /// As what is stored.
    fn into_stored(kept: Arc<Kept<Self>>) -> Stored;
}

/// Anything that takes memory.
#[derive(Clone, Debug)]
pub enum Stored {
    /// Of a call.
    Reply(Arc<Kept<Reply>>),
    /// Of an endpoint.
    Response(Arc<Kept<Entry>>),
    /// Of a fragment.
    Result(Arc<Kept<ResultOf>>),
}

// === impl Key ===

impl Key {
    /// The key of an endpoint's response: the fingerprint of its composition, the values of all inputs that it mentions, the
    /// requests of its bound calls, as `execute::bound_requests` gives them, what the client chose of it (semantics.md 5.2,
    /// 5.3), and whether its headers say that it is not for everybody.
    pub fn of_response<'v>(
        fingerprint: &[u8; 32],
        inputs: impl IntoIterator<Item = &'v Value>,
        bound_requests: &[u8],
        selection: Option<&str>,
        is_private: bool,
    ) -> Self {
        let mut writer = KeyWriter::new("response");
        writer.part(fingerprint);
        writer.part(&[u8::from(is_private)]);
        writer.part(bound_requests);
        // All of a response is no part of it: `*` is never a choice.
        writer.part(selection.unwrap_or("*").as_bytes());
        writer.values(inputs);
        writer.finish()
    }

    /// The same of what was made with these parts of split backends; where there are none, it is the same key.
    #[must_use]
    pub fn among<'n>(self, parts: impl IntoIterator<Item = &'n str>) -> Self {
        let mut parts = parts.into_iter().peekable();
        if parts.peek().is_none() {
            return self;
        }
        let mut writer = KeyWriter::new("among");
        writer.part(&self.0);
        parts.for_each(|it| writer.part(it.as_bytes()));
        writer.finish()
    }

    /// The key of a fragment's result: its fingerprint, and all that it sees (semantics.md 5.1).
    pub(super) fn of_result<'v>(fingerprint: &[u8; 32], inputs: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut writer = KeyWriter::new("result");
        writer.part(fingerprint);
        writer.values(inputs);
        writer.finish()
    }
}

impl fmt::Debug for Key {
    /// Eight digits: enough to tell entries apart, too few to guess what they stand for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.first_chunk().copied().map_or(0, u32::from_be_bytes);
        write!(f, "Key({start:08x}…)")
    }
}

// === impl KeyWriter ===

impl KeyWriter {
    /// A key of this kind; keys of different kinds are never equal.
    pub fn new(kind: &str) -> Self {
        let mut writer = Self(Sha256::new());
        writer.part(kind.as_bytes());
        writer
    }

    /// Adds a part.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) {
        let mut bytes = Vec::new();
        for value in values {
            bytes.clear();
            value.write_key(&mut bytes);
            // Equal, but not written alike. No input of a request is −0, but a default or a computed value may be.
            if matches!(value, Value::Double(it) if *it == 0.0 && it.is_sign_negative()) {
                bytes.push(b'-');
            }
            self.part(&bytes);
        }
    }

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().into())
    }
}

// === impl Lookup ===

impl<T, F> Lookup<T, F> {
    fn map<U>(self, with: impl Fn(T) -> U) -> Lookup<U, F> {
        match self {
            Self::Fresh(it) => Lookup::Fresh(with(it)),
            Self::Stale(it, leader) => Lookup::Stale(with(it), leader),
            Self::Miss(leader, it) => Lookup::Miss(leader, it.map(with)),
            Self::Wait(waiting, it) => Lookup::Wait(waiting, it.map(with)),
        }
    }
}

// === impl Cache ===

impl Cache {
    /// An empty cache of at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let memory = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, stored: &Stored| u32::try_from(stored.weight()).unwrap_or(u32::MAX))
            .build();
        Self {
            memory,
            drops: Arc::default(),
            replies: Flights::default(),
            responses: Flights::default(),
            results: Flights::default(),
        }
    }

    /// The moment: what is begun now is not touched by what was dropped before.
    pub fn now(&self) -> Since {
        self.drops.now()
    }

    /// Drops what has one of these tags, also where it is only under way.
    pub fn drop_all(&self, tags: &[Tag], remote: Option<&Remote>) {
        match remote {
            _ if tags.is_empty() => {}
            Some(remote) => remote.drop_all(&self.drops, tags),
            None => self.drops.drop_all(tags),
        }
    }

    /// Waits a moment for Redis to know what was dropped here.
    pub(super) async fn told(&self, remote: &Remote) {
        remote.tell(&self.drops).await;
    }

    /// Whether one of its tags was dropped since it was begun.
    fn is_dropped<T>(&self, kept: &Kept<T>) -> bool {
        self.drops.is_dropped(&kept.tags, kept.since)
    }

    /// How many things are kept, and how many bytes they take.
    pub fn size(&self) -> (u64, u64) {
        (self.memory.entry_count(), self.memory.weighted_size())
    }

    /// Finds a response, or who makes it.
    pub fn response(&self, key: Key, keep: Keep) -> Lookup<Arc<Kept<Entry>>, Arc<Kept<Entry>>> {
        self.find(key, keep, &self.responses)
    }

    /// Finds a reply, or who fetches it. What its backend said of its freshness is shortened by its age.
    pub(super) fn reply(&self, key: Key, keep: Keep) -> Lookup<Reply, Result<Fetched, Failure>> {
        self.find(key, keep, &self.replies)
            .map(|kept: Arc<Kept<Reply>>| kept.reply())
    }

    /// Finds the result of a fragment, or who makes it.
    pub(super) fn result(&self, key: Key, keep: Keep) -> Lookup<ResultOf, ResultOf> {
        self.find(key, keep, &self.results)
            .map(|kept: Arc<Kept<ResultOf>>| ResultOf {
                directives: kept.aged(kept.what.directives),
                ..kept.what.clone()
            })
    }

    fn find<T: Keepable, F>(&self, key: Key, keep: Keep, flights: &Flights<F>) -> Lookup<Arc<Kept<T>>, F> {
        let mut known = self.memory.get(&key).and_then(T::of);
        if let Some(kept) = known.take_if(|it| self.is_dropped(it)) {
            drop(kept);
            self.memory.invalidate(&key);
        }
        let good_for = known.as_ref().map_or(Use::None, |it| it.good_for());
        // What has tags is not taken over from somebody who began before something was dropped.
        let since = if keep.tagged { self.now() } else { Since::default() };
        match (known, good_for) {
            (Some(kept), Use::Fresh) => Lookup::Fresh(kept),
            (Some(kept), Use::WhileRevalidating) => match flights.join(key, since) {
                Joined::Leader(leader) => Lookup::Stale(kept, Some(leader)),
                Joined::Waiting(_) => Lookup::Stale(kept, None),
            },
            (known, _) => {
                let stand_in = known.filter(|_| good_for == Use::IfError);
                match flights.join(key, since) {
                    Joined::Leader(leader) => Lookup::Miss(leader, stand_in),
                    Joined::Waiting(waiting) => Lookup::Wait(waiting, stand_in),
                }
            }
        }
    }

    /// Keeps something, and says so; not where one of its tags was dropped since it was begun. The caller has seen to it that it may be kept:
    /// it is complete, and no backend is against it (semantics.md 5.8, 5.9).
    pub fn store<T: Keepable>(&self, key: Key, kept: &Arc<Kept<T>>) -> bool {
        let is_good = kept.good_for() == Use::Fresh && !self.is_dropped(kept);
        if is_good {
            self.memory.insert(key, T::into_stored(kept.clone()));
        }
        is_good
    }

    /// Keeps what was found elsewhere, also where it is not fresh any more.
    pub fn take_over<T: Keepable>(&self, key: Key, kept: &Arc<Kept<T>>) {
        self.memory.insert(key, T::into_stored(kept.clone()));
    }

    /// The reply that [`Self::keep_last`] kept, and how old it is.
    pub(super) fn last(&self, key: Key) -> Option<(Reply, Duration)> {
        let kept = self.memory.get(&key).and_then(Reply::of)?;
        (!self.is_dropped(&kept)).then(|| (kept.what.clone(), kept.age()))
    }

    /// Keeps a good reply in place of the one before, however old it becomes, while there is memory for it; not where its
    /// backend says that it is not to be kept, and then the one before is not the last any more.
    pub(super) fn keep_last(&self, key: Key, reply: &Reply, tags: Vec<Tag>, since: Since) {
        if reply.directives.no_store {
            return self.forget_last(key);
        }
        // Never fresh: whether it may be used, the failure says that it stands in for.
        let kept = Kept::new(reply.clone(), Keep::default(), tags, since);
        self.memory.insert(key, Stored::Reply(Arc::new(kept)));
    }

    /// The backend has said that it is not so any more.
    pub(super) fn forget_last(&self, key: Key) {
        self.memory.invalidate(&key);
    }
}

// === impl Stored ===

impl Stored {
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Reply(kept) => kept.what.body.len() + size_of_val(&*kept.tags),
                Self::Result(kept) => kept.what.weight + size_of_val(&*kept.tags),
                Self::Response(kept) => {
                    let headers = kept.what.headers.iter();
                    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + 32);
                    // All other forms together are seldom longer than the body.
                    let n_bodies = if kept.what.forms.is_some() { 2 } else { 1 };
                    kept.what.body.len() * n_bodies + headers.sum::<usize>() + size_of_val(&*kept.tags)
                }
            }
    }
}

macro_rules! keepable {
    ($($kind:ty => $variant:ident),*) => {$(
        impl Keepable for $kind {
            fn of(stored: Stored) -> Option<Arc<Kept<Self>>> {
                match stored {
                    Stored::$variant(kept) => Some(kept),
                    _ => None,
                }
            }

            fn into_stored(kept: Arc<Kept<Self>>) -> Stored {
                Stored::$variant(kept)
            }
        }
    )*};
}

keepable!(Reply => Reply, Entry => Response, ResultOf => Result);

#[cfg(test)]
mod tests;
