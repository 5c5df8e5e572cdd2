//! Types as JSON Schema 2020-12.

use serde_json::{Map, Value, json};

use crate::publish::add;
use crate::publish::api::{Enum, Facets, Integer, Kind, Object, Rest, Shape, Type, Written};

/// The schema of a type; named types are references into `components`.
pub fn of_type(ty: &Type) -> Value {
    let mut schema = match &ty.kind {
        Kind::Any => return json!({}),
        Kind::Null => return json!({ "type": "null" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Double { single } => json!({
            "description": "`NaN` and the infinities are text: `\"NaN\"`, `\"Infinity\"`, `\"-Infinity\"`.",
            "type": "number",
            "format": if *single { "float" } else { "double" },
        }),
        Kind::Duration => {
            json!({ "type": "string", "format": "duration-seconds", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" })
        }
        Kind::FieldMask => json!({ "type": "string", "format": "field-mask" }),
        Kind::Integer(it) => of_integer(*it),
        Kind::List(element) => json!({ "type": "array", "items": of_type(element) }),
        Kind::Map(value) => json!({ "type": "object", "additionalProperties": of_type(value) }),
        Kind::Named(name) => {
            let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
            if ty.nullable {
                return json!({ "anyOf": [reference, { "type": "null" }] });
            }
            return reference;
        }
        Kind::Object(object) => of_object(object),
        Kind::ProtoAny => {
            json!({ "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"], "additionalProperties": true })
        }
        Kind::String => json!({ "type": "string" }),
        Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
    };
    if let (Some(facets), Value::Object(schema)) = (&ty.facets, &mut schema) {
        write(facets, schema);
    }
    if ty.nullable { or_null(schema) } else { schema }
}

fn or_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type") {
        match types {
            Value::Array(all) => all.push(json!("null")),
            one => *one = json!([one.clone(), "null"]),
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    schema
}

/// The formats of the OpenAPI format registry, by range.
pub(crate) const FORMATS: &[(&str, i128, i128)] = &[
    ("int32", i32::MIN as i128, i32::MAX as i128),
    ("uint32", 0, u32::MAX as i128),
    ("int64", i64::MIN as i128, i64::MAX as i128),
    ("uint64", 0, u64::MAX as i128),
];

fn of_integer(it: Integer) -> Value {
    let mut schema = Map::new();
    let types = match it.written {
        Written::Either => json!(["integer", "string"]),
        Written::Number => json!("integer"),
        Written::Text => json!("string"),
    };
    schema.insert("type".to_owned(), types);
    let format = FORMATS.iter().find(|(_, min, max)| (*min, *max) == (it.min, it.max));
    if let Some((name, ..)) = format {
        schema.insert("format".to_owned(), json!(name));
    }
    if it.written != Written::Number {
        schema.insert("pattern".to_owned(), json!("^-?[0-9]+$"));
    } else if format.is_none_or(|(name, ..)| name.starts_with('u')) {
        // Numbers beyond 64 bits have no place in JSON; the checker's ranges are wider only on the way.
        for (key, bound) in [("minimum", it.min), ("maximum", it.max)] {
            if let Ok(bound) = i64::try_from(bound) {
                schema.insert(key.to_owned(), json!(bound));
            }
        }
    }
    Value::Object(schema)
}

fn of_object(object: &Object) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for member in &object.members {
        let mut schema = of_type(&member.ty);
        describe(&mut schema, member.description.as_deref());
        if member.deprecated {
            schema["deprecated"] = json!(true);
        }
        properties.insert(member.name.clone(), schema);
        if member.required {
            required.push(json!(member.name));
        }
    }
    let mut schema = json!({ "type": "object" });
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    if !required.is_empty() {
        schema["required"] = Value::Array(required);
    }
    match object.rest {
        Rest::Closed => schema["additionalProperties"] = json!(false),
        Rest::None => {}
        Rest::Open => schema["additionalProperties"] = json!(true),
    }
    schema
}

/// The schema of a named type.
pub fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Object(object) => of_object(object),
        Shape::Enum(it) => of_enum(it),
    }
}

fn of_enum(it: &Enum) -> Value {
    let names: Vec<&str> = it.values.iter().map(|it| &*it.name).collect();
    let numbers: Vec<i32> = it.values.iter().map(|it| it.number).collect();
    match (it.numbers, it.open) {
        (true, true) => {
            json!({ "type": "integer", "format": "int32", "x-enum-varnames": names, "x-enum-values": numbers })
        }
        (true, false) => json!({ "type": "integer", "enum": numbers, "x-enum-varnames": names }),
        (false, false) => json!({ "type": "string", "enum": names }),
        // A number that has no name yet is written as it is.
        (false, true) => {
            json!({ "anyOf": [{ "type": "string", "enum": names }, { "type": "integer", "format": "int32" }] })
        }
    }
}

/// Adds what the values mean to the description, where somebody said it.
pub(super) fn list_values(it: &Enum, schema: &mut Map<String, Value>) {
    if it.values.iter().all(|it| it.description.is_none()) {
        return;
    }
    let mut text = match schema.get("description") {
        Some(Value::String(text)) => format!("{text}\n"),
        _ => String::new(),
    };
    for value in &it.values {
        if let Some(description) = &value.description {
            let name = if it.numbers {
                format!("{} ({})", value.number, value.name)
            } else {
                format!("`{}`", value.name)
            };
            add(
                &mut text,
                format_args!("\n- {name}: {}", description.replace('\n', " ")),
            );
        }
    }
    schema.insert("description".to_owned(), json!(text.trim_start()));
}

/// Adds a description in the first place. Beside a reference it stands too: JSON Schema 2020-12 reads both.
pub(super) fn describe(schema: &mut Value, text: Option<&str>) {
    let (Some(text), Value::Object(members)) = (text, &mut *schema) else {
        return;
    };
    let text = match members.remove("description") {
        Some(Value::String(more)) => format!("{text}\n\n{more}"),
        _ => text.to_owned(),
    };
    let mut described = Map::new();
    described.insert("description".to_owned(), json!(text));
    described.append(members);
    *members = described;
}

/// What is demanded of a param, on its schema or on that of its elements.
pub(super) fn demand(schema: &mut Value, facets: &Facets) {
    let target = if schema.get("items").is_some() {
        &mut schema["items"]
    } else {
        schema
    };
    if let Value::Object(target) = target {
        write(facets, target);
    }
}

/// Writes what is demanded of a value into its schema.
fn write(facets: &Facets, target: &mut Map<String, Value>) {
    let numbers = [("minimum", &facets.minimum), ("maximum", &facets.maximum)];
    for (key, value) in numbers {
        // Bounds of times are no bounds of JSON Schema.
        if let Some(value) = value.as_ref().filter(|it| it.is_number()) {
            target.insert(key.to_owned(), value.clone());
        } else if let Some(value) = value {
            target.insert(format!("x-{key}"), value.clone());
        }
    }
    if let Some(pattern) = &facets.pattern {
        target.insert("pattern".to_owned(), json!(pattern));
    }
    for (key, value) in [("minLength", facets.min_length), ("maxLength", facets.max_length)] {
        if let Some(value) = value {
            target.insert(key.to_owned(), json!(value));
        }
    }
    if !facets.one_of.is_empty() {
        target.insert("enum".to_owned(), json!(facets.one_of));
    }
    for (key, value) in &facets.others {
        target.insert((*key).to_owned(), value.clone());
    }
    if let Some(example) = &facets.example {
        target.insert("examples".to_owned(), json!([example]));
    }
}
