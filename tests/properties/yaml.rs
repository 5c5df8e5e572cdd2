//! P6: no scalar that YAML altered reaches the checker without a diagnostic.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use regex::Regex;
use weft::expr;
use weft::language::source::{Node, NodeKind, SourceMap, yaml};

use super::cases;

/// Expressions whose parts YAML reads as something of its own in one place or another.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b.c",
        "l[0]",
        "' #1'",
        "'x: y'",
        "\"q\"",
        "\"# \"",
        "1.5",
        "-1",
        "true",
        "'it''s'",
        "r'\\d'",
        "{'k': 1}",
        "[1, 2]",
        "!d",
        "'{'",
        "'- '",
        "x['a, b']",
        "b'|'",
        "'&e *f'",
        "'%'",
        "\"\\\"\"",
    ]);
    let shapes = prop::sample::select(vec![
        "A.map(r, B)",
        "A ? B : C",
        "A ?B :C",
        "A == B",
        "A != B && C",
        "(A || B)",
        "[A, B]",
        "{'k': A, \"l\": B}",
        "{'k':A}",
        "!A",
        "f(A, B)",
        "f( A ,B )",
        "A in [B]",
        "A[B]",
        "A - B",
        "A % B",
        "A.filter(r, r.k == B) // C",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 12, 3, move |inner| {
        (shapes.clone(), inner.clone(), inner.clone(), inner).prop_map(|(shape, a, b, c)| {
            shape.chars().fold(String::new(), |mut text, letter| {
                match letter {
                    'A' => text.push_str(&a),
                    'B' => text.push_str(&b),
                    'C' => text.push_str(&c),
                    other => text.push(other),
                }
                text
            })
        })
    })
}

/// Where a scalar may stand: text around it, and how the document then looks, `@` being the scalar.
const PLACES: [(&str, &str); 7] = [
    ("a: @\n", "{a: @}"),
    ("a: @\nb: 1\n", "{a: @, b: 1}"),
    ("{ a: @ }\n", "{a: @}"),
    ("{ a: @, b: 1 }\n", "{a: @, b: 1}"),
    ("- @\n- 1\n", "[@, 1]"),
    ("[@, 1]\n", "[@, 1]"),
    ("a:\n  b: @\nc: 1\n", "{a: {b: @}, c: 1}"),
];

/// A document as it was read, texts in quotes.
fn shown(node: &Node) -> String {
    match &node.kind {
        NodeKind::Bool(it) => it.to_string(),
        NodeKind::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        NodeKind::Map(members) => {
            let members = members.iter().map(|(key, it)| format!("{}: {}", key.value, shown(it)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        NodeKind::Null => "null".to_owned(),
        NodeKind::Number(digits) => digits.to_string(),
        NodeKind::Text(text) => format!("{:?}", text.value),
        NodeKind::Unknown => "?".to_owned(),
    }
}

/// The document, where nothing is said against it.
fn read(text: &str) -> Option<String> {
    let mut sources = SourceMap::default();
    let file = sources.add("t.yaml", text);
    let (document, mistakes) = yaml::parse(&sources, file);
    document.filter(|_| mistakes.is_empty()).map(|it| shown(&it.root))
}

#[test]
fn an_expression_is_read_as_it_is_written_or_refused() {
    let mut runner = TestRunner::new(cases(3000));
    let (n_read, n_refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (expression(), prop::sample::select(PLACES.to_vec()));
    let outcome = runner.run(&strategy, |(expression, (place, want))| {
        // `${` begins a hole, and what is behind it is text, in which a `#` may begin a comment.
        if expression.starts_with('{') || expr::parse(&expression).is_err() {
            return Ok(());
        }
        let text = place.replace('@', &format!("${expression}"));
        match read(&text) {
            Some(found) => {
                prop_assert_eq!(
                    found,
                    want.replace('@', &format!("{:?}", format!("${expression}"))),
                    "{}",
                    text
                );
                n_read.set(n_read.get() + 1);
            }
            None => n_refused.set(n_refused.get() + 1),
        }
        // In quotes nothing is cut.
        let quoted = place.replace('@', &format!("'{}'", format!("${expression}").replace('\'', "''")));
        let found = read(&quoted);
        prop_assert_eq!(
            found,
            Some(want.replace('@', &format!("{:?}", format!("${expression}")))),
            "{}",
            quoted
        );
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(
        n_read.get() > 100 && n_refused.get() > 100,
        "{n_read:?} read, {n_refused:?} refused"
    );
}

/// Numbers of YAML 1.1 (yaml.org/type) and of the core schema of YAML 1.2.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        "[-+]?0b[01_]+",
        "[-+]?0[0-7_]+",
        "[-+]?(0|[1-9][0-9_]*)",
        "[-+]?0x[0-9a-fA-F_]+",
        "[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?",
        r"[-+]?\.[0-9][0-9_]*([eE][-+][0-9]+)?",
        r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
        r"[-+]?\.(inf|Inf|INF)",
        r"\.(nan|NaN|NAN)",
        "[-+]?[0-9]+",
        "0o[0-7]+",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    ];
    Regex::new(&format!("^({})$", forms.join("|"))).unwrap()
});

/// A plain scalar as all versions of YAML and JSON read it; `None` where they differ.
fn agreed(text: &str) -> Option<String> {
    let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|it| it.is_number());
    let lower = text.to_ascii_lowercase();
    match text {
        "null" | "true" | "false" => Some(text.to_owned()),
        _ if is_json => Some(text.to_owned()),
        _ if ["null", "true", "false", "yes", "no", "on", "off", "~"].contains(&&*lower) => None,
        _ if NUMBER.is_match(text) => None,
        _ => Some(format!("{text:?}")),
    }
}

#[test]
fn a_plain_scalar_is_read_as_all_versions_of_yaml_read_it_or_refused() {
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "yes",
            "No",
            "ON",
            "off",
            "True",
            "NULL",
            "~",
            "010",
            "0x1F",
            "0o7",
            "1_000",
            "+1",
            ".5",
            "1.",
            ".inf",
            "-.INF",
            ".nan",
            "12:30",
            "1e5",
            "1.10",
            "-0",
            "1E+2",
            "null",
            "true",
            "12345678901234567890",
            "&a",
            "*a",
            "!b c",
            "!!str 5",
            "%x",
            "@x",
            "`x`",
            "$5",
            "US$5",
            "a#b",
            "a:b",
            "2026-01-01",
            "1.2.3",
            "0b11",
            "0",
            "=",
            "<<",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9+._~-]{1,5}",
        "[0-9._xXoOeE+-]{1,5}",
        "[a-z&*!%@`$=<][a-z&*!%@`$|>=<]{0,3}",
    ];
    let mut runner = TestRunner::new(cases(3000));
    let n_read = std::cell::Cell::new(0);
    let strategy = (scalar, prop::sample::select(PLACES.to_vec()));
    let outcome = runner.run(&strategy, |(scalar, (place, want))| {
        let text = place.replace('@', &scalar);
        if let Some(found) = read(&text) {
            let Some(agreed) = agreed(&scalar) else {
                return Err(TestCaseError::fail(format!("{text}is read as {found}")));
            };
            prop_assert_eq!(found, want.replace('@', &agreed), "{}", text);
            n_read.set(n_read.get() + 1);
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(n_read.get() > 500, "{n_read:?}");
}
