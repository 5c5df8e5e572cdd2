//! Requests that are handed over as they are: bodies that come in pieces, and how long either side may be silent.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout_at;

use super::Failure;
use crate::time::Instant;

/// A body that comes in pieces, each asked for only when there is room for it.
pub type Stream = Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>;

/// Why a body broke off.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A request that is handed over: path and headers as they go out; `None` where there is no body.
pub type Handed = Request<Option<Stream>>;

/// Why a request was not handed over, and the request itself where nothing of it has left.
pub struct Unpassed {
    /// Why.
    pub failure: Failure,
    /// The request.
    pub request: Option<Box<Handed>>,
}

/// How long a backend, and how long a client may be silent while a request is handed over.
#[derive(Debug)]
pub struct Patience {
    /// The backend, before it answers.
    silence: Duration,
    /// Either, between two pieces of a body.
    idle: Duration,
    /// When the last piece came.
    last: Cell<Instant>,
    client: Cell<Client>,
}

/// What the client does with the body of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// It has gone.
    Gone,
    /// Somebody waits for its next piece.
    Owes,
    /// It has sent what was asked for.
    Sent,
}

/// Why nobody waits any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The backend is silent.
    Backend,
    /// The client is, or has gone.
    Client,
}

/// The body of the client's request on its way.
#[derive(Debug)]
pub struct Upload<B> {
    body: B,
    patience: Rc<Patience>,
}

impl fmt::Debug for Unpassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unpassed").field(&self.failure).finish()
    }
}

impl From<Failure> for Unpassed {
    fn from(failure: Failure) -> Self {
        Self { failure, request: None }
    }
}

// === impl Patience ===

impl Patience {
    /// Begins now.
    pub fn new(silence: Duration, idle: Duration) -> Rc<Self> {
        Rc::new(Self {
            silence,
            idle,
            last: Cell::new(Instant::now()),
            client: Cell::new(Client::Sent),
        })
    }

    /// A piece has come.
    pub fn progress(&self) {
        self.last.set(Instant::now());
    }

    /// When a body that is waited for is given up, as far as is known now.
    pub fn idle_until(&self) -> Instant {
        self.last.get() + self.idle
    }

    /// The client has gone in the midst of its request.
    pub fn client_has_gone(&self) -> bool {
        self.client.get() == Client::Gone
    }

    /// Waits for an answer as long as either side has time.
    pub async fn wait<F: Future + Unpin>(&self, mut answer: F) -> Result<F::Output, Over> {
        loop {
            let (length, over) = match self.client.get() {
                Client::Owes => (self.idle, Over::Client),
                Client::Gone | Client::Sent => (self.silence, Over::Backend),
            };
            let until = self.last.get() + length;
            match timeout_at(until, &mut answer).await {
                Ok(answer) => return Ok(answer),
                // Unless something has come or been asked for meanwhile.
                Err(_) if self.last.get() + length <= until && self.is_up_to(over) => return Err(over),
                Err(_) => {}
            }
        }
    }

    fn is_up_to(&self, over: Over) -> bool {
        (self.client.get() == Client::Owes) == (over == Over::Client)
    }
}

// === impl Upload ===

impl<B> Upload<B> {
    /// A body whose pieces count as progress.
    pub fn new(body: B, patience: Rc<Patience>) -> Self {
        Self { body, patience }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let patience = &self.patience;
        match &polled {
            Poll::Pending => {
                if patience.client.replace(Client::Owes) != Client::Owes {
                    patience.progress();
                }
            }
            Poll::Ready(Some(Err(_))) => patience.client.set(Client::Gone),
            Poll::Ready(_) => {
                patience.client.set(Client::Sent);
                patience.progress();
            }
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
