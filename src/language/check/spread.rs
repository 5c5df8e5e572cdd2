//! `...`: the members of an object or message, written as a whole where the template is rendered, one by one where its value
//! is kept or encoded.

use std::sync::Arc;

use super::complete;
use super::object::{Entry, FieldEntry};
use super::unit::{Purpose, Scope, Unit};
use super::walk::member_place;
use super::world::named;
use crate::codec::{Defaults, JsonOptions, Names, Selection, ToJson};
use crate::expr::encode::fit;
use crate::expr::{Facts, ObjectMember, PlaceType, Program, Renderer, Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::language::spec::{Expression, Template, TemplateKind};
use crate::plan;
use crate::schema::{Cardinality, Field, MessageRef, Presence, WellKnown};

/// A spread whose members are written as a whole.
pub(super) struct SpreadEntry {
    program: Program,
    origin: plan::Origin,
    /// Where it stands.
    pub(super) span: Span,
    what: What,
    ty: Type,
    nullable: bool,
    options: JsonOptions,
    /// Names that a later member writes again.
    pub(super) except: Vec<Arc<str>>,
}

enum What {
    Json,
    /// The fields that are left of a message, all of them where nothing was picked or omitted.
    Message(MessageRef, Arc<Vec<ObjectMember>>),
    Object(Arc<Vec<ObjectMember>>),
}

impl SpreadEntry {
    /// JSON, whose members are known only when it runs.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.what, What::Json)
    }

    /// The names that it writes, as far as they are known.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        match &self.what {
            What::Json => Vec::new(),
            What::Message(message, left) => {
                let fields = fields(message, left);
                fields.map(|(field, _)| output_name(field, self.options)).collect()
            }
            What::Object(members) => members.iter().map(|it| it.name.clone()).collect(),
        }
    }

    /// How it writes the field with this .proto name, if that is another name.
    pub(super) fn printed_otherwise(&self, name: &str) -> Option<Arc<str>> {
        let What::Message(message, left) = &self.what else {
            return None;
        };
        let (field, _) = fields(message, left).find(|(it, _)| &*it.name == name)?;
        let printed = output_name(field, self.options);
        (&*printed != name && !self.except.contains(&printed)).then_some(printed)
    }

    /// What it adds to the type of the object.
    pub(super) fn types(&self) -> Vec<ObjectMember> {
        let written = |it: &ObjectMember| !self.except.contains(&it.name);
        match &self.what {
            What::Json => Vec::new(),
            What::Message(message, left) => {
                let fields = fields(message, left).map(|(it, ty)| {
                    let always = it.presence == Presence::Required && !self.nullable;
                    ObjectMember {
                        name: output_name(it, self.options),
                        ty: ty.clone().not_null(),
                        optional: !always,
                    }
                });
                fields.filter(written).collect()
            }
            What::Object(members) => {
                let members = members.iter().map(|it| ObjectMember {
                    optional: it.optional || self.nullable,
                    ..it.clone()
                });
                members.filter(written).collect()
            }
        }
    }

    /// As the plan has it.
    pub(super) fn into_member(self) -> plan::Member {
        let members = match &self.what {
            What::Json => plan::Spread::Json,
            What::Message(message, left) => {
                let written =
                    fields(message, left).filter(|(it, _)| !self.except.contains(&output_name(it, self.options)));
                let selection = Selection::Only(written.map(|(it, ty)| (it.name.clone(), ty.selection())).collect());
                plan::Spread::Message(ToJson::compile(message, &selection, self.options))
            }
            What::Object(members) => {
                let kept = members.iter().filter(|it| !self.except.contains(&it.name));
                plan::Spread::Object(
                    kept.map(|it| (it.name.clone(), Renderer::compile(&it.ty, self.options)))
                        .collect(),
                )
            }
        };
        plan::Member::Spread {
            program: self.program,
            members,
            of: (self.ty, self.options),
            except: self.except,
            origin: self.origin,
        }
    }
}

/// The fields that are left of a message, and their types.
fn fields<'m>(message: &'m MessageRef, left: &'m [ObjectMember]) -> impl Iterator<Item = (&'m Field, &'m Type)> {
    left.iter().filter_map(|it| Some((message.field(&it.name)?, &it.ty)))
}

/// The name that a field has in JSON.
fn output_name(field: &Field, options: JsonOptions) -> Arc<str> {
    match options.names {
        Names::Json => field.json_name.clone(),
        Names::Proto => field.name.clone(),
    }
}

impl Unit<'_, '_> {
    /// Checks one `...` and adds what it writes. `shape` is the place of the object around it, where that is known.
    pub(super) fn add_spread(
        &mut self,
        spread: &Template,
        shape: Option<&PlaceType>,
        scope: &Scope,
        entries: &mut Vec<Entry>,
    ) {
        let TemplateKind::Expression(expression) = &spread.kind else {
            if !matches!(spread.kind, TemplateKind::Unknown) {
                let title = "`...` takes an expression, or a list of them";
                self.push(Diagnostic::new("wrong-type", spread.span, title).help("...: $product"));
            }
            return;
        };
        let Some(mut checked) = self.expression(expression, scope) else {
            return;
        };
        let options = self.options_of(expression, scope);
        let nullable = checked.ty.nullable;
        let what = match &checked.ty.kind {
            TypeKind::Any => What::Json,
            TypeKind::Message(message) if message.well_known != Some(WellKnown::FieldMask) => {
                What::Message(message.clone(), Arc::new(ObjectMember::all_of(message)))
            }
            TypeKind::Selected(message, left) => What::Message(message.clone(), left.clone()),
            // Members that the schema does not name go along where it says that there may be some.
            TypeKind::Json(schema) if schema.is_open() => What::Json,
            TypeKind::Json(schema) => {
                let members = ObjectMember::of_json(schema);
                if let Some(place) = shape {
                    self.check_members(expression, &members, place);
                }
                checked.program = checked.program.into_object(schema);
                What::Object(Arc::new(members))
            }
            TypeKind::Object(members) => {
                if let Some(place) = shape {
                    self.check_members(expression, members, place);
                }
                What::Object(members.clone())
            }
            TypeKind::Unknown => return,
            _ => {
                let title = "`...` takes an object or a message";
                self.push(
                    Diagnostic::new("wrong-type", expression.whole(), title).label(format!("this is `{}`", checked.ty)),
                );
                return;
            }
        };
        if let What::Message(message, left) = &what
            && !matches!(scope.purpose, Purpose::Render | Purpose::Send)
        {
            self.add_fields(expression, (message, left), nullable, options, shape, scope, entries);
            return;
        }
        let origin = self.origin(expression.whole());
        entries.push(Entry::Spread(SpreadEntry {
            program: checked.program,
            origin,
            span: expression.whole(),
            what,
            ty: checked.ty,
            nullable,
            options,
            except: Vec::new(),
        }));
    }

    /// The members of an object that is spread into a place with a type.
    fn check_members(&mut self, expression: &Expression, members: &[ObjectMember], place: &PlaceType) {
        for member in members {
            match member_place(place, &member.name) {
                Some(to) => {
                    if let Err(error) = fit(&member.ty, &to) {
                        let title = format!("its member `{}` does not fit: {}", member.name, error.title);
                        self.push(
                            Diagnostic::new(error.code, expression.whole(), title)
                                .label(format!("expected `{}`", to.ty)),
                        );
                    }
                }
                None => self.unknown_member(&named(&member.name, expression.whole()), &place.ty),
            }
        }
    }

    /// The fields of a message one by one: each is there where the whole message would have it.
    #[expect(clippy::too_many_arguments, reason = "what is known of one expression and its place")]
    fn add_fields(
        &mut self,
        expression: &Expression,
        (message, left): (&MessageRef, &[ObjectMember]),
        nullable: bool,
        options: JsonOptions,
        shape: Option<&PlaceType>,
        scope: &Scope,
        entries: &mut Vec<Entry>,
    ) {
        let span = expression.whole();
        let source = format!("({})", expression.source());
        for (field, _) in fields(message, left) {
            let step = complete::step(&field.name);
            let Some((condition, facts)) = self.presence(&source, &step, field, nullable, options, span, scope) else {
                continue;
            };
            let name = if shape.is_some() {
                field.name.clone()
            } else {
                output_name(field, options)
            };
            let to = shape.and_then(|place| {
                let to = member_place(place, &name);
                if to.is_none() {
                    self.unknown_member(&named(&name, span), &place.ty);
                }
                to
            });
            if shape.is_some() && to.is_none() {
                continue;
            }
            let Some(value) = complete::expression(&format!("{source}{step}"), span) else {
                continue;
            };
            let value = Template {
                kind: TemplateKind::Expression(value),
                span,
            };
            let typed = self.template(&value, to.as_ref(), &scope.with_facts(&facts));
            entries.push(Entry::Field(FieldEntry {
                name,
                written: None,
                spread: Some(span),
                condition,
                typed,
            }));
        }
    }

    /// Whether the whole message would have a field, as a condition, and what holds then. `None` where no expression reaches the field.
    #[expect(clippy::too_many_arguments, reason = "what is known of one field of one expression")]
    fn presence(
        &self,
        source: &str,
        step: &str,
        field: &Field,
        nullable: bool,
        options: JsonOptions,
        span: Span,
        scope: &Scope,
    ) -> Option<(Option<Program>, Facts)> {
        let singular = field.cardinality == Cardinality::Singular;
        let mut conditions = Vec::new();
        if nullable {
            conditions.push(format!("{source} != null"));
        }
        match field.presence {
            Presence::Explicit if singular => conditions.push(format!("{source}{step} != null")),
            Presence::Implicit | Presence::Explicit if options.defaults == Defaults::Omit => {
                // `has(…)` takes no brackets: such a field is there even where it holds its default.
                if !step.starts_with('[') {
                    conditions.push(format!("has({source}{step})"));
                }
            }
            Presence::Implicit | Presence::Explicit | Presence::Required => {}
        }
        if conditions.is_empty() {
            return Some((None, Facts::new()));
        }
        let checked = self.quietly(&conditions.join(" && "), span, scope)?;
        Some((Some(checked.program), checked.facts))
    }
}
