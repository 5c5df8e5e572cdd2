//! API keys: random text that a client sends along; what is kept of one is its SHA-256.
//!
//! The keys have 256 random bits, so that a fast digest is enough: nothing can be guessed from it.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Claims, Why};
use crate::codec::hexadecimal;

/// What a hash is written with.
const PREFIX: &str = "sha256:";

/// The longest key that is looked at, bytes.
const MAX_LENGTH: usize = 1 << 10;

/// The SHA-256 of a key.
pub type Hash = [u8; 32];

/// Everybody who has a key.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    by_hash: HashMap<Hash, Arc<Holder>>,
}

/// Somebody who has a key.
#[derive(Debug)]
pub struct Holder {
    /// What is known of them.
    pub claims: Claims,
    /// The second since 1970 from which on the key is not accepted.
    pub expires: Option<i64>,
    hash: Hash,
}

impl Holders {
    /// Adds one; false where another has the same key.
    pub fn add(&mut self, hash: Hash, claims: Claims, expires: Option<i64>) -> bool {
        let holder = Arc::new(Holder { claims, expires, hash });
        self.by_hash.insert(hash, holder).is_none()
    }

    /// What is known of each of them.
    pub fn claims(&self) -> impl Iterator<Item = &Claims> {
        self.by_hash.values().map(|it| &it.claims)
    }

    /// Whether nobody has one.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Who has a key.
    pub fn find(&self, key: &str, now: i64) -> Result<&Arc<Holder>, Why> {
        if key.len() > MAX_LENGTH {
            return Err(Why::TooLong);
        }
        let hash = hash(key);
        let holder = self.by_hash.get(&hash).ok_or(Why::Unknown)?;
        if !bool::from(holder.hash.ct_eq(&hash)) {
            return Err(Why::Unknown);
        }
        match holder.expires {
            Some(expires) if now >= expires => Err(Why::Expired),
            _ => Ok(holder),
        }
    }
}

/// The hash of a key.
pub fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// A hash as it is written: `sha256:` and 64 hexadecimal digits.
pub fn written(hash: &Hash) -> String {
    format!("{PREFIX}{}", hexadecimal(hash))
}

/// Reads what [`written`] writes.
pub fn read(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix(PREFIX)?.as_bytes();
    let mut hash = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::hash as hash_of;
    use super::*;

    #[test]
    fn a_key_is_found_by_nothing_but_itself() {
        let claims = Claims::read(bytes::Bytes::from_static(b"{}")).unwrap();
        let mut holders = Holders::default();
        let hash = read(&written(&hash_of("k1"))).unwrap();
        assert!(holders.add(hash, claims.clone(), Some(100)));
        assert!(!holders.add(hash, claims, None) || holders.by_hash.len() == 1);
        assert!(holders.find("k1", 99).is_ok());
        assert_eq!(holders.find("k2", 99).unwrap_err(), Why::Unknown);
        assert_eq!(holders.find(&written(&hash), 99).unwrap_err(), Why::Unknown);
        assert_eq!(holders.find(&"k".repeat(2000), 99).unwrap_err(), Why::TooLong);
        for wrong in ["", "sha256:", "sha256:zz", "md5:00"] {
            assert!(read(wrong).is_none());
        }
    }
}
