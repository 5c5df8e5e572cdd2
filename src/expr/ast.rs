//! The syntax tree of an expression: an arena of nodes, a span on each.

use super::Span;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Ast {}

/// A name that an expression mentions, with the literal steps behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The free name: never a macro's variable.
    pub root: String,
    /// Literal steps behind it, as far as they go (`.a`, `["b"]`): a method call, a computed index or an operator ends them.
    pub path: Vec<String>,
    /// Where the root stands.
    pub span: Span,
    /// Inside `error(…)`: asks about the failure, not the value.
    pub error_only: bool,
}

impl Ast {
    /// Every free name that the expression mentions, in order of appearance.
    pub fn mentions(&self) -> Vec<Mention> {
        todo!()
    }

    /// `Some` where the whole expression is one bare name (`$limit`).
    pub fn as_name(&self) -> Option<&str> {
        todo!()
    }

    /// `Some` where the whole expression is a name and literal steps (`$body.order.id`).
    pub fn as_path(&self) -> Option<Mention> {
        todo!()
    }

    /// True where the whole expression is a literal (`5`, `"x"`, `null`), which is `constant-expression`.
    pub fn is_literal(&self) -> bool {
        todo!()
    }
}
