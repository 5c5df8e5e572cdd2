//! Params: those that a composition declares, and those that a binding of google.api.http reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::types::{Types, Way, comment};
use super::{Facets, Kind, Location, Param, PathPart, Type, Written};
use crate::codec::{HttpBinding, Int64, JsonOptions};
use crate::expr::{Renderer, Slot, Type as ExprType, Value};
use crate::plan::{self, Absent, CallKind, Constraint, Graph, GrpcRequest, Member, Recipe, Template};
use crate::schema::{Kind as FieldKind, MessageRef};

/// What params are made of.
pub(super) struct Sources<'s> {
    pub(super) recipe: &'s Recipe,
    pub(super) binding: Option<&'s HttpBinding>,
    /// The names of the path's variables, in order.
    pub(super) variables: &'s [String],
    pub(super) path: &'s [PathPart],
}

/// All params of an endpoint: those of the path first, in its order.
pub(super) fn describe(sources: &Sources<'_>, types: &mut Types) -> Vec<Param> {
    let comments = comments(&sources.recipe.graph);
    let mut declared: Vec<Param> = Vec::new();
    for it in &sources.recipe.inputs.params {
        let location = match &it.location {
            plan::Location::Cookie => Location::Cookie,
            plan::Location::Header(_) => Location::Header,
            plan::Location::Path(_) => Location::Path,
            plan::Location::Query => Location::Query,
        };
        let name = match &it.location {
            plan::Location::Header(name) => name.as_str().to_owned(),
            _ => it.wire_name.to_string(),
        };
        declared.push(Param {
            name,
            location,
            ty: of_param(&it.ty, types),
            required: matches!(it.absent, Absent::Refuse),
            default: default(it),
            facets: facets(it),
            description: comments.get(&it.slot).and_then(|it| comment(Some(it))),
            deprecated: false,
        });
    }
    let bound = sources.binding.map(|it| bound(it, types)).unwrap_or_default();
    let mut all: Vec<Param> = Vec::new();
    for it in bound {
        // What a composition demands of a param is demanded of the binding's too.
        let said = declared
            .iter()
            .position(|other| other.location == it.location && other.name == it.name);
        let said = said.map(|at| declared.remove(at));
        all.push(match said {
            Some(said) => Param {
                required: it.required || said.required,
                facets: said.facets,
                ..it
            },
            None => it,
        });
    }
    all.extend(declared);
    if sources.recipe.select {
        all.push(Param {
            name: "fields".to_owned(),
            location: Location::Query,
            ty: Type::of(Kind::String),
            required: false,
            default: None,
            facets: Facets::default(),
            description: Some(
                "The members that are wanted, nested ones in parentheses: `title,reviews(stars,text)`. What is not \
                 wanted is left out, required or not."
                    .to_owned(),
            ),
            deprecated: false,
        });
    }
    in_order(sources, all)
}

/// Params of the path stand where the path's variables have them; a wildcard without a name gets one.
fn in_order(sources: &Sources<'_>, mut all: Vec<Param>) -> Vec<Param> {
    let n_in_path = sources
        .path
        .iter()
        .filter(|it| matches!(it, PathPart::Variable { .. }))
        .count();
    let mut ordered = Vec::new();
    for at in 0..n_in_path {
        let name = match sources.variables.get(at) {
            Some(name) => name.clone(),
            None if n_in_path == sources.variables.len() + 1 => "segment".to_owned(),
            None => format!("segment_{}", at + 1 - sources.variables.len()),
        };
        let found = all
            .iter()
            .position(|it| it.location == Location::Path && it.name == name);
        ordered.push(match found {
            Some(at) => all.remove(at),
            None => Param {
                name,
                location: Location::Path,
                ty: Type::of(Kind::String),
                required: true,
                default: None,
                facets: Facets::default(),
                description: None,
                deprecated: false,
            },
        });
    }
    for param in &mut ordered {
        param.required = true;
    }
    all.retain(|it| it.location != Location::Path);
    all.sort_by_key(|it| it.location);
    ordered.extend(all);
    ordered
}

/// Text on the wire: what may be null is absent, and whole numbers are digits.
fn of_param(ty: &ExprType, types: &mut Types) -> Type {
    let mut ty = types.of_type(ty, Way::In);
    ty.nullable = false;
    plain(&mut ty);
    ty
}

fn plain(ty: &mut Type) {
    match &mut ty.kind {
        Kind::Integer(integer) => integer.written = Written::Number,
        Kind::List(element) => plain(element),
        _ => {}
    }
}

fn bound(binding: &HttpBinding, types: &mut Types) -> Vec<Param> {
    let described = binding.params().into_iter().map(|it| Param {
        location: if it.variable.is_some() {
            Location::Path
        } else {
            Location::Query
        },
        ty: of_param(&ExprType::of_field(&it.owner, &it.field), types),
        required: it.variable.is_some() || it.field.behavior.required && !it.name.contains('.'),
        default: None,
        facets: Facets::default(),
        description: comment(it.field.comment.as_ref()),
        deprecated: it.field.deprecated,
        name: it.name,
    });
    described.collect()
}

/// A value as JSON, whole numbers as numbers.
fn json(value: &Value, ty: &ExprType) -> Option<Json> {
    let options = JsonOptions {
        int64: Int64::Number,
        ..JsonOptions::default()
    };
    let mut out = Vec::new();
    Renderer::compile(ty, options).render(value, &mut out).ok()?;
    serde_json::from_slice(&out).ok()
}

/// What absence means, where the file says it: what is optional and has a zero is not said to have that as its default.
fn default(param: &plan::Param) -> Option<Json> {
    match &param.absent {
        Absent::Value(value) if param.has_default => json(value, &param.ty),
        _ => None,
    }
}

fn facets(param: &plan::Param) -> Facets {
    let ty = param.ty.element().unwrap_or(&param.ty);
    let mut facets = Facets::default();
    for constraint in &param.constraints {
        match constraint {
            Constraint::MaxLength(length) => facets.max_length = Some(*length),
            Constraint::Maximum(value) => facets.maximum = json(value, ty),
            Constraint::MinLength(length) => facets.min_length = Some(*length),
            Constraint::Minimum(value) => facets.minimum = json(value, ty),
            Constraint::OneOf(values) => facets.one_of = values.iter().filter_map(|it| json(it, ty)).collect(),
            Constraint::Pattern(pattern) => facets.pattern = Some(pattern.as_str().to_owned()),
        }
    }
    facets
}

/// What the fields of requests say that an input fills, by its slot.
pub(super) fn comments(graph: &Graph) -> BTreeMap<Slot, Arc<str>> {
    let mut found = BTreeMap::new();
    of_graph(graph, &mut found);
    found
}

fn of_graph(graph: &Graph, found: &mut BTreeMap<Slot, Arc<str>>) {
    for call in &graph.calls {
        match &call.kind {
            CallKind::Grpc(grpc) => {
                if let GrpcRequest::Template { template, .. } = &grpc.request {
                    of_request(template, &grpc.input, found);
                }
            }
            CallKind::For(it) => of_graph(&it.graph, found),
            CallKind::Compose { .. } | CallKind::Http(_) | CallKind::Value(_) => {}
        }
    }
}

fn of_request(template: &Template, message: &MessageRef, found: &mut BTreeMap<Slot, Arc<str>>) {
    let Template::Object(members) = template else { return };
    for member in members {
        let Member::Field { name, template, .. } = member else {
            continue;
        };
        let Some(field) = message.field(name) else { continue };
        match (template, field.kind) {
            (Template::Expression { program, .. }, _) => {
                if let (Some(slot), Some(comment)) = (program.is_slot(), &field.comment) {
                    found.entry(slot).or_insert_with(|| comment.clone());
                }
            }
            (Template::Object(_), FieldKind::Message(index)) => of_request(template, &message.sibling(index), found),
            _ => {}
        }
    }
}
