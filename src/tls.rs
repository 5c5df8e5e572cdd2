//! TLS as both sides of the gateway need it: certificates and keys as files hold them, what they say, and handshakes.
//!
//! Owns what rustls is told; leaves sockets and time-outs to those who have them. A [`Server`] or [`Client`] never changes:
//! files that changed make another one, and two that were made from the same bytes are equal.
//! Invariant: a private key is never shown, not even by `Debug`, and never used with a certificate that is not its own.

mod certificate;
mod client;
mod failed;
mod identity;
mod server;
mod stream;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{RootCertStore, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

pub use certificate::{Certificate, NoCertificate};
pub use client::{Client, ClientSettings, Speaks};
pub use failed::Failed;
pub use identity::Identity;
pub use server::{Accepted, ClientAuth, Server, ServerSettings};
pub use stream::Stream;

/// The text of a file in PEM (RFC 7468).
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(Arc<str>);

/// The least version that is spoken; the greatest is always 1.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Why files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Mistake {
    /// Which of them.
    pub part: Part,
    /// One line, lower case, without values of the file.
    pub what: String,
    /// What to do.
    pub advice: &'static str,
}

/// The files that TLS is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Certificates of those who are trusted to sign others.
    Ca,
    /// A certificate and those that lead to its root.
    Certificate,
    /// The private key of the certificate.
    Key,
    /// The name that a server's certificate must have.
    ServerName,
}

/// SHA-256 of all that something was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([u8; 32]);

impl Pem {
    /// The text as it was read.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

impl Version {
    fn and_above(self) -> &'static [&'static SupportedProtocolVersion] {
        static ALL: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::Tls12 => &ALL,
            Self::Tls13 => &ALL[..1],
        }
    }
}

impl Mistake {
    fn new(part: Part, what: impl Into<String>, advice: &'static str) -> Self {
        Self {
            part,
            what: what.into(),
            advice,
        }
    }
}

impl Stamp {
    /// Each part with its length, so that nothing moves from one to the next.
    fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// The one provider of cryptography. It is passed everywhere, so that nothing depends on what a process installed.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}

/// The certificates of a file, at least one.
fn certificates(pem: &Pem, part: Part) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.bytes()).collect();
    match read {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(Mistake::new(
            part,
            "there is no certificate in this file",
            "PEM begins with `-----BEGIN CERTIFICATE-----`; `openssl x509 -inform der` makes it of DER",
        )),
        Err(_) => Err(Mistake::new(
            part,
            "the PEM of this file is broken",
            "the file may have been read while it was written: write another one and rename it",
        )),
    }
}

/// Those whom a file says to trust.
fn roots(pem: &Pem) -> Result<RootCertStore, Mistake> {
    let mut store = RootCertStore::empty();
    for root in certificates(pem, Part::Ca)? {
        store.add(root).map_err(|_| {
            let what = "a certificate in this file cannot be a root";
            Mistake::new(Part::Ca, what, "`openssl x509 -text -noout` shows what it is")
        })?;
    }
    Ok(store)
}

/// Those whom the system trusts, and a stamp of them. `SSL_CERT_FILE` and `SSL_CERT_DIR` say where else to look.
fn system_roots() -> Result<(RootCertStore, Stamp), Mistake> {
    let found = rustls_native_certs::load_native_certs().certs;
    let stamp = Stamp::of(found.iter().map(|it| &**it));
    let mut store = RootCertStore::empty();
    let (n_added, _) = store.add_parsable_certificates(found);
    if n_added == 0 {
        let what = "the system has no root certificates";
        let advice = "name those to trust with `ca`, or install the package `ca-certificates`";
        return Err(Mistake::new(Part::Ca, what, advice));
    }
    Ok((store, stamp))
}

#[cfg(test)]
mod tests;
