//! What the reply of an HTTP backend must be: its status, its content type, its size, its form.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body::Body;
use http_body_util::BodyExt;

use super::super::{Failure, Reply, pushback, xml};
use super::directives;
use crate::codec::json;
use crate::plan::Accept;

/// How much of a failure's own text is kept.
const MAX_MESSAGE: usize = 8 << 10;

/// Reads a whole reply. `head` says that the request was a HEAD, whose reply has no body. The form is checked here and
/// nowhere else: JSON is valid, text is UTF-8, XML has become JSON.
pub async fn read<B>(
    response: http::Response<B>,
    accept: Accept,
    head: bool,
    max_message: usize,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (parts, body) = response.into_parts();
    let status = parts.status;
    if status.is_client_error() || status.is_server_error() {
        let pushback = pushback::of_http(&parts.headers);
        return Err(failure(status, body).await.pushed_back(pushback));
    }
    if !status.is_success() {
        return Err(Failure::redirect(status));
    }
    let directives = directives::read(&parts.headers);
    let empty = head || status == StatusCode::NO_CONTENT || status == StatusCode::RESET_CONTENT;
    if !empty {
        check_coding(&parts.headers)?;
    }
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if !head && announced.is_some_and(|it| it > max_message) {
        return Err(Failure::reply_too_large());
    }
    let received = collect(body, max_message).await?;
    let body = if empty || received.is_empty() {
        nothing(accept)
    } else {
        form(received, accept, &parts.headers)?
    };
    Ok(Reply { body, directives })
}

/// The body of a reply that has none: null, or the empty text.
fn nothing(accept: Accept) -> Bytes {
    match accept {
        Accept::Json | Accept::Xml => Bytes::from_static(b"null"),
        Accept::Bytes | Accept::Text => Bytes::new(),
    }
}

fn check_coding(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Failure::bad_reply("the reply is compressed, which was not offered"))
        }
        _ => Ok(()),
    }
}

fn form(received: Bytes, accept: Accept, headers: &HeaderMap) -> Result<Bytes, Failure> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map(|it| String::from_utf8_lossy(it.as_bytes()).to_ascii_lowercase());
    let media_type = content_type
        .as_deref()
        .map(|it| it.split(';').next().unwrap_or_default().trim());
    match accept {
        Accept::Bytes => Ok(received),
        Accept::Json => {
            // RFC 9110 §8.3: a reply without a type may be looked at; one with another type is what it says.
            if media_type.is_some_and(|it| it != "application/json" && !it.ends_with("+json")) {
                return Err(Failure::bad_reply("the reply's content type is not JSON"));
            }
            json::validate(&received).map_err(Failure::bad_reply_from)?;
            Ok(received)
        }
        Accept::Text => match simdutf8::basic::from_utf8(&received) {
            Ok(_) => Ok(received),
            Err(_) => Err(Failure::bad_reply("the reply's text is not UTF-8")),
        },
        Accept::Xml => {
            if media_type.is_some_and(|it| it != "application/xml" && it != "text/xml" && !it.ends_with("+xml")) {
                return Err(Failure::bad_reply("the reply's content type is not XML"));
            }
            xml::to_json(&received)
                .map(Bytes::from)
                .map_err(Failure::bad_reply_from)
        }
    }
}

async fn collect<B>(mut body: B, max_message: usize) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(Failure::connection)?.into_data() else {
            continue;
        };
        let so_far = if all.is_empty() { first.len() } else { all.len() };
        if so_far + chunk.len() > max_message {
            return Err(Failure::reply_too_large());
        }
        if so_far == 0 {
            first = chunk;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// A 4xx or 5xx with the beginning of its text, as far as it is one.
async fn failure(status: StatusCode, mut body: impl Body<Data = Bytes> + Unpin) -> Failure {
    let mut text = Vec::new();
    while text.len() < MAX_MESSAGE {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Ok(chunk) = frame.into_data() {
            text.extend_from_slice(chunk.get(..MAX_MESSAGE - text.len()).unwrap_or(&chunk));
        }
    }
    Failure::http_status(status, String::from_utf8_lossy(&text).into_owned())
}
