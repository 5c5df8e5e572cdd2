//! Servers that nobody here wrote: etcd, and Python's grpcio with every odd type. Left out, and said so, where missing.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Folder, Process, ask, get, serving};

/// Two ports that are free at the moment.
fn two_ports() -> (u16, u16) {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (a, b) = (bind(), bind());
    (
        a.local_addr().expect("an address").port(),
        b.local_addr().expect("an address").port(),
    )
}

fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|it| it.status.success());
    if !found {
        println!("left out: `{program} {}` does not work here", arguments.join(" "));
    }
    found
}

#[test]
fn etcd_is_exposed_and_has_a_status_page() {
    if !is_installed("etcd", &["--version"]) {
        return;
    }
    let folder = Folder::new("etcd");
    let (client, peer) = two_ports();
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder.path().join("data"));
    command.args(["--listen-client-urls", &format!("http://127.0.0.1:{client}")]);
    command.args(["--advertise-client-urls", &format!("http://127.0.0.1:{client}")]);
    command.args([
        "--listen-peer-urls",
        &format!("http://127.0.0.1:{peer}"),
        "--log-level",
        "error",
    ]);
    let _etcd = Process::start(&mut command);
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", client)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    folder.write(
        "compositions/status.yaml",
        "endpoint: GET /status\ncalls:\n  status: { grpc: etcdserverpb.Maintenance/Status }\n  \
         members: { grpc: etcdserverpb.Cluster/MemberList }\n  \
         alarms: { grpc: etcdserverpb.Maintenance/Alarm, request: { action: GET }, safe: true, optional: true }\n\
         response:\n  version: $status.version\n  leader: $status.leader\n  \
         members: { $for: m in $members.members, name: $m.name, urls: $m.clientURLs }\n  alarms: $alarms.alarms\n",
    );
    let descriptors = std::env::current_dir()
        .expect("the repository")
        .join("descriptors/etcd");
    let config = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
         descriptors: [\"{}\"]\nexpose: [etcdserverpb.KV, etcdserverpb.Maintenance, etcdserverpb.Cluster]\n\
         backends: {{ etcd: {{ grpc: [\"http://127.0.0.1:{client}\"] }} }}\n",
        descriptors.display()
    );
    let (_process, address) = serving(&folder.write("weft.yaml", &config));

    let put = ask(address, "POST", "/v3/kv/put", Some(r#"{"key":"Zm9v","value":"YmFy"}"#));
    assert_eq!(put.status, 200, "{}", put.text());
    let range = ask(address, "POST", "/v3/kv/range", Some(r#"{"key":"Zm9v"}"#)).json();
    assert_eq!(
        (&range["kvs"][0]["value"], &range["count"]),
        (&json!("YmFy"), &json!("1"))
    );

    let status = get(address, "/status");
    assert_eq!(status.status, 200, "{}", status.text());
    let status = status.json();
    assert!(
        status["version"].as_str().is_some_and(|it| it.starts_with("3.")),
        "{status}"
    );
    assert_eq!(status["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["members"][0]["name"], "default");
    assert_eq!(status["alarms"], json!([]));
}

/// The Python server over the descriptors of `odd.proto`.
fn odd_server(folder: &Folder) -> Option<(Process, u16)> {
    if !is_installed(
        "python3",
        &[
            "-c",
            "import grpc, grpc_reflection, grpc_status, google.rpc.error_details_pb2",
        ],
    ) {
        return None;
    }
    let set = weft::schema::load::load(&["tests/e2e/odd.proto".into()]).expect("odd.proto");
    let file = folder.path().join("odd.binpb");
    std::fs::write(&file, prost::Message::encode_to_vec(&set)).expect("a file");
    let mut server = Process::start(Command::new("python3").arg("tests/e2e/odd_server.py").arg(&file));
    let port = server.wait_for("a port", |line| line.parse::<u16>().ok());
    Some((server, port))
}

#[test]
fn every_odd_type_of_a_python_server_comes_through() {
    let folder = Folder::new("odd");
    let Some((_server, port)) = odd_server(&folder) else {
        return;
    };
    folder.write("compositions/make.yaml", "endpoint: GET /make\ncall: odd.v1.Odd/Make\n");
    folder.write(
        "compositions/echo.yaml",
        "endpoint: POST /echo\ncall: odd.v1.Odd/Echo\n",
    );
    folder.write(
        "compositions/fail.yaml",
        "endpoint: GET /fail/{code}\ncall: odd.v1.Odd/Fail\nerrors: { details: expose }\n",
    );
    folder.write(
        "compositions/wait.yaml",
        "endpoint: GET /wait/{milliseconds}\ntimeout: 700ms\ncall: odd.v1.Odd/Wait\n",
    );
    let config = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\n\
         backends: {{ odd: {{ grpc: [\"http://127.0.0.1:{port}\"], descriptors: reflection }} }}\n"
    );
    let (_process, address) = serving(&folder.write("weft.yaml", &config));

    let made = get(address, "/make");
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    for (name, expected) in [
        ("fDouble", json!(1.5)),
        ("fFloat", json!(0.1)),
        ("fInt64", json!("-9223372036854775808")),
        ("fUint64", json!("18446744073709551615")),
        ("fString", json!("grüße \"\\\n😀")),
        ("fBytes", json!("AP+A")),
        ("mood", json!("MOOD_SOUR")),
        ("maybe", json!(0)),
        ("numbers", json!([0, 1, -1])),
        ("counts", json!({ "a": "1", "b": "2" })),
        ("byNumber", json!({ "-1": {}, "10": { "name": "ten" } })),
        ("byTruth", json!({ "false": "MOOD_GLAD", "true": "MOOD_UNSPECIFIED" })),
        ("nested", json!({ "name": "chosen" })),
        ("timestamp", json!("2026-02-03T04:05:06.789Z")),
        ("duration", json!("-1.500s")),
        ("mask", json!("fDouble,inner.name")),
        ("structure", json!({ "a": [1, null, { "b": "c" }] })),
        ("value", Value::Null),
        ("list", json!([true, "x", 1.25])),
        (
            "any",
            json!({ "@type": "type.googleapis.com/odd.v1.Inner", "name": "packed" }),
        ),
        ("wString", json!("")),
        ("wInt64", json!("0")),
        ("wBytes", json!("")),
        ("empty", json!({})),
    ] {
        assert_eq!(made[name], expected, "{name}");
    }
    // What came out goes in again, and comes out the same.
    let echoed = ask(address, "POST", "/echo", Some(&made.to_string()));
    assert_eq!(echoed.status, 200, "{}", echoed.text());
    assert_eq!(echoed.json(), made);

    let failed = get(address, "/fail/5?message=gone");
    assert_eq!(failed.status, 404, "{}", failed.text());
    let details = failed.json()["details"].clone();
    assert_eq!(details.as_array().map(Vec::len), Some(2), "{details}");
    assert_eq!(details[0]["reason"], "ODD");
    assert!(!failed.text().contains("secret"));

    let waited = get(address, "/wait/10").json();
    let left = waited["leftMilliseconds"]
        .as_str()
        .and_then(|it| it.parse::<i64>().ok())
        .expect("a number");
    assert!(
        (300..=700).contains(&left),
        "{left} ms were left of the deadline of 700 ms"
    );
    assert_eq!(get(address, "/wait/5000").status, 504);
}
