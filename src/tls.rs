//! TLS as both sides of the gateway need it: certificates and keys as files hold them, and what they say.
//!
//! Leaves sockets to those who have them. Invariant: a private key is never shown, not even by `Debug`.

mod certificate;

pub use certificate::{Certificate, NoCertificate};
