//! Operators: arithmetic, order, logic and the conditional, with what they tell about null.
//!
//! Invariant: every operand but those of `==`, `!=` and the branches of `?:` is refused where it may be null (3.1).

use super::super::Span;
use super::super::ast::{NodeId, Operator};
use super::super::program::{Arithmetic, ArithmeticKind, Comparison, Conversion, JsonKind, Op};
use super::super::types::{IntRange, Type, TypeKind};
use super::super::value::Value;
use super::join::Mixed;
use super::{Checker, ExprError, Facts, Typed};

/// An operator with two sides.
pub(super) struct Sides {
    pub(super) id: NodeId,
    pub(super) at: Span,
    pub(super) left: NodeId,
    pub(super) right: NodeId,
}

impl Checker<'_> {
    /// A condition: a bool that is not null.
    pub(super) fn condition(&mut self, id: NodeId, of: &str) -> Typed {
        let typed = self.node(id);
        self.as_condition(id, typed, of)
    }

    fn as_condition(&mut self, id: NodeId, typed: Typed, of: &str) -> Typed {
        let span = self.ast.span(id);
        match typed.ty.kind {
            TypeKind::Bool | TypeKind::Null | TypeKind::Unknown => self.strict_for(id, typed, of, Some("false")),
            TypeKind::Any => {
                let typed = self.strict_for(id, typed, of, Some("false"));
                let conversion = Box::new(Conversion::FromJson(JsonKind::Bool));
                self.make(Op::Convert(conversion, Box::new(typed.code)), Type::bool(), span, true)
            }
            _ => {
                let text = self.written(id);
                let mut error = ExprError::new(
                    "wrong-type",
                    span,
                    format!("`{text}` is `{}` where {of} wants a bool", typed.ty),
                )
                .label("expected a bool");
                error.help = match typed.ty.kind {
                    TypeKind::Int(_) if of == "`!`" => Some(format!("({text} != 0)")),
                    TypeKind::Int(_) => Some(format!("{text} != 0")),
                    TypeKind::String if of == "`!`" => Some(format!("({text} != \"\")")),
                    TypeKind::String => Some(format!("{text} != \"\"")),
                    TypeKind::List(_) => Some(format!("{text}.size() > 0")),
                    _ => None,
                };
                self.fail(error)
            }
        }
    }

    pub(super) fn not(&mut self, id: NodeId, of: NodeId) -> Typed {
        let typed = self.condition(of, "`!`");
        let (when_true, when_false) = (typed.when_false, typed.when_true);
        let negated = self.make(Op::Not(Box::new(typed.code)), Type::bool(), self.ast.span(id), false);
        Typed {
            when_true,
            when_false,
            ..negated
        }
    }

    pub(super) fn logic(&mut self, id: NodeId, operator: Operator, operands: &[NodeId]) -> Typed {
        let all = operator == Operator::And;
        let of = if all { "`&&`" } else { "`||`" };
        let mut first = None;
        if let (false, [left, right]) = (all, operands) {
            let typed = self.node(*left);
            if let Some(error) = self.stand_in(id, (*left, &typed), *right) {
                return self.fail(error);
            }
            first = Some(typed);
        }
        let mut known = Facts::new();
        let mut codes = Vec::with_capacity(operands.len());
        for &operand in operands {
            let typed = match first.take() {
                Some(typed) => self.as_condition(operand, typed, of),
                None => self.knowing(&known, |me| me.condition(operand, of)),
            };
            known.extend(if all { typed.when_true } else { typed.when_false });
            codes.push(typed.code);
        }
        let codes = codes.into_boxed_slice();
        let typed = self.make(
            if all { Op::All(codes) } else { Op::Any(codes) },
            Type::bool(),
            self.ast.span(id),
            false,
        );
        typed.knowing_when(all, known)
    }

    /// `a || b` as it is written elsewhere for what stands in where `a` is nothing, with how that is written here.
    fn stand_in(&self, id: NodeId, (left, typed): (NodeId, &Typed), right: NodeId) -> Option<ExprError> {
        let (a, b) = (self.written(left), self.written(right));
        let help = match &typed.ty.kind {
            TypeKind::Any | TypeKind::Bool | TypeKind::Null | TypeKind::Unknown => return None,
            _ if typed.ty.nullable => format!("default({a}, {b})"),
            TypeKind::String => format!("{a} != \"\" ? {a} : {b}"),
            _ => return None,
        };
        let title = format!("`{a}` is `{}` where `||` wants a bool", typed.ty);
        let mut error = ExprError::new("wrong-type", self.ast.span(left), title).label("expected a bool");
        error.help = Some(help);
        error.replaces = self.ast.span(id);
        Some(error)
    }

    pub(super) fn conditional(&mut self, id: NodeId, condition: NodeId, yes: NodeId, no: NodeId) -> Typed {
        let asked = self.condition(condition, "the condition of `?:`");
        let when_yes = self.knowing(&asked.when_true, |me| me.node(yes));
        let when_no = self.knowing(&asked.when_false, |me| me.node(no));
        let span = self.ast.span(id);
        let poisoned = asked.is_poison();
        let Some((branches, ty)) = self.join(vec![(yes, when_yes), (no, when_no)], Mixed::Refuse) else {
            return Typed::poison(span);
        };
        let Ok([yes, no]) = <[Typed; 2]>::try_from(branches) else {
            return Typed::poison(span);
        };
        if poisoned {
            return Typed::poison(span);
        }
        self.make(
            Op::Conditional(Box::new([asked.code, yes.code, no.code])),
            ty,
            span,
            false,
        )
    }

    pub(super) fn negate(&mut self, id: NodeId, of: NodeId) -> Typed {
        let typed = self.node(of);
        let span = self.ast.span(id);
        let ty = match &typed.ty.kind {
            TypeKind::Unknown => return typed,
            TypeKind::Int(range) => Type::of(TypeKind::Int(IntRange {
                wide: range.wide,
                ..IntRange::PLAIN
            })),
            TypeKind::Enum(_) => Type::int(),
            TypeKind::Double { .. } => Type::double(),
            TypeKind::Any => Type::any().not_null(),
            _ => {
                let title = format!("`{}` is `{}` and has no negative", self.written(of), typed.ty);
                return self.fail(ExprError::new("wrong-type", self.ast.span(of), title).label("expected a number"));
            }
        };
        let typed = self.strict_for(of, typed, "`-`", Some("0"));
        self.make(Op::Negate(Box::new(typed.code)), ty, span, true)
    }

    /// Both sides, literals adapted to what stands beside them; none where one is wrong.
    pub(super) fn sides(&mut self, sides: &Sides) -> Option<(Typed, Typed)> {
        let left = self.node(sides.left);
        let right = self.node(sides.right);
        if left.is_poison() || right.is_poison() {
            return None;
        }
        Some(match (left.literal, right.literal) {
            (true, false) => (self.beside(left, &right.ty)?, right),
            (false, true) => {
                let adapted = self.beside(right, &left.ty)?;
                (left, adapted)
            }
            // `[] == [1]`: what has parts is read as the other is.
            (true, true) if matches!(left.ty.kind, TypeKind::List(_) | TypeKind::Object(_)) => {
                let left = self.beside(left, &right.ty)?;
                let right = self.beside(right, &left.ty)?;
                (left, right)
            }
            _ => (left, right),
        })
    }

    pub(super) fn arithmetic(&mut self, sides: &Sides, operator: Operator) -> Typed {
        let span = self.ast.span(sides.id);
        let left = self.node(sides.left);
        let right = self.node(sides.right);
        let (sign, kind) = match operator {
            Operator::Add => ("`+`", ArithmeticKind::Add),
            Operator::Subtract => ("`-`", ArithmeticKind::Subtract),
            Operator::Multiply => ("`*`", ArithmeticKind::Multiply),
            Operator::Divide => ("`/`", ArithmeticKind::Divide),
            _ => ("`%`", ArithmeticKind::Remainder),
        };
        let divides = matches!(kind, ArithmeticKind::Divide | ArithmeticKind::Remainder);
        if divides {
            // Which of the two divisions is meant has to be said whether or not it may be null.
            for (id, side) in [(sides.left, &left), (sides.right, &right)] {
                if side.ty.is_any() {
                    return self.untyped_division(id, side.ty.nullable, sign);
                }
            }
        }
        let zero = match (&left.ty.kind, &right.ty.kind) {
            (TypeKind::String, _) | (_, TypeKind::String) => "\"\"",
            _ => "0",
        };
        if left.is_poison() || right.is_poison() {
            return Typed::poison(span);
        }
        let ty = arithmetic_type(kind, &left, &right);
        if ty.is_none() && !left.is_null_literal() && !right.is_null_literal() {
            return self.no_arithmetic(sides, sign, &left, &right);
        }
        let left = self.strict_for(sides.left, left, sign, Some(zero));
        let right = self.strict_for(sides.right, right, sign, Some(zero));
        let (Some(ty), false, false) = (ty, left.is_poison(), right.is_poison()) else {
            return Typed::poison(span);
        };
        if let (TypeKind::List(_), TypeKind::List(_)) = (&left.ty.kind, &right.ty.kind) {
            return self.concatenation(sides, left, right);
        }
        let (min, max) = bounds(&left, &right);
        let untyped = ty.is_any();
        let fails = untyped || !matches!(ty.kind, TypeKind::Double { .. } | TypeKind::String);
        let operands = [left.code, right.code];
        let op = Op::Arithmetic(Box::new(Arithmetic {
            kind,
            min,
            max,
            untyped,
            operands,
        }));
        self.make(op, ty, span, fails)
    }

    fn untyped_division(&mut self, id: NodeId, nullable: bool, sign: &str) -> Typed {
        let text = self.written(id);
        let operand = if nullable {
            format!("default({text}, 0)")
        } else {
            text.to_owned()
        };
        let title = format!("{sign} does not say whether `{text}` is an integer or a double");
        self.fail(
            ExprError::new("wrong-type", self.ast.span(id), title)
                .label("this is JSON of unknown shape; write `int(…)` or `double(…)`")
                .help(format!("int({operand})")),
        )
    }

    fn no_arithmetic(&mut self, sides: &Sides, sign: &str, left: &Typed, right: &Typed) -> Typed {
        let title = format!("{sign} does not take `{}` and `{}`", left.ty, right.ty);
        let mut error = ExprError::new("wrong-type", sides.at, title)
            .label(format!("left is `{}`, right is `{}`", left.ty, right.ty));
        let converted = match (&left.ty.kind, &right.ty.kind) {
            // `limit + 1` where limit is text: the number is what was meant.
            (TypeKind::String, TypeKind::Int(_)) if right.literal => Some((sides.left, "int")),
            (TypeKind::Int(_), TypeKind::String) if left.literal => Some((sides.right, "int")),
            (TypeKind::String, _) if sign == "`+`" && right.ty.is_scalar() => Some((sides.right, "string")),
            (_, TypeKind::String) if sign == "`+`" && left.ty.is_scalar() => Some((sides.left, "string")),
            _ => None,
        };
        if let Some((side, function)) = converted {
            error = self.convert_operand(error, side, function);
        }
        self.fail(error)
    }

    fn concatenation(&mut self, sides: &Sides, left: Typed, right: Typed) -> Typed {
        let span = self.ast.span(sides.id);
        let Some((both, ty)) = self.join(vec![(sides.left, left), (sides.right, right)], Mixed::Refuse) else {
            return Typed::poison(span);
        };
        let Ok([left, right]) = <[Typed; 2]>::try_from(both) else {
            return Typed::poison(span);
        };
        let operands = [left.code, right.code];
        let add = Arithmetic {
            kind: ArithmeticKind::Add,
            min: 0,
            max: 0,
            untyped: false,
            operands,
        };
        self.make(Op::Arithmetic(Box::new(add)), ty, span, false)
    }

    pub(super) fn comparison(&mut self, sides: &Sides, operator: Operator) -> Typed {
        let span = self.ast.span(sides.id);
        let (sign, comparison) = match operator {
            Operator::Less => ("`<`", Comparison::Less),
            Operator::LessOrEqual => ("`<=`", Comparison::LessOrEqual),
            Operator::Greater => ("`>`", Comparison::Greater),
            _ => ("`>=`", Comparison::GreaterOrEqual),
        };
        let Some((left, right)) = self.sides(sides) else {
            return Typed::poison(span);
        };
        let (fits, untyped) = match (&left.ty.kind, &right.ty.kind) {
            (TypeKind::Any, TypeKind::Any) => (true, true),
            (TypeKind::Any, other) | (other, TypeKind::Any) => (
                is_number(other) || matches!(other, TypeKind::String | TypeKind::Bool),
                true,
            ),
            (TypeKind::Null, _) | (_, TypeKind::Null) => (true, false),
            (a, b) => (is_number(a) && is_number(b) || is_ordered(a) && is_alike(a, b), false),
        };
        if !fits {
            return self.no_comparison(sides, sign, &left, &right);
        }
        let left = self.strict_for(sides.left, left, sign, Some("0"));
        let right = self.strict_for(sides.right, right, sign, Some("0"));
        if left.is_poison() || right.is_poison() {
            return Typed::poison(span);
        }
        self.make(
            Op::Compare(comparison, Box::new([left.code, right.code])),
            Type::bool(),
            span,
            untyped,
        )
    }

    pub(super) fn no_comparison(&mut self, sides: &Sides, sign: &str, left: &Typed, right: &Typed) -> Typed {
        let title = format!("{sign} does not compare `{}` with `{}`", left.ty, right.ty);
        let mut error = ExprError::new("wrong-type", sides.at, title)
            .label(format!("left is `{}`, right is `{}`", left.ty, right.ty));
        let converted = match (&left.ty.kind, &right.ty.kind) {
            (TypeKind::String, other) if is_number(other) => Some((sides.left, "int")),
            (other, TypeKind::String) if is_number(other) => Some((sides.right, "int")),
            (TypeKind::String | TypeKind::Any, TypeKind::Timestamp) => Some((sides.left, "timestamp")),
            (TypeKind::Timestamp, TypeKind::String | TypeKind::Any) => Some((sides.right, "timestamp")),
            _ => None,
        };
        if let Some((side, function)) = converted {
            error = self.convert_operand(error, side, function);
        }
        self.fail(error)
    }

    /// Says that one side of an operator should be converted.
    fn convert_operand(&self, error: ExprError, side: NodeId, function: &str) -> ExprError {
        error
            .help(format!("{function}({})", self.written(side)))
            .in_place_of(self.ast.span(side))
    }
}

pub(super) fn is_number(kind: &TypeKind) -> bool {
    matches!(kind, TypeKind::Double { .. } | TypeKind::Enum(_) | TypeKind::Int(_))
}

fn is_ordered(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Bool | TypeKind::Bytes | TypeKind::Duration | TypeKind::String | TypeKind::Timestamp
    )
}

pub(super) fn is_alike(a: &TypeKind, b: &TypeKind) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Whether sorting by it makes sense.
pub(super) fn is_sortable(ty: &Type) -> bool {
    is_number(&ty.kind) || is_ordered(&ty.kind) || ty.is_any()
}

/// Which integers a result may be: those of 64 bits with a sign, or without where both sides are.
fn bounds(left: &Typed, right: &Typed) -> (i128, i128) {
    let unsigned = |it: &Typed| {
        it.ty
            .int_range()
            .is_some_and(|it| it.min >= 0 && it.max > i128::from(i64::MAX))
    };
    // A literal that is not negative is unsigned beside what is.
    let natural = |it: &Typed| it.literal && it.code.constant().and_then(Value::as_integer).is_some_and(|it| it >= 0);
    let (min, max) = (i128::from(i64::MIN), i128::from(u64::MAX));
    match (unsigned(left), unsigned(right)) {
        (true, true) => (0, max),
        (true, false) if natural(right) => (0, max),
        (false, true) if natural(left) => (0, max),
        (false, false) => (min, i128::from(i64::MAX)),
        _ => (min, max),
    }
}

fn arithmetic_type(kind: ArithmeticKind, left: &Typed, right: &Typed) -> Option<Type> {
    let add = kind == ArithmeticKind::Add;
    let subtract = kind == ArithmeticKind::Subtract;
    Some(match (&left.ty.kind, &right.ty.kind) {
        (TypeKind::Any, TypeKind::Any) => Type::any().not_null(),
        (TypeKind::Any, other) | (other, TypeKind::Any) => match other {
            TypeKind::Double { .. } => Type::double(),
            TypeKind::Int(_) | TypeKind::Enum(_) => Type::any().not_null(),
            TypeKind::String if add => Type::string(),
            _ => return None,
        },
        (TypeKind::Double { .. }, b) if is_number(b) => Type::double(),
        (a, TypeKind::Double { .. }) if is_number(a) => Type::double(),
        (a, b) if is_number(a) && is_number(b) => {
            let wide = |it: &Typed| it.ty.int_range().is_some_and(|it| it.wide);
            let (min, max) = bounds(left, right);
            Type::of(TypeKind::Int(IntRange {
                min,
                max,
                wide: wide(left) || wide(right),
            }))
        }
        (TypeKind::String, TypeKind::String) if add => Type::string(),
        (TypeKind::Bytes, TypeKind::Bytes) | (TypeKind::List(_), TypeKind::List(_)) if add => left.ty.clone(),
        (TypeKind::Timestamp | TypeKind::Duration, TypeKind::Duration) if add || subtract => left.ty.clone(),
        (TypeKind::Duration, TypeKind::Timestamp) if add => right.ty.clone(),
        (TypeKind::Timestamp, TypeKind::Timestamp) if subtract => Type::of(TypeKind::Duration),
        _ => return None,
    })
    // Doubles have no remainder in CEL.
    .filter(|ty| kind != ArithmeticKind::Remainder || !matches!(ty.kind, TypeKind::Double { .. }))
}
