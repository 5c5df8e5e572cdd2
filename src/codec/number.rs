//! Numbers as text: integers, shortest doubles and floats, and what JSON and query strings accept as each kind.
//!
//! Writing gives the forms that canonical JSON has: digits, the shortest text that reads back as the same double or
//! float (`1.0` is `1`), and quoted names for NaN and the infinities. Reading is strict JSON grammar with exact ranges.
//! Invariant: no reader rounds an integer or turns an overflow into infinity.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::escape;

/// Appends a signed integer.
#[inline]
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_u64(value.unsigned_abs(), out);
}

/// Appends an unsigned integer.
#[inline]
pub fn write_u64(value: u64, out: &mut Vec<u8>) {
    match u8::try_from(value) {
        Ok(digit @ 0..10) => out.push(b'0' | digit),
        _ => write_digits(value, out),
    }
}

/// Eight digits at a time, without a table: the halves of a number are divided side by side in one register.
fn write_digits(value: u64, out: &mut Vec<u8>) {
    const BLOCK: u64 = 100_000_000;
    if value < 10_000 {
        // Most numbers; the same with half the register.
        let hundreds = value.wrapping_mul(10_486) >> 20;
        let digits = digits_of_pairs(hundreds | (value.wrapping_sub(hundreds.wrapping_mul(100)) << 16));
        let n_zeros = (digits.trailing_zeros() / 8).min(3);
        let text = ((digits | DIGITS) >> n_zeros.wrapping_mul(8)).to_le_bytes();
        escape::put_first(out, &text, 4_usize.saturating_sub(n_zeros as usize));
    } else if value < BLOCK {
        let digits = eight_digits(value);
        // At least one digit is written; each zero before the first other is one byte.
        let n_zeros = (digits.trailing_zeros() / 8).min(7);
        let text = ((digits | DIGITS) >> n_zeros.wrapping_mul(8)).to_le_bytes();
        escape::put_first(out, &text, 8_usize.saturating_sub(n_zeros as usize));
    } else {
        write_digits(value / BLOCK, out);
        out.extend_from_slice(&eight_digits_of(value % BLOCK));
    }
}

/// A number below 100,000,000 as text, filled up with zeros.
#[inline]
pub(super) const fn eight_digits_of(value: u64) -> [u8; 8] {
    (eight_digits(value) | DIGITS).to_le_bytes()
}

/// Eight zeros as text.
const DIGITS: u64 = u64::from_ne_bytes([b'0'; 8]);

/// The digits of a number below 100,000,000, the first in the lowest byte.
#[inline]
const fn eight_digits(value: u64) -> u64 {
    // Two numbers of four digits, four of two, eight of one. The factors are 2²⁰/100 and 2¹⁰/10, rounded up, which are exact
    // for as many digits; no product reaches the number above it.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x0000_007f_0000_007f;
    digits_of_pairs(hundreds | (fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16))
}

/// The digits of four numbers below 100, one in each sixteen bits, the first lowest.
#[inline]
const fn digits_of_pairs(pairs: u64) -> u64 {
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs.wrapping_sub(tens.wrapping_mul(10)) << 8)
}

/// Four numbers below 100 as text, the first character lowest.
#[inline]
pub(super) fn text_of_pairs(pairs: [u32; 4]) -> u64 {
    let [first, second, third, fourth] = pairs.map(u64::from);
    digits_of_pairs(first | second << 16 | third << 32 | fourth << 48) | DIGITS
}

/// Appends a double as JSON: shortest digits, or `"NaN"`, `"Infinity"`, `"-Infinity"` with quotes.
///
/// ```
/// let mut out = Vec::new();
/// weft::codec::number::write_double(1.0, &mut out);
/// assert_eq!(out, b"1");
/// ```
#[inline]
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_shortest(zmij::Buffer::new().format_finite(value), out);
    } else {
        write_not_finite(value, out);
    }
}

/// Appends a float as JSON: the shortest digits that read back as the same float, or a quoted name.
#[inline]
pub fn write_float(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        write_shortest(zmij::Buffer::new().format_finite(value), out);
    } else {
        write_not_finite(f64::from(value), out);
    }
}

#[inline]
fn write_shortest(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

fn write_not_finite(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    });
}

/// Reads a JSON integer without fraction or exponent, as query strings and map keys hold them: `0`, `-5`, never `05`, `+5`, `5.0`.
///
/// ```
/// use weft::codec::number::parse_integer;
/// assert_eq!(parse_integer::<i32>("-5"), Some(-5));
/// assert_eq!(parse_integer::<u32>("-5"), None);
/// assert_eq!(parse_integer::<i32>("05"), None);
/// ```
pub fn parse_integer<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if !is_integer_part(digits) {
        return None;
    }
    T::try_from(text.parse().ok()?).ok()
}

/// Reads a JSON number whose value is an integer, however it is written: `5`, `5.0`, `5e3`, `50e-1`.
///
/// ```
/// use weft::codec::number::parse_integral;
/// assert_eq!(parse_integral::<i64>("1.5e1"), Some(15));
/// assert_eq!(parse_integral::<i64>("1.5"), None);
/// ```
pub fn parse_integral<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let parts = Decimal::parse(unsigned)?;
    // Digits as if there were no point; the exponent moves the point, and what it cannot reach must be zero.
    let digits = || parts.integer.iter().chain(parts.fraction);
    let point = i64::try_from(parts.integer.len()).ok()?.saturating_add(parts.exponent);
    let mut value: i128 = 0;
    for (digit, place) in digits().zip(0_i64..) {
        if place < point {
            value = value.checked_mul(10)?.checked_add(i128::from(digit & 0x0f))?;
        } else if *digit != b'0' {
            return None;
        }
    }
    let n_digits = i64::try_from(digits().count()).ok()?;
    let n_zeros = point.saturating_sub(n_digits);
    if value != 0 && n_zeros > 0 {
        value = value.checked_mul(10_i128.checked_pow(u32::try_from(n_zeros).ok()?)?)?;
    }
    T::try_from(if negative { value.checked_neg()? } else { value }).ok()
}

/// Reads a JSON number as a double. `None` for anything else and where it is too large for a double.
#[inline]
pub fn parse_double(text: &str) -> Option<f64> {
    short_double(text.as_bytes()).or_else(|| long_double(text))
}

/// Reads what most doubles are: a few digits, with or without a point. Both the digits and the power of ten are exact as
/// doubles, so that one division rounds as it must.
fn short_double(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // Fifteen digits and a point.
    if unsigned.len() > 16 || !matches!(unsigned, [b'1'..=b'9', ..] | [b'0'] | [b'0', b'.', ..]) {
        return None;
    }
    let mut digits = 0_u64;
    let mut point = None;
    for (&byte, at) in unsigned.iter().zip(1_usize..) {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    let n_decimals = match point {
        Some(at) if at < unsigned.len() => unsigned.len().saturating_sub(at),
        // A point must have digits behind it, and without one there is room for a sixteenth.
        Some(_) => return None,
        None if unsigned.len() > 15 => return None,
        None => 0,
    };
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are fewer than 2⁵³")]
    let value = digits as f64 / POWERS.get(n_decimals)?;
    Some(if negative { -value } else { value })
}

fn long_double(text: &str) -> Option<f64> {
    Decimal::parse(text.strip_prefix('-').unwrap_or(text))?;
    text.parse().ok().filter(|it: &f64| it.is_finite())
}

/// Reads a JSON number as a float. `None` for anything else and where it is too large for a float.
pub fn parse_float(text: &str) -> Option<f32> {
    Decimal::parse(text.strip_prefix('-').unwrap_or(text))?;
    text.parse().ok().filter(|it: &f32| it.is_finite())
}

/// A JSON number without its sign, taken apart.
struct Decimal<'a> {
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (integer, fraction) = match mantissa.split_once('.') {
            Some((integer, fraction)) if !fraction.is_empty() => (integer.as_bytes(), fraction.as_bytes()),
            Some(_) => return None,
            None => (mantissa.as_bytes(), &[][..]),
        };
        let valid = is_integer_part(integer) && fraction.iter().all(u8::is_ascii_digit);
        valid.then_some(Self {
            integer,
            fraction,
            exponent,
        })
    }
}

/// An exponent of any length; one that is out of all proportion counts as the largest there is.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let value = digits.bytes().fold(0_i64, |value, it| {
        value.saturating_mul(10).saturating_add(i64::from(it & 0x0f))
    });
    Some(if negative { value.saturating_neg() } else { value })
}

/// `0`, or digits that do not begin with 0.
fn is_integer_part(digits: &[u8]) -> bool {
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f32) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_have_their_shortest_form() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (100.0, "100"),
            (1e15, "1000000000000000"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(double(value), text);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(f32::NAN), "\"NaN\"");
    }

    #[test]
    fn integers_of_every_length_are_their_digits() {
        let powers = (0..20).map(|it| 10_u64.pow(it));
        let near = powers.flat_map(|it| [it - 1, it, it + 1, it.wrapping_mul(7), it.wrapping_mul(9) / 4]);
        let small = (0..100_000).chain((0..2000).map(|it| it * 49_999));
        for value in near.chain(small).chain([u64::MAX, i64::MAX.unsigned_abs(), 1 << 63]) {
            let mut out = Vec::new();
            write_u64(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
            out.clear();
            write_i64(value.cast_signed(), &mut out);
            assert_eq!(out, value.cast_signed().to_string().as_bytes());
        }
    }

    #[test]
    fn doubles_are_valid_json_and_read_back() {
        for value in [
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1e300,
            1.5e-7,
            1e16,
            1e17,
            123_456_789.125,
            1e21,
            1e-5,
        ] {
            let text = double(value);
            assert_eq!(
                serde_json::from_str::<f64>(&text).unwrap().to_bits(),
                value.to_bits(),
                "{text}"
            );
            assert_eq!(parse_double(&text), Some(value));
        }
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e30, 1.5e-7, 16_777_216.0] {
            assert_eq!(parse_float(&float(value)), Some(value));
        }
    }

    #[test]
    fn short_doubles_are_the_same_as_any() {
        let mut state = 1_u64;
        let mut below = |limit: u64| {
            // Knuth's MMIX generator.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut n_short = 0;
        for _ in 0..50_000 {
            let length = below(19);
            let text: String = (0..length)
                .filter_map(|_| {
                    "0123456789012345678900.-"
                        .chars()
                        .nth(usize::try_from(below(24)).unwrap())
                })
                .collect();
            if let Some(value) = short_double(text.as_bytes()) {
                n_short += 1;
                assert_eq!(long_double(&text).map(f64::to_bits), Some(value.to_bits()), "{text}");
            }
        }
        assert!(n_short > 10_000, "{n_short}");
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".1",
            "00",
            "01.5",
            "1.2.3",
            "--1",
            "+1",
            "1e3",
            "9007199254740993",
        ] {
            assert_eq!(short_double(text.as_bytes()), None, "{text}");
        }
        assert_eq!(short_double(b"-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(short_double(b"0.000000000000001"), None);
        assert_eq!(short_double(b"0.00000000000001"), Some(1e-14));
        assert_eq!(short_double(b"999999999999999"), Some(999_999_999_999_999.0));
    }

    #[test]
    fn integers_are_strict() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("5", 5),
            ("-5", -5),
            ("2147483647", i32::MAX),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(parse_integer::<i32>(text), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+5",
            "05",
            "-05",
            "5.0",
            "1e3",
            " 5",
            "5 ",
            "2147483648",
            "--5",
            "0x1",
            "١",
        ] {
            assert_eq!(parse_integer::<i32>(text), None, "{text}");
        }
        assert_eq!(parse_integer::<u64>("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_integer::<u64>("18446744073709551616"), None);
        assert_eq!(parse_integer::<i64>("-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn integral_numbers_are_exact() {
        for (text, value) in [
            ("1e3", 1000),
            ("1.0", 1),
            ("1.50E1", 15),
            ("100e-2", 1),
            ("-0.0", 0),
            ("0e999999999999999999999", 0),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775.807e3", i64::MAX),
            ("-9223372036854775808.0", i64::MIN),
            ("0.000001e6", 1),
        ] {
            assert_eq!(parse_integral::<i64>(text), Some(value), "{text}");
        }
        for text in [
            "0.5",
            "1e-1",
            "1.",
            ".5",
            "1e",
            "e3",
            "01",
            "1e99",
            "1e999999999999999999999",
            "9223372036854775808",
            "1..0",
            "1e1.0",
        ] {
            assert_eq!(parse_integral::<i64>(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_that_overflow_are_refused() {
        assert_eq!(parse_double("1e309"), None);
        assert_eq!(parse_double("-1e309"), None);
        assert_eq!(parse_float("3.5e38"), None);
        assert_eq!(parse_double("inf"), None);
        assert_eq!(parse_double("nan"), None);
        assert_eq!(parse_double("1e-400"), Some(0.0));
    }
}
