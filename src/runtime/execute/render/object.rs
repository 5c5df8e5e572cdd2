//! Object templates: members in written order, of two with one name the later (semantics.md 7.5).
//!
//! The checker has removed what it could see: where nothing is left to find out, members are written one after the other.
//! Where a later member may or may not be there, or its names are known only now, all members are made first.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Punctuation, eval, fault, holds, json_of};
use crate::codec::json::{self, Kind};
use crate::expr::{Frame, Value};
use crate::plan::{Member, Origin, Spread};
use crate::runtime::backend::Failure;

/// Appends the JSON of an object.
pub(super) fn json(members: &[Member], frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let settled = members.iter().skip(1).all(|it| match it {
        Member::Field { condition, .. } => condition.is_none(),
        Member::Spread { members, .. } => matches!(members, Spread::Message(_)),
    });
    // A conditional member can only take the place of a spread one: fields of one name are one key in YAML.
    let spreads = members.iter().any(|it| matches!(it, Member::Spread { .. }));
    if settled || !spreads {
        in_order(members, frame, out)
    } else {
        last_wins(members, frame, out)
    }
}

/// The value of an object. Spreads of other than objects are rendered, which makes the whole a value of type `any`.
pub(super) fn value(members: &[Member], frame: &Frame<'_>) -> Result<Value, Failure> {
    let mut made: Vec<(Arc<str>, Value)> = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Member::Field {
                name,
                condition,
                template,
                ..
            } => {
                if holds(condition.as_ref(), frame, None)? {
                    put(&mut made, name.clone(), super::value(template, frame)?);
                }
            }
            Member::Spread {
                program,
                members: Spread::Object(_),
                except,
                origin,
                ..
            } => match eval(program, frame, Some(origin))? {
                Value::Null => {}
                Value::Object(spread) => {
                    for (name, value) in spread.iter().filter(|(name, _)| !except.contains(name)) {
                        put(&mut made, name.clone(), value.clone());
                    }
                }
                _ => return Err(Failure::bug("a spread object that is none")),
            },
            Member::Spread {
                members: Spread::Chosen(_) | Spread::Json | Spread::Message(_),
                ..
            } => {
                let mut out = Vec::new();
                json(members, frame, &mut out)?;
                return Ok(Value::Json(out.into()));
            }
        }
    }
    Ok(Value::object(made))
}

/// The later of two stands, at its own place.
fn put(made: &mut Vec<(Arc<str>, Value)>, name: Arc<str>, value: Value) {
    made.retain(|(it, _)| *it != name);
    made.push((name, value));
}

fn in_order(members: &[Member], frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let mut list = Punctuation::open(out, b'{');
    for member in members {
        match member {
            Member::Field {
                key,
                condition,
                template,
                ..
            } => {
                if holds(condition.as_ref(), frame, None)? {
                    list.next(out);
                    out.extend_from_slice(key);
                    json_of(template, frame, out)?;
                }
            }
            Member::Spread {
                program,
                members: Spread::Message(to_json),
                origin,
                ..
            } => match eval(program, frame, Some(origin))? {
                Value::Null => {}
                Value::Message(wire) => {
                    let before = out.len();
                    let first = list.first;
                    list.next(out);
                    if !to_json.write_members(&wire, out).map_err(Failure::bad_reply_from)? {
                        out.truncate(before);
                        list.first = first;
                    }
                }
                _ => return Err(Failure::bug("a spread message that is none")),
            },
            Member::Spread { .. } => {
                for (key, value) in made(member, frame)? {
                    list.next(out);
                    out.extend_from_slice(&key);
                    out.push(b':');
                    out.extend_from_slice(&value);
                }
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// A member that is there: its key in quotes, and its JSON.
type Made = (Vec<u8>, Vec<u8>);

fn last_wins(members: &[Member], frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let mut all = Vec::new();
    for member in members {
        all.extend(made(member, frame)?);
    }
    let mut list = Punctuation::open(out, b'{');
    for (key, value) in without_earlier(all) {
        list.next(out);
        out.extend_from_slice(&key);
        out.push(b':');
        out.extend_from_slice(&value);
    }
    out.push(b'}');
    Ok(())
}

/// What one member of a template adds.
fn made(member: &Member, frame: &Frame<'_>) -> Result<Vec<Made>, Failure> {
    let (program, members, except, origin) = match member {
        Member::Field {
            name,
            condition,
            template,
            ..
        } => {
            if !holds(condition.as_ref(), frame, None)? {
                return Ok(Vec::new());
            }
            let mut value = Vec::new();
            json_of(template, frame, &mut value)?;
            return Ok(vec![(quoted(name), value)]);
        }
        Member::Spread {
            program,
            members,
            except,
            origin,
            ..
        } => (program, members, except, origin),
    };
    let value = eval(program, frame, Some(origin))?;
    match (members, value) {
        (_, Value::Null) => Ok(Vec::new()),
        (Spread::Json, Value::Json(object)) => spread_json(&object, except, origin),
        (Spread::Chosen(fields), Value::Json(object)) => {
            let mut chosen = Vec::new();
            fields.project(&object, &mut chosen);
            spread_json(&chosen, except, origin)
        }
        (Spread::Message(to_json), Value::Message(wire)) => {
            let mut object = Vec::new();
            to_json.write(&wire, &mut object).map_err(Failure::bad_reply_from)?;
            spread_json(&object, except, origin)
        }
        (Spread::Object(renderers), Value::Object(object)) => {
            let mut all = Vec::with_capacity(object.len());
            for (name, renderer) in renderers.iter().filter(|(name, _)| !except.contains(name)) {
                let Some((_, value)) = object.iter().find(|(it, _)| it == name) else {
                    continue;
                };
                let mut json = Vec::new();
                renderer
                    .render(value, &mut json)
                    .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
                all.push((quoted(name), json));
            }
            Ok(all)
        }
        (Spread::Chosen(_) | Spread::Json, _) => Err(fault("not an object", Some(origin))),
        (Spread::Message(_) | Spread::Object(_), _) => {
            Err(Failure::bug("a spread of another type than it was checked for"))
        }
    }
}

fn spread_json(object: &[u8], except: &[Arc<str>], origin: &Origin) -> Result<Vec<Made>, Failure> {
    if json::kind(object) != Kind::Object {
        return Err(fault("not an object", Some(origin)));
    }
    let members = json::members(object).filter(|(key, _)| !except.iter().any(|it| json::is_key(key, it)));
    Ok(without_earlier(
        members.map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
    ))
}

/// Of members with one name only the last, at its own place.
fn without_earlier(all: Vec<Made>) -> Vec<Made> {
    let mut seen = HashSet::with_capacity(all.len());
    let mut kept: Vec<Made> = all
        .into_iter()
        .rev()
        .filter(|(key, _)| {
            seen.insert(json::string(key).map_or_else(|| super::unquoted(key), std::borrow::Cow::into_owned))
        })
        .collect();
    kept.reverse();
    kept
}

fn quoted(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 2);
    json::write_string(name, &mut key);
    key
}
