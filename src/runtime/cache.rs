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

/// The stored result of a fragment.
#[derive(Debug)]
struct StoredResult {
    result: ResultOf,
    key_length: usize,
    stored_at: Instant,
    fresh_until: Instant,
}

/// Anything that takes memory.
#[derive(Clone, Debug)]
enum Stored {
    Reply(Arc<StoredReply>),
    Response(Arc<Entry>),
    Result(Arc<StoredResult>),
}

// === impl Key ===

impl Key {
    /// The key of an endpoint's response: the fingerprint of its composition, the values of all inputs that it mentions, the
    /// requests of its bound calls, as `execute::bound_requests` gives them, and what the client chose of it (semantics.md
    /// 5.2, 5.3).
    pub fn of_response<'v>(
        fingerprint: &[u8; 32],
        inputs: impl IntoIterator<Item = &'v Value>,
        bound_requests: &[u8],
        selection: Option<&str>,
    ) -> Self {
        let mut writer = KeyWriter::new("response");
        writer.part(fingerprint);
        writer.part(bound_requests);
        // All of a response is no part of it: `*` is never a choice.
        writer.part(selection.unwrap_or("*").as_bytes());
        writer.values(inputs);
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
        Some(Reply {
            body: stored.reply.body.clone(),
            directives: aged(stored.reply.directives, stored.stored_at),
        })
    }

    /// The stored result of a fragment that is still fresh.
    pub(super) fn result(&self, key: Key) -> Option<ResultOf> {
        let Some(Stored::Result(stored)) = self.memory.get(&key) else {
            return None;
        };
        (Instant::now() < stored.fresh_until).then(|| ResultOf {
            directives: aged(stored.result.directives, stored.stored_at),
            ..stored.result.clone()
        })
    }

    /// Keeps what a fragment gave, as [`Cache::store_reply`] does. The caller has seen to it that nothing is degraded.
    pub(super) fn store_result(&self, key: Key, result: ResultOf, ttl: Duration) {
        let Some(lifetime) = lifetime(result.directives, ttl) else {
            return;
        };
        let mut bytes = Vec::new();
        result.value.write_key(&mut bytes);
        let stored_at = Instant::now();
        let stored = StoredResult {
            result,
            key_length: bytes.len(),
            stored_at,
            fresh_until: stored_at + lifetime,
        };
        self.memory.insert(key, Stored::Result(Arc::new(stored)));
    }

    /// Who fetches which reply.
    pub(super) fn replies(&self) -> &Flights<Result<Reply, Failure>> {
        &self.replies
    }

    /// Keeps a reply for `ttl`, or shorter or not at all where its backend says so.
    pub(super) fn store_reply(&self, key: Key, reply: &Reply, ttl: Duration) {
        let Some(lifetime) = lifetime(reply.directives, ttl) else {
            return;
        };
        let stored_at = Instant::now();
        let stored = StoredReply {
            reply: reply.clone(),
            stored_at,
            fresh_until: stored_at + lifetime,
        };
        self.memory.insert(key, Stored::Reply(Arc::new(stored)));
    }
}

/// How long something may be kept; `None` where not at all.
fn lifetime(directives: Directives, ttl: Duration) -> Option<Duration> {
    let Directives { no_store, fresh_for } = directives;
    let lifetime = fresh_for.map_or(ttl, |it| it.min(ttl));
    (!no_store && !lifetime.is_zero()).then_some(lifetime)
}

/// What directives say of something that has been kept since then.
fn aged(directives: Directives, stored_at: Instant) -> Directives {
    let age = Instant::now().saturating_duration_since(stored_at);
    Directives {
        fresh_for: directives.fresh_for.map(|it| it.saturating_sub(age)),
        ..directives
    }
}

// === impl Stored ===

impl Stored {
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Reply(stored) => stored.reply.body.len(),
                Self::Result(stored) => stored.result.weight + stored.key_length,
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
