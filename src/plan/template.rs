//! Templates: literal JSON, expressions and text, nested; rendered as JSON or evaluated to a value.

use std::sync::Arc;

use super::Origin;
use crate::codec::{Fields, JsonOptions, Selection, ToJson};
use crate::expr::{Encoder, JsonReader, Program, Renderer, Slot, Type, Value};

/// Literal JSON, expressions and text, nested.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value that is known.
    Constant {
        /// As JSON.
        json: Box<[u8]>,
        /// As a value.
        value: Value,
    },
    /// A template whose value is wanted in another form than its own. Rendered, it is the inner template.
    Convert {
        /// Gives the value.
        template: Box<Self>,
        /// The form.
        into: Conversion,
        /// Where it was written.
        origin: Origin,
    },
    /// One expression.
    Expression {
        /// Gives the value.
        program: Program,
        /// Writes it as JSON.
        renderer: Renderer,
        /// Where it was written.
        origin: Origin,
    },
    /// `$for`.
    For {
        /// The list, or JSON that must be one; null is empty.
        list: Program,
        /// Where the element goes.
        slot: Slot,
        /// `$if`.
        condition: Option<Program>,
        /// What each gives.
        each: Box<Self>,
        /// Where it was written.
        origin: Origin,
    },
    /// `[…]`.
    List(Vec<Item>),
    /// `{…}`, in written order; of two with one name only the later is here, as far as names are known.
    Object(Vec<Member>),
    /// Text with expressions in it.
    Text {
        /// Its parts, each a string.
        parts: Vec<TextPart>,
        /// Where it was written.
        origin: Origin,
    },
}

/// The form that a [`Template::Convert`] gives a value.
#[derive(Clone, Debug)]
pub enum Conversion {
    /// [`Value::Json`], the inner template rendered: for places of type `any`. A null stays null.
    Json,
    /// [`Value::Message`], for places of a message type. A null stays null.
    Message(Encoder),
    /// What the inner template, rendered, is as JSON of this type: text as a value of an enum. A null stays null.
    Read(JsonReader),
}

/// An element of a list template.
#[derive(Clone, Debug)]
pub struct Item {
    /// `$if`.
    pub condition: Option<Program>,
    /// The element.
    pub template: Template,
}

/// A member of an object template.
#[derive(Clone, Debug)]
pub enum Member {
    /// `name: …`.
    Field {
        /// Its name.
        name: Arc<str>,
        /// `"name":`, escaped.
        key: Box<[u8]>,
        /// `$if`.
        condition: Option<Program>,
        /// Its value.
        template: Template,
    },
    /// `...: $x`; null is nothing.
    Spread {
        /// Gives an object, a message or JSON.
        program: Program,
        /// How its members are written.
        members: Spread,
        /// The type of what is spread, and how it is written as JSON.
        of: (Type, JsonOptions),
        /// Names that a later member of the same object writes again.
        except: Vec<Arc<str>>,
        /// Where it was written.
        origin: Origin,
    },
}

/// How spread members are written.
#[derive(Clone, Debug)]
pub enum Spread {
    /// JSON of which a client chose these members.
    Chosen(Fields),
    /// JSON: an object, checked when it runs.
    Json,
    /// A message; what a later member writes again is not in the program. Only where the template is rendered: where its
    /// value is wanted, the fields are members of their own.
    Message(Arc<ToJson>),
    /// An object: a renderer for each member.
    Object(Vec<(Arc<str>, Renderer)>),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// Gives a string.
    Hole(Program),
    /// Text between.
    Literal(Arc<str>),
}

impl Template {
    /// Every expression in it, with the fields that are written where it gives a message; `None` where more may be done with
    /// its value.
    pub fn programs<'t>(&'t self, each: &mut dyn FnMut(&'t Program, Option<&'t Selection>)) {
        match self {
            Self::Constant { .. } => {}
            Self::Convert { template, .. } => template.programs(each),
            Self::Expression { program, renderer, .. } => each(program, renderer.selection()),
            Self::For {
                list,
                condition,
                each: inner,
                ..
            } => {
                each(list, None);
                if let Some(condition) = condition {
                    each(condition, None);
                }
                inner.programs(each);
            }
            Self::List(items) => {
                for item in items {
                    if let Some(condition) = &item.condition {
                        each(condition, None);
                    }
                    item.template.programs(each);
                }
            }
            Self::Object(members) => {
                for member in members {
                    match member {
                        Member::Field {
                            condition, template, ..
                        } => {
                            if let Some(condition) = condition {
                                each(condition, None);
                            }
                            template.programs(each);
                        }
                        Member::Spread { program, members, .. } => match members {
                            Spread::Message(written) => each(program, Some(written.selection())),
                            Spread::Chosen(_) | Spread::Json | Spread::Object(_) => each(program, None),
                        },
                    }
                }
            }
            Self::Text { parts, .. } => {
                for part in parts {
                    if let TextPart::Hole(program) = part {
                        each(program, None);
                    }
                }
            }
        }
    }
}
