//! Descriptors on disk: what backends with reflection said last, so that a restart does not need them.
//!
//! One file for each, written beside its place and then put there, so that a reader sees the old or the new one and never a
//! half. Invariant: what cannot be read, or is not what was written, is as if it were not there, and somebody is told.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::codec::hexadecimal;
use crate::schema::descriptor::FileDescriptorSet;

/// The first word of every file, and the version of its form: behind it the digest of the rest, in hex, and a line break.
const MAGIC: &str = "weft-descriptors-1 ";

/// A folder of descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

/// Which of a backend's descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// What it said last.
    Last,
    /// The last ones that broke nothing; only there while the last ones do, or may.
    Sound,
}

impl Folder {
    /// The place of descriptors in a state directory; makes nothing yet.
    pub(super) fn below(state: &Path) -> Self {
        Self(state.join("descriptors"))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, backend: &str, which: Which) -> PathBuf {
        self.0.join(match which {
            Which::Last => format!("{backend}.last"),
            Which::Sound => format!("{backend}.sound"),
        })
    }

    /// What is kept; `None` where nothing is. The error is a sentence.
    pub(super) fn read(&self, backend: &str, which: Which) -> Result<Option<FileDescriptorSet>, String> {
        let path = self.file(backend, which);
        let wrong = |why: &str| format!("`{}` is left out of account: {why}", path.display());
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&error.to_string())),
        };
        let end = bytes.iter().position(|it| *it == b'\n').unwrap_or(bytes.len());
        let (head, rest) = bytes.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        if head != self::head(rest).as_bytes() {
            return Err(wrong("it is not as it was written"));
        }
        let set = FileDescriptorSet::decode(rest).map_err(|error| wrong(&error.to_string()))?;
        Ok(Some(set))
    }

    /// Keeps what a backend said.
    pub(super) fn write(&self, backend: &str, set: &FileDescriptorSet) -> io::Result<()> {
        let bytes = set.encode_to_vec();
        put(&self.file(backend, Which::Last), &head(&bytes), &bytes)
    }

    /// Puts what is kept last aside as what broke nothing, unless something is there.
    pub(super) fn set_aside(&self, backend: &str) -> io::Result<()> {
        let (last, sound) = (self.file(backend, Which::Last), self.file(backend, Which::Sound));
        if sound.exists() || !last.exists() {
            return Ok(());
        }
        std::fs::hard_link(last, sound)
    }

    /// What was said last breaks nothing: what was set aside is not needed any more.
    pub(super) fn settle(&self, backend: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(backend, Which::Sound)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes a head, a line break and the rest beside a place, and puts it there.
pub(super) fn put(path: &Path, head: &str, rest: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    // A name of its own for each process: two may keep the same at once.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(head.as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(rest)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

fn head(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("{MAGIC}{}", hexadecimal(&digest))
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

    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("weft-kept-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let folder = Temporary::new("again");
        let folder = Folder::below(&folder.0);
        assert_eq!(folder.read("shop", Which::Last), Ok(None));
        folder.write("shop", &set("a.proto")).unwrap();
        assert_eq!(folder.read("shop", Which::Last), Ok(Some(set("a.proto"))));
        folder.set_aside("shop").unwrap();
        folder.write("shop", &set("b.proto")).unwrap();
        // A second change does not touch what was sound.
        folder.set_aside("shop").unwrap();
        folder.write("shop", &set("c.proto")).unwrap();
        assert_eq!(folder.read("shop", Which::Sound), Ok(Some(set("a.proto"))));
        assert_eq!(folder.read("shop", Which::Last), Ok(Some(set("c.proto"))));
        folder.settle("shop").unwrap();
        folder.settle("shop").unwrap();
        assert_eq!(folder.read("shop", Which::Sound), Ok(None));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    /// Each single bit of a file matters: no damage goes unnoticed, and none panics.
    #[test]
    fn a_damaged_file_is_refused() {
        let folder = Temporary::new("damaged");
        let folder = Folder::below(&folder.0);
        folder.write("shop", &set("a.proto")).unwrap();
        let path = folder.file("shop", Which::Last);
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(folder.read("shop", Which::Last).is_err(), "byte {at}");
            std::fs::write(&path, &sound[..at]).unwrap();
            assert!(folder.read("shop", Which::Last).is_err(), "cut at {at}");
        }
    }
}
