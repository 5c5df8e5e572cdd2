//! Who may ask for an endpoint, as clients see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Api, Demand, Proof, Scheme, Tokens};
use crate::plan::{self, Access, Address, Keys, Plan, Provider, ProviderIndex, ProviderKind, Recipe, Who};

/// The ways to be let in.
pub(super) fn demands(plan: &Plan, access: &Access) -> Vec<Demand> {
    let scopes: Vec<String> = access.scopes.iter().map(ToString::to_string).collect();
    // All of these, of which one says the scopes.
    let demand = |providers: &[&Provider], saying: usize| Demand {
        schemes: providers
            .iter()
            .enumerate()
            .map(|(at, it)| {
                (
                    it.name.to_string(),
                    if at == saying { scopes.clone() } else { Vec::new() },
                )
            })
            .collect(),
    };
    let known =
        |indexes: &[ProviderIndex]| -> Vec<&Provider> { indexes.iter().filter_map(|it| plan.auth.get(it.0)).collect() };
    match &access.who {
        Who::Anyone => Vec::new(),
        Who::AllOf(providers) => {
            let providers = known(providers);
            let says = |at: &usize| !scopes.is_empty() && providers[*at].may_say_scopes();
            let mut saying: Vec<usize> = (0..providers.len()).filter(says).collect();
            if saying.is_empty() {
                // There are none, or nobody is let in.
                saying.push(0);
            }
            saying.into_iter().map(|at| demand(&providers, at)).collect()
        }
        Who::AnyOf { providers, visitors } => {
            let mut all: Vec<Demand> = known(providers).into_iter().map(|it| demand(&[it], 0)).collect();
            if *visitors && access.scopes.is_empty() && access.roles.is_empty() {
                all.push(Demand::default());
            }
            all
        }
    }
}

/// Adds how clients say who they are, of all providers that an endpoint asks.
pub(super) fn add_schemes(plan: &Plan, api: &mut Api) {
    let names = api.endpoints.iter().flat_map(|it| &it.security);
    let mut names: Vec<String> = names.flat_map(|it| &it.schemes).map(|it| it.0.clone()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        if let Some(provider) = plan.auth.iter().find(|it| *it.name == *name) {
            api.tokens.extend(tokens(provider).map(|it| (name.clone(), it)));
            api.schemes.insert(name, scheme(provider));
        }
    }
}

/// What a provider demands of tokens, where it takes any.
fn tokens(provider: &Provider) -> Option<Tokens> {
    let words = |all: &[Arc<str>]| all.iter().map(ToString::to_string).collect();
    match &provider.kind {
        ProviderKind::Jwt { rules, keys } => Some(Tokens {
            algorithms: rules.algorithms.iter().map(|it| format!("{it:?}")).collect(),
            audiences: words(&rules.audiences),
            issuer: rules.issuer.as_deref().map(str::to_owned),
            kind: rules.kind.as_deref().map(str::to_owned),
            proof: match keys {
                Keys::Fetched(fetch) => Proof::Fetched(url(&fetch.from)),
                Keys::Local(set) => Proof::Own(set.digests()),
            },
        }),
        ProviderKind::Introspection(it) => Some(Tokens {
            algorithms: BTreeSet::new(),
            audiences: words(&it.audiences),
            issuer: None,
            kind: None,
            proof: Proof::Asked(url(&it.at)),
        }),
        ProviderKind::ApiKey { .. }
        | ProviderKind::Basic(_)
        | ProviderKind::ClientCertificate
        | ProviderKind::Signature { .. } => None,
    }
}

fn url(address: &Address) -> String {
    let (scheme, usual) = if address.secure {
        ("https", ":443")
    } else {
        ("http", ":80")
    };
    let authority = &*address.target.authority;
    let authority = authority.strip_suffix(usual).unwrap_or(authority);
    format!("{scheme}://{authority}{}", address.path)
}

fn scheme(provider: &Provider) -> Scheme {
    match &provider.kind {
        ProviderKind::ApiKey { header, .. } => Scheme::ApiKey {
            header: header.to_string(),
        },
        ProviderKind::Basic(_) => Scheme::Basic,
        ProviderKind::ClientCertificate => Scheme::Certificate,
        ProviderKind::Signature { rules, .. } => Scheme::Signature {
            components: rules.components.iter().map(|it| it.name().to_owned()).collect(),
        },
        ProviderKind::Introspection(_) => Scheme::Bearer {
            jwt: false,
            issuer: None,
        },
        ProviderKind::Jwt {
            keys: Keys::Fetched(plan::Fetch {
                discovery: Some(issuer),
                ..
            }),
            ..
        } => Scheme::OpenId {
            url: plan::Fetch::discovery_url(issuer),
        },
        ProviderKind::Jwt { rules, .. } => Scheme::Bearer {
            jwt: true,
            issuer: rules.issuer.as_deref().map(str::to_owned),
        },
    }
}

/// How an endpoint refuses those who may not ask.
pub(super) fn add_problems(plan: &Plan, (access, recipe): (&Access, &Recipe), add: &mut dyn FnMut(u16, &str)) {
    let providers = access.who.providers();
    if !providers.is_empty() {
        let closed = access.who.is_closed();
        add(
            401,
            if closed {
                "Nobody is known who shows that."
            } else {
                "What is shown is not valid."
            },
        );
    }
    if !access.scopes.is_empty() {
        add(
            403,
            &format!("Needs {}.", listed("the scope", "the scopes", &access.scopes, "and")),
        );
    }
    if !access.roles.is_empty() {
        add(
            403,
            &format!("Needs {}.", listed("the role", "one of the roles", &access.roles, "or")),
        );
    }
    if recipe.allow.is_some() {
        add(403, "What is asked for is not for this client.");
    }
    let asks = |it: &ProviderIndex| {
        matches!(
            plan.auth.get(it.0).map(|it| &it.kind),
            Some(
                ProviderKind::Introspection(_)
                    | ProviderKind::Jwt {
                        keys: Keys::Fetched(_),
                        ..
                    }
            )
        )
    };
    if providers.iter().any(asks) {
        add(503, "Who asks cannot be found out at the moment.");
    }
}

/// ``the scope `read` ``, ``the scopes `read` and `write` ``.
fn listed(one: &str, several: &str, words: &[Arc<str>], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|it| format!("`{it}`")).collect();
    match quoted.split_last() {
        Some((end, begin)) if !begin.is_empty() => format!("{several} {} {last} {end}", begin.join(", ")),
        _ => format!("{one} {}", quoted.concat()),
    }
}
