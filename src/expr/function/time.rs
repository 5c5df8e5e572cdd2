//! Parts of instants (in UTC, by the proleptic Gregorian calendar) and of spans of time.

use super::super::eval::MISMATCH;
use super::super::program::Reason;
use super::super::value::Value;
use crate::codec::time_text;

const DAY: i64 = 86_400;

/// A part of an instant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Milliseconds,
    Minutes,
    Month,
    Seconds,
    Year,
}

/// A unit in which a span of time is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Hours,
    /// Only what is behind the second, as CEL says.
    Milliseconds,
    Minutes,
    Seconds,
}

pub(super) fn part(args: &[Value], part: Part) -> Result<Value, Reason> {
    let [Value::Timestamp(seconds, nanos)] = args else {
        return Err(MISMATCH);
    };
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let date = date(days);
    Ok(Value::Int(match part {
        Part::Date => date.day,
        Part::DayOfMonth => date.day - 1,
        // 1970-01-01 was a Thursday.
        Part::DayOfWeek => (days + 4).rem_euclid(7),
        Part::DayOfYear => date.day_of_year,
        Part::Hours => second / 3600,
        Part::Milliseconds => i64::from(nanos / 1_000_000),
        Part::Minutes => second / 60 % 60,
        Part::Month => date.month - 1,
        Part::Seconds => second % 60,
        Part::Year => date.year,
    }))
}

pub(super) fn whole(args: &[Value], unit: Unit) -> Result<Value, Reason> {
    let [Value::Duration(seconds, nanos)] = args else {
        return Err(MISMATCH);
    };
    Ok(Value::Int(match unit {
        Unit::Hours => seconds / 3600,
        Unit::Milliseconds => i64::from(nanos / 1_000_000),
        Unit::Minutes => seconds / 60,
        Unit::Seconds => *seconds,
    }))
}

/// A day as the calendar has it.
#[derive(Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// From 0.
    day_of_year: i64,
}

/// The date of a day since 1970-01-01. The calendar repeats every 400 years, so that any year is reckoned as one that text
/// can have.
fn date(days: i64) -> Date {
    let (era, days) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let (year, month, day) = time_text::civil(days);
    Date {
        year: i64::from(year) + era * 400,
        month: i64::from(month),
        day: i64::from(day),
        day_of_year: days - time_text::days_since_1970(year, 1, 1),
    }
}

const DAYS_OF_400_YEARS: i64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        for (days, year, month, day, day_of_year) in [
            (0, 1970, 1, 1, 0),
            (-1, 1969, 12, 31, 364),
            (11_016, 2000, 2, 29, 59),
            (20_514, 2026, 3, 2, 60),
            (-719_162, 1, 1, 1, 0),
            (-719_163, 0, 12, 31, 365),
            (2_932_896, 9999, 12, 31, 364),
            (2_932_897, 10_000, 1, 1, 0),
        ] {
            let expected = Date {
                year,
                month,
                day,
                day_of_year,
            };
            assert_eq!(date(days), expected);
        }
    }
}
