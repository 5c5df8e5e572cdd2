//! A Redis that hangs, as if somebody had pulled its cable, and one whose place another has taken. Where there is none this is
//! left out, and said so.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::process::{Folder, Process, ask_with, counted, get, serving_with_admin};
use super::redis_server::{command, free_port, is_installed, redis};

struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: Folder,
}

/// How long counting and looking something up may take.
const TIMEOUT: Duration = Duration::from_millis(500);
const LOOKUP: Duration = Duration::from_millis(400);

impl Gateway {
    fn start(name: &str, port: u16) -> Self {
        let folder = Folder::new(name);
        folder.write(
            "compositions/a.yaml",
            "endpoint: GET /a/{id}\nrate_limit: { rate: 100000/s }\nresponse: $id\ncache: 1h\n",
        );
        folder.write(
            "compositions/b.yaml",
            "endpoint: GET /b\nrate_limit: { rate: 1/m, key: '$request.headers[\"x-caller\"]' }\nresponse: b\n",
        );
        let config = format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
             telemetry: {{ log: {{ access: none }} }}\nbackends: {{ none: {{ http: [\"http://127.0.0.1:1\"] }} }}\n\
             cache: {{ redis: {{ url: \"redis://127.0.0.1:{port}\", timeout: {}ms, lookup: {}ms }} }}\n",
            TIMEOUT.as_millis(),
            LOOKUP.as_millis()
        );
        let (process, address, admin) = serving_with_admin(&folder.write("weft.yaml", &config));
        Self {
            process,
            address,
            admin,
            _folder: folder,
        }
    }

    fn lets_in(&self, caller: &str) -> bool {
        let answer = ask_with(self.address, "GET", "/b", &[&format!("x-caller: {caller}")]);
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        answer.status == 200
    }
}

/// Asks for what nobody has, from four threads, as long as it is told; how long each took.
fn load(address: SocketAddr, first: u64, lasts: Duration) -> Vec<Duration> {
    let begun = Instant::now();
    let threads = (0..4).map(|thread| {
        std::thread::spawn(move || {
            let mut took = Vec::new();
            while begun.elapsed() < lasts {
                let at = Instant::now();
                let id = first + thread * 100_000 + took.len() as u64;
                assert_eq!(get(address, &format!("/a/{id}")).status, 200);
                took.push(at.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            took
        })
    });
    let threads: Vec<_> = threads.collect();
    let took = threads.into_iter().map(|it| it.join().expect("a client"));
    took.flatten().collect()
}

#[test]
fn who_pulls_the_cable_of_redis_sees_it_once_and_waits_no_longer_than_he_was_told() {
    if !is_installed() {
        return;
    }
    let (folder, port) = (Folder::new("cable-redis"), free_port());
    let server = redis(port, folder.path());
    let mut gateway = Gateway::start("cable", port);
    load(gateway.address, 0, Duration::from_millis(300));
    let there = ["limits", "cache"].map(|it| format!("weft_redis_gone{{purpose=\"{it}\"}} 0"));
    counted(gateway.admin, &there.each_ref().map(String::as_str));

    server.signal("STOP");
    let took = load(gateway.address, 1_000_000, Duration::from_secs(4));
    let longest = took.iter().max().expect("requests");
    // What is measured is slower than what is promised, on a machine that does other things as well.
    assert!(*longest < TIMEOUT + LOOKUP + Duration::from_millis(600), "{longest:?}");
    // At first all four may wait, then one in a second, for either.
    let slow = took.iter().filter(|it| **it > LOOKUP).count();
    assert!(slow <= 4 + 2 * 5, "{slow} of {}", took.len());
    assert!(took.len() > 200, "{}", took.len());
    let gone = ["limits", "cache"].map(|it| format!("weft_redis_gone{{purpose=\"{it}\"}} 1"));
    counted(gateway.admin, &gone.each_ref().map(String::as_str));

    server.signal("CONT");
    let begun = Instant::now();
    for line in [
        "limits and nonces are shared again",
        "cache and revocations are shared again",
    ] {
        while !gateway.process.has_printed(line) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{line}");
            load(gateway.address, 2_000_000, Duration::from_millis(200));
        }
    }
    for line in [
        "limits and nonces are its own",
        "revoked is not shared",
        "Redis is back: limits",
    ] {
        assert_eq!(gateway.process.count(line), 1, "{line}");
    }
    let outages = ["limits", "cache"].map(|it| format!("weft_redis_outages_total{{purpose=\"{it}\"}} 1"));
    counted(gateway.admin, &outages.each_ref().map(String::as_str));
}

/// Leads whoever connects to a port, and stays there whatever it is changed to.
fn lead(to: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))) else {
                continue;
            };
            for (mut from, mut to) in [
                (near.try_clone().expect("a socket"), far.try_clone().expect("a socket")),
                (far, near),
            ] {
                std::thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    port
}

#[test]
fn where_another_takes_its_place_the_old_one_is_left_although_it_still_answers() {
    if !is_installed() {
        return;
    }
    let (folder, other, before, after) = (
        Folder::new("primary-redis"),
        Folder::new("replica-redis"),
        free_port(),
        free_port(),
    );
    let _before = redis(before, folder.path());
    let leads_to = Arc::new(AtomicU16::new(before));
    let gateway = Gateway::start("primary", lead(leads_to.clone()));
    assert!(gateway.lets_in("ann") && !gateway.lets_in("ann"));

    // It is a replica from here on: it refuses to write, and closes nothing.
    let _after = redis(after, other.path());
    leads_to.store(after, Ordering::SeqCst);
    command(before, "REPLICAOF 127.0.0.1 1");
    assert!(gateway.lets_in("bob") && !gateway.lets_in("bob"));
    assert_ne!(command(after, "DBSIZE"), ":0\r\n");
    // What the first one knew is known to the gateway.
    assert!(!gateway.lets_in("ann"));
    let page = get(gateway.admin, "/limits").json();
    assert_eq!(page["redis"], "there");
}
