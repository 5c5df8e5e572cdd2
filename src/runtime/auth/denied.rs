//! What is said to those who may not: enough to know what to show, nothing of what is kept here.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::Identity;
use crate::auth::Why;
use crate::plan::{Access, Plan, ProviderIndex, ProviderKind, Who};

/// Why somebody may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `allow:` is not true.
    Allow,
    /// What is shown does not count.
    Invalid(Why),
    /// Nothing is shown.
    Missing,
    /// Known, but without any of the roles.
    Role,
    /// Known, but without one of the scopes.
    Scope,
}

/// Somebody who may not ask.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub reason: Reason,
    /// Who was asked, as far as one was.
    pub provider: Option<Arc<str>>,
    /// Who it is, where that is known.
    pub identity: Option<Identity>,
    /// What would be accepted: values of `www-authenticate`.
    pub challenges: Vec<HeaderValue>,
    /// What would be accepted of signatures: values of `accept-signature`.
    pub signatures: Vec<HeaderValue>,
    /// The scopes that are needed.
    pub scopes: Vec<Arc<str>>,
}

impl Reason {
    /// In counters and audit events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Invalid(why) => why.name(),
            Self::Missing => "missing",
            Self::Role => "role",
            Self::Scope => "scope",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Allow | Self::Role | Self::Scope => StatusCode::FORBIDDEN,
            Self::Invalid(Why::Unreachable) => StatusCode::SERVICE_UNAVAILABLE,
            // RFC 6750 §3.1: `invalid_request`.
            Self::Invalid(Why::Several) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) | Self::Missing => StatusCode::UNAUTHORIZED,
        }
    }

    /// One sentence for the client.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Allow | Self::Role => "What is known of you does not allow this.",
            Self::Scope => "The token does not have the scope that this needs.",
            Self::Missing => "Say who you are.",
            Self::Invalid(Why::Digest) => "The body is not the one that was signed.",
            Self::Invalid(Why::Replayed) => "The nonce has been used before.",
            Self::Invalid(Why::Uncovered) => "The signature does not cover all that it has to.",
            Self::Invalid(Why::Expired) => "The credential has expired.",
            Self::Invalid(Why::NotYet) => "The credential is not valid yet.",
            Self::Invalid(Why::Several) => "Show one credential.",
            Self::Invalid(Why::Unreachable) => "The credential cannot be checked at the moment.",
            Self::Invalid(_) => "The credential is not valid.",
        }
    }
}

impl Denied {
    /// Somebody who is not known.
    pub fn new(
        (plan, access): (&Plan, &Access),
        provider: Option<ProviderIndex>,
        reason: Reason,
        has_body: bool,
    ) -> Self {
        let mut challenges: Vec<HeaderValue> = Vec::new();
        let mut signatures = Vec::new();
        if matches!(
            reason.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
        ) {
            for index in access.who.providers() {
                // An error is of the one that was shown something; of a scope, of all who had to know the client.
                let of_all = reason == Reason::Scope && matches!(access.who, Who::AllOf(_));
                let error = (of_all || provider == Some(*index)).then_some(reason);
                let challenge = plan
                    .auth
                    .get(index.0)
                    .and_then(|it| challenge(&it.name, &it.kind, access, error));
                challenges.extend(challenge.filter(|it| !challenges.contains(it)));
                if let Some(ProviderKind::Signature { rules, .. }) = plan.auth.get(index.0).map(|it| &it.kind) {
                    let wanted = rules.wanted(has_body).and_then(|it| HeaderValue::try_from(it).ok());
                    signatures.extend(wanted.filter(|it| !signatures.contains(it)));
                }
            }
        }
        // RFC 9110 §15.5.4 wants none with a 403; RFC 6750 wants one that names the scope.
        if reason.status() == StatusCode::FORBIDDEN && reason != Reason::Scope {
            challenges.clear();
        }
        if reason.status() == StatusCode::FORBIDDEN {
            signatures.clear();
        }
        Self {
            reason,
            provider: provider.and_then(|it| Some(plan.auth.get(it.0)?.name.clone())),
            identity: None,
            challenges,
            signatures,
            scopes: if reason == Reason::Scope {
                access.scopes.clone()
            } else {
                Vec::new()
            },
        }
    }

    /// Somebody whom `allow:` does not let in, known or not.
    pub fn unless_allowed(plan: &Plan, access: &Access, identity: Option<&Identity>) -> Self {
        match identity {
            Some(identity) => Self::of(plan, access, identity, Reason::Allow),
            None => Self::new((plan, access), None, Reason::Allow, false),
        }
    }

    /// Somebody who is known.
    pub fn of(plan: &Plan, access: &Access, identity: &Identity, reason: Reason) -> Self {
        Self {
            identity: Some(identity.clone()),
            ..Self::new((plan, access), Some(identity.provider), reason, true)
        }
    }
}

/// What a provider would accept (RFC 9110 §11.6.1), with what was wrong (RFC 6750 §3).
fn challenge(name: &str, kind: &ProviderKind, access: &Access, error: Option<Reason>) -> Option<HeaderValue> {
    let text = match kind {
        ProviderKind::ApiKey { header, .. } => format!("ApiKey header=\"{header}\""),
        ProviderKind::Basic(_) => format!("Basic realm=\"{name}\", charset=\"UTF-8\""),
        ProviderKind::ClientCertificate => "ClientCertificate".to_owned(),
        ProviderKind::Signature { .. } => format!("Signature realm=\"{name}\""),
        ProviderKind::Introspection(_) | ProviderKind::Jwt { .. } => {
            let code = match error {
                None | Some(Reason::Missing) => None,
                Some(Reason::Scope) => Some("insufficient_scope"),
                Some(Reason::Invalid(Why::Several)) => Some("invalid_request"),
                Some(_) => Some("invalid_token"),
            };
            let mut parameters = Vec::new();
            if let (Some(code), Some(reason)) = (code, error) {
                parameters.push(format!("error=\"{code}\""));
                parameters.push(format!("error_description=\"{}\"", reason.sentence()));
            }
            if !access.scopes.is_empty() {
                let scopes: Vec<&str> = access.scopes.iter().map(|it| &**it).collect();
                parameters.push(format!("scope=\"{}\"", scopes.join(" ")));
            }
            let separator = if parameters.is_empty() { "" } else { " " };
            format!("Bearer{separator}{}", parameters.join(", "))
        }
    };
    HeaderValue::from_str(&text).ok()
}
