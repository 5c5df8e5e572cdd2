//! `mirror:` and `split:` over real sockets: a mirror that is slow, dead or answers otherwise costs nobody anything; shares are kept.

use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::process::{Folder, Process, admin, counted, listening, weft};
use super::proxy::{connect, head, header, read_body};

/// Longer than a page may take that does not wait for it.
const SLOW: Duration = Duration::from_millis(1500);

/// A backend that says its name, and how many requests it got. What is asked for at `/slow` the mirror gives late.
fn backend(name: &'static str) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = count.clone();
            std::thread::spawn(move || while answer(&stream, name, &count).is_some() {});
        }
    });
    (address, asked)
}

fn answer(stream: &TcpStream, name: &str, asked: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let head = head(&mut reader)?;
    asked.fetch_add(1, Ordering::Relaxed);
    let has_body = ["content-length", "transfer-encoding"].map(|it| header(&head, it).is_some());
    let sent = if has_body.contains(&true) {
        read_body(&mut reader, &head)?
    } else {
        0
    };
    let path = head.split(' ').nth(1)?;
    if path == "/slow" && name == "mirror" {
        std::thread::sleep(SLOW);
    }
    let body = match path {
        "/name" => format!("{{\"id\": 1, \"names\": [{{\"name\": \"{name}\"}}]}}"),
        "/count" => format!("{{\"n\": {sent}}}"),
        "/long" => name.repeat(100_000),
        _ if name == "mirror" => "{ \"n\": 1.0, \"a\": [] }".to_owned(),
        _ => "{\"a\":[],\"n\":1}".to_owned(),
    };
    let length = body.len();
    let mut out = stream;
    // In one piece: two small ones would wait for each other.
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    out.write_all(answer.as_bytes()).ok()
}

fn gateway(name: &str, backends: &str) -> (Folder, Process, SocketAddr, SocketAddr) {
    let folder = Folder::new(name);
    for (at, method, path, backend) in [
        (1, "GET", "name", "shop"),
        (2, "GET", "same", "shop"),
        (3, "GET", "slow", "shop"),
        (4, "POST", "write", "shop"),
        (5, "GET", "lost", "lost"),
    ] {
        folder.write(
            &format!("compositions/{at}.yaml"),
            &format!(
                "endpoint: {method} /{path}\ncalls: {{ a: {{ http: {method} {backend}:/{path} }} }}\nresponse: $a\n"
            ),
        );
    }
    folder.write(
        "compositions/passed.yaml",
        "endpoint: ANY /passed/{path=**}\nproxy: shop:/${path}\n",
    );
    let file = folder.write(
        "weft.yaml",
        &format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\nworkers: 2\ncompositions: [compositions/]\nbackends:\n{backends}"
        ),
    );
    let mut process = weft(&["serve", "-c", file.to_str().expect("a path")]);
    let admin = admin(&mut process);
    let address = listening(&mut process);
    (folder, process, address, admin)
}

/// Asks over a connection that is kept.
fn ask(client: &mut TcpStream, request: &str) -> String {
    let request_head = format!("{request} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    client.write_all(request_head.as_bytes()).expect("sent");
    let mut reader = BufReader::new(client.try_clone().expect("a clone"));
    let answered = head(&mut reader).expect("a head");
    assert!(answered.starts_with("HTTP/1.1 200"), "{request}: {answered}");
    let length = header(&answered, "content-length").expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}

#[test]
fn a_mirror_costs_nobody_anything() {
    let ((real, _), (mirror, copies)) = (backend("real"), backend("mirror"));
    let gone = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let (_folder, _process, address, admin) = gateway(
        "mirror",
        &format!(
            "  shop: {{ http: [\"http://{real}\"], mirror: {{ to: next, concurrency: 2 }} }}\n  \
             next: {{ http: [\"http://{mirror}\"], timeout: 300ms }}\n  \
             lost: {{ http: [\"http://{real}\"], mirror: {{ to: gone }} }}\n  \
             gone: {{ http: [\"http://{gone}\"] }}\n"
        ),
    );
    let mut client = connect(address);
    let mut each = |n: usize, request: &str, wanted: &[&str]| {
        let begun = Instant::now();
        let said: BTreeSet<String> = (0..n).map(|_| ask(&mut client, request)).collect();
        let took = begun.elapsed();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(!said.iter().any(|it| it.contains("mirror")), "{said:?}");
        counted(admin, wanted);
        took
    };
    // One after the other, so that each copy has its place.
    for n in 1..=5 {
        each(
            1,
            "GET /same",
            &[&format!(
                "weft_mirror_calls_total{{backend=\"shop\",result=\"same\"}} {n}"
            )],
        );
    }
    each(
        1,
        "GET /name",
        &[
            "weft_mirror_calls_total{backend=\"shop\",result=\"different\"} 1",
            "weft_mirror_differences_total{backend=\"shop\",method=\"GET /name\",path=\"names[].name\"} 1",
        ],
    );
    each(20, "POST /write", &[]);
    assert_eq!(
        copies.load(Ordering::Relaxed),
        6,
        "what may change something is not copied"
    );

    // Two places, each taken for 300 ms: the real calls are not slower for it.
    let took = each(
        20,
        "GET /slow",
        &["weft_mirror_calls_total{backend=\"shop\",result=\"failed\"} "],
    );
    assert!(took < SLOW, "{took:?}");
    let metrics = counted(
        admin,
        &["weft_mirror_calls_total{backend=\"shop\",result=\"left_out\"} "],
    );
    let of = |result: &str| {
        let name = format!("weft_mirror_calls_total{{backend=\"shop\",result=\"{result}\"}} ");
        let value = metrics.lines().find_map(|it| it.strip_prefix(&*name));
        value.map_or(0, |it| it.parse::<u64>().expect("a number"))
    };
    assert!(of("left_out") >= 10, "{metrics}");
    assert!(copies.load(Ordering::Relaxed) < 6 + 20);

    // Nobody listens there.
    each(
        20,
        "GET /lost",
        &["weft_mirror_calls_total{backend=\"lost\",result=\"failed\"} 20"],
    );
    let page = super::process::get(admin, "/backends").json();
    let shop = page.as_array().and_then(|it| it.iter().find(|it| it["name"] == "shop"));
    assert_eq!(shop.expect("a backend")["mirror"]["different"], 1, "{page}");
}

#[test]
fn what_passes_through_is_mirrored_and_waits_for_nothing() {
    let ((real, _), (mirror, copies)) = (backend("real"), backend("mirror"));
    let (_folder, _process, address, admin) = gateway(
        "mirror-passed",
        &format!(
            "  shop: {{ http: [\"http://{real}\"], mirror: {{ to: next, concurrency: 2, unsafe: true }} }}\n  \
             next: {{ http: [\"http://{mirror}\"], timeout: 300ms }}\n  lost: {{ http: [\"http://{real}\"] }}\n"
        ),
    );
    let mut client = connect(address);
    let mut pass = |request: &str, length: usize, chunked: bool, wanted: &[(&str, u64)]| {
        let body = vec![7; length];
        let framing = if chunked {
            "transfer-encoding: chunked".to_owned()
        } else {
            format!("content-length: {length}")
        };
        write!(client, "{request} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").expect("sent");
        if chunked {
            for piece in body.chunks(10_000) {
                write!(client, "{:x}\r\n", piece.len()).expect("sent");
                client.write_all(piece).expect("sent");
                client.write_all(b"\r\n").expect("sent");
            }
            client.write_all(b"0\r\n\r\n").expect("sent");
        } else {
            client.write_all(&body).expect("sent");
        }
        let mut reader = BufReader::new(client.try_clone().expect("a clone"));
        let answered = head(&mut reader).expect("a head");
        assert!(answered.starts_with("HTTP/1.1 200"), "{request}: {answered}");
        let length = read_body(&mut reader, &answered).expect("a body");
        let lines: Vec<String> = wanted
            .iter()
            .map(|(result, n)| format!("weft_mirror_calls_total{{backend=\"shop\",result=\"{result}\"}} {n}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        counted(admin, &lines);
        length
    };
    // The copy has the same body, however it came.
    pass("GET /passed/same", 0, false, &[("same", 1)]);
    pass("POST /passed/count", 200_000, false, &[("same", 2)]);
    pass("PUT /passed/count", 200_000, true, &[("same", 3)]);
    pass("GET /passed/name", 0, false, &[("different", 1)]);
    let asked = copies.load(Ordering::Relaxed);
    assert_eq!(asked, 4);

    // A body that is too long goes on, and is not copied; of an answer that is, only the status counts.
    pass("POST /passed/count", 300_000, false, &[("left_out", 1)]);
    pass("POST /passed/count", 300_000, true, &[("left_out", 2)]);
    assert_eq!(copies.load(Ordering::Relaxed), asked);
    assert_eq!(pass("GET /passed/long", 0, false, &[("same", 4)]), 400_000);

    // Nobody waits for a mirror that does not answer.
    let begun = Instant::now();
    for _ in 0..20 {
        pass("GET /passed/slow", 0, false, &[]);
    }
    assert!(begun.elapsed() < SLOW, "{:?}", begun.elapsed());
    let failed = |it: &str| it.starts_with("weft_mirror_calls_total{backend=\"shop\",result=\"failed\"}");
    while !counted(admin, &[]).lines().any(|it| failed(it) && !it.ends_with(" 0")) {
        assert!(begun.elapsed() < 4 * SLOW, "no copy was given up");
    }
}

#[test]
fn shares_are_kept_and_equal_values_stay_together() {
    let ((one, _), (two, asked)) = (backend("one"), backend("two"));
    let (_folder, _process, address, _) = gateway(
        "split",
        &format!(
            "  shop:\n    split: [{{ to: one, weight: 70 }}, {{ to: two, weight: 30 }}]\n    \
             sticky: $request.headers[\"x-user\"]\n  one: {{ http: [\"http://{one}\"] }}\n  two: {{ http: [\"http://{two}\"] }}\n  \
             lost: {{ http: [\"http://{one}\"] }}\n"
        ),
    );
    let mut client = connect(address);
    for _ in 0..1000 {
        ask(&mut client, "GET /name");
    }
    // Six standard deviations around 300.
    let share = asked.load(Ordering::Relaxed);
    assert!((213..=387).contains(&share), "{share} of 1000");

    let mut of_two = 0;
    for user in 0..100 {
        let seen: BTreeSet<String> = (0..3)
            .map(|_| {
                // Another connection, perhaps another worker.
                let mut client = connect(address);
                ask_as(&mut client, user)
            })
            .collect();
        assert_eq!(seen.len(), 1, "{user}: {seen:?}");
        of_two += usize::from(seen.iter().any(|it| it.contains("two")));
    }
    assert!((10..=50).contains(&of_two), "{of_two} of 100 users");
}

fn ask_as(client: &mut TcpStream, user: usize) -> String {
    write!(
        client,
        "GET /name HTTP/1.1\r\nhost: a\r\nx-user: u{user}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text.rsplit("\r\n").next().unwrap_or_default().to_owned()
}
