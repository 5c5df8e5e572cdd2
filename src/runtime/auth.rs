//! Who asks, and whether they may: what a client shows is verified before anything else of its request costs much.
//!
//! `crate::auth` says whether a credential is true; here is where it stands in a request, what was found out about it before,
//! and whom to ask. [`identify`] is the one door, for endpoints of every kind. Invariant: whoever is let in without a
//! credential is let in by `none` or by a plan that asks nobody; every doubt refuses.

mod audit;
mod denied;
mod keys;
mod opaque;
mod password;
mod token;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

pub use self::audit::{Audited, audit};
pub use self::denied::{Denied, Reason};
use self::keys::KeyStore;
use super::cache::{Flights, Key, KeyWriter};
use super::serve::Peer;
use super::snapshot::Running;
use crate::auth::revoked::Revoked;
use crate::auth::{Claims, Why};
use crate::codec::json;
use crate::plan::{self, Access, Keys, Plan, Provider, ProviderIndex, ProviderKind, Who, conform};
use crate::time::{self, Deadline};

/// Somebody whose credential was verified.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who knows them; the first where several had to.
    pub provider: ProviderIndex,
    /// What is known of them.
    pub claims: Claims,
}

/// Claims that stand in for credentials, by provider: how tests and `weft call` ask in somebody's name. Nothing that comes
/// over a connection can carry it.
#[derive(Clone, Debug, Default)]
pub struct Given(pub Vec<(String, Claims)>);

/// What all workers know of the providers, by [`ProviderIndex`].
#[derive(Debug, Default)]
pub struct Providers(Vec<Arc<State>>);

/// What is known of one provider's credentials.
#[derive(Debug)]
pub(super) struct State {
    known: moka::sync::Cache<Key, Arc<Known>>,
    asking: Flights<Arc<Known>>,
    keys: Option<KeyStore>,
    passwords: password::Passwords,
}

/// What was found out about a credential.
#[derive(Debug)]
pub(super) struct Known {
    outcome: Result<Claims, Why>,
    /// The second since 1970 from which on this is not believed any more.
    ends: i64,
    /// The state of the keys that it was verified with.
    generation: u64,
}

/// How many bytes of claims are remembered for one provider.
const MEMORY: u64 = 32 << 20;

/// What one entry takes beside its claims.
const OVERHEAD: usize = 256;

impl Providers {
    /// Nothing is known yet, but for fetched keys that `previous` has and that would be fetched from the same place.
    pub fn build(plan: &Plan, previous: Option<(&Plan, &Self)>) -> Self {
        let state = |provider: &Provider| {
            let before = previous.and_then(|(plan, states)| {
                let at = plan.auth.iter().position(|it| it.name == provider.name)?;
                Some((plan.auth.get(at)?, states.0.get(at)?))
            });
            let known = moka::sync::Cache::builder()
                .max_capacity(MEMORY)
                .weigher(|_, it: &Arc<Known>| {
                    let claims = it.outcome.as_ref().map_or(0, |it| it.text().len());
                    u32::try_from(claims + OVERHEAD).unwrap_or(u32::MAX)
                });
            let keys = fetch_of(provider).map(|fetch| {
                let same = before.filter(|(before, _)| fetch_of(before).is_some_and(|it| it.is_same(fetch)));
                KeyStore::new(same.and_then(|(_, state)| state.keys.as_ref()))
            });
            Arc::new(State {
                known: known.build(),
                asking: Flights::default(),
                keys,
                passwords: password::Passwords::default(),
            })
        };
        Self(plan.auth.iter().map(state).collect())
    }
}

fn fetch_of(provider: &Provider) -> Option<&plan::Fetch> {
    match &provider.kind {
        ProviderKind::Jwt {
            keys: Keys::Fetched(fetch),
            ..
        } => Some(fetch),
        _ => None,
    }
}

/// One question about a request.
#[derive(Clone, Copy)]
struct Question<'q> {
    running: &'q std::rc::Rc<Running>,
    parts: &'q Parts,
    peer: &'q Peer,
    deadline: Deadline,
}

/// Says who asks, or why they may not. `None` is a visitor.
///
/// Cancel safety: what is fetched for others as well goes on.
pub async fn identify(
    running: &std::rc::Rc<Running>,
    access: &Access,
    (parts, peer): (&Parts, &Peer),
    deadline: Deadline,
) -> Result<Option<Identity>, Denied> {
    let question = Question {
        running,
        parts,
        peer,
        deadline,
    };
    let plan = &running.snapshot.plan;
    let identity = match &access.who {
        Who::Anyone => return Ok(None),
        Who::AllOf(providers) => Some(all_of(question, providers, plan).await),
        Who::AnyOf { providers, visitors } => match any_of(question, providers).await {
            Some(found) => Some(found),
            None if *visitors => None,
            None => Some(Err((None, Reason::Missing))),
        },
    };
    match identity {
        None if access.roles.is_empty() && access.scopes.is_empty() => Ok(None),
        None => Err(Denied::new(plan, access, None, Reason::Missing)),
        Some(Err((provider, reason))) => Err(Denied::new(plan, access, provider, reason)),
        Some(Ok(identity)) => match lacking(plan, access, &identity) {
            None => Ok(Some(identity)),
            Some(reason) => Err(Denied::of(plan, access, &identity, reason)),
        },
    }
}

type Refused = (Option<ProviderIndex>, Reason);

/// The first who knows the client; `None` where it shows nothing. Of several refusals the first is told.
async fn any_of(question: Question<'_>, providers: &[ProviderIndex]) -> Option<Result<Identity, Refused>> {
    let mut refused = None;
    for provider in providers {
        match ask(question, *provider).await {
            None => {}
            Some(Ok(claims)) => {
                return Some(Ok(Identity {
                    provider: *provider,
                    claims,
                }));
            }
            Some(Err(why)) => {
                refused.get_or_insert((Some(*provider), Reason::Invalid(why)));
            }
        }
    }
    refused.map(Err)
}

async fn all_of(question: Question<'_>, providers: &[ProviderIndex], plan: &Plan) -> Result<Identity, Refused> {
    let mut all = Vec::new();
    for provider in providers {
        match ask(question, *provider).await {
            None => return Err((Some(*provider), Reason::Missing)),
            Some(Err(why)) => return Err((Some(*provider), Reason::Invalid(why))),
            Some(Ok(claims)) => all.push((*provider, claims)),
        }
    }
    let name = |it: &ProviderIndex| plan.auth.get(it.0).map(|it| &*it.name).unwrap_or_default();
    let Some(((provider, first), others)) = all.split_first() else {
        return Err((None, Reason::Missing));
    };
    let others: Vec<_> = others.iter().map(|(it, claims)| (name(it), claims)).collect();
    Ok(Identity {
        provider: *provider,
        claims: first.with(&others),
    })
}

/// What the client lacks although it is known.
fn lacking(plan: &Plan, access: &Access, identity: &Identity) -> Option<Reason> {
    let provider = plan.auth.get(identity.provider.0)?;
    if !access.scopes.is_empty() {
        let has: Vec<String> = provider
            .scopes
            .iter()
            .flat_map(|it| identity.claims.words(it))
            .collect();
        if !access.scopes.iter().all(|it| has.iter().any(|has| **has == **it)) {
            return Some(Reason::Scope);
        }
    }
    if !access.roles.is_empty() {
        let has = identity.claims.words(&provider.roles);
        if !access.roles.iter().any(|it| has.iter().any(|has| **has == **it)) {
            return Some(Reason::Role);
        }
    }
    None
}

/// What one provider says of the client: `None` where nothing is shown that it would know.
async fn ask(question: Question<'_>, index: ProviderIndex) -> Option<Result<Claims, Why>> {
    let running = question.running;
    let provider = running.snapshot.plan.auth.get(index.0)?;
    let state = running.snapshot.auth.0.get(index.0)?;
    let found = match question.parts.extensions.get::<Given>() {
        Some(given) => given
            .0
            .iter()
            .find(|it| *it.0 == *provider.name)
            .map(|it| Ok(it.1.clone())),
        None => shown(question, provider, state).await,
    };
    Some(found?.and_then(|claims| {
        conform(&claims, &provider.claims)?;
        let by_admin = running.hall.revoked.load();
        let is_revoked = |list: &Revoked| list.has(&claims);
        if is_revoked(&provider.revoked) || by_admin.get(&*provider.name).is_some_and(is_revoked) {
            return Err(Why::Revoked);
        }
        Ok(claims)
    }))
}

async fn shown(question: Question<'_>, provider: &Provider, state: &Arc<State>) -> Option<Result<Claims, Why>> {
    let headers = &question.parts.headers;
    match &provider.kind {
        ProviderKind::ApiKey { header, holders } => {
            let key = match only(headers, header)? {
                Ok(key) => key,
                Err(why) => return Some(Err(why)),
            };
            Some(holders.find(key, now()).map(|it| it.claims.clone()))
        }
        ProviderKind::Basic(users) => {
            let credential = match authorization(headers, "basic")? {
                Ok(credential) => credential,
                Err(why) => return Some(Err(why)),
            };
            Some(password::check(question, state, users, credential).await)
        }
        ProviderKind::ClientCertificate => {
            let certificate = question.peer.certificate.as_ref()?;
            Some(certified(certificate))
        }
        ProviderKind::Introspection(settings) => {
            let token = match authorization(headers, "bearer")? {
                Ok(token) => token,
                Err(why) => return Some(Err(why)),
            };
            Some(opaque::check(question, state, settings, token).await)
        }
        ProviderKind::Jwt { rules, keys } => {
            let token = match authorization(headers, "bearer")? {
                Ok(token) => token,
                Err(why) => return Some(Err(why)),
            };
            Some(token::check(question, (provider, state), (rules, keys), token).await)
        }
    }
}

/// The one value of a header; `None` where it is not there.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Result<&'h str, Why>> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return Some(Err(Why::Several));
    }
    Some(first.to_str().map(str::trim).map_err(|_| Why::Malformed))
}

/// What stands behind a scheme in `authorization`; `None` where nothing or another scheme does.
fn authorization<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<Result<&'h str, Why>> {
    let value = match only(headers, &header::AUTHORIZATION)? {
        Ok(value) => value,
        Err(why) => return Some(Err(why)),
    };
    let (found, credential) = value.split_once(' ').unwrap_or((value, ""));
    if !found.eq_ignore_ascii_case(scheme) {
        return None;
    }
    // RFC 9110 §11.2: one token68.
    let credential = credential.trim();
    let sound = !credential.is_empty()
        && credential
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it));
    Some(if sound { Ok(credential) } else { Err(Why::Malformed) })
}

fn certified(certificate: &crate::tls::Certificate) -> Result<Claims, Why> {
    let mut text = Vec::from(*b"{\"sub\":");
    json::write_string(&certificate.subject, &mut text);
    if let Some(name) = &certificate.common_name {
        text.extend_from_slice(b",\"cn\":");
        json::write_string(name, &mut text);
    }
    text.extend_from_slice(b",\"san\":[");
    for (at, name) in certificate.alternative_names.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        json::write_string(name, &mut text);
    }
    text.extend_from_slice(b"],\"fingerprint\":");
    json::write_string(&certificate.fingerprint, &mut text);
    text.push(b'}');
    Claims::read(text.into())
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(time::since_epoch().as_secs()).unwrap_or(i64::MAX)
}

/// What stands for a credential in memory.
fn digest(credential: &str) -> Key {
    let mut writer = KeyWriter::new("credential");
    writer.part(credential.as_bytes());
    writer.finish()
}

impl State {
    /// What is known of a credential, as far as it is still believed.
    fn known(&self, key: &Key, generation: u64) -> Option<Arc<Known>> {
        let known = self.known.get(key)?;
        (known.ends > now() && known.generation == generation).then_some(known)
    }

    fn remember(&self, key: Key, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        self.known.insert(key, known.clone());
        known
    }
}
