//! Keys that their issuer publishes: fetched when they are first needed, again when they grow old, and when a token names
//! one that is not among them; but never more often than the floor allows, whatever tokens come.
//!
//! Fetches go through a backend like any other call, one at a time over all workers. Where the issuer is down, keys that are
//! known go on being used for a day.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::Question;
use crate::auth::Why;
use crate::auth::jwk::{KeySet, Source};
use crate::codec::json;
use crate::plan::{Accept, Address, BackendIndex, Fetch};
use crate::runtime::backend::{Attempt, Request};
use crate::runtime::cache::{Flights, Joined, KeyWriter, Landing, Since};
use crate::runtime::serve::log::cause;
use crate::runtime::serve::problem::failure_kind;
use crate::runtime::snapshot::Running;
use crate::telemetry::AuthLabels;
use crate::time::{Deadline, Instant};

/// The shortest time between two fetches, whatever tokens come.
const FLOOR: Duration = Duration::from_secs(10);
/// How long keys are fresh where the issuer does not say.
const USUAL: Duration = Duration::from_mins(10);
/// How long they are fresh at least and at most, whatever it says.
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);
/// How long keys are used that could not be fetched again.
const STALE: Duration = Duration::from_hours(24);
/// How long one fetch may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyStore {
    state: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    fetched: ArcSwapOption<Fetched>,
    /// When somebody last tried, whether it went well or not.
    tried: ArcSwapOption<Instant>,
    generation: AtomicU64,
    fetching: Flights<()>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    text: Bytes,
    fresh_until: Instant,
    usable_until: Instant,
}

impl KeyStore {
    /// An empty store, or one that shares all with another.
    pub(super) fn new(before: Option<&Self>) -> Self {
        Self {
            state: before.map(|it| it.state.clone()).unwrap_or_default(),
        }
    }

    /// Counts up whenever the keys change.
    pub(super) fn generation(&self) -> u64 {
        self.state.generation.load(Ordering::Acquire)
    }

    /// Keys among which the wanted one is, as far as the issuer publishes it; with their generation.
    pub(super) async fn keys(
        &self,
        question: Question<'_>,
        (name, fetch): (&Arc<str>, &Fetch),
        has: impl Fn(&KeySet) -> bool,
    ) -> Result<(Arc<KeySet>, u64), Why> {
        loop {
            let generation = self.generation();
            let now = Instant::now();
            let fetched = self.state.fetched.load_full().filter(|it| it.usable_until > now);
            if let Some(it) = fetched.as_ref().filter(|it| it.fresh_until > now && has(&it.keys)) {
                return Ok((it.keys.clone(), generation));
            }
            let may_ask = self.state.tried.load().as_ref().is_none_or(|it| **it + FLOOR <= now);
            if may_ask {
                let landed = self.fetch(question, name, fetch);
                // A key that is known will do while others are fetched, if that takes too long.
                if tokio::time::timeout_at(question.deadline.instant(), landed)
                    .await
                    .is_ok()
                {
                    continue;
                }
            }
            return match fetched {
                // The caller says that the key is not known.
                Some(it) => Ok((it.keys.clone(), generation)),
                None => Err(Why::Unreachable),
            };
        }
    }

    /// Fetches, or waits for who does. What was fetched goes on although its client leaves.
    async fn fetch(&self, question: Question<'_>, name: &Arc<str>, fetch: &Fetch) {
        match self
            .state
            .fetching
            .join(KeyWriter::new("keys").finish(), Since::default())
        {
            Joined::Waiting(waiting) => {
                let _landed: Landing<()> = waiting.landed().await;
            }
            Joined::Leader(leader) => {
                let (running, state) = (question.running.clone(), self.state.clone());
                let (name, fetch) = (name.clone(), fetch.clone());
                let task = tokio::task::spawn_local(async move {
                    let result = fetch_keys(&running, &fetch).await;
                    let label = if result.is_ok() { "fetched" } else { "not_fetched" };
                    let labels = AuthLabels {
                        provider: name.clone(),
                        result: label,
                    };
                    running.hall.metrics.auth_keys.get_or_create(&labels).inc();
                    match result {
                        Ok(fetched) => state.take(fetched),
                        Err(reason) => tracing::warn!(provider = %name, reason, "keys could not be fetched"),
                    }
                    // Only now: until then, who comes waits for this one.
                    state.tried.store(Some(Arc::new(Instant::now())));
                    leader.share(());
                });
                // It panics nowhere; and if it did, whoever comes next tries again.
                let _ended = task.await.is_ok();
            }
        }
    }
}

impl Shared {
    fn take(&self, fetched: Fetched) {
        let before = self.fetched.swap(Some(Arc::new(fetched)));
        let after = self.fetched.load();
        let is_same = before.is_some_and(|before| after.as_ref().is_some_and(|after| after.text == before.text));
        if !is_same {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The error says in one sentence what went wrong; nothing of what was answered stands in it.
async fn fetch_keys(running: &Running, fetch: &Fetch) -> Result<Fetched, String> {
    let deadline = Deadline::after(TIMEOUT);
    let from = match &fetch.discovery {
        None => fetch.from.clone(),
        Some(issuer) => {
            let (about, _) = get(running, fetch.backend, &fetch.from, deadline).await?;
            let found = discovered(&about, issuer)?;
            if found.secure != fetch.from.secure {
                return Err(
                    "the keys are not where the issuer's configuration is: one of the two is not `https`".to_owned(),
                );
            }
            found
        }
    };
    let (text, fresh) = get(running, fetch.backend, &from, deadline).await?;
    let keys = KeySet::from_json(&text, Source::Public).map_err(|sentence| format!("the key set: {sentence}"))?;
    let fresh = fresh.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
    let now = Instant::now();
    Ok(Fetched {
        keys: Arc::new(keys),
        text,
        fresh_until: now + fresh,
        usable_until: now + fresh + STALE,
    })
}

/// Where the document of `OpenID` Connect Discovery says that the keys are. It must be the issuer's own (§4.3).
fn discovered(about: &[u8], issuer: &str) -> Result<Address, String> {
    let text = |name: &str| {
        let found = json::member(json::trim(about), name)?;
        json::string(found).map(std::borrow::Cow::into_owned)
    };
    if json::validate(about).is_err() || json::kind(json::trim(about)) != json::Kind::Object {
        return Err("the issuer's configuration is no JSON object".to_owned());
    }
    if text("issuer").as_deref() != Some(issuer) {
        return Err("the configuration is another issuer's".to_owned());
    }
    let address = text("jwks_uri").and_then(|it| Address::parse(&it));
    address.ok_or_else(|| "the issuer's configuration does not say where its keys are".to_owned())
}

async fn get(
    running: &Running,
    backend: BackendIndex,
    from: &Address,
    deadline: Deadline,
) -> Result<(Bytes, Option<Duration>), String> {
    let way = running
        .backends
        .get(backend)
        .ok_or("there is no way to it")?
        .way_to(&from.target);
    let request = Request::Http {
        method: Method::GET,
        path_and_query: from.path.to_string(),
        headers: HeaderMap::new(),
        body: None,
        accept: Accept::Bytes,
    };
    let asked = way.call(&request, Attempt::new(deadline));
    let reply = tokio::time::timeout_at(deadline.instant(), asked).await;
    let reply = reply.map_err(|_| "no answer in time".to_owned())?;
    let reply = reply.map_err(|failure| {
        let (kind, cause) = (failure_kind(failure.kind), cause(&failure));
        if cause.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}: {cause}")
        }
    })?;
    let directives = reply.directives;
    Ok((
        reply.body,
        if directives.no_store {
            Some(Duration::ZERO)
        } else {
            directives.fresh_for
        },
    ))
}
