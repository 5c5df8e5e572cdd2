//! Consul and Kubernetes as their APIs answer, over TLS.

use super::super::authority::{Authority, Terminator};
use super::*;

/// An API that answers each path, without what stands behind its `?`, with what `respond` writes.
fn api(respond: impl Fn(&str, &mut std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let respond = respond.clone();
            std::thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap_or(0) == 0 {
                        return;
                    }
                }
                respond(&head, &mut stream);
            });
        }
    });
    address
}

/// A whole answer. Nobody may listen any more.
fn say(stream: &mut std::net::TcpStream, status: &str, more: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n",
        body.len()
    );
    drop(stream.write_all(format!("{head}{body}").as_bytes()));
}

/// What an API knows, and how often that has changed.
#[derive(Default)]
struct State {
    hosts: Mutex<(u64, Vec<u8>)>,
    changed: std::sync::Condvar,
    down: AtomicBool,
}

impl State {
    fn set(&self, hosts: Hosts) {
        let mut known = self.hosts.lock().expect("the state");
        *known = (known.0 + 1, hosts.to_vec());
        self.changed.notify_all();
    }

    /// Waits until there is something newer than a version, but not for long.
    fn since(&self, version: u64) -> (u64, Vec<u8>) {
        let known = self.hosts.lock().expect("the state");
        let patience = Duration::from_secs(5);
        let waited = self.changed.wait_timeout_while(known, patience, |it| it.0 <= version);
        waited.expect("the state").0.clone()
    }
}

/// The same over TLS; `ca.pem` is who signed its certificate.
fn over_tls(folder: &Folder, authority: &Authority, api: SocketAddr) -> Terminator {
    folder.write("ca.pem", &authority.pem());
    let pair = authority.issue(&["127.0.0.1"]);
    Terminator::start(authority.server(&pair, &[b"http/1.1"], false), api)
}

#[cfg(feature = "consul")]
#[test]
fn a_certificate_that_is_not_trusted_is_said_and_the_token_is_not_sent() {
    let asked = Arc::new(AtomicBool::new(false));
    let was_asked = asked.clone();
    let address = api(move |_, _| was_asked.store(true, Ordering::Relaxed));
    let (folder, stranger) = (Folder::new("consul-stranger"), Authority::new("other"));
    let front = over_tls(&folder, &stranger, address);
    folder.write("ca.pem", &Authority::new("root").pem());
    let top = format!(
        "discovery: {{ consul: {{ address: \"https://{}\", token: t0ken, ca_file: ca.pem }} }}",
        front.address
    );
    let mut gateway = Gateway::serve(&folder, &top, "consul+http://shop");
    let line = gateway.process.wait_for("the reason", |it| {
        it.contains("targets cannot be had").then(|| it.to_owned())
    });
    assert!(line.contains("unknown issuer") && !line.contains("t0ken"), "{line}");
    assert!(!asked.load(Ordering::Relaxed));
}

#[cfg(feature = "consul")]
#[test]
fn instances_in_consul_come_and_go_without_a_failed_request() {
    let (state, port) = (Arc::new(State::default()), free_port());
    state.set(&[1]);
    let known = state.clone();
    let address = api(move |head, stream| {
        assert!(head.starts_with("GET /v1/health/service/shop?passing=true"), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("x-consul-token: t0ken\r\n"),
            "{head}"
        );
        if known.down.load(Ordering::Relaxed) {
            return say(stream, "500 Internal Server Error", "", "No cluster leader");
        }
        let index = head
            .split("index=")
            .nth(1)
            .and_then(|it| it.split('&').next()?.parse().ok());
        let (index, hosts) = known.since(index.unwrap_or(0));
        let one = |host: &u8| {
            // One has an address of its own, the others that of their node.
            let (node, own) = if *host == 2 {
                ("10.9.9.9", "127.0.0.2".to_owned())
            } else {
                ("", String::new())
            };
            let node = if node.is_empty() {
                format!("127.0.0.{host}")
            } else {
                node.to_owned()
            };
            serde_json::json!({
                "Node": { "Node": "n", "Address": node, "Meta": { "zone": "eu-1a" } },
                "Service": { "ID": host, "Address": own, "Port": port, "Weights": { "Passing": 2, "Warning": 1 } },
                "Checks": [],
            })
        };
        let body = serde_json::Value::Array(hosts.iter().map(one).collect()).to_string();
        say(stream, "200 OK", &format!("X-Consul-Index: {index}\r\n"), &body);
    });
    let (folder, authority) = (Folder::new("consul"), Authority::new("root"));
    let front = over_tls(&folder, &authority, address);
    folder.write("consul.token", "t0ken\n");
    let top = format!(
        "discovery: {{ consul: {{ address: \"https://{}\", token: \"${{file.consul.token}}\", ca_file: ca.pem }} }}",
        front.address
    );
    let mut gateway = Gateway::serve(&folder, &top, "consul+http://shop");
    come_and_go(&gateway, port, |hosts| state.set(hosts));
    let target = &gateway.backend()["targets"][0];
    assert_eq!(
        (&target["weight"], &target["zone"]),
        (&2.into(), &"eu-1a".into()),
        "{target}"
    );
    state.down.store(true, Ordering::Relaxed);
    // The question that is open already is answered well; the next one is not.
    state.set(&[1, 3]);
    let line = gateway.process.wait_for_next("targets cannot be had");
    assert!(line.contains("500") && !line.contains("t0ken"), "{line}");
    gateway.wait_for(&[1, 3], port);
}

#[cfg(feature = "kubernetes")]
#[test]
fn endpoints_in_kubernetes_come_and_go_without_a_failed_request() {
    let (state, port) = (Arc::new(State::default()), free_port());
    state.set(&[1]);
    let known = state.clone();
    let lists = Arc::new(AtomicUsize::new(0));
    let n_lists = lists.clone();
    let slice = move |version: u64, hosts: &[u8]| {
        let ready = hosts.iter().map(|it| serde_json::json!({ "addresses": [format!("127.0.0.{it}")], "conditions": { "ready": true }, "zone": "eu-1a" }));
        let leaving =
            serde_json::json!({ "addresses": ["127.0.0.99"], "conditions": { "ready": false, "terminating": true } });
        serde_json::json!({
            "metadata": { "name": "shop-x1", "resourceVersion": version.to_string() },
            "addressType": "IPv4",
            "endpoints": ready.chain([leaving]).collect::<Vec<_>>(),
            "ports": [{ "name": "metrics", "port": 9 }, { "name": "web", "port": port }],
        })
    };
    let address = api(move |head, stream| {
        let path = "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dshop";
        assert!(
            head.starts_with(path) && head.contains("authorization: Bearer tok\r\n"),
            "{head}"
        );
        let since = head
            .split("resourceVersion=")
            .nth(1)
            .and_then(|it| it.split([' ', '&']).next()?.parse().ok());
        let Some(since) = since.filter(|_| head.contains("watch=true")) else {
            n_lists.fetch_add(1, Ordering::Relaxed);
            let (version, hosts) = known.hosts.lock().expect("the state").clone();
            let list = serde_json::json!({ "metadata": { "resourceVersion": version.to_string() }, "items": [slice(version, &hosts)] });
            return say(stream, "200 OK", "", &list.to_string());
        };
        // It forgets, now and then, in both ways that it has.
        let (version, hosts) = known.since(since);
        if version == 4 && since == 3 {
            return say(stream, "410 Gone", "", "{}");
        }
        let event = if version == 6 && since == 5 {
            serde_json::json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410 } })
        } else {
            serde_json::json!({ "type": "MODIFIED", "object": slice(version, &hosts) })
        };
        let bookmark = serde_json::json!({ "type": "BOOKMARK", "object": { "metadata": { "resourceVersion": version.to_string() } } });
        // Without a length: it ends with the connection.
        drop(stream.write_all(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{event}\n{bookmark}\n").as_bytes()));
        drop(stream.flush());
        // A watch goes on for a while.
        std::thread::sleep(Duration::from_millis(100));
    });
    let (folder, authority) = (Folder::new("kubernetes"), Authority::new("root"));
    let front = over_tls(&folder, &authority, address);
    folder.write("token", "tok\n");
    let top = format!(
        "discovery: {{ kubernetes: {{ address: \"https://{}\", token_file: token, ca_file: ca.pem }} }}",
        front.address
    );
    let gateway = Gateway::serve(&folder, &top, "kubernetes+http://shop.default:web");
    come_and_go(&gateway, port, |hosts| state.set(hosts));
    assert_eq!(gateway.backend()["targets"][0]["zone"], "eu-1a");
    assert!(lists.load(Ordering::Relaxed) > 1, "it was never asked anew");
}
