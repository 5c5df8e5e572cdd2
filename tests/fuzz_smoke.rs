//! The checks of `fuzz/` on stable: over its corpus, and over mutations of it that are the same in every run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that panics has failed, as it should"
)]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a library of its own")]
mod checks;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

/// How often each input of the corpus is changed.
const N_MUTATIONS: u64 = 60;

#[test]
fn json_text_holds() {
    run("json_text", checks::json_text);
}

#[test]
fn json_to_wire_holds() {
    run("json_to_wire", checks::json_to_wire);
}

#[test]
fn wire_to_json_holds() {
    run("wire_to_json", checks::wire_to_json);
}

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|it| fs::read(it).unwrap()).collect();
    assert!(corpus.len() > 10, "{} is nearly empty", folder.display());
    let rounds = std::env::var("FUZZ_MUTATIONS").ok().and_then(|it| it.parse().ok());
    for (at, input) in corpus.iter().enumerate() {
        attempt(check, input);
        for round in 0..rounds.unwrap_or(N_MUTATIONS) {
            let mut random = Random((at as u64) << 32 | round);
            let mut input = input.clone();
            for _ in 0..=random.below(3) {
                mutate(&mut random, &mut input, &corpus);
            }
            attempt(check, &input);
        }
    }
}

/// Runs a check; an input that fails is shown, so that it can be added to the corpus.
fn attempt(check: fn(&[u8]), input: &[u8]) {
    if let Err(cause) = panic::catch_unwind(AssertUnwindSafe(|| check(input))) {
        let hex = input.iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>().concat();
        eprintln!("input {hex}\n{}", String::from_utf8_lossy(input));
        panic::resume_unwind(cause);
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff\"\\{}[],:.-+eE0129 \n";
        if self.below(2) == 0 {
            TELLING[self.below(TELLING.len())]
        } else {
            self.next().to_le_bytes()[0]
        }
    }
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let end = at + random.below(input.len() - at + 1);
    match random.below(7) {
        0 => input.truncate(at),
        1 => input.insert(at, random.byte()),
        2 => drop(input.drain(at..end)),
        3 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        4 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1);
            input.splice(at..end, other[from..to].iter().copied());
        }
        5 if at < input.len() => input[at] ^= 1 << random.below(8),
        _ if at < input.len() => input[at] = random.byte(),
        _ => {}
    }
}
