//! Functions over text and bytes. Indexes count characters (Unicode scalar values), as CEL says.

use super::super::eval::{LIST_TOO_LONG, MAX_LIST, MAX_TEXT, MISMATCH, TEXT_TOO_LONG, list_of, text};
use super::super::program::Reason;
use super::super::value::{Str, Value};
use crate::codec::base64;

const OUT_OF_RANGE: Reason = "an index is out of range";

fn str_at(args: &[Value], at: usize) -> Result<&Str, Reason> {
    match args.get(at) {
        Some(Value::String(it)) => Ok(it),
        _ => Err(MISMATCH),
    }
}

fn int_at(args: &[Value], at: usize) -> Result<i128, Reason> {
    args.get(at).and_then(Value::as_integer).ok_or(MISMATCH)
}

/// The byte offset of a character index; the end is one.
fn offset(text: &str, index: i128) -> Result<usize, Reason> {
    let index = usize::try_from(index).map_err(|_| OUT_OF_RANGE)?;
    if text.is_ascii() {
        return if index <= text.len() {
            Ok(index)
        } else {
            Err(OUT_OF_RANGE)
        };
    }
    let mut offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    offsets.nth(index).ok_or(OUT_OF_RANGE)
}

/// The character index of a byte offset.
fn index(text: &str, offset: Option<usize>) -> Value {
    let found = offset
        .and_then(|it| text.get(..it))
        .and_then(|it| i64::try_from(it.chars().count()).ok());
    Value::Int(found.unwrap_or(-1))
}

fn slice(of: &Str, from: usize, to: usize) -> Result<Value, Reason> {
    of.slice(from..to).map(Value::String).ok_or(OUT_OF_RANGE)
}

pub(super) fn char_at(args: &[Value]) -> Result<Value, Reason> {
    let of = str_at(args, 0)?;
    let from = offset(of, int_at(args, 1)?)?;
    let width = of[from..].chars().next().map_or(0, char::len_utf8);
    slice(of, from, from + width)
}

pub(super) fn substring(args: &[Value]) -> Result<Value, Reason> {
    let of = str_at(args, 0)?;
    let from = offset(of, int_at(args, 1)?)?;
    let to = if args.len() > 2 {
        offset(of, int_at(args, 2)?)?
    } else {
        of.len()
    };
    if from > to {
        Err(OUT_OF_RANGE)
    } else {
        slice(of, from, to)
    }
}

pub(super) fn contains(args: &[Value]) -> Result<Value, Reason> {
    Ok(Value::Bool(str_at(args, 0)?.contains(str_at(args, 1)?.as_str())))
}

pub(super) fn starts_with(args: &[Value]) -> Result<Value, Reason> {
    Ok(Value::Bool(str_at(args, 0)?.starts_with(str_at(args, 1)?.as_str())))
}

pub(super) fn ends_with(args: &[Value]) -> Result<Value, Reason> {
    Ok(Value::Bool(str_at(args, 0)?.ends_with(str_at(args, 1)?.as_str())))
}

pub(super) fn index_of(args: &[Value]) -> Result<Value, Reason> {
    let (of, part) = (str_at(args, 0)?.as_str(), str_at(args, 1)?.as_str());
    let from = if args.len() > 2 {
        offset(of, int_at(args, 2)?)?
    } else {
        0
    };
    Ok(index(of, of[from..].find(part).map(|it| from + it)))
}

/// With an index: the last one at or before it.
pub(super) fn last_index_of(args: &[Value]) -> Result<Value, Reason> {
    let (of, part) = (str_at(args, 0)?.as_str(), str_at(args, 1)?.as_str());
    let mut end = of.len();
    if args.len() > 2 {
        end = offset(of, int_at(args, 2)?)?.saturating_add(part.len()).min(of.len());
        while !of.is_char_boundary(end) {
            end -= 1;
        }
    }
    Ok(index(of, of[..end].rfind(part)))
}

pub(super) fn lower_ascii(args: &[Value]) -> Result<Value, Reason> {
    text(str_at(args, 0)?.to_ascii_lowercase())
}

pub(super) fn upper_ascii(args: &[Value]) -> Result<Value, Reason> {
    text(str_at(args, 0)?.to_ascii_uppercase())
}

pub(super) fn trim(args: &[Value]) -> Result<Value, Reason> {
    let of = str_at(args, 0)?;
    let from = of.len() - of.trim_start().len();
    slice(of, from, from + of.trim().len())
}

pub(super) fn reverse(args: &[Value]) -> Result<Value, Reason> {
    text(str_at(args, 0)?.chars().rev().collect())
}

pub(super) fn replace(args: &[Value]) -> Result<Value, Reason> {
    let (of, old, new) = (
        str_at(args, 0)?.as_str(),
        str_at(args, 1)?.as_str(),
        str_at(args, 2)?.as_str(),
    );
    let limit = if args.len() > 3 { int_at(args, 3)? } else { -1 };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // The length is known before anything is written.
    let n_found = of.matches(old).take(limit).count();
    let grown = of
        .len()
        .saturating_sub(n_found * old.len())
        .saturating_add(n_found.saturating_mul(new.len()));
    if grown > MAX_TEXT {
        return Err(TEXT_TOO_LONG);
    }
    text(of.replacen(old, new, limit))
}

pub(super) fn split(args: &[Value]) -> Result<Value, Reason> {
    let (of, separator) = (str_at(args, 0)?, str_at(args, 1)?.as_str());
    let limit = if args.len() > 2 { int_at(args, 2)? } else { -1 };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let text = of.as_str();
    if limit == 0 {
        return list_of(Vec::new());
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while parts.len() + 1 < limit {
        let found = if separator.is_empty() {
            // Between all characters, but neither before the first nor behind the last.
            let width = text[from..].chars().next().map_or(0, char::len_utf8);
            (width > 0 && from + width < text.len()).then_some((from + width, 0))
        } else {
            text[from..].find(separator).map(|it| (from + it, separator.len()))
        };
        let Some((at, width)) = found else { break };
        if parts.len() >= MAX_LIST {
            return Err(LIST_TOO_LONG);
        }
        parts.push(slice(of, from, at)?);
        from = at + width;
    }
    if !(separator.is_empty() && text.is_empty()) {
        parts.push(slice(of, from, text.len())?);
    }
    list_of(parts)
}

pub(super) fn base64_decode(args: &[Value]) -> Result<Value, Reason> {
    base64::decode(str_at(args, 0)?.as_bytes())
        .map(|it| Value::Bytes(it.into()))
        .ok_or("this text is not base64")
}

pub(super) fn base64_encode(args: &[Value]) -> Result<Value, Reason> {
    match args {
        [Value::Bytes(it)] => {
            // Four characters for three bytes.
            if it.len() / 3 * 4 > MAX_TEXT {
                Err(TEXT_TOO_LONG)
            } else {
                text(encode_base64(it))
            }
        }
        _ => Err(MISMATCH),
    }
}

/// Standard base64 with padding.
fn encode_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_as_cel_says() {
        for (of, separator, limit, wanted) in [
            ("a,b,c", ",", None, vec!["a", "b", "c"]),
            ("a,b,c", ",", Some(2), vec!["a", "b,c"]),
            ("a,b,c", ",", Some(0), vec![]),
            ("a,b,c", ",", Some(-1), vec!["a", "b", "c"]),
            ("añb", "", None, vec!["a", "ñ", "b"]),
            ("abc", "", Some(2), vec!["a", "bc"]),
            ("", "", None, vec![]),
            ("", ",", None, vec![""]),
            (",", ",", None, vec!["", ""]),
        ] {
            let mut args = vec![Value::from(of), Value::from(separator)];
            args.extend(limit.map(Value::Int));
            let Ok(Value::List(parts)) = split(&args) else {
                panic!("a list")
            };
            let parts: Vec<String> = parts.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
            assert_eq!(parts, wanted, "{of:?} {separator:?} {limit:?}");
        }
    }

    #[test]
    fn text_cannot_grow_without_bounds() {
        let long = "a".repeat(2000);
        let args = [Value::from(&*long), Value::from(""), Value::from(&*long)];
        assert_eq!(replace(&args).unwrap_err(), TEXT_TOO_LONG);
    }
}
