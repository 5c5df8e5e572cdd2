//! Every case of the language's semantics has a fixture: a file in `fixtures/check/semantics`, checked by
//! `tests/check_fixtures.rs`, or one below `fixtures/serve`, played by `tests/fixtures.rs`.
//!
//! A fixture is named by the cases that it holds: `case-011-012-…`, `case-016-to-021-…`.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::collections::BTreeSet;
use std::path::Path;

/// As many cases as there are.
const N_CASES: u32 = 122;

/// The numbers in the name of a fixture.
fn numbers(name: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let Some(rest) = name.strip_prefix("case-") else {
        return found;
    };
    let mut last = None;
    let mut range = false;
    for part in rest.trim_end_matches(".yaml").split('-') {
        match part.parse::<u32>() {
            Ok(number) if part.len() == 3 => {
                let from = if range { last.unwrap() } else { number };
                found.extend(from..=number);
                (last, range) = (Some(number), false);
            }
            _ if part == "to" && last.is_some() => range = true,
            _ => break,
        }
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<u32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.extend(numbers(path.file_name().unwrap().to_str().unwrap()));
        if path.is_dir() {
            collect(&path, found);
        }
    }
}

#[test]
fn every_case_has_a_fixture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = BTreeSet::new();
    for folder in ["check/semantics", "serve"] {
        collect(&root.join(folder), &mut found);
    }
    let missing: Vec<u32> = (1..=N_CASES).filter(|it| !found.contains(it)).collect();
    assert!(missing.is_empty(), "no fixture for the cases {missing:?}");
    assert!(found.iter().all(|it| (1..=N_CASES).contains(it)), "{found:?}");
}

#[test]
fn names_say_which_cases_a_fixture_holds() {
    assert_eq!(numbers("case-011-012-unset-stays-unset.yaml"), BTreeSet::from([11, 12]));
    assert_eq!(numbers("case-016-to-018-values.yaml"), BTreeSet::from([16, 17, 18]));
    assert_eq!(numbers("case-087"), BTreeSet::from([87]));
    assert_eq!(numbers("other-011.yaml"), BTreeSet::new());
}
