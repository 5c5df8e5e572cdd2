//! Where backends are: those who know it are asked, again and again, as long as something that is served needs them.
//!
//! One file for each kind of source: each gives what it names, and when to ask again. What was heard is in
//! `runtime::backend::feed`. Invariant: a source is asked by one task, which ends when no snapshot that is served names it.

#[cfg(any(feature = "consul", feature = "kubernetes"))]
mod api;
#[cfg(feature = "consul")]
mod consul;
mod dns;
mod file;
#[cfg(feature = "kubernetes")]
mod kubernetes;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::listen::Shared;
use crate::plan::{Source, SourceKind, Target};
use crate::runtime::backend::Guards;
use crate::runtime::backend::feed::Feed;

/// How long a start or a reload waits for sources that nobody has asked before.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait after the first failure in a row, and twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// At most so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks the sources of what is served.
#[derive(Debug, Default)]
pub struct Discovery {
    followed: Vec<(Arc<Feed>, AbortHandle)>,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    targets: Vec<Target>,
    /// How long it counts.
    kept_for: Duration,
}

/// Takes what a source says in.
#[derive(Clone, Debug)]
struct Ear {
    backend: Arc<str>,
    feed: Arc<Feed>,
    shared: Weak<Shared>,
}

impl Discovery {
    /// Asks the sources of these guards, and no others.
    pub fn follow(&mut self, guards: &Guards, shared: &Arc<Shared>) {
        let wanted: Vec<_> = guards
            .iter()
            .flat_map(|guard| guard.feeds.iter().map(move |it| (guard, it)))
            .collect();
        self.followed.retain(|(feed, task)| {
            let stays = wanted.iter().any(|(_, it)| Arc::ptr_eq(it, feed));
            if !stays {
                task.abort();
            }
            stays
        });
        for (guard, feed) in wanted {
            if self.followed.iter().any(|(it, _)| Arc::ptr_eq(it, feed)) {
                continue;
            }
            let ear = Ear {
                backend: guard.name.clone(),
                feed: feed.clone(),
                shared: Arc::downgrade(shared),
            };
            let task = tokio::spawn(follow(ear)).abort_handle();
            self.followed.push((feed.clone(), task));
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        for (_, task) in &self.followed {
            task.abort();
        }
    }
}

/// Waits until every source has answered or failed once, but not for long; what was heard is in place then.
pub async fn settled(guards: &Guards) {
    let all = guards.iter().flat_map(|it| &it.feeds).map(|it| it.asked());
    // Who is late is heard when it answers.
    let _in_time = tokio::time::timeout(PATIENCE, futures::future::join_all(all))
        .await
        .is_ok();
    guards.refresh();
}

/// Asks each source once and puts in place what was heard.
pub async fn ask_all(guards: &Guards) {
    let each = guards
        .iter()
        .flat_map(|guard| guard.feeds.iter().map(move |it| (guard, it)));
    let each = each.map(|(guard, feed)| async move {
        feed.hear(&guard.name, ask(&feed.source).await);
    });
    futures::future::join_all(each).await;
    guards.refresh();
}

/// Asks a source once.
pub async fn ask(source: &Source) -> Result<Vec<Target>, String> {
    let answer = tokio::time::timeout(PATIENCE, answer(&source.kind)).await;
    let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
    answer.map(|it| it.targets)
}

async fn answer(of: &SourceKind) -> Result<Answer, String> {
    match of {
        SourceKind::Dns { host, port, dns } => dns::addresses(dns, host, *port).await,
        SourceKind::Srv { name, dns } => dns::services(dns, name).await,
        SourceKind::File { path, secure } => file::read(path, *secure).map(Answer::until_told),
        #[cfg(feature = "consul")]
        SourceKind::Consul { service, consul } => consul::ask(service, consul).await.map(Answer::until_told),
        #[cfg(feature = "kubernetes")]
        SourceKind::Kubernetes(service) => kubernetes::ask(service).await.map(Answer::until_told),
        #[cfg(not(all(feature = "consul", feature = "kubernetes")))]
        SourceKind::Consul { .. } | SourceKind::Kubernetes(_) => Err("this build does not know it".to_owned()),
    }
}

/// Asks a source without end.
async fn follow(ear: Ear) {
    let source = &ear.feed.source.kind;
    match source {
        SourceKind::File { path, secure } => file::follow(&ear, path, *secure).await,
        #[cfg(feature = "consul")]
        SourceKind::Consul { service, consul } => consul::follow(&ear, service, consul).await,
        #[cfg(feature = "kubernetes")]
        SourceKind::Kubernetes(service) => kubernetes::follow(&ear, service).await,
        _ => again_and_again(|it| ear.hear(it), || answer(source)).await,
    }
}

/// Asks again when what was said counts no more, or a while after a failure.
async fn again_and_again<F>(hear: impl Fn(Result<Vec<Target>, String>), ask: impl Fn() -> F)
where
    F: Future<Output = Result<Answer, String>>,
{
    let mut n_failures = 0;
    loop {
        let wait = match ask().await {
            Ok(answer) => {
                n_failures = if answer.targets.is_empty() { n_failures + 1 } else { 0 };
                hear(Ok(answer.targets));
                if n_failures > 0 {
                    pause(n_failures)
                } else {
                    answer.kept_for
                }
            }
            Err(error) => {
                n_failures += 1;
                hear(Err(error));
                pause(n_failures)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

impl Answer {
    /// Of a source that says by itself when there is something new.
    fn until_told(targets: Vec<Target>) -> Self {
        Self {
            targets,
            kept_for: Duration::MAX,
        }
    }
}

impl Ear {
    /// Takes in what was said, and puts it in place for all that is served.
    fn hear(&self, answer: Result<Vec<Target>, String>) {
        if self.feed.hear(&self.backend, answer)
            && let Some(shared) = self.shared.upgrade()
        {
            shared.snapshot.load().guards.refresh();
        }
    }
}

/// The pause after so many failures in a row.
fn pause(n_failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(n_failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_source_is_asked_when_its_answer_is_over_and_ever_less_often_while_it_fails() {
        let began = Instant::now();
        let asked = RefCell::new(Vec::new());
        let heard = RefCell::new(Vec::new());
        let target = Target::new("a:1", "a", 1);
        let good = |seconds| {
            Ok(Answer {
                targets: vec![target.clone()],
                kept_for: Duration::from_secs(seconds),
            })
        };
        let script = RefCell::new(vec![
            good(5),
            Err("no".to_owned()),
            Err("no".to_owned()),
            Ok(Answer {
                targets: Vec::new(),
                kept_for: Duration::from_secs(9),
            }),
            good(7),
        ]);
        let ask = || {
            asked.borrow_mut().push(began.elapsed().as_millis());
            let next = if script.borrow().is_empty() {
                Err("end".to_owned())
            } else {
                script.borrow_mut().remove(0)
            };
            std::future::ready(next)
        };
        let hear = |it: Result<Vec<Target>, String>| heard.borrow_mut().push(it.map(|it| it.len()));
        let _over = tokio::time::timeout(Duration::from_mins(1), again_and_again(hear, ask)).await;
        assert_eq!(asked.borrow()[..6], [0, 5_000, 5_500, 6_500, 8_500, 15_500]);
        assert_eq!(heard.borrow()[..3], [Ok(1), Err("no".to_owned()), Err("no".to_owned())]);
        let steps: Vec<_> = asked.borrow().windows(2).map(|it| it[1] - it[0]).collect();
        assert_eq!(steps[5..], [500, 1_000, 2_000, 4_000, 8_000, 16_000]);
        assert_eq!(pause(40), LONGEST_PAUSE);
    }
}
