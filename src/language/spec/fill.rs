//! Text of literal-only places: `$$` undone, expressions refused, and in weft.yaml `${env.X}` and `${file.PATH}` filled in.
//!
//! Invariant: no message shows what was filled in, and what was filled in is never looked through again.

use std::path::Path;
use std::sync::Arc;

use super::reader::{Outside, Reader};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Span, Text};

impl Reader<'_> {
    /// Text of a literal-only place, `$$` undone and, in weft.yaml, filled in.
    pub(super) fn literal_text(&mut self, key: &str, text: &Text, span: Span) -> Option<(Arc<str>, bool)> {
        let value = &*text.value;
        if !value.contains('$') {
            return Some((text.value.clone(), false));
        }
        let mut filled = String::with_capacity(value.len());
        let mut is_filled_in = false;
        let mut at = 0;
        while let Some(found) = value.get(at..).and_then(|rest| rest.find('$')) {
            let dollar = at + found;
            filled.push_str(value.get(at..dollar)?);
            let behind = value.get(dollar + 1..)?;
            if behind.starts_with('$') {
                filled.push('$');
                at = dollar + 2;
            } else if behind.starts_with('{') {
                let Some(outside) = self.outside else {
                    return self.no_expression(key, text, dollar, span);
                };
                let Some(length) = behind.find('}') else {
                    let place = self.part(text, dollar, value.len());
                    let diagnostic = Diagnostic::new("unclosed-hole", place, "`${` is never closed");
                    self.push(diagnostic.help("for the two characters themselves write `$${`"));
                    return None;
                };
                let end = dollar + 1 + length + 1;
                let place = self.part(text, dollar, end);
                filled.push_str(&self.look_outside(outside, behind.get(1..length)?.trim(), place)?);
                is_filled_in = true;
                at = end;
            } else if dollar == 0 {
                return self.no_expression(key, text, 0, span);
            } else {
                filled.push('$');
                at = dollar + 1;
            }
        }
        filled.push_str(value.get(at..)?);
        Some((filled.into(), is_filled_in))
    }

    fn no_expression<T>(&mut self, key: &str, text: &Text, dollar: usize, span: Span) -> Option<T> {
        let place = if dollar == 0 {
            span
        } else {
            self.part(text, dollar, text.value.len())
        };
        let label = if self.outside.is_some() {
            "in weft.yaml only `${env.NAME}` and `${file.PATH}` are filled in; for a dollar write `$$`"
        } else {
            "it is read when the file is loaded; for a dollar write `$$`"
        };
        self.push(Diagnostic::new("no-expression-here", place, format!("`{key}` takes no expression")).label(label));
        None
    }

    fn look_outside(&mut self, outside: Outside<'_>, what: &str, place: Span) -> Option<String> {
        if let Some(name) = what.strip_prefix("env.") {
            if let Some(value) = (outside.env)(name) {
                return Some(value);
            }
            let title = format!("the environment variable `{name}` is not set");
            self.push(Diagnostic::new("unset-variable", place, title));
            return None;
        }
        if let Some(path) = what.strip_prefix("file.") {
            return match (outside.file)(Path::new(path)) {
                // Editors end a file with a line break that nobody means.
                Ok(text) => Some(
                    text.strip_suffix('\n')
                        .map_or(text.as_str(), |it| it.strip_suffix('\r').unwrap_or(it))
                        .to_owned(),
                ),
                Err(reason) => {
                    let title = format!("the file `{path}` cannot be read: {reason}");
                    self.push(Diagnostic::new("unreadable-file", place, title));
                    None
                }
            };
        }
        let diagnostic = Diagnostic::new("no-expression-here", place, "weft.yaml holds no expressions");
        self.push(diagnostic.label("only `${env.NAME}` and `${file.PATH}` are filled in; for a dollar write `$$`"));
        None
    }
}
