//! Reading canonical JSON against prost-reflect: what it writes of random messages, `FromJson` reads back as the same message.
//!
//! Messages are those of protobuf's conformance suite, in which every kind, map, wrapper and well-known type occurs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    SerializeOptions, Value,
};
use weft::codec::{FromJson, JsonOptions, Selection, ToJson, json};
use weft::schema::build::build;
use weft::schema::descriptor::FileDescriptorSet;
use weft::schema::{MessageRef, Schema};

static SCHEMA: LazyLock<(DescriptorPool, Arc<Schema>)> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codec/protos");
    let mut compiler = protox::Compiler::new([root]).unwrap();
    compiler.include_imports(true);
    for file in ["test_messages_proto2.proto", "test_messages_proto3.proto"] {
        compiler.open_file(file).unwrap();
    }
    let bytes = compiler.encode_file_descriptor_set();
    let schema = build(&FileDescriptorSet::decode(&*bytes).unwrap()).unwrap();
    (DescriptorPool::decode(&*bytes).unwrap(), schema)
});

const PROTO2: &str = "protobuf_test_messages.proto2.TestAllTypesProto2";
const PROTO3: &str = "protobuf_test_messages.proto3.TestAllTypesProto3";
const FOREIGN: &str = "protobuf_test_messages.proto3.ForeignMessage";

static PROTO2_PROGRAM: LazyLock<Arc<FromJson>> = LazyLock::new(|| FromJson::compile(&message_ref(PROTO2)));
static PROTO3_PROGRAM: LazyLock<Arc<FromJson>> = LazyLock::new(|| FromJson::compile(&message_ref(PROTO3)));

fn message_ref(full_name: &str) -> MessageRef {
    let schema = &SCHEMA.1;
    MessageRef::new(schema.clone(), schema.find_message(full_name).unwrap())
}

fn descriptor(full_name: &str) -> MessageDescriptor {
    SCHEMA.0.get_message_by_name(full_name).unwrap()
}

// === Random messages ===

/// Random decisions, which get smaller as the tape does; behind its end all are zero.
struct Tape<'t> {
    bytes: &'t [u8],
}

impl Tape<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    fn below(&mut self, limit: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % limit
    }

    fn bits(&mut self) -> u64 {
        match self.byte() % 6 {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::MAX,
            3 => 1 << 63,
            4 => 0x7fff_ffff,
            _ => (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte())),
        }
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 8] = [
            "",
            "a",
            "\"\\/",
            "\u{0}\u{1f}\u{7f}",
            "é€😀",
            "\n\r\t\u{8}\u{c}",
            "the quick brown fox ",
            "\u{2028}",
        ];
        let n_pieces = match self.byte() {
            it @ 0..=250 => usize::from(it % 4),
            _ => 40,
        };
        (0..n_pieces).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    fn finite(&mut self) -> f64 {
        let value = f64::from_bits(self.bits());
        if value.is_finite() { value } else { 0.1 }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Value {
        let bits = self.bits();
        let low = bits.to_le_bytes();
        let low = u32::from_le_bytes([low[0], low[1], low[2], low[3]]);
        match kind {
            Kind::Bool => Value::Bool(bits & 1 == 1),
            Kind::Bytes => Value::Bytes(self.text().into_bytes().into()),
            Kind::Double => Value::F64(f64::from_bits(bits)),
            Kind::Enum(it) => {
                let values: Vec<i32> = it.values().map(|it| it.number()).collect();
                let open = it.parent_file().syntax() == prost_reflect::Syntax::Proto3;
                let any = low.cast_signed();
                let number = if open && any % 5 == 1 && it.full_name() != "google.protobuf.NullValue" {
                    any
                } else {
                    values[self.below(values.len())]
                };
                Value::EnumNumber(number)
            }
            Kind::Fixed32 | Kind::Uint32 => Value::U32(low),
            Kind::Fixed64 | Kind::Uint64 => Value::U64(bits),
            Kind::Float => Value::F32(f32::from_bits(low)),
            Kind::Int32 | Kind::Sfixed32 | Kind::Sint32 => Value::I32(low.cast_signed()),
            Kind::Int64 | Kind::Sfixed64 | Kind::Sint64 => Value::I64(bits.cast_signed()),
            Kind::Message(it) => Value::Message(self.message(it, depth + 1)),
            Kind::String => Value::String(self.text()),
        }
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(it) => MapKey::Bool(it),
            Value::I32(it) => MapKey::I32(it),
            Value::I64(it) => MapKey::I64(it),
            Value::U32(it) => MapKey::U32(it),
            Value::U64(it) => MapKey::U64(it),
            Value::String(it) => MapKey::String(it),
            other => panic!("{other:?} is no key"),
        }
    }

    fn message(&mut self, of: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        match of.full_name() {
            "google.protobuf.Any" => {
                let of = descriptor(["google.protobuf.Duration", FOREIGN, "google.protobuf.Struct"][self.below(3)]);
                let inner = self.message(&of, depth + 1);
                message.set_field_by_name(
                    "type_url",
                    Value::String(format!("type.googleapis.com/{}", of.full_name())),
                );
                message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
            }
            "google.protobuf.Duration" => {
                let seconds = i64::try_from(self.bits() % 315_576_000_000).unwrap();
                let nanos = [0, 1, 500_000_000, 999_999_999][self.below(4)];
                let sign = if self.byte() & 1 == 1 { -1 } else { 1 };
                message.set_field_by_name("seconds", Value::I64(i64::from(sign) * seconds));
                message.set_field_by_name("nanos", Value::I32(sign * nanos));
            }
            "google.protobuf.FieldMask" => {
                const PATHS: [&str; 4] = ["a", "foo_bar", "a.b_c.d", "x1"];
                let paths = (0..self.byte() % 4)
                    .map(|_| Value::String(PATHS[self.below(4)].to_owned()))
                    .collect();
                message.set_field_by_name("paths", Value::List(paths));
            }
            "google.protobuf.Timestamp" => {
                let seconds = -62_135_596_800 + i64::try_from(self.bits() % 315_537_897_599).unwrap();
                let nanos = [0, 1, 500_000_000, 999_999_999][self.below(4)];
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(nanos));
            }
            "google.protobuf.Value" => {
                let fields: Vec<FieldDescriptor> = of.fields().collect();
                let n_choices = if depth > 4 { 4 } else { fields.len() };
                let field = &fields[self.below(n_choices)];
                let value = match field.kind() {
                    Kind::Double => Value::F64(self.finite()),
                    Kind::Enum(_) => Value::EnumNumber(0),
                    kind => self.value(&kind, depth),
                };
                message.set_field(field, value);
            }
            name => self.fields(&mut message, name, depth),
        }
        message
    }

    fn fields(&mut self, message: &mut DynamicMessage, full_name: &str, depth: u32) {
        let of = message.descriptor();
        let fields: Vec<FieldDescriptor> = of.fields().collect();
        let n_fields = match (fields.len(), depth) {
            (0, _) | (_, 6..) => 0,
            (_, 0) => usize::from(self.byte() % 24),
            _ => usize::from(self.byte() % 4),
        };
        for _ in 0..n_fields {
            let field = &fields[self.below(fields.len())];
            let n_values = self.byte() % 4;
            let value = if let (Kind::Message(entry), true) = (field.kind(), field.is_map()) {
                let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
                Value::Map(
                    (0..n_values)
                        .map(|_| (self.key(&key), self.value(&value, depth)))
                        .collect(),
                )
            } else if field.is_list() {
                Value::List((0..n_values).map(|_| self.value(&field.kind(), depth)).collect())
            } else {
                self.value(&field.kind(), depth)
            };
            // A wrapper prints NaN and the infinities as null in prost-reflect 0.16.
            let wrapper = full_name.starts_with("google.protobuf.");
            let value = match value {
                Value::F64(it) if wrapper && !it.is_finite() => Value::F64(0.5),
                Value::F32(it) if wrapper && !it.is_finite() => Value::F32(0.5),
                // The default of a field without presence is not told apart from −0.0 there.
                Value::F64(0.0) => Value::F64(0.0),
                Value::F32(0.0) => Value::F32(0.0),
                value => value,
            };
            message.set_field(field, value);
        }
        if full_name == PROTO2 && self.byte() % 4 == 1 {
            for extension in of.extensions().filter(|it| !it.is_list()) {
                let value = self.value(&extension.kind(), 5);
                message.set_extension(&extension, value);
            }
        }
    }
}

// === The comparison ===

fn to_json(message: &DynamicMessage, options: &SerializeOptions) -> Vec<u8> {
    let mut out = Vec::new();
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut out), options)
        .unwrap();
    out
}

/// Messages with NaN in them are unequal to themselves; their JSON is not.
fn is_same(a: &DynamicMessage, b: &DynamicMessage) -> bool {
    let options = SerializeOptions::new();
    let value = |it: &DynamicMessage| serde_json::from_slice::<serde_json::Value>(&to_json(it, &options)).unwrap();
    a == b || value(a) == value(b)
}

/// The same document with the members of every object the other way round.
fn reversed(fragment: &[u8], out: &mut Vec<u8>) {
    match json::kind(fragment) {
        json::Kind::Object => {
            let mut members: Vec<_> = json::members(fragment).collect();
            members.reverse();
            out.push(b'{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"" } else { b" , " });
                out.extend_from_slice(key);
                out.push(b':');
                reversed(value, out);
            }
            out.push(b'}');
        }
        json::Kind::Array => {
            out.push(b'[');
            for (at, element) in json::elements(fragment).enumerate() {
                out.extend_from_slice(if at == 0 { b"" } else { b"\n,\t" });
                reversed(element, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(fragment),
    }
}

fn check(full_name: &str, program: &FromJson, tape: &[u8]) -> Result<(), TestCaseError> {
    let descriptor = descriptor(full_name);
    let message = Tape { bytes: tape }.message(&descriptor, 0);
    for options in [
        SerializeOptions::new(),
        SerializeOptions::new()
            .use_proto_field_name(true)
            .use_enum_numbers(true)
            .stringify_64_bit_integers(false),
        SerializeOptions::new().skip_default_fields(false),
    ] {
        let text = to_json(&message, &options);
        prop_assert_eq!(json::validate(&text), Ok(()));
        let shown = String::from_utf8_lossy(&text);
        let mut wire = Vec::new();
        let result = program.write(&text, &mut wire);
        prop_assert!(result.is_ok(), "{:?} of {}", result, shown);
        let decoded = DynamicMessage::decode(descriptor.clone(), &*wire);
        prop_assert!(decoded.is_ok(), "{:?} of {}", decoded, shown);
        prop_assert!(is_same(&decoded.unwrap(), &message), "{}", shown);

        let mut turned = Vec::new();
        reversed(&text, &mut turned);
        let mut again = Vec::new();
        program.write(&turned, &mut again).unwrap();
        prop_assert!(wire == again, "order changes the bytes of {}", shown);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_prost_reflect_writes_of_proto3_is_read_back(tape in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(PROTO3, &PROTO3_PROGRAM, &tape)?;
    }

    #[test]
    fn what_prost_reflect_writes_of_proto2_is_read_back(tape in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(PROTO2, &PROTO2_PROGRAM, &tape)?;
    }

    #[test]
    fn what_we_write_we_read_back_byte_for_byte(tape in proptest::collection::vec(any::<u8>(), 0..600)) {
        let message = Tape { bytes: &tape }.message(&descriptor(PROTO3), 0);
        let mut wire = Vec::new();
        PROTO3_PROGRAM.write(&to_json(&message, &SerializeOptions::new()), &mut wire).unwrap();
        let to_json = ToJson::compile(&message_ref(PROTO3), &Selection::All, JsonOptions::default());
        let mut text = Vec::new();
        to_json.write(&wire, &mut text).unwrap();
        let mut again = Vec::new();
        PROTO3_PROGRAM.write(&text, &mut again).unwrap();
        prop_assert!(wire == again, "{}", String::from_utf8_lossy(&text));
    }
}
