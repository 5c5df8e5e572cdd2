//! Objects of templates: members in written order, of two with one name the later, fitted to a message where one belongs
//! there (semantics.md 1.4, 7.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::literal;
use super::spread::SpreadEntry;
use super::template::Typed;
use super::unit::{Purpose, Scope, Unit};
use super::walk::member_place;
use super::world::{listed, place_note};
use crate::expr::{ObjectMember, PlaceType, Program, Type, TypeKind, Value};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::language::spec::{Literal, Member, Name, Template, TemplateKind};
use crate::plan;
use crate::schema::json_schema::{JsonTypeRef, Shape};
use crate::schema::suggest;
use crate::schema::{MessageRef, Presence};

/// A member, or several, of an object while it is put together.
pub(super) enum Entry {
    Field(FieldEntry),
    Spread(SpreadEntry),
}

/// A named member.
pub(super) struct FieldEntry {
    pub(super) name: Arc<str>,
    /// Where it was written out; a field of a spread was not.
    pub(super) written: Option<Span>,
    /// The spread that it is a field of.
    pub(super) spread: Option<Span>,
    pub(super) condition: Option<Program>,
    pub(super) typed: Typed,
}

impl Unit<'_, '_> {
    /// Checks an object template.
    pub(super) fn template_object(
        &mut self,
        members: &[Member],
        span: Span,
        place: Option<&PlaceType>,
        scope: &Scope,
    ) -> Typed {
        let shape = place.filter(|it| {
            matches!(
                it.ty.kind,
                TypeKind::Json(_)
                    | TypeKind::Message(_)
                    | TypeKind::Map(_)
                    | TypeKind::Object(_)
                    | TypeKind::Selected(..)
            )
        });
        if let Some(place) = place
            && shape.is_none()
            && !matches!(place.ty.kind, TypeKind::Any)
        {
            let title = format!("an object does not fit where `{}` belongs", place.ty);
            self.push(Diagnostic::new("wrong-type", span, title).label(format!("expected `{}`", place.ty)));
            return Typed::poison();
        }
        let mut entries = Vec::new();
        for member in members {
            match member {
                Member::Field(name, value) => entries.push(Entry::Field(self.field(name, value, shape, scope))),
                Member::Spread(spread) => self.add_spread(spread, shape, scope, &mut entries),
            }
        }
        self.remove_earlier(&mut entries);
        if let (Some(place), Purpose::Request) = (shape, scope.purpose)
            && let TypeKind::Message(message) = &place.ty.kind
        {
            self.check_message(message, &entries, span);
        }
        if let Some(TypeKind::Json(schema)) = shape.map(|it| &it.ty.kind) {
            self.check_required(schema, &entries, span);
        }
        let typed = self.put_together(entries, span, place, scope);
        match place {
            Some(place) if scope.purpose == Purpose::Value && !is_poisoned(&typed.ty) => {
                self.convert(typed, &place.ty, span)
            }
            _ => typed,
        }
    }

    fn field(&mut self, name: &Name, value: &Template, shape: Option<&PlaceType>, scope: &Scope) -> FieldEntry {
        let (condition, value, facts) = match &value.kind {
            TemplateKind::If { condition, then } => {
                let checked = self.condition(condition, scope);
                let facts = checked
                    .as_ref()
                    .map_or_else(|| self.facts_of(condition, scope), |it| it.facts.clone());
                (checked.map(|it| it.program), &**then, facts)
            }
            _ => (None, value, crate::expr::Facts::new()),
        };
        let member = shape.and_then(|place| {
            let member = member_place(place, &name.value);
            if member.is_none() {
                self.unknown_member(name, &place.ty);
            }
            self.warn_deprecated(name, &place.ty);
            member
        });
        let narrowed;
        let scope = if facts.is_empty() {
            scope
        } else {
            narrowed = scope.with_facts(&facts);
            &narrowed
        };
        if let (Some(place), TemplateKind::Literal(Literal::Text(text))) = (shape, &value.kind) {
            self.check_word(place, &name.value, text, value.span);
        }
        let mut typed = self.template(value, member.as_ref(), scope);
        if shape.is_some() && member.is_none() {
            typed.ty = Type::unknown();
        }
        FieldEntry {
            name: name.value.clone(),
            written: Some(name.span),
            spread: None,
            condition,
            typed,
        }
    }

    /// A field that its declaration calls deprecated.
    fn warn_deprecated(&mut self, name: &Name, of: &Type) {
        if let TypeKind::Message(message) = &of.kind
            && let Some(field) = message.field(&name.value)
            && field.deprecated
        {
            let title = format!("`{}.{}` is deprecated", message.full_name, field.name);
            let says = field.comment.as_deref().and_then(suggest::replacement);
            let label = says.unwrap_or_else(|| "its declaration says so".to_owned());
            self.push(Diagnostic::warning("deprecated", name.span, title).label(label));
        }
    }

    /// A member that the message or object does not have.
    pub(super) fn unknown_member(&mut self, name: &Name, of: &Type) {
        let written = &*name.value;
        let (owner, names, note): (String, Vec<&str>, _) = match &of.kind {
            TypeKind::Message(message) => {
                let names = message.fields.iter().map(|it| &*it.name).collect();
                (
                    format!("`{}`", message.full_name),
                    names,
                    place_note(&message.full_name, &message.place),
                )
            }
            TypeKind::Json(schema) => (
                format!("`{schema}`"),
                schema.members().iter().map(|it| &*it.name).collect(),
                Some(schema.defined_in()),
            ),
            TypeKind::Object(members) | TypeKind::Selected(_, members) => (
                "the value".to_owned(),
                members.iter().map(|it| &*it.name).collect(),
                None,
            ),
            _ => return,
        };
        let by_json_name = match &of.kind {
            TypeKind::Message(message) => message.field_by_json_name(written).map(|it| &*it.name),
            _ => None,
        };
        let label = match by_json_name.or_else(|| suggest::nearest(written, names.iter().copied())) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it has no fields".to_owned(),
            None => format!("it has {}", listed(names.iter().copied())),
        };
        let mut wrong =
            Diagnostic::new("unknown-field", name.span, format!("{owner} has no field `{written}`")).label(label);
        wrong.note = note;
        self.push(wrong);
    }

    /// Of two members with one name the later stands (semantics.md 7.5).
    fn remove_earlier(&mut self, entries: &mut Vec<Entry>) {
        let mut later: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut by_spread: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut kept = Vec::new();
        self.warn_dead_spreads(entries);
        for entry in std::mem::take(entries).into_iter().rev() {
            match entry {
                Entry::Field(field) => {
                    if later.insert(field.name.clone()) {
                        if field.written.is_none() {
                            by_spread.insert(field.name.clone());
                        }
                        kept.push(Entry::Field(field));
                    } else if let (Some(span), true) = (field.written, by_spread.contains(&field.name)) {
                        let title = format!("the member `{}` is never seen", field.name);
                        self.push(
                            Diagnostic::warning("dead-member", span, title)
                                .label("`...` below has a member of this name, and the later one stands")
                                .help("write it below the `...`"),
                        );
                    }
                }
                Entry::Spread(mut spread) => {
                    spread.except = later.iter().cloned().collect();
                    let names = spread.names();
                    by_spread.extend(names.iter().filter(|it| !later.contains(*it)).cloned());
                    later.extend(names);
                    kept.push(Entry::Spread(spread));
                }
            }
        }
        kept.reverse();
        *entries = kept;
        self.warn_near_duplicates(entries);
    }

    /// A `...` all of whose members stand again below it.
    fn warn_dead_spreads(&mut self, entries: &[Entry]) {
        let mut later: BTreeSet<Arc<str>> = BTreeSet::new();
        // By spread: whether something of it is seen.
        let mut seen: Vec<(Span, bool)> = Vec::new();
        for entry in entries.iter().rev() {
            let (span, names) = match entry {
                Entry::Field(field) => (field.spread, vec![field.name.clone()]),
                Entry::Spread(spread) => (Some(spread.span), spread.names()),
            };
            let is_json = matches!(entry, Entry::Spread(spread) if spread.is_json());
            let is_seen = is_json || names.iter().any(|it| !later.contains(it));
            if let (Some(span), false) = (span, names.is_empty() && !is_json) {
                match seen.iter_mut().find(|it| it.0 == span) {
                    Some((_, seen)) => *seen |= is_seen,
                    None => seen.push((span, is_seen)),
                }
            }
            later.extend(names);
        }
        for (span, _) in seen.into_iter().filter(|it| !it.1) {
            self.push(
                Diagnostic::warning("dead-member", span, "nothing of this `...` is ever seen")
                    .label("all of its members stand again below, and the later ones stand"),
            );
        }
    }

    /// An explicit `price_usd` beside a spread field that prints as `priceUsd`.
    fn warn_near_duplicates(&mut self, entries: &[Entry]) {
        for entry in entries {
            let Entry::Field(FieldEntry {
                name,
                written: Some(span),
                ..
            }) = entry
            else {
                continue;
            };
            let printed = entries.iter().find_map(|it| match it {
                Entry::Spread(spread) => spread.printed_otherwise(name),
                Entry::Field(_) => None,
            });
            if let Some(printed) = printed {
                let title = format!("`{name}` stands beside `{printed}`");
                self.push(
                    Diagnostic::warning("near-duplicate", *span, title)
                        .label(format!(
                            "`...` writes the field `{name}` as `{printed}`, so that both are in the output"
                        ))
                        .help(format!("{printed}:")),
                );
            }
        }
    }

    /// Oneofs and required fields of a request.
    fn check_message(&mut self, message: &MessageRef, entries: &[Entry], span: Span) {
        let mut set: Vec<(usize, Arc<str>, Span)> = Vec::new();
        for entry in entries {
            let Entry::Field(FieldEntry {
                name,
                written: Some(span),
                condition: None,
                typed,
                ..
            }) = entry
            else {
                continue;
            };
            let Some(oneof) = message.field(name).and_then(|it| it.oneof) else {
                continue;
            };
            if typed.ty.nullable || matches!(typed.ty.kind, TypeKind::Null | TypeKind::Unknown) {
                continue;
            }
            if let Some((_, first, place)) = set.iter().find(|(other, _, _)| *other == oneof) {
                let title = format!("`{first}` and `{name}` cannot be set together");
                let of = message.oneofs.get(oneof).map_or("", |it| &**it);
                let wrong = Diagnostic::new("oneof-twice", *span, title)
                    .label(format!("both are members of the oneof `{of}`, and neither can be null"))
                    .other(*place, "the first");
                self.push(wrong);
            } else {
                set.push((oneof, name.clone(), *span));
            }
        }
        if entries.iter().any(|it| matches!(it, Entry::Spread(_))) {
            return;
        }
        let written = |name: &str| {
            entries
                .iter()
                .any(|it| matches!(it, Entry::Field(field) if *field.name == *name))
        };
        let missing: Vec<&str> = message
            .fields
            .iter()
            .filter(|it| (it.behavior.required || it.presence == Presence::Required) && !written(&it.name))
            .map(|it| &*it.name)
            .collect();
        if !missing.is_empty() {
            let title = format!("`{}` needs {}", message.full_name, listed(missing.iter().copied()));
            let mut wrong = Diagnostic::new("missing-field", span, title).label("required by its declaration");
            wrong.note = place_note(&message.full_name, &message.place);
            self.push(wrong);
        }
    }

    /// The members that a JSON Schema requires.
    fn check_required(&mut self, schema: &JsonTypeRef, entries: &[Entry], span: Span) {
        if entries.iter().any(|it| matches!(it, Entry::Spread(_))) {
            return;
        }
        let written = |name: &str| {
            entries
                .iter()
                .any(|it| matches!(it, Entry::Field(field) if *field.name == *name))
        };
        let required = schema.members().iter().filter(|it| it.required && !written(&it.name));
        let missing: Vec<&str> = required.map(|it| &*it.name).collect();
        if !missing.is_empty() {
            let title = format!("`{schema}` needs {}", listed(missing.iter().copied()));
            let mut wrong = Diagnostic::new("missing-field", span, title).label("required by its schema");
            wrong.note = Some(schema.defined_in());
            self.push(wrong);
        }
    }

    /// A text where a JSON Schema lists those that there are.
    fn check_word(&mut self, place: &PlaceType, member: &str, text: &str, span: Span) {
        let TypeKind::Json(schema) = &place.ty.kind else { return };
        let Some((member, _)) = schema.member(member) else {
            return;
        };
        let Shape::Words(words) = &member.shape else { return };
        if words.iter().all(|it| **it != *text) {
            let label = match suggest::nearest(text, words.iter().map(|it| &**it)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of {}", words.join(", ")),
            };
            let title = format!("`{text}` is not among the values of its schema");
            let mut wrong = Diagnostic::new("unknown-enum-value", span, title).label(label);
            wrong.note = Some(member.defined_in());
            self.push(wrong);
        }
    }

    /// The plan's object, its type, and a constant where all of it is known.
    fn put_together(&mut self, entries: Vec<Entry>, span: Span, place: Option<&PlaceType>, scope: &Scope) -> Typed {
        let is_json = entries
            .iter()
            .any(|it| matches!(it, Entry::Spread(spread) if spread.is_json()));
        let constant = |it: &Entry| matches!(it, Entry::Field(FieldEntry { condition: None, typed: Typed { template: plan::Template::Constant { .. }, ty }, .. }) if !is_poisoned(ty));
        if entries.iter().all(constant) {
            return self.fold(entries, span, place);
        }
        let mut members = Vec::new();
        let mut member_types = Vec::new();
        for entry in entries {
            match entry {
                Entry::Field(field) => {
                    let optional = field.condition.is_some();
                    member_types.push(ObjectMember {
                        name: field.name.clone(),
                        ty: field.typed.ty,
                        optional,
                    });
                    members.push(plan::Member::Field {
                        key: key(&field.name),
                        name: field.name,
                        condition: field.condition,
                        template: field.typed.template,
                    });
                }
                Entry::Spread(spread) => {
                    member_types.extend(spread.types());
                    members.push(spread.into_member());
                }
            }
        }
        let typed = Typed {
            template: plan::Template::Object(members),
            ty: Type::of(TypeKind::Object(Arc::new(member_types))),
        };
        if !is_json {
            return typed;
        }
        let any = Type::of(TypeKind::Any);
        match scope.purpose {
            Purpose::Render | Purpose::Send => Typed { ty: any, ..typed },
            Purpose::Request | Purpose::Value => self.convert(typed, &any, span),
        }
    }

    fn fold(&mut self, entries: Vec<Entry>, span: Span, place: Option<&PlaceType>) -> Typed {
        let mut json = vec![b'{'];
        let (mut values, mut types) = (Vec::new(), Vec::new());
        for entry in entries {
            let Entry::Field(FieldEntry {
                name,
                typed:
                    Typed {
                        template: plan::Template::Constant { json: member, value },
                        ty,
                    },
                ..
            }) = entry
            else {
                continue;
            };
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(&key(&name));
            json.extend_from_slice(&member);
            values.push((name.clone(), value));
            types.push(ObjectMember {
                name,
                ty,
                optional: false,
            });
        }
        json.push(b'}');
        let place = place.filter(|it| !matches!(it.ty.kind, TypeKind::Object(_)));
        let Some(place) = place else {
            let ty = Type::of(TypeKind::Object(Arc::new(types)));
            return Typed::constant(json, Value::Object(values.into()), ty);
        };
        match crate::expr::literal::read(&json, &place.ty) {
            Ok(value) => Typed::constant(json, value, place.ty.clone().not_null()),
            Err(error) => {
                self.refuse_literal(&error, span, None);
                Typed::poison()
            }
        }
    }
}

/// `"name":`.
pub(super) fn key(name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + 3);
    literal::write_string(name, &mut key);
    key.push(b':');
    key.into()
}

/// Whether a part of a type failed to check.
pub(super) fn is_poisoned(ty: &Type) -> bool {
    match &ty.kind {
        TypeKind::Unknown => true,
        TypeKind::List(element) => is_poisoned(element),
        TypeKind::Map(types) => is_poisoned(&types.0) || is_poisoned(&types.1),
        TypeKind::Object(members) => members.iter().any(|it| is_poisoned(&it.ty)),
        _ => false,
    }
}
