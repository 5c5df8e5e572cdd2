//! The file of an `api_key:` provider: who has a key, what is known of them, and until when.

use bytes::Bytes;

use crate::auth::api_key::{self, Holders};
use crate::auth::{Claims, Why};
use crate::codec::time_text;
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::source::{Node, NodeKind, SourceMap};
use crate::language::spec::auth::File;
use crate::language::spec::{self, Name};
use crate::plan::{ClaimRule, conform};

/// Reads the keys of a file.
pub(super) fn read(file: &File, rules: &[ClaimRule], sources: &SourceMap, diagnostics: &mut Diagnostics) -> Holders {
    let mut holders = Holders::default();
    let Some(index) = file.read else { return holders };
    let Some(document) = spec::document(sources, index, diagnostics) else {
        return holders;
    };
    let NodeKind::Map(entries) = &document.root.kind else {
        let wrong = Diagnostic::new(
            "wrong-type",
            document.root.span,
            "a file of keys is a map: `name: { hash: … }`",
        );
        diagnostics.push(wrong);
        return holders;
    };
    for (name, node) in entries {
        let Some((hash, claims, expires)) = entry(name, node, diagnostics) else {
            continue;
        };
        if conform(&claims, rules) == Err(Why::Claims) {
            let title = format!(
                "the claims of `{}` are not those that the gateway file declares",
                name.value
            );
            let label = "one is missing, or of another type";
            diagnostics.push(Diagnostic::new("bad-auth", name.span, title).label(label));
        }
        if !holders.add(hash, claims, expires) {
            let title = format!("`{}` has the key of somebody else", name.value);
            diagnostics.push(Diagnostic::new("bad-auth", name.span, title));
        }
    }
    holders
}

fn entry(name: &Name, node: &Node, diagnostics: &mut Diagnostics) -> Option<(api_key::Hash, Claims, Option<i64>)> {
    let mut wrong =
        |span, title: String, label: &str| diagnostics.push(Diagnostic::new("bad-auth", span, title).label(label));
    let NodeKind::Map(members) = &node.kind else {
        wrong(
            node.span,
            format!("`{}` is not a map", name.value),
            "expected `{ hash: …, claims: {…} }`",
        );
        return None;
    };
    let (mut hash, mut expires, mut claims) = (None, None, Vec::from(*b"{}"));
    for (key, node) in members {
        let text = match &node.kind {
            NodeKind::Text(text) => Some(&*text.value),
            _ => None,
        };
        match &*key.value {
            "hash" => {
                hash = text.and_then(api_key::read);
                if hash.is_none() {
                    wrong(
                        node.span,
                        "this is not the hash of a key".to_owned(),
                        "`weft key` makes one",
                    );
                    return None;
                }
            }
            "expires" => {
                expires = text.and_then(time_text::parse_timestamp).map(|it| it.0);
                if expires.is_none() {
                    wrong(
                        node.span,
                        "this is not a time".to_owned(),
                        "expected `2027-01-31T00:00:00Z`",
                    );
                }
            }
            "claims" if matches!(node.kind, NodeKind::Map(_)) => {
                claims.clear();
                node.write_json(&mut claims);
            }
            other => wrong(
                key.span,
                format!("a key has no `{other}`"),
                "its keys are hash, claims, expires",
            ),
        }
    }
    let Some(hash) = hash else {
        wrong(
            name.span,
            format!("`{}` has no `hash`", name.value),
            "`weft key` makes one",
        );
        return None;
    };
    match Claims::read(Bytes::from(claims)) {
        Ok(claims) => Some((hash, claims.or("sub", &name.value), expires)),
        Err(_) => None,
    }
}
