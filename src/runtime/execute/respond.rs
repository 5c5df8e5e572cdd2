//! The response of an endpoint whose calls have settled: status, headers, cookies, body.

use ::http::StatusCode;
use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, SET_COOKIE};
use bytes::Bytes;

use super::{Answer, Tags, build, render};
use crate::codec::DecodeError;
use crate::codec::wire::Reader;
use crate::expr::{Frame, Value};
use crate::plan::{Cookie, Header, Response, ResponseBody, Status, Template};
use crate::runtime::backend::Failure;

/// A body, and what it is.
struct Body {
    bytes: Bytes,
    content_type: HeaderValue,
    null: bool,
}

/// Evaluates a response; where a client chose a part of it, `chosen` is what is written. A failure here is the endpoint's
/// (semantics.md 3.5).
pub(super) fn answer(response: &Response, chosen: Option<&Template>, frame: &Frame<'_>) -> Result<Answer, Failure> {
    let body = match chosen {
        None => body(&response.body, frame)?,
        Some(template) => json_body(template, frame)?,
    };
    let status = status(&response.status, frame, body.null)?;
    // Beside them, the content type and what `serve` adds.
    let mut headers = HeaderMap::with_capacity(response.headers.len() + response.cookies.len() + 4);
    let without_body = body.null && matches!(response.status, Status::Default)
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        );
    if !without_body {
        headers.insert(CONTENT_TYPE, body.content_type);
    }
    for Header { name, value } in &response.headers {
        if let Some(text) = render::text(value, frame)? {
            headers.insert(
                name.clone(),
                build::header_value(&text).ok_or_else(|| Failure::bad_response(None))?,
            );
        }
    }
    for cookie in &response.cookies {
        headers.append(SET_COOKIE, set_cookie(cookie, frame)?);
    }
    Ok(Answer {
        status,
        headers,
        body: if without_body { Bytes::new() } else { body.bytes },
    })
}

/// What the answer is dropped with, and what it drops.
pub(super) fn tags(response: &Response, frame: &Frame<'_>) -> Result<Tags, Failure> {
    Ok(Tags {
        own: render::tags(&response.tags, frame)?,
        dropped: render::tags(&response.invalidates, frame)?,
    })
}

fn body(body: &ResponseBody, frame: &Frame<'_>) -> Result<Body, Failure> {
    let raw = |bytes, content_type| Body {
        bytes,
        content_type,
        null: false,
    };
    let octets = HeaderValue::from_static("application/octet-stream");
    let nothing = Body {
        bytes: Bytes::new(),
        content_type: octets.clone(),
        null: true,
    };
    match body {
        ResponseBody::Bytes(program) => match program.eval(frame).map_err(|it| Failure::expression(it, None))? {
            Value::Bytes(bytes) => Ok(raw(bytes, octets)),
            Value::Null => Ok(nothing),
            _ => Err(Failure::bug("a raw body that is no bytes")),
        },
        ResponseBody::HttpBody(program) => match program.eval(frame).map_err(|it| Failure::expression(it, None))? {
            Value::Message(wire) => {
                let (content_type, data) = http_body(&wire).map_err(Failure::bad_reply_from)?;
                let content_type = match content_type {
                    b"" => octets,
                    text => {
                        let text = std::str::from_utf8(text).ok();
                        let value = text.and_then(build::header_value);
                        value.ok_or_else(|| Failure::bad_reply("the content type of an HttpBody cannot be sent"))?
                    }
                };
                Ok(raw(wire.slice_ref(data), content_type))
            }
            Value::Null => Ok(nothing),
            _ => Err(Failure::bug("a google.api.HttpBody that is no message")),
        },
        ResponseBody::Json(template) => json_body(template, frame),
    }
}

fn json_body(template: &Template, frame: &Frame<'_>) -> Result<Body, Failure> {
    let mut json = Vec::with_capacity(expected_size(frame));
    render::json(template, frame, &mut json)?;
    let null = json == b"null";
    Ok(Body {
        bytes: json.into(),
        content_type: HeaderValue::from_static("application/json"),
        null,
    })
}

/// About how long the JSON will be: what was received, messages counted twice, since names take room.
fn expected_size(frame: &Frame<'_>) -> usize {
    let of_value = |value: &Value| match value {
        Value::Message(wire) => wire.len().saturating_mul(2),
        Value::Json(json) => json.len(),
        _ => 0,
    };
    let received: usize = frame.values.iter().map(of_value).sum();
    (received + (1 << 9)).min(1 << 20)
}

/// `content_type` and `data` of a google.api.HttpBody.
fn http_body(wire: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (mut content_type, mut data) = (&wire[..0], &wire[..0]);
    let mut reader = Reader::new(wire);
    while let Some((tag, value)) = reader.field()? {
        match tag.number() {
            1 => content_type = value.bytes(),
            2 => data = value.bytes(),
            _ => {}
        }
    }
    Ok((content_type, data))
}

fn status(status: &Status, frame: &Frame<'_>, null: bool) -> Result<StatusCode, Failure> {
    match status {
        Status::Default if null => Ok(StatusCode::NO_CONTENT),
        Status::Default => Ok(StatusCode::OK),
        Status::Fixed(status) => Ok(*status),
        Status::Expression(condition) => {
            let origin = || Some(condition.origin.clone());
            let value = condition
                .program
                .eval(frame)
                .map_err(|it| Failure::expression(it, origin()))?;
            let number = value
                .as_integer()
                .and_then(|it| u16::try_from(it).ok())
                .filter(|it| (200..400).contains(it));
            let status = number.and_then(|it| StatusCode::from_u16(it).ok());
            status.ok_or_else(|| Failure::bad_response(origin()))
        }
    }
}

/// A `Set-Cookie` line. Null deletes the cookie; a value that RFC 6265 does not allow fails the response.
fn set_cookie(cookie: &Cookie, frame: &Frame<'_>) -> Result<HeaderValue, Failure> {
    let line = match render::text(&cookie.value, frame)? {
        None => format!("{}={}", cookie.name, cookie.deletion),
        Some(value) if value.bytes().all(is_cookie_octet) => format!("{}={value}{}", cookie.name, cookie.attributes),
        Some(_) => return Err(Failure::bad_response(None)),
    };
    HeaderValue::from_str(&line).map_err(|_| Failure::bad_response(None))
}

/// RFC 6265 §4.1.1: anything else could end the value and begin an attribute.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

#[cfg(test)]
mod tests;
