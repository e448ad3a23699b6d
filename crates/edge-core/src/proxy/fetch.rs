//! Requests to origins, on pingora's connections.
//!
//! It is told what to send and to which origin, finds a server, and hands back what came: a head and a body whose
//! framing has been understood. It refuses to know about caches, behaviors and statuses; a failure is a value.

mod addresses;
mod body;
mod client_certificate;
mod connect;
mod decode;
mod exchange;
mod failure;
mod grpc;
mod head;
mod idle;
mod lines;
mod probe;
mod tries;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::Body;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::{Instant, timeout_at};

pub use self::body::{OriginBody, OriginTunnel};
pub use self::client_certificate::ClientCertificate;
pub use self::decode::Framing;
pub use self::exchange::Interim;
pub use self::failure::OriginFailure;
pub use self::grpc::CallBody;
pub use self::probe::{HealthCheck, Probe};
pub use super::pool::{Scheme, Server, Verification};

use self::addresses::Addresses;
use self::connect::Connector;
use self::probe::Probes;
use self::upload::Upload;
use super::pool::Pool;
use super::resolve::Resolver;
use crate::distribution::Origin;
use crate::viewer::traffic::Traffic;

/// What an [`Origins`] is made of.
#[derive(Debug, Clone)]
pub struct OriginsConfig {
    /// By origin domain name, lower case: the servers that stand in for it. Others are asked under their own name.
    pub servers: HashMap<String, Vec<Server>>,
    /// Those of them whose servers are a load balancer's targets, by the origin's domain name: they are told how it was
    /// asked (`X-Forwarded-Proto`, `X-Forwarded-Port`).
    pub load_balancers: Vec<String>,
    /// Names answered without DNS, as `/etc/hosts` would.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Certificate authorities trusted beside the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What is shown to origins that name one of them: by `ClientCertificateArn`.
    pub client_certificates: HashMap<String, ClientCertificate>,
    /// Most idle connections kept, over all origins.
    pub idle_connections_max: usize,
    /// How servers are looked after, where an origin has several. `None`: only requests tell.
    pub health_check: Option<HealthCheck>,
}

impl Default for OriginsConfig {
    fn default() -> Self {
        Self {
            servers: HashMap::new(),
            load_balancers: Vec::new(),
            hosts: HashMap::new(),
            extra_roots: Vec::new(),
            client_certificates: HashMap::new(),
            idle_connections_max: 1024,
            health_check: Some(HealthCheck::default()),
        }
    }
}

/// Why an [`Origins`] cannot be made.
#[derive(Debug)]
pub enum OriginsError {
    /// A certificate authority cannot be read.
    Roots(String),
    /// A client certificate cannot be used, or is missing.
    ClientCertificate(String),
    /// The system's DNS configuration cannot be used.
    Dns(String),
    /// An origin name is mapped to no server at all.
    NoServer(String),
}

impl fmt::Display for OriginsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots(why) => write!(f, "certificate authorities: {why}"),
            Self::ClientCertificate(why) => write!(f, "client certificate for an origin: {why}"),
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
    /// What it begins.
    pub traffic: Traffic,
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
    /// Never 1xx, but for the 101 of a WebSocket.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1; HTTP/2 for a call of gRPC.
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
    shared: Arc<Shared>,
    health_check: Option<HealthCheck>,
    probes: OnceLock<Probes>,
    trust: Trust,
}

/// What connections were made with: those who follow with the same go on with them.
#[derive(Clone, PartialEq)]
struct Trust {
    extra_roots: Vec<CertificateDer<'static>>,
    client_certificates: HashMap<String, ClientCertificate>,
    idle_connections_max: usize,
}

struct Shared {
    connector: Arc<Connector>,
    addresses: Addresses,
    resolver: Resolver,
    pools: HashMap<String, Arc<Pool>>,
    load_balancers: Vec<String>,
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

impl Origins {
    /// Loads the system's certificate authorities and DNS configuration. Blocks while it reads them.
    pub fn new(config: OriginsConfig) -> Result<Self, OriginsError> {
        Self::make(config, None)
    }

    /// As [`Origins::new`], for a configuration that takes this one's place: servers that are in both keep their idle
    /// connections and what is known of them, new ones get their share by and by. Call [`Origins::retire`] once it has.
    pub fn followed_by(&self, config: OriginsConfig) -> Result<Self, OriginsError> {
        Self::make(config, Some(self))
    }

    fn make(config: OriginsConfig, before: Option<&Self>) -> Result<Self, OriginsError> {
        let OriginsConfig { servers, load_balancers, hosts, health_check, .. } = config;
        let OriginsConfig { extra_roots, client_certificates, idle_connections_max, .. } = config;
        let trust = Trust { extra_roots, client_certificates, idle_connections_max };
        let before = before.filter(|before| before.trust == trust).map(|before| &before.shared);
        let now = Instant::now();
        let mut pools = HashMap::new();
        for (name, servers) in servers {
            if servers.is_empty() {
                return Err(OriginsError::NoServer(name));
            }
            let name = name.to_ascii_lowercase();
            let pool = match before.and_then(|before| before.pools.get(&name)) {
                Some(before) => before.followed_by(servers, now),
                None => Pool::new(servers),
            };
            pools.insert(name, Arc::new(pool));
        }
        let connector = match before {
            Some(before) => Arc::clone(&before.connector),
            None => Arc::new(Connector::new(&trust)?),
        };
        let resolver = Resolver::new(hosts).map_err(OriginsError::Dns)?;
        let shared = Shared { connector, addresses: Addresses::default(), resolver, pools, load_balancers };
        let shared = Arc::new(shared);
        Ok(Self { shared, health_check, probes: OnceLock::new(), trust })
    }

    /// Others have taken this one's place. Requests under way finish here; no server that is not theirs is asked any
    /// more if there is another, its idle connections are closed, and so are those in use when they fall idle.
    pub fn retire(&self, next: &Self) {
        if let Some(probes) = self.probes.get() {
            probes.stop();
        }
        let (ours, theirs) = (&self.shared, &next.shared);
        let shared = Arc::ptr_eq(&ours.connector, &theirs.connector);
        let in_use = |server: &Server| {
            let mut members = theirs.pools.values().flat_map(|pool| pool.members());
            shared && members.any(|member| member.server == *server)
        };
        let mut gone = Vec::new();
        for (name, pool) in &ours.pools {
            pool.retire_for(theirs.pools.get(name).map(|pool| &**pool));
            let servers = pool.members().iter().map(|member| &member.server);
            gone.extend(servers.filter(|server| !in_use(server)).cloned());
        }
        let connector = Arc::clone(&ours.connector);
        // Where there is no runtime any more there are no connections.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for server in gone {
                    connector.close_idle(&server).await;
                }
            });
        }
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
        self.fetch_hearing(call, body, &|_| {}).await
    }

    /// As [`fetch`](Self::fetch); `heard` gets each interim response when it comes.
    pub async fn fetch_hearing<B>(
        &self,
        call: Call<'_>,
        body: B,
        heard: &(dyn Fn(&Interim) + Sync),
    ) -> Result<OriginResponse, OriginFailure>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: fmt::Display,
    {
        if let Some(check) = &self.health_check {
            // Only here is there a runtime for certain.
            self.probes.get_or_init(|| Probes::start(&self.shared, check));
        }
        if call.traffic == Traffic::Grpc {
            let deadline = call.origin.completion_timeout.map(|limit| Instant::now() + limit);
            return self.shared.call(call, body, deadline).await;
        }
        let upload = Upload::new(call.body, body);
        let Some(limit) = call.origin.completion_timeout else {
            return self.shared.tries(call, upload, None, heard).await;
        };
        let deadline = Instant::now() + limit;
        let tries = self.shared.tries(call, upload, Some(deadline), heard);
        timeout_at(deadline, tries).await.unwrap_or(Err(OriginFailure::CompletionTimeout))
    }
}
