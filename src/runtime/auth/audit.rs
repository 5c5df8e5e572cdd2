//! Who asked for what, and whether they were let in: events of their own, under the target [`AUDIT`].
//!
//! A subject stands in them, and nothing else of what is known of a client; no credential ever.

use super::{Denied, Identity};
use crate::plan::{AuditLog, Plan};
use crate::runtime::snapshot::Running;
use crate::telemetry::{AUDIT, AuthLabels};

/// The longest subject that is written, in characters.
const MAX_SUBJECT: usize = 128;

/// What is written about: the request and the endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Audited<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// The name of the endpoint.
    pub endpoint: &'a str,
    /// The address of the client.
    pub remote_ip: std::net::IpAddr,
}

/// Writes down how it went, and counts refusals.
pub fn audit(running: &Running, about: Audited<'_>, outcome: Result<Option<&Identity>, &Denied>) {
    let plan = &running.snapshot.plan;
    let Audited {
        request_id,
        endpoint,
        remote_ip,
    } = about;
    let log = plan.settings.audit_log;
    match outcome {
        Ok(identity) => {
            if log == AuditLog::All && tracing::enabled!(target: AUDIT, tracing::Level::INFO) {
                let (provider, subject) = who(plan, identity);
                tracing::info!(target: AUDIT, request_id, endpoint, provider, subject, %remote_ip, outcome = "allowed", "access");
            }
        }
        Err(denied) => {
            let reason = denied.reason.name();
            let provider = denied.provider.clone().unwrap_or_else(|| "none".into());
            let labels = AuthLabels {
                provider: provider.clone(),
                result: reason,
            };
            running.hall.metrics.auth_refused.get_or_create(&labels).inc();
            if log != AuditLog::None {
                let (_, subject) = who(plan, denied.identity.as_ref());
                tracing::info!(target: AUDIT, request_id, endpoint, provider = &*provider, subject, %remote_ip, outcome = "refused", reason, "access");
            }
        }
    }
}

/// Writes down that somebody may not ask from there, like that, or so often, known or not. They are counted as failures.
pub fn turned_away(running: &Running, about: Audited<'_>, identity: Option<&Identity>, reason: &str) {
    let plan = &running.snapshot.plan;
    if plan.settings.audit_log == AuditLog::None {
        return;
    }
    let Audited {
        request_id,
        endpoint,
        remote_ip,
    } = about;
    let (provider, subject) = who(plan, identity);
    tracing::info!(target: AUDIT, request_id, endpoint, provider, subject, %remote_ip, outcome = "refused", reason, "access");
}

fn who<'p>(plan: &'p Plan, identity: Option<&Identity>) -> (&'p str, String) {
    let Some(identity) = identity else {
        return ("none", String::new());
    };
    let provider = plan.auth.get(identity.provider.0).map_or("none", |it| &*it.name);
    let subject = identity.claims.string("sub").unwrap_or_default();
    (provider, subject.chars().take(MAX_SUBJECT).collect())
}
