//! Spec → plan: every pass of the checker, in order (semantics.md 13).
//!
//! Owns what the language means: names, types, inputs, the schedule, safety, cache keys, and the sentences that say what is
//! wrong. Leaves the form of files to `spec` and the meaning of one expression to `expr`.
//! Invariant: a plan comes out only where nothing was wrong; a part that failed is poisoned, so that one mistake is said once.

mod advice;
mod assemble;
mod auth;
mod backend;
mod balance;
mod cache;
mod call;
mod claims;
mod complete;
mod constraint;
mod convert;
mod credentials;
mod deferral;
mod endpoint;
mod error_rule;
mod expose;
mod expression;
mod field_mask;
mod fit;
mod fragment;
mod gate;
mod graph;
mod health;
mod holders;
mod http_call;
mod http_schema;
mod infer;
mod input;
mod lint;
mod literal;
mod mention;
mod object;
mod of_request;
mod outline;
mod param;
mod parameter;
mod protection;
mod proxy;
mod reason;
mod response;
mod safety;
mod scope;
mod select;
mod settings;
mod signature;
mod spread;
mod template;
mod tls;
mod traffic;
mod unit;
mod walk;
mod world;

pub use backend::{client, headers, targets};
pub use credentials::issuer;
pub use world::matches;

use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::SourceMap;
use super::spec;
use crate::plan::Plan;
use crate::schema::Schema;

/// What is known of a backend's types when the files are checked. In the order of the gateway file's `backends:`.
#[derive(Clone, Debug)]
pub enum BackendSchema {
    /// Its services and types.
    Known(Arc<Schema>),
    /// Its descriptors could not be had yet; the sentence says why.
    Missing(String),
    /// It has none: an HTTP backend.
    None,
}

/// A composition that is checked against the descriptors before, since the newest ones break it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The composition, or the exposed service, by its file or name.
    pub name: Arc<str>,
    /// What is wrong with it by the newest descriptors.
    pub why: Vec<Diagnostic>,
}

/// Checks one composition, or one exposed service.
type Check<'c> = &'c dyn Fn(&world::World<'_>, &mut endpoint::Table, &mut Diagnostics);

/// Checks everything that was written. All mistakes are collected; `None` where there is any, those found before included.
pub fn check(
    gateway: &spec::Gateway,
    compositions: &[spec::Composition],
    backends: &[BackendSchema],
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<Plan> {
    check_holding(gateway, compositions, (backends, None), sources, diagnostics)
        .0
        .map(|it| it.0)
}

/// As [`check`], with the files that `schema:` led to, those that could not be read included; and where a composition that is
/// wrong by the newest types of the backends may be right by those before: then it is checked against those, with all
/// fragments that it composes, and held; all others get the newest.
pub fn check_holding(
    gateway: &spec::Gateway,
    compositions: &[spec::Composition],
    (backends, before): (&[BackendSchema], Option<&[BackendSchema]>),
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> (Option<(Plan, Vec<Held>)>, Vec<PathBuf>) {
    let backends = &traffic::schemas(gateway, backends);
    let before = before.map(|it| traffic::schemas(gateway, it));
    let settings = settings::check(gateway, diagnostics);
    let mut plan_backends = backend::check(gateway, backends, diagnostics);
    let mut world = world::World::new(gateway, backends, sources, diagnostics);
    balance::check(&world, &mut plan_backends, diagnostics);
    let access = gate::access(&world, diagnostics);
    gate::named_limits(&world, diagnostics);
    let limits = gate::limits_of_all(&world, diagnostics);
    credentials::check(gateway, &mut plan_backends, diagnostics);
    let auth = auth::providers(gateway, sources, &mut plan_backends, diagnostics);
    traffic::check(&world, &mut plan_backends, diagnostics);
    // Where something is wrong anyway, nothing is held.
    let before = before.as_deref().filter(|_| !diagnostics.has_errors());
    let mut fragments = fragment::check_all(&mut world, compositions, diagnostics);
    let old = before.and_then(|schemas| {
        // What is wrong whatever the types are was said above.
        let mut again = Diagnostics::default();
        let mut old = world::World::new(gateway, schemas, sources, &mut again);
        old.limits = world.limits.clone();
        old.first_fragment = fragments.len();
        let more = fragment::check_all(&mut old, compositions, &mut again);
        (!again.has_errors()).then_some((old, more))
    });
    let mut held = Vec::new();
    let old = old.map(|(old, more)| {
        fragments.extend(more);
        let errors = diagnostics.take_errors();
        held.extend(world.broken.iter().map(|name| Held {
            name: format!("the fragment {name}").into(),
            why: errors.clone(),
        }));
        old
    });
    let mut table = endpoint::Table::default();
    let mut add = |name: Arc<str>, is_broken: bool, one: Check<'_>| {
        let Some(old) = &old else {
            one(&world, &mut table, diagnostics);
            return;
        };
        let check = |world| {
            let (mut found, mut said) = (endpoint::Table::default(), Diagnostics::default());
            one(world, &mut found, &mut said);
            let is_sound = !said.has_errors() && !found.has_wrong();
            (found, said, is_sound)
        };
        let (mut found, mut said, is_sound) = check(&world);
        if (!is_sound || is_broken)
            && let (before, warnings, true) = check(old)
        {
            // Nothing is said where a fragment that it composes is wrong: that was said of the fragment.
            let why = said.into_sorted();
            held.push(Held { name, why });
            (found, said) = (before, warnings);
        }
        table.take(found, diagnostics);
        diagnostics.append(said);
    };
    for composition in compositions {
        if let spec::Head::Endpoint { method, path } = &composition.head {
            let name = format!("{} {}", method.value, path.value);
            let is_broken = fragment::has_broken(&world, composition);
            add(name.into(), is_broken, &|world, table, diagnostics| {
                endpoint::check(world, composition, (method, path), table, diagnostics);
            });
        }
    }
    for service in gateway.expose.iter().flat_map(|it| &it.services) {
        add(service.value.clone(), false, &|world, table, diagnostics| {
            expose::check(world, service, table, diagnostics);
        });
    }
    let (endpoints, routes) = table.into_parts();
    let mut plan = Plan {
        settings,
        backends: plan_backends,
        auth,
        endpoints,
        routes,
        fragments,
        access,
        rate_limits: world.limits.take().finish(diagnostics),
        limits,
    };
    protection::number_methods(&mut plan);
    traffic::finish(&world, &mut plan, diagnostics);
    plan.find_required();
    let files = world.library.into_inner().into_files();
    ((!diagnostics.has_errors()).then_some((plan, held)), files)
}
