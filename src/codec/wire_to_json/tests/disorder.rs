//! Bytes in any order, in pieces, too deep, too long, or cut.

use super::*;

#[test]
fn packed_and_unpacked_elements_are_one_list() {
    product(
        &wire().int(9, 1).text(9, [2, 3]).text(9, "").int(9, 4),
        "{\"sizes\":[1,2,3,4]}",
    );
    product(
        &wire().int(9, 1).int(2, 5).text(9, [2, 3]),
        "{\"stock\":5,\"sizes\":[1,2,3]}",
    );
    product(&wire().text(9, ""), "{}");
    product(
        &wire().text(10, "a").text(10, "").text(10, "c"),
        "{\"tags\":[\"a\",\"\",\"c\"]}",
    );
    product(
        &wire().message(14, &wire()).message(14, &wire().int(2, 1)),
        "{\"children\":[{},{\"stock\":1}]}",
    );
    assert_eq!(
        json_of("Product", &wire().text(9, [1, 0x80])),
        Err(DecodeError::Malformed)
    );
}

#[test]
fn map_entries_are_written_by_ascending_key() {
    let label = |key: &str, value| wire().text(1, key).int(2, value);
    let labels = wire()
        .message(11, &label("b", 2))
        .message(11, &label("a", 1))
        .message(11, &label("é", 3))
        .message(11, &label("b", 4));
    product(&labels, "{\"labels\":{\"a\":1,\"b\":4,\"é\":3}}");
    // Apart on the wire, with the same result.
    let apart = wire()
        .message(11, &label("é", 3))
        .message(11, &label("b", 2))
        .int(2, 0)
        .message(11, &label("b", 4))
        .message(11, &label("a", 1));
    product(&apart, "{\"labels\":{\"a\":1,\"b\":4,\"é\":3}}");

    let slot = |key: i64| wire().int(1, key).message(2, &wire().int(2, key));
    let slots = wire()
        .message(12, &slot(10))
        .message(12, &slot(9))
        .message(12, &slot(-1));
    product(
        &slots,
        "{\"slots\":{\"-1\":{\"stock\":-1},\"9\":{\"stock\":9},\"10\":{\"stock\":10}}}",
    );
    let flag = |key, value: &str| wire().int(1, key).text(2, value);
    product(
        &wire().message(30, &flag(1, "t")).message(30, &flag(0, "f")),
        "{\"flags\":{\"false\":\"f\",\"true\":\"t\"}}",
    );
    let time = |key| wire().int(1, key).message(2, &wire().int(1, 1));
    product(
        &wire().message(31, &time(-1)).message(31, &time(5)),
        "{\"times\":{\"5\":\"1970-01-01T00:00:01Z\",\"18446744073709551615\":\"1970-01-01T00:00:01Z\"}}",
    );
}

#[test]
fn missing_keys_and_values_are_defaults() {
    product(&wire().message(11, &wire()), "{\"labels\":{\"\":0}}");
    product(&wire().message(11, &wire().int(2, 1)), "{\"labels\":{\"\":1}}");
    product(&wire().message(12, &wire().int(1, 1)), "{\"slots\":{\"1\":{}}}");
    product(
        &wire().message(29, &wire().text(1, "x")),
        "{\"statuses\":{\"x\":\"PRODUCT_STATUS_UNSPECIFIED\"}}",
    );
    product(&wire().message(30, &wire()), "{\"flags\":{\"false\":\"\"}}");
    product(
        &wire().message(31, &wire()),
        "{\"times\":{\"0\":\"1970-01-01T00:00:00Z\"}}",
    );
    // Value before key, key twice, a stranger between.
    product(
        &wire().message(11, &wire().int(2, 1).text(1, "a").int(9, 9).text(1, "b")),
        "{\"labels\":{\"b\":1}}",
    );
    // A value in two parts is one message.
    product(
        &wire().message(
            12,
            &wire()
                .message(2, &wire().int(2, 1))
                .message(2, &wire().int(3, 2))
                .message(2, &wire().int(5, 1)),
        ),
        "{\"slots\":{\"0\":{\"stock\":1,\"weight\":\"2\",\"active\":true}}}",
    );
}

// === Merging ===

#[test]
fn the_last_of_a_singular_field_wins() {
    product(
        &wire().int(2, 1).text(1, "a").int(2, 2).text(1, "b"),
        "{\"id\":\"b\",\"stock\":2}",
    );
    product(&wire().int(2, 1).int(2, 0), "{}");
}

#[test]
fn split_messages_are_merged() {
    let split = wire()
        .message(13, &wire().int(2, 1).text(10, "a"))
        .message(13, &wire().message(13, &wire().int(2, 7)))
        .message(13, &wire().text(10, "b").message(13, &wire().int(3, 8)));
    product(
        &split,
        "{\"parent\":{\"stock\":1,\"tags\":[\"a\",\"b\"],\"parent\":{\"stock\":7,\"weight\":\"8\"}}}",
    );
    let stamp = wire()
        .message(18, &wire().int(1, 1))
        .message(18, &wire().int(2, 500_000_000));
    product(&stamp, "{\"createdAt\":\"1970-01-01T00:00:01.500Z\"}");
}

#[test]
fn the_last_member_of_a_oneof_wins() {
    product(&wire().text(15, "ann").int(16, 5), "{\"org\":\"5\"}");
    product(&wire().int(16, 5).text(15, "ann"), "{\"user\":\"ann\"}");
    // A member that was set again begins anew.
    let again = wire()
        .message(17, &wire().int(2, 1))
        .int(16, 5)
        .message(17, &wire().int(3, 2))
        .message(17, &wire().int(5, 1));
    product(&again, "{\"company\":{\"weight\":\"2\",\"active\":true}}");
    let merged = wire().message(17, &wire().int(2, 1)).message(17, &wire().int(3, 2));
    product(&merged, "{\"company\":{\"stock\":1,\"weight\":\"2\"}}");
}

#[test]
fn unknown_fields_and_wrong_wire_types_are_skipped() {
    let odd = wire()
        .int(1, 5)
        .text(2, "x")
        .int(999, 1)
        .group(998, &wire().int(1, 1))
        .int(10, 3)
        .int(3, 4)
        .text(7, [1])
        .int(11, 2)
        .int(13, 1);
    product(&odd, "{\"weight\":\"4\"}");
}

#[test]
fn disorder_at_every_level_gives_the_same_json_in_linear_time() {
    fn nest(depth: u32, disordered: bool) -> Wire {
        let inner = if depth == 0 {
            wire()
        } else {
            nest(depth - 1, disordered)
        };
        if disordered {
            wire().message(13, &inner).int(2, 1)
        } else {
            wire().int(2, 1).message(13, &inner)
        }
    }
    // 2⁹⁰ steps would not end.
    assert_eq!(
        json_of("Product", &nest(90, true)),
        json_of("Product", &nest(90, false))
    );
    #[expect(clippy::items_after_statements, reason = "it belongs to the second half")]
    fn maps(depth: u32) -> Wire {
        let inner = if depth == 0 { wire() } else { maps(depth - 1) };
        wire()
            .message(12, &wire().int(1, 2).message(2, &inner))
            .message(12, &wire().int(1, 1))
    }
    assert!(json_of("Product", &maps(60)).is_ok());
}

// === Limits and malformed input ===

#[test]
fn nesting_has_a_limit() {
    let mut deep = wire();
    for _ in 0..100 {
        deep = wire().message(13, &deep);
    }
    assert!(json_of("Product", &deep).is_ok());
    let program = ToJson::compile(&message("Product"), &Selection::All, JsonOptions::default());
    assert_eq!(program.validate(&deep.0), Ok(()));
    let deeper = wire().message(13, &deep);
    assert_eq!(json_of("Product", &deeper), Err(DecodeError::Depth));
    assert_eq!(program.validate(&deeper.0), Err(DecodeError::Depth));
    let mut value = wire().int(4, 1);
    for _ in 0..60 {
        value = wire().message(6, &wire().message(1, &value));
    }
    assert_eq!(json_of("Product", &wire().message(22, &value)), Err(DecodeError::Depth));
}

#[test]
fn output_has_a_limit() {
    let options = JsonOptions {
        defaults: Defaults::Emit,
        ..JsonOptions::default()
    };
    let program = ToJson::compile(&message("Product"), &Selection::All, options);
    let many = Wire([0x72, 0x00].repeat(100_000));
    assert_eq!(write(&program, &many), Err(DecodeError::TooLarge));
}

#[test]
fn cut_messages_are_malformed() {
    let whole = wire()
        .text(1, "mug")
        .double(4, 1.5)
        .message(13, &wire().int(2, 300))
        .fixed32(32, 1);
    let fields = [0, 5, 14, 19, 25];
    for at in 0..whole.0.len() {
        let cut = Wire(whole.0[..at].to_vec());
        assert_eq!(json_of("Product", &cut).is_ok(), fields.contains(&at), "cut at {at}");
    }
}
