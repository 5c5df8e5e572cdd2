//! Files, places in them, and YAML read by notation (semantics.md 7.3). The only user of the YAML crate.

use std::sync::Arc;

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

impl Text {
    /// The place in the file of a byte range of the decoded text.
    pub fn span(&self, file: FileIndex, start: u32, end: u32) -> Span {
        let _ = (file, start, end);
        todo!()
    }
}
