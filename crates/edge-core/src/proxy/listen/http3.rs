//! Viewers over QUIC (RFC 9114), for the distributions that offer HTTP/3 (§11.2).
//!
//! A [`QuicListener`] stands beside a TLS listener, on the UDP port of the same number, and calls the same [`Service`] with
//! the same promises. QUIC is quinn's; the layer above it is small where nobody keeps a table of fields (`qpack`), and is
//! ours: what there is otherwise keeps whole frames of any length a viewer announces, takes a body that breaks off within
//! a frame for a whole one, and a pseudo-header that comes twice for one.
//!
//! Reading order: this file (who may connect), `connection` (from handshake to goodbye), `stream` (one request), `body`
//! (what a viewer sends), `head` (fields as requests and responses), `frame`, `qpack` with `fields` and `huffman`.
mod body;
mod connection;
mod fields;
mod frame;
mod head;
mod huffman;
mod qpack;
mod stream;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use quinn::{Endpoint, EndpointConfig, IdleTimeout, Incoming, TokioRuntime, TransportConfig, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::canonical;
use super::{Bounds, Counters, Host, Limits, Peer, Scheme, Service, Stop, count};
use crate::proxy::tls::{Offer, Quic, Tls};

/// How long the end waits until viewers have heard of it.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(1);
/// What may come of a connection before it is accepted, which happens at once: nobody sends data in his first packets
/// that we would take.
const INCOMING_BYTES_MAX: u64 = 16 * 1024;
const INCOMING_BYTES_TOTAL: u64 = 16 * 1024 * 1024;
/// Attempts to connect that wait to be looked at.
const INCOMING_MAX: usize = 4_096;

/// A bound UDP socket that is not served yet.
pub struct QuicListener {
    endpoint: Endpoint,
    config: quinn::ServerConfig,
    quic: Quic,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
}

impl QuicListener {
    /// Binds to `addr`; port 0 takes any free one. Needs a tokio runtime.
    pub fn bind(addr: SocketAddr, tls: Arc<Tls>, limits: Limits) -> io::Result<Self> {
        let quic = Quic::new(tls).map_err(io::Error::other)?;
        let greeting = quic.greeting().ok_or_else(|| io::Error::other("no cipher QUIC could begin with"))?;
        let mut config = quinn::ServerConfig::with_crypto(greeting.crypto);
        config
            .transport_config(Arc::new(transport(&limits)))
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_TOTAL)
            .migration(true);
        let socket = UdpSocket::bind(addr)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(config.clone()), socket, runtime)?;
        Ok(Self { endpoint, config, quic, limits: Arc::new(limits), counters: Arc::default() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// What it has seen so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `stop` is asked and every connection has ended, or the drain deadline has passed.
    pub async fn serve<S: Service>(self, service: S, stop: Stop) {
        let Self { endpoint, config, quic, limits, counters } = self;
        let places_max = limits.connections_max.min(Semaphore::MAX_PERMITS as u32);
        let places = Arc::new(Semaphore::new(places_max as usize));
        let host = Arc::new(Host { service, tls: None, limits, counters, stop });
        let port = endpoint.local_addr().map_or(0, |addr| addr.port());
        let door = Door { host: Arc::clone(&host), config, quic, port, unproven: Arc::default() };
        let accepting = async {
            while let Some(incoming) = endpoint.accept().await {
                match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => door.let_in(incoming, place),
                    // There is no queue to wait in: the viewer goes on with HTTP/2.
                    Err(_) => incoming.refuse(),
                }
            }
        };
        tokio::select! {
            biased;
            () = host.stop.asked() => {}
            () = accepting => {}
        }
        // Who comes now is told so at once, and can ask somebody else.
        endpoint.set_server_config(None);
        let all_ended = places.acquire_many(places_max);
        if timeout(host.limits.drain_timeout, all_ended).await.is_err() {
            tracing::warn!("connections over QUIC were still open at the drain deadline");
        }
        endpoint.close(frame::Code::NoError.into(), b"");
        let _ = timeout(GOODBYE_TIME_MAX, endpoint.wait_idle()).await;
    }
}

/// What a viewer may make QUIC keep: the same figures as for HTTP/2.
fn transport(limits: &Limits) -> TransportConfig {
    let silence_max = limits.idle_timeout.max(limits.head_timeout).max(limits.stall_timeout);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits.h2_streams_max.into())
        .max_concurrent_uni_streams(connection::SIDE_STREAMS_MAX.into())
        .stream_receive_window(limits.h2_stream_window.into())
        .receive_window(limits.h2_connection_window.into())
        .send_window(limits.h3_send_buffer_bytes_max)
        .datagram_receive_buffer_size(None)
        // By silence quinn finds the dead. That they are asked makes no difference to the idle, whom the connection's
        // driver finds, and lets those live who wait for a slow origin.
        .max_idle_timeout(Some(IdleTimeout::try_from(silence_max).unwrap_or(VarInt::MAX.into())))
        .keep_alive_interval(Some(silence_max / ASKED_WITHIN));
    transport
}

/// How often the silent are asked before they are taken for dead.
const ASKED_WITHIN: u32 = 3;

/// Who comes in, and how.
struct Door<S> {
    host: Arc<Host<S>>,
    config: quinn::ServerConfig,
    quic: Quic,
    port: u16,
    /// Handshakes with viewers who have not shown that they are where they say.
    unproven: Arc<AtomicUsize>,
}

impl<S: Service> Door<S> {
    fn let_in(&self, incoming: Incoming, place: OwnedSemaphorePermit) {
        let is_proven = incoming.remote_address_validated();
        if !is_proven && self.unproven.load(Relaxed) >= self.host.limits.h3_unproven_handshakes_max {
            // RFC 9000 §8.1.2: a handshake costs us more than a packet with a false address costs its sender.
            count(&self.host.counters.retried);
            let _ = incoming.retry();
            return;
        }
        count(&self.host.counters.accepted);
        let unproven = (!is_proven).then(|| Unproven::one_more(&self.unproven));
        let Some(Offer { crypto, met }) = self.quic.greeting() else { return incoming.refuse() };
        let mut config = self.config.clone();
        config.crypto = crypto;
        let (host, port) = (Arc::clone(&self.host), self.port);
        tokio::spawn(async move {
            let _place = place;
            let local_ip = incoming.local_ip();
            let Ok(connecting) = incoming.accept_with(Arc::new(config)) else {
                return count(&host.counters.handshakes_failed);
            };
            let connection = match timeout(host.limits.handshake_timeout, connecting).await {
                Ok(Ok(connection)) => connection,
                failed => {
                    if let Ok(Err(error)) = failed {
                        tracing::debug!(%error, "no handshake over QUIC");
                    }
                    return count(&host.counters.handshakes_failed);
                }
            };
            drop(unproven);
            let Some(facts) = met.facts() else { return };
            let addr = canonical(connection.remote_address());
            let local = local_ip.map_or(addr.ip(), |ip| ip.to_canonical());
            let bounds = Bounds { stop: host.stop.clone(), limits: Arc::clone(&host.limits) };
            let peer = Peer {
                addr,
                local: SocketAddr::new(local, port),
                scheme: Scheme::Https,
                tls: Some(Arc::new(facts)),
                used: Arc::default(),
                bounds,
            };
            connection::serve(host, peer, connection).await;
        });
    }
}

/// One of the handshakes that are counted.
struct Unproven(Arc<AtomicUsize>);

impl Unproven {
    fn one_more(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
