//! Runs `fixtures/check`: compositions are checked against `fixtures/check/protos`, and what is found is compared with the markers
//! in them.
//!
//! A file is a case of its own, with the gateway file of `fixtures/check`; a folder that holds `weft.yaml` is one case, all of
//! its files together. Where that file has `compositions:`, the folder is loaded as the gateway would. Backends whose name begins
//! with `missing` have no descriptors yet. `UPDATE=1` rewrites the `.stderr` files beside cases.
//!
//! A folder is named as the code that its cases are about, and holds the two examples of the code's page: `wrong`, with what is
//! said of it in `wrong.stderr`, and `right`, which is the same without the mistake.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use weft::gateway::load::Loader;
use weft::language::check::{BackendSchema, check};
use weft::language::diagnostic::{Diagnostic, Diagnostics, codes, marker, render};
use weft::language::source::{FileIndex, SourceMap};
use weft::language::spec::{self, Outside};
use weft::plan::Plan;
use weft::schema::{Schema, load};

/// What became of one case.
struct Outcome {
    sources: SourceMap,
    files: Vec<FileIndex>,
    diagnostics: Vec<Diagnostic>,
    plan: Option<Plan>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check")
}

fn schema(tree: &str) -> Arc<Schema> {
    load::schema(&[PathBuf::from(tree)]).unwrap()
}

fn setting() -> Arc<Schema> {
    static SETTING: LazyLock<Arc<Schema>> = LazyLock::new(|| schema("fixtures/check/protos"));
    SETTING.clone()
}

fn add(sources: &mut SourceMap, path: &Path) -> FileIndex {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = path.strip_prefix(from).unwrap_or(path).display().to_string();
    sources.add(name, std::fs::read_to_string(path).unwrap())
}

fn run(gateway: &Path, compositions: &[PathBuf], schema: &Arc<Schema>) -> Outcome {
    let is_whole = |text: String| text.lines().any(|it| it.starts_with("compositions:"));
    if std::fs::read_to_string(gateway).is_ok_and(is_whole) {
        return load_as_the_gateway_does(gateway);
    }
    let mut sources = SourceMap::default();
    let gateway = add(&mut sources, gateway);
    let files: Vec<_> = compositions.iter().map(|it| add(&mut sources, it)).collect();
    let mut diagnostics = Diagnostics::default();
    let outside = Outside {
        env: &|_| None,
        file: &|_| Err("not found".to_owned()),
    };
    let document = spec::document(&sources, gateway, &mut diagnostics).unwrap();
    let gateway_spec = spec::gateway(&document, &sources, outside, &mut diagnostics).unwrap();
    let specs: Vec<_> = files
        .iter()
        .filter_map(|it| {
            let document = spec::document(&sources, *it, &mut diagnostics)?;
            spec::composition(&document, &sources, &mut diagnostics)
        })
        .collect();
    let backends: Vec<_> = gateway_spec
        .backends
        .iter()
        .map(|it| match () {
            () if it.grpc.is_empty() => BackendSchema::None,
            () if it.name.value.starts_with("missing") => BackendSchema::Missing("not reached".to_owned()),
            () => BackendSchema::Known(schema.clone()),
        })
        .collect();
    let plan = check(&gateway_spec, &specs, &backends, &sources, &mut diagnostics);
    let mut all = vec![gateway];
    all.extend(files);
    Outcome {
        sources,
        files: all,
        diagnostics: diagnostics.into_sorted(),
        plan,
    }
}

fn load_as_the_gateway_does(gateway: &Path) -> Outcome {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut loader = Loader::from_file(gateway.strip_prefix(from).unwrap_or(gateway));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sources, diagnostics, plan) = match runtime.block_on(loader.load()) {
        Ok(loaded) => (loaded.sources, loaded.warnings, Some(loaded.plan)),
        Err(refused) => (refused.sources, refused.diagnostics, None),
    };
    Outcome {
        files: sources.files().map(|it| it.0).collect(),
        sources,
        diagnostics,
        plan,
    }
}

/// Cases: the files of each, by the path that names it.
fn cases() -> Vec<(PathBuf, PathBuf, Vec<PathBuf>)> {
    fn visit(folder: &Path, found: &mut Vec<(PathBuf, PathBuf, Vec<PathBuf>)>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        entries.sort();
        let gateway = folder.join("weft.yaml");
        let is_yaml = |it: &PathBuf| it.extension().is_some_and(|it| it == "yaml");
        if gateway.exists() && folder != root() {
            let files = entries.into_iter().filter(|it| is_yaml(it) && *it != gateway).collect();
            found.push((folder.to_owned(), gateway, files));
            return;
        }
        for path in entries {
            // Those are `tests/newcomer.rs`'s.
            if path.is_dir() && path.ends_with("newcomer") {
                continue;
            }
            if path.is_dir() {
                visit(&path, found);
            } else if is_yaml(&path) && path != gateway {
                found.push((path.clone(), root().join("weft.yaml"), vec![path]));
            }
        }
    }
    let mut found = Vec::new();
    visit(&root(), &mut found);
    found
}

fn compare(path: &Path, outcome: &Outcome) -> Result<(), String> {
    for file in &outcome.files {
        let of_file: Vec<_> = outcome
            .diagnostics
            .iter()
            .filter(|it| it.span.file == *file)
            .cloned()
            .collect();
        marker::compare(&outcome.sources, *file, &of_file)?;
    }
    let has_errors = outcome
        .diagnostics
        .iter()
        .any(|it| it.severity == weft::language::diagnostic::Severity::Error);
    if has_errors == outcome.plan.is_some() {
        return Err("a plan comes out exactly where there is no error".to_owned());
    }
    let drawn = render::full(&outcome.diagnostics, &outcome.sources, render::Colour::Off);
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
fn every_case_has_the_mistakes_that_are_marked_in_it() {
    let mut report = String::new();
    let cases = cases();
    assert!(cases.len() > 40, "fixtures/check is gone");
    for (path, gateway, files) in &cases {
        let outcome = run(gateway, files, &setting());
        if let Err(reason) = compare(path, &outcome) {
            let drawn = render::full(&outcome.diagnostics, &outcome.sources, render::Colour::Off);
            report = format!("{report}== {}:\n{reason}{drawn}\n", path.display());
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_folder_is_a_code_that_is_found_in_it() {
    for folder in std::fs::read_dir(root()).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if folder.is_dir() && !matches!(&*name, "newcomer" | "protos" | "semantics" | "sound") {
            assert!(codes::find(&name).is_some(), "`{name}` is not a code");
            let found = cases()
                .iter()
                .filter(|(path, _, _)| path.starts_with(&folder) || path.starts_with(root().join("semantics")))
                .any(|(_, gateway, files)| {
                    files
                        .iter()
                        .chain(std::iter::once(gateway))
                        .any(|it| std::fs::read_to_string(it).is_ok_and(|text| text.contains(&format!("[{name}]"))))
                });
            assert!(found, "no case in `{name}` is marked with it");
        }
    }
}

/// Codes of which no example can be shown.
const NOT_SHOWN: &[(&str, &str)] = &[(
    "file-too-large",
    "an example has more than 1 MiB; `language::spec` has a test",
)];

/// Each code has an example that has this mistake and no other, what is said of it, and the same without it.
#[test]
fn every_code_has_its_two_examples() {
    let mut report = String::new();
    for code in codes::CODES {
        if NOT_SHOWN.iter().any(|it| it.0 == code.code) {
            continue;
        }
        let folder = root().join(code.code);
        for (name, wanted) in [("wrong", true), ("right", false)] {
            let case = cases()
                .into_iter()
                .find(|it| it.0.with_extension("") == folder.join(name));
            let Some((_, gateway, files)) = case else {
                report = format!("{report}{}: `{name}` is missing\n", code.code);
                continue;
            };
            let found = run(&gateway, &files, &setting()).diagnostics;
            let only = found.iter().all(|it| it.code == code.code) && found.is_empty() != wanted;
            let snapshot = !wanted || folder.join("wrong.stderr").exists();
            if !only || !snapshot {
                let found: Vec<_> = found.iter().map(|it| it.code).collect();
                report = format!(
                    "{report}{}: `{name}` gives {found:?}, snapshot: {snapshot}\n",
                    code.code
                );
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn the_compositions_of_the_demo_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("compositions"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    let outcome = run(
        &root.join("fixtures/demo/weft.yaml"),
        &files,
        &schema("descriptors/hipstershop"),
    );
    let drawn = render::full(&outcome.diagnostics, &outcome.sources, render::Colour::Off);
    assert!(outcome.diagnostics.is_empty(), "{drawn}");
    assert_eq!(outcome.plan.unwrap().endpoints.len(), files.len());
}

/// Every fixture with one line or one word taken out or put twice: whatever is written, there is an answer, and it is a plan
/// exactly where nothing is wrong.
#[test]
fn damaged_files_are_refused_or_planned() {
    let from = root().join("weft.yaml");
    let folder = std::env::temp_dir().join(format!("weft-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("damaged.yaml");
    for (_, gateway, files) in cases() {
        let [path] = files.as_slice() else { continue };
        // What is wrong has its twin, which is right.
        if path.ends_with("wrong.yaml") {
            continue;
        }
        if gateway != from {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for at in (0..lines.len()).step_by(2) {
            let without: Vec<_> = lines
                .iter()
                .enumerate()
                .filter(|(it, _)| *it != at)
                .map(|(_, it)| *it)
                .collect();
            let half = &lines[at][..lines[at]
                .char_indices()
                .nth(lines[at].chars().count() / 2)
                .map_or(0, |it| it.0)];
            let mut cut = lines.clone();
            cut[at] = half;
            let mut renamed = lines.clone();
            let other = lines[at]
                .replace("product", "recs")
                .replace("$id", "$reviews")
                .replace("name", "stock");
            renamed[at] = &other;
            for damaged in [without.join("\n"), cut.join("\n"), renamed.join("\n")] {
                std::fs::write(&file, &damaged).unwrap();
                let outcome = run(&gateway, std::slice::from_ref(&file), &setting());
                let has_errors = outcome
                    .diagnostics
                    .iter()
                    .any(|it| it.severity == weft::language::diagnostic::Severity::Error);
                assert_ne!(has_errors, outcome.plan.is_some(), "{damaged}");
                for it in &outcome.diagnostics {
                    assert!(
                        codes::find(it.code).is_some(),
                        "`{}` is not in the list of codes",
                        it.code
                    );
                }
                if let Some(plan) = &outcome.plan {
                    assert!(
                        !format!("{plan:?}").contains("Unknown,"),
                        "a part of the plan is of no type:\n{damaged}"
                    );
                }
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
