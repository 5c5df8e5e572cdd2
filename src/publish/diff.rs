//! What a change of the public API means for those who use it.
//!
//! Owns what counts as breaking: whatever a client that did everything right could notice. Leaves to `cli` where the two
//! APIs come from and how changes are shown. Invariant: an API compared with itself has no changes.

mod access;
mod tokens;
mod types;

use std::collections::BTreeMap;

use super::api::{Api, Content, Endpoint, Facets, Location, Param, PathPart, Response, Success};

use self::types::{Comparison, Side};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether a client can break by it.
    pub severity: Severity,
    /// The endpoint, as its file writes it.
    pub endpoint: String,
    /// What changed: `response.price.units`, `query currency`; empty for the endpoint as a whole.
    pub place: String,
    /// The kind of change, in kebab-case; never renamed.
    pub code: &'static str,
    /// What is different now, to be read behind the place.
    pub sentence: String,
}

/// Whether a client can break by a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Clients that did everything right may fail.
    Breaking,
    /// They go on as before.
    Safe,
}

/// Everything that changed, by endpoint; within one, what breaks first.
pub fn compare(old: &Api, new: &Api) -> Vec<Change> {
    let by_shape =
        |api: &Api| -> BTreeMap<String, Endpoint> { api.endpoints.iter().map(|it| (it.shape(), it.clone())).collect() };
    let (before, after) = (by_shape(old), by_shape(new));
    let mut changes = Vec::new();
    for (shape, endpoint) in &before {
        let mut found = Found::of(endpoint);
        match after.get(shape) {
            Some(now) => compare_endpoints((old, endpoint), (new, now), &mut found),
            None => found.breaking("", "endpoint-gone", "is gone"),
        }
        changes.extend(found.changes);
    }
    for (shape, endpoint) in &after {
        if !before.contains_key(shape) {
            let mut found = Found::of(endpoint);
            found.safe("", "endpoint-added", "is new");
            changes.extend(found.changes);
        }
    }
    changes.sort_by(|a, b| (&a.endpoint, a.severity).cmp(&(&b.endpoint, b.severity)));
    changes
}

/// The changes of one endpoint.
struct Found {
    endpoint: String,
    changes: Vec<Change>,
}

impl Found {
    fn of(endpoint: &Endpoint) -> Self {
        // `ANY` is described once for each method.
        let path = endpoint.name.split_once(' ').map_or("", |(_, path)| path);
        Self {
            endpoint: format!("{} {path}", endpoint.method),
            changes: Vec::new(),
        }
    }

    fn add(&mut self, severity: Severity, place: &str, code: &'static str, sentence: &str) {
        let change = Change {
            severity,
            endpoint: self.endpoint.clone(),
            place: place.to_owned(),
            code,
            sentence: sentence.to_owned(),
        };
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    fn breaking(&mut self, place: &str, code: &'static str, sentence: &str) {
        self.add(Severity::Breaking, place, code, sentence);
    }

    fn safe(&mut self, place: &str, code: &'static str, sentence: &str) {
        self.add(Severity::Safe, place, code, sentence);
    }
}

fn compare_endpoints((old_api, old): (&Api, &Endpoint), (new_api, new): (&Api, &Endpoint), found: &mut Found) {
    if new.deprecated && !old.deprecated {
        found.safe("", "deprecated", "is deprecated");
    }
    access::compare((old_api, old), (new_api, new), found);
    let apis = (old_api, new_api);
    compare_params(apis, old, new, found);
    compare_bodies(apis, old, new, found);
    compare_responses(apis, &old.response, &new.response, found);
    compare_problems(old, new, found);
}

// === what is sent ===

/// Params of a path are told apart by their place in it, all others by their names.
fn keyed(endpoint: &Endpoint) -> BTreeMap<(Location, String), &Param> {
    let mut all = BTreeMap::new();
    for part in &endpoint.path {
        if let PathPart::Variable { param, .. } = part
            && let Some(it) = endpoint.params.get(*param)
        {
            all.insert((Location::Path, format!("{:03}", all.len())), it);
        }
    }
    for it in endpoint.params.iter().filter(|it| it.location != Location::Path) {
        all.insert((it.location, it.name.clone()), it);
    }
    all
}

fn compare_params(apis: (&Api, &Api), old: &Endpoint, new: &Endpoint, found: &mut Found) {
    let (before, after) = (keyed(old), keyed(new));
    for (key, old) in &before {
        let place = place_of(old);
        let Some(new) = after.get(key) else {
            found.breaking(&place, "param-gone", "is no longer looked at");
            continue;
        };
        match (old.required, new.required) {
            (false, true) => found.breaking(&place, "param-required", "has to be given now"),
            (true, false) => found.safe(&place, "param-optional", "may be left out now"),
            _ => {}
        }
        if old.default != new.default && !new.required {
            let shown = new.default.as_ref().map_or("nothing".to_owned(), ToString::to_string);
            found.safe(
                &place,
                "default-changed",
                &format!("means {shown} now where it is left out"),
            );
        }
        if new.deprecated && !old.deprecated {
            found.safe(&place, "deprecated", "is deprecated");
        }
        Comparison::new(apis, Side::Request, found).types(&old.ty, &new.ty, &place);
        compare_facets(&old.facets, &new.facets, &place, found);
    }
    for (key, new) in &after {
        if !before.contains_key(key) {
            let place = place_of(new);
            if new.required {
                found.breaking(&place, "param-required", "is new, and has to be given");
            } else {
                found.safe(&place, "param-added", "is new, and may be left out");
            }
        }
    }
}

fn place_of(param: &Param) -> String {
    let location = match param.location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
        Location::Cookie => "cookie",
    };
    format!("{location} {}", param.name)
}

/// What was allowed has to be allowed still.
fn compare_facets(old: &Facets, new: &Facets, place: &str, found: &mut Found) {
    let mut say = |is_narrower: Option<bool>, what: String| match is_narrower {
        Some(true) => found.breaking(place, "facet-narrowed", &what),
        Some(false) => found.safe(place, "facet-widened", &what),
        None => {}
    };
    let number = |it: &Option<serde_json::Value>| it.as_ref().and_then(serde_json::Value::as_f64);
    let shown = |it: &Option<serde_json::Value>| it.as_ref().map_or("any".to_owned(), ToString::to_string);
    let least = |it: &Option<serde_json::Value>| number(it).unwrap_or(f64::NEG_INFINITY);
    let greatest = |it: &Option<serde_json::Value>| number(it).unwrap_or(f64::INFINITY);
    let differs = |differs: bool, narrower: bool| differs.then_some(narrower);
    say(
        differs(old.minimum != new.minimum, least(&new.minimum) > least(&old.minimum)),
        format!("is at least {} now, not {}", shown(&new.minimum), shown(&old.minimum)),
    );
    say(
        differs(
            old.maximum != new.maximum,
            greatest(&new.maximum) < greatest(&old.maximum),
        ),
        format!("is at most {} now, not {}", shown(&new.maximum), shown(&old.maximum)),
    );
    let (a, b) = (old.min_length.unwrap_or(0), new.min_length.unwrap_or(0));
    say(
        differs(a != b, b > a),
        format!("has at least {b} characters now, not {a}"),
    );
    let (a, b) = (old.max_length.unwrap_or(u64::MAX), new.max_length.unwrap_or(u64::MAX));
    let length = |it: u64| {
        if it == u64::MAX {
            "any number of".to_owned()
        } else {
            it.to_string()
        }
    };
    say(
        differs(a != b, b < a),
        format!("has at most {} characters now, not {}", length(b), length(a)),
    );
    match (&old.pattern, &new.pattern) {
        (Some(old), None) => say(Some(false), format!("need not match `{old}` any more")),
        (old, Some(new)) if old.as_ref() != Some(new) => say(Some(true), format!("has to match `{new}` now")),
        _ => {}
    }
    if old.one_of != new.one_of {
        let gone: Vec<String> = old
            .one_of
            .iter()
            .filter(|it| !new.one_of.contains(it))
            .map(ToString::to_string)
            .collect();
        let is_narrower = !new.one_of.is_empty() && (old.one_of.is_empty() || !gone.is_empty());
        let what = if gone.is_empty() {
            "has another list of values".to_owned()
        } else {
            format!("cannot be {} any more", gone.join(", "))
        };
        say(Some(is_narrower), what);
    }
}

fn compare_bodies(apis: (&Api, &Api), old: &Endpoint, new: &Endpoint, found: &mut Found) {
    match (&old.body, &new.body) {
        (None, Some(new)) if new.required => found.breaking("body", "body-required", "has to be sent now"),
        (None, Some(_)) => found.safe("body", "body-added", "may be sent now"),
        (Some(_), None) => found.breaking("body", "body-gone", "is no longer looked at"),
        (Some(old), Some(new)) => {
            match (old.required, new.required) {
                (false, true) => found.breaking("body", "body-required", "has to be sent now"),
                (true, false) => found.safe("body", "body-optional", "may be left out now"),
                _ => {}
            }
            compare_content(apis, Side::Request, (&old.content, &new.content), "body", found);
        }
        (None, None) => {}
    }
}

fn compare_content(apis: (&Api, &Api), side: Side, (old, new): (&Content, &Content), place: &str, found: &mut Found) {
    match (old, new) {
        (Content::Json(old), Content::Json(new)) => Comparison::new(apis, side, found).types(old, new, place),
        (Content::Raw, Content::Raw) => {}
        (Content::Json(_), Content::Raw) => found.breaking(place, "retyped", "is raw bytes now, not JSON"),
        (Content::Raw, Content::Json(_)) => found.breaking(place, "retyped", "is JSON now, not raw bytes"),
    }
}

// === what is answered ===

/// Whether one status is the other, or the range that it lies in: `2XX` covers `200`.
fn covers(one: &Success, other: &Success) -> bool {
    let range = one.status.strip_suffix("XX");
    one.status == other.status || range.is_some_and(|it| other.status.starts_with(it))
}

fn compare_responses(apis: (&Api, &Api), old: &Response, new: &Response, found: &mut Found) {
    // What passes through fails as its backend does, and everything else with a problem.
    let of = |it: &Success| !it.status.starts_with(['4', '5']);
    for status in old.statuses.iter().filter(|it| of(it)) {
        if !new.statuses.iter().any(|it| covers(it, status) || covers(status, it)) {
            found.breaking(
                &format!("status {}", status.status),
                "status-gone",
                "is no longer answered",
            );
        }
    }
    for status in new.statuses.iter().filter(|it| of(it)) {
        if !old.statuses.iter().any(|it| covers(it, status)) {
            let place = format!("status {}", status.status);
            let what = if status.has_body {
                "may be answered now"
            } else {
                "may be answered now, without a body"
            };
            found.breaking(&place, "status-added", what);
        }
    }
    compare_content(apis, Side::Response, (&old.content, &new.content), "response", found);
    for header in &old.headers {
        let place = format!("header {}", header.name);
        match new.headers.iter().find(|it| it.name == header.name) {
            None => found.breaking(&place, "header-gone", "is no longer sent"),
            Some(now) if now.optional && !header.optional => {
                found.breaking(&place, "header-optional", "may be missing now");
            }
            Some(_) => {}
        }
    }
    for header in &new.headers {
        if !old.headers.iter().any(|it| it.name == header.name) {
            found.safe(&format!("header {}", header.name), "header-added", "is new");
        }
    }
    for call in new.degradable.iter().filter(|it| !old.degradable.contains(it)) {
        let what = format!("may name `{call}` now");
        found.safe("header weft-degraded", "degradable", &what);
    }
}

/// Statuses that any endpoint may answer when something is wrong.
const USUAL: &[u16] = &[400, 404, 413, 415, 502, 503, 504];

fn compare_problems(old: &Endpoint, new: &Endpoint, found: &mut Found) {
    let is_demanded = access::is_demanded(old) || access::is_demanded(new);
    let is_usual = |status: u16| USUAL.contains(&status) || is_demanded && matches!(status, 401 | 403);
    let has = |all: &Endpoint, status: u16| all.problems.iter().any(|it| it.status == status);
    for problem in old.problems.iter().filter(|it| !is_usual(it.status)) {
        if !has(new, problem.status) {
            let what = format!("is no longer the answer where: {}", problem.description);
            found.breaking(&format!("problem {}", problem.status), "problem-gone", &what);
        }
    }
    for problem in new.problems.iter().filter(|it| !is_usual(it.status)) {
        if !has(old, problem.status) {
            let what = format!("is new: {}", problem.description);
            found.safe(&format!("problem {}", problem.status), "problem-added", &what);
        }
    }
}
