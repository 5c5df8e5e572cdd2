//! Evaluation: one pass over a program, reading wire bytes and JSON in place.
//!
//! Owns the order in which operands are evaluated, null and failure (semantics.md 3), and the limits of one evaluation
//! (semantics.md 9). Leaves numbers, comparison, conversion and lists to the files below. Invariant: nothing here panics; a
//! value of another type than the program was compiled for is a [`Fault`].

pub(super) mod convert;
pub(super) mod equal;
pub(super) mod json;
pub(super) mod list;
pub(super) mod number;

pub(super) use json::fields as json_fields;

use std::cell::Cell;
use std::sync::Arc;

use super::program::{Arithmetic, Code, Comparison, Fault, Frame, In, Native, Op, Reason, Shape};
use super::value::{ListValue, MapValue, Str, Value};

/// Elements that one evaluation may visit.
pub const MAX_VISITS: u32 = 1_000_000;

/// Longest text that an expression may make, in bytes.
pub const MAX_TEXT: usize = 1 << 20;

/// Longest list that an expression may make.
pub const MAX_LIST: usize = 100_000;

/// An operand is not of the type that the program was compiled for, or null where that was excluded.
pub(super) const MISMATCH: Reason = "a value is not of the type that was expected here";

/// JSON of unknown shape turned out to be something else than is wanted where it stands.
pub(super) const UNTYPED: Reason = "a JSON value is not of the type that is wanted here";

/// A value of a reply is not what its schema promises.
pub(super) const ILL_SHAPED: Reason = "a value of a reply is not what its schema says";

/// Says of a mismatch that it is one of JSON of unknown shape, where it is.
pub(super) fn blame(values: &[&Value], reason: Reason) -> Reason {
    let untyped = values.iter().any(|it| matches!(it, Value::Json(_)));
    if untyped && reason == MISMATCH { UNTYPED } else { reason }
}

/// What one evaluation has left.
#[derive(Debug)]
pub(super) struct Budget {
    visits: Cell<u32>,
}

/// Evaluates a whole program.
pub(super) fn run(code: &Code, frame: &Frame<'_>) -> Result<Value, Fault> {
    eval(
        code,
        frame,
        &Budget {
            visits: Cell::new(MAX_VISITS),
        },
    )
}

/// Evaluates code without variables, when it is compiled.
pub(super) fn fold(code: &Code) -> Result<Value, Fault> {
    run(
        code,
        &Frame {
            parent: None,
            base: super::Slot(0),
            values: &[],
        },
    )
}

impl Budget {
    /// Counts elements that are visited.
    pub(super) fn visit(&self, n: usize) -> Result<(), Reason> {
        let left = u32::try_from(n).ok().and_then(|n| self.visits.get().checked_sub(n));
        self.visits.set(left.ok_or("more than 1,000,000 elements are visited")?);
        Ok(())
    }
}

impl Code {
    pub(super) fn fault(&self, reason: Reason) -> Fault {
        Fault {
            reason,
            span: self.span,
        }
    }
}

pub(super) fn eval(code: &Code, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let fail = |reason| code.fault(reason);
    match &code.op {
        Op::All(operands) => logic(operands, false, frame, budget),
        Op::Any(operands) => logic(operands, true, frame, budget),
        Op::Arithmetic(it) => arithmetic(it, frame, budget)?.map_err(fail),
        Op::Call {
            native,
            null_safe,
            args,
        } => call(*native, *null_safe, args, frame, budget)?.map_err(fail),
        Op::Compare(comparison, sides) => {
            let (left, right) = both(sides, frame, budget)?;
            compare(*comparison, &left, &right).map_err(fail)
        }
        Op::Conditional(parts) => {
            let [condition, yes, no] = &**parts;
            let branch = if truth(condition, frame, budget)? { yes } else { no };
            eval(branch, frame, budget)
        }
        Op::Constant(value) => Ok(value.clone()),
        Op::Convert(conversion, of) => match eval(of, frame, budget)? {
            Value::Null => Ok(Value::Null),
            value => convert::convert(conversion, value).map_err(fail),
        },
        Op::Default(candidates) => {
            let mut last = Value::Null;
            for candidate in candidates {
                last = eval(candidate, frame, budget)?;
                if !last.is_null() {
                    break;
                }
            }
            Ok(last)
        }
        Op::Element(sides) => with(&sides[0], frame, budget, |list| element(list, &sides[1], frame, budget)),
        Op::Entry(sides) => with(&sides[0], frame, budget, |map| entry(map, &sides[1], frame, budget)),
        Op::Equal(it) => {
            let (left, right) = both(&it.operands, frame, budget)?;
            Ok(Value::Bool(it.equality.holds(&left, &right) != it.negated))
        }
        Op::Extreme { greatest, args } => extreme(*greatest, args, frame, budget)?.map_err(fail),
        Op::Field(of, reader) => with(of, frame, budget, |message| match message {
            Value::Message(wire) => Ok(reader.read(wire)),
            Value::Null => Ok(Value::Null),
            _ => Err(fail(MISMATCH)),
        }),
        Op::HasField(of, reader) => with(of, frame, budget, |message| match message {
            Value::Message(wire) => Ok(Value::Bool(reader.is_set(wire))),
            Value::Null => Ok(Value::Bool(false)),
            _ => Err(fail(MISMATCH)),
        }),
        Op::HasKey(sides) => with(&sides[0], frame, budget, |of| {
            let key = eval(&sides[1], frame, budget)?;
            Ok(Value::Bool(!of.is_null() && has_key(of, &key).map_err(fail)?))
        }),
        Op::In(it) => contained(it, frame, budget)?.map_err(fail),
        Op::IsNull { negated, of } => with(of, frame, budget, |it| Ok(Value::Bool(it.is_null() != *negated))),
        Op::JsonEntry(sides) => with(&sides[0], frame, budget, |of| {
            let key = eval(&sides[1], frame, budget)?;
            json::entry(of, &key).map_err(fail)
        }),
        Op::JsonMember(of, name) => with(of, frame, budget, |of| json::member(of, name).map_err(fail)),
        Op::JsonField(of, name, reader) => with(of, frame, budget, |of| json::read(of, name, reader).map_err(fail)),
        Op::List(elements) => {
            let values: Result<Vec<_>, _> = elements.iter().map(|it| eval(it, frame, budget)).collect();
            Ok(Value::list(values?))
        }
        Op::Loop(it) => list::repeat(code, it, frame, budget),
        Op::Map(entries) => map(entries, frame, budget)?.map_err(fail),
        Op::Matches(text, pattern) => with(text, frame, budget, |text| match text {
            Value::String(text) => Ok(Value::Bool(pattern.is_match(text))),
            Value::Null => Ok(Value::Null),
            _ => Err(fail(MISMATCH)),
        }),
        Op::Method(it) => list::method(code, it, frame, budget),
        Op::Member(of, name) => with(of, frame, budget, |of| match of {
            Value::Object(_) => Ok(of.member(name).cloned().unwrap_or_default()),
            Value::Null => Ok(Value::Null),
            _ => Err(fail(MISMATCH)),
        }),
        Op::Negate(of) => number::negate(&eval(of, frame, budget)?).map_err(fail),
        Op::Not(of) => Ok(Value::Bool(!truth(of, frame, budget)?)),
        Op::Object(members) => {
            let values: Result<Vec<_>, Fault> = members
                .iter()
                .map(|(name, it)| Ok((name.clone(), eval(it, frame, budget)?)))
                .collect();
            Ok(Value::object(values?))
        }
        Op::Pick(of, shape) if matches!(**shape, Shape::Whole) => eval(of, frame, budget),
        Op::Pick(of, shape) => pick(&eval(of, frame, budget)?, shape, budget).map_err(fail),
        Op::Slot(slot) => frame.get(*slot).cloned().ok_or_else(|| fail(MISMATCH)),
        Op::TypeUrl(of) => with(of, frame, budget, |of| match of {
            Value::Message(wire) => Ok(convert::type_url(wire)),
            Value::Null => Ok(Value::Null),
            _ => Err(fail(MISMATCH)),
        }),
    }
}

/// Evaluates an operand and looks at it without taking it, where it lies in a frame already.
fn with<T>(
    code: &Code,
    frame: &Frame<'_>,
    budget: &Budget,
    look: impl FnOnce(&Value) -> Result<T, Fault>,
) -> Result<T, Fault> {
    match &code.op {
        Op::Slot(slot) => look(frame.get(*slot).ok_or_else(|| code.fault(MISMATCH))?),
        Op::Constant(value) => look(value),
        _ => look(&eval(code, frame, budget)?),
    }
}

fn both(sides: &[Code; 2], frame: &Frame<'_>, budget: &Budget) -> Result<(Value, Value), Fault> {
    Ok((eval(&sides[0], frame, budget)?, eval(&sides[1], frame, budget)?))
}

/// A condition.
pub(super) fn truth(code: &Code, frame: &Frame<'_>, budget: &Budget) -> Result<bool, Fault> {
    match eval(code, frame, budget)? {
        Value::Bool(value) => Ok(value),
        _ => Err(code.fault(MISMATCH)),
    }
}

/// `&&` where `decisive` is false, `||` where it is true.
fn logic(operands: &[Code], decisive: bool, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let mut fault = None;
    for operand in operands {
        match truth(operand, frame, budget) {
            Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Ok(_) => {}
            Err(first) => fault = fault.or(Some(first)),
        }
    }
    fault.map_or(Ok(Value::Bool(!decisive)), Err)
}

/// The outer result is that of the operands, the inner one that of the operation: its failure is placed by the caller.
type Placed = Result<Result<Value, Reason>, Fault>;

fn arithmetic(it: &Arithmetic, frame: &Frame<'_>, budget: &Budget) -> Placed {
    let (left, right) = both(&it.operands, frame, budget)?;
    Ok(
        number::arithmetic(it.kind, left, right, it.min..=it.max).and_then(|it_is| {
            if it.untyped {
                json::from_scalar(&it_is)
            } else {
                Ok(it_is)
            }
        }),
    )
}

fn call(native: Native, null_safe: bool, args: &[Code], frame: &Frame<'_>, budget: &Budget) -> Placed {
    // Nearly all functions have at most three operands.
    let mut values: Vec<Value> = Vec::with_capacity(args.len());
    for (at, arg) in args.iter().enumerate() {
        let value = eval(arg, frame, budget)?;
        if value.is_null() {
            return Ok(if at == 0 && null_safe {
                Ok(Value::Null)
            } else {
                Err(MISMATCH)
            });
        }
        values.push(value);
    }
    Ok(native(&values))
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Result<Value, Reason> {
    let order = number::order(left, right)?;
    // NaN is neither less nor greater than anything.
    Ok(Value::Bool(order.is_some_and(|it| match comparison {
        Comparison::Greater => it.is_gt(),
        Comparison::GreaterOrEqual => it.is_ge(),
        Comparison::Less => it.is_lt(),
        Comparison::LessOrEqual => it.is_le(),
    })))
}

fn extreme(greatest: bool, args: &[Code], frame: &Frame<'_>, budget: &Budget) -> Placed {
    let mut best: Option<Value> = None;
    for arg in args {
        let value = eval(arg, frame, budget)?;
        let better = match &best {
            None => Ok(true),
            Some(best) => number::order(&value, best)
                .map(|it| it.is_some_and(|it| if greatest { it.is_gt() } else { it.is_lt() })),
        };
        match better {
            Ok(true) => best = Some(value),
            Ok(false) => {}
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(best.ok_or(MISMATCH))
}

fn element(list: &Value, index: &Code, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let at = eval(index, frame, budget)?;
    match list {
        Value::List(list) => match at.as_integer() {
            Some(at) => {
                let found = usize::try_from(at).ok().and_then(|it| list.get(it));
                if let ListValue::Wire(..) = list {
                    // An element on the wire is found by walking to it.
                    let walked = usize::try_from(at).unwrap_or(0).min(MAX_LIST);
                    budget.visit(walked).map_err(|reason| index.fault(reason))?;
                }
                Ok(found.unwrap_or_default())
            }
            None if at.is_null() => Ok(Value::Null),
            None => Err(index.fault(MISMATCH)),
        },
        Value::Null => Ok(Value::Null),
        _ => Err(index.fault(MISMATCH)),
    }
}

fn entry(map: &Value, key: &Code, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let wanted = eval(key, frame, budget)?;
    match map {
        Value::Map(map) if !wanted.is_null() => Ok(map.get(&wanted).unwrap_or_default()),
        Value::Map(_) | Value::Null => Ok(Value::Null),
        _ => Err(key.fault(MISMATCH)),
    }
}

fn map(entries: &[(Code, Code)], frame: &Frame<'_>, budget: &Budget) -> Placed {
    let mut pairs = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        pairs.push((eval(key, frame, budget)?, eval(value, frame, budget)?));
    }
    let n_entries = pairs.len();
    let made = MapValue::from_entries(pairs);
    Ok(if made.len() == n_entries {
        Ok(Value::Map(made))
    } else {
        Err("two keys of a map are equal")
    })
}

fn has_key(of: &Value, key: &Value) -> Result<bool, Reason> {
    match (of, key) {
        (Value::Object(members), Value::String(name)) => Ok(members.iter().any(|(it, _)| **it == **name)),
        (Value::Map(map), key) => Ok(map.get(key).is_some()),
        (Value::Json(json), Value::String(name)) => Ok(crate::codec::json::member(json, name).is_some()),
        _ => Err(MISMATCH),
    }
}

fn contained(it: &In, frame: &Frame<'_>, budget: &Budget) -> Placed {
    let (element, list) = both(&it.operands, frame, budget)?;
    let found = contains(&element, &list, it, budget);
    Ok(found
        .map(Value::Bool)
        .map_err(|reason| blame(&[&element, &list], reason)))
}

fn contains(element: &Value, list: &Value, it: &In, budget: &Budget) -> Result<bool, Reason> {
    match list {
        Value::List(list) => {
            for candidate in list {
                budget.visit(1)?;
                if it.equality.holds(element, &candidate) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Json(json) if crate::codec::json::kind(json) == crate::codec::json::Kind::Array => {
            for candidate in crate::codec::json::elements(json) {
                budget.visit(1)?;
                if it.equality.holds(element, &json::value(json, candidate)) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Json(_) => {
            let key = json::untyped(element.clone());
            has_key(list, &key)
        }
        Value::Map(_) | Value::Object(_) => has_key(list, element),
        _ => Err(MISMATCH),
    }
}

/// What `pick` and `omit` leave of a value.
fn pick(value: &Value, shape: &Shape, budget: &Budget) -> Result<Value, Reason> {
    Ok(match (value, shape) {
        (Value::Null, _) => Value::Null,
        (value, Shape::Whole) => value.clone(),
        (Value::Json(object), Shape::Json(wanted)) => {
            let mut members: Vec<(Arc<str>, Value)> = Vec::with_capacity(wanted.len());
            for (member, shape) in wanted {
                if let Some(value) = json::field(object, member)? {
                    members.push((member.name.clone(), pick(&value, shape, budget)?));
                }
            }
            Value::object(members)
        }
        (Value::Object(_), Shape::Object(wanted)) => {
            let mut members: Vec<(Arc<str>, Value)> = Vec::with_capacity(wanted.len());
            for (name, shape) in wanted {
                if let Some(member) = value.member(name) {
                    members.push((name.clone(), pick(member, shape, budget)?));
                }
            }
            Value::object(members)
        }
        (Value::List(list), Shape::List(each)) => {
            let mut elements = Vec::new();
            for element in list {
                budget.visit(1)?;
                elements.push(pick(&element, each, budget)?);
            }
            Value::list(elements)
        }
        (Value::Map(map), Shape::Map(each)) => {
            let mut entries = Vec::new();
            for (key, value) in map.entries().iter() {
                budget.visit(1)?;
                entries.push((key.clone(), pick(value, each, budget)?));
            }
            Value::map(entries)
        }
        _ => return Err(MISMATCH),
    })
}

/// Text that an expression made, within the limit.
pub(super) fn text(made: String) -> Result<Value, Reason> {
    if made.len() > MAX_TEXT {
        Err(TEXT_TOO_LONG)
    } else {
        Ok(Value::String(Str::from(made)))
    }
}

/// A list that an expression made, within the limit.
pub(super) fn list_of(made: Vec<Value>) -> Result<Value, Reason> {
    if made.len() > MAX_LIST {
        Err(LIST_TOO_LONG)
    } else {
        Ok(Value::list(made))
    }
}

pub(super) const TEXT_TOO_LONG: Reason = "text is longer than 1 MiB";
pub(super) const LIST_TOO_LONG: Reason = "list is longer than 100,000";
