//! Templates → [`plan::Template`], typed: literals, expressions, text, lists and `$for`. Objects are `object`'s.

use super::convert::same_form;
use super::expression::{element_type, list_of};
use super::literal;
use super::unit::{Local, Purpose, Scope, Unit};
use crate::expr::encode::fit as fit_value;
use crate::expr::{ListValue, PlaceType, Renderer, Slot, Type, TypeKind, Value};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::language::spec::{Condition, Expression, Literal, Name, Template, TemplateKind, TextPart, TextTemplate};
use crate::plan;
use crate::schema::Cardinality;

/// A template and the type of what it gives.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) template: plan::Template,
    pub(super) ty: Type,
}

impl Typed {
    /// What stands for a template that is wrong.
    pub(super) fn poison() -> Self {
        Self {
            template: null(),
            ty: Type::unknown(),
        }
    }

    /// A template that is known.
    pub(super) fn constant(json: Vec<u8>, value: Value, ty: Type) -> Self {
        Self {
            template: plan::Template::Constant {
                json: json.into(),
                value,
            },
            ty,
        }
    }
}

/// The template of null.
pub(super) fn null() -> plan::Template {
    plan::Template::Constant {
        json: Box::from(&b"null"[..]),
        value: Value::Null,
    }
}

impl Unit<'_, '_> {
    /// Checks a template; where `place` is known, that it fits there, and literals are read as that place's type.
    pub(super) fn template(&mut self, template: &Template, place: Option<&PlaceType>, scope: &Scope) -> Typed {
        // A place that failed to check takes anything.
        let place = place.filter(|it| !matches!(it.ty.kind, TypeKind::Unknown));
        match &template.kind {
            TemplateKind::Expression(expression) => self.template_expression(expression, place, scope),
            TemplateKind::For {
                variable,
                list,
                condition,
                each,
            } => self.template_for(
                (variable, list, condition.as_deref(), each),
                template.span,
                place,
                scope,
            ),
            TemplateKind::If { condition, then } => {
                self.push(
                    Diagnostic::new(
                        "root-if",
                        super::expression::condition_span(condition),
                        "there is nothing that this `$if` could leave out",
                    )
                    .label("`$if` takes out a member of an object or an element of a list"),
                );
                self.template(then, place, scope)
            }
            TemplateKind::List(items) => self.template_list(items, template.span, place, scope),
            TemplateKind::Literal(literal) => {
                self.warn_missing_dollar(literal, template.span, place, scope);
                self.template_literal(literal, template.span, place)
            }
            TemplateKind::Object(members) => self.template_object(members, template.span, place, scope),
            TemplateKind::Text(text) => self.template_text(text, place, scope),
            TemplateKind::Unknown => Typed::poison(),
        }
    }

    fn template_literal(&mut self, literal: &Literal, span: Span, place: Option<&PlaceType>) -> Typed {
        let Some(place) = place else {
            let (ty, value) = literal::natural(literal);
            return Typed::constant(literal::json(literal), value, ty);
        };
        if matches!(literal, Literal::Null) {
            if !place.takes_null {
                self.refuse_null("null", span, &place.ty);
                return Typed::poison();
            }
            return Typed {
                template: null(),
                ty: place.ty.clone().or_null(),
            };
        }
        match literal::typed(literal, &place.ty) {
            Ok(value) => Typed::constant(literal::json(literal), value, place.ty.clone().not_null()),
            Err(error) => {
                self.refuse_literal(&error, span, Some(&place.ty));
                Typed::poison()
            }
        }
    }

    fn template_expression(&mut self, expression: &Expression, place: Option<&PlaceType>, scope: &Scope) -> Typed {
        if let Some(mask) = self.field_mask(expression, place, scope) {
            return mask;
        }
        let Some(mut checked) = self.expression(expression, scope) else {
            return Typed::poison();
        };
        if let Some(place) = place {
            if let Err(error) = fit_value(&checked.ty, place) {
                self.refuse_fit(&error, expression, place);
                return Typed::poison();
            }
            self.warn_lossy(&checked.ty, &place.ty, expression);
            if scope.purpose == Purpose::Request {
                self.warn_empty_batch(expression, &checked.ty, scope, &place.ty);
            }
            if matches!(scope.purpose, Purpose::Request | Purpose::Value)
                && !checked.ty.nullable
                && let Some(function) = form_function(&checked.ty, &place.ty)
                && let Some(wrapped) = Self::wrapped(expression, &format!("{function}("), ")")
            {
                match self.expression(&wrapped, scope) {
                    Some(it) => checked = it,
                    None => return Typed::poison(),
                }
            }
        }
        // A schema says whether a number is written as one or as text.
        let shown = match place {
            Some(place) if scope.purpose == Purpose::Send && both_integers(&checked.ty, &place.ty) => &place.ty,
            _ => &checked.ty,
        };
        let renderer = Renderer::compile(shown, self.options_of(expression, scope));
        let origin = self.origin(expression.whole());
        let template = plan::Template::Expression {
            program: checked.program,
            renderer,
            origin,
        };
        let typed = Typed {
            template,
            ty: checked.ty,
        };
        match place {
            Some(place) if scope.purpose == Purpose::Value => self.convert(typed, &place.ty, expression.whole()),
            _ => typed,
        }
    }

    fn template_text(&mut self, text: &TextTemplate, place: Option<&PlaceType>, scope: &Scope) -> Typed {
        let ty = Type::of(TypeKind::String);
        let mut parts = Vec::new();
        let mut wrong = false;
        for part in &text.parts {
            match part {
                TextPart::Literal(text, _) => parts.push(plan::TextPart::Literal(text.clone())),
                TextPart::Hole(expression) => match self.hole(expression, scope) {
                    Some(checked) => parts.push(plan::TextPart::Hole(checked.program)),
                    None => wrong = true,
                },
            }
        }
        if let Some(place) = place
            && let Err(error) = fit_value(&ty, place)
        {
            self.push(
                Diagnostic::new(error.code, text.span, error.title).label("text with an expression in it is a string"),
            );
            return Typed::poison();
        }
        if wrong {
            return Typed::poison();
        }
        let typed = Typed {
            template: plan::Template::Text {
                parts,
                origin: self.origin(text.span),
            },
            ty,
        };
        match place {
            Some(place) if scope.purpose == Purpose::Value => self.convert(typed, &place.ty, text.span),
            _ => typed,
        }
    }

    fn template_list(&mut self, items: &[Template], span: Span, place: Option<&PlaceType>, scope: &Scope) -> Typed {
        let Ok(element) = self.element_place("a list", span, place) else {
            return Typed::poison();
        };
        let mut typed = Vec::new();
        for item in items {
            let (condition, template, facts) = match &item.kind {
                TemplateKind::If { condition, then } => match self.condition(condition, scope) {
                    Some(checked) => (Some(checked.program), &**then, checked.facts),
                    None => (None, &**then, self.facts_of(condition, scope)),
                },
                _ => (None, item, crate::expr::Facts::new()),
            };
            let scope = if facts.is_empty() {
                scope.clone()
            } else {
                scope.with_facts(&facts)
            };
            typed.push((condition, self.template(template, element.as_ref(), &scope)));
        }
        let mut joined = literal::join_all(typed.iter().map(|(_, it)| &it.ty));
        if !matches!(scope.purpose, Purpose::Render | Purpose::Send) && matches!(joined.kind, TypeKind::Any) {
            // Elements of several forms take that of their place; where there is none, they are JSON.
            let wanted = element.as_ref().map_or(&joined, |it| &it.ty).clone();
            typed = typed
                .into_iter()
                .map(|(condition, it)| (condition, self.convert(it, &wanted, span)))
                .collect();
            joined = literal::join_all(typed.iter().map(|(_, it)| &it.ty));
        }
        let ty = match place {
            Some(place) if matches!(place.ty.kind, TypeKind::List(_)) && items.is_empty() => {
                place.ty.clone().not_null()
            }
            _ => list_of(joined),
        };
        let all = if typed
            .iter()
            .all(|(condition, it)| condition.is_none() && matches!(it.template, plan::Template::Constant { .. }))
        {
            fold_list(typed, ty)
        } else {
            let items = typed
                .into_iter()
                .map(|(condition, it)| plan::Item {
                    condition,
                    template: it.template,
                })
                .collect();
            Typed {
                template: plan::Template::List(items),
                ty,
            }
        };
        match place {
            Some(place) if scope.purpose == Purpose::Value => self.convert(all, &place.ty, span),
            _ => all,
        }
    }

    fn template_for(
        &mut self,
        (variable, list, condition, each): (&Name, &Expression, Option<&Condition>, &Template),
        span: Span,
        place: Option<&PlaceType>,
        scope: &Scope,
    ) -> Typed {
        let checked = self.expression(list, scope);
        let element = match &checked {
            Some(checked) if self.outline.taken(&variable.value).is_none() => {
                self.list_element(list, &checked.ty, "$for")
            }
            _ => Type::unknown(),
        };
        let slot = Slot(self.top(scope));
        let options = self.options_of(list, scope);
        let mut inner = scope.with_local(Local {
            name: variable.value.clone(),
            slot,
            ty: element,
            options,
        });
        let mut program = None;
        let mut wrong = false;
        if let Some(condition) = condition {
            match self.condition(condition, &inner) {
                Some(it) => {
                    inner = inner.with_facts(&it.facts);
                    program = Some(it.program);
                }
                None => wrong = true,
            }
        }
        let Ok(place_of_each) = self.element_place("`$for`", span, place) else {
            return Typed::poison();
        };
        let each = self.template(each, place_of_each.as_ref(), &inner);
        let ty = list_of(each.ty);
        let (Some(checked), false) = (checked, wrong) else {
            return Typed { template: null(), ty };
        };
        let origin = self.origin(list.whole());
        let template = plan::Template::For {
            list: checked.program,
            slot,
            condition: program,
            each: Box::new(each.template),
            origin,
        };
        let typed = Typed { template, ty };
        match place {
            Some(place) if scope.purpose == Purpose::Value => self.convert(typed, &place.ty, span),
            _ => typed,
        }
    }

    /// The element type of what stands after `in`.
    pub(super) fn list_element(&mut self, list: &Expression, ty: &Type, what: &str) -> Type {
        element_type(ty).unwrap_or_else(|label| {
            let mut wrong = Diagnostic::new("wrong-type", list.whole(), format!("`{what}` takes a list")).label(label);
            if let TypeKind::Message(message) = &ty.kind {
                let mut lists = message
                    .fields
                    .iter()
                    .filter(|it| it.cardinality == Cardinality::Repeated);
                if let (Some(only), None) = (lists.next(), lists.next()) {
                    wrong = wrong.help(self.pasteable(list, &format!("{}.{}", list.source(), only.name)));
                }
            }
            if matches!(ty.kind, TypeKind::Map(_)) {
                wrong = wrong.help(self.pasteable(list, &format!("{}.map(k, k)", list.source())));
            }
            self.push(wrong);
            Type::unknown()
        })
    }

    /// The place of the elements, where the place of a list is known; an error where no list belongs there.
    fn element_place(&mut self, what: &str, span: Span, place: Option<&PlaceType>) -> Result<Option<PlaceType>, ()> {
        let Some(place) = place else { return Ok(None) };
        match &place.ty.kind {
            TypeKind::List(element) => Ok(Some(PlaceType {
                ty: (**element).clone(),
                takes_null: element.nullable,
            })),
            TypeKind::Any | TypeKind::Unknown => Ok(None),
            _ => {
                let title = format!("{what} does not fit where `{}` belongs", place.ty);
                self.push(Diagnostic::new("wrong-type", span, title).label(format!("expected `{}`", place.ty)));
                Err(())
            }
        }
    }
}

/// The function that gives a value the form of another scalar type, where the two differ.
fn form_function(from: &Type, to: &Type) -> Option<&'static str> {
    match (&from.kind, &to.kind) {
        (TypeKind::Int(_), TypeKind::Double { .. }) => Some("double"),
        (TypeKind::Enum(_), TypeKind::String) => Some("string"),
        _ => None,
    }
}

fn both_integers(a: &Type, b: &Type) -> bool {
    matches!((&a.kind, &b.kind), (TypeKind::Int(_), TypeKind::Int(_)))
}

/// A list of constants is one.
fn fold_list(items: Vec<(Option<crate::expr::Program>, Typed)>, ty: Type) -> Typed {
    let mut json = vec![b'['];
    let mut values = Vec::new();
    let mut forms = true;
    let element = element_type(&ty).unwrap_or_else(|_| Type::unknown());
    for (at, (_, it)) in items.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        forms &= same_form(&it.ty, &element);
        if let plan::Template::Constant { json: item, value } = it.template {
            json.extend_from_slice(&item);
            values.push(value);
        }
    }
    json.push(b']');
    let value = if forms {
        None
    } else {
        crate::expr::literal::read(&json, &ty).ok()
    };
    let value = value.unwrap_or_else(|| Value::List(ListValue::Values(values.into())));
    Typed::constant(json, value, ty)
}
