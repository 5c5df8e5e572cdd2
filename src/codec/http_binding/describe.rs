//! What a binding reads, for those who describe it: path variables, query parameters, and what is left for the body.

use super::{Body, HttpBinding, MAX_SEGMENTS, Type, is_same_path, text};
use crate::schema::{Field, Kind, MessageRef};

/// A path variable or query parameter of a binding.
#[derive(Clone, Debug)]
pub struct BoundParam {
    /// Its name: a path variable's as the template writes it, a query parameter's in JSON names, dotted.
    pub name: String,
    /// The variable of the path, by its place in the template; `None` for a query parameter.
    pub variable: Option<usize>,
    /// The message that has the field.
    pub owner: MessageRef,
    /// The field that it sets.
    pub field: Field,
}

/// What is read from the body.
#[derive(Clone, Debug)]
pub enum BoundBody {
    /// One field of the request.
    Field(Field),
    /// Nothing.
    None,
    /// Bytes with their content type.
    Raw,
    /// The whole request, without these top-level fields, which the path sets.
    Whole(Vec<Field>),
}

impl HttpBinding {
    /// The message that requests become.
    pub fn message(&self) -> &MessageRef {
        &self.message
    }

    /// Path variables in order, then every query parameter in field order. A message within itself is described once.
    pub fn params(&self) -> Vec<BoundParam> {
        let mut all = Vec::new();
        for (at, variable) in self.variables.iter().enumerate() {
            let Some((field, before)) = variable.path.split_last() else {
                continue;
            };
            let mut owner = self.message.clone();
            for it in before {
                if let Kind::Message(index) = it.kind {
                    owner = owner.sibling(index);
                }
            }
            all.push(BoundParam {
                name: variable.name.clone(),
                variable: Some(at),
                owner,
                field: field.clone(),
            });
        }
        if !matches!(self.body, Body::Whole(_) | Body::Raw(None)) {
            self.add_query(&self.message, &mut Vec::new(), &mut all);
        }
        all
    }

    /// What is read from the body.
    pub fn body(&self) -> BoundBody {
        match &self.body {
            Body::Field(_, name, _) => self
                .message
                .field(name)
                .map_or(BoundBody::None, |it| BoundBody::Field(it.clone())),
            Body::None => BoundBody::None,
            Body::Raw(_) => BoundBody::Raw,
            Body::Whole(_) => {
                let set = self.variables.iter().filter_map(|it| match &*it.path {
                    [field] => Some(field.clone()),
                    _ => None,
                });
                BoundBody::Whole(set.collect())
            }
        }
    }

    fn add_query(&self, owner: &MessageRef, path: &mut Vec<Field>, all: &mut Vec<BoundParam>) {
        for field in &owner.fields {
            let in_body =
                matches!(self.body, Body::Field(_, _, number) | Body::Raw(Some(number)) if number == field.number);
            if path.is_empty() && in_body || field.behavior.output_only {
                continue;
            }
            path.push(field.clone());
            let by_path = self.variables.iter().any(|it| is_same_path(&it.path, path.iter()));
            if by_path {
            } else if text::is_text(owner.schema(), field) {
                let names: Vec<&str> = path.iter().map(|it| &*it.json_name).collect();
                all.push(BoundParam {
                    name: names.join("."),
                    variable: None,
                    owner: owner.clone(),
                    field: field.clone(),
                });
            } else if let (Some(_), Kind::Message(index)) = (Type::of(owner).within(field), field.kind) {
                let inner = owner.sibling(index);
                // A type that is being described stands around itself: names could go on for ever.
                let within_itself =
                    inner == self.message || path.iter().rev().skip(1).any(|it| it.kind == Kind::Message(index));
                if !within_itself && path.len() < MAX_SEGMENTS {
                    self.add_query(&inner, path, all);
                }
            }
            path.pop();
        }
    }
}
