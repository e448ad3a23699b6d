//! The admin listener: is it alive, and what has it counted. On loopback only, apart from viewers (threats T7).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use edge_core::proxy::edge::Edge;
use edge_core::proxy::listen::{Interims, Limits, Listener, Peer, Refusal, Service, Stop};
use http_body_util::Full;
use hyper::body::Incoming;

/// A running admin listener; it ends when this is dropped.
pub(crate) struct Admin {
    addr: SocketAddr,
    stop: Stop,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Admin {
    /// Listens.
    pub(crate) async fn start(addr: SocketAddr, edge: Edge) -> anyhow::Result<Self> {
        anyhow::ensure!(
            addr.ip().is_loopback(),
            "--admin {addr}: only loopback addresses\n  hint: use 127.0.0.1:{}",
            addr.port()
        );
        let listener = Listener::bind(addr, None, Limits { connections_max: 64, ..Limits::default() })
            .with_context(|| {
                format!("cannot listen on {addr} (--admin; port 0 is any free one, \"off\" is none)")
            })?;
        let addr = listener.local_addr()?;
        let stop = Stop::new();
        tokio::spawn(listener.serve(Answers { edge }, stop.clone()));
        Ok(Self { addr, stop })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[derive(Clone)]
struct Answers {
    edge: Edge,
}

impl Service for Answers {
    type Body = Full<Bytes>;
    type Error = std::convert::Infallible;

    async fn call(
        &self,
        request: http::Request<Incoming>,
        _: &Peer,
        _: Interims<'_>,
    ) -> http::Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&http::Method::GET, "/healthz") => text(200, "ok\n".to_owned()),
            (&http::Method::GET, "/metrics") => text(200, metrics(&self.edge)),
            _ => text(404, "there are GET /healthz and GET /metrics\n".to_owned()),
        }
    }

    fn refuse(&self, refusal: Refusal, _: &Peer) -> http::Response<Full<Bytes>> {
        text(400, format!("{refusal:?}\n"))
    }
}

fn text(status: u16, body: String) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// The counters, as Prometheus reads them.
fn metrics(edge: &Edge) -> String {
    let counters = edge.counters();
    let (objects, bytes) = edge.cache_size();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    [
        ("edge_requests_total", "counter", "Requests read from viewers", read(&counters.requests)),
        (
            "edge_origin_requests_total",
            "counter",
            "Requests sent to origins",
            read(&counters.origin_requests),
        ),
        (
            "edge_guarded_total",
            "counter",
            "Responses the guard kept from being shared",
            read(&counters.guarded),
        ),
        ("edge_cache_objects", "gauge", "Objects held", objects),
        ("edge_cache_bytes", "gauge", "What they weigh", bytes),
    ]
    .map(|(name, kind, help, value)| format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"))
    .concat()
}
