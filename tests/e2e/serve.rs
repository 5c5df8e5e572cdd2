//! `weft serve` over the demo's backends: each source of descriptors, reload, drain, mistakes, HTTP/2.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::Full;

use super::http2;
use super::process::{Folder, Process, address_in, admin, get, serving, serving_with_admin, weft};

const PRODUCT: &str = "endpoint: GET /p/{id}\ncall: hipstershop.ProductCatalogService/GetProduct\n";

/// The demo, for its backends: catalogue and reviews.
fn backends() -> (Process, SocketAddr, SocketAddr) {
    let mut demo = weft(&["demo", "--listen", "127.0.0.1:0", "--slow", "reviews=600ms"]);
    let find = |name: &'static str| move |line: &str| address_in(line, &format!("backend {name} "));
    let catalogue = demo.wait_for("catalogue", find("catalogue"));
    let reviews = demo.wait_for("reviews", find("reviews"));
    (demo, catalogue, reviews)
}

fn config(catalogue: SocketAddr, reviews: SocketAddr, descriptors: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\nbackends:\n  \
         shop: {{ grpc: [\"http://{catalogue}\"], descriptors: {descriptors} }}\n  reviews: {{ http: [\"http://{reviews}\"] }}\n"
    )
}

#[test]
fn descriptors_come_from_protos_sets_and_reflection() {
    let (_demo, catalogue, reviews) = backends();
    let folder = Folder::new("sources");
    folder.write("compositions/product.yaml", PRODUCT);
    let tree = std::env::current_dir()
        .expect("the repository")
        .join("descriptors/hipstershop");
    let set = weft::schema::load::load(std::slice::from_ref(&tree)).expect("demo.proto");
    let set_file = folder.path().join("shop.binpb");
    std::fs::write(&set_file, prost::Message::encode_to_vec(&set)).expect("a file");
    for (name, descriptors) in [
        ("tree", format!("[\"{}\"]", tree.display())),
        ("set", format!("[\"{}\"]", set_file.display())),
        ("reflection", "reflection".to_owned()),
    ] {
        let file = folder.write(&format!("{name}.yaml"), &config(catalogue, reviews, &descriptors));
        let (_process, address) = serving(&file);
        let answer = get(address, "/p/mug");
        assert_eq!(
            (answer.status, &answer.json()["name"]),
            (200, &"Camp Mug".into()),
            "{name}"
        );
    }
}

#[test]
fn a_reload_swaps_and_a_bad_one_keeps_what_serves() {
    let (_demo, catalogue, reviews) = backends();
    let folder = Folder::new("reload");
    folder.write("compositions/product.yaml", PRODUCT);
    let file = folder.write("weft.yaml", &config(catalogue, reviews, "reflection"));
    let (mut process, address, admin) = serving_with_admin(&file);
    assert_eq!(get(address, "/q/mug").status, 404);
    assert_eq!(get(admin, "/livez").text(), "ok\n");

    // Nobody has to ask for it.
    folder.write("compositions/q.yaml", &PRODUCT.replace("/p/", "/q/"));
    process.wait_for_next("reloaded");
    assert_eq!(get(address, "/q/mug").status, 200);

    folder.write("compositions/q.yaml", &PRODUCT.replace("call:", "cal:"));
    process.signal("HUP");
    process.wait_for_next("reload refused");
    assert_eq!(get(address, "/q/mug").status, 200);
    let ready = get(admin, "/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("refused") && ready.text().contains("q.yaml:2:1: error[unknown-key]"),
        "{}",
        ready.text()
    );

    let metrics = get(admin, "/metrics").text();
    assert!(
        metrics.contains("weft_requests_total{endpoint=\"GET /q/{id}\",status=\"200\"} 2"),
        "{metrics}"
    );
    assert!(metrics.contains("weft_reload_refused 1"), "{metrics}");
}

#[test]
fn a_reload_reads_descriptors_again() {
    let (_demo, catalogue, reviews) = backends();
    let folder = Folder::new("descriptors");
    folder.write("compositions/product.yaml", PRODUCT);
    let proto = std::fs::read_to_string("descriptors/hipstershop/demo.proto").expect("demo.proto");
    folder.write("protos/demo.proto", &proto);
    let file = folder.write("weft.yaml", &config(catalogue, reviews, "[protos/]"));
    let (mut process, address) = serving(&file);
    assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");
    folder.write(
        "protos/demo.proto",
        &proto.replacen("string name = 2;", "string title = 2;", 1),
    );
    process.signal("HUP");
    process.wait_for_next("reloaded");
    assert_eq!(get(address, "/p/mug").json()["title"], "Camp Mug");
}

#[test]
fn sigterm_lets_a_request_end_and_takes_no_more() {
    let (_demo, catalogue, reviews) = backends();
    let folder = Folder::new("drain");
    folder.write(
        "compositions/slow.yaml",
        "endpoint: GET /r\ncalls: { r: { http: GET reviews:/products/mug/reviews } }\n",
    );
    let file = folder.write("weft.yaml", &config(catalogue, reviews, "reflection"));
    let (mut process, address, admin) = serving_with_admin(&file);
    let asking = std::thread::spawn(move || get(address, "/r"));
    // The backend takes 620 ms; the gateway says when it has begun.
    while !get(admin, "/metrics").text().contains("weft_requests_in_flight 1") {
        assert!(!asking.is_finished(), "the request was answered before it was seen");
    }
    process.signal("TERM");
    process.wait_for_next("draining");
    assert_eq!(asking.join().expect("an answer").status, 200);
    assert_eq!(process.end().0, 0);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn mistakes_are_all_shown_and_nothing_listens() {
    let folder = Folder::new("mistakes");
    folder.write("compositions/a.yaml", "endpoint: GET /a\ncall: nobody.Service/Method\n");
    folder.write("compositions/b.yaml", "endpont: GET /b\nresponse: 1\n");
    let file = folder.write(
        "weft.yaml",
        &config(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 1).into(), "[]"),
    );
    for command in ["serve", "check"] {
        let (code, printed) = weft(&[command, "-c", file.to_str().expect("a path")]).end();
        assert_eq!(code, 1, "{printed}");
        assert!(
            printed.contains("error[unknown-service]") && printed.contains("a.yaml:2:7"),
            "{printed}"
        );
        assert!(
            printed.contains("error[unknown-key]") && printed.contains("b.yaml:1:1"),
            "{printed}"
        );
    }
    for (format, start) in [("github", "::error file="), ("sarif", "{\"$schema\""), ("json", "[{")] {
        let (code, printed) = weft(&["check", "-c", file.to_str().expect("a path"), "--format", format]).end();
        assert!(code == 1 && printed.starts_with(start), "{code} {printed}");
    }
    let (code, printed) = weft(&["serve", "-c", "/nowhere/weft.yaml"]).end();
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("there is no gateway file"), "{printed}");
}

#[test]
fn warnings_change_the_exit_code_only_where_they_are_denied() {
    let folder = Folder::new("warnings");
    folder.write(
        "page.yaml",
        "endpoint: GET /a\ncalls: { a: { http: GET recs:/a, when: false } }\nresponse: $a\n",
    );
    let file = folder.write(
        "weft.yaml",
        "compositions: [page.yaml]\nbackends: { recs: { http: [\"http://127.0.0.1:1\"] } }\n",
    );
    let file = file.to_str().expect("a path");
    for (arguments, wanted) in [
        (vec!["check", "-c", file], 0),
        (vec!["check", "-c", file, "--deny-warnings"], 1),
    ] {
        let (code, printed) = weft(&arguments).end();
        assert_eq!(code, wanted, "{printed}");
        assert!(printed.contains("warning[constant-condition]"), "{printed}");
        assert!(printed.contains("0 mistakes, 1 warning"), "{printed}");
    }
}

#[test]
fn a_backend_that_is_down_at_start_is_waited_for() {
    let (_demo, catalogue, reviews) = backends();
    let folder = Folder::new("down");
    folder.write("compositions/product.yaml", PRODUCT);
    folder.write("compositions/fixed.yaml", "endpoint: GET /fixed\nresponse: here\n");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = socket.local_addr().expect("an address");
    drop(socket);
    let text =
        config(nobody, reviews, "reflection").replace("shop: {", "other: { grpc: [\"http://OTHER\"] }\n  shop: {");
    let text = text.replace("  other: { grpc: [\"http://OTHER\"] }\n", "");
    let file = folder.write("weft.yaml", &text);
    let (mut process, address) = serving(&file);
    assert_eq!(get(address, "/fixed").text(), "\"here\"");
    let waiting = get(address, "/p/mug");
    assert_eq!((waiting.status, waiting.headers["retry-after"].as_str()), (503, "5"));
    let admin = admin(&mut process);
    assert!(get(admin, "/readyz").text().contains("waiting for backend shop"));
    // Once it is there, its endpoints are.
    folder.write("weft.yaml", &config(catalogue, reviews, "reflection"));
    let began = Instant::now();
    while get(address, "/p/mug").status != 200 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{}",
            get(admin, "/readyz").text()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    // With descriptors from files it starts, and says that the backend is unavailable.
    let tree = std::env::current_dir()
        .expect("the repository")
        .join("descriptors/hipstershop");
    let file = folder.write(
        "files.yaml",
        &config(nobody, reviews, &format!("[\"{}\"]", tree.display())),
    );
    let (_process, address) = serving(&file);
    let answer = get(address, "/p/mug");
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"UNAVAILABLE".into()));
}

#[test]
fn http_2_is_spoken_with_prior_knowledge_on_the_same_listener() {
    let folder = Folder::new("h2");
    folder.write("compositions/fixed.yaml", "endpoint: GET /fixed\nresponse: here\n");
    let nobody = ([127, 0, 0, 1], 1).into();
    let file = folder.write("weft.yaml", &config(nobody, nobody, "[]"));
    let (_process, address) = serving(&file);
    let request = http::Request::get(format!("http://{address}/fixed"));
    let answer = http2::block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        http2::ask(stream, request.body(Full::default()).expect("a request")).await
    });
    assert_eq!(answer.into_body().to_bytes(), "\"here\"");
    assert_eq!(get(address, "/fixed").text(), "\"here\"");
}
