//! What went wrong while reading, and where: the way there is put together while the reader unwinds.

use std::borrow::Cow;
use std::fmt::Write;

use super::JsonError;
use crate::codec::json::SyntaxError;

/// A failure on its way out. Boxed, so that success costs nothing.
#[derive(Debug)]
pub(super) struct Failure {
    reason: Cow<'static, str>,
    offset: usize,
    /// Innermost first.
    path: Vec<Step>,
    /// A text that is no JSON has no places in it.
    malformed: bool,
}

#[derive(Debug)]
enum Step {
    Element(usize),
    Member(String),
}

impl Failure {
    #[cold]
    pub(super) fn new(offset: usize, reason: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self {
            reason: reason.into(),
            offset,
            path: Vec::new(),
            malformed: false,
        })
    }

    /// The failure lies in the member with this key.
    #[cold]
    pub(super) fn in_member(mut self: Box<Self>, key: impl Into<String>) -> Box<Self> {
        self.path.push(Step::Member(key.into()));
        self
    }

    /// The failure lies in this element of a list.
    #[cold]
    pub(super) fn in_element(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.path.push(Step::Element(index));
        self
    }

    pub(super) fn into_error(self: Box<Self>) -> JsonError {
        let mut pointer = String::new();
        if !self.malformed {
            for step in self.path.iter().rev() {
                // Writing to a String cannot fail.
                let _infallible = match step {
                    Step::Element(index) => write!(pointer, "/{index}"),
                    Step::Member(key) => write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1")),
                };
            }
        }
        JsonError {
            pointer,
            reason: self.reason.into_owned(),
            offset: self.offset,
        }
    }
}

impl From<SyntaxError> for Box<Failure> {
    fn from(error: SyntaxError) -> Self {
        let mut failure = Failure::new(error.offset, error.reason);
        failure.malformed = true;
        failure
    }
}
