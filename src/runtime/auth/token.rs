//! Signed tokens: what was verified once is remembered until it ends, or until the keys change.

use std::sync::Arc;

use super::keys::KeyStore;
use super::{Question, State, digest, now};
use crate::auth::jwt::{Rules, Token};
use crate::auth::{Claims, Why};
use crate::plan::{Keys, Provider};

/// The claims of a token.
pub(super) async fn check(
    question: Question<'_>,
    (provider, state): (&Provider, &Arc<State>),
    (rules, keys): (&Rules, &Keys),
    text: &str,
) -> Result<Claims, Why> {
    let key = digest(text);
    let generation = || state.keys.as_ref().map_or(0, KeyStore::generation);
    if let Some(known) = state.known(&key, generation()) {
        return known.outcome.clone();
    }
    let token = Token::parse(text)?;
    // Nobody makes us fetch keys with an algorithm that would be refused.
    if !rules.algorithms.contains(&token.algorithm()) {
        return Err(Why::Algorithm);
    }
    let (set, generation) = match (keys, &state.keys) {
        (Keys::Local(set), _) => (set.clone(), 0),
        (Keys::Fetched(fetch), Some(store)) => {
            store
                .keys(question, (&provider.name, fetch), |set| token.has_key(set))
                .await?
        }
        (Keys::Fetched(_), None) => return Err(Why::Unreachable),
    };
    let (claims, ends) = token.claims(&set, rules, now())?;
    let known = state.found(Ok(claims), ends, generation);
    state.known.insert(key, known.clone());
    known.outcome.clone()
}
