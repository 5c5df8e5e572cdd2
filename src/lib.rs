//! Weft is an API composition gateway: one composition file maps one public REST endpoint to concurrent gRPC and HTTP
//! calls, merged into one JSON response.
//!
//! Reading order: `schema` (what the backends offer), `codec` (bytes of one format to bytes of the other), `auth`
//! (who asks), `expr` (what an
//! expression means), `plan` (what will run), `publish` (a plan as others read it), `language` (what was written → plan),
//! `runtime` (one request), `gateway` (joins the two), `admin`, `trial`, `cli`.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that panics has failed, as it should"
    )
)]

pub mod admin;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod codec;
pub mod explain;
pub mod expr;
pub mod gateway;
pub mod language;
pub mod plan;
pub mod publish;
pub mod runtime;
pub mod schema;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod trial;
