//! One call as one or more attempts: what is let through, repeated, hedged.
//!
//! Asks the [`Guard`] before every attempt and tells it how it went. What may be repeated at all the plan says
//! (`plan::Policy`); here is when. All attempts share the call's deadline, which the caller keeps by dropping the future.
//! Invariant: a second attempt begins only where the plan allows it and the budget pays for it.

mod pass;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt, select, select_all};

use super::balance::{Member, Readiness, Tried, Using};
use super::guard::{Guard, count};
use super::mirror::Mirror;
use super::{Attempt, Backend, Failure, Pushback, Reply, Request, Retry};
use crate::plan::{HedgeAfter, Policy, Target};
use crate::time::Instant;

pub use self::pass::{Ended, Lease, Unanswered};

/// One worker's way to one backend.
pub struct Guarded {
    guard: Arc<Guard>,
    /// Makes this worker's way to a target.
    make: Maker,
    ways: RefCell<Rc<Ways>>,
    dice: Dice,
    turn: Cell<usize>,
    others: Others,
}

/// Who gets calls of a backend besides itself.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// In its place, where none of its targets is fit.
    pub failover: Option<Rc<Guarded>>,
    /// As well.
    pub mirror: Option<Rc<Mirror>>,
}

/// Makes one worker's way to a target.
pub type Maker = Rc<dyn Fn(&Target) -> Rc<dyn Backend>>;

/// This worker's ways to the targets, in the order of the list that they were made for.
#[derive(Clone, Default)]
struct Ways {
    version: u64,
    members: Arc<Vec<Arc<Member>>>,
    all: Vec<Rc<dyn Backend>>,
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
    /// A way through a guard. Makes nothing yet.
    pub fn new(guard: Arc<Guard>, make: Maker, dice: Dice, others: Others) -> Self {
        Self {
            guard,
            make,
            ways: RefCell::default(),
            dice,
            turn: Cell::new(0),
            others,
        }
    }

    /// The same way, with what has changed around it: connections stay.
    #[must_use]
    pub fn renewed(&self, guard: Arc<Guard>, others: Others) -> Self {
        Self {
            guard,
            make: self.make.clone(),
            // Of no version: the list may be another balancer's.
            ways: RefCell::new(Rc::new(Ways {
                version: 0,
                ..Ways::clone(&self.ways.borrow())
            })),
            dice: self.dice.clone(),
            turn: self.turn.clone(),
            others,
        }
    }

    /// What all workers know of the backend.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// A number below `end` by chance; 0 where that is 0.
    pub fn draw(&self, end: u64) -> u64 {
        self.dice.below(end)
    }

    /// True so often, from 0 to 1.
    pub fn chance(&self, part: f64) -> bool {
        self.dice.chance(part)
    }

    /// The ways to the targets at the moment. Ways to targets that stay are kept; those of others end with their calls.
    fn ways(&self) -> Rc<Ways> {
        let before = self.ways.borrow().clone();
        // Asked before the list: where that changes in between, it is looked at once more than needed.
        let version = self.guard.balancer.version();
        if before.version == version {
            return before;
        }
        let members = self.guard.balancer.members();
        let way = |member: &Arc<Member>| {
            let known = before.members.iter().position(|it| it.target.is_same(&member.target));
            let known = known.and_then(|at| before.all.get(at));
            known.cloned().unwrap_or_else(|| (self.make)(&member.target))
        };
        let all = members.iter().map(way).collect();
        let fresh = Rc::new(Ways { version, members, all });
        self.ways.replace(fresh.clone());
        fresh
    }

    /// The targets at the moment, with this worker's ways to them.
    pub fn targets(&self) -> Vec<(Arc<Member>, Rc<dyn Backend>)> {
        let ways = self.ways();
        ways.members.iter().cloned().zip(ways.all.iter().cloned()).collect()
    }

    /// The way to one target, whether it is among those that are chosen from or not.
    pub fn way_to(&self, target: &Target) -> Rc<dyn Backend> {
        let ways = self.ways();
        let known = ways.members.iter().position(|it| it.target == *target);
        let known = known.and_then(|at| ways.all.get(at).cloned());
        known.unwrap_or_else(|| (self.make)(target))
    }

    /// Chooses a target, and has one connected that is not.
    fn choose(&self, ways: &Ways, tried: &Tried, hash: Option<u64>) -> Option<usize> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let n_ways = ways.all.len();
        if n_ways > 1 {
            // Not all at once: each call begins with at most one, and two are under way at most.
            let connecting = ways.all.iter().filter(|it| it.readiness() == Readiness::Connecting);
            let n_connecting = connecting.count();
            let mut in_turn = (0..n_ways).filter_map(|it| ways.all.get(turn.wrapping_add(it) % n_ways));
            let cold = in_turn.find(|it| it.readiness() == Readiness::Cold);
            if let Some(cold) = cold.filter(|_| n_connecting < 2) {
                cold.warm();
            }
        }
        let readiness = |at: usize| ways.readiness(at);
        let balancer = &self.guard.balancer;
        balancer.choose(&ways.members, tried, readiness, (&self.dice, turn, hash))
    }

    /// Makes one call, in as many attempts as its policy allows; at the backend that stands in where no target is fit.
    ///
    /// Cancel safety: dropping the future cancels the attempts under way.
    pub fn call<'c>(
        &'c self,
        request: &'c Request,
        attempt: Attempt,
        policy: Policy,
    ) -> impl Future<Output = Result<Reply, Failure>> + 'c {
        let mirror = self.others.mirror.as_ref();
        let copy = mirror.and_then(|it| it.begin(self, request, &attempt, policy));
        let asking = self.ask(request, attempt, policy);
        match copy {
            None => Either::Left(asking),
            // What is rare is boxed, so that every call's future stays small.
            Some(copy) => Either::Right(asking.inspect(|it| copy.tell(it)).boxed_local()),
        }
    }

    async fn ask(&self, request: &Request, attempt: Attempt, policy: Policy) -> Result<Reply, Failure> {
        if let Some(failover) = &self.others.failover
            && self.guard.balancer.is_lost(Instant::now())
        {
            count(&self.guard.counts.failovers);
            let policy = self.policy_at(failover, policy);
            return failover.call(request, attempt, policy).boxed_local().await;
        }
        if policy.retry.is_some() || policy.hedge.is_some() {
            self.guard.budget.deposit(Instant::now());
        }
        let tried = Tried::default();
        let mut result = match self.hedge_delay(policy) {
            None => self.attempt(request, &attempt, policy, &tried).await,
            // What is rare is boxed, so that every call's future stays small.
            Some(delay) => {
                let hedged = self.hedged(request, &attempt, policy, (&tried, delay));
                hedged.boxed_local().await
            }
        };
        let mut n_made = 1;
        loop {
            let failed = match result {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let Some(pause) = self.pause(&failed, policy, n_made, &attempt) else {
                return Err(failed);
            };
            count(&self.guard.counts.retries);
            tokio::time::sleep(pause).boxed_local().await;
            n_made += 1;
            let again = self.attempt(request, &attempt, policy, &tried);
            result = again.boxed_local().await;
        }
    }

    /// The policy of a call where another backend gets it.
    pub fn policy_at(&self, other: &Self, policy: Policy) -> Policy {
        let name = self.guard.method(policy.method).map(|it| &*it.name);
        let method = name.and_then(|it| other.guard.method_named(it));
        Policy {
            method: method.unwrap_or(policy.method),
            ..policy
        }
    }

    /// One attempt. What provably never arrived moves on to the next target, whatever it is, until every one was tried.
    async fn attempt(
        &self,
        request: &Request,
        attempt: &Attempt,
        policy: Policy,
        tried: &Tried,
    ) -> Result<Reply, Failure> {
        let was_sent = attempt.sent.is_marked();
        loop {
            let n_tried = tried.count();
            let (result, n_targets) = self.one(request, attempt, policy, tried).await;
            match result {
                Err(failure) if failure.retry == Retry::Always && !failure.is_ours() => {
                    if !was_sent {
                        attempt.sent.clear();
                    }
                    if tried.count() == n_tried || tried.count() >= n_targets {
                        return Err(failure);
                    }
                    count(&self.guard.counts.moves);
                }
                result => return result,
            }
        }
    }

    /// One request to one target, if there is room and the breaker lets it through; and how many targets there are.
    async fn one(
        &self,
        request: &Request,
        attempt: &Attempt,
        policy: Policy,
        tried: &Tried,
    ) -> (Result<Reply, Failure>, usize) {
        let place = match self.guard.enter().await {
            Ok(place) => place,
            Err(failure) => return (Err(failure), 0),
        };
        let mut now = Instant::now();
        let going = match self.guard.admit(policy.method, attempt.deadline, now) {
            Ok(going) => going,
            Err(failure) => return (Err(failure), 0),
        };
        let ways = self.ways();
        let mut chosen = self.choose(&ways, tried, attempt.hash);
        // Where none is connected, the first that is gets the call.
        while ways.all.len() > 1 && chosen.is_some_and(|it| ways.readiness(it) == Readiness::Connecting) {
            ways.connected().boxed_local().await;
            now = Instant::now();
            chosen = self.choose(&ways, tried, attempt.hash);
        }
        let Some((at, way)) = chosen.and_then(|at| Some((at, ways.all.get(at)?))) else {
            return (Err(Failure::no_target()), 0);
        };
        tried.note(at);
        let using = Using::begin(&ways.members, at, attempt.deadline, now);
        let result = way.call(request, attempt.clone()).await;
        let now = Instant::now();
        using.end(now, &result);
        going.end(now, &result);
        drop(place);
        (result, ways.all.len())
    }

    /// An attempt, and a second one beside it where the first is slow; the first reply counts, and the other is dropped.
    async fn hedged(
        &self,
        request: &Request,
        attempt: &Attempt,
        policy: Policy,
        (tried, delay): (&Tried, Duration),
    ) -> Result<Reply, Failure> {
        let mut first = pin!(self.attempt(request, attempt, policy, tried));
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
        let second = pin!(self.attempt(request, attempt, policy, tried));
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

// === impl Ways ===

impl Ways {
    fn readiness(&self, at: usize) -> Readiness {
        self.all.get(at).map_or(Readiness::Down, |it| it.readiness())
    }

    /// Waits until one of those that are connecting is done.
    async fn connected(&self) {
        let connecting = self.all.iter().filter(|it| it.readiness() == Readiness::Connecting);
        let each: Vec<_> = connecting.map(|it| it.connected()).collect();
        if !each.is_empty() {
            select_all(each).await;
        }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
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

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        mixed(state)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&self, end: u64) -> u64 {
        let wide = (u128::from(self.next()) * u128::from(end)) >> 64;
        u64::try_from(wide).unwrap_or_default()
    }

    /// True so often, from 0 to 1.
    pub fn chance(&self, part: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a part of a million")]
        let drawn = self.below(1_000_000) as f64;
        part >= 1.0 || drawn < part * 1e6
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

/// Spreads a number over all numbers (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) fn mixed(state: u64) -> u64 {
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
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
