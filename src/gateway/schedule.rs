//! When backends with reflection are asked again what they serve.
//!
//! Pure: time comes in. Invariant: nobody is asked more often than the floor, or the pause behind a failure, allows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::time::Instant;

/// The shortest time between two questions, whatever puts an answer in doubt.
const FLOOR: Duration = Duration::from_secs(10);
/// Doubts that change nothing are asked about half as often each time, down to this.
const SELDOM: Duration = Duration::from_mins(5);
/// After a question that was not answered; twice as long each further time, up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

/// When whom to ask.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    by_backend: BTreeMap<Arc<str>, Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// After how long whatever happens; `None` is never.
    refresh: Option<Duration>,
    /// How many doubts there were.
    doubts: u64,
    n_failed: u32,
    /// Questions in a row that a doubt led to and that found nothing new.
    n_in_vain: u32,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    New,
    Nothing,
    Silence,
}

impl Schedule {
    /// Has these backends, and no others; those that are new have been asked just now, with this outcome.
    pub(super) fn follow(&mut self, backends: impl Iterator<Item = (Arc<str>, Option<Duration>, Found)>, now: Instant) {
        let mut before = std::mem::take(&mut self.by_backend);
        for (name, refresh, found) in backends {
            let asked = before.remove(&name).unwrap_or(Asked {
                at: now,
                refresh,
                doubts: 0,
                n_failed: 0,
                n_in_vain: 0,
            });
            self.by_backend.insert(name.clone(), Asked { refresh, ..asked });
            self.asked(&name, found, None, now);
        }
    }

    /// Whom to ask now.
    pub(super) fn due(&self, now: Instant, doubts: impl Fn(&str) -> u64) -> Vec<Arc<str>> {
        let due = self
            .by_backend
            .iter()
            .filter(|(name, it)| it.at + it.pause(doubts(name)) <= now);
        due.map(|(name, _)| name.clone()).collect()
    }

    /// Somebody was asked. `doubts` is how many there had been before the question; `None` where nobody looked.
    pub(super) fn asked(&mut self, name: &str, found: Found, doubts: Option<u64>, now: Instant) {
        let Some(asked) = self.by_backend.get_mut(name) else {
            return;
        };
        let was_doubted = doubts.is_some_and(|it| it != asked.doubts);
        asked.at = now;
        asked.doubts = doubts.unwrap_or(asked.doubts);
        asked.n_failed = if found == Found::Silence { asked.n_failed + 1 } else { 0 };
        asked.n_in_vain = match found {
            Found::Nothing if was_doubted => asked.n_in_vain + 1,
            Found::New => 0,
            Found::Nothing | Found::Silence => asked.n_in_vain,
        };
    }
}

impl Asked {
    /// How long after the last question the next one is.
    fn pause(&self, doubts: u64) -> Duration {
        if self.n_failed > 0 {
            return doubled(PAUSE, self.n_failed - 1).min(LONGEST);
        }
        let refresh = self.refresh.unwrap_or(Duration::MAX);
        if doubts == self.doubts {
            // Far away, and yet something that can be added to a time.
            return refresh.min(Duration::from_hours(24 * 366));
        }
        doubled(FLOOR, self.n_in_vain).min(SELDOM).min(refresh.max(FLOOR))
    }
}

fn doubled(pause: Duration, times: u32) -> Duration {
    pause.saturating_mul(1 << times.min(16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(refresh: Option<Duration>, found: Found, now: Instant) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.follow([("shop".into(), refresh, found)].into_iter(), now);
        schedule
    }

    fn is_due(schedule: &Schedule, now: Instant, doubts: u64) -> bool {
        !schedule.due(now, |_| doubts).is_empty()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_answered_is_asked_by_the_timer_or_when_in_doubt() {
        let start = Instant::now();
        let schedule = schedule(Some(60 * SECOND), Found::New, start);
        assert!(!is_due(&schedule, start + 59 * SECOND, 0));
        assert!(is_due(&schedule, start + 60 * SECOND, 0));
        assert!(!is_due(&schedule, start + 9 * SECOND, 1));
        assert!(is_due(&schedule, start + 10 * SECOND, 1));
    }

    #[test]
    fn without_a_timer_only_doubts_lead_to_questions() {
        let start = Instant::now();
        let schedule = schedule(None, Found::New, start);
        assert!(!is_due(&schedule, start + 1_000_000 * SECOND, 0));
        assert!(is_due(&schedule, start + 10 * SECOND, 1));
    }

    #[test]
    fn doubts_in_vain_are_asked_about_less_and_less() {
        let mut now = Instant::now();
        let mut schedule = schedule(Some(3600 * SECOND), Found::New, now);
        for (n, wanted) in [10, 20, 40, 80, 160, 300, 300].into_iter().enumerate() {
            let doubts = n as u64 + 1;
            assert!(!is_due(&schedule, now + (wanted - 1) * SECOND, doubts), "{wanted}");
            assert!(is_due(&schedule, now + wanted * SECOND, doubts), "{wanted}");
            now += wanted * SECOND;
            schedule.asked("shop", Found::Nothing, Some(doubts), now);
        }
        schedule.asked("shop", Found::New, Some(8), now);
        assert!(is_due(&schedule, now + 10 * SECOND, 9));
    }

    #[test]
    fn who_is_silent_is_asked_soon_and_then_less_often() {
        let mut now = Instant::now();
        let mut schedule = schedule(Some(300 * SECOND), Found::Silence, now);
        for wanted in [1, 2, 4, 8, 15, 15] {
            assert!(!is_due(&schedule, now + (wanted * SECOND).mul_f32(0.9), 3), "{wanted}");
            assert!(is_due(&schedule, now + wanted * SECOND, 3), "{wanted}");
            now += wanted * SECOND;
            schedule.asked("shop", Found::Silence, Some(3), now);
        }
    }

    proptest! {
        /// Whatever happens, no two questions to a backend that answers are nearer than the floor, or than its timer where
        /// that is shorter.
        #[test]
        fn the_floor_holds(
            steps in proptest::collection::vec((0_u64..40, any::<bool>(), any::<bool>()), 1..200),
            refresh in proptest::option::of(1_u32..500),
        ) {
            let mut now = Instant::now();
            let floor = FLOOR.min(refresh.map_or(FLOOR, |it| it * SECOND));
            let mut schedule = schedule(refresh.map(|it| it * SECOND), Found::New, now);
            let (mut last, mut doubts) = (now, 0);
            for (seconds, doubted, news) in steps {
                now += Duration::from_secs(seconds);
                doubts += u64::from(doubted);
                if is_due(&schedule, now, doubts) {
                    prop_assert!(now - last >= floor);
                    last = now;
                    schedule.asked("shop", if news { Found::New } else { Found::Nothing }, Some(doubts), now);
                }
            }
        }
    }
}
