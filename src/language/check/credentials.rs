//! `auth:` of backends → how the token is had that the gateway's calls carry.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::backend::asked;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::spec::{self, Name};
use crate::plan::{self, BackendIndex, ClientCredentials, Secret};

/// How long the request for a token may take, attempts included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is written otherwise in application/x-www-form-urlencoded; a blank may be `%20`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// Fills in the tokens of backends. Who gives them is among `backends` as well, as `tokens.NAME`.
pub(super) fn check(gateway: &spec::Gateway, backends: &mut Vec<plan::Backend>, diagnostics: &mut Diagnostics) {
    for (at, written) in gateway.backends.iter().enumerate() {
        let Some(auth) = &written.auth else { continue };
        let sent = written.headers.iter().find(|it| is_authorization(&it.0));
        if let Some((header, _)) = sent {
            let wrong = conflict(header, &written.name.value);
            diagnostics.push(wrong.other(auth.span, "this is sent as `authorization`"));
        }
        let Some((issuer, mut auth)) = issuer(written, auth, diagnostics) else {
            continue;
        };
        backends.push(issuer);
        auth.backend = BackendIndex(backends.len() - 1);
        if let Some(backend) = backends.get_mut(at) {
            backend.auth = Some(auth);
        }
    }
}

/// Who gives the token of a backend, and how it is asked for; its place among the backends is still open.
pub fn issuer(
    written: &spec::Backend,
    auth: &spec::ClientCredentials,
    diagnostics: &mut Diagnostics,
) -> Option<(plan::Backend, ClientCredentials)> {
    let timeout = auth.timeout.as_ref().map_or(TIMEOUT, |it| it.value);
    let name = format!("tokens.{}", written.name.value);
    let (issuer, at) = asked(&name, &auth.token_url, auth.tls.as_ref(), timeout, diagnostics)?;
    let is_here = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    if !at.secure && !is_here(&at.target.host) {
        let title = "the secret and the token travel unprotected";
        let warning = Diagnostic::warning("plain-secret", auth.token_url.span, title);
        diagnostics.push(warning.label("write it with `https://`"));
    }
    for scope in &auth.scopes {
        // RFC 6749 §3.3.
        let is_sound = |it: u8| matches!(it, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.value.is_empty() || !scope.value.bytes().all(is_sound) {
            let title = "this is not a scope";
            let wrong = Diagnostic::new("bad-auth", scope.span, title);
            diagnostics.push(wrong.label("a scope is a word without blanks and quotes; each is an entry of the list"));
        }
    }
    let credentials = ClientCredentials {
        backend: BackendIndex(0),
        at,
        authorization: if auth.in_body {
            None
        } else {
            Some(basic(&auth.client_id, &auth.client_secret)?)
        },
        form: Secret::new(form(auth).into()),
        timeout,
    };
    Some((issuer, credentials))
}

/// RFC 6749 §2.3.1: both are form-encoded before they are put together.
pub(super) fn basic(id: &Name, secret: &Name) -> Option<HeaderValue> {
    let pair = format!("{}:{}", encoded(&id.value), encoded(&secret.value));
    let basic = format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair));
    let mut value = HeaderValue::from_str(&basic).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The body of the request for a token (RFC 6749 §4.4.2).
fn form(auth: &spec::ClientCredentials) -> String {
    let mut form = "grant_type=client_credentials".to_owned();
    let mut add = |name: &str, value: &str| form.extend(["&", &encoded(name), "=", &encoded(value)]);
    if auth.in_body {
        add("client_id", &auth.client_id.value);
        add("client_secret", &auth.client_secret.value);
    }
    if !auth.scopes.is_empty() {
        let scopes: Vec<&str> = auth.scopes.iter().map(|it| &*it.value).collect();
        add("scope", &scopes.join(" "));
    }
    if let Some(audience) = &auth.audience {
        add("audience", &audience.value);
    }
    for (name, value) in &auth.params {
        add(&name.value, &value.value);
    }
    form
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

fn is_authorization(name: &Name) -> bool {
    name.value.eq_ignore_ascii_case(header::AUTHORIZATION.as_str())
}

/// Says where a header that is sent to a backend would be overwritten by its token, or by that of one that gets its requests:
/// a part of its `split`, or who stands in.
pub(super) fn check_headers<'n>(
    gateway: &spec::Gateway,
    backend: BackendIndex,
    mut names: impl Iterator<Item = &'n Name>,
) -> Vec<Diagnostic> {
    let (Some(written), Some(name)) = (gateway.backends.get(backend.0), names.find(|it| is_authorization(it))) else {
        return Vec::new();
    };
    let named = |name: &Name| gateway.backends.iter().find(|it| it.name.value == name.value);
    let usual: Vec<&spec::Backend> = match &*written.split {
        [] => vec![written],
        parts => parts.iter().filter_map(|it| named(&it.to)).collect(),
    };
    let anybody = usual.iter().any(|it| it.auth.is_none());
    let standing_in = usual.iter().filter_map(|it| named(it.failover.as_ref()?));
    let mut found: Vec<Diagnostic> = Vec::new();
    for other in usual.iter().copied().chain(standing_in) {
        let Some(auth) = &other.auth else { continue };
        let mut wrong = conflict(name, &other.name.value).other(auth.span, "this is sent as `authorization`");
        if anybody {
            wrong.severity = Severity::Warning;
            wrong.label = format!("`{}` does not see this one", other.name.value);
        }
        if !found.contains(&wrong) {
            found.push(wrong);
        }
    }
    found
}

fn conflict(header: &Name, backend: &str) -> Diagnostic {
    let title = format!("`{backend}` gets a token of its own as `authorization`");
    Diagnostic::new("contradiction", header.span, title).label("nobody would see this one")
}
