//! google.protobuf.FieldMask: written from paths, and the paths that a client's JSON gives (AIP-134).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::json::{self, Kind as JsonKind};
use super::wire;
use crate::schema::{Cardinality, Kind, MessageRef};

/// The wire bytes of a mask, paths in ascending order. A path below another that is there too is left out.
pub fn write(paths: &BTreeSet<Vec<Arc<str>>>) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        let covered = (1..path.len()).any(|it| path.get(..it).is_some_and(|it| paths.contains(it)));
        if !covered {
            wire::put_bytes(&mut out, 1, path.join(".").as_bytes());
        }
    }
    out
}

/// The mask of the fields that a message in canonical JSON gives, null among them: what it says of a field is meant. Within
/// messages the paths go on; a list, a map and a message that has a JSON form of its own is given as a whole.
pub fn given(message: &MessageRef, fragment: &[u8]) -> Vec<u8> {
    let mut paths = BTreeSet::new();
    find(message, fragment, &[], &mut paths);
    write(&paths)
}

fn find(message: &MessageRef, fragment: &[u8], before: &[Arc<str>], paths: &mut BTreeSet<Vec<Arc<str>>>) {
    for (key, value) in json::members(fragment) {
        let Some(name) = json::string(key) else { continue };
        // Names that are no field were refused by whoever read the message.
        let Some(field) = message.field_by_json_name(&name).or_else(|| message.field(&name)) else {
            continue;
        };
        let path: Vec<Arc<str>> = before.iter().chain([&field.name]).cloned().collect();
        let inner = match (field.kind, field.cardinality) {
            (Kind::Message(index), Cardinality::Singular) => Some(message.sibling(index)),
            _ => None,
        };
        let value = json::trim(value);
        match inner.filter(|it| it.well_known.is_none() && json::kind(value) == JsonKind::Object) {
            Some(inner) if json::members(value).next().is_some() => find(&inner, value, &path, paths),
            _ => drop(paths.insert(path)),
        }
    }
}
