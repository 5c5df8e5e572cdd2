//! Targets that come and go under load, as a DNS server, a file, Consul and Kubernetes say; and what is known stays where they
//! say nothing.

#[cfg(any(feature = "consul", feature = "kubernetes"))]
mod apis;
mod secure;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process::{Folder, Process, get, serving_with_admin, weft};

/// The last bytes of 127.0.0.x.
type Hosts = &'static [u8];

/// An HTTP server that says where it is.
struct Backend {
    stop: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Backend {
    fn start(host: u8, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), port)).expect("an address");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                    let mut writer = stream;
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|it| it > 0) {
                        if line == "\r\n" {
                            let body = format!("\"{host}\"");
                            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
                            let answer = format!("{head}{}\r\n\r\n{body}", body.len());
                            if writer.write_all(answer.as_bytes()).is_err() {
                                return;
                            }
                        }
                        line.clear();
                    }
                });
            }
        });
        Self { stop, address }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(std::net::TcpStream::connect(self.address));
    }
}

/// What a DNS server knows: A records by name, SRV records by name (priority, weight, port, host), and how it fails.
#[derive(Default)]
struct Zone {
    a: BTreeMap<String, Vec<u8>>,
    srv: BTreeMap<String, Vec<(u16, u16, u16, &'static str)>>,
    /// The RCODE of every answer, RFC 1035 §4.1.1.
    rcode: u8,
}

/// A DNS server on loopback.
struct Dns {
    zone: Arc<Mutex<Zone>>,
    address: SocketAddr,
}

impl Dns {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let known = zone.clone();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut query) {
                let answer = answer(&query[..n], &known.lock().expect("the zone"));
                socket.send_to(&answer, from).expect("a socket");
            }
        });
        Self { zone, address }
    }

    fn say(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().expect("the zone"));
    }
}

/// The answer to a query with one question (RFC 1035 §4).
fn answer(query: &[u8], zone: &Zone) -> Vec<u8> {
    let (mut name, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let label = &query[at + 1..][..usize::from(query[at])];
        name.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += label.len() + 1;
    }
    let name = name.join(".");
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let mut records: Vec<Vec<u8>> = Vec::new();
    if kind == 1 {
        let hosts = zone.a.get(&name).into_iter().flatten();
        records.extend(hosts.map(|it| vec![127, 0, 0, *it]));
    }
    if kind == 33 {
        for (priority, weight, port, host) in zone.srv.get(&name).into_iter().flatten() {
            let mut data: Vec<u8> = [priority, weight, port]
                .iter()
                .flat_map(|it| it.to_be_bytes())
                .collect();
            for label in host.split('.') {
                data.push(u8::try_from(label.len()).expect("a short label"));
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            records.push(data);
        }
    }
    let is_known = zone.a.contains_key(&name) || zone.srv.contains_key(&name);
    let rcode = if zone.rcode == 0 && !is_known { 3 } else { zone.rcode };
    let n_records = if rcode == 0 { records.len() } else { 0 };
    let mut out = query[..2].to_vec();
    out.extend_from_slice(&[
        0x81,
        0x80 | rcode,
        0,
        1,
        0,
        u8::try_from(n_records).expect("a few"),
        0,
        0,
        0,
        0,
    ]);
    out.extend_from_slice(question);
    for data in records.iter().take(n_records) {
        // The name of the question, class IN, and no time to live: the floor counts.
        out.extend_from_slice(&[0xc0, 12, 0, u8::try_from(kind).expect("a kind"), 0, 1, 0, 0, 0, 0]);
        out.extend_from_slice(&u16::try_from(data.len()).expect("a short record").to_be_bytes());
        out.extend_from_slice(data);
    }
    out
}

/// A gateway in front of one HTTP backend.
struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn serve(folder: &Folder, top: &str, targets: &str) -> Self {
        folder.write(
            "page.yaml",
            "endpoint: GET /at\ncalls: { at: { http: GET shop:/ } }\nresponse: $at\n",
        );
        let text = format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\nworkers: 2\ncompositions: [page.yaml]\n{top}\n\
             backends: {{ shop: {{ http: {targets} }} }}\n"
        );
        let file = folder.write("weft.yaml", &text);
        let (process, address, admin) = serving_with_admin(&file);
        Self {
            process,
            address,
            admin,
        }
    }

    fn backend(&self) -> serde_json::Value {
        get(self.admin, "/backends").json()[0].clone()
    }

    /// The hosts of its targets, sorted.
    fn targets(&self) -> Vec<String> {
        let backend = self.backend();
        let targets = backend["targets"].as_array().expect("targets").iter();
        targets
            .map(|it| it["target"].as_str().expect("a target").to_owned())
            .collect()
    }

    /// Waits until the targets are those hosts, at this port, and nothing else.
    fn wait_for(&self, hosts: Hosts, port: u16) {
        let wanted: Vec<String> = hosts.iter().map(|it| format!("127.0.0.{it}:{port}")).collect();
        let began = Instant::now();
        while self.targets() != wanted {
            assert!(began.elapsed() < Duration::from_secs(20), "{:#}", self.backend());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Steady load, until it is dropped or ended.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let good = Arc::new(AtomicUsize::new(0));
        let threads = (0..4).map(|_| {
            let (stop, good) = (stop.clone(), good.clone());
            std::thread::spawn(move || {
                let mut bad = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = get(address, "/at");
                    if answer.status == 200 {
                        good.fetch_add(1, Ordering::Relaxed);
                    } else {
                        bad.push(answer.text());
                    }
                }
                bad
            })
        });
        Self {
            threads: threads.collect(),
            stop,
            good,
        }
    }

    /// Waits for so many more requests.
    fn go_on(&self, n: usize) {
        let until = self.good.load(Ordering::Relaxed) + n;
        let began = Instant::now();
        while self.good.load(Ordering::Relaxed) < until {
            assert!(began.elapsed() < Duration::from_secs(20), "nothing goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every request that did not go well.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .flat_map(|it| it.join().expect("a thread"))
            .collect()
    }
}

/// Lets targets come and go while requests go on: none may fail, and each target that is there is asked.
fn come_and_go(gateway: &Gateway, port: u16, say: impl Fn(Hosts)) {
    let mut backends: BTreeMap<u8, Backend> = BTreeMap::new();
    let first = gateway.targets().len();
    assert_eq!(first, 1);
    backends.insert(1, Backend::start(1, port));
    let load = Load::on(gateway.address);
    for hosts in [&[1][..], &[1, 2], &[2], &[2, 3, 4], &[3], &[1, 3]] {
        for host in hosts {
            backends.entry(*host).or_insert_with(|| Backend::start(*host, port));
        }
        say(hosts);
        gateway.wait_for(hosts, port);
        load.go_on(200);
        // What is not named any more may go.
        backends.retain(|host, _| hosts.contains(host));
    }
    let bad = load.end();
    assert!(bad.is_empty(), "{bad:?}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn addresses_of_a_name_come_and_go_without_a_failed_request() {
    let (dns, port) = (Dns::start(), free_port());
    dns.say(|it| drop(it.a.insert("shop.test".to_owned(), vec![1])));
    let folder = Folder::new("dns");
    let top = format!(
        "discovery: {{ dns: {{ servers: [\"{}\"], min_ttl: 50ms }} }}",
        dns.address
    );
    let mut gateway = Gateway::serve(&folder, &top, &format!("dns+http://shop.test:{port}"));
    come_and_go(&gateway, port, |hosts| {
        dns.say(|it| drop(it.a.insert("shop.test".to_owned(), hosts.to_vec())));
    });

    // Who does not answer, or does not know the name any more, changes nothing. It is said once.
    let failed = |gateway: &Gateway| gateway.backend()["sources"][0]["failures"].as_u64().expect("a number");
    for (rcode, name) in [(2, "SERVFAIL"), (3, "NXDOMAIN")] {
        dns.say(|it| it.rcode = rcode);
        let (before, began) = (failed(&gateway), Instant::now());
        while failed(&gateway) < before + 2 {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{name}: {:#}",
                gateway.backend()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway.wait_for(&[1, 3], port);
    }
    let backend = gateway.backend();
    assert!(backend["sources"][0]["trouble"].is_string(), "{backend:#}");
    assert_eq!(backend["targets"][0]["from"], format!("dns+http://shop.test:{port}"));
    let metrics = get(gateway.admin, "/metrics").text();
    assert!(metrics.contains("weft_source_failing{backend=\"shop\""), "{metrics}");
    assert!(
        metrics.contains("weft_resolutions_total{backend=\"shop\",source=\"dns+http://shop.test"),
        "{metrics}"
    );
    dns.say(|it| it.rcode = 0);
    gateway.process.wait_for_next("targets are told again");
    assert_eq!(gateway.process.count("targets cannot be had"), 1);
}

#[test]
fn a_gateway_starts_where_nobody_can_be_found_and_says_so() {
    let (dns, port) = (Dns::start(), free_port());
    let folder = Folder::new("dns-down");
    let top = format!(
        "discovery: {{ dns: {{ servers: [\"{}\"], min_ttl: 50ms }} }}",
        dns.address
    );
    let gateway = Gateway::serve(&folder, &top, &format!("dns+http://shop.test:{port}"));
    let answer = get(gateway.address, "/at");
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"UNAVAILABLE".into()));
    assert_eq!(gateway.targets(), [] as [&str; 0]);
    let _backend = Backend::start(1, port);
    dns.say(|it| drop(it.a.insert("shop.test".to_owned(), vec![1])));
    gateway.wait_for(&[1], port);
    assert_eq!(get(gateway.address, "/at").text(), "\"1\"");
}

#[test]
fn services_have_ports_weights_and_priorities() {
    let (dns, port) = (Dns::start(), free_port());
    let _backends = [1, 2, 3].map(|it| Backend::start(it, port));
    dns.say(|it| {
        for (name, host) in [("a.test", 1), ("b.test", 2), ("c.test", 3)] {
            it.a.insert(name.to_owned(), vec![host]);
        }
        let records = vec![
            (10, 3, port, "a.test"),
            (10, 1, port, "b.test"),
            (20, 1, port, "c.test"),
        ];
        it.srv.insert("_http._tcp.shop.test".to_owned(), records);
    });
    let folder = Folder::new("srv");
    let top = format!("discovery: {{ dns: {{ servers: [\"{}\"] }} }}", dns.address);
    let gateway = Gateway::serve(&folder, &top, "[\"srv+http://_http._tcp.shop.test\"]");
    gateway.wait_for(&[1, 2, 3], port);
    let mut counts = BTreeMap::new();
    for _ in 0..200 {
        *counts.entry(get(gateway.address, "/at").text()).or_insert(0) += 1;
    }
    assert!(
        counts["\"1\""] > 110 && counts["\"2\""] > 20 && !counts.contains_key("\"3\""),
        "{counts:?}"
    );
}

#[test]
fn a_file_of_targets_is_swapped_whole_or_not_at_all() {
    let port = free_port();
    let folder = Folder::new("file");
    let list = |hosts: &[u8]| {
        let lines = hosts.iter().map(|it| format!("- http://127.0.0.{it}:{port}\n"));
        lines.collect::<String>()
    };
    folder.write("targets/shop.yaml", &list(&[1]));
    let mut gateway = Gateway::serve(&folder, "", "file:targets/shop.yaml");
    come_and_go(&gateway, port, |hosts| {
        drop(folder.write("targets/shop.yaml", &list(hosts)));
    });
    folder.write("targets/shop.yaml", "- http://127.0.0.9:1\n- { url: \"http://127");
    gateway.process.wait_for_next("targets cannot be had");
    gateway.wait_for(&[1, 3], port);
}
