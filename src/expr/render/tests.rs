//! Tests of JSON and text.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::codec::{Defaults, EnumPrefix, Names};
use crate::expr::testing::{message, wire};
use crate::expr::types::{IntRange, ObjectMember};
use crate::expr::value::FieldReader;

fn render(ty: &Type, value: &Value, options: JsonOptions) -> String {
    let mut out = Vec::new();
    match Renderer::compile(ty, options).render(value, &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(fault) => format!("fault: {fault}"),
    }
}

/// A field of a product that is written as JSON, as it is rendered by itself.
fn field(name: &str, json: &str, options: JsonOptions) -> String {
    let product = message("shop.Product");
    let field = product.field(name).unwrap();
    let value = FieldReader::compile(&product, field).read(&wire("shop.Product", json));
    render(&Type::of_field(&product, field), &value, options)
}

#[test]
fn fields_are_written_as_canonical_json() {
    for (name, json, expected) in [
        ("id", r#"{"id":"a\"b"}"#, r#""a\"b""#),
        ("price_usd", "{}", "null"),
        (
            "price_usd",
            r#"{"priceUsd":{"currencyCode":"EUR","units":"7"}}"#,
            r#"{"currencyCode":"EUR","units":"7"}"#,
        ),
        ("categories", "{}", "[]"),
        ("categories", r#"{"categories":["a","b"]}"#, r#"["a","b"]"#),
        ("stock", r#"{"stock":5}"#, "5"),
        ("weight", r#"{"weight":5}"#, r#""5""#),
        (
            "serial",
            r#"{"serial":"18446744073709551615"}"#,
            r#""18446744073709551615""#,
        ),
        ("rating", r#"{"rating":1}"#, "1"),
        ("rating", r#"{"rating":"NaN"}"#, r#""NaN""#),
        ("score", r#"{"score":0.1}"#, "0.1"),
        ("rank", "{}", "null"),
        ("status", "{}", r#""UNKNOWN""#),
        ("status", r#"{"status":9}"#, "9"),
        (
            "created",
            r#"{"created":"2026-01-01T02:00:00+02:00"}"#,
            r#""2026-01-01T00:00:00Z""#,
        ),
        ("labels", r#"{"labels":{"b":"1","a":"2"}}"#, r#"{"a":"2","b":"1"}"#),
        (
            "slots",
            r#"{"slots":{"10":"a","9":"b","-1":"c"}}"#,
            r#"{"-1":"c","9":"b","10":"a"}"#,
        ),
        (
            "flags",
            r#"{"flags":{"true":"PAID","false":0}}"#,
            r#"{"false":"UNKNOWN","true":"PAID"}"#,
        ),
        ("extra", r#"{"extra":{"a":null}}"#, r#"{"a":null}"#),
        ("blob", r#"{"blob":"_-8="}"#, r#""/+8=""#),
        ("note", "{}", "null"),
        ("note", r#"{"note":""}"#, r#""""#),
        ("shelf_life", r#"{"shelfLife":"1.5s"}"#, r#""1.500s""#),
        ("anything", r#"{"anything":[1]}"#, "[1]"),
        ("nothing", r#"{"nothing":{}}"#, "{}"),
        ("mask", r#"{"mask":"a,bC"}"#, r#""a,bC""#),
        ("counts", r#"{"counts":["3"]}"#, r#"["3"]"#),
        ("prices", r#"{"prices":[{},{"nanos":1}]}"#, r#"[{},{"nanos":1}]"#),
        (
            "detail",
            r#"{"detail":{"@type":"type.googleapis.com/shop.Money","nanos":1}}"#,
            r#"{"@type":"type.googleapis.com/shop.Money","nanos":1}"#,
        ),
    ] {
        assert_eq!(field(name, json, JsonOptions::default()), expected, "{name}");
    }
}

#[test]
fn options_change_how_values_look() {
    let options = JsonOptions {
        names: Names::Proto,
        int64: Int64::Number,
        enums: Enums::Number,
        defaults: Defaults::Emit,
        enum_prefix: EnumPrefix::Strip,
    };
    for (name, json, expected) in [
        (
            "price_usd",
            r#"{"priceUsd":{"units":"7"}}"#,
            r#"{"currency_code":"","units":7,"nanos":0}"#,
        ),
        ("weight", r#"{"weight":5}"#, "5"),
        ("counts", r#"{"counts":["3"]}"#, "[3]"),
        ("status", r#"{"status":"PAID"}"#, "1"),
        ("history", r#"{"history":["PAID"]}"#, "[1]"),
    ] {
        assert_eq!(field(name, json, options), expected, "{name}");
    }
}

#[test]
fn objects_are_written_in_the_order_of_their_members() {
    let member = |name: &str, ty, optional| ObjectMember {
        name: name.into(),
        ty,
        optional,
    };
    let ty = Type::object(vec![
        member("b", Type::of(TypeKind::Int(IntRange::INT64)), false),
        member("a\"", Type::string().or_null(), true),
        member("c", Type::any(), false),
    ]);
    let value = |members: &[(&str, Value)]| {
        Value::object(
            members
                .iter()
                .map(|(name, value)| (Arc::from(*name), value.clone()))
                .collect(),
        )
    };
    let json = || Value::Json(Bytes::from_static(b"1.00"));
    for (members, expected) in [
        (
            value(&[("b", Value::Int(1)), ("a\"", Value::Null), ("c", json())]),
            r#"{"b":"1","a\"":null,"c":1.00}"#,
        ),
        (value(&[("b", Value::Int(1)), ("c", json())]), r#"{"b":"1","c":1.00}"#),
        // Members that were spread from JSON.
        (value(&[("x", json()), ("b", Value::Int(1))]), r#"{"x":1.00,"b":"1"}"#),
        (value(&[]), "{}"),
        (value(&[("b", "x".into())]), "fault: a value is not of its type"),
    ] {
        assert_eq!(render(&ty, &members, JsonOptions::default()), expected);
    }
}

#[test]
fn what_has_no_json_form_is_a_fault() {
    for (ty, value) in [
        (Type::of(TypeKind::Timestamp), Value::Timestamp(i64::MAX, 0)),
        (Type::of(TypeKind::Duration), Value::Duration(i64::MAX, 0)),
        (
            Type::of_message(&message("shop.Money")),
            Value::Message(Bytes::from_static(b"\xff")),
        ),
        (Type::any(), Value::Message(Bytes::new())),
    ] {
        assert!(render(&ty, &value, JsonOptions::default()).starts_with("fault"), "{ty}");
    }
}

#[test]
fn any_value_becomes_json_of_unknown_shape() {
    let int = Renderer::compile(&Type::int(), JsonOptions::default());
    assert!(matches!(int.to_json(&Value::Int(5)).unwrap(), Value::Json(json) if json == "5"));
    assert!(int.to_json(&Value::Null).unwrap().is_null());
}

#[test]
fn scalars_are_text_without_quotes() {
    let status = Type::of_field(
        &message("shop.Product"),
        message("shop.Product").field("status").unwrap(),
    );
    let json = |text: &'static str| Value::Json(Bytes::from_static(text.as_bytes()));
    let single = Type::of(TypeKind::Double { single: true });
    for (value, ty, expected) in [
        (Value::Bool(true), Type::bool(), Some("true")),
        (Value::Int(-5), Type::int(), Some("-5")),
        (Value::Uint(u64::MAX), Type::int(), Some("18446744073709551615")),
        (Value::Double(1.0), Type::double(), Some("1")),
        (Value::Double(0.1_f32.into()), single, Some("0.1")),
        (Value::Double(f64::NEG_INFINITY), Type::double(), Some("-Infinity")),
        (Value::Int(1), status.clone(), Some("PAID")),
        (Value::Int(9), status, Some("9")),
        ("a\"b".into(), Type::string(), Some("a\"b")),
        (
            Value::Timestamp(0, 0),
            Type::of(TypeKind::Timestamp),
            Some("1970-01-01T00:00:00Z"),
        ),
        (
            Value::Duration(1, 500_000_000),
            Type::of(TypeKind::Duration),
            Some("1.500s"),
        ),
        (
            json("12345678901234567890123"),
            Type::any(),
            Some("12345678901234567890123"),
        ),
        (json(r#""\u0061""#), Type::any(), Some("a")),
        (json("false"), Type::any(), Some("false")),
        (json("[1]"), Type::any(), None),
        (Value::Null, Type::any(), None),
        (Value::Bytes(Bytes::new()), Type::of(TypeKind::Bytes), None),
        (Value::list(vec![]), Type::list(Type::string()), None),
    ] {
        let mut out = Vec::new();
        let text = as_text(&value, &ty, &mut out)
            .ok()
            .map(|()| String::from_utf8(out).unwrap());
        assert_eq!(text.as_deref(), expected, "{value:?}");
    }
}
