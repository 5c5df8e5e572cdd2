//! google.api.http binding: path variables, query string and body → the wire bytes of a request message (http.proto, AIP-127).
//!
//! Owns what a path variable or query parameter means as a field (semantics.md 6.4). Leaves matching of paths to
//! `schema::path_template` and JSON to [`super::json_to_wire`].
//! The path says more than the body, and the body more than the query: a field that the path sets is taken out of the
//! body, and no query parameter reaches what path or body have.
//! Invariant: fields of the outcome are in number order, each singular field at most once; every bad input is named, none is
//! echoed.

mod query;
mod text;
mod tree;

use std::sync::Arc;

use super::json_to_wire::FromJson;
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::PathTemplate;
use crate::schema::{Cardinality, Field, Kind, MessageRef};
use tree::Node;

/// How deep a dotted name may go.
const MAX_SEGMENTS: usize = 32;

/// How an HTTP request becomes the request message of a method.
#[derive(Debug)]
pub struct HttpBinding {
    message: MessageRef,
    /// In template order.
    variables: Box<[Target]>,
    body: Body,
}

/// One bad input of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    /// The parameter by its wire name, or a JSON pointer for the body.
    pub name: String,
    /// One sentence, without the value.
    pub reason: String,
}

/// A field that text may be bound to.
#[derive(Clone, Debug)]
struct Target {
    /// The name as the template or the query string has it.
    name: String,
    /// From the request message inwards; the last is the one that holds the value.
    path: Vec<Field>,
}

impl Target {
    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.path.iter().map(|it| it.number)
    }
}

/// What the body of a request is.
#[derive(Debug)]
enum Body {
    /// One top-level field, by name and number.
    Field(Arc<FromJson>, Arc<str>, u32),
    /// Not read.
    None,
    /// The whole message.
    Whole(Arc<FromJson>),
}

/// What a dotted name of the query is.
enum Resolved {
    /// A field that no text can be.
    Refused(&'static str),
    /// No field, or one that path or body have: it is not looked at.
    Ignored,
    Target(Target),
}

impl HttpBinding {
    /// Compiles a binding. The error is one sentence: a variable that is no field, a body field that does not exist, ….
    pub fn compile(rule: &HttpRule, template: &PathTemplate, message: &MessageRef) -> Result<Arc<Self>, String> {
        let mut variables: Vec<Target> = Vec::new();
        for variable in template.variables() {
            let target = variable_target(&variable.name, message)?;
            if variables.iter().any(|it| it.numbers().eq(target.numbers())) {
                return Err(format!("`{}` is bound by two variables of the path", variable.name));
            }
            variables.push(target);
        }
        let body = match &*rule.body {
            "" => Body::None,
            "*" => Body::Whole(FromJson::compile(message)),
            name => {
                let Some(field) = message.field(name) else {
                    return Err(format!("`body: {name}` names no field of {}", message.full_name));
                };
                if variables
                    .iter()
                    .any(|it| it.path.len() == 1 && it.numbers().eq([field.number]))
                {
                    return Err(format!("`{name}` is bound by the path and by `body`"));
                }
                if message.well_known.is_some() {
                    return Err(format!(
                        "`body: {name}` names a part of {}, whose JSON has no such member",
                        message.full_name
                    ));
                }
                Body::Field(FromJson::compile(message), field.name.clone(), field.number)
            }
        };
        Ok(Arc::new(Self {
            message: message.clone(),
            variables: variables.into(),
            body,
        }))
    }

    /// Appends the wire bytes of the message to `out`. `captures` are the path variables in template order, decoded;
    /// `query` is the raw query string; `body` the raw JSON body (empty where there is none). Every bad input is listed:
    /// the path's, then the query's, then the body's. On failure `out` is as it was.
    pub fn bind(
        &self,
        captures: &[String],
        query: Option<&str>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Vec<BindError>> {
        let start = out.len();
        let mut errors = Vec::new();
        let mut tree = Node::default();
        for (target, value) in self.variables.iter().zip(captures) {
            self.insert(&mut tree, target, value, &mut errors);
        }
        if !matches!(self.body, Body::Whole(_)) {
            for (name, value) in query::pairs(query.unwrap_or_default()) {
                match self.resolve(&name) {
                    Resolved::Ignored => {}
                    Resolved::Refused(reason) => errors.push(BindError {
                        name,
                        reason: reason.to_owned(),
                    }),
                    Resolved::Target(target) => match value {
                        Some(value) => self.insert(&mut tree, &target, &value, &mut errors),
                        None => errors.push(BindError {
                            name,
                            reason: "expected percent-encoded UTF-8".to_owned(),
                        }),
                    },
                }
            }
        }
        let read = match &self.body {
            Body::Field(program, name, _) if !body.is_empty() => program.write_field(name, body, out),
            Body::Whole(program) if !body.is_empty() => program.write(body, out),
            _ => Ok(()),
        };
        if let Err(error) = read {
            errors.push(BindError {
                name: error.pointer,
                reason: error.reason,
            });
        }
        if !tree.is_empty() && errors.is_empty() {
            let from_body = out.split_off(start);
            errors = tree.merge(&self.message, &from_body, "", out);
        }
        if errors.is_empty() {
            return Ok(());
        }
        out.truncate(start);
        Err(errors)
    }

    /// True where the rule has a `body`, so that the request's body is read.
    pub fn reads_body(&self) -> bool {
        !matches!(self.body, Body::None)
    }

    fn insert(&self, tree: &mut Node, target: &Target, value: &str, errors: &mut Vec<BindError>) {
        if let Err(reason) = tree.insert(&self.message, &target.path, value) {
            let error = BindError {
                name: target.name.clone(),
                reason,
            };
            // A parameter that is given a hundred times is one bad input.
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
    }

    /// What a query parameter sets.
    fn resolve(&self, name: &str) -> Resolved {
        let mut path: Vec<Field> = Vec::new();
        let mut message = Some(self.message.clone());
        for segment in name.split('.') {
            let Some(parent) = message else {
                return Resolved::Refused("this field has no fields that a query parameter can name");
            };
            let Some(field) = parent.field_by_json_name(segment).or_else(|| parent.field(segment)) else {
                return Resolved::Ignored;
            };
            if path.is_empty() && matches!(self.body, Body::Field(_, _, number) if number == field.number) {
                return Resolved::Ignored;
            }
            if path.len() == MAX_SEGMENTS {
                return Resolved::Refused("nested too deeply");
            }
            message = child(&parent, field);
            path.push(field.clone());
        }
        let target = Target {
            name: name.to_owned(),
            path,
        };
        if self.variables.iter().any(|it| it.numbers().eq(target.numbers())) {
            return Resolved::Ignored;
        }
        match target.path.last() {
            Some(field) if text::is_text(self.message.schema(), field) => Resolved::Target(target),
            _ => Resolved::Refused("this field cannot be given as text"),
        }
    }
}

/// The message behind a field, if names may go on into it.
fn child(parent: &MessageRef, field: &Field) -> Option<MessageRef> {
    match (field.kind, field.cardinality) {
        (Kind::Message(index), Cardinality::Singular) => {
            Some(parent.sibling(index)).filter(|it| it.well_known.is_none())
        }
        _ => None,
    }
}

/// The field that a variable of the path names.
fn variable_target(name: &str, message: &MessageRef) -> Result<Target, String> {
    let mut path: Vec<Field> = Vec::new();
    let mut parent = Some(message.clone());
    for segment in name.split('.') {
        let Some(message) = parent else {
            return Err(format!("`{name}` goes through a field that is no singular message"));
        };
        let Some(field) = message.field(segment) else {
            return Err(format!(
                "`{name}` names no field: {} has no `{segment}`",
                message.full_name
            ));
        };
        if path.len() == MAX_SEGMENTS {
            return Err(format!("`{name}` is nested too deeply"));
        }
        parent = child(&message, field);
        path.push(field.clone());
    }
    match path.last() {
        Some(field) if field.cardinality != Cardinality::Singular => {
            Err(format!("`{name}` is a repeated field, which no path variable can set"))
        }
        Some(field) if text::is_text(message.schema(), field) => Ok(Target {
            name: name.to_owned(),
            path,
        }),
        _ => Err(format!("`{name}` is a message, which no path variable can set")),
    }
}

#[cfg(test)]
mod tests;
