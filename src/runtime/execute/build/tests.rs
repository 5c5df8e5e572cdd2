//! Requests of calls: paths, queries, headers and what may not be sent.

use std::sync::Arc;

use ::http::HeaderName;

use super::super::tests::page::Names;
use super::*;
use crate::expr::{Slot, Type, TypeKind};
use crate::runtime::backend::FailureKind;

fn names() -> Names {
    let text = Type::of(TypeKind::String);
    Names::new(&[
        ("id", text.clone()),
        ("list", Type::of(TypeKind::List(Arc::new(text)))),
        ("raw", Type::of(TypeKind::Bytes)),
    ])
}

/// Builds a path for one `id`, and for `list` its parts between slashes.
fn built(parts: &[PathPart], id: &str) -> Result<String, FailureKind> {
    let list = Value::list(id.split('/').map(Value::from).collect());
    let values = [id.into(), list, Value::Null];
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    path(parts, &frame, &Origin::default(), "/own/a%2Fb/%2e./c").map_err(|it| it.kind)
}

#[test]
fn a_value_never_makes_or_leaves_a_segment() {
    // Cases 114 and 115.
    let segment = || PathPart::Segment(names().program("id").0);
    let literal = |text: &str| PathPart::Literal(text.into());
    let alone = [literal("/v2/"), segment(), literal("/s")];
    let within = [literal("/v2/x-"), segment(), literal("-y")];
    let last = [literal("/v2/"), segment()];
    let dotted = [literal("/v2/."), segment()];
    let twice = [literal("/v2/"), segment(), segment()];
    let many = [literal("/f/"), PathPart::Segments(names().program("list").0)];
    let written = [literal("/v2//x/./"), segment(), literal("/")];
    let own = |from, to| [literal("/to/"), PathPart::Own(from, to)];
    let bad = Err(FailureKind::BadPath);
    for (about, parts, id, wanted) in [
        ("plain", &alone[..], "p1", Ok("/v2/p1/s")),
        ("encoded", &alone, "a/b?c#d", Ok("/v2/a%2Fb%3Fc%23d/s")),
        ("percent", &alone, "%2e", Ok("/v2/%252e/s")),
        ("unreserved", &alone, "a-b.c_d~e", Ok("/v2/a-b.c_d~e/s")),
        ("not ASCII", &alone, "é\n", Ok("/v2/%C3%A9%0A/s")),
        ("dots", &alone, "..", bad),
        ("dot", &alone, ".", bad),
        ("dots behind a slash", &alone, "a/..", bad),
        ("dots before a slash", &alone, "../admin", bad),
        ("a dot between slashes", &alone, "a/./b", bad),
        ("dots beside a backslash", &alone, "a\\..\\b", bad),
        ("dots with a parameter", &alone, "..;a", bad),
        ("dots within", &within, "/../", bad),
        ("NUL", &alone, "a\0", bad),
        ("dots behind a parameter", &alone, "a;..", Ok("/v2/a%3B../s")),
        ("empty", &alone, "", bad),
        ("three dots", &alone, "...", Ok("/v2/.../s")),
        ("empty within", &within, "", Ok("/v2/x--y")),
        ("empty at the end", &last, "", bad),
        ("dots made of two", &dotted, ".", bad),
        ("dot made of one", &dotted, "", bad),
        ("dots made of two values", &twice, ".", bad),
        ("several", &many, "a/b c", Ok("/f/a/b%20c")),
        ("dots among several", &many, "a/../b", bad),
        ("empty among several", &many, "a//b", bad),
        ("empty at the end of several", &many, "a/", bad),
        ("as its author wrote", &written, "x", Ok("/v2//x/./x/")),
        ("as it came", &own(1, Some(2)), "x", Ok("/to/a%2Fb")),
        ("as it came, but dots", &own(1, None), "x", bad),
        ("nothing came", &own(4, None), "x", Ok("/to/")),
    ] {
        assert_eq!(built(parts, id).as_deref(), wanted.as_deref(), "{about}");
    }
}

#[test]
fn header_values_are_visible_text_or_bytes() {
    // Case 116.
    let header = |name: &'static str, text: &str| Header {
        name: HeaderName::from_static(name),
        value: names().template(text).0,
    };
    let one = |header: Header, id: &str| {
        let values = [id.into(), Value::Null, Value::Bytes(Bytes::from_static(b"\x00\xff"))];
        let frame = Frame {
            parent: None,
            base: Slot(0),
            values: &values,
        };
        let all = headers(&[header], &frame, &Origin::default()).map_err(|it| it.kind)?;
        Ok(all.values().next().map(|it| it.to_str().unwrap().to_owned()))
    };
    assert_eq!(one(header("x-note", "id"), "a b"), Ok(Some("a b".to_owned())));
    for id in ["a\r\nb: c", "\0", "é", "\u{7f}"] {
        assert_eq!(one(header("x-note", "id"), id), Err(FailureKind::BadHeader), "{id:?}");
    }
    assert_eq!(one(header("x-raw-bin", "raw"), ""), Ok(Some("AP8".to_owned())));
    assert_eq!(one(header("x-note", "id == 'x' ? id : null"), "y"), Ok(None));
}

#[test]
fn replies_are_read_as_what_was_asked_for() {
    let read = |accept, body: &'static str| read_http(accept, None, Bytes::from_static(body.as_bytes())).unwrap();
    assert!(matches!(read(Accept::Json, " null\n"), Value::Null));
    assert!(matches!(read(Accept::Json, ""), Value::Null));
    assert!(matches!(read(Accept::Json, " {} "), Value::Json(it) if it == "{}"));
    assert!(matches!(read(Accept::Text, "x"), Value::String(it) if it == "x"));
    assert!(matches!(read(Accept::Bytes, "x"), Value::Bytes(it) if it == "x"));
    assert!(read_http(Accept::Text, None, Bytes::from_static(b"\xff")).is_err());
}
