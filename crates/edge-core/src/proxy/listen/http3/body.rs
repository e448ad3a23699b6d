//! What a viewer sends on the stream of a request: its head, then a body, which is read only as fast as the service wants
//! it. What it keeps is one head and one read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use quinn::ReadError;
use tokio::time::Instant;

use super::frame::{Code, FRONT_BYTES_MAX, Frame, Frames, Role, Wrong, kind};
use super::qpack::Unreadable;
use super::{head, qpack};
use crate::proxy::listen::Limits;
use crate::proxy::listen::timer::LazyTimer;

/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

/// The frames of a stream, as they come.
pub(super) struct Incoming {
    connection: quinn::Connection,
    stream: quinn::RecvStream,
    read: BytesMut,
    frames: Frames,
    ended: bool,
}

/// Why no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The viewer took it back, or went away.
    Gone,
    /// A head is larger than may be.
    TooLarge,
    /// It is against the RFC, and the connection is closed.
    Broken,
}

impl Incoming {
    pub(super) fn new(connection: quinn::Connection, stream: quinn::RecvStream, role: Role) -> Self {
        Self { connection, stream, read: BytesMut::new(), frames: Frames::new(role), ended: false }
    }

    /// The next frame; `None` at the end of the stream, where there is one.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, Stopped>> {
        loop {
            match self.frames.next(&mut self.read) {
                Ok(Some(frame)) => return Poll::Ready(Ok(Some(frame))),
                Ok(None) => {}
                Err(Wrong::TooLarge) => return Poll::Ready(Err(Stopped::TooLarge)),
                Err(Wrong::Connection(code)) => return Poll::Ready(Err(self.broken(code))),
            }
            if self.ended {
                let may_end = self.frames.may_end(&self.read);
                return Poll::Ready(if may_end { Ok(None) } else { Err(self.broken(Code::FrameError)) });
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                // Whatever the reason, the rest will not come.
                Err(_) => return Poll::Ready(Err(Stopped::Gone)),
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, ReadError>> {
        let before = self.read.len();
        self.read.resize(before + READ_BYTES, 0);
        let read = self.stream.poll_read(cx, &mut self.read[before..]);
        let taken = if let Poll::Ready(Ok(taken)) = &read { *taken } else { 0 };
        self.read.truncate(before + taken);
        read
    }

    /// Ends the connection, because of what came on this stream.
    pub(super) fn broken(&self, code: Code) -> Stopped {
        tracing::debug!(viewer = %self.connection.remote_address(), ?code, "a viewer broke HTTP/3");
        self.connection.close(code.into(), b"");
        Stopped::Broken
    }

    /// The fields of a head, which may have this size; `None`: they have more.
    pub(super) fn fields(&self, block: &Bytes, size_max: usize) -> Result<Vec<qpack::Field>, Stopped> {
        qpack::decode(block, size_max).map_err(|unreadable| match unreadable {
            Unreadable::TooLarge => Stopped::TooLarge,
            Unreadable::Broken => self.broken(Code::QpackDecompressionFailed),
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody wants the rest, which is no error (RFC 9114 §4.1).
            let _ = self.stream.stop(Code::NoError.into());
        }
    }
}

/// What the fields of a head may have together: twice what is allowed, so that the service can say what is wrong.
pub(super) fn fields_bytes_max(limits: &Limits) -> usize {
    limits.head_bytes_max * 2 + limits.fields_max * 32
}

/// How a request's stream is read.
pub(super) fn role(limits: &Limits) -> Role {
    Role::Request { block_bytes_max: limits.head_bytes_max * 2 + FRONT_BYTES_MAX }
}

/// The body of a request.
pub(super) struct Body {
    incoming: Incoming,
    /// What came while it was looked at whether anything comes.
    ahead: Option<Bytes>,
    /// What is to come, where the head says it.
    left: Option<u64>,
    done: bool,
    limits: Arc<Limits>,
    timer: LazyTimer,
    /// When the viewer's time for the next byte is up.
    until: Option<Instant>,
}

/// Why a body does not come to its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// The viewer took it back, or went away.
    Gone,
    /// It is longer or shorter than its head says.
    Length,
    /// It came too slowly.
    Stalled,
    /// It is against the RFC.
    Broken,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the viewer took the request back",
            Self::Length => "the body is not as long as Content-Length says",
            Self::Stalled => "the body came too slowly",
            Self::Broken => "the body is not framed as HTTP/3 has it",
        })
    }
}

impl std::error::Error for Cut {}

impl From<Stopped> for Cut {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Gone => Self::Gone,
            Stopped::TooLarge | Stopped::Broken => Self::Broken,
        }
    }
}

impl Body {
    /// What comes behind a head that says this length.
    pub(super) fn new(incoming: Incoming, left: Option<u64>, limits: Arc<Limits>) -> Self {
        let (timer, until) = (LazyTimer::default(), None);
        Self { incoming, ahead: None, left, done: false, limits, timer, until }
    }

    /// Waits until it is known whether there is any: a head does not say it, and the end may come in a packet of its own.
    pub(super) async fn begun(&mut self) -> Result<(), Cut> {
        while !self.done && self.ahead.is_none() {
            match std::future::poll_fn(|cx| self.poll_part(cx)).await {
                Some(Ok(part)) => self.ahead = part.into_data().ok(),
                Some(Err(cut)) => return Err(cut),
                None => {}
            }
        }
        Ok(())
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Cut>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let part = match ready!(self.incoming.poll_next(cx)) {
            Ok(Some(Frame::Data(data))) => self.take(data),
            Ok(Some(Frame::Whole(kind::HEADERS, block))) => self.end(Some(&block)),
            Ok(Some(Frame::Whole(..)) | None) => self.end(None),
            Err(stopped) => Some(Err(stopped.into())),
        };
        self.done |= !matches!(&part, Some(Ok(part)) if part.is_data());
        Poll::Ready(part)
    }

    fn take(&mut self, data: Bytes) -> Option<Result<http_body::Frame<Bytes>, Cut>> {
        if let Some(left) = &mut self.left {
            match left.checked_sub(data.len() as u64) {
                Some(less) => *left = less,
                None => return Some(Err(Cut::Length)),
            }
        }
        Some(Ok(http_body::Frame::data(data)))
    }

    fn end(&self, trailers: Option<&Bytes>) -> Option<Result<http_body::Frame<Bytes>, Cut>> {
        if self.left.is_some_and(|left| left > 0) {
            return Some(Err(Cut::Length));
        }
        let fields = match self.incoming.fields(trailers?, fields_bytes_max(&self.limits)) {
            Ok(fields) => fields,
            Err(stopped) => return Some(Err(stopped.into())),
        };
        Some(head::trailers(fields, &self.limits).map(http_body::Frame::trailers).ok_or(Cut::Broken))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Cut>>> {
        if let Some(data) = self.ahead.take() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(data))));
        }
        let this = &mut *self;
        if let Poll::Ready(part) = this.poll_part(cx) {
            this.until = None;
            return Poll::Ready(part);
        }
        let until = *this.until.get_or_insert_with(|| Instant::now() + this.limits.stall_timeout);
        ready!(this.timer.poll_until(until, cx));
        this.done = true;
        Poll::Ready(Some(Err(Cut::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.done && self.ahead.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.left.map_or_else(http_body::SizeHint::default, |left| {
            http_body::SizeHint::with_exact(left + self.ahead.as_ref().map_or(0, |data| data.len() as u64))
        })
    }
}
