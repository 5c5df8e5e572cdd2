//! Base64 as canonical JSON reads it: standard or URL-safe, padded or not.
//!
//! Leaves writing it to [`super::escape`]. Invariant: both alphabets in one text are refused, bits beyond the last whole byte
//! do not matter.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// The digits of a text, looked at as far as is needed to know how many bytes they mean.
pub(in crate::codec) struct Digits<'t> {
    /// Four for three bytes.
    whole: &'t [u8],
    /// What the digits behind them mean, and how many bytes that is.
    tail: [u8; 2],
    n_tail: usize,
    url_safe: bool,
}

/// The bytes that a text means; none where it is not base64.
///
/// ```
/// use weft::codec::base64::decode;
///
/// assert_eq!(decode(b"-_8=").as_deref(), Some(&b"\xfb\xff"[..]));
/// assert_eq!(decode(b"a"), None);
/// ```
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = Digits::of(text)?;
    let mut out = Vec::with_capacity(digits.n_bytes());
    digits.append(&mut out)?;
    Some(out)
}

impl<'t> Digits<'t> {
    pub(in crate::codec) fn of(text: &'t [u8]) -> Option<Self> {
        let unpadded = match text {
            [start @ .., b'=', b'='] | [start @ .., b'='] if text.len().is_multiple_of(4) => start,
            [.., b'='] => return None,
            _ => text,
        };
        let url_safe = unpadded.iter().any(|it| matches!(it, b'-' | b'_'));
        let (whole, rest) = unpadded.split_at_checked(unpadded.len() & !3)?;
        let digit = |it: u8| match it {
            b'A'..=b'Z' => it.checked_sub(b'A'),
            b'a'..=b'z' => it.checked_sub(b'a' - 26),
            b'0'..=b'9' => it.checked_add(52 - b'0'),
            b'+' if !url_safe => Some(62),
            b'/' if !url_safe => Some(63),
            b'-' => Some(62),
            b'_' => Some(63),
            _ => None,
        };
        let (tail, n_tail) = match *rest {
            [] => ([0; 2], 0),
            [a, b] => ([digit(a)? << 2 | digit(b)? >> 4, 0], 1),
            [a, b, c] => {
                let (a, b, c) = (digit(a)?, digit(b)?, digit(c)?);
                ([a << 2 | b >> 4, b << 4 | c >> 2], 2)
            }
            _ => return None,
        };
        Some(Self {
            whole,
            tail,
            n_tail,
            url_safe,
        })
    }

    /// How many bytes [`Self::append`] will write.
    pub(in crate::codec) fn n_bytes(&self) -> usize {
        (self.whole.len() / 4).saturating_mul(3).saturating_add(self.n_tail)
    }

    /// Appends the bytes. Where it is not base64 after all, `out` may hold a part of them.
    pub(in crate::codec) fn append(&self, out: &mut Vec<u8>) -> Option<()> {
        let codec = if self.url_safe {
            base64_simd::URL_SAFE_NO_PAD
        } else {
            base64_simd::STANDARD_NO_PAD
        };
        codec.decode_append(self.whole, out).ok()?;
        out.extend_from_slice(self.tail.get(..self.n_tail).unwrap_or_default());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_in_every_dress() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("YQ==", Some(b"a")),
            ("YQ", Some(b"a")),
            ("YR", Some(b"a")),
            ("YWI=", Some(b"ab")),
            ("YWI", Some(b"ab")),
            ("YWJj", Some(b"abc")),
            ("-_", Some(b"\xfb")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("-_-_", Some(b"\xfb\xff\xbf")),
            ("+_-_", None),
            ("Y", None),
            ("Y===", None),
            ("YQ=", None),
            ("YQ==YQ==", None),
            ("Y Q", None),
            ("=", None),
            ("====", None),
            ("YWJjY!", None),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), bytes, "{text}");
            if let Some(digits) = Digits::of(text.as_bytes()) {
                assert!(bytes.is_none_or(|it| it.len() == digits.n_bytes()), "{text}");
            }
        }
    }
}
