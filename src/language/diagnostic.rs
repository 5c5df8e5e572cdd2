//! Diagnostics: what is wrong with what was written, as data. Drawing them is [`render`]'s job.
//!
//! Owns the one list of [`codes`]. Leaves finding mistakes to the other modules.
//! Invariant: a diagnostic has a code of the list, a place, and a title that is true when read alone.

pub mod codes;
pub mod marker;
pub mod render;

use super::source::{Mistake, Span};

/// One mistake or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kebab-case, from [`codes`].
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The primary place.
    pub span: Span,
    /// One line, lower case, names in backticks, no full stop, true when read alone.
    pub title: String,
    /// What is at the primary place; may be empty.
    pub label: String,
    /// Other places, each with what is there.
    pub others: Vec<(Span, String)>,
    /// Text that the user can paste.
    pub help: Option<String>,
    /// "defined in descriptors/…:98".
    pub note: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Refused.
    Error,
    /// Accepted, and said.
    Warning,
}

/// Collects diagnostics; never stops at the first.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostic {
    /// A mistake. `code` must stand in [`codes::CODES`].
    pub fn new(code: &'static str, span: Span, title: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            title: title.into(),
            label: String::new(),
            others: Vec::new(),
            help: None,
            note: None,
        }
    }

    /// A warning. `code` must stand in [`codes::CODES`].
    pub fn warning(code: &'static str, span: Span, title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(code, span, title)
        }
    }

    /// Says what is at the primary place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.others.push((span, label.into()));
        self
    }

    /// Text that the user can paste.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where to read on.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl From<Mistake> for Diagnostic {
    fn from(mistake: Mistake) -> Self {
        Self {
            label: mistake.label,
            others: mistake.other.into_iter().collect(),
            help: mistake.help,
            ..Self::new(mistake.code, mistake.span, mistake.title)
        }
    }
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: impl Into<Diagnostic>) {
        self.list.push(diagnostic.into());
    }

    /// Adds those of another list.
    pub fn append(&mut self, mut other: Self) {
        self.list.append(&mut other.list);
    }

    /// Takes the errors out.
    pub fn take_errors(&mut self) -> Vec<Diagnostic> {
        self.list.extract_if(.., |it| it.severity == Severity::Error).collect()
    }

    /// All of them, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// True where at least one is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|it| it.severity == Severity::Error)
    }

    /// How many are errors.
    pub fn n_errors(&self) -> usize {
        self.list.iter().filter(|it| it.severity == Severity::Error).count()
    }

    /// How many there are; a later count that is equal means that nothing went wrong between.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True where nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorted by place, without duplicates, errors before warnings.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list
            .sort_by(|a, b| (a.severity, a.span, &a.title).cmp(&(b.severity, b.span, &b.title)));
        self.list.dedup();
        self.list
    }
}
