//! Runs `fixtures/spec`: files are read as written, and what is wrong with them is compared with the markers in them.
//!
//! A file whose name begins with `weft` is a gateway file, every other one a composition. `UPDATE=1` rewrites the
//! `.stderr` files beside them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::path::{Path, PathBuf};

use weft::language::diagnostic::{Diagnostics, codes, marker, render};
use weft::language::source::SourceMap;
use weft::language::spec::{self, Outside};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "yaml") {
            found.push(path);
        }
    }
}

fn run(root: &Path, path: &Path) -> Result<(), String> {
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let mut sources = SourceMap::default();
    let file = sources.add(name, std::fs::read_to_string(path).unwrap());
    let mut diagnostics = Diagnostics::default();
    if let Some(document) = spec::document(&sources, file, &mut diagnostics) {
        if path.file_name().unwrap().to_str().unwrap().starts_with("weft") {
            let outside = Outside {
                env: &|name| (name == "PORT").then(|| "8080".to_owned()),
                file: &|path| {
                    if path == Path::new("secret.txt") {
                        Ok("s3cret\n".to_owned())
                    } else {
                        Err("not found".to_owned())
                    }
                },
            };
            spec::gateway(&document, &sources, outside, &mut diagnostics);
        } else {
            spec::composition(&document, &sources, &mut diagnostics);
        }
    }
    let diagnostics = diagnostics.into_sorted();
    marker::compare(&sources, file, &diagnostics)?;
    let drawn = render::full(&diagnostics, &sources, render::Colour::Off);
    let beside = path.with_extension("stderr");
    if std::env::var_os("UPDATE").is_some() && beside.exists() {
        std::fs::write(&beside, &drawn).unwrap();
    }
    match std::fs::read_to_string(&beside) {
        Ok(wanted) if wanted != drawn => Err(format!("differs from its .stderr:\n{drawn}")),
        _ => Ok(()),
    }
}

#[test]
fn every_file_has_the_mistakes_that_are_marked_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/spec");
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    assert!(found.len() > 30, "fixtures/spec is gone");
    let mut report: Vec<String> = Vec::new();
    for path in &found {
        if let Err(reason) = run(&root, path) {
            report.push(format!("{}:\n{reason}\n", path.display()));
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn every_folder_is_a_code_that_is_found_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/spec");
    for folder in std::fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let code = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(codes::find(&code).is_some(), "`{code}` is not a code");
        let mut found = Vec::new();
        files(&folder, &mut found);
        let marked = found
            .iter()
            .any(|it| std::fs::read_to_string(it).unwrap().contains(&format!("[{code}]")));
        assert!(marked, "no file in {} is marked with its code", folder.display());
    }
}

#[test]
fn the_compositions_of_the_demo_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&root.join("compositions"), &mut found);
    found.push(root.join("weft.yaml"));
    for path in &found {
        assert_eq!(run(root, path), Ok(()), "{}", path.display());
    }
}
