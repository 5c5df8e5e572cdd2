//! The choice where targets have different weights.

use std::sync::Arc;

use super::{Balance, Dice, Member};
use crate::time::Instant;

/// A number near the golden ratio of 2^32: multiples of it spread evenly over all numbers (Knuth, TAOCP 3, §6.4).
const GOLDEN: u64 = 0x9e37_79b9;

/// Chooses one of those of `members` that stand in `among`.
pub(super) fn choose(
    policy: Balance,
    members: &[Arc<Member>],
    among: &[usize],
    now: Instant,
    (dice, turn, hash): (&Dice, usize, Option<u64>),
) -> Option<usize> {
    let member = |at: usize| members.get(at);
    let share = |at: usize| member(at).map_or(0.0, |it| f64::from(it.weight()) * it.share(now));
    match policy {
        // Weighted rendezvous: the score grows with the weight so that each target gets its share of the hashes, and only
        // what goes to it moves where a weight changes (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005).
        Balance::Hash if let Some(hash) = hash => {
            let score = |at: usize| member(at).map_or(0.0, |it| f64::from(it.weight()) / -unit(it.affinity(hash)).ln());
            among.iter().copied().max_by(|a, b| score(*a).total_cmp(&score(*b)))
        }
        // Turns fall evenly over the sum of the shares, so that even a few of them come out as the weights want it.
        Balance::RoundRobin => {
            let turn = u64::try_from(turn).unwrap_or_default().wrapping_mul(GOLDEN);
            drawn(among, share, unit(turn << 32))
        }
        // Two are drawn by their shares, so that where nothing is under way each gets its own.
        Balance::Hash | Balance::LeastRequest | Balance::Ewma => {
            let one = drawn(among, share, unit(dice.next()))?;
            let others: Vec<usize> = among.iter().copied().filter(|it| *it != one).collect();
            let Some(other) = drawn(&others, share, unit(dice.next())) else {
                return Some(one);
            };
            let cost = |at: usize| {
                let load = member(at).map_or(f64::MAX, |it| match policy {
                    Balance::Ewma => it.load.cost(now),
                    Balance::Hash | Balance::LeastRequest | Balance::RoundRobin => f64::from(it.n_active()),
                });
                load / share(at)
            };
            Some(if cost(other) < cost(one) { other } else { one })
        }
    }
}

/// The one on which `part` of the sum of the shares falls.
fn drawn(among: &[usize], share: impl Fn(usize) -> f64, part: f64) -> Option<usize> {
    let all: f64 = among.iter().map(|it| share(*it)).sum();
    let mut left = part * all;
    let found = among.iter().copied().find(|it| {
        left -= share(*it);
        left < 0.0
    });
    found.or_else(|| among.last().copied())
}

/// A number as a part of one, never nothing and never all.
#[expect(clippy::cast_precision_loss, reason = "a part of all numbers")]
fn unit(number: u64) -> f64 {
    ((number >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::super::mixed;
    use super::*;

    #[test]
    fn parts_lie_between_nothing_and_all() {
        for number in [0, 1, u64::MAX, mixed(7)] {
            let part = unit(number);
            assert!(part > 0.0 && part < 1.0, "{part}");
        }
    }
}
