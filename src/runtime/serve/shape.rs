//! Is it one request, and to whom: what HTTP leaves to servers to refuse (RFC 9110 §7.2, RFC 9112 §3.2).
//!
//! The listener refuses what is no HTTP at all, and where a body has two ends (`gateway::listen`). Here is what two parsers may read differently, and what is too much.
//! Asked by the listener for each request before anything else is; costs two look-ups by name.

use http::header::HOST;
use http::{Method, Request, Version};

use super::problem::Refusal;
use crate::plan::Settings;

/// Refuses a head that could be read in two ways, or that is larger than the settings allow.
pub fn check<B>(request: &Request<B>, settings: &Settings) -> Result<(), Refusal> {
    let (headers, uri) = (request.headers(), request.uri());
    let is_http11 = request.version() == Version::HTTP_11;
    if request.version() == Version::HTTP_2 {
        if list_size(request) > settings.max_headers {
            return Err(Refusal::HeadTooLarge(settings.max_headers));
        }
        if headers.values().any(|it| is_padded(it.as_bytes())) {
            return Err(Refusal::BadHead("a value begins or ends with a space"));
        }
        if request.method() == Method::CONNECT && uri.authority().is_none() {
            return Err(Refusal::BadHead("CONNECT names no host"));
        }
    }
    if request.method() == Method::CONNECT {
        return Err(Refusal::MethodNotAllowed(super::pass::METHODS.to_vec()));
    }
    if headers.len() > settings.max_header_count {
        return Err(Refusal::TooManyHeaders(settings.max_header_count));
    }
    let target = uri.path_and_query().map_or(0, |it| it.as_str().len());
    if target > settings.max_uri {
        return Err(Refusal::UriTooLong(settings.max_uri));
    }
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::BadHead("`Host` is given twice"));
    }
    if host.is_none() && is_http11 {
        return Err(Refusal::BadHead("`Host` is missing"));
    }
    if host.is_some_and(|it| !is_host(it.as_bytes())) {
        return Err(Refusal::BadHead("`Host` names no host"));
    }
    if let Some(authority) = uri.authority() {
        if authority.as_str().contains('@') {
            return Err(Refusal::BadHead("the target names a user"));
        }
        if host.is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())) {
            return Err(Refusal::BadHead("the target and `Host` name different hosts"));
        }
    }
    Ok(())
}

/// The size of a head as HTTP/2 counts it (RFC 9113 §6.5.2), pseudo-headers left out but the target.
fn list_size<B>(request: &Request<B>) -> usize {
    let fields = request.headers().iter().map(|it| it.0.as_str().len() + it.1.len() + 32);
    let target = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
    fields.sum::<usize>() + target
}

/// Whether a value has what HTTP/1.1 takes off it and HTTP/2 forbids (RFC 9113 §8.2.1).
fn is_padded(value: &[u8]) -> bool {
    let is_blank = |it: Option<&u8>| matches!(it, Some(b' ' | b'\t'));
    is_blank(value.first()) || is_blank(value.last())
}

/// A host, and a port where there is one (RFC 3986 §3.2.2).
fn is_host(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(it))
}
