//! The table of semantics.md 1.4.

use std::sync::Arc;

use super::{FitError, PlaceType};
use crate::codec::number::parse_integer;
use crate::expr::types::{ObjectMember, Type, TypeKind};
use crate::schema::json_schema::JsonTypeRef;
use crate::schema::suggest::{nearest, question};
use crate::schema::{Cardinality, Field, Kind, Message, MessageRef, WellKnown};

/// Whether values of type `from` fit `to` (semantics.md 1.4).
///
/// ```
/// use weft::expr::encode::{PlaceType, fit};
/// use weft::expr::Type;
///
/// let text = PlaceType { ty: Type::string(), takes_null: false };
/// assert!(fit(&Type::string(), &text).is_ok());
/// assert_eq!(fit(&Type::int(), &text).unwrap_err().conversion.as_deref(), Some("string(…)"));
/// assert_eq!(fit(&Type::string().or_null(), &text).unwrap_err().code, "null-does-not-fit");
/// ```
pub fn fit(from: &Type, to: &PlaceType) -> Result<(), FitError> {
    if from.is_unknown() || to.ty.is_unknown() {
        return Ok(());
    }
    fit_kind(from, &to.ty)?;
    if from.nullable && !to.takes_null {
        return Err(null_does_not_fit(&to.ty));
    }
    Ok(())
}

/// Whether values of `from` can be written as a whole message; null is the caller's business.
pub(super) fn fit_message(from: &Type, message: &MessageRef) -> Result<(), FitError> {
    let place = Type::of_message(message);
    fit(
        &from.clone().not_null(),
        &PlaceType {
            ty: place,
            takes_null: true,
        },
    )?;
    fit_shape(from, message.well_known)
}

fn fit_kind(from: &Type, to: &Type) -> Result<(), FitError> {
    match (&from.kind, &to.kind) {
        (a @ TypeKind::Selected(..), b @ TypeKind::Selected(..)) if a == b => Ok(()),
        (TypeKind::Null | TypeKind::Unknown, _)
        | (_, TypeKind::Any | TypeKind::Unknown)
        | (TypeKind::Int(_), TypeKind::Int(_) | TypeKind::Enum(_) | TypeKind::Double { .. })
        | (TypeKind::Double { .. }, TypeKind::Double { .. })
        | (TypeKind::String, TypeKind::String | TypeKind::Enum(_))
        | (TypeKind::Enum(_), TypeKind::Int(_) | TypeKind::String)
        | (TypeKind::Bool, TypeKind::Bool)
        | (TypeKind::Bytes, TypeKind::Bytes)
        | (TypeKind::Duration, TypeKind::Duration)
        | (TypeKind::Timestamp, TypeKind::Timestamp)
        | (
            TypeKind::Any,
            TypeKind::Json(_)
            | TypeKind::Map(_)
            | TypeKind::Message(_)
            | TypeKind::ProtoAny(_)
            | TypeKind::Selected(..),
        )
        | (TypeKind::Map(_), TypeKind::Message(_) | TypeKind::ProtoAny(_))
        | (TypeKind::Object(_) | TypeKind::ProtoAny(_), TypeKind::ProtoAny(_)) => Ok(()),
        (TypeKind::Enum(a), TypeKind::Enum(b)) if a == b => Ok(()),
        (TypeKind::Message(a), TypeKind::Message(b)) if a == b => Ok(()),
        (TypeKind::Json(a), TypeKind::Json(b)) if a == b => Ok(()),
        (TypeKind::Json(schema), _) => {
            if schema.is_recursive() {
                let mut error = wrong_type(from, to);
                "its type holds itself; write its members out".clone_into(&mut error.label);
                return Err(error);
            }
            fit_kind(&Type::object(ObjectMember::of_json(schema)), to)
        }
        (TypeKind::Object(members) | TypeKind::Selected(_, members), TypeKind::Json(schema)) => {
            fit_schema(members, schema)
        }
        (TypeKind::List(a), TypeKind::List(b)) => fit_element(a, b),
        (TypeKind::Map(a), TypeKind::Map(b)) => {
            if !key_fits(&a.0, &b.0) {
                return Err(wrong_type(from, to));
            }
            fit_within(&a.1, &b.1).map_err(|it| if it.path.is_empty() { not_around(it) } else { it })
        }
        (TypeKind::Object(members) | TypeKind::Selected(_, members), TypeKind::Map(entry)) => {
            for member in members.iter() {
                if !is_key(&member.name, &entry.0) {
                    let title = format!("`{}` is no key of `{to}`", member.name);
                    return Err(FitError::new("wrong-type", title).within(&member.name));
                }
                fit_within(&member.ty, &entry.1).map_err(|it| it.within(&member.name))?;
            }
            Ok(())
        }
        (TypeKind::Object(members) | TypeKind::Selected(_, members), TypeKind::Message(message)) => {
            fit_members(members, message)
        }
        (TypeKind::Object(members) | TypeKind::Selected(_, members), TypeKind::Selected(message, left)) => {
            fit_members(members, message)?;
            fit_left(members, left)
        }
        (TypeKind::Object(members) | TypeKind::Selected(_, members), TypeKind::Object(places)) => {
            fit_object(members, places)
        }
        _ => Err(wrong_type(from, to)),
    }
}

/// An element, a map's value or a member in a place that is not a field.
fn fit_within(from: &Type, to: &Type) -> Result<(), FitError> {
    fit(from, &PlaceType::within(to))
}

fn fit_element(from: &Type, to: &Type) -> Result<(), FitError> {
    fit_within(from, to).map_err(|mut error| {
        if !error.path.is_empty() {
            return error;
        }
        if error.code == "null-does-not-fit" {
            error.title = format!("an element of this list may be null, which `list<{to}>` does not take");
            error.conversion = Some("….filter(x, x != null)".into());
        } else {
            error.title = format!("expected `list<{to}>`, found `list<{from}>`");
            error.conversion = error.conversion.map(|it| format!("….map(x, {})", it.replace('…', "x")));
        }
        error
    })
}

fn key_fits(from: &Type, to: &Type) -> bool {
    matches!(
        (&from.kind, &to.kind),
        (TypeKind::String, TypeKind::String)
            | (TypeKind::Int(_) | TypeKind::Enum(_), TypeKind::Int(_))
            | (TypeKind::Bool, TypeKind::Bool)
            | (TypeKind::Unknown, _)
    )
}

/// Whether the name of an object's member is the text of a key of this type.
fn is_key(name: &str, key: &Type) -> bool {
    match &key.kind {
        TypeKind::Bool => matches!(name, "true" | "false"),
        TypeKind::Int(range) => parse_integer::<i128>(name).is_some_and(|it| range.contains(it)),
        _ => true,
    }
}

/// An object as a message: member by member, by the names of the .proto file.
fn fit_members(members: &[ObjectMember], message: &MessageRef) -> Result<(), FitError> {
    // For each oneof the member that is always set.
    let mut taken: Vec<(usize, &Arc<str>)> = Vec::new();
    for member in members {
        let Some(field) = message.field(&member.name) else {
            return Err(unknown_field(&member.name, message).within(&member.name));
        };
        fit_field(&member.ty, message, field).map_err(|it| it.within(&member.name))?;
        let Some(oneof) = field.oneof else { continue };
        if member.optional || member.ty.nullable {
            continue;
        }
        if let Some((_, other)) = taken.iter().find(|(it, _)| *it == oneof) {
            let name = message.oneofs.get(oneof).map_or("", |it| it);
            let title = format!(
                "`{other}` and `{}` are both of oneof `{name}`, which holds one",
                member.name
            );
            return Err(FitError::new("oneof-twice", title).within(&member.name));
        }
        taken.push((oneof, &member.name));
    }
    Ok(())
}

/// The members of an object beside those that are left of the message which it becomes.
fn fit_left(members: &[ObjectMember], left: &[ObjectMember]) -> Result<(), FitError> {
    for member in members {
        let Some(place) = left.iter().find(|it| it.name == member.name) else {
            let title = format!("no member `{}` is expected here", member.name);
            return Err(FitError::new("unknown-field", title).within(&member.name));
        };
        fit_kind(&member.ty, &place.ty).map_err(|it| it.within(&member.name))?;
    }
    Ok(())
}

/// A value as a field: the table, and what the three messages that are `any` take at all.
fn fit_field(from: &Type, message: &MessageRef, field: &Field) -> Result<(), FitError> {
    fit(from, &PlaceType::of_field(message, field))?;
    let (from, kind) = match (field.cardinality, &from.kind) {
        (Cardinality::Map(types), TypeKind::Map(entry)) => (&entry.1, types.value),
        (Cardinality::Map(types), TypeKind::Object(members) | TypeKind::Selected(_, members)) => {
            for member in members.iter() {
                fit_shape(&member.ty, well_known(message, types.value)).map_err(|it| it.within(&member.name))?;
            }
            return Ok(());
        }
        (Cardinality::Repeated, TypeKind::List(element)) => (&**element, field.kind),
        (Cardinality::Singular, _) => (from, field.kind),
        _ => return Ok(()),
    };
    fit_shape(from, well_known(message, kind))
}

fn well_known(message: &MessageRef, kind: Kind) -> Option<WellKnown> {
    match kind {
        Kind::Message(index) => message.schema().message(index).well_known,
        _ => None,
    }
}

/// Struct takes objects and `ListValue` takes lists, although both are `any` to read; Value takes everything.
fn fit_shape(from: &Type, message: Option<WellKnown>) -> Result<(), FitError> {
    let (fits, wanted) = match (message, &from.kind) {
        (_, TypeKind::Any | TypeKind::Null | TypeKind::Unknown) => return Ok(()),
        (Some(WellKnown::Struct), kind) => (
            matches!(
                kind,
                TypeKind::Json(_) | TypeKind::Object(_) | TypeKind::Map(_) | TypeKind::Selected(..)
            ),
            "an object",
        ),
        (Some(WellKnown::ListValue), kind) => (matches!(kind, TypeKind::List(_)), "a list"),
        _ => return Ok(()),
    };
    if fits {
        Ok(())
    } else {
        Err(FitError::new(
            "wrong-type",
            format!("expected {wanted}, found `{from}`"),
        ))
    }
}

/// An object in the place of another, of a value's type.
fn fit_object(members: &[ObjectMember], places: &[ObjectMember]) -> Result<(), FitError> {
    for member in members {
        let Some(place) = places.iter().find(|it| it.name == member.name) else {
            let mut error = FitError::new("unknown-field", format!("no member `{}` is expected here", member.name));
            error.label = question(nearest(&member.name, places.iter().map(|it| &*it.name)));
            return Err(error.within(&member.name));
        };
        fit_within(&member.ty, &place.ty).map_err(|it| it.within(&member.name))?;
        if member.optional && !place.optional {
            let title = format!("member `{}` may be left out, and is expected here", member.name);
            return Err(FitError::new("wrong-type", title).within(&member.name));
        }
    }
    match places
        .iter()
        .find(|it| !it.optional && !members.iter().any(|member| member.name == it.name))
    {
        Some(missing) => Err(FitError::new(
            "wrong-type",
            format!("member `{}` is missing", missing.name),
        )),
        None => Ok(()),
    }
}

/// An object in the place of one that a JSON Schema describes.
fn fit_schema(members: &[ObjectMember], schema: &JsonTypeRef) -> Result<(), FitError> {
    for member in members {
        let Some((place, required)) = schema.member(&member.name) else {
            let mut error = FitError::new("unknown-field", format!("`{schema}` has no member `{}`", member.name));
            error.label = question(nearest(&member.name, schema.members().iter().map(|it| &*it.name)));
            return Err(error.within(&member.name));
        };
        fit_within(&member.ty, &Type::of_json(&place)).map_err(|it| it.within(&member.name))?;
        if member.optional && required {
            let title = format!("member `{}` may be left out, and is required here", member.name);
            return Err(FitError::new("wrong-type", title).within(&member.name));
        }
    }
    let written = |name: &str| members.iter().any(|it| &*it.name == name);
    match schema.members().iter().find(|it| it.required && !written(&it.name)) {
        Some(missing) => Err(FitError::new(
            "missing-field",
            format!("`{schema}` needs `{}`", missing.name),
        )),
        None => Ok(()),
    }
}

fn unknown_field(name: &str, message: &Message) -> FitError {
    let mut error = FitError::new(
        "unknown-field",
        format!("`{}` has no field `{name}`", message.full_name),
    );
    let by_json_name = message.field_by_json_name(name).map(|it| &*it.name);
    error.label = question(by_json_name.or_else(|| nearest(name, message.fields.iter().map(|it| &*it.name))));
    error
}

fn wrong_type(from: &Type, to: &Type) -> FitError {
    let mut error = FitError::new("wrong-type", format!("expected `{to}`, found `{from}`"));
    error.conversion = conversion(from, to).map(Into::into);
    error
}

/// What to write around an expression of one type to make it another.
fn conversion(from: &Type, to: &Type) -> Option<&'static str> {
    let from = &from.kind;
    Some(match &to.kind {
        TypeKind::Bool if matches!(from, TypeKind::String | TypeKind::Any) => "bool(…)",
        TypeKind::Bytes if matches!(from, TypeKind::String) => "bytes(…)",
        TypeKind::Double { .. } if matches!(from, TypeKind::String | TypeKind::Any) => "double(…)",
        TypeKind::Duration if matches!(from, TypeKind::String) => "duration(…)",
        TypeKind::Enum(_) if matches!(from, TypeKind::Double { .. } | TypeKind::Enum(_)) => "int(…)",
        TypeKind::Enum(_) if matches!(from, TypeKind::Any) => "string(…)",
        TypeKind::Int(_)
            if matches!(
                from,
                TypeKind::String | TypeKind::Double { .. } | TypeKind::Any | TypeKind::Timestamp
            ) =>
        {
            "int(…)"
        }
        TypeKind::String => match from {
            TypeKind::Any
            | TypeKind::Bool
            | TypeKind::Double { .. }
            | TypeKind::Duration
            | TypeKind::Int(_)
            | TypeKind::Timestamp => "string(…)",
            TypeKind::Bytes => "base64.encode(…)",
            _ => return None,
        },
        TypeKind::Timestamp if matches!(from, TypeKind::String | TypeKind::Int(_)) => "timestamp(…)",
        TypeKind::List(element) if element.kind == *from => "[…]",
        _ => return None,
    })
}

fn null_does_not_fit(to: &Type) -> FitError {
    let mut error = FitError::new(
        "null-does-not-fit",
        format!("this may be null, and `{to}` has no null here"),
    );
    let zero = match &to.kind {
        TypeKind::Bool => Some("false".into()),
        TypeKind::Double { .. } => Some("0.0".into()),
        TypeKind::Enum(it) => it.values.first().map(|it| format!("\"{}\"", it.name)),
        TypeKind::Int(_) => Some("0".into()),
        TypeKind::List(_) => Some("[]".into()),
        TypeKind::Map(_) => Some("{}".into()),
        TypeKind::String => Some("\"\"".into()),
        _ => None,
    };
    error.conversion = zero.map(|it: String| format!("default(…, {it})"));
    error
}

/// A conversion of a map's value cannot be written around the map.
fn not_around(mut error: FitError) -> FitError {
    error.conversion = None;
    error
}
