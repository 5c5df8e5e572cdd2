//! HTTP Message Signatures (RFC 9421): whether somebody whom we know has signed a request, and enough of it.
//!
//! What a signature says of itself chooses among the keys that are configured and nothing else: the algorithm is the key's.
//! Invariant: a request is known to be somebody's only where every component that the rules demand is covered by a signature
//! with that key, and its time is not over.

mod base;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use jsonwebtoken::Algorithm;
use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, ListEntry, Parser};
use sha2::{Digest as _, Sha256};

use self::base::Component;
pub(super) use self::base::field;
pub use self::base::{Form, Message, Origin, What};
use super::digest::{CONTENT_DIGEST, Digests};
use super::jwk::Key;
use super::{Claims, Why};
use crate::codec::hexadecimal;

/// The header that holds the signatures.
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// The header that says what they cover.
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
/// The header that says what would be accepted (§5.1).
pub const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");

/// The most signatures of one request that are looked at.
const MAX_SIGNATURES: usize = 8;

/// The algorithms by their names (§6.2.2), as those that do the same for tokens.
const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("ecdsa-p256-sha256", Algorithm::ES256),
    ("ecdsa-p384-sha384", Algorithm::ES384),
    ("ed25519", Algorithm::EdDSA),
    ("hmac-sha256", Algorithm::HS256),
    ("rsa-pss-sha512", Algorithm::PS512),
    ("rsa-v1_5-sha256", Algorithm::RS256),
];

/// What is demanded of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What it has to cover; `content-digest` only where there is a body.
    pub components: Vec<What>,
    /// How long after `created` it is accepted, seconds.
    pub max_age: i64,
    /// How much clocks may differ, seconds.
    pub leeway: i64,
    /// What its `tag` must be; signatures with another one are meant for somebody else.
    pub tag: Option<Arc<str>>,
    /// It must have a `nonce`.
    pub nonce: bool,
    /// Scheme and authority as clients know them; `None` where they are those of the request.
    pub origin: Option<Origin>,
}

/// Everybody who may sign, by `keyid`.
#[derive(Clone, Debug, Default)]
pub struct Signers(HashMap<String, Signer>);

/// Somebody who may sign.
#[derive(Clone, Debug)]
pub struct Signer {
    /// What it signs with.
    pub algorithm: Named,
    /// What verifies that.
    pub key: Key,
    /// What is known of it.
    pub claims: Claims,
    /// The second since 1970 from which on the key is not accepted.
    pub expires: Option<i64>,
}

/// An algorithm of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(&'static str, Algorithm);

/// A request that somebody has signed.
#[derive(Debug)]
pub struct Signed {
    /// What is known of them.
    pub claims: Claims,
    /// What the body must have as its digests, where they are covered.
    pub digests: Option<Digests>,
    /// What must not come again, where it has a `nonce`.
    pub nonce: Option<Nonce>,
}

/// Stands for a nonce and the key that it was used with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

/// The parameters of a signature that we know (§2.3).
#[derive(Default)]
struct Params<'p> {
    alg: Option<&'p str>,
    created: Option<i64>,
    expires: Option<i64>,
    keyid: Option<&'p str>,
    nonce: Option<&'p str>,
    tag: Option<&'p str>,
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}

// === impl Named ===

impl Named {
    /// An algorithm by its name.
    pub fn parse(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|it| it.0 == name).map(|it| Self(it.0, it.1))
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALGORITHMS.iter().map(|it| it.0)
    }

    /// As the registry has it.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// What tokens call it.
    pub fn of_tokens(self) -> Algorithm {
        self.1
    }
}

// === impl Signers ===

impl Signers {
    /// Adds one.
    pub fn add(&mut self, keyid: String, signer: Signer) {
        self.0.insert(keyid, signer);
    }

    /// What is known of each of them.
    pub fn claims(&self) -> impl Iterator<Item = &Claims> {
        self.0.values().map(|it| &it.claims)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody may sign.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// === impl Rules ===

impl Rules {
    /// What covers a request as far as anybody needs: what is asked, of whom, and with what body.
    pub fn usual_components() -> Vec<What> {
        let names = ["@method", "@authority", "@path", "@query", "content-digest"];
        names.into_iter().filter_map(What::parse).collect()
    }

    /// What of a request may be changed on the way, as nobody has to sign it.
    pub fn left_out(&self) -> Vec<String> {
        let demanded: Vec<_> = self.components.iter().cloned().map(Component::of).collect();
        let mut usual = Self::usual_components();
        usual.retain(|it| !it.is_covered(&demanded));
        usual.iter().map(|it| it.name().to_owned()).collect()
    }

    /// Who has signed a request. `None` where no signature is there that is meant for us. Of several refusals the most telling
    /// is given. `now` is in seconds since 1970.
    pub fn verify(
        &self,
        signers: &Signers,
        message: &Message<'_>,
        has_body: bool,
        now: i64,
    ) -> Option<Result<Signed, Why>> {
        let headers = message.headers;
        if !headers.contains_key(SIGNATURE_INPUT) && !headers.contains_key(SIGNATURE) {
            return None;
        }
        let dictionary = |name| {
            let text = field(headers, name)?.ok_or(Why::Malformed)?;
            Parser::new(&text).parse::<Dictionary>().map_err(|_| Why::Malformed)
        };
        let (inputs, signatures) = match (dictionary(&SIGNATURE_INPUT), dictionary(&SIGNATURE)) {
            (Ok(inputs), Ok(signatures)) => (inputs, signatures),
            (Err(why), _) | (_, Err(why)) => return Some(Err(why)),
        };
        let mut refused = None;
        let mut n_seen = 0;
        for (label, input) in &inputs {
            let signature = match signatures.get(label) {
                Some(ListEntry::Item(Item {
                    bare_item: BareItem::ByteSequence(bytes),
                    ..
                })) => Some(bytes.as_slice()),
                _ => None,
            };
            let result = match (input, signature) {
                (ListEntry::InnerList(covered), Some(signature)) => match Params::read(covered) {
                    Ok(params) if self.tag.is_some() && params.tag != self.tag.as_deref() => continue,
                    Ok(params) => {
                        n_seen += 1;
                        if n_seen > MAX_SIGNATURES {
                            break;
                        }
                        self.verify_one((covered, &params, signature), signers, message, (has_body, now))
                    }
                    Err(why) => Err(why),
                },
                _ => Err(Why::Malformed),
            };
            match result {
                Ok(signed) => return Some(Ok(signed)),
                // That a key is not known is only told where none is.
                Err(why) => refused = Some(refused.filter(|it| *it != Why::UnknownKey).unwrap_or(why)),
            }
        }
        refused.map(Err)
    }

    fn verify_one(
        &self,
        (covered, params, signature): (&InnerList, &Params<'_>, &[u8]),
        signers: &Signers,
        message: &Message<'_>,
        (has_body, now): (bool, i64),
    ) -> Result<Signed, Why> {
        let keyid = params.keyid.ok_or(Why::UnknownKey)?;
        let signer = signers.0.get(keyid).ok_or(Why::UnknownKey)?;
        if params.alg.is_some_and(|it| it != signer.algorithm.0) {
            return Err(Why::Algorithm);
        }
        if signer.expires.is_some_and(|it| now >= it) {
            return Err(Why::Expired);
        }
        let components = Component::read_all(covered)?;
        self.check_times(params, now)?;
        let is_demanded = |it: &&What| has_body || !is_digest(it);
        let mut demanded = self.components.iter().filter(is_demanded);
        if !demanded.all(|it| it.is_covered(&components)) || (self.nonce && params.nonce.is_none()) {
            return Err(Why::Uncovered);
        }
        let base = base::base(&components, covered, message)?;
        let signature = base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature);
        if !signer.key.verifies(signer.algorithm.1, base.as_bytes(), &signature) {
            return Err(Why::Signature);
        }
        let covers_digest = components
            .iter()
            .any(|it| matches!(&it.what, What::Field(name, _) if *name == CONTENT_DIGEST));
        Ok(Signed {
            claims: signer.claims.clone(),
            digests: covers_digest.then(|| Digests::read(message.headers)).transpose()?,
            nonce: params.nonce.map(|it| Nonce::new(keyid, it)),
        })
    }

    fn check_times(&self, params: &Params<'_>, now: i64) -> Result<(), Why> {
        // Without it, nobody knows when it was made.
        let created = params.created.ok_or(Why::Uncovered)?;
        if created > now.saturating_add(self.leeway) {
            return Err(Why::Future);
        }
        let oldest = now.saturating_sub(self.max_age).saturating_sub(self.leeway);
        let is_over = params.expires.is_some_and(|it| now >= it.saturating_add(self.leeway));
        if created < oldest || is_over {
            return Err(Why::Expired);
        }
        Ok(())
    }

    /// How long a nonce has to be remembered, seconds: as long as what it was signed with may be accepted.
    pub fn nonces_last(&self) -> i64 {
        self.max_age.saturating_add(self.leeway.saturating_mul(2))
    }

    /// The value of `Accept-Signature` (§5.1): what a signature has to have.
    pub fn wanted(&self, has_body: bool) -> Option<String> {
        let mut covered = InnerList::default();
        for what in self.components.iter().filter(|it| has_body || !is_digest(it)) {
            covered.items.push(Item::new(text(what.name())?));
        }
        let key = |name: &str| sfv::Key::from_string(name.to_owned()).ok();
        covered.params.insert(key("created")?, BareItem::Boolean(true));
        if let Some(tag) = &self.tag {
            covered.params.insert(key("tag")?, text(tag)?.into());
        }
        let mut all = Dictionary::new();
        all.insert(key("sig1")?, ListEntry::InnerList(covered));
        all.serialize()
    }
}

fn text(text: &str) -> Option<sfv::String> {
    sfv::String::from_string(text.to_owned()).ok()
}

fn is_digest(what: &What) -> bool {
    matches!(what, What::Field(name, _) if *name == CONTENT_DIGEST)
}

// === impl Params ===

impl<'p> Params<'p> {
    fn read(covered: &'p InnerList) -> Result<Self, Why> {
        let mut params = Self::default();
        for (key, value) in &covered.params {
            match (key.as_str(), value) {
                ("alg", BareItem::String(it)) => params.alg = Some(it.as_str()),
                ("created", BareItem::Integer(it)) => params.created = Some((*it).into()),
                ("expires", BareItem::Integer(it)) => params.expires = Some((*it).into()),
                ("keyid", BareItem::String(it)) => params.keyid = Some(it.as_str()),
                ("nonce", BareItem::String(it)) => params.nonce = Some(it.as_str()),
                ("tag", BareItem::String(it)) => params.tag = Some(it.as_str()),
                ("alg" | "created" | "expires" | "keyid" | "nonce" | "tag", _) => return Err(Why::Malformed),
                // What else is there is signed, and says nothing to us (§2.3).
                _ => {}
            }
        }
        Ok(params)
    }
}

// === impl Nonce ===

impl Nonce {
    /// Of a key.
    pub fn new(keyid: &str, nonce: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(u64::try_from(keyid.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(keyid.as_bytes());
        hasher.update(nonce.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize()[..16]);
        Self(short)
    }

    /// In hexadecimal.
    pub fn hex(self) -> String {
        hexadecimal(&self.0)
    }
}

/// The text that a client signs, and `Signature-Input` for it: `covered` is as it stands there, `("@method");created=1`.
pub fn to_sign(covered: &str, message: &Message<'_>) -> Result<String, Why> {
    let list = format!("sig={covered}");
    let read: Dictionary = Parser::new(&list).parse().map_err(|_| Why::Malformed)?;
    let Some(ListEntry::InnerList(covered)) = read.get("sig") else {
        return Err(Why::Malformed);
    };
    base::base(&Component::read_all(covered)?, covered, message)
}

/// The authority of a request: of its target, or what `Host` says.
pub fn authority<'r>(uri: &'r http::Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    uri.authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| headers.get(http::header::HOST)?.to_str().ok())
}

#[cfg(test)]
mod tests;
