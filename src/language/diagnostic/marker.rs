//! Marked files: a comment `# error: [code]` or `# warning: [code]` on the line where a diagnostic is expected.
//!
//! Fixtures and `weft test` compare what was found with what is marked. A file without a marker has to be clean.

use super::{Diagnostic, Severity};
use crate::language::source::{FileIndex, SourceMap};

/// Compares the diagnostics of one file with its markers. The error lists what is missing and what nobody marked.
pub fn compare(sources: &SourceMap, file: FileIndex, diagnostics: &[Diagnostic]) -> Result<(), String> {
    let text = sources.file(file).map_or("", |it| &*it.text);
    let mut wanted: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        wanted.extend(markers(line).into_iter().map(|it| (number, it)));
    }
    let mut report: Vec<String> = Vec::new();
    for it in diagnostics {
        let (line, _) = sources.position(it.span.file, it.span.start);
        let found = marker(it.severity, it.code);
        let at = wanted
            .iter()
            .position(|(number, want)| it.span.file == file && *number == line && *want == found);
        if let Some(at) = at {
            wanted.remove(at);
        } else {
            report.push(format!("line {line}: not marked: {found} {}", it.title));
        }
    }
    for (line, want) in wanted {
        report.push(format!("line {line}: not found: {want}"));
    }
    if report.is_empty() {
        Ok(())
    } else {
        Err(report.join(
            "
",
        ))
    }
}

fn marker(severity: Severity, code: &str) -> String {
    format!("{}: [{code}]", severity.word())
}

/// The markers of a line; one comment may hold several codes: `# error: [a] [b]`.
fn markers(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for severity in [Severity::Error, Severity::Warning] {
        let Some((_, codes)) = line.split_once(&format!("# {}: [", severity.word())) else {
            continue;
        };
        let codes = codes.split("# ").next().unwrap_or_default();
        found.extend(
            codes
                .split('[')
                .filter_map(|it| it.split_once(']'))
                .map(|(code, _)| marker(severity, code)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::source::Span;

    #[test]
    fn markers_are_compared_by_line_and_code() {
        let mut sources = SourceMap::default();
        let file = sources.add("t.yaml", "a: 1\nb: 2 # error: [syntax] [cycle]\n");
        let on = |start, code| {
            Diagnostic::new(
                code,
                Span {
                    file,
                    start,
                    end: start + 1,
                },
                "x",
            )
        };
        assert_eq!(compare(&sources, file, &[on(5, "syntax"), on(6, "cycle")]), Ok(()));
        let report = compare(&sources, file, &[on(0, "syntax"), on(5, "cycle")]).unwrap_err();
        assert_eq!(
            report,
            "line 1: not marked: error: [syntax] x\nline 2: not found: error: [syntax]"
        );
    }
}
