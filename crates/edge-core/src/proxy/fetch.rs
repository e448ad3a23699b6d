//! Requests to origins, on pingora's connections.
//!
//! It is told what to send and to which origin, finds a server, and hands back what came: a head and a body whose
//! framing has been understood. It refuses to know about caches, behaviors and statuses; a failure is a value.

mod body;
mod connect;
mod decode;
mod exchange;
mod failure;
mod head;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::Body;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::{Instant, timeout, timeout_at};

pub use self::body::OriginBody;
pub use self::decode::Framing;
pub use self::exchange::Interim;
pub use self::failure::OriginFailure;
pub use super::pool::{Scheme, Server, Verification};

use self::connect::{Connected, Connector, Destination};
use self::exchange::{Exchange, send_head};
use self::head::{Head, KeepAlive};
use self::upload::Upload;
use super::pool::{Member, Pool};
use super::resolve::Resolver;
use crate::distribution::{Origin, OriginKind};

/// What an [`Origins`] is made of.
#[derive(Debug, Clone)]
pub struct OriginsConfig {
    /// By origin domain name, lower case: the servers that stand in for it. Others are asked under their own name.
    pub servers: HashMap<String, Vec<Server>>,
    /// Names answered without DNS, as `/etc/hosts` would.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Certificate authorities trusted beside the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Most idle connections kept, over all origins.
    pub idle_connections_max: usize,
}

impl Default for OriginsConfig {
    fn default() -> Self {
        Self {
            servers: HashMap::new(),
            hosts: HashMap::new(),
            extra_roots: Vec::new(),
            idle_connections_max: 1024,
        }
    }
}

/// Why an [`Origins`] cannot be made.
#[derive(Debug)]
pub enum OriginsError {
    /// A certificate authority cannot be read.
    Roots(String),
    /// The system's DNS configuration cannot be used.
    Dns(String),
    /// An origin name is mapped to no server at all.
    NoServer(String),
}

impl fmt::Display for OriginsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots(why) => write!(f, "certificate authorities: {why}"),
            Self::Dns(why) => write!(f, "DNS: {why}"),
            Self::NoServer(name) => write!(f, "origin {name} is mapped to no server"),
        }
    }
}

impl std::error::Error for OriginsError {}

/// The certificates of a PEM file, for [`OriginsConfig::extra_roots`].
pub fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, OriginsError> {
    let wrong = |why: String| OriginsError::Roots(format!("{}: {why}", path.display()));
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(found) }
}

/// One request, decided by the core.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Whom it is for.
    pub origin: &'a Origin,
    /// After `OriginProtocolPolicy`; a mapped server's own scheme wins.
    pub scheme: Scheme,
    /// The method.
    pub method: &'a Method,
    /// Path and query, raw.
    pub target: &'a str,
    /// All of them, exactly one Host among them. Framing and connection fields are written anew.
    pub headers: &'a HeaderMap,
    /// What the body will be.
    pub body: RequestBody,
}

/// The announced body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// None; the body given is not looked at.
    None,
    /// Exactly so many bytes.
    Length(u64),
    /// As many as come.
    Chunked,
}

/// What an origin answered.
#[derive(Debug)]
pub struct OriginResponse {
    /// Never 1xx.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// As they came, repeated ones apart and in order; Content-Length once and valid, absent where chunked.
    pub headers: HeaderMap,
    /// The rest.
    pub body: OriginBody,
    /// Who answered.
    pub server: SocketAddr,
    /// How long it took.
    pub timings: Timings,
    /// The 1xx responses before this one.
    pub interim: Vec<Interim>,
}

/// How long the parts of the successful try took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Finding the address.
    pub dns: Duration,
    /// TCP and TLS; zero on a kept connection.
    pub connect: Duration,
    /// From the request's first byte to the end of the response's head.
    pub first_byte: Duration,
}

/// All that is shared between requests to origins: one per process or edge.
pub struct Origins {
    connector: Connector,
    resolver: Resolver,
    pools: HashMap<String, Arc<Pool>>,
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origins").field("pools", &self.pools.keys()).finish_non_exhaustive()
    }
}

impl Origins {
    /// Loads the system's certificate authorities and DNS configuration. Blocks while it reads them.
    pub fn new(config: OriginsConfig) -> Result<Self, OriginsError> {
        let mut pools = HashMap::new();
        for (name, servers) in config.servers {
            if servers.is_empty() {
                return Err(OriginsError::NoServer(name));
            }
            pools.insert(name.to_ascii_lowercase(), Arc::new(Pool::new(servers)));
        }
        let connector = Connector::new(&config.extra_roots, config.idle_connections_max)?;
        let resolver = Resolver::new(config.hosts).map_err(OriginsError::Dns)?;
        Ok(Self { connector, resolver, pools })
    }

    /// Sends one request; the response head and a body to read, within the origin's timeouts.
    ///
    /// GET and HEAD are tried again where no byte of an answer had come, as often as the origin's connection
    /// attempts say and once more for each further server; anything else only while nothing had been sent.
    pub async fn fetch<B>(&self, call: Call<'_>, body: B) -> Result<OriginResponse, OriginFailure>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: fmt::Display,
    {
        let upload = Upload::new(call.body, body);
        let Some(limit) = call.origin.completion_timeout else { return self.tries(call, upload, None).await };
        let deadline = Instant::now() + limit;
        timeout_at(deadline, self.tries(call, upload, Some(deadline)))
            .await
            .unwrap_or(Err(OriginFailure::CompletionTimeout))
    }

    async fn tries(
        &self,
        call: Call<'_>,
        upload: Upload,
        completion: Option<Instant>,
    ) -> Result<OriginResponse, OriginFailure> {
        let head = head::write_request(&call)?;
        let repeatable = matches!(*call.method, Method::GET | Method::HEAD) && call.body == RequestBody::None;
        let pool = self.pool(&call);
        let mut left = usize::from(call.origin.connection_attempts.max(1)) + pool.len() - 1;
        let (mut tried, mut upload, mut reuse) = (Vec::new(), Some(upload), Reuse::Idle);
        loop {
            let now = Instant::now();
            let again = if reuse == Reuse::Never { tried.last().cloned() } else { None };
            let Some(member) = again.or_else(|| pool.pick(&tried, now)) else {
                return Err(OriginFailure::Dns("no server".to_owned()));
            };
            let one = Try { origins: self, call: &call, member: &member, head: &head, completion };
            let failed = match one.run(&mut upload, reuse, tried.len()).await {
                Ok(response) => {
                    member.answered();
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            let safe = match failed.stage {
                Stage::NotSent => true,
                Stage::Sent => repeatable,
                Stage::Answered => false,
            };
            // An idle connection that turns out dead says nothing about the server: the same one again, anew.
            let stale = failed.kept && failed.failure.server_is_gone();
            if !stale && failed.stage != Stage::Answered && failed.failure.server_is_gone() {
                member.failed(Instant::now());
            }
            left -= usize::from(!stale);
            let pointless = pool.len() == 1 && failed.failure.will_repeat();
            if !safe || left == 0 || pointless || upload.is_none() && !repeatable {
                return Err(failed.failure);
            }
            reuse = if stale { Reuse::Never } else { Reuse::Idle };
            tried.push(member);
            if repeatable {
                upload = Some(Upload::new(RequestBody::None, http_body_util::Empty::new()));
            }
        }
    }

    fn pool(&self, call: &Call<'_>) -> Arc<Pool> {
        if let Some(pool) = self.pools.get(&call.origin.domain_name.to_ascii_lowercase()) {
            return Arc::clone(pool);
        }
        let port = match (call.origin.kind, call.scheme) {
            (OriginKind::Custom { http_port, .. }, Scheme::Http) => http_port,
            (OriginKind::Custom { https_port, .. }, Scheme::Https) => https_port,
            (OriginKind::S3, Scheme::Http) => 80,
            (OriginKind::S3, Scheme::Https) => 443,
        };
        let (scheme, verification) = (call.scheme, Verification::Strict);
        let host = call.origin.domain_name.clone();
        Arc::new(Pool::new([Server { scheme, host, port, verification }]))
    }
}

/// Whether an idle connection may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Idle,
    Never,
}

/// How far a try came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The origin cannot have acted on the request.
    NotSent,
    /// It may have.
    Sent,
    /// It has begun to answer.
    Answered,
}

struct Failed {
    failure: OriginFailure,
    stage: Stage,
    /// Whether it happened on a kept connection.
    kept: bool,
}

struct Try<'a> {
    origins: &'a Origins,
    call: &'a Call<'a>,
    member: &'a Arc<Member>,
    head: &'a [u8],
    completion: Option<Instant>,
}

impl Try<'_> {
    async fn run(
        &self,
        upload: &mut Option<Upload>,
        reuse: Reuse,
        turn: usize,
    ) -> Result<OriginResponse, Failed> {
        let lease = self.member.lease();
        let unsent = |failure| Failed { failure, stage: Stage::NotSent, kept: false };
        let (mut connected, kept, mut timings) = self.connect(reuse, turn).await.map_err(unsent)?;
        let began = Instant::now();
        let origin = self.call.origin;
        let sent = send_head(&mut connected.stream, self.head, origin.read_timeout).await;
        sent.map_err(|failure| Failed { failure, stage: Stage::NotSent, kept })?;
        let Some(upload) = upload.take() else {
            return Err(Failed { failure: OriginFailure::ClosedBeforeResponse, stage: Stage::Sent, kept });
        };
        let Connected { stream, address, home } = connected;
        let mut exchange = Exchange::new(stream, upload, origin.read_timeout, self.completion);
        let result = exchange.response().await;
        let result = result.and_then(|(mut head, interim)| {
            let framing = head.framing(self.call.method)?;
            Ok((head, interim, framing))
        });
        let (head, interim, framing) = result.map_err(|failure| {
            let stage = if exchange.answered() { Stage::Answered } else { Stage::Sent };
            Failed { failure, stage, kept }
        })?;
        timings.first_byte = began.elapsed();
        let home = self.idle_time(&head, &interim).map(|idle| (home, idle));
        let Head { status, version, headers, .. } = head;
        let body = OriginBody::new(framing, exchange, home, lease);
        Ok(OriginResponse { status, version, headers, body, server: address, timings, interim })
    }

    async fn connect(&self, reuse: Reuse, turn: usize) -> Result<(Connected, bool, Timings), OriginFailure> {
        let (call, server) = (self.call, &self.member.server);
        let host =
            call.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let to = Destination { server, host: without_port(host), domain_name: &call.origin.domain_name };
        let began = Instant::now();
        let deadline = began + call.origin.connection_timeout;
        let looked_up =
            timeout(call.origin.connection_timeout, self.origins.resolver.addresses(&server.host));
        let mut ips = match looked_up.await {
            Ok(found) => found.map_err(OriginFailure::Dns)?,
            Err(_) => return Err(OriginFailure::Dns(format!("{}: no answer in time", server.host))),
        };
        let timings = Timings { dns: began.elapsed(), connect: Duration::ZERO, first_byte: Duration::ZERO };
        let turn = turn % ips.len().max(1);
        ips.rotate_left(turn);
        let addresses: Vec<_> = ips.into_iter().map(|ip| SocketAddr::new(ip, server.port)).collect();
        let connector = &self.origins.connector;
        if reuse == Reuse::Idle
            && let Some(connected) = connector.idle(&to, &addresses).await
        {
            return Ok((connected, true, timings));
        }
        let connecting = Instant::now();
        let connected = connector.fresh(&to, &addresses, deadline).await?;
        Ok((connected, false, Timings { connect: connecting.elapsed(), ..timings }))
    }

    /// How long the connection may wait for its next request, if it may at all.
    fn idle_time(&self, head: &Head, interim: &[Interim]) -> Option<Duration> {
        // No 100 was asked for: whoever sends one may be off by a message.
        if interim.iter().any(|interim| interim.status == StatusCode::CONTINUE) {
            return None;
        }
        let ours = self.call.origin.keepalive_timeout;
        let idle = match head.keep_alive() {
            KeepAlive::No => return None,
            KeepAlive::Yes => ours,
            // A second less than the origin waits: it should not close while we send.
            KeepAlive::Seconds(theirs) => ours.min(Duration::from_secs(theirs.saturating_sub(1))),
        };
        (!idle.is_zero()).then_some(idle)
    }
}

fn without_port(host: &str) -> &str {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match bracketed {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}
