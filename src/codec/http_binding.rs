//! google.api.http binding: path variables, query string and body → the wire bytes of a request message (http.proto, AIP-127).

use std::sync::Arc;

use crate::schema::MessageRef;
use crate::schema::http_rule::HttpRule;
use crate::schema::path_template::PathTemplate;

/// How an HTTP request becomes the request message of a method.
#[derive(Debug)]
pub struct HttpBinding {}

/// One bad input of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    /// The parameter by its wire name, or a JSON pointer for the body.
    pub name: String,
    /// One sentence, without the value.
    pub reason: String,
}

impl HttpBinding {
    /// Compiles a binding. The error is one sentence: a variable that is no field, a body field that does not exist, ….
    pub fn compile(rule: &HttpRule, template: &PathTemplate, message: &MessageRef) -> Result<Arc<Self>, String> {
        let _ = (rule, template, message);
        todo!()
    }

    /// Appends the wire bytes of the message to `out`. `captures` are the path variables in template order, decoded;
    /// `query` is the raw query string; `body` the raw JSON body (empty where there is none). Every bad input is listed.
    pub fn bind(
        &self,
        captures: &[String],
        query: Option<&str>,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Vec<BindError>> {
        let _ = (captures, query, body, out);
        todo!()
    }

    /// True where the rule has a `body`, so that the request's body is read.
    pub fn reads_body(&self) -> bool {
        todo!()
    }
}
