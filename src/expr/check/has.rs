//! What asks about a path in place of reading it: `has(x.field)` and `error(call)`.
//!
//! Invariant: `has` is true only where the value before the field is not null, so that the condition tells so.

use super::super::Span;
use super::super::ast::{Node, NodeId};
use super::super::program::{Code, Op};
use super::super::types::{Type, TypeKind};
use super::super::value::{FieldReader, Value};
use super::path::{Step, bound, selected_field};
use super::{Checker, ExprError, Path, Typed};

impl Checker<'_> {
    /// `has(x.field)` (semantics.md 2.7).
    pub(super) fn has(&mut self, id: NodeId, args: &[NodeId]) -> Typed {
        let span = self.ast.span(id);
        let [arg] = args else {
            return self.argument_count(id, "has", "one path");
        };
        let Some((name, at, base)) = self.ast.literal_step(*arg) else {
            let title = format!("`has` takes a field, not `{}`", self.written(*arg));
            return self.fail(
                ExprError::new("wrong-type", self.ast.span(*arg), title)
                    .label("expected `x.field`")
                    .help(format!("{} != null", self.written(*arg)))
                    .in_place_of(span),
            );
        };
        let step = Step { id: *arg, name, at };
        let of = match self.literal_path(*arg) {
            Some((root, steps)) => match self.root(root, &steps) {
                Err(error) => return self.fail(error),
                Ok((whole, consumed)) if consumed == steps.len() => return self.has_value(whole, span),
                Ok((base, consumed)) => {
                    let between = &steps[consumed..steps.len() - 1];
                    between.iter().fold(base, |of, step| self.step(of, step))
                }
            },
            None => self.node(base),
        };
        let path = of.path.clone();
        let (op, sets_field) = match of.ty.kind.clone() {
            TypeKind::Unknown => return Typed { ty: Type::bool(), ..of },
            TypeKind::Message(message) => match message.field(name) {
                Some(field) => (
                    Op::HasField(Box::new(of.code), Box::new(FieldReader::compile(&message, field))),
                    true,
                ),
                None => return self.unknown_field(&message, &step),
            },
            TypeKind::Selected(message, members) => match selected_field(&message, &members, name) {
                Some((_, reader)) => (Op::HasField(Box::new(of.code), Box::new(reader)), true),
                None => return self.fail(super::shape::no_field(&message, &members, name, at)),
            },
            TypeKind::Object(members) if members.iter().all(|it| &*it.name != name) => {
                let whole = Typed { path: None, ..of };
                return self.step(whole, &step);
            }
            TypeKind::Json(schema) if schema.member(name).is_none() => {
                return self.step(Typed { path: None, ..of }, &step);
            }
            TypeKind::Any | TypeKind::Json(_) | TypeKind::Object(_) => {
                let key = Code::new(Op::Constant(Value::from(name)), at);
                (Op::HasKey(Box::new([of.code, key])), false)
            }
            TypeKind::Map(entry) => {
                let key = Code::new(Op::Constant(Value::from(name)), at);
                let key = Typed {
                    literal: true,
                    ..Typed::new(key, Type::string())
                };
                match self.as_key(key, &entry.0, at) {
                    Some(key) => (Op::HasKey(Box::new([of.code, key.code])), false),
                    None => return Typed::poison(span),
                }
            }
            TypeKind::Null => (Op::Constant(Value::Bool(false)), false),
            _ => return self.no_fields(&of, &step),
        };
        let mut typed = self.make(op, Type::bool(), span, false);
        if let Some(path) = path {
            // A key that is there may be null, a field that is set may not.
            let known = if sets_field { path.member(name) } else { path };
            typed.when_true = known.with_prefixes();
        }
        typed
    }

    /// `has` of something that is a value of its own, such as a part of the body: whether it is not null.
    fn has_value(&mut self, whole: Typed, span: Span) -> Typed {
        let known = whole.path.as_ref().map(Path::with_prefixes).unwrap_or_default();
        let typed = self.make(
            Op::IsNull {
                negated: true,
                of: Box::new(whole.code),
            },
            Type::bool(),
            span,
            false,
        );
        Typed {
            when_true: known,
            ..typed
        }
    }

    /// `error(call)`.
    pub(super) fn error_of(&mut self, id: NodeId, args: &[NodeId]) -> Typed {
        let span = self.ast.span(id);
        let [arg] = args else {
            return self.argument_count(id, "error", "the name of a call");
        };
        let Node::Name(call) = self.ast.node(*arg) else {
            let title = format!("`error` takes the name of a call, not `{}`", self.written(*arg));
            return self.fail(ExprError::new("wrong-type", self.ast.span(*arg), title).label("expected a name"));
        };
        match self.names.error_of(call) {
            Ok(binding) => {
                let path = Path::root(&format!("error({call})"));
                self.narrowed(Typed {
                    path: Some(path),
                    ..bound(binding, span)
                })
            }
            Err(mut error) => {
                if error.span == Span::default() {
                    error.span = self.ast.span(*arg);
                }
                self.fail(error)
            }
        }
    }
}
