//! Protobuf's conformance suite on the product's own codec, as far as JSON is on either side.
//!
//! Where the suite's runner is installed (`.ci/run` does it) it runs; everywhere, what it asked and which answers it
//! accepted is replayed from `fixtures/codec/conformance/requests.jsonl`. `UPDATE=1` writes that file anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../src/bin/conformance-testee/testee.rs"]
mod testee;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testee::Testee;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/codec/conformance");
const RUNNER: &str = "conformance_test_runner";

/// What the runner asks with JSON on one side or both.
const N_TESTS: usize = 2762;

#[test]
fn every_recorded_request_is_answered_as_the_runner_accepted_it() {
    let record = fs::read_to_string(Path::new(FOLDER).join("requests.jsonl")).unwrap();
    let mut testee = Testee::new().unwrap();
    let mut wrong = Vec::new();
    for line in record.lines() {
        let request = testee::request(line).unwrap_or_else(|| panic!("no request: {line}"));
        let answered = testee::line(&request, &testee.answer(&request)).unwrap();
        if answered != line {
            wrong.push(format!("accepted {line}\nanswered {answered}"));
        }
    }
    assert!(record.lines().count() > 2000);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_runner_finds_nothing_wrong() {
    let Some(runner) = runner() else {
        eprintln!("{RUNNER} is neither in PATH nor in target/conformance: only its record is replayed");
        return;
    };
    let output_folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    fs::create_dir_all(&output_folder).unwrap();
    let record = output_folder.join("record.jsonl");
    if record.exists() {
        fs::remove_file(&record).unwrap();
    }
    let ran = Command::new(&runner)
        .args(["--enforce_recommended", "--maximum_edition", "2023", "--failure_list"])
        .arg(Path::new(FOLDER).join("failure_list.txt"))
        .arg("--output_dir")
        .arg(&output_folder)
        .arg(env!("CARGO_BIN_EXE_conformance-testee"))
        .arg("--record")
        .arg(&record)
        .output();
    let said = match &ran {
        Ok(it) => String::from_utf8_lossy(&it.stderr),
        Err(error) => panic!("{}: {error}", runner.display()),
    };
    if !said.contains("CONFORMANCE TEST BEGIN") {
        eprintln!(
            "{} does not start: only its record is replayed\n{said}",
            runner.display()
        );
        return;
    }
    assert!(ran.as_ref().is_ok_and(|it| it.status.success()), "{said}");
    let record = fs::read_to_string(record).unwrap();
    assert!(record.lines().count() >= N_TESTS, "only {}", record.lines().count());
    if std::env::var_os("UPDATE").is_some() {
        let mut seen = HashSet::new();
        let lines: Vec<&str> = record.lines().filter(|it| seen.insert(*it)).collect();
        fs::write(Path::new(FOLDER).join("requests.jsonl"), lines.join("\n") + "\n").unwrap();
    }
}

#[test]
fn a_member_that_is_unknown_is_refused_or_ignored() {
    let mut testee = Testee::new().unwrap();
    for (input, answer) in [("json", r#""parse error""#), ("lenient_json", r#"{"wire":"0807"}"#)] {
        let line = format!(
            r#"["proto3.TestAllTypesProto3",{{"{input}":"{{\"who\":[],\"optionalInt32\":7}}"}},"wire",{answer}]"#
        );
        let request = testee::request(&line).unwrap();
        assert_eq!(testee::line(&request, &testee.answer(&request)).unwrap(), line);
    }
}

/// The runner in PATH, or where `.ci/run` puts it.
fn runner() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .map(|it| it.join("conformance"));
    std::env::split_paths(&path)
        .chain(installed)
        .chain([Path::new(env!("CARGO_MANIFEST_DIR")).join("target/conformance")])
        .map(|it| it.join(OsStr::new(RUNNER)))
        .find(|it| it.is_file())
}
