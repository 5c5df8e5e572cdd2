//! `params:` → [`Param`]: where each comes from, its type, what its absence means and what is demanded of it.

use std::sync::Arc;

use http::HeaderName;

use super::constraint;
use super::infer::{Use, agreed, intersection, is_null_when_absent};
use super::literal;
use super::outline::ParamNode;
use super::world::{World, listed};
use crate::expr::{IntRange, Slot, Type, TypeKind, Value};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Spanned;
use crate::language::spec::{self, Literal, ParamType};
use crate::plan::{Absent, Location, Param};
use crate::schema::suggest;

/// Where params of an endpoint can come from, or that of a fragment, which get their values from `with`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'p> {
    /// The variables of the path.
    Endpoint(&'p [String]),
    Fragment,
}

/// Checks one input.
pub(super) fn check(
    world: &World<'_>,
    node: &ParamNode<'_>,
    uses: &[Use],
    (slot, from): (Slot, Origin<'_>),
    diagnostics: &mut Diagnostics,
) -> Param {
    let wire_name = node
        .spec
        .and_then(|it| it.wire_name.as_ref())
        .map_or_else(|| node.name.clone(), |it| it.value.clone());
    let location = match from {
        Origin::Endpoint(variables) => location(node, &wire_name, variables, diagnostics),
        Origin::Fragment => Location::Query,
    };
    let mut ty = type_of(world, node, uses, diagnostics);
    if let Origin::Endpoint(_) = from {
        check_kind(node, &ty, &location, diagnostics);
    }
    let absent = absence(node, &mut ty, uses, &location, diagnostics);
    let constraints = node
        .spec
        .map(|it| constraint::all(it, &ty, &absent, diagnostics))
        .unwrap_or_default();
    if let (Origin::Fragment, Some(spec)) = (from, node.spec) {
        refuse_in_fragment(spec, diagnostics);
    }
    Param {
        name: node.name.clone(),
        wire_name,
        location,
        ty,
        slot,
        absent,
        has_default: node
            .spec
            .and_then(|it| it.default.as_ref())
            .is_some_and(|it| it.value != Literal::Null),
        constraints,
        origin: world.origin(node.span),
    }
}

fn location(
    node: &ParamNode<'_>,
    wire_name: &Arc<str>,
    variables: &[String],
    diagnostics: &mut Diagnostics,
) -> Location {
    let of_path = variables.iter().position(|it| **it == **wire_name);
    let Some(spec) = node.spec else {
        return Location::Path(of_path.unwrap_or_default());
    };
    let name_span = spec.wire_name.as_ref().map_or(spec.name.span, |it| it.span);
    match (spec.location.as_ref().map(|it| it.value), of_path) {
        (None | Some(spec::Location::Path), Some(at)) => Location::Path(at),
        (None, None) if spec.lost => Location::Query,
        (None, None) => {
            let title = format!("where does `{}` come from?", node.name);
            diagnostics.push(
                Diagnostic::new("missing-key", spec.name.span, title)
                    .label("not a variable of the path")
                    .help("in: query"),
            );
            Location::Query
        }
        (Some(spec::Location::Path), None) => {
            let label = match suggest::nearest(wire_name, variables.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the path has {}", listed(variables.iter().map(String::as_str))),
            };
            let title = format!("the path has no variable `{wire_name}`");
            diagnostics.push(Diagnostic::new("unknown-path-variable", name_span, title).label(label));
            Location::Query
        }
        (Some(spec::Location::Query), _) => Location::Query,
        (Some(spec::Location::Cookie), _) => Location::Cookie,
        (Some(spec::Location::Header), _) => {
            let Ok(name) = HeaderName::from_bytes(wire_name.to_ascii_lowercase().as_bytes()) else {
                let title = format!("`{wire_name}` is not the name of a header");
                diagnostics.push(Diagnostic::new("wrong-header", name_span, title));
                return Location::Query;
            };
            Location::Header(name)
        }
    }
}

/// In the order of semantics.md 1.6.
fn type_of(world: &World<'_>, node: &ParamNode<'_>, uses: &[Use], diagnostics: &mut Diagnostics) -> Type {
    let declared = node
        .spec
        .and_then(|it| it.ty.as_ref())
        .map(|it| declared(world, it, diagnostics));
    if let Some(declared) = declared {
        // An integer that is declared keeps to what its places can hold, so that too large a number is a 400.
        let ranges = uses.iter().filter_map(|it| match &it.place.as_ref()?.ty.kind {
            TypeKind::Int(range) => Some(*range),
            _ => None,
        });
        return match declared.kind {
            TypeKind::Int(range) => Type::of(TypeKind::Int(ranges.fold(range, intersection))),
            _ => declared,
        };
    }
    if let Some(ty) = agreed(&node.name, uses, diagnostics) {
        return ty;
    }
    let literals = node
        .spec
        .into_iter()
        .flat_map(|it| [&it.default, &it.minimum, &it.maximum]);
    let natural = literals
        .flatten()
        .map(|it| literal::natural(&it.value).0)
        .find(|it| !matches!(it.kind, TypeKind::Null));
    natural.unwrap_or_else(|| Type::of(TypeKind::String))
}

/// `type:`.
fn declared(world: &World<'_>, written: &Spanned<ParamType>, diagnostics: &mut Diagnostics) -> Type {
    fn read(world: &World<'_>, ty: &ParamType) -> Result<Type, Arc<str>> {
        let kind = match ty {
            ParamType::List(element) => return Ok(super::expression::list_of(read(world, element)?)),
            ParamType::Named(name) => match &**name {
                "string" => TypeKind::String,
                "int" => TypeKind::Int(IntRange::PLAIN),
                "double" => TypeKind::Double { single: false },
                "bool" => TypeKind::Bool,
                "timestamp" => TypeKind::Timestamp,
                "duration" => TypeKind::Duration,
                "bytes" => TypeKind::Bytes,
                "any" => TypeKind::Any,
                other => return world.find_type(other).map(Type::not_null).ok_or_else(|| name.clone()),
            },
        };
        Ok(Type::of(kind))
    }
    read(world, &written.value).unwrap_or_else(|name| {
        let keywords = [
            "string",
            "int",
            "double",
            "bool",
            "timestamp",
            "duration",
            "bytes",
            "any",
        ];
        let elsewhere = match &*name {
            "integer" | "int32" | "int64" | "long" => Some("int"),
            "number" | "float" | "float32" | "float64" => Some("double"),
            "boolean" => Some("bool"),
            "text" | "str" | "uuid" => Some("string"),
            "datetime" | "date-time" => Some("timestamp"),
            _ => None,
        };
        let label = match elsewhere.or_else(|| suggest::nearest(&name, keywords)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a message or enum by its full name, or one of {}", listed(keywords)),
        };
        let title = format!("there is no type `{name}`");
        diagnostics.push(Diagnostic::new("unknown-type", written.span, title).label(label));
        Type::unknown()
    })
}

/// The backend without descriptors that may declare a type which the others do not.
pub(super) fn may_be_of(world: &World<'_>, ty: &ParamType) -> Option<Arc<str>> {
    match ty {
        ParamType::List(element) => may_be_of(world, element),
        ParamType::Named(name) if name.contains('.') && world.find_type(name).is_none() => world.first_missing(),
        ParamType::Named(_) => None,
    }
}

/// Only what text can say may come from a path, query, header or cookie.
fn check_kind(node: &ParamNode<'_>, ty: &Type, location: &Location, diagnostics: &mut Diagnostics) {
    let scalar = |ty: &Type| {
        matches!(
            ty.kind,
            TypeKind::Bool
                | TypeKind::Bytes
                | TypeKind::Double { .. }
                | TypeKind::Duration
                | TypeKind::Enum(_)
                | TypeKind::Int(_)
                | TypeKind::String
                | TypeKind::Timestamp
                | TypeKind::Unknown
        )
    };
    let fits = match &ty.kind {
        TypeKind::List(element) => matches!(location, Location::Query) && scalar(element),
        _ => scalar(ty),
    };
    if !fits {
        let (place, help) = match location {
            Location::Path(_) => ("a path", None),
            Location::Query => ("a query parameter", None),
            Location::Header(_) => ("a header", Some("in: query")),
            Location::Cookie => ("a cookie", Some("in: query")),
        };
        let title = format!("`{}` is a `{ty}`, which {place} cannot carry", node.name);
        let mut wrong =
            Diagnostic::new("wrong-type", node.span, title).label("only scalars, and lists of them in the query");
        wrong.help = help.filter(|_| matches!(ty.kind, TypeKind::List(_))).map(str::to_owned);
        diagnostics.push(wrong);
    }
}

/// What absence means; sets the type's nullability to that.
fn absence(
    node: &ParamNode<'_>,
    ty: &mut Type,
    uses: &[Use],
    location: &Location,
    diagnostics: &mut Diagnostics,
) -> Absent {
    ty.nullable = false;
    let Some(spec) = node.spec else { return Absent::Refuse };
    let is_optional = spec.optional.as_ref().is_some_and(|it| it.value);
    let default = spec.default.as_ref();
    if let (Location::Path(_), Some(span)) = (
        location,
        default
            .map(|it| it.span)
            .or_else(|| spec.optional.as_ref().filter(|it| it.value).map(|it| it.span)),
    ) {
        let title = format!("`{}` is a variable of the path, which is always there", node.name);
        diagnostics.push(Diagnostic::new("misplaced-key", span, title).label("remove this"));
        return Absent::Refuse;
    }
    match default {
        Some(default) if default.value != Literal::Null => {
            if is_optional {
                let title = format!("`{}` has a default, so that it is never absent", node.name);
                diagnostics.push(
                    Diagnostic::new("wrong-value", default.span, title).label("write either `default` or `optional`"),
                );
            }
            match literal::typed(&default.value, ty) {
                Ok(value) => Absent::Value(value),
                Err(error) => {
                    diagnostics.push(Diagnostic::new(error.code, default.span, error.title).label(error.label));
                    Absent::Refuse
                }
            }
        }
        None if !is_optional => Absent::Refuse,
        _ => absent_value(ty, uses),
    }
}

/// What an input that may be absent is then.
pub(super) fn absent_value(ty: &mut Type, uses: &[Use]) -> Absent {
    match zero(ty) {
        Some(zero) if !is_null_when_absent(uses, ty) => Absent::Value(zero),
        _ => {
            ty.nullable = true;
            Absent::Value(Value::Null)
        }
    }
}

/// What canonical JSON reads an absent field without presence as.
pub(super) fn zero(ty: &Type) -> Option<Value> {
    let json: Vec<u8> = match &ty.kind {
        TypeKind::Bool => b"false".to_vec(),
        TypeKind::Bytes | TypeKind::String => b"\"\"".to_vec(),
        TypeKind::Double { .. } | TypeKind::Int(_) => b"0".to_vec(),
        TypeKind::Enum(it) => it.values.first()?.number.to_string().into_bytes(),
        TypeKind::List(_) => b"[]".to_vec(),
        TypeKind::Map(_) => b"{}".to_vec(),
        _ => return None,
    };
    crate::expr::literal::read(&json, ty).ok()
}

/// A fragment's inputs are values, not text of a request.
fn refuse_in_fragment(spec: &spec::Param, diagnostics: &mut Diagnostics) {
    let keys = [
        ("in", spec.location.as_ref().map(|it| it.span)),
        ("name", spec.wire_name.as_ref().map(|it| it.span)),
        ("pattern", spec.pattern.as_ref().map(|it| it.span)),
        ("minimum", spec.minimum.as_ref().map(|it| it.span)),
        ("maximum", spec.maximum.as_ref().map(|it| it.span)),
        ("min_length", spec.min_length.as_ref().map(|it| it.span)),
        ("max_length", spec.max_length.as_ref().map(|it| it.span)),
        ("enum", spec.one_of.first().map(|it| it.span)),
    ];
    for (key, span) in keys {
        if let Some(span) = span {
            diagnostics.push(
                Diagnostic::new("misplaced-key", span, format!("`{key}` means nothing in a fragment"))
                    .label("its inputs come from `with:`, not from a request"),
            );
        }
    }
}
