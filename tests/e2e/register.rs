//! `weft register`: descriptors that are handed to a running gateway, what they break, and what is there after a restart.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::process::{Folder, Process, address_in, admin, get, listening, weft};

/// Runs `weft register shop`; its exit code, and what it printed.
fn register(admin: SocketAddr, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    let url = format!("http://{admin}");
    command.args(["register", "--admin", &url]).args(arguments);
    let output = command.output().expect("an end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn serve(folder: &Folder, catalogue: SocketAddr) -> (Process, SocketAddr, SocketAddr) {
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ listen: 127.0.0.1:0 }}\ncompositions: [compositions/]\nbackends:\n  \
         shop: {{ grpc: [\"http://{catalogue}\"], descriptors: registered }}\n  \
         recs: {{ http: [\"http://127.0.0.1:1\"] }}\n"
    );
    let file = folder.write("weft.yaml", &text);
    let mut process = weft(&["serve", "-c", file.to_str().expect("a path")]);
    let (address, admin) = (listening(&mut process), admin(&mut process));
    (process, address, admin)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, from nothing to a rollback")]
fn descriptors_are_registered_refused_forced_and_rolled_back() {
    let mut demo = weft(&["demo", "--listen", "127.0.0.1:0"]);
    let catalogue = demo.wait_for("catalogue", |line| address_in(line, "backend catalogue "));
    let folder = Folder::new("register");
    folder.write(
        "compositions/page.yaml",
        "endpoint: GET /p/{id}\ncalls:\n  product: { grpc: hipstershop.ProductCatalogService/GetProduct, request: { id: $id } }\nresponse: { name: $product.name }\n",
    );
    folder.write(
        "compositions/all.yaml",
        "endpoint: GET /all/{id}\ncall: hipstershop.ProductCatalogService/GetProduct\n",
    );
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors/hipstershop");
    let proto = std::fs::read_dir(&proto)
        .expect("descriptors")
        .map(|it| it.expect("an entry").path())
        .find(|it| it.extension().is_some_and(|it| it == "proto"))
        .expect("a .proto file");
    let first = std::fs::read_to_string(&proto).expect("descriptors");
    let more = first.replacen("message Product {", "message Product {\n  string origin = 4711;", 1);
    let other = more.replacen("message Product {", "message Product {\n  string label = 4712;", 1);
    let renamed = {
        let (before, behind) = other.split_once("message Product {").expect("the product");
        format!(
            "{before}message Product {{{}",
            behind.replacen("string name = 2;", "string title = 2;", 1)
        )
    };
    assert!(
        renamed.contains("string title = 2;"),
        "the product has another name now"
    );
    let write = |name: &str, text: &str| {
        let path = folder.write(&format!("{name}/shop.proto"), text);
        path.parent().expect("a folder").to_str().expect("a path").to_owned()
    };
    let (first, more, renamed) = (write("v1", &first), write("v2", &more), write("v3", &renamed));

    // Nothing was registered yet.
    let (process, address, admin) = serve(&folder, catalogue);
    assert_eq!(get(address, "/p/mug").status, 503);
    let ready = get(admin, "/readyz");
    assert_eq!(ready.status, 503);
    let text = ready.text();
    assert!(
        text.contains("shop: no descriptors are registered yet: `weft register shop"),
        "{text}"
    );
    let (code, out, _) = register(admin, &["shop", "--versions"]);
    assert_eq!((code, out.as_str()), (0, "shop: nothing was registered yet\n"));

    let known = |admin| get(admin, "/descriptors").json()["backends"].clone();
    let nothing = serde_json::json!([{ "name": "shop", "source": "registered", "version": null, "silent": null, "registered": null }]);
    assert_eq!(known(admin), nothing);

    let (code, out, err) = register(admin, &["shop", &first, "--dry-run"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(known(admin), nothing);
    assert!(out.ends_with("shop: nothing would break\n"), "{out}");
    assert_eq!(get(address, "/p/mug").status, 503);
    let (code, out, err) = register(admin, &["shop", &first]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("shop: version 1, which breaks nothing\n"), "{out}");
    // Workers take over what is new with their next request.
    assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");
    assert_eq!(get(address, "/all/mug").json()["name"], "Camp Mug");
    let (code, out, _) = register(admin, &["shop", &first]);
    assert_eq!(
        (code, out.as_str()),
        (0, "shop: nothing is new; it is version 1 already\n")
    );
    let (code, out, err) = register(admin, &["shop", &more]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("shop: version 2, which breaks nothing\n"), "{out}");

    // The page of descriptors says which are the newest, of which types, and since when.
    let listed = known(admin);
    let shop = &listed[0]["registered"];
    let versions = get(admin, "/descriptors/shop/versions").json();
    assert_eq!((shop, shop["version"].as_u64()), (&versions["versions"][1], Some(2)));
    assert!(shop["registered_at"].as_u64() > Some(1_700_000_000), "{listed}");
    let fingerprint = |listed: &Value| listed[0]["version"].as_str().map(str::to_owned).expect("a fingerprint");
    let types = fingerprint(&listed);

    // What breaks a page is refused, and says whose.
    for dry in [&["--dry-run"][..], &[]] {
        let arguments = [&["shop", renamed.as_str()][..], dry].concat();
        let (code, out, err) = register(admin, &arguments);
        assert_eq!(code, 1, "{out}{err}");
        assert!(
            out.contains("breaks GET /p/{id}\n") && out.contains("page.yaml:4:"),
            "{out}"
        );
        assert!(
            out.contains("breaks GET /all/{id} for its clients\n  response.name "),
            "{out}"
        );
        assert!(out.ends_with("2 breaks; version 2 stays the newest\n"), "{out}");
        assert_eq!(err.contains("--force"), dry.is_empty(), "{err}");
    }
    let (code, out, _) = register(admin, &["shop", &renamed, "--dry-run", "--format", "json"]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 1);
    assert_eq!(answer["broken"][0]["composition"], "GET /p/{id}");
    assert_eq!(
        (&answer["registered"], &answer["version"]["version"]),
        (&false.into(), &2.into())
    );
    assert_eq!(known(admin), listed);
    assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");

    // Where it is meant, the broken page stays on what was before.
    let (code, out, err) = register(admin, &["shop", &renamed, "--force"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("version 3, with 2 breaks"), "{out}");
    let both = |address| {
        assert_eq!(get(address, "/p/mug").json()["name"], "Camp Mug");
        assert_eq!(get(address, "/all/mug").json()["title"], "Camp Mug");
    };
    both(address);
    // A reload changes nothing of it.
    folder.write("compositions/more.yaml", "endpoint: GET /more\nresponse: true\n");
    let mut process = process;
    process.wait_for_next("reloaded");
    both(address);

    // Nor does a restart.
    process.signal("TERM");
    process.end();
    let (process, address, admin) = serve(&folder, catalogue);
    both(address);
    let ready = get(admin, "/readyz").text();
    assert!(ready.contains("on the descriptors before: GET /p/{id}"), "{ready}");
    let listed = known(admin);
    assert_eq!(listed[0]["registered"]["version"], 3);
    assert_ne!(fingerprint(&listed), types);
    let (code, out, _) = register(admin, &["shop", "--versions"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines.len()), (0, 3), "{out}");
    assert!(
        lines[0].starts_with("   3  ") && lines[0].ends_with("  newest"),
        "{out}"
    );
    // `weft check` goes by what is registered as well.
    let config = folder.path().join("weft.yaml");
    let check = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(["check", "-c", config.to_str().expect("a path")])
        .output()
        .expect("an end");
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        check.status.code() == Some(1) && said.contains("unknown-field"),
        "{said}"
    );

    // An earlier version again, which is one more.
    let (code, out, err) = register(admin, &["shop", "--rollback", "2", "--force"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("shop: version 4, "), "{out}");
    // The types of version 2, registered once more.
    let listed = known(admin);
    assert_eq!(
        (&listed[0]["registered"]["version"], fingerprint(&listed)),
        (&4.into(), types)
    );
    assert_eq!(get(address, "/all/mug").json()["name"], "Camp Mug");
    let ready = get(admin, "/readyz").text();
    assert!(!ready.contains("on the descriptors before"), "{ready}");
    let (code, out, _) = register(admin, &["shop", "--rollback", "--dry-run"]);
    assert_eq!(code, 1, "{out}");

    // Mistakes of whoever asks.
    for (arguments, wanted) in [
        (
            &["shpo", "--versions"][..],
            "there is no backend `shpo`: did you mean `shop`?",
        ),
        (&["recs", "--versions"], "the descriptors of `recs` are not registered"),
        (
            &["shop", "--rollback", "9"],
            "there is no version 9 of `shop`; there are 1, 2, 3, 4",
        ),
        (&["shop", "/nowhere"], "/nowhere"),
        (&["a/b", "--versions"], "`a/b` is not the name of a backend"),
    ] {
        let (code, _, err) = register(admin, arguments);
        assert!(code == 2 && err.contains(wanted), "{arguments:?}: {code} {err}");
    }
    let (code, _, err) = register(address, &["shop", "--versions"]);
    assert!(code == 2 && err.contains("is no admin listener"), "{code} {err}");
    drop(process);
    let (code, _, err) = register(admin, &["shop", "--versions"]);
    assert!(code == 2 && err.contains("cannot be asked"), "{code} {err}");
}
