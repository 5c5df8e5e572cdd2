//! Path templates of google.api.http (`/v1/{name=shelves/*}/books/{id}:verb`): parsing, matching, precedence (semantics.md 6).
//!
//! The grammar is http.proto's, with `**` in the last place only and no `:` in literals; `/` alone is the root. Whether a
//! variable names anything is for others to say.
//! Invariant: a template prints as it was written, and parses to itself again.

mod route;
mod syntax;

use std::fmt;
use std::ops::Range;

pub use self::route::{Match, RouteTable, is_dots};

/// A parsed path template. Prints as it was written.
///
/// ```
/// use weft::schema::path_template::PathTemplate;
///
/// let template = PathTemplate::parse("/v1/{name=shelves/*}/books/{id}:archive")?;
/// assert_eq!(template.variables().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["name", "id"]);
/// assert_eq!(template.verb(), Some("archive"));
/// assert_eq!(template.to_string(), "/v1/{name=shelves/*}/books/{id}:archive");
///
/// let error = PathTemplate::parse("/v1/**/books").unwrap_err();
/// assert_eq!((error.range, error.reason.as_str()), (4..6, "`**` may stand in the last place only"));
/// # Ok::<(), weft::schema::path_template::PathTemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Box<[Segment]>,
    /// Decoded.
    verb: Option<Box<str>>,
    variables: Box<[Variable]>,
    captures: Box<[Range<usize>]>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// This text, decoded.
    Literal(Box<str>),
    /// `*`: any text but none.
    One,
    /// `**`: any number of segments, none too.
    Rest,
}

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name; dotted for a field path: `book.name`.
    pub name: String,
    /// Byte range of the name in the template's text.
    pub range: Range<usize>,
}

/// One segment, for those who show templates in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'t> {
    /// The text, decoded; `*` or `**` for a wildcard.
    pub text: &'t str,
    /// It is text, and no wildcard.
    pub is_literal: bool,
    /// The variable that it is a part of, by its place in [`PathTemplate::variables`].
    pub variable: Option<usize>,
}

/// Why text is not a path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PathTemplateError {
    /// Byte range in the text.
    pub range: Range<usize>,
    /// One sentence, lower case, no full stop.
    pub reason: String,
}

impl PathTemplate {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        syntax::parse(text)
    }

    /// The variables in order.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The segments in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.segments.iter().enumerate().map(|(at, segment)| Part {
            text: match segment {
                Segment::Literal(text) => text,
                Segment::One => "*",
                Segment::Rest => "**",
            },
            is_literal: matches!(segment, Segment::Literal(_)),
            variable: self.captures.iter().position(|it| it.contains(&at)),
        })
    }

    /// The verb behind the last segment, decoded.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// A path that it takes: `/v1/shelves/a/books/b` for `/v1/{name=shelves/*}/books/{id}`.
    ///
    /// ```
    /// use weft::schema::path_template::PathTemplate;
    ///
    /// let example = |text: &str| PathTemplate::parse(text).map(|it| it.example());
    /// assert_eq!(example("/v1/{name=shelves/*}/books/{id}:archive")?, "/v1/shelves/a/books/b:archive");
    /// assert_eq!(example("/files/{path=**}")?, "/files/a/b");
    /// assert_eq!(example("/")?, "/");
    /// # Ok::<(), weft::schema::path_template::PathTemplateError>(())
    /// ```
    pub fn example(&self) -> String {
        const RESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        let mut letters = ('a'..='z').cycle();
        let mut letter = || letters.next().unwrap_or('a');
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.extend(percent_encoding::utf8_percent_encode(text, RESERVED)),
                Segment::One => path.push(letter()),
                Segment::Rest => path.extend([letter(), '/', letter()]),
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        if let Some(verb) = &self.verb {
            path.push(':');
            path.extend(percent_encoding::utf8_percent_encode(verb, RESERVED));
        }
        path
    }

    /// Whether two templates take the same paths in the same way: they differ in the names of variables at most.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.segments == other.segments && self.verb == other.verb
    }

    /// Whether some path is taken by both templates.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.verb, &other.verb) {
            (None, None) => meet(&self.segments, &other.segments),
            (Some(a), Some(b)) => a == b && meet(&self.segments, &other.segments),
            (Some(verb), None) => meet_with_verb(&self.segments, verb, &other.segments),
            (None, Some(verb)) => meet_with_verb(&other.segments, verb, &self.segments),
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether some list of segments is taken by both.
fn meet(a: &[Segment], b: &[Segment]) -> bool {
    match (a, b) {
        // `**` is last and takes whatever the other one goes on with.
        ([], []) | ([Segment::Rest, ..], _) | (_, [Segment::Rest, ..]) => true,
        ([], _) | (_, []) => false,
        ([Segment::Literal(a), ..], [Segment::Literal(b), ..]) if a != b => false,
        ([_, a @ ..], [_, b @ ..]) => meet(a, b),
    }
}

/// Whether some path of `with` and its verb is, verb and all, taken by `without`, where it is text of the last segment.
fn meet_with_verb(with: &[Segment], verb: &str, without: &[Segment]) -> bool {
    let [prefix @ .., Segment::Rest] = with else {
        return fixed_meets_with_verb(with.to_vec(), verb, without);
    };
    // As many segments for `**` as the other one can tell apart.
    (0..=without.len()).any(|n| {
        let rest = std::iter::repeat_n(Segment::One, n);
        fixed_meets_with_verb(prefix.iter().cloned().chain(rest).collect(), verb, without)
    })
}

fn fixed_meets_with_verb(mut with: Vec<Segment>, verb: &str, without: &[Segment]) -> bool {
    let last = match (with.pop(), without.get(with.len())) {
        (None, _) => Segment::Literal(format!(":{verb}").into()),
        (Some(Segment::Literal(text)), _) => Segment::Literal(format!("{text}:{verb}").into()),
        (Some(_), Some(Segment::Literal(text))) if ends_with_verb(text, verb).is_some_and(|it| !it.is_empty()) => {
            Segment::Literal(text.clone())
        }
        (Some(_), Some(Segment::Literal(_))) => return false,
        (Some(_), _) => Segment::One,
    };
    with.push(last);
    meet(&with, without)
}

fn ends_with_verb<'a>(text: &'a str, verb: &str) -> Option<&'a str> {
    text.strip_suffix(verb)?.strip_suffix(':')
}

#[cfg(test)]
mod tests;
