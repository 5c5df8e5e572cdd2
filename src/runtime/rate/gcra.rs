//! How often something may happen: the generic cell rate algorithm of ITU-T I.371 (virtual scheduling), with a burst.
//!
//! All that is kept is one moment: when everything that was let in would be over if it had come evenly. Time is in
//! nanoseconds since any fixed moment. Invariant: in any time `t` at most `burst + t / interval` are let in.

use crate::plan::Rate;

/// A rate, ready to count with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Nanoseconds between two requests at the rate, rounded up.
    pub interval: u64,
    /// How many at once.
    pub burst: u64,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many more might come at once.
    pub remaining: u64,
    /// Nanoseconds until all that is spent has come back.
    pub full_after: u64,
    /// Nanoseconds until one may come again; `None` where this one was let in.
    pub retry_after: Option<u64>,
}

impl Gcra {
    /// Of a rate as it is written.
    pub fn new(rate: &Rate) -> Self {
        let nanos = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        let interval = nanos.div_ceil(rate.requests.max(1)).max(1);
        Self {
            interval,
            // What is saved up is saved up in a year at most.
            burst: rate.burst.clamp(1, (366 * 86_400 * 1_000_000_000 / interval).max(1)),
        }
    }

    /// Nanoseconds in which a spent burst comes back.
    pub fn full(&self) -> u64 {
        self.interval.saturating_mul(self.burst)
    }

    /// Lets one in, or says when to come again. `over_at` is what is kept; who is refused adds nothing to it.
    pub fn ask(&self, over_at: &mut u64, now: u64) -> Verdict {
        // Where the rate was another one before, nobody waits longer for it than for all of this one.
        *over_at = (*over_at).min(now.saturating_add(self.full()));
        let spent = over_at.saturating_sub(now);
        let then = spent + self.interval;
        if let Some(over) = then.checked_sub(self.full()).filter(|it| *it > 0) {
            return Verdict {
                remaining: 0,
                full_after: spent,
                retry_after: Some(over),
            };
        }
        *over_at = now + then;
        Verdict {
            remaining: (self.full() - then) / self.interval,
            full_after: then,
            retry_after: None,
        }
    }

    /// Takes back what one who was let in has spent.
    pub fn give_back(&self, over_at: &mut u64) {
        *over_at = over_at.saturating_sub(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn gcra(requests: u64, seconds: u64, burst: u64) -> Gcra {
        Gcra::new(&Rate {
            requests,
            per: Duration::from_secs(seconds),
            burst,
        })
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        let (gcra, mut kept, start) = (gcra(2, 1, 3), 0, 100 * SECOND);
        for remaining in [2, 1, 0] {
            let verdict = gcra.ask(&mut kept, start);
            assert_eq!((verdict.remaining, verdict.retry_after), (remaining, None));
        }
        let verdict = gcra.ask(&mut kept, start);
        assert_eq!(verdict.retry_after, Some(SECOND / 2));
        assert_eq!(verdict.full_after, 3 * SECOND / 2);
        assert_eq!(gcra.ask(&mut kept, start + SECOND / 2 - 1).retry_after, Some(1));
        assert_eq!(gcra.ask(&mut kept, start + SECOND / 2).retry_after, None);
        gcra.give_back(&mut kept);
        assert_eq!(gcra.ask(&mut kept, start + SECOND / 2).retry_after, None);
        assert!(gcra.ask(&mut kept, start + SECOND / 2).retry_after.is_some());
    }

    #[test]
    fn who_gets_a_better_rate_does_not_wait_for_the_old_one() {
        let (slow, fast, mut kept) = (gcra(1, 3600, 1), gcra(500, 1, 1000), 0);
        assert_eq!(slow.ask(&mut kept, SECOND).retry_after, None);
        assert_eq!(slow.ask(&mut kept, SECOND).retry_after, Some(3600 * SECOND));
        assert_eq!(fast.ask(&mut kept, SECOND).retry_after, Some(SECOND / 500));
        assert_eq!(fast.ask(&mut kept, SECOND + SECOND / 500).retry_after, None);
    }

    #[test]
    fn rates_that_do_not_divide_a_second_never_let_more_in() {
        let gcra = gcra(3, 1, 1);
        assert_eq!(gcra.interval, 333_333_334);
        assert_eq!(gcra_of_most(), 1);
    }

    fn gcra_of_most() -> u64 {
        gcra(3_600_000_000, 3600, u64::MAX).interval / 1000
    }

    /// A bucket that holds whole requests and fills by time, in fractions: another way to say the same.
    struct Bucket {
        /// In `1 / interval` of a request.
        level: u128,
        at: u64,
    }

    impl Bucket {
        fn ask(&mut self, gcra: Gcra, now: u64) -> bool {
            let full = u128::from(gcra.full());
            self.level = (self.level + u128::from(now - self.at)).min(full);
            self.at = now;
            let one = u128::from(gcra.interval);
            let is_let_in = self.level >= one;
            if is_let_in {
                self.level -= one;
            }
            is_let_in
        }
    }

    proptest! {
        #[test]
        fn it_is_a_bucket_that_fills(
            requests in 1u64..2000,
            seconds in prop::sample::select(vec![1u64, 60, 3600]),
            burst in 1u64..50,
            pauses in prop::collection::vec(0u64..3, 1..200),
            unit in 1u64..2_000_000_000,
        ) {
            let gcra = gcra(requests, seconds, burst);
            let (mut kept, mut now) = (0, 1_700_000_000 * SECOND);
            let mut bucket = Bucket { level: u128::from(gcra.full()), at: now };
            let (begin, mut n_let_in) = (now, 0u64);
            for pause in pauses {
                now += pause * unit;
                let verdict = gcra.ask(&mut kept, now);
                let wanted = bucket.ask(gcra, now);
                prop_assert_eq!(verdict.retry_after.is_none(), wanted);
                prop_assert_eq!(u128::from(verdict.remaining), bucket.level / u128::from(gcra.interval));
                prop_assert_eq!(u128::from(verdict.full_after), u128::from(gcra.full()) - bucket.level);
                n_let_in += u64::from(wanted);
                prop_assert!(n_let_in <= burst + (now - begin) / gcra.interval);
                if let Some(wait) = verdict.retry_after {
                    let mut later = kept;
                    prop_assert!(gcra.ask(&mut later, now + wait).retry_after.is_none());
                    let mut earlier = kept;
                    prop_assert!(gcra.ask(&mut earlier, now + wait - 1).retry_after.is_some());
                }
            }
        }
    }
}
