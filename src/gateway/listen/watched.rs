//! The bytes of a connection: when some come and go is noted, and of HTTP/1 only what may be a request goes on.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::heads::{Heads, Refused};
use crate::runtime::serve::problem::Refusal;
use crate::tls::Stream;

/// What is read at once of a head that did not come whole.
const STEP: usize = 4_096;
/// What is kept of what comes before it is known in which protocol.
const MAX_EARLY: usize = 16 << 10;
/// What the library gets in place of a head that is refused, so that it sends the answer.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";
const STAND_IN_OF_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";

/// A connection that notes what happens, and looks at heads.
pub(super) struct Watched {
    stream: Stream,
    activity: Arc<Activity>,
    heads: Heads,
    /// What came and has not gone on.
    held: Vec<u8>,
    /// How much of that may.
    n_ready: usize,
}

impl Watched {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>, heads: Heads) -> Self {
        Self {
            stream,
            activity,
            heads,
            held: Vec::new(),
            n_ready: 0,
        }
    }

    fn receive(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.activity.received();
        }
        polled
    }

    /// Hands over what may go on; whether there was something.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let n_bytes = self.n_ready.min(buffer.remaining());
        buffer.put_slice(self.held.get(..n_bytes).unwrap_or_default());
        self.held.drain(..n_bytes);
        self.n_ready -= n_bytes;
        if self.held.is_empty() {
            // An idle connection needs no room.
            self.held = Vec::new();
        }
        n_bytes > 0
    }

    fn judge(&mut self) {
        let (n_bytes, refused) = self.heads.pass(self.held.get(self.n_ready..).unwrap_or_default());
        self.n_ready += n_bytes;
        if let Some(refused) = refused {
            self.refuse(refused);
        }
    }

    fn refuse(&mut self, refused: Refused) {
        let is_head = refused.parts.method == Method::HEAD;
        self.held.truncate(self.n_ready);
        self.held
            .extend_from_slice(if is_head { STAND_IN_OF_HEAD } else { STAND_IN });
        self.n_ready = self.held.len();
        self.activity.refuse(self.heads.n_begun(), refused);
    }

    /// What has happened elsewhere since the last time: an answer to who asked for another protocol, or the end of a
    /// client's time.
    fn settle(&mut self, cx: &Context<'_>) {
        if self.heads.has_asked() {
            self.activity.wake_when_answered(cx.waker());
            if let Some(is_other_protocol) = self.activity.protocol_behind(self.heads.n_begun()) {
                self.heads.answered(is_other_protocol);
                self.judge();
            }
        }
        if self.heads.awaits_head() && self.activity.is_late() {
            let begun = self.held.get(self.n_ready..).unwrap_or_default();
            let refused = self.heads.refuse(Refusal::HeadIncomplete, begun);
            self.refuse(refused);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.settle(cx);
            if this.give(buffer) {
                return Poll::Ready(Ok(()));
            }
            if this.heads.is_through() {
                return this.receive(cx, buffer);
            }
            if this.heads.has_asked() && this.held.len() >= MAX_EARLY {
                return Poll::Pending;
            }
            if this.held.is_empty() && buffer.remaining() >= STEP && !this.heads.is_over() {
                // Nearly always: a whole head, which is looked at where it has to be.
                let n_before = buffer.filled().len();
                ready!(this.receive(cx, buffer))?;
                let fresh = buffer.filled().get(n_before..).unwrap_or_default();
                let (n_bytes, refused) = this.heads.pass(fresh);
                if fresh.is_empty() || n_bytes == fresh.len() {
                    return Poll::Ready(Ok(()));
                }
                this.held.extend_from_slice(fresh.get(n_bytes..).unwrap_or_default());
                buffer.set_filled(n_before + n_bytes);
                if let Some(refused) = refused {
                    this.refuse(refused);
                }
                if n_bytes > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let mut room = [MaybeUninit::uninit(); STEP];
                let mut fresh = ReadBuf::uninit(&mut room);
                ready!(this.receive(cx, &mut fresh))?;
                if fresh.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                if !this.heads.is_over() {
                    this.held.extend_from_slice(fresh.filled());
                    this.judge();
                }
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.wrote(polled.is_pending());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.activity.wrote(polled.is_pending());
        polled
    }
}
