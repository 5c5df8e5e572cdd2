//! `weft schema`: whatever the checker and `weft test` accept fits the schema, and a mistyped key does not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;
use weft::language::diagnostic::Diagnostics;
use weft::language::source::{Node, NodeKind, SourceMap};
use weft::language::spec::json_schema::{self, FileKind};
use weft::language::spec::{self, Outside};
use weft::trial::fixture;

fn validator(kind: FileKind) -> Validator {
    jsonschema::draft202012::new(&json_schema::of(kind)).unwrap()
}

/// A file as an editor reads it.
fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Bool(it) => Value::Bool(*it),
        NodeKind::List(items) => items.iter().map(value).collect(),
        NodeKind::Map(members) => members
            .iter()
            .map(|(key, it)| (key.value.to_string(), value(it)))
            .collect(),
        NodeKind::Null | NodeKind::Unknown => Value::Null,
        NodeKind::Number(digits) => serde_json::from_str(digits).unwrap(),
        NodeKind::Text(text) => Value::from(&*text.value),
    }
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|it| it == "yaml") {
            found.push(path);
        }
    }
}

/// Every gateway file and composition of the repository that can be read without a mistake.
fn files() -> Vec<(PathBuf, FileKind, Value)> {
    let mut paths = vec![PathBuf::from("weft.yaml")];
    for folder in ["compositions", "fixtures", "bench"] {
        find(Path::new(folder), &mut paths);
    }
    paths.sort();
    let outside = || Outside {
        env: &|_| Some("x".to_owned()),
        file: &|_| Ok("x".to_owned()),
    };
    let mut found = Vec::new();
    for path in paths {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let file = sources.add(path.display().to_string(), text);
        let Some(document) = spec::document(&sources, file, &mut diagnostics) else {
            continue;
        };
        let NodeKind::Map(members) = &document.root.kind else {
            continue;
        };
        let has = |name: &str| members.iter().any(|(key, _)| *key.value == *name);
        let kind = if has("endpoint") || has("fragment") {
            spec::composition(&document, &sources, &mut diagnostics);
            FileKind::Composition
        } else if has("backends") && !has("exchanges") {
            spec::gateway(&document, &sources, outside(), &mut diagnostics);
            FileKind::Gateway
        } else {
            continue;
        };
        if !diagnostics.has_errors() {
            found.push((path, kind, value(&document.root)));
        }
    }
    found
}

#[test]
fn what_the_parser_accepts_fits_the_schema() {
    let (composition, gateway) = (validator(FileKind::Composition), validator(FileKind::Gateway));
    let files = files();
    let mut wrong = Vec::new();
    for (path, kind, value) in &files {
        let validator = if *kind == FileKind::Gateway {
            &gateway
        } else {
            &composition
        };
        for error in validator.iter_errors(value) {
            wrong.push(format!("{}: {}: {error}", path.display(), error.instance_path()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let n_gateways = files.iter().filter(|it| it.1 == FileKind::Gateway).count();
    assert!(
        files.len() - n_gateways > 100 && n_gateways > 5,
        "{n_gateways} of {}",
        files.len()
    );
}

/// Every fixture of the repository that is read without a mistake.
fn fixtures() -> Vec<(PathBuf, Value)> {
    let mut paths = Vec::new();
    find(Path::new("fixtures/serve"), &mut paths);
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let (mut sources, mut diagnostics) = (SourceMap::default(), Diagnostics::default());
        let file = sources.add(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        let document = spec::document(&sources, file, &mut diagnostics).unwrap();
        if fixture::parse(&document.root, Path::new("")).is_ok() {
            found.push((path, value(&document.root)));
        }
    }
    found
}

#[test]
fn what_weft_test_reads_fits_the_schema_and_a_mistyped_key_does_not() {
    let validator = jsonschema::draft202012::new(&fixture::schema()).unwrap();
    let fixtures = fixtures();
    assert!(fixtures.len() > 100, "{}", fixtures.len());
    for (path, value) in fixtures {
        let wrong: Vec<_> = validator
            .iter_errors(&value)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {}", path.display(), wrong.join("\n"));
        for at in ["/backends/0", "/exchanges/0", "/exchanges/0/expect", ""] {
            let Some(Value::Object(members)) = value.pointer(at) else {
                continue;
            };
            for name in members.keys() {
                let mut changed = value.clone();
                let object = changed.pointer_mut(at).unwrap().as_object_mut().unwrap();
                let held = object.remove(name).unwrap();
                object.insert(format!("{name}z"), held);
                assert!(!validator.is_valid(&changed), "{}: {changed:#}", path.display());
            }
        }
    }
}

/// The value with the nth key that is of the vocabulary mistyped; `None` where there are not so many.
fn mistyped(value: &Value, n: usize) -> Option<Value> {
    let mut paths = Vec::new();
    keys(value, &mut Vec::new(), &mut paths);
    let (last, before) = paths.get(n)?.split_last()?;
    let mut changed = value.clone();
    let mut object = &mut changed;
    for step in before {
        object = object.get_mut(step)?;
    }
    let held = object.as_object_mut()?.remove(last)?;
    object.as_object_mut()?.insert(format!("{last}z"), held);
    Some(changed)
}

/// Keys whose names are ours: at the root, and of every call, param, cookie and backend.
fn keys(value: &Value, around: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let Value::Object(members) = value else { return };
    for (name, inner) in members {
        around.push(name.clone());
        let of_user =
            matches!(around.as_slice(), [group, _] if matches!(&**group, "calls" | "params" | "cookies" | "backends"));
        if !of_user && !name.starts_with("x-") {
            paths.push(around.clone());
        }
        let goes_on = matches!(around.as_slice(), [group] | [group, _] if matches!(&**group, "calls" | "params" | "cookies" | "backends"));
        if goes_on {
            keys(inner, around, paths);
        }
        around.pop();
    }
}

#[test]
fn a_mistyped_key_does_not_fit() {
    let (composition, gateway) = (validator(FileKind::Composition), validator(FileKind::Gateway));
    let mut n_mistyped = 0;
    for (path, kind, value) in files() {
        let validator = if kind == FileKind::Gateway {
            &gateway
        } else {
            &composition
        };
        for changed in (0..).map_while(|n| mistyped(&value, n)) {
            n_mistyped += 1;
            assert!(!validator.is_valid(&changed), "{}: {changed:#}", path.display());
        }
    }
    assert!(n_mistyped > 500, "{n_mistyped}");
}
