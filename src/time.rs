//! Time: the only file that reads a system clock.
//!
//! Deadlines and durations use tokio's clock, so that tests pause it; calendar time is derived from it, so that it moves with it.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// The instant by which something has to be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// The earlier of this deadline and one `timeout` from now.
    #[must_use]
    pub fn capped(self, timeout: Duration) -> Self {
        Self(self.0.min(Instant::now() + timeout))
    }

    /// The instant.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// The time since 1970, as the system clock said when it was first asked, moved on by tokio's clock.
pub fn since_epoch() -> Duration {
    static START: OnceLock<(Instant, Duration)> = OnceLock::new();
    let now = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    let (then, at) = START.get_or_init(|| {
        (
            now,
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    });
    *at + now.saturating_duration_since(*then)
}
