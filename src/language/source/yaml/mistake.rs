//! What is said of text that is not YAML, or that YAML reads as something else than was meant.
//!
//! Invariant: one slip is reported once: what YAML makes of the rest of an expression that it cut means nothing.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, ScalarStyle, ScanError, StructureStyle};

use super::super::cut::{self, Stop};
use super::super::{Mistake, Span, Spanned, offset};
use super::Builder;

impl Builder<'_> {
    pub(super) fn tag(&mut self, tag: Option<&Range<usize>>, value: &Range<usize>) -> bool {
        let Some(tag) = tag else { return false };
        let written = self.slice(tag);
        let help = if written.starts_with("!!") || written.starts_with("!<") {
            format!("leave it out, or quote the value: {}", cut::quoted(self.slice(value)))
        } else {
            let (meant, _) = cut::plain(self.text, tag.start, self.stop(self.at));
            format!("for an expression write `${meant}`, for text {}", cut::quoted(&meant))
        };
        let mistake = Mistake::new("yaml-tag", self.span(tag.clone()), "YAML tags are not read")
            .label("a tag, because the value begins with `!`")
            .help(help);
        self.mistakes.push(mistake);
        true
    }

    /// Steps over an anchor's event, which follows the node that it names.
    pub(super) fn anchor(&mut self, was_reported: bool) {
        let Some((Event::Anchor(..), range, _)) = self.events.get(self.at) else {
            return;
        };
        self.at += 1;
        if was_reported {
            return;
        }
        let mistake = Mistake::new("yaml-anchor", self.span(range.clone()), "YAML anchors are not read")
            .label("an anchor, because the value begins with `&`")
            .help(format!(
                "leave it out, or quote the value: {}",
                cut::meant(self.text, range.start, self.stop(self.at)).0
            ));
        self.mistakes.push(mistake);
    }

    pub(super) fn cut_by_yaml(&mut self, start: usize, span: Span) {
        if self.is_debris(span) {
            return;
        }
        let (meant, end) = cut::meant(self.text, start, self.stop(self.at));
        // A missing value is spotted as far behind as the sign that ends it.
        let rest = self.text.get(end..).unwrap_or_default();
        let closing = end + rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.debris.push(span.end..offset(closing + 1));
        let mistake = Mistake::new("cut-by-yaml", span, "YAML ends this expression early")
            .label("as YAML reads it, the value is only this")
            .help(format!("quote the whole value: {meant}"));
        self.mistakes.push(mistake);
    }

    pub(super) fn is_debris(&self, span: Span) -> bool {
        self.debris.iter().any(|it| it.contains(&span.start))
    }

    /// Takes back what was said about the rest of expressions that were cut.
    pub(super) fn forget_debris(&mut self) {
        let debris = std::mem::take(&mut self.debris);
        self.mistakes
            .retain(|mistake| !debris.iter().any(|it| it.contains(&mistake.span.start)));
    }

    /// What ends a value at an event: it matters whether a flow collection is open there.
    pub(super) fn stop(&self, at: usize) -> Stop {
        let mut n_flow = 0_usize;
        let mut open = Vec::new();
        for (event, ..) in self.events.iter().take(at) {
            match event {
                Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                    open.push(*style);
                    n_flow += usize::from(*style == StructureStyle::Flow);
                }
                Event::SequenceEnd | Event::MappingEnd if open.pop() == Some(StructureStyle::Flow) => {
                    n_flow = n_flow.saturating_sub(1);
                }
                _ => {}
            }
        }
        if n_flow > 0 { Stop::Flow } else { Stop::Block }
    }

    pub(super) fn duplicate(&mut self, key: &Spanned<Arc<str>>, first: Span) {
        let mut mistake = Mistake::new(
            "duplicate-key",
            key.span,
            format!("the key `{}` stands twice in this map", key.value),
        )
        .other(first, "it stands here first");
        if &*key.value == "..." {
            mistake = mistake.help("...: [$a, $b]");
        }
        self.mistakes.push(mistake);
    }

    pub(super) fn syntax_error(&mut self, error: &ScanError) {
        let at = error
            .marker()
            .byte_offset()
            .unwrap_or(self.text.len())
            .min(self.text.len());
        let line_start = self
            .text
            .get(..at)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |found| found + 1);
        let on_line = |mistake: &Mistake| mistake.code == "cut-by-yaml" && mistake.span.start as usize >= line_start;
        if self.mistakes.iter().any(on_line) {
            return;
        }
        // What was found behind the last sound place may be wrong only because of this.
        let width = self
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, |it| if it == '\n' { 0 } else { it.len_utf8() });
        let mut mistake = Mistake::new(
            "yaml-syntax",
            self.span(at..at + width),
            format!("not YAML: {}", error.info()),
        );
        if self.is_too_deep(at, line_start, error.kind()) {
            mistake = mistake.label("this line stands deeper than the one above, which has its value already");
        } else if error.info().contains("tab") {
            mistake = mistake.help("indent with spaces");
        } else if let Some(meant) = self.meant_before(at) {
            mistake = mistake.help(format!("quote the whole value: {meant}"));
        } else if self.rest_of_line(line_start).contains('$') {
            mistake = mistake.help("quote the whole value");
        } else if matches!(
            error.kind(),
            ErrorKind::UnexpectedCharacter { .. } | ErrorKind::MappingValueNotAllowed
        ) {
            mistake = mistake.help("quote the value");
        }
        self.mistakes.push(mistake);
    }

    /// Whether a key is refused because its line is indented too far.
    fn is_too_deep(&self, at: usize, line_start: usize, kind: &ErrorKind) -> bool {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let line = self.text.get(line_start..at).unwrap_or_default();
        let before = self.text.get(..line_start).unwrap_or_default();
        let above = before
            .lines()
            .rev()
            .find(|it| !it.trim().is_empty() && !it.trim_start().starts_with('#'));
        let is_key = line
            .trim()
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        matches!(kind, ErrorKind::MappingValueNotAllowed)
            && is_key
            && above.is_some_and(|it| indent(it) < indent(line) && !it.trim_end().ends_with(':'))
    }

    /// The value that was meant, where a plain scalar with a dollar ends right before a syntax error.
    pub(super) fn meant_before(&self, at: usize) -> Option<String> {
        let (Event::Scalar(value, ScalarStyle::Plain, ..), range, _) = self.events.last()? else {
            return None;
        };
        let between = self.text.get(range.end..at)?;
        let stop = self.stop(self.events.len());
        (value.contains('$') && between.trim().is_empty()).then(|| cut::meant(self.text, range.start, stop).0)
    }
}

// === impl Mistake ===

impl Mistake {
    pub(super) fn new(code: &'static str, span: Span, title: impl Into<String>) -> Self {
        Self {
            code,
            span,
            title: title.into(),
            label: String::new(),
            other: None,
            help: None,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
