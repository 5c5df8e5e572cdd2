//! Macros and the methods of lists: what is done for each element.
//!
//! Owns walking, its limits, and which elements are taken. Leaves the order of two elements to `number` and their equality
//! to `equal`. Invariant: every element that is looked at is paid for, and every list that is made is within the limit.

use std::collections::HashSet;

use super::super::program::{Code, Fault, Frame, KeyKind, ListMethod, ListMethodKind, Loop, LoopKind, Reason};
use super::super::value::{ListValue, MapValue, Value};
use super::{
    Budget, LIST_TOO_LONG, MAX_LIST, MAX_TEXT, MISMATCH, TEXT_TOO_LONG, UNTYPED, blame, eval, json, list_of, number,
    text, truth,
};
use crate::codec;

/// A macro.
pub(super) fn repeat(code: &Code, it: &Loop, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let over = eval(&it.over, frame, budget)?;
    let Some(items) = items(&over).map_err(|reason| code.fault(reason))? else {
        return Ok(Value::Null);
    };
    let walk = Walk {
        code,
        it,
        frame,
        budget,
    };
    match &it.kind {
        LoopKind::All => walk.decide(&items, false),
        LoopKind::DistinctBy(kind) => walk.distinct_by(&items, kind),
        LoopKind::Exists => walk.decide(&items, true),
        LoopKind::ExistsOne => walk.exists_one(&items),
        LoopKind::Filter => walk.filter(&items),
        LoopKind::GroupBy => walk.group_by(&items),
        LoopKind::IndexBy => walk.index_by(&items),
        LoopKind::Map(condition) => walk.map(&items, condition.as_deref()),
        LoopKind::SortBy => walk.sort_by(&items),
    }
}

/// The elements of a list, or the keys of a map or object; none for null.
fn items(over: &Value) -> Result<Option<ListValue>, Reason> {
    Ok(Some(match over {
        Value::Null => return Ok(None),
        Value::List(list) => list.clone(),
        Value::Map(map) => keys(map),
        Value::Object(members) => {
            let mut names: Vec<Value> = members.iter().map(|(name, _)| Value::from(&**name)).collect();
            names.sort_by(Value::compare_keys);
            names.into()
        }
        _ => return Err(MISMATCH),
    }))
}

fn keys(map: &MapValue) -> ListValue {
    map.entries()
        .iter()
        .map(|(key, _)| key.clone())
        .collect::<Vec<_>>()
        .into()
}

struct Walk<'w> {
    code: &'w Code,
    it: &'w Loop,
    frame: &'w Frame<'w>,
    budget: &'w Budget,
}

impl Walk<'_> {
    fn fail(&self, reason: Reason) -> Fault {
        self.code.fault(reason)
    }

    /// Evaluates something with the variable set.
    fn run<T>(&self, element: &Value, what: impl FnOnce(&Frame<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        self.budget.visit(1).map_err(|reason| self.fail(reason))?;
        let inner = Frame {
            parent: Some(self.frame),
            base: self.it.slot,
            values: std::slice::from_ref(element),
        };
        what(&inner)
    }

    fn body(&self, element: &Value) -> Result<Value, Fault> {
        self.run(element, |inner| eval(&self.it.body, inner, self.budget))
    }

    fn holds(&self, element: &Value) -> Result<bool, Fault> {
        self.run(element, |inner| truth(&self.it.body, inner, self.budget))
    }

    /// `exists` where `decisive` is true, `all` where it is false: a failing element counts only where none decides.
    fn decide(&self, items: &ListValue, decisive: bool) -> Result<Value, Fault> {
        let mut fault = None;
        for element in items {
            match self.holds(&element) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(first) => fault = fault.or(Some(first)),
            }
        }
        fault.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn exists_one(&self, items: &ListValue) -> Result<Value, Fault> {
        let mut n_found = 0_usize;
        for element in items {
            n_found += usize::from(self.holds(&element)?);
        }
        Ok(Value::Bool(n_found == 1))
    }

    fn push(&self, made: &mut Vec<Value>, value: Value) -> Result<(), Fault> {
        if made.len() >= MAX_LIST {
            return Err(self.fail(LIST_TOO_LONG));
        }
        made.push(value);
        Ok(())
    }

    fn filter(&self, items: &ListValue) -> Result<Value, Fault> {
        let mut kept = Vec::new();
        for element in items {
            if self.holds(&element)? {
                self.push(&mut kept, element)?;
            }
        }
        Ok(Value::list(kept))
    }

    fn map(&self, items: &ListValue, condition: Option<&Code>) -> Result<Value, Fault> {
        let mut made = Vec::new();
        for element in items {
            let wanted = match condition {
                None => true,
                Some(condition) => self.run(&element, |inner| truth(condition, inner, self.budget))?,
            };
            if wanted {
                let value = self.body(&element)?;
                self.push(&mut made, value)?;
            }
        }
        Ok(Value::list(made))
    }

    fn keyed(&self, items: &ListValue) -> Result<Vec<(Value, Value)>, Fault> {
        let mut pairs = Vec::new();
        for element in items {
            if pairs.len() >= MAX_LIST {
                return Err(self.fail(LIST_TOO_LONG));
            }
            pairs.push((self.body(&element)?, element));
        }
        Ok(pairs)
    }

    fn distinct_by(&self, items: &ListValue, kind: &KeyKind) -> Result<Value, Fault> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for element in items {
            let mut key = Vec::new();
            kind.write(&self.body(&element)?, &mut key)
                .map_err(|reason| self.fail(reason))?;
            if seen.insert(key) {
                self.push(&mut kept, element)?;
            }
        }
        Ok(Value::list(kept))
    }

    fn sort_by(&self, items: &ListValue) -> Result<Value, Fault> {
        let mut pairs = self.keyed(items)?;
        sort_pairs(&mut pairs).map_err(|reason| self.fail(reason))?;
        Ok(Value::list(pairs.into_iter().map(|(_, element)| element).collect()))
    }

    fn index_by(&self, items: &ListValue) -> Result<Value, Fault> {
        let mut pairs = self.keyed(items)?;
        pairs.retain(|(key, _)| !key.is_null());
        Ok(Value::map(pairs))
    }

    fn group_by(&self, items: &ListValue) -> Result<Value, Fault> {
        let mut pairs = self.keyed(items)?;
        // Stable, so that each group keeps the order of the list.
        pairs.sort_by(|a, b| a.0.compare_keys(&b.0));
        let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
        for (key, element) in pairs {
            match groups.last_mut() {
                Some((last, group)) if last.compare_keys(&key).is_eq() => group.push(element),
                _ => groups.push((key, vec![element])),
            }
        }
        Ok(Value::map(
            groups
                .into_iter()
                .map(|(key, group)| (key, Value::list(group)))
                .collect(),
        ))
    }
}

/// Sorts by the first of each pair; NaN stands behind all numbers.
fn sort_pairs(pairs: &mut [(Value, Value)]) -> Result<(), Reason> {
    let mut mismatch = None;
    pairs.sort_by(|(a, _), (b, _)| match number::order(a, b) {
        Ok(Some(order)) => order,
        Ok(None) => is_nan(a).cmp(&is_nan(b)),
        Err(reason) => {
            mismatch = Some(reason);
            std::cmp::Ordering::Equal
        }
    });
    mismatch.map_or(Ok(()), Err)
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Double(it) if it.is_nan())
}

/// A method of lists.
pub(super) fn method(code: &Code, it: &ListMethod, frame: &Frame<'_>, budget: &Budget) -> Result<Value, Fault> {
    let of = eval(&it.of, frame, budget)?;
    let argument = match &it.argument {
        Some(argument) => Some(eval(argument, frame, budget)?),
        None => None,
    };
    if of.is_null() {
        return Ok(Value::Null);
    }
    let made = match &it.kind {
        ListMethodKind::Size => size(&of, budget),
        kind => match of {
            Value::List(list) => apply(kind, &list, argument.as_ref(), budget),
            _ => Err(MISMATCH),
        },
    };
    made.map_err(|reason| code.fault(reason))
}

fn size(of: &Value, budget: &Budget) -> Result<Value, Reason> {
    let size = match of {
        Value::Bytes(it) => it.len(),
        Value::Json(fragment) => match codec::json::kind(fragment) {
            codec::json::Kind::Array => codec::json::elements(fragment).count(),
            codec::json::Kind::Object => codec::json::members(fragment).count(),
            codec::json::Kind::String => codec::json::string(fragment).map_or(0, |it| it.chars().count()),
            _ => return Err(UNTYPED),
        },
        Value::List(it) => it.len(),
        Value::Map(it) => it.len(),
        Value::Object(it) => it.len(),
        Value::String(it) => it.chars().count(),
        _ => return Err(MISMATCH),
    };
    if matches!(of, Value::List(ListValue::Wire(..)) | Value::Map(MapValue::Wire(..))) {
        budget.visit(size)?;
    }
    i64::try_from(size).map(Value::Int).map_err(|_| MISMATCH)
}

fn apply(kind: &ListMethodKind, list: &ListValue, argument: Option<&Value>, budget: &Budget) -> Result<Value, Reason> {
    let count = || {
        let n = argument.and_then(Value::as_integer).ok_or(MISMATCH)?;
        usize::try_from(n).map_err(|_| "a count is negative")
    };
    let all = || -> Result<Vec<Value>, Reason> {
        let elements: Vec<Value> = list.iter().take(MAX_LIST + 1).collect();
        budget.visit(elements.len())?;
        if elements.len() > MAX_LIST {
            Err(LIST_TOO_LONG)
        } else {
            Ok(elements)
        }
    };
    match kind {
        ListMethodKind::Chunk => {
            let n = count()?;
            if n == 0 {
                return Err("chunks of no elements");
            }
            list_of(all()?.chunks(n).map(|it| Value::list(it.to_vec())).collect())
        }
        ListMethodKind::Distinct(kind) => {
            let mut seen = HashSet::new();
            let mut kept = Vec::new();
            for element in all()? {
                let mut key = Vec::new();
                kind.write(&element, &mut key)?;
                if seen.insert(key) {
                    kept.push(element);
                }
            }
            Ok(Value::list(kept))
        }
        ListMethodKind::Drop => {
            let n = count()?;
            let rest: Vec<Value> = list.iter().skip(n).take(MAX_LIST + 1).collect();
            budget.visit(rest.len())?;
            list_of(rest)
        }
        ListMethodKind::First => Ok(list.get(0).unwrap_or_default()),
        ListMethodKind::Flatten => flatten(&all()?, budget),
        ListMethodKind::Join => join(&all()?, argument),
        ListMethodKind::Last => Ok(all()?.pop().unwrap_or_default()),
        ListMethodKind::Max => extreme(all()?, true),
        ListMethodKind::Min => extreme(all()?, false),
        ListMethodKind::Reverse => {
            let mut elements = all()?;
            elements.reverse();
            Ok(Value::list(elements))
        }
        ListMethodKind::Size => Err(MISMATCH),
        ListMethodKind::Sort => {
            let mut pairs: Vec<_> = all()?.into_iter().map(|it| (it, Value::Null)).collect();
            sort_pairs(&mut pairs)?;
            Ok(Value::list(pairs.into_iter().map(|(it, _)| it).collect()))
        }
        ListMethodKind::Sum {
            min,
            max,
            double,
            untyped,
        } => {
            let mut sum = if *double { Value::Double(0.0) } else { Value::Int(0) };
            for element in all()? {
                sum = number::arithmetic(super::super::program::ArithmeticKind::Add, sum, element, *min..=*max)?;
            }
            if *untyped { json::from_scalar(&sum) } else { Ok(sum) }
        }
        ListMethodKind::Take => {
            let n = count()?.min(MAX_LIST + 1);
            let taken: Vec<Value> = list.iter().take(n).collect();
            budget.visit(taken.len())?;
            list_of(taken)
        }
    }
}

/// The elements of the lists in a list; of JSON of unknown shape, what is no list stays as it is.
fn flatten(outer: &[Value], budget: &Budget) -> Result<Value, Reason> {
    let mut flat = Vec::new();
    for inner in outer {
        match inner {
            Value::List(list) => flat.extend(list.iter().take(MAX_LIST + 1)),
            Value::Json(document) if codec::json::kind(document) == codec::json::Kind::Array => {
                let elements = codec::json::elements(document).take(MAX_LIST + 1);
                flat.extend(elements.map(|fragment| json::value(document, fragment)));
            }
            other => flat.push(other.clone()),
        }
        if flat.len() > MAX_LIST {
            return Err(LIST_TOO_LONG);
        }
    }
    budget.visit(flat.len())?;
    Ok(Value::list(flat))
}

fn join(elements: &[Value], separator: Option<&Value>) -> Result<Value, Reason> {
    let separator = match separator {
        None => "",
        Some(it) => it.as_str().ok_or(MISMATCH)?,
    };
    let mut joined = String::new();
    for (at, element) in elements.iter().enumerate() {
        let Value::String(part) = json::untyped(element.clone()) else {
            return Err(blame(&[element], MISMATCH));
        };
        if joined.len() + separator.len() + part.len() > MAX_TEXT {
            return Err(TEXT_TOO_LONG);
        }
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&part);
    }
    text(joined)
}

fn extreme(elements: Vec<Value>, greatest: bool) -> Result<Value, Reason> {
    let mut best: Option<Value> = None;
    for element in elements {
        let better = match &best {
            None => true,
            Some(best) => {
                number::order(&element, best)?.is_some_and(|order| if greatest { order.is_gt() } else { order.is_lt() })
            }
        };
        if better {
            best = Some(element);
        }
    }
    Ok(best.unwrap_or_default())
}
