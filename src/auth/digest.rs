//! Digests of bodies: `Content-Digest` (RFC 9530), SHA-256 and SHA-512.
//!
//! They are of the bytes that were sent: before a content coding is undone.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256, Sha512};

use super::Why;
use super::signature::field;

/// The header.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What a body must have as its digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

/// A body on its way.
#[derive(Clone, Debug)]
pub struct Digesting {
    wanted: Digests,
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
}

impl Digests {
    /// What `Content-Digest` says. Digests that are not known, or not safe any more, are passed over; it is an error where none
    /// is left.
    pub fn read(headers: &HeaderMap) -> Result<Self, Why> {
        let text = field(headers, &CONTENT_DIGEST)?.ok_or(Why::Uncovered)?;
        let members: Dictionary = Parser::new(&text).parse().map_err(|_| Why::Malformed)?;
        let of = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(ListEntry::Item(item)) => match &item.bare_item {
                BareItem::ByteSequence(bytes) => Ok(Some(bytes.clone())),
                _ => Err(Why::Malformed),
            },
            Some(ListEntry::InnerList(_)) => Err(Why::Malformed),
        };
        let found = Self {
            sha256: of("sha-256")?,
            sha512: of("sha-512")?,
        };
        if found.sha256.is_none() && found.sha512.is_none() {
            return Err(Why::Digest);
        }
        Ok(found)
    }

    /// `Content-Digest` of a body, as a client sends it.
    pub fn written(body: &[u8]) -> String {
        format!(
            "sha-256=:{}:",
            base64_simd::STANDARD.encode_to_string(Sha256::digest(body))
        )
    }

    /// Whether a body is the one that these are of.
    pub fn check(self, body: &[u8]) -> Result<(), Why> {
        let mut digesting = self.begin();
        digesting.update(body);
        digesting.finish()
    }

    /// Takes a body in pieces.
    pub fn begin(self) -> Digesting {
        Digesting {
            sha256: self.sha256.as_ref().map(|_| Sha256::new()),
            sha512: self.sha512.as_ref().map(|_| Sha512::new()),
            wanted: self,
        }
    }
}

impl Digesting {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        if let Some(it) = &mut self.sha256 {
            it.update(piece);
        }
        if let Some(it) = &mut self.sha512 {
            it.update(piece);
        }
    }

    /// Whether all pieces together are the body that was meant.
    pub fn finish(self) -> Result<(), Why> {
        let sha256 = self.sha256.map(|it| it.finalize().to_vec());
        let sha512 = self.sha512.map(|it| it.finalize().to_vec());
        if (sha256, sha512) == (self.wanted.sha256, self.wanted.sha512) {
            Ok(())
        } else {
            Err(Why::Digest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9530, appendix B, and RFC 9421, appendix B.2.
    #[test]
    fn a_body_is_compared_with_every_digest_that_is_known() {
        let body = br#"{"hello": "world"}"#;
        let sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
        let sha512 =
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
        assert_eq!(Digests::written(body), sha256);
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_DIGEST, line.parse().unwrap());
            }
            Digests::read(&headers)
        };
        for lines in [&[sha256][..], &[sha512], &[sha256, sha512], &["md5=:AAAA:", sha512]] {
            let digests = read(lines).unwrap();
            assert_eq!(digests.clone().check(body), Ok(()), "{lines:?}");
            assert_eq!(
                digests.clone().check(b"{\"hello\": \"World\"}"),
                Err(Why::Digest),
                "{lines:?}"
            );
            assert_eq!(digests.check(b""), Err(Why::Digest), "{lines:?}");
        }
        // One that is right does not make up for one that is wrong.
        let both = read(&[sha256, "sha-512=:AAAA:"]).unwrap();
        assert_eq!(both.check(body), Err(Why::Digest));
        assert_eq!(read(&["md5=:AAAA:"]), Err(Why::Digest));
        for wrong in [
            "",
            "sha-256",
            "sha-256=abc",
            "sha-256=(1 2)",
            "sha-256=:a b:",
            "=:AAAA:",
        ] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
        assert_eq!(read(&[]), Err(Why::Uncovered));
    }
}
