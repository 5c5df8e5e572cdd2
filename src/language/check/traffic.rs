//! `split:` and `mirror:` of backends: who gets which part of the requests, and whether they understand the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::BackendSchema;
use super::balance::scalar;
use super::claims::Asked;
use super::of_request::of_request;
use super::outline;
use super::world::World;
use crate::expr::TypeKind;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::spec::{self, Name};
use crate::plan::{self, BackendIndex, CallKind, Copied, Graph, MethodIndex, Plan, Portion, RequestPart};
use crate::schema::{Cardinality, Kind, MessageIndex, MessageRef, Method, Schema};

/// What is known of the backends' types, where one that is split has those of the first that it is split between.
pub(super) fn schemas(gateway: &spec::Gateway, given: &[BackendSchema]) -> Vec<BackendSchema> {
    let of = |at: usize, written: &spec::Backend| {
        let first = written.split.first().map(|it| &it.to.value);
        let first = first.and_then(|name| gateway.backends.iter().position(|it| it.name.value == *name));
        given.get(first.unwrap_or(at)).cloned().unwrap_or(BackendSchema::None)
    };
    gateway.backends.iter().enumerate().map(|(at, it)| of(at, it)).collect()
}

/// Whether a backend gets calls of another, which is then meant where both serve a service.
pub(super) fn stands_behind(gateway: &spec::Gateway, name: &str) -> bool {
    gateway.backends.iter().any(|it| {
        let parts = it.split.iter().map(|it| &it.to);
        parts
            .chain(it.mirror.iter().map(|it| &it.to))
            .chain(&it.failover)
            .any(|it| &*it.value == name)
    })
}

/// Fills in splits and mirrors.
pub(super) fn check(world: &World<'_>, backends: &mut [plan::Backend], diagnostics: &mut Diagnostics) {
    for (at, written) in world.gateway.backends.iter().enumerate() {
        if !written.split.is_empty() {
            let split = split(world, at, written, backends, diagnostics);
            if let (Some(split), Some(first)) = (split, written.split.first()) {
                let protocol = world.backend(&first.to, &mut Diagnostics::default());
                let protocol = protocol.and_then(|it| Some(backends.get(it.0)?.protocol));
                if let (Some(backend), Some(protocol)) = (backends.get_mut(at), protocol) {
                    (backend.split, backend.protocol) = (Some(Arc::new(split)), protocol);
                }
            }
        }
        if let Some(mirror) = &written.mirror {
            let mirror = self::mirror(world, at, mirror, backends, diagnostics);
            if let Some(backend) = backends.get_mut(at) {
                backend.mirror = mirror.map(Arc::new);
            }
        }
    }
}

fn split(
    world: &World<'_>,
    at: usize,
    written: &spec::Backend,
    backends: &[plan::Backend],
    diagnostics: &mut Diagnostics,
) -> Option<plan::Split> {
    let mut portions: Vec<Portion> = Vec::new();
    for part in &written.split {
        let Some(to) = other(world, at, &part.to, backends, diagnostics) else {
            continue;
        };
        let protocol = |it: BackendIndex| backends.get(it.0).map(|it| it.protocol);
        if portions.first().is_some_and(|it| protocol(it.to) != protocol(to)) {
            let title = format!("`{}` speaks another protocol", part.to.value);
            diagnostics.push(
                Diagnostic::new("wrong-backend", part.to.span, title)
                    .label("all parts must understand the same requests"),
            );
        }
        let weight = part
            .weight
            .as_ref()
            .map_or(0, |it| u32::try_from(it.value).unwrap_or(u32::MAX));
        if portions.iter().any(|it| it.to == to) {
            let title = format!("`{}` stands twice", part.to.value);
            diagnostics.push(Diagnostic::new("contradiction", part.to.span, title).label("one entry says it all"));
        } else if part.weight.is_none() && part.when.is_none() {
            let title = format!("`{}` would get nothing", part.to.value);
            let wrong = Diagnostic::new("contradiction", part.to.span, title);
            diagnostics.push(wrong.label("give it a `weight`, or a `when`"));
        }
        let when = part.when.as_ref().and_then(|it| {
            of_request(world, it, Asked::any(&world.auth), diagnostics, |unit, scope| {
                let checked = unit.expression(it, scope)?;
                let is_bool = matches!(checked.ty.kind, TypeKind::Bool | TypeKind::Unknown);
                if !is_bool {
                    let wrong = Diagnostic::new("wrong-type", it.whole(), "`when` must be a bool");
                    unit.push(wrong.label(format!("this is `{}`", checked.ty)));
                }
                is_bool.then_some(checked)
            })
        });
        portions.push(Portion { to, weight, when });
    }
    let sticky = written.sticky.as_ref();
    let sticky = sticky.and_then(|it| scalar(world, it, "parts", diagnostics));
    if portions.len() < written.split.len() {
        return None;
    }
    if portions.iter().all(|it| it.weight == 0) {
        let span = written.split.first().map_or(written.name.span, |it| it.span);
        let wrong = Diagnostic::new("contradiction", span, "no part has a weight");
        diagnostics.push(wrong.label("who gets the requests for which no `when` holds?"));
    }
    Some(plan::Split { portions, sticky })
}

fn mirror(
    world: &World<'_>,
    at: usize,
    written: &spec::Mirror,
    backends: &[plan::Backend],
    diagnostics: &mut Diagnostics,
) -> Option<plan::Mirror> {
    let to = other(world, at, &written.to, backends, diagnostics)?;
    let (here, there) = (backends.get(at)?, backends.get(to.0)?);
    if here.protocol != there.protocol {
        let title = format!("`{}` speaks another protocol", written.to.value);
        let wrong = Diagnostic::new("wrong-backend", written.to.span, title);
        diagnostics.push(wrong.label("a mirror must understand the same requests"));
        return None;
    }
    let behind = world.gateway.backends.get(to.0)?;
    if behind.mirror.is_some() || behind.failover.is_some() {
        let title = format!("`{}` hands its calls on itself", written.to.value);
        let wrong = Diagnostic::new("contradiction", written.to.span, title);
        diagnostics.push(wrong.label("a mirror has no `mirror` and no `failover`"));
        return None;
    }
    let number = |it: Option<u64>, otherwise| it.map_or(otherwise, |it| u32::try_from(it).unwrap_or(u32::MAX));
    Some(plan::Mirror {
        to,
        share: number(written.share.as_ref().map(|it| it.value), 100),
        concurrency: number(written.concurrency.as_ref().map(|it| it.value), 16),
        also_unsafe: written.is_unsafe.as_ref().is_some_and(|it| it.value),
        ignore: written.ignore.iter().map(|it| it.value.clone()).collect(),
        timeout: there.timeout,
        methods: Vec::new(),
    })
}

/// Another backend, which is not split itself.
fn other(
    world: &World<'_>,
    at: usize,
    name: &Name,
    backends: &[plan::Backend],
    diagnostics: &mut Diagnostics,
) -> Option<BackendIndex> {
    let to = world.backend(name, diagnostics)?;
    let is_split = world.gateway.backends.get(to.0).is_some_and(|it| !it.split.is_empty());
    if to.0 == at || is_split || to.0 >= backends.len() {
        let title = format!("`{}` has no targets of its own", name.value);
        let label = if to.0 == at {
            "this is the backend itself"
        } else {
            "it is split, too"
        };
        diagnostics.push(Diagnostic::new("wrong-backend", name.span, title).label(label));
        return None;
    }
    Some(to)
}

/// Once all methods are known: says who does not understand what it will be asked, how answers are compared with those of
/// mirrors, and which endpoints depend on a split.
pub(super) fn finish(world: &World<'_>, plan: &mut Plan, diagnostics: &mut Diagnostics) {
    for (at, written) in world.gateway.backends.iter().enumerate() {
        let Some(backend) = plan.backends.get(at) else { continue };
        let names = written.split.iter().map(|it| &it.to);
        for (portion, name) in backend.split.iter().flat_map(|it| &it.portions).zip(names) {
            for method in &backend.methods {
                if let Some(wrong) = mismatch(world, (BackendIndex(at), portion.to), name, method) {
                    diagnostics.push(wrong);
                }
            }
        }
        let (Some(mirror), Some(written)) = (&backend.mirror, &written.mirror) else {
            continue;
        };
        // Nobody gets what it answers: that it answers otherwise may be what is to be seen.
        for method in &backend.methods {
            if let Some(wrong) = mismatch(world, (BackendIndex(at), mirror.to), &written.to, method) {
                let severity = Severity::Warning;
                diagnostics.push(Diagnostic { severity, ..wrong });
            }
        }
        let numbers = plan
            .backends
            .get(mirror.to.0)
            .map(|it| &*it.methods)
            .unwrap_or_default();
        let copied = backend.methods.iter().map(|name| {
            Some(Copied {
                method: MethodIndex(numbers.iter().position(|it| it == name)?),
                reply: reply(world, at, name),
            })
        });
        let mirror = plan::Mirror {
            methods: copied.collect::<Option<_>>().unwrap_or_default(),
            ..plan::Mirror::clone(mirror)
        };
        if let Some(backend) = plan.backends.get_mut(at) {
            backend.mirror = Some(Arc::new(mirror));
        }
    }
    depend(world, plan);
}

/// A method as a backend's descriptors have it.
fn declared<'s>(schema: &'s Schema, method: &str) -> Option<&'s Method> {
    let (service, name) = method.split_once('/')?;
    let service = schema.find_service(service)?;
    service.methods.iter().find(|it| *it.name == *name)
}

fn reply(world: &World<'_>, at: usize, method: &str) -> Option<MessageRef> {
    let BackendSchema::Known(schema) = world.schemas.get(at)? else {
        return None;
    };
    let output = declared(schema, method)?.output;
    Some(MessageRef::new(schema.clone(), output))
}

/// What is wrong where a backend has not the method that it is to be called with, or means something else by it.
fn mismatch(
    world: &World<'_>,
    (from, to): (BackendIndex, BackendIndex),
    name: &Name,
    method: &str,
) -> Option<Diagnostic> {
    let known = |at: BackendIndex| match world.schemas.get(at.0) {
        Some(BackendSchema::Known(schema)) => Some(schema),
        _ => None,
    };
    let (here, there) = (known(from)?, known(to)?);
    if Arc::ptr_eq(here, there) {
        return None;
    }
    let ours = declared(here, method)?;
    let Some(theirs) = declared(there, method) else {
        let title = format!("`{}` does not serve `{method}`", name.value);
        let wrong = Diagnostic::new("unknown-method", name.span, title);
        return Some(wrong.label("it would get calls of this method"));
    };
    let mut seen = BTreeSet::new();
    let mut differs = |a, b| difference((here, a), (there, b), &mut seen);
    let (place, why) = differs(ours.input, theirs.input).or_else(|| differs(ours.output, theirs.output))?;
    let title = format!("`{}` means something else by `{place}` of `{method}`", name.value);
    Some(Diagnostic::new("wrong-type", name.span, title).label(why))
}

/// The first field of one message that the other does not have as it is: fields that only the other has are none of ours.
fn difference(
    (here, a): (&Arc<Schema>, MessageIndex),
    (there, b): (&Arc<Schema>, MessageIndex),
    seen: &mut BTreeSet<(usize, usize)>,
) -> Option<(String, String)> {
    if !seen.insert((a.0 as usize, b.0 as usize)) {
        return None;
    }
    let (a, b) = (MessageRef::new(here.clone(), a), MessageRef::new(there.clone(), b));
    for field in &a.fields {
        let place = || format!("{}.{}", a.full_name, field.name);
        let Some(other) = b.fields.iter().find(|it| it.number == field.number) else {
            return Some((place(), "it has no such field".to_owned()));
        };
        let cardinality = |it: &Cardinality| match it {
            Cardinality::Map(_) => 2,
            Cardinality::Repeated => 1,
            Cardinality::Singular => 0,
        };
        if field.name != other.name || cardinality(&field.cardinality) != cardinality(&other.cardinality) {
            return Some((
                place(),
                format!("field {} is another one there: `{}`", field.number, other.name),
            ));
        }
        match (field.kind, other.kind) {
            (Kind::Message(a), Kind::Message(b)) => {
                if let Some(found) = difference((here, a), (there, b), seen) {
                    return Some(found);
                }
            }
            (Kind::Enum(a), Kind::Enum(b)) if here.enumeration(a).full_name == there.enumeration(b).full_name => {}
            (a, b) if a == b && !matches!(a, Kind::Enum(_)) => {}
            _ => return Some((place(), "its type is another one there".to_owned())),
        }
    }
    None
}

/// Which endpoints call a backend that is split: an answer of theirs is the answer of the parts that it came from.
fn depend(world: &World<'_>, plan: &mut Plan) {
    let is_credential = |name: &str| {
        let mut read = world.auth.iter().flat_map(|it| &it.headers);
        outline::is_credential(name) || read.any(|it| **it == *name)
    };
    let mut of_fragments: Vec<BTreeSet<BackendIndex>> = Vec::new();
    for fragment in &plan.fragments {
        let mut found = BTreeSet::new();
        split_in(&fragment.graph, &plan.backends, &of_fragments, &mut found);
        of_fragments.push(found);
    }
    for endpoint in &mut plan.endpoints {
        let Ok(recipe) = &mut endpoint.recipe else { continue };
        let mut found = BTreeSet::new();
        split_in(&recipe.graph, &plan.backends, &of_fragments, &mut found);
        for split in found.iter().filter_map(|it| plan.backends.get(it.0)?.split.as_ref()) {
            let read = split
                .portions
                .iter()
                .filter_map(|it| it.when.as_ref())
                .chain(&split.sticky);
            for inputs in read.map(|it| &it.inputs) {
                recipe.identity |= !inputs.claims.is_empty();
                for (part, _) in &inputs.request {
                    match part {
                        RequestPart::Header(name) => {
                            recipe.identity |= is_credential(name.as_str());
                            recipe.vary.push(name.clone());
                        }
                        RequestPart::Id | RequestPart::Method | RequestPart::Path => {}
                        RequestPart::RemoteIp => recipe.identity = true,
                    }
                }
            }
        }
        recipe.private |= recipe.identity;
        recipe.vary.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        recipe.vary.dedup();
        recipe.splits = found.into_iter().collect();
    }
}

fn split_in(
    graph: &Graph,
    backends: &[plan::Backend],
    of_fragments: &[BTreeSet<BackendIndex>],
    found: &mut BTreeSet<BackendIndex>,
) {
    for call in &graph.calls {
        let backend = match &call.kind {
            CallKind::Grpc(grpc) => grpc.backend,
            CallKind::Http(http) => http.backend,
            CallKind::For(each) => {
                split_in(&each.graph, backends, of_fragments, found);
                continue;
            }
            CallKind::Compose { fragment, .. } => {
                found.extend(of_fragments.get(fragment.0).into_iter().flatten());
                continue;
            }
            CallKind::Value(_) => continue,
        };
        if backends.get(backend.0).is_some_and(|it| it.split.is_some()) {
            found.insert(backend);
        }
    }
}
