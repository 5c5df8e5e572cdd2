//! Arithmetic and order (semantics.md 2.5): integers exactly, doubles as IEEE says, instants and spans of time.
//!
//! Invariant: integers are computed in 128 bits and checked against the bounds of the operation, so that nothing wraps.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

use super::super::program::{ArithmeticKind, Reason};
use super::super::value::{ListValue, Value};
use super::{LIST_TOO_LONG, MAX_LIST, MAX_TEXT, MISMATCH, TEXT_TOO_LONG, UNTYPED, blame, json, text};

const OVERFLOW: Reason = "integer overflow";
const TIME_RANGE: Reason = "a timestamp or duration is out of range";
const NANOS: i128 = 1_000_000_000;

/// Seconds of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Seconds of a duration, as duration.proto limits them.
const DURATION_SECONDS: RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

/// An integer as the nearest double.
#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is meant")]
pub(in crate::expr) fn to_double(value: i128) -> f64 {
    value as f64
}

/// The integer part of a double; none for what is no number, infinite or beyond 128 bits.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
pub(in crate::expr) fn truncated(value: f64) -> Option<i128> {
    (value.abs() < 1e38).then_some(value.trunc() as i128)
}

/// Any number as a double.
pub(in crate::expr) fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        _ => value.as_integer().map(to_double),
    }
}

pub(super) fn negate(value: &Value) -> Result<Value, Reason> {
    match value {
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Json(_) => {
            let negative = match json::untyped(value.clone()) {
                Value::Json(_) => Err(UNTYPED),
                scalar => negate(&scalar).map_err(|reason| blame(&[value], reason)),
            };
            json::from_scalar(&negative?)
        }
        _ => {
            let negative = -value.as_integer().ok_or(MISMATCH)?;
            i64::try_from(negative).map(Value::Int).map_err(|_| OVERFLOW)
        }
    }
}

/// One of `+ - * / %`. Integers beyond `bounds` overflow. JSON of unknown shape counts as the scalar it is.
pub(super) fn arithmetic(
    kind: ArithmeticKind,
    left: Value,
    right: Value,
    bounds: RangeInclusive<i128>,
) -> Result<Value, Reason> {
    let is_untyped = matches!(left, Value::Json(_)) || matches!(right, Value::Json(_));
    let (left, right) = (json::untyped(left), json::untyped(right));
    if let (Some(a), Some(b)) = (left.as_integer(), right.as_integer()) {
        let result = integers(kind, a, b)?;
        return if bounds.contains(&result) {
            Value::integer(result).ok_or(OVERFLOW)
        } else {
            Err(OVERFLOW)
        };
    }
    if let (Some(a), Some(b)) = (as_double(&left), as_double(&right)) {
        return Ok(Value::Double(match kind {
            ArithmeticKind::Add => a + b,
            ArithmeticKind::Divide => a / b,
            ArithmeticKind::Multiply => a * b,
            ArithmeticKind::Remainder => a % b,
            ArithmeticKind::Subtract => a - b,
        }));
    }
    let mismatch = if is_untyped { UNTYPED } else { MISMATCH };
    match (kind, left, right) {
        (ArithmeticKind::Add, Value::String(a), Value::String(b)) => {
            if a.len() + b.len() > MAX_TEXT {
                return Err(TEXT_TOO_LONG);
            }
            let mut joined = String::with_capacity(a.len() + b.len());
            joined.push_str(&a);
            joined.push_str(&b);
            text(joined)
        }
        (ArithmeticKind::Add, Value::Bytes(a), Value::Bytes(b)) => bytes(&a, &b),
        (ArithmeticKind::Add, Value::List(a), Value::List(b)) => lists(&a, &b),
        (kind, left, right) => {
            times(kind, &left, &right).map_err(|reason| if reason == MISMATCH { mismatch } else { reason })
        }
    }
}

fn integers(kind: ArithmeticKind, a: i128, b: i128) -> Result<i128, Reason> {
    match kind {
        ArithmeticKind::Add => Ok(a + b),
        ArithmeticKind::Subtract => Ok(a - b),
        ArithmeticKind::Multiply => a.checked_mul(b).ok_or(OVERFLOW),
        ArithmeticKind::Divide => a.checked_div(b).ok_or("division by zero"),
        ArithmeticKind::Remainder => a.checked_rem(b).ok_or("remainder of a division by zero"),
    }
}

fn bytes(a: &Bytes, b: &Bytes) -> Result<Value, Reason> {
    if a.len() + b.len() > MAX_TEXT {
        return Err(TEXT_TOO_LONG);
    }
    let mut joined = BytesMut::with_capacity(a.len() + b.len());
    joined.extend_from_slice(a);
    joined.extend_from_slice(b);
    Ok(Value::Bytes(joined.freeze()))
}

fn lists(a: &ListValue, b: &ListValue) -> Result<Value, Reason> {
    let joined: Vec<Value> = a.iter().chain(b.iter()).take(MAX_LIST + 1).collect();
    if joined.len() > MAX_LIST {
        Err(LIST_TOO_LONG)
    } else {
        Ok(Value::list(joined))
    }
}

/// Instants and spans of time.
fn times(kind: ArithmeticKind, left: &Value, right: &Value) -> Result<Value, Reason> {
    let sign = match kind {
        ArithmeticKind::Add => 1,
        ArithmeticKind::Subtract => -1,
        _ => return Err(MISMATCH),
    };
    let nanos = |seconds: i64, nanos: i32| i128::from(seconds) * NANOS + i128::from(nanos);
    match (left, right) {
        (Value::Timestamp(s, n), Value::Duration(t, m)) => timestamp(nanos(*s, *n) + sign * nanos(*t, *m)),
        (Value::Duration(s, n), Value::Timestamp(t, m)) if sign > 0 => timestamp(nanos(*s, *n) + nanos(*t, *m)),
        (Value::Timestamp(s, n), Value::Timestamp(t, m)) if sign < 0 => duration(nanos(*s, *n) - nanos(*t, *m)),
        (Value::Duration(s, n), Value::Duration(t, m)) => duration(nanos(*s, *n) + sign * nanos(*t, *m)),
        _ => Err(MISMATCH),
    }
}

/// An instant, from nanoseconds since 1970.
pub(in crate::expr) fn timestamp(nanos: i128) -> Result<Value, Reason> {
    let seconds = i64::try_from(nanos.div_euclid(NANOS))
        .ok()
        .filter(|it| TIMESTAMP_SECONDS.contains(it));
    let rest = i32::try_from(nanos.rem_euclid(NANOS)).map_err(|_| TIME_RANGE)?;
    seconds.map(|it| Value::Timestamp(it, rest)).ok_or(TIME_RANGE)
}

/// A span of time, from nanoseconds.
pub(in crate::expr) fn duration(nanos: i128) -> Result<Value, Reason> {
    let seconds = i64::try_from(nanos / NANOS)
        .ok()
        .filter(|it| DURATION_SECONDS.contains(it));
    let rest = i32::try_from(nanos % NANOS).map_err(|_| TIME_RANGE)?;
    seconds.map(|it| Value::Duration(it, rest)).ok_or(TIME_RANGE)
}

/// The order of two values; none where one of them is NaN. Numbers of every kind compare by what they are worth.
pub(in crate::expr) fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Reason> {
    if matches!(left, Value::Json(_)) || matches!(right, Value::Json(_)) {
        let (left, right) = (json::untyped(left.clone()), json::untyped(right.clone()));
        if matches!(left, Value::Json(_)) || matches!(right, Value::Json(_)) {
            return Err(UNTYPED);
        }
        return order(&left, &right).map_err(|reason| if reason == MISMATCH { UNTYPED } else { reason });
    }
    Ok(match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Timestamp(s, n), Value::Timestamp(t, m)) | (Value::Duration(s, n), Value::Duration(t, m)) => {
            Some((s, n).cmp(&(t, m)))
        }
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => order_with_double(b.as_integer().ok_or(MISMATCH)?, *a).map(Ordering::reverse),
        (a, Value::Double(b)) => order_with_double(a.as_integer().ok_or(MISMATCH)?, *b),
        (a, b) => Some(a.as_integer().ok_or(MISMATCH)?.cmp(&b.as_integer().ok_or(MISMATCH)?)),
    })
}

/// Compares exactly, without rounding the integer.
fn order_with_double(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    let Some(whole) = truncated(b) else {
        return Some(if b > 0.0 { Ordering::Less } else { Ordering::Greater });
    };
    // The integer parts decide; where they are equal, what is behind the point does.
    Some(
        a.cmp(&whole)
            .then_with(|| 0.0_f64.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ArithmeticKind::{Add, Divide, Multiply, Remainder, Subtract};

    #[test]
    fn numbers_of_every_kind_compare_by_worth() {
        let (big, exact) = (9_007_199_254_740_993_i64, 9_007_199_254_740_992.0);
        for (left, right, wanted) in [
            (Value::Int(1), Value::Double(1.0), Some(Ordering::Equal)),
            (Value::Int(1), Value::Double(1.5), Some(Ordering::Less)),
            (Value::Int(-1), Value::Double(-1.5), Some(Ordering::Greater)),
            (Value::Int(big), Value::Double(exact), Some(Ordering::Greater)),
            (Value::Double(exact), Value::Int(big), Some(Ordering::Less)),
            (Value::Uint(u64::MAX), Value::Int(-1), Some(Ordering::Greater)),
            (
                Value::Uint(u64::MAX),
                Value::Double(f64::INFINITY),
                Some(Ordering::Less),
            ),
            (Value::Int(0), Value::Double(f64::NAN), None),
            (Value::Json("5".into()), Value::Double(5.0), Some(Ordering::Equal)),
        ] {
            assert_eq!(order(&left, &right), Ok(wanted), "{left:?} {right:?}");
        }
        assert!(order(&Value::Int(1), &Value::from("1")).is_err());
        assert!(order(&Value::Json("{}".into()), &Value::Json("{}".into())).is_err());
    }

    #[test]
    fn integers_do_not_wrap() {
        let signed = i128::from(i64::MIN)..=i128::from(i64::MAX);
        let unsigned = 0..=i128::from(u64::MAX);
        for (kind, a, b, bounds, wanted) in [
            (Add, Value::Int(i64::MAX), Value::Int(1), &signed, None),
            (Add, Value::Int(i64::MAX), Value::Int(1), &unsigned, Some(1 << 63)),
            (Subtract, Value::Int(0), Value::Int(1), &unsigned, None),
            (Multiply, Value::Uint(u64::MAX), Value::Uint(u64::MAX), &unsigned, None),
            (Divide, Value::Int(i64::MIN), Value::Int(-1), &signed, None),
            (Divide, Value::Int(-7), Value::Int(2), &signed, Some(-3)),
            (Divide, Value::Int(1), Value::Int(0), &signed, None),
            (Remainder, Value::Int(-7), Value::Int(2), &signed, Some(-1)),
            (Remainder, Value::Int(1), Value::Int(0), &signed, None),
        ] {
            let result = arithmetic(kind, a.clone(), b.clone(), bounds.clone());
            assert_eq!(
                result.ok().and_then(|it| it.as_integer()),
                wanted,
                "{kind:?} {a:?} {b:?}"
            );
        }
    }
}
