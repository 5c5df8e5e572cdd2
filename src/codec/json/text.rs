//! What stands inside JSON strings: finding what is not plain, and unescaping. Escaping is `codec::escape`.
//!
//! Reads a register at a time where most text is plain. Validation of escapes is [`unicode_escape`] and the reader's;
//! [`unescape`] trusts its input and puts U+FFFD where an escape means nothing.

use std::borrow::Cow;

use super::SyntaxError;
use crate::codec::escape;

/// Checks that a document is UTF-8.
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), SyntaxError> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(SyntaxError {
            offset: std::str::from_utf8(bytes).err().map_or(0, |it| it.valid_up_to()),
            reason: "expected UTF-8",
        }),
    }
}

/// Bytes up to the first `"`, `\` or control character.
#[inline]
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<{ escape::WIDTH }>) {
        // Jumps, not sums: so the processor reads on before it knows.
        match escape::n_plain_of(chunk) {
            Some(n_plain) => return at.wrapping_add(n_plain),
            None => at = at.wrapping_add(escape::WIDTH),
        }
    }
    let tail = bytes.get(at..).unwrap_or_default();
    let length = tail.iter().position(|it| matches!(it, b'"' | b'\\' | 0..=0x1f));
    at.saturating_add(length.unwrap_or(tail.len()))
}

/// The length of the string that validated text begins with, quotes included.
pub(crate) fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1_usize;
    loop {
        at = at.saturating_add(plain_length(bytes.get(at..).unwrap_or_default()));
        match bytes.get(at) {
            Some(b'"') => return at.saturating_add(1),
            Some(b'\\') => at = at.saturating_add(2),
            Some(_) => at = at.saturating_add(1),
            None => return bytes.len(),
        }
    }
}

/// A string fragment without its quotes.
pub(crate) fn content(fragment: &[u8]) -> &[u8] {
    let inner = fragment.strip_prefix(b"\"").unwrap_or(fragment);
    inner.strip_suffix(b"\"").unwrap_or(inner)
}

/// Reads `uXXXX`, or `uXXXX\uXXXX` for a pair: the character and its length in the text. A half of a pair is none.
pub(crate) fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hex4(bytes.get(1..5)?)?;
    if let 0xD800..0xDC00 = first {
        let second = bytes.get(5..7)? == b"\\u";
        let low = hex4(bytes.get(7..11)?)?;
        if !second || !(0xDC00..0xE000).contains(&low) {
            return None;
        }
        // RFC 8259 §7: the two halves hold ten bits each of what lies beyond U+FFFF.
        let beyond = (first & 0x3ff) << 10 | low & 0x3ff;
        return Some((char::from_u32(beyond.saturating_add(0x1_0000))?, 11));
    }
    Some((char::from_u32(first)?, 5))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |value, &it| Some(value << 4 | char::from(it).to_digit(16)?))
}

/// The text that the inside of a string means.
pub(crate) fn unescape(content: &[u8]) -> Cow<'_, str> {
    if content.contains(&b'\\') {
        let mut text = Vec::with_capacity(content.len());
        unescape_into(content, &mut text);
        Cow::Owned(String::from_utf8(text).unwrap_or_else(|it| String::from_utf8_lossy(it.as_bytes()).into_owned()))
    } else {
        match simdutf8::basic::from_utf8(content) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(content),
        }
    }
}

/// Appends the text that the inside of a validated string means, which is never longer than the inside.
pub(crate) fn unescape_into(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let Some((plain, escape)) = rest.split_at_checked(plain_length(rest))
        && let Some((&first, escape)) = escape.split_first()
    {
        out.extend_from_slice(plain);
        if first != b'\\' {
            // Not of a validated string.
            out.push(first);
            rest = escape;
            continue;
        }
        let mut length = 1;
        match escape.first() {
            Some(b'b') => out.push(0x08),
            Some(b'f') => out.push(0x0c),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(&it @ (b'"' | b'\\' | b'/')) => out.push(it),
            Some(b'u') => {
                let (character, consumed) = unicode_escape(escape).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
                length = consumed;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => {
                length = 0;
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
