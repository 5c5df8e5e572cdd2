//! Why something waits and what goes where, for people: `weft explain`. Nothing that runs reads it.

use std::sync::Arc;

use super::{Dependency, Origin};

/// What one expression mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The key that it stands in: `request`, `when`, `fallback`, `with.id`, `headers.location`, `after`.
    pub key: Arc<str>,
    /// What is mentioned.
    pub of: Mentioned,
    /// The expression as written, without its `$`.
    pub expression: Arc<str>,
    /// It makes a new list, map or object out of what it reads.
    pub builds: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// What is mentioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// The result of a call.
    Call(Dependency),
    /// The element of the `for` call whose graph is so many levels up.
    Element(usize),
    /// An input: `currency`, `body.items`, `request.headers["accept-language"]`.
    Input(Arc<str>),
}
