//! How many calls may be made twice: retries and hedges of one backend share it, so that they cannot add to its trouble.
//!
//! As Finagle's retry budget: each call pays in a part of a retry, each retry takes a whole one, and what was paid in or
//! taken is forgotten after the ttl. Pure: time comes in. Workers that take at the same moment may overdraw it by one each.

use super::window::Window;
use crate::plan;
use crate::time::Instant;

/// What one retry costs.
const RETRY: i64 = 100;

/// The budget of one backend.
#[derive(Debug)]
pub struct Budget {
    settings: plan::Budget,
    balance: Window<1, 10>,
    /// What may be taken within the ttl though nothing was paid in.
    reserve: i64,
}

impl Budget {
    /// A budget that nobody has used.
    pub fn new(settings: plan::Budget, now: Instant) -> Self {
        let seconds = settings.ttl.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, reason = "at most some millions")]
        let reserve = (f64::from(settings.min_per_second) * seconds).floor() as i64 * RETRY;
        Self {
            settings,
            balance: Window::new(settings.ttl, now),
            reserve,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> plan::Budget {
        self.settings
    }

    /// A call is made for the first time.
    pub fn deposit(&self, now: Instant) {
        self.balance.add(now, [i64::from(self.settings.percent)]);
    }

    /// Takes one retry, if there is one.
    pub fn withdraw(&self, now: Instant) -> bool {
        let enough = self.balance(now) >= RETRY;
        if enough {
            self.balance.add(now, [-RETRY]);
        }
        enough
    }

    /// Hundredths of a retry that may be taken.
    fn balance(&self, now: Instant) -> i64 {
        let [sum] = self.balance.sums(now);
        sum.saturating_add(self.reserve)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SETTINGS: plan::Budget = plan::Budget {
        percent: 20,
        min_per_second: 1,
        ttl: Duration::from_secs(10),
    };

    #[test]
    fn the_reserve_then_a_fifth_of_the_calls() {
        let now = Instant::now();
        let budget = Budget::new(SETTINGS, now);
        let taken = (0..50).filter(|_| budget.withdraw(now)).count();
        assert_eq!(taken, 10, "one a second for ten seconds");
        for _ in 0..14 {
            budget.deposit(now);
        }
        assert_eq!(
            [budget.withdraw(now), budget.withdraw(now), budget.withdraw(now)],
            [true, true, false]
        );
        assert!(
            budget.withdraw(now + Duration::from_secs(11)),
            "what was taken is forgotten"
        );
    }

    proptest! {
        /// With each retry, those of the last nine seconds are at most the reserve and the share of the calls of the last ten.
        #[test]
        fn retries_stay_a_share_of_the_calls(steps in prop::collection::vec((0_u64..500, any::<bool>()), 1..400)) {
            let start = Instant::now();
            let budget = Budget::new(SETTINGS, start);
            let (mut at, mut calls, mut taken) = (0, Vec::new(), Vec::new());
            for (pause, is_call) in steps {
                at += pause;
                let now = start + Duration::from_millis(at);
                if is_call {
                    budget.deposit(now);
                    calls.push(at);
                } else if budget.withdraw(now) {
                    taken.push(at);
                    let within = |all: &[u64], span: u64| all.iter().filter(|it| **it + span > at).count();
                    prop_assert!(within(&taken, 9_000) * 100 <= 10 * 100 + within(&calls, 10_000) * 20);
                }
            }
        }
    }
}
