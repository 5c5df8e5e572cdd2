//! Scalars from text to wire, shared by JSON, map keys, paths and queries. No function echoes what it was given.

use super::program::Scalar;
use crate::codec::base64::Digits;
use crate::codec::number;
use crate::codec::wire;

/// Which spellings of an integer are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Integers {
    /// Whatever has an integer value: `5`, `5.0`, `5e0`.
    Integral,
    /// Digits only, as in paths and queries.
    Plain,
}

/// Why text is not the scalar that was expected.
pub(in crate::codec) type Reason = &'static str;

/// Appends a number of any kind but an enum.
#[inline]
pub(in crate::codec) fn write_number(
    scalar: Scalar,
    text: &str,
    integers: Integers,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match scalar {
        Scalar::Double => out.extend_from_slice(&double(text)?.to_le_bytes()),
        Scalar::Fixed32 => out.extend_from_slice(&integer::<u32>(text, integers).ok_or(UINT32)?.to_le_bytes()),
        Scalar::Fixed64 => out.extend_from_slice(&integer::<u64>(text, integers).ok_or(UINT64)?.to_le_bytes()),
        Scalar::Float => out.extend_from_slice(&float(text)?.to_le_bytes()),
        Scalar::Int32 => wire::put_varint(out, wire::extend32(integer(text, integers).ok_or(INT32)?)),
        Scalar::Int64 => wire::put_varint(out, integer::<i64>(text, integers).ok_or(INT64)?.cast_unsigned()),
        Scalar::Sfixed32 => out.extend_from_slice(&integer::<i32>(text, integers).ok_or(INT32)?.to_le_bytes()),
        Scalar::Sfixed64 => out.extend_from_slice(&integer::<i64>(text, integers).ok_or(INT64)?.to_le_bytes()),
        Scalar::Sint32 => wire::put_varint(out, wire::zigzag32(integer(text, integers).ok_or(INT32)?)),
        Scalar::Sint64 => wire::put_varint(out, wire::zigzag64(integer(text, integers).ok_or(INT64)?)),
        Scalar::Uint32 => wire::put_varint(out, u64::from(integer::<u32>(text, integers).ok_or(UINT32)?)),
        Scalar::Uint64 => wire::put_varint(out, integer(text, integers).ok_or(UINT64)?),
        Scalar::Bool | Scalar::Bytes | Scalar::Enum(_) | Scalar::String => return Err("expected a number"),
    }
    Ok(())
}

const INT32: Reason = "expected an integer between -2147483648 and 2147483647";
const INT64: Reason = "expected an integer between -9223372036854775808 and 9223372036854775807";
const UINT32: Reason = "expected an integer between 0 and 4294967295";
const UINT64: Reason = "expected an integer between 0 and 18446744073709551615";

/// What a value of this kind must be, for a value of another JSON type.
pub(super) fn expectation(scalar: Scalar) -> Reason {
    match scalar {
        Scalar::Bool => "expected true or false",
        Scalar::Bytes => "expected a string in base64",
        Scalar::Double | Scalar::Float => "expected a number",
        Scalar::Enum(_) => "expected the name of an enum value",
        Scalar::Fixed32 | Scalar::Uint32 => UINT32,
        Scalar::Fixed64 | Scalar::Uint64 => UINT64,
        Scalar::Int32 | Scalar::Sfixed32 | Scalar::Sint32 => INT32,
        Scalar::Int64 | Scalar::Sfixed64 | Scalar::Sint64 => INT64,
        Scalar::String => "expected a string",
    }
}

#[inline]
pub(super) fn integer<T: TryFrom<i128> + TryFrom<i64>>(text: &str, integers: Integers) -> Option<T> {
    if let Some(value) = short_integer(text.as_bytes()) {
        return T::try_from(value).ok();
    }
    match integers {
        Integers::Integral => number::parse_integral(text),
        Integers::Plain => number::parse_integer(text),
    }
}

/// Reads what nearly every integer is: a few digits. `None` where it is anything else.
#[inline]
fn short_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    // Eighteen digits always fit.
    if !matches!(digits, [b'1'..=b'9', ..] | [b'0']) || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Appends an integer of any kind, if it is written as nearly all are; false, and nothing, where it is not, or where the
/// kind is none of integers.
#[inline]
pub(super) fn write_short_integer(scalar: Scalar, text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(value) = short_integer(text) else {
        return false;
    };
    let bits = match scalar {
        Scalar::Int32 => i32::try_from(value).map(wire::extend32),
        Scalar::Int64 => Ok(value.cast_unsigned()),
        Scalar::Sint32 => i32::try_from(value).map(wire::zigzag32),
        Scalar::Sint64 => Ok(wire::zigzag64(value)),
        Scalar::Uint32 => u32::try_from(value).map(u64::from),
        Scalar::Uint64 => u64::try_from(value),
        _ => return false,
    };
    match bits {
        Ok(bits) => {
            wire::put_varint(out, bits);
            true
        }
        Err(_) => false,
    }
}

/// Reads a double, `NaN` and the infinities by name included.
pub(super) fn double(text: &str) -> Result<f64, Reason> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => number::parse_double(text).ok_or("expected a number within the range of a double"),
    }
}

fn float(text: &str) -> Result<f32, Reason> {
    match text {
        "NaN" => Ok(f32::NAN),
        "Infinity" => Ok(f32::INFINITY),
        "-Infinity" => Ok(f32::NEG_INFINITY),
        _ => number::parse_float(text).ok_or("expected a number within the range of a float"),
    }
}

/// Appends the bytes that base64 text means, with their length before them.
pub(in crate::codec) fn write_base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
    const REASON: Reason = "expected base64";
    let digits = Digits::of(text).ok_or(REASON)?;
    wire::put_varint(out, digits.n_bytes() as u64);
    digits.append(out).ok_or(REASON)
}

/// Appends text with its length before it.
pub(in crate::codec) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    wire::put_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// True where what was written of a scalar is its zero: one zero byte, or fixed-width zero bits (−0.0 is not zero).
#[inline]
pub(in crate::codec) fn is_zero(scalar: Scalar, written: &[u8]) -> bool {
    match scalar.wire_type() {
        wire::WireType::Fixed32 | wire::WireType::Fixed64 => written.iter().all(|it| *it == 0),
        _ => written.first() == Some(&0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test that panics has failed, as it should"
    )]

    use super::*;

    #[test]
    fn integers_are_exact_and_in_range() {
        for (text, plain, integral) in [
            ("0", Some(0), Some(0)),
            ("-0", Some(0), Some(0)),
            ("007", None, None),
            ("1e3", None, Some(1000)),
            ("1.0", None, Some(1)),
            ("1.5", None, None),
            ("9223372036854775807", Some(i64::MAX), Some(i64::MAX)),
            ("9223372036854775808", None, None),
            ("-9223372036854775808", Some(i64::MIN), Some(i64::MIN)),
            ("1e999999999999", None, None),
            ("0e999999999999", None, Some(0)),
            ("+1", None, None),
            (" 1", None, None),
            ("", None, None),
            ("-", None, None),
        ] {
            assert_eq!(integer::<i64>(text, Integers::Plain), plain, "{text}");
            assert_eq!(integer::<i64>(text, Integers::Integral), integral, "{text}");
        }
        assert_eq!(integer::<i32>("2147483648", Integers::Plain), None);
        assert_eq!(integer::<u32>("-1", Integers::Plain), None);
    }
}
