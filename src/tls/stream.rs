//! A connection that is secured, or is not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Over TLS.
    Secure(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_read(cx, buffer),
            Self::Secure(it) => Pin::new(it).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_write(cx, bytes),
            Self::Secure(it) => {
                let written = Pin::new(&mut *it).poll_write(cx, bytes);
                explained(it, cx, written)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_flush(cx),
            Self::Secure(it) => {
                let flushed = Pin::new(&mut *it).poll_flush(cx);
                explained(it, cx, flushed)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_shutdown(cx),
            Self::Secure(it) => Pin::new(it).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_write_vectored(cx, slices),
            Self::Secure(it) => {
                let written = Pin::new(&mut *it).poll_write_vectored(cx, slices);
                explained(it, cx, written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(it) => it.is_write_vectored(),
            Self::Secure(it) => it.is_write_vectored(),
        }
    }
}

/// Of a connection that cannot be written to any more, what the other side said before it left, if that was an alert: why it
/// refuses a certificate, in TLS 1.3, comes behind the handshake.
fn explained<T>(
    stream: &mut TlsStream<TcpStream>,
    cx: &mut Context<'_>,
    written: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    let Poll::Ready(Err(error)) = &written else {
        return written;
    };
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        return written;
    }
    let mut byte = [0; 1];
    match Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
        Poll::Ready(Err(said)) if said.kind() == io::ErrorKind::InvalidData => Poll::Ready(Err(said)),
        Poll::Ready(_) => written,
        // What is broken can be read, to its end at least: that is only not known yet.
        Poll::Pending => Poll::Pending,
    }
}
