//! Schemas of responses of which a client chooses the members: no member is sure to be there.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Where schemas are kept.
const SCHEMAS: &str = "#/components/schemas/";

/// What is behind the name of a schema of which clients choose the members; no message is called so.
const CHOSEN: &str = "-chosen";

/// The same schema without `required`, at any depth; what it refers to is `NAME-chosen`.
pub(super) fn chosen(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let members = members.iter().filter_map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("required", Value::Array(_)) => return None,
                    ("example" | "examples" | "enum" | "const" | "default", _) => value.clone(),
                    ("$ref", Value::String(to)) if to.starts_with(SCHEMAS) => Value::from(format!("{to}{CHOSEN}")),
                    _ => chosen(value),
                };
                Some((key.clone(), value))
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(chosen).collect(),
        other => other.clone(),
    }
}

/// Adds the schemas that [`chosen`] ones of `paths` refer to; those that are the same either way are referred to as they are.
pub(super) fn complete(paths: &mut Value, schemas: &mut Map<String, Value>) {
    let mut wanted = BTreeSet::new();
    references(paths, &mut wanted);
    let mut open: Vec<String> = wanted.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let mut below = BTreeSet::new();
        if let Some(schema) = schemas.get(&name) {
            references(&chosen(schema), &mut below);
        }
        open.extend(below.into_iter().filter(|it| wanted.insert(it.clone())));
    }
    let made: Vec<(String, Value)> = wanted
        .into_iter()
        .filter_map(|name| Some((format!("{name}{CHOSEN}"), chosen(schemas.get(&name)?))))
        .collect();
    // Those that demand nothing, and refer to none that does, are what they were.
    let mut same: BTreeSet<String> = made.iter().map(|it| it.0.clone()).collect();
    loop {
        let before = same.clone();
        same.retain(|name| {
            let plain = name.strip_suffix(CHOSEN).and_then(|it| schemas.get(it));
            let of_made = made.iter().find(|it| it.0 == *name).map(|it| &it.1);
            let mut of_made = of_made.cloned().unwrap_or_default();
            rename(&mut of_made, &before);
            plain == Some(&of_made)
        });
        if same.len() == before.len() {
            break;
        }
    }
    for (name, mut schema) in made {
        if !same.contains(&name) {
            rename(&mut schema, &same);
            schemas.insert(name, schema);
        }
    }
    rename(paths, &same);
}

/// The names behind references to chosen schemas.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = value.as_str().and_then(|it| it.strip_prefix(SCHEMAS));
                match name.and_then(|it| it.strip_suffix(CHOSEN)) {
                    Some(name) if key == "$ref" => drop(found.insert(name.to_owned())),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, found)),
        _ => {}
    }
}

/// References to these lead to what they were chosen of.
fn rename(value: &mut Value, same: &BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = value.as_str().and_then(|it| it.strip_prefix(SCHEMAS));
                match name.filter(|it| key == "$ref" && same.contains(*it)) {
                    Some(name) => {
                        let plain = name.strip_suffix(CHOSEN).unwrap_or(name);
                        *value = Value::from(format!("{SCHEMAS}{plain}"));
                    }
                    None => rename(value, same),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| rename(it, same)),
        _ => {}
    }
}
