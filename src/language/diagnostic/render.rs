//! Diagnostics drawn: in full (rustc's form), concise (one line each), as JSON, and in the forms that other programs read.
//!
//! What stands in a file is shown as it was written, so that a secret that came from the environment never appears.
//! Titles, labels and help come from the diagnostics; nothing is added here but the places.

mod machine;

pub use self::machine::{github, sarif};

use annotate_snippets::{Annotation, AnnotationKind, Element, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, Severity};
use crate::language::source::{SourceMap, Span};

/// Whether the full form may use colours. They never carry meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Ansi,
    /// Plain text.
    #[default]
    Off,
}

/// Draws each diagnostic with its lines, as rustc does, an empty line between two. Ends with a line break where there is any.
pub fn full(diagnostics: &[Diagnostic], sources: &SourceMap, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Ansi => Renderer::styled().hyperlink(false),
        Colour::Off => Renderer::plain(),
    };
    let drawn: Vec<String> = diagnostics.iter().map(|it| draw(it, sources, &renderer)).collect();
    let mut text = drawn.join("\n\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// One line each: `path:line:column: error[code]: title`.
pub fn concise(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let line_of = |it: &Diagnostic| {
        let (line, column) = sources.position(it.span.file, it.span.start);
        let path = sources.path(it.span.file);
        let label = if it.label.starts_with("did you mean") {
            format!(" ({})", it.label)
        } else {
            String::new()
        };
        format!(
            "{path}:{line}:{column}: {}[{}]: {}{label}\n",
            it.severity.word(),
            it.code,
            it.title
        )
    };
    diagnostics.iter().map(line_of).collect()
}

/// An array of objects with `code severity file line column end_line end_column title label help note others`.
pub fn json(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let list: Vec<Value> = diagnostics
        .iter()
        .map(|it| {
            let mut object = place(it.span, sources);
            let others: Vec<Value> = it
                .others
                .iter()
                .map(|(span, label)| {
                    let mut other = place(*span, sources);
                    other["label"] = json!(label);
                    other
                })
                .collect();
            object["code"] = json!(it.code);
            object["severity"] = json!(it.severity.word());
            object["title"] = json!(it.title);
            object["label"] = json!(it.label);
            object["help"] = json!(it.help);
            object["note"] = json!(it.note);
            object["others"] = Value::Array(others);
            object
        })
        .collect();
    Value::Array(list).to_string()
}

fn place(span: Span, sources: &SourceMap) -> Value {
    let (line, column) = sources.position(span.file, span.start);
    let (end_line, end_column) = sources.position(span.file, span.end);
    json!({
        "file": sources.path(span.file),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

fn draw(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    let mut own = vec![annotation(
        AnnotationKind::Primary,
        diagnostic.span,
        &diagnostic.label,
        sources,
    )];
    let mut elsewhere: Vec<(Span, &str)> = Vec::new();
    for (span, label) in &diagnostic.others {
        if span.file == diagnostic.span.file {
            own.push(annotation(AnnotationKind::Context, *span, label, sources));
        } else {
            elsewhere.push((*span, label));
        }
    }
    elements.extend(snippet(diagnostic.span, own, sources));
    for (span, label) in elsewhere {
        let other = annotation(AnnotationKind::Context, span, label, sources);
        elements.extend(snippet(span, vec![other], sources));
    }
    if let Some(note) = &diagnostic.note {
        elements.push(Level::NOTE.no_name().message(note.as_str()).into());
    }
    if let Some(help) = &diagnostic.help {
        elements.push(Level::HELP.message(help.as_str()).into());
    }
    let group = level
        .primary_title(diagnostic.title.as_str())
        .id(diagnostic.code)
        .elements(elements);
    let drawn = renderer.render(&[group]);
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn annotation<'a>(kind: AnnotationKind, span: Span, label: &'a str, sources: &SourceMap) -> Annotation<'a> {
    let annotation = kind.span(visible(span, sources));
    if label.is_empty() {
        annotation
    } else {
        annotation.label(label)
    }
}

/// The bytes to underline: of a place with several lines only the first, so that a whole call does not fill the screen.
fn visible(span: Span, sources: &SourceMap) -> std::ops::Range<usize> {
    let written = sources.written(span);
    let first = written.split('\n').next().unwrap_or_default().trim_end();
    let start = span.start as usize;
    start..start + first.len()
}

fn snippet<'a>(span: Span, annotations: Vec<Annotation<'a>>, sources: &'a SourceMap) -> Option<Element<'a>> {
    let file = sources.file(span.file)?;
    let snippet = Snippet::source(&*file.text)
        .path(&*file.path)
        .fold(true)
        .annotations(annotations);
    Some(snippet.into())
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::language::source::FileIndex;

    const PAGE: &str = "\
endpoint: GET /p/{id}
calls:
  product: { grpc: shop.Catalog/Get, request: { id: $id } }
  price:
    grpc: shop.Prices/Get
    request: { from: $product.price }
";

    fn sources() -> (SourceMap, FileIndex) {
        let mut sources = SourceMap::default();
        let file = sources.add("compositions/product-page.yaml", PAGE);
        (sources, file)
    }

    fn at(file: FileIndex, needle: &str) -> Span {
        let start = PAGE.find(needle).unwrap();
        Span {
            file,
            start: u32::try_from(start).unwrap(),
            end: u32::try_from(start + needle.len()).unwrap(),
        }
    }

    fn unknown_field(file: FileIndex) -> Diagnostic {
        let mut span = at(file, "product.price");
        span.start += 8;
        Diagnostic::new("unknown-field", span, "`hipstershop.Product` has no field `price`")
            .label("did you mean `price_usd`?")
            .note("hipstershop.Product is defined in descriptors/hipstershop/demo.proto:98")
    }

    #[track_caller]
    fn check(diagnostics: &[Diagnostic], sources: &SourceMap, want: &Expect) {
        want.assert_eq(&full(diagnostics, sources, Colour::Off));
    }

    #[test]
    fn the_full_form_is_the_one_that_the_language_page_shows() {
        let (sources, file) = sources();
        check(
            &[unknown_field(file)],
            &sources,
            &expect![[r#"
            error[unknown-field]: `hipstershop.Product` has no field `price`
             --> compositions/product-page.yaml:6:31
              |
            6 |     request: { from: $product.price }
              |                               ^^^^^ did you mean `price_usd`?
              |
              = hipstershop.Product is defined in descriptors/hipstershop/demo.proto:98
        "#]],
        );
    }

    #[test]
    fn other_places_and_help_follow() {
        let (mut sources, file) = sources();
        let other_file = sources.add("weft.yaml", "vars: { product: 1 }\n");
        let other = Span {
            file: other_file,
            start: 8,
            end: 15,
        };
        let taken = Diagnostic::new("name-taken", at(file, "price:\n"), "the name `price` is taken")
            .label("taken here")
            .other(at(file, "product:"), "and here")
            .other(other, "and in another file")
            .help("call it `price_2`");
        let warning = Diagnostic::warning("unread-call", at(file, "product:"), "nothing reads `product`");
        check(
            &[taken, warning],
            &sources,
            &expect![[r#"
            error[name-taken]: the name `price` is taken
             --> compositions/product-page.yaml:4:3
              |
            3 |   product: { grpc: shop.Catalog/Get, request: { id: $id } }
              |   -------- and here
            4 |   price:
              |   ^^^^^^ taken here
              |
             ::: weft.yaml:1:9
              |
            1 | vars: { product: 1 }
              |         ------- and in another file
              |
              = help: call it `price_2`

            warning[unread-call]: nothing reads `product`
             --> compositions/product-page.yaml:3:3
              |
            3 |   product: { grpc: shop.Catalog/Get, request: { id: $id } }
              |   ^^^^^^^^
        "#]],
        );
    }

    #[test]
    fn a_mistake_without_a_file_is_its_title() {
        let sources = SourceMap::default();
        let missing = Diagnostic::new("missing-key", Span::default(), "a key is missing");
        check(
            &[missing],
            &sources,
            &expect![[r#"
            error[missing-key]: a key is missing
        "#]],
        );
    }

    #[test]
    fn the_concise_form_has_a_line_for_each() {
        let (sources, file) = sources();
        expect![[r#"
            compositions/product-page.yaml:6:31: error[unknown-field]: `hipstershop.Product` has no field `price` (did you mean `price_usd`?)
        "#]].assert_eq(&concise(&[unknown_field(file)], &sources));
    }

    #[test]
    fn the_json_form_has_every_part() {
        let (sources, file) = sources();
        expect![[r#"[{"file":"compositions/product-page.yaml","line":6,"column":31,"end_line":6,"end_column":36,"code":"unknown-field","severity":"error","title":"`hipstershop.Product` has no field `price`","label":"did you mean `price_usd`?","help":null,"note":"hipstershop.Product is defined in descriptors/hipstershop/demo.proto:98","others":[]}]"#]].assert_eq(&json(&[unknown_field(file)], &sources));
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let (sources, file) = sources();
        let coloured = full(&[unknown_field(file)], &sources, Colour::Ansi);
        assert!(coloured.contains('\u{1b}'));
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, behind)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = behind.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, full(&[unknown_field(file)], &sources, Colour::Off));
    }
}
