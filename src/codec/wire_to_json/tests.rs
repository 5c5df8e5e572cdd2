//! Tests of the transcoder, on the messages of `fixtures/codec/shapes`.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics has failed"
)]

mod disorder;
mod well_known;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::codec::wire;
use crate::codec::{Defaults, EnumPrefix, Enums, Int64, Names};
use crate::schema::{Schema, load};

static SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| load::schema(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codec/shapes")]).unwrap());

fn message(name: &str) -> MessageRef {
    let full_name = if name.contains('.') {
        name.to_owned()
    } else {
        format!("shapes.{name}")
    };
    MessageRef::new(SCHEMA.clone(), SCHEMA.find_message(&full_name).unwrap())
}

/// Wire bytes, put together field by field.
#[derive(Clone, Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn int(mut self, number: u32, value: i64) -> Self {
        wire::put_value(&mut self.0, number, wire::RawValue::Varint(value.cast_unsigned()));
        self
    }

    fn fixed32(mut self, number: u32, bits: u32) -> Self {
        wire::put_value(&mut self.0, number, wire::RawValue::Fixed32(bits));
        self
    }

    fn fixed64(mut self, number: u32, bits: u64) -> Self {
        wire::put_value(&mut self.0, number, wire::RawValue::Fixed64(bits));
        self
    }

    fn double(self, number: u32, value: f64) -> Self {
        self.fixed64(number, value.to_bits())
    }

    fn text(mut self, number: u32, text: impl AsRef<[u8]>) -> Self {
        wire::put_bytes(&mut self.0, number, text.as_ref());
        self
    }

    fn message(self, number: u32, content: &Self) -> Self {
        self.text(number, &content.0)
    }

    fn group(mut self, number: u32, content: &Self) -> Self {
        wire::put_group(&mut self.0, number, &content.0);
        self
    }

    fn then(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }
}

fn wire() -> Wire {
    Wire::default()
}

fn write(program: &ToJson, wire: &Wire) -> Result<String, DecodeError> {
    let mut out = b"before".to_vec();
    let result = program.write(&wire.0, &mut out);
    let text = String::from_utf8(out).unwrap();
    let json = text.strip_prefix("before").unwrap();
    match result {
        Ok(()) => {
            serde_json::from_str::<serde_json::Value>(json).unwrap_or_else(|error| panic!("{error}: {json}"));
            Ok(json.to_owned())
        }
        Err(error) => {
            assert_eq!(json, "");
            Err(error)
        }
    }
}

fn json_of(name: &str, wire: &Wire) -> Result<String, DecodeError> {
    write(
        &ToJson::compile(&message(name), &Selection::All, JsonOptions::default()),
        wire,
    )
}

#[track_caller]
fn product(wire: &Wire, expected: &str) {
    assert_eq!(json_of("Product", wire).as_deref(), Ok(expected));
}

#[track_caller]
fn legacy(wire: &Wire, expected: &str) {
    assert_eq!(json_of("Legacy", wire).as_deref(), Ok(expected));
}

#[track_caller]
fn with(options: JsonOptions, wire: &Wire, expected: &str) {
    let program = ToJson::compile(&message("Product"), &Selection::All, options);
    assert_eq!(write(&program, wire).as_deref(), Ok(expected));
}

#[track_caller]
fn selected(selection: &Selection, wire: &Wire, expected: &str) {
    let program = ToJson::compile(&message("Product"), selection, JsonOptions::default());
    assert_eq!(write(&program, wire).as_deref(), Ok(expected));
}

fn names(names: &[(&str, Selection)]) -> Vec<(Arc<str>, Selection)> {
    names
        .iter()
        .map(|(name, inner)| ((*name).into(), inner.clone()))
        .collect()
}

// === Scalars and presence ===

#[test]
fn every_scalar_has_its_canonical_form() {
    let all = wire()
        .text(1, "mug \"XL\"")
        .int(2, -3)
        .int(3, i64::MIN)
        .double(4, 4.5)
        .int(5, 1)
        .text(6, [0xff, 0xfe])
        .int(7, 0)
        .int(8, 1)
        .fixed32(32, 0.1_f32.to_bits())
        .int(34, wire::zigzag32(-5).cast_signed())
        .int(35, wire::zigzag64(i64::MAX).cast_signed())
        .fixed32(36, u32::MAX)
        .fixed64(37, (-1_i64).cast_unsigned())
        .int(127, -1)
        .int(1000, -1)
        .text(1001, "x");
    product(
        &all,
        "{\"id\":\"mug \\\"XL\\\"\",\"stock\":-3,\"weight\":\"-9223372036854775808\",\"rating\":4.5,\"active\":true,\
         \"blob\":\"//4=\",\"rank\":0,\"status\":\"PRODUCT_STATUS_ACTIVE\",\"score\":0.1,\"delta\":-5,\
         \"wideDelta\":\"9223372036854775807\",\"checksum\":4294967295,\"offset\":\"-1\",\
         \"lastSmallNumber\":4294967295,\"largeNumber\":\"18446744073709551615\",\"a\\\"b\":\"x\"}",
    );
}

#[test]
fn zero_counts_as_absent_where_presence_is_implicit() {
    product(&wire(), "{}");
    product(
        &wire()
            .text(1, "")
            .int(2, 0)
            .int(3, 0)
            .double(4, 0.0)
            .int(5, 0)
            .text(6, "")
            .int(8, 0)
            .int(28, 0),
        "{}",
    );
    // The decoded value decides, not the bytes.
    let long_zero = Wire(vec![0x10, 0x80, 0x80, 0x00]);
    product(&long_zero, "{}");
    product(&wire().int(2, 1 << 32), "{}");
    product(&wire().double(4, -0.0), "{\"rating\":-0}");
    product(&wire().int(7, 0), "{\"rank\":0}");
    product(&wire().int(16, 0), "{\"org\":\"0\"}");
}

#[test]
fn doubles_that_are_no_numbers_are_quoted() {
    product(
        &wire().double(4, f64::NAN).fixed32(32, f32::NEG_INFINITY.to_bits()),
        "{\"rating\":\"NaN\",\"score\":\"-Infinity\"}",
    );
    product(&wire().double(4, f64::INFINITY), "{\"rating\":\"Infinity\"}");
    product(&wire().double(4, 1.0), "{\"rating\":1}");
}

#[test]
fn defaults_are_written_on_request() {
    let options = JsonOptions {
        defaults: Defaults::Emit,
        ..JsonOptions::default()
    };
    let defaults = "{\"id\":\"\",\"stock\":0,\"weight\":\"0\",\"rating\":0,\"active\":false,\"blob\":\"\",\
         \"status\":\"PRODUCT_STATUS_UNSPECIFIED\",\"sizes\":[],\"tags\":[],\"labels\":{},\"slots\":{},\"children\":[],\"null\":null,\
         \"statuses\":{},\"flags\":{},\"times\":{},\"score\":0,\"history\":[],\"delta\":0,\"wideDelta\":\"0\",\"checksum\":0,\
         \"offset\":\"0\",\"lastSmallNumber\":0,\"largeNumber\":\"0\",\"a\\\"b\":\"\"}";
    with(options, &wire(), defaults);
    let some = wire().int(2, 7).text(9, "").int(127, 1);
    let expected = defaults
        .replace("\"stock\":0", "\"stock\":7")
        .replace("\"lastSmallNumber\":0", "\"lastSmallNumber\":1");
    with(options, &some, &expected);
    // Out of order gives the same.
    with(options, &wire().int(127, 1).text(9, "").int(2, 7), &expected);
}

#[test]
fn options_change_names_integers_and_enums() {
    let some = wire()
        .int(3, 5)
        .int(8, 1)
        .int(26, 0)
        .int(1000, 6)
        .message(26, &wire().int(1, 9))
        .int(8, 1);
    with(
        JsonOptions {
            names: Names::Proto,
            ..JsonOptions::default()
        },
        &wire().int(127, 1),
        "{\"last_small_number\":1}",
    );
    with(
        JsonOptions {
            int64: Int64::Number,
            ..JsonOptions::default()
        },
        &some,
        "{\"weight\":5,\"status\":\"PRODUCT_STATUS_ACTIVE\",\"count\":9,\"largeNumber\":6}",
    );
    with(
        JsonOptions {
            enums: Enums::Number,
            ..JsonOptions::default()
        },
        &wire().int(8, 1).text(33, [0, 4, 9]),
        "{\"status\":1,\"history\":[0,4,9]}",
    );
}

#[test]
fn enum_prefixes_are_stripped_where_a_name_is_left() {
    let options = JsonOptions {
        enum_prefix: EnumPrefix::Strip,
        ..JsonOptions::default()
    };
    let history = wire().text(
        33,
        [
            0, 1, 2, 3, 4, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ],
    );
    with(
        options,
        &history,
        "{\"history\":[\"UNSPECIFIED\",\"ACTIVE\",\"PRODUCT_STATUS_2ND_HAND\",\"GONE\",\"PRODUCT_STATUS_GONE\",9,\"MINUS\"]}",
    );
}

// === Lists and maps ===

#[test]
fn strings_are_checked_only_where_the_schema_says_so() {
    assert_eq!(json_of("Product", &wire().text(1, [0xff])), Err(DecodeError::Utf8));
    assert_eq!(
        json_of("Product", &wire().message(11, &wire().text(1, [0xff]))),
        Err(DecodeError::Utf8)
    );
    legacy(&wire().text(6, b"a\xffb"), "{\"name\":\"a\u{fffd}b\"}");
}

#[test]
fn validation_looks_at_every_field() {
    let nothing = Selection::Only(Vec::new());
    let program = ToJson::compile(&message("Product"), &nothing, JsonOptions::default());
    for (wire, expected) in [
        (
            wire().text(1, "mug").text(9, [1, 2]).message(13, &wire().text(1, "é")),
            Ok(()),
        ),
        (wire().text(1, [0xff]), Err(DecodeError::Utf8)),
        (
            wire().message(13, &wire().message(14, &wire().text(10, [0xff]))),
            Err(DecodeError::Utf8),
        ),
        (wire().message(11, &wire().text(1, [0xff])), Err(DecodeError::Utf8)),
        (
            wire().message(12, &wire().message(2, &wire().text(1, [0xff]))),
            Err(DecodeError::Utf8),
        ),
        (wire().text(9, [0x80]), Err(DecodeError::Malformed)),
        (wire().text(13, [0x08]), Err(DecodeError::Malformed)),
        (Wire(vec![0x0a, 5, b'x']), Err(DecodeError::Malformed)),
        (wire().text(6, [0xff]).text(999, [0xff]).int(1, 5), Ok(())),
    ] {
        assert_eq!(program.validate(&wire.0), expected, "{:x?}", wire.0);
    }
}

// === Selections ===

#[test]
fn only_the_selected_fields_are_written() {
    let whole = wire()
        .text(1, "mug")
        .int(2, 3)
        .message(12, &wire().int(1, 1).message(2, &wire().text(1, "x").int(2, 1)))
        .message(13, &wire().text(1, "p").int(2, 4))
        .message(14, &wire().text(1, "c").int(2, 5))
        .message(14, &wire().int(2, 6));
    let id = || Selection::Only(names(&[("id", Selection::All)]));
    let only = Selection::Only(names(&[
        ("id", Selection::All),
        ("children", id()),
        ("slots", id()),
        ("missing", Selection::All),
    ]));
    selected(
        &only,
        &whole,
        "{\"id\":\"mug\",\"slots\":{\"1\":{\"id\":\"x\"}},\"children\":[{\"id\":\"c\"},{}]}",
    );
    let without_id = || Selection::Except(names(&[("id", Selection::All)]));
    let except = Selection::Except(names(&[
        ("id", Selection::All),
        ("slots", Selection::All),
        ("parent", without_id()),
        ("children", id()),
    ]));
    selected(
        &except,
        &whole,
        "{\"stock\":3,\"parent\":{\"stock\":4},\"children\":[{\"id\":\"c\"},{}]}",
    );
    selected(&Selection::Only(Vec::new()), &whole, "{}");
}

#[test]
fn a_hidden_member_of_a_oneof_still_wins() {
    let user = Selection::Only(names(&[("user", Selection::All)]));
    selected(&user, &wire().text(15, "ann").int(16, 5), "{}");
    selected(&user, &wire().int(16, 5).text(15, "ann"), "{\"user\":\"ann\"}");
    selected(&user, &wire().text(15, "ann"), "{\"user\":\"ann\"}");
}

#[test]
fn members_are_written_without_braces() {
    let program = ToJson::compile(&message("Product"), &Selection::All, JsonOptions::default());
    let mut out = b"{\"a\":1,".to_vec();
    assert_eq!(program.write_members(&wire().int(3, 4).int(2, 1).0, &mut out), Ok(true));
    assert_eq!(out, b"{\"a\":1,\"stock\":1,\"weight\":\"4\"");
    assert_eq!(program.write_members(&[], &mut out), Ok(false));
    assert_eq!(program.write_members(&[0x08], &mut out), Err(DecodeError::Malformed));
    assert_eq!(out, b"{\"a\":1,\"stock\":1,\"weight\":\"4\"");
}

// === proto2 ===

#[test]
fn unknown_numbers_of_closed_enums_are_unknown_fields() {
    legacy(&wire().int(1, 0).int(2, 1), "{\"id\":0,\"color\":\"RED\"}");
    legacy(&wire().int(2, 3), "{}");
    legacy(&wire().int(2, 2).int(2, 3), "{\"color\":\"GREEN\"}");
    legacy(&wire().int(3, 1).int(3, 3).int(3, 5), "{\"colors\":[\"RED\",\"BLUE\"]}");
    legacy(
        &wire().text(4, [3, 1, 3, 2, 3]),
        "{\"packedColors\":[\"RED\",\"GREEN\"]}",
    );
    legacy(&wire().int(3, 3).text(4, [3]), "{}");
    let entry = |key: &str, value| wire().text(1, key).int(2, value);
    legacy(
        &wire().message(5, &entry("b", 3)).message(5, &entry("a", 2)),
        "{\"named\":{\"a\":\"GREEN\"}}",
    );
    legacy(&wire().message(5, &wire().text(1, "x")), "{\"named\":{\"x\":\"RED\"}}");
    // What the enum does not have does not set the oneof either.
    legacy(&wire().int(13, 4).int(12, 3), "{\"shade\":4}");
    legacy(&wire().int(12, 1).int(13, 4), "{\"shade\":4}");
    legacy(&wire().int(13, 4).int(12, 1), "{\"tint\":\"RED\"}");
}

#[test]
fn groups_extensions_and_message_sets_are_read() {
    let box_ = wire().int(8, 5).message(9, &wire().int(1, 1));
    legacy(&wire().group(7, &box_), "{\"box\":{\"width\":5,\"inner\":{\"id\":1}}}");
    legacy(
        &wire().group(7, &wire().int(8, 5)).group(7, &wire().message(9, &wire())),
        "{\"box\":{\"width\":5,\"inner\":{}}}",
    );
    // A group field in length-delimited form is another wire type.
    legacy(&wire().message(7, &box_), "{}");
    legacy(
        &wire().group(10, &wire().text(11, "a")).group(10, &wire()),
        "{\"part\":[{\"label\":\"a\"},{}]}",
    );
    legacy(
        &wire().int(100, 7).message(101, &wire().text(1, "m")),
        "{\"[shapes.size]\":7,\"[shapes.more]\":[{\"text\":\"m\"}]}",
    );
    let item = wire().int(2, 1_234_567).message(3, &wire().text(1, "hi"));
    legacy(
        &wire().message(14, &wire().group(1, &item)),
        "{\"set\":{\"[shapes.Item.item]\":{\"text\":\"hi\"}}}",
    );
    assert_eq!(
        json_of("Legacy", &Wire(vec![0x3b, 0x40, 5])),
        Err(DecodeError::Malformed)
    );
}

// === Well-known types ===
