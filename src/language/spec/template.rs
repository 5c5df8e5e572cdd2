//! Templates, expressions, conditions and loops (semantics.md 7.2, 7.5, 7.6).
//!
//! Owns where an expression begins and ends in a scalar, and what the maps with `$for`, `$if`, `$value` and `...` mean.
//! Leaves the expression itself to `expr::parse`. Invariant: each expression knows the way back to its bytes in the file.

use std::sync::Arc;

use super::reader::Reader;
use super::{Condition, Expression, Literal, Member, Name, Template, TemplateKind, TextPart, TextTemplate};
use crate::expr::parse::{hole_end, parse};
use crate::expr::{Ast, ExprError};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Span, Spanned, Text, scalar};

/// How deep templates may be nested (semantics.md 9).
const MAX_DEPTH: usize = 64;

/// What holds a template: whether `$if` has something to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A map or a list.
    ByCollection,
    /// Nothing: it is the whole of a response, a request, a value.
    ByNothing,
}

impl Reader<'_> {
    /// Reads a template. What could not be read is [`TemplateKind::Unknown`].
    pub(super) fn template(&mut self, node: &Node, held: Held) -> Template {
        let span = node.span;
        if self.depth >= MAX_DEPTH {
            let title = format!("this template is nested deeper than {MAX_DEPTH}");
            self.error("too-deep", span, title);
            return Template {
                kind: TemplateKind::Unknown,
                span,
            };
        }
        self.depth += 1;
        let kind = match &node.kind {
            NodeKind::List(items) => {
                TemplateKind::List(items.iter().map(|it| self.template(it, Held::ByCollection)).collect())
            }
            NodeKind::Map(members) => self.object(members, span, held),
            NodeKind::Bool(it) => TemplateKind::Literal(Literal::Bool(*it)),
            NodeKind::Number(digits) => TemplateKind::Literal(Literal::Number(digits.clone())),
            NodeKind::Null => TemplateKind::Literal(Literal::Null),
            NodeKind::Text(text) => self.text_template(text, span),
            NodeKind::Unknown => TemplateKind::Unknown,
        };
        self.depth -= 1;
        Template { kind, span }
    }

    /// Members by name, each a template.
    pub(super) fn templates(&mut self, key: &str, node: &Node) -> Vec<(Name, Template)> {
        let members = self.map(key, node).unwrap_or_default();
        members
            .iter()
            .map(|(name, value)| (unescaped_key(name), self.template(value, Held::ByCollection)))
            .collect()
    }

    fn object(&mut self, members: &[(Spanned<Arc<str>>, Node)], span: Span, held: Held) -> TemplateKind {
        let mut binding = None;
        let mut condition = None;
        let mut value = None;
        let mut fields = Vec::new();
        for (key, node) in members {
            match &*key.value {
                "$for" => binding = Some((key, self.binding("$for", node))),
                "$if" => condition = Some((key, self.condition("$if", node))),
                "$value" => value = Some((key, self.template(node, Held::ByCollection))),
                "..." => self.spread(node, &mut fields),
                spread if spread.starts_with("...$") && matches!(node.kind, NodeKind::Unknown | NodeKind::Null) => {
                    let diagnostic = Diagnostic::new("bad-key", key.span, "what is spread stands behind `...:`");
                    let of = spread.trim_start_matches("...");
                    self.push(diagnostic.help(format!("...: {}", scalar(of))));
                    return TemplateKind::Unknown;
                }
                _ => {
                    let template = self.template(node, Held::ByCollection);
                    fields.push(Member::Field(unescaped_key(key), template));
                }
            }
        }
        let special = binding.as_ref().map(|it| it.0).or(condition.as_ref().map(|it| it.0));
        if let (Some((if_key, _)), None, Held::ByNothing) = (&condition, &binding, held) {
            let diagnostic = Diagnostic::new("root-if", if_key.span, "`$if` has nothing to leave out here");
            self.push(diagnostic.label("nothing holds this; use a conditional expression, or `when` on the call"));
            return TemplateKind::Unknown;
        }
        // Where a value could not be read, what stood behind it may be missing only because of that.
        let is_bare = members
            .iter()
            .all(|(key, node)| key.value.starts_with('$') && !matches!(node.kind, NodeKind::Unknown));
        let body = match (value, special) {
            (Some((key, _)), None) => {
                let diagnostic = Diagnostic::new("misplaced-key", key.span, "`$value` needs `$for` or `$if` beside it");
                self.push(diagnostic.label("write the value itself in place of this map"));
                return TemplateKind::Unknown;
            }
            (Some((key, template)), Some(_)) => {
                if !fields.is_empty() {
                    let diagnostic = Diagnostic::new(
                        "conflicting-keys",
                        key.span,
                        "`$value` and members cannot stand together",
                    );
                    self.push(diagnostic.label("`$value` is the whole element"));
                    return TemplateKind::Unknown;
                }
                template
            }
            (None, Some(key)) if is_bare => {
                let title = format!("`{}` has nothing to make", key.value);
                let diagnostic = Diagnostic::new("missing-key", key.span, title);
                self.push(diagnostic.label("members or `$value` stand beside it"));
                return TemplateKind::Unknown;
            }
            (None, _) => Template {
                kind: TemplateKind::Object(fields),
                span,
            },
        };
        let condition = match condition {
            Some((_, None)) => return TemplateKind::Unknown,
            Some((_, Some(condition))) => Some(Box::new(condition)),
            None => None,
        };
        match (binding, condition) {
            (Some((_, None)), _) => TemplateKind::Unknown,
            (Some((_, Some((variable, list)))), condition) => TemplateKind::For {
                variable,
                list,
                condition,
                each: Box::new(body),
            },
            (None, Some(condition)) => TemplateKind::If {
                condition,
                then: Box::new(body),
            },
            (None, None) => body.kind,
        }
    }

    fn spread(&mut self, node: &Node, fields: &mut Vec<Member>) {
        let items = match &node.kind {
            NodeKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            let template = self.template(item, Held::ByCollection);
            if matches!(template.kind, TemplateKind::Expression(_) | TemplateKind::Unknown) {
                fields.push(Member::Spread(template));
            } else {
                let diagnostic = Diagnostic::new("wrong-type", item.span, "`...` spreads the members of objects");
                self.push(
                    diagnostic
                        .label("an expression, or a list of expressions, stands here")
                        .help("...: $name"),
                );
            }
        }
    }

    // === scalars ===

    fn text_template(&mut self, text: &Text, span: Span) -> TemplateKind {
        match self.whole_expression(text) {
            Whole::Expression(expression) => return TemplateKind::Expression(expression),
            Whole::Mistake => return TemplateKind::Unknown,
            Whole::Text => {}
        }
        let Some(parts) = self.parts(text, 0, text.value.len()) else {
            return TemplateKind::Unknown;
        };
        if parts.iter().any(|it| matches!(it, TextPart::Hole(_))) {
            return TemplateKind::Text(TextTemplate { parts, span });
        }
        let whole: String = parts
            .iter()
            .map(|it| {
                if let TextPart::Literal(text, _) = it {
                    &**text
                } else {
                    ""
                }
            })
            .collect();
        TemplateKind::Literal(Literal::Text(whole.into()))
    }

    /// Whether a scalar is one expression: it begins with `$`, or is one `${…}`.
    fn whole_expression(&mut self, text: &Text) -> Whole {
        let value = &*text.value;
        let Some(behind) = value.strip_prefix('$') else {
            return Whole::Text;
        };
        let (start, end) = match behind.chars().next() {
            Some('$') => return Whole::Text,
            Some('{') => match hole_end(value, 2) {
                Some(end) if end + 1 == value.len() => (2, end),
                _ => return Whole::Text,
            },
            Some(first) if !first.is_whitespace() => (1, value.len()),
            _ => {
                let diagnostic = Diagnostic::new("lone-dollar", self.part(text, 0, 1), "nothing follows this `$`");
                self.push(diagnostic.label("an expression begins right behind it; for the sign itself write `$$`"));
                return Whole::Mistake;
            }
        };
        self.expression(text, start, end)
            .map_or(Whole::Mistake, Whole::Expression)
    }

    /// The parts of a range of a text: what is between the holes, with `$$` undone, and the expressions in them.
    pub(super) fn parts(&mut self, text: &Text, start: usize, end: usize) -> Option<Vec<TextPart>> {
        let value = text.value.get(..end)?;
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut literal_start = start;
        let mut is_sound = true;
        let mut at = start;
        while let Some(found) = value.get(at..).and_then(|rest| rest.find('$')) {
            let dollar = at + found;
            literal.push_str(value.get(at..dollar)?);
            match value.as_bytes().get(dollar + 1) {
                Some(b'{') => {
                    let Some(close) = hole_end(value, dollar + 2) else {
                        let span = self.part(text, dollar, value.len());
                        let diagnostic = Diagnostic::new("unclosed-hole", span, "`${` is never closed");
                        self.push(diagnostic.help("for the two characters themselves write `$${`"));
                        return None;
                    };
                    if !literal.is_empty() {
                        let span = self.part(text, literal_start, dollar);
                        parts.push(TextPart::Literal(std::mem::take(&mut literal).into(), span));
                    }
                    match self.expression(text, dollar + 2, close) {
                        Some(expression) => parts.push(TextPart::Hole(expression)),
                        None => is_sound = false,
                    }
                    at = close + 1;
                    literal_start = at;
                }
                Some(b'$') => {
                    literal.push('$');
                    at = dollar + 2;
                }
                _ => {
                    literal.push('$');
                    at = dollar + 1;
                }
            }
        }
        literal.push_str(value.get(at..)?);
        if !literal.is_empty() {
            parts.push(TextPart::Literal(literal.into(), self.part(text, literal_start, end)));
        }
        is_sound.then_some(parts)
    }

    /// Parses the expression in a range of a text; blanks around it do not count.
    fn expression(&mut self, text: &Text, start: usize, end: usize) -> Option<Expression> {
        let range = text.value.get(start..end)?;
        let offset = start + range.len() - range.trim_start().len();
        let source = range.trim();
        let end = offset + source.len();
        let as_u32 = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let expression = |ast: Ast| Expression {
            ast: Arc::new(ast),
            text: text.clone(),
            offset: as_u32(offset),
            end: as_u32(end),
            file: self.file,
        };
        let expression = match parse(source) {
            Ok(ast) => expression(ast),
            Err(mut error) => {
                let written = (as_u32(offset), as_u32(end));
                error.help = error
                    .help
                    .map(|it| self.sources.rewritten(self.file, text, written, &it));
                let place = |at: u32| offset + at as usize;
                let span = self.part(text, place(error.span.start), place(error.span.end));
                self.push(from_error(error, span));
                return None;
            }
        };
        if expression.ast.is_literal() {
            let in_hole = text.value.get(..start).is_some_and(|before| before.ends_with('{'));
            let label = if in_hole {
                "write it into the text".to_owned()
            } else {
                format!("write it without the `$`; for text that begins with a dollar `$${source}`")
            };
            let title = format!("`{source}` is a literal, not an expression");
            let mut diagnostic = Diagnostic::new("constant-expression", expression.whole(), title).label(label);
            diagnostic.help = (!in_hole).then(|| source.to_owned());
            self.push(diagnostic);
            return None;
        }
        if let Some(mention) = expression.ast.mentions().iter().find(|it| it.root == "env") {
            let diagnostic = Diagnostic::new("unknown-name", expression.span(mention.span), "`env` is no name here")
                .label("`${env.…}` and `${file.…}` exist only in weft.yaml");
            self.push(diagnostic.note("constants of weft.yaml's `vars:` are `vars.name` here"));
            return None;
        }
        Some(expression)
    }

    // === places of their own ===

    /// A node that is one expression.
    pub(super) fn expression_only(&mut self, key: &str, node: &Node, wanted: &str) -> Option<Expression> {
        let NodeKind::Text(text) = &node.kind else {
            self.wrong(key, node, wanted);
            return None;
        };
        match self.whole_expression(text) {
            Whole::Expression(expression) => return Some(expression),
            Whole::Mistake => {}
            Whole::Text if text.value.contains("${") => self.wrong(key, node, wanted),
            Whole::Text => {
                let diagnostic = Diagnostic::new(
                    "expression-needs-dollar",
                    node.span,
                    format!("`{key}` is {wanted}, not text"),
                )
                .label("an expression begins with `$`");
                self.push(diagnostic.help(format!("{key}: {}", scalar(&format!("${}", text.value.trim())))));
            }
        }
        None
    }

    /// A condition: an expression, or a plain `true` or `false`.
    pub(super) fn condition(&mut self, key: &str, node: &Node) -> Option<Condition> {
        if let NodeKind::Bool(it) = node.kind {
            return Some(Condition::Literal(Spanned::new(it, node.span)));
        }
        if let NodeKind::Text(text) = &node.kind
            && let literal @ ("true" | "false") = text.value.trim()
        {
            let title = format!("`{key}` is a condition, not text");
            let diagnostic = Diagnostic::new("expression-needs-dollar", node.span, title);
            self.push(
                diagnostic
                    .label("without quotes it is one")
                    .help(format!("{key}: {literal}")),
            );
            return None;
        }
        self.expression_only(key, node, "a condition")
            .map(Condition::Expression)
    }

    /// `NAME in $LIST`.
    pub(super) fn binding(&mut self, key: &str, node: &Node) -> Option<(Name, Expression)> {
        let NodeKind::Text(text) = &node.kind else {
            self.wrong(key, node, "a loop, `NAME in $LIST`");
            return None;
        };
        let value = &*text.value;
        let name_start = value.len() - value.trim_start().len();
        let name_end = value
            .get(name_start..)?
            .find(char::is_whitespace)
            .map_or(value.len(), |at| name_start + at);
        let name = value.get(name_start..name_end)?;
        let behind = value.get(name_end..)?.trim_start();
        let list = behind
            .strip_prefix("in")
            .filter(|it| it.starts_with(char::is_whitespace))
            .map(str::trim_start);
        let span = self.part(text, name_start, name_end);
        match list {
            Some(list) if list.starts_with('$') && !list.starts_with("$$") && !list.starts_with("${") => {
                let variable = self.name(name, span);
                let start = value.len() - list.len() + 1;
                if value.get(start..)?.trim_start().len() < value.len() - start || start == value.len() {
                    let diagnostic = Diagnostic::new(
                        "lone-dollar",
                        self.part(text, start - 1, start),
                        "nothing follows this `$`",
                    );
                    self.push(diagnostic.label("an expression begins right behind it"));
                    return None;
                }
                let list = self.expression(text, start, value.len())?;
                Some((variable?, list))
            }
            Some(list) if !list.is_empty() && !list.starts_with('$') => {
                let place = self.part(text, value.len() - list.len(), value.trim_end().len());
                let diagnostic = Diagnostic::new(
                    "expression-needs-dollar",
                    place,
                    "the list of a loop is an expression, not text",
                )
                .label("an expression begins with `$`");
                self.push(diagnostic.help(format!("{key}: {}", scalar(&format!("{name} in ${}", list.trim_end())))));
                None
            }
            _ => {
                let diagnostic = Diagnostic::new("bad-for", node.span, format!("`{key}` is not a loop"));
                let mut diagnostic = diagnostic.label("a loop is `NAME in $LIST`");
                // `$list`, and `x of $list` as loops are written elsewhere.
                let of = behind.strip_prefix("of").map(str::trim_start);
                diagnostic.help = match of.filter(|it| it.starts_with('$')) {
                    Some(list) => Some(format!("{name} in {list}")),
                    None if value.starts_with('$') && !value.starts_with("${") => Some(format!("each in {value}")),
                    None => None,
                }
                .map(|it| format!("{key}: {}", scalar(&it)));
                self.push(diagnostic);
                None
            }
        }
    }
}

/// What a scalar is.
enum Whole {
    /// One expression.
    Expression(Expression),
    /// One expression that could not be read.
    Mistake,
    /// Text, maybe with holes.
    Text,
}

/// `$$ref` is the key `$ref`.
pub(super) fn unescaped_key(key: &Spanned<Arc<str>>) -> Name {
    if key.value.contains("$$") {
        Spanned::new(key.value.replace("$$", "$").into(), key.span)
    } else {
        key.clone()
    }
}

/// The diagnostic of a mistake in an expression, at its place in the file.
pub(super) fn from_error(error: ExprError, span: Span) -> Diagnostic {
    Diagnostic {
        label: error.label,
        help: error.help,
        note: error.note.map(Into::into),
        ..Diagnostic::new(error.code, span, error.title)
    }
}
