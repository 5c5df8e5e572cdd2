//! Who sees what: values followed back from what is sent to the inputs and replies that they are made of.
//!
//! Conditions are no part of it: that a call was made tells its backend something too, but nothing of what was asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::schedule::Schedule;
use crate::plan::{Call, CallIndex, CallKind, GrpcRequest, Mention, Mentioned};

/// What one call sends to its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The backend.
    pub backend: Arc<str>,
    /// The call.
    pub call: Arc<str>,
    /// What it is made of, inputs first.
    pub sees: Vec<Source>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An input of the endpoint.
    Input(Arc<str>),
    /// The reply of a call.
    Reply(Arc<str>),
}

/// What each call to a backend sends, ordered by backend as they are first called.
pub(super) fn sights(schedule: &Schedule<'_>) -> Vec<Sight> {
    let mut all = Vec::new();
    for level in 0..schedule.n_levels() {
        for (at, call) in schedule.graph(level).calls.iter().enumerate() {
            let backend = match &call.kind {
                CallKind::Grpc(it) => it.backend,
                CallKind::Http(it) => it.backend,
                _ => continue,
            };
            let mut sees = BTreeSet::new();
            for mention in call.mentions.iter().filter(|it| is_sent(it)) {
                follow(schedule, level, mention, &mut sees);
            }
            sees.extend(bound(schedule, call));
            let backend = schedule.plan.backends.get(backend.0);
            all.push(Sight {
                backend: backend.map(|it| it.name.clone()).unwrap_or_default(),
                call: schedule.name(level, CallIndex(at)),
                sees: sees.into_iter().collect(),
            });
        }
    }
    let order: Vec<Arc<str>> = all.iter().map(|it| it.backend.clone()).collect();
    all.sort_by_key(|it| order.iter().position(|name| *name == it.backend));
    all
}

/// Stands in a key whose value is sent.
fn is_sent(mention: &Mention) -> bool {
    let key = mention.key.split('.').next().unwrap_or_default();
    matches!(key, "request" | "http" | "query" | "headers" | "body")
}

/// What the short form takes from the request.
fn bound(schedule: &Schedule<'_>, call: &Call) -> Vec<Source> {
    let CallKind::Grpc(grpc) = &call.kind else {
        return Vec::new();
    };
    let GrpcRequest::Bound(binding) = &grpc.request else {
        return Vec::new();
    };
    let params = schedule.recipe.inputs.params.iter();
    let mut all: Vec<_> = params.map(|it| Source::Input(it.name.clone())).collect();
    all.push(Source::Input("the query string".into()));
    if binding.reads_body() {
        all.push(Source::Input("the body".into()));
    }
    all
}

fn follow(schedule: &Schedule<'_>, level: usize, mention: &Mention, into: &mut BTreeSet<Source>) {
    match &mention.of {
        Mentioned::Input(name) => match schedule.fragment(level).and_then(|it| schedule.owner(it)) {
            // An input of a fragment is what `with` gives it.
            Some((around, owner)) => {
                let with = format!("with.{name}");
                follow_keys(schedule, around, owner, &|key| key == with, into);
            }
            None => drop(into.insert(Source::Input(name.clone()))),
        },
        Mentioned::Element(up) => {
            let owner = schedule.up(level, *up).and_then(|it| schedule.owner(it));
            if let Some((around, owner)) = owner {
                follow_keys(schedule, around, owner, &|key| key == "for", into);
            }
        }
        Mentioned::Call(on) => {
            if let Some(at) = schedule.up(level, on.level) {
                follow_call(schedule, at, on.call, into);
            }
        }
    }
}

fn follow_call(schedule: &Schedule<'_>, level: usize, index: CallIndex, into: &mut BTreeSet<Source>) {
    let Some(call) = schedule.call(level, index) else {
        return;
    };
    follow_keys(schedule, level, index, &|key| key.starts_with("fallback"), into);
    let mentions: &[Mention] = match &call.kind {
        CallKind::Grpc(_) | CallKind::Http(_) => {
            into.insert(Source::Reply(schedule.name(level, index)));
            return;
        }
        CallKind::Value(_) => {
            follow_keys(schedule, level, index, &|key| key.starts_with("value"), into);
            return;
        }
        CallKind::For(each) => &each.mentions,
        CallKind::Compose { fragment, .. } => {
            let fragment = schedule.plan.fragments.get(fragment.0);
            fragment.map(|it| it.mentions.as_slice()).unwrap_or_default()
        }
    };
    if let Some(inner) = schedule.inner(level, index) {
        for mention in mentions {
            follow(schedule, inner, mention, into);
        }
    }
}

/// What these keys of a call mention.
fn follow_keys(
    schedule: &Schedule<'_>,
    level: usize,
    index: CallIndex,
    wanted: &dyn Fn(&str) -> bool,
    into: &mut BTreeSet<Source>,
) {
    let Some(call) = schedule.call(level, index) else {
        return;
    };
    for mention in call.mentions.iter().filter(|it| wanted(&it.key)) {
        follow(schedule, level, mention, into);
    }
}
