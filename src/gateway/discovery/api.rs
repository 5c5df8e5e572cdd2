//! GET requests to the APIs that know where backends are: a connection for each, JSON back.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, HOST};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::tls::{Client, ClientSettings, Pem};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer, or line of one.
const MAX_BYTES: usize = 16 << 20;

/// An API.
#[derive(Debug)]
pub(super) struct Api<'a> {
    /// `http://127.0.0.1:8500`, `https://kubernetes.default.svc`.
    pub(super) address: &'a str,
    /// Beside the request; the authorization is in it.
    pub(super) headers: HeaderMap,
    /// Whose certificates are trusted, for `https`; `None` is whom the system trusts.
    pub(super) ca_file: Option<&'a Path>,
}

/// An answer, as it arrives.
#[derive(Debug)]
pub(super) struct Lines {
    /// What was said before the body.
    pub(super) headers: HeaderMap,
    body: Incoming,
    read: BytesMut,
}

/// An answer that is no success, or none at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// With a status.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// In a sentence.
    #[error("{0}")]
    Other(String),
}

impl Api<'_> {
    /// Asks. The head of the answer comes within `patience`.
    pub(super) async fn get(&self, path: &str, patience: Duration) -> Result<Lines, Trouble> {
        let answer = tokio::time::timeout(patience, self.send(path)).await;
        let answer = answer.map_err(|_| other("it did not answer in time"))??;
        if !answer.status().is_success() {
            return Err(Trouble::Status(answer.status()));
        }
        let (head, body) = answer.into_parts();
        Ok(Lines {
            headers: head.headers,
            body,
            read: BytesMut::new(),
        })
    }

    async fn send(&self, path: &str) -> Result<http::Response<Incoming>, Trouble> {
        let uri: http::Uri = self.address.parse().map_err(other)?;
        let authority = uri.authority().ok_or_else(|| other("its address has no host"))?;
        let is_secure = uri.scheme_str() == Some("https");
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let mut request = http::Request::get(path).body(Empty::<Bytes>::new()).map_err(other)?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(other)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let bare = host.trim_matches(['[', ']']);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((bare, port))).await;
        let stream = stream.map_err(|_| other("no connection in time"))?.map_err(other)?;
        if !is_secure {
            return exchange(stream, request).await;
        }
        let stream = self.tls()?.connect(bare, stream).await.map_err(other)?;
        exchange(stream, request).await
    }

    fn tls(&self) -> Result<Client, Trouble> {
        let read = |file: &Path| {
            let text = std::fs::read_to_string(file);
            text.map_err(|error| other(format!("{}: {error}", file.display())))
        };
        let ca = self.ca_file.map(read).transpose()?.map(Pem::new);
        let settings = ClientSettings {
            ca: ca.as_ref(),
            ..ClientSettings::default()
        };
        Client::new(settings).map_err(other)
    }
}

async fn exchange<S>(stream: S, request: http::Request<Empty<Bytes>>) -> Result<http::Response<Incoming>, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
    tokio::spawn(async move {
        // How it ended is known to whoever reads the answer.
        let _ended = connection.await.is_ok();
    });
    sender.send_request(request).await.map_err(other)
}

impl Lines {
    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Value, Trouble> {
        while self.more().await? {}
        serde_json::from_slice(&self.read).map_err(other)
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Trouble> {
        loop {
            if let Some(end) = self.read.iter().position(|it| *it == b'\n') {
                let line = self.read.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(other);
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    async fn more(&mut self) -> Result<bool, Trouble> {
        let Some(frame) = self.body.frame().await else {
            return Ok(false);
        };
        if let Ok(data) = frame.map_err(other)?.into_data() {
            self.read.extend_from_slice(&data);
        }
        if self.read.len() > MAX_BYTES {
            return Err(other("its answer is too long"));
        }
        Ok(true)
    }
}

/// What went wrong, in its own words.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn other(error: impl ToString) -> Trouble {
    Trouble::Other(error.to_string())
}
