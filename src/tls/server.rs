//! TLS of the public listener: which certificate for which name, and who must show one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Certificate, Failed, Identity, Mistake, Part, Pem, Stamp, Stream, Version, provider, roots};

/// How connections of clients are taken. Clones share the keys of tickets, so that every worker resumes every session.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    identities: Vec<Identity>,
    clients: Option<ClientAuth>,
    stamp: Stamp,
}

/// What a [`Server`] is made from.
#[derive(Debug)]
pub struct ServerSettings<'s> {
    /// At least one; the first is for those who ask for no name that another has.
    pub identities: &'s [Identity],
    /// Who may have signed the certificates of clients, and whether they must show one; `None` asks for none.
    pub clients: Option<(&'s Pem, ClientAuth)>,
    /// The least version.
    pub min_version: Version,
}

/// `client_auth:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client may show a certificate; one that it shows has to be sound.
    Optional,
    /// A client without a certificate is refused.
    #[default]
    Required,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted {
    /// What is inside.
    pub stream: Stream,
    /// What the client proved to be.
    pub certificate: Option<Certificate>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// It went on with an earlier session.
    pub resumed: bool,
    /// It chose HTTP/2, or HTTP/1.1, by ALPN; `None` where it does not know ALPN.
    pub http2: Option<bool>,
}

/// Certificates by the names that clients ask for (RFC 6066 §3).
#[derive(Debug, Default)]
struct Chooser {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Server {
    /// Reads what it is made from.
    pub fn new(settings: &ServerSettings<'_>) -> Result<Self, Mistake> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(settings.min_version.and_above());
        let internal = |error: rustls::Error| Mistake::new(Part::Certificate, error.to_string(), "");
        let builder = builder.map_err(internal)?;
        let builder = match settings.clients {
            None => builder.with_no_client_auth(),
            Some((ca, auth)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider());
                let verifier = match auth {
                    ClientAuth::Optional => verifier.allow_unauthenticated().build(),
                    ClientAuth::Required => verifier.build(),
                };
                let verifier = verifier.map_err(|error| Mistake::new(Part::Ca, error.to_string(), ""))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Chooser::of(settings.identities)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = Ticketer::new().map_err(internal)?;
        let (ca, auth) = settings
            .clients
            .map_or((&b""[..], None), |(ca, auth)| (ca.bytes(), Some(auth)));
        let settled = format!("{:?} {auth:?}", settings.min_version);
        let each = settings.identities.iter().map(|it| &it.stamp.0[..]);
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config),
            identities: settings.identities.to_vec(),
            clients: auth,
            stamp: Stamp::of([settled.as_bytes(), ca].into_iter().chain(each)),
        })))
    }

    /// Whether nobody is served without a certificate of their own.
    pub fn requires_certificates(&self) -> bool {
        self.0.clients == Some(ClientAuth::Required)
    }

    /// The certificates, as they were given.
    pub fn identities(&self) -> &[Identity] {
        &self.0.identities
    }

    /// Makes the handshake. `now` is the time since 1970 in seconds.
    ///
    /// Cancel safety: dropping the future closes the connection.
    pub async fn accept(&self, stream: TcpStream, now: i64) -> Result<Accepted, Failed> {
        let accepting = TlsAcceptor::from(self.0.config.clone()).accept(stream);
        let stream = accepting.await.map_err(|error| Failed::of(&error))?;
        let connection = stream.get_ref().1;
        let certificate = shown(connection)?;
        // A session that is resumed was verified when it began, which may be hours ago.
        if certificate.as_ref().is_some_and(|it| it.not_after < now) {
            return Err(Failed::new("expired", "certificate expired since the session began"));
        }
        Ok(Accepted {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "1.3",
            },
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            http2: connection.alpn_protocol().map(|it| it == b"h2"),
            certificate,
            stream: Stream::Secure(Box::new(stream.into())),
        })
    }
}

/// The certificate that a client showed, which was verified.
fn shown(connection: &ServerConnection) -> Result<Option<Certificate>, Failed> {
    let leaf = connection.peer_certificates().and_then(|it| it.first());
    let read = leaf.map(|it| Certificate::of(it)).transpose();
    read.map_err(|error| Failed::new("certificate", error.to_string()))
}

impl Identity {
    /// Whether no client is ever shown this certificate, as those `before` it have all of its names; the first of all is
    /// shown to those who ask for no name.
    pub fn is_hidden_by(&self, before: &[Self]) -> bool {
        let algorithm = self.key.key.algorithm();
        let same_kind = before.iter().filter(|it| it.key.key.algorithm() == algorithm);
        let names: Vec<&String> = same_kind.flat_map(|it| &it.certificate.dns_names).collect();
        !before.is_empty() && self.certificate.dns_names.iter().all(|it| names.contains(&it))
    }
}

impl Chooser {
    fn of(identities: &[Identity]) -> Self {
        let mut chooser = Self {
            default: identities.first().map(|it| it.key.clone()),
            ..Self::default()
        };
        for identity in identities {
            for name in &identity.certificate.dns_names {
                let of_name = match name.strip_prefix("*.") {
                    Some(parent) => chooser.wildcard.entry(parent.to_owned()),
                    None => chooser.exact.entry(name.clone()),
                };
                of_name.or_default().push(identity.key.clone());
            }
        }
        chooser
    }
}

impl ResolvesServerCert for Chooser {
    /// Exact names before wildcards before the default; of several for one name the first whose key the client understands.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let parent = name.split_once('.').map_or("", |it| it.1);
        let exact = self.exact.get(&name).into_iter().flatten();
        let of_name = exact.chain(self.wildcard.get(parent).into_iter().flatten());
        let mut fitting = of_name.filter(|it| it.key.choose_scheme(hello.signature_schemes()).is_some());
        fitting.next().or(self.default.as_ref()).cloned()
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.0.stamp == other.0.stamp
    }
}

impl Eq for Server {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("identities", &self.0.identities)
            .finish_non_exhaustive()
    }
}
