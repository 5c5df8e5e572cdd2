//! HTTP/2 connections to one target: made when first needed, remade after loss, more of them where streams run out.
//!
//! A call takes a connection that has room for a stream, in turn. Where all are as full as the backend lets them be, another
//! is opened, and calls wait in line meanwhile. Dropping [`Channels`] lets calls under way finish and then closes the
//! connections.

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
use tokio::sync::Notify;

use super::super::{Failure, Readiness, target};
use super::next_link;
use crate::plan::Target;
use crate::time::Instant;
use crate::tls;

/// How long a target that could not be reached is left alone while others serve.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections to one target, where one is not enough.
const MAX_CONNECTIONS: usize = 16;
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

/// The connections of one worker to one target.
#[derive(Debug)]
pub(super) struct Channels {
    target: Target,
    tls: Option<tls::Client>,
    all: RefCell<Vec<Rc<Channel>>>,
    /// Tells of every end of [`State::Connecting`].
    changed: Rc<Notify>,
    /// Whose turn it is.
    turn: Cell<usize>,
}

/// One connection.
#[derive(Debug)]
struct Channel {
    target: Target,
    tls: Option<tls::Client>,
    state: RefCell<State>,
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
        n_streams: Rc<Cell<usize>>,
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
    n_streams: Rc<Cell<usize>>,
}

/// Has the connection looked at where its owner gives up unanswered.
#[derive(Debug)]
pub(super) struct Doubt {
    raise: Option<Rc<Notify>>,
}

// === impl Channels ===

impl Channels {
    /// Connects nothing yet.
    pub(super) fn new(target: &Target, tls: Option<&tls::Client>) -> Rc<Self> {
        let changed = Rc::new(Notify::new());
        let first = Channel::new(target, tls, &changed);
        Rc::new(Self {
            target: target.clone(),
            tls: tls.cloned(),
            all: RefCell::new(vec![first]),
            changed,
            turn: Cell::new(0),
        })
    }

    /// A connection; waits for one where none is. Fails with `Connect` where none can be had.
    pub(super) async fn link(&self) -> Result<Link, Failure> {
        if let Some(link) = self.take() {
            return Ok(link);
        }
        self.connect();
        loop {
            // Created before looking, so that nothing that happens in between is missed.
            let changed = self.changed.notified();
            if let Some(link) = self.take() {
                return Ok(link);
            }
            if self.readiness() != Readiness::Connecting {
                return Err(Failure::connect(self.reason()));
            }
            changed.await;
        }
    }

    /// The next connection with room for a stream, or else the least busy one, while another is opened.
    fn take(&self) -> Option<Link> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let mut least: Option<Link> = None;
        let (mut connecting, n_channels) = (false, self.all.borrow().len());
        for at in (0..n_channels).map(|it| turn.wrapping_add(it) % n_channels) {
            let channel = self.all.borrow().get(at)?.clone();
            connecting |= matches!(*channel.state.borrow(), State::Connecting);
            let Some(link) = channel.link() else { continue };
            if link.has_room() {
                return Some(link);
            }
            if least.as_ref().is_none_or(|it| link.n_streams() < it.n_streams()) {
                least = Some(link);
            }
        }
        if least.is_some() && !connecting {
            self.open_another();
        }
        least
    }

    fn open_another(&self) {
        let mut all = self.all.borrow_mut();
        let free = all.iter().find(|it| it.is_due()).cloned();
        let channel = match free {
            Some(lost) => lost,
            None if all.len() < MAX_CONNECTIONS => {
                let another = Channel::new(&self.target, self.tls.as_ref(), &self.changed);
                all.push(another.clone());
                another
            }
            None => return,
        };
        channel.begin();
    }

    /// Begins to connect, if nobody does and nothing is connected.
    pub(super) fn connect(&self) {
        if self.readiness() < Readiness::Connecting
            && let Some(first) = self.all.borrow().first()
        {
            first.begin();
        }
    }

    /// How it is with its connections.
    pub(super) fn readiness(&self) -> Readiness {
        let all = self.all.borrow();
        let each = all.iter().map(|it| match &*it.state.borrow() {
            State::Connecting => Readiness::Connecting,
            State::Down { until, .. } if *until > Instant::now() => Readiness::Down,
            State::Down { .. } | State::Idle => Readiness::Cold,
            State::Ready { .. } => Readiness::Ready,
        });
        each.max().unwrap_or(Readiness::Cold)
    }

    /// Waits while it is connecting.
    pub(super) async fn connected(&self) {
        loop {
            let changed = self.changed.notified();
            if self.readiness() != Readiness::Connecting {
                return;
            }
            changed.await;
        }
    }

    /// Why nothing is connected.
    fn reason(&self) -> Arc<io::Error> {
        let known = self.all.borrow().iter().find_map(|it| match &*it.state.borrow() {
            State::Down { error, .. } => Some(error.clone()),
            State::Idle | State::Connecting | State::Ready { .. } => None,
        });
        known.unwrap_or_else(|| Arc::new(io::Error::from(io::ErrorKind::NotConnected)))
    }
}

// === impl Channel ===

impl Channel {
    fn new(target: &Target, tls: Option<&tls::Client>, changed: &Rc<Notify>) -> Rc<Self> {
        Rc::new(Self {
            target: target.clone(),
            tls: tls.cloned(),
            state: RefCell::new(State::Idle),
            changed: changed.clone(),
            uris: RefCell::default(),
        })
    }

    fn link(self: &Rc<Self>) -> Option<Link> {
        match &*self.state.borrow() {
            State::Ready {
                id,
                sender,
                doubt,
                n_streams,
            } => Some(Link::new(self, *id, (sender, doubt), n_streams)),
            State::Idle | State::Connecting | State::Down { .. } => None,
        }
    }

    /// Whether it is lost and may be tried again.
    fn is_due(&self) -> bool {
        match &*self.state.borrow() {
            State::Idle => true,
            State::Connecting | State::Ready { .. } => false,
            State::Down { until, .. } => *until <= Instant::now(),
        }
    }

    fn begin(self: &Rc<Self>) {
        self.state.replace(State::Connecting);
        tokio::task::spawn_local(self.clone().connect());
    }

    async fn connect(self: Rc<Self>) {
        let next = match connect(&self.target, self.tls.as_ref()).await {
            Ok((sender, connection)) => {
                let id = next_link();
                let doubt = Rc::new(Notify::new());
                tokio::task::spawn_local(drive(connection, Rc::downgrade(&self), id, doubt.clone()));
                let n_streams = Rc::new(Cell::new(0));
                State::Ready {
                    id,
                    sender,
                    doubt,
                    n_streams,
                }
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

async fn connect(
    target: &Target,
    tls: Option<&tls::Client>,
) -> io::Result<(SendRequest<Bytes>, Connection<tls::Stream, Bytes>)> {
    let stream = target::connect(target, tls).await?;
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
    fn new(
        channel: &Rc<Channel>,
        id: u64,
        (sender, doubt): (&SendRequest<Bytes>, &Rc<Notify>),
        n_streams: &Rc<Cell<usize>>,
    ) -> Self {
        n_streams.set(n_streams.get() + 1);
        Self {
            channel: channel.clone(),
            id,
            sender: sender.clone(),
            doubt: doubt.clone(),
            n_streams: n_streams.clone(),
        }
    }

    /// Calls on this connection, this one included.
    fn n_streams(&self) -> usize {
        self.n_streams.get()
    }

    /// Whether the backend takes this many streams at once (`SETTINGS_MAX_CONCURRENT_STREAMS`, RFC 9113 §6.5.2).
    fn has_room(&self) -> bool {
        self.n_streams() <= self.sender.current_max_send_streams()
    }

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
            .scheme(if self.channel.tls.is_some() { "https" } else { "http" })
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

impl Drop for Link {
    fn drop(&mut self) {
        self.n_streams.set(self.n_streams.get().saturating_sub(1));
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
