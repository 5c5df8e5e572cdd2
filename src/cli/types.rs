//! `weft types`: the public API as types of a programming language, with a client.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Ending, write_out};
use crate::publish::typescript;

/// Arguments of `weft types`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// The language
    #[arg(long, value_enum)]
    lang: Language,
    /// Write to this file, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A programming language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// TypeScript: types, and a client on `fetch`
    Typescript,
}

/// Writes the file.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let api = super::public(&arguments.config)?;
    let text = match arguments.lang {
        Language::Typescript => typescript::file(&api),
    };
    write_out(&text, arguments.output.as_deref())?;
    Ok(Ending::Clean)
}
