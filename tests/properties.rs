//! Properties that hold for all compositions, requests and replies, tried on random ones in simulated time.
//!
//! The setting is that of the fixtures; `trial::play` runs a fixture from memory and says what was asked and answered.
//!
//! The laws of semantics.md 13: P1 and P3 are in `properties/law.rs`, P2 is `requests_with_one_key_ask_the_same_of_the_backends`,
//! P4 is in `tests/publish.rs` and, on random replies, beside P1, P5 is `no_order_on_the_wire_and_no_latency_changes_a_byte`, P6 is in
//! `properties/yaml.rs`, P7 is `text_in_an_input_changes_no_method_host_segment_or_header_name`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::let_underscore_must_use,
    reason = "a test that panics has failed, as it should; writing to a string cannot fail"
)]

#[path = "properties/law.rs"]
mod law;
#[path = "properties/yaml.rs"]
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use weft::codec::Fields;
use weft::trial::fixture::{Answer, On};
use weft::trial::{self, Asked, Played, Responder};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/serve")
}

/// Few enough to be quick; `PROPTEST_CASES` asks for more.
fn cases(usual: u32) -> Config {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = usual;
    }
    config
}

fn play(text: &str, responder: Responder) -> Played {
    match trial::play(text, &folder(), Some(responder)) {
        Ok(played) => played,
        Err(errors) => panic!("{}\n{text}", errors.join("\n")),
    }
}

fn json_reply(body: Value) -> Answer {
    Answer::Json {
        body,
        status: 200,
        headers: Vec::new(),
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The text in field 1 of a message that has no other.
fn first_text(message: &[u8]) -> String {
    String::from_utf8(message.get(2..).unwrap_or_default().to_vec()).unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

// === (a) The schedule ===

/// A call of a random graph: what it mentions, of the calls before it, and whether it only names a value.
#[derive(Clone, Debug)]
struct Node {
    needs: Vec<usize>,
    after: Vec<usize>,
    value: bool,
    place: u32,
}

fn graph() -> impl Strategy<Value = Vec<Node>> {
    let node = (
        prop::collection::vec(any::<Index>(), 0..3),
        prop::collection::vec(any::<Index>(), 0..2),
        prop::bool::weighted(0.25),
        any::<u32>(),
    );
    prop::collection::vec(node, 1..9).prop_map(|nodes| {
        let before = |at: usize, all: &[Index]| -> Vec<usize> {
            let mut all: Vec<usize> = all.iter().filter(|_| at > 0).map(|it| it.index(at)).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let nodes = nodes.into_iter().enumerate();
        nodes
            .map(|(at, (needs, after, value, place))| Node {
                needs: before(at, &needs),
                after: before(at, &after),
                value,
                place,
            })
            .collect()
    })
}

fn composition_of(nodes: &[Node]) -> String {
    // Calls stand in any order: mention is dependency.
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|it| (nodes[*it].place, *it));
    let mut text = "composition:\n  endpoint: GET /g\n  calls:\n".to_owned();
    for at in order {
        let node = &nodes[at];
        let mentions: String = node
            .needs
            .iter()
            .map(|it| {
                if nodes[*it].value {
                    format!("-${{c{it}}}")
                } else {
                    format!("-${{c{it}.id}}")
                }
            })
            .collect();
        let _ = writeln!(text, "    c{at}:");
        if node.value {
            let _ = writeln!(text, "      value: \"v{at}{mentions}\"");
        } else {
            let _ = writeln!(
                text,
                "      grpc: shop.Products/GetProduct\n      request: {{ id: \"{at}{mentions}\" }}"
            );
        }
        if !node.after.is_empty() {
            let after: Vec<String> = node.after.iter().map(|it| format!("c{it}")).collect();
            let _ = writeln!(text, "      after: [{}]", after.join(", "));
        }
    }
    text.push_str("  response:\n");
    for (at, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "    c{at}: $c{at}{}", if node.value { "" } else { ".id" });
    }
    text.push_str("exchanges:\n  - { request: GET /g, expect: { status: 200 } }\n");
    text
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_page_takes_its_critical_path_and_is_the_same_at_any_speed(
        nodes in graph(),
        latencies in prop::collection::vec((0u64..40, 0u64..40), 9),
    ) {
        let text = composition_of(&nodes);
        let mut bodies = Vec::new();
        for latency in [latencies.iter().map(|it| it.0).collect::<Vec<_>>(), latencies.iter().map(|it| it.1).collect()] {
            let mut starts = Vec::new();
            let mut ends: Vec<u64> = Vec::new();
            for (at, node) in nodes.iter().enumerate() {
                let start = node.needs.iter().chain(&node.after).map(|it| ends[*it]).max().unwrap_or(0);
                starts.push(start);
                ends.push(start + if node.value { 0 } else { latency[at] });
            }
            let times = latency.clone();
            let played = play(&text, Rc::new(move |asked| {
                let id = first_text(&asked.body);
                let at: usize = id.split('-').next().unwrap().parse().unwrap();
                (millis(times[at]), json_reply(json!({ "id": format!("r{id}") })))
            }));
            prop_assert!(played.failures.is_empty(), "{:?}\n{text}", played.failures);
            let answer = played.answers[0].as_ref().unwrap();
            prop_assert_eq!(answer.at, millis(ends.iter().copied().max().unwrap_or(0)), "{}", text);
            prop_assert_eq!(played.asked.len(), nodes.iter().filter(|it| !it.value).count());
            for asked in &played.asked {
                let at: usize = first_text(&asked.body).split('-').next().unwrap().parse().unwrap();
                prop_assert_eq!(asked.at, millis(starts[at]), "c{} in\n{}", at, text);
            }
            bodies.push(answer.body.clone());
        }
        prop_assert_eq!(&bodies[0], &bodies[1]);
    }
}

// === (b) Keys ===

const CACHED: &str = r#"
composition:
  endpoint: GET /k/{id}
  params:
    limit: { in: query, default: 5 }
    q: { in: query, optional: true }
    tags: { in: query, type: [string], optional: true }
    ratio: { in: query, type: double, default: 0 }
    lang: { in: header, name: x-lang, default: en }
  calls:
    found: { grpc: shop.Products/SearchProducts, request: { page_size: $limit, query: $q, ids: $tags, ratio: $ratio } }
    more: { http: "GET recs:/m/${id}", query: { l: $lang }, when: $limit > 3, optional: true }
  response: { total: $found.total, more: $more, lang: $lang }
"#;

#[derive(Clone, Debug)]
struct Request {
    id: &'static str,
    query: Vec<&'static str>,
    lang: Option<&'static str>,
    noise: u8,
}

fn request() -> impl Strategy<Value = Request> {
    let pairs = prop::collection::vec(
        prop::sample::select(vec![
            "limit=5",
            "limit=2",
            "limit=%35",
            "q=",
            "q=a",
            "q=%61",
            "q=a+b",
            "q=a%20b",
            "tags=a",
            "tags=b",
            "tags=a,b",
            "tags=",
            "ratio=0",
            "ratio=-0",
            "ratio=0.0",
            "ratio=1e0",
            "ratio=1",
            "utm=x",
            "utm=y",
        ]),
        0..4,
    );
    let id = prop::sample::select(vec!["a", "%61", "b", "a%2Fb"]);
    let lang = prop::option::of(prop::sample::select(vec!["en", "de", ""]));
    (id, pairs, lang, any::<u8>()).prop_map(|(id, query, lang, noise)| Request { id, query, lang, noise })
}

impl Request {
    fn exchange(&self) -> String {
        let mut headers = format!("x-noise: \"{}\"", self.noise);
        if let Some(lang) = self.lang {
            let _ = write!(headers, ", x-lang: \"{lang}\"");
        }
        let target = format!("/k/{}?{}", self.id, self.query.join("&"));
        format!("  - {{ request: \"GET {target}\", headers: {{ {headers} }}, expect: {{}} }}\n")
    }

    /// The requests to the backends and the body, where nothing is cached.
    fn fresh(&self) -> (u16, BTreeSet<String>, Vec<u8>) {
        let played = play(&format!("{CACHED}exchanges:\n{}", self.exchange()), echo());
        let asked = played
            .asked
            .iter()
            .map(|it| format!("{:?} {:?}", it.on, it.body))
            .collect();
        let answer = played.answers[0].as_ref().unwrap();
        (answer.status, asked, answer.body.to_vec())
    }
}

/// Replies that depend on all that was asked.
fn echo() -> Responder {
    Rc::new(|asked: &Asked| {
        let seen = asked
            .body
            .iter()
            .fold(7i32, |sum, it| sum.wrapping_mul(31).wrapping_add((*it).into()));
        let body = match &asked.on {
            On::Grpc(_) => json!({ "total": seen }),
            On::Http { path, .. } => json!(path),
        };
        (Duration::ZERO, json_reply(body))
    })
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn requests_with_one_key_ask_the_same_of_the_backends(first in request(), second in request()) {
        let text = format!("{CACHED}  cache: 1h\nexchanges:\n{}{}", first.exchange(), second.exchange());
        let played = play(&text, echo());
        let answers: Vec<_> = played.answers.iter().map(|it| it.as_ref().unwrap()).collect();
        let hit = answers[1].headers.get("cache-status").is_some_and(|it| it.to_str().unwrap().contains("hit"));
        let (status, asked, body) = second.fresh();
        prop_assert_eq!(answers[1].status, status);
        if status == 200 {
            // Whether from the cache or not, the answer is the one that this request gets alone.
            prop_assert_eq!(&answers[1].body[..], &body[..], "hit: {}", hit);
        }
        if hit {
            prop_assert_eq!(first.fresh().1, asked);
        }
    }

    #[test]
    fn what_is_not_mentioned_is_in_no_key(request in request(), noise in any::<u8>()) {
        let mut other = request.clone();
        other.noise = noise;
        other.query.insert(0, "unknown=1");
        let text = format!("{CACHED}  cache: 1h\nexchanges:\n{}{}", request.exchange(), other.exchange());
        let played = play(&text, echo());
        let answer = played.answers[1].as_ref().unwrap();
        if answer.status == 200 {
            prop_assert_eq!(answer.headers.get("cache-status").unwrap(), "weft; hit; ttl=3600");
        }
    }
}

// === (c) Orders on the wire ===

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn field(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(body.len() as u64, &mut out);
    out.extend_from_slice(body);
    out
}

fn integer(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3, &mut out);
    varint(value, &mut out);
    out
}

/// A Product as pieces that may come in any order.
fn product() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let labels = prop::collection::btree_map("[a-cä]{0,3}", "[x-z\"]{0,3}", 0..5);
    let slots = prop::collection::btree_map(-3i32..300, "[x-z]{0,2}", 0..5);
    let extra = prop::collection::btree_map("[a-c]{0,2}", any::<bool>(), 0..4);
    (
        labels,
        slots,
        extra,
        "[a-z\u{1F600}]{0,4}",
        any::<i32>(),
        any::<u64>(),
        0u64..4,
    )
        .prop_map(|(labels, slots, extra, name, stock, weight, status)| {
            let mut pieces = vec![
                field(2, name.as_bytes()),
                integer(5, i64::from(stock).cast_unsigned()),
                integer(6, weight),
                integer(10, status),
            ];
            // A repeated field keeps its own order.
            pieces.push([field(4, b"one"), field(4, b"two")].concat());
            for (key, value) in &labels {
                pieces.push(field(
                    12,
                    &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
                ));
            }
            for (key, value) in &slots {
                pieces.push(field(
                    13,
                    &[field(2, value.as_bytes()), integer(1, i64::from(*key).cast_unsigned())].concat(),
                ));
            }
            // Two pieces of one message are merged; a Struct's fields are a map as well.
            for (key, value) in &extra {
                let entry = [field(1, key.as_bytes()), field(2, &integer(4, u64::from(*value)))].concat();
                pieces.push(field(14, &field(1, &entry)));
            }
            pieces
        })
}

const SHUFFLED: &str = r#"
composition:
  endpoint: GET /p
  calls:
    product: { grpc: shop.Products/GetProduct }
    found: { grpc: shop.Products/SearchProducts, request: { labels: $product.labels, extra: $product.extra, query: $product.name } }
    reviews: { grpc: shop.Reviews/ListReviews }
  response:
    ...: $product
    whole: $product
    labels: $product.labels
    keys: "$product.slots.map(k, k)"
    extra: $product.extra
    part: '$product.omit("labels")'
    total: $found.total
    reviews: $reviews.total
exchanges:
  - { request: GET /p, expect: { status: 200 } }
"#;

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn no_order_on_the_wire_and_no_latency_changes_a_byte(
        (pieces, shuffled) in product().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        times in prop::collection::vec(0u64..30, 6),
    ) {
        let mut seen = Vec::new();
        for (at, pieces) in [pieces, shuffled].into_iter().enumerate() {
            let wire = pieces.concat();
            let times: Vec<u64> = times[3 * at..3 * at + 3].to_vec();
            let played = play(SHUFFLED, Rc::new(move |asked| {
                let On::Grpc(method) = &asked.on else { panic!("{:?}", asked.on) };
                match method.as_str() {
                    "shop.Products/GetProduct" => {
                        (millis(times[0]), Answer::Bytes { body: wire.clone(), status: 200, headers: Vec::new() })
                    }
                    "shop.Products/SearchProducts" => {
                        let sum = asked.body.iter().map(|it| i32::from(*it)).sum::<i32>();
                        (millis(times[1]), json_reply(json!({ "total": sum })))
                    }
                    _ => (millis(times[2]), json_reply(json!({ "total": 3 }))),
                }
            }));
            prop_assert!(played.failures.is_empty(), "{:?}", played.failures);
            let asked: BTreeMap<String, Vec<u8>> =
                played.asked.iter().map(|it| (format!("{:?}", it.on), it.body.to_vec())).collect();
            seen.push((asked, played.answers[0].as_ref().unwrap().body.clone()));
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }
}

// === What is chosen is a part of the whole ===

const CHOSEN: &str = r#"
composition:
  endpoint: GET /p
  select: true
  calls:
    product: { grpc: shop.Products/GetProduct }
    users: { grpc: shop.Users/BatchGetUsers }
    recs: { http: "GET recs:/p" }
  response:
    name: first
    ...: $product
    price: $product.price_usd
    whole: $product
    part: '$product.omit("labels")'
    users: $users.users
    by_id: '$users.users.index_by(u, u.id)'
    each:
      $for: c in $product.categories
      c: $c
      in: { name: $product.name, extra: $product.extra }
    recs: $recs
    constant: { a: 1, b: [{ c: 2 }, { c: 3, d: null }] }
exchanges:
  - { request: GET /p, expect: { status: 200 } }
  - { request: "GET /p?fields=FIELDS", expect: { status: 200 } }
"#;

/// Every one of these is there. Where a choice goes on in each value of a map, JSON alone does not say that it is one.
const CHOICES: [&str; 23] = [
    "name",
    "id",
    "priceUsd(units,nanos)",
    "price.currencyCode",
    "labels",
    "extra.a.b",
    "categories",
    "stock",
    "user",
    "whole",
    "whole(name,priceUsd.units,extra(x),slots)",
    "whole.org",
    "part(id,user)",
    "part.priceUsd",
    "users",
    "users(id)",
    "users.displayName",
    "by_id",
    "each(c)",
    "each.in(name,extra.a)",
    "recs(b(c),d)",
    "recs.a",
    "constant.b.c",
];

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn what_is_chosen_is_that_part_of_the_whole(
        pieces in product(),
        chosen in prop::sample::subsequence(CHOICES.as_slice(), 1..6).prop_shuffle(),
    ) {
        let wire = pieces.concat();
        let text = CHOSEN.replace("FIELDS", &chosen.join(","));
        let played = play(&text, Rc::new(move |asked| {
            let answer = match &asked.on {
                On::Grpc(method) if method == "shop.Products/GetProduct" => {
                    Answer::Bytes { body: wire.clone(), status: 200, headers: Vec::new() }
                }
                On::Grpc(_) => json_reply(json!({ "users": [{ "id": "u", "displayName": "Ada" }, { "id": "v" }] })),
                On::Http { .. } => json_reply(json!({ "a": 1, "b": [{ "c": 1, "e": 2 }, 7], "d": { "f": null } })),
            };
            (millis(1), answer)
        }));
        prop_assert!(played.failures.is_empty(), "{:?}", played.failures);
        let body = |at: usize| played.answers[at].as_ref().unwrap().body.clone();
        let mut expected = Vec::new();
        Fields::parse(&chosen.join(",")).unwrap().project(&body(0), &mut expected);
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        prop_assert_eq!(text(&body(1)), text(&expected));
    }
}

// === (d) Text stays text ===

const INJECTED: &str = r#"
composition:
  endpoint: POST /i
  params:
    id: { in: query }
    path: { in: query }
  calls:
    one: { http: "GET recs:/v2/${id}/s", query: { q: $id, r: "x${path}" }, optional: true }
    many: { http: 'GET files:/f/${path.split("/")}/end', optional: true }
    noted: { http: "GET recs:/n", headers: { x-note: "${id}", x-two: "a${path}" }, optional: true }
    user: { grpc: shop.Users/GetUser, request: { id: "${id}!" }, headers: { x-note: $id }, optional: true }
    posted: { http: POST recs:/p, body: { "a": $id, "b": ["x${path}", $body.text] }, optional: true }
  response: [$one, $many, $noted, $user, $posted]
exchanges:
"#;

fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("\r\nx-evil: 1".to_owned()),
        Just("?a=b&c#d".to_owned()),
        Just("%2e%2E%2F".to_owned()),
        Just("${id} $id $$".to_owned()),
        Just("http://evil@evil:80/".to_owned()),
        Just("\"}],\\".to_owned()),
        any::<char>().prop_map(String::from),
        "[ -~]{0,6}",
    ];
    prop::collection::vec(part, 0..4).prop_map(|it| it.concat())
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn text_in_an_input_changes_no_method_host_segment_or_header_name(id in nasty(), path in nasty(), text in nasty()) {
        let body = json!({ "text": text }).to_string().bytes().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        });
        let exchange = format!(
            "{INJECTED}  - {{ request: \"POST /i?id={}&path={}\", bytes: \"{body}\", expect: {{ status: 200 }} }}\n",
            encoded(&id), encoded(&path),
        );
        let played = play(&exchange, Rc::new(|_| (Duration::ZERO, Answer::Bytes {
            body: Vec::new(), status: 204, headers: Vec::new(),
        })));
        prop_assert!(played.failures.is_empty(), "{:?}\n{exchange}", played.failures);
        let plain = |name: &str| matches!(name, "traceparent" | "content-type");
        for asked in &played.asked {
            let names: Vec<&str> = asked.headers.keys().map(http::HeaderName::as_str).filter(|it| !plain(it)).collect();
            match &asked.on {
                On::Grpc(method) => {
                    prop_assert_eq!(method, "shop.Users/GetUser");
                    let sent = format!("{id}!");
                    prop_assert!(asked.body.ends_with(sent.as_bytes()));
                    prop_assert_eq!(names, ["x-note"]);
                }
                On::Http { method, backend, path: target } => {
                    let (target, query) = target.split_once('?').unwrap_or((target, ""));
                    let segments: Vec<&str> = target.split('/').collect();
                    prop_assert!(segments.iter().skip(1).all(|it| !matches!(*it, "" | "." | "..")), "{}", target);
                    prop_assert!(target.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~%/".contains(&it)), "{}", target);
                    match (method.as_str(), backend.as_str(), segments.as_slice()) {
                        ("GET", "recs", ["", "v2", segment, "s"]) => {
                            prop_assert_eq!(percent_encoding::percent_decode_str(segment).decode_utf8().unwrap(), id.as_str());
                            let pairs: Vec<(String, String)> = query
                                .split('&')
                                .map(|it| it.split_once('=').unwrap())
                                .map(|(name, value)| {
                                    let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
                                    (name.to_owned(), value.into_owned())
                                })
                                .collect();
                            prop_assert_eq!(pairs, [("q".to_owned(), id.clone()), ("r".to_owned(), format!("x{path}"))]);
                            prop_assert!(names.is_empty());
                        }
                        ("GET", "files", ["", "f", rest @ .., "end"]) => {
                            prop_assert_eq!(rest.len(), path.split('/').count());
                        }
                        ("GET", "recs", ["", "n"]) => {
                            prop_assert_eq!(&names, &["x-note", "x-two"]);
                            let sent = asked.headers.get("x-note").unwrap().as_bytes();
                            prop_assert!(!sent.iter().any(|it| matches!(it, b'\r' | b'\n' | 0)));
                        }
                        ("POST", "recs", ["", "p"]) => {
                            let sent: Value = serde_json::from_slice(&asked.body).unwrap();
                            prop_assert_eq!(sent, json!({ "a": id, "b": [format!("x{path}"), text] }));
                        }
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
            }
        }
    }
}

// === (e) Damaged files, random replies ===

fn texts() -> &'static [(PathBuf, String)] {
    static TEXTS: OnceLock<Vec<(PathBuf, String)>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let files = trial::find(&[folder()]).unwrap();
        files
            .into_iter()
            .map(|it| (it.clone(), std::fs::read_to_string(it).unwrap()))
            .collect()
    })
}

#[derive(Clone, Debug)]
enum Damage {
    DropLine(Index),
    DoubleLine(Index),
    SwapLines(Index, Index),
    DropChars(Index, usize),
    Insert(Index, String),
    Copy(Index, usize, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let token = prop::sample::select(vec![
        "$",
        "${",
        "}",
        "{",
        "[",
        "]",
        ":",
        ", ",
        "\"",
        "'",
        "#",
        "&",
        "*",
        "!",
        "|",
        ">",
        "- ",
        "?",
        "\n",
        "  ",
        "0",
        "-1",
        "9223372036854775808",
        "1e400",
        "null",
        ".id",
        "[0]",
        " == null",
        " + 1",
        ".map(x, x)",
        ".size()",
        "$if",
        "$for",
        "...",
        "ä",
        "\u{0}",
        "\u{feff}",
        "99999999999999999h",
        "optional: true, ",
        "cache: 1m, ",
        "when: $true, ",
        "true",
        "int(",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Damage::DropLine),
        any::<Index>().prop_map(Damage::DoubleLine),
        any::<(Index, Index)>().prop_map(|(a, b)| Damage::SwapLines(a, b)),
        (any::<Index>(), 1usize..6).prop_map(|(at, n)| Damage::DropChars(at, n)),
        (any::<Index>(), token).prop_map(|(at, token)| Damage::Insert(at, token.to_owned())),
        (any::<Index>(), 1usize..20, any::<Index>()).prop_map(|(from, n, to)| Damage::Copy(from, n, to)),
    ]
}

impl Damage {
    fn apply(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        let mut chars: Vec<char> = text.chars().collect();
        if chars.is_empty() || lines.is_empty() {
            return text.to_owned();
        }
        let (n_lines, n_chars) = (lines.len(), chars.len());
        match self {
            Self::DropLine(at) => drop(lines.remove(at.index(n_lines))),
            Self::DoubleLine(at) => lines.insert(at.index(n_lines), lines[at.index(n_lines)]),
            Self::SwapLines(a, b) => lines.swap(a.index(n_lines), b.index(n_lines)),
            Self::DropChars(at, n) => {
                let at = at.index(n_chars);
                chars.drain(at..(at + n).min(n_chars));
                return chars.into_iter().collect();
            }
            Self::Insert(at, token) => {
                let at = at.index(n_chars);
                chars.splice(at..at, token.chars());
                return chars.into_iter().collect();
            }
            Self::Copy(from, n, to) => {
                let from = from.index(n_chars);
                let copied: Vec<char> = chars[from..(from + n).min(n_chars)].to_vec();
                let to = to.index(n_chars);
                chars.splice(to..to, copied);
                return chars.into_iter().collect();
            }
        }
        lines.join("\n") + "\n"
    }
}

/// Replies of all sorts, the same for the same request and seed.
fn random_replies(replies: Vec<Vec<u8>>) -> Responder {
    Rc::new(move |asked: &Asked| {
        let seed = asked.body.iter().map(|it| usize::from(*it)).sum::<usize>() + format!("{:?}", asked.on).len();
        let body = replies[seed % replies.len()].clone();
        let headers = Vec::new();
        let answer = match seed % 5 {
            0 => Answer::Error {
                code: "UNAVAILABLE".to_owned(),
                message: "m".to_owned(),
            },
            1 => Answer::Bytes {
                body,
                status: 200,
                headers,
            },
            2 => Answer::Bytes {
                body: field(1, &body),
                status: 200,
                headers,
            },
            3 => Answer::Bytes {
                body: json!({ "a": [String::from_utf8_lossy(&body)] }).to_string().into(),
                status: 200,
                headers,
            },
            _ => Answer::Bytes {
                body: Vec::new(),
                status: 200,
                headers,
            },
        };
        (millis(seed as u64 % 7), answer)
    })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn damaged_files_are_checked_and_what_is_planned_runs_without_a_bug(
        file in any::<Index>(),
        damages in prop::collection::vec(damage(), 0..4),
        replies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..4),
    ) {
        let (path, text) = file.get(texts());
        let text = damages.iter().fold(text.clone(), |text, it| it.apply(&text));
        let Ok(played) = trial::play(&text, path.parent().unwrap(), Some(random_replies(replies))) else {
            return Ok(());
        };
        let surprise = |part: &str| played.failures.iter().any(|it| it.contains(part));
        prop_assert!(!surprise("does not decode"), "{:?}\n{text}", played.failures);
        let of_the_fixture = ["the reply of ", "descriptors do not have", "unexpected call"];
        if !of_the_fixture.iter().any(|it| surprise(it)) {
            prop_assert!(!played.metrics.contains("kind=\"bug\""), "{:?}\n{}\n{text}", played.failures, played.metrics);
        }
        let panics: HashMap<&str, &str> = played.metrics.lines().filter_map(|it| it.split_once(' ')).collect();
        prop_assert_eq!(panics.get("weft_panics_total"), Some(&"0"), "{}", text);
    }
}
