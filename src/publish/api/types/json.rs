//! Types that JSON Schema files describe: what they are called, and what is demanded of their parts.

use serde_json::Value;

use crate::publish::api::{Facets, Kind, Type};
use crate::schema::json_schema::{JsonTypeRef, Shape};

/// What it is called: its own name, or that of its file where it holds itself; `None` for one that is written where it stands.
pub(super) fn name(schema: &JsonTypeRef) -> Option<String> {
    let name = match &schema.name {
        Some(name) => name.to_string(),
        None if schema.is_recursive() => {
            let file = schema.place.file.rsplit(['/', '\\']).next().unwrap_or_default();
            let stem = file.split('.').next().unwrap_or_default();
            let mut chars = stem.chars();
            let first = chars.next().map_or('T', |it| it.to_ascii_uppercase());
            format!("{first}{}", chars.as_str())
        }
        None => return None,
    };
    let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
    Some(name.chars().map(plain).collect())
}

/// The same for the same schema of one file.
pub(super) fn form(schema: &JsonTypeRef) -> String {
    format!("{} {schema:?}", schema.place.file)
}

/// Adds what a schema demands of a value that is written where it stands, and of its elements.
pub(super) fn constrain(ty: &mut Type, schema: &JsonTypeRef) {
    match (&mut ty.kind, &schema.shape) {
        (Kind::List(element), Shape::List(index)) | (Kind::Map(element), Shape::Map(index)) => {
            constrain(element, &schema.sibling(*index));
        }
        _ => {}
    }
    // An object by its name has them there.
    if matches!(ty.kind, Kind::Named(_) | Kind::Any) {
        return;
    }
    let mut facets = Facets::default();
    if let Shape::Words(words) = &schema.shape {
        facets.one_of = words.iter().map(|it| Value::from(&**it)).collect();
    }
    for (key, value) in &schema.constraints {
        match *key {
            "pattern" => facets.pattern = value.as_str().map(str::to_owned),
            "minimum" => facets.minimum = Some(value.clone()),
            "maximum" => facets.maximum = Some(value.clone()),
            "minLength" => facets.min_length = value.as_u64(),
            "maxLength" => facets.max_length = value.as_u64(),
            "example" => facets.example = Some(value.clone()),
            "format" if ty.kind != Kind::String => {}
            other => facets.others.push((other, value.clone())),
        }
    }
    if facets != Facets::default() {
        ty.facets = Some(Box::new(facets));
    }
}
