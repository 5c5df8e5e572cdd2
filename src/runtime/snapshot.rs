//! One immutable running state: a plan with what serves it.
//!
//! A [`Snapshot`] is shared by all workers and never changes; a reload makes another one. [`Hall`] is what the process keeps
//! across reloads; [`Running`] is one worker's view: a snapshot with that worker's own connections.
//! Invariant: a request takes one `Running` and keeps it to its end.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::auth::Providers;
use super::auth::revocations::{Change, Revocations};
use super::backend::{Backends, Guards, code};
use super::cache::{Cache, Remote, Tag, remote};
use super::execute::{CallReport, Detached, ReplySource};
use super::rate;
use super::rate::store::{Hashed, Store};
use super::redis::{Link, Purpose, Shared};
use super::select::Selections;
use super::watch::Watch;
use crate::plan::{EndpointIndex, Plan, Redis};
use crate::telemetry::{CallLabels, Meter, Metrics};
use crate::tls::Server;

/// What is served, until the next reload.
#[derive(Debug)]
pub struct Snapshot {
    /// The plan.
    pub plan: Plan,
    /// Counts up with each reload.
    pub generation: u64,
    /// What gateways have in common that share answers.
    pub realm: [u8; 32],
    /// What all workers know of the backends.
    pub guards: Guards,
    /// What all workers know of those who say who clients are.
    pub auth: Providers,
}

/// What outlives reloads.
#[derive(Debug)]
pub struct Hall {
    /// Stored replies and responses.
    pub cache: Cache,
    /// How often clients have asked.
    pub counts: Store,
    /// Who counts for all gateways; `None` where this one is alone.
    pub redis: Option<Shared>,
    /// What all gateways keep; `None` where this one is alone.
    pub remote: Option<Remote>,
    /// What happened so far.
    pub metrics: Metrics,
    /// Unsafe calls that outlive their requests.
    pub detached: Detached,
    /// Who is no longer accepted since somebody said so.
    pub revocations: Revocations,
    in_flight: AtomicUsize,
}

/// One worker's view.
#[derive(Debug)]
pub struct Running {
    /// What is served.
    pub snapshot: Arc<Snapshot>,
    /// This worker's connections.
    pub backends: Backends,
    /// What outlives reloads.
    pub hall: Arc<Hall>,
    /// This worker's connection to who counts.
    pub link: Link,
    /// This worker's connection to what all gateways keep.
    pub far: Link,
    /// What tells the counters of limits apart, by limit.
    pub limits: Vec<Hashed>,
    /// What clients chose of responses.
    pub selections: Selections,
    /// Somebody wants to see what the calls do.
    pub watch: Option<Rc<Watch>>,
    /// By endpoint; the last counts what no endpoint answers.
    pub(crate) meters: Vec<Meter>,
}

/// Counts one request as long as it lives.
#[derive(Debug)]
pub struct InFlight(Arc<Hall>);

impl Snapshot {
    /// A plan that takes over what `previous` knows of backends whose settings did not change.
    pub fn new(mut plan: Plan, previous: Option<&Self>) -> Self {
        // The keys of tickets stay: who has a session of an unchanged listener can go on with it.
        if let Some(previous) = previous.map(|it| &it.plan.settings) {
            keep(&mut plan.settings.tls, previous.tls.as_ref());
            keep(&mut plan.settings.admin_tls, previous.admin_tls.as_ref());
        }
        Self {
            auth: Providers::build(&plan, previous.map(|it| (&it.plan, &it.auth))),
            guards: Guards::build(&plan.backends, previous.map(|it| &it.guards)),
            generation: previous.map_or(0, |it| it.generation + 1),
            realm: remote::realm(&plan),
            plan,
        }
    }
}

/// Goes on with what there is, where it is the same.
fn keep(fresh: &mut Option<Server>, known: Option<&Server>) {
    if fresh.as_ref() == known {
        *fresh = known.cloned();
    }
}

impl Hall {
    /// A hall with an empty cache of `cache_memory` bytes, alone or beside others.
    pub fn new(cache_memory: u64, redis: Option<&Redis>) -> Arc<Self> {
        Arc::new(Self {
            cache: Cache::new(cache_memory),
            counts: Store::default(),
            redis: redis.and_then(|it| Shared::new(it, Purpose::Limits)),
            remote: redis.and_then(Remote::new),
            metrics: Metrics::new(),
            detached: Detached::default(),
            revocations: Revocations::default(),
            in_flight: AtomicUsize::new(0),
        })
    }

    /// Drops what is kept, or under way, with one of these tags: here at once, and elsewhere as soon as Redis is told, which
    /// this waits for a moment.
    ///
    /// Cancel safety: it is dropped all the same.
    pub async fn drop_all(&self, tags: &[Tag]) {
        self.cache.drop_all(tags, self.remote.as_ref());
        self.metrics.dropped.inc_by(tags.len() as u64);
        if let Some(remote) = self.remote.as_ref().filter(|_| !tags.is_empty()) {
            self.cache.told(remote).await;
        }
    }

    /// Refuses clients from now on, or accepts them again; false where others have not heard of it yet, which this waits for
    /// a moment.
    ///
    /// Cancel safety: it holds all the same.
    pub async fn revoke(&self, changes: Vec<Change>) -> bool {
        let Some(remote) = &self.remote else {
            self.revocations.say(changes, false);
            return true;
        };
        let n = self.revocations.say(changes, true);
        remote.ring();
        !remote.is_gone() && self.revocations.are_told(n).await
    }

    /// Lets a request in, unless `max` are being answered. The last tenth of the places is for those that may change
    /// something: to ask again for a page costs its reader a moment, to lose an order costs more.
    pub fn enter(self: &Arc<Self>, max: usize, changes: bool) -> Option<InFlight> {
        let places = if changes { max } else { max - max / 10 };
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let entered = InFlight(self.clone());
        self.metrics.in_flight.inc();
        (before < places).then_some(entered)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

impl Running {
    /// A worker's view of a snapshot. Takes over the connections of `previous` where their settings did not change.
    pub fn new(snapshot: Arc<Snapshot>, hall: Arc<Hall>, previous: Option<&Self>) -> Rc<Self> {
        let backends = Backends::build(
            &snapshot.plan.backends,
            &snapshot.guards,
            previous.map(|it| &it.backends),
        );
        let links = previous.map(|it| (it.link.clone(), it.far.clone()));
        Self::assemble(snapshot, hall, backends, (links.unwrap_or_default(), None))
    }

    /// A worker's view of a snapshot with backends that somebody else made, and may watch.
    pub fn with_backends(
        snapshot: Arc<Snapshot>,
        hall: Arc<Hall>,
        backends: Backends,
        watch: Option<Rc<Watch>>,
    ) -> Rc<Self> {
        Self::assemble(snapshot, hall, backends, (Default::default(), watch))
    }

    fn assemble(
        snapshot: Arc<Snapshot>,
        hall: Arc<Hall>,
        backends: Backends,
        ((link, far), watch): ((Link, Link), Option<Rc<Watch>>),
    ) -> Rc<Self> {
        let meters = (0..=snapshot.plan.endpoints.len()).map(|_| Meter::default());
        Rc::new(Self {
            backends,
            hall,
            link,
            far,
            limits: rate::hashed(&snapshot.plan.rate_limits),
            selections: Selections::default(),
            watch,
            meters: meters.collect(),
            snapshot,
        })
    }

    /// What is counted for an endpoint, or for what none answers.
    pub fn meter(&self, endpoint: Option<EndpointIndex>) -> &Meter {
        let none = self.meters.len() - 1;
        &self.meters[endpoint.map_or(none, |it| it.0.min(none))]
    }

    /// What a call is counted under, but for its endpoint.
    pub fn labels_of(&self, report: &CallReport) -> CallLabels {
        let backend = self.snapshot.plan.backends.get(report.backend.0);
        CallLabels {
            endpoint: Arc::default(),
            call: report.call.clone(),
            backend: backend.map(|it| it.name.clone()).unwrap_or_default(),
            code: code::name(report.code),
            source: match report.source {
                ReplySource::Backend => "backend",
                ReplySource::Cache => "cache",
                ReplySource::Shared => "shared",
                ReplySource::Stale => "stale",
            },
        }
    }

    /// Counts calls that were made for an endpoint by themselves.
    pub fn count_calls(&self, endpoint: EndpointIndex, calls: &[CallReport]) {
        let name = self.snapshot.plan.endpoints.get(endpoint.0).map(|it| it.name.clone());
        for report in calls {
            let labels = CallLabels {
                endpoint: name.clone().unwrap_or_default(),
                ..self.labels_of(report)
            };
            let took = (report.source == ReplySource::Backend).then_some(report.took);
            self.meter(Some(endpoint)).called(&self.hall.metrics, labels, took);
        }
    }
}
