//! Chance, as far as calls need it.

use std::cell::Cell;
use std::time::Duration;

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
    pub(in crate::runtime::backend) fn next(&self) -> u64 {
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
pub(in crate::runtime::backend) fn mixed(state: u64) -> u64 {
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
