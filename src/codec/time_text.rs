//! google.protobuf.Timestamp and Duration as text (RFC 3339, `1.5s`), both ways, with the ranges of their .proto files.
//!
//! Writes the one canonical form: UTC, and 0, 3, 6 or 9 digits of a second. Reads what proto3 JSON says a parser must
//! accept, and refuses what it says must be refused (lower-case `t` and `z`, a missing offset, more than nine digits).
//! Invariant: whatever the writers write, the parsers read back as the same seconds and nanoseconds.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::DecodeError;
use super::escape;
use super::number::{eight_digits_of, text_of_pairs, write_u64};
use super::wire;

/// 0001-01-01T00:00:00Z.
pub const MIN_TIMESTAMP_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
pub const MAX_TIMESTAMP_SECONDS: i64 = 253_402_300_799;
/// About 10,000 years, in either direction.
pub const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

const NANOS: i32 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Appends a timestamp, without quotes. [`DecodeError::Range`] before year 1, after year 9999, and where `nanos` is not
/// a part of a second.
///
/// ```
/// let mut out = Vec::new();
/// weft::codec::time_text::write_timestamp(1, 500_000_000, &mut out).unwrap();
/// assert_eq!(out, b"1970-01-01T00:00:01.500Z");
/// ```
pub fn write_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    const SPAN: u64 = MAX_TIMESTAMP_SECONDS.abs_diff(MIN_TIMESTAMP_SECONDS);
    // Since year 1, so that nothing is negative; what was before wraps around to far behind the last year.
    let since = seconds.wrapping_sub(MIN_TIMESTAMP_SECONDS).cast_unsigned();
    let nanos = nanos.cast_unsigned();
    if since > SPAN || nanos >= NANOS.unsigned_abs() {
        return Err(DecodeError::Range);
    }
    // At most 3.7 million days, and 86,399 seconds of the last.
    let days = since / 86_400;
    let second = wire::uint32(since.wrapping_sub(days.wrapping_mul(86_400)));
    let (year, month, day) = civil_since_year_1(wire::uint32(days));
    let (century, minute) = (year / 100, second / 60);
    let hour = minute / 60;
    let date = text_of_pairs([century, year.wrapping_sub(century.wrapping_mul(100)), month, day]);
    let minute_of_hour = minute.wrapping_sub(hour.wrapping_mul(60));
    let time = text_of_pairs([hour, minute_of_hour, second.wrapping_sub(minute.wrapping_mul(60)), 0]);
    // Put together in registers; the first character is the lowest byte.
    let until_month = date & 0xffff_ffff | (date >> 32 & 0xffff) << 40 | u64::from_le_bytes(*b"\0\0\0\0-\0\0-");
    let until_minute =
        date >> 48 | (time & 0xffff) << 24 | (time >> 16 & 0xffff) << 48 | u64::from_le_bytes(*b"\0\0T\0\0:\0\0");
    let until_second = (time >> 32 & 0xffff) << 8 | u64::from(b':');
    let start = u128::from(until_month) | u128::from(until_minute) << 64;
    out.extend_from_slice(&start.to_le_bytes());
    let millis = nanos / 1_000_000;
    if nanos == 0 {
        let end = until_second | u64::from(b'Z') << 24;
        escape::put_first(out, &end.to_le_bytes(), 4);
    } else if nanos == millis.wrapping_mul(1_000_000) {
        let hundreds = millis / 100;
        let digits = text_of_pairs([hundreds, millis.wrapping_sub(hundreds.wrapping_mul(100)), 0, 0]);
        // Of the first pair only the second digit counts.
        let end = until_second | (digits >> 8 & 0x00ff_ffff) << 32 | u64::from_le_bytes(*b"\0\0\0.\0\0\0Z");
        out.extend_from_slice(&end.to_le_bytes());
    } else {
        let (fraction, length) = fraction_and_zulu(nanos);
        let end = u128::from(until_second) | fraction << 24;
        escape::put_first(out, &end.to_le_bytes(), length);
    }
    Ok(())
}

/// What stands behind the seconds where there are parts of a millisecond, the first character lowest; and how many
/// characters follow the minutes.
#[inline(never)]
fn fraction_and_zulu(nanos: u32) -> (u128, usize) {
    let digits = u128::from(u64::from_le_bytes(eight_digits_of(u64::from(nanos / 10))));
    let digits = digits << 8 | u128::from(digit(nanos)) << 72 | u128::from(b'.');
    let (zulu, length) = if nanos.is_multiple_of(1000) { (56, 11) } else { (80, 14) };
    // The `Z` stands behind the point and the digits that count.
    (digits & !(u128::MAX << zulu) | u128::from(b'Z') << zulu, length)
}

/// Reads a timestamp: RFC 3339 with any offset, at most nine digits of a second, within the years 1 to 9999 in UTC.
/// Returns seconds since 1970 and nanoseconds (never negative).
///
/// ```
/// use weft::codec::time_text::parse_timestamp;
/// assert_eq!(parse_timestamp("1970-01-01T01:00:00.5+01:00"), Some((0, 500_000_000)));
/// assert_eq!(parse_timestamp("1970-01-01 00:00:00"), None);
/// ```
pub fn parse_timestamp(text: &str) -> Option<(i64, i32)> {
    let mut text = Scanner { rest: text.as_bytes() };
    let year = text.number(4)?;
    text.expect(b'-')?;
    let month = text.number(2)?;
    text.expect(b'-')?;
    let day = text.number(2)?;
    text.expect(b'T')?;
    let hour = text.number(2)?;
    text.expect(b':')?;
    let minute = text.number(2)?;
    text.expect(b':')?;
    let second = text.number(2)?;
    let nanos = text.fraction()?;
    let offset = text.offset()?;
    let known = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !text.rest.is_empty() || !known || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_since_1970(year, month, day)
        .checked_mul(SECONDS_PER_DAY)?
        .checked_add(seconds_of_day(hour, minute, second))?
        .checked_sub(offset)?;
    (MIN_TIMESTAMP_SECONDS..=MAX_TIMESTAMP_SECONDS)
        .contains(&seconds)
        .then_some((seconds, nanos))
}

/// Appends a duration, without quotes. [`DecodeError::Range`] beyond ±315,576,000,000 s and where the two parts differ
/// in sign.
///
/// ```
/// let mut out = Vec::new();
/// weft::codec::time_text::write_duration(-1, -500_000_000, &mut out).unwrap();
/// assert_eq!(out, b"-1.500s");
/// ```
pub fn write_duration(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let in_range =
        seconds.unsigned_abs() <= MAX_DURATION_SECONDS.unsigned_abs() && nanos.unsigned_abs() < NANOS.unsigned_abs();
    if !in_range || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0) {
        return Err(DecodeError::Range);
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    write_u64(seconds.unsigned_abs(), out);
    write_fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    Ok(())
}

/// Reads a duration: digits, at most nine digits behind a point, `s`. Returns seconds and nanoseconds of one sign.
///
/// ```
/// use weft::codec::time_text::parse_duration;
/// assert_eq!(parse_duration("-1.5s"), Some((-1, -500_000_000)));
/// assert_eq!(parse_duration("1.5"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<(i64, i32)> {
    let mut text = Scanner { rest: text.as_bytes() };
    let negative = text.expect(b'-').is_some();
    let mut seconds: i64 = 0;
    let mut n_digits = 0_u32;
    while let Some(digit) = text.digit() {
        seconds = seconds.checked_mul(10)?.checked_add(i64::from(digit))?;
        n_digits = n_digits.saturating_add(1);
    }
    let nanos = text.fraction()?;
    text.expect(b's')?;
    if n_digits == 0 || !text.rest.is_empty() || seconds > MAX_DURATION_SECONDS {
        return None;
    }
    Some(if negative {
        (seconds.wrapping_neg(), nanos.wrapping_neg())
    } else {
        (seconds, nanos)
    })
}

/// Year, month and day of a day counted from 1970-01-01, for the years 1 to 9999; of other days they mean nothing.
pub fn civil(days: i64) -> (u32, u32, u32) {
    civil_since_year_1(u32::try_from(days.saturating_add(719_162)).unwrap_or(0).min(3_652_058))
}

/// Year, month and day of a day counted from 0001-01-01, up to year 9999.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the caller has checked the range: at most 3.7 million days"
)]
fn civil_since_year_1(days: u32) -> (u32, u32, u32) {
    // Counted from 0000-03-01, so that the leap day is the last of its year, and in quarters, as a year has a quarter more
    // than 365 days. After Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms":
    // one product holds a quotient in its upper half and, in its lower, the remainder as a fraction.
    let quarters = 4 * (days + 306) + 3;
    let century = quarters / 146_097;
    let product = 2_939_745 * u64::from((quarters % 146_097) | 3);
    let year_of_century = wire::uint32(product >> 32);
    let day_of_year = wire::uint32(product) / 2_939_745 / 4;
    let month_and_day = 2141 * day_of_year + 197_913;
    let march_month = month_and_day >> 16;
    let day = (month_and_day & 0xffff) / 2141 + 1;
    let next_year = day_of_year >= 306;
    let month = if next_year { march_month - 12 } else { march_month };
    (century * 100 + year_of_century + u32::from(next_year), month, day)
}

/// The inverse of [`civil`], for a date that exists in these years.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the year has four digits and month and day exist"
)]
pub fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    // One era is added before and taken off behind, because January of year 0 belongs to the year before.
    let year = year + 400 - u32::from(month <= 2);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i64::from(era * 146_097 + day_of_era) - 146_097 - 719_468
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "each part has two digits")]
fn seconds_of_day(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

/// The last digit of a number.
fn digit(number: u32) -> u8 {
    b'0' | u8::try_from(number % 10).unwrap_or(0)
}

/// Appends 0, 3, 6 or 9 digits behind a point.
fn write_fraction(nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    let mut text = *b".000000000";
    let mut rest = nanos;
    for place in text.iter_mut().skip(1).rev() {
        *place = digit(rest);
        rest /= 10;
    }
    let length = if nanos.is_multiple_of(1_000_000) {
        4
    } else if nanos.is_multiple_of(1000) {
        7
    } else {
        10
    };
    out.extend(text.iter().take(length));
}

/// Takes a text apart from the left.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        let (&first, rest) = self.rest.split_first()?;
        (first == byte).then(|| self.rest = rest)
    }

    #[inline]
    fn digit(&mut self) -> Option<u32> {
        let (&first, rest) = self.rest.split_first()?;
        let digit = first.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        self.rest = rest;
        Some(u32::from(digit))
    }

    /// Exactly `n_digits` digits, at most four.
    #[inline]
    fn number(&mut self, n_digits: usize) -> Option<u32> {
        let mut number: u32 = 0;
        for _ in 0..n_digits {
            number = number.wrapping_mul(10).wrapping_add(self.digit()?);
        }
        Some(number)
    }

    /// Nothing, or a point with one to nine digits.
    fn fraction(&mut self) -> Option<i32> {
        if self.expect(b'.').is_none() {
            return Some(0);
        }
        let mut nanos: i32 = 0;
        let mut unit = NANOS;
        while let Some(digit) = self.digit() {
            unit /= 10;
            if unit == 0 {
                return None;
            }
            nanos = nanos.checked_add(digit.cast_signed().checked_mul(unit)?)?;
        }
        (unit < NANOS).then_some(nanos)
    }

    /// `Z` or `±hh:mm`, in seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.expect(b'Z').is_some() {
            return Some(0);
        }
        let west = self.expect(b'-').is_some();
        if !west {
            self.expect(b'+')?;
        }
        let hour = self.number(2)?;
        self.expect(b':')?;
        let minute = self.number(2)?;
        if hour > 23 || minute > 59 {
            return None;
        }
        let seconds = seconds_of_day(hour, minute, 0);
        Some(if west { seconds.wrapping_neg() } else { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write_timestamp(seconds, nanos, &mut out)
            .ok()
            .map(|()| String::from_utf8(out).unwrap())
    }

    fn duration(seconds: i64, nanos: i32) -> Option<String> {
        let mut out = Vec::new();
        write_duration(seconds, nanos, &mut out)
            .ok()
            .map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn timestamps_have_one_form_and_are_read_back() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400, 1_000_000, "2000-02-29T00:00:00.001Z"),
            (951_868_800, 1_000, "2000-03-01T00:00:00.000001Z"),
            (4_107_542_399, 120_000_000, "2100-02-28T23:59:59.120Z"),
            (1_767_225_599, 0, "2025-12-31T23:59:59Z"),
            (MIN_TIMESTAMP_SECONDS, 0, "0001-01-01T00:00:00Z"),
            (MAX_TIMESTAMP_SECONDS, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(timestamp(seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse_timestamp(text), Some((seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_read_back() {
        let first = MIN_TIMESTAMP_SECONDS / SECONDS_PER_DAY;
        for day in 0..3_652_059 {
            let (year, month, date) = civil_since_year_1(day);
            assert_eq!(days_since_1970(year, month, date), first + i64::from(day));
        }
    }

    #[test]
    fn fractions_of_every_length_are_read_back() {
        for part in (0..1000).step_by(7).chain([1, 9, 10, 99, 100, 999]) {
            for unit in [1, 1000, 1_000_000] {
                let nanos = part * unit;
                let text = timestamp(1_767_225_599, nanos).unwrap();
                assert_eq!(parse_timestamp(&text), Some((1_767_225_599, nanos)), "{text}");
                let n_digits = [0, 3, 6, 9].into_iter().find(|&it| nanos % 10_i32.pow(9 - it) == 0);
                let point = usize::from(nanos != 0);
                assert_eq!(text.len(), 20 + point + n_digits.unwrap() as usize, "{text}");
            }
        }
    }

    #[test]
    fn timestamps_out_of_range_have_no_form() {
        for (seconds, nanos) in [
            (MIN_TIMESTAMP_SECONDS - 1, 0),
            (MAX_TIMESTAMP_SECONDS + 1, 0),
            (0, -1),
            (0, NANOS),
            (i64::MIN, 0),
            (i64::MAX, i32::MIN),
        ] {
            assert_eq!(timestamp(seconds, nanos), None);
        }
    }

    #[test]
    fn offsets_and_short_fractions_are_read() {
        for (text, seconds, nanos) in [
            ("1970-01-01T08:00:01+08:00", 1, 0),
            ("1969-12-31T16:00:01-08:00", 1, 0),
            ("1970-01-01T00:00:00-00:30", 1800, 0),
            ("1970-01-01T00:00:00.1Z", 0, 100_000_000),
            ("1970-01-01T00:00:00.123456789Z", 0, 123_456_789),
        ] {
            assert_eq!(parse_timestamp(text), Some((seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_timestamps_are_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01T00:00:00Zx",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-00-01T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "1970-04-31T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+0800",
            "１970-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations_have_one_form_and_are_read_back() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (0, -1, "-0.000000001s"),
            (-3, -1_000, "-3.000001s"),
            (MAX_DURATION_SECONDS, 999_999_999, "315576000000.999999999s"),
            (-MAX_DURATION_SECONDS, 0, "-315576000000s"),
        ] {
            assert_eq!(duration(seconds, nanos).as_deref(), Some(text));
            assert_eq!(parse_duration(text), Some((seconds, nanos)), "{text}");
        }
        assert_eq!(parse_duration("1.5s"), Some((1, 500_000_000)));
    }

    #[test]
    fn durations_out_of_range_have_no_form() {
        for (seconds, nanos) in [
            (MAX_DURATION_SECONDS + 1, 0),
            (i64::MIN, 0),
            (1, -1),
            (-1, 1),
            (0, NANOS),
            (0, i32::MIN),
        ] {
            assert_eq!(duration(seconds, nanos), None);
        }
    }

    #[test]
    fn texts_that_are_no_durations_are_refused() {
        for text in [
            "",
            "s",
            "1",
            "-s",
            ".5s",
            "1.s",
            "1.0000000000s",
            "1 s",
            "+1s",
            "1e3s",
            "1m",
            "1ss",
            "315576000001s",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
