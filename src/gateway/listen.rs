//! Workers: each is one thread with its own runtime, listener and backend connections (invariant 6).
//!
//! Owns sockets and HTTP framing; what a request means is `runtime::serve`'s. Invariant: a connection that is idle, or whose
//! request head does not arrive in time, is closed; drain lets every request that was begun end.

mod enter;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, watch};

use crate::runtime::backend::passing::BoxError;
use crate::runtime::serve;
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::time::Instant;
use crate::tls::Stream;

/// Most calls may take longer than this.
const NEAR: Duration = Duration::from_millis(20);

/// What all workers read.
#[derive(Debug)]
pub struct Shared {
    /// What is served at the moment.
    pub snapshot: ArcSwap<Snapshot>,
    /// What outlives reloads.
    pub hall: Arc<Hall>,
}

/// Binds `address` so that every worker can have a listener of its own (`SO_REUSEPORT`).
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Fails where somebody listens on `address` already. `SO_REUSEPORT` alone would share it with another process in silence.
pub fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Serves on the listeners until `stop` says so, then until every request has ended. Blocks its thread.
pub fn work(
    shared: &Arc<Shared>,
    listeners: Vec<std::net::TcpListener>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let worker = Worker::new(shared.clone(), stop);
        tokio::task::spawn_local(worker.clone().keep_timer_near());
        let accepting = listeners.into_iter().map(|it| worker.clone().accept(it));
        let ended = futures::future::join_all(accepting).await;
        worker.drained().await;
        ended.into_iter().collect::<io::Result<()>>()
    })
}

/// One worker.
struct Worker {
    shared: Arc<Shared>,
    running: RefCell<Rc<Running>>,
    stop: watch::Receiver<bool>,
    open: watch::Sender<usize>,
    /// Requests have come since the last look.
    busy: Notify,
}

impl Worker {
    fn new(shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Rc<Self> {
        let running = Running::new(shared.snapshot.load_full(), shared.hall.clone(), None);
        Rc::new(Self {
            shared,
            running: RefCell::new(running),
            stop,
            open: watch::Sender::new(0),
            busy: Notify::new(),
        })
    }

    /// This worker's view of what is served at the moment.
    fn running(&self) -> Rc<Running> {
        let current = self.running.borrow().clone();
        if Arc::ptr_eq(&current.snapshot, &self.shared.snapshot.load()) {
            return current;
        }
        let fresh = Running::new(
            self.shared.snapshot.load_full(),
            self.shared.hall.clone(),
            Some(&current),
        );
        self.running.replace(fresh.clone());
        fresh
    }

    /// Has a timer run out soon, as long as requests come.
    ///
    /// A timer that is earlier than all others is told to tokio's driver by a system call, and without this one nearly every
    /// call's deadline would be the earliest.
    async fn keep_timer_near(self: Rc<Self>) {
        loop {
            self.busy.notified().await;
            tokio::time::sleep(NEAR).await;
        }
    }

    async fn accept(self: Rc<Self>, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|it| *it) => return Ok(()),
            };
            match accepted {
                Ok((stream, remote)) => self.clone().connected(stream, remote),
                Err(error) if is_of_one_connection(&error) => {}
                // Out of descriptors or memory: what is open must end before more can be taken.
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn connected(self: Rc<Self>, stream: TcpStream, remote: SocketAddr) {
        let max = self.running().snapshot.plan.settings.max_connections;
        let gauge = &self.shared.hall.metrics.connections;
        if usize::try_from(gauge.get()).unwrap_or_default() >= max {
            return;
        }
        gauge.inc();
        self.open.send_modify(|it| *it += 1);
        tokio::task::spawn_local(async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            self.serve(stream, remote.ip().to_canonical()).await;
            self.shared.hall.metrics.connections.dec();
            self.open.send_modify(|it| *it -= 1);
        });
    }

    async fn serve(&self, stream: TcpStream, remote: IpAddr) {
        let settings = &self.running().snapshot.plan.settings;
        let mut stop = self.stop.clone();
        let entered = tokio::select! {
            biased;
            entered = enter::enter(stream, remote, settings, &self.shared.hall.metrics) => entered,
            _ = stop.wait_for(|it| *it) => return,
        };
        let Some(enter::Entered { stream, peer, http2 }) = entered else {
            return;
        };
        let activity = Arc::new(Activity::default());
        let builder = auto::Builder::new(LocalExecutor);
        let mut builder = match http2 {
            Some(true) => builder.http2_only(),
            Some(false) => builder.http1_only(),
            None => builder,
        };
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(settings.max_headers.max(8192))
            .header_read_timeout(None);
        let max_headers = u32::try_from(settings.max_headers).unwrap_or(u32::MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(max_headers)
            .max_concurrent_streams(256);
        let io = Watched {
            stream: TokioIo::new(stream),
            activity: activity.clone(),
        };
        let service = service_fn(|request: http::Request<Incoming>| {
            let request_guard = activity.clone().begin(request.version());
            let (running, peer) = (self.running(), peer.clone());
            self.busy.notify_one();
            async move {
                let response = serve::handle(running, request, peer).await;
                Ok::<_, std::convert::Infallible>(response.map(|body| Answer {
                    body,
                    _answering: request_guard,
                }))
            }
        });
        // Where a WebSocket is handed over, the connection ends here and lives on there.
        let connection = builder.serve_connection_with_upgrades(io, service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            let wake = activity.wake_at(settings.header_timeout, settings.idle_timeout);
            tokio::select! {
                biased;
                // A broken connection is the client's business.
                _ = connection.as_mut() => return,
                _ = stop.wait_for(|it| *it), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep_until(wake) => {
                    match activity.verdict(settings.header_timeout, settings.idle_timeout) {
                        Verdict::Stay => {}
                        Verdict::Idle => connection.as_mut().graceful_shutdown(),
                        Verdict::TooSlow => return,
                    }
                }
            }
        }
    }

    /// Waits until every connection has ended.
    async fn drained(&self) {
        let mut open = self.open.subscribe();
        // The sender is held by `self`, so that waiting cannot fail.
        let _ended = open.wait_for(|it| *it == 0).await.is_ok();
        self.shared.hall.detached.idle().await;
    }
}

/// Errors of `accept` that concern only the connection that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Runs HTTP/2 streams on the worker's own thread.
#[derive(Clone, Copy, Debug)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

// === Time limits of a connection ===

/// What a connection is doing: answering so many requests, idle, or receiving a request head. One thread asks and tells; it
/// can be sent to others because a connection may be handed on.
#[derive(Debug)]
struct Activity {
    began: Instant,
    in_flight: AtomicUsize,
    /// Nanoseconds since it began.
    idle_since: AtomicU64,
    /// The same, and one more; 0 where no head is being received.
    head_since: AtomicU64,
    multiplexed: AtomicBool,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Idle,
    Stay,
    TooSlow,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
        }
    }
}

impl Activity {
    fn begin(self: Arc<Self>, version: Version) -> Answering {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.multiplexed.store(version == Version::HTTP_2, Relaxed);
        Answering(self)
    }

    fn is_answering(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Bytes came while nothing is being answered: on HTTP/1.1, the beginning of a request head.
    fn received(&self) {
        if !self.is_answering() && !self.multiplexed.load(Relaxed) && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now().saturating_add(1), Relaxed);
        }
    }

    fn limit(&self, head: Duration, idle: Duration) -> (Instant, Verdict) {
        let (since, length, verdict) = match self.head_since.load(Relaxed).checked_sub(1) {
            Some(since) => (since, head, Verdict::TooSlow),
            None => (self.idle_since.load(Relaxed), idle, Verdict::Idle),
        };
        (self.began + Duration::from_nanos(since) + length, verdict)
    }

    fn verdict(&self, head: Duration, idle: Duration) -> Verdict {
        let (limit, verdict) = self.limit(head, idle);
        if !self.is_answering() && Instant::now() >= limit {
            verdict
        } else {
            Verdict::Stay
        }
    }

    /// When to look again: at the limit, or soon where a request is being answered or a head may have begun meanwhile.
    fn wake_at(&self, head: Duration, idle: Duration) -> Instant {
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

/// A request that is being answered.
#[derive(Debug)]
struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.idle_since.store(self.0.now(), Relaxed);
    }
}

/// The body of a response: until its end the request is being answered.
struct Answer {
    body: serve::body::Body,
    _answering: Answering,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that notes when bytes arrive.
struct Watched {
    stream: TokioIo<Stream>,
    activity: Arc<Activity>,
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.activity.received();
        }
        polled
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }
}
