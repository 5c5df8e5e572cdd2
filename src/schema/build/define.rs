//! Declarations → messages, enums and services of the model.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::names::{DeclaredEnum, DeclaredExtension, DeclaredMessage, DeclaredService, File, Names, Scope, path};
use super::{SchemaError, field, shape};
use crate::schema::descriptor::{
    DescriptorProto, ExtensionRange, IdempotencyLevel, MessageOptions, MethodDescriptorProto, MethodOptions,
};
use crate::schema::http_rule;
use crate::schema::types::{Enum, EnumValue, Field, Message, MessageIndex, Method, Service, Streaming};

impl Names<'_> {
    pub(super) fn message(&self, declared: &DeclaredMessage<'_>) -> Result<Message, SchemaError> {
        let DeclaredMessage { proto, scope, .. } = declared;
        let file = scope.file;
        // A oneof that was made for a proto3 `optional` is no oneof to anybody.
        let synthetic: HashSet<i32> = proto
            .field
            .iter()
            .filter(|it| it.proto3_optional())
            .filter_map(|it| it.oneof_index)
            .collect();
        let mut oneofs = Vec::new();
        let mut oneof_at = Vec::new();
        for (at, oneof) in (0..).zip(&proto.oneof_decl) {
            let real = !synthetic.contains(&at);
            oneof_at.push(real.then_some(oneofs.len()));
            if real {
                oneofs.push(Arc::from(oneof.name()));
            }
        }
        let mut fields = Vec::with_capacity(proto.field.len());
        for (at, field) in proto.field.iter().enumerate() {
            let oneof_decl = field.oneof_index.map(|it| {
                usize::try_from(it)
                    .ok()
                    .and_then(|it| Some((proto.oneof_decl.get(it)?, *oneof_at.get(it)?)))
            });
            let (oneof_features, oneof) = match oneof_decl {
                None => (None, None),
                Some(Some((decl, oneof))) => (decl.options.as_ref().and_then(|it| it.features.as_ref()), oneof),
                Some(None) => {
                    return Err(file.invalid(format!(
                        "field `{}` of `{}` is in a oneof that does not exist",
                        field.name(),
                        scope.name
                    )));
                }
            };
            let scope = Scope {
                features: scope.features.with(oneof_features),
                ..scope.clone()
            };
            let path = path::join(&scope.path, path::MESSAGE_FIELD, at);
            fields.push(Field {
                oneof,
                ..self.field(field, &scope, &path, field::Role::Member(proto))?
            });
        }
        Ok(Message {
            well_known: shape::well_known(&scope.name),
            map_entry: is_map_entry(proto),
            message_set: proto
                .options
                .as_ref()
                .is_some_and(MessageOptions::message_set_wire_format),
            place: file.source.place(&scope.path),
            comment: file.source.comment(&scope.path),
            full_name: scope.name.clone(),
            fields,
            oneofs,
            by_name: HashMap::new(),
            by_json_name: HashMap::new(),
        })
    }

    /// Adds the extensions to the messages that they extend.
    pub(super) fn extend(&self, messages: &mut [Message]) -> Result<(), SchemaError> {
        for DeclaredExtension { proto, scope, path } in &self.extensions {
            let MessageIndex(index) = self.resolve_message(scope, proto.extendee())?;
            let (extended, message) = (&self.messages[index as usize], &mut messages[index as usize]);
            let full_name = scope.full_name(proto.name())?;
            let in_range = |it: &ExtensionRange| it.start() <= proto.number() && proto.number() < it.end();
            if !extended.proto.extension_range.iter().any(in_range) {
                let number = proto.number();
                return Err(scope.file.invalid(format!(
                    "`{}` has no room for extension `{full_name}` with number {number}",
                    message.full_name
                )));
            }
            let name: Arc<str> = format!("[{full_name}]").into();
            let field = self.field(proto, scope, path, field::Role::Extension(extended.proto))?;
            message.fields.push(Field {
                json_name: name.clone(),
                name,
                ..field
            });
        }
        Ok(())
    }

    pub(super) fn service(&self, declared: &DeclaredService<'_>) -> Result<Service, SchemaError> {
        let DeclaredService {
            proto,
            scope,
            full_name,
            path,
        } = declared;
        let methods = proto
            .method
            .iter()
            .enumerate()
            .map(|(at, method)| self.method(method, declared, &path::join(path, path::SERVICE_METHOD, at)));
        let methods = methods.collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = methods.iter().find(|it| !names.insert(&it.name)) {
            return Err(scope
                .file
                .invalid(format!("`{full_name}` declares method `{}` twice", twice.name)));
        }
        let source = &scope.file.source;
        Ok(Service {
            full_name: full_name.clone(),
            methods,
            place: source.place(path),
            comment: source.comment(path),
        })
    }

    pub(super) fn method(
        &self,
        proto: &MethodDescriptorProto,
        service: &DeclaredService<'_>,
        path: &[i32],
    ) -> Result<Method, SchemaError> {
        let DeclaredService { scope, full_name, .. } = service;
        if proto.name().is_empty() {
            return Err(scope.file.invalid(format!("a method of `{full_name}` has no name")));
        }
        let options = proto.options.as_ref();
        let level = options.map_or(IdempotencyLevel::Unknown, MethodOptions::idempotency_level);
        Ok(Method {
            name: proto.name().into(),
            path: format!("/{full_name}/{}", proto.name()).into(),
            input: self.resolve_message(scope, proto.input_type())?,
            output: self.resolve_message(scope, proto.output_type())?,
            streaming: match (proto.client_streaming(), proto.server_streaming()) {
                (true, true) => Streaming::Both,
                (true, false) => Streaming::Client,
                (false, true) => Streaming::Server,
                (false, false) => Streaming::Unary,
            },
            http: options
                .and_then(|it| it.http.as_ref())
                .map(http_rule::flatten)
                .unwrap_or_default(),
            no_side_effects: level == IdempotencyLevel::NoSideEffects,
            idempotent: level != IdempotencyLevel::Unknown,
            deprecated: options.is_some_and(MethodOptions::deprecated),
            place: scope.file.source.place(path),
            comment: scope.file.source.comment(path),
        })
    }
}

pub(super) fn is_map_entry(proto: &DescriptorProto) -> bool {
    proto.options.as_ref().is_some_and(MessageOptions::map_entry)
}

/// Sorts the fields of a complete message and prepares finding them.
pub(super) fn index_fields(message: &mut Message, file: &File<'_>) -> Result<(), SchemaError> {
    message.fields.sort_by_key(|it| it.number);
    let full_name = &message.full_name;
    for pair in message.fields.windows(2) {
        if let [a, b] = pair
            && a.number == b.number
        {
            return Err(file.invalid(format!(
                "fields `{}` and `{}` of `{full_name}` have the same number {}",
                a.name, b.name, a.number
            )));
        }
    }
    for (at, field) in message.fields.iter().enumerate() {
        if message.by_name.insert(field.name.clone(), at).is_some() {
            return Err(file.invalid(format!("`{full_name}` has two fields `{}`", field.name)));
        }
        // Old proto2 files may give two fields one JSON name; the lower number has it then.
        message.by_json_name.entry(field.json_name.clone()).or_insert(at);
    }
    match message.well_known {
        Some(it) if !shape::fits(message, it) => Err(file.invalid(format!(
            "`{full_name}` has not the fields that google/protobuf declares for it"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn enumeration(declared: &DeclaredEnum<'_>) -> Result<Enum, SchemaError> {
    let DeclaredEnum {
        proto,
        scope,
        full_name,
        path,
    } = declared;
    let source = &scope.file.source;
    if proto.value.is_empty() {
        return Err(scope.file.invalid(format!("enum `{full_name}` has no values")));
    }
    let mut values = Vec::with_capacity(proto.value.len());
    let (mut by_name, mut by_number) = (HashMap::new(), HashMap::new());
    for (at, value) in proto.value.iter().enumerate() {
        let name: Arc<str> = value.name().into();
        if by_name.insert(name.clone(), at).is_some() {
            return Err(scope
                .file
                .invalid(format!("enum `{full_name}` has two values `{name}`")));
        }
        // Of aliases, the first is the name of the number.
        by_number.entry(value.number()).or_insert(at);
        values.push(EnumValue {
            name,
            number: value.number(),
            comment: source.comment(&path::join(path, path::ENUM_VALUE, at)),
        });
    }
    let features = scope
        .features
        .with(proto.options.as_ref().and_then(|it| it.features.as_ref()));
    Ok(Enum {
        full_name: full_name.clone(),
        values,
        closed: features.closed,
        null_value: &**full_name == "google.protobuf.NullValue",
        place: source.place(path),
        comment: source.comment(path),
        by_name,
        by_number,
    })
}
