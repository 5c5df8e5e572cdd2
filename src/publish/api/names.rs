//! Names of types and of endpoints: short where that is clear, longer where it is not, and always the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{PathPart, Piece};

/// What a named type is made of; two that are equal are one type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// In protobuf.
    pub(super) full_name: String,
    /// Of a request.
    pub(super) input: bool,
    /// All that its JSON depends on: options, and what the descriptors say of it and of what it holds.
    pub(super) form: String,
}

/// Names of our own.
pub(crate) const PROBLEM: &str = "WeftProblem";

/// A name for each key: the message's own; with its package where two packages have one of that name; with `Input` where
/// it is sent in another form than it is answered.
pub(super) fn of_types(keys: &[Key]) -> BTreeMap<Key, String> {
    let mut full_names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        full_names
            .entry(short(&key.full_name))
            .or_default()
            .insert(&key.full_name);
    }
    let mut taken = BTreeSet::from([PROBLEM.to_owned()]);
    let mut names = BTreeMap::new();
    // Answers first, so that what is read most has the plain name.
    for input in [false, true] {
        for key in keys.iter().filter(|it| it.input == input) {
            // An enum that is sent as it is answered is one type.
            let other_way = Key {
                input: false,
                ..key.clone()
            };
            if let (true, Some(name)) = (input, names.get(&other_way).cloned()) {
                names.insert(key.clone(), name);
                continue;
            }
            let alone = full_names.get(short(&key.full_name)).is_none_or(|it| it.len() == 1);
            let base = if alone { short(&key.full_name) } else { &key.full_name };
            let candidates = std::iter::once(base.to_owned())
                .chain(input.then(|| format!("{base}Input")))
                .chain((2_u32..).map(|n| format!("{base}{}{n}", if input { "Input" } else { "" })));
            for name in candidates {
                if taken.insert(name.clone()) {
                    names.insert(key.clone(), name);
                    break;
                }
            }
        }
    }
    names
}

/// The last part of a full name; a nested message keeps the messages around it.
fn short(full_name: &str) -> &str {
    let is_type = |it: &str| it.starts_with(|first: char| first.is_ascii_uppercase());
    let mut start = 0;
    for part in full_name.split('.') {
        if is_type(part) {
            return full_name.get(start..).unwrap_or(full_name);
        }
        start += part.len() + 1;
    }
    full_name.rsplit('.').next().unwrap_or(full_name)
}

/// `GET`, `/pages/products/{id}` → `getPagesProductsById`.
pub(super) fn of_endpoint(method: &str, path: &[PathPart], verb: Option<&str>, names: &[String]) -> String {
    let mut id = method.to_ascii_lowercase();
    for part in path {
        match part {
            PathPart::Literal(text) => add_words(&mut id, text),
            PathPart::Variable { param, pieces } => {
                for piece in pieces {
                    if let Piece::Literal(text) = piece {
                        add_words(&mut id, text);
                    }
                }
                id.push_str("By");
                add_words(&mut id, names.get(*param).map_or("", |it| it));
            }
        }
    }
    if path.is_empty() {
        id.push_str("Root");
    }
    if let Some(verb) = verb {
        add_words(&mut id, verb);
    }
    id
}

/// Appends the words of a text, each with a capital.
fn add_words(id: &mut String, text: &str) {
    for word in text.split(|it: char| !it.is_ascii_alphanumeric()) {
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            id.push(first.to_ascii_uppercase());
            id.push_str(chars.as_str());
        }
    }
}

/// The first word of a path that is no version: what its endpoints belong to.
pub(super) fn tag(path: &[PathPart]) -> String {
    let is_version = |it: &str| {
        it == "api"
            || it
                .strip_prefix('v')
                .is_some_and(|it| it.starts_with(|first: char| first.is_ascii_digit()))
    };
    let mut literals = path.iter().flat_map(|it| match it {
        PathPart::Literal(text) => vec![text.as_str()],
        PathPart::Variable { pieces, .. } => pieces
            .iter()
            .filter_map(|it| match it {
                Piece::Literal(text) => Some(text.as_str()),
                Piece::One | Piece::Rest => None,
            })
            .collect(),
    });
    literals.find(|it| !is_version(it)).unwrap_or("root").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(full_name: &str, input: bool, form: &str) -> Key {
        Key {
            full_name: full_name.to_owned(),
            input,
            form: form.to_owned(),
        }
    }

    #[test]
    fn a_type_has_the_shortest_name_that_is_clear() {
        let keys = [
            key("shop.v1.Order", true, "closed"),
            key("shop.v1.Order", false, ""),
            key("shop.v1.Order", false, "proto names"),
            key("a.v1.Money", false, ""),
            key("b.v1.Money", false, ""),
            key("shop.v1.Order.Line", false, ""),
            key("shop.v1.PlaceRequest", true, ""),
            key("shop.v1.WeftProblem", false, ""),
            key("shop.v1.Status", true, "PAID"),
            key("shop.v1.Status", false, "PAID"),
        ];
        let names = of_types(&keys);
        let shown: Vec<&str> = keys.iter().map(|it| &*names[it]).collect();
        assert_eq!(
            shown,
            [
                "OrderInput",
                "Order",
                "Order2",
                "a.v1.Money",
                "b.v1.Money",
                "Order.Line",
                "PlaceRequest",
                "WeftProblem2",
                "Status",
                "Status"
            ]
        );
    }
}
