//! W3C Trace Context travels: every backend call of a request carries its trace, with a span of the gateway's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::collections::BTreeSet;
use std::path::Path;

use weft::trial;

const FIXTURE: &str = r#"
composition:
  endpoint: GET /p
  calls:
    product: { grpc: shop.Products/GetProduct }
    similar: { http: GET recs:/a }
backends:
  - { call: shop.Products/GetProduct, reply: {} }
  - { http: "GET recs:/a", reply: {} }
exchanges:
  - request: GET /p
    headers: { traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, tracestate: rojo=1 }
    expect: { status: 200 }
"#;

#[test]
fn every_call_carries_the_trace_of_its_request() {
    let played = trial::play(FIXTURE, Path::new("fixtures"), None).unwrap();
    assert_eq!(played.failures, Vec::<String>::new());
    assert_eq!(played.asked.len(), 2);
    let mut spans = BTreeSet::new();
    for asked in &played.asked {
        let parent = asked.headers["traceparent"].to_str().unwrap();
        let span = parent
            .strip_prefix("00-0af7651916cd43dd8448eb211c80319c-")
            .and_then(|it| it.strip_suffix("-01"))
            .unwrap_or_else(|| panic!("{parent}"));
        spans.insert(span.to_owned());
        assert_eq!(asked.headers["tracestate"], "rojo=1");
    }
    assert!(
        spans.len() == 1 && !spans.contains("b7ad6b7169203331"),
        "the span is the gateway's: {spans:?}"
    );
}

#[test]
fn a_request_without_a_trace_begins_one() {
    let fixture = FIXTURE.replace(
        "    headers: { traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, tracestate: rojo=1 }\n",
        "",
    );
    let played = trial::play(&fixture, Path::new("fixtures"), None).unwrap();
    for asked in &played.asked {
        let parent = asked.headers["traceparent"].to_str().unwrap();
        assert_eq!((parent.len(), parent.split('-').count()), (55, 4), "{parent}");
        assert!(!asked.headers.contains_key("tracestate"));
    }
}
