//! Values in the form of the place that keeps them. Where a value is encoded or rendered, that is the encoder's business;
//! where it is kept for other expressions, it must look as its type says.

use super::template::Typed;
use super::unit::Unit;
use crate::expr::encode::fit;
use crate::expr::{Encoder, JsonReader, PlaceType, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::plan::{Conversion, Template};

/// Whether values of two types look the same at run time, so that an expression over one can read the other.
pub(super) fn same_form(from: &Type, to: &Type) -> bool {
    use TypeKind as K;
    match (&from.kind, &to.kind) {
        (K::Null | K::Unknown, _)
        | (_, K::Unknown)
        | (K::Any, K::Json(_))
        | (K::Int(_) | K::Enum(_), K::Int(_) | K::Enum(_))
        | (K::Double { .. }, K::Double { .. }) => true,
        (K::List(a), K::List(b)) => same_form(a, b),
        (K::Map(a), K::Map(b)) => same_form(&a.0, &b.0) && same_form(&a.1, &b.1),
        (K::Object(a), K::Object(b)) => {
            let there = a.iter().all(|it| {
                b.iter()
                    .any(|other| other.name == it.name && same_form(&it.ty, &other.ty))
            });
            there
                && b.iter()
                    .all(|it| it.optional || a.iter().any(|other| other.name == it.name))
        }
        (a, b) => a == b,
    }
}

/// Whether values of a type may go where `to` belongs, null apart, which was spoken of before.
fn fits(from: &Type, to: &Type) -> bool {
    let place = PlaceType {
        ty: to.clone(),
        takes_null: true,
    };
    fit(from, &place).is_ok()
}

impl Unit<'_, '_> {
    /// Gives a template's value the form of `to`; it fits there already.
    pub(super) fn convert(&mut self, typed: Typed, to: &Type, span: Span) -> Typed {
        if same_form(&typed.ty, to) {
            return typed;
        }
        let into = match &to.kind {
            TypeKind::Any | TypeKind::Json(_) => Conversion::Json,
            TypeKind::Message(message) | TypeKind::Selected(message, _)
                if matches!(
                    typed.ty.kind,
                    TypeKind::Object(_) | TypeKind::Any | TypeKind::Json(_) | TypeKind::Selected(..)
                ) =>
            {
                match Encoder::message(&typed.ty, message) {
                    Ok(encoder) => Conversion::Message(encoder),
                    Err(error) => {
                        self.push(Diagnostic::new(error.code, span, error.title));
                        return Typed::poison();
                    }
                }
            }
            // What fits is what JSON makes of it: a name is a value of an enum, an integer is a number.
            TypeKind::Double { .. } | TypeKind::Enum(_) | TypeKind::List(_) | TypeKind::Map(_) | TypeKind::String
                if fits(&typed.ty, to) =>
            {
                Conversion::Read(JsonReader::compile(to))
            }
            _ => {
                let title = format!("`{}` does not fit where `{to}` belongs", typed.ty);
                self.push(Diagnostic::new("wrong-type", span, title).label(format!("expected `{to}`")));
                return Typed::poison();
            }
        };
        let mut ty = to.clone();
        ty.nullable |= typed.ty.nullable;
        let template = Template::Convert {
            template: Box::new(typed.template),
            into,
            origin: self.origin(span),
        };
        Typed { template, ty }
    }
}
