//! Example values: plausible, and the same each time.

use serde_json::{Map, Value, json};

use super::Api;
use super::api::{Enum, Facets, Kind, Object, Param, Shape, Type, Written};

/// How deep an example goes.
const MAX_DEPTH: usize = 8;

/// A value of a type.
pub fn of_type(api: &Api, ty: &Type) -> Value {
    Maker {
        api,
        around: Vec::new(),
    }
    .value(ty, "")
}

/// A value of a param; `None` where its pattern is all that is known of it.
pub fn of_param(api: &Api, param: &Param) -> Option<Value> {
    if let Some(default) = &param.default {
        return Some(default.clone());
    }
    if param.name == "fields" && param.ty.kind == Kind::String {
        return None;
    }
    let element = match &param.ty.kind {
        Kind::List(element) => element,
        _ => &param.ty,
    };
    let value = Maker {
        api,
        around: Vec::new(),
    }
    .value(element, &param.name);
    let value = fitted(value, &param.facets)?;
    Some(match &param.ty.kind {
        Kind::List(_) => json!([value]),
        _ => value,
    })
}

/// The value, or another one that the facets allow.
fn fitted(value: Value, facets: &Facets) -> Option<Value> {
    if let Some(example) = &facets.example {
        return Some(example.clone());
    }
    if let Some(first) = facets.one_of.first() {
        return Some(first.clone());
    }
    if facets.pattern.is_some() {
        return None;
    }
    if let (Some(least), Some(number)) = (facets.minimum.as_ref().and_then(Value::as_f64), value.as_f64())
        && number < least
    {
        return facets.minimum.clone();
    }
    if let (Some(greatest), Some(number)) = (facets.maximum.as_ref().and_then(Value::as_f64), value.as_f64())
        && number > greatest
    {
        return facets.maximum.clone();
    }
    if let Value::String(text) = &value {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let allowed = facets.min_length.unwrap_or(0)..=facets.max_length.unwrap_or(u64::MAX);
        if !allowed.contains(&length) {
            return None;
        }
    }
    Some(value)
}

struct Maker<'a> {
    api: &'a Api,
    /// Named types that the value stands in.
    around: Vec<&'a str>,
}

impl<'a> Maker<'a> {
    fn value(&mut self, ty: &'a Type, name: &str) -> Value {
        let value = self.plain(ty, name);
        match &ty.facets {
            // Where a pattern is all that is known, any text has to do.
            Some(facets) => fitted(value.clone(), facets).unwrap_or(value),
            None => value,
        }
    }

    fn plain(&mut self, ty: &'a Type, name: &str) -> Value {
        match &ty.kind {
            Kind::Any => json!({}),
            Kind::Bool => json!(true),
            Kind::Bytes => json!("aGVsbG8="),
            Kind::Double { .. } => json!(1.5),
            Kind::Duration => json!("1.500s"),
            Kind::FieldMask => json!("name"),
            Kind::Integer(integer) => {
                let number = 1.clamp(integer.min, integer.max);
                match integer.written {
                    Written::Text => json!(number.to_string()),
                    Written::Either | Written::Number => i64::try_from(number)
                        .map_or_else(|_| json!(u64::try_from(number).unwrap_or(u64::MAX)), |it| json!(it)),
                }
            }
            Kind::List(element) => {
                if self.leads_back(element) {
                    json!([])
                } else {
                    json!([self.value(element, name)])
                }
            }
            Kind::Map(value) => {
                if self.leads_back(value) {
                    json!({})
                } else {
                    json!({ "key": self.value(value, name) })
                }
            }
            Kind::Named(of) => {
                let Some(named) = self.api.find(of) else {
                    return json!({});
                };
                match &named.shape {
                    Shape::Enum(it) => of_enum(it),
                    Shape::Object(object) => {
                        self.around.push(&named.name);
                        let value = self.object(object);
                        self.around.pop();
                        value
                    }
                }
            }
            Kind::Null => Value::Null,
            Kind::Object(object) => self.object(object),
            Kind::ProtoAny => json!({ "@type": "type.googleapis.com/google.protobuf.Empty", "value": {} }),
            Kind::String => json!(text(name)),
            Kind::Timestamp => json!("2026-01-31T09:30:00Z"),
        }
    }

    fn object(&mut self, object: &'a Object) -> Value {
        let mut members = Map::new();
        for member in &object.members {
            if self.leads_back(&member.ty) && !matches!(member.ty.kind, Kind::List(_) | Kind::Map(_)) {
                if member.required {
                    members.insert(member.name.clone(), Value::Null);
                }
                continue;
            }
            let value = self.value(&member.ty, &member.name);
            members.insert(member.name.clone(), value);
        }
        Value::Object(members)
    }

    /// Whether a value would hold another one of a type that it stands in, or be too deep.
    fn leads_back(&self, ty: &Type) -> bool {
        match &ty.kind {
            Kind::Named(name) => self.around.len() >= MAX_DEPTH || self.around.contains(&name.as_str()),
            Kind::List(inner) | Kind::Map(inner) => self.leads_back(inner),
            _ => false,
        }
    }
}

/// The first value that says something.
fn of_enum(it: &Enum) -> Value {
    let value = it.values.iter().find(|it| it.number != 0).or(it.values.first());
    match value {
        Some(value) if it.numbers => json!(value.number),
        Some(value) => json!(value.name),
        None => json!(0),
    }
}

/// Text that its name asks for.
fn text(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    let ends = |endings: &[&str]| endings.iter().any(|it| name.ends_with(it));
    if ends(&["id", "ids"]) {
        "p1"
    } else if ends(&["email"]) {
        "ada@example.com"
    } else if ends(&["url", "uri", "link", "picture", "image"]) {
        "https://example.com/mug.jpg"
    } else if ends(&["currency", "currencycode"]) {
        "EUR"
    } else if ends(&["name", "title"]) {
        "Mug"
    } else {
        "text"
    }
}
