//! What a plan tells others: documents as they are expected, and answers that fit what is published of them.
//!
//! `UPDATE=1 cargo test --test publish` rewrites the documents in `fixtures/publish`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use weft::publish::yaml;
use weft::trial::{self, published::Published};

fn weft(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// The gateway files of `fixtures/publish`.
fn gateways() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("fixtures/publish")
        .unwrap()
        .map(|it| it.unwrap().path().join("weft.yaml"))
        .filter(|it| it.is_file())
        .collect();
    found.sort();
    assert!(found.len() > 1, "{found:?}");
    found
}

/// Compares a file beside a gateway file with what it should be, or rewrites it.
fn compare(gateway: &Path, name: &str, made: &str) {
    let path = gateway.with_file_name(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = made.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(
        found == made,
        "{} differs, first in line {}; `UPDATE=1 cargo test --test publish` rewrites it",
        path.display(),
        line.unwrap_or_else(|| made.lines().count().min(found.lines().count())) + 1
    );
}

#[test]
fn documents_are_as_expected() {
    for gateway in gateways() {
        let output = weft(&["openapi", "-c", gateway.to_str().unwrap(), "--title", "Shop"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {said}", gateway.display());
        compare(&gateway, "openapi.yaml", &String::from_utf8(output.stdout).unwrap());
        assert_eq!(said, "", "{}", gateway.display());
        let output = weft(&["types", "--lang", "typescript", "-c", gateway.to_str().unwrap()]);
        assert!(output.status.success());
        compare(&gateway, "client.ts", &String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn json_and_yaml_are_one_document() {
    for gateway in gateways() {
        let gateway = gateway.to_str().unwrap();
        let of_format =
            |format| String::from_utf8(weft(&["openapi", "-c", gateway, "--format", format]).stdout).unwrap();
        let document: Value = serde_json::from_str(&of_format("json")).unwrap();
        assert_eq!(yaml::write(&document), of_format("yaml"), "{gateway}");
    }
}

#[test]
fn documents_pass_a_validator_that_others_wrote() {
    let mut arguments = vec!["tests/validators/openapi.sh".to_owned()];
    arguments.extend(
        gateways()
            .iter()
            .map(|it| it.with_file_name("openapi.yaml").display().to_string()),
    );
    let output = Command::new("bash").args(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(77) => println!("left out: {said}"),
        Some(0) => {}
        _ => panic!("{said}"),
    }
}

#[test]
fn the_client_is_accepted_by_a_strict_compiler_and_no_misuse_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    for gateway in gateways() {
        let name = gateway.parent().unwrap().file_name().unwrap();
        let mut command = Command::new("tests/validators/typescript.sh");
        command.arg(folder.join(name)).arg(gateway.with_file_name("client.ts"));
        let usage = gateway.with_file_name("usage.ts");
        if usage.is_file() {
            command.arg(usage);
        }
        let output = command.output().unwrap();
        match output.status.code() {
            Some(77) => println!("left out: {}", String::from_utf8_lossy(&output.stderr)),
            Some(0) => {}
            _ => panic!("{}", String::from_utf8_lossy(&output.stdout)),
        }
    }
}

#[test]
fn every_answer_of_the_fixtures_fits_what_is_published_of_it() {
    let files = trial::find(&[PathBuf::from("fixtures/serve")]).unwrap();
    let (mut n_answers, mut n_problems, mut n_empty) = (0, 0, 0);
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        if text.contains("reload:") {
            continue;
        }
        let played = trial::play(&text, file.parent().unwrap(), None).unwrap_or_else(|it| panic!("{}", it.join("\n")));
        let published = Published::of(&played.api);
        for answer in played.answers.iter().flatten() {
            let Some(endpoint) = &answer.endpoint else { continue };
            // HEAD, and answers without a body.
            let Ok(body) = serde_json::from_slice(&answer.body) else {
                n_empty += 1;
                continue;
            };
            // Raw bytes may happen to be JSON.
            let Some(misfits) = published.misfits(endpoint, answer.status, &body) else {
                continue;
            };
            if answer.status < 400 {
                n_answers += 1;
            } else {
                n_problems += 1;
            }
            wrong.extend(misfits.iter().map(|it| format!("{}: {endpoint}: {it}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{n_answers} answers, {n_problems} problems, {n_empty} without a body");
    assert!(
        n_answers > 200 && n_problems > 30,
        "{n_answers} answers, {n_problems} problems"
    );
}

#[test]
fn what_is_not_as_published_is_found() {
    let text = std::fs::read_to_string("fixtures/serve/failure/required.yaml").unwrap();
    let played = trial::play(&text, Path::new("fixtures/serve/failure"), None).unwrap();
    let published = Published::of(&played.api);
    let answer = played.answers.iter().flatten().next().unwrap();
    let endpoint = answer.endpoint.as_deref().unwrap();
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(published.misfits(endpoint, answer.status, &problem), Some(Vec::new()));
    let misfits = published
        .misfits(endpoint, answer.status, &json!({ "status": "many" }))
        .unwrap();
    assert!(misfits.iter().any(|it| it.starts_with("/status: ")), "{misfits:?}");
}

#[test]
fn every_example_fits_its_schema() {
    for gateway in gateways() {
        let gateway = gateway.to_str().unwrap();
        let text = String::from_utf8(weft(&["openapi", "-c", gateway, "--format", "json"]).stdout).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut n_examples = 0;
        check_examples(&document, &document["components"], &mut n_examples);
        assert!(n_examples > 3, "{gateway}: {n_examples}");
    }
}

/// Checks each `example` beside a `schema`.
fn check_examples(value: &Value, components: &Value, n_examples: &mut usize) {
    match value {
        Value::Object(members) => {
            if let (Some(schema), Some(example)) = (members.get("schema"), members.get("example")) {
                *n_examples += 1;
                let mut schema = schema.clone();
                schema["components"] = components.clone();
                let validator = jsonschema::draft202012::new(&schema).unwrap();
                let errors: Vec<String> = validator.iter_errors(example).map(|it| it.to_string()).collect();
                assert!(errors.is_empty(), "{example}: {}", errors.join("; "));
            }
            members
                .values()
                .for_each(|it| check_examples(it, components, n_examples));
        }
        Value::Array(items) => items.iter().for_each(|it| check_examples(it, components, n_examples)),
        _ => {}
    }
}

#[test]
fn text_that_yaml_would_take_for_something_else_is_quoted() {
    let document =
        json!({ "no": "on", "a": ["1", "1.0", "null", "", "- x", "a: b", "a #b", " a", "x\ny", "{}", "*a", "é"] });
    let text = yaml::write(&document);
    let read: BTreeMap<String, Value> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.starts_with('"'))
        .map(|(name, value)| (name.to_owned(), serde_json::from_str(value).unwrap()))
        .collect();
    assert_eq!(read["\"no\""], json!("on"));
    let items: Vec<&str> = text.lines().filter_map(|it| it.strip_prefix("  - ")).collect();
    assert_eq!(
        items,
        [
            "\"1\"", "\"1.0\"", "\"null\"", "\"\"", "\"- x\"", "\"a: b\"", "\"a #b\"", "\" a\"", "|-", "\"{}\"",
            "\"*a\"", "\"é\""
        ]
    );
}
