//! In which form the gateway answers browsers: other origins, content codings, headers of every response.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

/// `cors:`, its lists ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages may read answers.
    pub origins: Origins,
    /// Of the methods that a path has, those that they may use; `None` is all.
    pub methods: Option<Vec<Method>>,
    /// Headers that they may send.
    pub headers: HeaderValue,
    /// Headers of answers that they may read, beside the few that they always may.
    pub expose_headers: Option<HeaderValue>,
    /// With cookies and the like.
    pub credentials: bool,
    /// Also from a page of a more public network than ours.
    pub private_network: bool,
    /// How long they may remember the answer to a preflight, seconds.
    pub max_age: HeaderValue,
}

/// Origins that are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every one.
    All,
    /// These.
    These(Vec<Site>),
}

/// An origin, or many of one domain (RFC 6454 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// `https://*.shop.example`: every host below a domain, at any depth.
    Below {
        /// `https://`.
        scheme: Arc<str>,
        /// `.shop.example`, with the port where there is one.
        domain: Arc<str>,
    },
    /// `https://shop.example`.
    One(Arc<str>),
}

impl Origins {
    /// Whether a page of this origin is let in.
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(origins) => origins.iter().any(|it| it.is(origin)),
        }
    }
}

impl Site {
    fn is(&self, origin: &str) -> bool {
        match self {
            Self::Below { scheme, domain } => origin
                .strip_prefix(&**scheme)
                .and_then(|it| it.strip_suffix(&**domain))
                .is_some_and(is_host),
            Self::One(it) => **it == *origin,
        }
    }
}

/// Labels of a host name in lower case, as browsers write them.
fn is_host(text: &str) -> bool {
    text.split('.').all(|it| {
        !it.is_empty()
            && it
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'_')
    })
}

/// `compression:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Shorter bodies are sent as they are, bytes.
    pub min: usize,
    /// Also what is for one client alone, where its length could betray a secret to who can add to the request (BREACH).
    pub private: bool,
}

/// `headers:`: a header that responses have unless they have one of that name.
pub type Standing = (HeaderName, HeaderValue);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_below_a_domain_and_nothing_that_looks_alike() {
        let origins = Origins::These(vec![
            Site::One("https://shop.example".into()),
            Site::Below {
                scheme: "https://".into(),
                domain: ".shop.example:8443".into(),
            },
        ]);
        for (origin, wanted) in [
            ("https://shop.example", true),
            ("http://shop.example", false),
            ("https://shop.example:443", false),
            ("https://a.shop.example:8443", true),
            ("https://a.b.shop.example:8443", true),
            ("https://a.shop.example", false),
            ("https://.shop.example:8443", false),
            ("https://shop.example:8443", false),
            ("https://evil.example/.shop.example:8443", false),
            ("https://evil.example?.shop.example:8443", false),
            ("https://u@evil.shop.example:8443", false),
            ("https://A.shop.example:8443", false),
            ("https://ashop.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origins.allow(origin), wanted, "{origin}");
        }
    }
}
