//! What is demanded of a param beyond its type: `minimum`, `pattern`, `enum`, … → [`Constraint`]s that some value can keep, the
//! default among them.

use std::cmp::Ordering;

use regex::Regex;

use super::{expression, literal};
use crate::expr::{Type, TypeKind, Value};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Spanned;
use crate::language::spec::{self, Literal};
use crate::plan::{Absent, Constraint};

/// The constraints of a param, and what contradicts itself in them.
pub(super) fn all(spec: &spec::Param, ty: &Type, absent: &Absent, diagnostics: &mut Diagnostics) -> Vec<Constraint> {
    let mut all = Vec::new();
    let before = diagnostics.len();
    let element = expression::element_type(ty)
        .ok()
        .filter(|_| matches!(ty.kind, TypeKind::List(_)));
    let ty = element.as_ref().unwrap_or(ty);
    let unknown = matches!(ty.kind, TypeKind::Unknown);
    let is_text = unknown || matches!(ty.kind, TypeKind::String);
    let ordered = unknown
        || matches!(
            ty.kind,
            TypeKind::Int(_) | TypeKind::Double { .. } | TypeKind::Timestamp | TypeKind::Duration
        );
    let misplaced = |span, key: &str, diagnostics: &mut Diagnostics| {
        let title = format!("`{key}` means nothing for a `{}`", ty.clone().not_null());
        diagnostics.push(Diagnostic::new("wrong-type", span, title));
    };
    if let Some(pattern) = &spec.pattern {
        match Regex::new(&pattern.value) {
            _ if !is_text => misplaced(pattern.span, "pattern", diagnostics),
            Ok(it) => all.push(Constraint::Pattern(it)),
            Err(error) => {
                let reason = error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                diagnostics.push(
                    Diagnostic::new("bad-pattern", pattern.span, "this is not a regular expression").label(reason),
                );
            }
        }
    }
    let bound = |written: &Spanned<Literal>, key: &str, diagnostics: &mut Diagnostics| {
        if !ordered {
            misplaced(written.span, key, diagnostics);
            return None;
        }
        read_bound(written, ty, diagnostics)
    };
    if let Some(value) = spec.minimum.as_ref().and_then(|it| bound(it, "minimum", diagnostics)) {
        all.push(Constraint::Minimum(value));
    }
    if let Some(value) = spec.maximum.as_ref().and_then(|it| bound(it, "maximum", diagnostics)) {
        all.push(Constraint::Maximum(value));
    }
    for (written, key, make) in [
        (
            &spec.min_length,
            "min_length",
            Constraint::MinLength as fn(u64) -> Constraint,
        ),
        (&spec.max_length, "max_length", Constraint::MaxLength),
    ] {
        match written {
            Some(it) if !is_text => misplaced(it.span, key, diagnostics),
            Some(it) => all.push(make(it.value)),
            None => {}
        }
    }
    if !spec.one_of.is_empty() {
        all.push(Constraint::OneOf(
            spec.one_of
                .iter()
                .filter_map(|it| read_bound(it, ty, diagnostics))
                .collect(),
        ));
    }
    check_empty_range(spec, &all, diagnostics);
    if let (Absent::Value(value), Some(default), true) = (absent, &spec.default, diagnostics.len() == before)
        && default.value != Literal::Null
        && let Some(broken) = all.iter().find(|it| !holds(it, value))
    {
        let title = format!(
            "the default of `{}` is not allowed by its own `{}`",
            spec.name.value,
            constraint_key(broken)
        );
        diagnostics.push(
            Diagnostic::new("wrong-default", default.span, title).label("every request without it would be refused"),
        );
    }
    all
}

fn read_bound(written: &Spanned<Literal>, ty: &Type, diagnostics: &mut Diagnostics) -> Option<Value> {
    if matches!(ty.kind, TypeKind::Unknown) {
        return None;
    }
    match literal::typed(&written.value, ty) {
        Ok(value) => Some(value),
        Err(error) => {
            diagnostics.push(Diagnostic::new(error.code, written.span, error.title).label(error.label));
            None
        }
    }
}

/// A minimum above the maximum allows nothing.
fn check_empty_range(spec: &spec::Param, constraints: &[Constraint], diagnostics: &mut Diagnostics) {
    let minimum = constraints.iter().find_map(|it| {
        if let Constraint::Minimum(it) = it {
            Some(it)
        } else {
            None
        }
    });
    let maximum = constraints.iter().find_map(|it| {
        if let Constraint::Maximum(it) = it {
            Some(it)
        } else {
            None
        }
    });
    let empty = match (minimum, maximum) {
        (Some(minimum), Some(maximum)) => compare(minimum, maximum) == Some(Ordering::Greater),
        _ => false,
    };
    let lengths = match (&spec.min_length, &spec.max_length) {
        (Some(min), Some(max)) => min.value > max.value,
        _ => false,
    };
    if empty || lengths {
        let span = if empty {
            spec.maximum.as_ref().map(|it| it.span)
        } else {
            spec.max_length.as_ref().map(|it| it.span)
        };
        let title = format!("no value of `{}` is allowed", spec.name.value);
        diagnostics
            .push(Diagnostic::new("wrong-value", span.unwrap_or(spec.name.span), title).label("below the minimum"));
    }
}

/// Whether a value keeps a constraint; a list keeps it where each element does.
fn holds(constraint: &Constraint, value: &Value) -> bool {
    if let Value::List(crate::expr::ListValue::Values(items)) = value {
        return items.iter().all(|it| holds(constraint, it));
    }
    let length = |value: &Value| {
        if let Value::String(it) = value {
            it.as_str().chars().count() as u64
        } else {
            0
        }
    };
    match constraint {
        Constraint::OneOf(values) => values.iter().any(|it| compare(it, value) == Some(Ordering::Equal)),
        Constraint::MaxLength(max) => length(value) <= *max,
        Constraint::MinLength(min) => length(value) >= *min,
        Constraint::Maximum(max) => compare(value, max) != Some(Ordering::Greater),
        Constraint::Minimum(min) => compare(value, min) != Some(Ordering::Less),
        Constraint::Pattern(pattern) => !matches!(value, Value::String(it) if !pattern.is_match(it.as_str())),
    }
}

fn constraint_key(constraint: &Constraint) -> &'static str {
    match constraint {
        Constraint::OneOf(_) => "enum",
        Constraint::MaxLength(_) => "max_length",
        Constraint::Maximum(_) => "maximum",
        Constraint::MinLength(_) => "min_length",
        Constraint::Minimum(_) => "minimum",
        Constraint::Pattern(_) => "pattern",
    }
}

/// The order of two values of one scalar type.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Duration(seconds, nanos), Value::Duration(others, other_nanos))
        | (Value::Timestamp(seconds, nanos), Value::Timestamp(others, other_nanos)) => {
            Some((seconds, nanos).cmp(&(others, other_nanos)))
        }
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => Some(left.as_integer()?.cmp(&right.as_integer()?)),
    }
}
