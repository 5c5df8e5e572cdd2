//! `select:`: whether the response has members to choose from, and whether `?fields=` is free to say which.

use std::sync::Arc;

use super::unit::Unit;
use crate::codec::HttpBinding;
use crate::expr::{Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::language::spec::Location;
use crate::schema::WellKnown;

/// The query parameter of `select`.
const FIELDS: &str = "fields";

impl Unit<'_, '_> {
    /// Whether clients may choose. `bound` is how the shorthand's call gets its request from the query.
    pub(super) fn select(&mut self, bound: Option<&Arc<HttpBinding>>) -> bool {
        let outline = self.outline;
        let Some(select) = outline.spec.select.as_ref().filter(|it| it.value) else {
            return false;
        };
        let mut params = outline.params.iter().filter_map(|it| it.spec);
        let taken = params.find(|it| {
            let from_query = it.location.as_ref().is_none_or(|it| it.value == Location::Query);
            from_query && *it.wire_name.as_ref().unwrap_or(&it.name).value == *FIELDS
        });
        if let Some(param) = taken {
            let name = param.wire_name.as_ref().unwrap_or(&param.name);
            self.push(
                Diagnostic::new(
                    "name-taken",
                    name.span,
                    "the query parameter `fields` is what `select` reads",
                )
                .label("give it another name on the wire")
                .other(select.span, "clients choose members of the response with it")
                .help(format!("{}: {{ in: query, name: only_fields }}", param.name.value)),
            );
        } else if bound.is_some_and(|it| it.reads_query(FIELDS)) {
            self.push(
                Diagnostic::new(
                    "name-taken",
                    select.span,
                    "the query parameter `fields` fills a field of the request",
                )
                .label("`select` reads the same parameter")
                .help("request: { … }"),
            );
        }
        true
    }

    /// Refuses `select` where the response has nothing to choose from.
    pub(super) fn check_choice(&mut self, response: Span, ty: &Type) {
        let Some(select) = self.outline.spec.select.as_ref().filter(|it| it.value) else {
            return;
        };
        if has_members(ty) {
            return;
        }
        let title = format!("there is nothing to choose from in `{ty}`");
        self.push(
            Diagnostic::new("wrong-type", select.span, title)
                .label("`select` needs a response with members: an object, a message, or a list of them")
                .other(response, format!("the response is `{ty}`")),
        );
    }
}

fn has_members(ty: &Type) -> bool {
    match &ty.kind {
        TypeKind::Any
        | TypeKind::Json(_)
        | TypeKind::Object(_)
        | TypeKind::ProtoAny(_)
        | TypeKind::Selected(..)
        | TypeKind::Unknown => true,
        TypeKind::List(element) => has_members(element),
        TypeKind::Map(entry) => has_members(&entry.1),
        TypeKind::Message(message) if &*message.full_name == "google.api.HttpBody" => false,
        TypeKind::Message(message) => match message.well_known {
            None | Some(WellKnown::ListValue | WellKnown::Struct | WellKnown::Value) => true,
            Some(_) => false,
        },
        TypeKind::Bool
        | TypeKind::Bytes
        | TypeKind::Double { .. }
        | TypeKind::Duration
        | TypeKind::Enum(_)
        | TypeKind::Int(_)
        | TypeKind::Null
        | TypeKind::String
        | TypeKind::Timestamp => false,
    }
}
