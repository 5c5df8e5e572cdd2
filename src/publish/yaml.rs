//! JSON values as YAML: block style, text quoted wherever some reader of YAML could take it for something else.

use serde_json::Value;

/// The text of a document.
///
/// ```
/// use serde_json::json;
/// use weft::publish::yaml;
///
/// let document = json!({ "openapi": "3.1.0", "tags": [{ "name": "on" }], "paths": {} });
/// assert_eq!(yaml::write(&document), "openapi: 3.1.0\ntags:\n  - name: \"on\"\npaths: {}\n");
/// ```
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, 0, false, &mut out),
        Value::Array(items) if !items.is_empty() => write_items(items, 0, &mut out),
        scalar => {
            write_scalar(scalar, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Members at a depth; the first stands behind a `- ` where `inline`.
fn write_members(members: &serde_json::Map<String, Value>, depth: usize, inline: bool, out: &mut String) {
    for (at, (name, value)) in members.iter().enumerate() {
        if !(inline && at == 0) {
            indent(depth, out);
        }
        write_text(name, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                write_members(inner, depth + 1, false, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                write_items(items, depth + 1, out);
            }
            scalar => {
                out.push(' ');
                write_scalar(scalar, depth + 1, out);
                out.push('\n');
            }
        }
    }
}

fn write_items(items: &[Value], depth: usize, out: &mut String) {
    for item in items {
        indent(depth, out);
        out.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => write_members(members, depth + 1, true, out),
            // A list in a list is rare, and its flow form is JSON.
            Value::Array(_) => {
                out.push_str(&item.to_string());
                out.push('\n');
            }
            scalar => {
                write_scalar(scalar, depth + 1, out);
                out.push('\n');
            }
        }
    }
}

fn write_scalar(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::String(text) if is_block(text) => {
            out.push_str("|-");
            for line in text.lines() {
                out.push('\n');
                if !line.is_empty() {
                    indent(depth, out);
                    out.push_str(line);
                }
            }
        }
        Value::String(text) => write_text(text, out),
        // What is not text is JSON, which YAML reads as it is.
        other => out.push_str(&other.to_string()),
    }
}

/// Text of several lines that a literal block keeps as it is.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with('\n')
        && !text.starts_with([' ', '\n'])
        && text.chars().all(|it| it == '\n' || !it.is_control())
        && text.lines().all(|it| !it.ends_with(' '))
}

/// One line: plain where no YAML reads anything else in it, else as JSON.
fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let first = text.starts_with(|it: char| it.is_ascii_alphabetic() || matches!(it, '/' | '$' | '_' | '(' | '^'));
    let version = text.split('.').count() == 3 && text.chars().all(|it| it.is_ascii_digit() || it == '.');
    (first || version)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && text
            .chars()
            .all(|it| !it.is_control() && !matches!(it, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
}
