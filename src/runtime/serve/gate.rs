//! May this client ask at all: networks, conditions over the request, and how often. Whoever is turned away is written down.

use futures::future::OptionFuture;
use http::request::Parts;

use super::input::{self, Around};
use super::problem::Refusal;
use crate::plan::{Endpoint, LimitIndex};
use crate::runtime::auth::{Audited, Identity, turned_away};
use crate::runtime::rate::{self, Said};
use crate::runtime::snapshot::Running;

/// A request that limits count.
#[derive(Clone, Copy)]
pub(super) struct Asking<'r> {
    parts: &'r Parts,
    around: Around<'r>,
    endpoint: Option<&'r Endpoint>,
    identity: Option<&'r Identity>,
}

impl<'r> Asking<'r> {
    /// Of which it is not known who asks, and maybe not what for.
    pub(super) fn new(parts: &'r Parts, around: Around<'r>, endpoint: Option<&'r Endpoint>) -> Self {
        Self {
            parts,
            around,
            endpoint,
            identity: None,
        }
    }

    /// Now it is known who asks.
    pub(super) fn by(self, identity: Option<&'r Identity>) -> Self {
        Self { identity, ..self }
    }
}

/// Refuses clients that may not ask. A condition that cannot be computed counts as one that holds.
pub(super) fn access(running: &Running, parts: &Parts, around: Around<'_>) -> Result<(), Refusal> {
    let access = &running.snapshot.plan.access;
    let refuses = |it: &_| input::holds(it, parts, around).unwrap_or(true);
    let reason = if access.deny.contains(around.remote_ip) {
        "access_deny"
    } else if access.allow.as_ref().is_some_and(|it| !it.contains(around.remote_ip)) {
        "access_allow"
    } else if access.refuse.iter().any(|(it, _)| refuses(it)) {
        "access_refuse"
    } else {
        return Ok(());
    };
    turned_away(running, about(None, around), None, reason);
    Err(Refusal::Denied(reason))
}

/// Counts a request for limits, where there are any. Boxed, as that is rare: the future of a request is copied.
pub(super) fn limited<'r>(
    running: &'r Running,
    limits: &'r [LimitIndex],
    asking: Asking<'r>,
    said: &'r mut Option<Box<Said>>,
) -> OptionFuture<impl Future<Output = Result<(), Refusal>>> {
    (!limits.is_empty())
        .then(|| Box::pin(admitted(running, limits, asking, said)))
        .into()
}

async fn admitted(
    running: &Running,
    limits: &[LimitIndex],
    asking: Asking<'_>,
    said: &mut Option<Box<Said>>,
) -> Result<(), Refusal> {
    let admitted = rate::admit(running, limits, asking.parts, asking.around, said).await;
    admitted.inspect_err(|refusal| {
        let about = about(asking.endpoint, asking.around);
        turned_away(running, about, asking.identity, refusal.kind());
    })
}

fn about<'r>(endpoint: Option<&'r Endpoint>, around: Around<'r>) -> Audited<'r> {
    Audited {
        request_id: around.id,
        endpoint: endpoint.map_or("none", |it| &it.name),
        remote_ip: around.remote_ip,
    }
}
