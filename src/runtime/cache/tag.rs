//! Tags: what was dropped, and since when.
//!
//! Dropping counts up a number and writes it behind each tag; whatever was begun before that and has one of the tags is not
//! used any more, whether it was kept by then or only under way. Nothing is searched for, and what is dropped leaves the
//! memory when it is looked up or evicted.
//! Invariant: forgetting a drop makes entries useless, never useful again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use sha2::{Digest, Sha256};

/// How many tags are remembered as dropped. Beyond that the older half is forgotten, and with it go all entries with tags
/// that are older than that.
const MAX_REMEMBERED: usize = 1 << 16;

/// A name under which something is dropped, as a digest: names may tell who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag([u8; 16]);

/// A moment, counted in drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(u64);

/// What was dropped when.
#[derive(Debug, Default)]
pub(super) struct Drops {
    now: AtomicU64,
    last: RwLock<Last>,
}

#[derive(Debug, Default)]
struct Last {
    by_tag: HashMap<Tag, Since>,
    /// Of drops up to here nothing is known but that there were some.
    forgotten: Since,
}

impl Tag {
    /// The tag of this name.
    pub fn of(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*first)
    }

    /// From the bytes of another gateway's.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The same for every gateway.
    pub(super) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drops {
    pub(super) fn now(&self) -> Since {
        Since(self.now.load(Ordering::Acquire))
    }

    /// Drops everything that was begun before and has one of these tags.
    pub(super) fn drop_all(&self, tags: &[Tag]) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        let now = Since(self.now.load(Ordering::Acquire) + 1);
        last.by_tag.extend(tags.iter().map(|it| (*it, now)));
        if last.by_tag.len() > MAX_REMEMBERED {
            last.forget_half();
        }
        // Whoever sees the new number waits for the lock, and sees what belongs to it.
        self.now.store(now.0, Ordering::Release);
    }

    /// Drops everything that was begun before and has a tag.
    pub(super) fn drop_everything(&self) {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        let now = Since(self.now.load(Ordering::Acquire) + 1);
        last.by_tag.clear();
        last.forgotten = now;
        self.now.store(now.0, Ordering::Release);
    }

    /// True where something that was begun then is not to be used any more.
    pub(super) fn is_dropped(&self, tags: &[Tag], since: Since) -> bool {
        if tags.is_empty() || since == self.now() {
            return false;
        }
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        since < last.forgotten || tags.iter().any(|it| last.by_tag.get(it).is_some_and(|at| since < *at))
    }
}

impl Last {
    fn forget_half(&mut self) {
        let mut all: Vec<Since> = self.by_tag.values().copied().collect();
        let middle = all.len() / 2;
        let (_, middle, _) = all.select_nth_unstable(middle);
        self.forgotten = *middle;
        self.by_tag.retain(|_, at| *at > self.forgotten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> Tag {
        Tag::of(&format!("product:{number}"))
    }

    #[test]
    fn what_was_begun_before_is_dropped_and_nothing_else() {
        let drops = Drops::default();
        let before = drops.now();
        drops.drop_all(&[tag(1), tag(2)]);
        let after = drops.now();
        assert!(drops.is_dropped(&[tag(3), tag(1)], before));
        assert!(!drops.is_dropped(&[tag(1)], after));
        assert!(!drops.is_dropped(&[tag(3)], before));
        assert!(!drops.is_dropped(&[], before));
        drops.drop_all(&[tag(3)]);
        assert!(!drops.is_dropped(&[tag(1)], after));
        assert!(drops.is_dropped(&[tag(3)], after));
    }

    #[test]
    fn everything_that_has_a_tag_is_dropped_at_once() {
        let drops = Drops::default();
        drops.drop_all(&[tag(1)]);
        let before = drops.now();
        drops.drop_everything();
        assert!(drops.is_dropped(&[tag(2)], before));
        assert!(!drops.is_dropped(&[], before));
        assert!(!drops.is_dropped(&[tag(1)], drops.now()));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_counts_as_dropped() {
        let drops = Drops::default();
        let first = drops.now();
        for number in 0..=MAX_REMEMBERED {
            drops.drop_all(&[tag(number)]);
        }
        let n_remembered = drops.last.read().unwrap().by_tag.len();
        assert!(n_remembered <= MAX_REMEMBERED / 2 + 1, "{n_remembered}");
        assert!(drops.is_dropped(&[Tag::of("other")], first));
        assert!(!drops.is_dropped(&[Tag::of("other")], drops.now()));
        drops.drop_all(&[Tag::of("more")]);
        assert!(drops.is_dropped(&[tag(MAX_REMEMBERED)], Since(MAX_REMEMBERED as u64)));
        assert!(!drops.is_dropped(&[tag(MAX_REMEMBERED)], Since(MAX_REMEMBERED as u64 + 1)));
    }
}
