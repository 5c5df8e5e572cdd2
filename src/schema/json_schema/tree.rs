//! JSON and YAML as trees that know their lines.
//!
//! Files of others are read as their own tools read them: YAML with anchors, aliases and merge keys, plain scalars by YAML's
//! core schema. Compositions are read by other and stricter rules, which are `language::source`'s.
//! Invariant: aliases cannot make a tree larger than [`MAX_NODES`].

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

/// The most nodes that a file may have, aliases written out.
const MAX_NODES: usize = 1_000_000;

/// How deep collections may be nested.
const MAX_NESTING: usize = 200;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) kind: TreeKind,
    /// From 1; 0 where it is not known.
    pub(super) line: u32,
}

#[derive(Clone, Debug)]
pub(super) enum TreeKind {
    Bool(bool),
    List(Vec<Tree>),
    Map(Vec<(Arc<str>, Tree)>),
    Null,
    /// As written.
    Number(Arc<str>),
    Text(Arc<str>),
}

/// Reads a file's text; JSON is read because it is YAML.
pub(super) fn parse(text: &str) -> Result<Tree, String> {
    match parse_yaml(text) {
        // JSON has escapes that YAML has not, such as pairs of surrogates.
        Err(error) => match serde_json::from_str::<Value>(text) {
            Ok(value) => Ok(Tree::of_json(&value)),
            Err(_) => Err(error),
        },
        found => found,
    }
}

fn parse_yaml(text: &str) -> Result<Tree, String> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Vec::new(),
        at: 0,
        anchors: HashMap::new(),
        n_nodes: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {}
            Ok((event, span)) => reader
                .events
                .push((event, u32::try_from(span.start.line()).unwrap_or(0))),
            Err(error) => return Err(error.to_string()),
        }
    }
    let root = reader.node()?;
    if reader.at < reader.events.len() {
        return Err("it holds several documents".to_owned());
    }
    Ok(root)
}

struct Reader<'t> {
    events: Vec<(Event<'t>, u32)>,
    at: usize,
    anchors: HashMap<usize, Tree>,
    n_nodes: usize,
}

impl Reader<'_> {
    fn node(&mut self) -> Result<Tree, String> {
        self.count(1)?;
        let Some((event, line)) = self.events.get(self.at) else {
            return Err("it is empty".to_owned());
        };
        let line = *line;
        self.at += 1;
        let (kind, anchor) = match event {
            Event::Scalar(value, style, anchor, _) => {
                let kind = if *style == ScalarStyle::Plain {
                    plain(value)
                } else {
                    TreeKind::Text(Arc::from(&**value))
                };
                (kind, *anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let anchor = *anchor;
                let mut items = Vec::new();
                while !matches!(self.events.get(self.at), Some((Event::SequenceEnd, _)) | None) {
                    items.push(self.node()?);
                }
                self.at += 1;
                (TreeKind::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let anchor = *anchor;
                (self.map()?, anchor)
            }
            Event::Alias(anchor) => {
                let found = self.anchors.get(anchor).cloned();
                let found = found.ok_or("an alias stands within its own anchor")?;
                self.count(found.size())?;
                return Ok(found);
            }
            _ => return Err(format!("line {line}: not a value")),
        };
        let tree = Tree { kind, line };
        if anchor > 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        Ok(tree)
    }

    fn map(&mut self) -> Result<TreeKind, String> {
        let mut members: Vec<(Arc<str>, Tree)> = Vec::new();
        let mut merged: Vec<(Arc<str>, Tree)> = Vec::new();
        while !matches!(self.events.get(self.at), Some((Event::MappingEnd, _)) | None) {
            let key = match self.events.get(self.at) {
                Some((Event::Scalar(key, ..), _)) => Arc::from(&**key),
                Some((_, line)) => return Err(format!("line {line}: a key is text")),
                None => return Err("it ends within a map".to_owned()),
            };
            self.at += 1;
            let value = self.node()?;
            if &*key == "<<" {
                let sources = match value.kind {
                    TreeKind::List(items) => items,
                    kind => vec![Tree { kind, line: value.line }],
                };
                for source in sources {
                    if let TreeKind::Map(more) = source.kind {
                        merged.extend(more);
                    }
                }
            } else if let Some((_, known)) = members.iter_mut().find(|(it, _)| *it == key) {
                *known = value;
            } else {
                members.push((key, value));
            }
        }
        self.at += 1;
        for (key, value) in merged {
            if members.iter().all(|(it, _)| *it != key) {
                members.push((key, value));
            }
        }
        Ok(TreeKind::Map(members))
    }

    fn count(&mut self, n: usize) -> Result<(), String> {
        self.n_nodes += n;
        if self.n_nodes > MAX_NODES {
            return Err("it is too large".to_owned());
        }
        Ok(())
    }
}

/// A plain scalar by YAML's core schema, as far as it is JSON.
fn plain(value: &str) -> TreeKind {
    match value {
        "" | "~" | "null" | "Null" | "NULL" => TreeKind::Null,
        "true" | "True" | "TRUE" => TreeKind::Bool(true),
        "false" | "False" | "FALSE" => TreeKind::Bool(false),
        _ if serde_json::from_str::<serde_json::Number>(value).is_ok() => TreeKind::Number(value.into()),
        _ => TreeKind::Text(value.into()),
    }
}

// === impl Tree ===

impl Tree {
    fn of_json(value: &Value) -> Self {
        let kind = match value {
            Value::Null => TreeKind::Null,
            Value::Bool(it) => TreeKind::Bool(*it),
            Value::Number(it) => TreeKind::Number(it.to_string().into()),
            Value::String(it) => TreeKind::Text(it.as_str().into()),
            Value::Array(items) => TreeKind::List(items.iter().map(Self::of_json).collect()),
            Value::Object(members) => TreeKind::Map(
                members
                    .iter()
                    .map(|(key, it)| (key.as_str().into(), Self::of_json(it)))
                    .collect(),
            ),
        };
        Self { kind, line: 0 }
    }

    /// The same as JSON.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            TreeKind::Null => Value::Null,
            TreeKind::Bool(it) => Value::Bool(*it),
            TreeKind::Number(it) => serde_json::from_str(it).unwrap_or(Value::Null),
            TreeKind::Text(it) => Value::String(it.to_string()),
            TreeKind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            TreeKind::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, it)| (key.to_string(), it.to_json()))
                    .collect(),
            ),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            TreeKind::List(items) => items.iter().map(Self::size).sum(),
            TreeKind::Map(members) => members.iter().map(|(_, it)| it.size()).sum(),
            _ => 0,
        }
    }

    /// The members of a map; none of anything else.
    pub(super) fn members(&self) -> &[(Arc<str>, Self)] {
        match &self.kind {
            TreeKind::Map(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            TreeKind::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|(it, _)| &**it == key).map(|(_, it)| it)
    }

    pub(super) fn text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            TreeKind::Text(it) => Some(it),
            _ => None,
        }
    }

    /// The text of a member.
    pub(super) fn text_of(&self, key: &str) -> Option<&Arc<str>> {
        self.get(key)?.text()
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self.kind, TreeKind::Bool(true))
    }

    /// What an RFC 6901 pointer without its percent-encoding points to.
    pub(super) fn at(&self, pointer: &str) -> Option<&Self> {
        let mut found = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            found = match &found.kind {
                TreeKind::List(items) => items.get(step.parse::<usize>().ok()?)?,
                _ => found.get(&step)?,
            };
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn json(text: &str) -> String {
        parse(text).map_or_else(|error| error, |it| it.to_json().to_string())
    }

    #[test]
    fn yaml_of_others_is_read_as_their_tools_read_it() {
        for (text, wanted) in [
            ("a: 1\nb: [x, ~, true]", r#"{"a":1,"b":["x",null,true]}"#),
            ("a: &x { k: 1 }\nb: *x", r#"{"a":{"k":1},"b":{"k":1}}"#),
            (
                "a: &x { k: 1, l: 2 }\nb: { <<: *x, l: 3 }",
                r#"{"a":{"k":1,"l":2},"b":{"l":3,"k":1}}"#,
            ),
            ("\"200\": ok\n404: none", r#"{"200":"ok","404":"none"}"#),
            ("a: 2026-01-01", r#"{"a":"2026-01-01"}"#),
            (r#"{"a": "\ud83d\ude00"}"#, "{\"a\":\"😀\"}"),
            ("", "it is empty"),
        ] {
            assert_eq!(json(text), wanted, "{text}");
        }
    }

    #[test]
    fn aliases_cannot_make_a_file_large() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..9 {
            let before = at - 1;
            let all = vec![format!("*a{before}"); 10].join(", ");
            writeln!(text, "a{at}: &a{at} [{all}]").unwrap();
        }
        assert_eq!(json(&text), "it is too large");
    }

    #[test]
    fn pointers_lead_to_members_and_elements() {
        let tree = parse("a/b: { c: [1, { d~e: x }] }").unwrap();
        assert_eq!(&**tree.at("/a~1b/c/1/d~0e").unwrap().text().unwrap(), "x");
        assert_eq!(tree.at("/a~1b/c/1").unwrap().line, 1);
        assert!(tree.at("/a~1b/c/2").is_none());
    }
}
