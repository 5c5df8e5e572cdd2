//! The request of a call: message, metadata, path, query, headers, body (semantics.md 11). And what an HTTP reply is worth.
//!
//! Everything dynamic is encoded here and nowhere else; what cannot be sent safely fails the call before anything is sent.

use std::sync::Arc;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::scope::Scope;
use super::{Incoming, render};
use crate::codec::{HttpBinding, json};
use crate::expr::{Frame, Slot, Str, Value};
use crate::plan::{Accept, Call, GrpcCall, GrpcRequest, Header, HttpCall, JsonReply, Origin, PathPart};
use crate::runtime::backend::{Failure, Request};
use crate::schema::path_template::is_dots;

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The request of a gRPC call.
pub(super) fn grpc(scope: &Scope<'_>, call: &Call, grpc: &GrpcCall) -> Result<Request, Failure> {
    let message = match &grpc.request {
        GrpcRequest::Bound(binding) => bound(binding, scope.run.incoming)?,
        GrpcRequest::Template { template, encoder } => scope.frame(|frame| {
            let value = render::value(template, frame)?;
            let mut message = Vec::new();
            encoder
                .encode(&value, &mut message)
                .map_err(|it| Failure::expression(it, Some(call.origin.clone())))?;
            Ok(message)
        })?,
    };
    let metadata = scope.frame(|frame| headers(&grpc.headers, frame, &call.origin))?;
    Ok(Request::Grpc {
        path: grpc.path.clone(),
        message: message.into(),
        metadata,
    })
}

/// A message bound from the HTTP request, as google.api.http says.
pub(super) fn bound(binding: &Arc<HttpBinding>, incoming: &Incoming) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    let Incoming { captures, query, body } = incoming;
    binding
        .bind(captures, query.as_deref(), body, &mut message)
        .map_err(Failure::bad_input)?;
    Ok(message)
}

/// The request of an HTTP call.
pub(super) fn http(scope: &Scope<'_>, call: &Call, http: &HttpCall) -> Result<Request, Failure> {
    scope.frame(|frame| {
        let mut path_and_query = path(&http.path, frame, &call.origin, "")?;
        let mut separator = '?';
        for (name, template) in &http.query {
            for value in render::texts(template, frame)? {
                path_and_query.push(separator);
                separator = '&';
                path_and_query.extend(utf8_percent_encode(name, RESERVED));
                path_and_query.push('=');
                path_and_query.extend(utf8_percent_encode(&value, RESERVED));
            }
        }
        let mut headers = headers(&http.headers, frame, &call.origin)?;
        let body = match &http.body {
            None => None,
            Some(template) => {
                let (body, media_type) = match render::value_or_json(template, frame)? {
                    render::Rendered::Bytes(bytes) => (bytes, "application/octet-stream"),
                    render::Rendered::Json(json) => (json.into(), "application/json"),
                };
                headers
                    .entry(CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static(media_type));
                Some(body)
            }
        };
        Ok(Request::Http {
            method: http.method.clone(),
            path_and_query,
            headers,
            body,
            accept: http.accept,
        })
    })
}

/// The value of an HTTP backend's reply, whose form the backend has checked.
pub(super) fn read_http(accept: Accept, promised: Option<&JsonReply>, body: Bytes) -> Result<Value, Failure> {
    match accept {
        Accept::Bytes => Ok(Value::Bytes(body)),
        Accept::Json | Accept::Xml => {
            let trimmed = json::trim(&body);
            // An empty body is what a backend means by null.
            let null = trimmed.is_empty() || trimmed == b"null";
            match promised {
                Some(reply) if null && !reply.ty.nullable => {
                    Err(Failure::bad_reply("the reply is null, which its schema does not allow"))
                }
                _ if null => Ok(Value::Null),
                Some(reply) => reply
                    .reader
                    .read(body.slice_ref(trimmed))
                    .map_err(|_| Failure::bad_reply("the reply is not what its schema says")),
                None => Ok(Value::Json(body.slice_ref(trimmed))),
            }
        }
        Accept::Text => Str::from_utf8(body)
            .map(Value::String)
            .ok_or_else(|| Failure::bad_reply("the reply's text is not UTF-8")),
    }
}

/// Headers with their values; null leaves one out. Fails where a value has bytes that may not be sent.
fn headers(headers: &[Header], frame: &Frame<'_>, origin: &Origin) -> Result<HeaderMap, Failure> {
    let mut all = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let text = if header.name.as_str().ends_with("-bin") {
            match render::value(&header.value, frame)? {
                Value::Null => continue,
                Value::Bytes(bytes) => base64_simd::STANDARD_NO_PAD.encode_to_string(&bytes),
                _ => return Err(Failure::bug("binary metadata that is no bytes")),
            }
        } else {
            let Some(text) = render::text(&header.value, frame)? else {
                continue;
            };
            text
        };
        let value = header_value(&text).ok_or_else(|| Failure::bad_header(Some(origin.clone())))?;
        all.append(header.name.clone(), value);
    }
    Ok(all)
}

/// Text as the value of a header; `None` where it has other than visible ASCII, blanks and tabs (semantics.md 11.4).
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    let visible = text.bytes().all(|it| matches!(it, b'\t' | b' '..=b'~'));
    HeaderValue::from_str(text).ok().filter(|_| visible)
}

/// The path of a request that is handed over: `own` is its path as it came, and `values` those of its inputs.
pub(in crate::runtime) fn handed_path(
    http: &HttpCall,
    values: &[Value],
    origin: &Origin,
    own: &str,
) -> Result<String, Failure> {
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values,
    };
    path(&http.path, &frame, origin, own)
}

/// A path in which no value can make a segment of its own, or leave one.
fn path(parts: &[PathPart], frame: &Frame<'_>, origin: &Origin, own: &str) -> Result<String, Failure> {
    let mut path = String::new();
    // Whether a value has a part in the segment that is being written.
    let mut valued = false;
    let end_segment = |path: &str, valued: bool| {
        let segment = path.rsplit('/').next().unwrap_or_default();
        if valued && (segment.is_empty() || segment.contains("%00") || is_dots(segment)) {
            return Err(Failure::bad_path(Some(origin.clone())));
        }
        Ok(())
    };
    for part in parts {
        match part {
            PathPart::Literal(text) => {
                for (at, piece) in text.split('/').enumerate() {
                    if at > 0 {
                        end_segment(&path, valued)?;
                        valued = false;
                        path.push('/');
                    }
                    path.push_str(piece);
                }
            }
            PathPart::Segment(program) => {
                let value = program
                    .eval(frame)
                    .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
                path.extend(utf8_percent_encode(&segment(&value, origin)?, RESERVED));
                valued = true;
            }
            PathPart::Own(from, to) => {
                let segments = own.split('/').skip(1).enumerate();
                let wanted = segments.filter(|(at, _)| at >= from && to.is_none_or(|to| *at < to));
                let wanted: Vec<&str> = wanted.map(|(_, it)| it).collect();
                if wanted.iter().any(|it| is_dots(it)) {
                    return Err(Failure::bad_path(Some(origin.clone())));
                }
                path.push_str(&wanted.join("/"));
            }
            PathPart::Segments(program) => {
                let value = program
                    .eval(frame)
                    .map_err(|it| Failure::expression(it, Some(origin.clone())))?;
                for (at, element) in render::elements(value, Some(origin))?.iter().enumerate() {
                    if at > 0 {
                        end_segment(&path, true)?;
                        path.push('/');
                    }
                    path.extend(utf8_percent_encode(&segment(element, origin)?, RESERVED));
                }
                valued = true;
            }
        }
    }
    end_segment(&path, valued)?;
    Ok(path)
}

/// The text of a value in a path; null is no segment.
fn segment(value: &Value, origin: &Origin) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.as_str().to_owned()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Json(json) => Ok(render::unquoted(json)),
        Value::Null => Err(Failure::bad_path(Some(origin.clone()))),
        _ => Err(Failure::bug("a path segment that is no text")),
    }
}

#[cfg(test)]
mod tests;
