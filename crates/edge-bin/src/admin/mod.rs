//! The admin listener: is it alive, what has it counted, what time does it think it is; and CloudFront's own API for
//! invalidations. On loopback only, apart from viewers (threats T7).

mod api;
mod clock;
pub(crate) mod moment;
pub(crate) mod xml;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use edge_core::proxy::access_log::AccessLog;
use edge_core::proxy::edge::Edge;
use edge_core::proxy::journal::Counters;
use edge_core::proxy::listen::{Interims, Limits, Listener, Peer, Refusal, RequestBody, Service, Stop};
use http::header::ORIGIN;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

pub(crate) use self::api::ROOT;
use self::api::{ApiError, Code};
pub(crate) use self::clock::Time;

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
    pub(crate) async fn start(addr: SocketAddr, edge: Edge, time: Time) -> anyhow::Result<Self> {
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
        tokio::spawn(listener.serve(Answers { edge, time }, stop.clone()));
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
    time: Time,
}

/// What a call may bring (threats T7).
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What there is, for those who ask for something else.
const PLACES: &str = "there are GET /healthz, GET /metrics, GET /distribution, /clock, and CloudFront's invalidation API \
                      under /2020-05-31/\n";

impl Service for Answers {
    type Body = Full<Bytes>;
    type Error = std::convert::Infallible;

    async fn call<B: RequestBody>(
        &self,
        request: http::Request<B>,
        _: &Peer,
        _: Interims<'_>,
    ) -> http::Response<Full<Bytes>> {
        let is_api = request.uri().path().starts_with(ROOT);
        if request.method() != Method::GET && request.headers().contains_key(ORIGIN) {
            // No page somebody looks at can command the edge beside his browser.
            return if is_api {
                let error = ApiError::new(Code::AccessDenied, FROM_A_PAGE);
                error.response().map(Full::from)
            } else {
                text(StatusCode::FORBIDDEN, format!("{FROM_A_PAGE}\n"))
            };
        }
        if is_api {
            return self.api(request).await.map(Full::from);
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n".to_owned()),
            (&Method::GET, "/metrics") => text(StatusCode::OK, metrics(&self.edge)),
            (&Method::GET, "/distribution") => text(StatusCode::OK, distribution(&self.edge)),
            (method, "/clock") => {
                let query = request.uri().query().unwrap_or_default();
                let (status, answer) = clock::answer(&self.time, method, query);
                text(status, answer)
            }
            _ => text(StatusCode::NOT_FOUND, PLACES.to_owned()),
        }
    }

    fn refuse(&self, refusal: Refusal, _: &Peer) -> http::Response<Full<Bytes>> {
        text(StatusCode::BAD_REQUEST, format!("{refusal:?}\n"))
    }
}

const FROM_A_PAGE: &str = "a request that a page made in a browser is not obeyed";

impl Answers {
    async fn api(&self, request: http::Request<impl RequestBody>) -> http::Response<String> {
        let (parts, body) = request.into_parts();
        match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => {
                let body = body.to_bytes().to_vec();
                api::answer(&self.edge, &http::Request::from_parts(parts, body))
            }
            Err(error) if error.is::<LengthLimitError>() => {
                let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
                ApiError::new(Code::BatchTooLarge, message).response()
            }
            Err(error) => ApiError::new(Code::MissingBody, format!("the body broke off: {error}")).response(),
        }
    }
}

fn text(status: StatusCode, body: String) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::from(body));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// What this edge is, for programs.
fn distribution(edge: &Edge) -> String {
    let running = edge.running();
    let distribution = &running.rules().distribution;
    let names = serde_json::json!({ "Id": distribution.id, "DomainName": distribution.domain_name });
    format!("{names}\n")
}

/// The counters, as Prometheus reads them.
fn metrics(edge: &Edge) -> String {
    let counters = edge.counters();
    let (objects, bytes) = edge.cache_size();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let log = edge.access_log().and_then(AccessLog::counters);
    let logged = |counter: fn(&Counters) -> &AtomicU64| log.map_or(0, |log| read(counter(log)));
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
        (
            "edge_exceeded_total",
            "counter",
            "Requests refused for a quota, or for want of room",
            read(&counters.exceeded),
        ),
        (
            "edge_origin_requests_waiting",
            "gauge",
            "Requests that wait for origins, or whose answers are still arriving",
            u64::from(edge.waiting()),
        ),
        (
            "edge_bytes_uploaded_total",
            "counter",
            "Bytes of the bodies of OPTIONS, POST and PUT",
            read(&counters.bytes_uploaded),
        ),
        ("edge_cache_objects", "gauge", "Objects held", objects),
        ("edge_cache_bytes", "gauge", "What they weigh", bytes),
        ("edge_access_log_lines_total", "counter", "Lines of the access log", logged(|log| &log.written)),
        (
            "edge_access_log_dropped_total",
            "counter",
            "Lines of the access log that were lost",
            logged(|log| &log.dropped),
        ),
    ]
    .map(|(name, kind, help, value)| format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"))
    .concat()
}
