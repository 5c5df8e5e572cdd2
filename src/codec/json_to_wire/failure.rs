//! What went wrong while reading, and where: the way there is put together while the reader unwinds.

use std::borrow::Cow;

use super::JsonError;
use crate::codec::json::{self, SyntaxError};

/// A failure on its way out. Boxed, so that success costs nothing.
#[derive(Debug)]
pub(super) struct Failure(Box<Details>);

#[derive(Debug)]
struct Details {
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
    pub(super) fn new(offset: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Details {
            reason: reason.into(),
            offset,
            path: Vec::new(),
            malformed: false,
        }))
    }

    /// The failure lies in the member with this key.
    #[cold]
    pub(super) fn in_member(mut self, key: impl Into<String>) -> Self {
        self.0.path.push(Step::Member(key.into()));
        self
    }

    /// The failure lies in this element of a list.
    #[cold]
    pub(super) fn in_element(mut self, index: usize) -> Self {
        self.0.path.push(Step::Element(index));
        self
    }

    pub(super) fn into_error(self) -> JsonError {
        let Details {
            reason,
            offset,
            path,
            malformed,
        } = *self.0;
        let mut pointer = String::new();
        if !malformed {
            for step in path.iter().rev() {
                pointer = match step {
                    Step::Element(index) => json::pointer_below(&pointer, &index.to_string()),
                    Step::Member(key) => json::pointer_below(&pointer, key),
                };
            }
        }
        JsonError {
            pointer,
            reason: reason.into_owned(),
            offset,
        }
    }
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        let mut failure = Self::new(error.offset, error.reason);
        failure.0.malformed = true;
        failure
    }
}
