//! Logs and metrics: every name of an event or metric stands here, once.
//!
//! Metrics count and time; they never carry a value of a request or reply, only names that the configuration knows.

mod labels;

use std::cell::RefCell;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use self::labels::*;

/// The target of events that say who asked for what, and whether they were let in.
pub const AUDIT: &str = "audit";

/// Bounds of the latency histograms, seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// All metrics of a process.
#[derive(Debug)]
#[expect(missing_docs, reason = "each has its help text where it is registered")]
pub struct Metrics {
    registry: Registry,
    pub requests: Family<RequestLabels, Counter>,
    pub request_duration: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    pub in_flight: Gauge,
    pub connections: Gauge,
    pub calls: Family<CallLabels, Counter>,
    pub call_duration: Family<BackendLabels, Histogram, fn() -> Histogram>,
    pub degraded: Family<DegradedLabels, Counter>,
    pub failures: Family<FailureLabels, Counter>,
    pub cache: Family<CacheLabels, Counter>,
    pub refreshes: Family<CacheLabels, Counter>,
    pub unstored: Family<UnstoredLabels, Counter>,
    pub dropped: Counter,
    pub rate_limited: Family<LimitLabels, Counter>,
    pub redis_gone: Family<PurposeLabels, Gauge>,
    pub redis_outages: Family<PurposeLabels, Counter>,
    pub remote_lookups: Family<RemoteLabels, Counter>,
    pub remote_writes: Family<RemoteLabels, Counter>,
    pub reloads: Family<ReloadLabels, Counter>,
    pub reload_pending: Gauge<f64, AtomicU64>,
    pub descriptors: Family<DescriptorLabels, Counter>,
    pub held: Gauge,
    pub panics: Counter,
    pub handshakes: Family<HandshakeLabels, Counter>,
    pub connections_refused: Family<ReasonLabels, Counter>,
    pub certificate_expiry: Family<CertificateLabels, Gauge>,
    pub auth_refused: Family<AuthLabels, Counter>,
    pub auth_keys: Family<AuthLabels, Counter>,
    pub nonces: Family<NonceLabels, Counter>,
    pub tokens: Family<TokenLabels, Counter>,
    pub token_expiry: Family<BackendLabels, Gauge>,
    pub retries: Family<BackendLabels, Counter>,
    pub hedges: Family<HedgeLabels, Counter>,
    pub over_budget: Family<BackendLabels, Counter>,
    pub refused: Family<RefusedLabels, Counter>,
    pub moves: Family<BackendLabels, Counter>,
    pub failovers: Family<BackendLabels, Counter>,
    pub split: Family<SplitLabels, Counter>,
    pub mirrored: Family<MirrorLabels, Counter>,
    pub differences: Family<DifferenceLabels, Counter>,
    pub target_fit: Family<TargetLabels, Gauge>,
    pub target_active: Family<TargetLabels, Gauge>,
    pub resolutions: Family<SourceLabels, Counter>,
    pub source_failing: Family<WhichSourceLabels, Gauge>,
    pub places: Family<PlaceLabels, Gauge>,
    pub breaker_state: Family<MethodLabels, Gauge>,
    pub breaker_opened: Family<MethodLabels, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Fresh metrics, all at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("weft");
        let metrics = Self {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            calls: Family::default(),
            call_duration: Family::new_with_constructor(histogram),
            degraded: Family::default(),
            failures: Family::default(),
            cache: Family::default(),
            refreshes: Family::default(),
            unstored: Family::default(),
            dropped: Counter::default(),
            rate_limited: Family::default(),
            redis_gone: Family::default(),
            redis_outages: Family::default(),
            remote_lookups: Family::default(),
            remote_writes: Family::default(),
            reloads: Family::default(),
            reload_pending: Gauge::default(),
            descriptors: Family::default(),
            held: Gauge::default(),
            panics: Counter::default(),
            handshakes: Family::default(),
            connections_refused: Family::default(),
            certificate_expiry: Family::default(),
            auth_refused: Family::default(),
            auth_keys: Family::default(),
            nonces: Family::default(),
            tokens: Family::default(),
            token_expiry: Family::default(),
            retries: Family::default(),
            hedges: Family::default(),
            over_budget: Family::default(),
            refused: Family::default(),
            moves: Family::default(),
            failovers: Family::default(),
            split: Family::default(),
            mirrored: Family::default(),
            differences: Family::default(),
            target_fit: Family::default(),
            target_active: Family::default(),
            resolutions: Family::default(),
            source_failing: Family::default(),
            places: Family::default(),
            breaker_state: Family::default(),
            breaker_opened: Family::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered", metrics.requests.clone());
        let duration = metrics.request_duration.clone();
        registry.register_with_unit(
            "request_duration",
            "Time to the whole response",
            Unit::Seconds,
            duration,
        );
        registry.register(
            "requests_in_flight",
            "Requests being answered",
            metrics.in_flight.clone(),
        );
        registry.register("connections", "Open client connections", metrics.connections.clone());
        registry.register("calls", "Calls to backends", metrics.calls.clone());
        let duration = metrics.call_duration.clone();
        registry.register_with_unit("call_duration", "Time to the whole reply", Unit::Seconds, duration);
        registry.register(
            "degraded",
            "Responses without an optional call",
            metrics.degraded.clone(),
        );
        registry.register(
            "failures",
            "Requests that failed, by the kind of failure",
            metrics.failures.clone(),
        );
        registry.register("cache", "Look-ups of endpoints that cache", metrics.cache.clone());
        registry.register(
            "cache_refreshes",
            "Stale answers that were made again beside the request that got them",
            metrics.refreshes.clone(),
        );
        registry.register(
            "cache_unstored",
            "Answers of endpoints that cache that were not kept, and why",
            metrics.unstored.clone(),
        );
        registry.register("cache_tags_dropped", "Tags that were dropped", metrics.dropped.clone());
        metrics.register_of_descriptors(&mut registry);
        registry.register("panics", "Requests that ended in a panic", metrics.panics.clone());
        metrics.register_of_connections(&mut registry);
        metrics.register_of_auth(&mut registry);
        metrics.register_of_backends(&mut registry);
        metrics.register_of_limits(&mut registry);
        Self { registry, ..metrics }
    }

    fn register_of_descriptors(&self, registry: &mut Registry) {
        registry.register("reloads", "Reloads", self.reloads.clone());
        registry.register(
            "reload_refused",
            "1 while the files on disk are refused and an older snapshot serves",
            self.reload_pending.clone(),
        );
        registry.register(
            "descriptor_questions",
            "How often backends with reflection were asked again what they serve, and what came of it",
            self.descriptors.clone(),
        );
        registry.register(
            "compositions_held",
            "Compositions that the newest descriptors break, and that are on those before",
            self.held.clone(),
        );
    }

    fn register_of_connections(&self, registry: &mut Registry) {
        registry.register(
            "tls_handshakes",
            "TLS handshakes of clients that went well",
            self.handshakes.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections of clients that ended before their first request, and why",
            self.connections_refused.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificates in use expire, since 1970",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
    }

    fn register_of_auth(&self, registry: &mut Registry) {
        registry.register(
            "auth_refused",
            "Requests of those who may not ask, by the reason",
            self.auth_refused.clone(),
        );
        registry.register(
            "auth_keys",
            "Keys of issuers that were fetched, or not",
            self.auth_keys.clone(),
        );
        registry.register(
            "nonces",
            "Nonces of signatures, by whether they came for the first time and who knows",
            self.nonces.clone(),
        );
    }

    fn register_of_limits(&self, registry: &mut Registry) {
        registry.register(
            "rate_limited",
            "Requests that a limit counted, admitted or refused",
            self.rate_limited.clone(),
        );
        let gone = self.redis_gone.clone();
        registry.register(
            "redis_gone",
            "1 while Redis does not answer, and nothing is shared",
            gone,
        );
        registry.register(
            "redis_outages",
            "How often Redis began not to answer",
            self.redis_outages.clone(),
        );
        registry.register(
            "shared_cache",
            "Look-ups in Redis of what was not in memory",
            self.remote_lookups.clone(),
        );
        registry.register(
            "shared_cache_writes",
            "What was made here and was to be kept in Redis",
            self.remote_writes.clone(),
        );
    }

    /// Those whose numbers are kept elsewhere and copied when they are read.
    fn register_of_backends(&self, registry: &mut Registry) {
        registry.register(
            "tokens",
            "Tokens of backends, by what became of them",
            self.tokens.clone(),
        );
        registry.register_with_unit(
            "token_expiry_timestamp",
            "When the tokens of backends end, since 1970",
            Unit::Seconds,
            self.token_expiry.clone(),
        );
        registry.register("retries", "Attempts after a failed one", self.retries.clone());
        registry.register("hedges", "Second attempts beside a slow one", self.hedges.clone());
        registry.register(
            "over_budget",
            "Retries and hedges that the budget did not pay for",
            self.over_budget.clone(),
        );
        registry.register("refused", "Calls that were not sent", self.refused.clone());
        registry.register(
            "moves",
            "Requests that never arrived and went to another target",
            self.moves.clone(),
        );
        registry.register(
            "failovers",
            "Calls that another backend was asked in place of one without fit targets",
            self.failovers.clone(),
        );
        registry.register(
            "split_requests",
            "Requests by the part of a split backend that they went to",
            self.split.clone(),
        );
        registry.register(
            "mirror_calls",
            "Copies of calls by what came of them: same, different, failed, left_out (no place, or no whole body), unread (no real answer)",
            self.mirrored.clone(),
        );
        registry.register(
            "mirror_differences",
            "Copies of calls that were answered otherwise, by the path of the difference",
            self.differences.clone(),
        );
        registry.register("target_fit", "1 while a target is in service", self.target_fit.clone());
        registry.register(
            "target_active",
            "Calls under way at a target",
            self.target_active.clone(),
        );
        registry.register(
            "resolutions",
            "How often somebody was asked where a backend is",
            self.resolutions.clone(),
        );
        registry.register(
            "source_failing",
            "1 while somebody does not say where a backend is, and its last good list stands",
            self.source_failing.clone(),
        );
        registry.register("places", "Places for calls at once", self.places.clone());
        registry.register(
            "breaker_state",
            "0 closed, 1 half open, 2 open",
            self.breaker_state.clone(),
        );
        registry.register(
            "breaker_opened",
            "How often a breaker opened",
            self.breaker_opened.clone(),
        );
    }

    /// A request goes to a part of a backend that is split.
    pub fn went(&self, backend: &Arc<str>, to: &Arc<str>) {
        let labels = SplitLabels {
            backend: backend.clone(),
            to: to.clone(),
        };
        self.split.get_or_create(&labels).inc();
    }

    /// Counts an answer that was made again.
    pub fn refreshed(&self, endpoint: &Arc<str>, result: &'static str) {
        let endpoint = endpoint.clone();
        self.refreshes.get_or_create(&CacheLabels { endpoint, result }).inc();
    }

    /// Counts an answer that was not kept.
    pub fn unstored(&self, endpoint: &Arc<str>, reason: &'static str) {
        let endpoint = endpoint.clone();
        self.unstored.get_or_create(&UnstoredLabels { endpoint, reason }).inc();
    }

    /// Counts a request for a limit.
    pub fn rate_limited(&self, labels: &LimitLabels) {
        self.rate_limited.get_or_create_owned(labels).inc();
    }

    /// Counts a look-up of what all gateways keep.
    pub fn looked_up_remotely(&self, labels: &RemoteLabels) {
        self.remote_lookups.get_or_create_owned(labels).inc();
    }

    /// Counts something that was to be kept for all gateways.
    pub fn kept_remotely(&self, labels: &RemoteLabels) {
        self.remote_writes.get_or_create_owned(labels).inc();
    }

    /// The OpenMetrics text of all metrics.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        if prometheus_client::encoding::text::encode(&mut out, &self.registry).is_err() {
            out.clear();
        }
        out
    }
}

/// What one worker counts for one endpoint with every request: each metric is looked up in its family once, so that
/// counting takes neither hash nor shared lock.
#[derive(Debug, Default)]
pub struct Meter {
    requests: Known<RequestLabels, Counter>,
    request_duration: Known<EndpointLabels, Histogram>,
    calls: Known<CallLabels, Counter>,
    call_duration: Known<BackendLabels, Histogram>,
}

/// The few metrics of a family that were asked for.
#[derive(Debug)]
struct Known<S, M>(RefCell<Vec<(S, M)>>);

impl Meter {
    /// Counts a request that was answered.
    pub fn answered(&self, metrics: &Metrics, labels: RequestLabels, took: Duration) {
        let endpoint = labels.endpoint.clone();
        let duration = self
            .request_duration
            .get(&metrics.request_duration, EndpointLabels { endpoint });
        duration.observe(took.as_secs_f64());
        self.requests.get(&metrics.requests, labels).inc();
    }

    /// Counts a call, and times it where `took` says how long its backend needed.
    pub fn called(&self, metrics: &Metrics, labels: CallLabels, took: Option<Duration>) {
        if let Some(took) = took {
            let backend = labels.backend.clone();
            let duration = self
                .call_duration
                .get(&metrics.call_duration, BackendLabels { backend });
            duration.observe(took.as_secs_f64());
        }
        self.calls.get(&metrics.calls, labels).inc();
    }
}

impl<S, M> Default for Known<S, M> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<S: Clone + Eq + Hash, M: Clone> Known<S, M> {
    fn get<C: MetricConstructor<M>>(&self, family: &Family<S, M, C>, labels: S) -> M {
        let mut known = self.0.borrow_mut();
        if let Some((_, metric)) = known.iter().find(|(it, _)| *it == labels) {
            return metric.clone();
        }
        let metric = family.get_or_create_owned(&labels);
        known.push((labels, metric.clone()));
        metric
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the process's log up, on standard error: JSON lines or text. `level` is a level or a filter of tracing-subscriber;
/// what is written about who asked, under the target [`AUDIT`], has a switch of its own and does not depend on it.
/// A second call changes nothing.
pub fn log_to_stderr(json: bool, level: &str) {
    // What watches files says of each change near them that there was one: where the log is near, one for each line of it.
    let filter = EnvFilter::try_new(format!("notify=info,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let all_but_audit = filter_fn(|about| about.target() != AUDIT).and(filter);
    let audit = filter_fn(|about| about.target() == AUDIT);
    // Of those that are about who asked, that is said.
    let lines = |with_target: bool| -> Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync> {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(with_target);
        if json {
            lines.json().flatten_event(true).boxed()
        } else {
            lines.with_ansi(false).boxed()
        }
    };
    let layers = vec![
        lines(false).with_filter(all_but_audit).boxed(),
        lines(true).with_filter(audit).boxed(),
    ];
    drop(tracing_subscriber::registry().with(layers).try_init());
}
