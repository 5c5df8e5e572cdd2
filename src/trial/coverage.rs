//! Which calls and branches of compositions fixtures have seen.
//!
//! A branch is a `when` that held or did not, an `$if` likewise, a `require` that held or failed, a call that was left out or
//! whose fallback stood in, and a rule of `errors:` that was used. What happened is read from the notes of
//! [`crate::runtime::watch`]; conditions of templates are evaluated again over the values that the graph ended with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::json::{self, Kind};
use crate::expr::{Frame, Program, Slot, Value};
use crate::plan::{Call, CallKind, ErrorMatch, ErrorRule, Graph, GrpcRequest, Member, Plan, ResponseBody, Template};
use crate::runtime::backend::code;
use crate::runtime::watch::{Address, Event, Note};

/// What was seen of endpoints and fragments, by file and name.
#[derive(Debug, Default)]
pub struct Coverage {
    units: BTreeMap<(Arc<str>, String), Unit>,
}

/// An endpoint or a fragment.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Calls, and whether each was made.
    pub calls: Items,
    /// Branches, and whether each was taken.
    pub branches: Items,
}

/// What there is to see, in written order, and how often it was seen.
#[derive(Clone, Debug, Default)]
pub struct Items(Vec<(String, usize)>);

impl Items {
    fn add(&mut self, name: String, times: usize) {
        match self.0.iter_mut().find(|it| it.0 == name) {
            Some(known) => known.1 += times,
            None => self.0.push((name, times)),
        }
    }

    /// How many were seen, and how many there are.
    pub fn seen(&self) -> (usize, usize) {
        (self.0.iter().filter(|it| it.1 > 0).count(), self.0.len())
    }

    /// The names of those that were not.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|it| it.1 == 0).map(|it| it.0.as_str())
    }
}

impl Coverage {
    /// Endpoints and fragments, each with its file.
    pub fn units(&self) -> impl Iterator<Item = (&str, &str, &Unit)> {
        self.units
            .iter()
            .map(|((file, name), unit)| (&**file, name.as_str(), unit))
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        for (key, unit) in &other.units {
            let known = self.units.entry(key.clone()).or_default();
            for (into, from) in [(&mut known.calls, &unit.calls), (&mut known.branches, &unit.branches)] {
                for (name, times) in &from.0 {
                    into.add(name.clone(), *times);
                }
            }
        }
    }

    /// Adds the notes of one step, which was served by `plan`. What nobody asked for counts as well, as not seen.
    pub(super) fn add(&mut self, plan: &Plan, notes: &[Note]) {
        for endpoint in &plan.endpoints {
            let Ok(recipe) = &endpoint.recipe else { continue };
            let mut reader = Reader::new(notes);
            reader.graph(&recipe.graph, "");
            let mut templates: Vec<(String, &Template)> = Vec::new();
            if let ResponseBody::Json(body) = &recipe.response.body {
                templates.push(("response".to_owned(), body));
            }
            let headers = recipe.response.headers.iter();
            templates.extend(headers.map(|it| (format!("headers.{}", it.name), &it.value)));
            reader.conditions(&recipe.graph, None, &templates);
            self.put((endpoint.origin.file.clone(), endpoint.name.to_string()), reader.unit);
        }
        for fragment in &plan.fragments {
            let mut reader = Reader::new(notes);
            reader.graph(&fragment.graph, "");
            reader.conditions(&fragment.graph, None, &[("response".to_owned(), &fragment.result)]);
            let file = fragment.graph.calls.first().map(|it| it.origin.file.clone());
            self.put(
                (file.unwrap_or_default(), format!("fragment {}", fragment.name)),
                reader.unit,
            );
        }
    }

    fn put(&mut self, key: (Arc<str>, String), unit: Unit) {
        let one = Self {
            units: BTreeMap::from([(key, unit)]),
        };
        self.merge(&one);
    }
}

/// Reads the notes of one step for one endpoint or fragment.
struct Reader<'n> {
    notes: &'n [Note],
    unit: Unit,
}

impl<'n> Reader<'n> {
    fn new(notes: &'n [Note]) -> Self {
        Self {
            notes,
            unit: Unit::default(),
        }
    }

    fn count<T>(&self, of: &T, what: impl Fn(&Event) -> bool) -> usize {
        let of = Address::of(of);
        self.notes.iter().filter(|it| it.of == of && what(&it.what)).count()
    }

    fn graph(&mut self, graph: &Graph, around: &str) {
        for call in &graph.calls {
            self.call(graph, call, around);
        }
        for require in &graph.require {
            let line = require.that.origin.line;
            for (word, held) in [("holds", true), ("fails", false)] {
                let times = self.count(require, |it| matches!(it, Event::Required(it) if *it == held));
                self.unit
                    .branches
                    .add(format!("`require` of line {line} {word}"), times);
            }
        }
    }

    fn call(&mut self, graph: &Graph, call: &Call, around: &str) {
        let name = format!("{around}{}", call.name);
        let began = self.count(call, |it| matches!(it, Event::Began));
        let skipped = self.count(call, |it| matches!(it, Event::Skipped));
        self.unit.calls.add(name.clone(), began - skipped.min(began));
        if call.when.is_some() {
            self.unit
                .branches
                .add(format!("{name} is made"), began - skipped.min(began));
            self.unit.branches.add(format!("{name} is skipped"), skipped);
        }
        if call.fallback.is_some() || call.stale {
            let times = self.count(call, |it| matches!(it, Event::FellBack));
            self.unit.branches.add(format!("{name} falls back"), times);
        } else if call.optional {
            let times = self.count(call, |it| matches!(it, Event::LeftOut));
            self.unit.branches.add(format!("{name} is left out"), times);
        }
        for rule in &call.errors {
            let times = self.count(call, |it| fits(rule, it));
            self.unit.branches.add(format!("{name} fails with {}", on(rule)), times);
        }
        let templates = templates(call);
        let templates: Vec<_> = templates
            .iter()
            .map(|(key, it)| (format!("{name}.{key}"), *it))
            .collect();
        self.conditions(graph, Some(call), &templates);
        if let CallKind::For(each) = &call.kind {
            // The one-call form gives its call the name of the whole.
            let inner = format!("{name}: ");
            self.graph(&each.graph, &inner);
            self.conditions(&each.graph, None, &[(format!("{name}.response"), &each.result)]);
        }
    }

    /// The `$if`s of templates that were rendered in a graph; of a call's templates only where it was made.
    fn conditions(&mut self, graph: &Graph, call: Option<&Call>, templates: &[(String, &Template)]) {
        let mut seen: Vec<(String, bool)> = Vec::new();
        for (key, template) in templates {
            let mut names = Vec::new();
            names_of(template, key, &mut names);
            for name in names {
                self.unit.branches.add(format!("`$if` of {name} holds"), 0);
                self.unit.branches.add(format!("`$if` of {name} does not hold"), 0);
            }
        }
        for note in self.notes.iter().filter(|it| it.of == Address::of(graph)) {
            let Event::Ended(scopes) = &note.what else { continue };
            let was_made = call.is_none_or(|call| self.was_made(call, note.element));
            if !was_made {
                continue;
            }
            with_frame(scopes, None, &mut |frame| {
                for (key, template) in templates {
                    taken(template, frame, key, &mut seen);
                }
            });
        }
        for (name, held) in seen {
            let word = if held { "holds" } else { "does not hold" };
            self.unit.branches.add(format!("`$if` of {name} {word}"), 1);
        }
    }

    fn was_made(&self, call: &Call, element: usize) -> bool {
        let of = Address::of(call);
        let mut here = self.notes.iter().filter(|it| it.of == of && it.element == element);
        here.clone().any(|it| matches!(it.what, Event::Began)) && !here.any(|it| matches!(it.what, Event::Skipped))
    }
}

fn fits(rule: &ErrorRule, event: &Event) -> bool {
    let Event::Failed(code, status) = event else {
        return false;
    };
    match rule.on {
        ErrorMatch::Code(it) => it == *code,
        ErrorMatch::Status(it) => Some(it) == *status,
    }
}

fn on(rule: &ErrorRule) -> String {
    match rule.on {
        ErrorMatch::Code(it) => code::name(it).to_owned(),
        ErrorMatch::Status(it) => it.as_u16().to_string(),
    }
}

/// The templates of a call that are rendered whenever it is made.
fn templates(call: &Call) -> Vec<(String, &Template)> {
    match &call.kind {
        CallKind::Compose { with, .. } => with.iter().map(|it| ("with".to_owned(), it)).collect(),
        CallKind::For(_) => Vec::new(),
        CallKind::Grpc(grpc) => match &grpc.request {
            GrpcRequest::Template { template, .. } => vec![("request".to_owned(), template)],
            GrpcRequest::Bound(_) => Vec::new(),
        },
        CallKind::Http(http) => {
            let query = http.query.iter().map(|(name, it)| (format!("query.{name}"), it));
            query
                .chain(http.body.iter().map(|it| ("body".to_owned(), it)))
                .collect()
        }
        CallKind::Value(template) => vec![("value".to_owned(), template)],
    }
}

/// The places of all conditions of a template.
fn names_of(template: &Template, path: &str, names: &mut Vec<String>) {
    match template {
        Template::Convert { template, .. } => names_of(template, path, names),
        Template::For { condition, each, .. } => {
            let path = format!("{path}[]");
            names.extend(condition.as_ref().map(|_| path.clone()));
            names_of(each, &path, names);
        }
        Template::List(items) => {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                names.extend(item.condition.as_ref().map(|_| path.clone()));
                names_of(&item.template, &path, names);
            }
        }
        Template::Object(members) => {
            for member in members {
                if let Member::Field {
                    name,
                    condition,
                    template,
                    ..
                } = member
                {
                    let path = format!("{path}.{name}");
                    names.extend(condition.as_ref().map(|_| path.clone()));
                    names_of(template, &path, names);
                }
            }
        }
        Template::Constant { .. } | Template::Expression { .. } | Template::Text { .. } => {}
    }
}

/// Which way the conditions of a template go over a frame.
fn taken(template: &Template, frame: &Frame<'_>, path: &str, seen: &mut Vec<(String, bool)>) {
    match template {
        Template::Convert { template, .. } => taken(template, frame, path, seen),
        Template::For {
            list,
            slot,
            condition,
            each,
            ..
        } => {
            let path = format!("{path}[]");
            for element in list.eval(frame).map(elements).unwrap_or_default() {
                let values = [element];
                let inner = Frame {
                    parent: Some(frame),
                    base: *slot,
                    values: &values,
                };
                if goes(condition.as_ref(), &inner, &path, seen) {
                    taken(each, &inner, &path, seen);
                }
            }
        }
        Template::List(items) => {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                if goes(item.condition.as_ref(), frame, &path, seen) {
                    taken(&item.template, frame, &path, seen);
                }
            }
        }
        Template::Object(members) => {
            for member in members {
                if let Member::Field {
                    name,
                    condition,
                    template,
                    ..
                } = member
                {
                    let path = format!("{path}.{name}");
                    if goes(condition.as_ref(), frame, &path, seen) {
                        taken(template, frame, &path, seen);
                    }
                }
            }
        }
        Template::Constant { .. } | Template::Expression { .. } | Template::Text { .. } => {}
    }
}

fn goes(condition: Option<&Program>, frame: &Frame<'_>, path: &str, seen: &mut Vec<(String, bool)>) -> bool {
    let Some(condition) = condition else { return true };
    let held = matches!(condition.eval(frame), Ok(Value::Bool(true)));
    seen.push((path.to_owned(), held));
    held
}

fn elements(list: Value) -> Vec<Value> {
    match list {
        Value::List(list) => list.iter().collect(),
        Value::Json(text) if json::kind(&text) == Kind::Array => json::elements(&text)
            .map(|it| Value::Json(text.slice_ref(it)))
            .collect(),
        _ => Vec::new(),
    }
}

/// Puts scopes, inner first, back into frames.
fn with_frame(scopes: &[(Slot, Vec<Value>)], parent: Option<&Frame<'_>>, then: &mut dyn FnMut(&Frame<'_>)) {
    let Some(((base, values), inner)) = scopes.split_last() else {
        return;
    };
    let frame = Frame {
        parent,
        base: *base,
        values,
    };
    if inner.is_empty() {
        then(&frame);
    } else {
        with_frame(inner, Some(&frame), then);
    }
}
