//! Two drafts as one: both hold, or one of them does.

use super::{Draft, Kind, Members, Source};

/// What holds where both hold.
pub(super) fn meet(a: Draft, b: Draft) -> Draft {
    Draft {
        kind: meet_kinds(a.kind, b.kind),
        null: a.null && b.null,
    }
}

fn meet_kinds(a: Kind, b: Kind) -> Kind {
    use Kind as K;
    match (a, b) {
        (K::Anything, other) | (other, K::Anything) => other,
        (K::Nothing, _) | (_, K::Nothing) => K::Nothing,
        (K::Integer { min, max, text }, K::Integer { min: a, max: b, .. }) => K::Integer {
            min: min.max(a),
            max: max.min(b),
            text,
        },
        (K::Words(a), K::Words(b)) => K::Words(a.into_iter().filter(|it| b.contains(it)).collect()),
        (it @ K::Integer { text: false, .. }, K::Number)
        | (K::Number, it @ K::Integer { text: false, .. })
        | (it @ (K::Words(_) | K::Timestamp | K::Bytes | K::Integer { text: true, .. }), K::Text)
        | (K::Text, it @ (K::Words(_) | K::Timestamp | K::Bytes | K::Integer { text: true, .. })) => it,
        (K::List(a), K::List(b)) => K::List(Source::all([a, b])),
        (K::Map(a), K::Map(b)) => K::Map(Source::all([a, b])),
        (K::Object(members), K::Map(Source::Anything)) | (K::Map(Source::Anything), K::Object(members)) => {
            K::Object(members)
        }
        (K::Object(members), K::Map(rest)) | (K::Map(rest), K::Object(members)) => K::Object(Members {
            rest: Some(rest),
            ..members
        }),
        (K::Object(a), K::Object(b)) => K::Object(meet_members(a, b)),
        (a, b) if a == b => a,
        // No value is both, and which of the two was meant nobody knows.
        _ => K::Anything,
    }
}

fn meet_members(mut a: Members, b: Members) -> Members {
    for (name, source, required) in b.named {
        match a.named.iter_mut().find(|(it, ..)| *it == name) {
            Some((_, known, is_required)) => {
                *known = Source::all([std::mem::replace(known, Source::Anything), source]);
                *is_required |= required;
            }
            None => a.named.push((name, source, required)),
        }
    }
    a.rest = match (a.rest, b.rest) {
        (Some(a), Some(b)) => Some(Source::all([a, b])),
        (a, b) => a.or(b),
    };
    a
}

/// What holds where one of them holds.
pub(super) fn union(a: Draft, b: Draft) -> Draft {
    Draft {
        kind: union_kinds(a.kind, b.kind),
        null: a.null || b.null,
    }
}

fn union_kinds(a: Kind, b: Kind) -> Kind {
    use Kind as K;
    match (a, b) {
        (K::Nothing, other) | (other, K::Nothing) => other,
        (
            K::Integer { min, max, text },
            K::Integer {
                min: a,
                max: b,
                text: other,
            },
        ) if text == other => K::Integer {
            min: min.min(a),
            max: max.max(b),
            text,
        },
        (K::Integer { text: false, .. }, K::Number) | (K::Number, K::Integer { text: false, .. }) => K::Number,
        (K::Words(mut a), K::Words(b)) => {
            a.extend(b.into_iter().filter(|it| !a.contains(it)).collect::<Vec<_>>());
            K::Words(a)
        }
        (a, b) if is_text(&a) && is_text(&b) && a != b => K::Text,
        (K::List(a), K::List(b)) => K::List(Source::either([a, b])),
        (K::Map(a), K::Map(b)) => K::Map(Source::either([a, b])),
        (K::Object(members), K::Map(rest)) | (K::Map(rest), K::Object(members)) => K::Object(Members {
            named: members
                .named
                .into_iter()
                .map(|(name, source, _)| (name, Source::either([source, rest.clone()]), false))
                .collect(),
            rest: Some(match members.rest {
                Some(other) => Source::either([other, rest]),
                None => rest,
            }),
        }),
        (K::Object(a), K::Object(b)) => K::Object(union_members(a, b)),
        (a, b) if a == b => a,
        _ => K::Anything,
    }
}

/// Kinds whose values are all written as text.
fn is_text(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Bytes | Kind::Integer { text: true, .. } | Kind::Text | Kind::Timestamp | Kind::Words(_)
    )
}

fn union_members(a: Members, b: Members) -> Members {
    let mut named = Vec::new();
    for (name, source, required) in a.named {
        match b.named.iter().find(|(it, ..)| *it == name) {
            Some((_, other, both)) => named.push((name, Source::either([source, other.clone()]), required && *both)),
            None => named.push((name, beside(source, b.rest.as_ref()), false)),
        }
    }
    for (name, source, _) in b.named {
        if named.iter().all(|(it, ..)| *it != name) {
            named.push((name, beside(source, a.rest.as_ref()), false));
        }
    }
    let rest = match (a.rest, b.rest) {
        (Some(a), Some(b)) => Some(Source::either([a, b])),
        (a, b) => a.or(b),
    };
    Members { named, rest }
}

/// A member that the other alternative does not name, but may have.
fn beside(source: Source, rest: Option<&Source>) -> Source {
    match rest {
        Some(rest) => Source::either([source, rest.clone()]),
        None => source,
    }
}
