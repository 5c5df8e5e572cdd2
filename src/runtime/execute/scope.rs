//! The values of one graph while it runs: by slot, each written once, with those who wait for it.
//!
//! A scope is a composition, a fragment, or one element of a `for`; scopes nest as graphs do. Everything is single-threaded:
//! cells and no locks. Invariant: a slot is null until its call has settled, and nobody reads it before unless it may.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::each::Sharing;
use super::{Degraded, Failed, Run};
use crate::expr::{Frame, Program, Slot, Value};
use crate::plan::{Call, CallIndex, Dependency, ErrorMatch, Graph, Origin, Start};
use crate::runtime::backend::{Directives, Failure};
use crate::runtime::select::{Selected, need};
use crate::runtime::watch::Event;
use crate::time::Deadline;

/// One graph while it runs.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    pub(super) run: &'s Run<'s>,
    pub(super) graph: &'s Graph,
    pub(super) place: Place<'s>,
    /// What of its composition's response is wanted, where that is not everything; only of the composition itself.
    selected: Option<&'s Selected>,
    /// No call of this scope outlasts it.
    pub(super) deadline: Deadline,
    /// The scope that expressions and dependencies see around this one; a fragment sees none.
    parent: Option<&'s Self>,
    values: RefCell<Vec<Value>>,
    calls: Vec<Progress>,
    requires: Vec<Progress>,
    /// Calls that a fallback has asked for and nobody has begun.
    asked_for: RefCell<Vec<CallIndex>>,
    driver: RefCell<Option<Waker>>,
    /// A failure has ended this scope: nothing is sent any more.
    over: Cell<bool>,
    made_of: Cell<MadeOf>,
}

/// What the results of a scope are made of, the scopes within it included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MadeOf {
    /// Something is missing.
    pub(super) degraded: bool,
    /// What backends say about keeping it.
    pub(super) directives: Directives,
    /// How many bytes of replies it may hold on to.
    pub(super) bytes: usize,
}

/// Where a scope stands among the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'s> {
    /// The scope and the call that this one belongs to.
    pub(super) outer: Option<(&'s Scope<'s>, CallIndex)>,
    /// Which element of a `for` it is.
    pub(super) element: usize,
    /// It is a fragment.
    pub(super) fragment: bool,
    /// What the elements of the outermost `for` share.
    pub(super) sharing: Option<&'s Sharing>,
}

/// Whether a call or a `require` is settled, and who waits for that.
#[derive(Debug, Default)]
struct Progress {
    state: RefCell<State>,
    waiting: RefCell<Vec<Waker>>,
}

// ## Open => (Asked | Done | Failed)
// ## Asked => (Done | Failed)
#[derive(Clone, Debug, Default)]
enum State {
    /// A call that starts on fallback is under way.
    Asked,
    /// Its slots hold what came of it.
    Done,
    /// A call that starts on fallback failed: so do those who wait for it.
    Failed(Box<Failed>),
    #[default]
    Open,
}

// === impl Place ===

impl Place<'static> {
    /// The composition itself.
    pub(super) const TOP: Self = Self {
        outer: None,
        element: 0,
        fragment: false,
        sharing: None,
    };
}

// === impl Scope ===

impl<'s> Scope<'s> {
    /// A scope whose first slots hold `inputs`.
    pub(super) fn new(
        run: &'s Run<'s>,
        graph: &'s Graph,
        inputs: Vec<Value>,
        place: Place<'s>,
        deadline: Deadline,
    ) -> Self {
        Self::selecting(None, run, graph, inputs, place, deadline)
    }

    /// The same, for what a client chose of the response.
    pub(super) fn selecting(
        selected: Option<&'s Selected>,
        run: &'s Run<'s>,
        graph: &'s Graph,
        inputs: Vec<Value>,
        place: Place<'s>,
        deadline: Deadline,
    ) -> Self {
        let mut values = inputs;
        values.resize(graph.n_slots as usize, Value::Null);
        for mask in selected.map_or(&graph.masks, |it| &it.masks) {
            let at = mask
                .slot
                .0
                .checked_sub(graph.base.0)
                .map_or(usize::MAX, |it| it as usize);
            if let Some(place) = values.get_mut(at) {
                *place = Value::Message(mask.wire.clone());
            }
        }
        let parent = match place {
            Place {
                outer: Some((outer, _)),
                fragment: false,
                ..
            } => Some(outer),
            Place { .. } => None,
        };
        Self {
            run,
            graph,
            place,
            selected,
            deadline,
            parent,
            values: RefCell::new(values),
            calls: graph.calls.iter().map(|_| Progress::default()).collect(),
            requires: graph.require.iter().map(|_| Progress::default()).collect(),
            asked_for: RefCell::default(),
            driver: RefCell::default(),
            over: Cell::new(false),
            made_of: Cell::default(),
        }
    }

    pub(super) fn is_selected(&self) -> bool {
        self.selected.is_some()
    }

    /// When a call starts; `None` where it is not made.
    pub(super) fn start(&self, index: CallIndex) -> Option<Start> {
        match self.selected {
            None => self.call(index).map(|it| it.start),
            Some(selected) => selected.starts.get(index.0).copied().flatten(),
        }
    }

    // Values.

    /// Gives the values in scope to `then`.
    pub(super) fn frame<T>(&self, then: impl FnOnce(&Frame<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut then = Some(then);
        let mut result = None;
        self.with_frame(&mut |frame| result = then.take().map(|then| then(frame)));
        result.unwrap_or_else(|| Err(Failure::bug("a frame that was not given")))
    }

    fn with_frame(&self, then: &mut dyn FnMut(&Frame<'_>)) {
        let values = self.values.borrow();
        match self.parent {
            None => then(&Frame {
                parent: None,
                base: self.graph.base,
                values: &values,
            }),
            Some(parent) => parent.with_frame(&mut |outer| {
                then(&Frame {
                    parent: Some(outer),
                    base: self.graph.base,
                    values: &values,
                });
            }),
        }
    }

    /// Evaluates an expression over the values in scope.
    pub(super) fn eval(&self, program: &Program, origin: &Origin) -> Result<Value, Failure> {
        self.frame(|frame| {
            program
                .eval(frame)
                .map_err(|fault| Failure::expression(fault, Some(origin.clone())))
        })
    }

    /// Writes a slot of this scope.
    pub(super) fn write(&self, slot: Slot, value: Value) {
        let at = slot
            .0
            .checked_sub(self.graph.base.0)
            .map_or(usize::MAX, |it| it as usize);
        if let Some(place) = self.values.borrow_mut().get_mut(at) {
            *place = value;
        }
    }

    // Progress.

    /// The call behind an index.
    pub(super) fn call(&self, index: CallIndex) -> Option<&'s Call> {
        self.graph.calls.get(index.0)
    }

    /// Says that a call has come to its end; its slots are written.
    pub(super) fn settle(&self, index: CallIndex) {
        self.calls.get(index.0).into_iter().for_each(|it| it.end(State::Done));
    }

    /// Says that a call that starts on fallback has failed. Only those who wait for it will know.
    pub(super) fn settle_failed(&self, index: CallIndex, failed: &Failed) {
        self.calls
            .get(index.0)
            .into_iter()
            .for_each(|it| it.end(State::Failed(Box::new(failed.clone()))));
    }

    /// Says that a `require` has held.
    pub(super) fn hold(&self, require: usize) {
        self.requires
            .get(require)
            .into_iter()
            .for_each(|it| it.end(State::Done));
    }

    /// Waits until what is mentioned is settled. A failure only where it starts on fallback and failed.
    pub(super) async fn settled(&self, dependency: Dependency) -> Result<(), Box<Failed>> {
        match self.up(dependency.level).and_then(|it| it.calls.get(dependency.call.0)) {
            Some(progress) => progress.ended().await,
            None => Err(Failed::of_endpoint(Failure::bug("a dependency that does not exist"))),
        }
    }

    /// Waits until a `require` of this scope has held.
    pub(super) async fn held(&self, require: usize) {
        if let Some(progress) = self.requires.get(require) {
            // A `require` that does not hold ends the scope instead.
            let _held = progress.ended().await.is_ok();
        }
    }

    /// Has what is mentioned made if it starts on fallback, with what that needs.
    pub(super) fn ask_for(&self, dependency: Dependency) {
        let Some(scope) = self.up(dependency.level) else { return };
        if scope.start(dependency.call) != Some(Start::OnFallback) {
            return;
        }
        let Some(call) = scope.call(dependency.call) else {
            return;
        };
        let Some(progress) = scope.calls.get(dependency.call.0) else {
            return;
        };
        if !matches!(*progress.state.borrow(), State::Open) {
            return;
        }
        progress.state.replace(State::Asked);
        for need in &call.needs {
            scope.ask_for(*need);
        }
        if scope.is_selected() {
            // What is made for a fallback only since nobody chose it: what its inner calls wait for is not among its needs.
            for call in need::outside(scope.graph, dependency.call) {
                scope.ask_for(Dependency { level: 0, call });
            }
        }
        scope.asked_for.borrow_mut().push(dependency.call);
        scope.driver.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// What was asked for since the last time; whoever polls `driver` takes it.
    pub(super) fn take_asked_for(&self, driver: &Waker) -> Vec<CallIndex> {
        let mut known = self.driver.borrow_mut();
        if !known.as_ref().is_some_and(|it| it.will_wake(driver)) {
            *known = Some(driver.clone());
        }
        self.asked_for.take()
    }

    /// Says that a failure has ended this scope.
    pub(super) fn end(&self) {
        self.over.set(true);
    }

    /// True where a failure has ended this scope or one around it.
    pub(super) fn is_over(&self) -> bool {
        self.over.get() || self.place.outer.is_some_and(|(outer, _)| outer.is_over())
    }

    fn up(&self, level: usize) -> Option<&Self> {
        let mut scope = self;
        for _ in 0..level {
            scope = scope.parent?;
        }
        Some(scope)
    }

    // For those who watch.

    /// Takes note of what happens to a call.
    pub(super) fn note(&self, call: &Call, what: Event) {
        if let Some(watch) = self.run.context.watch {
            watch.note(call, self.place.element, what);
        }
    }

    /// Takes note of the values that the result is made of.
    pub(super) fn noted_end(&self) -> &Self {
        if let Some(watch) = self.run.context.watch {
            self.with_frame(&mut |frame| watch.note(self.graph, self.place.element, Event::ended(frame)));
        }
        self
    }

    // Names.

    /// The name of a call of this scope for logs and clients: within a fragment behind the call that composes it.
    pub(super) fn name(&self, call: &Call) -> Arc<str> {
        match self.fragment_name() {
            None => call.name.clone(),
            Some(fragment) => format!("{fragment}.{}", call.name).into(),
        }
    }

    fn fragment_name(&self) -> Option<Arc<str>> {
        let (outer, index) = self.place.outer?;
        if !self.place.fragment {
            return outer.fragment_name();
        }
        Some(outer.name(outer.call(index)?))
    }

    /// Where a call stands: in file order, and within a `for` in input order.
    fn order(&self, index: CallIndex) -> Vec<usize> {
        let mut order = self
            .place
            .outer
            .map(|(outer, call)| outer.order(call))
            .unwrap_or_default();
        order.extend([self.place.element, index.0]);
        order
    }

    // What it is made of.

    /// Takes note of a reply that this scope, and those around it, are made of.
    pub(super) fn heed(&self, directives: Directives, bytes: usize) {
        let mut made_of = self.made_of.get();
        made_of.directives = made_of.directives.and(directives);
        made_of.bytes += bytes;
        self.made_of.set(made_of);
        match self.place.outer {
            Some((outer, _)) if self.ignores_backends() => outer.heed(Directives::default(), bytes),
            Some((outer, _)) => outer.heed(directives, bytes),
            None => self.run.directives.set(made_of.directives),
        }
    }

    /// It is a fragment whose call says `backend: ignore`.
    fn ignores_backends(&self) -> bool {
        let call = self.place.outer.filter(|_| self.place.fragment);
        let call = call.and_then(|(outer, index)| outer.call(index));
        call.and_then(|it| it.cache.as_ref())
            .is_some_and(|it| it.ignores_backend)
    }

    pub(super) fn made_of(&self) -> MadeOf {
        self.made_of.get()
    }

    fn miss_something(&self) {
        let degraded = true;
        self.made_of.set(MadeOf {
            degraded,
            ..self.made_of.get()
        });
        if let Some((outer, _)) = self.place.outer {
            outer.miss_something();
        }
    }

    /// Notes that the page does without this call.
    pub(super) fn degrade(&self, index: CallIndex, call: &Call, failure: Failure, stale: Option<Duration>) {
        let degraded = Degraded {
            call: self.name(call),
            failure,
            stale,
        };
        self.run.degraded.borrow_mut().push((self.order(index), degraded));
        self.miss_something();
    }

    /// The failure of a call of this scope, with its place in the file, and in its own words where it has some.
    #[expect(clippy::unnecessary_box_returns, reason = "failures travel boxed")]
    pub(super) fn failed(&self, call: &Call, failure: Failure) -> Box<Failed> {
        let rule = call.errors.iter().find(|it| match it.on {
            ErrorMatch::Code(code) => failure.code == code,
            ErrorMatch::Status(status) => failure.http_status == Some(status),
        });
        Box::new(Failed {
            rule: rule.cloned(),
            failure: failure.at(&call.origin),
            call: Some(self.name(call)),
            forwards_credential: call.forwards_credential,
        })
    }
}

// === impl Progress ===

impl Progress {
    fn end(&self, state: State) {
        self.state.replace(state);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    async fn ended(&self) -> Result<(), Box<Failed>> {
        poll_fn(|cx| {
            match &*self.state.borrow() {
                State::Done => return Poll::Ready(Ok(())),
                State::Failed(failed) => return Poll::Ready(Err(failed.clone())),
                State::Asked | State::Open => {}
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|it| it.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
