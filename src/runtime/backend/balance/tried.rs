//! Whom a call was made to already, and whether its token was another one since.

use std::cell::Cell;

/// The targets that were tried for one call, by their place in the list.
#[derive(Debug, Default)]
pub struct Tried {
    targets: Cell<u128>,
    renewal: Cell<Renewal>,
}

/// Whether the call is made once more with another token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Renewal {
    /// The backend has accepted what it was shown.
    #[default]
    Unneeded,
    /// It has not, and another one may be had.
    Offered,
    /// That was done.
    Done,
}

impl Tried {
    /// Notes a target. Those behind the first 128 are not remembered: of so many hardly one is chosen twice.
    pub fn note(&self, at: usize) {
        self.targets.set(self.targets.get() | bit(at));
    }

    /// Whether it was tried.
    pub fn has(&self, at: usize) -> bool {
        self.targets.get() & bit(at) != 0
    }

    /// How many were tried.
    pub fn count(&self) -> usize {
        self.targets.get().count_ones() as usize
    }

    /// The backend did not accept the token, and another one may be had.
    pub fn offer_renewal(&self) {
        if self.renewal.get() == Renewal::Unneeded {
            self.renewal.set(Renewal::Offered);
        }
    }

    /// Whether the call is to be made with another token: true at most once.
    pub fn take_renewal(&self) -> bool {
        let offered = self.renewal.get() == Renewal::Offered;
        if offered {
            self.renewal.set(Renewal::Done);
        }
        offered
    }
}

fn bit(at: usize) -> u128 {
    u32::try_from(at)
        .ok()
        .and_then(|it| 1_u128.checked_shl(it))
        .unwrap_or(0)
}
