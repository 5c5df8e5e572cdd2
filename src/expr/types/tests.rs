//! Tests of types.

use super::*;
use crate::expr::testing::message;

#[test]
fn fields_have_the_types_that_the_rules_give() {
    let (product, old) = (message("shop.Product"), message("legacy.Old"));
    for (of, name, expected) in [
        (&product, "id", "string"),
        (&product, "price_usd", "shop.Money?"),
        (&product, "categories", "list<string>"),
        (&product, "stock", "int"),
        (&product, "rank", "int?"),
        (&product, "status", "shop.Status"),
        (&product, "created", "timestamp?"),
        (&product, "labels", "map<string, string>"),
        (&product, "slots", "map<int, string>"),
        (&product, "extra", "any"),
        (&product, "blob", "bytes"),
        (&product, "detail", "google.protobuf.Any?"),
        (&product, "note", "string?"),
        (&product, "user", "string?"),
        (&product, "shelf_life", "duration?"),
        (&product, "row", "any"),
        (&product, "nothing", "object {}?"),
        (&product, "mask", "google.protobuf.FieldMask?"),
        (&product, "prices", "list<shop.Money>"),
        (&product, "price_by_country", "map<string, shop.Money>"),
        (&product, "counts", "list<int>"),
        (&product, "visits", "list<timestamp>"),
        (&product, "mixed", "list<any>"),
        (&old, "name", "string"),
        (&old, "color", "legacy.Color"),
        (&old, "tint", "legacy.Color?"),
        (&old, "inner", "legacy.Old.Inner"),
        (&old, "part", "legacy.Old.Part?"),
        (&old, "palette", "map<string, legacy.Color>"),
    ] {
        let field = of.field(name).unwrap();
        assert_eq!(Type::of_field(of, field).to_string(), expected, "{name}");
    }
    let wide = |name: &str| {
        Type::of_field(&product, product.field(name).unwrap())
            .int_range()
            .unwrap()
    };
    assert_eq!(wide("weight"), IntRange::INT64);
    assert_eq!(wide("serial"), IntRange::UINT64);
    assert_eq!(wide("checksum"), IntRange::UINT32);
    assert_eq!(wide("stock"), IntRange::INT32);
}

#[test]
fn messages_as_a_whole_are_what_they_mean() {
    for (name, expected) in [
        ("shop.Product", "shop.Product"),
        ("google.protobuf.StringValue", "string?"),
        ("google.protobuf.Timestamp", "timestamp"),
        ("google.protobuf.Empty", "object {}"),
        ("google.protobuf.Value", "any"),
        ("google.protobuf.Any", "google.protobuf.Any"),
    ] {
        assert_eq!(Type::of_message(&message(name)).to_string(), expected);
    }
}

#[test]
fn types_join_as_the_table_says() {
    let money = Type::of_message(&message("shop.Money"));
    let object = |name: &str, ty: Type, optional| {
        Type::object(vec![ObjectMember {
            name: name.into(),
            ty,
            optional,
        }])
    };
    let wide = Type::of(TypeKind::Int(IntRange::INT64));
    let narrow = Type::of(TypeKind::Int(IntRange::INT32));
    for (a, b, expected) in [
        (Type::string(), Type::string(), Some("string")),
        (Type::string(), Type::null(), Some("string?")),
        (Type::null(), Type::null(), Some("null")),
        (Type::string().or_null(), Type::string(), Some("string?")),
        (Type::string(), Type::int(), None),
        (Type::int(), Type::double(), None),
        (money.clone(), money.clone().or_null(), Some("shop.Money?")),
        (money.clone(), Type::string(), None),
        (Type::any(), Type::string(), Some("any")),
        (Type::any(), Type::null(), Some("any")),
        (Type::unknown(), Type::string(), Some("unknown")),
        (
            Type::list(Type::string()),
            Type::list(Type::string().or_null()),
            Some("list<string?>"),
        ),
        (
            Type::list(Type::unknown()),
            Type::list(Type::string()),
            Some("list<string>"),
        ),
        // A list of JSON and a list of strings hold values of another form.
        (Type::list(Type::any()), Type::list(Type::string()), None),
        (Type::list(Type::any()), Type::any(), Some("any")),
        (
            object("a", narrow.clone(), false),
            object("a", wide.clone(), true),
            Some("object {a?: int}"),
        ),
        (
            object("a", narrow.clone(), false),
            object("b", narrow.clone(), false),
            None,
        ),
    ] {
        for (a, b) in [(&a, &b), (&b, &a)] {
            assert_eq!(a.join(b).map(|it| it.to_string()).as_deref(), expected, "{a} {b}");
        }
    }
    let joined = narrow.join(&wide).unwrap().int_range().unwrap();
    assert_eq!(joined, IntRange::INT64);
    assert!(!narrow.join(&Type::int()).unwrap().int_range().unwrap().wide);
    assert!(!Type::any().not_null().join(&Type::string()).unwrap().nullable);
    let single = Type::of(TypeKind::Double { single: true });
    assert_eq!(single.join(&Type::double()), Some(Type::double()));
    assert_eq!(IntRange::INT32.intersection(IntRange::INT64), Some(IntRange::INT32));
}
