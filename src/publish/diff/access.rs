//! What a change of who may ask means for those who could ask before.
//!
//! Providers are compared by their names and by what a client shows them. Whom a condition lets in cannot be told, so that
//! another condition counts as breaking.

use std::collections::BTreeSet;

use super::{Found, tokens};
use crate::plan::Fetch;
use crate::publish::api::{Api, Demand, Endpoint, Scheme};

/// Who may ask for an endpoint, before and now.
pub(super) fn compare((old_api, old): (&Api, &Endpoint), (new_api, new): (&Api, &Endpoint), found: &mut Found) {
    match (old.security.is_empty(), new.security.is_empty()) {
        (true, true) => {}
        (false, true) => found.safe("", "opened", "is open to everybody now"),
        (true, false) => {
            if !new.security.contains(&Demand::default()) {
                let ways: Vec<String> = distinct(&new.security).into_iter().map(named).collect();
                found.breaking("", "closed", &format!("is closed now: {}", ways.join(", or ")));
            }
        }
        (false, false) => {
            compare_ways((old_api, &old.security), (new_api, &new.security), found);
            compare_tokens((old_api, old), (new_api, new), found);
            compare_scopes(old, new, found);
            compare_roles(old, new, found);
        }
    }
    match (&old.allow, &new.allow) {
        (None, Some(now)) => found.breaking("allow", "allow-added", &format!("has to be true now: {now}")),
        (Some(_), None) => found.safe("allow", "allow-gone", "is no condition any more"),
        (Some(before), Some(now)) if before != now => {
            found.breaking("allow", "allow-changed", &format!("is another condition now: {now}"));
        }
        _ => {}
    }
}

/// True where 401 and 403 come of who asks, which is compared here.
pub(super) fn is_demanded(endpoint: &Endpoint) -> bool {
    !endpoint.security.is_empty() || endpoint.allow.is_some()
}

fn compare_ways((old_api, old): (&Api, &[Demand]), (new_api, new): (&Api, &[Demand]), found: &mut Found) {
    let (old, new) = (distinct(old), distinct(new));
    for way in &old {
        let admitting: Vec<&&Demand> = new.iter().filter(|it| admits(it, way)).collect();
        let changed = |name: &str| {
            let schemes = (old_api.schemes.get(name), new_api.schemes.get(name));
            matches!(schemes, (Some(before), Some(now)) if !does_for(before, now))
        };
        if admitting.is_empty() {
            let (place, sentence) = match way.schemes.as_slice() {
                [] => ("auth".to_owned(), "is needed now: visitors are refused"),
                _ => (place(way), "no longer lets anybody in"),
            };
            found.breaking(&place, "way-gone", sentence);
        } else if admitting.iter().all(|it| it.schemes.iter().any(|it| changed(&it.0))) {
            let sentence = "is shown in another way now, or comes from somebody else";
            found.breaking(&place(way), "way-changed", sentence);
        }
    }
    for way in &new {
        if !old.iter().any(|it| admits(it, way)) {
            let (place, sentence) = match way.schemes.as_slice() {
                [] => ("auth".to_owned(), "is not needed any more: visitors are let in"),
                _ => (place(way), "lets clients in, too"),
            };
            found.safe(&place, "way-added", sentence);
        }
    }
}

/// The ways that differ in who has to know the client. Scopes are compared by themselves.
fn distinct(ways: &[Demand]) -> Vec<&Demand> {
    let mut all: Vec<&Demand> = ways.iter().collect();
    all.dedup_by(|a, b| a.schemes.iter().map(|it| &it.0).eq(b.schemes.iter().map(|it| &it.0)));
    all
}

/// Of those who are asked before and now, and who did not change altogether.
fn compare_tokens((old_api, old): (&Api, &Endpoint), (new_api, new): (&Api, &Endpoint), found: &mut Found) {
    let names = |it: &'_ Endpoint| -> BTreeSet<String> {
        let schemes = it.security.iter().flat_map(|it| &it.schemes);
        schemes.map(|it| it.0.clone()).collect()
    };
    for name in names(old).intersection(&names(new)) {
        let schemes = (old_api.schemes.get(name), new_api.schemes.get(name));
        let is_same = matches!(schemes, (Some(before), Some(now)) if does_for(before, now));
        if let (true, Some(before), Some(now)) = (is_same, old_api.tokens.get(name), new_api.tokens.get(name)) {
            tokens::compare(&format!("auth {name}"), before, now, found);
        }
    }
}

/// True where whoever shows what `shown` demands fulfils `demand`. Who shows something is no visitor.
fn admits(demand: &Demand, shown: &Demand) -> bool {
    demand.schemes.is_empty() == shown.schemes.is_empty()
        && demand
            .schemes
            .iter()
            .all(|(name, _)| shown.schemes.iter().any(|it| it.0 == *name))
}

/// True where what was shown before does now.
fn does_for(before: &Scheme, now: &Scheme) -> bool {
    if let (Scheme::Signature { components: before }, Scheme::Signature { components: now }) = (before, now) {
        return now.iter().all(|it| before.contains(it));
    }
    let is_token = |it: &Scheme| matches!(it, Scheme::Bearer { .. } | Scheme::OpenId { .. });
    if !is_token(before) || !is_token(now) {
        return before == now;
    }
    // Where one does not say whose tokens it takes, these may be the same.
    let (before, now) = (configuration(before), configuration(now));
    before.is_none() || now.is_none() || before == now
}

/// Where the issuer of tokens says what it can, if it is known.
fn configuration(scheme: &Scheme) -> Option<String> {
    match scheme {
        Scheme::Bearer { issuer, .. } => issuer.as_deref().map(Fetch::discovery_url),
        Scheme::OpenId { url } => Some(url.clone()),
        _ => None,
    }
}

fn compare_scopes(old: &Endpoint, new: &Endpoint, found: &mut Found) {
    let (before, now) = (scopes(old), scopes(new));
    for scope in now.difference(&before) {
        found.breaking(&format!("scope {scope}"), "scope-required", "is needed now");
    }
    for scope in before.difference(&now) {
        found.safe(&format!("scope {scope}"), "scope-gone", "is not needed any more");
    }
}

fn scopes(endpoint: &Endpoint) -> BTreeSet<&str> {
    let schemes = endpoint.security.iter().flat_map(|it| &it.schemes);
    schemes.flat_map(|it| &it.1).map(String::as_str).collect()
}

/// One of the roles is enough.
fn compare_roles(old: &Endpoint, new: &Endpoint, found: &mut Found) {
    match (old.roles.is_empty(), new.roles.is_empty()) {
        (true, true) => {}
        (true, false) => found.breaking(
            "roles",
            "role-required",
            &format!("are looked at now: one of {}", new.roles.join(", ")),
        ),
        (false, true) => found.safe("roles", "roles-gone", "are not looked at any more"),
        (false, false) => {
            for role in old.roles.iter().filter(|it| !new.roles.contains(it)) {
                found.breaking(&format!("role {role}"), "role-gone", "is not enough any more");
            }
            for role in new.roles.iter().filter(|it| !old.roles.contains(it)) {
                found.safe(&format!("role {role}"), "role-added", "is enough, too");
            }
        }
    }
}

fn place(way: &Demand) -> String {
    format!("auth {}", named(way))
}

fn named(way: &Demand) -> String {
    let names: Vec<&str> = way.schemes.iter().map(|it| it.0.as_str()).collect();
    names.join(" and ")
}
