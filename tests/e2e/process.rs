//! Processes that end with the test, and a small HTTP/1.1 client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed with the test.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    /// Starts a command; what it prints is kept, line by line.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("stdout"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("stderr"));
        for stream in [stdout, stderr] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The first line, earlier or later, of which `find` makes something.
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        if let Some(found) = self.seen.iter().find_map(|it| find(it)) {
            return found;
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = find(&line);
                    self.seen.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(error) => panic!("{error}: {what}: never printed in\n{}", self.seen.join("\n")),
            }
        }
    }

    /// The most memory that it ever had, where the system says so.
    pub fn peak_kib(&self) -> Option<u64> {
        self.memory_kib("VmHWM:")
    }

    /// The memory that it has, where the system says so.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn resident_kib(&self) -> Option<u64> {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, name: &str) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find(|it| it.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// What its open descriptors are, where the system says so.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn descriptors(&self) -> Option<Vec<PathBuf>> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?;
        // One may be closed meanwhile.
        Some(open.filter_map(|it| std::fs::read_link(it.ok()?.path()).ok()).collect())
    }

    /// Waits for a line that contains `text` and has not been waited for.
    pub fn wait_for_next(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("{error}: `{text}` was never printed in\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Whether a line that contains `text` was printed so far.
    pub fn has_printed(&mut self, text: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.count(text) > 0
    }

    /// How many of the lines that were waited for contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.seen.iter().filter(|it| it.contains(text)).count()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Waits for the end; the exit code and all that was printed.
    pub fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("the end");
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            self.seen.push(line);
        }
        (status.code().unwrap_or(-1), self.seen.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The `weft` binary.
pub fn weft(arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    Process::start(command.args(arguments))
}

/// The address in a log line that says where something listens.
pub fn address_in(line: &str, message: &str) -> Option<SocketAddr> {
    if !line.contains(message) {
        return None;
    }
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{digits}").parse().ok()
}

/// The public address of a gateway.
pub fn listening(process: &mut Process) -> SocketAddr {
    process.wait_for("listening", |line| address_in(line, "listening"))
}

/// The admin address of a gateway.
pub fn admin(process: &mut Process) -> SocketAddr {
    process.wait_for("admin pages", |line| address_in(line, "admin pages"))
}

/// A gateway that serves this file, and where it listens.
pub fn serving(file: &Path) -> (Process, SocketAddr) {
    let mut process = weft(&["serve", "-c", file.to_str().expect("a path")]);
    let address = listening(&mut process);
    (process, address)
}

/// The same, and where its admin pages are.
#[allow(dead_code, reason = "not every test asks")]
pub fn serving_with_admin(file: &Path) -> (Process, SocketAddr, SocketAddr) {
    let (mut process, address) = serving(file);
    let admin = admin(&mut process);
    (process, address, admin)
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weft-e2e-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks over a connection of its own.
pub fn ask(address: SocketAddr, method: &str, target: &str, body: Option<&str>) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: weft\r\nconnection: close\r\n");
    if let Some(body) = body {
        let length = body.len().to_string();
        request.extend(["content-type: application/json\r\ncontent-length: ", &length, "\r\n"]);
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    stream.write_all(request.as_bytes()).expect("to be sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    parse(&all)
}

/// The same without a body, with these lines in the head.
pub fn ask_with(address: SocketAddr, method: &str, target: &str, lines: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let lines = [&["host: weft", "connection: close"], lines].concat().join("\r\n");
    let request = format!("{method} {target} HTTP/1.1\r\n{lines}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("to be sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    parse(&all)
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, None)
}

/// Waits until the metrics have lines that begin so. A connection that was refused may be counted just after its end.
pub fn counted(admin: SocketAddr, wanted: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let metrics = get(admin, "/metrics").text();
        let has = |wanted: &&str| metrics.lines().any(|it| it.starts_with(*wanted));
        if wanted.iter().all(has) {
            return metrics;
        }
        assert!(began.elapsed() < PATIENCE, "{wanted:?} in\n{metrics}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something holds that others bring about.
#[allow(dead_code, reason = "not every test asks")]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn parse(all: &[u8]) -> Answer {
    let end = all.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|it| it.split(' ').nth(1)?.parse().ok())
        .expect("a status");
    let headers: BTreeMap<String, String> = lines
        .filter_map(|it| it.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: all[end + 4..].to_vec(),
    }
}
