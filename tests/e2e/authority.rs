//! Certificates for one test, and TLS on the other side of the gateway: clients, and backends that are reached over TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, StreamOwned};

use super::process::{Answer, Folder, parse};

/// Who signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

impl Pair {
    /// As `name.pem` and `name.key`.
    pub fn write(&self, folder: &Folder, name: &str) {
        folder.write(&format!("{name}.pem"), &self.cert);
        folder.write(&format!("{name}.key"), &self.key);
    }
}

/// An answer and how it was asked for.
pub struct Asked {
    pub answer: Answer,
    pub kind: Option<HandshakeKind>,
    pub alpn: Option<Vec<u8>>,
    /// The certificate that was shown.
    pub shown: CertificateDer<'static>,
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a root"),
        }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| {})
    }

    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|it| match it.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*it).try_into().expect("a name")),
            })
            .collect();
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        Pair {
            cert: params.signed_by(&key, &self.issuer).expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        roots
    }

    /// A client that trusts this authority, may show a certificate, and offers HTTP/1.1.
    pub fn client(&self, pair: Option<&Pair>) -> ClientConfig {
        self.client_of(pair, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    pub fn client_of(
        &self,
        pair: Option<&Pair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let builder = builder.expect("versions").with_root_certificates(self.roots());
        let mut config = match pair {
            Some(pair) => builder.with_client_auth_cert(pair.chain(), pair.key()).expect("a pair"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    /// A server that shows a certificate, and may want one of this authority.
    pub fn server(&self, pair: &Pair, alpn: &[&[u8]], wants_client: bool) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if wants_client {
            let roots = Arc::new(self.roots());
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(pair.chain(), pair.key()).expect("a pair");
        config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
        config
    }
}

impl Pair {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert.as_bytes())
            .collect::<Result<_, _>>()
            .expect("certificates")
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }

    pub fn leaf(&self) -> CertificateDer<'static> {
        self.chain().remove(0)
    }
}

/// Asks over a connection of its own, which begins with `before`. The error is what the connection says.
pub fn ask(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
    before: &[u8],
    target: &str,
) -> Result<Asked, String> {
    let mut socket = TcpStream::connect(address).map_err(|it| it.to_string())?;
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    socket.write_all(before).map_err(|it| it.to_string())?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(config.clone(), name).map_err(|it| it.to_string())?;
    let mut stream = StreamOwned::new(connection, socket);
    let request = format!("GET {target} HTTP/1.1\r\nhost: weft\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|it| it.to_string())?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).map_err(|it| it.to_string())?;
    let shown = stream
        .conn
        .peer_certificates()
        .and_then(|it| it.first())
        .expect("a certificate");
    Ok(Asked {
        answer: parse(&all),
        kind: stream.conn.handshake_kind(),
        alpn: stream.conn.alpn_protocol().map(<[u8]>::to_vec),
        shown: shown.clone().into_owned(),
    })
}

/// Takes connections over TLS, and passes what is inside on.
pub struct Terminator {
    pub address: SocketAddr,
    /// How each handshake went: new or resumed, and the certificate that was shown.
    pub seen: Arc<std::sync::Mutex<Vec<Handshake>>>,
}

/// How a handshake went.
pub type Handshake = (HandshakeKind, Option<CertificateDer<'static>>);

impl Terminator {
    pub fn start(config: ServerConfig, to: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a listener");
        let config = Arc::new(config);
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let it = Self {
            address,
            seen: seen.clone(),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((near, _)) = listener.accept().await {
                    let (config, seen) = (config.clone(), seen.clone());
                    tokio::spawn(async move {
                        let Ok(mut near) = tokio_rustls::TlsAcceptor::from(config).accept(near).await else {
                            return;
                        };
                        let connection = near.get_ref().1;
                        let shown = connection.peer_certificates().and_then(|it| it.first());
                        let shown = shown.map(|it| it.clone().into_owned());
                        let kind = connection.handshake_kind().expect("a handshake");
                        seen.lock().expect("no panic").push((kind, shown));
                        let mut far = tokio::net::TcpStream::connect(to).await.expect("the backend");
                        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await.is_ok();
                    });
                }
            });
        });
        it
    }
}
