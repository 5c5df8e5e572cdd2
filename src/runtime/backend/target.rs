//! One TCP connection to one target.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::plan::Target;

/// How long one attempt to connect may take, whatever the calls that wait for it allow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves and connects, small frames sent at once. Tries each address that the name has.
pub async fn connect(target: &Target) -> io::Result<TcpStream> {
    let attempt = TcpStream::connect((&*target.host, target.port));
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(stream) => stream?,
        Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}
