//! Targets that are found and reached over TLS, and gRPC targets that come and go.

use super::super::authority::{Authority, Terminator};
use super::super::process::{address_in, serving_with_admin};
use super::*;

#[test]
fn found_targets_are_reached_over_tls_by_the_name_that_was_asked_for() {
    let dns = Dns::start();
    let (folder, authority) = (Folder::new("found-tls"), Authority::new("root"));
    folder.write("ca.pem", &authority.pem());
    let shop = Backend::start(1, 0);
    let named = authority.issue(&["shop.test"]);
    let front = Terminator::start(authority.server(&named, &[b"http/1.1"], false), shop.address);
    let port = front.address.port();
    dns.say(|it| {
        it.a.insert("shop.test".to_owned(), vec![1]);
        it.a.insert("other.test".to_owned(), vec![1]);
        it.srv
            .insert("_http._tcp.shop.test".to_owned(), vec![(1, 1, port, "shop.test")]);
    });
    let list = folder.write("targets.yaml", &format!("- https://127.0.0.1:{port}\n"));
    let top = format!("discovery: {{ dns: {{ servers: [\"{}\"] }} }}", dns.address);
    let ask = |targets: &str, tls: &str| {
        let targets = format!("\"{targets}\", tls: {{ ca: ca.pem{tls} }}");
        let mut gateway = Gateway::serve(&folder, &top, &targets);
        gateway.wait_for(&[1], port);
        let answer = get(gateway.address, "/at");
        if answer.status == 200 {
            return answer.text();
        }
        gateway.process.wait_for_next("certificate")
    };
    assert_eq!(ask(&format!("dns+https://shop.test:{port}"), ""), "\"1\"");
    assert_eq!(ask("srv+https://_http._tcp.shop.test", ""), "\"1\"");
    assert_eq!(ask("file+https:targets.yaml", ", server_name: shop.test"), "\"1\"");
    for (targets, says) in [
        (
            format!("dns+https://other.test:{port}"),
            "not valid for name other.test",
        ),
        ("file+https:targets.yaml".to_owned(), "not valid for name 127.0.0.1"),
    ] {
        let line = ask(&targets, "");
        assert!(line.contains(says), "{line}");
    }
    // A file of targets over TLS, where the gateway file says nothing of it.
    let mut gateway = Gateway::serve(&folder, "", "file:targets.yaml");
    let line = gateway.process.wait_for("the reason", |it| {
        it.contains("targets cannot be had").then(|| it.to_owned())
    });
    assert!(line.contains("file+https:"), "{line}");
    std::fs::write(list, format!("- http://{}\n", shop.address)).expect("a file");
    gateway.wait_for(&[1], shop.address.port());
    assert_eq!(get(gateway.address, "/at").text(), "\"1\"");
}

/// The demo, for its catalogue.
fn catalogue() -> (Process, SocketAddr) {
    let mut demo = weft(&["demo", "--listen", "127.0.0.1:0"]);
    let address = demo.wait_for("the catalogue", |it| address_in(it, "backend catalogue "));
    (demo, address)
}

#[test]
fn grpc_targets_come_and_go_without_a_failed_request() {
    let mut shops: Vec<Option<(Process, SocketAddr)>> = (0..3).map(|_| Some(catalogue())).collect();
    let folder = Folder::new("grpc-file");
    let list = |shops: &[Option<(Process, SocketAddr)>], named: &[usize]| {
        let address = |it: &usize| shops[*it].as_ref().expect("a shop that runs").1;
        let mut addresses: Vec<String> = named.iter().map(|it| address(it).to_string()).collect();
        let lines = addresses.iter().map(|it| format!("- http://{it}\n"));
        folder.write("targets.yaml", &lines.collect::<String>());
        addresses.sort();
        addresses
    };
    list(&shops, &[0]);
    folder.write(
        "page.yaml",
        "endpoint: GET /at\ncalls: { p: { grpc: hipstershop.ProductCatalogService/GetProduct, request: { id: mug } } }\nresponse: $p\n",
    );
    let tree = std::env::current_dir()
        .expect("the repository")
        .join("descriptors/hipstershop");
    let file = folder.write(
        "weft.yaml",
        &format!(
            "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\nworkers: 2\ncompositions: [page.yaml]\n\
             backends: {{ shop: {{ grpc: \"file:targets.yaml\", descriptors: [\"{}\"], keepalive: {{ interval: 200ms }} }} }}\n",
            tree.display()
        ),
    );
    let (process, address, admin) = serving_with_admin(&file);
    let gateway = Gateway {
        process,
        address,
        admin,
    };
    let load = Load::on(gateway.address);
    load.go_on(50);
    for (named, ends) in [(&[0, 1][..], None), (&[1], Some(0)), (&[1, 2], None), (&[2], Some(1))] {
        let wanted = list(&shops, named);
        let began = Instant::now();
        loop {
            let mut targets = gateway.targets();
            targets.sort();
            if targets == wanted {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{:#}", gateway.backend());
            std::thread::sleep(Duration::from_millis(20));
        }
        load.go_on(200);
        // What is not named any more may go.
        if let Some(at) = ends {
            shops[at] = None;
        }
        load.go_on(100);
    }
    let bad = load.end();
    assert!(bad.is_empty(), "{bad:?}");
}
