//! The messages of google.protobuf whose JSON is one string: from text to the message's own bytes.

use super::scalar::{Reason, write_text};
use crate::codec::{time_text, wire};

/// Appends a google.protobuf.Timestamp.
pub(in crate::codec) fn write_timestamp(text: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
    let (seconds, nanos) =
        time_text::parse_timestamp(text).ok_or("expected a timestamp such as 2006-01-02T15:04:05Z")?;
    write_seconds_and_nanos(seconds, nanos, out);
    Ok(())
}

/// Appends a google.protobuf.Duration.
pub(in crate::codec) fn write_duration(text: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
    let (seconds, nanos) = time_text::parse_duration(text).ok_or("expected a duration such as 1.5s")?;
    write_seconds_and_nanos(seconds, nanos, out);
    Ok(())
}

fn write_seconds_and_nanos(seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    if seconds != 0 {
        out.push(1 << 3);
        wire::put_varint(out, seconds.cast_unsigned());
    }
    if nanos != 0 {
        out.push(2 << 3);
        wire::put_varint(out, wire::extend32(nanos));
    }
}

/// Appends a google.protobuf.FieldMask: paths in `lowerCamelCase`, separated by commas, become `snake_case`.
pub(in crate::codec) fn write_field_mask(text: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
    if text.is_empty() {
        return Ok(());
    }
    let mut snake = Vec::with_capacity(text.len());
    for path in text.split(',') {
        snake.clear();
        for byte in path.bytes() {
            match byte {
                b'A'..=b'Z' => snake.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]),
                b'a'..=b'z' | b'0'..=b'9' | b'.' => snake.push(byte),
                _ => return Err(FIELD_MASK),
            }
        }
        if path.split('.').any(str::is_empty) {
            return Err(FIELD_MASK);
        }
        out.push(1 << 3 | 2);
        write_text(&snake, out);
    }
    Ok(())
}

const FIELD_MASK: Reason = "expected field paths in lowerCamelCase, separated by commas";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_masks_become_snake_case() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("a", Some(b"\x0a\x01a")),
            ("fooBar,b.cD", Some(b"\x0a\x07foo_bar\x0a\x05b.c_d")),
            ("foo_bar", None),
            ("a,,b", None),
            ("a.", None),
            ("a b", None),
        ] {
            let mut out = Vec::new();
            assert_eq!(
                write_field_mask(text, &mut out).ok().map(|()| &out[..]),
                bytes,
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_seconds_and_nanoseconds() {
        let mut out = Vec::new();
        write_timestamp("1970-01-01T00:00:01.5Z", &mut out).unwrap();
        assert_eq!(out, b"\x08\x01\x10\x80\xca\xb5\xee\x01");
        out.clear();
        write_timestamp("1970-01-01T00:00:00Z", &mut out).unwrap();
        assert_eq!(out, b"");
        write_duration("-1s", &mut out).unwrap();
        assert_eq!(out, b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert!(write_duration("1", &mut out).is_err());
        assert!(write_timestamp("yesterday", &mut out).is_err());
    }
}
