//! A gRPC reply: headers, one message, trailers (grpc/doc/PROTOCOL-HTTP2.md).

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use percent_encoding::percent_decode;
use tonic::Code;

use super::super::{Directives, Failure, Reply, pushback};
use super::{PREFIX, channel};
use crate::codec::base64;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Reads a whole reply. Fails with `Status` where the backend says so, with `BadReply` where it is no unary gRPC reply.
pub(super) async fn read(response: Response<RecvStream>, max_message: usize) -> Result<Reply, Failure> {
    let (head, mut body) = response.into_parts();
    if let Some(status) = head.headers.get(GRPC_STATUS) {
        // Trailers only: there is no message, so that even OK is a failure.
        return Err(failed(status.as_bytes(), &head.headers)
            .unwrap_or_else(|| Failure::bad_reply("the reply says OK without a message")));
    }
    if head.status != StatusCode::OK || !is_grpc(&head.headers) {
        return Err(Failure::foreign_reply(head.status));
    }
    let received = receive(&mut body, max_message).await;
    let trailers = match &received {
        Ok(_) => body.trailers().await.map_err(channel::failure_of)?,
        // Whatever was wrong with the message: what the backend itself says is not awaited.
        Err(_) => None,
    };
    let received = received?;
    let trailers = trailers.ok_or_else(|| Failure::bad_reply("the reply ended without a status"))?;
    let status = trailers
        .get(GRPC_STATUS)
        .ok_or_else(|| Failure::bad_reply("the reply ended without a status"))?;
    if let Some(failure) = failed(status.as_bytes(), &trailers) {
        return Err(failure);
    }
    Ok(Reply {
        body: message(&received)?,
        directives: Directives::default(),
    })
}

/// Hears each message of a streamed reply. Fails as [`read`] does, but for the number of messages.
pub(super) async fn each(
    response: Response<RecvStream>,
    max_message: usize,
    hear: &dyn Fn(Bytes),
) -> Result<(), Failure> {
    let (head, mut body) = response.into_parts();
    if let Some(status) = head.headers.get(GRPC_STATUS) {
        return failed(status.as_bytes(), &head.headers).map_or(Ok(()), Err);
    }
    if head.status != StatusCode::OK || !is_grpc(&head.headers) {
        return Err(Failure::foreign_reply(head.status));
    }
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(channel::failure_of)?;
        let given_back = body.flow_control().release_capacity(chunk.len());
        given_back.map_err(channel::failure_of)?;
        all.extend_from_slice(&chunk);
        while let Some(length) = expected(&all) {
            if length > PREFIX + max_message {
                return Err(Failure::reply_too_large());
            }
            if all.len() < length {
                break;
            }
            hear(message(&all.split_to(length).freeze())?);
        }
    }
    let trailers = body.trailers().await.map_err(channel::failure_of)?.unwrap_or_default();
    let status = trailers.get(GRPC_STATUS);
    let status = status.ok_or_else(|| Failure::bad_reply("the reply ended without a status"))?;
    failed(status.as_bytes(), &trailers).map_or(Ok(()), Err)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let content_type = content_type.as_bytes();
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else {
        return false;
    };
    matches!(rest.first(), None | Some(b'+' | b';'))
}

/// All bytes of the body, as long as they can still be one message of at most `max_message` bytes.
async fn receive(body: &mut RecvStream, max_message: usize) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(channel::failure_of)?;
        // The window is ours to give back: what was received is about to be kept or refused as a whole.
        let given_back = body.flow_control().release_capacity(chunk.len());
        given_back.map_err(channel::failure_of)?;
        let so_far = if all.is_empty() { first.len() } else { all.len() };
        if so_far + chunk.len() > PREFIX + max_message {
            return Err(Failure::reply_too_large());
        }
        if so_far == 0 {
            first = chunk;
        } else {
            if all.is_empty() {
                all.reserve(
                    expected(&first)
                        .unwrap_or(0)
                        .min(PREFIX + max_message)
                        .max(so_far + chunk.len()),
                );
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// How long prefix and message are, where the prefix is there.
fn expected(bytes: &[u8]) -> Option<usize> {
    let &[_, a, b, c, d] = bytes.first_chunk::<PREFIX>()?;
    usize::try_from(u32::from_be_bytes([a, b, c, d]))
        .ok()?
        .checked_add(PREFIX)
}

/// The one message.
fn message(received: &Bytes) -> Result<Bytes, Failure> {
    let Some(length) = expected(received) else {
        return Err(Failure::bad_reply("the reply says OK without a message"));
    };
    if received.first() != Some(&0) {
        return Err(Failure::bad_reply("the reply is compressed, which was not offered"));
    }
    if received.len() != length {
        return Err(Failure::bad_reply("the reply is not exactly one message"));
    }
    Ok(received.slice(PREFIX..))
}

/// The failure that a `grpc-status` other than OK stands for.
fn failed(status: &[u8], headers: &HeaderMap) -> Option<Failure> {
    // Code 2 is what the protocol says for numbers that nobody knows.
    let code = std::str::from_utf8(status)
        .ok()
        .and_then(|it| it.parse().ok())
        .map_or(Code::Unknown, Code::from_i32);
    if code == Code::Ok {
        return None;
    }
    let text = headers
        .get("grpc-message")
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let message = percent_decode(text).decode_utf8_lossy().into_owned();
    let details = headers
        .get("grpc-status-details-bin")
        // Padded or not; what is malformed is as if it were not there.
        .and_then(|it| base64::decode(it.as_bytes()))
        .unwrap_or_default();
    let pushback = pushback::of_grpc(headers, &details);
    Some(Failure::status(code, message, details.into()).pushed_back(pushback))
}
