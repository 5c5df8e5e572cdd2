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
pub mod revocations;
mod signed;
mod token;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

pub use self::audit::{Audited, audit, turned_away};
pub use self::denied::{Denied, Reason};
use self::keys::KeyStore;
use super::cache::{Flights, Joined, Key, KeyWriter, Landing, Leader, Since};
use super::serve::Peer;
use super::snapshot::Running;
use crate::auth::digest::Digests;
use crate::auth::{Claims, Why};
use crate::codec::json;
use crate::plan::{self, Access, ClaimRule, Keys, Plan, Provider, ProviderIndex, ProviderKind, Who, conform};
use crate::time::{self, Deadline};

/// Somebody whose credential was verified.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who knows them; the first where several had to.
    pub provider: ProviderIndex,
    /// What is known of them.
    pub claims: Claims,
    /// What the body must have as its digests, where they have signed it.
    pub digests: Option<Box<Digests>>,
}

/// What a credential says.
#[derive(Debug)]
struct Found {
    claims: Claims,
    /// What the body must have as its digests.
    digests: Option<Box<Digests>>,
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
    /// What the claims of its credentials must be.
    rules: Arc<[ClaimRule]>,
    known: moka::sync::Cache<Key, Arc<Known>>,
    asking: Flights<Arc<Known>>,
    keys: Option<KeyStore>,
    passwords: password::Passwords,
    nonces: Arc<signed::Nonces>,
}

/// What was found out about a credential; [`State::found`] makes it.
#[derive(Debug)]
pub(super) struct Known {
    /// Claims that are what they are declared to be.
    outcome: Result<Claims, Why>,
    /// The second since 1970 from which on this is not believed any more.
    ends: i64,
    /// The state of the keys that it was verified with.
    generation: u64,
}

/// What a look at a credential comes to.
enum LookUp {
    /// It was looked into.
    Known(Arc<Known>),
    /// Who asked looks into it, for all who wait.
    Errand(Leader<Arc<Known>>),
}

/// How many bytes of claims are remembered for one provider.
const MEMORY: u64 = 32 << 20;

/// What one entry takes beside its claims.
const OVERHEAD: usize = 256;

impl Providers {
    /// Nothing is known yet, but for fetched keys that `previous` has and that would be fetched from the same place, where the same
    /// is trusted, and nonces that must not come again.
    pub fn build(plan: &Plan, previous: Option<(&Plan, &Self)>) -> Self {
        let state = |provider: &Provider| {
            let before = previous.and_then(|(plan, states)| {
                let at = plan.auth.iter().position(|it| it.name == provider.name)?;
                Some((plan, plan.auth.get(at)?, states.0.get(at)?))
            });
            let known = moka::sync::Cache::builder()
                .max_capacity(MEMORY)
                .weigher(|_, it: &Arc<Known>| {
                    let claims = it.outcome.as_ref().map_or(0, |it| it.text().len());
                    u32::try_from(claims + OVERHEAD).unwrap_or(u32::MAX)
                });
            let keys = fetch_of(provider).map(|fetch| {
                let trusted = |plan: &Plan, fetch: &plan::Fetch| {
                    let backend = plan.backends.get(fetch.backend.0);
                    backend.and_then(|it| it.tls.clone())
                };
                let is_same =
                    |before: &Plan, it: &plan::Fetch| it.is_same(fetch) && trusted(before, it) == trusted(plan, fetch);
                let same = before.filter(|(plan, it, _)| fetch_of(it).is_some_and(|it| is_same(plan, it)));
                KeyStore::new(same.and_then(|(_, _, state)| state.keys.as_ref()))
            });
            Arc::new(State {
                rules: provider.claims.clone(),
                known: known.build(),
                asking: Flights::default(),
                keys,
                passwords: password::Passwords::default(),
                nonces: before.map(|(_, _, state)| state.nonces.clone()).unwrap_or_default(),
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
    has_body: bool,
    deadline: Deadline,
}

/// Says who asks, or why they may not. `None` is a visitor.
///
/// Cancel safety: what is fetched for others as well goes on.
pub async fn identify(
    running: &std::rc::Rc<Running>,
    access: &Access,
    (parts, peer, has_body): (&Parts, &Peer, bool),
    deadline: Deadline,
) -> Result<Option<Identity>, Denied> {
    let question = Question {
        running,
        parts,
        peer,
        has_body,
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
        None => Err(Denied::new((plan, access), None, Reason::Missing, has_body)),
        Some(Err((provider, reason))) => Err(Denied::new((plan, access), provider, reason, has_body)),
        Some(Ok(identity)) => match lacking(plan, access, &identity) {
            None => Ok(Some(identity)),
            Some(reason) => Err(Denied::of(plan, access, &identity, reason)),
        },
    }
}

type Refused = (Option<ProviderIndex>, Reason);

/// The first who knows the client; `None` where it shows nothing. Of several refusals the first is told that is about more than
/// whose credential it is.
async fn any_of(question: Question<'_>, providers: &[ProviderIndex]) -> Option<Result<Identity, Refused>> {
    let mut refused = None;
    for provider in providers {
        match ask(question, *provider).await {
            Ok(None) => {}
            Ok(Some(found)) => {
                return Some(Ok(Identity {
                    provider: *provider,
                    claims: found.claims,
                    digests: found.digests,
                }));
            }
            Err(why) => {
                let reason = Reason::Invalid(why);
                let before = refused.filter(|it: &Refused| !may_be_of_another(it.1) || may_be_of_another(reason));
                refused = before.or(Some((Some(*provider), reason)));
            }
        }
    }
    refused.map(Err)
}

/// Whether another provider may know what is shown: all that is wrong with it is that this one does not.
fn may_be_of_another(reason: Reason) -> bool {
    use Why::{Algorithm, Inactive, Issuer, Malformed, Type, Unknown, UnknownKey};
    matches!(
        reason,
        Reason::Invalid(Algorithm | Inactive | Issuer | Malformed | Type | Unknown | UnknownKey)
    )
}

async fn all_of(question: Question<'_>, providers: &[ProviderIndex], plan: &Plan) -> Result<Identity, Refused> {
    let mut all = Vec::new();
    let mut digests = None;
    for provider in providers {
        match ask(question, *provider).await {
            Ok(None) => return Err((Some(*provider), Reason::Missing)),
            Err(why) => return Err((Some(*provider), Reason::Invalid(why))),
            Ok(Some(found)) => {
                all.push((*provider, found.claims));
                // Of whomever: the header is one.
                digests = digests.or(found.digests);
            }
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
        digests,
    })
}

/// What the client lacks although it is known. Where several had to know it, what any of them says counts.
fn lacking(plan: &Plan, access: &Access, identity: &Identity) -> Option<Reason> {
    let known_to = match &access.who {
        Who::AllOf(all) => all.as_slice(),
        Who::AnyOf { .. } | Who::Anyone => std::slice::from_ref(&identity.provider),
    };
    let words = |paths: fn(&Provider) -> &[Vec<Arc<str>>]| -> Vec<String> {
        let mut all = Vec::new();
        for index in known_to {
            let Some(provider) = plan.auth.get(index.0) else {
                continue;
            };
            for path in paths(provider) {
                // What the others say stands below their names.
                let below = (*index != identity.provider).then_some(&provider.name);
                let path: Vec<_> = below.into_iter().chain(path).collect();
                all.extend(identity.claims.words(&path));
            }
        }
        all
    };
    if !access.scopes.is_empty() {
        let has = words(|it| &it.scopes);
        if !access.scopes.iter().all(|it| has.iter().any(|has| **has == **it)) {
            return Some(Reason::Scope);
        }
    }
    if !access.roles.is_empty() {
        let has = words(|it| std::slice::from_ref(&it.roles));
        if !access.roles.iter().any(|it| has.iter().any(|has| **has == **it)) {
            return Some(Reason::Role);
        }
    }
    None
}

/// What one provider says of the client: `None` where nothing is shown that it would know.
async fn ask(question: Question<'_>, index: ProviderIndex) -> Result<Option<Found>, Why> {
    let running = question.running;
    let provider = running.snapshot.plan.auth.get(index.0);
    let (Some(provider), Some(state)) = (provider, running.snapshot.auth.0.get(index.0)) else {
        return Ok(None);
    };
    let found = match question.parts.extensions.get::<Given>() {
        Some(given) => {
            let given = given.0.iter().find(|it| *it.0 == *provider.name);
            given
                .map(|it| conforming(it.1.clone(), &state.rules))
                .transpose()?
                .map(Found::from)
        }
        None => shown(question, provider, state).await?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let now = time::since_epoch().as_secs();
    if provider.revoked.has(&found.claims, now) || running.hall.revocations.has(&provider.name, &found.claims, now) {
        return Err(Why::Revoked);
    }
    Ok(Some(found))
}

/// What a client shows, as far as it is true and its claims are what they are declared to be: those in the plan are, those that
/// are remembered were looked at then.
async fn shown(question: Question<'_>, provider: &Provider, state: &Arc<State>) -> Result<Option<Found>, Why> {
    let headers = &question.parts.headers;
    let claims = match &provider.kind {
        ProviderKind::ApiKey { header, holders } => {
            let Some(key) = only(headers, header)? else {
                return Ok(None);
            };
            holders.find(key, now())?.claims.clone()
        }
        ProviderKind::Basic(users) => {
            let Some(credential) = authorization(headers, "basic")? else {
                return Ok(None);
            };
            password::check(question, state, users, credential).await?
        }
        ProviderKind::ClientCertificate => {
            let Some(certificate) = &question.peer.certificate else {
                return Ok(None);
            };
            conforming(certified(certificate)?, &state.rules)?
        }
        ProviderKind::Introspection(settings) => {
            let Some(token) = authorization(headers, "bearer")? else {
                return Ok(None);
            };
            opaque::check(question, state, settings, token).await?
        }
        ProviderKind::Jwt { rules, keys } => {
            let Some(token) = authorization(headers, "bearer")? else {
                return Ok(None);
            };
            token::check(question, (provider, state), (rules, keys), token).await?
        }
        ProviderKind::Signature { rules, signers } => {
            // Few are signed: the others need not keep room for what becomes of one.
            return Box::pin(signed::check(question, (provider, state), (rules, signers))).await;
        }
    };
    Ok(Some(claims.into()))
}

/// The one value of a header; `None` where it is not there.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Why> {
    let mut all = headers.get_all(name).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Why::Several);
    }
    let value = first.to_str().map_err(|_| Why::Malformed)?;
    Ok(Some(value.trim()))
}

/// Whether all bytes are of a token68 (RFC 9110 §11.2). Tokens are long: no branch stands in the way of looking at sixteen bytes
/// at once.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "each `||` may become a branch: five times the time"
)]
fn is_token68(text: &str) -> bool {
    text.bytes().fold(true, |sound, it| {
        let is_letter = (it | 0x20).wrapping_sub(b'a') < 26;
        // `-`, `.`, `/` and the digits follow each other.
        let is_digit = it.wrapping_sub(b'-') <= b'9' - b'-';
        sound & (is_letter | is_digit | (it == b'_') | (it == b'~') | (it == b'+') | (it == b'='))
    })
}

/// What stands behind a scheme in `authorization`; `None` where nothing or another scheme does.
fn authorization<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<Option<&'h str>, Why> {
    let Some(value) = only(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let (found, credential) = value.split_once(' ').unwrap_or((value, ""));
    if !found.eq_ignore_ascii_case(scheme) {
        return Ok(None);
    }
    let credential = credential.trim();
    if credential.is_empty() || !is_token68(credential) {
        return Err(Why::Malformed);
    }
    Ok(Some(credential))
}

impl From<Claims> for Found {
    fn from(claims: Claims) -> Self {
        Self { claims, digests: None }
    }
}

fn conforming(claims: Claims, rules: &[ClaimRule]) -> Result<Claims, Why> {
    conform(&claims, rules).map(|()| claims)
}

fn certified(certificate: &crate::tls::Certificate) -> Result<Claims, Why> {
    let mut text = Vec::from(*b"{\"sub\":");
    json::write_string(&certificate.subject, &mut text);
    if let Some(name) = &certificate.common_name {
        json::write_member("cn", name, &mut text);
    }
    text.extend_from_slice(b",\"san\":[");
    for (at, name) in certificate.alternative_names.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        json::write_string(name, &mut text);
    }
    text.push(b']');
    json::write_member("fingerprint", &certificate.fingerprint, &mut text);
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

    /// What is known of a credential, or found out meanwhile for somebody else who shows it; or the errand to find out.
    async fn look_up(&self, key: Key, deadline: Deadline) -> Result<LookUp, Why> {
        loop {
            if let Some(known) = self.known(&key, 0) {
                return Ok(LookUp::Known(known));
            }
            match self.asking.join(key, Since::default()) {
                Joined::Leader(leader) => return Ok(LookUp::Errand(leader)),
                Joined::Waiting(waiting) => match tokio::time::timeout_at(deadline.instant(), waiting.landed()).await {
                    Ok(Landing::Shared(known)) => return Ok(LookUp::Known(known)),
                    Ok(Landing::Alone) | Err(_) => return Err(Why::Unreachable),
                    Ok(Landing::Vanished) => {}
                },
            }
        }
    }

    /// What is found out about a credential, and until when it is believed. Claims that are not what they are declared to be are
    /// as good as none.
    fn found(&self, outcome: Result<Claims, Why>, ends: i64, generation: u64) -> Arc<Known> {
        Arc::new(Known {
            outcome: outcome.and_then(|it| conforming(it, &self.rules)),
            ends,
            generation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_token68;

    #[test]
    fn a_token68_is_what_the_rfc_says() {
        let listed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";
        for it in '\0'..'\u{300}' {
            let text = format!("abcdefghijklmnop{it}qrstuvwxyz");
            assert_eq!(is_token68(&text), listed.contains(it), "{it:?}");
        }
    }
}
