//! `weft schema`: JSON Schema of the files that people write, for their editors.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Ending, write_out};
use crate::language::spec::json_schema::{self, FileKind};
use crate::trial::fixture;

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
    /// Fixtures of `weft test`
    Fixture,
}

/// Writes the schema.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let schema = match arguments.kind {
        Kind::Composition => json_schema::of(FileKind::Composition),
        Kind::Gateway => json_schema::of(FileKind::Gateway),
        Kind::Fixture => fixture::schema(),
    };
    write_out(&format!("{schema:#}\n"), arguments.output.as_deref())?;
    Ok(Ending::Clean)
}
