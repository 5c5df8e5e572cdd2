//! The body of a request: what a composition mentions of it, or what a binding of google.api.http reads.

use std::sync::Arc;

use super::params::comments;
use super::types::{Types, Way, comment};
use super::{Content, Kind, Member, Object, RequestBody, Rest, Type};
use crate::codec::{BoundBody, HttpBinding};
use crate::expr::Type as ExprType;
use crate::plan::{Absent, Body, BodyMember, Recipe};

/// What is read from the body; `None` where nothing is.
pub(super) fn describe(recipe: &Recipe, binding: Option<&HttpBinding>, types: &mut Types) -> Option<RequestBody> {
    let json = |ty: Type, required| {
        Some(RequestBody {
            content: Content::Json(ty),
            required,
        })
    };
    match &recipe.inputs.body {
        // What is handed over unchecked may be anything.
        Body::None if recipe.proxy.is_none() => None,
        Body::None | Body::Bytes(_) => Some(RequestBody {
            content: Content::Raw,
            required: false,
        }),
        Body::Bound { .. } => bound(binding?, types),
        Body::Members(members) => {
            let comments = comments(&recipe.graph);
            let mut root = Object {
                members: Vec::new(),
                rest: Rest::Closed,
            };
            for member in members {
                let text = comments.get(&member.slot).and_then(|it| comment(Some(it)));
                add(&mut root, &member.path, member, text, types);
            }
            let required = root.members.iter().any(|it| it.required);
            json(Type::of(Kind::Object(root)), required)
        }
        Body::Whole { reader, .. } => {
            let ty = types.of_type(reader.ty(), Way::In);
            let required = reader.is_any() || has_required(&ty, types);
            json(ty, required)
        }
    }
}

fn bound(binding: &HttpBinding, types: &mut Types) -> Option<RequestBody> {
    let message = binding.message();
    let ty = match binding.body() {
        BoundBody::None => return None,
        BoundBody::Raw => {
            return Some(RequestBody {
                content: Content::Raw,
                required: false,
            });
        }
        BoundBody::Field(field) => {
            let mut ty = types.of_type(&ExprType::of_field(message, &field), Way::In);
            ty.nullable = matches!(ty.kind, Kind::Any);
            ty
        }
        BoundBody::Whole(set) => {
            let whole = ExprType::of_message(message);
            if set.is_empty() {
                types.of_type(&whole, Way::In)
            } else {
                types.without(message, &set)
            }
        }
    };
    let required = has_required(&ty, types);
    Some(RequestBody {
        content: Content::Json(ty),
        required,
    })
}

fn has_required(ty: &Type, types: &Types) -> bool {
    types
        .object(ty)
        .is_some_and(|it| it.members.iter().any(|it| it.required))
}

/// Adds a member with the objects around it, which are required where it is.
fn add(object: &mut Object, path: &[Arc<str>], member: &BodyMember, text: Option<String>, types: &mut Types) {
    let [first, rest @ ..] = path else { return };
    let required = matches!(member.absent, Absent::Refuse);
    if rest.is_empty() {
        let mut ty = types.of_type(member.reader.ty(), Way::In);
        // JSON null means what absence means.
        ty.nullable |= !required;
        object.members.push(Member {
            name: first.to_string(),
            ty,
            required,
            description: text,
            deprecated: false,
        });
        return;
    }
    let at = object.members.iter().position(|it| *it.name == **first);
    let at = at.unwrap_or_else(|| {
        object.members.push(Member {
            name: first.to_string(),
            ty: Type::of(Kind::Object(Object {
                members: Vec::new(),
                rest: Rest::Closed,
            })),
            required: false,
            description: None,
            deprecated: false,
        });
        object.members.len() - 1
    });
    let Some(outer) = object.members.get_mut(at) else {
        return;
    };
    outer.required |= required;
    if let Kind::Object(inner) = &mut outer.ty.kind {
        add(inner, rest, member, text, types);
    }
    outer.ty.nullable = !outer.required;
}
