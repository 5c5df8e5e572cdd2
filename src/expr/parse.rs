//! Text → [`Ast`]: a lexer and a Pratt parser with spans and bounded depth.
//!
//! Owns the grammar of the language: CEL without message construction, optional syntax and names with a leading dot,
//! each refused by name. Leaves names, types and functions to `check`. Gives one error, at the first place that cannot
//! be read. Invariant: an [`Ast`] is at most [`MAX_HEIGHT`] nodes high, so that whoever walks it may recurse.

mod lexer;
mod mistake;
mod primary;

use self::lexer::{Kind, Lexer, Token, span};
use self::mistake::syntax;
use super::ast::{Node, NodeId, Operator};
use super::{Ast, ExprError, Span};

/// Longest expression, in bytes (semantics.md 9).
pub const MAX_BYTES: usize = 4096;

/// How deeply parentheses, brackets, arguments and conditionals may nest (semantics.md 9).
pub const MAX_NESTING: usize = 32;

/// How high a tree may be with the links of chains (`a.b.c`, `1 + 2 + 3`) counted; `&&` and `||` do not count theirs.
pub const MAX_HEIGHT: u16 = 100;

/// Words that CEL reserves: no names, but legal behind a dot.
pub const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Parses a whole expression.
///
/// ```
/// use weft::expr::parse;
///
/// assert_eq!(parse("limit").unwrap().as_name(), Some("limit"));
/// let mistake = parse("a = b").unwrap_err();
/// assert_eq!(mistake.help.as_deref(), Some("a == b"));
/// ```
pub fn parse(text: &str) -> Result<Ast, ExprError> {
    if text.len() > MAX_BYTES {
        return Err(ExprError {
            code: "too-complex",
            label: "make a part of it a `value:` call".to_owned(),
            ..syntax(
                span(0, text.len()),
                format!("this expression is longer than {MAX_BYTES} bytes"),
            )
        });
    }
    let mut parser = Parser::new(text)?;
    if parser.token.kind == Kind::End {
        return Err(syntax(parser.token.span, "this expression is empty"));
    }
    let root = parser.expression()?;
    if parser.token.kind != Kind::End {
        return Err(parser.unexpected("an operator"));
    }
    parser.ast.root = root;
    Ok(parser.ast)
}

/// Where a `${…}` hole that opens at `open` (the byte behind `${`) ends: the offset of the brace that the lexer finds
/// unmatched, so that braces and quotes inside the expression do not count. `None` where it never closes.
///
/// ```
/// use weft::expr::parse::hole_end;
///
/// assert_eq!(hole_end("${a + '}'} b", 2), Some(9));
/// assert_eq!(hole_end("${a", 2), None);
/// ```
pub fn hole_end(text: &str, open: usize) -> Option<usize> {
    let mut lexer = Lexer::new(text, open);
    let mut depth = 0_usize;
    loop {
        // What the lexer refuses is reported by the parser, once it is known where the hole ends.
        let Ok(token) = lexer.next() else { continue };
        match token.kind {
            Kind::End => return None,
            Kind::Sign("{") => depth += 1,
            Kind::Sign("}") if depth == 0 => return Some(token.span.start as usize),
            Kind::Sign("}") => depth -= 1,
            _ => {}
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    token: Token,
    /// End of the token before.
    end: u32,
    nesting: usize,
    ast: Ast,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, ExprError> {
        let token = Token {
            kind: Kind::End,
            span: Span::default(),
        };
        let mut parser = Self {
            text,
            lexer: Lexer::new(text, 0),
            token,
            end: 0,
            nesting: 0,
            ast: Ast::new(text),
        };
        parser.advance()?;
        Ok(parser)
    }

    // === tokens ===

    fn advance(&mut self) -> Result<(), ExprError> {
        self.end = self.token.span.end;
        self.token = self.lexer.next()?;
        if self.token.kind == Kind::Sign("$") {
            return Err(self.dollar_inside());
        }
        Ok(())
    }

    fn slice(&self, at: Span) -> &'t str {
        &self.text[at.start as usize..at.end as usize]
    }

    fn is(&self, sign: &'static str) -> bool {
        self.token.kind == Kind::Sign(sign)
    }

    fn eat(&mut self, sign: &'static str) -> Result<bool, ExprError> {
        let found = self.is(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &'static str, wanted: &str) -> Result<(), ExprError> {
        if self.eat(sign)? {
            Ok(())
        } else {
            Err(self.unexpected(wanted))
        }
    }

    // === nodes ===

    fn push(&mut self, node: Node, start: u32) -> Result<NodeId, ExprError> {
        let at = Span { start, end: self.end };
        self.ast.push(node, at, MAX_HEIGHT).ok_or_else(|| ExprError {
            code: "too-complex",
            label: "make a part of it a `value:` call".to_owned(),
            ..syntax(at, format!("this expression has more than {MAX_HEIGHT} links in a row"))
        })
    }

    fn start(&self, id: NodeId) -> u32 {
        self.ast.outer(id).start
    }

    // === grammar ===

    fn expression(&mut self) -> Result<NodeId, ExprError> {
        // One more than the language's limit, as the outermost expression is not nested in anything.
        if self.nesting > MAX_NESTING {
            return Err(ExprError {
                code: "too-complex",
                label: "make a part of it a `value:` call".to_owned(),
                ..syntax(
                    self.token.span,
                    format!("this expression is nested deeper than {MAX_NESTING}"),
                )
            });
        }
        self.nesting += 1;
        let parsed = self.conditional();
        self.nesting -= 1;
        parsed
    }

    /// `a ?? b`, as `default(a, b)`; none where it is a part of something else.
    fn with_default(&self, left: NodeId, sign: Span) -> Option<String> {
        let start = self.start(left) as usize;
        let left = self.text.get(start..sign.start as usize)?.trim();
        let right = self.text.get(sign.end as usize..)?;
        let right = right.replace("??", ",").replace("?:", ",");
        let is_whole = self.text.get(..start)?.trim().is_empty() && !right.trim().is_empty();
        let right: Vec<&str> = right.split(',').map(str::trim).collect();
        is_whole.then(|| format!("default({left}, {})", right.join(", ")))
    }

    fn conditional(&mut self) -> Result<NodeId, ExprError> {
        let condition = self.binary(0)?;
        if !self.is("?") {
            return Ok(condition);
        }
        let question = self.token.span;
        self.advance()?;
        if self.is(".") || self.is("[") && self.text[question.end as usize..].starts_with('[') {
            return Err(self.optional_syntax(question));
        }
        if self.is("?") || self.is(":") {
            let both = Span {
                start: question.start,
                end: self.token.span.end,
            };
            let what = format!("`{}`", self.slice(both));
            let cut = Self::cut(both, &what, "write `default(x, y)`");
            return Err(ExprError {
                help: self.with_default(condition, both),
                ..cut
            });
        }
        let yes = self.binary(0)?;
        self.expect(":", "`:` and what holds otherwise")?;
        let no = self.expression()?;
        let start = self.start(condition);
        self.push(Node::Conditional { condition, yes, no }, start)
    }

    /// The operator that stands here and how tightly it binds.
    fn operator(&self) -> Option<(u8, Operator)> {
        Some(match self.token.kind {
            Kind::Sign("||") => (1, Operator::Or),
            Kind::Sign("&&") => (2, Operator::And),
            Kind::Sign("<") => (3, Operator::Less),
            Kind::Sign("<=") => (3, Operator::LessOrEqual),
            Kind::Sign(">") => (3, Operator::Greater),
            Kind::Sign(">=") => (3, Operator::GreaterOrEqual),
            Kind::Sign("==") => (3, Operator::Equal),
            Kind::Sign("!=") => (3, Operator::NotEqual),
            Kind::Name if self.slice(self.token.span) == "in" => (3, Operator::In),
            Kind::Sign("+") => (4, Operator::Add),
            Kind::Sign("-") => (4, Operator::Subtract),
            Kind::Sign("*") => (5, Operator::Multiply),
            Kind::Sign("/") => (5, Operator::Divide),
            Kind::Sign("%") => (5, Operator::Remainder),
            _ => return None,
        })
    }

    fn binary(&mut self, at_least: u8) -> Result<NodeId, ExprError> {
        let mut left = self.unary()?;
        while let Some((binding, operator)) = self.operator() {
            if binding <= at_least {
                break;
            }
            let at = self.token.span;
            self.advance()?;
            let right = self.binary(binding)?;
            let start = self.start(left);
            if matches!(operator, Operator::And | Operator::Or) {
                // Chains of `&&` and of `||` become one node, which keeps long conditions flat.
                if self.ast.outer(left) == self.ast.span(left) && self.ast.extend_chain(left, operator, right, self.end)
                {
                    continue;
                }
                left = self.push(
                    Node::Logic {
                        operator,
                        operands: vec![left, right],
                    },
                    start,
                )?;
            } else {
                left = self.push(
                    Node::Binary {
                        operator,
                        at,
                        left,
                        right,
                    },
                    start,
                )?;
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<NodeId, ExprError> {
        let start = self.token.span.start;
        let Kind::Sign(sign @ ("!" | "-")) = self.token.kind else {
            return self.member(None);
        };
        let mut odd = false;
        let mut last = start;
        while self.is(sign) {
            last = self.token.span.start;
            odd = !odd;
            self.advance()?;
        }
        if sign == "-" && matches!(self.token.kind, Kind::Int | Kind::Double) {
            // The innermost minus belongs to the number, so that the smallest integer can be written.
            let number = self.member(Some(last))?;
            return if odd {
                Ok(number)
            } else {
                self.push(Node::Negate(number), start)
            };
        }
        let operand = if sign == "!" && self.is("-") {
            self.unary()?
        } else {
            self.member(None)?
        };
        match (sign, odd) {
            (_, false) => {
                self.ast.set_outer(operand, Span { start, end: self.end });
                Ok(operand)
            }
            ("!", true) => self.push(Node::Not(operand), start),
            _ => self.push(Node::Negate(operand), start),
        }
    }

    fn member(&mut self, minus: Option<u32>) -> Result<NodeId, ExprError> {
        let mut of = self.primary(minus)?;
        loop {
            let start = self.start(of);
            if self.is(".") {
                self.advance()?;
                let name = self.token;
                match name.kind {
                    Kind::Sign("?") => return Err(self.optional_syntax(name.span)),
                    Kind::Quoted => return Err(self.quoted_name()),
                    Kind::Name if matches!(self.slice(name.span), "in" | "true" | "false" | "null") => {
                        let dot = span(name.span.start as usize - 1, name.span.end as usize);
                        return Err(ExprError {
                            label: "a keyword".to_owned(),
                            help: Some(self.rewritten(dot, &format!("[\"{}\"]", self.slice(name.span)))),
                            ..syntax(name.span, format!("`{}` is a keyword", self.slice(name.span)))
                        });
                    }
                    Kind::Name => {}
                    _ => return Err(self.unexpected("a field or method name")),
                }
                self.advance()?;
                let field = self.slice(name.span).to_owned();
                of = if self.is("(") {
                    let args = self.arguments()?;
                    self.push(
                        Node::Call {
                            target: Some(of),
                            name: field,
                            at: name.span,
                            args,
                        },
                        start,
                    )?
                } else {
                    self.push(
                        Node::Select {
                            of,
                            field,
                            at: name.span,
                        },
                        start,
                    )?
                };
            } else if self.is("[") {
                self.advance()?;
                if self.is("?") {
                    return Err(self.optional_syntax(self.token.span));
                }
                let index = self.expression()?;
                self.expect("]", "`]`")?;
                of = self.push(Node::Index { of, index }, start)?;
            } else if self.is("{") && matches!(self.ast.node(of), Node::Name(_) | Node::Select { .. }) {
                let at = Span {
                    start,
                    end: self.token.span.end,
                };
                return Err(Self::cut(
                    at,
                    "message construction",
                    "a template or a map literal makes messages",
                ));
            } else {
                return Ok(of);
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<NodeId>, ExprError> {
        self.advance()?;
        let mut args = Vec::new();
        if self.eat(")")? {
            return Ok(args);
        }
        loop {
            args.push(self.expression()?);
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")", "`)` or `,`")?;
        Ok(args)
    }
}

#[cfg(test)]
mod tests;
