//! Something that is kept: how long it is fresh, what it is good for afterwards, and its tags.

use std::time::Duration;

use super::tag::{Since, Tag};
use crate::plan::Keep;
use crate::runtime::backend::{Directives, Reply};
use crate::time::Instant;

/// Something that is kept, or handed on to those who wait for it.
#[derive(Debug)]
pub struct Kept<T> {
    /// What.
    pub what: T,
    /// When it was made.
    pub stored_at: Instant,
    /// Until when it may be used unasked.
    pub fresh_until: Instant,
    revalidate_until: Instant,
    stand_in_until: Instant,
    pub(super) tags: Vec<Tag>,
    pub(super) since: Since,
}

/// Until when something kept is good for what, from when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) fresh: Duration,
    pub(super) revalidate: Duration,
    pub(super) stand_in: Duration,
}

/// What something kept is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To be used.
    Fresh,
    /// To be used while a fresh one is made.
    WhileRevalidating,
    /// To be used where no fresh one can be made.
    IfError,
    /// For nothing.
    None,
}

impl<T> Kept<T> {
    /// Made just now; begun at `since`.
    pub fn new(what: T, keep: Keep, tags: Vec<Tag>, since: Since) -> Self {
        let stored_at = Instant::now();
        let fresh_until = stored_at + keep.ttl;
        Self {
            what,
            stored_at,
            fresh_until,
            revalidate_until: fresh_until + keep.stale_while_revalidate,
            stand_in_until: fresh_until + keep.stale_if_error,
            tags,
            since,
        }
    }

    /// What was kept elsewhere, and is `age` old by now. `None` where this clock does not reach back so far.
    pub(super) fn found(what: T, age: Duration, terms: Terms, tags: Vec<Tag>, since: Since) -> Option<Self> {
        let stored_at = Instant::now().checked_sub(age)?;
        let until = |it: Duration| stored_at.checked_add(it);
        Some(Self {
            what,
            stored_at,
            fresh_until: until(terms.fresh)?,
            revalidate_until: until(terms.revalidate)?,
            stand_in_until: until(terms.stand_in)?,
            tags,
            since,
        })
    }

    /// How long it is good for what.
    pub(super) fn terms(&self) -> Terms {
        let behind = |it: Instant| it.saturating_duration_since(self.stored_at);
        Terms {
            fresh: behind(self.fresh_until),
            revalidate: behind(self.revalidate_until),
            stand_in: behind(self.stand_in_until),
        }
    }

    /// How old it is.
    pub fn age(&self) -> Duration {
        Instant::now().saturating_duration_since(self.stored_at)
    }

    /// What it is good for now.
    pub fn good_for(&self) -> Use {
        let now = Instant::now();
        if now < self.fresh_until {
            Use::Fresh
        } else if now < self.revalidate_until {
            Use::WhileRevalidating
        } else if now < self.stand_in_until {
            Use::IfError
        } else {
            Use::None
        }
    }

    /// For how many seconds it is fresh, less than none where it is stale.
    pub fn seconds_left(&self) -> i64 {
        let now = Instant::now();
        let seconds = |it: Duration| i64::try_from(it.as_secs()).unwrap_or(i64::MAX);
        if now < self.fresh_until {
            seconds(self.fresh_until - now)
        } else {
            -seconds(now - self.fresh_until)
        }
    }

    /// What directives that hold for it say now. What is made of something stale is not kept itself.
    pub(super) fn aged(&self, directives: Directives) -> Directives {
        let fresh_for = match self.good_for() {
            Use::Fresh => directives.fresh_for.map(|it| it.saturating_sub(self.age())),
            Use::WhileRevalidating | Use::IfError | Use::None => Some(Duration::ZERO),
        };
        Directives {
            fresh_for,
            ..directives
        }
    }
}

impl Kept<Reply> {
    /// The reply, and what its backend says of it by now.
    pub(in crate::runtime) fn reply(&self) -> Reply {
        Reply {
            body: self.what.body.clone(),
            directives: self.aged(self.what.directives),
        }
    }
}

/// How long something may be kept after all; `None` where not at all (semantics.md 5.8).
pub fn lifetime(directives: Directives, keep: Keep) -> Option<Keep> {
    let Directives {
        no_store,
        no_stale,
        fresh_for,
    } = directives;
    let ttl = fresh_for.map_or(keep.ttl, |it| it.min(keep.ttl));
    let stale = |it| if no_stale { Duration::ZERO } else { it };
    (!no_store && !ttl.is_zero()).then(|| Keep {
        ttl,
        stale_while_revalidate: stale(keep.stale_while_revalidate),
        stale_if_error: stale(keep.stale_if_error),
        ..keep
    })
}
