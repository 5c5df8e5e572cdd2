//! Workers: each is one thread with its own runtime, listener and backend connections (invariant 6).
//!
//! Owns sockets and HTTP framing; what a request means is `runtime::serve`'s. Invariant: a connection that is idle, or whose
//! request head does not arrive in time, is closed; drain lets every request that was begun end.

mod activity;
pub mod addresses;
mod chunks;
mod enter;
mod heads;
mod watched;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::time::Sleep;

use self::activity::{Activity, Answer, Seen, Verdict};
use self::addresses::{Addresses, Place};
use self::heads::{Heads, Refused};
use self::watched::Watched;
use crate::plan::Settings;
use crate::runtime::serve::problem::Refusal;
use crate::runtime::serve::{self, shape};
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::telemetry::ReasonLabels;
use crate::time::Instant;

/// Streams of one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 256;
/// Streams that a client may reset before they were looked at, and that it may have us reset, before its connection is
/// closed (CVE-2023-44487, CVE-2025-8671): those who change their minds are few, and floods are many.
const MAX_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 128;
/// What hyper makes room for without an allocation.
const USUAL_HEADERS: usize = 100;
/// How long an HTTP/2 connection may be silent before it is asked for a sign of life, and how long that may take.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Most calls may take longer than this, and few batches of requests do.
const NEAR: Duration = Duration::from_millis(20);

/// What all workers read.
#[derive(Debug)]
pub struct Shared {
    /// What is served at the moment.
    pub snapshot: ArcSwap<Snapshot>,
    /// What outlives reloads.
    pub hall: Arc<Hall>,
    /// Who is connected how often, where that is limited.
    pub addresses: Arc<Addresses>,
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
    /// Runs out soon after the last request.
    near: RefCell<Pin<Box<Sleep>>>,
}

impl Worker {
    fn new(shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Rc<Self> {
        let running = Running::new(shared.snapshot.load_full(), shared.hall.clone(), None);
        Rc::new(Self {
            shared,
            running: RefCell::new(running),
            stop,
            open: watch::Sender::new(0),
            near: RefCell::new(Box::pin(tokio::time::sleep(NEAR))),
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
    /// call's deadline would be the earliest. Putting it off before it has run out costs no system call.
    fn keep_timer_near(&self) {
        self.near.borrow_mut().as_mut().reset(Instant::now() + NEAR);
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
            self.refused("connections", remote.ip());
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
        // Behind a proxy the address is not known yet.
        let is_known = settings.proxy_protocol.is_none();
        let Ok(mut _place) = self.place(remote, settings, is_known) else {
            return;
        };
        let mut stop = self.stop.clone();
        let entered = tokio::select! {
            biased;
            entered = enter::enter(stream, remote, settings, &self.shared.hall.metrics) => entered,
            _ = stop.wait_for(|it| *it) => return,
        };
        let Some(enter::Entered { stream, peer, http2 }) = entered else {
            return;
        };
        if !is_known {
            let Ok(place) = self.place(peer.address, settings, true) else {
                return;
            };
            _place = place;
        }
        let activity = Arc::new(Activity::default());
        let builder = builder(settings, http2);
        let heads = Heads::new(settings, http2);
        let io = TokioIo::new(Watched::new(stream, activity.clone(), heads));
        let service = service_fn(|request: http::Request<Incoming>| {
            let request_guard = activity.clone().begin(request.version());
            let (running, peer) = (self.running(), peer.clone());
            self.keep_timer_near();
            let (refused, activity) = (activity.refused(), activity.clone());
            async move {
                if let Some(refused) = refused {
                    let Refused { parts, refusal } = *refused;
                    let response = serve::refuse(&running, &parts, &peer, refusal);
                    return Ok(response.map(|body| Answer::new(body, request_guard)));
                }
                let response = match shape::check(&request, &running.snapshot.plan.settings) {
                    Ok(()) => serve::handle(running, request, peer).await,
                    Err(refusal) => {
                        // RFC 9113 §8.1.1: what is malformed is an error of its stream.
                        let is_reset = request.version() == Version::HTTP_2 && matches!(refusal, Refusal::BadHead(_));
                        let response = serve::refuse(&running, &request.into_parts().0, &peer, refusal);
                        if is_reset {
                            return Err(h2::Error::from(h2::Reason::PROTOCOL_ERROR));
                        }
                        response
                    }
                };
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    activity.upgrade();
                }
                Ok(response.map(|body| Answer::new(body, request_guard)))
            }
        });
        // Where a WebSocket is handed over, the connection ends here and lives on there.
        let connection = builder.serve_connection_with_upgrades(io, service);
        let mut connection = std::pin::pin!(connection);
        let (mut stopping, mut ending) = (false, false);
        let mut seen = Seen::default();
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
                    if activity.is_stuck(&mut seen, settings.idle_timeout) {
                        return;
                    }
                    match activity.verdict(settings.header_timeout, settings.idle_timeout) {
                        Verdict::Stay => {}
                        // It was told to end, and does not.
                        Verdict::Idle if ending => return,
                        Verdict::Idle => {
                            ending = true;
                            connection.as_mut().graceful_shutdown();
                        }
                        // HTTP/1 says so before it ends.
                        Verdict::TooSlow if activity.is_told_late() => {}
                        Verdict::TooSlow | Verdict::Stuck => return,
                    }
                }
            }
        }
    }

    /// A place among the connections of its address, where these are limited.
    fn place(&self, address: IpAddr, settings: &Settings, is_known: bool) -> Result<Option<Place>, ()> {
        let Some(max) = settings.max_connections_per_address.filter(|_| is_known) else {
            return Ok(None);
        };
        let place = self.shared.addresses.enter(address, max);
        if place.is_none() {
            self.refused("connections_per_address", address);
        }
        place.map(Some).ok_or(())
    }

    fn refused(&self, reason: &'static str, remote: IpAddr) {
        let refused = &self.shared.hall.metrics.connections_refused;
        refused.get_or_create(&ReasonLabels { reason }).inc();
        // Anybody can make these lines.
        tracing::debug!(%remote, reason, "connection refused");
    }

    /// Waits until every connection has ended.
    async fn drained(&self) {
        let mut open = self.open.subscribe();
        // The sender is held by `self`, so that waiting cannot fail.
        let _ended = open.wait_for(|it| *it == 0).await.is_ok();
        self.shared.hall.detached.idle().await;
    }
}

/// The library's own limits, all of them on purpose. Where a version was agreed on, this is it.
fn builder(settings: &Settings, http2: Option<bool>) -> auto::Builder<LocalExecutor> {
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
    if settings.max_header_count > USUAL_HEADERS {
        builder.http1().max_headers(settings.max_header_count);
    }
    let max_headers = u32::try_from(settings.max_headers).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        // What is a little too large is refused with a problem, and not by the library.
        .max_header_list_size(max_headers.saturating_mul(2))
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
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
