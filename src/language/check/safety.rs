//! Which calls change something (semantics.md 4.6), and what may not be done with those that do.

use super::outline::{CallId, Outline};
use super::unit::Target;
use super::world::World;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::CallKind;

/// What a call does to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Safety {
    /// Changes nothing.
    pub(super) safe: bool,
    /// Is made although nobody reads it.
    pub(super) effect: bool,
    /// Made twice it does no more than made once.
    pub(super) idempotent: bool,
}

/// Decides for every call. `in_get`: every endpoint that leads here is a GET.
pub(super) fn check(
    world: &World<'_>,
    outline: &Outline<'_>,
    targets: &[Target<'_>],
    in_get: bool,
    diagnostics: &mut Diagnostics,
) -> Vec<Safety> {
    let mut all = vec![Safety::default(); outline.calls.len()];
    // Inner calls stand behind the call around them, so that backwards each is decided after what is in it.
    for at in (0..outline.calls.len()).rev() {
        let node = outline.call(CallId(at));
        let spec = node.spec;
        let explicit = spec.effect.as_ref().map(|it| it.value);
        let by_kind = match (&spec.kind, targets.get(at)) {
            (Some(CallKind::Http { method, .. }), _) => {
                let writes = !matches!(&*method.value, "GET" | "HEAD" | "OPTIONS");
                let declared_safe = spec.safe.as_ref().is_some_and(|it| it.value);
                Safety {
                    safe: !writes,
                    effect: explicit.unwrap_or(writes && !declared_safe),
                    idempotent: !writes || matches!(&*method.value, "DELETE" | "PUT"),
                }
            }
            (_, Some(Target::Grpc { served, .. })) => {
                let method = served.method;
                let annotated = method.no_side_effects || method.http.iter().any(|it| it.method == "GET");
                let effect = explicit == Some(true);
                let read = annotated || in_get || world.names_safe(served.backend, served.service, method);
                Safety {
                    safe: read && !effect,
                    effect,
                    idempotent: method.idempotent || (read && !effect),
                }
            }
            (_, Some(Target::Fragment(fragment))) => Safety {
                safe: fragment.safe,
                effect: explicit.unwrap_or(fragment.effect),
                idempotent: fragment.safe,
            },
            _ => {
                let inner = node
                    .inner
                    .map(|it| outline.graph(it).calls.as_slice())
                    .unwrap_or_default();
                let safe = inner.iter().all(|it| all[it.0].safe);
                Safety {
                    safe,
                    effect: explicit.unwrap_or_else(|| inner.iter().any(|it| all[it.0].effect)),
                    idempotent: safe,
                }
            }
        };
        let safe = spec.safe.as_ref().map_or(by_kind.safe, |it| it.value);
        if let (Some(safe), Some(effect)) = (&spec.safe, &spec.effect)
            && safe.value
            && effect.value
        {
            let title = format!("`{}` cannot both change something and be safe", spec.name.value);
            diagnostics.push(
                Diagnostic::new("conflicting-keys", safe.span, title)
                    .label("safe")
                    .other(effect.span, "has an effect"),
            );
        }
        // Who says that it changes something does not say whether twice is worse; the method may.
        let idempotent = safe || (by_kind.idempotent && !by_kind.safe) || is_declared_idempotent(targets.get(at));
        all[at] = Safety {
            safe,
            idempotent,
            ..by_kind
        };
    }
    all
}

fn is_declared_idempotent(target: Option<&Target<'_>>) -> bool {
    matches!(target, Some(Target::Grpc { served, .. }) if served.method.idempotent)
}

/// `safe` and `effect` are said of what is sent; `cache` of what can be asked again.
pub(super) fn check_cache(outline: &Outline<'_>, safety: &[Safety], diagnostics: &mut Diagnostics) {
    for (at, node) in outline.calls.iter().enumerate() {
        let Some(cache) = &node.spec.cache else { continue };
        let name = &node.spec.name.value;
        if !safety[at].safe {
            let title = format!("the call `{name}` changes something and cannot be cached");
            diagnostics.push(
                Diagnostic::new("not-safe", cache.span, title)
                    .label("only safe calls are cached")
                    .help("safe: true"),
            );
        }
    }
}

/// `fallback: $stale` is said of what is sent and can be asked again.
pub(super) fn check_stale(outline: &Outline<'_>, safety: &[Safety], diagnostics: &mut Diagnostics) {
    for (at, node) in outline.calls.iter().enumerate() {
        let Some(span) = node.spec.stale else { continue };
        let name = &node.spec.name.value;
        if !matches!(
            node.spec.kind,
            Some(CallKind::Grpc { .. } | CallKind::Http { .. }) | None
        ) {
            let title = format!("the call `{name}` has no reply that could be kept");
            let diagnostic = Diagnostic::new("wrong-value", span, title);
            diagnostics.push(diagnostic.label("`$stale` is the last good reply of a `grpc` or `http` call"));
        } else if !safety[at].safe {
            let title = format!("the call `{name}` changes something, which no earlier reply stands for");
            diagnostics.push(
                Diagnostic::new("not-safe", span, title)
                    .label("only safe calls fall back on their last good reply")
                    .help("safe: true"),
            );
        }
    }
}
