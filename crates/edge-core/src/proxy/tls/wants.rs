//! What each site wants of a handshake, as rustls takes it: the protocols and ciphers of its security policy, and HTTP
//! versions (§11.2, §11.3).
//!
//! Which names are whose, the core says (§17.2).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::ResolvesServerCert;

use super::{Protocols, cipher_name, provider};
use crate::distribution::viewer_tls::{Nameless, SecurityPolicy};
use crate::distribution::{Distribution, HttpVersion, most_specific};

/// The sites behind a listener.
pub struct Sites {
    /// Whose names count; as many as there are wants, or none where there is one site for everybody.
    distributions: Vec<Distribution>,
    wants: Vec<Wants>,
}

/// What a site wants. Two that want the same are one to rustls.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wants {
    policy: SecurityPolicy,
    protocols: Protocols,
    nameless: Nameless,
}

impl Sites {
    /// One site for whatever name, without a policy of its own.
    pub fn anybody(protocols: Protocols) -> Self {
        let wants = Wants { policy: SecurityPolicy::TLSv1, protocols, nameless: Nameless::Served };
        Self { distributions: Vec::new(), wants: vec![wants] }
    }

    /// A site for each distribution; the first is for those who name nobody's name as well. At least one.
    pub fn of(distributions: Vec<Distribution>) -> Self {
        let wants = distributions.iter().map(Wants::of).collect();
        Self { distributions, wants }
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
    fn of(distribution: &Distribution) -> Self {
        let protocols = match distribution.http_version {
            HttpVersion::Http1 | HttpVersion::Http3 => Protocols::Http1,
            HttpVersion::Http2 | HttpVersion::Http2And3 => Protocols::Http2AndHttp1,
        };
        let tls = &distribution.viewer_tls;
        Self { policy: tls.policy, protocols, nameless: tls.nameless }
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
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.ticketer = ring::Ticketer::new()?;
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
fn restricted(policy: SecurityPolicy) -> CryptoProvider {
    let mut provider = provider();
    let known = std::mem::take(&mut provider.cipher_suites);
    let named = |name: &str| known.iter().find(|suite| cipher_name(suite.suite()) == name).copied();
    provider.cipher_suites = policy.ciphers().filter_map(named).collect();
    provider
}
