//! Who may ask for an endpoint, as people read it.

use serde_json::{Value, json};

use crate::plan::{Access, Keys, Plan, Provider, ProviderKind, Who};

/// Who it must be, in a line.
pub(super) fn who(access: &Access) -> &'static str {
    match &access.who {
        Who::AllOf(_) => "who is known to all of these",
        Who::AnyOf { visitors: false, .. } => "who is known to one of these",
        Who::AnyOf { visitors: true, .. } => "who is known to one of these, and who shows nothing",
        Who::Anyone => "everybody; nothing that a client shows is looked at",
    }
}

/// Each provider that is asked, and what a client shows it.
pub(super) fn rows(plan: &Plan, access: &Access) -> Vec<[String; 2]> {
    let asked = access.who.providers().iter().filter_map(|it| plan.auth.get(it.0));
    asked.map(|it| [it.name.to_string(), shows(it)]).collect()
}

/// What else is demanded, a line each.
pub(super) fn demands(access: &Access) -> Vec<String> {
    let mut lines = Vec::new();
    if !access.scopes.is_empty() {
        lines.push(format!("with all of the scopes {}", access.scopes.join(", ")));
    }
    if !access.roles.is_empty() {
        lines.push(format!("with one of the roles {}", access.roles.join(", ")));
    }
    if let Some(allow) = &access.allow {
        lines.push(format!("where ${allow}"));
    }
    lines
}

/// Behind what is shown, where the file of those who can is empty.
const NOBODY: &str = "; nobody has one yet";

fn shows(provider: &Provider) -> String {
    match &provider.kind {
        ProviderKind::ApiKey { header, holders } => {
            format!("a key in {header}{}", if holders.is_empty() { NOBODY } else { "" })
        }
        ProviderKind::Basic(users) => {
            format!("a name and a password{}", if users.is_empty() { NOBODY } else { "" })
        }
        ProviderKind::ClientCertificate => "the certificate of its connection".to_owned(),
        ProviderKind::Introspection(it) => {
            let scheme = if it.at.secure { "https" } else { "http" };
            // What stands behind `?` may be meant for the issuer only.
            let path = it.at.path.split('?').next().unwrap_or_default();
            format!(
                "a token that {scheme}://{}{path} is asked about",
                it.at.target.authority
            )
        }
        ProviderKind::Signature { rules, signers } => {
            let mut covered = Vec::new();
            for what in &rules.components {
                covered.push(what.name());
            }
            let covered = covered.join(", ");
            match signers.len() {
                0 => format!("a signature over {covered}{NOBODY}"),
                1 => format!("a signature with one key over {covered}"),
                n => format!("a signature with one of {n} keys over {covered}"),
            }
        }
        ProviderKind::Jwt { rules, keys } => {
            let mut text = "a token".to_owned();
            if let Some(issuer) = &rules.issuer {
                text.extend([" by ", issuer]);
            }
            if !rules.audiences.is_empty() {
                text.extend([" for ", &rules.audiences.join(" or ")]);
            }
            let algorithms: Vec<String> = rules.algorithms.iter().map(|it| format!("{it:?}")).collect();
            let keys = match keys {
                Keys::Local(_) => "keys of its own",
                Keys::Fetched(_) => "fetched keys",
            };
            format!("{text}, {} with {keys}", algorithms.join(" or "))
        }
    }
}

/// For programs.
pub(super) fn json(plan: &Plan, access: &Access) -> Value {
    let (who, visitors) = match &access.who {
        Who::AllOf(_) => ("all_of", false),
        Who::AnyOf { visitors, .. } => ("any_of", *visitors),
        Who::Anyone => ("anyone", true),
    };
    let providers = rows(plan, access);
    let providers = providers
        .iter()
        .map(|[name, shows]| json!({ "name": name, "shows": shows }));
    json!({
        "who": who,
        "visitors": visitors,
        "providers": providers.collect::<Vec<_>>(),
        "scopes": access.scopes.iter().map(|it| &**it).collect::<Vec<_>>(),
        "roles": access.roles.iter().map(|it| &**it).collect::<Vec<_>>(),
        "allow": access.allow.as_deref(),
    })
}
