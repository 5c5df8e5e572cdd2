//! `proxy:`: the call that stands for it becomes where the request goes, and nothing is left of its response.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::credentials;
use super::endpoint::Entry;
use super::protection;
use super::safety::Safety;
use super::unit::Unit;
use crate::expr::Value;
use crate::expr::ast::Node;
use crate::language::diagnostic::Diagnostic;
use crate::language::spec::{self, Name, TextPart};
use crate::plan::{
    self, CREDENTIALS, CallIndex, CallKind, Forward, PathPart, Policy, Proxy, Response, ResponseBody, Start, Status,
};
use crate::schema::path_template::PathTemplate;

/// Headers of requests that say what is asked for and in which form, and nothing of who asks.
#[rustfmt::skip]
const REQUEST: &[&str] = &[
    "accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers",
    "access-control-request-method", "cache-control", "content-disposition", "content-encoding", "content-language",
    "content-location", "content-type", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "origin", "pragma", "prefer", "range", "user-agent",
];

/// Headers of answers that say what is answered, and set nothing at the client.
#[rustfmt::skip]
const RESPONSE: &[&str] = &[
    "accept-patch", "accept-post", "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
    "access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers",
    "access-control-max-age", "age", "allow", "cache-control", "content-disposition", "content-encoding",
    "content-language", "content-location", "content-range", "content-security-policy", "content-type", "date",
    "deprecation", "etag", "expires", "last-modified", "link", "location", "pragma", "preference-applied", "retry-after",
    "sunset", "vary", "warning", "www-authenticate", "x-content-type-options", "x-frame-options",
];

/// Takes the call of `proxy:` out of the schedule. Gives the plan's `proxy`, and how long its backend may be silent.
pub(super) fn hand_over(
    entry: Entry<'_, '_>,
    unit: &mut Unit<'_, '_>,
    graph: &mut plan::Graph,
    response: &mut Response,
) -> Option<(Proxy, Duration)> {
    let written = entry.written.proxy.as_ref()?;
    if let Some(body) = &entry.written.body
        && matches!(&*entry.method.value, "ANY" | "GET" | "HEAD" | "OPTIONS")
    {
        let title = format!("`{}` takes requests that have no body", entry.method.value);
        let diagnostic = Diagnostic::new("body-on-get", body.span, title).label("it would be checked in each of them");
        unit.push(
            diagnostic.help("name the method that has this body, such as `POST`, and let another file take the others"),
        );
    }
    if let Some(require) = graph.require.iter().position(|it| !it.needs.is_empty()) {
        let span = entry.written.require.get(require).map_or(written.span, |it| it.span);
        unit.push(Diagnostic::new(
            "unknown-name",
            span,
            "what is passed through has no result to ask for",
        ));
        return None;
    }
    let call = graph.calls.first_mut()?;
    let CallKind::Http(http) = &mut call.kind else {
        return None;
    };
    own_segments(&mut http.path, written, entry.template);
    for wrong in credentials::check_headers(unit.world.gateway, http.backend, written.request.iter()) {
        unit.push(wrong);
    }
    let backend = unit.world.gateway.backends.get(http.backend.0)?;
    let of_clients = unit.world.auth.iter().flat_map(|it| &it.headers).map(|it| &**it);
    // One that gets a token of its own is shown no other.
    let shown = CREDENTIALS
        .iter()
        .filter(|it| **it != AUTHORIZATION || backend.auth.is_none());
    let secrets: Vec<&str> = of_clients.chain(shown.map(HeaderName::as_str)).collect();
    let request = withheld(&written.request, &secrets);
    for it in request.into_iter().chain(withheld(&written.response, &["set-cookie"])) {
        unit.push(it);
    }
    // Whether it may be made twice is known once a request is there.
    let idempotent = Safety {
        idempotent: true,
        ..Safety::default()
    };
    let spec = spec::Call::empty(call_name(written), written.span);
    call.policy = Policy {
        hedge: None,
        ..protection::policy(&spec, backend, idempotent, unit.diagnostics)
    };
    call.start = Start::OnFallback;
    call.effect = false;
    let usual = call.timeout.unwrap_or_default();
    *response = Response {
        body: ResponseBody::Json(plan::Template::Constant {
            json: b"null".as_slice().into(),
            value: Value::Null,
        }),
        nullable: true,
        status: Status::Default,
        headers: Vec::new(),
        cookies: Vec::new(),
        tags: Vec::new(),
        invalidates: Vec::new(),
        needs: Vec::new(),
        mentions: Vec::new(),
    };
    let credentials = unit.world.auth.iter().flat_map(|it| &it.headers);
    let credentials = credentials.filter_map(|it| HeaderName::from_bytes(it.as_bytes()).ok());
    let proxy = Proxy {
        call: CallIndex(0),
        request: forward(REQUEST, &written.request, credentials.collect()),
        response: forward(RESPONSE, &written.response, Vec::new()),
    };
    Some((proxy, usual))
}

fn call_name(written: &spec::Proxy) -> Name {
    super::world::named("proxy", written.span)
}

/// A variable of several segments that stands alone between slashes is handed over as it came.
fn own_segments(parts: &mut [PathPart], written: &spec::Proxy, template: &PathTemplate) {
    if parts.len() != written.path.parts.len() {
        return;
    }
    for (at, part) in written.path.parts.iter().enumerate() {
        let TextPart::Hole(expression) = part else { continue };
        let Node::Name(name) = expression.ast.node(expression.ast.root()) else {
            continue;
        };
        let variable = template.variables().iter().position(|it| *it.name == **name);
        let Some(variable) = variable.filter(|_| super::http_call::stands_alone(&written.path.parts, at)) else {
            continue;
        };
        let all: Vec<_> = template.parts().collect();
        let Some(first) = all.iter().position(|it| it.variable == Some(variable)) else {
            continue;
        };
        let n = all.iter().filter(|it| it.variable == Some(variable)).count();
        let is_rest = all
            .iter()
            .any(|it| it.variable == Some(variable) && it.text == "**" && !it.is_literal);
        if is_rest || n > 1 {
            parts[at] = PathPart::Own(first, (!is_rest).then_some(first + n));
        }
    }
}

/// Says where the beginning of a name looks as if it was meant for a header that goes on only where it is named in full.
fn withheld(written: &[Name], secrets: &[&str]) -> Vec<Diagnostic> {
    /// Shorter ones are meant for others.
    const MEANT: usize = 4;
    let mut found = Vec::new();
    for name in written {
        let Some(start) = name.value.strip_suffix('*').filter(|it| it.len() >= MEANT) else {
            continue;
        };
        let is_named = |secret: &str| written.iter().any(|it| *it.value == *secret);
        let secret = secrets.iter().find(|it| it.starts_with(start) && !is_named(it));
        if let Some(secret) = secret {
            let title = format!("`{}` does not hand over `{secret}`", name.value);
            let wrong = Diagnostic::warning("withheld-header", name.span, title);
            found.push(wrong.label("credentials and cookies are named in full").help(*secret));
        }
    }
    found
}

/// Who names a header with credentials wants it handed over; a usual one that holds some stays here.
fn forward(usual: &[&'static str], written: &[Name], secrets: Vec<HeaderName>) -> Arc<Forward> {
    let usual = usual.iter().map(|it| HeaderName::from_static(it));
    let mut forward = Forward {
        names: usual.filter(|it| !secrets.contains(it)).collect(),
        starts: Vec::new(),
        secrets,
    };
    for name in written {
        match name.value.strip_suffix('*') {
            Some(start) => forward.starts.push(start.into()),
            None => forward.names.extend(HeaderName::from_bytes(name.value.as_bytes()).ok()),
        }
    }
    Arc::new(forward)
}
