//! Keeps ARCHITECTURE.md true: the table of who may use whom, and the head of every file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rows of the table in ARCHITECTURE.md under "Who may use whom": module → modules.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let (_, rest) = page.split_once("## Who may use whom").expect("the section");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|it| it.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let names =
            |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let uses = names(cells[1]);
        for module in names(cells[0]) {
            rows.insert(module, uses.clone());
        }
    }
    assert!(rows.len() > 8, "the table has too few rows: {rows:?}");
    rows
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    found.sort();
    found
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path
        .components()
        .nth(1)
        .expect("below src")
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Top-level modules that a file names as `crate::x`.
fn uses(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|it| !it.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let names = group
                    .split(['{', '}', ','])
                    .map(|it| it.trim().split("::").next().unwrap_or_default());
                found.extend(names.filter(|it| !it.is_empty()).map(str::to_owned));
            } else {
                found.insert(
                    rest.chars()
                        .take_while(|it| it.is_alphanumeric() || *it == '_')
                        .collect(),
                );
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = table();
    let mut broken = Vec::new();
    for path in all_sources() {
        let module = module_of(&path);
        if ["bin", "lib", "main"].contains(&&*module) {
            continue;
        }
        let allowed = table
            .get(&module)
            .unwrap_or_else(|| panic!("`{module}` is missing in the table"));
        let text = fs::read_to_string(&path).expect("a source file");
        let text = text.split("\nmod tests {").next().unwrap_or(&text);
        for used in uses(text) {
            let known = table.contains_key(&used);
            if known && used != module && !allowed.contains(&used) && !allowed.contains("all") {
                broken.push(format!("{}: `{module}` may not use `{used}`", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("a source file").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files without a `//!` head: {silent:?}");
}

#[test]
fn the_table_has_no_circle() {
    let table = table();
    for module in table.keys() {
        assert!(!reaches(&table, module, module, 0), "`{module}` can reach itself");
    }
}

fn reaches(table: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str, depth: usize) -> bool {
    depth < 20
        && table.get(from).is_some_and(|uses| {
            uses.iter()
                .any(|it| it == to || (it != "all" && reaches(table, it, to, depth + 1)))
        })
}

#[test]
fn every_dependency_has_its_row() {
    let page = fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let (_, rest) = page.split_once("## Dependencies").expect("the section");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let listed: BTreeSet<&str> = section
        .lines()
        .filter_map(|it| it.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|it| it.split(", "))
        .filter(|it| !matches!(*it, "crate" | "---"))
        .collect();
    let manifest = fs::read_to_string("Cargo.toml").expect("Cargo.toml");
    let mut declared = BTreeSet::new();
    let mut is_dependency = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependency = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (is_dependency, line.split_once(" = ")) {
            declared.insert(name);
        }
    }
    assert!(
        declared.len() > 20,
        "the manifest has too few dependencies: {declared:?}"
    );
    assert_eq!(listed, declared);
}
