//! HTTP/2 connections to servers of origins, each for many calls at once.
//!
//! pingora connects and does the handshake of TLS, hyper speaks HTTP/2 over it. Here is who is on which connection, and
//! when a connection has been without a call for long enough. What a call is, it refuses to know.

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pingora_core::protocols::Stream;
use tokio::time::{Instant, sleep};

use super::failure::OriginFailure;
use super::grpc::Upload;
use crate::proxy::pool::Server;

/// Calls on one connection, at most; an origin may allow fewer.
const CALLS_MAX: usize = 100;
/// What an origin may send ahead on one call, in bytes …
const CALL_WINDOW_BYTES: u32 = 64 * 1024;
/// … and on a connection: calls whose viewers do not read take nothing from the others.
const CONNECTION_WINDOW_BYTES: u32 = CALL_WINDOW_BYTES * CALLS_MAX as u32;
/// What one call may hold in bytes that the origin does not take.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What connections are trusted for: a server, under these names, shown this certificate of ours.
pub(super) type Key = (Server, String, String, Option<String>);

/// All connections of this kind.
#[derive(Default)]
pub(super) struct Lines {
    open: Mutex<HashMap<Key, Vec<Arc<Line>>>>,
    /// Who is connecting: whoever comes meanwhile waits for what comes of it.
    gates: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
}

/// One connection.
pub(super) struct Line {
    sender: SendRequest<Upload>,
    connection: Mutex<Driven>,
    pub(super) address: SocketAddr,
    calls: Mutex<Calls>,
}

type Driven = Connection<TokioIo<Stream>, Upload, TokioExecutor>;

#[derive(Debug, Clone, Copy)]
struct Calls {
    now: usize,
    /// When the last one ended.
    idle_since: Instant,
}

/// A call's place on a connection.
pub(super) struct Seat(pub(super) Arc<Line>);

impl Drop for Seat {
    fn drop(&mut self) {
        let mut calls = locked(&self.0.calls);
        *calls = Calls { now: calls.now.saturating_sub(1), idle_since: Instant::now() };
    }
}

impl Seat {
    pub(super) fn sender(&self) -> SendRequest<Upload> {
        self.0.sender.clone()
    }
}

impl Line {
    /// A place for one more call, if the origin lets so many run.
    fn seat(self: &Arc<Self>) -> Option<Seat> {
        let allowed = locked(&self.connection).current_max_send_streams().min(CALLS_MAX);
        let mut calls = locked(&self.calls);
        if self.sender.is_closed() || calls.now >= allowed {
            return None;
        }
        calls.now += 1;
        Some(Seat(Arc::clone(self)))
    }

    fn has_been_idle_for(&self, time: Duration) -> bool {
        let calls = *locked(&self.calls);
        calls.now == 0 && calls.idle_since.elapsed() >= time
    }

    /// Moves the connection on until it ends.
    async fn run(&self) {
        _ = poll_fn(|cx| Pin::new(&mut *locked(&self.connection)).poll(cx)).await;
    }
}

impl Lines {
    /// A place on a connection that is there.
    pub(super) fn take(&self, key: &Key) -> Option<Seat> {
        let mut open = locked(&self.open);
        let lines = open.get_mut(key)?;
        lines.retain(|line| !line.sender.is_closed());
        lines.iter().find_map(Line::seat)
    }

    /// Holds others up who want to connect to the same.
    pub(super) fn gate(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = locked(&self.gates);
        gates.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = gates.get(key).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::default();
        gates.insert(key.clone(), Arc::downgrade(&gate));
        gate
    }

    /// Makes a new connection one of these, for as long as it has calls and `keepalive` after them.
    pub(super) async fn open(
        self: &Arc<Self>,
        key: Key,
        stream: Stream,
        address: SocketAddr,
        keepalive: Duration,
    ) -> Result<Seat, OriginFailure> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(CALL_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .max_header_list_size(u32::try_from(super::head::HEAD_BYTES_MAX).unwrap_or(u32::MAX));
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| OriginFailure::Reset(error.to_string()))?;
        let calls = Mutex::new(Calls { now: 1, idle_since: Instant::now() });
        let line = Arc::new(Line { sender, connection: Mutex::new(connection), address, calls });
        locked(&self.open).entry(key.clone()).or_default().push(Arc::clone(&line));
        tokio::spawn(look_after(Arc::downgrade(self), key, Arc::clone(&line), keepalive));
        Ok(Seat(line))
    }

    /// No further call goes to this server on a connection that is open now; it ends with its last call.
    pub(super) fn close(&self, server: &Server) {
        locked(&self.open).retain(|(of, ..), _| of != server);
    }

    fn forget(&self, key: &Key, line: &Arc<Line>) {
        let mut open = locked(&self.open);
        if let Some(lines) = open.get_mut(key) {
            lines.retain(|other| !Arc::ptr_eq(other, line));
            if lines.is_empty() {
                open.remove(key);
            }
        }
    }
}

/// Runs a connection until it ends, is without a call for so long, or is nobody's any more.
async fn look_after(lines: Weak<Lines>, key: Key, line: Arc<Line>, keepalive: Duration) {
    let idle = async {
        // A moment at least, for the call it was opened for.
        let pause = keepalive.max(Duration::from_millis(10));
        loop {
            sleep(pause).await;
            let wanted = lines.upgrade().is_some_and(|lines| {
                let mut open = locked(&lines.open);
                let known = open.get_mut(&key);
                known.is_some_and(|known| {
                    if line.has_been_idle_for(keepalive) {
                        // Under the lock: nobody takes a seat from here on.
                        known.retain(|other| !Arc::ptr_eq(other, &line));
                    }
                    known.iter().any(|other| Arc::ptr_eq(other, &line))
                })
            });
            if !wanted && line.has_been_idle_for(Duration::ZERO) {
                return;
            }
        }
    };
    tokio::select! {
        () = line.run() => {}
        () = idle => {}
    }
    if let Some(lines) = lines.upgrade() {
        lines.forget(&key, &line);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
