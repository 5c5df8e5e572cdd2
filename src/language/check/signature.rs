//! `signature:` of a provider → what is demanded of signatures, and everybody who may sign.

use std::sync::Arc;

use bytes::Bytes;

use super::claims;
use crate::auth::jwk::{Key, KeySet, Source};
use crate::auth::signature::{Named, Origin, Rules, Signer, Signers, What};
use crate::auth::{Claims, Why};
use crate::codec::time_text;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::Name;
use crate::language::spec::auth::Provider;
use crate::language::spec::signature::{self as spec, Signature};
use crate::plan::{ClaimRule, conform};

/// What is demanded of a signature.
pub(super) fn rules(written: &Signature, diagnostics: &mut Diagnostics) -> Rules {
    let seconds = |it: Option<u64>, usual: i64| it.map_or(usual, |it| i64::try_from(it).unwrap_or(i64::MAX));
    let of = |it: &Option<crate::language::source::Spanned<std::time::Duration>>| {
        it.as_ref()
            .map(|it| it.value.as_secs().max(u64::from(!it.value.is_zero())))
    };
    if let Some(tag) = &written.tag
        && !is_visible(&tag.value)
    {
        wrong(tag, "this is not a tag", "a tag is ASCII text", diagnostics);
    }
    Rules {
        components: match &written.components {
            None => Rules::usual_components(),
            Some(names) => {
                let read = names.iter().filter_map(|it| component(it, diagnostics));
                read.collect()
            }
        },
        max_age: seconds(of(&written.max_age), 300),
        leeway: seconds(of(&written.leeway), 30),
        tag: written.tag.as_ref().map(|it| it.value.clone()),
        nonce: written.nonce,
        origin: written.origin.as_ref().and_then(|it| {
            let origin = Origin::parse(&it.value);
            if origin.is_none() {
                let label = "expected `https://api.example.com`: a scheme and a host, and nothing behind them";
                wrong(it, "this is not an origin", label, diagnostics);
            }
            origin
        }),
    }
}

fn component(name: &Name, diagnostics: &mut Diagnostics) -> Option<What> {
    let what = What::parse(&name.value);
    if what.is_none() {
        let label = match &*name.value {
            "@query-param" => "a param of the query has no name here; `@query` is all of them",
            "@status" => "requests have no status",
            it if it.starts_with('@') => {
                "expected @method, @target-uri, @authority, @scheme, @path, @query or @request-target"
            }
            it if it.to_ascii_lowercase() != *it => "names of headers are in lower case here",
            _ => "expected the name of a header, or one of RFC 9421 §2.2 as `@method`",
        };
        wrong(name, "a signature cannot cover this", label, diagnostics);
    }
    what
}

/// Everybody who may sign.
pub(super) fn signers(provider: &Provider, written: &Signature, diagnostics: &mut Diagnostics) -> Signers {
    let rules = claims::rules(provider);
    let mut signers = Signers::default();
    for it in &written.signers {
        if let Some(signer) = signer(it, &rules, diagnostics) {
            signers.add(it.name.value.to_string(), signer);
        }
    }
    signers
}

fn signer(written: &spec::Signer, rules: &[ClaimRule], diagnostics: &mut Diagnostics) -> Option<Signer> {
    let name = &written.name;
    if !is_visible(&name.value) {
        wrong(name, "this is not a `keyid`", "a `keyid` is ASCII text", diagnostics);
    }
    let algorithm = Named::parse(written.algorithm.value)?;
    let key = match (written.algorithm.value, &written.secret, &written.key) {
        ("hmac-sha256", Some(secret), None) => of_secret(secret, diagnostics),
        (other, None, Some(key)) if other != "hmac-sha256" => public(key, algorithm, diagnostics),
        ("hmac-sha256", _, _) => {
            let label = "expected `secret`, and no `key`: who verifies it could sign as well";
            wrong(
                name,
                format!("`{}` has no secret for hmac-sha256", name.value),
                label,
                diagnostics,
            );
            None
        }
        (other, _, _) => {
            let label = "expected `key`, and no `secret`";
            wrong(
                name,
                format!("`{}` has no public key for {other}", name.value),
                label,
                diagnostics,
            );
            None
        }
    };
    let mut text = Vec::from(*b"{}");
    if let Some(claims) = &written.claims {
        text.clear();
        claims.write_json(&mut text);
    }
    let claims = Claims::read(Bytes::from(text)).ok()?.or("sub", &name.value);
    if conform(&claims, rules) == Err(Why::Claims) {
        let title = format!(
            "the claims of `{}` are not those that the gateway file declares",
            name.value
        );
        wrong(name, title, "one is missing, or of another type", diagnostics);
    }
    let expires = written.expires.as_ref().and_then(|it| {
        let read = time_text::parse_timestamp(&it.value).map(|it| it.0);
        if read.is_none() {
            wrong(it, "this is not a time", "expected `2027-01-31T00:00:00Z`", diagnostics);
        }
        read
    });
    Some(Signer {
        algorithm,
        key: key?,
        claims,
        expires,
    })
}

fn of_secret(written: &Name, diagnostics: &mut Diagnostics) -> Option<Key> {
    let Ok(secret) = base64_simd::STANDARD.decode_to_vec(written.value.as_bytes()) else {
        wrong(
            written,
            "this secret is not base64",
            "`openssl rand -base64 32` makes one",
            diagnostics,
        );
        return None;
    };
    let key = Key::from_secret(&secret);
    if key.is_none() {
        let label = "it needs 32 bytes: `openssl rand -base64 32` makes some";
        wrong(written, "this secret is too short", label, diagnostics);
    }
    key
}

fn public(written: &Name, algorithm: Named, diagnostics: &mut Diagnostics) -> Option<Key> {
    let text = &*written.value;
    let read = if text.contains("PRIVATE KEY") {
        Err("it is a private key: only its owner has that; `openssl pkey -pubout` gives the public one")
    } else if text.contains("-----BEGIN") {
        Key::from_pem(text).ok_or("it is no public key in PEM: `BEGIN PUBLIC KEY`")
    } else {
        KeySet::from_json(text.as_bytes(), Source::Public).and_then(|set| match set.keys() {
            [key] => Ok(key.clone()),
            _ => Err("it has several keys: write one, with its `keyid`"),
        })
    };
    let read = read.and_then(|key| {
        let fits = key.fits(algorithm.of_tokens());
        fits.then_some(key).ok_or("its type is another than the algorithm's")
    });
    read.map_err(|sentence| wrong(written, "this is not a key that can be used", sentence, diagnostics))
        .ok()
}

fn is_visible(text: &Arc<str>) -> bool {
    !text.is_empty() && text.bytes().all(|it| matches!(it, 0x20..=0x7e))
}

fn wrong(at: &Name, title: impl Into<String>, label: &str, diagnostics: &mut Diagnostics) {
    diagnostics.push(Diagnostic::new("bad-auth", at.span, title).label(label));
}
