//! Handshakes over QUIC: for those who name a distribution that offers HTTP/3, and nobody else (§11.2).
//!
//! A policy of a name can only be kept where the name is known, and over TCP that is before rustls is given its settings.
//! Over QUIC rustls is given them first; so each handshake has a resolver of its own, which looks at the viewer's first
//! message: it gives no certificate where the name has no HTTP/3, or the viewer none of the ciphers of its policy. The
//! ciphers are in CloudFront's order, and the one that is chosen is the first of these the viewer has.
//!
//! Sessions are not resumed: that would save a signature, and no round trip, as there is no early data.

use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::wants::restricted;
use super::{Current, Installed, Session, Tls, TlsError, TlsFacts};
use crate::distribution::viewer_tls::SecurityPolicy;

/// TLS as QUIC needs it.
pub(in crate::proxy) struct Quic {
    tls: Arc<Tls>,
    /// But for whom a viewer meets.
    settings: ServerConfig,
}

/// One handshake: its settings, and what is known after it.
pub(in crate::proxy) struct Offer {
    pub(in crate::proxy) crypto: Arc<dyn quinn::crypto::ServerConfig>,
    pub(in crate::proxy) met: Arc<Met>,
}

/// Whom a viewer named, and what is agreed on.
pub(in crate::proxy) struct Met {
    /// What is in force now, to the end of the handshake.
    installed: Arc<Installed>,
    certificates: Arc<Current>,
    agreed: OnceLock<TlsFacts>,
}

impl Quic {
    /// For the sites of these settings, whichever are in force at a handshake.
    pub(in crate::proxy) fn new(tls: Arc<Tls>) -> Result<Self, TlsError> {
        // Of TLS 1.3 all policies together allow what the oldest does.
        let mut settings = ServerConfig::builder_with_provider(Arc::new(restricted(SecurityPolicy::SSLv3)))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Settings)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&tls.certificates) as Arc<dyn ResolvesServerCert>);
        settings.alpn_protocols = vec![b"h3".to_vec()];
        // The order is CloudFront's, not the viewer's.
        settings.ignore_client_order = true;
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
        settings.max_early_data_size = 0;
        Ok(Self { tls, settings })
    }

    /// For the next handshake. `None` would be a provider without the cipher QUIC begins with.
    pub(in crate::proxy) fn greeting(&self) -> Option<Offer> {
        let met = Arc::new(Met {
            installed: self.tls.installed.load_full(),
            certificates: Arc::clone(&self.tls.certificates),
            agreed: OnceLock::new(),
        });
        let mut settings = self.settings.clone();
        settings.cert_resolver = Arc::clone(&met) as Arc<dyn ResolvesServerCert>;
        let crypto = Arc::new(QuicServerConfig::try_from(Arc::new(settings)).ok()?);
        Some(Offer { crypto, met })
    }
}

impl Met {
    /// What the handshake came to, once it is over.
    pub(in crate::proxy) fn facts(&self) -> Option<TlsFacts> {
        self.agreed.get().cloned()
    }
}

impl ResolvesServerCert for Met {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let wants = &self.installed.ready.get(self.installed.sites.find(Some(name)))?.wants;
        let cipher = wants.cipher_over_quic(hello.cipher_suites())?;
        let facts = TlsFacts {
            sni: Some(name.to_owned()),
            version: "TLSv1.3",
            cipher,
            session: Session::Full,
            certificate: None,
            fingerprint: None,
            allowed_by: None,
        };
        // A second first message, after a wrong guess of the key's group, says the same.
        let _ = self.agreed.set(facts);
        self.certificates.resolve(hello)
    }
}

impl std::fmt::Debug for Met {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Met")
    }
}
