//! Lines of the log that would come again and again: each at most once in a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Instant;

/// When something was said last, by any worker.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<Option<Instant>>);

impl Quiet {
    /// Whether it may be said again, for the first who asks after `pause`.
    pub(super) fn is_over(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = said.is_none_or(|it| now.saturating_duration_since(it) >= pause);
        if is_over {
            *said = Some(now);
        }
        is_over
    }
}
