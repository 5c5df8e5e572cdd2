//! What is said of a value that does not fit its place (semantics.md 1.4).

use super::unit::Unit;
use super::world::listed;
use crate::expr::literal::LiteralError;
use crate::expr::{FitError, IntRange, PlaceType, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Span, scalar};
use crate::language::spec::Expression;

impl Unit<'_, '_> {
    /// An expression that does not fit its place.
    pub(super) fn refuse_fit(&mut self, error: &FitError, expression: &Expression, place: &PlaceType) {
        let source = expression.source().trim();
        let mut wrong = Diagnostic::new(error.code, expression.whole(), error.title.clone());
        wrong = match (&*error.label, error.code) {
            ("", "null-does-not-fit") => wrong.label("may be null"),
            ("", _) => wrong.label(format!("expected `{}`", place.ty)),
            (label, _) => wrong.label(label),
        };
        if let Some(conversion) = &error.conversion {
            let part = conversion.replace('…', source);
            wrong = wrong.help(self.pasteable(expression, &part));
            if error.code == "null-does-not-fit" && is_path(source) {
                wrong = wrong.note(format!(
                    "or `when: {}`, where nothing can be done without it",
                    scalar(&format!("${source} != null"))
                ));
            }
        } else if error.code == "null-does-not-fit" {
            wrong = wrong.help(format!("when: {}", scalar(&format!("${source} != null"))));
        }
        self.push(wrong);
    }

    /// A 64-bit integer in a place that does not hold all of them: accepted (semantics.md 1.4), and worth saying once.
    pub(super) fn warn_lossy(&mut self, from: &Type, to: &Type, expression: &Expression) {
        let source = expression.source().trim();
        let (label, help) = match loss(from, to) {
            None => return,
            Some(Loss::Range) => ("a value that is too large fails the call", "int"),
            Some(Loss::Digits) => ("integers beyond 2^53 are rounded", "double"),
        };
        let help = match &from.kind {
            TypeKind::List(_) => format!("{source}.map(x, {help}(x))"),
            _ => format!("{help}({source})"),
        };
        let title = format!("a 64-bit integer does not always fit `{}`", shown(to));
        let help = self.pasteable(expression, &help);
        self.push(
            Diagnostic::warning("lossy-number", expression.whole(), title)
                .label(label)
                .help(help),
        );
    }

    /// A literal that is not a value of its place.
    pub(super) fn refuse_literal(&mut self, error: &LiteralError, span: Span, place: Option<&Type>) {
        let label = match place {
            Some(place) if error.label.is_empty() && error.pointer.is_empty() => expected(place),
            _ => error.label.clone(),
        };
        let mut wrong = Diagnostic::new(error.code, span, error.title.clone()).label(label);
        if !error.pointer.is_empty() {
            wrong = wrong.note(format!("at `{}` of the value", error.pointer));
        }
        self.push(wrong);
    }

    /// Null, or what may be null, where null cannot stand (G4).
    pub(super) fn refuse_null(&mut self, source: &str, span: Span, place: &Type) {
        let what = if source == "null" {
            "null does".to_owned()
        } else {
            format!("`{source}` may be null, which does")
        };
        let mut wrong = Diagnostic::new(
            "null-does-not-fit",
            span,
            format!("{what} not fit where `{place}` belongs"),
        )
        .label("\"unset\" cannot be told apart here");
        if source != "null" {
            wrong = wrong.help(match zero_text(place) {
                Some(zero) => format!("default({source}, {zero})"),
                None => format!("when: ${source} != null"),
            });
        }
        self.push(wrong);
    }
}

/// Whether an expression is nothing but names, fields and indexes.
fn is_path(source: &str) -> bool {
    source
        .chars()
        .all(|it| it.is_alphanumeric() || matches!(it, '_' | '.' | '[' | ']'))
}

/// What belongs to a place; of an enum its values.
fn expected(place: &Type) -> String {
    match &place.kind {
        TypeKind::Enum(it) => format!("its values are {}", listed(it.values.iter().map(|it| &*it.name))),
        _ => format!("expected `{place}`"),
    }
}

/// What a number may lose in its place.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Digits,
    Range,
}

/// Only fields of 64 bits count, not what is computed of smaller ones or was converted on purpose.
fn loss(from: &Type, to: &Type) -> Option<Loss> {
    match (&from.kind, &to.kind) {
        (TypeKind::Int(from), TypeKind::Int(to)) if from.wide => {
            (!to.includes(*from) && !to.wide).then_some(Loss::Range)
        }
        (TypeKind::Int(from), TypeKind::Enum(_)) if from.wide => Some(Loss::Range),
        (TypeKind::Int(from), TypeKind::Double { .. }) if from.wide => Some(Loss::Digits),
        (TypeKind::List(from), TypeKind::List(to)) => loss(from, to),
        _ => None,
    }
}

/// The type as .proto files call it, where it is a number.
fn shown(ty: &Type) -> String {
    match &ty.kind {
        TypeKind::Int(range) if *range == IntRange::INT32 => "int32".to_owned(),
        TypeKind::Int(range) if *range == IntRange::UINT32 => "uint32".to_owned(),
        TypeKind::Double { single: true } => "float".to_owned(),
        TypeKind::List(of) => shown(of),
        _ => ty.to_string(),
    }
}

/// The zero of a type, as an expression writes it.
fn zero_text(ty: &Type) -> Option<&'static str> {
    Some(match &ty.kind {
        TypeKind::Bool => "false",
        TypeKind::Double { .. } => "0.0",
        TypeKind::Enum(_) | TypeKind::Int(_) => "0",
        TypeKind::String => "\"\"",
        _ => return None,
    })
}
