//! A body that its client has signed, handed over as it comes: its last piece goes on once all of it is what was signed.
//!
//! A backend that has got less than a whole body has no request to carry out. Invariant: whatever the pieces are, the last
//! that is not empty and the end of the body are passed on only after the check.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::auth::digest::{Digesting, Digests};
use crate::runtime::backend::passing::BoxError;

/// The body, and what it has to be.
pub(super) struct Checked<B> {
    body: B,
    /// `None` once it was compared, or where nobody has signed it.
    digesting: Option<Digesting>,
    held: Option<Bytes>,
    /// What came behind the body.
    trailers: Option<Frame<Bytes>>,
    differs: Rc<Cell<bool>>,
}

impl<B: Body<Data = Bytes>> Checked<B> {
    /// `differs` becomes true where it is another body than the one that was signed.
    pub(super) fn new(body: B, digests: Option<Digests>, differs: Rc<Cell<bool>>) -> Self {
        Self {
            body,
            digesting: digests.map(Digests::begin),
            held: None,
            trailers: None,
            differs,
        }
    }

    /// At the end: what was held back, where all is as it was signed.
    fn end(&mut self) -> Result<Option<Frame<Bytes>>, BoxError> {
        if self.digesting.take().is_some_and(|it| it.finish().is_err()) {
            self.differs.set(true);
            self.held = None;
            self.trailers = None;
            return Err("the body is not the one that was signed".into());
        }
        Ok(self.held.take().map(Frame::data).or_else(|| self.trailers.take()))
    }
}

impl<B> Body for Checked<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.digesting.is_none() && (this.held.is_some() || this.trailers.is_some()) {
                return Poll::Ready(this.end().transpose());
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(this.end().transpose()),
            };
            let Some(digesting) = &mut this.digesting else {
                return Poll::Ready(Some(Ok(frame)));
            };
            match frame.into_data() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    digesting.update(&piece);
                    if let Some(before) = this.held.replace(piece) {
                        return Poll::Ready(Some(Ok(Frame::data(before))));
                    }
                }
                Err(trailers) => {
                    this.trailers = Some(trailers);
                    return Poll::Ready(this.end().transpose());
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.digesting.is_none() && self.held.is_none() && self.trailers.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(rest.lower().saturating_add(held));
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::FutureExt;
    use http::HeaderMap;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;
    use crate::auth::digest::CONTENT_DIGEST;

    struct Pieces(VecDeque<Frame<Bytes>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    /// What a backend gets, and whether that is the end.
    fn passed(pieces: &[Vec<u8>], trailers: bool, signed: &[u8]) -> (Vec<u8>, bool, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DIGEST, Digests::written(signed).parse().unwrap());
        let mut frames: VecDeque<_> = pieces.iter().map(|it| Frame::data(Bytes::from(it.clone()))).collect();
        if trailers {
            frames.push_back(Frame::trailers(HeaderMap::new()));
        }
        let differs = Rc::new(Cell::new(false));
        let digests = Digests::read(&headers).unwrap();
        let mut body = Checked::new(Pieces(frames), Some(digests), differs.clone());
        let (mut got, mut is_whole) = (Vec::new(), true);
        while let Some(frame) = body.frame().now_or_never().unwrap() {
            match frame {
                Ok(frame) => got.extend(frame.into_data().unwrap_or_default()),
                Err(_) => is_whole = false,
            }
        }
        (got, is_whole, differs.get())
    }

    proptest! {
        #[test]
        fn all_of_it_goes_on_where_it_is_what_was_signed_and_never_all_of_it_where_it_is_not(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..6),
            other in proptest::collection::vec(any::<u8>(), 0..12),
            trailers: bool,
        ) {
            let whole = pieces.concat();
            prop_assert_eq!(passed(&pieces, trailers, &whole), (whole.clone(), true, false));
            prop_assume!(other != whole);
            let (got, is_whole, differs) = passed(&pieces, trailers, &other);
            prop_assert!(!is_whole && differs);
            prop_assert!(whole.is_empty() || got.len() < whole.len());
            prop_assert!(whole.starts_with(&got));
        }
    }
}
