//! A plan as others read it: the public API, as OpenAPI 3.1, as TypeScript, and what a change of it means.
//!
//! Owns [`Api`], the one model that everything here is rendered from and compared by. Leaves files, terminals and other
//! programs to `cli`. Invariant: equal plans give equal bytes, whatever order their files were read in.

pub mod api;
pub mod diff;
pub mod example;
pub mod openapi;
pub mod typescript;
pub mod yaml;

pub use api::Api;

/// Appends text that is put together: `add(&mut out, format_args!("{name}: {ty}"))`.
fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&std::fmt::format(text));
}
