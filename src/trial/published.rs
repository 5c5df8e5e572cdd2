//! Whether answers fit what is published of their endpoints (semantics.md 13, P4).

use serde_json::Value;

use crate::publish::{Api, openapi};

/// The OpenAPI document of what a fixture serves.
#[derive(Debug)]
pub struct Published<'a> {
    api: &'a Api,
    document: Value,
}

impl<'a> Published<'a> {
    /// Writes the document.
    pub fn of(api: &'a Api) -> Self {
        let about = openapi::About {
            title: "API".to_owned(),
            version: "1".to_owned(),
            servers: Vec::new(),
        };
        let document = openapi::document(api, &about);
        Self { api, document }
    }

    /// What of an answer does not fit, each with its place in the body; `None` where nothing is said of such a body.
    pub fn misfits(&self, endpoint: &str, status: u16, body: &Value) -> Option<Vec<String>> {
        let schema = match self.schema(endpoint, status)? {
            Ok(schema) => schema,
            Err(undescribed) => return Some(vec![undescribed]),
        };
        let validator = match jsonschema::draft202012::new(&schema) {
            Ok(validator) => validator,
            Err(error) => return Some(vec![format!("the published schema cannot be read: {error}")]),
        };
        // What is no number is text in canonical JSON, which the description says (semantics.md 1.8).
        let is_no_number = |it: &Value| matches!(it.as_str(), Some("NaN" | "Infinity" | "-Infinity"));
        let errors = validator.iter_errors(body).filter(|it| !is_no_number(it.instance()));
        Some(errors.map(|it| format!("{}: {it}", it.instance_path())).collect())
    }

    /// The schema of the body that an endpoint answers with a status.
    fn schema(&self, endpoint: &str, status: u16) -> Option<Result<Value, String>> {
        let endpoint = self.api.endpoints.iter().find(|it| it.name == endpoint)?;
        let operation = &self.document["paths"][endpoint.url()][endpoint.method.to_ascii_lowercase()];
        let responses = &operation["responses"];
        let names = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
        let Some(mut response) = names.iter().find_map(|it| responses.get(it)) else {
            return Some(Err(format!("status {status} is not published")));
        };
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(reference.trim_start_matches('#'))?;
        }
        let content = response["content"].as_object()?;
        let mut schema = content.values().next()?.get("schema")?.clone();
        schema["components"] = self.document["components"].clone();
        Some(Ok(schema))
    }
}
