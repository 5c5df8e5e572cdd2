//! Calls and their graphs: each checked behind what it mentions, so that the types of those are known (semantics.md 13).

use std::time::Duration;

use super::backend;
use super::complete;
use super::error_rule;
use super::expression::list_of;
use super::graph::{dependencies, order};
use super::mention::Input;
use super::object::is_poisoned;
use super::outline::{CallId, GraphId, Reads};
use super::protection;
use super::template::{Typed, null};
use super::unit::{Purpose, Scope, Target, Unit};
use super::world::{listed, named};
use crate::codec::HttpBinding;
use crate::expr::{Encoder, Facts, PlaceType, Program, ReplyReader, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::spec::{CallKind, Name, Template};
use crate::plan::{self, GrpcRequest, Start};
use crate::schema::suggest;
use crate::schema::{Cardinality, Kind, MessageRef, Presence};

/// A kind of call as the plan has it, and the type of its reply.
pub(super) struct Made {
    pub(super) kind: plan::CallKind,
    pub(super) ty: Type,
    pub(super) timeout: Option<Duration>,
}

impl Unit<'_, '_> {
    /// Checks a graph; `facts` are known in all of it. `bound` is how the shorthand's call gets its request.
    pub(super) fn graph(
        &mut self,
        graph: GraphId,
        facts: &Facts,
        bound: Option<&std::sync::Arc<HttpBinding>>,
    ) -> plan::Graph {
        let mut calls: Vec<_> = order(self.outline, graph)
            .into_iter()
            .filter_map(|it| Some((it, self.call(it, facts, bound)?)))
            .collect();
        calls.sort_by_key(|(id, _)| *id);
        let masks = calls.iter().enumerate().filter_map(|(at, (id, _))| {
            Some(plan::Mask {
                call: plan::CallIndex(at),
                slot: self.state(*id).mask_slot?,
                wire: bytes::Bytes::new(),
            })
        });
        let masks = masks.collect();
        let state = &self.graphs[graph.0];
        plan::Graph {
            base: state.base,
            n_slots: state.top - state.base.0,
            calls: calls.into_iter().map(|(_, it)| it).collect(),
            require: Vec::new(),
            masks,
        }
    }

    fn call(&mut self, id: CallId, facts: &Facts, bound: Option<&std::sync::Arc<HttpBinding>>) -> Option<plan::Call> {
        let node = self.outline.call(id);
        let spec = node.spec;
        let mut scope = self.scope(node.graph, facts, Purpose::Value);
        let mut when = None;
        if let Some(condition) = &spec.when {
            match self.plan_condition(condition, &scope) {
                Some((condition, facts)) => {
                    scope = scope.with_facts(&facts);
                    when = Some(condition);
                }
                None => scope = scope.with_facts(&self.facts_of(condition, &scope)),
            }
        }
        let made = self.kind(id, &scope, bound);
        let reply = made.as_ref().map_or_else(Type::unknown, |it| it.ty.clone());
        let (index_by, mut ty) = match &spec.index_by {
            Some(path) => self
                .index_by(id, path, &reply, &scope)
                .map_or((None, Type::unknown()), |(program, ty)| (Some(program), ty)),
            None => (None, reply),
        };
        let fallback = spec.fallback.as_ref().map(|it| self.fallback(id, it, &mut ty, &scope));
        let optional = spec.optional.as_ref().is_some_and(|it| it.value) || node.asked;
        if !is_poisoned(&ty) && (when.is_some() || spec.when.is_some() || (optional && fallback.is_none())) {
            ty.nullable = true;
        }
        self.calls[id.0].ty = ty;
        let errors = error_rule::rules(&spec.errors, self.diagnostics);
        let cache = spec.cache.as_ref().and_then(|it| self.call_cache(id, it, &scope));
        let made = made?;
        let safety = self.safety[id.0];
        let start = self.starts[id.0].unwrap_or(Start::Eager);
        let backend = match &made.kind {
            plan::CallKind::Grpc(grpc) => self.world.gateway.backends.get(grpc.backend.0),
            plan::CallKind::Http(http) => self.world.gateway.backends.get(http.backend.0),
            _ => None,
        };
        let policy = backend.map(|it| protection::policy(spec, it, safety, self.diagnostics));
        Some(plan::Call {
            policy: policy.unwrap_or_default(),
            name: spec.name.value.clone(),
            kind: made.kind,
            slot: self.calls[id.0].slot,
            error_slot: self.calls[id.0].error_slot,
            start,
            needs: self.needs(id, start),
            when,
            timeout: spec.timeout.as_ref().map(|it| it.value).or(made.timeout),
            optional,
            fallback,
            stale: spec.stale.is_some(),
            cache,
            safe: safety.safe,
            effect: safety.effect,
            index_by,
            errors,
            forwards_credential: self.forwards_credential(&node.reads),
            mentions: self.mentions_of_call(id),
            origin: self.origin(spec.name.span),
        })
    }

    fn needs(&self, id: CallId, start: Start) -> Vec<plan::Dependency> {
        let node = self.outline.call(id);
        let mut needs = dependencies(self.outline, node.graph, &node.reads, &node.after);
        // A `for` that is made for a fallback makes the calls outside that its inner calls wait for.
        if start == Start::OnFallback {
            for inside in self.outline.with_inner(id).into_iter().skip(1) {
                let inside = self.outline.call(inside);
                let outer: Vec<_> = inside.reads.calls.iter().chain(&inside.after).copied().collect();
                let reads = Reads {
                    calls: outer,
                    ..Reads::default()
                };
                needs.extend(
                    dependencies(self.outline, node.graph, &reads, &[])
                        .into_iter()
                        .filter(|it| {
                            let graph = self.outline.chain(node.graph).nth(it.level);
                            graph.and_then(|graph| self.outline.graph(graph).calls.get(it.call.0)) != Some(&id)
                        }),
                );
            }
            needs.sort_unstable();
            needs.dedup();
        }
        needs
    }

    fn forwards_credential(&self, reads: &Reads) -> bool {
        reads.inputs.iter().any(|it| match it {
            Input::Header(name) => self.outline.is_identity_header(name),
            Input::Param(at) => self.outline.is_identity_param(*at),
            _ => false,
        })
    }

    fn kind(&mut self, id: CallId, scope: &Scope, bound: Option<&std::sync::Arc<HttpBinding>>) -> Option<Made> {
        let spec = self.outline.call(id).spec;
        let target = self.targets[id.0].clone();
        match (spec.kind.as_ref()?, target) {
            (CallKind::Compose { fragment, with }, Target::Fragment(info)) => {
                let with = self.with(fragment, with, &info, scope);
                Some(Made {
                    kind: plan::CallKind::Compose {
                        fragment: info.index,
                        with,
                    },
                    ty: info.ty,
                    timeout: None,
                })
            }
            (CallKind::For { .. }, _) => self.for_call(id, scope),
            (CallKind::Grpc { request, .. }, Target::Grpc { served, input, output }) => {
                let request = match (request, bound) {
                    (None, Some(binding)) => Some(GrpcRequest::Bound(binding.clone())),
                    (Some(request), _) => self.request(id, request, &input, scope),
                    (None, None) => self.request(id, &empty_object(spec.span), &input, scope),
                };
                let headers = self.metadata(&spec.headers, served.backend, scope);
                let call = plan::GrpcCall {
                    backend: served.backend,
                    path: served.method.path.clone(),
                    method: served.method.path.trim_start_matches('/').into(),
                    request: request?,
                    input: input.clone(),
                    headers,
                    reader: ReplyReader::compile(&output),
                    check: plan::ReplyCheck::OnArrival,
                    reply: output.clone(),
                };
                let timeout = self.world.gateway.backends.get(served.backend.0).map(backend::timeout);
                Some(Made {
                    kind: plan::CallKind::Grpc(Box::new(call)),
                    ty: Type::of_message(&output),
                    timeout,
                })
            }
            (CallKind::Http { .. }, Target::Http(backend, types)) => self.http_call(id, (backend, &types), scope),
            (CallKind::Value(value), _) => {
                let typed = self.template(value, None, scope);
                Some(Made {
                    kind: plan::CallKind::Value(typed.template),
                    ty: typed.ty,
                    timeout: None,
                })
            }
            _ => None,
        }
    }

    fn request(&mut self, id: CallId, request: &Template, input: &MessageRef, scope: &Scope) -> Option<GrpcRequest> {
        let before = self.diagnostics.len();
        let mut scope = scope.for_purpose(Purpose::Request);
        scope.request_of = Some(id);
        let place = PlaceType {
            ty: Type::of_message(input),
            takes_null: false,
        };
        let typed = self.template(request, Some(&place), &scope);
        if is_poisoned(&typed.ty) {
            return None;
        }
        match Encoder::message(&typed.ty, input) {
            Ok(encoder) => Some(GrpcRequest::Template {
                template: typed.template,
                encoder,
            }),
            Err(error) => {
                // What is wrong with a member was said at the member.
                if self.diagnostics.len() == before {
                    let wrong = Diagnostic::new(error.code, request.span, error.title)
                        .label(format!("expected `{}`", input.full_name));
                    self.push(wrong);
                }
                None
            }
        }
    }

    fn with(
        &mut self,
        fragment: &Name,
        with: &[(Name, Template)],
        info: &super::fragment::FragmentInfo,
        scope: &Scope,
    ) -> Vec<plan::Template> {
        for (name, _) in with {
            if !info.params.iter().any(|it| it.name == name.value) {
                let names = || info.params.iter().map(|it| &*it.name);
                let label = match suggest::nearest(&name.value, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its inputs are {}", listed(names())),
                };
                let title = format!("the fragment `{}` has no input `{}`", fragment.value, name.value);
                self.push(Diagnostic::new("unknown-input", name.span, title).label(label));
            }
        }
        let mut values = Vec::new();
        for param in &info.params {
            let written = with.iter().find(|(name, _)| *name.value == *param.name);
            values.push(match (written, &param.absent) {
                (Some((_, value)), _) => self.template(value, Some(&param.place), scope).template,
                (None, plan::Absent::Value(value)) => plan::Template::Constant {
                    json: param.absent_json.clone(),
                    value: value.clone(),
                },
                (None, plan::Absent::Refuse) => {
                    let title = format!("the fragment `{}` needs `{}`", fragment.value, param.name);
                    let help = format!("with: {{ {}: … }}", param.name);
                    self.push(
                        Diagnostic::new("missing-input", fragment.span, title)
                            .label("not among `with:`")
                            .help(help),
                    );
                    null()
                }
            });
        }
        values
    }

    fn for_call(&mut self, id: CallId, scope: &Scope) -> Option<Made> {
        let spec = self.outline.call(id).spec;
        let inner = self.outline.call(id).inner?;
        let CallKind::For {
            variable,
            list,
            max_concurrency,
            ..
        } = spec.kind.as_ref()?
        else {
            return None;
        };
        let checked = self.expression(list, scope);
        let element = match &checked {
            Some(it) if self.outline.taken(&variable.value).is_none() => self.list_element(list, &it.ty, "for"),
            _ => Type::unknown(),
        };
        self.graphs[inner.0].variable.1 = element;
        self.graphs[inner.0].options = self.options_of(list, scope);
        let graph = self.graph(inner, &scope.facts, None);
        let inner_scope = self.scope(inner, &scope.facts, Purpose::Value);
        let result = match self.outline.graph(inner).result {
            Some(result) => self.template(result, None, &inner_scope),
            None => Typed::poison(),
        };
        let max_concurrency = match max_concurrency {
            Some(it) if it.value == 0 => {
                self.push(Diagnostic::new(
                    "wrong-value",
                    it.span,
                    "`max_concurrency` must be at least 1",
                ));
                1
            }
            Some(it) => it.value as usize,
            None => 16,
        };
        let needs = dependencies(self.outline, inner, &self.outline.graph(inner).result_reads, &[]);
        let ty = list_of(result.ty);
        let slot = self.graphs[inner.0].variable.0;
        let call = plan::For {
            list: checked?.program,
            slot,
            max_concurrency,
            graph,
            result: result.template,
            needs,
            mentions: self.mentions_of_result(inner),
        };
        Some(Made {
            kind: plan::CallKind::For(Box::new(call)),
            ty,
            timeout: None,
        })
    }

    fn fallback(&mut self, id: CallId, fallback: &Template, ty: &mut Type, scope: &Scope) -> plan::Fallback {
        let node = self.outline.call(id);
        let place = PlaceType {
            ty: ty.clone(),
            takes_null: true,
        };
        let typed = self.template(fallback, Some(&place), scope);
        if !is_poisoned(ty) {
            ty.nullable |= typed.ty.nullable;
        }
        let needs = dependencies(self.outline, node.graph, &node.fallback, &[]);
        plan::Fallback {
            template: typed.template,
            needs,
        }
    }

    /// `index_by: users.id` (semantics.md 1.7).
    fn index_by(&mut self, id: CallId, path: &Name, reply: &Type, scope: &Scope) -> Option<(Program, Type)> {
        let TypeKind::Message(message) = &reply.kind else {
            if !is_poisoned(reply) {
                let title = "`index_by` takes the reply of a gRPC call";
                self.push(Diagnostic::new("wrong-type", path.span, title).label(format!("the reply is `{reply}`")));
            }
            return None;
        };
        let steps: Vec<&str> = path.value.split('.').collect();
        let [lists @ .., key] = steps.as_slice() else {
            return None;
        };
        let refuse = |title: String, label: &str, unit: &mut Self| {
            unit.push(
                Diagnostic::new("wrong-type", path.span, title)
                    .label(label)
                    .help("index_by: users.id"),
            );
            None
        };
        if lists.is_empty() {
            return refuse(
                format!("`{}` names no list", path.value),
                "expected `list_field.key_field`",
                self,
            );
        }
        let mut owner = message.clone();
        for (at, step) in lists.iter().enumerate() {
            let Some(field) = owner.field(step) else {
                self.unknown_member(&named(step, path.span), &Type::of(TypeKind::Message(owner.clone())));
                return None;
            };
            let is_last = at + 1 == lists.len();
            let wanted = if is_last {
                Cardinality::Repeated
            } else {
                Cardinality::Singular
            };
            let Kind::Message(of) = field.kind else {
                return refuse(
                    format!("`{step}` is no list of messages"),
                    "expected a repeated message field",
                    self,
                );
            };
            if field.cardinality != wanted {
                let label = if is_last {
                    "expected a repeated message field"
                } else {
                    "expected a single message on the way to the list"
                };
                return refuse(format!("`{step}` cannot stand here"), label, self);
            }
            owner = owner.sibling(of);
        }
        let Some(field) = owner.field(key) else {
            self.unknown_member(&named(key, path.span), &Type::of(TypeKind::Message(owner.clone())));
            return None;
        };
        let scalar = !matches!(field.kind, Kind::Bytes | Kind::Double | Kind::Float | Kind::Message(_));
        if field.cardinality != Cardinality::Singular || !scalar {
            return refuse(
                format!("`{key}` cannot be a key"),
                "expected a string, integer, bool or enum field",
                self,
            );
        }
        let mut variable = "element".to_owned();
        while self.outline.taken(&variable).is_some() {
            variable.push('_');
        }
        let list: String = lists.iter().map(|it| complete::step(it)).collect();
        let key = format!("{variable}{}", complete::step(key));
        let present = if field.presence == Presence::Explicit {
            format!(".filter({variable}, {key} != null)")
        } else {
            String::new()
        };
        let name = &self.outline.call(id).spec.name.value;
        let text = format!("{name}{list}{present}.index_by({variable}, {key})");
        let scope = Scope {
            reply: Some((id, reply.clone())),
            ..scope.clone()
        };
        let expression = complete::expression(&text, path.span)?;
        let checked = self.expression(&expression, &scope)?;
        Some((checked.program, checked.ty))
    }
}

/// `{}`.
fn empty_object(span: crate::language::source::Span) -> Template {
    Template {
        kind: crate::language::spec::TemplateKind::Object(Vec::new()),
        span,
    }
}
