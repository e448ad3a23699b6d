//! What a viewer's TLS handshake agreed on, as a value that comes with the request (§6, `CloudFront-Viewer-TLS`).
//!
//! It refuses to know how a handshake is made: the listener tells what came of one.

use std::fmt;

/// The facts behind `CloudFront-Viewer-TLS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, by the name OpenSSL and CloudFront's logs use.
    pub cipher: &'static str,
    /// What this request needed of a handshake.
    pub handshake: Handshake,
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
