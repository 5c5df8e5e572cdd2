//! HTTP/2 frame by frame: floods of each kind, resets, heads that do not end, windows that stay closed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::gateway::{Gateway, read_all};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET of a path: indexed fields, and literals without indexing (RFC 7541).
pub fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).expect("short")];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(b"\x01\x01a");
    block
}

/// POST of a path, whose body is read.
fn post(path: &str) -> Vec<u8> {
    let mut block = get(path);
    block[0] = 0x83;
    block
}

/// A literal field with a new name.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0, u8::try_from(name.len()).expect("short")];
    block.extend_from_slice(name.as_bytes());
    block.push(u8::try_from(value.len()).expect("short"));
    block.extend_from_slice(value.as_bytes());
    block
}

fn open(gateway: &Gateway) -> TcpStream {
    let mut stream = gateway.connect();
    stream.write_all(PREFACE).expect("a preface");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("settings");
    stream
}

/// Sends frames while the gateway takes them, and gives what it said until it ended the connection.
fn flood(gateway: &Gateway, name: &str, frames: impl Iterator<Item = Vec<u8>>) -> Vec<Frame> {
    let mut stream = open(gateway);
    let reading = stream.try_clone().expect("a second handle");
    let reader = std::thread::spawn(move || {
        let mut reading = reading;
        read_all(&mut reading)
    });
    for frame in frames {
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    let (said, ended) = reader.join().expect("a reader");
    assert!(ended, "{name}: the connection stays open");
    parse(&said)
}

/// A frame that came: its kind, flags, stream and payload.
type Frame = (u8, u8, u32, Vec<u8>);

fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(payload) = rest.get(..length) else { break };
        let stream = u32::from_be_bytes([*d, *e, *f, *g]);
        frames.push((*kind, *flags, stream, payload.to_vec()));
        bytes = &rest[length..];
    }
    frames
}

/// The error code of GOAWAY, where there was one.
fn goaway(frames: &[Frame]) -> Option<u32> {
    let all = frames.iter().filter(|it| it.0 == GOAWAY);
    all.filter_map(|it| Some(u32::from_be_bytes(*it.3.get(4..8)?.first_chunk()?)))
        .next_back()
}

/// Odd numbers: the streams of a client.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|it| 2 * it + 1)
}

#[test]
fn floods_of_every_kind_are_survived() {
    let gateway = Gateway::start("floods");
    gateway.answers("the start");
    let before = gateway.holds();
    const MANY: usize = 20_000;
    let headers = |stream, flags| frame(HEADERS, flags, stream, &get("/well"));
    type Flood = (&'static str, Box<dyn Iterator<Item = Vec<u8>>>);
    let floods: Vec<Flood> = vec![
        (
            "SETTINGS",
            Box::new(std::iter::repeat_with(|| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])).take(MANY)),
        ),
        (
            "PING",
            Box::new(std::iter::repeat_with(|| frame(PING, 0, 0, &[7; 8])).take(MANY)),
        ),
        (
            "PRIORITY",
            Box::new(streams().take(MANY).map(|it| frame(PRIORITY, 0, it, &[0, 0, 0, 0, 16]))),
        ),
        (
            "WINDOW_UPDATE",
            Box::new(std::iter::repeat_with(|| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).take(MANY)),
        ),
        (
            "WINDOW_UPDATE beyond",
            Box::new(std::iter::repeat_with(|| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])).take(8)),
        ),
        (
            "unknown",
            Box::new(std::iter::repeat_with(|| frame(99, 0, 0, &[0; 100])).take(MANY)),
        ),
        (
            "PUSH_PROMISE",
            Box::new(
                streams()
                    .take(8)
                    .map(|it| frame(PUSH_PROMISE, END_HEADERS, it, &[0, 0, 0, 2])),
            ),
        ),
        (
            "rapid reset",
            Box::new(streams().take(MANY).map(move |it| {
                [
                    headers(it, END_HEADERS | END_STREAM),
                    frame(RST_STREAM, 0, it, &[0, 0, 0, 8]),
                ]
                .concat()
            })),
        ),
        (
            "resets that the gateway has to make",
            Box::new(streams().take(MANY).map(move |it| {
                [
                    headers(it, END_HEADERS),
                    frame(WINDOW_UPDATE, 0, it, &[0x7f, 255, 255, 255]),
                ]
                .concat()
            })),
        ),
        (
            "empty DATA",
            Box::new(
                std::iter::once(headers(1, END_HEADERS))
                    .chain(std::iter::repeat_with(|| frame(DATA, 0, 1, &[])).take(MANY)),
            ),
        ),
        (
            "CONTINUATION",
            Box::new(std::iter::once(frame(HEADERS, END_STREAM, 1, &get("/well"))).chain(
                std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &field("x-a", &"b".repeat(100)))).take(MANY),
            )),
        ),
        (
            "empty CONTINUATION",
            Box::new(
                std::iter::once(frame(HEADERS, END_STREAM, 1, &get("/well")))
                    .chain(std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &[])).take(MANY)),
            ),
        ),
        (
            "a head as large as it may not be",
            Box::new(
                std::iter::once(frame(
                    HEADERS,
                    END_STREAM,
                    1,
                    &[get("/well"), field("x-a", &"b".repeat(100)).repeat(150)].concat(),
                ))
                .chain(
                    std::iter::repeat_with(|| frame(CONTINUATION, 0, 1, &field("x-a", &"b".repeat(100)).repeat(150)))
                        .take(100),
                ),
            ),
        ),
        (
            "streams that never end",
            Box::new(streams().take(2_000).map(move |it| headers(it, END_HEADERS))),
        ),
        (
            "a table of headers that grows",
            Box::new(streams().take(100).map(|it| {
                frame(
                    HEADERS,
                    END_HEADERS | END_STREAM,
                    it,
                    &[&[0x3f, 0xff, 0xff, 0xff, 0x0f], &*get("/well")].concat(),
                )
            })),
        ),
        (
            "GOAWAY",
            Box::new(std::iter::repeat_with(|| frame(GOAWAY, 0, 0, &[0; 8])).take(1_000)),
        ),
        (
            "DATA on no stream",
            Box::new(std::iter::repeat_with(|| frame(DATA, 0, 0, &[0; 100])).take(8)),
        ),
        (
            "a frame longer than agreed",
            Box::new(std::iter::once(frame(DATA, 0, 1, &vec![0; 20_000]))),
        ),
    ];
    for (name, frames) in floods {
        let said = flood(&gateway, name, frames);
        gateway.answers(name);
        match name {
            // ENHANCE_YOUR_CALM
            "rapid reset" | "resets that the gateway has to make" => assert_eq!(goaway(&said), Some(11), "{name}"),
            "CONTINUATION"
            | "empty CONTINUATION"
            | "DATA on no stream"
            | "PUSH_PROMISE"
            | "WINDOW_UPDATE beyond"
            | "a frame longer than agreed" => {
                assert!(goaway(&said).is_some_and(|it| it != 0), "{name}: {:?}", goaway(&said));
            }
            _ => {}
        }
    }
    gateway.is_as_before(&before);
}

#[test]
fn malformed_requests_are_not_answered() {
    let gateway = Gateway::start("malformed");
    let blocks: &[(&str, Vec<u8>)] = &[
        ("no path", vec![0x82, 0x86]),
        ("two paths", [get("/well"), vec![0x84]].concat()),
        ("no method", vec![0x86, 0x84]),
        ("an unknown pseudo-header", [get("/well"), field(":odd", "a")].concat()),
        ("a pseudo-header of answers", [get("/well"), vec![0x88]].concat()),
        (
            "a pseudo-header behind others",
            [field("x-a", "b"), get("/well")].concat(),
        ),
        (
            "a header of the connection",
            [get("/well"), field("connection", "close")].concat(),
        ),
        (
            "transfer-encoding",
            [get("/well"), field("transfer-encoding", "chunked")].concat(),
        ),
        ("te", [get("/well"), field("te", "gzip")].concat()),
        ("capitals", [get("/well"), field("X-A", "b")].concat()),
        (
            "a line break in a value",
            [get("/well"), field("x-a", "b\r\nc: d")].concat(),
        ),
        ("NUL in a value", [get("/well"), field("x-a", "b\0")].concat()),
        ("a space before a value", [get("/well"), field("x-a", " b")].concat()),
        ("a tab behind a value", [get("/well"), field("x-a", "b\t")].concat()),
        ("a space in a name", [get("/well"), field("x a", "b")].concat()),
        ("another host", [get("/well"), field("host", "b")].concat()),
        (
            "two hosts",
            [get("/well"), field("host", "a"), field("host", "a")].concat(),
        ),
    ];
    let ask = |frames: &[u8]| {
        let mut stream = open(&gateway);
        // It may be ended before all is sent.
        let _sent = stream.write_all(frames);
        parse(&read_all(&mut stream).0)
    };
    // `:status: 200` is one byte of the static table, and comes first.
    let is_well = |frames: &[Frame]| frames.iter().any(|it| it.0 == HEADERS && it.3.first() == Some(&0x88));
    let whole = END_HEADERS | END_STREAM;
    assert!(is_well(&ask(&frame(HEADERS, whole, 1, &get("/well")))));
    for (name, block) in blocks {
        let frames = ask(&frame(HEADERS, whole, 1, block));
        assert!(!is_well(&frames), "{name}: {frames:?}");
    }
    let trailers = [
        frame(HEADERS, END_HEADERS, 1, &post("/a")),
        frame(HEADERS, whole, 1, &[0x84]),
    ];
    // The library takes pseudo-headers out of trailers without a word, so that nobody behind the gateway sees them.
    ask(&trailers.concat());
    gateway.answers("pseudo-headers in trailers");
    let length = [
        frame(
            HEADERS,
            END_HEADERS,
            1,
            &[post("/a"), field("content-length", "5")].concat(),
        ),
        frame(DATA, END_STREAM, 1, b"ab"),
    ];
    assert!(!is_well(&ask(&length.concat())), "a body that is shorter than it says");
    gateway.answers("malformed streams");
}

/// Up to twice the limit a head is refused like anything else, with something to read; beyond, by the library.
#[test]
fn a_head_that_is_too_large_is_answered() {
    let gateway = Gateway::start("head-size");
    let fields = field("x-a", &"b".repeat(100));
    let ask = |n_fields: usize| {
        let block = [get("/well"), fields.repeat(n_fields)].concat();
        let mut stream = open(&gateway);
        let mut parts = block.chunks(16_000).enumerate().peekable();
        while let Some((at, part)) = parts.next() {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            let flags = if parts.peek().is_none() { END_HEADERS } else { 0 };
            let flags = if at == 0 { flags | END_STREAM } else { flags };
            stream.write_all(&frame(kind, flags, 1, part)).expect("a frame");
        }
        let frames = parse(&read_all(&mut stream).0);
        let data = frames.iter().filter(|it| it.0 == DATA).flat_map(|it| it.3.clone());
        let has_head = frames.iter().any(|it| it.0 == HEADERS);
        (
            has_head,
            String::from_utf8_lossy(&data.collect::<Vec<_>>()).into_owned(),
        )
    };
    assert_eq!(ask(100), (true, "ok".to_owned()));
    let (_, said) = ask(150);
    assert!(said.contains("urn:weft:problem:head-too-large"), "{said}");
    assert_eq!(ask(300), (true, String::new()));
}

#[test]
fn windows_that_stay_closed_hold_nothing_for_long() {
    let gateway = Gateway::start("windows");
    gateway.answers("the start");
    let before = gateway.holds();
    let mut stream = gateway.connect();
    stream.write_all(PREFACE).expect("a preface");
    // No byte of a body may be sent.
    stream
        .write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
        .expect("settings");
    for id in streams().take(50) {
        stream
            .write_all(&frame(HEADERS, END_HEADERS | END_STREAM, id, &get("/well")))
            .expect("a head");
    }
    gateway.answers("closed windows");
    let (_, ended) = read_all(&mut stream);
    assert!(ended, "it is waited for");
    gateway.is_as_before(&before);
}

/// The windows of streams are all that is held for a client that does not take what it asked for, and other streams of the
/// connection go on.
#[test]
fn streams_that_are_not_read_hold_up_no_others() {
    const STALLED: usize = 60;
    /// Of one stalled stream: what hyper reads ahead of a backend and what it has ready for the client, some 400 KiB each.
    const MAX_KIB: u64 = 1_000;
    let gateway = Gateway::with_times("stalled", "header_timeout: 30s, idle_timeout: 30s");
    gateway.answers("the start");
    let before = gateway.holds();
    let mut stream = open(&gateway);
    // All may be sent on the connection; on each stream the 64 KiB of the start.
    stream
        .write_all(&frame(WINDOW_UPDATE, 0, 0, &[0x70, 0, 0, 0]))
        .expect("a window");
    let mut ids = streams();
    for id in ids.by_ref().take(STALLED) {
        stream
            .write_all(&frame(HEADERS, END_HEADERS | END_STREAM, id, &get("/big")))
            .expect("a head");
    }
    let mut said = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let is_over = |frames: &[Frame], id: u32| {
        frames
            .iter()
            .any(|it| it.0 == DATA && it.2 == id && it.1 & END_STREAM > 0)
    };
    for id in ids.take(20) {
        stream
            .write_all(&frame(HEADERS, END_HEADERS | END_STREAM, id, &get("/well")))
            .expect("a head");
        while !is_over(&parse(&said), id) {
            let n = stream.read(&mut buffer).expect("an answer behind those that stall");
            assert!(n > 0, "the connection ended");
            said.extend_from_slice(&buffer[..n]);
        }
    }
    let sent = |id: u32| -> usize {
        let data = parse(&said).into_iter().filter(|it| it.0 == DATA && it.2 == id);
        data.map(|it| it.3.len()).sum()
    };
    assert!(streams().take(STALLED).all(|it| sent(it) <= 65_535));
    let during = gateway.holds();
    if let (Some(before), Some(during)) = (before.resident_kib, during.resident_kib) {
        let each = during.saturating_sub(before) / STALLED as u64;
        eprintln!("{each} KiB for each stream that is not read");
        assert!(each <= MAX_KIB, "{each} KiB for each stream that is not read");
    }
    drop(stream);
    gateway.is_as_before(&before);
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let gateway = Gateway::start("head");
    for start in [&PREFACE[..10], PREFACE] {
        let mut stream = gateway.connect();
        stream.write_all(start).expect("bytes");
        std::thread::sleep(Duration::from_millis(10));
        let mut rest = Vec::new();
        let _read = stream.read_to_end(&mut rest);
        assert!(!rest.windows(3).any(|it| it == b"200"));
    }
    gateway.answers("prefaces without a request");
}
