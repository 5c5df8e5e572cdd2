//! Allocations per message, as divan counts them: `cargo bench --bench allocations`.
//!
//! Apart from the measurement of time, which the counting would distort. The output's buffer keeps its memory.
#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark that panics has failed, as it should"
)]

#[path = "codec/cases.rs"]
mod cases;
#[path = "codec/generated.rs"]
mod generated;
#[path = "codec/sample.rs"]
mod sample;

use cases::{CORPORA, Setup, TASKS};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

/// Every task, corpus and method by index.
fn all() -> Vec<Case> {
    let methods = TASKS
        .into_iter()
        .flat_map(|(task, methods)| methods.iter().map(move |&it| (task, it)));
    methods
        .flat_map(|(task, method)| CORPORA.into_iter().map(move |corpus| Case { task, corpus, method }))
        .collect()
}

struct Case {
    task: cases::Task,
    corpus: cases::Corpus,
    method: cases::Method,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.task, self.corpus, self.method)
    }
}

#[divan::bench(args = all(), sample_count = 10, sample_size = 10)]
fn allocations(bencher: Bencher<'_, '_>, case: &Case) {
    let operation = Setup::new(case.corpus).operation(case.task, case.method);
    let mut out = Vec::new();
    operation(&mut out);
    bencher.bench_local(|| {
        out.clear();
        operation(&mut out);
    });
}
