//! A WebSocket under way: bytes both ways, in two small buffers, and what ends it (§11.4).
//!
//! It knows nothing of frames: a close frame is a message between the two ends, and the end of a side is the end of its
//! socket.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

use super::Edge;
use super::form::Form;
use super::teller::Teller;
use crate::proxy::access_log::Note;
use crate::proxy::body::Body;
use crate::proxy::fetch::{OriginBody, OriginTunnel};
use crate::proxy::listen::Upgrade;
use crate::response::Response;

/// What is on its way in one direction, at most; the rest waits in the sockets.
const BUFFER_BYTES: usize = 16 * 1024;

/// The viewer's connection, and who notes what goes over it.
pub(super) struct Offered {
    pub(super) upgrade: Upgrade,
    pub(super) note: Option<Arc<Note>>,
}

/// Counts what is open.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Edge {
    /// The viewer hears that the origin agrees, and from then on the two speak with each other.
    pub(super) async fn tunnel(
        &self,
        response: Response,
        source: Option<OriginBody>,
        offered: Option<Offered>,
        (form, tell): (Form, Option<Teller>),
    ) {
        let origin = source.and_then(OriginBody::into_tunnel);
        let (Some(origin), Some(offered), Some(tell)) = (origin, offered, tell) else { return };
        tell.send(form.with_body(response, Body::empty()));
        relay(offered, origin, &self.0.counters.tunnels).await;
    }
}

/// Relays until both sides have ended, one is gone, the origin has been silent for too long, or the listener has stopped
/// and waited long enough. Both connections are closed then.
async fn relay(offered: Offered, origin: OriginTunnel, open: &AtomicU64) {
    let Offered { upgrade, note } = offered;
    let Some((mut viewer, bounds)) = upgrade.granted().await else { return };
    let _open = Open::new(open);
    let heard = Mutex::new(Instant::now());
    let mut origin = Heard { origin, at: &heard, note: note.as_deref() };
    tokio::select! {
        // The end of one side is passed on to the other, which may have something to say yet.
        _ = copy_bidirectional_with_sizes(&mut viewer, &mut origin, BUFFER_BYTES, BUFFER_BYTES) => {}
        () = silence(&heard, bounds.silence_max()) => {}
        () = bounds.over() => {}
    }
}

/// Waits until nothing has been heard for so long.
async fn silence(heard: &Mutex<Instant>, timeout: Duration) {
    loop {
        let until = *heard.lock().unwrap_or_else(PoisonError::into_inner) + timeout;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// The origin's connection, and when it was last heard of.
struct Heard<'a> {
    origin: OriginTunnel,
    at: &'a Mutex<Instant>,
    note: Option<&'a Note>,
}

impl AsyncRead for Heard<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (self.get_mut(), buf.filled().len());
        let read = Pin::new(&mut this.origin).poll_read(cx, buf);
        if buf.filled().len() > before {
            *this.at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if let Some(note) = this.note {
                note.sent(buf.filled().len() - before);
            }
        }
        read
    }
}

impl AsyncWrite for Heard<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.origin).poll_write(cx, bytes);
        if let (Poll::Ready(Ok(count)), Some(note)) = (&written, this.note) {
            note.received(*count);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().origin).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().origin).poll_shutdown(cx)
    }
}
