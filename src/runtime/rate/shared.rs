//! Counting in Redis, for all gateways together: one script, which is atomic there.
//!
//! What it says is noted here as well, so that the limits of this gateway go on from there when it is gone.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::gcra::Verdict;
use super::store::{Hashed, Store, Usage};
use super::{Demand, SECOND, What};
use crate::runtime::redis::{Connected, Link, Shared};
use crate::runtime::snapshot::Running;
use crate::telemetry::Metrics;
use crate::time;

static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("count.lua")));

/// Counts there; `None` where it is gone. What was counted here alone meanwhile is told with the next request of its key.
pub(super) async fn ask(running: &Running, demands: &[Demand<'_>]) -> Option<Vec<Verdict>> {
    let hall = &running.hall;
    let shared = hall.redis.as_ref()?;
    if demands.is_empty() {
        return Some(Vec::new());
    }
    let (now, life) = (nanos(time::since_epoch()), shared.life());
    let mut call = COUNT.prepare_invoke();
    let mut sent = Vec::new();
    for demand in demands {
        let (limit, key) = demand.counted;
        match &demand.what {
            What::Rate(gcra) => {
                call.key(format!(
                    "{}rate:{}:{}",
                    shared.settings().prefix,
                    limit.hex(),
                    key.hex()
                ));
                let spent = hall.counts.tell_rate(demand.counted, now, life);
                call.arg("r").arg(micros(gcra.interval)).arg(micros(gcra.full()));
                call.arg(micros(spent)).arg("").arg("");
                sent.push(0);
            }
            What::Quota {
                requests, starts, ends, ..
            } => {
                let tell = |usage: &mut Usage| {
                    let is_known = std::mem::replace(&mut usage.known_in, life) == life;
                    (std::mem::take(&mut usage.unsent), if is_known { 0 } else { usage.used })
                };
                let (unsent, used) = hall.counts.with_usage(demand.counted, now / SECOND, *ends, tell);
                // One more period, for who wants to read it.
                let goes = ends + (ends - starts);
                call.key(quota_key(shared, limit, *starts));
                call.arg("q")
                    .arg(key.hex())
                    .arg(*requests)
                    .arg(unsent)
                    .arg(goes)
                    .arg(used);
                sent.push(unsent);
            }
        }
    }
    let call = &call;
    let question = move |mut to: Connected| async move { call.invoke_async::<Vec<i64>>(&mut to.connection).await };
    let timeout = shared.settings().timeout;
    let reply = shared.ask(&running.link, &hall.metrics, timeout, question).await;
    let reply = reply.filter(|it| it.len() == demands.len() * 3);
    let Some(reply) = reply else {
        give_back(running, demands, &sent, now / SECOND);
        return None;
    };
    let verdicts = demands.iter().zip(reply.chunks_exact(3));
    Some(
        verdicts
            .map(|(demand, reply)| demand.verdict(&hall.counts, reply, (now, life)))
            .collect(),
    )
}

/// What was to be told was not heard.
fn give_back(running: &Running, demands: &[Demand<'_>], sent: &[u64], now: u64) {
    let counts = &running.hall.counts;
    for (demand, unsent) in demands.iter().zip(sent) {
        match &demand.what {
            What::Rate(_) => counts.rate_is_untold(demand.counted),
            What::Quota { ends, .. } => counts.with_usage(demand.counted, now, *ends, |usage| {
                usage.unsent += unsent;
                usage.known_in = 0;
            }),
        }
    }
}

impl Demand<'_> {
    fn verdict(&self, counts: &Store, reply: &[i64], (now, life): (u64, u32)) -> Verdict {
        let number = |at: usize| reply.get(at).copied().unwrap_or_default();
        let natural = |it: i64| u64::try_from(it).unwrap_or_default();
        let is_let_in = number(2) == -1;
        match &self.what {
            What::Rate(_) => {
                let spent = natural(number(1)).saturating_mul(1_000);
                counts.hear_rate(self.counted, spent, now, life);
                Verdict {
                    remaining: natural(number(0)),
                    full_after: spent,
                    retry_after: (!is_let_in).then(|| natural(number(2)).max(1).saturating_mul(1_000)),
                }
            }
            What::Quota { requests, ends, .. } => {
                let used = natural(number(0));
                let hear = |usage: &mut Usage| usage.used = usage.used.max(used.saturating_add(usage.unsent));
                counts.with_usage(self.counted, now / SECOND, *ends, hear);
                let left = ends.saturating_sub(now / SECOND).saturating_mul(SECOND);
                Verdict {
                    remaining: requests.saturating_sub(used),
                    full_after: left,
                    retry_after: (!is_let_in).then_some(left.max(1)),
                }
            }
        }
    }
}

/// How much of its quota each key of a limit has used up at all gateways in the period that began at `starts`; `None` where
/// Redis is gone.
pub async fn usages(
    shared: &Shared,
    link: &Link,
    metrics: &Metrics,
    limit: Hashed,
    starts: u64,
) -> Option<Vec<(String, u64)>> {
    let mut command = redis::cmd("HGETALL");
    command.arg(quota_key(shared, limit, starts));
    let command = &command;
    let question = move |mut to: Connected| async move { command.query_async(&mut to.connection).await };
    shared.ask(link, metrics, shared.settings().timeout, question).await
}

fn quota_key(shared: &Shared, limit: Hashed, starts: u64) -> String {
    format!("{}quota:{}:{starts}", shared.settings().prefix, limit.hex())
}

fn nanos(it: Duration) -> u64 {
    u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as microseconds.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1_000, nanos % 1_000)
}
