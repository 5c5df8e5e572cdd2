//! Tokens that only their issuer understands: it is asked about them (RFC 7662), and believed for a while.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use super::{LookUp, Question, State, digest, now};
use crate::auth::jwt::MAX_LENGTH;
use crate::auth::{Claims, Why};
use crate::codec::json;
use crate::plan::{Accept, Introspection};
use crate::runtime::backend::{Attempt, Request};
use crate::runtime::serve::log::cause;
use crate::runtime::serve::problem::failure_kind;
use crate::runtime::snapshot::Running;
use crate::time::Deadline;

/// How long it is believed that a token is not valid: it may be so short-lived that it comes before its issuer knows it.
const DOUBT: i64 = 5;

/// The claims of a token.
pub(super) async fn check(
    question: Question<'_>,
    state: &Arc<State>,
    settings: &Introspection,
    token: &str,
) -> Result<Claims, Why> {
    if token.len() > MAX_LENGTH {
        return Err(Why::TooLong);
    }
    let key = digest(token);
    let leader = match state.look_up(key, question.deadline).await? {
        LookUp::Known(known) => return known.outcome.clone(),
        LookUp::Errand(leader) => leader,
    };
    let (running, state) = (question.running.clone(), state.clone());
    let (settings, token) = (settings.clone(), token.to_owned());
    let asking = tokio::task::spawn_local(async move {
        let Some((outcome, ends)) = ask(&running, &settings, &token).await else {
            leader.alone();
            return Err(Why::Unreachable);
        };
        let known = state.found(outcome, ends, 0);
        if !settings.believed.is_zero() {
            state.known.insert(key, known.clone());
        }
        leader.share(known.clone());
        known.outcome.clone()
    });
    let asked = tokio::time::timeout_at(question.deadline.instant(), asking).await;
    asked.ok().and_then(Result::ok).unwrap_or(Err(Why::Unreachable))
}

/// What the issuer says, and until when it is believed; `None` where it does not say anything.
async fn ask(running: &Running, settings: &Introspection, token: &str) -> Option<(Result<Claims, Why>, i64)> {
    let deadline = Deadline::after(settings.timeout);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, settings.authorization.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form);
    let encoded = percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
    let request = Request::Http {
        method: Method::POST,
        path_and_query: settings.at.path.to_string(),
        headers,
        body: Some(Bytes::from(format!("token={encoded}&token_type_hint=access_token"))),
        accept: Accept::Json,
    };
    let way = running.backends.get(settings.backend)?.way_to(&settings.at.target);
    let asked = way.call(&request, Attempt::new(deadline));
    let reply = tokio::time::timeout_at(deadline.instant(), asked).await.ok()?;
    match reply {
        Ok(reply) => {
            let now = now();
            Some(match read(reply.body, settings, now) {
                Ok((claims, ends)) => (Ok(claims), ends),
                Err(why) => (Err(why), now + DOUBT.min(seconds(settings.believed))),
            })
        }
        Err(failure) => {
            let (kind, cause) = (failure_kind(failure.kind), cause(&failure));
            let backend = settings.backend;
            let name = running.snapshot.plan.backends.get(backend.0).map(|it| &*it.name);
            tracing::warn!(
                backend = name,
                kind,
                cause,
                "an issuer could not be asked about a token"
            );
            None
        }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The claims of an answer (RFC 7662 §2.2), and until when they are believed.
fn read(body: Bytes, settings: &Introspection, now: i64) -> Result<(Claims, i64), Why> {
    let claims = Claims::read(body)?;
    if claims.at(&["active"]) != Some(b"true") {
        return Err(Why::Inactive);
    }
    let mut ends = now.saturating_add(seconds(settings.believed).max(1));
    if let Some(expires) = claims.date("exp")? {
        if now >= expires {
            return Err(Why::Expired);
        }
        ends = ends.min(expires);
    }
    if claims.date("nbf")?.is_some_and(|it| it > now) {
        return Err(Why::NotYet);
    }
    if !settings.audiences.is_empty() {
        let named = match claims.at(&["aud"]) {
            Some(one) if json::kind(one) == json::Kind::String => claims.string("aud").into_iter().collect(),
            _ => claims.words(&["aud"]),
        };
        if !named
            .iter()
            .any(|it| settings.audiences.iter().any(|wanted| **wanted == **it))
        {
            return Err(Why::Audience);
        }
    }
    let subject = claims.string("username").or_else(|| claims.string("client_id"));
    let claims = match subject {
        Some(subject) => claims.or("sub", &subject),
        None => claims,
    };
    Ok((claims, ends))
}
