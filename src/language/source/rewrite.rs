//! A scalar as it would have to be written with a part of it changed: advice that can be pasted over the whole of it.

use super::{FileIndex, SourceMap, Text};

/// Longer texts are not shown again for the sake of one hole in them.
const LONGEST_TEXT: usize = 160;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// Behind `|` or `>`.
    Block,
    Double,
    Plain,
    Single,
}

impl SourceMap {
    /// The scalar `text` with `part` in place of bytes `from..to` of its value, in quotes where it needs them. Of a long text
    /// only the `${…}` that changed.
    pub fn rewritten(&self, file: FileIndex, text: &Text, (from, to): (u32, u32), part: &str) -> String {
        let at = |from: usize, to: usize| text.value.get(from..to).unwrap_or_default();
        let (from, to) = (from as usize, to as usize);
        let value = format!("{}{part}{}", at(0, from), at(to, text.value.len()));
        let value = value.trim();
        let hole = at(0, from).rfind("${");
        let close = at(to, text.value.len()).find('}');
        match (hole, close) {
            (Some(open), Some(close)) if value.len() > LONGEST_TEXT => {
                format!("{}{part}{}", at(open, from), at(to, to + close + 1))
            }
            _ => written(value, self.notation(file, text)),
        }
    }

    fn notation(&self, file: FileIndex, text: &Text) -> Notation {
        let start = text.breakpoints.first().map_or(0, |it| it.1);
        let before = self
            .file(file)
            .and_then(|it| it.text.get(..start as usize))
            .unwrap_or_default();
        let header = before.trim_end().rsplit(['\n', ' ']).next().unwrap_or_default();
        match before.chars().next_back() {
            Some('"') => Notation::Double,
            Some('\'') => Notation::Single,
            _ if header.starts_with(['|', '>']) => Notation::Block,
            _ => Notation::Plain,
        }
    }
}

/// An expression or text as a plain scalar where it can be one in lists and maps of every kind, else in quotes.
pub fn scalar(value: &str) -> String {
    written(value, Notation::Plain)
}

/// `value` in the notation that it had, or else in the quotes in which it needs no escapes.
fn written(value: &str, notation: Notation) -> String {
    let single = format!("'{}'", value.replace('\'', "''"));
    let is_plain =
        !value.contains([',', '[', ']', '{', '}', '#', '\n']) && !value.contains(": ") && !value.ends_with(':');
    match notation {
        Notation::Block => value.to_owned(),
        Notation::Plain if is_plain => value.to_owned(),
        _ if value.contains('\n') => serde_json::Value::from(value).to_string(),
        Notation::Double if !value.contains(['"', '\\']) => format!("\"{value}\""),
        _ if value.contains('\'') && !value.contains(['"', '\\']) => format!("\"{value}\""),
        _ => single,
    }
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn quotes_are_those_in_which_nothing_is_escaped() {
        for (value, wanted) in [
            ("$a.b + 1", "$a.b + 1"),
            ("$default(a.b, 0)", "'$default(a.b, 0)'"),
            ("$f(x, 'y')", "\"$f(x, 'y')\""),
            ("$f('x', \"y\")", "'$f(''x'', \"y\")'"),
            ("$a ? b : c", "'$a ? b : c'"),
            ("${a}", "'${a}'"),
        ] {
            assert_eq!(scalar(value), wanted);
        }
    }
}
