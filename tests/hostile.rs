//! Hostile clients on raw sockets against a real gateway: every case is survived, the gateway answers between cases, and in
//! the end nothing is left of them. Time limits are short, so that nothing has to be slept for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types,
    clippy::items_after_statements,
    clippy::large_stack_arrays,
    clippy::too_many_lines,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has failed, as it should; tables of cases are long"
)]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "e2e/process.rs"]
mod process;

#[path = "hostile/gateway.rs"]
mod gateway;
#[path = "hostile/http1.rs"]
mod http1;
#[path = "hostile/http2.rs"]
mod http2;
#[path = "hostile/idle.rs"]
mod idle;
#[path = "hostile/suite.rs"]
mod suite;
#[path = "hostile/vectors.rs"]
mod vectors;
