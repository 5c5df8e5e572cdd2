//! Values as messages, member by member.

use std::sync::Arc;

use super::scalar::{ScalarWriter, mistyped};
use crate::codec::number::parse_integer;
use crate::codec::wire::{self, WireType};
use crate::codec::{FromJson, JsonOptions};
use crate::expr::check::json_members;
use crate::expr::eval::json_fields;
use crate::expr::program::{Fault, JsonMember};
use crate::expr::render::Renderer;
use crate::expr::types::{ObjectMember, Type, TypeKind};
use crate::expr::value::{ObjectReader, Value, fault};
use crate::schema::{Cardinality, Field, Kind, MapTypes, MessageRef, Presence, WellKnown};

/// Writes values of one type as the content of a message.
#[derive(Debug)]
pub(super) enum MessageWriter {
    /// The wire bytes as they are.
    Copy,
    /// google.protobuf.Timestamp or Duration.
    Instant,
    /// JSON of unknown shape, or what becomes JSON first.
    Json {
        renderer: Renderer,
        reader: Arc<FromJson>,
    },
    Members(Box<[Member]>),
    /// The poison, which never reaches a plan.
    Nothing,
    /// An object that a JSON Schema describes, by way of its members.
    Schema(Arc<[JsonMember]>, Box<Self>),
    /// What is left of a message, by way of an object.
    Selected(ObjectReader, Box<Self>),
    /// The `value` of a wrapper.
    Wrapper(ScalarWriter),
}

/// Writes one member of an object as a field.
#[derive(Debug)]
pub(super) struct Member {
    place: MemberPlace,
    number: u32,
    oneof: Option<usize>,
    field: FieldWriter,
}

/// Where a member stands in an object: at this index, or before it where members were left out.
#[derive(Debug)]
struct MemberPlace {
    name: Arc<str>,
    index: usize,
}

#[derive(Debug)]
enum FieldWriter {
    /// JSON of unknown shape as a map.
    Json {
        renderer: Renderer,
        reader: Arc<FromJson>,
        name: Arc<str>,
    },
    List {
        element: ElementWriter,
        packed: bool,
    },
    Map {
        key: ScalarWriter,
        value: ElementWriter,
    },
    /// An object as a map: members by ascending key, each with its key ready.
    Object(Box<[(MemberPlace, Value, ScalarWriter, ElementWriter)]>),
    /// What is left of a message as a map, by way of an object.
    Selected(ObjectReader, Box<Self>),
    Singular {
        element: ElementWriter,
        /// The default is left out.
        implicit: bool,
    },
}

#[derive(Debug)]
enum ElementWriter {
    Message { writer: MessageWriter, delimited: bool },
    Scalar(ScalarWriter),
}

// === impl MessageWriter ===

impl MessageWriter {
    /// Compiles a writer for values of a type that fits.
    pub(super) fn compile(from: &Type, message: &MessageRef) -> Self {
        let json = || Self::Json {
            renderer: Renderer::compile(from, JsonOptions::default()),
            reader: FromJson::compile(message),
        };
        match (message.well_known, &from.kind) {
            (_, TypeKind::Unknown | TypeKind::Null) => Self::Nothing,
            (Some(WellKnown::ListValue | WellKnown::Struct | WellKnown::Value), _)
            | (_, TypeKind::Any | TypeKind::Map(_))
            | (Some(WellKnown::Any), TypeKind::Object(_)) => json(),
            (Some(WellKnown::Duration | WellKnown::Timestamp), _) => Self::Instant,
            (Some(it), _) if it.is_wrapper() => Self::Wrapper(ScalarWriter::compile(from, message, wrapped_kind(it))),
            (_, TypeKind::Object(members)) => Self::compile_members(members, message),
            (_, TypeKind::Selected(of, members)) => Self::Selected(
                ObjectReader::compile(of, members),
                Box::new(Self::compile_members(members, message)),
            ),
            (_, TypeKind::Json(schema)) => {
                let members = ObjectMember::of_json(schema);
                Self::Schema(
                    json_members(&members),
                    Box::new(Self::compile_members(&members, message)),
                )
            }
            _ => Self::Copy,
        }
    }

    fn compile_members(members: &[ObjectMember], message: &MessageRef) -> Self {
        let mut writers: Vec<Member> = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let Some(field) = message.field(&member.name) else {
                continue;
            };
            writers.push(Member {
                place: MemberPlace {
                    name: member.name.clone(),
                    index,
                },
                number: field.number,
                oneof: field.oneof,
                field: FieldWriter::compile(&member.ty, message, field),
            });
        }
        writers.sort_by_key(|it| it.number);
        Self::Members(writers.into())
    }

    pub(super) fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (self, value) {
            (Self::Nothing, _) => Ok(()),
            (Self::Json { renderer, reader }, value) => {
                with_json(renderer, value, |json| reader.write(json, out).is_ok())
            }
            (_, Value::Null) => Err(null_here()),
            (Self::Copy, Value::Message(wire)) => {
                out.extend_from_slice(wire);
                Ok(())
            }
            (Self::Instant, Value::Timestamp(seconds, nanos) | Value::Duration(seconds, nanos)) => {
                if *seconds != 0 {
                    wire::put_tag(out, 1, WireType::Varint);
                    wire::put_varint(out, seconds.cast_unsigned());
                }
                if *nanos != 0 {
                    wire::put_tag(out, 2, WireType::Varint);
                    wire::put_varint(out, wire::extend32(*nanos));
                }
                Ok(())
            }
            (Self::Schema(readers, writer), Value::Json(json)) => {
                let object = json_fields(json, readers).map_err(fault)?;
                writer.write(&object, out)
            }
            (Self::Selected(reader, writer), Value::Message(wire)) => writer.write(&reader.read(wire), out),
            (Self::Members(members), Value::Object(values)) => write_members(members, values, out),
            (Self::Wrapper(scalar), value) => write_scalar(scalar, 1, value, Zero::LeaveOut, out),
            _ => Err(mistyped()),
        }
    }
}

fn wrapped_kind(wrapper: WellKnown) -> Kind {
    match wrapper {
        WellKnown::BoolValue => Kind::Bool,
        WellKnown::BytesValue => Kind::Bytes,
        WellKnown::DoubleValue => Kind::Double,
        WellKnown::FloatValue => Kind::Float,
        WellKnown::Int32Value => Kind::Int32,
        WellKnown::Int64Value => Kind::Int64,
        WellKnown::Uint32Value => Kind::Uint32,
        WellKnown::Uint64Value => Kind::Uint64,
        _ => Kind::String,
    }
}

fn write_members(members: &[Member], values: &[(Arc<str>, Value)], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut oneofs: Vec<usize> = Vec::new();
    for member in members {
        let Some(value) = member.place.find(values) else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        if let Some(oneof) = member.oneof {
            if oneofs.contains(&oneof) {
                return Err(fault("two members of one oneof are set"));
            }
            oneofs.push(oneof);
        }
        member.field.write(member.number, value, out)?;
    }
    Ok(())
}

/// Hands the JSON of a value to a reader that says whether it liked it.
fn with_json(renderer: &Renderer, value: &Value, read: impl FnOnce(&[u8]) -> bool) -> Result<(), Fault> {
    let read = match value {
        Value::Json(json) => read(json),
        value => {
            let mut json = Vec::new();
            renderer.render(value, &mut json)?;
            read(&json)
        }
    };
    if read {
        Ok(())
    } else {
        Err(fault("JSON has a member or value that its message does not take"))
    }
}

// === impl MemberPlace ===

impl MemberPlace {
    fn find<'v>(&self, values: &'v [(Arc<str>, Value)]) -> Option<&'v Value> {
        let up_to = values.get(..=self.index).unwrap_or(values);
        up_to
            .iter()
            .rev()
            .find(|(name, _)| *name == self.name)
            .map(|(_, value)| value)
    }
}

// === impl FieldWriter ===

impl FieldWriter {
    fn compile(from: &Type, message: &MessageRef, field: &Field) -> Self {
        match (field.cardinality, &from.kind) {
            (Cardinality::Map(types), TypeKind::Map(entry)) => Self::Map {
                key: ScalarWriter::compile(&entry.0, message, types.key),
                value: ElementWriter::compile(&entry.1, message, types.value, false),
            },
            (Cardinality::Map(types), TypeKind::Object(members)) => Self::compile_object(members, message, types),
            (Cardinality::Map(types), TypeKind::Selected(of, members)) => Self::Selected(
                ObjectReader::compile(of, members),
                Box::new(Self::compile_object(members, message, types)),
            ),
            (Cardinality::Repeated, TypeKind::List(element)) => Self::List {
                element: ElementWriter::compile(element, message, field.kind, field.delimited),
                packed: field.packed && WireType::of(field.kind, field.delimited).packable(),
            },
            (Cardinality::Map(_) | Cardinality::Repeated, _) => Self::Json {
                renderer: Renderer::compile(from, JsonOptions::default()),
                reader: FromJson::compile(message),
                name: field.name.clone(),
            },
            (Cardinality::Singular, _) => Self::Singular {
                element: ElementWriter::compile(from, message, field.kind, field.delimited),
                implicit: field.presence == Presence::Implicit,
            },
        }
    }

    fn compile_object(members: &[ObjectMember], message: &MessageRef, types: MapTypes) -> Self {
        let entries = members.iter().enumerate().map(|(index, member)| {
            let name = &member.name;
            let (key, ty) = match types.key {
                Kind::String => (Value::from(&**name), Type::string()),
                Kind::Bool => (Value::Bool(&**name == "true"), Type::bool()),
                _ => {
                    let number = parse_integer::<i128>(name).and_then(Value::integer);
                    (number.unwrap_or_default(), Type::int())
                }
            };
            let place = MemberPlace {
                name: name.clone(),
                index,
            };
            let writer = ElementWriter::compile(&member.ty, message, types.value, false);
            (place, key, ScalarWriter::compile(&ty, message, types.key), writer)
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by(|a, b| a.1.compare_keys(&b.1));
        Self::Object(entries.into())
    }

    /// Writes a value that is not null.
    fn write(&self, number: u32, value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
        match (self, value) {
            (Self::Json { renderer, reader, name }, value) => {
                with_json(renderer, value, |json| reader.write_field(name, json, out).is_ok())
            }
            (
                Self::List {
                    element: ElementWriter::Scalar(scalar),
                    packed: true,
                },
                Value::List(list),
            ) => {
                if list.is_empty() {
                    return Ok(());
                }
                wire::put_tag(out, number, WireType::Len);
                with_length(out, |out| list.iter().try_for_each(|value| scalar.write(&value, out)))
            }
            (Self::List { element, .. }, Value::List(list)) => list
                .iter()
                .try_for_each(|value| element.write(number, &value, Zero::Write, out)),
            (Self::Map { key, value: writer }, Value::Map(map)) => {
                let entries = map.entries();
                entries
                    .iter()
                    .try_for_each(|(name, value)| write_entry(number, (key, name), (writer, value), out))
            }
            (Self::Object(entries), Value::Object(values)) => {
                for (place, key, scalar, writer) in entries {
                    if let Some(value) = place.find(values) {
                        write_entry(number, (scalar, key), (writer, value), out)?;
                    }
                }
                Ok(())
            }
            (Self::Selected(reader, writer), Value::Message(wire)) => writer.write(number, &reader.read(wire), out),
            (Self::Singular { element, implicit }, value) => {
                let zero = if *implicit { Zero::LeaveOut } else { Zero::Write };
                element.write(number, value, zero, out)
            }
            _ => Err(mistyped()),
        }
    }
}

fn write_entry(
    number: u32,
    key: (&ScalarWriter, &Value),
    value: (&ElementWriter, &Value),
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    wire::put_tag(out, number, WireType::Len);
    with_length(out, |out| {
        write_scalar(key.0, 1, key.1, Zero::Write, out)?;
        value.0.write(2, value.1, Zero::Write, out)
    })
}

// === impl ElementWriter ===

/// What becomes of a scalar's default.
#[derive(Clone, Copy, PartialEq)]
enum Zero {
    LeaveOut,
    Write,
}

impl ElementWriter {
    fn compile(from: &Type, message: &MessageRef, kind: Kind, delimited: bool) -> Self {
        match kind {
            Kind::Message(index) => Self::Message {
                writer: MessageWriter::compile(from, &message.sibling(index)),
                delimited,
            },
            kind => Self::Scalar(ScalarWriter::compile(from, message, kind)),
        }
    }

    fn write(&self, number: u32, value: &Value, zero: Zero, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Message {
                writer,
                delimited: true,
            } => {
                wire::put_tag(out, number, WireType::StartGroup);
                writer.write(value, out)?;
                wire::put_tag(out, number, WireType::EndGroup);
                Ok(())
            }
            Self::Message {
                writer,
                delimited: false,
            } => {
                wire::put_tag(out, number, WireType::Len);
                with_length(out, |out| writer.write(value, out))
            }
            Self::Scalar(scalar) => write_scalar(scalar, number, value, zero, out),
        }
    }
}

fn write_scalar(scalar: &ScalarWriter, number: u32, value: &Value, zero: Zero, out: &mut Vec<u8>) -> Result<(), Fault> {
    if value.is_null() {
        return Err(null_here());
    }
    let mut scratch = Vec::new();
    let read = scalar.read(value, &mut scratch)?;
    if zero == Zero::Write || !read.is_zero() {
        wire::put_tag(out, number, scalar.wire_type());
        read.put(out);
    }
    Ok(())
}

/// Writes a content with its length before it.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Fault> {
    let start = out.len();
    // Most contents are short, so one byte is kept free, and the content moves where it takes more.
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    let mut prefix = Vec::with_capacity(10);
    wire::put_varint(&mut prefix, length as u64);
    if let ([byte], Some(free)) = (&*prefix, out.get_mut(start)) {
        *free = *byte;
    } else {
        out.splice(start..=start, prefix);
    }
    Ok(())
}

fn null_here() -> Fault {
    fault("null stands where a value is needed")
}
