//! `auth:` of a backend, as written: what the gateway shows there to say who it is.

use std::time::Duration;

use super::Name;
use super::keys::Place;
use super::reader::{Reader, Zero};
use super::tls::BackendTls;
use crate::language::source::{Node, Span, Spanned};

/// `client_credentials:`.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// `token_url:`.
    pub token_url: Name,
    /// `client_id:`.
    pub client_id: Name,
    /// `client_secret:`.
    pub client_secret: Name,
    /// `client_auth: client_secret_post`: who asks is said in the body.
    pub in_body: bool,
    /// `scopes:`, in written order.
    pub scopes: Vec<Name>,
    /// `audience:`.
    pub audience: Option<Name>,
    /// `params:`, names and values (expanded).
    pub params: Vec<(Name, Name)>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `tls:`.
    pub tls: Option<BackendTls>,
    /// The key `auth`.
    pub span: Span,
}

impl Reader<'_> {
    pub(super) fn backend_auth(&mut self, key: &Name, node: &Node) -> Option<ClientCredentials> {
        let mut fields = self.fields("auth", node, Place::BackendAuth)?;
        let credentials = self.required(&mut fields, "client_credentials", node.span);
        fields.finish();
        self.client_credentials(key.span, credentials?)
    }

    fn client_credentials(&mut self, span: Span, node: &Node) -> Option<ClientCredentials> {
        let mut fields = self.fields("client_credentials", node, Place::ClientCredentials)?;
        let mut text = |key: &str| {
            let node = self.required(&mut fields, key, node.span)?;
            self.text(key, node)
        };
        let (token_url, client_id, client_secret) = (text("token_url"), text("client_id"), text("client_secret"));
        let client_auth = fields.take("client_auth").and_then(|(_, node)| {
            let choices = [("client_secret_basic", false), ("client_secret_post", true)];
            self.choice("client_auth", node, &choices)
        });
        let scopes = fields.take("scopes").map(|(_, node)| self.texts("scopes", node));
        let audience = fields
            .take("audience")
            .and_then(|(_, node)| self.text("audience", node));
        let params = fields.take("params").and_then(|(_, node)| self.map("params", node));
        let mut read = Vec::new();
        for (name, value) in params.unwrap_or_default() {
            if OURS.contains(&&*name.value) {
                let title = format!("`{}` is no parameter of one's own", name.value);
                self.error("misplaced-key", name.span, title);
                continue;
            }
            let value = self.text(&name.value, value);
            read.extend(value.map(|value| (name.clone(), value)));
        }
        let timeout = fields
            .take("timeout")
            .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse));
        let tls = self.issuer_tls(&mut fields, token_url.as_ref());
        fields.finish();
        Some(ClientCredentials {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            in_body: client_auth.is_some_and(|it| it.value),
            scopes: scopes.unwrap_or_default(),
            audience,
            params: read,
            timeout,
            tls,
            span,
        })
    }
}

/// Parameters of a request for a token that have keys of their own, or are not to be chosen (RFC 6749 §4.4.2).
const OURS: [&str; 5] = ["audience", "client_id", "client_secret", "grant_type", "scope"];
