//! Connections of the admin listener, over TLS where the gateway file says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::gateway::listen::Shared;
use crate::time::since_epoch;
use crate::tls::{Failed, Stream};

/// Connections that may make requests, one after the other.
#[derive(Debug)]
pub(super) struct Connections {
    address: SocketAddr,
    entered: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Connections {
    /// Takes connections for as long as the runtime lives. Nobody waits for the handshake of another.
    pub(super) fn of(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, entered) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                let Ok((stream, remote)) = listener.accept().await else {
                    // Out of descriptors, most likely.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (shared, sender) = (shared.clone(), sender.clone());
                tokio::spawn(async move {
                    match enter(stream, &shared).await {
                        // Where nobody receives any more the process ends.
                        Ok(stream) => drop(sender.send((stream, remote)).await),
                        Err(failed) => tracing::debug!(%remote, %failed, "admin connection refused"),
                    }
                });
            }
        });
        Ok(Self { address, entered })
    }
}

async fn enter(stream: TcpStream, shared: &Shared) -> Result<Stream, Failed> {
    let snapshot = shared.snapshot.load_full();
    let settings = &snapshot.plan.settings;
    let Some(tls) = &settings.admin_tls else {
        return Ok(Stream::Plain(stream));
    };
    let now = i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX);
    let accepting = tokio::time::timeout(settings.header_timeout, tls.accept(stream, now));
    let late = |_| Failed::new("timeout", "the handshake did not end in time");
    Ok(accepting.await.map_err(late)??.stream)
}

impl axum::serve::Listener for Connections {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.entered.recv().await {
            Some(entered) => entered,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
