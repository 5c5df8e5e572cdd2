//! Messages that have a form of their own.

use super::*;

#[test]
fn times_have_their_text() {
    product(&wire().message(18, &wire()), "{\"createdAt\":\"1970-01-01T00:00:00Z\"}");
    product(
        &wire().message(19, &wire().int(1, -1).int(2, -500_000_000)),
        "{\"shelfLife\":\"-1.500s\"}",
    );
    assert_eq!(
        json_of("Product", &wire().message(18, &wire().int(1, i64::MAX))),
        Err(DecodeError::Range)
    );
    assert_eq!(
        json_of("Product", &wire().message(19, &wire().int(1, 1).int(2, -1))),
        Err(DecodeError::Range)
    );
}

#[test]
fn field_masks_are_camel_case() {
    let mask = |paths: &[&str]| wire().message(20, &paths.iter().fold(wire(), |it, path| it.text(1, path)));
    product(&mask(&[]), "{\"mask\":\"\"}");
    product(&mask(&["foo_bar.baz", "qux", "*"]), "{\"mask\":\"fooBar.baz,qux,*\"}");
    for path in ["fooBar", "foo__bar", "foo_3", "foo_", "a,b"] {
        assert_eq!(json_of("Product", &mask(&[path])), Err(DecodeError::Range), "{path}");
    }
}

#[test]
fn wrappers_are_their_value() {
    product(
        &wire().message(25, &wire()).message(26, &wire().int(1, 0)),
        "{\"note\":\"\",\"count\":\"0\"}",
    );
    product(
        &wire().message(25, &wire().text(1, "a").int(1, 4).text(1, "b")),
        "{\"note\":\"b\"}",
    );
    assert_eq!(
        json_of("Product", &wire().message(25, &wire().text(1, [0xff]))),
        Err(DecodeError::Utf8)
    );
    assert_eq!(
        json_of("google.protobuf.Int64Value", &wire().int(1, 5)).as_deref(),
        Ok("\"5\"")
    );
}

#[test]
fn values_structs_and_lists_are_json() {
    let member = |name: &str, value: &Wire| wire().message(1, &wire().text(1, name).message(2, value));
    let structure = member("z", &wire().double(2, 1.0))
        .then(&member("a", &wire().int(1, 0)))
        .then(&member(
            "m",
            &wire().message(
                6,
                &wire().message(1, &wire().int(4, 1)).message(1, &wire().text(3, "s")),
            ),
        ))
        .then(&member("z", &wire().message(5, &member("k", &wire()))));
    product(
        &wire().message(21, &structure),
        "{\"extra\":{\"a\":null,\"m\":[true,\"s\"],\"z\":{\"k\":null}}}",
    );
    product(
        &wire().message(21, &wire()).message(22, &wire()).message(23, &wire()),
        "{\"extra\":{},\"anything\":null,\"list\":[]}",
    );
    // The fields of a Value are a oneof; parts of the same one are merged.
    product(
        &wire().message(22, &wire().text(3, "a").int(4, 0)),
        "{\"anything\":false}",
    );
    let part = |name| wire().message(5, &member(name, &wire().int(4, 1)));
    product(
        &wire().message(22, &part("a").then(&part("b"))),
        "{\"anything\":{\"a\":true,\"b\":true}}",
    );
    product(
        &wire().message(22, &part("a").int(4, 1).then(&part("b"))),
        "{\"anything\":{\"b\":true}}",
    );
    let not_finite = wire().double(2, f64::NAN);
    assert_eq!(
        json_of("Product", &wire().message(22, &not_finite)),
        Err(DecodeError::Range)
    );
}

#[test]
fn an_any_is_written_as_what_it_holds() {
    let any = |url: &str, content: &Wire| wire().message(24, &wire().text(1, url).message(2, content));
    let url = "type.googleapis.com/shapes.Product";
    product(
        &any(url, &wire().int(3, 1).int(2, 4)),
        &format!("{{\"detail\":{{\"@type\":\"{url}\",\"stock\":4,\"weight\":\"1\"}}}}"),
    );
    product(&any(url, &wire()), &format!("{{\"detail\":{{\"@type\":\"{url}\"}}}}"));
    product(
        &any("x/google.protobuf.Duration", &wire().int(1, 1)),
        "{\"detail\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}}",
    );
    product(
        &any("x/google.protobuf.Empty", &wire()),
        "{\"detail\":{\"@type\":\"x/google.protobuf.Empty\",\"value\":{}}}",
    );
    let nested = wire().text(1, "x/shapes.Legacy").message(2, &wire().int(1, 6));
    product(
        &any("x/google.protobuf.Any", &nested),
        "{\"detail\":{\"@type\":\"x/google.protobuf.Any\",\"value\":{\"@type\":\"x/shapes.Legacy\",\"id\":6}}}",
    );
    product(
        &any("x/not.Known", &wire().int(1, 1)),
        "{\"detail\":{\"@type\":\"x/not.Known\",\"value\":\"CAE=\"}}",
    );
    product(&wire().message(24, &wire()), "{\"detail\":{}}");
    assert_eq!(
        json_of("Product", &any(url, &Wire(vec![0x10]))),
        Err(DecodeError::Malformed)
    );
    // After an Any the message goes on as before.
    product(
        &any(url, &wire()).message(25, &wire()),
        &format!("{{\"detail\":{{\"@type\":\"{url}\"}},\"note\":\"\"}}"),
    );
}

#[test]
fn what_has_no_form_may_be_completed_by_what_follows() {
    let broken = wire().text(1, "x/shapes.Product").message(2, &Wire(vec![0x80]));
    let whole = wire().text(1, "x/google.protobuf.Empty").text(2, "");
    product(
        &wire().message(24, &broken).message(24, &whole),
        "{\"detail\":{\"@type\":\"x/google.protobuf.Empty\",\"value\":{}}}",
    );
    let too_late = wire().int(1, i64::MAX);
    product(
        &wire().message(18, &too_late).message(18, &wire().int(1, 1)),
        "{\"createdAt\":\"1970-01-01T00:00:01Z\"}",
    );
}

#[test]
fn an_any_in_an_any_counts_as_nesting() {
    let mut any = wire();
    for _ in 0..100 {
        any = wire().text(1, "x/google.protobuf.Any").message(2, &any);
    }
    assert_eq!(json_of("Product", &wire().message(24, &any)), Err(DecodeError::Depth));
}

#[test]
fn null_and_empty_have_their_forms() {
    product(
        &wire().message(27, &wire().int(1, 1)).int(28, 5),
        "{\"nothing\":{},\"null\":null}",
    );
}
