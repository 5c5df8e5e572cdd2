//! Days and months of UTC: when one begins and ends. Seconds since 1970.

use crate::codec::time_text::civil;
use crate::plan::Period;

const DAY: u64 = 86_400;

/// When the period around a moment began, and when it ends.
pub fn around(period: Period, now: u64) -> (u64, u64) {
    let day = now / DAY;
    match period {
        Period::Day => (day * DAY, (day + 1) * DAY),
        Period::Month => {
            let (_, _, of_month) = civil(i64::try_from(day).unwrap_or(i64::MAX));
            let first = day - u64::from(of_month.saturating_sub(1)).min(day);
            // The 32nd day from the first is in the next month, whatever month this is.
            let (_, _, behind) = civil(i64::try_from(first + 31).unwrap_or(i64::MAX));
            let next = first + 31 - u64::from(behind.saturating_sub(1));
            (first * DAY, next * DAY)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_begin_and_end_at_midnight() {
        // 2024-02-29T12:34:56Z, 2026-11-20T17:00:00Z, 2026-12-31T23:59:59Z.
        for (now, day, month) in [
            (
                1_709_210_096,
                (1_709_164_800, 1_709_251_200),
                (1_706_745_600, 1_709_251_200),
            ),
            (
                1_795_194_000,
                (1_795_132_800, 1_795_219_200),
                (1_793_491_200, 1_796_083_200),
            ),
            (
                1_798_761_599,
                (1_798_675_200, 1_798_761_600),
                (1_796_083_200, 1_798_761_600),
            ),
            (0, (0, DAY), (0, 31 * DAY)),
        ] {
            assert_eq!(around(Period::Day, now), day, "{now}");
            assert_eq!(around(Period::Month, now), month, "{now}");
        }
    }

    #[test]
    fn every_month_ends_where_the_next_begins() {
        let mut at = 0;
        for month in 0..2400 {
            let (from, to) = around(Period::Month, at);
            assert_eq!(from, at, "{month}");
            assert!((28 * DAY..=31 * DAY).contains(&(to - from)), "{month}");
            assert_eq!(around(Period::Month, to - 1), (from, to));
            at = to;
        }
    }
}
