//! HTTP/1.1 backends: a small pool of connections for each target, and replies checked once.
//!
//! `reply` says what a reply must look like, `directives` reads what it says about keeping it. Redirects are failures.
//! Invariant: a request is sent twice only where the first was provably not seen, or where RFC 9112 §9.3.1 allows it: an
//! idempotent method on a connection that was used before and closed without a byte of reply.

mod directives;
mod pass;
pub mod reply;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture};
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use self::pass::Outbound;
use super::{Attempt, Backend, Failure, Handed, Readiness, Reply, Request, Sent, Stream, Unpassed, target};
use crate::plan::{self, Accept, Target};
use crate::time::Instant;
use crate::tls;

/// How long a connection may lie idle before it is no longer trusted.
const MAX_IDLE: Duration = Duration::from_mins(1);
/// Idle connections for one target of one worker.
const MAX_POOLED: usize = 256;
/// How long a target that could not be reached is tried last.
const PAUSE: Duration = Duration::from_secs(1);

/// A target of an HTTP backend, as one worker sees it.
#[derive(Debug)]
pub struct HttpBackend {
    pool: Rc<Pool>,
    /// What every request carries.
    headers: HeaderMap,
    max_message: usize,
}

/// The connections to one target.
#[derive(Debug)]
struct Pool {
    target: Target,
    tls: Option<tls::Client>,
    /// What it is called in `host`.
    host: Option<HeaderValue>,
    /// The one that was used last stands last.
    idle: RefCell<VecDeque<Idle>>,
    down_until: Cell<Option<Instant>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outbound>,
    since: Instant,
}

/// A connection that a call uses, and whether it was used before.
#[derive(Debug)]
struct Taken<'p> {
    pool: &'p Pool,
    sender: SendRequest<Outbound>,
    used: bool,
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    Fresh,
}

impl HttpBackend {
    /// Connects nothing yet.
    pub fn new(backend: &plan::Backend, target: &Target) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("weft/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut own = HeaderMap::new();
        for (name, value) in &backend.headers {
            own.append(name, value.clone());
        }
        headers.extend(own);
        Self {
            pool: Rc::new(Pool {
                host: HeaderValue::try_from(&*target.authority).ok(),
                target: target.clone(),
                tls: backend.tls.clone(),
                idle: RefCell::default(),
                down_until: Cell::new(None),
            }),
            headers,
            max_message: backend.max_message,
        }
    }

    async fn exchange(&self, outgoing: &Outgoing<'_>, attempt: &Attempt) -> Result<Reply, Failure> {
        let repeatable = outgoing.method.is_idempotent();
        let head = *outgoing.method == Method::HEAD;
        let mut wanted = Wanted::Any;
        loop {
            let mut taken = self.pool.take(wanted).await?;
            let request = self.request(outgoing, taken.pool, attempt)?;
            attempt.sent.mark();
            let mut error = match taken.sender.try_send_request(request).await {
                Ok(response) => {
                    let reply = reply::read(response, outgoing.accept, head, self.max_message).await?;
                    taken.put_back();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let unsent = error.take_message().is_some();
            if unsent {
                attempt.sent.clear();
            }
            let error = error.into_error();
            let unanswered = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
            match unsent {
                true if wanted == Wanted::Any => {}
                true => return Err(Failure::connect(error)),
                false if repeatable && taken.used && unanswered => {}
                false => return Err(Failure::connection(error)),
            }
            // A second connection is made for it, so that it cannot have died unnoticed as well.
            wanted = Wanted::Fresh;
        }
    }

    fn request(
        &self,
        outgoing: &Outgoing<'_>,
        pool: &Pool,
        attempt: &Attempt,
    ) -> Result<http::Request<Outbound>, Failure> {
        let host = pool.host.clone();
        let host = host.ok_or_else(|| Failure::bug("an authority that is no header value"))?;
        let mut request = http::Request::new(Outbound::Whole(Full::new(outgoing.body.cloned().unwrap_or_default())));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.uri.clone();
        let headers = request.headers_mut();
        *headers = super::merged(&self.headers, outgoing.headers, attempt.authorization.as_deref());
        headers.insert(HOST, host);
        if !outgoing.headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static(media_types(outgoing.accept)));
        }
        Ok(request)
    }
}

/// A request as it goes out, but for what is said to every backend and to this target.
#[derive(Debug)]
struct Outgoing<'c> {
    method: &'c Method,
    uri: Uri,
    headers: &'c HeaderMap,
    body: Option<&'c Bytes>,
    accept: Accept,
}

impl Backend for HttpBackend {
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>> {
        async move {
            let Request::Http {
                method,
                path_and_query,
                headers,
                body,
                accept,
            } = request
            else {
                return Err(Failure::bug("a gRPC call for an HTTP backend"));
            };
            let outgoing = Outgoing {
                method,
                uri: Uri::try_from(path_and_query.as_str()).map_err(|_| Failure::bad_path(None))?,
                headers,
                body: body.as_ref(),
                accept: *accept,
            };
            self.exchange(&outgoing, &attempt).await
        }
        .boxed_local()
    }

    fn pass(&self, request: Handed, sent: Sent) -> LocalBoxFuture<'_, Result<http::Response<Stream>, Unpassed>> {
        self.hand_over(request, sent).boxed_local()
    }

    fn readiness(&self) -> Readiness {
        match self.pool.down_until.get() {
            Some(until) if until > Instant::now() => Readiness::Down,
            _ => Readiness::Ready,
        }
    }
}

/// What is asked for.
fn media_types(accept: Accept) -> &'static str {
    match accept {
        Accept::Bytes => "*/*",
        Accept::Json => "application/json",
        Accept::Text => "text/plain, text/*;q=0.9, */*;q=0.1",
        Accept::Xml => "application/xml, text/xml;q=0.9",
    }
}

// === impl Pool ===

impl Pool {
    async fn take(&self, wanted: Wanted) -> Result<Taken<'_>, Failure> {
        while wanted == Wanted::Any
            && let Some(mut idle) = self.pop()
        {
            // Waits for the connection's task to have seen the end of the last reply; fails where it was closed.
            if idle.sender.ready().await.is_ok() {
                return Ok(Taken {
                    pool: self,
                    sender: idle.sender,
                    used: true,
                });
            }
        }
        match self.connect().await {
            Ok(sender) => {
                self.down_until.set(None);
                Ok(Taken {
                    pool: self,
                    sender,
                    used: false,
                })
            }
            Err(failure) => {
                self.down_until.set(Some(Instant::now() + PAUSE));
                Err(failure)
            }
        }
    }

    /// The connection that was used last; those that have lain too long are closed, also while others are in use.
    fn pop(&self) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|it| it.since.elapsed() > MAX_IDLE) {
            idle.pop_front();
        }
        idle.pop_back()
    }

    /// Keeps a connection for another request. Only after the whole answer was read.
    fn put_back(&self, sender: SendRequest<Outbound>) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < MAX_POOLED {
            idle.push_back(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    async fn connect(&self) -> Result<SendRequest<Outbound>, Failure> {
        let connecting = target::connect(&self.target, self.tls.as_ref());
        let stream = connecting.await.map_err(Failure::connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::connect)?;
        tokio::task::spawn_local(async move {
            // How it ended is known to the call that was under way.
            let _ended = connection.with_upgrades().await.is_ok();
        });
        Ok(sender)
    }
}

impl Taken<'_> {
    /// Keeps the connection for another call. Only after the whole reply was read.
    fn put_back(self) {
        self.pool.put_back(self.sender);
    }
}

#[cfg(test)]
mod tests;
