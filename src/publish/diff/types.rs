//! Types beside types: what was understood has to be understood still.

use std::collections::BTreeSet;

use super::Found;
use crate::publish::api::{Api, Enum, Integer, Kind, Member, Object, Rest, Shape, Type, Written};

/// Who reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// We do: what clients send has to be taken still.
    Request,
    /// Clients do: what they get has to be what they know.
    Response,
}

/// A comparison of two types of two APIs.
pub(super) struct Comparison<'c> {
    old: &'c Api,
    new: &'c Api,
    side: Side,
    found: &'c mut Found,
    /// Named types that are being compared, so that those which hold themselves come to an end.
    around: BTreeSet<(String, String)>,
}

impl<'c> Comparison<'c> {
    pub(super) fn new((old, new): (&'c Api, &'c Api), side: Side, found: &'c mut Found) -> Self {
        Self {
            old,
            new,
            side,
            found,
            around: BTreeSet::new(),
        }
    }

    pub(super) fn types(&mut self, old: &Type, new: &Type, place: &str) {
        match (&old.kind, &new.kind) {
            (Kind::Any, Kind::Any) => return,
            // What could be anything is something now: those who read it go on, those who send it may not.
            (Kind::Any, _) => {
                return self.change(
                    Side::Request,
                    place,
                    "retyped",
                    &format!("is {} now, not anything", name(new, self.new)),
                );
            }
            (_, Kind::Any) => {
                return self.change(
                    Side::Response,
                    place,
                    "retyped",
                    &format!("may be anything now, not {}", name(old, self.old)),
                );
            }
            _ => {}
        }
        match (old.nullable, new.nullable) {
            (false, true) => self.change(Side::Response, place, "made-nullable", "may be null now"),
            (true, false) => self.change(Side::Request, place, "made-not-null", "is never null now"),
            _ => {}
        }
        self.kinds(old, new, place);
    }

    fn kinds(&mut self, old: &Type, new: &Type, place: &str) {
        match (&old.kind, &new.kind) {
            (Kind::Integer(old), Kind::Integer(new)) => self.integers(*old, *new, place),
            // Of numbers the digits may be more; of nothing but null whatever comes was not there.
            (Kind::Double { .. }, Kind::Double { .. }) | (Kind::Null, _) => {}
            (Kind::List(old), Kind::List(new)) => self.types(old, new, &format!("{place}[]")),
            (Kind::Map(old), Kind::Map(new)) => self.types(old, new, &format!("{place}{{}}")),
            (Kind::Named(a), Kind::Named(b)) => {
                if !self.around.insert((a.clone(), b.clone())) {
                    return;
                }
                match (
                    self.old.find(a).map(|it| &it.shape),
                    self.new.find(b).map(|it| &it.shape),
                ) {
                    (Some(Shape::Enum(old)), Some(Shape::Enum(new))) => self.enums(old, new, place),
                    (Some(Shape::Object(old)), Some(Shape::Object(new))) => self.objects(old, new, place),
                    _ => self.retyped(old, new, place),
                }
                self.around.remove(&(a.clone(), b.clone()));
            }
            (a, b) if a == b => {}
            _ => match (self.old.object(old), self.new.object(new)) {
                (Some(old), Some(new)) => self.objects(old, new, place),
                _ => self.retyped(old, new, place),
            },
        }
    }

    fn retyped(&mut self, old: &Type, new: &Type, place: &str) {
        let (a, b) = (name(old, self.old), name(new, self.new));
        if a != b {
            self.found.breaking(place, "retyped", &format!("is {b} now, not {a}"));
        }
    }

    /// A change that breaks on one side only.
    fn change(&mut self, breaks: Side, place: &str, code: &'static str, sentence: &str) {
        if self.side == breaks {
            self.found.breaking(place, code, sentence);
        } else {
            self.found.safe(place, code, sentence);
        }
    }

    fn integers(&mut self, old: Integer, new: Integer, place: &str) {
        let is_same_form = match (old.written, new.written) {
            (a, b) if a == b => true,
            (_, Written::Either) => self.side == Side::Request,
            _ => false,
        };
        if !is_same_form {
            let form = |it: Integer| match it.written {
                Written::Either => "a number or text",
                Written::Number => "a number",
                Written::Text => "text",
            };
            let sentence = format!("is {} now, not {}", form(new), form(old));
            return self.found.breaking(place, "retyped", &sentence);
        }
        let bounds = format!(
            "is from {} to {} now, not from {} to {}",
            new.min, new.max, old.min, old.max
        );
        if new.min < old.min || new.max > old.max {
            self.change(Side::Response, place, "range-widened", &bounds);
        } else if new.min > old.min || new.max < old.max {
            self.change(Side::Request, place, "range-narrowed", &bounds);
        }
    }

    fn enums(&mut self, old: &Enum, new: &Enum, place: &str) {
        if old.numbers != new.numbers {
            let form = |it: &Enum| if it.numbers { "numbers" } else { "names" };
            let sentence = format!("has {} now, not {}", form(new), form(old));
            return self.found.breaking(place, "retyped", &sentence);
        }
        let has = |all: &Enum, name: &str, number: i32| {
            all.values.iter().any(|it| {
                if all.numbers {
                    it.number == number
                } else {
                    it.name == name
                }
            })
        };
        let gone: Vec<&str> = old
            .values
            .iter()
            .filter(|it| !has(new, &it.name, it.number))
            .map(|it| &*it.name)
            .collect();
        if !gone.is_empty() {
            let verb = if self.side == Side::Request {
                "cannot be"
            } else {
                "is never"
            };
            self.change(
                Side::Request,
                place,
                "enum-value-gone",
                &format!("{verb} {} any more", gone.join(", ")),
            );
        }
        let added: Vec<&str> = new
            .values
            .iter()
            .filter(|it| !has(old, &it.name, it.number))
            .map(|it| &*it.name)
            .collect();
        if !added.is_empty() {
            let note = if self.side == Side::Response {
                "; a client that lists all values has one more to know"
            } else {
                ""
            };
            self.found.safe(
                place,
                "enum-value-added",
                &format!("may be {} now{note}", added.join(", ")),
            );
        }
        if old.open != new.open {
            let what = if new.open {
                "may be a number without a name now"
            } else {
                "is never a number without a name now"
            };
            self.change(
                if new.open { Side::Response } else { Side::Request },
                place,
                "enum-openness",
                what,
            );
        }
    }

    fn objects(&mut self, old: &Object, new: &Object, place: &str) {
        for member in &old.members {
            let here = format!("{place}.{}", member.name);
            match new.member(&member.name) {
                None if new.rest == Rest::Open => self.change(
                    Side::Response,
                    &here,
                    "field-unknown",
                    "is one of those that may come now",
                ),
                None => {
                    let sentence = if self.side == Side::Request {
                        "is refused now"
                    } else {
                        "is gone"
                    };
                    self.found.breaking(&here, "field-gone", sentence);
                }
                Some(now) => self.members(member, now, &here),
            }
        }
        for member in &new.members {
            if old.member(&member.name).is_some() {
                continue;
            }
            let here = format!("{place}.{}", member.name);
            if member.required && self.side == Side::Request {
                self.found
                    .breaking(&here, "field-required", "is new, and has to be sent");
            } else {
                self.found.safe(&here, "field-added", "is new");
            }
        }
    }

    fn members(&mut self, old: &Member, new: &Member, place: &str) {
        match (old.required, new.required) {
            (true, false) => {
                let sentence = if self.side == Side::Request {
                    "may be left out now"
                } else {
                    "may be missing now"
                };
                self.change(Side::Response, place, "field-optional", sentence);
            }
            (false, true) => {
                let sentence = if self.side == Side::Request {
                    "has to be sent now"
                } else {
                    "is always there now"
                };
                self.change(Side::Request, place, "field-required", sentence);
            }
            _ => {}
        }
        if new.deprecated && !old.deprecated {
            self.found.safe(place, "deprecated", "is deprecated");
        }
        self.types(&old.ty, &new.ty, place);
    }
}

/// A type in a word.
fn name(ty: &Type, api: &Api) -> String {
    match &ty.kind {
        Kind::Any => "anything".to_owned(),
        Kind::Bool => "a bool".to_owned(),
        Kind::Bytes => "base64".to_owned(),
        Kind::Double { .. } => "a number".to_owned(),
        Kind::Duration => "a duration".to_owned(),
        Kind::FieldMask => "a field mask".to_owned(),
        Kind::Integer(it) if it.written == Written::Text => "an integer as text".to_owned(),
        Kind::Integer(_) => "an integer".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
        Kind::Named(name) => match api.find(name).map(|it| &it.shape) {
            Some(Shape::Enum(_)) => "an enum".to_owned(),
            _ => "an object".to_owned(),
        },
        Kind::Null => "null".to_owned(),
        Kind::Object(_) => "an object".to_owned(),
        Kind::ProtoAny => "an object with `@type`".to_owned(),
        Kind::String => "text".to_owned(),
        Kind::Timestamp => "a timestamp".to_owned(),
    }
}
