//! Warnings: what is allowed and probably not meant (semantics.md 0, 4.10).

mod batch;
mod budget;

use std::time::Duration;

use super::graph::ancestors;
use super::outline::{CallId, GraphId, Meaning, Outline, ROOT};
use super::unit::{Scope, Target, Unit};
use super::walk::{Site, Walker};
use crate::expr::{PlaceType, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Span, scalar};
use crate::language::spec::{Expression, Literal};
use crate::plan::Start;

/// All warnings that need the whole composition; an endpoint ends after `timeout`, which is written at the place.
pub(super) fn check(unit: &mut Unit<'_, '_>, timeout: Option<(Duration, Option<Span>)>) {
    effect_races(unit);
    required_only_for_optional(unit);
    backend_text(unit);
    batch::check(unit);
    if let Some((timeout, place)) = timeout {
        budget::check(unit, timeout, place);
    }
}

/// An unsafe call that nothing orders to a required call that may fail.
fn effect_races(unit: &mut Unit<'_, '_>) {
    let outline = unit.outline;
    let top = &outline.graph(ROOT).calls;
    for (at, id) in top.iter().enumerate() {
        if unit.safety[id.0].safe || matches!(unit.targets[id.0], Target::Inside | Target::Wrong) {
            continue;
        }
        let before = ancestors(outline, *id);
        let races = top.iter().enumerate().find(|(other_at, other)| {
            let spec = outline.call(**other).spec;
            let may_fail = spec.optional.as_ref().is_none_or(|it| !it.value)
                && spec.fallback.is_none()
                && !outline.call(**other).asked;
            let sends =
                unit.starts[other.0].is_some() && !matches!(unit.targets[other.0], Target::Inside | Target::Wrong);
            // Of two unsafe calls, one warning is enough.
            let counted = unit.safety[other.0].safe || *other_at < at;
            *other != id
                && sends
                && may_fail
                && counted
                && !before.contains(other)
                && !ancestors(outline, **other).contains(id)
                && !required_before(outline, *id, **other)
        });
        if let Some((_, other)) = races {
            let name = &outline.call(*id).spec.name;
            let other = &outline.call(*other).spec.name;
            let title = format!(
                "`{}` may have changed something when `{}` fails",
                name.value, other.value
            );
            unit.push(
                Diagnostic::warning("effect-races", name.span, title)
                    .label("sent at the same time")
                    .other(other.span, "a failure here fails the endpoint")
                    .help(format!("after: [{}]", other.value)),
            );
        }
    }
}

/// Whether a `require` that does not depend on the unsafe call `id`, and so has to hold before it starts, waits for `other`.
fn required_before(outline: &Outline<'_>, id: CallId, other: CallId) -> bool {
    let depends = |calls: &[CallId], on: CallId| {
        calls
            .iter()
            .any(|it| *it == on || ancestors(outline, *it).contains(&on))
    };
    outline
        .require
        .iter()
        .any(|it| !depends(&it.calls, id) && depends(&it.calls, other))
}

/// A required call that only optional ones read.
fn required_only_for_optional(unit: &mut Unit<'_, '_>) {
    let outline = unit.outline;
    for (at, node) in outline.calls.iter().enumerate() {
        let id = CallId(at);
        let is_optional = |id: CallId| {
            let node = outline.call(id);
            node.spec.optional.as_ref().is_some_and(|it| it.value) || node.spec.fallback.is_some() || node.asked
        };
        let made_for_effect = unit.safety[at].effect || matches!(unit.targets[at], Target::Inside | Target::Wrong);
        if is_optional(id) || made_for_effect || unit.starts[at] != Some(Start::Eager) {
            continue;
        }
        let in_fallback = outline.calls.iter().any(|it| it.fallback.calls.contains(&id));
        let by_result = outline.graphs.iter().any(|it| it.result_reads.calls.contains(&id));
        let by_require = outline.require.iter().any(|it| it.calls.contains(&id));
        let readers: Vec<_> = (0..outline.calls.len())
            .map(CallId)
            .filter(|it| {
                let reader = outline.call(*it);
                reader.reads.calls.contains(&id) || reader.after.contains(&id)
            })
            .collect();
        if by_result || by_require || in_fallback || readers.is_empty() || !readers.iter().all(|it| is_optional(*it)) {
            continue;
        }
        let name = &node.spec.name;
        let title = format!("`{}` is required, but only optional calls read it", name.value);
        unit.push(
            Diagnostic::warning("required-only-for-optional", name.span, title)
                .label("its failure fails the endpoint, which could do without it")
                .help("optional: true"),
        );
    }
}

/// `error(call).message`: the backend's own words, shown to clients.
fn backend_text(unit: &mut Unit<'_, '_>) {
    let spec = unit.outline.spec;
    let mut found = Vec::new();
    {
        let mut walker = Walker::new(Vec::new(), |site: &Site<'_, '_>| {
            for mention in site.expression.ast.mentions().iter().filter(|it| it.error_only) {
                let behind = site
                    .expression
                    .source()
                    .get(mention.span.end as usize..)
                    .unwrap_or_default();
                let message = behind
                    .trim_start()
                    .strip_prefix(')')
                    .map(str::trim_start)
                    .is_some_and(|it| {
                        let rest = it.strip_prefix('.').map(str::trim_start).unwrap_or_default();
                        rest.strip_prefix("message")
                            .is_some_and(|it| !it.starts_with(|it: char| it.is_alphanumeric() || it == '_'))
                    });
                if message {
                    found.push(site.expression.whole());
                }
            }
        });
        for it in spec.response.iter().chain(spec.headers.iter().map(|(_, it)| it)) {
            walker.template(it, &super::walk::Want::Free);
        }
    }
    for span in found {
        let title = "the backend's own words reach the client";
        unit.push(Diagnostic::warning("backend-text", span, title).label("they may name what should stay inside"));
    }
}

impl Unit<'_, '_> {
    /// Plain text that is the name of something here, or a path that begins with one. Quotes say that text is meant.
    pub(super) fn warn_missing_dollar(
        &mut self,
        literal: &Literal,
        span: Span,
        place: Option<&PlaceType>,
        scope: &Scope,
    ) {
        let Literal::Text(text) = literal else { return };
        let is_enum = place.is_some_and(|it| matches!(it.ty.kind, TypeKind::Enum(_)));
        let is_path = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.' | '[' | ']');
        if is_enum || !text.chars().all(is_path) || self.world.sources.written(span) != &**text {
            return;
        }
        let root = text.split(['.', '[']).next().unwrap_or_default();
        let locals = scope.locals.iter().map(|it| &*it.name);
        let what = match self.outline.meaning(scope.graph, locals, root) {
            Some(Meaning::Call(_)) => "the call",
            Some(Meaning::Local(_) | Meaning::Variable(_)) => "the loop variable",
            Some(Meaning::Param(_)) => "the input",
            _ => return,
        };
        let title = format!("this is the text \"{text}\", not the value of {what} `{root}`");
        self.push(
            Diagnostic::warning("missing-dollar", span, title)
                .label("an expression begins with `$`")
                .help(scalar(&format!("${text}")))
                .note(format!("for the text write \"{text}\", in quotes")),
        );
    }

    /// A repeated field of a request that an optional call's list fills: without that, the call is made for nothing.
    pub(super) fn warn_empty_batch(&mut self, expression: &Expression, ty: &Type, scope: &Scope, place: &Type) {
        if !ty.nullable || !matches!((&ty.kind, &place.kind), (TypeKind::List(_), TypeKind::List(_))) {
            return;
        }
        let nullable = expression
            .ast
            .mentions()
            .into_iter()
            .find(|mention| self.is_nullable_call(scope.graph, scope, &mention.root));
        if let Some(mention) = nullable {
            let title = format!("this call is made with an empty list when `{}` is null", mention.root);
            self.push(
                Diagnostic::warning("empty-batch", expression.whole(), title)
                    .label(format!("empty when `{}` failed or was not made", mention.root))
                    .help(format!("when: ${} != null", mention.root)),
            );
        }
    }

    fn is_nullable_call(&self, graph: GraphId, scope: &Scope, name: &str) -> bool {
        let locals = scope.locals.iter().map(|it| &*it.name);
        match self.outline.meaning(graph, locals, name) {
            Some(Meaning::Call(call)) => self.state(call).ty.nullable,
            _ => false,
        }
    }
}
