//! Is it one request, and to whom: what HTTP leaves to servers to refuse (RFC 9110 §7.2, RFC 9112 §3.2 and §6.1).
//!
//! The parser below refuses what is no HTTP at all. Here is what two parsers may read differently, and what is too much.
//! Asked by the listener for each request before anything else is; costs two look-ups by name.

use http::header::{HOST, TRANSFER_ENCODING};
use http::{Method, Request, Version};
use http_body::Body;

use super::problem::Refusal;
use crate::plan::Settings;

/// Refuses a head that could be read in two ways, or that is larger than the settings allow.
pub fn check<B: Body>(request: &Request<B>, settings: &Settings) -> Result<(), Refusal> {
    let (headers, uri) = (request.headers(), request.uri());
    let is_http11 = request.version() == Version::HTTP_11;
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
    if is_http11 && !request.body().is_end_stream() {
        let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
        let is_chunked = codings
            .next()
            .is_none_or(|it| it.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !is_chunked || codings.next().is_some() {
            return Err(Refusal::BadHead("`Transfer-Encoding` can only be `chunked`, once"));
        }
    }
    Ok(())
}

/// A host, and a port where there is one (RFC 3986 §3.2.2).
fn is_host(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(it))
}
