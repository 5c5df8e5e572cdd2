//! Functions and methods: which one is meant, and what it takes.
//!
//! Invariant: arguments are never null; a receiver that is null makes the result null (semantics.md 3.1).

use std::sync::Arc;

use regex::RegexBuilder;

use super::super::Span;
use super::super::ast::{NAMESPACES, Node, NodeId};
use super::super::function::{self, FUNCTIONS, Form, Function, Kind, Overload};
use super::super::program::{Code, Conversion, JsonKind, ListMethod, ListMethodKind, Op};
use super::super::types::{Type, TypeKind};
use super::convert::operand_name;
use super::join::Mixed;
use super::{Checker, ExprError, Typed};
use crate::schema::suggest::nearest;

/// Memory that a pattern may take once it is compiled.
const PATTERN_LIMIT: usize = 256 << 10;

/// A call that is being checked.
#[derive(Clone, Copy)]
pub(super) struct Call<'c> {
    pub(super) id: NodeId,
    pub(super) target: Option<NodeId>,
    pub(super) name: &'c str,
    /// Where the name stands.
    pub(super) at: Span,
    pub(super) args: &'c [NodeId],
}

/// What CEL or its extensions have and this language has not, with what to do about it.
const CUT: [(&str, &str); 19] = [
    ("type", "types are known when the file is checked"),
    ("dyn", "types are known when the file is checked"),
    ("format", "text with `${…}` in it does the same"),
    ("lists.range", "lists come from calls and inputs"),
    ("range", "lists come from calls and inputs"),
    (
        "now",
        "the same request gives the same answer; a param can carry the time",
    ),
    ("random", "the same request gives the same answer"),
    ("uuid", "the same request gives the same answer; `request.id` is unique"),
    ("math.bitAnd", "bit operations were left out"),
    ("math.bitOr", "bit operations were left out"),
    ("math.bitXor", "bit operations were left out"),
    ("math.bitNot", "bit operations were left out"),
    ("math.bitShiftLeft", "bit operations were left out"),
    ("math.bitShiftRight", "bit operations were left out"),
    ("transformList", "`map` does it"),
    ("transformMap", "`index_by` makes maps"),
    ("slice", "`drop(n).take(m)` does it"),
    ("sortBy", "it is called `sort_by`"),
    ("existsOne", "it is called `exists_one`"),
];

impl<'c> Checker<'c> {
    pub(super) fn call(&mut self, call: &Call<'c>) -> Typed {
        let Some(target) = call.target else {
            return self.function(call, call.name);
        };
        if let Node::Name(namespace) = self.ast.node(target) {
            let is_variable = self.scopes.iter().any(|it| it.name == *namespace);
            if NAMESPACES.contains(&&**namespace) && !is_variable {
                let name = format!("{namespace}.{}", call.name);
                let start = self.ast.span(target).start;
                let at = Span {
                    start,
                    end: call.at.end,
                };
                return self.function(
                    &Call {
                        target: None,
                        at,
                        ..*call
                    },
                    &name,
                );
            }
        }
        self.method(call, target)
    }

    fn function(&mut self, call: &Call<'c>, name: &str) -> Typed {
        match name {
            "has" => return self.has(call.id, call.args),
            "error" => return self.error_of(call.id, call.args),
            "default" => return self.default(call.id, call.args),
            "bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint" => {
                return self.conversion(call.id, name, call.args);
            }
            "math.greatest" | "math.least" => return self.extreme(call, name),
            "size" => {
                let [arg] = call.args else {
                    return self.argument_count(call.id, name, "one argument");
                };
                let of = self.node(*arg);
                let of = self.strict(*arg, of, "`size`");
                return self.size(call, *arg, of);
            }
            "matches" if call.args.len() == 2 => {
                let of = self.node(call.args[0]);
                let of = self.strict(call.args[0], of, "`matches`");
                return self.matches(call, call.args[0], of, call.args[1]);
            }
            _ => {}
        }
        match function::find(name) {
            Some(found) if found.form == Form::Function => {
                let operands = call.args.iter().map(|&it| (it, self.node(it))).collect();
                self.native(call, found, operands, false)
            }
            _ => self.unknown_function(call, name),
        }
    }

    fn method(&mut self, call: &Call<'c>, target: NodeId) -> Typed {
        let name = call.name;
        let Some(found) = function::find(name) else {
            return self.unknown_function(call, name);
        };
        match (found.form, name) {
            (Form::Macro, _) => return self.repeat(call, target),
            (_, "size") => {
                let of = self.node(target);
                return if call.args.is_empty() {
                    self.size(call, target, of)
                } else {
                    self.argument_count(call.id, name, "no argument")
                };
            }
            (Form::Function, _) => return self.unknown_function(call, name),
            _ => {}
        }
        let of = self.node(target);
        if of.is_null_literal() {
            return of;
        }
        match name {
            "matches" => {
                let [pattern] = call.args else {
                    return self.argument_count(call.id, name, "one pattern");
                };
                self.matches(call, target, of, *pattern)
            }
            "pick" | "omit" => self.pick(call, target, of),
            "chunk" | "distinct" | "drop" | "first" | "flatten" | "join" | "last" | "max" | "min" | "sort" | "sum"
            | "take" => self.list_method(call, target, of),
            "reverse" if !matches!(of.ty.kind, TypeKind::String) => self.list_method(call, target, of),
            _ => {
                let mut operands = vec![(target, of)];
                operands.extend(call.args.iter().map(|&it| (it, self.node(it))));
                self.native(call, found, operands, true)
            }
        }
    }

    /// A function whose types are fixed. The first operand of a method may be null.
    fn native(
        &mut self,
        call: &Call<'_>,
        found: &'static Function,
        operands: Vec<(NodeId, Typed)>,
        null_safe: bool,
    ) -> Typed {
        let span = self.ast.span(call.id);
        let what = format!("`{}`", found.name);
        if operands.iter().any(|(_, it)| it.is_poison()) {
            return Typed::poison(span);
        }
        let fitting: Vec<&'static Overload> = found
            .overloads
            .iter()
            .filter(|it| it.params.len() == operands.len())
            .collect();
        if fitting.is_empty() {
            let title = format!("`{}` does not take {} arguments", found.name, call.args.len());
            return self
                .fail(ExprError::new("wrong-arguments", span, title).label(format!("it is `{}`", found.signature)));
        }
        // Where several kinds are taken, the first operand decides.
        let chosen = fitting
            .iter()
            .find(|it| {
                it.params
                    .iter()
                    .zip(&operands)
                    .all(|(kind, (_, typed))| takes(*kind, &typed.ty))
            })
            .or_else(|| fitting.first());
        let Some(overload) = chosen else {
            return Typed::poison(span);
        };
        let nullable = null_safe && operands.first().is_some_and(|(_, it)| it.ty.nullable);
        let mut codes: Vec<Code> = Vec::with_capacity(operands.len());
        let mut first = Type::unknown();
        for (at, ((id, typed), &kind)) in operands.into_iter().zip(overload.params).enumerate() {
            let ty = typed.ty.clone();
            let typed = if typed.is_null_literal() {
                self.strict(id, typed, &what)
            } else {
                typed
            };
            let Some(operand) = self.operand(typed, kind) else {
                let of = if null_safe && at == 0 {
                    "is a method of"
                } else {
                    "takes here"
                };
                return self.wrong_operand(id, &ty, kind, &format!("`{}` {of}", found.name));
            };
            let operand = if null_safe && at == 0 {
                operand
            } else {
                self.strict(id, operand, &what)
            };
            if operand.is_poison() {
                return operand;
            }
            if at == 0 {
                first = operand.ty.clone().not_null();
            }
            codes.push(operand.code);
        }
        let ty = match overload.result {
            function::Result::Bool => Type::bool(),
            function::Result::Bytes => Type::of(TypeKind::Bytes),
            function::Result::Double => Type::double(),
            function::Result::Int => Type::int(),
            function::Result::Same => first,
            function::Result::Text => Type::string(),
            function::Result::Texts => Type::list(Type::string()),
        };
        let ty = if nullable { ty.or_null() } else { ty };
        let op = Op::Call {
            native: overload.native,
            null_safe,
            args: codes.into(),
        };
        self.make(op, ty, span, overload.fails)
    }

    fn wrong_operand(&mut self, id: NodeId, ty: &Type, wanted: Kind, of: &str) -> Typed {
        let text = self.written(id);
        let title = format!("{of} {}, not `{}`", operand_name(wanted), ty.clone().not_null());
        let mut error =
            ExprError::new("wrong-type", self.ast.span(id), title).label(format!("expected {}", operand_name(wanted)));
        error.help = match wanted {
            Kind::Text if ty.is_scalar() => Some(format!("string({text})")),
            Kind::Int if ty.is_numeric() || matches!(ty.kind, TypeKind::String) => Some(format!("int({text})")),
            Kind::Double | Kind::Number if matches!(ty.kind, TypeKind::String) => Some(format!("double({text})")),
            Kind::Bytes if matches!(ty.kind, TypeKind::String) => Some(format!("bytes({text})")),
            Kind::Timestamp if matches!(ty.kind, TypeKind::String | TypeKind::Any) => {
                Some(format!("timestamp({text})"))
            }
            _ => None,
        };
        self.fail(error)
    }

    pub(super) fn argument_count(&mut self, id: NodeId, name: &str, wanted: &str) -> Typed {
        let title = format!("`{name}` takes {wanted}");
        let mut error = ExprError::new("wrong-arguments", self.ast.span(id), title);
        if let Some(found) = function::find(name) {
            error = error.label(format!("it is `{}`", found.signature));
        }
        self.fail(error)
    }

    fn unknown_function(&mut self, call: &Call<'_>, name: &str) -> Typed {
        if let Some((_, why)) = CUT.iter().find(|(cut, _)| *cut == name) {
            let title = format!("`{name}` is not part of this language");
            return self.fail(ExprError::new("unknown-function", call.at, title).label(*why));
        }
        let is_method = call.target.is_some();
        let what = if is_method { "method" } else { "function" };
        let mut error = ExprError::new("unknown-function", call.at, format!("there is no {what} `{name}`"));
        let found = function::find(name);
        let written: Vec<&str> = call.args.iter().map(|&it| self.written(it)).collect();
        match (found, call.target) {
            (Some(found), None) if found.form != Form::Function && !written.is_empty() => {
                error = error
                    .label(format!("it is a method: `{}`", found.signature))
                    .help(format!("{}.{name}({})", written[0], written[1..].join(", ")))
                    .in_place_of(self.ast.span(call.id));
            }
            (Some(found), Some(target)) => {
                let mut all = vec![self.written(target)];
                all.extend(written);
                error = error
                    .label(format!("it is a function: `{}`", found.signature))
                    .help(format!("{name}({})", all.join(", ")))
                    .in_place_of(self.ast.span(call.id));
            }
            _ if matches!(name, "len" | "length" | "count") => {
                let of = call
                    .target
                    .map_or_else(|| written.join(", "), |it| self.written(it).to_owned());
                error = error
                    .label("that is `size()`")
                    .help(format!("{of}.size()"))
                    .in_place_of(self.ast.span(call.id));
            }
            _ => {
                let candidates = FUNCTIONS
                    .iter()
                    .filter(|it| (it.form != Form::Function) == is_method || it.name == "size" || it.name == "matches")
                    .map(|it| it.name);
                error = error.label(match nearest(name, candidates) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("no such {what}"),
                });
            }
        }
        self.fail(error)
    }

    /// `default(x, y, …)`: the first that is not null.
    fn default(&mut self, id: NodeId, args: &[NodeId]) -> Typed {
        let span = self.ast.span(id);
        if args.len() < 2 {
            return self.argument_count(id, "default", "two or more arguments");
        }
        let candidates: Vec<(NodeId, Typed)> = args.iter().map(|&it| (it, self.node(it))).collect();
        let ends_in_null = candidates.last().is_some_and(|(_, it)| it.ty.nullable);
        let Some((candidates, ty)) = self.join(candidates, Mixed::Refuse) else {
            return Typed::poison(span);
        };
        let never_null = candidates.iter().any(|it| !it.ty.nullable);
        let ty = if ends_in_null && !never_null {
            ty.or_null()
        } else {
            ty.not_null()
        };
        self.make(
            Op::Default(candidates.into_iter().map(|it| it.code).collect()),
            ty,
            span,
            false,
        )
    }

    /// `math.greatest(a, b, …)`, or of one list.
    fn extreme(&mut self, call: &Call<'c>, name: &str) -> Typed {
        let span = self.ast.span(call.id);
        let greatest = name == "math.greatest";
        let mut numbers = Vec::with_capacity(call.args.len());
        for &arg in call.args {
            let typed = self.node(arg);
            let typed = self.strict_for(arg, typed, &format!("`{name}`"), Some("0"));
            if let (TypeKind::List(_), [_]) = (&typed.ty.kind, call.args) {
                let method = Call {
                    target: Some(arg),
                    name: if greatest { "max" } else { "min" },
                    args: &[],
                    ..*call
                };
                return self.list_method(&method, arg, typed);
            }
            let ty = typed.ty.clone();
            let Some(number) = self.operand(typed, Kind::Number) else {
                let title = format!("`{name}` takes numbers, not `{ty}`");
                return self.fail(ExprError::new("wrong-type", self.ast.span(arg), title).label("expected a number"));
            };
            numbers.push((arg, number));
        }
        if numbers.is_empty() {
            return self.argument_count(call.id, name, "one or more numbers");
        }
        if numbers.iter().any(|(_, it)| it.is_poison()) {
            return Typed::poison(span);
        }
        let any_double = numbers
            .iter()
            .any(|(_, it)| matches!(it.ty.kind, TypeKind::Double { .. }));
        let ty = if any_double { Type::double() } else { Type::int() };
        let mut args = Vec::with_capacity(numbers.len());
        let mut wide = ty.clone();
        for (_, number) in numbers {
            wide = wide.join(&number.ty).unwrap_or_else(|| ty.clone());
            args.push(self.converted(number, &ty).code);
        }
        self.make(
            Op::Extreme {
                greatest,
                args: args.into(),
            },
            wide.not_null(),
            span,
            false,
        )
    }

    fn size(&mut self, call: &Call<'_>, id: NodeId, of: Typed) -> Typed {
        let span = self.ast.span(call.id);
        let of = self.unfolded(of);
        let fits = matches!(
            of.ty.kind,
            TypeKind::Any
                | TypeKind::Bytes
                | TypeKind::List(_)
                | TypeKind::Map(_)
                | TypeKind::Null
                | TypeKind::Object(_)
                | TypeKind::String
                | TypeKind::Unknown
        );
        if !fits {
            let title = format!(
                "`{}` is `{}`, which has no size",
                self.written(id),
                of.ty.clone().not_null()
            );
            return self.fail(
                ExprError::new("wrong-type", self.ast.span(id), title).label("not text, bytes, a list or a map"),
            );
        }
        if of.is_poison() {
            return Typed { ty: Type::int(), ..of };
        }
        let fails = of.ty.is_any();
        let ty = Type {
            nullable: of.ty.nullable,
            ..Type::int()
        };
        let op = Op::Method(Box::new(ListMethod {
            kind: ListMethodKind::Size,
            of: of.code,
            argument: None,
        }));
        self.make(op, ty, span, fails)
    }

    fn matches(&mut self, call: &Call<'_>, id: NodeId, of: Typed, pattern: NodeId) -> Typed {
        let span = self.ast.span(call.id);
        let Some(written) = self.literal_text(pattern) else {
            let title = "the pattern of `matches` has to be a literal";
            return self.fail(
                ExprError::new("bad-pattern", self.ast.span(pattern), title).label("known when the file is loaded"),
            );
        };
        let compiled = match RegexBuilder::new(written).size_limit(PATTERN_LIMIT).build() {
            Ok(compiled) => Arc::new(compiled),
            Err(error) => {
                let title = match error {
                    regex::Error::CompiledTooBig(_) => "this pattern is too large".to_owned(),
                    _ => format!("`{written}` is not a pattern"),
                };
                let reason = error.to_string();
                // The crate draws the place over several lines; the last one says what is wrong.
                let label = reason
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                return self.fail(ExprError::new("bad-pattern", self.ast.span(pattern), title).label(label));
            }
        };
        let of = match of.ty.kind {
            TypeKind::Unknown => return Typed { ty: Type::bool(), ..of },
            TypeKind::String => of,
            TypeKind::Any => {
                let ty = Type {
                    nullable: of.ty.nullable,
                    ..Type::string()
                };
                let conversion = Box::new(Conversion::FromJson(JsonKind::Text));
                self.make(Op::Convert(conversion, Box::new(of.code)), ty, span, true)
            }
            _ => {
                let text = self.written(id);
                let title = format!("`matches` is a method of text, not of `{}`", of.ty.clone().not_null());
                return self.fail(
                    ExprError::new("wrong-type", self.ast.span(id), title)
                        .label("expected text")
                        .help(format!("string({text})")),
                );
            }
        };
        let ty = Type {
            nullable: of.ty.nullable,
            ..Type::bool()
        };
        self.make(Op::Matches(Box::new(of.code), compiled), ty, span, false)
    }
}

/// Whether a function that takes `kind` takes values of this type, as they are.
fn takes(kind: Kind, ty: &Type) -> bool {
    match kind {
        Kind::Bytes => matches!(ty.kind, TypeKind::Bytes),
        Kind::Double | Kind::Number => ty.is_numeric(),
        Kind::Duration => matches!(ty.kind, TypeKind::Duration),
        Kind::Int => matches!(ty.kind, TypeKind::Int(_) | TypeKind::Enum(_)),
        Kind::Text => matches!(ty.kind, TypeKind::String),
        Kind::Timestamp => matches!(ty.kind, TypeKind::Timestamp),
    }
}
