//! Credentials: what a client shows to say who it is, and whether that is true.
//!
//! Owns keys, tokens, passwords and signatures as pure functions: no clock, no network, no file. Who has to show what, and
//! where keys come from, is `runtime::access`'s. Invariants: what is verified is decided by the keys and rules that are
//! configured, never by what the credential says about itself (RFC 8725); no error and no `Debug` holds a secret, a token
//! or a claim's value.

pub mod api_key;
pub mod basic;
pub mod digest;
pub mod jwk;
pub mod jwt;
pub mod revoked;
pub mod signature;

use std::fmt;

use bytes::Bytes;

use crate::codec::json;

/// Verified claims: the text of a JSON object, valid, no member of which is given twice.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(Bytes);

/// Why a credential is refused. Each has a name for counters, audit events and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Signed with an algorithm that is not listed, or not the key's.
    Algorithm,
    /// For somebody else.
    Audience,
    /// A claim that the gateway file declares is missing, or of another type.
    Claims,
    /// It demands an extension that is not understood (`crit`, `b64`, `zip`).
    Critical,
    /// The body is not the one that was signed.
    Digest,
    /// Its time is over.
    Expired,
    /// Issued in the future.
    Future,
    /// The issuer says that it is not, or no longer, valid.
    Inactive,
    /// By another issuer.
    Issuer,
    /// Not of the form that it must have.
    Malformed,
    /// Not valid yet.
    NotYet,
    /// Seen before.
    Replayed,
    /// On the list of those that are no longer accepted.
    Revoked,
    /// Given several times, so that it is not clear which counts.
    Several,
    /// The signature is not by the key.
    Signature,
    /// Longer than any that is accepted.
    TooLong,
    /// Of a type that is meant for something else.
    Type,
    /// The signature does not cover what it has to.
    Uncovered,
    /// Nobody knows the key, the user or the password.
    Unknown,
    /// No key that is known may have signed it.
    UnknownKey,
    /// The keys or the issuer cannot be asked at the moment.
    Unreachable,
}

impl Why {
    /// In counters and audit events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::Critical => "critical",
            Self::Digest => "digest",
            Self::Expired => "expired",
            Self::Future => "future",
            Self::Inactive => "inactive",
            Self::Issuer => "issuer",
            Self::Malformed => "malformed",
            Self::NotYet => "not_yet",
            Self::Replayed => "replayed",
            Self::Revoked => "revoked",
            Self::Several => "several",
            Self::Signature => "signature",
            Self::TooLong => "too_long",
            Self::Type => "type",
            Self::Uncovered => "uncovered",
            Self::Unknown => "unknown",
            Self::UnknownKey => "unknown_key",
            Self::Unreachable => "unreachable",
        }
    }
}

impl Claims {
    /// Claims from the text of a JSON object.
    pub fn read(text: Bytes) -> Result<Self, Why> {
        let is_object = json::validate(&text).is_ok() && json::kind(json::trim(&text)) == json::Kind::Object;
        if !is_object || has_doubled(json::trim(&text)) {
            return Err(Why::Malformed);
        }
        Ok(Self(text))
    }

    /// The whole object.
    pub fn text(&self) -> &Bytes {
        &self.0
    }

    /// The JSON at a path; `None` where there is nothing, or null.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&[u8]> {
        let mut found = json::trim(&self.0);
        for name in path {
            if json::kind(found) != json::Kind::Object {
                return None;
            }
            found = json::member(found, name.as_ref())?;
        }
        (json::kind(found) != json::Kind::Null).then_some(found)
    }

    /// The text of a claim.
    pub fn string(&self, name: &str) -> Option<String> {
        let found = self.at(&[name])?;
        (json::kind(found) == json::Kind::String)
            .then(|| json::string(found).map(std::borrow::Cow::into_owned))
            .flatten()
    }

    /// A `NumericDate` (RFC 7519 §2), whole seconds since 1970: rounded down. An error where it is there and is none.
    pub fn date(&self, name: &str) -> Result<Option<i64>, Why> {
        let Some(found) = self.at(&[name]) else { return Ok(None) };
        let number = std::str::from_utf8(found).ok().and_then(|it| it.parse::<f64>().ok());
        match number {
            // Beyond this, doubles skip whole seconds.
            Some(seconds) if (0.0..9.0e15).contains(&seconds) =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "in range")]
                Ok(Some(seconds.floor() as i64))
            }
            _ => Err(Why::Malformed),
        }
    }

    /// The words at a path: a list of texts, or one text of words between blanks (RFC 6749 §3.3).
    pub fn words<S: AsRef<str>>(&self, path: &[S]) -> Vec<String> {
        let Some(found) = self.at(path) else { return Vec::new() };
        match json::kind(found) {
            json::Kind::Array => {
                let texts = json::elements(found).filter(|it| json::kind(it) == json::Kind::String);
                texts.filter_map(|it| Some(json::string(it)?.into_owned())).collect()
            }
            json::Kind::String => {
                let text = json::string(found).unwrap_or_default();
                text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// These claims, with those of others below a name each; what is there under such a name gives way.
    #[must_use]
    pub fn with(&self, others: &[(&str, &Self)]) -> Self {
        let mut out = vec![b'{'];
        let mut add = |name: &str, value: &[u8]| {
            if out.len() > 1 {
                out.push(b',');
            }
            json::write_string(name, &mut out);
            out.push(b':');
            out.extend_from_slice(value);
        };
        for (raw, value) in json::members(json::trim(&self.0)) {
            let name = json::string(raw).unwrap_or_default();
            if !others.iter().any(|it| it.0 == name) {
                add(&name, value);
            }
        }
        for (name, claims) in others {
            add(name, json::trim(&claims.0));
        }
        out.push(b'}');
        Self(out.into())
    }

    /// With a text where no claim of the name is.
    #[must_use]
    pub fn or(&self, name: &str, value: &str) -> Self {
        if self.at(&[name]).is_some() {
            return self.clone();
        }
        let mut text = vec![b'{'];
        json::write_string(name, &mut text);
        text.push(b':');
        json::write_string(value, &mut text);
        for (raw, value) in json::members(json::trim(&self.0)) {
            if json::string(raw).unwrap_or_default() == name {
                continue;
            }
            text.push(b',');
            text.extend_from_slice(raw);
            text.push(b':');
            text.extend_from_slice(value);
        }
        text.push(b'}');
        Self(text.into())
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

/// Whether an object anywhere in it has two members of one name. The depth of valid JSON is bounded.
pub fn has_doubled(fragment: &[u8]) -> bool {
    match json::kind(fragment) {
        json::Kind::Object => {
            let mut seen = std::collections::BTreeSet::new();
            json::members(fragment)
                .any(|(raw, value)| !seen.insert(json::string(raw).unwrap_or_default()) || has_doubled(value))
        }
        json::Kind::Array => json::elements(fragment).any(has_doubled),
        _ => false,
    }
}

/// Base64url without padding, canonical: exactly one text for each value (RFC 7515 §2, RFC 4648 §3.5).
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_an_object_whose_names_stand_once() {
        let read = |text: &str| Claims::read(Bytes::copy_from_slice(text.as_bytes()));
        assert!(read(r#"{"sub": "a", "b": {"c": [1]}}"#).is_ok());
        for wrong in [
            "",
            "[]",
            "null",
            r#"{"a": 1"#,
            r#"{"a": 1, "a": 1}"#,
            r#"{"b": [{"a": 1, "\u0061": 2}]}"#,
        ] {
            assert_eq!(read(wrong), Err(Why::Malformed), "{wrong}");
        }
        let claims =
            read(r#"{"sub": "a", "exp": 12.9, "nbf": "1", "scope": "r w", "x": {"roles": ["a", 1, "b"]}}"#).unwrap();
        assert_eq!(claims.string("sub").as_deref(), Some("a"));
        assert_eq!(claims.date("exp"), Ok(Some(12)));
        assert_eq!(claims.date("nbf"), Err(Why::Malformed));
        assert_eq!(claims.date("iat"), Ok(None));
        assert_eq!(claims.words(&["scope"]), ["r", "w"]);
        assert_eq!(claims.words(&["x", "roles"]), ["a", "b"]);
        let other = read(r#"{"cn": "c"}"#).unwrap();
        let both = claims.with(&[("x", &other)]);
        assert_eq!(both.at(&["x", "cn"]), Some(&b"\"c\""[..]));
        assert!(both.at(&["x", "roles"]).is_none());
        assert!(Claims::read(both.text().clone()).is_ok());
        assert_eq!(read("{}").unwrap().or("sub", "z").text(), r#"{"sub":"z"}"#);
        assert_eq!(claims.or("sub", "z"), claims);
        assert_eq!(format!("{claims:?}"), "Claims(…)");
    }

    #[test]
    fn base64url_has_one_form() {
        assert_eq!(base64url("YQ").as_deref(), Some(&b"a"[..]));
        for wrong in ["YQ==", "YR", "Y", "Y Q", "+/", "YQ\n"] {
            assert!(base64url(wrong).is_none(), "{wrong}");
        }
    }
}
