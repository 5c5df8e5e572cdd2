//! HTTP/1.1, with a pool of our own.

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::{Attempt, Backend, Failure, Reply, Request};
use crate::plan;

/// An HTTP backend, as one worker sees it.
#[derive(Debug)]
pub struct HttpBackend {}

impl HttpBackend {
    /// Connects nothing yet.
    pub fn new(backend: &plan::Backend) -> Self {
        let _ = backend;
        Self {}
    }
}

impl Backend for HttpBackend {
    fn call(&self, request: Request, attempt: Attempt) -> LocalBoxFuture<'_, Result<Reply, Failure>> {
        let _ = (request, attempt, Bytes::new());
        todo!()
    }
}
