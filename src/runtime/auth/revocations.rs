//! Who is no longer accepted since somebody said so on the admin listener, here or at another gateway on the same Redis.
//!
//! What is said here holds here at once. Redis keeps all of it in one sorted set (`revoked.lua`) and counts changes;
//! [`Revocations::round`] tells what was said here and asks for what was since: at the start for everything, as well as where
//! something was taken back, or where Redis may have forgotten something, which is told it again then.
//! Invariant: what a gateway refuses it goes on refusing until the time is over or somebody takes it back.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::{Script, Value};
use tokio::sync::watch;

use crate::auth::Claims;
use crate::auth::revoked::{Mark, NEVER, Revoked};
use crate::runtime::redis::{Connected, Link, Shared};
use crate::telemetry::Metrics;
use crate::time;

/// How many changes are told at once.
const MAX_TOLD: usize = 1000;

/// How long telling and asking may take.
const UNHURRIED: Duration = Duration::from_secs(1);

static EXCHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("revoked.lua")));

/// What the process knows of it.
#[derive(Debug, Default)]
pub struct Revocations {
    refused: ArcSwap<Lists>,
    untold: Mutex<Untold>,
    told: watch::Sender<Told>,
}

/// By provider.
type Lists = HashMap<String, Revoked>;

/// Something that was said of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who knows them.
    pub provider: String,
    /// What tells them from others.
    pub mark: Mark,
    /// That of them.
    pub value: String,
    /// The second since 1970 until which they are refused; `None` where they are accepted again.
    pub refused_until: Option<u64>,
}

/// What Redis does not know yet.
#[derive(Debug, Default)]
struct Untold {
    changes: Vec<Change>,
    /// How many changes there were here.
    n_said: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// Redis knows so many of those that were said here.
    n: u64,
    has_asked: bool,
}

/// Up to where a gateway knows what Redis knows.
#[derive(Clone, Debug)]
pub struct Known {
    life: Arc<str>,
    number: u64,
}

impl Revocations {
    /// Whether claims are of somebody who is no longer accepted.
    pub fn has(&self, provider: &str, claims: &Claims, now: u64) -> bool {
        let refused = self.refused.load();
        refused.get(provider).is_some_and(|it| it.has(claims, now))
    }

    /// Holds from now on, here; gives what is to be waited for.
    pub fn say(&self, changes: Vec<Change>, is_shared: bool) -> u64 {
        let mut untold = self.untold();
        self.apply(&changes);
        if is_shared {
            untold.n_said += changes.len() as u64;
            untold.changes.extend(changes);
        }
        untold.n_said
    }

    /// Waits until Redis knows what was said here, so many at least; false where it takes longer than asking may.
    pub async fn are_told(&self, n: u64) -> bool {
        let mut told = self.told.subscribe();
        let knows = told.wait_for(|it| it.n >= n);
        tokio::time::timeout(UNHURRIED, knows).await.is_ok()
    }

    /// Waits until Redis was asked for the first time, whether it has answered or not.
    pub async fn have_asked(&self) {
        let mut told = self.told.subscribe();
        // It takes no longer than to connect and to ask.
        let _in_time = tokio::time::timeout(UNHURRIED, told.wait_for(|it| it.has_asked)).await;
    }

    /// How many are refused, by provider: tokens and subjects.
    pub fn counts(&self) -> Vec<(String, [usize; 2])> {
        let now = time::since_epoch().as_secs();
        let count = |list: &Revoked, mark| list.iter().filter(|it| it.0 == mark && it.2 > now).count();
        let refused = self.refused.load();
        let mut counts: Vec<_> = refused
            .iter()
            .map(|(name, list)| (name.clone(), [Mark::Id, Mark::Subject].map(|mark| count(list, mark))))
            .collect();
        counts.sort_unstable();
        counts
    }

    /// How many changes Redis does not know yet.
    pub fn n_untold(&self) -> usize {
        self.untold().changes.len()
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, changes: &[Change]) {
        self.refused.rcu(|all| {
            let mut all = Lists::clone(all);
            change(&mut all, changes);
            all
        });
    }

    /// Tells and asks once, in the channel whose bell rings for all; whether there is more to tell, or `None` where Redis is
    /// gone.
    pub async fn round(
        &self,
        (redis, link, metrics): (&Shared, &Link, &Metrics),
        bell: &str,
        known: &mut Option<Known>,
    ) -> Option<bool> {
        let telling = {
            let mut untold = self.untold();
            let n = untold.changes.len().min(MAX_TOLD);
            untold.changes.drain(..n).collect::<Vec<_>>()
        };
        let asked = exchange((redis, link, metrics), bell, known.as_ref(), &telling).await;
        let mut untold = self.untold();
        let Some((now_known, is_all, heard)) = asked else {
            untold.changes.splice(..0, telling);
            self.told
                .send_if_modified(|it| !std::mem::replace(&mut it.has_asked, true));
            return None;
        };
        if !heard.is_empty() {
            tracing::debug!(n = heard.len(), "heard who is no longer accepted");
        }
        if is_all {
            let is_same = known.as_ref().is_some_and(|it| it.life == now_known.life);
            let again = self.replace(&heard, is_same, &untold.changes);
            untold.n_said += again.len() as u64;
            untold.changes.extend(again);
        } else if !heard.is_empty() {
            self.apply(&heard);
            // What was said here meanwhile is newer.
            self.apply(&untold.changes);
        }
        *known = Some(now_known);
        let is_more = !untold.changes.is_empty();
        let n = untold.n_said - untold.changes.len() as u64;
        self.told.send_replace(Told { n, has_asked: true });
        Some(is_more)
    }

    /// Takes over all that Redis knows, and what was said here since. What it does not know is forgotten where that was taken
    /// back; where it may have been lost it stays, and is given back to be told again.
    fn replace(&self, heard: &[Change], taken_back: bool, untold: &[Change]) -> Vec<Change> {
        let now = time::since_epoch().as_secs();
        let mut all = Lists::new();
        change(&mut all, heard);
        let mut again = Vec::new();
        if !taken_back {
            let (here, there) = (self.refused.load(), &all);
            let lost = here.iter().flat_map(|(provider, list)| {
                let there = there.get(provider);
                let is_lost = move |it: &(Mark, &str, u64)| {
                    it.2 > now
                        && there
                            .and_then(|list| list.end(it.0, it.1))
                            .is_none_or(|ends| ends < it.2)
                };
                list.iter().filter(is_lost).map(|(mark, value, ends)| Change {
                    provider: provider.clone(),
                    mark,
                    value: value.to_owned(),
                    refused_until: Some(ends),
                })
            });
            again.extend(lost);
            change(&mut all, &again);
            // Those are told already, or will be.
            again.retain(|it| !untold.contains(it));
        }
        change(&mut all, untold);
        self.refused.store(Arc::new(all));
        again
    }
}

/// Makes of lists what follows from changes, and forgets what is over.
fn change(all: &mut Lists, changes: &[Change]) {
    let now = time::since_epoch().as_secs();
    for it in changes {
        let list = all.entry(it.provider.clone()).or_default();
        match it.refused_until {
            Some(ends) => list.add(it.mark, &it.value, ends),
            None => list.remove(it.mark, &it.value),
        }
    }
    all.retain(|_, it| {
        it.sweep(now);
        !it.is_empty()
    });
}

/// What Redis knows by now, whether that is all of it or only what is new, and what it is.
async fn exchange(
    (redis, link, metrics): (&Shared, &Link, &Metrics),
    bell: &str,
    known: Option<&Known>,
    telling: &[Change],
) -> Option<(Known, bool, Vec<Change>)> {
    let key = format!("{}revoked", redis.settings().prefix);
    let question = |mut to: Connected| {
        let mut call = EXCHANGE.prepare_invoke();
        call.key(&key).arg(to.run.as_deref().unwrap_or_default());
        call.arg(known.map_or("", |it| &it.life))
            .arg(known.map_or(0, |it| it.number));
        call.arg(bell);
        for change in telling {
            call.arg(change.packed());
        }
        async move { call.invoke_async::<Vec<Value>>(&mut to.connection).await }
    };
    let mut reply = redis.ask(link, metrics, UNHURRIED, question).await?.into_iter();
    let life = text(&reply.next()?)?.into();
    let (Value::Int(number), Value::Int(is_all)) = (reply.next()?, reply.next()?) else {
        return None;
    };
    let number = u64::try_from(number).ok()?;
    // What is none, perhaps of a later version, is passed over.
    let heard = reply.filter_map(|it| Change::unpack(text(&it)?)).collect();
    Some((Known { life, number }, is_all != 0, heard))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

impl Change {
    /// As the script takes it.
    fn packed(&self) -> String {
        let sign = match self.refused_until {
            Some(NEVER) => "+0\n".to_owned(),
            Some(ends) => format!("+{ends}\n"),
            None => "-".to_owned(),
        };
        format!("{sign}{}\n{}\n{}", self.mark.claim(), self.provider, self.value)
    }

    /// An entry as the script gives it.
    fn unpack(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '\n');
        let ends = parts.next()?.parse().ok()?;
        Some(Self {
            refused_until: Some(if ends == 0 { NEVER } else { ends }),
            mark: Mark::of(parts.next()?)?,
            provider: parts.next()?.to_owned(),
            value: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str, refused_until: Option<u64>) -> Change {
        Change {
            provider: "customer".to_owned(),
            mark: Mark::Subject,
            value: value.to_owned(),
            refused_until,
        }
    }

    fn refuses(all: &Revocations, name: &str) -> bool {
        let text = format!("{{\"sub\":\"{name}\"}}");
        let claims = Claims::read(text.into()).unwrap();
        all.has("customer", &claims, time::since_epoch().as_secs())
    }

    #[tokio::test]
    async fn entries_are_read_as_they_are_told() {
        for change in [of("ann\nb", Some(NEVER)), of("", Some(1_800_000_000))] {
            let packed = change.packed();
            assert_eq!(Change::unpack(&packed[1..]), Some(change), "{packed}");
        }
        assert_eq!(of("ann", None).packed(), "-sub\ncustomer\nann");
        assert_eq!(Change::unpack("0\nname\ncustomer\nann"), None);
    }

    #[tokio::test]
    async fn what_redis_has_lost_is_told_again_and_what_was_taken_back_is_not() {
        let all = Revocations::default();
        all.say(vec![of("ann", Some(NEVER)), of("bob", Some(NEVER))], true);
        let told = std::mem::take(&mut all.untold().changes);
        // Said while Redis is asked.
        all.say(vec![of("eve", Some(NEVER)), of("bob", None)], true);
        let (heard, untold) = (
            [of("cid", Some(NEVER)), of("bob", Some(NEVER))],
            all.untold().changes.clone(),
        );
        let lost = all.replace(&heard, false, &untold);
        assert_eq!(lost, [told[0].clone()]);
        let are_refused = |names: [&str; 4]| names.map(|it| refuses(&all, it));
        assert_eq!(are_refused(["ann", "bob", "cid", "eve"]), [true, false, true, true]);
        assert!(all.replace(&heard, true, &untold).is_empty());
        assert_eq!(are_refused(["ann", "bob", "cid", "eve"]), [false, false, true, true]);
        assert_eq!(all.counts(), [("customer".to_owned(), [0, 2])]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_comes() {
        let all = Revocations::default();
        all.say(vec![of("ann", Some(time::since_epoch().as_secs() + 60))], false);
        assert!(refuses(&all, "ann"));
        assert_eq!(all.n_untold(), 0);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!refuses(&all, "ann") && all.counts()[0].1 == [0, 0]);
    }
}
