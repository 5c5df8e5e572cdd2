//! Clients that are no longer accepted: POST to `/auth/revoke` refuses tokens and subjects from now on, `/auth/restore` accepts
//! them again, `/auth/revoked` says how many are refused.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::Pages;
use crate::auth::revoked::{Mark, NEVER};
use crate::language::spec::scalar::duration;
use crate::runtime::auth::revocations::Change;
use crate::runtime::cache::Remote;
use crate::telemetry::AUDIT;
use crate::time;

/// 204, 202 where other gateways have not heard of it yet, or 400; with a sentence, the last two.
pub(super) async fn revoke(State(pages): State<Pages>, body: Bytes) -> Response {
    let ends = |lasts: Option<Duration>| match lasts {
        Some(lasts) => (time::since_epoch() + lasts).as_secs() + 1,
        None => NEVER,
    };
    let expected = "expected {\"provider\": \"…\", \"jti\": [\"…\"], \"sub\": [\"…\"]}, and perhaps \"for\": \"24h\"\n";
    match changes(&body, true, |lasts| Some(ends(lasts))) {
        Some(changes) => say(&pages, changes, "revoked").await,
        None => (StatusCode::BAD_REQUEST, expected).into_response(),
    }
}

/// The same.
pub(super) async fn restore(State(pages): State<Pages>, body: Bytes) -> Response {
    let expected = "expected {\"provider\": \"…\", \"jti\": [\"…\"], \"sub\": [\"…\"]}\n";
    match changes(&body, false, |_| None) {
        Some(changes) => say(&pages, changes, "restored").await,
        None => (StatusCode::BAD_REQUEST, expected).into_response(),
    }
}

async fn say(pages: &Pages, changes: Vec<Change>, outcome: &'static str) -> Response {
    let provider = changes.first().map(|it| it.provider.clone()).unwrap_or_default();
    let is_known = {
        let plan = &pages.shared.snapshot.load().plan;
        plan.auth.iter().any(|it| *it.name == *provider)
    };
    if !is_known {
        return (StatusCode::BAD_REQUEST, "there is no such provider\n").into_response();
    }
    tracing::info!(target: AUDIT, provider, n = changes.len(), outcome, "access");
    if pages.shared.hall.revoke(changes).await {
        return StatusCode::NO_CONTENT.into_response();
    }
    let untold = "it holds here; Redis does not answer, and other gateways are told as soon as it does\n";
    (StatusCode::ACCEPTED, untold).into_response()
}

/// `/auth/revoked`.
pub(super) async fn revoked(State(pages): State<Pages>) -> Response {
    let hall = &pages.shared.hall;
    let redis = match &hall.remote {
        None => "none",
        Some(it) if Remote::is_gone(it) => "gone",
        Some(_) => "there",
    };
    let counts = hall.revocations.counts().into_iter();
    let providers: Map<String, Value> = counts
        .map(|(name, [ids, subjects])| (name, json!({ "jti": ids, "sub": subjects })))
        .collect();
    let all = json!({ "redis": redis, "to_tell": hall.revocations.n_untold(), "providers": providers });
    ([(header::CONTENT_TYPE, "application/json")], format!("{all:#}\n")).into_response()
}

/// Who is meant, and until when: what `ends` makes of how long; `None` where the body is not as it should be, or names nobody.
fn changes(body: &[u8], has_time: bool, ends: impl Fn(Option<Duration>) -> Option<u64>) -> Option<Vec<Change>> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut known = vec!["provider", "jti", "sub"];
    known.extend(has_time.then_some("for"));
    if !body.keys().all(|it| known.contains(&it.as_str())) {
        return None;
    }
    let lasts = match body.get("for") {
        None => None,
        Some(text) => Some(duration(text.as_str()?).ok().filter(|it| !it.is_zero())?),
    };
    let provider = body.get("provider")?.as_str()?;
    let mut changes = Vec::new();
    for mark in [Mark::Id, Mark::Subject] {
        let Some(list) = body.get(mark.claim()) else { continue };
        for value in list.as_array()? {
            changes.push(Change {
                provider: provider.to_owned(),
                mark,
                value: value.as_str()?.to_owned(),
                refused_until: ends(lasts),
            });
        }
    }
    Some(changes).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_one_form() {
        let read = |text: &str, has_time| {
            let lasts = |lasts: Option<Duration>| lasts.map(|it| it.as_secs());
            let all = changes(text.as_bytes(), has_time, lasts)?;
            Some(
                all.into_iter()
                    .map(|it| (it.mark, it.value, it.refused_until))
                    .collect::<Vec<_>>(),
            )
        };
        let both = vec![
            (Mark::Id, "t1".to_owned(), Some(7200)),
            (Mark::Subject, "ann".to_owned(), Some(7200)),
        ];
        assert_eq!(
            read(r#"{"provider": "p", "sub": ["ann"], "jti": ["t1"], "for": "2h"}"#, true),
            Some(both)
        );
        for wrong in [
            "",
            "{}",
            r#"{"provider": "p"}"#,
            r#"{"provider": "p", "sub": []}"#,
            r#"{"provider": "p", "sub": "ann"}"#,
            r#"{"provider": "p", "sub": [1]}"#,
            r#"{"sub": ["ann"]}"#,
            r#"{"provider": "p", "sub": ["ann"], "for": 5}"#,
            r#"{"provider": "p", "sub": ["ann"], "for": "5"}"#,
            r#"{"provider": "p", "sub": ["ann"], "for": "0s"}"#,
            r#"{"provider": "p", "sub": ["ann"], "name": ["ann"]}"#,
        ] {
            assert_eq!(read(wrong, true), None, "{wrong}");
        }
        assert_eq!(read(r#"{"provider": "p", "sub": ["ann"], "for": "2h"}"#, false), None);
    }
}
