//! Plans made by hand, and the backend they call.

mod backend;
mod names;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture};
use tokio::task::LocalSet;
use tokio::time::timeout_at;
use tonic::Code;

use super::super::*;
use crate::codec::JsonOptions;
use crate::expr::{
    self, Binding, Checked, ExprError, Facts, Program, Renderer, Resolve, Segment, Slot, Target, Type, TypeKind,
};
use crate::plan::{
    self, Accept, AccessLog, AuditLog, Call, CallIndex, Condition, Dependency, Errors, Fallback, For, Fragment,
    FragmentIndex, Graph, HttpCall, Inputs, Origin, Otherwise, PathPart, Policy, Require, Response, ResponseBody,
    Settings, Start, Status, Template,
};
use crate::runtime::backend::{Attempt, Backend, Dice, Guards, Maker, Reply, Request};
use crate::runtime::snapshot::{Hall, Snapshot};
use crate::schema::path_template::RouteTable;

pub(super) use self::backend::Scripted;
pub(in crate::runtime::execute) use self::names::Names;
use self::names::{Name, any};

pub(super) fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// The calls of one scope, in the making.
#[derive(Debug)]
pub(super) struct Calls {
    names: Names,
    graph: Graph,
    result: Option<(Template, Vec<Dependency>, Type)>,
}

/// An endpoint in the making, and what it needs to run.
#[derive(Debug)]
pub(super) struct Page {
    calls: Calls,
    pub(super) timeout: Duration,
    pub(super) backend: Scripted,
    pub(super) hall: Arc<Hall>,
    fragments: Vec<Fragment>,
    runtime: tokio::runtime::Runtime,
    local: LocalSet,
}

impl std::ops::Deref for Page {
    type Target = Calls;

    fn deref(&self) -> &Calls {
        &self.calls
    }
}

impl std::ops::DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Calls {
        &mut self.calls
    }
}

impl Calls {
    fn new(outer: &Names, base: u32, element: Option<&str>) -> Self {
        let mut names = outer.clone();
        let element = element.map(|it| Name {
            text: it.to_owned(),
            slot: Slot(base),
            call: None,
            ty: any(),
        });
        let n_slots = u32::from(element.is_some());
        names.scopes.push(element.into_iter().collect());
        let graph = Graph {
            masks: Vec::new(),
            base: Slot(base),
            n_slots,
            ..Graph::default()
        };
        Self {
            names,
            graph,
            result: None,
        }
    }

    fn slot(&mut self) -> Slot {
        let slot = Slot(self.graph.base.0 + self.graph.n_slots);
        self.graph.n_slots += 1;
        slot
    }

    fn add(&mut self, name: &str, kind: CallKind, needs: Vec<Dependency>) -> &mut Call {
        let slot = self.slot();
        let index = CallIndex(self.graph.calls.len());
        let ty = any();
        let name_of = Name {
            text: name.to_owned(),
            slot,
            call: Some(index),
            ty,
        };
        self.names.scopes.last_mut().unwrap().push(name_of);
        self.graph.calls.push(Call {
            name: name.into(),
            kind,
            slot,
            error_slot: None,
            start: Start::Eager,
            needs,
            when: None,
            timeout: None,
            optional: false,
            fallback: None,
            stale: false,
            cache: None,
            safe: true,
            policy: Policy::default(),
            effect: false,
            mentions: Vec::new(),
            index_by: None,
            errors: Vec::new(),
            forwards_credential: false,
            origin: Origin::default(),
        });
        self.graph.calls.last_mut().unwrap()
    }

    /// A GET of a path in which `${…}` are segments, or parts of one.
    pub(super) fn http(&mut self, name: &str, path: &str) -> &mut Call {
        let (mut parts, mut needs, mut rest) = (Vec::new(), Vec::new(), path);
        while let Some((before, behind)) = rest.split_once("${") {
            let (hole, behind) = behind.split_once('}').unwrap();
            let (program, mentioned) = self.names.program(hole);
            parts.extend([PathPart::Literal(before.into()), PathPart::Segment(program)]);
            needs.extend(mentioned);
            rest = behind;
        }
        parts.push(PathPart::Literal(rest.into()));
        let http = HttpCall {
            backend: BackendIndex(0),
            method: Method::GET,
            path: parts,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            accept: Accept::Json,
            reply: None,
        };
        self.add(name, CallKind::Http(Box::new(http)), needs)
    }

    pub(super) fn value(&mut self, name: &str, text: &str) {
        let (template, needs) = self.names.template(text);
        // Names are `any` here, so that values are made so.
        let into = plan::Conversion::Json;
        let template = Template::Convert {
            template: Box::new(template),
            into,
            origin: Origin::default(),
        };
        self.add(name, CallKind::Value(template), needs);
    }

    pub(super) fn each(&mut self, name: &str, element: &str, list: &str, fill: impl FnOnce(&mut Self)) {
        let (list, needs) = self.names.program(list);
        let mut inner = Self::new(&self.names, self.graph.base.0 + 100, Some(element));
        fill(&mut inner);
        let (result, inner_needs, ty) = inner.result.take().unwrap();
        let each = For {
            list,
            slot: inner.graph.base,
            max_concurrency: 16,
            graph: inner.graph,
            result,
            needs: inner_needs,
            mentions: Vec::new(),
        };
        self.add(name, CallKind::For(Box::new(each)), needs);
        self.names.scopes.last_mut().unwrap().last_mut().unwrap().ty = Type::of(TypeKind::List(Arc::new(ty)));
    }

    /// Calls a fragment whose result is a list.
    pub(super) fn compose(&mut self, name: &str, fragment: FragmentIndex, with: &str) -> &mut Call {
        let (with, needs) = self.names.template(with);
        let into = plan::Conversion::Json;
        let with = Template::Convert {
            template: Box::new(with),
            into,
            origin: Origin::default(),
        };
        self.add(
            name,
            CallKind::Compose {
                fragment,
                with: vec![with],
            },
            needs,
        );
        self.names.scopes.last_mut().unwrap().last_mut().unwrap().ty =
            Type::of(TypeKind::List(Arc::new(any()))).or_null();
        self.graph.calls.last_mut().unwrap()
    }

    pub(super) fn call(&mut self, name: &str) -> &mut Call {
        self.graph.calls.iter_mut().find(|it| &*it.name == name).unwrap()
    }

    pub(super) fn when(&mut self, call: &str, condition: &str) {
        let (program, needs) = self.names.program(condition);
        let call = self.call(call);
        call.when = Some(Condition {
            program,
            origin: Origin::default(),
        });
        call.needs.extend(needs);
    }

    pub(super) fn after(&mut self, call: &str, other: &str) {
        let (_, needs) = self.names.program(other);
        self.call(call).needs.extend(needs);
    }

    pub(super) fn fallback(&mut self, call: &str, text: &str) {
        let (template, needs) = self.names.template(text);
        let into = plan::Conversion::Json;
        let template = Template::Convert {
            template: Box::new(template),
            into,
            origin: Origin::default(),
        };
        self.call(call).fallback = Some(Fallback { template, needs });
    }

    pub(super) fn error_slot(&mut self, call: &str) {
        let slot = self.slot();
        self.names.errors.push((call.to_owned(), slot));
        self.call(call).error_slot = Some(slot);
    }

    pub(super) fn require(&mut self, that: &str, code: Code) {
        let (program, needs) = self.names.program(that);
        let that = Condition {
            program,
            origin: Origin::default(),
        };
        self.graph.require.push(Require {
            that,
            needs,
            mentions: Vec::new(),
            otherwise: Otherwise::Code(code),
            detail: None,
        });
    }

    pub(super) fn respond(&mut self, text: &str) {
        let ty = self.names.check(text).0.ty;
        let (template, needs) = self.names.template(text);
        self.result = Some((template, needs, ty));
    }
}

impl Page {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        Self {
            calls: Calls::new(&Names::default(), 0, None),
            timeout: Duration::from_secs(2),
            backend: Scripted::default(),
            hall: Hall::new(1 << 20, None),
            fragments: Vec::new(),
            runtime,
            local: LocalSet::new(),
        }
    }

    /// A fragment with one input.
    pub(super) fn fragment(&mut self, input: &str, fill: impl FnOnce(&mut Calls)) -> FragmentIndex {
        let mut inner = Calls::new(&Names::default(), 0, Some(input));
        fill(&mut inner);
        let (result, _, ty) = inner.result.take().unwrap();
        let params = vec![input.into()];
        self.fragments.push(Fragment {
            name: "fragment".into(),
            params,
            graph: inner.graph,
            result,
            ty,
            mentions: Vec::new(),
            fingerprint: [0; 32],
        });
        FragmentIndex(self.fragments.len() - 1)
    }

    /// What came out, and how long it took.
    pub(super) fn run(&mut self) -> (Outcome, Duration) {
        let (mut outcomes, took) = self.run_at([0]);
        (outcomes.remove(0), took[0])
    }

    /// The same request at several times, each that many milliseconds after the start.
    pub(super) fn run_at<const N: usize>(&mut self, times: [u64; N]) -> (Vec<Outcome>, [Duration; N]) {
        let (outcomes, took) = self.run_with_patience(times, Duration::from_mins(1));
        (outcomes.into_iter().map(Option::unwrap).collect(), took)
    }

    /// The client leaves after this time, before there is an answer.
    pub(super) fn leave_after(&mut self, patience: Duration) {
        let (outcomes, _) = self.run_with_patience([0], patience);
        assert!(outcomes[0].is_none());
    }

    fn run_with_patience<const N: usize>(
        &mut self,
        times: [u64; N],
        patience: Duration,
    ) -> (Vec<Option<Outcome>>, [Duration; N]) {
        let (template, needs, _) = self.calls.result.take().unwrap();
        let recipe = Recipe {
            limits: Vec::new(),
            limits_by_claim: Vec::new(),
            allow: None,
            private: false,
            timeout: self.timeout,
            inputs: Inputs::default(),
            graph: std::mem::take(&mut self.calls.graph),
            response: Response {
                body: ResponseBody::Json(template),
                nullable: false,
                status: Status::Default,
                headers: Vec::new(),
                cookies: Vec::new(),
                needs,
                mentions: Vec::new(),
                tags: Vec::new(),
                invalidates: Vec::new(),
            },
            select: false,
            changes: true,
            cache: None,
            identity: false,
            vary: Vec::new(),
            errors: Errors::default(),
            deprecated: Vec::new(),
            proxy: None,
            required: Vec::new(),
            splits: Vec::new(),
        };
        let plan = plan(std::mem::take(&mut self.fragments));
        let settings = [settings()];
        let (guards, scripted) = (Guards::build(&settings, None), self.backend.clone());
        let make = |_: &plan::Backend| -> Maker {
            let scripted = scripted.clone();
            Rc::new(move |_| Rc::new(scripted.clone()))
        };
        let backends = Backends::new(&settings, &guards, &Dice::longest(), make);
        let incoming = Incoming::default();
        let snapshot = Snapshot {
            realm: [0; 32],
            auth: crate::runtime::auth::Providers::default(),
            plan,
            generation: 0,
            guards,
        };
        let running = Running::with_backends(Arc::new(snapshot), self.hall.clone(), backends, None);
        let context = Context {
            running: &running,
            endpoint: EndpointIndex(0),
            presence: None,
            hashes: &[],
            chosen: &Chosen::default(),
            trace: &[],
            watch: None,
        };
        let all = async {
            let start = Instant::now();
            self.backend.0.borrow_mut().start = Some(start);
            let requests = times.map(|at| {
                let (recipe, incoming) = (&recipe, &incoming);
                async move {
                    tokio::time::sleep_until(start + ms(at)).await;
                    let deadline = Deadline::after(recipe.timeout);
                    let selected = None;
                    let outcome = run(context, Wanted { recipe, selected }, Vec::new(), incoming, deadline);
                    let outcome = timeout_at(start + patience, outcome).await.ok();
                    (outcome, start.elapsed().saturating_sub(ms(at)))
                }
            });
            futures::future::join_all(requests).await
        };
        let (outcomes, took): (Vec<_>, Vec<_>) = self.local.block_on(&self.runtime, all).into_iter().unzip();
        (outcomes, took.try_into().unwrap())
    }

    /// Waits for what goes on.
    pub(super) fn settle(&mut self) {
        self.local.block_on(&self.runtime, self.hall.detached.idle());
    }
}

/// Nothing is kept from the one backend.
fn settings() -> plan::Backend {
    plan::Backend::new(
        "shop",
        plan::Protocol::Http,
        vec![plan::Target::new("shop:1", "shop", 1)],
    )
}

fn plan(fragments: Vec<Fragment>) -> Plan {
    Plan {
        auth: Vec::new(),
        settings: Settings {
            audit_log: AuditLog::All,
            listen: Vec::new(),
            workers: None,
            admin_listen: String::new(),
            admin_tls: None,
            tls: None,
            proxy_protocol: None,
            cors: None,
            compression: None,
            headers: Vec::new(),
            max_headers: 0,
            max_header_count: 0,
            max_uri: 0,
            max_body: 0,
            max_connections: 0,
            max_connections_per_address: None,
            header_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            max_in_flight: 0,
            max_for_elements: 1_000,
            cache_memory: 0,
            redis: None,
            log_json: false,
            log_level: String::new(),
            access_log: AccessLog::None,
            drain: Duration::ZERO,
        },
        backends: Vec::new(),
        access: plan::NetworkAccess::default(),
        rate_limits: Vec::new(),
        limits: Vec::new(),
        endpoints: Vec::new(),
        routes: RouteTable::default(),
        fragments,
    }
}
