//! Status, headers, cookies and bodies of a response.

use ::http::HeaderName;

use super::super::tests::page::Names;
use super::*;
use crate::codec::wire;
use crate::expr::{IntRange, Slot, Type, TypeKind};
use crate::plan::{Condition, Origin};
use crate::runtime::backend::FailureKind;

fn names() -> Names {
    let text = Type::of(TypeKind::String);
    Names::new(&[
        ("n", Type::of(TypeKind::Int(IntRange::PLAIN))),
        ("t", text.clone()),
        ("none", text.or_null()),
        ("raw", Type::of(TypeKind::Bytes)),
        // Stands for any message: what it holds is decided by the body it becomes.
        ("body", Type::of(TypeKind::Bytes)),
    ])
}

fn response(body: &str) -> Response {
    Response {
        body: ResponseBody::Json(names().template(body).0),
        nullable: false,
        status: Status::Default,
        headers: Vec::new(),
        cookies: Vec::new(),
        needs: Vec::new(),
        mentions: Vec::new(),
        tags: Vec::new(),
        invalidates: Vec::new(),
    }
}

fn respond(response: &Response, n: i64, t: &str) -> Result<Answer, FailureKind> {
    let mut wire = Vec::new();
    wire::put_bytes(&mut wire, 1, b"text/csv");
    wire::put_bytes(&mut wire, 2, b"a,b");
    let raw = Value::Bytes(Bytes::from_static(b"\xff"));
    let values = [Value::Int(n), t.into(), Value::Null, raw, Value::Message(wire.into())];
    answer(
        response,
        None,
        &Frame {
            parent: None,
            base: Slot(0),
            values: &values,
        },
    )
    .map_err(|it| it.kind)
}

#[test]
fn null_is_no_content_unless_a_status_is_given() {
    let full = respond(&response("t"), 0, "x").unwrap();
    assert_eq!((full.status.as_u16(), &full.body[..]), (200, &b"\"x\""[..]));
    assert_eq!(full.headers[CONTENT_TYPE], "application/json");
    let none = respond(&response("none"), 0, "x").unwrap();
    assert_eq!((none.status.as_u16(), none.body.len(), none.headers.len()), (204, 0, 0));
    let accepted = Response {
        status: Status::Fixed(StatusCode::ACCEPTED),
        ..response("none")
    };
    assert_eq!(respond(&accepted, 0, "x").unwrap().body, "null");
    let empty = Response {
        status: Status::Fixed(StatusCode::NO_CONTENT),
        ..response("t")
    };
    assert_eq!(respond(&empty, 0, "x").unwrap().body, "");
}

#[test]
fn a_computed_status_is_one_of_success_or_redirection() {
    let condition = || Condition {
        program: names().program("n").0,
        origin: Origin::default(),
    };
    let computed = || Response {
        status: Status::Expression(condition()),
        ..response("t")
    };
    for n in [200, 303, 399] {
        assert_eq!(i64::from(respond(&computed(), n, "x").unwrap().status.as_u16()), n);
    }
    for n in [0, 199, 400, 500, 70_000, -200] {
        assert_eq!(respond(&computed(), n, "x"), Err(FailureKind::BadHeader), "{n}");
    }
}

#[test]
fn headers_and_cookies_cannot_be_broken_out_of() {
    let header = |source: &str| Header {
        name: HeaderName::from_static("location"),
        value: names().template(source).0,
    };
    let with = |source: &str| Response {
        headers: vec![header(source)],
        ..response("t")
    };
    assert_eq!(respond(&with("t"), 0, "/a b").unwrap().headers["location"], "/a b");
    assert!(
        !respond(&with("none"), 0, "/a")
            .unwrap()
            .headers
            .contains_key("location")
    );
    for text in ["a\r\nset-cookie: b=c", "a\0", "é"] {
        assert_eq!(respond(&with("t"), 0, text), Err(FailureKind::BadHeader), "{text:?}");
    }

    let cookie = |source: &str| Cookie {
        name: "sid".into(),
        value: names().template(source).0,
        attributes: "; Path=/; Secure".into(),
        deletion: "; Path=/; Max-Age=0".into(),
    };
    let with = |source: &str| Response {
        cookies: vec![cookie(source)],
        ..response("t")
    };
    assert_eq!(
        respond(&with("t"), 0, "a=b").unwrap().headers[SET_COOKIE],
        "sid=a=b; Path=/; Secure"
    );
    assert_eq!(
        respond(&with("none"), 0, "x").unwrap().headers[SET_COOKIE],
        "sid=; Path=/; Max-Age=0"
    );
    for text in ["a; Domain=evil", "a b", "a,b", "\"a\"", "a\r\nb", "é"] {
        assert_eq!(respond(&with("t"), 0, text), Err(FailureKind::BadHeader), "{text:?}");
    }
}

#[test]
fn raw_bodies_are_sent_as_they_are() {
    let raw = Response {
        body: ResponseBody::Bytes(names().program("raw").0),
        ..response("t")
    };
    let raw = respond(&raw, 0, "x").unwrap();
    assert_eq!(
        (&raw.body[..], raw.headers[CONTENT_TYPE].to_str().unwrap()),
        (&b"\xff"[..], "application/octet-stream")
    );
    let http_body = Response {
        body: ResponseBody::HttpBody(names().program("body").0),
        ..response("t")
    };
    let http_body = respond(&http_body, 0, "x").unwrap();
    assert_eq!(
        (&http_body.body[..], http_body.headers[CONTENT_TYPE].to_str().unwrap()),
        (&b"a,b"[..], "text/csv")
    );
}
