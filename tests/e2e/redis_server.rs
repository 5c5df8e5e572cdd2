//! Redis servers of the tests' own. Where there is no Redis those tests are left out, and said so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::Process;

/// Whether there is one.
pub fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").output();
    let found = found.is_ok_and(|it| it.status.success());
    if !found {
        println!("left out: `redis-server --version` does not work here");
    }
    found
}

/// A port that nobody has.
pub fn free_port() -> u16 {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    bound.local_addr().expect("an address").port()
}

/// A Redis of the test's own; it writes what it holds into `folder` when it ends.
pub fn redis(port: u16, folder: &Path) -> Process {
    redis_with(port, folder, &["--port", &port.to_string()])
}

/// The same that listens on a port as `options` say.
pub fn redis_with(port: u16, folder: &Path, options: &[&str]) -> Process {
    let mut command = Command::new("redis-server");
    command.args(options).args(["--bind", "127.0.0.1"]);
    command.args(["--save", "3600 1", "--appendonly", "no"]);
    command.arg("--dir").arg(folder);
    let process = Process::start(&mut command);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "Redis does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// Sends one command, of words without spaces; the first line of the reply.
pub fn command(port: u16, line: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(format!("{line}\r\n").as_bytes()).expect("to be sent");
    let mut reply = [0; 256];
    let n = stream.read(&mut reply).expect("a reply");
    let reply = String::from_utf8_lossy(&reply[..n]).into_owned();
    assert!(reply.starts_with(['+', ':']), "{line}: {reply}");
    reply
}
