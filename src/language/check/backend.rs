//! `backends:` → [`plan::Backend`]: targets, headers and limits.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::BackendSchema;
use super::health;
use super::protection;
use super::settings::split_authority;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Spanned;
use crate::language::spec::protection::Switch;
use crate::language::spec::{self, Name, Scheme, scalar};
use crate::plan::{self, Protocol, Source, SourceKind, Target};
use crate::tls;

/// An answer of DNS counts at least so long, unless the gateway file says otherwise.
const MIN_TTL: Duration = Duration::from_secs(1);
/// And at most so long.
const MAX_TTL: Duration = Duration::from_mins(5);
/// How long the answer to a ping may take.
const PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks every backend, in written order.
pub(super) fn check(
    gateway: &spec::Gateway,
    schemas: &[BackendSchema],
    diagnostics: &mut Diagnostics,
) -> Vec<plan::Backend> {
    let each = gateway.backends.iter().enumerate();
    let mut backends: Vec<_> = each
        .map(|(at, it)| backend(gateway, it, schemas.get(at), diagnostics))
        .collect();
    check_discovery(&gateway.discovery, diagnostics);
    health::check_failover(gateway, &mut backends, diagnostics);
    backends
}

fn backend(
    gateway: &spec::Gateway,
    written: &spec::Backend,
    schema: Option<&BackendSchema>,
    diagnostics: &mut Diagnostics,
) -> plan::Backend {
    let protocol = protocol(written);
    let targets = match protocol {
        Protocol::Grpc => &written.grpc,
        Protocol::Http => &written.http,
    };
    if let (Some(spec::BackendDescriptors::Registered(span)), Some(Switch::Off)) =
        (&written.descriptors, &gateway.state)
    {
        let title = "nothing that is registered is kept";
        let wrong = Diagnostic::new("contradiction", *span, title);
        diagnostics.push(wrong.label("`state: false` stands beside it: a restart would forget it"));
    }
    let max_message = written.max_message.as_ref().map_or(4 << 20, |it| it.value);
    let (targets, mut sources) = self::targets(targets, &gateway.discovery, diagnostics);
    for source in sources.iter_mut().filter(|_| written.secure.is_some()) {
        source.written = match &mut source.kind {
            SourceKind::File { secure, .. } => {
                *secure = true;
                source.written.replacen("file:", "file+https:", 1).into()
            }
            _ => source.written.replacen("http://", "https://", 1).into(),
        };
    }
    plan::Backend {
        name: written.name.value.clone(),
        protocol,
        tls: super::tls::of_backend(written, protocol, diagnostics),
        targets,
        sources,
        zone: gateway.zone.as_ref().map(|it| it.value.clone()),
        headers: headers(written),
        auth: None,
        timeout: timeout(written),
        protection: protection::of_backend(written, diagnostics),
        balance: written.balance.as_ref().map(|it| it.value).unwrap_or_default(),
        hash: None,
        health: health::of_backend(written, protocol, diagnostics),
        keepalive: written.keepalive.as_ref().map(|it| plan::Keepalive {
            interval: it.interval.value,
            timeout: it.timeout.as_ref().map_or(PONG_TIMEOUT, |it| it.value),
        }),
        failover: None,
        split: None,
        mirror: None,
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

/// What is sent with each call. No log shows the values: they may be secrets.
pub fn headers(written: &spec::Backend) -> Vec<(HeaderName, HeaderValue)> {
    let header = |(name, value): &(Name, Spanned<Arc<str>>)| {
        let name = HeaderName::from_bytes(name.value.to_ascii_lowercase().as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(&value.value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    written.headers.iter().filter_map(header).collect()
}

/// For one call, where the call does not say.
pub(super) fn timeout(written: &spec::Backend) -> Duration {
    written.timeout.as_ref().map_or(Duration::from_secs(1), |it| it.value)
}

/// How connections to a backend are secured; `None` where they are not, or something is wrong with it.
pub fn client(written: &spec::Backend) -> Option<tls::Client> {
    super::tls::of_backend(written, protocol(written), &mut Diagnostics::default())
}

/// Where a backend is: what the gateway file says itself, and whom it names. The values may come from the environment, so
/// that no message shows them.
pub fn targets(
    written: &[spec::Target],
    discovery: &spec::Discovery,
    diagnostics: &mut Diagnostics,
) -> (Vec<Target>, Vec<Source>) {
    let (mut targets, mut sources) = (Vec::new(), Vec::new());
    for it in written {
        let weight = it.weight.as_ref().map_or(1, |it| u32::try_from(it.value).unwrap_or(1));
        let zone = it.zone.as_ref().map(|it| it.value.clone());
        let dns = || plan::Dns {
            servers: discovery
                .dns
                .servers
                .iter()
                .filter_map(|it| scalar::socket_address(&it.value))
                .collect(),
            min_ttl: discovery.dns.min_ttl.as_ref().map_or(MIN_TTL, |it| it.value),
            max_ttl: discovery.dns.max_ttl.as_ref().map_or(MAX_TTL, |it| it.value),
        };
        let kind = match Scheme::split(&it.url.value) {
            Some((Scheme::Direct, authority)) => {
                let Some(place) = place(authority) else {
                    diagnostics.push(bad_target(&it.url));
                    continue;
                };
                targets.push(Target { weight, zone, ..place });
                continue;
            }
            Some((Scheme::Dns, authority)) => place(authority).map(|it| SourceKind::Dns {
                host: it.host,
                port: it.port,
                dns: dns(),
            }),
            Some((Scheme::Srv, name)) => Some(SourceKind::Srv {
                name: name.into(),
                dns: dns(),
            }),
            Some((Scheme::File, path)) => Some(SourceKind::File {
                path: path.into(),
                secure: false,
            }),
            Some((Scheme::Consul, service)) => Some(SourceKind::Consul {
                service: service.into(),
                consul: consul(&discovery.consul),
            }),
            Some((Scheme::Kubernetes, rest)) => Scheme::service(rest).map(|[service, namespace, port]| {
                SourceKind::Kubernetes(plan::KubernetesService {
                    name: service.into(),
                    namespace: namespace.into(),
                    port: port.into(),
                    kubernetes: kubernetes(&discovery.kubernetes),
                })
            }),
            None => None,
        };
        match kind {
            Some(kind) => sources.push(Source {
                written: it.url.value.clone(),
                kind,
                weight,
                zone,
            }),
            None => diagnostics.push(bad_target(&it.url)),
        }
    }
    (targets, sources)
}

fn consul(written: &spec::Consul) -> plan::Consul {
    plan::Consul {
        address: value_or(written.address.as_ref(), "http://127.0.0.1:8500"),
        token: written.token.as_ref().map(|it| plan::Secret::new(it.value.clone())),
        datacenter: written.datacenter.as_ref().map(|it| it.value.clone()),
        ca_file: written.ca_file.as_ref().map(|it| (&*it.value).into()),
    }
}

/// As a pod finds them.
fn kubernetes(written: &spec::Kubernetes) -> plan::Kubernetes {
    let file = |written: Option<&Name>, name: &str| {
        let usual = format!("/var/run/secrets/kubernetes.io/serviceaccount/{name}");
        (&*value_or(written, &usual)).into()
    };
    plan::Kubernetes {
        address: value_or(written.address.as_ref(), "https://kubernetes.default.svc"),
        token_file: file(written.token_file.as_ref(), "token"),
        ca_file: file(written.ca_file.as_ref(), "ca.crt"),
    }
}

fn value_or(written: Option<&Name>, usual: &str) -> Arc<str> {
    written.map_or_else(|| usual.into(), |it| it.value.clone())
}

/// What is written makes no sense together.
fn check_discovery(discovery: &spec::Discovery, diagnostics: &mut Diagnostics) {
    if let Some(least) = &discovery.dns.min_ttl
        && let Some(most) = &discovery.dns.max_ttl
        && least.value > most.value
    {
        let diagnostic = Diagnostic::new("contradiction", least.span, "`min_ttl` is above `max_ttl`");
        diagnostics.push(diagnostic.label("at most that").other(most.span, "`max_ttl`"));
    }
}

fn bad_target(written: &Name) -> Diagnostic {
    let title = "this is not the address of a backend";
    Diagnostic::new("bad-target", written.span, title).label("a target is `http://host:port`")
}

/// `host:port`, or a host at port 80.
fn place(authority: &str) -> Option<Target> {
    let (host, port) = split_authority(authority)
        .or_else(|| default_port(authority))
        .filter(|it| it.1 != 0)?;
    // Port 80 is written out too: two spellings of one target are one target.
    if authority.ends_with(&format!(":{port}")) {
        return Some(Target::new(authority, host, port));
    }
    Some(Target::new(format!("{authority}:{port}"), host, port))
}

/// A host without a port is at port 80, as URLs have it.
fn default_port(authority: &str) -> Option<(&str, u16)> {
    let plain = !authority.is_empty()
        && authority
            .chars()
            .all(|it| it.is_alphanumeric() || matches!(it, '.' | '-' | '_'));
    plain.then_some((authority, 80))
}

/// Somebody who is asked at a URL, beside the backends that the gateway file names; `None` where something is wrong with it.
pub(super) fn asked(
    name: &str,
    url: &Name,
    tls: Option<&spec::tls::BackendTls>,
    timeout: Duration,
    diagnostics: &mut Diagnostics,
) -> Option<(plan::Backend, plan::Address)> {
    let Some(address) = plan::Address::parse(&url.value) else {
        let title = "this is not an address that can be asked";
        diagnostics.push(Diagnostic::new("bad-auth", url.span, title).label("expected `https://host/path`"));
        return None;
    };
    let tls = if address.secure {
        Some(super::tls::client(url.span, tls, tls::Speaks::Http1, diagnostics)?)
    } else {
        None
    };
    let backend = plan::Backend {
        tls,
        timeout,
        ..plan::Backend::new(name, Protocol::Http, vec![address.target.clone()])
    };
    Some((backend, address))
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
