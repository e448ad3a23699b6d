//! What came of a viewer's TLS handshake, as a value that comes with the request (§6).
//!
//! It refuses to know how a handshake is made: the listener tells what came of one.

use std::fmt;
use std::sync::Arc;

use super::{Certificate, Fingerprint};

/// The facts behind `CloudFront-Viewer-TLS`, the certificate and the fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, by the name OpenSSL and CloudFront's logs use.
    pub cipher: &'static str,
    /// What this request needed of a handshake.
    pub handshake: Handshake,
    /// What the viewer showed, and the listener let pass.
    pub certificate: Option<Arc<Certificate>>,
    /// Of the viewer's first message, where anything depends on it.
    pub fingerprint: Option<Arc<Fingerprint>>,
    /// The domain name of the distribution whose connection function let the viewer in (§11.6).
    pub allowed_by: Option<Arc<str>>,
}

/// How the connection a request came on was secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// For this request, from the beginning.
    Full,
    /// For this request, from a ticket.
    Resumed,
    /// For a request before this one.
    Reused,
}

/// What most viewers agree on.
impl Default for Tls {
    fn default() -> Self {
        let (version, cipher) = ("TLSv1.3", "TLS_AES_128_GCM_SHA256");
        Self {
            version,
            cipher,
            handshake: Handshake::Full,
            certificate: None,
            fingerprint: None,
            allowed_by: None,
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handshake = match self.handshake {
            Handshake::Full => "fullHandshake",
            Handshake::Resumed => "sessionResumed",
            Handshake::Reused => "connectionReused",
        };
        write!(f, "{}:{}:{handshake}", self.version, self.cipher)
    }
}
