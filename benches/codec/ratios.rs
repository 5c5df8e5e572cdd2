//! Ratios between methods, and between one thread and two.

#![allow(clippy::disallowed_types, reason = "what is measured is the real time")]

use std::fs;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::cases::{CORPORA, Corpus, Method, Operation, Setup, TASKS, Task};

/// How long one batch takes: short enough to fall between two interruptions.
const BATCH: Duration = Duration::from_micros(500);
const N_BATCHES: u32 = 400;
const WINDOW: Duration = Duration::from_millis(40);
const N_WINDOWS: u32 = 40;

/// Measures and prints everything.
pub(crate) fn print() {
    println!("\nµs per message, fastest of {N_BATCHES} batches, and how many times as long as weft");
    for (task, methods) in TASKS {
        for corpus in CORPORA {
            let setup = Setup::new(corpus);
            let operations: Vec<Operation> = methods.iter().map(|&it| setup.operation(task, it)).collect();
            let fastest = fastest(&operations);
            print!("{:<11}{:<7}", format!("{task:?}"), format!("{corpus:?}"));
            for (method, time) in methods.iter().zip(&fastest) {
                print!("{:>11} {:>9.2}", format!("{method:?}"), time * 1e6);
                if *method != Method::Weft {
                    print!(" {:>5.2}×", time / fastest[0]);
                }
            }
            println!();
        }
    }
    println!("\nMessages (20 reviews) per second with one thread and two: wall clock, best of {N_WINDOWS} windows;");
    println!("and per second of processor time, which other processes do not take part in");
    for method in [Method::Weft, Method::Generated, Method::Reflect] {
        let setup = Setup::new(Corpus::List);
        let one = threads(&setup, method, 1);
        let two = threads(&setup, method, 2);
        println!(
            "{:<10} wall {:>9.0} {:>9.0} {:>5.2}×   processor {:>5.2}×",
            format!("{method:?}"),
            one.wall,
            two.wall,
            two.wall / one.wall,
            2.0 * two.processor / one.processor
        );
    }
}

/// The fastest run of each operation in seconds, all measured in turns.
fn fastest(operations: &[Operation]) -> Vec<f64> {
    let mut out = Vec::new();
    let mut batch = |operation: &Operation, n_runs: u32| {
        let start = Instant::now();
        for _ in 0..n_runs {
            out.clear();
            operation(&mut out);
            black_box(&out);
        }
        start.elapsed()
    };
    let n_runs: Vec<u32> = operations
        .iter()
        .map(|it| {
            let once = batch(it, 3) / 3;
            u32::try_from(BATCH.as_nanos() / once.as_nanos().max(1))
                .unwrap_or(u32::MAX)
                .max(1)
        })
        .collect();
    let mut fastest = vec![f64::INFINITY; operations.len()];
    for _ in 0..N_BATCHES {
        for ((operation, &n_runs), fastest) in operations.iter().zip(&n_runs).zip(&mut fastest) {
            let time = batch(operation, n_runs).as_secs_f64() / f64::from(n_runs);
            *fastest = fastest.min(time);
        }
    }
    fastest
}

/// Messages per second.
struct Rate {
    wall: f64,
    /// Per thread.
    processor: f64,
}

/// Runs one program, or one pool of descriptors, on several threads at once.
fn threads(setup: &Setup, method: Method, n_threads: u32) -> Rate {
    let mut best = Rate {
        wall: 0.0,
        processor: 0.0,
    };
    let operation = setup.operation(Task::Full, method);
    for _ in 0..N_WINDOWS {
        let barrier = Barrier::new(n_threads as usize);
        let runs: Vec<(f64, f64)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..n_threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut out = Vec::new();
                        let mut n_runs = 0.0;
                        barrier.wait();
                        let (start, processor) = (Instant::now(), processor_time());
                        while start.elapsed() < WINDOW {
                            for _ in 0..20 {
                                out.clear();
                                operation(&mut out);
                                black_box(&out);
                            }
                            n_runs += 20.0;
                        }
                        (
                            n_runs / start.elapsed().as_secs_f64(),
                            n_runs / (processor_time() - processor),
                        )
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|it| it.join().expect("no thread panics"))
                .collect()
        });
        best.wall = best.wall.max(runs.iter().map(|it| it.0).sum());
        let slowest = runs.iter().map(|it| it.1).fold(f64::INFINITY, f64::min);
        best.processor = best.processor.max(slowest);
    }
    best
}

/// Seconds that this thread has been running, as Linux counts them; elsewhere not a number.
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = text.split(' ').next().and_then(|it| it.parse().ok());
    nanoseconds.map_or(f64::NAN, |it| it / 1e9)
}
