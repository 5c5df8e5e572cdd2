//! Pages of other origins: what browsers ask before they ask, and what they have to read on answers (Fetch §3.2).
//!
//! Invariant: what is kept of an answer says nothing of origins; that is added to each answer for the one who asks.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Response, respond};
use crate::plan::{Cors, Origins, Plan};
use crate::schema::path_template::Match;

const REQUEST_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The answer to a browser that asks what it may do at a path; `None` where this is no such question, or nothing has the path.
pub(super) fn preflight(plan: &Plan, parts: &Parts) -> Option<Response> {
    let cors = plan.settings.cors.as_ref()?;
    if parts.method != Method::OPTIONS {
        return None;
    }
    let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let origin = parts.headers.get(ORIGIN)?;
    let methods = methods(plan, parts.uri.path(), asked)?;
    let mut response = respond::options(&methods);
    if !allows(cors, origin) {
        return Some(response);
    }
    let usable = methods
        .iter()
        .filter(|it| cors.methods.as_ref().is_none_or(|usable| usable.contains(it)));
    let usable: Vec<&str> = usable.map(Method::as_str).collect();
    let headers = response.headers_mut();
    if let Ok(usable) = HeaderValue::from_str(&usable.join(", ")) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, usable);
    }
    if !cors.headers.is_empty() {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    if cors.private_network && parts.headers.contains_key(REQUEST_PRIVATE) {
        headers.insert(ALLOW_PRIVATE, TRUE);
    }
    Some(response)
}

/// The methods of a path, OPTIONS left out, which is asked of it.
fn methods(plan: &Plan, path: &str, asked: &HeaderValue) -> Option<Vec<Method>> {
    match plan.routes.find(&Method::OPTIONS, path) {
        Match::BadPath | Match::NotFound => None,
        Match::OtherMethods(methods) => Some(methods),
        Match::Route(index, _) if plan.endpoints.get(index.0)?.method.is_none() => Some(super::pass::METHODS.to_vec()),
        // An endpoint of its own for OPTIONS: of the other methods the one that is asked for is known.
        Match::Route(..) => {
            let asked = Method::from_bytes(asked.as_bytes()).ok()?;
            let is_served = matches!(plan.routes.find(&asked, path), Match::Route(..));
            Some(if is_served { vec![asked] } else { Vec::new() })
        }
    }
}

/// Adds what a browser has to read on an answer. What a backend behind `proxy:` said of origins is taken out: there is one
/// who decides.
pub(super) fn add(cors: &Cors, request: &HeaderMap, response: &mut Response) {
    let headers = response.headers_mut();
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    let origin = match cors.origins {
        Origins::All => HeaderValue::from_static("*"),
        Origins::These(_) => {
            // Also where none is given: what is kept of this answer is not for those who give one.
            respond::vary_by(headers, "origin");
            match request.get(ORIGIN).filter(|it| allows(cors, it)) {
                Some(origin) => origin.clone(),
                None => return,
            }
        }
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
    if let Some(exposed) = &cors.expose_headers {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
    }
}

fn allows(cors: &Cors, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|it| cors.origins.allow(it))
}
