//! Keys that verify signatures: JWK sets (RFC 7517), PEM, shared secrets.
//!
//! A key says itself for which algorithms it is good, so that a token cannot choose (RFC 8725 §3.1). Invariant: a set holds
//! no two keys that one `kid` names, no key that is meant for encryption, no weak key.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::base64url;

/// The largest set that is read.
const MAX_KEYS: usize = 256;

/// A key that verifies.
#[derive(Clone)]
pub struct Key {
    /// Its name, where it has one.
    pub kid: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// Keys, each of which may have signed a token.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// Who may read the file that keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of ours: may hold shared secrets.
    Local,
    /// What everybody can fetch: a shared secret in it is none.
    Public,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kid,
            algorithms,
            decoding: _,
        } = self;
        f.debug_struct("Key")
            .field("kid", kid)
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}

// === impl Key ===

impl Key {
    /// The public key of a PEM text: `BEGIN PUBLIC KEY`, `BEGIN RSA PUBLIC KEY`. A certificate or a private key is none.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let bytes = pem.trim().as_bytes();
        let rsa = || {
            DecodingKey::from_rsa_pem(bytes)
                .ok()
                .map(|it| (AlgorithmFamily::Rsa.algorithms().to_vec(), it))
        };
        // The curve is told by the length of the point.
        let ec = || {
            let key = DecodingKey::from_ec_pem(bytes).ok()?;
            let algorithm = match key.try_get_as_bytes().ok()?.len() {
                65 => Algorithm::ES256,
                97 => Algorithm::ES384,
                _ => return None,
            };
            Some((vec![algorithm], key))
        };
        let ed = || {
            DecodingKey::from_ed_pem(bytes)
                .ok()
                .map(|it| (vec![Algorithm::EdDSA], it))
        };
        if pem.contains("PRIVATE KEY") {
            return None;
        }
        let (algorithms, key) = rsa().or_else(ec).or_else(ed)?;
        Some(Self {
            kid: None,
            algorithms,
            decoding: key,
        })
    }

    /// A shared secret, good for as much HMAC as it is long (RFC 7518 §3.2: at least as long as the digest).
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        let all = [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];
        let algorithms: Vec<_> = all.iter().filter(|it| secret.len() >= it.1).map(|it| it.0).collect();
        (!algorithms.is_empty()).then(|| Self {
            kid: None,
            algorithms,
            decoding: DecodingKey::from_secret(secret),
        })
    }

    /// One JWK. `None` where it is not one that verifies signatures, or is weak.
    fn from_jwk(value: &Value, source: Source) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        if common
            .public_key_use
            .as_ref()
            .is_some_and(|it| *it != PublicKeyUse::Signature)
        {
            return None;
        }
        if let Some(operations) = &common.key_operations
            && !operations.contains(&KeyOperations::Verify)
            && !operations.contains(&KeyOperations::Sign)
        {
            return None;
        }
        let fit = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                is_sound_rsa(&rsa.n, &rsa.e).then(|| AlgorithmFamily::Rsa.algorithms().to_vec())?
            }
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
                EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
                _ => return None,
            },
            AlgorithmParameters::OctetKey(octets) => {
                if source == Source::Public {
                    return None;
                }
                Self::from_secret(&base64url(&octets.value)?)?.algorithms
            }
            _ => return None,
        };
        // What the key says of itself narrows what its type allows; another algorithm than that makes it unusable.
        let algorithms = match value.get("alg") {
            None => fit,
            Some(alg) => {
                let named = Algorithm::from_str(alg.as_str()?).ok()?;
                fit.into_iter().filter(|it| *it == named).collect()
            }
        };
        (!algorithms.is_empty()).then_some(())?;
        Some(Self {
            kid: common.key_id.clone(),
            algorithms,
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    /// Whether it may have signed with this algorithm.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature` (base64url) is this key's over `message`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        self.fits(algorithm)
            && base64url(signature).is_some()
            && jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm).unwrap_or(false)
    }

    /// SHA-256 of the key, whatever it was written as.
    fn digest(&self) -> [u8; 32] {
        match self.decoding.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => Sha256::digest(bytes).into(),
            // As PEM has it (RFC 8017 §A.1.1).
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let integers = [integer(n), integer(e)].concat();
                Sha256::digest(der(0x30, &integers)).into()
            }
        }
    }

    /// Whether it is a shared secret.
    pub fn is_secret(&self) -> bool {
        self.decoding.family() == AlgorithmFamily::Hmac
    }
}

// === impl KeySet ===

impl KeySet {
    /// One key.
    pub fn of(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// A JWK set, or one JWK. Keys of other uses and kinds are passed over; so are those that share a `kid`. The error is
    /// one sentence.
    pub fn from_json(text: &[u8], source: Source) -> Result<Self, &'static str> {
        let value: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON")?;
        let one = [value.clone()];
        let listed = match value.get("keys") {
            Some(keys) => keys.as_array().ok_or("its `keys` are no list")?.as_slice(),
            None => &one,
        };
        if listed.len() > MAX_KEYS {
            return Err("it has more keys than any issuer needs");
        }
        let mut keys: Vec<Key> = listed.iter().filter_map(|it| Key::from_jwk(it, source)).collect();
        let kid = |it: &Value| it.get("kid").and_then(Value::as_str).map(str::to_owned);
        let kids: Vec<_> = listed.iter().filter_map(kid).collect();
        keys.retain(|it| kids.iter().filter(|kid| Some(*kid) == it.kid.as_ref()).count() < 2);
        let has_secret = listed.iter().any(|it| it.get("kty").is_some_and(|it| it == "oct"));
        if has_secret && keys.iter().any(|it| !it.is_secret()) {
            return Err("it mixes shared secrets with public keys");
        }
        if keys.is_empty() {
            return Err("it has no key that verifies signatures");
        }
        Ok(Self { keys })
    }

    /// The keys that may have signed a token with this `kid` and algorithm: those of the name, or those without a name.
    pub fn candidates<'k>(&'k self, kid: Option<&'k str>, algorithm: Algorithm) -> impl Iterator<Item = &'k Key> {
        let fits =
            move |it: &&Key| it.fits(algorithm) && (kid.is_none() || it.kid.is_none() || it.kid.as_deref() == kid);
        // A token without a name may be tried with several keys, but not with any number.
        self.keys.iter().filter(fits).take(8)
    }

    /// SHA-256 of each key, to compare sets and show none.
    pub fn digests(&self) -> BTreeSet<[u8; 32]> {
        self.keys.iter().map(Key::digest).collect()
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// A positive INTEGER of DER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|it| *it == 0).collect();
    if digits.first().is_none_or(|it| it & 0x80 != 0) {
        digits.insert(0, 0);
    }
    der(0x02, &digits)
}

/// A tag, a length and a content, in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = content
        .len()
        .to_be_bytes()
        .into_iter()
        .skip_while(|it| *it == 0)
        .collect();
    let mut out = vec![tag];
    match digits.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        // A length has eight digits at most.
        _ => {
            out.push(0x80 + u8::try_from(digits.len()).unwrap_or_default());
            out.extend(&digits);
        }
    }
    out.extend(content);
    out
}

/// At least 2048 bits, an exponent that is odd and more than 1, and not made by the flawed generator of CVE-2017-15361.
fn is_sound_rsa(modulus: &str, exponent: &str) -> bool {
    let (Some(modulus), Some(exponent)) = (base64url(modulus), base64url(exponent)) else {
        return false;
    };
    let strip = |bytes: &[u8]| bytes.iter().skip_while(|it| **it == 0).copied().collect::<Vec<u8>>();
    let (modulus, exponent) = (strip(&modulus), strip(&exponent));
    let bits = modulus
        .first()
        .map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|it| it % 2 == 1);
    bits >= 2048 && is_odd(&modulus) && exponent != [1] && is_odd(&exponent) && !is_roca(&modulus)
}

/// Moduli of that generator are powers of 65537 modulo small primes (Nemec et al., "The Return of Coppersmith's Attack", 2017).
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.iter().all(|prime| {
        let rest = modulus
            .iter()
            .fold(0_u32, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let generator = 65_537 % prime;
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * generator % prime;
            power == rest
        })
    })
}
