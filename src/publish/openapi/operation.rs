//! One endpoint as an operation.

use serde_json::{Map, Value, json};

use super::Problems;
use super::chosen::chosen;
use super::schema::{demand, describe as add_description, of_type};
use crate::publish::api::{Api, Content, Endpoint, Kind, Location, Param, PathPart, Piece, Response, Type};
use crate::publish::{api, example};

/// The operation.
pub(super) fn describe(api: &Api, endpoint: &Endpoint, problems: &Problems) -> Value {
    let mut operation = Map::new();
    let mut add = |key: &str, value: Value| {
        operation.insert(key.to_owned(), value);
    };
    add("operationId", json!(endpoint.id));
    if let Some(summary) = &endpoint.summary {
        add("summary", json!(summary));
    }
    if let Some(description) = &endpoint.description {
        add("description", json!(description));
    }
    add("tags", json!([endpoint.tag]));
    if endpoint.deprecated {
        add("deprecated", json!(true));
    }
    let parameters = parameters(api, endpoint);
    if !parameters.is_empty() {
        add("parameters", Value::Array(parameters));
    }
    if let Some(body) = &endpoint.body {
        add(
            "requestBody",
            json!({ "required": body.required, "content": content(api, &body.content) }),
        );
    }
    if !api.schemes.is_empty() {
        // Where nothing is asked, an empty list says so.
        let ways = endpoint.security.iter().map(|way| {
            let all = way.schemes.iter().map(|it| (it.0.clone(), json!(it.1)));
            Value::Object(all.collect())
        });
        add("security", ways.collect());
    }
    add("responses", responses(api, endpoint, problems));
    Value::Object(operation)
}

fn parameters(api: &Api, endpoint: &Endpoint) -> Vec<Value> {
    let mut all = Vec::new();
    for part in &endpoint.path {
        if let PathPart::Variable { param, pieces } = part
            && let Some(param) = endpoint.params.get(*param)
        {
            of_path(api, param, pieces, &mut all);
        }
    }
    let others = endpoint.params.iter().filter(|it| it.location != Location::Path);
    all.extend(others.map(|it| parameter(api, it)));
    all
}

/// A variable of one segment is a param; one of several is a param for each wildcard in it.
fn of_path(api: &Api, param: &Param, pieces: &[Piece], all: &mut Vec<Value>) {
    if matches!(pieces, [Piece::One]) {
        return all.push(parameter(api, param));
    }
    let whole: Vec<String> = {
        let mut names = api::wildcard_names(&param.name, pieces).into_iter();
        let text = |it: &Piece| match it {
            Piece::Literal(text) => text.clone(),
            Piece::One | Piece::Rest => format!("{{{}}}", names.next().unwrap_or_default()),
        };
        pieces.iter().map(text).collect()
    };
    let wildcards = pieces.iter().filter(|it| !matches!(it, Piece::Literal(_)));
    for (name, piece) in api::wildcard_names(&param.name, pieces).into_iter().zip(wildcards) {
        let mut lines: Vec<String> = param.description.iter().cloned().collect();
        if pieces.len() > 1 {
            lines.push(format!("A part of `{}`, which is `{}`.", param.name, whole.join("/")));
        }
        if matches!(piece, Piece::Rest) {
            lines.push("Any number of segments, with the slashes between them.".to_owned());
        }
        let mut value = json!({ "name": name, "in": "path" });
        if !lines.is_empty() {
            value["description"] = json!(lines.join("\n\n"));
        }
        value["required"] = json!(true);
        value["schema"] = json!({ "type": "string" });
        all.push(value);
    }
}

fn parameter(api: &Api, param: &Param) -> Value {
    let location = match param.location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
        Location::Cookie => "cookie",
    };
    let mut value = json!({ "name": param.name, "in": location });
    if let Some(description) = &param.description {
        value["description"] = json!(description);
    }
    if param.required {
        value["required"] = json!(true);
    }
    if param.deprecated {
        value["deprecated"] = json!(true);
    }
    let mut schema = of_type(&param.ty);
    demand(&mut schema, &param.facets);
    if let Some(default) = &param.default {
        schema["default"] = default.clone();
    }
    value["schema"] = schema;
    if let Some(example) = example::of_param(api, param) {
        value["example"] = example;
    }
    value
}

fn content(api: &Api, content: &Content) -> Value {
    match content {
        Content::Json(ty) => json!({ "application/json": media(api, ty) }),
        Content::Raw => json!({ "*/*": {} }),
    }
}

fn media(api: &Api, ty: &Type) -> Value {
    let mut media = json!({ "schema": of_type(ty) });
    if ty.kind != Kind::Any {
        media["example"] = example::of_type(api, ty);
    }
    media
}

fn responses(api: &Api, endpoint: &Endpoint, problems: &Problems) -> Value {
    let mut responses = Map::new();
    for success in &endpoint.response.statuses {
        let description = match (&*success.status, success.has_body) {
            ("201", _) => "Created.",
            (_, false) => "Nothing to say.",
            (status, true) if status.starts_with('3') => "Look elsewhere.",
            (status, true) if status.starts_with(['4', '5']) => "What the backend answers, or a problem.",
            _ => "OK.",
        };
        let mut response = json!({ "description": description });
        let headers = headers(&endpoint.response);
        if !headers.is_empty() {
            response["headers"] = Value::Object(headers);
        }
        if success.has_body {
            response["content"] = content(api, &endpoint.response.content);
            if let (true, Some(schema)) = (
                endpoint.selectable,
                response.pointer_mut("/content/application~1json/schema"),
            ) {
                *schema = chosen(schema);
            }
            if success.status.starts_with(['4', '5']) {
                let problem = json!({ "schema": { "$ref": format!("#/components/schemas/{}", api::PROBLEM) } });
                response["content"]["application/problem+json"] = problem;
            }
        }
        responses.insert(success.status.clone(), response);
    }
    for problem in &endpoint.problems {
        responses.insert(problem.status.to_string(), problems.reference(problem));
    }
    let any = json!({ "$ref": "#/components/responses/Problem" });
    responses.insert("default".to_owned(), any);
    Value::Object(responses)
}

fn headers(response: &Response) -> Map<String, Value> {
    let mut all = Map::new();
    for header in &response.headers {
        let mut value = json!({});
        add_description(&mut value, Some(&header.description));
        if !header.optional {
            value["required"] = json!(true);
        }
        value["schema"] = json!({ "type": "string" });
        all.insert(header.name.clone(), value);
    }
    if !response.degradable.is_empty() {
        let names: Vec<String> = response.degradable.iter().map(|it| format!("`{it}`")).collect();
        let description = format!(
            "What this response does without, with the reason: an RFC 9651 list such as `{};code=UNAVAILABLE`. \
             Absent where nothing is missing. May name: {}.",
            response.degradable[0],
            names.join(", ")
        );
        all.insert(
            "weft-degraded".to_owned(),
            json!({ "description": description, "schema": { "type": "string" } }),
        );
    }
    all
}
