//! The body of an origin's response, read piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::decode::{Decoder, Framing, Piece};
use super::exchange::Exchange;
use super::failure::OriginFailure;
use super::grpc::CallBody;
use super::idle::Home;
use crate::proxy::pool::Lease;

/// The body of a response. Dropping it before its end closes the connection, or cancels the call.
#[derive(Debug)]
pub struct OriginBody(Inner);

#[derive(Debug)]
enum Inner {
    Http1(Box<Http1Body>),
    Call(Box<CallBody>),
    /// No origin sent it.
    Given {
        length: u64,
        bytes: Option<Bytes>,
    },
}

struct Http1Body {
    framing: Framing,
    decoder: Decoder,
    exchange: Option<Exchange>,
    /// Where the connection goes when all is read, and how long it is kept there.
    home: Option<(Home, Duration)>,
    failure: Option<OriginFailure>,
    lease: Option<Lease>,
}

impl OriginBody {
    /// A body that is at hand already, as if it had arrived.
    pub fn given(bytes: Bytes) -> Self {
        Self(Inner::Given {
            length: bytes.len() as u64,
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
        })
    }

    pub(super) fn new(
        framing: Framing,
        exchange: Exchange,
        home: Option<(Home, Duration)>,
        lease: Lease,
    ) -> Self {
        let decoder = Decoder::new(framing);
        let (exchange, lease) = (Some(exchange), Some(lease));
        let mut body = Http1Body { framing, decoder, exchange, home, failure: None, lease };
        if body.decoder.done() {
            body.finish();
        }
        Self(Inner::Http1(Box::new(body)))
    }

    /// Of a response after which the connection is no longer HTTP: there is no body, and the bytes are
    /// [`into_tunnel`](Self::into_tunnel)'s.
    pub(super) fn of_tunnel(exchange: Exchange, lease: Lease) -> Self {
        let framing = Framing::None;
        let (exchange, lease) = (Some(exchange), Some(lease));
        let decoder = Decoder::new(framing);
        Self(Inner::Http1(Box::new(Http1Body {
            framing,
            decoder,
            exchange,
            home: None,
            failure: None,
            lease,
        })))
    }

    pub(super) fn of_call(call: CallBody) -> Self {
        Self(Inner::Call(Box::new(call)))
    }

    /// The connection behind a 101.
    pub fn into_tunnel(self) -> Option<OriginTunnel> {
        let Inner::Http1(body) = self.0 else { return None };
        let (stream, ahead) = body.exchange?.into_switched();
        Some(OriginTunnel { stream, ahead: ahead.freeze(), _lease: body.lease })
    }

    /// The answer of a call, with its trailers; `Err` is any other body.
    pub fn into_call(self) -> Result<Box<CallBody>, Self> {
        match self.0 {
            Inner::Call(call) => Ok(call),
            other => Err(Self(other)),
        }
    }

    /// How the origin told the length.
    pub fn framing(&self) -> Framing {
        match &self.0 {
            Inner::Http1(body) => body.framing,
            // Frames end it as provably as chunks do.
            Inner::Call(_) => Framing::Chunked,
            Inner::Given { length, .. } => Framing::Length(*length),
        }
    }

    /// The next piece. `None` is the end as the framing told it: a body cut short is an error, for ever after too.
    pub async fn next(&mut self) -> Option<Result<Bytes, OriginFailure>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`OriginBody::next`].
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, OriginFailure>>> {
        match &mut self.0 {
            Inner::Http1(body) => body.poll_next(cx),
            Inner::Call(call) => call.poll_data(cx),
            Inner::Given { bytes, .. } => Poll::Ready(bytes.take().map(Ok)),
        }
    }
}

impl Http1Body {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, OriginFailure>>> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(Some(Err(failure.clone())));
        }
        loop {
            let Some(exchange) = &mut self.exchange else { return Poll::Ready(None) };
            match self.decoder.next(&mut exchange.input) {
                Ok(Piece::Data(data)) => {
                    if self.decoder.done() {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Piece::End) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Err(why) => return self.fail(OriginFailure::InvalidResponse(why.to_owned())),
                Ok(Piece::Wanting) => {}
            }
            match std::task::ready!(exchange.poll_read(cx)) {
                Ok(0) if self.decoder.closed().is_err() => return self.fail(OriginFailure::Truncated),
                Ok(_) => {}
                // Even without a length, only an orderly end of the connection is an end.
                Err(OriginFailure::Reset(_) | OriginFailure::ClosedBeforeResponse) => {
                    return self.fail(OriginFailure::Truncated);
                }
                Err(failure) => return self.fail(failure),
            }
        }
    }

    fn fail(&mut self, failure: OriginFailure) -> Poll<Option<Result<Bytes, OriginFailure>>> {
        self.failure = Some(failure.clone());
        (self.exchange, self.lease) = (None, None);
        Poll::Ready(Some(Err(failure)))
    }

    fn finish(&mut self) {
        self.lease = None;
        let stream = self.exchange.take().and_then(Exchange::into_clean_stream);
        if let (Some(stream), Some((home, idle))) = (stream, self.home.take()) {
            home.release(stream, idle);
        }
    }
}

/// A connection to an origin that is no longer HTTP.
pub struct OriginTunnel {
    stream: Stream,
    /// What came with the head.
    ahead: Bytes,
    /// The server is in use as long as this is.
    _lease: Option<Lease>,
}

impl AsyncRead for OriginTunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let taken = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for OriginTunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http1Body").field("framing", &self.framing).field("failure", &self.failure).finish()
    }
}
