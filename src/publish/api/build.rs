//! A plan → its [`Api`].

use super::types::Types;
use super::{Api, endpoint, security};
use crate::plan::Plan;

impl Api {
    /// The public API of a plan.
    pub fn of(plan: &Plan) -> Self {
        // The names of types are known once all of them were seen.
        let (_, types) = described(plan, Types::default());
        let (mut api, types) = described(plan, types.named());
        api.types = types.into_types();
        security::add_schemes(plan, &mut api);
        api
    }
}

fn described(plan: &Plan, mut types: Types) -> (Api, Types) {
    let mut api = Api::default();
    for endpoint in &plan.endpoints {
        match &endpoint.recipe {
            Ok(recipe) => endpoint::describe(plan, endpoint, recipe, &mut types, &mut api),
            Err(waiting) => api.left_out.push(format!(
                "{}: backend `{}` has not said what it serves",
                endpoint.name, waiting.backend
            )),
        }
    }
    api.endpoints.sort_by_cached_key(|it| (it.url(), rank(&it.method)));
    number_ids(&mut api);
    (api, types)
}

/// Methods in the order in which people think of them.
fn rank(method: &str) -> usize {
    let known = endpoint::METHODS.iter().position(|it| *it == method);
    known.unwrap_or(endpoint::METHODS.len())
}

/// Of ids that are the same, the later ones get a number.
fn number_ids(api: &mut Api) {
    let mut taken = std::collections::BTreeSet::new();
    for endpoint in &mut api.endpoints {
        let numbered = (2_u32..).map(|n| format!("{}{n}", endpoint.id));
        let free = std::iter::once(endpoint.id.clone())
            .chain(numbered)
            .find(|it| !taken.contains(it));
        if let Some(id) = free {
            taken.insert(id.clone());
            endpoint.id = id;
        }
    }
}
