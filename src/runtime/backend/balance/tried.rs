//! Whom a call was made to already.

use std::cell::Cell;

/// The targets that were tried for one call, by their place in the list.
#[derive(Debug, Default)]
pub struct Tried(Cell<u128>);

impl Tried {
    /// Notes a target. Those behind the first 128 are not remembered: of so many hardly one is chosen twice.
    pub fn note(&self, at: usize) {
        self.0.set(self.0.get() | bit(at));
    }

    /// Whether it was tried.
    pub fn has(&self, at: usize) -> bool {
        self.0.get() & bit(at) != 0
    }

    /// How many were tried.
    pub fn count(&self) -> usize {
        self.0.get().count_ones() as usize
    }
}

fn bit(at: usize) -> u128 {
    u32::try_from(at)
        .ok()
        .and_then(|it| 1_u128.checked_shl(it))
        .unwrap_or(0)
}
