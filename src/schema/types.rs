//! The schema model: messages, enums, services, as plain immutable data.
//!
//! Facts, not descriptors: presence, packing, UTF-8 rules and encodings are resolved when the model is built
//! (`schema::build`), so that nobody asks again which syntax or edition a file was written in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// All types and services of one backend.
#[derive(Default)]
pub struct Schema {
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) services: Vec<Service>,
    pub(crate) message_by_name: HashMap<Arc<str>, MessageIndex>,
    pub(crate) enum_by_name: HashMap<Arc<str>, EnumIndex>,
    pub(crate) service_by_name: HashMap<Arc<str>, usize>,
    /// Digest of the descriptors that the schema was built from; equal digests mean equal schemas.
    pub(crate) fingerprint: [u8; 32],
}

/// Names a message within its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageIndex(pub(crate) u32);

/// Names an enum within its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumIndex(pub(crate) u32);

/// Where something was declared, for messages: `descriptors/shop.proto:98`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The file as the user knows it; empty where unknown.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the descriptors carry no source information.
    pub line: u32,
}

/// A message type.
#[derive(Debug)]
pub struct Message {
    /// Full name without a leading dot: `shop.v1.Product`.
    pub full_name: Arc<str>,
    /// Fields and known extensions, in ascending field number.
    pub fields: Vec<Field>,
    /// Names of the oneofs; synthetic ones (`optional`) are not among them.
    pub oneofs: Vec<Arc<str>>,
    /// The types that JSON treats specially.
    pub well_known: Option<WellKnown>,
    /// True for the entry type of a map field.
    pub map_entry: bool,
    /// The old `message_set_wire_format` encoding.
    pub message_set: bool,
    /// Where it was declared.
    pub place: Place,
    /// Leading comment of the declaration, for generated documentation.
    pub comment: Option<Arc<str>>,
    pub(crate) by_name: HashMap<Arc<str>, usize>,
    pub(crate) by_json_name: HashMap<Arc<str>, usize>,
}

/// A field or extension of a message.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as protobuf has them")]
pub struct Field {
    /// Name in the .proto file; for an extension its full name in brackets, `[pkg.ext]`.
    pub name: Arc<str>,
    /// Name in canonical JSON; for an extension the same as `name`.
    pub json_name: Arc<str>,
    /// Field number.
    pub number: u32,
    /// Type of one value.
    pub kind: Kind,
    /// One, many, or a map.
    pub cardinality: Cardinality,
    /// Whether a singular field can be told apart from its default.
    pub presence: Presence,
    /// Repeated scalars are written packed.
    pub packed: bool,
    /// Strings are checked to be UTF-8.
    pub utf8: bool,
    /// Sub-messages are written as groups (proto2 groups, DELIMITED in editions).
    pub delimited: bool,
    /// Index into [`Message::oneofs`].
    pub oneof: Option<usize>,
    /// proto2 and editions default, as text of the .proto file.
    pub default: Option<Arc<str>>,
    /// From `google.api.field_behavior`.
    pub behavior: Behavior,
    /// `deprecated = true`.
    pub deprecated: bool,
    /// Leading comment of the declaration.
    pub comment: Option<Arc<str>>,
    /// Where it was declared.
    pub place: Place,
}

/// What `google.api.field_behavior` says of a field, as far as a gateway cares (AIP-203).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behavior {
    /// REQUIRED.
    pub required: bool,
    /// `OUTPUT_ONLY`.
    pub output_only: bool,
    /// `INPUT_ONLY`.
    pub input_only: bool,
}

/// The type of one value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are protobuf's own")]
pub enum Kind {
    Bool,
    Bytes,
    Double,
    Enum(EnumIndex),
    Fixed32,
    Fixed64,
    Float,
    Int32,
    Int64,
    Message(MessageIndex),
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    String,
    Uint32,
    Uint64,
}

/// One value, many, or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// A map; [`Field::kind`] is the entry message, and these are the types of key and value.
    Map(MapTypes),
    /// A list.
    Repeated,
    /// One value at most.
    Singular,
}

/// Key and value of a map field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapTypes {
    /// An integer, bool or string kind.
    pub key: Kind,
    /// Any kind but a map.
    pub value: Kind,
    /// Keys and values that are strings are checked to be UTF-8.
    pub utf8: bool,
}

/// Whether a singular field can be told apart from its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Unset is different from the default: messages, `optional`, oneof members, proto2 optional, edition EXPLICIT.
    Explicit,
    /// Unset is the default: plain proto3 scalars; also given to repeated and map fields.
    Implicit,
    /// proto2 `required`, edition `LEGACY_REQUIRED`.
    Required,
}

/// Messages of google.protobuf with a JSON form of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are protobuf's own")]
pub enum WellKnown {
    Any,
    BoolValue,
    BytesValue,
    DoubleValue,
    Duration,
    Empty,
    FieldMask,
    FloatValue,
    Int32Value,
    Int64Value,
    ListValue,
    StringValue,
    Struct,
    Timestamp,
    Uint32Value,
    Uint64Value,
    Value,
}

impl WellKnown {
    /// True for the wrapper types, whose JSON is their `value` field's or null.
    pub fn is_wrapper(self) -> bool {
        matches!(
            self,
            Self::BoolValue
                | Self::BytesValue
                | Self::DoubleValue
                | Self::FloatValue
                | Self::Int32Value
                | Self::Int64Value
                | Self::StringValue
                | Self::Uint32Value
                | Self::Uint64Value
        )
    }
}

/// An enum type.
#[derive(Debug)]
pub struct Enum {
    /// Full name without a leading dot.
    pub full_name: Arc<str>,
    /// Values in order of declaration; aliases included.
    pub values: Vec<EnumValue>,
    /// Closed enums (proto2, edition CLOSED) treat unknown numbers as unknown fields.
    pub closed: bool,
    /// google.protobuf.NullValue, whose JSON is null.
    pub null_value: bool,
    /// Where it was declared.
    pub place: Place,
    /// Leading comment of the declaration.
    pub comment: Option<Arc<str>>,
    pub(crate) by_name: HashMap<Arc<str>, usize>,
    pub(crate) by_number: HashMap<i32, usize>,
}

/// One value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    /// Name as declared: `PRODUCT_STATUS_ACTIVE`.
    pub name: Arc<str>,
    /// Number.
    pub number: i32,
    /// Leading comment of the declaration.
    pub comment: Option<Arc<str>>,
}

/// A gRPC service.
#[derive(Debug)]
pub struct Service {
    /// Full name: `shop.v1.Catalog`.
    pub full_name: Arc<str>,
    /// Methods in order of declaration.
    pub methods: Vec<Method>,
    /// Where it was declared.
    pub place: Place,
    /// Leading comment of the declaration.
    pub comment: Option<Arc<str>>,
}

/// A method of a gRPC service.
#[derive(Debug)]
pub struct Method {
    /// Name within its service: `GetProduct`.
    pub name: Arc<str>,
    /// `/shop.v1.Catalog/GetProduct`.
    pub path: Arc<str>,
    /// Request type.
    pub input: MessageIndex,
    /// Reply type.
    pub output: MessageIndex,
    /// Which sides stream.
    pub streaming: Streaming,
    /// google.api.http, with its additional bindings flattened behind it.
    pub http: Vec<super::http_rule::HttpRule>,
    /// `idempotency_level = NO_SIDE_EFFECTS`.
    pub no_side_effects: bool,
    /// `idempotency_level = IDEMPOTENT` or `NO_SIDE_EFFECTS`.
    pub idempotent: bool,
    /// `deprecated = true`.
    pub deprecated: bool,
    /// Where it was declared.
    pub place: Place,
    /// Leading comment of the declaration.
    pub comment: Option<Arc<str>>,
}

/// Which sides of a method stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streaming {
    /// Both sides.
    Both,
    /// The client sends many.
    Client,
    /// The server sends many.
    Server,
    /// Neither.
    Unary,
}

// === impl Schema ===

impl Schema {
    /// The message behind an index of this schema.
    pub fn message(&self, index: MessageIndex) -> &Message {
        &self.messages[index.0 as usize]
    }

    /// The enum behind an index of this schema.
    pub fn enumeration(&self, index: EnumIndex) -> &Enum {
        &self.enums[index.0 as usize]
    }

    /// Finds a message by its full name, without a leading dot.
    pub fn find_message(&self, full_name: &str) -> Option<MessageIndex> {
        self.message_by_name.get(full_name).copied()
    }

    /// Finds an enum by its full name, without a leading dot.
    pub fn find_enum(&self, full_name: &str) -> Option<EnumIndex> {
        self.enum_by_name.get(full_name).copied()
    }

    /// Finds a service by its full name.
    pub fn find_service(&self, full_name: &str) -> Option<&Service> {
        self.service_by_name.get(full_name).map(|&at| &self.services[at])
    }

    /// All services, sorted by name.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// All messages; map entries are among them.
    pub fn messages(&self) -> impl Iterator<Item = (MessageIndex, &Message)> {
        self.messages
            .iter()
            .enumerate()
            .map(|(at, it)| (MessageIndex(u32::try_from(at).unwrap_or(u32::MAX)), it))
    }

    /// Equal fingerprints mean equal schemas.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("messages", &self.messages.len())
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}

// === impl Message ===

impl Message {
    /// The field with this .proto name (an extension: `[pkg.ext]`).
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|&at| &self.fields[at])
    }

    /// The field with this JSON name.
    pub fn field_by_json_name(&self, json_name: &str) -> Option<&Field> {
        self.by_json_name.get(json_name).map(|&at| &self.fields[at])
    }

    /// The field with this number.
    pub fn field_by_number(&self, number: u32) -> Option<&Field> {
        self.fields
            .binary_search_by_key(&number, |it| it.number)
            .ok()
            .map(|at| &self.fields[at])
    }
}

// === impl Enum ===

impl Enum {
    /// The number of a value's name.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).map(|&at| self.values[at].number)
    }

    /// The first name declared for a number.
    pub fn name(&self, number: i32) -> Option<&str> {
        self.by_number.get(&number).map(|&at| &*self.values[at].name)
    }
}

// === impl MessageRef ===

/// A message together with the schema it belongs to. Equal when the full names are.
#[derive(Clone)]
pub struct MessageRef {
    schema: Arc<Schema>,
    index: MessageIndex,
}

impl MessageRef {
    /// Binds an index to its schema.
    pub fn new(schema: Arc<Schema>, index: MessageIndex) -> Self {
        Self { schema, index }
    }

    /// The schema that the message belongs to.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The index within that schema.
    pub fn index(&self) -> MessageIndex {
        self.index
    }

    /// Another message of the same schema.
    #[must_use]
    pub fn sibling(&self, index: MessageIndex) -> Self {
        Self {
            schema: self.schema.clone(),
            index,
        }
    }
}

impl std::ops::Deref for MessageRef {
    type Target = Message;

    fn deref(&self) -> &Message {
        self.schema.message(self.index)
    }
}

impl PartialEq for MessageRef {
    fn eq(&self, other: &Self) -> bool {
        self.full_name == other.full_name
    }
}

impl Eq for MessageRef {}

impl fmt::Debug for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name)
    }
}

// === impl EnumRef ===

/// An enum together with the schema it belongs to. Equal when the full names are.
#[derive(Clone)]
pub struct EnumRef {
    schema: Arc<Schema>,
    index: EnumIndex,
}

impl EnumRef {
    /// Binds an index to its schema.
    pub fn new(schema: Arc<Schema>, index: EnumIndex) -> Self {
        Self { schema, index }
    }

    /// The schema that the enum belongs to.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The index within that schema.
    pub fn index(&self) -> EnumIndex {
        self.index
    }
}

impl std::ops::Deref for EnumRef {
    type Target = Enum;

    fn deref(&self) -> &Enum {
        self.schema.enumeration(self.index)
    }
}

impl PartialEq for EnumRef {
    fn eq(&self, other: &Self) -> bool {
        self.full_name == other.full_name
    }
}

impl Eq for EnumRef {}

impl fmt::Debug for EnumRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name)
    }
}
