//! `cors:`, `compression:` and `headers:` of weft.yaml: read straight into what the plan says, since nothing else is about them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

use super::Name;
use super::keys::Place;
use super::reader::{Reader, Zero};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind};
use crate::plan::{Compression, Cors, Origins, Site, Standing};

/// What browsers remember of a preflight unless `max_age` says otherwise.
const MAX_AGE: u64 = 600;

/// What responses have unless they, or `headers:`, say otherwise: nobody guesses at types.
const STANDING: (HeaderName, HeaderValue) = (
    http::header::X_CONTENT_TYPE_OPTIONS,
    HeaderValue::from_static("nosniff"),
);

impl Reader<'_> {
    pub(super) fn cors(&mut self, node: &Node) -> Option<Cors> {
        let mut fields = self.fields("cors", node, Place::Cors)?;
        let origins = self.required(&mut fields, "origins", node.span);
        let origins = origins.and_then(|it| self.origins(it));
        let credentials = fields
            .take("credentials")
            .and_then(|(_, it)| self.bool("credentials", it));
        let credentials = credentials.filter(|it| it.value);
        if let (Some(credentials), Some(Origins::All)) = (&credentials, &origins) {
            let title = "`credentials` with every origin lets any page act for its visitors";
            let label = "name the origins, or leave `credentials` out";
            self.push(Diagnostic::new("contradiction", credentials.span, title).label(label));
        }
        let methods = fields.take("methods").map(|(_, it)| self.methods(it));
        let mut names = |reader: &mut Self, key: &'static str| {
            let (_, node) = fields.take(key)?;
            let written = reader.texts(key, node);
            if credentials.is_some()
                && let Some(all) = written.iter().find(|it| &*it.value == "*")
            {
                let title = format!("`*` in `{key}` is no wildcard where there are `credentials`");
                reader.push(Diagnostic::new("contradiction", all.span, title).label("name the headers"));
            }
            let sound = written.iter().filter_map(|it| {
                if &*it.value == "*" {
                    Some(it.clone())
                } else {
                    reader.header_name(it)
                }
            });
            let listed: Vec<Arc<str>> = sound.map(|it| it.value).collect();
            HeaderValue::from_str(&listed.join(", ")).ok()
        };
        let headers = names(self, "headers");
        let expose_headers = names(self, "expose_headers").filter(|it| !it.is_empty());
        let private_network = fields
            .take("private_network")
            .and_then(|(_, it)| self.bool("private_network", it));
        let max_age = fields
            .take("max_age")
            .and_then(|(_, it)| self.duration("max_age", it, Zero::Allow));
        fields.finish();
        Some(Cors {
            origins: origins?,
            methods,
            headers: headers.unwrap_or_else(|| HeaderValue::from_static("content-type")),
            expose_headers,
            credentials: credentials.is_some(),
            private_network: private_network.is_some_and(|it| it.value),
            max_age: max_age.map_or(MAX_AGE, |it| it.value.as_secs()).into(),
        })
    }

    fn origins(&mut self, node: &Node) -> Option<Origins> {
        let written = self.texts("origins", node);
        if written.is_empty() {
            if matches!(&node.kind, NodeKind::List(items) if items.is_empty()) {
                let title = "`origins` names at least one origin";
                self.error("wrong-value", node.span, title);
            }
            return None;
        }
        if written.iter().any(|it| &*it.value == "*") {
            if let [_, other, ..] = written.as_slice() {
                let title = "`*` is every origin: there is nothing to name beside it";
                self.error("contradiction", other.span, title);
            }
            return Some(Origins::All);
        }
        let origins = written.iter().filter_map(|it| self.origin(it));
        Some(Origins::These(origins.collect()))
    }

    fn origin(&mut self, written: &Name) -> Option<Site> {
        match origin(&written.value) {
            Ok(origin) => Some(origin),
            Err((label, help)) => {
                let text = self.written(written.span).trim_matches(['"', '\'']);
                let title = format!("`{text}` is not an origin");
                let mut diagnostic = Diagnostic::new("bad-origin", written.span, title).label(label);
                // What was filled in is never shown.
                let is_plain = !text.contains("${");
                diagnostic.help = help
                    .filter(|it| is_plain && origin(it).is_ok())
                    .map(|it| format!("\"{it}\""));
                self.push(diagnostic);
                None
            }
        }
    }

    fn methods(&mut self, node: &Node) -> Vec<Method> {
        let mut methods = Vec::new();
        for written in self.texts("methods", node) {
            let is_upper = written.value.bytes().all(|it| it.is_ascii_uppercase());
            match Method::from_bytes(written.value.as_bytes()) {
                Ok(method) if is_upper => methods.push(method),
                _ => {
                    let title = format!("`{}` is not a method", self.written(written.span));
                    let label = "methods are in capitals: `GET`";
                    self.push(Diagnostic::new("wrong-value", written.span, title).label(label));
                }
            }
        }
        methods
    }

    pub(super) fn compression(&mut self, node: &Node) -> Option<Compression> {
        let mut fields = self.fields("compression", node, Place::Compression)?;
        let min = fields.take("min").and_then(|(_, it)| self.size("min", it));
        let private = fields.take("private").and_then(|(_, it)| self.bool("private", it));
        fields.finish();
        Some(Compression {
            min: min.map_or(1 << 10, |it| usize::try_from(it.value).unwrap_or(usize::MAX)),
            private: private.is_some_and(|it| it.value),
        })
    }

    /// `headers:` of the gateway file over those that stand without it; null takes one out.
    pub(super) fn standing(&mut self, node: Option<&Node>) -> Vec<Standing> {
        let mut standing = vec![STANDING];
        let members = node.and_then(|it| self.map("headers", it)).unwrap_or_default();
        for (name, node) in members {
            let Some(sound) = self.header_name(name) else { continue };
            let Ok(header) = HeaderName::try_from(&*sound.value) else {
                continue;
            };
            standing.retain(|it| it.0 != header);
            if matches!(node.kind, NodeKind::Null) {
                continue;
            }
            let Some(text) = self.text("headers", node) else {
                continue;
            };
            if let Ok(value) = HeaderValue::from_str(&text.value) {
                standing.push((header, value));
            } else {
                let title = "a header's value is visible ASCII on one line";
                self.error("wrong-value", text.span, title);
            }
        }
        standing
    }
}

/// An origin as browsers write it; or what is wrong with it, and what may be meant.
fn origin(text: &str) -> Result<Site, (&'static str, Option<String>)> {
    if text == "null" {
        return Err(("any page can take the origin `null`: it is nobody's", None));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("it begins with its scheme", Some(format!("https://{text}"))));
    };
    let lower = text.to_ascii_lowercase();
    if lower != text {
        return Err(("browsers write origins in lower case", Some(lower)));
    }
    if !scheme.starts_with(|it: char| it.is_ascii_lowercase())
        || !scheme
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it))
    {
        return Err(("its scheme is `https` or `http`", None));
    }
    if let Some((authority, _)) = rest.split_once(['/', '?', '#']) {
        let label = "it ends with its host, or with its port";
        return Err((label, Some(format!("{scheme}://{authority}"))));
    }
    let port_at = rest.rfind(':').filter(|it| !rest[*it..].contains(']'));
    let (host, port) = rest.split_at(port_at.unwrap_or(rest.len()));
    if (scheme, port) == ("https", ":443") || (scheme, port) == ("http", ":80") {
        let label = "browsers leave the usual port out";
        return Err((label, Some(format!("{scheme}://{host}"))));
    }
    if port_at.is_some() && port[1..].parse::<u16>().is_err() {
        return Err(("a port is a number up to 65535", None));
    }
    let (is_wild, domain) = match host.strip_prefix("*.") {
        Some(domain) => (true, domain),
        None => (false, host),
    };
    let is_name = |it: &str| {
        !it.is_empty()
            && it
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it))
    };
    let is_address = || {
        let inner = domain.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        inner.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if domain.contains('*') {
        return Err(("`*` stands for what is before a domain: `https://*.shop.example`", None));
    }
    if !(domain.split('.').all(is_name) || (!is_wild && is_address())) {
        return Err(("its host is a name or an address", None));
    }
    Ok(if is_wild {
        Site::Below {
            scheme: format!("{scheme}://").into(),
            domain: format!(".{domain}{port}").into(),
        }
    } else {
        Site::One(text.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for sound in [
            "https://shop.example",
            "http://localhost:3000",
            "https://*.shop.example",
            "https://*.shop.example:8443",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
        ] {
            assert!(origin(sound).is_ok(), "{sound}");
        }
        for (wrong, help) in [
            ("https://shop.example/", Some("https://shop.example")),
            ("https://shop.example/a?b", Some("https://shop.example")),
            ("shop.example", Some("https://shop.example")),
            ("https://Shop.example", Some("https://shop.example")),
            ("https://shop.example:443", Some("https://shop.example")),
            ("http://shop.example:80", Some("http://shop.example")),
            ("https://", None),
            ("https://shop.*", None),
            ("https://*shop.example", None),
            ("https://*", None),
            ("https://a b", None),
            ("https://shop.example:99999", None),
            ("https://user@shop.example", None),
            ("null", None),
        ] {
            let found = origin(wrong).unwrap_err().1;
            assert_eq!(found.as_deref(), help, "{wrong}");
        }
    }
}
