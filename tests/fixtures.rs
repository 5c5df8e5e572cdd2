//! Every file below `fixtures/serve` is a test; `UPDATE=1 cargo test --test fixtures` rewrites what they expect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should"
)]

use std::path::PathBuf;

use weft::trial::{self, Expected};

#[test]
fn every_serve_fixture_holds() {
    let expected = if std::env::var_os("UPDATE").is_some() {
        Expected::Rewrite
    } else {
        Expected::Holds
    };
    let files = trial::find(&[PathBuf::from("fixtures/serve")]).expect("fixtures/serve");
    assert!(files.len() > 20, "{} fixtures", files.len());
    let mut failed = 0;
    for file in &files {
        if let Err(failures) = trial::run(file, expected) {
            failed += 1;
            println!("FAILED {}", file.display());
            for failure in failures {
                println!("    {}", failure.replace('\n', "\n    "));
            }
        }
    }
    assert_eq!(failed, 0, "of {} fixtures", files.len());
}
