//! One field or extension: its type, and what syntax, features and options make of it.

use super::define::is_map_entry;
use super::feature::Features;
use super::names::{Names, Scope, Symbol};
use crate::schema::build::SchemaError;
use crate::schema::descriptor::{DescriptorProto, FieldDescriptorProto, FieldPresence, Label, Type};
use crate::schema::types::{Behavior, Cardinality, Field, Kind, MapTypes, Presence};

/// What a field is to a message.
#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    /// It extends this one from outside.
    Extension(&'a DescriptorProto),
    /// It is declared in this one.
    Member(&'a DescriptorProto),
}

/// The highest field number that a tag has room for.
const MAX_NUMBER: i32 = (1 << 29) - 1;

/// `google.api.FieldBehavior`, as far as a gateway cares.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;
const INPUT_ONLY: i32 = 4;

impl Names<'_> {
    /// Resolves one field. Its oneof and, for an extension, its name are the caller's to set.
    pub(super) fn field(
        &self,
        proto: &FieldDescriptorProto,
        scope: &Scope<'_>,
        path: &[i32],
        role: Role<'_>,
    ) -> Result<Field, SchemaError> {
        let file = scope.file;
        let described = || format!("field `{}` of `{}`", proto.name(), scope.name);
        if proto.name().is_empty() {
            return Err(file.invalid(format!("a field of `{}` has no name", scope.name)));
        }
        let owner = match role {
            Role::Extension(owner) | Role::Member(owner) => owner,
        };
        // Message sets number their extensions by whole 31-bit type ids.
        let message_set = owner
            .options
            .as_ref()
            .is_some_and(crate::schema::descriptor::MessageOptions::message_set_wire_format);
        let max_number = if message_set { i32::MAX - 1 } else { MAX_NUMBER };
        let number = u32::try_from(proto.number())
            .ok()
            .filter(|_| (1..=max_number).contains(&proto.number()));
        let number = number
            .ok_or_else(|| file.invalid(format!("{} has the impossible number {}", described(), proto.number())))?;
        let options = proto.options.clone().unwrap_or_default();
        let features = scope.features.with(options.features.as_ref());
        let kind = self.kind(proto, scope)?;
        let cardinality = match self.map_types(kind, features)? {
            Some(types) if proto.label() == Label::Repeated => Cardinality::Map(types),
            Some(_) => {
                return Err(file.invalid(format!("{} has the entry type of a map and is none", described())));
            }
            None if proto.label() == Label::Repeated => Cardinality::Repeated,
            None => Cardinality::Singular,
        };
        let is_message = matches!(kind, Kind::Message(_));
        let packable =
            cardinality == Cardinality::Repeated && !is_message && !matches!(kind, Kind::Bytes | Kind::String);
        // Maps are never groups, whatever the file says.
        let may_be_group = is_message && !matches!(cardinality, Cardinality::Map(_)) && !is_map_entry(owner);
        Ok(Field {
            name: proto.name().into(),
            json_name: json_name(proto).into(),
            number,
            kind,
            cardinality,
            presence: presence(proto, features, kind, cardinality, role),
            packed: packable && options.packed.unwrap_or(features.packed),
            utf8: kind == Kind::String && features.utf8,
            delimited: proto.r#type() == Type::Group || may_be_group && features.delimited,
            oneof: None,
            default: proto.default_value.as_deref().map(Into::into),
            behavior: Behavior {
                required: options.field_behavior.contains(&REQUIRED),
                output_only: options.field_behavior.contains(&OUTPUT_ONLY),
                input_only: options.field_behavior.contains(&INPUT_ONLY),
            },
            deprecated: options.deprecated(),
            comment: file.source.comment(path),
            place: file.source.place(path),
        })
    }

    fn kind(&self, proto: &FieldDescriptorProto, scope: &Scope<'_>) -> Result<Kind, SchemaError> {
        let mismatch = || {
            scope.file.invalid(format!(
                "field `{}` of `{}` takes `{}` for another kind of type",
                proto.name(),
                scope.name,
                proto.type_name()
            ))
        };
        // Descriptors that were not linked leave the type out and give its name only.
        let declared = proto.r#type.map(Type::try_from);
        Ok(match declared {
            None => match self.resolve(scope, proto.type_name())? {
                Symbol::Enum(index) => Kind::Enum(index),
                Symbol::Message(index) => Kind::Message(index),
                Symbol::Service => return Err(mismatch()),
            },
            Some(Ok(Type::Enum)) => match self.resolve(scope, proto.type_name())? {
                Symbol::Enum(index) => Kind::Enum(index),
                Symbol::Message(_) | Symbol::Service => return Err(mismatch()),
            },
            Some(Ok(Type::Group | Type::Message)) => match self.resolve(scope, proto.type_name())? {
                Symbol::Message(index) => Kind::Message(index),
                Symbol::Enum(_) | Symbol::Service => return Err(mismatch()),
            },
            Some(Ok(Type::Bool)) => Kind::Bool,
            Some(Ok(Type::Bytes)) => Kind::Bytes,
            Some(Ok(Type::Double)) => Kind::Double,
            Some(Ok(Type::Fixed32)) => Kind::Fixed32,
            Some(Ok(Type::Fixed64)) => Kind::Fixed64,
            Some(Ok(Type::Float)) => Kind::Float,
            Some(Ok(Type::Int32)) => Kind::Int32,
            Some(Ok(Type::Int64)) => Kind::Int64,
            Some(Ok(Type::Sfixed32)) => Kind::Sfixed32,
            Some(Ok(Type::Sfixed64)) => Kind::Sfixed64,
            Some(Ok(Type::Sint32)) => Kind::Sint32,
            Some(Ok(Type::Sint64)) => Kind::Sint64,
            Some(Ok(Type::String)) => Kind::String,
            Some(Ok(Type::Uint32)) => Kind::Uint32,
            Some(Ok(Type::Uint64)) => Kind::Uint64,
            Some(Err(_)) => {
                return Err(scope.file.invalid(format!(
                    "field `{}` of `{}` has a type that protobuf does not know",
                    proto.name(),
                    scope.name
                )));
            }
        })
    }

    /// Key and value, if this is the entry type of a map.
    fn map_types(&self, kind: Kind, features: Features) -> Result<Option<MapTypes>, SchemaError> {
        let Kind::Message(index) = kind else {
            return Ok(None);
        };
        let entry = &self.messages[index.0 as usize];
        if !is_map_entry(entry.proto) {
            return Ok(None);
        }
        let find = |number: i32| {
            entry
                .proto
                .field
                .iter()
                .find(|it| it.number() == number && it.label() != Label::Repeated)
        };
        let (Some(key), Some(value), 2) = (find(1), find(2), entry.proto.field.len()) else {
            return Err(entry
                .file
                .invalid(format!("map entry `{}` has not a key and a value", entry.scope.name)));
        };
        let (key, value) = (self.kind(key, &entry.scope)?, self.kind(value, &entry.scope)?);
        if matches!(
            key,
            Kind::Bytes | Kind::Double | Kind::Enum(_) | Kind::Float | Kind::Message(_)
        ) {
            return Err(entry.file.invalid(format!(
                "the keys of map entry `{}` are no integers, strings or bools",
                entry.scope.name
            )));
        }
        if let Kind::Message(index) = value
            && is_map_entry(self.messages[index.0 as usize].proto)
        {
            return Err(entry.file.invalid(format!(
                "the values of map entry `{}` are map entries",
                entry.scope.name
            )));
        }
        Ok(Some(MapTypes {
            key,
            value,
            utf8: features.utf8,
        }))
    }
}

fn presence(
    proto: &FieldDescriptorProto,
    features: Features,
    kind: Kind,
    cardinality: Cardinality,
    role: Role<'_>,
) -> Presence {
    if cardinality != Cardinality::Singular {
        return Presence::Implicit;
    }
    if proto.label() == Label::Required {
        return Presence::Required;
    }
    let explicit = proto.oneof_index.is_some() || proto.proto3_optional() || matches!(role, Role::Extension(_));
    match features.presence {
        _ if explicit => Presence::Explicit,
        FieldPresence::LegacyRequired => Presence::Required,
        _ if matches!(kind, Kind::Message(_)) => Presence::Explicit,
        FieldPresence::Implicit => Presence::Implicit,
        FieldPresence::Explicit | FieldPresence::Unknown => Presence::Explicit,
    }
}

/// The JSON name that a file gives, else the one that follows from the name.
pub(super) fn json_name(proto: &FieldDescriptorProto) -> String {
    if let Some(name) = &proto.json_name {
        return name.clone();
    }
    let mut json_name = String::with_capacity(proto.name().len());
    let mut upper = false;
    for char in proto.name().chars() {
        if char == '_' {
            upper = true;
        } else {
            json_name.push(if upper { char.to_ascii_uppercase() } else { char });
            upper = false;
        }
    }
    json_name
}
