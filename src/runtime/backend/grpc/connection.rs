//! One HTTP/2 connection: how it is made, moved, and found to be dead.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::super::target;
use crate::plan::{Keepalive, Target};
use crate::tls;

/// How long a connection may take to say how many streams it takes.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(5);
/// As many streams as no backend can name: it has not said yet how many it takes.
const UNSAID: usize = usize::MAX - 1;
/// How long a connection in doubt has to answer a ping.
const PONG_TIMEOUT: Duration = Duration::from_secs(5);
/// What a backend may send on one stream before we have read any of it.
const STREAM_WINDOW: u32 = 1 << 20;
/// What it may send on all streams together.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Most replies then are one frame, which is not copied.
const MAX_FRAME: u32 = 1 << 17;
/// Cancelled streams whose late frames are dropped without a word.
const MAX_REMEMBERED: usize = 1_024;
/// Of the headers and trailers of a reply.
const MAX_HEADERS: u32 = 64 << 10;

/// A connection whose settings are there: how many streams it may have is known before the first is opened.
pub(super) async fn connect(
    target: &Target,
    tls: Option<&tls::Client>,
) -> io::Result<(SendRequest<Bytes>, Connection<tls::Stream, Bytes>)> {
    let stream = target::connect(target, tls).await?;
    let handshake = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(UNSAID)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        // Cancelled calls leave late frames behind. They are expected: no number of them is a reason to close the connection.
        .max_concurrent_reset_streams(MAX_REMEMBERED)
        .max_local_error_reset_streams(None)
        .handshake(stream);
    let (sender, mut connection) = handshake.await.map_err(io::Error::other)?;
    let settings = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
        Poll::Pending if sender.current_max_send_streams() == UNSAID => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    });
    match tokio::time::timeout(SETTINGS_TIMEOUT, settings).await {
        Ok(said) => said?,
        Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing in HTTP/2")),
    }
    Ok((sender, connection))
}

/// Moves the bytes of a connection until it ends, or until it is `silent`. How it ended is known to the calls under way.
pub(super) async fn drive<T>(connection: &mut Connection<T, Bytes>, silent: impl Future<Output = ()>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut silent = pin!(silent);
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => silent.as_mut().poll(cx),
    })
    .await;
}

/// Ends when a connection that was in doubt, or whose time for a ping it was, has not answered one.
pub(super) async fn silence(ping_pong: Option<PingPong>, doubt: Rc<Notify>, keepalive: Option<Keepalive>) {
    let Some(mut ping_pong) = ping_pong else {
        return std::future::pending().await;
    };
    let patience = keepalive.map_or(PONG_TIMEOUT, |it| it.timeout);
    // Backends count pings: one for each such span is enough.
    let pause = keepalive.map_or(PONG_TIMEOUT, |it| it.interval.min(PONG_TIMEOUT));
    let mut next = keepalive.map(|it| it.interval);
    loop {
        match next {
            // In doubt, or in time: a ping either way.
            Some(next) => drop(tokio::time::timeout(next, doubt.notified()).await),
            None => doubt.notified().await,
        }
        let pong = tokio::time::timeout(patience, ping_pong.ping(Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
        tokio::time::sleep(pause).await;
        next = keepalive.map(|it| it.interval.saturating_sub(pause));
    }
}
