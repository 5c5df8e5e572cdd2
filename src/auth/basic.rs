//! Names and passwords (RFC 7617), kept as bcrypt or Argon2.
//!
//! Checking one costs milliseconds by intent: whoever asks does it beside the thread that serves.

use std::collections::HashMap;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;

use super::Why;

/// The longest credential that is looked at, bytes; bcrypt reads 72 of a password.
const MAX_LENGTH: usize = 512;

/// The users of an htpasswd file.
#[derive(Clone, Default)]
pub struct Users {
    hashes: HashMap<String, String>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("n", &self.hashes.len()).finish()
    }
}

/// What is wrong with a line of an htpasswd file: its number from 1, and a sentence.
pub type Mistake = (usize, &'static str);

impl Users {
    /// Reads the lines `name:hash`; empty ones and those that begin with `#` are passed over.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        let mut hashes = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mistake = |sentence| Err((at + 1, sentence));
            let Some((name, hash)) = line.split_once(':') else {
                return mistake("a line is `name:hash`");
            };
            if name.is_empty() {
                return mistake("the name is missing");
            }
            let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|it| hash.starts_with(it)) && hash.len() == 60;
            let is_argon2 = hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok();
            if !is_bcrypt && !is_argon2 {
                return mistake("the hash is neither bcrypt nor Argon2: `htpasswd -B` makes one");
            }
            if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
                return mistake("this name stands twice");
            }
        }
        Ok(Self { hashes })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether a password is a user's. Takes milliseconds, for a user that there is not, too.
    pub fn check(&self, name: &str, password: &str) -> Result<(), Why> {
        let known = self.hashes.get(name);
        // Whoever asks for names learns nothing from the time it takes.
        let Some(hash) = known.or_else(|| self.hashes.values().next()) else {
            return Err(Why::Unknown);
        };
        let is_right = if hash.starts_with("$argon2") {
            PasswordHash::new(hash).is_ok_and(|it| Argon2::default().verify_password(password.as_bytes(), &it).is_ok())
        } else {
            // Longer passwords would be the same as their beginning.
            password.len() <= 72 && bcrypt::verify(password, hash).unwrap_or(false)
        };
        if is_right && known.is_some() {
            Ok(())
        } else {
            Err(Why::Unknown)
        }
    }
}

/// Name and password of the value behind `Basic `.
pub fn parse(encoded: &str) -> Result<(String, String), Why> {
    if encoded.len() > MAX_LENGTH {
        return Err(Why::TooLong);
    }
    let decoded = base64_simd::STANDARD.decode_to_vec(encoded.as_bytes());
    let text = decoded.ok().and_then(|it| String::from_utf8(it).ok());
    let pair = text.as_deref().and_then(|it| it.split_once(':'));
    let (name, password) = pair.ok_or(Why::Malformed)?;
    if text.as_deref().is_some_and(|it| it.chars().any(char::is_control)) {
        return Err(Why::Malformed);
    }
    Ok((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcrypt_and_argon2_are_checked_and_nothing_else_is_read() {
        let bcrypt = bcrypt::hash("open", 4).unwrap();
        let argon = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let users = Users::read(&format!("# users\n\nann:{bcrypt}\nbob:{argon}\n")).unwrap();
        assert!(users.check("ann", "open").is_ok());
        assert_eq!(users.check("ann", "shut"), Err(Why::Unknown));
        assert_eq!(users.check("bob", "open"), Err(Why::Unknown));
        assert_eq!(users.check("cat", "open"), Err(Why::Unknown));
        assert_eq!(users.check("ann", &"x".repeat(73)), Err(Why::Unknown));
        for (text, line) in [("ann", 1), (":x", 1), ("ann:{SHA}x", 1), ("#\nann:$apr1$x", 2)] {
            assert_eq!(Users::read(text).unwrap_err().0, line, "{text}");
        }
        let twice = format!("ann:{bcrypt}\nann:{bcrypt}");
        assert_eq!(Users::read(&twice).unwrap_err().0, 2);
    }

    #[test]
    fn a_pair_is_read_strictly() {
        assert_eq!(parse("YW5uOm86cA=="), Ok(("ann".to_owned(), "o:p".to_owned())));
        for wrong in ["", "YW5u", "YW5uOm86cA", "YW5uOm86cB==", "YW5uOgo="] {
            assert_eq!(parse(wrong), Err(Why::Malformed), "{wrong}");
        }
        assert_eq!(parse(&"A".repeat(600)), Err(Why::TooLong));
    }
}
