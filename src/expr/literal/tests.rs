//! Tests of literals.

use super::*;
use crate::expr::testing::message;
use crate::expr::types::{IntRange, ObjectMember, TypeKind};

fn field(name: &str) -> Type {
    let product = message("shop.Product");
    Type::of_field(&product, product.field(name).unwrap())
}

#[test]
fn literals_are_values_of_their_place() {
    for (json, ty, expected) in [
        ("true", Type::bool(), "Bool(true)"),
        (r#""5""#, field("stock"), "Int(5)"),
        ("5.0", field("stock"), "Int(5)"),
        (r#""9007199254740993""#, field("weight"), "Int(9007199254740993)"),
        ("18446744073709551615", field("serial"), "Uint(18446744073709551615)"),
        ("1.5", field("rating"), "Double(1.5)"),
        (r#""NaN""#, field("rating"), "Double(NaN)"),
        (r#""x""#, field("name"), "String(\"x\")"),
        (r#""PAID""#, field("status"), "Int(1)"),
        ("2", field("status"), "Int(2)"),
        (
            r#""2026-01-01T00:00:00Z""#,
            field("created"),
            "Timestamp(1767225600, 0)",
        ),
        (r#""1.5s""#, field("shelf_life"), "Duration(1, 500000000)"),
        (r#""_-8""#, field("blob"), "Bytes(b\"\\xff\\xef\")"),
        (
            r#"{"units":5,"currencyCode":""}"#,
            field("price_usd"),
            "Message(b\"\\x10\\x05\")",
        ),
        (
            r#"{"currency_code":"E"}"#,
            field("price_usd"),
            "Message(b\"\\n\\x01E\")",
        ),
        (" 1.10 ", Type::any(), "Json(b\"1.10\")"),
        ("null", field("name"), "Null"),
        ("[]", field("categories"), "List(Values([]))"),
        (r#"["a"]"#, field("categories"), "List(Values([String(\"a\")]))"),
        (
            r#"{"10":"a","9":"b"}"#,
            field("slots"),
            "Map(Values([(Int(9), String(\"b\")), (Int(10), String(\"a\"))]))",
        ),
        ("[null,1]", field("mixed"), "List(Values([Null, Json(b\"1\")]))"),
    ] {
        let value = read(json.as_bytes(), &ty);
        assert_eq!(value.map(|it| format!("{it:?}")).as_deref(), Ok(expected), "{json}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn literals_that_are_none_are_explained() {
    let object = Type::object(vec![
        ObjectMember {
            name: "price".into(),
            ty: Type::int(),
            optional: false,
        },
        ObjectMember {
            name: "note".into(),
            ty: Type::string().or_null(),
            optional: false,
        },
        ObjectMember {
            name: "tag".into(),
            ty: Type::string(),
            optional: true,
        },
    ]);
    for (json, ty, code, pointer, title, label) in [
        (
            "5.5",
            field("stock"),
            "wrong-type",
            "",
            "expected an integer between -2147483648 and 2147483647, found `5.5`",
            "",
        ),
        (
            "3000000000",
            field("stock"),
            "wrong-type",
            "",
            "expected an integer between -2147483648 and 2147483647, found `3000000000`",
            "",
        ),
        (
            r#""x""#,
            Type::int(),
            "wrong-type",
            "",
            "expected an integer, found `x`",
            "",
        ),
        ("5", field("name"), "wrong-type", "", "expected a string, found `5`", ""),
        (
            r#""PIAD""#,
            field("status"),
            "unknown-enum-value",
            "",
            "`PIAD` is not a value of `shop.Status`",
            "did you mean `PAID`?",
        ),
        (
            r#""2026-13-01T00:00:00Z""#,
            field("created"),
            "wrong-type",
            "",
            "expected a timestamp such as 2006-01-02T15:04:05Z, found `2026-13-01T00:00:00Z`",
            "",
        ),
        (
            r#"{"unit":0}"#,
            field("price_usd"),
            "unknown-field",
            "/unit",
            "there is no field `unit`",
            "did you mean `units`?",
        ),
        (
            r#"["a",5]"#,
            field("categories"),
            "wrong-type",
            "/1",
            "expected a string, found `5`",
            "",
        ),
        (
            "[null]",
            field("categories"),
            "wrong-type",
            "/0",
            "expected a string, found `null`",
            "",
        ),
        (
            r#"{"x":"a"}"#,
            field("slots"),
            "wrong-type",
            "/x",
            "expected an integer between -2147483648 and 2147483647, as key, found `x`",
            "",
        ),
        (
            r#"{"prise":1}"#,
            object.clone(),
            "unknown-field",
            "/prise",
            "there is no field `prise`",
            "did you mean `price`?",
        ),
        (
            r#"{"note":""}"#,
            object.clone(),
            "wrong-type",
            "",
            "member `price` is missing",
            "",
        ),
        (
            r#"{"price":1,"price":2}"#,
            object.clone(),
            "wrong-type",
            "/price",
            "a member is written twice",
            "",
        ),
        (
            r#"{"price":[1]}"#,
            object.clone(),
            "wrong-type",
            "/price",
            "expected an integer, found `[…]`",
            "",
        ),
        ("[1", Type::any(), "wrong-type", "", "", ""),
    ] {
        let error = read(json.as_bytes(), &ty).unwrap_err();
        assert_eq!(
            (error.code, &*error.pointer, &*error.label),
            (code, pointer, label),
            "{json}"
        );
        if title.is_empty() {
            assert!(error.title.starts_with("this is not JSON"), "{json}");
        } else {
            assert_eq!(error.title, title, "{json}");
        }
    }
    let value = read(br#"{"price":1}"#, &object).unwrap();
    assert!(value.member("note").unwrap().is_null() && value.member("tag").is_none());
}

#[test]
fn literals_of_messages_name_the_value_at_fault() {
    let status = r#"{"priceUsd":{"units":"x"}}"#;
    let error = read(status.as_bytes(), &Type::of_message(&message("shop.Product"))).unwrap_err();
    assert_eq!((error.code, &*error.pointer), ("wrong-type", "/priceUsd/units"));
    assert!(error.title.ends_with("found `x`"), "{}", error.title);
    let error = read(br#"{"status":"PIAD"}"#, &Type::of_message(&message("shop.Product"))).unwrap_err();
    assert_eq!(
        (error.code, &*error.label),
        ("unknown-enum-value", "did you mean `PAID`?")
    );
    let long = format!("\"{}\"", "x".repeat(100));
    let error = read(long.as_bytes(), &Type::of(TypeKind::Int(IntRange::PLAIN))).unwrap_err();
    assert!(error.title.ends_with("x…`"), "{}", error.title);
}
