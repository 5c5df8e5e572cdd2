//! One endpoint of a plan as people read it: what waits for what and why, how long it may take, who sees what.
//!
//! Owns the questions; what is drawn of the answers is `text`, `mermaid`, `svg` and `json`. In reading order: `schedule`
//! walks the graphs once and notes stages and times, `flow` follows values back to the inputs and replies that they are
//! made of. Invariant: everything is read off the plan, so that what is explained is what runs.

mod access;
mod flow;
pub mod json;
mod limits;
pub mod mermaid;
mod protection;
mod schedule;
pub mod svg;
pub mod text;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

pub use self::flow::{Sight, Source};
use self::schedule::Schedule;
use crate::expr::render::as_text;
use crate::expr::{Type, Value};
use crate::plan::{
    Absent, Backend, Body, Call, CallKind, Constraint, Dependency, Endpoint, EndpointIndex, Location, Mention,
    Mentioned, Origin, PathPart, Plan, Policy, RateLimit, Recipe, RequestPart, Start,
};

/// An endpoint, explained.
#[derive(Debug)]
pub struct Explanation<'p> {
    /// The plan that it is of.
    plan: &'p Plan,
    /// The endpoint.
    pub endpoint: &'p Endpoint,
    /// How it is answered.
    pub recipe: &'p Recipe,
    /// What it reads of a request.
    pub inputs: Vec<Input>,
    /// Its calls, in written order.
    pub calls: Vec<Node>,
    /// Whom they ask.
    pub backends: Vec<&'p Backend>,
    /// How often it may be asked for.
    pub limits: Vec<&'p RateLimit>,
    /// What the response waits for.
    pub response: Vec<Wait>,
    /// What ends it early.
    pub require: Vec<(Reason, Vec<Wait>)>,
    /// The chain of calls that decides how long the response may take.
    pub critical: Vec<Arc<str>>,
    /// How long that is, at most the endpoint's own time.
    pub latest: Duration,
    /// Calls that may use up the endpoint's time by themselves, and whether the response can do without them.
    pub hogs: Vec<(Arc<str>, bool)>,
    /// The inputs in the key of a stored response; empty where nothing is stored.
    pub cache_key: Vec<String>,
    /// What each call sends, of what is not written in the file.
    pub sights: Vec<Sight>,
    /// Expressions that make new lists, maps or objects out of what arrived.
    pub builds: Vec<Reason>,
}

/// Something that is read of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name in expressions.
    pub name: String,
    /// Where it comes from: `path`, `query "reviews"`, `header x-plan`.
    pub from: String,
    /// Its type.
    pub ty: String,
    /// What absence means: `required`, `= EUR`, `null`.
    pub absent: String,
    /// What is demanded of it.
    pub constraints: Vec<String>,
}

/// A call of a graph.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// What it does: `grpc shop.v1.Catalog/GetProduct`.
    pub does: String,
    /// Whom it asks.
    pub backend: Option<Arc<str>>,
    /// Calls of one stage can be under way at the same time; a value that needs no call is in stage 0.
    pub stage: usize,
    /// What it waits for.
    pub waits: Vec<Wait>,
    /// It starts only once every `require` that does not depend on it has held.
    pub after_requires: bool,
    /// It is made only when a fallback asks for it.
    pub only_for_fallback: bool,
    /// How long it may take, at most as long as what is around it.
    pub timeout: Option<Duration>,
    /// When it starts at the latest, counted from the request.
    pub starts_by: Duration,
    /// When it is settled at the latest.
    pub ends_by: Duration,
    /// What its failure means.
    pub failure: OnFailure,
    /// `when:`.
    pub when: Option<String>,
    /// ttl of `cache:`.
    pub cache: Option<Duration>,
    /// How often it is tried.
    pub policy: Policy,
    /// It may change something.
    pub is_unsafe: bool,
    /// Calls in flight at once under a `for`.
    pub at_once: Option<usize>,
    /// The calls of a `for` or a fragment.
    pub inner: Vec<Self>,
    /// Where it was written.
    pub origin: Origin,
}

/// What the failure of a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It ends the endpoint.
    Required,
    /// It is null, and the response degraded.
    Optional,
    /// Something else stands in, and the response is degraded.
    Fallback,
    /// The last good reply stands in where there is one, and the response is degraded.
    Stale,
}

/// A call that something waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Its name.
    pub on: Arc<str>,
    /// Only its fallback waits, where it is evaluated.
    pub in_fallback: bool,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// An expression that mentions something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The key that it stands in.
    pub key: Arc<str>,
    /// The expression, without its `$`.
    pub expression: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
}

/// Explains an endpoint. `Err` names the backend that has to say first what it serves.
pub fn explain(plan: &Plan, index: EndpointIndex) -> Result<Explanation<'_>, Arc<str>> {
    let Some(endpoint) = plan.endpoints.get(index.0) else {
        return Err("".into());
    };
    let recipe = endpoint.recipe.as_ref().map_err(|it| it.backend.clone())?;
    let schedule = Schedule::of(plan, recipe);
    let mut calls = schedule.nodes();
    if let (Some(_), Some(call)) = (&recipe.proxy, calls.first_mut()) {
        // It is no call among others: the answer is its answer.
        call.name = "proxy".into();
        call.does = call
            .does
            .split_once(' ')
            .map_or_else(String::new, |(_, it)| match it.split_once(' ') {
                Some((_, path)) => format!("passes through to {path}"),
                None => it.to_owned(),
            });
        call.only_for_fallback = false;
        call.is_unsafe = false;
    }
    let mut builds = Vec::new();
    schedule.each_mention(&mut |it| {
        if it.builds {
            builds.push(Reason::of(it));
        }
    });
    builds.dedup();
    let cache_key = match &recipe.cache {
        Some(cache) => {
            let names = slots(recipe);
            let named = |slot| names.iter().find(|(it, _)| *it == slot).map(|(_, name)| name.clone());
            let mut key: Vec<_> = cache.key.iter().filter_map(|it| named(it.0)).collect();
            if schedule.is_bound() {
                key.push("what the request binds to the call".to_owned());
            }
            let split = recipe.splits.iter().filter_map(|it| plan.backends.get(it.0));
            key.extend(split.map(|it| format!("the part of {} that answers", it.name)));
            key
        }
        None => Vec::new(),
    };
    Ok(Explanation {
        plan,
        endpoint,
        recipe,
        inputs: inputs(recipe),
        response: schedule.waits(&recipe.response.mentions),
        require: recipe
            .graph
            .require
            .iter()
            .map(|it| {
                let reason = it.mentions.first().map(Reason::of);
                let reason = reason.unwrap_or_else(|| Reason {
                    key: "require".into(),
                    expression: "…".into(),
                    origin: it.that.origin.clone(),
                });
                (reason, schedule.waits(&it.mentions))
            })
            .collect(),
        critical: schedule.critical(),
        latest: schedule.latest(),
        hogs: schedule.hogs(),
        cache_key,
        sights: flow::sights(&schedule),
        builds,
        backends: protection::asked(plan, &calls),
        limits: limits::of(plan, recipe),
        calls,
    })
}

/// The slots of the inputs and their names.
fn slots(recipe: &Recipe) -> Vec<(u32, String)> {
    let inputs = &recipe.inputs;
    let mut all: Vec<_> = inputs
        .params
        .iter()
        .map(|it| (it.slot.0, it.name.to_string()))
        .collect();
    match &inputs.body {
        Body::Bytes(slot) | Body::Whole { slot, .. } => all.push((slot.0, "body".to_owned())),
        Body::Members(members) => {
            all.extend(
                members
                    .iter()
                    .map(|it| (it.slot.0, format!("body.{}", it.path.join(".")))),
            );
        }
        Body::Bound { .. } | Body::None => {}
    }
    all.extend(inputs.request.iter().map(|(part, slot)| (slot.0, part_name(part))));
    all
}

fn part_name(part: &RequestPart) -> String {
    match part {
        RequestPart::Header(name) => format!("request.headers[{:?}]", name.as_str()),
        RequestPart::Id => "request.id".to_owned(),
        RequestPart::Method => "request.method".to_owned(),
        RequestPart::Path => "request.path".to_owned(),
        RequestPart::RemoteIp => "request.remote_ip".to_owned(),
    }
}

fn inputs(recipe: &Recipe) -> Vec<Input> {
    let mut all: Vec<Input> = recipe
        .inputs
        .params
        .iter()
        .map(|it| Input {
            name: it.name.to_string(),
            from: {
                let place = match &it.location {
                    Location::Cookie => "cookie".to_owned(),
                    Location::Header(name) => format!("header {name}"),
                    Location::Path(_) => "path".to_owned(),
                    Location::Query => "query".to_owned(),
                };
                match &it.location {
                    Location::Cookie | Location::Query if it.wire_name != it.name => {
                        format!("{place} {:?}", &*it.wire_name)
                    }
                    _ => place,
                }
            },
            ty: it.ty.to_string(),
            absent: absent(&it.absent, &it.ty),
            constraints: it.constraints.iter().map(|rule| constraint(rule, &it.ty)).collect(),
        })
        .collect();
    match &recipe.inputs.body {
        Body::Bytes(_) => all.push(whole_body("bytes")),
        Body::Bound { .. } => all.push(whole_body("bound to the request of the call")),
        Body::Members(members) => all.extend(members.iter().map(|it| Input {
            name: format!("body.{}", it.path.join(".")),
            from: "body".to_owned(),
            ty: String::new(),
            absent: absent(&it.absent, &Type::unknown()),
            constraints: Vec::new(),
        })),
        Body::None => {}
        Body::Whole { .. } => all.push(whole_body("")),
    }
    all.extend(recipe.inputs.request.iter().map(|(part, _)| Input {
        name: part_name(part),
        from: "request".to_owned(),
        ty: "string".to_owned(),
        absent: match part {
            RequestPart::Header(_) => "null".to_owned(),
            _ => String::new(),
        },
        constraints: Vec::new(),
    }));
    all
}

fn whole_body(ty: &str) -> Input {
    Input {
        name: "body".to_owned(),
        from: "body".to_owned(),
        ty: ty.to_owned(),
        absent: String::new(),
        constraints: Vec::new(),
    }
}

fn absent(absent: &Absent, ty: &Type) -> String {
    match absent {
        Absent::Refuse => "required".to_owned(),
        Absent::Value(value) if value.is_null() => "null".to_owned(),
        Absent::Value(value) => format!("= {}", shown_value(value, ty)),
    }
}

fn shown_value(value: &Value, ty: &Type) -> String {
    let mut text = Vec::new();
    match value {
        Value::String(it) => format!("{:?}", it.as_str()),
        Value::List(list) => {
            let element = ty.element().unwrap_or(ty);
            let shown: Vec<_> = list.iter().map(|it| shown_value(&it, element)).collect();
            format!("[{}]", shown.join(", "))
        }
        _ => match as_text(value, ty, &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) => "a default".to_owned(),
        },
    }
}

fn constraint(constraint: &Constraint, ty: &Type) -> String {
    // What is demanded of a list is demanded of each element.
    let ty = ty.element().unwrap_or(ty);
    match constraint {
        Constraint::OneOf(values) => {
            let shown: Vec<_> = values.iter().map(|it| shown_value(it, ty)).collect();
            format!("one of {}", shown.join(", "))
        }
        Constraint::MaxLength(it) => format!("at most {it} characters"),
        Constraint::Maximum(it) => format!("≤ {}", shown_value(it, ty)),
        Constraint::MinLength(it) => format!("at least {it} characters"),
        Constraint::Minimum(it) => format!("≥ {}", shown_value(it, ty)),
        Constraint::Pattern(it) => format!("like {it}"),
    }
}

/// What a call does, in the words of the file.
fn does(plan: &Plan, call: &Call) -> (String, Option<Arc<str>>) {
    let backend = |it: crate::plan::BackendIndex| plan.backends.get(it.0).map(|it| it.name.clone());
    match &call.kind {
        CallKind::Compose { fragment, .. } => {
            let name = plan.fragments.get(fragment.0).map(|it| &*it.name).unwrap_or_default();
            (format!("compose {name}"), None)
        }
        CallKind::For(_) => {
            let list = call.mentions.iter().find(|it| &*it.key == "for");
            let list = list.map_or("a list", |it| &it.expression);
            (format!("for each of ${list}"), None)
        }
        CallKind::Grpc(grpc) => (format!("grpc {}", grpc.method), backend(grpc.backend)),
        CallKind::Http(http) => {
            let mut holes = call.mentions.iter().filter(|it| &*it.key == "http");
            let mut path = String::new();
            for part in &http.path {
                match part {
                    PathPart::Literal(text) => path.push_str(text),
                    PathPart::Segment(_) | PathPart::Segments(_) | PathPart::Own(..) => {
                        let hole = holes.next().map_or("…", |it| &it.expression);
                        path.extend(["${", hole, "}"]);
                    }
                }
            }
            let name = backend(http.backend);
            let shown = format!("http {} {}:{path}", http.method, name.as_deref().unwrap_or_default());
            (shown, name)
        }
        CallKind::Value(_) => ("value".to_owned(), None),
    }
}

/// The names of endpoints, one for each line, and where each was written.
pub fn list(plan: &Plan) -> String {
    let width = plan
        .endpoints
        .iter()
        .map(|it| it.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for it in &plan.endpoints {
        let Origin { file, line, .. } = &it.origin;
        let state = if it.recipe.is_ok() {
            ""
        } else {
            "  (waits for a backend)"
        };
        // Writing to a String cannot fail.
        let _infallible = writeln!(out, "{:width$}  {file}:{line}{state}", it.name);
    }
    out
}

/// `800ms`, `2s`, `1.5s`, `5m`.
pub fn shown(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0 if time.is_zero() => "0ms".to_owned(),
        0 => format!("{}µs", time.as_micros()),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ if millis > 1000 && millis.is_multiple_of(100) => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
        _ => format!("{millis}ms"),
    }
}

// === impl Reason ===

impl Reason {
    fn of(mention: &Mention) -> Self {
        Self {
            key: mention.key.clone(),
            expression: mention.expression.clone(),
            origin: mention.origin.clone(),
        }
    }

    /// `compositions/page.yaml:7:20`.
    pub fn place(&self) -> String {
        let Origin { file, line, column } = &self.origin;
        format!("{file}:{line}:{column}")
    }

    /// As the file has it: `$product.price_usd`; names of `after:` as they are.
    pub fn written(&self) -> String {
        if &*self.key == "after" {
            self.expression.to_string()
        } else {
            format!("${}", self.expression)
        }
    }
}

impl OnFailure {
    fn of(call: &Call) -> Self {
        match call {
            _ if call.fallback.is_some() => Self::Fallback,
            _ if call.stale => Self::Stale,
            _ if call.optional => Self::Optional,
            _ => Self::Required,
        }
    }
}

/// Whether a mention is a dependency, and of what.
fn dependency(mention: &Mention) -> Option<Dependency> {
    match mention.of {
        Mentioned::Call(it) => Some(it),
        Mentioned::Element(_) | Mentioned::Input(_) => None,
    }
}

/// Whether a call is made only when a fallback asks for it.
fn is_lazy(call: &Call) -> bool {
    call.start == Start::OnFallback
}
