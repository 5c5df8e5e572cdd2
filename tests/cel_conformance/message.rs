//! Messages in the cases. CEL constructs them in expressions, `M{f: x}`; here templates make them. So each construction is taken
//! out of the expression: its members are evaluated and fitted into the message as those of a template are, and a name stands
//! for what came out.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use weft::expr::{Encoder, ReplyReader, Type, Value};
use weft::schema::{MessageRef, Schema, WellKnown, load};

use super::{Named, Names, evaluated};

/// The schema of the cases.
fn schema() -> &'static Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cel/test_all_types.pb");
        load::schema(&[file]).expect("the schema of the cases")
    });
    &SCHEMA
}

/// A message type by its full name.
pub(crate) fn find(full_name: &str) -> Option<MessageRef> {
    Some(MessageRef::new(schema().clone(), schema().find_message(full_name)?))
}

/// The value that the wire bytes of a message are.
pub(crate) fn read(message: &MessageRef, wire: Vec<u8>) -> Result<(Type, Value), String> {
    let value = ReplyReader::compile(message)
        .read(Bytes::from(wire))
        .map_err(|error| format!("{error:?}"))?;
    Ok((Type::of_message(message), value))
}

// === what an expression consists of ===

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Text,
    Sign(char),
}

/// The words, texts and signs of an expression, without blanks and comments.
fn tokens(text: &str) -> Vec<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<(Kind, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or_default();
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if matches!(first, '"' | '\'' | '`') {
            let raw = matches!(tokens.last(), Some((Kind::Word, before)) if before.end == at && text[before.clone()].contains(['r', 'R']));
            let thrice = first.to_string().repeat(3);
            let quote = if rest.starts_with(&thrice) {
                thrice
            } else {
                first.to_string()
            };
            at += quote.len();
            while at < bytes.len() && !text[at..].starts_with(&quote) {
                at += if bytes[at] == b'\\' && !raw { 2 } else { 1 };
                while !text.is_char_boundary(at) {
                    at += 1;
                }
            }
            at += quote.len();
            tokens.push((Kind::Text, start..at));
        } else if first.is_ascii_alphanumeric() || first == '_' {
            at += rest
                .find(|it: char| !it.is_ascii_alphanumeric() && it != '_')
                .unwrap_or(rest.len());
            tokens.push((Kind::Word, start..at));
        } else {
            at += first.len_utf8();
            tokens.push((Kind::Sign(first), start..at));
        }
    }
    tokens
}

/// The token behind the bracket that closes the one at `open`.
fn behind(tokens: &[(Kind, Range<usize>)], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, (kind, _)) in tokens.iter().enumerate().skip(open) {
        match kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

// === constructions ===

/// The expression with names in place of the messages that it constructs.
pub(crate) fn take_out(text: &str, container: &str, names: &mut Names) -> Result<String, String> {
    let tokens = tokens(text);
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < tokens.len() {
        let Some((name, open)) = construction(text, &tokens, at) else {
            at += 1;
            continue;
        };
        let end = behind(&tokens, open).ok_or("a bracket is not closed")?;
        let message = resolved(&name, container).ok_or_else(|| format!("there is no message `{name}`"))?;
        let mut members = Vec::new();
        let mut start = open + 1;
        while start < end - 1 {
            let mut stop = start;
            while stop < end - 1 && tokens[stop].0 != Kind::Sign(',') {
                stop = match tokens[stop].0 {
                    Kind::Sign('(' | '[' | '{') => behind(&tokens, stop).ok_or("a bracket is not closed")?,
                    _ => stop + 1,
                };
            }
            let field = text[tokens[start].1.clone()].trim_matches('`').to_owned();
            let written = &text[tokens[start + 1].1.end..tokens[stop].1.start];
            members.push((field, take_out(&enums_as_text(written, container), container, names)?));
            start = stop + 1;
        }
        let (ty, value) = constructed(&message, &members, names)?;
        let made = format!("made{}", names.0.len());
        out.push_str(&text[copied..tokens[at].1.start]);
        out.push_str(&made);
        names.0.push(Named { text: made, ty, value });
        copied = tokens[end - 1].1.end;
        at = end;
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// `.a.b.M {`, if it begins here: the name, and the token that is the bracket.
fn construction(text: &str, tokens: &[(Kind, Range<usize>)], start: usize) -> Option<(String, usize)> {
    let mut at = start;
    let mut name = String::new();
    if tokens[at].0 == Kind::Sign('.') {
        name.push('.');
        at += 1;
    }
    loop {
        let (Kind::Word, range) = tokens.get(at)? else {
            return None;
        };
        let word = &text[range.clone()];
        if word == "in" {
            return None;
        }
        name.push_str(word);
        match tokens.get(at + 1)?.0 {
            Kind::Sign('{') => return Some((name, at + 1)),
            Kind::Sign('.') => name.push('.'),
            _ => return None,
        }
        at += 2;
    }
}

/// A name as CEL resolves it: from the container outwards.
fn resolved(name: &str, container: &str) -> Option<MessageRef> {
    candidates(name, container).find_map(|it| find(&it))
}

fn candidates(name: &str, container: &str) -> impl Iterator<Item = String> {
    let (name, mut within) = match name.strip_prefix('.') {
        Some(absolute) => (absolute.to_owned(), Some(String::new())),
        None => (name.to_owned(), Some(container.to_owned())),
    };
    std::iter::from_fn(move || {
        let place = within.take()?;
        if place.is_empty() {
            return Some(name.clone());
        }
        within = Some(place.rsplit_once('.').map_or_else(String::new, |it| it.0.to_owned()));
        Some(format!("{place}.{name}"))
    })
}

/// In a template a value of an enum is text: `BAR` where CEL has `M.E.BAR`.
fn enums_as_text(text: &str, container: &str) -> String {
    let tokens = tokens(text);
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < tokens.len() {
        let mut end = at + 1;
        while tokens[at].0 == Kind::Word
            && end + 1 < tokens.len()
            && tokens[end].0 == Kind::Sign('.')
            && tokens[end + 1].0 == Kind::Word
        {
            end += 2;
        }
        let range = tokens[at].1.start..tokens[end - 1].1.end;
        if let Some((name, value)) = text[range.clone()].rsplit_once('.')
            && let Some(found) = candidates(name, container).find_map(|it| schema().find_enum(&it))
            && schema().enumeration(found).number(value).is_some()
        {
            out.push_str(&text[copied..range.start]);
            out.extend(["'", value, "'"]);
            copied = range.end;
        }
        at = end;
    }
    out.push_str(&text[copied..]);
    out
}

/// The message that a template with these members makes; for the well-known ones, what a template writes in their place.
fn constructed(message: &MessageRef, members: &[(String, String)], names: &Names) -> Result<(Type, Value), String> {
    let of = |name: &str| members.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
    let whole = match message.well_known {
        None | Some(WellKnown::Empty | WellKnown::FieldMask) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("'{name}': {value}"))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Some(WellKnown::Any) => {
            let mut wire = Vec::new();
            for (tag, name) in [(0x0a, "type_url"), (0x12, "value")] {
                let content = match of(name).map(|it| evaluated(it, names)).transpose()? {
                    None => continue,
                    Some((_, Value::String(it))) => it.as_str().as_bytes().to_vec(),
                    Some((_, Value::Bytes(it))) => it.to_vec(),
                    Some(other) => return Err(format!("{other:?}")),
                };
                wire.push(tag);
                wire.push(
                    u8::try_from(content.len())
                        .ok()
                        .filter(|it| *it < 128)
                        .ok_or("too long for a test")?,
                );
                wire.extend(content);
            }
            return read(message, wire);
        }
        Some(WellKnown::Duration | WellKnown::Timestamp) => {
            let mut wire = Vec::new();
            for (tag, name) in [(0x08, "seconds"), (0x10, "nanos")] {
                let Some(written) = of(name) else { continue };
                let Value::Int(number) = evaluated(written, names)?.1 else {
                    return Err(format!("`{written}` is no integer"));
                };
                wire.push(tag);
                let mut rest = number.cast_unsigned();
                while rest > 0x7f {
                    wire.push(rest.to_le_bytes()[0] | 0x80);
                    rest >>= 7;
                }
                wire.push(rest.to_le_bytes()[0]);
            }
            return read(message, wire);
        }
        Some(WellKnown::Value) => match members {
            [] => "null".to_owned(),
            [(kind, _)] if kind == "null_value" => "null".to_owned(),
            [(_, value)] => value.clone(),
            _ => return Err("a Value is one thing".to_owned()),
        },
        Some(WellKnown::Struct) => of("fields").unwrap_or("{}").to_owned(),
        Some(WellKnown::ListValue) => of("values").unwrap_or("[]").to_owned(),
        // Wrappers: an empty one holds the default.
        Some(_) => match of("value") {
            Some(value) => value.to_owned(),
            None => return read(message, Vec::new()),
        },
    };
    let (ty, value) = evaluated(&whole, names)?;
    let encoder = Encoder::message(&ty, message).map_err(|error| error.title)?;
    let mut wire = Vec::new();
    encoder
        .encode(&value, &mut wire)
        .map_err(|fault| fault.reason.to_owned())?;
    read(message, wire)
}
