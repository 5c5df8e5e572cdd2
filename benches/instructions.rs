//! Runs one task with one method a number of times, for `instructions.sh` to count what the processor does.
//!
//! `cargo bench --bench instructions -- full small weft 10`, under callgrind with `--toggle-collect=*measured_runs*`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that panics has failed, as it should; its output is for people"
)]

#[path = "codec/cases.rs"]
mod cases;
#[path = "codec/generated.rs"]
mod generated;
#[path = "codec/sample.rs"]
mod sample;

use cases::{CORPORA, Operation, Setup, TASKS};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let [task_name, corpus_name, method_name, n_runs] = &*arguments else {
        // What there is, for the script to go through.
        for (task, methods) in TASKS {
            for corpus in CORPORA {
                for method in methods {
                    println!("{task:?} {corpus:?} {method:?}");
                }
            }
        }
        return;
    };
    let corpus = CORPORA.into_iter().find(|it| is(it, corpus_name)).expect("a corpus");
    let (task, methods) = TASKS.into_iter().find(|it| is(&it.0, task_name)).expect("a task");
    let method = *methods
        .iter()
        .find(|it| is(it, method_name))
        .expect("a method of the task");
    let operation = Setup::new(corpus).operation(task, method);
    let mut out = Vec::new();
    // Once before, so that buffers have grown and what is made on first use is there.
    operation(&mut out);
    measured_runs(&operation, n_runs.parse().expect("a number"), &mut out);
}

#[inline(never)]
fn measured_runs(operation: &Operation, n_runs: u32, out: &mut Vec<u8>) {
    for _ in 0..n_runs {
        out.clear();
        operation(out);
        std::hint::black_box(&out);
    }
}

fn is(value: &impl std::fmt::Debug, name: &str) -> bool {
    format!("{value:?}").eq_ignore_ascii_case(name)
}
