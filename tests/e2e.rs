//! Real processes and real sockets: the demo, `weft serve` with each source of descriptors, reload, drain, and servers that
//! nobody here wrote (etcd, Redis, Python's grpcio) where they are installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_types,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has failed, as it should"
)]

mod e2e {
    pub mod authority;
    pub mod http2;
    pub mod process;
    pub mod redis_server;

    mod auth;
    mod credentials;
    mod demo;
    mod descriptors;
    mod discovery;
    mod foreign;
    mod limits;
    mod mock;
    mod proxy;
    mod proxy_protocol;
    mod redis_outage;
    mod register;
    mod secure_backends;
    mod secure_issuers;
    mod serve;
    mod shared_auth;
    mod shared_cache;
    mod signed;
    mod tls;
    mod traffic;
}
