//! Query strings: `name=value` pairs, decoded.

/// The pairs of a query string in order: name and value. A value without `=` is empty; one that is no percent-encoded UTF-8
/// is none; a pair whose name is not can be no parameter and is left out.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, Option<String>)> {
    query.split('&').filter(|it| !it.is_empty()).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)))
    })
}

/// Decodes `+` and `%XX`; none where an escape is cut short or the outcome is not UTF-8.
fn decode(text: &str) -> Option<String> {
    if !text.contains(['+', '%']) {
        return Some(text.to_owned());
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
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        for (query, expected) in [
            ("", vec![]),
            ("&&a=1&", vec![some("a", "1")]),
            ("a=b=c&d", vec![some("a", "b=c"), some("d", "")]),
            ("a+b=%2B%20+%C3%A9", vec![some("a b", "+  é")]),
            (
                "a=%F&b=%zz&c=%FF&%FF=1",
                ["a", "b", "c"].map(|it| (it.to_owned(), None)).into(),
            ),
            ("=x", vec![some("", "x")]),
        ] {
            assert_eq!(pairs(query).collect::<Vec<_>>(), expected, "{query}");
        }
    }
}
