//! Speed of the codec against the usual ways to JSON: `cargo bench --bench codec`.
//!
//! Prints divan's table, then ratios. A ratio compares the fastest of many short batches, which take turns, so that a
//! neighbour on the machine slows both sides or neither. `benches/instructions.sh` counts instructions instead.
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
#[path = "codec/check.rs"]
mod check;
#[path = "codec/generated.rs"]
mod generated;
#[path = "codec/ratios.rs"]
mod ratios;
#[path = "codec/sample.rs"]
mod sample;

use cases::{CORPORA, Corpus, Method, Setup, Task};
use divan::Bencher;
use divan::counter::BytesCount;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    check::all();
    divan::main();
    let mut arguments = std::env::args().skip(1);
    // Cargo says `--bench` where it is to be measured and not only tried.
    if arguments.len() == 1 && arguments.any(|it| it == "--bench") {
        ratios::print();
    }
}

fn measure(bencher: Bencher<'_, '_>, corpus: Corpus, task: Task, method: Method) {
    let setup = Setup::new(corpus);
    let operation = setup.operation(task, method);
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(setup.wire.len())).bench_local(|| {
        out.clear();
        operation(&mut out);
        divan::black_box(&out);
    });
}

macro_rules! task {
    ($task:ident: $($name:ident = $method:ident),*) => {
        $(
            #[divan::bench(args = CORPORA)]
            fn $name(bencher: Bencher<'_, '_>, corpus: Corpus) {
                super::measure(bencher, corpus, Task::$task, Method::$method);
            }
        )*
    };
}

mod wire_to_json {
    use super::{Bencher, CORPORA, Corpus, Method, Task};
    task!(Full: weft = Weft, generated = Generated, prost_reflect = Reflect);
}

mod wire_to_json_of_four_fields {
    use super::{Bencher, CORPORA, Corpus, Method, Task};
    task!(Projected: weft = Weft, generated = Generated, prost_reflect = Reflect);
}

mod json_to_wire {
    use super::{Bencher, CORPORA, Corpus, Method, Task};
    task!(FromJson: weft = Weft, prost_reflect = Reflect);
}

mod json_splice {
    use super::{Bencher, CORPORA, Corpus, Method, Task};
    task!(Splice: weft = Weft, raw_value = RawValue);
}
