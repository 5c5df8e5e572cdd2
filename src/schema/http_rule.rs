//! google.api.http: one rule of a method, and how a request binds to the message it asks for (AIP-127).

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
