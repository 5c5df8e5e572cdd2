//! JSON strings: quoting and escaping text and bytes.
//!
//! Escapes only what RFC 8259 demands (`"`, `\`, controls), so that text stays readable and short.
//! Invariant: what is appended is always one whole JSON string in valid UTF-8, or nothing.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::DecodeError;

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
    write_utf8_first(bytes, bytes.len(), out)
}

/// Like [`write_utf8`], for the first `length` of the bytes; faster where more of them follow.
#[inline]
pub(super) fn write_utf8_first(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.push(b'"');
    let ascii = write_first(bytes, length, out);
    if !ascii && !is_utf8(bytes.get(..length).unwrap_or_default()) {
        out.truncate(start);
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
        let words = words(chunk);
        high |= words[0] | words[1];
        out.extend_from_slice(chunk);
        let n_plain = n_plain(words);
        if n_plain < WIDTH {
            out.truncate(out.len().saturating_sub(WIDTH.saturating_sub(n_plain)));
            write_escape(chunk.get(n_plain).copied().unwrap_or_default(), out);
            let n_taken = n_plain.saturating_add(1);
            rest = rest.get(n_taken..).unwrap_or_default();
            left = left.saturating_sub(n_taken);
        } else {
            rest = after;
            left = left.saturating_sub(WIDTH);
        }
    }
    if left > 0 {
        let last = last_words(rest, left);
        high |= last[0] | last[1];
        let text: [u8; WIDTH] = (u128::from(last[0]) | u128::from(last[1]) << 64).to_le_bytes();
        if n_plain(last) < WIDTH {
            write_slowly(text.get(..left).unwrap_or_default(), out);
        } else {
            out.extend_from_slice(&text);
            out.truncate(out.len().saturating_sub(WIDTH.saturating_sub(left)));
        }
    }
    high & HIGH_BITS == 0
}

/// A chunk as two words, the first byte lowest.
#[inline]
fn words(chunk: &[u8; WIDTH]) -> [u64; 2] {
    let [low, high] = [chunk.first_chunk::<8>(), chunk.last_chunk::<8>()];
    [low, high].map(|it| it.map_or(0, |it| u64::from_le_bytes(*it)))
}

/// Fewer than [`WIDTH`] bytes, filled up with blanks.
#[inline]
fn last_words(bytes: &[u8], length: usize) -> [u64; 2] {
    const BLANKS: u64 = every_byte(b' ');
    let Some(chunk) = bytes.first_chunk::<WIDTH>() else {
        let mut chunk = [b' '; WIDTH];
        for (to, from) in chunk.iter_mut().zip(bytes).take(length) {
            *to = *from;
        }
        return words(&chunk);
    };
    let [low, high] = words(chunk);
    // The shift is by the bits of the bytes that count, of which there are fewer than eight in the word that is cut.
    let behind = u64::MAX.wrapping_shl(u32::try_from(length).unwrap_or(0).wrapping_mul(8));
    if length < 8 {
        [low & !behind | BLANKS & behind, BLANKS]
    } else {
        [low, high & !behind | BLANKS & behind]
    }
}

const fn every_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH_BITS: u64 = every_byte(0x80);

#[inline]
fn is_special(byte: u8) -> bool {
    matches!(byte, ..0x20 | b'"' | b'\\')
}

/// Sets the high bit of each byte that must be escaped, and possibly of bytes behind the first one.
#[inline]
fn special_bits(word: u64) -> u64 {
    let quote = word ^ every_byte(b'"');
    let backslash = word ^ every_byte(b'\\');
    let control = word.wrapping_sub(every_byte(0x20)) & !word;
    let quote = quote.wrapping_sub(every_byte(1)) & !quote;
    let backslash = backslash.wrapping_sub(every_byte(1)) & !backslash;
    (control | quote | backslash) & HIGH_BITS
}

/// How many bytes of a chunk stand before the first that is a quote, a backslash or a control character.
#[inline]
pub(super) fn n_plain_of(chunk: &[u8; WIDTH]) -> usize {
    n_plain(words(chunk))
}

#[inline]
fn n_plain([low, high]: [u64; 2]) -> usize {
    let [low, high] = [special_bits(low), special_bits(high)];
    if low | high == 0 {
        WIDTH
    } else if low != 0 {
        low.trailing_zeros() as usize / 8
    } else {
        (high.trailing_zeros() as usize / 8).saturating_add(8)
    }
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
