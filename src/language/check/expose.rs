//! `expose:`: services whose google.api.http annotations become endpoints, exactly as http.proto says.

use super::auth;
use super::endpoint::{Entry, Exposed, Table, check_entry};
use super::world::{Served, World, named};
use crate::codec::HttpBinding;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec::{Composition, Head, Name, Shorthand};
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::PathTemplate;
use crate::schema::{MessageRef, Streaming};

/// Adds an endpoint for every rule of one exposed service.
pub(super) fn check(world: &World<'_>, name: &Name, table: &mut Table, diagnostics: &mut Diagnostics) {
    // What is wrong with it is wrong whatever the service has.
    auth::access(world, &demanded(world, name.span), diagnostics);
    // Without descriptors nothing is known of its paths; they come with the descriptors.
    let Ok((backend, schema, service)) = world.service(&name.value, name.span, None, diagnostics) else {
        return;
    };
    if service.methods.iter().all(|it| it.http.is_empty()) {
        let title = format!("`{}` has no google.api.http annotations", name.value);
        diagnostics.push(Diagnostic::warning("not-exposed", name.span, title).label("nothing is exposed"));
    }
    for method in &service.methods {
        let served = Served {
            backend,
            schema,
            service,
            method,
        };
        for rule in &method.http {
            match template(&served, rule) {
                Ok(template) => endpoint(world, &served, (rule, &template), name.span, (table, diagnostics)),
                Err(reason) => {
                    let title = format!("`{}/{}` is not exposed: {reason}", service.full_name, method.name);
                    diagnostics.push(Diagnostic::warning("not-exposed", name.span, title).label("exposed here"));
                }
            }
        }
    }
}

/// An endpoint that says no more than who may ask.
fn demanded(world: &World<'_>, span: Span) -> Composition {
    let expose = world.gateway.expose.as_ref();
    let head = Head::Endpoint {
        method: named("ANY", span),
        path: named("/", span),
    };
    Composition {
        auth: expose.and_then(|it| it.auth.clone()),
        roles: expose.and_then(|it| it.roles.clone()),
        scopes: expose.and_then(|it| it.scopes.clone()),
        ..Composition::new(span, head)
    }
}

/// The path of a rule, where it can be served.
fn template(served: &Served<'_>, rule: &HttpRule) -> Result<PathTemplate, String> {
    if served.method.streaming != Streaming::Unary {
        return Err("it streams".to_owned());
    }
    let template = PathTemplate::parse(&rule.path).map_err(|it| it.reason)?;
    let input = MessageRef::new(served.schema.clone(), served.method.input);
    HttpBinding::compile(rule, &template, &input)?;
    let output = served.schema.message(served.method.output);
    if !rule.response_body.is_empty() && output.field(&rule.response_body).is_none() {
        return Err(format!("its reply has no field `{}`", rule.response_body));
    }
    if rule.method != "*" && http::Method::from_bytes(rule.method.as_bytes()).is_err() {
        return Err(format!("`{}` is not a method", rule.method));
    }
    Ok(template)
}

fn endpoint(
    world: &World<'_>,
    served: &Served<'_>,
    (rule, template): (&HttpRule, &PathTemplate),
    span: Span,
    (table, diagnostics): (&mut Table, &mut Diagnostics),
) {
    let backend = world
        .gateway
        .backends
        .get(served.backend.0)
        .map(|it| named(&it.name.value, span));
    let method = named(if rule.method == "*" { "ANY" } else { &rule.method }, span);
    let path = named(&rule.path, span);
    let summary = served.method.comment.as_ref().and_then(|it| it.lines().next());
    let composition = Composition {
        head: Head::Endpoint {
            method: method.clone(),
            path: path.clone(),
        },
        summary: summary.map(|it| named(it.trim(), span)),
        shorthand: Some(Shorthand {
            method: named(&format!("{}/{}", served.service.full_name, served.method.name), span),
            backend,
            request: None,
        }),
        ..demanded(world, span)
    };
    let forwarded = world
        .gateway
        .expose
        .as_ref()
        .map(|it| it.headers.as_slice())
        .unwrap_or_default();
    let exposed = Exposed {
        rule: Some(rule),
        forwarded,
    };
    let entry = Entry {
        world,
        written: &composition,
        method: &method,
        path: &path,
        template,
        exposed,
    };
    check_entry(entry, table, diagnostics);
}
