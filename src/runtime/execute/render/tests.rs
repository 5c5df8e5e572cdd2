//! Templates as JSON and as values: objects, spreads, loops, text.

use std::sync::Arc;

use super::super::tests::page::Names;
use super::*;
use crate::codec::JsonOptions;
use crate::expr::{IntRange, ObjectMember, Renderer, Type, TypeKind};
use crate::plan::{Member, Spread};
use crate::runtime::backend::FailureKind;

/// `a` and `b` are JSON or null, `t` is text, `l` is a list of integers.
fn names() -> Names {
    let int = Type::of(TypeKind::Int(IntRange::PLAIN));
    let object = Type::of(TypeKind::Object(Arc::new(vec![
        ObjectMember {
            name: "n".into(),
            ty: int.clone(),
            optional: false,
        },
        ObjectMember {
            name: "m".into(),
            ty: int.clone(),
            optional: true,
        },
    ])));
    Names::new(&[
        ("a", Type::of(TypeKind::Any)),
        ("b", Type::of(TypeKind::Any)),
        ("t", Type::of(TypeKind::String)),
        ("l", Type::of(TypeKind::List(Arc::new(int))).or_null()),
        ("o", object.or_null()),
    ])
}

fn any(json: &'static str) -> Value {
    if json == "null" {
        Value::Null
    } else {
        Value::Json(Bytes::from_static(json.as_bytes()))
    }
}

fn values(a: &'static str, b: &'static str) -> [Value; 5] {
    let object = Value::object(vec![("n".into(), Value::Int(1))]);
    [
        any(a),
        any(b),
        "h\"i".into(),
        Value::list(vec![Value::Int(1), Value::Int(2)]),
        object,
    ]
}

fn over(values: &[Value]) -> Frame<'_> {
    Frame {
        parent: None,
        base: Slot(0),
        values,
    }
}

fn rendered(template: &Template, values: &[Value]) -> Result<String, FailureKind> {
    let mut out = Vec::new();
    json(template, &over(values), &mut out).map_err(|it| it.kind)?;
    Ok(String::from_utf8(out).unwrap())
}

fn expression(text: &str) -> Template {
    names().template(text).0
}

fn field(name: &str, template: Template) -> Member {
    Member::Field {
        name: name.into(),
        key: format!("\"{name}\":").into_bytes().into(),
        condition: None,
        template,
    }
}

fn field_if(name: &str, condition: &str, template: Template) -> Member {
    let condition = Some(names().program(condition).0);
    Member::Field {
        name: name.into(),
        key: format!("\"{name}\":").into_bytes().into(),
        condition,
        template,
    }
}

fn spread(name: &str, members: Spread, except: &[&str]) -> Member {
    let except = except.iter().map(|it| Arc::from(*it)).collect();
    Member::Spread {
        program: names().program(name).0,
        members,
        of: (Type::any(), JsonOptions::default()),
        except,
        origin: Origin::default(),
    }
}

fn spread_object(except: &[&str]) -> Member {
    let int = || Renderer::compile(&Type::of(TypeKind::Int(IntRange::PLAIN)), JsonOptions::default());
    spread(
        "o",
        Spread::Object(vec![("n".into(), int()), ("m".into(), int())]),
        except,
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn of_two_members_with_one_name_the_later_stands() {
    let one = || Template::Constant {
        json: b"1"[..].into(),
        value: Value::Int(1),
    };
    let a = || spread("a", Spread::Json, &[]);
    let b = || spread("b", Spread::Json, &[]);
    let rows: Vec<(&str, Vec<Member>, &str, &str, &str)> = vec![
        (
            "plain",
            vec![field("x", one()), field("y", expression("t"))],
            "{}",
            "{}",
            r#"{"x":1,"y":"h\"i"}"#,
        ),
        (
            "spread",
            vec![a(), field("y", one())],
            r#"{"x": [1, 2]}"#,
            "{}",
            r#"{"x":[1, 2],"y":1}"#,
        ),
        // Case 105.
        (
            "known",
            vec![spread("a", Spread::Json, &["p"]), field("p", one())],
            r#"{"p":2,"q":3}"#,
            "{}",
            r#"{"q":3,"p":1}"#,
        ),
        (
            "escaped",
            vec![spread("a", Spread::Json, &["p"]), field("p", one())],
            r#"{"\u0070":2}"#,
            "{}",
            r#"{"p":1}"#,
        ),
        // Case 104.
        (
            "found out",
            vec![field("p", one()), a()],
            r#"{"q":3,"p":2}"#,
            "{}",
            r#"{"q":3,"p":2}"#,
        ),
        (
            "not there",
            vec![field("p", one()), a()],
            r#"{"q":3}"#,
            "{}",
            r#"{"p":1,"q":3}"#,
        ),
        // Case 103.
        (
            "merged",
            vec![a(), b()],
            r#"{"p":1,"q":1}"#,
            r#"{"p":2}"#,
            r#"{"q":1,"p":2}"#,
        ),
        (
            "twice in one",
            vec![a()],
            r#"{"p":1,"q":1,"p":2}"#,
            "{}",
            r#"{"q":1,"p":2}"#,
        ),
        ("null", vec![a(), field("p", one())], "null", "{}", r#"{"p":1}"#),
        ("nothing", vec![a()], "null", "{}", "{}"),
        (
            "object",
            vec![spread_object(&[]), field("p", one())],
            "{}",
            "{}",
            r#"{"n":1,"p":1}"#,
        ),
        (
            "object behind",
            vec![field("n", expression("t")), spread_object(&[])],
            "{}",
            "{}",
            r#"{"n":1}"#,
        ),
        (
            "object left out",
            vec![spread_object(&["n"]), field("n", expression("t"))],
            "{}",
            "{}",
            r#"{"n":"h\"i"}"#,
        ),
        (
            "if",
            vec![a(), field_if("p", "t == 'x'", one())],
            r#"{"p":2}"#,
            "{}",
            r#"{"p":2}"#,
        ),
        (
            "if so",
            vec![a(), field_if("p", "t != 'x'", one())],
            r#"{"p":2,"q":3}"#,
            "{}",
            r#"{"q":3,"p":1}"#,
        ),
    ];
    for (about, members, a, b, wanted) in rows {
        let got = rendered(&Template::Object(members), &values(a, b));
        assert_eq!(got.as_deref(), Ok(wanted), "{about}");
    }
}

#[test]
fn what_is_spread_must_be_an_object() {
    // Case 106.
    let template = Template::Object(vec![spread("a", Spread::Json, &[])]);
    for json in ["[1]", "1", "\"x\"", "true"] {
        assert_eq!(
            rendered(&template, &values(json, "{}")),
            Err(FailureKind::Expression),
            "{json}"
        );
    }
}

#[test]
fn loops_bind_then_filter() {
    // Case 109.
    let each = |condition: &str| {
        let int = Type::of(TypeKind::Int(IntRange::PLAIN));
        let inner = Names::new(&[("x", int)]);
        Template::For {
            list: names().program("l").0,
            slot: Slot(0),
            condition: Some(inner.program(condition).0),
            each: Box::new(inner.template("x * 10").0),
            origin: Origin::default(),
        }
    };
    let mut values = values("{}", "{}");
    assert_eq!(rendered(&each("x > 0"), &values).unwrap(), "[10,20]");
    assert_eq!(rendered(&each("x > 1"), &values).unwrap(), "[20]");
    assert_eq!(rendered(&each("x > 2"), &values).unwrap(), "[]");
    let list = value(&each("x > 1"), &over(&values)).unwrap();
    assert!(matches!(list, Value::List(it) if it.len() == 1));
    values[3] = Value::Null;
    assert_eq!(rendered(&each("x > 0"), &values).unwrap(), "[]");
}

#[test]
fn text_is_what_json_says_without_quotes() {
    let hole = TextPart::Hole(names().program("t").0);
    let parts = vec![TextPart::Literal("<".into()), hole, TextPart::Literal(">".into())];
    let template = Template::Text {
        parts,
        origin: Origin::default(),
    };
    let values = values("\"caf\\u00e9\"", "[1, null, \"x\"]");
    assert_eq!(rendered(&template, &values).unwrap(), r#""<h\"i>""#);
    assert_eq!(text(&template, &over(&values)).unwrap().unwrap(), "<h\"i>");
    for (source, wanted) in [
        ("a", Some("café")),
        ("1 + 1", Some("2")),
        ("o.m", None),
        ("1.5", Some("1.5")),
    ] {
        assert_eq!(
            text(&expression(source), &over(&values)).unwrap().as_deref(),
            wanted,
            "{source}"
        );
    }
    assert_eq!(texts(&expression("b"), &over(&values)).unwrap(), ["1", "x"]);
    assert_eq!(texts(&expression("l"), &over(&values)).unwrap(), ["1", "2"]);
    assert!(texts(&expression("o.m"), &over(&values)).unwrap().is_empty());
}

#[test]
fn lists_of_unknown_shape_are_walked_in_place() {
    let list = |json| elements(any(json), None).map(|it| it.len()).map_err(|it| it.kind);
    assert_eq!(list("[1, null, {}]"), Ok(3));
    assert_eq!(list("null"), Ok(0));
    assert_eq!(list("{}"), Err(FailureKind::Expression));
    assert!(elements(any("[null]"), None).unwrap()[0].is_null());
}

#[test]
fn what_grows_beyond_all_bounds_is_a_failure() {
    let half = Template::Constant {
        json: vec![b' '; MAX_JSON / 2].into(),
        value: Value::Null,
    };
    let item = |template| Item {
        condition: None,
        template,
    };
    let again = Template::Constant {
        json: vec![b' '; MAX_JSON / 2].into(),
        value: Value::Null,
    };
    let template = Template::List(vec![item(half), item(again)]);
    assert_eq!(rendered(&template, &[]), Err(FailureKind::ResponseTooLarge));
}
