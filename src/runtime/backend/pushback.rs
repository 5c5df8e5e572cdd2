//! What a backend says of trying again: `grpc-retry-pushback-ms` (gRFC A6), google.rpc.RetryInfo, `Retry-After` (RFC 9110).

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, RETRY_AFTER};

use super::Pushback;
use crate::codec::wire::Reader;
use crate::time;

/// The longest that anybody is believed.
const MAX: Duration = Duration::from_hours(1);

/// Of a gRPC status: its trailers, and its `grpc-status-details-bin` decoded from base64.
pub(super) fn of_grpc(trailers: &HeaderMap, details: &[u8]) -> Option<Pushback> {
    let Some(millis) = trailers.get("grpc-retry-pushback-ms") else {
        return retry_delay(details).map(|it| Pushback::After(it.min(MAX)));
    };
    // A negative number, and whatever is none, means that there is to be no further attempt.
    let millis = millis.to_str().ok().and_then(|it| it.parse::<u32>().ok());
    Some(millis.map_or(Pushback::Never, |it| {
        Pushback::After(Duration::from_millis(u64::from(it)).min(MAX))
    }))
}

/// Of an HTTP reply: seconds, or a date.
pub(super) fn of_http(headers: &HeaderMap) -> Option<Pushback> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = if let Ok(seconds) = text.parse::<u32>() {
        Duration::from_secs(u64::from(seconds))
    } else {
        let now = SystemTime::UNIX_EPOCH + time::since_epoch();
        let then = httpdate::parse_http_date(text).ok()?;
        then.duration_since(now).unwrap_or_default()
    };
    Some(Pushback::After(after.min(MAX)))
}

/// `retry_delay` of the google.rpc.RetryInfo in a google.rpc.Status. What is malformed says nothing.
fn retry_delay(status: &[u8]) -> Option<Duration> {
    fields(status)
        .filter(|(number, _, _)| *number == 3)
        .find_map(|(_, any, _)| {
            let name = fields(any).find(|(number, _, _)| *number == 1)?.1;
            if !name.ends_with(b"/google.rpc.RetryInfo") {
                return None;
            }
            let info = fields(any).find(|(number, _, _)| *number == 2)?.1;
            let delay = fields(info).find(|(number, _, _)| *number == 1)?.1;
            let part = |wanted| {
                fields(delay)
                    .find(|(number, _, _)| *number == wanted)
                    .map_or(0, |it| it.2)
            };
            let seconds = i64::from_ne_bytes(part(1).to_ne_bytes());
            let nanos = u32::try_from(part(2)).ok().filter(|it| *it < 1_000_000_000)?;
            Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
        })
}

/// Numbers, bytes and bits of the fields of a message, as far as it can be read.
fn fields(message: &[u8]) -> impl Iterator<Item = (u32, &[u8], u64)> {
    let mut reader = Reader::new(message);
    std::iter::from_fn(move || {
        let (tag, value) = reader.field().ok()??;
        Some((tag.number(), value.bytes(), value.bits()))
    })
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{Any, Duration as ProtoDuration};

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<ProtoDuration>,
    }

    fn status(seconds: i64, nanos: i32) -> Vec<u8> {
        let retry_delay = Some(ProtoDuration { seconds, nanos });
        let any = |name: &str, value| Any {
            type_url: format!("type.googleapis.com/{name}"),
            value,
        };
        let details = vec![
            any("google.rpc.ErrorInfo", b"\x0a\x01x".to_vec()),
            any("google.rpc.RetryInfo", RetryInfo { retry_delay }.encode_to_vec()),
        ];
        Status { code: 14, details }.encode_to_vec()
    }

    #[test]
    fn a_grpc_status_says_when() {
        let mut trailers = HeaderMap::new();
        let after = |millis| Some(Pushback::After(Duration::from_millis(millis)));
        assert_eq!(of_grpc(&trailers, &status(2, 500_000_000)), after(2_500));
        assert_eq!(of_grpc(&trailers, &status(-2, 0)), None);
        assert_eq!(of_grpc(&trailers, b"\xff\xff"), None);
        for (text, wanted) in [
            ("70", after(70)),
            ("-1", Some(Pushback::Never)),
            ("soon", Some(Pushback::Never)),
        ] {
            trailers.insert("grpc-retry-pushback-ms", text.parse().unwrap());
            assert_eq!(of_grpc(&trailers, &status(2, 0)), wanted, "{text}");
        }
    }

    #[test]
    fn an_http_reply_says_when() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_http(&headers), None);
        for (text, wanted) in [
            ("3", Some(3)),
            ("Fri, 01 Jan 1999 10:00:00 GMT", Some(0)),
            ("Tue, 01 Jan 2999 10:00:00 GMT", Some(3_600)),
            ("soon", None),
        ] {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            let wanted = wanted.map(|it| Pushback::After(Duration::from_secs(it)));
            assert_eq!(of_http(&headers), wanted, "{text}");
        }
    }
}
