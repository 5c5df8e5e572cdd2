//! How busy a target is: calls under way, and how long they take.
//!
//! The time is a peak EWMA, as Finagle and tower have it: a slow reply counts at once, quick ones bring it down slowly, and
//! what is old fades. Pure: time comes in. Two workers that measure at the same moment may lose one of the measures.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Instant;

/// How fast what was measured fades.
const DECAY_NANOS: f64 = 10e9;
/// What is thought of a target that nobody has asked.
const UNKNOWN_NANOS: f64 = 30e6;

/// The load of one target, over all workers.
#[derive(Debug)]
pub(super) struct Load {
    began: Instant,
    n_active: AtomicU32,
    /// Bits of nanoseconds.
    time: AtomicU64,
    /// Nanoseconds since `began`.
    measured: AtomicU64,
}

impl Load {
    /// Of a target that nobody has asked.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            n_active: AtomicU32::new(0),
            time: AtomicU64::new(UNKNOWN_NANOS.to_bits()),
            measured: AtomicU64::new(0),
        }
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        self.n_active.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended.
    pub(super) fn end(&self) {
        self.n_active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls under way.
    pub(super) fn n_active(&self) -> u32 {
        self.n_active.load(Ordering::Relaxed)
    }

    /// A call took this long.
    #[expect(clippy::cast_precision_loss, reason = "a mean of times")]
    pub(super) fn measure(&self, now: Instant, took: Duration) {
        let took = took.as_nanos() as f64;
        let faded = self.fading(now);
        let before = f64::from_bits(self.time.load(Ordering::Relaxed));
        let time = if took > before * faded {
            took
        } else {
            before * faded + took * (1.0 - faded)
        };
        self.time.store(time.to_bits(), Ordering::Relaxed);
        self.measured.store(self.nanos(now), Ordering::Relaxed);
    }

    /// What another call would wait for, about.
    pub(super) fn cost(&self, now: Instant) -> f64 {
        let time = f64::from_bits(self.time.load(Ordering::Relaxed)) * self.fading(now);
        // One that has faded to nothing still costs something for each call under way.
        time.max(1.0) * f64::from(self.n_active() + 1)
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::cast_precision_loss, reason = "a part of seconds")]
    fn fading(&self, now: Instant) -> f64 {
        let since = self.nanos(now).saturating_sub(self.measured.load(Ordering::Relaxed));
        (-(since as f64) / DECAY_NANOS).exp()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A peak counts whole and at once; between two measures what is thought never rises, and never leaves what was seen.
        #[test]
        fn a_peak_counts_and_fades(times in prop::collection::vec((1_u64..2_000, 1_u64..1_000), 1..50)) {
            let start = Instant::now();
            let load = Load::new(start);
            let mut now = start;
            for (pause, millis) in times {
                let before = load.cost(now);
                now += Duration::from_millis(pause);
                prop_assert!(load.cost(now) <= before);
                let took = Duration::from_millis(millis);
                load.measure(now, took);
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let took = took.as_nanos() as f64;
                prop_assert!(load.cost(now) >= took * 0.999 && load.cost(now) <= before.max(took) * 1.001);
            }
        }
    }
}
