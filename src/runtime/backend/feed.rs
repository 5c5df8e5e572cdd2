//! What somebody outside says about where a backend is: the last good list, and how it went since.
//!
//! Who asks them is `gateway::discovery`. Invariant: a list that was good once is kept until there is another good one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::plan::{Source, Target};

/// One source of targets.
#[derive(Debug)]
pub struct Feed {
    /// Who is asked.
    pub source: Source,
    heard: watch::Sender<Heard>,
    answers: AtomicU64,
    failures: AtomicU64,
}

/// What a source said.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The last good list.
    pub targets: Vec<Target>,
    /// It has answered, or failed to, at least once.
    pub asked: bool,
    /// Why it does not answer at the moment.
    pub trouble: Option<Arc<str>>,
}

impl Feed {
    /// Of a source that nobody has asked.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            heard: watch::Sender::new(Heard::default()),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Takes an answer in. Gives whether the list is another one now. Trouble is said once in the log, and its end too.
    pub fn hear(&self, backend: &str, answer: Result<Vec<Target>, String>) -> bool {
        let source = &*self.source.written;
        let before = self.heard.borrow().clone();
        let answer = answer.and_then(|it| {
            if it.is_empty() {
                Err("it names no target".to_owned())
            } else {
                Ok(it)
            }
        });
        let (counter, targets, trouble) = match answer {
            Ok(found) => {
                let targets = self.completed(found);
                if before.trouble.is_some() {
                    tracing::info!(backend, source, "targets are told again");
                }
                if before.targets != targets {
                    let n_targets = targets.len();
                    tracing::info!(backend, source, n_targets, "targets have changed");
                }
                (&self.answers, targets, None)
            }
            Err(reason) => {
                if before.trouble.is_none() {
                    let kept = before.targets.len();
                    tracing::warn!(
                        backend,
                        source,
                        reason,
                        kept,
                        "targets cannot be had; those that are known stay"
                    );
                }
                (&self.failures, before.targets.clone(), Some(reason.into()))
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let changed = targets != before.targets;
        self.heard.send_replace(Heard {
            targets,
            asked: true,
            trouble,
        });
        changed
    }

    /// In one order, each place once, with what was written beside the source.
    fn completed(&self, found: Vec<Target>) -> Vec<Target> {
        let completed = |it: Target| Target {
            weight: it.weight.saturating_mul(self.source.weight).max(1),
            zone: it.zone.clone().or_else(|| self.source.zone.clone()),
            ..it
        };
        let mut targets: Vec<Target> = found.into_iter().map(completed).collect();
        targets.sort_by(|a, b| (a.priority, &a.host, a.port).cmp(&(b.priority, &b.host, b.port)));
        targets.dedup_by(|a, b| a.is_same(b));
        targets
    }

    /// What was said last.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Waits until it has answered or failed once.
    pub async fn asked(&self) {
        // The sender is here, so that it does not go away.
        let _asked = self.heard.subscribe().wait_for(|it| it.asked).await.is_ok();
    }

    /// Answers, and failures to answer, so far.
    pub fn counts(&self) -> [u64; 2] {
        [&self.answers, &self.failures].map(|it| it.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SourceKind;

    fn target(host: &str, weight: u32) -> Target {
        Target {
            weight,
            ..Target::new(format!("{host}:1"), host, 1)
        }
    }

    #[test]
    fn the_last_good_list_stays() {
        let feed = Feed::new(Source {
            written: "file:x".into(),
            kind: SourceKind::File {
                path: "x".into(),
                secure: false,
            },
            weight: 2,
            zone: Some("eu".into()),
        });
        assert!(!feed.hear("shop", Err("down".to_owned())));
        assert!(feed.heard().asked && feed.heard().targets.is_empty());
        assert!(feed.hear("shop", Ok(vec![target("b", 3), target("a", 1), target("b", 3)])));
        let good = feed.heard().targets;
        let shown: Vec<_> = good
            .iter()
            .map(|it| (&*it.host, it.weight, it.zone.as_deref()))
            .collect();
        assert_eq!(shown, [("a", 2, Some("eu")), ("b", 6, Some("eu"))]);
        for bad in [Err("no such name".to_owned()), Ok(Vec::new())] {
            assert!(!feed.hear("shop", bad));
            assert_eq!(feed.heard().targets, good);
            assert!(feed.heard().trouble.is_some());
        }
        assert!(!feed.hear("shop", Ok(vec![target("a", 1), target("b", 3)])));
        assert_eq!(feed.heard().trouble, None);
        assert_eq!(feed.counts(), [2, 3]);
    }
}
