//! google.api.http: the rules of a method, as its option says them.
//!
//! How a request binds to the message that a rule asks for is `codec::http_binding`; what its path means, `path_template`.

use super::descriptor::{HttpPattern, HttpRuleOption};

/// One binding of a method to HTTP: `get: "/v1/products/{id}"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// `GET`, `POST`, … or `*`.
    pub method: String,
    /// The path template as written.
    pub path: String,
    /// `body:`: empty, `*` or a top-level field of the request.
    pub body: String,
    /// `response_body:`: empty or a top-level field of the reply.
    pub response_body: String,
}

/// A rule and its additional bindings, which cannot have any of their own.
pub(super) fn flatten(option: &HttpRuleOption) -> Vec<HttpRule> {
    std::iter::once(option)
        .chain(&option.additional_bindings)
        .filter_map(rule)
        .collect()
}

/// One rule; none if it says neither method nor path.
fn rule(option: &HttpRuleOption) -> Option<HttpRule> {
    let (method, path) = match option.pattern.as_ref()? {
        HttpPattern::Get(path) => ("GET", path),
        HttpPattern::Put(path) => ("PUT", path),
        HttpPattern::Post(path) => ("POST", path),
        HttpPattern::Delete(path) => ("DELETE", path),
        HttpPattern::Patch(path) => ("PATCH", path),
        HttpPattern::Custom(custom) => (custom.kind.as_str(), &custom.path),
    };
    let HttpRuleOption {
        body, response_body, ..
    } = option;
    Some(HttpRule {
        method: method.to_owned(),
        path: path.clone(),
        body: body.clone(),
        response_body: response_body.clone(),
    })
}
