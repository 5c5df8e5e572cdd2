//! Against an HTTP/2 server of the test's own, on loopback.

use std::collections::VecDeque;
use std::future::Future;

use h2::RecvStream;
use h2::server::SendResponse;
use http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::*;
use crate::plan::{Protocol, Target};
use crate::runtime::backend::{Backends, FailureKind, Guarded, Guards};
use crate::time::Deadline;

/// What the server does with one request.
#[derive(Clone, Debug)]
enum Act {
    /// Closes the connection without looking at the request.
    Leave,
    /// Never answers.
    Nothing,
    Refuse,
    /// Status, headers, chunks, trailers.
    Reply(u16, Pairs, Vec<Vec<u8>>, Option<Pairs>),
}

type Wanted = Result<&'static str, (FailureKind, Code)>;
type Pairs = &'static [(&'static str, &'static str)];

const GRPC: Pairs = &[("content-type", "application/grpc+proto")];
const OK: Option<Pairs> = Some(&[("grpc-status", "0")]);

/// What the server saw of a request.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Reset,
    Request {
        path: String,
        headers: HeaderMap,
        body: Vec<u8>,
    },
}

struct Server {
    backend: GrpcBackend,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Server {
    async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::task::spawn_local(serve(listener, acts.into(), sender));
        Self {
            backend: backend(port),
            seen,
        }
    }

    async fn call(&self) -> Result<Bytes, Failure> {
        call(&self.backend, Duration::from_secs(5)).await
    }
}

fn settings(ports: &[u16]) -> plan::Backend {
    let target = |port: &u16| Target::new(format!("shop:{port}"), "127.0.0.1", *port);
    plan::Backend {
        headers: vec![("x-caller".parse().unwrap(), HeaderValue::from_static("weft"))],
        max_message: 1_000,
        balance: plan::Balance::RoundRobin,
        ..plan::Backend::new("shop", Protocol::Grpc, ports.iter().map(target).collect())
    }
}

fn backend(port: u16) -> GrpcBackend {
    let settings = settings(&[port]);
    GrpcBackend::new(&settings, &settings.targets[0], &Arc::default())
}

/// All targets of a backend.
fn balanced(ports: &[u16]) -> Rc<Guarded> {
    let settings = settings(ports);
    let guards = Guards::build(std::slice::from_ref(&settings), None);
    let backends = Backends::build(std::slice::from_ref(&settings), &guards, None);
    backends.get(plan::BackendIndex(0)).unwrap().clone()
}

fn request() -> Request {
    let mut metadata = HeaderMap::new();
    metadata.insert("x-id", HeaderValue::from_static("7"));
    Request::Grpc {
        path: "/a.B/C".into(),
        message: Bytes::from_static(b"hi"),
        metadata,
    }
}

async fn ask(backend: &Guarded) -> Result<Bytes, Failure> {
    let attempt = Attempt::new(Deadline::after(Duration::from_secs(5)));
    let reply = backend.call(&request(), attempt, plan::Policy::default()).await;
    reply.map(|it| it.body)
}

async fn call(backend: &GrpcBackend, timeout: Duration) -> Result<Bytes, Failure> {
    backend
        .call(&request(), Attempt::new(Deadline::after(timeout)))
        .await
        .map(|it| it.body)
}

async fn serve(listener: TcpListener, mut acts: VecDeque<Act>, seen: mpsc::UnboundedSender<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            match acts.pop_front().unwrap() {
                Act::Leave => break,
                act => drop(tokio::task::spawn_local(play(act, request, respond, seen.clone()))),
            }
        }
    }
}

async fn play(
    act: Act,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: mpsc::UnboundedSender<Seen>,
) {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    seen.send(Seen::Request {
        path: head.uri.to_string(),
        headers: head.headers,
        body: bytes,
    })
    .unwrap();
    match act {
        Act::Leave => {}
        Act::Nothing => {
            poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            seen.send(Seen::Reset).unwrap();
        }
        Act::Refuse => respond.send_reset(h2::Reason::REFUSED_STREAM),
        Act::Reply(status, headers, chunks, trailers) => {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.headers_mut() = map(headers);
            let only_headers = chunks.is_empty() && trailers.is_none();
            let mut stream = respond.send_response(response, only_headers).unwrap();
            let n_chunks = chunks.len();
            for (at, chunk) in chunks.into_iter().enumerate() {
                stream
                    .send_data(chunk.into(), trailers.is_none() && at + 1 == n_chunks)
                    .unwrap();
            }
            if let Some(trailers) = trailers {
                stream.send_trailers(map(trailers)).unwrap();
            }
        }
    }
}

fn map(pairs: Pairs) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn framed(message: &[u8]) -> Vec<u8> {
    frame(message).unwrap().to_vec()
}

fn reply(message: &[u8]) -> Act {
    Act::Reply(200, GRPC, vec![framed(message)], OK)
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_call_carries_what_the_protocol_wants_and_gives_the_message() {
    local(async {
        let mut server = Server::start(vec![reply(b"hello")]).await;
        assert_eq!(server.call().await.unwrap(), "hello");
        let Some(Seen::Request { path, headers, body }) = server.seen.recv().await else {
            panic!()
        };
        assert!(path.starts_with("http://shop:") && path.ends_with("/a.B/C"), "{path}");
        assert_eq!(body, framed(b"hi"));
        let wanted = [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", concat!("weft/", env!("CARGO_PKG_VERSION"))),
            ("x-caller", "weft"),
            ("x-id", "7"),
        ];
        for (name, value) in wanted {
            assert_eq!(headers[name], value);
        }
        let timeout = headers["grpc-timeout"].to_str().unwrap();
        let micros: u64 = timeout.strip_suffix('u').unwrap().parse().unwrap();
        assert!((4_000_000..=5_000_000).contains(&micros), "{timeout}");
    });
}

#[test]
fn replies_are_what_the_protocol_says() {
    let message = framed(b"0123456789");
    let two = [message.clone(), message.clone()].concat();
    let large = framed(&[7; 1_001]);
    let compressed = [&[1][..], &message[1..]].concat();
    let halves = || vec![message[..3].to_vec(), message[3..9].to_vec(), message[9..].to_vec()];
    let rows: Vec<(&str, Act, Wanted)> = vec![
        (
            "whole",
            Act::Reply(200, GRPC, vec![message.clone()], OK),
            Ok("0123456789"),
        ),
        ("in pieces", Act::Reply(200, GRPC, halves(), OK), Ok("0123456789")),
        ("empty message", Act::Reply(200, GRPC, vec![framed(b"")], OK), Ok("")),
        (
            "two messages",
            Act::Reply(200, GRPC, vec![two], OK),
            Err((FailureKind::BadReply, Code::Internal)),
        ),
        (
            "no message",
            Act::Reply(200, GRPC, vec![], OK),
            Err((FailureKind::BadReply, Code::Internal)),
        ),
        (
            "cut short",
            Act::Reply(200, GRPC, vec![message[..8].to_vec()], OK),
            Err((FailureKind::BadReply, Code::Internal)),
        ),
        (
            "too large",
            Act::Reply(200, GRPC, vec![large], OK),
            Err((FailureKind::ReplyTooLarge, Code::Internal)),
        ),
        (
            "compressed",
            Act::Reply(200, GRPC, vec![compressed], OK),
            Err((FailureKind::BadReply, Code::Internal)),
        ),
        (
            "no trailers",
            Act::Reply(200, GRPC, vec![message.clone()], None),
            Err((FailureKind::BadReply, Code::Internal)),
        ),
        (
            "status in trailers",
            Act::Reply(200, GRPC, vec![], Some(&[("grpc-status", "9")])),
            Err((FailureKind::Status, Code::FailedPrecondition)),
        ),
        (
            "trailers only",
            Act::Reply(
                200,
                &[("content-type", "application/grpc"), ("grpc-status", "5")],
                vec![],
                None,
            ),
            Err((FailureKind::Status, Code::NotFound)),
        ),
        (
            "unknown code",
            Act::Reply(200, GRPC, vec![], Some(&[("grpc-status", "77")])),
            Err((FailureKind::Status, Code::Unknown)),
        ),
        (
            "no gRPC",
            Act::Reply(200, &[("content-type", "text/html")], vec![], None),
            Err((FailureKind::BadReply, Code::Unknown)),
        ),
        (
            "a proxy's 503",
            Act::Reply(503, &[], vec![b"busy".to_vec()], None),
            Err((FailureKind::BadReply, Code::Unavailable)),
        ),
    ];
    local(async move {
        for (about, act, wanted) in rows {
            let server = Server::start(vec![act]).await;
            let got = server.call().await;
            let got = got
                .as_ref()
                .map(|it| std::str::from_utf8(it).unwrap())
                .map_err(|it| (it.kind, it.code));
            assert_eq!(got, wanted, "{about}");
        }
    });
}

#[test]
fn a_status_comes_with_its_text_and_details() {
    local(async {
        let trailers = &[
            ("grpc-status", "3"),
            ("grpc-message", "bad%20id%21"),
            ("grpc-status-details-bin", "CAMSAmhp"),
        ];
        let server = Server::start(vec![Act::Reply(200, GRPC, vec![], Some(trailers))]).await;
        let failure = server.call().await.unwrap_err();
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (Code::InvalidArgument, "bad id!")
        );
        assert_eq!(&failure.details[..], b"\x08\x03\x12\x02hi");
    });
}

#[test]
fn what_was_not_looked_at_is_sent_once_more() {
    local(async {
        let server = Server::start(vec![Act::Refuse, reply(b"a"), reply(b"b"), Act::Refuse, Act::Refuse]).await;
        assert_eq!(server.call().await.unwrap(), "a");
        assert_eq!(server.call().await.unwrap(), "b");
        assert_eq!(server.call().await.unwrap_err().kind, FailureKind::Refused);
    });
}

#[test]
fn a_lost_connection_fails_its_call_and_is_replaced() {
    local(async {
        let server = Server::start(vec![reply(b"a"), Act::Leave, reply(b"b")]).await;
        assert_eq!(server.call().await.unwrap(), "a");
        let lost = server.call().await.unwrap_err();
        assert_eq!((lost.kind, lost.code), (FailureKind::Connection, Code::Unavailable));
        assert_eq!(server.call().await.unwrap(), "b");
    });
}

#[test]
fn a_call_that_is_dropped_resets_its_stream_and_nothing_else() {
    local(async {
        let mut server = Server::start(vec![Act::Nothing, reply(b"a")]).await;
        assert!(
            tokio::time::timeout(Duration::from_millis(20), server.call())
                .await
                .is_err()
        );
        assert!(matches!(server.seen.recv().await, Some(Seen::Request { .. })));
        assert_eq!(server.seen.recv().await, Some(Seen::Reset));
        assert_eq!(server.call().await.unwrap(), "a");
    });
}

#[test]
fn targets_that_cannot_be_reached_are_passed_over() {
    local(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let down = free.local_addr().unwrap().port();
        drop(free);
        let nobody = backend(down);
        let failure = call(&nobody, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry), (FailureKind::Connect, Retry::Always));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, _seen) = mpsc::unbounded_channel();
        tokio::task::spawn_local(serve(
            listener,
            vec![reply(b"a"), reply(b"b"), reply(b"c")].into(),
            sender,
        ));
        let one_of_two = balanced(&[down, port]);
        for wanted in ["a", "b", "c"] {
            assert_eq!(ask(&one_of_two).await.unwrap(), wanted);
        }
    });
}

#[test]
fn several_targets_take_turns() {
    local(async {
        let (mut ports, mut seen) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let (sender, receiver) = mpsc::unbounded_channel();
            seen.push(receiver);
            tokio::task::spawn_local(serve(listener, vec![reply(b""); 8].into(), sender));
        }
        let backend = balanced(&ports);
        // The first call may find only one of them connected.
        for _ in 0..7 {
            assert!(ask(&backend).await.is_ok());
        }
        let counts: Vec<usize> = seen
            .iter_mut()
            .map(|it| std::iter::from_fn(|| it.try_recv().ok()).count())
            .collect();
        assert!(counts.iter().all(|it| *it >= 2), "{counts:?}");
    });
}

#[test]
fn timeouts_have_at_most_eight_digits() {
    for (left, wanted) in [
        (Duration::ZERO, "1u"),
        (Duration::from_nanos(1_500), "2u"),
        (Duration::from_millis(800), "800000u"),
        (Duration::from_secs(99), "99000000u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_secs(1_000_000), "1000000S"),
        (Duration::from_secs(u64::MAX), "99999999H"),
    ] {
        assert_eq!(grpc_timeout(left), wanted, "{left:?}");
    }
}

#[test]
fn a_server_that_gives_up_at_the_deadline_was_too_late_and_before_it_has_cancelled() {
    let cancelled = || Act::Reply(200, GRPC, vec![], Some(&[("grpc-status", "1")]));
    local(async move {
        for (timeout, wanted) in [
            (Duration::ZERO, (FailureKind::Deadline, Code::DeadlineExceeded)),
            (Duration::from_secs(5), (FailureKind::Status, Code::Cancelled)),
        ] {
            let server = Server::start(vec![cancelled()]).await;
            let failure = call(&server.backend, timeout).await.unwrap_err();
            assert_eq!((failure.kind, failure.code), wanted);
        }
    });
}
