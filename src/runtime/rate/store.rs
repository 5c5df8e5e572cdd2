//! What this gateway has counted, or heard of Redis, by limit and key. Nothing of a key itself is kept, only its digest.
//!
//! What Redis has said last stands here for when it is gone; what it does not know of it is told as soon as it is back, and
//! everything once where it may have forgotten it: in each life of Redis (see [`Shared::life`](crate::runtime::redis::Shared)).
//! Cut into many parts with a lock each, so that two workers seldom wait for one another; an entry that says no more than
//! none would is dropped. Invariant: at most [`MAX_KEYS`] entries of each kind, however many keys there are.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::gcra::{Gcra, Verdict};
use crate::codec::hexadecimal;

/// How many keys are counted at once, over all limits.
pub const MAX_KEYS: usize = 1 << 20;

/// Parts of the store.
const SHARDS: usize = 64;

/// Below this many entries a part is not swept.
const FEW: usize = 256;

/// The digest of a limit, or of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hashed([u8; 16]);

/// Who is counted: a limit, and a key of it.
pub type Counted = (Hashed, Hashed);

/// What was counted here.
#[derive(Debug)]
pub struct Store {
    rates: Vec<Mutex<Shard<Spent>>>,
    quotas: Vec<Mutex<Shard<Usage>>>,
}

/// How much of a rate is spent.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    /// What [`Gcra`] keeps.
    over_at: u64,
    /// The life of Redis in which it knows of this; 0 is none.
    known_in: u32,
}

/// How much of a quota is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// When its period ends, seconds since 1970.
    pub ends: u64,
    /// How many were let in.
    pub used: u64,
    /// How many of those nobody else knows of yet.
    pub unsent: u64,
    /// The life of Redis in which it knows of the others; 0 is none.
    pub known_in: u32,
}

#[derive(Debug)]
struct Shard<T> {
    entries: HashMap<Counted, T>,
    /// So many at most.
    max: usize,
    /// It is swept when it has grown to this.
    sweep_at: usize,
}

impl Hashed {
    /// Of a text.
    pub fn of(text: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*first)
    }

    /// In hexadecimal.
    pub fn hex(self) -> String {
        hexadecimal(&self.0)
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::of(MAX_KEYS)
    }
}

impl Store {
    /// Of at most `max` keys of rates, and as many of quotas.
    fn of(max: usize) -> Self {
        fn shards<T>(max: usize) -> Vec<Mutex<Shard<T>>> {
            let shard = || Shard {
                entries: HashMap::new(),
                max: max / SHARDS,
                sweep_at: FEW,
            };
            (0..SHARDS).map(|_| Mutex::new(shard())).collect()
        }
        Self {
            rates: shards(max),
            quotas: shards(max),
        }
    }
}

fn shard<T>(shards: &[Mutex<Shard<T>>], counted: Counted) -> MutexGuard<'_, Shard<T>> {
    let at = usize::from(counted.1.0[0] ^ counted.0.0[0]) % SHARDS;
    shards[at].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Counts one at a rate, or refuses it. `now` in nanoseconds.
    pub fn ask_rate(&self, counted: Counted, gcra: &Gcra, now: u64) -> Verdict {
        let mut shard = shard(&self.rates, counted);
        let kept = shard.rate(counted, now);
        let verdict = gcra.ask(&mut kept.over_at, now);
        if verdict.retry_after.is_none() {
            kept.known_in = 0;
        }
        verdict
    }

    /// What a key has spent that Redis does not know of in this life, nanoseconds: to be told now.
    pub fn tell_rate(&self, counted: Counted, now: u64, life: u32) -> u64 {
        let mut shard = shard(&self.rates, counted);
        match shard.entries.get_mut(&counted).filter(|it| it.known_in != life) {
            Some(kept) => {
                kept.known_in = life;
                kept.over_at.saturating_sub(now)
            }
            None => 0,
        }
    }

    /// What [`Self::tell_rate`] gave was not heard.
    pub fn rate_is_untold(&self, counted: Counted) {
        if let Some(kept) = shard(&self.rates, counted).entries.get_mut(&counted) {
            kept.known_in = 0;
        }
    }

    /// Redis said in this life how much of a rate is spent. It never takes back what is known here.
    pub fn hear_rate(&self, counted: Counted, spent: u64, now: u64, life: u32) {
        let mut shard = shard(&self.rates, counted);
        let kept = shard.rate(counted, now);
        let over_at = now.saturating_add(spent);
        if over_at >= kept.over_at {
            *kept = Spent {
                over_at,
                known_in: life,
            };
        }
    }

    /// Takes back what [`Self::ask_rate`] has let in.
    pub fn give_rate_back(&self, counted: Counted, gcra: &Gcra) {
        let mut shard = shard(&self.rates, counted);
        if let Some(kept) = shard.entries.get_mut(&counted) {
            gcra.give_back(&mut kept.over_at);
        }
    }

    /// Reads or changes how much of a quota is used up in a period that ends at `ends`. `now` in seconds.
    pub fn with_usage<R>(&self, counted: Counted, now: u64, ends: u64, change: impl FnOnce(&mut Usage) -> R) -> R {
        let mut shard = shard(&self.quotas, counted);
        let kept = shard.entry(counted, |usage| usage.ends > now, |usage| usage.used);
        // The end of another period: of the one before, or of a quota that was for a month and is for a day now.
        if kept.ends != ends {
            *kept = Usage {
                ends,
                ..Usage::default()
            };
        }
        change(kept)
    }

    /// How much of a quota each key has used up in the periods that have not ended, most first.
    pub fn usages(&self, limit: Hashed, now: u64) -> Vec<(Hashed, Usage)> {
        let mut found = Vec::new();
        for shard in &self.quotas {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let of_limit = shard.entries.iter().filter(|it| it.0.0 == limit && it.1.ends > now);
            found.extend(of_limit.map(|it| (it.0.1, *it.1)));
        }
        found.sort_unstable_by_key(|it| (std::cmp::Reverse(it.1.used), it.0));
        found
    }

    /// How many keys are counted.
    pub fn len(&self) -> usize {
        let len = |it: &Mutex<Shard<Spent>>| it.lock().unwrap_or_else(PoisonError::into_inner).entries.len();
        let rates: usize = self.rates.iter().map(len).sum();
        let len = |it: &Mutex<Shard<Usage>>| it.lock().unwrap_or_else(PoisonError::into_inner).entries.len();
        rates + self.quotas.iter().map(len).sum::<usize>()
    }

    /// True where nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shard<Spent> {
    fn rate(&mut self, counted: Counted, now: u64) -> &mut Spent {
        self.entry(counted, |it| it.over_at > now, |it| it.over_at)
    }
}

impl<T: Default> Shard<T> {
    /// The entry of a key; where that is new, idle ones may go for it. `worth` says how much would be lost with one.
    fn entry(&mut self, counted: Counted, in_use: impl Fn(&T) -> bool, worth: impl Fn(&T) -> u64) -> &mut T {
        if self.entries.len() >= self.sweep_at && !self.entries.contains_key(&counted) {
            self.entries.retain(|_, it| in_use(it));
            if self.entries.len() >= self.max {
                self.forget_half(worth);
            }
            self.sweep_at = (self.entries.len() * 2).clamp(FEW.min(self.max), self.max);
        }
        self.entries.entry(counted).or_default()
    }

    /// All are in use and there is no room: those go that have spent the least.
    fn forget_half(&mut self, worth: impl Fn(&T) -> u64) {
        let mut all: Vec<u64> = self.entries.values().map(&worth).collect();
        let middle = all.len() / 2;
        let (_, middle, _) = all.select_nth_unstable(middle);
        let (middle, mut spare) = (*middle, self.entries.len() / 2);
        self.entries.retain(|_, it| {
            let goes = worth(it) <= middle && spare > 0;
            spare -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Rate;

    fn gcra(burst: u64) -> Gcra {
        Gcra::new(&Rate {
            requests: 1,
            per: std::time::Duration::from_secs(1),
            burst,
        })
    }

    fn key(number: usize) -> Counted {
        (Hashed::of(b"limit"), Hashed::of(&number.to_le_bytes()))
    }

    #[test]
    fn digests_are_shown_in_hexadecimal() {
        // The first half of SHA-256 of "abc" (FIPS 180-4).
        assert_eq!(Hashed::of(b"abc").hex(), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn idle_keys_are_dropped() {
        let (store, gcra) = (Store::default(), gcra(1));
        for number in 0..200_000 {
            // A new key each millisecond, each idle again after a second.
            let now = 1_000_000_000_000 + number as u64 * 1_000_000;
            assert_eq!(store.ask_rate(key(number), &gcra, now).retry_after, None);
        }
        let kept = store.len();
        assert!(kept <= SHARDS * FEW, "{kept}");
    }

    #[test]
    fn memory_is_bounded_where_every_key_is_in_use() {
        const MAX: usize = 1 << 15;
        let (store, gcra) = (Store::of(MAX), gcra(1));
        for number in 0..MAX + MAX / 4 {
            store.ask_rate(key(number), &gcra, 1_000);
        }
        let kept = store.len();
        assert!((MAX / 3..=MAX).contains(&kept), "{kept}");
    }

    #[test]
    fn who_has_spent_the_most_is_remembered() {
        const MAX: usize = 1 << 15;
        let (store, gcra) = (Store::of(MAX), gcra(10));
        for _ in 0..10 {
            store.ask_rate(key(0), &gcra, 1_000);
        }
        for number in 1..MAX + MAX / 4 {
            store.ask_rate(key(number), &gcra, 1_000);
        }
        assert!(store.ask_rate(key(0), &gcra, 1_000).retry_after.is_some());
    }

    #[test]
    fn ten_times_the_rate_from_a_thousand_keys_and_four_threads() {
        const KEYS: usize = 1_000;
        // 5/s and 10 at once, asked 50 times a second for 20 seconds: 10 + 20 × 5 for each key.
        let gcra = Gcra::new(&Rate {
            requests: 5,
            per: std::time::Duration::from_secs(1),
            burst: 10,
        });
        let store = Store::default();
        let n_let_in = std::sync::atomic::AtomicU64::new(0);
        let clock = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (store, n_let_in, clock) = (&store, &n_let_in, &clock);
                scope.spawn(move || {
                    for tick in 0..=(20 * 50 / 4_u64) {
                        // All four ask each key at the same moment, 12.5 moments a second.
                        clock.wait();
                        let now = 1_000_000_000_000 + tick * 80_000_000;
                        for at in 0..KEYS {
                            let verdict = store.ask_rate(key((at + thread * 250) % KEYS), &gcra, now);
                            let let_in = u64::from(verdict.retry_after.is_none());
                            n_let_in.fetch_add(let_in, std::sync::atomic::Ordering::Relaxed);
                        }
                        clock.wait();
                    }
                });
            }
        });
        assert_eq!(n_let_in.into_inner(), 110 * KEYS as u64);
    }

    #[test]
    fn a_quota_begins_anew_with_its_period() {
        let store = Store::default();
        let count = |now, ends| {
            store.with_usage(key(1), now, ends, |usage| {
                usage.used += 1;
                usage.used
            })
        };
        assert_eq!((count(5, 10), count(9, 10)), (1, 2));
        assert_eq!(count(10, 20), 1);
        assert_eq!(store.usages(Hashed::of(b"limit"), 15).len(), 1);
        assert!(store.usages(Hashed::of(b"other"), 15).is_empty());
        assert!(store.usages(Hashed::of(b"limit"), 20).is_empty());
    }
}
