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
    let start = out.len();
    out.push(b'"');
    let ascii = write_unquoted(bytes, out);
    if !ascii && simdutf8::basic::from_utf8(bytes).is_err() {
        out.truncate(start);
        return Err(DecodeError::Utf8);
    }
    out.push(b'"');
    Ok(())
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
    let mut rest = bytes;
    let mut ascii = true;
    loop {
        let run = clean_run(rest);
        ascii &= run.ascii;
        let Some((clean, after)) = rest.split_at_checked(run.length) else {
            return ascii;
        };
        out.extend_from_slice(clean);
        let Some((&byte, after)) = after.split_first() else {
            return ascii;
        };
        write_escape(byte, out);
        rest = after;
    }
}

struct CleanRun {
    length: usize,
    ascii: bool,
}

const fn every_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH_BITS: u64 = every_byte(0x80);

/// Sets the high bit of each byte that is zero, and possibly of bytes behind the first one.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(every_byte(1)) & !word & HIGH_BITS
}

/// Measures how far the bytes can be copied as they are.
#[inline]
fn clean_run(bytes: &[u8]) -> CleanRun {
    let mut length: usize = 0;
    let mut high = 0;
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        // Little endian, so that the first byte is found at the lowest bits.
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(every_byte(0x20)) & !word & HIGH_BITS;
        let quote = zero_bytes(word ^ every_byte(b'"'));
        let backslash = zero_bytes(word ^ every_byte(b'\\'));
        high |= word & HIGH_BITS;
        let found = control | quote | backslash;
        if found != 0 {
            return CleanRun {
                length: length.saturating_add(found.trailing_zeros() as usize / 8),
                ascii: high == 0,
            };
        }
        length = length.saturating_add(8);
    }
    let clean = tail
        .iter()
        .take_while(|&&it| it >= 0x20 && it != b'"' && it != b'\\')
        .count();
    let ascii = high == 0 && tail.is_ascii();
    CleanRun {
        length: length.saturating_add(clean),
        ascii,
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
