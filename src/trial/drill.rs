//! Degrade drills: every call that a response can do without fails once, and the response must still stand.
//!
//! A drill plays its fixture once more. What the file expects does not count then; what counts is that exchanges which the
//! failure reaches are answered all the same, say in `Weft-Degraded` which call is missing, and fit what is published.

use std::path::Path;
use std::sync::Arc;

use super::published::Published;
use super::run::{Answered, Trial, in_simulated_time};
use crate::publish::Api;
use crate::runtime::snapshot::Snapshot;
use crate::runtime::watch::{Address, Event, Note};

/// What came of one drill.
#[derive(Clone, Debug)]
pub struct Drill {
    /// The call that failed.
    pub call: Arc<str>,
    /// What did not stand.
    pub failures: Vec<String>,
    /// Why nothing can be said: with the failure, something is asked that no line of the fixture answers.
    pub unanswered: Option<String>,
}

/// A call that the response can do without.
#[derive(Clone, Debug)]
pub(super) struct Dispensable {
    /// Its name, as in `Weft-Degraded`.
    name: Arc<str>,
    /// Where it stands among the calls of its endpoint.
    endpoint: usize,
    at: usize,
}

/// The calls of a plan that something stands in for, and that these notes say were made.
pub(super) fn dispensable(first: &Snapshot, notes: &[Note]) -> Vec<Dispensable> {
    let mut found = Vec::new();
    let plan = &first.plan;
    for (endpoint, of) in plan.endpoints.iter().enumerate() {
        let Ok(recipe) = &of.recipe else { continue };
        for (at, listed) in plan.calls_of(recipe).into_iter().enumerate() {
            let address = Address::of(listed.call);
            let here = || notes.iter().filter(|it| it.of == address);
            let n_settled = here().filter(|it| matches!(it.what, Event::Settled)).count();
            let n_skipped = here().filter(|it| matches!(it.what, Event::Skipped)).count();
            if (listed.call.optional || listed.call.fallback.is_some()) && n_settled > n_skipped {
                found.push(Dispensable {
                    name: listed.name,
                    endpoint,
                    at,
                });
            }
        }
    }
    found
}

/// Plays the fixture with that call failing.
pub(super) fn drill(path: &Path, text: &str, call: &Dispensable, healthy: &[Option<Answered>]) -> Drill {
    let failures = in_simulated_time(async {
        let mut trial = Trial::load(path, text.to_owned(), None)?;
        let plan = &trial.running.snapshot.plan;
        let api = Api::of(plan);
        let recipe = plan.endpoints.get(call.endpoint).and_then(|it| it.recipe.as_ref().ok());
        let address = recipe.and_then(|it| Some(Address::of(plan.calls_of(it).get(call.at)?.call)));
        let address = address.ok_or_else(|| vec!["the call is not there any more".to_owned()])?;
        trial.watch.fail(Some(address));
        // What was stored without the failure may be asked for again with it.
        trial.script.be_lenient();
        trial.play().await;
        let published = Published::of(&api);
        let unanswered = trial.script.unanswered();
        let mut failures = Vec::new();
        for (at, (answer, notes)) in trial.answers.iter().zip(&trial.notes).enumerate() {
            let was_hit = notes
                .iter()
                .any(|it| it.of == address && matches!(it.what, Event::Failed(..)));
            let stood = healthy
                .get(at)
                .and_then(Option::as_ref)
                .is_some_and(|it| it.status < 400);
            if let (true, true, Some(answer)) = (was_hit, stood, answer) {
                let refused = notes.iter().find_map(|it| match &it.what {
                    Event::Refused(why) => Some(why.as_str()),
                    _ => None,
                });
                failures.extend(judge(answer, &call.name, refused, &published));
            }
        }
        Ok((failures, unanswered))
    });
    let (failures, unanswered) = failures.unwrap_or_else(|wrong| (wrong, None));
    Drill {
        call: call.name.clone(),
        // What nobody answered explains whatever went wrong.
        failures: if unanswered.is_some() { Vec::new() } else { failures },
        unanswered,
    }
}

/// What is wrong with an answer that has to do without a call.
fn judge(answer: &Answered, call: &str, refused: Option<&str>, published: &Published<'_>) -> Vec<String> {
    let shown = String::from_utf8_lossy(&answer.body);
    if !(200..300).contains(&answer.status) {
        let why = refused.map_or_else(|| shown.into_owned(), str::to_owned);
        return vec![format!("status {} without `{call}`: {why}", answer.status)];
    }
    let mut wrong = Vec::new();
    let degraded = answer.headers.get("weft-degraded").and_then(|it| it.to_str().ok());
    let names = degraded
        .unwrap_or_default()
        .split(", ")
        .filter_map(|it| it.split(';').next());
    if !names.into_iter().any(|it| it == call) {
        wrong.push(format!("`Weft-Degraded` does not name `{call}`: {degraded:?}"));
    }
    let is_json = answer
        .headers
        .get("content-type")
        .is_some_and(|it| it == "application/json");
    if is_json {
        let misfits = match (serde_json::from_slice(&answer.body), &answer.endpoint) {
            (Ok(body), Some(endpoint)) => published.misfits(endpoint, answer.status, &body).unwrap_or_default(),
            (Ok(_), None) => Vec::new(),
            (Err(error), _) => vec![error.to_string()],
        };
        let misfits = misfits.iter();
        wrong.extend(misfits.map(|it| format!("without `{call}` the body is not as published: {it}")));
    }
    wrong
}
