//! JSON against the shape that a schema promises: looked at in place, as nothing is made of it.
//!
//! Owns what "as declared" means for a reply (semantics.md 3.5) and for literals in its place. Constraints beyond the shape, such as
//! lengths and patterns, are not looked at.

use std::borrow::Cow;

use super::reader::{Mistake, offset, scalar};
use super::scalar::expected;
use crate::codec::json::{self, Kind};
use crate::expr::types::{Type, TypeKind};
use crate::schema::json_schema::{JsonTypeRef, Shape};
use crate::schema::suggest::{did_you_mean, nearest, question};

/// What members are that the schema does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Others {
    /// A backend may say more than it promised.
    Allow,
    /// A mistake of whoever wrote it.
    Refuse,
}

/// Whether a fragment of validated JSON has a shape.
pub(in crate::expr) fn check(ty: &JsonTypeRef, others: Others, document: &[u8], part: &[u8]) -> Result<(), Mistake> {
    let kind = json::kind(part);
    if kind == Kind::Null {
        return if ty.nullable {
            Ok(())
        } else {
            Err(mistake(ty, document, part))
        };
    }
    let fits = match &ty.shape {
        Shape::Any => true,
        Shape::Text => kind == Kind::String,
        Shape::Words(words) => {
            let text = json::string(part).unwrap_or_default();
            if kind == Kind::String && words.iter().all(|it| **it != *text) {
                let mut mistake = mistake(ty, document, part);
                mistake.code = "unknown-enum-value";
                mistake.reason = format!("expected one of {}", words.join(", "));
                mistake.hint = did_you_mean(&text, words.iter().map(|it| &**it));
                ty.name.as_deref().unwrap_or("its enum").clone_into(&mut mistake.owner);
                return Err(mistake);
            }
            kind == Kind::String
        }
        Shape::List(element) if kind == Kind::Array => {
            let element = ty.sibling(*element);
            for (at, part) in json::elements(part).enumerate() {
                check(&element, others, document, part).map_err(|it| it.within(&at.to_string()))?;
            }
            true
        }
        Shape::Map(value) if kind == Kind::Object => {
            let value = ty.sibling(*value);
            for (raw, part) in json::members(part) {
                check(&value, others, document, part)
                    .map_err(|it| it.within(&json::string(raw).unwrap_or_default()))?;
            }
            true
        }
        Shape::Object(_) if kind == Kind::Object => return object(ty, others, document, part),
        Shape::Bool | Shape::Bytes | Shape::Integer { .. } | Shape::Number | Shape::Timestamp => {
            scalar(&Type::of_json(ty).kind, part).is_some()
        }
        Shape::List(_) | Shape::Map(_) | Shape::Object(_) => false,
    };
    if fits { Ok(()) } else { Err(mistake(ty, document, part)) }
}

fn object(ty: &JsonTypeRef, others: Others, document: &[u8], part: &[u8]) -> Result<(), Mistake> {
    let mut found = 0;
    for (raw, value) in json::members(part) {
        let name = json::string(raw).unwrap_or_default();
        match ty.member(&name) {
            Some((member, required)) => {
                found += usize::from(required);
                check(&member, others, document, value).map_err(|it| it.within(&name))?;
            }
            None if others == Others::Allow => {}
            None => {
                let reason = Cow::Borrowed("unknown member");
                let mut mistake = Mistake::new(reason, offset(document, raw)).within(&name);
                mistake.code = "unknown-field";
                mistake.hint = question(nearest(&name, ty.members().iter().map(|it| &*it.name)));
                return Err(mistake);
            }
        }
    }
    let required = ty.members().iter().filter(|it| it.required);
    if found >= required.clone().count() && others == Others::Allow {
        // Members that stand twice are counted twice, which only hides that another is missing until it is read.
        return Ok(());
    }
    for member in required {
        if json::member(part, &member.name).is_none() {
            let reason = format!("member `{}` is missing", member.name);
            return Err(Mistake::new(reason.into(), offset(document, part)));
        }
    }
    Ok(())
}

fn mistake(ty: &JsonTypeRef, document: &[u8], part: &[u8]) -> Mistake {
    let kind = match &ty.shape {
        Shape::Words(_) => TypeKind::String,
        _ => Type::of_json(ty).kind,
    };
    Mistake::new(expected(&kind), offset(document, part))
}
