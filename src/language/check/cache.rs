//! The endpoint cache: its key, who may share it, `Vary`, and the digest that changes with what was written
//! (semantics.md 5.2–5.7).

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;
use http::header::COOKIE;
use sha2::{Digest, Sha256};

use super::fragment::FragmentState;
use super::input::all_inputs;
use super::literal;
use super::mention::Input;
use super::outline::{CallId, Outline, ROOT};
use super::unit::{BodyState, Scope, Target, Unit};
use super::walk::Walker;
use super::world::listed;
use crate::expr::Slot;
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Span, Spanned};
use crate::language::spec::{Cache, CallKind, Composition, Location};
use crate::plan::{BackendIndex, CallCache, EndpointCache, Keep};

/// What the inputs of an endpoint say about sharing its responses.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    /// Mentions claims, cookies, addresses or credentials.
    pub(super) identity: bool,
    /// For `Vary`, sorted.
    pub(super) vary: Vec<HeaderName>,
}

/// Reads identity and `Vary` off what is mentioned.
pub(super) fn privacy(outline: &Outline<'_>) -> Privacy {
    let mut identity = false;
    let mut vary = BTreeSet::new();
    for input in all_inputs(outline) {
        match input {
            Input::Claim(_) | Input::RemoteIp => identity = true,
            Input::Header(name) => {
                identity |= outline.is_identity_header(name);
                vary.insert(name.clone());
            }
            Input::Param(at) => {
                let param = &outline.params[*at];
                identity |= outline.is_identity_param(*at);
                match param.spec.and_then(|it| it.location.as_ref()).map(|it| it.value) {
                    Some(Location::Cookie) => drop(vary.insert(COOKIE.as_str().to_owned())),
                    Some(Location::Header) => drop(vary.insert(param.wire_name())),
                    _ => {}
                }
            }
            Input::Body | Input::Id | Input::Method | Input::Path => {}
        }
    }
    let vary = vary
        .into_iter()
        .filter_map(|it| HeaderName::from_bytes(it.as_bytes()).ok())
        .collect();
    Privacy { identity, vary }
}

/// Checks `cache:` of an endpoint. `method` is `None` for ANY.
pub(super) fn check(
    unit: &mut Unit<'_, '_>,
    cache: &Cache,
    method: Option<&http::Method>,
    digest: [u8; 32],
    is_bound: bool,
) -> Option<EndpointCache> {
    let outline = unit.outline;
    if method != Some(&http::Method::GET) {
        let title = "only GET endpoints can be cached";
        unit.push(
            Diagnostic::new("bad-cache", cache.span, title).label("remove `cache`, or cache the calls that only read"),
        );
    }
    let unsafe_calls: Vec<&str> = outline
        .calls
        .iter()
        .enumerate()
        .filter(|(at, it)| it.inner.is_none() && (!unit.safety[*at].safe || unit.safety[*at].effect))
        .map(|(_, it)| &*it.spec.name.value)
        .collect();
    if !unsafe_calls.is_empty() && method == Some(&http::Method::GET) {
        let title = format!(
            "an endpoint that changes something cannot be cached: {}",
            listed(unsafe_calls.iter().copied())
        );
        unit.push(
            Diagnostic::new("bad-cache", cache.span, title)
                .label("on a hit, these calls would not be made")
                .help("safe: true"),
        );
    }
    if let Some(cookie) = outline.spec.cookies.first() {
        let title = "a response that sets cookies cannot be cached";
        unit.push(
            Diagnostic::new("bad-cache", cookie.name.span, title)
                .label("set here")
                .other(cache.span, "cached here"),
        );
    }
    for input in all_inputs(outline) {
        if *input == Input::Id {
            let title = "`request.id` is different in each request";
            unit.push(
                Diagnostic::new("bad-cache", cache.span, title).label("nothing would ever be found in this cache"),
            );
            break;
        }
    }
    check_identity(unit, cache);
    check_tags(unit, cache, is_bound);
    Some(EndpointCache {
        keep: keep(cache)?,
        fingerprint: digest,
        key: key(unit),
    })
}

/// How long what is written there is kept; `None` where that was refused.
fn keep(cache: &Cache) -> Option<Keep> {
    let or_not = |written: &Option<Spanned<Duration>>| written.as_ref().map_or(Duration::ZERO, |it| it.value);
    Some(Keep {
        ttl: cache.ttl.as_ref()?.value,
        stale_while_revalidate: or_not(&cache.stale_while_revalidate),
        stale_if_error: or_not(&cache.stale_if_error),
        tagged: !cache.tags.is_empty(),
    })
}

impl Unit<'_, '_> {
    /// `cache:` of a call.
    pub(super) fn call_cache(&mut self, id: CallId, cache: &Cache, scope: &Scope) -> Option<CallCache> {
        let node = self.outline.call(id);
        let settled = |it: &&CallId| !node.reads.calls.contains(it) && !node.after.contains(it);
        if let Some(call) = node.tags.calls.iter().find(settled) {
            let (tagged, named) = (&node.spec.name.value, &self.outline.call(*call).spec.name.value);
            let title = format!("a tag of the call `{tagged}` mentions `{named}`, which it does not wait for");
            let label = "tags never delay: they mention inputs, and results that the call itself reads";
            let help = format!("after: [{named}]");
            let wrong = Diagnostic::new("bad-cache", mention_in(cache, named), title).label(label);
            self.push(if call == &id { wrong } else { wrong.help(help) });
        }
        Some(CallCache {
            keep: keep(cache)?,
            tags: self.tags(cache.tags.iter(), scope),
            ignores_backend: cache.ignores_backend,
        })
    }
}

/// Tags mention what the response depends on: whoever finds an entry would otherwise find it under another's tags.
fn check_tags(unit: &mut Unit<'_, '_>, cache: &Cache, is_bound: bool) {
    let outline = unit.outline;
    let read = &outline.graph(ROOT).result_reads.calls;
    if let Some(call) = outline.tags.calls.iter().find(|it| !read.contains(it)) {
        let name = &outline.call(*call).spec.name.value;
        let title = format!("a tag mentions `{name}`, which the response does not read");
        let label = "tags never delay: they mention inputs, and results that the response reads";
        unit.push(Diagnostic::new("bad-cache", mention_in(cache, name), title).label(label));
    }
    let known: BTreeSet<&Input> = all_inputs(outline).collect();
    // The request of the short form reads path and query by itself.
    let foreign = |it: &&Input| !(known.contains(it) || is_bound && matches!(it, Input::Param(_)));
    if let Some(input) = outline.tags.inputs.iter().find(foreign) {
        let name = match input {
            Input::Param(at) => outline.params[*at].name.to_string(),
            Input::Body => "body".to_owned(),
            Input::Claim(path) => claim(path),
            Input::Header(name) => format!("request.headers[{name:?}]"),
            Input::Id => "request.id".to_owned(),
            Input::Method => "request.method".to_owned(),
            Input::Path => "request.path".to_owned(),
            Input::RemoteIp => "request.remote_ip".to_owned(),
        };
        let root = name.split('.').next().unwrap_or_default();
        let title = format!("a tag mentions `{name}`, on which the response does not depend");
        let label = "one entry is for every value of it, and would have the tag of whoever came first";
        unit.push(Diagnostic::new("bad-cache", mention_in(cache, root), title).label(label));
    }
}

/// The expression of a tag that mentions a name.
fn mention_in(cache: &Cache, name: &str) -> Span {
    let mut found = cache.span;
    Walker::new(Vec::new(), |site| {
        if site.expression.ast.mentions().iter().any(|it| it.root == name) {
            found = site.expression.whole();
        }
    })
    .tags(Some(cache));
    found
}

/// Checks `invalidate:`, which stands where something is written.
pub(super) fn check_invalidate(unit: &mut Unit<'_, '_>, method: Option<&http::Method>) {
    if let Some(invalidate) = &unit.outline.spec.invalidate
        && method.is_some_and(http::Method::is_safe)
    {
        let title = "an endpoint that only reads cannot invalidate";
        unit.push(
            Diagnostic::new("bad-cache", invalidate.span, title)
                .label("this stands on endpoints that write: POST, PUT, PATCH, DELETE"),
        );
    }
}

fn check_identity(unit: &mut Unit<'_, '_>, cache: &Cache) {
    let outline = unit.outline;
    if cache.scope_user.is_some() || !privacy(outline).identity {
        return;
    }
    let mut named: Vec<String> = Vec::new();
    for input in all_inputs(outline) {
        match input {
            Input::RemoteIp => named.push("request.remote_ip".to_owned()),
            Input::Claim(path) => named.push(claim(path)),
            Input::Header(name) if outline.is_identity_header(name) => {
                named.push(format!("request.headers[\"{name}\"]"));
            }
            Input::Param(at) if outline.is_identity_param(*at) => named.push(outline.params[*at].name.to_string()),
            _ => {}
        }
    }
    named.sort();
    named.dedup();
    let title = format!(
        "responses would be shared that depend on {}",
        listed(named.iter().map(String::as_str))
    );
    unit.push(
        Diagnostic::new("shared-cache-with-claim", cache.span, title)
            .label("says who asks, so that the cache is each user's own")
            .help("scope: user"),
    );
}

/// A claim as expressions write it.
fn claim(path: &[String]) -> String {
    std::iter::once("auth")
        .chain(path.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(".")
}

/// Every mentioned input, in plan order.
fn key(unit: &Unit<'_, '_>) -> Vec<Slot> {
    let mut slots = BTreeSet::new();
    for input in all_inputs(unit.outline) {
        match input {
            Input::Param(at) => drop(slots.insert(unit.inputs.params[*at].0)),
            Input::Body => match &unit.inputs.body {
                BodyState::Bytes(slot) | BodyState::Whole(slot, _) => drop(slots.insert(*slot)),
                BodyState::Members(members) => slots.extend(members.iter().map(|it| it.slot)),
                BodyState::None => {}
            },
            _ => slots.extend(
                unit.inputs
                    .request
                    .iter()
                    .filter(|(it, _)| it == input)
                    .map(|(_, slot)| *slot),
            ),
        }
    }
    slots.into_iter().collect()
}

/// Digest of a composition's text, its fragments, the descriptors behind its calls, constants and JSON options. `apart` tells
/// endpoints apart that share a file.
pub(super) fn fingerprint(unit: &Unit<'_, '_>, written: &Composition, apart: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    // Its name is what a backend keeps across reloads.
    let backend_name = |it: BackendIndex| {
        let backend = unit.world.gateway.backends.get(it.0);
        backend.map(|it| it.name.value.as_bytes()).unwrap_or_default()
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    add(apart);
    add(unit
        .world
        .sources
        .file(written.file)
        .and_then(|it| it.text.get(written.span.start as usize..written.span.end as usize))
        .unwrap_or_default()
        .as_bytes());
    add(format!("{:?}", unit.options).as_bytes());
    for (name, value) in &unit.world.gateway.vars {
        add(name.value.as_bytes());
        add(&literal::json(&value.value));
    }
    for (node, target) in unit.outline.calls.iter().zip(&unit.targets) {
        match target {
            Target::Grpc { served, .. } => {
                add(served.schema.fingerprint());
                add(backend_name(served.backend));
            }
            Target::Http(backend, types) => {
                add(backend_name(*backend));
                add(&types.fingerprint);
            }
            _ => {}
        }
        if let Some(CallKind::Compose { fragment, .. }) = &node.spec.kind
            && let Some(FragmentState::Ready(info)) = unit.world.fragments.get(&fragment.value)
        {
            add(&info.fingerprint);
        }
    }
    digest.finalize().into()
}
