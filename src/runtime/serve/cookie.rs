//! Cookies as they come: over HTTP/2 in pieces, which are one line before anybody looks at them.

use http::header::{COOKIE, HeaderMap, HeaderValue};

/// Joins the pieces of a cookie (RFC 9113 §8.2.3): expressions, signatures and backends see one line.
pub(super) fn make_whole(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let (Some(first), Some(second)) = (pieces.next(), pieces.next()) else {
        return;
    };
    let pieces: Vec<&[u8]> = [first, second].into_iter().chain(pieces).collect();
    // Each piece is a value, and so is what they make.
    if let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_line() {
        for (sent, wanted) in [
            (&[][..], &[][..]),
            (&["a=1; b=2"], &["a=1; b=2"]),
            (&["a=1", "b=2", "c=\u{e9}"], &["a=1; b=2; c=\u{e9}"]),
        ] {
            let mut headers = HeaderMap::new();
            for piece in sent {
                headers.append(COOKIE, HeaderValue::from_bytes(piece.as_bytes()).unwrap());
            }
            headers.append("x-other", HeaderValue::from_static("1"));
            headers.append("x-other", HeaderValue::from_static("2"));
            make_whole(&mut headers);
            let found: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
            let wanted: Vec<_> = wanted.iter().map(|it: &&str| it.as_bytes()).collect();
            assert_eq!(found, wanted);
            assert_eq!(headers.get_all("x-other").iter().count(), 2);
        }
    }
}
