//! What a change of what is demanded of tokens means for those who had one before.
//!
//! Whose keys verify a token decides who can make one, so that keys from elsewhere count as breaking, although the same may be
//! found there.

use std::collections::BTreeSet;

use super::Found;
use crate::publish::api::{Proof, Tokens};

/// What one provider demands, before and now. `place` begins the sentence.
pub(super) fn compare(place: &str, before: &Tokens, now: &Tokens, found: &mut Found) {
    compare_audiences(place, &before.audiences, &now.audiences, found);
    compare_proofs(place, &before.proof, &now.proof, found);
    let is_asked = |it: &Tokens| matches!(it.proof, Proof::Asked(_));
    if is_asked(before) || is_asked(now) {
        // Whom the issuer believes, and what, is its own affair.
        return;
    }
    for gone in before.algorithms.difference(&now.algorithms) {
        let what = format!("no longer takes tokens that are signed with {gone}");
        found.breaking(place, "algorithm-gone", &what);
    }
    for added in now.algorithms.difference(&before.algorithms) {
        let what = format!("takes tokens that are signed with {added}, too");
        found.safe(place, "algorithm-added", &what);
    }
    match (&before.issuer, &now.issuer) {
        (None, Some(issuer)) => {
            found.breaking(place, "issuer-required", &format!("takes tokens by {issuer} only now"));
        }
        (Some(_), None) => found.safe(place, "issuer-any", "takes tokens now whoever has issued them"),
        _ => {}
    }
    if before.kind != now.kind {
        let is_usual = |kind: &Option<String>| matches!(kind.as_deref(), Some("jwt" | "at+jwt"));
        match &now.kind {
            None if is_usual(&before.kind) => {
                found.safe(place, "token-type-any", "takes tokens of other types, too");
            }
            None => found.breaking(place, "token-type", "takes tokens of the usual types only now"),
            Some(kind) => {
                found.breaking(
                    place,
                    "token-type",
                    &format!("takes tokens of the type {kind} only now"),
                );
            }
        }
    }
}

fn compare_audiences(place: &str, before: &BTreeSet<String>, now: &BTreeSet<String>, found: &mut Found) {
    match (before.is_empty(), now.is_empty()) {
        (true, true) => {}
        (true, false) => {
            let all: Vec<&str> = now.iter().map(String::as_str).collect();
            let what = format!("takes tokens for {} only now", all.join(" or "));
            found.breaking(place, "audience-required", &what);
        }
        (false, true) => found.safe(place, "audience-any", "takes tokens now whomever they are for"),
        (false, false) => {
            for gone in before.difference(now) {
                found.breaking(place, "audience-gone", &format!("no longer takes tokens for {gone}"));
            }
            for added in now.difference(before) {
                found.safe(place, "audience-added", &format!("takes tokens for {added}, too"));
            }
        }
    }
}

fn compare_proofs(place: &str, before: &Proof, now: &Proof, found: &mut Found) {
    // What stands behind `?` may be meant for the issuer only.
    let shown = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    let what = match (before, now) {
        (before, now) if before == now => return,
        (Proof::Own(before), Proof::Own(now)) => {
            if before.difference(now).next().is_some() {
                found.breaking(place, "keys-gone", "no longer knows every key that it knew");
            }
            if now.difference(before).next().is_some() {
                found.safe(place, "keys-added", "knows another key");
            }
            return;
        }
        (_, Proof::Asked(url)) => format!("asks {} about tokens now", shown(url)),
        (_, Proof::Fetched(url)) => format!("has its keys from {} now", shown(url)),
        (_, Proof::Own(_)) => "has keys of its own now".to_owned(),
    };
    found.breaking(place, "keys-changed", &what);
}
