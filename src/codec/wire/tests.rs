//! What the wire format accepts and refuses.

use super::*;

#[test]
fn varints_come_back_as_they_were_put() {
    for value in [
        0,
        1,
        127,
        128,
        300,
        16_383,
        16_384,
        u64::from(u32::MAX),
        u64::MAX >> 1,
        u64::MAX,
    ] {
        let mut wire = Vec::new();
        put_varint(&mut wire, value);
        assert_eq!(wire.len(), varint_length(value), "{value}");
        let mut reader = Reader::new(&wire);
        assert_eq!(reader.varint(), Ok(value));
        assert!(reader.is_empty());
    }
}

#[test]
fn bad_varints_are_malformed() {
    let eleven = [0x80; 11];
    let too_big = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    for wire in [&[][..], &[0x80], &[0xff, 0xff], &eleven, &too_big] {
        assert_eq!(Reader::new(wire).varint(), Err(DecodeError::Malformed), "{wire:x?}");
    }
    // Longer than need be is legal.
    assert_eq!(Reader::new(&[0x81, 0x80, 0x00]).varint(), Ok(1));
}

#[test]
fn zigzag_keeps_every_sign() {
    for value in [0, 1, -1, 2, i32::MAX, i32::MIN] {
        assert_eq!(sint32(zigzag32(value)), value);
        assert_eq!(sint64(zigzag64(i64::from(value))), i64::from(value));
        assert_eq!(int32(extend32(value)), value);
    }
    assert_eq!(sint64(zigzag64(i64::MIN)), i64::MIN);
    assert_eq!(zigzag32(-1), 1);
}

#[test]
fn tags_out_of_range_are_malformed() {
    // Number 0, wire types 6 and 7, more than 32 bits.
    for bits in [0_u64, 7, 8 | 6, 8 | 7, 1 << 32] {
        let mut wire = Vec::new();
        put_varint(&mut wire, bits);
        assert_eq!(Reader::new(&wire).tag(), Err(DecodeError::Malformed), "{bits}");
    }
}

#[test]
fn groups_are_skipped_with_all_that_they_hold() {
    let mut inner = Vec::new();
    put_bytes(&mut inner, 3, b"abc");
    put_group(&mut inner, 2, &[0x08, 0x01]);
    let mut wire = Vec::new();
    put_group(&mut wire, 7, &inner);
    wire.extend_from_slice(&[0x08, 0x05]);
    let mut reader = Reader::new(&wire);
    assert_eq!(
        reader.field(),
        Ok(Some((Tag::new(7, WireType::StartGroup), RawValue::Group(&inner))))
    );
    assert_eq!(
        reader.field(),
        Ok(Some((Tag::new(1, WireType::Varint), RawValue::Varint(5))))
    );
    assert_eq!(reader.field(), Ok(None));
}

#[test]
fn groups_that_do_not_close_are_malformed_and_deep_ones_are_refused() {
    for wire in [&[0x0b][..], &[0x0b, 0x14], &[0x0b, 0x13, 0x0c, 0x14], &[0x0c]] {
        assert_eq!(Reader::new(wire).field(), Err(DecodeError::Malformed), "{wire:x?}");
    }
    let deep = vec![0x0b; 1000];
    assert_eq!(Reader::new(&deep).field(), Err(DecodeError::Depth));
}

#[test]
fn lengths_beyond_the_end_are_malformed() {
    for wire in [&[0x0a, 0x02, 0x00][..], &[0x0a], &[0x09, 0, 0, 0], &[0x0d, 0]] {
        assert_eq!(Reader::new(wire).field(), Err(DecodeError::Malformed), "{wire:x?}");
    }
    let mut huge = vec![0x0a];
    put_varint(&mut huge, u64::MAX);
    assert_eq!(Reader::new(&huge).field(), Err(DecodeError::Malformed));
}
