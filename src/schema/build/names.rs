//! What the files declare, by full name, and what a name means where it stands.

use std::collections::HashMap;
use std::sync::Arc;

use super::SchemaError;
use super::feature::Features;
use super::source::Source;
use crate::schema::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use crate::schema::types::{EnumIndex, MessageIndex};

/// A file with what holds in all of it.
pub(super) struct File<'a> {
    pub(super) proto: &'a FileDescriptorProto,
    pub(super) source: Source<'a>,
    pub(super) features: Features,
}

/// Where a declaration stands: names are looked up from there, features are inherited from there.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) file: &'a File<'a>,
    /// Full name of the message or package around.
    pub(super) name: Arc<str>,
    pub(super) features: Features,
    /// Path of the message around in `source_code_info`; empty for a file.
    pub(super) path: Vec<i32>,
}

pub(super) struct DeclaredMessage<'a> {
    pub(super) proto: &'a DescriptorProto,
    pub(super) file: &'a File<'a>,
    /// The scope inside of it.
    pub(super) scope: Scope<'a>,
}

pub(super) struct DeclaredEnum<'a> {
    pub(super) proto: &'a EnumDescriptorProto,
    pub(super) scope: Scope<'a>,
    pub(super) full_name: Arc<str>,
    pub(super) path: Vec<i32>,
}

pub(super) struct DeclaredService<'a> {
    pub(super) proto: &'a ServiceDescriptorProto,
    pub(super) scope: Scope<'a>,
    pub(super) full_name: Arc<str>,
    pub(super) path: Vec<i32>,
}

pub(super) struct DeclaredExtension<'a> {
    pub(super) proto: &'a FieldDescriptorProto,
    pub(super) scope: Scope<'a>,
    pub(super) path: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Enum(EnumIndex),
    Message(MessageIndex),
    Service,
}

/// Everything that the files declare, by full name.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) symbols: HashMap<Arc<str>, (Symbol, &'a str)>,
    pub(super) messages: Vec<DeclaredMessage<'a>>,
    pub(super) enums: Vec<DeclaredEnum<'a>>,
    pub(super) services: Vec<DeclaredService<'a>>,
    pub(super) extensions: Vec<DeclaredExtension<'a>>,
}

/// Field numbers of descriptor.proto, as paths of `source_code_info` name declarations.
pub(super) mod path {
    pub(in crate::schema::build) const FILE_MESSAGE: i32 = 4;
    pub(in crate::schema::build) const FILE_ENUM: i32 = 5;
    pub(in crate::schema::build) const FILE_SERVICE: i32 = 6;
    pub(in crate::schema::build) const FILE_EXTENSION: i32 = 7;
    pub(in crate::schema::build) const MESSAGE_FIELD: i32 = 2;
    pub(in crate::schema::build) const MESSAGE_MESSAGE: i32 = 3;
    pub(in crate::schema::build) const MESSAGE_ENUM: i32 = 4;
    pub(in crate::schema::build) const MESSAGE_EXTENSION: i32 = 6;
    pub(in crate::schema::build) const ENUM_VALUE: i32 = 2;
    pub(in crate::schema::build) const SERVICE_METHOD: i32 = 2;

    /// A path with one step more.
    pub(in crate::schema::build) fn join(outer: &[i32], field: i32, index: usize) -> Vec<i32> {
        let mut path = Vec::with_capacity(outer.len() + 2);
        path.extend_from_slice(outer);
        path.push(field);
        path.push(i32::try_from(index).unwrap_or(i32::MAX));
        path
    }
}

impl<'a> File<'a> {
    pub(super) fn new(proto: &'a FileDescriptorProto) -> Result<Self, SchemaError> {
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

    pub(super) fn invalid(&self, reason: String) -> SchemaError {
        SchemaError::Invalid {
            file: self.source.file.as_ref().to_owned(),
            reason,
        }
    }
}

impl Scope<'_> {
    /// The full name of something declared here.
    pub(super) fn full_name(&self, name: &str) -> Result<Arc<str>, SchemaError> {
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
    pub(super) fn declare_file(&mut self, file: &'a File<'a>) -> Result<(), SchemaError> {
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

    pub(super) fn declare_message(
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

    pub(super) fn declare_enum(
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

    pub(super) fn declare(
        &mut self,
        full_name: &Arc<str>,
        symbol: Symbol,
        file: &'a File<'a>,
    ) -> Result<(), SchemaError> {
        match self.symbols.insert(full_name.clone(), (symbol, &file.source.file)) {
            None => Ok(()),
            Some((_, earlier)) => Err(file.invalid(format!("`{full_name}` is declared in {earlier} too"))),
        }
    }

    /// Finds what a name means: as it stands behind a leading dot, else from the innermost scope outwards.
    pub(super) fn resolve(&self, scope: &Scope<'_>, name: &str) -> Result<Symbol, SchemaError> {
        let find = |full_name: &str| {
            self.symbols
                .get(full_name)
                .map(|(symbol, _)| *symbol)
                .filter(|it| *it != Symbol::Service)
        };
        let found = if let Some(full_name) = name.strip_prefix('.') {
            find(full_name)
        } else {
            let around = std::iter::successors(Some(&*scope.name), |it| it.rsplit_once('.').map(|(outer, _)| outer));
            around
                .filter(|it| !it.is_empty())
                .find_map(|it| find(&format!("{it}.{name}")))
                .or_else(|| find(name))
        };
        found.ok_or_else(|| SchemaError::UnknownType {
            name: name.strip_prefix('.').unwrap_or(name).to_owned(),
            file: scope.file.source.file.as_ref().to_owned(),
        })
    }

    pub(super) fn resolve_message(&self, scope: &Scope<'_>, name: &str) -> Result<MessageIndex, SchemaError> {
        match self.resolve(scope, name)? {
            Symbol::Message(index) => Ok(index),
            Symbol::Enum(_) | Symbol::Service => {
                Err(scope.file.invalid(format!("`{name}` is used as a message and is none")))
            }
        }
    }
}

/// A file as errors name it.
pub(super) fn shown_name(file: &FileDescriptorProto) -> &str {
    file.path.as_deref().unwrap_or(file.name())
}
