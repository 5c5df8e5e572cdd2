//! HTTP/1.1: requests that two servers may read differently, that never end, or that are too much.

use std::io::{Read, Write};
use std::time::Duration;

use super::gateway::{Gateway, read_all, status_of};

/// A head with these lines behind `Host`.
fn with(lines: &str) -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
}

#[test]
fn what_may_be_read_in_two_ways_is_refused() {
    let gateway = Gateway::start("shapes");
    let refused: &[(&str, &[u16], Vec<u8>)] = &[
        (
            "two hosts",
            &[400],
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
        ),
        (
            "the same host twice",
            &[400],
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_vec(),
        ),
        ("no host", &[400], b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("an empty host", &[400], b"GET / HTTP/1.1\r\nHost:\r\n\r\n".to_vec()),
        (
            "a list of hosts",
            &[400],
            b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_vec(),
        ),
        (
            "a host with a path",
            &[400],
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec(),
        ),
        (
            "a host with a user",
            &[400],
            b"GET / HTTP/1.1\r\nHost: me@a\r\n\r\n".to_vec(),
        ),
        (
            "another host in the target",
            &[400],
            b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "a user in the target",
            &[400],
            b"GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "CONNECT",
            &[405],
            b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".to_vec(),
        ),
        ("TRACE", &[405], b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("GET *", &[400], b"GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "a target without a slash",
            &[400],
            b"GET a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        ("two lengths", &[400], with("Content-Length: 1\r\nContent-Length: 2")),
        ("a list of lengths", &[400], with("Content-Length: 1, 1")),
        ("a length with a sign", &[400], with("Content-Length: +1")),
        ("a negative length", &[400], with("Content-Length: -1")),
        (
            "a length beyond numbers",
            &[400],
            with("Content-Length: 99999999999999999999"),
        ),
        ("a hexadecimal length", &[400], with("Content-Length: 0x1")),
        ("an unknown transfer coding", &[400], with("Transfer-Encoding: pigeons")),
        (
            "a coding before chunked",
            &[400],
            with("Transfer-Encoding: gzip, chunked"),
        ),
        ("chunked twice", &[400], with("Transfer-Encoding: chunked, chunked")),
        (
            "chunked on two lines",
            &[400],
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ),
        ("chunked and more", &[400], with("Transfer-Encoding: xchunked")),
        ("chunked in quotes", &[400], with("Transfer-Encoding: \"chunked\"")),
        (
            "chunked in HTTP/1.0",
            &[400],
            b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        ("a folded line", &[400], with("X-A: b\r\n c")),
        ("a space before the colon", &[400], with("X-A : b")),
        ("a bare CR in a value", &[400], with("X-A: b\rContent-Length: 3")),
        ("NUL in a value", &[400], with("X-A: b\0c")),
        ("NUL in a name", &[400], with("X\0A: b")),
        ("a line without a colon", &[400], with("X-A")),
        ("LF alone", &[400], b"GET / HTTP/1.1\nHost: a\n\n".to_vec()),
        ("LF alone behind one line", &[400], with("X-A: b\nX-B: c")),
        (
            "CR alone at the end",
            &[400],
            b"GET / HTTP/1.1\r\nHost: a\r\n\rx".to_vec(),
        ),
        ("an empty name", &[400], with(": b")),
        (
            "a space before the first header",
            &[400],
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_vec(),
        ),
        (
            "an unknown version",
            &[400],
            b"GET / HTTP/1.9\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "HTTP/2.0 in words",
            &[400],
            b"GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_vec(),
        ),
        ("no version", &[400], b"GET /\r\n\r\n".to_vec()),
        (
            "a NUL in the target",
            &[400],
            b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "an encoded NUL",
            &[400],
            b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "half an escape",
            &[400],
            b"GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "what is no UTF-8",
            &[400],
            b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        ("dots", &[400], b"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        (
            "encoded dots",
            &[400],
            b"GET /a/%2E%2e/b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "an empty segment",
            &[404],
            b"GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ),
        (
            "a long target",
            &[414],
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1100)).into_bytes(),
        ),
        ("many headers", &[431], with(&vec!["A: b"; 150].join("\r\n"))),
        ("a large head", &[431], with(&format!("A: {}", "b".repeat(40_000)))),
        (
            "a bad chunk",
            &[400, 408],
            [with("Transfer-Encoding: chunked"), b"zz\r\n\r\n".to_vec()].concat(),
        ),
        (
            "a chunk beyond numbers",
            &[400, 408],
            [
                with("Transfer-Encoding: chunked"),
                b"fffffffffffffffff\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "a chunk that is longer than it says",
            &[400, 408],
            [with("Transfer-Encoding: chunked"), b"1\r\nabc\r\n0\r\n\r\n".to_vec()].concat(),
        ),
    ];
    let before = gateway.holds();
    std::thread::scope(|scope| {
        for (name, statuses, bytes) in refused {
            let gateway = &gateway;
            scope.spawn(move || {
                let said = gateway.talk(bytes);
                assert!(statuses.contains(&status_of(&said)), "{name}: {said}");
                assert!(said.contains("application/problem+json"), "{name}: {said}");
            });
        }
    });
    // And what is sound is not.
    for sound in [
        "GET http://a/well HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%2Fb HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET /well HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET /well HTTP/1.0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "BREW /a HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(gateway.status(sound.as_bytes()), 200, "{sound}");
    }
    assert_eq!(gateway.status(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 204);
    gateway.answers("all shapes");
    gateway.is_as_before(&before);
}

/// With both lengths one of them is wrong: neither is believed, and nothing behind the head is read.
#[test]
fn nothing_is_smuggled_behind_two_lengths() {
    let gateway = Gateway::start("smuggled");
    let second = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    for lines in [
        "Content-Length: 39\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 39",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 0\r\nX-A: b\r\ntransfer-encoding: CHUNKED",
    ] {
        let said = gateway.talk(&[with(lines), b"0\r\n\r\n".to_vec(), second.into()].concat());
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
        assert_eq!(status_of(&said), 400, "{said}");
        assert!(said.to_ascii_lowercase().contains("connection: close"), "{said}");
    }
    // A connection goes on behind a length that is true, and behind chunks.
    for first in [
        [with("Content-Length: 1"), b"x".to_vec()].concat(),
        [
            with("Transfer-Encoding: chunked"),
            b"1\r\nx\r\n0\r\nX-A: b\r\n\r\n".to_vec(),
        ]
        .concat(),
    ] {
        let two = [first, second.into()].concat();
        assert_eq!(gateway.talk(&two).matches("HTTP/1.1 200").count(), 2);
    }
    // What smuggles comes behind sound requests, too.
    let behind = [
        second.into(),
        with("Content-Length: 1\r\nTransfer-Encoding: chunked"),
        second.into(),
    ]
    .concat();
    let said = gateway.talk(&behind);
    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
    assert_eq!(said.matches("HTTP/1.1 400").count(), 1, "{said}");
}

/// Pages of other origins may read why, clients get a problem, and it is counted and logged like any other.
#[test]
fn what_is_no_request_is_answered_like_any_other() {
    let gateway = Gateway::with(
        "answered",
        "cors: { origins: [\"https://a.example\"] }\nheaders: { x-frame-options: DENY }\n",
    );
    let long = "b".repeat(20_000);
    let cases = [
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nA : b\r\n\r\n",
            400,
            "bad-head",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "bad-head",
        ),
        (
            &format!("GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nCookie: {long}\r\n\r\n"),
            431,
            "head-too-large",
        ),
        (
            "GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nA: b",
            408,
            "head-incomplete",
        ),
    ];
    for (text, status, kind) in cases {
        let said = gateway.talk(text.as_bytes());
        assert_eq!(status_of(&said), status, "{said}");
        for part in [
            "content-type: application/problem+json",
            "access-control-allow-origin: https://a.example",
            "x-frame-options: DENY",
            "x-request-id: ",
            "connection: close",
            &format!("\"type\":\"urn:weft:problem:{kind}\""),
            "\"instance\":\"/a\"",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    let said = gateway.talk(b"HEAD /a HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n");
    assert!(said.contains("HTTP/1.1 400 ") && said.ends_with("\r\n\r\n"), "{said}");
    let page = super::process::get(gateway.admin, "/metrics").text();
    for (kind, n) in [("bad_head", 3), ("head_too_large", 1), ("head_incomplete", 1)] {
        let line = page
            .lines()
            .find(|it| it.starts_with("weft_") && it.contains(&format!("\"{kind}\"")));
        assert!(
            line.is_some_and(|it| it.ends_with(&format!(" {n}"))),
            "{kind}: {line:?}"
        );
    }
    gateway.answers("what is no request");
}

#[test]
fn slow_clients_are_not_waited_for() {
    let gateway = Gateway::start("slow");
    gateway.answers("the start");
    let before = gateway.holds();
    std::thread::scope(|scope| {
        // A head that comes byte by byte.
        for _ in 0..20 {
            scope.spawn(|| {
                let mut stream = gateway.connect();
                for byte in
                    b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                {
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                let (said, ended) = read_all(&mut stream);
                let said = String::from_utf8_lossy(&said);
                assert!(ended && status_of(&said) == 408, "{said}");
            });
            // A body that never comes, for those who read it and for those who hand it over.
            for path in ["/read", "/a"] {
                let gateway = &gateway;
                scope.spawn(move || {
                    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{");
                    let status = gateway.status(head.as_bytes());
                    assert!([0, 408, 504].contains(&status), "{path}: {status}");
                });
            }
            // Nothing at all.
            scope.spawn(|| {
                let (said, ended) = read_all(&mut gateway.connect());
                assert!(ended && said.is_empty());
            });
        }
        gateway.answers("slow clients began");
    });
    gateway.answers("slow clients ended");
    gateway.is_as_before(&before);
}

#[test]
fn large_bodies_are_not_held() {
    let gateway = Gateway::start("large");
    let post = |body: &[u8], lines: &str| {
        let head = format!(
            "POST /read HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        gateway.status(&[head.as_bytes(), body].concat())
    };
    assert_eq!(post(b"[1]", ""), 200);
    assert_eq!(post(&[vec![b'['; 100], vec![b']'; 100]].concat(), ""), 200);
    assert_eq!(post(&[vec![b'['; 20_000], vec![b']'; 20_000]].concat(), ""), 400);
    assert_eq!(post(&vec![b'['; 60_000], ""), 400);
    assert_eq!(post(br#"{"a":1,"a":2}"#, ""), 400);
    assert_eq!(post(&vec![b' '; 70_000], ""), 413);
    assert_eq!(post(b"a=b", "Content-Type: multipart/form-data\r\n"), 415);
    // Nobody sends what is announced.
    let announced =
        "POST /read HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000000000\r\n\r\n";
    assert_eq!(gateway.status(announced.as_bytes()), 413);
    let chunked =
        "POST /read HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("8000\r\n{}\r\n", " ".repeat(0x8000)).repeat(8);
    assert_eq!(gateway.status(&[chunked.as_bytes(), chunks.as_bytes()].concat()), 413);
    gateway.answers("large bodies");
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let gateway = Gateway::start("vanish");
    gateway.answers("the start");
    let before = gateway.holds();
    for turn in 0..40 {
        let mut stream = gateway.connect();
        let target = if turn % 2 == 0 { "/big" } else { "/well" };
        stream
            .write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .expect("a request");
        if turn % 4 < 2 {
            let mut start = [0; 64];
            let _read = stream.read(&mut start).expect("the start of an answer");
        }
    }
    gateway.answers("clients vanished");
    // Those that stay and do not read are not waited for either.
    let mut silent: Vec<_> = (0..10).map(|_| gateway.connect()).collect();
    for stream in &mut silent {
        stream
            .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("a request");
    }
    gateway.answers("clients that do not read");
    gateway.is_as_before(&before);
    drop(silent);
}

#[test]
fn idle_connections_are_ended_by_the_gateway() {
    let gateway = Gateway::start("idle");
    gateway.answers("the start");
    let before = gateway.holds();
    let idle: Vec<_> = (0..800).map(|_| gateway.connect()).collect();
    gateway.answers("many idle connections");
    gateway.is_as_before(&before);
    drop(idle);
    assert!(status_of(&gateway.talk(b"GET /well HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
}
