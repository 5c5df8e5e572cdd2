//! One connection to one target, secured or not.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::plan::Target;
use crate::tls::{Client, Stream};

/// How long one attempt to connect may take, handshake included, whatever the calls that wait for it allow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves and connects, small frames sent at once; over TLS where that is given. Tries each address that the name has.
pub async fn connect(target: &Target, tls: Option<&Client>) -> io::Result<Stream> {
    let attempt = async {
        let stream = TcpStream::connect((&*target.host, target.port)).await?;
        stream.set_nodelay(true)?;
        Ok(match tls {
            None => Stream::Plain(stream),
            Some(tls) => tls.connect(name(target), stream).await?,
        })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(stream) => stream,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// The name that the target's certificate has to have: what it was called, whatever address was found for it.
fn name(target: &Target) -> &str {
    let host = target.authority.rsplit_once(':').map_or(&*target.authority, |it| it.0);
    host.trim_start_matches('[').trim_end_matches(']')
}
