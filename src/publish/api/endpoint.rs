//! One endpoint: what it takes, what it answers, how it fails.

use std::collections::BTreeMap;

use http::StatusCode;

use super::types::{Types, comment};
use super::{
    Api, Content, Endpoint, Header, Kind, Member, Object, Problem, Response, Rest, Success, Type, body, names, params,
    path, security,
};
use crate::codec::HttpBinding;
use crate::plan::{self, CallKind, ErrorMatch, Graph, GrpcRequest, Plan, Recipe, ResponseBody, Status};

/// Those that a description has a place for, in the order in which people think of them.
pub(super) const METHODS: &[&str] = &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"];

/// What an endpoint for every method is described as.
const ANY: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Describes an endpoint, once for each of its methods.
pub(super) fn describe(plan: &Plan, endpoint: &plan::Endpoint, recipe: &Recipe, types: &mut Types, api: &mut Api) {
    let methods = match &endpoint.method {
        Some(method) => vec![method.as_str()],
        None => ANY.to_vec(),
    };
    let binding = binding(&recipe.graph);
    let path = path::parts(&endpoint.template);
    let variables: Vec<String> = endpoint.template.variables().iter().map(|it| it.name.clone()).collect();
    let sources = params::Sources {
        recipe,
        binding,
        variables: &variables,
        path: &path,
    };
    let params = params::describe(&sources, types);
    let body = body::describe(recipe, binding, types);
    let response = response(plan, recipe, types);
    let problems = problems(plan, (endpoint, recipe), !params.is_empty(), body.as_ref());
    let names: Vec<String> = params.iter().map(|it| it.name.clone()).collect();
    let method_comment = method_comment(&recipe.graph);
    let verb = endpoint.template.verb().map(str::to_owned);
    let (summary, description) = match (&endpoint.summary, method_comment) {
        (Some(summary), comment) => (Some(summary.to_string()), comment),
        (None, Some(comment)) => of_comment(&comment),
        (None, None) => (None, None),
    };
    for method in methods {
        if !METHODS.contains(&method) {
            api.left_out
                .push(format!("{}: OpenAPI has no method `{method}`", endpoint.name));
            continue;
        }
        api.endpoints.push(Endpoint {
            id: names::of_endpoint(method, &path, verb.as_deref(), &names),
            method: method.to_owned(),
            name: endpoint.name.to_string(),
            path: path.clone(),
            verb: verb.clone(),
            summary: summary.clone(),
            description: description.clone(),
            tag: names::tag(&path),
            params: params.clone(),
            security: security::demands(plan, &endpoint.access),
            roles: endpoint.access.roles.iter().map(ToString::to_string).collect(),
            allow: endpoint.access.allow.as_deref().map(str::to_owned),
            body: body.clone().filter(|_| !matches!(method, "GET" | "HEAD")),
            response: response.clone(),
            problems: problems.clone(),
            deprecated: !recipe.deprecated.is_empty(),
            selectable: recipe.select,
        });
    }
}

/// The first sentence of a comment, and what stands behind it.
fn of_comment(text: &str) -> (Option<String>, Option<String>) {
    let paragraph = text.find("\n\n").unwrap_or(text.len());
    let sentence = [". ", ".\n"].iter().filter_map(|it| text.find(it)).min();
    let end = sentence.map_or(paragraph, |it| paragraph.min(it + 1));
    let (first, rest) = text.split_at(end);
    let rest = rest.trim();
    (
        Some(first.replace('\n', " ")),
        (!rest.is_empty()).then(|| rest.to_owned()),
    )
}

/// How the request is bound, in the short form.
fn binding(graph: &Graph) -> Option<&HttpBinding> {
    graph.calls.iter().find_map(|it| match &it.kind {
        CallKind::Grpc(grpc) => match &grpc.request {
            GrpcRequest::Bound(binding) => Some(&**binding),
            GrpcRequest::Template { .. } => None,
        },
        _ => None,
    })
}

/// What the only method that is called says of itself.
fn method_comment(graph: &Graph) -> Option<String> {
    let [only] = graph.calls.as_slice() else { return None };
    let CallKind::Grpc(grpc) = &only.kind else { return None };
    let (service, method) = grpc.method.split_once('/')?;
    let service = grpc.reply.schema().find_service(service)?;
    let method = service.methods.iter().find(|it| *it.name == *method)?;
    comment(method.comment.as_ref())
}

// === what is answered ===

fn response(plan: &Plan, recipe: &Recipe, types: &mut Types) -> Response {
    if recipe.proxy.is_some() {
        let success = |status: &str| Success {
            status: status.to_owned(),
            has_body: true,
        };
        return Response {
            // Failures of the backend pass as they are.
            statuses: ["2XX", "3XX", "4XX", "5XX"].map(success).into(),
            content: Content::Raw,
            headers: headers(plan, recipe),
            degradable: Vec::new(),
        };
    }
    let response = &recipe.response;
    let mut degradable = Vec::new();
    add_degradable(plan, &recipe.graph, &mut degradable);
    let mut content = match &response.body {
        ResponseBody::Bytes(_) | ResponseBody::HttpBody(_) => Content::Raw,
        ResponseBody::Json(template) => Content::Json(types.of_template(template)),
    };
    let nullable = match &content {
        Content::Json(ty) => ty.nullable,
        Content::Raw => response.nullable,
    };
    let always_null = matches!(&content, Content::Json(Type { kind: Kind::Null, .. }));
    let success = |status: &str, has_body| Success {
        status: status.to_owned(),
        has_body,
    };
    let statuses = match &response.status {
        Status::Default => {
            // A body that is null is no body at all.
            if let Content::Json(ty) = &mut content
                && !matches!(ty.kind, Kind::Any)
            {
                ty.nullable = false;
            }
            let mut statuses = Vec::new();
            if !always_null {
                statuses.push(success("200", true));
            }
            if nullable {
                statuses.push(success("204", false));
            }
            statuses
        }
        Status::Fixed(status) => vec![success(status.as_str(), has_body(*status))],
        Status::Expression(condition) => {
            let known = condition.program.integers().unwrap_or_default();
            let known: Vec<Success> = known
                .iter()
                .filter_map(|it| StatusCode::from_u16(u16::try_from(*it).ok()?).ok())
                .filter(|it| (200..400).contains(&it.as_u16()))
                .map(|it| success(it.as_str(), has_body(it)))
                .collect();
            if known.is_empty() {
                vec![success("2XX", true), success("3XX", true)]
            } else {
                known
            }
        }
    };
    if let (Some(name), Content::Json(ty), false) = (&recipe.errors.in_body, &mut content, degradable.is_empty()) {
        add_in_body(name, ty, types);
    }
    Response {
        statuses,
        content,
        headers: headers(plan, recipe),
        degradable,
    }
}

fn has_body(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

/// `errors: { in_body: … }`: what is missing, in the body of a degraded response that is an object.
fn add_in_body(name: &str, ty: &mut Type, types: &Types) {
    let Some(object) = types.object(ty) else { return };
    let mut object = object.clone();
    let text = |name: &str, description: &str| Member {
        name: name.to_owned(),
        ty: Type::of(Kind::String),
        required: true,
        description: Some(description.to_owned()),
        deprecated: false,
    };
    let entry = Object {
        members: vec![
            text("call", "What is missing."),
            text("code", "Why, as a gRPC code: `UNAVAILABLE`."),
        ],
        rest: Rest::None,
    };
    object.members.push(Member {
        name: name.to_owned(),
        ty: Type::of(Kind::List(Box::new(Type::of(Kind::Object(entry))))),
        required: false,
        description: Some("What this response does without; absent where nothing is missing.".to_owned()),
        deprecated: false,
    });
    *ty = Type {
        kind: Kind::Object(object),
        nullable: ty.nullable,
        facets: None,
    };
}

fn headers(plan: &Plan, recipe: &Recipe) -> Vec<Header> {
    let mut all: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut add = |name: &str, description: &str, optional: bool| {
        all.entry(name.to_owned())
            .or_insert_with(|| (description.to_owned(), optional));
    };
    for header in &recipe.response.headers {
        add(header.name.as_str(), "Set by this endpoint.", true);
    }
    if !recipe.response.cookies.is_empty() {
        let names: Vec<&str> = recipe.response.cookies.iter().map(|it| &*it.name).collect();
        let description = format!("Sets or deletes: {}.", names.join(", "));
        add("set-cookie", &description, false);
    }
    if let Some(cache) = &recipe.cache {
        let is_private = recipe.private || plan.access.restricts();
        let scope = if is_private { "private" } else { "public" };
        let description = format!(
            "`{scope}, max-age={}` at most; `no-store` where something is missing.",
            cache.keep.ttl.as_secs()
        );
        add("cache-control", &description, false);
        add("age", "Seconds since the response was made, where it was kept.", true);
        add("etag", "For `If-None-Match`, where the response is kept.", true);
        add("cache-status", "Where the response comes from (RFC 9211).", false);
    } else if recipe.identity {
        add("cache-control", "`no-store`.", false);
    }
    if is_limited(plan, recipe) {
        let draft = "(draft-ietf-httpapi-ratelimit-headers-10)";
        add("ratelimit", &format!("What is left of each limit {draft}."), false);
        add("ratelimit-policy", &format!("The limits {draft}."), false);
    }
    if !recipe.vary.is_empty() {
        let names: Vec<&str> = recipe.vary.iter().map(http::HeaderName::as_str).collect();
        add("vary", &format!("`{}`.", names.join(", ")), false);
    }
    for (name, value) in &recipe.deprecated {
        let meaning = match name.as_str() {
            "deprecation" => "Since when this endpoint is deprecated (RFC 9745)",
            "sunset" => "When this endpoint goes (RFC 8594)",
            _ => "More about it",
        };
        let description = format!("{meaning}: `{}`.", value.to_str().unwrap_or_default());
        add(name.as_str(), &description, false);
    }
    all.into_iter()
        .map(|(name, (description, optional))| Header {
            name,
            description,
            optional,
        })
        .collect()
}

fn is_limited(plan: &Plan, recipe: &Recipe) -> bool {
    !(plan.limits.is_empty() && recipe.limits.is_empty() && recipe.limits_by_claim.is_empty())
}

/// Calls whose failure leaves a response degraded, by name.
fn add_degradable(plan: &Plan, graph: &Graph, found: &mut Vec<String>) {
    for call in &graph.calls {
        if call.optional || call.fallback.is_some() || call.error_slot.is_some() {
            if !found.iter().any(|it| **it == *call.name) {
                found.push(call.name.to_string());
            }
            continue;
        }
        match &call.kind {
            CallKind::Compose { fragment, .. } => {
                if let Some(fragment) = plan.fragments.get(fragment.0) {
                    add_degradable(plan, &fragment.graph, found);
                }
            }
            CallKind::For(it) => add_degradable(plan, &it.graph, found),
            CallKind::Grpc(_) | CallKind::Http(_) | CallKind::Value(_) => {}
        }
    }
}

// === how it fails ===

fn problems(
    plan: &Plan,
    (endpoint, recipe): (&plan::Endpoint, &Recipe),
    has_params: bool,
    body: Option<&super::RequestBody>,
) -> Vec<Problem> {
    if recipe.proxy.is_some() {
        // Whose a status is nobody can tell from the outside.
        return Vec::new();
    }
    let mut all: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut add = |status: u16, description: &str| {
        let known = all.entry(status).or_default();
        if !known.iter().any(|it| it == description) {
            known.push(description.to_owned());
        }
    };
    if has_params || body.is_some() {
        add(400, "The request is not valid.");
    }
    if plan.access.restricts() {
        add(403, "This client may not ask.");
    }
    security::add_problems(plan, (&endpoint.access, recipe), &mut add);
    if is_limited(plan, recipe) {
        add(
            429,
            "This was asked for too often: `Retry-After` says when it may be again.",
        );
    }
    if let Some(body) = body {
        add(413, "The body is too large.");
        if matches!(body.content, Content::Json(_)) {
            add(415, "The body is not JSON.");
        }
    }
    let mut rules = Vec::new();
    let may_fail = add_failures(plan, &recipe.graph, &mut add, &mut rules);
    if may_fail {
        add(404, "Something that is asked for does not exist.");
        add(502, "A backend's reply cannot be used.");
        add(503, "A backend is unavailable.");
        add(504, "A backend did not answer in time.");
        rules.extend(&recipe.errors.map);
    }
    for rule in rules {
        let of_match = match rule.on {
            ErrorMatch::Code(code) => plan::code::http_status(code),
            ErrorMatch::Status(status) => status,
        };
        let status = rule.status.unwrap_or(of_match).as_u16();
        let title = rule.title.as_ref().map_or_else(
            || {
                let what = match rule.on {
                    ErrorMatch::Code(code) => plan::code::name(code).to_owned(),
                    ErrorMatch::Status(status) => status.to_string(),
                };
                format!("A backend answered {what}.")
            },
            |it| format!("{}.", it.trim_end_matches('.')),
        );
        add(status, &title);
    }
    all.into_iter()
        .map(|(status, sentences)| Problem {
            status,
            description: sentences.join(" "),
        })
        .collect()
}

/// Adds what `require:` says and the rules of calls; whether a call can fail the endpoint.
fn add_failures<'p>(
    plan: &'p Plan,
    graph: &'p Graph,
    add: &mut dyn FnMut(u16, &str),
    rules: &mut Vec<&'p plan::ErrorRule>,
) -> bool {
    for require in &graph.require {
        let detail = match &require.detail {
            Some(plan::Template::Constant { json, .. }) => serde_json::from_slice::<String>(json).ok(),
            _ => None,
        };
        let description = detail.map_or_else(
            || "A condition of this endpoint does not hold.".to_owned(),
            |it| format!("{}.", it.trim_end_matches('.')),
        );
        add(require.otherwise.status().as_u16(), &description);
    }
    let mut may_fail = false;
    for call in &graph.calls {
        if call.optional || call.fallback.is_some() || call.error_slot.is_some() {
            continue;
        }
        match &call.kind {
            CallKind::Compose { fragment, .. } => {
                if let Some(fragment) = plan.fragments.get(fragment.0) {
                    may_fail |= add_failures(plan, &fragment.graph, add, rules);
                }
            }
            CallKind::For(it) => may_fail |= add_failures(plan, &it.graph, add, rules),
            CallKind::Grpc(_) | CallKind::Http(_) => {
                may_fail = true;
                rules.extend(&call.errors);
            }
            CallKind::Value(_) => {}
        }
    }
    may_fail
}
