//! The short forms of a composition written out: the shorthand as one call, the one-call form of `for`, and responses that
//! nobody wrote. Behind this, there is one form of everything.

use std::sync::Arc;

use crate::expr;
use crate::language::source::{Span, Text};
use crate::language::spec::{
    Call, CallKind, Composition, Expression, ForBody, Head, Member, Name, Template, TemplateKind,
};
use crate::schema::MessageRef;

/// The name of the call that `proxy:` stands for: no name in a file begins with a capital.
const PROXY: &str = "Proxy";

/// What the short forms cannot say by themselves.
pub(super) struct Hints<'h> {
    /// google.api.http's, for the shorthand.
    pub(super) response_body: Option<&'h str>,
    /// Headers that the shorthand's call forwards.
    pub(super) forwarded: &'h [Name],
    /// The request type of a method, where it is known.
    pub(super) request_of: &'h dyn Fn(&Name, Option<&Name>) -> Option<MessageRef>,
    /// Inputs, declared or of the path.
    pub(super) params: &'h [Arc<str>],
}

/// Writes the short forms out. The shorthand without `request:` stays without; its request is bound from the HTTP request.
pub(super) fn complete(written: &Composition, hints: &Hints<'_>) -> Composition {
    let mut composition = written.clone();
    complete_calls(&mut composition.calls, hints);
    if let Some(shorthand) = composition.shorthand.take() {
        let span = shorthand.method.span;
        // A method's name begins with a capital, which no name in a file does, so that the two cannot meet.
        let name = shorthand.method.value.rsplit('/').next().unwrap_or_default().to_owned();
        let name = Name {
            value: if expr::parse(&name).is_ok() {
                name.into()
            } else {
                "Call".into()
            },
            span,
        };
        if composition.response.is_none() {
            let mut steps = vec![&*name.value];
            steps.extend(hints.response_body);
            composition.response = path(&steps, span).map(template);
        }
        let headers = hints
            .forwarded
            .iter()
            .filter_map(|it| Some((it.clone(), template(path(&["request", "headers", &it.value], span)?))));
        let request = match (shorthand.request, &written.head) {
            // A fragment has no HTTP request that could be bound.
            (None, Head::Fragment { .. }) => {
                let message = (hints.request_of)(&shorthand.method, shorthand.backend.as_ref());
                message.map(|it| bound_by_name(&it, hints.params, span))
            }
            (request, _) => request,
        };
        composition.calls.push(Call {
            name,
            kind: Some(CallKind::Grpc {
                method: shorthand.method,
                backend: shorthand.backend,
                request,
            }),
            headers: headers.collect(),
            ..Call::empty(Name { value: "".into(), span }, span)
        });
    }
    if let (Some(proxy), Head::Endpoint { method, .. }) = (&written.proxy, &written.head) {
        let span = proxy.span;
        let name = Name {
            value: PROXY.into(),
            span,
        };
        composition.response = path(&[PROXY], span).map(template);
        composition.calls.push(Call {
            kind: Some(CallKind::Http {
                method: method.clone(),
                backend: proxy.backend.clone(),
                path: proxy.path.clone(),
                query: Vec::new(),
                body: None,
                accept: None,
                schema: None,
            }),
            ..Call::empty(name, span)
        });
    }
    if composition.response.is_none() {
        composition.response = Some(one_member_each(&composition.calls, head_span(written)));
    }
    composition
}

/// The place that stands for a whole composition.
pub(super) fn head_span(composition: &Composition) -> Span {
    match &composition.head {
        Head::Endpoint { path, .. } => path.span,
        Head::Fragment { name } => name.span,
    }
}

fn complete_calls(calls: &mut [Call], hints: &Hints<'_>) {
    for call in calls {
        let span = call.span;
        match &mut call.kind {
            Some(CallKind::Grpc {
                method,
                backend,
                request: request @ None,
            }) => {
                *request =
                    (hints.request_of)(method, backend.as_ref()).map(|it| bound_by_name(&it, hints.params, span));
            }
            Some(CallKind::For { each, .. }) => {
                if let ForBody::Single(inner) = each {
                    let response = path(&[&*inner.name.value], inner.name.span).map(template);
                    *each = ForBody::Calls {
                        calls: vec![(**inner).clone()],
                        response,
                    };
                }
                if let ForBody::Calls { calls, response } = each {
                    complete_calls(calls, hints);
                    if response.is_none() {
                        *response = Some(one_member_each(calls, span));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The request of a call that writes none: each field that an input has the name of.
fn bound_by_name(message: &MessageRef, params: &[Arc<str>], span: Span) -> Template {
    let members = params.iter().filter(|it| message.field(it).is_some()).filter_map(|it| {
        Some(Member::Field(
            Name {
                value: it.clone(),
                span,
            },
            template(path(&[&**it], span)?),
        ))
    });
    Template {
        kind: TemplateKind::Object(members.collect()),
        span,
    }
}

fn one_member_each(calls: &[Call], span: Span) -> Template {
    let members = calls.iter().filter_map(|it| {
        let value = template(path(&[&*it.name.value], it.name.span)?);
        Some(Member::Field(it.name.clone(), value))
    });
    Template {
        kind: TemplateKind::Object(members.collect()),
        span,
    }
}

fn template(expression: Expression) -> Template {
    let span = expression.whole();
    Template {
        kind: TemplateKind::Expression(expression),
        span,
    }
}

/// An expression that nobody wrote: a name and fields behind it. All of it stands at `span`.
pub(super) fn path(steps: &[&str], span: Span) -> Option<Expression> {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        match at {
            0 => text.push_str(step),
            _ => text.push_str(&self::step(step)),
        }
    }
    expression(&text, span)
}

/// A field or member behind a value, as an expression writes it.
pub(super) fn step(name: &str) -> String {
    let plain = name
        .bytes()
        .enumerate()
        .all(|(at, it)| it == b'_' || it.is_ascii_alphabetic() || (at > 0 && it.is_ascii_digit()));
    if plain && !name.is_empty() && !matches!(name, "in" | "true" | "false" | "null") {
        format!(".{name}")
    } else {
        format!("[{}]", serde_json::Value::from(name))
    }
}

/// An expression that nobody wrote, all of it at `span`; `None` where it does not parse.
pub(super) fn expression(text: &str, span: Span) -> Option<Expression> {
    let ast = Arc::new(expr::parse(text).ok()?);
    let end = u32::try_from(text.len()).ok()?;
    // Every part of it stands where the whole begins, so that no place behind the end of the file comes out.
    let breakpoints = (0..end).map(|it| (it, span.start)).chain([(end, span.end)]).collect();
    let text = Text {
        value: text.into(),
        breakpoints,
    };
    Some(Expression {
        ast,
        text,
        offset: 0,
        end,
        file: span.file,
    })
}
