//! Templates, conditions and expressions as data. Reading them is `template`'s job.

use std::sync::Arc;

use super::{Name, template};
use crate::expr::{Ast, ExprError};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{FileIndex, Span, Spanned, Text};

/// A template: literal JSON, expressions and text, nested.
#[derive(Clone, Debug)]
pub struct Template {
    /// What it is.
    pub kind: TemplateKind,
    /// Its place.
    pub span: Span,
}

/// What a template is.
#[derive(Clone, Debug)]
pub enum TemplateKind {
    /// One expression.
    Expression(Expression),
    /// `$for`.
    For {
        /// The loop variable.
        variable: Name,
        /// The list.
        list: Expression,
        /// `$if` beside it.
        condition: Option<Box<Condition>>,
        /// The rest of the map, or `$value`.
        each: Box<Template>,
    },
    /// `$if` with `$value`, or `$if` in a map: leaves out the member or element that it is.
    If {
        /// The condition.
        condition: Box<Condition>,
        /// The rest of the map, or `$value`.
        then: Box<Template>,
    },
    /// `[…]`.
    List(Vec<Template>),
    /// null, a bool, a number, or text without expressions (`$$` undone).
    Literal(Literal),
    /// `{…}`.
    Object(Vec<Member>),
    /// Text with expressions in it.
    Text(TextTemplate),
    /// Could not be read; a diagnostic said so.
    Unknown,
}

/// A member of a template's object.
#[derive(Clone, Debug)]
pub enum Member {
    /// `name: …` (`$$ref` is `$ref`).
    Field(Name, Template),
    /// `...: $x`, or one of `...: [$a, $b]`.
    Spread(Template),
}

/// Text with expressions in it.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    /// Its parts, in order.
    pub parts: Vec<TextPart>,
    /// Its place.
    pub span: Span,
}

/// A part of text.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// `${…}`.
    Hole(Expression),
    /// Text between, `$$` undone.
    Literal(Arc<str>, Span),
}

/// A scalar that is not text with expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `true`, `false`.
    Bool(bool),
    /// A list, where a literal may be one (defaults).
    List(Vec<Self>),
    /// A JSON number, digits as written.
    Number(Arc<str>),
    /// null.
    Null,
    /// Text.
    Text(Arc<str>),
}

/// Where a condition stands: an expression, or what was written in place of one (`expression-needs-dollar`, `true`).
#[derive(Clone, Debug)]
pub enum Condition {
    /// `$…`.
    Expression(Expression),
    /// A literal bool.
    Literal(Spanned<bool>),
}

/// A parsed expression, with the way back to the file.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The syntax tree.
    pub ast: Arc<Ast>,
    /// The scalar that it stands in.
    pub text: Text,
    /// Where in the scalar's decoded text the expression begins (behind `$` or `${`).
    pub offset: u32,
    /// Where in the scalar's decoded text it ends.
    pub end: u32,
    /// The file.
    pub file: FileIndex,
}

impl Expression {
    /// The place in the file of a part of the expression.
    pub fn span(&self, part: crate::expr::Span) -> Span {
        self.text
            .span(self.file, self.offset + part.start, self.offset + part.end)
    }

    /// The place of the whole expression, without its `$`.
    pub fn whole(&self) -> Span {
        self.text.span(self.file, self.offset, self.end)
    }

    /// The diagnostic of a mistake in the expression, at its place in the file.
    pub fn diagnostic(&self, error: ExprError) -> Diagnostic {
        let span = self.span(error.span);
        template::from_error(error, span)
    }

    /// The expression as written, without its `$`.
    pub fn source(&self) -> &str {
        self.text
            .value
            .get(self.offset as usize..self.end as usize)
            .unwrap_or_default()
    }
}
