//! Responses before the final one (RFC 9110 §15.2), which hyper's server cannot send.
//!
//! A service queues them, and the wire writes them where hyper flushes it. Hyper flushes only when it holds no byte of its
//! own, and calls a service only when the answer before is encoded to its end; so between a call and its answer a flush is a
//! place between two messages. The answer waits until what was queued is out.
//!
//! On HTTP/1.0 there are none, and on HTTP/2 hyper has no place for them.
use std::future::poll_fn;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};

/// What is queued for a viewer who does not read, at most; what comes on top is dropped.
const QUEUED_BYTES_MAX: usize = 16 * 1024;

/// Takes responses before the final one, for the viewer of one call.
#[derive(Clone, Copy, Debug)]
pub struct Interims<'a>(Option<&'a Queue>);

impl<'a> Interims<'a> {
    /// Of a viewer who cannot be told.
    pub const UNHEARD: Self = Self(None);

    /// Of a viewer who speaks this version of HTTP/1.
    pub(super) fn on(queue: &'a Queue, version: Version) -> Self {
        Self((version == Version::HTTP_11).then_some(queue))
    }

    /// Whether the viewer can be told anything before the final response.
    pub fn are_heard(self) -> bool {
        self.0.is_some()
    }

    /// Sends 102 or higher as soon as the viewer takes it, in any case before the final response. 100 is hyper's to send
    /// and 101 is a final answer: these, and what a viewer who does not read would make us keep, are dropped.
    pub fn send(self, status: StatusCode, headers: &HeaderMap) {
        if let Some(queue) = self.0
            && (102..200).contains(&status.as_u16())
        {
            queue.push(status, headers);
        }
    }
}

/// What waits to be written on a connection.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Heads are queued or partly written. This is all that a call without any looks at.
    pending: AtomicBool,
    queued: Mutex<Queued>,
}

#[derive(Debug, Default)]
struct Queued {
    heads: BytesMut,
    /// Who waits for the end of it.
    waker: Option<Waker>,
}

impl Queue {
    fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let mut queued = self.lock();
        let before = queued.heads.len();
        write_head(&mut queued.heads, status, headers);
        if queued.heads.len() > QUEUED_BYTES_MAX {
            queued.heads.truncate(before);
        } else {
            // The service runs in the connection's task: hyper flushes after it, so nobody has to be woken.
            self.pending.store(true, Relaxed);
        }
    }

    /// What is to be written now. From here on it has begun: nothing else may be written before its end.
    pub(super) fn take(&self) -> Bytes {
        if !self.pending.load(Relaxed) {
            return Bytes::new();
        }
        std::mem::take(&mut self.lock().heads).freeze()
    }

    /// What was taken is written.
    pub(super) fn written(&self) {
        let mut queued = self.lock();
        if queued.heads.is_empty() {
            self.pending.store(false, Relaxed);
            if let Some(waker) = queued.waker.take() {
                waker.wake();
            }
        }
    }

    /// Waits until all that was queued is written.
    pub(super) async fn drained(&self) {
        poll_fn(|cx| self.poll_drained(cx)).await;
    }

    fn poll_drained(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.pending.load(Relaxed) {
            return Poll::Ready(());
        }
        self.lock().waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_head(out: &mut BytesMut, status: StatusCode, headers: &HeaderMap) {
    let reason = status.canonical_reason().unwrap_or_default();
    // Writing to a buffer that grows cannot fail.
    _ = write!(out.writer(), "HTTP/1.1 {} {reason}\r\n", status.as_str());
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
