//! HTTP/2 connections to the targets of one backend: made when first needed, remade after loss, taken in turn.
//!
//! Every target is connected in the background as soon as the backend is used; a call takes the next one that is connected
//! and waits only where none is. A target that could not be reached is tried again after a pause, or at once where nothing
//! else is left. Dropping [`Channels`] lets calls under way finish and then closes the connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong, Reason};
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::super::{Failure, target};
use super::next_link;
use crate::plan::Target;
use crate::time::Instant;

/// How long a target that could not be reached is left alone while others serve.
const PAUSE: Duration = Duration::from_secs(1);
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

/// The connections of one worker to one backend.
#[derive(Debug)]
pub(super) struct Channels {
    all: Vec<Rc<Channel>>,
    /// Whose turn it is.
    turn: Cell<usize>,
}

/// The connection to one target.
#[derive(Debug)]
struct Channel {
    target: Target,
    state: RefCell<State>,
    /// Tells of every end of [`State::Connecting`], for all targets of the backend.
    changed: Rc<Notify>,
    /// A handful of methods are called again and again.
    uris: RefCell<HashMap<Arc<str>, Uri>>,
}

#[derive(Debug)]
enum State {
    // ## Idle => (Connecting)
    Idle,
    // ## Connecting => (Ready | Down)
    Connecting,
    // ## Ready => (Idle)
    Ready {
        id: u64,
        sender: SendRequest<Bytes>,
        doubt: Rc<Notify>,
    },
    // ## Down => (Connecting)
    Down {
        until: Instant,
        error: Arc<io::Error>,
    },
}

/// A connection that a call uses.
#[derive(Debug)]
pub(super) struct Link {
    channel: Rc<Channel>,
    id: u64,
    sender: SendRequest<Bytes>,
    doubt: Rc<Notify>,
}

/// Has the connection looked at where its owner gives up unanswered.
#[derive(Debug)]
pub(super) struct Doubt {
    raise: Option<Rc<Notify>>,
}

// === impl Channels ===

impl Channels {
    /// Connects nothing yet.
    pub(super) fn new(targets: &[Target]) -> Rc<Self> {
        let changed = Rc::new(Notify::new());
        let channel = |target: &Target| {
            Rc::new(Channel {
                target: target.clone(),
                state: RefCell::new(State::Idle),
                changed: changed.clone(),
                uris: RefCell::default(),
            })
        };
        Rc::new(Self {
            all: targets.iter().map(channel).collect(),
            turn: Cell::new(0),
        })
    }

    /// The next connected target; waits for one where none is. Fails with `Connect` once every target has failed.
    pub(super) async fn link(&self) -> Result<Link, Failure> {
        let changed = self.all.first().map(|it| it.changed.clone());
        let ready = self
            .all
            .iter()
            .any(|it| matches!(*it.state.borrow(), State::Ready { .. }));
        for channel in &self.all {
            channel.connect_if_due(!ready);
        }
        loop {
            // Created before looking, so that nothing that happens in between is missed.
            let changed = changed.as_ref().map(|it| it.notified());
            if let Some(link) = self.take() {
                return Ok(link);
            }
            let connecting = self
                .all
                .iter()
                .any(|it| matches!(*it.state.borrow(), State::Connecting));
            let Some(changed) = changed.filter(|_| connecting) else {
                return Err(Failure::connect(self.reason()));
            };
            changed.await;
        }
    }

    fn take(&self) -> Option<Link> {
        let turn = self.turn.get();
        let n_channels = self.all.len();
        let (at, link) = (0..n_channels)
            .map(|it| (turn + it) % n_channels)
            .find_map(|at| Some((at, self.all.get(at)?.link()?)))?;
        self.turn.set((at + 1) % n_channels);
        Some(link)
    }

    /// Why nothing is connected.
    fn reason(&self) -> Arc<io::Error> {
        let known = self.all.iter().find_map(|it| match &*it.state.borrow() {
            State::Down { error, .. } => Some(error.clone()),
            State::Idle | State::Connecting | State::Ready { .. } => None,
        });
        known.unwrap_or_else(|| Arc::new(io::Error::from(io::ErrorKind::NotConnected)))
    }
}

// === impl Channel ===

impl Channel {
    fn link(self: &Rc<Self>) -> Option<Link> {
        match &*self.state.borrow() {
            State::Ready { id, sender, doubt } => Some(Link {
                channel: self.clone(),
                id: *id,
                sender: sender.clone(),
                doubt: doubt.clone(),
            }),
            State::Idle | State::Connecting | State::Down { .. } => None,
        }
    }

    fn connect_if_due(self: &Rc<Self>, urgent: bool) {
        let due = match &*self.state.borrow() {
            State::Idle => true,
            State::Connecting | State::Ready { .. } => false,
            State::Down { until, .. } => urgent || *until <= Instant::now(),
        };
        if due {
            self.state.replace(State::Connecting);
            tokio::task::spawn_local(self.clone().connect());
        }
    }

    async fn connect(self: Rc<Self>) {
        let next = match connect(&self.target).await {
            Ok((sender, connection)) => {
                let id = next_link();
                let doubt = Rc::new(Notify::new());
                tokio::task::spawn_local(drive(connection, Rc::downgrade(&self), id, doubt.clone()));
                State::Ready { id, sender, doubt }
            }
            Err(error) => State::Down {
                until: Instant::now() + PAUSE,
                error: Arc::new(error),
            },
        };
        self.state.replace(next);
        self.changed.notify_waiters();
    }

    /// Forgets a connection that takes no more calls; those under way go on.
    fn forget(&self, connection: u64) {
        let current = matches!(&*self.state.borrow(), State::Ready { id, .. } if *id == connection);
        if current {
            self.state.replace(State::Idle);
        }
    }
}

async fn connect(target: &Target) -> io::Result<(SendRequest<Bytes>, Connection<TcpStream, Bytes>)> {
    let stream = target::connect(target).await?;
    let handshake = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        // Cancelled calls leave late frames behind. They are expected: no number of them is a reason to close the connection.
        .max_concurrent_reset_streams(MAX_REMEMBERED)
        .max_local_error_reset_streams(None)
        .handshake(stream);
    handshake.await.map_err(io::Error::other)
}

/// Moves the bytes of a connection until it ends, or until it leaves a ping unanswered.
async fn drive<T>(mut connection: Connection<T, Bytes>, channel: Weak<Channel>, id: u64, doubt: Rc<Notify>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let ping_pong = connection.ping_pong();
    {
        let mut connection = pin!(connection);
        let mut silent = pin!(silence(ping_pong, &doubt));
        // How it ended is known to the calls that were under way.
        poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => silent.as_mut().poll(cx),
        })
        .await;
        // Dropping the connection here fails what is still under way.
    }
    if let Some(channel) = channel.upgrade() {
        channel.forget(id);
    }
}

/// Ends when a connection that was in doubt has not answered a ping.
async fn silence(ping_pong: Option<PingPong>, doubt: &Notify) {
    let Some(mut ping_pong) = ping_pong else {
        return std::future::pending().await;
    };
    loop {
        doubt.notified().await;
        let pong = tokio::time::timeout(PONG_TIMEOUT, ping_pong.ping(Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
        // Backends count pings: one for each such span is enough.
        tokio::time::sleep(PONG_TIMEOUT).await;
    }
}

// === impl Link ===

impl Link {
    /// A handle for one request.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// The absolute form that HTTP/2 takes `:scheme`, `:authority` and `:path` from.
    pub(super) fn uri(&self, path: &Arc<str>) -> Result<Uri, Failure> {
        if let Some(uri) = self.channel.uris.borrow().get(path) {
            return Ok(uri.clone());
        }
        let uri = Uri::builder()
            .scheme("http")
            .authority(&*self.channel.target.authority)
            .path_and_query(&**path)
            .build()
            .map_err(|_| Failure::bug("a method path or authority that is no URI"))?;
        self.channel.uris.borrow_mut().insert(path.clone(), uri.clone());
        Ok(uri)
    }

    /// Says that this connection takes no more calls.
    pub(super) fn abandon(&self) {
        self.channel.forget(self.id);
    }

    /// Looks at the failure of a call for what it says about the connection.
    pub(super) fn note(&self, error: &h2::Error) {
        if error.is_go_away() || error.is_io() {
            self.abandon();
        }
    }

    /// To be settled once the backend has shown a sign of life.
    pub(super) fn doubt(&self) -> Doubt {
        Doubt {
            raise: Some(self.doubt.clone()),
        }
    }
}

// === impl Doubt ===

impl Doubt {
    /// There was a sign of life.
    pub(super) fn settle(mut self) {
        self.raise = None;
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if let Some(doubt) = self.raise.take() {
            doubt.notify_one();
        }
    }
}

/// What an error of a stream means: only two say that the request was not looked at.
pub(super) fn failure_of(error: h2::Error) -> Failure {
    let reason = error.reason();
    // RFC 9113 §8.7: neither a refused stream nor one above a GOAWAY's last was processed. h2 reports the GOAWAY only to those.
    let refused = error.is_remote() && error.is_reset() && reason == Some(Reason::REFUSED_STREAM);
    let left_out = error.is_remote() && error.is_go_away() && reason == Some(Reason::NO_ERROR);
    if refused || left_out {
        Failure::refused(error)
    } else {
        Failure::connection(error)
    }
}
