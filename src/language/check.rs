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
mod protection;
mod proxy;
mod reason;
mod response;
mod safety;
mod scope;
mod select;
mod settings;
mod spread;
mod template;
mod tls;
mod traffic;
mod unit;
mod walk;
mod world;

pub use backend::{client, targets};
pub use world::matches;

use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::Diagnostics;
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

/// Checks everything that was written. All mistakes are collected; `None` where there is any, those found before included.
pub fn check(
    gateway: &spec::Gateway,
    compositions: &[spec::Composition],
    backends: &[BackendSchema],
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<Plan> {
    check_reading(gateway, compositions, backends, sources, diagnostics).0
}

/// As [`check`], with the files that `schema:` led to, those that could not be read included.
pub fn check_reading(
    gateway: &spec::Gateway,
    compositions: &[spec::Composition],
    backends: &[BackendSchema],
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> (Option<Plan>, Vec<PathBuf>) {
    let backends = &traffic::schemas(gateway, backends);
    let settings = settings::check(gateway, diagnostics);
    let mut plan_backends = backend::check(gateway, backends, diagnostics);
    let mut world = world::World::new(gateway, backends, sources, diagnostics);
    balance::check(&world, &mut plan_backends, diagnostics);
    let access = gate::access(&world, diagnostics);
    gate::named_limits(&world, diagnostics);
    let limits = gate::limits_of_all(&world, diagnostics);
    let auth = auth::providers(gateway, sources, &mut plan_backends, diagnostics);
    traffic::check(&world, &mut plan_backends, diagnostics);
    let fragments = fragment::check_all(&mut world, compositions, diagnostics);
    let mut table = endpoint::Table::default();
    for composition in compositions {
        if let spec::Head::Endpoint { method, path } = &composition.head {
            endpoint::check(&world, composition, (method, path), &mut table, diagnostics);
        }
    }
    expose::check(&world, &mut table, diagnostics);
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
    let files = world.library.into_inner().into_files();
    ((!diagnostics.has_errors()).then_some(plan), files)
}
