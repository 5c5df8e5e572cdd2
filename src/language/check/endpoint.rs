//! Endpoints: method and path, then everything behind them, and the table of routes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::assemble::{Setting, Stop, assemble, request_of};
use super::cache;
use super::complete::{Hints, complete};
use super::error_rule;
use super::lint;
use super::outline::{Outline, ParamNode, ROOT};
use super::param::Origin;
use super::response::deprecated;
use super::world::{Unserved, World};
use crate::codec::HttpBinding;
use crate::expr::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec::scalar::{NameFault, check_name};
use crate::language::spec::{Body, Composition, Location, Name};
use crate::plan::{Endpoint, EndpointIndex, Recipe, Waiting};
use crate::schema::MessageRef;
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::{PathTemplate, RouteTable};

/// Endpoints and their routes while they are put together.
#[derive(Debug, Default)]
pub(super) struct Table {
    endpoints: Vec<Endpoint>,
    spans: Vec<Span>,
    routes: RouteTable<EndpointIndex>,
}

impl Table {
    /// As the plan has them.
    pub(super) fn into_parts(self) -> (Vec<Endpoint>, RouteTable<EndpointIndex>) {
        (self.endpoints, self.routes)
    }

    fn add(&mut self, endpoint: Endpoint, span: Span, diagnostics: &mut Diagnostics) {
        let index = EndpointIndex(self.endpoints.len());
        if let Err(first) = self.routes.insert(endpoint.method.clone(), &endpoint.template, index) {
            let title = format!("`{}` has the same shape as another endpoint", endpoint.name);
            let mut wrong =
                Diagnostic::new("same-endpoint", span, title).label("names of variables do not tell endpoints apart");
            if let Some((first, place)) = self.endpoints.get(first.0).zip(self.spans.get(first.0)) {
                wrong = wrong.other(*place, format!("`{}` is here", first.name));
            }
            diagnostics.push(wrong);
        }
        self.endpoints.push(endpoint);
        self.spans.push(span);
    }
}

/// What an endpoint has that no file says: the rule of google.api.http that it was made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exposed<'e> {
    pub(super) rule: Option<&'e HttpRule>,
    pub(super) forwarded: &'e [Name],
}

/// Checks a file with `endpoint:`.
pub(super) fn check(
    world: &World<'_>,
    written: &Composition,
    (method, path): (&Name, &Name),
    table: &mut Table,
    diagnostics: &mut Diagnostics,
) {
    let template = match PathTemplate::parse(&path.value) {
        Ok(template) => template,
        Err(error) => {
            let at = |byte: usize| {
                path.span
                    .start
                    .saturating_add(u32::try_from(byte).unwrap_or(u32::MAX))
                    .min(path.span.end)
            };
            let span = Span {
                start: at(error.range.start),
                end: at(error.range.end),
                ..path.span
            };
            diagnostics.push(Diagnostic::new("bad-endpoint", span, "this is not a path template").label(error.reason));
            return;
        }
    };
    check_template(
        world,
        written,
        (method, path),
        &template,
        Exposed::default(),
        table,
        diagnostics,
    );
}

/// Checks an endpoint whose path is known.
pub(super) fn check_template(
    world: &World<'_>,
    written: &Composition,
    (method, path): (&Name, &Name),
    template: &PathTemplate,
    exposed: Exposed<'_>,
    table: &mut Table,
    diagnostics: &mut Diagnostics,
) {
    let plan_method = match &*method.value {
        "ANY" => None,
        other => match Method::from_bytes(other.as_bytes()) {
            Ok(it) => Some(it),
            Err(_) => {
                diagnostics.push(Diagnostic::new(
                    "wrong-value",
                    method.span,
                    format!("`{other}` is not a method"),
                ));
                return;
            }
        },
    };
    let recipe = match recipe(
        world,
        written,
        (method, path, plan_method.as_ref()),
        template,
        exposed,
        diagnostics,
    ) {
        Ok(recipe) => Ok(recipe),
        Err(Stop::Waiting(backend)) => Err(Waiting { backend }),
        // The route stands, so that a second endpoint of its shape is found all the same.
        Err(Stop::Wrong) => Err(Waiting { backend: "".into() }),
    };
    let endpoint = Endpoint {
        name: format!("{} {}", method.value, path.value).into(),
        method: plan_method,
        template: template.clone(),
        summary: written.summary.as_ref().map(|it| it.value.clone()),
        origin: world.origin(path.span),
        recipe,
    };
    table.add(endpoint, path.span, diagnostics);
}

fn recipe(
    world: &World<'_>,
    written: &Composition,
    (method, path, plan_method): (&Name, &Name, Option<&Method>),
    template: &PathTemplate,
    exposed: Exposed<'_>,
    diagnostics: &mut Diagnostics,
) -> Result<Recipe, Stop> {
    let bound = binding(world, written, (method, path), template, exposed, diagnostics)?;
    let names: Vec<String> = template.variables().iter().map(|it| it.name.clone()).collect();
    let variables = variables(written, path, template, bound.is_some(), diagnostics);
    let declared = written.params.iter().map(|it| it.name.value.clone());
    let params: Vec<Arc<str>> = declared.chain(variables.iter().map(|it| it.name.clone())).collect();
    let hints = Hints {
        response_body: exposed.rule.map(|it| &*it.response_body).filter(|it| !it.is_empty()),
        forwarded: exposed.forwarded,
        request_of: &|method, backend| request_of(world, method, backend),
        params: &params,
    };
    let completed = complete(written, &hints);
    let vars: Vec<_> = world.vars.iter().map(|(name, _, _)| name.clone()).collect();
    let outline = Outline::new(&completed, variables, &vars, diagnostics);
    let setting = Setting {
        json: &written.json,
        origin: Origin::Endpoint(&names),
        in_get: plan_method == Some(&Method::GET),
        bound_body: bound.as_ref().is_some_and(|it| it.reads_body()),
    };
    assemble(world, &outline, &setting, diagnostics, |unit, inputs| {
        let mut graph = unit.graph(ROOT, &Facts::new(), bound.as_ref());
        graph.require = unit.requires();
        let response = unit.response();
        let digest = cache::fingerprint(unit, written, format!("{} {}", method.value, path.value).as_bytes());
        let cache = written
            .cache
            .as_ref()
            .and_then(|it| cache::check(unit, it, plan_method, digest));
        let privacy = cache::privacy(unit.outline);
        lint::check(unit);
        Recipe {
            timeout: timeout(world, written),
            inputs,
            graph,
            response,
            cache,
            identity: privacy.identity,
            vary: privacy.vary,
            errors: error_rule::errors(&written.errors, &world.gateway.errors, unit.diagnostics),
            deprecated: deprecated(written.deprecated.as_ref(), unit.diagnostics),
        }
    })
}

fn timeout(world: &World<'_>, written: &Composition) -> Duration {
    written
        .timeout
        .as_ref()
        .or(world.gateway.timeout.as_ref())
        .map_or(Duration::from_secs(2), |it| it.value)
}

/// How the shorthand's request is bound, where it has no `request:`.
fn binding(
    world: &World<'_>,
    written: &Composition,
    (method, path): (&Name, &Name),
    template: &PathTemplate,
    exposed: Exposed<'_>,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Arc<HttpBinding>>, Stop> {
    let Some(shorthand) = written.shorthand.as_ref().filter(|it| it.request.is_none()) else {
        return Ok(None);
    };
    let served = match world.method(&shorthand.method, shorthand.backend.as_ref(), diagnostics) {
        Ok(served) => served,
        Err(Unserved::Waiting(backend)) => return Err(Stop::Waiting(backend)),
        Err(Unserved::Wrong) => return Err(Stop::Wrong),
    };
    let body = match written.body.as_ref().map(|it| &it.value) {
        Some(Body::Field(field)) => field.to_string(),
        Some(Body::Bytes | Body::Schema(_)) => {
            let span = written.body.as_ref().map_or(path.span, |it| it.span);
            let title = "the body of the short form is a field of the request";
            diagnostics
                .push(Diagnostic::new("wrong-value", span, title).label("expected `\"*\"` or the name of a field"));
            return Err(Stop::Wrong);
        }
        None if matches!(&*method.value, "POST" | "PUT" | "PATCH") => "*".to_owned(),
        None => String::new(),
    };
    let rule = match exposed.rule {
        Some(rule) => rule.clone(),
        None => HttpRule {
            method: method.value.to_string(),
            path: path.value.to_string(),
            body,
            response_body: String::new(),
        },
    };
    let message = MessageRef::new(served.schema.clone(), served.method.input);
    match HttpBinding::compile(&rule, template, &message) {
        Ok(binding) => Ok(Some(binding)),
        Err(reason) => {
            let title = format!("the request of `{}` cannot be bound: {reason}", shorthand.method.value);
            let span = match &written.body {
                Some(body) if reason.contains("body") => body.span,
                _ => path.span,
            };
            diagnostics.push(Diagnostic::new("wrong-binding", span, title));
            Err(Stop::Wrong)
        }
    }
}

/// Variables of the path that nobody declared: they are inputs all the same (semantics.md 10).
fn variables<'s>(
    written: &Composition,
    path: &Name,
    template: &PathTemplate,
    is_bound: bool,
    diagnostics: &mut Diagnostics,
) -> Vec<ParamNode<'s>> {
    let mut all = Vec::new();
    for variable in template.variables() {
        let declared = written.params.iter().any(|it| {
            let here = it.location.as_ref().is_none_or(|it| it.value == Location::Path);
            here && *it.wire_name.as_ref().unwrap_or(&it.name).value == *variable.name
        });
        if declared {
            continue;
        }
        let at = |byte: usize| {
            path.span
                .start
                .saturating_add(u32::try_from(byte).unwrap_or(u32::MAX))
                .min(path.span.end)
        };
        let span = Span {
            start: at(variable.range.start),
            end: at(variable.range.end),
            ..path.span
        };
        if variable.name.contains('.') {
            if !is_bound {
                let title = format!(
                    "the variable `{}` fills a field, which only `call:` does",
                    variable.name
                );
                diagnostics.push(Diagnostic::new("bad-endpoint", span, title).label("give it a name without a dot"));
            }
        } else if let Err(fault) = check_name(&variable.name) {
            let (code, reason) = match fault {
                NameFault::Form => (
                    "bad-name",
                    "names are lower-case letters, digits and `_`, a letter first",
                ),
                NameFault::OfCel => ("reserved-name", "a word of the expression language"),
                NameFault::Ours => ("reserved-name", "a name with a meaning of its own"),
            };
            if !is_bound {
                let title = format!("`{}` cannot be a name", variable.name);
                let help = format!(
                    "params: {{ {}: {{ in: path, name: {} }} }}",
                    short(&variable.name),
                    variable.name
                );
                diagnostics.push(Diagnostic::new(code, span, title).label(reason).help(help));
            }
        } else if !(is_bound && written.params.iter().any(|it| *it.name.value == *variable.name)) {
            all.push(ParamNode {
                name: variable.name.as_str().into(),
                span,
                spec: None,
            });
        }
    }
    all
}

/// A name to suggest in place of one that cannot be used.
fn short(name: &str) -> String {
    let letters: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it } else { '_' })
        .collect();
    let letters = letters
        .trim_start_matches(|it: char| it == '_' || it.is_ascii_digit())
        .to_owned();
    if check_name(&letters).is_ok() {
        letters
    } else {
        format!("{letters}_value").trim_start_matches('_').to_owned()
    }
}
