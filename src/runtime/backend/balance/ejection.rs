//! Takes a target out of service for a while where it fails again and again, or far more often than the others.
//!
//! Pure: time comes in. Invariant: a target comes back by itself; each time that it goes soon after, it is out for longer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::super::guard::Window;
use crate::plan;
use crate::time::Instant;

/// Nobody is out for longer.
const LONGEST: Duration = Duration::from_mins(5);
/// Fewer calls say nothing about a share of them.
const MIN_CALLS: i64 = 20;

/// Whether one target is out.
#[derive(Debug)]
pub(super) struct Ejection {
    settings: plan::Ejection,
    began: Instant,
    in_a_row: AtomicU32,
    n_times: AtomicU32,
    /// Milliseconds since `began`; zero where it was never out.
    until: AtomicU64,
    /// Calls and failed ones.
    window: Window<2, 10>,
}

impl Ejection {
    /// In service.
    pub(super) fn new(settings: plan::Ejection, now: Instant) -> Self {
        Self {
            settings,
            began: now,
            in_a_row: AtomicU32::new(0),
            n_times: AtomicU32::new(0),
            until: AtomicU64::new(0),
            window: Window::new(Duration::from_secs(10), now),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.began))
    }

    /// Whether it is out.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until > 0 && self.millis(now) < until
    }

    /// How long it has been back; `None` where it was never out, or is.
    pub(super) fn back_for(&self, now: Instant) -> Option<Duration> {
        let until = self.until.load(Ordering::Acquire);
        let back = self.millis(now).checked_sub(until).filter(|_| until > 0);
        back.map(Duration::from_millis)
    }

    /// A call has ended. `others` are the calls and failed ones of all other targets lately.
    pub(super) fn record(&self, now: Instant, failed: bool, others: impl FnOnce() -> [i64; 2]) {
        self.window.add(now, [1, i64::from(failed)]);
        if !failed {
            self.in_a_row.store(0, Ordering::Relaxed);
            return;
        }
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_out(now) || (in_a_row < self.settings.failures && !self.is_far_worse(now, others)) {
            return;
        }
        let at = self.millis(now);
        let before = self.until.load(Ordering::Acquire);
        let length = millis(self.settings.length);
        // For each such time in service one time out is forgotten.
        let good = if before == 0 {
            0
        } else {
            at.saturating_sub(before) / length.max(1)
        };
        let n_times = u64::from(self.n_times.load(Ordering::Relaxed)).saturating_sub(good) + 1;
        let out = length.saturating_mul(n_times).min(millis(LONGEST).max(length));
        let until = at.saturating_add(out).max(1);
        let mine = self
            .until
            .compare_exchange(before, until, Ordering::AcqRel, Ordering::Relaxed);
        if mine.is_ok() {
            self.n_times
                .store(u32::try_from(n_times).unwrap_or(u32::MAX), Ordering::Relaxed);
            self.in_a_row.store(0, Ordering::Relaxed);
            self.window.clear();
        }
    }

    /// Its calls and failed ones lately.
    pub(super) fn lately(&self, now: Instant) -> [i64; 2] {
        self.window.sums(now)
    }

    /// At least half of its calls failed, and at most a quarter as large a part of the others'.
    fn is_far_worse(&self, now: Instant, others: impl FnOnce() -> [i64; 2]) -> bool {
        let [calls, failed] = self.lately(now);
        if calls < MIN_CALLS || failed * 2 < calls {
            return false;
        }
        let [other_calls, other_failed] = others();
        other_calls >= MIN_CALLS && other_failed * calls * 4 <= failed * other_calls
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: plan::Ejection = plan::Ejection {
        failures: 3,
        length: Duration::from_secs(10),
    };
    const NO_OTHERS: fn() -> [i64; 2] = || [0, 0];

    #[test]
    fn who_fails_again_and_again_is_out_for_longer_each_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let ejection = Ejection::new(SETTINGS, start);
        let fail = |seconds| (0..3).for_each(|_| ejection.record(at(seconds), true, NO_OTHERS));
        ejection.record(start, true, NO_OTHERS);
        ejection.record(start, true, NO_OTHERS);
        ejection.record(start, false, NO_OTHERS);
        assert!(!ejection.is_out(start), "not in a row");
        fail(0);
        assert!(ejection.is_out(at(9)) && !ejection.is_out(at(10)));
        fail(10);
        assert!(ejection.is_out(at(29)) && !ejection.is_out(at(30)));
        assert_eq!(ejection.back_for(at(31)), Some(Duration::from_secs(1)));
        // Two such times in service make good for both.
        fail(50);
        assert!(ejection.is_out(at(59)) && !ejection.is_out(at(60)));
    }

    #[test]
    fn who_fails_far_more_often_than_the_others_is_out() {
        let start = Instant::now();
        let fail_half = |others: [i64; 2]| {
            let ejection = Ejection::new(SETTINGS, start);
            for n in 0..40 {
                ejection.record(start, n % 2 == 0, || others);
            }
            ejection.is_out(start)
        };
        assert!(fail_half([100, 10]));
        assert!(!fail_half([100, 20]), "they are in trouble too");
        assert!(!fail_half([10, 0]), "nobody knows how they are");
    }

    proptest! {
        /// However it fails, it is never out for longer than the longest, and always comes back.
        #[test]
        fn it_always_comes_back(pauses in prop::collection::vec(0_u64..100, 1..200)) {
            let start = Instant::now();
            let ejection = Ejection::new(SETTINGS, start);
            let mut now = start;
            for pause in pauses {
                now += Duration::from_secs(pause);
                ejection.record(now, true, NO_OTHERS);
                prop_assert!(!ejection.is_out(now + LONGEST));
            }
        }
    }
}
