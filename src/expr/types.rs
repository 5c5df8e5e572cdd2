//! The types of expressions (semantics.md 1.1), and how two of them join (1.3).

use std::fmt;
use std::sync::Arc;

use crate::codec::Selection;
use crate::schema::json_schema::{JsonTypeRef, Shape};
use crate::schema::{Cardinality, EnumRef, Field, Kind, MessageRef, Presence, WellKnown};

/// The type of an expression: a kind, and whether it may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// What the value is when it is not null.
    pub kind: TypeKind,
    /// May be null: `T?`. Always true for [`TypeKind::Any`] until narrowed or defaulted.
    pub nullable: bool,
}

/// What a value is when it is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// JSON of unknown shape: untyped HTTP replies, Struct, Value, `ListValue`. At run time always [`super::Value::Json`] or null.
    Any,
    /// `bool`.
    Bool,
    /// `bytes`.
    Bytes,
    /// `double`; `single` where it came from a `float` field and prints as one.
    Double {
        /// From a `float` field.
        single: bool,
    },
    /// google.protobuf.Duration.
    Duration,
    /// An enum of a schema. At run time its number, [`super::Value::Int`].
    Enum(EnumRef),
    /// Any proto integer, with the range it can hold.
    Int(IntRange),
    /// An object that a JSON Schema describes: at run time [`super::Value::Json`], an object. Members are read, and found to be what
    /// the schema says or not, when they are asked for.
    Json(JsonTypeRef),
    /// A list.
    List(Arc<Type>),
    /// A map: key type and value type.
    Map(Arc<(Type, Type)>),
    /// A message, as wire bytes. Never a wrapper, Timestamp, Duration, Struct, Value, `ListValue`, Any or Empty.
    Message(MessageRef),
    /// The literal null, before it joins with anything.
    Null,
    /// What a template makes. Also Empty, with no members.
    Object(Arc<Vec<ObjectMember>>),
    /// google.protobuf.Any, as wire bytes. The message is `google.protobuf.Any` in the schema of its backend.
    ProtoAny(MessageRef),
    /// What `pick` and `omit` leave of a message: still its wire bytes, of which only these fields are read and rendered. The
    /// members carry .proto names, stand in the message's order, and their types may be `Selected` in turn.
    Selected(MessageRef, Arc<Vec<ObjectMember>>),
    /// `string`.
    String,
    /// google.protobuf.Timestamp.
    Timestamp,
    /// The poison of a part that failed to check; agrees with everything.
    Unknown,
}

/// The integers that a proto field can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntRange {
    /// Smallest.
    pub min: i128,
    /// Largest.
    pub max: i128,
    /// *Wide*: 64-bit, so a JSON string by default (semantics.md 1.5).
    pub wide: bool,
}

/// A member of an object type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMember {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// `b?`: may be left out (`$if`).
    pub optional: bool,
}

impl IntRange {
    /// int32, sint32, sfixed32.
    pub const INT32: Self = Self {
        min: i32::MIN as i128,
        max: i32::MAX as i128,
        wide: false,
    };
    /// uint32, fixed32.
    pub const UINT32: Self = Self {
        min: 0,
        max: u32::MAX as i128,
        wide: false,
    };
    /// int64, sint64, sfixed64.
    pub const INT64: Self = Self {
        min: i64::MIN as i128,
        max: i64::MAX as i128,
        wide: true,
    };
    /// uint64, fixed64.
    pub const UINT64: Self = Self {
        min: 0,
        max: u64::MAX as i128,
        wide: true,
    };
    /// What `int(x)`, `size()` and literals are: 64 bits, but a JSON number.
    pub const PLAIN: Self = Self {
        min: i64::MIN as i128,
        max: i64::MAX as i128,
        wide: false,
    };

    /// The range that holds both; wide if either is.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            wide: self.wide || other.wide,
        }
    }

    /// What both hold; `None` where they share nothing. Wide only if both are.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
            wide: self.wide && other.wide,
        };
        (both.min <= both.max).then_some(both)
    }

    /// Whether a value lies in the range.
    pub fn contains(self, value: i128) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Whether every value of `other` lies in this range.
    pub fn includes(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }
}

impl ObjectMember {
    /// The members that a JSON Schema names.
    pub fn of_json(schema: &JsonTypeRef) -> Vec<Self> {
        let members = schema.members().iter().map(|it| Self {
            name: it.name.clone(),
            ty: Type::of_json(&schema.sibling(it.ty)),
            optional: !it.required,
        });
        members.collect()
    }

    /// Every field of a message, by its .proto name.
    pub fn all_of(message: &MessageRef) -> Vec<Self> {
        let fields = message.fields.iter().map(|it| Self {
            name: it.name.clone(),
            ty: Type::of_field(message, it),
            optional: false,
        });
        fields.collect()
    }
}

impl Type {
    /// A type that is never null.
    pub fn of(kind: TypeKind) -> Self {
        let nullable = matches!(kind, TypeKind::Any | TypeKind::Null);
        Self { kind, nullable }
    }

    /// The same type, null allowed.
    #[must_use]
    pub fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same type, null excluded.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The poison.
    pub fn unknown() -> Self {
        Self {
            kind: TypeKind::Unknown,
            nullable: false,
        }
    }

    /// The type of a message as a whole: well-known types become what they mean (Timestamp → `timestamp`, wrapper → `T?`, …).
    pub fn of_message(message: &MessageRef) -> Self {
        match message.well_known {
            None | Some(WellKnown::FieldMask) => Self::of(TypeKind::Message(message.clone())),
            Some(WellKnown::Any) => Self::of(TypeKind::ProtoAny(message.clone())),
            Some(WellKnown::Duration) => Self::of(TypeKind::Duration),
            Some(WellKnown::Empty) => Self::object(Vec::new()),
            Some(WellKnown::ListValue | WellKnown::Struct | WellKnown::Value) => Self::of(TypeKind::Any),
            Some(WellKnown::Timestamp) => Self::of(TypeKind::Timestamp),
            Some(WellKnown::BoolValue) => Self::of(TypeKind::Bool).or_null(),
            Some(WellKnown::BytesValue) => Self::of(TypeKind::Bytes).or_null(),
            Some(WellKnown::DoubleValue) => Self::of(TypeKind::Double { single: false }).or_null(),
            Some(WellKnown::FloatValue) => Self::of(TypeKind::Double { single: true }).or_null(),
            Some(WellKnown::Int32Value) => Self::of(TypeKind::Int(IntRange::INT32)).or_null(),
            Some(WellKnown::Int64Value) => Self::of(TypeKind::Int(IntRange::INT64)).or_null(),
            Some(WellKnown::StringValue) => Self::of(TypeKind::String).or_null(),
            Some(WellKnown::Uint32Value) => Self::of(TypeKind::Int(IntRange::UINT32)).or_null(),
            Some(WellKnown::Uint64Value) => Self::of(TypeKind::Int(IntRange::UINT64)).or_null(),
        }
    }

    /// The type of a path to `field` of `message` (which is not null): lists, maps, presence and all.
    pub fn of_field(message: &MessageRef, field: &Field) -> Self {
        match field.cardinality {
            Cardinality::Map(types) => Self::map(
                Self::of_element(message, types.key),
                Self::of_element(message, types.value),
            ),
            Cardinality::Repeated => Self::list(Self::of_element(message, field.kind)),
            Cardinality::Singular => {
                let element = Self::of_element(message, field.kind);
                match (field.presence, field.kind) {
                    (Presence::Required, _) => element,
                    (Presence::Explicit, _) | (_, Kind::Message(_)) => element.or_null(),
                    (Presence::Implicit, _) => element,
                }
            }
        }
    }

    /// The type of one value of `kind` that is there: an element, a map's key or value, the content of a field that is set.
    /// A wrapper that is there is not null; JSON of unknown shape may be.
    pub fn of_element(message: &MessageRef, kind: Kind) -> Self {
        let kind = match kind {
            Kind::Bool => TypeKind::Bool,
            Kind::Bytes => TypeKind::Bytes,
            Kind::Double => TypeKind::Double { single: false },
            Kind::Enum(index) => TypeKind::Enum(EnumRef::new(message.schema().clone(), index)),
            Kind::Float => TypeKind::Double { single: true },
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => TypeKind::Int(IntRange::INT32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => TypeKind::Int(IntRange::INT64),
            Kind::Message(index) => Self::of_message(&message.sibling(index)).kind,
            Kind::String => TypeKind::String,
            Kind::Uint32 | Kind::Fixed32 => TypeKind::Int(IntRange::UINT32),
            Kind::Uint64 | Kind::Fixed64 => TypeKind::Int(IntRange::UINT64),
        };
        Self::of(kind)
    }

    /// The type of values that a JSON Schema describes: null where it says so. Formats mean what they mean in protobuf's JSON:
    /// `date-time` is a timestamp, `byte` is bytes, `int64` as text is a wide integer; a number stays a JSON number.
    pub fn of_json(schema: &JsonTypeRef) -> Self {
        Self::of_json_within(schema, 0)
    }

    fn of_json_within(schema: &JsonTypeRef, depth: usize) -> Self {
        let below = |index| Self::of_json_within(&schema.sibling(index), depth + 1);
        let kind = match &schema.shape {
            // Lists of lists of themselves have no end.
            Shape::List(_) | Shape::Map(_) if depth > MAX_LISTS => TypeKind::Any,
            Shape::Any => TypeKind::Any,
            Shape::Bool => TypeKind::Bool,
            Shape::Bytes => TypeKind::Bytes,
            Shape::Integer { min, max, text } => TypeKind::Int(IntRange {
                min: *min,
                max: *max,
                wide: *text,
            }),
            Shape::List(element) => TypeKind::List(Arc::new(below(*element))),
            Shape::Map(value) => TypeKind::Map(Arc::new((Self::string(), below(*value)))),
            Shape::Number => TypeKind::Double { single: false },
            Shape::Object(_) => TypeKind::Json(schema.clone()),
            Shape::Text | Shape::Words(_) => TypeKind::String,
            Shape::Timestamp => TypeKind::Timestamp,
        };
        Self {
            kind,
            nullable: schema.nullable,
        }
    }

    /// JSON of unknown shape, null included.
    pub fn any() -> Self {
        Self::of(TypeKind::Any)
    }

    /// `bool`.
    pub fn bool() -> Self {
        Self::of(TypeKind::Bool)
    }

    /// `double`.
    pub fn double() -> Self {
        Self::of(TypeKind::Double { single: false })
    }

    /// What `int(x)`, `size()` and literals are.
    pub fn int() -> Self {
        Self::of(TypeKind::Int(IntRange::PLAIN))
    }

    /// `string`.
    pub fn string() -> Self {
        Self::of(TypeKind::String)
    }

    /// The literal null.
    pub fn null() -> Self {
        Self::of(TypeKind::Null)
    }

    /// A list of `element`.
    pub fn list(element: Self) -> Self {
        Self::of(TypeKind::List(Arc::new(element)))
    }

    /// A map.
    pub fn map(key: Self, value: Self) -> Self {
        Self::of(TypeKind::Map(Arc::new((key, value))))
    }

    /// An object with these members, in written order.
    pub fn object(members: Vec<ObjectMember>) -> Self {
        Self::of(TypeKind::Object(Arc::new(members)))
    }

    /// The type of the elements of a list.
    pub fn element(&self) -> Option<&Self> {
        match &self.kind {
            TypeKind::List(element) => Some(element),
            _ => None,
        }
    }

    /// The types of a map's keys and values.
    pub fn entry(&self) -> Option<(&Self, &Self)> {
        match &self.kind {
            TypeKind::Map(entry) => Some((&entry.0, &entry.1)),
            _ => None,
        }
    }

    /// What is left of `message`: these fields, with what is left of each.
    pub fn selected(message: &MessageRef, members: Vec<ObjectMember>) -> Self {
        Self::of(TypeKind::Selected(message.clone(), Arc::new(members)))
    }

    /// Which fields are left of the messages in values of this type; everything, where nothing was picked or omitted.
    pub fn selection(&self) -> Selection {
        match &self.kind {
            TypeKind::List(element) => element.selection(),
            TypeKind::Map(entry) => entry.1.selection(),
            TypeKind::Selected(_, members) => {
                Selection::Only(members.iter().map(|it| (it.name.clone(), it.ty.selection())).collect())
            }
            _ => Selection::All,
        }
    }

    /// The members of an object, or those that are left of a message.
    pub fn members(&self) -> Option<&[ObjectMember]> {
        match &self.kind {
            TypeKind::Object(members) | TypeKind::Selected(_, members) => Some(members),
            _ => None,
        }
    }

    /// The member of [`Self::members`] with this name.
    pub fn member(&self, name: &str) -> Option<&ObjectMember> {
        self.members()?.iter().find(|it| &*it.name == name)
    }

    /// The range of an integer.
    pub fn int_range(&self) -> Option<IntRange> {
        match self.kind {
            TypeKind::Int(range) => Some(range),
            _ => None,
        }
    }

    /// True for the poison.
    pub fn is_unknown(&self) -> bool {
        matches!(self.kind, TypeKind::Unknown)
    }

    /// True for JSON of unknown shape.
    pub fn is_any(&self) -> bool {
        matches!(self.kind, TypeKind::Any)
    }

    /// True for `int` and `double`.
    pub fn is_numeric(&self) -> bool {
        matches!(self.kind, TypeKind::Int(_) | TypeKind::Double { .. })
    }

    /// True for what text can hold (semantics.md 2.3): all that is neither bytes nor made of parts.
    pub fn is_scalar(&self) -> bool {
        matches!(
            self.kind,
            TypeKind::Bool
                | TypeKind::Double { .. }
                | TypeKind::Duration
                | TypeKind::Enum(_)
                | TypeKind::Int(_)
                | TypeKind::String
                | TypeKind::Timestamp
        )
    }

    /// The join of two types (semantics.md 1.3); `None` is `mixed-types`. Literals adapt before they are joined, so that an
    /// int literal beside a double is a double by then. Where the join is `any` and a side is not, that side's values are to be
    /// turned into JSON.
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self.is_unknown() || other.is_unknown() {
            return Some(Self::unknown());
        }
        if self.is_any() || other.is_any() {
            return Some(Self {
                kind: TypeKind::Any,
                nullable: self.nullable || other.nullable,
            });
        }
        self.join_alike(other)
    }

    /// The join of types whose values look the same at run time, so that nothing has to be converted within lists and maps.
    fn join_alike(&self, other: &Self) -> Option<Self> {
        let nullable = self.nullable || other.nullable;
        let kind = match (&self.kind, &other.kind) {
            // The elements of an empty list literal are of no type yet.
            (TypeKind::Null | TypeKind::Unknown, kind) | (kind, TypeKind::Null | TypeKind::Unknown) => kind.clone(),
            (TypeKind::Int(a), TypeKind::Int(b)) => TypeKind::Int(a.union(*b)),
            (TypeKind::Double { single: a }, TypeKind::Double { single: b }) => TypeKind::Double { single: *a && *b },
            (TypeKind::List(a), TypeKind::List(b)) => TypeKind::List(Arc::new(a.join_alike(b)?)),
            (TypeKind::Map(a), TypeKind::Map(b)) => {
                TypeKind::Map(Arc::new((a.0.join_alike(&b.0)?, a.1.join_alike(&b.1)?)))
            }
            (TypeKind::Object(a), TypeKind::Object(b)) => {
                if a.len() != b.len() {
                    return None;
                }
                let members = a.iter().zip(b.iter()).map(|(a, b)| {
                    (a.name == b.name).then_some(())?;
                    Some(ObjectMember {
                        name: a.name.clone(),
                        ty: a.ty.join_alike(&b.ty)?,
                        optional: a.optional || b.optional,
                    })
                });
                TypeKind::Object(Arc::new(members.collect::<Option<_>>()?))
            }
            (a, b) if a == b => a.clone(),
            _ => return None,
        };
        Some(Self { kind, nullable })
    }
}

impl fmt::Display for Type {
    /// As messages show it: `string?`, `list<shop.Product>`, `object {a: int}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // These include null already.
            TypeKind::Any => return f.write_str("any"),
            TypeKind::Null => return f.write_str("null"),
            TypeKind::Bool => f.write_str("bool")?,
            TypeKind::Bytes => f.write_str("bytes")?,
            TypeKind::Double { .. } => f.write_str("double")?,
            TypeKind::Duration => f.write_str("duration")?,
            TypeKind::Enum(it) => f.write_str(&it.full_name)?,
            TypeKind::Int(_) => f.write_str("int")?,
            TypeKind::Json(it) => write!(f, "{it}")?,
            TypeKind::List(element) => write!(f, "list<{element}>")?,
            TypeKind::Map(entry) => write!(f, "map<{}, {}>", entry.0, entry.1)?,
            TypeKind::Message(it) | TypeKind::ProtoAny(it) => f.write_str(&it.full_name)?,
            TypeKind::Object(members) | TypeKind::Selected(_, members) => {
                // Long objects are cut, so that a message stays one line.
                f.write_str("object {")?;
                for (at, member) in members.iter().enumerate() {
                    let separator = if at == 0 { "" } else { ", " };
                    if at == MEMBERS_SHOWN {
                        write!(f, "{separator}…")?;
                        break;
                    }
                    let mark = if member.optional { "?" } else { "" };
                    write!(f, "{separator}{}{mark}: {}", member.name, member.ty)?;
                }
                f.write_str("}")?;
            }
            TypeKind::String => f.write_str("string")?,
            TypeKind::Timestamp => f.write_str("timestamp")?,
            TypeKind::Unknown => f.write_str("unknown")?,
        }
        if self.nullable { f.write_str("?") } else { Ok(()) }
    }
}

/// How deep lists and maps of a JSON Schema are followed.
const MAX_LISTS: usize = 16;

/// How many members of an object type a message names.
const MEMBERS_SHOWN: usize = 6;

#[cfg(test)]
mod tests;
