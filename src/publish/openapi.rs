//! OpenAPI 3.1: one document for all that clients can ask.
//!
//! Owns how the model looks as JSON Schema 2020-12 and OpenAPI. Source: the OpenAPI Specification 3.1.1.

mod chosen;
mod operation;
mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::{Api, Problem, Scheme, Shape};

pub use schema::{of_shape, of_type};

/// What a document says beside the API itself.
#[derive(Clone, Debug)]
pub struct About {
    /// `info.title`.
    pub title: String,
    /// `info.version`.
    pub version: String,
    /// `servers`.
    pub servers: Vec<String>,
}

/// The name of the schema of problems.
pub const PROBLEM: &str = super::api::PROBLEM;

/// The document.
pub fn document(api: &Api, about: &About) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let problems = Problems::of(api);
    for endpoint in &api.endpoints {
        let item = paths.entry(endpoint.url()).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            let operation = operation::describe(api, endpoint, &problems);
            item.insert(endpoint.method.to_ascii_lowercase(), operation);
        }
    }
    let mut tags: Vec<&str> = api.endpoints.iter().map(|it| &*it.tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": about.title, "version": about.version },
    });
    if !about.servers.is_empty() {
        document["servers"] = about.servers.iter().map(|it| json!({ "url": it })).collect();
    }
    document["tags"] = tags.iter().map(|it| json!({ "name": it })).collect();
    let mut paths = Value::Object(paths);
    let mut schemas = schemas(api);
    chosen::complete(&mut paths, &mut schemas);
    document["paths"] = paths;
    document["components"] = json!({ "schemas": schemas, "responses": problems.responses() });
    if !api.schemes.is_empty() {
        let schemes = api.schemes.iter().map(|(name, it)| (name.clone(), security_scheme(it)));
        document["components"]["securitySchemes"] = Value::Object(schemes.collect());
    }
    document
}

/// How a client says who it is, as a security scheme.
fn security_scheme(scheme: &Scheme) -> Value {
    match scheme {
        Scheme::ApiKey { header } => json!({ "type": "apiKey", "in": "header", "name": header }),
        Scheme::Basic => json!({ "type": "http", "scheme": "basic" }),
        Scheme::Bearer { jwt, issuer } => {
            let mut value = json!({ "type": "http", "scheme": "bearer" });
            if *jwt {
                value["bearerFormat"] = json!("JWT");
            }
            schema::describe(
                &mut value,
                issuer.as_ref().map(|it| format!("Issued by `{it}`.")).as_deref(),
            );
            value
        }
        Scheme::Certificate => json!({ "type": "mutualTLS" }),
        Scheme::Signature { components } => json!({
            "type": "apiKey",
            "in": "header",
            "name": "Signature",
            "description": format!(
                "A signature of the request (RFC 9421), which `Signature-Input` describes. It covers {}.",
                components.join(", "),
            ),
        }),
        Scheme::OpenId { url } => json!({ "type": "openIdConnect", "openIdConnectUrl": url }),
    }
}

/// The ways to fail, each with the name of its response in `components`.
struct Problems {
    names: BTreeMap<(u16, String), String>,
}

impl Problems {
    fn of(api: &Api) -> Self {
        let mut names = BTreeMap::new();
        let mut n_of: BTreeMap<u16, usize> = BTreeMap::new();
        for problem in api.endpoints.iter().flat_map(|it| &it.problems) {
            names
                .entry((problem.status, problem.description.clone()))
                .or_insert_with(|| {
                    let n = n_of.entry(problem.status).or_default();
                    *n += 1;
                    match *n {
                        1 => format!("Problem{}", problem.status),
                        n => format!("Problem{}_{n}", problem.status),
                    }
                });
        }
        Self { names }
    }

    fn reference(&self, problem: &Problem) -> Value {
        let name = self.names.get(&(problem.status, problem.description.clone()));
        json!({ "$ref": format!("#/components/responses/{}", name.map_or("Problem", |it| it)) })
    }

    fn responses(&self) -> Value {
        let response = |description: &str| {
            let body = json!({ "schema": { "$ref": format!("#/components/schemas/{PROBLEM}") } });
            json!({ "description": description, "content": { "application/problem+json": body } })
        };
        let mut all = Map::new();
        all.insert("Problem".to_owned(), response("The request failed."));
        for ((status, description), name) in &self.names {
            let mut response = response(description);
            if *status == 429 {
                let seconds = json!({ "type": "integer", "minimum": 0 });
                response["headers"] = json!({ "retry-after": { "description": "Seconds.", "schema": seconds } });
            }
            all.insert(name.clone(), response);
        }
        Value::Object(all)
    }
}

fn schemas(api: &Api) -> Map<String, Value> {
    let mut schemas = Map::new();
    for named in &api.types {
        let mut schema = of_shape(&named.shape);
        schema::describe(&mut schema, named.description.as_deref());
        if let (Shape::Enum(it), Value::Object(schema)) = (&named.shape, &mut schema) {
            schema::list_values(it, schema);
        }
        schemas.insert(named.name.clone(), schema);
    }
    schemas.insert(PROBLEM.to_owned(), problem());
    schemas
}

/// RFC 9457, with the members that a gateway adds.
fn problem() -> Value {
    json!({
        "description": "Why a request failed (RFC 9457).",
        "type": "object",
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "What kind of failure: `urn:weft:problem:bad-request`." },
            "title": { "type": "string", "description": "The kind in words." },
            "status": { "type": "integer", "format": "int32", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What failed this time." },
            "instance": { "type": "string", "description": "The path of the request." },
            "call": { "type": "string", "description": "The call that failed." },
            "code": { "type": "string", "description": "The failure as a gRPC code: `NOT_FOUND`." },
            "errors": {
                "type": "array",
                "description": "Every input that is wrong.",
                "items": {
                    "type": "object",
                    "properties": {
                        "parameter": { "type": "string", "description": "A param by its name." },
                        "pointer": { "type": "string", "description": "A part of the body (RFC 6901)." },
                        "detail": { "type": "string", "description": "What is wrong with it." },
                    },
                    "required": ["detail"],
                },
            },
            "details": {
                "type": "array",
                "description": "google.rpc details of the failure, where they are shown.",
                "items": { "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"] },
            },
            "violated-policies": { "type": "array", "items": { "type": "string" }, "description": "The limits that were exceeded." },
            "trace_id": { "type": "string", "description": "What to ask about." },
        },
        "required": ["type", "title", "status"],
        "examples": [{
            "type": "urn:weft:problem:backend",
            "title": "Not found",
            "status": 404,
            "instance": "/pages/products/p1",
            "call": "product",
            "code": "NOT_FOUND",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        }],
    })
}
