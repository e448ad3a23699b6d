//! Connections to servers of origins: the idle ones first, then new ones, with TLS as CloudFront asks for it
//! (cloudfront.md §5.7).
//!
//! pingora keeps the pool, connects and does the handshake. Three of its habits are dealt with here: it skips all
//! verification for an empty SNI, its pool does not see a peer's certificate authorities, and it can match a
//! certificate against the SNI only, where CloudFront also takes the origin's own name.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::tls::CaType;
use pingora_core::protocols::{ALPN, Stream, TcpKeepalive};
use pingora_core::upstreams::peer::{HttpPeer, Peer as _};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_core::{Error, ErrorType};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::time::{Instant, timeout_at};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::addresses::Addresses;
use super::failure::OriginFailure;
use super::idle::{Home, Idle};
use super::lines::Lines;
use super::{Call, OriginsError, Scheme, Trust};
use crate::proxy::pool::{Server, Verification};

/// What each of several addresses gets of the connection timeout, at least.
const SHARE_MIN: Duration = Duration::from_secs(1);

/// How a server that vanished is noticed on a connection that may be silent.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(10),
    count: 3,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// Connects to servers and keeps idle connections.
pub(crate) struct Connector {
    idle: Arc<Idle>,
    /// The system's and the extra certificate authorities, where there are extra ones.
    roots: Option<Arc<CaType>>,
    /// Any authority: pingora wants one even where nothing is verified.
    placeholder: Arc<CaType>,
    /// By ARN.
    client_certificates: HashMap<String, Arc<CertKey>>,
    seed: RandomState,
    /// Connections that carry many calls each.
    pub(super) lines: Arc<Lines>,
}

/// Whom to connect to, and under which names.
pub(crate) struct Destination<'a> {
    pub(crate) server: &'a Server,
    /// The Host of the request, without port: the SNI.
    pub(crate) host: &'a str,
    /// The origin's own name: a certificate for it is good too.
    pub(crate) domain_name: &'a str,
    /// Which of our certificates it wants to see (§5.7).
    pub(crate) client_certificate: Option<&'a str>,
    pub(crate) speaks: Speaks,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    /// Over TLS by ALPN, without it at once (RFC 9113 §3.3).
    Http2,
}

impl<'a> Destination<'a> {
    /// The one of a request.
    pub(super) fn of(call: &Call<'a>, server: &'a Server, speaks: Speaks) -> Self {
        let host =
            call.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Self {
            server,
            host: without_port(host),
            domain_name: &call.origin.domain_name,
            client_certificate: call.origin.client_certificate.as_deref(),
            speaks,
        }
    }
}

fn without_port(host: &str) -> &str {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match bracketed {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

/// A connection ready for a request.
pub(crate) struct Connected {
    pub(crate) stream: Stream,
    pub(crate) address: SocketAddr,
    pub(crate) home: Home,
}

impl Connector {
    /// Loads the system's certificate authorities, once.
    pub(super) fn new(trust: &Trust) -> Result<Self, OriginsError> {
        let Trust { extra_roots: extra, client_certificates, idle_connections_max: idle_max } = trust;
        let idle_max = *idle_max;
        // pingora panics on what is found out here.
        pingora_core::tls::install_default_crypto_provider();
        let mut store = RootCertStore::empty();
        pingora_core::tls::load_platform_certs_incl_env_into_store(&mut store)
            .map_err(|error| OriginsError::Roots(error.to_string()))?;
        let roots = if extra.is_empty() { None } else { Some(union(extra)?) };
        let transport = TransportConnector::new(Some(ConnectorOptions::new(idle_max)));
        Ok(Self {
            idle: Arc::new(Idle::new(transport, idle_max)),
            roots,
            placeholder: placeholder()?,
            client_certificates: client_certificates
                .iter()
                .map(|(arn, certificate)| (arn.clone(), certificate.to_pingora()))
                .collect(),
            seed: RandomState::new(),
            lines: Arc::default(),
        })
    }

    /// An idle connection to one of `addresses`.
    pub(crate) async fn idle(&self, to: &Destination<'_>, addresses: &[SocketAddr]) -> Option<Connected> {
        for &address in addresses {
            let peer = self.peer(to, address);
            if let Some(stream) = self.idle.take(&peer).await {
                return Some(self.connected(stream, address, to, peer));
            }
        }
        None
    }

    /// A new connection to the first of `addresses` that takes one before `deadline`.
    pub(crate) async fn fresh(
        &self,
        to: &Destination<'_>,
        addresses: &[SocketAddr],
        known: &Addresses,
        deadline: Instant,
    ) -> Result<Connected, OriginFailure> {
        if let Some(arn) = to.client_certificate
            && to.server.scheme == Scheme::Https
            && !self.client_certificates.contains_key(arn)
        {
            return Err(OriginFailure::Tls(format!("there is no client certificate {arn}")));
        }
        let mut last = OriginFailure::Dns("no address".to_owned());
        for (turn, &address) in addresses.iter().enumerate() {
            let peer = self.peer(to, address);
            let last_one = turn + 1 == addresses.len();
            let deadline = if last_one { deadline } else { share(deadline, addresses.len() - turn) };
            if peer.tls() && ServerName::try_from(peer.sni()).is_err() {
                return Err(OriginFailure::Tls(format!("{:?} cannot be a server's name", peer.sni())));
            }
            let result = match timeout_at(deadline, self.idle.transport().new_stream(&peer)).await {
                Err(_) => Err(OriginFailure::ConnectTimeout),
                Ok(Ok(stream)) => check(&stream, to).map(|()| self.connected(stream, address, to, peer)),
                Ok(Err(error)) => Err(failure(&error)),
            };
            match result {
                Ok(connected) => {
                    known.connected(address);
                    return Ok(connected);
                }
                Err(failure) => {
                    known.failed(address, Instant::now());
                    last = failure;
                }
            }
        }
        Err(last)
    }

    fn connected(
        &self,
        stream: Stream,
        address: SocketAddr,
        to: &Destination<'_>,
        peer: HttpPeer,
    ) -> Connected {
        Connected { stream, address, home: Idle::home(&self.idle, to.server, peer) }
    }

    /// Closes the idle connections to a server; those in use are closed when they are not any more.
    pub(super) async fn close_idle(&self, server: &Server) {
        self.lines.close(server);
        self.idle.close(server).await;
    }

    fn peer(&self, to: &Destination<'_>, address: SocketAddr) -> HttpPeer {
        let tls = to.server.scheme == Scheme::Https;
        let sni = if tls { to.host } else { "" };
        let mut peer = HttpPeer::new(address, tls, sni.to_owned());
        match to.server.verification {
            Verification::Strict => peer.options.ca.clone_from(&self.roots),
            Verification::Off => {
                peer.options.verify_cert = false;
                peer.options.ca = Some(Arc::clone(&self.placeholder));
            }
        }
        peer.client_cert_key =
            to.client_certificate.filter(|_| tls).and_then(|arn| self.client_certificates.get(arn)).cloned();
        if to.speaks == Speaks::Http2 {
            peer.options.alpn = ALPN::H2;
            // A call may be silent for long, and pings of HTTP/2 are counted against those who send them.
            peer.options.tcp_keepalive = Some(KEEP_ALIVE);
        }
        // The chain is pingora's to verify, the name is ours: see `check_name`.
        peer.options.verify_hostname = false;
        // Everything a connection was trusted for; a plain one is tied to its host too, because a server behind
        // may have routed the whole connection by its first request.
        peer.group_key = self.seed.hash_one((to.host, to.domain_name, to.client_certificate, to.server));
        peer
    }
}

/// An address that swallows packets must not use up the time of the others.
fn share(deadline: Instant, addresses: usize) -> Instant {
    let now = Instant::now();
    let part = deadline.saturating_duration_since(now) / u32::try_from(addresses).unwrap_or(u32::MAX).max(1);
    (now + part.max(SHARE_MIN)).min(deadline)
}

/// Whether it is the server that was meant, and speaks what was asked for.
fn check(stream: &Stream, to: &Destination<'_>) -> Result<(), OriginFailure> {
    check_name(stream, to)?;
    let over_tls = to.server.scheme == Scheme::Https;
    if to.speaks == Speaks::Http2 && over_tls && stream.selected_alpn_proto() != Some(ALPN::H2) {
        return Err(OriginFailure::Tls("the server does not speak HTTP/2".to_owned()));
    }
    Ok(())
}

/// SNI and certificate: the forwarded Host, or the origin's name; or the name somebody mapped the origin to.
fn check_name(stream: &Stream, to: &Destination<'_>) -> Result<(), OriginFailure> {
    if to.server.scheme == Scheme::Http || to.server.verification == Verification::Off {
        return Ok(());
    }
    let chain = stream.get_ssl().and_then(|tls| tls.peer_cert_chain_der());
    let leaf = chain.and_then(|chain| chain.first());
    let leaf = leaf.and_then(|leaf| rustls::server::ParsedCertificate::try_from(leaf).ok());
    let Some(leaf) = leaf else { return Err(OriginFailure::Tls("no readable certificate".to_owned())) };
    let names = [to.host, to.domain_name, to.server.host.as_str()];
    let matches = |name: &str| {
        ServerName::try_from(name).is_ok_and(|name| rustls::client::verify_server_name(&leaf, &name).is_ok())
    };
    if names.into_iter().any(matches) {
        return Ok(());
    }
    Err(OriginFailure::Tls(format!("the certificate is not for {} or {}", to.host, to.domain_name)))
}

fn failure(error: &Error) -> OriginFailure {
    match error.etype() {
        ErrorType::ConnectTimedout => OriginFailure::ConnectTimeout,
        ErrorType::ConnectRefused => OriginFailure::Refused,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => OriginFailure::Tls(error.to_string()),
        _ => OriginFailure::Unreachable(error.to_string()),
    }
}

/// pingora's list for one peer replaces the system's authorities, so it has to contain them.
fn union(extra: &[CertificateDer<'static>]) -> Result<Arc<CaType>, OriginsError> {
    for certificate in extra {
        readable(certificate).map_err(OriginsError::Roots)?;
    }
    let system =
        pingora_core::tls::load_native_certs().map_err(|error| OriginsError::Roots(error.to_string()))?;
    let all = extra.iter().chain(&system).filter(|certificate| readable(certificate).is_ok());
    Ok(all.map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509)).collect())
}

/// Both of the parsers that will see the certificate must take it: pingora's panics otherwise.
fn readable(certificate: &CertificateDer<'static>) -> Result<(), String> {
    RootCertStore::empty().add(certificate.clone()).map_err(|error| error.to_string())?;
    X509Certificate::from_der(certificate).map(drop).map_err(|error| error.to_string())
}

fn placeholder() -> Result<Arc<CaType>, OriginsError> {
    let made =
        rcgen::KeyPair::generate().and_then(|key| rcgen::CertificateParams::default().self_signed(&key));
    let certificate = made.map_err(|error| OriginsError::Roots(error.to_string()))?;
    readable(certificate.der()).map_err(OriginsError::Roots)?;
    Ok(Arc::new([WrappedX509::new(certificate.der().to_vec(), parse_x509)]))
}
