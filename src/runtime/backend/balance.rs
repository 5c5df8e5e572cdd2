//! Which target gets a call: what all workers know of the targets of one backend, and the choice among them.
//!
//! The list of targets may change at any time ([`Balancer::replace`]); who stays keeps what is known of it.
//! Invariant: a target that is out or sick is chosen only where too few others are left (panic), and one that was tried for
//! the same call only where no other is left.

mod ejection;
mod load;
mod tried;
mod weighted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use self::ejection::Ejection;
use self::load::Load;
pub use self::tried::Tried;
use super::attempt::mixed;
use super::{Dice, Failure, Reply};
use crate::plan::{self, Balance, Target};
use crate::time::{Deadline, Instant};

/// So many bad answers in a row make a target sick; one good one makes it well.
const BAD_ANSWERS: u32 = 2;
/// How long a target that came or came back gets less than its share.
const SLOW_START: Duration = Duration::from_secs(10);
/// The least part of its share that it gets.
const LEAST_SHARE: f64 = 0.1;

/// The targets of one backend.
#[derive(Debug)]
pub struct Balancer {
    policy: Balance,
    health: plan::Health,
    /// The gateway's own.
    zone: Option<Arc<str>>,
    members: ArcSwap<Vec<Arc<Member>>>,
    /// Counts the lists, from 1.
    version: AtomicU64,
    began: Instant,
    /// Milliseconds since then at which the targets are asked next how they are.
    due: AtomicU64,
}

/// What all workers know of one target.
#[derive(Debug)]
pub struct Member {
    /// Where it is.
    pub target: Target,
    /// Where it is reached, for logs and metrics.
    pub address: Arc<str>,
    /// Its share of the calls, in proportion to the others'.
    weight: AtomicU32,
    /// Who has less is asked first: priority, then zone.
    rank: u32,
    /// Stands for it, the same in every process.
    hash: u64,
    load: Load,
    /// The choice goes by how long its calls take.
    timed: bool,
    ejection: Option<Ejection>,
    sick: AtomicBool,
    /// Somebody hears from it how it is.
    watched: AtomicBool,
    /// Bad answers in a row.
    n_bad: AtomicU32,
    /// When it came; `None` where it was there from the beginning, when nobody is to get less than others.
    came: Option<Instant>,
}

/// A call under way at a target. Dropped without [`Using::end`], it was out of time or nobody wanted it any more.
#[derive(Debug)]
pub struct Using<'m> {
    members: &'m [Arc<Member>],
    at: usize,
    started: Instant,
    deadline: Deadline,
    ended: bool,
}

/// A target that somebody hears from how it is. Dropped, it is free for others.
#[derive(Debug)]
pub struct Watching(Arc<Member>);

/// Whether a worker has a connection to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It could not be reached a moment ago.
    Down,
    /// Nobody has tried.
    Cold,
    /// Somebody is trying.
    Connecting,
    /// It has, or needs none.
    Ready,
}

// === impl Balancer ===

impl Balancer {
    /// No targets yet.
    pub fn new(backend: &plan::Backend) -> Self {
        Self {
            policy: backend.balance,
            health: backend.health.clone(),
            zone: backend.zone.clone(),
            members: ArcSwap::default(),
            version: AtomicU64::new(1),
            began: Instant::now(),
            due: AtomicU64::new(0),
        }
    }

    /// Whether it can go on for this backend, after [`Self::replace`].
    pub fn suits(&self, backend: &plan::Backend) -> bool {
        self.policy == backend.balance && self.health == backend.health && self.zone == backend.zone
    }

    /// The targets at the moment.
    pub fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.load_full()
    }

    /// Another number whenever the targets are others; never 0.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts another list in place; who stands in both keeps what is known of it.
    pub fn replace(&self, targets: &[Target], now: Instant) {
        let before = self.members();
        let member = |target: &Target| {
            let known = before.iter().find(|it| it.target.is_same(target)).cloned();
            let member = known.unwrap_or_else(|| {
                let came = (!before.is_empty()).then_some(now);
                Arc::new(self.member(target, now, came))
            });
            member.weight.store(target.weight, Ordering::Relaxed);
            member
        };
        let members: Vec<_> = targets.iter().map(member).collect();
        let is_same = members.len() == before.len() && members.iter().zip(&*before).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            self.members.store(Arc::new(members));
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    fn member(&self, target: &Target, now: Instant, came: Option<Instant>) -> Member {
        let is_far = self.zone.is_some() && target.zone != self.zone;
        let address = target.address();
        Member {
            weight: AtomicU32::new(target.weight),
            rank: u32::from(target.priority) << 1 | u32::from(is_far),
            hash: hash_of(address.as_bytes()),
            address: address.into(),
            target: target.clone(),
            load: Load::new(now),
            timed: self.policy == Balance::Ewma,
            ejection: self.health.ejection.map(|it| Ejection::new(it, now)),
            sick: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            n_bad: AtomicU32::new(0),
            came,
        }
    }

    /// How often targets are asked how they are.
    pub fn health(&self) -> &plan::Health {
        &self.health
    }

    /// Whether it is for the caller to ask the targets how they are: of all workers one is told so in each interval.
    pub fn is_due(&self, now: Instant, interval: Duration) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let at = millis(now.saturating_duration_since(self.began));
        let due = self.due.load(Ordering::Relaxed);
        let next = at.saturating_add(millis(interval));
        at >= due
            && self
                .due
                .compare_exchange(due, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Whether no target is fit.
    pub fn is_lost(&self, now: Instant) -> bool {
        self.members.load().iter().all(|it| !it.is_fit(now))
    }

    /// Chooses one of `members`. `readiness` is what the worker knows; `turn` counts its choices; `hash` is what
    /// [`Balance::Hash`] goes by.
    pub fn choose(
        &self,
        members: &[Arc<Member>],
        tried: &Tried,
        readiness: impl Fn(usize) -> Readiness,
        (dice, turn, hash): (&Dice, usize, Option<u64>),
    ) -> Option<usize> {
        if members.len() < 2 {
            return (!members.is_empty()).then_some(0);
        }
        let now = Instant::now();
        let near = near(members, tried, &readiness, now);
        let is_near = |at: usize| near.is_none_or(|rank| members.get(at).is_some_and(|it| it.is_within(rank)));
        let n_fit = members.iter().filter(|it| it.is_fit(now)).count();
        let panic = near.is_none() && n_fit * 2 < members.len();
        let fit = |at: usize| is_near(at) && (panic || members.get(at).is_some_and(|it| it.is_fit(now)));
        let all = 0..members.len();
        // Who is fit and untried, of those who can be reached best; else who is untried; else anybody.
        // A hash stands for one target whether this worker has a connection already or not, unless it cannot be reached.
        let hash = hash.filter(|_| self.policy == Balance::Hash);
        let readiness = |at: usize| match readiness(at) {
            Readiness::Cold | Readiness::Connecting if hash.is_some() => Readiness::Ready,
            readiness => readiness,
        };
        let best = |wanted: &dyn Fn(usize) -> bool| all.clone().filter(|it| wanted(*it)).map(readiness).max();
        let fresh = |at: usize| fit(at) && !tried.has(at);
        let untried = |at: usize| !tried.has(at);
        if let Some(best) = best(&fresh) {
            return self.among(
                members,
                |at| fresh(at) && readiness(at) == best,
                now,
                (dice, turn, hash),
            );
        }
        if let Some(best) = best(&untried) {
            return self.among(
                members,
                |at| untried(at) && readiness(at) == best,
                now,
                (dice, turn, hash),
            );
        }
        self.among(members, |_| true, now, (dice, turn, hash))
    }

    fn among(
        &self,
        members: &[Arc<Member>],
        may: impl Fn(usize) -> bool,
        now: Instant,
        (dice, turn, hash): (&Dice, usize, Option<u64>),
    ) -> Option<usize> {
        let first = members.first().map_or(1, |it| it.weight());
        if members.iter().any(|it| it.weight() != first) {
            let chosen: Vec<usize> = (0..members.len()).filter(|it| may(*it)).collect();
            return weighted::choose(self.policy, members, &chosen, now, (dice, turn, hash));
        }
        let n = members.iter().enumerate().filter(|(at, _)| may(*at)).count();
        let nth = |n: usize| (0..members.len()).filter(|it| may(*it)).nth(n);
        let any = || nth(below(dice, n));
        if n < 2 {
            return nth(0);
        }
        let member = |at: usize| members.get(at);
        match self.policy {
            // The target whose hash with this one is the highest (Thaler and Ravishankar, "Using name-based mappings to
            // increase hit rates", 1998): where one comes or goes, only what was or will be its own moves.
            Balance::Hash if let Some(hash) = hash => (0..members.len())
                .filter(|it| may(*it))
                .max_by_key(|it| member(*it).map(|it| it.affinity(hash))),
            Balance::RoundRobin => {
                // Who is new gives its turn to the next, more often than not.
                let start = turn % n;
                let mut in_turn = (0..n).filter_map(|it| nth((start + it) % n));
                let kept = in_turn.find(|at| member(*at).is_some_and(|it| dice.chance(it.share(now))));
                kept.or_else(any)
            }
            Balance::Hash | Balance::LeastRequest | Balance::Ewma => {
                let one = below(dice, n);
                // Another one, each as likely as the next.
                let other = (one + 1 + below(dice, n - 1)) % n;
                let (one, other) = (nth(one)?, nth(other)?);
                let cost = |at: usize| member(at).map_or(f64::MAX, |it| it.cost(self.policy, now));
                Some(if cost(other) < cost(one) { other } else { one })
            }
        }
    }
}

/// The rank of those that are asked: of each priority first those of the gateway's zone, then all of it. They are asked as long
/// as at least half of them are fit, and one of them was not tried for this call and may be reached. `None` where all are
/// alike, or no rank is so.
fn near(members: &[Arc<Member>], tried: &Tried, readiness: &impl Fn(usize) -> Readiness, now: Instant) -> Option<u32> {
    let first = members.first()?.rank;
    if members.iter().all(|it| it.rank == first) {
        return None;
    }
    let mut ranks: Vec<u32> = members.iter().map(|it| it.rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    ranks.into_iter().find(|rank| {
        let of_rank = || members.iter().enumerate().filter(|(_, it)| it.is_within(*rank));
        let n_fit = of_rank().filter(|(_, it)| it.is_fit(now)).count();
        let may =
            |(at, it): (usize, &Arc<Member>)| it.is_fit(now) && !tried.has(at) && readiness(at) != Readiness::Down;
        n_fit * 2 >= of_rank().count() && of_rank().any(may)
    })
}

/// A number that stands for these bytes, the same in every process.
pub fn hash_of(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

fn below(dice: &Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).unwrap_or_default()
}

// === impl Member ===

impl Member {
    /// Neither out nor sick.
    pub fn is_fit(&self, now: Instant) -> bool {
        !self.is_sick() && !self.is_out(now)
    }

    /// Out of service for a while, since its calls failed.
    pub fn is_out(&self, now: Instant) -> bool {
        self.ejection.as_ref().is_some_and(|it| it.is_out(now))
    }

    /// It said that it does not serve, or nothing, when it was asked how it is.
    pub fn is_sick(&self) -> bool {
        self.sick.load(Ordering::Relaxed)
    }

    /// What it said when it was asked how it is. One bad answer may be chance.
    pub fn answered_health(&self, well: bool) {
        let n_bad = if well {
            0
        } else {
            self.n_bad.load(Ordering::Relaxed) + 1
        };
        self.n_bad.store(n_bad.min(BAD_ANSWERS), Ordering::Relaxed);
        self.sick.store(n_bad >= BAD_ANSWERS, Ordering::Relaxed);
    }

    /// What it says by itself about how it is, which is never chance.
    pub fn says_health(&self, well: bool) {
        self.n_bad.store(if well { 0 } else { BAD_ANSWERS }, Ordering::Relaxed);
        self.sick.store(!well, Ordering::Relaxed);
    }

    /// Says that the caller hears from it how it is, unless somebody does already.
    pub fn watch(self: &Arc<Self>) -> Option<Watching> {
        let is_free = !self.watched.swap(true, Ordering::AcqRel);
        is_free.then(|| Watching(self.clone()))
    }

    /// Whether it is asked where those of this rank are.
    fn is_within(&self, rank: u32) -> bool {
        self.rank >> 1 == rank >> 1 && self.rank <= rank
    }

    /// Calls under way.
    pub fn n_active(&self) -> u32 {
        self.load.n_active()
    }

    /// The part of its share that it gets: less for a while where it came or came back. Who is out is asked only where nobody
    /// can be spared, and then as everybody else.
    fn share(&self, now: Instant) -> f64 {
        let came = self.came.map(|it| now.saturating_duration_since(it));
        let back = self.ejection.as_ref().and_then(|it| it.back_for(now));
        let since = match (came, back) {
            (Some(came), Some(back)) => came.min(back),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return 1.0,
        };
        (since.as_secs_f64() / SLOW_START.as_secs_f64()).clamp(LEAST_SHARE, 1.0)
    }

    /// Its share of the calls, in proportion to the others'.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// How well it goes with a hash.
    fn affinity(&self, hash: u64) -> u64 {
        mixed(self.hash ^ mixed(hash))
    }

    fn cost(&self, policy: Balance, now: Instant) -> f64 {
        let cost = match policy {
            Balance::Ewma => self.load.cost(now),
            Balance::Hash | Balance::LeastRequest | Balance::RoundRobin => f64::from(self.load.n_active() + 1),
        };
        cost / self.share(now)
    }
}

// === impl Using ===

impl<'m> Using<'m> {
    /// A call begins at one of `members`.
    pub fn begin(members: &'m [Arc<Member>], at: usize, deadline: Deadline, now: Instant) -> Self {
        if let Some(member) = members.get(at) {
            member.load.begin();
        }
        Self {
            members,
            at,
            started: now,
            deadline,
            ended: false,
        }
    }

    /// It has ended.
    pub fn end(mut self, now: Instant, result: &Result<Reply, Failure>) {
        self.ended = true;
        let Some(member) = self.members.get(self.at) else {
            return;
        };
        if member.timed && result.is_ok() {
            member.load.measure(now, now.saturating_duration_since(self.started));
        }
        self.record(now, result.as_ref().is_err_and(Failure::is_trouble));
    }

    fn record(&self, now: Instant, failed: bool) {
        let ejection = self.members.get(self.at).and_then(|it| it.ejection.as_ref());
        let Some(ejection) = ejection else { return };
        ejection.record(now, failed, || {
            let others = self.members.iter().enumerate().filter(|(at, _)| *at != self.at);
            others
                .filter_map(|(_, it)| it.ejection.as_ref())
                .map(|it| it.lately(now))
                .fold([0, 0], |[calls, failed], [a, b]| [calls + a, failed + b])
        });
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.members.get(self.at) {
            member.load.end();
        }
        if self.ended {
            return;
        }
        let now = Instant::now();
        if now >= self.deadline.instant() {
            self.record(now, true);
        }
    }
}

// === impl Watching ===

impl Watching {
    /// The target.
    pub fn member(&self) -> &Arc<Member> {
        &self.0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watched.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
