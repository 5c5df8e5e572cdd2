//! Which headers and trailers go on, and which are the gateway's own to say.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    self, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::{Version, uri};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;

use crate::plan::Forward;
use crate::runtime::backend::passing::BoxError;

/// What is said of one connection only (RFC 9110 §7.6.1), and what framing says.
const OF_CONNECTION: [HeaderName; 12] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    VIA,
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Who asks, in the gateway's words: a client could say anything.
const OF_CLIENT: [HeaderName; 5] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    X_REAL_IP,
];

/// Where a request comes from.
pub(super) struct From<'r> {
    pub(super) parts: &'r Parts,
    pub(super) remote_ip: IpAddr,
    /// It came over TLS.
    pub(super) secure: bool,
    /// It asks for a WebSocket.
    pub(super) upgrades: bool,
}

/// The client's side of a connection that it wants to become a WebSocket. Other protocols are not let through: HTTP/2 in
/// clear text, for one, would go past everything that the gateway checks.
pub(super) fn upgrade(parts: &Parts) -> Option<OnUpgrade> {
    let websocket = has_token(&parts.headers, &UPGRADE, "websocket");
    let wanted = parts.version == Version::HTTP_11 && websocket && has_token(&parts.headers, &CONNECTION, "upgrade");
    parts.extensions.get::<OnUpgrade>().filter(|_| wanted).cloned()
}

/// The headers of a request as it goes on.
pub(super) fn of_request(from: &From<'_>, forward: &Forward, trace: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let (parts, given) = (from.parts, &from.parts.headers);
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let websocket = from.upgrades && name.as_str().starts_with("sec-websocket-") && !forward.withholds(name);
        let goes_on = forward.allows(name) || websocket || *name == TRAILER;
        if goes_on && !is_of_connection(name, given) && !OF_CLIENT.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if from.upgrades {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    } else if has_token(given, &TE, "trailers") {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // RFC 9110 §7.6.3: each who hands on adds itself.
    for value in given.get_all(VIA) {
        headers.append(VIA, value.clone());
    }
    let via = if parts.version == Version::HTTP_2 {
        "2 weft"
    } else {
        "1.1 weft"
    };
    headers.append(VIA, HeaderValue::from_static(via));
    for (name, value) in of_client(from) {
        if forward.allows(&name) {
            headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
        }
    }
    for (name, value) in trace {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

/// RFC 7239, and what was usual before it.
fn of_client(from: &From<'_>) -> [(HeaderName, String); 5] {
    let parts = from.parts;
    let host = parts.uri.authority().map(uri::Authority::as_str);
    let host = host
        .or_else(|| parts.headers.get(HOST)?.to_str().ok())
        .unwrap_or_default();
    let proto = if from.secure { "https" } else { "http" };
    let ip = from.remote_ip.to_string();
    let node = match from.remote_ip {
        IpAddr::V4(_) => ip.clone(),
        IpAddr::V6(_) => format!("\"[{ip}]\""),
    };
    [
        (
            FORWARDED,
            format!("for={node};host=\"{}\";proto={proto}", host.replace(['"', '\\'], "")),
        ),
        (X_FORWARDED_FOR, ip.clone()),
        (X_FORWARDED_HOST, host.to_owned()),
        (X_FORWARDED_PROTO, proto.to_owned()),
        (X_REAL_IP, ip),
    ]
}

/// The headers of an answer as it goes back.
pub(super) fn of_answer(given: &HeaderMap, forward: &Forward, switched: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let websocket = switched && (name.as_str().starts_with("sec-websocket-") || *name == UPGRADE);
        // How long a body is that HEAD leaves out only this says.
        let framing = *name == CONTENT_LENGTH || *name == TRAILER;
        let goes_back = forward.allows(name) && !is_of_connection(name, given);
        if goes_back || websocket || (framing && !switched) {
            headers.append(name.clone(), value.clone());
        }
    }
    if switched {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    headers
}

/// Whether a header is about the connection: always, or because `Connection` names it.
fn is_of_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    OF_CONNECTION.contains(name) || has_token(headers, &CONNECTION, name.as_str())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
    // Behind `;` stands how much it is wanted.
    values.any(|it| {
        it.split(',')
            .filter_map(|it| it.split(';').next())
            .any(|it| it.trim().eq_ignore_ascii_case(token))
    })
}

/// A body whose trailers hold no credentials and no cookies, unless those are handed over.
pub(super) struct Trailed<B> {
    body: B,
    forward: Arc<Forward>,
}

impl<B> Trailed<B> {
    pub(super) fn new(body: B, forward: Arc<Forward>) -> Self {
        Self { body, forward }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Trailed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        Pin::new(&mut this.body).poll_frame(cx).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                let kept = trailers.iter().filter(|(name, _)| !this.forward.withholds(name));
                *trailers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn request(given: HeaderMap) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers = given;
        parts
    }

    fn handed(given: HeaderMap, forward: &Forward) -> HeaderMap {
        let parts = request(given);
        let from = From {
            parts: &parts,
            remote_ip: "2001:db8::1".parse().unwrap(),
            secure: false,
            upgrades: false,
        };
        of_request(&from, forward, &[])
    }

    #[test]
    fn what_is_about_the_connection_stays_whatever_is_named() {
        let all = Forward {
            names: vec![HeaderName::from_static("authorization")],
            starts: vec!["".into()],
            ..Forward::default()
        };
        let given = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("x-end", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "secret"),
            ("te", "trailers;q=0.5"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("cookie", "sid=1"),
            ("authorization", "Bearer x"),
            ("via", "1.0 first"),
            ("x-forwarded-for", "6.6.6.6"),
            ("host", "shop.example"),
        ]);
        let wanted = headers(&[
            ("x-end", "1"),
            ("authorization", "Bearer x"),
            ("connection", "te"),
            ("te", "trailers"),
            ("via", "1.0 first"),
            ("via", "1.1 weft"),
            ("forwarded", "for=\"[2001:db8::1]\";host=\"shop.example\";proto=http"),
            ("x-forwarded-for", "2001:db8::1"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "2001:db8::1"),
        ]);
        assert_eq!(handed(given, &all), wanted);
    }

    #[test]
    fn nothing_goes_on_that_is_not_named() {
        let given = headers(&[
            ("accept", "a/b"),
            ("cookie", "sid=1"),
            ("x-any", "1"),
            ("authorization", "x"),
        ]);
        let forward = Forward {
            names: vec![header::ACCEPT],
            ..Forward::default()
        };
        assert_eq!(
            handed(given, &forward),
            headers(&[("accept", "a/b"), ("via", "1.1 weft")])
        );
        let given = headers(&[
            ("set-cookie", "a=1"),
            ("x-a", "1"),
            ("content-length", "3"),
            ("server", "old"),
        ]);
        let forward = Forward {
            starts: vec!["x-".into()],
            ..Forward::default()
        };
        let wanted = headers(&[("x-a", "1"), ("content-length", "3")]);
        assert_eq!(of_answer(&given, &forward, false), wanted);
    }

    #[test]
    fn credentials_of_clients_go_on_where_they_are_named_and_nowhere_else() {
        let given = || {
            headers(&[
                ("x-api-key", "k"),
                ("x-a", "1"),
                ("sec-websocket-protocol", "k"),
                ("sec-websocket-key", "1"),
            ])
        };
        let handed = |forward: &Forward| {
            let parts = request(given());
            let from = From {
                parts: &parts,
                remote_ip: "127.0.0.1".parse().unwrap(),
                secure: false,
                upgrades: true,
            };
            let headers = of_request(&from, forward, &[]);
            ["x-api-key", "x-a", "sec-websocket-protocol", "sec-websocket-key"].map(|it| headers.contains_key(it))
        };
        let mut forward = Forward {
            starts: vec!["".into()],
            secrets: vec![
                HeaderName::from_static("x-api-key"),
                HeaderName::from_static("sec-websocket-protocol"),
            ],
            ..Forward::default()
        };
        assert_eq!(handed(&forward), [false, true, false, true]);
        forward.names.push(HeaderName::from_static("x-api-key"));
        assert_eq!(handed(&forward), [true, true, false, true]);
    }

    #[test]
    fn only_websockets_are_let_through() {
        for (upgrade_to, connection, version, wanted) in [
            ("websocket", "keep-alive, Upgrade", Version::HTTP_11, true),
            ("WebSocket", "upgrade", Version::HTTP_11, true),
            ("websocket", "keep-alive", Version::HTTP_11, false),
            ("websocket", "upgrade", Version::HTTP_10, false),
            ("h2c", "upgrade", Version::HTTP_11, false),
        ] {
            let mut asked = http::Request::new(());
            // The extension is there on every connection that can be upgraded.
            let on = hyper::upgrade::on(&mut asked);
            let mut parts = request(headers(&[("upgrade", upgrade_to), ("connection", connection)]));
            parts.version = version;
            parts.extensions.insert(on);
            assert_eq!(
                upgrade(&parts).is_some(),
                wanted,
                "{upgrade_to} {connection} {version:?}"
            );
        }
    }
}
