//! May this client ask at all: networks, and conditions over the request. Before anything is done for it.

use http::request::Parts;

use super::input::{self, Around};
use super::problem::Refusal;
use crate::plan::NetworkAccess;

/// Refuses clients that may not ask. A condition that cannot be computed counts as one that holds.
pub(super) fn access(access: &NetworkAccess, parts: &Parts, around: Around<'_>) -> Result<(), Refusal> {
    if access.deny.contains(around.remote_ip) {
        return Err(Refusal::Denied("access_deny"));
    }
    if access.allow.as_ref().is_some_and(|it| !it.contains(around.remote_ip)) {
        return Err(Refusal::Denied("access_allow"));
    }
    let refuses = |it: &_| input::holds(it, parts, around).unwrap_or(true);
    if access.refuse.iter().any(|(it, _)| refuses(it)) {
        return Err(Refusal::Denied("access_refuse"));
    }
    Ok(())
}
