//! gRPC over our own HTTP/2 connections: one request message out, one reply message in, both as the bytes they are.
//!
//! Framing, status and trailers are read here; `channel` owns connections. h2 is used without hyper around it: a call then
//! costs no task and no channel hop, and its errors say what was not sent.
//! Invariant: a request is sent twice only where the first was provably not seen.

mod channel;
mod connection;
mod reply;

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{FutureExt, LocalBoxFuture};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use http::{Method, Version};
use tonic::Code;

use self::channel::{Channels, Link};
use super::{Attempt, Backend, Failure, Readiness, Reply, Request, Retry};
use crate::codec::number::write_u64;
use crate::plan::{self, Target};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// A call moves on from so many connections that end without having looked at it.
const MAX_MOVES: usize = 8;
/// The bytes before a message: compressed or not, and its length.
const PREFIX: usize = 5;

/// A target of a gRPC backend, as one worker sees it.
#[derive(Debug)]
pub struct GrpcBackend {
    channels: Rc<Channels>,
    /// What every request carries.
    headers: HeaderMap,
    max_message: usize,
}

impl GrpcBackend {
    /// Connects nothing yet. Connections that are made again are counted in `remade`.
    pub fn new(backend: &plan::Backend, target: &Target, remade: &Arc<AtomicU64>) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in &backend.headers {
            headers.append(name, value.clone());
        }
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("weft/", env!("CARGO_PKG_VERSION"))),
        );
        Self {
            channels: Channels::new(target, backend.tls.as_ref(), backend.keepalive, remade),
            headers,
            max_message: backend.max_message,
        }
    }

    async fn unary(&self, outgoing: &Outgoing<'_>, attempt: &Attempt) -> Result<Reply, Failure> {
        let mut n_moves = 0;
        loop {
            let link = self.channels.link().await?;
            match self.exchange(&link, outgoing, attempt).await {
                // The connection had gone, or the backend was about to leave: another one may take it. What was refused on a
                // connection that stays is sent once more.
                Err(failure) if failure.retry == Retry::Always => {
                    let most = if link.is_current() { 1 } else { MAX_MOVES };
                    if n_moves >= most {
                        return Err(failure);
                    }
                }
                ended => return ended,
            }
            attempt.sent.clear();
            n_moves += 1;
        }
    }

    /// Hears the messages of a stream that answers an empty message. It has no deadline.
    async fn hear(
        &self,
        path: &Arc<str>,
        authorization: Option<Arc<HeaderValue>>,
        hear: &dyn Fn(Bytes),
    ) -> Result<(), Failure> {
        let link = self.channels.link().await?;
        let mut sender = link.sender();
        if let Err(error) = poll_fn(|cx| sender.poll_ready(cx)).await {
            link.abandon();
            return Err(Failure::connect(error));
        }
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = link.uri(path)?;
        *request.headers_mut() = super::merged(&self.headers, &HeaderMap::new(), authorization.as_deref());
        let (response, mut stream) = sender.send_request(request, false).map_err(|error| {
            link.abandon();
            Failure::connect(error)
        })?;
        drop(sender);
        stream.send_data(frame(&[])?, true).map_err(channel::failure_of)?;
        let response = response.await.map_err(|error| {
            link.note(&error);
            channel::failure_of(error)
        })?;
        reply::each(response, self.max_message, hear).await
    }

    async fn exchange(&self, link: &Link, outgoing: &Outgoing<'_>, attempt: &Attempt) -> Result<Reply, Failure> {
        let mut sender = link.sender();
        if let Err(error) = poll_fn(|cx| sender.poll_ready(cx)).await {
            link.abandon();
            return Err(Failure::connect(error));
        }
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = link.uri(outgoing.path)?;
        let mut headers = super::merged(&self.headers, outgoing.metadata, attempt.authorization.as_deref());
        headers.insert(GRPC_TIMEOUT, grpc_timeout(attempt.deadline.left()));
        *request.headers_mut() = headers;
        attempt.sent.mark();
        let (response, mut stream) = sender.send_request(request, false).map_err(|error| {
            link.abandon();
            Failure::connect(error)
        })?;
        drop(sender);
        stream
            .send_data(outgoing.body.clone(), true)
            .map_err(channel::failure_of)?;
        // A call that is given up before anything came back leaves a doubt about the connection.
        let doubt = link.doubt();
        let response = response.await;
        doubt.settle();
        let response = response.map_err(|error| {
            link.note(&error);
            channel::failure_of(error)
        })?;
        reply::read(response, self.max_message).await
    }
}

/// A request as it goes out, but for its deadline.
#[derive(Debug)]
struct Outgoing<'c> {
    path: &'c Arc<str>,
    metadata: &'c HeaderMap,
    /// The framed message.
    body: Bytes,
}

impl Backend for GrpcBackend {
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>> {
        async move {
            match request {
                Request::Grpc {
                    path,
                    message,
                    metadata,
                } => {
                    let body = frame(message)?;
                    let outgoing = Outgoing { path, metadata, body };
                    let reply = self.unary(&outgoing, &attempt).await;
                    reply.map_err(|failure| in_time(failure, &attempt))
                }
                Request::Http { .. } => Err(Failure::bug("an HTTP request for a gRPC backend")),
            }
        }
        .boxed_local()
    }

    fn listen<'c>(
        &'c self,
        path: &'c Arc<str>,
        authorization: Option<Arc<HeaderValue>>,
        hear: &'c dyn Fn(Bytes),
    ) -> LocalBoxFuture<'c, Failure> {
        async move {
            let ended = self.hear(path, authorization, hear).await;
            ended.err().unwrap_or_else(|| Failure::bad_reply("the stream ended"))
        }
        .boxed_local()
    }

    fn readiness(&self) -> Readiness {
        self.channels.readiness()
    }

    fn warm(&self) {
        self.channels.connect();
    }

    fn connected(&self) -> LocalBoxFuture<'_, ()> {
        self.channels.connected().boxed_local()
    }
}

/// A server that keeps the deadline which it was told may answer CANCELLED, just before the caller's own timer is looked at.
fn in_time(failure: Failure, attempt: &Attempt) -> Failure {
    if failure.code == Code::Cancelled && attempt.deadline.left().is_zero() {
        Failure::deadline()
    } else {
        failure
    }
}

/// The message behind its prefix. One above 4 GiB does not exist, since everything that makes one is bounded.
fn frame(message: &[u8]) -> Result<Bytes, Failure> {
    let length = u32::try_from(message.len()).map_err(|_| Failure::limit("a request message of 4 GiB"))?;
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Ok(framed.freeze())
}

/// What is left, rounded up, in the smallest unit whose number has at most eight digits.
fn grpc_timeout(left: Duration) -> HeaderValue {
    const MOST: u64 = 99_999_999;
    let units = [
        (1_000, b'u'),
        (1_000_000, b'm'),
        (1_000_000_000, b'S'),
        (60_000_000_000, b'M'),
    ];
    let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (number, unit) = units
        .iter()
        .map(|&(size, unit)| (nanos.div_ceil(size), unit))
        .find(|&(number, _)| number <= MOST)
        .unwrap_or((MOST, b'H'));
    let mut text = Vec::with_capacity(9);
    write_u64(number, &mut text);
    text.push(unit);
    // Digits and a letter are always visible ASCII.
    let mut value = HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0u"));
    // Hardly ever the same again: it is not to push anything out of the tables of HPACK (RFC 7541 §2.3.2).
    value.set_sensitive(true);
    value
}

thread_local! {
    static NEXT_LINK: Cell<u64> = const { Cell::new(0) };
}

/// A number that no other connection of this worker has.
fn next_link() -> u64 {
    NEXT_LINK.replace(NEXT_LINK.get().wrapping_add(1))
}

#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod tests;
