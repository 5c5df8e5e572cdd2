//! The graphs of an endpoint, walked once: stages, and when each call starts and ends at the latest.
//!
//! Graphs lie in an arena: the endpoint's own is 0, and each `for` and each composed fragment adds one below the call that
//! it belongs to. Invariant: a fragment sees nothing of what is around it, so it has no parent.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::{Node, OnFailure, Reason, Wait, dependency, does, is_lazy};
use crate::plan::{Call, CallIndex, CallKind, Dependency, Graph, GrpcRequest, Mention, Plan, Recipe};

/// All graphs of an endpoint.
pub(super) struct Schedule<'p> {
    pub(super) plan: &'p Plan,
    pub(super) recipe: &'p Recipe,
    levels: RefCell<Vec<Level<'p>>>,
}

/// A graph where it stands.
struct Level<'p> {
    graph: &'p Graph,
    /// The graph around it, as expressions see it.
    parent: Option<usize>,
    /// The call that it belongs to, and that call's graph.
    owner: Option<(usize, CallIndex)>,
    start: Duration,
    /// No call of it lasts longer.
    cap: Duration,
    times: Vec<Cell<Option<Times>>>,
}

/// When a call runs.
#[derive(Clone, Copy)]
struct Times {
    stage: usize,
    start: Duration,
    end: Duration,
    inner: Option<usize>,
}

impl<'p> Schedule<'p> {
    pub(super) fn of(plan: &'p Plan, recipe: &'p Recipe) -> Self {
        let schedule = Self {
            plan,
            recipe,
            levels: RefCell::default(),
        };
        let root = schedule.add(&recipe.graph, None, None, (Duration::ZERO, recipe.timeout));
        schedule.run(root);
        schedule
    }

    fn add(
        &self,
        graph: &'p Graph,
        parent: Option<usize>,
        owner: Option<(usize, CallIndex)>,
        (start, cap): (Duration, Duration),
    ) -> usize {
        let mut levels = self.levels.borrow_mut();
        levels.push(Level {
            graph,
            parent,
            owner,
            start,
            cap,
            times: graph.calls.iter().map(|_| Cell::new(None)).collect(),
        });
        levels.len() - 1
    }

    fn run(&self, level: usize) {
        for at in 0..self.graph(level).calls.len() {
            self.times(level, CallIndex(at));
        }
    }

    pub(super) fn n_levels(&self) -> usize {
        self.levels.borrow().len()
    }

    pub(super) fn graph(&self, level: usize) -> &'p Graph {
        self.levels.borrow()[level].graph
    }

    pub(super) fn owner(&self, level: usize) -> Option<(usize, CallIndex)> {
        self.levels.borrow()[level].owner
    }

    /// The graph so many levels around this one; `None` beyond a fragment.
    pub(super) fn up(&self, level: usize, n: usize) -> Option<usize> {
        let levels = self.levels.borrow();
        (0..n).try_fold(level, |it, _| levels[it].parent)
    }

    /// The outermost graph of the fragment that a graph belongs to, however many `for` are between.
    pub(super) fn fragment(&self, level: usize) -> Option<usize> {
        let levels = self.levels.borrow();
        let mut outermost = level;
        while let Some(parent) = levels[outermost].parent {
            outermost = parent;
        }
        (outermost != 0).then_some(outermost)
    }

    pub(super) fn call(&self, level: usize, call: CallIndex) -> Option<&'p Call> {
        self.graph(level).calls.get(call.0)
    }

    pub(super) fn inner(&self, level: usize, call: CallIndex) -> Option<usize> {
        self.times(level, call).inner
    }

    /// The name of a call, within a fragment behind that of the call which composes it.
    pub(super) fn name(&self, level: usize, call: CallIndex) -> Arc<str> {
        let name = self.call(level, call).map(|it| it.name.clone()).unwrap_or_default();
        match self.fragment(level).and_then(|it| self.owner(it)) {
            Some((around, owner)) => format!("{}.{name}", self.name(around, owner)).into(),
            None => name,
        }
    }

    fn times(&self, level: usize, index: CallIndex) -> Times {
        let (known, level_start, cap) = {
            let levels = self.levels.borrow();
            let level = &levels[level];
            (level.times.get(index.0).and_then(Cell::get), level.start, level.cap)
        };
        if let Some(known) = known {
            return known;
        }
        let (mut stage, mut start, mut inner) = (0, level_start, None);
        let Some(call) = self.call(level, index) else {
            let end = start;
            return Times {
                stage,
                start,
                end,
                inner,
            };
        };
        for before in self.befores(level, index, call) {
            let Some(at) = self.up(level, before.level) else {
                continue;
            };
            let times = self.times(at, before.call);
            start = start.max(times.end);
            if before.level == 0 {
                stage = stage.max(times.stage);
            }
        }
        let own = call.timeout.map_or(cap, |it| cap.min(start + it));
        let mut nested = |graph: &'p Graph, parent| {
            let added = self.add(graph, parent, Some((level, index)), (start, own));
            inner = Some(added);
            self.run(added);
            self.latest_of(added)
        };
        let end = match &call.kind {
            CallKind::Grpc(_) | CallKind::Http(_) => own,
            CallKind::Value(_) => start,
            CallKind::Compose { fragment, .. } => {
                let fragment = self.plan.fragments.get(fragment.0);
                fragment.map_or(start, |it| nested(&it.graph, None))
            }
            CallKind::For(each) => nested(&each.graph, Some(level)),
        };
        // A fallback that has a call made waits for that too.
        let asked = call.fallback.iter().flat_map(|it| &it.needs).filter(|it| it.level == 0);
        let lazy = asked.filter_map(|it| self.call(level, it.call).filter(|it| is_lazy(it)));
        let end = lazy.fold(end, |end, it| cap.min(end + it.timeout.unwrap_or(cap)).max(end));
        let times = Times {
            stage: stage + usize::from(!matches!(call.kind, CallKind::Value(_))),
            start,
            end,
            inner,
        };
        if let Some(cell) = self.levels.borrow()[level].times.get(index.0) {
            cell.set(Some(times));
        }
        times
    }

    /// What has to be settled before a call starts; for one that a fallback asks for, also what that fallback's call needs.
    fn befores(&self, level: usize, index: CallIndex, call: &Call) -> Vec<Dependency> {
        let mut befores = call.needs.clone();
        if is_lazy(call) {
            for other in &self.graph(level).calls {
                let mut asked = other.fallback.iter().flat_map(|it| &it.needs);
                if asked.any(|it| it.level == 0 && it.call == index) {
                    befores.extend(&other.needs);
                }
            }
        }
        befores
    }

    fn latest_of(&self, level: usize) -> Duration {
        let levels = self.levels.borrow();
        let times = levels[level].times.iter().filter_map(Cell::get);
        times.map(|it| it.end).max().unwrap_or(levels[level].start)
    }

    /// When the last call is settled at the latest.
    pub(super) fn latest(&self) -> Duration {
        self.latest_of(0)
    }

    /// From the call that ends last back to one that waits for nothing.
    pub(super) fn critical(&self) -> Vec<Arc<str>> {
        let calls = &self.recipe.graph.calls;
        // Of those that end at one time, the one with the longest way before it.
        let rank = |it: &usize| {
            let times = self.times(0, CallIndex(*it));
            (times.end, times.stage, Reverse(*it))
        };
        let mut last = (0..calls.len()).filter(|it| !is_lazy(&calls[*it])).max_by_key(rank);
        let mut chain = Vec::new();
        while let Some(at) = last {
            if !matches!(calls[at].kind, CallKind::Value(_)) {
                chain.push(self.name(0, CallIndex(at)));
            }
            let before = calls[at].needs.iter().filter(|it| it.level == 0);
            last = before.map(|it| it.call.0).max_by_key(rank);
        }
        chain.reverse();
        chain
    }

    /// Calls that may use up the endpoint's time by themselves, and whether the response can do without them.
    pub(super) fn hogs(&self) -> Vec<(Arc<str>, bool)> {
        let mut found = Vec::new();
        for level in 0..self.n_levels() {
            for (at, call) in self.graph(level).calls.iter().enumerate() {
                let index = CallIndex(at);
                let is_sent = matches!(call.kind, CallKind::Grpc(_) | CallKind::Http(_));
                let own = call.timeout.is_none_or(|it| it >= self.recipe.timeout);
                if is_sent && own && !is_lazy(call) {
                    found.push((self.name(level, index), self.is_dispensable(level, index)));
                }
            }
        }
        found
    }

    /// The call or one around it has something that stands in.
    fn is_dispensable(&self, level: usize, index: CallIndex) -> bool {
        let own = self.call(level, index);
        own.is_some_and(|it| it.optional || it.fallback.is_some())
            || self
                .owner(level)
                .is_some_and(|(around, owner)| self.is_dispensable(around, owner))
    }

    pub(super) fn nodes(&self) -> Vec<Node> {
        self.nodes_of(0)
    }

    fn nodes_of(&self, level: usize) -> Vec<Node> {
        let calls = self.graph(level).calls.iter().enumerate();
        calls.map(|(at, call)| self.node(level, CallIndex(at), call)).collect()
    }

    fn node(&self, level: usize, index: CallIndex, call: &'p Call) -> Node {
        let times = self.times(level, index);
        let (does, backend) = does(self.plan, call);
        let is_unsafe = matches!(call.kind, CallKind::Grpc(_) | CallKind::Http(_)) && !call.safe;
        let has_requires = !self.graph(level).require.is_empty() || !self.recipe.graph.require.is_empty();
        let when = call.mentions.iter().find(|it| &*it.key == "when");
        let when = when.map_or_else(|| "…".to_owned(), |it| format!("${}", it.expression));
        Node {
            name: call.name.clone(),
            does,
            backend,
            stage: times.stage,
            waits: self.waits_at(level, &call.mentions),
            after_requires: has_requires && (call.effect || is_unsafe),
            only_for_fallback: is_lazy(call),
            timeout: call.timeout.map(|it| it.min(self.longest(level))),
            starts_by: times.start,
            ends_by: times.end,
            failure: OnFailure::of(call),
            when: call.when.is_some().then_some(when),
            cache: call.cache.as_ref().map(|it| it.keep.ttl),
            policy: call.policy,
            is_unsafe,
            at_once: match &call.kind {
                CallKind::For(each) => Some(each.max_concurrency),
                _ => None,
            },
            inner: times.inner.map(|it| self.nodes_of(it)).unwrap_or_default(),
            origin: call.origin.clone(),
        }
    }

    /// How long anything of a graph may take: as long as what is around it.
    fn longest(&self, level: usize) -> Duration {
        let Some((around, owner)) = self.owner(level) else {
            return self.recipe.timeout;
        };
        let own = self.call(around, owner).and_then(|it| it.timeout);
        own.unwrap_or(Duration::MAX).min(self.longest(around))
    }

    /// Whom a part of the endpoint's own graph waits for.
    pub(super) fn waits(&self, mentions: &[Mention]) -> Vec<Wait> {
        self.waits_at(0, mentions)
    }

    fn waits_at(&self, level: usize, mentions: &[Mention]) -> Vec<Wait> {
        let mut waits: Vec<Wait> = Vec::new();
        for mention in mentions {
            let Some(on) = dependency(mention) else { continue };
            let Some(call) = self.up(level, on.level).and_then(|it| self.call(it, on.call)) else {
                continue;
            };
            let in_fallback = mention.key.starts_with("fallback");
            let reason = Reason::of(mention);
            let known = waits
                .iter_mut()
                .find(|it| it.on == call.name && it.in_fallback == in_fallback);
            match known {
                Some(wait) => wait.reasons.push(reason),
                None => waits.push(Wait {
                    on: call.name.clone(),
                    in_fallback,
                    reasons: vec![reason],
                }),
            }
        }
        waits
    }

    /// Every mention of the endpoint and of what it composes.
    pub(super) fn each_mention(&self, visit: &mut dyn FnMut(&'p Mention)) {
        let graphs: Vec<&'p Graph> = self.levels.borrow().iter().map(|it| it.graph).collect();
        for graph in graphs {
            for call in &graph.calls {
                call.mentions.iter().for_each(&mut *visit);
                match &call.kind {
                    CallKind::For(each) => each.mentions.iter().for_each(&mut *visit),
                    CallKind::Compose { fragment, .. } => {
                        let fragment = self.plan.fragments.get(fragment.0);
                        fragment.into_iter().flat_map(|it| &it.mentions).for_each(&mut *visit);
                    }
                    CallKind::Grpc(_) | CallKind::Http(_) | CallKind::Value(_) => {}
                }
            }
            let requires = graph.require.iter().flat_map(|it| &it.mentions);
            requires.for_each(&mut *visit);
        }
        self.recipe.response.mentions.iter().for_each(visit);
    }

    /// True where a call takes its request from the HTTP request as google.api.http says.
    pub(super) fn is_bound(&self) -> bool {
        let mut calls = self.recipe.graph.calls.iter();
        calls.any(|it| matches!(&it.kind, CallKind::Grpc(grpc) if matches!(grpc.request, GrpcRequest::Bound(_))))
    }
}
