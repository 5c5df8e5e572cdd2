//! Does the client have it already: `ETag` and `If-None-Match` (RFC 9110 §8.8.3, §13.1.2).

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::Response;
use super::body::Body;

/// The strong tag of a body: a digest of its bytes.
pub(super) fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let (start, _) = digest.split_at(16);
    let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode_to_string(start));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// 304 in place of a response that the client has already.
pub(super) fn unless_known(mut response: Response, request: &HeaderMap) -> Response {
    let Some(tag) = response.headers().get(header::ETAG).and_then(|it| it.to_str().ok()) else {
        return response;
    };
    if !response.status().is_success() || !names(request, tag) {
        return response;
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Body::default();
    for about_the_body in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        response.headers_mut().remove(about_the_body);
    }
    response
}

/// Whether `If-None-Match` names a tag: weak and strong ones are compared alike there, and `*` is every one.
fn names(request: &HeaderMap, tag: &str) -> bool {
    let mut lines = request.get_all(header::IF_NONE_MATCH).into_iter();
    lines.any(|line| line.to_str().is_ok_and(|line| line.trim() == "*" || has(line, tag)))
}

/// A tag may hold commas, so that the list is read from quote to quote.
fn has(line: &str, tag: &str) -> bool {
    let mut rest = line;
    while let Some((_, behind)) = rest.split_once('"') {
        let Some((opaque, behind)) = behind.split_once('"') else {
            return false;
        };
        if tag.trim_matches('"') == opaque {
            return true;
        }
        rest = behind;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_tag_is_found_however_it_is_written() {
        let rows = [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x,y\", \"abc\"", true),
            ("\"x\",W/\"abc\" ,\"z\"", true),
            ("*", true),
            (" * ", true),
            ("abc", false),
            ("\"ab\"", false),
            ("\"abc", false),
            ("\"x\", \"y\"", false),
            ("", false),
        ];
        for (line, wanted) in rows {
            let mut request = HeaderMap::new();
            request.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
            request.append(header::IF_NONE_MATCH, line.parse().unwrap());
            assert_eq!(names(&request, "\"abc\""), wanted, "{line}");
        }
        assert!(!names(&HeaderMap::new(), "\"abc\""));
    }

    #[test]
    fn equal_bytes_have_equal_tags() {
        assert_eq!(etag(b"{}"), etag(b"{}"));
        assert_ne!(etag(b"{}"), etag(b"{} "));
        assert_eq!(etag(b"").len(), 24);
    }
}
