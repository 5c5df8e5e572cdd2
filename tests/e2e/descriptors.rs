//! Reflection that stays true: descriptors that change while requests run, what they break, and restarts without a backend.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::process::{Folder, Process, admin, get, listening, weft};

const BEFORE: &str = "string id = 1; string name = 2; int32 old = 3;";
const NEWEST: &str = "string id = 1; string name = 2; string colour = 4;";

/// A backend of `shop.Things` whose messages have these fields, on a port.
fn things(folder: &Folder, fields: &str, port: u16) -> (Process, u16) {
    let version = fields.len();
    folder.write(
        &format!("protos-{version}/things.proto"),
        &format!(
            "syntax = \"proto3\"; package shop;\nmessage Thing {{ {fields} }}\nmessage Ask {{ string id = 1; }}\n\
             service Things {{ rpc Get(Ask) returns (Thing); }}\n"
        ),
    );
    let config = folder.write(
        "mock.yaml",
        "backends: { shop: { grpc: [\"http://127.0.0.1:0\"], descriptors: reflection } }\n",
    );
    let protos = folder.path().join(format!("protos-{version}"));
    let (config, protos, port) = (
        config.display().to_string(),
        protos.display().to_string(),
        port.to_string(),
    );
    let mut process = weft(&["mock", "-c", &config, "--descriptors", &protos, "--port", &port]);
    let port = process.wait_for("the mock", |line| {
        let (_, rest) = line.split_once("shop: http://127.0.0.1:")?;
        rest.split(' ').next()?.parse().ok()
    });
    (process, port)
}

fn page(path: &str, field: &str) -> String {
    format!(
        "endpoint: GET /{path}/{{id}}\n\
         calls: {{ thing: {{ grpc: shop.Things/Get, request: {{ id: $id }} }} }}\n\
         response: {{ {field}: $thing.{field} }}\n"
    )
}

fn serve(folder: &Folder, ports: &[u16], (more, level): (&str, &str)) -> (Process, SocketAddr, SocketAddr) {
    let targets: Vec<_> = ports.iter().map(|it| format!("\"http://127.0.0.1:{it}\"")).collect();
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\nstate: kept\n\
         telemetry: {{ log: {{ level: {level} }} }}\nbackends:\n  \
         shop: {{ grpc: [{}], {more} }}\n",
        targets.join(", ")
    );
    let config = folder.write("weft.yaml", &text).display().to_string();
    let mut process = weft(&["serve", "-c", &config]);
    let address = listening(&mut process);
    let admin = admin(&mut process);
    (process, address, admin)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn backends_that_are_replaced_one_by_one_bring_their_descriptors_and_no_request_fails() {
    let folder = Folder::new("descriptors-change");
    folder.write("compositions/name.yaml", &page("name", "name"));
    folder.write("compositions/old.yaml", &page("old", "old"));
    let (first, first_port) = things(&folder, BEFORE, 0);
    let (second, second_port) = things(&folder, BEFORE, 0);
    // No timer: that connections are made again is what is noticed.
    let more = "descriptors: { from: reflection, refresh: false }";
    let (mut gateway, address, admin) = serve(&folder, &[first_port, second_port], (more, "info"));
    assert_eq!(get(address, "/name/x").status, 200);

    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = {
        let (over, asked) = (over.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut failed = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let answer = get(address, "/name/x");
                asked.fetch_add(1, Ordering::Relaxed);
                if answer.status != 200 {
                    failed.push(answer.text());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            failed
        })
    };
    drop(first);
    let (_first, _) = things(&folder, NEWEST, first_port);
    let again = || asked.load(Ordering::Relaxed);
    let n_before = again();
    until("requests in between", || again() > n_before + 20);
    drop(second);
    let (_second, _) = things(&folder, NEWEST, second_port);
    gateway.wait_for_next("new descriptors break a composition");
    gateway.wait_for_next("new descriptors serve");
    over.store(true, Ordering::Relaxed);
    assert_eq!(load.join().expect("the load"), [""; 0], "of {} requests", again());

    // What breaks is on the descriptors before, and says so; the rest goes on.
    let ready = get(admin, "/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("on the descriptors before: GET /old/{id}"),
        "{}",
        ready.text()
    );
    let known = get(admin, "/descriptors").json();
    assert_eq!(known["held"][0]["composition"], "GET /old/{id}");
    let why = known["held"][0]["why"][0].as_str().expect("a reason");
    assert!(why.contains("unknown-field"), "{why}");
    assert_eq!(
        (&known["backends"][0]["name"], &known["backends"][0]["silent"]),
        (&"shop".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&known["backends"][0]["source"], &known["backends"][0]["registered"]),
        (&"reflection".into(), &serde_json::Value::Null)
    );
    let metrics = get(admin, "/metrics").text();
    assert!(metrics.contains("weft_compositions_held 1"), "{metrics}");
    assert!(
        metrics.contains("weft_descriptor_questions_total{backend=\"shop\",result=\"new\"} 1"),
        "{metrics}"
    );
    assert_eq!(get(address, "/old/x").status, 200);

    // New fields can be used at once, beside what is held; what is mended is not held any more.
    folder.write("compositions/colour.yaml", &page("colour", "colour"));
    until("the new field", || get(address, "/colour/x").status == 200);
    assert!(get(admin, "/readyz").text().contains("on the descriptors before"));
    folder.write("compositions/old.yaml", &page("old", "name"));
    until("nothing is held", || {
        !get(admin, "/readyz").text().contains("on the descriptors before")
    });
    assert!(get(address, "/old/x").json()["name"].is_string());
}

#[test]
fn a_restart_needs_no_backend_and_keeps_what_is_held() {
    let folder = Folder::new("descriptors-kept");
    folder.write("compositions/name.yaml", &page("name", "name"));
    folder.write("compositions/old.yaml", &page("old", "old"));
    let (before, port) = things(&folder, BEFORE, 0);
    let more = "descriptors: { from: reflection, refresh: 1s }";
    let (mut gateway, address, _) = serve(&folder, &[port], (more, "info"));
    assert_eq!(get(address, "/old/x").status, 200);
    drop(before);
    let (newest, _) = things(&folder, NEWEST, port);
    gateway.wait_for_next("new descriptors serve");
    gateway.signal("TERM");
    gateway.end();
    drop(newest);

    // Neither the backend is there, nor would the newest descriptors do for every composition.
    let (mut gateway, address, admin) = serve(&folder, &[port], (more, "info"));
    gateway.wait_for("what counts", |line| {
        line.contains("what a backend said last counts").then_some(())
    });
    let answer = get(address, "/name/x");
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"UNAVAILABLE".into()));
    assert!(
        get(admin, "/readyz")
            .text()
            .contains("on the descriptors before: GET /old/{id}")
    );
    let silent = get(admin, "/descriptors").json()["backends"][0]["silent"].clone();
    assert!(
        silent.as_str().is_some_and(|it| it.contains("cannot be reached")),
        "{silent}"
    );
    let (newest, _) = things(&folder, NEWEST, port);
    until("both serve", || {
        get(address, "/name/x").status == 200 && get(address, "/old/x").status == 200
    });
    drop((newest, gateway));

    // Checks against what is known say what does not fit; a question that nobody answers is said.
    let config = folder.path().join("weft.yaml").display().to_string();
    let (code, said) = weft(&["check", "-c", &config, "--offline"]).end();
    assert!(code == 1 && said.contains("unknown-field"), "{said}");
    folder.write("compositions/old.yaml", &page("old", "name"));
    let (code, said) = weft(&["check", "-c", &config, "--offline"]).end();
    assert!(code == 0 && said.contains("2 endpoints, 1 backend checked"), "{said}");
    let (code, said) = weft(&["check", "-c", &config]).end();
    assert!(code == 2 && said.contains("--offline asks none"), "{said}");

    // What is damaged is as if it were not there.
    for which in ["last", "sound"] {
        folder.write(&format!("kept/descriptors/shop.{which}"), "no descriptors");
    }
    let (code, said) = weft(&["check", "-c", &config, "--offline"]).end();
    assert!(code == 2 && said.contains("is left out of account"), "{said}");
    let (mut gateway, address, _) = serve(&folder, &[port], (more, "info"));
    gateway.wait_for("a warning", |line| {
        line.contains("is left out of account").then_some(())
    });
    assert_eq!(get(address, "/name/x").status, 503);
    let (_newest, _) = things(&folder, NEWEST, port);
    until("it serves", || get(address, "/name/x").status == 200);
}

#[test]
fn secrets_of_backends_stand_in_no_log_and_on_no_page() {
    const SECRET: &str = "hunter2-hunter2";
    let folder = Folder::new("descriptors-secret");
    folder.write("compositions/name.yaml", &page("name", "name"));
    folder.write("secret", &format!("{SECRET}\n"));
    let (_things, port) = things(&folder, BEFORE, 0);
    let more = "headers: { authorization: \"Bearer ${file.secret}\" }, descriptors: reflection";
    let (gateway, address, admin) = serve(&folder, &[port, 1], (more, "trace"));
    let mut shown = String::new();
    for _ in 0..5 {
        shown.push_str(&get(address, "/name/x").text());
    }
    for path in ["/backends", "/descriptors", "/metrics", "/readyz"] {
        shown.push_str(&get(admin, path).text());
    }
    gateway.signal("TERM");
    let (_, said) = gateway.end();
    assert!(said.contains("TRACE") && shown.contains("weft_calls_total"), "{said}");
    for text in [said, shown] {
        let lines: Vec<_> = text.lines().filter(|it| it.contains(SECRET)).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
    // A value that no header may hold is a mistake, which is shown as it is written.
    folder.write("secret", &format!("{SECRET}\u{1}"));
    let config = folder.path().join("weft.yaml").display().to_string();
    let (code, said) = weft(&["check", "-c", &config]).end();
    assert!(
        code == 1 && said.contains("bad-header") && said.contains("${file.secret}"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");
}
