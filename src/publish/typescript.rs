//! TypeScript: types of all that clients send and get, and a client that fetches it, in one file without dependencies.
//!
//! Owns how the model looks as TypeScript. What the client does is `typescript/runtime.ts`, which stands in the file as it is.
//! Invariant: `tsc --strict` accepts the file, whatever names the API uses.

mod method;
mod name;
mod shape;

use super::add;
use super::api::{Api, Content, Endpoint, Shape};

use self::name::Names;
use self::shape::Writer;

/// What the client is made of.
const RUNTIME: &str = include_str!("typescript/runtime.ts");

/// The file.
pub fn file(api: &Api) -> String {
    let names = Names::of(api);
    let mut out = String::from("// Made by `weft types --lang typescript` of a gateway's public API; do not edit.\n\n");
    let writer = Writer { names: &names };
    for named in &api.types {
        let name = names.of_type(&named.name);
        let notes: Vec<&str> = named.description.iter().map(String::as_str).collect();
        shape::comment(&notes, 0, &mut out);
        match &named.shape {
            Shape::Object(object) => add(
                &mut out,
                format_args!("export interface {name} {}\n\n", writer.object(object, 0)),
            ),
            Shape::Enum(it) => add(
                &mut out,
                format_args!("export type {name} = {};\n\n", shape::enumeration(it)),
            ),
        }
    }
    for endpoint in &api.endpoints {
        add_types(endpoint, &writer, &mut out);
    }
    out.push_str(RUNTIME);
    out.push_str("\n/** A client of the API. */\nexport function createClient(options: ClientOptions) {\n  const call = caller(options);\n  return {\n");
    for endpoint in &api.endpoints {
        method::write(endpoint, &mut out);
    }
    out.push_str("  };\n}\n\n/** A client of the API. */\nexport type Client = ReturnType<typeof createClient>;\n");
    out
}

/// Params, body and response of an endpoint.
fn add_types(endpoint: &Endpoint, writer: &Writer<'_>, out: &mut String) {
    let base = name::type_name(&endpoint.id);
    let params = method::arguments(endpoint);
    if !params.is_empty() {
        shape::comment(&[&format!("What `{}` is asked with.", endpoint.id)], 0, out);
        add(out, format_args!("export interface {base}Params {{\n"));
        for (key, param) in &params {
            let mut notes: Vec<String> = param.description.iter().cloned().collect();
            notes.extend(param.default.as_ref().map(|it| format!("Default: `{it}`.")));
            notes.extend(param.deprecated.then(|| "@deprecated".to_owned()));
            let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
            shape::comment(&notes, 1, out);
            let optional = if param.required { "" } else { "?" };
            let ty = writer.param(param);
            add(out, format_args!("  {}{optional}: {ty};\n", name::key(key)));
        }
        out.push_str("}\n\n");
    }
    if let Some(body) = &endpoint.body {
        let ty = match &body.content {
            Content::Json(ty) => writer.of_type(ty, 0),
            Content::Raw => "BodyInit".to_owned(),
        };
        shape::comment(&[&format!("What `{}` is sent.", endpoint.id)], 0, out);
        add(out, format_args!("export type {base}Body = {ty};\n\n"));
    }
    let mut ty = match &endpoint.response.content {
        Content::Json(ty) => writer.of_type(ty, 0),
        Content::Raw => "Blob".to_owned(),
    };
    let statuses = &endpoint.response.statuses;
    if statuses.iter().all(|it| !it.has_body) {
        "null".clone_into(&mut ty);
    } else if statuses.iter().any(|it| !it.has_body) && ty != "unknown" && !ty.ends_with("| null") {
        ty.push_str(" | null");
    }
    shape::comment(&[&format!("What `{}` answers.", endpoint.id)], 0, out);
    add(out, format_args!("export type {base}Response = {ty};\n\n"));
}
