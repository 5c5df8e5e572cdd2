//! JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, as RFC 8725 advises.
//!
//! Nothing in a token's header decides anything but which of the configured keys is tried: `jwk`, `jku`, `x5u`, `x5c` are not
//! looked at. Invariant: claims come out only of a token whose signature was verified with a key and an algorithm that are
//! configured.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use jsonwebtoken::Algorithm;

use super::jwk::KeySet;
use super::{Claims, Why, base64url, has_doubled};
use crate::codec::json;

/// The longest token that is looked at, bytes.
pub const MAX_LENGTH: usize = 16 << 10;

/// What is demanded of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The algorithms that it may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Who must have issued it; `None` where the keys are proof enough.
    pub issuer: Option<Arc<str>>,
    /// Of which one must be its audience; empty for any.
    pub audiences: Vec<Arc<str>>,
    /// How much clocks may differ, seconds.
    pub leeway: i64,
    /// `typ`, in lower case and without `application/`, that it must have; `None` for `JWT`, `at+jwt` or none.
    pub kind: Option<Arc<str>>,
}

/// A token taken apart, nothing of it verified.
#[derive(Debug)]
pub struct Token<'t> {
    algorithm: Algorithm,
    kid: Option<String>,
    kind: Option<String>,
    signed: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Token<'t> {
    /// Takes a token apart. Refuses unsecured tokens, and headers that demand what we do not do.
    pub fn parse(text: &'t str) -> Result<Self, Why> {
        if text.len() > MAX_LENGTH {
            return Err(Why::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Why::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Why::Malformed)?;
        if payload.contains('.') {
            return Err(Why::Malformed);
        }
        let header = base64url(header).ok_or(Why::Malformed)?;
        let header = json::trim(&header);
        if json::validate(header).is_err() || json::kind(header) != json::Kind::Object || has_doubled(header) {
            return Err(Why::Malformed);
        }
        // RFC 7797's `b64` is an extension that has to stand in `crit`; without it, it is a trap.
        if ["crit", "b64", "zip"]
            .iter()
            .any(|it| json::member(header, it).is_some())
        {
            return Err(Why::Critical);
        }
        let text = |name: &str| match json::member(header, name) {
            None => Ok(None),
            Some(found) if json::kind(found) == json::Kind::String => json::string(found)
                .map(|it| Some(it.into_owned()))
                .ok_or(Why::Malformed),
            Some(_) => Err(Why::Malformed),
        };
        let algorithm = text("alg")?.ok_or(Why::Malformed)?;
        Ok(Self {
            algorithm: Algorithm::from_str(&algorithm).map_err(|_| Why::Algorithm)?,
            kid: text("kid")?,
            kind: text("typ")?,
            signed,
            payload,
            signature,
        })
    }

    /// What it says that it was signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key that it says it was signed with.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether a set has a key that may have signed it.
    pub fn has_key(&self, keys: &KeySet) -> bool {
        keys.candidates(self.kid(), self.algorithm).next().is_some()
    }

    /// The payload, once one of the keys is found to have signed it with one of the algorithms.
    pub fn verified(&self, keys: &KeySet, algorithms: &[Algorithm]) -> Result<Vec<u8>, Why> {
        if !algorithms.contains(&self.algorithm) {
            return Err(Why::Algorithm);
        }
        if !self.has_key(keys) {
            return Err(Why::UnknownKey);
        }
        let mut candidates = keys.candidates(self.kid(), self.algorithm);
        if !candidates.any(|it| it.verifies(self.algorithm, self.signed.as_bytes(), self.signature)) {
            return Err(Why::Signature);
        }
        base64url(self.payload).ok_or(Why::Malformed)
    }

    /// Its claims, where all is as demanded. `now` is in seconds since 1970. Gives the second in which it ends, too.
    pub fn claims(&self, keys: &KeySet, rules: &Rules, now: i64) -> Result<(Claims, i64), Why> {
        // What costs little comes first, as far as it tells nobody anything.
        if !rules.algorithms.contains(&self.algorithm) {
            return Err(Why::Algorithm);
        }
        let kind = self.kind.as_deref().map(str::to_ascii_lowercase);
        let kind = kind.as_deref().map(|it| it.strip_prefix("application/").unwrap_or(it));
        let is_wanted = match (&rules.kind, kind) {
            (None, None | Some("jwt" | "at+jwt")) => true,
            (Some(wanted), Some(kind)) => **wanted == *kind,
            _ => false,
        };
        if !is_wanted {
            return Err(Why::Type);
        }
        let claims = Claims::read(Bytes::from(self.verified(keys, &rules.algorithms)?))?;
        let ends = check(&claims, rules, now)?;
        Ok((claims, ends))
    }
}

/// The registered claims (RFC 7519 §4.1). Gives the second in which they end, leeway included.
fn check(claims: &Claims, rules: &Rules, now: i64) -> Result<i64, Why> {
    let expires = claims.date("exp")?.ok_or(Why::Claims)?.saturating_add(rules.leeway);
    if now >= expires {
        return Err(Why::Expired);
    }
    let latest = now.saturating_add(rules.leeway);
    if claims.date("nbf")?.is_some_and(|it| it > latest) {
        return Err(Why::NotYet);
    }
    if claims.date("iat")?.is_some_and(|it| it > latest) {
        return Err(Why::Future);
    }
    if let Some(issuer) = &rules.issuer
        && claims.string("iss").as_deref() != Some(issuer)
    {
        return Err(Why::Issuer);
    }
    if !rules.audiences.is_empty() {
        let named = match claims.at(&["aud"]) {
            Some(one) if json::kind(one) == json::Kind::String => claims.string("aud").into_iter().collect(),
            Some(_) => claims.words(&["aud"]),
            None => Vec::new(),
        };
        if !named
            .iter()
            .any(|it| rules.audiences.iter().any(|wanted| **wanted == **it))
        {
            return Err(Why::Audience);
        }
    }
    Ok(expires)
}
