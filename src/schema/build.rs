//! Descriptor sets → [`Schema`]: resolves names, features (proto2, proto3, editions 2023 and 2024) and options to facts.
//!
//! Three passes over all files: declare every name, define every type, add the extensions to what they extend. Names are
//! looked up among all files, imported or not, because sets from servers often leave imports out.
//! Invariant: the result does not depend on the order of the files.

mod feature;
mod field;
mod shape;
mod source;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use self::feature::Features;
use self::source::Source;
use super::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    IdempotencyLevel, MethodDescriptorProto, ServiceDescriptorProto,
};
use super::types::{Enum, EnumIndex, EnumValue, Field, Message, MessageIndex, Method, Schema, Service, Streaming};
use super::{http_rule, well_known};

/// Why descriptors could not become a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A name that a file uses is declared nowhere.
    #[error("`{name}`, used in {file}, is declared nowhere")]
    UnknownType {
        /// The missing full name.
        name: String,
        /// The file that uses it.
        file: String,
    },
    /// Anything else that makes the set unusable.
    #[error("{file}: {reason}")]
    Invalid {
        /// The file at fault.
        file: String,
        /// One sentence.
        reason: String,
    },
}

/// Builds the schema of one backend from all its files, in any order; files given twice count once.
///
/// Imports of google/protobuf, google/api, google/rpc, google/type, google/longrunning and grpc/reflection need not be
/// among them.
pub fn build(set: &FileDescriptorSet) -> Result<Arc<Schema>, SchemaError> {
    let files = gather(set)?;
    let files = files.into_values().map(File::new).collect::<Result<Vec<_>, _>>()?;
    let mut names = Names::default();
    for file in &files {
        names.declare_file(file)?;
    }
    let mut schema = Schema {
        fingerprint: fingerprint(&files),
        ..Schema::default()
    };
    schema.messages = names
        .messages
        .iter()
        .map(|it| names.message(it))
        .collect::<Result<_, _>>()?;
    schema.enums = names.enums.iter().map(enumeration).collect::<Result<_, _>>()?;
    names.extend(&mut schema.messages)?;
    for (message, declared) in schema.messages.iter_mut().zip(&names.messages) {
        index_fields(message, declared.file)?;
    }
    schema.services = names
        .services
        .iter()
        .map(|it| names.service(it))
        .collect::<Result<_, _>>()?;
    schema.services.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    schema.message_by_name = (0..)
        .map(MessageIndex)
        .zip(&schema.messages)
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    schema.enum_by_name = (0..)
        .map(EnumIndex)
        .zip(&schema.enums)
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    schema.service_by_name = schema
        .services
        .iter()
        .enumerate()
        .map(|(at, it)| (it.full_name.clone(), at))
        .collect();
    Ok(Arc::new(schema))
}

/// Every file once, by name, with the well-known ones that are imported but not there.
fn gather(set: &FileDescriptorSet) -> Result<BTreeMap<&str, &FileDescriptorProto>, SchemaError> {
    let mut files: BTreeMap<&str, &FileDescriptorProto> = BTreeMap::new();
    for file in &set.file {
        let Some(earlier) = files.get_mut(file.name()) else {
            files.insert(file.name(), file);
            continue;
        };
        // Everybody's copy of a well-known file is as good as another, whatever its comments and its age.
        if !well_known::is_well_known(file.name()) && comparable(earlier) != comparable(file) {
            let reason = "is given twice with different contents".to_owned();
            return Err(SchemaError::Invalid {
                file: shown_name(file).to_owned(),
                reason,
            });
        }
        let knows = |it: &FileDescriptorProto| (it.path.is_some(), it.source_code_info.is_some());
        if knows(file) > knows(earlier) {
            *earlier = file;
        }
    }
    let mut imports: Vec<&str> = files
        .values()
        .flat_map(|it| &it.dependency)
        .map(String::as_str)
        .collect();
    while let Some(import) = imports.pop() {
        if let Some(file) = well_known::find(import).filter(|_| !files.contains_key(import)) {
            files.insert(import, file);
            imports.extend(file.dependency.iter().map(String::as_str));
        }
    }
    Ok(files)
}

/// A file without what may differ between two copies that mean the same.
fn comparable(file: &FileDescriptorProto) -> FileDescriptorProto {
    fn complete(message: &mut DescriptorProto) {
        message
            .field
            .iter_mut()
            .chain(&mut message.extension)
            .for_each(field::complete);
        message.nested_type.iter_mut().for_each(complete);
    }
    let mut file = FileDescriptorProto {
        path: None,
        source_code_info: None,
        ..file.clone()
    };
    file.syntax = file.syntax.filter(|it| it != "proto2");
    file.message_type.iter_mut().for_each(complete);
    file.extension.iter_mut().for_each(field::complete);
    file
}

fn shown_name(file: &FileDescriptorProto) -> &str {
    file.path.as_deref().unwrap_or(file.name())
}

/// Digest over the files, which come sorted by name.
fn fingerprint(files: &[File<'_>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for file in files {
        // Where the files lie does not change what they say.
        let bytes = FileDescriptorProto {
            path: None,
            ..file.proto.clone()
        }
        .encode_to_vec();
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
    }
    digest.finalize().into()
}

// === declarations ===

/// A file with what holds in all of it.
struct File<'a> {
    proto: &'a FileDescriptorProto,
    source: Source<'a>,
    features: Features,
}

/// Where a declaration stands: names are looked up from there, features are inherited from there.
#[derive(Clone)]
struct Scope<'a> {
    file: &'a File<'a>,
    /// Full name of the message or package around.
    name: Arc<str>,
    features: Features,
    /// Path of the message around in `source_code_info`; empty for a file.
    path: Vec<i32>,
}

struct DeclaredMessage<'a> {
    proto: &'a DescriptorProto,
    file: &'a File<'a>,
    /// The scope inside of it.
    scope: Scope<'a>,
}

struct DeclaredEnum<'a> {
    proto: &'a EnumDescriptorProto,
    scope: Scope<'a>,
    full_name: Arc<str>,
    path: Vec<i32>,
}

struct DeclaredService<'a> {
    proto: &'a ServiceDescriptorProto,
    scope: Scope<'a>,
    full_name: Arc<str>,
    path: Vec<i32>,
}

struct DeclaredExtension<'a> {
    proto: &'a FieldDescriptorProto,
    scope: Scope<'a>,
    path: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Enum(EnumIndex),
    Message(MessageIndex),
    Service,
}

/// Everything that the files declare, by full name.
#[derive(Default)]
struct Names<'a> {
    symbols: HashMap<Arc<str>, (Symbol, &'a str)>,
    messages: Vec<DeclaredMessage<'a>>,
    enums: Vec<DeclaredEnum<'a>>,
    services: Vec<DeclaredService<'a>>,
    extensions: Vec<DeclaredExtension<'a>>,
}

/// Field numbers of descriptor.proto, as paths of `source_code_info` name declarations.
mod path {
    pub(super) const FILE_MESSAGE: i32 = 4;
    pub(super) const FILE_ENUM: i32 = 5;
    pub(super) const FILE_SERVICE: i32 = 6;
    pub(super) const FILE_EXTENSION: i32 = 7;
    pub(super) const MESSAGE_FIELD: i32 = 2;
    pub(super) const MESSAGE_MESSAGE: i32 = 3;
    pub(super) const MESSAGE_ENUM: i32 = 4;
    pub(super) const MESSAGE_EXTENSION: i32 = 6;
    pub(super) const ENUM_VALUE: i32 = 2;
    pub(super) const SERVICE_METHOD: i32 = 2;

    /// A path with one step more.
    pub(super) fn join(outer: &[i32], field: i32, index: usize) -> Vec<i32> {
        let mut path = Vec::with_capacity(outer.len() + 2);
        path.extend_from_slice(outer);
        path.push(field);
        path.push(i32::try_from(index).unwrap_or(i32::MAX));
        path
    }
}

impl<'a> File<'a> {
    fn new(proto: &'a FileDescriptorProto) -> Result<Self, SchemaError> {
        let features = Features::of_file(proto).map_err(|reason| SchemaError::Invalid {
            file: shown_name(proto).to_owned(),
            reason,
        })?;
        Ok(Self {
            proto,
            source: Source::new(proto),
            features,
        })
    }

    fn invalid(&self, reason: String) -> SchemaError {
        SchemaError::Invalid {
            file: self.source.file.as_ref().to_owned(),
            reason,
        }
    }
}

impl Scope<'_> {
    /// The full name of something declared here.
    fn full_name(&self, name: &str) -> Result<Arc<str>, SchemaError> {
        if name.is_empty() {
            return Err(self.file.invalid(format!("something in `{}` has no name", self.name)));
        }
        Ok(if self.name.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.name).into()
        })
    }
}

impl<'a> Names<'a> {
    fn declare_file(&mut self, file: &'a File<'a>) -> Result<(), SchemaError> {
        let scope = Scope {
            file,
            name: file.proto.package().into(),
            features: file.features,
            path: Vec::new(),
        };
        for (at, proto) in file.proto.message_type.iter().enumerate() {
            self.declare_message(proto, &scope, path::join(&[], path::FILE_MESSAGE, at))?;
        }
        for (at, proto) in file.proto.enum_type.iter().enumerate() {
            self.declare_enum(proto, &scope, path::join(&[], path::FILE_ENUM, at))?;
        }
        for (at, proto) in file.proto.service.iter().enumerate() {
            let full_name = scope.full_name(proto.name())?;
            self.declare(&full_name, Symbol::Service, file)?;
            self.services.push(DeclaredService {
                proto,
                scope: scope.clone(),
                full_name,
                path: path::join(&[], path::FILE_SERVICE, at),
            });
        }
        for (at, proto) in file.proto.extension.iter().enumerate() {
            self.extensions.push(DeclaredExtension {
                proto,
                scope: scope.clone(),
                path: path::join(&[], path::FILE_EXTENSION, at),
            });
        }
        Ok(())
    }

    fn declare_message(
        &mut self,
        proto: &'a DescriptorProto,
        outer: &Scope<'a>,
        at_path: Vec<i32>,
    ) -> Result<(), SchemaError> {
        let file = outer.file;
        let features = outer
            .features
            .with(proto.options.as_ref().and_then(|it| it.features.as_ref()));
        let scope = Scope {
            file,
            name: outer.full_name(proto.name())?,
            features,
            path: at_path,
        };
        let index = MessageIndex(u32::try_from(self.messages.len()).unwrap_or(u32::MAX));
        self.declare(&scope.name, Symbol::Message(index), file)?;
        self.messages.push(DeclaredMessage {
            proto,
            file,
            scope: scope.clone(),
        });
        for (at, inner) in proto.nested_type.iter().enumerate() {
            self.declare_message(inner, &scope, path::join(&scope.path, path::MESSAGE_MESSAGE, at))?;
        }
        for (at, inner) in proto.enum_type.iter().enumerate() {
            self.declare_enum(inner, &scope, path::join(&scope.path, path::MESSAGE_ENUM, at))?;
        }
        for (at, inner) in proto.extension.iter().enumerate() {
            let path = path::join(&scope.path, path::MESSAGE_EXTENSION, at);
            self.extensions.push(DeclaredExtension {
                proto: inner,
                scope: scope.clone(),
                path,
            });
        }
        Ok(())
    }

    fn declare_enum(
        &mut self,
        proto: &'a EnumDescriptorProto,
        scope: &Scope<'a>,
        path: Vec<i32>,
    ) -> Result<(), SchemaError> {
        let full_name = scope.full_name(proto.name())?;
        let index = EnumIndex(u32::try_from(self.enums.len()).unwrap_or(u32::MAX));
        self.declare(&full_name, Symbol::Enum(index), scope.file)?;
        self.enums.push(DeclaredEnum {
            proto,
            scope: scope.clone(),
            full_name,
            path,
        });
        Ok(())
    }

    fn declare(&mut self, full_name: &Arc<str>, symbol: Symbol, file: &'a File<'a>) -> Result<(), SchemaError> {
        match self.symbols.insert(full_name.clone(), (symbol, &file.source.file)) {
            None => Ok(()),
            Some((_, earlier)) => Err(file.invalid(format!("`{full_name}` is declared in {earlier} too"))),
        }
    }

    /// Finds what a name means: as it stands behind a leading dot, else from the innermost scope outwards.
    fn resolve(&self, scope: &Scope<'_>, name: &str) -> Result<Symbol, SchemaError> {
        let find = |full_name: &str| {
            self.symbols
                .get(full_name)
                .map(|(symbol, _)| *symbol)
                .filter(|it| *it != Symbol::Service)
        };
        let found = match name.strip_prefix('.') {
            Some(full_name) => find(full_name),
            None => {
                let mut around = &*scope.name;
                loop {
                    if around.is_empty() {
                        break find(name);
                    }
                    if let Some(symbol) = find(&format!("{around}.{name}")) {
                        break Some(symbol);
                    }
                    around = around.rsplit_once('.').map_or("", |(outer, _)| outer);
                }
            }
        };
        found.ok_or_else(|| SchemaError::UnknownType {
            name: name.strip_prefix('.').unwrap_or(name).to_owned(),
            file: scope.file.source.file.as_ref().to_owned(),
        })
    }

    fn resolve_message(&self, scope: &Scope<'_>, name: &str) -> Result<MessageIndex, SchemaError> {
        match self.resolve(scope, name)? {
            Symbol::Message(index) => Ok(index),
            Symbol::Enum(_) | Symbol::Service => {
                Err(scope.file.invalid(format!("`{name}` is used as a message and is none")))
            }
        }
    }

    // === definitions ===

    fn message(&self, declared: &DeclaredMessage<'_>) -> Result<Message, SchemaError> {
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
            message_set: proto.options.as_ref().is_some_and(|it| it.message_set_wire_format()),
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
    fn extend(&self, messages: &mut [Message]) -> Result<(), SchemaError> {
        for DeclaredExtension { proto, scope, path } in &self.extensions {
            let MessageIndex(index) = self.resolve_message(scope, proto.extendee())?;
            let (extended, message) = (&self.messages[index as usize], &mut messages[index as usize]);
            let full_name = scope.full_name(proto.name())?;
            let in_range =
                |it: &super::descriptor::ExtensionRange| it.start() <= proto.number() && proto.number() < it.end();
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

    fn service(&self, declared: &DeclaredService<'_>) -> Result<Service, SchemaError> {
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

    fn method(
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
        let level = options.map_or(
            IdempotencyLevel::Unknown,
            super::descriptor::MethodOptions::idempotency_level,
        );
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
            deprecated: options.is_some_and(super::descriptor::MethodOptions::deprecated),
            place: scope.file.source.place(path),
            comment: scope.file.source.comment(path),
        })
    }
}

fn is_map_entry(proto: &DescriptorProto) -> bool {
    proto
        .options
        .as_ref()
        .is_some_and(super::descriptor::MessageOptions::map_entry)
}

/// Sorts the fields of a complete message and prepares finding them.
fn index_fields(message: &mut Message, file: &File<'_>) -> Result<(), SchemaError> {
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

fn enumeration(declared: &DeclaredEnum<'_>) -> Result<Enum, SchemaError> {
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

#[cfg(test)]
mod tests;
