//! Right wing: one request, read top to bottom. Fast, and never sees text.
//!
//! [`serve`] is the file to read first. Invariant: nothing here imports `language`; the plan is the only bridge.

pub mod auth;
pub mod backend;
pub mod cache;
pub mod coding;
pub mod execute;
pub mod rate;
pub mod redis;
pub mod select;
pub mod serve;
pub mod snapshot;
pub mod watch;
