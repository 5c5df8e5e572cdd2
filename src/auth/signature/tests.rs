//! The examples of RFC 9421, each rule, and that nothing which is covered can be changed.

mod components;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::auth::jwk::Key;

/// When the RFC's examples were made.
const CREATED: i64 = 1_618_884_473;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/auth/rfc9421/vectors.json")).unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn signers() -> Signers {
    let mut signers = Signers::default();
    for (keyid, key) in vectors()["keys"].as_object().unwrap() {
        let key_of = match key["secret"].as_str() {
            Some(secret) => Key::from_secret(&base64_simd::STANDARD.decode_to_vec(secret).unwrap()),
            None => Key::from_pem(text(key, "key")),
        };
        let signer = Signer {
            algorithm: Named::parse(text(key, "algorithm")).unwrap(),
            key: key_of.unwrap(),
            claims: Claims::read(Bytes::from(format!("{{\"sub\":\"{keyid}\"}}"))).unwrap(),
            expires: None,
        };
        signers.add(keyid.clone(), signer);
    }
    signers
}

/// Nothing is demanded but that it is young.
fn no_rules() -> Rules {
    Rules {
        components: Vec::new(),
        max_age: 300,
        leeway: 30,
        tag: None,
        nonce: false,
        origin: None,
    }
}

struct Request {
    method: String,
    uri: Uri,
    headers: HeaderMap,
}

impl Request {
    fn read(message: &Value) -> Self {
        let mut headers = HeaderMap::new();
        for pair in message["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
            headers.append(name, pair[1].as_str().unwrap().parse().unwrap());
        }
        Self {
            method: text(message, "method").to_owned(),
            uri: text(message, "url").parse().unwrap(),
            headers,
        }
    }

    fn of(method: &str, url: &str, headers: &[(&'static str, &str)]) -> Self {
        let pair = |it: &(&'static str, &str)| {
            (
                HeaderName::from_static(it.0),
                HeaderValue::from_bytes(it.1.as_bytes()).unwrap(),
            )
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(pair) {
            map.append(name, value);
        }
        Self {
            method: method.to_owned(),
            uri: url.parse().unwrap(),
            headers: map,
        }
    }

    fn message(&self) -> Message<'_> {
        Message {
            method: &self.method,
            origin: Origin::new(
                self.uri.scheme_str() == Some("https"),
                authority(&self.uri, &self.headers).unwrap(),
            ),
            uri: &self.uri,
            absolute: false,
            headers: &self.headers,
        }
    }

    /// With a signature of a secret that is 32 times `k`.
    fn signed(mut self, covered: &str) -> Self {
        let signature = hmac(covered, &self.message());
        self.headers
            .insert(SIGNATURE_INPUT, format!("sig1={covered}").parse().unwrap());
        self.headers
            .insert(SIGNATURE, format!("sig1=:{signature}:").parse().unwrap());
        self
    }

    fn verify(&self, rules: &Rules, signers: &Signers) -> Option<Result<Signed, Why>> {
        rules.verify(
            signers,
            &self.message(),
            self.headers.contains_key("content-length"),
            CREATED,
        )
    }
}

fn hmac(covered: &str, message: &Message<'_>) -> String {
    let base = to_sign(covered, message).unwrap();
    let key = EncodingKey::from_secret(&[b'k'; 32]);
    let signature = jsonwebtoken::crypto::sign(base.as_bytes(), &key, Algorithm::HS256).unwrap();
    let bytes = super::super::base64url(&signature).unwrap();
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn partner() -> Signers {
    let mut signers = Signers::default();
    let signer = Signer {
        algorithm: Named::parse("hmac-sha256").unwrap(),
        key: Key::from_secret(&[b'k'; 32]).unwrap(),
        claims: Claims::read(Bytes::from_static(b"{}")).unwrap(),
        expires: None,
    };
    signers.add("k".to_owned(), signer);
    signers
}

#[test]
fn the_examples_of_the_rfc() {
    let signers = signers();
    let vectors = vectors();
    for case in vectors["cases"].as_array().unwrap() {
        let name = text(case, "name");
        let mut request = Request::read(&case["message"]);
        let input = text(case, "input");
        let base = to_sign(input, &request.message()).unwrap();
        if let Some(wanted) = case["base"].as_str() {
            assert_eq!(base, wanted, "{name}");
        }
        request
            .headers
            .insert(SIGNATURE_INPUT, format!("it={input}").parse().unwrap());
        let signature = format!("it=:{}:", text(case, "signature"));
        request.headers.insert(SIGNATURE, signature.parse().unwrap());
        let verified = request.verify(&no_rules(), &signers).unwrap();
        if let Some(why) = case["refused"].as_str() {
            assert_eq!(verified.unwrap_err().name(), why, "{name}");
            continue;
        }
        let signed = verified.map_err(|why| format!("{name}: {}", why.name())).unwrap();
        if let Some(digests) = signed.digests {
            assert_eq!(
                digests.check(text(&case["message"], "body").as_bytes()),
                Ok(()),
                "{name}"
            );
        }
        // The same signature of somebody else.
        let mine = input.split("keyid=\"").nth(1).unwrap().split('"').next().unwrap();
        let other = if mine == "test-key-ed25519" {
            "test-shared-secret"
        } else {
            "test-key-ed25519"
        };
        let swapped = format!("it={}", input.replace(mine, other));
        request.headers.insert(SIGNATURE_INPUT, swapped.parse().unwrap());
        let refused = request.verify(&no_rules(), &signers).unwrap().unwrap_err();
        assert_eq!(refused, Why::Signature, "{name}");
    }
}

#[test]
fn what_is_demanded_may_be_covered_in_several_ways() {
    let wanted = |names: &[&str]| Rules {
        components: names.iter().filter_map(|it| What::parse(it)).collect(),
        ..no_rules()
    };
    let usual = ["@method", "@authority", "@path", "@query", "content-digest"];
    let digest = Digests::written(b"{}");
    for (demanded, covered, is_enough) in [
        (&usual[..], r#""@method" "@target-uri" "content-digest""#, true),
        (
            &usual,
            r#""@method" "@authority" "@request-target" "content-digest""#,
            true,
        ),
        (
            &usual,
            r#""@method" "@authority" "@path" "@query" "content-digest";key="sha-256""#,
            true,
        ),
        (
            &usual,
            r#""@method" "@authority" "@path" "@query" "content-digest";sf"#,
            true,
        ),
        (
            &usual,
            r#""@method" "@authority" "@path" "@query" "content-digest";bs"#,
            true,
        ),
        (&usual, r#""@method" "@authority" "@path" "@query""#, false),
        (&usual, r#""@method" "@authority" "@path" "content-digest""#, false),
        (&usual, r#""@method" "@path" "@query" "content-digest" "host""#, false),
        (&usual, r#""@target-uri" "content-digest""#, false),
        (&["@target-uri"], r#""@scheme" "@authority" "@path" "@query""#, true),
        (&["@target-uri"], r#""@authority" "@path" "@query""#, false),
        (&["x-list"], r#""x-list""#, true),
        (&["x-list"], r#""x-list";bs"#, true),
        (&["x-list"], r#""x-list";key="a""#, false),
        (&["x-gone"], r#""@method""#, false),
    ] {
        let headers = [
            ("content-length", "2"),
            ("content-digest", &digest),
            ("host", "a.example"),
            ("x-list", "a=1"),
        ];
        let request = Request::of("PUT", "https://a.example/x?y", &headers);
        let covered = format!("({covered});created={CREATED};keyid=\"k\"");
        let verified = request.signed(&covered).verify(&wanted(demanded), &partner()).unwrap();
        assert_eq!(verified.is_ok(), is_enough, "{demanded:?} {covered}");
        if let Err(why) = verified {
            assert_eq!(why, Why::Uncovered, "{covered}");
        }
    }
    let rules = Rules {
        components: Rules::usual_components(),
        tag: Some("shop \"1\"".into()),
        ..no_rules()
    };
    assert!(rules.left_out().is_empty());
    assert_eq!(
        wanted(&["@path", "x-a"]).left_out(),
        ["@method", "@authority", "@query", "content-digest"]
    );
    assert_eq!(
        wanted(&["@method", "@target-uri", "content-digest"]).left_out(),
        [""; 0]
    );
    assert_eq!(
        rules.wanted(false).unwrap(),
        r#"sig1=("@method" "@authority" "@path" "@query");created;tag="shop \"1\"""#
    );
    assert!(rules.wanted(true).unwrap().contains(r#""@query" "content-digest")"#));
}

#[test]
fn times_algorithms_tags_and_labels() {
    let ask = || Request::of("GET", "https://a.example/x", &[]);
    let verify = |params: &str, rules: &Rules| {
        ask()
            .signed(&format!("(\"@method\"){params}"))
            .verify(rules, &partner())
            .map(|it| it.map(|it| it.nonce.is_some()))
    };
    let created = |offset: i64| format!(";created={};keyid=\"k\"", CREATED + offset);
    let rules = no_rules();
    for (params, wanted) in [
        (created(0), Ok(false)),
        (created(30), Ok(false)),
        (created(31), Err(Why::Future)),
        (created(-330), Ok(false)),
        (created(-331), Err(Why::Expired)),
        (format!("{};expires={}", created(0), CREATED - 29), Ok(false)),
        (format!("{};expires={}", created(0), CREATED - 30), Err(Why::Expired)),
        (";keyid=\"k\"".to_owned(), Err(Why::Uncovered)),
        (format!("{};alg=\"hmac-sha256\"", created(0)), Ok(false)),
        (format!("{};alg=\"ed25519\"", created(0)), Err(Why::Algorithm)),
        (format!("{};nonce=\"n\"", created(0)), Ok(true)),
        (format!("{};nonce=n", created(0)), Err(Why::Malformed)),
        (format!("{};x=1", created(0)), Ok(false)),
        (format!(";created={CREATED};keyid=\"z\""), Err(Why::UnknownKey)),
        (format!(";created={CREATED}"), Err(Why::UnknownKey)),
        (format!(";created=\"{CREATED}\";keyid=\"k\""), Err(Why::Malformed)),
    ] {
        assert_eq!(verify(&params, &rules), Some(wanted), "{params}");
    }
    let strict = Rules {
        nonce: true,
        tag: Some("shop".into()),
        ..no_rules()
    };
    assert_eq!(verify(&created(0), &strict), None);
    assert_eq!(verify(&format!("{};tag=\"other\"", created(0)), &strict), None);
    assert_eq!(
        verify(&format!("{};tag=\"shop\"", created(0)), &strict),
        Some(Err(Why::Uncovered))
    );
    assert_eq!(
        verify(&format!("{};tag=\"shop\";nonce=\"1\"", created(0)), &strict),
        Some(Ok(true))
    );

    // Of several, one that counts is enough; of none that does, the most telling reason is given.
    let mut request = ask().signed(&format!("(\"@method\"){}", created(0)));
    let add = |request: &mut Request, label: &str, input: &str, signature: &str| {
        request
            .headers
            .append(SIGNATURE_INPUT, format!("{label}={input}").parse().unwrap());
        request
            .headers
            .append(SIGNATURE, format!("{label}={signature}").parse().unwrap());
    };
    let mut other = ask();
    add(&mut other, "a", "(\"@method\");created=1;keyid=\"z\"", ":AAAA:");
    assert_eq!(other.verify(&rules, &partner()).unwrap().unwrap_err(), Why::UnknownKey);
    add(&mut other, "b", &format!("(\"@method\"){}", created(0)), ":AAAA:");
    assert_eq!(other.verify(&rules, &partner()).unwrap().unwrap_err(), Why::Signature);
    for (name, value) in &other.headers {
        request.headers.append(name.clone(), value.clone());
    }
    assert!(request.verify(&rules, &partner()).unwrap().is_ok());

    assert!(ask().verify(&rules, &partner()).is_none());
    for (input, signature) in [
        ("sig1=()", None),
        ("sig1=1", Some("sig1=:AAAA:")),
        ("sig1=(", Some("sig1=:AAAA:")),
        ("sig1=()", Some("sig2=:AAAA:")),
    ] {
        let mut request = ask();
        request.headers.insert(SIGNATURE_INPUT, input.parse().unwrap());
        if let Some(signature) = signature {
            request.headers.insert(SIGNATURE, signature.parse().unwrap());
        }
        assert_eq!(
            request.verify(&rules, &partner()).unwrap().unwrap_err(),
            Why::Malformed,
            "{input} {signature:?}"
        );
    }
}

#[test]
fn origins() {
    let origin = |url| Origin::parse(url);
    assert_eq!(
        origin("https://API.example.com:443"),
        Some(Origin::new(true, "api.example.com"))
    );
    assert_eq!(
        origin("http://api.example.com:8080"),
        Some(Origin::new(false, "api.example.com:8080"))
    );
    for wrong in [
        "api.example.com",
        "https://api.example.com/",
        "https://api.example.com/x",
        "https://u@a.example",
        "ftp://a.example",
        "",
    ] {
        assert_eq!(origin(wrong), None, "{wrong}");
    }
}

proptest! {
    /// Whatever is covered cannot be changed, and what is not can.
    #[test]
    fn a_changed_byte_of_what_is_covered_is_refused(
        path in "/[a-z0-9/%._~-]{0,12}",
        query in proptest::option::of("[a-z0-9=&+%]{0,12}"),
        value in "[ -~]{0,12}",
        part in 0..7_usize,
        at: proptest::sample::Index,
        with in 1..0x5f_u8,
    ) {
        let written = |path: &str, query: Option<&str>| match query {
            Some(query) => format!("https://a.example{path}?{query}"),
            None => format!("https://a.example{path}"),
        };
        let url = written(&path, query.as_deref());
        prop_assume!(url.parse::<Uri>().is_ok());
        let digest = Digests::written(value.as_bytes());
        let headers = [("x-a", &*value), ("x-b", "free"), ("content-digest", &digest), ("content-length", "1")];
        let covered = format!(
            "(\"@method\" \"@authority\" \"@path\" \"@query\" \"x-a\" \"content-digest\");created={CREATED};keyid=\"k\";nonce=\"n1\"",
        );
        let rules = Rules { components: Rules::usual_components(), ..no_rules() };
        let mut request = Request::of("POST", &url, &headers).signed(&covered);
        prop_assert!(request.verify(&rules, &partner()).unwrap().is_ok());
        request.headers.insert("x-b", HeaderValue::from_static("changed"));
        prop_assert!(request.verify(&rules, &partner()).unwrap().is_ok());

        // One character becomes another one.
        let changed = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len().max(1));
            match bytes.get_mut(at) {
                Some(byte) => *byte = 0x20 + (*byte - 0x20 + with) % 0x5f,
                None => bytes.push(b'x'),
            }
            String::from_utf8(bytes).unwrap()
        };
        let replace = |request: &mut Request, name: &'static str| -> Option<()> {
            let text = request.headers.get(name)?.to_str().ok()?.to_owned();
            let new = changed(&text);
            // Blanks around a value are none of it, nor is what the last character of base64 has too many bits for.
            let counts = |it: &str| it.trim().replace("=:", "").chars().rev().skip(usize::from(name == "signature")).collect::<String>();
            (counts(&new) != counts(&text)).then_some(())?;
            request.headers.insert(name, new.parse().ok()?);
            Some(())
        };
        // No query and an empty one are the same (RFC 9421 §2.2.7).
        let what = |it: &Uri| (it.path().to_owned(), it.query().unwrap_or_default().to_owned());
        let is_changed = match part {
            0 => { request.method = changed(&request.method); true }
            1 => written(&changed(&path), query.as_deref()).parse().is_ok_and(|it| {
                let before = std::mem::replace(&mut request.uri, it);
                what(&before) != what(&request.uri)
            }),
            2 => written(&path, Some(&changed(query.as_deref().unwrap_or_default()))).parse().is_ok_and(|it| {
                let before = std::mem::replace(&mut request.uri, it);
                what(&before) != what(&request.uri)
            }),
            3 => replace(&mut request, "x-a").is_some(),
            4 => replace(&mut request, "content-digest").is_some(),
            5 => replace(&mut request, "signature-input").is_some(),
            _ => replace(&mut request, "signature").is_some(),
        };
        prop_assume!(is_changed);
        // What is left is no signature at all, or one that does not hold.
        prop_assert!(!matches!(request.verify(&rules, &partner()), Some(Ok(_))));
    }
}
