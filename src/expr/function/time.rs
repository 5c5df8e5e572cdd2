//! Parts of instants (in UTC, by the proleptic Gregorian calendar) and of spans of time.

use super::super::eval::MISMATCH;
use super::super::program::Reason;
use super::super::value::Value;

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
    let (year, month, day) = civil(days);
    Ok(Value::Int(match part {
        Part::Date => day,
        Part::DayOfMonth => day - 1,
        // 1970-01-01 was a Thursday.
        Part::DayOfWeek => (days + 4).rem_euclid(7),
        Part::DayOfYear => days - days_before(year, 1, 1),
        Part::Hours => second / 3600,
        Part::Milliseconds => i64::from(nanos / 1_000_000),
        Part::Minutes => second / 60 % 60,
        Part::Month => month - 1,
        Part::Seconds => second % 60,
        Part::Year => year,
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

/// Year, month and day of a day since 1970-01-01. Years are counted from March, so that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to a date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (20_514, (2026, 3, 2)),
            (-719_162, (1, 1, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), date);
            assert_eq!(days_before(date.0, date.1, date.2), days);
        }
    }
}
