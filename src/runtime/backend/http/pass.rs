//! A request that is handed over on a connection of the pool, and its answer back, piece by piece.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::super::passing::BoxError;
use super::{Failure, Handed, HttpBackend, Pool, Sent, Stream, Unpassed, Wanted};

/// The body of a request: whole, or in pieces.
pub(super) enum Outbound {
    /// In pieces.
    Pieces {
        body: Stream,
        /// Marks that no more of it will be sent.
        _sending: Over,
    },
    /// Whole.
    Whole(Full<Bytes>),
}

/// Set once it is dropped.
pub(super) struct Over(Rc<Cell<bool>>);

/// The body of an answer, whose connection goes back to the pool when all of it was read.
struct Inbound {
    body: Incoming,
    connection: Option<(Rc<Pool>, SendRequest<Outbound>)>,
    uploaded: Rc<Cell<bool>>,
}

impl HttpBackend {
    pub(super) async fn hand_over(&self, request: Handed, sent: Sent) -> Result<http::Response<Stream>, Unpassed> {
        let (mut parts, body) = request.into_parts();
        let Some(host) = self.pool.host.clone() else {
            return Err(Failure::bug("an authority that is no header value").into());
        };
        parts.headers = super::super::merged(&self.headers, &parts.headers, None);
        parts.headers.insert(HOST, host);
        let repeatable = body.is_none() && parts.method.is_idempotent();
        let uploaded = Rc::new(Cell::new(body.is_none()));
        let outbound = match body {
            Some(body) => {
                // hyper sends none with GET and HEAD that has no length, unless it is told to.
                if body.size_hint().exact().is_none() {
                    let chunked = HeaderValue::from_static("chunked");
                    parts.headers.insert(TRANSFER_ENCODING, chunked);
                }
                Outbound::Pieces {
                    body,
                    _sending: Over(uploaded.clone()),
                }
            }
            None => Outbound::Whole(Full::default()),
        };
        let again = repeatable.then(|| parts.clone());
        let mut request = http::Request::from_parts(parts, outbound);
        let mut wanted = Wanted::Any;
        loop {
            let mut taken = match self.pool.take(wanted).await {
                Ok(taken) => taken,
                Err(failure) => return Err(back(failure, request)),
            };
            sent.mark();
            let mut error = match taken.sender.try_send_request(request).await {
                Ok(response) => {
                    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                    let (pool, sender) = (self.pool.clone(), taken.sender);
                    return Ok(response.map(|body| -> Stream {
                        Box::pin(Inbound {
                            body,
                            connection: (!upgraded).then_some((pool, sender)),
                            uploaded,
                        })
                    }));
                }
                Err(error) => error,
            };
            let unsent = error.take_message();
            let error = error.into_error();
            let unanswered = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
            request = match (unsent, &again) {
                (Some(unsent), _) => {
                    sent.clear();
                    if wanted == Wanted::Fresh {
                        return Err(back(Failure::connect(error), unsent));
                    }
                    unsent
                }
                (None, Some(parts)) if taken.used && unanswered && wanted == Wanted::Any => {
                    http::Request::from_parts(parts.clone(), Outbound::Whole(Full::default()))
                }
                (None, _) => return Err(Failure::connection(error).into()),
            };
            // Made for it, so that it cannot have died unnoticed as well.
            wanted = Wanted::Fresh;
        }
    }
}

/// A request of which nothing has left.
fn back(failure: Failure, request: http::Request<Outbound>) -> Unpassed {
    let request = request.map(|body| match body {
        Outbound::Pieces { body, .. } => Some(body),
        Outbound::Whole(_) => None,
    });
    Unpassed {
        failure,
        request: Some(Box::new(request)),
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

// === impl Outbound ===

impl Body for Outbound {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Pieces { body, .. } => body.as_mut().poll_frame(cx),
            Self::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|it| it.map(|it| it.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Pieces { body, .. } => body.is_end_stream(),
            Self::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces { body, .. } => body.size_hint(),
            Self::Whole(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pieces { .. } => "Pieces",
            Self::Whole(_) => "Whole",
        })
    }
}

// === impl Inbound ===

impl Inbound {
    /// Nothing more comes; where nothing more goes either, the connection is free.
    fn end(&mut self) {
        if let Some((pool, sender)) = self.connection.take()
            && self.uploaded.get()
        {
            pool.put_back(sender);
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.end();
        }
        polled.map(|it| it.map(|it| it.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        // Who sees that it is at its end need not ask again.
        if self.body.is_end_stream() {
            self.end();
        }
    }
}
