//! Stops asking who fails too often, and asks again with care.
//!
//! One word holds the state, so that workers change it without a lock. Pure: time comes in, nothing goes out.
//! Invariant: what a call says counts only in the period in which it was let in; while half open at most
//! [`plan::Breaker::probes`] calls are under way or have succeeded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::window::Window;
use crate::plan;
use crate::time::Instant;

/// The breaker of one method of one backend.
#[derive(Debug)]
pub struct Breaker {
    settings: plan::Breaker,
    began: Instant,
    word: AtomicU64,
    /// Calls, failed ones, slow ones.
    window: Window<3, 10>,
    n_opened: AtomicU64,
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Lets them pass and counts.
    Closed,
    /// Lets a few pass to see whether things are better.
    HalfOpen,
    /// Refuses them.
    Open,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is made, and its end is told with the ticket.
    Allow(Ticket),
    /// It is not; trying is of no use before this long.
    Refuse(Duration),
}

/// Says in which period a call was let in. To be handed back with [`Breaker::record`] or [`Breaker::forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    period: u64,
    probe: bool,
}

/// How a call went, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The backend's fault.
    pub failed: bool,
    /// To the whole reply, or to the failure.
    pub took: Duration,
}

/// The word taken apart. Instants are milliseconds since the breaker was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    // ## Closed => (Open)
    Closed,
    // ## HalfOpen => (Closed | Open)
    HalfOpen { admitted: u64, succeeded: u64 },
    // ## Open => (HalfOpen)
    Open { until: u64 },
}

const HALF: u64 = 19;
const HALF_MASK: u64 = (1 << HALF) - 1;
const PAYLOAD: u64 = 2 * HALF;
const PAYLOAD_MASK: u64 = (1 << PAYLOAD) - 1;

/// Period, phase and what belongs to the phase, in one word.
fn pack(period: u64, phase: Phase) -> u64 {
    let (tag, payload) = match phase {
        Phase::Closed => (0, 0),
        Phase::HalfOpen { admitted, succeeded } => (1, (admitted & HALF_MASK) << HALF | (succeeded & HALF_MASK)),
        Phase::Open { until } => (2, until.min(PAYLOAD_MASK)),
    };
    period << (PAYLOAD + 2) | tag << PAYLOAD | payload
}

fn unpack(word: u64) -> (u64, Phase) {
    let payload = word & PAYLOAD_MASK;
    let phase = match word >> PAYLOAD & 3 {
        0 => Phase::Closed,
        1 => Phase::HalfOpen {
            admitted: payload >> HALF,
            succeeded: payload & HALF_MASK,
        },
        _ => Phase::Open { until: payload },
    };
    (word >> (PAYLOAD + 2), phase)
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: plan::Breaker, now: Instant) -> Self {
        Self {
            settings,
            began: now,
            word: AtomicU64::new(pack(0, Phase::Closed)),
            window: Window::new(settings.window, now),
            n_opened: AtomicU64::new(0),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> plan::Breaker {
        self.settings
    }

    /// What it does at the moment.
    pub fn state(&self) -> State {
        match unpack(self.word.load(Ordering::Acquire)).1 {
            Phase::Closed => State::Closed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Open { .. } => State::Open,
        }
    }

    /// How often it has opened.
    pub fn n_opened(&self) -> u64 {
        self.n_opened.load(Ordering::Relaxed)
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves to another phase; false where somebody else was faster.
    fn turn(&self, from: u64, to: u64) -> bool {
        let turned = self
            .word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        turned.is_ok()
    }

    /// Asks whether a call may be made.
    pub fn admit(&self, now: Instant) -> Admission {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let (period, phase) = unpack(word);
            let (next, ticket) = match phase {
                Phase::Closed => return Admission::Allow(Ticket { period, probe: false }),
                Phase::Open { until } => {
                    let left = until.saturating_sub(self.millis(now));
                    if left > 0 {
                        return Admission::Refuse(Duration::from_millis(left));
                    }
                    let phase = Phase::HalfOpen {
                        admitted: 1,
                        succeeded: 0,
                    };
                    (pack(period + 1, phase), period + 1)
                }
                Phase::HalfOpen { admitted, .. } if admitted >= u64::from(self.settings.probes) => {
                    return Admission::Refuse(Duration::ZERO);
                }
                Phase::HalfOpen { admitted, succeeded } => {
                    let phase = Phase::HalfOpen {
                        admitted: admitted + 1,
                        succeeded,
                    };
                    (pack(period, phase), period)
                }
            };
            if self.turn(word, next) {
                // The period as it comes back out of the word, which has no room for more of it.
                let period = unpack(pack(ticket, Phase::Closed)).0;
                return Admission::Allow(Ticket { period, probe: true });
            }
        }
    }

    /// A call was given up for a reason that says nothing about the backend.
    pub fn forget(&self, ticket: Ticket) {
        if !ticket.probe {
            return;
        }
        loop {
            let word = self.word.load(Ordering::Acquire);
            let (period, Phase::HalfOpen { admitted, succeeded }) = unpack(word) else {
                return;
            };
            let phase = Phase::HalfOpen {
                admitted: admitted.saturating_sub(1),
                succeeded,
            };
            if period != ticket.period || self.turn(word, pack(period, phase)) {
                return;
            }
        }
    }

    /// A call has ended.
    pub fn record(&self, ticket: Ticket, verdict: Verdict, now: Instant) {
        let slow = self.settings.slow.is_some_and(|it| verdict.took > it.over);
        let bad = verdict.failed || slow;
        let open = || Phase::Open {
            until: self.millis(now + self.settings.open_for),
        };
        loop {
            let word = self.word.load(Ordering::Acquire);
            let (period, phase) = unpack(word);
            if period != ticket.period {
                return;
            }
            let next = match phase {
                Phase::Open { .. } => return,
                Phase::Closed => {
                    self.window.add(now, [1, i64::from(verdict.failed), i64::from(slow)]);
                    if !bad || !self.is_too_much(now) {
                        return;
                    }
                    open()
                }
                Phase::HalfOpen { .. } if bad => open(),
                Phase::HalfOpen { admitted, succeeded } if succeeded + 1 < u64::from(self.settings.probes) => {
                    let succeeded = succeeded + 1;
                    if self.turn(word, pack(period, Phase::HalfOpen { admitted, succeeded })) {
                        return;
                    }
                    continue;
                }
                Phase::HalfOpen { .. } => Phase::Closed,
            };
            if self.turn(word, pack(period + 1, next)) {
                // Nobody counts while it is not closed: it begins anew with an empty window.
                self.window.clear();
                if matches!(next, Phase::Open { .. }) {
                    self.n_opened.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            if phase == Phase::Closed {
                // Somebody else opened it; this call was counted.
                return;
            }
        }
    }

    fn is_too_much(&self, now: Instant) -> bool {
        let [calls, failed, slow] = self.window.sums(now);
        let reaches = |part: i64, percent: u32| part * 100 >= calls * i64::from(percent);
        calls >= i64::from(self.settings.min_calls)
            && (reaches(failed, self.settings.failures) || self.settings.slow.is_some_and(|it| reaches(slow, it.calls)))
    }
}

#[cfg(test)]
mod tests;
