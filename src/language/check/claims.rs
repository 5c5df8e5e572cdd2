//! The types of claims: what providers declare, and what `auth` is in an endpoint that names several (semantics.md 11).
//!
//! Undeclared claims are `any`, which may be null; declared ones are there, and of their type, in every credential that was
//! accepted. Where visitors may ask, everything may be null until it is known that `auth` is not.

use std::sync::Arc;

use super::auth::Known;
use crate::expr::{IntRange, JsonReader, Type, TypeKind};
use crate::language::spec::auth::{ClaimType, Provider, ProviderKind};
use crate::plan::{ClaimRule, Who};

/// A claim whose type is known.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    path: Vec<Arc<str>>,
    ty: Type,
}

/// Who is asked in one endpoint, as far as expressions go.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    providers: Vec<Known>,
    visitors: bool,
    all: bool,
}

/// A path behind `auth`.
pub(super) struct ClaimPath {
    /// How many of its steps make the claim.
    pub(super) consumed: usize,
    pub(super) ty: Type,
    /// Its type once it is known that somebody asks.
    pub(super) known: Type,
}

/// What a provider declares, `sub` and `iss` included.
pub(super) fn declared(provider: &Provider) -> Vec<Declared> {
    let mut all = Vec::new();
    for (name, ty) in &provider.claims {
        add(vec![name.value.clone()], &ty.value, &mut all);
    }
    let issued = matches!(&provider.kind, ProviderKind::Jwt(jwt) if jwt.issuer.is_some());
    for (name, known) in [("sub", true), ("iss", issued)] {
        if !all.iter().any(|it| *it.path[0] == *name) {
            let ty = Type::string();
            all.push(Declared {
                path: vec![name.into()],
                ty: if known { ty } else { ty.or_null() },
            });
        }
    }
    all
}

/// What is demanded of each credential.
pub(super) fn rules(provider: &Provider) -> Vec<ClaimRule> {
    let rule = |it: Declared| ClaimRule {
        demanded: !it.ty.nullable && !matches!(it.ty.kind, TypeKind::List(_)),
        reader: JsonReader::compile(&it.ty),
        path: it.path,
    };
    declared(provider).into_iter().map(rule).collect()
}

fn add(path: Vec<Arc<str>>, ty: &ClaimType, all: &mut Vec<Declared>) {
    match ty {
        ClaimType::Object(below) => {
            for (name, ty) in below {
                let mut path = path.clone();
                path.push(name.value.clone());
                add(path, ty, all);
            }
        }
        other => all.push(Declared {
            path,
            ty: type_of(other),
        }),
    }
}

fn type_of(written: &ClaimType) -> Type {
    match written {
        ClaimType::List(element) => Type::of(TypeKind::List(Arc::new(type_of(element)))),
        ClaimType::Named { name, optional } => {
            let ty = Type::of(match &**name {
                "bool" => TypeKind::Bool,
                "double" => TypeKind::Double { single: false },
                "int" => TypeKind::Int(IntRange::PLAIN),
                "string" => TypeKind::String,
                "timestamp" => TypeKind::Timestamp,
                _ => TypeKind::Any,
            });
            if *optional { ty.or_null() } else { ty }
        }
        // The elements of a list; what is in them is looked at when it is read.
        ClaimType::Object(_) => Type::any(),
    }
}

impl Asked {
    /// What `auth` is where these may ask; `None` where nobody looks.
    pub(super) fn of(who: &Who, known: &[Known]) -> Option<Self> {
        let (all, visitors) = match who {
            Who::AllOf(_) => (true, false),
            Who::AnyOf { visitors, .. } => (false, *visitors),
            Who::Anyone => return None,
        };
        Some(Self {
            providers: who
                .providers()
                .iter()
                .filter_map(|it| known.get(it.0).cloned())
                .collect(),
            visitors,
            all,
        })
    }

    /// What `auth` is where any of these may ask, or nobody is asked.
    pub(super) fn any(known: &[Known]) -> Option<Self> {
        (!known.is_empty()).then(|| Self {
            providers: known.to_vec(),
            visitors: true,
            all: false,
        })
    }

    /// The claim that a path behind `auth` names.
    pub(super) fn claim(&self, path: &[&str]) -> ClaimPath {
        let (consumed, known) = self.known(path);
        let ty = if self.visitors {
            known.clone().or_null()
        } else {
            known.clone()
        };
        ClaimPath { consumed, ty, known }
    }

    fn known(&self, path: &[&str]) -> (usize, Type) {
        let Some((first, rest)) = path.split_first() else {
            return (0, Type::any());
        };
        if self.all {
            let other = self.providers.iter().skip(1).find(|it| *it.name == **first);
            return match (other, rest) {
                (Some(_), []) => (1, Type::any()),
                (Some(it), rest) => {
                    let (consumed, ty) = of_provider(it, rest);
                    (consumed + 1, ty)
                }
                (None, _) => self
                    .providers
                    .first()
                    .map_or((path.len(), Type::any()), |it| of_provider(it, path)),
            };
        }
        let mut found = self.providers.iter().map(|it| of_provider(it, path));
        let Some((consumed, mut ty)) = found.next() else {
            return (path.len(), Type::any());
        };
        for (other, one) in found {
            if other != consumed || one.kind != ty.kind {
                return (path.len(), Type::any());
            }
            ty.nullable |= one.nullable;
        }
        (consumed, ty)
    }
}

fn of_provider(provider: &Known, path: &[&str]) -> (usize, Type) {
    let found = provider
        .claims
        .iter()
        .find(|it| it.path.len() <= path.len() && it.path.iter().zip(path).all(|(name, step)| **name == **step));
    found.map_or_else(|| (path.len(), Type::any()), |it| (it.path.len(), it.ty.clone()))
}
