//! `auth:` of backends: the token that the gateway's calls carry, and how it is had.

use std::time::Duration;

use http::HeaderValue;

use super::{Address, BackendIndex, Secret};

/// `client_credentials:` (RFC 6749 §4.4).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Who gives the token.
    pub backend: BackendIndex,
    /// Where.
    pub at: Address,
    /// Who we are, where a header says so (RFC 6749 §2.3.1).
    pub authorization: Option<HeaderValue>,
    /// The body of the request for a token; who we are stands in it where no header says so.
    pub form: Secret,
    /// How long it may take, attempts included.
    pub timeout: Duration,
}

impl ClientCredentials {
    /// Whether the same would be asked for, of the same; backends may have other places in another plan.
    pub fn is_same(&self, other: &Self) -> bool {
        self.at == other.at && self.authorization == other.authorization && self.form == other.form
    }
}
