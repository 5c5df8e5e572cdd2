//! `weft schema`: JSON Schema of the files that people write, for their editors.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Ending, write_out};
use crate::language::spec::json_schema::{self, FileKind};

/// Arguments of `weft schema`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The kind of file
    #[arg(value_enum, default_value_t)]
    kind: Kind,
    /// Write to this file, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Compositions and fragments
    #[default]
    Composition,
    /// weft.yaml
    Gateway,
}

/// Writes the schema.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let schema = json_schema::of(match arguments.kind {
        Kind::Composition => FileKind::Composition,
        Kind::Gateway => FileKind::Gateway,
    });
    write_out(&format!("{schema:#}\n"), arguments.output.as_deref())?;
    Ok(Ending::Clean)
}
