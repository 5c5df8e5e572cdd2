//! `balance: { hash: $… }` → a program over parts of the request, outside of every composition.

use std::sync::Arc;

use super::assemble::{Setting, assemble};
use super::outline::{Outline, ROOT};
use super::param::Origin;
use super::unit::Purpose;
use super::world::{World, named};
use crate::expr::{Facts, TypeKind};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{Composition, Errors, Expression, Head, Json, Template, TemplateKind};
use crate::plan::{Backend, HashBy};

/// Fills in what the backends hash by.
pub(super) fn check(world: &World<'_>, backends: &mut [Backend], diagnostics: &mut Diagnostics) {
    for (backend, written) in backends.iter_mut().zip(&world.gateway.backends) {
        let hash = written.hash.as_ref();
        backend.hash = hash.and_then(|it| hash_by(world, it, diagnostics)).map(Arc::new);
    }
}

fn hash_by(world: &World<'_>, written: &Expression, diagnostics: &mut Diagnostics) -> Option<HashBy> {
    let composition = alone(written);
    let vars: Vec<_> = world.vars.iter().map(|(name, _, _)| name.clone()).collect();
    let outline = Outline::new(&composition, Vec::new(), (world.sources, &vars), diagnostics);
    let setting = Setting {
        json: &composition.json,
        origin: Origin::Endpoint(&[]),
        in_get: false,
        bound_body: false,
        raw_body: false,
    };
    let checked = assemble(world, &outline, &setting, diagnostics, |unit, inputs| {
        let scope = unit.scope(ROOT, &Facts::new(), Purpose::Value);
        let checked = unit.expression(written, &scope)?;
        let scalar = matches!(
            checked.ty.kind,
            TypeKind::Bool | TypeKind::Bytes | TypeKind::Int(_) | TypeKind::String | TypeKind::Unknown
        );
        if !scalar {
            let title = format!(
                "targets are chosen by a string, an integer, a bool or bytes, not by `{}`",
                checked.ty
            );
            unit.push(Diagnostic::new("wrong-type", written.whole(), title));
        }
        let program = checked.program;
        scalar.then_some(HashBy { inputs, program })
    });
    checked.ok().flatten()
}

/// An endpoint that answers with the expression: no params, no calls, so that only the request itself can be mentioned.
fn alone(written: &Expression) -> Composition {
    let span = written.whole();
    Composition {
        file: span.file,
        span,
        head: Head::Endpoint {
            method: named("ANY", span),
            path: named("/", span),
        },
        summary: None,
        timeout: None,
        params: Vec::new(),
        body: None,
        json: Json::default(),
        shorthand: None,
        calls: Vec::new(),
        require: Vec::new(),
        response: Some(Template {
            kind: TemplateKind::Expression(written.clone()),
            span,
        }),
        status: None,
        headers: Vec::new(),
        cookies: Vec::new(),
        cache: None,
        errors: Errors::default(),
        deprecated: None,
        select: None,
        invalidate: None,
        proxy: None,
    }
}
