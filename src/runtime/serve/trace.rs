//! Request ids and W3C Trace Context (<https://www.w3.org/TR/trace-context/>): accepted from the client, passed on to backends.

use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::codec::hexadecimal;

/// `x-request-id`: the client's own where it is fit to be logged, else one of ours.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How one request is called in logs, problems and at the backends.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The client's own id of the request, where it is fit to be logged.
    request_id: Option<String>,
    /// 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// `traceparent`, and `tracestate` where there is one, as they are passed on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Trace {
    /// The request's id: the client's, else the trace's.
    pub fn request_id(&self) -> &str {
        self.request_id.as_deref().unwrap_or(&self.trace_id)
    }

    /// Takes up the client's trace, or begins one.
    pub fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|it| it.to_str().ok()).and_then(parse);
        let (trace_id, flags) = match parent {
            Some((trace_id, flags)) => (trace_id.to_owned(), flags),
            None => (hexadecimal(&rand::random::<NonZeroU128>().get().to_be_bytes()), "00"),
        };
        let span_id = hexadecimal(&rand::random::<NonZeroU64>().get().to_be_bytes());
        let mut passed_on = Vec::with_capacity(2);
        let mut traceparent = String::with_capacity(55);
        for part in ["00-", &trace_id, "-", &span_id, "-", flags] {
            traceparent.push_str(part);
        }
        if let Ok(mut value) = HeaderValue::try_from(traceparent) {
            // Never seen again: a place in the tables of HPACK (RFC 7541 §2.3.2) would be taken from what is.
            value.set_sensitive(true);
            passed_on.push((TRACEPARENT, value));
        }
        if parent.is_some()
            && let Some(state) = headers.get(TRACESTATE)
        {
            passed_on.push((TRACESTATE, state.clone()));
        }
        let request_id = headers
            .get(REQUEST_ID)
            .and_then(|it| it.to_str().ok())
            .filter(|it| (1..=128).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic()))
            .map(str::to_owned);
        Self {
            request_id,
            trace_id,
            headers: passed_on,
        }
    }
}

/// Trace id and flags of a well-formed `traceparent` (Trace Context §3.2; higher versions are read as far as version 00 goes).
fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |it: &str, length: usize| {
        it.len() == length && it.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
    };
    let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    let all_zero = |it: &str| it.bytes().all(|it| it == b'0');
    if !well_formed
        || version == "ff"
        || all_zero(trace)
        || all_zero(span)
        || (version == "00" && parts.next().is_some())
    {
        return None;
    }
    Some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_trace_is_taken_up() {
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
        headers.insert(TRACESTATE, HeaderValue::from_static("rojo=00f067aa0ba902b7"));
        let trace = Trace::of(&headers);
        assert_eq!(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
        let [(_, passed_on), (_, state)] = trace.headers.as_slice() else {
            panic!("{trace:?}");
        };
        let passed_on = passed_on.to_str().unwrap();
        assert!(passed_on.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && passed_on.ends_with("-01"));
        assert_ne!(passed_on, parent, "the span is ours");
        assert_eq!(state, "rojo=00f067aa0ba902b7");
    }

    #[test]
    fn ids_of_our_own_are_well_formed() {
        let trace = Trace::of(&HeaderMap::new());
        let [(_, parent)] = trace.headers.as_slice() else {
            panic!("{trace:?}");
        };
        assert_eq!(parse(parent.to_str().unwrap()), Some((trace.trace_id.as_str(), "00")));
        assert_eq!(hexadecimal(&[0x01, 0xab, 0xf0]), "01abf0");
    }

    #[test]
    fn a_malformed_trace_begins_a_new_one() {
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_id_that_could_break_a_log_line_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-123"));
        assert_eq!(Trace::of(&headers).request_id(), "abc-123");
        headers.insert(REQUEST_ID, HeaderValue::from_static("two words"));
        let trace = Trace::of(&headers);
        assert_eq!(trace.request_id(), trace.trace_id);
    }
}
