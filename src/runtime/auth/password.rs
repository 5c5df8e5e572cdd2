//! Names and passwords. To check one takes milliseconds, so that it is done beside the threads that serve, by as many at once
//! as there are cores, and remembered for a minute.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{LookUp, Question, State, digest, now};
use crate::auth::basic::{self, Users};
use crate::auth::{Claims, Why};
use crate::codec::json;

/// How long a password is known to be right, seconds.
const REMEMBERED: i64 = 60;

/// How many are checked at once.
#[derive(Debug)]
pub(super) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(n_cores)))
    }
}

/// The claims of a user: their name.
pub(super) async fn check(
    question: Question<'_>,
    state: &Arc<State>,
    users: &Arc<Users>,
    credential: &str,
) -> Result<Claims, Why> {
    let (name, password) = basic::parse(credential)?;
    let key = digest(credential);
    let leader = match state.look_up(key, question.deadline).await? {
        LookUp::Known(known) => return known.outcome.clone(),
        LookUp::Errand(leader) => leader,
    };
    let place = state.passwords.0.clone().acquire_owned();
    let Ok(Ok(place)) = tokio::time::timeout_at(question.deadline.instant(), place).await else {
        leader.alone();
        return Err(Why::Unreachable);
    };
    let (users, who) = (users.clone(), name.clone());
    let checking = tokio::task::spawn_blocking(move || {
        let checked = users.check(&who, &password);
        drop(place);
        checked
    });
    let outcome = checking.await.unwrap_or(Err(Why::Unreachable)).and_then(|()| {
        let mut text = Vec::from(*b"{\"sub\":");
        json::write_string(&name, &mut text);
        text.push(b'}');
        Claims::read(text.into())
    });
    let is_right = outcome.is_ok();
    let known = state.found(outcome, now() + REMEMBERED, 0);
    // A wrong one is not kept: memory is for those who come again.
    if is_right {
        state.known.insert(key, known.clone());
    }
    leader.share(known.clone());
    known.outcome.clone()
}
