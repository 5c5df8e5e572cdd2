//! `weft diff`: what a change means for clients, as it is shown, and as laws.
//!
//! `UPDATE=1 cargo test --test diff` rewrites the expectations in `fixtures/diff`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn weft(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn compare(name: &str, made: &str) {
    let path = Path::new("fixtures/diff").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    } else {
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            made,
            "{}",
            path.display()
        );
    }
}

#[test]
fn changes_are_shown_in_every_notation() {
    for notation in ["text", "json", "github", "markdown"] {
        let output = weft(&["diff", "fixtures/diff/old", "fixtures/diff/new", "--format", notation]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        compare(&format!("changes.{notation}"), &text(&output.stdout));
    }
}

#[test]
fn what_broke_is_safe_or_breaking_the_other_way_too_but_never_unseen() {
    let changes = |old: &str, new: &str| -> Vec<Value> {
        serde_json::from_slice(&weft(&["diff", old, new, "--format", "json"]).stdout).unwrap()
    };
    let (there, back) = (
        changes("fixtures/diff/old", "fixtures/diff/new"),
        changes("fixtures/diff/new", "fixtures/diff/old/weft.yaml"),
    );
    assert!(
        there.len() > 20 && back.len() > 20,
        "{} and {}",
        there.len(),
        back.len()
    );
    for (code, other) in [
        ("endpoint-gone", "endpoint-added"),
        ("param-gone", "param-added"),
        ("field-gone", "field-added"),
        ("made-nullable", "made-not-null"),
        ("enum-value-gone", "enum-value-added"),
        ("header-gone", "header-added"),
        ("problem-added", "problem-gone"),
    ] {
        let n = |all: &[Value], code: &str| all.iter().filter(|it| it["code"] == code).count();
        assert!(n(&there, code) > 0, "{code}");
        assert_eq!(n(&there, code), n(&back, other), "{code}, {other} the other way");
    }
    // Another list of values is narrower both ways.
    let facets = |all: &[Value]| {
        all.iter()
            .filter(|it| it["code"].as_str().unwrap().starts_with("facet-"))
            .count()
    };
    assert_eq!((facets(&there), facets(&back)), (3, 3));
}

#[test]
fn who_may_ask_is_part_of_an_api() {
    for (old, new, code) in [
        ("old", "new", 1),
        ("new", "old", 1),
        ("closed", "open", 0),
        ("old", "old", 0),
    ] {
        let folder = |side: &str| format!("fixtures/diff/access/{side}");
        let output = weft(&["diff", &folder(old), &folder(new)]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        compare(&format!("access/{old}-{new}.text"), &text(&output.stdout));
    }
}

#[test]
fn what_is_demanded_of_tokens_is_part_of_an_api() {
    for (old, new, code) in [("old", "new", 1), ("new", "old", 1), ("new", "new", 0)] {
        let folder = |side: &str| format!("fixtures/diff/tokens/{side}");
        let output = weft(&["diff", &folder(old), &folder(new)]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(!said.contains("secret") && !said.contains("hidden"), "{said}");
        compare(&format!("tokens/{old}-{new}.text"), &said);
    }
}

#[test]
fn what_is_the_same_has_no_changes() {
    for gateway in ["fixtures/diff/old", "fixtures/publish/demo", "fixtures/publish/shapes"] {
        let output = weft(&["diff", gateway, gateway]);
        assert_eq!(
            (output.status.code(), text(&output.stdout).as_str()),
            (Some(0), "nothing changes for clients\n"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn new_descriptors_break_fields_of_pages_or_whole_pages() {
    let descriptors = |new: &str| {
        let (old, config) = ("fixtures/diff/old/shop.proto", "fixtures/diff/old/weft.yaml");
        weft(&["diff", "--descriptors", old, new, "-c", config, "--backend", "shop"])
    };
    let output = descriptors("fixtures/diff/new/shop.proto");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    compare("descriptors.text", &text(&output.stdout));
    // A field that a composition reads: the page as a whole, with the place in its file.
    let output = descriptors("fixtures/diff/without_name.proto");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("`diff.v1.Item` has no field `name`") && said.contains("item.yaml:13"),
        "{said}"
    );
}

#[test]
fn descriptors_of_a_whole_company_stand_for_every_backend() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff-all");
    std::fs::create_dir_all(folder.join("compositions")).unwrap();
    let composition = "endpoint: GET /items/{id}\ncall: diff.v1.Shop/GetItem\n";
    std::fs::write(folder.join("compositions/item.yaml"), composition).unwrap();
    let gateway = "compositions: [compositions/]\nbackends:\n  \
                   one: { grpc: [\"http://127.0.0.1:1\"], descriptors: reflection }\n  \
                   two: { grpc: [\"http://127.0.0.1:1\"], descriptors: reflection }\n";
    let config = folder.join("weft.yaml");
    std::fs::write(&config, gateway).unwrap();
    let config = config.to_str().unwrap();
    let diff = |old: &str, new: &str, more: &[&str]| {
        let all = [&["diff", "--descriptors", old, new, "-c", config], more].concat();
        weft(&all)
    };
    let (old, new) = ("fixtures/diff/old/shop.proto", "fixtures/diff/new/shop.proto");
    let output = diff(old, old, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(diff(old, new, &[]).status.code(), Some(1));
    // A backend that there is not is no backend without changes.
    let output = diff(old, old, &["--backend", "oen"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("there is no backend `oen`"), "{said}");
}

#[test]
fn a_revision_of_git_is_the_old_side() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff-git");
    std::fs::remove_dir_all(&folder).ok();
    let inner = folder.join("gateway");
    std::fs::create_dir_all(inner.join("compositions")).unwrap();
    let copy = |side: &str| {
        for name in ["weft.yaml", "shop.proto", "compositions/item.yaml"] {
            std::fs::copy(Path::new("fixtures/diff").join(side).join(name), inner.join(name)).unwrap();
        }
    };
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    copy("old");
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "old"]);
    copy("new");
    let config = inner.join("weft.yaml");
    let config = config.to_str().unwrap();
    let output = weft(&["diff", "--against", "HEAD", "-c", config, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let changes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(changes.iter().any(|it| it["code"] == "param-required"), "{changes:?}");
    for wrong in ["no-such-revision", "--output=x"] {
        let output = weft(&["diff", &format!("--against={wrong}"), "-c", config]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    }
}

#[test]
fn what_cannot_be_compared_ends_with_2() {
    for arguments in [
        &["diff", "fixtures/diff/nowhere", "fixtures/diff/new"][..],
        &["diff", "fixtures/diff/old", "fixtures/diff/nowhere"],
        &["diff", "fixtures/diff/old"],
        &["diff"],
    ] {
        assert_eq!(weft(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
