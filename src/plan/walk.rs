//! Every call of a recipe, those inside `for` and composed fragments included.

use std::sync::Arc;

use super::{Call, CallKind, Dependency, Graph, Plan, Recipe};

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
}
