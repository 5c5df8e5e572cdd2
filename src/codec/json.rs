//! JSON text in place: validation, skipping, looking up a member, walking a list, strings and escapes.
//!
//! Strict RFC 8259 and no more: no byte order mark, no trailing bytes, at most [`MAX_DEPTH`] levels. A surrogate that is
//! escaped without its other half (`"\ud800"`) is refused, since no UTF-8 string can hold what it means.
//! [`validate`] is for bytes from outside. Everything else here takes a *fragment*: one value of a document that was
//! validated, with or without blanks around it. A fragment that was validated once is never validated again; given
//! other bytes these functions answer something, in linear time and without panicking.
//! Invariant: fragments that come out are sub-slices of the one that went in, so `Bytes::slice_ref` works on them.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub(crate) mod reader;
pub(crate) mod text;

use std::borrow::Cow;

use reader::Reader;
pub use reader::SyntaxError;

/// How deep lists and objects may be nested.
pub const MAX_DEPTH: u32 = 128;

/// What a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `[…]`.
    Array,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// Digits.
    Number,
    /// `{…}`.
    Object,
    /// `"…"`.
    String,
}

/// Checks that `bytes` are one JSON document and nothing else, in UTF-8 and at most [`MAX_DEPTH`] deep.
///
/// ```
/// use weft::codec::json;
///
/// assert!(json::validate(br#" {"a": [1, null]} "#).is_ok());
/// assert_eq!(json::validate(b"[1,]").unwrap_err().offset, 3);
/// ```
pub fn validate(bytes: &[u8]) -> Result<(), SyntaxError> {
    text::check_utf8(bytes)?;
    let mut reader = Reader::new(bytes);
    reader.skip_blanks();
    reader.skip_value(MAX_DEPTH)?;
    reader.finish()
}

/// The pointer to a member of what `pointer` points to (RFC 6901 §3).
///
/// ```
/// assert_eq!(weft::codec::json::pointer_below("/a", "b/c~d"), "/a/b~1c~0d");
/// ```
pub fn pointer_below(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// What the fragment is. Blanks around it do not matter; what is no JSON counts as null.
///
/// ```
/// use weft::codec::json::{self, Kind};
///
/// assert_eq!(json::kind(b"-1.5"), Kind::Number);
/// ```
pub fn kind(fragment: &[u8]) -> Kind {
    match trim(fragment).first() {
        Some(b'[') => Kind::Array,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        Some(b'{') => Kind::Object,
        Some(b'"') => Kind::String,
        _ => Kind::Null,
    }
}

/// The fragment without the blanks around it.
///
/// ```
/// assert_eq!(weft::codec::json::trim(b" 1\n"), b"1");
/// ```
pub fn trim(fragment: &[u8]) -> &[u8] {
    fragment.trim_ascii()
}

/// The value of the member with this key, compared after unescaping. Of several the last; none where the fragment is no
/// object.
///
/// ```
/// use weft::codec::json;
///
/// assert_eq!(json::member(br#"{"a": 1, "\u0061": 2}"#, "a"), Some(&b"2"[..]));
/// assert_eq!(json::member(b"[1]", "a"), None);
/// ```
pub fn member<'j>(object: &'j [u8], key: &str) -> Option<&'j [u8]> {
    members(object)
        .filter(|(it, _)| is_key(it, key))
        .last()
        .map(|(_, value)| value)
}

/// True where the string fragment `raw`, quotes included, means `key`.
///
/// ```
/// assert!(weft::codec::json::is_key(br#""\u0061""#, "a"));
/// ```
pub fn is_key(raw: &[u8], key: &str) -> bool {
    let content = text::content(raw);
    content == key.as_bytes() && !key.contains('\\')
        || (content.contains(&b'\\') && string(raw).is_some_and(|it| it == key))
}

/// The elements of a list; none where the fragment is no list.
///
/// ```
/// use weft::codec::json;
///
/// let elements: Vec<&[u8]> = json::elements(b"[1, [2, 3]]").collect();
/// assert_eq!(elements, [&b"1"[..], b"[2, 3]"]);
/// ```
pub fn elements(array: &[u8]) -> Elements<'_> {
    Elements {
        rest: inside(array, b'['),
    }
}

/// The members of an object in order of the text: key as written, quotes included, and value. None where the fragment is no
/// object. Duplicates are all given.
///
/// ```
/// use weft::codec::json;
///
/// let members: Vec<_> = json::members(br#"{"a": 1}"#).collect();
/// assert_eq!(members, [(&br#""a""#[..], &b"1"[..])]);
/// ```
pub fn members(object: &[u8]) -> Members<'_> {
    Members {
        rest: inside(object, b'{'),
    }
}

/// The text that a string fragment means, borrowed where nothing is escaped; none where the fragment is no string.
///
/// ```
/// use weft::codec::json;
///
/// assert_eq!(json::string(br#""caf\u00e9""#).unwrap(), "café");
/// assert_eq!(json::string(b"1"), None);
/// ```
pub fn string(fragment: &[u8]) -> Option<Cow<'_, str>> {
    let fragment = trim(fragment);
    (fragment.first() == Some(&b'"')).then(|| text::unescape(text::content(fragment)))
}

/// Appends `text` as a JSON string: quotes, with only `"`, `\` and control characters escaped.
///
/// ```
/// let mut out = Vec::new();
/// weft::codec::json::write_string("a \"b\"\n", &mut out);
/// assert_eq!(out, br#""a \"b\"\n""#);
/// ```
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    super::escape::write_string(text, out);
}

/// Appends a comma and a member of an object that has others before it. Its name needs no escapes.
///
/// ```
/// let mut out = Vec::from(*b"{\"a\":1");
/// weft::codec::json::write_member("b", "x", &mut out);
/// assert_eq!(out, br#"{"a":1,"b":"x""#);
/// ```
pub fn write_member(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(text, out);
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'j> {
    rest: &'j [u8],
}

impl<'j> Iterator for Elements<'j> {
    type Item = &'j [u8];

    fn next(&mut self) -> Option<&'j [u8]> {
        take_value(&mut self.rest)
    }
}

/// See [`members`].
#[derive(Clone, Debug)]
pub struct Members<'j> {
    rest: &'j [u8],
}

impl<'j> Iterator for Members<'j> {
    type Item = (&'j [u8], &'j [u8]);

    fn next(&mut self) -> Option<(&'j [u8], &'j [u8])> {
        let key = take_value(&mut self.rest)?;
        let value = take_value(&mut self.rest)?;
        Some((key, value))
    }
}

/// What stands behind the opening bracket of a container; nothing where the fragment is not one of that kind.
fn inside(fragment: &[u8], open: u8) -> &[u8] {
    match trim(fragment) {
        [first, rest @ ..] if *first == open => rest,
        _ => &[],
    }
}

/// Takes the next value off a container's inside, with the punctuation before it; none at the closing bracket.
fn take_value<'j>(rest: &mut &'j [u8]) -> Option<&'j [u8]> {
    let bytes = *rest;
    let start = bytes
        .iter()
        .position(|it| !matches!(it, b' ' | b'\n' | b'\r' | b'\t' | b',' | b':'))?;
    let from = bytes.get(start..)?;
    if matches!(from.first(), Some(b']' | b'}')) {
        *rest = &[];
        return None;
    }
    let (value, behind) = from.split_at_checked(value_length(from))?;
    *rest = behind;
    Some(value)
}

/// The length of the value that validated text begins with. At least 1 where there is any text.
fn value_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        None => 0,
        Some(b'"') => text::string_length(bytes),
        Some(b'{' | b'[') => {
            let mut depth = 0_usize;
            let mut at = 0_usize;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => {
                        at = at.saturating_add(text::string_length(bytes.get(at..).unwrap_or_default()));
                        continue;
                    }
                    b'{' | b'[' => depth = depth.saturating_add(1),
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return at.saturating_add(1);
                        }
                    }
                    _ => {}
                }
                at = at.saturating_add(1);
            }
            bytes.len()
        }
        Some(_) => bytes
            .iter()
            .position(|it| matches!(it, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' | b':'))
            .unwrap_or(bytes.len())
            .max(1),
    }
}

#[cfg(test)]
mod tests;
