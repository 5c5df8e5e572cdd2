//! An HTTP/2 client that asks once.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// Asks over a connection on which HTTP/2 is spoken, and waits for all of the answer.
pub async fn ask<S>(stream: S, request: Request<Full<bytes::Bytes>>) -> Response<Collected<bytes::Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asking = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
        assert_eq!(parts.version, http::Version::HTTP_2);
        Response::from_parts(parts, body.collect().await.expect("a body"))
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .expect("in time")
}

/// Asks on a runtime of its own.
pub fn block_on<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(asking)
}
