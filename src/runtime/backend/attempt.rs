//! One call as one or more attempts: what is let through, repeated, hedged.
//!
//! Asks the [`Guard`] before every attempt and tells it how it went. What may be repeated at all the plan says
//! (`plan::Policy`); here is when. All attempts share the call's deadline, which the caller keeps by dropping the future.
//! Invariant: a second attempt begins only where the plan allows it and the budget pays for it.

mod dice;
mod pass;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt, select, select_all};
use http::HeaderValue;

use super::balance::{Member, Readiness, Tried, Using};
use super::guard::{Guard, count};
use super::mirror::Mirror;
use super::token::Issuer;
use super::{Attempt, Backend, Failure, Pushback, Reply, Request, Retry};
use crate::plan::{HedgeAfter, Policy, Target};
use crate::time::{Deadline, Instant};

pub use self::dice::Dice;
pub(super) use self::dice::mixed;
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
    /// Who gives the token that its calls carry.
    pub issuer: Option<Issuer>,
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

    /// Who gives the token that its calls carry.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.others.issuer.as_ref()
    }

    /// What its calls carry as `authorization`; `None` where they carry nothing. Fails with `NoToken`.
    pub async fn token(&self, deadline: Deadline) -> Result<Option<Arc<HeaderValue>>, Failure> {
        let Some(issuer) = &self.others.issuer else {
            return Ok(None);
        };
        let token = match issuer.at_hand() {
            Some(token) => Ok(token),
            // What is rare is boxed, so that every call's future stays small.
            None => issuer.token(deadline).boxed_local().await,
        };
        token.map(Some).inspect_err(|_| count(&self.guard.counts.no_token))
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
                // It did not like what it was shown, and so has not looked at the rest.
                Err(_) if (policy.safe || policy.retry.is_some()) && tried.take_renewal() => {}
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
        // Before it takes a place: who gives tokens may be slow where the backend is not.
        let authorization = match self.token(attempt.deadline).await {
            Ok(authorization) => authorization,
            Err(failure) => return (Err(failure), 0),
        };
        let place = match self.guard.enter(attempt.patient).await {
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
        let result = way.call(request, attempt.clone().carrying(authorization.clone())).await;
        let now = Instant::now();
        using.end(now, &result);
        going.end(now, &result);
        drop(place);
        if result.as_ref().is_err_and(Failure::is_unauthenticated) {
            self.refused(authorization.as_deref(), tried);
        }
        (result, ways.all.len())
    }

    /// The backend did not accept the token that it was shown.
    fn refused(&self, authorization: Option<&HeaderValue>, tried: &Tried) {
        if let (Some(issuer), Some(sent)) = (&self.others.issuer, authorization)
            && issuer.refuse(sent)
        {
            tried.offer_renewal();
        }
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
