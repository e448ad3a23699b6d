//! One connection, from its first byte to its last.
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use bytes::BytesMut;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::server::TlsStream;

use super::interim::Interims;
use super::pulse::{PREFACE, Phase, Pulse, Speaks, Verdict, Watch};
use super::streams::{Call, Last, Paced, PanicCounter, Streams, too_large};
use super::timer::LazyTimer;
use super::wire::Wire;
use super::{Bounds, Host, Limits, Peer, Scheme, Service, Stop, count};
use crate::proxy::tls::{Greeting, Tls, TlsFacts};

/// What hyper may keep of heads that came ahead of their turn, and of bodies not yet taken.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Up to this many fields hyper parses without allocating; it is its own default.
const FIELDS_ON_STACK: usize = 100;

/// A connection that was accepted and, with TLS, greeted.
pub(super) struct Accepted<S, T> {
    pub(super) host: Arc<Host<S>>,
    pub(super) peer: Peer,
    pub(super) stream: T,
    pub(super) read: BytesMut,
    pub(super) place: OwnedSemaphorePermit,
}

/// Serves a connection until it ends.
pub(super) async fn serve<S: Service>(
    host: Arc<Host<S>>,
    stream: TcpStream,
    addr: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    let _panics = PanicCounter(Arc::clone(&host.counters));
    let Ok(local) = stream.local_addr() else { return };
    // Answers are written whole; waiting to fill a packet only delays their ends.
    let _ = stream.set_nodelay(true);
    let (addr, local) = (canonical(addr), canonical(local));
    let bounds = Bounds { stop: host.stop.clone(), limits: Arc::clone(&host.limits) };
    let peer = Peer { addr, local, scheme: Scheme::Http, tls: None, used: Arc::default(), bounds };
    let tls = host.tls.clone();
    match tls {
        Some(tls) => serve_tls(Accepted { host, peer, stream, read: BytesMut::new(), place }, &tls).await,
        None => serve_plain(Accepted { host, peer, stream, read: BytesMut::new(), place }).await,
    }
}

/// A socket for both families calls an IPv4 address `::ffff:192.0.2.1`; nobody else does.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

async fn serve_tls<S: Service>(accepted: Accepted<S, TcpStream>, tls: &Tls) {
    let Accepted { host, peer, stream, read, place } = accepted;
    // Boxed: the state of a handshake would be a part of every connection's future.
    let Some((stream, facts)) = Box::pin(greet(&host, &peer, stream, tls)).await else {
        return count(&host.counters.handshakes_failed);
    };
    let speaks =
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Speaks::Http2 } else { Speaks::Http1 };
    let peer = Peer { scheme: Scheme::Https, tls: Some(Arc::new(facts)), ..peer };
    let accepted = Accepted { host, peer, stream, read, place };
    match speaks {
        Speaks::Http1 => serve_http1(accepted).await,
        Speaks::Http2 => serve_http2(accepted).await,
    }
}

/// Shakes hands within the time there is for it; how it ended goes to the connection log.
async fn greet<S>(
    host: &Host<S>,
    peer: &Peer,
    stream: TcpStream,
    tls: &Tls,
) -> Option<(TlsStream<TcpStream>, TlsFacts)> {
    let (began, mut greeting) = (Instant::now(), Greeting::default());
    let handshake = tls.accept(stream, peer.addr.ip(), &mut greeting);
    let greeted = timeout(host.limits.handshake_timeout, handshake).await;
    let greeted = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    tls.log(&greeting, greeted.as_ref().err(), (peer.addr, peer.local.ip()), began.elapsed());
    match greeted {
        Ok(stream) => Some((stream, greeting.into_facts()?)),
        Err(error) => {
            tracing::debug!(viewer = %peer.addr, %error, "no handshake");
            None
        }
    }
}

/// Without TLS nothing tells the protocol but the first bytes (RFC 9113 §3.3, prior knowledge).
async fn serve_plain<S: Service>(mut accepted: Accepted<S, TcpStream>) {
    let limits = Arc::clone(&accepted.host.limits);
    let stop = accepted.host.stop.clone();
    let stopped = async {
        stop.asked().await;
        tokio::time::sleep(limits.linger_timeout).await;
    };
    let speaks = tokio::select! {
        speaks = timeout(limits.head_timeout, sniff(&mut accepted.stream, &mut accepted.read)) => speaks,
        () = stopped => return,
    };
    match speaks {
        Ok(Ok(Speaks::Http1)) => serve_http1(accepted).await,
        Ok(Ok(Speaks::Http2)) => serve_http2(accepted).await,
        Ok(Err(_)) => {}
        Err(_) => count(&accepted.host.counters.cut),
    }
}

async fn sniff(stream: &mut TcpStream, read: &mut BytesMut) -> io::Result<Speaks> {
    loop {
        if stream.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if read.starts_with(PREFACE) {
            return Ok(Speaks::Http2);
        }
        if !PREFACE.starts_with(read) {
            return Ok(Speaks::Http1);
        }
    }
}

pub(super) async fn serve_http1<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    accepted: Accepted<S, T>,
) {
    let Accepted { host, peer, stream, read, place } = accepted;
    let limits = &host.limits;
    let pulse = Arc::new(Pulse::new(Arc::clone(&host.counters)));
    let wire = Wire::http1(stream, read, Arc::clone(limits), Arc::clone(&pulse), place);
    let service = service_fn(|request: Request<Incoming>| {
        let (host, peer, pulse) = (&host, &peer, &pulse);
        let index = pulse.begin_call();
        let refusal = pulse.refusal_of(index);
        async move {
            let connect = request.method() == Method::CONNECT;
            let response = match refusal {
                Some(refusal) => {
                    count(&host.counters.refused);
                    host.service.refuse(refusal, peer)
                }
                None => {
                    let interims = Interims::on(&pulse.interims, request.version());
                    let response = host.service.call(request, peer, interims).await;
                    pulse.interims.drained().await;
                    response
                }
            };
            let status = response.status();
            let upgraded = status == StatusCode::SWITCHING_PROTOCOLS || (connect && status.is_success());
            pulse.decide(index, if upgraded { Verdict::Upgraded } else { Verdict::Declined });
            if pulse.undecided.load(Relaxed) {
                // Hyper believes that reading waits for the socket; now it waits for us no longer.
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::Ready(())
                })
                .await;
            }
            Ok::<_, Infallible>(response.map(|body| Last::new(body, pulse)))
        }
    });
    let mut builder = http1::Builder::new();
    // Deadlines are ours: hyper's own timer would be made anew for every request.
    builder.header_read_timeout(None).max_buf_size(READ_BUFFER_BYTES.max(limits.head_bytes_max * 2));
    if limits.fields_max > FIELDS_ON_STACK {
        builder.max_headers(limits.fields_max);
    }
    let connection = pin!(builder.serve_connection(TokioIo::new(wire), service).with_upgrades());
    let end = Drive { limits, stop: &host.stop, pulse: &pulse, speaks: Speaks::Http1 }
        .run(connection, http1::UpgradeableConnection::graceful_shutdown)
        .await;
    if let End::Cut = end {
        count(&host.counters.cut);
    }
}

async fn serve_http2<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    accepted: Accepted<S, T>,
) {
    let Accepted { host, peer, stream, read, place } = accepted;
    let limits = Arc::clone(&host.limits);
    let pulse = Arc::new(Pulse::new(Arc::clone(&host.counters)));
    let wire = Wire::http2(stream, read, Arc::clone(&limits), Arc::clone(&pulse), place);
    let shared = Arc::new((Arc::clone(&host), peer));
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, call) = (Arc::clone(&shared), Call::new(&pulse));
        async move {
            let (host, peer) = &*shared;
            let response = match too_large(&request, &host.limits) {
                Some(refusal) => {
                    count(&host.counters.refused);
                    host.service.refuse(refusal, peer)
                }
                None => host.service.call(request, peer, Interims::UNHEARD).await,
            };
            Ok::<_, Infallible>(response.map(|body| Paced::new(body, call)))
        }
    });
    let builder = http2_settings(Streams(Arc::clone(&pulse)), &limits);
    let connection = pin!(builder.serve_connection(TokioIo::new(wire), service));
    let end = Drive { limits: &limits, stop: &host.stop, pulse: &pulse, speaks: Speaks::Http2 }
        .run(connection, http2::Connection::graceful_shutdown)
        .await;
    if let End::Cut = end {
        count(&host.counters.cut);
    }
}

fn http2_settings(streams: Streams, limits: &Limits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    // Twice what is allowed is read, so that the service can say what is wrong; h2 counts 32 bytes more for each field.
    let list_max = limits.head_bytes_max * 2 + limits.fields_max * 32;
    builder
        .timer(TokioTimer::default())
        .max_header_list_size(u32::try_from(list_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.h2_streams_max)
        .max_pending_accept_reset_streams(limits.h2_pending_resets_max)
        .max_local_error_reset_streams(limits.h2_error_resets_max)
        .initial_stream_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_send_buf_size(limits.h2_send_buffer_bytes_max)
        .keep_alive_interval(limits.h2_ping_interval)
        .keep_alive_timeout(limits.h2_ping_timeout);
    builder
}

/// How a connection ended.
enum End {
    /// By itself, by the viewer, or because it was asked to.
    Done,
    /// Because the viewer took too long, or did too much.
    Cut,
}

/// What runs a connection of hyper's: one timer, and the order to stop.
struct Drive<'a> {
    limits: &'a Limits,
    stop: &'a Stop,
    pulse: &'a Pulse,
    speaks: Speaks,
}

impl Drive<'_> {
    async fn run<C>(self, mut connection: Pin<&mut C>, wind_down: impl Fn(Pin<&mut C>)) -> End
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut timer = LazyTimer::default();
        let mut watch = Watch::new(self.speaks, Instant::now());
        // Polled once, which is enough to be woken: a connection is always polled by the one task that was made for it.
        let mut asked = pin!(self.stop.asked());
        let mut listening = false;
        let mut closing: Option<Instant> = None;
        let mut until: Option<Instant> = None;
        poll_fn(|cx| {
            if !std::mem::replace(&mut listening, true) {
                let _ = asked.as_mut().poll(cx);
            }
            loop {
                if self.stop.is_asked() {
                    let now = *until.get_or_insert_with(Instant::now);
                    if closing.is_none() && self.may_wind_down() {
                        wind_down(connection.as_mut());
                        closing = Some(now + self.limits.drain_timeout);
                    }
                }
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(End::Done);
                }
                if self.too_many_cancels() {
                    return Poll::Ready(End::Cut);
                }
                let turn = watch.deadline(self.pulse, self.limits, Instant::now);
                let first =
                    until.filter(|_| closing.is_none()).map(|asked| asked + self.limits.linger_timeout);
                let Some(deadline) = [turn, closing, first].into_iter().flatten().min() else {
                    return Poll::Pending;
                };
                if timer.poll_until(deadline, cx).is_pending() {
                    return Poll::Pending;
                }
                match watch.phase {
                    Phase::Lingering => return Poll::Ready(End::Done),
                    Phase::Idle | Phase::Head if closing.is_none() => {
                        wind_down(connection.as_mut());
                        closing = Some(deadline + self.limits.linger_timeout);
                    }
                    _ => return Poll::Ready(End::Cut),
                }
            }
        })
        .await
    }

    /// A connection whose first request has not come is given a moment: the viewer may have sent it already.
    fn may_wind_down(&self) -> bool {
        self.speaks == Speaks::Http2 || self.pulse.calls.load(Relaxed) > 0
    }

    /// CVE-2023-44487: opening streams and calling them off costs the viewer nothing and us a request each.
    fn too_many_cancels(&self) -> bool {
        let allowed = self.limits.h2_cancels_max + self.pulse.finished.load(Relaxed) / 2;
        self.pulse.cancelled.load(Relaxed) > allowed
    }
}
