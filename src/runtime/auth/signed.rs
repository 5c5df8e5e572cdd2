//! Signatures of requests, and the nonces that must not come again: neither here nor, where there is Redis, at another gateway
//! on it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use http::Version;

use super::{Found, Question, State, now};
use crate::auth::Why;
use crate::auth::signature::{Message, Nonce, Origin, Rules, Signers, authority};
use crate::plan::Provider;
use crate::runtime::redis::Connected;
use crate::telemetry::NonceLabels;

/// The most nonces that are remembered at once, of each half of their time: some 30 MB. More than that are refused, as none is
/// forgotten before its time.
const MAX_NONCES: usize = 1 << 20;

/// Nonces that were seen, for at least as long as what was signed with them may be accepted.
#[derive(Debug)]
pub(super) struct Nonces {
    seen: Mutex<Seen>,
    /// Who has seen them, as Redis knows it: another number in each process.
    me: u64,
}

#[derive(Debug, Default)]
struct Seen {
    /// Since `since`.
    young: HashSet<Nonce>,
    /// Before that.
    old: HashSet<Nonce>,
    /// Seconds since 1970.
    since: i64,
}

/// Who has signed the request; `None` where nobody has, or not for us.
pub(super) async fn check(
    question: Question<'_>,
    (provider, state): (&Provider, &State),
    (rules, signers): (&Rules, &Signers),
) -> Result<Option<Found>, Why> {
    let parts = question.parts;
    let secure = question.running.snapshot.plan.settings.tls.is_some();
    let asked = || Origin::new(secure, authority(&parts.uri, &parts.headers).unwrap_or_default());
    let message = Message {
        method: parts.method.as_str(),
        origin: rules.origin.clone().unwrap_or_else(asked),
        uri: &parts.uri,
        absolute: parts.version < Version::HTTP_2 && parts.uri.scheme().is_some(),
        headers: &parts.headers,
    };
    let verified = rules.verify(signers, &message, question.has_body, now());
    let Some(signed) = verified.transpose()? else {
        return Ok(None);
    };
    if let Some(nonce) = signed.nonce {
        let lasts = rules.nonces_last();
        let (result, store) = match state.nonces.first(nonce, lasts, now()) {
            Ok(()) => first_of_all(question, provider, (nonce, lasts), state.nonces.me).await,
            replayed => (replayed, "local"),
        };
        let labels = NonceLabels {
            provider: provider.name.clone(),
            result: match result {
                Ok(()) => "first",
                Err(Why::Replayed) => "replayed",
                Err(_) => "crowded",
            },
            store,
        };
        question.running.hall.metrics.nonces.get_or_create_owned(&labels).inc();
        result?;
    }
    Ok(Some(Found {
        claims: signed.claims,
        digests: signed.digests.map(Box::new),
    }))
}

/// That no gateway has seen a nonce for `lasts` seconds, as far as Redis is there to say so; and who says it.
async fn first_of_all(
    question: Question<'_>,
    provider: &Provider,
    (nonce, lasts): (Nonce, i64),
    me: u64,
) -> (Result<(), Why>, &'static str) {
    let running = question.running;
    let Some(shared) = &running.hall.redis else {
        return (Ok(()), "local");
    };
    let key = &format!("{}nonce:{}:{}", shared.settings().prefix, provider.name, nonce.hex());
    let ask = |mut to: Connected| async move {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(me).arg("NX").arg("PX").arg(lasts.saturating_mul(1000));
        if set.query_async::<Option<String>>(&mut to.connection).await?.is_some() {
            return Ok(true);
        }
        // A connection may break behind what is asked, and then it is asked again.
        let by: Option<u64> = redis::cmd("GET").arg(key).query_async(&mut to.connection).await?;
        Ok(by == Some(me))
    };
    let timeout = shared.settings().timeout;
    match shared.ask(&running.link, &running.hall.metrics, timeout, ask).await {
        None => (Ok(()), "local"),
        Some(true) => (Ok(()), "redis"),
        Some(false) => (Err(Why::Replayed), "redis"),
    }
}

impl Default for Nonces {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            me: RandomState::new().hash_one(0),
        }
    }
}

impl Nonces {
    /// That a nonce was not seen for `lasts` seconds; it is, from now on.
    fn first(&self, nonce: Nonce, lasts: i64, now: i64) -> Result<(), Why> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_sub(seen.since);
        if age >= lasts {
            let young = std::mem::take(&mut seen.young);
            seen.old = if age >= lasts.saturating_mul(2) {
                HashSet::new()
            } else {
                young
            };
            seen.since = now;
        }
        if seen.old.contains(&nonce) || seen.young.contains(&nonce) {
            return Err(Why::Replayed);
        }
        if seen.young.len() >= MAX_NONCES {
            return Err(Why::Unreachable);
        }
        seen.young.insert(nonce);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_remembered_for_its_time_and_not_for_ever() {
        let nonces = Nonces::default();
        let one = Nonce::new("k", "1");
        assert_eq!(nonces.first(one, 100, 1_000), Ok(()));
        for now in [1_000, 1_050, 1_099, 1_100] {
            assert_eq!(nonces.first(one, 100, now), Err(Why::Replayed), "{now}");
        }
        assert_eq!(nonces.first(Nonce::new("k1", ""), 100, 1_100), Ok(()));
        assert_eq!(nonces.first(Nonce::new("k", "2"), 100, 1_199), Ok(()));
        // Whenever it comes, it is there for a hundred seconds.
        for now in 1_200..1_299 {
            assert_eq!(
                nonces.first(Nonce::new("k", "2"), 100, now),
                Err(Why::Replayed),
                "{now}"
            );
        }
        assert_eq!(nonces.first(one, 100, 1_500), Ok(()));
        let seen = nonces.seen.lock().unwrap();
        assert_eq!(seen.young.len() + seen.old.len(), 1);
    }

    #[test]
    fn where_there_is_no_room_nothing_is_forgotten() {
        let nonces = Nonces::default();
        let nonce = |n: usize| Nonce::new("k", &n.to_string());
        for n in 0..MAX_NONCES {
            assert_eq!(nonces.first(nonce(n), 100, 1_000), Ok(()));
        }
        assert_eq!(nonces.first(nonce(MAX_NONCES), 100, 1_000), Err(Why::Unreachable));
        assert_eq!(nonces.first(nonce(0), 100, 1_050), Err(Why::Replayed));
        assert_eq!(nonces.first(nonce(MAX_NONCES), 100, 1_100), Ok(()));
    }
}
