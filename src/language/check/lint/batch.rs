//! One call for each element, where the service has a method that answers for all of them at once (AIP-231).

use super::super::outline::{CallId, GraphId};
use super::super::unit::{Target, Unit};
use super::super::walk::{Site, Walker};
use super::super::world::Served;
use crate::language::diagnostic::Diagnostic;
use crate::language::spec::{CallKind, Expression, Member, Name, Template, TemplateKind};
use crate::schema::{Cardinality, Field, Kind, Message, Method, Streaming};

/// Says which batch call to write in place of the calls of a loop.
pub(super) fn check(unit: &mut Unit<'_, '_>) {
    let outline = unit.outline;
    let mut found = Vec::new();
    for at in 0..outline.calls.len() {
        let id = CallId(at);
        let graph = outline.call(id).graph;
        let around = outline.graph(graph).parent;
        let Some((around, variable)) = around.zip(outline.graph(graph).variable) else {
            continue;
        };
        let Target::Grpc { served, .. } = &unit.targets[at] else {
            continue;
        };
        let (Some(batch), true) = (sibling(served), reads(unit, id, variable)) else {
            continue;
        };
        let name = &outline.call(id).spec.name;
        let title = format!(
            "`{}` is called for each element, and `{}` can do it at once",
            served.method.name, batch.name
        );
        let mut warning = Diagnostic::warning("call-per-element", method_span(unit, id), title)
            .label("as many calls as the list has elements");
        if let Some((call, result)) = advice(unit, id, around, variable, served, batch) {
            warning = warning
                .help(call)
                .note(format!("`{result}` then stands where `{}` stood", name.value));
        }
        found.push(warning);
    }
    for it in found {
        unit.push(it);
    }
}

fn method_span(unit: &Unit<'_, '_>, id: CallId) -> crate::language::source::Span {
    let spec = unit.outline.call(id).spec;
    match &spec.kind {
        Some(CallKind::Grpc { method, .. }) => method.span,
        _ => spec.name.span,
    }
}

/// `BatchGetUsers` of `GetUser`.
fn sibling<'s>(served: &Served<'s>) -> Option<&'s Method> {
    let one = served.method.name.strip_prefix("Get")?;
    served.service.methods.iter().find(|it| {
        let many = it.name.strip_prefix("BatchGet").unwrap_or_default();
        let stem = one.strip_suffix('y').unwrap_or(one);
        let is_plural = many == one
            || many.strip_suffix('s') == Some(one)
            || many.strip_suffix("es") == Some(one)
            || (stem != one && many.strip_suffix("ies") == Some(stem));
        is_plural && !one.is_empty() && it.streaming == Streaming::Unary
    })
}

/// Whether the request of a call is made of the element.
fn reads(unit: &Unit<'_, '_>, id: CallId, variable: &Name) -> bool {
    let mut found = false;
    let mut walker = Walker::new(Vec::new(), |site: &Site<'_, '_>| {
        found |= !site.fallback
            && site
                .expression
                .ast
                .mentions()
                .iter()
                .any(|it| *it.root == *variable.value);
    });
    walker.call(unit.outline.call(id).spec, &super::super::walk::Wants::default());
    drop(walker);
    found
}

/// The batch call, and what is read of it in place of the call's result. `None` where the request is not made of one member
/// of the element alone.
fn advice(
    unit: &Unit<'_, '_>,
    id: CallId,
    around: CallId,
    variable: &Name,
    served: &Served<'_>,
    batch: &Method,
) -> Option<(String, String)> {
    let outline = unit.outline;
    let Some(CallKind::Grpc {
        request: Some(request), ..
    }) = &outline.call(id).spec.kind
    else {
        return None;
    };
    let (field, value) = only_member(request)?;
    let mut mentions = value.ast.mentions().into_iter();
    if mentions.next().is_none_or(|it| *it.root != *variable.value) || mentions.next().is_some() {
        return None;
    }
    let Some(CallKind::For { list, .. }) = &outline.call(around).spec.kind else {
        return None;
    };
    let keys = only(served.schema.message(batch.input), |it| {
        it.cardinality == Cardinality::Repeated && !matches!(it.kind, Kind::Message(_))
    })?;
    let items = only(served.schema.message(batch.output), |it| {
        it.cardinality == Cardinality::Repeated && it.kind == Kind::Message(served.method.output)
    })?;
    let key = served.schema.message(served.method.output).field(&field.value)?;
    let name = free_name(unit, outline.call(around).graph, &items.name, &key.name);
    let source = value.source().trim();
    let ids = format!("${}.map({}, {source})", list.source().trim(), variable.value);
    let quote = if ids.contains('"') { '\'' } else { '"' };
    let call = format!(
        "{name}: {{ grpc: {}/{}, request: {{ {}: {quote}{ids}{quote} }}, index_by: {}.{} }}",
        served.service.full_name, batch.name, keys.name, items.name, key.name
    );
    Some((call, format!("{name}[{source}]")))
}

/// The one member of a request that has but one, and that an expression.
fn only_member(request: &Template) -> Option<(&Name, &Expression)> {
    let TemplateKind::Object(members) = &request.kind else {
        return None;
    };
    match members.as_slice() {
        [
            Member::Field(
                name,
                Template {
                    kind: TemplateKind::Expression(value),
                    ..
                },
            ),
        ] => Some((name, value)),
        _ => None,
    }
}

fn only(message: &Message, wanted: impl Fn(&Field) -> bool) -> Option<&Field> {
    let mut found = message.fields.iter().filter(|it| wanted(it));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A name for a call that nothing else has.
fn free_name(unit: &Unit<'_, '_>, graph: GraphId, items: &str, key: &str) -> String {
    let is_free = |name: &String| {
        unit.outline.taken(name).is_none()
            && unit.outline.meaning(graph, std::iter::empty(), name).is_none()
            && crate::language::spec::scalar::check_name(name).is_ok()
    };
    let names = [
        items.to_owned(),
        format!("{items}_by_{key}"),
        format!("all_{items}_by_{key}"),
    ];
    names.into_iter().find(is_free).unwrap_or_else(|| "batch".to_owned())
}
