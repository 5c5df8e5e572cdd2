//! What comes before HTTP: the header of the PROXY protocol, then the handshake of TLS.
//!
//! Invariant: who has not said in time what has to be said here is not heard any longer, and nothing was read of what
//! belongs to the next layer.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::plan::Settings;
use crate::runtime::serve::Peer;
use crate::telemetry::{HandshakeLabels, Metrics, ReasonLabels};
use crate::time::since_epoch;
use crate::tls::{Failed, Stream};

/// A connection that may make requests.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) stream: Stream,
    pub(super) peer: Rc<Peer>,
    /// The version was agreed on; else the first bytes say it.
    pub(super) http2: Option<bool>,
}

/// Lets a connection in, or counts why not.
pub(super) async fn enter(
    stream: TcpStream,
    remote: IpAddr,
    settings: &Settings,
    metrics: &Metrics,
) -> Option<Entered> {
    let entering = tokio::time::timeout(settings.header_timeout, steps(stream, remote, settings, metrics));
    let late = || Failed::new("timeout", "neither header nor handshake came in time");
    match entering.await.unwrap_or_else(|_| Err(late())) {
        Ok(entered) => Some(entered),
        Err(Failed { reason, sentence }) => {
            metrics
                .connections_refused
                .get_or_create(&ReasonLabels { reason })
                .inc();
            // Anybody can make these lines.
            tracing::debug!(%remote, reason, sentence, "connection refused");
            None
        }
    }
}

async fn steps(
    mut stream: TcpStream,
    remote: IpAddr,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<Entered, Failed> {
    let address = match &settings.proxy_protocol {
        None => remote,
        Some(trusted) => proxied(&mut stream, remote, trusted).await?,
    };
    let Some(tls) = &settings.tls else {
        return Ok(Entered {
            stream: Stream::Plain(stream),
            peer: Peer::at(address),
            http2: None,
        });
    };
    let now = i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX);
    let accepted = tls.accept(stream, now).await?;
    let labels = HandshakeLabels {
        version: accepted.version,
        session: if accepted.resumed { "resumed" } else { "new" },
    };
    metrics.handshakes.get_or_create(&labels).inc();
    Ok(Entered {
        stream: accepted.stream,
        peer: Rc::new(Peer {
            address,
            certificate: accepted.certificate,
        }),
        http2: accepted.http2,
    })
}

// === PROXY protocol ===

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, line end included.
const MAX_LINE: usize = 107;
/// The longest header of version 2 behind its first 16 bytes; proxies send addresses and a few short values.
const MAX_REST: usize = 4_096;

/// The address of the client as the proxy says it; the proxy's own where it speaks for itself (`LOCAL`, `UNKNOWN`).
async fn proxied(stream: &mut TcpStream, remote: IpAddr, trusted: &[IpNet]) -> Result<IpAddr, Failed> {
    if !trusted.iter().any(|it| it.contains(&remote)) {
        let sentence = "only proxies of `proxy_protocol: { trusted }` may connect";
        return Err(Failed::new("proxy_untrusted", sentence));
    }
    let broken = |error: io::Error| Failed::new("closed", format!("before the end of the PROXY header: {error}"));
    let mut head = [0; SIGNATURE.len()];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let said = if &head == SIGNATURE {
        version_2(stream).await.map_err(broken)?
    } else if head.starts_with(b"PROXY ") {
        version_1(stream, &head).await.map_err(broken)?
    } else {
        return Err(Failed::new(
            "proxy_header",
            "the connection does not begin with a PROXY header",
        ));
    };
    let said = said.ok_or_else(|| Failed::new("proxy_header", "the PROXY header is malformed"))?;
    Ok(said.map_or(remote, |it| it.to_canonical()))
}

/// What a sound header says: the client's address, or nothing.
type Said = Option<Option<IpAddr>>;

async fn version_2(stream: &mut TcpStream) -> io::Result<Said> {
    let mut header = SIGNATURE.to_vec();
    header.resize(16, 0);
    if let Some(fixed) = header.get_mut(SIGNATURE.len()..) {
        stream.read_exact(fixed).await?;
    }
    let length = header
        .get(14..)
        .map_or(0, |it| it.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)));
    if length > MAX_REST {
        return Ok(None);
    }
    header.resize(16 + length, 0);
    if let Some(rest) = header.get_mut(16..) {
        stream.read_exact(rest).await?;
    }
    let Ok(header) = ppp::v2::Header::try_from(header.as_slice()) else {
        return Ok(None);
    };
    Ok(Some(match (header.command, header.addresses) {
        (ppp::v2::Command::Proxy, ppp::v2::Addresses::IPv4(it)) => Some(it.source_address.into()),
        (ppp::v2::Command::Proxy, ppp::v2::Addresses::IPv6(it)) => Some(it.source_address.into()),
        _ => None,
    }))
}

/// Looks before it reads, so that nothing behind the line is taken.
async fn version_1(stream: &mut TcpStream, head: &[u8]) -> io::Result<Said> {
    let mut line = head.to_vec();
    let mut ahead = [0; MAX_LINE];
    while !line.ends_with(b"\n") {
        let room = ahead.get_mut(..MAX_LINE - line.len()).unwrap_or_default();
        if room.is_empty() {
            return Ok(None);
        }
        let n_seen = stream.peek(room).await?;
        let seen = room.get(..n_seen).unwrap_or_default();
        if seen.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n_wanted = seen.iter().position(|it| *it == b'\n').map_or(n_seen, |it| it + 1);
        line.extend_from_slice(seen.get(..n_wanted).unwrap_or_default());
        if let Some(taken) = room.get_mut(..n_wanted) {
            stream.read_exact(taken).await?;
        }
    }
    let Ok(header) = ppp::v1::Header::try_from(line.as_slice()) else {
        return Ok(None);
    };
    Ok(Some(match header.addresses {
        ppp::v1::Addresses::Tcp4(it) => Some(it.source_address.into()),
        ppp::v1::Addresses::Tcp6(it) => Some(it.source_address.into()),
        ppp::v1::Addresses::Unknown => None,
    }))
}

#[cfg(test)]
mod tests;
