//! `weft audit`: what is open, public, unlimited or weak, and who is told what.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::{Ending, loader, plural, say, tell};
use crate::audit::{self, Finding, Severity};

/// Endpoints that stand behind a finding, before the others are only counted.
const MAX_SHOWN: usize = 8;

/// Arguments of `weft audit`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How findings are shown
    #[arg(long, value_enum, default_value_t)]
    format: Shown,
    /// Exit with 1 where a finding matters as much or more
    #[arg(long, value_enum, default_value_t)]
    fail_on: Least,
    /// Show all endpoints of a finding, however many they are
    #[arg(long)]
    all: bool,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// For a terminal
    #[default]
    Text,
    /// For programs
    Json,
}

/// What makes the command fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Least {
    /// Only what is open
    #[default]
    High,
    /// What is weak, too
    Medium,
    /// What is weak in some circumstances, too
    Low,
    /// Nothing
    Never,
}

/// Audits what `serve` would serve.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let loaded = runtime.block_on(loader(&arguments.config)?.load())?;
    for reason in &loaded.waiting {
        tell(&format!("not audited: backend {reason}\n"));
    }
    let findings = audit::audit(&loaded.plan);
    let max_shown = if arguments.all { usize::MAX } else { MAX_SHOWN };
    say(&match arguments.format {
        Shown::Text => text(&findings, max_shown),
        Shown::Json => format!("{:#}\n", json(&findings)),
    })?;
    let least = match arguments.fail_on {
        Least::High => Some(Severity::High),
        Least::Medium => Some(Severity::Medium),
        Least::Low => Some(Severity::Low),
        Least::Never => None,
    };
    let fails = least.is_some_and(|least| findings.iter().any(|it| it.severity >= least));
    if fails {
        return Ok(Ending::Mistakes);
    }
    if !loaded.waiting.is_empty() {
        anyhow::bail!("what its backends do not say could not be audited");
    }
    Ok(Ending::Clean)
}

fn text(findings: &[Finding], max_shown: usize) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        let _infallible = writeln!(out, "{text}");
    };
    for it in findings {
        line(format!("{:6}  {}: {}", it.severity.name(), it.code, it.what));
        for (name, origin) in it.endpoints.iter().take(max_shown) {
            line(format!("          {name}  {}:{}", origin.file, origin.line));
        }
        if it.endpoints.len() > max_shown {
            line(format!("          and {} more", it.endpoints.len() - max_shown));
        }
        if let Some(advice) = it.advice {
            line(format!("        {advice}"));
        }
    }
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    line(format!(
        "{}: {} high, {} medium, {} low, {} to know",
        plural(findings.len(), "finding"),
        count(Severity::High),
        count(Severity::Medium),
        count(Severity::Low),
        count(Severity::Info)
    ));
    out
}

fn json(findings: &[Finding]) -> serde_json::Value {
    let one = |it: &Finding| {
        let endpoints = it.endpoints.iter();
        let endpoints = endpoints.map(|(name, at)| json!({ "endpoint": &**name, "file": &*at.file, "line": at.line }));
        json!({
            "severity": it.severity.name(),
            "code": it.code,
            "what": it.what,
            "advice": it.advice,
            "endpoints": endpoints.collect::<Vec<_>>(),
        })
    };
    findings.iter().map(one).collect()
}
