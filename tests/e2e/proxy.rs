//! `proxy:` over real sockets: bodies larger than memory may be, back-pressure, trailers, 100-continue, sockets that are upgraded, drain.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::authority::{Authority, Terminator};
use super::http2;
use super::process::{Folder, Process, serving};

/// As large as the body that passes through.
const BIG: u64 = 200 << 20;
/// What the gateway may hold of it, in KiB: buffers of sockets are the system's, not its own.
const SPARE_KIB: u64 = 24 << 10;
/// What may be on its way between two ends of which one does not read.
const ON_ITS_WAY: u64 = 32 << 20;

/// A backend that counts what it sends; each connection is a thread.
fn backend() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = count.clone();
            std::thread::spawn(move || while answer(&stream, &count).is_some() {});
        }
    });
    (address, sent)
}

/// Answers one request; `None` where the connection has ended.
fn answer(stream: &TcpStream, sent: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let head = head(&mut reader)?;
    let mut out = stream;
    let target = head.split(' ').nth(1)?.to_owned();
    match &*target {
        "/count" => {
            let n = read_body(&mut reader, &head)?;
            let text = n.to_string();
            write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).ok()?;
        }
        "/big" => {
            write!(
                out,
                "HTTP/1.1 200 OK\r\ncontent-type: x/big\r\ncontent-length: {BIG}\r\n\r\n"
            )
            .ok()?;
            let piece = vec![b'x'; 1 << 16];
            for _ in 0..BIG >> 16 {
                out.write_all(&piece).ok()?;
                sent.fetch_add(1 << 16, Ordering::Relaxed);
            }
        }
        "/trailers" => {
            let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
            out.write_all(text.as_bytes()).ok()?;
        }
        "/halves" => {
            out.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                .ok()?;
            std::thread::sleep(Duration::from_millis(1500));
            out.write_all(b"6\r\nsecond\r\n0\r\n\r\n").ok()?;
        }
        "/socket" => {
            assert!(head.to_ascii_lowercase().contains("\r\nsec-websocket-key: k"), "{head}");
            let text = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: a\r\n\r\n";
            out.write_all(text.as_bytes()).ok()?;
            let mut buffer = [0; 4096];
            loop {
                let n = reader.read(&mut buffer).ok().filter(|it| *it > 0)?;
                out.write_all(&buffer[..n]).ok()?;
            }
        }
        _ => out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").ok()?,
    }
    Some(())
}

pub fn head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|it| it.split_once(':'));
    pairs.find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.trim())
}

/// Reads a body to its end, and gives its length.
pub fn read_body(reader: &mut impl BufRead, head: &str) -> Option<u64> {
    if let Some(length) = header(head, "content-length") {
        let length = length.parse().ok()?;
        return std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok();
    }
    let mut whole = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = u64::from_str_radix(line.trim(), 16).ok()?;
        whole += std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
        line.clear();
        reader.read_line(&mut line).ok()?;
        if length == 0 {
            return Some(whole);
        }
    }
}

fn gateway(name: &str, backend: SocketAddr) -> (Folder, Process, SocketAddr) {
    gateway_with(name, &format!("http: [\"http://{backend}\"]"), &[])
}

fn gateway_with(name: &str, backend: &str, files: &[(&str, &str)]) -> (Folder, Process, SocketAddr) {
    let folder = Folder::new(name);
    for (name, text) in files {
        folder.write(name, text);
    }
    folder.write(
        "compositions/old.yaml",
        "endpoint: ANY /old/{path=**}\nproxy: old:/${path}\n",
    );
    let file = folder.write(
        "weft.yaml",
        &format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\nworkers: 1\ncompositions: [compositions/]\n\
             limits: {{ body: 1KiB }}\nshutdown: {{ drain: 10s }}\nbackends:\n  old: {{ {backend}, timeout: 5s }}\n"
        ),
    );
    let (process, address) = serving(&file);
    (folder, process, address)
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    stream
}

#[test]
fn bodies_pass_that_are_larger_than_memory() {
    let (backend, sent) = backend();
    let (_folder, process, address) = gateway("proxy-big", backend);
    let mut warm = connect(address);
    warm.write_all(b"GET /old/warm HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .expect("sent");
    warm.read_to_end(&mut Vec::new()).expect("read");
    let before = process.peak_kib();

    // Down. As long as the client does not read, the backend cannot go on.
    let mut client = connect(address);
    client
        .write_all(b"GET /old/big HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("sent");
    std::thread::sleep(Duration::from_secs(1));
    let on_its_way = sent.load(Ordering::Relaxed);
    assert!((1..ON_ITS_WAY).contains(&on_its_way), "{on_its_way} bytes");
    let mut reader = BufReader::new(client);
    let answered = head(&mut reader).expect("a head");
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    assert_eq!(header(&answered, "content-type"), Some("x/big"));
    assert_eq!(header(&answered, "content-length"), Some(&*BIG.to_string()));
    assert_eq!(read_body(&mut reader, &answered), Some(BIG));

    // Up, with a length and without: more than `limits: { body }`, which is not about what passes through.
    for framing in ["content-length", "transfer-encoding"] {
        let mut client = connect(address);
        let chunked = framing == "transfer-encoding";
        let value = if chunked { "chunked".to_owned() } else { BIG.to_string() };
        write!(
            client,
            "POST /old/count HTTP/1.1\r\nhost: a\r\n{framing}: {value}\r\n\r\n"
        )
        .expect("sent");
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..BIG >> 16 {
            if chunked {
                client.write_all(b"10000\r\n").expect("sent");
            }
            client.write_all(&piece).expect("sent");
            if chunked {
                client.write_all(b"\r\n").expect("sent");
            }
        }
        if chunked {
            client.write_all(b"0\r\n\r\n").expect("sent");
        }
        let mut reader = BufReader::new(client);
        let answered = head(&mut reader).expect("a head");
        let mut text = vec![0; BIG.to_string().len()];
        reader.read_exact(&mut text).expect("a body");
        assert_eq!(String::from_utf8_lossy(&text), BIG.to_string(), "{answered}");
    }
    if let (Some(before), Some(after)) = (before, process.peak_kib()) {
        println!(
            "at most {} KiB more while three bodies of {} MiB passed through",
            after - before,
            BIG >> 20
        );
        assert!(after - before < SPARE_KIB, "{before} KiB, then {after} KiB");
    }
}

#[test]
fn answers_come_as_they_are_made_with_their_trailers() {
    let (backend, _) = backend();
    let (_folder, _process, address) = gateway("proxy-pieces", backend);
    let mut client = connect(address);
    let begun = std::time::Instant::now();
    client
        .write_all(b"GET /old/halves HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    head(&mut reader).expect("a head");
    let mut first = [0; 8];
    reader.read_exact(&mut first).expect("a piece");
    assert_eq!(
        (&first, begun.elapsed() < Duration::from_millis(1200)),
        (b"5\r\nfirst", true)
    );
    let mut rest = [0; 18];
    reader.read_exact(&mut rest).expect("the rest");
    assert_eq!(
        String::from_utf8_lossy(&rest),
        "\r\n6\r\nsecond\r\n0\r\n\r\n".get(..18).expect("18")
    );

    let mut client = connect(address);
    client
        .write_all(b"GET /old/trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te, close\r\n\r\n")
        .expect("sent");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an answer");
    assert!(text.contains("\r\nabc\r\n0\r\nx-sum: 7\r\n"), "{text}");
}

#[test]
fn the_body_of_a_get_is_handed_on() {
    let (backend, _) = backend();
    let (_folder, _process, address) = gateway("proxy-get", backend);
    for body in [
        "content-length: 3\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ] {
        let mut client = connect(address);
        let request = format!("GET /old/count HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{body}");
        client.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("an answer");
        assert!(text.ends_with("\r\n\r\n3"), "{body:?}: {text}");
    }
}

/// What is no HTTP comes with the head already, before it is known that it need not be.
#[test]
fn a_client_may_speak_the_other_protocol_before_it_is_agreed_on() {
    let (backend, _) = backend();
    let (_folder, _process, address) = gateway("proxy-early", backend);
    let mut client = connect(address);
    client
        .write_all(b"GET /old/socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n\x81\x05early")
        .expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    assert!(head(&mut reader).expect("a head").starts_with("HTTP/1.1 101"));
    let mut back = [0; 7];
    reader.read_exact(&mut back).expect("an echo");
    assert_eq!(&back, b"\x81\x05early");
    // Where it is not agreed on, a request follows.
    let mut client = connect(address);
    client
        .write_all(b"POST /old/count HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nabGET /old/count HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\na")
        .expect("sent");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("answers");
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let (backend, _) = backend();
    let (_folder, _process, address) = gateway("proxy-continue", backend);
    let mut client = connect(address);
    client
        .write_all(b"POST /old/count HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    assert!(head(&mut reader).expect("a head").starts_with("HTTP/1.1 100"));
    client.write_all(b"abc").expect("sent");
    let answered = head(&mut reader).expect("a head");
    let mut text = [0; 1];
    reader.read_exact(&mut text).expect("a body");
    assert_eq!(
        (answered.starts_with("HTTP/1.1 200"), &text),
        (true, b"3"),
        "{answered}"
    );
}

#[test]
fn a_websocket_is_bytes_both_ways_and_drain_waits_for_it() {
    let (backend, _) = backend();
    let (_folder, process, address) = gateway("proxy-socket", backend);
    let mut client = connect(address);
    client
        .write_all(
            b"GET /old/socket HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-key: k\r\nsec-websocket-version: 13\r\n\r\n",
        )
        .expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    let answered = head(&mut reader).expect("a head").to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 101"), "{answered}");
    assert_eq!(header(&answered, "upgrade"), Some("websocket"));
    assert_eq!(header(&answered, "sec-websocket-accept"), Some("a"));
    let mut echoed = |bytes: &[u8]| {
        client.write_all(bytes).expect("sent");
        let mut back = vec![0; bytes.len()];
        reader.read_exact(&mut back).expect("an echo");
        assert!(back == bytes);
    };
    echoed(b"hello");
    echoed(&vec![7; 1 << 16]);
    process.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    echoed(b"still here");
    drop((client, reader));
    assert_eq!(process.end().0, 0);
}

/// An HTTP/2 client that asks once, with prior knowledge: status, body and trailers.
fn over_http2(
    address: SocketAddr,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
) -> (http::StatusCode, Vec<u8>, Option<http::HeaderMap>) {
    let answer = http2::block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        http2::ask(stream, request).await
    });
    let status = answer.status();
    let trailers = answer.body().trailers().cloned();
    (status, answer.into_body().to_bytes().to_vec(), trailers)
}

#[test]
fn an_http2_client_gets_what_an_http1_backend_answers() {
    let (backend, _) = backend();
    let (_folder, _process, address) = gateway("proxy-h2", backend);
    let request = |method: &str, path: &str, body: Vec<u8>| {
        http::Request::builder()
            .method(method)
            .uri(format!("http://weft.example/old{path}"))
            .header("te", "trailers")
            .body(http_body_util::Full::from(body))
            .expect("a request")
    };
    // More than the first windows of a stream and of a connection hold.
    let (status, body, _) = over_http2(address, request("POST", "/count", vec![b'x'; 5 << 20]));
    assert_eq!((status.as_u16(), &*body), (200, (5 << 20).to_string().as_bytes()));
    let (status, body, trailers) = over_http2(address, request("GET", "/trailers", Vec::new()));
    assert_eq!((status.as_u16(), &*body), (200, b"abc".as_slice()));
    assert_eq!(trailers.expect("trailers")["x-sum"], "7");
    let (status, body, _) = over_http2(address, request("GET", "/big", Vec::new()));
    assert_eq!((status.as_u16(), body.len() as u64), (200, BIG));
}

#[test]
fn a_backend_behind_tls_gets_the_bytes_and_the_sockets() {
    let (backend, _) = backend();
    let authority = Authority::new("root");
    let pair = authority.issue(&["old.internal"]);
    let secure = Terminator::start(authority.server(&pair, &[b"http/1.1"], false), backend);
    let (_folder, _process, address) = gateway_with(
        "proxy-tls",
        &format!(
            "http: [\"https://{}\"], tls: {{ ca: ca.pem, server_name: old.internal }}",
            secure.address
        ),
        &[("ca.pem", &authority.pem())],
    );
    let mut client = connect(address);
    let piece = vec![b'x'; 3 << 20];
    write!(
        client,
        "POST /old/count HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        piece.len()
    )
    .expect("sent");
    client.write_all(&piece).expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    let answered = head(&mut reader).expect("a head");
    let mut text = vec![0; piece.len().to_string().len()];
    reader.read_exact(&mut text).expect("a body");
    assert_eq!(String::from_utf8_lossy(&text), piece.len().to_string(), "{answered}");

    client
        .write_all(
            b"GET /old/socket HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-key: k\r\nsec-websocket-version: 13\r\n\r\n",
        )
        .expect("sent");
    let answered = head(&mut reader).expect("a head");
    assert!(answered.starts_with("HTTP/1.1 101"), "{answered}");
    client.write_all(b"hello").expect("sent");
    let mut back = [0; 5];
    reader.read_exact(&mut back).expect("an echo");
    assert_eq!(&back, b"hello");
    assert!(!secure.seen.lock().expect("no panic").is_empty());
}
