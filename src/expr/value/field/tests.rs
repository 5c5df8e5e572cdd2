//! Tests of fields, lists and maps that are read from the wire.

use super::*;
use crate::codec::wire::{RawValue, put_bytes, put_group, put_value};
use crate::expr::testing::{message, wire as of_json};

fn reader(of: &str, name: &str) -> FieldReader {
    let message = message(of);
    FieldReader::compile(&message, message.field(name).unwrap())
}

/// A value as a test can write it.
fn show(value: &Value) -> String {
    match value {
        Value::List(list) => format!("[{}]", list.iter().map(|it| show(&it)).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.entries();
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", show(key), show(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Message(wire) => format!("message of {}", wire.len()),
        Value::Json(json) => String::from_utf8(json.to_vec()).unwrap(),
        Value::Int(value) => value.to_string(),
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn fields_that_are_set_are_read() {
    let product = of_json(
        "shop.Product",
        r#"{"id":"p1","priceUsd":{"units":"7"},"categories":["a","b"],"stock":-1,"weight":"5","rating":1.5,"score":0.1,
        "rank":0,"status":"PAID","created":"1970-01-01T00:00:01.5Z","labels":{"b":"1","a":"2"},"slots":{"10":"x","9":"y"},
        "extra":{"a":{"b":1}},"blob":"YQ==","note":"","org":"0","shelfLife":"-1.5s","anything":[1],"row":[null],
        "nothing":{},"serial":"18446744073709551615","prices":[{},{"units":"1"}],"priceByCountry":{"CH":{"units":"1"}},
        "counts":["3","0"],"visits":["1970-01-01T00:00:00Z"],"deltas":[-1,1],"inStock":true,"history":["PAID",7],
        "mixed":[null,1,"x"],"flags":{"true":"PAID","false":9},"big":"0","weights":[1,2.5]}"#,
    );
    for (name, expected, set) in [
        ("id", "p1", true),
        ("price_usd", "message of 2", true),
        ("categories", "[a, b]", true),
        ("stock", "-1", true),
        ("weight", "5", true),
        ("rating", "Double(1.5)", true),
        ("score", "Double(0.10000000149011612)", true),
        ("rank", "0", true),
        ("status", "1", true),
        ("created", "Timestamp(1, 500000000)", true),
        ("labels", "{a: 2, b: 1}", true),
        ("slots", "{9: y, 10: x}", true),
        ("extra", r#"{"a":{"b":1}}"#, true),
        ("blob", "Bytes(b\"a\")", true),
        ("note", "", true),
        ("user", "Null", false),
        ("org", "0", true),
        ("account", "Null", false),
        ("shelf_life", "Duration(-1, -500000000)", true),
        ("anything", "[1]", true),
        ("row", "[null]", true),
        ("nothing", "Object([])", true),
        ("mask", "Null", false),
        ("detail", "Null", false),
        ("serial", "Uint(18446744073709551615)", true),
        ("prices", "[message of 0, message of 2]", true),
        ("price_by_country", "{CH: message of 2}", true),
        ("counts", "[3, 0]", true),
        ("visits", "[Timestamp(0, 0)]", true),
        ("deltas", "[-1, 1]", true),
        ("in_stock", "Bool(true)", true),
        ("history", "[1, 7]", true),
        ("mixed", "[Null, 1, \"x\"]", true),
        ("flags", "{Bool(false): 9, Bool(true): 1}", true),
        ("big", "0", true),
        ("weights", "[Double(1.0), Double(2.5)]", true),
        ("checksum", "0", false),
    ] {
        let reader = reader("shop.Product", name);
        assert_eq!(show(&reader.read(&product)), expected, "{name}");
        assert_eq!(reader.is_set(&product), set, "{name}");
    }
}

#[test]
fn fields_that_are_unset_are_null_or_their_default() {
    for (of, name, expected) in [
        ("shop.Product", "id", ""),
        ("shop.Product", "stock", "0"),
        ("shop.Product", "rank", "Null"),
        ("shop.Product", "price_usd", "Null"),
        ("shop.Product", "note", "Null"),
        ("shop.Product", "extra", "Null"),
        ("shop.Product", "created", "Null"),
        ("shop.Product", "categories", "[]"),
        ("shop.Product", "labels", "{}"),
        ("shop.Product", "in_stock", "Bool(false)"),
        ("legacy.Old", "name", "nobody"),
        ("legacy.Old", "color", "5"),
        ("legacy.Old", "tint", "Null"),
        ("legacy.Old", "mark", "Bytes(b\"\\x01a\")"),
        ("legacy.Old", "inner", "message of 0"),
        ("legacy.Old", "ratio", "Double(inf)"),
    ] {
        let reader = reader(of, name);
        assert_eq!(show(&reader.read(&Bytes::new())), expected, "{name}");
        assert!(!reader.is_set(&Bytes::new()), "{name}");
        // What a reader of replies would have refused reads the same, without a panic.
        let _no_panic = reader.read(&Bytes::from_static(b"\x0a\xff\xff"));
    }
}

#[test]
fn the_last_scalar_wins_and_split_messages_are_one() {
    let mut bytes = Vec::new();
    for part in [
        r#"{"stock":1,"priceUsd":{"units":"1","nanos":5}}"#,
        r#"{"stock":2,"priceUsd":{"units":"3"}}"#,
    ] {
        bytes.extend_from_slice(&of_json("shop.Product", part));
    }
    let product = Bytes::from(bytes);
    assert_eq!(show(&reader("shop.Product", "stock").read(&product)), "2");
    let Value::Message(price) = reader("shop.Product", "price_usd").read(&product) else {
        panic!("no message")
    };
    assert_eq!(show(&reader("shop.Money", "units").read(&price)), "3");
    assert_eq!(show(&reader("shop.Money", "nanos").read(&price)), "5");
}

#[test]
fn members_of_a_oneof_clear_one_another() {
    let owner = |parts: &[&str]| {
        Bytes::from(
            parts
                .iter()
                .flat_map(|it| of_json("shop.Product", it))
                .collect::<Vec<_>>(),
        )
    };
    let (user, org, account) = (r#"{"user":"u"}"#, r#"{"org":"5"}"#, r#"{"account":{"units":"1"}}"#);
    for (parts, expected) in [
        (&[user, org][..], ["Null", "5", "Null"]),
        (&[org, user], ["u", "Null", "Null"]),
        (&[account, user, account], ["Null", "Null", "message of 2"]),
        (&[account, account], ["Null", "Null", "message of 4"]),
    ] {
        let product = owner(parts);
        for (name, expected) in ["user", "org", "account"].iter().zip(expected) {
            assert_eq!(
                show(&reader("shop.Product", name).read(&product)),
                expected,
                "{parts:?} {name}"
            );
        }
    }
}

#[test]
fn lists_are_read_packed_or_not_and_wrong_wire_types_are_unknown() {
    let mut bytes = Vec::new();
    let number = message("shop.Product").field("deltas").unwrap().number;
    put_value(&mut bytes, number, RawValue::Varint(1));
    put_bytes(&mut bytes, number, &[3, 2]);
    put_value(&mut bytes, number, RawValue::Fixed32(7));
    put_value(&mut bytes, number, RawValue::Varint(4));
    let deltas = reader("shop.Product", "deltas");
    let Value::List(list) = deltas.read(&bytes.into()) else {
        panic!("no list")
    };
    assert_eq!(show(&Value::List(list.clone())), "[-1, -2, 1, 2]");
    assert_eq!(list.len(), 4);
    assert_eq!(list.get(2).map(|it| show(&it)).as_deref(), Some("1"));
    assert!(list.get(4).is_none());
    assert_eq!(list.iter().nth(3).map(|it| show(&it)).as_deref(), Some("2"));
}

#[test]
fn closed_enums_drop_what_they_do_not_know() {
    let old = message("legacy.Old");
    let number = |name: &str| old.field(name).unwrap().number;
    let mut bytes = Vec::new();
    put_bytes(&mut bytes, number("colors"), &[2, 9, 5]);
    put_value(&mut bytes, number("color"), RawValue::Varint(2));
    put_value(&mut bytes, number("color"), RawValue::Varint(9));
    for (name, color) in [("a", Some(2)), ("b", Some(9)), ("c", None)] {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, name.as_bytes());
        if let Some(color) = color {
            put_value(&mut entry, 2, RawValue::Varint(color));
        }
        put_bytes(&mut bytes, number("palette"), &entry);
    }
    let bytes = Bytes::from(bytes);
    for (name, expected) in [("colors", "[2, 5]"), ("color", "2"), ("palette", "{a: 2, c: 5}")] {
        assert_eq!(show(&reader("legacy.Old", name).read(&bytes)), expected, "{name}");
    }
}

#[test]
fn groups_are_messages() {
    let old = message("legacy.Old");
    let mut bytes = Vec::new();
    put_group(&mut bytes, old.field("part").unwrap().number, &[0x08, 1]);
    for size in 1..3 {
        put_group(&mut bytes, old.field("piece").unwrap().number, &[0x08, size]);
    }
    let bytes = Bytes::from(bytes);
    assert_eq!(show(&reader("legacy.Old", "part").read(&bytes)), "message of 2");
    assert_eq!(
        show(&reader("legacy.Old", "piece").read(&bytes)),
        "[message of 2, message of 2]"
    );
}

#[test]
fn maps_are_looked_up_and_the_last_of_equal_keys_wins() {
    let first = of_json("shop.Product", r#"{"labels":{"b":"1","a":"2"},"slots":{"-1":"x"}}"#);
    let second = of_json("shop.Product", r#"{"labels":{"b":"3"}}"#);
    let both = Bytes::from([first, second].concat());
    let Value::Map(labels) = reader("shop.Product", "labels").read(&both) else {
        panic!("no map")
    };
    assert_eq!(labels.get(&"b".into()).map(|it| show(&it)).as_deref(), Some("3"));
    assert!(labels.get(&"c".into()).is_none());
    assert_eq!(labels.len(), 2);
    assert_eq!(show(&Value::Map(labels)), "{a: 2, b: 3}");
    let Value::Map(slots) = reader("shop.Product", "slots").read(&both) else {
        panic!("no map")
    };
    assert!(slots.get(&Value::Int(-1)).is_some() && !slots.is_empty());
}

#[test]
fn built_maps_are_sorted_and_looked_up() {
    let map = MapValue::from_entries(vec![
        (Value::Uint(u64::MAX), "c".into()),
        (Value::Int(5), "old".into()),
        (Value::Int(-1), "a".into()),
        (Value::Int(5), "b".into()),
    ]);
    assert_eq!(
        show(&Value::Map(map.clone())),
        "{-1: a, 5: b, Uint(18446744073709551615): c}"
    );
    assert_eq!(map.get(&Value::Int(5)).map(|it| show(&it)).as_deref(), Some("b"));
}

#[test]
fn equal_lists_and_maps_have_equal_keys_wherever_they_are() {
    let product = of_json("shop.Product", r#"{"categories":["a","b"],"labels":{"y":"1","x":"2"}}"#);
    let built_list = Value::list(vec!["a".into(), "b".into()]);
    let built_map = Value::map(vec![("x".into(), "2".into()), ("y".into(), "1".into())]);
    for (name, built) in [("categories", built_list), ("labels", built_map)] {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        reader("shop.Product", name).read(&product).write_key(&mut a);
        built.write_key(&mut b);
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn defaults_of_bytes_are_unescaped() {
    for (text, expected) in [
        ("", &b""[..]),
        ("abc", b"abc"),
        (r"\001\xfe\377\n\\\'", b"\x01\xfe\xff\n\\'"),
        (r"\0a", b"\0a"),
    ] {
        assert_eq!(unescape(text), expected, "{text}");
    }
}

#[test]
fn strings_that_nobody_checked_are_made_text() {
    let mut bytes = Vec::new();
    put_bytes(&mut bytes, 1, b"a\xff");
    assert_eq!(show(&reader("legacy.Old", "name").read(&bytes.into())), "a\u{fffd}");
}
