//! Real processes and real sockets: the demo, `weft serve` with each source of descriptors, reload, drain, and servers that
//! nobody here wrote (etcd, Python's grpcio) where they are installed.

mod e2e {
    pub mod process;

    mod demo;
    mod foreign;
    mod serve;
}
