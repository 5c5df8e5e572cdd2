//! Names and what follows them: fields, keys, indexes, `has`.
//!
//! Invariant: what follows a value that may be null may be null itself, and is not evaluated where that is null (G3).

use std::sync::Arc;

use super::super::Span;
use super::super::ast::{Node, NodeId};
use super::super::function;
use super::super::input::JsonReader;
use super::super::program::{Code, Conversion, JsonKind, JsonMember, Op};
use super::super::types::{ObjectMember, Type, TypeKind};
use super::super::value::{FieldReader, ObjectReader, Value};
use super::{Binding, Checker, ExprError, Path, Segment, Target, Typed};
use crate::schema::json_schema::{JsonTypeRef, Shape};
use crate::schema::suggest::{nearest, replacement};
use crate::schema::{Field, MessageRef};

/// A literal step: the node that takes it, the name and where that stands.
pub(super) struct Step<'c> {
    pub(super) id: NodeId,
    pub(super) name: &'c str,
    pub(super) at: Span,
}

impl<'c> Checker<'c> {
    /// A name, a field, a key or an index.
    pub(super) fn path(&mut self, id: NodeId) -> Typed {
        if let Some((root, steps)) = self.literal_path(id) {
            return self.after_root(root, &steps);
        }
        match self.ast.node(id) {
            Node::Select { of, field, at } => {
                let of = self.node(*of);
                self.step(
                    of,
                    &Step {
                        id,
                        name: field,
                        at: *at,
                    },
                )
            }
            Node::Index { of, index } => {
                let base = self.node(*of);
                match self.ast.node(*index) {
                    Node::String(name) => self.step(
                        base,
                        &Step {
                            id,
                            name,
                            at: self.ast.span(*index),
                        },
                    ),
                    _ => self.index(id, *of, base, *index),
                }
            }
            _ => Typed::poison(self.ast.span(id)),
        }
    }

    /// A root name and nothing but literal steps behind it.
    pub(super) fn literal_path(&self, id: NodeId) -> Option<(NodeId, Vec<Step<'c>>)> {
        let ast = self.ast;
        let mut steps = Vec::new();
        let mut at = id;
        while let Some((name, span, of)) = ast.literal_step(at) {
            steps.push(Step { id: at, name, at: span });
            at = of;
        }
        steps.reverse();
        matches!(ast.node(at), Node::Name(_)).then_some((at, steps))
    }

    fn after_root(&mut self, root: NodeId, steps: &[Step<'c>]) -> Typed {
        let (base, consumed) = match self.root(root, steps) {
            Ok(found) => found,
            Err(error) => return self.fail(error),
        };
        steps[consumed..].iter().fold(base, |of, step| self.step(of, step))
    }

    /// What the name stands for, and how many of the steps it covers.
    pub(super) fn root(&self, root: NodeId, steps: &[Step<'_>]) -> Result<(Typed, usize), ExprError> {
        let Node::Name(name) = self.ast.node(root) else {
            return Ok((Typed::poison(self.ast.span(root)), 0));
        };
        let span = self.ast.span(root);
        if let Some(variable) = self.scopes.iter().rev().find(|it| it.name == *name) {
            let typed = Typed::new(Code::new(Op::Slot(variable.slot), span), variable.ty.clone());
            return Ok((
                self.narrowed(Typed {
                    path: Some(Path::root(name)),
                    ..typed
                }),
                0,
            ));
        }
        let segments: Vec<Segment<'_>> = steps
            .iter()
            .map(|it| Segment {
                name: it.name,
                span: it.at,
            })
            .collect();
        let mut binding = self.names.resolve(name, &segments).map_err(|mut error| {
            // Who resolves knows where the steps stand, but not where the root does.
            if error.span == Span::default() {
                error.span = span;
            }
            error
        })?;
        if let Some(ty) = binding.rooted.take_if(|_| self.facts.contains(name)) {
            binding.ty = ty;
        }
        let consumed = binding.consumed.min(steps.len());
        let last = consumed.checked_sub(1).and_then(|it| steps.get(it));
        let whole = last.map_or(span, |it| Span {
            start: span.start,
            end: self.ast.span(it.id).end,
        });
        let path = steps[..consumed]
            .iter()
            .fold(Path::root(name), |path, step| path.member(step.name));
        Ok((
            self.narrowed(Typed {
                path: Some(path),
                ..bound(binding, whole)
            }),
            consumed,
        ))
    }

    /// `.name` or `["name"]`.
    pub(super) fn step(&mut self, of: Typed, step: &Step<'_>) -> Typed {
        let span = self.ast.span(step.id);
        let path = of.path.clone().map(|it| it.member(step.name));
        let nullable = of.ty.nullable;
        let or_null = |ty: Type| if nullable { ty.or_null() } else { ty };
        let typed = match of.ty.kind.clone() {
            TypeKind::Unknown => return Typed::poison(span),
            TypeKind::Null => Typed::new(of.code, Type::null()),
            TypeKind::Message(message) => match message.field(step.name) {
                Some(field) => {
                    if field.deprecated {
                        let title = format!("`{}.{}` is deprecated", message.full_name, field.name);
                        let says = field.comment.as_deref().and_then(replacement);
                        let label = says.unwrap_or_else(|| "its declaration says so".to_owned());
                        self.warnings
                            .push(ExprError::new("deprecated", step.at, title).label(label));
                    }
                    let ty = or_null(Type::of_field(&message, field));
                    let reader = Box::new(FieldReader::compile(&message, field));
                    self.make(Op::Field(Box::new(of.code), reader), ty, span, false)
                }
                None => return self.unknown_field(&message, step),
            },
            TypeKind::Selected(message, members) => {
                let Some((ty, reader)) = selected_field(&message, &members, step.name) else {
                    return self.fail(super::shape::no_field(&message, &members, step.name, step.at));
                };
                let ty = or_null(ty);
                self.make(Op::Field(Box::new(of.code), Box::new(reader)), ty, span, false)
            }
            TypeKind::Json(schema) => {
                let Some((member, required)) = schema.member(step.name) else {
                    return self.unknown_json_member(&schema, step);
                };
                let mut ty = Type::of_json(&member);
                ty.nullable |= !required;
                let reader = JsonReader::lazy(&ty);
                let op = Op::JsonField(Box::new(of.code), Arc::from(step.name), reader);
                Typed {
                    words: words(&member),
                    ..self.make(op, or_null(ty), span, true)
                }
            }
            TypeKind::Object(members) => {
                let Some(member) = members.iter().find(|it| &*it.name == step.name) else {
                    return self.unknown_member(&members, step);
                };
                let ty = Type {
                    nullable: member.optional || member.ty.nullable,
                    ..member.ty.clone()
                };
                self.make(
                    Op::Member(Box::new(of.code), member.name.clone()),
                    or_null(ty),
                    span,
                    false,
                )
            }
            TypeKind::Any => {
                let name: Arc<str> = Arc::from(step.name);
                self.make(Op::JsonMember(Box::new(of.code), name), Type::any(), span, false)
            }
            TypeKind::Map(entry) => {
                let key = Code::new(Op::Constant(Value::from(step.name)), step.at);
                let key = Typed {
                    literal: true,
                    ..Typed::new(key, Type::string())
                };
                self.entry(of, &entry, key, step.id)
            }
            TypeKind::ProtoAny(_) if step.name == "type_url" => {
                self.make(Op::TypeUrl(Box::new(of.code)), or_null(Type::string()), span, false)
            }
            TypeKind::ProtoAny(_) => {
                let title = "a google.protobuf.Any cannot be looked into";
                return self.fail(
                    ExprError::new("unknown-field", step.at, title)
                        .label("only `type_url` can be asked; its content is known when a request runs"),
                );
            }
            _ => return self.no_fields(&of, step),
        };
        self.narrowed(Typed { path, ..typed })
    }

    fn unknown_member(&mut self, members: &[ObjectMember], step: &Step<'_>) -> Typed {
        let near = nearest(step.name, members.iter().map(|it| &*it.name));
        let names: Vec<String> = members.iter().map(|it| format!("`{}`", it.name)).collect();
        let label = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it has no members".to_owned(),
            None => format!("it has {}", names.join(", ")),
        };
        let title = format!("this object has no member `{}`", step.name);
        self.fail(ExprError::new("unknown-field", step.at, title).label(label))
    }

    fn unknown_json_member(&mut self, schema: &JsonTypeRef, step: &Step<'_>) -> Typed {
        let mut error = no_json_member(schema, step.name, step.at);
        error.note = Some(schema.defined_in().into());
        self.fail(error)
    }

    pub(super) fn unknown_field(&mut self, message: &MessageRef, step: &Step<'_>) -> Typed {
        let title = format!("`{}` has no field `{}`", message.full_name, step.name);
        let mut error = ExprError::new("unknown-field", step.at, title);
        if let Some(field) = message.field_by_json_name(step.name) {
            error = error.label(format!("in expressions it is `{}`, as in the .proto file", field.name));
        } else if let Some(near) = nearest(step.name, message.fields.iter().map(|it: &Field| &*it.name)) {
            error = error.label(format!("did you mean `{near}`?"));
        } else {
            error = error.label("no such field");
        }
        error.note = defined_in(message).map(Into::into);
        self.fail(error)
    }

    /// A field of something that has none.
    pub(super) fn no_fields(&mut self, of: &Typed, step: &Step<'_>) -> Typed {
        if let (TypeKind::List(_), Node::Index { index, .. }) = (&of.ty.kind, self.ast.node(step.id)) {
            let title = format!("the index `{}` is not an integer", self.written(*index));
            return self.fail(ExprError::new("wrong-type", step.at, title).label("lists are indexed from 0"));
        }
        let text = match self.ast.literal_step(step.id) {
            Some((_, _, of)) => self.written(of),
            None => "this",
        };
        let title = format!(
            "`{text}` is a `{}` and has no field `{}`",
            of.ty.clone().not_null(),
            step.name
        );
        let mut error = ExprError::new("unknown-field", step.at, title).label("no such field");
        let is_method = function::find(step.name).is_some_and(|it| it.form == function::Form::Method);
        if is_method || step.name == "size" {
            let whole = self.ast.span(step.id);
            error = error
                .label("a method")
                .help(format!("{text}.{}()", step.name))
                .in_place_of(whole);
        } else if matches!(
            (&of.ty.kind, step.name),
            (
                TypeKind::List(_) | TypeKind::Map(_) | TypeKind::String,
                "count" | "len" | "length"
            )
        ) {
            let whole = self.ast.span(step.id);
            error = error
                .label("that is `size()`")
                .help(format!("{text}.size()"))
                .in_place_of(whole);
        } else if let TypeKind::List(element) = &of.ty.kind {
            let looks_in = matches!(
                element.kind,
                TypeKind::Message(_) | TypeKind::Json(_) | TypeKind::Object(_) | TypeKind::Selected(..) | TypeKind::Any
            );
            if looks_in {
                let name = if self.names.is_taken("it") { "each" } else { "it" };
                error = error
                    .label("the elements of the list may have it")
                    .help(format!("{text}.map({name}, {name}.{})", step.name))
                    .in_place_of(self.ast.span(step.id));
            }
        }
        self.fail(error)
    }

    /// `x[y]` where y is not a string literal.
    fn index(&mut self, id: NodeId, of: NodeId, base: Typed, index: NodeId) -> Typed {
        let key = self.node(index);
        let span = self.ast.span(id);
        if base.is_poison() || key.is_poison() {
            return Typed::poison(span);
        }
        let path = match (self.ast.node(index), base.path.clone()) {
            (Node::Int(at), Some(path)) => Some(path.element(*at)),
            _ => None,
        };
        let base = self.unfolded(base);
        let typed = match base.ty.kind.clone() {
            TypeKind::List(element) => match self.as_index(index, key) {
                Some(at) => {
                    let ty = (*element).clone().or_null();
                    self.make(Op::Element(Box::new([base.code, at.code])), ty, span, false)
                }
                None => return Typed::poison(span),
            },
            TypeKind::Map(entry) => self.entry(base, &entry, key, id),
            TypeKind::Object(members) => {
                let Some(ty) = super::join::members_type(&members) else {
                    let title = format!(
                        "`{}` has members of several types and needs a literal key",
                        self.written(of)
                    );
                    return self
                        .fail(ExprError::new("wrong-type", self.ast.span(index), title).label("a computed key"));
                };
                let entry = (Type::string(), ty);
                let map = Op::Convert(Box::new(Conversion::ToMap), Box::new(base.code));
                let map = Typed::new(
                    Code::new(map, span),
                    Type {
                        kind: base.ty.kind,
                        nullable: base.ty.nullable,
                    },
                );
                self.entry(map, &entry, key, id)
            }
            TypeKind::Any => match key.ty.kind {
                TypeKind::String | TypeKind::Int(_) | TypeKind::Any | TypeKind::Enum(_) => {
                    self.make(Op::JsonEntry(Box::new([base.code, key.code])), Type::any(), span, true)
                }
                _ => {
                    let title = format!("`{}` is no key and no index", self.written(index));
                    let label = format!("this is `{}`", key.ty);
                    return self.fail(ExprError::new("wrong-type", self.ast.span(index), title).label(label));
                }
            },
            TypeKind::Null => Typed::new(base.code, Type::null()),
            _ => {
                let title = format!(
                    "`{}` is a `{}`, which has neither keys nor indexes",
                    self.written(of),
                    base.ty.clone().not_null()
                );
                return self.fail(ExprError::new("wrong-type", span, title).label("not a list, map or object"));
            }
        };
        self.narrowed(Typed { path, ..typed })
    }

    fn as_index(&mut self, id: NodeId, key: Typed) -> Option<Typed> {
        let span = key.code.span;
        match key.ty.kind {
            TypeKind::Int(_) | TypeKind::Enum(_) | TypeKind::Null => Some(key),
            TypeKind::Any => {
                let op = Op::Convert(Box::new(Conversion::FromJson(JsonKind::Int)), Box::new(key.code));
                Some(self.make(op, Type::int().or_null(), span, true))
            }
            _ => {
                let text = self.written(id);
                self.fail(
                    ExprError::new("wrong-type", span, format!("the index `{text}` is not an integer"))
                        .label(format!("this is `{}`", key.ty))
                        .help(format!("int({text})")),
                );
                None
            }
        }
    }

    /// What is left of a message as an object, where it is the keys that count; everything else as it is.
    pub(super) fn unfolded(&mut self, typed: Typed) -> Typed {
        let (conversion, members, fails) = match &typed.ty.kind {
            TypeKind::Selected(message, members) => {
                let reader = ObjectReader::compile(message, members);
                (Conversion::ToObject(reader), members.clone(), false)
            }
            TypeKind::Json(schema) => {
                let members = Arc::new(ObjectMember::of_json(schema));
                (Conversion::JsonToObject(json_members(&members)), members, true)
            }
            _ => return typed,
        };
        let ty = Type {
            kind: TypeKind::Object(members),
            nullable: typed.ty.nullable,
        };
        let span = typed.code.span;
        let op = Op::Convert(Box::new(conversion), Box::new(typed.code));
        let path = typed.path;
        Typed {
            path,
            ..self.make(op, ty, span, fails)
        }
    }

    /// `map[key]`.
    fn entry(&mut self, map: Typed, entry: &(Type, Type), key: Typed, id: NodeId) -> Typed {
        let span = self.ast.span(id);
        let at = key.code.span;
        let Some(key) = self.as_key(key, &entry.0, at) else {
            return Typed::poison(span);
        };
        let ty = entry.1.clone().or_null();
        self.make(Op::Entry(Box::new([map.code, key.code])), ty, span, false)
    }

    /// A value as a key of a map whose keys are `wanted`; none where it is of another type, which is reported.
    pub(super) fn as_key(&mut self, key: Typed, wanted: &Type, at: Span) -> Option<Typed> {
        if key.is_poison() || wanted.is_unknown() {
            return Some(key);
        }
        let key = self.beside(key, wanted)?;
        let fits = match (&key.ty.kind, &wanted.kind) {
            (TypeKind::Enum(a), TypeKind::Enum(b)) => a == b,
            (TypeKind::Int(_) | TypeKind::Enum(_), TypeKind::Int(_))
            | (TypeKind::Int(_), TypeKind::Enum(_))
            | (TypeKind::Null, _) => true,
            (TypeKind::Any, wanted) => {
                let kind = match wanted {
                    TypeKind::Bool => JsonKind::Bool,
                    TypeKind::String => JsonKind::Text,
                    _ => JsonKind::Int,
                };
                let op = Op::Convert(Box::new(Conversion::FromJson(kind)), Box::new(key.code));
                return Some(self.make(
                    op,
                    Type {
                        kind: wanted.clone(),
                        nullable: true,
                    },
                    at,
                    true,
                ));
            }
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        if fits {
            return Some(key);
        }
        let text = self
            .ast
            .text()
            .get(at.start as usize..at.end as usize)
            .unwrap_or_default();
        let mut error = ExprError::new(
            "wrong-type",
            at,
            format!("the keys of this map are `{wanted}`, not `{}`", key.ty),
        )
        .label(format!("this is `{}`", key.ty));
        error.help = match (&wanted.kind, &key.code.op) {
            (TypeKind::Int(_), Op::Constant(Value::String(digits))) => {
                digits.parse::<i64>().ok().map(|it| it.to_string())
            }
            (TypeKind::String, Op::Constant(Value::Int(digits))) => Some(format!("\"{digits}\"")),
            (TypeKind::String, _) if key.ty.is_scalar() => Some(format!("string({text})")),
            (TypeKind::Int(_), _) if key.ty.is_scalar() => Some(format!("int({text})")),
            _ => None,
        };
        self.fail(error);
        None
    }
}

/// Readers of the members that a JSON Schema names.
pub(in crate::expr) fn json_members(members: &[ObjectMember]) -> Arc<[JsonMember]> {
    members.iter().map(json_member).collect()
}

/// The reader of one of them.
pub(super) fn json_member(member: &ObjectMember) -> JsonMember {
    JsonMember {
        name: member.name.clone(),
        reader: JsonReader::lazy(&member.ty),
        optional: member.optional,
    }
}

/// The values of an enum of text.
fn words(schema: &JsonTypeRef) -> Option<Arc<[Arc<str>]>> {
    match &schema.shape {
        Shape::Words(words) => Some(words.clone()),
        _ => None,
    }
}

/// A path to a member that a JSON Schema does not name.
pub(super) fn no_json_member(schema: &JsonTypeRef, name: &str, at: Span) -> ExprError {
    let title = match &schema.name {
        Some(owner) => format!("`{owner}` has no member `{name}`"),
        None => format!("this object has no member `{name}`"),
    };
    let names: Vec<String> = schema.members().iter().map(|it| format!("`{}`", it.name)).collect();
    let label = match nearest(name, schema.members().iter().map(|it| &*it.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "its schema names no members".to_owned(),
        None if names.len() > 8 => "its schema does not name it".to_owned(),
        None => format!("it has {}", names.join(", ")),
    };
    ExprError::new("unknown-field", at, title).label(label)
}

/// The type and the reader of a field that is left of a message.
pub(super) fn selected_field(message: &MessageRef, left: &[ObjectMember], name: &str) -> Option<(Type, FieldReader)> {
    let member = left.iter().find(|it| &*it.name == name)?;
    let reader = FieldReader::compile(message, message.field(name)?);
    Some((member.ty.clone(), reader))
}

pub(super) fn bound(binding: Binding, span: Span) -> Typed {
    let op = match binding.target {
        Target::Constant(value) => Op::Constant(value),
        Target::Slot(slot) => Op::Slot(slot),
    };
    Typed::new(Code::new(op, span), binding.ty)
}

/// "shop.Product is defined in descriptors/shop.proto:98".
fn defined_in(message: &MessageRef) -> Option<String> {
    let place = &message.place;
    match (&*place.file, place.line) {
        ("", _) => None,
        (file, 0) => Some(format!("{} is defined in {file}", message.full_name)),
        (file, line) => Some(format!("{} is defined in {file}:{line}", message.full_name)),
    }
}
