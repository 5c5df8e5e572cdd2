//! The gateway under attack, and its clients: raw sockets, so that nothing corrects what is sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::{Folder, Process, admin, get, listening};

/// How long a client waits for what the gateway has to say.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway with short limits, in front of a backend that answers everything with `ok`.
pub struct Gateway {
    process: Mutex<Process>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Connections to the backend: those that lie idle are kept for a while.
    to_backend: Arc<AtomicUsize>,
    _folder: Folder,
}

/// Short time limits, so that nothing has to be waited for.
const SHORT: &str = "header_timeout: 300ms, idle_timeout: 700ms";

impl Gateway {
    pub fn start(name: &str) -> Self {
        Self::of(name, SHORT, "")
    }

    /// One with more in its file.
    pub fn with(name: &str, more: &str) -> Self {
        Self::of(name, SHORT, more)
    }

    /// One whose connections have the time that is said.
    pub fn with_times(name: &str, times: &str) -> Self {
        Self::of(name, times, "")
    }

    fn of(name: &str, times: &str, more: &str) -> Self {
        let to_backend = Arc::new(AtomicUsize::new(0));
        let backend = backend(to_backend.clone());
        let folder = Folder::new(name);
        folder.write(
            "any.yaml",
            "endpoint: ANY /{path=**}\ntimeout: 500ms\nproxy: files:/${path}\nforward: { request: [\"*\"] }\n",
        );
        folder.write(
            "read.yaml",
            "endpoint: POST /read\ntimeout: 500ms\nbody: { schema: any.json }\ncalls: { n: { value: $body } }\nresponse: $n\n",
        );
        folder.write("any.json", "{}");
        let file = folder.write(
            "weft.yaml",
            &format!(
                "listen: 127.0.0.1:0\nworkers: 2\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [any.yaml, read.yaml]\n\
                 backends: {{ files: {{ http: [\"http://{backend}\"], limit: false, breaker: false }} }}\n\
                 limits: {{ headers: 16KiB, uri: 1KiB, body: 64KiB, {times} }}\n\
                 telemetry: {{ log: {{ access: none }} }}\n{more}"
            ),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        // Freed memory goes back to the system at once, so that what is left is what is still held.
        command.args(["serve", "-c"]).arg(file).env("MIMALLOC_PURGE_DELAY", "0");
        let mut process = Process::start(&mut command);
        let (address, admin) = (listening(&mut process), admin(&mut process));
        watches_files(&process);
        let gateway = Self {
            process: Mutex::new(process),
            address,
            admin,
            to_backend,
            _folder: folder,
        };
        gateway.has_started();
        gateway
    }

    /// Waits until all threads of it have what they need: nothing is added while it is asked again and again.
    fn has_started(&self) {
        let (mut n_same, mut last) = (0, 0);
        while n_same < 20 {
            let now = self.holds().descriptors;
            n_same = if now == last { n_same + 1 } else { 0 };
            last = now;
        }
    }

    /// It answers, soon.
    pub fn answers(&self, after: &str) {
        let began = Instant::now();
        let answer = get(self.address, "/well");
        assert_eq!((answer.status, &*answer.text()), (200, "ok"), "after {after}");
        assert!(
            began.elapsed() < PATIENCE,
            "after {after} it took {:?}",
            began.elapsed()
        );
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let page = get(self.admin, "/metrics").text();
        let line = page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}"))
            .trim()
            .parse()
            .expect("a number")
    }

    /// Waits until nothing is left of what was: connections, requests, descriptors.
    pub fn is_as_before(&self, before: &Held) {
        let began = Instant::now();
        loop {
            let now = self.holds();
            if now.connections <= before.connections
                && now.requests == before.requests
                && now.descriptors <= before.descriptors
            {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{now:?}, before {before:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn holds(&self) -> Held {
        let open = self.process.lock().expect("a process").descriptors();
        Held {
            connections: self.metric("weft_connections"),
            requests: self.metric("weft_requests_in_flight"),
            descriptors: open
                .map_or(0, |it| it.len())
                .saturating_sub(self.to_backend.load(Ordering::SeqCst)),
            resident_kib: self.process.lock().expect("a process").resident_kib(),
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        stream
    }

    /// Sends bytes, and gives all that comes back until the gateway ends the connection. It must end it.
    pub fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be ended before all is sent.
        let _sent = stream.write_all(bytes);
        let (said, ended) = read_all(&mut stream);
        assert!(
            ended,
            "the connection stays open after {:?}",
            String::from_utf8_lossy(bytes)
        );
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The status of the first answer; 0 where the connection ends without any.
    pub fn status(&self, bytes: &[u8]) -> u16 {
        status_of(&self.talk(bytes))
    }
}

/// Waits until the gateway watches its files, which begins beside the first requests and takes three descriptors.
fn watches_files(process: &Process) {
    let began = Instant::now();
    let watches = || {
        process
            .descriptors()
            .is_none_or(|it| it.iter().any(|it| it.ends_with("anon_inode:inotify")))
    };
    while !watches() {
        assert!(began.elapsed() < PATIENCE, "files are not watched");
        std::thread::yield_now();
    }
}

/// What a gateway holds on to.
#[derive(Debug)]
pub struct Held {
    pub connections: u64,
    pub requests: u64,
    /// Those of connections to the backend left out.
    pub descriptors: usize,
    /// Memory, where the system says so.
    pub resident_kib: Option<u64>,
}

pub fn status_of(said: &str) -> u16 {
    let status = said.strip_prefix("HTTP/1.").and_then(|it| it.get(2..5));
    status.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// All that comes until the end, and whether there was one.
pub fn read_all(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let (mut said, mut buffer) = (Vec::new(), [0; 1 << 14]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (said, true),
            Ok(n) => said.extend_from_slice(&buffer[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return (said, false),
            Err(_) => return (said, true),
        }
    }
}

/// A backend: `ok` to every request, and megabytes to those for `/big`.
fn backend(open: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let open = open.clone();
            open.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                serve(stream);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    address
}

/// Requests of the gateway are well formed: a body has its length, or ends with the last chunk.
fn serve(mut stream: TcpStream) -> Option<()> {
    let (mut held, mut buffer) = (Vec::new(), [0; 1 << 14]);
    loop {
        let n = stream.read(&mut buffer).ok().filter(|it| *it > 0)?;
        held.extend_from_slice(&buffer[..n]);
        while let Some(at) = held.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&held[..at]).to_ascii_lowercase();
            let length: Option<usize> = head
                .split("content-length: ")
                .nth(1)
                .and_then(|it| it.lines().next()?.parse().ok());
            let end = match length {
                Some(length) => Some(at + 4 + length).filter(|it| *it <= held.len()),
                None if head.contains("transfer-encoding: chunked") => {
                    let body = &held[at + 2..];
                    let last = body.windows(7).position(|it| it == b"\r\n0\r\n\r\n");
                    last.map(|it| at + 2 + it + 7)
                }
                None => Some(at + 4),
            };
            let Some(end) = end else { break };
            held.drain(..end);
            if head.starts_with("get /big") {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 67108864\r\n\r\n")
                    .ok()?;
                for _ in 0..1024 {
                    stream.write_all(&[b'x'; 1 << 16]).ok()?;
                }
            } else {
                // The suite for HTTP/2 wants some bytes, from `/`.
                let body = if head.starts_with("post / ") {
                    "ok, at length"
                } else {
                    "ok"
                };
                let length = body.len();
                let said =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(said.as_bytes()).ok()?;
            }
        }
    }
}
