//! TLS towards viewers: which certificate a name gets, and what both sides may speak.
//!
//! TLS 1.2 and 1.3 with forward secrecy, no early data (CloudFront has none: a replayed request would be a second request).
//! Sessions resume from tickets that rustls opens only for the server name they were made for (`can_resume` in its
//! `server/hs.rs` compares the names), so a session never carries a viewer from one site to another.
use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::clock::Clock;
use super::local_ca::{Leaf, LocalCa};

/// How many names may hold a minted leaf at once; the least used one goes first.
const LEAVES_MAX: u64 = 1_000;
/// Names every machine answers to: the leaf for viewers who name nobody covers them too.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

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
    config: Arc<ServerConfig>,
    certificates: Arc<Current>,
}

/// The certificates a listener may present.
#[derive(Default)]
pub struct Certificates {
    /// By name, lower case, as the certificate writes it: `www.example.com` or `*.example.com`.
    named: HashMap<String, Arc<CertifiedKey>>,
    /// The first one loaded, for viewers who name nobody or somebody unknown.
    first: Option<Arc<CertifiedKey>>,
    minted: Option<Minted>,
}

/// Leaves of the local authority, made when a name is first asked for.
struct Minted {
    ca: LocalCa,
    clock: Clock,
    answers_for: Box<dyn Fn(&str) -> bool + Send + Sync>,
    fallback_name: String,
    leaves: moka::sync::Cache<String, Leaf>,
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
    /// rustls refused the settings.
    Settings(rustls::Error),
}

impl Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, why) => write!(f, "{}: {why}", path.display()),
            Self::NoCertificate => f.write_str("HTTPS needs a certificate or the local CA"),
            Self::Settings(error) => write!(f, "TLS settings: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// TLS with these certificates.
    pub fn new(certificates: Certificates, protocols: Protocols) -> Result<Self, TlsError> {
        let certificates = Arc::new(Current(ArcSwap::from_pointee(certificates.checked()?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Settings)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Settings)?;
        config.alpn_protocols = match protocols {
            Protocols::Http2AndHttp1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocols::Http1 => vec![b"http/1.1".to_vec()],
        };
        Ok(Self { config: Arc::new(config), certificates })
    }

    /// Presents other certificates from the next handshake on. Connections that stand are not touched.
    pub fn replace(&self, certificates: Certificates) -> Result<(), TlsError> {
        self.certificates.0.store(Arc::new(certificates.checked()?));
        Ok(())
    }

    /// The settings, as rustls takes them.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Certificates {
    /// No certificate yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate chain and its key, both PEM. It is presented for the names it carries; where two certificates
    /// carry one name, the first wins.
    pub fn add_files(&mut self, chain_path: &Path, key_path: &Path) -> Result<(), TlsError> {
        let in_chain = |why: &dyn Display| TlsError::File(chain_path.to_owned(), why.to_string());
        let in_key = |why: &dyn Display| TlsError::File(key_path.to_owned(), why.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain_path)
            .and_then(Iterator::collect)
            .map_err(|error| in_chain(&error))?;
        let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| in_key(&error))?;
        let leaf = chain.first().ok_or_else(|| in_chain(&"no certificate in it"))?;
        let names: Vec<String> = webpki::EndEntityCert::try_from(leaf)
            .map_err(|error| in_chain(&error))?
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map(Arc::new)
            .map_err(|error| in_key(&format!("not the key of {} ({error})", chain_path.display())))?;
        for name in names {
            self.named.entry(name).or_insert_with(|| Arc::clone(&certified));
        }
        self.first.get_or_insert(certified);
        Ok(())
    }

    /// Lets the local authority vouch for every name `answers_for` says yes to (lower case, no port) and that no file
    /// covers. `fallback_name` is whom viewers meet who name nobody, or somebody unknown.
    pub fn mint_with(
        &mut self,
        ca: LocalCa,
        clock: Clock,
        fallback_name: &str,
        answers_for: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) {
        self.minted = Some(Minted {
            ca,
            clock,
            answers_for: Box::new(answers_for),
            fallback_name: fallback_name.to_ascii_lowercase(),
            leaves: moka::sync::Cache::new(LEAVES_MAX),
        });
    }

    fn checked(self) -> Result<Self, TlsError> {
        if self.first.is_none() && self.minted.is_none() { Err(TlsError::NoCertificate) } else { Ok(self) }
    }

    fn find(&self, sni: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let from_file = sni.and_then(|name| {
            let wildcard = || {
                let (_, parent) = name.split_once('.')?;
                self.named.get(&format!("*.{parent}"))
            };
            self.named.get(name).or_else(wildcard).cloned()
        });
        from_file
            .or_else(|| {
                let minted = self.minted.as_ref()?;
                let name = sni.filter(|name| (minted.answers_for)(name))?;
                minted.leaf(name)
            })
            .or_else(|| self.first.clone())
            .or_else(|| self.minted.as_ref()?.fallback())
    }
}

impl Minted {
    fn leaf(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.cached(name, |now| self.ca.leaf(&[name], now))
    }

    /// The leaf under the empty name covers the loopback names as well.
    fn fallback(&self) -> Option<Arc<CertifiedKey>> {
        self.cached("", |now| {
            let mut names = vec![self.fallback_name.as_str()];
            names.extend(LOOPBACK_NAMES.iter().filter(|&&name| name != self.fallback_name));
            self.ca.leaf(&names, now)
        })
    }

    fn cached(
        &self,
        name: &str,
        mint: impl Fn(SystemTime) -> Result<Leaf, super::local_ca::CaError>,
    ) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.now();
        if let Some(leaf) = self.leaves.get(name)
            && now < leaf.renew_at
        {
            return Some(leaf.certified);
        }
        match mint(now) {
            Ok(leaf) => {
                let certified = Arc::clone(&leaf.certified);
                self.leaves.insert(name.to_owned(), leaf);
                Some(certified)
            }
            Err(error) => {
                tracing::error!(name, %error, "no certificate for this name");
                None
            }
        }
    }
}

/// The certificates of the moment, as a resolver.
struct Current(ArcSwap<Certificates>);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands over a valid DNS name in lower case.
        self.0.load().find(hello.server_name())
    }
}

impl TlsFacts {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
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
