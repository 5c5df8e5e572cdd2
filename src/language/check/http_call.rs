//! HTTP calls: the path in segments, the query, headers and body (semantics.md 11.3, 11.4).

use http::Method;

use super::backend::{self, request_header_name};
use super::call::Made;
use super::credentials;
use super::http_schema::noted;
use super::outline::CallId;
use super::parameter::{self, Given};
use super::unit::{HttpTypes, Purpose, Scope, Unit};
use crate::expr::{JsonReader, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::spec::{self, CallKind, Name, Template, TextPart, TextTemplate};
use crate::plan::{self, Accept, BackendIndex, PathPart};
use crate::schema::json_schema::Operation;

/// Where a value is sent that is neither JSON nor a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// gRPC metadata with a name in `-bin`.
    Bytes,
    Header,
    Query,
}

impl Unit<'_, '_> {
    /// Checks an HTTP call.
    pub(super) fn http_call(
        &mut self,
        id: CallId,
        (backend, types): (BackendIndex, &HttpTypes),
        scope: &Scope,
    ) -> Option<Made> {
        let spec = self.outline.call(id).spec;
        let CallKind::Http {
            method,
            path,
            query,
            body,
            accept,
            ..
        } = spec.kind.as_ref()?
        else {
            return None;
        };
        let scope = &scope.for_purpose(Purpose::Send);
        let operation = types.operation.as_ref();
        let path = self.path(path, operation, scope);
        let query = query
            .iter()
            .map(|(name, value)| {
                let carrier = (Carrier::Query, operation);
                (name.value.clone(), self.carried(name, value, carrier, scope))
            })
            .collect();
        let headers = self.headers_of(&spec.headers, backend, scope, (false, operation));
        if let (Some(body), "GET" | "HEAD") = (body, &*method.value) {
            let title = format!("a {} request has no body", method.value);
            self.push(Diagnostic::new("body-on-get", body.span, title).label("use `query`, or another method"));
        }
        let place = types.body.as_ref();
        let body = body.as_ref().map(|it| self.template(it, place, scope).template);
        let Ok(method) = Method::from_bytes(method.value.as_bytes()) else {
            let title = format!("`{}` is not a method", method.value);
            self.push(
                Diagnostic::new("wrong-value", method.span, title)
                    .label("expected GET, POST, PUT, PATCH, DELETE or HEAD"),
            );
            return None;
        };
        let (accept, ty) = match accept.as_ref().map_or(spec::Accept::Json, |it| it.value) {
            spec::Accept::Bytes => (Accept::Bytes, Type::of(TypeKind::Bytes)),
            spec::Accept::Json => {
                let ty = types.reply.clone();
                (Accept::Json, ty.unwrap_or_else(|| Type::of(TypeKind::Any)))
            }
            spec::Accept::Text => (Accept::Text, Type::of(TypeKind::String)),
            spec::Accept::Xml => (Accept::Xml, Type::of(TypeKind::Any)),
        };
        let timeout = self.world.gateway.backends.get(backend.0).map(backend::timeout);
        let call = plan::HttpCall {
            backend,
            method,
            path,
            query,
            headers,
            body,
            accept,
            reply: types
                .reply
                .clone()
                .filter(|_| accept == Accept::Json)
                .map(|ty| plan::JsonReply {
                    reader: JsonReader::lazy(&ty),
                    ty,
                }),
        };
        Some(Made {
            kind: plan::CallKind::Http(Box::new(call)),
            ty,
            timeout,
        })
    }

    /// Metadata of a gRPC call.
    pub(super) fn metadata(
        &mut self,
        headers: &[(Name, Template)],
        backend: BackendIndex,
        scope: &Scope,
    ) -> Vec<plan::Header> {
        self.headers_of(headers, backend, scope, (true, None))
    }

    fn headers_of(
        &mut self,
        headers: &[(Name, Template)],
        backend: BackendIndex,
        scope: &Scope,
        (is_grpc, operation): (bool, Option<&Operation>),
    ) -> Vec<plan::Header> {
        let names = headers.iter().map(|it| &it.0);
        for wrong in credentials::check_headers(self.world.gateway, backend, names) {
            self.push(wrong);
        }
        let scope = &scope.for_purpose(Purpose::Send);
        let mut all = Vec::new();
        for (name, value) in headers {
            let header = request_header_name(name);
            let carrier = if is_grpc && name.value.to_ascii_lowercase().ends_with("-bin") {
                Carrier::Bytes
            } else {
                Carrier::Header
            };
            let value = self.carried(name, value, (carrier, operation), scope);
            all.extend(header.map(|name| plan::Header { name, value }));
        }
        all
    }

    /// A header of the response.
    pub(super) fn response_header(&mut self, name: &Name, value: &Template, scope: &Scope) -> plan::Template {
        self.carried(name, value, (Carrier::Header, None), scope)
    }

    /// Tags of what is kept: text, lists of it, or null for none.
    pub(super) fn tags<'t>(&mut self, tags: impl Iterator<Item = &'t Template>, scope: &Scope) -> Vec<plan::Template> {
        let scope = &scope.for_purpose(Purpose::Send);
        tags.map(|it| {
            let typed = self.template(it, None, scope);
            let wrong = match &typed.ty.kind {
                TypeKind::Unknown | TypeKind::Null | TypeKind::Any => false,
                TypeKind::List(element) => !is_text(element),
                TypeKind::Bytes => true,
                _ => !is_text(&typed.ty),
            };
            if wrong {
                let title = format!("a tag cannot be a `{}`", typed.ty);
                self.push(Diagnostic::new("wrong-type", it.span, title).label("expected text, or a list of it"));
            }
            typed.template
        })
        .collect()
    }

    /// A value that is sent as text, or as bytes; null leaves it out.
    fn carried(
        &mut self,
        name: &Name,
        value: &Template,
        (carrier, operation): (Carrier, Option<&Operation>),
        scope: &Scope,
    ) -> plan::Template {
        let typed = self.template(value, None, scope);
        let wrong = match (carrier, &typed.ty.kind) {
            (_, TypeKind::Unknown | TypeKind::Null | TypeKind::Any) | (Carrier::Bytes, TypeKind::Bytes) => None,
            (Carrier::Bytes, _) => Some("a header in `-bin` takes bytes"),
            (Carrier::Query, TypeKind::List(element)) if is_text(element) && !element.nullable => None,
            (Carrier::Query, TypeKind::List(_)) => Some("expected a list of scalars that are not null"),
            (Carrier::Header | Carrier::Query, TypeKind::Bytes) => Some("write `base64.encode(…)`"),
            (_, _) if is_text(&typed.ty) => None,
            _ => Some("expected a scalar"),
        };
        if let Some(label) = wrong {
            let what = if carrier == Carrier::Query {
                "query parameter"
            } else {
                "header"
            };
            let title = format!("the {what} `{}` cannot carry a `{}`", name.value, typed.ty);
            self.push(Diagnostic::new("wrong-type", value.span, title).label(label));
        } else if let Some(operation) = operation {
            let location = if carrier == Carrier::Query { "query" } else { "header" };
            let given = Given::of(value, &typed.ty);
            if let Some(mistake) = parameter::mistake(operation, location, &name.value, &given) {
                self.push(noted(mistake, operation));
            }
        }
        typed.template
    }

    fn path(&mut self, path: &TextTemplate, operation: Option<&Operation>, scope: &Scope) -> Vec<PathPart> {
        if let Some(operation) = operation {
            for (at, variable) in parameter::variables(path, operation) {
                let Some(TextPart::Hole(expression)) = path.parts.get(at) else {
                    continue;
                };
                let names = super::scope::Names { unit: self, scope };
                let Ok(checked) = crate::expr::check::check(&expression.ast, &names, &scope.facts) else {
                    continue;
                };
                let given = Given {
                    span: expression.whole(),
                    ty: &checked.ty,
                    literal: None,
                };
                if let Some(mistake) = parameter::mistake(operation, "path", variable, &given) {
                    self.push(noted(mistake, operation));
                }
            }
        }
        let mut parts = Vec::new();
        for (at, part) in path.parts.iter().enumerate() {
            match part {
                TextPart::Literal(text, _) => parts.push(PathPart::Literal(encoded(text).into())),
                TextPart::Hole(expression) => {
                    let alone = stands_alone(&path.parts, at);
                    parts.extend(self.segment(expression, alone, scope));
                }
            }
        }
        parts
    }

    fn segment(&mut self, expression: &spec::Expression, alone: bool, scope: &Scope) -> Option<PathPart> {
        let names = super::scope::Names { unit: self, scope };
        let list = match crate::expr::check::check(&expression.ast, &names, &scope.facts) {
            Ok(checked) if matches!(checked.ty.kind, TypeKind::List(_)) => checked,
            _ => return self.hole(expression, scope).map(|it| PathPart::Segment(it.program)),
        };
        let TypeKind::List(element) = &list.ty.kind else {
            return None;
        };
        let source = expression.source();
        let wrong = if list.ty.nullable || element.nullable {
            let what = if list.ty.nullable {
                source.to_owned()
            } else {
                format!("an element of {source}")
            };
            Diagnostic::new(
                "maybe-null",
                expression.whole(),
                format!("`{what}` may be null in a path"),
            )
            .help(self.pasteable(expression, &format!("default({source}, [])")))
        } else if !alone {
            Diagnostic::new("wrong-type", expression.whole(), "a list fills several segments")
                .label("must stand alone between slashes")
        } else if !matches!(element.kind, TypeKind::String | TypeKind::Unknown) {
            Diagnostic::new("wrong-type", expression.whole(), "the segments of a path are text")
                .label(format!("this is `{}`", list.ty))
                .help(self.pasteable(expression, &format!("{source}.map(x, string(x))")))
        } else {
            return Some(PathPart::Segments(list.program));
        };
        self.push(wrong);
        None
    }
}

/// Whether a hole has slashes or ends on both sides.
pub(super) fn stands_alone(parts: &[TextPart], at: usize) -> bool {
    let before = match at.checked_sub(1).and_then(|it| parts.get(it)) {
        Some(TextPart::Literal(text, _)) => text.ends_with('/'),
        Some(TextPart::Hole(_)) => false,
        None => true,
    };
    let after = match parts.get(at + 1) {
        Some(TextPart::Literal(text, _)) => text.starts_with('/'),
        Some(TextPart::Hole(_)) => false,
        None => true,
    };
    before && after
}

/// Whether values of a type have a text of their own.
fn is_text(ty: &Type) -> bool {
    matches!(
        ty.kind,
        TypeKind::Any
            | TypeKind::Bool
            | TypeKind::Double { .. }
            | TypeKind::Duration
            | TypeKind::Enum(_)
            | TypeKind::Int(_)
            | TypeKind::Null
            | TypeKind::String
            | TypeKind::Timestamp
            | TypeKind::Unknown
    )
}

/// Text of a path as it is sent: what RFC 3986 allows in a segment stands, the rest is escaped.
fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const ESCAPED: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'`')
        .add(b'{')
        .add(b'}')
        .add(b'|')
        .add(b'\\')
        .add(b'^')
        .add(b'[')
        .add(b']');
    utf8_percent_encode(text, ESCAPED).to_string()
}
