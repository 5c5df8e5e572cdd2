//! Counting in Redis, for all gateways together: one script, which is atomic there.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::gcra::Verdict;
use super::store::Hashed;
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
    let now = time::since_epoch();
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
                call.arg("r").arg(micros(gcra.interval)).arg(micros(gcra.full()));
                call.arg("").arg("");
                sent.push(0);
            }
            What::Quota {
                requests, starts, ends, ..
            } => {
                let take = |usage: &mut super::store::Usage| std::mem::take(&mut usage.unsent);
                let unsent = hall.counts.with_usage(demand.counted, now.as_secs(), *ends, take);
                // One more period, for who wants to read it.
                let goes = ends + (ends - starts);
                call.key(quota_key(shared, limit, *starts));
                call.arg("q").arg(key.hex()).arg(*requests).arg(unsent).arg(goes);
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
        give_back(running, demands, &sent, now.as_secs());
        return None;
    };
    let verdicts = demands.iter().zip(reply.chunks_exact(3));
    Some(
        verdicts
            .map(|(demand, reply)| demand.verdict(running, reply, now))
            .collect(),
    )
}

/// What was to be told was not heard.
fn give_back(running: &Running, demands: &[Demand<'_>], sent: &[u64], now: u64) {
    for (demand, unsent) in demands.iter().zip(sent) {
        if let (What::Quota { ends, .. }, true) = (&demand.what, *unsent > 0) {
            let give = |usage: &mut super::store::Usage| usage.unsent += unsent;
            running.hall.counts.with_usage(demand.counted, now, *ends, give);
        }
    }
}

impl Demand<'_> {
    fn verdict(&self, running: &Running, reply: &[i64], now: Duration) -> Verdict {
        let number = |at: usize| reply.get(at).copied().unwrap_or_default();
        let natural = |it: i64| u64::try_from(it).unwrap_or_default();
        let is_let_in = number(2) == -1;
        match &self.what {
            What::Rate(_) => Verdict {
                remaining: natural(number(0)),
                full_after: natural(number(1)).saturating_mul(1_000),
                retry_after: (!is_let_in).then(|| natural(number(2)).max(1).saturating_mul(1_000)),
            },
            What::Quota { requests, ends, .. } => {
                let used = natural(number(0));
                // Known here as well, for when Redis is gone.
                let known = |usage: &mut super::store::Usage| usage.used = used.saturating_add(usage.unsent);
                running
                    .hall
                    .counts
                    .with_usage(self.counted, now.as_secs(), *ends, known);
                let left = ends.saturating_sub(now.as_secs()).saturating_mul(SECOND);
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

/// Nanoseconds as microseconds.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1_000, nanos % 1_000)
}
