//! Templates → JSON bytes, or values, or text.
//!
//! JSON goes into one buffer, replies rendered by programs that were compiled for them. What a request, a `value:`, a
//! fallback or an element gives is a value. Objects keep written order, and of two members with one name the later stands,
//! also where the names are known only now (semantics.md 7.5).

mod object;

use std::borrow::Cow;

use bytes::Bytes;

use crate::codec::json::{self, Kind};
use crate::expr::{Fault, Frame, Program, Slot, Span, Value};
use crate::plan::{Conversion, Item, Origin, Template, TextPart};
use crate::runtime::backend::Failure;
use crate::runtime::cache::Tag;

/// The largest response, and so the largest JSON of a template.
const MAX_JSON: usize = 16 << 20;

/// What a body is made of.
#[derive(Debug)]
pub(super) enum Rendered {
    /// Bytes, as they are.
    Bytes(Bytes),
    /// Anything else.
    Json(Vec<u8>),
}

/// Appends the JSON of a template. On failure `out` may hold a part of it.
pub(super) fn json(template: &Template, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    match template {
        Template::Constant { json, .. } => out.extend_from_slice(json),
        Template::Convert { template, .. } => json_of(template, frame, out)?,
        Template::Expression {
            program,
            renderer,
            origin,
        } => {
            let value = eval(program, frame, Some(origin))?;
            renderer
                .render(&value, out)
                .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
        }
        Template::For {
            list,
            slot,
            condition,
            each,
            origin,
        } => {
            let elements = elements(eval(list, frame, Some(origin))?, Some(origin))?;
            let mut list = Punctuation::open(out, b'[');
            for element in elements {
                let inner = [element];
                let inner = inside(frame, *slot, &inner);
                if holds(condition.as_ref(), &inner, Some(origin))? {
                    list.next(out);
                    json_of(each, &inner, out)?;
                }
            }
            out.push(b']');
        }
        Template::List(items) => {
            let mut list = Punctuation::open(out, b'[');
            for Item { condition, template } in items {
                if holds(condition.as_ref(), frame, None)? {
                    list.next(out);
                    json_of(template, frame, out)?;
                }
            }
            out.push(b']');
        }
        Template::Object(members) => object::json(members, frame, out)?,
        Template::Text { parts, origin } => json::write_string(&concatenate(parts, frame, origin)?, out),
    }
    if out.len() > MAX_JSON {
        Err(Failure::response_too_large())
    } else {
        Ok(())
    }
}

/// [`json()`], which is also the name of a module here.
fn json_of(template: &Template, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    json(template, frame, out)
}

/// The value of a template.
pub(super) fn value(template: &Template, frame: &Frame<'_>) -> Result<Value, Failure> {
    match template {
        Template::Constant { value, .. } => Ok(value.clone()),
        Template::Convert { template, into, origin } => convert(template, into, origin, frame),
        Template::Expression { program, origin, .. } => eval(program, frame, Some(origin)),
        Template::For {
            list,
            slot,
            condition,
            each,
            origin,
        } => {
            let mut values = Vec::new();
            for element in elements(eval(list, frame, Some(origin))?, Some(origin))? {
                let inner = [element];
                let inner = inside(frame, *slot, &inner);
                if holds(condition.as_ref(), &inner, Some(origin))? {
                    values.push(value(each, &inner)?);
                }
            }
            Ok(Value::list(values))
        }
        Template::List(items) => {
            let mut values = Vec::with_capacity(items.len());
            for Item { condition, template } in items {
                if holds(condition.as_ref(), frame, None)? {
                    values.push(value(template, frame)?);
                }
            }
            Ok(Value::list(values))
        }
        Template::Object(members) => object::value(members, frame),
        Template::Text { parts, origin } => Ok(concatenate(parts, frame, origin)?.into()),
    }
}

fn convert(template: &Template, into: &Conversion, origin: &Origin, frame: &Frame<'_>) -> Result<Value, Failure> {
    match into {
        Conversion::Json => {
            let mut out = Vec::new();
            json(template, frame, &mut out)?;
            Ok(json_value(out.into()))
        }
        Conversion::Message(encoder) => {
            let value = value(template, frame)?;
            if value.is_null() {
                return Ok(Value::Null);
            }
            let mut wire = Vec::new();
            encoder
                .encode(&value, &mut wire)
                .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
            Ok(Value::Message(wire.into()))
        }
        Conversion::Read(reader) => {
            let mut out = Vec::new();
            json(template, frame, &mut out)?;
            reader.read(out.into()).map_err(|_| {
                let fault = Fault {
                    reason: "a value does not fit its place",
                    span: Span::default(),
                };
                Failure::expression(fault, Some(origin.clone()))
            })
        }
    }
}

/// The bytes of a template whose value is bytes, or the JSON of any other.
pub(super) fn value_or_json(template: &Template, frame: &Frame<'_>) -> Result<Rendered, Failure> {
    if let Template::Expression {
        program,
        renderer,
        origin,
    } = template
    {
        let value = eval(program, frame, Some(origin))?;
        if let Value::Bytes(bytes) = value {
            return Ok(Rendered::Bytes(bytes));
        }
        let mut out = Vec::new();
        renderer
            .render(&value, &mut out)
            .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
        return Ok(Rendered::Json(out));
    }
    let mut out = Vec::new();
    json(template, frame, &mut out)?;
    Ok(Rendered::Json(out))
}

/// A scalar as text, as JSON would write it without quotes; `None` for null.
pub(super) fn text(template: &Template, frame: &Frame<'_>) -> Result<Option<String>, Failure> {
    if let Template::Text { parts, origin } = template {
        return concatenate(parts, frame, origin).map(Some);
    }
    let json = any_json(template, frame)?;
    Ok((json::kind(&json) != Kind::Null).then(|| unquoted(&json)))
}

/// [`text`] of each element of a list, and of what is no list; null is none.
pub(super) fn texts(template: &Template, frame: &Frame<'_>) -> Result<Vec<String>, Failure> {
    if let Template::Text { parts, origin } = template {
        return Ok(vec![concatenate(parts, frame, origin)?]);
    }
    let json = any_json(template, frame)?;
    Ok(match json::kind(&json) {
        Kind::Null => Vec::new(),
        Kind::Array => json::elements(&json)
            .filter(|it| json::kind(it) != Kind::Null)
            .map(unquoted)
            .collect(),
        Kind::Bool | Kind::Number | Kind::Object | Kind::String => vec![unquoted(&json)],
    })
}

/// The tags that templates give.
pub(super) fn tags(templates: &[Template], frame: &Frame<'_>) -> Result<Vec<Tag>, Failure> {
    let mut tags = Vec::new();
    for it in templates {
        tags.extend(texts(it, frame)?.iter().map(|it| Tag::of(it)));
    }
    Ok(tags)
}

fn any_json<'t>(template: &'t Template, frame: &Frame<'_>) -> Result<Cow<'t, [u8]>, Failure> {
    if let Template::Constant { json, .. } = template {
        return Ok(Cow::Borrowed(json));
    }
    let mut out = Vec::new();
    json(template, frame, &mut out)?;
    Ok(Cow::Owned(out))
}

/// What a fragment of JSON says: the text of a string, the digits of a number.
pub(super) fn unquoted(fragment: &[u8]) -> String {
    json::string(fragment).map_or_else(
        || String::from_utf8_lossy(json::trim(fragment)).into_owned(),
        Cow::into_owned,
    )
}

/// The elements of a list of any kind; none of null.
pub(super) fn elements(list: Value, origin: Option<&Origin>) -> Result<Vec<Value>, Failure> {
    match list {
        Value::Null => Ok(Vec::new()),
        Value::List(list) => Ok(list.iter().collect()),
        Value::Json(json) if json::kind(&json) == Kind::Array => {
            Ok(json::elements(&json).map(|it| json_value(json.slice_ref(it))).collect())
        }
        _ => Err(fault("not a list", origin)),
    }
}

fn json_value(json: Bytes) -> Value {
    if json::kind(&json) == Kind::Null {
        Value::Null
    } else {
        Value::Json(json)
    }
}

fn concatenate(parts: &[TextPart], frame: &Frame<'_>, origin: &Origin) -> Result<String, Failure> {
    let mut text = String::new();
    for part in parts {
        match part {
            TextPart::Literal(literal) => text.push_str(literal),
            TextPart::Hole(program) => match eval(program, frame, Some(origin))? {
                Value::String(hole) => text.push_str(&hole),
                _ => return Err(Failure::bug("a hole in a text that is no string")),
            },
        }
    }
    Ok(text)
}

fn eval(program: &Program, frame: &Frame<'_>, origin: Option<&Origin>) -> Result<Value, Failure> {
    program
        .eval(frame)
        .map_err(|it| Failure::expression(it, origin.cloned()))
}

fn holds(condition: Option<&Program>, frame: &Frame<'_>, origin: Option<&Origin>) -> Result<bool, Failure> {
    match condition {
        None => Ok(true),
        Some(program) => Ok(matches!(eval(program, frame, origin)?, Value::Bool(true))),
    }
}

fn fault(reason: &'static str, origin: Option<&Origin>) -> Failure {
    Failure::expression(
        Fault {
            reason,
            span: Span::default(),
        },
        origin.cloned(),
    )
}

/// The scope of one element.
fn inside<'f>(outer: &'f Frame<'f>, slot: Slot, element: &'f [Value]) -> Frame<'f> {
    Frame {
        parent: Some(outer),
        base: slot,
        values: element,
    }
}

/// Writes the bracket of a list or object, and commas between.
#[derive(Debug)]
struct Punctuation {
    first: bool,
}

impl Punctuation {
    fn open(out: &mut Vec<u8>, bracket: u8) -> Self {
        out.push(bracket);
        Self { first: true }
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if !self.first {
            out.push(b',');
        }
        self.first = false;
    }
}

#[cfg(test)]
mod tests;
