//! What several values are together (semantics.md 1.3), and how literals adapt to what stands beside them (2.4, G2).
//!
//! Invariant: values that are joined have one form at run time: where the join is `any`, every part is turned into JSON.

use std::sync::Arc;

use super::super::ast::{Node, NodeId};
use super::super::encode::{Encoder, PlaceType, fit};
use super::super::literal;
use super::super::program::{Conversion, Op};
use super::super::render::Renderer;
use super::super::types::{ObjectMember, Type, TypeKind};
use super::super::value::{MapValue, Value};
use super::{Checker, Code, ExprError, Typed};
use crate::codec::{JsonOptions, time_text};
use crate::schema::suggest::nearest;

/// Why a literal does not adapt.
enum Misfit {
    /// It is a value of its own type, not of this one; nothing is wrong with it yet.
    Other,
    /// It was meant to be of this type, and is not: code, title, label.
    Wrong(&'static str, String, String),
}

/// What to do with parts that have no common type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    /// They become JSON of unknown shape.
    Any,
    /// It is a mistake.
    Refuse,
}

impl Checker<'_> {
    /// Gives all parts one type.
    pub(super) fn join(&mut self, parts: Vec<(NodeId, Typed)>, mixed: Mixed) -> Option<(Vec<Typed>, Type)> {
        if parts.iter().any(|(_, it)| it.is_poison()) {
            return None;
        }
        let mut joined: Option<(NodeId, Type)> = None;
        let literal: Vec<bool> = parts.iter().map(|(_, it)| it.literal).collect();
        // Literals come last, as they adapt to what is not one.
        let (literals, others): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(|&at| literal[at]);
        let (ids, mut typed): (Vec<NodeId>, Vec<Option<Typed>>) =
            parts.into_iter().map(|(id, it)| (id, Some(it))).unzip();
        let mut to_any = false;
        for at in others.into_iter().chain(literals) {
            let id = ids[at];
            let part = typed[at].take()?;
            let part = match &joined {
                Some((_, ty)) => {
                    let part = self.beside(part, ty)?;
                    self.as_message(id, part, ty)?
                }
                None => part,
            };
            joined = Some(match joined.take() {
                None => (id, part.ty.clone()),
                Some((first, ty)) => match (ty.join(&part.ty), mixed) {
                    (Some(both), _) => (first, both),
                    // 1 beside 2.5: the earlier literals become doubles when the parts are converted.
                    (None, _) if ty.is_numeric() && part.ty.is_numeric() && part.literal => {
                        let nullable = ty.nullable || part.ty.nullable;
                        (
                            first,
                            Type {
                                nullable,
                                ..Type::double()
                            },
                        )
                    }
                    (None, Mixed::Any) => {
                        to_any = true;
                        (first, Type::any())
                    }
                    (None, Mixed::Refuse) => {
                        let title = format!(
                            "`{}` is `{ty}` and `{}` is `{}`, which have no common type",
                            self.written(first),
                            self.written(id),
                            part.ty
                        );
                        let span = self.ast.span(id);
                        self.fail(ExprError::new("mixed-types", span, title).label(format!("expected `{ty}`")));
                        return None;
                    }
                },
            });
            typed[at] = Some(part);
        }
        let mut ty = joined?.1;
        if to_any && !typed.iter().flatten().any(|it| it.ty.nullable) {
            ty = ty.not_null();
        }
        let converted = typed.into_iter().flatten().map(|it| self.converted(it, &ty)).collect();
        Some((converted, ty))
    }

    /// The form that values of the joined type have.
    pub(super) fn converted(&mut self, typed: Typed, to: &Type) -> Typed {
        let span = typed.code.span;
        let conversion = match (&typed.ty.kind, &to.kind) {
            (TypeKind::Any | TypeKind::Null | TypeKind::Unknown, _) => return typed,
            (_, TypeKind::Any) => Conversion::ToJson(Renderer::compile(&typed.ty, JsonOptions::default())),
            (TypeKind::Int(_) | TypeKind::Enum(_), TypeKind::Double { .. }) => Conversion::ToDouble,
            _ => return typed,
        };
        let nullable = typed.ty.nullable;
        let literal = typed.literal;
        let ty = Type {
            kind: to.kind.clone(),
            nullable,
        };
        let op = Op::Convert(Box::new(conversion), Box::new(typed.code));
        Typed {
            literal,
            ..self.make(op, ty, span, false)
        }
    }

    /// A literal as a value of the type that stands beside it; what is no literal, or no such value, as it is. None where it
    /// was meant to be one and is not, which is reported.
    pub(super) fn beside(&mut self, typed: Typed, wanted: &Type) -> Option<Typed> {
        if !typed.literal || typed.is_null_literal() {
            return Some(typed);
        }
        let Some(value) = typed.code.constant() else {
            return Some(typed);
        };
        match adapt(value, &typed.ty, wanted) {
            Ok(adapted) => {
                let ty = wanted.clone().not_null();
                let code = Code::new(Op::Constant(adapted), typed.code.span);
                Some(Typed {
                    literal: true,
                    ..Typed::new(code, ty)
                })
            }
            Err(Misfit::Other) => Some(typed),
            Err(Misfit::Wrong(code, title, label)) => {
                self.fail(ExprError::new(code, typed.code.span, title).label(label));
                None
            }
        }
    }

    /// A map literal with computed values beside a message is that message, as `default(m, {"a": x})` wants it (G2).
    fn as_message(&mut self, id: NodeId, part: Typed, wanted: &Type) -> Option<Typed> {
        let (TypeKind::Message(message) | TypeKind::Selected(message, _), TypeKind::Object(_), Node::Map(_)) =
            (&wanted.kind, &part.ty.kind, self.ast.node(id))
        else {
            return Some(part);
        };
        let span = self.ast.span(id);
        let fits = fit(&part.ty, &PlaceType::within(&wanted.clone().not_null()));
        match fits.and_then(|()| Encoder::message(&part.ty, message)) {
            Ok(encoder) => {
                let op = Op::Convert(Box::new(Conversion::ToMessage(encoder)), Box::new(part.code));
                Some(self.make(op, wanted.clone().not_null(), span, true))
            }
            Err(error) => {
                self.fail(ExprError::new(error.code, span, error.title).label(format!("read as `{wanted}`")));
                None
            }
        }
    }

    /// `[a, b]`: a list of what its elements are together, or of JSON of unknown shape.
    pub(super) fn list_literal(&mut self, id: NodeId, items: &[NodeId]) -> Typed {
        let span = self.ast.span(id);
        let parts: Vec<(NodeId, Typed)> = items.iter().map(|&it| (it, self.node(it))).collect();
        if parts.is_empty() {
            // What is not there is not null either.
            return self.literal(id, Value::list(Vec::new()), Type::list(Type::any().not_null()));
        }
        let literal = parts.iter().all(|(_, it)| it.literal);
        let Some((parts, element)) = self.join(parts, Mixed::Any) else {
            return Typed::poison(span);
        };
        let op = Op::List(parts.into_iter().map(|it| it.code).collect());
        let typed = self.make(op, Type::list(element), span, false);
        let literal = literal && typed.code.constant().is_some();
        Typed { literal, ..typed }
    }

    /// `{"a": x}` is an object; with other keys it is a map.
    pub(super) fn map_literal(&mut self, id: NodeId, entries: &[(NodeId, NodeId)]) -> Typed {
        let span = self.ast.span(id);
        let mut keys = Vec::with_capacity(entries.len());
        let mut values = Vec::with_capacity(entries.len());
        for &(key, value) in entries {
            let typed = self.node(key);
            let typed = self.strict(key, typed, "a key");
            keys.push((key, typed));
            values.push((value, self.node(value)));
        }
        let literal = keys.iter().chain(&values).all(|(_, it)| it.literal);
        if keys.iter().chain(&values).any(|(_, it)| it.is_poison()) {
            return Typed::poison(span);
        }
        let names: Option<Vec<String>> = keys
            .iter()
            .map(|(_, it)| it.code.constant()?.as_str().map(str::to_owned))
            .collect();
        if let Some(names) = names {
            let typed = self.object_literal(id, &keys, names, values);
            let literal = literal && typed.code.constant().is_some();
            return Typed { literal, ..typed };
        }
        for (key, typed) in &keys {
            let fits = matches!(
                typed.ty.kind,
                TypeKind::Bool | TypeKind::Enum(_) | TypeKind::Int(_) | TypeKind::String
            );
            if !fits {
                let title = format!("`{}` cannot be the key of a map", self.written(*key));
                let label = format!("this is `{}`; keys are text, integers or bools", typed.ty);
                return self.fail(ExprError::new("wrong-type", self.ast.span(*key), title).label(label));
            }
        }
        let Some((keys, key_type)) = self.join(keys, Mixed::Refuse) else {
            return Typed::poison(span);
        };
        let Some((values, value_type)) = self.join(values, Mixed::Any) else {
            return Typed::poison(span);
        };
        let pairs = keys
            .into_iter()
            .map(|it| it.code)
            .zip(values.into_iter().map(|it| it.code))
            .collect();
        let typed = self.make(Op::Map(pairs), Type::map(key_type, value_type), span, true);
        let literal = literal && typed.code.constant().is_some();
        Typed { literal, ..typed }
    }

    fn object_literal(
        &mut self,
        id: NodeId,
        keys: &[(NodeId, Typed)],
        names: Vec<String>,
        values: Vec<(NodeId, Typed)>,
    ) -> Typed {
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                let title = format!("the key `{name}` stands here twice");
                let span = self.ast.span(keys[at].0);
                return self.fail(ExprError::new("duplicate-key", span, title).label("the second one"));
            }
        }
        let mut members = Vec::with_capacity(names.len());
        let mut codes = Vec::with_capacity(names.len());
        for (name, (_, value)) in names.into_iter().zip(values) {
            let name: Arc<str> = name.into();
            members.push(ObjectMember {
                name: name.clone(),
                ty: value.ty,
                optional: false,
            });
            codes.push((name, value.code));
        }
        self.make(
            Op::Object(codes.into()),
            Type::object(members),
            self.ast.span(id),
            false,
        )
    }
}

/// The type of all members, where they have one.
pub(super) fn members_type(members: &[ObjectMember]) -> Option<Type> {
    let mut joined = members.first()?.ty.clone();
    for member in members {
        joined = joined.join(&member.ty)?;
        // Members that would have to be turned into JSON are not of one type.
        if joined.is_any() != member.ty.is_any() {
            return None;
        }
    }
    Some(joined)
}

fn rendered(value: &Value, ty: &Type) -> Result<Vec<u8>, Misfit> {
    let mut json = Vec::new();
    match Renderer::compile(ty, JsonOptions::default()).render(value, &mut json) {
        Ok(()) => Ok(json),
        Err(_) => Err(Misfit::Other),
    }
}

/// An object literal as a value of a type that has a name.
fn read_as(value: &Value, from: &Type, to: &Type, name: &dyn std::fmt::Display) -> Result<Value, Misfit> {
    let json = rendered(value, from)?;
    literal::read(&json, to).map_err(|error| {
        let title = format!("this is no `{name}`: {}", error.title);
        Misfit::Wrong(error.code, title, error.label)
    })
}

/// The first member of a literal that is not left of the message which it is read as.
fn left_out(value: &Value, to: &Type) -> Option<Arc<str>> {
    match (value, &to.kind) {
        (Value::List(list), TypeKind::List(element)) => list.iter().find_map(|it| left_out(&it, element)),
        (Value::Object(values), TypeKind::Selected(..)) => {
            values.iter().find_map(|(name, value)| match to.member(name) {
                Some(member) => left_out(value, &member.ty),
                None => Some(name.clone()),
            })
        }
        _ => None,
    }
}

/// Reads a literal of one type as a value of another.
fn adapt(value: &Value, from: &Type, to: &Type) -> Result<Value, Misfit> {
    if value.is_null() {
        return if to.nullable {
            Ok(Value::Null)
        } else {
            Err(Misfit::Other)
        };
    }
    match (&to.kind, value) {
        (TypeKind::Bool, Value::Bool(_))
        | (TypeKind::Bytes, Value::Bytes(_))
        | (TypeKind::Double { .. }, Value::Double(_))
        | (TypeKind::String, Value::String(_))
        | (TypeKind::Any, Value::Json(_)) => Ok(value.clone()),
        // The range is that of the other side, so that arithmetic beside an unsigned field is unsigned.
        (TypeKind::Int(range), _) if value.as_integer().is_some_and(|it| range.contains(it)) => Ok(value.clone()),
        (TypeKind::Double { .. }, _) => super::super::eval::number::as_double(value)
            .map(Value::Double)
            .ok_or(Misfit::Other),
        (TypeKind::Enum(of), Value::String(name)) => {
            let number = of.number(name).map(|it| Value::Int(it.into()));
            number.ok_or_else(|| {
                let label = match nearest(name, of.values.iter().map(|it| &*it.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "no such value".to_owned(),
                };
                Misfit::Wrong(
                    "unknown-enum-value",
                    format!("`{}` has no value `{name}`", of.full_name),
                    label,
                )
            })
        }
        (TypeKind::Timestamp, Value::String(text)) => match time_text::parse_timestamp(text) {
            Some((seconds, nanos)) => Ok(Value::Timestamp(seconds, nanos)),
            None => Err(Misfit::Wrong(
                "wrong-type",
                format!("`{text}` is not a timestamp"),
                "expected a text such as `2026-01-31T12:00:00Z`".to_owned(),
            )),
        },
        (TypeKind::Duration, Value::String(text)) => match time_text::parse_duration(text) {
            Some((seconds, nanos)) => Ok(Value::Duration(seconds, nanos)),
            None => Err(Misfit::Wrong(
                "wrong-type",
                format!("`{text}` is not a duration"),
                "expected a text such as `1.5s`".to_owned(),
            )),
        },
        (TypeKind::List(wanted), Value::List(list)) => {
            let element = from.element().cloned().unwrap_or_else(Type::any);
            let elements: Result<Vec<Value>, Misfit> = list.iter().map(|it| adapt(&it, &element, wanted)).collect();
            elements.map(Value::list)
        }
        (TypeKind::Map(wanted), Value::Object(members)) => {
            let entries: Result<Vec<_>, Misfit> = members
                .iter()
                .map(|(name, it)| {
                    let from = from.member(name).map_or_else(Type::any, |it| it.ty.clone());
                    Ok((
                        adapt(&Value::from(&**name), &Type::string(), &wanted.0)?,
                        adapt(it, &from, &wanted.1)?,
                    ))
                })
                .collect();
            entries.map(Value::map)
        }
        (TypeKind::Map(wanted), Value::Map(MapValue::Values(entries))) => {
            let (key, of) = from
                .entry()
                .map_or((Type::any(), Type::any()), |it| (it.0.clone(), it.1.clone()));
            let entries: Result<Vec<_>, Misfit> = entries
                .iter()
                .map(|(name, it)| Ok((adapt(name, &key, &wanted.0)?, adapt(it, &of, &wanted.1)?)))
                .collect();
            entries.map(Value::map)
        }
        (TypeKind::Any, _) => rendered(value, from).map(|json| Value::Json(json.into())),
        (TypeKind::Json(_), Value::Object(_)) => read_as(value, from, to, to),
        (TypeKind::Message(of) | TypeKind::Selected(of, _), Value::Object(_)) => {
            if let Some(name) = left_out(value, to) {
                let title = format!("this is no `{to}`: it has no member `{name}`");
                return Err(Misfit::Wrong("unknown-field", title, String::new()));
            }
            read_as(value, from, to, &of.full_name)
        }
        (TypeKind::Object(wanted), Value::Object(members)) if wanted.len() == members.len() => {
            let members: Result<Vec<_>, Misfit> = wanted
                .iter()
                .map(|it| {
                    let member = value.member(&it.name).ok_or(Misfit::Other)?;
                    let from = from.member(&it.name).map_or_else(Type::any, |it| it.ty.clone());
                    Ok((it.name.clone(), adapt(member, &from, &it.ty)?))
                })
                .collect();
            members.map(Value::object)
        }
        _ => Err(Misfit::Other),
    }
}
