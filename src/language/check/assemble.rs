//! The passes that endpoints and fragments share, in order: names and mentions, targets, cycles, safety, need, inputs, slots.

use std::sync::Arc;

use super::BackendSchema;
use super::field_mask;
use super::fragment::FragmentState;
use super::graph::{check_cycles, starts};
use super::infer;
use super::input::{self, Sources};
use super::outline::{CallId, Outline, ROOT};
use super::param;
use super::safety;
use super::unit::{BodyState, CallState, GraphState, InputState, Target, Unit};
use super::world::{Unserved, World};
use crate::expr::{Slot, Type};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{CallKind, Json};
use crate::plan::{BackendIndex, Inputs};
use crate::schema::suggest;
use crate::schema::{MessageRef, Streaming};

/// Why a composition has no plan.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// It cannot be checked before this backend has said what it serves.
    Waiting(Arc<str>),
    /// Diagnostics said why.
    Wrong,
}

/// What the passes need to know of the file.
pub(super) struct Setting<'p> {
    /// `json:` of the file.
    pub(super) json: &'p Json,
    /// Where its inputs come from.
    pub(super) origin: param::Origin<'p>,
    /// Every endpoint that leads here is a GET.
    pub(super) in_get: bool,
    /// The binding of the shorthand reads the body.
    pub(super) bound_body: bool,
    /// It is bytes with their content type.
    pub(super) raw_body: bool,
}

/// Runs the passes, and then `then` over what is known.
pub(super) fn assemble<R>(
    world: &World<'_>,
    outline: &Outline<'_>,
    setting: &Setting<'_>,
    diagnostics: &mut Diagnostics,
    then: impl FnOnce(&mut Unit<'_, '_>, Inputs) -> R,
) -> Result<R, Stop> {
    let targets = targets(world, outline, diagnostics)?;
    // A declared type that nobody knows may be of the backend that has not said yet what it serves.
    let mut declared = outline.params.iter().filter_map(|it| it.spec?.ty.as_ref());
    if let Some(backend) = declared.find_map(|it| param::may_be_of(world, &it.value)) {
        return Err(Stop::Waiting(backend));
    }
    if !check_cycles(outline, diagnostics) {
        return Err(Stop::Wrong);
    }
    let safety = safety::check(world, outline, &targets, setting.in_get, diagnostics);
    safety::check_cache(outline, &safety, diagnostics);
    safety::check_stale(outline, &safety, diagnostics);
    let starts = starts(outline, &safety, world.sources, diagnostics);
    let sources = Sources {
        outline,
        targets: &targets,
        uses: infer::uses(outline, &targets),
        origin: setting.origin,
        bound_body: setting.bound_body,
        raw_body: setting.raw_body,
    };
    let (inputs, state) = input::check(world, &sources, diagnostics);
    let (calls, graphs) = layout(world, outline, *setting.json, &targets, inputs.n_slots);
    let mut unit = Unit {
        world,
        outline,
        diagnostics,
        targets: targets.clone(),
        starts,
        safety,
        calls,
        graphs,
        inputs: state,
        options: world.json(&[setting.json]),
    };
    check_unused_body(&mut unit);
    Ok(then(&mut unit, inputs))
}

/// A declared body that nobody mentions would be read for nothing.
fn check_unused_body(unit: &mut Unit<'_, '_>) {
    let spec = unit.outline.spec;
    if let (
        Some(body),
        InputState {
            body: BodyState::Bytes(_),
            ..
        },
        true,
    ) = (&spec.body, &unit.inputs, unit.outline.body_mentions.is_empty())
    {
        unit.push(
            Diagnostic::new("unread-call", body.span, "nothing reads the body").label("mention `body`, or remove this"),
        );
    }
}

/// The request type of a method, where that is known; without a word where it is not.
pub(super) fn request_of(
    world: &World<'_>,
    method: &crate::language::spec::Name,
    backend: Option<&crate::language::spec::Name>,
) -> Option<MessageRef> {
    let served = world.method(method, backend, &mut Diagnostics::default()).ok()?;
    Some(MessageRef::new(served.schema.clone(), served.method.input))
}

fn targets<'s>(
    world: &World<'s>,
    outline: &Outline<'_>,
    diagnostics: &mut Diagnostics,
) -> Result<Vec<Target<'s>>, Stop> {
    let mut waiting = None;
    let mut all = Vec::new();
    for node in &outline.calls {
        let target = match &node.spec.kind {
            Some(CallKind::Grpc { method, backend, .. }) => match world.method(method, backend.as_ref(), diagnostics) {
                Ok(served) => {
                    if served.method.deprecated {
                        let says = served.method.comment.as_deref().and_then(suggest::replacement);
                        let label = says.unwrap_or_else(|| "its declaration says so".to_owned());
                        let title = format!("`{}` is deprecated", method.value);
                        diagnostics.push(Diagnostic::warning("deprecated", method.span, title).label(label));
                    }
                    if served.method.streaming == Streaming::Unary {
                        let message = |index| MessageRef::new(served.schema.clone(), index);
                        Ok(Target::Grpc {
                            served,
                            input: message(served.method.input),
                            output: message(served.method.output),
                        })
                    } else {
                        let title = format!("`{}` is a streaming method", method.value);
                        diagnostics.push(
                            Diagnostic::new("not-yet", method.span, title)
                                .label("only unary methods can be called yet"),
                        );
                        Ok(Target::Wrong)
                    }
                }
                Err(Unserved::Waiting(backend)) => Err(backend),
                Err(Unserved::Wrong) => Ok(Target::Wrong),
            },
            Some(CallKind::Http { backend, .. }) => Ok(http_target(world, backend, node.spec, diagnostics)),
            Some(CallKind::Compose { fragment, .. }) => match world.fragments.get(&fragment.value) {
                Some(FragmentState::Ready(info)) => Ok(Target::Fragment(info.clone())),
                Some(FragmentState::Waiting(backend)) => Err(backend.clone()),
                Some(FragmentState::Wrong) => Ok(Target::Wrong),
                None => {
                    let label = match suggest::nearest(&fragment.value, world.fragments.keys().map(|it| &**it)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "no file has `fragment:` with this name".to_owned(),
                    };
                    let title = format!("there is no fragment `{}`", fragment.value);
                    diagnostics.push(Diagnostic::new("unknown-fragment", fragment.span, title).label(label));
                    Ok(Target::Wrong)
                }
            },
            Some(CallKind::For { .. } | CallKind::Value(_)) => Ok(Target::Inside),
            None => Ok(Target::Wrong),
        };
        all.push(target.unwrap_or_else(|backend| {
            waiting.get_or_insert(backend);
            Target::Wrong
        }));
    }
    match waiting {
        Some(backend) => Err(Stop::Waiting(backend)),
        None => Ok(all),
    }
}

fn http_target<'s>(
    world: &World<'s>,
    backend: &crate::language::spec::Name,
    call: &crate::language::spec::Call,
    diagnostics: &mut Diagnostics,
) -> Target<'s> {
    let Some(index) = world.backend(backend, diagnostics) else {
        return Target::Wrong;
    };
    let BackendIndex(at) = index;
    if world
        .gateway
        .backends
        .get(at)
        .is_some_and(|it| it.http.is_empty() && !(it.grpc.is_empty() && it.split.is_empty()))
        && !matches!(world.schemas.get(at), Some(BackendSchema::None))
    {
        let title = format!("backend `{}` speaks gRPC", backend.value);
        diagnostics.push(Diagnostic::new("wrong-backend", backend.span, title).label("call it with `grpc:`"));
        return Target::Wrong;
    }
    Target::Http(
        index,
        Arc::new(super::http_schema::types(world, index, call, diagnostics)),
    )
}

/// Gives every call, loop variable and failure its slot: an inner graph's are above those of the graph around it.
fn layout(
    world: &World<'_>,
    outline: &Outline<'_>,
    json: Json,
    targets: &[Target<'_>],
    n_inputs: u32,
) -> (Vec<CallState>, Vec<GraphState>) {
    let options = world.json(&[&json]);
    let unplaced = CallState {
        ty: Type::unknown(),
        slot: Slot(0),
        error_slot: None,
        mask_slot: None,
        options,
    };
    let mut calls = vec![unplaced; outline.calls.len()];
    let mut graphs: Vec<GraphState> = Vec::new();
    for (at, graph) in outline.graphs.iter().enumerate() {
        let base = match graph.parent {
            Some(parent) => graphs[outline.call(parent).graph.0].top,
            None => 0,
        };
        let mut next = if at == ROOT.0 { n_inputs } else { base + 1 };
        let mut slot = || {
            next += 1;
            Slot(next - 1)
        };
        for id in &graph.calls {
            let node = outline.call(*id);
            let state = &mut calls[id.0];
            state.slot = slot();
            state.error_slot = node.asked.then(&mut slot);
            state.mask_slot = field_mask::is_in(node.spec).then(&mut slot);
            let of_fragment = match &targets[id.0] {
                Target::Fragment(info) => info.json,
                _ => Json::default(),
            };
            state.options = world.json(&[&json, &of_fragment, &node.spec.json]);
        }
        graphs.push(GraphState {
            base: Slot(base),
            top: next,
            variable: (Slot(base), Type::unknown()),
            options,
        });
    }
    // The list of the one-call form of `for` is written as its only call is.
    for at in (0..outline.calls.len()).rev() {
        let node = outline.call(CallId(at));
        if let Some(inner) = node.inner
            && let [only] = outline.graph(inner).calls.as_slice()
            && outline.call(*only).spec.name == node.spec.name
        {
            calls[at].options = calls[only.0].options;
        }
    }
    (calls, graphs)
}
