//! `mirror:`: a part of the calls is made at another backend as well, and what that answers is compared and counted.
//!
//! A copy has a task of its own: the real call neither waits for it nor sees what became of it. Invariant: there are never
//! more copies at once than the plan allows, and nobody gets a copy's answer.

mod difference;
mod passed;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use self::difference::{Differences, Form};
pub use self::passed::Passed;
use super::guard::count;
use super::quiet::Quiet;
use super::{Attempt, Failure, FailureKind, Guarded, Reply, Request};
use crate::codec::{JsonOptions, Names, Selection, ToJson};
use crate::plan::{self, Accept, Policy};
use crate::time::Deadline;

/// One worker's way to the mirror of a backend.
#[derive(Debug)]
pub struct Mirror {
    plan: Arc<plan::Mirror>,
    to: Rc<Guarded>,
    /// How replies are read, by method; none for HTTP.
    readers: Vec<Option<Arc<ToJson>>>,
}

/// What all workers know of the copies of one backend's calls.
#[derive(Debug, Default)]
pub struct Mirrored {
    active: AtomicU32,
    /// Copies that were answered alike.
    pub same: AtomicU64,
    /// Copies that were answered otherwise.
    pub different: AtomicU64,
    /// Copies that got no answer.
    pub failed: AtomicU64,
    /// What would have been copied, had there been a place, or the whole of its body.
    pub left_out: AtomicU64,
    /// Copies whose real call ended without an answer.
    pub unread: AtomicU64,
    differences: Mutex<BTreeMap<Where, u64>>,
    logged: Quiet,
}

/// A method, and a path of its replies.
type Where = (Arc<str>, Arc<str>);

/// Paths that are told apart for one backend; a reply whose names are data would else fill the memory.
const MAX_PATHS: usize = 256;
/// What stands for all others.
const MORE: &str = "(more)";
/// At most one line in so long.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// The copy of a call, which waits for what the real backend answers.
#[derive(Debug)]
pub struct Copied(oneshot::Sender<Result<Reply, Failure>>);

/// A copy that may be made.
struct Copying {
    plan: Arc<plan::Mirror>,
    to: Rc<Guarded>,
    /// The mirror's.
    policy: Policy,
    /// Who is mirrored, and by which method.
    backend: Arc<str>,
    method: Arc<str>,
    mirrored: Arc<Mirrored>,
    _place: Place,
}

/// A copy's place among those that may be under way.
struct Place(Arc<Mirrored>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Mirrored ===

impl Mirrored {
    /// The differences so far: method, path, how often.
    pub fn differences(&self) -> Vec<(Arc<str>, Arc<str>, u64)> {
        let all = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|((method, path), n)| (method.clone(), path.clone(), *n))
            .collect()
    }

    fn enter(self: &Arc<Self>, max: u32) -> Option<Place> {
        let before = self.active.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        (before < max).then_some(place)
    }

    fn note(&self, method: &Arc<str>, paths: &Differences) {
        count(if paths.is_empty() { &self.same } else { &self.different });
        let mut all = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths.iter() {
            let mut key = (method.clone(), Arc::from(path));
            if all.len() >= MAX_PATHS && !all.contains_key(&key) {
                key.1 = MORE.into();
            }
            *all.entry(key).or_default() += 1;
        }
    }
}

// === impl Mirror ===

impl Mirror {
    /// A way to `to`.
    pub fn new(plan: Arc<plan::Mirror>, to: Rc<Guarded>) -> Self {
        let options = JsonOptions {
            names: Names::Proto,
            ..JsonOptions::default()
        };
        let reader = |it: &plan::Copied| {
            let message = it.reply.as_ref()?;
            Some(ToJson::compile(message, &Selection::All, options))
        };
        Self {
            readers: plan.methods.iter().map(reader).collect(),
            plan,
            to,
        }
    }

    /// A copy of something that `real` is asked, where that is among what is copied and there is a place for it.
    fn copying(&self, real: &Guarded, policy: Policy, safe: bool) -> Option<Copying> {
        if !(safe || self.plan.also_unsafe) || !real.chance(f64::from(self.plan.share) / 100.0) {
            return None;
        }
        let copied = self.plan.methods.get(policy.method.0)?;
        let mirrored = real.guard().mirrored.clone()?;
        let method = real.guard().method(policy.method)?.name.clone();
        let Some(place) = mirrored.enter(self.plan.concurrency) else {
            count(&mirrored.left_out);
            return None;
        };
        Some(Copying {
            plan: self.plan.clone(),
            to: self.to.clone(),
            policy: Policy {
                method: copied.method,
                ..Policy::default()
            },
            backend: real.guard().name.clone(),
            method,
            mirrored,
            _place: place,
        })
    }

    /// Begins a copy of a call of `real`, where it is among those that are copied. Whoever gets it says what was answered.
    pub fn begin(&self, real: &Guarded, request: &Request, attempt: &Attempt, policy: Policy) -> Option<Copied> {
        let copying = self.copying(real, policy, policy.safe)?;
        let form = match (self.readers.get(policy.method.0), request) {
            (Some(Some(reader)), _) => Form::Message(reader.clone()),
            (
                _,
                Request::Http {
                    accept: Accept::Json | Accept::Xml,
                    ..
                },
            ) => Form::Json,
            _ => Form::Bytes,
        };
        let attempt = Attempt::new(Deadline::after(self.plan.timeout)).hashed(attempt.hash);
        let request = request.clone();
        let (tell, told) = oneshot::channel::<Result<Reply, Failure>>();
        tokio::task::spawn_local(async move {
            let asking = copying.to.call(&request, attempt, copying.policy);
            let answer = timeout(copying.plan.timeout, asking).await;
            let answer = answer.unwrap_or_else(|_| Err(Failure::deadline()));
            let counts = &copying.mirrored;
            let Ok(real) = told.await else {
                return count(&counts.unread);
            };
            let found = match (real, answer) {
                (Err(real), _) if is_silent(&real) => return count(&counts.unread),
                (_, Err(copy)) if is_silent(&copy) => return count(&counts.failed),
                (Ok(real), Ok(copy)) => {
                    let plan = copying.plan.clone();
                    let found = move || Differences::of(&real.body, &copy.body, &form, &plan.ignore);
                    match aside(found).await {
                        Some(found) => found,
                        None => return count(&counts.failed),
                    }
                }
                (Err(real), Err(copy)) if real.code == copy.code && real.http_status == copy.http_status => {
                    Differences::default()
                }
                _ => Differences::of_status(),
            };
            copying.note(&found);
        });
        Some(Copied(tell))
    }
}

/// Compares where nobody waits for this thread: large answers take their time.
async fn aside(compare: impl FnOnce() -> Differences + Send + 'static) -> Option<Differences> {
    tokio::task::spawn_blocking(compare).await.ok()
}

// === impl Copying ===

impl Copying {
    /// Counts where the answers differ.
    fn note(&self, found: &Differences) {
        self.mirrored.note(&self.method, found);
        if !found.is_empty() && self.mirrored.logged.is_over(LOG_PAUSE) {
            let paths = found.iter().collect::<Vec<_>>().join(", ");
            let (backend, mirror) = (&*self.backend, &*self.to.guard().name);
            tracing::info!(
                backend,
                mirror,
                method = &*self.method,
                paths,
                "a mirror answered otherwise"
            );
        }
    }
}

// === impl Copied ===

impl Copied {
    /// Says what the real backend answered.
    pub fn tell(self, result: &Result<Reply, Failure>) {
        // The copy may have been dropped with its worker.
        drop(self.0.send(result.clone()));
    }
}

/// Whether nobody answered.
fn is_silent(failure: &Failure) -> bool {
    failure.is_ours()
        || matches!(
            failure.kind,
            FailureKind::Connect | FailureKind::Connection | FailureKind::Deadline | FailureKind::Refused
        )
}
