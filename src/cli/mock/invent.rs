//! Values that look as they might: by the name and the type of a field, the same for the same request.
//!
//! Invariant: what is made is canonical JSON of the message or type that it was made for; recursion ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::text::{self, words_of};
use crate::codec::time_text;
use crate::expr::{Type, TypeKind};
use crate::schema::json_schema::{JsonTypeRef, Shape};

/// How many elements a list has.
const LENGTH: usize = 3;

/// How deep values are nested.
const DEPTH: usize = 6;

/// 2026-01-15T09:30:00Z: when everything begins.
const EPOCH: i64 = 1_768_469_400;

/// Makes the values of one reply.
#[derive(Debug)]
pub(super) struct Inventor {
    seed: u64,
    /// Scalars of the request, by name in snake case: what was asked for comes back.
    asked: BTreeMap<String, Value>,
}

/// Where a value stands.
#[derive(Clone, Debug)]
struct Place {
    /// The path to it: `products[1].name`.
    path: String,
    /// The name of the field that it is, in snake case.
    name: String,
    /// The types around it, outermost first.
    around: Vec<Arc<str>>,
}

impl Place {
    fn below(&self, name: &str, at: Option<usize>) -> Self {
        let number = at.map(|it| format!("[{it}]")).unwrap_or_default();
        Self {
            path: format!("{}.{name}{number}", self.path),
            name: text::snake(name),
            around: self.around.clone(),
        }
    }

    fn within(mut self, owner: &str) -> Self {
        self.around.push(owner.into());
        self
    }

    /// Whether one more of this type would be one too many.
    fn is_deep(&self, owner: &str) -> bool {
        self.around.len() >= DEPTH || self.around.iter().filter(|it| &***it == owner).count() >= 2
    }

    /// What it is a part of, in snake case: `product`.
    fn owner(&self) -> String {
        let owner = self
            .around
            .last()
            .map_or("", |it| it.rsplit('.').next().unwrap_or_default());
        text::snake(owner)
    }
}

impl Inventor {
    /// For a request to `method`; what it asks for is any JSON object.
    pub(super) fn new(method: &str, request: &Value) -> Self {
        let mut asked = BTreeMap::new();
        gather(request, &mut asked);
        Self {
            seed: text::hash(&format!("{method} {request}")),
            asked,
        }
    }

    fn hash(&self, place: &Place) -> u64 {
        text::hash(&format!("{} {}", self.seed, place.path))
    }

    /// What was asked for by this name, near the root of the reply.
    fn echoed(&self, place: &Place) -> Option<&Value> {
        (place.around.len() <= 2 && !place.path.contains('[')).then(|| self.asked.get(&place.name))?
    }

    // === messages ===

    /// A message, as JSON.
    pub(super) fn message(&self, message: &MessageDescriptor) -> Value {
        let place = Place {
            path: String::new(),
            name: String::new(),
            around: Vec::new(),
        };
        self.message_at(message, &place).unwrap_or_else(|| json!({}))
    }

    fn message_at(&self, message: &MessageDescriptor, place: &Place) -> Option<Value> {
        if let Some(value) = self.well_known(message.full_name(), place) {
            return Some(value).filter(|it| !it.is_null());
        }
        if place.is_deep(message.full_name()) {
            return None;
        }
        let place = place.clone().within(message.full_name());
        let mut members = Map::new();
        for field in message.fields() {
            let is_first = |it: prost_reflect::OneofDescriptor| it.fields().next().is_some_and(|it| it == field);
            if field.containing_oneof().is_some_and(|it| !is_first(it)) {
                continue;
            }
            if let Some(value) = self.field(&field, &place) {
                members.insert(field.json_name().to_owned(), value);
            }
        }
        Some(Value::Object(members))
    }

    fn field(&self, field: &FieldDescriptor, place: &Place) -> Option<Value> {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                return None;
            };
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let mut members = Map::new();
            for (at, name) in ["first", "second"].iter().enumerate() {
                let key = match key.kind() {
                    Kind::String => (*name).to_owned(),
                    Kind::Bool => (at == 0).to_string(),
                    _ => (at + 1).to_string(),
                };
                if let Some(value) = self.one(&value.kind(), &place.below(field.name(), Some(at))) {
                    members.insert(key, value);
                }
            }
            return Some(Value::Object(members));
        }
        if field.is_list() {
            let elements = (0..LENGTH).map_while(|at| self.one(&field.kind(), &place.below(field.name(), Some(at))));
            return Some(Value::Array(elements.collect()));
        }
        self.one(&field.kind(), &place.below(field.name(), None))
    }

    fn one(&self, kind: &Kind, place: &Place) -> Option<Value> {
        let echoed = self.echoed(place);
        Some(match kind {
            Kind::Bool => echoed
                .filter(|it| it.is_boolean())
                .cloned()
                .unwrap_or_else(|| json!(!self.hash(place).is_multiple_of(4))),
            Kind::Bytes => json!("bW9jaw=="),
            Kind::Double | Kind::Float => json!(self.fraction(place)),
            Kind::Enum(declared) => first_value(declared),
            Kind::Message(message) => return self.message_at(message, place),
            Kind::String => echoed
                .filter(|it| it.is_string())
                .cloned()
                .unwrap_or_else(|| json!(text::of(&place.owner(), &place.name, self.hash(place)))),
            _ => echoed
                .filter(|it| it.is_u64())
                .cloned()
                .unwrap_or_else(|| json!(text::number(&place.name, self.hash(place)))),
        })
    }

    /// The messages that have a JSON form of their own; null is left out.
    fn well_known(&self, name: &str, place: &Place) -> Option<Value> {
        Some(match name.strip_prefix("google.protobuf.")? {
            "Timestamp" => json!(self.timestamp(place)),
            "Duration" => json!(format!("{}s", 1 + self.hash(place) % 90)),
            "FieldMask" => json!(""),
            "Struct" | "Empty" => json!({}),
            "ListValue" => json!([]),
            "Any" => Value::Null,
            "Value" | "StringValue" => json!(text::of(&place.owner(), &place.name, self.hash(place))),
            "BoolValue" => json!(true),
            "BytesValue" => json!("bW9jaw=="),
            "DoubleValue" | "FloatValue" => json!(self.fraction(place)),
            "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" => {
                json!(text::number(&place.name, self.hash(place)))
            }
            _ => return None,
        })
    }

    fn timestamp(&self, place: &Place) -> String {
        let days = i64::try_from(self.hash(place) % 90).unwrap_or(0);
        let mut out = Vec::new();
        // The seconds are of this century, which always have a text.
        let written = time_text::write_timestamp(EPOCH + days * 86_400, 0, &mut out);
        written
            .ok()
            .and_then(|()| String::from_utf8(out).ok())
            .unwrap_or_default()
    }

    fn fraction(&self, place: &Place) -> f64 {
        let whole = text::number(&place.name, self.hash(place));
        let half = if self.hash(place).is_multiple_of(2) { 0.5 } else { 0.0 };
        f64::from(u32::try_from(whole).unwrap_or(1)).min(1e6) + if whole < 5 { half } else { 0.0 }
    }

    // === JSON ===

    /// JSON of a type.
    pub(super) fn json(&self, ty: &Type) -> Value {
        let place = Place {
            path: String::new(),
            name: "value".to_owned(),
            around: Vec::new(),
        };
        self.json_at(ty, &place)
    }

    fn json_at(&self, ty: &Type, place: &Place) -> Value {
        match &ty.kind {
            TypeKind::Json(schema) => self.schema(schema, place).unwrap_or(Value::Null),
            TypeKind::List(element) => {
                let elements = (0..LENGTH).map(|at| self.json_at(element, &place.below("item", Some(at))));
                Value::Array(elements.collect())
            }
            TypeKind::Map(entry) => {
                let value = |at| self.json_at(&entry.1, &place.below("entry", Some(at)));
                json!({ "first": value(0), "second": value(1) })
            }
            TypeKind::Bool => json!(true),
            TypeKind::Bytes => json!("bW9jaw=="),
            TypeKind::Double { .. } => json!(self.fraction(place)),
            TypeKind::Int(range) if range.wide => json!(text::number(&place.name, self.hash(place)).to_string()),
            TypeKind::Int(_) => json!(text::number(&place.name, self.hash(place))),
            TypeKind::String => json!(text::of(&place.owner(), &place.name, self.hash(place))),
            TypeKind::Timestamp => json!(self.timestamp(place)),
            _ => json!({}),
        }
    }

    fn schema(&self, schema: &JsonTypeRef, place: &Place) -> Option<Value> {
        let echoed = self.echoed(place);
        Some(match &schema.shape {
            Shape::Object(object) => {
                let owner = schema.name.clone().unwrap_or_else(|| words_of(&place.name).into());
                if place.is_deep(&owner) {
                    return schema.nullable.then_some(Value::Null);
                }
                let place = place.clone().within(&owner);
                let mut members = Map::new();
                for member in &object.members {
                    let value = self.schema(&schema.sibling(member.ty), &place.below(&member.name, None));
                    // A required part of itself that cannot be null has no end, and gets none.
                    if let Some(value) = value.or_else(|| member.required.then(|| json!({}))) {
                        members.insert(member.name.to_string(), value);
                    }
                }
                Value::Object(members)
            }
            Shape::List(element) => {
                let element = schema.sibling(*element);
                let elements = (0..LENGTH).map_while(|at| {
                    let mut place = place.clone();
                    place.path = format!("{}[{at}]", place.path);
                    self.schema(&element, &place)
                });
                Value::Array(elements.collect())
            }
            Shape::Map(value) => {
                let value = schema.sibling(*value);
                let entries = ["first", "second"]
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), self.schema(&value, &place.below(name, None))?)));
                Value::Object(entries.collect())
            }
            Shape::Words(words) => words.first().map_or(Value::Null, |it| json!(&**it)),
            Shape::Text => echoed
                .filter(|it| it.is_string())
                .cloned()
                .unwrap_or_else(|| json!(text::of(&place.owner(), &place.name, self.hash(place)))),
            Shape::Integer { max, .. } => {
                let asked = echoed.and_then(|it| it.as_i64().or_else(|| it.as_str()?.parse().ok()));
                let number = asked.unwrap_or_else(|| text::number(&place.name, self.hash(place)));
                let number = i64::try_from(*max).map_or(number, |max| number.min(max));
                match Type::of_json(schema).int_range() {
                    Some(range) if range.wide => json!(number.to_string()),
                    _ => json!(number),
                }
            }
            Shape::Any => json!({}),
            Shape::Bool | Shape::Bytes | Shape::Number | Shape::Timestamp => {
                self.json_at(&Type::of_json(schema), place)
            }
        })
    }
}

/// The first value that is not 0, which says "unknown"; by its name.
fn first_value(declared: &EnumDescriptor) -> Value {
    let value = declared.values().find(|it| it.number() != 0);
    value.map_or_else(|| json!(0), |it| json!(it.name()))
}

/// The scalars of an object, by name; those further out go first.
fn gather(of: &Value, asked: &mut BTreeMap<String, Value>) {
    let Value::Object(members) = of else { return };
    for (name, value) in members {
        let is_told = !value.is_null() && *value != json!("") && *value != json!(0);
        if is_told && !value.is_object() && !value.is_array() {
            asked.entry(text::snake(name)).or_insert_with(|| value.clone());
        }
    }
    for value in members.values() {
        gather(value, asked);
    }
}
