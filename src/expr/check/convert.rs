//! Conversions written as functions, what operands of functions are turned into, and text.

use super::super::ast::NodeId;
use super::super::eval::convert::enum_names;
use super::super::function::Kind;
use super::super::program::{Conversion, JsonKind, Op, TextKind};
use super::super::types::{IntRange, Type, TypeKind};
use super::{Checker, ExprError, Typed};

impl Checker<'_> {
    /// `int(x)`, `string(x)` and so on.
    pub(super) fn conversion(&mut self, id: NodeId, name: &str, args: &[NodeId]) -> Typed {
        let span = self.ast.span(id);
        let [arg] = args else {
            return self.argument_count(id, name, "one argument");
        };
        let typed = self.node(*arg);
        if name == "string" {
            return self.text(*arg, typed, "`string`");
        }
        let zero = match name {
            "bool" => "false",
            "bytes" | "duration" | "timestamp" => "\"\"",
            _ => "0",
        };
        let unsigned = IntRange {
            min: 0,
            max: i128::from(u64::MAX),
            wide: false,
        };
        let kind = kind_name(&typed.ty.kind);
        let is = |kinds: &[&str]| kinds.contains(&kind);
        let (fits, conversion, ty) = match name {
            "bool" => (is(&["bool", "string", "any"]), Conversion::ToBool, Type::bool()),
            "bytes" => (
                is(&["bytes", "string", "any"]),
                Conversion::ToBytes,
                Type::of(TypeKind::Bytes),
            ),
            "double" => (
                is(&["double", "int", "enum", "string", "any"]),
                Conversion::ToDouble,
                Type::double(),
            ),
            "duration" => (
                is(&["duration", "string", "any"]),
                Conversion::ToDuration,
                Type::of(TypeKind::Duration),
            ),
            "int" => (
                is(&["double", "int", "enum", "string", "timestamp", "any"]),
                Conversion::ToInt,
                Type::int(),
            ),
            "timestamp" => (
                is(&["timestamp", "int", "string", "any"]),
                Conversion::ToTimestamp,
                Type::of(TypeKind::Timestamp),
            ),
            _ => {
                let ty = Type::of(TypeKind::Int(unsigned));
                (is(&["double", "int", "enum", "string", "any"]), Conversion::ToUint, ty)
            }
        };
        if typed.is_poison() {
            return typed;
        }
        if !fits && !typed.is_null_literal() {
            let title = format!("`{name}` does not take `{}`", typed.ty);
            return self.fail(
                ExprError::new("wrong-type", self.ast.span(*arg), title).label(format!("this is `{}`", typed.ty)),
            );
        }
        let typed = self.strict_for(*arg, typed, &format!("`{name}`"), Some(zero));
        if typed.ty.kind == ty.kind {
            return Typed {
                literal: false,
                ..typed
            };
        }
        // Of text and of JSON nobody knows what they hold; integers always fit a double.
        let fails = !(name == "double" && is(&["double", "int", "enum"]) || name == "bytes" && is(&["string"]));
        let literal = typed.literal;
        let made = self.make(Op::Convert(Box::new(conversion), Box::new(typed.code)), ty, span, fails);
        if literal && made.code.constant().is_none() {
            let title = format!("{} is no `{name}`", self.written(*arg));
            return self.fail(ExprError::new("wrong-type", self.ast.span(*arg), title).label("cannot be converted"));
        }
        made
    }

    /// A scalar as text (semantics.md 2.3). `of` says what wants it.
    pub(super) fn text(&mut self, id: NodeId, typed: Typed, of: &str) -> Typed {
        let text = self.written(id);
        let span = self.ast.span(id);
        if matches!(typed.ty.kind, TypeKind::Bytes) {
            let help = if typed.ty.nullable {
                format!("base64.encode(default({text}, b\"\"))")
            } else {
                format!("base64.encode({text})")
            };
            return self.fail(
                ExprError::new(
                    "wrong-type",
                    span,
                    format!("`{text}` is bytes, which {of} does not take"),
                )
                .label("how should they be written?")
                .help(help),
            );
        }
        if !typed.ty.is_scalar() && !typed.ty.is_any() && !typed.is_poison() && !typed.is_null_literal() {
            let mut error = ExprError::new(
                "wrong-type",
                span,
                format!(
                    "`{text}` is `{}`, which {of} does not take",
                    typed.ty.clone().not_null()
                ),
            )
            .label("expected text, a number, a bool, an enum or a time");
            if typed.ty.element().is_some_and(|it| matches!(it.kind, TypeKind::String)) {
                error = error.help(format!("{text}.join(\", \")"));
            }
            return self.fail(error);
        }
        // Whatever the type is, what is missing in a text is most likely to be the empty text.
        let typed = if typed.ty.nullable && !typed.is_null_literal() && !typed.is_poison() {
            self.errors.push(
                ExprError::new(
                    "maybe-null",
                    span,
                    format!("`{text}` may be null, which {of} does not take"),
                )
                .label(format!("this is `{}`", typed.ty))
                .help(text_default(text, &typed.ty)),
            );
            Typed {
                ty: typed.ty.clone().not_null(),
                ..typed
            }
        } else {
            self.strict(id, typed, of)
        };
        let kind = match &typed.ty.kind {
            TypeKind::String | TypeKind::Unknown => return typed,
            TypeKind::Enum(it) => TextKind::Enum(enum_names(it)),
            TypeKind::Double { single: true } => TextKind::Single,
            _ => TextKind::Plain,
        };
        let fails = typed.ty.is_any();
        let op = Op::Convert(Box::new(Conversion::ToText(kind)), Box::new(typed.code));
        self.make(op, Type::string(), span, fails)
    }

    /// An operand as what a function takes; none where it is something else. Null passes, where it is allowed.
    pub(super) fn operand(&mut self, typed: Typed, wanted: Kind) -> Option<Typed> {
        let span = typed.code.span;
        let json = match wanted {
            Kind::Bytes => JsonKind::Bytes,
            // Whether it is an integer is not known, so that it counts as what every number can be.
            Kind::Double | Kind::Number => JsonKind::Double,
            Kind::Int => JsonKind::Int,
            Kind::Text => JsonKind::Text,
            Kind::Duration | Kind::Timestamp => JsonKind::List,
        };
        match (&typed.ty.kind, wanted) {
            (TypeKind::Bytes, Kind::Bytes)
            | (TypeKind::Double { .. }, Kind::Double | Kind::Number)
            | (TypeKind::Duration, Kind::Duration)
            | (TypeKind::Int(_) | TypeKind::Enum(_), Kind::Int | Kind::Number)
            | (TypeKind::String, Kind::Text)
            | (TypeKind::Timestamp, Kind::Timestamp)
            | (TypeKind::Unknown, _) => Some(typed),
            (TypeKind::Int(_) | TypeKind::Enum(_), Kind::Double) => Some(self.converted(typed, &Type::double())),
            (TypeKind::Any, Kind::Bytes | Kind::Double | Kind::Int | Kind::Number | Kind::Text) => {
                let ty = match wanted {
                    Kind::Bytes => Type::of(TypeKind::Bytes),
                    Kind::Double | Kind::Number => Type::double(),
                    Kind::Int => Type::int(),
                    _ => Type::string(),
                };
                let ty = Type {
                    nullable: typed.ty.nullable,
                    ..ty
                };
                let op = Op::Convert(Box::new(Conversion::FromJson(json)), Box::new(typed.code));
                Some(self.make(op, ty, span, true))
            }
            _ => None,
        }
    }

    /// Whether a literal is this text.
    pub(super) fn literal_text(&self, id: NodeId) -> Option<&str> {
        match self.ast.node(id) {
            super::Node::String(text) => Some(text),
            _ => None,
        }
    }
}

/// What to write where a value that is missing is to become text.
fn text_default(text: &str, ty: &Type) -> String {
    let zero = super::zero_of(ty).unwrap_or_else(|| "\"\"".to_owned());
    format!("default({text}, {zero})")
}

/// The name of a kind without what it holds.
fn kind_name(kind: &TypeKind) -> &'static str {
    match kind {
        TypeKind::Any => "any",
        TypeKind::Bool => "bool",
        TypeKind::Bytes => "bytes",
        TypeKind::Double { .. } => "double",
        TypeKind::Duration => "duration",
        TypeKind::Enum(_) => "enum",
        TypeKind::Int(_) => "int",
        TypeKind::List(_) => "list",
        TypeKind::Map(_) => "map",
        TypeKind::Message(_) => "message",
        TypeKind::Null => "null",
        TypeKind::Json(_) | TypeKind::Object(_) | TypeKind::Selected(..) => "object",
        TypeKind::ProtoAny(_) => "Any",
        TypeKind::String => "string",
        TypeKind::Timestamp => "timestamp",
        TypeKind::Unknown => "unknown",
    }
}

/// The name of what a function takes.
pub(super) fn operand_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bytes => "bytes",
        Kind::Double => "a double",
        Kind::Duration => "a duration",
        Kind::Int => "an integer",
        Kind::Number => "a number",
        Kind::Text => "text",
        Kind::Timestamp => "a timestamp",
    }
}
