//! Who is no longer accepted although the credential is sound: by the `jti` of a token, or by subject.

use std::collections::HashSet;

use super::Claims;

/// A list of those that are no longer accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    ids: HashSet<String>,
    subjects: HashSet<String>,
}

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
            match line.split_once(' ').map(|(kind, value)| (kind, value.trim())) {
                Some(("jti", id)) if !id.is_empty() => drop(list.ids.insert(id.to_owned())),
                Some(("sub", subject)) if !subject.is_empty() => drop(list.subjects.insert(subject.to_owned())),
                _ => return Err(at + 1),
            }
        }
        Ok(list)
    }

    /// Adds the token of this id.
    pub fn add_id(&mut self, id: String) {
        self.ids.insert(id);
    }

    /// Adds this subject.
    pub fn add_subject(&mut self, subject: String) {
        self.subjects.insert(subject);
    }

    /// Adds all of another list.
    pub fn add_all(&mut self, other: &Self) {
        self.ids.extend(other.ids.iter().cloned());
        self.subjects.extend(other.subjects.iter().cloned());
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
    pub fn has(&self, claims: &Claims) -> bool {
        !self.is_empty()
            && (claims.string("jti").is_some_and(|it| self.ids.contains(&it))
                || claims.string("sub").is_some_and(|it| self.subjects.contains(&it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_tokens_and_subjects() {
        let list = Revoked::read("# out\njti t1\n\nsub ann b\n").unwrap();
        let has = |text: &'static str| list.has(&Claims::read(bytes::Bytes::from_static(text.as_bytes())).unwrap());
        assert!(has(r#"{"jti": "t1"}"#));
        assert!(has(r#"{"sub": "ann b"}"#));
        assert!(!has(r#"{"sub": "t1", "jti": "ann b"}"#));
        assert_eq!(Revoked::read("jti t1\nann"), Err(2));
    }
}
