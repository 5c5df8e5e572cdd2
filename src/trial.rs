//! Runs fixture files against scripted backends, in simulated time: `weft test` and our own tests.
//!
//! A fixture is one file: gateway and compositions, what the backends are asked and answer, exchanges and what is expected.
//! An unexpected backend call fails it, and so does a scripted line that nobody used.

pub mod coverage;
pub mod drill;
pub mod fixture;
pub mod published;
pub mod run;
pub mod script;

use std::path::{Path, PathBuf};

pub use coverage::Coverage;
pub use drill::Drill;
pub use run::{Answered, Expected, Played, Tested, play, run, test};
pub use script::{Asked, Responder};

/// All fixture files below the paths, sorted. A file that is named counts whatever its ending.
pub fn find(paths: &[PathBuf]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            find_below(path, &mut found)?;
        } else {
            std::fs::metadata(path)?;
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn find_below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_below(&path, found)?;
        } else if path.extension().is_some_and(|it| it == "yaml")
            && path.file_name().is_some_and(|it| it != "weft.yaml")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The gRPC code with this name: `NOT_FOUND`.
fn code(name: &str) -> Option<tonic::Code> {
    let all = (0..=16).map(tonic::Code::from);
    all.into_iter()
        .find(|it| crate::runtime::backend::code::name(*it) == name)
}
