//! The names of an enum's values as JSON has them.
//!
//! Owns the stripping of the common prefix, which generated documentation and the transcoder must do alike.
//! Invariant: after stripping, different values still have different names.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;

use super::program::Wide;
use crate::codec::{EnumPrefix, Enums, JsonOptions, escape, number};
use crate::schema::Enum;

/// The names of the values, in order of declaration, with the enum's prefix taken off where `prefix` says so. A name
/// stays whole where the rest would be no name (`STATUS_2XX`) or could be taken for another value.
pub fn enum_value_names(enumeration: &Enum, prefix: EnumPrefix) -> Vec<String> {
    let common = prefix_of(&enumeration.full_name);
    let strip = |whole: &str| match whole.strip_prefix(common.as_str()) {
        Some(rest) if prefix == EnumPrefix::Strip && is_name(rest) => rest.to_owned(),
        _ => whole.to_owned(),
    };
    let mut n_uses: HashMap<String, u32> = HashMap::new();
    let mut count = |name: String| {
        let uses = n_uses.entry(name).or_default();
        *uses = uses.saturating_add(1);
    };
    for value in &enumeration.values {
        let short = strip(&value.name);
        if short != *value.name {
            count(value.name.to_string());
        }
        count(short);
    }
    let choose = |whole: &str| {
        let short = strip(whole);
        if n_uses.get(&short) == Some(&1) {
            short
        } else {
            whole.to_owned()
        }
    };
    enumeration.values.iter().map(|it| choose(&it.name)).collect()
}

/// `PRODUCT_STATUS_` of `shop.v1.ProductStatus`, `HTTP_METHOD_` of `HTTPMethod`.
fn prefix_of(full_name: &str) -> String {
    let name = full_name.rsplit('.').next().unwrap_or(full_name);
    let mut prefix = String::new();
    let mut before: Option<char> = None;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let after_small = before.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        let before_small = characters.peek().is_some_and(char::is_ascii_lowercase);
        let inside_capitals = before.is_some_and(|it| it.is_ascii_uppercase());
        if character.is_ascii_uppercase() && (after_small || (inside_capitals && before_small)) {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
        before = Some(character);
    }
    prefix.push('_');
    prefix
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_')
        && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// The JSON texts of an enum's values by number, quotes included.
pub(super) struct EnumNames {
    /// Those of 0, 1, 2, … as far as they go without a gap.
    dense: Box<[(Wide, Box<[u8]>)]>,
    /// All others, by ascending number.
    sparse: Box<[(i32, Box<[u8]>)]>,
    /// Any other number is an unknown field.
    closed: bool,
    /// The value of an absent map value: the first that was declared.
    pub(super) default: i32,
    /// `NullValue`: every number is null.
    null: bool,
}

impl EnumNames {
    pub(super) fn new(enumeration: &Enum, options: JsonOptions) -> Self {
        let names = enum_value_names(enumeration, options.enum_prefix);
        let mut texts: Vec<(i32, Box<[u8]>)> = enumeration
            .values
            .iter()
            .zip(names)
            .map(|(value, name)| (value.number, text(value.number, &name, enumeration.null_value, options)))
            .collect();
        // Stable, so that of several names for one number the first declared stays.
        texts.sort_by_key(|it| it.0);
        texts.dedup_by_key(|it| it.0);
        let first = texts.partition_point(|it| it.0 < 0);
        let negative: Vec<_> = texts.drain(..first).collect();
        let n_dense = texts
            .iter()
            .zip(0_i32..)
            .take_while(|(it, number)| it.0 == *number)
            .count();
        let sparse = negative.into_iter().chain(texts.drain(n_dense..)).collect();
        Self {
            dense: texts.into_iter().map(|(_, text)| (Wide::new(&text), text)).collect(),
            sparse,
            closed: enumeration.closed,
            default: enumeration.values.first().map_or(0, |it| it.number),
            null: enumeration.null_value,
        }
    }

    #[inline]
    fn find_dense(&self, number: i32) -> Option<&(Wide, Box<[u8]>)> {
        usize::try_from(number).ok().and_then(|at| self.dense.get(at))
    }

    fn find(&self, number: i32) -> Option<&[u8]> {
        if let Some((_, text)) = self.find_dense(number) {
            return Some(text);
        }
        let at = self.sparse.binary_search_by_key(&number, |it| it.0).ok()?;
        self.sparse.get(at).map(|it| &*it.1)
    }

    /// True for a number that a field of this enum cannot hold, so that it is an unknown field.
    #[inline]
    pub(super) fn refuses(&self, number: i32) -> bool {
        self.closed && self.find(number).is_none()
    }

    /// Appends the value as JSON; false, and nothing, where it is an unknown field.
    #[inline]
    pub(super) fn write(&self, number: i32, out: &mut Vec<u8>) -> bool {
        match self.find_dense(number) {
            Some((wide, _)) if wide.put(out, 0) => true,
            _ => self.write_rare(number, out),
        }
    }

    fn write_rare(&self, number: i32, out: &mut Vec<u8>) -> bool {
        match self.find(number) {
            Some(text) => out.extend_from_slice(text),
            None if self.closed => return false,
            None if self.null => out.extend_from_slice(b"null"),
            None => number::write_i64(i64::from(number), out),
        }
        true
    }
}

fn text(number: i32, name: &str, null: bool, options: JsonOptions) -> Box<[u8]> {
    let mut text = Vec::new();
    match options.enums {
        _ if null => text.extend_from_slice(b"null"),
        Enums::Name => escape::write_string(name, &mut text),
        Enums::Number => number::write_i64(i64::from(number), &mut text),
    }
    text.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{EnumValue, Place};

    fn enumeration(full_name: &str, values: &[(&str, i32)]) -> Enum {
        Enum {
            full_name: full_name.into(),
            values: values
                .iter()
                .map(|&(name, number)| EnumValue {
                    name: name.into(),
                    number,
                    comment: None,
                })
                .collect(),
            closed: false,
            null_value: false,
            place: Place::default(),
            comment: None,
            by_name: HashMap::new(),
            by_number: HashMap::new(),
        }
    }

    #[test]
    fn the_prefix_is_the_enum_in_screaming_snake_case() {
        for (name, prefix) in [
            ("shop.v1.ProductStatus", "PRODUCT_STATUS_"),
            ("Status", "STATUS_"),
            ("a.HTTPMethod", "HTTP_METHOD_"),
            ("V1Status", "V1_STATUS_"),
            ("Outer.ABC", "ABC_"),
            ("Already_Snake", "ALREADY_SNAKE_"),
        ] {
            assert_eq!(prefix_of(name), prefix);
        }
    }

    #[test]
    fn only_names_that_stay_names_of_their_own_are_stripped() {
        let it = enumeration(
            "x.Code",
            &[
                ("CODE_UNKNOWN", 0),
                ("CODE_2XX", 1),
                ("CODE_OK", 2),
                ("OK", 3),
                ("CODE_", 4),
                ("OTHER", 5),
                ("CODE_CODE_A", 6),
                ("CODE_A", 7),
            ],
        );
        assert_eq!(
            enum_value_names(&it, EnumPrefix::Strip),
            [
                "UNKNOWN",
                "CODE_2XX",
                "CODE_OK",
                "OK",
                "CODE_",
                "OTHER",
                "CODE_CODE_A",
                "A"
            ]
        );
        assert_eq!(
            enum_value_names(&it, EnumPrefix::Keep).first().map(String::as_str),
            Some("CODE_UNKNOWN")
        );
    }

    #[test]
    fn numbers_find_the_first_name_that_was_declared() {
        let it = enumeration(
            "E",
            &[
                ("ZERO", 0),
                ("ONE", 1),
                ("UNO", 1),
                ("BIG", 1000),
                ("MINUS", -1),
                ("THREE", 3),
            ],
        );
        let names = EnumNames::new(&it, JsonOptions::default());
        for (number, text) in [
            (0, "\"ZERO\""),
            (1, "\"ONE\""),
            (3, "\"THREE\""),
            (1000, "\"BIG\""),
            (-1, "\"MINUS\""),
            (2, "2"),
            (-7, "-7"),
        ] {
            let mut out = Vec::new();
            assert!(names.write(number, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
