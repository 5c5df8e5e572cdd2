//! Thousands of connections that ask for nothing: each costs a descriptor and little memory, and gives both back.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::gateway::Gateway;
use super::http2::{END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, get};

const MANY: usize = 5_000;
/// What may be left of one, bytes: pages of the allocator that are not quite empty, and tables that have grown.
const LEFT_BYTES: u64 = 1_500;
/// What one connection may cost, bytes. Built without optimisation; an optimised gateway needs less.
const MAX_BYTES: [(Kind, u64); 3] = [(Kind::Silent, 6_000), (Kind::Http1, 50_000), (Kind::Http2, 60_000)];

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// It never says anything.
    Silent,
    /// It asked once.
    Http1,
    Http2,
}

impl Kind {
    fn connect(self, gateway: &Gateway) -> TcpStream {
        let mut stream = gateway.connect();
        let asked = match self {
            Self::Silent => return stream,
            Self::Http1 => b"GET /well HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Self::Http2 => [
                PREFACE.to_vec(),
                frame(SETTINGS, 0, 0, &[]),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/well")),
            ]
            .concat(),
        };
        stream.write_all(&asked).expect("a request");
        let (mut said, mut buffer) = (Vec::new(), [0; 1 << 12]);
        while !said.windows(2).any(|it| it == b"ok") {
            let n = stream.read(&mut buffer).expect("an answer");
            assert!(n > 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..n]);
        }
        stream
    }
}

#[test]
fn thousands_of_idle_connections_cost_little_and_give_it_back() {
    let n_all = MANY.min(n_descriptors().saturating_sub(1_000).max(500));
    if n_all < MANY {
        eprintln!("only {n_all} connections: the limit of descriptors allows no more");
    }
    for (kind, max_bytes) in MAX_BYTES {
        let gateway = Gateway::with_times("many", "header_timeout: 60s, idle_timeout: 60s");
        drop(kind.connect(&gateway));
        let before = gateway.holds();
        let resident = |after: &str| {
            gateway.answers(after);
            gateway.holds().resident_kib
        };
        for _ in 0..2 {
            let idle: Vec<_> = (0..n_all).map(|_| kind.connect(&gateway)).collect();
            let during = resident("many idle connections");
            assert!(gateway.holds().connections >= n_all as u64);
            drop(idle);
            gateway.is_as_before(&before);
            let after = resident("their end");
            if let (Some(before), Some(during), Some(after)) = (before.resident_kib, during, after) {
                let each = |kib: u64| kib.saturating_sub(before) * 1024 / n_all as u64;
                eprintln!(
                    "{kind:?}: {before} KiB, then {during}, then {after}: {} bytes each",
                    each(during)
                );
                assert!(each(during) <= max_bytes, "{kind:?}: {} bytes each", each(during));
                assert!(
                    each(after) <= LEFT_BYTES,
                    "{kind:?}: of each {} bytes are left",
                    each(after)
                );
            }
        }
    }
}

/// How many descriptors this process may have, where the system says so.
fn n_descriptors() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("Max open files"));
    line.and_then(|it| it.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}
