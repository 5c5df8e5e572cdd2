//! Literals of composition files: as JSON, and the type and value that they have by themselves.

use std::sync::Arc;

use bytes::Bytes;

use crate::expr::literal::{LiteralError, read};
use crate::expr::{IntRange, ListValue, Type, TypeKind, Value};
use crate::language::spec::Literal;

/// Appends the JSON of a literal, numbers digit by digit.
pub(super) fn write_json(literal: &Literal, out: &mut Vec<u8>) {
    match literal {
        Literal::Bool(true) => out.extend_from_slice(b"true"),
        Literal::Bool(false) => out.extend_from_slice(b"false"),
        Literal::Null => out.extend_from_slice(b"null"),
        Literal::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Literal::Text(text) => write_string(text, out),
        Literal::List(items) => {
            out.push(b'[');
            for (at, it) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json(it, out);
            }
            out.push(b']');
        }
    }
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// The JSON of a literal.
pub(super) fn json(literal: &Literal) -> Vec<u8> {
    let mut out = Vec::new();
    write_json(literal, &mut out);
    out
}

/// Reads a literal as a value of its place's type (G2).
pub(super) fn typed(literal: &Literal, ty: &Type) -> Result<Value, LiteralError> {
    match literal {
        Literal::Null => Ok(Value::Null),
        _ => read(&json(literal), ty),
    }
}

/// The type that a literal has by itself, and its value.
pub(super) fn natural(literal: &Literal) -> (Type, Value) {
    let ty = match literal {
        Literal::Null => return (Type::of(TypeKind::Null), Value::Null),
        Literal::Bool(_) => Type::of(TypeKind::Bool),
        Literal::Text(_) => Type::of(TypeKind::String),
        Literal::Number(digits) => number_type(digits),
        Literal::List(items) => return natural_list(items),
    };
    match read(&json(literal), &ty) {
        Ok(value) => (ty, value),
        // A number that no double holds keeps its digits.
        Err(_) => (Type::of(TypeKind::Any), Value::Json(Bytes::from(json(literal)))),
    }
}

fn natural_list(items: &[Literal]) -> (Type, Value) {
    let joined = items
        .iter()
        .map(|it| natural(it).0)
        .try_fold(Type::of(TypeKind::Null), |all, it| all.join(&it));
    let element = joined.filter(|it| !matches!(it.kind, TypeKind::Null | TypeKind::Any));
    if let Some(element) = element {
        let ty = Type::of(TypeKind::List(Arc::new(element)));
        if let Ok(value) = read(&json(&Literal::List(items.to_vec())), &ty) {
            return (ty, value);
        }
    }
    let values: Arc<[Value]> = items.iter().map(any_value).collect();
    (
        Type::of(TypeKind::List(Arc::new(Type::of(TypeKind::Any)))),
        Value::List(ListValue::Values(values)),
    )
}

/// A literal as a value of type `any`.
fn any_value(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        _ => Value::Json(Bytes::from(json(literal))),
    }
}

/// The join of the elements of a list; `any` where they are mixed (semantics.md 1.3).
pub(super) fn join_all<'t>(types: impl IntoIterator<Item = &'t Type>) -> Type {
    let mut types = types.into_iter();
    let Some(first) = types.next() else {
        return Type::of(TypeKind::Any);
    };
    let mut all = first.clone();
    for it in types {
        // Values of two representations cannot share a list: the list is JSON then.
        match all
            .join(it)
            .filter(|joined| super::convert::same_form(&all, joined) && super::convert::same_form(it, joined))
        {
            Some(joined) => all = joined,
            None => return Type::of(TypeKind::Any),
        }
    }
    if matches!(all.kind, TypeKind::Null) {
        Type::of(TypeKind::Any)
    } else {
        all
    }
}

fn number_type(digits: &str) -> Type {
    if digits.parse::<i64>().is_ok() {
        Type::of(TypeKind::Int(IntRange::PLAIN))
    } else if digits.parse::<u64>().is_ok() {
        Type::of(TypeKind::Int(IntRange {
            wide: false,
            ..IntRange::UINT64
        }))
    } else {
        Type::of(TypeKind::Double { single: false })
    }
}
