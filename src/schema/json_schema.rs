//! The types of JSON: JSON Schema 2020-12 files, and the operations of OpenAPI 3.0 and 3.1.
//!
//! Owns which files are read, what their references mean, and what a schema says of a value's shape. Leaves how values of a
//! shape are read and checked to `expr`, and constraints such as lengths to a validator.
//! Where a schema says something that no one shape can say (alternatives of different kinds, conditions), the shape is [`Shape::Any`]:
//! less is known, and nothing false. Invariant: [`JsonTypes`] are immutable, and every index within them is valid.

mod draft;
mod library;
mod openapi;
mod tree;
mod validator;

use std::fmt;
use std::sync::Arc;

use super::Place;

pub use library::{Library, SchemaError};
pub use openapi::{Operation, Parameter, Payload};
pub use validator::{Invalid, Validator};

/// The types that one schema reaches.
#[derive(Debug)]
pub struct JsonTypes {
    nodes: Vec<JsonType>,
    /// Changes with every file that was read for it.
    pub fingerprint: [u8; 32],
}

/// Names a type of its [`JsonTypes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeIndex(usize);

/// What a schema says of a value.
#[derive(Debug)]
pub struct JsonType {
    /// What it is called in messages: `Review`; none for schemas without a name.
    pub name: Option<Arc<str>>,
    /// Where it was written.
    pub place: Place,
    /// `description`, for people.
    pub description: Option<Arc<str>>,
    /// What else its own keywords demand (`minLength`, `pattern`, `minItems`), and its `example`.
    pub constraints: Vec<(&'static str, serde_json::Value)>,
    /// What a value is that is not null.
    pub shape: Shape,
    /// A value may be null.
    pub nullable: bool,
    /// The same for the same schema, whoever reached it.
    key: Arc<str>,
}

/// What a value is that is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// Text in base64: `format: byte`, `contentEncoding: base64`.
    Bytes,
    /// A whole number in these bounds; `text` where it is written as text (`type: string, format: int64`).
    Integer {
        /// Least.
        min: i128,
        /// Greatest.
        max: i128,
        /// Written as text.
        text: bool,
    },
    /// A list of these.
    List(TypeIndex),
    /// An object with names of its own and values of this type.
    Map(TypeIndex),
    /// A number.
    Number,
    /// An object with these members.
    Object(ObjectShape),
    /// Text, whatever its format.
    Text,
    /// `format: date-time`.
    Timestamp,
    /// One of these texts.
    Words(Arc<[Arc<str>]>),
}

/// The members of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectShape {
    /// In written order.
    pub members: Vec<MemberShape>,
    /// What other members are, where the schema says that there may be some; else they are not for use.
    pub rest: Option<TypeIndex>,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberShape {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub ty: TypeIndex,
    /// It is always there.
    pub required: bool,
}

/// One type of a [`JsonTypes`]. Equal where it is the same schema.
#[derive(Clone)]
pub struct JsonTypeRef {
    types: Arc<JsonTypes>,
    index: TypeIndex,
}

/// Reads YAML or JSON as YAML's own tools do, as JSON.
pub fn read(text: &str) -> Result<serde_json::Value, String> {
    tree::parse(text).map(|it| it.to_json())
}

// === impl JsonTypeRef ===

impl JsonTypeRef {
    fn root(types: Arc<JsonTypes>) -> Self {
        Self {
            types,
            index: TypeIndex(0),
        }
    }

    /// The same, of another type that this one reaches.
    #[must_use]
    pub fn sibling(&self, index: TypeIndex) -> Self {
        Self {
            types: self.types.clone(),
            index,
        }
    }

    /// Changes with every file that was read for it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.types.fingerprint
    }

    /// The members of an object; none of anything else.
    pub fn members(&self) -> &[MemberShape] {
        match &self.shape {
            Shape::Object(object) => &object.members,
            _ => &[],
        }
    }

    /// A member by its name, and whether it is always there; what the rest is where no member has the name.
    pub fn member(&self, name: &str) -> Option<(Self, bool)> {
        let Shape::Object(object) = &self.shape else {
            return None;
        };
        match object.members.iter().find(|it| &*it.name == name) {
            Some(member) => Some((self.sibling(member.ty), member.required)),
            None => object.rest.map(|it| (self.sibling(it), false)),
        }
    }

    /// Whether the schema says that there may be members which it does not name.
    pub fn is_open(&self) -> bool {
        matches!(&self.shape, Shape::Object(object) if object.rest.is_some())
    }

    /// Whether a value may hold another of its own type, at any depth.
    pub fn is_recursive(&self) -> bool {
        let mut seen = Vec::new();
        let mut open = self.below();
        while let Some(next) = open.pop() {
            if next.index == self.index {
                return true;
            }
            if !seen.contains(&next.index) {
                seen.push(next.index);
                open.extend(next.below());
            }
        }
        // A part may hold itself too, which is as endless.
        false
    }

    /// The types of its parts.
    pub fn below(&self) -> Vec<Self> {
        match &self.shape {
            Shape::List(element) | Shape::Map(element) => vec![self.sibling(*element)],
            Shape::Object(object) => {
                let members = object.members.iter().map(|it| it.ty);
                members.chain(object.rest).map(|it| self.sibling(it)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// "Review is defined in descriptors/reviews.yaml:12".
    pub fn defined_in(&self) -> String {
        let name = self.name.as_deref().unwrap_or("its schema");
        match self.place.line {
            0 => format!("{name} is defined in {}", self.place.file),
            line => format!("{name} is defined in {}:{line}", self.place.file),
        }
    }
}

impl std::ops::Deref for JsonTypeRef {
    type Target = JsonType;

    fn deref(&self) -> &JsonType {
        #[expect(clippy::indexing_slicing, reason = "an index of these types, which are immutable")]
        &self.types.nodes[self.index.0]
    }
}

impl PartialEq for JsonTypeRef {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for JsonTypeRef {}

impl fmt::Debug for JsonTypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonType({})", self.key)
    }
}

impl fmt::Display for JsonTypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            return f.write_str(name);
        }
        f.write_str("object {")?;
        for (at, member) in self.members().iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            if at == MEMBERS_SHOWN {
                write!(f, "{separator}…")?;
                break;
            }
            write!(f, "{separator}{}", member.name)?;
        }
        f.write_str("}")
    }
}

/// How many members of an object a message names.
const MEMBERS_SHOWN: usize = 6;

#[cfg(test)]
mod tests;
