//! A certificate with its key.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::{Certificate, Mistake, Part, Pem, Stamp, certificates, provider};

/// A certificate, those that lead to its root, and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) stamp: Stamp,
    /// The file of the certificate, as it was named.
    pub file: Arc<str>,
    /// What the certificate says.
    pub certificate: Certificate,
}

impl Identity {
    /// Reads a certificate with its chain, and its key. Fails where they do not belong together. `file` is the certificate's.
    pub fn read(file: &Arc<str>, certificate: &Pem, key: &Pem) -> Result<Self, Mistake> {
        let chain = certificates(certificate, Part::Certificate)?;
        let facts = chain.first().and_then(|it| Certificate::of(it).ok()).ok_or_else(|| {
            let what = "the first certificate in this file cannot be read";
            Mistake::new(Part::Certificate, what, "`openssl x509 -text -noout` shows what it is")
        })?;
        let read_key = private_key(key)?;
        let made = CertifiedKey::from_der(chain.clone(), read_key.clone_key(), &provider());
        let key_pair = made.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => mismatch(&chain, &read_key),
            _ => Mistake::new(
                Part::Key,
                "keys of the kind in this file cannot be used",
                "take RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519",
            ),
        })?;
        Ok(Self {
            key: Arc::new(key_pair),
            file: file.clone(),
            stamp: Stamp::of([certificate.bytes(), key.bytes()]),
            certificate: facts,
        })
    }
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, Mistake> {
    PrivateKeyDer::from_pem_slice(pem.bytes()).map_err(|_| {
        if pem.0.contains("ENCRYPTED") {
            let advice = "`openssl pkey -in KEY -out PLAIN` takes the password away";
            return Mistake::new(Part::Key, "the key in this file is encrypted", advice);
        }
        let advice = "PEM begins with `-----BEGIN PRIVATE KEY-----`";
        Mistake::new(Part::Key, "there is no private key in this file", advice)
    })
}

/// A chain in another order is the usual slip.
fn mismatch(chain: &[rustls::pki_types::CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Mistake {
    let is_of = |it: &rustls::pki_types::CertificateDer<'static>| {
        CertifiedKey::from_der(vec![it.clone()], key.clone_key(), &provider()).is_ok()
    };
    if chain.iter().skip(1).any(is_of) {
        return Mistake::new(
            Part::Certificate,
            "the certificate of the key is not the first in this file",
            "the certificate itself comes first, then each certificate that signed the one before",
        );
    }
    Mistake::new(
        Part::Key,
        "the key in this file is not that of the certificate",
        "both come from one request for a certificate; while one is replaced, the old pair goes on being used",
    )
}
