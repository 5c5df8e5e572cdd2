//! Every call of a recipe, those inside `for` and composed fragments included.

use std::sync::Arc;

use super::{BackendIndex, Call, CallIndex, CallKind, Dependency, Endpoint, Graph, Plan, Recipe, Start};

/// A call where it stands.
#[derive(Clone, Debug)]
pub struct Listed<'p> {
    /// The call.
    pub call: &'p Call,
    /// Its name; within a fragment behind the name of the call that composes it: `offer.price`.
    pub name: Arc<str>,
    /// It is made for each element of a list.
    pub in_loop: bool,
    /// The `for` or `compose` call that it is inside of.
    pub around: Option<&'p Call>,
    /// The graphs that it sees, its own last.
    pub graphs: Vec<&'p Graph>,
}

impl<'p> Listed<'p> {
    /// A call that this one waits for.
    pub fn dependency(&self, on: Dependency) -> Option<&'p Call> {
        let at = self.graphs.len().checked_sub(1 + on.level)?;
        self.graphs.get(at)?.calls.get(on.call.0)
    }
}

impl Plan {
    /// The calls of a recipe, each before those inside it.
    pub fn calls_of<'p>(&'p self, recipe: &'p Recipe) -> Vec<Listed<'p>> {
        let mut all = Vec::new();
        self.list(&recipe.graph, &[], ("", None, false), &mut all);
        all
    }

    fn list<'p>(
        &'p self,
        graph: &'p Graph,
        around: &[&'p Graph],
        (prefix, around_it, in_loop): (&str, Option<&'p Call>, bool),
        all: &mut Vec<Listed<'p>>,
    ) {
        let graphs: Vec<&Graph> = around.iter().copied().chain([graph]).collect();
        for call in &graph.calls {
            let name = format!("{prefix}{}", call.name);
            all.push(Listed {
                call,
                name: name.as_str().into(),
                in_loop,
                around: around_it,
                graphs: graphs.clone(),
            });
            match &call.kind {
                CallKind::Compose { fragment, .. } => {
                    if let Some(fragment) = self.fragments.get(fragment.0) {
                        let place = (&*format!("{name}."), Some(call), in_loop);
                        self.list(&fragment.graph, &[], place, all);
                    }
                }
                CallKind::For(each) => self.list(&each.graph, &graphs, (prefix, Some(call), true), all),
                CallKind::Grpc(_) | CallKind::Http(_) | CallKind::Value(_) => {}
            }
        }
    }

    /// Sets [`Recipe::required`] of all endpoints.
    pub fn find_required(&mut self) {
        let required = |it: &Endpoint| it.recipe.as_ref().ok().map(|it| self.required_by(it));
        let required: Vec<_> = self.endpoints.iter().map(required).collect();
        for (endpoint, required) in self.endpoints.iter_mut().zip(required) {
            if let (Ok(recipe), Some(required)) = (&mut endpoint.recipe, required) {
                recipe.required = required;
            }
        }
    }

    fn required_by(&self, recipe: &Recipe) -> Vec<(CallIndex, BackendIndex)> {
        let mut all: Vec<(CallIndex, BackendIndex)> = Vec::new();
        for (at, call) in recipe.graph.calls.iter().enumerate() {
            let mut found = Vec::new();
            self.require(call, &mut found);
            for backend in found {
                if !all.iter().any(|it| it.1 == backend) {
                    all.push((CallIndex(at), backend));
                }
            }
        }
        all
    }

    /// The backends without which a call fails, and what it is for with it.
    fn require(&self, call: &Call, found: &mut Vec<BackendIndex>) {
        if call.is_spared() || call.when.is_some() || call.cache.is_some() || call.start != Start::Eager {
            return;
        }
        let graph = match &call.kind {
            CallKind::Grpc(grpc) => return found.push(grpc.backend),
            CallKind::Http(http) => return found.push(http.backend),
            CallKind::Value(_) => return,
            CallKind::For(each) => &each.graph,
            CallKind::Compose { fragment, .. } => match self.fragments.get(fragment.0) {
                Some(fragment) => &fragment.graph,
                None => return,
            },
        };
        graph.calls.iter().for_each(|it| self.require(it, found));
    }
}
