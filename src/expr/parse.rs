//! Text → [`Ast`]: a lexer and a Pratt parser with spans and bounded depth.
//!
//! Owns the grammar of the language: CEL without message construction, optional syntax and names with a leading dot,
//! each refused by name. Leaves names, types and functions to `check`. Gives one error, at the first place that cannot
//! be read. Invariant: an [`Ast`] is at most [`MAX_HEIGHT`] nodes high, so that whoever walks it may recurse.

mod lexer;

use self::lexer::{Kind, Lexer, Token, span};
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

/// A mistake of form.
fn syntax(at: Span, title: impl Into<String>) -> ExprError {
    ExprError {
        code: "syntax",
        span: at,
        title: title.into(),
        label: String::new(),
        help: None,
        note: None,
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

    // === mistakes ===

    fn dollar_inside(&self) -> ExprError {
        ExprError {
            code: "dollar-inside",
            label: "names inside an expression carry no `$`".to_owned(),
            help: Some(without_dollars(self.text)),
            ..syntax(self.token.span, "`$` inside an expression")
        }
    }

    /// The expression with one part written differently.
    fn rewritten(&self, at: Span, with: &str) -> String {
        format!(
            "{}{with}{}",
            &self.text[..at.start as usize],
            &self.text[at.end as usize..]
        )
    }

    /// What stands here does not belong here.
    fn unexpected(&self, wanted: &str) -> ExprError {
        let at = self.token.span;
        let found = self.slice(at);
        if self.token.kind == Kind::End {
            return ExprError {
                label: format!("expected {wanted}"),
                ..syntax(at, format!("the expression ends where {wanted} should stand"))
            };
        }
        let mut error = ExprError {
            label: format!("expected {wanted}"),
            ..syntax(at, format!("unexpected `{}`", shortened(found)))
        };
        let replacement = match found {
            "=" if self.text[..at.start as usize].ends_with("==") => Some(("", "`==` compares")),
            "=" => Some(("==", "`==` compares")),
            "&" | "and" => Some(("&&", "`&&` is and")),
            "|" | "or" => Some(("||", "`||` is or")),
            _ => None,
        };
        if let Some((sign, label)) = replacement {
            label.clone_into(&mut error.label);
            error.help = Some(self.rewritten(at, sign));
        } else if self.token.kind == Kind::Name || self.is("(") || self.is("!") {
            let before = self.text[..at.start as usize].trim_end();
            if before == "not" || before.ends_with(" not") || before.ends_with("(not") {
                let not = span(before.len() - 3, at.start as usize);
                "`!` is not".clone_into(&mut error.label);
                error.help = Some(self.rewritten(not, "!"));
            }
        }
        error
    }

    /// CEL that this language does without.
    fn cut(at: Span, what: &str, instead: &str) -> ExprError {
        ExprError {
            label: instead.to_owned(),
            ..syntax(at, format!("{what} is not part of this language"))
        }
    }

    fn optional_syntax(&self, at: Span) -> ExprError {
        ExprError {
            help: Some(self.rewritten(at, "")),
            ..Self::cut(
                at,
                "optional syntax (`?.`, `[?…]`)",
                "a path is null where anything on it is null",
            )
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
            return Err(Self::cut(both, &what, "write `default(x, y)`"));
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

    /// A name between backticks behind a dot.
    fn quoted_name(&self) -> ExprError {
        let at = self.token.span;
        let name = self.slice(at).trim_matches('`');
        let dot = span((at.start as usize).saturating_sub(1), at.end as usize);
        ExprError {
            help: Some(self.rewritten(dot, &format!("[\"{name}\"]"))),
            ..Self::cut(at, "a name between backticks", "write it as a key")
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

    fn primary(&mut self, minus: Option<u32>) -> Result<NodeId, ExprError> {
        let token = self.token;
        let start = minus.unwrap_or(token.span.start);
        let node = match token.kind {
            Kind::Int | Kind::Uint => self.integer(minus.is_some())?,
            Kind::Double => match self.slice(token.span).parse::<f64>() {
                Ok(number) if number.is_finite() => Node::Double(if minus.is_some() { -number } else { number }),
                _ => return Err(syntax(token.span, "this number does not fit a double")),
            },
            Kind::String => {
                let content = lexer::content(token, self.text)?;
                match String::from_utf8(content) {
                    Ok(content) => Node::String(content),
                    Err(_) => return Err(syntax(token.span, "this text is not UTF-8")),
                }
            }
            Kind::Bytes => Node::Bytes(lexer::content(token, self.text)?),
            Kind::Sign("(") => {
                self.advance()?;
                let inner = self.expression()?;
                self.expect(")", "`)`")?;
                self.ast.set_outer(inner, Span { start, end: self.end });
                return Ok(inner);
            }
            Kind::Sign("[") => return self.list(),
            Kind::Sign("{") => return self.map(),
            Kind::Sign(".") => {
                return Err(Self::cut(token.span, "a name with a leading dot", "names stand alone"));
            }
            Kind::Quoted => return Err(self.quoted_name()),
            Kind::Name => return self.name(),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        self.push(node, start)
    }

    fn integer(&self, negative: bool) -> Result<Node, ExprError> {
        let written = self.slice(self.token.span);
        let digits = written.trim_end_matches(['u', 'U']);
        let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => (16, hex),
            None => (10, digits),
        };
        let value = i128::from_str_radix(digits, radix)
            .ok()
            .map(|it| if negative { -it } else { it });
        let node = match self.token.kind {
            Kind::Uint => value.and_then(|it| u64::try_from(it).ok()).map(Node::Uint),
            _ => value.and_then(|it| i64::try_from(it).ok()).map(Node::Int),
        };
        node.ok_or_else(|| {
            let unsigned = value.and_then(|it| u64::try_from(it).ok());
            ExprError {
                label: "an integer has 64 bits".to_owned(),
                help: unsigned.map(|it| self.rewritten(self.token.span, &format!("{it}u"))),
                ..syntax(
                    self.token.span,
                    format!("`{}` does not fit an integer", shortened(written)),
                )
            }
        })
    }

    fn list(&mut self) -> Result<NodeId, ExprError> {
        let start = self.token.span.start;
        self.advance()?;
        let mut items = Vec::new();
        while !self.is("]") {
            if self.is("?") {
                return Err(self.optional_syntax(self.token.span));
            }
            items.push(self.expression()?);
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("]", "`]` or `,`")?;
        self.push(Node::List(items), start)
    }

    fn map(&mut self) -> Result<NodeId, ExprError> {
        let start = self.token.span.start;
        self.advance()?;
        let mut entries = Vec::new();
        while !self.is("}") {
            if self.is("?") {
                return Err(self.optional_syntax(self.token.span));
            }
            let key = self.expression()?;
            self.expect(":", "`:` and the value of this key")?;
            entries.push((key, self.expression()?));
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("}", "`}` or `,`")?;
        self.push(Node::Map(entries), start)
    }

    fn name(&mut self) -> Result<NodeId, ExprError> {
        let token = self.token;
        let start = token.span.start;
        let name = self.slice(token.span);
        let node = match name {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "null" => Node::Null,
            "in" => return Err(self.unexpected("a value")),
            _ if RESERVED.contains(&name) => {
                return Err(ExprError {
                    label: "rename it".to_owned(),
                    ..syntax(token.span, format!("`{name}` is reserved by CEL and cannot be a name"))
                });
            }
            _ => {
                self.advance()?;
                if self.is("(") {
                    let args = self.arguments()?;
                    let call = Node::Call {
                        target: None,
                        name: name.to_owned(),
                        at: token.span,
                        args,
                    };
                    return self.push(call, start);
                }
                return self.push(Node::Name(name.to_owned()), start);
            }
        };
        self.advance()?;
        self.push(node, start)
    }
}

/// At most 40 characters of what was written.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

/// The expression without the dollars that stand before names; strings keep theirs.
fn without_dollars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lexer = Lexer::new(text, 0);
    let mut copied = 0;
    loop {
        let Ok(token) = lexer.next() else { continue };
        match token.kind {
            Kind::End => break,
            Kind::Sign("$") => {
                out.push_str(&text[copied..token.span.start as usize]);
                copied = token.span.end as usize;
            }
            _ => {}
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with every operation in parentheses.
    fn shape(ast: &Ast, id: NodeId) -> String {
        let all = |ids: &[NodeId]| ids.iter().map(|&it| shape(ast, it)).collect::<Vec<_>>().join(" ");
        match ast.node(id) {
            Node::Binary {
                operator, left, right, ..
            } => {
                format!("({operator:?} {} {})", shape(ast, *left), shape(ast, *right))
            }
            Node::Bool(it) => it.to_string(),
            Node::Bytes(it) => format!("{it:?}"),
            Node::Call {
                target: None,
                name,
                args,
                ..
            } => format!("({name} {})", all(args)),
            Node::Call {
                target: Some(target),
                name,
                args,
                ..
            } => {
                format!("({}.{name} {})", shape(ast, *target), all(args))
            }
            Node::Conditional { condition, yes, no } => {
                format!("(? {})", all(&[*condition, *yes, *no]))
            }
            Node::Double(it) => format!("{it:?}"),
            Node::Index { of, index } => format!("{}[{}]", shape(ast, *of), shape(ast, *index)),
            Node::Int(it) => it.to_string(),
            Node::List(items) => format!("[{}]", all(items)),
            Node::Logic { operator, operands } => format!("({operator:?} {})", all(operands)),
            Node::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(k, v)| format!("{}:{}", shape(ast, *k), shape(ast, *v)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
            Node::Name(it) => it.clone(),
            Node::Negate(it) => format!("(- {})", shape(ast, *it)),
            Node::Not(it) => format!("(! {})", shape(ast, *it)),
            Node::Null => "null".to_owned(),
            Node::Select { of, field, .. } => format!("{}.{field}", shape(ast, *of)),
            Node::String(it) => format!("{it:?}"),
            Node::Uint(it) => format!("{it}u"),
        }
    }

    fn parsed(text: &str) -> String {
        match parse(text) {
            Ok(ast) => shape(&ast, ast.root()),
            Err(error) => format!(
                "{}: {} @{:?} <{}> help {:?}",
                error.code,
                error.title,
                &text[error.span.start as usize..error.span.end as usize],
                error.label,
                error.help
            ),
        }
    }

    #[test]
    fn operators_bind_as_cel_says() {
        for (text, wanted) in [
            ("a + b * c", "(Add a (Multiply b c))"),
            ("a - b - c", "(Subtract (Subtract a b) c)"),
            ("(a - b) % c", "(Remainder (Subtract a b) c)"),
            ("a || b && c || d", "(Or a (And b c) d)"),
            ("a && b && c && d", "(And a b c d)"),
            ("a && (b && c)", "(And a (And b c))"),
            ("(a && b) && c", "(And (And a b) c)"),
            ("a == b && c < d + 1", "(And (Equal a b) (Less c (Add d 1)))"),
            ("a ? b : c ? d : e", "(? a b (? c d e))"),
            ("!a.b", "(! a.b)"),
            ("!!a", "a"),
            ("-a.b", "(- a.b)"),
            ("--a", "a"),
            ("-5", "-5"),
            ("--5", "(- -5)"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1-1", "(Subtract 1 1)"),
            ("x in [1, 2]", "(In x [1 2])"),
            ("\"x\" in m", "(In \"x\" m)"),
        ] {
            assert_eq!(parsed(text), wanted, "{text}");
        }
    }

    #[test]
    fn members_calls_and_literals_are_read() {
        for (text, wanted) in [
            ("a.b[0][\"c-d\"].e(f, 1).g", "(a.b[0][\"c-d\"].e f 1).g"),
            ("f()", "(f )"),
            ("a.package.namespace", "a.package.namespace"),
            ("{\"a\": 1, \"b\": [true, null,],}", "{\"a\":1 \"b\":[true null]}"),
            ("({\"a\": 1}).a", "{\"a\":1}.a"),
            ("0xFFu", "255u"),
            ("-0x10", "-16"),
            (".5e1", "5.0"),
            ("1e3", "1000.0"),
            ("'a\\n\\x41\\u00e9\\U0001F600\\101\\?'", "\"a\\nAé😀A?\""),
            ("r'a\\n'", "\"a\\\\n\""),
            ("\"\"\"a\"b\r\nc\"\"\"", "\"a\\\"b\\nc\""),
            ("b'\\xff\\377é'", "[255, 255, 195, 169]"),
            ("a // the rest is a comment", "a"),
        ] {
            assert_eq!(parsed(text), wanted, "{text}");
        }
    }

    #[test]
    fn one_mistake_gives_one_message_with_help() {
        for (text, wanted) in [
            ("", "syntax: this expression is empty @\"\" <> help None"),
            (
                "a =",
                "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a ==\")",
            ),
            (
                "a = b",
                "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a == b\")",
            ),
            (
                "a === b",
                "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a == b\")",
            ),
            (
                "a and b",
                "syntax: unexpected `and` @\"and\" <`&&` is and> help Some(\"a && b\")",
            ),
            (
                "a | b",
                "syntax: unexpected `|` @\"|\" <`||` is or> help Some(\"a || b\")",
            ),
            ("not a", "syntax: unexpected `a` @\"a\" <`!` is not> help Some(\"!a\")"),
            (
                "a == $b.c && '$x' != $d",
                "dollar-inside: `$` inside an expression @\"$\" <names inside an expression carry no `$`> \
                 help Some(\"a == b.c && '$x' != d\")",
            ),
            (
                "a.?b",
                "syntax: optional syntax (`?.`, `[?…]`) is not part of this language @\"?\" \
                 <a path is null where anything on it is null> help Some(\"a.b\")",
            ),
            (
                "a?.b",
                "syntax: optional syntax (`?.`, `[?…]`) is not part of this language @\"?\" \
                 <a path is null where anything on it is null> help Some(\"a.b\")",
            ),
            (
                "a ?? b",
                "syntax: `??` is not part of this language @\"??\" <write `default(x, y)`> help None",
            ),
            (
                "shop.Money{units: 1}",
                "syntax: message construction is not part of this language @\"shop.Money{\" \
                 <a template or a map literal makes messages> help None",
            ),
            (
                ".a",
                "syntax: a name with a leading dot is not part of this language @\".\" <names stand alone> help None",
            ),
            (
                "a.`b-c`",
                "syntax: a name between backticks is not part of this language @\"`b-c`\" <write it as a key> \
                 help Some(\"a[\\\"b-c\\\"]\")",
            ),
            (
                "a.in",
                "syntax: `in` is a keyword @\"in\" <a keyword> help Some(\"a[\\\"in\\\"]\")",
            ),
            (
                "for",
                "syntax: `for` is reserved by CEL and cannot be a name @\"for\" <rename it> help None",
            ),
            (
                "(a",
                "syntax: the expression ends where `)` should stand @\"\" <expected `)`> help None",
            ),
            (
                "f(a b)",
                "syntax: unexpected `b` @\"b\" <expected `)` or `,`> help None",
            ),
            (
                "a ? b",
                "syntax: the expression ends where `:` and what holds otherwise should stand @\"\" <expected `:` and what holds otherwise> help None",
            ),
            ("'a", "syntax: this text has no closing quote @\"'a\" <> help None"),
            ("'\\q'", "syntax: unknown escape `\\q` @\"\\\\q\" <> help None"),
            (
                "'\\ud800'",
                "syntax: this escape is not a character @\"\\\\ud800\" <> help None",
            ),
            ("a # b", "syntax: unexpected character `#` @\"#\" <> help None"),
            (
                "9223372036854775808",
                "syntax: `9223372036854775808` does not fit an integer @\"9223372036854775808\" \
                 <an integer has 64 bits> help Some(\"9223372036854775808u\")",
            ),
            (
                "1e999",
                "syntax: this number does not fit a double @\"1e999\" <> help None",
            ),
        ] {
            assert_eq!(parsed(text), wanted, "{text}");
        }
    }

    #[test]
    fn spans_cover_what_was_written() {
        let ast = parse("(a + b).c == x.size()").unwrap();
        let Node::Binary { at, left, right, .. } = ast.node(ast.root()) else {
            panic!("an operator")
        };
        assert_eq!((at.start, at.end), (10, 12));
        assert_eq!(ast.text_of(*left), "(a + b).c");
        assert_eq!(ast.text_of(*right), "x.size()");
        let Node::Select { of, .. } = ast.node(*left) else {
            panic!("a field")
        };
        assert_eq!(ast.text_of(*of), "a + b");
    }

    #[test]
    fn limits_hold_without_deep_recursion() {
        let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(MAX_NESTING)).is_ok());
        assert_eq!(parse(&deep(MAX_NESTING + 1)).unwrap_err().code, "too-complex");
        for text in [
            "[".repeat(4000),
            "!".repeat(4000),
            "a?".repeat(1300),
            format!("a{}", ".b".repeat(2000)),
            format!("a{}", "[0]".repeat(1300)),
            format!("a{}", ".b()".repeat(1000)),
            format!("1{}", "+1".repeat(2000)),
            "1".repeat(5000),
        ] {
            assert!(parse(&text).is_err(), "{}…", &text[..20]);
        }
        assert!(parse(&format!("a{}", "||a".repeat(1300))).is_ok());
        assert!(parse(&format!("a{}", ".b".repeat(90))).is_ok());
    }

    #[test]
    fn holes_end_where_the_lexer_says() {
        for (text, wanted) in [
            ("${a} b", Some(3)),
            ("${ {\"a\": {}}[\"a\"] }x", Some(18)),
            ("${'}'}", Some(5)),
            ("${\"\\\"}\"}", Some(7)),
            ("${a # $ b}", Some(9)),
            ("${a", None),
            ("${'a}", None),
            ("${a + '}", None),
        ] {
            assert_eq!(hole_end(text, 2), wanted, "{text}");
        }
    }

    #[test]
    fn mentions_are_free_names_with_literal_steps() {
        let mentions = |text: &str| -> Vec<String> {
            let ast = parse(text).unwrap();
            let shown = ast.mentions().into_iter().map(|it| {
                let error = if it.error_only { "!" } else { "" };
                let path: Vec<&str> = [&*it.root].into_iter().chain(it.path.iter().map(|it| &**it)).collect();
                format!("{error}{}", path.join("."))
            });
            shown.collect()
        };
        for (text, wanted) in [
            ("a.b.c + a.d[0].e", vec!["a.b.c", "a.d"]),
            ("request.headers[\"x-y\"]", vec!["request.headers.x-y"]),
            ("l.map(r, r.id + x.y).size()", vec!["l", "x.y"]),
            ("l.filter(r, r.a).map(r, m[r.k].n)", vec!["l", "m"]),
            ("l.sort_by(v, v.k).group_by(v, v.k)", vec!["l"]),
            ("l.map(r, r.n > 0, r.n)", vec!["l"]),
            (
                "has(a.b) && error(c) != null ? error(c).code : ''",
                vec!["a.b", "!c", "!c"],
            ),
            ("math.abs(a) + base64.encode(b).size()", vec!["a", "b"]),
            ("a.pick('x')", vec!["a"]),
            ("\"x\" in body.tags", vec!["body.tags"]),
            ("r.map(x, r)", vec!["r", "r"]),
        ] {
            assert_eq!(mentions(text), wanted, "{text}");
        }
    }

    #[test]
    fn whole_expressions_are_told_apart() {
        let ast = |text: &str| parse(text).unwrap();
        assert_eq!(ast("limit").as_name(), Some("limit"));
        assert_eq!(ast("(limit)").as_name(), Some("limit"));
        assert_eq!(ast("a.b").as_name(), None);
        let path = ast("body.order[\"id\"]").as_path().unwrap();
        assert_eq!(
            (&*path.root, path.path),
            ("body", vec!["order".to_owned(), "id".to_owned()])
        );
        assert!(ast("a[0]").as_path().is_none());
        assert!(ast("-5").is_literal() && ast("null").is_literal() && ast("'x'").is_literal());
        assert!(!ast("[1]").is_literal() && !ast("1 + 1").is_literal());
        let call = ast("given_fields(body)");
        assert_eq!(call.as_call().map(|it| (it.0, it.1.len())), Some(("given_fields", 1)));
    }
}
