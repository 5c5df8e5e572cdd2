//! What schemas say of HTTP calls and of bodies: `schema:` of a call, of a backend and of `body`.
//!
//! A path is relative to the file that it stands in. Behind `#` stands an operation of an OpenAPI document, or a part of a JSON
//! Schema file. A backend's `schema` types every call of it that is an operation of the document, by method and path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::unit::HttpTypes;
use super::world::{World, listed};
use crate::expr::{PlaceType, Type};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{Span, Spanned};
use crate::language::spec::{self, Accept, Call, CallKind, Name, TextPart, TextTemplate};
use crate::plan::BackendIndex;
use crate::schema::json_schema::{JsonTypeRef, Operation, Payload, SchemaError, Validator};
use crate::schema::suggest;

/// What is known of an HTTP call before any expression is.
pub(super) fn types(world: &World<'_>, backend: BackendIndex, call: &Call, diagnostics: &mut Diagnostics) -> HttpTypes {
    let Some(CallKind::Http {
        method,
        path,
        query,
        body,
        accept,
        schema,
        ..
    }) = &call.kind
    else {
        return HttpTypes::default();
    };
    let written = accept.as_ref().map_or(Accept::Json, |it| it.value);
    let shared = world.gateway.backends.get(backend.0).and_then(|it| it.schema.as_ref());
    let is_shared = schema.is_none();
    let Some(schema) = schema.as_ref().or(shared) else {
        return HttpTypes::default();
    };
    let found = match find(world, schema, (&method.value, path)) {
        Ok(found) => found,
        Err(error) => {
            diagnostics.push(diagnostic(world, &error, schema.span));
            return HttpTypes::default();
        }
    };
    let operation = match found {
        Found::Operation(operation) => operation,
        Found::Type(_) if written != Accept::Json => {
            diagnostics.push(unread(schema, accept.as_ref()));
            return HttpTypes::default();
        }
        Found::Type(ty) => {
            return HttpTypes {
                fingerprint: ty.fingerprint().to_vec(),
                reply: Some(Type::of_json(&ty)),
                ..HttpTypes::default()
            };
        }
        Found::Nothing => return HttpTypes::default(),
    };
    let place = call_place(schema, call);
    if *operation.method != *method.value {
        let title = format!(
            "{} is `{} {}`, and this call is a {}",
            shown(&operation),
            operation.method,
            operation.path,
            method.value
        );
        diagnostics.push(noted(
            Diagnostic::new("wrong-value", method.span, title).label(format!("expected {}", operation.method)),
            &operation,
        ));
        return HttpTypes::default();
    }
    let mut types = HttpTypes::default();
    match &operation.reply {
        Payload::Json(Some(_)) if written != Accept::Json && !is_shared => {
            diagnostics.push(unread(schema, accept.as_ref()));
        }
        Payload::Json(ty) => types.reply = ty.as_ref().map(Type::of_json),
        Payload::Other(media) if written == Accept::Json => {
            let title = format!("{} answers `{media}`, which is no JSON", shown(&operation));
            diagnostics.push(noted(
                Diagnostic::new("wrong-value", place, title)
                    .label("say what it is read as")
                    .help("accept: text"),
                &operation,
            ));
        }
        Payload::None | Payload::Other(_) => {}
    }
    types.body = body_place(body.as_ref(), &operation, diagnostics);
    check_query(query, &operation, place, diagnostics);
    check_headers(call, &operation, place, diagnostics);
    if !is_shared {
        check_path(path, &operation, diagnostics);
    }
    for ty in [&operation.reply].into_iter().chain(&operation.body) {
        if let Payload::Json(Some(ty)) = ty {
            types.fingerprint.extend_from_slice(ty.fingerprint());
        }
    }
    types.operation = Some(operation);
    types
}

/// A type of JSON where the reply is read as something else.
fn unread(schema: &Name, accept: Option<&Spanned<Accept>>) -> Diagnostic {
    let title = "`schema` says what JSON is, and this reply is not read as JSON";
    let wrong = Diagnostic::new("conflicting-keys", schema.span, title).label("leave one of the two out");
    match accept {
        Some(accept) => wrong.other(accept.span, "read as something else here"),
        None => wrong,
    }
}

/// `body: { schema: … }`: its type, and what checks it.
pub(super) fn body(world: &World<'_>, schema: &Name, diagnostics: &mut Diagnostics) -> (Type, Option<Arc<Validator>>) {
    match read_body(world, schema) {
        Ok((ty, validator)) => (Type::of_json(&ty), Some(Arc::new(validator))),
        Err(error) => {
            diagnostics.push(diagnostic(world, &error, schema.span));
            (Type::unknown(), None)
        }
    }
}

fn read_body(world: &World<'_>, schema: &Name) -> Result<(JsonTypeRef, Validator), SchemaError> {
    let (path, fragment) = split(world, schema);
    let mut library = world.library.borrow_mut();
    if library.is_openapi30(&path)? {
        let reason = format!(
            "`{}` is OpenAPI 3.0, whose schemas are not JSON Schema; bodies are checked by JSON Schema or OpenAPI 3.1",
            path.display()
        );
        return Err(SchemaError {
            reason,
            hint: String::new(),
            place: None,
            is_unreadable: false,
        });
    }
    let ty = library.schema(&path, &fragment)?;
    let validator = library.validator(&path, &fragment)?;
    Ok((ty, validator))
}

enum Found {
    /// The document does not say anything of this call.
    Nothing,
    Operation(Operation),
    Type(JsonTypeRef),
}

fn find(world: &World<'_>, schema: &Name, (method, path): (&str, &TextTemplate)) -> Result<Found, SchemaError> {
    let (file, fragment) = split(world, schema);
    let mut library = world.library.borrow_mut();
    if !library.is_openapi(&file)? || fragment.starts_with('/') {
        return library.schema(&file, &fragment).map(Found::Type);
    }
    if !fragment.is_empty() {
        return library.operation(&file, &fragment).map(Found::Operation);
    }
    let segments = segments(path);
    let segments: Vec<_> = segments.iter().map(|it| it.as_deref()).collect();
    let found = library.operation_at(&file, method, &segments)?;
    Ok(found.map_or(Found::Nothing, Found::Operation))
}

/// The file, relative to the one that names it, and what stands behind `#`.
fn split(world: &World<'_>, schema: &Name) -> (PathBuf, String) {
    let (path, fragment) = schema.value.split_once('#').unwrap_or((&schema.value, ""));
    let file = world.sources.file(schema.span.file);
    let folder = file
        .and_then(|it| Path::new(&*it.path).parent())
        .unwrap_or(Path::new(""));
    (folder.join(path), fragment.to_owned())
}

/// The segments of a path, `None` for those that are known only when a request runs.
fn segments(path: &TextTemplate) -> Vec<Option<String>> {
    let mut whole = vec![Some(String::new())];
    for part in &path.parts {
        match part {
            TextPart::Literal(text, _) => {
                for (at, piece) in text.split('/').enumerate() {
                    if at > 0 {
                        whole.push(Some(String::new()));
                    }
                    if let Some(Some(last)) = whole.last_mut() {
                        last.push_str(piece);
                    }
                }
            }
            TextPart::Hole(_) => {
                if let Some(last) = whole.last_mut() {
                    *last = None;
                }
            }
        }
    }
    whole.remove(0);
    whole
}

fn check_query(query: &[(Name, spec::Template)], operation: &Operation, place: Span, diagnostics: &mut Diagnostics) {
    let declared = || operation.parameters.iter().filter(|it| &*it.location == "query");
    for (name, _) in query {
        if declared().any(|it| it.name == name.value) {
            continue;
        }
        let title = format!("{} has no query parameter `{}`", shown(operation), name.value);
        let label = match suggest::nearest(&name.value, declared().map(|it| &*it.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if declared().next().is_none() => "it has none".to_owned(),
            None => format!("it has {}", listed(declared().map(|it| &*it.name))),
        };
        diagnostics.push(noted(
            Diagnostic::new("unknown-field", name.span, title).label(label),
            operation,
        ));
    }
    let written = |name: &str| query.iter().any(|(it, _)| *it.value == *name);
    let missing: Vec<&str> = declared()
        .filter(|it| it.required && !written(&it.name))
        .map(|it| &*it.name)
        .collect();
    if !missing.is_empty() {
        let title = format!(
            "{} needs the query parameter {}",
            shown(operation),
            listed(missing.iter().copied())
        );
        diagnostics.push(noted(
            Diagnostic::new("missing-field", place, title).help(format!("query: {{ {}: … }}", missing.join(": …, "))),
            operation,
        ));
    }
}

/// What belongs into the body; an error where one is written that would not be read.
fn body_place(
    body: Option<&spec::Template>,
    operation: &Operation,
    diagnostics: &mut Diagnostics,
) -> Option<PlaceType> {
    match (&operation.body, body) {
        (Some(Payload::Json(Some(ty))), _) => {
            let ty = Type::of_json(ty);
            let takes_null = ty.nullable;
            Some(PlaceType { ty, takes_null })
        }
        (None, Some(body)) => {
            let title = format!("{} takes no body", shown(operation));
            let wrong = Diagnostic::new("unknown-field", body.span, title).label("it would not be read");
            diagnostics.push(noted(wrong, operation));
            None
        }
        _ => None,
    }
}

/// A call that names its operation asks where that is.
fn check_path(path: &TextTemplate, operation: &Operation, diagnostics: &mut Diagnostics) {
    let written = segments(path);
    let written: Vec<_> = written.iter().map(Option::as_deref).collect();
    if !operation.is_at(&written) {
        let title = format!("{} is at `{}`, and this call is not", shown(operation), operation.path);
        let label = format!("expected `{}`", operation.path);
        let wrong = Diagnostic::new("wrong-value", path.span, title).label(label);
        diagnostics.push(noted(wrong, operation));
    }
}

/// Headers that must be sent, but for those that the gateway sends by itself.
fn check_headers(call: &Call, operation: &Operation, place: Span, diagnostics: &mut Diagnostics) {
    let written = |name: &str| call.headers.iter().any(|(it, _)| it.value.eq_ignore_ascii_case(name));
    let missing: Vec<String> = operation
        .parameters
        .iter()
        .filter(|it| &*it.location == "header" && it.required && !written(&it.name))
        .map(|it| it.name.to_ascii_lowercase())
        // By OpenAPI these mean nothing as parameters.
        .filter(|it| !matches!(&**it, "accept" | "authorization" | "content-type"))
        .collect();
    if !missing.is_empty() {
        let title = format!(
            "{} needs the header {}",
            shown(operation),
            listed(missing.iter().map(String::as_str))
        );
        let help = format!("headers: {{ {}: … }}", missing.join(": …, "));
        diagnostics.push(noted(
            Diagnostic::new("missing-field", place, title).help(help),
            operation,
        ));
    }
}

/// Where the call says which operation it is: its own `schema`, or itself where its backend's does.
fn call_place(schema: &Name, call: &Call) -> Span {
    if schema.span.file == call.name.span.file {
        schema.span
    } else {
        call.name.span
    }
}

pub(super) fn shown(operation: &Operation) -> String {
    match &operation.id {
        Some(id) => format!("`{id}`"),
        None => format!("`{} {}`", operation.method, operation.path),
    }
}

pub(super) fn noted(mut wrong: Diagnostic, operation: &Operation) -> Diagnostic {
    let place = &operation.place;
    wrong.note = Some(format!(
        "{} is defined in {}:{}",
        shown(operation),
        place.file,
        place.line
    ));
    wrong
}

fn diagnostic(world: &World<'_>, error: &SchemaError, span: Span) -> Diagnostic {
    let mut wrong = Diagnostic::new("bad-schema", span, error.reason.clone());
    if !error.hint.is_empty() {
        wrong = wrong.label(error.hint.clone());
    }
    wrong.note = match &error.place {
        Some(place) => Some(format!("in {}:{}", place.file, place.line)),
        None if error.is_unreadable => {
            let from = world.sources.path(span.file);
            Some(format!("the path of a schema goes from the folder of {from}"))
        }
        None => None,
    };
    wrong
}
