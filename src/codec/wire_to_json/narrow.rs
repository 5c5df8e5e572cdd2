//! A client's choice applied to a program: the same message, of which less is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::choose;
use super::{Selection, ToJson};
use crate::codec::fields::{Descent, Fields};
use crate::codec::{JsonOptions, Names};
use crate::schema::{Cardinality, Field, Kind, MessageRef, WellKnown};

impl ToJson {
    /// The program that writes what is chosen of what this one writes. What is not there is noted in `descent`, and left out.
    pub fn narrow(self: &Arc<Self>, fields: &Fields, descent: &mut Descent) -> Arc<Self> {
        let Fields::Only(wanted) = fields else {
            return self.clone();
        };
        let mut narrowing = Narrowing {
            options: self.options,
            open: false,
            descent,
        };
        let selection = narrowing.message(&self.message, &self.selection, wanted);
        let open = narrowing.open;
        let mut narrowed = Self::build(&self.message, &selection, self.options);
        narrowed.chosen = open.then(|| fields.clone());
        Arc::new(narrowed)
    }

    /// Which fields it writes.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The names of the members that it may write.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        names(&self.message, &self.selection, self.options)
    }
}

struct Narrowing<'d> {
    options: JsonOptions,
    /// The choice goes on inside a value of unknown shape.
    open: bool,
    descent: &'d mut Descent,
}

impl Narrowing<'_> {
    fn message(
        &mut self,
        message: &MessageRef,
        selection: &Selection,
        wanted: &BTreeMap<Arc<str>, Fields>,
    ) -> Selection {
        match message.well_known {
            None | Some(WellKnown::Empty) => {}
            Some(WellKnown::Any | WellKnown::ListValue | WellKnown::Struct | WellKnown::Value) => {
                self.open = true;
                return Selection::All;
            }
            Some(_) => {
                self.descent.not_an_object();
                return Selection::All;
            }
        }
        let mut chosen = Vec::with_capacity(wanted.len());
        for (name, fields) in wanted {
            let field = message.fields.iter().find(|it| written_name(it, self.options) == name);
            let known = field.and_then(|it| Some((it, choose(selection, &it.name)?)));
            let Some((field, inner)) = known else {
                let known = names(message, selection, self.options);
                self.descent.unknown(name, known.map(|it| &**it));
                continue;
            };
            let inner = match fields {
                Fields::All => inner.clone(),
                Fields::Only(wanted) => {
                    let options = self.options;
                    let (open, inner) = self.descent.within(name, |descent| {
                        let mut below = Narrowing {
                            options,
                            open: false,
                            descent,
                        };
                        let inner = below.field(message, field, inner, wanted);
                        (below.open, inner)
                    });
                    self.open |= open;
                    inner
                }
            };
            chosen.push((field.name.clone(), inner));
        }
        Selection::Only(chosen)
    }

    fn field(
        &mut self,
        message: &MessageRef,
        field: &Field,
        selection: &Selection,
        wanted: &BTreeMap<Arc<str>, Fields>,
    ) -> Selection {
        let kind = match field.cardinality {
            Cardinality::Map(types) => types.value,
            Cardinality::Repeated | Cardinality::Singular => field.kind,
        };
        if let Kind::Message(index) = kind {
            return self.message(&message.sibling(index), selection, wanted);
        }
        self.descent.not_an_object();
        Selection::All
    }
}

fn written_name(field: &Field, options: JsonOptions) -> &Arc<str> {
    match options.names {
        Names::Json => &field.json_name,
        Names::Proto => &field.name,
    }
}

fn names<'m>(
    message: &'m MessageRef,
    selection: &'m Selection,
    options: JsonOptions,
) -> impl Iterator<Item = &'m Arc<str>> {
    message
        .fields
        .iter()
        .filter(move |it| choose(selection, &it.name).is_some())
        .map(move |it| written_name(it, options))
}
