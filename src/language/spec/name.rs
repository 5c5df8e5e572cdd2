//! Names of all kinds: of params and calls, backends and fragments, headers, gRPC methods.

use std::sync::Arc;

use super::reader::Reader;
use super::{Name, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, Span, Spanned};

impl Reader<'_> {
    /// A name of section 10: of a param, a call, a variable.
    pub(super) fn name(&mut self, name: &str, span: Span) -> Option<Name> {
        match scalar::check_name(name) {
            Ok(()) => return Some(Spanned::new(name.into(), span)),
            Err(scalar::NameFault::Form) => {
                let mut diagnostic = Diagnostic::new("bad-name", span, format!("`{name}` is not a name"))
                    .label("names are lower-case letters, digits and `_`, a letter first");
                diagnostic.help = scalar::as_name(name.trim_start_matches('$'));
                self.push(diagnostic);
            }
            Err(scalar::NameFault::OfCel) => self.reserved(name, span, "a word of the expression language"),
            Err(scalar::NameFault::Ours) => self.reserved(name, span, "a name with a meaning of its own"),
        }
        None
    }

    fn reserved(&mut self, name: &str, span: Span, what: &str) {
        let diagnostic = Diagnostic::new("reserved-name", span, format!("the name `{name}` is reserved")).label(what);
        self.push(diagnostic.help(format!("{name}_")));
    }

    /// The name of a backend or fragment.
    pub(super) fn label(&mut self, name: &Name) -> Option<Name> {
        if scalar::is_label(&name.value) {
            return Some(name.clone());
        }
        let title = format!("`{}` is not a name", self.written(name.span));
        let diagnostic = Diagnostic::new("bad-name", name.span, title);
        self.push(diagnostic.label("names are lower-case letters, digits, `_` and `-`, a letter first"));
        None
    }

    /// The name of a header that may be set.
    pub(super) fn header_name(&mut self, key: &Spanned<Arc<str>>) -> Option<Name> {
        let name = &*key.value;
        let lower = name.to_ascii_lowercase();
        if scalar::is_own_header(&lower) {
            let diagnostic = Diagnostic::new("bad-header", key.span, format!("the header `{name}` cannot be set"));
            self.push(diagnostic.label("the gateway sets it, or HTTP has no place for it"));
            return None;
        }
        if !scalar::is_header_name(name) {
            let mut diagnostic =
                Diagnostic::new("bad-header", key.span, format!("`{name}` is not the name of a header"))
                    .label("header names are lower-case tokens");
            diagnostic.help = scalar::is_header_name(&lower).then_some(lower);
            self.push(diagnostic);
            return None;
        }
        Some(key.clone())
    }

    /// `package.Service/Method`.
    pub(super) fn method(&mut self, key: &str, node: &Node) -> Option<Name> {
        let text = self.plain_text(key, node, "a gRPC method")?.value.clone();
        if scalar::is_method(&text) {
            return Some(Spanned::new(text, node.span));
        }
        let mut diagnostic = Diagnostic::new("bad-method", node.span, format!("`{text}` is not a gRPC method"))
            .label("a method is `package.Service/Method`");
        let guess = text.trim().trim_start_matches('/');
        let guess = match guess.rsplit_once('.') {
            Some((service, method)) if !guess.contains('/') => format!("{service}/{method}"),
            _ => guess.to_owned(),
        };
        diagnostic.help = scalar::is_method(&guess).then_some(guess);
        self.push(diagnostic);
        None
    }
}
