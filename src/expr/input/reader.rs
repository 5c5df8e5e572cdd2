//! JSON as values of a type: lists, maps, objects and scalars here, messages by `codec::FromJson`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::scalar::{double, expected, from_str};
use super::shape::{self, Others};
use crate::codec::json::{self, Kind};
use crate::codec::{FromJson, JsonError, number};
use crate::expr::enum_table::EnumTable;
use crate::expr::types::{Type, TypeKind};
use crate::expr::value::{Str, Value};
use crate::schema::json_schema::JsonTypeRef;
use crate::schema::suggest::{nearest, question};

/// A compiled reader of one type.
#[derive(Debug)]
pub(in crate::expr) struct Reader {
    kind: TypeKindless,
    /// What to say of anything else.
    expected: Cow<'static, str>,
    /// JSON null is a value.
    nullable: bool,
}

/// A type without descriptors.
#[derive(Debug)]
enum TypeKindless {
    Any,
    Enum {
        table: EnumTable,
        /// google.protobuf.NullValue, whose JSON is null.
        null_value: bool,
    },
    /// An object of which nothing else is looked at.
    JsonObject,
    /// An object whose every part is looked at.
    JsonWhole(JsonTypeRef),
    List(Box<Reader>),
    /// Key and value.
    Map(TypeKind, Box<Reader>),
    Message(Arc<FromJson>),
    /// Name, reader, and whether the member may be left out.
    Object(Box<[(Arc<str>, Reader, bool)]>),
    /// Types without parts.
    Scalar(TypeKind),
}

/// Why JSON is not a value of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::expr) struct Mistake {
    /// `wrong-type`, `unknown-enum-value`, `unknown-field`, `oneof-twice`.
    pub(in crate::expr) code: &'static str,
    /// RFC 6901 pointer.
    pub(in crate::expr) pointer: String,
    /// One sentence without the value.
    pub(in crate::expr) reason: String,
    /// "did you mean `PAID`?", or nothing.
    pub(in crate::expr) hint: String,
    /// What it should have been a part of: the name of an enum, or nothing.
    pub(in crate::expr) owner: String,
    /// Byte offset in what was read.
    pub(in crate::expr) offset: usize,
}

/// How much of an object that a JSON Schema describes is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// That it is one; its members when they are read.
    First,
    /// Everything, and that nothing else is in it.
    Whole,
}

/// Compiles a reader for values of `ty`.
pub(in crate::expr) fn compile(ty: &Type) -> Reader {
    compile_for(ty, Look::Whole)
}

/// As [`compile`], but of what a JSON Schema describes only the kind is looked at.
pub(in crate::expr) fn compile_lazy(ty: &Type) -> Reader {
    compile_for(ty, Look::First)
}

fn compile_for(ty: &Type, look: Look) -> Reader {
    let compile = |ty: &Type| compile_for(ty, look);
    let kind = match &ty.kind {
        TypeKind::Any | TypeKind::Unknown => TypeKindless::Any,
        TypeKind::Enum(declared) => TypeKindless::Enum {
            table: EnumTable::new(declared),
            null_value: declared.null_value,
        },
        TypeKind::Json(_) if look == Look::First => TypeKindless::JsonObject,
        TypeKind::Json(schema) => TypeKindless::JsonWhole(schema.clone()),
        TypeKind::List(element) => TypeKindless::List(Box::new(compile(element))),
        TypeKind::Map(entry) => TypeKindless::Map(entry.0.kind.clone(), Box::new(compile(&entry.1))),
        TypeKind::Message(message) | TypeKind::ProtoAny(message) | TypeKind::Selected(message, _) => {
            TypeKindless::Message(FromJson::compile(message))
        }
        TypeKind::Object(members) => TypeKindless::Object(
            members
                .iter()
                .map(|it| (it.name.clone(), compile(&it.ty), it.optional))
                .collect(),
        ),
        TypeKind::Bool
        | TypeKind::Bytes
        | TypeKind::Double { .. }
        | TypeKind::Duration
        | TypeKind::Int(_)
        | TypeKind::Null
        | TypeKind::String
        | TypeKind::Timestamp => TypeKindless::Scalar(ty.kind.clone()),
    };
    Reader {
        kind,
        expected: expected(&ty.kind),
        nullable: ty.nullable,
    }
}

// === impl Reader ===

impl Reader {
    pub(in crate::expr) fn is_any(&self) -> bool {
        matches!(self.kind, TypeKindless::Any)
    }

    /// Reads a whole fragment of validated JSON; null is null whatever the type.
    pub(in crate::expr) fn read(&self, json: &Bytes) -> Result<Value, Mistake> {
        let fragment = json::trim(json);
        if json::kind(fragment) == Kind::Null {
            return Ok(self.null().unwrap_or(Value::Null));
        }
        self.value(json, fragment)
    }

    /// Reads a part of the document, where null is a value only if the type has one.
    pub(super) fn part(&self, document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        if json::kind(fragment) == Kind::Null {
            return self.null().ok_or_else(|| self.mistake(document, fragment));
        }
        self.value(document, fragment)
    }

    pub(super) fn null(&self) -> Option<Value> {
        if let TypeKindless::Enum { null_value: true, .. } = self.kind {
            return Some(Value::Int(0));
        }
        self.nullable.then_some(Value::Null)
    }

    fn value(&self, document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        match &self.kind {
            TypeKindless::Enum { table, .. } => self.enumeration(table, document, fragment),
            TypeKindless::JsonObject | TypeKindless::JsonWhole(_) if json::kind(fragment) != Kind::Object => {
                Err(self.mistake(document, fragment))
            }
            TypeKindless::Any | TypeKindless::JsonObject => Ok(Value::Json(document.slice_ref(json::trim(fragment)))),
            TypeKindless::JsonWhole(schema) => {
                shape::check(schema, Others::Refuse, document, fragment)?;
                Ok(Value::Json(document.slice_ref(json::trim(fragment))))
            }
            TypeKindless::List(element) => self.list(element, document, fragment),
            TypeKindless::Map(key, value) => self.map(key, value, document, fragment),
            TypeKindless::Message(program) => {
                let mut wire = Vec::new();
                program
                    .write(fragment, &mut wire)
                    .map_err(|it| of_message(it, offset(document, fragment)))?;
                Ok(Value::Message(wire.into()))
            }
            TypeKindless::Object(members) => self.object(members, document, fragment),
            TypeKindless::Scalar(kind) => {
                scalar_of(kind, document, fragment).ok_or_else(|| self.mistake(document, fragment))
            }
        }
    }

    fn enumeration(&self, table: &EnumTable, document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        match json::kind(fragment) {
            Kind::Number => {
                let value = ascii(fragment).and_then(number::parse_integral::<i32>);
                value
                    .map(|it| Value::Int(it.into()))
                    .ok_or_else(|| self.mistake(document, fragment))
            }
            Kind::String => {
                let name = json::string(fragment).unwrap_or_default();
                table.number(&name).map(|it| Value::Int(it.into())).ok_or_else(|| {
                    let mut mistake = self.mistake(document, fragment);
                    mistake.code = "unknown-enum-value";
                    mistake.hint = question(table.nearest(&name));
                    table.full_name().clone_into(&mut mistake.owner);
                    mistake
                })
            }
            _ => Err(self.mistake(document, fragment)),
        }
    }

    fn list(&self, element: &Self, document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        if json::kind(fragment) != Kind::Array {
            return Err(self.mistake(document, fragment));
        }
        let elements = json::elements(fragment).enumerate();
        let values: Result<Vec<Value>, Mistake> = elements
            .map(|(at, it)| element.part(document, it).map_err(|it| it.within(&at.to_string())))
            .collect();
        Ok(Value::list(values?))
    }

    fn map(&self, key: &TypeKind, value: &Self, document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        if json::kind(fragment) != Kind::Object {
            return Err(self.mistake(document, fragment));
        }
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for (raw, part) in json::members(fragment) {
            let name = json::string(raw).unwrap_or_default();
            let wrong = |reason: Cow<'static, str>| Mistake::new(reason, offset(document, raw)).within(&name);
            let key = self::key(key, &name).ok_or_else(|| wrong(format!("{}, as key", expected(key)).into()))?;
            let value = value.part(document, part).map_err(|it| it.within(&name))?;
            entries.push((key, value));
        }
        let n_entries = entries.len();
        let map = crate::expr::value::MapValue::from_entries(entries);
        if map.len() < n_entries {
            return Err(Mistake::new(
                "a key is written twice".into(),
                offset(document, fragment),
            ));
        }
        Ok(Value::Map(map))
    }

    fn object(&self, members: &[(Arc<str>, Self, bool)], document: &Bytes, fragment: &[u8]) -> Result<Value, Mistake> {
        if json::kind(fragment) != Kind::Object {
            return Err(self.mistake(document, fragment));
        }
        let mut found: Vec<Option<Value>> = vec![None; members.len()];
        for (raw, part) in json::members(fragment) {
            let name = json::string(raw).unwrap_or_default();
            let at = members.iter().position(|(it, ..)| **it == *name);
            let (Some((_, reader, _)), Some(slot)) =
                (at.and_then(|at| members.get(at)), at.and_then(|at| found.get_mut(at)))
            else {
                let mut mistake = Mistake::new("unknown member".into(), offset(document, raw)).within(&name);
                mistake.code = "unknown-field";
                mistake.hint = question(nearest(&name, members.iter().map(|(it, ..)| &**it)));
                return Err(mistake);
            };
            if slot.is_some() {
                return Err(Mistake::new("a member is written twice".into(), offset(document, raw)).within(&name));
            }
            *slot = Some(reader.part(document, part).map_err(|it| it.within(&name))?);
        }
        let mut values = Vec::with_capacity(members.len());
        for ((name, reader, optional), value) in members.iter().zip(found) {
            match value {
                Some(value) => values.push((name.clone(), value)),
                None if *optional => {}
                None if reader.nullable => values.push((name.clone(), Value::Null)),
                None => {
                    let reason = format!("member `{name}` is missing");
                    return Err(Mistake::new(reason.into(), offset(document, fragment)));
                }
            }
        }
        Ok(Value::object(values))
    }

    fn mistake(&self, document: &Bytes, fragment: &[u8]) -> Mistake {
        Mistake::new(self.expected.clone(), offset(document, fragment))
    }
}

// === impl Mistake ===

impl Mistake {
    pub(super) fn new(reason: Cow<'static, str>, offset: usize) -> Self {
        Self {
            code: "wrong-type",
            pointer: String::new(),
            reason: reason.into_owned(),
            hint: String::new(),
            owner: String::new(),
            offset,
        }
    }

    pub(super) fn within(mut self, segment: &str) -> Self {
        self.pointer = json::pointer_below("", segment) + &self.pointer;
        self
    }
}

/// What `codec` says of the JSON of a message, whose first byte is at `start`.
fn of_message(error: JsonError, start: usize) -> Mistake {
    let code = if error.reason.starts_with("unknown member") {
        "unknown-field"
    } else if error.reason.starts_with("unknown enum value") {
        "unknown-enum-value"
    } else if error.reason.contains("oneof") {
        "oneof-twice"
    } else {
        "wrong-type"
    };
    let hint = error
        .reason
        .split_once("; ")
        .map_or_else(String::new, |(_, hint)| hint.to_owned());
    Mistake {
        code,
        pointer: error.pointer,
        reason: error.reason,
        hint,
        owner: String::new(),
        offset: start + error.offset,
    }
}

/// A scalar as a value of its kind.
fn scalar_of(kind: &TypeKind, document: &Bytes, fragment: &[u8]) -> Option<Value> {
    match kind {
        TypeKind::String if json::kind(fragment) == Kind::String => {
            Some(Value::String(match json::string(fragment)? {
                Cow::Borrowed(text) => Str::from_utf8(document.slice_ref(text.as_bytes()))?,
                Cow::Owned(text) => text.into(),
            }))
        }
        kind => scalar(kind, fragment),
    }
}

/// A scalar that is no text, as a value of its kind.
pub(super) fn scalar(kind: &TypeKind, fragment: &[u8]) -> Option<Value> {
    let json_kind = json::kind(fragment);
    match kind {
        TypeKind::Bool if json_kind == Kind::Bool => Some(Value::Bool(json::trim(fragment) == b"true")),
        // Numbers may stand in quotes.
        TypeKind::Int(range) => {
            let text = number_text(fragment, json_kind)?;
            Value::integer(number::parse_integral::<i128>(&text).filter(|it| range.contains(*it))?)
        }
        TypeKind::Double { single } => match json_kind {
            // Names stand in quotes only.
            Kind::Number | Kind::String => double(&number_text(fragment, json_kind)?, *single).map(Value::Double),
            _ => None,
        },
        TypeKind::Bytes | TypeKind::Duration | TypeKind::Timestamp if json_kind == Kind::String => {
            from_str(&json::string(fragment)?, kind)
        }
        _ => None,
    }
}

fn number_text(fragment: &[u8], kind: Kind) -> Option<Cow<'_, str>> {
    match kind {
        Kind::Number => ascii(fragment).map(Cow::Borrowed),
        Kind::String => json::string(fragment),
        _ => None,
    }
}

fn ascii(fragment: &[u8]) -> Option<&str> {
    std::str::from_utf8(json::trim(fragment)).ok()
}

/// The key of a map that a member's name is.
fn key(kind: &TypeKind, name: &str) -> Option<Value> {
    match kind {
        TypeKind::Bool => match name {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        TypeKind::Int(range) => Value::integer(number::parse_integer::<i128>(name).filter(|it| range.contains(*it))?),
        _ => Some(name.into()),
    }
}

/// Where a fragment begins in the document that it is a part of.
pub(super) fn offset(document: &[u8], fragment: &[u8]) -> usize {
    fragment.as_ptr().addr().saturating_sub(document.as_ptr().addr())
}
