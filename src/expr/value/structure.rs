//! google.protobuf.Struct, Value and `ListValue` → JSON: what is typed `any` is JSON text at run time, whatever it came as.
//!
//! Needs no schema, since these three messages are what they are everywhere. Leaves messages that hold them to
//! `codec::ToJson`. Invariant: what is written is JSON, with members in ascending order of their names.

use std::borrow::Cow;

use bytes::Bytes;

use super::Value;
use crate::codec::wire::{DEPTH_LIMIT, RawValue, Reader};
use crate::codec::{DecodeError, escape, number};
use crate::schema::WellKnown;

/// The JSON of one of the three messages; null for JSON null, and for what has no JSON form, which a reader of replies has
/// refused.
pub(super) fn json_value(message: WellKnown, wire: &[u8]) -> Value {
    let mut out = Vec::with_capacity(wire.len() * 2);
    let written = match message {
        WellKnown::ListValue => write_list(wire, &mut out, 0),
        WellKnown::Struct => write_struct(wire, &mut out, 0),
        _ => write_value(wire, &mut out, 0),
    };
    match written {
        Ok(()) if out != b"null" => Value::Json(Bytes::from(out)),
        _ => Value::Null,
    }
}

/// What a Value holds: the last member of its oneof.
enum Held<'w> {
    Bool(bool),
    List(Cow<'w, [u8]>),
    Null,
    Number(f64),
    String(&'w [u8]),
    Struct(Cow<'w, [u8]>),
}

fn write_value(wire: &[u8], out: &mut Vec<u8>, depth: u32) -> Result<(), DecodeError> {
    let mut held = Held::Null;
    let mut reader = Reader::new(wire);
    while let Some((tag, raw)) = reader.field()? {
        held = match (tag.number(), raw, held) {
            (1, RawValue::Varint(_), _) => Held::Null,
            (2, RawValue::Fixed64(bits), _) => Held::Number(f64::from_bits(bits)),
            (3, RawValue::Bytes(text), _) => Held::String(text),
            (4, RawValue::Varint(bits), _) => Held::Bool(bits != 0),
            // Parts of one message that follow each other are that message.
            (5, RawValue::Bytes(part), Held::Struct(parts)) => Held::Struct(joined(parts, part)),
            (5, RawValue::Bytes(part), _) => Held::Struct(Cow::Borrowed(part)),
            (6, RawValue::Bytes(part), Held::List(parts)) => Held::List(joined(parts, part)),
            (6, RawValue::Bytes(part), _) => Held::List(Cow::Borrowed(part)),
            (_, _, held) => held,
        };
    }
    match held {
        Held::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Held::List(wire) => write_list(&wire, out, depth + 1)?,
        Held::Null => out.extend_from_slice(b"null"),
        Held::Number(value) if value.is_finite() => number::write_double(value, out),
        Held::Number(_) => return Err(DecodeError::Range),
        Held::String(text) => escape::write_utf8(text, out)?,
        Held::Struct(wire) => write_struct(&wire, out, depth + 1)?,
    }
    Ok(())
}

fn write_list(wire: &[u8], out: &mut Vec<u8>, depth: u32) -> Result<(), DecodeError> {
    check_depth(depth)?;
    out.push(b'[');
    let mut first = true;
    let mut reader = Reader::new(wire);
    while let Some((tag, raw)) = reader.field()? {
        let (1, RawValue::Bytes(element)) = (tag.number(), raw) else {
            continue;
        };
        if !first {
            out.push(b',');
        }
        first = false;
        write_value(element, out, depth + 1)?;
    }
    out.push(b']');
    Ok(())
}

fn write_struct(wire: &[u8], out: &mut Vec<u8>, depth: u32) -> Result<(), DecodeError> {
    check_depth(depth)?;
    let mut members: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::new();
    let mut reader = Reader::new(wire);
    while let Some((tag, raw)) = reader.field()? {
        let (1, RawValue::Bytes(entry)) = (tag.number(), raw) else {
            continue;
        };
        members.push(read_member(entry)?);
    }
    // Of equal names the last one stands.
    members.reverse();
    members.sort_by_key(|(name, _)| *name);
    members.dedup_by_key(|(name, _)| *name);
    out.push(b'{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        escape::write_utf8(name, out)?;
        out.push(b':');
        write_value(value, out, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

fn read_member(entry: &[u8]) -> Result<(&[u8], Cow<'_, [u8]>), DecodeError> {
    let mut name: &[u8] = &[];
    let mut value = Cow::Borrowed(&[][..]);
    let mut reader = Reader::new(entry);
    while let Some((tag, raw)) = reader.field()? {
        match (tag.number(), raw) {
            (1, RawValue::Bytes(text)) => name = text,
            (2, RawValue::Bytes(part)) => value = joined(value, part),
            _ => {}
        }
    }
    Ok((name, value))
}

fn joined<'w>(mut parts: Cow<'w, [u8]>, part: &'w [u8]) -> Cow<'w, [u8]> {
    if parts.is_empty() {
        return Cow::Borrowed(part);
    }
    parts.to_mut().extend_from_slice(part);
    parts
}

fn check_depth(depth: u32) -> Result<(), DecodeError> {
    if depth > DEPTH_LIMIT {
        Err(DecodeError::Depth)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::wire::{put_bytes, put_value};

    fn value(number: u32, raw: RawValue<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        put_value(&mut out, number, raw);
        out
    }

    fn member(name: &str, value: &[u8]) -> Vec<u8> {
        let (mut entry, mut out) = (Vec::new(), Vec::new());
        put_bytes(&mut entry, 1, name.as_bytes());
        put_bytes(&mut entry, 2, value);
        put_bytes(&mut out, 1, &entry);
        out
    }

    #[test]
    fn structs_are_json_with_sorted_members() {
        let one = value(2, RawValue::Fixed64(1.0_f64.to_bits()));
        let text = value(3, RawValue::Bytes(b"\"x\""));
        let yes = value(4, RawValue::Varint(1));
        let null = value(1, RawValue::Varint(0));
        let mut list = Vec::new();
        put_bytes(&mut list, 1, &one);
        put_bytes(&mut list, 1, &null);
        let list = value(6, RawValue::Bytes(&list));
        let all = [
            member("b", &one),
            member("a", &text),
            member("c", &list),
            member("b", &yes),
        ]
        .concat();
        let Value::Json(json) = json_value(WellKnown::Struct, &all) else {
            panic!("no JSON")
        };
        assert_eq!(json, r#"{"a":"\"x\"","b":true,"c":[1,null]}"#);
        let nested = value(5, RawValue::Bytes(&member("x", &value(5, RawValue::Bytes(&[])))));
        let Value::Json(json) = json_value(WellKnown::Value, &nested) else {
            panic!("no JSON")
        };
        assert_eq!(json, r#"{"x":{}}"#);
    }

    #[test]
    fn null_and_what_has_no_json_form_are_null() {
        let nan = value(2, RawValue::Fixed64(f64::NAN.to_bits()));
        let mut deep = Vec::new();
        for _ in 0..300 {
            let mut list = Vec::new();
            put_bytes(&mut list, 1, &deep);
            deep = value(6, RawValue::Bytes(&list));
        }
        for wire in [&value(1, RawValue::Varint(0)), &vec![], &nan, &deep, &vec![0xff]] {
            assert!(json_value(WellKnown::Value, wire).is_null());
        }
    }
}
