//! Files, places in them, and YAML read by notation (semantics.md 7.3).
//!
//! Owns the text of every file of a load and the way from a byte of a decoded scalar back to a byte of its file.
//! [`yaml`] is the only user of the YAML crate. Leaves what a node means to `spec`, and how a mistake is shown to `diagnostic`.
//! Invariant: a span is a byte range of its file that begins and ends between two characters.

mod cut;
mod notation;
mod rewrite;
pub mod yaml;

use std::sync::Arc;

use crate::codec::json;

pub use self::rewrite::scalar;

/// All files of one load, by index. Spans point into it.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

/// One file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// The path as the user gave it.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// Where each line begins, ascending; the first is 0.
    lines: Vec<u32>,
}

/// Names a file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIndex(pub u32);

/// A byte range in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileIndex,
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// A YAML node, by notation.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its place: for a collection the whole of it.
    pub span: Span,
}

impl Node {
    /// Writes a literal as JSON. What could not be read is null.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.kind {
            NodeKind::Bool(it) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
            NodeKind::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            NodeKind::Text(text) => json::write_string(&text.value, out),
            NodeKind::Null | NodeKind::Unknown => out.extend_from_slice(b"null"),
            NodeKind::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            NodeKind::Map(members) => {
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    json::write_string(&key.value, out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// `[…]` or `- …`.
    List(Vec<Node>),
    /// `{…}` or `key: …`, in written order, keys unique.
    Map(Vec<(Spanned<Arc<str>>, Node)>),
    /// Plain `true` or `false`.
    Bool(bool),
    /// A plain JSON number, digits as written.
    Number(Arc<str>),
    /// Plain `null`.
    Null,
    /// Everything else.
    Text(Text),
    /// Could not be read; a diagnostic said so.
    Unknown,
}

/// A decoded scalar, with a way back from its bytes to the file's.
#[derive(Clone, Debug)]
pub struct Text {
    /// The decoded text.
    pub value: Arc<str>,
    /// Breakpoints (byte in `value`, byte in the file), ascending: between two, bytes run in parallel.
    pub breakpoints: Arc<[(u32, u32)]>,
}

/// A document: the root node of one file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub file: FileIndex,
    /// Its root.
    pub root: Node,
}

/// Why text is not a document. Becomes a `Diagnostic` as it is; kept apart so that this module needs nothing above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// A diagnostic code.
    pub code: &'static str,
    /// The primary place.
    pub span: Span,
    /// One line, lower case, names in backticks, no full stop.
    pub title: String,
    /// What is at the primary place; may be empty.
    pub label: String,
    /// Another place, and what is there.
    pub other: Option<(Span, String)>,
    /// Text that the user can paste.
    pub help: Option<String>,
}

// === impl SourceMap ===

impl SourceMap {
    /// Adds a file; its index is good for the life of the map.
    pub fn add(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileIndex {
        let text = text.into();
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| offset(at + 1));
        let lines = std::iter::once(0).chain(after_breaks).collect();
        let index = FileIndex(offset(self.files.len()));
        self.files.push(SourceFile {
            path: path.into(),
            text,
            lines,
        });
        index
    }

    /// A file; `None` where the index is another map's.
    pub fn file(&self, file: FileIndex) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// All files, in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = (FileIndex, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(at, file)| (FileIndex(offset(at)), file))
    }

    /// The path of a file as the user gave it.
    pub fn path(&self, file: FileIndex) -> &str {
        self.file(file).map_or("", |file| &file.path)
    }

    /// The text at a place, as it was written: quotes, escapes and `${env.X}` included.
    pub fn written(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// Line and column of a byte. Both count from 1, the column in characters.
    pub fn position(&self, file: FileIndex, byte: u32) -> (u32, u32) {
        let Some(file) = self.file(file) else {
            return (1, 1);
        };
        let line = file.lines.partition_point(|start| *start <= byte);
        let start = line
            .checked_sub(1)
            .and_then(|line| file.lines.get(line))
            .copied()
            .unwrap_or(0);
        let before = file
            .text
            .get(start as usize..(byte as usize).min(file.text.len()))
            .unwrap_or_default();
        (offset(line), offset(before.chars().count() + 1))
    }

    /// The text of a line (from 1), without its break.
    pub fn line(&self, file: FileIndex, line: u32) -> &str {
        let Some(file) = self.file(file) else { return "" };
        let Some(start) = (line as usize).checked_sub(1).and_then(|line| file.lines.get(line)) else {
            return "";
        };
        let end = file
            .lines
            .get(line as usize)
            .copied()
            .unwrap_or(offset(file.text.len()));
        file.text
            .get(*start as usize..end as usize)
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
    }
}

// === impl Span ===

impl Span {
    /// Whether nothing stands there.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// A place that holds both; `self` where they are in two files.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file == other.file {
            Self {
                file: self.file,
                start: self.start.min(other.start),
                end: self.end.max(other.end),
            }
        } else {
            self
        }
    }
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

// === impl Text ===

impl Text {
    /// The place in the file of a byte range of the decoded text.
    pub fn span(&self, file: FileIndex, start: u32, end: u32) -> Span {
        let first = self.start_of(start);
        Span {
            file,
            start: first,
            end: self.end_of(end.max(start)).max(first),
        }
    }

    /// Where a byte of the decoded text begins in the file: behind what was folded or stripped before it.
    fn start_of(&self, at: u32) -> u32 {
        let next = self.breakpoints.partition_point(|(value, _)| *value <= at);
        match next.checked_sub(1).and_then(|last| self.breakpoints.get(last)) {
            Some((value, place)) => self.clamp(place.saturating_add(at - value)),
            None => 0,
        }
    }

    /// Where the byte before `at` ends in the file: in front of what was folded or stripped behind it.
    fn end_of(&self, at: u32) -> u32 {
        let next = self.breakpoints.partition_point(|(value, _)| *value < at);
        match self.breakpoints.get(next) {
            Some((value, place)) if *value == at => *place,
            _ => self.start_of(at),
        }
    }

    /// The last breakpoint is the end of the scalar: nothing of it lies behind.
    fn clamp(&self, place: u32) -> u32 {
        self.breakpoints.last().map_or(place, |(_, last)| place.min(*last))
    }
}

/// A byte offset as files count it. Files are at most 1 MiB, so nothing is lost.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = SourceMap::default();
        let file = sources.add("a.yaml", "ä: 1\r\nb: 2\n");
        for (byte, want) in [(0, (1, 1)), (4, (1, 4)), (7, (2, 1)), (12, (3, 1))] {
            assert_eq!(sources.position(file, byte), want);
        }
        assert_eq!(sources.line(file, 1), "ä: 1");
        assert_eq!(sources.line(file, 2), "b: 2");
        assert_eq!(sources.line(file, 9), "");
    }

    #[test]
    fn a_place_of_a_file_that_is_not_there_is_empty() {
        let sources = SourceMap::default();
        assert_eq!(sources.written(Span::default()), "");
        assert_eq!(sources.position(FileIndex(0), 3), (1, 1));
    }
}
