//! Which operations are evaluated when an expression is compiled.
//!
//! Invariant: what depends on a variable is not; what would fail stays, and fails when it runs.

use super::super::program::{Code, Op};

/// True where all operands are known and evaluating them now does no harm.
pub(super) fn is_foldable(op: &Op) -> bool {
    let known = |it: &Code| it.constant().is_some();
    match op {
        Op::All(it) | Op::Any(it) | Op::Default(it) | Op::List(it) => it.iter().all(known),
        Op::Call { args, .. } | Op::Extreme { args, .. } => args.iter().all(known),
        Op::Arithmetic(it) => it.operands.iter().all(known),
        Op::Compare(_, sides) | Op::Element(sides) | Op::Entry(sides) | Op::HasKey(sides) | Op::JsonEntry(sides) => {
            sides.iter().all(known)
        }
        Op::Conditional(parts) => parts.iter().all(known),
        Op::Convert(_, of)
        | Op::Field(of, _)
        | Op::HasField(of, _)
        | Op::IsNull { of, .. }
        | Op::JsonField(of, ..)
        | Op::JsonMember(of, _)
        | Op::Matches(of, _)
        | Op::Member(of, _)
        | Op::Negate(of)
        | Op::Not(of)
        | Op::Pick(of, _)
        | Op::TypeUrl(of) => known(of),
        Op::Equal(it) => it.operands.iter().all(known),
        Op::In(it) => it.operands.iter().all(known),
        Op::Map(entries) => entries.iter().all(|(key, value)| known(key) && known(value)),
        Op::Method(it) => known(&it.of) && it.argument.as_ref().is_none_or(known),
        Op::Object(members) => members.iter().all(|(_, it)| known(it)),
        // The body of a macro has a variable.
        Op::Constant(_) | Op::Loop(_) | Op::Slot(_) => false,
    }
}
