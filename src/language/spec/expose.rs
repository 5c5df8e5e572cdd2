//! `expose:` of weft.yaml as written: services, and what each endpoint that comes of them says beside.

use std::time::Duration;

use super::auth::Auth;
use super::gate::LimitEntry;
use super::keys::Place;
use super::reader::{Reader, Zero};
use super::{Condition, Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Spanned};

/// `expose:`.
#[derive(Clone, Debug, Default)]
pub struct Expose {
    /// Services.
    pub services: Vec<Name>,
    /// Headers of the request that are forwarded.
    pub headers: Vec<Name>,
    /// `auth:`, for all endpoints that come of it.
    pub auth: Option<Auth>,
    /// `roles:`, and where it stands.
    pub roles: Option<Spanned<Vec<Name>>>,
    /// `scopes:`, and where it stands.
    pub scopes: Option<Spanned<Vec<Name>>>,
    /// `allow:`.
    pub allow: Option<Condition>,
    /// `rate_limit:`, of each endpoint.
    pub rate_limit: Vec<LimitEntry>,
    /// `timeout:`, of each endpoint.
    pub timeout: Option<Spanned<Duration>>,
}

impl Reader<'_> {
    pub(super) fn expose(&mut self, node: &Node) -> Option<Expose> {
        if let NodeKind::List(_) = node.kind {
            return Some(Expose {
                services: self.services("expose", node),
                ..Expose::default()
            });
        }
        let mut fields = self.fields("expose", node, Place::Expose)?;
        let services = self
            .required(&mut fields, "services", node.span)
            .map(|node| self.services("services", node))
            .unwrap_or_default();
        let headers = fields
            .take("headers")
            .map(|(_, node)| self.texts("headers", node))
            .unwrap_or_default();
        let headers = headers.iter().filter_map(|it| self.forwarded(it)).collect();
        let auth = fields.take("auth").and_then(|(_, node)| self.auth(node));
        let roles = fields.take("roles").map(|(_, node)| self.demanded("roles", node));
        let scopes = fields.take("scopes").map(|(_, node)| self.demanded("scopes", node));
        let allow = fields.take("allow").and_then(|(_, node)| self.condition("allow", node));
        let rate_limit = fields.take("rate_limit").map(|(_, node)| self.rate_limit(node));
        let timeout = fields
            .take("timeout")
            .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse));
        fields.finish();
        Some(Expose {
            services,
            headers,
            auth,
            roles,
            scopes,
            allow,
            rate_limit: rate_limit.unwrap_or_default(),
            timeout,
        })
    }

    /// A name in full: metadata that begins alike is not forwarded.
    fn forwarded(&mut self, name: &Name) -> Option<Name> {
        if !name.value.contains('*') {
            return self.header_name(name);
        }
        let title = format!("`{}` is not the name of a header", name.value);
        let diagnostic = Diagnostic::new("bad-header", name.span, title);
        self.push(diagnostic.label("each header is named in full; only what `proxy` hands over may begin so"));
        None
    }

    fn services(&mut self, key: &str, node: &Node) -> Vec<Name> {
        let mut services = self.texts(key, node);
        services.retain(|it| {
            let is_sound = scalar::is_dotted(&it.value);
            if !is_sound {
                let title = format!("`{}` is not the full name of a service", self.written(it.span));
                self.error("wrong-value", it.span, title);
            }
            is_sound
        });
        services
    }
}
