//! Which certificates are in use, told to the log and the metrics.

use std::sync::Arc;

use crate::plan::Plan;
use crate::telemetry::{CertificateLabels, Metrics};
use crate::tls::{Identity, Server};

/// Tells of the certificates of a plan that begins to serve; in the log, of those that `before` did not have.
pub(super) fn publish(plan: &Plan, before: Option<&Plan>, metrics: &Metrics) {
    metrics.certificate_expiry.clear();
    let known: Vec<&Identity> = before.into_iter().flat_map(all).map(|it| it.1).collect();
    for (shown_to, identity) in all(plan) {
        let (file, certificate) = (identity.file.clone(), &identity.certificate);
        if !known.iter().any(|it| it.certificate == *certificate) {
            let names = certificate.dns_names.join(" ");
            let (shown_to, fingerprint) = (&*shown_to, &*certificate.fingerprint);
            tracing::info!(shown_to, %file, names, fingerprint, "certificate in use");
        }
        let labels = CertificateLabels { shown_to, file };
        metrics
            .certificate_expiry
            .get_or_create(&labels)
            .set(certificate.not_after);
    }
}

/// What is shown, and to whom: `clients`, `admin`, `redis`, or the name of a backend.
fn all(plan: &Plan) -> impl Iterator<Item = (Arc<str>, &Identity)> {
    let listeners = [("clients", &plan.settings.tls), ("admin", &plan.settings.admin_tls)];
    let to_clients = listeners.into_iter().flat_map(|(name, tls)| {
        let identities = tls.iter().flat_map(Server::identities);
        identities.map(move |it| (Arc::from(name), it))
    });
    let to_backends = plan.backends.iter();
    let to_backends = to_backends.filter_map(|it| Some((it.name.clone(), it.tls.as_ref()?.identity()?)));
    let redis = plan.settings.redis.as_ref().and_then(|it| it.tls.as_ref()?.identity());
    let to_redis = redis.map(|it| (Arc::from("redis"), it));
    to_clients.chain(to_backends).chain(to_redis)
}
