//! `backends:` → [`plan::Backend`]: targets, headers and limits.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::BackendSchema;
use super::health;
use super::protection;
use super::settings::split_authority;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{self, Name};
use crate::plan::{self, Protocol, Target};
use crate::tls;

/// Checks every backend, in written order.
pub(super) fn check(
    gateway: &spec::Gateway,
    schemas: &[BackendSchema],
    diagnostics: &mut Diagnostics,
) -> Vec<plan::Backend> {
    let each = gateway.backends.iter().enumerate();
    let mut backends: Vec<_> = each.map(|(at, it)| backend(it, schemas.get(at), diagnostics)).collect();
    health::check_failover(gateway, &mut backends, diagnostics);
    backends
}

fn backend(written: &spec::Backend, schema: Option<&BackendSchema>, diagnostics: &mut Diagnostics) -> plan::Backend {
    let protocol = protocol(written);
    let targets = match protocol {
        Protocol::Grpc => &written.grpc,
        Protocol::Http => &written.http,
    };
    let headers = written.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.value.to_ascii_lowercase().as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(&value.value).ok()?))
    });
    let max_message = written.max_message.as_ref().map_or(4 << 20, |it| it.value);
    plan::Backend {
        name: written.name.value.clone(),
        protocol,
        tls: super::tls::of_backend(written, protocol, diagnostics),
        targets: targets.iter().filter_map(|it| target(it, diagnostics)).collect(),
        headers: headers.collect(),
        timeout: timeout(written),
        protection: protection::of_backend(written, diagnostics),
        balance: written.balance.as_ref().map(|it| it.value).unwrap_or_default(),
        hash: None,
        health: health::of_backend(written, protocol, diagnostics),
        failover: None,
        methods: Vec::new(),
        max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
        schema: match schema {
            Some(BackendSchema::Known(schema)) if protocol == Protocol::Grpc => Some(schema.clone()),
            _ => None,
        },
    }
}

fn protocol(written: &spec::Backend) -> Protocol {
    if written.grpc.is_empty() && !written.http.is_empty() {
        Protocol::Http
    } else {
        Protocol::Grpc
    }
}

/// For one call, where the call does not say.
pub(super) fn timeout(written: &spec::Backend) -> Duration {
    written.timeout.as_ref().map_or(Duration::from_secs(1), |it| it.value)
}

/// How connections to a backend are secured; `None` where they are not, or something is wrong with it.
pub fn client(written: &spec::Backend) -> Option<tls::Client> {
    super::tls::of_backend(written, protocol(written), &mut Diagnostics::default())
}

/// `http://host:port`. The value may come from the environment, so that no message shows it.
pub fn target(written: &Name, diagnostics: &mut Diagnostics) -> Option<Target> {
    let authority = written
        .value
        .strip_prefix("http://")
        .map(|it| it.strip_suffix('/').unwrap_or(it));
    let split = authority.and_then(|it| Some((it, split_authority(it).or_else(|| default_port(it))?)));
    let Some((authority, (host, port))) = split.filter(|(_, (_, port))| *port != 0) else {
        let title = "this is not the address of a backend";
        diagnostics.push(Diagnostic::new("bad-target", written.span, title).label("a target is `http://host:port`"));
        return None;
    };
    // Port 80 is written out too: two spellings of one target are one target.
    let authority = if authority.ends_with(&format!(":{port}")) {
        authority.to_owned()
    } else {
        format!("{authority}:{port}")
    };
    Some(Target {
        authority: authority.into(),
        host: host.into(),
        port,
    })
}

/// A host without a port is at port 80, as URLs have it.
fn default_port(authority: &str) -> Option<(&str, u16)> {
    let plain = !authority.is_empty()
        && authority
            .chars()
            .all(|it| it.is_alphanumeric() || matches!(it, '.' | '-' | '_'));
    plain.then_some((authority, 80))
}

/// The name of a header, whose form was checked when the file was read.
pub(super) fn request_header_name(name: &Name) -> Option<HeaderName> {
    HeaderName::from_bytes(name.value.to_ascii_lowercase().as_bytes()).ok()
}

/// The name of a header of a response: those that the gateway makes itself are refused.
pub(super) fn response_header_name(name: &Name, diagnostics: &mut Diagnostics) -> Option<HeaderName> {
    let lower = name.value.to_ascii_lowercase();
    let label = match &*lower {
        "set-cookie" => "write `cookies:`",
        "weft-degraded" | "cache-status" | "age" | "etag" => "the gateway sets it",
        _ => return request_header_name(name),
    };
    let title = format!("the header `{}` cannot be set", name.value);
    diagnostics.push(Diagnostic::new("bad-header", name.span, title).label(label));
    None
}
