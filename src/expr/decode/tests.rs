//! Tests of replies.

use super::*;
use crate::expr::testing::{message, wire};

#[test]
fn replies_are_values_of_their_type() {
    for (name, json, expected) in [
        ("shop.Money", r#"{"nanos":1}"#, "Message(b\"\\x18\\x01\")"),
        ("google.protobuf.Empty", "{}", "Object([])"),
        ("google.protobuf.StringValue", r#""x""#, "String(\"x\")"),
        ("google.protobuf.StringValue", r#""""#, "String(\"\")"),
        (
            "google.protobuf.Timestamp",
            r#""1970-01-01T00:00:01Z""#,
            "Timestamp(1, 0)",
        ),
        ("google.protobuf.Struct", r#"{"a":1}"#, "Json(b\"{\\\"a\\\":1}\")"),
        ("google.protobuf.Value", "null", "Null"),
    ] {
        let value = ReplyReader::compile(&message(name)).read(wire(name, json)).unwrap();
        assert_eq!(format!("{value:?}"), expected, "{name}");
    }
}

#[test]
fn replies_that_are_not_their_message_are_refused() {
    let reader = ReplyReader::compile(&message("shop.Product"));
    for (wire, expected) in [
        (&b"\x0a\x05a"[..], DecodeError::Malformed),
        (b"\x0a\x01\xff", DecodeError::Utf8),
        // Within a message, and within a packed list.
        (b"\x1a\x03\x0a\x01\xff", DecodeError::Utf8),
        (b"\xfa\x01\x01\x80", DecodeError::Malformed),
    ] {
        assert_eq!(
            reader.read(Bytes::copy_from_slice(wire)).unwrap_err(),
            expected,
            "{wire:x?}"
        );
    }
}
