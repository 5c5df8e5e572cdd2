//! What became of the calls of requests, for those who want to see it: `weft call --trace` and `weft test --coverage`.
//!
//! Where nobody watches this is one test of an `Option` at each turn of a call. Parts of the plan are named by their
//! address, which stands as long as the plan is served. Invariant: nothing that runs reads what was noted.

use std::cell::{Cell, RefCell};

use super::execute::CallReport;
use crate::expr::{Frame, Slot, Value};
use crate::time::Instant;

/// Notes of one worker, in the order in which things happened.
#[derive(Debug, Default)]
pub struct Watch {
    notes: RefCell<Vec<Note>>,
    failing: Cell<Option<Address>>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Note {
    /// When.
    pub at: Instant,
    /// To which call or `require` of the plan, or in which graph.
    pub of: Address,
    /// Which element of a `for` it belongs to; 0 outside of one.
    pub element: usize,
    /// What.
    pub what: Event,
}

/// Where a part of the plan lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(usize);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// All that the call waits for was there.
    Began,
    /// `when` is false, or null.
    Skipped,
    /// It reached its backend or the cache, and this came of it.
    Exchanged(CallReport),
    /// It failed: with a gRPC code, and an HTTP backend's status.
    Failed(tonic::Code, Option<http::StatusCode>),
    /// Its fallback stands in.
    FellBack,
    /// It is optional, and null stands in.
    LeftOut,
    /// It is settled, and others may read it.
    Settled,
    /// The request was refused, or failed: why, and where that was written.
    Refused(String),
    /// Whether a `require` held.
    Required(bool),
    /// A graph has come to its end: the values in scope, inner scope first.
    Ended(Vec<(Slot, Vec<Value>)>),
}

impl Watch {
    /// Takes note of something.
    pub fn note<T>(&self, of: &T, element: usize, what: Event) {
        self.notes.borrow_mut().push(Note {
            at: Instant::now(),
            of: Address::of(of),
            element,
            what,
        });
    }

    /// Takes out what was noted so far.
    pub fn take(&self) -> Vec<Note> {
        self.notes.take()
    }

    /// Has a call fail whenever it is made, to see whether the response stands without it.
    pub fn fail(&self, call: Option<Address>) {
        self.failing.set(call);
    }

    /// Whether a call is to fail.
    pub fn fails<T>(&self, call: &T) -> bool {
        self.failing.get() == Some(Address::of(call))
    }
}

impl Address {
    /// The address of a part of the plan.
    pub fn of<T>(part: &T) -> Self {
        Self(std::ptr::from_ref(part).addr())
    }
}

impl Event {
    /// The end of a graph, with a copy of what was in scope.
    pub fn ended(frame: &Frame<'_>) -> Self {
        let scopes = std::iter::successors(Some(frame), |it| it.parent);
        Self::Ended(scopes.map(|it| (it.base, it.values.to_vec())).collect())
    }
}
