//! Mistakes of people who see the language for the first time, made in files as the demo has them: what is said of each, and that it
//! passes once it is mended as the message says.
//!
//! A case of `fixtures/check/newcomer` names the file beside it, then shows what stands in it, what was written in its place, the mended
//! text and what is said. `UPDATE=1` rewrites what is said.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::{Path, PathBuf};

use weft::language::check::{BackendSchema, check};
use weft::language::diagnostic::{Diagnostics, render};
use weft::language::source::SourceMap;
use weft::language::spec::{self, Outside};
use weft::schema::load;

/// The parts of a case, in order.
const PARTS: [&str; 4] = ["--- there", "--- written", "--- mended", "--- said"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that is said of a composition among the demo's backends.
fn said(name: &str, text: &str) -> String {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let gateway = std::fs::read_to_string(root().join("fixtures/demo/weft.yaml")).unwrap();
    let gateway = sources.add("weft.yaml", gateway);
    let file = sources.add(name, text);
    let outside = Outside {
        env: &|_| None,
        file: &|_| Err("not found".to_owned()),
    };
    let gateway = spec::document(&sources, gateway, &mut diagnostics).unwrap();
    let gateway = spec::gateway(&gateway, &sources, outside, &mut diagnostics).unwrap();
    let document = spec::document(&sources, file, &mut diagnostics);
    let composition = document.and_then(|it| spec::composition(&it, &sources, &mut diagnostics));
    let schema = load::schema(&[PathBuf::from("descriptors/hipstershop")]).unwrap();
    let backends: Vec<_> = gateway
        .backends
        .iter()
        .map(|it| {
            if it.grpc.is_empty() {
                BackendSchema::None
            } else {
                BackendSchema::Known(schema.clone())
            }
        })
        .collect();
    let compositions: Vec<_> = composition.into_iter().collect();
    check(&gateway, &compositions, &backends, &sources, &mut diagnostics);
    render::full(&diagnostics.into_sorted(), &sources, render::Colour::Off)
}

/// The file and the four texts of a case.
fn parts(case: &str) -> (&str, [&str; 4]) {
    let (file, mut rest) = case.split_once('\n').unwrap();
    let mut found = [""; 4];
    for (at, title) in PARTS.iter().enumerate() {
        rest = rest
            .strip_prefix(&format!("{title}\n"))
            .unwrap_or_else(|| panic!("no {title}: {rest}"));
        let next = PARTS.get(at + 1).map(|it| format!("{it}\n"));
        let end = next.map_or(rest.len(), |it| rest.find(&it).unwrap_or_else(|| panic!("no {it}")));
        (found[at], rest) = rest.split_at(end);
    }
    (file, found)
}

#[test]
fn mistakes_of_newcomers_are_said_and_can_be_mended_as_they_are_told() {
    let folder = root().join("fixtures/check/newcomer");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "only {} cases", files.len());
    let mut report = String::new();
    for path in files {
        let case = std::fs::read_to_string(&path).unwrap();
        let (name, [there, written, mended, wanted]) = parts(&case);
        let original = std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(original.matches(there).count(), 1, "{}", path.display());
        let short = Path::new(name).file_name().unwrap().to_str().unwrap();
        let found = said(short, &original.replace(there, written));
        if std::env::var_os("UPDATE").is_some() {
            let head = case.strip_suffix(wanted).unwrap_or(&case);
            std::fs::write(&path, format!("{head}{found}")).unwrap();
        } else if found != wanted || found.is_empty() {
            report = format!("{report}== {}: differs:\n{found}\n", path.display());
        }
        let rest = said(short, &original.replace(there, mended));
        if !rest.is_empty() {
            report = format!("{report}== {}: mended, but:\n{rest}\n", path.display());
        }
    }
    assert!(report.is_empty(), "{report}");
}
