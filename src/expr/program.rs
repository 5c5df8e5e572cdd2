//! Compiled expressions and what they run over.

use super::value::Value;

/// The place of a value in the frames of a composition. Names are unique in a composition, so a slot is a plain number;
/// an inner scope (a `for` element, a `$for`, a macro) has slots above those of the scope around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// Values of one scope, and the scope around it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'f> {
    /// The scope around this one; its slots are all below `base`.
    pub parent: Option<&'f Frame<'f>>,
    /// Slot of `values[0]`.
    pub base: Slot,
    /// The values, by slot.
    pub values: &'f [Value],
}

/// A compiled expression: immutable, without descriptors or text.
#[derive(Clone, Debug)]
pub struct Program {}

/// A failing expression (semantics.md 3.5): only for logs, never for a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// One sentence without values: `integer overflow`, `division by zero`, `list is longer than 100,000`.
    pub reason: &'static str,
    /// Which part of the expression.
    pub span: super::Span,
}

impl Program {
    /// Evaluates over the values in scope.
    pub fn eval(&self, frame: &Frame<'_>) -> Result<Value, Fault> {
        let _ = frame;
        todo!()
    }
}
