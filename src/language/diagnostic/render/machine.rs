//! Diagnostics for other programs: workflow commands of GitHub, and SARIF 2.1.0 (OASIS).
//!
//! Columns count characters, from 1.

use serde_json::{Value, json};

use crate::language::diagnostic::{Diagnostic, Severity, codes};
use crate::language::source::{SourceMap, Span};

/// One line each that GitHub shows beside the line of the file:
/// `::error file=…,line=…,col=…,endLine=…,endColumn=…,title=code::title%0Ahelp`.
pub fn github(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let line_of = |it: &Diagnostic| {
        let ((line, column), (end_line, end_column)) = ends(it.span, sources);
        let said = said(it);
        format!(
            "::{} file={},line={line},col={column},endLine={end_line},endColumn={end_column},title={}::{}\n",
            it.severity.word(),
            property(sources.path(it.span.file)),
            it.code,
            message(&said),
        )
    };
    diagnostics.iter().map(line_of).collect()
}

/// A SARIF log with one run; each code that was found is a rule with its page.
pub fn sarif(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let mut found: Vec<&codes::Code> = diagnostics.iter().filter_map(|it| codes::find(it.code)).collect();
    found.sort_by_key(|it| it.code);
    found.dedup_by_key(|it| it.code);
    let rules: Vec<Value> = found
        .iter()
        .map(|it| {
            json!({
                "id": it.code,
                "shortDescription": { "text": it.summary },
                "fullDescription": { "text": it.explanation },
                "help": {
                    "text": it.explanation,
                    "markdown": codes::page(it.code).unwrap_or(it.explanation),
                },
            })
        })
        .collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|it| {
            let others: Vec<Value> = it
                .others
                .iter()
                .map(|(span, label)| {
                    let mut other = location(*span, sources);
                    other["message"] = json!({ "text": label });
                    other
                })
                .collect();
            let mut result = json!({
                "ruleId": it.code,
                "level": match it.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                "message": { "text": said(it) },
                "locations": [location(it.span, sources)],
            });
            if !others.is_empty() {
                result["relatedLocations"] = Value::Array(others);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "weft", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
    .to_string()
}

/// The title, and what else is said of it.
fn said(it: &Diagnostic) -> String {
    let mut said = it.title.clone();
    for more in [Some(&it.label).filter(|it| !it.is_empty()), it.note.as_ref()]
        .into_iter()
        .flatten()
    {
        said.push_str("; ");
        said.push_str(more);
    }
    if let Some(help) = &it.help {
        said.push_str("\nhelp: ");
        said.push_str(help);
    }
    said
}

fn location(span: Span, sources: &SourceMap) -> Value {
    let ((line, column), (end_line, end_column)) = ends(span, sources);
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(sources.path(span.file)) },
            "region": {
                "startLine": line,
                "startColumn": column,
                "endLine": end_line,
                "endColumn": end_column,
            },
        },
    })
}

fn ends(span: Span, sources: &SourceMap) -> ((u32, u32), (u32, u32)) {
    (
        sources.position(span.file, span.start),
        sources.position(span.file, span.end),
    )
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(path, RESERVED).to_string()
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::source::FileIndex;

    fn found() -> (SourceMap, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let file = sources.add("pages/a, b.yaml", "endpoint: GET /p\ncalls: { ä: $b }\n");
        let at = |file: FileIndex, start, end| Span { file, start, end };
        let wrong = Diagnostic::new("bad-name", at(file, 26, 28), "`ä` is not 100% a name")
            .label("letters")
            .other(at(file, 0, 8), "in this endpoint")
            .help("a");
        let warning = Diagnostic::warning("never-null", at(file, 31, 32), "`b` is never null");
        (sources, vec![wrong, warning])
    }

    #[test]
    fn lines_for_github_hold_their_breaks_and_signs() {
        let (sources, found) = found();
        assert_eq!(
            github(&found, &sources),
            "::error file=pages/a%2C b.yaml,line=2,col=10,endLine=2,endColumn=11,title=bad-name::\
             `ä` is not 100%25 a name; letters%0Ahelp: a\n\
             ::warning file=pages/a%2C b.yaml,line=2,col=14,endLine=2,endColumn=15,title=never-null::`b` is never null\n"
        );
    }

    #[test]
    fn sarif_has_a_rule_for_each_code_and_every_place() {
        let (sources, found) = found();
        let log: Value = serde_json::from_str(&sarif(&found, &sources)).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let ids: Vec<_> = run["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        assert_eq!(ids, ["bad-name", "never-null"]);
        let first = &run["results"][0];
        assert_eq!(
            (&first["ruleId"], &first["level"]),
            (&json!("bad-name"), &json!("error"))
        );
        assert_eq!(first["message"]["text"], "`ä` is not 100% a name; letters\nhelp: a");
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "pages/a%2C%20b.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 2, "startColumn": 10, "endLine": 2, "endColumn": 11 })
        );
        assert_eq!(first["relatedLocations"][0]["message"]["text"], "in this endpoint");
        assert!(run["results"][1].get("relatedLocations").is_none());
    }
}
