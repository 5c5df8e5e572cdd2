//! Which part of the requests goes where: `split:` and `mirror:` of a backend.

use std::sync::Arc;
use std::time::Duration;

use super::{BackendIndex, MethodIndex, OfRequest};
use crate::schema::MessageRef;

/// `split:`: a backend that is others, one of them for each request.
#[derive(Debug)]
pub struct Split {
    /// In written order.
    pub portions: Vec<Portion>,
    /// `sticky:`: equal values get the same portion; null goes by chance.
    pub sticky: Option<OfRequest>,
}

/// One of those that a backend is split between.
#[derive(Debug)]
pub struct Portion {
    /// Who gets it.
    pub to: BackendIndex,
    /// Its share of the requests for which no `when` holds.
    pub weight: u32,
    /// It gets those for which this is true; the first such portion does.
    pub when: Option<OfRequest>,
}

/// `mirror:`: a backend that is asked the same, whose answers nobody gets.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Who is asked.
    pub to: BackendIndex,
    /// For this part of the calls, percent.
    pub share: u32,
    /// Copies under way at once, over all workers.
    pub concurrency: u32,
    /// Calls that may change something are copied, too.
    pub also_unsafe: bool,
    /// Paths that may differ: `product.updated_at`, `items[].score`.
    pub ignore: Vec<Arc<str>>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// By the method of the backend that is mirrored.
    pub methods: Vec<Copied>,
}

/// A method that is mirrored.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Its number at the mirror.
    pub method: MethodIndex,
    /// What is answered; none for HTTP.
    pub reply: Option<MessageRef>,
}

// === impl Split ===

impl Split {
    /// All weights together.
    pub fn total(&self) -> u64 {
        self.portions.iter().map(|it| u64::from(it.weight)).sum()
    }

    /// Whose share a number below the total lies in.
    pub fn at(&self, number: u64) -> Option<&Portion> {
        let mut end = 0;
        self.portions.iter().find(|it| {
            end += u64::from(it.weight);
            number < end
        })
    }
}
