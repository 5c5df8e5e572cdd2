//! `weft test`: fixture files, run in simulated time.

use std::path::PathBuf;

use super::Ending;
use crate::trial::{self, Expected};

/// Arguments of `weft test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Fixture files, or folders of them
    #[arg(default_value = "fixtures")]
    paths: Vec<PathBuf>,
    /// Rewrite what the files expect by what was answered
    #[arg(long)]
    update: bool,
}

/// Runs all fixtures and says which failed.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let files = trial::find(&arguments.paths)?;
    anyhow::ensure!(!files.is_empty(), "no fixture files (*.yaml) there");
    let expected = if arguments.update {
        Expected::Rewrite
    } else {
        Expected::Holds
    };
    let mut n_failed = 0;
    for file in &files {
        match trial::run(file, expected) {
            Ok(()) => println!("ok      {}", file.display()),
            Err(failures) => {
                n_failed += 1;
                println!("FAILED  {}", file.display());
                for failure in failures {
                    println!("        {}", failure.replace('\n', "\n        "));
                }
            }
        }
    }
    println!("{} passed, {n_failed} failed", files.len() - n_failed);
    Ok(if n_failed == 0 { Ending::Clean } else { Ending::Mistakes })
}
