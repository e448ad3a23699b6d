//! What stands between a viewer's socket and hyper.
//!
//! On HTTP/1.1 a head reaches hyper whole and approved (`head`), or not at all: then hyper is given a plain request in its
//! place, which the service answers with its refusal. Bytes are looked at where hyper wants them; they are copied only if a
//! head comes in pieces. On HTTP/2, where h2 does the checking, and after an upgrade, bytes pass untouched.
//!
//! Towards the viewer, interim responses (`interim`) are put between hyper's messages.
//!
//! When all is said, what the viewer still sends is read and thrown away for a moment. Closing a socket with unread bytes
//! resets it, and the reset can overtake the answer.
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::Limits;
use super::head::{Place, approve};
use super::pulse::{Pulse, Verdict};

/// What stands in for a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
const STAND_IN_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// What is read after the last word, at most.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// What is kept of bytes behind a request to upgrade until it is answered.
const UNDECIDED_BYTES_MAX: usize = 16 * 1024;

pub(super) struct Wire<S> {
    stream: S,
    place: Place,
    /// Bytes hyper has not got yet; of these the first `approved` are for it.
    held: BytesMut,
    approved: usize,
    /// What is held was read before there was a wire.
    unseen: bool,
    heads: u64,
    written: u64,
    received: u64,
    blocked: bool,
    /// The rest of interim responses that are being written.
    interim: Bytes,
    lingered: Option<usize>,
    limits: Arc<Limits>,
    pulse: Arc<Pulse>,
    /// Also after an upgrade a connection is a connection.
    _permit: OwnedSemaphorePermit,
}

impl<S> Wire<S> {
    /// For HTTP/1.1. `read` are the bytes that came already.
    pub(super) fn http1(
        stream: S,
        read: BytesMut,
        limits: Arc<Limits>,
        pulse: Arc<Pulse>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut wire = Self::new(stream, Place::Head, read, limits, pulse, permit);
        wire.unseen = !wire.held.is_empty();
        wire
    }

    /// For HTTP/2.
    pub(super) fn http2(
        stream: S,
        read: BytesMut,
        limits: Arc<Limits>,
        pulse: Arc<Pulse>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut wire = Self::new(stream, Place::Upgraded, read, limits, pulse, permit);
        wire.approved = wire.held.len();
        wire
    }

    fn new(
        stream: S,
        place: Place,
        held: BytesMut,
        limits: Arc<Limits>,
        pulse: Arc<Pulse>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let received = held.len() as u64;
        pulse.received.store(received, Relaxed);
        let (written, heads, approved) = (0, 0, 0);
        let (unseen, blocked, lingered) = (false, false, None);
        Self {
            stream,
            place,
            held,
            approved,
            unseen,
            heads,
            written,
            received,
            blocked,
            interim: Bytes::new(),
            lingered,
            limits,
            pulse,
            _permit: permit,
        }
    }

    /// Looks at bytes for hyper and says how many of them it may have. After a refusal the stand-in is held.
    fn look_at(&mut self, bytes: &[u8]) -> usize {
        let (approved, refusal) = approve(&mut self.place, &mut self.heads, bytes, &self.limits);
        self.pulse.heads.store(self.heads, Relaxed);
        let begun = matches!(self.place, Place::Head) && approved < bytes.len();
        self.pulse.head_begun.store(begun, Relaxed);
        self.pulse.undecided.store(matches!(self.place, Place::Undecided), Relaxed);
        if let Some(refusal) = refusal {
            let refused = bytes.get(approved..).unwrap_or_default();
            let stand_in = if refused.starts_with(b"HEAD ") { STAND_IN_HEAD } else { STAND_IN };
            // There is one refusal in the life of a connection, so the cell is empty.
            let _ = self.pulse.refused.set((self.heads, refusal));
            self.heads += 1;
            self.held = BytesMut::from(stand_in);
            self.approved = stand_in.len();
        }
        approved
    }

    /// Looks at what is held, which has grown by `grown` bytes.
    fn look_at_held(&mut self, grown: usize) {
        if matches!(self.place, Place::Head) && self.held.len() <= self.limits.head_bytes_max {
            // A head in small pieces is not parsed again for every piece.
            let from = self.held.len().saturating_sub(grown);
            if memchr(b'\n', self.held.get(from..).unwrap_or_default()).is_none() {
                return;
            }
        }
        let held = std::mem::take(&mut self.held);
        let approved = self.look_at(&held);
        if !matches!(self.place, Place::Refused) {
            (self.held, self.approved) = (held, approved);
        } else if approved > 0 {
            // Requests before the refused one go first.
            let mut before = held;
            before.truncate(approved);
            before.extend_from_slice(&self.held);
            self.approved = before.len();
            self.held = before;
        }
    }

    /// Hands approved bytes to hyper.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let taken = self.approved.min(buf.remaining());
        buf.put_slice(self.held.get(..taken).unwrap_or_default());
        self.held.advance(taken);
        self.approved -= taken;
        if self.held.is_empty() {
            // An idle connection holds no memory.
            self.held = BytesMut::new();
        }
    }

    fn received(&mut self, count: usize) {
        self.received += count as u64;
        self.pulse.received.store(self.received, Relaxed);
    }

    /// Notes whether the viewer takes what is written.
    fn wrote<T>(&mut self, result: &Poll<io::Result<T>>, count: impl Fn(&T) -> usize) {
        match result {
            Poll::Pending if !self.blocked => self.block(true),
            Poll::Ready(done) => {
                if self.blocked {
                    self.block(false);
                }
                if let Ok(done) = done {
                    self.written += count(done) as u64;
                    self.pulse.written.store(self.written, Relaxed);
                }
            }
            Poll::Pending => {}
        }
    }

    fn block(&mut self, blocked: bool) {
        self.blocked = blocked;
        self.pulse.write_blocked.store(blocked, Relaxed);
    }

    fn is_in_body(&self) -> bool {
        matches!(self.place, Place::Length(_) | Place::Chunked(_))
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads more into what is held.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); 4 * 1024];
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        let read = buf.filled();
        self.held.extend_from_slice(read);
        let count = read.len();
        self.received(count);
        Poll::Ready(Ok(count))
    }

    /// Reads straight into hyper's buffer and takes back what it may not have yet.
    fn poll_direct(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let start = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.pulse.body_wanted.store(read.is_pending() && self.is_in_body(), Relaxed);
        ready!(read)?;
        let bytes = buf.filled().get(start..).unwrap_or_default();
        let count = bytes.len();
        self.received(count);
        if matches!(self.place, Place::Upgraded) {
            return Poll::Ready(Ok(count));
        }
        let approved = self.look_at(bytes);
        if approved < count && !matches!(self.place, Place::Refused) {
            self.held.extend_from_slice(bytes.get(approved..).unwrap_or_default());
        }
        buf.set_filled(start + approved);
        Poll::Ready(Ok(count))
    }

    /// Keeps what comes behind a request to upgrade until it is answered; an end is passed on at once.
    fn poll_undecided(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            match self.pulse.verdict_on(self.heads - 1) {
                Verdict::Open if self.held.len() >= UNDECIDED_BYTES_MAX => return Poll::Pending,
                Verdict::Open => {
                    if ready!(self.poll_hold(cx))? == 0 {
                        return Poll::Ready(Ok(false));
                    }
                }
                Verdict::Declined => {
                    self.place = Place::Head;
                    self.pulse.undecided.store(false, Relaxed);
                    let grown = self.held.len();
                    self.look_at_held(grown);
                    return Poll::Ready(Ok(true));
                }
                Verdict::Upgraded => {
                    self.place = Place::Upgraded;
                    self.approved = self.held.len();
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let start = buf.filled().len();
        loop {
            if std::mem::take(&mut wire.unseen) {
                wire.look_at_held(wire.held.len());
            }
            if wire.approved > 0 {
                wire.give(buf);
                return Poll::Ready(Ok(()));
            }
            match wire.place {
                Place::Refused => return Poll::Pending,
                Place::Broken => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "broken chunked body",
                    )));
                }
                Place::Undecided => {
                    if !ready!(wire.poll_undecided(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                _ if wire.held.is_empty() => {
                    let read = ready!(wire.poll_direct(cx, buf))?;
                    if read == 0 || buf.filled().len() > start {
                        return Poll::Ready(Ok(()));
                    }
                }
                _ => {
                    let read = ready!(wire.poll_hold(cx))?;
                    if read == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    wire.look_at_held(read);
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes what has begun of interim responses; before its end nothing of hyper's may follow.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let result = Pin::new(&mut self.stream).poll_write(cx, &self.interim);
            self.wrote(&result, |&count| count);
            match ready!(result)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.interim.advance(count),
            }
            if self.interim.is_empty() {
                self.pulse.interims.written();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        ready!(wire.poll_interim(cx))?;
        let result = Pin::new(&mut wire.stream).poll_write(cx, buf);
        wire.wrote(&result, |&count| count);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        ready!(wire.poll_interim(cx))?;
        let result = Pin::new(&mut wire.stream).poll_write_vectored(cx, bufs);
        wire.wrote(&result, |&count| count);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        // Here alone they begin: hyper flushes when it holds nothing itself.
        if wire.interim.is_empty() {
            wire.interim = wire.pulse.interims.take();
        }
        ready!(wire.poll_interim(cx))?;
        let result = Pin::new(&mut wire.stream).poll_flush(cx);
        wire.wrote(&result, |()| 0);
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.lingered.is_none() {
            let result = match Pin::new(&mut wire.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => Pin::new(&mut wire.stream).poll_shutdown(cx),
                other => other,
            };
            wire.wrote(&result, |()| 0);
            ready!(result)?;
            // Between two requests there is nothing that could be unread.
            if matches!(wire.place, Place::Head | Place::Upgraded) && wire.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
            wire.lingered = Some(0);
            wire.pulse.lingering.store(true, Relaxed);
        }
        while wire.lingered.is_some_and(|lingered| lingered < LINGER_BYTES_MAX) {
            wire.held.clear();
            match ready!(wire.poll_hold(cx)) {
                Ok(0) | Err(_) => break,
                Ok(count) => wire.lingered = wire.lingered.map(|lingered| lingered + count),
            }
        }
        Poll::Ready(Ok(()))
    }
}
