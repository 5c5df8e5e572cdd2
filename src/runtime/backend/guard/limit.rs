//! How many calls are under way at a backend at once, over all workers, and who waits for a place.
//!
//! A call that finds no place waits in line, as long as the line is short enough. Where the limit is adaptive it follows from
//! how long calls take (the gradient of Netflix's concurrency-limits): fewer places while they become slower.
//! Invariant: a place that becomes free is that of the first in line before anybody else sees it; it is given back when it is
//! dropped.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::plan;
use crate::time::Instant;

/// How often an adaptive limit is looked at.
const PERIOD_MILLIS: u64 = 100;
/// An adaptive limit never falls below.
const LEAST: f64 = 4.0;

/// The places of one backend.
#[derive(Debug)]
pub struct Limiter {
    settings: plan::Limit,
    n_places: AtomicU32,
    n_taken: AtomicU32,
    n_waiting: AtomicU32,
    free: Semaphore,
    /// How many of those that are taken are not given back: the limit became lower meanwhile.
    n_owed: AtomicU32,
    gradient: Option<Gradient>,
}

/// A place that a call has.
#[derive(Debug)]
pub struct Taken<'l>(&'l Limiter);

/// No place, and the line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
struct Waiting<'l>(&'l Limiter);

/// What an adaptive limit is made of.
#[derive(Debug)]
struct Gradient {
    began: Instant,
    /// Milliseconds since then at which it is looked at next.
    due: AtomicU64,
    micros: AtomicU64,
    n_ended: AtomicU64,
    /// Bits of [`Estimate`].
    places: AtomicU64,
    usual: AtomicU64,
}

/// How many places there should be, and how long calls usually take, microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    places: f64,
    usual: f64,
}

impl Limiter {
    /// All places are free.
    pub fn new(settings: plan::Limit, now: Instant) -> Self {
        // An adaptive limit begins low and grows as long as that makes nothing slower.
        let first = if settings.adaptive {
            settings.concurrency.min(20)
        } else {
            settings.concurrency
        };
        let gradient = Gradient {
            began: now,
            due: AtomicU64::new(PERIOD_MILLIS),
            micros: AtomicU64::new(0),
            n_ended: AtomicU64::new(0),
            places: AtomicU64::new(f64::from(first).to_bits()),
            usual: AtomicU64::new(0),
        };
        Self {
            settings,
            n_places: AtomicU32::new(first),
            n_taken: AtomicU32::new(0),
            n_waiting: AtomicU32::new(0),
            free: Semaphore::new(first as usize),
            n_owed: AtomicU32::new(0),
            gradient: settings.adaptive.then_some(gradient),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> plan::Limit {
        self.settings
    }

    /// How many calls may be under way at the moment.
    pub fn n_places(&self) -> u32 {
        self.n_places.load(Ordering::Relaxed)
    }

    /// How many are under way.
    pub fn n_taken(&self) -> u32 {
        self.n_taken.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub fn n_waiting(&self) -> u32 {
        self.n_waiting.load(Ordering::Relaxed)
    }

    /// Whether who is not patient would find no room.
    pub fn is_full(&self) -> bool {
        self.n_waiting() >= self.settings.queue && self.free.available_permits() == 0
    }

    /// Takes a place, or waits for one: also where the line is full, if it is `patient`.
    ///
    /// Cancel safety: who is dropped while waiting leaves the line, and hands on what it was given.
    pub async fn enter(&self, patient: bool) -> Result<Taken<'_>, Full> {
        if let Ok(place) = self.free.try_acquire() {
            return Ok(self.taken(place));
        }
        Box::pin(self.wait(patient)).await
    }

    async fn wait(&self, patient: bool) -> Result<Taken<'_>, Full> {
        let before = self.n_waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(self);
        if before >= self.settings.queue && !patient {
            return Err(Full);
        }
        // It is never closed.
        let place = self.free.acquire().await.map_err(|_| Full)?;
        Ok(self.taken(place))
    }

    fn taken<'l>(&'l self, place: SemaphorePermit<'l>) -> Taken<'l> {
        place.forget();
        self.n_taken.fetch_add(1, Ordering::Relaxed);
        Taken(self)
    }

    /// A call went well and took this long.
    pub fn record(&self, now: Instant, took: Duration) {
        let Some(gradient) = &self.gradient else { return };
        let Some(places) = gradient.record(now, took, self.n_taken(), self.settings.concurrency) else {
            return;
        };
        self.resize(places);
    }

    fn resize(&self, places: u32) {
        let before = self.n_places.swap(places, Ordering::Relaxed);
        if places < before {
            let gone = self.free.forget_permits((before - places) as usize);
            let owed = (before - places) - u32::try_from(gone).unwrap_or(u32::MAX);
            self.n_owed.fetch_add(owed, Ordering::Relaxed);
        }
        for _ in before..places {
            self.free_one();
        }
    }

    /// One more is free, unless it is owed.
    fn free_one(&self) {
        let less = |it: u32| it.checked_sub(1);
        let owed = self.n_owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if owed.is_err() {
            self.free.add_permits(1);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.n_taken.fetch_sub(1, Ordering::Relaxed);
        self.0.free_one();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.n_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Gradient ===

impl Gradient {
    /// Counts a call; once in each period, for one of the workers, gives how many places there are from here on.
    fn record(&self, now: Instant, took: Duration, n_taken: u32, most: u32) -> Option<u32> {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.n_ended.fetch_add(1, Ordering::Relaxed);
        let millis = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        let due = self.due.load(Ordering::Relaxed);
        if millis < due {
            return None;
        }
        let next = millis.saturating_add(PERIOD_MILLIS);
        let mine = self
            .due
            .compare_exchange(due, next, Ordering::AcqRel, Ordering::Relaxed);
        mine.ok()?;
        let (micros, n_ended) = (
            self.micros.swap(0, Ordering::Relaxed),
            self.n_ended.swap(0, Ordering::Relaxed),
        );
        #[expect(clippy::cast_precision_loss, reason = "a mean of times")]
        let mean = micros as f64 / n_ended.max(1) as f64;
        let before = Estimate {
            places: f64::from_bits(self.places.load(Ordering::Relaxed)),
            usual: f64::from_bits(self.usual.load(Ordering::Relaxed)),
        };
        let after = before.after(mean.max(1.0), n_taken, f64::from(most));
        self.places.store(after.places.to_bits(), Ordering::Relaxed);
        self.usual.store(after.usual.to_bits(), Ordering::Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from LEAST to `most`"
        )]
        let places = after.places as u32;
        Some(places)
    }
}

impl Estimate {
    /// What holds after a period in which calls took `mean` microseconds.
    fn after(self, mean: f64, n_taken: u32, most: f64) -> Self {
        const TOLERATED: f64 = 1.5;
        const PART: f64 = 0.2;
        if self.usual == 0.0 {
            return Self { usual: mean, ..self };
        }
        // What is usual moves slowly up, and down at once where things got better than it by far.
        let mut usual = self.usual * 0.98 + mean * 0.02;
        if usual > mean * 2.0 {
            usual *= 0.95;
        }
        if f64::from(n_taken) < self.places / 2.0 {
            // Whoever does not use the places learns nothing about more of them.
            return Self { usual, ..self };
        }
        let gradient = (TOLERATED * usual / mean).clamp(0.5, 1.0);
        let wanted = self.places * gradient + self.places.sqrt();
        let places = self.places * (1.0 - PART) + wanted * PART;
        Self {
            places: places.clamp(LEAST.min(most), most),
            usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    fn limiter(concurrency: u32, queue: u32) -> Limiter {
        let adaptive = false;
        let settings = plan::Limit {
            concurrency,
            queue,
            adaptive,
        };
        Limiter::new(settings, Instant::now())
    }

    #[test]
    fn who_finds_no_place_waits_in_line_and_the_line_is_short() {
        let limiter = limiter(1, 3);
        let first = limiter.enter(false).now_or_never().unwrap().unwrap();
        let mut line: Vec<_> = (0..3).map(|_| Box::pin(limiter.enter(false))).collect();
        assert!(line.iter_mut().all(|it| it.as_mut().now_or_never().is_none()));
        assert_eq!(limiter.enter(false).now_or_never().unwrap().unwrap_err(), Full);
        drop(line.pop());
        drop(first);
        assert!(
            limiter.enter(false).now_or_never().is_none(),
            "nobody overtakes who waits"
        );
        let second = line.remove(0).now_or_never().unwrap().unwrap();
        // Who is woken and leaves all the same wakes the next.
        let mut third = line.remove(0);
        let mut fourth = Box::pin(limiter.enter(false));
        assert!(fourth.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(second);
        drop(third);
        assert!(fourth.now_or_never().unwrap().is_ok());
        assert_eq!((limiter.n_taken(), limiter.n_waiting()), (0, 0));
    }

    proptest! {
        /// Whatever comes, leaves and gives up: never more than the places are taken, never more wait than may, and where
        /// somebody waits every place is taken.
        #[test]
        fn places_are_kept(steps in prop::collection::vec(0_usize..8, 1..120)) {
            let limiter = limiter(3, 2);
            let (mut inside, mut waiting) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    0..4 => {
                        let mut entering = Box::pin(limiter.enter(false));
                        match entering.as_mut().now_or_never() {
                            Some(Ok(taken)) => inside.push(taken),
                            Some(Err(Full)) => prop_assert_eq!(waiting.len(), 2),
                            None => waiting.push(entering),
                        }
                    }
                    4..7 if !inside.is_empty() => drop(inside.remove(step % inside.len())),
                    7 if !waiting.is_empty() => drop(waiting.remove(0)),
                    _ => {}
                }
                for mut entering in std::mem::take(&mut waiting) {
                    match entering.as_mut().now_or_never() {
                        Some(taken) => inside.push(taken.unwrap()),
                        None => waiting.push(entering),
                    }
                }
                prop_assert!(inside.len() <= 3 && (waiting.is_empty() || inside.len() == 3));
                prop_assert_eq!((limiter.n_taken() as usize, limiter.n_waiting() as usize), (inside.len(), waiting.len()));
            }
        }

        /// However often the limit changes while calls come and go: in the end there are as many places as it says.
        #[test]
        fn places_become_more_and_fewer(steps in prop::collection::vec((0_usize..3, 1_u32..9), 1..80)) {
            let limiter = limiter(5, 0);
            let mut inside = Vec::new();
            for (step, n) in steps {
                match step {
                    0 => limiter.resize(n),
                    1 => inside.extend(limiter.enter(false).now_or_never().unwrap().ok()),
                    _ => drop(inside.pop()),
                }
                let (taken, places) = (limiter.n_taken(), limiter.n_places());
                prop_assert_eq!(taken as usize, inside.len());
                prop_assert_eq!(limiter.is_full(), taken >= places, "{} of {}", taken, places);
            }
            inside.clear();
            let places = limiter.n_places();
            inside.extend((0..places).map(|_| limiter.enter(false).now_or_never().unwrap().unwrap()));
            prop_assert!(limiter.is_full());
        }

        /// The estimate stays in its bounds; steady times let it grow, times that become ever longer let it fall.
        #[test]
        fn an_adaptive_limit_follows_the_times(mean in 100.0_f64..1e6, most in 50_u32..1_000) {
            let most = f64::from(most);
            let mut estimate = Estimate { places: 20.0, usual: 0.0 };
            for _ in 0..400 {
                estimate = estimate.after(mean, u32::MAX, most);
            }
            prop_assert!((estimate.places - most).abs() < 1.0, "{estimate:?}");
            for _ in 0..30 {
                estimate = estimate.after(mean * 10.0, u32::MAX, most);
                prop_assert!(estimate.places >= LEAST && estimate.places <= most);
            }
            prop_assert!(estimate.places < most * 0.6, "{estimate:?}");
        }
    }
}
