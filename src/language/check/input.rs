//! What is read from a request: the slots, types and readers of all inputs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::http_schema;
use super::infer::{Use, Uses, agreed, is_null_when_absent, refuses_null};
use super::mention::Input;
use super::outline::Outline;
use super::param;
use super::unit::{BodyState, InputState, MemberState, Target};
use super::world::World;
use crate::expr::{JsonReader, Slot, Type, TypeKind, Value};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec;
use crate::plan::{Absent, Body, BodyMember, Claim, GivenFields, Inputs};

/// What the inputs of a composition are checked against.
pub(super) struct Sources<'i> {
    pub(super) outline: &'i Outline<'i>,
    pub(super) targets: &'i [Target<'i>],
    pub(super) uses: Uses,
    pub(super) origin: param::Origin<'i>,
    /// The binding of the shorthand reads the body.
    pub(super) bound_body: bool,
    /// It is bytes with their content type.
    pub(super) raw_body: bool,
}

/// Checks all inputs: as the plan has them, and as expressions see them.
pub(super) fn check(world: &World<'_>, sources: &Sources<'_>, diagnostics: &mut Diagnostics) -> (Inputs, InputState) {
    let outline = sources.outline;
    let mut next = 0;
    let mut slot = || {
        next += 1;
        Slot(next - 1)
    };
    let mut inputs = Inputs::default();
    let mut state = InputState::default();
    for (at, node) in outline.params.iter().enumerate() {
        let uses = sources.uses.params.get(at).map(Vec::as_slice).unwrap_or_default();
        let param = param::check(world, node, uses, (slot(), sources.origin), diagnostics);
        state.params.push((param.slot, param.ty.clone()));
        inputs.params.push(param);
    }
    (inputs.body, state.body) = body(world, sources, &mut slot, diagnostics);
    if let (true, BodyState::Whole(_, ty)) = (sources.uses.given, &state.body)
        && let TypeKind::Message(message) = &ty.kind
    {
        let (slot, message) = (slot(), message.clone());
        state.given = Some(slot);
        inputs.given = Some(GivenFields { slot, message });
    }
    let tags = outline.calls.iter().flat_map(|it| &it.tags.inputs);
    let tags = tags.chain(&outline.tags.inputs).chain(&outline.allow.inputs);
    let mentioned: BTreeSet<&Input> = all_inputs(outline).chain(tags).collect();
    for input in mentioned {
        if let Some(part) = input.request_part() {
            let slot = slot();
            inputs.request.push((part, slot));
            state.request.push((input.clone(), slot));
        } else if let (Input::Claim(path), Some(asked)) = (input, &outline.auth) {
            let slot = slot();
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            inputs.claims.push(Claim {
                path: path.iter().map(|it| Arc::from(it.as_str())).collect(),
                slot,
                reader: JsonReader::compile(&asked.claim(&names).ty),
            });
            state.request.push((input.clone(), slot));
        }
    }
    inputs.n_slots = next;
    (inputs, state)
}

/// Every input that is mentioned anywhere.
pub(super) fn all_inputs<'o>(outline: &'o Outline<'_>) -> impl Iterator<Item = &'o Input> {
    let calls = outline
        .calls
        .iter()
        .flat_map(|it| it.reads.inputs.iter().chain(&it.fallback.inputs));
    let results = outline.graphs.iter().flat_map(|it| &it.result_reads.inputs);
    calls
        .chain(results)
        .chain(outline.require.iter().flat_map(|it| &it.inputs))
}

fn body(
    world: &World<'_>,
    sources: &Sources<'_>,
    slot: &mut dyn FnMut() -> Slot,
    diagnostics: &mut Diagnostics,
) -> (Body, BodyState) {
    let outline = sources.outline;
    let mentions = &outline.body_mentions;
    if let (Some((_, span)), spec::Head::Endpoint { method, .. }) = (mentions.first(), &outline.spec.head)
        && matches!(&*method.value, "GET" | "HEAD")
    {
        let title = format!("a {} request has no body", method.value);
        diagnostics.push(Diagnostic::new("body-on-get", *span, title).label("take it from the query, or answer POST"));
    }
    match outline.spec.body.as_ref().map(|it| (&it.value, it.span)) {
        Some((spec::Body::Bytes, _)) => {
            let slot = slot();
            return (Body::Bytes(slot), BodyState::Bytes(slot));
        }
        Some((spec::Body::Schema(_), _)) if sources.bound_body => {}
        Some((spec::Body::Schema(schema), span)) => {
            let schema = spec::Name {
                value: schema.clone(),
                span,
            };
            let (ty, validator) = http_schema::body(world, &schema, diagnostics);
            let slot = slot();
            let body = Body::Whole {
                slot,
                reader: JsonReader::lazy(&ty),
                validator,
            };
            return (body, BodyState::Whole(slot, ty));
        }
        Some((spec::Body::Field(_), span)) if !sources.bound_body => {
            diagnostics.push(
                Diagnostic::new(
                    "wrong-value",
                    span,
                    "this `body` belongs to the short form `call:` without `request:`",
                )
                .label("elsewhere, mention `body` where it goes"),
            );
        }
        Some((spec::Body::Field(_), _)) | None => {}
    }
    if sources.bound_body {
        if let Some((_, span)) = mentions.first() {
            let title = "`body` is read by the call as a whole";
            diagnostics.push(Diagnostic::new("unknown-name", *span, title).label("write `request:` to use its parts"));
        }
        return (Body::Bound { raw: sources.raw_body }, BodyState::None);
    }
    if mentions.is_empty() {
        return (Body::None, BodyState::None);
    }
    if mentions.iter().any(|(path, _)| path.is_empty()) {
        return whole(&sources.uses, slot(), diagnostics);
    }
    let paths: BTreeSet<&Vec<Arc<str>>> = mentions.iter().map(|(path, _)| path).collect();
    // A member that is mentioned by itself brings all that is in it.
    let covered = |path: &[Arc<str>]| paths.iter().any(|it| it.len() < path.len() && path.starts_with(it));
    let mut members = Vec::new();
    let mut states = Vec::new();
    for path in paths.iter().filter(|it| !covered(it)) {
        let (member, state) = member(sources, path, slot(), diagnostics);
        members.push(member);
        states.push(state);
    }
    (Body::Members(members), BodyState::Members(states))
}

fn whole(uses: &Uses, slot: Slot, diagnostics: &mut Diagnostics) -> (Body, BodyState) {
    let uses = uses.body.get(&Vec::new()).map(Vec::as_slice).unwrap_or_default();
    let ty = agreed("body", uses, diagnostics).unwrap_or_else(|| Type::of(TypeKind::Any));
    let ty = if matches!(ty.kind, TypeKind::Any) {
        Type::of(TypeKind::Any)
    } else {
        ty
    };
    (
        Body::Whole {
            slot,
            reader: JsonReader::compile(&ty),
            validator: None,
        },
        BodyState::Whole(slot, ty),
    )
}

fn member(
    sources: &Sources<'_>,
    path: &[Arc<str>],
    slot: Slot,
    diagnostics: &mut Diagnostics,
) -> (BodyMember, MemberState) {
    let uses: &[Use] = sources.uses.body.get(path).map(Vec::as_slice).unwrap_or_default();
    let name = format!("body.{}", path.join("."));
    let mut ty = agreed(&name, uses, diagnostics).unwrap_or_else(|| Type::of(TypeKind::Any));
    ty.nullable = false;
    let reader = JsonReader::compile(&ty);
    let absent = absent(sources, path, uses, &mut ty);
    let state = MemberState {
        path: path.to_vec(),
        slot,
        ty,
    };
    (
        BodyMember {
            path: path.to_vec(),
            slot,
            reader,
            absent,
        },
        state,
    )
}

/// A member of the body is required where its field is, or where it is used as something that null is not.
fn absent(sources: &Sources<'_>, path: &[Arc<str>], uses: &[Use], ty: &mut Type) -> Absent {
    if uses.iter().any(|it| it.required) {
        return Absent::Refuse;
    }
    if !is_null_when_absent(uses, ty)
        && let Some(zero) = param::zero(ty)
    {
        return Absent::Value(zero);
    }
    let refused_by_place = uses.iter().any(|it| it.place.as_ref().is_some_and(|it| !it.takes_null));
    if refused_by_place || refuses_null(sources.outline, sources.targets, path, ty) {
        return Absent::Refuse;
    }
    ty.nullable = true;
    Absent::Value(Value::Null)
}
