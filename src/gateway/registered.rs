//! Descriptors that were registered: every version in a file of its own, below the state directory.
//!
//! Which of them serves is [`super::kept`]'s to know: here is what it was, when, and what can be had again.
//! Invariant: a number is given once, and what is read is what was written.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::kept::put;
use crate::codec::hexadecimal;
use crate::schema::descriptor::FileDescriptorSet;

/// The first word of every file, and the version of its form; behind it the digest of the rest, in hex, and the second since
/// 1970 in which it was registered.
const MAGIC: &str = "weft-registered-1";
/// So many versions of a backend are kept.
const MAX_KEPT: usize = 100;

/// The versions of all backends.
#[derive(Clone, Debug)]
pub(super) struct Versions(PathBuf);

/// One version of a backend's descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// When it was registered, since 1970; whole seconds.
    pub at: Duration,
    /// SHA-256 of the descriptor set, in hex.
    pub digest: String,
}

impl Versions {
    /// The place of versions in a state directory; makes nothing yet.
    pub(super) fn below(state: &Path) -> Self {
        Self(state.join("registered"))
    }

    fn file(&self, backend: &str, number: u32) -> PathBuf {
        self.0.join(backend).join(number.to_string())
    }

    /// The versions of a backend, the oldest first.
    pub(super) fn list(&self, backend: &str) -> io::Result<Vec<Version>> {
        let entries = match std::fs::read_dir(self.0.join(backend)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // Whatever else lies there is not ours.
            let Some(number) = name.to_str().and_then(|it| it.parse().ok()) else {
                continue;
            };
            let mut head = String::new();
            let file = std::fs::File::open(self.file(backend, number))?;
            // A file that is no text has no head.
            let read = io::BufReader::new(io::Read::take(file, 200)).read_line(&mut head);
            versions.push(read.ok().and_then(|_| version(number, &head)).unwrap_or(Version {
                number,
                at: Duration::ZERO,
                digest: String::new(),
            }));
        }
        versions.sort_by_key(|it| it.number);
        Ok(versions)
    }

    /// The descriptors of a version. The error is a sentence.
    pub(super) fn read(&self, backend: &str, number: u32) -> Result<FileDescriptorSet, String> {
        let wrong = |why: &str| format!("version {number} cannot be read: {why}");
        let bytes = std::fs::read(self.file(backend, number)).map_err(|error| wrong(&error.to_string()))?;
        let end = bytes.iter().position(|it| *it == b'\n').unwrap_or(bytes.len());
        let (head, rest) = bytes.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        let known = std::str::from_utf8(head).ok().and_then(|it| version(number, it));
        if known.is_none_or(|it| it.digest != digest(rest)) {
            return Err(wrong("it is not as it was written"));
        }
        FileDescriptorSet::decode(rest).map_err(|error| wrong(&error.to_string()))
    }

    /// Keeps another version; the oldest of very many is forgotten.
    pub(super) fn add(&self, backend: &str, set: &FileDescriptorSet, at: Duration) -> io::Result<Version> {
        let known = self.list(backend)?;
        let bytes = set.encode_to_vec();
        let version = Version {
            number: known.last().map_or(1, |it| it.number + 1),
            at: Duration::from_secs(at.as_secs()),
            digest: digest(&bytes),
        };
        let head = format!("{MAGIC} {} {}", version.digest, version.at.as_secs());
        put(&self.file(backend, version.number), &head, &bytes)?;
        for old in known.iter().rev().skip(MAX_KEPT - 1) {
            std::fs::remove_file(self.file(backend, old.number))?;
        }
        Ok(version)
    }
}

/// What the head of a file says.
fn version(number: u32, head: &str) -> Option<Version> {
    let mut words = head.trim_end().split(' ');
    let (magic, digest, at) = (words.next()?, words.next()?, words.next()?);
    (magic == MAGIC && words.next().is_none()).then_some(Version {
        number,
        at: Duration::from_secs(at.parse().ok()?),
        digest: digest.to_owned(),
    })
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::descriptor::FileDescriptorProto;

    fn set(name: &str) -> FileDescriptorSet {
        let file = FileDescriptorProto {
            name: Some(name.to_owned()),
            ..FileDescriptorProto::default()
        };
        FileDescriptorSet { file: vec![file] }
    }

    #[test]
    fn versions_are_numbered_and_the_oldest_of_many_goes() {
        let folder = std::env::temp_dir().join(format!("weft-versions-{}", std::process::id()));
        let versions = Versions::below(&folder);
        assert_eq!(versions.list("shop").unwrap(), []);
        let second = Duration::from_secs(1);
        for n in 1..=102_u32 {
            let version = versions.add("shop", &set(&format!("{n}.proto")), second * n).unwrap();
            assert_eq!((version.number, version.at), (n, second * n));
        }
        let all = versions.list("shop").unwrap();
        assert_eq!((all.len(), all[0].number, all[99].number), (100, 3, 102));
        assert_eq!(versions.read("shop", 3), Ok(set("3.proto")));
        assert!(versions.read("shop", 2).is_err());
        assert_eq!(versions.list("other").unwrap(), []);
        // What was damaged is listed, and cannot be had again.
        std::fs::write(versions.file("shop", 50), "weft-registered-1 abc 5\nnothing").unwrap();
        assert_eq!(versions.list("shop").unwrap()[47].digest, "abc");
        assert_eq!(
            versions.read("shop", 50),
            Err("version 50 cannot be read: it is not as it was written".to_owned())
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
