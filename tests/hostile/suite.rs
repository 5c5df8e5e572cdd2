//! `httpwg`, a conformance suite of HTTP/2 (RFC 9113) that others wrote: `cargo install httpwg-cli`. `.ci/run` installs it;
//! where it is neither in PATH nor in `target/httpwg` this says so and is left out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::gateway::Gateway;

/// Cases that do not pass, by the end of their name: what h2, the library below hyper, does instead, and whether it always
/// does. Each of these connections or streams ends, as it must; what differs is which error that is called, which nobody can
/// set from outside of the library. `docs/guide/edge.md` says it to users.
const DIFFERENCES: &[(&str, &str, Seen)] = &[
    ("invalid header block fragment", GENERAL, Seen::Always),
    ("closed sends headers frame", GENERAL, Seen::Always),
    ("closed sends headers frame after rst stream", GENERAL, Seen::Always),
    ("half closed remote sends data frame", GENERAL, Seen::ByChance),
    ("half closed remote sends headers frame", GENERAL, Seen::Always),
    ("sends data frame on invalid stream state", GENERAL, Seen::ByChance),
    ("sends ping frame with invalid length", GENERAL, Seen::Always),
    ("sends priority frame with invalid length", GENERAL, Seen::Always),
    ("sends rst stream frame with invalid length", GENERAL, Seen::Always),
    ("sends settings frame with ack and payload", GENERAL, Seen::Always),
    ("sends settings frame with invalid length", GENERAL, Seen::Always),
    (
        "sends settings initial window size with exceeded max window size value",
        GENERAL,
        Seen::Always,
    ),
    (
        "sends settings initial window size with invalid value",
        GENERAL,
        Seen::Always,
    ),
    ("sends window update frame with invalid length", GENERAL, Seen::Always),
    (
        "client sends push promise frame",
        "the frame says that more of its head is to come, and that is waited for, as long as for any head",
        Seen::Always,
    ),
    (
        "sends invalid connection preface",
        "what is no preface is taken for HTTP/1.1 and answered with 400, which the suite may take for a frame",
        Seen::ByChance,
    ),
    (
        "sends headers frame with pseudo header in trailer",
        "it is taken out of the trailers without a word, so that nobody behind the gateway sees it",
        Seen::Always,
    ),
];

/// Of most cases.
const GENERAL: &str = "the connection ends with PROTOCOL_ERROR, and not with the error that says more";

/// When a case fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Always,
    /// It depends on who is faster.
    ByChance,
}

#[test]
fn http2_is_spoken_as_the_suite_wants_it() {
    let Some(suite) = suite() else {
        eprintln!("httpwg is neither in PATH nor in target/httpwg: HTTP/2 is not compared with it");
        return;
    };
    let gateway = Gateway::with_times("suite", "header_timeout: 10s, idle_timeout: 75s");
    let ran = Command::new(suite)
        .args([
            "-a",
            &gateway.address.to_string(),
            "--frame-timeout",
            "2000",
            "--verbose",
        ])
        .env("SEQUENTIAL", "1")
        .env("RUST_LOG", "off")
        .output()
        .expect("the suite");
    let said = plain(&format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    ));
    let named = |what: &str| -> BTreeSet<String> {
        let names = said.lines().filter_map(|it| it.split_once(what));
        names.map(|it| it.1.trim().to_owned()).collect()
    };
    let (all, passed) = (named("Running test: "), named("Test passed: "));
    assert!(all.len() >= 107, "only {} cases:\n{said}", all.len());
    let failed: Vec<&String> = all.difference(&passed).collect();
    let is_known = |name: &str| DIFFERENCES.iter().any(|it| name.ends_with(it.0));
    let unknown: Vec<_> = failed.iter().filter(|it| !is_known(it)).collect();
    assert!(unknown.is_empty(), "{unknown:#?} in\n{said}");
    for (name, why, seen) in DIFFERENCES {
        let fails = failed.iter().any(|it| it.ends_with(name));
        assert!(fails || *seen == Seen::ByChance, "it passes now: {name} ({why})");
    }
    gateway.answers("the suite");
}

fn suite() -> Option<PathBuf> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/httpwg/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([own]);
    folders.find_map(|it| Some(it.join("httpwg")).filter(|it| it.is_file()))
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or("", |it| it.1))
}
