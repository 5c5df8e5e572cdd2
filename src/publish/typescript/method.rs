//! One endpoint as a method of the client.

use super::name::{access, key, text, type_name};
use super::shape::{comment, indent};
use crate::publish::add;
use crate::publish::api::{Content, Endpoint, Location, Param, PathPart, Piece};

/// Params that a caller gives, each under a name of its own. Cookies are the browser's business.
pub(super) fn arguments(endpoint: &Endpoint) -> Vec<(String, &Param)> {
    let mut all: Vec<(String, &Param)> = Vec::new();
    for param in endpoint.params.iter().filter(|it| it.location != Location::Cookie) {
        let mut name = param.name.clone();
        while all.iter().any(|(it, _)| *it == name) {
            name.push('_');
        }
        all.push((name, param));
    }
    all
}

pub(super) fn write(endpoint: &Endpoint, out: &mut String) {
    let base = type_name(&endpoint.id);
    let arguments = arguments(endpoint);
    let mut notes: Vec<String> = endpoint.summary.iter().cloned().collect();
    notes.extend(
        endpoint
            .description
            .iter()
            .filter(|it| !notes.contains(it))
            .cloned()
            .collect::<Vec<_>>(),
    );
    if !endpoint.response.degradable.is_empty() {
        notes.push(format!("May do without: {}.", endpoint.response.degradable.join(", ")));
    }
    if endpoint.deprecated {
        notes.push("@deprecated".to_owned());
    }
    let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    comment(&notes, 2, out);
    let mut parameters = Vec::new();
    let body_required = endpoint.body.as_ref().is_some_and(|it| it.required);
    if !arguments.is_empty() {
        let optional = arguments.iter().all(|(_, it)| !it.required) && !body_required;
        let default = if optional { " = {}" } else { "" };
        parameters.push(format!("params: {base}Params{default}"));
    }
    if endpoint.body.is_some() {
        parameters.push(format!("body{}: {base}Body", if body_required { "" } else { "?" }));
    }
    parameters.push("init?: RequestOptions".to_owned());
    indent(2, out);
    // Whoever chooses fields gets those, and can count on none.
    let (generic, response) = if endpoint.selectable {
        parameters[0] = parameters[0].replace(&format!("params: {base}Params"), "params: P");
        parameters[0] = parameters[0].replace("= {}", "= {} as P");
        let response = format!("P extends {{ fields: string }} ? Chosen<{base}Response> : {base}Response");
        (format!("<P extends {base}Params>"), response)
    } else {
        (String::new(), format!("{base}Response"))
    };
    add(
        out,
        format_args!(
            "{}{generic}({}): Promise<WeftResponse<{response}>> {{\n",
            endpoint.id,
            parameters.join(", ")
        ),
    );
    indent(3, out);
    add(
        out,
        format_args!(
            "return call({}, {}, {{",
            text(&endpoint.method),
            path(endpoint, &arguments)
        ),
    );
    let mut parts = Vec::new();
    for (location, name) in [(Location::Query, "query"), (Location::Header, "headers")] {
        let of_location: Vec<String> = arguments
            .iter()
            .filter(|(_, it)| it.location == location)
            .map(|(argument, it)| format!("{}: {}", key(&it.name), access("params", argument)))
            .collect();
        if !of_location.is_empty() {
            parts.push(format!("{name}: {{ {} }}", of_location.join(", ")));
        }
    }
    match endpoint.body.as_ref().map(|it| &it.content) {
        Some(Content::Json(_)) => parts.push("json: body".to_owned()),
        Some(Content::Raw) => parts.push("raw: body".to_owned()),
        None => {}
    }
    if endpoint.response.content == Content::Raw {
        parts.push("wantsBlob: true".to_owned());
    }
    if parts.is_empty() {
        out.push_str("}, init);\n");
    } else {
        add(out, format_args!(" {} }}, init);\n", parts.join(", ")));
    }
    indent(2, out);
    out.push_str("},\n");
}

/// The path, as a template literal.
fn path(endpoint: &Endpoint, arguments: &[(String, &Param)]) -> String {
    let mut out = String::from("`");
    for part in &endpoint.path {
        out.push('/');
        match part {
            PathPart::Literal(literal) => out.push_str(&encoded(literal)),
            PathPart::Variable { param, pieces } => {
                let name = endpoint.params.get(*param).map_or("", |it| &*it.name);
                let argument = arguments
                    .iter()
                    .find(|(_, it)| it.location == Location::Path && it.name == name)
                    .map_or(name, |(argument, _)| argument);
                let value = access("params", argument);
                match pieces.as_slice() {
                    [Piece::One] => add(&mut out, format_args!("${{segment({value})}}")),
                    _ => add(&mut out, format_args!("${{segments({value})}}")),
                }
            }
        }
    }
    if endpoint.path.is_empty() {
        out.push('/');
    }
    if let Some(verb) = &endpoint.verb {
        out.push(':');
        out.push_str(&encoded(verb));
    }
    out.push('`');
    out
}

/// Text that is encoded for a URL, and for a template literal.
fn encoded(text: &str) -> String {
    crate::publish::api::encoded(text).replace('$', "%24")
}
