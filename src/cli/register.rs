//! `weft register`: hands the descriptors of a backend to a running gateway, which says whose pages they break.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::{BodyExt, Full, Limited};
use prost::Message as _;
use serde_json::Value;

use super::{Ending, plural, say, tell};
use crate::codec::time_text::civil;
use crate::plan::{self, Address, Protocol};
use crate::runtime::backend::http::HttpBackend;
use crate::runtime::backend::{Backend, Handed, Sent, Stream};
use crate::schema::load;
use crate::tls;

/// How long the gateway may take: it checks all its compositions.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The version before the newest.
const PREVIOUS: &str = "previous";
/// The longest answer.
const MAX_ANSWER: usize = 64 << 20;

/// Arguments of `weft register`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backend, which has `descriptors: registered` in the gateway file
    name: String,
    /// .proto files, folders of them, descriptor sets: all that the backend serves
    #[arg(required_unless_present_any = ["versions", "rollback"], conflicts_with_all = ["versions", "rollback"])]
    paths: Vec<PathBuf>,
    /// The admin listener of the gateway: `http://127.0.0.1:9901`
    #[arg(long, value_name = "URL", env = "WEFT_ADMIN")]
    admin: String,
    /// Register what breaks something, too; compositions that it breaks stay on the descriptors before
    #[arg(long)]
    force: bool,
    /// Only say what it would break
    #[arg(long)]
    dry_run: bool,
    /// List the versions
    #[arg(long, conflicts_with_all = ["rollback", "force", "dry_run"])]
    versions: bool,
    /// Register an earlier version again; the one before the newest where no number is given
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = PREVIOUS)]
    rollback: Option<String>,
    /// For an admin listener over TLS: a PEM file with who signed its certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A PEM file with a certificate to show there
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// A PEM file with its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// How the answer is shown
    #[arg(long, value_enum, default_value_t)]
    format: Notation,
}

/// How the answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Notation {
    /// As the gateway gives it
    Json,
    /// For people
    #[default]
    Text,
}

/// Asks, and ends with mistakes where something breaks.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let name = &arguments.name;
    if name.is_empty() || name.contains(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '-' | '_'))) {
        bail!("`{name}` is not the name of a backend");
    }
    let mut query = Vec::new();
    query.extend(arguments.force.then(|| "force=true".to_owned()));
    query.extend(arguments.dry_run.then(|| "dry_run=true".to_owned()));
    let (method, path, body) = match arguments.rollback.as_deref() {
        _ if arguments.versions => (http::Method::GET, format!("/descriptors/{name}/versions"), None),
        Some(number) => {
            if number != PREVIOUS {
                let number: u32 = number.parse().context("`--rollback` takes the number of a version")?;
                query.push(format!("to={number}"));
            }
            (http::Method::POST, format!("/descriptors/{name}/rollback"), None)
        }
        None => {
            let path = format!("/descriptors/{name}");
            (http::Method::POST, path, Some(compiled(&arguments.paths)?))
        }
    };
    let path = if query.is_empty() {
        path
    } else {
        format!("{path}?{}", query.join("&"))
    };
    let (status, answer) = asked(arguments, method, &path, body)?;
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        bail!("{error}");
    }
    if status.is_server_error() || answer.get("backend").is_none() {
        bail!(
            "{} is no admin listener that knows of descriptors: {status}",
            arguments.admin
        );
    }
    if arguments.format == Notation::Json {
        say(&format!("{answer:#}\n"))?;
    } else if arguments.versions {
        say(&versions(name, &answer))?;
    } else {
        say(&shown(name, &answer, arguments.dry_run))?;
    }
    let refused = is(&answer, "breaks") && !is(&answer, "registered");
    Ok(if refused { Ending::Mistakes } else { Ending::Clean })
}

fn compiled(paths: &[PathBuf]) -> anyhow::Result<Bytes> {
    let set = load::load(paths).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    Ok(set.encode_to_vec().into())
}

fn asked(
    arguments: &Arguments,
    method: http::Method,
    path: &str,
    body: Option<Bytes>,
) -> anyhow::Result<(http::StatusCode, Value)> {
    let admin = arguments.admin.trim_end_matches('/');
    let address = Address::parse(admin).filter(|it| &*it.path == "/");
    let address =
        address.ok_or_else(|| anyhow!("`{admin}` is not where an admin listener is: `http://127.0.0.1:9901`"))?;
    let backend = plan::Backend {
        tls: client(arguments, address.secure)?,
        ..plan::Backend::new("admin", Protocol::Http, vec![address.target.clone()])
    };
    let body = body.map(|it| -> Stream { Box::pin(Full::new(it).map_err(|never| match never {})) });
    let request: Handed = http::Request::builder().method(method).uri(path).body(body)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exchange = async {
        let backend = HttpBackend::new(&backend, &address.target);
        let response = backend.pass(request, Sent::default()).await;
        let response = response.map_err(|it| match &it.failure.source {
            Some(source) => anyhow!("{source}"),
            None => anyhow!("no connection"),
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body
            .map_err(|error| anyhow!("the answer broke off: {error}"))?
            .to_bytes();
        // What is no JSON is no answer of ours.
        Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
    };
    let asked = async { tokio::time::timeout(TIMEOUT, exchange).await };
    let asked = tokio::task::LocalSet::new().block_on(&runtime, asked);
    let asked = asked.map_err(|_| anyhow!("no answer within {TIMEOUT:?}")).flatten();
    asked.with_context(|| format!("the gateway at {admin} cannot be asked"))
}

fn client(arguments: &Arguments, is_secure: bool) -> anyhow::Result<Option<tls::Client>> {
    if !is_secure {
        if arguments.ca.is_some() || arguments.cert.is_some() {
            bail!("there is nothing to trust or to show without TLS: `--admin https://…`");
        }
        return Ok(None);
    }
    let pem = |path: &Path| {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok(tls::Pem::new(text))
    };
    let wrong = |mistake: tls::Mistake| anyhow!("{}", mistake.what);
    let identity = match (&arguments.cert, &arguments.key) {
        (Some(cert), Some(key)) => {
            let name = cert.display().to_string().into();
            Some(tls::Identity::read(&name, &pem(cert)?, &pem(key)?).map_err(wrong)?)
        }
        _ => None,
    };
    let ca = arguments.ca.as_deref().map(pem).transpose()?;
    let settings = tls::ClientSettings {
        ca: ca.as_ref(),
        identity,
        ..tls::ClientSettings::default()
    };
    Ok(Some(tls::Client::new(settings).map_err(wrong)?))
}

// === for people ===

fn is(answer: &Value, name: &str) -> bool {
    answer.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn text<'a>(it: &'a Value, name: &str) -> &'a str {
    it.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(it: &'a Value, name: &str) -> &'a [Value] {
    it.get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// `version 3`; nothing where there is none.
fn number(answer: &Value) -> Option<String> {
    Some(format!("version {}", answer.get("version")?.get("version")?))
}

fn shown(name: &str, answer: &Value, dry_run: bool) -> String {
    let version = number(answer);
    if is(answer, "same") {
        let version = version.unwrap_or_default();
        return format!("{name}: nothing is new; it is {version} already\n");
    }
    let mut out = String::new();
    for broken in list(answer, "broken") {
        out.extend(["breaks ", text(broken, "composition"), "\n"]);
        for why in list(broken, "why").iter().filter_map(Value::as_str) {
            out.extend(["  ", why, "\n"]);
        }
    }
    for change in list(answer, "changes") {
        let word = if text(change, "severity") == "breaking" {
            "breaks "
        } else {
            "changes "
        };
        out.extend([word, text(change, "endpoint"), " for its clients\n  "]);
        out.extend([text(change, "message"), " [", text(change, "code"), "]\n"]);
    }
    let breaking = list(answer, "changes")
        .iter()
        .filter(|it| text(it, "severity") == "breaking");
    let n_broken = list(answer, "broken").len();
    let n = plural(n_broken + breaking.count(), "break");
    let before = version
        .clone()
        .map_or(String::new(), |it| format!("; {it} stays the newest"));
    let end = match (is(answer, "registered"), is(answer, "breaks")) {
        (true, true) if n_broken > 0 => format!(
            "{}, with {n}; compositions that are broken stay on what was before",
            version.unwrap_or_default()
        ),
        (true, true) => format!("{}, with {n}", version.unwrap_or_default()),
        (true, false) => format!("{}, which breaks nothing", version.unwrap_or_default()),
        (false, false) => format!("nothing would break{before}"),
        (false, true) if dry_run => format!("{n}{before}"),
        (false, true) => {
            tell("`--force` registers it all the same: compositions that it breaks stay on what was before\n");
            format!("refused: {n}{before}")
        }
    };
    format!("{out}{name}: {end}\n")
}

fn versions(name: &str, answer: &Value) -> String {
    let all = list(answer, "versions");
    if all.is_empty() {
        return format!("{name}: nothing was registered yet\n");
    }
    let mut out = String::new();
    for (at, it) in all.iter().enumerate().rev() {
        let mark = if at + 1 == all.len() { "  newest" } else { "" };
        let seconds = it.get("registered_at").and_then(Value::as_i64).unwrap_or_default();
        let number = it.get("version").and_then(Value::as_u64).unwrap_or_default();
        let digest = text(it, "digest");
        let digest = digest.get(..12).unwrap_or(digest);
        let line = format!("{number:>4}  {}  {digest}{mark}\n", moment(seconds));
        out.push_str(&line);
    }
    out
}

/// `2026-03-01 14:05:09Z`.
fn moment(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}
