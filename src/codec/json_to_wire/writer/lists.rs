//! The working lists of a run, kept for the next run on the same thread, so that a run allocates nothing but its output.

use std::cell::Cell;
use std::mem;

use super::map::Entry;

/// All lists are empty at the start of a run.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// A bit for each field and each oneof of every message that is open.
    pub(super) seen: Vec<u64>,
    /// The fields of every message that is open.
    pub(super) spans: Vec<Span>,
    /// The entries of every map that is open.
    pub(super) entries: Vec<Entry>,
    /// For text that is unescaped and for what is put in order.
    pub(super) spare: Vec<u8>,
}

/// What was written of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) number: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

thread_local! {
    static KEPT: Cell<Lists> = Cell::default();
}

/// Larger lists are not kept, in bytes, so that one huge document does not hold memory for ever.
const MOST_KEPT: usize = 1 << 16;

impl Lists {
    /// The lists of the run before, or new ones.
    pub(super) fn take() -> Self {
        KEPT.take()
    }

    /// Keeps the memory for the next run.
    pub(super) fn keep(&mut self) {
        let mut lists = mem::take(self);
        clear(&mut lists.seen);
        clear(&mut lists.spans);
        clear(&mut lists.entries);
        clear(&mut lists.spare);
        KEPT.set(lists);
    }
}

fn clear<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity().saturating_mul(size_of::<T>()) > MOST_KEPT {
        *list = Vec::new();
    }
}
