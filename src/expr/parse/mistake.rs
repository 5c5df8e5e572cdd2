//! What is said of an expression that cannot be read, with the text that was probably meant.

use super::Parser;
use super::lexer::{Kind, Lexer, span};
use crate::expr::{ExprError, Span};

/// A mistake of form.
pub(super) fn syntax(at: Span, title: impl Into<String>) -> ExprError {
    ExprError {
        code: "syntax",
        span: at,
        title: title.into(),
        label: String::new(),
        help: None,
        note: None,
        replaces: at,
    }
}

impl Parser<'_> {
    pub(super) fn dollar_inside(&self) -> ExprError {
        ExprError {
            code: "dollar-inside",
            label: "names inside an expression carry no `$`".to_owned(),
            help: Some(without_dollars(self.text)),
            ..syntax(self.token.span, "`$` inside an expression")
        }
    }

    /// The expression with one part written differently.
    pub(super) fn rewritten(&self, at: Span, with: &str) -> String {
        format!(
            "{}{with}{}",
            &self.text[..at.start as usize],
            &self.text[at.end as usize..]
        )
    }

    /// What stands here does not belong here.
    pub(super) fn unexpected(&self, wanted: &str) -> ExprError {
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
        // `x => …` and `x -> …`, as functions are written elsewhere.
        let before = self.text[..at.start as usize].trim_end();
        let after = &self.text[at.end as usize..];
        let arrow = match found {
            "=" if after.starts_with('>') => Some(span(before.len(), at.end as usize + 1)),
            ">" if before.ends_with('-') => Some(span(before.trim_end_matches('-').trim_end().len(), at.end as usize)),
            _ => None,
        };
        if let Some(arrow) = arrow {
            "a macro takes the name, a comma, and the expression".clone_into(&mut error.label);
            error.help = Some(self.rewritten(arrow, ","));
            return error;
        }
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
            } else if wanted == "an operator" && before.len() < at.start as usize && crate::expr::parse(before).is_ok()
            {
                "text holds values in `${…}`".clone_into(&mut error.label);
            }
        }
        error
    }

    /// CEL that this language does without.
    pub(super) fn cut(at: Span, what: &str, instead: &str) -> ExprError {
        ExprError {
            label: instead.to_owned(),
            ..syntax(at, format!("{what} is not part of this language"))
        }
    }

    pub(super) fn optional_syntax(&self, at: Span) -> ExprError {
        ExprError {
            help: Some(self.rewritten(at, "")),
            ..Self::cut(
                at,
                "optional syntax (`?.`, `[?…]`)",
                "a path is null where anything on it is null",
            )
        }
    }

    /// A name between backticks behind a dot.
    pub(super) fn quoted_name(&self) -> ExprError {
        let at = self.token.span;
        let name = self.slice(at).trim_matches('`');
        let dot = span((at.start as usize).saturating_sub(1), at.end as usize);
        ExprError {
            help: Some(self.rewritten(dot, &format!("[\"{name}\"]"))),
            ..Self::cut(at, "a name between backticks", "write it as a key")
        }
    }
}

/// At most 40 characters of what was written.
pub(super) fn shortened(text: &str) -> String {
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
