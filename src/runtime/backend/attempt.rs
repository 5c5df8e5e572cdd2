//! One call as one or more attempts: what is let through, repeated, hedged.
//!
//! Asks the [`Guard`] before every attempt and tells it how it went. What may be repeated at all the plan says
//! ([`plan::Policy`]); here is when. All attempts share the call's deadline, which the caller keeps by dropping the future.
//! Invariant: a second attempt begins only where the plan allows it and the budget pays for it.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::guard::{Guard, count};
use super::{Attempt, Backend, Failure, Pushback, Reply, Request};
use crate::plan::{HedgeAfter, Policy};
use crate::time::Instant;

/// One worker's way to one backend.
#[derive(Debug)]
pub struct Guarded {
    backend: Rc<dyn Backend>,
    guard: Arc<Guard>,
    dice: Dice,
}

/// A source of chance that is cheap and can be foreseen in tests. Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice {
    state: Cell<u64>,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jitter {
    Full,
    Longest,
}

// === impl Guarded ===

impl Guarded {
    /// A way through a guard.
    pub fn new(backend: Rc<dyn Backend>, guard: Arc<Guard>, dice: Dice) -> Self {
        Self { backend, guard, dice }
    }

    /// What is behind the guard.
    pub fn backend(&self) -> &Rc<dyn Backend> {
        &self.backend
    }

    /// What all workers know of the backend.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Makes one call, in as many attempts as its policy allows.
    ///
    /// Cancel safety: dropping the future cancels the attempts under way.
    pub async fn call(&self, request: &Request, attempt: Attempt, policy: Policy) -> Result<Reply, Failure> {
        if policy.retry.is_some() || policy.hedge.is_some() {
            self.guard.budget.deposit(Instant::now());
        }
        let mut failure = match self.hedge_delay(policy) {
            None => self.attempt(request, &attempt, policy).await,
            Some(delay) => self.hedged(request, &attempt, policy, delay).await,
        };
        let mut n_made = 1;
        loop {
            let failed = match failure {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let Some(pause) = self.pause(&failed, policy, n_made, &attempt) else {
                return Err(failed);
            };
            count(&self.guard.counts.retries);
            tokio::time::sleep(pause).await;
            n_made += 1;
            failure = self.attempt(request, &attempt, policy).await;
        }
    }

    /// One attempt, if there is room and the breaker lets it through.
    async fn attempt(&self, request: &Request, attempt: &Attempt, policy: Policy) -> Result<Reply, Failure> {
        let _place = self.guard.enter().await?;
        let going = self.guard.admit(policy.method, attempt.deadline)?;
        let result = self.backend.call(request, attempt.clone()).await;
        going.end(&result);
        result
    }

    /// An attempt, and a second one beside it where the first is slow; the first reply counts, and the other is dropped.
    async fn hedged(
        &self,
        request: &Request,
        attempt: &Attempt,
        policy: Policy,
        delay: Duration,
    ) -> Result<Reply, Failure> {
        let mut first = pin!(self.attempt(request, attempt, policy));
        let slow = pin!(tokio::time::sleep(delay));
        match select(first.as_mut(), slow).await {
            Either::Left((result, _)) => return result,
            Either::Right(_) if self.guard.budget.withdraw(Instant::now()) => {}
            Either::Right(_) => {
                count(&self.guard.counts.over_budget);
                return first.await;
            }
        }
        count(&self.guard.counts.hedges);
        let second = pin!(self.attempt(request, attempt, policy));
        match select(first, second).await {
            Either::Left((Ok(reply), _)) => Ok(reply),
            Either::Left((Err(_), second)) => second.await.inspect(|_| count(&self.guard.counts.hedges_won)),
            Either::Right((Ok(reply), _)) => {
                count(&self.guard.counts.hedges_won);
                Ok(reply)
            }
            Either::Right((Err(_), first)) => first.await,
        }
    }

    fn hedge_delay(&self, policy: Policy) -> Option<Duration> {
        match policy.hedge?.after {
            HedgeAfter::Time(delay) => Some(delay),
            HedgeAfter::Percentile(percent) => {
                let method = self.guard.method(policy.method)?;
                method.latency.quantile(Instant::now(), i64::from(percent))
            }
        }
    }

    /// How long until the next attempt; `None` where there is none.
    fn pause(&self, failure: &Failure, policy: Policy, n_made: u32, attempt: &Attempt) -> Option<Duration> {
        let retry = policy.retry?;
        if n_made >= retry.attempts || !failure.may_pass() || !retry.codes.contains(failure.code) {
            return None;
        }
        let pause = match failure.pushback {
            Some(Pushback::Never) => return None,
            Some(Pushback::After(pause)) => pause,
            None => self.dice.part(retry.pause(n_made)),
        };
        if pause >= attempt.deadline.left() {
            return None;
        }
        let paid = self.guard.budget.withdraw(Instant::now());
        if !paid {
            count(&self.guard.counts.over_budget);
        }
        paid.then_some(pause)
    }
}

// === impl Dice ===

impl Dice {
    /// Different for every worker.
    pub fn random() -> Self {
        Self::seeded(rand::random())
    }

    /// The same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            state: Cell::new(seed),
            jitter: Jitter::Full,
        }
    }

    /// The same always, and every pause as long as it can be: for tests that say when something happens.
    pub fn longest() -> Self {
        Self {
            state: Cell::new(0),
            jitter: Jitter::Longest,
        }
    }

    /// The next number (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&self, end: u64) -> u64 {
        let wide = (u128::from(self.next()) * u128::from(end)) >> 64;
        u64::try_from(wide).unwrap_or_default()
    }

    /// A part of a pause: full jitter.
    pub fn part(&self, pause: Duration) -> Duration {
        match self.jitter {
            Jitter::Full => {
                let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
                Duration::from_nanos(self.below(nanos.saturating_add(1)))
            }
            Jitter::Longest => pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Parts lie between nothing and all, the same seed gives the same parts, and on average they are half.
        #[test]
        fn a_pause_is_cut_by_chance(seed in any::<u64>(), millis in 1_u64..10_000) {
            let pause = Duration::from_millis(millis);
            let (dice, same) = (Dice::seeded(seed), Dice::seeded(seed));
            let parts: Vec<Duration> = (0..500).map(|_| dice.part(pause)).collect();
            prop_assert!(parts.iter().all(|it| *it <= pause));
            prop_assert!(parts.iter().all(|it| *it == same.part(pause)));
            let mean = parts.iter().sum::<Duration>() / 500;
            prop_assert!(mean > pause * 2 / 5 && mean < pause * 3 / 5, "{mean:?} of {pause:?}");
        }
    }
}
