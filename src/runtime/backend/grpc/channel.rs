//! HTTP/2 connections to one target: made when first needed, remade after loss, more of them where streams run out.
//!
//! A call takes a connection that has room for a stream, in turn. Where all are as full as the backend lets them be, another
//! is opened, one after the other, and calls wait in line for whichever has room first; `spare` closes them again. Dropping [`Channels`] lets calls under
//! way finish and then closes the connections.
//! Invariant: a connection has no call before the backend has said how many streams it takes.

mod spare;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures::future::FutureExt;
use h2::Reason;
use h2::client::SendRequest;
use http::Uri;
use tokio::sync::Notify;

use super::super::guard::count;
use super::super::{Failure, Readiness};
use super::{connection, next_link};
use crate::plan::{Keepalive, Target};
use crate::time::Instant;
use crate::tls;

/// How long a target that could not be reached is left alone while others serve.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections to one target, where one is not enough.
const MAX_CONNECTIONS: usize = 16;

/// The connections of one worker to one target.
#[derive(Debug)]
pub(super) struct Channels {
    target: Target,
    tls: Option<tls::Client>,
    keepalive: Option<Keepalive>,
    all: RefCell<Vec<Rc<Channel>>>,
    line: Rc<Line>,
    /// Whose turn it is.
    turn: Cell<usize>,
    remade: Arc<AtomicU64>,
    /// There are several, and somebody looks whether they are needed.
    is_watched: Cell<bool>,
    /// The most calls at once since they were looked at.
    most: Cell<usize>,
}

/// Calls that wait for a connection. The first of them looks for one, whenever something has changed.
#[derive(Debug, Default)]
struct Line {
    waiting: RefCell<VecDeque<Rc<Notify>>>,
    /// Tells of every end of [`State::Connecting`] and [`State::Ready`].
    changed: Notify,
    /// Connections that could not be made.
    n_failed: Cell<usize>,
}

/// A call in line. Dropped, the next one is the first.
struct Waiting<'l> {
    line: &'l Line,
    turn: Rc<Notify>,
}

/// What a call finds.
enum Found {
    /// A connection with room for it.
    Room(Link),
    /// Only such as have none.
    Full,
    /// No connection.
    Nothing,
}

/// One connection.
#[derive(Debug)]
struct Channel {
    target: Target,
    tls: Option<tls::Client>,
    keepalive: Option<Keepalive>,
    state: RefCell<State>,
    line: Rc<Line>,
    /// It was there before.
    was_ready: Cell<bool>,
    /// Counts connections that are made again: who listens there may be another one.
    remade: Arc<AtomicU64>,
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
    /// Connects nothing yet. Connections that are made again are counted.
    pub(super) fn new(
        target: &Target,
        tls: Option<&tls::Client>,
        keepalive: Option<Keepalive>,
        remade: &Arc<AtomicU64>,
    ) -> Rc<Self> {
        let channels = Self {
            target: target.clone(),
            tls: tls.cloned(),
            keepalive,
            all: RefCell::default(),
            line: Rc::default(),
            turn: Cell::new(0),
            remade: remade.clone(),
            is_watched: Cell::new(false),
            most: Cell::new(0),
        };
        let first = channels.channel();
        channels.all.borrow_mut().push(first);
        Rc::new(channels)
    }

    fn channel(&self) -> Rc<Channel> {
        Rc::new(Channel {
            target: self.target.clone(),
            tls: self.tls.clone(),
            keepalive: self.keepalive,
            state: RefCell::new(State::Idle),
            line: self.line.clone(),
            was_ready: Cell::new(false),
            remade: self.remade.clone(),
            uris: RefCell::default(),
        })
    }

    /// A connection with room for a stream; waits for one where none is. Fails with `Connect` where none can be had.
    pub(super) async fn link(self: &Rc<Self>) -> Result<Link, Failure> {
        // Who came before goes first.
        if self.line.is_empty()
            && let Found::Room(link) = self.look()
        {
            return Ok(link);
        }
        // What is rare is boxed, so that every call's future stays small.
        self.wait().boxed_local().await
    }

    async fn wait(self: &Rc<Self>) -> Result<Link, Failure> {
        let waiting = Waiting::begin(&self.line);
        let n_failed = self.line.n_failed.get();
        loop {
            if waiting.is_first() {
                match self.look() {
                    Found::Room(link) => return Ok(link),
                    _ if self.is_connecting() => {}
                    Found::Full => self.open_another(),
                    // Whoever waited for a connection that could not be made fails with it.
                    Found::Nothing if self.line.n_failed.get() != n_failed => {
                        return Err(Failure::connect(self.reason()));
                    }
                    Found::Nothing => self.connect(),
                }
            }
            waiting.turn.notified().await;
        }
    }

    /// The next connection with room for a stream.
    fn look(&self) -> Found {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let all = self.all.borrow();
        let mut found = Found::Nothing;
        for channel in (0..all.len()).filter_map(|it| all.get(turn.wrapping_add(it) % all.len())) {
            match channel.look() {
                Found::Nothing => {}
                Found::Full => found = Found::Full,
                room @ Found::Room(_) => {
                    self.note_busy();
                    return room;
                }
            }
        }
        found
    }

    fn is_connecting(&self) -> bool {
        let all = self.all.borrow();
        all.iter().any(|it| matches!(*it.state.borrow(), State::Connecting))
    }

    /// Opens one more, unless there are as many as there may be, or one could not be opened a moment ago.
    fn open_another(self: &Rc<Self>) {
        let mut all = self.all.borrow_mut();
        if all.iter().any(|it| it.is_down()) {
            return;
        }
        let lost = all.iter().find(|it| it.is_lost()).cloned();
        let channel = match lost {
            Some(lost) => lost,
            None if all.len() < MAX_CONNECTIONS => {
                let another = self.channel();
                all.push(another.clone());
                another
            }
            None => return,
        };
        channel.begin();
        drop(all);
        self.watch();
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
            let changed = self.line.changed.notified();
            if self.readiness() != Readiness::Connecting {
                return;
            }
            changed.await;
        }
    }

    /// Why something could not be connected.
    fn reason(&self) -> Arc<io::Error> {
        let known = self.all.borrow().iter().find_map(|it| match &*it.state.borrow() {
            State::Down { error, .. } => Some(error.clone()),
            State::Idle | State::Connecting | State::Ready { .. } => None,
        });
        known.unwrap_or_else(|| Arc::new(io::Error::from(io::ErrorKind::NotConnected)))
    }
}

// === impl Line ===

impl Line {
    fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Has the first call look again.
    fn wake(&self) {
        if let Some(first) = self.waiting.borrow().front() {
            first.notify_one();
        }
    }

    /// Says that a connection is there, or is not any more.
    fn change(&self) {
        self.changed.notify_waiters();
        self.wake();
    }
}

// === impl Waiting ===

impl<'l> Waiting<'l> {
    fn begin(line: &'l Line) -> Self {
        let turn = Rc::<Notify>::default();
        line.waiting.borrow_mut().push_back(turn.clone());
        Self { line, turn }
    }

    fn is_first(&self) -> bool {
        let waiting = self.line.waiting.borrow();
        waiting.front().is_some_and(|it| Rc::ptr_eq(it, &self.turn))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_first() {
            self.line.waiting.borrow_mut().pop_front();
            // There may be room for more than one.
            self.line.wake();
        } else {
            self.line.waiting.borrow_mut().retain(|it| !Rc::ptr_eq(it, &self.turn));
        }
    }
}

// === impl Channel ===

impl Channel {
    /// A link, if there is room for one more call.
    fn look(self: &Rc<Self>) -> Found {
        match &*self.state.borrow() {
            // `SETTINGS_MAX_CONCURRENT_STREAMS` (RFC 9113 §6.5.2).
            State::Ready { sender, n_streams, .. } if n_streams.get() >= sender.current_max_send_streams() => {
                Found::Full
            }
            State::Ready {
                id,
                sender,
                doubt,
                n_streams,
            } => Found::Room(Link::new(self, *id, (sender, doubt), n_streams)),
            State::Idle | State::Connecting | State::Down { .. } => Found::Nothing,
        }
    }

    /// Whether it is not there, for whatever reason.
    fn is_lost(&self) -> bool {
        matches!(*self.state.borrow(), State::Idle | State::Down { .. })
    }

    /// Whether it could not be made a moment ago.
    fn is_down(&self) -> bool {
        matches!(&*self.state.borrow(), State::Down { until, .. } if *until > Instant::now())
    }

    fn begin(self: &Rc<Self>) {
        self.state.replace(State::Connecting);
        tokio::task::spawn_local(self.clone().connect());
    }

    async fn connect(self: Rc<Self>) {
        let next = match connection::connect(&self.target, self.tls.as_ref()).await {
            Ok((sender, mut connection)) => {
                let id = next_link();
                if self.was_ready.replace(true) {
                    count(&self.remade);
                }
                let doubt = Rc::new(Notify::new());
                let silent = connection::silence(connection.ping_pong(), doubt.clone(), self.keepalive);
                let channel = Rc::downgrade(&self);
                tokio::task::spawn_local(async move {
                    connection::drive(&mut connection, silent).await;
                    // What is still under way fails.
                    drop(connection);
                    if let Some(channel) = channel.upgrade() {
                        channel.forget(id);
                    }
                });
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
        if let State::Down { .. } = next {
            self.line.n_failed.set(self.line.n_failed.get().wrapping_add(1));
        }
        self.state.replace(next);
        self.line.change();
    }

    /// Forgets a connection that takes no more calls; those under way go on.
    fn forget(&self, connection: u64) {
        let current = matches!(&*self.state.borrow(), State::Ready { id, .. } if *id == connection);
        if current {
            self.state.replace(State::Idle);
            self.line.change();
        }
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

    /// Whether new calls may get this connection, as far as is known.
    pub(super) fn is_current(&self) -> bool {
        matches!(&*self.channel.state.borrow(), State::Ready { id, .. } if *id == self.id)
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
        self.channel.line.wake();
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
