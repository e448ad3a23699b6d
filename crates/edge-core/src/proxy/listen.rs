//! Viewers: sockets, limits and an orderly stop.
//!
//! A [`Listener`] accepts connections, finds out what they speak (HTTP/1.1, HTTP/2, over TLS or not) and calls a
//! [`Service`] for each request. It knows nothing of distributions or caches. What it promises: a service sees requests
//! that can be read in exactly one way; everything a viewer may make us wait for or keep has a bound in [`Limits`]; and a
//! [`Stop`] loses no request.
//!
//! A [`QuicListener`] does the same for HTTP/3 (`http3`).
//!
//! After an upgrade (`upgrade`) a connection is its new owner's, in its place until he lets go of it.
//!
//! Reading order: this file (the accept loop), `connection` (one connection from first to last byte), `wire` (what
//! stands between the socket and hyper), `head` and `chunks` (how a request is framed), `interim` (what goes out before
//! the answer), `pulse` (who waits for whom, and since when).
mod chunks;
mod connection;
mod head;
#[cfg(feature = "http3")]
mod http3;
mod interim;
mod limits;
mod pulse;
mod streams;
mod timer;
mod upgrade;
mod wire;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

#[cfg(feature = "http3")]
pub use http3::QuicListener;
pub use interim::Interims;
pub use limits::Limits;
pub use upgrade::{Bounds, Upgrade};

use super::tls::{Session, Tls, TlsFacts};
use crate::viewer::{self, Handshake};
pub use crate::viewer::{Refusal, Scheme};

/// Connections the kernel may hold for us before we accept them.
const BACKLOG: i32 = 1_024;
/// The pause after an accept that failed for want of descriptors or memory, and how far it grows.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a viewer sends with a request, over whichever version of HTTP.
pub trait RequestBody:
    http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync + Unpin> + Send + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync + Unpin> + Send + Unpin + 'static
{
}

/// What answers requests.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of an answer. An error breaks the connection (HTTP/1.1) or resets the stream (HTTP/2, HTTP/3), so that the
    /// viewer can tell a cut answer from a whole one.
    type Body: http_body::Body<Data = Bytes, Error = Self::Error> + Send + 'static;
    /// Why a body could not be sent to its end.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send;

    /// Answers one request; what the viewer should get before that goes to `interims`. The future is dropped when the
    /// viewer leaves.
    fn call<B: RequestBody>(
        &self,
        request: http::Request<B>,
        peer: &Peer,
        interims: Interims<'_>,
    ) -> impl Future<Output = http::Response<Self::Body>> + Send;

    /// Says no to what is too large or cannot be read in one way. On HTTP/1.1 the connection is closed after
    /// the answer, later the stream.
    fn refuse(&self, refusal: Refusal, peer: &Peer) -> http::Response<Self::Body>;
}

/// Who sent a request, and how it came.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The viewer's address.
    pub addr: SocketAddr,
    /// The address it connected to.
    pub local: SocketAddr,
    /// Whether TLS protects the connection.
    pub scheme: Scheme,
    /// What the handshake agreed on.
    pub tls: Option<Arc<TlsFacts>>,
    /// Whether a request came on this connection already.
    pub used: Arc<AtomicBool>,
    /// What bounds the connection once it is no longer HTTP.
    pub bounds: Bounds,
}

impl Peer {
    /// What a request that comes now needed of a handshake: only the first on its connection needed one (§6).
    pub(super) fn tls_of_request(&self) -> Option<viewer::Tls> {
        let used = self.used.swap(true, Ordering::Relaxed);
        let TlsFacts { version, cipher, session, certificate, fingerprint, allowed_by, .. } =
            self.tls.as_deref()?;
        let handshake = match session {
            _ if used => Handshake::Reused,
            Session::Resumed => Handshake::Resumed,
            Session::Full => Handshake::Full,
        };
        let (certificate, fingerprint) = (certificate.clone(), fingerprint.clone());
        let allowed_by = allowed_by.clone();
        Some(viewer::Tls { version, cipher, handshake, certificate, fingerprint, allowed_by })
    }
}

/// Asks listeners to finish what they accepted and to end. Clones ask the same listeners.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    asked: AtomicBool,
    wake: Notify,
}

impl Stop {
    /// Not asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks, once and for good.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Waits until it is asked.
    pub async fn asked(&self) {
        let mut wake = std::pin::pin!(self.0.wake.notified());
        // From here on a call to `ask` wakes us, so looking comes after.
        wake.as_mut().enable();
        if !self.is_asked() {
            wake.await;
        }
    }
}

/// What a listener has seen since it was bound.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Accepts that failed for want of descriptors or memory.
    pub starved: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: AtomicU64,
    /// Heads that were refused.
    pub refused: AtomicU64,
    /// Connections closed because nothing moved for too long, or because of too many resets.
    pub cut: AtomicU64,
    /// Viewers over QUIC who had to show first that they are where they say.
    pub retried: AtomicU64,
    /// Requests lost to a panic.
    pub panics: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A bound socket that is not served yet.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
}

impl Listener {
    /// Binds to `addr`; port 0 takes any free one. With `tls` the listener speaks TLS only. Needs a tokio runtime.
    pub fn bind(addr: SocketAddr, tls: Option<Arc<Tls>>, limits: Limits) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Accepted sockets inherit this: a viewer that vanished is noticed although nothing is sent to it.
        socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(limits.tcp_keepalive))?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        Ok(Self { socket, tls, limits: Arc::new(limits), counters: Arc::default() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What it has seen so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `stop` is asked and every connection has ended, or the drain deadline has passed.
    pub async fn serve<S: Service>(self, service: S, stop: Stop) {
        let Self { socket, tls, limits, counters } = self;
        let connections_max = limits.connections_max.min(Semaphore::MAX_PERMITS as u32);
        let places = Arc::new(Semaphore::new(connections_max as usize));
        let host = Arc::new(Host { service, tls, limits, counters, stop });
        let accepting = async {
            // When every place is taken, viewers wait in the kernel's queue.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let (stream, addr) = accept(&socket, &host.counters).await;
                host.start(stream, addr, place);
            }
        };
        tokio::select! {
            biased;
            () = host.stop.asked() => {}
            () = accepting => {}
        }
        // Closing the socket resets whoever the kernel has greeted already, so these come in first.
        if let Ok(socket) = socket.into_std() {
            while let Ok(place) = Arc::clone(&places).try_acquire_owned()
                && let Some((stream, addr)) = accept_now(&socket)
            {
                host.start(stream, addr, place);
            }
        }
        // Every connection holds one place until its last byte.
        let all_ended = places.acquire_many(connections_max);
        if tokio::time::timeout(host.limits.drain_timeout, all_ended).await.is_err() {
            tracing::warn!("connections were still open at the drain deadline");
        }
    }
}

/// What all connections of a listener share.
struct Host<S> {
    service: S,
    tls: Option<Arc<Tls>>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
    stop: Stop,
}

impl<S: Service> Host<S> {
    fn start(self: &Arc<Self>, stream: TcpStream, addr: SocketAddr, place: OwnedSemaphorePermit) {
        count(&self.counters.accepted);
        let host = Arc::clone(self);
        tokio::spawn(async move { connection::serve(host, stream, addr, place).await });
    }
}

async fn accept(socket: &TcpListener, counters: &Counters) -> (TcpStream, SocketAddr) {
    let mut pause = ACCEPT_PAUSE_MIN;
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            // The viewer left before we came: not our trouble, and the next one may be waiting.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                count(&counters.starved);
                tracing::warn!(%error, "cannot accept connections for the moment");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// The next connection the kernel has ready, if there is one. The socket does not block.
fn accept_now(socket: &std::net::TcpListener) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match socket.accept() {
            Ok((stream, addr)) => {
                stream.set_nonblocking(true).ok()?;
                return Some((TcpStream::from_std(stream).ok()?, addr));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return None,
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
