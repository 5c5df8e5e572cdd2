//! Who may ask, as written: `auth:` of weft.yaml and of compositions.

use std::sync::Arc;
use std::time::Duration;

use super::keys::{ALGORITHMS, Place};
use super::reader::{Fields, Reader, Zero};
use super::signature::Signature;
use super::tls::BackendTls;
use super::{Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{FileIndex, Node, NodeKind, Span, Spanned};

/// An entry of `auth:` in weft.yaml.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name.
    pub name: Name,
    /// What a client shows.
    pub kind: ProviderKind,
    /// `claims:`, in written order.
    pub claims: Vec<(Name, Spanned<ClaimType>)>,
    /// `roles:`.
    pub roles: Option<Name>,
    /// `scopes:`.
    pub scopes: Option<Name>,
    /// `revoked:`.
    pub revoked: Option<File>,
}

/// What a client shows, and what is demanded of it.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// `api_key:`.
    ApiKey {
        /// `header:`.
        header: Option<Name>,
        /// `keys:`.
        keys: File,
    },
    /// `basic:`.
    Basic {
        /// `users:`.
        users: File,
    },
    /// `client_certificate:`.
    ClientCertificate,
    /// `introspection:`.
    Introspection(Introspection),
    /// `jwt:`.
    Jwt(Jwt),
    /// `signature:`.
    Signature(Signature),
}

/// `introspection:`.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// `url:`.
    pub url: Name,
    /// `client_id:`.
    pub client_id: Name,
    /// `client_secret:`.
    pub client_secret: Name,
    /// `audience:`.
    pub audience: Vec<Name>,
    /// `cache:`.
    pub cache: Option<Spanned<Duration>>,
    /// `timeout:`.
    pub timeout: Option<Spanned<Duration>>,
    /// `tls:`.
    pub tls: Option<BackendTls>,
}

/// `jwt:`.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// `issuer:`.
    pub issuer: Option<Name>,
    /// `audience:`; `None` where it was not written.
    pub audience: Option<Vec<Name>>,
    /// `algorithms:`.
    pub algorithms: Vec<Name>,
    /// `jwks:`.
    pub jwks: Option<Name>,
    /// `keys:`.
    pub keys: Option<File>,
    /// `secret:`.
    pub secret: Option<Name>,
    /// `leeway:`.
    pub leeway: Option<Spanned<Duration>>,
    /// `type:`.
    pub kind: Option<Name>,
    /// `tls:`.
    pub tls: Option<BackendTls>,
    /// The whole.
    pub span: Span,
}

/// A file that is named.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path as written.
    pub path: Name,
    /// Where it stands among the sources; `None` until it was read, or where it could not be.
    pub read: Option<FileIndex>,
}

/// The type of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimType {
    /// `[T]`.
    List(Box<Self>),
    /// `string`, or `string?` for one that may be missing.
    Named {
        /// Without the `?`.
        name: Arc<str>,
        /// With a `?`.
        optional: bool,
    },
    /// Claims below it.
    Object(Vec<(Name, Self)>),
}

/// `auth:` of an endpoint.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Providers, and `none`.
    pub names: Vec<Name>,
    /// All of them have to know the client.
    pub all: bool,
    /// The whole.
    pub span: Span,
}

impl Provider {
    /// The files that it names.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut File> {
        let of_kind = match &mut self.kind {
            ProviderKind::ApiKey { keys: file, .. } | ProviderKind::Basic { users: file } => Some(file),
            ProviderKind::Jwt(jwt) => jwt.keys.as_mut(),
            ProviderKind::Signature(it) => Some(&mut it.keys),
            ProviderKind::ClientCertificate | ProviderKind::Introspection(_) => None,
        };
        of_kind.into_iter().chain(&mut self.revoked)
    }
}

impl Reader<'_> {
    /// `auth:` of an endpoint.
    pub(super) fn auth(&mut self, node: &Node) -> Option<Auth> {
        let span = node.span;
        let (names, all) = match &node.kind {
            NodeKind::List(_) => (self.texts("auth", node), false),
            NodeKind::Map(_) => {
                let mut fields = self.fields("auth", node, Place::AllOf)?;
                let all = self.required(&mut fields, "all", span).map(|it| self.texts("all", it));
                fields.finish();
                (all?, true)
            }
            _ => (self.text("auth", node).into_iter().collect(), false),
        };
        if names.is_empty() {
            if matches!(node.kind, NodeKind::List(_) | NodeKind::Map(_)) {
                self.error("wrong-value", span, "`auth` names nobody");
            }
            return None;
        }
        Some(Auth { names, all, span })
    }

    /// `roles:` or `scopes:` of an endpoint.
    pub(super) fn demanded(&mut self, key: &str, node: &Node) -> Spanned<Vec<Name>> {
        Spanned::new(self.text_or_texts(key, node), node.span)
    }

    /// One text or several.
    pub(super) fn text_or_texts(&mut self, key: &str, node: &Node) -> Vec<Name> {
        match node.kind {
            NodeKind::List(_) => self.texts(key, node),
            _ => self.text(key, node).into_iter().collect(),
        }
    }

    pub(super) fn providers(&mut self, node: &Node) -> Vec<Provider> {
        let members = self.map("auth", node).unwrap_or_default();
        let mut providers = Vec::new();
        for (key, value) in members {
            let name = self.label(key);
            if &*key.value == "none" {
                let title = "`none` is nobody, and cannot be a provider";
                self.error("reserved-name", key.span, title);
                continue;
            }
            let provider = self.provider(key, value);
            providers.extend(provider.filter(|_| name.is_some()));
        }
        providers
    }

    fn provider(&mut self, name: &Name, node: &Node) -> Option<Provider> {
        const KINDS: [&str; 6] = [
            "jwt",
            "introspection",
            "api_key",
            "basic",
            "client_certificate",
            "signature",
        ];
        let mut fields = self.fields(&name.value, node, Place::Provider)?;
        let given: Vec<_> = KINDS.iter().filter_map(|it| fields.key(it)).collect();
        match given.as_slice() {
            [_] => {}
            [] => {
                let title = format!("the provider `{}` does not say what a client shows", name.value);
                self.push(
                    Diagnostic::new("missing-key", name.span, title).label(format!("one of {}", KINDS.join(", "))),
                );
            }
            [first, second, ..] => {
                let title = format!("the provider `{}` is of two kinds", name.value);
                let wrong = Diagnostic::new("conflicting-keys", second.span, title);
                self.push(
                    wrong
                        .label("make it a provider of its own")
                        .other(first.span, "another kind here"),
                );
            }
        }
        let mut kind = None;
        for it in KINDS {
            if let Some((key, node)) = fields.take(it) {
                let read = self.provider_kind(key, node);
                kind = kind.or(read);
            }
        }
        let claims = fields
            .take("claims")
            .map(|(_, node)| self.claims(node))
            .unwrap_or_default();
        let roles = fields.take("roles").and_then(|(_, node)| self.text("roles", node));
        let scopes = fields.take("scopes").and_then(|(_, node)| self.text("scopes", node));
        let revoked = fields
            .take("revoked")
            .and_then(|(_, node)| self.named_file("revoked", node));
        fields.finish();
        Some(Provider {
            name: name.clone(),
            kind: kind?,
            claims,
            roles,
            scopes,
            revoked,
        })
    }

    fn provider_kind(&mut self, key: &Name, node: &Node) -> Option<ProviderKind> {
        let span = key.span;
        match &*key.value {
            "jwt" => self.jwt(node).map(ProviderKind::Jwt),
            "introspection" => self.introspection(node).map(ProviderKind::Introspection),
            "api_key" => {
                let mut fields = self.fields("api_key", node, Place::ApiKey)?;
                let header = fields.take("header").and_then(|(_, node)| self.text("header", node));
                let header = header.and_then(|it| self.header_name(&it));
                let keys = self
                    .required(&mut fields, "keys", span)
                    .and_then(|node| self.named_file("keys", node));
                fields.finish();
                Some(ProviderKind::ApiKey { header, keys: keys? })
            }
            "basic" => {
                let mut fields = self.fields("basic", node, Place::Basic)?;
                let users = self
                    .required(&mut fields, "users", span)
                    .and_then(|node| self.named_file("users", node));
                fields.finish();
                Some(ProviderKind::Basic { users: users? })
            }
            "signature" => self.signature(node, span).map(ProviderKind::Signature),
            _ => {
                self.fields("client_certificate", node, Place::ClientCertificate)?
                    .finish();
                Some(ProviderKind::ClientCertificate)
            }
        }
    }

    fn jwt(&mut self, node: &Node) -> Option<Jwt> {
        let mut fields = self.fields("jwt", node, Place::Jwt)?;
        let text = |reader: &mut Self, fields: &mut Fields<'_>, key: &str| {
            let (_, node) = fields.take(key)?;
            reader.text(key, node)
        };
        let (issuer, jwks) = (text(self, &mut fields, "issuer"), text(self, &mut fields, "jwks"));
        let (secret, kind) = (text(self, &mut fields, "secret"), text(self, &mut fields, "type"));
        let algorithms = self.required(&mut fields, "algorithms", node.span);
        let listed = algorithms
            .map(|it| self.list("algorithms", it).unwrap_or_default())
            .unwrap_or_default();
        let choices: Vec<(&str, &str)> = ALGORITHMS.iter().map(|it| (*it, *it)).collect();
        let read = listed.iter().filter_map(|it| {
            let read = self.choice("algorithms", it, &choices)?;
            Some(Spanned::new(Arc::from(read.value), read.span))
        });
        let read: Vec<Name> = read.collect();
        if let (true, Some(node)) = (listed.is_empty(), algorithms) {
            self.push(Diagnostic::new("wrong-value", node.span, "`algorithms` names none").help("algorithms: [RS256]"));
        }
        let keys = fields.take("keys").and_then(|(_, node)| self.named_file("keys", node));
        let fetched = jwks
            .as_ref()
            .or(issuer.as_ref().filter(|_| keys.is_none() && secret.is_none()));
        let tls = self.issuer_tls(&mut fields, fetched);
        let jwt = Jwt {
            issuer,
            audience: fields
                .take("audience")
                .map(|(_, node)| self.text_or_texts("audience", node)),
            algorithms: read,
            jwks,
            keys,
            secret,
            leeway: fields
                .take("leeway")
                .and_then(|(_, node)| self.duration("leeway", node, Zero::Allow)),
            kind,
            tls,
            span: node.span,
        };
        fields.finish();
        Some(jwt)
    }

    fn introspection(&mut self, node: &Node) -> Option<Introspection> {
        let mut fields = self.fields("introspection", node, Place::Introspection)?;
        let mut text = |key: &str| {
            let node = self.required(&mut fields, key, node.span)?;
            self.text(key, node)
        };
        let (url, client_id, client_secret) = (text("url"), text("client_id"), text("client_secret"));
        let audience = fields
            .take("audience")
            .map(|(_, node)| self.text_or_texts("audience", node));
        let cache = fields
            .take("cache")
            .and_then(|(_, node)| self.duration("cache", node, Zero::Allow));
        let timeout = fields
            .take("timeout")
            .and_then(|(_, node)| self.duration("timeout", node, Zero::Refuse));
        let tls = self.issuer_tls(&mut fields, url.as_ref());
        fields.finish();
        Some(Introspection {
            url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            audience: audience.unwrap_or_default(),
            cache,
            timeout,
            tls,
        })
    }

    pub(super) fn named_file(&mut self, key: &str, node: &Node) -> Option<File> {
        let path = self.text(key, node)?;
        Some(File { path, read: None })
    }

    fn claims(&mut self, node: &Node) -> Vec<(Name, Spanned<ClaimType>)> {
        let members = self.map("claims", node).unwrap_or_default();
        let read = members.iter().filter_map(|(key, node)| {
            let ty = self.claim_type(&key.value, node)?;
            Some((key.clone(), Spanned::new(ty, node.span)))
        });
        read.collect()
    }

    fn claim_type(&mut self, key: &str, node: &Node) -> Option<ClaimType> {
        match &node.kind {
            NodeKind::List(items) => {
                let [item] = items.as_slice() else {
                    let wrong = Diagnostic::new("wrong-value", node.span, "the type of a list names one type");
                    self.push(wrong.help(format!("{key}: [string]")));
                    return None;
                };
                Some(ClaimType::List(Box::new(self.claim_type(key, item)?)))
            }
            NodeKind::Map(members) => {
                let mut below = Vec::new();
                for (name, node) in members {
                    below.push((name.clone(), self.claim_type(&name.value, node)?));
                }
                Some(ClaimType::Object(below))
            }
            _ => {
                const TYPES: [&str; 6] = ["any", "bool", "double", "int", "string", "timestamp"];
                let text = self.text(key, node)?;
                let (name, optional) = match text.value.strip_suffix('?') {
                    Some(name) => (Arc::from(name), true),
                    None => (text.value.clone(), false),
                };
                if !TYPES.contains(&&*name) {
                    let title = format!("`{name}` is not the type of a claim");
                    let wrong = Diagnostic::new("unknown-type", node.span, title);
                    self.push(wrong.label(format!("one of {}, a list `[string]`, or a map", TYPES.join(", "))));
                    return None;
                }
                Some(ClaimType::Named { name, optional })
            }
        }
    }
}

/// The steps of `realm_access.roles`; a claim whose name is a URL is one step.
pub fn path(written: &str) -> Vec<Arc<str>> {
    if scalar::is_dotted(written) {
        written.split('.').map(Arc::from).collect()
    } else {
        vec![Arc::from(written)]
    }
}
