//! google.api.http binding: path variables, query string and body → the wire bytes of a request message (http.proto, AIP-127).
//!
//! Owns what a path variable or query parameter means as a field (semantics.md 6.4). Leaves matching of paths to
//! `schema::path_template` and JSON to [`super::json_to_wire`].
//! The path says more than the body, and the body more than the query: a field that the path sets is taken out of the
//! body, and no query parameter reaches what path or body have.
//! Invariant: fields of the outcome are in number order, each singular field at most once; every bad input is named, none is
//! echoed.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub(super) mod describe;
mod text;
mod tree;

use std::sync::Arc;

use super::json_to_wire::FromJson;
use super::query;
use super::wire::put_bytes;
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::PathTemplate;
use crate::schema::{Cardinality, Field, Kind, Message, MessageIndex, MessageRef, Schema};
use tree::Node;

/// How deep a dotted name may go.
const MAX_SEGMENTS: usize = 32;

/// How an HTTP request becomes the request message of a method.
#[derive(Debug)]
pub struct HttpBinding {
    message: MessageRef,
    /// In template order.
    variables: Box<[Variable]>,
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

/// A variable of the path.
#[derive(Debug)]
struct Variable {
    name: String,
    /// From the request message inwards; the last is the one that holds the value.
    path: Box<[Field]>,
}

/// A message type, by reference: no count that all workers share moves while a request is bound.
#[derive(Clone, Copy)]
struct Type<'s> {
    schema: &'s Schema,
    message: &'s Message,
}

impl<'s> Type<'s> {
    fn of(message: &'s MessageRef) -> Self {
        Self {
            schema: message.schema(),
            message,
        }
    }

    fn child(self, index: MessageIndex) -> Self {
        Self {
            schema: self.schema,
            message: self.schema.message(index),
        }
    }

    /// The message behind a field, if names may go on into it.
    fn within(self, field: &Field) -> Option<Self> {
        match (field.kind, field.cardinality) {
            (Kind::Message(index), Cardinality::Singular) => {
                Some(self.child(index)).filter(|it| it.message.well_known.is_none())
            }
            _ => None,
        }
    }
}

/// What the body of a request is.
#[derive(Debug)]
enum Body {
    /// One top-level field, by name and number.
    Field(Arc<FromJson>, Arc<str>, u32),
    /// Not read.
    None,
    /// A google.api.HttpBody: the whole message, or the field with this number.
    Raw(Option<u32>),
    /// The whole message.
    Whole(Arc<FromJson>),
}

/// What a dotted name of the query is.
enum Resolved<'s> {
    /// A field that no text can be.
    Refused(&'static str),
    /// No field, or one that path or body have: it is not looked at.
    Ignored,
    /// From the request message inwards.
    Path(Vec<&'s Field>),
}

impl HttpBinding {
    /// Compiles a binding. The error is one sentence: a variable that is no field, a body field that does not exist, ….
    pub fn compile(rule: &HttpRule, template: &PathTemplate, message: &MessageRef) -> Result<Arc<Self>, String> {
        let mut variables: Vec<Variable> = Vec::new();
        for variable in template.variables() {
            let path = variable_path(&variable.name, message)?;
            if variables.iter().any(|it| is_same_path(&it.path, path.iter())) {
                return Err(format!("`{}` is bound by two variables of the path", variable.name));
            }
            variables.push(Variable {
                name: variable.name.clone(),
                path,
            });
        }
        let body = match &*rule.body {
            "" => Body::None,
            "*" if is_raw(message) => Body::Raw(None),
            "*" => Body::Whole(FromJson::compile(message)),
            name => {
                let Some(field) = message.field(name) else {
                    return Err(format!("`body: {name}` names no field of {}", message.full_name));
                };
                if variables.iter().any(|it| is_same_path(&it.path, [field].into_iter())) {
                    return Err(format!("`{name}` is bound by the path and by `body`"));
                }
                if message.well_known.is_some() {
                    return Err(format!(
                        "`body: {name}` names a part of {}, whose JSON has no such member",
                        message.full_name
                    ));
                }
                match Type::of(message).within(field) {
                    Some(inner) if is_raw(inner.message) => Body::Raw(Some(field.number)),
                    _ => Body::Field(FromJson::compile(message), field.name.clone(), field.number),
                }
            }
        };
        Ok(Arc::new(Self {
            message: message.clone(),
            variables: variables.into(),
            body,
        }))
    }

    /// Appends the wire bytes of the message to `out`. `captures` are the path variables in template order, decoded;
    /// `query` is the raw query string; `body` the raw JSON body (empty where there is none), or where
    /// [`HttpBinding::is_raw`] says so the wire bytes of a google.api.HttpBody. Every bad input is listed:
    /// the path's, then the query's, then the body's. On failure `out` is as it was.
    ///
    /// ```
    /// use weft::codec::HttpBinding;
    /// use weft::schema::http_rule::HttpRule;
    /// use weft::schema::path_template::PathTemplate;
    /// use weft::schema::{MessageRef, load};
    ///
    /// let schema = load::schema(&["descriptors/hipstershop".into()]).unwrap();
    /// let money = MessageRef::new(schema.clone(), schema.find_message("hipstershop.Money").unwrap());
    /// let path = "/v1/{currency_code}/of".to_owned();
    /// let template = PathTemplate::parse(&path).unwrap();
    /// let rule = HttpRule { method: "GET".into(), path, body: String::new(), response_body: String::new() };
    /// let binding = HttpBinding::compile(&rule, &template, &money).unwrap();
    ///
    /// let mut out = Vec::new();
    /// binding.bind(&["EUR".into()], Some("units=7&utm_source=x"), b"", &mut out).unwrap();
    /// assert_eq!(out, b"\x0a\x03EUR\x10\x07");
    ///
    /// let errors = binding.bind(&["EUR".into()], Some("units=seven&nanos="), b"", &mut out).unwrap_err();
    /// assert_eq!(errors.len(), 2);
    /// ```
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
        for (variable, value) in self.variables.iter().zip(captures) {
            let path: Vec<&Field> = variable.path.iter().collect();
            self.set(&mut tree, (&variable.name, value), &path, &mut errors);
        }
        if !matches!(self.body, Body::Whole(_) | Body::Raw(None)) {
            for (name, value) in query::pairs(query.unwrap_or_default()) {
                match (self.resolve(&name), value) {
                    (Resolved::Ignored, _) => {}
                    (Resolved::Refused(reason), _) => list(&mut errors, &name, reason),
                    (Resolved::Path(_), None) => list(&mut errors, &name, "expected percent-encoded UTF-8"),
                    (Resolved::Path(path), Some(value)) => self.set(&mut tree, (&name, &value), &path, &mut errors),
                }
            }
        }
        let read = match &self.body {
            Body::Field(program, name, _) if !body.is_empty() => program.write_field(name, body, out),
            Body::Whole(program) if !body.is_empty() => program.write(body, out),
            Body::Raw(None) => {
                out.extend_from_slice(body);
                Ok(())
            }
            Body::Raw(Some(number)) => {
                put_bytes(out, *number, body);
                Ok(())
            }
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
            errors = tree.merge(Type::of(&self.message), &from_body, "", out);
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

    /// True where a query parameter of this name means something.
    pub fn reads_query(&self, name: &str) -> bool {
        !matches!(self.body, Body::Whole(_) | Body::Raw(None)) && !matches!(self.resolve(name), Resolved::Ignored)
    }

    /// True where the body is no JSON but bytes of any type: a google.api.HttpBody.
    pub fn is_raw(&self) -> bool {
        matches!(self.body, Body::Raw(_))
    }

    fn set(&self, tree: &mut Node, input: (&str, &str), path: &[&Field], errors: &mut Vec<BindError>) {
        let (name, value) = input;
        if let Err(reason) = tree.insert(Type::of(&self.message), path, value) {
            list(errors, name, &reason);
        }
    }

    /// What a query parameter sets.
    fn resolve(&self, name: &str) -> Resolved<'_> {
        let mut path: Vec<&Field> = Vec::new();
        let mut next = Some(Type::of(&self.message));
        for segment in name.split('.') {
            let Some(parent) = next else {
                return Resolved::Refused("this field has no fields that a query parameter can name");
            };
            let found = parent
                .message
                .field_by_json_name(segment)
                .or_else(|| parent.message.field(segment));
            let Some(field) = found else {
                return Resolved::Ignored;
            };
            if path.is_empty()
                && matches!(self.body, Body::Field(_, _, number) | Body::Raw(Some(number)) if number == field.number)
            {
                return Resolved::Ignored;
            }
            if path.len() == MAX_SEGMENTS {
                return Resolved::Refused("nested too deeply");
            }
            next = parent.within(field);
            path.push(field);
        }
        if self
            .variables
            .iter()
            .any(|it| is_same_path(&it.path, path.iter().copied()))
        {
            return Resolved::Ignored;
        }
        match path.last() {
            Some(field) if text::is_text(self.message.schema(), field) => Resolved::Path(path),
            _ => Resolved::Refused("this field cannot be given as text"),
        }
    }
}

fn is_raw(message: &Message) -> bool {
    &*message.full_name == "google.api.HttpBody"
}

/// Adds a bad input. A parameter that is given a hundred times is one.
fn list(errors: &mut Vec<BindError>, name: &str, reason: &str) {
    if !errors.iter().any(|it| it.name == name && it.reason == reason) {
        errors.push(BindError {
            name: name.to_owned(),
            reason: reason.to_owned(),
        });
    }
}

fn is_same_path<'f>(a: &[Field], b: impl Iterator<Item = &'f Field>) -> bool {
    a.iter().map(|it| it.number).eq(b.map(|it| it.number))
}

/// The field that a variable of the path names.
fn variable_path(name: &str, message: &MessageRef) -> Result<Box<[Field]>, String> {
    let mut path: Vec<Field> = Vec::new();
    let mut next = Some(Type::of(message));
    for segment in name.split('.') {
        let Some(parent) = next else {
            return Err(format!("`{name}` goes through a field that is no singular message"));
        };
        let Some(field) = parent.message.field(segment) else {
            return Err(format!(
                "`{name}` names no field: {} has no `{segment}`",
                parent.message.full_name
            ));
        };
        if path.len() == MAX_SEGMENTS {
            return Err(format!("`{name}` is nested too deeply"));
        }
        next = parent.within(field);
        path.push(field.clone());
    }
    match path.last() {
        Some(field) if field.cardinality != Cardinality::Singular => {
            Err(format!("`{name}` is a repeated field, which no path variable can set"))
        }
        Some(field) if text::is_text(message.schema(), field) => Ok(path.into()),
        _ => Err(format!("`{name}` is a message, which no path variable can set")),
    }
}

#[cfg(test)]
mod tests;
