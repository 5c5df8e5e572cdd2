//! Messages that have a form of their own.

use super::*;

#[test]
fn well_known_types_have_forms_of_their_own() {
    check(
        PROTO3,
        &[
            (
                r#"{"optionalTimestamp": "1970-01-01T00:00:01.5+00:00"}"#,
                r#"{"optionalTimestamp":"1970-01-01T00:00:01.500Z"}"#,
            ),
            (
                r#"{"optionalTimestamp": "1970-01-01"}"#,
                "/optionalTimestamp: expected a timestamp such as 2006-01-02T15:04:05Z",
            ),
            (r#"{"optionalTimestamp": 1}"#, "/optionalTimestamp: expected a string"),
            (r#"{"optionalDuration": "-1.5s"}"#, r#"{"optionalDuration":"-1.500s"}"#),
            (
                r#"{"optionalDuration": "1.5"}"#,
                "/optionalDuration: expected a duration such as 1.5s",
            ),
            (
                r#"{"optionalFieldMask": "a.bC,d"}"#,
                r#"{"optionalFieldMask":"a.bC,d"}"#,
            ),
            (
                r#"{"optionalFieldMask": "a_b"}"#,
                "/optionalFieldMask: expected field paths in lowerCamelCase, separated by commas",
            ),
            (
                r#"{"optionalInt32Wrapper": 0, "optionalStringWrapper": "s"}"#,
                r#"{"optionalInt32Wrapper":0,"optionalStringWrapper":"s"}"#,
            ),
            (r#"{"optionalInt32Wrapper": null}"#, "{}"),
            (
                r#"{"optionalBytesWrapper": "YQ"}"#,
                r#"{"optionalBytesWrapper":"YQ=="}"#,
            ),
            (
                r#"{"repeatedDoubleWrapper": [0, 2]}"#,
                r#"{"repeatedDoubleWrapper":[0.0,2.0]}"#,
            ),
            (
                r#"{"optionalStruct": {"b": [1, {}], "a": null}}"#,
                r#"{"optionalStruct":{"a":null,"b":[1.0,{}]}}"#,
            ),
            (
                r#"{"optionalStruct": {"a": 1, "a": 2}}"#,
                "/optionalStruct/a: duplicate member",
            ),
            (
                r#"{"optionalStruct": {"a": [1e400]}}"#,
                "/optionalStruct/a/0: expected a number within the range of a double",
            ),
            (r#"{"optionalValue": null}"#, r#"{"optionalValue":null}"#),
            (r#"{"optionalValue": "NaN"}"#, r#"{"optionalValue":"NaN"}"#),
            (
                r#"{"optionalValue": {"a": [true, "x"]}}"#,
                r#"{"optionalValue":{"a":[true,"x"]}}"#,
            ),
            (
                r#"{"repeatedValue": [null, 1, []]}"#,
                r#"{"repeatedValue":[null,1.0,[]]}"#,
            ),
            (r#"{"repeatedValue": null}"#, "{}"),
            (
                r#"{"repeatedListValue": [[], [1]]}"#,
                r#"{"repeatedListValue":[[],[1.0]]}"#,
            ),
        ],
    );
}

#[test]
fn roots_may_be_well_known_types() {
    for (full_name, json, expected) in [
        (
            "google.protobuf.Timestamp",
            r#""1970-01-01T00:00:00Z""#,
            r#""1970-01-01T00:00:00Z""#,
        ),
        ("google.protobuf.Value", "null", "null"),
        ("google.protobuf.ListValue", "[1]", "[1.0]"),
        ("google.protobuf.Struct", r#"{"a": "b"}"#, r#"{"a":"b"}"#),
        ("google.protobuf.Int64Value", r#""5""#, r#""5""#),
        ("google.protobuf.FieldMask", r#""a,b""#, r#""a,b""#),
    ] {
        assert_eq!(read(full_name, json), expected, "{json}");
    }
}

#[test]
fn any_names_its_type_anywhere() {
    let duration = "type.googleapis.com/google.protobuf.Duration";
    let foreign = "type.googleapis.com/protobuf_test_messages.proto3.ForeignMessage";
    let any = "type.googleapis.com/google.protobuf.Any";
    let canonical = format!(r#"{{"optionalAny":{{"@type":"{foreign}","c":1}}}}"#);
    for (json, expected) in [
        (
            format!(r#"{{"optionalAny": {{"@type": "{foreign}", "c": 1}}}}"#),
            canonical.clone(),
        ),
        (
            format!(r#"{{"optionalAny": {{"c": 1, "@type": "{foreign}"}}}}"#),
            canonical.clone(),
        ),
        (
            format!(r#"{{"optionalAny": {{"c": 1, "\u0040type": "{foreign}"}}}}"#),
            canonical,
        ),
        (
            format!(r#"{{"optionalAny": {{"value": "1s", "@type": "{duration}"}}}}"#),
            format!(r#"{{"optionalAny":{{"@type":"{duration}","value":"1s"}}}}"#),
        ),
        (
            format!(r#"{{"optionalAny": {{"@type": "{any}", "value": {{"@type": "{foreign}"}}}}}}"#),
            format!(r#"{{"optionalAny":{{"@type":"{any}","value":{{"@type":"{foreign}"}}}}}}"#),
        ),
        (
            format!(r#"{{"optionalAny": {{"@type": "{foreign}", "d": 1}}}}"#),
            "/optionalAny/d: unknown member".to_owned(),
        ),
        (
            format!(r#"{{"optionalAny": {{"@type": "{foreign}", "@type": "{foreign}"}}}}"#),
            "/optionalAny/@type: duplicate member".to_owned(),
        ),
        (
            format!(r#"{{"optionalAny": {{"@type": "{duration}"}}}}"#),
            "/optionalAny: expected a member `value`".to_owned(),
        ),
        (
            format!(r#"{{"optionalAny": {{"@type": "{duration}", "seconds": 1}}}}"#),
            "/optionalAny/seconds: unknown member; did you mean `value`?".to_owned(),
        ),
        (
            r#"{"optionalAny": {"c": 1}}"#.to_owned(),
            "/optionalAny: expected a member `@type`".to_owned(),
        ),
        (
            r#"{"optionalAny": {"@type": "a/b"}}"#.to_owned(),
            "/optionalAny/@type: unknown type".to_owned(),
        ),
        (
            r#"{"optionalAny": {"@type": 1}}"#.to_owned(),
            "/optionalAny/@type: expected a string".to_owned(),
        ),
    ] {
        assert_eq!(read(PROTO3, &json), expected, "{json}");
    }
    assert_eq!(wire(PROTO3, r#"{"optionalAny": {}}"#).unwrap(), b"\x8a\x13\x00");
}
