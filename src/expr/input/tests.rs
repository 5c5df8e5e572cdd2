//! Tests of inputs.

use super::*;
use crate::expr::testing::message;

fn field(name: &str) -> Type {
    let product = message("shop.Product");
    Type::of_field(&product, product.field(name).unwrap())
}

#[test]
fn text_is_read_as_its_type() {
    for (text, ty, expected) in [
        ("", Type::string(), Ok("String(\"\")")),
        ("5", field("stock"), Ok("Int(5)")),
        ("-5", field("weight"), Ok("Int(-5)")),
        (
            "18446744073709551615",
            field("serial"),
            Ok("Uint(18446744073709551615)"),
        ),
        ("", field("stock"), Err("an integer between -2147483648 and 2147483647")),
        ("05", field("weight"), Err("an integer")),
        ("+5", field("weight"), Err("an integer")),
        (" 5", field("weight"), Err("an integer")),
        ("1e3", field("weight"), Err("an integer")),
        ("5.0", field("weight"), Err("an integer")),
        (
            "3000000000",
            field("stock"),
            Err("an integer between -2147483648 and 2147483647"),
        ),
        (
            "-1",
            field("serial"),
            Err("an integer between 0 and 18446744073709551615"),
        ),
        ("true", Type::bool(), Ok("Bool(true)")),
        ("True", Type::bool(), Err("true or false")),
        ("", Type::bool(), Err("true or false")),
        ("1", Type::bool(), Err("true or false")),
        ("1e3", Type::double(), Ok("Double(1000.0)")),
        ("Infinity", Type::double(), Ok("Double(inf)")),
        ("inf", Type::double(), Err("a number")),
        ("1e999", Type::double(), Err("a number")),
        ("1e39", field("score"), Err("a number within the range of a float")),
        ("PAID", field("status"), Ok("Int(1)")),
        ("7", field("status"), Ok("Int(7)")),
        ("paid", field("status"), Err("the name or number of an enum value")),
        ("1970-01-01T00:00:00Z", field("created"), Ok("Timestamp(0, 0)")),
        (
            "1970-01-01",
            field("created"),
            Err("a timestamp such as 2006-01-02T15:04:05Z"),
        ),
        ("-1.5s", field("shelf_life"), Ok("Duration(-1, -500000000)")),
        ("YQ", field("blob"), Ok("Bytes(b\"a\")")),
        ("=", field("blob"), Err("base64")),
        ("a\"", Type::any(), Ok("Json(b\"\\\"a\\\\\\\"\\\"\")")),
        ("5", field("deltas"), Ok("Int(5)")),
    ] {
        let value = from_text(text, &ty).map(|it| format!("{it:?}"));
        assert_eq!(value.as_deref().map_err(|it| &**it), expected, "{text} {ty}");
    }
}

#[test]
fn json_is_read_in_place() {
    let body = Bytes::from_static(br#" {"a": "text", "b": [1.50]} "#);
    let Value::Json(json) = JsonReader::compile(&Type::any()).read(body.clone()).unwrap() else {
        panic!("no JSON")
    };
    assert_eq!(json, body.slice(1..body.len() - 1));
    let text = body.slice(7..13);
    let Value::String(text) = JsonReader::compile(&Type::string()).read(text).unwrap() else {
        panic!("no text")
    };
    assert_eq!(text.as_bytes().as_ptr(), body.slice(8..).as_ptr());
}

#[test]
fn json_is_read_as_its_type_or_refused_with_its_place() {
    for (json, ty, expected) in [
        ("null", field("stock"), Ok("Null")),
        (r#"["PAID",2]"#, field("history"), Ok("List(Values([Int(1), Int(2)]))")),
        (r#"{"nanos":1}"#, field("price_usd"), Ok("Message(b\"\\x18\\x01\")")),
        (r#"[{"nanos":1},{"nanos":"x"}]"#, field("prices"), Err(("/1/nanos", 22))),
        (r#"[{"nano":1}]"#, field("prices"), Err(("/0/nano", 2))),
        (r#"{"a/b":5}"#, field("labels"), Err(("/a~1b", 7))),
        (r#"{"true":1,"true":2}"#, field("flags"), Err(("", 0))),
        ("{}", field("categories"), Err(("", 0))),
        ("[]", field("labels"), Err(("", 0))),
        ("1", field("in_stock"), Err(("", 0))),
        (r#""2""#, field("weight"), Ok("Int(2)")),
        (r#""a\u0062""#, field("name"), Ok("String(\"ab\")")),
    ] {
        let read = JsonReader::compile(&ty).read(Bytes::copy_from_slice(json.as_bytes()));
        match (read, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(format!("{value:?}"), expected, "{json}"),
            (Err(error), Err((pointer, offset))) => {
                assert_eq!((&*error.pointer, error.offset), (pointer, offset), "{json} {error}");
            }
            (read, _) => panic!("{json}: {read:?}"),
        }
    }
}
