//! One line for each request, and its metrics. Only names and numbers: no value of an input or reply.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use super::problem::{Refusal, failure_kind};
use super::trace::Trace;
use crate::plan::{AccessLog, EndpointIndex, Recipe};
use crate::runtime::backend::{Failure, code};
use crate::runtime::execute::Outcome;
use crate::runtime::snapshot::Running;
use crate::telemetry::{CacheLabels, CallLabels, DegradedLabels, FailureLabels, RequestLabels};
use crate::time::Instant;
use crate::tls::Failed;

/// The line of one request. Where it is dropped before its end, the client has left: status 499.
#[derive(Debug)]
pub struct Line {
    running: Rc<Running>,
    method: http::Method,
    trace: Rc<Trace>,
    remote_ip: IpAddr,
    started: Instant,
    endpoint: Option<EndpointIndex>,
    cache: Option<&'static str>,
    report: Report,
    failure: Option<Failing>,
    ended: bool,
}

/// Why there is no response: the kind of failure, the call, and all that is known of it.
type Failing = (&'static str, Option<Arc<str>>, Option<Failure>);

/// What the calls of a request did.
#[derive(Debug, Default)]
pub struct Report {
    n_calls: usize,
    calls: Vec<(CallLabels, Duration)>,
    degraded: Vec<(Arc<str>, Failure)>,
}

impl Report {
    /// What is worth keeping of an outcome.
    pub fn of(outcome: &Outcome, running: &Running) -> Self {
        let calls = outcome.calls.iter().map(|it| (running.labels_of(it), it.took));
        Self {
            n_calls: outcome.calls.len(),
            calls: calls.collect(),
            degraded: outcome
                .degraded
                .iter()
                .map(|it| (it.call.clone(), it.failure.clone()))
                .collect(),
        }
    }
}

impl Report {
    /// Of a request that was handed over.
    pub fn passed(backend: Arc<str>, code: tonic::Code, took: Duration) -> Self {
        let labels = CallLabels {
            endpoint: Arc::default(),
            call: "proxy".into(),
            backend,
            code: code::name(code),
            source: "backend",
        };
        Self {
            n_calls: 1,
            calls: vec![(labels, took)],
            degraded: Vec::new(),
        }
    }

    /// Counts the calls, once.
    pub fn count(&mut self, endpoint: &Arc<str>, running: &Running, index: Option<EndpointIndex>) {
        let (meter, metrics) = (running.meter(index), &running.hall.metrics);
        for (mut labels, took) in std::mem::take(&mut self.calls) {
            labels.endpoint = endpoint.clone();
            let by_backend = labels.source == "backend";
            meter.called(metrics, labels, by_backend.then_some(took));
        }
    }
}

/// Says that the tags of an answer are not known: it is not kept, or drops nothing.
pub fn untagged(endpoint: &str, trace: &Trace, failure: &Failure) {
    let (origin, cause) = (origin(failure), cause(failure));
    tracing::error!(
        request_id = trace.request_id(),
        endpoint,
        origin,
        cause,
        "the tags of an answer are not known"
    );
}

impl Line {
    /// Begins the line of a request.
    pub fn begin(running: &Rc<Running>, parts: &Parts, trace: &Rc<Trace>, remote_ip: IpAddr) -> Self {
        Self {
            running: running.clone(),
            method: parts.method.clone(),
            trace: trace.clone(),
            remote_ip,
            started: Instant::now(),
            endpoint: None,
            cache: None,
            report: Report::default(),
            failure: None,
            ended: false,
        }
    }

    /// The address of the client.
    pub fn remote_ip(&self) -> IpAddr {
        self.remote_ip
    }

    /// The endpoint that answers.
    pub fn endpoint(&mut self, index: EndpointIndex) {
        self.endpoint = Some(index);
    }

    /// The recipe of that endpoint.
    pub fn recipe<'r>(&self, running: &'r Running) -> Option<&'r Recipe> {
        running.snapshot.plan.recipe(self.endpoint?)
    }

    /// How the cache answered.
    pub fn cache(&mut self, result: &'static str) {
        self.cache = Some(result);
    }

    /// What the calls did.
    pub fn outcome(&mut self, outcome: &Outcome) {
        self.report = Report::of(outcome, &self.running);
    }

    /// What the calls did, where somebody else has the outcome.
    pub fn outcome_report(&mut self, report: Report) {
        self.report = report;
    }

    /// Why there is no response.
    pub fn refused(&mut self, refusal: &Refusal) {
        let (call, failure) = match refusal {
            Refusal::Failed(failed) => (failed.call.clone(), Some(failed.failure.clone())),
            _ => (None, None),
        };
        self.failure = Some((refusal.kind(), call, failure));
    }

    /// Ends the line.
    pub fn end(mut self, status: StatusCode) {
        self.write(status.as_u16());
    }

    fn name(&self) -> Arc<str> {
        let endpoint = self
            .endpoint
            .and_then(|it| self.running.snapshot.plan.endpoints.get(it.0));
        endpoint.map_or_else(|| Arc::from("none"), |it| it.name.clone())
    }

    fn write(&mut self, status: u16) {
        self.ended = true;
        let took = self.started.elapsed();
        let endpoint = self.name();
        self.count(&endpoint, status, took);
        // What the gateway kept back itself is said of the backend, now and then, and counted.
        for (call, failure) in self.report.degraded.iter().filter(|it| !it.1.is_ours()) {
            let (kind, code) = (failure_kind(failure.kind), code::name(failure.code));
            let (origin, cause) = (origin(failure), cause(failure));
            tracing::warn!(request_id = self.trace.request_id(), %endpoint, %call, kind, code, origin, cause, "a call was left out");
        }
        let failure = self.failure.take();
        if let Some((kind, call, Some(failure))) = &failure
            && !failure.is_ours()
        {
            let (code, call) = (code::name(failure.code), call.as_deref().unwrap_or_default());
            let (origin, cause) = (origin(failure), cause(failure));
            tracing::warn!(request_id = self.trace.request_id(), %endpoint, call, kind, code, origin, cause, "a request failed");
        }
        let wanted = match self.running.snapshot.plan.settings.access_log {
            AccessLog::All => true,
            AccessLog::Errors => status >= 400 || !self.report.degraded.is_empty(),
            AccessLog::None => false,
        };
        if !wanted {
            return;
        }
        let degraded: Vec<&str> = self.report.degraded.iter().map(|it| &*it.0).collect();
        tracing::info!(
            request_id = self.trace.request_id(),
            trace_id = self.trace.trace_id,
            remote_ip = %self.remote_ip,
            method = %self.method,
            %endpoint,
            status,
            duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            calls = self.report.n_calls,
            degraded = degraded.join(","),
            cache = self.cache.unwrap_or("none"),
            failure = failure.as_ref().map_or("none", |it| it.0),
            "request"
        );
    }

    fn count(&mut self, endpoint: &Arc<str>, status: u16, took: Duration) {
        let metrics = &self.running.hall.metrics;
        let meter = self.running.meter(self.endpoint);
        let labels = RequestLabels {
            endpoint: endpoint.clone(),
            status,
        };
        meter.answered(metrics, labels, took);
        self.report.count(endpoint, &self.running, self.endpoint);
        for (call, _) in &self.report.degraded {
            let labels = DegradedLabels {
                endpoint: endpoint.clone(),
                call: call.clone(),
            };
            metrics.degraded.get_or_create(&labels).inc();
        }
        if let Some(result) = self.cache {
            metrics
                .cache
                .get_or_create(&CacheLabels {
                    endpoint: endpoint.clone(),
                    result,
                })
                .inc();
        }
        if let Some((kind, ..)) = &self.failure {
            metrics
                .failures
                .get_or_create(&FailureLabels {
                    endpoint: endpoint.clone(),
                    kind,
                })
                .inc();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.ended {
            self.failure = Some(("client_left", None, None));
            self.write(499);
        }
    }
}

/// Why there is no response, for whoever runs the gateway: `reviews: connect: connection refused (page.yaml:7:3)`.
pub fn reason(refusal: &Refusal) -> String {
    let Refusal::Failed(failed) = refusal else {
        return refusal.kind().to_owned();
    };
    let failure = &failed.failure;
    let call = failed.call.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
    let mut text = format!("{call}{}", refusal.kind());
    for part in [cause(failure), failure.message.clone()] {
        if !part.is_empty() {
            text.extend([": ", &part]);
        }
    }
    match origin(failure) {
        origin if origin.is_empty() => text,
        origin => format!("{text} ({origin})"),
    }
}

pub(super) fn origin(failure: &Failure) -> String {
    failure
        .origin
        .as_ref()
        .map(|it| format!("{}:{}:{}", it.file, it.line, it.column))
        .unwrap_or_default()
}

/// What a failure came of, down to the first cause: no connection, and why not.
pub fn cause(failure: &Failure) -> String {
    let mut text = String::new();
    let mut next = failure.source.as_deref().map(|it| it as &dyn Error);
    while let Some(error) = next {
        // Alerts of TLS have words of their own.
        let of_tls = error.downcast_ref::<io::Error>().and_then(Failed::within);
        let said = of_tls.map_or_else(|| error.to_string(), |it| it.to_string());
        if !text.contains(&said) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&said);
        }
        next = error.source();
    }
    text
}
