//! `proxy: backend:/path` and `forward:`.

use std::sync::Arc;

use super::keys::Place;
use super::reader::{Fields, Reader};
use super::{Name, Proxy, scalar};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, NodeKind, Spanned};

impl Reader<'_> {
    pub(super) fn proxy(&mut self, fields: &mut Fields<'_>) -> Option<Proxy> {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        if let Some(node) = fields.take_if_any("forward")
            && let Some(mut forward) = self.fields("forward", node, Place::Forward)
        {
            for (key, names) in [("request", &mut request), ("response", &mut response)] {
                if let Some((_, node)) = forward.take(key) {
                    *names = self.texts(key, node);
                    names.retain(|it| self.is_forwardable(it));
                }
            }
            forward.finish();
        }
        let node = fields.take_if_any("proxy")?;
        let NodeKind::Text(text) = &node.kind else {
            self.wrong("proxy", node, "a backend and a path, `backend:/path`");
            return None;
        };
        let value = &*text.value;
        let Some(colon) = value
            .find(':')
            .filter(|it| is_backend(value.get(..*it).unwrap_or_default()))
        else {
            self.push(malformed(node, value));
            return None;
        };
        let backend = Spanned::new(Arc::from(value.get(..colon)?), self.part(text, 0, colon));
        let backend = self.label(&backend);
        let path = self.path(text, colon + 1, value.trim_end().len());
        Some(Proxy {
            span: node.span,
            backend: backend?,
            path: path?,
            request,
            response,
        })
    }

    /// A name of a header that may be handed over, or the beginning of some before a `*`.
    fn is_forwardable(&mut self, name: &Name) -> bool {
        let text = &*name.value;
        match text.strip_suffix('*') {
            Some("") => true,
            Some(start) if scalar::is_header_name(start) && !start.contains('*') => true,
            None if scalar::is_header_name(text) && !text.contains('*') && !scalar::is_own_header(text) => true,
            _ => {
                let lower = text.to_ascii_lowercase();
                let title = format!("the header `{text}` cannot be handed over");
                let mut diagnostic = Diagnostic::new("bad-header", name.span, title);
                diagnostic = if scalar::is_own_header(&lower) {
                    diagnostic.label("it belongs to one connection, or the gateway sets it")
                } else if lower != *text && scalar::is_header_name(&lower) {
                    diagnostic.label("header names are lower-case tokens").help(lower)
                } else {
                    diagnostic.label("expected the name of a header, or `x-*`")
                };
                self.push(diagnostic);
                false
            }
        }
    }
}

fn is_backend(text: &str) -> bool {
    !text.is_empty() && !text.contains(['$', ' ', '/'])
}

fn malformed(node: &Node, value: &str) -> Diagnostic {
    let wrong = Diagnostic::new("wrong-value", node.span, "`proxy` is `backend:/path`");
    // As the calls of an endpoint have it.
    let behind = value
        .split_once(' ')
        .filter(|it| it.0.bytes().all(|it| it.is_ascii_uppercase()));
    match behind {
        Some((_, rest)) if !rest.is_empty() => wrong
            .label("the method is the request's own")
            .help(format!("proxy: {}", rest.trim_start())),
        _ if value.contains("://") => wrong.label("the name of a backend of the gateway file, then `:/path`"),
        _ => wrong.label("the name of a backend, then `:/path`"),
    }
}
