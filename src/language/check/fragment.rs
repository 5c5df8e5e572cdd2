//! Fragments: functions of their `with` values, each checked before the files that compose it (semantics.md 5.1, 9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assemble::{Setting, Stop, assemble, request_of};
use super::cache;
use super::complete::{Hints, complete};
use super::field_mask;
use super::lint;
use super::literal;
use super::outline::{Outline, ROOT, name_taken};
use super::param::Origin;
use super::template::Typed;
use super::unit::{Purpose, Unit};
use super::world::World;
use crate::expr::{Facts, PlaceType, Type};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{Call, CallKind, Composition, ForBody, Head, Json, Literal, Name};
use crate::plan::{self, Absent, FragmentIndex, Inputs};

/// Compositions may be nested this deep (semantics.md 9).
const MAX_DEPTH: usize = 8;

/// What became of a fragment.
#[derive(Debug)]
pub(super) enum FragmentState {
    Ready(FragmentInfo),
    /// A backend has to say first what it serves.
    Waiting(Arc<str>),
    /// Diagnostics said why.
    Wrong,
}

/// A fragment as those see it who compose it.
#[derive(Clone, Debug)]
pub(super) struct FragmentInfo {
    pub(super) index: FragmentIndex,
    pub(super) params: Vec<FragmentParam>,
    pub(super) ty: Type,
    pub(super) json: Json,
    pub(super) safe: bool,
    pub(super) effect: bool,
    /// Digest of its file, those that it composes, and the descriptors behind them.
    pub(super) fingerprint: [u8; 32],
}

/// An input of a fragment.
#[derive(Clone, Debug)]
pub(super) struct FragmentParam {
    pub(super) name: Arc<str>,
    pub(super) place: PlaceType,
    pub(super) absent: Absent,
    /// The value of `absent` as JSON.
    pub(super) absent_json: Box<[u8]>,
}

/// Checks all fragments and registers them in `world`; those that have a plan are returned, by index.
pub(super) fn check_all(
    world: &mut World<'_>,
    compositions: &[Composition],
    diagnostics: &mut Diagnostics,
) -> Vec<plan::Fragment> {
    let mut files: BTreeMap<&str, (&Name, &Composition)> = BTreeMap::new();
    let mut names = Vec::new();
    for composition in compositions {
        let Head::Fragment { name } = &composition.head else {
            continue;
        };
        if let Some((first, _)) = files.get(&*name.value) {
            let wrong = name_taken(&name.value, name.span, first.span);
            diagnostics.push(wrong.label("another fragment has this name"));
        } else {
            files.insert(&name.value, (name, composition));
            names.push(&*name.value);
        }
    }
    let composed: BTreeMap<&str, Vec<&Name>> = files
        .iter()
        .map(|(name, (_, it))| (*name, composes(&it.calls)))
        .collect();
    let mut order = Order {
        composed: &composed,
        ordered: Vec::new(),
        path: Vec::new(),
        depths: BTreeMap::new(),
        cyclic: BTreeSet::new(),
    };
    for name in &names {
        order.place(name, diagnostics);
    }
    let Order {
        ordered,
        depths,
        cyclic,
        ..
    } = order;
    let outside_get = reached_outside_get(compositions, &composed);
    let mut plans = Vec::new();
    for name in ordered {
        let Some((written, composition)) = files.get(name) else {
            continue;
        };
        let depth = depths.get(name).copied().unwrap_or_default();
        if depth > MAX_DEPTH {
            let title = format!("the fragment `{name}` is composed {depth} deep");
            diagnostics.push(Diagnostic::new("too-deep", written.span, title).label(format!("at most {MAX_DEPTH}")));
        }
        let n_errors = diagnostics.n_errors();
        let state = if cyclic.contains(name) {
            FragmentState::Wrong
        } else {
            let index = FragmentIndex(world.first_fragment + plans.len());
            let in_get = !outside_get.contains(name);
            match check(world, composition, (written, index), in_get, diagnostics) {
                Ok((info, plan)) => {
                    plans.push(plan);
                    FragmentState::Ready(info)
                }
                Err(Stop::Waiting(backend)) => FragmentState::Waiting(backend),
                Err(Stop::Wrong) => FragmentState::Wrong,
            }
        };
        let is_wrong = diagnostics.n_errors() > n_errors;
        if is_wrong || matches!(state, FragmentState::Wrong) || has_broken(world, composition) {
            world.broken.insert(written.value.clone());
        }
        world.fragments.insert(written.value.clone(), state);
    }
    plans
}

/// Whether a file composes a fragment that is wrong, or composes one that is.
pub(super) fn has_broken(world: &World<'_>, composition: &Composition) -> bool {
    composes(&composition.calls)
        .iter()
        .any(|it| world.broken.contains(&it.value))
}

fn check(
    world: &World<'_>,
    written: &Composition,
    (name, index): (&Name, FragmentIndex),
    in_get: bool,
    diagnostics: &mut Diagnostics,
) -> Result<(FragmentInfo, plan::Fragment), Stop> {
    let params: Vec<Arc<str>> = written.params.iter().map(|it| it.name.value.clone()).collect();
    let hints = Hints {
        response_body: None,
        forwarded: &[],
        request_of: &|method, backend| request_of(world, method, backend),
        params: &params,
    };
    let completed = complete(written, &hints);
    let vars: Vec<_> = world.vars.iter().map(|(name, _, _)| name.clone()).collect();
    let outline = Outline::new(
        &completed,
        Vec::new(),
        (world.sources, &vars),
        (None, &world.auth),
        diagnostics,
    );
    let setting = Setting {
        json: &written.json,
        origin: Origin::Fragment,
        in_get,
        bound_body: false,
        raw_body: false,
    };
    assemble(world, &outline, &setting, diagnostics, |unit, inputs| {
        let mut graph = unit.graph(ROOT, &Facts::new(), None);
        graph.require = unit.requires();
        let result = result(unit);
        field_mask::fill(&mut graph, |graph| plan::Used::by_fragment(graph, &result.template));
        lint::check(unit, None);
        let fingerprint = cache::fingerprint(unit, written, b"");
        let info = FragmentInfo {
            index,
            params: fragment_params(written, &inputs),
            ty: result.ty.clone(),
            json: written.json,
            safe: unit.safety.iter().all(|it| it.safe),
            effect: unit.safety.iter().any(|it| it.effect),
            fingerprint,
        };
        let params = inputs.params.iter().map(|it| it.name.clone()).collect();
        let plan = plan::Fragment {
            name: name.value.clone(),
            params,
            graph,
            result: result.template,
            ty: result.ty,
            mentions: unit.mentions_of_result(ROOT),
            fingerprint,
        };
        (info, plan)
    })
}

fn result(unit: &mut Unit<'_, '_>) -> Typed {
    let scope = unit.scope(ROOT, &Facts::new(), Purpose::Value);
    match &unit.outline.spec.response {
        Some(response) => unit.template(response, None, &scope),
        None => Typed::poison(),
    }
}

fn fragment_params(written: &Composition, inputs: &Inputs) -> Vec<FragmentParam> {
    let with_spec = inputs.params.iter().zip(&written.params);
    with_spec
        .map(|(param, spec)| {
            let default = spec.default.as_ref().map_or(&Literal::Null, |it| &it.value);
            FragmentParam {
                name: param.name.clone(),
                place: Unit::place(param.ty.clone()),
                absent: param.absent.clone(),
                absent_json: literal::json(default).into(),
            }
        })
        .collect()
}

/// Fragments that these calls compose, in written order.
fn composes(calls: &[Call]) -> Vec<&Name> {
    let mut all = Vec::new();
    for call in calls {
        match &call.kind {
            Some(CallKind::Compose { fragment, .. }) => all.push(fragment),
            Some(CallKind::For {
                each: ForBody::Calls { calls, .. },
                ..
            }) => all.extend(composes(calls)),
            Some(CallKind::For {
                each: ForBody::Single(call),
                ..
            }) => all.extend(composes(std::slice::from_ref(call))),
            _ => {}
        }
    }
    all
}

/// Fragments that an endpoint leads to which is not a GET.
fn reached_outside_get<'c>(
    compositions: &'c [Composition],
    composed: &BTreeMap<&str, Vec<&'c Name>>,
) -> BTreeSet<&'c str> {
    let mut open: Vec<&Name> = Vec::new();
    for composition in compositions {
        match &composition.head {
            Head::Endpoint { method, .. } if &*method.value != "GET" => open.extend(composes(&composition.calls)),
            _ => {}
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(name) = open.pop() {
        if reached.insert(&*name.value) {
            open.extend(composed.get(&*name.value).into_iter().flatten());
        }
    }
    reached
}

/// Puts fragments behind those that they compose.
struct Order<'c, 'n> {
    composed: &'c BTreeMap<&'n str, Vec<&'n Name>>,
    ordered: Vec<&'n str>,
    path: Vec<&'n str>,
    depths: BTreeMap<&'n str, usize>,
    cyclic: BTreeSet<&'n str>,
}

impl<'n> Order<'_, 'n> {
    /// Returns how deep the fragment is composed, itself included.
    fn place(&mut self, name: &'n str, diagnostics: &mut Diagnostics) -> usize {
        if let Some(depth) = self.depths.get(name) {
            return *depth;
        }
        self.path.push(name);
        let mut depth = 0;
        let composed = self.composed;
        for next in composed.get(name).into_iter().flatten() {
            if let Some(from) = self.path.iter().position(|it| *it == &*next.value) {
                let cycle = &self.path[from..];
                if !cycle.iter().any(|it| self.cyclic.contains(it)) {
                    let title = format!(
                        "these fragments compose one another: {} → {}",
                        cycle.join(" → "),
                        next.value
                    );
                    diagnostics.push(Diagnostic::new("cycle", next.span, title).label("can never end"));
                }
                self.cyclic.extend(cycle);
            } else if composed.contains_key(&*next.value) {
                depth = depth.max(self.place(&next.value, diagnostics));
            }
        }
        self.path.pop();
        self.depths.insert(name, depth + 1);
        self.ordered.push(name);
        depth + 1
    }
}
