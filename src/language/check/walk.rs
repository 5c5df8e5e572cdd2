//! Every expression of a call or template, with what is known of the place it stands in. Mentions and inference both read
//! compositions through this walk, so that they cannot see different things.

use crate::expr::{PlaceType, Type, TypeKind};
use crate::language::spec::{
    Cache, Call, CallKind, Condition, Expression, Member, Name, Template, TemplateKind, TextPart, TextTemplate,
};
use crate::schema::Presence;

/// What an expression is there for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// A condition: null is refused.
    Condition,
    /// A place of no type, where null may stand.
    Free,
    /// After `in`: a list, null allowed.
    List,
    /// A field of a request, an input of a fragment; whether that is REQUIRED.
    Place(PlaceType, bool),
    /// A query parameter or header of a request: no type, and null leaves it out.
    Presence,
    /// Behind `...`.
    Spread,
    /// Inside text: null is refused.
    Text,
}

/// An expression where it stands.
#[derive(Debug)]
pub(super) struct Site<'s, 'w> {
    pub(super) expression: &'s Expression,
    pub(super) role: Role,
    /// Variables of `$for` around it, outermost first.
    pub(super) locals: &'w [&'s Name],
    /// Conditions that hold there, outermost first.
    pub(super) given: &'w [&'s Condition],
    /// Inside `fallback:`.
    pub(super) fallback: bool,
    /// The key of the call that it stands in, and the member of that: `with`, `id`; nothing outside of calls.
    pub(super) key: (&'static str, Option<&'s Name>),
}

/// What is wanted at a place.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// Anything.
    Free,
    /// A type, and whether something has to be there.
    Place(PlaceType, bool),
    /// Anything; null leaves it out.
    Presence,
}

/// What a call's templates have to be; made by whoever knows the method or fragment.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    /// `request:` of a gRPC call, `body:` of an HTTP call.
    pub(super) request: Want,
    /// `with:`, by name.
    pub(super) with: Vec<(std::sync::Arc<str>, PlaceType)>,
    /// `fallback:`.
    pub(super) fallback: Want,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            request: Want::Free,
            with: Vec::new(),
            fallback: Want::Free,
        }
    }
}

/// Walks in written order.
pub(super) struct Walker<'s, F> {
    locals: Vec<&'s Name>,
    given: Vec<&'s Condition>,
    fallback: bool,
    key: (&'static str, Option<&'s Name>),
    visit: F,
}

impl<'s, F: FnMut(&Site<'s, '_>)> Walker<'s, F> {
    /// Starts where these conditions hold.
    pub(super) fn new(given: Vec<&'s Condition>, visit: F) -> Self {
        Self {
            locals: Vec::new(),
            given,
            fallback: false,
            key: ("", None),
            visit,
        }
    }

    /// What follows stands in this key.
    pub(super) fn at(&mut self, key: &'static str, member: Option<&'s Name>) -> &mut Self {
        self.key = (key, member);
        self
    }

    /// The keys of one call; of a `for` call neither the inner calls nor what each element gives.
    pub(super) fn call(&mut self, call: &'s Call, wants: &Wants) {
        let depth = self.given.len();
        if let Some(when) = &call.when {
            self.key = ("when", None);
            self.condition(when);
            self.given.push(when);
        }
        match &call.kind {
            Some(CallKind::Compose { with, .. }) => {
                for (name, value) in with {
                    self.key = ("with", Some(name));
                    let want = wants.with.iter().find(|(other, _)| *other == name.value);
                    let want = want.map_or(Want::Free, |(_, place)| Want::Place(place.clone(), false));
                    self.template(value, &want);
                }
            }
            Some(CallKind::For { list, .. }) => {
                self.key = ("for", None);
                self.expression(list, Role::List);
            }
            Some(CallKind::Grpc {
                request: Some(request), ..
            }) => {
                self.key = ("request", None);
                self.template(request, &wants.request);
            }
            Some(CallKind::Http { path, query, body, .. }) => {
                self.key = ("http", None);
                self.text(path);
                for (name, value) in query {
                    self.key = ("query", Some(name));
                    self.template(value, &Want::Presence);
                }
                if let Some(body) = body {
                    self.key = ("body", None);
                    self.template(body, &wants.request);
                }
            }
            Some(CallKind::Value(value)) => {
                self.key = ("value", None);
                self.template(value, &Want::Free);
            }
            Some(CallKind::Grpc { request: None, .. }) | None => {}
        }
        for (name, value) in &call.headers {
            self.key = ("headers", Some(name));
            self.template(value, &Want::Presence);
        }
        if let Some(fallback) = &call.fallback {
            self.fallback = true;
            self.key = ("fallback", None);
            self.template(fallback, &wants.fallback);
            self.fallback = false;
        }
        self.given.truncate(depth);
    }

    /// The tags of a `cache:`.
    pub(super) fn tags(&mut self, cache: Option<&'s Cache>) {
        self.key = ("tags", None);
        for it in cache.iter().flat_map(|it| &it.tags) {
            self.template(it, &Want::Presence);
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, condition: &'s Condition) {
        if let Condition::Expression(expression) = condition {
            self.expression(expression, Role::Condition);
        }
    }

    /// A template and all in it.
    pub(super) fn template(&mut self, template: &'s Template, want: &Want) {
        match &template.kind {
            TemplateKind::Expression(expression) => {
                let role = match want {
                    Want::Free => Role::Free,
                    Want::Place(place, required) => Role::Place(place.clone(), *required),
                    Want::Presence => Role::Presence,
                };
                self.expression(expression, role);
            }
            TemplateKind::For {
                variable,
                list,
                condition,
                each,
            } => {
                self.expression(list, Role::List);
                self.locals.push(variable);
                match condition {
                    Some(condition) => self.under(condition, each, &want.element()),
                    None => self.template(each, &want.element()),
                }
                self.locals.pop();
            }
            TemplateKind::If { condition, then } => self.under(condition, then, want),
            TemplateKind::List(items) => {
                let want = want.element();
                for it in items {
                    self.template(it, &want);
                }
            }
            TemplateKind::Object(members) => {
                for it in members {
                    match it {
                        Member::Field(name, value) => {
                            let around = self.key;
                            self.key.1 = around.1.or(Some(name));
                            self.template(value, &want.member(&name.value));
                            self.key = around;
                        }
                        Member::Spread(spread) => match &spread.kind {
                            TemplateKind::Expression(expression) => self.expression(expression, Role::Spread),
                            _ => self.template(spread, &Want::Free),
                        },
                    }
                }
            }
            TemplateKind::Text(text) => self.text(text),
            TemplateKind::Literal(_) | TemplateKind::Unknown => {}
        }
    }

    /// Text with expressions in it.
    pub(super) fn text(&mut self, text: &'s TextTemplate) {
        for it in &text.parts {
            if let TextPart::Hole(expression) = it {
                self.expression(expression, Role::Text);
            }
        }
    }

    fn under(&mut self, condition: &'s Condition, then: &'s Template, want: &Want) {
        self.condition(condition);
        self.given.push(condition);
        self.template(then, want);
        self.given.pop();
    }

    fn expression(&mut self, expression: &'s Expression, role: Role) {
        (self.visit)(&Site {
            expression,
            role,
            locals: &self.locals,
            given: &self.given,
            fallback: self.fallback,
            key: self.key,
        });
    }
}

impl Want {
    fn element(&self) -> Self {
        match self {
            Self::Place(place, _) => match &place.ty.kind {
                TypeKind::List(element) => Self::Place(
                    PlaceType {
                        ty: (**element).clone(),
                        takes_null: element.nullable,
                    },
                    false,
                ),
                _ => Self::Free,
            },
            other => other.clone(),
        }
    }

    fn member(&self, name: &str) -> Self {
        match self {
            Self::Place(place, _) => {
                let required = match &place.ty.kind {
                    TypeKind::Json(schema) => schema.member(name).is_some_and(|(_, required)| required),
                    TypeKind::Message(message) => message
                        .field(name)
                        .is_some_and(|it| it.behavior.required || it.presence == Presence::Required),
                    _ => false,
                };
                member_place(place, name).map_or(Self::Free, |it| Self::Place(it, required))
            }
            Self::Free | Self::Presence => Self::Free,
        }
    }
}

/// The place that a member of an object template is, where the object's place is known.
pub(super) fn member_place(place: &PlaceType, name: &str) -> Option<PlaceType> {
    match &place.ty.kind {
        TypeKind::Message(message) => message.field(name).map(|it| PlaceType::of_field(message, it)),
        TypeKind::Json(schema) => {
            let ty = Type::of_json(&schema.member(name)?.0);
            let takes_null = ty.nullable;
            Some(PlaceType { ty, takes_null })
        }
        TypeKind::Map(types) => Some(PlaceType {
            ty: types.1.clone(),
            takes_null: types.1.nullable,
        }),
        TypeKind::Object(members) | TypeKind::Selected(_, members) => {
            let member = members.iter().find(|it| &*it.name == name)?;
            Some(PlaceType {
                ty: member.ty.clone(),
                takes_null: member.ty.nullable,
            })
        }
        _ => None,
    }
}
