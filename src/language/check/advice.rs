//! Advice that can be pasted: what replaces a part of an expression, written as YAML will read it.

use super::unit::Unit;
use crate::language::source::Span;
use crate::language::spec::Expression;

impl Unit<'_, '_> {
    /// `part`, which stands in place of what is at `span` in an expression. Where the scalar as it is written could not hold
    /// it, the whole scalar in the quotes that it then needs.
    pub(super) fn pasteable(&self, expression: &Expression, span: Span, part: &str) -> String {
        let whole = expression.whole();
        let Some(file) = self.world.sources.file(whole.file) else {
            return part.to_owned();
        };
        let text = |from: u32, to: u32| file.text.get(from as usize..to as usize).unwrap_or_default();
        // Only a scalar that is one expression, and was written out, can be quoted as a whole.
        let before = text(0, whole.start);
        let Some(line) = before.strip_suffix('$').and_then(|it| it.rsplit('\n').next()) else {
            // In text it stays what it is; CEL has two kinds of quotes.
            let start = expression.text.breakpoints.first().map_or(0, |it| it.1);
            let is_quoted = text(0, start).ends_with('"');
            return if is_quoted && !part.contains('\'') {
                part.replace('"', "'")
            } else {
                part.to_owned()
            };
        };
        let is_block = line.trim().is_empty();
        let style = line.chars().next_back().filter(|it| matches!(it, '"' | '\''));
        let fits = match style {
            _ if is_block => true,
            Some(quote) => !part.contains(quote) && !part.contains('\\'),
            None => !part.contains([',', '[', ']', '{', '}', '#']) && !part.contains(": "),
        };
        let is_inside = whole.start <= span.start && span.end <= whole.end;
        if fits || !is_inside || text(whole.start, whole.end) != expression.source() {
            return part.to_owned();
        }
        let expression = format!("{}{part}{}", text(whole.start, span.start), text(span.end, whole.end));
        if !expression.contains('\'') {
            format!("'${expression}'")
        } else if !expression.contains(['"', '\\']) {
            format!("\"${expression}\"")
        } else {
            format!("'${}'", expression.replace('\'', "''"))
        }
    }
}
