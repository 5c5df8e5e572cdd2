//! Is it known already: the endpoint's cache, with single flight (semantics.md 5, RFC 9111, RFC 5861, RFC 9211).
//!
//! Whoever leads makes the answer in a task of its own, so that its client may leave; a stale answer that may be given
//! meanwhile is. Invariant: a request that finds something fresh or good enough waits for nobody.

use std::fmt::Write;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::body::Body;
use super::compress;
use super::log::{self, Line, Report};
use super::problem::Refusal;
use super::validate;
use super::{Asked, Response, respond};
use crate::plan::{Keep, Recipe};
use crate::runtime::backend::{Failure, code};
use crate::runtime::cache::{Elsewhere, Entry, Kept, Key, Landing, Leader, Lookup, Moment, Remote, Use, lifetime};
use crate::runtime::execute::{self, Failed, Outcome, Tags};

const CACHE_STATUS: &str = "cache-status";

/// A stored response, or one that is shared with those who wait for it.
type Stored = Arc<Kept<Entry>>;

/// Answers from the cache, from somebody who is making the same answer, or by making it.
pub async fn answer(asked: Asked, headers: &HeaderMap, line: &mut Line) -> Result<Response, Refusal> {
    let response = find_or_make(asked, line).await?;
    Ok(validate::unless_known(response, headers))
}

async fn find_or_make(mut asked: Asked, line: &mut Line) -> Result<Response, Refusal> {
    let (key, deadline) = (key(&asked)?, asked.deadline);
    let hall = asked.running.hall.clone();
    let keep = asked
        .recipe()
        .and_then(|it| it.cache.as_ref())
        .ok_or(Refusal::Bug)?
        .keep;
    let mut elsewhere = Elsewhere::Unasked;
    loop {
        match hall.cache.response(key, keep) {
            Lookup::Fresh(entry) => {
                line.cache("hit");
                return Ok(of_entry(
                    &entry,
                    true,
                    &format!("weft; hit; ttl={}", entry.seconds_left()),
                ));
            }
            Lookup::Stale(entry, leader) => {
                line.cache("stale");
                if let Some(leader) = leader {
                    let refresh = make_again(asked, leader, elsewhere);
                    hall.detached.adopt(async { refresh.await.end_alone() });
                }
                let status = format!("weft; hit; ttl={}; detail=stale-while-revalidate", entry.seconds_left());
                return Ok(of_entry(&entry, true, &status));
            }
            Lookup::Miss(leader, mut stand_in) => {
                if matches!(elsewhere, Elsewhere::Unasked) {
                    let found = Remote::find::<Entry>(&asked.running, key).await;
                    if let Some(entry) = &found.kept {
                        hall.cache.take_over(key, entry);
                    }
                    if let Some(entry) = found.fresh() {
                        line.cache("remote");
                        leader.share(entry.clone());
                        return Ok(of_entry(entry, true, &found_there(entry)));
                    }
                    elsewhere = Elsewhere::Asked(found.moment);
                    if let Some(entry) = found.kept {
                        if entry.good_for() == Use::WhileRevalidating {
                            continue;
                        }
                        stand_in = stand_in.or(Some(entry));
                    }
                }
                line.cache("miss");
                let moment = elsewhere.moment();
                // The client of the leader may leave: others wait for what is made.
                let made = tokio::task::spawn_local(make(asked, leader, stand_in, moment)).await;
                let made = made.map_err(|_| {
                    hall.metrics.panics.inc();
                    Refusal::Bug
                })?;
                if made.end == End::StoodIn {
                    line.cache("stale_if_error");
                }
                line.outcome_report(made.report);
                return made.response;
            }
            Lookup::Wait(waiting, stand_in) => {
                let landed = tokio::time::timeout_at(deadline.instant(), waiting.landed()).await;
                match (landed, stand_in) {
                    (Ok(Landing::Shared(entry)), _) if entry.good_for() == Use::Fresh => {
                        line.cache("shared");
                        return Ok(of_entry(&entry, true, "weft; fwd=miss; collapsed"));
                    }
                    (Ok(Landing::Shared(entry)), _) => {
                        line.cache("stale_if_error");
                        return Ok(of_entry(
                            &entry,
                            true,
                            "weft; fwd=stale; collapsed; detail=stale-if-error",
                        ));
                    }
                    (Ok(Landing::Alone), _) => {
                        line.cache("alone");
                        let inputs = std::mem::take(&mut asked.inputs);
                        let recipe = asked.recipe().ok_or(Refusal::Bug)?;
                        let outcome = asked.run(recipe, inputs).await;
                        line.outcome(&outcome);
                        return respond::response(outcome, recipe)
                            .map(|it| unstored(it, "miss"))
                            .map_err(Refusal::Failed);
                    }
                    (Ok(Landing::Vanished), _) => {}
                    (Err(_), Some(entry)) => {
                        line.cache("stale_if_error");
                        return Ok(of_entry(&entry, true, &stood_in(StatusCode::GATEWAY_TIMEOUT)));
                    }
                    (Err(_), None) => return Err(failed(Failure::deadline())),
                }
            }
        }
    }
}

/// What was made for the first who asked, and what its calls did.
struct Made {
    response: Result<Response, Refusal>,
    report: Report,
    end: End,
    asked: Asked,
}

/// What became of an answer; the names of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stored,
    /// Another gateway had made it.
    Found,
    StoodIn,
    Failed,
    /// It is good for the one who asked and for nobody else, for this reason.
    Unstored(&'static str),
}

impl Made {
    /// Counts what was made for nobody.
    fn end_alone(mut self) {
        let name = self.asked.name();
        self.report.count(&name, &self.asked.running, Some(self.asked.index));
        let result = match self.end {
            End::Stored => "stored",
            End::Found => "found",
            End::Failed | End::StoodIn => "failed",
            End::Unstored(_) => "unstored",
        };
        self.asked.running.hall.metrics.refreshed(&name, result);
        if let Err(Refusal::Failed(failed)) = &self.response {
            let (call, failure) = (failed.call.as_deref().unwrap_or_default(), &failed.failure);
            let (code, origin) = (code::name(failure.code), log::origin(failure));
            tracing::warn!(request_id = self.asked.trace.request_id(), endpoint = %name, call, code, origin, "a stale answer could not be made again");
        }
    }
}

/// Makes an answer beside the request that got an older one, unless another gateway has made it meanwhile.
async fn make_again(asked: Asked, leader: Leader<Stored>, elsewhere: Elsewhere) -> Made {
    match Remote::fresh::<Entry>(&asked.running, leader.key(), elsewhere).await {
        Err(moment) => make(asked, leader, None, moment).await,
        Ok(entry) => {
            let response = Ok(of_entry(&entry, true, &found_there(&entry)));
            leader.share(entry);
            Made {
                response,
                report: Report::default(),
                end: End::Found,
                asked,
            }
        }
    }
}

/// Makes an answer for all who wait for it, and keeps it where it may be kept; for all gateways as of `moment`.
async fn make(mut asked: Asked, leader: Leader<Stored>, stand_in: Option<Stored>, moment: Option<Moment>) -> Made {
    let inputs = std::mem::take(&mut asked.inputs);
    let mut report = Report::default();
    let (response, end) = match asked.recipe().and_then(|it| Some((it, it.cache.as_ref()?.keep))) {
        Some((recipe, keep)) => {
            let outcome = asked.run(recipe, inputs).await;
            report = Report::of(&outcome, &asked.running);
            land(&asked, (recipe, keep), outcome, (leader, moment), stand_in)
        }
        None => (Err(Refusal::Bug), End::Failed),
    };
    if let End::Unstored(reason) = end {
        asked.running.hall.metrics.unstored(&asked.name(), reason);
    }
    Made {
        response,
        report,
        end,
        asked,
    }
}

/// Shares and keeps what was made, or what stands in for it, as far as that may be.
fn land(
    asked: &Asked,
    (recipe, keep): (&Recipe, Keep),
    mut outcome: Outcome,
    (leader, moment): (Leader<Stored>, Option<Moment>),
    stand_in: Option<Stored>,
) -> (Result<Response, Refusal>, End) {
    let (is_degraded, directives) = (!outcome.degraded.is_empty(), outcome.directives);
    let tags = std::mem::replace(&mut outcome.tags, Ok(Tags::default()));
    let forwarded = if stand_in.is_some() { "stale" } else { "miss" };
    let mut response = match respond::response(outcome, recipe) {
        Ok(response) => response,
        Err(failed) => {
            let refusal = Refusal::Failed(failed);
            let status = refusal.problem(&recipe.errors).status;
            let Some(old) = stand_in.filter(|_| status.is_server_error()) else {
                leader.alone();
                return (Err(refusal), End::Failed);
            };
            leader.share(old.clone());
            return (Ok(of_entry(&old, true, &stood_in(status))), End::StoodIn);
        }
    };
    let body = response.body().whole().filter(|_| response.status().is_success());
    let may_be_kept = match (lifetime(directives, keep), tags, body) {
        _ if is_degraded => Err("degraded"),
        (None, ..) => Err("backend"),
        (_, _, None) => Err("status"),
        (_, Err(failure), _) => {
            log::untagged(&asked.name(), &asked.trace, &failure);
            Err("expression")
        }
        (Some(keep), Ok(tags), Some(body)) => Ok((keep, tags, body)),
    };
    let (keep, tags, body) = match may_be_kept {
        Ok(it) => it,
        Err(reason) => {
            leader.alone();
            return (Ok(unstored(response, forwarded)), End::Unstored(reason));
        }
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, cache_control(is_private(asked, recipe), keep));
    response.headers_mut().insert(header::ETAG, validate::etag(&body));
    let compression = asked.running.snapshot.plan.settings.compression;
    let has_forms = compression.is_some_and(|it| compress::may_be_coded(it, Some(recipe), &response));
    if has_forms {
        compress::mark(response.headers_mut());
    }
    let entry = Entry {
        status: response.status(),
        headers: response.headers().clone(),
        body,
        forms: has_forms.then(Box::default),
    };
    let kept = Arc::new(Kept::new(entry, keep, tags.own, leader.since()));
    let key = leader.key();
    let is_stored = asked.running.hall.cache.store(key, &kept);
    // Those who wait began before whatever was dropped meanwhile.
    leader.share(kept.clone());
    if is_stored {
        Remote::keep(&asked.running, key, &kept, moment.as_ref());
        (
            Ok(of_entry(&kept, false, &format!("weft; fwd={forwarded}; stored"))),
            End::Stored,
        )
    } else {
        (Ok(unstored(response, forwarded)), End::Unstored("dropped"))
    }
}

fn key(asked: &Asked) -> Result<Key, Refusal> {
    let recipe = asked.recipe().ok_or(Refusal::Bug)?;
    let cache = recipe.cache.as_ref().ok_or(Refusal::Bug)?;
    let bound = execute::bound_requests(recipe, &asked.incoming).map_err(failed)?;
    let inputs = cache.key.iter().filter_map(|slot| asked.inputs.get(slot.0 as usize));
    let selection = asked.selected.as_ref().map(|it| it.canonical.as_str());
    // What one part of a split answers is never given for another's.
    let backends = &asked.running.snapshot.plan.backends;
    let parts = asked.chosen.iter().filter_map(|it| Some(&*backends.get(it.0)?.name));
    let is_private = is_private(asked, recipe);
    Ok(Key::of_response(&cache.fingerprint, inputs, &bound, selection, is_private).among(parts))
}

fn failed(failure: Failure) -> Refusal {
    Refusal::Failed(Failed::of_endpoint(failure))
}

/// What is kept is not for everybody.
fn is_private(asked: &Asked, recipe: &Recipe) -> bool {
    recipe.private || asked.running.snapshot.plan.access.restricts()
}

/// semantics.md 5.5: `private` where the inputs hold identity, else `public`; the stale directives of RFC 5861.
fn cache_control(is_private: bool, keep: Keep) -> HeaderValue {
    let scope = if is_private { "private" } else { "public" };
    let mut text = format!("{scope}, max-age={}", keep.ttl.as_secs());
    for (name, time) in [
        ("stale-while-revalidate", keep.stale_while_revalidate),
        ("stale-if-error", keep.stale_if_error),
    ] {
        if !time.is_zero() {
            let _infallible = write!(text, ", {name}={}", time.as_secs());
        }
    }
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("no-store"))
}

/// `Cache-Status` of a stale answer in place of a failure.
fn stood_in(status: StatusCode) -> String {
    format!("weft; fwd=stale; fwd-status={}; detail=stale-if-error", status.as_u16())
}

/// `Cache-Status` of what another gateway has kept.
fn found_there(kept: &Stored) -> String {
    format!("weft; hit; ttl={}; detail=redis", kept.seconds_left())
}

fn of_entry(kept: &Stored, with_age: bool, status: &str) -> Response {
    let mut response = Response::new(Body::Kept(kept.clone()));
    *response.status_mut() = kept.what.status;
    *response.headers_mut() = kept.what.headers.clone();
    if with_age {
        response.headers_mut().insert(header::AGE, kept.age().as_secs().into());
    }
    if let Ok(value) = HeaderValue::from_str(status) {
        response.headers_mut().insert(CACHE_STATUS, value);
    }
    response
}

fn unstored(mut response: Response, forwarded: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::ETAG);
    if let Ok(value) = HeaderValue::from_str(&format!("weft; fwd={forwarded}")) {
        headers.insert(CACHE_STATUS, value);
    }
    response
}
