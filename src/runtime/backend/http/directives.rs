//! What a reply says about keeping it: `Cache-Control`, `Expires`, `Age` and `Vary` (RFC 9111, semantics.md 5.8).

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName, VARY};

use super::super::Directives;
use crate::time;

/// The longest time that delta-seconds stand for (RFC 9111 §1.2.2).
const MAX_SECONDS: u64 = 1 << 31;

/// Reads the headers. What is malformed counts as stale, as RFC 9111 §4.2.1 advises.
pub(super) fn read(headers: &HeaderMap) -> Directives {
    let mut max_age = None;
    let mut shared_max_age = None;
    let mut no_stale = false;
    let mut no_store = members(headers, &VARY).any(|it| it == "*");
    for directive in members(headers, &CACHE_CONTROL) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            // `private="x-field"` is about a field; the whole reply is kept back all the same.
            "no-store" | "private" => no_store = true,
            // Of several the shortest: a sender that contradicts itself is believed where it says less.
            "no-cache" => max_age = Some(0),
            "max-age" => max_age = Some(seconds(value).min(max_age.unwrap_or(MAX_SECONDS))),
            // RFC 9111 §5.2.2.10: it says `proxy-revalidate`, too.
            "s-maxage" => {
                no_stale = true;
                shared_max_age = Some(seconds(value).min(shared_max_age.unwrap_or(MAX_SECONDS)));
            }
            "must-revalidate" | "proxy-revalidate" => no_stale = true,
            _ => {}
        }
    }
    let lifetime = match (max_age, shared_max_age) {
        (Some(0), _) => Some(Duration::ZERO),
        (_, Some(shared)) => Some(Duration::from_secs(shared)),
        (Some(own), None) => Some(Duration::from_secs(own)),
        (None, None) => headers
            .get(EXPIRES)
            .map(|it| until(it.to_str().unwrap_or_default(), headers)),
    };
    let age = headers.get(AGE).and_then(|it| it.to_str().ok()).map_or(0, seconds);
    Directives {
        no_store,
        no_stale,
        fresh_for: lifetime.map(|it| it.saturating_sub(Duration::from_secs(age))),
    }
}

fn members<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .map(str::trim)
}

fn seconds(text: &str) -> u64 {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|it| it.is_ascii_digit()) {
        return 0;
    }
    // Only too many digits fail.
    text.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS)
}

/// From the reply's own date, or from ours, to `expires`.
fn until(expires: &str, headers: &HeaderMap) -> Duration {
    let Ok(expires) = httpdate::parse_http_date(expires) else {
        return Duration::ZERO;
    };
    let date = headers
        .get(DATE)
        .and_then(|it| httpdate::parse_http_date(it.to_str().ok()?).ok());
    let from = date.unwrap_or_else(|| SystemTime::UNIX_EPOCH + time::since_epoch());
    expires.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_life_wins() {
        type Headers = &'static [(&'static str, &'static str)];
        let rows: &[(Headers, bool, Option<u64>)] = &[
            (&[], false, None),
            (&[("cache-control", "no-store")], true, None),
            (&[("cache-control", "Private, max-age=5")], true, Some(5)),
            (&[("vary", "accept, *")], true, None),
            (&[("cache-control", "max-age=10")], false, Some(10)),
            (&[("cache-control", "max-age=10"), ("age", "4")], false, Some(6)),
            (&[("cache-control", "max-age=10"), ("age", "40")], false, Some(0)),
            (&[("cache-control", "max-age=10, s-maxage=\"3\"")], false, Some(3)),
            (&[("cache-control", "no-cache, s-maxage=3")], false, Some(0)),
            (&[("cache-control", "max-age=ten")], false, Some(0)),
            (
                &[("cache-control", "max-age=10"), ("cache-control", "max-age=7")],
                false,
                Some(7),
            ),
            (&[("cache-control", "max-age=5, must-revalidate")], false, Some(5)),
            (&[("cache-control", "proxy-revalidate")], false, None),
            (&[("expires", "0")], false, Some(0)),
            (
                &[
                    ("date", "Fri, 20 Nov 2026 10:00:00 GMT"),
                    ("expires", "Fri, 20 Nov 2026 10:01:00 GMT"),
                ],
                false,
                Some(60),
            ),
            (
                &[("cache-control", "max-age=99999999999999999999")],
                false,
                Some(MAX_SECONDS),
            ),
        ];
        for (headers, no_store, fresh_for) in rows {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            let no_stale = headers
                .iter()
                .any(|(_, it)| it.contains("s-maxage") || it.contains("revalidate"));
            let wanted = Directives {
                no_store: *no_store,
                no_stale,
                fresh_for: fresh_for.map(Duration::from_secs),
            };
            assert_eq!(read(&map), wanted, "{headers:?}");
        }
    }
}
