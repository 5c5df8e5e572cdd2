//! Say it: outcomes as responses, and the headers that every response carries.

use bytes::Bytes;
use http::header::Entry;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::Response;
use super::body::Body;
use super::problem::allow;
use super::trace::{REQUEST_ID, Trace};
use crate::codec::json;
use crate::plan::{Recipe, Standing};
use crate::runtime::backend::code;
use crate::runtime::execute::{Answer, Degraded, Failed, Outcome};

/// The header that names what a degraded response does without, an RFC 9651 list: `reviews;code=DEADLINE_EXCEEDED`.
const DEGRADED: &str = "weft-degraded";

/// The response of an outcome, or the failure that ended it.
pub fn response(outcome: Outcome, recipe: &Recipe) -> Result<Response, Box<Failed>> {
    let answer = outcome.answer.map_err(Box::new)?;
    let mut response = of_answer(answer);
    if !outcome.degraded.is_empty() {
        degrade(&mut response, &outcome.degraded, recipe);
    } else if recipe.private && recipe.cache.is_none() {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    add_vary(response.headers_mut(), recipe);
    for (name, value) in &recipe.deprecated {
        response.headers_mut().append(name.clone(), value.clone());
    }
    Ok(response)
}

fn of_answer(answer: Answer) -> Response {
    let mut response = Response::new(answer.body.into());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// Says what is missing: in `Weft-Degraded`, and in the body where the endpoint wants it there.
fn degrade(response: &mut Response, degraded: &[Degraded], recipe: &Recipe) {
    let listed: Vec<String> = degraded
        .iter()
        .map(|it| {
            let reason = it
                .failure
                .kept_back()
                .map_or_else(String::new, |it| format!(";reason={it}"));
            let stale = it
                .stale
                .map_or_else(String::new, |it| format!(";stale={}", it.as_secs()));
            format!("{};code={}{reason}{stale}", it.call, code::name(it.failure.code))
        })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&listed.join(", ")) {
        response.headers_mut().insert(DEGRADED, value);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(member) = &recipe.errors.in_body
        && let Some(body) = with_member(response.body(), member, degraded)
    {
        *response.body_mut() = body.into();
    }
}

/// The body with one member more: what is missing. `None` where the body is no JSON object.
fn with_member(body: &Body, member: &str, degraded: &[Degraded]) -> Option<Bytes> {
    let whole = body.whole()?;
    let object = json::trim(&whole).strip_suffix(b"}")?;
    if object.first() != Some(&b'{') {
        return None;
    }
    let mut out = Vec::with_capacity(whole.len() + 64 * degraded.len() + member.len());
    out.extend_from_slice(object);
    if object.len() > 1 {
        out.push(b',');
    }
    json::write_string(member, &mut out);
    out.extend_from_slice(b":[");
    for (at, it) in degraded.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"call\":" } else { b",{\"call\":" });
        json::write_string(&it.call, &mut out);
        json::write_member("code", code::name(it.failure.code), &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Some(out.into())
}

/// Says which headers decide what is answered, beside those that are said already.
pub(super) fn add_vary(headers: &mut HeaderMap, recipe: &Recipe) {
    if recipe.vary.is_empty() {
        return;
    }
    let names: Vec<&str> = recipe.vary.iter().map(header::HeaderName::as_str).collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.append(header::VARY, value);
    }
}

/// Adds a name to `Vary`, unless it stands there. What was said on several lines is said on one.
pub fn vary_by(headers: &mut HeaderMap, name: &'static str) {
    let lines = headers.get_all(header::VARY).into_iter();
    let mut names: Vec<&str> = lines.filter_map(|it| it.to_str().ok()).collect();
    let mut listed = names.iter().flat_map(|it| it.split(',')).map(str::trim);
    if listed.any(|it| it == "*" || it.eq_ignore_ascii_case(name)) {
        return;
    }
    names.push(name);
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(header::VARY, value);
    }
}

/// The answer to OPTIONS of a path: 204 with `Allow`.
pub fn options(methods: &[Method]) -> Response {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, allow(methods));
    response
}

/// What every response carries; a response to HEAD keeps its length and loses its body.
pub fn finish(response: &mut Response, method: &Method, trace: &Trace, standing: &[Standing]) {
    for (name, value) in standing {
        if let Entry::Vacant(place) = response.headers_mut().entry(name) {
            place.insert(value.clone());
        }
    }
    if let Ok(id) = HeaderValue::from_str(trace.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if method == Method::HEAD {
        let length = response.body().n_bytes();
        if let Some(length) = length
            && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::default();
    }
}
