//! Copies of requests that are handed over: what passes by is kept as it goes, up to a bound.
//!
//! A copy is sent once its request has passed to the end, and compared once the real answer has. Invariant: what passes by is
//! handed on as it comes, whatever becomes of the copy.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::passing::{BoxError, Handed, Patience, Stream};
use super::super::{Ended, Guarded};
use super::difference::{Differences, Form};
use super::{Copying, Mirror, aside, count};
use crate::plan::Policy;
use crate::runtime::coding::Coding;

/// Longer bodies are not kept, bytes.
const MAX_BODY: usize = 256 << 10;
/// Answers that are longer once they are decoded are compared as they came, bytes.
const MAX_DECODED: usize = 4 << 20;

/// The copy of a request that is handed over, which waits for what the real backend answers.
#[derive(Debug)]
pub struct Passed(oneshot::Sender<Answer>);

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    form: Form,
    coding: Option<Coding>,
    /// `None` where it is too long.
    body: Option<Bytes>,
}

/// A body up to [`MAX_BODY`]; `None` where it is longer.
struct Kept(Option<BytesMut>);

/// A body that is kept as it passes by.
struct Tee<F: FnOnce(Option<Bytes>)> {
    body: Stream,
    kept: Kept,
    /// Hears of the body at its end, or as soon as it is too long; of one that breaks off never.
    tell: Option<F>,
}

impl Mirror {
    /// Begins a copy of a request that is handed over to `real`, where it is among those that are copied.
    pub fn begin_passed(
        &self,
        real: &Guarded,
        request: &mut Handed,
        hash: Option<u64>,
        policy: Policy,
    ) -> Option<Passed> {
        // What two say to each other afterwards cannot be said twice.
        if request.headers().contains_key(UPGRADE) {
            return None;
        }
        let copying = self.copying(real, policy, request.method().is_safe())?;
        let mut copy = Handed::new(None);
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        let sent = request.body_mut().take().map(|body| {
            let (tell, told) = oneshot::channel();
            let tell = move |whole: Option<Bytes>| drop(whole.map(|it| tell.send(it)));
            *request.body_mut() = Some(Box::pin(Tee::new(body, tell)));
            told
        });
        let (tell, told) = oneshot::channel::<Answer>();
        tokio::task::spawn_local(async move {
            let (counts, patience) = (&copying.mirrored, copying.plan.timeout);
            if let Some(sent) = sent {
                let Ok(body) = sent.await else {
                    return count(&counts.left_out);
                };
                *copy.body_mut() = Some(Box::pin(Full::new(body).map_err(|never| match never {})));
            }
            let answer = timeout(patience, copying.hand(copy, hash)).await;
            // Who reads slowly holds no place for long.
            let Ok(Ok(real)) = timeout(patience, told).await else {
                return count(&counts.unread);
            };
            let Ok(Some(answer)) = answer else {
                return count(&counts.failed);
            };
            match copying.between(real, answer).await {
                Some(found) => copying.note(&found),
                None => count(&counts.failed),
            }
        });
        Some(Passed(tell))
    }
}

impl Copying {
    /// Sends the copy; `None` where there is no answer.
    async fn hand(&self, request: Handed, hash: Option<u64>) -> Option<Answer> {
        let patience = Patience::new(self.plan.timeout, self.plan.timeout);
        let passed = self.to.clone().pass(request, hash, self.policy, patience).await;
        let (response, lease) = passed.ok()?;
        let (head, mut body) = response.into_parts();
        let mut kept = Kept::of(&body);
        while kept.0.is_some() {
            match body.frame().await {
                Some(Ok(frame)) => kept.add(&frame),
                Some(Err(_)) => {
                    lease.end(Ended::Broken);
                    return None;
                }
                None => {
                    lease.end(Ended::Whole);
                    break;
                }
            }
        }
        Some(Answer::new(head.status, &head.headers, kept.whole()))
    }

    /// Where two answers differ. Of bodies that are too long, only that both are.
    async fn between(&self, real: Answer, copy: Answer) -> Option<Differences> {
        if real.status != copy.status {
            return Some(Differences::of_status());
        }
        match (&real.body, &copy.body) {
            (None, None) => Some(Differences::default()),
            (Some(_), Some(_)) => {
                let plan = self.plan.clone();
                let found = move || Differences::of(&real.decoded(), &copy.decoded(), &real.form, &plan.ignore);
                aside(found).await
            }
            _ => Some(Differences::of_body()),
        }
    }
}

// === impl Passed ===

impl Passed {
    /// The real answer, which the copy's is compared with once it has passed by.
    pub fn watch(self, response: Response<Stream>) -> Response<Stream> {
        let (head, body) = response.into_parts();
        let answer = Answer::new(head.status, &head.headers, None);
        // The copy may have been dropped with its worker.
        let tell = move |body| drop(self.0.send(Answer { body, ..answer }));
        Response::from_parts(head, Box::pin(Tee::new(body, tell)))
    }
}

// === impl Answer ===

impl Answer {
    fn new(status: StatusCode, headers: &HeaderMap, body: Option<Bytes>) -> Self {
        let text = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        // RFC 9110 §8.3: what has no type may be looked at.
        let is_json = matches!(&*media_type, "" | "application/json") || media_type.ends_with("+json");
        Self {
            status,
            form: if is_json { Form::Json } else { Form::Bytes },
            coding: Coding::of(text(CONTENT_ENCODING).trim()),
            body,
        }
    }

    /// The body before it was coded; as it came where that is not to be had.
    fn decoded(&self) -> Bytes {
        let body = self.body.clone().unwrap_or_default();
        let decoded = self.coding.and_then(|it| it.decode(&body, MAX_DECODED).ok());
        decoded.map_or(body, Bytes::from)
    }
}

// === impl Kept ===

impl Kept {
    /// Nothing yet of a body; none of one that says that it is too long.
    fn of(body: &Stream) -> Self {
        Self((body.size_hint().lower() <= MAX_BODY as u64).then(BytesMut::new))
    }

    fn add(&mut self, frame: &Frame<Bytes>) {
        let Some(piece) = frame.data_ref() else { return };
        self.0 = self.0.take().filter(|it| it.len() + piece.len() <= MAX_BODY);
        if let Some(kept) = &mut self.0 {
            kept.extend_from_slice(piece);
        }
    }

    fn whole(self) -> Option<Bytes> {
        self.0.map(BytesMut::freeze)
    }
}

// === impl Tee ===

impl<F: FnOnce(Option<Bytes>)> Tee<F> {
    fn new(body: Stream, tell: F) -> Self {
        let mut tee = Self {
            kept: Kept::of(&body),
            body,
            tell: Some(tell),
        };
        tee.look();
        tee
    }

    /// Tells of it once there is something to tell: whoever sees that it is at its end need not ask again.
    fn look(&mut self) {
        if self.kept.0.is_none() || self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(std::mem::replace(&mut self.kept, Kept(None)).whole());
        }
    }
}

impl<F: FnOnce(Option<Bytes>) + Unpin> Body for Tee<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(piece)) => {
                this.kept.add(piece);
                this.look();
            }
            Some(Err(_)) => this.tell = None,
            None => this.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
