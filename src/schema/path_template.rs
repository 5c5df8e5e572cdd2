//! Path templates of google.api.http (`/v1/{name=shelves/*}/books/{id}:verb`): parsing, matching, precedence (semantics.md 6).

use std::fmt;

use http::Method;

/// A parsed path template. Prints as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {}

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name; dotted for a field path: `book.name`.
    pub name: String,
    /// Byte range of the name in the template's text.
    pub range: std::ops::Range<usize>,
}

/// Why text is not a path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PathTemplateError {
    /// Byte range in the text.
    pub range: std::ops::Range<usize>,
    /// One sentence, lower case, no full stop.
    pub reason: String,
}

/// Which of many templates answers a method and path: a verb before none; then segment by segment literal before `*` before `**`.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    routes: Vec<T>,
}

/// What a lookup found.
#[derive(Debug, PartialEq, Eq)]
pub enum Match<'t, T> {
    /// Malformed path: bad escapes, dot segments, NUL, not UTF-8. 400.
    BadPath,
    /// Nothing has this path. 404.
    NotFound,
    /// A template has this path, but not this method. 405 with these.
    OtherMethods(Vec<Method>),
    /// This one, with the values of its variables in template order, decoded as semantics.md 6.3 says.
    Route(&'t T, Vec<String>),
}

impl PathTemplate {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        let _ = text;
        todo!()
    }

    /// The variables in order.
    pub fn variables(&self) -> &[Variable] {
        todo!()
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<T> RouteTable<T> {
    /// Adds a route; `None` takes every method. `Err` holds the route that has the same shape and method already.
    pub fn insert(&mut self, method: Option<Method>, template: &PathTemplate, route: T) -> Result<(), &T> {
        let _ = (method, template, &self.routes);
        drop(route);
        todo!()
    }

    /// Finds the route of a request. `path` is the raw path of the request line, without the query. HEAD finds GET.
    pub fn find(&self, method: &Method, path: &str) -> Match<'_, T> {
        let _ = (method, path);
        todo!()
    }
}
