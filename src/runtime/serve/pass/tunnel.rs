//! Bytes both ways, once client and backend have changed protocols.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::runtime::backend::Patience;
use crate::time::Instant;

/// Carries bytes until both sides have said all, one has gone, or both are silent for too long.
pub(super) async fn run(client: OnUpgrade, backend: OnUpgrade, idle: &Patience) {
    idle.progress();
    let (Ok(client), Ok(backend)) = futures::future::join(client, backend).await else {
        return;
    };
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_backend, to_backend) = tokio::io::split(TokioIo::new(backend));
    let both = futures::future::try_join(copy(from_client, to_backend, idle), copy(from_backend, to_client, idle));
    tokio::select! {
        // Who left is no failure of ours.
        _ended = both => {}
        () = silence(idle) => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, idle: &Patience) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        idle.progress();
        to.write_all(buffer.get(..n).unwrap_or_default()).await?;
        to.flush().await?;
        idle.progress();
    }
}

async fn silence(idle: &Patience) {
    while idle.idle_until() > Instant::now() {
        tokio::time::sleep_until(idle.idle_until()).await;
    }
}
