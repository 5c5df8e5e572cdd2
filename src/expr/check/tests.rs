//! Expressions in the setting of the language's test cases: what they are, what is wrong with them, what they give.

mod calls;
mod values;

use std::collections::BTreeMap;

use super::super::testing::{message, wire};
use super::super::types::ObjectMember;
use super::super::value::Value;
use super::super::{Frame, Renderer, parse};
use super::*;
use crate::codec::JsonOptions;

/// A scope: names in order of their slots.
pub(super) struct Scope {
    names: Vec<(&'static str, Type, Value)>,
    constants: BTreeMap<&'static str, (Type, Value)>,
}

impl Scope {
    fn slot(at: usize) -> Slot {
        Slot(u32::try_from(at).unwrap())
    }
}

impl Resolve for Scope {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        if let Some((ty, value)) = self.constants.get(root) {
            return Ok(Binding {
                consumed: 0,
                target: Target::Constant(value.clone()),
                ty: ty.clone(),
                rooted: None,
            });
        }
        let covered = |consumed: usize| {
            let mut text = root.to_owned();
            for step in &path[..consumed] {
                text.push('.');
                text.push_str(step.name);
            }
            text
        };
        for consumed in (0..=path.len()).rev() {
            let text = covered(consumed);
            if let Some(at) = self.names.iter().position(|it| it.0 == text) {
                let ty = self.names[at].1.clone();
                return Ok(Binding {
                    consumed,
                    target: Target::Slot(Self::slot(at)),
                    ty,
                    rooted: None,
                });
            }
        }
        Err(ExprError::new(
            "unknown-name",
            Span::default(),
            format!("nothing is called `{root}`"),
        ))
    }

    fn error_of(&self, call: &str) -> Result<Binding, ExprError> {
        let name = format!("error({call})");
        match self.names.iter().position(|it| it.0 == name) {
            Some(at) => Ok(Binding {
                consumed: 0,
                target: Target::Slot(Self::slot(at)),
                ty: self.names[at].1.clone(),
                rooted: None,
            }),
            None => Err(ExprError::new(
                "unknown-name",
                Span::default(),
                format!("`{call}` is no call"),
            )),
        }
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(Self::slot(self.names.len()).0 + depth)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.names.iter().any(|it| it.0 == name)
    }
}

fn of(full_name: &str, json: &str) -> (Type, Value) {
    (
        Type::of(TypeKind::Message(message(full_name))),
        Value::Message(wire(full_name, json)),
    )
}

const PRODUCT: &str = r#"{
    "id": "p1", "name": "Mug", "categories": ["kitchen", "gifts"], "stock": 0, "weight": "7", "rating": 2.5, "score": 0.1,
    "rank": 0, "status": "PAID", "labels": {"b": "2", "a": "1"}, "slots": {"5": "five", "-1": "minus"},
    "extra": {"a": {"c": 1}, "list": [1, 2.5, "x", null]}, "blob": "aGk=",
    "detail": {"@type": "type.googleapis.com/shop.User", "id": "u"}, "serial": "18446744073709551615",
    "prices": [{"units": "3"}, {"units": "1", "currencyCode": "EUR"}], "history": ["PAID", "SHIPPED", "PAID"],
    "deltas": [3, -1, 2], "weights": [0.5, 1.5], "priceByCountry": {"de": {"units": "9"}}, "shelfLife": "90s"
}"#;

const REVIEWS: &str = r#"{"reviews": [
    {"authorId": "u1", "stars": 5, "text": "good", "reply": "thanks"},
    {"authorId": "u2", "stars": 1, "text": "bad"},
    {"authorId": "u1", "stars": 3, "text": "fair", "reply": ""}
], "total": 3}"#;

pub(super) fn scope() -> Scope {
    let (product, a_product) = of("shop.Product", PRODUCT);
    let (reviews, some_reviews) = of("shop.ListReviews", REVIEWS);
    let (user, _) = of("shop.User", "{}");
    let authors = Value::map(vec![(
        "u1".into(),
        of("shop.User", r#"{"id": "u1", "displayName": "Ann"}"#).1,
    )]);
    let recs = r#"{"total": 7, "user_id": 12345678901234567890123, "items": [{"id": 1, "price": 2.5}, {"id": 2}],
        "name": "Recs", "flag": true, "half": 0.5, "nothing": null, "tags": ["a", "b"]}"#;
    let failure = Type::object(vec![
        ObjectMember {
            name: "code".into(),
            ty: Type::string(),
            optional: false,
        },
        ObjectMember {
            name: "status".into(),
            ty: Type::int(),
            optional: false,
        },
    ]);
    let int32 = Type::of(TypeKind::Int(IntRange::INT32));
    Scope {
        names: vec![
            ("product", product.clone(), a_product.clone()),
            ("full", product.clone(), of("shop.Product", FULL).1),
            ("maybe", product.clone().or_null(), Value::Null),
            ("reviews", reviews.clone().or_null(), some_reviews),
            ("gone", reviews.or_null(), Value::Null),
            ("recs", Type::any(), Value::Json(recs.into())),
            ("authors", Type::map(Type::string(), user), authors),
            ("id", Type::string(), "p1".into()),
            ("limit", int32.clone(), Value::Int(5)),
            ("top", int32, Value::Int(2_147_483_647)),
            ("category", Type::string(), "".into()),
            ("currency", Type::string().or_null(), Value::Null),
            ("body.order.id", Type::int().or_null(), Value::Int(9)),
            ("request.headers.x-token", Type::string().or_null(), "t".into()),
            (
                "numbers",
                Type::list(Type::int()),
                Value::list(vec![Value::Int(3), Value::Int(1), Value::Int(2)]),
            ),
            (
                "error(gone)",
                failure.clone().or_null(),
                Value::object(vec![
                    ("code".into(), "UNAVAILABLE".into()),
                    ("status".into(), Value::Int(503)),
                ]),
            ),
            (
                "money",
                Type::of(TypeKind::Message(message("shop.Money"))).or_null(),
                Value::Null,
            ),
            ("flag", Type::bool(), Value::Bool(true)),
        ],
        constants: BTreeMap::from([("five", (Type::int(), Value::Int(5)))]),
    }
}

const FULL: &str = r#"{
    "priceUsd": {"currencyCode": "USD", "units": "7", "nanos": 500000000}, "note": "", "created": "2026-03-02T04:05:06.789Z",
    "rank": 3, "status": 9, "user": "ann", "anything": null, "rating": 1, "score": 0.1, "stock": 4
}"#;

pub(super) fn frame_values(scope: &Scope) -> Vec<Value> {
    scope.names.iter().map(|it| it.2.clone()).collect()
}

/// As little as the types allow: null, empty, zero.
pub(super) fn empty_values(scope: &Scope) -> Vec<Value> {
    let empty = |ty: &Type| match &ty.kind {
        _ if ty.nullable => Value::Null,
        TypeKind::Bool => Value::Bool(false),
        TypeKind::Int(_) => Value::Int(0),
        TypeKind::List(_) => Value::list(Vec::new()),
        TypeKind::Map(_) => Value::map(Vec::new()),
        TypeKind::Message(_) => Value::Message(bytes::Bytes::new()),
        TypeKind::String => Value::from(""),
        other => panic!("no empty {other:?}"),
    };
    scope.names.iter().map(|it| empty(&it.1)).collect()
}

fn run(scope: &Scope, checked: &Checked) -> String {
    let values = frame_values(scope);
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    match checked.program.eval(&frame) {
        Err(fault) => format!("fault: {}", fault.reason),
        Ok(value) => {
            let mut out = Vec::new();
            match Renderer::compile(&checked.ty, JsonOptions::default()).render(&value, &mut out) {
                Ok(()) => String::from_utf8(out).unwrap(),
                Err(fault) => format!("unwritable: {}", fault.reason),
            }
        }
    }
}

/// `type → value`, or the mistakes with their help.
fn shown(text: &str, checked: Result<Checked, Vec<ExprError>>, scope: &Scope) -> String {
    match checked {
        Ok(checked) => {
            let warnings: Vec<_> = checked.warnings.iter().map(|it| format!(" ⚠ {}", it.code)).collect();
            format!("{} → {}{}", checked.ty, run(scope, &checked), warnings.concat())
        }
        Err(errors) => {
            let errors: Vec<String> = errors
                .iter()
                .map(|it| {
                    let at = &text[it.span.start as usize..it.span.end as usize];
                    let label = if it.label.contains("did you mean") {
                        format!(" {}", it.label)
                    } else {
                        String::new()
                    };
                    let help = it
                        .help
                        .as_ref()
                        .map(|help| format!(" help `{help}`"))
                        .unwrap_or_default();
                    format!("✗ {} at `{at}`{label}{help}", it.code)
                })
                .collect();
            errors.join("; ")
        }
    }
}

fn checked(text: &str) -> String {
    let scope = scope();
    match parse(text) {
        Ok(ast) => shown(text, check(&ast, &scope, &Facts::new()), &scope),
        Err(error) => shown(text, Err(vec![error]), &scope),
    }
}

fn checked_text(text: &str) -> String {
    let scope = scope();
    let ast = parse(text).unwrap();
    shown(text, check_text(&ast, &scope, &Facts::new()), &scope)
}

#[track_caller]
fn table(rows: &[(&str, &str)]) {
    let wrong = rows.iter().filter_map(|(text, wanted)| {
        let got = checked(text);
        (got != *wanted).then(|| format!("\n{text}\n  wanted: {wanted}\n  got:    {got}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn facts_come_in_and_go_out() {
    let scope = scope();
    let check = |text: &str, facts: &Facts| check(&parse(text).unwrap(), &scope, facts);
    let when = check(
        "reviews != null && full.price_usd.units != null && !(currency == null)",
        &Facts::new(),
    )
    .unwrap();
    let facts: Vec<&str> = when.facts.iter().map(String::as_str).collect();
    assert_eq!(
        facts,
        ["currency", "full", "full.price_usd", "full.price_usd.units", "reviews"]
    );
    assert_eq!(
        check("full.price_usd.units + 1", &when.facts).unwrap().ty.to_string(),
        "int"
    );
    assert!(check("full.price_usd.units + 1", &Facts::new()).is_err());
    assert_eq!(
        check("reviews.reviews", &when.facts).unwrap().ty.to_string(),
        "list<shop.Review>"
    );
    let kept = check("reviews.reviews.filter(r, r.reply != null)", &Facts::new()).unwrap();
    assert_eq!(kept.element_facts.iter().collect::<Vec<_>>(), ["", ".reply"]);
    assert!(
        check("numbers.exists(n, currency != null)", &Facts::new())
            .unwrap()
            .facts
            .is_empty()
    );
}

#[test]
fn what_can_fail_is_known() {
    let scope = scope();
    for (text, wanted) in [
        ("product.name", false),
        ("product.name + 'x'", false),
        ("reviews.reviews.map(r, r.author_id)", false),
        ("1 + 1", false),
        ("limit + 1", true),
        ("product.rating / 2", false),
        ("int(id)", true),
        ("recs.items.size()", true),
        ("string(limit)", false),
    ] {
        let checked = check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap();
        assert_eq!(checked.may_fail, wanted, "{text}");
    }
}

#[test]
fn programs_that_do_nothing_are_known() {
    let scope = scope();
    let program = |text: &str| check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap().program;
    assert_eq!(program("product").is_slot(), Some(Slot(0)));
    assert_eq!(program("product.name").is_slot(), None);
    assert_eq!(Program::slot(Slot(3)).is_slot(), Some(Slot(3)));
    assert_eq!(program("1 + 2 * 3").is_constant().and_then(Value::as_integer), Some(7));
}

#[test]
fn evaluation_is_bounded() {
    let scope = scope();
    let values = frame_values(&scope);
    let long = Value::list(vec![Value::Int(1); 2000]);
    let mut values = values;
    let at = scope.names.iter().position(|it| it.0 == "numbers").unwrap();
    values[at] = long;
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    for (text, wanted) in [
        (
            "numbers.all(a, numbers.all(b, a == b))",
            "more than 1,000,000 elements are visited",
        ),
        ("numbers.map(a, numbers).flatten()", "list is longer than 100,000"),
        (
            &*format!("numbers.map(a, '{}').join()", "x".repeat(600)),
            "text is longer than 1 MiB",
        ),
    ] {
        let checked = check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap();
        assert_eq!(checked.program.eval(&frame).unwrap_err().reason, wanted, "{text}");
    }
}

#[test]
fn long_chains_are_checked_and_run_on_a_small_stack() {
    let text = format!("limit{}", " + 1".repeat(98));
    let nested = format!("{}limit{}", "(1 + ".repeat(32), ")".repeat(32));
    let run = move || {
        for text in [&text, &nested] {
            let checked = checked(text);
            assert!(checked.starts_with("int → "), "{checked}");
        }
    };
    // What a worker thread has.
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}
