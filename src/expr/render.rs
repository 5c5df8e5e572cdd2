//! Values → JSON text, by type and options; and scalars → plain text.
//!
//! Owns how each type looks in a response. Leaves the inside of messages to `codec::ToJson`. Invariant: options change what
//! is rendered and nothing else (semantics.md 2.2): text in interpolations, requests and keys is made without them.

mod narrow;
mod text;

use std::sync::Arc;

use super::eval::ILL_SHAPED;
use super::input::shape::{self, Others};
use super::program::Fault;
use super::types::{Type, TypeKind};
use super::value::{Value, fault};
use crate::codec::wire_to_json::enum_value_names;
use crate::codec::{DecodeError, Enums, Fields, Int64, JsonOptions, Selection, ToJson, escape, number, time_text};
use crate::schema::Enum;
use crate::schema::json_schema::JsonTypeRef;

pub use text::as_text;

/// Writes values of one type as JSON. Compiled when a plan is made; holds the codec programs that it needs.
///
/// ```
/// use weft::codec::JsonOptions;
/// use weft::expr::{Renderer, Type, Value};
///
/// let mut out = Vec::new();
/// let renderer = Renderer::compile(&Type::list(Type::int()), JsonOptions::default());
/// renderer.render(&Value::list(vec![Value::Int(1), Value::Null]), &mut out).unwrap();
/// assert_eq!(out, b"[1,null]");
/// ```
#[derive(Clone, Debug)]
pub struct Renderer {
    writer: Arc<Writer>,
    ty: Type,
    options: JsonOptions,
}

#[derive(Clone, Debug)]
enum Writer {
    Any,
    Bool,
    Bytes,
    /// JSON of unknown shape, and what is wanted of it.
    Chosen(Fields),
    Double {
        single: bool,
    },
    Duration,
    /// Every name by its number, ascending, as JSON; a number without a name is written as it is.
    Enum(Box<[(i32, Box<[u8]>)]>),
    Int {
        quoted: bool,
    },
    /// JSON that must be what its schema says, and of it what is chosen.
    Json(JsonTypeRef, Fields),
    List(Box<Self>),
    /// Keys of whatever kind are strings.
    Map(Box<Self>),
    Message(Arc<ToJson>),
    Null,
    Object(Box<[MemberWriter]>),
    /// Some members of an object.
    Part(Box<[MemberWriter]>),
    String,
    Timestamp,
}

#[derive(Clone, Debug)]
struct MemberWriter {
    name: Arc<str>,
    /// `"name":`.
    key: Box<[u8]>,
    writer: Writer,
}

// === impl Renderer ===

impl Renderer {
    /// Compiles a renderer for values of `ty`.
    pub fn compile(ty: &Type, options: JsonOptions) -> Self {
        Self {
            writer: Arc::new(Writer::compile(ty, options)),
            ty: ty.clone(),
            options,
        }
    }

    /// Which fields it writes of a message; `None` where it writes something else.
    pub fn selection(&self) -> Option<&Selection> {
        match &*self.writer {
            Writer::Message(program) => Some(program.selection()),
            _ => None,
        }
    }

    /// The type of the values.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// How they are written.
    pub fn options(&self) -> JsonOptions {
        self.options
    }

    /// Appends the JSON of `value` to `out`; null is `null`. On failure `out` may hold a part of it.
    pub fn render(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.writer.write(value, out)
    }

    /// The value as JSON of unknown shape: for places of type `any`. Null stays null.
    pub fn to_json(&self, value: &Value) -> Result<Value, Fault> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::Json(json) if matches!(*self.writer, Writer::Any) => Ok(Value::Json(json.clone())),
            value => {
                let mut out = Vec::new();
                self.render(value, &mut out)?;
                Ok(if out == b"null" {
                    Value::Null
                } else {
                    Value::Json(out.into())
                })
            }
        }
    }
}

// === impl Writer ===

impl Writer {
    fn compile(ty: &Type, options: JsonOptions) -> Self {
        match &ty.kind {
            // The poison never reaches a plan; it is written as what it holds.
            TypeKind::Any | TypeKind::Unknown => Self::Any,
            TypeKind::Bool => Self::Bool,
            TypeKind::Bytes => Self::Bytes,
            TypeKind::Double { single } => Self::Double { single: *single },
            TypeKind::Duration => Self::Duration,
            // google.protobuf.NullValue is JSON null whatever its number.
            TypeKind::Enum(it) if it.null_value => Self::Null,
            TypeKind::Enum(it) => Self::Enum(enum_table(it, options)),
            TypeKind::Int(range) => Self::Int {
                quoted: range.wide && options.int64 == Int64::String,
            },
            TypeKind::Json(schema) => Self::Json(schema.clone(), Fields::All),
            TypeKind::List(element) => Self::List(Box::new(Self::compile(element, options))),
            TypeKind::Map(entry) => Self::Map(Box::new(Self::compile(&entry.1, options))),
            TypeKind::Message(it) | TypeKind::ProtoAny(it) | TypeKind::Selected(it, _) => {
                Self::Message(ToJson::compile(it, &ty.selection(), options))
            }
            TypeKind::Null => Self::Null,
            TypeKind::Object(members) => {
                let members = members.iter().map(|it| {
                    let mut key = Vec::new();
                    escape::write_string(&it.name, &mut key);
                    key.push(b':');
                    MemberWriter {
                        name: it.name.clone(),
                        key: key.into(),
                        writer: Self::compile(&it.ty, options),
                    }
                });
                Self::Object(members.collect())
            }
            TypeKind::String => Self::String,
            TypeKind::Timestamp => Self::Timestamp,
        }
    }

    fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (self, value) {
            (_, Value::Null) | (Self::Null, _) => out.extend_from_slice(b"null"),
            (Self::Any, value) => write_any(value, out)?,
            (Self::Chosen(fields), value) => {
                let mut whole = Vec::new();
                write_any(value, &mut whole)?;
                fields.project(&whole, out);
            }
            (Self::Bool, Value::Bool(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::String, Value::String(_))
            | (Self::Duration, Value::Duration(..))
            | (Self::Timestamp, Value::Timestamp(..)) => write_any(value, out)?,
            (Self::Double { single }, Value::Double(value)) => write_double(*value, *single, out),
            (Self::Enum(names), Value::Int(number)) => write_enum(names, *number, out),
            (Self::Int { quoted }, Value::Int(_) | Value::Uint(_)) => {
                let quote: &[u8] = if *quoted { b"\"" } else { b"" };
                out.extend_from_slice(quote);
                write_any(value, out)?;
                out.extend_from_slice(quote);
            }
            (Self::Json(schema, fields), Value::Json(json)) => {
                shape::check(schema, Others::Allow, json, json).map_err(|_| fault(ILL_SHAPED))?;
                match fields {
                    Fields::All => out.extend_from_slice(json),
                    Fields::Only(_) => fields.project(json, out),
                }
            }
            (Self::List(writer), Value::List(list)) => {
                out.push(b'[');
                for (at, element) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    writer.write(&element, out)?;
                }
                out.push(b']');
            }
            (Self::Map(writer), Value::Map(map)) => {
                out.push(b'{');
                for (at, (key, value)) in map.entries().iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_key(key, out)?;
                    writer.write(value, out)?;
                }
                out.push(b'}');
            }
            (Self::Message(program), Value::Message(wire)) => program.write(wire, out).map_err(decode_fault)?,
            (Self::Object(writers), Value::Object(members)) => write_object(writers, members, false, out)?,
            (Self::Part(writers), Value::Object(members)) => write_object(writers, members, true, out)?,
            _ => return Err(fault("a value is not of its type")),
        }
        Ok(())
    }
}

fn write_object(
    writers: &[MemberWriter],
    members: &[(Arc<str>, Value)],
    part: bool,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.push(b'{');
    // Members that are there stand in the type's order, so the writer of the next one is the next or soon behind it.
    let mut at = 0;
    let start = out.len();
    for (name, value) in members {
        let behind = writers
            .iter()
            .skip(at)
            .position(|it| it.name == *name)
            .map(|offset| at + offset);
        let found = behind.or_else(|| writers.iter().position(|it| it.name == *name));
        if part && found.is_none() {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        if let Some(member) = found.and_then(|it| writers.get(it)) {
            at = found.unwrap_or(0) + 1;
            out.extend_from_slice(&member.key);
            member.writer.write(value, out)?;
        } else {
            // Members that JSON brought along when it was spread.
            escape::write_string(name, out);
            out.push(b':');
            write_any(value, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes a value of no known type as what it looks like. Integers and enums are numbers.
fn write_any(value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Bytes(bytes) => escape::write_base64(bytes, out),
        Value::Double(value) => number::write_double(*value, out),
        Value::Duration(seconds, nanos) => {
            out.push(b'"');
            time_text::write_duration(*seconds, *nanos, out).map_err(decode_fault)?;
            out.push(b'"');
        }
        Value::Int(value) => number::write_i64(*value, out),
        Value::Json(json) => out.extend_from_slice(json),
        Value::List(list) => {
            out.push(b'[');
            for (at, element) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_any(&element, out)?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (at, (key, value)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_key(key, out)?;
                write_any(value, out)?;
            }
            out.push(b'}');
        }
        Value::Message(_) => return Err(fault("a message of unknown type has no JSON form")),
        Value::Object(members) => write_object(&[], members, false, out)?,
        Value::String(text) => escape::write_string(text, out),
        Value::Timestamp(seconds, nanos) => {
            out.push(b'"');
            time_text::write_timestamp(*seconds, *nanos, out).map_err(decode_fault)?;
            out.push(b'"');
        }
        Value::Uint(value) => number::write_u64(*value, out),
    }
    Ok(())
}

fn write_double(value: f64, single: bool, out: &mut Vec<u8>) {
    if single {
        number::write_float(narrowed(value), out);
    } else {
        number::write_double(value, out);
    }
}

/// The float that a value of a `float` field was widened from.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is a float that was widened, or is to be the nearest one"
)]
pub(super) fn narrowed(value: f64) -> f32 {
    value as f32
}

fn write_key(key: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match key {
        Value::String(text) => escape::write_string(text, out),
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) => {
            out.push(b'"');
            write_any(key, out)?;
            out.push(b'"');
        }
        _ => return Err(fault("a map key is neither text nor a whole number nor a bool")),
    }
    out.push(b':');
    Ok(())
}

fn write_enum(names: &[(i32, Box<[u8]>)], number: i64, out: &mut Vec<u8>) {
    let name = i32::try_from(number)
        .ok()
        .and_then(|number| names.binary_search_by_key(&number, |(it, _)| *it).ok())
        .and_then(|at| names.get(at));
    match name {
        Some((_, json)) => out.extend_from_slice(json),
        None => number::write_i64(number, out),
    }
}

fn enum_table(declared: &Enum, options: JsonOptions) -> Box<[(i32, Box<[u8]>)]> {
    if options.enums == Enums::Number {
        return Box::default();
    }
    let mut table: Vec<(i32, Box<[u8]>)> = Vec::with_capacity(declared.values.len());
    for (value, name) in declared
        .values
        .iter()
        .zip(enum_value_names(declared, options.enum_prefix))
    {
        let mut json = Vec::new();
        escape::write_string(&name, &mut json);
        table.push((value.number, json.into()));
    }
    // Stable, so that of aliases the first that was declared stays.
    table.sort_by_key(|(number, _)| *number);
    table.dedup_by_key(|(number, _)| *number);
    table.into()
}

/// Why bytes could not be rendered.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
pub(super) fn decode_fault(error: DecodeError) -> Fault {
    fault(match error {
        DecodeError::Depth => "a message is nested too deeply",
        DecodeError::Malformed => "a message is malformed",
        DecodeError::Range => "a value has no JSON form",
        DecodeError::TooLarge => "the JSON is too large",
        DecodeError::Utf8 => "a string is not UTF-8",
    })
}

#[cfg(test)]
mod tests;
