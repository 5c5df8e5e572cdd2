//! Requests that their client has signed (RFC 9421), over HTTP/2: in clear and over TLS, made into a base here by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use base64_simd::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use http::Request;
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::{Digest, Sha256};

use super::authority::Authority;
use super::http2;
use super::process::{Folder, serving};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Components with their values, in order.
type Covered<'c> = &'c [(&'c str, &'c str)];

/// `Signature-Input` and `Signature` over what is covered.
fn sign(covered: Covered<'_>) -> (String, String) {
    let created = weft::time::since_epoch().as_secs();
    let names: Vec<String> = covered.iter().map(|it| format!("\"{}\"", it.0)).collect();
    let params = format!("({});created={created};keyid=\"acme\"", names.join(" "));
    let mut base = String::new();
    for (name, value) in covered {
        base.extend(["\"", name, "\": ", value, "\n"]);
    }
    base.extend(["\"@signature-params\": ", &params]);
    let signed = jsonwebtoken::crypto::sign(base.as_bytes(), &EncodingKey::from_secret(SECRET), Algorithm::HS256);
    let bytes = URL_SAFE_NO_PAD
        .decode_to_vec(signed.expect("a signature"))
        .expect("bytes");
    let signature = format!("sig1=:{}:", BASE64.encode_to_string(bytes));
    (format!("sig1={params}"), signature)
}

fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode_to_string(Sha256::digest(body)))
}

/// One request, and what is signed of it.
#[derive(Clone, Copy)]
struct Asking<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'static [u8],
    covered: Covered<'a>,
}

/// The status and the body of the answer.
fn ask(address: SocketAddr, tls: Option<&Arc<rustls::ClientConfig>>, asking: &Asking<'_>) -> (u16, String) {
    let (input, signature) = sign(asking.covered);
    let mut request = Request::builder().method(asking.method).uri(asking.url);
    for (name, value) in asking.headers {
        request = request.header(*name, *value);
    }
    let request = request.header("signature-input", input).header("signature", signature);
    let request = request.body(Full::from(asking.body)).expect("a request");
    let answer = http2::block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        match tls {
            None => http2::ask(stream, request).await,
            Some(config) => {
                let name = "shop.example".try_into().expect("a name");
                let connector = tokio_rustls::TlsConnector::from(config.clone());
                http2::ask(connector.connect(name, stream).await.expect("a handshake"), request).await
            }
        }
    });
    let status = answer.status().as_u16();
    let body = answer.into_body().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A gateway, in clear where `tls` is empty.
fn gateway(folder: &Folder, tls: &str) -> (super::process::Process, SocketAddr) {
    let secret = BASE64.encode_to_string(SECRET);
    folder.write(
        "keys.yaml",
        &format!("acme: {{ algorithm: hmac-sha256, secret: \"{secret}\" }}\n"),
    );
    folder.write("compositions/me.yaml", "endpoint: GET /me\nresponse: $auth.sub\n");
    folder.write(
        "compositions/orders.yaml",
        "endpoint: PUT /orders/{id}\nresponse: $body.note\n",
    );
    let config = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n{tls}\
         backends: {{ recs: {{ http: [\"http://127.0.0.1:1\"] }} }}\n\
         auth: {{ partner: {{ signature: {{ keys: keys.yaml }} }} }}\n"
    );
    serving(&folder.write("weft.yaml", &config))
}

const NOTE: &[u8] = b"{\"note\":\"hello\"}";

#[test]
fn what_is_signed_is_the_same_over_http_2() {
    let folder = Folder::new("signed");
    let (_process, address) = gateway(&folder, "");
    let sent = digest(NOTE);
    let get = Asking {
        method: "GET",
        url: "http://Shop.Example:80/me?a=b",
        headers: &[],
        body: b"",
        // The pseudo-header says `Shop.Example:80`.
        covered: &[
            ("@method", "GET"),
            ("@authority", "shop.example"),
            ("@path", "/me"),
            ("@query", "?a=b"),
        ],
    };
    let (status, body) = ask(address, None, &get);
    assert_eq!((status, &*body), (200, "\"acme\""));
    let whole: Covered<'_> = &[
        ("@method", "PUT"),
        ("@target-uri", "http://shop.example/orders/7?x=1"),
        ("@scheme", "http"),
        ("content-type", "application/json"),
        ("content-digest", &sent),
    ];
    let put = Asking {
        method: "PUT",
        url: "http://shop.example/orders/7?x=1",
        headers: &[("content-type", "application/json"), ("content-digest", &sent)],
        body: NOTE,
        covered: whole,
    };
    let (status, body) = ask(address, None, &put);
    assert_eq!((status, &*body), (200, "\"hello\""));

    // Cookies come in pieces, and are signed as one.
    let with_cookies = Asking {
        headers: &[("cookie", "a=1"), ("cookie", "b=2")],
        covered: &[get.covered, &[("cookie", "a=1; b=2")]].concat(),
        ..get
    };
    assert_eq!(ask(address, None, &with_cookies).0, 200);

    // Whatever is another request is refused.
    for other in [
        Asking {
            url: "http://other.example/me?a=b",
            ..with_cookies
        },
        Asking {
            url: "http://shop.example/me?a=c",
            ..with_cookies
        },
        Asking {
            headers: &[("cookie", "a=1"), ("cookie", "b=3")],
            ..with_cookies
        },
        Asking {
            method: "HEAD",
            ..with_cookies
        },
        Asking {
            body: b"{\"note\":\"Hello\"}",
            ..put
        },
        Asking {
            covered: &whole[..4],
            ..put
        },
    ] {
        let (status, body) = ask(address, None, &other);
        assert_eq!(status, 401, "{} {}: {body}", other.method, other.url);
    }
}

#[test]
fn the_scheme_of_what_is_signed_is_that_of_the_connection() {
    let (folder, authority) = (Folder::new("signed-tls"), Authority::new("root"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    let (_process, address) = gateway(&folder, "tls: { certificates: [{ cert: a.pem, key: a.key }] }\n");
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    for (scheme, wanted) in [("https", 200), ("http", 401)] {
        let target = format!("{scheme}://shop.example/me?a=b");
        let asking = Asking {
            method: "GET",
            url: "https://shop.example/me?a=b",
            headers: &[],
            body: b"",
            covered: &[("@method", "GET"), ("@target-uri", &target)],
        };
        let (status, body) = ask(address, Some(&config), &asking);
        assert_eq!(status, wanted, "{scheme}: {body}");
    }
}
