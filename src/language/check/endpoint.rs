//! Endpoints: method and path, then everything behind them, and the table of routes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::assemble::{Setting, Stop, assemble, request_of};
use super::auth;
use super::cache;
use super::claims::Asked;
use super::complete::{Hints, complete};
use super::deferral;
use super::error_rule;
use super::field_mask;
use super::gate;
use super::lint;
use super::outline::{Outline, ParamNode, ROOT};
use super::param::Origin;
use super::proxy;
use super::response::deprecated;
use super::world::{Unserved, World};
use crate::codec::HttpBinding;
use crate::expr::Facts;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::language::spec::scalar::{NameFault, check_name};
use crate::language::spec::{Body, Composition, Location, Name};
use crate::plan::{Access, Endpoint, EndpointIndex, Recipe, Used, Waiting, Who};
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

    /// Adds the endpoints of another table, behind those that are here.
    pub(super) fn take(&mut self, other: Self, diagnostics: &mut Diagnostics) {
        for (endpoint, span) in other.endpoints.into_iter().zip(other.spans) {
            self.add(endpoint, span, diagnostics);
        }
    }

    /// An endpoint of it is wrong; a diagnostic said why, maybe at a fragment.
    pub(super) fn has_wrong(&self) -> bool {
        let backends = self.endpoints.iter().filter_map(|it| it.recipe.as_ref().err());
        backends.into_iter().any(|it| it.backend.is_empty())
    }

    fn add(&mut self, endpoint: Endpoint, span: Span, diagnostics: &mut Diagnostics) {
        let index = EndpointIndex(self.endpoints.len());
        let (method, template) = (endpoint.method.clone(), &endpoint.template);
        // What passes through is not ours to tell apart: a legacy site has `/docs` and `/docs/`.
        let added = if endpoint.recipe.as_ref().is_ok_and(|it| it.proxy.is_some()) {
            self.routes.insert_with_slash(method, template, index)
        } else {
            self.routes.insert(method, template, index)
        };
        if let Err(first) = added {
            let title = format!("`{}` has the same shape as another endpoint", endpoint.name);
            let mut wrong = Diagnostic::new("same-endpoint", span, title)
                .label(format!("both would answer `{}`", endpoint.template.example()));
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

/// An endpoint whose path is known.
#[derive(Clone, Copy)]
pub(super) struct Entry<'e, 's> {
    pub(super) world: &'e World<'s>,
    pub(super) written: &'e Composition,
    pub(super) method: &'e Name,
    pub(super) path: &'e Name,
    pub(super) template: &'e PathTemplate,
    pub(super) exposed: Exposed<'e>,
}

/// Checks a file with `endpoint:`.
pub(super) fn check(
    world: &World<'_>,
    written: &Composition,
    (method, path): (&Name, &Name),
    table: &mut Table,
    diagnostics: &mut Diagnostics,
) {
    match PathTemplate::parse(&path.value) {
        Ok(template) => {
            let exposed = Exposed::default();
            let entry = Entry {
                world,
                written,
                method,
                path,
                template: &template,
                exposed,
            };
            check_entry(entry, table, diagnostics);
        }
        Err(error) => {
            let span = part_of(path, &error.range);
            let wrong = Diagnostic::new("bad-endpoint", span, "this is not a path template");
            let mut wrong = wrong.label(error.reason);
            wrong.help = braced(&path.value).map(|path| format!("{} {path}", method.value));
            diagnostics.push(wrong);
        }
    }
}

/// The path with its variables in braces, where they are written `:id` or `<id>`, as elsewhere.
fn braced(path: &str) -> Option<String> {
    let segments = path.split('/').map(|segment| {
        let name = match segment.strip_prefix('<').and_then(|it| it.strip_suffix('>')) {
            Some(name) => Some(name),
            None => segment.strip_prefix(':'),
        };
        match name.filter(|it| check_name(it).is_ok()) {
            Some(name) => format!("{{{name}}}"),
            None => segment.to_owned(),
        }
    });
    let written = segments.collect::<Vec<_>>().join("/");
    (written != path && PathTemplate::parse(&written).is_ok()).then_some(written)
}

/// The place of a part of a path.
fn part_of(path: &Name, range: &std::ops::Range<usize>) -> Span {
    let at = |byte: usize| {
        path.span
            .start
            .saturating_add(u32::try_from(byte).unwrap_or(u32::MAX))
            .min(path.span.end)
    };
    Span {
        start: at(range.start),
        end: at(range.end),
        ..path.span
    }
}

/// Checks an endpoint whose path is known.
pub(super) fn check_entry(entry: Entry<'_, '_>, table: &mut Table, diagnostics: &mut Diagnostics) {
    let Entry {
        method, path, written, ..
    } = entry;
    let plan_method = if &*method.value == "ANY" {
        None
    } else if let Ok(it) = Method::from_bytes(method.value.as_bytes()) {
        Some(it)
    } else {
        let title = format!("`{}` is not a method", method.value);
        diagnostics.push(Diagnostic::new("wrong-value", method.span, title));
        return;
    };
    let access = auth::access(entry.world, written, diagnostics);
    let recipe = match recipe(entry, plan_method.as_ref(), &access, diagnostics) {
        Ok(recipe) => Ok(recipe),
        Err(Stop::Waiting(backend)) => Err(Waiting { backend }),
        // The route stands, so that a second endpoint of its shape is found all the same.
        Err(Stop::Wrong) => Err(Waiting { backend: "".into() }),
    };
    let endpoint = Endpoint {
        name: format!("{} {}", method.value, path.value).into(),
        method: plan_method,
        template: entry.template.clone(),
        summary: written.summary.as_ref().map(|it| it.value.clone()),
        access,
        origin: entry.world.origin(path.span),
        recipe,
    };
    table.add(endpoint, path.span, diagnostics);
}

fn recipe(
    entry: Entry<'_, '_>,
    plan_method: Option<&Method>,
    access: &Access,
    diagnostics: &mut Diagnostics,
) -> Result<Recipe, Stop> {
    let Entry {
        world,
        written,
        method,
        path,
        template,
        exposed,
    } = entry;
    let bound = binding(entry, diagnostics)?;
    let names: Vec<String> = template.variables().iter().map(|it| it.name.clone()).collect();
    let variables = variables(entry, bound.is_some(), diagnostics);
    let declared = written.params.iter().map(|it| it.name.value.clone());
    let params: Vec<Arc<str>> = declared.chain(variables.iter().map(|it| it.name.clone())).collect();
    let hints = Hints {
        response_body: exposed.rule.map(|it| &*it.response_body).filter(|it| !it.is_empty()),
        forwarded: exposed.forwarded,
        request_of: &|method, backend| request_of(world, method, backend),
        params: &params,
    };
    let completed = complete(written, &hints);
    let asked = Asked::of(&access.who, &world.auth);
    let vars: Vec<_> = world.vars.iter().map(|(name, _, _)| name.clone()).collect();
    let outline = Outline::new(
        &completed,
        variables,
        (world.sources, &vars),
        (asked, &world.auth),
        diagnostics,
    );
    let setting = Setting {
        json: &written.json,
        origin: Origin::Endpoint(&names),
        in_get: plan_method == Some(&Method::GET),
        bound_body: bound.as_ref().is_some_and(|it| it.reads_body()),
        raw_body: bound.as_ref().is_some_and(|it| it.is_raw()),
    };
    let place = format!("{} {}", method.value, path.value);
    let who = (&*place, &access.who);
    let (limits, limits_by_claim) = gate::limits_of_endpoint(world, &written.rate_limit, who, diagnostics);
    assemble(world, &outline, &setting, diagnostics, |unit, inputs| {
        let mut graph = unit.graph(ROOT, &Facts::new(), bound.as_ref());
        graph.require = unit.requires();
        let mut response = unit.response();
        let proxy = proxy::hand_over(entry, unit, &mut graph, &mut response);
        deferral::defer_checks(&mut graph, &response);
        field_mask::fill(&mut graph, |graph| Used::by(graph, &response, None, |_| true));
        let digest = cache::fingerprint(unit, written, format!("{} {}", method.value, path.value).as_bytes());
        let cache = written
            .cache
            .as_ref()
            .and_then(|it| cache::check(unit, it, plan_method, digest, bound.is_some()));
        cache::check_invalidate(unit, plan_method);
        let privacy = cache::privacy(unit.outline);
        let timeout = match (&written.timeout, &proxy) {
            // What is passed through has no end by itself: this is how long the backend may be silent before it answers.
            (None, Some((_, usual))) => *usual,
            _ => timeout(world, written),
        };
        let place = written.timeout.as_ref().map(|it| it.span);
        lint::check(unit, Some((timeout, place)));
        Recipe {
            timeout,
            limits,
            limits_by_claim,
            allow: unit.allow(),
            inputs,
            graph,
            response,
            select: unit.select(bound.as_ref()),
            changes: !unit.safety.iter().all(|it| it.safe),
            cache,
            identity: privacy.identity,
            private: privacy.identity || access.who != Who::Anyone,
            vary: privacy.vary,
            errors: error_rule::errors(&written.errors, &world.gateway.errors, unit.diagnostics),
            deprecated: deprecated(written.deprecated.as_ref(), unit.diagnostics),
            proxy: proxy.map(|(proxy, _)| proxy),
            required: Vec::new(),
            splits: Vec::new(),
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
fn binding(entry: Entry<'_, '_>, diagnostics: &mut Diagnostics) -> Result<Option<Arc<HttpBinding>>, Stop> {
    let Entry {
        world,
        written,
        method,
        path,
        template,
        exposed,
    } = entry;
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
fn variables<'n>(entry: Entry<'_, '_>, is_bound: bool, diagnostics: &mut Diagnostics) -> Vec<ParamNode<'n>> {
    let Entry {
        written,
        path,
        template,
        ..
    } = entry;
    let mut all = Vec::new();
    for variable in template.variables() {
        let declared = written.params.iter().any(|it| {
            let here = it.location.as_ref().is_none_or(|it| it.value == Location::Path);
            here && *it.wire_name.as_ref().unwrap_or(&it.name).value == *variable.name
        });
        if declared {
            continue;
        }
        let span = part_of(path, &variable.range);
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
