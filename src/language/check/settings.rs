//! `weft.yaml`'s own keys → [`Settings`], with the defaults of the gateway file's page.

use std::time::Duration;

use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Spanned;
use crate::language::spec::gate::Redis;
use crate::language::spec::tls::Tls;
use crate::language::spec::{Gateway, LogAccess, LogFormat, Name};
use crate::plan::{self, AccessLog, Settings};
use crate::schema::suggest;

/// Fills every default in and refuses values that cannot be served with.
pub(super) fn check(gateway: &Gateway, diagnostics: &mut Diagnostics) -> Settings {
    let limits = &gateway.limits;
    let listen = if gateway.listen.is_empty() {
        vec!["127.0.0.1:8080".to_owned()]
    } else {
        gateway.listen.iter().map(|it| address(it, diagnostics)).collect()
    };
    let admin_listen = gateway
        .admin
        .as_ref()
        .map_or_else(|| "127.0.0.1:9901".to_owned(), |it| address(&it.listen, diagnostics));
    let count = |value: &Option<Spanned<u64>>, default: u64| value.as_ref().map_or(default, |it| it.value);
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let lasting = |value: &Option<Spanned<Duration>>, seconds: u64| {
        value.as_ref().map_or(Duration::from_secs(seconds), |it| it.value)
    };
    let log_level = log_level(gateway.log_level.as_ref(), diagnostics);
    let mut tls = |written: Option<&Tls>| super::tls::of_listener(written?, diagnostics);
    Settings {
        listen,
        workers: gateway.workers.as_ref().map(|it| it.value as usize),
        admin_listen,
        admin_tls: tls(gateway.admin.as_ref().and_then(|it| it.tls.as_ref())),
        tls: tls(gateway.tls.as_ref()),
        proxy_protocol: gateway.proxy_protocol.clone(),
        cors: gateway.cors.clone(),
        compression: gateway.compression,
        headers: gateway.headers.clone(),
        max_headers: size(count(&limits.headers, 32 << 10)),
        max_header_count: size(count(&limits.header_count, 100)),
        max_uri: size(count(&limits.uri, 8 << 10)),
        max_body: size(limits.body.as_ref().map_or(1 << 20, |it| it.value)),
        max_connections: size(count(&limits.connections, 10_000)),
        max_connections_per_address: limits.connections_per_address.as_ref().map(|it| size(it.value)),
        header_timeout: lasting(&limits.header_timeout, 10),
        idle_timeout: lasting(&limits.idle_timeout, 75),
        max_in_flight: size(count(&limits.in_flight, 4096)),
        max_for_elements: size(count(&limits.for_elements, 1000)),
        cache_memory: gateway.cache_memory.as_ref().map_or(256 << 20, |it| it.value),
        redis: gateway.redis.as_ref().map(|it| redis(it, diagnostics)),
        log_json: matches!(gateway.log_format.unwrap_or_default(), LogFormat::Json),
        log_level,
        access_log: match gateway.log_access.unwrap_or_default() {
            LogAccess::All => AccessLog::All,
            LogAccess::Errors => AccessLog::Errors,
            LogAccess::None => AccessLog::None,
        },
        audit_log: gateway.log_audit.unwrap_or_default(),
        drain: lasting(&gateway.drain, 20),
    }
}

fn redis(written: &Redis, diagnostics: &mut Diagnostics) -> plan::Redis {
    let time =
        |it: &Option<Spanned<Duration>>, millis| it.as_ref().map_or(Duration::from_millis(millis), |it| it.value);
    plan::Redis {
        url: written.url.value.clone(),
        tls: super::tls::of_redis(written, diagnostics),
        timeout: time(&written.timeout, 50),
        lookup: time(&written.lookup, 20),
        prefix: written
            .prefix
            .as_ref()
            .map_or_else(|| "weft:".into(), |it| it.value.clone()),
    }
}

/// `host:port`. The value may come from the environment, so that no message shows it.
fn address(written: &Name, diagnostics: &mut Diagnostics) -> String {
    if split_authority(&written.value).is_none() {
        diagnostics.push(
            Diagnostic::new("wrong-address", written.span, "this is not an address to listen on")
                .label("expected `host:port`")
                .help("127.0.0.1:8080"),
        );
    }
    written.value.to_string()
}

/// Splits `host:port`; `[::1]:80` loses its brackets.
pub(super) fn split_authority(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|it| it.contains(':'))?,
        None if host.contains(':') => return None,
        None => host,
    };
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | ':' | '*');
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

fn log_level(written: Option<&Name>, diagnostics: &mut Diagnostics) -> String {
    const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
    let Some(name) = written else { return "info".to_owned() };
    // A filter of `tracing` may be written too (`info,weft=debug`); only plain words are checked here.
    let plain = name.value.bytes().all(|it| it.is_ascii_alphabetic());
    if plain && !LEVELS.contains(&&*name.value) && &*name.value != "off" {
        let label = match suggest::nearest(&name.value, LEVELS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected one of {}", LEVELS.join(", ")),
        };
        let title = format!("`{}` is not a log level", name.value);
        diagnostics.push(Diagnostic::new("unknown-value", name.span, title).label(label));
    }
    name.value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_split_or_refused() {
        for (text, want) in [
            ("127.0.0.1:80", Some(("127.0.0.1", 80))),
            ("shop:50051", Some(("shop", 50051))),
            ("[::1]:80", Some(("::1", 80))),
            ("::1:80", None),
            ("shop", None),
            ("shop:", None),
            (":80", None),
            ("shop:70000", None),
            ("shop:+80", None),
            ("sh op:80", None),
        ] {
            assert_eq!(split_authority(text), want, "{text}");
        }
    }
}
