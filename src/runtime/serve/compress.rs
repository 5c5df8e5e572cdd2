//! In which coding: what the client takes, what is worth it, and what must not be coded (RFC 9110 §12.5.3).
//!
//! What comes in pieces goes on as it came. What is kept is coded once for each coding.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use http::{HeaderMap, HeaderValue};

use super::body::Body;
use super::problem::Refusal;
use super::{Response, respond};
use crate::plan::{Compression, Recipe};
use crate::runtime::coding::{Coding, Effort, Undecodable};

/// Types whose text is longer than it has to be, beside `text/…`, `…+json`, `…+xml` and `…+text`.
const TYPES: [&str; 11] = [
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
];

/// Sends the response in the best coding that the client takes, where that is allowed and worth it.
pub(super) fn compress(settings: Compression, recipe: Option<&Recipe>, request: &HeaderMap, response: &mut Response) {
    if !may_be_coded(settings, recipe, response) {
        return;
    }
    mark(response.headers_mut());
    let Some(coding) = preferred(request) else { return };
    let coded = match response.body() {
        Body::Kept(kept) => match &kept.what.forms {
            Some(forms) => forms.get(coding, &kept.what.body),
            None => coding.encode(&kept.what.body, Effort::Once),
        },
        Body::Whole(body) => coding.encode(body, Effort::Once),
        Body::Pieces(_) => None,
    };
    let Some(coded) = coded else { return };
    *response.body_mut() = coded.into();
    response.headers_mut().remove(CONTENT_LENGTH);
    response
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
}

/// Whether a response is one that is sent in codings, to clients that take them.
pub(super) fn may_be_coded(settings: Compression, recipe: Option<&Recipe>, response: &Response) -> bool {
    let headers = response.headers();
    let is_open = settings.private || recipe.is_none_or(|it| !it.private);
    is_open
        && response.body().n_bytes().is_some_and(|it| it >= settings.min.max(1))
        && headers.get(CONTENT_TYPE).is_some_and(is_text)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !headers.get(CACHE_CONTROL).is_some_and(forbids)
}

/// Says that there are several forms of it. They are equal in meaning and not in bytes, so that its tag is a weak one, the
/// same for all.
pub(super) fn mark(headers: &mut HeaderMap) {
    respond::vary_by(headers, "accept-encoding");
    let strong = headers.get(ETAG).map(HeaderValue::as_bytes);
    if let Some(strong) = strong.filter(|it| !it.starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong].concat())
    {
        headers.insert(ETAG, weak);
    }
}

fn forbids(cache_control: &HeaderValue) -> bool {
    let text = cache_control.to_str().unwrap_or_default();
    text.split(',').any(|it| it.trim().eq_ignore_ascii_case("no-transform"))
}

fn is_text(content_type: &HeaderValue) -> bool {
    let text = content_type.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim();
    let is = |it: &&str| media.eq_ignore_ascii_case(it);
    let starts = |it: &str| {
        media
            .get(..it.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(it))
    };
    let ends = |it: &str| {
        let start = media.len().saturating_sub(it.len());
        media.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(it))
    };
    TYPES.iter().any(is) || starts("text/") || ["+json", "+xml", "+text"].into_iter().any(ends)
}

/// The coding that a client wants most; among those that it wants alike, the first of ours. `None` is none.
fn preferred(request: &HeaderMap) -> Option<Coding> {
    let mut weights: [Option<u16>; 3] = [None; 3];
    let (mut identity, mut others) = (None, None);
    for line in request.get_all(ACCEPT_ENCODING) {
        let text = line.to_str().ok()?;
        for element in text.split(',') {
            let (name, weight) = element.split_once(';').unwrap_or((element, "q=1"));
            let (name, Some(weight)) = (name.trim(), quality(weight)) else {
                continue;
            };
            if name == "*" {
                others = Some(weight);
            } else if name.eq_ignore_ascii_case("identity") {
                identity = Some(weight);
            } else if let Some(coding) = Coding::of(name) {
                weights[coding as usize] = Some(weight);
            }
        }
    }
    let mut best = None;
    for coding in Coding::ALL {
        let weight = weights[coding as usize].or(others).unwrap_or(0);
        if weight > best.map_or(0, |it: (Coding, u16)| it.1) {
            best = Some((coding, weight));
        }
    }
    // Without a word about it, it is what is taken where there is nothing better.
    best.filter(|it| it.1 >= identity.unwrap_or(0)).map(|it| it.0)
}

/// `q=0.5` in thousandths (RFC 9110 §12.4.2).
fn quality(text: &str) -> Option<u16> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim();
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// The body of a request as it was before it was coded; at most `max` bytes.
pub(super) fn decoded(request: &HeaderMap, body: Bytes, max: usize) -> Result<Bytes, Refusal> {
    let mut lines = request.get_all(CONTENT_ENCODING).into_iter();
    let Some(line) = lines.next() else { return Ok(body) };
    let name = line.to_str().map_err(|_| Refusal::UnknownCoding)?.trim();
    if lines.next().is_some() {
        return Err(Refusal::UnknownCoding);
    }
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(body);
    }
    let coding = Coding::of(name).ok_or(Refusal::UnknownCoding)?;
    coding.decode(&body, max).map(Bytes::from).map_err(|why| match why {
        Undecodable::Malformed => Refusal::BadCoding(coding.name()),
        Undecodable::TooLong => Refusal::BodyTooLarge(max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(lines: &[&str]) -> Option<Coding> {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        preferred(&request)
    }

    #[test]
    fn the_most_wanted_coding_is_chosen() {
        use Coding::{Brotli, Gzip, Zstd};
        for (line, coding) in [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("GZip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("gzip ; Q=0.5 , br;q=0.500", Some(Brotli)),
            ("br;q=0", None),
            ("*", Some(Zstd)),
            ("*;q=0.1, zstd;q=0", Some(Brotli)),
            ("*;q=0", None),
            ("gzip, *;q=0", Some(Gzip)),
            ("identity", None),
            ("identity, gzip", Some(Gzip)),
            ("identity, gzip;q=0.9", None),
            ("identity;q=0, gzip;q=0.1", Some(Gzip)),
            ("identity;q=0", None),
            ("deflate", None),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;level=9", None),
            ("", None),
        ] {
            assert_eq!(wanted(&[line]), coding, "{line}");
        }
        assert_eq!(wanted(&[]), None);
        assert_eq!(wanted(&["gzip;q=0.5", "br"]), Some(Brotli));
    }

    #[test]
    fn text_is_coded_and_pictures_are_not() {
        for (media, wanted) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/html", true),
            ("image/svg+xml", true),
            ("image/png", false),
            ("application/octet-stream", false),
            ("application/grpc", false),
            ("text", false),
            ("", false),
        ] {
            assert_eq!(is_text(&HeaderValue::from_static(media)), wanted, "{media}");
        }
    }
}
