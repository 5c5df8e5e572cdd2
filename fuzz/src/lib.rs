//! What must hold for every input of the codec, whatever its bytes: no panic, bounded output, valid JSON or an error.
//!
//! One function for each fuzz target; `tests/fuzz_smoke.rs` calls the same. The first byte of an input of the transcoders
//! chooses type and options, the rest is the message.

use std::sync::{Arc, LazyLock};

use prost::Message as _;
use serde::de::IgnoredAny;
use serde_json::Value;
use weft::codec::wire_to_json::OUTPUT_LIMIT;
use weft::codec::{
    DecodeError, Defaults, EnumPrefix, Enums, FromJson, Int64, JsonOptions, Names, Selection, ToJson, UnknownMembers,
    json,
};
use weft::schema::MessageRef;
use weft::schema::build::build;
use weft::schema::descriptor::FileDescriptorSet;

/// The messages of protobuf's conformance suite, in which everything occurs.
const MESSAGES: &[u8] = include_bytes!("../../fixtures/codec/conformance/messages.binpb");

const TYPES: [&str; 5] = [
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "protobuf_test_messages.proto2.TestAllTypesProto2",
    "protobuf_test_messages.editions.TestAllTypesEdition2023",
    "protobuf_test_messages.editions.proto2.TestAllTypesProto2",
    "protobuf_test_messages.editions.proto3.TestAllTypesProto3",
];

/// What stands in the output before: it must stay.
const BEFORE: &[u8] = b"before";

struct Programs {
    to_json: Vec<Arc<ToJson>>,
    strict: Arc<FromJson>,
    lenient: Arc<FromJson>,
}

static PROGRAMS: LazyLock<Vec<Programs>> = LazyLock::new(|| {
    let schema = build(&FileDescriptorSet::decode(MESSAGES).unwrap()).unwrap();
    let message = |name| MessageRef::new(schema.clone(), schema.find_message(name).unwrap());
    TYPES.iter().map(|name| Programs::new(&message(name))).collect()
});

impl Programs {
    fn new(message: &MessageRef) -> Self {
        let other = JsonOptions {
            names: Names::Proto,
            int64: Int64::Number,
            enums: Enums::Number,
            defaults: Defaults::Emit,
            enum_prefix: EnumPrefix::Strip,
        };
        let some = [
            "optional_nested_message",
            "repeated_int32",
            "map_string_string",
            "oneof_string",
            "recursive_message",
        ];
        let some: Vec<(Arc<str>, Selection)> = some.into_iter().map(|it| (it.into(), Selection::All)).collect();
        Self {
            to_json: vec![
                ToJson::compile(message, &Selection::All, JsonOptions::default()),
                ToJson::compile(message, &Selection::All, other),
                ToJson::compile(message, &Selection::Only(some.clone()), JsonOptions::default()),
                ToJson::compile(message, &Selection::Except(some), JsonOptions::default()),
            ],
            strict: FromJson::compile(message),
            lenient: FromJson::compile_with(message, UnknownMembers::Ignore),
        }
    }

    /// The canonical JSON of a message, with nothing before it.
    fn canonical(&self, wire: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        self.to_json[0].write(wire, &mut out).map(|()| out)
    }
}

/// The programs and the choice that the first byte means, and the rest.
fn choose(data: &[u8]) -> Option<(&'static Programs, usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    let choice = usize::from(*first);
    Some((&PROGRAMS[choice % TYPES.len()], choice / TYPES.len(), rest))
}

/// Wire → JSON: JSON or an error; what was written is read back as the same message.
pub fn wire_to_json(data: &[u8]) {
    let Some((programs, choice, wire)) = choose(data) else {
        return;
    };
    let program = &programs.to_json[choice % programs.to_json.len()];
    let mut out = BEFORE.to_vec();
    let result = program.write(wire, &mut out);
    assert!(out.starts_with(BEFORE));
    let json = &out[BEFORE.len()..];
    let _well_formed = program.validate(wire);
    if result.is_ok() {
        assert!(json.len() <= OUTPUT_LIMIT, "{} bytes", json.len());
        assert!(is_json(json), "{}", text(json));
    } else {
        assert!(json.is_empty(), "an error leaves output");
    }
    if let Ok(json) = programs.canonical(wire) {
        let mut again = Vec::new();
        match programs.strict.write(&json, &mut again) {
            Ok(()) => assert_eq!(
                programs.canonical(&again).map(|it| text(&it)),
                Ok(text(&json)),
                "what was read back is another message"
            ),
            Err(error) => assert!(
                ["unknown type", "nested too deeply", "type URL"]
                    .iter()
                    .any(|it| error.reason.contains(it)),
                "{error} in {}",
                text(&json)
            ),
        }
    }
}

/// JSON → wire: a message or an error that says where; what was read is written as JSON that reads the same.
pub fn json_to_wire(data: &[u8]) {
    let Some((programs, choice, json)) = choose(data) else {
        return;
    };
    let program = if choice % 2 == 0 {
        &programs.strict
    } else {
        &programs.lenient
    };
    let mut out = BEFORE.to_vec();
    let result = program.write(json, &mut out);
    assert!(out.starts_with(BEFORE));
    let wire = &out[BEFORE.len()..];
    if let Err(error) = result {
        assert!(wire.is_empty(), "an error leaves output");
        assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error}");
        assert!(error.offset <= json.len(), "{error} at {}", error.offset);
        return;
    }
    assert!(is_json(json), "no JSON was read");
    // A double takes nine bytes for a digit, a Value in a list twice that.
    assert!(wire.len() <= json.len() * 16, "{} bytes of {}", wire.len(), json.len());
    assert_eq!(programs.to_json[0].validate(wire), Ok(()));
    match programs.canonical(wire) {
        Ok(written) => {
            let mut again = Vec::new();
            let read = programs.strict.write(&written, &mut again);
            assert_eq!(read, Ok(()), "{}", text(&written));
            assert!(again == wire, "{} is read as another message", text(&written));
        }
        Err(error) => assert_eq!(error, DecodeError::Depth, "{}", text(json)),
    }
}

/// JSON text: what is accepted is JSON, and taking it apart in place finds what `serde_json` finds; on anything else taking
/// apart ends.
pub fn json_text(data: &[u8]) {
    match json::validate(data) {
        Ok(()) => {
            assert!(is_json(data), "accepted, but no JSON");
            if let Ok(value) = serde_json::from_slice::<Value>(data) {
                assert_same(data, &value);
            }
        }
        Err(error) => {
            assert!(error.offset <= data.len());
            let refused = serde_json::from_slice::<Value>(data).is_err();
            assert!(refused || is_huge_number(data), "refused: {error} at {}", error.offset);
        }
    }
    let mut budget = 10_000;
    walk(data, 0, &mut budget);
}

/// `serde_json` reads no number that is too large for a double; as text it is JSON.
fn is_huge_number(data: &[u8]) -> bool {
    data.iter().any(|it| matches!(it, b'e' | b'E'))
}

fn is_json(bytes: &[u8]) -> bool {
    // Unlike a `Value`, this is not limited in depth.
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The fragment means the value.
fn assert_same(fragment: &[u8], value: &Value) {
    match value {
        Value::Null => assert_eq!(json::kind(fragment), json::Kind::Null),
        Value::Bool(it) => assert_eq!(json::trim(fragment), it.to_string().as_bytes()),
        Value::Number(_) => assert_eq!(json::kind(fragment), json::Kind::Number),
        Value::String(it) => assert_eq!(json::string(fragment).as_deref(), Some(&**it)),
        Value::Array(values) => {
            assert_eq!(json::elements(fragment).count(), values.len());
            for (fragment, value) in json::elements(fragment).zip(values) {
                assert_same(fragment, value);
            }
        }
        Value::Object(values) => {
            assert_eq!(json::kind(fragment), json::Kind::Object);
            for (name, value) in values {
                let member = json::member(fragment, name);
                assert_same(member.unwrap_or_else(|| panic!("no member {name:?}")), value);
            }
            for (key, _) in json::members(fragment) {
                let key = json::string(key).unwrap();
                assert!(values.contains_key(&*key), "no such member: {key:?}");
            }
        }
    }
}

/// Takes any bytes apart; what comes out is part of what went in.
fn walk(fragment: &[u8], depth: u32, budget: &mut usize) {
    if depth > json::MAX_DEPTH || *budget == 0 {
        return;
    }
    let _text = json::string(fragment);
    let _member = json::member(fragment, "a");
    let within =
        |part: &[u8]| fragment.as_ptr_range().start <= part.as_ptr_range().start && part.len() <= fragment.len();
    for part in json::elements(fragment).chain(json::members(fragment).map(|(_, value)| value)) {
        assert!(within(part));
        *budget = budget.saturating_sub(1);
        if *budget == 0 {
            return;
        }
        if part.len() < fragment.len() {
            walk(part, depth + 1, budget);
        }
    }
}
