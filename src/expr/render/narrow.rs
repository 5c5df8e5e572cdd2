//! A client's choice applied to a renderer: values of the same type, of which less is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MemberWriter, Renderer, Writer};
use crate::codec::{Descent, Fields};
use crate::schema::json_schema::{JsonTypeRef, Shape};

impl Renderer {
    /// The renderer that writes what is chosen of what this one writes. What is not there is noted in `descent`, and left
    /// out. In lists and maps the choice goes on in every element.
    #[must_use]
    pub fn narrow(&self, fields: &Fields, descent: &mut Descent) -> Self {
        match fields {
            Fields::All => self.clone(),
            Fields::Only(wanted) => Self {
                writer: Arc::new(self.writer.narrow(fields, wanted, descent)),
                ..self.clone()
            },
        }
    }
}

impl Writer {
    fn narrow(&self, fields: &Fields, wanted: &BTreeMap<Arc<str>, Fields>, descent: &mut Descent) -> Self {
        match self {
            Self::Any => Self::Chosen(fields.clone()),
            Self::Json(schema, _) => {
                look(schema, wanted, descent);
                Self::Json(schema.clone(), fields.clone())
            }
            Self::List(element) => Self::List(Box::new(element.narrow(fields, wanted, descent))),
            Self::Map(value) => Self::Map(Box::new(value.narrow(fields, wanted, descent))),
            Self::Message(program) => Self::Message(program.narrow(fields, descent)),
            // Null has no members, and lacks none.
            Self::Null => Self::Null,
            Self::Object(members) | Self::Part(members) => {
                for name in wanted.keys().filter(|it| !members.iter().any(|one| one.name == **it)) {
                    descent.unknown(name, members.iter().map(|it| &*it.name));
                }
                let kept = members.iter().filter_map(|it| {
                    let writer = match wanted.get(&it.name)? {
                        Fields::All => it.writer.clone(),
                        fields @ Fields::Only(inner) => {
                            descent.within(&it.name, |descent| it.writer.narrow(fields, inner, descent))
                        }
                    };
                    let (name, key) = (it.name.clone(), it.key.clone());
                    Some(MemberWriter { name, key, writer })
                });
                Self::Part(kept.collect())
            }
            Self::Bool
            | Self::Bytes
            | Self::Chosen(_)
            | Self::Double { .. }
            | Self::Duration
            | Self::Enum(_)
            | Self::Int { .. }
            | Self::String
            | Self::Timestamp => {
                descent.not_an_object();
                self.clone()
            }
        }
    }
}

/// Notes what is chosen and not there by a JSON Schema.
fn look(schema: &JsonTypeRef, wanted: &BTreeMap<Arc<str>, Fields>, descent: &mut Descent) {
    match &schema.shape {
        Shape::Any => {}
        Shape::List(part) | Shape::Map(part) => look(&schema.sibling(*part), wanted, descent),
        Shape::Object(_) => {
            for (name, fields) in wanted {
                match (schema.member(name), fields) {
                    (None, _) => descent.unknown(name, schema.members().iter().map(|it| &*it.name)),
                    (Some((member, _)), Fields::Only(inner)) => {
                        descent.within(name, |descent| look(&member, inner, descent));
                    }
                    (Some(_), Fields::All) => {}
                }
            }
        }
        _ => descent.not_an_object(),
    }
}
