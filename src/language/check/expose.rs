//! `expose:`: services whose google.api.http annotations become endpoints, exactly as http.proto says.

use super::auth;
use super::endpoint::{Entry, Exposed, Table, check_entry};
use super::world::{Served, World, named};
use crate::codec::HttpBinding;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec::scalar::check_name;
use crate::language::spec::{Composition, Condition, Expression, Head, Name, Shorthand};
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::PathTemplate;
use crate::schema::{MessageRef, Streaming};

/// A method, one of its rules, and the path of that.
type Route<'r> = (Served<'r>, &'r HttpRule, PathTemplate);

/// Adds an endpoint for every rule of one exposed service.
pub(super) fn check(world: &World<'_>, name: &Name, table: &mut Table, diagnostics: &mut Diagnostics) {
    let mut demanded = demanded(world, name.span);
    // What is wrong with it is wrong whatever the service has.
    auth::access(world, &demanded, diagnostics);
    // Without descriptors nothing is known of its paths; they come with the descriptors.
    let Ok((backend, schema, service)) = world.service(&name.value, name.span, None, diagnostics) else {
        return;
    };
    if service.methods.iter().all(|it| it.http.is_empty()) {
        let title = format!("`{}` has no google.api.http annotations", name.value);
        diagnostics.push(Diagnostic::warning("not-exposed", name.span, title).label("nothing is exposed"));
    }
    let mut routes = Vec::new();
    for method in &service.methods {
        let served = Served {
            backend,
            schema,
            service,
            method,
        };
        for rule in &method.http {
            match template(&served, rule) {
                Ok(template) => routes.push((served, rule, template)),
                Err(reason) => {
                    let title = format!("`{}/{}` is not exposed: {reason}", service.full_name, method.name);
                    diagnostics.push(Diagnostic::warning("not-exposed", name.span, title).label("exposed here"));
                }
            }
        }
    }
    if let Some(Condition::Expression(allow)) = &demanded.allow
        && !is_known_everywhere(allow, &routes, diagnostics)
    {
        demanded.allow = None;
    }
    for route in &routes {
        endpoint(world, &demanded, route, (table, diagnostics));
    }
}

/// Whether every endpoint of a service knows what `allow` mentions; says which does not.
fn is_known_everywhere(allow: &Expression, routes: &[Route<'_>], diagnostics: &mut Diagnostics) -> bool {
    let mut known_everywhere = true;
    for mention in allow.ast.mentions() {
        let name = &*mention.root;
        let span = allow.span(mention.span);
        if matches!(name, "auth" | "request" | "vars") {
            continue;
        }
        if name == "body" {
            let label = "it is decided before the body is read: a composition with `require` can wait";
            diagnostics.push(Diagnostic::new("bad-allow", span, "`allow` mentions `body`").label(label));
            known_everywhere = false;
            continue;
        }
        let has = |template: &PathTemplate| template.variables().iter().any(|it| it.name == name);
        let Some((_, rule, _)) = routes.iter().find(|it| check_name(name).is_err() || !has(&it.2)) else {
            continue;
        };
        known_everywhere = false;
        // One endpoint that lacks it is enough to say, whatever the other services have.
        if diagnostics
            .iter()
            .any(|it| it.code == "unknown-name" && it.span == span)
        {
            continue;
        }
        let title = format!("`{name}` is not known for every endpoint that is exposed");
        let label = format!("`{} {}` has no variable of that name", method_of(rule), rule.path);
        let note = "known for all are `auth`, `request`, `vars`, and what the paths of all have as a variable; \
                    an endpoint that needs more is a composition with `call:`";
        diagnostics.push(Diagnostic::new("unknown-name", span, title).label(label).note(note));
    }
    known_everywhere
}

/// What stands beside `services:`, as an endpoint would say it.
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
        allow: expose.and_then(|it| it.allow.clone()),
        rate_limit: expose.map(|it| it.rate_limit.clone()).unwrap_or_default(),
        timeout: expose.and_then(|it| it.timeout.clone()),
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

/// As an endpoint writes it.
fn method_of(rule: &HttpRule) -> &str {
    if rule.method == "*" { "ANY" } else { &rule.method }
}

fn endpoint(
    world: &World<'_>,
    demanded: &Composition,
    (served, rule, template): &Route<'_>,
    (table, diagnostics): (&mut Table, &mut Diagnostics),
) {
    let span = demanded.span;
    let backend = world
        .gateway
        .backends
        .get(served.backend.0)
        .map(|it| named(&it.name.value, span));
    let method = named(method_of(rule), span);
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
        ..demanded.clone()
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
