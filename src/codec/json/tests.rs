//! JSONTestSuite, and tables for what it does not ask.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics has failed, as it should"
)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn suite() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/json");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap())
        .map(|it| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap()))
        .filter(|(name, _)| name.contains('_'))
        .collect();
    cases.push((
        "n_structure_100000_opening_arrays.json".to_owned(),
        b"[".repeat(100_000),
    ));
    cases.push((
        "n_structure_open_array_object.json".to_owned(),
        br#"[{"":"#.repeat(50_000),
    ));
    cases.sort();
    cases
}

/// Visits everything there is to visit in a fragment.
fn walk(fragment: &[u8], depth: u32) -> usize {
    if depth == 0 {
        return 0;
    }
    let mut n_values = 1;
    for element in elements(fragment) {
        n_values += walk(element, depth - 1);
    }
    for (key, value) in members(fragment) {
        string(key);
        is_key(key, "a");
        n_values += walk(value, depth - 1);
    }
    string(fragment);
    kind(fragment);
    n_values
}

#[test]
fn json_test_suite_is_accepted_and_refused_as_named() {
    let cases = suite();
    assert!(cases.len() > 300, "{}", cases.len());
    for (name, bytes) in cases {
        let result = validate(&bytes);
        match name.as_bytes()[0] {
            b'y' => assert_eq!(result, Ok(()), "{name}"),
            b'n' => assert!(result.is_err(), "{name}"),
            _ => {}
        }
        if let Err(error) = result {
            assert!(error.offset <= bytes.len(), "{name}");
        } else {
            assert!(
                serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() || name.starts_with('i'),
                "{name}"
            );
        }
        if bytes.len() < 50_000 {
            walk(&bytes, 200);
        }
    }
}

#[test]
fn lone_surrogates_are_refused_and_pairs_accepted() {
    for (text, good) in [
        (r#""\ud83d\ude00""#, true),
        (r#""\ud83d""#, false),
        (r#""\ude00""#, false),
        (r#""\ud83d\u0041""#, false),
        (r#""\ud83dx\ude00""#, false),
        (r#""\u0000""#, true),
    ] {
        assert_eq!(validate(text.as_bytes()).is_ok(), good, "{text}");
    }
}

#[test]
fn errors_name_the_place() {
    for (text, offset, reason) in [
        ("", 0, "unexpected end of the document"),
        ("nul", 0, "expected a value"),
        ("{\"a\" 1}", 5, "expected `:`"),
        ("[1 2]", 3, "expected `,` or `]`"),
        ("[1] 2", 4, "expected the end of the document"),
        ("\"a\u{1}\"", 2, "control characters in strings must be escaped"),
        ("01", 1, "expected the end of the document"),
        ("-", 1, "unexpected end of the document"),
        ("[1.x]", 3, "expected a digit"),
    ] {
        assert_eq!(validate(text.as_bytes()), Err(SyntaxError { offset, reason }), "{text}");
    }
    assert_eq!(
        validate(b"\"\xff\"").unwrap_err(),
        SyntaxError {
            offset: 1,
            reason: "expected UTF-8"
        }
    );
}

#[test]
fn depth_is_128() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(validate(nested(128).as_bytes()).is_ok());
    assert_eq!(
        validate(nested(129).as_bytes()).unwrap_err().reason,
        "nested too deeply"
    );
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(validate(objects(128).as_bytes()).is_ok());
    assert!(validate(objects(129).as_bytes()).is_err());
}

#[test]
fn members_and_elements_are_found_in_place() {
    let document = br#" { "a" : [1, "x,]}", {"b": null}] , "c\u0064":true, "a": -2.5e3 } "#;
    validate(document).unwrap();
    assert_eq!(member(document, "a"), Some(&b"-2.5e3"[..]));
    assert_eq!(member(document, "cd"), Some(&b"true"[..]));
    assert_eq!(member(document, "b"), None);
    let list = members(document).next().unwrap().1;
    assert_eq!(
        elements(list).collect::<Vec<_>>(),
        [&b"1"[..], br#""x,]}""#, br#"{"b": null}"#]
    );
    assert_eq!(
        elements(b"[]").count() + members(b"{ }").count() + members(b"[1,2]").count(),
        0
    );
    assert_eq!(kind(b" [] "), Kind::Array);
    assert_eq!(kind(b""), Kind::Null);
    assert!(is_key(br#""a\\b""#, r"a\b"));
    assert!(!is_key(br#""a\\b""#, r"a\\b"));
}

proptest! {
    #[test]
    fn strings_survive_escaping(text in any::<String>()) {
        let mut out = Vec::new();
        write_string(&text, &mut out);
        prop_assert_eq!(validate(&out), Ok(()));
        prop_assert_eq!(&serde_json::from_slice::<String>(&out).unwrap(), &text);
        prop_assert_eq!(string(&out).unwrap(), text);
    }

    #[test]
    fn garbage_is_judged_as_serde_json_judges_it(
        bytes in proptest::collection::vec(proptest::sample::select(&b"{}[]\",:\\u0d8trufalsn1-+.eE \n\x01\xc3\xa9"[..]), 0..24),
    ) {
        prop_assert_eq!(validate(&bytes).is_ok(), serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() || is_huge_number(&bytes), "{:?}", bytes);
        walk(&bytes, 30);
    }
}

/// `serde_json` refuses numbers that no double can hold; the grammar has them.
fn is_huge_number(bytes: &[u8]) -> bool {
    validate(bytes).is_ok() && serde_json::from_slice::<Box<serde_json::value::RawValue>>(bytes).is_ok()
}
