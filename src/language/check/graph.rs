//! The schedule: cycles, which calls are needed, and in which order they are checked (semantics.md 4.1–4.3).

use std::collections::BTreeSet;

use super::outline::{CallId, GraphId, Outline, ROOT, Reads};
use super::safety::Safety;
use crate::language::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::language::source::SourceMap;
use crate::language::spec::{CallKind, Name};
use crate::plan::{Dependency, Start};

/// When each call starts; `None` for one that nobody reads.
pub(super) type Starts = Vec<Option<Start>>;

/// Refuses cycles, `fallback` and `after` edges included. True where there is none.
pub(super) fn check_cycles(outline: &Outline<'_>, diagnostics: &mut Diagnostics) -> bool {
    let state = vec![State::Unseen; outline.calls.len()];
    let mut search = Search {
        outline,
        state,
        path: Vec::new(),
        reported: BTreeSet::new(),
        diagnostics,
    };
    for at in 0..outline.calls.len() {
        search.visit(CallId(at));
    }
    search.reported.is_empty()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    Open,
    Done,
}

/// A search for cycles, deep first.
struct Search<'g> {
    outline: &'g Outline<'g>,
    state: Vec<State>,
    path: Vec<CallId>,
    reported: BTreeSet<CallId>,
    diagnostics: &'g mut Diagnostics,
}

impl Search<'_> {
    fn visit(&mut self, call: CallId) {
        match self.state[call.0] {
            State::Done => return,
            State::Open => {
                let from = self.path.iter().position(|it| *it == call).unwrap_or_default();
                let cycle = &self.path[from..];
                // One message for each cycle, wherever the search came upon it.
                if !cycle.iter().any(|it| self.reported.contains(it)) {
                    report(self.outline, cycle, self.diagnostics);
                }
                self.reported.extend(cycle);
                return;
            }
            State::Unseen => self.state[call.0] = State::Open,
        }
        self.path.push(call);
        for next in edges(self.outline, call) {
            self.visit(next);
        }
        self.path.pop();
        self.state[call.0] = State::Done;
    }
}

/// Everything that must be settled before a call is.
fn edges(outline: &Outline<'_>, call: CallId) -> Vec<CallId> {
    let mut edges = before(outline, call);
    if let Some(inner) = outline.call(call).inner {
        let graph = outline.graph(inner);
        edges.extend(graph.calls.iter().chain(&graph.result_reads.calls));
    }
    edges
}

fn report(outline: &Outline<'_>, cycle: &[CallId], diagnostics: &mut Diagnostics) {
    let start = cycle
        .iter()
        .enumerate()
        .min_by_key(|(_, it)| **it)
        .map_or(0, |(at, _)| at);
    let turned: Vec<_> = cycle[start..].iter().chain(&cycle[..start]).collect();
    let mut names: Vec<&str> = turned.iter().map(|it| &*outline.call(**it).spec.name.value).collect();
    names.dedup();
    let first = names.first().copied().unwrap_or_default();
    if names.len() == 1 || names.last() != Some(&first) {
        names.push(first);
    }
    let span = turned
        .first()
        .map_or_else(Default::default, |it| outline.call(**it).spec.name.span);
    let mut diagnostic = Diagnostic::new(
        "cycle",
        span,
        format!("these calls wait for one another: {}", names.join(" → ")),
    )
    .label("can never start");
    for it in turned.iter().skip(1) {
        diagnostic = diagnostic.other(outline.call(**it).spec.name.span, "waits as well");
    }
    diagnostics.push(diagnostic);
}

/// The calls of a graph, each behind those that it or a call inside it mentions; in written order as far as that allows.
pub(super) fn order(outline: &Outline<'_>, graph: GraphId) -> Vec<CallId> {
    fn place(
        outline: &Outline<'_>,
        graph: GraphId,
        call: CallId,
        ordered: &mut Vec<CallId>,
        seen: &mut BTreeSet<CallId>,
    ) {
        if !seen.insert(call) {
            return;
        }
        for inside in outline.with_inner(call) {
            for edge in edges(outline, inside) {
                match outline.lift(edge, graph) {
                    Some(before) if before != call => place(outline, graph, before, ordered, seen),
                    _ => {}
                }
            }
        }
        ordered.push(call);
    }
    let mut ordered = Vec::new();
    let mut seen = BTreeSet::new();
    for call in &outline.graph(graph).calls {
        place(outline, graph, *call, &mut ordered, &mut seen);
    }
    ordered
}

/// Which calls are made: as soon as they can be, only for a fallback, or never, which is an error.
pub(super) fn starts(
    outline: &Outline<'_>,
    safety: &[Safety],
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Starts {
    let effect: &dyn Fn(CallId) -> bool = &|it| safety[it.0].effect;
    let mut starts: Starts = vec![None; outline.calls.len()];
    let mut open: Vec<CallId> = outline.graph(ROOT).result_reads.calls.clone();
    open.extend(outline.require.iter().flat_map(|it| it.calls.iter().copied()));
    open.extend(
        (0..outline.calls.len())
            .map(CallId)
            .filter(|it| effect(*it) && outline.graph(outline.call(*it).graph).parent.is_none()),
    );
    // A `for` call in which something has an effect is made although nobody reads it.
    open.extend(
        outline
            .graph(ROOT)
            .calls
            .iter()
            .filter(|it| outline.with_inner(**it).iter().any(|it| effect(*it))),
    );
    spread(outline, effect, open, None, &mut starts);
    loop {
        let in_use = (0..outline.calls.len()).map(CallId).filter(|it| starts[it.0].is_some());
        let fallbacks: Vec<_> = in_use
            .flat_map(|it| outline.call(it).fallback.calls.iter().copied())
            .filter(|it| starts[it.0].is_none())
            .collect();
        if fallbacks.is_empty() {
            break;
        }
        for it in fallbacks {
            spread(outline, effect, vec![it], Some(outline.call(it).graph), &mut starts);
        }
    }
    for (at, start) in starts.iter().enumerate() {
        let node = outline.call(CallId(at));
        // What is inside a call that nobody reads is not worth a second message.
        let around = outline.graph(node.graph).parent;
        let name = &node.spec.name;
        if start.is_none()
            && around.is_none_or(|it| starts[it.0].is_some())
            && !may_be_read_by_a_mistake(outline, name, sources, diagnostics)
        {
            let title = format!("nothing reads the call `{}`", name.value);
            let unread = Diagnostic::new("unread-call", name.span, title)
                .label("it would never be made: mention it, or remove it");
            diagnostics.push(
                if safety[at].safe || matches!(node.spec.kind, Some(CallKind::Value(_))) {
                    unread
                } else {
                    unread.help("effect: true")
                },
            );
        }
    }
    starts
}

/// Whether something that could not be read may mention the call: then that was said already.
fn may_be_read_by_a_mistake(
    outline: &Outline<'_>,
    name: &Name,
    sources: &SourceMap,
    diagnostics: &Diagnostics,
) -> bool {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let mentions = |text: &str| text.split(|it| !is_word(it)).any(|it| it == &*name.value);
    let file = outline.spec.file;
    let text = sources.file(file).map_or("", |it| &*it.text);
    let (start, end) = (name.span.start as usize, name.span.end as usize);
    let elsewhere = [text.get(..start), text.get(end..)];
    // Nobody wrote the name of the short form's call.
    let mentioned = sources.written(name.span) != &*name.value || elsewhere.into_iter().flatten().any(mentions);
    let mut mistakes = diagnostics
        .iter()
        .filter(|it| it.severity == Severity::Error && it.span.file == file && it.code != "unread-call");
    mistakes.any(|it| mentioned || mentions(&it.label))
}

/// Marks calls and all that they mention as made; where they are made for a fallback, which graph that stands in. Inside a
/// `for` call that is made for a fallback, calls start as they always do.
fn spread(
    outline: &Outline<'_>,
    effect: &dyn Fn(CallId) -> bool,
    mut open: Vec<CallId>,
    fallback: Option<GraphId>,
    starts: &mut Starts,
) {
    while let Some(call) = open.pop() {
        if starts[call.0].is_some() {
            continue;
        }
        let node = outline.call(call);
        let outside = fallback.is_some_and(|it| outline.chain(it).any(|around| around == node.graph));
        starts[call.0] = Some(if outside { Start::OnFallback } else { Start::Eager });
        open.extend(node.reads.calls.iter().chain(&node.after));
        if let Some(inner) = node.inner {
            let graph = outline.graph(inner);
            open.extend(&graph.result_reads.calls);
            open.extend(
                graph
                    .calls
                    .iter()
                    .filter(|it| outline.with_inner(**it).iter().any(|it| effect(*it))),
            );
        }
    }
}

/// What a part of `graph` waits for, as the plan names it.
pub(super) fn dependencies(outline: &Outline<'_>, graph: GraphId, reads: &Reads, after: &[CallId]) -> Vec<Dependency> {
    let mut all: Vec<_> = reads
        .calls
        .iter()
        .chain(after)
        .filter_map(|it| {
            let node = outline.call(*it);
            let level = outline.chain(graph).position(|around| around == node.graph)?;
            Some(Dependency {
                level,
                call: node.index,
            })
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What a call waits for before it starts, inner calls left out; of what its fallback mentions it waits afterwards, which takes
/// as long.
pub(super) fn before(outline: &Outline<'_>, call: CallId) -> Vec<CallId> {
    let node = outline.call(call);
    let parts = node.reads.calls.iter().chain(&node.after).chain(&node.fallback.calls);
    parts.copied().collect()
}

/// Every call that must be settled before this one, near and far.
pub(super) fn ancestors(outline: &Outline<'_>, call: CallId) -> BTreeSet<CallId> {
    let mut all = BTreeSet::new();
    let mut open = edges(outline, call);
    while let Some(next) = open.pop() {
        if all.insert(next) {
            open.extend(edges(outline, next));
        }
    }
    all
}
