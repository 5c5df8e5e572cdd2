//! Who may ask: those who say who a client is, and what each endpoint demands of it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use super::{BackendIndex, Target};
use crate::auth::api_key::Holders;
use crate::auth::basic::Users;
use crate::auth::jwk::KeySet;
use crate::auth::jwt::Rules;
use crate::auth::revoked::Revoked;
use crate::auth::signature::{self, Signers};
use crate::auth::{Claims, Why};
use crate::expr::{JsonReader, Slot, TypeKind, Value};

/// Names a provider of a [`super::Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderIndex(pub usize);

/// An entry of `auth:` in weft.yaml.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Arc<str>,
    /// What a client shows, and how that is verified.
    pub kind: ProviderKind,
    /// What its `claims:` say.
    pub claims: Arc<[ClaimRule]>,
    /// Where the roles of a client stand among its claims.
    pub roles: Vec<Arc<str>>,
    /// Where its scopes stand: all of these.
    pub scopes: Vec<Vec<Arc<str>>>,
    /// Who is no longer accepted.
    pub revoked: Revoked,
}

/// Headers that say who somebody is, whatever providers there are (semantics.md 5.5).
pub const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// What a client shows, and how that is verified.
#[derive(Debug)]
pub enum ProviderKind {
    /// A key of its own in a header.
    ApiKey {
        /// The header.
        header: HeaderName,
        /// Everybody who has one.
        holders: Arc<Holders>,
    },
    /// A name and a password.
    Basic(Arc<Users>),
    /// A certificate, shown when the connection was made.
    ClientCertificate,
    /// A token that its issuer is asked about (RFC 7662).
    Introspection(Introspection),
    /// A signed token.
    Jwt {
        /// What is demanded of it.
        rules: Rules,
        /// Where the keys are that verify it.
        keys: Keys,
    },
    /// A signature of the request (RFC 9421).
    Signature {
        /// What is demanded of it.
        rules: signature::Rules,
        /// Everybody who may sign.
        signers: Arc<Signers>,
    },
}

/// Where keys are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// In a file, or in the gateway file itself.
    Local(Arc<KeySet>),
    /// At the issuer's.
    Fetched(Fetch),
}

/// Keys that are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Who is asked.
    pub backend: BackendIndex,
    /// Where.
    pub from: Address,
    /// There is no key set, but what says where it is (`OpenID` Connect Discovery 1.0 §4), and this is the issuer that it must name.
    pub discovery: Option<Arc<str>>,
}

/// An address to ask at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host.
    pub target: Target,
    /// Over TLS.
    pub secure: bool,
    /// Path and query.
    pub path: Arc<str>,
}

/// A token that its issuer is asked about.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Who is asked.
    pub backend: BackendIndex,
    /// Where.
    pub at: Address,
    /// Who we are.
    pub authorization: HeaderValue,
    /// How long an answer is believed at most.
    pub believed: Duration,
    /// How long the issuer may take.
    pub timeout: Duration,
    /// Of which one must be the token's audience; empty for any.
    pub audiences: Vec<Arc<str>>,
}

/// A declared claim.
#[derive(Debug)]
pub struct ClaimRule {
    /// Its path.
    pub path: Vec<Arc<str>>,
    /// Reads it.
    pub reader: JsonReader,
    /// A credential without it is refused.
    pub demanded: bool,
}

/// Who may ask for an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who it must be.
    pub who: Who,
    /// Of which the client must have one; empty for any.
    pub roles: Vec<Arc<str>>,
    /// All of which the client must have.
    pub scopes: Vec<Arc<str>>,
    /// `allow:` as it is written, without its `$`: for people. What is evaluated is the recipe's.
    pub allow: Option<Arc<str>>,
}

/// Who a client must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// Known to all of these. The claims are the first's; those of each other stand below its name.
    AllOf(Vec<ProviderIndex>),
    /// Known to one of these, or, with `visitors`, nobody in particular.
    AnyOf {
        /// In the order in which they are tried.
        providers: Vec<ProviderIndex>,
        /// Who shows nothing may ask, too.
        visitors: bool,
    },
    /// Anyone: nobody looks at what is shown.
    #[default]
    Anyone,
}

/// A claim that expressions mention.
#[derive(Debug)]
pub struct Claim {
    /// Its path; empty for all claims.
    pub path: Vec<Arc<str>>,
    /// Where it goes. Null for a visitor.
    pub slot: Slot,
    /// Reads it.
    pub reader: JsonReader,
}

/// Checks that the declared claims are there, and what they are declared to be.
pub fn conform(claims: &Claims, rules: &[ClaimRule]) -> Result<(), Why> {
    let holds = |rule: &ClaimRule| match claims.at(&rule.path) {
        Some(found) => rule.reader.read(claims.text().slice_ref(found)).is_ok(),
        None => !rule.demanded,
    };
    if rules.iter().all(holds) {
        Ok(())
    } else {
        Err(Why::Claims)
    }
}

impl Provider {
    /// The header of its own in which a client shows a credential, beside `authorization`.
    pub fn header(&self) -> Option<&HeaderName> {
        match &self.kind {
            ProviderKind::ApiKey { header, .. } => Some(header),
            _ => None,
        }
    }

    /// Whether what a client shows can say scopes. A token may; of each key and signer it is known what is said of them; a
    /// password and a certificate say little but a name.
    pub fn may_say_scopes(&self) -> bool {
        let in_claims = |claims: &Claims| self.scopes.iter().any(|it| claims.at(it).is_some());
        let in_names = |names: &[&str]| self.scopes.iter().any(|it| it.len() == 1 && names.contains(&&*it[0]));
        match &self.kind {
            ProviderKind::ApiKey { holders, .. } => holders.claims().any(in_claims),
            ProviderKind::Basic(_) => in_names(&["sub"]),
            ProviderKind::ClientCertificate => in_names(&["cn", "san", "sub"]),
            ProviderKind::Introspection(_) | ProviderKind::Jwt { .. } => true,
            ProviderKind::Signature { signers, .. } => signers.claims().any(in_claims),
        }
    }
}

impl Fetch {
    /// Where an issuer says where its keys are (`OpenID` Connect Discovery 1.0 §4): behind its own path.
    pub fn discovery_url(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Whether the same would be fetched; backends may have other places in another plan.
    pub fn is_same(&self, other: &Self) -> bool {
        self.from == other.from && self.discovery == other.discovery
    }
}

impl Address {
    /// Reads `https://host:port/path?query`.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok().filter(|_| !url.contains('#'))?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let secure = scheme == "https";
        if !(secure || scheme == "http") || authority.as_str().contains('@') {
            return None;
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = authority.host();
        Some(Self {
            target: Target::new(format!("{host}:{port}"), host.trim_matches(['[', ']']), port),
            secure,
            path: uri.path_and_query().map_or("/", |it| it.as_str()).into(),
        })
    }
}

impl Claim {
    /// The value of the claim; null where there is none, and an empty list where a list is declared.
    pub fn value(&self, claims: Option<&Claims>) -> Value {
        let Some(claims) = claims else { return Value::Null };
        match claims.at(&self.path) {
            Some(found) => self.reader.read(claims.text().slice_ref(found)).unwrap_or_default(),
            None if matches!(self.reader.ty().kind, TypeKind::List(_)) => Value::list(Vec::new()),
            None => Value::Null,
        }
    }
}

impl Who {
    /// The providers, in order.
    pub fn providers(&self) -> &[ProviderIndex] {
        match self {
            Self::AllOf(providers) | Self::AnyOf { providers, .. } => providers,
            Self::Anyone => &[],
        }
    }

    /// Whether somebody who shows nothing is turned away.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::AllOf(_) => true,
            Self::AnyOf { visitors, .. } => !visitors,
            Self::Anyone => false,
        }
    }
}
