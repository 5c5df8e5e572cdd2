//! `auth:` of weft.yaml → providers; `auth:`, `roles:`, `scopes:` of an endpoint → who may ask; the types of claims.
//!
//! Whatever is not known to be safe is refused: no algorithm is guessed, a token is for somebody, keys that anybody can read
//! verify nothing that shared secrets sign.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::backend::asked;
use super::claims::{self, Declared};
use super::credentials::basic;
use super::holders;
use super::signature;
use super::world::World;
use crate::auth::basic::Users;
use crate::auth::jwk::{Key, KeySet, Source};
use crate::auth::jwt::Rules;
use crate::auth::revoked::Revoked;
use crate::auth::signature::{SIGNATURE, SIGNATURE_INPUT};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{NodeKind, SourceMap, Spanned};
use crate::language::spec::auth::{File, Introspection, Jwt, Provider, ProviderKind, path};
use crate::language::spec::tls::BackendTls;
use crate::language::spec::{self, Composition, Condition, Gateway, Name};
use crate::plan::{self, Access, BackendIndex, Fetch, Keys, ProviderIndex, Who};
use crate::schema::suggest;

/// What is known of a provider when compositions are checked.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) claims: Vec<Declared>,
    /// The headers that it reads, beside `authorization`.
    pub(super) headers: Vec<Arc<str>>,
}

/// What compositions have to know of all providers.
pub(super) fn known(gateway: &Gateway) -> Vec<Known> {
    let of = |it: &Provider| Known {
        name: it.name.value.clone(),
        claims: claims::declared(it),
        headers: match &it.kind {
            ProviderKind::ApiKey { header, .. } => {
                vec![header.as_ref().map_or_else(default_header, |it| it.value.clone())]
            }
            ProviderKind::Signature(_) => vec![SIGNATURE.as_str().into(), SIGNATURE_INPUT.as_str().into()],
            _ => Vec::new(),
        },
    };
    gateway.auth.iter().map(of).collect()
}

fn default_header() -> Arc<str> {
    "x-api-key".into()
}

/// Makes the providers. Those that ask somebody are among `backends` as well, as `auth.NAME`.
pub(super) fn providers(
    gateway: &Gateway,
    sources: &SourceMap,
    backends: &mut Vec<plan::Backend>,
    diagnostics: &mut Diagnostics,
) -> Vec<plan::Provider> {
    let mut all = Vec::new();
    for written in &gateway.auth {
        let mut maker = Maker {
            name: &written.name.value,
            sources,
            backends,
            diagnostics,
        };
        let Some(kind) = maker.kind(written) else { continue };
        all.push(plan::Provider {
            name: written.name.value.clone(),
            kind,
            claims: claims::rules(written).into(),
            roles: path(written.roles.as_ref().map_or("roles", |it| &it.value)),
            scopes: match &written.scopes {
                Some(it) => vec![path(&it.value)],
                None => vec![path("scope"), path("scp")],
            },
            revoked: written.revoked.as_ref().map(|it| maker.revoked(it)).unwrap_or_default(),
        });
    }
    all
}

struct Maker<'m> {
    name: &'m str,
    sources: &'m SourceMap,
    backends: &'m mut Vec<plan::Backend>,
    diagnostics: &'m mut Diagnostics,
}

impl Maker<'_> {
    fn kind(&mut self, written: &Provider) -> Option<plan::ProviderKind> {
        Some(match &written.kind {
            ProviderKind::ApiKey { header, keys } => {
                let header = header.as_ref().map_or_else(default_header, |it| it.value.clone());
                let header = HeaderName::from_bytes(header.as_bytes()).ok()?;
                let holders = holders::read(keys, &claims::rules(written), self.sources, self.diagnostics);
                if self.has_no_entry(keys) {
                    self.warn_of_nobody(keys, "`weft key NAME` makes a key and its entry");
                }
                plan::ProviderKind::ApiKey {
                    header,
                    holders: Arc::new(holders),
                }
            }
            ProviderKind::Basic { users } => {
                let read = Users::read(self.text(users).unwrap_or_default());
                if users.read.is_some() && read.as_ref().is_ok_and(Users::is_empty) {
                    self.warn_of_nobody(users, "`htpasswd -B FILE NAME` adds a user");
                }
                plan::ProviderKind::Basic(Arc::new(read.unwrap_or_else(|(line, sentence)| {
                    self.wrong(&users.path, format!("line {line} of the file cannot be used"), sentence);
                    Users::default()
                })))
            }
            ProviderKind::ClientCertificate => plan::ProviderKind::ClientCertificate,
            ProviderKind::Introspection(written) => plan::ProviderKind::Introspection(self.introspection(written)?),
            ProviderKind::Jwt(written) => {
                let rules = self.rules(written);
                let keys = self.keys(written, &rules)?;
                plan::ProviderKind::Jwt { rules, keys }
            }
            ProviderKind::Signature(it) => {
                if self.has_no_entry(&it.keys) {
                    self.warn_of_nobody(&it.keys, "an entry is `KEYID: { algorithm: ed25519, key: … }`");
                }
                plan::ProviderKind::Signature {
                    rules: signature::rules(it, self.diagnostics),
                    signers: Arc::new(signature::signers(written, it, self.diagnostics)),
                }
            }
        })
    }

    /// Whether a file says that nobody has a key. What cannot be read is no such file.
    fn has_no_entry(&self, file: &File) -> bool {
        let read = |it| spec::document(self.sources, it, &mut Diagnostics::default());
        let document = file.read.and_then(read);
        document.is_some_and(|it| matches!(&it.root.kind, NodeKind::Map(entries) if entries.is_empty()))
    }

    fn warn_of_nobody(&mut self, file: &File, advice: &str) {
        let title = format!("nobody is known to `{}`: this file has no entry", self.name);
        let warning = Diagnostic::warning("nobody-known", file.path.span, title);
        self.diagnostics
            .push(warning.label("everybody is refused until there is one").note(advice));
    }

    fn text(&self, file: &File) -> Option<&str> {
        Some(&self.sources.file(file.read?)?.text)
    }

    fn wrong(&mut self, at: &Name, title: impl Into<String>, label: &str) {
        self.diagnostics
            .push(Diagnostic::new("bad-auth", at.span, title).label(label));
    }

    fn revoked(&mut self, file: &File) -> Revoked {
        let read = Revoked::read(self.text(file).unwrap_or_default());
        read.unwrap_or_else(|line| {
            self.wrong(
                &file.path,
                format!("line {line} of the file cannot be read"),
                "a line is `jti ID` or `sub NAME`",
            );
            Revoked::default()
        })
    }

    fn rules(&mut self, jwt: &Jwt) -> Rules {
        let algorithms: Vec<_> = jwt
            .algorithms
            .iter()
            .filter_map(|it| Algorithm::from_str(&it.value).ok())
            .collect();
        let is_hmac = |it: &Algorithm| it.family() == AlgorithmFamily::Hmac;
        if algorithms.iter().any(is_hmac) && !algorithms.iter().all(is_hmac) {
            let title = "shared secrets and public keys are mixed";
            let wrong = Diagnostic::new("bad-auth", jwt.span, title)
                .label("a public key would verify what it signed as a secret");
            self.diagnostics
                .push(wrong.note("make two providers, and name both: `auth: [one, other]`"));
        }
        let audiences = match &jwt.audience {
            None => {
                let title = format!("`{}` does not say whom its tokens are for", self.name);
                let wrong = Diagnostic::new("bad-auth", jwt.span, title)
                    .label("one that was issued for somebody else would do as well");
                self.diagnostics.push(
                    wrong
                        .help("audience: shop")
                        .note("`audience: any` accepts whomever they are for"),
                );
                Vec::new()
            }
            Some(names) if names.iter().any(|it| &*it.value == "any") => Vec::new(),
            Some(names) => names.iter().map(|it| it.value.clone()).collect(),
        };
        let seconds = jwt.leeway.as_ref().map_or(30, |it| it.value.as_secs());
        let kind = jwt.kind.as_ref().map(|it| it.value.to_ascii_lowercase());
        Rules {
            algorithms,
            issuer: jwt.issuer.as_ref().map(|it| it.value.clone()),
            audiences,
            leeway: i64::try_from(seconds).unwrap_or(i64::MAX),
            kind: kind.map(|it| it.strip_prefix("application/").unwrap_or(&it).into()),
        }
    }

    fn keys(&mut self, jwt: &Jwt, rules: &Rules) -> Option<Keys> {
        let files = jwt.keys.as_ref().map(|it| &it.path);
        let given: Vec<&Name> = [jwt.jwks.as_ref(), files, jwt.secret.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        if let [first, second, ..] = given.as_slice() {
            let wrong = Diagnostic::new("conflicting-keys", second.span, "keys come from one place");
            self.diagnostics.push(wrong.other(first.span, "and from here"));
            return None;
        }
        let is_hmac = rules.algorithms.iter().any(|it| it.family() == AlgorithmFamily::Hmac);
        if let Some(secret) = &jwt.secret {
            return self.secret(secret, rules);
        }
        if let Some(file) = &jwt.keys {
            return self.key_file(file, rules);
        }
        if is_hmac {
            let title = "shared secrets cannot be fetched";
            let wrong = Diagnostic::new("bad-auth", jwt.span, title).label("who fetches keys can use them");
            self.diagnostics.push(wrong.help("secret: \"${env.JWT_SECRET}\""));
            return None;
        }
        let Some(issuer) = &jwt.issuer else {
            let title = format!("`{}` does not say who issues its tokens", self.name);
            let wrong = Diagnostic::new("bad-auth", jwt.span, title).label("others may publish the same keys");
            self.diagnostics.push(wrong.help("issuer: https://id.example"));
            return None;
        };
        let (written, discovery) = if let Some(jwks) = &jwt.jwks {
            (jwks.clone(), None)
        } else {
            let at = Spanned::new(Arc::from(Fetch::discovery_url(&issuer.value)), issuer.span);
            (at, Some(issuer.value.clone()))
        };
        let (backend, from) = self.backend(&written, jwt.tls.as_ref(), Duration::from_secs(5))?;
        Some(Keys::Fetched(Fetch {
            backend,
            from,
            discovery,
        }))
    }

    fn secret(&mut self, secret: &Name, rules: &Rules) -> Option<Keys> {
        let key = Key::from_secret(secret.value.as_bytes());
        let fits = key.filter(|key| rules.algorithms.iter().all(|it| key.fits(*it)));
        if let Some(key) = fits {
            return Some(Keys::Local(Arc::new(KeySet::of(key))));
        }
        let n_hmac = rules
            .algorithms
            .iter()
            .filter(|it| it.family() == AlgorithmFamily::Hmac)
            .count();
        if n_hmac > 0 && n_hmac < rules.algorithms.len() {
            // That they are mixed was said.
        } else if n_hmac == 0 {
            self.wrong(
                secret,
                "a secret verifies HS256, HS384 and HS512 only",
                "public keys stand in a file: `keys:`",
            );
        } else {
            self.wrong(
                secret,
                "this secret is too short",
                "HS256 needs 32 bytes, HS384 48, HS512 64 (RFC 7518)",
            );
        }
        None
    }

    fn key_file(&mut self, file: &File, rules: &Rules) -> Option<Keys> {
        let Some(text) = self.text(file).map(str::to_owned) else {
            // That it cannot be read was said; a fixture can do without.
            return Some(Keys::Local(Arc::default()));
        };
        let read = if text.contains("-----BEGIN") {
            Key::from_pem(&text)
                .map(KeySet::of)
                .ok_or("it is no public key in PEM: `BEGIN PUBLIC KEY`")
        } else {
            KeySet::from_json(text.as_bytes(), Source::Local)
        };
        match read {
            Err(sentence) => {
                self.wrong(&file.path, "this file has no key that can be used", sentence);
                None
            }
            Ok(set)
                if !set
                    .keys()
                    .iter()
                    .any(|key| rules.algorithms.iter().any(|it| key.fits(*it))) =>
            {
                self.wrong(
                    &file.path,
                    "no key in this file fits any of the `algorithms`",
                    "keys of another type",
                );
                None
            }
            Ok(set) => Some(Keys::Local(Arc::new(set))),
        }
    }

    fn introspection(&mut self, written: &Introspection) -> Option<plan::Introspection> {
        let timeout = written.timeout.as_ref().map_or(Duration::from_secs(2), |it| it.value);
        let (backend, at) = self.backend(&written.url, written.tls.as_ref(), timeout)?;
        let authorization = basic(&written.client_id, &written.client_secret)?;
        let audiences = written.audience.iter().filter(|it| &*it.value != "any");
        Some(plan::Introspection {
            backend,
            at,
            authorization,
            believed: written.cache.as_ref().map_or(Duration::from_mins(1), |it| it.value),
            timeout,
            audiences: audiences.map(|it| it.value.clone()).collect(),
        })
    }

    /// Who is asked at a URL.
    fn backend(
        &mut self,
        url: &Name,
        tls: Option<&BackendTls>,
        timeout: Duration,
    ) -> Option<(BackendIndex, plan::Address)> {
        let name = format!("auth.{}", self.name);
        let (backend, address) = asked(&name, url, tls, timeout, self.diagnostics)?;
        self.backends.push(backend);
        Some((BackendIndex(self.backends.len() - 1), address))
    }
}

/// Who may ask for an endpoint.
pub(super) fn access(world: &World<'_>, written: &Composition, diagnostics: &mut Diagnostics) -> Access {
    let words = |it: &Option<Spanned<Vec<Name>>>| -> Vec<Arc<str>> {
        it.iter()
            .flat_map(|it| it.value.iter().map(|it| it.value.clone()))
            .collect()
    };
    let access = Access {
        who: who(world, written, diagnostics),
        roles: words(&written.roles),
        scopes: words(&written.scopes),
        allow: match &written.allow {
            Some(Condition::Expression(it)) => Some(it.ast.text().into()),
            Some(Condition::Literal(_)) | None => None,
        },
    };
    for (key, it) in [("roles", &written.roles), ("scopes", &written.scopes)] {
        if let (Who::Anyone, Some(it)) = (&access.who, it) {
            let title = format!("`{key}` are demanded where nobody is asked who they are");
            diagnostics.push(Diagnostic::new("no-auth", it.span, title).label("say who may ask: `auth:`"));
        }
    }
    for scope in written.scopes.iter().flat_map(|it| &it.value) {
        // RFC 6749 §3.3: they stand in a header between quotes.
        let sound = !scope.value.is_empty()
            && scope
                .value
                .bytes()
                .all(|it| matches!(it, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !sound {
            let title = format!("`{}` is not a scope", scope.value);
            diagnostics.push(
                Diagnostic::new("bad-auth", scope.span, title).label("a scope is a word without blanks and quotes"),
            );
        }
    }
    access
}

fn who(world: &World<'_>, written: &Composition, diagnostics: &mut Diagnostics) -> Who {
    let all = || (0..world.auth.len()).map(ProviderIndex).collect::<Vec<_>>();
    let Some(auth) = &written.auth else {
        return match all() {
            none if none.is_empty() => Who::Anyone,
            providers => Who::AnyOf {
                providers,
                visitors: false,
            },
        };
    };
    let mut providers = Vec::new();
    let mut visitors = false;
    let mut lost = false;
    for name in &auth.names {
        if &*name.value == "none" {
            if auth.all {
                let title = "`none` cannot be demanded beside others";
                diagnostics.push(Diagnostic::new("bad-auth", name.span, title));
            }
            visitors = true;
            continue;
        }
        let Some(at) = world.auth.iter().position(|it| it.name == name.value) else {
            lost = true;
            unknown_provider(world, name, diagnostics);
            continue;
        };
        if providers.contains(&ProviderIndex(at)) {
            let title = format!("`{}` is named twice", name.value);
            diagnostics.push(Diagnostic::new("bad-auth", name.span, title));
        }
        providers.push(ProviderIndex(at));
    }
    match (auth.all, providers.is_empty()) {
        (true, _) => Who::AllOf(providers),
        (false, true) if visitors && !lost => Who::Anyone,
        (false, _) => Who::AnyOf { providers, visitors },
    }
}

fn unknown_provider(world: &World<'_>, name: &Name, diagnostics: &mut Diagnostics) {
    let names = || world.auth.iter().map(|it| &*it.name).chain(["none"]);
    let label = match suggest::nearest(&name.value, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if world.auth.is_empty() => "weft.yaml has no `auth:`".to_owned(),
        None => format!(
            "weft.yaml has {}",
            super::world::listed(world.auth.iter().map(|it| &*it.name))
        ),
    };
    let title = format!("there is no provider `{}`", name.value);
    diagnostics.push(Diagnostic::new("unknown-provider", name.span, title).label(label));
}
