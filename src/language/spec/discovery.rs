//! Where backends are, as written: targets, and who is asked for them.

use std::time::Duration;

use super::Name;
use super::keys::Place;
use super::reader::{Reader, Zero};
use super::scalar;
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned};
use crate::schema::suggest;

/// An entry of `grpc:` or `http:` of a backend.
#[derive(Clone, Debug)]
pub struct Target {
    /// `url:`, or the entry itself.
    pub url: Name,
    /// `weight:`.
    pub weight: Option<Spanned<u64>>,
    /// `zone:`.
    pub zone: Option<Name>,
}

/// `discovery:`.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// `dns:`.
    pub dns: Dns,
    /// `consul:`.
    pub consul: Consul,
    /// `kubernetes:`.
    pub kubernetes: Kubernetes,
}

/// `consul:` of `discovery:`.
#[derive(Clone, Debug, Default)]
pub struct Consul {
    /// `address:`.
    pub address: Option<Name>,
    /// `token:`.
    pub token: Option<Name>,
    /// `datacenter:`.
    pub datacenter: Option<Name>,
    /// `ca_file:`.
    pub ca_file: Option<Name>,
}

/// `kubernetes:` of `discovery:`.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    /// `address:`.
    pub address: Option<Name>,
    /// `token_file:`.
    pub token_file: Option<Name>,
    /// `ca_file:`.
    pub ca_file: Option<Name>,
}

/// `dns:` of `discovery:`.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// `servers:`.
    pub servers: Vec<Name>,
    /// `min_ttl:`.
    pub min_ttl: Option<Spanned<Duration>>,
    /// `max_ttl:`.
    pub max_ttl: Option<Spanned<Duration>>,
}

/// What the URL of a target begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`: the place itself.
    Direct,
    /// `dns+http://`.
    Dns,
    /// `srv+http://`.
    Srv,
    /// `file:`.
    File,
    /// `consul+http://`.
    Consul,
    /// `kubernetes+http://`.
    Kubernetes,
}

impl Scheme {
    /// Every way to say where a backend is, and what it looks like.
    const ALL: [(Self, &str, &str); 6] = [
        (Self::Direct, "http://", "http://host:port"),
        (Self::Dns, "dns+http://", "dns+http://host:port"),
        (Self::Srv, "srv+http://", "srv+http://_service._tcp.host"),
        (Self::File, "file:", "file:targets.yaml"),
        (Self::Consul, "consul+http://", "consul+http://service"),
        (
            Self::Kubernetes,
            "kubernetes+http://",
            "kubernetes+http://service.namespace:port",
        ),
    ];

    /// The scheme of a URL, and what stands behind it.
    pub fn split(url: &str) -> Option<(Self, &str)> {
        let found = Self::ALL
            .iter()
            .find_map(|(it, head, _)| Some((*it, url.strip_prefix(head)?)));
        found.map(|(it, rest)| {
            (
                it,
                if it == Self::File {
                    rest
                } else {
                    rest.strip_suffix('/').unwrap_or(rest)
                },
            )
        })
    }

    fn form(self) -> &'static str {
        let found = Self::ALL.iter().find(|it| it.0 == self);
        found.map_or("http://host:port", |it| it.2)
    }

    /// Whether what stands behind it can be meant.
    fn takes(self, rest: &str) -> bool {
        let authority = || rest.parse::<http::uri::Authority>().ok();
        let is_host = |it: &http::uri::Authority| !it.host().is_empty() && !it.as_str().contains('@');
        match self {
            Self::Direct => authority().is_some_and(|it| is_host(&it)),
            Self::Dns => authority().is_some_and(|it| is_host(&it) && !it.host().starts_with('[')),
            Self::Srv => authority().is_some_and(|it| is_host(&it) && it.port().is_none()),
            Self::File => !rest.is_empty() && !rest.starts_with("//"),
            Self::Consul => !rest.is_empty() && rest.chars().all(|it| it.is_alphanumeric() || "-_.".contains(it)),
            Self::Kubernetes => Self::service(rest).is_some(),
        }
    }

    /// `service.namespace:port`, with the name or the number of a port.
    pub fn service(rest: &str) -> Option<[&str; 3]> {
        let (host, port) = rest.split_once(':')?;
        let (service, namespace) = host.split_once('.')?;
        let parts = [service, namespace, port];
        // Labels of RFC 1123, as Kubernetes wants its names.
        let is_label = |it: &str| {
            !it.is_empty()
                && it
                    .bytes()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        };
        parts.iter().all(|it| is_label(it)).then_some(parts)
    }

    /// The feature of the build that knows it, where that was left out.
    fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Consul if !cfg!(feature = "consul") => Some("consul"),
            Self::Kubernetes if !cfg!(feature = "kubernetes") => Some("kubernetes"),
            _ => None,
        }
    }
}

impl Reader<'_> {
    fn read_targets(&mut self, key: &str, node: &Node) -> Vec<Target> {
        let NodeKind::List(items) = &node.kind else {
            if let NodeKind::Text(_) = node.kind {
                return self.target(key, node).into_iter().collect();
            }
            self.wrong(key, node, "a list of targets");
            return Vec::new();
        };
        if items.is_empty() {
            self.error("wrong-value", node.span, format!("`{key}` names at least one target"));
        }
        items.iter().filter_map(|it| self.target(key, it)).collect()
    }

    /// One target, or a list of them: all are reached over TLS, of which `secure` is the first, or none is.
    pub(super) fn secured(&mut self, key: &str, node: &Node, secure: &mut Option<Span>) -> Vec<Target> {
        let mut targets = self.read_targets(key, node);
        *secure = self.without_tls(&mut targets);
        targets.into_iter().filter(|it| self.is_target(&it.url)).collect()
    }

    fn target(&mut self, key: &str, node: &Node) -> Option<Target> {
        if !matches!(node.kind, NodeKind::Map(_)) {
            let url = self.text(key, node)?;
            return Some(Target {
                url,
                weight: None,
                zone: None,
            });
        }
        let mut fields = self.fields(key, node, Place::Target)?;
        let url = self
            .required(&mut fields, "url", node.span)
            .and_then(|node| self.text("url", node));
        let weight = fields
            .take("weight")
            .and_then(|(_, node)| self.integer("weight", node, 1..=1_000));
        let zone = fields.take("zone").and_then(|(_, node)| self.text("zone", node));
        fields.finish();
        Some(Target {
            url: url?,
            weight,
            zone,
        })
    }

    fn is_target(&mut self, target: &Name) -> bool {
        let split = Scheme::split(&target.value);
        if let Some(feature) = split.and_then(|(scheme, _)| scheme.missing_feature()) {
            let title = format!("this build of Weft knows nothing of `{feature}`");
            let label = format!("it was built without the feature `{feature}`");
            self.push(Diagnostic::new("not-yet", target.span, title).label(label));
            return false;
        }
        if split.is_some_and(|(scheme, rest)| scheme.takes(rest)) {
            return true;
        }
        let written = self.written(target.span).trim_matches(['"', '\'']).to_owned();
        let form = split.map_or("http://host:port", |it| it.0.form());
        let title = format!("`{written}` is not a target");
        let mut diagnostic = Diagnostic::new("bad-target", target.span, title);
        let head = target.value.split_once("://").map(|it| format!("{}://", it.0));
        // Who names a source means one.
        let is_source = |it: &str| it.contains('+');
        let wanted = head.as_deref().is_some_and(is_source);
        let heads = Scheme::ALL.iter().map(|it| it.1).filter(|it| is_source(it) == wanted);
        let near = head
            .as_deref()
            .and_then(|it| suggest::nearest(it, heads))
            .filter(|_| split.is_none());
        diagnostic = match near {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None if target.value.starts_with("file+") => {
                diagnostic.label("a file of targets is `file:targets.yaml`, or over TLS `file+https:targets.yaml`")
            }
            None => diagnostic.label(format!("a target is `{form}`")),
        };
        let is_bare = split.is_none()
            && !target.value.contains("://")
            && !target.value.contains('+')
            && target.value.parse::<http::uri::Authority>().is_ok();
        diagnostic.help = is_bare.then_some(format!("\"http://{written}\""));
        self.push(diagnostic);
        false
    }

    /// `discovery:`.
    pub(super) fn discovery(&mut self, node: &Node) -> Option<Discovery> {
        let mut fields = self.fields("discovery", node, Place::Discovery)?;
        let dns = fields.take("dns").and_then(|(_, node)| self.dns(node));
        let consul = fields.take("consul").and_then(|(_, node)| self.consul(node));
        let kubernetes = fields.take("kubernetes").and_then(|(_, node)| self.kubernetes(node));
        fields.finish();
        Some(Discovery {
            dns: dns.unwrap_or_default(),
            consul: consul.unwrap_or_default(),
            kubernetes: kubernetes.unwrap_or_default(),
        })
    }

    fn consul(&mut self, node: &Node) -> Option<Consul> {
        let mut fields = self.fields("consul", node, Place::Consul)?;
        let address = fields.take("address").and_then(|(_, node)| self.api_address(node));
        let token = fields.take("token").and_then(|(_, node)| self.text("token", node));
        let datacenter = fields
            .take("datacenter")
            .and_then(|(_, node)| self.text("datacenter", node));
        let ca_file = fields.take("ca_file").and_then(|(_, node)| self.text("ca_file", node));
        fields.finish();
        Some(Consul {
            address,
            token,
            datacenter,
            ca_file,
        })
    }

    fn kubernetes(&mut self, node: &Node) -> Option<Kubernetes> {
        let mut fields = self.fields("kubernetes", node, Place::Kubernetes)?;
        let address = fields.take("address").and_then(|(_, node)| self.api_address(node));
        let token_file = fields
            .take("token_file")
            .and_then(|(_, node)| self.text("token_file", node));
        let ca_file = fields.take("ca_file").and_then(|(_, node)| self.text("ca_file", node));
        fields.finish();
        Some(Kubernetes {
            address,
            token_file,
            ca_file,
        })
    }

    fn api_address(&mut self, node: &Node) -> Option<Name> {
        let address = self.text("address", node)?;
        let uri = address.value.parse::<http::Uri>().ok();
        let is_sound = uri.is_some_and(|it| {
            matches!(it.scheme_str(), Some("http" | "https")) && it.host().is_some() && it.path() == "/"
        });
        if !is_sound {
            let diagnostic = Diagnostic::new("wrong-address", address.span, "this is not the address of an API");
            self.push(diagnostic.label("expected `http://host:port` or `https://host:port`"));
        }
        is_sound.then_some(address)
    }

    fn dns(&mut self, node: &Node) -> Option<Dns> {
        let mut fields = self.fields("dns", node, Place::Dns)?;
        let mut servers = fields
            .take("servers")
            .map(|(_, node)| self.texts("servers", node))
            .unwrap_or_default();
        servers.retain(|it| {
            let is_sound = scalar::socket_address(&it.value).is_some();
            if !is_sound {
                let title = "this is not the address of a DNS server";
                let diagnostic = Diagnostic::new("wrong-address", it.span, title);
                self.push(
                    diagnostic
                        .label("expected `address:port`, with the address in numbers")
                        .help("\"10.0.0.2:53\""),
                );
            }
            is_sound
        });
        let mut duration = |key: &str, fields: &mut super::reader::Fields<'_>| {
            let (_, node) = fields.take(key)?;
            self.duration(key, node, Zero::Refuse)
        };
        let (min_ttl, max_ttl) = (duration("min_ttl", &mut fields), duration("max_ttl", &mut fields));
        fields.finish();
        Some(Dns {
            servers,
            min_ttl,
            max_ttl,
        })
    }
}
