//! Whom one gateway was told to refuse all refuse that are on one Redis, and a nonce is accepted by one of them only; also where
//! Redis goes and comes back empty. Where there is none this is left out, and said so.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use weft::time;

use super::process::{Answer, Folder, Process, ask, ask_with, counted, get, serving_with_admin, until};
use super::redis_server::{free_port, is_installed, redis};

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: Folder,
}

impl Gateway {
    fn start(name: &str, redis: Option<u16>) -> Self {
        let folder = Folder::new(name);
        folder.write(
            "compositions/a.yaml",
            "endpoint: GET /a\nauth: partner\nresponse: $auth.sub\n",
        );
        let entry = |name: &str, claims: &str| {
            let hash = weft::auth::api_key::written(&weft::auth::api_key::hash(&key_of(name)));
            format!("{name}: {{ hash: \"{hash}\", claims: {{ {claims} }} }}\n")
        };
        let entries = ["ann", "bob", "cid", "eve"].map(|it| entry(it, &format!("jti: token-{it}")));
        folder.write("partners.yaml", &entries.concat());
        folder.write(
            "compositions/b.yaml",
            "endpoint: GET /b\nauth: signer\nresponse: $auth.sub\n",
        );
        let signer = format!("acme: {{ algorithm: hmac-sha256, secret: {SECRET} }}\n");
        folder.write("signers.yaml", &signer);
        let redis = redis.map_or_else(String::new, |port| {
            format!("cache: {{ redis: \"redis://127.0.0.1:{port}\" }}\n")
        });
        let config = format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
             telemetry: {{ log: {{ access: none }} }}\nbackends: {{ none: {{ http: [\"http://127.0.0.1:1\"] }} }}\n\
             auth:\n  partner: {{ api_key: {{ keys: partners.yaml }} }}\n  \
             signer: {{ signature: {{ keys: signers.yaml, nonce: required }} }}\n{redis}"
        );
        let file = folder.write("weft.yaml", &config);
        let (process, address, admin) = serving_with_admin(&file);
        Self {
            process,
            address,
            admin,
            _folder: folder,
        }
    }

    fn lets_in(&self, name: &str) -> bool {
        let answer = ask_with(self.address, "GET", "/a", &[&format!("x-api-key: {}", key_of(name))]);
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        answer.status == 200
    }

    /// Whether a request is, that was signed with this nonce.
    fn takes(&self, nonce: &str) -> bool {
        let created = time::since_epoch().as_secs();
        let params = format!(
            "(\"@method\" \"@authority\" \"@path\" \"@query\");created={created};keyid=\"acme\";nonce=\"{nonce}\""
        );
        let base = format!(
            "\"@method\": GET\n\"@authority\": weft\n\"@path\": /b\n\"@query\": ?\n\"@signature-params\": {params}"
        );
        let key = EncodingKey::from_base64_secret(SECRET).expect("a key");
        let signature = jsonwebtoken::crypto::sign(base.as_bytes(), &key, Algorithm::HS256).expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64");
        let lines = [
            format!("signature-input: s={params}"),
            format!("signature: s=:{}:", STANDARD.encode_to_string(signature)),
        ];
        let answer = ask_with(self.address, "GET", "/b", &[&lines[0], &lines[1]]);
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        answer.status == 200
    }

    fn says(&self, path: &str, body: &serde_json::Value) -> Answer {
        ask(self.admin, "POST", path, Some(&body.to_string()))
    }

    fn revokes(&self, name: &str) -> Answer {
        self.says("/auth/revoke", &json!({ "provider": "partner", "sub": [name] }))
    }

    fn wait_until_redis(&self, state: &str) {
        until(state, || {
            let page = get(self.admin, "/auth/revoked").json();
            page["redis"] == state && (state == "gone" || page["to_tell"] == 0)
        });
    }
}

fn key_of(name: &str) -> String {
    format!("{name}.0123456789abcdef0123456789abcdef")
}

#[test]
fn whom_one_gateway_is_told_to_refuse_all_refuse() {
    if !is_installed() {
        return;
    }
    let (folder, port) = (Folder::new("revoked-redis"), free_port());
    let _redis = redis(port, folder.path());
    let one = Gateway::start("revoked-one", Some(port));
    let two = Gateway::start("revoked-two", Some(port));
    assert!(one.lets_in("ann") && two.lets_in("ann"));

    assert_eq!(one.revokes("ann").status, 204);
    assert!(!one.lets_in("ann"));
    until("ann is refused", || !two.lets_in("ann"));
    let done = two.says(
        "/auth/revoke",
        &json!({ "provider": "partner", "jti": ["token-bob"], "for": "1h" }),
    );
    assert_eq!(done.status, 204);
    until("bob is refused", || !one.lets_in("bob"));
    assert!(one.lets_in("cid") && two.lets_in("cid"));
    let page = get(one.admin, "/auth/revoked").json();
    assert_eq!(page["providers"], json!({ "partner": { "jti": 1, "sub": 1 } }));

    // Who comes later knows it before anybody asks.
    let fresh = Gateway::start("revoked-fresh", Some(port));
    assert_eq!(["ann", "bob", "cid"].map(|it| fresh.lets_in(it)), [false, false, true]);

    // It ends by itself, or where somebody takes it back.
    let soon = json!({ "provider": "partner", "sub": ["cid"], "for": "1s" });
    assert_eq!(one.says("/auth/revoke", &soon).status, 204);
    assert!(!one.lets_in("cid"));
    until("cid is let in again", || one.lets_in("cid") && two.lets_in("cid"));
    let back = json!({ "provider": "partner", "sub": ["ann"] });
    assert_eq!(two.says("/auth/restore", &back).status, 204);
    assert!(two.lets_in("ann"));
    until("ann is let in again", || one.lets_in("ann") && fresh.lets_in("ann"));
    assert!([&one, &two, &fresh].iter().all(|it| !it.lets_in("bob")));

    // It is told at once, not with the next question, which comes a second after the last.
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(one.revokes("eve").status, 204);
        until("eve is refused", || !two.lets_in("eve"));
        assert_eq!(
            one.says("/auth/restore", &json!({ "provider": "partner", "sub": ["eve"] }))
                .status,
            204
        );
        until("eve is let in again", || two.lets_in("eve"));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let wrong = one.says("/auth/revoke", &json!({ "provider": "nobody", "sub": ["ann"] }));
    assert_eq!((wrong.status, &*wrong.text()), (400, "there is no such provider\n"));
}

#[test]
fn revocations_survive_a_redis_that_is_killed_and_comes_back_empty() {
    if !is_installed() {
        return;
    }
    let (folder, port) = (Folder::new("unrevoked-redis"), free_port());
    let server = redis(port, folder.path());
    let mut one = Gateway::start("unrevoked-one", Some(port));
    let two = Gateway::start("unrevoked-two", Some(port));
    assert_eq!(one.revokes("ann").status, 204);
    until("ann is refused", || !two.lets_in("ann"));

    drop(server);
    one.wait_until_redis("gone");
    let alone = one.revokes("bob");
    assert_eq!(alone.status, 202, "{alone:?}");
    assert!(alone.text().contains("Redis does not answer"), "{alone:?}");
    assert!(!one.lets_in("bob") && two.lets_in("bob"));
    assert_eq!(get(one.admin, "/auth/revoked").json()["to_tell"], 1);
    // Who is started without it serves all the same.
    let late = Gateway::start("unrevoked-late", Some(port));
    assert!(late.lets_in("ann"));

    let _redis = redis(port, folder.path());
    for gateway in [&one, &two, &late] {
        until("what was said meanwhile is heard", || !gateway.lets_in("bob"));
        until("what was said before is told again", || !gateway.lets_in("ann"));
        gateway.wait_until_redis("there");
    }
    one.process.wait_for_next("shared again");
    let fresh = Gateway::start("unrevoked-fresh", Some(port));
    assert_eq!(["ann", "bob", "cid"].map(|it| fresh.lets_in(it)), [false, false, true]);
}

#[test]
fn a_gateway_that_is_alone_refuses_by_itself() {
    let alone = Gateway::start("revoked-alone", None);
    assert_eq!(alone.revokes("ann").status, 204);
    assert_eq!(["ann", "bob"].map(|it| alone.lets_in(it)), [false, true]);
    let page = get(alone.admin, "/auth/revoked").json();
    assert_eq!(
        page,
        json!({ "redis": "none", "to_tell": 0, "providers": { "partner": { "jti": 0, "sub": 1 } } })
    );
    let never = Gateway::start("revoked-never", Some(free_port()));
    assert_eq!(never.revokes("ann").status, 202);
    assert_eq!(["ann", "bob"].map(|it| never.lets_in(it)), [false, true]);
}

#[test]
fn a_nonce_that_one_gateway_has_seen_no_other_takes() {
    if !is_installed() {
        return;
    }
    let (folder, port) = (Folder::new("nonce-redis"), free_port());
    let server = redis(port, folder.path());
    let mut one = Gateway::start("nonce-one", Some(port));
    let two = Gateway::start("nonce-two", Some(port));
    assert!(one.takes("n1") && two.takes("n2"));
    assert!(!two.takes("n1") && !one.takes("n2") && !one.takes("n1"));
    // Its memory is another one's after a restart.
    let fresh = Gateway::start("nonce-fresh", Some(port));
    assert!(!fresh.takes("n1") && fresh.takes("n3"));
    let of = |result: &str, store: &str, n: u64| {
        format!("weft_nonces_total{{provider=\"signer\",result=\"{result}\",store=\"{store}\"}} {n}")
    };
    let wanted = [
        of("first", "redis", 1),
        of("replayed", "redis", 1),
        of("replayed", "local", 1),
    ];
    counted(one.admin, &wanted.each_ref().map(String::as_str));

    // Without Redis each knows its own.
    drop(server);
    assert!(one.takes("n4") && !one.takes("n4") && !one.takes("n1") && !one.takes("n2"));
    assert!(two.takes("n4") && !two.takes("n4"));
    counted(one.admin, &[&of("first", "local", 1)]);
    one.process.wait_for_next("limits and nonces are its own");

    let _redis = redis(port, folder.path());
    let n = AtomicU64::new(5);
    until("they are shared again", || {
        let nonce = format!("n{}", n.fetch_add(1, Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(100));
        one.takes(&nonce) && !two.takes(&nonce)
    });
}
