//! What is open, public, unlimited or weak in a plan, and who is told what: `weft audit`.
//!
//! Looks at the plan alone, so that all it says is true of what would be served. A finding is no mistake: each may be meant.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderName;

use crate::explain::{self, Explanation, Source};
use crate::plan::{
    AuditLog, CREDENTIALS, Endpoint, EndpointIndex, Keys, Location, Origin, Plan, Provider, ProviderKind, Recipe,
    Target, Who,
};
use crate::tls::Server;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: who is told what.
    Info,
    /// Weak in some circumstances.
    Low,
    /// Weak.
    Medium,
    /// Open.
    High,
}

/// Something that whoever answers for the gateway should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of finding: `open-write`.
    pub code: &'static str,
    /// What is so.
    pub what: String,
    /// What to write where it is not meant; `None` where it is only worth knowing.
    pub advice: Option<&'static str>,
    /// The endpoints that it is about, and where they were written; empty where it is about the gateway.
    pub endpoints: Endpoints,
}

/// Names of endpoints, and where each was written.
pub type Endpoints = Vec<(Arc<str>, Origin)>;

/// All findings, the worst first.
pub fn audit(plan: &Plan) -> Vec<Finding> {
    let mut all = Vec::new();
    listeners(plan, &mut all);
    clients(plan, &mut all);
    providers(plan, &mut all);
    backends(plan, &mut all);
    answers(plan, &mut all);
    flows(plan, &mut all);
    all.sort_by_key(|it| Reverse(it.severity));
    all
}

// === Where it listens ===

fn listeners(plan: &Plan, into: &mut Vec<Finding>) {
    let settings = &plan.settings;
    let reachable: Vec<&str> = settings
        .listen
        .iter()
        .map(|it| &**it)
        .filter(|it| !is_local(it))
        .collect();
    if settings.tls.is_none() && !reachable.is_empty() {
        // Whoever can read what passes by can ask as the client who showed a credential.
        let severity = if plan.auth.is_empty() {
            Severity::Low
        } else {
            Severity::Medium
        };
        into.push(Finding {
            severity,
            code: "plain-listener",
            what: format!("{} takes requests that are not encrypted", reachable.join(", ")),
            advice: Some("write `tls: { certificates: [{ cert: …, key: … }] }`, or let only what ends TLS reach it"),
            endpoints: Vec::new(),
        });
    }
    let asks_who = settings.admin_tls.as_ref().is_some_and(Server::requires_certificates);
    if !is_local(&settings.admin_listen) && !asks_who {
        into.push(Finding {
            severity: Severity::High,
            code: "open-admin",
            what: format!(
                "{} shows the admin pages, on which caches are emptied and clients refused, to whoever reaches it",
                settings.admin_listen
            ),
            advice: Some("write `admin: { listen: 127.0.0.1:9901 }`, or `admin: { tls: { client_ca: … } }`"),
            endpoints: Vec::new(),
        });
    }
    let proxies = &plan.access.trusted_proxies;
    let strangers: [IpAddr; 3] = [
        [1, 1, 1, 1].into(),
        [203, 0, 113, 7].into(),
        [0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111].into(),
    ];
    if strangers.iter().any(|it| proxies.contains(*it)) {
        into.push(Finding {
            severity: Severity::High,
            code: "anybody-is-a-proxy",
            what: "strangers are believed about the address that a request comes from".to_owned(),
            advice: Some("write the networks of your own proxies: `access: { trusted_proxies: [10.0.0.0/8] }`"),
            endpoints: Vec::new(),
        });
    }
    if settings.audit_log == AuditLog::None && !plan.auth.is_empty() {
        into.push(Finding {
            severity: Severity::Low,
            code: "no-audit-log",
            what: "who asked, and who was refused, is written down nowhere".to_owned(),
            advice: Some("leave the audit log on, at least for what is refused"),
            endpoints: Vec::new(),
        });
    }
}

// === Who may ask, and how often ===

fn clients(plan: &Plan, into: &mut Vec<Finding>) {
    let open = |it: &Endpoint| match &it.access.who {
        Who::Anyone => true,
        Who::AnyOf { visitors, .. } => *visitors,
        Who::AllOf(_) => false,
    };
    let changes = |it: &Recipe| it.changes || it.proxy.is_some();
    // A condition that does not ask who it is holds for anybody who knows it.
    group(plan, into, |endpoint, recipe| {
        (open(endpoint) && changes(recipe) && !asks_who(recipe)).then_some((
            Severity::High,
            "open-write",
            "anybody may ask for what may change something",
            Some("write `auth: PROVIDER` there, or an `allow:` that visitors do not fulfil"),
        ))
    });
    group(plan, into, |endpoint, recipe| {
        let meant = !plan.auth.is_empty();
        (open(endpoint) && !changes(recipe)).then_some((
            if meant { Severity::Info } else { Severity::Low },
            "public",
            "anybody may read",
            (!meant).then_some("write `auth:` in weft.yaml: what does not say `auth: none` is closed then"),
        ))
    });
    if plan.limits.is_empty() {
        group(plan, into, |endpoint, recipe| {
            recipe.limits.is_empty().then_some((
                if open(endpoint) && changes(recipe) {
                    Severity::Medium
                } else {
                    Severity::Low
                },
                "unlimited",
                "may be asked for any number of times",
                Some("write `rate_limit:` there, or `limits: { rate_limit: … }` in weft.yaml for everything"),
            ))
        });
    }
}

// === Who says who somebody is ===

fn providers(plan: &Plan, into: &mut Vec<Finding>) {
    for provider in &plan.auth {
        let name = &provider.name;
        let mut say = |severity, code, what: String, advice| {
            into.push(Finding {
                severity,
                code,
                what,
                advice: Some(advice),
                endpoints: Vec::new(),
            });
        };
        let plain = |target: &Target, secure: bool| !secure && !is_local_host(&target.host);
        match &provider.kind {
            ProviderKind::Jwt { rules, keys } => {
                if rules.audiences.is_empty() {
                    say(
                        Severity::Medium,
                        "any-audience",
                        format!("`{name}` takes tokens that were issued for somebody else"),
                        "write `audience:` with the name under which the issuer knows this gateway",
                    );
                }
                if let Keys::Fetched(fetch) = keys
                    && plain(&fetch.from.target, fetch.from.secure)
                {
                    say(
                        Severity::High,
                        "keys-over-plain-http",
                        format!(
                            "`{name}` trusts keys that come from {} unprotected",
                            fetch.from.target.host
                        ),
                        "write the address with `https://`",
                    );
                }
            }
            ProviderKind::Introspection(it) if plain(&it.at.target, it.at.secure) => say(
                Severity::High,
                "tokens-over-plain-http",
                format!("`{name}` sends clients' tokens to {} unprotected", it.at.target.host),
                "write the address with `https://`",
            ),
            ProviderKind::Signature { rules, .. } => {
                let unsigned = rules.left_out();
                if !unsigned.is_empty() {
                    say(
                        Severity::Medium,
                        "unsigned-parts",
                        format!("`{name}` takes signatures that do not cover {}", unsigned.join(", ")),
                        "add it to `components:`, or leave `components:` out: what is not signed can be changed on the way",
                    );
                }
                if !rules.nonce {
                    say(
                        Severity::Low,
                        "replayable",
                        format!(
                            "a request that `{name}` knows can be sent again for {} s",
                            rules.max_age
                        ),
                        "write `nonce: required`, or a shorter `max_age:`",
                    );
                }
            }
            ProviderKind::ApiKey { .. }
            | ProviderKind::Basic(_)
            | ProviderKind::ClientCertificate
            | ProviderKind::Introspection(_) => {}
        }
    }
}

// === Whom it asks ===

fn backends(plan: &Plan, into: &mut Vec<Finding>) {
    let open: Vec<String> = plan
        .backends
        .iter()
        // Those whom providers or tokens are asked of have findings of their own.
        .filter(|it| !it.name.starts_with("auth.") && !it.name.starts_with("tokens."))
        .filter(|it| it.tls.is_none() && it.targets.iter().any(|it| !is_local_host(&it.host)))
        .map(|it| format!("`{}`", it.name))
        .collect();
    for backend in &plan.backends {
        let Some(auth) = &backend.auth else { continue };
        let host = &auth.at.target.host;
        if !auth.at.secure && !is_local_host(host) {
            into.push(Finding {
                severity: Severity::High,
                code: "secret-over-plain-http",
                what: format!(
                    "the secret and the token for `{}` go to {host} and back unprotected",
                    backend.name
                ),
                advice: Some("write `token_url` with `https://`"),
                endpoints: Vec::new(),
            });
        }
        let far = |it: &Target| !is_local_host(&it.host);
        if backend.tls.is_none() && backend.targets.iter().any(far) {
            into.push(Finding {
                severity: Severity::Medium,
                code: "token-over-plain-http",
                what: format!("the token for `{}` is sent unprotected with each call", backend.name),
                advice: Some("write `https://` in its addresses: who reads a token can use it"),
                endpoints: Vec::new(),
            });
        }
    }
    if !open.is_empty() {
        into.push(Finding {
            severity: Severity::Low,
            code: "plain-backend",
            what: format!("calls to {} leave this machine unencrypted", open.join(", ")),
            advice: Some("write `https://` in their addresses, where the network between is not yours alone"),
            endpoints: Vec::new(),
        });
    }
}

// === What is said ===

fn answers(plan: &Plan, into: &mut Vec<Finding>) {
    group(plan, into, |_, recipe| {
        recipe.errors.expose_details.then_some((
            Severity::Low,
            "details-shown",
            "details of backends' errors are shown to clients",
            Some("write `errors: { details: hide }`, unless all backends' details are meant for clients"),
        ))
    });
    group(plan, into, |_, recipe| {
        let forward = &recipe.proxy.as_ref()?.request;
        let is_secret = |it: &&HeaderName| CREDENTIALS.contains(it) || forward.secrets.contains(it);
        forward.names.iter().find(is_secret).map(|_| {
            (
                Severity::Medium,
                "credentials-forwarded",
                "credentials or cookies of clients are handed over to a backend as they are",
                Some("leave them out of `forward:`, and send the claims that the backend needs"),
            )
        })
    });
    if plan.settings.compression.is_some_and(|it| it.private) {
        group(plan, into, |_, recipe| {
            recipe.private.then_some((
                Severity::Low,
                "compressed-private",
                "answers that belong to one client are compressed: their length tells of their secrets",
                Some("leave `compression: { private: true }` out, unless no answer repeats what a request brought"),
            ))
        });
    }
    group(plan, into, |_, recipe| {
        (recipe.private && recipe.cache.is_some()).then_some((
            Severity::Info,
            "private-cached",
            "answers that belong to one client are kept, for that client alone",
            None,
        ))
    });
    group(plan, into, |_, recipe| {
        (recipe.private && recipe.cache.is_none()).then_some((
            Severity::Info,
            "private",
            "answers belong to one client, and are not kept",
            None,
        ))
    });
}

// === Who is told what ===

/// Which backend is told what of a client's identity, and by which endpoints.
fn flows(plan: &Plan, into: &mut Vec<Finding>) {
    let mut told: BTreeMap<(Arc<str>, String), Endpoints> = BTreeMap::new();
    for at in 0..plan.endpoints.len() {
        let Ok(explained) = explain::explain(plan, EndpointIndex(at)) else {
            continue;
        };
        let identity = |name: &str| is_identity(plan, &explained, name);
        for sight in &explained.sights {
            for source in &sight.sees {
                let Source::Input(name) = source else { continue };
                if identity(name) {
                    let endpoints = told.entry((sight.backend.clone(), name.to_string())).or_default();
                    let endpoint = (explained.endpoint.name.clone(), explained.endpoint.origin.clone());
                    if !endpoints.contains(&endpoint) {
                        endpoints.push(endpoint);
                    }
                }
            }
        }
    }
    for ((backend, name), endpoints) in told {
        into.push(Finding {
            severity: Severity::Info,
            code: "told",
            what: format!("`{backend}` is told `{name}`"),
            advice: None,
            endpoints,
        });
    }
}

/// Claims, cookies, addresses and credentials (semantics.md 5.5).
fn is_identity(plan: &Plan, explained: &Explanation<'_>, name: &str) -> bool {
    let of_provider = |it: &HeaderName| plan.auth.iter().filter_map(Provider::header).any(|header| header == it);
    let is_credential = |it: &HeaderName| CREDENTIALS.contains(it) || of_provider(it);
    let mut params = explained.recipe.inputs.params.iter();
    let is_param = params.any(|it| {
        &*it.name == name
            && match &it.location {
                Location::Cookie => true,
                Location::Header(header) => is_credential(header),
                _ => false,
            }
    });
    let header = name
        .strip_prefix("request.headers[\"")
        .and_then(|it| it.strip_suffix("\"]"));
    let is_header = header
        .and_then(|it| it.parse().ok())
        .is_some_and(|it| is_credential(&it));
    let is_claim = name == "auth" || name.starts_with("auth.");
    is_param || is_header || is_claim || name == "request.remote_ip"
}

// === Helpers ===

type Said = (Severity, &'static str, &'static str, Option<&'static str>);

/// Endpoints of which the same is to be said, together: a page for each severity.
fn group(plan: &Plan, into: &mut Vec<Finding>, said: impl Fn(&Endpoint, &Recipe) -> Option<Said>) {
    let mut found: BTreeMap<Severity, Finding> = BTreeMap::new();
    for endpoint in &plan.endpoints {
        let Ok(recipe) = &endpoint.recipe else { continue };
        let Some((severity, code, what, advice)) = said(endpoint, recipe) else {
            continue;
        };
        let finding = found.entry(severity).or_insert_with(|| Finding {
            severity,
            code,
            what: what.to_owned(),
            advice,
            endpoints: Vec::new(),
        });
        finding.endpoints.push((endpoint.name.clone(), endpoint.origin.clone()));
    }
    into.extend(found.into_values());
}

/// Whether `allow:` reads anything of who asks.
fn asks_who(recipe: &Recipe) -> bool {
    let mut asks = false;
    if let Some(allow) = &recipe.allow {
        let is_claim = |slot| recipe.inputs.claims.iter().any(|it| it.slot == slot);
        allow.program.slots(|slot| asks |= is_claim(slot));
    }
    asks
}

/// Whether only this machine reaches an address that is listened on.
fn is_local(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |it| it.0);
    is_local_host(host.trim_start_matches('[').trim_end_matches(']'))
}

fn is_local_host(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

// === impl Severity ===

impl Severity {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_guide_lists_every_finding() {
        let guide = include_str!("../docs/guide/cli.md");
        let this = include_str!("audit.rs");
        let is_code = |it: &&str| it.contains('-') && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
        let codes: Vec<&str> = this.split('"').skip(1).step_by(2).filter(is_code).collect();
        assert!(codes.contains(&"open-write") && codes.len() > 15, "{codes:?}");
        for code in codes {
            assert!(guide.contains(&format!("`{code}`")), "{code}");
        }
    }
}
