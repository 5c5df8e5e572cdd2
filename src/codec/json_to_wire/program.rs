//! The compiled form: for each message type a table of fields, for each enum its names.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::codec::json;
use crate::codec::wire::{self, Tag, WireType};
use crate::schema::suggest::nearest;
use crate::schema::{Cardinality, EnumIndex, Field, Kind, MessageIndex, Presence, Schema, WellKnown};

/// Everything that reading one message type needs, its nested types included.
#[derive(Debug)]
pub(super) struct Program {
    /// The type of the whole document.
    pub(super) root: ValueType,
    pub(super) plans: Box<[Plan]>,
    pub(super) enums: Box<[EnumTable]>,
    /// True where a value may name its own type.
    has_any: bool,
}

/// How one message type is read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ascending by number.
    pub(super) fields: Box<[FieldPlan]>,
    /// Both names of each field.
    pub(super) by_name: HashMap<Box<[u8]>, usize>,
    pub(super) oneofs: Box<[Arc<str>]>,
}

/// How one field is read.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) name: Arc<str>,
    pub(super) json_name: Arc<str>,
    /// The JSON name as it mostly stands in a document, quotes included.
    pub(super) quoted: Box<[u8]>,
    /// The same as a number, to be compared at once: the bits, and which of them count; none where it does not fit.
    pub(super) probe: (u128, u128),
    pub(super) number: u32,
    /// What stands before each value, or before a packed list.
    pub(super) tag: Prefix,
    pub(super) shape: Shape,
    pub(super) value: ValueType,
    /// A zero is not written.
    pub(super) implicit: bool,
    pub(super) oneof: Option<usize>,
    pub(super) framing: Framing,
}

/// How many values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    List,
    /// With the type of its keys; the field's value is the entry's.
    Map(Scalar),
    PackedList,
    Singular,
}

/// How a message value is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Group,
    Length,
    /// An item of the old message-set encoding.
    MessageSetItem,
}

/// How one value is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Any,
    Duration,
    /// A message without fields, which an Any may hold with or without `value`.
    Empty(usize),
    FieldMask,
    ListValue,
    Message(usize),
    Scalar(Scalar),
    Struct,
    Timestamp,
    Value,
    Wrapper(Scalar),
}

/// A value that is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Scalar {
    Bool,
    Bytes,
    Double,
    /// By index into [`Program::enums`].
    Enum(usize),
    Fixed32,
    Fixed64,
    Float,
    Int32,
    Int64,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    String,
    Uint32,
    Uint64,
}

/// The names of an enum.
#[derive(Debug)]
pub(super) struct EnumTable {
    by_name: HashMap<Box<[u8]>, i32>,
    /// The same where they are few, which are found faster by looking at all.
    few: Box<[(Box<[u8]>, i32)]>,
    /// In order of declaration, for suggestions.
    names: Box<[Arc<str>]>,
    /// The numbers that there are, ascending, where no other may be written.
    closed: Option<Box<[i32]>>,
    /// `null` is its one value.
    pub(super) null_value: bool,
}

/// A tag as bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prefix {
    bytes: [u8; 5],
    length: u8,
}

impl FieldPlan {
    /// True where the text begins with the field's JSON name in quotes.
    #[inline]
    pub(super) fn is_next(&self, text: &[u8]) -> bool {
        match text.first_chunk::<16>() {
            Some(chunk) if self.probe.1 != 0 => u128::from_le_bytes(*chunk) & self.probe.1 == self.probe.0,
            _ => text.starts_with(&self.quoted),
        }
    }
}

fn probe(quoted: &[u8]) -> (u128, u128) {
    let mut bytes = [0; 16];
    let mut mask = [0; 16];
    if quoted.len() > bytes.len() {
        return (0, 0);
    }
    for ((to, mask), from) in bytes.iter_mut().zip(&mut mask).zip(quoted) {
        *to = *from;
        *mask = u8::MAX;
    }
    (u128::from_le_bytes(bytes), u128::from_le_bytes(mask))
}

impl Prefix {
    fn new(number: u32, wire_type: WireType) -> Self {
        let mut written = Vec::with_capacity(5);
        wire::put_varint(&mut written, u64::from(Tag::new(number, wire_type).bits()));
        let mut prefix = Self::default();
        for (to, from) in prefix.bytes.iter_mut().zip(&written) {
            *to = *from;
            prefix.length = prefix.length.saturating_add(1);
        }
        prefix
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Scalar {
    /// The scalar of a kind that is neither enum nor message.
    pub(in crate::codec) const fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Enum(_) | Kind::Message(_) => return None,
            Kind::Bool => Self::Bool,
            Kind::Bytes => Self::Bytes,
            Kind::Double => Self::Double,
            Kind::Fixed32 => Self::Fixed32,
            Kind::Fixed64 => Self::Fixed64,
            Kind::Float => Self::Float,
            Kind::Int32 => Self::Int32,
            Kind::Int64 => Self::Int64,
            Kind::Sfixed32 => Self::Sfixed32,
            Kind::Sfixed64 => Self::Sfixed64,
            Kind::Sint32 => Self::Sint32,
            Kind::Sint64 => Self::Sint64,
            Kind::String => Self::String,
            Kind::Uint32 => Self::Uint32,
            Kind::Uint64 => Self::Uint64,
        })
    }

    /// The scalar in a wrapper.
    pub(in crate::codec) const fn of_wrapper(well_known: WellKnown) -> Option<Self> {
        Some(match well_known {
            WellKnown::BoolValue => Self::Bool,
            WellKnown::BytesValue => Self::Bytes,
            WellKnown::DoubleValue => Self::Double,
            WellKnown::FloatValue => Self::Float,
            WellKnown::Int32Value => Self::Int32,
            WellKnown::Int64Value => Self::Int64,
            WellKnown::StringValue => Self::String,
            WellKnown::Uint32Value => Self::Uint32,
            WellKnown::Uint64Value => Self::Uint64,
            WellKnown::Any
            | WellKnown::Duration
            | WellKnown::Empty
            | WellKnown::FieldMask
            | WellKnown::ListValue
            | WellKnown::Struct
            | WellKnown::Timestamp
            | WellKnown::Value => return None,
        })
    }

    /// How the scalar is delimited on the wire.
    #[inline]
    pub(in crate::codec) const fn wire_type(self) -> WireType {
        match self {
            Self::Bool
            | Self::Enum(_)
            | Self::Int32
            | Self::Int64
            | Self::Sint32
            | Self::Sint64
            | Self::Uint32
            | Self::Uint64 => WireType::Varint,
            Self::Bytes | Self::String => WireType::Len,
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Fixed32 | Self::Float | Self::Sfixed32 => WireType::Fixed32,
        }
    }
}

impl ValueType {
    pub(super) const fn wire_type(self) -> WireType {
        match self {
            Self::Scalar(scalar) => scalar.wire_type(),
            _ => WireType::Len,
        }
    }
}

const FEW: usize = 8;

impl EnumTable {
    fn compile(schema: &Schema, index: EnumIndex) -> Self {
        let enumeration = schema.enumeration(index);
        let mut numbers: Vec<i32> = enumeration.values.iter().map(|it| it.number).collect();
        numbers.sort_unstable();
        let by_name: Vec<(Box<[u8]>, i32)> = enumeration
            .values
            .iter()
            .map(|it| (Box::from(it.name.as_bytes()), it.number))
            .collect();
        Self {
            few: if by_name.len() <= FEW {
                by_name.clone().into()
            } else {
                Box::default()
            },
            by_name: by_name.into_iter().collect(),
            names: enumeration.values.iter().map(|it| it.name.clone()).collect(),
            closed: enumeration.closed.then(|| numbers.into_boxed_slice()),
            null_value: enumeration.null_value,
        }
    }

    /// The number of a name.
    #[inline]
    pub(super) fn number(&self, name: &[u8]) -> Option<i32> {
        if self.few.is_empty() {
            return self.by_name.get(name).copied();
        }
        self.few.iter().find(|it| *it.0 == *name).map(|it| it.1)
    }

    /// Says that a name is unknown, and which one is near.
    #[cold]
    pub(super) fn unknown(&self, name: &str) -> String {
        match nearest(name, self.names.iter().map(|it| &**it)) {
            Some(near) => format!("unknown enum value; did you mean `{near}`?"),
            None => "unknown enum value".to_owned(),
        }
    }

    /// True where a field of this enum may hold the number.
    pub(super) fn accepts(&self, number: i32) -> bool {
        self.closed.as_ref().is_none_or(|it| it.binary_search(&number).is_ok())
    }
}

// === impl Program ===

/// Compiles types as it meets them; a type that is met again, or meets itself, is the same table.
struct Compiler<'s> {
    schema: &'s Schema,
    plans: Vec<Plan>,
    enums: Vec<EnumTable>,
    plan_of: HashMap<MessageIndex, usize>,
    enum_of: HashMap<EnumIndex, usize>,
    waiting: Vec<(MessageIndex, usize)>,
    has_any: bool,
}

impl Program {
    /// Compiles the program of a message type and of all that it holds.
    pub(super) fn compile(schema: &Schema, index: MessageIndex) -> Self {
        let mut compiler = Compiler {
            schema,
            plans: Vec::new(),
            enums: Vec::new(),
            plan_of: HashMap::new(),
            enum_of: HashMap::new(),
            waiting: Vec::new(),
            has_any: false,
        };
        let root = compiler.message(index);
        compiler.finish(root)
    }
}

impl Compiler<'_> {
    fn finish(mut self, root: ValueType) -> Program {
        while let Some((index, at)) = self.waiting.pop() {
            let plan = self.plan(index);
            if let Some(slot) = self.plans.get_mut(at) {
                *slot = plan;
            }
        }
        Program {
            root,
            plans: self.plans.into(),
            enums: self.enums.into(),
            has_any: self.has_any,
        }
    }

    fn plan(&mut self, index: MessageIndex) -> Plan {
        let message = self.schema.message(index);
        let fields: Box<[FieldPlan]> = message
            .fields
            .iter()
            .map(|it| self.field(it, message.message_set))
            .collect();
        let mut by_name = HashMap::with_capacity(fields.len().saturating_mul(2));
        for (at, field) in fields.iter().enumerate() {
            by_name.entry(Box::from(field.json_name.as_bytes())).or_insert(at);
        }
        for (at, field) in fields.iter().enumerate() {
            by_name.entry(Box::from(field.name.as_bytes())).or_insert(at);
        }
        Plan {
            fields,
            by_name,
            oneofs: message.oneofs.clone().into(),
        }
    }

    fn field(&mut self, field: &Field, message_set: bool) -> FieldPlan {
        let (shape, value) = match field.cardinality {
            Cardinality::Map(types) => {
                let key = match self.kind(types.key) {
                    ValueType::Scalar(key) => key,
                    // Descriptors that allow another kind of key are refused when a schema is built.
                    _ => Scalar::String,
                };
                (Shape::Map(key), self.kind(types.value))
            }
            Cardinality::Repeated => {
                let value = self.kind(field.kind);
                let packed = field.packed && value.wire_type().packable();
                (if packed { Shape::PackedList } else { Shape::List }, value)
            }
            Cardinality::Singular => (Shape::Singular, self.kind(field.kind)),
        };
        let is_message = !matches!(value, ValueType::Scalar(_));
        let framing = if message_set && is_message && shape == Shape::Singular {
            Framing::MessageSetItem
        } else if field.delimited && is_message && !matches!(shape, Shape::Map(_)) {
            Framing::Group
        } else {
            Framing::Length
        };
        let wire_type = match (shape, framing) {
            (Shape::Map(_) | Shape::PackedList, _) => WireType::Len,
            (_, Framing::Group) => WireType::StartGroup,
            _ => value.wire_type(),
        };
        let mut quoted = Vec::new();
        json::write_string(&field.json_name, &mut quoted);
        FieldPlan {
            name: field.name.clone(),
            json_name: field.json_name.clone(),
            probe: probe(&quoted),
            quoted: quoted.into(),
            number: field.number,
            tag: Prefix::new(field.number, wire_type),
            shape,
            value,
            implicit: field.presence == Presence::Implicit && !is_message,
            oneof: field.oneof,
            framing,
        }
    }

    fn kind(&mut self, kind: Kind) -> ValueType {
        match kind {
            Kind::Message(index) => self.message(index),
            Kind::Enum(index) => ValueType::Scalar(Scalar::Enum(self.enumeration(index))),
            // Every kind that is neither is a scalar.
            _ => ValueType::Scalar(Scalar::of(kind).unwrap_or(Scalar::String)),
        }
    }

    fn enumeration(&mut self, index: EnumIndex) -> usize {
        *self.enum_of.entry(index).or_insert_with(|| {
            let at = self.enums.len();
            self.enums.push(EnumTable::compile(self.schema, index));
            at
        })
    }

    fn message(&mut self, index: MessageIndex) -> ValueType {
        let Some(well_known) = self.schema.message(index).well_known else {
            return ValueType::Message(self.plan_index(index));
        };
        if let Some(scalar) = Scalar::of_wrapper(well_known) {
            return ValueType::Wrapper(scalar);
        }
        match well_known {
            WellKnown::Any => {
                self.has_any = true;
                ValueType::Any
            }
            WellKnown::Duration => ValueType::Duration,
            WellKnown::Empty => ValueType::Empty(self.plan_index(index)),
            WellKnown::FieldMask => ValueType::FieldMask,
            WellKnown::ListValue => ValueType::ListValue,
            WellKnown::Struct => ValueType::Struct,
            WellKnown::Timestamp => ValueType::Timestamp,
            WellKnown::Value => ValueType::Value,
            // The wrappers, which are done.
            _ => ValueType::Message(self.plan_index(index)),
        }
    }

    fn plan_index(&mut self, index: MessageIndex) -> usize {
        *self.plan_of.entry(index).or_insert_with(|| {
            let at = self.plans.len();
            self.plans.push(Plan::default());
            self.waiting.push((index, at));
            at
        })
    }
}

/// The types that an Any may hold: those of the schema, each compiled when it is first met.
pub(super) struct Registry {
    schema: Arc<Schema>,
    programs: Box<[OnceLock<Box<Program>>]>,
}

impl Registry {
    /// A registry for a program; empty where nothing in it is an Any.
    pub(super) fn new(schema: Arc<Schema>, program: &Program) -> Self {
        let n_messages = if program.has_any { schema.messages().count() } else { 0 };
        Self {
            schema,
            programs: (0..n_messages).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The program of the type with this full name.
    pub(super) fn program(&self, full_name: &str) -> Option<&Program> {
        let index = self.schema.find_message(full_name)?;
        let slot = self.programs.get(index.0 as usize)?;
        Some(slot.get_or_init(|| Box::new(Program::compile(&self.schema, index))))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("types", &self.programs.len())
            .finish_non_exhaustive()
    }
}
