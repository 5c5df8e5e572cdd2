//! One composition while it is checked: what is known of its calls, graphs and inputs, growing pass by pass.

use std::sync::Arc;

use super::fragment::FragmentInfo;
use super::graph::Starts;
use super::mention::Input;
use super::outline::{CallId, GraphId, Outline};
use super::safety::Safety;
use super::world::{Served, World};
use crate::codec::JsonOptions;
use crate::expr::{Facts, PlaceType, Slot, Type};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::Span;
use crate::plan::{BackendIndex, Origin};
use crate::schema::MessageRef;
use crate::schema::json_schema::Operation;

/// Whom a call goes to.
#[derive(Clone, Debug)]
pub(super) enum Target<'s> {
    Fragment(FragmentInfo),
    Grpc {
        served: Served<'s>,
        input: MessageRef,
        output: MessageRef,
    },
    Http(BackendIndex, Arc<HttpTypes>),
    /// A value, or the same graph for each element.
    Inside,
    /// A diagnostic said what is wrong with it.
    Wrong,
}

/// What a schema says of an HTTP call.
#[derive(Clone, Debug, Default)]
pub(super) struct HttpTypes {
    /// What it answers.
    pub(super) reply: Option<Type>,
    /// What it is sent.
    pub(super) body: Option<PlaceType>,
    /// The operation that it is.
    pub(super) operation: Option<Operation>,
    /// Changes with the files that say so.
    pub(super) fingerprint: Vec<u8>,
}

/// What is known of a call.
#[derive(Clone, Debug)]
pub(super) struct CallState {
    pub(super) ty: Type,
    pub(super) slot: Slot,
    pub(super) error_slot: Option<Slot>,
    /// Where the mask of the fields goes that are used of its reply, if its request has one.
    pub(super) mask_slot: Option<Slot>,
    /// How its result is written as JSON.
    pub(super) options: JsonOptions,
}

/// What is known of a graph.
#[derive(Clone, Debug)]
pub(super) struct GraphState {
    pub(super) base: Slot,
    /// The first slot above it.
    pub(super) top: u32,
    /// Where the element of a `for` call goes, and its type once the list was checked.
    pub(super) variable: (Slot, Type),
    /// How the element is written as JSON.
    pub(super) options: JsonOptions,
}

/// What is known of the body of the request.
#[derive(Clone, Debug, Default)]
pub(super) enum BodyState {
    Bytes(Slot),
    Members(Vec<MemberState>),
    /// Not mentioned, or read by the binding of the shorthand.
    #[default]
    None,
    Whole(Slot, Type),
}

/// A mentioned member of the body.
#[derive(Clone, Debug)]
pub(super) struct MemberState {
    pub(super) path: Vec<Arc<str>>,
    pub(super) slot: Slot,
    pub(super) ty: Type,
}

/// What is known of the inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct InputState {
    /// By param.
    pub(super) params: Vec<(Slot, Type)>,
    pub(super) body: BodyState,
    /// Which fields of the body were given.
    pub(super) given: Option<Slot>,
    pub(super) request: Vec<(Input, Slot)>,
}

/// One composition while it is checked.
pub(super) struct Unit<'u, 's> {
    pub(super) world: &'u World<'s>,
    pub(super) outline: &'u Outline<'u>,
    pub(super) diagnostics: &'u mut Diagnostics,
    /// By call.
    pub(super) targets: Vec<Target<'s>>,
    /// By call.
    pub(super) starts: Starts,
    /// By call.
    pub(super) safety: Vec<Safety>,
    /// By call.
    pub(super) calls: Vec<CallState>,
    /// By graph.
    pub(super) graphs: Vec<GraphState>,
    pub(super) inputs: InputState,
    /// `json:` of the composition.
    pub(super) options: JsonOptions,
}

/// Where a template or expression stands.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) graph: GraphId,
    /// Variables of `$for` around it, outermost first.
    pub(super) locals: Vec<Local>,
    /// What is known not to be null.
    pub(super) facts: Facts,
    /// How values without a call of their own are written as JSON.
    pub(super) options: JsonOptions,
    pub(super) purpose: Purpose,
    /// The result of this call has this type here: for what is made of the reply itself.
    pub(super) reply: Option<(CallId, Type)>,
    /// The call whose `request:` this is.
    pub(super) request_of: Option<CallId>,
}

/// A variable of `$for`.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) name: Arc<str>,
    pub(super) slot: Slot,
    pub(super) ty: Type,
    pub(super) options: JsonOptions,
}

/// What a template is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Written as JSON.
    Render,
    /// Written as a message: the encoder takes values of any form that fits.
    Request,
    /// Written as JSON or text for a backend: canonical, whatever `json:` says (semantics.md 2.2).
    Send,
    /// Kept as a value, which has to have exactly the form of its type.
    Value,
}

impl Scope {
    /// Under a `$for`.
    pub(super) fn with_local(&self, local: Local) -> Self {
        let mut scope = self.clone();
        scope.locals.push(local);
        scope
    }

    /// Where more is known.
    pub(super) fn with_facts(&self, facts: &Facts) -> Self {
        let mut scope = self.clone();
        scope.facts.extend(facts.iter().cloned());
        scope
    }

    /// For another purpose.
    pub(super) fn for_purpose(&self, purpose: Purpose) -> Self {
        Self {
            purpose,
            ..self.clone()
        }
    }
}

impl Unit<'_, '_> {
    /// The scope of a graph, where nothing is known yet.
    pub(super) fn scope(&self, graph: GraphId, facts: &Facts, purpose: Purpose) -> Scope {
        Scope {
            graph,
            locals: Vec::new(),
            facts: facts.clone(),
            options: self.options,
            purpose,
            reply: None,
            request_of: None,
        }
    }

    pub(super) fn state(&self, call: CallId) -> &CallState {
        &self.calls[call.0]
    }

    pub(super) fn origin(&self, span: Span) -> Origin {
        self.world.origin(span)
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The free slot above all in scope.
    pub(super) fn top(&self, scope: &Scope) -> u32 {
        self.graphs[scope.graph.0].top + u32::try_from(scope.locals.len()).unwrap_or(u32::MAX)
    }

    /// Whether nulls may go somewhere without more ado.
    pub(super) fn place(ty: Type) -> PlaceType {
        let takes_null = ty.nullable;
        PlaceType { ty, takes_null }
    }
}
