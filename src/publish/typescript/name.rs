//! Names as TypeScript takes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::publish::api::Api;

/// Names that mean something else in the file: our own, and the globals that it uses.
const TAKEN: &[&str] = &[
    "Array",
    "BigInt",
    "Blob",
    "BodyInit",
    "Chosen",
    "Client",
    "ClientOptions",
    "Degraded",
    "Error",
    "Headers",
    "HeadersInit",
    "JSON",
    "Number",
    "Object",
    "Promise",
    "RangeError",
    "Record",
    "Request",
    "RequestInit",
    "RequestOptions",
    "Response",
    "ReturnType",
    "String",
    "URLSearchParams",
    "WeftError",
    "WeftProblem",
    "WeftResponse",
];

/// What the types of an API are called here.
pub(super) struct Names {
    types: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(api: &Api) -> Self {
        let mut taken: BTreeSet<String> = TAKEN.iter().map(|it| (*it).to_owned()).collect();
        for endpoint in &api.endpoints {
            let base = type_name(&endpoint.id);
            taken.extend(["Params", "Body", "Response"].map(|end| format!("{base}{end}")));
        }
        let mut types = BTreeMap::new();
        for named in &api.types {
            let base = type_name(&named.name);
            let candidates = std::iter::once(base.clone())
                .chain(std::iter::once(format!("{base}Message")))
                .chain((2_u32..).map(|n| format!("{base}{n}")));
            for name in candidates {
                if taken.insert(name.clone()) {
                    types.insert(named.name.clone(), name);
                    break;
                }
            }
        }
        Self { types }
    }

    /// The name of a type.
    pub(super) fn of_type<'n>(&'n self, name: &'n str) -> &'n str {
        self.types.get(name).map_or(name, |it| it)
    }
}

/// Each word with a capital, nothing between them: `shop.v1.Money` → `ShopV1Money`.
pub(super) fn type_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|it: char| !it.is_ascii_alphanumeric() && it != '_') {
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.push(first.to_ascii_uppercase());
            out.push_str(chars.as_str());
        }
    }
    out
}

/// A member's name: as it is where it is a name, else as text.
pub(super) fn key(name: &str) -> String {
    if is_name(name) { name.to_owned() } else { text(name) }
}

/// `params.name`, or `params["x-name"]`.
pub(super) fn access(of: &str, name: &str) -> String {
    if is_name(name) {
        format!("{of}.{name}")
    } else {
        format!("{of}[{}]", text(name))
    }
}

/// Text as a literal.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}
