//! Where two replies differ: paths, and never values.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::codec::ToJson;
use crate::schema::{Cardinality, Kind, MessageRef};

/// How replies are read.
#[derive(Debug)]
pub(super) enum Form {
    /// Byte by byte.
    Bytes,
    /// As JSON.
    Json,
    /// As this message, field by field.
    Message(Arc<ToJson>),
}

/// The paths at which two replies differ: `items[].price.units`, `labels{}` for the entries of a map.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences(BTreeSet<String>);

/// An object with more members than that has data for names.
const MAX_MEMBERS: usize = 64;
/// So many paths say enough of one reply.
const MAX_FOUND: usize = 32;

impl Form {
    /// A reply as a tree; `None` where it cannot be read.
    fn read(&self, reply: &[u8]) -> Option<Value> {
        match self {
            Self::Bytes => None,
            Self::Json => serde_json::from_slice(reply).ok(),
            Self::Message(reader) => {
                let mut json = Vec::new();
                reader.write(reply, &mut json).ok()?;
                serde_json::from_slice(&json).ok()
            }
        }
    }

    fn message(&self) -> Option<&MessageRef> {
        match self {
            Self::Message(reader) => Some(reader.message()),
            Self::Bytes | Self::Json => None,
        }
    }
}

impl Differences {
    /// Of two replies.
    pub(super) fn of(real: &[u8], copy: &[u8], form: &Form, ignore: &[Arc<str>]) -> Self {
        let mut found = Self::default();
        if real == copy {
            return found;
        }
        match (form.read(real), form.read(copy)) {
            (Some(real), Some(copy)) => found.compare(&real, &copy, form.message(), &mut String::new()),
            _ => {
                found.0.insert("(body)".to_owned());
            }
        }
        found.0.retain(|path| !ignore.iter().any(|it| is_within(path, it)));
        found
    }

    /// Of an answer and a failure, or of two failures.
    pub(super) fn of_status() -> Self {
        Self(BTreeSet::from(["(status)".to_owned()]))
    }

    /// Of two bodies that cannot be compared, and are not the same.
    pub(super) fn of_body() -> Self {
        Self(BTreeSet::from(["(body)".to_owned()]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn compare(&mut self, real: &Value, copy: &Value, message: Option<&MessageRef>, path: &mut String) {
        match (real, copy) {
            (Value::Object(real), Value::Object(copy)) => self.compare_objects(real, copy, message, path),
            (Value::Array(real), Value::Array(copy)) => {
                let len = path.len();
                path.push_str("[]");
                if real.len() != copy.len() {
                    self.note(path);
                }
                for (real, copy) in real.iter().zip(copy) {
                    self.compare(real, copy, message, path);
                }
                path.truncate(len);
            }
            // 1 is 1.0, and large integers are told apart though they are the same as doubles.
            (Value::Number(a), Value::Number(b)) if (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64() => {}
            (real, copy) if real == copy => {}
            _ => self.note(path),
        }
    }

    fn compare_objects(
        &mut self,
        real: &Map<String, Value>,
        copy: &Map<String, Value>,
        message: Option<&MessageRef>,
        path: &mut String,
    ) {
        let is_map = real.len() > MAX_MEMBERS || copy.len() > MAX_MEMBERS;
        let only_there = copy.keys().filter(|it| !real.contains_key(*it));
        for name in real.keys().chain(only_there) {
            let len = path.len();
            let field = message.and_then(|it| it.fields.iter().find(|field| *field.name == **name));
            if is_map || !is_name(name) {
                path.push_str("{}");
            } else {
                path.push_str(if len == 0 { "" } else { "." });
                path.push_str(name);
            }
            match (real.get(name), copy.get(name)) {
                (Some(real), Some(copy)) => match (field, message) {
                    (Some(field), Some(message)) => {
                        let inner = match field.kind {
                            Kind::Message(index) => Some(message.sibling(index)),
                            _ => None,
                        };
                        if matches!(field.cardinality, Cardinality::Map(_)) {
                            self.compare_entries(real, copy, inner.as_ref(), path);
                        } else {
                            self.compare(real, copy, inner.as_ref(), path);
                        }
                    }
                    _ => self.compare(real, copy, None, path),
                },
                _ => self.note(path),
            }
            path.truncate(len);
        }
    }

    /// The entries of a map, whose keys are data.
    fn compare_entries(&mut self, real: &Value, copy: &Value, entry: Option<&MessageRef>, path: &mut String) {
        let (Value::Object(real), Value::Object(copy)) = (real, copy) else {
            return self.note(path);
        };
        let value = entry.and_then(|entry| {
            let value = entry.fields.iter().find(|it| it.number == 2)?;
            match value.kind {
                Kind::Message(index) => Some(entry.sibling(index)),
                _ => None,
            }
        });
        let len = path.len();
        path.push_str("{}");
        if real.len() != copy.len() {
            self.note(path);
        }
        for (key, real) in real {
            match copy.get(key) {
                Some(copy) => self.compare(real, copy, value.as_ref(), path),
                None => self.note(path),
            }
        }
        path.truncate(len);
    }

    fn note(&mut self, path: &str) {
        if self.0.len() < MAX_FOUND {
            self.0.insert(if path.is_empty() { "(body)" } else { path }.to_owned());
        }
    }
}

/// Whether a member's name looks like one that somebody declared.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|it: char| it.is_ascii_alphabetic() || matches!(it, '_' | '$' | '@'))
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"_-$@:".contains(&it))
}

/// Whether a path is one that is ignored, or lies within it.
fn is_within(path: &str, ignored: &str) -> bool {
    path.strip_prefix(ignored)
        .is_some_and(|it| it.is_empty() || it.starts_with(['.', '[', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_where_json_differs_and_never_what_it_says() {
        for (real, copy, ignore, wanted) in [
            ("{\"a\":1}", "{ \"a\": 1.0 }", "", ""),
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "", ""),
            ("{\"a\":1}", "{\"a\":2}", "", "a"),
            ("{\"a\":9007199254740993}", "{\"a\":9007199254740992}", "", "a"),
            ("{\"a\":1}", "{}", "", "a"),
            ("{}", "{\"a\":null}", "", "a"),
            (
                "{\"a\":{\"b\":[{\"c\":1},{\"c\":2}]}}",
                "{\"a\":{\"b\":[{\"c\":1},{\"c\":3}]}}",
                "",
                "a.b[].c",
            ),
            ("{\"a\":[1,2]}", "{\"a\":[1]}", "", "a[]"),
            ("{\"a\":[1,2]}", "{\"a\":7}", "", "a"),
            ("{\"a\":{\"b\":1},\"ab\":1}", "{\"a\":{\"b\":2},\"ab\":2}", "a", "ab"),
            ("{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":2}]}", "a[].b", ""),
            ("{\"7 rue x\":1}", "{\"7 rue x\":2}", "", "{}"),
            ("1", "2", "", "(body)"),
            ("no json", "1", "", "(body)"),
        ] {
            let ignore: Vec<Arc<str>> = ignore.split_whitespace().map(Arc::from).collect();
            let found = Differences::of(real.as_bytes(), copy.as_bytes(), &Form::Json, &ignore);
            assert_eq!(found.iter().collect::<Vec<_>>().join(" "), wanted, "{real} {copy}");
        }
    }
}
