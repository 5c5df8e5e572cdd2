//! What all gateways keep together in one Redis: answers, replies, and what was dropped; also where Redis goes, and comes back
//! with what it held some time ago. Where there is no Redis this is left out, and said so.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::authority::Authority;
use super::process::{Answer, Folder, Process, admin, ask, counted, get, listening, until};
use super::redis_server::{command, free_port, is_installed, redis, redis_with};

const PASSWORD: &str = "correct-horse-battery";

/// A backend whose every reply has a number of its own.
struct Backend {
    address: SocketAddr,
    n_asked: Arc<AtomicU64>,
}

impl Backend {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let n_asked = Arc::new(AtomicU64::new(0));
        let count = n_asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = count.clone();
                std::thread::spawn(move || while answer(&stream, &count).is_some() {});
            }
        });
        Self { address, n_asked }
    }

    fn n_asked(&self) -> u64 {
        self.n_asked.load(Ordering::SeqCst)
    }
}

/// Answers one request; `None` where the connection has ended.
fn answer(stream: &TcpStream, count: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
    }
    let body = format!("{{\"n\":{}}}", count.fetch_add(1, Ordering::SeqCst) + 1);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
        body.len()
    );
    let mut out = stream;
    write!(out, "{head}\r\n\r\n{body}").ok()
}

struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: Folder,
}

impl Gateway {
    /// `more` stands behind the address of its backend.
    fn start(name: &str, backend: &Backend, port: u16, more: &str) -> Self {
        let redis = format!("url: \"redis://127.0.0.1:{port}\"");
        let gateway = Self::start_with(Folder::new(name), backend, &redis, more);
        gateway.wait_until_redis("there");
        gateway
    }

    /// `redis` says where that is.
    fn start_with(folder: Folder, backend: &Backend, redis: &str, more: &str) -> Self {
        folder.write(
            "compositions/page.yaml",
            "endpoint: GET /page/{id}\ncalls: { it: { http: 'GET shop:/things/${id}' } }\nresponse: $it\n\
             cache: { ttl: 1h, tags: ['thing:${id}'] }\n",
        );
        folder.write(
            "compositions/call.yaml",
            "endpoint: GET /call/{id}\ncalls:\n  it:\n    http: 'GET shop:/things/${id}'\n    \
             cache: { ttl: 1h, tags: ['thing:${id}'] }\nresponse: $it\n",
        );
        folder.write(
            "compositions/write.yaml",
            "endpoint: POST /page/{id}\ncalls: { it: { http: 'POST shop:/things/${id}' } }\nresponse: $it\n\
             invalidate: ['thing:${id}']\n",
        );
        let config = format!(
            "listen: 127.0.0.1:0\nworkers: 1\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
             telemetry: {{ log: {{ access: none }} }}\n\
             backends: {{ shop: {{ http: [\"http://{}\"]{more} }} }}\n\
             cache: {{ redis: {{ {redis}, lookup: 1s, timeout: 1s }} }}\n",
            backend.address
        );
        let file = folder.write("weft.yaml", &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command
            .arg("serve")
            .arg("-c")
            .arg(&file)
            .env("REDIS_PASSWORD", PASSWORD);
        let mut process = Process::start(&mut command);
        let address = listening(&mut process);
        let admin = admin(&mut process);
        Self {
            process,
            address,
            admin,
            _folder: folder,
        }
    }

    fn get(&self, path: &str) -> Answer {
        let answer = get(self.address, path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// The number of the reply.
    fn n(&self, path: &str) -> u64 {
        self.get(path).json()["n"].as_u64().expect("a number")
    }

    fn write(&self, id: u64) {
        assert_eq!(
            ask(self.address, "POST", &format!("/page/{id}"), Some("{}")).status,
            200
        );
    }

    /// What is written behind is there.
    fn wait_until_stored(&self, kind: &str, n: u64) {
        let line = format!("weft_shared_cache_writes_total{{kind=\"{kind}\",result=\"stored\"}} {n}");
        counted(self.admin, &[&line]);
    }

    /// It says so, has nothing to tell, and has asked what others dropped since.
    fn wait_until_redis(&self, state: &str) {
        let gauge = u8::from(state == "gone");
        until(state, || {
            let page = get(self.admin, "/cache").json();
            let metrics = get(self.admin, "/metrics").text();
            let has_asked = metrics.contains(&format!("weft_redis_gone{{purpose=\"cache\"}} {gauge}"));
            page["redis"] == state && has_asked && (state == "gone" || page["tags_to_tell"] == 0)
        });
    }
}

#[test]
fn what_one_gateway_made_another_serves() {
    if !is_installed() {
        return;
    }
    let (folder, port, backend) = (Folder::new("shared-redis"), free_port(), Backend::start());
    let _redis = redis(port, folder.path());
    let one = Gateway::start("shared-one", &backend, port, "");
    let two = Gateway::start("shared-two", &backend, port, "");

    let made = one.get("/page/1");
    assert_eq!(made.headers["cache-status"], "weft; fwd=miss; stored");
    one.wait_until_stored("response", 1);
    let found = two.get("/page/1");
    assert_eq!((backend.n_asked(), &found.body), (1, &made.body));
    for name in ["content-type", "cache-control", "etag"] {
        assert_eq!(found.headers[name], made.headers[name]);
    }
    let status = &found.headers["cache-status"];
    assert!(
        status.starts_with("weft; hit; ttl=3") && status.ends_with("; detail=redis"),
        "{status}"
    );
    assert!(found.headers.contains_key("age"));
    // From here on it has it itself.
    let status = &two.get("/page/1").headers["cache-status"];
    assert!(
        status.starts_with("weft; hit; ttl=3") && !status.contains("detail"),
        "{status}"
    );

    assert_eq!(one.n("/call/1"), 2);
    one.wait_until_stored("reply", 1);
    assert_eq!((two.n("/call/1"), two.n("/call/1"), backend.n_asked()), (2, 2, 2));
    counted(
        two.admin,
        &[
            "weft_shared_cache_total{kind=\"response\",result=\"hit\"} 1",
            "weft_shared_cache_total{kind=\"reply\",result=\"hit\"} 1",
        ],
    );

    // Whoever says something else to the backend may hear something else.
    let other = Gateway::start("shared-other", &backend, port, ", headers: { x-tenant: b }");
    assert_eq!((other.n("/page/1"), other.n("/call/1")), (3, 4));
}

#[test]
fn what_one_gateway_drops_is_dropped_for_all() {
    if !is_installed() {
        return;
    }
    let (folder, port, backend) = (Folder::new("dropped-redis"), free_port(), Backend::start());
    let _redis = redis(port, folder.path());
    let one = Gateway::start("dropped-one", &backend, port, "");
    let two = Gateway::start("dropped-two", &backend, port, "");
    for (path, kind, n_stored) in [
        ("/page/1", "response", 1),
        ("/call/1", "reply", 1),
        ("/page/2", "response", 2),
    ] {
        let n = one.n(path);
        one.wait_until_stored(kind, n_stored);
        assert_eq!(two.n(path), n);
    }
    let (page, call, kept) = (two.n("/page/1"), two.n("/call/1"), two.n("/page/2"));

    one.write(1);
    // Who has nothing of its own finds nothing either, at once.
    let fresh = Gateway::start("dropped-fresh", &backend, port, "");
    assert!(fresh.n("/page/1") > page);
    until("the page is dropped there, too", || two.n("/page/1") > page);
    until("the reply is dropped there, too", || two.n("/call/1") > call);
    assert_eq!((two.n("/page/2"), fresh.n("/page/2")), (kept, kept));

    // The same by the admin listener.
    let before = one.n("/page/2");
    let done = ask(
        two.admin,
        "POST",
        "/cache/invalidate",
        Some("{\"tags\": [\"thing:2\"]}"),
    );
    assert_eq!(done.status, 204);
    until("it is dropped by the other", || one.n("/page/2") > before);
}

#[test]
fn redis_goes_and_comes_back_without_what_it_had_heard_last() {
    if !is_installed() {
        return;
    }
    let (folder, port, backend) = (Folder::new("back-redis"), free_port(), Backend::start());
    let server = redis(port, folder.path());
    let mut one = Gateway::start("back-one", &backend, port, "");
    let two = Gateway::start("back-two", &backend, port, "");
    for (at, id) in (1..=3).enumerate() {
        let n = one.n(&format!("/page/{id}"));
        one.wait_until_stored("response", at as u64 + 1);
        assert_eq!(two.n(&format!("/page/{id}")), n);
    }
    let [first, second, third] = [1, 2, 3].map(|id| two.n(&format!("/page/{id}")));
    command(port, "SAVE");
    // It confirms this drop, and then forgets it.
    one.write(1);
    until("it is heard of", || two.n("/page/1") > first);
    drop(server);

    // No request fails, and what is dropped meanwhile is told later.
    one.wait_until_redis("gone");
    two.wait_until_redis("gone");
    one.process.wait_for_next("Redis is gone");
    for id in 10..40 {
        one.get(&format!("/page/{id}"));
        two.get(&format!("/call/{id}"));
    }
    one.write(2);
    assert!(one.n("/page/2") > second);
    assert_eq!(get(one.admin, "/cache").json()["tags_to_tell"], 1);

    let _server = redis(port, folder.path());
    assert_ne!(command(port, "DBSIZE"), ":0\r\n", "it has read the file");
    one.wait_until_redis("there");
    two.wait_until_redis("there");
    one.process.wait_for_next("the cache and revocations are shared again");
    until("what was dropped meanwhile is told", || two.n("/page/2") > second);
    // All three are in the file that it has read again.
    let fresh = Gateway::start("back-fresh", &backend, port, "");
    assert!(fresh.n("/page/1") > first);
    assert!(fresh.n("/page/2") > second);
    assert!(fresh.n("/page/3") > third);
    // And it goes on.
    let id = AtomicU64::new(50);
    until("it is shared again", || {
        let path = format!("/page/{}", id.fetch_add(1, Ordering::Relaxed));
        let n = one.n(&path);
        std::thread::sleep(Duration::from_millis(50));
        two.n(&path) == n
    });
    assert_eq!(one.process.count("Redis is gone"), 1, "it is said once");
}

#[test]
fn a_redis_that_hangs_costs_a_request_no_more_than_a_look_up_once_a_second() {
    if !is_installed() {
        return;
    }
    let (folder, port, backend) = (Folder::new("slow-redis"), free_port(), Backend::start());
    let _redis = redis(port, folder.path());
    let one = Gateway::start("slow-one", &backend, port, "");
    command(port, "CLIENT PAUSE 5000 ALL");
    let begun = Instant::now();
    let slow = (0..100)
        .filter(|id| {
            let begun = Instant::now();
            one.get(&format!("/page/{id}"));
            begun.elapsed() > Duration::from_millis(900)
        })
        .count();
    // A look-up takes a second here at most, and the next one is a second later.
    let most = 1 + begun.elapsed().as_secs() / 2;
    assert!(slow as u64 <= most, "{slow} requests have waited for Redis");
}

#[test]
fn redis_is_reached_over_tls_with_a_certificate_and_a_password() {
    if !is_installed() {
        return;
    }
    let (folder, port, backend) = (Folder::new("tls-redis"), free_port(), Backend::start());
    let authority = Authority::new("root");
    folder.write("ca.pem", &authority.pem());
    authority.issue(&["redis.internal"]).write(&folder, "server");
    let file = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (ca, cert, key, tls_port) = (file("ca.pem"), file("server.pem"), file("server.key"), port.to_string());
    let mut options = vec!["--port", "0", "--tls-port", &tls_port, "--tls-ca-cert-file", &ca];
    options.extend(["--tls-cert-file", &cert, "--tls-key-file", &key]);
    options.extend(["--tls-auth-clients", "yes", "--requirepass", PASSWORD]);
    let _redis = redis_with(port, folder.path(), &options);

    let address = format!("url: \"rediss://:${{env.REDIS_PASSWORD}}@127.0.0.1:{port}\"");
    let gateway = |name: &str, authority: &Authority, tls: &str| {
        let folder = Folder::new(name);
        folder.write("ca.pem", &authority.pem());
        authority.issue(&["weft"]).write(&folder, "weft");
        Gateway::start_with(folder, &backend, &format!("{address}, tls: {{ {tls} }}"), "")
    };
    let tls = "ca: ca.pem, cert: weft.pem, key: weft.key, server_name: redis.internal";
    let one = gateway("tls-one", &authority, tls);
    let two = gateway("tls-two", &authority, tls);
    one.wait_until_redis("there");
    two.wait_until_redis("there");
    let n = one.n("/page/1");
    one.wait_until_stored("response", 1);
    assert_eq!((two.n("/page/1"), backend.n_asked()), (n, 1));
    one.write(1);
    until("it is dropped there, too", || two.n("/page/1") > n);

    // Whom it does not trust it does not talk to, and says why; requests are answered all the same.
    let mut other = gateway("tls-other", &Authority::new("other"), tls);
    other.wait_until_redis("gone");
    let why = |it: &str| it.contains("Redis is gone").then(|| it.to_owned());
    let line = other.process.wait_for("why", why);
    assert!(line.contains("TLS: "), "{line}");
    other.get("/page/1");
    let mut unnamed = gateway("tls-unnamed", &authority, "ca: ca.pem, cert: weft.pem, key: weft.key");
    let line = unnamed.process.wait_for("why", why);
    assert!(line.contains("redis.internal"), "{line}");
    for gateway in [one, two, other, unnamed] {
        gateway.process.signal("TERM");
        let (code, text) = gateway.process.end();
        assert!(code == 0 && !text.contains(PASSWORD), "{text}");
    }
}
