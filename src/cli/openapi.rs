//! `weft openapi`: the public API as OpenAPI 3.1.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Ending, write_out};
use crate::publish::{openapi, yaml};

/// Arguments of `weft openapi`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How the document is written; by the ending of --output where there is one
    #[arg(long, value_enum)]
    format: Option<Notation>,
    /// Write to this file, in place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The name of the API
    #[arg(long, default_value = "API")]
    title: String,
    /// The version of the API
    #[arg(long, default_value = "1.0.0")]
    api_version: String,
    /// Where the API is served; may be given several times
    #[arg(long, value_name = "URL")]
    server: Vec<String>,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Notation {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Writes the document.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let api = super::public(&arguments.config)?;
    let about = openapi::About {
        title: arguments.title.clone(),
        version: arguments.api_version.clone(),
        servers: arguments.server.clone(),
    };
    let document = openapi::document(&api, &about);
    let is_json = |path: &PathBuf| path.extension().is_some_and(|it| it == "json");
    let json = match arguments.format {
        Some(notation) => notation == Notation::Json,
        None => arguments.output.as_ref().is_some_and(is_json),
    };
    let text = if json {
        format!("{document:#}\n")
    } else {
        yaml::write(&document)
    };
    write_out(&text, arguments.output.as_deref())?;
    Ok(Ending::Clean)
}
