//! Who is no longer accepted although the credential is sound: by the `jti` of a token, or by subject.

use std::collections::HashMap;
use std::sync::Arc;

use super::Claims;

/// What tells somebody who is no longer accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// The id of a token.
    Id,
    /// Whom credentials are of.
    Subject,
}

/// Those that are no longer accepted, cheap to copy; each with the second since 1970 from which on it is again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    ids: HashMap<Arc<str>, u64>,
    subjects: HashMap<Arc<str>, u64>,
}

/// The end of what does not end.
pub const NEVER: u64 = u64::MAX;

impl Revoked {
    /// Reads the lines `jti VALUE` and `sub VALUE`; empty ones and those that begin with `#` are passed over. The error is
    /// the number of the line, from 1.
    pub fn read(text: &str) -> Result<Self, usize> {
        let mut list = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (kind, value) = line.split_once(' ').ok_or(at + 1)?;
            let mark = Mark::of(kind).ok_or(at + 1)?;
            list.add(mark, value.trim(), NEVER);
        }
        Ok(list)
    }

    /// Adds one until `ends`, or longer where that was said before.
    pub fn add(&mut self, mark: Mark, value: &str, ends: u64) {
        let kept = self.marked(mark).entry(value.into()).or_default();
        *kept = ends.max(*kept);
    }

    /// Accepts one again.
    pub fn remove(&mut self, mark: Mark, value: &str) {
        self.marked(mark).remove(value);
    }

    /// Forgets those that are accepted again by now.
    pub fn sweep(&mut self, now: u64) {
        self.ids.retain(|_, ends| *ends > now);
        self.subjects.retain(|_, ends| *ends > now);
    }

    /// All, with their ends.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, &str, u64)> {
        let ids = self.ids.iter().map(|it| (Mark::Id, &**it.0, *it.1));
        ids.chain(self.subjects.iter().map(|it| (Mark::Subject, &**it.0, *it.1)))
    }

    /// Until when one is not accepted.
    pub fn end(&self, mark: Mark, value: &str) -> Option<u64> {
        let of_mark = match mark {
            Mark::Id => &self.ids,
            Mark::Subject => &self.subjects,
        };
        of_mark.get(value).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len() + self.subjects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether claims are of one of them.
    pub fn has(&self, claims: &Claims, now: u64) -> bool {
        let is_in = |list: &HashMap<Arc<str>, u64>, name: &str| {
            !list.is_empty()
                && claims
                    .string(name)
                    .and_then(|it| list.get(&*it))
                    .is_some_and(|it| *it > now)
        };
        is_in(&self.ids, "jti") || is_in(&self.subjects, "sub")
    }

    fn marked(&mut self, mark: Mark) -> &mut HashMap<Arc<str>, u64> {
        match mark {
            Mark::Id => &mut self.ids,
            Mark::Subject => &mut self.subjects,
        }
    }
}

impl Mark {
    /// Of the name of a claim.
    pub fn of(claim: &str) -> Option<Self> {
        match claim {
            "jti" => Some(Self::Id),
            "sub" => Some(Self::Subject),
            _ => None,
        }
    }

    /// The claim in which it stands.
    pub fn claim(self) -> &'static str {
        match self {
            Self::Id => "jti",
            Self::Subject => "sub",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(list: &Revoked, text: &'static str, now: u64) -> bool {
        list.has(&Claims::read(bytes::Bytes::from_static(text.as_bytes())).unwrap(), now)
    }

    #[test]
    fn a_list_names_tokens_and_subjects() {
        let list = Revoked::read("# out\njti t1\n\nsub ann b\n").unwrap();
        assert!(has(&list, r#"{"jti": "t1"}"#, 9));
        assert!(has(&list, r#"{"sub": "ann b"}"#, 9));
        assert!(!has(&list, r#"{"sub": "t1", "jti": "ann b"}"#, 9));
        assert_eq!(Revoked::read("jti t1\nann"), Err(2));
        assert_eq!(Revoked::read("jti t1\n# of whom\nname ann"), Err(3));
    }

    #[test]
    fn the_longest_time_counts_and_ends() {
        let mut list = Revoked::default();
        for ends in [20, 10] {
            list.add(Mark::Subject, "ann", ends);
        }
        list.add(Mark::Id, "t1", 30);
        assert!(has(&list, r#"{"sub": "ann"}"#, 19) && !has(&list, r#"{"sub": "ann"}"#, 20));
        list.sweep(20);
        assert_eq!(list.iter().collect::<Vec<_>>(), [(Mark::Id, "t1", 30)]);
        list.remove(Mark::Subject, "t1");
        assert_eq!(list.len(), 1);
        list.remove(Mark::Id, "t1");
        assert!(list.is_empty());
    }
}
