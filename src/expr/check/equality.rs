//! `==`, `!=` and `in` (semantics.md 2.8), and what a comparison with null tells.
//!
//! Invariant: two values are only compared where equality means something for both.

use super::super::program::{Equal, Equality, In, Op};
use super::super::types::{Type, TypeKind};
use super::super::value::Value;
use super::operator::{Sides, is_alike, is_number};
use super::{Checker, ExprError, Path, Typed};
use crate::schema::suggest::nearest;

impl Checker<'_> {
    pub(super) fn equality(&mut self, sides: &Sides, negated: bool) -> Typed {
        let span = self.ast.span(sides.id);
        let Some((left, right)) = self.sides(sides) else {
            return Typed::poison(span);
        };
        if left.is_null_literal() || right.is_null_literal() {
            return self.null_test(sides, negated, left, right);
        }
        if let Some(poison) = self.unlisted(&left, &right).or_else(|| self.unlisted(&right, &left)) {
            return poison;
        }
        if !comparable(&left.ty, &right.ty) {
            return self.no_comparison(sides, if negated { "`!=`" } else { "`==`" }, &left, &right);
        }
        // Where one side is JSON of unknown shape, so is the other, unless it is a scalar.
        let (left, right) = match (left.ty.is_any(), right.ty.is_any()) {
            (true, false) if !right.ty.is_scalar() => (left, self.converted(right, &Type::any())),
            (false, true) if !left.ty.is_scalar() => (self.converted(left, &Type::any()), right),
            _ => (left, right),
        };
        let equality = Equality::of(&left.ty);
        let operands = [left.code, right.code];
        self.make(
            Op::Equal(Box::new(Equal {
                negated,
                equality,
                operands,
            })),
            Type::bool(),
            span,
            false,
        )
    }

    /// A literal, or a list of them, beside a text that is never one of these.
    fn unlisted(&mut self, of: &Typed, literal: &Typed) -> Option<Typed> {
        let words = of.words.clone()?;
        let elements = match literal.code.constant().filter(|_| literal.literal)? {
            Value::List(list) => list.iter().collect(),
            other => vec![other.clone()],
        };
        let wrong = elements.iter().find_map(|it| {
            let text = it.as_str()?;
            words.iter().all(|word| **word != *text).then(|| text.to_owned())
        })?;
        let label = match nearest(&wrong, words.iter().map(|it| &**it)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", words.join(", ")),
        };
        let title = format!("this is never `{wrong}`");
        Some(self.fail(ExprError::new("unknown-enum-value", literal.code.span, title).label(label)))
    }

    /// `x == null`, and what it tells about x.
    fn null_test(&mut self, sides: &Sides, negated: bool, left: Typed, right: Typed) -> Typed {
        let (id, of) = if right.is_null_literal() {
            (sides.left, left)
        } else {
            (sides.right, right)
        };
        let span = self.ast.span(sides.id);
        if !of.ty.nullable {
            let title = format!("`{}` is never null", self.written(id));
            let label = if negated {
                "this is always true"
            } else {
                "this is always false"
            };
            self.warnings
                .push(ExprError::new("never-null", self.ast.span(id), title).label(label));
        }
        let known = of.path.as_ref().map(Path::with_prefixes).unwrap_or_default();
        let typed = self.make(
            Op::IsNull {
                negated,
                of: Box::new(of.code),
            },
            Type::bool(),
            span,
            false,
        );
        typed.knowing_when(negated, known)
    }

    /// `x in list`, `key in map`.
    pub(super) fn contained(&mut self, sides: &Sides) -> Typed {
        let span = self.ast.span(sides.id);
        let element = self.node(sides.left);
        let list = self.node(sides.right);
        let element = self.strict_for(sides.left, element, "`in`", Some("\"\""));
        let list = self.strict_for(sides.right, list, "`in`", Some("[]"));
        if element.is_poison() || list.is_poison() {
            return Typed::poison(span);
        }
        let list = if list.literal {
            let Some(list) = self.beside_list(list, &element.ty) else {
                return Typed::poison(span);
            };
            list
        } else {
            list
        };
        if let Some(poison) = self.unlisted(&element, &list) {
            return poison;
        }
        let list = self.unfolded(list);
        let mut equality = Equality::of(&Type::any());
        let element = match list.ty.kind.clone() {
            TypeKind::List(of) => {
                let element = if element.literal {
                    let Some(element) = self.beside(element, &of) else {
                        return Typed::poison(span);
                    };
                    element
                } else {
                    element
                };
                if !comparable(&element.ty, &of) {
                    let title = format!("a `{}` cannot hold a `{}`", list.ty, element.ty);
                    let label = format!("this is `{}`", element.ty);
                    return self.fail(ExprError::new("wrong-type", self.ast.span(sides.left), title).label(label));
                }
                equality = Equality::of(if element.ty.is_any() { &of } else { &element.ty });
                element
            }
            TypeKind::Map(entry) => match self.as_key(element, &entry.0, self.ast.span(sides.left)) {
                Some(key) => key,
                None => return Typed::poison(span),
            },
            TypeKind::Object(_) => match self.as_key(element, &Type::string(), self.ast.span(sides.left)) {
                Some(key) => key,
                None => return Typed::poison(span),
            },
            TypeKind::Any if element.ty.is_scalar() || element.ty.is_any() => element,
            _ => {
                let title = format!("`in` wants a list or a map, not `{}`", list.ty);
                return self.fail(
                    ExprError::new("wrong-type", self.ast.span(sides.right), title).label("expected a list or a map"),
                );
            }
        };
        let untyped = list.ty.is_any();
        let operands = [element.code, list.code];
        self.make(Op::In(Box::new(In { equality, operands })), Type::bool(), span, untyped)
    }

    /// A list literal, its elements read as `element` is.
    fn beside_list(&mut self, list: Typed, element: &Type) -> Option<Typed> {
        let wanted = Type::list(element.clone());
        match list.ty.kind {
            TypeKind::List(_) => self.beside(list, &wanted),
            _ => Some(list),
        }
    }
}

/// Whether `==` compares the two (semantics.md 2.8). Null may stand on either side.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    match (&a.kind, &b.kind) {
        (TypeKind::Unknown | TypeKind::Null, _) | (_, TypeKind::Unknown | TypeKind::Null) => true,
        (TypeKind::Any, other) | (other, TypeKind::Any) => !matches!(
            other,
            TypeKind::Bytes
                | TypeKind::Duration
                | TypeKind::Enum(_)
                | TypeKind::Message(_)
                | TypeKind::ProtoAny(_)
                | TypeKind::Selected(..)
                | TypeKind::Timestamp
        ),
        (TypeKind::Json(a), TypeKind::Json(b)) => a == b,
        (TypeKind::Enum(a), TypeKind::Enum(b)) => a == b,
        (a, b) if is_number(a) && is_number(b) => true,
        (TypeKind::List(a), TypeKind::List(b)) => a.is_any() == b.is_any() && comparable(a, b),
        (TypeKind::Map(a), TypeKind::Map(b)) => {
            comparable(&a.0, &b.0) && a.1.is_any() == b.1.is_any() && comparable(&a.1, &b.1)
        }
        (TypeKind::Message(a), TypeKind::Message(b)) => a == b,
        (TypeKind::Selected(..), TypeKind::Selected(..)) => a.kind == b.kind,
        (TypeKind::Object(a), TypeKind::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|it| {
                    b.iter()
                        .any(|other| other.name == it.name && comparable(&it.ty, &other.ty))
                })
        }
        (a, b) => is_alike(a, b),
    }
}
