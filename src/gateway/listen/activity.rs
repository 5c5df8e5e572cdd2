//! Time limits of a connection: what it is doing, and for how long it may.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http::Version;
use hyper::body::{Body, Frame, SizeHint};

use super::heads::Refused;
use crate::runtime::backend::passing::BoxError;
use crate::runtime::serve;
use crate::time::Instant;

/// What a connection is doing: answering so many requests, idle, or receiving a request head. One thread asks and tells; it
/// can be sent to others because a connection may be handed on.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    in_flight: AtomicUsize,
    /// Of those the answers whose next piece the client has not asked for yet.
    waiting: AtomicUsize,
    /// How often it asked, and requests began.
    moves: AtomicU64,
    /// Nanoseconds since it began.
    idle_since: AtomicU64,
    /// The same, and one more; 0 where no head is being received.
    head_since: AtomicU64,
    /// The same: since when the client takes nothing of what is written; 0 where it does.
    stuck_since: AtomicU64,
    multiplexed: AtomicBool,
    /// Requests that began.
    begun: AtomicU64,
    /// The one of these that stands for a head that was refused; 0 is none.
    refused_at: AtomicU64,
    refused: Mutex<Option<Box<Refused>>>,
    /// A head has not come in its time, and the client is told so.
    late: AtomicBool,
    /// The connection speaks another protocol from here on.
    upgraded: AtomicBool,
    /// Who waits for the end of an answer to read on.
    reader: AtomicWaker,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Idle,
    Stay,
    /// It takes nothing of what is written.
    Stuck,
    /// A head does not come.
    TooSlow,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            stuck_since: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            refused_at: AtomicU64::new(0),
            refused: Mutex::new(None),
            late: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }
}

impl Activity {
    pub(super) fn begin(self: Arc<Self>, version: Version) -> Answering {
        self.in_flight.fetch_add(1, Relaxed);
        self.moves.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.multiplexed.store(version == Version::HTTP_2, Relaxed);
        Answering(self)
    }

    /// Whether the client has for so long asked for nothing of any answer that is there for it. What is waited for of a
    /// backend is that one's business.
    pub(super) fn is_stuck(&self, seen: &mut Seen, idle: Duration) -> bool {
        let (moves, in_flight) = (self.moves.load(Relaxed), self.in_flight.load(Relaxed));
        if in_flight == 0 || self.waiting.load(Relaxed) < in_flight || seen.moves != moves {
            *seen = Seen {
                moves,
                since: Instant::now(),
            };
        }
        seen.since.elapsed() >= idle
    }

    fn is_answering(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The head number `n`, counted from 1, is refused: the request of that number stands for it.
    pub(super) fn refuse(&self, n: u64, refused: Refused) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(refused));
        self.refused_at.store(n, Relaxed);
    }

    /// The head that the request that began last stands for, where it does.
    pub(super) fn refused(&self) -> Option<Box<Refused>> {
        let is_it = self.refused_at.load(Relaxed) == self.begun.load(Relaxed);
        is_it.then(|| self.refused.lock().unwrap_or_else(PoisonError::into_inner).take())?
    }

    /// The client is told that its time is up; whether that is news.
    pub(super) fn is_told_late(&self) -> bool {
        !self.late.swap(true, Relaxed)
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// What comes next is another protocol.
    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Relaxed);
    }

    pub(super) fn wake_when_answered(&self, waker: &Waker) {
        self.reader.register(waker);
    }

    /// Whether another protocol follows request number `n`; `None` where it is not answered.
    pub(super) fn protocol_behind(&self, n: u64) -> Option<bool> {
        let is_answered = self.begun.load(Relaxed) >= n && !self.is_answering();
        is_answered.then(|| self.upgraded.load(Relaxed))
    }

    /// Bytes came while nothing is being answered: on HTTP/1.1, the beginning of a request head.
    pub(super) fn received(&self) {
        if !self.is_answering() && !self.multiplexed.load(Relaxed) && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now().saturating_add(1), Relaxed);
        }
    }

    /// Bytes were taken, or could not be.
    pub(super) fn wrote(&self, is_stuck: bool) {
        if !is_stuck {
            self.stuck_since.store(0, Relaxed);
        } else if self.stuck_since.load(Relaxed) == 0 {
            self.stuck_since.store(self.now().saturating_add(1), Relaxed);
        }
    }

    fn limit(&self, head: Duration, idle: Duration) -> (Instant, Verdict) {
        let (since, length, verdict) = match self.head_since.load(Relaxed).checked_sub(1) {
            Some(since) => (since, head, Verdict::TooSlow),
            None => (self.idle_since.load(Relaxed), idle, Verdict::Idle),
        };
        (self.began + Duration::from_nanos(since) + length, verdict)
    }

    pub(super) fn verdict(&self, head: Duration, idle: Duration) -> Verdict {
        if let Some(since) = self.stuck_since.load(Relaxed).checked_sub(1)
            && Duration::from_nanos(self.now().saturating_sub(since)) >= idle
        {
            return Verdict::Stuck;
        }
        let (limit, verdict) = self.limit(head, idle);
        if !self.is_answering() && Instant::now() >= limit {
            verdict
        } else {
            Verdict::Stay
        }
    }

    /// When to look again: at the limit, or soon where a request is being answered or a head may have begun meanwhile.
    pub(super) fn wake_at(&self, head: Duration, idle: Duration) -> Instant {
        let step = head.min(idle).max(Duration::from_millis(10));
        let (limit, _) = self.limit(head, idle);
        let soonest = Instant::now() + step;
        if !self.is_answering() && self.head_since.load(Relaxed) > 0 {
            limit.max(Instant::now())
        } else {
            soonest
        }
    }
}

/// What was seen of a connection's moves.
#[derive(Debug)]
pub(super) struct Seen {
    moves: u64,
    since: Instant,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            moves: 0,
            since: Instant::now(),
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.reader.wake();
    }
}

/// The body of a response: until its end the request is being answered.
pub(super) struct Answer {
    body: serve::body::Body,
    answering: Answering,
    /// The client has not asked for what comes next.
    is_waiting: bool,
}

impl Answer {
    pub(super) fn new(body: serve::body::Body, answering: Answering) -> Self {
        answering.0.waiting.fetch_add(1, Relaxed);
        Self {
            body,
            answering,
            is_waiting: true,
        }
    }

    fn waits(&mut self, is_waiting: bool) {
        if is_waiting == self.is_waiting {
            return;
        }
        self.is_waiting = is_waiting;
        let activity = &self.answering.0;
        if is_waiting {
            activity.waiting.fetch_add(1, Relaxed);
        } else {
            activity.waiting.fetch_sub(1, Relaxed);
            activity.moves.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.waits(false);
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.waits(false);
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.waits(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
