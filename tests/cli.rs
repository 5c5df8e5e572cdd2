//! Sessions at a terminal: every file of `fixtures/cli` and every block of the guide that begins with `console` is run, and
//! what the commands print is compared. `UPDATE=1 cargo test --test cli` rewrites what they print.
//!
//! A session runs in a folder of its own with a copy of `fixtures/cli/project`. `$ ` begins a command; what follows is what
//! it prints, standard output before standard error; `? 1` is the code with which it ends, where that is not 0. `[..]` stands
//! for any text within a line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

#[path = "cli/backend.rs"]
mod backend;
#[path = "cli/session.rs"]
mod session;

use std::fs;
use std::path::{Path, PathBuf};

use self::session::Session;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut all: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    all.retain(|it| it.extension().is_some_and(|it| it == ending));
    all.sort();
    all
}

/// Runs a session; what it should say, where that is not what it says.
fn play(text: &str) -> Option<String> {
    let session = Session::start();
    let played = session::play(text, |command| session.run(command));
    (!session::matches(text, &played)).then_some(played)
}

#[test]
fn every_session_prints_what_it_says() {
    let mut wrong = Vec::new();
    let found = files("fixtures/cli", "console");
    assert!(!found.is_empty(), "no sessions");
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        if let Some(played) = play(&text) {
            update_or(&path, &played, &text, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_session_of_the_guide_prints_what_it_says() {
    let mut wrong = Vec::new();
    for path in files("docs/guide", "md") {
        let page = fs::read_to_string(&path).unwrap();
        let mut updated = page.clone();
        for part in page.split("```console\n").skip(1) {
            let text = part.split("```").next().unwrap();
            if let Some(played) = play(text) {
                updated = updated.replacen(text, &played, 1);
            }
        }
        if updated != page {
            update_or(&path, &updated, &page, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn update_or(path: &Path, found: &str, expected: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, found).unwrap();
    } else {
        wrong.push(format!("{}:\n{}", path.display(), session::difference(expected, found)));
    }
}

#[test]
fn text_is_compared_with_holes() {
    assert!(session::matches("$ a\ntook [..]ms\n", "$ a\ntook 12ms\n"));
    assert!(!session::matches("$ a\ntook [..]ms\n", "$ a\ntook 12s\n"));
    assert!(!session::matches("$ a\nb\n", "$ a\nb\nc\n"));
}
