//! Typing: names, paths, operators, functions, null and narrowing (semantics.md 1–3), and lowering to a [`Program`].

use std::collections::BTreeSet;

use super::Span;
use super::ast::Ast;
use super::program::{Program, Slot};
use super::types::Type;
use super::value::Value;

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
    /// Text that the user can paste in place of the whole expression or part.
    pub help: Option<String>,
    /// "hipstershop.Product is defined in descriptors/demo.proto:98".
    pub note: Option<String>,
}

/// Types an expression and lowers it. `facts` are known to hold where it stands. All mistakes are returned, not the first.
pub fn check(ast: &Ast, names: &dyn Resolve, facts: &Facts) -> Result<Checked, Vec<ExprError>> {
    let _ = (ast, names, facts);
    todo!()
}

/// As [`check`], for a `${…}` in text: the program gives a string, as `string(x)` writes it (semantics.md 2.3).
pub fn check_text(ast: &Ast, names: &dyn Resolve, facts: &Facts) -> Result<Checked, Vec<ExprError>> {
    let _ = (ast, names, facts);
    todo!()
}
