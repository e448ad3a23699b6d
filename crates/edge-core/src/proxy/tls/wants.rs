//! What each site wants of a handshake, as rustls takes it: the protocols and ciphers of its security policy, and HTTP
//! versions (§11.2, §11.3), and whether viewers show a certificate (§11.6).
//!
//! Which names are whose, the core says (§17.2).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};

use super::viewers::{TrustStoreFiles, Viewers};
use super::{Protocols, TlsError, cipher_name, provider};
use crate::distribution::viewer_tls::{Nameless, SecurityPolicy};
use crate::distribution::{Distribution, HttpVersion, most_specific};
use crate::viewer::facts;

/// The sites behind a listener.
pub struct Sites {
    /// Whose names count; as many as there are wants, or none where there is one site for everybody.
    distributions: Vec<Distribution>,
    wants: Vec<Wants>,
    fingerprints: Fingerprints,
}

/// Whether the fingerprints of viewers are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fingerprints {
    /// A policy wants them.
    Taken,
    /// Nobody wants to know.
    NotTaken,
}

/// What a site wants. Two that want the same are one to rustls.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wants {
    policy: SecurityPolicy,
    protocols: Protocols,
    nameless: Nameless,
    viewers: Viewers,
    http3: Http3,
}

/// Whether a site is there for viewers over QUIC.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http3 {
    Offered,
    Not,
}

impl Sites {
    /// One site for whatever name, without a policy of its own.
    pub fn anybody(protocols: Protocols) -> Self {
        let wants = Wants {
            policy: SecurityPolicy::TLSv1,
            protocols,
            nameless: Nameless::Served,
            viewers: Viewers::Unasked,
            http3: Http3::Not,
        };
        Self { distributions: Vec::new(), wants: vec![wants], fingerprints: Fingerprints::NotTaken }
    }

    /// A site for each distribution; the first is for those who name nobody's name as well. At least one.
    /// `files` has the trust stores that are not in the documents: an error where one is missing.
    pub fn of(distributions: Vec<Distribution>, files: &TrustStoreFiles) -> Result<Self, TlsError> {
        let wants = distributions.iter().map(|one| Wants::of(one, files)).collect::<Result<_, _>>()?;
        // Which of them a request is for is only known when it is there.
        let wanted = distributions.iter().any(facts::needs_fingerprint);
        let fingerprints = if wanted { Fingerprints::Taken } else { Fingerprints::NotTaken };
        Ok(Self { distributions, wants, fingerprints })
    }

    /// The distribution at this place, where it is one's.
    pub(super) fn distribution(&self, place: usize) -> Option<&Distribution> {
        self.distributions.get(place)
    }

    /// The domain name of the one at this place, where it has one.
    pub(super) fn domain_name(&self, place: usize) -> &str {
        self.distributions.get(place).map_or("", |distribution| distribution.domain_name.as_str())
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        self.fingerprints
    }

    pub(super) fn wants(&self) -> &[Wants] {
        &self.wants
    }

    /// The one a viewer means, by its place.
    pub(super) fn find(&self, sni: Option<&str>) -> usize {
        if self.wants.len() == 1 {
            return 0;
        }
        sni.and_then(|name| most_specific(self.distributions.iter(), name)).unwrap_or(0)
    }
}

impl Wants {
    fn of(distribution: &Distribution, files: &TrustStoreFiles) -> Result<Self, TlsError> {
        let protocols = match distribution.http_version {
            HttpVersion::Http1 | HttpVersion::Http3 => Protocols::Http1,
            HttpVersion::Http2 | HttpVersion::Http2And3 => Protocols::Http2AndHttp1,
        };
        let tls = &distribution.viewer_tls;
        let viewers = Viewers::of(tls.mtls.as_ref(), files)?;
        let http3 = if distribution.offers_http3() { Http3::Offered } else { Http3::Not };
        Ok(Self { policy: tls.policy, protocols, nameless: tls.nameless, viewers, http3 })
    }

    /// The cipher a viewer with these gets over QUIC; `None` if he is not served there.
    #[cfg(feature = "http3")]
    pub(super) fn cipher_over_quic(&self, offered: &[rustls::CipherSuite]) -> Option<&'static str> {
        let offered = |cipher: &&str| offered.iter().any(|suite| cipher_name(*suite) == *cipher);
        // Those of TLS 1.3 have names of their own.
        let mut allowed = self.policy.ciphers().filter(|cipher| cipher.starts_with("TLS_"));
        (self.http3 == Http3::Offered).then(|| allowed.find(offered)).flatten()
    }

    /// Whether somebody who names nobody is dropped (§11.3).
    pub(super) fn drops_nameless(&self) -> bool {
        self.nameless == Nameless::Dropped
    }

    pub(super) fn config(
        &self,
        certificates: Arc<dyn ResolvesServerCert>,
    ) -> Result<ServerConfig, rustls::Error> {
        let provider = restricted(self.policy);
        let speaks = |name: &str| self.policy.protocols().any(|protocol| protocol == name);
        let versions: Vec<&rustls::SupportedProtocolVersion> =
            [("TLSv1.3", &rustls::version::TLS13), ("TLSv1.2", &rustls::version::TLS12)]
                .into_iter()
                .filter(|(name, _)| speaks(name))
                .map(|(_, version)| version)
                .collect();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)?
            .with_client_cert_verifier(self.viewers.verifier()?)
            .with_cert_resolver(certificates);
        if self.viewers == Viewers::Unasked {
            config.ticketer = ring::Ticketer::new()?;
        } else {
            // Each connection shows its certificate anew: what was good when a session began may have ended since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        // The order is CloudFront's, not the viewer's.
        config.ignore_client_order = true;
        config.alpn_protocols = match self.protocols {
            Protocols::Http2AndHttp1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocols::Http1 => vec![b"http/1.1".to_vec()],
        };
        Ok(config)
    }
}

/// The provider with the ciphers of a policy alone, in the policy's order.
pub(super) fn restricted(policy: SecurityPolicy) -> CryptoProvider {
    let mut provider = provider();
    let known = std::mem::take(&mut provider.cipher_suites);
    let named = |name: &str| known.iter().find(|suite| cipher_name(suite.suite()) == name).copied();
    provider.cipher_suites = policy.ciphers().filter_map(named).collect();
    provider
}
