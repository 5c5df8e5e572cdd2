//! The vocabulary as JSON Schema 2020-12, so that editors complete and check files as people type.
//!
//! Owns the translation of [`super::keys`]; says less than the parser does: what a key holds is checked as far as its form is
//! text, and which keys exclude each other is left to `weft check`. Invariant: a file that the parser accepts fits.

use serde_json::{Map, Value, json};

use super::keys::{Availability, Form, KEYS, Place};

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A composition, or a fragment.
    Composition,
    /// The gateway file.
    Gateway,
}

/// The schema of a kind of file.
pub fn of(kind: FileKind) -> Value {
    let mut writer = Writer {
        kind,
        definitions: Map::new(),
    };
    let mut schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
    match kind {
        FileKind::Composition => {
            schema["title"] = json!("A composition or fragment of Weft");
            schema["if"] = json!({ "required": ["fragment"] });
            schema["then"] = writer.reference(Place::Fragment);
            schema["else"] = writer.reference(Place::Endpoint);
        }
        FileKind::Gateway => {
            schema["title"] = json!("The gateway file of Weft");
            schema["allOf"] = json!([writer.reference(Place::Gateway)]);
        }
    }
    schema["type"] = json!("object");
    schema["$defs"] = Value::Object(writer.definitions);
    schema
}

struct Writer {
    kind: FileKind,
    definitions: Map<String, Value>,
}

impl Writer {
    /// A reference to the keys of a place. Calls are one: which keys belong to which kind of call is said by the checker,
    /// and the one-call form of `for` has those of two.
    fn reference(&mut self, place: Place) -> Value {
        let (name, places): (String, &[Place]) = if Place::CALLS.contains(&place) {
            ("Call".to_owned(), &Place::CALLS)
        } else {
            (format!("{place:?}"), std::slice::from_ref(&place))
        };
        if !self.definitions.contains_key(&name) {
            // Stands there before its keys are looked at, which may lead back to it.
            self.definitions.insert(name.clone(), Value::Null);
            let definition = self.definition(places);
            self.definitions.insert(name.clone(), definition);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn definition(&mut self, places: &[Place]) -> Value {
        let mut properties: Map<String, Value> = Map::new();
        for key in KEYS {
            let here = key.places.iter().any(|it| places.contains(it));
            if !here || key.availability == Availability::Later {
                continue;
            }
            let mut schema = self.form(&key.form);
            let of_reference = schema.get("$ref").is_some();
            if let Value::Object(members) = &mut schema
                && !of_reference
            {
                members.insert("description".to_owned(), json!(key.doc));
            } else {
                schema = json!({ "allOf": [schema], "description": key.doc });
            }
            match properties.get_mut(key.name) {
                // `body` of one kind of call is another one's template: whichever it is.
                Some(other) => *other = json!({ "anyOf": [other.clone(), schema] }),
                None => {
                    properties.insert(key.name.to_owned(), schema);
                }
            }
        }
        let mut definition = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        match places {
            [Place::Endpoint] => definition["required"] = json!(["endpoint"]),
            [Place::Fragment] => definition["required"] = json!(["fragment"]),
            [Place::Gateway] => definition["required"] = json!(["backends"]),
            _ => {}
        }
        if matches!(places, [Place::Endpoint | Place::Fragment | Place::Gateway]) {
            definition["patternProperties"] = json!({ "^x-": {} });
        }
        definition
    }

    fn form(&mut self, form: &Form) -> Value {
        match form {
            Form::Either(forms) => {
                let mut all: Vec<Value> = Vec::new();
                for it in *forms {
                    let schema = self.form(it);
                    if !all.contains(&schema) {
                        all.push(schema);
                    }
                }
                match all.as_slice() {
                    [one] => one.clone(),
                    _ => json!({ "anyOf": all }),
                }
            }
            Form::List(of) => json!({ "type": "array", "items": self.form(of) }),
            Form::Map(of) => json!({ "type": "object", "additionalProperties": self.form(of) }),
            Form::Object(place) => self.reference(*place),
            scalar => self.or_from_outside(of_scalar(scalar)),
        }
    }

    /// In the gateway file a scalar may come from outside: `${env.NAME}`.
    fn or_from_outside(&self, schema: Value) -> Value {
        if self.kind == FileKind::Composition || schema == json!({}) {
            return schema;
        }
        json!({ "anyOf": [schema, { "type": "string", "pattern": r"\$\{(env|file)\." }] })
    }
}

/// What a scalar looks like.
pub fn of_scalar(form: &Form) -> Value {
    // Blanks around an expression mean nothing; block scalars have them.
    const EXPRESSION: &str = r"^\s*\$";
    match form {
        Form::Bool => json!({ "type": "boolean" }),
        Form::Condition => json!({ "type": ["boolean", "string"], "pattern": EXPRESSION }),
        Form::Duration => json!({ "type": "string", "pattern": r"^[0-9]+(ms|s|m|h)$" }),
        Form::Expression => json!({ "type": "string", "pattern": EXPRESSION }),
        Form::Integer(least, greatest) => json!({ "type": "integer", "minimum": least, "maximum": greatest }),
        Form::Literal => json!({ "type": ["array", "boolean", "null", "number", "string"] }),
        Form::Loop => json!({ "type": "string", "pattern": r"^\s*[a-z][a-z0-9_]*\s+in\s+\$" }),
        Form::Method => json!({ "type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_.]*/[A-Za-z_][A-Za-z0-9_]*$" }),
        Form::Null => json!({ "type": "null" }),
        Form::OneOf(words) => {
            // `false` as a word is what YAML reads as no text.
            let word = |it: &&str| match *it {
                "false" => json!(false),
                "true" => json!(true),
                word => json!(word),
            };
            json!({ "enum": words.iter().map(word).collect::<Vec<_>>() })
        }
        Form::Scalar => json!({ "type": ["boolean", "number", "string"] }),
        Form::Size => json!({ "type": "string", "pattern": r"^[0-9]+(B|KiB|MiB|GiB)$" }),
        Form::Name | Form::Text => json!({ "type": ["number", "string"] }),
        Form::Version => json!({ "const": 1 }),
        Form::Quota => json!({ "type": "string", "pattern": "^[0-9]+/(day|month)$" }),
        Form::Rate => json!({ "type": "string", "pattern": "^[0-9]+/[smh]$" }),
        Form::Percent => json!({ "type": "string", "pattern": "^[0-9]+%$" }),
        Form::Either(_) | Form::List(_) | Form::Map(_) | Form::Object(_) | Form::Template => json!({}),
    }
}
