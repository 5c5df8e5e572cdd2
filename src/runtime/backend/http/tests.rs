//! Against a server of the test's own that plays back bytes, on loopback.

use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tonic::Code;

use super::*;
use crate::plan::Protocol;
use crate::runtime::backend::{Directives, FailureKind};
use crate::time::Deadline;

/// What the server writes after each request; `None`, and what is cut short, closes the connection.
type Script = Vec<Option<String>>;

struct Server {
    backend: HttpBackend,
    /// Each request head, behind the number of its connection.
    seen: mpsc::UnboundedReceiver<(usize, String)>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::task::spawn_local(async move {
            let mut script = script.into_iter();
            for connection in 0.. {
                let (mut socket, _) = listener.accept().await.unwrap();
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = socket.read_u8().await else { break };
                        head.push(byte);
                    }
                    if head.is_empty() {
                        break;
                    }
                    sender.send((connection, String::from_utf8(head).unwrap())).unwrap();
                    let Some(Some(reply)) = script.next() else { break };
                    socket.write_all(reply.as_bytes()).await.unwrap();
                    if !reply.contains("\r\n\r\n") {
                        break;
                    }
                }
            }
        });
        Self {
            backend: backend(port),
            seen,
        }
    }

    async fn call(&self, method: Method, accept: Accept) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("x-id", HeaderValue::from_static("7"));
        let request = Request::Http {
            method,
            path_and_query: "/a%20b?c=d".to_owned(),
            headers,
            body: None,
            accept,
        };
        self.backend
            .call(&request, Attempt::new(Deadline::after(Duration::from_secs(5))))
            .await
    }
}

fn backend(port: u16) -> HttpBackend {
    let target = Target::new("recs.example", "127.0.0.1", port);
    let backend = plan::Backend {
        headers: vec![("x-caller".parse().unwrap(), HeaderValue::from_static("weft"))],
        max_message: 100,
        ..plan::Backend::new("recs", Protocol::Http, vec![target.clone()])
    };
    HttpBackend::new(&backend, &target)
}

#[expect(clippy::unnecessary_wraps, reason = "a line of a script")]
fn reply(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_call_carries_what_was_named_and_connections_are_used_again() {
    local(async {
        let json = "content-type: application/json; charset=utf-8\r\ncache-control: max-age=5\r\n";
        let mut server = Server::start(vec![reply("200 OK", json, "[1]"), reply("200 OK", json, " {}")]).await;
        let first = server.call(Method::GET, Accept::Json).await.unwrap();
        let directives = Directives {
            no_store: false,
            no_stale: false,
            fresh_for: Some(Duration::from_secs(5)),
        };
        assert_eq!(
            first,
            Reply {
                body: Bytes::from_static(b"[1]"),
                directives
            }
        );
        assert_eq!(server.call(Method::GET, Accept::Json).await.unwrap().body, " {}");
        let (connection, head) = server.seen.recv().await.unwrap();
        assert_eq!(connection, 0);
        assert!(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{head}");
        for line in [
            "host: recs.example",
            "x-caller: weft",
            "x-id: 7",
            "accept: application/json",
            "accept-encoding: identity",
        ] {
            assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
        }
        assert_eq!(server.seen.recv().await.unwrap().0, 0);
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn replies_are_what_was_asked_for() {
    const JSON: &str = "content-type: application/problem+json\r\n";
    type Wanted = Result<&'static str, (FailureKind, Code)>;
    let bad = Err((FailureKind::BadReply, Code::Internal));
    let large = format!("\"{}\"", "x".repeat(200));
    let rows: Vec<(&str, Accept, Option<String>, Wanted)> = vec![
        (
            "JSON",
            Accept::Json,
            reply("200 OK", JSON, "{\"a\":1}"),
            Ok("{\"a\":1}"),
        ),
        ("no type", Accept::Json, reply("200 OK", "", "1"), Ok("1")),
        ("empty", Accept::Json, reply("200 OK", JSON, ""), Ok("null")),
        (
            "204",
            Accept::Json,
            Some("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
            Ok("null"),
        ),
        ("no JSON", Accept::Json, reply("200 OK", JSON, "{"), bad),
        (
            "other type",
            Accept::Json,
            reply("200 OK", "content-type: text/html\r\n", "1"),
            bad,
        ),
        (
            "text",
            Accept::Text,
            reply("200 OK", "content-type: text/plain\r\n", "hé"),
            Ok("hé"),
        ),
        ("empty text", Accept::Text, reply("200 OK", "", ""), Ok("")),
        (
            "bytes",
            Accept::Bytes,
            reply("200 OK", "content-type: image/png\r\n", "png"),
            Ok("png"),
        ),
        (
            "XML",
            Accept::Xml,
            reply("200 OK", "content-type: text/xml\r\n", "<a x='1'/>"),
            Ok(r#"{"a":{"@x":"1"}}"#),
        ),
        (
            "no XML",
            Accept::Xml,
            reply("200 OK", "content-type: text/xml\r\n", "<a>"),
            bad,
        ),
        (
            "compressed",
            Accept::Json,
            reply("200 OK", "content-encoding: gzip\r\n", "1"),
            bad,
        ),
        (
            "too large",
            Accept::Json,
            reply("200 OK", JSON, &large),
            Err((FailureKind::ReplyTooLarge, Code::Internal)),
        ),
        (
            "too large in chunks",
            Accept::Text,
            Some(format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
                format!("32\r\n{}\r\n", "x".repeat(50)).repeat(3)
            )),
            Err((FailureKind::ReplyTooLarge, Code::Internal)),
        ),
        (
            "redirect",
            Accept::Json,
            reply("302 Found", "location: /b\r\n", ""),
            Err((FailureKind::Redirect, Code::Unknown)),
        ),
        (
            "not found",
            Accept::Json,
            reply("404 Not Found", "", "no"),
            Err((FailureKind::HttpStatus, Code::NotFound)),
        ),
        (
            "broken",
            Accept::Json,
            reply("500 Oops", "", "no"),
            Err((FailureKind::HttpStatus, Code::Internal)),
        ),
        (
            "cut short",
            Accept::Json,
            Some("HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
            Err((FailureKind::Connection, Code::Unavailable)),
        ),
    ];
    local(async move {
        for (about, accept, reply, wanted) in rows {
            let server = Server::start(vec![reply, None]).await;
            let got = server.call(Method::POST, accept).await;
            let got = got
                .as_ref()
                .map(|it| std::str::from_utf8(&it.body).unwrap())
                .map_err(|it| (it.kind, it.code));
            assert_eq!(got, wanted, "{about}");
        }
    });
}

#[test]
fn a_failure_keeps_the_backends_text() {
    local(async {
        let server = Server::start(vec![reply("409 Conflict", "", "taken")]).await;
        let failure = server.call(Method::POST, Accept::Json).await.unwrap_err();
        assert_eq!(failure.message, "taken");
        assert_eq!(
            (failure.code, failure.http_status.unwrap().as_u16()),
            (Code::AlreadyExists, 409)
        );
    });
}

#[test]
fn a_get_on_a_connection_that_was_closed_meanwhile_is_made_again_and_a_post_is_not() {
    local(async {
        let one = reply("200 OK", "", "1");
        let mut server = Server::start(vec![one.clone(), None, one.clone(), None]).await;
        assert_eq!(server.call(Method::GET, Accept::Json).await.unwrap().body, "1");
        assert_eq!(server.call(Method::GET, Accept::Json).await.unwrap().body, "1");
        let connections: Vec<usize> = std::iter::from_fn(|| server.seen.try_recv().ok())
            .map(|it| it.0)
            .collect();
        assert_eq!(connections, [0, 0, 1]);
        assert_eq!(
            server.call(Method::POST, Accept::Json).await.unwrap_err().kind,
            FailureKind::Connection
        );
    });
}

#[test]
fn connections_that_are_no_longer_needed_are_closed_while_others_are_used() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let backend = backend(listener.local_addr().unwrap().port());
        let connect = async || {
            let sender = backend.pool.connect().await.unwrap();
            let accepted = listener.accept().await.unwrap().0;
            let (pool, used) = (&backend.pool, false);
            (Taken { pool, sender, used }, accepted)
        };
        let (first, mut at_first) = connect().await;
        let (second, _at_second) = connect().await;
        first.put_back();
        second.put_back();
        tokio::time::pause();
        for _ in 0..2 {
            tokio::time::advance(MAX_IDLE * 2 / 3).await;
            backend.pool.take(Wanted::Any).await.unwrap().put_back();
        }
        tokio::time::resume();
        assert_eq!(backend.pool.idle.borrow().len(), 1);
        assert_eq!(at_first.read(&mut [0]).await.unwrap(), 0, "closed");
    });
}

#[test]
fn nobody_there_is_a_failure_that_was_not_sent() {
    local(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let down = free.local_addr().unwrap().port();
        drop(free);
        let attempt = Attempt::new(Deadline::after(Duration::from_secs(5)));
        let (headers, body) = (HeaderMap::new(), None);
        let request = Request::Http {
            method: Method::GET,
            path_and_query: "/".to_owned(),
            headers,
            body,
            accept: Accept::Json,
        };
        let failure = backend(down).call(&request, attempt.clone()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Connect);
        assert!(!attempt.sent.is_marked());
    });
}
