//! Tests of what fits, and of how it is written.

use bytes::Bytes;

use super::*;
use crate::codec::{JsonOptions, Selection, ToJson};
use crate::expr::testing::{message, wire};
use crate::expr::types::{IntRange, ObjectMember, TypeKind};
use crate::expr::value::FieldReader;

fn object(members: &[(&str, Type)]) -> Type {
    let member = |(name, ty): &(&str, Type)| ObjectMember {
        name: name.trim_end_matches('?').into(),
        ty: ty.clone(),
        optional: name.ends_with('?'),
    };
    Type::object(members.iter().map(member).collect())
}

fn place(of: &str, name: &str) -> PlaceType {
    let message = message(of);
    PlaceType::of_field(&message, message.field(name).unwrap())
}

fn product_type(name: &str) -> Type {
    let product = message("shop.Product");
    Type::of_field(&product, product.field(name).unwrap())
}

#[test]
fn null_fits_where_unset_can_be_told_apart() {
    for (of, name, takes_null) in [
        ("shop.Product", "id", false),
        ("shop.Product", "stock", false),
        ("shop.Product", "rank", true),
        ("shop.Product", "price_usd", true),
        ("shop.Product", "note", true),
        ("shop.Product", "anything", true),
        ("shop.Product", "categories", true),
        ("shop.Product", "labels", true),
        ("shop.Product", "user", true),
        ("shop.Product", "owner_id", false),
        ("legacy.Old", "name", false),
        ("legacy.Old", "inner", false),
        ("legacy.Old", "tint", true),
    ] {
        let place = place(of, name);
        assert_eq!(place.takes_null, takes_null, "{name}");
        assert!(!place.ty.nullable || place.ty.is_any(), "{name}");
        assert_eq!(fit(&Type::null(), &place).is_ok(), takes_null, "{name}");
    }
}

/// A row says what fits a field, or the code and conversion of the refusal.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_table_of_fit_holds() {
    let money = Type::of_message(&message("shop.Money"));
    let product = Type::of_message(&message("shop.Product"));
    let status = product_type("status");
    let timestamp = Type::of(TypeKind::Timestamp);
    let bytes = Type::of(TypeKind::Bytes);
    let color = Type::of_field(&message("legacy.Old"), message("legacy.Old").field("color").unwrap());
    let list = |it: &Type| Type::list(it.clone());
    let map = |key: Type, value: Type| Type::map(key, value);
    let string = Type::string();
    for (from, name, expected) in [
        // int
        (Type::int(), "stock", Ok(())),
        (Type::int(), "weight", Ok(())),
        (Type::int(), "status", Ok(())),
        (Type::int(), "rating", Ok(())),
        (Type::int(), "score", Ok(())),
        (Type::int(), "name", Err(("wrong-type", Some("string(…)")))),
        (Type::int(), "in_stock", Err(("wrong-type", None))),
        // double
        (Type::double(), "rating", Ok(())),
        (Type::double(), "score", Ok(())),
        (Type::double(), "stock", Err(("wrong-type", Some("int(…)")))),
        (Type::double(), "status", Err(("wrong-type", Some("int(…)")))),
        // string
        (string.clone(), "name", Ok(())),
        (string.clone(), "status", Ok(())),
        (string.clone(), "note", Ok(())),
        (string.clone(), "stock", Err(("wrong-type", Some("int(…)")))),
        (string.clone(), "rating", Err(("wrong-type", Some("double(…)")))),
        (string.clone(), "in_stock", Err(("wrong-type", Some("bool(…)")))),
        (string.clone(), "created", Err(("wrong-type", Some("timestamp(…)")))),
        (string.clone(), "shelf_life", Err(("wrong-type", Some("duration(…)")))),
        (string.clone(), "blob", Err(("wrong-type", Some("bytes(…)")))),
        (string.clone(), "categories", Err(("wrong-type", Some("[…]")))),
        (string.clone(), "price_usd", Err(("wrong-type", None))),
        // enum
        (status.clone(), "status", Ok(())),
        (status.clone(), "stock", Ok(())),
        (status.clone(), "name", Ok(())),
        (color, "status", Err(("wrong-type", Some("int(…)")))),
        (status, "rating", Err(("wrong-type", None))),
        // timestamp, duration, bytes
        (timestamp.clone(), "created", Ok(())),
        (timestamp.clone(), "name", Err(("wrong-type", Some("string(…)")))),
        (timestamp, "shelf_life", Err(("wrong-type", None))),
        (bytes.clone(), "blob", Ok(())),
        (bytes, "name", Err(("wrong-type", Some("base64.encode(…)")))),
        // message
        (money.clone(), "price_usd", Ok(())),
        (money.clone().or_null(), "price_usd", Ok(())),
        (product, "price_usd", Err(("wrong-type", None))),
        (money.clone(), "extra", Err(("wrong-type", None))),
        (money.clone(), "anything", Ok(())),
        (product_type("detail"), "detail", Ok(())),
        (money.clone(), "detail", Err(("wrong-type", None))),
        // object, map, any
        (object(&[("units", Type::int())]), "price_usd", Ok(())),
        (
            object(&[("units", Type::double())]),
            "price_usd",
            Err(("wrong-type", Some("int(…)"))),
        ),
        (
            object(&[("unit", Type::int())]),
            "price_usd",
            Err(("unknown-field", None)),
        ),
        (
            object(&[("units", Type::int().or_null())]),
            "price_usd",
            Err(("null-does-not-fit", Some("default(…, 0)"))),
        ),
        (object(&[]), "extra", Ok(())),
        (object(&[]), "row", Err(("wrong-type", None))),
        (object(&[]), "nothing", Ok(())),
        (object(&[("a", Type::int())]), "nothing", Err(("unknown-field", None))),
        (object(&[("a", string.clone())]), "labels", Ok(())),
        (object(&[("5", string.clone())]), "slots", Ok(())),
        (object(&[("a", string.clone())]), "slots", Err(("wrong-type", None))),
        (
            object(&[("a", string.clone().or_null())]),
            "labels",
            Err(("null-does-not-fit", Some("default(…, \"\")"))),
        ),
        (Type::any(), "price_usd", Ok(())),
        (Type::any(), "extra", Ok(())),
        (Type::any(), "anything", Ok(())),
        (Type::any(), "labels", Ok(())),
        (Type::any(), "name", Err(("wrong-type", Some("string(…)")))),
        (Type::any(), "stock", Err(("wrong-type", Some("int(…)")))),
        (Type::any(), "categories", Err(("wrong-type", None))),
        (map(string.clone(), string.clone()), "labels", Ok(())),
        (map(string.clone(), string.clone()), "extra", Ok(())),
        (map(string.clone(), string.clone()), "price_usd", Ok(())),
        (map(string.clone(), string.clone()), "slots", Err(("wrong-type", None))),
        (map(Type::int(), string.clone()), "slots", Ok(())),
        (map(string.clone(), money.clone()), "price_by_country", Ok(())),
        (
            map(string.clone(), money.clone().or_null()),
            "price_by_country",
            Err(("null-does-not-fit", None)),
        ),
        // T to a wrapper and to Value
        (Type::int(), "big", Ok(())),
        (Type::int(), "anything", Ok(())),
        (Type::double(), "big", Err(("wrong-type", Some("int(…)")))),
        // lists
        (list(&string), "categories", Ok(())),
        (
            list(&string.clone().or_null()),
            "categories",
            Err(("null-does-not-fit", Some("….filter(x, x != null)"))),
        ),
        (
            list(&Type::int()),
            "categories",
            Err(("wrong-type", Some("….map(x, string(x))"))),
        ),
        (list(&string).or_null(), "categories", Ok(())),
        (list(&money), "prices", Ok(())),
        (list(&object(&[("units", Type::int())])), "prices", Ok(())),
        (list(&Type::int()), "row", Ok(())),
        (list(&Type::int()), "mixed", Ok(())),
        (
            list(&Type::any()),
            "prices",
            Err(("null-does-not-fit", Some("….filter(x, x != null)"))),
        ),
        (list(&Type::any().not_null()), "prices", Ok(())),
        (list(&Type::unknown()), "prices", Ok(())),
        // null
        (
            string.clone().or_null(),
            "name",
            Err(("null-does-not-fit", Some("default(…, \"\")"))),
        ),
        (Type::int().or_null(), "rank", Ok(())),
        (
            string.clone().or_null(),
            "owner_id",
            Err(("null-does-not-fit", Some("default(…, \"\")"))),
        ),
        (Type::unknown(), "name", Ok(())),
    ] {
        let fits = Encoder::message(&object(&[(name, from.clone())]), &message("shop.Product"));
        let shown = fits
            .as_ref()
            .map(drop)
            .map_err(|it| (it.code, it.conversion.as_deref()));
        assert_eq!(shown, expected, "{from} → {name}");
        if let Err(error) = fits {
            assert_eq!(&*error.path[0], name, "{from} → {name}");
        }
    }
}

#[test]
fn refusals_say_where_and_what_was_meant() {
    let product = message("shop.Product");
    let refusal = |from: &Type| Encoder::message(from, &product).unwrap_err();
    let error = refusal(&object(&[("price_usd", object(&[("unit", Type::int())]))]));
    assert_eq!(error.title, "`shop.Money` has no field `unit`");
    assert_eq!(error.label, "did you mean `units`?");
    assert_eq!(
        error.path.iter().map(|it| &**it).collect::<Vec<_>>(),
        ["price_usd", "unit"]
    );
    // Requests are written with the names of the .proto file.
    assert_eq!(
        refusal(&object(&[("priceUsd", Type::null())])).label,
        "did you mean `price_usd`?"
    );
    assert_eq!(
        refusal(&object(&[("stock", Type::string())])).title,
        "expected `int`, found `string`"
    );
    let both = object(&[("user", Type::string()), ("org", Type::int())]);
    let error = refusal(&both);
    assert_eq!(
        (error.code, &*error.title),
        (
            "oneof-twice",
            "`user` and `org` are both of oneof `owner`, which holds one"
        )
    );
    for apart in [
        object(&[("user", Type::string().or_null()), ("org", Type::int())]),
        object(&[("user", Type::string()), ("org?", Type::int())]),
    ] {
        assert!(Encoder::message(&apart, &product).is_ok());
    }
}

#[test]
fn objects_fit_objects_member_by_member() {
    let place = PlaceType {
        ty: object(&[("a", Type::int()), ("b?", Type::string())]),
        takes_null: false,
    };
    for (from, code) in [
        (object(&[("a", Type::int())]), None),
        (object(&[("b", Type::string()), ("a", Type::int())]), None),
        (object(&[("b", Type::string())]), Some("wrong-type")),
        (object(&[("a?", Type::int())]), Some("wrong-type")),
        (object(&[("a", Type::string())]), Some("wrong-type")),
        (object(&[("a", Type::int()), ("c", Type::int())]), Some("unknown-field")),
        (object(&[("a", Type::int().or_null())]), Some("null-does-not-fit")),
    ] {
        assert_eq!(fit(&from, &place).err().map(|it| it.code), code, "{from}");
    }
}

/// Encodes an object with one member into a message, and shows that as JSON.
fn encode(of: &str, name: &str, from: &Type, value: &Value) -> Result<String, &'static str> {
    let message = message(of);
    let encoder = Encoder::message(&object(&[(name, from.clone())]), &message).unwrap();
    let mut out = b"kept".to_vec();
    let written = encoder.encode(&Value::object(vec![(name.into(), value.clone())]), &mut out);
    if let Err(fault) = written {
        assert_eq!(out, b"kept");
        return Err(fault.reason);
    }
    let mut json = Vec::new();
    ToJson::compile(&message, &Selection::All, JsonOptions::default())
        .write(&out[4..], &mut json)
        .unwrap();
    Ok(String::from_utf8(json).unwrap())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_are_written_as_their_field() {
    let json = |text: &'static str| Value::Json(Bytes::from_static(text.as_bytes()));
    let money = Type::of_message(&message("shop.Money"));
    let wide = Type::of(TypeKind::Int(IntRange::UINT64));
    let list = |elements: &[Value]| Value::list(elements.to_vec());
    let string = Type::string;
    let range = Err("an integer is out of its field's range");
    let json_fault = Err("JSON has a member or value that its message does not take");
    for (name, from, value, expected) in [
        ("stock", Type::int(), Value::Int(-5), Ok(r#"{"stock":-5}"#)),
        ("stock", Type::int(), Value::Int(0), Ok("{}")),
        ("stock", Type::int(), Value::Int(2_147_483_648), range),
        ("checksum", Type::int(), Value::Int(-1), range),
        (
            "checksum",
            Type::int(),
            Value::Int(4_294_967_295),
            Ok(r#"{"checksum":4294967295}"#),
        ),
        ("weight", wide.clone(), Value::Uint(u64::MAX), range),
        (
            "serial",
            wide,
            Value::Uint(u64::MAX),
            Ok(r#"{"serial":"18446744073709551615"}"#),
        ),
        ("rank", Type::int().or_null(), Value::Int(0), Ok(r#"{"rank":0}"#)),
        ("rank", Type::int().or_null(), Value::Null, Ok("{}")),
        ("rating", Type::int(), Value::Int(3), Ok(r#"{"rating":3}"#)),
        ("rating", Type::double(), Value::Double(-0.0), Ok(r#"{"rating":-0}"#)),
        ("score", Type::double(), Value::Double(0.1), Ok(r#"{"score":0.1}"#)),
        (
            "score",
            Type::double(),
            Value::Double(1e39),
            Err("a number is too large for a float"),
        ),
        (
            "score",
            Type::double(),
            Value::Double(f64::INFINITY),
            Ok(r#"{"score":"Infinity"}"#),
        ),
        ("status", string(), "PAID".into(), Ok(r#"{"status":"PAID"}"#)),
        (
            "status",
            string(),
            "PIAD".into(),
            Err("text is not the name of a value of its field's enum"),
        ),
        ("status", Type::int(), Value::Int(9), Ok(r#"{"status":9}"#)),
        ("status", Type::int(), Value::Int(1 << 40), range),
        ("name", product_type("status"), Value::Int(1), Ok(r#"{"name":"PAID"}"#)),
        ("name", product_type("status"), Value::Int(9), Ok(r#"{"name":"9"}"#)),
        (
            "created",
            Type::of(TypeKind::Timestamp),
            Value::Timestamp(-1, 5),
            Ok(r#"{"created":"1969-12-31T23:59:59.000000005Z"}"#),
        ),
        (
            "shelf_life",
            Type::of(TypeKind::Duration),
            Value::Duration(0, -5),
            Ok(r#"{"shelfLife":"-0.000000005s"}"#),
        ),
        ("note", string(), "".into(), Ok(r#"{"note":""}"#)),
        ("big", Type::int(), Value::Int(7), Ok(r#"{"big":"7"}"#)),
        ("big", Type::int(), Value::Int(-7), range),
        ("user", string(), "".into(), Ok(r#"{"user":""}"#)),
        ("nothing", object(&[]), Value::object(vec![]), Ok(r#"{"nothing":{}}"#)),
        (
            "price_usd",
            money.clone(),
            Value::Message(wire("shop.Money", r#"{"nanos":1}"#)),
            Ok(r#"{"priceUsd":{"nanos":1}}"#),
        ),
        ("price_usd", money, Value::Null, Ok("{}")),
        (
            "price_usd",
            Type::any(),
            json(r#"{"nanos":1}"#),
            Ok(r#"{"priceUsd":{"nanos":1}}"#),
        ),
        ("price_usd", Type::any(), json(r#"{"nano":1}"#), json_fault),
        ("extra", Type::any(), json(r#"{"a":[1]}"#), Ok(r#"{"extra":{"a":[1]}}"#)),
        ("extra", Type::any(), json("[1]"), json_fault),
        (
            "extra",
            object(&[("a", Type::int())]),
            Value::object(vec![("a".into(), Value::Int(1))]),
            Ok(r#"{"extra":{"a":1}}"#),
        ),
        ("anything", Type::int(), Value::Int(5), Ok(r#"{"anything":5}"#)),
        ("anything", string(), "x".into(), Ok(r#"{"anything":"x"}"#)),
        ("row", Type::list(string()), list(&["a".into()]), Ok(r#"{"row":["a"]}"#)),
        (
            "labels",
            Type::any(),
            json(r#"{"b":"1","a":"2"}"#),
            Ok(r#"{"labels":{"a":"2","b":"1"}}"#),
        ),
        ("labels", Type::any(), json(r#"{"b":1}"#), json_fault),
        (
            "labels",
            object(&[("b", string()), ("a", string())]),
            Value::object(vec![("b".into(), "1".into()), ("a".into(), "".into())]),
            Ok(r#"{"labels":{"a":"","b":"1"}}"#),
        ),
        (
            "slots",
            object(&[("10", string()), ("9?", string())]),
            Value::object(vec![("10".into(), "x".into())]),
            Ok(r#"{"slots":{"10":"x"}}"#),
        ),
        (
            "slots",
            Type::map(Type::int(), string()),
            Value::map(vec![(Value::Int(1 << 40), "x".into())]),
            range,
        ),
        (
            "deltas",
            Type::list(Type::int()),
            list(&[Value::Int(-1), Value::Int(0)]),
            Ok(r#"{"deltas":[-1,0]}"#),
        ),
        ("deltas", Type::list(Type::int()), list(&[]), Ok("{}")),
        ("deltas", Type::list(Type::int()).or_null(), Value::Null, Ok("{}")),
        (
            "weights",
            Type::list(Type::int()),
            list(&[Value::Int(1)]),
            Ok(r#"{"weights":[1]}"#),
        ),
        (
            "categories",
            Type::list(string()),
            list(&["".into(), "a".into()]),
            Ok(r#"{"categories":["","a"]}"#),
        ),
        (
            "categories",
            Type::list(string()),
            list(&[Value::Null]),
            Err("null stands where a value is needed"),
        ),
        (
            "counts",
            Type::list(Type::int()),
            list(&[Value::Int(0)]),
            Ok(r#"{"counts":["0"]}"#),
        ),
        (
            "history",
            Type::list(string()),
            list(&["PAID".into()]),
            Ok(r#"{"history":["PAID"]}"#),
        ),
        (
            "mixed",
            Type::list(Type::any()),
            list(&[Value::Null, json("1")]),
            Ok(r#"{"mixed":[null,1]}"#),
        ),
        ("stock", Type::int(), "x".into(), Err("a value is not of its type")),
    ] {
        let encoded = encode("shop.Product", name, &from, &value);
        assert_eq!(encoded.as_deref().map_err(|it| *it), expected, "{from} → {name}");
    }
}

#[test]
fn groups_and_closed_enums_are_written_as_their_file_says() {
    let part = object(&[("size", Type::int())]);
    let value = Value::object(vec![("size".into(), Value::Int(1))]);
    let list = Value::list(vec![value.clone(), value.clone()]);
    assert_eq!(
        encode("legacy.Old", "part", &part, &value).as_deref(),
        Ok(r#"{"part":{"size":1}}"#)
    );
    let pieces = encode("legacy.Old", "piece", &Type::list(part), &list);
    assert_eq!(pieces.as_deref(), Ok(r#"{"piece":[{"size":1},{"size":1}]}"#));
    let colors = Value::list(vec!["RED".into(), "GREEN".into()]);
    let colors = encode("legacy.Old", "colors", &Type::list(Type::string()), &colors);
    assert_eq!(colors.as_deref(), Ok(r#"{"colors":["RED","GREEN"]}"#));
}

#[test]
fn fields_go_out_in_number_order_whatever_the_order_of_the_members() {
    let from = object(&[
        ("stock", Type::int()),
        ("name?", Type::string()),
        ("id", Type::string()),
    ]);
    let encoder = Encoder::message(&from, &message("shop.Product")).unwrap();
    for (members, expected) in [
        (
            vec![("stock", Value::Int(1)), ("name", "n".into()), ("id", "i".into())],
            &b"\x0a\x01i\x12\x01n\x28\x01"[..],
        ),
        (vec![("stock", Value::Int(1)), ("id", "i".into())], b"\x0a\x01i\x28\x01"),
    ] {
        let members = members.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let mut out = Vec::new();
        encoder.encode(&Value::object(members), &mut out).unwrap();
        assert_eq!(out, expected);
    }
}

#[test]
fn long_contents_have_long_lengths() {
    let name = "x".repeat(300);
    let from = object(&[("price_usd", object(&[("currency_code", Type::string())]))]);
    let value = Value::object(vec![(
        "price_usd".into(),
        Value::object(vec![("currency_code".into(), name.as_str().into())]),
    )]);
    let mut out = Vec::new();
    Encoder::message(&from, &message("shop.Product"))
        .unwrap()
        .encode(&value, &mut out)
        .unwrap();
    let json = format!(r#"{{"priceUsd":{{"currencyCode":"{name}"}}}}"#);
    assert_eq!(Bytes::from(out), wire("shop.Product", &json));
}

#[test]
fn two_members_of_a_oneof_at_run_time_are_a_fault() {
    let from = object(&[("user", Type::string().or_null()), ("org", Type::int().or_null())]);
    let encoder = Encoder::message(&from, &message("shop.Product")).unwrap();
    for (user, org, ok) in [
        ("u".into(), Value::Null, true),
        (Value::Null, Value::Int(0), true),
        ("".into(), Value::Int(0), false),
    ] {
        let value = Value::object(vec![("user".into(), user), ("org".into(), org)]);
        assert_eq!(encoder.encode(&value, &mut Vec::new()).is_ok(), ok);
    }
}

#[test]
fn whole_messages_are_written_from_whatever_fits_them() {
    let money = Type::of_message(&message("shop.Money"));
    let bytes = wire("shop.Money", r#"{"nanos":1}"#);
    for (from, of, value, expected) in [
        (money, "shop.Money", Value::Message(bytes.clone()), Some(&bytes[..])),
        (
            Type::any(),
            "shop.Money",
            Value::Json(Bytes::from_static(br#"{"nanos":1}"#)),
            Some(&bytes[..]),
        ),
        (Type::any(), "shop.Money", Value::Json(Bytes::from_static(b"[]")), None),
        (
            Type::string(),
            "google.protobuf.StringValue",
            "x".into(),
            Some(b"\x0a\x01x"),
        ),
        (Type::string(), "google.protobuf.StringValue", Value::Null, None),
        (object(&[]), "google.protobuf.Empty", Value::object(vec![]), Some(b"")),
    ] {
        let mut out = Vec::new();
        let encoded = Encoder::message(&from, &message(of)).unwrap().encode(&value, &mut out);
        assert_eq!(encoded.ok().map(|()| &out[..]), expected, "{of}");
    }
}

/// Reading every field of a message and writing them all gives the message again.
#[test]
fn what_was_read_is_written_as_it_was() {
    for (of, json) in [
        ("shop.Product", "{}"),
        (
            "shop.Product",
            r#"{"id":"p1","priceUsd":{"units":"7"},"categories":["a",""],"stock":-1,"weight":"-5","rating":1.5,"score":0.1,
            "rank":0,"status":"PAID","created":"1970-01-01T00:00:01.5Z","labels":{"b":"","a":"2"},"slots":{"10":"x","-9":"y"},
            "extra":{"a":{"b":1},"0":[null]},"blob":"YQ==","note":"","account":{},"shelfLife":"-1.5s","anything":[1],"row":[null],
            "nothing":{},"mask":"a.b,cD","serial":"18446744073709551615","prices":[{},{"units":"1"}],
            "priceByCountry":{"CH":{"units":"1"},"AT":{}},"counts":["3","0"],"visits":["1970-01-01T00:00:00Z"],
            "deltas":[-1,1,0],"inStock":true,"ownerId":"o","history":["PAID",7],"checksum":4294967295,"mixed":[null,1,"x"],
            "flags":{"true":"PAID","false":9},"big":"0","weights":[1,-0.0],
            "detail":{"@type":"type.googleapis.com/shop.Money","units":"1"}}"#,
        ),
        ("shop.Product", r#"{"user":""}"#),
        (
            "legacy.Old",
            r#"{"name":"","color":"RED","tint":"GREEN","colors":["RED","GREEN"],"part":{"size":0},"piece":[{"size":1},{"size":2}],
            "mark":"","inner":{"text":""},"palette":{"b":"RED","a":"GREEN"},"ratio":"-Infinity"}"#,
        ),
    ] {
        let (message, bytes) = (message(of), wire(of, json));
        let fields = || message.fields.iter();
        let ty = Type::object(
            fields()
                .rev()
                .map(|it| ObjectMember {
                    name: it.name.clone(),
                    ty: Type::of_field(&message, it),
                    optional: false,
                })
                .collect(),
        );
        let value = Value::object(
            fields()
                .rev()
                .map(|it| (it.name.clone(), FieldReader::compile(&message, it).read(&bytes)))
                .collect(),
        );
        let mut out = Vec::new();
        Encoder::message(&ty, &message)
            .unwrap()
            .encode(&value, &mut out)
            .unwrap();
        assert_eq!(Bytes::from(out), bytes, "{of} {json}");
    }
}
