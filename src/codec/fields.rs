//! What a client chose with `?fields=`: a tree of names as they stand in the JSON (AIP-157).
//!
//! `title,reviews(stars,author.name)` chooses `title`, and of each review the stars and the name of its author. `a.b` is
//! `a(b)`; `*` is everything at its place; a name with signs in it stands in backticks. In lists and maps the choice goes on
//! in every element. Invariant: equal choices have equal text ([`Fields`] prints it), however they were written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::json::{self, Kind};
use crate::schema::suggest;

/// The longest text that is read, in bytes.
const MAX_LENGTH: usize = 4 << 10;
/// The deepest nesting.
const MAX_DEPTH: usize = 32;
/// How many names are listed to someone who gave one that is not among them.
const MAX_LISTED: usize = 12;
/// The signs that have a meaning of their own.
const SIGNS: [char; 6] = [',', '.', '(', ')', '*', '`'];

/// Which members of a value are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// All of them.
    All,
    /// These, and which members of each.
    Only(BTreeMap<Arc<str>, Self>),
}

/// The way down a response while a choice is applied, and what was chosen that is not there.
#[derive(Debug, Default)]
pub struct Descent {
    path: Vec<Arc<str>>,
    wrong: Vec<Unknown>,
}

/// Something that was chosen and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    path: String,
    name: Option<Arc<str>>,
    /// A sentence for the client, without the name that it gave.
    pub reason: String,
}

impl Fields {
    /// Reads what a client wrote; an error is a sentence that does not repeat it.
    ///
    /// ```
    /// use weft::codec::Fields;
    ///
    /// let fields = Fields::parse("reviews.text,title,reviews(stars)").unwrap();
    /// assert_eq!(fields.to_string(), "reviews(stars,text),title");
    /// assert!(Fields::parse("title,").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("must not be longer than {MAX_LENGTH} bytes"));
        }
        let mut parser = Parser { rest: text, text };
        let fields = parser.list(0)?;
        match parser.rest {
            "" => Ok(fields),
            _ => Err(parser.expected("`,`")),
        }
    }

    /// Appends what is wanted of a JSON value: of objects, in lists too, the members that were chosen; all else as it is.
    pub fn project(&self, fragment: &[u8], out: &mut Vec<u8>) {
        let Self::Only(wanted) = self else {
            out.extend_from_slice(fragment);
            return;
        };
        match json::kind(fragment) {
            Kind::Array => {
                out.push(b'[');
                for (at, element) in json::elements(fragment).enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.project(element, out);
                }
                out.push(b']');
            }
            Kind::Object => {
                out.push(b'{');
                let mut first = true;
                for (key, value) in json::members(fragment) {
                    let Some(inner) = json::string(key).and_then(|it| wanted.get(&*it)) else {
                        continue;
                    };
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    out.extend_from_slice(key);
                    out.push(b':');
                    inner.project(value, out);
                }
                out.push(b'}');
            }
            Kind::Bool | Kind::Null | Kind::Number | Kind::String => out.extend_from_slice(fragment),
        }
    }

    /// Both; everything where one of them is everything.
    fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Only(mine), Self::Only(others)) => {
                for (name, fields) in others {
                    match mine.get_mut(&name) {
                        Some(known) => known.add(fields),
                        None => {
                            mine.insert(name, fields);
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(names) = self else {
            return f.write_str("*");
        };
        for (at, (name, fields)) in names.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            if name.contains(is_sign) {
                write!(f, "`{name}`")?;
            } else {
                f.write_str(name)?;
            }
            if let Self::Only(_) = fields {
                write!(f, "({fields})")?;
            }
        }
        Ok(())
    }
}

fn is_sign(letter: char) -> bool {
    SIGNS.contains(&letter) || letter.is_whitespace() || letter.is_control()
}

// === Reading ===

struct Parser<'t> {
    rest: &'t str,
    text: &'t str,
}

impl<'t> Parser<'t> {
    fn list(&mut self, depth: usize) -> Result<Fields, String> {
        let mut all = self.path(depth)?;
        while self.take(',') {
            all.add(self.path(depth)?);
        }
        Ok(all)
    }

    fn path(&mut self, depth: usize) -> Result<Fields, String> {
        if depth >= MAX_DEPTH {
            return Err(format!("must not nest deeper than {MAX_DEPTH}"));
        }
        if self.take('*') {
            return Ok(Fields::All);
        }
        let name = self.name()?;
        let inner = if self.take('.') {
            self.path(depth + 1)?
        } else if self.take('(') {
            let inner = self.list(depth + 1)?;
            if !self.take(')') {
                return Err(self.expected("`,` or `)`"));
            }
            inner
        } else {
            Fields::All
        };
        Ok(Fields::Only(BTreeMap::from([(Arc::from(name), inner)])))
    }

    fn name(&mut self) -> Result<&'t str, String> {
        let (name, rest) = match self.rest.strip_prefix('`') {
            Some(quoted) => quoted
                .split_once('`')
                .ok_or_else(|| self.expected("a name in backticks"))?,
            None => self.rest.split_at(self.rest.find(is_sign).unwrap_or(self.rest.len())),
        };
        if name.is_empty() {
            return Err(self.expected("the name of a field"));
        }
        self.rest = rest;
        Ok(name)
    }

    fn take(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expected(&self, what: &str) -> String {
        let read = self.text.strip_suffix(self.rest).unwrap_or_default();
        format!("expected {what} at character {}", read.chars().count() + 1)
    }
}

// === impl Descent ===

impl Descent {
    /// Goes into a member, and comes back.
    pub fn within<T>(&mut self, name: &Arc<str>, into: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.clone());
        let result = into(self);
        self.path.pop();
        result
    }

    /// Notes a name that is none of those that are here.
    pub fn unknown<'n>(&mut self, name: &Arc<str>, known: impl IntoIterator<Item = &'n str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let place = match self.path.as_slice() {
            [] => String::new(),
            path => format!(" in `{}`", path.join(".")),
        };
        let help = match suggest::nearest(name, known.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() || known.len() > MAX_LISTED => String::new(),
            None => format!("; there are `{}`", known.join("`, `")),
        };
        self.note(Some(name.clone()), format!("unknown field{place}{help}"));
    }

    /// Notes that the value here has no members to choose from.
    pub fn not_an_object(&mut self) {
        let reason = match self.path.as_slice() {
            [] => "the response has no fields".to_owned(),
            path => format!("`{}` has no fields of its own", path.join(".")),
        };
        self.note(None, reason);
    }

    fn note(&mut self, name: Option<Arc<str>>, reason: String) {
        let path = self.path.join(".");
        self.wrong.push(Unknown { path, name, reason });
    }

    /// Applies a choice to each of several values that stand in one place: what is in one of them is there.
    pub fn each<T, R>(&mut self, all: impl IntoIterator<Item = T>, mut one: impl FnMut(&mut Self, T) -> R) -> Vec<R> {
        let before = std::mem::take(&mut self.wrong);
        let mut missing: Option<Vec<Unknown>> = None;
        let mut results = Vec::new();
        for it in all {
            results.push(one(self, it));
            let wrong = std::mem::take(&mut self.wrong);
            missing = Some(match missing {
                None => wrong,
                Some(known) => known
                    .into_iter()
                    .filter(|a| wrong.iter().any(|b| (&a.path, &a.name) == (&b.path, &b.name)))
                    .collect(),
            });
        }
        self.wrong = before;
        self.wrong.extend(missing.unwrap_or_default());
        results
    }

    /// What was chosen and is not there, each sentence once.
    pub fn finish(self) -> Vec<Unknown> {
        let mut wrong = self.wrong;
        let mut seen = std::collections::HashSet::new();
        wrong.retain(|it| seen.insert(it.reason.clone()));
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        match Fields::parse(text) {
            Ok(fields) => fields.to_string(),
            Err(reason) => format!("! {reason}"),
        }
    }

    #[test]
    fn equal_choices_have_equal_text() {
        for (written, expected) in [
            ("b,a", "a,b"),
            ("a,a", "a"),
            ("a(c,b),a.d", "a(b,c,d)"),
            ("a(b),a", "a"),
            ("a.*", "a"),
            ("a,*", "*"),
            ("a.b.c,a(b(d))", "a(b(c,d))"),
            ("`x.y`.z,`a`", "a,`x.y`(z)"),
            ("größe(ü)", "größe(ü)"),
        ] {
            assert_eq!(canonical(written), expected, "{written}");
            assert_eq!(canonical(expected), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        for (written, expected) in [
            ("", "! expected the name of a field at character 1"),
            ("a,", "! expected the name of a field at character 3"),
            ("a()", "! expected the name of a field at character 3"),
            ("a(b", "! expected `,` or `)` at character 4"),
            ("ä)", "! expected `,` at character 2"),
            ("a b", "! expected `,` at character 2"),
            ("*.a", "! expected `,` at character 2"),
            ("`a", "! expected a name in backticks at character 1"),
        ] {
            assert_eq!(canonical(written), expected, "{written}");
        }
        let deep = vec!["a"; 33].join(".");
        assert_eq!(canonical(&deep), "! must not nest deeper than 32");
        assert_eq!(canonical(&deep[2..]).len(), 32 + 2 * 31);
        assert!(canonical(&"a".repeat(5000)).starts_with("! must not be longer"));
    }

    #[test]
    fn json_is_cut_to_what_was_chosen() {
        let project = |fields: &str, json: &str| {
            let mut out = Vec::new();
            Fields::parse(fields).unwrap().project(json.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let json = r#"{"b":[{"c":1,"d":2},{"d":3},4,null],"a" : {"e":"x"},"\u0066":1.10}"#;
        assert_eq!(project("a", json), r#"{"a":{"e":"x"}}"#);
        assert_eq!(project("b.d", json), r#"{"b":[{"d":2},{"d":3},4,null]}"#);
        assert_eq!(project("f,a.no", json), r#"{"a":{},"\u0066":1.10}"#);
    }

    #[test]
    fn what_one_element_has_is_there() {
        let mut descent = Descent::default();
        let name: Arc<str> = "stras".into();
        descent.each([["stars"], ["other"]], |it, known| it.unknown(&name, known));
        descent.each([["stras"], ["other"]], |it, known| {
            if !known.contains(&&*name) {
                it.unknown(&name, known);
            }
        });
        let reasons: Vec<_> = descent.finish().into_iter().map(|it| it.reason).collect();
        assert_eq!(reasons, ["unknown field; did you mean `stars`?"]);
    }
}
