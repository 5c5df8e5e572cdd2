//! What is said of a value that does not fit its place (semantics.md 1.4).

use super::unit::Unit;
use crate::expr::literal::LiteralError;
use crate::expr::{FitError, PlaceType, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
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
            wrong = wrong.help(conversion.replace('…', source));
        } else if error.code == "null-does-not-fit" {
            wrong = wrong.help(format!("when: ${source} != null"));
        }
        self.push(wrong);
    }

    /// A literal that is not a value of its place.
    pub(super) fn refuse_literal(&mut self, error: &LiteralError, span: Span) {
        let mut wrong = Diagnostic::new(error.code, span, error.title.clone()).label(error.label.clone());
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
