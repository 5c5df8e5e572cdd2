//! The calls of one composition as a tree of graphs, its names, and who mentions what (semantics.md 4.1, 10).
//!
//! Owns the one flat namespace and the resolution of every free name. Invariant: a name that means nothing is reported here,
//! with its exact place, and nowhere else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::auth::Known;
use super::claims::Asked;
use super::mention::{BodyMentions, Input, Mentioner};
use super::walk::{Walker, Wants};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{SourceMap, Span};
use crate::language::spec::{Call, CallKind, Composition, Condition, ForBody, Head, Location, Name, Param, Template};
use crate::plan::{CREDENTIALS, CallIndex};
use crate::schema::suggest;

/// Names a call of an [`Outline`], inner ones included, in written order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallId(pub(super) usize);

/// Names a graph of an [`Outline`]; 0 is the composition's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GraphId(pub(super) usize);

/// The composition's own graph.
pub(super) const ROOT: GraphId = GraphId(0);

/// What a part of a composition mentions.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    /// Calls, in order of appearance, each once.
    pub(super) calls: Vec<CallId>,
    /// Inputs.
    pub(super) inputs: BTreeSet<Input>,
}

/// A call.
#[derive(Debug)]
pub(super) struct CallNode<'s> {
    pub(super) spec: &'s Call,
    pub(super) graph: GraphId,
    pub(super) index: CallIndex,
    /// The graph of a `for` call.
    pub(super) inner: Option<GraphId>,
    /// What its keys mention, `fallback` and inner calls left out.
    pub(super) reads: Reads,
    /// What its `fallback` mentions.
    pub(super) fallback: Reads,
    /// What the tags of its `cache` mention; it does not wait for that.
    pub(super) tags: Reads,
    /// `after:`.
    pub(super) after: Vec<CallId>,
    /// Somebody asks `error(call)`.
    pub(super) asked: bool,
}

/// Calls of one scope.
#[derive(Debug, Default)]
pub(super) struct GraphNode<'s> {
    /// The `for` call around it.
    pub(super) parent: Option<CallId>,
    pub(super) calls: Vec<CallId>,
    pub(super) variable: Option<&'s Name>,
    /// What each element gives; `None` for the composition's own graph.
    pub(super) result: Option<&'s Template>,
    /// What that mentions; for the composition's own graph what the response, its status, headers and cookies mention.
    pub(super) result_reads: Reads,
}

/// An input: declared, or a variable of the path.
#[derive(Clone, Debug)]
pub(super) struct ParamNode<'s> {
    pub(super) name: Arc<str>,
    pub(super) span: Span,
    pub(super) spec: Option<&'s Param>,
}

impl ParamNode<'_> {
    /// Comes from a cookie or a header with credentials (semantics.md 5.5).
    fn is_identity(&self, is_identity_header: impl Fn(&str) -> bool) -> bool {
        let Some(spec) = self.spec else { return false };
        match spec.location.as_ref().map(|it| it.value) {
            Some(Location::Cookie) => true,
            Some(Location::Header) => is_identity_header(&self.wire_name()),
            _ => false,
        }
    }

    /// The name on the wire, in lower case.
    pub(super) fn wire_name(&self) -> String {
        let name = self
            .spec
            .and_then(|it| it.wire_name.as_ref())
            .map_or(&self.name, |it| &it.value);
        name.to_ascii_lowercase()
    }
}

/// Headers that say who asks, whoever looks (semantics.md 5.5).
pub(super) fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|it| it == name)
}

/// One composition, taken apart.
#[derive(Debug)]
pub(super) struct Outline<'s> {
    pub(super) spec: &'s Composition,
    pub(super) calls: Vec<CallNode<'s>>,
    pub(super) graphs: Vec<GraphNode<'s>>,
    pub(super) params: Vec<ParamNode<'s>>,
    /// What each `require:` mentions.
    pub(super) require: Vec<Reads>,
    /// What the tags of its own `cache` mention; they are in no key.
    pub(super) tags: Reads,
    /// Every place where a part of `body` is mentioned.
    pub(super) body_mentions: BodyMentions,
    /// What `allow` mentions; that is in no key.
    pub(super) allow: Reads,
    /// Who is asked; `None` where nobody is.
    pub(super) auth: Option<Asked>,
    /// Headers, in lower case, that providers of identity read.
    pub(super) credentials: Vec<Arc<str>>,
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Auth,
    Body,
    Call(CallId),
    /// A variable of `$for`, by its place among those in scope.
    Local(usize),
    Param(usize),
    Request,
    /// The variable of a `for` call.
    Variable(GraphId),
    Vars,
}

impl<'s> Outline<'s> {
    /// Takes a completed composition apart, checks its names and resolves its mentions. `variables` are those of the path
    /// that nobody declared.
    pub(super) fn new(
        spec: &'s Composition,
        variables: Vec<ParamNode<'s>>,
        (sources, vars): (&SourceMap, &[Arc<str>]),
        (auth, known): (Option<Asked>, &[Known]),
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let declared = spec.params.iter().map(|it| ParamNode {
            name: it.name.value.clone(),
            span: it.name.span,
            spec: Some(it),
        });
        let mut outline = Self {
            spec,
            calls: Vec::new(),
            graphs: Vec::new(),
            params: declared.chain(variables).collect(),
            require: Vec::new(),
            tags: Reads::default(),
            body_mentions: Vec::new(),
            allow: Reads::default(),
            auth,
            credentials: known.iter().flat_map(|it| it.headers.iter().cloned()).collect(),
        };
        outline.add_graph(&spec.calls, None, None, None);
        outline.check_names(diagnostics);
        outline.add_mentions(sources, vars, diagnostics);
        outline
    }

    pub(super) fn call(&self, id: CallId) -> &CallNode<'s> {
        &self.calls[id.0]
    }

    pub(super) fn graph(&self, id: GraphId) -> &GraphNode<'s> {
        &self.graphs[id.0]
    }

    /// Whether a header, in lower case, says who asks (semantics.md 5.5).
    pub(super) fn is_identity_header(&self, name: &str) -> bool {
        is_credential(name) || self.credentials.iter().any(|it| **it == *name)
    }

    /// Whether a param says who asks.
    pub(super) fn is_identity_param(&self, at: usize) -> bool {
        self.params[at].is_identity(|name| self.is_identity_header(name))
    }

    /// Whether it is a fragment.
    pub(super) fn is_fragment(&self) -> bool {
        matches!(self.spec.head, Head::Fragment { .. })
    }

    /// The graphs from this one outwards.
    pub(super) fn chain(&self, graph: GraphId) -> impl Iterator<Item = GraphId> + '_ {
        std::iter::successors(Some(graph), |it| Some(self.call(self.graph(*it).parent?).graph))
    }

    /// The call of `graph` that `call` is or is inside of.
    pub(super) fn lift(&self, call: CallId, graph: GraphId) -> Option<CallId> {
        std::iter::successors(Some(call), |it| self.graph(self.call(*it).graph).parent)
            .find(|it| self.call(*it).graph == graph)
    }

    /// A call and all calls inside it.
    pub(super) fn with_inner(&self, call: CallId) -> Vec<CallId> {
        let mut all = vec![call];
        if let Some(inner) = self.call(call).inner {
            for it in &self.graph(inner).calls {
                all.extend(self.with_inner(*it));
            }
        }
        all
    }

    /// Conditions of the `for` calls around a graph, outermost first.
    pub(super) fn given(&self, graph: GraphId) -> Vec<&'s Condition> {
        let mut given: Vec<_> = self
            .chain(graph)
            .filter_map(|it| self.call(self.graph(it).parent?).spec.when.as_ref())
            .collect();
        given.reverse();
        given
    }

    /// What a name means in a graph, under these variables of `$for`.
    pub(super) fn meaning<'n>(
        &self,
        graph: GraphId,
        locals: impl DoubleEndedIterator<Item = &'n str> + ExactSizeIterator,
        name: &str,
    ) -> Option<Meaning> {
        let mut locals = locals.enumerate();
        let local = locals.rfind(|(_, it)| *it == name);
        if let Some((at, _)) = local {
            return Some(Meaning::Local(at));
        }
        for it in self.chain(graph) {
            if self.graph(it).variable.is_some_and(|variable| &*variable.value == name) {
                return Some(Meaning::Variable(it));
            }
            if let Some(call) = self
                .graph(it)
                .calls
                .iter()
                .find(|call| &*self.call(**call).spec.name.value == name)
            {
                return Some(Meaning::Call(*call));
            }
        }
        if let Some(at) = self.params.iter().position(|it| &*it.name == name) {
            return Some(Meaning::Param(at));
        }
        match name {
            "auth" => Some(Meaning::Auth),
            "body" => Some(Meaning::Body),
            "request" => Some(Meaning::Request),
            "vars" => Some(Meaning::Vars),
            _ => None,
        }
    }

    /// Where a name was given to something that is visible everywhere or nowhere else: params, and calls of every graph.
    pub(super) fn taken(&self, name: &str) -> Option<Span> {
        let call = self
            .calls
            .iter()
            .find(|it| &*it.spec.name.value == name)
            .map(|it| it.spec.name.span);
        call.or_else(|| self.params.iter().find(|it| &*it.name == name).map(|it| it.span))
    }

    fn add_graph(
        &mut self,
        calls: &'s [Call],
        parent: Option<CallId>,
        variable: Option<&'s Name>,
        result: Option<&'s Template>,
    ) -> GraphId {
        let graph = GraphId(self.graphs.len());
        self.graphs.push(GraphNode {
            parent,
            variable,
            result,
            ..GraphNode::default()
        });
        for (at, spec) in calls.iter().enumerate() {
            let id = CallId(self.calls.len());
            self.calls.push(CallNode {
                spec,
                graph,
                index: CallIndex(at),
                inner: None,
                reads: Reads::default(),
                fallback: Reads::default(),
                tags: Reads::default(),
                after: Vec::new(),
                asked: false,
            });
            self.graphs[graph.0].calls.push(id);
            if let Some(CallKind::For {
                variable,
                each: ForBody::Calls { calls, response },
                ..
            }) = &spec.kind
            {
                let inner = self.add_graph(calls, Some(id), Some(variable), response.as_ref());
                self.calls[id.0].inner = Some(inner);
            }
        }
        graph
    }

    fn check_names(&self, diagnostics: &mut Diagnostics) {
        let mut taken: BTreeMap<&str, Span> = BTreeMap::new();
        let calls = self.calls.iter().filter(|it| {
            // The one-call form of `for` gives its call the name of the whole.
            let parent = self.graph(it.graph).parent;
            parent.is_none_or(|parent| self.call(parent).spec.name != it.spec.name)
        });
        let names = self
            .params
            .iter()
            .map(|it| (&*it.name, it.span))
            .chain(calls.map(|it| (&*it.spec.name.value, it.spec.name.span)));
        for (name, span) in names {
            if name == "vars" {
                let title = "the name `vars` is taken";
                diagnostics
                    .push(Diagnostic::new("name-taken", span, title).label("it means the constants of weft.yaml"));
            }
            match taken.get(name) {
                Some(first) => diagnostics.push(name_taken(name, span, *first)),
                None => drop(taken.insert(name, span)),
            }
        }
        for (at, graph) in self.graphs.iter().enumerate() {
            let Some(variable) = graph.variable else { continue };
            let mut outer = self.chain(GraphId(at)).skip(1).filter_map(|it| self.graph(it).variable);
            let first = outer.find(|it| it.value == variable.value).map(|it| it.span);
            if let Some(first) = self.taken(&variable.value).or(first) {
                diagnostics.push(name_taken(&variable.value, variable.span, first));
            }
        }
    }

    fn add_mentions(&mut self, sources: &SourceMap, vars: &[Arc<str>], diagnostics: &mut Diagnostics) {
        let wants = Wants::default();
        let mut mentioner = Mentioner::new(sources, vars, diagnostics);
        for at in 0..self.calls.len() {
            let node = &self.calls[at];
            let graph = node.graph;
            let mut reads = Reads::default();
            let mut fallback = Reads::default();
            Walker::new(Vec::new(), |site| {
                let into = if site.fallback { &mut fallback } else { &mut reads };
                mentioner.site(self, graph, site, into);
            })
            .call(node.spec, &wants);
            let mut tags = Reads::default();
            Walker::new(Vec::new(), |site| mentioner.site(self, graph, site, &mut tags)).tags(node.spec.cache.as_ref());
            let after = node
                .spec
                .after
                .iter()
                .filter_map(|it| mentioner.after(self, graph, it))
                .collect();
            let node = &mut self.calls[at];
            (node.reads, node.fallback, node.tags, node.after) = (reads, fallback, tags, after);
        }
        for at in 0..self.graphs.len() {
            let mut reads = Reads::default();
            if let Some(result) = self.graphs[at].result {
                Walker::new(Vec::new(), |site| mentioner.site(self, GraphId(at), site, &mut reads))
                    .template(result, &super::walk::Want::Free);
            }
            self.graphs[at].result_reads = reads;
        }
        let mut reads = Reads::default();
        let spec = self.spec;
        let mut walker = Walker::new(Vec::new(), |site| mentioner.site(self, ROOT, site, &mut reads));
        let free = super::walk::Want::Free;
        for it in spec
            .response
            .iter()
            .chain(&spec.status)
            .chain(spec.headers.iter().map(|(_, it)| it))
        {
            walker.template(it, &free);
        }
        for it in &spec.cookies {
            walker.template(&it.value, &free);
        }
        for it in spec.invalidate.iter().flat_map(|it| &it.value) {
            walker.template(it, &free);
        }
        drop(walker);
        self.graphs[ROOT.0].result_reads = reads;
        let mut tags = Reads::default();
        Walker::new(Vec::new(), |site| mentioner.site(self, ROOT, site, &mut tags)).tags(spec.cache.as_ref());
        self.tags = tags;
        if let Some(allow) = &spec.allow {
            let mut reads = Reads::default();
            Walker::new(Vec::new(), |site| mentioner.site(self, ROOT, site, &mut reads)).condition(allow);
            self.allow = reads;
        }
        for it in &spec.require {
            let mut reads = Reads::default();
            let mut walker = Walker::new(Vec::new(), |site| mentioner.site(self, ROOT, site, &mut reads));
            walker.condition(&it.that);
            if let Some(detail) = &it.detail {
                walker.template(detail, &free);
            }
            drop(walker);
            self.require.push(reads);
        }
        let (asked, body) = mentioner.into_found();
        for it in asked {
            self.calls[it.0].asked = true;
        }
        self.body_mentions = body;
    }

    /// Names that an expression may use in a graph.
    pub(super) fn visible(&self, graph: GraphId) -> Vec<&str> {
        let mut names: Vec<&str> = self.params.iter().map(|it| &*it.name).collect();
        for it in self.chain(graph) {
            names.extend(self.graph(it).variable.map(|it| &*it.value));
            names.extend(
                self.graph(it)
                    .calls
                    .iter()
                    .map(|call| &*self.call(*call).spec.name.value),
            );
        }
        names
    }

    /// The nearest visible name.
    pub(super) fn nearest(&self, graph: GraphId, name: &str) -> Option<&str> {
        suggest::nearest(name, self.visible(graph))
    }
}

impl Reads {
    /// Adds a call, once.
    pub(super) fn add_call(&mut self, call: CallId) {
        if !self.calls.contains(&call) {
            self.calls.push(call);
        }
    }
}

/// A name that is given twice.
pub(super) fn name_taken(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new("name-taken", span, format!("the name `{name}` is taken"))
        .label("every name of a composition means one thing")
        .other(first, "first given here")
}
