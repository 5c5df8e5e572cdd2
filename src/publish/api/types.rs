//! Types of expressions, messages and templates → types of JSON.

mod json;

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::Key;
use super::{Enum, EnumValue, Integer, Kind, Member, NamedType, Object, Rest, Shape, Type, Written, names};
use crate::codec::wire_to_json::enum_value_names;
use crate::codec::{Defaults, EnumPrefix, Enums, Int64, JsonOptions, Names};
use crate::expr::{IntRange, ObjectMember, Type as ExprType, TypeKind};
use crate::plan::{self, Template};
use crate::publish::add;
use crate::schema::json_schema::JsonTypeRef;
use crate::schema::{self, Cardinality, EnumRef, Field, MessageRef, Presence, WellKnown};

/// Which way a value goes, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To us: canonical JSON in all the forms that it has.
    In,
    /// To the client.
    Out(JsonOptions),
}

impl Way {
    fn options(self) -> JsonOptions {
        match self {
            Self::In => JsonOptions::default(),
            Self::Out(options) => options,
        }
    }
}

/// Named types while they are collected.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// In the order in which they were met.
    keys: Vec<Key>,
    /// What each is called, once all are known.
    names: BTreeMap<Key, String>,
    made: BTreeMap<String, NamedType>,
}

impl Types {
    /// The same, knowing every type that there will be.
    pub(super) fn named(self) -> Self {
        Self {
            names: names::of_types(&self.keys),
            ..Self::default()
        }
    }

    /// All types, by name.
    pub(super) fn into_types(self) -> Vec<NamedType> {
        self.made.into_values().collect()
    }

    /// The members of an object, named or not, as far as it was met.
    pub(super) fn object<'a>(&'a self, ty: &'a Type) -> Option<&'a Object> {
        match &ty.kind {
            Kind::Object(object) => Some(object),
            Kind::Named(name) => match &self.made.get(name)?.shape {
                Shape::Object(object) => Some(object),
                Shape::Enum(_) => None,
            },
            _ => None,
        }
    }

    /// A message of a request without some of its fields.
    pub(super) fn without(&mut self, message: &MessageRef, set: &[Field]) -> Type {
        let mut members = self.fields(message, None, Way::In);
        members.retain(|it| set.iter().all(|field| *field.json_name != *it.name));
        Type::of(Kind::Object(Object {
            members,
            rest: Rest::Closed,
        }))
    }

    /// What a value of an expression is.
    pub(super) fn of_type(&mut self, ty: &ExprType, way: Way) -> Type {
        let kind = match &ty.kind {
            TypeKind::Any | TypeKind::Unknown => Kind::Any,
            TypeKind::Bool => Kind::Bool,
            TypeKind::Bytes => Kind::Bytes,
            TypeKind::Double { single } => Kind::Double { single: *single },
            TypeKind::Duration => Kind::Duration,
            TypeKind::Enum(it) if it.null_value => Kind::Null,
            TypeKind::Enum(it) => Kind::Named(self.enumeration(it, way)),
            TypeKind::Int(range) => Kind::Integer(integer(*range, way)),
            TypeKind::Json(schema) => self.described(schema, way),
            TypeKind::List(element) => Kind::List(Box::new(self.of_type(element, way))),
            TypeKind::Map(entry) => Kind::Map(Box::new(self.of_type(&entry.1, way))),
            TypeKind::Message(it) if it.well_known == Some(WellKnown::FieldMask) => Kind::FieldMask,
            TypeKind::Message(it) => Kind::Named(self.message(it, way)),
            TypeKind::Null => Kind::Null,
            TypeKind::Object(members) => {
                let members = members.iter().map(|it| Member {
                    name: it.name.to_string(),
                    ty: self.of_type(&it.ty, way),
                    required: !it.optional,
                    description: None,
                    deprecated: false,
                });
                Kind::Object(Object {
                    members: members.collect(),
                    rest: rest(way),
                })
            }
            TypeKind::ProtoAny(_) => Kind::ProtoAny,
            TypeKind::Selected(message, left) => Kind::Object(Object {
                members: self.fields(message, Some(left), way),
                rest: rest(way),
            }),
            TypeKind::String => Kind::String,
            TypeKind::Timestamp => Kind::Timestamp,
        };
        Type {
            nullable: ty.nullable || matches!(kind, Kind::Any | Kind::Null),
            kind,
            facets: None,
        }
    }

    /// An object that a JSON Schema describes: by its name where it has one, or holds itself.
    fn described(&mut self, schema: &JsonTypeRef, way: Way) -> Kind {
        let Some(full_name) = json::name(schema) else {
            return Kind::Object(self.members_of(schema, way));
        };
        let form = format!("{} {:?}", json::form(schema), way.options());
        let (name, is_new) = self.name(&full_name, way, form);
        if is_new {
            // Stands there before its members are looked at, which may lead back to it.
            self.put(&name, schema.description.as_ref(), Shape::Object(Object::default()));
            let object = self.members_of(schema, way);
            self.put(&name, schema.description.as_ref(), Shape::Object(object));
        }
        Kind::Named(name)
    }

    fn members_of(&mut self, schema: &JsonTypeRef, way: Way) -> Object {
        let members = schema.members().iter().map(|member| {
            let inner = schema.sibling(member.ty);
            let mut ty = self.of_type(&ExprType::of_json(&inner), way);
            json::constrain(&mut ty, &inner);
            Member {
                name: member.name.to_string(),
                ty,
                required: member.required,
                description: comment(inner.description.as_ref()),
                deprecated: false,
            }
        });
        Object {
            members: members.collect(),
            rest: if schema.is_open() { Rest::Open } else { Rest::None },
        }
    }

    /// What a template gives.
    pub(super) fn of_template(&mut self, template: &Template) -> Type {
        match template {
            Template::Constant { json, .. } => of_json(&serde_json::from_slice(json).unwrap_or(Value::Null)),
            Template::Convert { template, .. } => self.of_template(template),
            Template::Expression { renderer, .. } => self.of_type(renderer.ty(), Way::Out(renderer.options())),
            Template::For { each, .. } => Type::of(Kind::List(Box::new(self.of_template(each)))),
            Template::List(items) => {
                let elements: Vec<Type> = items.iter().map(|it| self.of_template(&it.template)).collect();
                Type::of(Kind::List(Box::new(join(elements))))
            }
            Template::Object(members) => Type::of(Kind::Object(self.of_members(members))),
            Template::Text { .. } => Type::of(Kind::String),
        }
    }

    fn of_members(&mut self, members: &[plan::Member]) -> Object {
        let mut object = Object::default();
        for member in members {
            match member {
                plan::Member::Field {
                    name,
                    condition,
                    template,
                    ..
                } => {
                    object.members.push(Member {
                        name: name.to_string(),
                        ty: self.of_template(template),
                        required: condition.is_none(),
                        description: comment_of(template),
                        deprecated: false,
                    });
                }
                plan::Member::Spread {
                    of: (ty, options),
                    except,
                    ..
                } => self.spread(ty, Way::Out(*options), except, &mut object),
            }
        }
        object
    }

    fn spread(&mut self, ty: &ExprType, way: Way, except: &[std::sync::Arc<str>], object: &mut Object) {
        let mut spread = match &ty.kind {
            TypeKind::Message(message) => self.fields(message, None, way),
            TypeKind::Selected(message, left) => self.fields(message, Some(left), way),
            TypeKind::Json(_) | TypeKind::Object(_) => {
                let whole = self.of_type(ty, way);
                self.object(&whole).map(|it| it.members.clone()).unwrap_or_default()
            }
            _ => {
                // Members of unknown names: each that was written before may be one of them.
                for member in &mut object.members {
                    member.ty = Type::any();
                }
                object.rest = Rest::Open;
                return;
            }
        };
        spread.retain(|it| except.iter().all(|name| **name != *it.name));
        for member in &mut spread {
            member.required &= !ty.nullable;
        }
        object.members.extend(spread);
    }

    /// The members that a message has in JSON; only these fields, where there is a list of them.
    fn fields(&mut self, message: &MessageRef, only: Option<&[ObjectMember]>, way: Way) -> Vec<Member> {
        let mut members = Vec::new();
        for field in &message.fields {
            let hidden = match way {
                Way::In => field.behavior.output_only,
                Way::Out(_) => field.behavior.input_only,
            };
            let selected = only.map(|it| it.iter().find(|it| it.name == field.name));
            let ty = match selected {
                Some(None) => continue,
                None if hidden => continue,
                Some(Some(member)) => member.ty.clone(),
                None => ExprType::of_field(message, field),
            };
            let mut ty = self.of_type(&ty, way);
            if let Some(kind) = of_struct(message, field) {
                ty.kind = kind;
            }
            ty.nullable = matches!(ty.kind, Kind::Any | Kind::Null);
            members.push(Member {
                name: output_name(field, way.options()).to_owned(),
                ty,
                required: is_there(field, way),
                description: comment(field.comment.as_ref()),
                deprecated: field.deprecated,
            });
        }
        members
    }

    fn message(&mut self, message: &MessageRef, way: Way) -> String {
        let options = Way::Out(JsonOptions {
            enum_prefix: EnumPrefix::Keep,
            ..way.options()
        });
        // A message without enums is the same whatever becomes of prefixes; one with them has them in its form.
        let way_of_form = if holds_enum(message) { way } else { options };
        let form = format!("{} {:?} {}", way == Way::In, way_of_form.options(), form_of(message));
        let (name, is_new) = self.name(&message.full_name, way, form);
        if is_new {
            // Stands there before its fields are looked at, which may lead back to it.
            self.put(&name, message.comment.as_ref(), Shape::Object(Object::default()));
            let members = self.fields(message, None, way);
            let rest = rest(way);
            self.put(&name, message.comment.as_ref(), Shape::Object(Object { members, rest }));
        }
        name
    }

    fn enumeration(&mut self, declared: &EnumRef, way: Way) -> String {
        let options = way.options();
        let numbers = options.enums == Enums::Number;
        let mut values: Vec<EnumValue> = Vec::new();
        for (value, name) in declared
            .values
            .iter()
            .zip(enum_value_names(declared, options.enum_prefix))
        {
            if values.iter().all(|it| it.number != value.number) {
                values.push(EnumValue {
                    name,
                    number: value.number,
                    description: comment(value.comment.as_ref()),
                });
            }
        }
        let shown: Vec<String> = values.iter().map(|it| format!("{}={}", it.name, it.number)).collect();
        let form = format!("{numbers} {} {}", declared.closed, shown.join(","));
        let (name, is_new) = self.name(&declared.full_name, way, form);
        if is_new {
            let shape = Shape::Enum(Enum {
                values,
                open: !declared.closed,
                numbers,
            });
            self.put(&name, declared.comment.as_ref(), shape);
        }
        name
    }

    fn name(&mut self, full_name: &str, way: Way, form: String) -> (String, bool) {
        let key = Key {
            full_name: full_name.to_owned(),
            input: way == Way::In,
            form,
        };
        let at = self.keys.iter().position(|it| *it == key).unwrap_or_else(|| {
            self.keys.push(key.clone());
            self.keys.len() - 1
        });
        let name = self.names.get(&key).cloned().unwrap_or_else(|| format!("#{at}"));
        let is_new = !self.made.contains_key(&name);
        (name, is_new)
    }

    fn put(&mut self, name: &str, text: Option<&std::sync::Arc<str>>, shape: Shape) {
        self.made.insert(
            name.to_owned(),
            NamedType {
                name: name.to_owned(),
                description: comment(text),
                shape,
            },
        );
    }
}

/// Struct and `ListValue` are of unknown shape in expressions, but as a field they are an object and a list.
fn of_struct(message: &MessageRef, field: &Field) -> Option<Kind> {
    let (schema::Kind::Message(index), Cardinality::Singular) = (field.kind, field.cardinality) else {
        return None;
    };
    match message.sibling(index).well_known? {
        WellKnown::ListValue => Some(Kind::List(Box::new(Type::any()))),
        WellKnown::Struct => Some(Kind::Map(Box::new(Type::any()))),
        _ => None,
    }
}

fn rest(way: Way) -> Rest {
    match way {
        Way::In => Rest::Closed,
        Way::Out(_) => Rest::None,
    }
}

/// Whether a member is there whatever the message holds.
fn is_there(field: &Field, way: Way) -> bool {
    let declared = field.presence == Presence::Required;
    match way {
        Way::In => declared || field.behavior.required,
        Way::Out(options) => declared || options.defaults == Defaults::Emit && field.presence == Presence::Implicit,
    }
}

fn output_name(field: &Field, options: JsonOptions) -> &str {
    match options.names {
        Names::Json => &field.json_name,
        Names::Proto => &field.name,
    }
}

pub(super) fn integer(range: IntRange, way: Way) -> Integer {
    let written = match way {
        Way::In if range.wide => Written::Either,
        Way::Out(options) if range.wide && options.int64 == Int64::String => Written::Text,
        Way::In | Way::Out(_) => Written::Number,
    };
    Integer {
        min: range.min,
        max: range.max,
        written,
    }
}

/// A comment as a description; `@exclude` and the like are other tools' business.
pub(super) fn comment(text: Option<&std::sync::Arc<str>>) -> Option<String> {
    text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// What the field says that an expression ends with.
fn comment_of(template: &Template) -> Option<String> {
    match template {
        Template::Expression { program, .. } => comment(program.comment()),
        Template::For { list, .. } => comment(list.comment()),
        _ => None,
    }
}

/// The type of a literal.
fn of_json(value: &Value) -> Type {
    Type::of(match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Bool,
        Value::Number(it) if it.is_i64() || it.is_u64() => Kind::Integer(Integer {
            min: i64::MIN.into(),
            max: i64::MAX.into(),
            written: Written::Number,
        }),
        Value::Number(_) => Kind::Double { single: false },
        Value::String(_) => Kind::String,
        Value::Array(items) => Kind::List(Box::new(join(items.iter().map(of_json).collect()))),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Member {
                name: name.clone(),
                ty: of_json(value),
                required: true,
                description: None,
                deprecated: false,
            });
            Kind::Object(Object {
                members: members.collect(),
                rest: Rest::None,
            })
        }
    })
}

/// A type for all of these: theirs where they are of one kind, else anything.
fn join(all: Vec<Type>) -> Type {
    let nullable = all.iter().any(|it| it.nullable);
    let mut kinds = all.into_iter().map(|it| it.kind).filter(|it| *it != Kind::Null);
    let Some(first) = kinds.next() else {
        return if nullable { Type::of(Kind::Null) } else { Type::any() };
    };
    for kind in kinds {
        if kind != first {
            return Type::any();
        }
    }
    Type {
        nullable: nullable || first == Kind::Any,
        kind: first,
        facets: None,
    }
}

/// Whether JSON of a message can hold the name of an enum's value.
fn holds_enum(message: &MessageRef) -> bool {
    let mut found = false;
    each_message(message, &mut |it| {
        found |= it.fields.iter().any(|it| {
            matches!(it.kind, schema::Kind::Enum(_))
                || matches!(it.cardinality, Cardinality::Map(types) if matches!(types.value, schema::Kind::Enum(_)))
        });
    });
    found
}

/// All that a message's JSON depends on, in text: two messages of one name and form are one, whichever backend has them.
fn form_of(message: &MessageRef) -> String {
    let mut lines = Vec::new();
    each_message(message, &mut |it| {
        let mut line = format!("{}{{", it.full_name);
        for field in &it.fields {
            let ty = ExprType::of_field(it, field);
            add(
                &mut line,
                format_args!(
                    "{}/{}:{ty}:{:?}:{:?};",
                    field.name, field.json_name, field.presence, field.behavior
                ),
            );
        }
        line.push('}');
        lines.push(line);
    });
    lines.sort();
    lines.concat()
}

/// Visits a message and every message that it can hold.
fn each_message(message: &MessageRef, visit: &mut dyn FnMut(&MessageRef)) {
    let mut seen = std::collections::BTreeSet::from([message.index()]);
    let mut left = vec![message.clone()];
    while let Some(next) = left.pop() {
        for field in &next.fields {
            let kind = match field.cardinality {
                Cardinality::Map(types) => types.value,
                Cardinality::Repeated | Cardinality::Singular => field.kind,
            };
            if let schema::Kind::Message(index) = kind
                && seen.insert(index)
            {
                left.push(next.sibling(index));
            }
        }
        visit(&next);
    }
}
