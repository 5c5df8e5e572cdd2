//! What all workers know of one backend: who may call, how often again, how long it usually takes.
//!
//! Its parts are pure state machines over atomics, in files of their own; time is passed in. A guard outlives reloads as far
//! as its settings stay the same.
//! Invariant: every call that a breaker let in is recorded or forgotten, also where its future is dropped.

mod breaker;
mod budget;
mod latency;
mod limit;
mod report;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use self::breaker::{Admission, Breaker, State, Ticket, Verdict};
pub use self::budget::Budget;
pub use self::latency::Latency;
pub use self::limit::{Full, Limiter, Taken};
pub use self::report::{describe, publish};
pub use self::window::Window;
use super::balance::Balancer;
use super::feed::Feed;
use super::mirror::Mirrored;
use super::quiet::Quiet;
use super::token::Tokens;
use super::{Failure, Reply};
use crate::plan::{self, BackendIndex, MethodIndex, Target};
use crate::time::{Deadline, Instant};

/// The guards of all backends of a plan, by [`BackendIndex`].
#[derive(Clone, Debug, Default)]
pub struct Guards(Vec<Arc<Guard>>);

/// What all workers know of one backend.
#[derive(Debug)]
pub struct Guard {
    /// The backend's name.
    pub name: Arc<str>,
    /// Its targets.
    pub balancer: Arc<Balancer>,
    /// Those that the gateway file names.
    written: Vec<Target>,
    /// Who names others.
    pub feeds: Vec<Arc<Feed>>,
    /// Pays for retries and hedges.
    pub budget: Arc<Budget>,
    /// Its places; `None` where there is any number.
    pub limiter: Option<Arc<Limiter>>,
    /// By [`MethodIndex`].
    pub methods: Vec<Arc<Method>>,
    /// What happened.
    pub counts: Arc<Counts>,
    /// What became of copies of its calls; `None` where it has no mirror.
    pub mirrored: Option<Arc<Mirrored>>,
    /// The token that its calls carry; `None` where they carry none.
    pub tokens: Option<Arc<Tokens>>,
    said_open: Quiet,
    said_full: Quiet,
}

/// How long it is not said again that calls are kept back.
const QUIET: Duration = Duration::from_secs(10);

/// What all workers know of one method.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: Arc<str>,
    /// `None` where it is always asked.
    pub breaker: Option<Breaker>,
    /// Its usual time.
    pub latency: Latency,
}

/// How often what happened at one backend.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each has its help text where it is published")]
pub struct Counts {
    pub retries: AtomicU64,
    pub hedges: AtomicU64,
    pub hedges_won: AtomicU64,
    pub over_budget: AtomicU64,
    pub moves: AtomicU64,
    pub failovers: AtomicU64,
    /// What says that the backend may not serve any more what it said.
    pub doubts: Arc<AtomicU64>,
    pub refused_open: AtomicU64,
    pub refused_full: AtomicU64,
    pub not_begun: AtomicU64,
    pub no_token: AtomicU64,
}

/// A call that a breaker let in. Dropped without [`Going::end`], it was out of time or nobody wanted it any more.
#[derive(Debug)]
pub struct Going<'g> {
    guard: &'g Guard,
    method: Option<&'g Method>,
    ticket: Option<Ticket>,
    started: Instant,
    deadline: Deadline,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

// === impl Guards ===

impl Guards {
    /// The guards of a plan's backends. What `previous` knows is kept where the settings are the same.
    pub fn build(backends: &[plan::Backend], previous: Option<&Self>) -> Self {
        let now = Instant::now();
        let guard = |backend: &plan::Backend| {
            let known = previous
                .into_iter()
                .flat_map(|it| &it.0)
                .find(|it| it.name == backend.name);
            Arc::new(Guard::new(backend, known.map(|it| &**it), now))
        };
        Self(backends.iter().map(guard).collect())
    }

    /// The guard of a backend; `None` where it belongs to another plan.
    pub fn get(&self, index: BackendIndex) -> Option<&Arc<Guard>> {
        self.0.get(index.0)
    }

    /// Puts in place for each what its sources said last.
    pub fn refresh(&self) {
        let now = Instant::now();
        self.iter().for_each(|it| it.refresh(now));
    }

    /// All of them, in the order of the plan.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Guard>> {
        self.0.iter()
    }
}

// === impl Guard ===

impl Guard {
    /// The guard of a backend, with what `known` knows as far as the settings are the same.
    pub fn new(backend: &plan::Backend, known: Option<&Self>, now: Instant) -> Self {
        let protection = &backend.protection;
        let budget = known
            .map(|it| &it.budget)
            .filter(|it| it.settings() == protection.budget);
        let balancer = known.map(|it| &it.balancer).filter(|it| it.suits(backend));
        let balancer = balancer.cloned().unwrap_or_else(|| Arc::new(Balancer::new(backend)));
        let feeds = backend.sources.iter().map(|source| {
            let mut of_known = known.into_iter().flat_map(|it| &it.feeds);
            let same = of_known.find(|it| it.source == *source);
            same.cloned().unwrap_or_else(|| Arc::new(Feed::new(source.clone())))
        });
        let limiter = known.and_then(|it| it.limiter.as_ref());
        let limiter = limiter.filter(|it| Some(it.settings()) == protection.limit);
        let methods = backend.methods.iter().map(|name| {
            let known = known.into_iter().flat_map(|it| &it.methods).find(|it| it.name == *name);
            let same = known.filter(|it| it.breaker.as_ref().map(Breaker::settings) == protection.breaker);
            same.cloned().unwrap_or_else(|| {
                Arc::new(Method {
                    name: name.clone(),
                    breaker: protection.breaker.map(|it| Breaker::new(it, now)),
                    latency: Latency::new(now),
                })
            })
        });
        let guard = Self {
            name: backend.name.clone(),
            balancer,
            written: backend.targets.clone(),
            feeds: feeds.collect(),
            budget: budget
                .cloned()
                .unwrap_or_else(|| Arc::new(Budget::new(protection.budget, now))),
            limiter: match (limiter, protection.limit) {
                (Some(same), _) => Some(same.clone()),
                (None, settings) => settings.map(|it| Arc::new(Limiter::new(it, now))),
            },
            methods: methods.collect(),
            counts: known.map(|it| it.counts.clone()).unwrap_or_default(),
            mirrored: backend.mirror.as_ref().map(|_| {
                let mirrored = known.and_then(|it| it.mirrored.clone());
                mirrored.unwrap_or_default()
            }),
            tokens: backend.auth.as_ref().map(|it| {
                let known = known.and_then(|it| it.tokens.as_ref());
                Tokens::new(it, known)
            }),
            said_open: Quiet::default(),
            said_full: Quiet::default(),
        };
        // Where somebody has yet to say for the first time where it is, what is known stays until then.
        if guard.feeds.iter().all(|it| it.heard().asked) {
            guard.refresh(now);
        }
        guard
    }

    /// Puts in place what is written and what the sources said last.
    pub fn refresh(&self, now: Instant) {
        let mut targets = self.written.clone();
        for target in self.feeds.iter().flat_map(|it| it.heard().targets) {
            // Who is named twice is one target.
            if !targets.iter().any(|it| it.is_same(&target)) {
                targets.push(target);
            }
        }
        self.balancer.replace(&targets, now);
    }

    /// Who named a target: a source as it is written, or else the gateway file.
    fn origin(&self, target: &Target) -> &str {
        let is_here = |all: &[Target]| all.iter().any(|it| it.is_same(target));
        if is_here(&self.written) {
            return "gateway file";
        }
        let feed = self.feeds.iter().find(|it| is_here(&it.heard().targets));
        feed.map_or("", |it| &it.source.written)
    }

    /// The method of a name.
    pub fn method_named(&self, name: &str) -> Option<MethodIndex> {
        self.methods.iter().position(|it| *it.name == *name).map(MethodIndex)
    }

    /// What is known of a method.
    pub fn method(&self, index: MethodIndex) -> Option<&Method> {
        self.methods.get(index.0).map(|it| &**it)
    }

    /// Whether half of a method's replies take longer than this. Counts where it is so: the call is not begun then.
    pub fn is_usually_longer(&self, method: MethodIndex, left: Duration) -> bool {
        let usual = self
            .method(method)
            .and_then(|it| it.latency.quantile(Instant::now(), 50));
        let longer = usual.is_some_and(|it| it > left);
        if longer {
            count(&self.counts.not_begun);
        }
        longer
    }

    /// Takes a place for a call. Fails with `Crowded` where none will be free soon, unless it is `patient`.
    pub async fn enter(&self, patient: bool) -> Result<Option<Taken<'_>>, Failure> {
        let Some(limiter) = &self.limiter else { return Ok(None) };
        limiter.enter(patient).await.map(Some).map_err(|Full| {
            self.keep_back(&self.counts.refused_full, &self.said_full, "crowded");
            Failure::crowded()
        })
    }

    /// Whether a call would find no room. Counts where it is so.
    pub fn is_full(&self) -> bool {
        let full = self.limiter.as_ref().is_some_and(|it| it.is_full());
        if full {
            self.keep_back(&self.counts.refused_full, &self.said_full, "crowded");
        }
        full
    }

    /// Asks the breaker of a method. Fails with `Open`.
    pub fn admit(&self, method: MethodIndex, deadline: Deadline, now: Instant) -> Result<Going<'_>, Failure> {
        let method = self.method(method);
        let ticket = match method.and_then(|it| it.breaker.as_ref()) {
            None => None,
            Some(breaker) => match breaker.admit(now) {
                Admission::Allow(ticket) => Some(ticket),
                Admission::Refuse(left) => {
                    self.keep_back(&self.counts.refused_open, &self.said_open, "breaker_open");
                    return Err(Failure::open(left));
                }
            },
        };
        Ok(Going {
            guard: self,
            method,
            ticket,
            started: now,
            deadline,
        })
    }

    /// Counts a call that is not sent, and says so now and then: a line for each would be a flood when there is the least room
    /// for it.
    fn keep_back(&self, counter: &AtomicU64, said: &Quiet, reason: &'static str) {
        count(counter);
        if said.is_over(QUIET) {
            let so_far = counter.load(Ordering::Relaxed);
            tracing::warn!(backend = &*self.name, reason, so_far, "calls are not sent");
        }
    }
}

// === impl Going ===

impl Going<'_> {
    /// It has ended.
    pub fn end(mut self, now: Instant, result: &Result<Reply, Failure>) {
        let took = now.saturating_duration_since(self.started);
        if result.is_ok() {
            if let Some(method) = self.method {
                method.latency.record(now, took);
            }
            if let Some(limiter) = &self.guard.limiter {
                limiter.record(now, took);
            }
        }
        // A method that is gone, or a reply that is none.
        if result.as_ref().is_err_and(Failure::is_doubtful) {
            count(&self.guard.counts.doubts);
        }
        match result {
            // The backend has not looked at it: that says nothing about the method.
            Err(failure) if failure.is_unseen() => {}
            _ => self.record(now, result.as_ref().is_err_and(Failure::is_trouble), took),
        }
    }

    fn record(&mut self, now: Instant, failed: bool, took: Duration) {
        if let (Some(breaker), Some(ticket)) = (self.method.and_then(|it| it.breaker.as_ref()), self.ticket.take()) {
            breaker.record(ticket, Verdict { failed, took }, now);
        }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let now = Instant::now();
        if now >= self.deadline.instant() {
            self.record(now, true, now.saturating_duration_since(self.started));
        } else if let Some(breaker) = self.method.and_then(|it| it.breaker.as_ref()) {
            breaker.forget(ticket);
        }
    }
}
