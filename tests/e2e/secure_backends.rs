//! `https://` targets: gRPC with reflection and HTTP over TLS, and what the log says where there is no connection.

use std::net::SocketAddr;

use rustls::HandshakeKind;

use super::authority::{Authority, Terminator};
use super::process::{Folder, Process, address_in, get, serving, weft};

/// The demo, for its backends: catalogue and reviews.
fn demo() -> (Process, SocketAddr, SocketAddr) {
    let mut demo = weft(&["demo", "--listen", "127.0.0.1:0"]);
    let find = |name: &'static str| move |line: &str| address_in(line, &format!("backend {name} "));
    let catalogue = demo.wait_for("catalogue", find("catalogue"));
    let reviews = demo.wait_for("reviews", find("reviews"));
    (demo, catalogue, reviews)
}

fn serve(folder: &Folder, backends: &str) -> (Process, SocketAddr) {
    folder.write(
        "compositions/product.yaml",
        "endpoint: GET /p/{id}\ncall: hipstershop.ProductCatalogService/GetProduct\n",
    );
    folder.write(
        "compositions/reviews.yaml",
        "endpoint: GET /r\ncalls: { r: { http: GET reviews:/products/mug/reviews } }\nresponse: $r\n",
    );
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\nbackends:\n{backends}"
    );
    let file = folder.write("weft.yaml", &text);
    serving(&file)
}

const H1: &[&[u8]] = &[b"http/1.1"];
const H2: &[&[u8]] = &[b"h2"];

#[test]
fn calls_and_reflection_go_over_tls_with_a_certificate_of_our_own() {
    let (_demo, catalogue, reviews) = demo();
    let (folder, authority) = (Folder::new("secure"), Authority::new("root"));
    let (grpc, http) = (authority.issue(&["127.0.0.1"]), authority.issue(&["reviews.internal"]));
    let shop = Terminator::start(authority.server(&grpc, H2, true), catalogue);
    let recs = Terminator::start(authority.server(&http, H1, true), reviews);
    let (first, second) = (authority.issue(&["weft"]), authority.issue(&["weft"]));
    folder.write("ca.pem", &authority.pem());
    first.write(&folder, "weft");
    let tls = "tls: { ca: ca.pem, cert: weft.pem, key: weft.key";
    let (mut process, address) = serve(
        &folder,
        &format!(
            "  shop: {{ grpc: [\"https://{}\"], descriptors: reflection, {tls} }} }}\n  \
             reviews: {{ http: [\"https://{}\"], {tls}, server_name: reviews.internal, min_version: 1.3 }} }}\n",
            shop.address, recs.address
        ),
    );
    assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");
    assert_eq!(get(address, "/r").status, 200);
    let seen = shop.seen.lock().expect("no panic").clone();
    assert!(
        seen.len() >= 2 && seen.iter().all(|it| it.1.as_ref() == Some(&first.leaf())),
        "{}",
        seen.len()
    );
    assert!(recs.seen.lock().expect("no panic").iter().all(|it| it.1.is_some()));

    // Another certificate of ours: calls go on, and new connections show it.
    second.write(&folder, "weft");
    process.wait_for_next("reloaded");
    for _ in 0..20 {
        assert_eq!(get(address, "/p/mug").status, 200);
        assert_eq!(get(address, "/r").status, 200);
    }
    for terminator in [&shop, &recs] {
        let last = terminator
            .seen
            .lock()
            .expect("no panic")
            .last()
            .cloned()
            .expect("a handshake");
        assert!(last.1 == Some(second.leaf()));
    }
}

#[test]
fn lost_connections_are_made_again_with_the_session_that_was() {
    let (_demo, catalogue, reviews) = demo();
    let (folder, authority) = (Folder::new("resumed"), Authority::new("root"));
    let pair = authority.issue(&["127.0.0.1"]);
    folder.write("ca.pem", &authority.pem());
    let recs = Terminator::start(authority.server(&pair, H1, false), reviews);
    let tls = "tls: { ca: ca.pem }";
    let (_process, address) = serve(
        &folder,
        &format!(
            "  shop: {{ grpc: [\"http://{catalogue}\"], descriptors: reflection }}\n  \
             reviews: {{ http: [\"https://{}\"], {tls} }}\n",
            recs.address
        ),
    );
    // Several at once take connections of their own.
    for _ in 0..3 {
        let asking: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(move || get(address, "/r").status))
            .collect();
        for it in asking {
            assert_eq!(it.join().expect("an answer"), 200);
        }
    }
    let seen = recs.seen.lock().expect("no panic").clone();
    assert!(
        seen.iter().any(|it| it.0 == HandshakeKind::Resumed),
        "{} handshakes, none resumed",
        seen.len()
    );
}

#[test]
fn what_is_wrong_with_a_backend_is_said() {
    let (_demo, catalogue, reviews) = demo();
    let (folder, authority, stranger) = (Folder::new("wrong"), Authority::new("root"), Authority::new("other"));
    folder.write("ca.pem", &authority.pem());
    let sound = authority.issue(&["127.0.0.1"]);
    let expired = authority.issue_with(&["127.0.0.1"], |it| {
        it.not_before = rcgen::date_time_ymd(2019, 1, 1);
        it.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let foreign = stranger.issue(&["127.0.0.1"]);
    let elsewhere = authority.issue(&["elsewhere.example"]);
    for (config, says) in [
        (authority.server(&expired, H1, false), "certificate expired"),
        (authority.server(&foreign, H1, false), "unknown issuer"),
        (
            authority.server(&elsewhere, H1, false),
            "certificate not valid for name 127.0.0.1: it is for elsewhere.example",
        ),
        (authority.server(&sound, H1, true), "asks for a certificate"),
        (authority.server(&sound, H2, false), "application protocols"),
    ] {
        let recs = Terminator::start(config, reviews);
        let (mut process, address) = serve(
            &folder,
            &format!(
                "  shop: {{ grpc: [\"http://{catalogue}\"], descriptors: reflection }}\n  \
                 reviews: {{ http: [\"https://{}\"], tls: {{ ca: ca.pem }} }}\n",
                recs.address
            ),
        );
        let answer = get(address, "/r");
        assert_eq!(answer.status, 503, "{says}: {}", answer.text());
        assert!(!answer.text().contains("certificate"), "{}", answer.text());
        process.wait_for_next(says);
    }
    // gRPC, for which the reflection fails first; and a target that does not speak TLS at all.
    let shop = |target: SocketAddr, descriptors: &str| {
        format!(
            "  shop: {{ grpc: [\"https://{target}\"], descriptors: {descriptors}, tls: {{ ca: ca.pem }} }}\n  \
             reviews: {{ http: [\"http://{reviews}\"] }}\n"
        )
    };
    let tree = std::env::current_dir()
        .expect("the repository")
        .join("descriptors/hipstershop");
    let tree = format!("[\"{}\"]", tree.display());
    let no_h2 = Terminator::start(authority.server(&sound, &[], false), catalogue);
    let wants = Terminator::start(authority.server(&sound, H2, true), catalogue);
    for (target, says) in [
        (no_h2.address, "does not speak HTTP/2"),
        (catalogue, "does not speak TLS"),
        // HTTP/2 keeps no more of it than the text.
        (wants.address, "CertificateRequired"),
    ] {
        let (mut process, address) = serve(&folder, &shop(target, &tree));
        assert_eq!(get(address, "/p/mug").status, 503, "{says}");
        process.wait_for_next(says);
    }
    let (mut process, _) = serve(&folder, &shop(no_h2.address, "reflection"));
    process.wait_for("the reason", |line| {
        line.contains("does not speak HTTP/2").then_some(())
    });
}
