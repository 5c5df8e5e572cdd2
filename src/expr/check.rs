//! Typing: names, paths, operators, functions, null and narrowing (semantics.md 1–3), and lowering to a [`Program`].
//!
//! Owns the walk over the tree, variables of macros, and what is known not to be null. Leaves to the files below one kind of
//! node each. Invariant: a part that is wrong is reported once and becomes [`Type::unknown`], which agrees with everything;
//! code that was made for it never runs, as an expression with a mistake gives no program.

mod call;
mod convert;
mod equality;
mod fold;
mod has;
mod join;
mod list;
mod operator;
mod path;
#[cfg(test)]
mod property;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) use path::json_members;

use super::Span;
use super::ast::{Ast, Node, NodeId, Operator};
use super::eval;
use super::program::{Code, Op, Program, Slot};
use super::types::{IntRange, Type, TypeKind};
use super::value::{Str, Value};

/// Answers what names mean: the checker's scopes, or a table in tests.
pub trait Resolve {
    /// Resolves `root` and as many of the literal steps behind it as the name itself covers (`body.order.id`,
    /// `request.headers["x"]`, `vars.cdn` cover several; a call covers none). The rest is read as fields and keys.
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError>;

    /// The slot and type of `error(call)`.
    fn error_of(&self, call: &str) -> Result<Binding, ExprError>;

    /// A free slot above all that are in scope, for the variable of a macro that is nested `depth` deep (from 0).
    fn macro_slot(&self, depth: u32) -> Slot;

    /// Whether a name is taken in this scope, so that a macro may not shadow it.
    fn is_taken(&self, name: &str) -> bool;
}

/// A literal step of a path: `.name` or `["name"]`.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The name.
    pub name: &'a str,
    /// Where it stands.
    pub span: Span,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub struct Binding {
    /// How many literal steps the name covers.
    pub consumed: usize,
    /// Where its value is.
    pub target: Target,
    /// Its type.
    pub ty: Type,
    /// Its type where the name itself is known not to be null, if that says more.
    pub rooted: Option<Type>,
}

/// Where a value is.
#[derive(Clone, Debug)]
pub enum Target {
    /// Known when the file is loaded.
    Constant(Value),
    /// In a frame.
    Slot(Slot),
}

/// Paths that are known not to be null, in canonical text (`reviews.reviews[0]`), prefixes included (semantics.md 3.2).
pub type Facts = BTreeSet<String>;

/// An expression that was checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Runs it.
    pub program: Program,
    /// What it gives.
    pub ty: Type,
    /// What is known where it is true.
    pub facts: Facts,
    /// What is known of each element, where it is a list, as what stands behind the element's name: `.reply`, and nothing
    /// where the element itself is not null. Whoever gives the elements a name adds these behind it to the facts.
    pub element_facts: Facts,
    /// It can fail at run time (division, conversion, overflow).
    pub may_fail: bool,
    /// Warnings: `never-null` and so on.
    pub warnings: Vec<ExprError>,
}

/// A mistake in an expression. Becomes a `Diagnostic` once it is known where the expression stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// A diagnostic code of `language::diagnostic::codes`: `unknown-field`, `maybe-null`, `wrong-type`, …
    pub code: &'static str,
    /// Where in the expression.
    pub span: Span,
    /// One line, lower case, names in backticks, no full stop, true when read alone.
    pub title: String,
    /// What is at that place: "did you mean `price_usd`?".
    pub label: String,
    /// Text that the user can paste in place of what is at `replaces`.
    pub help: Option<String>,
    /// What `help` stands in place of: what is at `span`, unless something else was said.
    pub replaces: Span,
    /// "hipstershop.Product is defined in descriptors/demo.proto:98".
    pub note: Option<Box<str>>,
}

/// Types an expression and lowers it. `facts` are known to hold where it stands. All mistakes are returned, not the first.
pub fn check(ast: &Ast, names: &dyn Resolve, facts: &Facts) -> Result<Checked, Vec<ExprError>> {
    let mut checker = Checker::new(ast, names, facts);
    let typed = checker.node(ast.root());
    checker.finish(typed)
}

/// As [`check`], for a `${…}` in text: the program gives a string, as `string(x)` writes it (semantics.md 2.3).
pub fn check_text(ast: &Ast, names: &dyn Resolve, facts: &Facts) -> Result<Checked, Vec<ExprError>> {
    let mut checker = Checker::new(ast, names, facts);
    let typed = checker.node(ast.root());
    let text = checker.text(ast.root(), typed, "text");
    checker.finish(text)
}

/// How deeply macros may nest (semantics.md 9).
const MAX_MACROS: usize = 3;

/// A node that was checked.
#[derive(Clone, Debug)]
struct Typed {
    code: Code,
    ty: Type,
    /// A literal, which adapts to what stands beside it (G2). Its code is constant.
    literal: bool,
    /// Its canonical text, where it is a path.
    path: Option<Path>,
    /// Paths that are not null where it is true.
    when_true: Facts,
    /// Paths that are not null where it is false.
    when_false: Facts,
    /// As [`Checked::element_facts`].
    element_facts: Facts,
    /// The texts that it may be, where a JSON Schema lists them.
    words: Option<Arc<[Arc<str>]>>,
}

/// The canonical text of a path: `a.b["c-d"][0]`.
#[derive(Clone, Debug)]
struct Path {
    text: String,
    /// Where each of its prefixes ends, the whole included.
    ends: Vec<usize>,
}

/// The variable of a macro.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    slot: Slot,
    ty: Type,
}

struct Checker<'c> {
    ast: &'c Ast,
    names: &'c dyn Resolve,
    facts: Facts,
    scopes: Vec<Variable>,
    errors: Vec<ExprError>,
    warnings: Vec<ExprError>,
    may_fail: bool,
}

// === impl ExprError ===

impl ExprError {
    /// A mistake of which nothing else is said yet.
    pub fn new(code: &'static str, span: Span, title: impl Into<String>) -> Self {
        Self {
            code,
            span,
            title: title.into(),
            label: String::new(),
            help: None,
            replaces: span,
            note: None,
        }
    }

    /// Says what the help stands in place of.
    #[must_use]
    pub fn in_place_of(mut self, span: Span) -> Self {
        self.replaces = span;
        self
    }

    /// Says what is at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Text that the user can paste.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where to read on.
    #[must_use]
    pub fn note(mut self, note: impl Into<Box<str>>) -> Self {
        self.note = Some(note.into());
        self
    }
}

// === impl Path ===

impl Path {
    fn root(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            ends: vec![name.len()],
        }
    }

    fn member(mut self, name: &str) -> Self {
        let mut letters = name.bytes();
        let first = letters.next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
        if first && letters.all(|it| it.is_ascii_alphanumeric() || it == b'_') {
            self.text.push('.');
            self.text.push_str(name);
        } else {
            // Writing into a string cannot fail.
            let _written = write!(self.text, "[{name:?}]");
        }
        self.ends.push(self.text.len());
        self
    }

    fn element(mut self, index: i64) -> Self {
        // Writing into a string cannot fail.
        let _written = write!(self.text, "[{index}]");
        self.ends.push(self.text.len());
        self
    }

    /// The path and what it begins with: where it is not null, none of these is.
    fn with_prefixes(&self) -> Facts {
        self.ends
            .iter()
            .filter_map(|&end| self.text.get(..end))
            .map(str::to_owned)
            .collect()
    }
}

// === impl Typed ===

impl Typed {
    fn new(code: Code, ty: Type) -> Self {
        Self {
            code,
            ty,
            literal: false,
            path: None,
            when_true: Facts::new(),
            when_false: Facts::new(),
            element_facts: Facts::new(),
            words: None,
        }
    }

    /// The same, with what is known where it turns out to be `outcome`.
    fn knowing_when(mut self, outcome: bool, known: Facts) -> Self {
        if outcome {
            self.when_true = known;
        } else {
            self.when_false = known;
        }
        self
    }

    fn poison(span: Span) -> Self {
        Self::new(Code::new(Op::Constant(Value::Null), span), Type::unknown())
    }

    fn is_poison(&self) -> bool {
        self.ty.is_unknown()
    }

    fn is_null_literal(&self) -> bool {
        matches!(self.ty.kind, TypeKind::Null)
    }
}

// === impl Checker ===

impl<'c> Checker<'c> {
    fn new(ast: &'c Ast, names: &'c dyn Resolve, facts: &Facts) -> Self {
        Self {
            ast,
            names,
            facts: facts.clone(),
            scopes: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            may_fail: false,
        }
    }

    fn finish(self, typed: Typed) -> Result<Checked, Vec<ExprError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok(Checked {
            program: Program::new(typed.code),
            ty: typed.ty,
            facts: typed.when_true,
            element_facts: typed.element_facts,
            may_fail: self.may_fail,
            warnings: self.warnings,
        })
    }

    // === mistakes ===

    /// Reports a mistake; the part becomes poison.
    fn fail(&mut self, error: ExprError) -> Typed {
        let span = error.span;
        self.errors.push(error);
        Typed::poison(span)
    }

    fn written(&self, id: NodeId) -> &'c str {
        self.ast.text_of(id)
    }

    /// Refuses an operand that may be null. `of` says what it is an operand of: `+`, a condition.
    fn strict(&mut self, id: NodeId, typed: Typed, of: &str) -> Typed {
        self.strict_for(id, typed, of, None)
    }

    /// As [`Self::strict`]; `zero` is suggested where the type itself says nothing.
    fn strict_for(&mut self, id: NodeId, typed: Typed, of: &str, zero: Option<&str>) -> Typed {
        if !typed.ty.nullable || typed.is_poison() {
            return typed;
        }
        let text = self.written(id);
        let span = self.ast.span(id);
        if typed.is_null_literal() {
            return self.fail(
                ExprError::new("wrong-type", span, format!("`null` cannot be used in {of}")).label("expected a value"),
            );
        }
        let zero = zero_of(&typed.ty)
            .or(zero.map(str::to_owned))
            .unwrap_or_else(|| "…".to_owned());
        self.errors.push(
            ExprError::new(
                "maybe-null",
                span,
                format!("`{text}` may be null, which {of} does not take"),
            )
            .label(format!("this is `{}`", typed.ty))
            .help(format!("default({text}, {zero})")),
        );
        Typed {
            ty: typed.ty.not_null(),
            ..typed
        }
    }

    // === code ===

    /// Makes a node; where all its operands are known, it is evaluated now.
    fn make(&mut self, op: Op, ty: Type, span: Span, fails: bool) -> Typed {
        let code = Code::new(op, span);
        if fold::is_foldable(&code.op) {
            if let Ok(value) = eval::fold(&code) {
                return Typed::new(Code::new(Op::Constant(value), span), ty);
            }
            self.may_fail = true;
        }
        self.may_fail |= fails;
        Typed::new(code, ty)
    }

    fn literal(&self, id: NodeId, value: Value, ty: Type) -> Typed {
        let code = Code::new(Op::Constant(value), self.ast.span(id));
        Typed {
            literal: true,
            ..Typed::new(code, ty)
        }
    }

    /// Runs something where more is known not to be null.
    fn knowing<T>(&mut self, facts: &Facts, run: impl FnOnce(&mut Self) -> T) -> T {
        let added: Vec<String> = facts.difference(&self.facts).cloned().collect();
        self.facts.extend(added.iter().cloned());
        let result = run(self);
        for fact in &added {
            self.facts.remove(fact);
        }
        result
    }

    /// A path that is known not to be null is not.
    fn narrowed(&self, mut typed: Typed) -> Typed {
        if typed.path.as_ref().is_some_and(|it| self.facts.contains(&it.text)) {
            typed.ty = typed.ty.not_null();
        }
        typed
    }

    // === nodes ===

    /// Checks a node. The height of the tree bounds the depth of this.
    fn node(&mut self, id: NodeId) -> Typed {
        let unsigned = IntRange {
            min: 0,
            max: i128::from(u64::MAX),
            wide: false,
        };
        match self.ast.node(id) {
            Node::Null => self.literal(id, Value::Null, Type::null()),
            Node::Bool(it) => self.literal(id, Value::Bool(*it), Type::bool()),
            Node::Bytes(it) => {
                let bytes = Value::Bytes(bytes::Bytes::copy_from_slice(it));
                self.literal(id, bytes, Type::of(TypeKind::Bytes))
            }
            Node::Double(it) => self.literal(id, Value::Double(*it), Type::double()),
            Node::Int(it) => self.literal(id, Value::Int(*it), Type::int()),
            Node::String(it) => self.literal(id, Value::String(Str::from(it.as_str())), Type::string()),
            Node::Uint(it) => self.literal(id, Value::uint(*it), Type::of(TypeKind::Int(unsigned))),
            Node::Name(_) | Node::Select { .. } | Node::Index { .. } => self.path(id),
            Node::Call { target, name, at, args } => self.call(&call::Call {
                id,
                target: *target,
                name,
                at: *at,
                args,
            }),
            Node::List(items) => self.list_literal(id, items),
            Node::Map(entries) => self.map_literal(id, entries),
            Node::Logic { operator, operands } => self.logic(id, *operator, operands),
            Node::Not(of) => self.not(id, *of),
            Node::Negate(of) => self.negate(id, *of),
            Node::Conditional { condition, yes, no } => self.conditional(id, *condition, *yes, *no),
            Node::Binary {
                operator,
                at,
                left,
                right,
            } => {
                let sides = operator::Sides {
                    id,
                    at: *at,
                    left: *left,
                    right: *right,
                };
                match operator {
                    Operator::Equal => self.equality(&sides, false),
                    Operator::NotEqual => self.equality(&sides, true),
                    Operator::In => self.contained(&sides),
                    Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                        self.comparison(&sides, *operator)
                    }
                    _ => self.arithmetic(&sides, *operator),
                }
            }
        }
    }
}

/// What to write where a value of this type is missing.
fn zero_of(ty: &Type) -> Option<String> {
    Some(match &ty.kind {
        TypeKind::Bool => "false".to_owned(),
        TypeKind::Bytes => "b\"\"".to_owned(),
        TypeKind::Double { .. } => "0.0".to_owned(),
        TypeKind::Duration => "duration(\"0s\")".to_owned(),
        TypeKind::Enum(it) => format!("{:?}", it.values.first()?.name),
        TypeKind::Int(_) => "0".to_owned(),
        TypeKind::List(_) => "[]".to_owned(),
        TypeKind::Map(_) => "{}".to_owned(),
        TypeKind::String => "\"\"".to_owned(),
        TypeKind::Timestamp => "timestamp(0)".to_owned(),
        TypeKind::Any
        | TypeKind::Json(_)
        | TypeKind::Message(_)
        | TypeKind::Null
        | TypeKind::Object(_)
        | TypeKind::ProtoAny(_)
        | TypeKind::Selected(..)
        | TypeKind::Unknown => return None,
    })
}
