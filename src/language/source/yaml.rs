//! Text → [`Document`]: YAML read by notation, not by schema (semantics.md 7.3, 7.4). JSON is read because it is YAML.
//!
//! Everything that YAML versions read differently, or that changes what stands in the file without a trace, is refused here
//! with its own advice: tags, anchors, aliases, merge keys, several documents, ambiguous scalars, expressions cut in two.
//! Invariant: a scalar that YAML altered never reaches the specification without a mistake being reported.

mod mistake;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StructureStyle};

use super::cut;
use super::notation::{self, Plain};
use super::{Document, FileIndex, Mistake, Node, NodeKind, SourceMap, Span, Spanned, Text, offset};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How deep collections of one kind may be nested.
const MAX_NESTING: usize = 100;

/// Reads a file. The document is `None` where the file is empty or is not YAML; mistakes come in written order.
pub fn parse(sources: &SourceMap, file: FileIndex) -> (Option<Document>, Vec<Mistake>) {
    let Some(source) = sources.file(file) else {
        return (None, Vec::new());
    };
    let text: &str = &source.text;
    let start = Span { file, start: 0, end: 0 };
    if text.len() > MAX_BYTES {
        let title = format!("the file is larger than 1 MiB ({} bytes)", text.len());
        return (None, vec![Mistake::new("file-too-large", start, title)]);
    }
    let (events, scan_error) = scan(text);
    let mut builder = Builder {
        text,
        file,
        events: &events,
        at: 0,
        mistakes: Vec::new(),
        debris: Vec::new(),
    };
    let root = builder.document();
    builder.forget_debris();
    if let Some(error) = &scan_error {
        builder.syntax_error(error);
        return (None, builder.mistakes);
    }
    if root.is_none() {
        builder
            .mistakes
            .push(Mistake::new("empty-file", start, "the file is empty"));
    }
    (root.map(|root| Document { file, root }), builder.mistakes)
}

/// An event and its bytes.
type Spotted<'a> = (Event<'a>, Range<usize>, Option<Range<usize>>);

fn scan(text: &str) -> (Vec<Spotted<'_>>, Option<ScanError>) {
    let mut options = granit_parser::options! {
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    options.set_emit_comments(false);
    let mut events = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((Event::StreamStart | Event::StreamEnd | Event::DocumentEnd, _)) => {}
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or_default();
                let tag = span.tag_span().and_then(|tag| tag.byte_range());
                events.push((event, range, tag));
            }
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

struct Builder<'a> {
    text: &'a str,
    file: FileIndex,
    events: &'a [Spotted<'a>],
    at: usize,
    mistakes: Vec<Mistake>,
    /// What YAML made of the rest of expressions that it cut: bytes of the file in which nothing means anything.
    debris: Vec<Range<u32>>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        while let Some((event, range, _)) = self.events.get(self.at) {
            if !matches!(event, Event::DocumentStart(..)) {
                // Nothing stands between two documents.
                self.at += 1;
                continue;
            }
            if root.is_some() {
                let span = self.span(range.clone());
                let mistake = Mistake::new("yaml-documents", span, "a file holds one YAML document")
                    .label("a second document begins here")
                    .help("move it to a file of its own");
                self.mistakes.push(mistake);
                break;
            }
            self.at += 1;
            if self.at < self.events.len() {
                root = Some(self.node());
            }
        }
        root
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: self.file,
            start: offset(range.start),
            end: offset(range.end.max(range.start)),
        }
    }

    fn next(&mut self) -> Option<&'a Spotted<'a>> {
        let next = self.events.get(self.at);
        self.at += 1;
        next
    }

    fn peek(&self) -> Option<&'a Event<'a>> {
        self.events.get(self.at).map(|(event, ..)| event)
    }

    /// Reads one node. Where the events end early (a syntax error follows) the node is unknown.
    fn node(&mut self) -> Node {
        let Some((event, range, tag)) = self.next() else {
            return self.unknown(self.text.len()..self.text.len());
        };
        let tagged = self.tag(tag.as_ref(), range);
        match event {
            Event::Scalar(value, style, ..) => {
                self.anchor(tagged);
                if tagged {
                    self.unknown(range.clone())
                } else {
                    self.scalar(value, *style, range)
                }
            }
            Event::SequenceStart(style, ..) => {
                self.anchor(tagged);
                self.list(*style, range)
            }
            Event::MappingStart(style, ..) if let Some((braces, name)) = cut::braces(self.text, range.start) => {
                self.anchor(tagged);
                let span = self.span(range.start..range.start + braces.len());
                let mistake = Mistake::new("empty-value", span, "braces make a map, whose key has no value here")
                    .label("an expression begins with `$`, without braces")
                    .help(format!("${name}"));
                let n_mistakes = self.mistakes.len();
                self.map(*style, range);
                self.mistakes.truncate(n_mistakes);
                self.mistakes.push(mistake);
                self.unknown(range.start..range.start + braces.len())
            }
            Event::MappingStart(style, ..) => {
                self.anchor(tagged);
                self.map(*style, range)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let mistake = Mistake::new("yaml-alias", self.span(range.clone()), "YAML aliases are not read")
                    .label("an alias, because the value begins with `*`")
                    .help(format!(
                        "write the value out, or quote it: {}",
                        cut::quoted(self.slice(range))
                    ));
                self.mistakes.push(mistake);
                self.unknown(range.clone())
            }
            _ => self.unknown(range.clone()),
        }
    }

    fn unknown(&self, range: Range<usize>) -> Node {
        Node {
            kind: NodeKind::Unknown,
            span: self.span(range),
        }
    }

    fn slice(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn rest_of_line(&self, start: usize) -> &'a str {
        self.text
            .get(start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end()
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, range: &Range<usize>) -> Node {
        let written = self.slice(range);
        let end = range.start + written.trim_end().len();
        let span = self.span(range.start..end);
        if style != ScalarStyle::Plain {
            return Node {
                kind: NodeKind::Text(self.text_of(value, style, range)),
                span,
            };
        }
        if range.is_empty() {
            let mistake = Mistake::new("empty-value", span, "a value is missing")
                .label("nothing stands here")
                .help("null");
            self.mistakes.push(mistake);
            return self.unknown(range.clone());
        }
        if cut::is_cut(value) {
            self.cut_by_yaml(range.start, span);
            return self.unknown(range.clone());
        }
        let kind = match notation::plain(value) {
            Plain::Ambiguous => {
                let mistake = Mistake::new(
                    "ambiguous-scalar",
                    span,
                    format!("`{value}` means different things to different readers of YAML"),
                )
                .label("quote it, or write it as JSON does")
                .help(match value.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "true" => format!("true, or {} for the text", cut::quoted(value)),
                    "no" | "off" | "false" => format!("false, or {} for the text", cut::quoted(value)),
                    "~" | "null" => format!("null, or {} for the text", cut::quoted(value)),
                    _ => cut::quoted(value),
                });
                self.mistakes.push(mistake);
                NodeKind::Unknown
            }
            Plain::Bool(it) => NodeKind::Bool(it),
            Plain::Null => NodeKind::Null,
            Plain::Number => NodeKind::Number(Arc::from(value)),
            Plain::Text => NodeKind::Text(self.text_of(value, style, range)),
        };
        Node { kind, span }
    }

    fn text_of(&self, value: &str, style: ScalarStyle, range: &Range<usize>) -> Text {
        let line_start = self
            .text
            .get(..range.start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |at| at + 1);
        let marks = notation::breakpoints(
            style,
            self.slice(range),
            offset(range.start),
            range.start - line_start,
            value,
        );
        Text {
            value: Arc::from(value),
            breakpoints: Arc::from(marks),
        }
    }

    fn list(&mut self, style: StructureStyle, range: &Range<usize>) -> Node {
        let mut items: Vec<Node> = Vec::new();
        let mut last = None;
        let end = loop {
            match self.peek() {
                Some(Event::SequenceEnd) | None => break self.end_of_collection(style, range, last),
                Some(_) => {}
            }
            let item = self.node();
            last = Some(item.span.end);
            if !self.is_debris(item.span) {
                items.push(item);
            }
        };
        Node {
            kind: NodeKind::List(items),
            span: self.span(range.start..end),
        }
    }

    fn map(&mut self, style: StructureStyle, range: &Range<usize>) -> Node {
        let mut members: Vec<(Spanned<Arc<str>>, Node)> = Vec::new();
        let mut seen: BTreeMap<Arc<str>, Span> = BTreeMap::new();
        let mut last = None;
        let end = loop {
            match self.peek() {
                Some(Event::MappingEnd) | None => break self.end_of_collection(style, range, last),
                Some(_) => {}
            }
            let key = self.key();
            let n_mistakes = self.mistakes.len();
            let value = self.node();
            if key.as_ref().is_some_and(|it| it.value.starts_with("...$")) && matches!(value.kind, NodeKind::Unknown) {
                // What is to be spread stands in the key: the value is not what is missing.
                self.mistakes.truncate(n_mistakes);
            }
            last = Some(value.span.end);
            let Some(key) = key.filter(|it| !self.is_debris(it.span)) else {
                continue;
            };
            if let Some(first) = seen.get(&key.value) {
                self.duplicate(&key, *first);
            } else {
                seen.insert(key.value.clone(), key.span);
                members.push((key, value));
            }
        };
        Node {
            kind: NodeKind::Map(members),
            span: self.span(range.start..end),
        }
    }

    /// Steps over the end of a collection. A block collection ends with its last child.
    fn end_of_collection(&mut self, style: StructureStyle, range: &Range<usize>, last: Option<u32>) -> usize {
        let closing = self.next().map_or(range.end, |(_, range, _)| range.end);
        match style {
            StructureStyle::Block => last.map_or(range.end, |it| it as usize),
            StructureStyle::Flow => closing,
        }
    }

    /// Reads a key: always text, as written.
    fn key(&mut self) -> Option<Spanned<Arc<str>>> {
        let Some((Event::Scalar(value, style, ..), range, tag)) = self.events.get(self.at) else {
            let node = self.node();
            if !matches!(node.kind, NodeKind::Unknown) {
                self.mistakes
                    .push(Mistake::new("bad-key", node.span, "a key is text, not a list or a map"));
            }
            return None;
        };
        self.at += 1;
        let tagged = self.tag(tag.as_ref(), range);
        self.anchor(tagged);
        let span = self.span(range.clone());
        if range.is_empty() {
            self.mistakes
                .push(Mistake::new("bad-key", span, "a key is missing").label("nothing stands before the colon"));
            return None;
        }
        if *style == ScalarStyle::Plain && value == "<<" {
            let mistake = Mistake::new("yaml-merge", span, "YAML merge keys are not read")
                .label("in a template, `...` spreads the members of an object")
                .help("...: $name");
            self.mistakes.push(mistake);
            return None;
        }
        if is_expression_key(value) {
            let is_piece = *style == ScalarStyle::Plain && !is_dollar_name(value) && !value.contains("${");
            if is_piece {
                self.cut_by_yaml(range.start, span);
            } else {
                let mistake = Mistake::new("bad-key", span, format!("the key `{value}` holds an expression"))
                    .label("keys are text; only `$for`, `$if` and `$value` begin with `$`")
                    .help(value.replace('$', "$$"));
                self.mistakes.push(mistake);
            }
            return None;
        }
        Some(Spanned {
            value: Arc::from(value.as_ref()),
            span,
        })
    }
}

/// A key that begins with a dollar and is not one of the three, or that holds a hole.
fn is_expression_key(key: &str) -> bool {
    let mut rest = key;
    let mut is_first = true;
    while let Some(at) = rest.find('$') {
        let behind = rest.get(at + 1..).unwrap_or_default();
        match behind.strip_prefix('$') {
            Some(escaped) => rest = escaped,
            None if behind.starts_with('{') || (is_first && at == 0) => {
                return !matches!(key, "$for" | "$if" | "$value");
            }
            None => rest = behind,
        }
        is_first = false;
    }
    false
}

fn is_dollar_name(key: &str) -> bool {
    key.strip_prefix('$').is_some_and(|name| {
        name.bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-'))
    })
}

#[cfg(test)]
mod tests;
