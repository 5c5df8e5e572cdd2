//! Issuers whose certificates a company signs itself: keys, what they say of themselves, what they know of tokens, and tokens of
//! our own come from them.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::auth::{ask, read};
use super::authority::{Authority, Terminator};
use super::process::{Folder, get, serving};

const H1: &[&[u8]] = &[b"http/1.1"];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/auth/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a fixture")
}

/// What is behind the certificates. It is a backend as well: `/it` answers who asked.
fn answer(listener: TcpListener, issuer: String) {
    let keys = String::from_utf8(fixture("k1.json")).expect("text");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let request = read(&stream);
            let authorization = request.lines().find_map(|it| it.strip_prefix("authorization: "));
            let body = match request.split(' ').nth(1) {
                Some("/.well-known/openid-configuration") => {
                    json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks.json") }).to_string()
                }
                Some("/jwks.json") => keys.clone(),
                Some("/introspect") => json!({ "active": true, "sub": "opal" }).to_string(),
                Some("/token") => json!({ "access_token": "given", "token_type": "Bearer" }).to_string(),
                _ => json!(authorization).to_string(),
            };
            let length = body.len();
            let head = "HTTP/1.1 200 Said\r\ncontent-type: application/json\r\nconnection: close";
            let _sent = (&stream).write_all(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes());
        }
    });
}

#[test]
fn an_issuer_may_have_a_certificate_of_the_company() {
    let (folder, authority, stranger) = (Folder::new("issuers"), Authority::new("root"), Authority::new("other"));
    let (pair, own) = (authority.issue(&["127.0.0.1"]), authority.issue(&["weft"]));
    folder.write("ca.pem", &authority.pem());
    folder.write("late.pem", &stranger.pem());
    own.write(&folder, "weft");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let plain = listener.local_addr().expect("an address");
    let open = Terminator::start(authority.server(&pair, H1, false), plain);
    let mutual = Terminator::start(authority.server(&pair, H1, true), plain);
    let issuer = format!("https://{}", open.address);
    answer(listener, issuer.clone());
    for name in ["keys", "late", "found", "opaque"] {
        let text = format!("endpoint: GET /{name}\nauth: {name}\nresponse: $auth.sub\n");
        folder.write(&format!("compositions/{name}.yaml"), &text);
    }
    let text = "endpoint: GET /it\nauth: none\ncalls: { it: { http: \"GET recs:/it\" } }\nresponse: $it\n";
    folder.write("compositions/it.yaml", text);
    let jwt = format!("issuer: \"{issuer}\", audience: shop, algorithms: [RS256]");
    let client = "client_id: weft, client_secret: s3cret";
    let config = format!(
        "listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
compositions: [compositions/]
backends:
  recs:
    http: [\"http://{plain}\"]
    auth: {{ client_credentials: {{ token_url: \"{issuer}/token\", {client}, tls: {{ ca: ca.pem }} }} }}
auth:
  keys: {{ jwt: {{ {jwt}, jwks: \"{issuer}/jwks.json\", tls: {{ ca: ca.pem }} }} }}
  late: {{ jwt: {{ {jwt}, jwks: \"{issuer}/jwks.json\", tls: {{ ca: late.pem }} }} }}
  found: {{ jwt: {{ {jwt}, tls: {{ ca: ca.pem }} }} }}
  opaque:
    introspection: {{ url: \"https://{}/introspect\", {client}, tls: {{ ca: ca.pem, cert: weft.pem, key: weft.key }} }}
",
        mutual.address
    );
    let file = folder.write("weft.yaml", &config);
    let (mut process, address) = serving(&file);

    let header = Header {
        kid: Some("k1".to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    let claims = json!({ "iss": issuer, "aud": "shop", "sub": "u1", "exp": 4_000_000_000_u64 });
    let key = EncodingKey::from_rsa_pem(&fixture("rsa.key.pem")).expect("a key");
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("a token");
    let bearer = format!("authorization: Bearer {token}");
    let status = |address: SocketAddr, path: &str| ask(address, path, std::slice::from_ref(&bearer)).status;
    for (path, known) in [("/keys", "u1"), ("/found", "u1"), ("/opaque", "opal")] {
        let answer = ask(address, path, std::slice::from_ref(&bearer));
        assert_eq!((answer.status, answer.text()), (200, format!("\"{known}\"")), "{path}");
    }
    let shown = mutual
        .seen
        .lock()
        .expect("no panic")
        .last()
        .cloned()
        .expect("a handshake")
        .1;
    assert!(shown == Some(own.leaf()));
    assert_eq!(get(address, "/it").json(), "Bearer given");

    // Whoever is not trusted is told nothing, and the log says why.
    assert_eq!(status(address, "/late"), 503);
    process.wait_for_next("unknown issuer");
    folder.write("late.pem", &authority.pem());
    process.wait_for_next("reloaded");
    assert_eq!((status(address, "/late"), status(address, "/keys")), (200, 200));

    // Nor is what somebody said who is trusted no more.
    folder.write("ca.pem", &stranger.pem());
    process.wait_for_next("reloaded");
    assert_eq!((status(address, "/keys"), status(address, "/late")), (503, 200));
}
