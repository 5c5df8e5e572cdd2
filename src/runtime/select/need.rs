//! Which calls a chosen part of a response needs (semantics.md 4.2).
//!
//! What the part mentions, and the status, headers and cookies, and every `require`; what changes something, chosen or not;
//! and what those mention in turn. What only a fallback mentions is made when the fallback is evaluated.

use std::collections::HashMap;

use crate::expr::{Program, Slot};
use crate::plan::{Call, CallIndex, CallKind, Dependency, Graph, Recipe, Start, Template};

/// When each call starts; `None` for those that are not made.
pub(super) fn starts(recipe: &Recipe, body: &Template) -> Vec<Option<Start>> {
    let graph = &recipe.graph;
    let mut starts = vec![None; graph.calls.len()];
    let mut later = spread(graph, roots(recipe, body), Start::Eager, &mut starts);
    // What a call that is made for a fallback falls back to is made for a fallback too.
    while !later.is_empty() {
        later = spread(graph, later, Start::OnFallback, &mut starts);
    }
    starts
}

/// The calls of its own graph that a call waits for, or one inside it does.
pub(in crate::runtime) fn outside(graph: &Graph, call: CallIndex) -> Vec<CallIndex> {
    let mut found = Mentions::default();
    if let Some(call) = graph.calls.get(call.0) {
        found.add(call, 0, false);
    }
    found.needs
}

fn roots(recipe: &Recipe, body: &Template) -> Vec<CallIndex> {
    let graph = &recipe.graph;
    let mut by_slot: HashMap<Slot, CallIndex> = HashMap::new();
    let mut all = Vec::new();
    for (at, call) in graph.calls.iter().enumerate() {
        by_slot.insert(call.slot, CallIndex(at));
        by_slot.extend(call.error_slot.map(|slot| (slot, CallIndex(at))));
        // An order is placed whoever wants to see its number.
        if (call.effect || !call.safe) && call.start == Start::Eager {
            all.push(CallIndex(at));
        }
    }
    let mut read = |program: &Program| {
        program.slots(|slot| all.extend(by_slot.get(&slot).copied()));
    };
    body.programs(&mut |it, _| read(it));
    recipe.response.programs_beside(&mut |it, _| read(it));
    let requires = graph.require.iter().flat_map(|it| &it.needs);
    all.extend(requires.filter(|it| it.level == 0).map(|it| it.call));
    all
}

/// Marks calls, and all that they wait for; gives what their fallbacks mention.
fn spread(graph: &Graph, mut open: Vec<CallIndex>, start: Start, starts: &mut [Option<Start>]) -> Vec<CallIndex> {
    let mut fallbacks = Vec::new();
    while let Some(index) = open.pop() {
        let (Some(place), Some(call)) = (starts.get_mut(index.0), graph.calls.get(index.0)) else {
            continue;
        };
        if place.is_none() {
            *place = Some(start);
            let mut mentions = Mentions::default();
            mentions.add(call, 0, false);
            open.extend(mentions.needs);
            fallbacks.extend(mentions.fallbacks);
        }
    }
    fallbacks
}

/// What a call, and what is inside it, mentions of its graph.
#[derive(Default)]
struct Mentions {
    needs: Vec<CallIndex>,
    fallbacks: Vec<CallIndex>,
}

impl Mentions {
    /// Adds what a call mentions of the graph `depth` levels around its own. `asked`: it is made for a fallback only.
    fn add(&mut self, call: &Call, depth: usize, asked: bool) {
        let here = |all: &[Dependency]| -> Vec<CallIndex> {
            all.iter().filter(|it| it.level == depth).map(|it| it.call).collect()
        };
        let needs = if asked { &mut self.fallbacks } else { &mut self.needs };
        needs.extend(here(&call.needs));
        if let CallKind::For(each) = &call.kind {
            needs.extend(each.needs.iter().filter(|it| it.level == depth + 1).map(|it| it.call));
            for inner in &each.graph.calls {
                self.add(inner, depth + 1, asked || inner.start == Start::OnFallback);
            }
        }
        if let Some(fallback) = &call.fallback {
            self.fallbacks.extend(here(&fallback.needs));
        }
    }
}
