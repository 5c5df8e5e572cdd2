//! `health` and `failover` of backends → the plan's settings, defaults filled in; and what contradicts itself in them.

use std::time::Duration;

use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec;
use crate::language::spec::protection::{Eject, Switch};
use crate::plan::{self, BackendIndex, Protocol};
use crate::schema::suggest;

/// How the targets of a backend are watched.
pub(super) fn of_backend(written: &spec::Backend, protocol: Protocol, diagnostics: &mut Diagnostics) -> plan::Health {
    let ejection = plan::Ejection {
        failures: 5,
        length: Duration::from_secs(10),
    };
    let health = match &written.health {
        None => {
            return plan::Health {
                ejection: Some(ejection),
                check: None,
            };
        }
        Some(Switch::Off) => return plan::Health::default(),
        Some(Switch::On(health)) => health,
    };
    let check = health.interval.as_ref().map(|interval| {
        let timeout = health.timeout.as_ref();
        if let Some(timeout) = timeout.filter(|it| it.value > interval.value) {
            let title = "a target would be asked again before it has answered";
            let diagnostic = Diagnostic::new("contradiction", timeout.span, title);
            diagnostics.push(
                diagnostic
                    .label("at most the interval")
                    .other(interval.span, "the interval"),
            );
        }
        plan::HealthCheck {
            interval: interval.value,
            timeout: timeout.map_or(Duration::from_secs(1).min(interval.value), |it| it.value),
            path: health.path.as_ref().map_or_else(|| "/".into(), |it| it.value.clone()),
            watch: health.watch.as_ref().is_some_and(|it| it.value),
        }
    });
    if let (Some(path), Protocol::Grpc) = (&health.path, protocol) {
        let title = "`path` belongs to HTTP backends";
        let diagnostic = Diagnostic::new("misplaced-key", path.span, title);
        diagnostics.push(diagnostic.label("gRPC targets are asked by grpc.health.v1"));
    }
    if let (Some(watch), Protocol::Http) = (&health.watch, protocol) {
        let title = "`watch` belongs to gRPC backends";
        let diagnostic = Diagnostic::new("misplaced-key", watch.span, title);
        diagnostics.push(diagnostic.label("HTTP targets are asked for their `path`"));
    }
    let lacking = [
        ("watch", health.watch.as_ref().map(|it| it.span)),
        ("path", health.path.as_ref().map(|it| it.span)),
        ("timeout", health.timeout.as_ref().map(|it| it.span)),
    ];
    for (key, span) in lacking {
        if let Some(span) = span.filter(|_| check.is_none()) {
            let title = format!("`{key}` says nothing where no target is asked");
            let diagnostic = Diagnostic::new("missing-key", span, title);
            diagnostics.push(diagnostic.label("say how often, with `interval`").help("interval: 5s"));
        }
    }
    plan::Health {
        ejection: match &health.eject {
            None => Some(ejection),
            Some(Switch::Off) => None,
            Some(Switch::On(Eject { failures, length })) => Some(plan::Ejection {
                failures: failures
                    .as_ref()
                    .map_or(ejection.failures, |it| u32::try_from(it.value).unwrap_or(u32::MAX)),
                length: length.as_ref().map_or(ejection.length, |it| it.value),
            }),
        },
        check,
    }
}

/// `failover:` names another backend that speaks the same, and never leads back.
pub(super) fn check_failover(gateway: &spec::Gateway, backends: &mut [plan::Backend], diagnostics: &mut Diagnostics) {
    for (at, written) in gateway.backends.iter().enumerate() {
        let Some(name) = &written.failover else { continue };
        let wrong = |code, title: String, label: String| Diagnostic::new(code, name.span, title).label(label);
        let Some(other) = gateway.backends.iter().position(|it| it.name.value == name.value) else {
            let names = gateway.backends.iter().map(|it| &*it.name.value);
            let label = suggest::did_you_mean(&name.value, names);
            let title = format!("there is no backend `{}`", name.value);
            diagnostics.push(wrong("unknown-backend", title, label));
            continue;
        };
        if gateway.backends.get(other).is_some_and(|it| !it.split.is_empty()) {
            let title = format!("`{}` has no targets of its own", name.value);
            let label = "it is split: name one of its parts".to_owned();
            diagnostics.push(wrong("wrong-backend", title, label));
            continue;
        }
        let protocol = |at: usize| backends.get(at).map(|it| it.protocol);
        if protocol(other) != protocol(at) {
            let title = format!("`{}` speaks another protocol", name.value);
            let label = "who stands in must understand the same requests".to_owned();
            diagnostics.push(wrong("wrong-backend", title, label));
            continue;
        }
        if !backends
            .get(at)
            .is_some_and(|it| it.health.ejection.is_some() || it.health.check.is_some())
        {
            let title = "nobody would ever stand in: targets are not watched".to_owned();
            let label = "`health: false` stands beside it".to_owned();
            diagnostics.push(wrong("contradiction", title, label));
        }
        let mut next = Some(other);
        let mut left = backends.len();
        while let Some(here) = next.filter(|here| *here != at && left > 0) {
            left -= 1;
            next = backends.get(here).and_then(|it| it.failover).map(|it| it.0);
        }
        if next == Some(at) {
            let title = format!("`{}` and `{}` stand in for each other", written.name.value, name.value);
            let label = "the last of them has none".to_owned();
            diagnostics.push(wrong("cycle", title, label));
        } else if let Some(backend) = backends.get_mut(at) {
            backend.failover = Some(BackendIndex(other));
        }
    }
}
