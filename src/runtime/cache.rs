//! Stored replies and responses: freshness of our own, moka for size, single flight.
//!
//! One [`Cache`] is shared by all workers and outlives reloads: keys are digests of everything that a byte of the answer can
//! depend on, so that an entry of an older plan is never found by a newer one that would answer otherwise.
//! Invariant: moka decides only what is evicted; whether an entry may be used is decided by [`Entry::fresh_until`] on
//! tokio's clock. Neither values nor keys are ever logged.

pub mod flight;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

pub use self::flight::{Flights, Joined, Landing, Leader, Waiting};
use super::backend::{Directives, Failure, Reply};
use crate::expr::Value;
use crate::time::Instant;

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
    replies: Flights<Result<Reply, Failure>>,
    responses: Flights<Arc<Entry>>,
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
    /// When it was made.
    pub stored_at: Instant,
    /// Until when it may be used unasked.
    pub fresh_until: Instant,
}

/// What is known of a response.
#[derive(Debug)]
pub enum Lookup {
    /// It is here and fresh.
    Hit {
        /// The response.
        entry: Arc<Entry>,
        /// How old it is.
        age: Duration,
    },
    /// It is not, and nobody is making it: the caller does, and says how that ended.
    Miss(Leader<Arc<Entry>>),
    /// Somebody is making it.
    Wait(Waiting<Arc<Entry>>),
}

/// A stored reply of a call.
#[derive(Debug)]
struct StoredReply {
    reply: Reply,
    stored_at: Instant,
    fresh_until: Instant,
}

/// Anything that takes memory.
#[derive(Clone, Debug)]
enum Stored {
    Reply(Arc<StoredReply>),
    Response(Arc<Entry>),
}

// === impl Key ===

impl Key {
    /// The key of an endpoint's response: the fingerprint of its composition, the values of all inputs that it mentions, and
    /// the requests of its bound calls, as `execute::bound_requests` gives them (semantics.md 5.2, 5.3).
    pub fn of_response<'v>(
        fingerprint: &[u8; 32],
        inputs: impl IntoIterator<Item = &'v Value>,
        bound_requests: &[u8],
    ) -> Self {
        let mut writer = KeyWriter::new("response");
        writer.part(fingerprint);
        writer.part(bound_requests);
        let mut bytes = Vec::new();
        for input in inputs {
            bytes.clear();
            input.write_key(&mut bytes);
            writer.part(&bytes);
        }
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

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().into())
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
            replies: Flights::default(),
            responses: Flights::default(),
        }
    }

    /// Finds a response, or who makes it. On a miss the caller is the one: everybody else waits for its [`Leader`].
    pub fn lookup(&self, key: Key) -> Lookup {
        let now = Instant::now();
        if let Some(Stored::Response(entry)) = self.memory.get(&key)
            && now < entry.fresh_until
        {
            let age = now.saturating_duration_since(entry.stored_at);
            return Lookup::Hit { entry, age };
        }
        match self.responses.join(key) {
            Joined::Leader(leader) => Lookup::Miss(leader),
            Joined::Waiting(waiting) => Lookup::Wait(waiting),
        }
    }

    /// Keeps a response and gives it to all who wait for it. The caller has seen to it that it may be stored: a complete
    /// 2xx, nothing degraded, no backend against it (semantics.md 5.9).
    pub fn store(&self, leader: Leader<Arc<Entry>>, entry: Arc<Entry>) {
        if Instant::now() < entry.fresh_until {
            self.memory.insert(leader.key(), Stored::Response(entry.clone()));
        }
        leader.share(entry);
    }

    /// A stored reply that is still fresh. What its backend said of its freshness is shortened by its age.
    pub(super) fn reply(&self, key: Key) -> Option<Reply> {
        let Some(Stored::Reply(stored)) = self.memory.get(&key) else {
            return None;
        };
        let now = Instant::now();
        if now >= stored.fresh_until {
            return None;
        }
        let age = now.saturating_duration_since(stored.stored_at);
        let fresh_for = stored.reply.directives.fresh_for.map(|it| it.saturating_sub(age));
        let directives = Directives {
            fresh_for,
            ..stored.reply.directives
        };
        Some(Reply {
            body: stored.reply.body.clone(),
            directives,
        })
    }

    /// Who fetches which reply.
    pub(super) fn replies(&self) -> &Flights<Result<Reply, Failure>> {
        &self.replies
    }

    /// Keeps a reply for `ttl`, or shorter or not at all where its backend says so.
    pub(super) fn store_reply(&self, key: Key, reply: &Reply, ttl: Duration) {
        let Directives { no_store, fresh_for } = reply.directives;
        let lifetime = fresh_for.map_or(ttl, |it| it.min(ttl));
        if no_store || lifetime.is_zero() {
            return;
        }
        let stored_at = Instant::now();
        let stored = StoredReply {
            reply: reply.clone(),
            stored_at,
            fresh_until: stored_at + lifetime,
        };
        self.memory.insert(key, Stored::Reply(Arc::new(stored)));
    }
}

// === impl Stored ===

impl Stored {
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Reply(stored) => stored.reply.body.len(),
                Self::Response(entry) => {
                    let headers = entry
                        .headers
                        .iter()
                        .map(|(name, value)| name.as_str().len() + value.len() + 32);
                    entry.body.len() + headers.sum::<usize>()
                }
            }
    }
}

#[cfg(test)]
mod tests;
