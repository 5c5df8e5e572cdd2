//! `split:`, `sticky:` and `mirror:` of a backend.

use super::keys::Place;
use super::reader::{Fields, Reader};
use super::{Expression, Name};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::{Node, Span, Spanned};

/// An entry of `split:`.
#[derive(Clone, Debug)]
pub struct SplitPart {
    /// `to:`, the name of another backend.
    pub to: Name,
    /// `weight:`.
    pub weight: Option<Spanned<u64>>,
    /// `when:`.
    pub when: Option<Expression>,
    /// The whole entry.
    pub span: Span,
}

/// `mirror:`.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// `to:`, the name of another backend.
    pub to: Name,
    /// `share:`, percent.
    pub share: Option<Spanned<u64>>,
    /// `concurrency:`.
    pub concurrency: Option<Spanned<u64>>,
    /// `ignore:`, paths as written.
    pub ignore: Vec<Name>,
    /// `unsafe:`.
    pub is_unsafe: Option<Spanned<bool>>,
}

/// Keys that a backend with `split:` may have: the others belong to those that it splits between.
const OF_SPLIT: [&str; 8] = [
    "split", "sticky", "services", "safe", "timeout", "retry", "hedge", "schema",
];

impl Reader<'_> {
    /// Whether it is split, and the mistakes of one that is.
    pub(super) fn is_split(&mut self, fields: &Fields<'_>) -> bool {
        if !fields.has("split") {
            if let Some(key) = fields.key("sticky") {
                let diagnostic = Diagnostic::new("misplaced-key", key.span, "`sticky` belongs to `split`");
                self.push(diagnostic.label("to have one target get the same: `balance: { hash: $… }`"));
            }
            return false;
        }
        let others: Vec<_> = fields.keys().filter(|it| !OF_SPLIT.contains(&&*it.value)).collect();
        for key in others {
            let title = format!("`{}` cannot stand beside `split`", key.value);
            let diagnostic = Diagnostic::new("misplaced-key", key.span, title);
            self.push(diagnostic.label("it belongs to the backends that are split between"));
        }
        true
    }

    pub(super) fn split(&mut self, fields: &mut Fields<'_>) -> Vec<SplitPart> {
        let Some((_, node)) = fields.take("split") else {
            return Vec::new();
        };
        let items = self.list("split", node).unwrap_or_default();
        let parts: Vec<_> = items.iter().filter_map(|it| self.split_part(it)).collect();
        if items.len() < 2 {
            let diagnostic = Diagnostic::new("wrong-value", node.span, "`split` names at least two backends");
            self.push(diagnostic.help("split: [{ to: one, weight: 90 }, { to: other, weight: 10 }]"));
        }
        parts
    }

    fn split_part(&mut self, node: &Node) -> Option<SplitPart> {
        let mut fields = self.fields("split", node, Place::Split)?;
        let to = self.required(&mut fields, "to", node.span);
        let to = to.and_then(|node| self.text("to", node));
        let weight = fields.take("weight");
        let weight = weight.and_then(|(_, node)| self.integer("weight", node, 0..=1_000_000));
        let when = fields.take("when");
        let when = when.and_then(|(_, node)| self.expression_only("when", node, "a condition"));
        fields.finish();
        Some(SplitPart {
            to: to?,
            weight,
            when,
            span: node.span,
        })
    }

    pub(super) fn mirror(&mut self, node: &Node) -> Option<Mirror> {
        let mut fields = self.fields("mirror", node, Place::Mirror)?;
        let to = self.required(&mut fields, "to", node.span);
        let to = to.and_then(|node| self.text("to", node));
        let mirror = (
            fields.take("share").and_then(|(_, node)| self.percent("share", node)),
            fields
                .take("concurrency")
                .and_then(|(_, node)| self.integer("concurrency", node, 1..=10_000)),
            fields.take("ignore").map(|(_, node)| self.texts("ignore", node)),
            fields.take("unsafe").and_then(|(_, node)| self.bool("unsafe", node)),
        );
        fields.finish();
        let (share, concurrency, ignore, is_unsafe) = mirror;
        Some(Mirror {
            to: to?,
            share,
            concurrency,
            ignore: ignore.unwrap_or_default(),
            is_unsafe,
        })
    }
}
