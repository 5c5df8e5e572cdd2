//! Who may ask the admin listener although no credential is asked for: programs, and not the pages of others that somebody's
//! browser shows on the same machine.
//!
//! A page can have its browser send a POST anywhere, and read what is at a name of its own that it lets point here (DNS
//! rebinding). The first says where it comes from in `Origin`, the second asks for its own name in `Host`.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

/// Whether only this machine reaches the listener, so that no other name can be its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loopback(pub(super) bool);

/// 403 for what somebody else's page has its browser ask.
pub(super) async fn refuse(State(loopback): State<Loopback>, request: Request, next: Next) -> Response {
    if is_foreign(request.headers(), loopback) {
        let why = "the admin pages are not for pages of others: `Origin` or `Host` names one\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap, Loopback(is_loopback): Loopback) -> bool {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    let host = text(header::HOST);
    let from = text(header::ORIGIN).map(|it| it.split_once("://").map_or(it, |it| it.1));
    let is_own = |it: &str| host.is_some_and(|host| host.eq_ignore_ascii_case(it));
    from.is_some_and(|it| !is_own(it)) || is_loopback && host.is_some_and(|it| !is_local(it))
}

/// Whether a host, with a port or not, is an address, or a name without a dot, which nobody else can own.
fn is_local(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let inner = rest.split_once(']');
        return inner.is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'))
        });
    }
    let name = host.rsplit_once(':').map_or(host, |it| it.0);
    !name.contains('.') || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_others_are_known_by_what_they_cannot_help_saying() {
        let rows = [
            (None, None, false),
            (Some("127.0.0.1:9901"), None, false),
            (Some("localhost:9901"), None, false),
            (Some("weft"), None, false),
            (Some(""), None, false),
            (Some("evil.example."), None, true),
            (Some("[::1]:9901"), None, false),
            (Some("10.0.0.7"), None, false),
            (Some("evil.example:9901"), None, true),
            (Some("localhost.evil.example"), None, true),
            (Some("127.0.0.1.evil.example"), None, true),
            (Some("[::1].evil.example"), None, true),
            (Some("[evil]"), None, true),
            (Some("127.0.0.1:9901"), Some("https://evil.example"), true),
            (Some("127.0.0.1:9901"), Some("null"), true),
            (Some("127.0.0.1:9901"), Some("http://127.0.0.1:8080"), true),
            (Some("127.0.0.1:9901"), Some("http://127.0.0.1:9901"), false),
            (Some("evil.example"), Some("http://evil.example"), true),
            (None, Some("http://127.0.0.1:9901"), true),
        ];
        for (host, origin, wanted) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_foreign(&headers, Loopback(true)), wanted, "{host:?} {origin:?}");
            // Where other machines reach it, it may have any name.
            let by_origin = wanted && origin.is_some() && host != Some("evil.example");
            assert_eq!(is_foreign(&headers, Loopback(false)), by_origin, "{host:?} {origin:?}");
        }
    }
}
