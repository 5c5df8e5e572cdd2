//! Which of many templates answers a request: a trie, walked by preference, so that the first route found is the right one.
//!
//! Invariant: a template takes one segment of a path for each of its own, except `**`, which is last; so the way down to a
//! node says how much of the path is taken, each node is visited once at most, and captures are cut out after the search.
//!
//! Everything is an index of 32 bits and stands in few places, since what a lookup costs among many endpoints is the memory
//! that it has to wait for.

mod literals;

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::Range;

use http::Method;
use percent_encoding::percent_decode_str;

use self::literals::Literals;
use super::{PathTemplate, Segment};

/// Which of many templates answers a method and path: a verb before none; then segment by segment literal before `*` before `**`.
///
/// ```
/// use http::Method;
/// use weft::schema::path_template::{Match, PathTemplate, RouteTable};
///
/// let mut routes = RouteTable::default();
/// for text in ["/v1/{parent=shelves/*}/books", "/v1/{name=shelves/*/books/*}", "/v1/{rest=**}"] {
///     routes.insert(Some(Method::GET), &PathTemplate::parse(text)?, text).unwrap();
/// }
/// let find = |path| routes.find(&Method::GET, path);
/// assert_eq!(find("/v1/shelves/7/books"), Match::Route(&"/v1/{parent=shelves/*}/books", vec!["shelves/7".into()]));
/// assert_eq!(find("/v1/racks/a%2Fb"), Match::Route(&"/v1/{rest=**}", vec!["racks/a%2Fb".into()]));
/// assert_eq!(find("/v1/../etc"), Match::BadPath);
/// assert_eq!(routes.find(&Method::PUT, "/v1/racks"), Match::OtherMethods(vec![Method::GET, Method::HEAD]));
/// # Ok::<(), weft::schema::path_template::PathTemplateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    routes: Vec<Route<T>>,
    nodes: Vec<Node>,
    /// What variables take, as a list for each way in which templates have them.
    captures: Vec<Box<[Capture]>>,
    literals: Literals,
    /// The tries of the templates with a verb, by verb, in order; [`ROOT`] is that of the others.
    verbs: Vec<(Box<str>, NodeIndex)>,
}

/// What a lookup found.
#[derive(Debug, PartialEq, Eq)]
pub enum Match<'t, T> {
    /// Malformed path: bad escapes, dot segments, NUL, not UTF-8. 400.
    BadPath,
    /// Nothing has this path. 404.
    NotFound,
    /// A template has this path, but not this method. 405 with these: sorted, each once, HEAD wherever GET is.
    OtherMethods(Vec<Method>),
    /// This one, with the values of its variables in template order, decoded as semantics.md 6.3 says.
    Route(&'t T, Vec<String>),
}

#[derive(Clone, Debug)]
struct Route<T> {
    value: T,
    method: Option<Method>,
    captures: CapturesIndex,
    /// The next route of the same shape, for another method.
    next: Option<RouteIndex>,
    /// Whether a path may end in a slash.
    slash: bool,
}

type CapturesIndex = u32;
type NodeIndex = u32;
/// From 1, so that there is room for none.
type RouteIndex = NonZeroU32;

const ROOT: NodeIndex = 0;

/// What may follow a number of segments.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The path ends: the first of the routes of one shape.
    end: Option<RouteIndex>,
    /// `**`, behind which nothing follows.
    rest: Option<RouteIndex>,
    /// `*`; no way leads back to the root, which stands for none.
    one: NodeIndex,
    /// Literals follow: [`RouteTable::literals`] says which.
    has_literals: bool,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            nodes: vec![Node::default()],
            captures: Vec::new(),
            literals: Literals::default(),
            verbs: Vec::new(),
        }
    }
}

impl<T> RouteTable<T> {
    /// Adds a route; `None` takes every method. `Err` holds the route that has the same shape and method already.
    pub fn insert(&mut self, method: Option<Method>, template: &PathTemplate, route: T) -> Result<(), &T> {
        self.add(method, template, route, false)
    }

    /// As [`Self::insert`]; where the template ends in `**`, paths with a slash at their end are taken, too: `/old/a/` by
    /// `/old/**`.
    pub fn insert_with_slash(&mut self, method: Option<Method>, template: &PathTemplate, route: T) -> Result<(), &T> {
        self.add(method, template, route, true)
    }

    fn add(&mut self, method: Option<Method>, template: &PathTemplate, route: T, slash: bool) -> Result<(), &T> {
        let mut node = self.trie(template.verb());
        let mut is_rest = false;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => self.literal(node, text),
                Segment::One => self.one(node),
                // `**` is the last segment.
                Segment::Rest => {
                    is_rest = true;
                    node
                }
            };
        }
        let captures = self.captures(template);
        let node = &mut self.nodes[node as usize];
        let first = if is_rest { &mut node.rest } else { &mut node.end };
        let mut earlier = *first;
        while let Some(index) = earlier {
            let route = &self.routes[at(index)];
            if route.method == method {
                return Err(&self.routes[at(index)].value);
            }
            earlier = route.next;
        }
        self.routes.push(Route {
            value: route,
            method,
            captures,
            next: *first,
            slash,
        });
        *first = u32::try_from(self.routes.len()).ok().and_then(NonZeroU32::new);
        Ok(())
    }

    /// Templates are alike in this, so that few lists serve all.
    fn captures(&mut self, template: &PathTemplate) -> CapturesIndex {
        let captures = Capture::all_of(template);
        let known = self.captures.iter().position(|it| *it == captures);
        let index = known.unwrap_or_else(|| {
            self.captures.push(captures);
            self.captures.len() - 1
        });
        narrow(index)
    }

    fn trie(&mut self, verb: Option<&str>) -> NodeIndex {
        let Some(verb) = verb else { return ROOT };
        match self.verbs.binary_search_by(|(it, _)| (**it).cmp(verb)) {
            Ok(at) => self.verbs[at].1,
            Err(at) => {
                let node = self.node();
                self.verbs.insert(at, (verb.into(), node));
                node
            }
        }
    }

    fn literal(&mut self, node: NodeIndex, text: &str) -> NodeIndex {
        if let Some(child) = self.literals.find(node, text) {
            return child;
        }
        let child = self.node();
        self.nodes[node as usize].has_literals = true;
        self.literals.insert(node, text, child);
        child
    }

    fn one(&mut self, node: NodeIndex) -> NodeIndex {
        if self.nodes[node as usize].one == ROOT {
            self.nodes[node as usize].one = self.node();
        }
        self.nodes[node as usize].one
    }

    fn node(&mut self) -> NodeIndex {
        self.nodes.push(Node::default());
        narrow(self.nodes.len() - 1)
    }

    /// Finds the route of a request. `path` is the raw path of the request line, without the query. HEAD finds GET.
    pub fn find(&self, method: &Method, path: &str) -> Match<'_, T> {
        let slash = match check(path) {
            Shape::Bad => return Match::BadPath,
            Shape::EmptySegment => return Match::NotFound,
            Shape::Good => false,
            Shape::Slash => true,
        };
        // Behind the first slash; the root has no segments.
        let whole = Some(&path[1..]).filter(|it| !it.is_empty());
        let with_verb = match self.split_verb(path) {
            Verb::BadPath => return Match::BadPath,
            Verb::None => None,
            Verb::Split(trie, rest) => Some((trie, Some(rest).filter(|it| !it.is_empty()))),
        };
        let tries = || with_verb.into_iter().chain([(ROOT, whole)]);
        for (trie, path) in tries() {
            if let Some(route) = self.search(trie, path, &mut |first| self.choose(first, method, slash)) {
                let route = &self.routes[at(route)];
                let captures = &self.captures[route.captures as usize];
                return Match::Route(&route.value, captures.iter().map(|it| it.of(path)).collect());
            }
        }
        let mut methods: Vec<Method> = Vec::new();
        for (trie, path) in tries() {
            self.search(trie, path, &mut |first| {
                let routes = self.of_shape(first).map(|it| &self.routes[at(it)]);
                methods.extend(routes.filter(|it| it.takes(slash)).filter_map(|it| it.method.clone()));
                None
            });
        }
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        if methods.is_empty() {
            Match::NotFound
        } else {
            Match::OtherMethods(methods)
        }
    }

    /// The trie of the verb at the end of a path and what stands between the first slash and the verb.
    fn split_verb<'p>(&self, path: &'p str) -> Verb<'p> {
        if self.verbs.is_empty() {
            return Verb::None;
        }
        let last = path.rfind('/').map_or(0, |it| it + 1);
        let Some(colon) = path[last..].rfind(':').map(|it| last + it) else {
            return Verb::None;
        };
        let verb = decode(&path[colon + 1..]);
        let Ok(at) = self.verbs.binary_search_by(|(it, _)| (**it).cmp(&verb)) else {
            return Verb::None;
        };
        if is_dots(&path[last..colon]) {
            return Verb::BadPath;
        }
        // `/a/:verb` would be `/a/` without its verb, which nothing has; `/:verb` would be the root.
        if colon == last && last > 1 {
            return Verb::None;
        }
        Verb::Split(self.verbs[at].1, &path[1..colon])
    }

    /// Walks the templates that take the rest of a path, best first, until one has what is wanted.
    fn search(
        &self,
        index: NodeIndex,
        rest: Option<&str>,
        wanted: &mut dyn FnMut(RouteIndex) -> Option<RouteIndex>,
    ) -> Option<RouteIndex> {
        let node = &self.nodes[index as usize];
        if let Some(path) = rest {
            let (segment, rest) = first_segment(path);
            if node.has_literals
                && let Some(child) = self.literals.find(index, &decode(segment))
                && let Some(found) = self.search(child, rest, wanted)
            {
                return Some(found);
            }
            if node.one != ROOT
                && !segment.is_empty()
                && let Some(found) = self.search(node.one, rest, wanted)
            {
                return Some(found);
            }
        } else if let Some(found) = node.end.and_then(&mut *wanted) {
            return Some(found);
        }
        node.rest.and_then(wanted)
    }

    /// All routes of one shape, one for each method.
    fn of_shape(&self, first: RouteIndex) -> impl Iterator<Item = RouteIndex> + '_ {
        std::iter::successors(Some(first), |it| self.routes[at(*it)].next)
    }

    /// Of the routes of one shape, the one that has a method.
    fn choose(&self, first: RouteIndex, method: &Method, slash: bool) -> Option<RouteIndex> {
        let find = |method: Option<&Method>| {
            self.of_shape(first).find(|it| {
                let route = &self.routes[at(*it)];
                route.takes(slash) && route.method.as_ref() == method
            })
        };
        let get = || {
            if method == Method::HEAD {
                find(Some(&Method::GET))
            } else {
                None
            }
        };
        find(Some(method)).or_else(get).or_else(|| find(None))
    }
}

/// Where a route stands.
fn at(index: RouteIndex) -> usize {
    index.get() as usize - 1
}

/// A number of things of which there are fewer than 2³².
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<T> Route<T> {
    /// Whether it takes a path that ends in a slash, or one that does not.
    fn takes(&self, slash: bool) -> bool {
        self.slash || !slash
    }
}

enum Verb<'p> {
    BadPath,
    None,
    Split(NodeIndex, &'p str),
}

// === paths ===

enum Shape {
    Bad,
    EmptySegment,
    Good,
    /// Good, but for a slash at the end.
    Slash,
}

/// Judges a path before anything is looked up, so that a malformed one is malformed everywhere.
fn check(path: &str) -> Shape {
    let Some(segments) = path.strip_prefix('/') else {
        return Shape::Bad;
    };
    let mut shape = Shape::Good;
    let mut rest = Some(segments).filter(|it| !it.is_empty());
    while let Some(path) = rest {
        let (segment, behind) = first_segment(path);
        if segment.is_empty() {
            shape = match (&shape, behind) {
                (Shape::Good, None) => Shape::Slash,
                _ => Shape::EmptySegment,
            };
        } else if !is_well_formed(segment) {
            return Shape::Bad;
        }
        rest = behind;
    }
    shape
}

/// What stands before the first slash, and what behind it. Segments are short: looking at each byte is the fastest.
fn first_segment(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|it| it == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// Whether a segment decodes to text without NUL and is no dot segment.
fn is_well_formed(segment: &str) -> bool {
    if is_dots(segment) || segment.bytes().any(|it| it == 0) {
        return false;
    }
    if !segment.bytes().any(|it| it == b'%') {
        return true;
    }
    let mut rest = segment.as_bytes();
    while let Some(at) = rest.iter().position(|it| *it == b'%') {
        match rest[at + 1..] {
            [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() && (a, b) != (b'0', b'0') => {
                rest = &rest[at + 3..];
            }
            _ => return false,
        }
    }
    percent_decode_str(segment).decode_utf8().is_ok()
}

/// Whether a segment is `.` or `..`, raw or encoded, or is for somebody: backends are known that decode a path before they
/// part its segments, that take a backslash for a slash, or that cut off parameters (`..;a`).
pub fn is_dots(segment: &str) -> bool {
    let may_be = segment.starts_with('.') || segment.bytes().any(|it| matches!(it, b'%' | b'\\'));
    let for_somebody = |it: &str| matches!(it.split(';').next(), Some("." | ".."));
    may_be && decode(segment).split(['/', '\\']).any(for_somebody)
}

/// Text that was found well formed, decoded.
fn decode(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|it| it == b'%') {
        percent_decode_str(text).decode_utf8_lossy()
    } else {
        Cow::Borrowed(text)
    }
}

/// The segments that a variable takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Capture {
    range: Range<usize>,
    /// To the end of the path.
    rest: bool,
}

impl Capture {
    /// Those of a template's variables, in its order.
    fn all_of(template: &PathTemplate) -> Box<[Self]> {
        let capture = |range: &Range<usize>| Self {
            range: range.clone(),
            rest: template.segments[range.clone()].last() == Some(&Segment::Rest),
        };
        template.captures.iter().map(capture).collect()
    }

    /// The value in a path that the template takes.
    fn of(&self, path: Option<&str>) -> String {
        let Some(path) = path else {
            return String::new();
        };
        // Where the nth segment begins; one that is not there would begin behind a slash at the end.
        let start_of = |n: usize| {
            let mut slashes = (0..path.len()).filter(|it| path.as_bytes()[*it] == b'/');
            n.checked_sub(1)
                .map_or(0, |it| slashes.nth(it).unwrap_or(path.len()) + 1)
        };
        let Self { range, rest } = self;
        let start = start_of(range.start).min(path.len());
        let end = if *rest { path.len() } else { start_of(range.end) - 1 };
        let text = path.get(start..end).unwrap_or_default();
        if range.len() == 1 && !rest {
            decode(text).into_owned()
        } else {
            decode_keeping_slashes(text)
        }
    }
}

/// Decodes everything but `%2F`, which would be taken for a border between segments.
fn decode_keeping_slashes(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest
        .as_bytes()
        .windows(3)
        .position(|it| it.eq_ignore_ascii_case(b"%2f"))
    {
        decoded.push_str(&decode(&rest[..at]));
        decoded.push_str(&rest[at..at + 3]);
        rest = &rest[at + 3..];
    }
    decoded.push_str(&decode(rest));
    decoded
}
