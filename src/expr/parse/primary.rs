//! What an expression is put together from: literals, names, lists, maps, brackets.

use super::lexer::{self, Kind};
use super::mistake::{shortened, syntax};
use super::{Parser, RESERVED};
use crate::expr::ast::{Node, NodeId};
use crate::expr::{ExprError, Span};

impl Parser<'_> {
    pub(super) fn primary(&mut self, minus: Option<u32>) -> Result<NodeId, ExprError> {
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
