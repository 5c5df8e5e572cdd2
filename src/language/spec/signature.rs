//! `signature:` of a provider, as written, and its file of keys.

use std::time::Duration;

use super::Name;
use super::auth::File;
use super::keys::{Place, SIGNATURES};
use super::reader::{Reader, Zero};
use crate::language::source::{Node, NodeKind, Span, Spanned};

/// `signature:`.
#[derive(Clone, Debug)]
pub struct Signature {
    /// `keys:`.
    pub keys: File,
    /// What stands in that file.
    pub signers: Vec<Signer>,
    /// `components:`; `None` where it was not written.
    pub components: Option<Vec<Name>>,
    /// `max_age:`.
    pub max_age: Option<Spanned<Duration>>,
    /// `leeway:`.
    pub leeway: Option<Spanned<Duration>>,
    /// `tag:`.
    pub tag: Option<Name>,
    /// `nonce: required`.
    pub nonce: bool,
    /// `origin:`.
    pub origin: Option<Name>,
}

/// An entry of the file of keys of `signature:`.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The `keyid`.
    pub name: Name,
    /// `algorithm:`.
    pub algorithm: Spanned<&'static str>,
    /// `secret:`.
    pub secret: Option<Name>,
    /// `key:`: PEM, or a JWK as JSON.
    pub key: Option<Name>,
    /// `claims:`, a map.
    pub claims: Option<Node>,
    /// `expires:`.
    pub expires: Option<Name>,
}

impl Reader<'_> {
    pub(super) fn signature(&mut self, node: &Node, span: Span) -> Option<Signature> {
        let mut fields = self.fields("signature", node, Place::Signature)?;
        let keys = self
            .required(&mut fields, "keys", span)
            .and_then(|node| self.named_file("keys", node));
        let components = fields
            .take("components")
            .map(|(_, node)| self.texts("components", node));
        let mut duration = |reader: &mut Self, key: &str, zero| {
            let (_, node) = fields.take(key)?;
            reader.duration(key, node, zero)
        };
        let max_age = duration(self, "max_age", Zero::Refuse);
        let leeway = duration(self, "leeway", Zero::Allow);
        let tag = fields.take("tag").and_then(|(_, node)| self.text("tag", node));
        let nonce = fields.take("nonce").and_then(|(_, node)| {
            let choices = [("optional", false), ("required", true)];
            self.choice("nonce", node, &choices)
        });
        let origin = fields.take("origin").and_then(|(_, node)| self.text("origin", node));
        fields.finish();
        Some(Signature {
            keys: keys?,
            signers: Vec::new(),
            components,
            max_age,
            leeway,
            tag,
            nonce: nonce.is_some_and(|it| it.value),
            origin,
        })
    }

    /// The file of keys of `signature:`.
    pub(super) fn signers(&mut self, node: &Node) -> Vec<Signer> {
        let members = self.map("keys", node).unwrap_or_default();
        let mut signers = Vec::new();
        for (name, node) in members {
            signers.extend(self.signer(name, node));
        }
        signers
    }

    fn signer(&mut self, name: &Name, node: &Node) -> Option<Signer> {
        let mut fields = self.fields(&name.value, node, Place::Signer)?;
        let choices: Vec<_> = SIGNATURES.iter().map(|it| (*it, *it)).collect();
        let algorithm = self
            .required(&mut fields, "algorithm", name.span)
            .and_then(|node| self.choice("algorithm", node, &choices));
        let secret = fields.take("secret").and_then(|(_, node)| self.text("secret", node));
        let key = fields.take("key").and_then(|(_, node)| match &node.kind {
            NodeKind::Map(_) => {
                let mut json = Vec::new();
                node.write_json(&mut json);
                Some(Spanned::new(String::from_utf8(json).ok()?.into(), node.span))
            }
            _ => self.text("key", node),
        });
        let claims = fields.take("claims").and_then(|(_, node)| {
            self.map("claims", node)?;
            Some(node.clone())
        });
        let expires = fields.take("expires").and_then(|(_, node)| self.text("expires", node));
        fields.finish();
        Some(Signer {
            name: name.clone(),
            algorithm: algorithm?,
            secret,
            key,
            claims,
            expires,
        })
    }
}
