//! Counters over the last span of time, shared by all workers without a lock.
//!
//! The span is cut into slots of equal length; a slot that has become too old is emptied by whoever first writes into it
//! again. A count that falls into that very moment on another worker may be lost; nothing here needs it to the last one.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Instant;

/// `K` counters over a span of `S` slots.
#[derive(Debug)]
pub struct Window<const K: usize, const S: usize> {
    began: Instant,
    slot_nanos: u64,
    slots: [Slot<K>; S],
}

#[derive(Debug)]
struct Slot<const K: usize> {
    /// Number of the slot since the beginning, plus one; zero where nobody has written into it.
    epoch: AtomicU64,
    counts: [AtomicI64; K],
}

impl<const K: usize, const S: usize> Window<K, S> {
    /// An empty window over the last `span`.
    pub fn new(span: Duration, now: Instant) -> Self {
        let slot = || Slot {
            epoch: AtomicU64::new(0),
            counts: std::array::from_fn(|_| AtomicI64::new(0)),
        };
        Self {
            began: now,
            slot_nanos: u64::try_from(span.as_nanos() / S as u128).unwrap_or(u64::MAX).max(1),
            slots: std::array::from_fn(|_| slot()),
        }
    }

    fn epoch(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.began).as_nanos();
        u64::try_from(elapsed).unwrap_or(u64::MAX) / self.slot_nanos + 1
    }

    fn slot(&self, now: Instant) -> Option<&Slot<K>> {
        let epoch = self.epoch(now);
        let slot = self.slots.get(usize::try_from(epoch % S as u64).ok()?)?;
        let before = slot.epoch.load(Ordering::Acquire);
        if before < epoch
            && slot
                .epoch
                .compare_exchange(before, epoch, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            for count in &slot.counts {
                count.store(0, Ordering::Relaxed);
            }
        }
        Some(slot)
    }

    /// Adds to the counters.
    pub fn add(&self, now: Instant, amounts: [i64; K]) {
        let Some(slot) = self.slot(now) else { return };
        for (count, amount) in slot.counts.iter().zip(amounts) {
            if amount != 0 {
                count.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }

    /// Adds one to one counter.
    pub fn count(&self, now: Instant, counter: usize) {
        if let Some(count) = self.slot(now).and_then(|it| it.counts.get(counter)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted in the last span.
    pub fn sums(&self, now: Instant) -> [i64; K] {
        let epoch = self.epoch(now);
        let mut sums = [0; K];
        for slot in &self.slots {
            let of = slot.epoch.load(Ordering::Acquire);
            if of != 0 && of.saturating_add(S as u64) > epoch {
                for (sum, count) in sums.iter_mut().zip(&slot.counts) {
                    *sum += count.load(Ordering::Relaxed);
                }
            }
        }
        sums
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for slot in &self.slots {
            slot.epoch.store(0, Ordering::Release);
            for count in &slot.counts {
                count.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is counted is what was added in this slot and the nine before it, whatever the order of reading and writing.
        #[test]
        fn a_window_counts_its_span_and_nothing_older(steps in prop::collection::vec((0_u64..400, -3_i64..4), 1..60)) {
            let start = Instant::now();
            let window = Window::<1, 10>::new(Duration::from_secs(1), start);
            let (mut at, mut all) = (0, Vec::new());
            for (pause, amount) in steps {
                at += pause;
                let now = start + Duration::from_millis(at);
                window.add(now, [amount]);
                all.push((at / 100, amount));
                let wanted: i64 = all.iter().filter(|(slot, _)| slot + 10 > at / 100).map(|it| it.1).sum();
                prop_assert_eq!(window.sums(now), [wanted]);
            }
            window.clear();
            prop_assert_eq!(window.sums(start + Duration::from_millis(at)), [0]);
        }
    }
}
