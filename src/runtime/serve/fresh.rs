//! Is it known already: the endpoint's cache, with single flight (semantics.md 5, RFC 9111, RFC 9211).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::Full;

use super::log::Line;
use super::problem::Refusal;
use super::{Asked, Response, respond};
use crate::plan::{EndpointCache, Recipe};
use crate::runtime::backend::Failure;
use crate::runtime::cache::{Entry, Key, Landing, Leader, Lookup};
use crate::runtime::execute::{self, Failed, Outcome};
use crate::time::Instant;

const CACHE_STATUS: &str = "cache-status";

/// Answers from the cache, from somebody who is making the same answer, or by making it.
pub async fn answer(mut asked: Asked, line: &mut Line) -> Result<Response, Refusal> {
    let (key, deadline) = (key(&asked)?, asked.deadline);
    let hall = asked.running.hall.clone();
    loop {
        match hall.cache.lookup(key) {
            Lookup::Hit { entry, age } => {
                line.cache("hit");
                return Ok(of_entry(&entry, Some(age), &status_of_hit(&entry)));
            }
            Lookup::Miss(leader) => {
                line.cache("miss");
                // The client of the leader may leave: others wait for what is made.
                let made = tokio::task::spawn_local(make(asked, leader)).await;
                let made = made.map_err(|_| {
                    hall.metrics.panics.inc();
                    Refusal::Bug
                })?;
                line.outcome_report(made.report);
                return made.response;
            }
            Lookup::Wait(waiting) => {
                let landed = tokio::time::timeout_at(deadline.instant(), waiting.landed()).await;
                match landed {
                    Ok(Landing::Shared(entry)) => {
                        line.cache("shared");
                        let age = Instant::now().saturating_duration_since(entry.stored_at);
                        return Ok(of_entry(&entry, Some(age), "weft; fwd=miss; collapsed"));
                    }
                    Ok(Landing::Alone) => {
                        line.cache("alone");
                        let inputs = std::mem::take(&mut asked.inputs);
                        let recipe = asked.recipe().ok_or(Refusal::Bug)?;
                        let outcome = asked.run(recipe, inputs).await;
                        line.outcome(&outcome);
                        return respond::response(outcome, recipe)
                            .map(unstored)
                            .map_err(Refusal::Failed);
                    }
                    Ok(Landing::Vanished) => {}
                    Err(_) => return Err(failed(Failure::deadline())),
                }
            }
        }
    }
}

/// What was made for the first who asked, and what its calls did.
struct Made {
    response: Result<Response, Refusal>,
    report: super::log::Report,
}

async fn make(mut asked: Asked, leader: Leader<Arc<Entry>>) -> Made {
    let inputs = std::mem::take(&mut asked.inputs);
    let Some((recipe, cache)) = asked.recipe().and_then(|it| Some((it, it.cache.as_ref()?))) else {
        return Made {
            response: Err(Refusal::Bug),
            report: super::log::Report::default(),
        };
    };
    let outcome = asked.run(recipe, inputs).await;
    let report = super::log::Report::of(&outcome, &asked.running);
    let lifetime = lifetime(&outcome, cache);
    let mut response = match respond::response(outcome, recipe) {
        Ok(response) => response,
        Err(failed) => {
            leader.alone();
            return Made {
                response: Err(Refusal::Failed(failed)),
                report,
            };
        }
    };
    let body = respond::whole(response.body());
    let (Some(lifetime), true, Some(body)) = (lifetime, response.status().is_success(), body) else {
        leader.alone();
        return Made {
            response: Ok(unstored(response)),
            report,
        };
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, cache_control(recipe, lifetime));
    let now = Instant::now();
    let entry = Arc::new(Entry {
        status: response.status(),
        headers: response.headers().clone(),
        body,
        stored_at: now,
        fresh_until: now + lifetime,
    });
    asked.running.hall.cache.store(leader, entry.clone());
    Made {
        response: Ok(of_entry(&entry, None, "weft; fwd=miss; stored")),
        report,
    }
}

fn key(asked: &Asked) -> Result<Key, Refusal> {
    let recipe = asked.recipe().ok_or(Refusal::Bug)?;
    let cache = recipe.cache.as_ref().ok_or(Refusal::Bug)?;
    let bound = execute::bound_requests(recipe, &asked.incoming).map_err(failed)?;
    let inputs = cache.key.iter().filter_map(|slot| asked.inputs.get(slot.0 as usize));
    let selection = asked.selected.as_ref().map(|it| it.canonical.as_str());
    Ok(Key::of_response(&cache.fingerprint, inputs, &bound, selection))
}

fn failed(failure: Failure) -> Refusal {
    Refusal::Failed(Failed::of_endpoint(failure))
}

/// How long the answer is fresh: not at all where it is degraded or a backend is against it (semantics.md 5.8, 5.9).
fn lifetime(outcome: &Outcome, cache: &EndpointCache) -> Option<Duration> {
    if !outcome.degraded.is_empty() || outcome.directives.no_store {
        return None;
    }
    let lifetime = outcome.directives.fresh_for.map_or(cache.ttl, |it| it.min(cache.ttl));
    (!lifetime.is_zero()).then_some(lifetime)
}

/// semantics.md 5.5: `private` where the inputs hold identity, else `public`.
fn cache_control(recipe: &Recipe, lifetime: Duration) -> HeaderValue {
    let scope = if recipe.identity { "private" } else { "public" };
    HeaderValue::from_str(&format!("{scope}, max-age={}", lifetime.as_secs()))
        .unwrap_or_else(|_| HeaderValue::from_static("no-store"))
}

fn status_of_hit(entry: &Entry) -> String {
    let left = entry.fresh_until.saturating_duration_since(Instant::now());
    format!("weft; hit; ttl={}", left.as_secs())
}

fn of_entry(entry: &Entry, age: Option<Duration>, status: &str) -> Response {
    let mut response = Response::new(Full::new(Bytes::clone(&entry.body)));
    *response.status_mut() = entry.status;
    *response.headers_mut() = entry.headers.clone();
    if let Some(age) = age {
        response.headers_mut().insert(header::AGE, age.as_secs().into());
    }
    if let Ok(value) = HeaderValue::from_str(status) {
        response.headers_mut().insert(CACHE_STATUS, value);
    }
    response
}

fn unstored(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(CACHE_STATUS, HeaderValue::from_static("weft; fwd=miss"));
    response
}
