//! The second level: what all gateways keep together in Redis, and how each hears what the others have dropped.
//!
//! Whoever has to make something looks here first, in one question that takes the time-out of a look-up at most; what was
//! made is written behind, and nobody waits for that. Freshness goes by the age that something had and the time that Redis
//! has kept it since: no two clocks are compared.
//!
//! Redis counts drops, and has for each tag the last. What is kept says in which life of Redis and at which number it was
//! begun, so that a look-up never finds what was dropped later: not after a start of Redis either, which may have forgotten
//! drops that it had confirmed, since each begins another life. What a gateway has in memory it drops when it hears of it:
//! [`Remote::follow`] asks for what was dropped since it last asked, when a bell rings, and every [`ROUND`] in case it did
//! not; where nobody knows what was dropped meanwhile, everything that has a tag goes.
//! Invariant: what this gateway has dropped itself it never takes from Redis again, whether Redis knows of it yet or not.

mod packed;
mod realm;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use redis::aio::PubSub;
use redis::{RedisError, Script, Value};
use tokio::sync::{Notify, Semaphore, watch};

pub use self::packed::Portable;
pub use self::realm::realm;
use super::tag::{Drops, Since, Tag};
use super::{Kept, Key, KeyWriter, Use};
use crate::plan;
use crate::runtime::redis::{Connected, Link, Purpose, Shared, is_about_the_question};
use crate::runtime::snapshot::{Hall, Running};
use crate::telemetry::{Metrics, RemoteLabels};

/// From one question for drops to the next, where no bell rings.
pub const ROUND: Duration = Duration::from_secs(1);

/// The most that one thing may take there, bytes.
pub const MAX_VALUE: usize = 1 << 20;

/// What may be on its way there at once; what comes then is not kept there.
const MAX_WRITES: usize = 64;

/// How long writing something, or asking for drops, may take.
const UNHURRIED: Duration = Duration::from_secs(1);

/// How many tags Redis remembers as dropped. Beyond that it forgets the older half, and what has tags and is older than that
/// is not found any more.
const MAX_REMEMBERED: usize = 1 << 16;

/// How many tags are told at once.
const MAX_TOLD: usize = 1000;

static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("remote/life.lua"),
        include_str!("remote/find.lua")
    ))
});
static FOLLOW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("remote/life.lua"),
        include_str!("remote/follow.lua")
    ))
});

/// What this process knows of what all gateways keep.
#[derive(Debug)]
pub struct Remote {
    redis: Shared,
    untold: Mutex<Untold>,
    /// Rings when there is something to tell.
    bell: Notify,
    told: watch::Sender<Since>,
    writes: Arc<Semaphore>,
}

/// What was dropped here and Redis does not know yet.
#[derive(Debug, Default)]
struct Untold {
    tags: Vec<Tag>,
    /// There were too many of them.
    everything: bool,
}

/// A moment that all gateways understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Of what Redis knows of drops.
    life: Arc<str>,
    /// Counted in drops of that life.
    number: u64,
}

/// What is known elsewhere.
#[derive(Debug)]
pub struct Found<T> {
    /// What is kept there and good for something.
    pub kept: Option<Arc<Kept<T>>>,
    /// As of when what is made now may be kept there; `None` where nobody answers.
    pub moment: Option<Moment>,
}

/// Whether other gateways were asked for something; one request asks once.
#[derive(Clone, Debug)]
pub enum Elsewhere {
    /// Not yet.
    Unasked,
    /// They were, and this was the moment.
    Asked(Option<Moment>),
}

impl Elsewhere {
    /// As of when what is made now may be kept for all gateways.
    pub fn moment(self) -> Option<Moment> {
        match self {
            Self::Unasked => None,
            Self::Asked(moment) => moment,
        }
    }
}

impl<T> Found<T> {
    const UNKNOWN: Self = Self {
        kept: None,
        moment: None,
    };

    /// What is to be used as it is.
    pub fn fresh(&self) -> Option<&Arc<Kept<T>>> {
        self.kept.as_ref().filter(|it| it.good_for() == Use::Fresh)
    }
}

impl Remote {
    /// `None` where the address is none, which is logged.
    pub fn new(settings: &plan::Redis) -> Option<Self> {
        Some(Self {
            redis: Shared::new(settings, Purpose::Cache)?,
            untold: Mutex::default(),
            bell: Notify::new(),
            told: watch::Sender::new(Since::default()),
            writes: Arc::new(Semaphore::new(MAX_WRITES)),
        })
    }

    /// Has those asked and told soon who follow.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether it did not answer when it was last asked.
    pub fn is_gone(&self) -> bool {
        self.redis.is_gone()
    }

    /// How many tags were dropped here and are not known there yet; `None` is too many to be told one by one.
    pub fn n_untold(&self) -> Option<usize> {
        let untold = self.untold();
        (!untold.everything).then_some(untold.tags.len())
    }

    /// Drops here, and notes that it is to be told.
    pub(super) fn drop_all(&self, drops: &Drops, tags: &[Tag]) {
        let mut untold = self.untold();
        drops.drop_all(tags);
        untold.add(tags);
        drop(untold);
        self.bell.notify_one();
    }

    /// Waits until Redis knows of all that was dropped here so far, but no longer than it is given for an answer, and not at
    /// all while it is gone.
    pub(super) async fn tell(&self, drops: &Drops) {
        if self.is_gone() {
            return;
        }
        let (now, mut told) = (drops.now(), self.told.subscribe());
        let knows = told.wait_for(|it| *it >= now);
        // Whoever does not know it yet is told as soon as it is there.
        let _in_time = tokio::time::timeout(self.redis.settings().timeout, knows).await.is_ok();
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for something that this gateway does not have.
    ///
    /// Cancel safety: nothing is changed.
    pub async fn find<T: Portable>(running: &Running, key: Key) -> Found<T> {
        let hall = &running.hall;
        let Some(remote) = &hall.remote else {
            return Found::UNKNOWN;
        };
        // What was dropped here before is known there; of all that follows, this gateway knows itself.
        let since = *remote.told.borrow();
        let (entry, names) = (remote.name(running, key), &remote.names());
        let question = move |mut to: Connected| {
            let mut call = FIND.prepare_invoke();
            call.key(&names[0]).key(&names[1]).key(&entry);
            call.arg(to.run.as_deref().unwrap_or_default()).arg(packed::VERSION);
            async move {
                match to.run {
                    Some(_) => call.invoke_async::<Vec<Value>>(&mut to.connection).await.map(Some),
                    None => Ok(None),
                }
            }
        };
        let (lookup, was_gone) = (remote.redis.settings().lookup, remote.is_gone());
        let reply = remote.redis.ask(&running.far, &hall.metrics, lookup, question).await;
        let found = match reply {
            None if was_gone => Err("skipped"),
            // Perhaps it does not say which run this is.
            None | Some(None) => Err("failed"),
            Some(Some(reply)) => read(reply, since).ok_or("failed"),
        };
        let (found, result) = match found {
            Err(result) => (Found::UNKNOWN, result),
            Ok((moment, kept)) => {
                let kept = kept.filter(|it| !hall.cache.is_dropped(it));
                let result = match kept.as_ref().map(Kept::good_for) {
                    None | Some(Use::None) => "miss",
                    Some(Use::Fresh) => "hit",
                    Some(Use::WhileRevalidating | Use::IfError) => "stale",
                };
                let kept = kept.filter(|_| result != "miss").map(Arc::new);
                let moment = Some(moment);
                (Found { kept, moment }, result)
            }
        };
        hall.metrics.looked_up_remotely(&RemoteLabels { kind: T::NAME, result });
        found
    }

    /// Looks for something unless that was done already; the moment, where nothing fresh was found.
    pub async fn fresh<T: Portable>(
        running: &Running,
        key: Key,
        elsewhere: Elsewhere,
    ) -> Result<Arc<Kept<T>>, Option<Moment>> {
        if let Elsewhere::Asked(moment) = elsewhere {
            return Err(moment);
        }
        let found = Self::find::<T>(running, key).await;
        let Some(fresh) = found.fresh().cloned() else {
            return Err(found.moment);
        };
        running.hall.cache.take_over(key, &fresh);
        Ok(fresh)
    }

    /// Keeps something for all gateways, behind the back of whoever made it; begun at `moment`.
    pub fn keep<T: Portable>(running: &Running, key: Key, kept: &Kept<T>, moment: Option<&Moment>) {
        let (hall, far) = (running.hall.clone(), running.far.clone());
        let (Some(remote), Some(moment)) = (&hall.remote, moment) else {
            return;
        };
        let count = |hall: &Hall, result| hall.metrics.kept_remotely(&RemoteLabels { kind: T::NAME, result });
        let Some((bytes, life)) = packed::pack(kept, moment).filter(|it| it.0.len() <= MAX_VALUE) else {
            return count(&hall, "too_large");
        };
        let Ok(permit) = remote.writes.clone().try_acquire_owned() else {
            return count(&hall, "busy");
        };
        let name = remote.name(running, key);
        running.hall.detached.adopt(async move {
            let Some(remote) = &hall.remote else { return };
            let mut command = redis::cmd("SET");
            let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
            command.arg(name).arg(&bytes).arg("PX").arg(life);
            let command = &command;
            let question = move |mut to: Connected| async move {
                match command.query_async::<()>(&mut to.connection).await {
                    // It is there, and has no room.
                    Err(error) if is_about_the_question(&error) => Ok("refused"),
                    answer => answer.map(|()| "stored"),
                }
            };
            let written = remote.redis.ask(&far, &hall.metrics, UNHURRIED, question).await;
            count(&hall, written.unwrap_or("failed"));
            drop(permit);
        });
    }

    /// What something is kept under there.
    fn name(&self, running: &Running, key: Key) -> String {
        let mut writer = KeyWriter::new("remote");
        writer.part(&running.snapshot.realm);
        writer.part(&key.0);
        let digest = writer.finish().0;
        let prefix = &self.redis.settings().prefix;
        let mut name = String::with_capacity(prefix.len() + 6 + 64);
        name.push_str(prefix);
        name.push_str("cache:");
        for byte in digest {
            for digit in [byte >> 4, byte & 15] {
                name.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        name
    }

    /// What is known of drops, the tags, and the channel of the bell.
    fn names(&self) -> [String; 3] {
        let prefix = &self.redis.settings().prefix;
        ["drops", "dropped", "bell"].map(|it| format!("{prefix}{it}"))
    }

    /// Tells what is dropped here and hears what is dropped elsewhere, as long as there is somebody to tell; and who is no
    /// longer accepted, which has the same bell.
    pub async fn follow(hall: Weak<Hall>) {
        let link = Link::default();
        let (mut known, mut ear): (Option<Moment>, Option<PubSub>) = (None, None);
        let mut revoked = None;
        loop {
            let is_more = {
                let Some(hall) = hall.upgrade() else { return };
                let Some(remote) = &hall.remote else { return };
                if ear.is_none() && !remote.is_gone() {
                    // Heard of or not, it is asked every round.
                    ear = remote.redis.listen(&remote.names()[2]).await.ok();
                }
                let before = known.clone();
                let to_drop = remote.round(&hall, &link, &mut known).await;
                if to_drop.is_none() {
                    ear = None;
                    known = before;
                }
                let by = (&remote.redis, &link, &hall.metrics);
                let to_revoke = hall.revocations.round(by, &remote.names()[2], &mut revoked).await;
                to_drop.unwrap_or_default() || to_revoke.unwrap_or_default()
            };
            if is_more {
                continue;
            }
            wait(&hall, &mut ear).await;
        }
    }

    /// Asks once; whether there is more to tell, or `None` where Redis is gone.
    async fn round(&self, hall: &Hall, link: &Link, known: &mut Option<Moment>) -> Option<bool> {
        let telling = self.untold().take();
        let drops = &hall.cache.drops;
        let asked = self.exchange(&hall.metrics, link, known.as_ref(), &telling).await;
        let mut untold = self.untold();
        let Some((moment, heard)) = asked else {
            untold.give_back(&telling);
            return None;
        };
        match heard {
            Some(tags) if tags.is_empty() => {}
            Some(tags) => drops.drop_all(&tags),
            None => drops.drop_everything(),
        }
        // What it knows by now is what this gateway knows, as long as nothing is left to be told.
        let is_more = untold.everything || !untold.tags.is_empty();
        if !is_more {
            self.told.send_replace(drops.now());
        }
        *known = Some(moment);
        Some(is_more)
    }

    /// Tells and hears; what was dropped elsewhere is `None` where nobody knows all of it.
    async fn exchange(
        &self,
        metrics: &Metrics,
        link: &Link,
        known: Option<&Moment>,
        telling: &Untold,
    ) -> Option<(Moment, Option<Vec<Tag>>)> {
        let names = &self.names();
        let question = move |mut to: Connected| {
            let mut call = FOLLOW.prepare_invoke();
            call.key(&names[0]).key(&names[1]);
            call.arg(to.run.as_deref().unwrap_or_default());
            call.arg(known.map_or("", |it| &it.life))
                .arg(known.map_or(0, |it| it.number));
            call.arg(&names[2])
                .arg(MAX_REMEMBERED)
                .arg(u8::from(telling.everything));
            for tag in &telling.tags {
                call.arg(&tag.bytes()[..]);
            }
            async move {
                match to.run {
                    Some(_) => call.invoke_async::<Vec<Value>>(&mut to.connection).await,
                    None => Err(RedisError::from((
                        redis::ErrorKind::Client,
                        "INFO does not say `run_id`, without which nothing can be shared",
                    ))),
                }
            }
        };
        let reply = self.redis.ask(link, metrics, UNHURRIED, question).await?;
        let mut reply = reply.into_iter();
        let moment = moment(reply.next()?, &reply.next()?)?;
        let is_lost = reply.next()? != Value::Int(0);
        let tags: Option<Vec<Tag>> = reply
            .map(|it| Some(Tag::from_bytes(text(it)?.first_chunk().copied()?)))
            .collect();
        Some((moment, tags.filter(|_| !is_lost)))
    }
}

impl Untold {
    fn add(&mut self, tags: &[Tag]) {
        self.tags.extend(tags);
        if self.tags.len() > MAX_REMEMBERED {
            self.everything = true;
        }
        if self.everything {
            self.tags.clear();
        }
    }

    /// As much as is told at once.
    fn take(&mut self) -> Self {
        let n = self.tags.len().min(MAX_TOLD);
        Self {
            tags: self.tags.drain(..n).collect(),
            everything: std::mem::take(&mut self.everything),
        }
    }

    fn give_back(&mut self, taken: &Self) {
        self.everything |= taken.everything;
        self.add(&taken.tags);
    }
}

/// Waits until there is something to tell or to hear, or the round is over.
async fn wait(hall: &Weak<Hall>, ear: &mut Option<PubSub>) {
    let Some(hall) = hall.upgrade() else { return };
    let Some(remote) = &hall.remote else { return };
    let rung = async {
        let Some(open) = ear.as_mut() else {
            return std::future::pending().await;
        };
        let is_open = open.on_message().next().await.is_some();
        // One question answers them all.
        while let Some(Some(_)) = open.on_message().next().now_or_never() {}
        is_open
    };
    let is_open = tokio::select! {
        is_open = rung => is_open,
        () = remote.bell.notified() => true,
        () = tokio::time::sleep(ROUND) => true,
    };
    if !is_open {
        *ear = None;
    }
}

fn read<T: Portable>(reply: Vec<Value>, since: Since) -> Option<(Moment, Option<Kept<T>>)> {
    let mut reply = reply.into_iter();
    let moment = moment(reply.next()?, &reply.next()?)?;
    let kept = match (reply.next(), reply.next()) {
        (Some(Value::Int(left)), Some(value)) => {
            let left = Duration::from_millis(u64::try_from(left).ok()?);
            packed::unpack(text(value)?, left, since)
        }
        _ => None,
    };
    Some((moment, kept))
}

fn moment(life: Value, number: &Value) -> Option<Moment> {
    let Value::Int(number) = number else { return None };
    Some(Moment {
        life: std::str::from_utf8(&text(life)?).ok()?.into(),
        number: u64::try_from(*number).ok()?,
    })
}

fn text(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}
