//! Limits over real sockets: alone, and with two gateways on one Redis, which goes and comes back. Where there is no Redis
//! that part is left out, and said so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::process::{Folder, Process, address_in, get, serving_with_admin};
use super::redis_server::{free_port, is_installed, redis};

/// Keys that ask, and how often each does in less than the minute for which one is let in: ten times the rate.
const KEYS: usize = 1_000;
const ROUNDS: usize = 10;

/// A gateway, its public and its admin address.
fn gateway(folder: &Folder, redis: Option<u16>) -> (Process, SocketAddr, SocketAddr) {
    folder.write(
        "compositions/a.yaml",
        "endpoint: GET /a\nrate_limit: per_caller\nresponse: a\n",
    );
    folder.write(
        "compositions/b.yaml",
        "endpoint: GET /b\nrate_limit: metered\nresponse: b\n",
    );
    folder.write(
        "compositions/c.yaml",
        "endpoint: GET /c\nrate_limit: bursty\nresponse: c\n",
    );
    let redis = redis.map_or_else(String::new, |port| {
        format!("cache: {{ redis: {{ url: \"redis://127.0.0.1:{port}\", timeout: 1s }} }}\n")
    });
    let config = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
         telemetry: {{ log: {{ access: none }} }}\nbackends: {{ none: {{ http: [\"http://127.0.0.1:1\"] }} }}\n\
         rate_limits:\n  per_caller: {{ rate: 1/m, key: '$request.headers[\"x-caller\"]' }}\n  \
         metered: {{ quota: 4/month, key: '$request.headers[\"x-caller\"]' }}\n  \
         bursty: {{ rate: 6/m, burst: 40, key: '$request.headers[\"x-caller\"]' }}\n{redis}"
    );
    let file = folder.write("weft.yaml", &config);
    serving_with_admin(&file)
}

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a time-out");
        Self(BufReader::new(stream))
    }

    /// The status.
    fn ask(&mut self, path: &str, caller: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: weft\r\nx-caller: {caller}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("to be sent");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a head");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().expect("a status");
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().expect("a length");
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        status
    }
}

/// All keys ask, each [`ROUNDS`] times, every time another gateway; how many were let in.
fn let_in(gateways: &[SocketAddr]) -> usize {
    let begun = Instant::now();
    let threads = (0..4).map(|thread| {
        let gateways = gateways.to_vec();
        std::thread::spawn(move || {
            let mut clients: Vec<_> = gateways.iter().map(|it| Client::new(*it)).collect();
            let (mut n_let_in, n_clients) = (0, clients.len());
            for round in 0..ROUNDS {
                // No two threads begin with the same key, but all come to all keys.
                for at in 0..KEYS / 4 {
                    let key = (at * 4 + (thread + round) % 4) % KEYS;
                    let status = clients[(round + at) % n_clients].ask("/a", &format!("caller-{key}"));
                    assert!(matches!(status, 200 | 429), "{status}");
                    n_let_in += usize::from(status == 200);
                }
            }
            n_let_in
        })
    });
    let threads: Vec<_> = threads.collect();
    let n_let_in = threads.into_iter().map(|it| it.join().expect("a client")).sum();
    let took = begun.elapsed();
    println!("{n_let_in} of {} were let in, in {took:?}", KEYS * ROUNDS);
    assert!(took < Duration::from_mins(1), "too slow to say anything: {took:?}");
    n_let_in
}

#[test]
fn ten_times_the_rate_from_a_thousand_keys_alone() {
    let folder = Folder::new("limits-alone");
    let (_process, address, admin) = gateway(&folder, None);
    let n_let_in = let_in(&[address]);
    assert!(n_let_in.abs_diff(KEYS) <= KEYS / 100, "{n_let_in}");
    let metrics = get(admin, "/metrics").text();
    let counted =
        format!("weft_rate_limited_total{{limit=\"per_caller\",result=\"admitted\",store=\"local\"}} {n_let_in}");
    assert!(metrics.contains(&counted), "{metrics}");
}

#[test]
fn ten_times_the_rate_from_a_thousand_keys_at_two_gateways() {
    if !is_installed() {
        return;
    }
    let (folder, other) = (Folder::new("limits-one"), Folder::new("limits-two"));
    let port = free_port();
    let _redis = redis(port, folder.path());
    let (_one, first, admin) = gateway(&folder, Some(port));
    let (_two, second, _) = gateway(&other, Some(port));
    let n_let_in = let_in(&[first, second]);
    assert!(n_let_in.abs_diff(KEYS) <= KEYS / 100, "{n_let_in}");
    let metrics = get(admin, "/metrics").text();
    assert!(
        metrics.contains("store=\"redis\"") && metrics.contains("weft_redis_gone{purpose=\"limits\"} 0"),
        "{metrics}"
    );
}

#[test]
fn limits_go_on_without_redis_and_quotas_survive_it() {
    if !is_installed() {
        return;
    }
    let (folder, other) = (Folder::new("limits-gone"), Folder::new("limits-back"));
    let port = free_port();
    let server = redis(port, folder.path());
    let (mut one, first, pages) = gateway(&folder, Some(port));
    let (two, second, _) = gateway(&other, Some(port));
    let ask = |address, path, caller| Client::new(address).ask(path, caller);
    assert_eq!(ask(second, "/b", "alice"), 200);
    assert_eq!(ask(first, "/b", "alice"), 200);
    let used = |pages, source: &str, n: u64| {
        let page = get(pages, "/limits/usage?limit=metered&key=alice").json();
        assert_eq!(page["periods"][0]["counted"], source, "{page}");
        assert_eq!(page["periods"][0]["keys"][0]["used"], n, "{page}");
    };
    used(pages, "by all gateways", 2);

    // It goes: what it said last is known here, and counted on.
    server.signal("TERM");
    assert_eq!(server.end().0, 0);
    assert_eq!(ask(first, "/b", "alice"), 200);
    assert_eq!(ask(first, "/a", "alice"), 200);
    assert_eq!(ask(first, "/a", "alice"), 429);
    one.wait_for_next("limits and nonces are its own");
    used(pages, "by this gateway", 3);
    assert_eq!(get(pages, "/limits").json()["redis"], "gone");
    assert!(
        get(pages, "/metrics")
            .text()
            .contains("weft_redis_gone{purpose=\"limits\"} 1")
    );

    // It comes back with what it had written, and is told what it has missed. A gateway that is started anew knows it.
    let _server = redis(port, folder.path());
    let begun = Instant::now();
    while get(pages, "/limits").json()["redis"] != "there" {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not asked again");
        ask(first, "/a", "bob");
        std::thread::sleep(Duration::from_millis(100));
    }
    // It is said when it has been there for a while.
    while !one.has_printed("limits and nonces are shared again") {
        assert!(begun.elapsed() < Duration::from_secs(40), "it is not said");
        ask(first, "/a", "bob");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ask(first, "/b", "alice"), 200);
    used(pages, "by all gateways", 4);
    drop(two);
    let (_two, second, _) = gateway(&other, Some(port));
    assert_eq!(ask(second, "/b", "alice"), 429);
    assert_eq!(ask(second, "/b", "bob"), 200);
}

/// How many of `n` were let in.
fn let_in_of(n: u64, address: SocketAddr, caller: &str) -> u64 {
    let mut client = Client::new(address);
    (0..n).map(|_| u64::from(client.ask("/c", caller) == 200)).sum()
}

#[test]
fn what_was_counted_stays_counted_where_redis_is_killed_and_comes_back_empty() {
    if !is_installed() {
        return;
    }
    let (folder, other) = (Folder::new("limits-killed"), Folder::new("limits-empty"));
    let port = free_port();
    let server = redis(port, folder.path());
    let (mut one, first, pages) = gateway(&folder, Some(port));
    let (_two, second, other_pages) = gateway(&other, Some(port));
    let begun = Instant::now();
    // 40 at once, and one in ten seconds.
    let comes_back = || begun.elapsed().as_secs() / 10 + 1;
    let is_all_of = |n: u64, limit: u64| assert!((limit..=limit + comes_back()).contains(&n), "{n} of {limit}");
    let alice = let_in_of(25, first, "alice");
    let bob = let_in_of(12, first, "bob") + let_in_of(12, second, "bob") + let_in_of(1, first, "bob");
    assert_eq!((alice, bob), (25, 25));
    let ask = |address, path, caller| Client::new(address).ask(path, caller);
    assert_eq!([ask(first, "/b", "alice"), ask(first, "/b", "alice")], [200, 200]);

    // It is killed, and has written nothing.
    drop(server);
    is_all_of(alice + let_in_of(60, first, "alice"), 40);
    // Both go on from what they have heard: 25 of the one, 24 of the other.
    let (here, there) = (let_in_of(60, first, "bob"), let_in_of(60, second, "bob"));
    is_all_of(here, 15);
    is_all_of(there, 16);
    assert_eq!(ask(first, "/b", "alice"), 200);
    one.wait_for_next("limits and nonces are its own");

    let _server = redis(port, folder.path());
    for (address, pages) in [(first, pages), (second, other_pages)] {
        while get(pages, "/limits").json()["redis"] != "there" {
            assert!(begun.elapsed() < Duration::from_secs(40), "it is not asked again");
            ask(address, "/a", "carol");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    for caller in ["alice", "bob"] {
        let again = let_in_of(20, first, caller) + let_in_of(20, second, caller);
        assert!(again <= comes_back(), "{caller}: {again}");
    }
    assert_eq!(ask(first, "/b", "alice"), 200);
    assert_eq!([ask(second, "/b", "alice"), ask(first, "/b", "alice")], [429, 429]);
}

#[test]
fn a_redis_that_was_never_there_is_no_reason_not_to_serve() {
    let folder = Folder::new("limits-never");
    let (mut process, address, _) = gateway(&folder, Some(free_port()));
    assert_eq!(Client::new(address).ask("/a", "alice"), 200);
    assert_eq!(Client::new(address).ask("/a", "alice"), 429);
    let line = process.wait_for("the warning", |it| it.contains("Redis is gone").then(|| it.to_owned()));
    assert!(
        !line.contains("redis://") && address_in(&line, "Redis").is_none(),
        "{line}"
    );
}
