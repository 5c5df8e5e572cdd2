//! Where in the bytes of an HTTP/1 connection the heads of requests are, and whether these may go on to the parser.
//!
//! The library below takes a request with both lengths, and answers a malformed one by itself, with nothing for the client to
//! read and nothing for the log. So each head is looked at before it is handed over.
//! Invariant: the library gets whole heads only, and none that it would refuse; bytes that go on are those that came.

use std::mem::MaybeUninit;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri};
use httparse::{Error, ParserConfig, Request, Status};

use super::USUAL_HEADERS;
use super::chunks::{Chunks, Extent};
use crate::plan::Settings;
use crate::runtime::serve::problem::Refusal;

/// How HTTP/2 begins where nobody agreed on it before (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Targets that are longer cannot be represented.
const MAX_TARGET: usize = 65_534;
/// The same of names.
const MAX_NAME: usize = 65_535;
/// The longest body that the library counts.
const MAX_LENGTH: u64 = u64::MAX - 2;

/// A head that does not go on.
#[derive(Debug)]
pub(super) struct Refused {
    /// What could be understood of it.
    pub(super) parts: Parts,
    pub(super) refusal: Refusal,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Head,
    Sized(u64),
    Chunked(Chunks),
    /// A request asked for another protocol: its answer says what comes next.
    Asked,
    /// Nothing that is looked at.
    Through,
    /// Nothing that is handed over.
    Over,
}

/// The reader of one connection.
#[derive(Debug)]
pub(super) struct Heads {
    place: Place,
    max_bytes: usize,
    max_count: usize,
    max_uri: usize,
    /// Whether the first bytes may be those of HTTP/2.
    may_be_http2: bool,
    /// The last head asks for another protocol.
    asks: bool,
    /// How many heads there were, one that is refused included.
    n_begun: u64,
    /// How many bytes of a head that is not complete have been looked at.
    n_seen: usize,
}

impl Heads {
    /// Of a connection on which this version was agreed, if one was.
    pub(super) fn new(settings: &Settings, http2: Option<bool>) -> Self {
        Self {
            place: if http2 == Some(true) {
                Place::Through
            } else {
                Place::Head
            },
            max_bytes: settings.max_headers,
            max_count: settings.max_header_count,
            max_uri: settings.max_uri,
            may_be_http2: http2.is_none(),
            asks: false,
            n_begun: 0,
            n_seen: 0,
        }
    }

    /// Whether all that comes goes on as it is.
    pub(super) fn is_through(&self) -> bool {
        self.place == Place::Through
    }

    /// Whether nothing goes on any more.
    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Whether it has to be known first what the last request was answered.
    pub(super) fn has_asked(&self) -> bool {
        self.place == Place::Asked
    }

    /// It was answered: with that protocol, or not.
    pub(super) fn answered(&mut self, is_other_protocol: bool) {
        self.place = if is_other_protocol { Place::Through } else { Place::Head };
    }

    pub(super) fn n_begun(&self) -> u64 {
        self.n_begun
    }

    /// Goes over bytes: so many of them go on, and what follows these is refused, or needs more bytes to be judged.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> (usize, Option<Refused>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|it| !it.is_empty()) {
            match &mut self.place {
                Place::Through => at = bytes.len(),
                Place::Asked | Place::Over => break,
                Place::Sized(left) => {
                    let n_here = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    at += n_here;
                    *left -= n_here as u64;
                    if *left == 0 {
                        self.place = self.behind_a_body();
                    }
                }
                Place::Chunked(chunks) => match chunks.pass(rest) {
                    Extent::GoesOn => at = bytes.len(),
                    Extent::Ends(n_here) => {
                        at += n_here;
                        self.place = self.behind_a_body();
                    }
                    // The library finds it, too, and reads nothing behind it.
                    Extent::Malformed => self.place = Place::Through,
                },
                Place::Head => match self.head(rest) {
                    Ok(0) => break,
                    Ok(n_here) => at += n_here,
                    Err(refusal) => return (at, Some(self.refuse(refusal, rest))),
                },
            }
        }
        (at, None)
    }

    /// The end: no head follows, and what came of one is this.
    pub(super) fn refuse(&mut self, refusal: Refusal, bytes: &[u8]) -> Refused {
        self.place = Place::Over;
        self.n_begun += 1;
        Refused {
            parts: understood(bytes, self.max_count),
            refusal,
        }
    }

    /// Whether a head is being waited for.
    pub(super) fn awaits_head(&self) -> bool {
        self.place == Place::Head
    }

    fn behind_a_body(&self) -> Place {
        if self.asks { Place::Asked } else { Place::Head }
    }

    /// The length of the head that the bytes begin with; 0 where it is not complete.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        if self.n_begun == 0 && self.may_be_http2 {
            if bytes.starts_with(PREFACE) {
                self.place = Place::Through;
                return Ok(bytes.len());
            }
            if PREFACE.starts_with(bytes) {
                return Ok(0);
            }
        }
        let is_too_large = || Refusal::HeadTooLarge(self.max_bytes);
        if self.n_seen > 0 && bytes.len() <= self.max_bytes && !may_end(bytes, self.n_seen) {
            self.n_seen = bytes.len();
            return Ok(0);
        }
        let mut few = [const { MaybeUninit::uninit() }; USUAL_HEADERS];
        let mut many = Vec::new();
        let room = if let Some(enough) = few.get_mut(..self.max_count) {
            enough
        } else {
            many.resize_with(self.max_count, MaybeUninit::uninit);
            &mut many
        };
        let mut request = Request::new(&mut []);
        let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut request, bytes, room);
        let n_bytes = match parsed {
            Ok(Status::Complete(n_bytes)) if n_bytes <= self.max_bytes => n_bytes,
            Ok(Status::Partial) if bytes.len() <= self.max_bytes => {
                self.n_seen = bytes.len();
                return Ok(0);
            }
            Ok(_) => return Err(is_too_large()),
            Err(error) => return Err(self.flaw(error, &request)),
        };
        if bytes.get(..n_bytes).is_some_and(has_bare_line_feed) {
            return Err(Refusal::BadHead("a line ends with LF alone"));
        }
        (self.place, self.asks) = self.body_of(&request)?;
        self.n_begun += 1;
        self.n_seen = 0;
        Ok(n_bytes)
    }

    /// What follows a head, and whether it asks for another protocol.
    fn body_of(&self, request: &Request<'_, '_>) -> Result<(Place, bool), Refusal> {
        let is_http11 = request.version == Some(1);
        let target = request.path.unwrap_or_default();
        if target.len() > MAX_TARGET {
            return Err(Refusal::UriTooLong(self.max_uri));
        }
        if let Some(flaw) = flaw_of_target(target) {
            return Err(Refusal::BadHead(flaw));
        }
        let (mut length, mut is_chunked, mut asks) = (None, false, false);
        for header in &*request.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                14 if is("content-length") => {
                    let said = number(header.value).ok_or(Refusal::BadHead("`Content-Length` is not a length"))?;
                    if length.is_some_and(|it| it != said) {
                        return Err(Refusal::BadHead(
                            "`Content-Length` is given twice, with different lengths",
                        ));
                    }
                    length = Some(said);
                }
                17 if is("transfer-encoding") => {
                    if is_chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Refusal::BadHead("`Transfer-Encoding` can only be `chunked`, once"));
                    }
                    if !is_http11 {
                        return Err(Refusal::BadHead("HTTP/1.0 has no `Transfer-Encoding`"));
                    }
                    is_chunked = true;
                }
                7 if is("upgrade") => asks = is_http11,
                n_bytes if n_bytes > MAX_NAME => return Err(Refusal::HeadTooLarge(self.max_bytes)),
                _ => {}
            }
        }
        let place = match (length, is_chunked) {
            (Some(_), true) => {
                let why = "`Content-Length` and `Transfer-Encoding` both say where the body ends";
                return Err(Refusal::BadHead(why));
            }
            (None, true) => Place::Chunked(Chunks::Start),
            (None | Some(0), false) if asks => Place::Asked,
            (None | Some(0), false) => Place::Head,
            (Some(length), false) => Place::Sized(length),
        };
        Ok((place, asks))
    }

    fn flaw(&self, error: Error, request: &Request<'_, '_>) -> Refusal {
        Refusal::BadHead(match error {
            Error::TooManyHeaders => return Refusal::TooManyHeaders(self.max_count),
            Error::HeaderName => "a line is no header, or the name of one is no token",
            Error::HeaderValue => "a value has a character that no value may have",
            Error::NewLine => "a line ends with CR alone",
            Error::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            Error::Token if request.method.is_none() => "the method is no token",
            Error::Token => "the target has a character that no target may have",
            Error::Status => "it does not begin like a request",
        })
    }
}

/// Whether a head may end behind the first `n_seen` bytes.
fn may_end(bytes: &[u8], n_seen: usize) -> bool {
    let tail = bytes.get(n_seen.saturating_sub(3)..).unwrap_or_default();
    tail.windows(2).any(|it| it == b"\n\n") || tail.windows(3).any(|it| it == b"\n\r\n")
}

/// Looks at all pairs without a branch, so that the processor compares many at once.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let pairs = head.iter().zip(head.get(1..).unwrap_or_default());
    let is_bare = |(before, it): (&u8, &u8)| u8::from(*it == b'\n') & u8::from(*before != b'\r');
    head.first() == Some(&b'\n') || pairs.map(is_bare).fold(0, |any, it| any | it) > 0
}

/// What stands in nearly all paths and queries.
const USUAL: [bool; 256] = {
    let mut table = [false; 256];
    let usual = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~%?=&+,:;@!$'()*";
    let mut at = 0;
    while at < usual.len() {
        table[usual[at] as usize] = true;
        at += 1;
    }
    table
};

/// What is wrong with a target. Of a usual path that costs no allocation to say.
fn flaw_of_target(text: &str) -> Option<&'static str> {
    let is_usual = |it: u8| USUAL.get(usize::from(it)).is_some_and(|it| *it);
    if text.starts_with('/') && text.bytes().all(is_usual) {
        return None;
    }
    // Who stands in front may have taken it for a part of the path, and let it through as such.
    if text.contains('#') {
        return Some("the target has a `#`: fragments are not sent");
    }
    Uri::try_from(text)
        .is_err()
        .then_some("the target is neither a path nor a URL")
}

/// Digits, and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= MAX_LENGTH).then_some(number)
}

/// What there is of a head before its mistake.
fn understood(bytes: &[u8], max_count: usize) -> Parts {
    let mut room = vec![httparse::EMPTY_HEADER; max_count];
    let mut request = Request::new(&mut room);
    let _mistake = request.parse(bytes);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    if let Some(method) = request.method.and_then(|it| Method::from_bytes(it.as_bytes()).ok()) {
        parts.method = method;
    }
    if let Some(uri) = request.path.and_then(|it| Uri::try_from(it).ok()) {
        parts.uri = uri;
    }
    for header in request.headers.iter().take_while(|it| !it.name.is_empty()) {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(header.value)) {
            parts.headers.append(name, value);
        }
    }
    parts
}

#[cfg(test)]
mod tests;
