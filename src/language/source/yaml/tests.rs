//! Tests of how YAML is read.

use super::*;

fn read(text: &str) -> (SourceMap, Option<Document>, Vec<Mistake>) {
    let mut sources = SourceMap::default();
    let file = sources.add("t.yaml", text);
    let (document, mistakes) = parse(&sources, file);
    (sources, document, mistakes)
}

#[track_caller]
fn refuses(text: &str, want: &[(&str, &str, &str)]) {
    let (sources, _, mistakes) = read(text);
    let got: Vec<(&str, &str, &str)> = mistakes
        .iter()
        .map(|it| {
            (
                it.code,
                sources.written(it.span),
                it.help.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(got, want, "{text}");
}

/// A node as compact text: `{key: value}`, `[…]`, text in quotes, numbers and words bare.
fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Bool(it) => it.to_string(),
        NodeKind::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        NodeKind::Map(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", key.value, show(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        NodeKind::Null => "null".to_owned(),
        NodeKind::Number(digits) => digits.to_string(),
        NodeKind::Text(text) => format!("{:?}", text.value),
        NodeKind::Unknown => "?".to_owned(),
    }
}

#[track_caller]
fn reads(text: &str, want: &str) {
    let (_, document, mistakes) = read(text);
    assert_eq!(mistakes, [], "{text}");
    assert_eq!(show(&document.unwrap().root), want, "{text}");
}

#[test]
fn yaml_is_read_by_notation() {
    reads(
        "a: null\nb: true\nc: 1.10\nd: 12345678901234567890\ne: EUR",
        r#"{a: null, b: true, c: 1.10, d: 12345678901234567890, e: "EUR"}"#,
    );
    reads(
        "a: 'null'\nb: \"010\"\nc: |\n  5\n",
        r#"{a: "null", b: "010", c: "5\n"}"#,
    );
    reads("on: 1\n1: 2\ny: 3\nnull: 4\n", "{on: 1, 1: 2, y: 3, null: 4}");
    reads(
        "{\"a\": [1, \"b\", {\"c\": null}], \"d\": false}",
        r#"{a: [1, "b", {c: null}], d: false}"#,
    );
    reads("{\n\t\"a\": 1\n}", "{a: 1}");
    reads("when: $!x && y", r#"{when: "$!x && y"}"#);
    reads("when: $\"x\" in y", r#"{when: "$\"x\" in y"}"#);
    reads("a: >-\n  $x\n  ? 1 : 2\n", r#"{a: "$x ? 1 : 2"}"#);
    reads(
        "...: $a\n$for: r in $l\n$if: $x\n$value: 1\n$$ref: 2\nUS$5: 1\n",
        r#"{...: "$a", $for: "r in $l", $if: "$x", $value: 1, $$ref: 2, US$5: 1}"#,
    );
    reads(
        "date: 2026-01-01\naddress: 127.0.0.1:8080",
        r#"{date: "2026-01-01", address: "127.0.0.1:8080"}"#,
    );
    reads("\u{feff}a: 1", "{a: 1}");
    reads("a: {}\nb: []\n", "{a: {}, b: []}");
    reads("a: $x == 'y' # why\n", r#"{a: "$x == 'y'"}"#);
}

#[test]
fn what_yaml_versions_read_differently_is_refused() {
    refuses(
        "country: NO",
        &[("ambiguous-scalar", "NO", "false, or \"NO\" for the text")],
    );
    refuses("zip: 010", &[("ambiguous-scalar", "010", "\"010\"")]);
    refuses(
        "a: ~\nb: [yes, 0x1F]",
        &[
            ("ambiguous-scalar", "~", "null, or \"~\" for the text"),
            ("ambiguous-scalar", "yes", "true, or \"yes\" for the text"),
            ("ambiguous-scalar", "0x1F", "\"0x1F\""),
        ],
    );
    refuses("a:\nb: 1", &[("empty-value", "", "null")]);
    refuses("- \n- a", &[("empty-value", "", "null")]);
    refuses("", &[("empty-file", "", "")]);
    refuses("# only a comment\n", &[("empty-file", "", "")]);
}

#[test]
fn what_yaml_adds_to_json_is_refused_with_advice() {
    refuses(
        "when: !x && y",
        &[(
            "yaml-tag",
            "!x",
            "for an expression write `$!x && y`, for text \"!x && y\"",
        )],
    );
    refuses(
        "when: !x",
        &[("yaml-tag", "!x", "for an expression write `$!x`, for text \"!x\"")],
    );
    refuses(
        "a: !!str 5",
        &[("yaml-tag", "!!str", "leave it out, or quote the value: \"5\"")],
    );
    refuses(
        "a: &a 1",
        &[("yaml-anchor", "&a", "leave it out, or quote the value: \"&a 1\"")],
    );
    refuses(
        "a: *b",
        &[("yaml-alias", "*b", "write the value out, or quote it: \"*b\"")],
    );
    refuses("a: {b: 1}\n<<: {c: 1}", &[("yaml-merge", "<<", "...: $name")]);
    refuses(
        "a: 1\n---\nb: 2",
        &[("yaml-documents", "---", "move it to a file of its own")],
    );
    refuses("a: 1\nb: 2\na: 3", &[("duplicate-key", "a", "")]);
    refuses("{ ...: $a, ...: $b }", &[("duplicate-key", "...", "...: [$a, $b]")]);
    refuses("? [a]\n: 2", &[("bad-key", "[a]", "")]);
    refuses(": 2", &[("bad-key", "", "")]);
    refuses("%YAML 1.1\n---\na: 1", &[("yaml-syntax", "%", "")]);
}

#[test]
fn keys_are_never_expressions() {
    refuses("\"$ref\": 1", &[("bad-key", "\"$ref\"", "$$ref")]);
    refuses("\"${k}\": 1", &[("bad-key", "\"${k}\"", "$${k}")]);
    refuses("a${k}: 1", &[("bad-key", "a${k}", "a$${k}")]);
    refuses("$product.name: 1", &[("bad-key", "$product.name", "$$product.name")]);
}

#[test]
fn expressions_cut_by_yaml_are_found() {
    refuses(
        "a: { ids: $l.map(r, r.id) }",
        &[("cut-by-yaml", "$l.map(r", "quote the whole value: \"$l.map(r, r.id)\"")],
    );
    refuses(
        "a: $l.filter(r, r.k == ' #1')",
        &[(
            "cut-by-yaml",
            "$l.filter(r, r.k == '",
            "quote the whole value: \"$l.filter(r, r.k == ' #1')\"",
        )],
    );
    refuses(
        "a: { w: $f(x, y), b: ~ }",
        &[
            ("cut-by-yaml", "$f(x", "quote the whole value: \"$f(x, y)\""),
            ("ambiguous-scalar", "~", "null, or \"~\" for the text"),
        ],
    );
    refuses(
        "a: [$c ? 1 : 2, 3]",
        &[("cut-by-yaml", "$c ? 1", "quote the whole value: \"$c ? 1 : 2\"")],
    );
    refuses(
        "a: $x ? 1 : 2",
        &[("yaml-syntax", ":", "quote the whole value: \"$x ? 1 : 2\"")],
    );
    refuses(
        "a: { a: $l[0] }",
        &[("yaml-syntax", "[", "quote the whole value: \"$l[0]\"")],
    );
    refuses(
        "a: { a: ${id}, b: 1 }",
        &[("yaml-syntax", "{", "quote the whole value: \"${id}\"")],
    );
    refuses(
        "a: { http: GET recs:/a/${id}/b }",
        &[("yaml-syntax", "{", "quote the whole value: \"GET recs:/a/${id}/b\"")],
    );
    refuses(
        "a: { for: x in $l.take(1, 2) }",
        &[(
            "cut-by-yaml",
            "x in $l.take(1",
            "quote the whole value: \"x in $l.take(1, 2)\"",
        )],
    );
}

#[test]
fn a_file_over_a_mebibyte_is_refused() {
    refuses(&format!("a: {}", "x".repeat(MAX_BYTES)), &[("file-too-large", "", "")]);
}

#[test]
fn deep_nesting_is_refused() {
    let (_, document, mistakes) = read(&"[".repeat(100_000));
    assert!(document.is_none());
    assert_eq!(mistakes.len(), 1);
}

#[test]
fn a_span_holds_the_bytes_of_the_file() {
    /// Looks for `needle` in the only text of `source` and compares the source at its place with `want`.
    #[track_caller]
    fn check(source: &str, needle: &str, want: &str) {
        let (sources, document, mistakes) = read(source);
        assert_eq!(mistakes, [], "{source}");
        let document = document.unwrap();
        let NodeKind::Map(members) = &document.root.kind else {
            panic!("not a map: {source}")
        };
        let NodeKind::Text(text) = &members[0].1.kind else {
            panic!("not text: {source}")
        };
        let start = text
            .value
            .find(needle)
            .unwrap_or_else(|| panic!("{needle:?} is not in {:?}", text.value));
        let span = text.span(document.file, offset(start), offset(start + needle.len()));
        assert_eq!(sources.written(span), want, "{source}");
    }
    check("a: $x.foo", "foo", "foo");
    check("a: é $x.foo # c", "$x.foo", "$x.foo");
    check("a: one\n   two $x\n\n   three\nb: 1", "$x", "$x");
    check("a: one\n   two $x\n\n   three\nb: 1", "three", "three");
    check("a: one\n   two", "one", "one");
    check("a: one\n   two", "one two", "one\n   two");
    check("a: 'it''s $x.foo'", "$x.foo", "$x.foo");
    check("a: 'it''s $x'", "it's", "it''s");
    check("a: 'one\n\n  $x two'", "$x two", "$x two");
    check("a: \"tab\\t$x \\u00e9 $y\"", "$y", "$y");
    check("a: \"tab\\t$x \\u00e9 $y\"", "é", "\\u00e9");
    check("a: \"q\\\"$x\\\"\"", "\"$x\"", "\\\"$x\\\"");
    check("a: \"\\uD834\\uDD1E $x\"", "$x", "$x");
    check("a: \"one \\\n   two $x\"", "two $x", "two $x");
    check("a: \"one  \n   two $x\"", "one two", "one  \n   two");
    check("a: |\n  one\n    two $x\n\n  three\n", "$x\n\nthree", "$x\n\n  three");
    check("a: |\n  one\n    two $x\n\n  three\n", "two", "two");
    check("a: |+\n\n  $x\n\n", "$x", "$x");
    check("a: |2\n   $x\n", "$x", "$x");
    check("a: >\n  one\n  two $x\n\n  three\n    more\n  four\n", "$x", "$x");
    check(
        "a: >\n  one\n  two $x\n\n  three\n    more\n  four\n",
        "three\n  more\nfour",
        "three\n    more\n  four",
    );
    check("a: >-\n  $x\n  ? 1 : 2\n", "$x ? 1 : 2", "$x\n  ? 1 : 2");
    check("a: >-\r\n  $x\r\n  ? 1 : 2\r\n", "? 1", "? 1");
}
