//! TLS of the listener: which certificate, which version, whose clients, sessions, and files that change under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::Full;
use rustls::{ClientConfig, HandshakeKind};

use super::authority::{Authority, ask};
use super::http2;
use super::process::{Folder, Process, admin, counted, get, listening, serving, weft};

const FIXED: &str = "endpoint: GET /fixed\nresponse: here\n";

/// A gateway with `tls:`, whose files lie in the folder.
fn serve(folder: &Folder, tls: &str) -> (Process, SocketAddr) {
    folder.write("compositions/fixed.yaml", FIXED);
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n{tls}\
         backends: {{ recs: {{ http: [\"http://127.0.0.1:1\"] }} }}\n"
    );
    let file = folder.write("weft.yaml", &text);
    serving(&file)
}

const ONE: &str = "tls: { certificates: [{ cert: a.pem, key: a.key }] }\n";

#[test]
fn a_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let (folder, authority) = (Folder::new("sni"), Authority::new("root"));
    let pairs = [
        authority.issue(&["default.example", "127.0.0.1"]),
        authority.issue(&["*.shop.example"]),
        authority.issue(&["www.shop.example", "shop.example"]),
    ];
    for (name, pair) in ["a", "b", "c"].iter().zip(&pairs) {
        pair.write(&folder, name);
    }
    let (_process, address) = serve(
        &folder,
        "tls:\n  certificates:\n    - { cert: a.pem, key: a.key }\n    - { cert: b.pem, key: b.key }\n    - { cert: c.pem, key: c.key }\n",
    );
    // Names that no certificate has get the default, which a client that checks names refuses.
    let config = Arc::new(authority.client(None));
    for (name, wanted) in [
        ("default.example", 0),
        ("127.0.0.1", 0),
        ("api.shop.example", 1),
        ("www.shop.example", 2),
        ("WWW.Shop.example", 2),
        ("shop.example", 2),
    ] {
        let asked = ask(address, &config, name, b"", "/fixed").expect(name);
        assert_eq!(
            (asked.answer.status, asked.answer.text()),
            (200, "\"here\"".to_owned()),
            "{name}"
        );
        assert!(asked.shown == pairs[wanted].leaf(), "{name}");
        assert_eq!(asked.alpn.as_deref(), Some(&b"http/1.1"[..]));
    }
    for name in ["other.example", "a.b.shop.example"] {
        let refused = ask(address, &config, name, b"", "/fixed").err().expect(name);
        assert!(refused.contains("default.example"), "{name}: {refused}");
    }
    // Plain HTTP is not spoken there.
    let plain = std::panic::catch_unwind(|| get(address, "/fixed"));
    assert!(plain.is_err());
}

#[test]
fn http_2_is_chosen_where_the_client_offers_it() {
    let (folder, authority) = (Folder::new("alpn"), Authority::new("root"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    let (_process, address) = serve(&folder, ONE);
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let request = http::Request::get("https://shop.example/fixed");
    let answer = http2::block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = "shop.example".try_into().expect("a name");
        let stream = connector.connect(name, stream).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        http2::ask(stream, request.body(Full::default()).expect("a request")).await
    });
    assert_eq!(answer.into_body().to_bytes(), "\"here\"");
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let refused = ask(address, &Arc::new(config), "shop.example", b"", "/fixed").err();
    assert!(refused.is_some_and(|it| it.contains("NoApplicationProtocol")));
    // A client without ALPN speaks HTTP/1.1.
    let mut config = authority.client(None);
    config.alpn_protocols.clear();
    let asked = ask(address, &Arc::new(config), "shop.example", b"", "/fixed").expect("an answer");
    assert_eq!((asked.answer.status, asked.alpn), (200, None));
}

#[test]
fn versions_are_1_2_and_1_3_unless_the_least_is_higher() {
    let (folder, authority) = (Folder::new("versions"), Authority::new("root"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    let old = Arc::new(authority.client_of(None, &[&rustls::version::TLS12]));
    let new = Arc::new(authority.client_of(None, &[&rustls::version::TLS13]));
    let (mut process, address) = serve(&folder, ONE);
    for config in [&old, &new] {
        assert_eq!(
            ask(address, config, "shop.example", b"", "/fixed")
                .expect("both")
                .answer
                .status,
            200
        );
    }
    let lines = [
        "weft_tls_handshakes_total{version=\"1.2\",session=\"new\"} 1",
        "weft_tls_handshakes_total{version=\"1.3\",session=\"new\"} 1",
        "weft_certificate_expiry_timestamp_seconds{shown_to=\"clients\",file=\"a.pem\"} ",
    ];
    counted(admin(&mut process), &lines);
    let (mut process, address) = serve(&folder, &ONE.replace(" }\n", ", min_version: 1.3 }\n"));
    assert!(ask(address, &old, "shop.example", b"", "/fixed").is_err());
    assert_eq!(
        ask(address, &new, "shop.example", b"", "/fixed")
            .expect("1.3")
            .answer
            .status,
        200
    );
    counted(
        admin(&mut process),
        &["weft_connections_refused_total{reason=\"incompatible\"} 1"],
    );
}

#[test]
fn sessions_are_resumed_by_every_worker_and_over_reloads_of_other_files() {
    let (folder, authority) = (Folder::new("sessions"), Authority::new("root"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    let (mut process, address) = serve(&folder, &format!("workers: 3\n{ONE}"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = Arc::new(authority.client_of(None, &[version]));
        let kind = || {
            ask(address, &config, "shop.example", b"", "/fixed")
                .expect("an answer")
                .kind
        };
        assert_ne!(kind(), Some(HandshakeKind::Resumed));
        for _ in 0..8 {
            assert_eq!(kind(), Some(HandshakeKind::Resumed));
        }
        folder.write(
            "compositions/more.yaml",
            &FIXED.replace("/fixed", &format!("/{:?}", version.version)),
        );
        process.wait_for_next("reloaded");
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
    }
    // Another certificate begins anew.
    let config = Arc::new(authority.client(None));
    ask(address, &config, "shop.example", b"", "/fixed").expect("an answer");
    authority.issue(&["shop.example"]).write(&folder, "a");
    process.wait_for_next("reloaded");
    let asked = ask(address, &config, "shop.example", b"", "/fixed").expect("an answer");
    assert_ne!(asked.kind, Some(HandshakeKind::Resumed));
}

#[test]
fn clients_show_certificates_that_are_sound() {
    let (folder, authority, other) = (Folder::new("clients"), Authority::new("root"), Authority::new("other"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    folder.write("clients.pem", &authority.pem());
    let sound = authority.issue(&["orders.example"]);
    let foreign = other.issue(&["orders.example"]);
    let expired = authority.issue_with(&["orders.example"], |it| {
        it.not_after = rcgen::date_time_ymd(2020, 1, 1);
        it.not_before = rcgen::date_time_ymd(2019, 1, 1);
    });
    for (auth, without) in [
        ("", false),
        (", client_auth: required", false),
        (", client_auth: optional", true),
    ] {
        let tls = ONE.replace("}] }", &format!("}}], client_ca: clients.pem{auth} }}"));
        let (mut process, address) = serve(&folder, &tls);
        let answers = |config: ClientConfig| {
            let asked = ask(address, &Arc::new(config), "shop.example", b"", "/fixed");
            asked.is_ok_and(|it| it.answer.status == 200)
        };
        assert!(answers(authority.client(Some(&sound))), "{auth}");
        assert_eq!(answers(authority.client(None)), without, "{auth}");
        assert!(!answers(authority.client(Some(&expired))), "{auth}");
        assert!(!answers(authority.client(Some(&foreign))), "{auth}");
        let too_late = "weft_connections_refused_total{reason=\"expired\"} 1";
        let stranger = "weft_connections_refused_total{reason=\"unknown_issuer\"} 1";
        let metrics = counted(admin(&mut process), &[too_late, stranger]);
        let none = "weft_connections_refused_total{reason=\"no_certificate\"}";
        assert_eq!(metrics.contains(none), !without, "{metrics}");
    }
}

#[test]
fn certificates_change_under_load_and_no_request_fails() {
    let (folder, authority) = (Folder::new("rotate"), Authority::new("root"));
    let (first, second) = (authority.issue(&["shop.example"]), authority.issue(&["shop.example"]));
    first.write(&folder, "a");
    let (mut process, address) = serve(&folder, ONE);
    let (ended, n_answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (ended, n_answered) = (ended.clone(), n_answered.clone());
            let mut config = authority.client(None);
            if number % 2 == 0 {
                config.resumption = rustls::client::Resumption::disabled();
            }
            let config = Arc::new(config);
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let asked = ask(address, &config, "shop.example", b"", "/fixed").expect("an answer");
                    assert_eq!(asked.answer.status, 200);
                    n_answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let fresh = Arc::new(authority.client(None));
    let shown = || {
        ask(address, &fresh, "shop.example", b"", "/fixed")
            .expect("an answer")
            .shown
    };
    assert!(shown() == first.leaf());
    // A certificate without its key is not used, and it is said why.
    folder.write("a.pem", &second.cert);
    let line = process.wait_for_next("reload refused");
    assert!(
        line.contains("not that of the certificate") && line.contains("weft.yaml:4"),
        "{line}"
    );
    assert!(shown() == first.leaf());
    // Nor is half of it.
    folder.write("a.pem", second.cert.split_at(second.cert.len() / 2).0);
    process.wait_for_next("reload refused");
    assert!(shown() == first.leaf());
    second.write(&folder, "a");
    process.wait_for_next("certificate in use");
    process.wait_for_next("reloaded");
    let fresh = Arc::new(authority.client(None));
    let asked = ask(address, &fresh, "shop.example", b"", "/fixed").expect("an answer");
    assert!(asked.shown == second.leaf());
    let before = n_answered.load(Ordering::Relaxed);
    while n_answered.load(Ordering::Relaxed) < before + 20 && clients.iter().all(|it| !it.is_finished()) {
        std::thread::yield_now();
    }
    ended.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request failed");
    }
    let metrics = get(admin(&mut process), "/metrics").text();
    assert!(!metrics.contains("weft_connections_refused_total{"), "{metrics}");
}

#[test]
fn the_admin_listener_may_ask_for_certificates_too() {
    let (folder, authority) = (Folder::new("admin"), Authority::new("root"));
    authority.issue(&["admin.example"]).write(&folder, "a");
    folder.write("clients.pem", &authority.pem());
    folder.write("compositions/fixed.yaml", FIXED);
    let file = folder.write(
        "weft.yaml",
        "listen: 127.0.0.1:0\ncompositions: [compositions/]\nadmin:\n  listen: 127.0.0.1:0\n  \
         tls: { certificates: [{ cert: a.pem, key: a.key }], client_ca: clients.pem }\n\
         backends: { recs: { http: [\"http://127.0.0.1:1\"] } }\n",
    );
    let mut process = weft(&["serve", "-c", file.to_str().expect("a path")]);
    assert_eq!(get(listening(&mut process), "/fixed").status, 200);
    let admin = admin(&mut process);
    // A handshake that never ends keeps nobody from theirs.
    let _silent = std::net::TcpStream::connect(admin).expect("a connection");
    let ops = authority.client(Some(&authority.issue(&["ops.example"])));
    let asked = ask(admin, &Arc::new(ops), "admin.example", b"", "/metrics").expect("an answer");
    let line = "weft_certificate_expiry_timestamp_seconds{shown_to=\"admin\",file=\"a.pem\"} ";
    assert!(asked.answer.text().contains(line), "{}", asked.answer.text());
    let nobody = Arc::new(authority.client(None));
    assert!(ask(admin, &nobody, "admin.example", b"", "/metrics").is_err());
}

#[test]
fn who_never_ends_the_handshake_is_not_waited_for() {
    use std::io::Read;
    let (folder, authority) = (Folder::new("late"), Authority::new("root"));
    authority.issue(&["shop.example"]).write(&folder, "a");
    let (mut process, address) = serve(&folder, &format!("limits: {{ header_timeout: 200ms }}\n{ONE}"));
    let mut silent = std::net::TcpStream::connect(address).expect("a connection");
    silent
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .expect("a time-out");
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).expect("the end"), 0);
    counted(
        admin(&mut process),
        &["weft_connections_refused_total{reason=\"timeout\"} 1"],
    );
    // Draining does not wait for a handshake either.
    let _silent = std::net::TcpStream::connect(address).expect("a connection");
    process.signal("TERM");
    assert_eq!(process.end().0, 0);
}
