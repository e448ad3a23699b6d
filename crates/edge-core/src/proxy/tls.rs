//! TLS towards viewers: which certificate a name gets, and what both sides may speak.
//!
//! TLS 1.2 and 1.3 with forward secrecy, as far as the security policy of the distribution a viewer names allows (§11.3),
//! and no early data (CloudFront has none: a replayed request would be a second request). Sessions resume from tickets
//! that rustls opens only for the server name they were made for (`can_resume` in its `server/hs.rs` compares the names),
//! and whose keys belong to one set of wants: a session carries a viewer neither to another site nor past a policy that
//! came into force meanwhile.
//!
//! Reading order: this file (what is shared, and what a handshake comes to), `wants` (what a site wants of one, as rustls
//! takes it), `greeting` (one handshake; `quic` over QUIC), `admission` (whom a connection function lets in), `attempts` and
//! `failure` (what the log says of it), `certificates` (what is presented), `viewers` and `certificate` (what viewers show).
mod admission;
mod attempts;
mod certificate;
mod certificates;
mod failure;
mod greeting;
#[cfg(feature = "http3")]
mod quic;
mod viewers;
mod wants;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::ResolvesServerCert;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

pub(super) use self::attempts::Greeting;
pub use self::certificates::Certificates;
use self::certificates::Current;
#[cfg(feature = "http3")]
pub(in crate::proxy) use self::quic::{Offer, Quic};
pub use self::viewers::TrustStoreFiles;
pub use self::wants::Sites;
use self::wants::Wants;
use super::clock::Clock;
use super::ids::RequestIds;
use super::journal::Journal;
use crate::viewer::{self, Attempt};

/// The HTTP versions a TLS viewer may choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1, in this order of preference.
    #[default]
    Http2AndHttp1,
    /// HTTP/1.1 alone.
    Http1,
}

/// What TLS listeners of one configuration share.
pub struct Tls {
    certificates: Arc<Current>,
    installed: ArcSwap<Installed>,
    /// Whether it was said what becomes of those who name nobody.
    told: AtomicBool,
    /// What connection functions go by. Certificates do too.
    clock: Clock,
    ids: RequestIds,
    /// Where attempts are logged.
    journal: Option<Arc<Journal<Attempt>>>,
}

/// What is in force.
struct Installed {
    sites: Sites,
    /// For each site, in the same order.
    ready: Vec<Ready>,
}

/// A site, ready for handshakes.
struct Ready {
    wants: Wants,
    config: Arc<ServerConfig>,
}

/// What a handshake agreed on: the facts behind `CloudFront-Viewer-TLS` and two log fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The name the viewer asked for, in lower case.
    pub sni: Option<String>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, by the name OpenSSL and CloudFront's logs use.
    pub cipher: &'static str,
    /// Whether the session was resumed rather than made anew.
    pub session: Session,
    /// What the viewer showed, where it was asked to.
    pub certificate: Option<Arc<viewer::Certificate>>,
    /// Of the viewer's first message, where a policy of the sites wants it.
    pub fingerprint: Option<Arc<viewer::Fingerprint>>,
    /// The domain name of the distribution whose connection function let the viewer in.
    pub allowed_by: Option<Arc<str>>,
}

/// How a TLS session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// By a full handshake.
    Full,
    /// From a ticket.
    Resumed,
}

/// Why certificates could not be used.
#[derive(Debug)]
pub enum TlsError {
    /// A file holds no usable certificate or key.
    File(PathBuf, String),
    /// There is neither a certificate nor a local authority.
    NoCertificate,
    /// The trust store with this id has no usable certificates.
    TrustStore(String, String),
    /// rustls refused the settings.
    Settings(rustls::Error),
}

impl Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, why) => write!(f, "{}: {why}", path.display()),
            Self::NoCertificate => f.write_str("HTTPS needs a certificate or the local CA"),
            Self::TrustStore(id, why) => {
                write!(
                    f,
                    "trust store {id:?}: {why}\n  hint: --trust-store {id}=FILE.pem, or the bundle's TrustStores"
                )
            }
            Self::Settings(error) => write!(f, "TLS settings: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// One site for whoever comes.
    pub fn new(certificates: Certificates, protocols: Protocols) -> Result<Self, TlsError> {
        Self::of(certificates, Sites::anybody(protocols))
    }

    /// TLS for these sites with these certificates.
    pub fn of(certificates: Certificates, sites: Sites) -> Result<Self, TlsError> {
        let certificates = Arc::new(Current(ArcSwap::from_pointee(certificates.checked()?)));
        let installed = Installed::new(sites, None, &certificates)?;
        let (installed, told) = (ArcSwap::from_pointee(installed), AtomicBool::new(false));
        let (clock, ids) = (Clock::system(), RequestIds::new());
        Ok(Self { certificates, installed, told, clock, ids, journal: None })
    }

    /// Presents other certificates, and wants what these sites want, from the next handshake on. Connections that stand
    /// are not touched; sessions resume where a site wants what it wanted before.
    pub fn replace(&self, certificates: Certificates, sites: Sites) -> Result<(), TlsError> {
        let certificates = certificates.checked()?;
        let installed = Installed::new(sites, Some(&self.installed.load()), &self.certificates)?;
        self.certificates.0.store(Arc::new(certificates));
        self.installed.store(Arc::new(installed));
        Ok(())
    }
}

impl Installed {
    /// Who wants the same has the same settings, tickets included.
    fn new(sites: Sites, before: Option<&Self>, certificates: &Arc<Current>) -> Result<Self, TlsError> {
        let mut ready: Vec<Ready> = Vec::new();
        for wants in sites.wants() {
            let known = ready.iter().chain(before.iter().flat_map(|before| &before.ready));
            let same = known.into_iter().find(|other| other.wants == *wants);
            let config = match same {
                Some(same) => Arc::clone(&same.config),
                None => {
                    let resolver = Arc::clone(certificates) as Arc<dyn ResolvesServerCert>;
                    Arc::new(wants.config(resolver).map_err(TlsError::Settings)?)
                }
            };
            ready.push(Ready { wants: wants.clone(), config });
        }
        Ok(Self { sites, ready })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl TlsFacts {
    /// `shown_to` is the domain name of the distribution the viewer named.
    fn of(connection: &ServerConnection, shown_to: &str) -> Self {
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        Self {
            sni: connection.server_name().map(str::to_owned),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            cipher: connection.negotiated_cipher_suite().map_or("-", |suite| cipher_name(suite.suite())),
            session: match connection.handshake_kind() {
                Some(HandshakeKind::Resumed) => Session::Resumed,
                _ => Session::Full,
            },
            fingerprint: None,
            allowed_by: None,
            certificate: leaf.map(|leaf| Arc::new(certificate::read(leaf, shown_to))),
        }
    }
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

fn cipher_name(suite: rustls::CipherSuite) -> &'static str {
    use rustls::CipherSuite as Suite;
    match suite {
        Suite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        Suite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        Suite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => other.as_str().unwrap_or("-"),
    }
}
