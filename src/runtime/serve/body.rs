//! The body of a response: whole, or in pieces as they come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::runtime::backend::passing::{BoxError, Stream};
use crate::runtime::cache::{Entry, Kept};

/// The body of a response.
pub enum Body {
    /// Whole, and kept for others.
    Kept(Arc<Kept<Entry>>),
    /// In pieces.
    Pieces(Stream),
    /// Whole.
    Whole(Bytes),
}

impl Body {
    /// The bytes of a body that is whole already.
    pub fn whole(&self) -> Option<Bytes> {
        match self {
            Self::Kept(kept) => Some(kept.what.body.clone()),
            Self::Pieces(_) => None,
            Self::Whole(bytes) => Some(bytes.clone()),
        }
    }

    /// How many bytes a body that is whole already has.
    pub fn n_bytes(&self) -> Option<usize> {
        match self {
            Self::Kept(kept) => Some(kept.what.body.len()),
            Self::Pieces(_) => None,
            Self::Whole(bytes) => Some(bytes.len()),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Self::Kept(kept) = &*self {
            let whole = kept.what.body.clone();
            *self = Self::Whole(whole);
        }
        match &mut *self {
            // It was made whole just now.
            Self::Kept(_) => Poll::Ready(None),
            Self::Pieces(body) => body.as_mut().poll_frame(cx),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept(kept) => kept.what.body.is_empty(),
            Self::Pieces(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept(kept) => SizeHint::with_exact(kept.what.body.len() as u64),
            Self::Pieces(body) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept(_) => "Kept",
            Self::Pieces(_) => "Pieces",
            Self::Whole(_) => "Whole",
        })
    }
}
