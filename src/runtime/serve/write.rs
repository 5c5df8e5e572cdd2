//! An endpoint that drops what is kept (`invalidate`): once something was sent that may change anything, its request goes on to
//! its end, whoever leaves, since what it drops is known only then.
//!
//! Invariant: nothing that may change anything is sent after the client has left.

use std::rc::Rc;
use std::sync::Arc;

use tokio::task::{self, JoinHandle};

use super::log::{self, Line, Report};
use super::problem::Refusal;
use super::{Asked, Response, respond};
use crate::plan::EndpointIndex;
use crate::runtime::execute::{Presence, Tags};
use crate::runtime::snapshot::Running;

/// What was made, and what its calls did.
struct Made {
    response: Result<Response, Refusal>,
    report: Report,
}

/// Whoever waits for what is made.
struct Waiting {
    running: Rc<Running>,
    endpoint: (EndpointIndex, Arc<str>),
    presence: Rc<Presence>,
    made: Option<JoinHandle<Made>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(made) = self.made.take() else { return };
        self.presence.leave();
        if !self.presence.has_written() {
            made.abort();
            return;
        }
        let (running, (index, name)) = (self.running.clone(), self.endpoint.clone());
        self.running.hall.detached.adopt(async move {
            if let Ok(mut made) = made.await {
                made.report.count(&name, &running, Some(index));
            }
        });
    }
}

/// Answers, and drops what the endpoint drops.
///
/// Cancel safety: see above; where nothing was sent yet, it ends.
pub(super) async fn answer(asked: Asked, line: &mut Line) -> Result<Response, Refusal> {
    let (running, presence) = (asked.running.clone(), Rc::new(Presence::default()));
    let mut waiting = Waiting {
        running: running.clone(),
        endpoint: (asked.index, asked.name()),
        presence: presence.clone(),
        made: Some(task::spawn_local(make(Asked {
            presence: Some(presence),
            ..asked
        }))),
    };
    let Some(made) = waiting.made.as_mut() else {
        return Err(Refusal::Bug);
    };
    let made = made.await;
    waiting.made = None;
    let made = made.map_err(|_| {
        running.hall.metrics.panics.inc();
        Refusal::Bug
    })?;
    line.outcome_report(made.report);
    made.response
}

async fn make(mut asked: Asked) -> Made {
    let inputs = std::mem::take(&mut asked.inputs);
    let Some(recipe) = asked.recipe() else {
        return Made {
            response: Err(Refusal::Bug),
            report: Report::default(),
        };
    };
    let mut outcome = asked.run(recipe, inputs).await;
    let report = Report::of(&outcome, &asked.running);
    let tags = std::mem::replace(&mut outcome.tags, Ok(Tags::default()));
    let response = respond::response(outcome, recipe).map_err(Refusal::Failed);
    if response.as_ref().is_ok_and(|it| it.status().is_success()) {
        match tags {
            Ok(tags) => asked.running.hall.drop_all(&tags.dropped).await,
            Err(failure) => log::untagged(&asked.name(), &asked.trace, &failure),
        }
    }
    Made { response, report }
}
