//! `weft call`: one request, answered in this process by the real backends; no listener.

mod waterfall;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use clap::ValueEnum;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use self::waterfall::Waterfall;
use super::{Ending, loader, say, tell};
use crate::auth::Claims;
use crate::gateway::discovery;
use crate::runtime::auth::Given;
use crate::runtime::serve;
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::runtime::watch::{Event, Watch};
use crate::schema::path_template::Match;
use crate::time::Instant;

/// Arguments of `weft call`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The request: `'GET /pages/products/42?currency=EUR'`; without a method it is GET, with `--data` POST
    request: String,
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// A header of the request: `'authorization: Bearer …'`
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// In whose name, without a credential: `'customer: {"sub": "u1"}'`
    #[arg(long = "as", value_name = "PROVIDER: CLAIMS")]
    given: Vec<String>,
    /// The body of the request; `@file` reads it from a file, `@-` from standard input
    #[arg(short, long, value_name = "BODY")]
    data: Option<String>,
    /// Show the status and the headers of the response
    #[arg(short, long)]
    include: bool,
    /// Show what the calls did, and when
    #[arg(short, long)]
    trace: bool,
    /// How the answer is shown
    #[arg(long, value_enum, default_value_t)]
    format: Shown,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// JSON in lines on a terminal, as it is elsewhere
    #[default]
    Auto,
    /// JSON in lines
    Pretty,
    /// As it is
    Raw,
    /// One object with status, headers, body and, with `--trace`, the calls
    Json,
}

/// What came back.
struct Answer {
    status: http::StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

/// Asks once. A status of 400 and more is a mistake.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let request = request(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let loaded = loader(&arguments.config)?.load().await?;
        let mut plan = loaded.plan;
        // What is on the terminal is the answer.
        plan.settings.access_log = crate::plan::AccessLog::None;
        let hall = Hall::new(plan.settings.cache_memory, None);
        let snapshot = Arc::new(Snapshot::new(plan, None));
        discovery::ask_all(&snapshot.guards).await;
        let watch = Rc::new(Watch::default());
        let running = Rc::new(Running {
            watch: Some(watch.clone()),
            ..Rc::into_inner(Running::new(snapshot.clone(), hall.clone(), None)).context("a worker of its own")?
        });
        let found = snapshot.plan.routes.find(request.method(), request.uri().path());
        let endpoint = match found {
            Match::Route(index, _) => snapshot.plan.endpoints.get(index.0),
            _ => None,
        };
        let recipe = endpoint.and_then(|it| it.recipe.as_ref().ok());
        if let Some(Err(waiting)) = endpoint.map(|it| &it.recipe) {
            let of_it = loaded
                .waiting
                .iter()
                .find(|it| it.starts_with(&format!("{}: ", waiting.backend)));
            tell(&format!(
                "weft: not asked, since nothing is known of its backend {}\n",
                of_it.map_or(&*waiting.backend, String::as_str)
            ));
        }
        let started = Instant::now();
        let response = serve::handle(running, request, serve::Peer::at(Ipv4Addr::LOCALHOST)).await;
        let took = started.elapsed();
        let (parts, body) = response.into_parts();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: body
                .collect()
                .await
                .map_err(|it| anyhow!(it).context("the body of the answer"))?
                .to_bytes(),
        };
        // What was sent and may not be cancelled ends in its own time.
        hall.detached.idle().await;
        let calls = recipe.map(|it| snapshot.plan.calls_of(it)).unwrap_or_default();
        let notes = watch.take();
        let refused = notes.iter().find_map(|it| match &it.what {
            Event::Refused(why) => Some(why.clone()),
            _ => None,
        });
        let waterfall = Waterfall::of(&snapshot.plan, &calls, notes, (started, took));
        print(arguments, &answer, &waterfall)?;
        if let Some(why) = refused {
            tell(&format!("{}: {why}\n", answer.status));
        }
        Ok(if answer.status.as_u16() < 400 {
            Ending::Clean
        } else {
            Ending::Mistakes
        })
    })
}

fn request(arguments: &Arguments) -> anyhow::Result<http::Request<Full<Bytes>>> {
    let (method, target) = match arguments.request.trim().split_once(' ') {
        Some((method, target)) => (method.to_ascii_uppercase(), target.trim()),
        None if arguments.data.is_some() => ("POST".to_owned(), arguments.request.trim()),
        None => ("GET".to_owned(), arguments.request.trim()),
    };
    let uri: Uri = match target.parse() {
        Ok(uri) if target.starts_with('/') => uri,
        _ => bail!("`{target}` is not a path: expected `'GET /pages/products/42?currency=EUR'`"),
    };
    let method = Method::from_bytes(method.as_bytes()).with_context(|| format!("`{method}` is not a method"))?;
    let body = match arguments.data.as_deref() {
        None => Vec::new(),
        Some("@-") => {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)?;
            text
        }
        Some(data) => match data.strip_prefix('@') {
            Some(path) => std::fs::read(path).with_context(|| format!("cannot read `{path}`"))?,
            None => data.as_bytes().to_vec(),
        },
    };
    let mut request = http::Request::new(Full::new(Bytes::from(body)));
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for written in &arguments.headers {
        let parsed = written.split_once(':').and_then(|(name, value)| {
            let name = name.trim().parse::<HeaderName>().ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = parsed.with_context(|| format!("`{written}` is not a header: expected `name: value`"))?;
        request.headers_mut().append(name, value);
    }
    let mut given = Given::default();
    for written in &arguments.given {
        let (provider, claims) = written.split_once(':').unwrap_or((written, "{}"));
        let claims = Claims::read(Bytes::copy_from_slice(claims.trim().as_bytes())).ok();
        let claims =
            claims.with_context(|| format!("`{written}` names no claims: expected `customer: {{\"sub\": \"u1\"}}`"))?;
        let provider = provider.trim().to_owned();
        let claims = claims.or("sub", "tester").or("iss", &provider);
        given.0.push((provider, claims));
    }
    if !given.0.is_empty() {
        request.extensions_mut().insert(given);
    }
    let is_typed = request.headers().contains_key(header::CONTENT_TYPE);
    if arguments.data.is_some() && !is_typed {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Ok(request)
}

fn print(arguments: &Arguments, answer: &Answer, waterfall: &Waterfall<'_>) -> std::io::Result<()> {
    let status = answer.status;
    if arguments.format == Shown::Json {
        let headers: serde_json::Map<String, Value> = answer
            .headers
            .keys()
            .map(|name| (name.to_string(), Value::from(lines(answer, name))))
            .collect();
        let body = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned()));
        let mut whole = json!({ "status": status.as_u16(), "headers": headers, "body": body });
        if arguments.trace {
            whole["trace"] = waterfall.json();
        }
        return say(&format!("{whole:#}\n"));
    }
    let mut out = String::new();
    if arguments.include {
        out.extend(["HTTP ", &status.to_string(), "\n"]);
        for name in answer.headers.keys() {
            out.extend([name.as_str(), ": ", &lines(answer, name), "\n"]);
        }
        out.push('\n');
    }
    let is_json = answer
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("json")));
    let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let pretty = match arguments.format {
        Shown::Pretty => true,
        Shown::Auto => on_terminal,
        Shown::Raw | Shown::Json => false,
    };
    let parsed = (is_json && pretty)
        .then(|| serde_json::from_slice::<Value>(&answer.body).ok())
        .flatten();
    match (parsed, std::str::from_utf8(&answer.body)) {
        (Some(value), _) => out.extend([&*format!("{value:#}"), "\n"]),
        (None, Ok(text)) => {
            out.push_str(text);
            if !text.is_empty() && !text.ends_with('\n') && (on_terminal || status.as_u16() >= 400) {
                out.push('\n');
            }
        }
        (None, Err(_)) => {
            say(&out)?;
            std::io::Write::write_all(&mut std::io::stdout(), &answer.body)?;
            out.clear();
        }
    }
    say(&out)?;
    if arguments.trace {
        tell(&waterfall.text(status, answer.body.len(), header_of(answer, "cache-status")));
    }
    Ok(())
}

fn header_of<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
}

fn lines(answer: &Answer, name: &HeaderName) -> String {
    let lines = answer.headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
    lines.join(", ")
}
