//! How long a method usually takes: a histogram of the last half minute, shared by all workers.
//!
//! Buckets grow by a quarter of an octave, so that what is read is at most a fifth above what was. Pure: time comes in.

use std::time::Duration;

use super::window::Window;
use crate::time::Instant;

/// 16 µs to 67 s in quarters of octaves.
const BUCKETS: usize = 4 * 22;
const LEAST_LOG: u32 = 4;
const SPAN: Duration = Duration::from_secs(30);
/// Fewer replies say nothing.
const ENOUGH: i64 = 20;

/// The usual time of one method.
#[derive(Debug)]
pub struct Latency(Window<BUCKETS, 3>);

impl Latency {
    /// Nothing is known.
    pub fn new(now: Instant) -> Self {
        Self(Window::new(SPAN, now))
    }

    /// A reply took this long.
    pub fn record(&self, now: Instant, took: Duration) {
        self.0.count(now, bucket(took));
    }

    /// The time within which `percent` of the replies came; `None` where too few came lately.
    pub fn quantile(&self, now: Instant, percent: i64) -> Option<Duration> {
        let counts = self.0.sums(now);
        let total: i64 = counts.iter().sum();
        if total < ENOUGH {
            return None;
        }
        let mut so_far = 0;
        let at = counts.iter().position(|count| {
            so_far += count;
            so_far * 100 >= total * percent
        });
        at.map(upper_bound)
    }
}

/// The first bucket whose upper bound is not below.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1) - 1;
    if micros < 1 << LEAST_LOG {
        return 0;
    }
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    let at = u64::from(octave - LEAST_LOG) * 4 + quarter;
    usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let quarters = bucket as u64 % 4 + 5;
    Duration::from_micros(quarters << (bucket as u64 / 4 + u64::from(LEAST_LOG) - 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_replies_say_nothing_and_old_ones_are_forgotten() {
        let now = Instant::now();
        let latency = Latency::new(now);
        for _ in 0..19 {
            latency.record(now, Duration::from_millis(10));
        }
        assert_eq!(latency.quantile(now, 50), None);
        latency.record(now, Duration::from_millis(10));
        assert!(latency.quantile(now, 50).is_some());
        assert_eq!(latency.quantile(now + Duration::from_secs(41), 50), None);
    }

    proptest! {
        /// What is read lies above what was, by at most a quarter.
        #[test]
        fn a_quantile_is_at_most_a_quarter_too_high(mut times in prop::collection::vec(16_u64..60_000_000, 20..200), percent in 1_i64..100) {
            let now = Instant::now();
            let latency = Latency::new(now);
            for micros in &times {
                latency.record(now, Duration::from_micros(*micros));
            }
            times.sort_unstable();
            let rank = (times.len() * usize::try_from(percent).unwrap()).div_ceil(100);
            let exact = Duration::from_micros(times[rank - 1]);
            let read = latency.quantile(now, percent).unwrap();
            prop_assert!(read >= exact && read <= exact * 5 / 4 + Duration::from_micros(4), "{read:?} for {exact:?}");
        }
    }
}
