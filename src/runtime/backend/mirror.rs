//! `mirror:`: a part of the calls is made at another backend as well, and what that answers is compared and counted.
//!
//! A copy has a task of its own: the real call neither waits for it nor sees what became of it. Invariant: there are never
//! more copies at once than the plan allows, and nobody gets a copy's answer.

mod difference;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use self::difference::{Differences, Form};
use super::guard::count;
use super::{Attempt, Failure, FailureKind, Guarded, Reply, Request};
use crate::codec::{JsonOptions, Names, Selection, ToJson};
use crate::plan::{self, Accept, Policy};
use crate::time::{Deadline, Instant};

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
    /// Calls that would have been copied, had there been a place.
    pub left_out: AtomicU64,
    /// Copies whose real call ended without an answer.
    pub unread: AtomicU64,
    differences: Mutex<BTreeMap<Where, u64>>,
    logged: Mutex<Option<Instant>>,
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

    /// Whether a line may be written now.
    fn may_log(&self) -> bool {
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let may = logged.is_none_or(|it| now.saturating_duration_since(it) >= LOG_PAUSE);
        if may {
            *logged = Some(now);
        }
        may
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

    /// Begins a copy of a call of `real`, where it is among those that are copied. Whoever gets it says what was answered.
    pub fn begin(&self, real: &Guarded, request: &Request, attempt: &Attempt, policy: Policy) -> Option<Copied> {
        if !(policy.safe || self.plan.also_unsafe) || !real.chance(f64::from(self.plan.share) / 100.0) {
            return None;
        }
        let copied = self.plan.methods.get(policy.method.0)?;
        let method = real.guard().method(policy.method)?.name.clone();
        let mirrored = real.guard().mirrored.clone()?;
        let Some(place) = mirrored.enter(self.plan.concurrency) else {
            count(&mirrored.left_out);
            return None;
        };
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
        let policy = Policy {
            method: copied.method,
            ..Policy::default()
        };
        let attempt = Attempt::new(Deadline::after(self.plan.timeout)).hashed(attempt.hash);
        let (plan, to, request) = (self.plan.clone(), self.to.clone(), request.clone());
        let backend = real.guard().name.clone();
        let (tell, told) = oneshot::channel::<Result<Reply, Failure>>();
        tokio::task::spawn_local(async move {
            let answer = timeout(plan.timeout, to.call(&request, attempt, policy)).await;
            let answer = answer.unwrap_or_else(|_| Err(Failure::deadline()));
            let Ok(real) = told.await else {
                return count(&mirrored.unread);
            };
            let found = match (real, answer) {
                (Err(real), _) if is_silent(&real) => return count(&mirrored.unread),
                (_, Err(copy)) if is_silent(&copy) => return count(&mirrored.failed),
                (Ok(real), Ok(copy)) => {
                    // Large replies would hold up those who wait for this thread.
                    let found = move || Differences::of(&real.body, &copy.body, &form, &plan.ignore);
                    match tokio::task::spawn_blocking(found).await {
                        Ok(found) => found,
                        Err(_) => return count(&mirrored.failed),
                    }
                }
                (Err(real), Err(copy)) if real.code == copy.code && real.http_status == copy.http_status => {
                    Differences::default()
                }
                _ => Differences::of_status(),
            };
            mirrored.note(&method, &found);
            if !found.is_empty() && mirrored.may_log() {
                let paths = found.iter().collect::<Vec<_>>().join(", ");
                let mirror = &*to.guard().name;
                tracing::info!(%backend, mirror, method = &*method, paths, "a mirror answered otherwise");
            }
            drop(place);
        });
        Some(Copied(tell))
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
