//! Expressions over the request alone, outside of every composition: what targets are chosen by, who is refused, what is counted.

use std::sync::Arc;

use super::assemble::{Setting, assemble};
use super::claims::Asked;
use super::outline::{Outline, ROOT};
use super::param::Origin;
use super::unit::{Purpose, Scope, Unit};
use super::world::{World, named};
use crate::expr::{Checked, Facts};
use crate::language::diagnostic::Diagnostics;
use crate::language::spec::{Composition, Expression, Head, Template, TemplateKind};
use crate::plan::OfRequest;

/// Checks one, over claims as well where `asked` says who may be asked for them; `check` does it, and says what is wrong where it gives `None`.
pub(super) fn of_request(
    world: &World<'_>,
    written: &Expression,
    asked: Option<Asked>,
    diagnostics: &mut Diagnostics,
    check: impl FnOnce(&mut Unit<'_, '_>, &Scope) -> Option<Checked>,
) -> Option<OfRequest> {
    let composition = alone(written);
    let vars: Vec<_> = world.vars.iter().map(|(name, _, _)| name.clone()).collect();
    let outline = Outline::new(
        &composition,
        Vec::new(),
        (world.sources, &vars),
        (asked, &world.auth),
        diagnostics,
    );
    let setting = Setting {
        json: &composition.json,
        origin: Origin::Endpoint(&[]),
        in_get: false,
        bound_body: false,
        raw_body: false,
    };
    let checked = assemble(world, &outline, &setting, diagnostics, |unit, inputs| {
        let scope = unit.scope(ROOT, &Facts::new(), Purpose::Value);
        let checked = check(unit, &scope)?;
        Some(OfRequest {
            inputs,
            program: checked.program,
            ty: checked.ty,
            source: Arc::from(written.source()),
        })
    });
    checked.ok().flatten()
}

/// An endpoint that answers with the expression: no params, no calls, so that only the request itself can be mentioned.
fn alone(written: &Expression) -> Composition {
    let span = written.whole();
    let head = Head::Endpoint {
        method: named("ANY", span),
        path: named("/", span),
    };
    Composition {
        response: Some(Template {
            kind: TemplateKind::Expression(written.clone()),
            span,
        }),
        ..Composition::new(span, head)
    }
}
