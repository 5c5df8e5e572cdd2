//! What every composition is checked against: the gateway file, its backends and their services, constants, and the fragments
//! that were checked before.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::BackendSchema;
use super::auth::{self, Known};
use super::fragment::FragmentState;
use super::gate::Limits;
use super::literal;
use crate::codec::JsonOptions;
use crate::expr::{Type, Value};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{SourceMap, Span};
use crate::language::spec::{Gateway, Json, Name};
use crate::plan::{BackendIndex, Origin};
use crate::schema::json_schema::Library;
use crate::schema::suggest;
use crate::schema::{EnumRef, MessageRef, Method, Schema, Service};

/// What every composition is checked against.
#[derive(Debug)]
pub(super) struct World<'s> {
    pub(super) gateway: &'s Gateway,
    pub(super) sources: &'s SourceMap,
    pub(super) schemas: &'s [BackendSchema],
    /// Files of JSON Schema and OpenAPI, each read once.
    pub(super) library: RefCell<Library>,
    /// `vars:`, with their values.
    pub(super) vars: Vec<(Arc<str>, Value, Type)>,
    /// Limits that were checked.
    pub(super) limits: Rc<RefCell<Limits>>,
    /// Providers of identity, in written order.
    pub(super) auth: Vec<Known>,
    /// Fragments that were checked, by name.
    pub(super) fragments: BTreeMap<Arc<str>, FragmentState>,
    /// Those that are wrong, and those that compose them.
    pub(super) broken: BTreeSet<Arc<str>>,
    /// The index of its first fragment: those of another world may come before.
    pub(super) first_fragment: usize,
}

/// A method and who serves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'s> {
    pub(super) backend: BackendIndex,
    pub(super) schema: &'s Arc<Schema>,
    pub(super) service: &'s Service,
    pub(super) method: &'s Method,
}

/// Why a method has nobody who serves it.
#[derive(Debug)]
pub(super) enum Unserved {
    /// This backend may serve it, but has not said so yet.
    Waiting(Arc<str>),
    /// A diagnostic said why.
    Wrong,
}

impl<'s> World<'s> {
    /// Reads the constants; fragments come later.
    pub(super) fn new(
        gateway: &'s Gateway,
        schemas: &'s [BackendSchema],
        sources: &'s SourceMap,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut vars = Vec::new();
        for (name, value) in &gateway.vars {
            let (ty, value) = literal::natural(&value.value);
            if vars.iter().any(|(other, _, _): &(Arc<str>, _, _)| *other == name.value) {
                diagnostics.push(Diagnostic::new(
                    "name-taken",
                    name.span,
                    format!("`{}` is declared twice", name.value),
                ));
            }
            vars.push((name.value.clone(), value, ty));
        }
        Self {
            gateway,
            sources,
            schemas,
            library: RefCell::default(),
            limits: Rc::default(),
            vars,
            auth: auth::known(gateway),
            fragments: BTreeMap::new(),
            broken: BTreeSet::new(),
            first_fragment: 0,
        }
    }

    /// Where a span stands, for logs.
    pub(super) fn origin(&self, span: Span) -> Origin {
        let Some(file) = self.sources.file(span.file) else {
            return Origin::default();
        };
        let (line, column) = self.sources.position(span.file, span.start);
        Origin {
            file: file.path.clone(),
            line,
            column,
        }
    }

    /// The backend of a name.
    pub(super) fn backend(&self, name: &Name, diagnostics: &mut Diagnostics) -> Option<BackendIndex> {
        let at = self.gateway.backends.iter().position(|it| it.name.value == name.value);
        if at.is_none() {
            let names = self.gateway.backends.iter().map(|it| &*it.name.value);
            let of_http = self.gateway.backends.iter().find(|it| !it.http.is_empty());
            let label = match suggest::nearest(&name.value, names) {
                _ if matches!(&*name.value, "http" | "https") => match of_http {
                    Some(it) => format!("a backend's name stands in place of an address: `{}:/…`", it.name.value),
                    None => "a backend's name stands in place of an address".to_owned(),
                },
                Some(near) => format!("did you mean `{near}`?"),
                None => "not among `backends:` of the gateway file".to_owned(),
            };
            let title = format!("there is no backend `{}`", name.value);
            diagnostics.push(Diagnostic::new("unknown-backend", name.span, title).label(label));
        }
        at.map(BackendIndex)
    }

    /// Who serves `pkg.Service/Method`; streaming methods are refused.
    pub(super) fn method(
        &self,
        name: &Name,
        backend: Option<&Name>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Served<'s>, Unserved> {
        let Some((service_name, method_name)) = name.value.split_once('/') else {
            let title = format!("`{}` is not the name of a method", name.value);
            diagnostics
                .push(Diagnostic::new("unknown-method", name.span, title).label("expected `package.Service/Method`"));
            return Err(Unserved::Wrong);
        };
        let span = part_of(name, 0..service_name.len());
        let (backend, schema, service) = self.service(service_name, span, backend, diagnostics)?;
        let Some(method) = service.methods.iter().find(|it| &*it.name == method_name) else {
            let near = suggest::nearest(method_name, service.methods.iter().map(|it| &*it.name));
            let label = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its methods are {}", listed(service.methods.iter().map(|it| &*it.name))),
            };
            let mut diagnostic = Diagnostic::new(
                "unknown-method",
                part_of(name, service_name.len() + 1..name.value.len()),
                format!("`{service_name}` has no method `{method_name}`"),
            )
            .label(label);
            diagnostic.note = place_note(service_name, &service.place);
            diagnostics.push(diagnostic);
            return Err(Unserved::Wrong);
        };
        Ok(Served {
            backend,
            schema,
            service,
            method,
        })
    }

    /// The one backend that serves a service.
    pub(super) fn service(
        &self,
        service: &str,
        span: Span,
        chosen: Option<&Name>,
        diagnostics: &mut Diagnostics,
    ) -> Result<(BackendIndex, &'s Arc<Schema>, &'s Service), Unserved> {
        if let Some(chosen) = chosen {
            let at = self.backend(chosen, diagnostics).ok_or(Unserved::Wrong)?;
            return match self.schemas.get(at.0) {
                Some(BackendSchema::Known(schema)) => match schema.find_service(service) {
                    Some(found) => Ok((at, schema, found)),
                    None => Err(self.unknown_service(service, span, Some(schema), diagnostics)),
                },
                Some(BackendSchema::Missing(_)) => Err(Unserved::Waiting(chosen.value.clone())),
                Some(BackendSchema::None) | None => {
                    let title = format!("backend `{}` does not speak gRPC", chosen.value);
                    diagnostics.push(Diagnostic::new("wrong-backend", chosen.span, title).label("an HTTP backend"));
                    Err(Unserved::Wrong)
                }
            };
        }
        let mut known = Vec::new();
        let mut waiting = None;
        for (at, backend) in self.gateway.backends.iter().enumerate() {
            let allowed = backend.services.is_empty() || backend.services.iter().any(|it| matches(&it.value, service));
            match self.schemas.get(at) {
                Some(BackendSchema::Known(schema)) if allowed => {
                    known.extend(
                        schema
                            .find_service(service)
                            .map(|found| (BackendIndex(at), schema, found)),
                    );
                }
                Some(BackendSchema::Missing(_)) if allowed => {
                    waiting.get_or_insert_with(|| backend.name.value.clone());
                }
                _ => {}
            }
        }
        let stands_behind = |at: BackendIndex| {
            let backend = self.gateway.backends.get(at.0);
            backend.is_some_and(|it| super::traffic::stands_behind(self.gateway, &it.name.value))
        };
        if known.iter().any(|it| !stands_behind(it.0)) {
            known.retain(|it| !stands_behind(it.0));
        }
        match known.as_slice() {
            [] => match waiting {
                Some(backend) => Err(Unserved::Waiting(backend)),
                None => Err(self.unknown_service(service, span, None, diagnostics)),
            },
            [only] => Ok(*only),
            [first, ..] => {
                let names: Vec<_> = known
                    .iter()
                    .map(|(at, _, _)| &*self.gateway.backends[at.0].name.value)
                    .collect();
                // The one that is called as the service is, where there is one: `cart` for `shop.CartService`.
                let short = service.rsplit('.').next().unwrap_or(service).to_ascii_lowercase();
                let likely = names.iter().find(|it| short.starts_with(**it)).copied();
                let likely = likely.unwrap_or(&self.gateway.backends[first.0.0].name.value);
                let title = format!("`{service}` is served by {} backends", names.len());
                diagnostics.push(
                    Diagnostic::new("ambiguous-backend", span, title)
                        .label(format!("by {}", listed(names.iter().copied())))
                        .note(format!(
                            "or, for all calls, `services: [{service}]` at that backend in weft.yaml"
                        ))
                        .help(format!("backend: {likely}")),
                );
                Err(Unserved::Wrong)
            }
        }
    }

    fn unknown_service(
        &self,
        service: &str,
        span: Span,
        only: Option<&Arc<Schema>>,
        diagnostics: &mut Diagnostics,
    ) -> Unserved {
        let schemas = self.schemas.iter().filter_map(|it| match it {
            BackendSchema::Known(schema) => Some(schema),
            BackendSchema::Missing(_) | BackendSchema::None => None,
        });
        let names: Vec<&str> = match only {
            Some(schema) => schema.services().iter().map(|it| &*it.full_name).collect(),
            None => schemas.flat_map(|it| it.services()).map(|it| &*it.full_name).collect(),
        };
        // A name without its package is the usual slip, and the distance between the two is large.
        let same_end = names
            .iter()
            .find(|it| it.rsplit('.').next() == service.rsplit('.').next());
        let near = same_end
            .copied()
            .or_else(|| suggest::nearest(service, names.iter().copied()));
        let label = near.map_or_else(
            || "declared by no descriptors".to_owned(),
            |it| format!("did you mean `{it}`?"),
        );
        let title = format!("no backend serves `{service}`");
        diagnostics.push(Diagnostic::new("unknown-service", span, title).label(label));
        Unserved::Wrong
    }

    /// A message or an enum by its full name, in whichever backend declares it first.
    pub(super) fn find_type(&self, full_name: &str) -> Option<Type> {
        self.schemas.iter().find_map(|it| {
            let BackendSchema::Known(schema) = it else { return None };
            if let Some(index) = schema.find_message(full_name) {
                return Some(Type::of_message(&MessageRef::new(schema.clone(), index)));
            }
            let index = schema.find_enum(full_name)?;
            Some(Type::of(crate::expr::TypeKind::Enum(EnumRef::new(
                schema.clone(),
                index,
            ))))
        })
    }

    /// A backend whose types are not known yet.
    pub(super) fn first_missing(&self) -> Option<Arc<str>> {
        let at = self
            .schemas
            .iter()
            .position(|it| matches!(it, BackendSchema::Missing(_)))?;
        self.gateway.backends.get(at).map(|it| it.name.value.clone())
    }

    /// `json:` of the gateway file, then of those nearer to the place.
    pub(super) fn json(&self, nearer: &[&Json]) -> JsonOptions {
        std::iter::once(&self.gateway.json)
            .chain(nearer.iter().copied())
            .fold(JsonOptions::default(), |options, it| JsonOptions {
                names: it.names.unwrap_or(options.names),
                int64: it.int64.unwrap_or(options.int64),
                enums: it.enums.unwrap_or(options.enums),
                defaults: it.defaults.unwrap_or(options.defaults),
                enum_prefix: it.enum_prefix.unwrap_or(options.enum_prefix),
            })
    }

    /// Whether the backend's `safe:` names a method (semantics.md 4.6).
    pub(super) fn names_safe(&self, backend: BackendIndex, service: &Service, method: &Method) -> bool {
        let full = format!("{}/{}", service.full_name, method.name);
        let names = |pattern: &str| matches(pattern, if pattern.contains('/') { &full } else { &method.name });
        match self.gateway.backends.get(backend.0).and_then(|it| it.safe.as_ref()) {
            Some(patterns) => patterns.iter().any(|it| names(&it.value)),
            None => ["Get*", "List*", "BatchGet*"].iter().any(|it| names(it)),
        }
    }
}

/// The place of a part of a name; the whole where it was written with escapes.
fn part_of(name: &Name, part: std::ops::Range<usize>) -> Span {
    let len = name.span.end.saturating_sub(name.span.start) as usize;
    // Quotes stand around it.
    let before = match len.checked_sub(name.value.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return name.span,
    };
    let at = |byte: usize| name.span.start + u32::try_from(byte + before).unwrap_or_default();
    Span {
        start: at(part.start),
        end: at(part.end),
        ..name.span
    }
}

/// Whether a pattern with `*` for any text matches the whole of `text`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|it| text.strip_prefix(it)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// "a, b and c", of many only the first.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let all: Vec<_> = names.into_iter().collect();
    let shown: Vec<_> = all.iter().take(SHOWN).map(|it| format!("`{it}`")).collect();
    match shown.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some(_) if all.len() > SHOWN => format!("{} and {} more", shown.join(", "), all.len() - SHOWN),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// "`shop.Product` is defined in descriptors/shop.proto:98".
pub(super) fn place_note(name: &str, place: &crate::schema::Place) -> Option<String> {
    if place.file.is_empty() {
        return None;
    }
    let line = if place.line == 0 {
        String::new()
    } else {
        format!(":{}", place.line)
    };
    Some(format!("{name} is defined in {}{line}", place.file))
}

/// A name that stands at a place where it was not written.
pub(super) fn named(name: &str, span: Span) -> Name {
    Name {
        value: name.into(),
        span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, want) in [
            ("Get*", "GetProduct", true),
            ("Get*", "ForGetting", false),
            ("*", "", true),
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("shop.*.v1", "shop.x.v1", true),
            ("shop.*.v1", "shop.v1", false),
            ("*a*a", "a", false),
            ("*a*a", "ba", false),
            ("*a*a", "aa", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed([]), "none");
    }
}
