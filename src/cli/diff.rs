//! `weft diff`: what changes for clients between two configurations, or between two versions of a backend's descriptors.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::json;

use super::{Ending, describe, loader, say, show_refused};
use crate::gateway::load::{Refused, Replaced};
use crate::publish::Api;
use crate::publish::diff::{Change, Severity, compare};

/// Arguments of `weft diff`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A gateway file or its folder, as it was; with --descriptors, a descriptor set or a folder of .proto files
    #[arg(required_unless_present = "against", conflicts_with = "against")]
    old: Option<PathBuf>,
    /// The same, as it is now
    #[arg(required_unless_present = "against", conflicts_with = "against")]
    new: Option<PathBuf>,
    /// Compare the gateway file with what it is in this revision of git: main, HEAD~1, v1.2
    #[arg(long, value_name = "REVISION", conflicts_with = "descriptors")]
    against: Option<String>,
    /// OLD and NEW are descriptors, which the gateway file is checked against in turn
    #[arg(long)]
    descriptors: bool,
    /// With --descriptors: the backend that they are of; every gRPC backend where it is left out
    #[arg(long, value_name = "NAME", requires = "descriptors")]
    backend: Option<String>,
    /// The gateway file, for --against and --descriptors
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How changes are shown
    #[arg(long, value_enum, default_value_t)]
    format: Notation,
}

/// How changes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Notation {
    /// Annotations for GitHub's workflows
    Github,
    /// A JSON array
    Json,
    /// A table, for comments on pull requests
    Markdown,
    /// For people
    #[default]
    Text,
}

/// Compares, and ends with mistakes where something breaks.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let (old, new) = match (&arguments.old, &arguments.new, &arguments.against) {
        (Some(old), Some(new), _) if arguments.descriptors => {
            (with_descriptors(arguments, old), with_descriptors(arguments, new))
        }
        (Some(old), Some(new), _) => (super::public(&gateway_file(old)), super::public(&gateway_file(new))),
        (_, _, Some(revision)) => {
            let checkout = Checkout::of(revision, &arguments.config)?;
            (super::public(&checkout.config), super::public(&arguments.config))
        }
        _ => anyhow::bail!("compare what with what? `weft diff OLD NEW`, or `--against REVISION`"),
    };
    let old = without_mistakes(
        old,
        "what it was before has mistakes, so that there is nothing to compare with",
    )?;
    let new = if arguments.descriptors {
        // Where they break a composition its mistakes are the answer.
        new?
    } else {
        without_mistakes(new, "what it is now has mistakes, so that there is nothing to compare")?
    };
    let changes = compare(&old, &new);
    say(&shown(&changes, arguments.format))?;
    let breaks = changes.iter().any(|it| it.severity == Severity::Breaking);
    Ok(if breaks { Ending::Mistakes } else { Ending::Clean })
}

/// Mistakes are shown, and are no answer.
fn without_mistakes(side: anyhow::Result<Api>, why: &'static str) -> anyhow::Result<Api> {
    side.or_else(|error| {
        show_refused(&error.downcast::<Refused>()?)?;
        anyhow::bail!(why)
    })
}

fn gateway_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("weft.yaml")
    } else {
        path.to_owned()
    }
}

fn with_descriptors(arguments: &Arguments, descriptors: &Path) -> anyhow::Result<Api> {
    ensure!(descriptors.exists(), "{} does not exist", descriptors.display());
    let loader = loader(&arguments.config)?;
    let replaced = Replaced {
        path: std::path::absolute(descriptors)?,
        backend: arguments.backend.clone(),
    };
    describe(&mut loader.with_descriptors(replaced))
}

/// The files of a revision in a folder of their own, which goes with the value.
struct Checkout {
    folder: PathBuf,
    config: PathBuf,
}

impl Checkout {
    fn of(revision: &str, config: &Path) -> anyhow::Result<Self> {
        let config = std::fs::canonicalize(config).with_context(|| format!("cannot read {}", config.display()))?;
        let beside = config.parent().unwrap_or(Path::new("/"));
        let mut git = Command::new("git");
        git.arg("-C").arg(beside).args(["rev-parse", "--show-toplevel"]);
        let top = git.output().context("git cannot be run")?;
        ensure!(top.status.success(), "{} is in no git repository", config.display());
        let top = PathBuf::from(String::from_utf8_lossy(&top.stdout).trim());
        let inner = config.strip_prefix(std::fs::canonicalize(&top)?)?;
        let folder = std::env::temp_dir().join(format!("weft-diff-{}", std::process::id()));
        let checkout = Self {
            config: folder.join(inner),
            folder,
        };
        std::fs::create_dir_all(&checkout.folder)?;
        ensure!(!revision.starts_with('-'), "`{revision}` is no revision");
        let mut archive = Command::new("git");
        archive.arg("-C").arg(&top).args(["archive", "--format=tar", revision]);
        let mut archive = archive.stdout(Stdio::piped()).spawn()?;
        let from_archive = archive.stdout.take().context("git has no output")?;
        let unpacked = Command::new("tar")
            .args(["-x", "-C"])
            .arg(&checkout.folder)
            .stdin(from_archive)
            .status()
            .context("tar cannot be run")?;
        let read = archive.wait()?;
        ensure!(read.success() && unpacked.success(), "git has no revision `{revision}`");
        Ok(checkout)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

// === how changes are shown ===

fn shown(changes: &[Change], notation: Notation) -> String {
    match notation {
        Notation::Github => changes.iter().map(annotation).collect(),
        Notation::Json => {
            let all: Vec<_> = changes.iter().map(as_json).collect();
            format!("{:#}\n", json!(all))
        }
        Notation::Markdown => table(changes),
        Notation::Text => text(changes),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Breaking => "breaking",
        Severity::Safe => "safe",
    }
}

/// `response.price may be null now`.
fn sentence(change: &Change) -> String {
    match change.place.as_str() {
        "" => change.sentence.clone(),
        place => format!("{place} {}", change.sentence),
    }
}

/// `2 breaking changes, 1 safe one`.
fn summary(changes: &[Change]) -> String {
    let count = |severity| changes.iter().filter(|it| it.severity == severity).count();
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let (breaking, safe) = (count(Severity::Breaking), count(Severity::Safe));
    if breaking + safe == 0 {
        return "nothing changes for clients".to_owned();
    }
    format!(
        "{breaking} breaking change{}, {safe} safe one{}",
        plural(breaking),
        plural(safe)
    )
}

fn text(changes: &[Change]) -> String {
    let mut out = String::new();
    let mut endpoint = "";
    for change in changes {
        if change.endpoint != endpoint {
            if !endpoint.is_empty() {
                out.push('\n');
            }
            endpoint = &change.endpoint;
            out.push_str(endpoint);
            out.push('\n');
        }
        let line = [
            "  ".to_owned(),
            format!("{:<9} ", word(change.severity)),
            sentence(change),
            format!(" [{}]\n", change.code),
        ];
        out.extend(line);
    }
    if !changes.is_empty() {
        out.push('\n');
    }
    out + &summary(changes) + "\n"
}

fn as_json(change: &Change) -> serde_json::Value {
    json!({
        "severity": word(change.severity),
        "endpoint": change.endpoint,
        "place": change.place,
        "code": change.code,
        "message": sentence(change),
    })
}

fn annotation(change: &Change) -> String {
    let level = match change.severity {
        Severity::Breaking => "error",
        Severity::Safe => "notice",
    };
    // What ends a message or a line is written as GitHub asks for it.
    let text = sentence(change)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    format!(
        "::{level} title={} [{}]::{}: {text}\n",
        word(change.severity),
        change.code,
        change.endpoint
    )
}

fn table(changes: &[Change]) -> String {
    let mut out = format!("**{}**\n", summary(changes));
    if changes.is_empty() {
        return out;
    }
    out.push_str("\n| | endpoint | change |\n| --- | --- | --- |\n");
    for change in changes {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let mark = match change.severity {
            Severity::Breaking => "**breaking**",
            Severity::Safe => "safe",
        };
        let place = if change.place.is_empty() {
            String::new()
        } else {
            format!("`{}` ", cell(&change.place))
        };
        let row = format!(
            "| {mark} | `{}` | {place}{} |\n",
            cell(&change.endpoint),
            cell(&change.sentence)
        );
        out.push_str(&row);
    }
    out
}
