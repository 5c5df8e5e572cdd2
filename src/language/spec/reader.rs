//! Reads nodes as what their keys hold, and says what is wrong where they do not.
//!
//! Owns scalars and maps with known keys; templates and expressions are `template`'s. In weft.yaml it fills `${env.X}` and
//! `${file.PATH}` in. Invariant: messages show values as they are written in the file, never what they were filled in with.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{self, Availability, Place};
use super::{Literal, Name, scalar};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{FileIndex, Node, NodeKind, SourceMap, Span, Spanned, Text};
use crate::schema::suggest::{did_you_mean, nearest, question};

/// What lies outside the files: only weft.yaml may look there.
#[derive(Clone, Copy)]
pub struct Outside<'o> {
    /// The value of an environment variable.
    pub env: &'o dyn Fn(&str) -> Option<String>,
    /// The text of a file; `${file.PATH}` is given as a path from the folder of the gateway file. The error is one sentence.
    pub file: &'o dyn Fn(&Path) -> Result<String, String>,
}

impl std::fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// Reads the nodes of one file.
pub(super) struct Reader<'r> {
    pub(super) sources: &'r SourceMap,
    pub(super) file: FileIndex,
    pub(super) diagnostics: &'r mut Diagnostics,
    /// `Some` in weft.yaml.
    pub(super) outside: Option<Outside<'r>>,
    /// How deep the template is that is being read.
    pub(super) depth: usize,
}

/// The members of a map whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    pub(super) span: Span,
    /// By the names that they have, or that were meant.
    members: Vec<(&'n str, Member<'n>)>,
}

/// An entry of a map.
pub(super) type Entry = (Spanned<Arc<str>>, Node);

/// A key and its value.
pub(super) type Member<'n> = (&'n Spanned<Arc<str>>, &'n Node);

/// A scalar of a literal-only place.
enum Scalar {
    Bool(bool),
    /// A list or a map.
    Collection,
    Null,
    Number(Arc<str>),
    Text {
        value: Arc<str>,
        /// Something in it came from outside, so that digits may be meant as a number.
        is_filled_in: bool,
    },
}

const ZERO: &str = "is more than zero here";

/// A duration that may be nothing, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zero {
    Allow,
    Refuse,
}

// === impl Fields ===

impl<'n> Fields<'n> {
    /// Takes a key's value out.
    pub(super) fn take(&mut self, name: &str) -> Option<Member<'n>> {
        debug_assert!(
            keys::find(name, self.place).is_some_and(|it| it.availability == Availability::Now),
            "`{name}` is not a key of {}",
            self.place.words()
        );
        let at = self.members.iter().position(|it| it.0 == name)?;
        Some(self.members.remove(at).1)
    }

    /// The value of a key that this place may not have.
    pub(super) fn take_if_any(&mut self, name: &str) -> Option<&'n Node> {
        let at = self.members.iter().position(|it| it.0 == name)?;
        Some(self.members.remove(at).1.1)
    }

    /// A key that is still there, and its value.
    pub(super) fn member(&self, name: &str) -> Option<Member<'n>> {
        self.members.iter().find(|it| it.0 == name).map(|it| it.1)
    }

    /// What stands at one key is meant for another.
    pub(super) fn rename(&mut self, from: &str, to: &'static str) {
        for (name, _) in &mut self.members {
            if *name == from {
                *name = to;
            }
        }
    }

    /// The keys that are still there.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'n Spanned<Arc<str>>> + '_ {
        self.members.iter().map(|it| it.1.0)
    }

    /// Whether a key is still there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|it| it.0 == name)
    }

    /// The key that is still there.
    pub(super) fn key(&self, name: &str) -> Option<&'n Spanned<Arc<str>>> {
        self.member(name).map(|it| it.0)
    }

    /// Every key was taken: nothing is read and then ignored.
    pub(super) fn finish(self) {
        debug_assert!(
            self.members.is_empty(),
            "unread keys of {}: {:?}",
            self.place.words(),
            self.members
        );
    }
}

// === impl Reader ===

impl Reader<'_> {
    pub(super) fn push(&mut self, diagnostic: impl Into<Diagnostic>) {
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn error(&mut self, code: &'static str, span: Span, title: impl Into<String>) {
        self.push(Diagnostic::new(code, span, title));
    }

    /// The text at a place as it was written.
    pub(super) fn written(&self, span: Span) -> &str {
        self.sources.written(span)
    }

    /// The place of a part of a text.
    pub(super) fn part(&self, text: &Text, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        text.span(self.file, offset(start), offset(end))
    }

    /// A map with the keys of a place: unknown keys and those of later versions are said and left out.
    pub(super) fn fields<'n>(&mut self, key: &str, node: &'n Node, place: Place) -> Option<Fields<'n>> {
        let members = self.map(key, node)?;
        Some(self.fields_of(node.span, members.iter().map(|(key, value)| (key, value)), place))
    }

    pub(super) fn fields_of<'n>(
        &mut self,
        span: Span,
        members: impl Iterator<Item = Member<'n>>,
        place: Place,
    ) -> Fields<'n> {
        let mut fields = Fields {
            place,
            span,
            members: Vec::new(),
        };
        let mut meant = Vec::new();
        for (key, value) in members {
            match keys::find(&key.value, place) {
                Some(known) if known.availability == Availability::Now => {
                    fields.members.push((known.name, (key, value)));
                }
                Some(_) => self.not_yet(key),
                None => meant.extend(self.unknown_key(key, place).map(|it| (it, (key, value)))),
            }
        }
        // What is missing only because of its name would be said again wherever it is mentioned.
        for (name, member) in meant {
            if matches!(member.1.kind, NodeKind::List(_) | NodeKind::Map(_)) && !fields.has(name) {
                fields.members.push((name, member));
            }
        }
        fields
    }

    /// A key of a later version.
    pub(super) fn not_yet(&mut self, key: &Spanned<Arc<str>>) {
        let title = format!("`{}` is not available in this version", key.value);
        self.error("not-yet", key.span, title);
    }

    /// Says that there is no such key; gives the one that was probably meant.
    fn unknown_key(&mut self, key: &Spanned<Arc<str>>, place: Place) -> Option<&'static str> {
        let name = &*key.value;
        let others: Vec<&str> = Place::CALLS
            .iter()
            .filter(|it| Place::CALLS.contains(&place) && keys::find(name, **it).is_some())
            .map(|it| it.words())
            .collect();
        if !others.is_empty() {
            let title = format!("`{name}` cannot stand in {}", place.words());
            let instead = match place {
                Place::CallGrpc if matches!(name, "body" | "query") => "; what a `grpc:` call sends is its `request`",
                Place::CallHttp if name == "request" => "; what an `http:` call sends is its `query` and its `body`",
                _ => "",
            };
            let label = format!("it belongs to {}{instead}", others.join(" or "));
            self.push(Diagnostic::new("misplaced-key", key.span, title).label(label));
            return None;
        }
        let habit = keys::of_habit(name).filter(|it| keys::find(it, place).is_some());
        let meant = habit.or_else(|| nearest(name, keys::names(place)));
        let label = match place {
            Place::Param if name == "required" => "a param without `default` and `optional` is".to_owned(),
            _ => question(meant),
        };
        let title = format!("{} has no key `{name}`", place.words());
        let mut diagnostic = Diagnostic::new("unknown-key", key.span, title).label(label);
        if diagnostic.label.is_empty() {
            let known: Vec<&str> = keys::names(place).collect();
            diagnostic = diagnostic.note(format!("its keys are {}", known.join(", ")));
        }
        self.push(diagnostic);
        meant
    }

    /// The value of a key that is needed; `span` is what lacks it.
    pub(super) fn required<'n>(&mut self, fields: &mut Fields<'n>, key: &str, span: Span) -> Option<&'n Node> {
        if let Some((_, node)) = fields.take(key) {
            return Some(node);
        }
        let title = format!("{} needs `{key}`", fields.place.words());
        let mut diagnostic = Diagnostic::new("missing-key", span, title);
        diagnostic.note = keys::find(key, fields.place).map(|it| it.doc.to_owned());
        self.push(diagnostic);
        None
    }

    // === kinds of nodes ===

    /// The node is something else than what the key holds.
    pub(super) fn wrong(&mut self, key: &str, node: &Node, wanted: &str) {
        let found = match &node.kind {
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
            NodeKind::Bool(_) => "true or false",
            NodeKind::Number(_) => "a number",
            NodeKind::Null => "null",
            NodeKind::Text(_) => "text",
            // Something was said already.
            NodeKind::Unknown => return,
        };
        let title = format!("`{key}` is {wanted}, not {found}");
        let mut diagnostic = Diagnostic::new("wrong-type", node.span, title);
        diagnostic.help = match &node.kind {
            NodeKind::Text(_) if wanted == "a list" => Some(format!("{key}: [{}]", self.written(node.span))),
            NodeKind::Text(text) if wanted == "true or false" && matches!(&*text.value, "true" | "false") => {
                Some(format!("{key}: {}", text.value))
            }
            _ => None,
        };
        self.push(diagnostic);
    }

    pub(super) fn map<'n>(&mut self, key: &str, node: &'n Node) -> Option<&'n [Entry]> {
        if let NodeKind::Map(members) = &node.kind {
            return Some(members);
        }
        self.wrong(key, node, "a map");
        None
    }

    pub(super) fn list<'n>(&mut self, key: &str, node: &'n Node) -> Option<&'n [Node]> {
        if let NodeKind::List(items) = &node.kind {
            return Some(items);
        }
        self.wrong(key, node, "a list");
        // One where several may stand: read, so that nothing is said to be missing.
        matches!(node.kind, NodeKind::Text(_)).then_some(std::slice::from_ref(node))
    }

    /// The scalar of a literal-only place; `None` where something was said to be wrong.
    fn scalar(&mut self, key: &str, node: &Node) -> Option<Scalar> {
        match &node.kind {
            NodeKind::Bool(it) => Some(Scalar::Bool(*it)),
            NodeKind::Null => Some(Scalar::Null),
            NodeKind::Number(digits) => Some(Scalar::Number(digits.clone())),
            NodeKind::Text(text) => {
                let (value, is_filled_in) = self.literal_text(key, text, node.span)?;
                Some(Scalar::Text { value, is_filled_in })
            }
            NodeKind::List(_) | NodeKind::Map(_) => Some(Scalar::Collection),
            NodeKind::Unknown => None,
        }
    }

    // === scalars of literal-only places ===

    /// Text; numbers and bools have to be quoted.
    pub(super) fn text(&mut self, key: &str, node: &Node) -> Option<Name> {
        self.text_as(key, node, "text")
    }

    pub(super) fn text_as(&mut self, key: &str, node: &Node, wanted: &str) -> Option<Name> {
        match self.scalar(key, node)? {
            Scalar::Text { value, .. } => Some(Spanned::new(value, node.span)),
            Scalar::Number(_) | Scalar::Bool(_) if wanted == "text" => {
                let title = format!("`{key}` is text");
                let help = format!("\"{}\"", self.written(node.span));
                self.push(
                    Diagnostic::new("wrong-type", node.span, title)
                        .label("quote it")
                        .help(help),
                );
                None
            }
            _ => {
                self.wrong(key, node, wanted);
                None
            }
        }
    }

    /// The text node of a literal-only place, for whoever has to know where its parts stand. Nothing is filled in.
    pub(super) fn plain_text<'n>(&mut self, key: &str, node: &'n Node, wanted: &str) -> Option<&'n Text> {
        let NodeKind::Text(text) = &node.kind else {
            self.wrong(key, node, wanted);
            return None;
        };
        self.literal_text(key, text, node.span)?;
        Some(text)
    }

    pub(super) fn texts(&mut self, key: &str, node: &Node) -> Vec<Name> {
        let items = self.list(key, node).unwrap_or_default();
        items.iter().filter_map(|it| self.text(key, it)).collect()
    }

    pub(super) fn bool(&mut self, key: &str, node: &Node) -> Option<Spanned<bool>> {
        let value = match self.scalar(key, node)? {
            Scalar::Bool(it) => Some(it),
            Scalar::Text {
                value,
                is_filled_in: true,
            } => value.parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.wrong(key, node, "true or false");
        }
        value.map(|it| Spanned::new(it, node.span))
    }

    /// A whole number in bounds.
    pub(super) fn integer(&mut self, key: &str, node: &Node, bounds: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        let (Scalar::Number(digits)
        | Scalar::Text {
            value: digits,
            is_filled_in: true,
        }) = self.scalar(key, node)?
        else {
            self.wrong(key, node, "a whole number");
            return None;
        };
        match digits.parse() {
            Ok(value) if bounds.contains(&value) => Some(Spanned::new(value, node.span)),
            _ => {
                let title = format!("`{key}` is a whole number from {} to {}", bounds.start(), bounds.end());
                self.error("wrong-value", node.span, title);
                None
            }
        }
    }

    /// A whole number in bounds, or a word; `None` for the word.
    pub(super) fn integer_or(
        &mut self,
        key: &str,
        node: &Node,
        word: &str,
        bounds: RangeInclusive<u64>,
    ) -> Option<Spanned<u64>> {
        let is_word = matches!(self.scalar(key, node)?, Scalar::Text { value, .. } if &*value == word);
        if is_word { None } else { self.integer(key, node, bounds) }
    }

    pub(super) fn duration(&mut self, key: &str, node: &Node, zero: Zero) -> Option<Spanned<Duration>> {
        let (Scalar::Text { value, .. } | Scalar::Number(value)) = self.scalar(key, node)? else {
            self.wrong(key, node, "a duration");
            return None;
        };
        let reason = match scalar::duration(&value) {
            Ok(duration) if zero == Zero::Refuse && duration.is_zero() => ZERO,
            Ok(duration) => return Some(Spanned::new(duration, node.span)),
            Err(reason) => reason,
        };
        let title = if reason == ZERO {
            format!("`{key}` is zero")
        } else {
            format!("`{key}` is not a duration")
        };
        let mut diagnostic = Diagnostic::new("bad-duration", node.span, title).label(format!("a duration {reason}"));
        if let NodeKind::Number(digits) = &node.kind {
            diagnostic.help = scalar::duration(&format!("{digits}ms"))
                .is_ok()
                .then(|| format!("{key}: {digits}ms"));
        } else if let Some(millis) = scalar::fraction_of_seconds(&value) {
            diagnostic.help = Some(format!("{key}: {millis}ms"));
        }
        self.push(diagnostic);
        None
    }

    /// A size in bytes, more than zero.
    pub(super) fn size(&mut self, key: &str, node: &Node) -> Option<Spanned<u64>> {
        let (Scalar::Text { value, .. } | Scalar::Number(value)) = self.scalar(key, node)? else {
            self.wrong(key, node, "a size");
            return None;
        };
        let reason = match scalar::size(&value) {
            Ok(0) => ZERO,
            Ok(bytes) => return Some(Spanned::new(bytes, node.span)),
            Err(reason) => reason,
        };
        let title = format!("`{key}` is not a size");
        let mut diagnostic = Diagnostic::new("bad-size", node.span, title).label(format!("a size {reason}"));
        let guess = self
            .written(node.span)
            .replace("KB", "KiB")
            .replace("MB", "MiB")
            .replace("GB", "GiB");
        diagnostic.help = scalar::size(&guess)
            .is_ok_and(|it| it > 0)
            .then(|| format!("{key}: {guess}"));
        self.push(diagnostic);
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, node: &Node, choices: &[(&str, T)]) -> Option<Spanned<T>> {
        let text = self.text_as(key, node, "a word")?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == &*text.value) {
            return Some(Spanned::new(*value, node.span));
        }
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let title = match words.as_slice() {
            [only] => format!("`{key}` can only be {only}"),
            _ => format!("`{key}` is one of {}", words.join(", ")),
        };
        let label = did_you_mean(&text.value, choices.iter().map(|(word, _)| *word));
        self.push(Diagnostic::new("unknown-value", node.span, title).label(label));
        None
    }

    /// A literal: a scalar or a list of literals.
    pub(super) fn literal(&mut self, key: &str, node: &Node) -> Option<Spanned<Literal>> {
        let literal = match &node.kind {
            NodeKind::List(items) => {
                let read: Vec<Option<Spanned<Literal>>> = items.iter().map(|it| self.literal(key, it)).collect();
                Literal::List(
                    read.into_iter()
                        .map(|it| it.map(|it| it.value))
                        .collect::<Option<_>>()?,
                )
            }
            _ => match self.scalar(key, node)? {
                Scalar::Bool(it) => Literal::Bool(it),
                Scalar::Null => Literal::Null,
                Scalar::Number(digits) => Literal::Number(digits),
                Scalar::Text { value, .. } => Literal::Text(value),
                Scalar::Collection => {
                    self.wrong(key, node, "a scalar or a list of scalars");
                    return None;
                }
            },
        };
        Some(Spanned::new(literal, node.span))
    }
}
