//! Advice that can be pasted: the whole scalar that an expression stands in, with a part of it changed.

use super::unit::Unit;
use crate::expr;
use crate::language::spec::Expression;

impl Unit<'_, '_> {
    /// The scalar with `part` in place of the whole expression.
    pub(super) fn pasteable(&self, expression: &Expression, part: &str) -> String {
        let end = expression.end - expression.offset;
        self.pasteable_in(expression, expr::Span { start: 0, end }, part)
    }

    /// The scalar with `part` in place of what is at `replaced` in the expression.
    pub(super) fn pasteable_in(&self, expression: &Expression, replaced: expr::Span, part: &str) -> String {
        let place = expression.whole();
        // An expression that nobody wrote stands in no scalar.
        if self.world.sources.written(place).len() < expression.source().len() {
            return part.to_owned();
        }
        let range = (expression.offset + replaced.start, expression.offset + replaced.end);
        self.world
            .sources
            .rewritten(expression.file, &expression.text, range, part)
    }
}
