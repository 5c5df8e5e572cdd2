//! Random message types in every syntax and edition, and random messages of them on a scrambled wire.
//!
//! A case is a seed. Fields come in any order, again and again, packed and not, messages in several parts, with unknown
//! fields and wire types that do not fit in between: all that a parser must bear.

use std::sync::LazyLock;

use prost::Message as _;
use weft::codec::wire::{self, RawValue, WireType};
use weft::schema::descriptor::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumType, EnumValueDescriptorProto, ExtensionRange, FeatureSet,
    FieldDescriptorProto, FieldOptions, FieldPresence, FileDescriptorProto, FileDescriptorSet, FileOptions, Label,
    MessageEncoding, MessageOptions, OneofDescriptorProto, RepeatedFieldEncoding, Type, Utf8Validation,
};
use weft::schema::well_known;

use crate::wire_to_json::Random;

/// The messages of google.protobuf that fields may have.
const WELL_KNOWN: [&str; 14] = [
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "Struct",
    "Value",
    "ListValue",
    "Timestamp",
    "BoolValue",
    "DoubleValue",
    "Int64Value",
    "StringValue",
    "BytesValue",
    "UInt32Value",
];

/// Scalars; enums and messages come besides.
const SCALARS: [Type; 15] = [
    Type::Double,
    Type::Float,
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];

const KEYS: [Type; 6] = [
    Type::String,
    Type::Int32,
    Type::Uint64,
    Type::Sint64,
    Type::Fixed32,
    Type::Bool,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Proto2,
    Proto3,
    Edition(i32),
}

/// Types that were made up together.
pub(crate) struct Types {
    /// A `FileDescriptorSet` with its imports.
    pub(crate) descriptors: Vec<u8>,
    /// Every string is checked to be UTF-8.
    pub(crate) proto3: bool,
    messages: Vec<Vec<Field>>,
    enums: Vec<Vec<i32>>,
}

#[derive(Clone)]
struct Field {
    number: u32,
    value: Kind,
    many: Many,
    group: bool,
}

impl Field {
    fn is_message(&self) -> bool {
        matches!(self.value, Kind::Message(_) | Kind::WellKnown(_)) || matches!(self.many, Many::Map(_))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Many {
    List,
    Map(Type),
    One,
}

#[derive(Clone, Copy)]
enum Kind {
    Enum(usize),
    Message(usize),
    Scalar(Type),
    WellKnown(&'static str),
}

// === Types ===

struct Maker<'r> {
    random: &'r mut Random,
    syntax: Syntax,
    n_messages: usize,
    closed: Vec<bool>,
    /// What the file says of messages.
    delimited: bool,
    enums: Vec<Vec<i32>>,
}

/// The full name of the message that cases are of.
pub(crate) const ROOT: &str = "random.M0";

impl Types {
    pub(crate) fn new(random: &mut Random) -> Self {
        let syntax = *random.pick(&[
            Syntax::Proto2,
            Syntax::Proto3,
            Syntax::Edition(1000),
            Syntax::Edition(1001),
        ]);
        let features = matches!(syntax, Syntax::Edition(_))
            .then(|| features(random, &["presence", "enum", "packed", "delimited"]));
        let n_messages = 1 + random.below(4);
        let mut maker = Maker {
            syntax,
            n_messages,
            closed: Vec::new(),
            delimited: features
                .as_ref()
                .is_some_and(|it| it.message_encoding() == MessageEncoding::Delimited),
            enums: Vec::new(),
            random,
        };
        let enum_type = (0..2).map(|at| maker.enumeration(at, features.as_ref())).collect();
        let implicit = features
            .as_ref()
            .is_some_and(|it| it.field_presence() == FieldPresence::Implicit);
        let mut messages = Vec::new();
        let mut message_type: Vec<DescriptorProto> = Vec::new();
        for at in 0..n_messages {
            let (fields, descriptor) = maker.message(at, implicit);
            messages.push(fields);
            message_type.push(descriptor);
        }
        let mut extension = Vec::new();
        if syntax != Syntax::Proto3 && !implicit {
            message_type[0].extension_range.push(ExtensionRange {
                start: Some(1000),
                end: Some(1100),
            });
            for at in 0..maker.random.below(3) {
                let number = 1000 + i32::try_from(at).unwrap();
                let (field, mut descriptor) = maker.field(number, &format!("ext_{at}"), Place::Extension);
                descriptor.extendee = Some(format!(".{ROOT}"));
                // What compilers write for extensions.
                descriptor.json_name = Some(camel(descriptor.name()));
                messages[0].push(field);
                extension.push(descriptor);
            }
        }
        let file = FileDescriptorProto {
            name: Some("random.proto".to_owned()),
            package: Some("random".to_owned()),
            dependency: imports().map(|it| it.name.unwrap_or_default()).collect(),
            message_type,
            enum_type,
            extension,
            options: features.map(|it| FileOptions { features: Some(it) }),
            syntax: match syntax {
                Syntax::Proto2 => None,
                Syntax::Proto3 => Some("proto3".to_owned()),
                Syntax::Edition(_) => Some("editions".to_owned()),
            },
            edition: match syntax {
                Syntax::Edition(edition) => Some(edition),
                _ => None,
            },
            ..FileDescriptorProto::default()
        };
        let set = FileDescriptorSet {
            file: imports().chain([file]).collect(),
        };
        Self {
            descriptors: set.encode_to_vec(),
            proto3: syntax == Syntax::Proto3,
            messages,
            enums: maker.enums,
        }
    }
}

/// The files of google.protobuf that types of here use.
pub(crate) fn imports() -> impl Iterator<Item = FileDescriptorProto> {
    static IMPORTS: LazyLock<Vec<FileDescriptorProto>> = LazyLock::new(|| {
        let names = [
            "any",
            "duration",
            "empty",
            "field_mask",
            "struct",
            "timestamp",
            "wrappers",
        ];
        let names = names.map(|it| format!("google/protobuf/{it}.proto"));
        let mut files = well_known::set().file;
        files.retain(|it| names.iter().any(|name| name == it.name()));
        files
    });
    IMPORTS.iter().cloned()
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for it in name.chars() {
        match it {
            '_' => upper = true,
            it if upper => {
                out.extend(it.to_uppercase());
                upper = false;
            }
            it => out.push(it),
        }
    }
    out
}

/// Random features, of those that may be set where they are asked for.
fn features(random: &mut Random, which: &[&str]) -> FeatureSet {
    let mut set = FeatureSet::default();
    for which in which {
        if random.one_in(2) {
            continue;
        }
        let first = random.one_in(2);
        match *which {
            "presence" => set.set_field_presence(if first {
                FieldPresence::Explicit
            } else {
                FieldPresence::Implicit
            }),
            "enum" => set.set_enum_type(if first { EnumType::Open } else { EnumType::Closed }),
            "packed" => set.set_repeated_field_encoding(if first {
                RepeatedFieldEncoding::Packed
            } else {
                RepeatedFieldEncoding::Expanded
            }),
            "utf8" => set.set_utf8_validation(if first {
                Utf8Validation::Verify
            } else {
                Utf8Validation::None
            }),
            _ => set.set_message_encoding(if first {
                MessageEncoding::LengthPrefixed
            } else {
                MessageEncoding::Delimited
            }),
        }
    }
    set
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Extension,
    /// Presence is implicit where the field says nothing else.
    Message {
        implicit: bool,
    },
    Oneof,
}

impl Maker<'_> {
    fn edition(&self) -> bool {
        matches!(self.syntax, Syntax::Edition(_))
    }

    fn enumeration(&mut self, at: usize, file: Option<&FeatureSet>) -> EnumDescriptorProto {
        let own = self.edition().then(|| features(self.random, &["enum"]));
        let said = [own.as_ref(), file].into_iter().flatten().map(FeatureSet::enum_type);
        let said = said.into_iter().find(|it| *it != EnumType::Unknown);
        let closed = match self.syntax {
            Syntax::Proto2 => true,
            Syntax::Proto3 => false,
            Syntax::Edition(_) => said == Some(EnumType::Closed),
        };
        let mut numbers: Vec<i32> = vec![if closed && self.random.one_in(3) { 5 } else { 0 }];
        for _ in 0..self.random.below(4) {
            let number = match self.random.below(3) {
                0 => -1 - i32::try_from(self.random.below(9)).unwrap(),
                1 => i32::MAX,
                _ => 1 + i32::try_from(self.random.below(4)).unwrap(),
            };
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let value = numbers.iter().enumerate();
        let value = value.map(|(i, number)| EnumValueDescriptorProto {
            name: Some(format!("E{at}_V{i}")),
            number: Some(*number),
        });
        let descriptor = EnumDescriptorProto {
            name: Some(format!("E{at}")),
            value: value.collect(),
            options: own.map(|it| EnumOptions {
                features: Some(it),
                ..EnumOptions::default()
            }),
        };
        self.closed.push(closed);
        self.enums.push(numbers);
        descriptor
    }

    fn message(&mut self, at: usize, implicit: bool) -> (Vec<Field>, DescriptorProto) {
        let mut fields: Vec<Field> = Vec::new();
        let mut descriptor = DescriptorProto {
            name: Some(format!("M{at}")),
            ..DescriptorProto::default()
        };
        for i in 0..3 + self.random.below(12) {
            let number = match self.random.below(5) {
                0 => 16 + self.random.below(300),
                1 if self.random.one_in(4) => (1 << 29) - 1 - self.random.below(9),
                _ => 1 + self.random.below(20),
            };
            let number = i32::try_from(number).unwrap();
            if fields.iter().any(|it| it.number.cast_signed() == number) {
                continue;
            }
            let name = format!("field_{}{i}", ["", "x_", "X"][self.random.below(3)]);
            let in_oneof = self.random.one_in(5);
            let place = if in_oneof {
                Place::Oneof
            } else {
                Place::Message { implicit }
            };
            if !in_oneof && self.random.one_in(6) {
                let (field, field_descriptor, entry) = self.map(number, &name, at);
                fields.push(field);
                descriptor.field.push(field_descriptor);
                descriptor.nested_type.push(entry);
                continue;
            }
            let (field, mut field_descriptor) = self.field(number, &name, place);
            if in_oneof {
                field_descriptor.oneof_index = Some(0);
            }
            fields.push(field);
            descriptor.field.push(field_descriptor);
        }
        let one = |name: String| OneofDescriptorProto {
            name: Some(name),
            options: None,
        };
        if descriptor.field.iter().any(|it| it.oneof_index == Some(0)) {
            descriptor.oneof_decl.push(one("choice".to_owned()));
        }
        // Each `optional` of proto3 is alone in a oneof, behind all others.
        for field in descriptor.field.iter_mut().filter(|it| it.proto3_optional()) {
            field.oneof_index = Some(i32::try_from(descriptor.oneof_decl.len()).unwrap());
            descriptor.oneof_decl.push(one(format!("_{}", field.name())));
        }
        (fields, descriptor)
    }

    fn kind(&mut self) -> Kind {
        match self.random.below(8) {
            0 | 1 => Kind::Message(self.random.below(self.n_messages)),
            2 => Kind::Enum(self.random.below(2)),
            3 => Kind::WellKnown(self.random.pick::<&'static str>(&WELL_KNOWN)),
            _ => Kind::Scalar(*self.random.pick(&SCALARS)),
        }
    }

    fn field(&mut self, number: i32, name: &str, place: Place) -> (Field, FieldDescriptorProto) {
        let value = self.kind();
        let list = place != Place::Oneof && self.random.one_in(3);
        let mut descriptor = FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            json_name: Some(if place != Place::Extension && self.random.one_in(8) {
                format!("{name} \"é/~")
            } else {
                camel(name)
            }),
            ..FieldDescriptorProto::default()
        };
        describe(&mut descriptor, value);
        descriptor.set_label(if list { Label::Repeated } else { Label::Optional });
        let is_message = matches!(value, Kind::Message(_) | Kind::WellKnown(_));
        let packable = list
            && matches!(value, Kind::Enum(_) | Kind::Scalar(_))
            && !matches!(value, Kind::Scalar(Type::String | Type::Bytes));
        let mut group = self.delimited && is_message;
        if self.edition() {
            let mut which = Vec::new();
            if packable {
                which.push("packed");
            }
            if is_message {
                which.push("delimited");
            }
            if matches!(value, Kind::Scalar(Type::String)) {
                which.push("utf8");
            }
            if matches!(place, Place::Message { .. }) && !list && !is_message {
                which.push("presence");
            }
            let mut set = features(self.random, &which);
            // An enum without presence must be open.
            let implicit = match set.field_presence() {
                FieldPresence::Unknown => place == Place::Message { implicit: true },
                said => said == FieldPresence::Implicit,
            };
            if !list && implicit && matches!(value, Kind::Enum(at) if self.closed[at]) {
                set.set_field_presence(FieldPresence::Explicit);
            }
            match set.message_encoding() {
                MessageEncoding::Unknown => {}
                said => group = said == MessageEncoding::Delimited,
            }
            descriptor.options = Some(FieldOptions {
                features: Some(set),
                ..FieldOptions::default()
            });
        } else {
            if packable && self.random.one_in(2) {
                let packed = Some(self.random.one_in(2));
                descriptor.options = Some(FieldOptions {
                    packed,
                    ..FieldOptions::default()
                });
            }
            if self.syntax == Syntax::Proto3 && !list && place != Place::Oneof && self.random.one_in(3) {
                descriptor.proto3_optional = Some(true);
            }
            if self.syntax == Syntax::Proto2 && matches!(value, Kind::Message(_)) && self.random.one_in(3) {
                descriptor.set_type(Type::Group);
                group = true;
            }
        }
        let many = if list { Many::List } else { Many::One };
        let field = Field {
            number: number.cast_unsigned(),
            value,
            many,
            group,
        };
        (field, descriptor)
    }

    fn map(&mut self, number: i32, name: &str, at: usize) -> (Field, FieldDescriptorProto, DescriptorProto) {
        let key = *self.random.pick(&KEYS);
        let value = match self.kind() {
            // The first value of an enum in a map must be zero.
            Kind::Enum(at) if self.enums[at][0] != 0 => Kind::Scalar(Type::Sint32),
            value => value,
        };
        let entry_name = format!("Field{}Entry", &camel(name)["field".len()..]);
        let part = |name: &str, number, kind| {
            let mut part = FieldDescriptorProto {
                name: Some(name.to_owned()),
                number: Some(number),
                json_name: Some(name.to_owned()),
                ..FieldDescriptorProto::default()
            };
            describe(&mut part, kind);
            part.set_label(Label::Optional);
            part
        };
        let entry = DescriptorProto {
            name: Some(entry_name.clone()),
            field: vec![part("key", 1, Kind::Scalar(key)), part("value", 2, value)],
            options: Some(MessageOptions {
                map_entry: Some(true),
                ..MessageOptions::default()
            }),
            ..DescriptorProto::default()
        };
        let mut descriptor = FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            json_name: Some(camel(name)),
            type_name: Some(format!(".random.M{at}.{entry_name}")),
            ..FieldDescriptorProto::default()
        };
        descriptor.set_type(Type::Message);
        descriptor.set_label(Label::Repeated);
        let field = Field {
            number: number.cast_unsigned(),
            value,
            many: Many::Map(key),
            group: false,
        };
        (field, descriptor, entry)
    }
}

fn describe(descriptor: &mut FieldDescriptorProto, kind: Kind) {
    match kind {
        Kind::Enum(at) => {
            descriptor.set_type(Type::Enum);
            descriptor.type_name = Some(format!(".random.E{at}"));
        }
        Kind::Message(at) => {
            descriptor.set_type(Type::Message);
            descriptor.type_name = Some(format!(".random.M{at}"));
        }
        Kind::Scalar(kind) => descriptor.set_type(kind),
        Kind::WellKnown(name) => {
            descriptor.set_type(Type::Message);
            descriptor.type_name = Some(format!(".google.protobuf.{name}"));
        }
    }
}

// === Messages ===

impl Types {
    /// The wire bytes of a message of type [`ROOT`].
    pub(crate) fn message(&self, random: &mut Random) -> Vec<u8> {
        self.of(random, 0, 0)
    }

    fn has_extensions(&self) -> bool {
        self.messages[0].iter().any(|it| (1000..1100).contains(&it.number))
    }

    fn of(&self, random: &mut Random, at: usize, depth: usize) -> Vec<u8> {
        let fields = &self.messages[at];
        let mut pieces: Vec<(u32, Vec<u8>)> = Vec::new();
        for _ in 0..random.below(if depth == 0 { 14 } else { 5 }) {
            let field = random.pick(fields).clone();
            let mut piece = Vec::new();
            self.occurrence(random, &field, depth, &mut piece);
            pieces.push((field.number, piece));
            if random.one_in(40) {
                pieces.push((field.number, misfit(random, field.number, field.is_message())));
            }
            if random.one_in(15) {
                pieces.push((0, unknown(random)));
            }
        }
        if random.one_in(2) {
            pieces.sort_by_key(|it| it.0);
        }
        pieces.into_iter().flat_map(|it| it.1).collect()
    }

    fn occurrence(&self, random: &mut Random, field: &Field, depth: usize, out: &mut Vec<u8>) {
        if let Many::Map(key) = field.many {
            let in_entry = Field {
                number: 2,
                many: Many::One,
                ..*field
            };
            let mut parts: Vec<Vec<u8>> = Vec::new();
            for _ in 0..usize::from(!random.one_in(10)) + usize::from(random.one_in(10)) {
                let mut part = Vec::new();
                put(&mut part, 1, scalar(random, key));
                parts.push(part);
            }
            for _ in 0..usize::from(!random.one_in(10)) + usize::from(random.one_in(10)) {
                let mut part = Vec::new();
                self.value(random, &in_entry, depth, &mut part);
                parts.push(part);
            }
            if random.one_in(10) {
                parts.reverse();
            }
            if random.one_in(20) {
                parts.push(unknown(random));
            }
            wire::put_bytes(out, field.number, &parts.concat());
            return;
        }
        let numbers = |it: &Self, random: &mut Random| match field.value {
            Kind::Enum(at) => Some(it.number_of(random, at)),
            Kind::Scalar(kind) => match scalar(random, kind) {
                Scalar::Number(value) => Some(value),
                Scalar::Text(_) => None,
            },
            Kind::Message(_) | Kind::WellKnown(_) => None,
        };
        if field.many == Many::List && random.one_in(2) && numbers(self, random).is_some() {
            let mut run = Vec::new();
            for _ in 0..random.below(5) {
                match numbers(self, random) {
                    Some(RawValue::Varint(bits)) => put_varint(random, &mut run, bits),
                    Some(RawValue::Fixed32(bits)) => run.extend_from_slice(&bits.to_le_bytes()),
                    Some(RawValue::Fixed64(bits)) => run.extend_from_slice(&bits.to_le_bytes()),
                    _ => {}
                }
            }
            wire::put_bytes(out, field.number, &run);
            return;
        }
        self.value(random, field, depth, out);
    }

    fn value(&self, random: &mut Random, field: &Field, depth: usize, out: &mut Vec<u8>) {
        let number = field.number;
        let content = match field.value {
            Kind::Enum(at) => return put(out, number, Scalar::Number(self.number_of(random, at))),
            Kind::Scalar(kind) => {
                return match scalar(random, kind) {
                    Scalar::Number(RawValue::Varint(bits)) => {
                        wire::put_tag(out, number, WireType::Varint);
                        put_varint(random, out, bits);
                    }
                    value => put(out, number, value),
                };
            }
            Kind::Message(_) | Kind::WellKnown(_) if depth >= 5 => Vec::new(),
            Kind::Message(at) => self.of(random, at, depth + 1),
            Kind::WellKnown(name) => self.well_known(random, name, depth + 1),
        };
        if field.group {
            wire::put_group(out, number, &content);
        } else {
            wire::put_bytes(out, number, &content);
        }
    }

    fn number_of(&self, random: &mut Random, at: usize) -> RawValue<'static> {
        RawValue::Varint(if random.one_in(5) {
            random.integer()
        } else {
            wire::extend32(*random.pick(&self.enums[at]))
        })
    }

    fn well_known(&self, random: &mut Random, name: &str, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        match name {
            "Any" => {
                let (name, content) = if random.one_in(2) && !self.has_extensions() {
                    (
                        ROOT.to_owned(),
                        if depth < 4 {
                            self.of(random, 0, depth + 1)
                        } else {
                            Vec::new()
                        },
                    )
                } else {
                    let name = random.pick(&["Duration", "StringValue", "Struct", "Empty", "FieldMask"]);
                    (
                        format!("google.protobuf.{name}"),
                        self.well_known(random, name, depth + 1),
                    )
                };
                if !random.one_in(12) {
                    wire::put_bytes(&mut out, 1, format!("type.googleapis.com/{name}").as_bytes());
                    wire::put_bytes(&mut out, 2, &content);
                }
            }
            "Duration" | "Timestamp" => {
                let negative = name == "Duration" && random.one_in(2);
                let sign = if negative { -1 } else { 1 };
                let seconds = sign * *random.pick(&[0_i64, 1, 59, 1_700_000_000, 253_402_300_799, 315_576_000_000]);
                let nanos = sign * *random.pick(&[0_i64, 1, 1_000, 20_000_000, 999_999_999]);
                let seconds = if name == "Timestamp" {
                    seconds % 253_402_300_800
                } else {
                    seconds
                };
                wire::put_value(&mut out, 1, RawValue::Varint(seconds.cast_unsigned()));
                if random.one_in(2) {
                    wire::put_value(&mut out, 2, RawValue::Varint(nanos.cast_unsigned()));
                }
            }
            "FieldMask" => {
                for _ in 0..random.below(4) {
                    wire::put_bytes(
                        &mut out,
                        1,
                        random.pick(&["a", "foo_bar.baz", "x.y_z", "foo_bar"]).as_bytes(),
                    );
                }
            }
            "Struct" => {
                for _ in 0..random.below(3) {
                    let mut entry = Vec::new();
                    wire::put_bytes(&mut entry, 1, random.pick(&["b", "a", "", "k\""]).as_bytes());
                    let value = self.well_known(random, "Value", depth + 1);
                    wire::put_bytes(&mut entry, 2, &value);
                    wire::put_bytes(&mut out, 1, &entry);
                }
            }
            "ListValue" => {
                for _ in 0..random.below(3) {
                    let value = self.well_known(random, "Value", depth + 1);
                    wire::put_bytes(&mut out, 1, &value);
                }
            }
            "Value" => match random.below(if depth > 6 { 4 } else { 6 }) {
                0 => wire::put_value(&mut out, 1, RawValue::Varint(0)),
                1 => {
                    let number = *random.pick(&[0.0, -0.0, 1.0, 1e21, -2.5, 0.1]);
                    wire::put_value(&mut out, 2, RawValue::Fixed64(f64::to_bits(number)));
                }
                2 => wire::put_bytes(&mut out, 3, text(random).as_bytes()),
                3 => wire::put_value(&mut out, 4, RawValue::Varint(u64::from(random.one_in(2)))),
                4 => wire::put_bytes(&mut out, 5, &self.well_known(random, "Struct", depth + 1)),
                _ => wire::put_bytes(&mut out, 6, &self.well_known(random, "ListValue", depth + 1)),
            },
            "Empty" => {}
            wrapper => {
                let kind = match wrapper {
                    "BoolValue" => Type::Bool,
                    "DoubleValue" => Type::Double,
                    "Int64Value" => Type::Int64,
                    "UInt32Value" => Type::Uint32,
                    "StringValue" => Type::String,
                    _ => Type::Bytes,
                };
                for _ in 0..=random.below(8) / 7 {
                    put(&mut out, 1, scalar(random, kind));
                }
            }
        }
        if random.one_in(20) {
            out.extend(unknown(random));
        }
        out
    }
}

enum Scalar {
    Number(RawValue<'static>),
    Text(Vec<u8>),
}

fn put(out: &mut Vec<u8>, number: u32, value: Scalar) {
    match value {
        Scalar::Number(value) => wire::put_value(out, number, value),
        Scalar::Text(text) => wire::put_bytes(out, number, &text),
    }
}

/// A varint, now and then longer than it must be.
fn put_varint(random: &mut Random, out: &mut Vec<u8>, bits: u64) {
    wire::put_varint(out, bits);
    if bits < 1 << 35 && random.one_in(20) {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.extend_from_slice(&[0x80, 0x00]);
    }
}

fn text(random: &mut Random) -> &'static str {
    random.pick::<&'static str>(&[
        "",
        "a",
        "naïve \"quoted\" \\ back/slash",
        "line\nbreak\t\u{1}\u{7f}\u{2028}",
        "\u{1f600} and more than eight bytes",
        "</script>&",
    ])
}

fn scalar(random: &mut Random, kind: Type) -> Scalar {
    Scalar::Number(match kind {
        Type::String if random.one_in(60) => return Scalar::Text(b"no utf-8: \xff\xc0".to_vec()),
        Type::String => return Scalar::Text(text(random).as_bytes().to_vec()),
        Type::Bytes => return Scalar::Text((0..random.below(9)).map(|_| random.next().to_le_bytes()[0]).collect()),
        Type::Double => {
            let simple = [0.0_f64, -0.0, 1.0, 0.1, 1e300, f64::INFINITY, f64::NAN, 5e-324];
            let bits = random.next();
            RawValue::Fixed64(if random.one_in(2) {
                random.pick(&simple).to_bits()
            } else {
                bits
            })
        }
        Type::Float => {
            let simple = [0.0_f32, -0.0, 1.0, 0.1, 3e38, f32::NEG_INFINITY, f32::NAN, 1e-45];
            let bits = wire::uint32(random.next());
            RawValue::Fixed32(if random.one_in(2) {
                random.pick(&simple).to_bits()
            } else {
                bits
            })
        }
        Type::Fixed64 | Type::Sfixed64 => RawValue::Fixed64(random.integer()),
        Type::Fixed32 | Type::Sfixed32 => RawValue::Fixed32(wire::uint32(random.integer())),
        _ => RawValue::Varint(random.integer()),
    })
}

/// A field that no type has.
fn unknown(random: &mut Random) -> Vec<u8> {
    let number = 5_000 + u32::try_from(random.below(90)).unwrap();
    misfit(random, number, false)
}

/// A field with any wire type; for a message none that any message could have.
fn misfit(random: &mut Random, number: u32, is_message: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(if is_message { 3 } else { 5 }) {
        0 => wire::put_value(&mut out, number, RawValue::Varint(random.integer())),
        1 => wire::put_value(&mut out, number, RawValue::Fixed32(7)),
        2 => wire::put_value(&mut out, number, RawValue::Fixed64(7)),
        3 => wire::put_group(&mut out, number, &[0x08, 0x01, 0x13, 0x08, 0x02, 0x14]),
        _ => wire::put_bytes(&mut out, number, b"\x08\x01"),
    }
    out
}
