//! The types of expressions (semantics.md 1.1), and how two of them join (1.3).

use std::fmt;
use std::sync::Arc;

use crate::schema::{EnumRef, Field, MessageRef};

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
    /// JSON of unknown shape: untyped HTTP replies, Struct, Value, ListValue. At run time always [`super::Value::Json`] or null.
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
    /// A list.
    List(Arc<Type>),
    /// A map: key type and value type.
    Map(Arc<(Type, Type)>),
    /// A message, as wire bytes. Never a wrapper, Timestamp, Duration, Struct, Value, ListValue, Any or Empty.
    Message(MessageRef),
    /// The literal null, before it joins with anything.
    Null,
    /// What a template makes. Also Empty, with no members.
    Object(Arc<Vec<ObjectMember>>),
    /// google.protobuf.Any, as wire bytes. The message is `google.protobuf.Any` in the schema of its backend.
    ProtoAny(MessageRef),
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
        let _ = message;
        todo!()
    }

    /// The type of a path to `field` of `message` (which is not null): lists, maps, presence and all.
    pub fn of_field(message: &MessageRef, field: &Field) -> Self {
        let _ = (message, field);
        todo!()
    }

    /// The join of two types (semantics.md 1.3); `None` is `mixed-types`.
    pub fn join(&self, other: &Self) -> Option<Self> {
        let _ = other;
        todo!()
    }
}

impl fmt::Display for Type {
    /// As messages show it: `string?`, `list<shop.Product>`, `object {a: int}`.
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
