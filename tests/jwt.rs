//! Tokens: Wycheproof's verdicts (`fixtures/auth/wycheproof`), and each attack on JWT that is known, refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use weft::auth::Why;
use weft::auth::jwk::{Key, KeySet, Source};
use weft::auth::jwt::{Rules, Token};

const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Valid to Wycheproof and refused here: never the other way round.
const STRICTER: &[(u64, &str)] = &[
    (
        346,
        "the key says PS256, the token PS384 (RFC 7517 §4.4, RFC 8725 §3.1)",
    ),
    (
        347,
        "ES512 is not offered, and the key says ES521, which is no algorithm",
    ),
    (350, "the key says PS256, the token PS384"),
    (351, "ES512 is not offered, and the key says ES521"),
    (
        372,
        "a header with a character that base64url does not have (RFC 7515 §2)",
    ),
    (373, "a payload with such a character"),
];

/// Invalid to Wycheproof, and to the byte the same as 357, which is valid.
const CONTRADICTED: &[u64] = &[367, 370];

fn vectors(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("fixtures/auth/wycheproof/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn verdicts(name: &str) -> (usize, usize) {
    let (mut n_valid, mut n_invalid, mut wrong) = (0, 0, Vec::new());
    for group in vectors(name)["testGroups"].as_array().unwrap() {
        let keys = group.get("public").unwrap_or(&group["private"]).to_string();
        for test in group["tests"].as_array().unwrap() {
            let id = test["tcId"].as_u64().unwrap();
            // One of them is the JSON form, which is no text at all.
            let jws = test["jws"]
                .as_str()
                .map_or_else(|| test["jws"].to_string(), str::to_owned);
            let verified = KeySet::from_json(keys.as_bytes(), Source::Local)
                .is_ok_and(|set| Token::parse(&jws).is_ok_and(|it| it.verified(&set, &ALL).is_ok()));
            let is_signature = name.contains("signature");
            let said = test["result"] == "valid" || is_signature && CONTRADICTED.contains(&id);
            let wanted = said && !(is_signature && STRICTER.iter().any(|it| it.0 == id));
            if wanted {
                n_valid += 1;
            } else {
                n_invalid += 1;
            }
            if verified != wanted {
                wrong.push(format!("{id} {}: {}", test["comment"], test["result"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    (n_valid, n_invalid)
}

#[test]
fn signatures_are_judged_as_wycheproof_does() {
    assert_eq!(
        verdicts("json_web_signature_test.json"),
        (
            46 - STRICTER.len() + CONTRADICTED.len(),
            355 + STRICTER.len() - CONTRADICTED.len()
        )
    );
}

#[test]
fn keys_are_judged_as_wycheproof_does() {
    assert_eq!(verdicts("json_web_key_test.json"), (5, 21));
}

#[test]
fn what_is_contradicted_is_so_in_the_vectors() {
    let all = vectors("json_web_signature_test.json");
    let tests = all["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["tests"].as_array().unwrap());
    let tests: Vec<_> = tests
        .filter(|it| it["tcId"] == 357 || CONTRADICTED.iter().any(|id| it["tcId"] == *id))
        .collect();
    assert_eq!(tests.len(), 3);
    assert!(tests.iter().all(|it| it["jws"] == tests[0]["jws"]));
    assert_ne!(tests[0]["result"], tests[1]["result"]);
}

// === Attacks ===

const NOW: i64 = 1_800_000_000;

fn rsa() -> KeySet {
    KeySet::from_json(&std::fs::read("fixtures/auth/k1.json").unwrap(), Source::Public).unwrap()
}

fn rules(algorithms: &[Algorithm]) -> Rules {
    Rules {
        algorithms: algorithms.to_vec(),
        issuer: Some("https://id.example".into()),
        audiences: vec!["shop".into()],
        leeway: 0,
        kind: None,
    }
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": "shop", "sub": "u1", "exp": NOW + 60 })
}

fn encode(value: impl AsRef<[u8]>) -> String {
    BASE64.encode_to_string(value.as_ref())
}

fn private(name: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(&std::fs::read(format!("fixtures/auth/{name}.key.pem")).unwrap()).unwrap()
}

/// A token with this header and payload, as they are written, really signed.
fn signed(header: &str, payload: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn judge(token: &str, keys: &KeySet, algorithms: &[Algorithm]) -> Result<(), Why> {
    Token::parse(token)?.claims(keys, &rules(algorithms), NOW).map(drop)
}

fn with_header(header: &Value) -> Result<(), Why> {
    let token = signed(
        &header.to_string(),
        &claims().to_string(),
        Algorithm::RS256,
        &private("rsa"),
    );
    judge(&token, &rsa(), &[Algorithm::RS256])
}

#[test]
fn a_sound_token_is_accepted() {
    assert_eq!(with_header(&json!({ "alg": "RS256", "kid": "k1" })), Ok(()));
    assert_eq!(
        with_header(&json!({ "alg": "RS256", "kid": "k1", "typ": "at+JWT" })),
        Ok(())
    );
    assert_eq!(
        with_header(&json!({ "alg": "RS256", "typ": "application/at+jwt" })),
        Ok(())
    );
}

#[test]
fn no_algorithm_is_no_signature() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = format!(
            "{}.{}",
            encode(json!({ "alg": alg }).to_string()),
            encode(claims().to_string())
        );
        for signature in ["", "AA"] {
            let why = judge(&format!("{message}.{signature}"), &rsa(), &ALL).unwrap_err();
            assert_eq!(why, Why::Algorithm, "{alg}");
        }
    }
    assert_eq!(with_header(&json!({ "typ": "JWT" })), Err(Why::Malformed));
    assert_eq!(with_header(&json!({ "alg": 1 })), Err(Why::Malformed));
}

#[test]
fn a_public_key_is_no_secret() {
    let pem = std::fs::read("fixtures/auth/rsa.pem").unwrap();
    let set = KeySet::of(Key::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap());
    let jwk = std::fs::read("fixtures/auth/k1.json").unwrap();
    for secret in [pem.as_slice(), pem.trim_ascii(), jwk.as_slice()] {
        let key = EncodingKey::from_secret(secret);
        let token = signed(r#"{"alg":"HS256"}"#, &claims().to_string(), Algorithm::HS256, &key);
        for set in [&set, &rsa()] {
            assert_eq!(judge(&token, set, &[Algorithm::RS256]), Err(Why::Algorithm));
            // Even where somebody lists both.
            assert_eq!(judge(&token, set, &ALL), Err(Why::UnknownKey));
        }
    }
}

#[test]
fn keys_in_a_token_are_not_looked_at() {
    let mut own: Value = serde_json::from_slice(&std::fs::read("fixtures/auth/k2.json").unwrap()).unwrap();
    let own = own["keys"][0].take();
    for header in [
        json!({ "alg": "RS256", "kid": "k1", "jwk": own }),
        json!({ "alg": "RS256", "jwk": own }),
        json!({ "alg": "RS256", "kid": "k1", "jku": "https://evil.example/jwks.json" }),
        json!({ "alg": "RS256", "kid": "k1", "x5u": "https://evil.example/cert.pem" }),
        json!({ "alg": "RS256", "kid": "k1", "x5c": ["MIIB"] }),
    ] {
        let token = signed(
            &header.to_string(),
            &claims().to_string(),
            Algorithm::RS256,
            &private("other"),
        );
        assert_eq!(
            judge(&token, &rsa(), &[Algorithm::RS256]),
            Err(Why::Signature),
            "{header}"
        );
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    for kid in [
        "../../dev/null",
        "/proc/self/environ",
        "k1' OR '1'='1",
        "k1\0",
        "",
        "http://evil.example",
        "K1",
        "*",
    ] {
        assert_eq!(
            with_header(&json!({ "alg": "RS256", "kid": kid })),
            Err(Why::UnknownKey),
            "{kid}"
        );
    }
    for kid in [json!(1), json!(["k1"]), json!({ "k1": 1 }), Value::Null] {
        assert_eq!(
            with_header(&json!({ "alg": "RS256", "kid": kid })),
            Err(Why::Malformed),
            "{kid}"
        );
    }
}

#[test]
fn what_a_header_demands_is_refused() {
    for header in [
        json!({ "alg": "RS256", "kid": "k1", "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "RS256", "kid": "k1", "crit": [] }),
        json!({ "alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false }),
        json!({ "alg": "RS256", "kid": "k1", "b64": false }),
        json!({ "alg": "RS256", "kid": "k1", "b64": true }),
        json!({ "alg": "RS256", "kid": "k1", "zip": "DEF" }),
    ] {
        assert_eq!(with_header(&header), Err(Why::Critical), "{header}");
    }
    for kind in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "id_token", ""] {
        assert_eq!(
            with_header(&json!({ "alg": "RS256", "typ": kind })),
            Err(Why::Type),
            "{kind}"
        );
    }
}

#[test]
fn nothing_is_said_twice() {
    let key = private("rsa");
    let token = |header: &str, payload: &str| {
        judge(
            &signed(header, payload, Algorithm::RS256, &key),
            &rsa(),
            &[Algorithm::RS256],
        )
    };
    let (header, payload) = (r#"{"alg":"RS256"}"#, claims().to_string());
    assert_eq!(token(header, &payload), Ok(()));
    for doubled in [
        r#"{"alg":"RS256","alg":"none"}"#,
        r#"{"alg":"none","\u0061lg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"k1","kid":"k2"}"#,
    ] {
        assert_eq!(token(doubled, &payload), Err(Why::Malformed), "{doubled}");
    }
    for more in [
        r#""sub":"admin""#,
        r#""\u0073ub":"admin""#,
        r#""exp":1"#,
        r#""x":{"a":1,"a":2}"#,
    ] {
        let doubled = payload.replace('}', &format!(",{more}}}"));
        assert_eq!(token(header, &doubled), Err(Why::Malformed), "{doubled}");
    }
}

#[test]
fn odd_shapes_are_refused() {
    let sound = signed(
        r#"{"alg":"RS256"}"#,
        &claims().to_string(),
        Algorithm::RS256,
        &private("rsa"),
    );
    let parts: Vec<&str> = sound.split('.').collect();
    let judged = |token: &str| judge(token, &rsa(), &[Algorithm::RS256]);
    assert_eq!(judged(&sound), Ok(()));
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for wrong in [
        String::new(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.AA"),
        format!("{header}.{payload}.{signature}.AA.AA"),
        format!(".{payload}.{signature}"),
        format!("{}.{payload}.{signature}", encode("[]")),
        format!("{}.{payload}.{signature}", encode("null")),
        format!("{header}=.{payload}.{signature}"),
    ] {
        assert_eq!(judged(&wrong), Err(Why::Malformed), "{wrong}");
    }
    for wrong in [
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}AA"),
        format!("{header}.{payload}.{}", signature.to_ascii_lowercase()),
        format!("{header}.{}.{signature}", encode("{}")),
        format!("{header}..{signature}"),
    ] {
        assert_eq!(judged(&wrong), Err(Why::Signature), "{wrong}");
    }
    let huge = format!("{header}.{}.{signature}", "A".repeat(1 << 20));
    assert_eq!(judged(&huge), Err(Why::TooLong));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(
        judged(&format!("{}.{payload}.{signature}", encode(deep))),
        Err(Why::Malformed)
    );
}

#[test]
fn times_and_names_are_checked() {
    let key = private("rsa");
    let token = |change: Value| {
        let mut claims = claims();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let token = signed(r#"{"alg":"RS256"}"#, &claims.to_string(), Algorithm::RS256, &key);
        judge(&token, &rsa(), &[Algorithm::RS256])
    };
    assert_eq!(token(json!({})), Ok(()));
    assert_eq!(token(json!({ "exp": NOW })), Err(Why::Expired));
    assert_eq!(token(json!({ "exp": 1_800_000_000.9 })), Err(Why::Expired));
    assert_eq!(token(json!({ "exp": null })), Err(Why::Claims));
    for exp in [json!("1900000000"), json!(-1), json!(1e300), json!([]), json!(true)] {
        assert_eq!(token(json!({ "exp": exp })), Err(Why::Malformed), "{exp}");
    }
    assert_eq!(token(json!({ "nbf": NOW + 1 })), Err(Why::NotYet));
    assert_eq!(token(json!({ "nbf": NOW })), Ok(()));
    assert_eq!(token(json!({ "iat": NOW + 1 })), Err(Why::Future));
    for iss in [
        json!(null),
        json!("https://id.example/"),
        json!("HTTPS://id.example"),
        json!(["https://id.example"]),
    ] {
        assert_eq!(token(json!({ "iss": iss })), Err(Why::Issuer), "{iss}");
    }
    for aud in [
        json!(null),
        json!("shops"),
        json!("x shop"),
        json!([]),
        json!(["Shop"]),
        json!({ "shop": 1 }),
    ] {
        assert_eq!(token(json!({ "aud": aud })), Err(Why::Audience), "{aud}");
    }
    assert_eq!(token(json!({ "aud": ["x", "shop"] })), Ok(()));
}

#[test]
fn a_token_without_a_name_is_tried_with_few_keys() {
    let one: Value = serde_json::from_slice(&std::fs::read("fixtures/auth/k2.json").unwrap()).unwrap();
    let many: Vec<Value> = (0..200)
        .map(|at| {
            let mut key = one["keys"][0].clone();
            key["kid"] = json!(format!("k{at}"));
            key
        })
        .collect();
    let set = KeySet::from_json(json!({ "keys": many }).to_string().as_bytes(), Source::Public).unwrap();
    assert_eq!(set.candidates(None, Algorithm::RS256).count(), 8);
    let more: Vec<Value> = many.iter().chain(&many).cloned().collect();
    assert!(KeySet::from_json(json!({ "keys": more }).to_string().as_bytes(), Source::Public).is_err());
}

#[test]
fn a_published_secret_is_none() {
    let secret = BASE64.encode_to_string([7; 32]);
    let set = json!({ "keys": [{ "kty": "oct", "alg": "HS256", "k": secret }] }).to_string();
    assert!(KeySet::from_json(set.as_bytes(), Source::Public).is_err());
    assert!(KeySet::from_json(set.as_bytes(), Source::Local).is_ok());
}

#[test]
fn nothing_shows_what_is_secret() {
    let set = KeySet::of(Key::from_secret(b"a secret of thirty-two bytes, or so").unwrap());
    assert!(!format!("{set:?}").contains("secret of"));
}
