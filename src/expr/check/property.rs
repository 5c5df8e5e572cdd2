//! What holds for every expression: checking never panics, and what runs gives a value of the type that was promised.

use proptest::prelude::*;

use super::super::value::Value;
use super::super::{Frame, Renderer, parse};
use super::tests::{Scope, empty_values, frame_values, scope};
use super::*;
use crate::codec::JsonOptions;

/// Names and literals, also ones that do not fit together.
const LEAVES: &[&str] = &[
    "product",
    "full",
    "maybe",
    "reviews",
    "gone",
    "recs",
    "authors",
    "id",
    "limit",
    "currency",
    "money",
    "numbers",
    "flag",
    "product.name",
    "product.stock",
    "product.weight",
    "product.serial",
    "product.rating",
    "product.score",
    "product.rank",
    "product.status",
    "full.created",
    "product.labels",
    "product.slots",
    "product.extra",
    "product.blob",
    "product.detail",
    "product.note",
    "product.user",
    "product.org",
    "product.prices",
    "product.price_usd.units",
    "product.history",
    "product.shelf_life",
    "product.anything",
    "product.row",
    "product.nothing",
    "product.mask",
    "product.counts",
    "product.visits",
    "product.mixed",
    "product.flags",
    "product.big",
    "product.price_by_country",
    "reviews.reviews",
    "recs.items",
    "recs.total",
    "recs.nothing",
    "recs.tags",
    "error(gone)",
    "body.order.id",
    "v",
    "w",
    "v.reply",
    "v.units",
    "1",
    "0",
    "-3",
    "2u",
    "1.5",
    "'PAID'",
    "'x'",
    "'2026-01-01T00:00:00Z'",
    "'5s'",
    "b'x'",
    "true",
    "null",
    "[]",
    "{}",
    "[1, 2.5]",
    "[1, 'x', null]",
    "{'a': 1, 'b': 'x'}",
    "{1: 'x'}",
    "{'units': 3}",
    "duration('5s')",
    "timestamp(0)",
];

/// Ways to put expressions together; `A`, `B` and `C` are their places.
const SHAPES: &[&str] = &[
    "(A + B)",
    "(A - B)",
    "(A * B)",
    "(A / B)",
    "(A % B)",
    "-A",
    "!A",
    "(A && B)",
    "(A || B)",
    "(A == B)",
    "(A != B)",
    "(A != null && B)",
    "(A == null || B)",
    "(A < B)",
    "(A >= B)",
    "(A in B)",
    "(A ? B : C)",
    "A[B]",
    "A[0]",
    "A['a']",
    "A.units",
    "A.a",
    "[A, B]",
    "{'a': A, 'b': B}",
    "{A: B}",
    "default(A, B)",
    "default(A, B, C)",
    "has(A.units)",
    "has(A.a)",
    "A.map(v, B)",
    "A.map(w, B, C)",
    "A.filter(v, B)",
    "A.filter(v, v != null)",
    "A.all(v, B)",
    "A.exists_one(w, B)",
    "A.sort_by(v, B)",
    "A.distinct_by(v, B)",
    "A.group_by(v, B)",
    "A.index_by(v, B)",
    "A.size()",
    "A.first()",
    "A.last()",
    "A.max()",
    "A.sum()",
    "A.sort()",
    "A.distinct()",
    "A.reverse()",
    "A.flatten()",
    "A.take(B)",
    "A.drop(1)",
    "A.chunk(B)",
    "A.join(B)",
    "A.join()",
    "int(A)",
    "uint(A)",
    "double(A)",
    "string(A)",
    "bytes(A)",
    "bool(A)",
    "timestamp(A)",
    "duration(A)",
    "A.startsWith(B)",
    "A.substring(B)",
    "A.split(B)",
    "A.replace(A, B)",
    "A.matches('x+')",
    "A.getFullYear()",
    "A.getHours()",
    "math.greatest(A, B)",
    "math.abs(A)",
    "math.ceil(A)",
    "base64.encode(A)",
    "base64.decode(A)",
    "A.pick('id', 'name')",
    "A.omit('units')",
    "size(A)",
];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        (prop::sample::select(SHAPES), inner.clone(), inner.clone(), inner)
            .prop_map(|(shape, a, b, c)| filled(shape, &[&a, &b, &c]))
    })
}

fn filled(shape: &str, parts: &[&str; 3]) -> String {
    let mut text = String::new();
    for letter in shape.chars() {
        match letter {
            'A' => text.push_str(parts[0]),
            'B' => text.push_str(parts[1]),
            'C' => text.push_str(parts[2]),
            other => text.push(other),
        }
    }
    text
}

/// Why a value is not of a type.
fn misfit(value: &Value, ty: &Type) -> Option<String> {
    let wrong = || Some(format!("{value:?} is no `{ty}`"));
    match (&ty.kind, value) {
        (_, Value::Null) => (!ty.nullable).then(|| format!("null is no `{ty}`")),
        (TypeKind::Any, Value::Json(json)) => (&json[..] == b"null").then(|| "null as JSON".to_owned()),
        (TypeKind::Bool, Value::Bool(_))
        | (TypeKind::Bytes, Value::Bytes(_))
        | (TypeKind::Double { .. }, Value::Double(_))
        | (TypeKind::Duration, Value::Duration(..))
        | (TypeKind::Enum(_), Value::Int(_))
        | (TypeKind::Message(_) | TypeKind::ProtoAny(_) | TypeKind::Selected(..), Value::Message(_))
        | (TypeKind::String, Value::String(_))
        | (TypeKind::Timestamp, Value::Timestamp(..)) => None,
        (TypeKind::Int(range), Value::Int(_) | Value::Uint(_)) => match value.as_integer() {
            Some(it) if range.contains(it) => None,
            _ => wrong(),
        },
        (TypeKind::List(element), Value::List(list)) => list.iter().find_map(|it| misfit(&it, element)),
        (TypeKind::Map(entry), Value::Map(map)) => map
            .entries()
            .iter()
            .find_map(|(key, value)| misfit(key, &entry.0).or_else(|| misfit(value, &entry.1))),
        (TypeKind::Object(members), Value::Object(_)) => members.iter().find_map(|it| match value.member(&it.name) {
            Some(member) => misfit(member, &it.ty),
            None => (!it.optional).then(|| format!("`{}` is missing", it.name)),
        }),
        _ => wrong(),
    }
}

fn holds(text: &str, scope: &Scope) -> Result<(), TestCaseError> {
    let Ok(ast) = parse(text) else { return Ok(()) };
    drop(ast.mentions());
    let text_form = check_text(&ast, scope, &Facts::new());
    if let Err(errors) = &text_form {
        prop_assert!(!errors.is_empty());
    }
    let checked = match check(&ast, scope, &Facts::new()) {
        Ok(checked) => checked,
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(
                    text.get(error.span.start as usize..error.span.end as usize).is_some(),
                    "{text}: {error:?}"
                );
            }
            return Ok(());
        }
    };
    let renderer = Renderer::compile(&checked.ty, JsonOptions::default());
    for values in [frame_values(scope), empty_values(scope)] {
        let frame = Frame {
            parent: None,
            base: Slot(0),
            values: &values,
        };
        match checked.program.eval(&frame) {
            Ok(value) => {
                let misfit = misfit(&value, &checked.ty);
                prop_assert!(misfit.is_none(), "{text}: {}", misfit.unwrap_or_default());
                let mut json = Vec::new();
                prop_assert!(renderer.render(&value, &mut json).is_ok(), "{text}");
                prop_assert!(
                    crate::codec::json::validate(&json).is_ok(),
                    "{text}: {}",
                    String::from_utf8_lossy(&json)
                );
            }
            Err(fault) => {
                prop_assert!(checked.may_fail, "{text}: {fault} though it cannot fail");
                prop_assert!(fault.reason != eval::MISMATCH, "{text}: {fault}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn values_are_of_the_type_that_was_promised(text in expression()) {
        holds(&text, &scope())?;
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z0-9 .,:?!&|=<>()\\[\\]{}'\"$+*/%_-]{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span.start as usize..error.span.end as usize).is_some());
        }
    }
}
