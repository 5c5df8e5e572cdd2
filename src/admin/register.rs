//! Descriptors that are handed over: POST to `/descriptors/NAME` registers a `FileDescriptorSet`, POST to
//! `/descriptors/NAME/rollback?to=N` an earlier version, GET of `/descriptors/NAME/versions` lists them.
//!
//! `?force=true` registers what breaks something, `?dry_run=true` nothing.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Pages;
use crate::gateway::register::{Checked, Order, Outcome, Refusal, Version, What};
use crate::publish::diff::{Change, Severity};
use crate::schema::descriptor::FileDescriptorSet;

/// The largest set.
pub(super) const MAX_BODY: usize = 64 << 20;

/// What the query says.
#[derive(Debug, Default)]
struct Wanted {
    force: bool,
    dry_run: bool,
    to: Option<u32>,
}

pub(super) async fn register(
    State(pages): State<Pages>,
    Path(backend): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let wanted = match wanted(query.as_deref().unwrap_or_default(), &["force", "dry_run"]) {
        Ok(wanted) => wanted,
        Err(sentence) => return refused(StatusCode::BAD_REQUEST, &sentence),
    };
    match FileDescriptorSet::decode(body) {
        Ok(set) if !set.file.is_empty() => order(&pages, backend, What::Register(set), &wanted).await,
        Ok(_) => refused(StatusCode::BAD_REQUEST, "there is no file in the descriptor set"),
        Err(error) => refused(
            StatusCode::BAD_REQUEST,
            &format!("the body is no FileDescriptorSet: {error}"),
        ),
    }
}

pub(super) async fn rollback(
    State(pages): State<Pages>,
    Path(backend): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match wanted(query.as_deref().unwrap_or_default(), &["force", "dry_run", "to"]) {
        Ok(wanted) => order(&pages, backend, What::Rollback(wanted.to), &wanted).await,
        Err(sentence) => refused(StatusCode::BAD_REQUEST, &sentence),
    }
}

pub(super) async fn versions(State(pages): State<Pages>, Path(backend): Path<String>) -> Response {
    order(&pages, backend, What::Versions, &Wanted::default()).await
}

/// Reads `force=true&to=3`.
fn wanted(query: &str, known: &[&str]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    for pair in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
        if !known.contains(&name) {
            return Err(format!("`{name}` is not known here; there are {}", known.join(", ")));
        }
        let is_true = match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        match name {
            "to" => {
                let number = value.parse().map_err(|_| "`to` is the number of a version");
                wanted.to = Some(number?);
            }
            name => {
                let is_true = is_true.ok_or_else(|| format!("`{name}` is `true` or `false`"))?;
                *(if name == "force" {
                    &mut wanted.force
                } else {
                    &mut wanted.dry_run
                }) = is_true;
            }
        }
    }
    Ok(wanted)
}

async fn order(pages: &Pages, backend: String, what: What, wanted: &Wanted) -> Response {
    let (tell, told) = oneshot::channel();
    let order = Order {
        backend: backend.clone(),
        what,
        force: wanted.force,
        dry_run: wanted.dry_run,
        tell,
    };
    let told = match pages.orders.send(order).await {
        Ok(()) => told.await.ok(),
        Err(_) => None,
    };
    match told {
        None => refused(StatusCode::SERVICE_UNAVAILABLE, "the gateway is leaving"),
        Some(Err(refusal)) => refused(status(&refusal), &refusal.to_string()),
        Some(Ok(Outcome::Versions(all))) => {
            let all: Vec<_> = all.iter().map(version).collect();
            answer(StatusCode::OK, &json!({ "backend": backend, "versions": all }))
        }
        Some(Ok(Outcome::Checked(checked))) => {
            let refused = checked.breaks() && !checked.registered && !wanted.dry_run;
            let status = if refused { StatusCode::CONFLICT } else { StatusCode::OK };
            answer(status, &describe(&backend, &checked))
        }
    }
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Unknown { .. } | Refusal::Version(_) => StatusCode::NOT_FOUND,
        Refusal::Descriptors(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Elsewhere(_) | Refusal::Files(_) | Refusal::First(_) | Refusal::Stateless => StatusCode::CONFLICT,
        Refusal::Kept(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(super) fn version(it: &Version) -> Value {
    json!({ "version": it.number, "registered_at": it.at.as_secs(), "digest": it.digest })
}

fn describe(backend: &str, checked: &Checked) -> Value {
    let change = |it: &Change| {
        json!({
            "severity": match it.severity {
                Severity::Breaking => "breaking",
                Severity::Safe => "safe",
            },
            "endpoint": it.endpoint,
            "place": it.place,
            "code": it.code,
            "message": format!("{} {}", it.place, it.sentence).trim(),
        })
    };
    let broken = checked.broken.iter();
    json!({
        "backend": backend,
        "version": checked.version.as_ref().map(version),
        "registered": checked.registered,
        "same": checked.same,
        "breaks": checked.breaks(),
        "broken": broken.map(|it| json!({ "composition": *it.name, "why": it.why })).collect::<Vec<_>>(),
        "changes": checked.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn refused(status: StatusCode, sentence: &str) -> Response {
    answer(status, &json!({ "error": sentence }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{body:#}\n"),
    )
        .into_response()
}
