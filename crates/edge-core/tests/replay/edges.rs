//! The edges that cases are replayed through, and what all of them share because it is costly: the local CA, TLS on
//! both sides, and one `Origins`, in which every origin name of every case is this machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::storing::Guard;
use edge_core::distribution::{Distribution, OriginKind, OriginProtocol};
use edge_core::exchange::Rules;
use edge_core::proxy::access_log::{AccessLog, AccessLogSettings, Keep};
use edge_core::proxy::clock::{Clock, Hand};
use edge_core::proxy::edge::{Edge as Inner, Room, Running};
use edge_core::proxy::fetch::{Origins, OriginsConfig, Scheme, Server, Verification};
use edge_core::proxy::geo::{GeoSettings, Locator};
use edge_core::proxy::listen::{Limits, Listener, Stop};
use edge_core::proxy::local_ca::LocalCa;
use edge_core::proxy::tls::{Certificates, Protocols, Tls};
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

use super::format::{Failure, Fields, HOST, Location, Mode};
use super::lambdas::Lambdas;
use super::origin::Origin;
use super::simulate::fields;

/// A timeout that a step waits for.
const SHORT: Duration = Duration::from_millis(100);

/// A timeout that no step waits for.
const LONG: Duration = Duration::from_secs(60);

const ROOM: Room = Room { cache_bytes: 16 * 1024 * 1024, origin_requests_max: 256 };

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Shared {
    tls: Arc<Tls>,
    authority: CertificateDer<'static>,
    origins: Arc<Origins>,
    /// What origins present.
    pub(crate) origin_tls: Arc<rustls::ServerConfig>,
    pub(crate) connect_h1: TlsConnector,
    pub(crate) connect_h2: TlsConnector,
    /// A port at which nobody listens: it is bound, so nobody else gets it.
    refusing: socket2::Socket,
    /// A port at which nobody ever says anything.
    silent: std::net::TcpListener,
}

impl Shared {
    /// For cases whose origins have these names.
    pub(crate) fn new(names: &[&str]) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-replay-ca");
        // Both sides of a handshake look at the system's clock.
        let clock = Clock::system();
        let ca = LocalCa::open(&directory, clock.now()).unwrap();
        let authority = ca.certificate().clone();
        let leaf = ca.leaf(names, clock.now()).unwrap();
        let mut origin_tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(leaf.certified)));
        origin_tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut certificates = Certificates::new();
        certificates.mint_with(ca, clock, HOST, |_| true);
        let tls = Tls::new(certificates, Protocols::Http2AndHttp1).unwrap();
        let refusing = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        refusing.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
        let hosts = names.iter().map(|name| ((*name).to_owned(), vec![LOOPBACK])).collect();
        Self {
            tls: Arc::new(tls),
            origins: Arc::new(origins(&authority, hosts, HashMap::new())),
            origin_tls: Arc::new(origin_tls),
            connect_h1: connector(&authority, b"http/1.1"),
            connect_h2: connector(&authority, b"h2"),
            authority,
            refusing,
            silent: std::net::TcpListener::bind((LOOPBACK, 0)).unwrap(),
        }
    }
}

fn origins(
    authority: &CertificateDer<'static>,
    hosts: HashMap<String, Vec<IpAddr>>,
    servers: HashMap<String, Vec<Server>>,
) -> Origins {
    let extra_roots = vec![authority.clone()];
    let config =
        OriginsConfig { servers, hosts, extra_roots, health_check: None, ..OriginsConfig::default() };
    Origins::new(config).unwrap()
}

fn connector(authority: &CertificateDer<'static>, protocol: &[u8]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// An edge for one case in one mode, with listeners of its own.
pub(crate) struct Edge {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) inner: Inner,
    pub(crate) hand: Hand,
    /// Lines of the access log.
    pub(crate) log: mpsc::UnboundedReceiver<Fields>,
    distribution: Distribution,
    staging: Option<Distribution>,
    guard: Guard,
    origins: Arc<Origins>,
    failing: Vec<(Failure, Option<String>)>,
    location: Option<Location>,
    stop: Stop,
}

impl Edge {
    pub(crate) fn start(
        shared: &Shared,
        (mut distribution, mut staging): (Distribution, Option<Distribution>),
        mode: Mode,
        origin: &Origin,
        lambdas: &Lambdas,
    ) -> Self {
        let endpoint = lambdas.endpoint();
        let mut servers = HashMap::new();
        let mut both: Vec<&mut Distribution> = vec![&mut distribution];
        both.extend(&mut staging);
        for one in &mut both {
            one.locate_lambdas(|_, _| Some(Arc::clone(&endpoint)));
        }
        for known in both.into_iter().flat_map(|one| &mut one.origins) {
            // The simulator's origin is asked once.
            known.connection_attempts = 1;
            (known.connection_timeout, known.read_timeout) = (LONG, LONG);
            match &mut known.kind {
                OriginKind::Custom { http_port, https_port, .. } => {
                    (*http_port, *https_port) = (origin.http_port, origin.https_port);
                }
                // Its ports cannot be chosen.
                OriginKind::S3 => {
                    let (host, port) = (LOOPBACK.to_string(), origin.https_port);
                    let server =
                        Server { scheme: Scheme::Https, host, port, verification: Verification::Strict };
                    servers.insert(known.domain_name.to_ascii_lowercase(), vec![server]);
                }
            }
        }
        let origins = if servers.is_empty() {
            Arc::clone(&shared.origins)
        } else {
            Arc::new(origins(&shared.authority, HashMap::new(), servers))
        };
        let guard = match mode {
            Mode::Exact => Guard::Off,
            Mode::Guard => Guard::On,
        };
        let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH);
        let running = running((distribution.clone(), staging.clone()), guard, &origins);
        let (told, log) = mpsc::unbounded_channel();
        let keep = Keep::with(move |record| _ = told.send(fields(&record)));
        let access_log = AccessLog::open(&AccessLogSettings::Records(keep)).unwrap();
        let inner = Inner::logging(running, ROOM, clock, Some(access_log));
        let stop = Stop::new();
        let serve = |tls| {
            let listener = Listener::bind(SocketAddr::new(LOOPBACK, 0), tls, Limits::default()).unwrap();
            let addr = listener.local_addr().unwrap();
            tokio::spawn(listener.serve(inner.clone(), stop.clone()));
            addr
        };
        let (http, https) = (serve(None), serve(Some(Arc::clone(&shared.tls))));
        Self {
            http,
            https,
            hand,
            distribution,
            staging,
            guard,
            origins,
            failing: Vec::new(),
            location: None,
            stop,
            inner,
            log,
        }
    }

    /// From the next request on these origins, or all where none is named, fail like this, as far as that is a matter
    /// of names, ports and timeouts, and viewers are there.
    pub(crate) fn fail(
        &mut self,
        shared: &Shared,
        failing: Vec<(Failure, Option<String>)>,
        location: Option<Location>,
    ) {
        if self.failing == failing && self.location == location {
            return;
        }
        (self.failing, self.location) = (failing, location);
        let mut distribution = self.distribution.clone();
        for origin in &mut distribution.origins {
            let mine = self.failing.iter().find(|(_, id)| id.as_ref().is_none_or(|id| *id == origin.id));
            match mine.map(|(failure, _)| *failure) {
                Some(Failure::Dns) => origin.domain_name = "nobody.invalid".to_owned(),
                Some(Failure::Connect) => {
                    let addr = shared.refusing.local_addr().unwrap().as_socket().unwrap();
                    origin.kind = at(addr.port(), OriginProtocol::HttpOnly);
                }
                // A handshake is part of connecting, and nobody answers it.
                Some(Failure::ConnectTimeout) => {
                    let addr = shared.silent.local_addr().unwrap();
                    origin.kind = at(addr.port(), OriginProtocol::HttpsOnly);
                    origin.connection_timeout = SHORT;
                }
                Some(Failure::ReadTimeout) => origin.read_timeout = SHORT,
                Some(Failure::CompletionTimeout) => origin.completion_timeout = Some(SHORT),
                Some(Failure::Closed | Failure::Invalid | Failure::HeadTooLarge) | None => {}
            }
        }
        let elsewhere = self.location.as_ref().map(Location::to_core).unwrap_or_default();
        let locator = Locator::open(&GeoSettings { elsewhere, ..GeoSettings::default() }).unwrap();
        let running = running((distribution, self.staging.clone()), self.guard, &self.origins)
            .located_by(Arc::new(locator));
        self.inner.replace(running);
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

fn at(port: u16, protocol: OriginProtocol) -> OriginKind {
    OriginKind::Custom { http_port: port, https_port: port, protocol }
}

/// As `Server::start` makes it, but HTTPS is on the port that needs no name, as in the simulator.
fn running(
    (distribution, staging): (Distribution, Option<Distribution>),
    guard: Guard,
    origins: &Arc<Origins>,
) -> Running {
    let staging = staging.map(|staging| staging.standing_in_for(&distribution));
    let rules = |distribution| {
        let place = Place::new(7, None).offering_http3(&distribution, Some(443));
        Arc::new(Rules { distribution, guard, place, devices: Memo::new(16) })
    };
    let running = Running::new(rules(distribution), Arc::clone(origins));
    match staging {
        Some(staging) => running.staged(rules(staging)),
        None => running,
    }
}
