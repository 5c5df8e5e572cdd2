//! `weft explain`: which composition answers, as a graph with its reasons; for a diagnostic code, what it means.

use std::path::PathBuf;

use clap::ValueEnum;
use http::Method;

use super::{Ending, loader, say};
use crate::explain::{self, json, mermaid, svg, text};
use crate::language::diagnostic::codes;
use crate::plan::{EndpointIndex, Plan};
use crate::schema::path_template::Match;
use crate::schema::suggest;

/// Arguments of `weft explain`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// An endpoint (`'GET /pages/products/{id}'`), a request that it answers (`'GET /pages/products/42'`), the name of its
    /// file, or the code of a diagnostic; without it, all endpoints are listed
    what: Option<String>,
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How the endpoint is drawn
    #[arg(long, value_enum, default_value_t)]
    format: Drawing,
}

/// How an endpoint is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// For a terminal
    #[default]
    Text,
    /// A flowchart that GitHub and GitLab draw
    Mermaid,
    /// For programs
    Json,
    /// A drawing
    Svg,
}

/// Explains one endpoint, every endpoint of a file, or a code.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    if let Some(page) = arguments.what.as_deref().and_then(codes::page) {
        say(&format!("# {page}\n"))?;
        return Ok(Ending::Clean);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let loaded = runtime.block_on(loader(&arguments.config)?.load())?;
    let plan = &loaded.plan;
    let Some(what) = &arguments.what else {
        say(&explain::list(plan))?;
        return Ok(Ending::Clean);
    };
    let found = find(plan, what);
    if found.is_empty() {
        anyhow::bail!("{}", not_found(plan, what));
    }
    for (at, index) in found.into_iter().enumerate() {
        if at > 0 {
            say("\n")?;
        }
        match explain::explain(plan, index) {
            Ok(explained) => say(&match arguments.format {
                Drawing::Text => text::write(&explained),
                Drawing::Mermaid => mermaid::write(&explained),
                Drawing::Json => format!("{:#}\n", json::write(&explained)),
                Drawing::Svg => svg::write(&explained),
            })?,
            Err(backend) => {
                let reason = loaded.waiting.iter().find(|it| it.starts_with(&format!("{backend}: ")));
                let reason = reason.cloned().unwrap_or_else(|| backend.to_string());
                anyhow::bail!("nothing is known of `{what}` before its backend has said what it serves: {reason}");
            }
        }
    }
    Ok(Ending::Clean)
}

/// The endpoints that are meant: by name, by a request that one answers, or by file.
fn find(plan: &Plan, what: &str) -> Vec<EndpointIndex> {
    let indexes = || (0..plan.endpoints.len()).map(EndpointIndex);
    let named: Vec<_> = indexes().filter(|it| &*plan.endpoints[it.0].name == what).collect();
    if !named.is_empty() {
        return named;
    }
    let (method, path) = match what.split_once(' ') {
        Some((method, path)) => (method, path.trim()),
        None => ("GET", what),
    };
    if path.starts_with('/')
        && let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        && let Match::Route(index, _) = plan.routes.find(&method, path.split('?').next().unwrap_or(path))
    {
        return vec![*index];
    }
    indexes()
        .filter(|it| {
            let file = &*plan.endpoints[it.0].origin.file;
            let stem = file.rsplit('/').next().unwrap_or(file);
            file == what || stem == what || stem.rsplit_once('.').is_some_and(|(stem, _)| stem == what)
        })
        .collect()
}

fn not_found(plan: &Plan, what: &str) -> String {
    let names = plan.endpoints.iter().map(|it| &*it.name);
    // A path that is served for other methods.
    let path = what.split_once(' ').map_or(what, |(_, path)| path.trim());
    if let Match::OtherMethods(methods) = plan.routes.find(&Method::TRACE, path) {
        let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
        return format!("`{what}` is no endpoint: this path answers {}", methods.join(", "));
    }
    let files = plan.endpoints.iter().filter_map(|it| it.origin.file.rsplit('/').next());
    let candidates = names.chain(files).chain(codes::CODES.iter().map(|it| it.code));
    let near = match suggest::nearest(what, candidates) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`weft explain` lists all endpoints".to_owned(),
    };
    format!("`{what}` is neither an endpoint, nor a composition's file, nor the code of a diagnostic: {near}")
}
