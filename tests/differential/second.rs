//! Both directions against buffa, which knows editions, on random types of every syntax.
//!
//! Where the two are known to differ, `fixtures/codec/known_differences.txt` says why; every line of it is a case that must
//! still differ, and what it names is left out of the random comparison.

use std::fmt::Debug;
use std::sync::Arc;

use buffa_descriptor::{DescriptorPool, DynamicMessage};
use prost::Message as _;
use serde_json::Value;
use weft::codec::{DecodeError, FromJson, JsonOptions, Names, Selection, ToJson};
use weft::schema::MessageRef;
use weft::schema::build::build;
use weft::schema::descriptor::{
    DescriptorProto, ExtensionRange, FeatureSet, FieldDescriptorProto, FieldPresence, FileDescriptorProto,
    FileDescriptorSet, FileOptions, Label, Type,
};

use crate::random_types::{ROOT, Types, imports};
use crate::wire_to_json::{POOL, Random};

/// One message type, as both know it.
struct Pair {
    to_json: Arc<ToJson>,
    proto_names: Arc<ToJson>,
    from_json: Arc<FromJson>,
    pool: Arc<DescriptorPool>,
    name: String,
}

impl Pair {
    fn new(descriptors: &[u8], name: &str) -> Self {
        let schema = build(&FileDescriptorSet::decode(descriptors).unwrap()).unwrap();
        let message = MessageRef::new(schema.clone(), schema.find_message(name).unwrap());
        let options = JsonOptions {
            names: Names::Proto,
            ..JsonOptions::default()
        };
        Self {
            to_json: ToJson::compile(&message, &Selection::All, JsonOptions::default()),
            proto_names: ToJson::compile(&message, &Selection::All, options),
            from_json: FromJson::compile(&message),
            pool: Arc::new(DescriptorPool::decode(descriptors).unwrap()),
            name: name.to_owned(),
        }
    }

    fn ours(&self, wire: &[u8]) -> Result<String, DecodeError> {
        let mut out = Vec::new();
        self.to_json.validate(wire)?;
        self.to_json.write(wire, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn theirs(&self, wire: &[u8]) -> Result<String, String> {
        let index = self.pool.message_index(&self.name).unwrap();
        let message = DynamicMessage::decode(self.pool.clone(), index, wire).map_err(|it| it.to_string())?;
        message.to_json().map_err(|it| it.to_string())
    }

    fn our_wire(&self, json: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        self.from_json
            .write(json.as_bytes(), &mut out)
            .map_err(|it| it.to_string())?;
        Ok(out)
    }

    fn their_wire(&self, json: &str) -> Result<Vec<u8>, String> {
        let index = self.pool.message_index(&self.name).unwrap();
        let message = DynamicMessage::from_json(self.pool.clone(), index, json).map_err(|it| it.to_string())?;
        Ok(message.encode_to_vec())
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Where two documents differ, as a path with both values. Numbers differ by value, and a float that buffa writes with the
/// digits of a double is the same float.
fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let say = || Some(format!(": {ours} | {theirs}"));
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) if same_number(a.as_f64(), b.as_f64()) => None,
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(at, (a, b))| difference(a, b).map(|it| format!("/{at}{it}")))
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.into_iter().find_map(|name| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => difference(a, b).map(|it| format!("/{name}{it}")),
                // buffa leaves out the value of an Empty in an Any.
                (Some(Value::Object(value)), None)
                    if name == "value" && value.is_empty() && a.contains_key("@type") =>
                {
                    None
                }
                (a, b) => Some(format!("/{name}: {a:?} | {b:?}")),
            })
        }
        _ if ours == theirs => None,
        _ => say(),
    }
}

/// The same double, or one near by, which `serde_json` may read instead, here and in buffa; or the same float.
fn same_number(ours: Option<f64>, theirs: Option<f64>) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "this is the question")]
    let single = |it: f64| it as f32;
    ours.zip(theirs).is_some_and(|(a, b)| {
        a.to_bits().abs_diff(b.to_bits()) <= 4
            || (f64::from(single(b)).to_bits().abs_diff(b.to_bits()) <= 4 && single(a).to_bits() == single(b).to_bits())
    })
}

const N_TYPES: u64 = 24;
const N_MESSAGES: u64 = 20;

/// Runs `compare` over random messages of random types; all that it finds is listed.
fn for_each_message(n_types: u64, mut compare: impl FnMut(&Types, &Pair, &[u8], &mut Random) -> Option<String>) {
    let mut found = Vec::new();
    for seed in 0..n_types {
        let types = Types::new(&mut Random::new(seed));
        let pair = Pair::new(&types.descriptors, ROOT);
        for case in 0..N_MESSAGES {
            let mut random = Random::new(seed << 32 | case);
            let wire = types.message(&mut random);
            found.extend(
                compare(&types, &pair, &wire, &mut random).map(|it| format!("type {seed}, message {case}: {it:.600}")),
            );
        }
    }
    assert!(found.is_empty(), "{} differ\n{}", found.len(), found.join("\n"));
}

fn n_types() -> u64 {
    // A longer run: DIFFERENTIAL_TYPES=2000 cargo test --test differential
    std::env::var("DIFFERENTIAL_TYPES")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(N_TYPES)
}

#[test]
fn scrambled_messages_of_random_types_are_written_as_buffa_writes_them() {
    for_each_message(n_types(), |types, pair, wire, _| {
        let (ours, theirs) = (pair.ours(wire), pair.theirs(wire));
        if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
            return difference(&value(ours), &value(theirs));
        }
        unless_known(&ours, &theirs, if types.proto3 { &["utf8-unchecked"] } else { &[] })
    });
}

#[test]
fn json_in_every_spelling_is_read_as_buffa_reads_it() {
    for_each_message(n_types(), |_, pair, wire, random| {
        let mut json = Vec::new();
        let program = if random.one_in(3) {
            &pair.proto_names
        } else {
            &pair.to_json
        };
        program.write(wire, &mut json).ok()?;
        for faults in [Faults::None, Faults::Some] {
            let mut text = String::new();
            respell(random, &serde_json::from_slice(&json).unwrap(), faults, &mut text);
            let (ours, theirs) = (pair.our_wire(&text), pair.their_wire(&text));
            let said = if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
                match (pair.theirs(ours), pair.theirs(theirs)) {
                    (Ok(ours), Ok(theirs)) => difference(&value(&ours), &value(&theirs)),
                    (ours, theirs) => unless_known(&ours, &theirs, &[]),
                }
            } else {
                unless_known(&ours, &theirs, &[])
            };
            if let Some(said) = said {
                return Some(format!("{said}\n{text}"));
            }
        }
        None
    });
}

/// Ways in which one reads what the other refuses: the id in the list of known differences, who refuses, and its words.
const KNOWN: [(&str, Refuses, &str); 5] = [
    ("utf8-unchecked", Refuses::Buffa, "invalid UTF-8 in string field"),
    (
        "utf8-overridden-in-any",
        Refuses::Buffa,
        "Any inner decode failed: invalid UTF-8",
    ),
    ("duplicate-map-key", Refuses::Weft, "duplicate member"),
    (
        "enum-with-fraction",
        Refuses::Buffa,
        "expected an enum string, number, or null",
    ),
    (
        "empty-in-any",
        Refuses::Buffa,
        "unknown field \"value\" on message google.protobuf.Empty",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refuses {
    Buffa,
    Weft,
}

/// What to say of two outcomes, one of which is a refusal.
fn unless_known<A: Debug, B: Debug, E: Debug, F: Debug>(
    ours: &Result<A, E>,
    theirs: &Result<B, F>,
    not: &[&str],
) -> Option<String> {
    let (who, words) = match (ours, theirs) {
        (Err(error), Ok(_)) => (Refuses::Weft, format!("{error:?}").replace("\\\"", "\"")),
        (Ok(_), Err(error)) => (Refuses::Buffa, format!("{error:?}").replace("\\\"", "\"")),
        _ => return None,
    };
    let is_known = KNOWN
        .iter()
        .any(|(id, refuses, text)| *refuses == who && words.contains(text) && !not.contains(id));
    (!is_known).then(|| format!("{who:?} refuses: {words}"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Faults {
    None,
    Some,
}

/// Writes the same document another way; with faults now and then another one.
fn respell(random: &mut Random, value: &Value, faults: Faults, out: &mut String) {
    const OTHERS: [&str; 14] = [
        "[]",
        "{}",
        "true",
        "\"x\"",
        "1.5",
        "null",
        "-1",
        "1e2",
        "\"12\"",
        "99999999999999999999",
        "\"1.0\"",
        "[null]",
        "1e400",
        "\"\"",
    ];
    blanks(random, out);
    if faults == Faults::Some && random.one_in(60) {
        let other: &&str = random.pick(&OTHERS);
        out.push_str(other);
        return;
    }
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                respell(random, element, faults, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&str, &Value)> = members.iter().map(|(name, value)| (&**name, value)).collect();
            for at in (1..members.len()).rev() {
                members.swap(at, random.below(at + 1));
            }
            let null = Value::Null;
            if faults == Faults::Some && random.one_in(60) {
                members.push(("nope", &null));
            }
            if let (Faults::Some, true, Some(first)) = (faults, random.one_in(60), members.first().copied()) {
                members.push(first);
            }
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                blanks(random, out);
                spell(random, name, out);
                blanks(random, out);
                out.push(':');
                respell(random, value, faults, out);
            }
            out.push('}');
        }
        Value::Number(number) => {
            let text = number.to_string();
            let integer = !text.contains(['.', 'e']);
            match random.below(12) {
                0 => out.extend(["\"", &text, "\""]),
                1 if integer => out.extend([&text, ".0"]),
                2 if integer => out.extend([&text, "e0"]),
                3 if integer => out.extend([&text, "0e-1"]),
                _ => out.push_str(&text),
            }
        }
        Value::String(text) if random.one_in(12) && text.parse::<i64>().is_ok_and(|it| it.to_string() == *text) => {
            out.push_str(text);
        }
        Value::String(text) => spell(random, text, out),
        _ => out.push_str(&value.to_string()),
    }
    blanks(random, out);
}

fn blanks(random: &mut Random, out: &mut String) {
    if random.one_in(8) {
        let blanks: &&str = random.pick(&[" ", "\n\t", "\r "]);
        out.push_str(blanks);
    }
}

/// A string, some characters of which are escaped without need.
fn spell(random: &mut Random, text: &str, out: &mut String) {
    if !random.one_in(4) {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    for it in text.chars() {
        if it < ' ' || matches!(it, '"' | '\\') || random.one_in(6) {
            for unit in it.encode_utf16(&mut [0; 2]) {
                let digits = if random.one_in(2) {
                    format!("{unit:04x}")
                } else {
                    format!("{unit:04X}")
                };
                out.extend(["\\u", &digits]);
            }
        } else if it == '/' {
            out.push_str("\\/");
        } else {
            out.push(it);
        }
    }
    out.push('"');
}

// === Known differences ===

const LIST: &str = include_str!("../../fixtures/codec/known_differences.txt");

/// The columns of each line.
fn listed() -> Vec<[&'static str; 5]> {
    let lines = LIST.lines().filter(|it| !it.starts_with('#'));
    lines
        .map(|line| line.splitn(5, " | ").collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

#[test]
fn every_known_difference_is_still_there() {
    // Two sets, one behind the other, are one; what this crate leaves out of descriptors must stay.
    let mut messages = std::fs::read("fixtures/codec/conformance/messages.binpb").unwrap();
    messages.extend(
        FileDescriptorSet {
            file: imports().collect(),
        }
        .encode_to_vec(),
    );
    let mut gone = Vec::new();
    for [id, other, name, input, _] in listed() {
        let (descriptors, name) = match name {
            "implicit.M" => (implicit_extension(), name.to_owned()),
            _ => (messages.clone(), format!("protobuf_test_messages.{name}")),
        };
        let pair = Pair::new(&descriptors, &name);
        let wire = if input.starts_with('{') {
            assert_eq!(other, "buffa", "{id}");
            let (ours, theirs) = (pair.our_wire(input), pair.their_wire(input));
            if ours.is_ok() == theirs.is_ok() {
                gone.push(id);
            }
            continue;
        } else {
            unhex(input)
        };
        let theirs = match other {
            "buffa" => pair.theirs(&wire),
            _ => prost_reflect_json(&name, &wire),
        };
        let outcome =
            |json: Result<String, String>| json.map_or_else(|_| "refused".to_owned(), |it| value(&it).to_string());
        if outcome(pair.ours(&wire).map_err(|it| it.to_string())) == outcome(theirs) {
            gone.push(id);
        }
    }
    assert!(gone.is_empty(), "no longer different: {gone:?}");
}

#[test]
fn every_difference_that_is_left_out_is_listed() {
    let ids: Vec<&str> = listed().iter().map(|it| it[0]).collect();
    for (id, ..) in KNOWN {
        assert!(ids.contains(&id), "`{id}` is not listed");
    }
    assert!(listed().iter().all(|it| it[4].len() > 20), "a reason is missing");
}

fn prost_reflect_json(name: &str, wire: &[u8]) -> Result<String, String> {
    let descriptor = POOL.get_message_by_name(name).unwrap();
    let message = prost_reflect::DynamicMessage::decode(descriptor, wire).map_err(|it| it.to_string())?;
    serde_json::to_string(&message).map_err(|it| it.to_string())
}

/// A file whose presence is implicit, with an extension.
fn implicit_extension() -> Vec<u8> {
    let mut features = FeatureSet::default();
    features.set_field_presence(FieldPresence::Implicit);
    let mut extension = FieldDescriptorProto {
        name: Some("ext".to_owned()),
        extendee: Some(".implicit.M".to_owned()),
        number: Some(1000),
        json_name: Some("ext".to_owned()),
        ..FieldDescriptorProto::default()
    };
    extension.set_type(Type::Int32);
    extension.set_label(Label::Optional);
    let message = DescriptorProto {
        name: Some("M".to_owned()),
        extension_range: vec![ExtensionRange {
            start: Some(1000),
            end: Some(2000),
        }],
        ..DescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("implicit.proto".to_owned()),
        package: Some("implicit".to_owned()),
        message_type: vec![message],
        extension: vec![extension],
        options: Some(FileOptions {
            features: Some(features),
        }),
        syntax: Some("editions".to_owned()),
        edition: Some(1000),
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|it| std::str::from_utf8(it).unwrap());
    digits.map(|it| u8::from_str_radix(it, 16).unwrap()).collect()
}
