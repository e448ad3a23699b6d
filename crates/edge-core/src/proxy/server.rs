//! An edge with its listeners: what `edge-bin serve` starts, and what a test or a program embeds.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use edge_core::proxy::server::{Server, Settings};
//!
//! let loaded = edge_core::distribution::document::load(r#"{"DistributionConfig": {}}"#)?;
//! let mut settings = Settings::new(loaded.distribution);
//! settings.http.push("127.0.0.1:0".parse()?);
//! settings.servers.insert("alb.example.com".into(), vec!["http://127.0.0.1:8000".into()]);
//! let server = Server::start(settings).await?;
//! println!("{:?}", server.http());
//! server.stop().await;
//! # Ok(()) }
//! ```

mod secure;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::secure::{Ports, Secure};
use super::access_log::{AccessLog, AccessLogSettings};
use super::clock::Clock;
use super::edge::{Edge, Room, Running, Viewer};
use super::fetch::{ClientCertificate, Origins, OriginsConfig, OriginsError, Scheme, read_roots};
use super::geo::{GeoError, GeoSettings, Locator};
use super::journal::Journal;
use super::listen::{Interims, Limits, Listener, Peer, Refusal, RequestBody, Service, Stop, Upgrade};
use super::local_ca::{CaError, LocalCa};
use super::pool;
use super::tls::{Certificates, Sites, Tls, TlsError, TrustStoreFiles};
use super::{body::Body, fill::Broken};
use crate::cache::storing::Guard;
use crate::distribution::lambda::{Endpoint, unversioned};
use crate::distribution::{Clash, Credentials, Distribution};
use crate::exchange::Rules;
use crate::response::Place;
use crate::viewer::Attempt;
use crate::viewer::device::Memo;

/// Everything an edge is started with. Fields are free to be set; [`Server::start`] says what is wrong with them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to be.
    pub distribution: Distribution,
    /// What to be for the names of others beside it (§17.2): the store is one, and nothing in it is shared.
    pub others: Vec<Distribution>,
    /// Who knows where viewers are.
    pub geo: GeoSettings,
    /// Safer than CloudFront (the default), or to the letter.
    pub guard: Guard,
    /// Which servers stand in for an origin, by its domain name: `http://host:port` or `https://host:port`.
    pub servers: HashMap<String, Vec<String>>,
    /// Origins that are load balancers, by domain name: their `servers` are the targets, and told so (see
    /// [`OriginsConfig::load_balancers`]).
    pub load_balancers: Vec<String>,
    /// Certificate authorities for origins beside the system's: PEM files.
    pub origin_roots: Vec<PathBuf>,
    /// What is shown to origins that want a certificate, by the `ClientCertificateArn` of their `OriginMtlsConfig`: PEM files,
    /// each with a chain and its key (§5.7).
    pub origin_certificates: HashMap<String, PathBuf>,
    /// Do not verify the certificates of mapped servers. For servers on one's own machine only.
    pub insecure_servers: bool,
    /// Whose signature requests to origins with an access control carry (§5.11). `None`: they are not signed.
    pub credentials: Option<Arc<Credentials>>,
    /// Where Lambdas can be called, by their ARNs with or without a version; those that are not here are skipped.
    pub lambdas: HashMap<String, Arc<Endpoint>>,
    /// Where plain HTTP is spoken; port 0 is any free one.
    pub http: Vec<SocketAddr>,
    /// Where HTTPS is spoken.
    pub https: Vec<SocketAddr>,
    /// Whether HTTP/3 is, at the UDP ports of the same numbers, for the distributions that have it (§11.2).
    pub http3: Http3,
    /// Certificate chains with their keys: PEM files.
    pub certificates: Vec<(PathBuf, PathBuf)>,
    /// Where attempts to connect to distributions that ask for certificates are logged (§15.2). Whoever opened it has it
    /// finished.
    pub connection_log: Option<Arc<Journal<Attempt>>>,
    /// Trust stores of viewers' certificates by their ids, where the documents do not carry them: PEM files (§11.6).
    pub trust_stores: TrustStoreFiles,
    /// Where the local CA is kept; made on first use, for names no certificate covers. `None`: files only.
    pub local_ca: Option<PathBuf>,
    /// The size of the cache in bytes.
    pub cache_bytes: u64,
    /// Requests that may wait for origins at once, collapsed ones included.
    pub origin_requests_max: u32,
    /// Requests a second for each distribution, as CloudFront's quota has it. `None`: as many as come.
    pub requests_per_second: Option<NonZeroU32>,
    /// What viewers may ask of us.
    pub limits: Limits,
    /// The one clock of requests and of what is stored. Certificates go by the system's.
    pub clock: Clock,
    /// The access log. `None`: none is kept, and nothing is paid for it.
    pub access_log: Option<AccessLogSettings>,
}

/// 256 MiB.
pub const CACHE_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;
/// 16,384: as many as connections.
pub const ORIGIN_REQUESTS_DEFAULT: u32 = 16_384;
/// User-Agents whose device is remembered.
const DEVICES_REMEMBERED: usize = 4_096;

impl Settings {
    /// Defaults for a distribution: no listener yet.
    pub fn new(distribution: Distribution) -> Self {
        Self {
            distribution,
            others: Vec::new(),
            geo: GeoSettings::default(),
            guard: Guard::On,
            servers: HashMap::new(),
            load_balancers: Vec::new(),
            origin_roots: Vec::new(),
            origin_certificates: HashMap::new(),
            insecure_servers: false,
            credentials: None,
            lambdas: HashMap::new(),
            http: Vec::new(),
            https: Vec::new(),
            http3: Http3::default(),
            certificates: Vec::new(),
            connection_log: None,
            trust_stores: TrustStoreFiles::new(),
            local_ca: None,
            cache_bytes: CACHE_BYTES_DEFAULT,
            origin_requests_max: ORIGIN_REQUESTS_DEFAULT,
            requests_per_second: None,
            limits: Limits::default(),
            clock: Clock::system(),
            access_log: None,
        }
    }
}

impl Settings {
    /// The first, and those beside it.
    pub fn distributions(&self) -> impl Iterator<Item = &Distribution> {
        std::iter::once(&self.distribution).chain(&self.others)
    }
}

/// Whether HTTP/3 is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Http3 {
    /// Where a distribution has it, if this was built with the feature `http3`.
    #[default]
    WhereOffered,
    /// Nowhere.
    Off,
}

/// Why an edge did not start, or keeps what it has.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be had.
    Listen(SocketAddr, io::Error),
    /// A UDP address cannot be had.
    ListenQuic(SocketAddr, io::Error),
    /// A server's URL is none.
    Server(String),
    /// The origin side.
    Origins(OriginsError),
    /// A certificate.
    Tls(TlsError),
    /// The local CA.
    Ca(CaError),
    /// A database of places.
    Geo(GeoError),
    /// Distributions that cannot stand side by side (§17.2).
    Clash(Clash),
    /// The access log cannot be opened.
    Log(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(addr, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {addr}: another program does; use another port, or port 0 for any free one"
                )
            }
            Self::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            Self::ListenQuic(addr, error) => write!(
                f,
                "cannot listen on UDP {addr} for HTTP/3: {error}\n  hint: --no-http3, or another port for HTTPS"
            ),
            Self::Server(why) => f.write_str(why),
            Self::Origins(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Ca(error) => error.fmt(f),
            Self::Geo(error) => error.fmt(f),
            Self::Clash(clash) => clash.fmt(f),
            Self::Log(error) => write!(f, "the access log cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running edge.
#[derive(Debug)]
pub struct Server {
    edge: Edge,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    http3: Vec<SocketAddr>,
    tls: Option<Arc<Tls>>,
    ca_path: Option<PathBuf>,
    stop: Stop,
    serving: JoinSet<()>,
}

impl Server {
    /// Binds, loads certificates, and serves. Needs a tokio runtime with time and IO.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let (tls, ca_path) = tls(&settings)?;
        let bind = |addr: SocketAddr| {
            Listener::bind(addr, None, settings.limits.clone())
                .and_then(|listener| Ok((listener.local_addr()?, listener)))
                .map_err(|error| StartError::Listen(addr, error))
        };
        let plain: Vec<_> = settings.http.iter().map(|&addr| bind(addr)).collect::<Result<_, _>>()?;
        let secure = settings.https.iter().zip(tls.iter().cycle());
        let secure: Vec<Secure> =
            secure.map(|(&addr, tls)| Secure::bind(addr, tls, &settings)).collect::<Result<_, _>>()?;
        let http = plain.iter().map(|(addr, _)| *addr).collect();
        let https: Vec<SocketAddr> = secure.iter().map(|one| one.addr).collect();
        let http3: Vec<SocketAddr> = secure.iter().filter_map(Secure::http3).collect();
        let running = running(&settings, ports(&https, &http3), None)?;
        let log = settings.access_log.as_ref().map(AccessLog::open).transpose().map_err(StartError::Log)?;
        let Settings { cache_bytes, origin_requests_max, .. } = settings;
        let room = Room { cache_bytes, origin_requests_max };
        let edge = Edge::logging(running, room, settings.clock.clone(), log);
        let stop = Stop::new();
        let mut serving = JoinSet::new();
        for (_, listener) in plain {
            serving.spawn(listener.serve(edge.clone(), stop.clone()));
        }
        for one in secure {
            one.serve(&edge, &stop, &mut serving);
        }
        Ok(Self { edge, http, https, http3, tls, ca_path, stop, serving })
    }

    /// The edge itself: counters, and requests without a socket.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Where plain HTTP is spoken.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where HTTPS is spoken.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Where HTTP/3 is spoken, over UDP.
    pub fn http3(&self) -> &[SocketAddr] {
        &self.http3
    }

    /// The local CA's certificate, if there is a local CA.
    pub fn local_ca(&self) -> Option<&PathBuf> {
        self.ca_path.as_ref()
    }

    /// Puts other settings in force: distribution, servers, certificates and guard. Listeners, the cache and requests
    /// under way are not touched. On an error everything stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<(), StartError> {
        let before = self.edge.running();
        let running = running(settings, ports(&self.https, &self.http3), Some(&before.origins))?;
        if settings.speaks_http3() && !self.https.is_empty() && self.http3.is_empty() {
            tracing::warn!(
                "HTTP/3 is spoken, and offered, after a restart only: no distribution had it at the start"
            );
        }
        if let Some(tls) = &self.tls {
            let (certificates, _) = certificates(settings)?;
            let sites = sites(settings).map_err(StartError::Tls)?;
            tls.replace(certificates, sites).map_err(StartError::Tls)?;
        }
        let now = Arc::clone(&running.origins);
        self.edge.replace(running);
        before.origins.retire(&now);
        Ok(())
    }

    /// Finishes what was accepted, then ends: no request is dropped within the drain deadline.
    pub async fn stop(mut self) {
        self.stop.ask();
        while self.serving.join_next().await.is_some() {}
        if let Some(log) = self.edge.access_log() {
            log.finish().await;
        }
    }
}

impl Running {
    /// What these settings make of it, without listeners: who decides, and who is asked.
    pub fn of(settings: &Settings) -> Result<Self, StartError> {
        running(settings, Ports::default(), None)
    }
}

fn ports(https: &[SocketAddr], http3: &[SocketAddr]) -> Ports {
    let first = |at: &[SocketAddr]| at.first().map(SocketAddr::port);
    Ports { https: first(https), http3: first(http3) }
}

fn running(settings: &Settings, ports: Ports, before: Option<&Arc<Origins>>) -> Result<Running, StartError> {
    let pairs = Pairs::of(settings);
    if let Some(clash) = Clash::among(pairs.reached()) {
        return Err(StartError::Clash(clash));
    }
    // Their keys begin with these names (§4.1).
    for (primary, staging) in &pairs.0 {
        if staging.is_some_and(|staging| staging.domain_name == primary.domain_name) {
            return Err(StartError::Clash(Clash::DomainName(primary.domain_name.clone())));
        }
    }
    let mut servers = HashMap::new();
    for (name, urls) in &settings.servers {
        let mut parsed = urls
            .iter()
            .map(|url| pool::Server::parse(url))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::Server)?;
        if settings.insecure_servers {
            parsed.iter_mut().for_each(|server| server.verification = pool::Verification::Off);
        }
        servers.insert(name.to_ascii_lowercase(), parsed);
    }
    let mut extra_roots = Vec::new();
    for path in &settings.origin_roots {
        extra_roots.extend(read_roots(path).map_err(StartError::Origins)?);
    }
    let client_certificates = client_certificates(settings, &servers).map_err(StartError::Origins)?;
    let load_balancers = settings.load_balancers.clone();
    let config = OriginsConfig {
        servers,
        load_balancers,
        extra_roots,
        client_certificates,
        ..OriginsConfig::default()
    };
    let origins = match before {
        Some(before) => before.followed_by(config),
        None => Origins::new(config),
    };
    let origins = origins.map_err(StartError::Origins)?;
    let rules = |distribution: &Distribution| {
        let seed = distribution.domain_name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut distribution = distribution.clone();
        for signing in distribution.origins.iter_mut().filter_map(|origin| origin.signing.as_mut()) {
            signing.credentials.clone_from(&settings.credentials);
        }
        distribution.locate_lambdas(|_, lambda| {
            let known = &settings.lambdas;
            known.get(&lambda.arn).or_else(|| known.get(unversioned(&lambda.arn))).cloned()
        });
        let http3_port = ports.http3.filter(|_| settings.http3 == Http3::WhereOffered);
        Arc::new(Rules {
            guard: settings.guard,
            place: Place::new(seed, ports.https).offering_http3(&distribution, http3_port),
            distribution,
            devices: Memo::new(DEVICES_REMEMBERED),
        })
    };
    let locator = Locator::open(&settings.geo).map_err(StartError::Geo)?;
    let mut running: Option<Running> = None;
    let origins = Arc::new(origins);
    for (distribution, staging) in &pairs.0 {
        let mut with = match running {
            None => Running::new(rules(distribution), Arc::clone(&origins)),
            Some(running) => running.and(rules(distribution)),
        };
        if let Some(staging) = staging {
            with = with.staged(rules(&Distribution::clone(staging).standing_in_for(distribution)));
        }
        running = Some(with);
    }
    let running = running.unwrap_or_else(|| Running::new(rules(&settings.distribution), origins));
    Ok(running.located_by(Arc::new(locator)).limited_to(settings.requests_per_second))
}

/// The certificates origins want to see; an error where one is missing, and its origin is spoken to over TLS.
fn client_certificates(
    settings: &Settings,
    servers: &HashMap<String, Vec<pool::Server>>,
) -> Result<HashMap<String, ClientCertificate>, OriginsError> {
    let mut found = HashMap::new();
    for origin in settings.distributions().flat_map(|distribution| &distribution.origins) {
        let Some(arn) = &origin.client_certificate else { continue };
        let stand_ins = servers.get(&origin.domain_name.to_ascii_lowercase());
        let is_plain = stand_ins.is_some_and(|all| all.iter().all(|one| one.scheme == Scheme::Http));
        match settings.origin_certificates.get(arn) {
            Some(path) => drop(found.insert(arn.clone(), ClientCertificate::read(path)?)),
            None if is_plain => {}
            None => {
                return Err(OriginsError::ClientCertificate(format!(
                    "{} wants to see {arn}\n  hint: --origin-certificate {arn}=FILE.pem, with the chain and its key",
                    origin.domain_name
                )));
            }
        }
    }
    Ok(found)
}

/// Each distribution that viewers reach, with the staging distribution behind it.
struct Pairs<'a>(Vec<(&'a Distribution, Option<&'a Distribution>)>);

impl<'a> Pairs<'a> {
    fn of(settings: &'a Settings) -> Self {
        let all: Vec<&Distribution> = settings.distributions().collect();
        let staging = |primary: &Distribution| {
            let found = primary.deployment.as_ref()?.staging_among(all.iter().copied())?;
            Some(all[found])
        };
        let staged: Vec<&Distribution> = all.iter().filter_map(|primary| staging(primary)).collect();
        let is_behind = |one: &Distribution| staged.iter().any(|staged| std::ptr::eq(*staged, one));
        let reached = all.iter().filter(|one| !is_behind(one));
        Self(reached.map(|primary| (*primary, staging(primary))).collect())
    }

    fn reached(&self) -> impl Iterator<Item = &'a Distribution> {
        self.0.iter().map(|(primary, _)| *primary)
    }
}

fn tls(settings: &Settings) -> Result<(Option<Arc<Tls>>, Option<PathBuf>), StartError> {
    if settings.https.is_empty() {
        return Ok((None, None));
    }
    let (certificates, ca_path) = certificates(settings)?;
    let tls = sites(settings).and_then(|sites| Tls::of(certificates, sites)).map_err(StartError::Tls)?;
    let tls = match &settings.connection_log {
        Some(journal) => tls.logging(Arc::clone(journal)),
        None => tls,
    };
    Ok((Some(Arc::new(tls)), ca_path))
}

fn sites(settings: &Settings) -> Result<Sites, TlsError> {
    Sites::of(settings.distributions().cloned().collect(), &settings.trust_stores)
}

fn certificates(settings: &Settings) -> Result<(Certificates, Option<PathBuf>), StartError> {
    let mut certificates = Certificates::new();
    for (chain, key) in &settings.certificates {
        certificates.add_files(chain, key).map_err(StartError::Tls)?;
    }
    let Some(directory) = &settings.local_ca else { return Ok((certificates, None)) };
    // Whoever verifies certificates goes by the time there is, and so does whoever finds the CA here later.
    let clock = Clock::system();
    let ca = LocalCa::open(directory, clock.now()).map_err(StartError::Ca)?;
    let path = ca.certificate_path().to_owned();
    let distributions: Vec<Distribution> = settings.distributions().cloned().collect();
    let fallback = settings.distribution.domain_name.clone();
    let answers_for = move |name: &str| distributions.iter().any(|one| one.answers_for(name));
    certificates.mint_with(ca, clock, &fallback, answers_for);
    Ok((certificates, Some(path)))
}

impl Service for Edge {
    type Body = Body;
    type Error = Broken;

    async fn call<B: RequestBody>(
        &self,
        mut request: http::Request<B>,
        peer: &Peer,
        interims: Interims<'_>,
    ) -> http::Response<Body> {
        let viewer = Viewer { addr: peer.addr, scheme: peer.scheme, tls: peer.tls_of_request() };
        let upgrade = Upgrade::of(&mut request, peer);
        self.serve(request, viewer, upgrade, interims).await
    }

    fn refuse(&self, refusal: Refusal, peer: &Peer) -> http::Response<Body> {
        let tls = peer.tls_of_request();
        self.refuse_unread(refusal, &Viewer { addr: peer.addr, scheme: peer.scheme, tls })
    }
}
