//! Query strings: `name=value` pairs, decoded. What a pair that cannot be decoded means is its reader's business.

use std::borrow::Cow;

/// The pairs of a query string in order: name and value. A value without `=` is empty; one that is no percent-encoded UTF-8
/// is none; a pair whose name is not can be no parameter and is left out.
///
/// ```
/// use weft::codec::query;
///
/// let pairs: Vec<_> = query::pairs("a=x+y&b").collect();
/// assert_eq!(pairs, [("a".into(), Some("x y".into())), ("b".into(), Some("".into()))]);
/// ```
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    raw_pairs(query).filter_map(|(name, value)| Some((decode(name)?, decode(value))))
}

/// As [`pairs`], where all names and values have to be percent-encoded UTF-8.
pub fn all_pairs(query: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    raw_pairs(query)
        .map(|(name, value)| Some((decode(name)?, decode(value)?)))
        .collect()
}

fn raw_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|it| !it.is_empty());
    pairs.map(|it| it.split_once('=').unwrap_or((it, "")))
}

/// Decodes `+` and `%XX`; none where an escape is cut short or the outcome is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let some = |name: &'static str, value: &'static str| (Cow::from(name), Some(Cow::from(value)));
        for (query, expected) in [
            ("", vec![]),
            ("&&a=1&", vec![some("a", "1")]),
            ("a=b=c&d", vec![some("a", "b=c"), some("d", "")]),
            ("a+b=%2B%20+%C3%A9", vec![some("a b", "+  é")]),
            (
                "a=%F&b=%zz&c=%FF&%FF=1",
                ["a", "b", "c"].map(|it| (Cow::from(it), None)).into(),
            ),
            ("=x", vec![some("", "x")]),
        ] {
            assert_eq!(pairs(query).collect::<Vec<_>>(), expected, "{query}");
        }
    }
}
