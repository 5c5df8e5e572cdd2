//! The admin listener: health and metrics. Never on the public address.
//!
//! `/livez` says that the process runs, `/readyz` whether it should get requests and what keeps it from serving the files on
//! disk, `/metrics` is OpenMetrics text, `/backends` says how the backends are, and POST to `/cache/invalidate` drops what is
//! kept with the tags of its body: `{"tags": ["product:1"]}`. `/descriptors` says what is known of backends with
//! reflection and of those whose descriptors are registered, and which compositions are on older ones (what is below it
//! registers others), `/limits` what is limited, and how much is used up, `/cache` how much is
//! kept, and whether other gateways share it. What stands below `/auth` refuses clients, and accepts them again (`revoke`).

mod connections;
mod foreign;
mod limits;
mod register;
mod revoke;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use serde_json::json;

use self::connections::Connections;
use self::foreign::Loopback;
use crate::gateway::listen::Shared;
use crate::gateway::load::{Held, Reflecting, Registered};
use crate::gateway::register::Orders;
use crate::gateway::{Gateway, Status};
use crate::runtime::backend::guard;
use crate::runtime::cache::{Remote, Tag};
use crate::runtime::redis::Link;

/// What the pages read.
#[derive(Clone, Debug)]
struct Pages {
    shared: Arc<Shared>,
    status: Arc<ArcSwap<Status>>,
    link: Link,
    orders: Orders,
}

/// Binds the admin address and serves it as long as the runtime lives. Returns the address, port chosen.
pub async fn start(gateway: &Gateway, address: &str) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let pages = Pages {
        shared: gateway.shared().clone(),
        status: gateway.status().clone(),
        link: Link::default(),
        orders: gateway.orders(),
    };
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/backends", get(backends))
        .route("/cache", get(cache))
        .route("/limits", get(limits::limits))
        .route("/limits/usage", get(limits::usage))
        .route("/descriptors", get(descriptors))
        .route(
            "/descriptors/{backend}",
            post(register::register).layer(DefaultBodyLimit::max(register::MAX_BODY)),
        )
        .route("/descriptors/{backend}/rollback", post(register::rollback))
        .route("/descriptors/{backend}/versions", get(register::versions))
        .route("/cache/invalidate", post(invalidate))
        .route("/auth/revoke", post(revoke::revoke))
        .route("/auth/restore", post(revoke::restore))
        .route("/auth/revoked", get(revoke::revoked))
        .with_state(pages)
        .layer(from_fn_with_state(Loopback(bound.ip().is_loopback()), foreign::refuse));
    let connections = Connections::of(listener, gateway.shared().clone())?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(connections, router).await {
            tracing::error!(%error, "the admin listener failed");
        }
    });
    Ok(bound)
}

async fn ready(State(pages): State<Pages>) -> Response {
    let status = pages.status.load();
    let nothing_works = status.n_ready == 0 && status.n_waiting > 0;
    let (code, word) = match (status.draining, nothing_works) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "waiting"),
        _ => (StatusCode::OK, "ready"),
    };
    (code, describe(&status, word)).into_response()
}

fn describe(status: &Status, word: &str) -> String {
    let mut text = format!(
        "{word}: generation {}, {} endpoints, {} waiting\n",
        status.generation,
        status.n_ready + status.n_waiting,
        status.n_waiting
    );
    for reason in &status.waiting {
        text.push_str("waiting for backend ");
        text.push_str(reason);
        text.push('\n');
    }
    for it in &status.held {
        text.push_str("on the descriptors before: ");
        text.push_str(&it.name);
        text.push('\n');
    }
    if !status.refused.is_empty() {
        text.push_str("the files on disk are refused; the snapshot before them goes on serving:\n");
        for mistake in &status.refused {
            text.push_str(mistake);
            text.push('\n');
        }
    }
    text
}

async fn metrics(State(pages): State<Pages>) -> Response {
    guard::publish(&pages.shared.snapshot.load().guards, &pages.shared.hall.metrics);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], pages.shared.hall.metrics.text()).into_response()
}

async fn backends(State(pages): State<Pages>) -> Response {
    let all = guard::describe(&pages.shared.snapshot.load().guards);
    let text = format!("{all:#}\n");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn descriptors(State(pages): State<Pages>) -> Response {
    let status = pages.status.load();
    let reflecting = |it: &Reflecting| json!({ "name": *it.backend, "source": "reflection", "version": it.version, "silent": it.silent, "registered": null });
    let registered = |it: &Registered| {
        let newest = it.newest.as_ref().map(register::version);
        json!({ "name": *it.backend, "source": "registered", "version": it.version, "silent": null, "registered": newest })
    };
    let backends = status.reflecting.iter().map(reflecting);
    let backends = backends.chain(status.registered.iter().map(registered));
    let held = |it: &Held| json!({ "composition": *it.name, "why": it.why });
    let all = json!({
        "backends": backends.collect::<Vec<_>>(),
        "held": status.held.iter().map(held).collect::<Vec<_>>(),
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{all:#}\n")).into_response()
}

async fn cache(State(pages): State<Pages>) -> Response {
    let (hall, settings) = (&pages.shared.hall, &pages.shared.snapshot.load().plan.settings);
    let (entries, bytes) = hall.cache.size();
    let redis = match &hall.remote {
        None => "none",
        Some(it) if it.is_gone() => "gone",
        Some(_) => "there",
    };
    let untold = match hall.remote.as_ref().map(Remote::n_untold) {
        None => json!(0),
        Some(Some(n)) => json!(n),
        Some(None) => json!("all"),
    };
    let all = json!({
        "entries": entries,
        "bytes": bytes,
        "max_bytes": settings.cache_memory,
        "redis": redis,
        "tags_to_tell": untold,
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{all:#}\n")).into_response()
}

/// 204, or 400 with a sentence.
async fn invalidate(State(pages): State<Pages>, body: Bytes) -> Response {
    match tags(&body) {
        Some(tags) => {
            pages.shared.hall.drop_all(&tags).await;
            StatusCode::NO_CONTENT.into_response()
        }
        None => (StatusCode::BAD_REQUEST, "expected {\"tags\": [\"…\"]}\n").into_response(),
    }
}

/// The tags of a body that is as it should be: nothing else in it, and at least one.
fn tags(body: &[u8]) -> Option<Vec<Tag>> {
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let tags = body.get("tags").filter(|_| body.len() == 1)?.as_array()?;
    let tags: Option<Vec<Tag>> = tags.iter().map(|it| it.as_str().map(Tag::of)).collect();
    tags.filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_from_exactly_one_form() {
        assert_eq!(tags(br#"{"tags": ["a", "b"]}"#), Some(vec![Tag::of("a"), Tag::of("b")]));
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"tags": []}"#,
            r#"{"tags": "a"}"#,
            r#"{"tags": [1]}"#,
            r#"{"tags": ["a"], "x": 1}"#,
        ] {
            assert_eq!(tags(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn readyz_says_what_is_refused_and_who_is_waited_for() {
        let status = Status {
            generation: 2,
            refused: vec!["a.yaml:1:2: error[unknown-key]: unknown key `tiemout`".to_owned()],
            waiting: vec!["shop: connection refused".to_owned()],
            held: vec![Held {
                name: "GET /p/{id}".into(),
                why: vec!["b.yaml:3:4: error[unknown-field]: no field `name`".to_owned()],
            }],
            n_ready: 3,
            n_waiting: 1,
            ..Status::default()
        };
        assert_eq!(
            describe(&status, "ready"),
            "ready: generation 2, 4 endpoints, 1 waiting\n\
             waiting for backend shop: connection refused\n\
             on the descriptors before: GET /p/{id}\n\
             the files on disk are refused; the snapshot before them goes on serving:\n\
             a.yaml:1:2: error[unknown-key]: unknown key `tiemout`\n"
        );
    }
}
