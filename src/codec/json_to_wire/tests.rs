//! Tables of JSON against what a message then holds, as prost-reflect decodes it.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics has failed, as it should"
)]

mod well_known;

use std::path::Path;
use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::*;
use crate::schema::build::build;
use crate::schema::descriptor::FileDescriptorSet;

const PROTO2: &str = "protobuf_test_messages.proto2.TestAllTypesProto2";
const PROTO3: &str = "protobuf_test_messages.proto3.TestAllTypesProto3";

static SCHEMA: LazyLock<(DescriptorPool, Arc<crate::schema::Schema>)> = LazyLock::new(|| {
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

fn program(full_name: &str) -> Arc<FromJson> {
    let schema = &SCHEMA.1;
    FromJson::compile(&MessageRef::new(
        schema.clone(),
        schema.find_message(full_name).unwrap(),
    ))
}

fn wire(full_name: &str, json: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = b"before".to_vec();
    let result = program(full_name).write(json.as_bytes(), &mut out);
    assert!(out.starts_with(b"before"));
    if result.is_err() {
        assert_eq!(out, b"before");
    }
    result.map(|()| out.split_off(6))
}

/// The message as prost-reflect writes it, or pointer and reason.
fn read(full_name: &str, json: &str) -> String {
    match wire(full_name, json) {
        Ok(bytes) => {
            let descriptor = SCHEMA.0.get_message_by_name(full_name).unwrap();
            let message = DynamicMessage::decode(descriptor, &*bytes).expect(json);
            serde_json::to_string(&message).unwrap()
        }
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(full_name: &str, cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(read(full_name, json), *expected, "{json}");
    }
}

const NOT_INT32: &str = "expected an integer between -2147483648 and 2147483647";

#[test]
fn scalars_are_read_in_all_their_forms() {
    check(
        PROTO3,
        &[
            ("{}", "{}"),
            (
                " { \"optionalInt32\" : 1 , \"optionalInt64\" : \"2\" } ",
                r#"{"optionalInt32":1,"optionalInt64":"2"}"#,
            ),
            (r#"{"optional_int32": 1}"#, r#"{"optionalInt32":1}"#),
            (r#"{"optional\u0049nt32": 1}"#, r#"{"optionalInt32":1}"#),
            (r#"{"optionalInt32": 1e3}"#, r#"{"optionalInt32":1000}"#),
            (r#"{"optionalInt32": 1.0}"#, r#"{"optionalInt32":1}"#),
            (
                r#"{"optionalInt32": "-2.147483648e9"}"#,
                r#"{"optionalInt32":-2147483648}"#,
            ),
            (r#"{"optionalInt32": 0}"#, "{}"),
            (r#"{"optionalInt32": -0}"#, "{}"),
            (r#"{"optionalInt32": "\u0031"}"#, r#"{"optionalInt32":1}"#),
            (
                r#"{"optionalUint64": 18446744073709551615}"#,
                r#"{"optionalUint64":"18446744073709551615"}"#,
            ),
            (
                r#"{"optionalInt64": -9223372036854775808}"#,
                r#"{"optionalInt64":"-9223372036854775808"}"#,
            ),
            (
                r#"{"optionalSint32": -7, "optionalSint64": "-8"}"#,
                r#"{"optionalSint32":-7,"optionalSint64":"-8"}"#,
            ),
            (
                r#"{"optionalFixed32": 1, "optionalFixed64": 2, "optionalSfixed32": -1, "optionalSfixed64": -2}"#,
                r#"{"optionalFixed32":1,"optionalFixed64":"2","optionalSfixed32":-1,"optionalSfixed64":"-2"}"#,
            ),
            (
                r#"{"optionalFloat": 1.5, "optionalDouble": "2.5"}"#,
                r#"{"optionalFloat":1.5,"optionalDouble":2.5}"#,
            ),
            (
                r#"{"optionalFloat": "NaN", "optionalDouble": "-Infinity"}"#,
                r#"{"optionalFloat":"NaN","optionalDouble":"-Infinity"}"#,
            ),
            (r#"{"optionalDouble": 1e-400}"#, "{}"),
            (r#"{"optionalBool": true}"#, r#"{"optionalBool":true}"#),
            (
                r#"{"optionalBool": false, "optionalString": "", "optionalBytes": ""}"#,
                "{}",
            ),
            (
                r#"{"optionalString": "a\n\u00e9\ud83d\ude00"}"#,
                "{\"optionalString\":\"a\\né😀\"}",
            ),
            (r#"{"optionalBytes": "-_8"}"#, r#"{"optionalBytes":"+/8="}"#),
            (r#"{"optionalNestedEnum": "BAZ"}"#, r#"{"optionalNestedEnum":"BAZ"}"#),
            (r#"{"optionalNestedEnum": -1}"#, r#"{"optionalNestedEnum":"NEG"}"#),
            (r#"{"optionalNestedEnum": 123}"#, r#"{"optionalNestedEnum":123}"#),
            (
                r#"{"optionalAliasedEnum": "bAz"}"#,
                r#"{"optionalAliasedEnum":"ALIAS_BAZ"}"#,
            ),
            (
                r#"{"optionalInt32": null, "optionalNestedMessage": null, "repeatedInt32": null, "mapInt32Int32": null}"#,
                "{}",
            ),
        ],
    );
}

#[test]
fn other_scalars_are_refused() {
    let at = |name: &str, reason: &str| format!("/{name}: {reason}");
    let float = "expected a number within the range of a float";
    let double = "expected a number within the range of a double";
    for (json, expected) in [
        (r#"{"optionalInt32": 2147483648}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": 1.5}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": ""}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": " 1"}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": "0x1"}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": true}"#, at("optionalInt32", NOT_INT32)),
        (r#"{"optionalInt32": [1]}"#, at("optionalInt32", NOT_INT32)),
        (
            r#"{"optionalUint32": -1}"#,
            at("optionalUint32", "expected an integer between 0 and 4294967295"),
        ),
        (r#"{"optionalFloat": 3.5e38}"#, at("optionalFloat", float)),
        (r#"{"optionalFloat": "inf"}"#, at("optionalFloat", float)),
        (r#"{"optionalDouble": 1e309}"#, at("optionalDouble", double)),
        (r#"{"optionalDouble": "1."}"#, at("optionalDouble", double)),
        (
            r#"{"optionalBool": "true"}"#,
            at("optionalBool", "expected true or false"),
        ),
        (r#"{"optionalBool": 1}"#, at("optionalBool", "expected true or false")),
        (r#"{"optionalString": 1}"#, at("optionalString", "expected a string")),
        (r#"{"optionalBytes": "a"}"#, at("optionalBytes", "expected base64")),
        (
            r#"{"optionalNestedEnum": "BAZZ"}"#,
            at("optionalNestedEnum", "unknown enum value; did you mean `BAZ`?"),
        ),
        (
            r#"{"optionalNestedEnum": "1"}"#,
            at("optionalNestedEnum", "unknown enum value"),
        ),
        (
            r#"{"optionalNestedEnum": 2147483648}"#,
            at("optionalNestedEnum", "expected the number of an enum value"),
        ),
        (
            r#"{"optionalNestedEnum": {}}"#,
            at("optionalNestedEnum", "expected the name of an enum value"),
        ),
    ] {
        assert_eq!(read(PROTO3, json), expected, "{json}");
    }
}

#[test]
fn other_shapes_are_refused_with_their_place() {
    let at = |name: &str, reason: &str| format!("/{name}: {reason}");
    for (json, expected) in [
        (
            r#"{"optionalNestedMessage": 1}"#,
            at("optionalNestedMessage", "expected an object"),
        ),
        (r#"{"repeatedInt32": 1}"#, at("repeatedInt32", "expected a list")),
        (
            r#"{"repeatedInt32": [1, null]}"#,
            at("repeatedInt32/1", "expected a value other than null"),
        ),
        (
            r#"{"repeatedBoolWrapper": [null]}"#,
            at("repeatedBoolWrapper/0", "expected a value other than null"),
        ),
        (
            r#"{"mapInt32Int32": {"1": null}}"#,
            at("mapInt32Int32/1", "expected a value other than null"),
        ),
        (
            r#"{"mapInt32Int32": {"a/b~": 1}}"#,
            at("mapInt32Int32/a~1b~0", NOT_INT32),
        ),
        (
            r#"{"mapBoolBool": {"True": true}}"#,
            at("mapBoolBool/True", "expected true or false"),
        ),
        (
            r#"{"mapStringString": {"a": "b", "\u0061": "c"}}"#,
            at("mapStringString/a", "duplicate member"),
        ),
        (
            r#"{"mapInt32Int32": {"1": 1, "2": 2, "1.0": 1}}"#,
            at("mapInt32Int32/1.0", "duplicate member"),
        ),
        (
            r#"{"optionalInt32": 1, "optional_int32": 2}"#,
            at("optional_int32", "duplicate member"),
        ),
        (
            r#"{"optionalInt32": null, "optionalInt32": 2}"#,
            at("optionalInt32", "duplicate member"),
        ),
        (
            r#"{"optionlInt32": 1}"#,
            at("optionlInt32", "unknown member; did you mean `optionalInt32`?"),
        ),
        (
            r#"{"optionalNestedMessage": {"corecursive": {"repeatedNestedMessage": [{}, {"a": {}}]}}}"#,
            at("optionalNestedMessage/corecursive/repeatedNestedMessage/1/a", NOT_INT32),
        ),
        (r#"{"quantity": 1}"#, at("quantity", "unknown member")),
        (r#"{"@type": 1}"#, at("@type", "unknown member")),
        (
            r#"{"oneofUint32": 1, "oneofString": ""}"#,
            at("oneofString", "another member of the oneof `oneof_field` is set too"),
        ),
        ("[]", ": expected an object".to_owned()),
        ("null", ": expected an object".to_owned()),
        ("", ": unexpected end of the document".to_owned()),
        ("{", ": unexpected end of the document".to_owned()),
        ("{} x", ": expected the end of the document".to_owned()),
        (r#"{"optionalInt32": 1,}"#, ": expected a string".to_owned()),
        (r#"{"optionalInt32": 01}"#, ": expected `,` or `}`".to_owned()),
        (r#"{"optionalInt32": nul}"#, ": expected a value".to_owned()),
        (r#"{"optionalInt32": nulls}"#, ": expected `,` or `}`".to_owned()),
        (
            r#"{"optionalString": "\ud800"}"#,
            ": expected four hexadecimal digits that are, alone or in a pair, a character".to_owned(),
        ),
    ] {
        assert_eq!(read(PROTO3, json), expected, "{json}");
    }
    assert_eq!(
        program(PROTO3)
            .write(b"{\"optionalString\": \"\xff\"}", &mut Vec::new())
            .unwrap_err()
            .offset,
        20
    );
}

#[test]
fn lists_maps_and_oneofs_are_read() {
    check(
        PROTO3,
        &[
            (r#"{"repeatedInt32": [1, "2", 3e0]}"#, r#"{"repeatedInt32":[1,2,3]}"#),
            (r#"{"repeatedInt32": [], "repeatedString": [ ]}"#, "{}"),
            (r#"{"repeatedString": ["", "a"]}"#, r#"{"repeatedString":["","a"]}"#),
            (r#"{"unpackedInt32": [0, 1]}"#, r#"{"unpackedInt32":[0,1]}"#),
            (
                r#"{"repeatedNestedMessage": [{}, {"a": 1}]}"#,
                r#"{"repeatedNestedMessage":[{},{"a":1}]}"#,
            ),
            (
                r#"{"mapBoolBool": {"true": false}}"#,
                r#"{"mapBoolBool":{"true":false}}"#,
            ),
            (
                r#"{"mapStringNestedMessage": {"k": {}}}"#,
                r#"{"mapStringNestedMessage":{"k":{}}}"#,
            ),
            (
                r#"{"mapStringNestedEnum": {"k": "BAR"}}"#,
                r#"{"mapStringNestedEnum":{"k":"BAR"}}"#,
            ),
            (r#"{"oneofUint32": 0}"#, r#"{"oneofUint32":0}"#),
            (r#"{"oneofUint32": null, "oneofString": "x"}"#, r#"{"oneofString":"x"}"#),
            (r#"{"oneofNullValue": null}"#, r#"{"oneofNullValue":null}"#),
            (r#"{"oneofNullValue": "NULL_VALUE"}"#, r#"{"oneofNullValue":null}"#),
            (r#"{"optionalNullValue": null}"#, "{}"),
            (
                r#"{"FieldName8": 1, "FieldName3": 2, "_field_name3": null}"#,
                "/_field_name3: duplicate member",
            ),
        ],
    );
}

#[test]
fn negative_zero_is_not_the_default() {
    assert_eq!(
        wire(PROTO3, r#"{"optionalDouble": -0.0}"#).unwrap(),
        b"\x61\0\0\0\0\0\0\0\x80"
    );
    assert_eq!(wire(PROTO3, r#"{"optionalFloat": -0}"#).unwrap(), b"\x5d\0\0\0\x80");
    assert_eq!(wire(PROTO3, r#"{"optionalDouble": 0.0}"#).unwrap(), b"");
}

#[test]
fn proto2_has_groups_extensions_closed_enums_and_message_sets() {
    check(
        PROTO2,
        &[
            (r#"{"data": {"groupInt32": 1}}"#, r#"{"data":{"groupInt32":1}}"#),
            (
                r#"{"optionalInt32": 0, "optionalString": ""}"#,
                r#"{"optionalInt32":0,"optionalString":""}"#,
            ),
            (r#"{"optionalNestedEnum": 1}"#, r#"{"optionalNestedEnum":"BAR"}"#),
            (
                r#"{"optionalNestedEnum": 77}"#,
                "/optionalNestedEnum: expected the number of an enum value",
            ),
            (
                r#"{"[protobuf_test_messages.proto2.extension_int32]": 5}"#,
                r#"{"[protobuf_test_messages.proto2.extension_int32]":5}"#,
            ),
            (
                r#"{"[example.of.something.else]": 5}"#,
                "/[example.of.something.else]: unknown member",
            ),
        ],
    );
    let extension =
        "protobuf_test_messages.proto2.TestAllTypesProto2.MessageSetCorrectExtension2.message_set_extension";
    let json = format!(r#"{{"messageSetCorrect": {{"[{extension}]": {{"i": 9}}}}}}"#);
    // 500: { 1: group { 2: 4135312, 3: { 9: 9 } } }
    assert_eq!(
        wire(PROTO2, &json).unwrap(),
        b"\xa2\x1f\x0b\x0b\x10\x90\xb3\xfc\x01\x1a\x02\x48\x09\x0c"
    );
}

#[test]
fn equal_messages_make_equal_bytes() {
    for (a, b) in [
        (
            r#"{"optionalInt32": 1, "optionalString": "a"}"#,
            r#"{"optionalString": "a", "optionalInt32": 1}"#,
        ),
        (
            r#"{"mapInt32Int32": {"-1": 1, "2": 2, "10": 3}}"#,
            r#"{"mapInt32Int32": {"10": 3, "2": 2, "-1": 1}}"#,
        ),
        (
            r#"{"mapUint64Uint64": {"1": 1, "18446744073709551615": 2}}"#,
            r#"{"mapUint64Uint64": {"18446744073709551615": 2, "1": 1}}"#,
        ),
        (
            r#"{"mapStringString": {"a": "1", "ab": "2", "b": "3"}}"#,
            r#"{"mapStringString": {"b": "3", "ab": "2", "a": "1"}}"#,
        ),
        (
            r#"{"optionalStruct": {"a": {"x": 1, "y": 2}, "b": 1}}"#,
            r#"{"optionalStruct": {"b": 1, "a": {"y": 2, "x": 1}}}"#,
        ),
        (
            r#"{"optionalNestedMessage": {"a": 1, "corecursive": {}}, "repeatedInt32": [1, 2]}"#,
            r#"{"repeatedInt32": [1, 2], "optionalNestedMessage": {"corecursive": {}, "a": 1}}"#,
        ),
    ] {
        assert_eq!(wire(PROTO3, a).unwrap(), wire(PROTO3, b).unwrap(), "{a}");
    }
    let long = "x".repeat(300);
    let a = format!(r#"{{"mapStringString": {{"a": "{long}", "b": "{long}", "c": ""}}}}"#);
    let b = format!(r#"{{"mapStringString": {{"c": "", "b": "{long}", "a": "{long}"}}}}"#);
    assert_eq!(wire(PROTO3, &a).unwrap(), wire(PROTO3, &b).unwrap());
}

#[test]
fn lengths_of_every_width_are_right() {
    for size in [0, 1, 100, 127, 128, 129, 16_381, 16_384, 70_000, 2_100_000] {
        let text = "x".repeat(size);
        let json = format!(r#"{{"recursiveMessage":{{"recursiveMessage":{{"optionalString":"{text}"}}}}}}"#);
        let expected = if size == 0 {
            r#"{"recursiveMessage":{"recursiveMessage":{}}}"#.to_owned()
        } else {
            json.clone()
        };
        assert!(read(PROTO3, &json) == expected, "{size}");
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("{}{{}}{}", r#"{"recursiveMessage":"#.repeat(depth), "}".repeat(depth));
    assert!(wire(PROTO3, &nested(99)).is_ok());
    assert_eq!(wire(PROTO3, &nested(100)).unwrap_err().reason, "nested too deeply");
    assert_eq!(wire(PROTO3, &nested(50_000)).unwrap_err().reason, "nested too deeply");
    let value = format!(r#"{{"optionalValue": {}}}"#, "[".repeat(100_000));
    assert_eq!(wire(PROTO3, &value).unwrap_err().reason, "nested too deeply");
}

#[test]
fn types_that_stand_last_at_every_level_do_not_take_forever() {
    let any = "type.googleapis.com/google.protobuf.Any";
    let filler = "x".repeat(10_000);
    let mut json = format!(r#"{{"value":{{}},"@type":"{any}"}}"#);
    for _ in 0..30 {
        json = format!(r#"{{"value":{json},"@type":"{any}"}}"#);
    }
    let json = format!(r#"{{"optionalString":"{filler}","optionalAny":{json}}}"#);
    assert_eq!(wire(PROTO3, &json).err(), None);
    let mut json = format!(r#"{{"value":{{}},"@type":"{any}","x":"{filler}"}}"#);
    for _ in 0..60 {
        json = format!(r#"{{"value":{json},"@type":"{any}"}}"#);
    }
    let error = wire(PROTO3, &format!(r#"{{"optionalAny":{json}}}"#)).unwrap_err();
    assert_eq!(error.reason, "expected `@type` to be the first member");
}

#[test]
fn one_field_can_be_read_alone() {
    let program = program(PROTO3);
    let mut out = Vec::new();
    program.write_field("repeated_int32", b"[1, 2]", &mut out).unwrap();
    program.write_field("optional_string", b" \"a\" ", &mut out).unwrap();
    program
        .write_field("optional_nested_message", b"null", &mut out)
        .unwrap();
    assert_eq!(out, b"\xfa\x01\x02\x01\x02\x72\x01a");
    let error = program
        .write_field("repeated_int32", b"[1, \"x\"]", &mut out)
        .unwrap_err();
    assert_eq!((&*error.pointer, error.offset), ("/1", 4));
    assert!(program.write_field("repeated_int32", b"[1] 2", &mut out).is_err());
    assert_eq!(out.len(), 8);
}

#[test]
fn garbage_is_refused_without_panic() {
    let program = program(PROTO3);
    let document = br#"{"optionalInt32":1,"mapStringString":{"a":"b"},"optionalAny":{"value":"1s","@type":"x/google.protobuf.Duration"},"optionalStruct":{"a":[1,"\u00e9"]}}"#;
    assert!(program.write(document, &mut Vec::new()).is_ok());
    for at in 0..document.len() {
        for byte in *b"{}[]\":,\\0n\x00\xff" {
            let mut bytes = document.to_vec();
            bytes[at] = byte;
            let judged = program.write(&bytes, &mut Vec::new());
            if judged.is_ok() {
                assert_eq!(crate::codec::json::validate(&bytes), Ok(()));
            }
        }
        assert!(program.write(&document[..at], &mut Vec::new()).is_err());
    }
}

#[test]
fn what_is_unknown_may_be_ignored() {
    let schema = &SCHEMA.1;
    let message = MessageRef::new(schema.clone(), schema.find_message(PROTO3).unwrap());
    let program = FromJson::compile_with(&message, UnknownMembers::Ignore);
    for (json, expected) in [
        (
            r#"{"nope": {"deep": [1, {}]}, "optionalInt32": 7}"#,
            Ok(r#"{"optionalInt32":7}"#),
        ),
        (
            r#"{"optionalNestedMessage": {"nope": 1, "a": 2}}"#,
            Ok(r#"{"optionalNestedMessage":{"a":2}}"#),
        ),
        (
            r#"{"optionalNestedEnum": "NOPE", "optionalInt32": 7}"#,
            Ok(r#"{"optionalInt32":7}"#),
        ),
        (r#"{"oneofEnum": "NOPE"}"#, Ok("{}")),
        (
            r#"{"repeatedNestedEnum": ["NOPE", "BAR", "NOPE"]}"#,
            Ok(r#"{"repeatedNestedEnum":["BAR"]}"#),
        ),
        (
            r#"{"unpackedNestedEnum": ["BAR", "NOPE"]}"#,
            Ok(r#"{"unpackedNestedEnum":["BAR"]}"#),
        ),
        (
            r#"{"mapStringNestedEnum": {"b": "NOPE", "c": "BAR", "a": "NOPE"}}"#,
            Ok(r#"{"mapStringNestedEnum":{"c":"BAR"}}"#),
        ),
        (
            r#"{"optionalAny": {"nope": 1, "value": "1s", "@type": "type.googleapis.com/google.protobuf.Duration"}}"#,
            Ok(r#"{"optionalAny":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}"#),
        ),
        (r#"{"nope": [1, }"#, Err(": expected a value")),
        (
            r#"{"nope": 1, "optionalInt32": "x"}"#,
            Err("/optionalInt32: expected an integer between -2147483648 and 2147483647"),
        ),
        (
            r#"{"optionalAny": {"@type": "type.googleapis.com/nope.Nope"}}"#,
            Err("/optionalAny/@type: unknown type"),
        ),
    ] {
        let mut out = Vec::new();
        let result = program.write(json.as_bytes(), &mut out).map_err(|it| it.to_string());
        let descriptor = SCHEMA.0.get_message_by_name(PROTO3).unwrap();
        let read = result.map(|()| serde_json::to_string(&DynamicMessage::decode(descriptor, &*out).unwrap()).unwrap());
        assert_eq!(read.as_deref().map_err(|it| &**it), expected, "{json}");
    }
}
