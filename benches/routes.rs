//! What it costs to find the endpoint of a request among few and many: `cargo bench --bench routes`.
//!
//! *areas*: `/v1/area07/kind00007/{id}`, as a company's services would have it; *flat*: `/kind00007/{id}`, all beside each other;
//! *deep*: `/v1/area07/{a}/kind00007/{b}`, with a variable in between. Every request is for another endpoint than the one before,
//! and all paths of a shape are of one length, whatever the number of endpoints.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark that panics has failed, as it should"
)]

use divan::{Bencher, black_box};
use http::Method;
use weft::schema::path_template::{Match, PathTemplate, RouteTable};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// How many requests one sample makes.
const REQUESTS: usize = 10_000;

fn main() {
    divan::main();
}

fn table(n: usize, shape: impl Fn(usize) -> String) -> RouteTable<usize> {
    let mut table = RouteTable::default();
    for at in 0..n {
        table
            .insert(Some(Method::GET), &PathTemplate::parse(&shape(at)).unwrap(), at)
            .unwrap();
    }
    table
}

fn find_each(bencher: Bencher<'_, '_>, n: usize, template: fn(usize) -> String, path: fn(usize) -> String) {
    let table = table(n, template);
    // A walk that visits all endpoints in no order that a cache could guess.
    let paths: Vec<String> = (0..REQUESTS).map(|it| path(it * 7_919 % n)).collect();
    bencher.counter(REQUESTS).bench(|| {
        for path in &paths {
            match table.find(&Method::GET, black_box(path)) {
                Match::Route(found, captures) => {
                    black_box((found, captures));
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    });
}

#[divan::bench(args = SIZES)]
fn areas(bencher: Bencher<'_, '_>, n: usize) {
    find_each(
        bencher,
        n,
        |at| format!("/v1/area{:02}/kind{at:05}/{{id}}", at % 97),
        |at| format!("/v1/area{:02}/kind{at:05}/42", at % 97),
    );
}

#[divan::bench(args = SIZES)]
fn deep(bencher: Bencher<'_, '_>, n: usize) {
    find_each(
        bencher,
        n,
        |at| format!("/v1/area{:02}/{{a}}/kind{at:05}/{{b}}", at % 97),
        |at| format!("/v1/area{:02}/7/kind{at:05}/42", at % 97),
    );
}

#[divan::bench(args = SIZES)]
fn flat(bencher: Bencher<'_, '_>, n: usize) {
    find_each(
        bencher,
        n,
        |at| format!("/kind{at:05}/{{id}}"),
        |at| format!("/kind{at:05}/42"),
    );
}
