//! What it costs to know who asks: `cargo bench --bench auth`.
//!
//! *open* and *token* are whole requests to endpoints that answer a constant, without and with a signed token that is known
//! already; the difference is what a token costs. *verify* and *reference* verify a token that nobody has seen, with its
//! claims, as the gateway does and as `jsonwebtoken` alone does.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that panics has failed, as it should"
)]

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box};
use http_body_util::Empty;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use tokio::task::LocalSet;
use weft::auth::jwk::{Key, KeySet};
use weft::auth::jwt::{Rules, Token};
use weft::gateway::load::Loader;
use weft::runtime::serve::{Peer, handle};
use weft::runtime::snapshot::{Hall, Running, Snapshot};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many requests one sample makes.
const REQUESTS: usize = 1_000;

const NOW: i64 = 1_800_000_000;

const GATEWAY: &str = "
compositions: [open.yaml, token.yaml]
backends: { recs: { http: [\"http://127.0.0.1:1\"] } }
telemetry: { log: { access: none, audit: none } }
auth:
  customer:
    jwt: { issuer: \"https://id.example\", audience: shop, algorithms: [RS256], keys: rsa.pem }
    claims: { plan: string, roles: [string] }
";

fn main() {
    divan::main();
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/auth/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn signed(algorithm: Algorithm) -> String {
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(&read("ec.key.pem")),
        _ => EncodingKey::from_rsa_pem(&read("rsa.key.pem")),
    };
    let claims = json!({
        "iss": "https://id.example", "aud": "shop", "sub": "u1", "exp": 4_000_000_000_u64, "plan": "gold",
        "roles": ["clerk", "admin"],
    });
    jsonwebtoken::encode(&Header::new(algorithm), &claims, &key.unwrap()).unwrap()
}

fn public(algorithm: Algorithm) -> Vec<u8> {
    read(if algorithm == Algorithm::ES256 {
        "ec.pem"
    } else {
        "rsa.pem"
    })
}

/// A thread, and a gateway with both endpoints.
fn gateway() -> (tokio::runtime::Runtime, LocalSet, Rc<Running>) {
    let folder = std::env::temp_dir().join(format!("weft-bench-auth-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rsa.pem"), read("rsa.pem")).unwrap();
    std::fs::write(folder.join("weft.yaml"), GATEWAY).unwrap();
    std::fs::write(
        folder.join("open.yaml"),
        "endpoint: GET /open\nauth: none\nresponse: { ok: true }\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("token.yaml"),
        "endpoint: GET /token\nresponse: { ok: true }\n",
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = LocalSet::new();
    let running = local.block_on(&runtime, async {
        let loaded = Loader::from_file(&folder.join("weft.yaml")).load().await;
        let plan = loaded.map_err(|it| it.lines().join("\n")).unwrap().plan;
        let hall = Hall::new(plan.settings.cache_memory, None);
        Running::new(Arc::new(Snapshot::new(plan, None)), hall, None)
    });
    std::fs::remove_dir_all(&folder).unwrap();
    (runtime, local, running)
}

fn request_each(bencher: Bencher<'_, '_>, path: &str) {
    let (runtime, local, running) = gateway();
    let peer = Peer::at(Ipv4Addr::LOCALHOST);
    let authorization = http::HeaderValue::try_from(format!("Bearer {}", signed(Algorithm::RS256))).unwrap();
    bencher.counter(REQUESTS).bench_local(|| {
        local.block_on(&runtime, async {
            for _ in 0..REQUESTS {
                let mut request = http::Request::new(Empty::<Bytes>::new());
                *request.uri_mut() = http::Uri::try_from(path).unwrap();
                let headers = request.headers_mut();
                headers.insert(http::header::AUTHORIZATION, authorization.clone());
                let response = handle(running.clone(), request, peer.clone()).await;
                assert_eq!(black_box(response).status(), 200);
            }
        });
    });
}

#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    request_each(bencher, "/open");
}

#[divan::bench]
fn token(bencher: Bencher<'_, '_>) {
    request_each(bencher, "/token");
}

#[divan::bench(args = [Algorithm::RS256, Algorithm::ES256])]
fn verify(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let text = signed(algorithm);
    let keys = KeySet::of(Key::from_pem(std::str::from_utf8(&public(algorithm)).unwrap()).unwrap());
    let rules = Rules {
        algorithms: vec![algorithm],
        issuer: Some("https://id.example".into()),
        audiences: vec!["shop".into()],
        leeway: 30,
        kind: None,
    };
    bencher.bench_local(|| {
        let token = Token::parse(black_box(&text)).unwrap();
        token.claims(&keys, &rules, NOW).unwrap()
    });
}

#[divan::bench(args = [Algorithm::RS256, Algorithm::ES256])]
fn reference(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let text = signed(algorithm);
    let key = match algorithm {
        Algorithm::ES256 => DecodingKey::from_ec_pem(&public(algorithm)),
        _ => DecodingKey::from_rsa_pem(&public(algorithm)),
    };
    let key = key.unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["https://id.example"]);
    validation.set_audience(&["shop"]);
    bencher.bench_local(|| jsonwebtoken::decode::<Value>(black_box(&text), &key, &validation).unwrap());
}
