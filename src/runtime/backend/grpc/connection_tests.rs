//! Connections and streams that outlast one call, against HTTP/2 servers of the test's own, on loopback.

use std::cell::RefCell;
use std::future::Future;

use h2::server::SendResponse;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::*;
use crate::plan::{Keepalive, Protocol};
use crate::runtime::backend::{Backends, FailureKind, Guards};
use crate::time::Deadline;

fn local(test: impl Future<Output = ()>) {
    at_its_own_pace(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
}

/// The same for tests that let minutes go by.
fn at_its_own_pace(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn settings(port: u16) -> plan::Backend {
    plan::Backend {
        balance: plan::Balance::RoundRobin,
        ..plan::Backend::new(
            "shop",
            Protocol::Grpc,
            vec![Target::new(format!("127.0.0.1:{port}"), "127.0.0.1", port)],
        )
    }
}

/// With `health: { watch }`.
fn watched(port: u16, timeout: Duration) -> plan::Backend {
    let check = plan::HealthCheck {
        interval: Duration::from_millis(20),
        timeout,
        path: "/".into(),
        watch: true,
    };
    plan::Backend {
        health: plan::Health {
            ejection: None,
            check: Some(check),
        },
        ..settings(port)
    }
}

fn backend(port: u16, keepalive: Option<Keepalive>) -> Rc<GrpcBackend> {
    let settings = plan::Backend {
        keepalive,
        ..settings(port)
    };
    Rc::new(GrpcBackend::new(&settings, &settings.targets[0], &Arc::default()))
}

async fn call(backend: &GrpcBackend) -> Result<Bytes, Failure> {
    let request = Request::Grpc {
        path: "/a.B/C".into(),
        message: Bytes::from_static(b"hi"),
        metadata: HeaderMap::new(),
    };
    let attempt = Attempt::new(Deadline::after(Duration::from_secs(10)));
    backend.call(&request, attempt).await.map(|it| it.body)
}

/// Waits until something holds.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn head() -> Response<()> {
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(()).unwrap()
}

fn answer(mut respond: SendResponse<Bytes>) {
    // Who asked may be gone.
    let Ok(mut stream) = respond.send_response(head(), false) else {
        return;
    };
    stream.send_data(frame(b"yes").unwrap(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers).unwrap();
}

/// What a server saw.
#[derive(Debug, Default)]
struct Seen {
    connections: Cell<usize>,
    /// The most streams at once on one connection.
    most: Cell<usize>,
    /// Connections that are there.
    open: Cell<usize>,
}

/// Answers each call after a while, and lets a connection have so many streams, which it says a little late.
async fn serve(listener: TcpListener, max_streams: u32, seen: Rc<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let seen = seen.clone();
        seen.connections.set(seen.connections.get() + 1);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut builder = h2::server::Builder::new();
            let mut connection = builder
                .max_concurrent_streams(max_streams)
                .handshake::<TcpStream, Bytes>(socket)
                .await
                .unwrap();
            let n_here = Rc::new(Cell::new(0));
            seen.open.set(seen.open.get() + 1);
            while let Some(Ok((_, respond))) = connection.accept().await {
                n_here.set(n_here.get() + 1);
                seen.most.set(seen.most.get().max(n_here.get()));
                let n_here = n_here.clone();
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    n_here.set(n_here.get() - 1);
                    answer(respond);
                });
            }
            seen.open.set(seen.open.get() - 1);
        });
    }
}

/// A minute goes by, in no time.
async fn minute() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    // Whoever waited for it begins to wait for the next.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
}

#[test]
fn connections_of_a_spike_are_closed_once_they_are_not_needed() {
    at_its_own_pace(async move {
        let (listener, port) = listener().await;
        let seen = Rc::<Seen>::default();
        tokio::task::spawn_local(serve(listener, 2, seen.clone()));
        let backend = backend(port, None);
        let calls = |n| futures::future::join_all((0..n).map(|_| call(&backend)));
        assert!(calls(16).await.iter().all(Result::is_ok));
        let after_spike = seen.open.get();
        assert!(after_spike > 2, "{after_spike} connections");
        // What was needed in the last minute stays.
        minute().await;
        assert!(calls(2 * after_spike).await.iter().all(Result::is_ok));
        assert_eq!(seen.open.get(), after_spike);
        // From then on two calls at once, for which two connections have room and more.
        for left in (2..after_spike).rev() {
            assert!(calls(2).await.iter().all(Result::is_ok));
            // The busy minute first.
            if left + 1 == after_spike {
                minute().await;
                assert_eq!(seen.open.get(), after_spike);
            }
            minute().await;
            until(|| seen.open.get() == left).await;
        }
        // Nobody asks any more: one is left, and serves.
        minute().await;
        minute().await;
        until(|| seen.open.get() == 1).await;
        minute().await;
        assert!(calls(1).await.iter().all(Result::is_ok));
        assert_eq!(seen.open.get(), 1);
        // The next spike finds as many as before.
        assert!(calls(16).await.iter().all(Result::is_ok));
        assert_eq!(seen.open.get(), after_spike);
    });
}

#[test]
fn a_backend_that_takes_few_streams_at_once_gets_more_connections_and_no_more_streams() {
    for max_streams in [1, 2] {
        local(async move {
            let (listener, port) = listener().await;
            let seen = Rc::new(Seen::default());
            tokio::task::spawn_local(serve(listener, max_streams, seen.clone()));
            let backend = backend(port, None);
            let calls = (0..60).map(|_| call(&backend));
            let replies = futures::future::join_all(calls).await;
            assert!(
                replies.iter().all(|it| it.as_ref().is_ok_and(|it| it == "yes")),
                "{replies:?}"
            );
            let (connections, most) = (seen.connections.get(), seen.most.get());
            assert!((2..=16).contains(&connections), "{connections} connections");
            assert!(
                most <= max_streams as usize,
                "{most} streams at once where {max_streams} may be"
            );
            // They are there, so that the next calls need no more of them.
            futures::future::join_all((0..10).map(|_| call(&backend))).await;
            assert_eq!(seen.connections.get(), connections);
        });
    }
}

#[test]
fn a_backend_that_takes_many_streams_gets_one_connection() {
    local(async {
        let (listener, port) = listener().await;
        let seen = Rc::new(Seen::default());
        tokio::task::spawn_local(serve(listener, 100, seen.clone()));
        let backend = backend(port, None);
        let replies = futures::future::join_all((0..90).map(|_| call(&backend))).await;
        assert!(replies.iter().all(Result::is_ok), "{replies:?}");
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn a_connection_that_says_goaway_ends_its_calls_and_gets_no_more() {
    local(async {
        let (listener, port) = listener().await;
        let order = Rc::new(RefCell::new(Vec::new()));
        let seen = order.clone();
        tokio::task::spawn_local(async move {
            for n_connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let seen = seen.clone();
                tokio::task::spawn_local(async move {
                    let mut connection = h2::server::handshake(socket).await.unwrap();
                    while let Some(Ok((_, respond))) = connection.accept().await {
                        seen.borrow_mut().push(n_connection);
                        if n_connection == 0 {
                            connection.graceful_shutdown();
                        }
                        tokio::task::spawn_local(async move {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            answer(respond);
                        });
                    }
                });
            }
        });
        let backend = backend(port, None);
        let second = async {
            until(|| order.borrow().len() == 1).await;
            // The GOAWAY may be on its way still: either way nobody notices.
            tokio::time::sleep(Duration::from_millis(20)).await;
            call(&backend).await
        };
        let (first, second) = futures::future::join(call(&backend), second).await;
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
        assert_eq!(*order.borrow(), [0, 1]);
    });
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn h2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as HPACK has it where no table is used (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |it: &str| [&[u8::try_from(it.len()).unwrap()], it.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Looks at so many calls on each connection, byte by byte: says so with GOAWAY, answers those, and drops the others.
async fn leave_after(listener: TcpListener, n_calls: usize, n_looked_at: Rc<Cell<usize>>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let n_looked_at = n_looked_at.clone();
        tokio::task::spawn_local(async move {
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).await.unwrap();
            socket.write_all(&h2_frame(SETTINGS, 0, 0, &[])).await.unwrap();
            let mut streams = Vec::new();
            let mut head = [0; 9];
            // To the end: whatever comes behind the GOAWAY is never looked at.
            while socket.read_exact(&mut head).await.is_ok() {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                let mut payload = vec![0; length];
                socket.read_exact(&mut payload).await.unwrap();
                let (kind, flags) = (head[3], head[4]);
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                if kind == SETTINGS && flags == 0 {
                    socket.write_all(&h2_frame(SETTINGS, 1, 0, &[])).await.unwrap();
                }
                if kind != DATA || flags & END_STREAM == 0 || streams.len() == n_calls {
                    continue;
                }
                streams.push(stream);
                if streams.len() < n_calls {
                    continue;
                }
                n_looked_at.set(n_looked_at.get() + n_calls);
                let no_error = [stream.to_be_bytes(), [0; 4]].concat();
                let mut answers = h2_frame(GOAWAY, 0, 0, &no_error);
                for stream in &streams {
                    let head = [vec![0x88], field("content-type", "application/grpc")].concat();
                    answers.extend(h2_frame(HEADERS, END_HEADERS, *stream, &head));
                    answers.extend(h2_frame(DATA, 0, *stream, &frame(b"yes").unwrap()));
                    let trailers = field("grpc-status", "0");
                    answers.extend(h2_frame(HEADERS, END_HEADERS | END_STREAM, *stream, &trailers));
                }
                socket.write_all(&answers).await.unwrap();
            }
        });
    }
}

#[test]
fn calls_that_a_leaving_connection_did_not_look_at_are_made_on_the_next() {
    local(async {
        let (listener, port) = listener().await;
        let n_looked_at = Rc::new(Cell::new(0));
        tokio::task::spawn_local(leave_after(listener, 10, n_looked_at.clone()));
        let backend = backend(port, None);
        // Of what is sent at once, each connection takes ten; five moves are needed.
        let replies = futures::future::join_all((0..60).map(|_| call(&backend))).await;
        assert!(
            replies.iter().all(|it| it.as_ref().is_ok_and(|it| it == "yes")),
            "{replies:?}"
        );
        assert_eq!(n_looked_at.get(), 60, "a call was looked at twice");
    });
}

#[test]
fn connections_that_look_at_nothing_are_not_tried_for_ever() {
    local(async {
        let (listener, port) = listener().await;
        let n_connections = Rc::new(Cell::new(0));
        let n_seen = n_connections.clone();
        tokio::task::spawn_local(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                n_seen.set(n_seen.get() + 1);
                let mut bytes = h2_frame(SETTINGS, 0, 0, &[]);
                tokio::task::spawn_local(async move {
                    socket.write_all(&bytes).await.unwrap();
                    let mut all = [0; 1 << 12];
                    // Leaves once there is a call, and says that it looked at none.
                    while socket.read(&mut all).await.is_ok_and(|it| it > 0) {
                        if all.windows(3).any(|it| it == b"\0hi" || it == b"\x02hi") {
                            bytes = h2_frame(GOAWAY, 0, 0, &[0; 8]);
                            drop(socket.write_all(&bytes).await);
                        }
                    }
                });
            }
        });
        let failure = call(&backend(port, None)).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry), (FailureKind::Refused, Retry::Always));
        assert_eq!(n_connections.get(), MAX_MOVES + 1);
    });
}

#[test]
fn a_call_in_line_takes_whatever_is_free_first_and_none_is_passed_over() {
    local(async {
        let (listener, port) = listener().await;
        let seen = Rc::new(Seen::default());
        tokio::task::spawn_local(serve(listener, 1, seen.clone()));
        let backend = backend(port, None);
        let order = RefCell::new(Vec::new());
        let one = |at: usize| {
            let (backend, order) = (&backend, &order);
            async move {
                assert!(call(backend).await.is_ok());
                order.borrow_mut().push(at);
            }
        };
        // Some give up while they wait, which costs nobody a place.
        let given_up = (0..20).map(|_| tokio::time::timeout(Duration::from_millis(45), call(&backend)));
        let (_, _) = futures::future::join(
            futures::future::join_all((0..200).map(one)),
            futures::future::join_all(given_up),
        )
        .await;
        let order = order.into_inner();
        // They began one after the other, at most 16 at once: who is done has been overtaken by those beside it only.
        let overtaken = order.iter().enumerate().all(|(at, it)| at.abs_diff(*it) <= 32);
        assert!(overtaken, "{order:?}");
        assert!(seen.connections.get() <= 16);
    });
}

#[test]
fn a_server_that_says_nothing_in_http2_is_not_connected() {
    local(async {
        let (listener, port) = listener().await;
        tokio::task::spawn_local(async move {
            let mut held = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                held.push(socket);
            }
        });
        let backend = backend(port, None);
        let given_up = tokio::time::timeout(Duration::from_millis(100), call(&backend)).await;
        assert!(given_up.is_err());
        assert_eq!(backend.readiness(), Readiness::Connecting);
    });
}

#[test]
fn a_connection_that_is_dead_is_found_by_a_ping_and_made_again() {
    let keepalive = Keepalive {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(200),
    };
    for (keepalive, is_found) in [(Some(keepalive), true), (None, false)] {
        local(async move {
            let (listener, port) = listener().await;
            tokio::task::spawn_local(async move {
                // The first falls silent after its first call, and its socket stays open.
                let (socket, _) = listener.accept().await.unwrap();
                let mut silent = h2::server::handshake(socket).await.unwrap();
                let (_, respond) = silent.accept().await.unwrap().unwrap();
                answer(respond);
                let sent = poll_fn(|cx| silent.poll_closed(cx));
                let _sent = tokio::time::timeout(Duration::from_millis(30), sent).await.is_ok();
                serve(listener, 10, Rc::default()).await;
                drop(silent);
            });
            let backend = backend(port, keepalive);
            assert!(call(&backend).await.is_ok());
            assert_eq!(backend.readiness(), Readiness::Ready);
            if is_found {
                until(|| backend.readiness() == Readiness::Cold).await;
                assert!(call(&backend).await.is_ok());
            } else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                assert_eq!(backend.readiness(), Readiness::Ready);
            }
        });
    }
}

/// Serves one connection: each call gets the next of these, and lasts.
async fn say(listener: TcpListener, mut all: Vec<Vec<Vec<u8>>>, n_reset: Rc<Cell<usize>>) {
    let (socket, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Watch");
        let (chunks, n_reset) = (all.remove(0), n_reset.clone());
        tokio::task::spawn_local(async move {
            let mut stream = respond.send_response(head(), false).unwrap();
            for chunk in chunks {
                stream.send_data(chunk.into(), false).unwrap();
            }
            if poll_fn(|cx| stream.poll_reset(cx)).await.is_ok() {
                n_reset.set(n_reset.get() + 1);
            }
        });
    }
}

#[test]
fn messages_of_a_stream_are_heard_one_by_one_wherever_they_are_cut() {
    local(async {
        let messages: [&[u8]; 4] = [b"one", b"", b"three", b"four"];
        let all: Vec<u8> = messages.iter().flat_map(|it| frame(it).unwrap()).collect();
        for cut in 1..all.len() {
            let (one, other) = all.split_at(cut);
            let n_reset = Rc::new(Cell::new(0));
            let (listener, port) = listener().await;
            tokio::task::spawn_local(say(listener, vec![vec![one.to_vec(), other.to_vec()]], n_reset.clone()));
            let backend = backend(port, None);
            let heard = RefCell::new(Vec::new());
            let hear = |it: Bytes| heard.borrow_mut().push(it);
            let path = "/grpc.health.v1.Health/Watch".into();
            let listening = backend.listen(&path, None, &hear);
            let all_heard = until(|| heard.borrow().len() == 4);
            // Nothing ends the stream but that it is dropped.
            let (all_heard, listening) = (std::pin::pin!(all_heard), std::pin::pin!(listening));
            futures::future::select(all_heard, listening).await;
            assert_eq!(*heard.borrow(), messages, "cut at {cut}");
        }
    });
}

#[test]
fn a_method_that_is_not_known_is_said_to_be_so() {
    local(async {
        let (listener, port) = listener().await;
        tokio::task::spawn_local(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut head = head();
                head.headers_mut().insert("grpc-status", HeaderValue::from_static("12"));
                let stream: h2::SendStream<Bytes> = respond.send_response(head, true).unwrap();
                drop(stream);
            }
        });
        let ended = backend(port, None).listen(&"/a.B/C".into(), None, &|_| {}).await;
        assert_eq!((ended.kind, ended.code), (FailureKind::Status, Code::Unimplemented));
    });
}

#[test]
fn a_target_says_by_itself_how_it_is_as_long_as_its_backend_is_there() {
    local(async {
        let (listener, port) = listener().await;
        let n_reset = Rc::new(Cell::new(0));
        let not_serving = frame(b"\x08\x02").unwrap().to_vec();
        let serving = frame(b"\x08\x01").unwrap().to_vec();
        tokio::task::spawn_local(say(listener, vec![vec![serving, not_serving]], n_reset.clone()));
        let settings = watched(port, Duration::from_millis(200));
        let guards = Guards::build(std::slice::from_ref(&settings), None);
        // Of two workers one hears it, for both.
        let workers = [(); 2].map(|()| Backends::build(std::slice::from_ref(&settings), &guards, None));
        let members = guards.get(plan::BackendIndex(0)).unwrap().balancer.members();
        until(|| members[0].is_sick()).await;
        assert!(members[0].watch().is_none());
        drop(workers);
        until(|| n_reset.get() == 1).await;
        until(|| members[0].watch().is_some()).await;
    });
}

#[test]
fn a_target_that_cannot_say_by_itself_is_asked() {
    local(async {
        let (listener, port) = listener().await;
        let is_well = Rc::new(Cell::new(false));
        let well = is_well.clone();
        tokio::task::spawn_local(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let mut head = head();
                if request.uri().path().ends_with("/Watch") {
                    head.headers_mut().insert("grpc-status", HeaderValue::from_static("12"));
                    let stream: h2::SendStream<Bytes> = respond.send_response(head, true).unwrap();
                    drop(stream);
                    continue;
                }
                assert!(request.uri().path().ends_with("/Check"));
                let mut stream = respond.send_response(head, false).unwrap();
                let message: &[u8] = if well.get() { b"\x08\x01" } else { b"\x08\x02" };
                stream.send_data(frame(message).unwrap(), false).unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                stream.send_trailers(trailers).unwrap();
            }
        });
        let settings = watched(port, Duration::from_millis(20));
        let guards = Guards::build(std::slice::from_ref(&settings), None);
        let _worker = Backends::build(std::slice::from_ref(&settings), &guards, None);
        let members = guards.get(plan::BackendIndex(0)).unwrap().balancer.members();
        until(|| members[0].is_sick()).await;
        is_well.set(true);
        until(|| !members[0].is_sick()).await;
    });
}

#[test]
fn a_target_that_is_silent_when_it_should_say_how_it_is_is_sick() {
    local(async {
        let (listener, port) = listener().await;
        tokio::task::spawn_local(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let mut held = Vec::new();
            while let Some(Ok((_, respond))) = connection.accept().await {
                held.push(respond);
            }
        });
        let settings = watched(port, Duration::from_millis(20));
        let guards = Guards::build(std::slice::from_ref(&settings), None);
        let _worker = Backends::build(std::slice::from_ref(&settings), &guards, None);
        let members = guards.get(plan::BackendIndex(0)).unwrap().balancer.members();
        until(|| members[0].is_sick()).await;
    });
}
