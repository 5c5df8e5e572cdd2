//! `tls:` of listeners and of backends, and `proxy_protocol:`, as written; files are read here, and understood by the checker.

use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

use super::keys::Place;
use super::reader::{Fields, Reader};
use super::{Name, Target};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned};
use crate::tls::{ClientAuth, Pem, Version};

/// A file that a key names.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path, as written.
    pub path: Name,
    /// What it holds.
    pub text: Pem,
}

/// `cert:` and `key:`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: File,
    /// Its key.
    pub key: File,
}

/// `tls:` of a listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `certificates:`, in written order.
    pub pairs: Vec<Pair>,
    /// `client_ca:`.
    pub client_ca: Option<File>,
    /// `client_auth:`.
    pub client_auth: ClientAuth,
    /// `min_version:`.
    pub min_version: Version,
    /// The whole of it.
    pub span: Span,
}

/// `tls:` of a backend, of an issuer, or of Redis.
#[derive(Clone, Debug)]
pub struct BackendTls {
    /// `ca:`.
    pub ca: Option<File>,
    /// `cert:` and `key:`.
    pub pair: Option<Pair>,
    /// `server_name:`.
    pub server_name: Option<Name>,
    /// `min_version:`.
    pub min_version: Version,
}

impl Reader<'_> {
    pub(super) fn tls(&mut self, node: &Node) -> Option<Tls> {
        let mut fields = self.fields("tls", node, Place::Tls)?;
        let certificates = self.required(&mut fields, "certificates", node.span);
        let items = certificates.and_then(|it| self.list("certificates", it));
        if let (Some([]), Some(empty)) = (items, certificates) {
            let title = "`certificates` names at least one certificate";
            self.error("wrong-value", empty.span, title);
        }
        let mut pairs = Vec::new();
        for item in items.unwrap_or_default() {
            if let Some(mut fields) = self.fields("certificates", item, Place::Certificate) {
                pairs.extend(self.pair(&mut fields, item.span));
                fields.finish();
            }
        }
        let client_auth = fields.take("client_auth");
        let client_ca = fields.take("client_ca");
        if let (Some((key, _)), None) = (client_auth, client_ca) {
            let title = "`client_auth` needs `client_ca`";
            let label = "whose certificates are sound is not said";
            self.push(Diagnostic::new("missing-key", key.span, title).label(label));
        }
        let choices = [("required", ClientAuth::Required), ("optional", ClientAuth::Optional)];
        let client_auth = client_auth.and_then(|(_, node)| self.choice("client_auth", node, &choices));
        let tls = Tls {
            pairs,
            client_ca: client_ca.and_then(|(_, node)| self.file_of("client_ca", node)),
            client_auth: client_auth.map(|it| it.value).unwrap_or_default(),
            min_version: self.min_version(&mut fields),
            span: node.span,
        };
        fields.finish();
        Some(tls)
    }

    /// `secure` is a target that is reached over TLS.
    pub(super) fn backend_tls(
        &mut self,
        key: &Spanned<Arc<str>>,
        node: &Node,
        secure: Option<Span>,
    ) -> Option<BackendTls> {
        if secure.is_none() {
            let title = "`tls` has nothing to do: no target is reached over TLS";
            let label = "targets of TLS begin with `https://`, a file with a list of them with `file+https:`";
            self.push(Diagnostic::new("contradiction", key.span, title).label(label));
        }
        self.client_tls(node)
    }

    /// `tls:` beside the address of an issuer, who may be asked nothing.
    pub(super) fn issuer_tls(&mut self, fields: &mut Fields<'_>, asked: Option<&Name>) -> Option<BackendTls> {
        let (key, node) = fields.take("tls")?;
        let scheme = asked.and_then(|it| it.value.split_once("://")).map(|it| it.0);
        if !scheme.is_some_and(|it| it.eq_ignore_ascii_case("https")) {
            let title = "`tls` has nothing to do: nobody is asked over TLS";
            let label = "an address that is asked over TLS begins with `https://`";
            self.push(Diagnostic::new("contradiction", key.span, title).label(label));
        }
        self.client_tls(node)
    }

    pub(super) fn client_tls(&mut self, node: &Node) -> Option<BackendTls> {
        let mut fields = self.fields("tls", node, Place::BackendTls)?;
        let has_pair = fields.has("cert") || fields.has("key");
        let tls = BackendTls {
            ca: fields.take("ca").and_then(|(_, node)| self.file_of("ca", node)),
            pair: if has_pair {
                self.pair(&mut fields, node.span)
            } else {
                None
            },
            server_name: fields
                .take("server_name")
                .and_then(|(_, node)| self.text("server_name", node)),
            min_version: self.min_version(&mut fields),
        };
        fields.finish();
        Some(tls)
    }

    fn pair(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Pair> {
        let cert = self.required(fields, "cert", span);
        let key = self.required(fields, "key", span);
        let cert = cert.and_then(|it| self.file_of("cert", it));
        let key = key.and_then(|it| self.file_of("key", it));
        Some(Pair { cert: cert?, key: key? })
    }

    fn file_of(&mut self, key: &str, node: &Node) -> Option<File> {
        let path = self.text(key, node)?;
        // Only weft.yaml has these keys, and it has an outside.
        let read = (self.outside?.file)(Path::new(&*path.value));
        match read {
            Ok(text) => Some(File {
                path,
                text: Pem::new(text),
            }),
            Err(error) => {
                let written = self.written(path.span).trim_matches(['"', '\'']);
                let title = format!("`{written}` cannot be read: {error}");
                self.error("unreadable-file", path.span, title);
                None
            }
        }
    }

    fn min_version(&mut self, fields: &mut Fields<'_>) -> Version {
        let Some((_, node)) = fields.take("min_version") else {
            return Version::default();
        };
        let text = match &node.kind {
            NodeKind::Number(digits) => Some(digits.clone()),
            _ => self.text_as("min_version", node, "a version").map(|it| it.value),
        };
        match text.as_deref() {
            Some("1.2") => Version::Tls12,
            Some("1.3") => Version::Tls13,
            None => Version::default(),
            Some(_) => {
                let title = "`min_version` is one of `1.2`, `1.3`";
                let label = "older versions are not spoken at all";
                self.push(Diagnostic::new("unknown-value", node.span, title).label(label));
                Version::default()
            }
        }
    }

    pub(super) fn proxy_protocol(&mut self, node: &Node) -> Option<Vec<IpNet>> {
        let mut fields = self.fields("proxy_protocol", node, Place::ProxyProtocol)?;
        let trusted = self.required(&mut fields, "trusted", node.span);
        fields.finish();
        let trusted = trusted?;
        let networks = self.networks("trusted", trusted).into_iter().map(|it| it.value);
        let networks: Vec<IpNet> = networks.collect();
        if networks.is_empty() && matches!(&trusted.kind, NodeKind::List(items) if items.is_empty()) {
            let title = "`trusted` names at least one network";
            self.error("wrong-value", trusted.span, title);
        }
        Some(networks)
    }

    /// Takes the `s` out of `https`, port 443 filled in: how a target is reached over TLS stands beside its address. Gives
    /// the place of the first such target.
    pub(super) fn without_tls(&mut self, targets: &mut [Target]) -> Option<Span> {
        let (mut secure, mut plain) = (None, None);
        for target in targets.iter_mut().map(|it| &mut it.url) {
            let (prefix, rest) = match target.value.split_once('+') {
                Some((source @ ("dns" | "srv" | "consul" | "kubernetes"), rest)) => (format!("{source}+"), rest),
                Some(("file", rest)) if rest.starts_with("https:") => {
                    secure.get_or_insert(target.span);
                    target.value = format!("file:{}", &rest["https:".len()..]).into();
                    continue;
                }
                // What stands in a file is reached as the others are.
                _ if target.value.starts_with("file:") => continue,
                _ => (String::new(), &*target.value),
            };
            let Some(authority) = rest.strip_prefix("https://") else {
                plain.get_or_insert(target.span);
                continue;
            };
            secure.get_or_insert(target.span);
            let host = authority.strip_suffix('/').unwrap_or(authority);
            let has_port = host.rsplit_once(':').is_some_and(|it| !it.1.contains(']'));
            let is_place = matches!(&*prefix, "" | "dns+");
            let port = if has_port || !is_place { "" } else { ":443" };
            target.value = format!("{prefix}http://{host}{port}").into();
        }
        if let (Some(secure), Some(plain)) = (secure, plain) {
            let title = "some targets of this backend are reached over TLS and some are not";
            let diagnostic = Diagnostic::new("contradiction", plain, title).label("`https://` here too");
            self.push(diagnostic.other(secure, "over TLS"));
        }
        secure
    }
}
