//! JSON strings: quoting and escaping text and bytes.
//!
//! Escapes only what RFC 8259 demands (`"`, `\`, controls), so that text stays readable and short.
//! Invariant: what is appended is always one whole JSON string in valid UTF-8, or nothing.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use wide::u8x16;

use super::DecodeError;
use super::wire::{bits_of, short_word};

/// Appends text as a JSON string.
///
/// ```
/// let mut out = Vec::new();
/// weft::codec::escape::write_string("a\"b\n", &mut out);
/// assert_eq!(out, br#""a\"b\n""#);
/// ```
#[inline]
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_unquoted(text.as_bytes(), out);
    out.push(b'"');
}

/// Appends text as the inside of a JSON string, so that a string can be put together from pieces.
#[inline]
pub fn write_string_part(text: &str, out: &mut Vec<u8>) {
    write_unquoted(text.as_bytes(), out);
}

/// Appends bytes that must be UTF-8 as a JSON string; [`DecodeError::Utf8`] where they are not, and `out` is as it was.
#[inline]
pub fn write_utf8(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.push(b'"');
    let result = end_utf8(bytes, bytes.len(), out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends what stands behind the opening quote of a JSON string: the first `length` of the bytes, which must be UTF-8, and
/// the closing quote. Faster where more bytes follow. Where they are not UTF-8, `out` has grown all the same.
#[inline]
pub(super) fn end_utf8(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    // Most texts are short and plain: one register, or two that overlap.
    if length <= WIDTH {
        let short;
        let chunk = if let Some(chunk) = bytes.first_chunk::<WIDTH>() {
            chunk
        } else {
            short = filled_up(bytes);
            &short
        };
        let marks = Marks::of(chunk);
        if (marks.special | marks.high) & first_bits(length) == 0 {
            put_first(out, chunk, length);
            out.push(b'"');
            return Ok(());
        }
    } else if length <= 2 * WIDTH
        && let Some(text) = bytes.get(..length)
        && let (Some(first), Some(last)) = (text.first_chunk::<WIDTH>(), text.last_chunk::<WIDTH>())
    {
        let (marks, last_marks) = (Marks::of(first), Marks::of(last));
        if marks.special | last_marks.special == 0 {
            if marks.high | last_marks.high != 0 && !is_utf8(text) {
                return Err(DecodeError::Utf8);
            }
            put_first(out, first, length.saturating_sub(WIDTH));
            out.extend_from_slice(last);
            out.push(b'"');
            return Ok(());
        }
    }
    end_any_utf8(bytes, length, out)
}

/// Any text, like [`end_utf8`].
#[inline(never)]
fn end_any_utf8(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let ascii = write_first(bytes, length, out);
    if !ascii && !is_utf8(bytes.get(..length).unwrap_or_default()) {
        return Err(DecodeError::Utf8);
    }
    out.push(b'"');
    Ok(())
}

fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Appends bytes as a JSON string; what is not UTF-8 becomes U+FFFD.
#[inline]
pub fn write_lossy(bytes: &[u8], out: &mut Vec<u8>) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => write_string(text, out),
        Err(_) => write_string(&String::from_utf8_lossy(bytes), out),
    }
}

/// Appends bytes as base64 in quotes: the standard alphabet, padded.
pub fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    base64_simd::STANDARD.encode_append(bytes, out);
    out.push(b'"');
}

/// Copies bytes, escaped. Returns whether all of them were ASCII. Does not look at UTF-8: escapes never touch a byte of
/// a longer character.
#[inline]
fn write_unquoted(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    write_first(bytes, bytes.len(), out)
}

/// How many bytes are looked at and copied at once: one vector register of every processor.
pub(super) const WIDTH: usize = 16;

/// Copies the first bytes, escaped, like [`write_unquoted`]. Those behind them are not written, but where there are any a
/// short text can be copied by a whole register.
#[inline]
fn write_first(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> bool {
    let mut rest = bytes;
    let mut left = length.min(bytes.len());
    let mut high = 0;
    while left >= WIDTH
        && let Some((chunk, after)) = rest.split_first_chunk::<WIDTH>()
    {
        let marks = Marks::of(chunk);
        high |= marks.high;
        out.extend_from_slice(chunk);
        if marks.special == 0 {
            rest = after;
            left = left.saturating_sub(WIDTH);
        } else {
            let n_plain = marks.special.trailing_zeros() as usize;
            out.truncate(out.len().saturating_sub(WIDTH.saturating_sub(n_plain)));
            write_escape(chunk.get(n_plain).copied().unwrap_or_default(), out);
            let n_taken = n_plain.saturating_add(1);
            rest = rest.get(n_taken..).unwrap_or_default();
            left = left.saturating_sub(n_taken);
        }
    }
    if left > 0 {
        let short;
        let chunk = if let Some(chunk) = rest.first_chunk::<WIDTH>() {
            chunk
        } else {
            short = filled_up(rest);
            &short
        };
        let marks = Marks::of(chunk);
        let counting = first_bits(left);
        high |= marks.high & counting;
        if marks.special & counting == 0 {
            put_first(out, chunk, left);
        } else {
            write_slowly(chunk.get(..left).unwrap_or_default(), out);
        }
    }
    high == 0
}

/// Appends the first `length` bytes of a block. One copy of a fixed width, the end of which is taken back, costs less than
/// a copy of the right length.
#[inline]
pub(super) fn put_first<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], length: usize) {
    let end = out.len().saturating_add(length);
    out.extend_from_slice(block);
    out.truncate(end);
}

/// The marks of the first bytes of a chunk.
#[inline]
fn first_bits(n_bytes: usize) -> u32 {
    u32::MAX.unbounded_shr(32_u32.saturating_sub(u32::try_from(n_bytes).unwrap_or(u32::MAX)))
}

/// Fewer than [`WIDTH`] bytes, filled up with zeros.
#[inline]
fn filled_up(bytes: &[u8]) -> [u8; WIDTH] {
    let bits = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            // The last eight bytes begin within the first eight.
            let n_twice = WIDTH.saturating_sub(bytes.len());
            let last = u64::from_le_bytes(*last).unbounded_shr(bits_of(n_twice));
            u128::from(u64::from_le_bytes(*first)) | u128::from(last) << 64
        }
        _ => u128::from(short_word(bytes)),
    };
    bits.to_le_bytes()
}

/// What stands where in a chunk: one bit for each byte, the first lowest.
struct Marks {
    /// Quotes, backslashes and control characters.
    special: u32,
    /// Bytes of characters that are not ASCII.
    high: u32,
}

impl Marks {
    #[expect(clippy::inline_always, reason = "a dozen instructions, in the innermost loops")]
    #[inline(always)]
    fn of(chunk: &[u8; WIDTH]) -> Self {
        let bytes = u8x16::new(*chunk);
        let control = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
        let special = control | bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
        Self {
            special: special.to_bitmask(),
            high: bytes.to_bitmask(),
        }
    }
}

/// How many bytes of a chunk stand before the first that is a quote, a backslash or a control character; `None` where there
/// is no such byte.
#[inline]
pub(super) fn n_plain_of(chunk: &[u8; WIDTH]) -> Option<usize> {
    let special = Marks::of(chunk).special;
    (special != 0).then(|| special.trailing_zeros() as usize)
}

#[inline]
fn is_special(byte: u8) -> bool {
    matches!(byte, ..0x20 | b'"' | b'\\')
}

/// Byte by byte.
#[cold]
fn write_slowly(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if is_special(byte) {
            write_escape(byte, out);
        } else {
            out.push(byte);
        }
    }
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(if byte < 0x10 { b"\\u000" } else { b"\\u001" });
            let low = byte & 0x0f;
            out.push(if low < 10 {
                b'0' | low
            } else {
                b'a'.wrapping_add(low.wrapping_sub(10))
            });
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_reads_back_wherever_it_stands() {
        let characters = (0..0x80).chain([0xe9, 0x2028, 0x1f600]).filter_map(char::from_u32);
        for character in characters {
            for n_before in 0..17 {
                let text = format!("{}{character}{}", "x".repeat(n_before), "yz\"é".repeat(n_before % 4));
                assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
            }
        }
    }

    #[test]
    fn only_what_must_be_is_escaped() {
        assert_eq!(
            string("</a>&\u{7f}é \"\\\u{8}\t\n\u{c}\r\u{1f}\u{1}"),
            "\"</a>&\u{7f}é \\\"\\\\\\b\\t\\n\\f\\r\\u001f\\u0001\""
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_or_replaced() {
        let long = [b"abcdefgh\xff".as_slice(), b"ij"].concat();
        for bytes in [b"\xff".as_slice(), b"ab\xc3", b"\xed\xa0\x80", &long] {
            let mut out = b"before".to_vec();
            assert_eq!(write_utf8(bytes, &mut out), Err(DecodeError::Utf8));
            assert_eq!(out, b"before");
            write_lossy(bytes, &mut out);
            assert!(String::from_utf8(out).unwrap().contains('\u{fffd}'));
        }
        let mut out = Vec::new();
        write_utf8("naïve\n".as_bytes(), &mut out).unwrap();
        assert_eq!(out, "\"naïve\\n\"".as_bytes());
    }

    #[test]
    fn base64_is_padded() {
        let mut out = Vec::new();
        write_base64(&[0xfb, 0xff, 0xbf, 0], &mut out);
        assert_eq!(out, b"\"+/+/AA==\"");
    }
}
