//! `balance: { hash: $… }` → a program over parts of the request.

use std::sync::Arc;

use super::claims::Asked;
use super::of_request::of_request;
use super::world::World;
use crate::expr::TypeKind;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::Expression;
use crate::plan::{Backend, OfRequest};

/// Fills in what the backends hash by.
pub(super) fn check(world: &World<'_>, backends: &mut [Backend], diagnostics: &mut Diagnostics) {
    for (backend, written) in backends.iter_mut().zip(&world.gateway.backends) {
        let hash = written.hash.as_ref();
        backend.hash = hash
            .and_then(|it| scalar(world, it, "targets", diagnostics))
            .map(Arc::new);
    }
}

/// What requests may be told apart by, to choose between `what`.
pub(super) fn scalar(
    world: &World<'_>,
    written: &Expression,
    what: &str,
    diagnostics: &mut Diagnostics,
) -> Option<OfRequest> {
    of_request(world, written, Asked::any(&world.auth), diagnostics, |unit, scope| {
        let checked = unit.expression(written, scope)?;
        let scalar = matches!(
            checked.ty.kind,
            TypeKind::Bool | TypeKind::Bytes | TypeKind::Int(_) | TypeKind::String | TypeKind::Unknown
        );
        if !scalar {
            let title = format!(
                "{what} are chosen by a string, an integer, a bool or bytes, not by `{}`",
                checked.ty
            );
            unit.push(Diagnostic::new("wrong-type", written.whole(), title));
        }
        scalar.then_some(checked)
    })
}
