//! `proxy:`: a request that is handed over as it is, and an answer that is handed back.

use std::sync::Arc;

use http::{HeaderName, header};

use super::{CREDENTIALS, CallIndex};

/// `proxy:` and `forward:`.
#[derive(Debug)]
pub struct Proxy {
    /// The call of the graph that says to whom and where: an HTTP call that the graph itself never starts.
    pub call: CallIndex,
    /// Headers of the request that are handed over.
    pub request: Arc<Forward>,
    /// Headers of the answer.
    pub response: Arc<Forward>,
}

/// Headers that are handed over.
#[derive(Debug, Default)]
pub struct Forward {
    /// These.
    pub names: Vec<HeaderName>,
    /// And those that begin so, credentials and cookies left out.
    pub starts: Vec<Arc<str>>,
    /// Headers with credentials of clients, beside those that always hold some.
    pub secrets: Vec<HeaderName>,
}

impl Forward {
    /// Whether a header is handed over.
    pub fn allows(&self, name: &HeaderName) -> bool {
        let begins = || self.starts.iter().any(|it| name.as_str().starts_with(&**it));
        self.names.contains(name) || (!self.withholds(name) && begins())
    }

    /// Whether it is a credential or a cookie that nobody named.
    pub fn withholds(&self, name: &HeaderName) -> bool {
        !self.names.contains(name) && (is_secret(name) || self.secrets.contains(name))
    }
}

/// Credentials and cookies, which are handed over only where they are named.
fn is_secret(name: &HeaderName) -> bool {
    CREDENTIALS.contains(name) || [header::PROXY_AUTHENTICATE, header::SET_COOKIE].contains(name)
}
