//! TLS towards backends: whom to trust, what to show, and which name to expect.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failed, Identity, Mistake, Part, Pem, Stamp, Stream, Version, provider, roots, system_roots};

/// How connections to the targets of one backend are made. Clones share sessions, which later connections resume.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Arc<ClientConfig>,
    speaks: Speaks,
    server_name: Option<ServerName<'static>>,
    identity: Option<Identity>,
    stamp: Stamp,
}

/// What a [`Client`] is made from.
#[derive(Debug, Default)]
pub struct ClientSettings<'s> {
    /// Who may have signed the server's certificate; `None` is whom the system trusts.
    pub ca: Option<&'s Pem>,
    /// What is shown to a server that asks.
    pub identity: Option<Identity>,
    /// The name of the server, for SNI and in its certificate; `None` is the host of the target.
    pub server_name: Option<&'s str>,
    /// The least version.
    pub min_version: Version,
    /// What is spoken inside.
    pub speaks: Speaks,
}

/// The protocol inside, as ALPN names it (RFC 7301).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// `http/1.1`; a server without ALPN is taken to speak it.
    #[default]
    Http1,
    /// `h2`: a server that does not choose it is refused.
    Http2,
    /// Redis, which has no name there.
    Redis,
}

impl Client {
    /// Reads what it is made from.
    pub fn new(settings: ClientSettings<'_>) -> Result<Self, Mistake> {
        let ClientSettings {
            ca,
            identity,
            server_name,
            min_version,
            speaks,
        } = settings;
        let (store, ca_stamp) = match ca {
            Some(pem) => (roots(pem)?, Stamp::of([pem.bytes()])),
            None => system_roots()?,
        };
        let parsed_name = server_name.map(|it| ServerName::try_from(it.to_owned())).transpose();
        let parsed_name = parsed_name.map_err(|_| {
            let what = "this is neither a DNS name nor an address";
            Mistake::new(
                Part::ServerName,
                what,
                "the name that stands in the server's certificate",
            )
        })?;
        let versions = min_version.and_above();
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        // The provider has suites for each version.
        let builder = builder.map_err(|error| Mistake::new(Part::Ca, error.to_string(), ""))?;
        let builder = builder.with_root_certificates(store);
        let mut config = match &identity {
            Some(it) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(it.key.clone()))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = speaks.alpn().map(<[u8]>::to_vec).into_iter().collect();
        let no_identity = Stamp::of([]);
        let stamp = Stamp::of([
            &ca_stamp.0[..],
            &identity.as_ref().map_or(no_identity, |it| it.stamp).0,
            server_name.unwrap_or_default().as_bytes(),
            format!("{min_version:?} {speaks:?}").as_bytes(),
        ]);
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config),
            speaks,
            server_name: parsed_name,
            identity,
            stamp,
        })))
    }

    /// What is shown to a server that asks.
    pub fn identity(&self) -> Option<&Identity> {
        self.0.identity.as_ref()
    }

    /// Makes the handshake. `host` is the target's, a name or an address.
    ///
    /// Cancel safety: dropping the future closes the connection.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> Result<Stream, Failed> {
        let it = &self.0;
        let name = match &it.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|_| {
                let sentence = "the host of the target can be in no certificate: say `server_name`";
                Failed::new("name", sentence)
            })?,
        };
        let connecting = TlsConnector::from(it.config.clone()).connect(name, stream);
        let stream = connecting.await.map_err(|error| Failed::of(&error))?;
        let chosen = stream.get_ref().1.alpn_protocol();
        match it.speaks {
            Speaks::Http2 if chosen != Speaks::Http2.alpn() => {
                let sentence = "the server does not speak HTTP/2 (ALPN `h2`), which gRPC needs";
                Err(Failed::new("protocol", sentence))
            }
            Speaks::Http1 | Speaks::Http2 | Speaks::Redis => Ok(Stream::Secure(Box::new(stream.into()))),
        }
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.0.stamp == other.0.stamp
    }
}

impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.0;
        f.debug_struct("Client")
            .field("speaks", &it.speaks)
            .field("server_name", &it.server_name)
            .field("identity", &it.identity)
            .finish_non_exhaustive()
    }
}

impl Speaks {
    fn alpn(self) -> Option<&'static [u8]> {
        match self {
            Self::Http1 => Some(b"http/1.1"),
            Self::Http2 => Some(b"h2"),
            Self::Redis => None,
        }
    }
}
